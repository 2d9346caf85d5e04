#!/bin/sh
# one.sh - runs one program of make check: a unit test as it is, a fuzz target
# over its corpus.
set -eu
program=$1
name=$(basename "$program")
case $name in
fuzz_*)
  corpus=$top_srcdir/fuzz/corpus/${name#fuzz_}
  if "$program" -help=1 2>/dev/null | grep -q libFuzzer; then
    exec "$program" -runs=0 "$corpus"
  fi
  exec "$program" "$corpus"
  ;;
*)
  exec "$program"
  ;;
esac
