#!/bin/sh
# needed.sh - what is loaded when a script starts: the helper program, and with
# it every worker, links nothing that decides, resolves or encrypts; the library
# leaves OpenSSL and RE2 to the parts that are loaded when they are needed.
set -eu
top=${top_builddir:-.}
command -v readelf >/dev/null 2>&1 || { echo "no readelf here"; exit 77; }
heavy='lib(ssl|crypto|re2|stdc[+][+]|absl[a-z_]*|gcc_s)[.]so'
seen=0
bad=0

needs() { # FILE PATTERN: tells what it must not need
  readelf -dW "$1" >/dev/null || exit 1
  if readelf -dW "$1" | grep NEEDED | grep -E "$2" >&2; then
    echo "$1 must not need these" >&2
    bad=1
  fi
  seen=$((seen + 1))
}

worker=$top/libexec/cordon/cordon-worker
[ -e "$top/libexec/cordon/.libs/cordon-worker" ] &&
  worker=$top/libexec/cordon/.libs/cordon-worker
if [ -e "$worker" ]; then
  needs "$worker" "$heavy|lib(cares|yaml)"
  # and has none of it inside
  inside=$(nm "$worker" 2>/dev/null |
    grep -E ' [TtU] (SSL_|ares_|yaml_|regex_|policy_decide|resolve_start|opening_new)' ||
    true)
  if [ -n "$inside" ]; then
    printf 'in the helper program:\n%s\n' "$inside" >&2
    bad=1
  fi
fi
if [ -e "$top/.libs/cordon-tls.so" ]; then
  needs "$top/.libs/libcordon.so" "$heavy"
  # the program has the library inside
  needs "$top/cordon" "$heavy|libcordon"
  for part in tls regex; do
    file=$top/.libs/cordon-$part.so
    [ -e "$file" ] || continue
    seen=$((seen + 1))
    shown=$(nm -D --defined-only "$file" | awk '{print $NF}' |
      grep -Ev '^(cordon_part_'$part'$|__odr_asan|__asan|__sanitizer|__sancov|_init$|_fini$)' ||
      true)
    if [ -n "$shown" ]; then
      printf '%s shows more than its table:\n%s\n' "$file" "$shown" >&2
      bad=1
    fi
  done
fi
[ $seen -gt 0 ] || { echo "nothing of it in this build"; exit 77; }
[ $bad -eq 0 ] || exit 1
echo "$seen files need what they should"
