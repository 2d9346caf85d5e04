#!/bin/sh
# symbols.sh - the shared library shows cordon_* and nothing else, writes to no
# fd of the host, never exits, and has the hardening it was asked for.
set -eu
lib=${top_builddir:-.}/.libs/libcordon.so
if ! [ -e "$lib" ]; then
  echo "no shared library in this build"
  exit 77
fi
bad=0

foreign=$(nm -D --defined-only "$lib" | awk '{print $NF}' |
  grep -Ev '^cordon_' || true)
# sanitizers and the fuzzer add their own
foreign=$(printf '%s' "$foreign" |
  grep -Ev '^(__odr_asan|__asan|__sanitizer|__sancov|_init$|_fini$)' || true)
if [ -n "$foreign" ]; then
  printf 'exported, but not part of the API:\n%s\n' "$foreign" >&2
  bad=1
fi

# The API of the header is there, all of it.
header=${top_srcdir:-.}/include/cordon/cordon.h
if [ -e "$header" ]; then
  have=$(nm -D --defined-only "$lib" | awk '{print $NF}')
  # from "CORDON_API" to the ";", comments and lines folded
  for name in $(tr '\n' ' ' <"$header" | sed 's@/\*[^*]*\*\+\([^/*][^*]*\*\+\)*/@@g' |
    grep -oE 'CORDON_API[^;{]*;' |
    grep -oE 'cordon_[a-z0-9_]+[[:space:]]*\(' | tr -d ' (' | sort -u); do
    if ! printf '%s\n' "$have" | grep -qx "$name"; then
      echo "$name: declared in cordon.h, not in the library" >&2
      bad=1
    fi
  done
fi

# Library code prints nothing and never exits.
wrong=$(nm -D --undefined-only "$lib" | awk '{print $NF}' | sed 's/@.*//' |
  grep -Ex 'exit|_exit|quick_exit|printf|__printf_chk|puts|putchar|perror|fork|vfork|system|popen|stdout|stderr|gets|strcpy|strcat|sprintf|getaddrinfo|gethostbyname|setlocale|srand|rand' ||
  true)
if [ -n "$wrong" ]; then
  printf 'the library must not use:\n%s\n' "$wrong" >&2
  bad=1
fi

if command -v readelf >/dev/null 2>&1; then
  readelf -lW "$lib" | grep -q 'GNU_STACK.* RWE' && {
    echo "the stack is executable" >&2
    bad=1
  }
  readelf -dW "$lib" | grep -Eq 'BIND_NOW|FLAGS.*NOW' || {
    echo "not linked with -z now" >&2
    bad=1
  }
  readelf -lW "$lib" | grep -q GNU_RELRO || {
    echo "not linked with -z relro" >&2
    bad=1
  }
fi
[ $bad -eq 0 ] || exit 1
echo "exports, imports and hardening are as promised"
