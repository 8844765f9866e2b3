#!/bin/sh
# Installs what the tests need, builds, runs every test of the solution, and ends with one line: N passed, N failed, N skipped.
# Options go to the test runner, e.g. ./test.sh --filter-class '*ManifestTests'.
set -u
cd -- "$(dirname -- "$0")" || exit 1

# program:package, for everything a test starts. Without one of them its tests say so and are skipped.
needs='curl:curl wget:wget openssl:openssl python3:python3 nginx:nginx-light chromium:chromium certutil:libnss3-tools socat:socat node:nodejs sshd:openssh-server ssh:openssh-client tinyproxy:tinyproxy-bin nghttp:nghttp2
mitmdump:mitmproxy pgrep:procps afl-fuzz:afl++ flock:util-linux unshare:util-linux script:bsdutils ip:iproute2 brotli:brotli zstd:zstd'
missing=
for need in $needs; do
  command -v "${need%%:*}" >/dev/null 2>&1 || [ -x "/usr/sbin/${need%%:*}" ] || missing="$missing ${need#*:}"
done
python3 -c 'import requests' 2>/dev/null || missing="$missing python3-requests"
/usr/bin/python3 -c 'import websockets' 2>/dev/null || missing="$missing python3-websockets"
[ -d /usr/share/nodejs/ws ] || missing="$missing node-ws"
# HTTP/2 for Python may be there for the system's Python only.
python3 -c 'import h2, httpx' 2>/dev/null || /usr/bin/python3 -c 'import h2, httpx' 2>/dev/null || missing="$missing python3-h2 python3-httpx"
if [ -n "$missing" ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    printf 'test.sh: installing%s\n' "$missing" >&2
    # shellcheck disable=SC2086
    if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } >/tmp/relay-core-apt.$$ 2>&1; then
      cat /tmp/relay-core-apt.$$ >&2
      printf 'test.sh: some packages could not be installed:%s; tests that need them are skipped.\n' "$missing" >&2
    fi
    rm -f /tmp/relay-core-apt.$$
  else
    printf 'test.sh: missing packages:%s; tests that need them are skipped. On Debian: apt-get install%s\n' "$missing" "$missing" >&2
  fi
fi

# The program the interop tests start, built as users get it.
if ! ./relay version >&2; then
  printf '0 passed, 1 failed, 0 skipped\n'
  exit 1
fi

log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
export MSBUILDDISABLENODEREUSE=1 DOTNET_CLI_TELEMETRY_OPTOUT=1
if [ $# -gt 0 ]; then
  set -- "$@" --ignore-exit-code 8 # a filter leaves programs without tests, which is their exit code 8
fi
{
  dotnet build RelayCore.slnx --nologo -v quiet -c Release -p:UseSharedCompilation=false &&
    dotnet test --solution RelayCore.slnx -c Release --no-build --no-progress --max-parallel-test-modules 1 "$@"
  printf '\nexit %s\n' "$?"
} 2>&1 | tee "$log"

# The summary of the runner: "total: 8", "failed: 1", "succeeded: 6", "skipped: 1", once for the whole solution.
count() {
  sed -n "s/^ *$1: *\([0-9][0-9]*\) *\$/\1/p" "$log" | tail -n 1
}
status=$(sed -n 's/^exit \([0-9]*\)$/\1/p' "$log" | tail -n 1)
passed=$(count succeeded)
failed=$(count failed)
skipped=$(count skipped)
: "${status:=1}" "${passed:=0}" "${failed:=0}" "${skipped:=0}"

# A build that fails, a test program that crashes, or no test at all is a failure, whatever was counted.
if [ "$failed" = 0 ] && { [ "$status" != 0 ] || [ "$passed" = 0 ]; }; then
  printf 'test.sh: the run failed (exit code %s); see above.\n' "$status" >&2
  failed=1
fi
printf '%s passed, %s failed, %s skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" = 0 ]
