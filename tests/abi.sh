#!/bin/sh
# abi.sh - what programs were compiled against stays: the functions of the shared
# library and the sizes of the structs of cordon.h are those that abi/ records.
# A function that goes, or a struct that changes, takes a new number behind
# "libcordon.so."; what is new is recorded by "make abi-record".
#
# usage: abi.sh [--record]
set -eu
top=${top_srcdir:-.}
build=${top_builddir:-.}
lib=$build/.libs/libcordon.so
cc=${CC:-cc}
[ -e "$lib" ] || { echo "no shared library in this build"; exit 77; }
folder=$(mktemp -d "${TMPDIR:-/tmp}/cordon-abi.XXXXXX")
trap 'rm -rf "$folder"' EXIT

nm -D --defined-only "$lib" | awk '{print $NF}' | grep '^cordon_' |
  LC_ALL=C sort >"$folder/libcordon.symbols"

# the sizes that are the host's to know: of structs with members in the header
cat >"$folder/sizes.c" <<'HEAD'
#include <cordon/cordon.h>
#include <stdio.h>
#define SIZE(type) printf("%s %zu\n", #type, sizeof(type))
int main(void) {
HEAD
sed -n 's/^} \(cordon_[a-z_]*\);$/  SIZE(\1);/p' \
  "$top/include/cordon/cordon.h" | LC_ALL=C sort >>"$folder/sizes.c"
echo '  return 0; }' >>"$folder/sizes.c"
# shellcheck disable=SC2086
$cc -I"$top/include" "$folder/sizes.c" -o "$folder/sizes"
"$folder/sizes" >"$folder/libcordon.structs"

if [ "${1:-}" = --record ]; then
  cp "$folder/libcordon.symbols" "$folder/libcordon.structs" "$top/abi/"
  echo "recorded"
  exit 0
fi
bad=0
for list in symbols structs; do
  if [ $list = structs ] && [ "$(getconf LONG_BIT)" != 64 ]; then
    continue # recorded where a long has 64 bits
  fi
  diff -u "$top/abi/libcordon.$list" "$folder/libcordon.$list" >&2 || bad=1
done
if [ $bad -ne 0 ]; then
  echo "the ABI is not what abi/ records: CONTRIBUTING.md says what to do" >&2
  exit 1
fi
echo "$(wc -l <"$folder/libcordon.symbols") functions," \
  "$(wc -l <"$folder/libcordon.structs") types, as recorded"
