#!/bin/sh
# workers.sh - a hundred workers at once in one host, each of them small.
set -eu
top=$(cd "${top_builddir:-.}" && pwd)
worker=$top/libexec/cordon/cordon-worker
[ -x "$worker" ] && [ -x "$top/bench/workers" ] || {
  echo "no process isolation in this build"
  exit 77
}
if nm "$worker" 2>/dev/null | grep -Eq '__(asan|ubsan|sancov)'; then
  echo "sanitizers have memory of their own"
  exit 77
fi
exec "$top/bench/workers" --worker="$worker" --most-kib=614 100
