#!/usr/bin/env bash
# Fuzzes the codecs: fuzz/run.sh [seconds] [target...]   (default: 60 s each, all targets)
# Uses afl-fuzz with instrumented assemblies where it is installed, otherwise mutates the corpus in-process without coverage.
# Prints one line per target with executions and rate. Exit status: 0 no finding, 1 a finding, 2 cannot run.
# FUZZ_MODE=smoke|afl forces a mode. Findings of afl stay in artifacts/fuzz/<target>/default/{crashes,hangs}.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
seconds=60
if [[ ${1:-} =~ ^[0-9]+$ ]]; then
  seconds=$1
  shift
fi

program=$root/artifacts/fuzz/program
rm -rf "$program"
dotnet publish "$here/RelayCore.Fuzz" -c Release -v q -o "$program" >&2 || exit 2
known=$(dotnet "$program/RelayCore.Fuzz.dll" --list)
targets=("$@")
if (( ${#targets[@]} == 0 )); then
  mapfile -t targets <<< "$known"
fi

for target in "${targets[@]}"; do
  if ! grep -qx -- "$target" <<< "$known"; then
    echo "fuzz: no target '$target'; there are: ${known//$'\n'/ }" >&2
    exit 2
  fi
done

mode=${FUZZ_MODE:-afl}
if [[ $mode == afl ]]; then
  missing=
  command -v afl-fuzz > /dev/null || missing="afl-fuzz is not installed"
  if [[ -z $missing ]] && ! (cd "$here" && dotnet tool restore > /dev/null && dotnet sharpfuzz "$program/RelayCore.Protocols.dll") >&2; then
    missing="SharpFuzz.CommandLine cannot be restored or cannot instrument"
  fi
  if [[ -n $missing ]]; then
    [[ ${FUZZ_MODE:-} == afl ]] && { echo "fuzz: $missing" >&2; exit 2; }
    echo "fuzz: *** $missing: NO COVERAGE GUIDANCE, mutating in-process instead ***" >&2
    mode=smoke
  fi
fi

# The runtime maps more than afl's default limit, and these machines have neither core patterns nor governors to set.
export AFL_SKIP_BIN_CHECK=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_SKIP_CPUFREQ=1 AFL_NO_UI=1 AFL_NO_AFFINITY=1 AFL_IGNORE_SEED_PROBLEMS=1
export DOTNET_TieredPGO=0

stat() { sed -n "s/^$2 *: *//p" "$1/default/fuzzer_stats"; }

status=0
for target in "${targets[@]}"; do
  if [[ $mode == smoke ]]; then
    dotnet "$program/RelayCore.Fuzz.dll" --smoke "$seconds" "$target" || status=1
    continue
  fi

  out=$root/artifacts/fuzz/$target
  rm -rf "$out"
  mkdir -p "$out"
  if ! afl-fuzz -i "$here/corpora/$target" -o "$out" -x "$here/dictionaries/$target.dict" -t 5000 -m none -V "$seconds" -- \
      dotnet "$program/RelayCore.Fuzz.dll" --afl "$target" > "$out/log" 2>&1; then
    echo "$target: afl-fuzz failed:" >&2
    tail -n 20 "$out/log" >&2
    exit 2
  fi

  findings=$(( $(stat "$out" saved_crashes) + $(stat "$out" saved_hangs) ))
  echo "$target: $(stat "$out" execs_done) execs in $(stat "$out" run_time) s, $(stat "$out" execs_per_sec)/s, $findings findings"
  if (( findings > 0 )); then
    status=1
    for file in "$out"/default/crashes/id* "$out"/default/hangs/id*; do
      [[ -e $file ]] || continue
      echo "$target: FINDING $file"
      echo "input: $(od -An -v -tx1 "$file" | tr -d ' \n')"
    done
  fi
done

exit "$status"
