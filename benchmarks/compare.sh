#!/usr/bin/env bash
# Compares RelayCore with mitmdump, haproxy and nginx on this machine. See benchmarks/README.md.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: benchmarks/compare.sh [options]

  --workloads LIST        of w1,w1r,w1h,w1k,w2,w3,w4d,w5,w6,w6d,w7,w9,w10,mem-down,mem-up,mem-flows,mem-idle (default: all)
  --peers LIST            of relay,relay-plain,mitmdump,haproxy,nginx (default: all that are there)
  --rounds N              interleaved rounds (default 5)
  --seconds S             measured window of one round (default 8)
  --warmup S              load before each window (default 2)
  --relay-cmd COMMAND     how to start RelayCore; {port} {dir} {ca} {ready} are replaced
  --flows N               flows of w10 (default 50000)
  --many-flows N          flows of mem-flows (default 200000)
  --idle-connections N    connections of mem-idle (default 10000)
  --huge-mib N            body of mem-down and mem-up (default 2048)
  --download-mib N        body of w6d (default 1024)
  --out DIR               where compare.md and compare.json go (default artifacts/benchmarks)
  --check                 exit with 1 when RelayCore misses a floor
TEXT
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export PATH="$PATH:/usr/sbin:/sbin"
out="$root/artifacts/benchmarks"
peers=relay,relay-plain,mitmdump,haproxy,nginx
arguments=()
while (($#)); do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --out) out=$(realpath -m "${2:?--out needs a value}"); shift 2 ;;
    --peers) peers=${2:?--peers needs a value}; arguments+=("$1" "$2"); shift 2 ;;
    *) arguments+=("$1"); shift ;;
  esac
done

# name of the program -> Debian package that has it
missing=()
need() { command -v "$1" >/dev/null || missing+=("$2"); }
need nginx nginx-light
[[ ",$peers," != *,mitmdump,* ]] || need mitmdump mitmproxy
[[ ",$peers," != *,haproxy,* ]] || need haproxy haproxy
if ((${#missing[@]})); then
  if ((EUID != 0)); then
    echo "These Debian packages are missing: ${missing[*]}. Install them (apt-get install ${missing[*]}) or run this as root once." >&2
    exit 1
  fi
  echo "installing ${missing[*]}" >&2
  # The packages' services are not wanted, only their programs.
  policy=/usr/sbin/policy-rc.d
  remove_policy() { :; }
  if [[ ! -e $policy ]]; then
    remove_policy() { rm -f "$policy"; }
    trap remove_policy EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
  fi
  apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
  remove_policy
  trap - EXIT
fi

dotnet build -c Release -v q --nologo "$root/benchmarks/RelayCore.Load/RelayCore.Load.csproj" >&2
program="$root/artifacts/bin/RelayCore.Load/release/RelayCore.Load"

# mem-idle holds 10,000 connections, and a proxy that pairs them with its own needs twice that.
ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)"

work=$(mktemp -d "${TMPDIR:-/tmp}/relaycore-compare.XXXXXX")
child=
clean_up() {
  trap - EXIT INT TERM
  if [[ -n $child ]] && kill -TERM "$child" 2>/dev/null; then
    wait "$child" 2>/dev/null || true
  fi
  # Only what the comparison started and had no chance to end itself.
  if [[ -f $work/processes ]]; then
    while read -r id; do
      kill -TERM "$id" 2>/dev/null || true
    done <"$work/processes"
  fi
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

"$program" compare --root "$root" --work "$work" --out "$out" "${arguments[@]}" &
child=$!
status=0
wait "$child" || status=$?
child=
exit "$status"
