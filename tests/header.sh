#!/bin/sh
# header.sh - cordon.h is read without a warning by strict compilers of older C
# and of C++, alone, twice, and with its macros used; and each of its functions is
# called wrongly by check_misuse, but for those that need a lua_State.
set -eu
top=${top_srcdir:-.}
folder=$(mktemp -d "${TMPDIR:-/tmp}/cordon-header.XXXXXX")
trap 'rm -rf "$folder"' EXIT
cat >"$folder/host.c" <<'HOST'
#include <cordon/cordon.h>
#include <cordon/cordon.h>

int main(void) {
  cordon_host_config host;
  cordon_sandbox_config sandbox;
  cordon_lint_config lint;
  cordon_usage usage;
  cordon_function *fn = 0;
  cordon_done_fn *done = 0;
  cordon_host_config_init(&host);
  cordon_sandbox_config_init(&sandbox);
  cordon_lint_config_init(&lint);
  cordon_sandbox_usage(0, &usage);
  sandbox.limits.deadline_ms = CORDON_UNLIMITED;
  return fn || done || host.struct_size != sizeof host ||
         sandbox.isolation != CORDON_ISOLATION_PROCESS;
}
HOST
while read -r name; do
  case $name in
  cordon_sandbox_guard | cordon_sandbox_of | cordon_wait_begin | \
    cordon_wait_yield) continue ;;
  esac
  grep -Eq "${name%_sized}(_sized)?\\(" "$top/tests/check_misuse.c" || {
    echo "$name: check_misuse does not call it" >&2
    exit 1
  }
done <"$top/abi/libcordon.symbols"

seen=0
read_as() { # COMPILER LANGUAGE STANDARD
  command -v "$1" >/dev/null 2>&1 || return 0
  "$1" -x "$2" "-std=$3" -Wall -Wextra -Wpedantic -Wshadow -Wundef -Werror \
    -I"$top/include" -fsyntax-only "$folder/host.c" || {
    echo "$1 -std=$3 does not like cordon.h" >&2
    exit 1
  }
  seen=$((seen + 1))
}
for cc in gcc clang; do
  read_as $cc c c99
  read_as $cc c c11
  read_as $cc c gnu17
done
for cxx in g++ clang++; do
  read_as $cxx c++ c++11
  read_as $cxx c++ c++20
done
[ $seen -gt 0 ] || { echo "no compiler to try"; exit 77; }
echo "read by $seen compilers and standards"
