#!/bin/sh
# listed.sh - every source of the tree is in Makefile.am, so that it is built,
# distributed and looked at by the other tests.
set -eu
cd "${top_srcdir:-.}"

# In a checkout what git knows counts; in a tarball, what is there.
files() {
  if [ -e .git ] && git ls-files >/dev/null 2>&1; then
    git ls-files -- '*.c' '*.h' '*.cc'
  else
    find include runtime policy modules cli examples bench tests fuzz \
      '(' -name '*.[ch]' -o -name '*.cc' ')' 2>/dev/null
  fi
}
bad=0
seen=0
for file in $(files | LC_ALL=C sort); do
  seen=$((seen + 1))
  base=${file%.c}
  # a test or fuzz target may be listed by its program's name
  if ! grep -Eq "(^|[[:space:]=])$(printf '%s' "$file" |
    sed 's/[.]/[.]/g')([[:space:]]|\$)" Makefile.am &&
    ! { [ "$base" != "$file" ] &&
      grep -Eq "(^|[[:space:]=])$base([[:space:]]|\$)" Makefile.am; }; then
    echo "$file: not in Makefile.am" >&2
    bad=$((bad + 1))
  fi
done

# Every fuzz target has seeds to replay, and every corpus a target.
for target in fuzz/fuzz_*.c; do
  [ -e "$target" ] || continue
  name=${target#fuzz/fuzz_}
  name=${name%.c}
  if ! ls "fuzz/corpus/$name"/* >/dev/null 2>&1; then
    echo "$target: fuzz/corpus/$name has no file" >&2
    bad=$((bad + 1))
  fi
done
for corpus in fuzz/corpus/*; do
  [ -d "$corpus" ] || continue
  if ! [ -e "fuzz/fuzz_${corpus##*/}.c" ]; then
    echo "$corpus: no fuzz/fuzz_${corpus##*/}.c" >&2
    bad=$((bad + 1))
  fi
done

[ $bad -eq 0 ] && [ $seen -gt 0 ] || exit 1
echo "$seen sources, all listed"
