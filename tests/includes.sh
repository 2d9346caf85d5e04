#!/bin/sh
# includes.sh - who may include whom: a folder includes itself and what lies
# below it, never what lies above.  Low to high: base; policy and net, which
# never meet; vm; modules; sandbox and api; cli, examples and bench, which see
# the public header only (but cli/helper, which has to judge a place).
set -eu
cd "${top_srcdir:-.}"

# folder -> prefixes of project headers it may include, then the libraries
rules() {
  cat <<'TABLE'
runtime/base/  runtime/base/                                                      | -
runtime/net/   runtime/base/ runtime/net/                                         | openssl/ ares zlib
policy/        runtime/base/ policy/                                              | yaml re2/
runtime/vm/    runtime/base/ runtime/net/loop.h runtime/vm/                       | lua lauxlib lualib
modules/       runtime/base/ runtime/net/ policy/ runtime/vm/ modules/            | lua lauxlib lualib
runtime/worker/confine  runtime/base/ runtime/worker/                         | -
runtime/worker/filter   runtime/base/ runtime/worker/                         | seccomp
runtime/worker/namespaces runtime/base/ runtime/worker/                       | -
runtime/worker/spawn    runtime/base/ runtime/worker/                         | -
runtime/worker/template runtime/base/ runtime/worker/                         | -
runtime/       runtime/ policy/ modules/ cordon/ include/cordon/                  | lua lauxlib lualib
cli/helper     cordon/ cli/ runtime/base/place.h                                  | -
cli/           cordon/ cli/                                                       | -
examples/      cordon/                                                            | wslay/ openssl/ lua
bench/         cordon/                                                            | lua lauxlib
TABLE
}
# Headers of the C library, of the compiler and of the kernel, by form.
libc='^(cstring$|(assert|ctype|dirent|dlfcn|errno|fcntl|float|getopt|inttypes|limits|link|locale|malloc|math|netdb|poll|sched|setjmp|signal|tmmintrin|spawn|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|string|strings|termios|time|unistd|pthread|grp|pwd|fnmatch|fts|glob|wchar|ucontext|(sys|net|netinet|arpa|linux|asm)/[a-z0-9_/-]+)\.h$)'

sources() {
  for folder in runtime policy modules cli examples bench; do
    [ -d "$folder" ] && find "$folder" '(' -name '*.[ch]' -o -name '*.cc' ')'
  done | LC_ALL=C sort
}

bad=0
seen=0
for file in $(sources); do
  line=$(rules | while read -r folder rest; do
    case $file in "$folder"*) echo "$rest"; break ;; esac
  done)
  own=${line%%|*}
  libraries=${line#*|}
  seen=$((seen + 1))
  for header in $(sed -n \
    's/^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"]\([^>"]*\)[>"].*/\1/p' \
    "$file"); do
    printf '%s\n' "$header" | grep -Eq "$libc" && continue
    ok=no
    for prefix in $own $libraries; do
      case $header in "$prefix"*) ok=yes ;; esac
    done
    if [ $ok = no ]; then
      echo "$file: includes $header, may include: libc $own$libraries" >&2
      bad=$((bad + 1))
    fi
  done
done
[ $seen -gt 0 ] || { echo "no source found" >&2; exit 1; }

# An include inside a line continuation or a macro would not be seen above.
if grep -nE '#[[:space:]]*include[[:space:]]+[A-Za-z_]' $(sources) >&2; then
  echo "includes must name their header plainly" >&2
  bad=$((bad + 1))
fi

[ $bad -eq 0 ] || exit 1
echo "$seen files include downwards only"
