/* doctor.c - what this machine and this build can do, tried where it can be. */
#include <cordon/cordon.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include <lua.h>

#include "policy/regex.h"
#include "policy/tree.h"
#include "runtime/api.h"
#include "runtime/base/mem.h"
#include "runtime/net/about.h"
#include "runtime/worker/confine.h"
#include "runtime/worker/spawn.h"

#define PROBE_TIMEOUT_MS 10000
#define DESCRIPTORS_WANTED 1024

struct doctor {
  cordon_check_fn *fn;
  void *ud;
};

__attribute__((format(printf, 6, 7))) static void
tell(const struct doctor *d, const char *group, const char *name,
     cordon_check_status status, const char *advice, const char *fmt, ...) {
  char value[256];
  cordon_check check;
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(value, sizeof value, fmt, ap);
  va_end(ap);
  memset(&check, 0, sizeof check);
  check.struct_size = sizeof check;
  check.group = group;
  check.name = name;
  check.status = status;
  check.value = value;
  check.advice = status == CORDON_CHECK_OK ? "" : advice;
  d->fn(d->ud, &check);
}

/* ------------------------------------------------------------ isolation --- */

static const char whole_advice[] =
    "is cordon installed whole, with its helper program and the parts of its "
    "library?";

static const char *error_text(char out[128], int error) {
  return strerror_r(error, out, 128);
}

static const char *step_advice(unsigned step) {
  switch (step) {
  case CONFINE_DESCRIPTORS:
    return "needs Linux 5.9 or newer";
  case CONFINE_SECCOMP:
    return "the kernel, or a container around this program, refuses seccomp "
           "filters; where that cannot be changed, --isolation=inprocess runs "
           "scripts that you trust not to attack the interpreter";
  default:
    return "a container or a security module around this program refuses it";
  }
}

static void tell_namespaces(const struct doctor *d,
                            const struct worker_probe *probe) {
  static const struct {
    unsigned bit;
    const char *name;
  } all[] = {{WORKER_NS_USER, "user"},
             {WORKER_NS_NET, "net"},
             {WORKER_NS_IPC, "ipc"},
             {WORKER_NS_MNT, "mnt"},
             {WORKER_NS_PID, "pid"}};
  char have[64] = "", text[128];
  bool whole = true;
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (probe->namespaces & all[i].bit) {
      size_t len = strlen(have);
      snprintf(have + len, sizeof have - len, "%s%s", len > 0 ? " " : "",
               all[i].name);
    } else
      whole = false;
  if (whole)
    tell(d, "isolation", "namespaces", CORDON_CHECK_OK, "", "%s", have);
  else
    tell(d, "isolation", "namespaces", CORDON_CHECK_WARN,
         "not required; allow unprivileged user namespaces to have them",
         "%s%s%s", have[0] ? have : "none", probe->namespaces_errno ? ": " : "",
         probe->namespaces_errno ? error_text(text, probe->namespaces_errno)
                                 : "");
}

static void tell_steps(const struct doctor *d,
                       const struct worker_probe *probe) {
  char text[128];
  for (unsigned i = 0; i < probe->nsteps; i++) {
    const char *name = confine_step_text(i);
    if (probe->step_errno[i] != 0)
      tell(d, "isolation", name, CORDON_CHECK_FAIL, step_advice(i), "%s",
           probe->step_errno[i] < 0 ? "not tried"
                                    : error_text(text, probe->step_errno[i]));
    else if (i == CONFINE_LANDLOCK && probe->landlock_abi == 0)
      tell(d, "isolation", name, CORDON_CHECK_WARN,
           "not required; Linux 5.13 or newer has it, if \"landlock\" is in "
           "the list of security modules it is started with",
           "the kernel has none");
    else if (i == CONFINE_LANDLOCK)
      tell(d, "isolation", name, CORDON_CHECK_OK, "", "ABI %d",
           probe->landlock_abi);
    else
      tell(d, "isolation", name, CORDON_CHECK_OK, "", "works");
  }
  tell(d, "isolation", "opening a file afterwards",
       probe->holds ? CORDON_CHECK_OK : CORDON_CHECK_FAIL,
       "please report this: steps that worked did not do what they should",
       "%s", probe->holds ? "is refused" : "is not refused");
}

static int tell_isolation(const struct doctor *d, const char *worker_path,
                          struct worker_probe *probe, struct err *e) {
  struct worker_pool *pool;
  int rv = worker_pool_new(&pool, &mem_libc, worker_path, e);
  if (rv == ERR_NOMEM || rv == ERR_INVALID)
    return rv;
  if (rv == 0) {
    rv = worker_pool_probe(pool, PROBE_TIMEOUT_MS, probe, e);
    worker_pool_free(pool);
  }
  if (rv == ERR_NOMEM)
    return rv;
  if (rv != 0)
    tell(d, "isolation", "worker process", CORDON_CHECK_FAIL,
         rv == ERR_UNSUPPORTED
             ? "build it again with libseccomp (libseccomp-dev)"
             : whole_advice,
         "%s", e->message);
  else {
    tell(d, "isolation", "worker process", CORDON_CHECK_OK, "", "starts");
    tell_steps(d, probe);
    tell_namespaces(d, probe);
  }
  return 0;
}

/* ------------------------------------------------------ trust and limits ---
 */

static void tell_trust(const struct doctor *d) {
  struct about_trust trust;
  struct err e;
  if (about_trust(&trust, &e) != 0) {
    tell(d, "trust", "certificates", CORDON_CHECK_FAIL, whole_advice, "%s",
         e.message);
    return;
  }
  if (trust.in_file + trust.in_folder > 0) {
    if (trust.in_file > 0)
      tell(d, "trust", "certificates", CORDON_CHECK_OK, "", "%zu in %s",
           trust.in_file, trust.file);
    if (trust.in_folder > 0)
      tell(d, "trust", "certificates", CORDON_CHECK_OK, "", "%zu in %s",
           trust.in_folder, trust.folder);
  } else
    tell(d, "trust", "certificates", CORDON_CHECK_WARN,
         "every wss:// peer will be refused: install ca-certificates, or give "
         "--ca",
         "none in %s nor in %s", trust.file, trust.folder);
}

static void tell_limit(const struct doctor *d, const char *name,
                       __rlimit_resource_t resource, rlim_t wanted,
                       const char *advice) {
  struct rlimit l;
  bool low;
  if (getrlimit(resource, &l) != 0)
    return;
  low = l.rlim_cur != RLIM_INFINITY && l.rlim_cur < wanted;
  if (l.rlim_cur == RLIM_INFINITY)
    tell(d, "limits", name, CORDON_CHECK_OK, "", "unlimited");
  else
    tell(d, "limits", name, low ? CORDON_CHECK_WARN : CORDON_CHECK_OK, advice,
         "%llu", (unsigned long long)l.rlim_cur);
}

static void tell_limits(const struct doctor *d) {
  struct utsname u;
  if (uname(&u) == 0)
    tell(d, "limits", "kernel", CORDON_CHECK_OK, "", "%s %s", u.sysname,
         u.release);
  tell_limit(d, "open files", RLIMIT_NOFILE, DESCRIPTORS_WANTED,
             "a worker needs three descriptors here, a connection one or two: "
             "raise 'ulimit -n' for many of them");
  tell_limit(d, "processes", RLIMIT_NPROC, 64,
             "each worker is a process: raise 'ulimit -u'");
  tell_limit(d, "pending signals", RLIMIT_SIGPENDING, 64,
             "each running sandbox has a timer: raise 'ulimit -i'");
  tell_limit(d, "locked memory", RLIMIT_MEMLOCK, 0, "");
  tell_limit(d, "address space", RLIMIT_AS, (rlim_t)1 << 30,
             "scripts may not get the memory their own limit grants");
}

/* ------------------------------------------------------------- versions --- */

/* The release in "$LuaVersion: Lua 5.4.4  Copyright ...", as 50404. */
static int lua_release(char out[16]) {
  const char *from = strstr(lua_ident, "Lua 5.");
  int minor, patch;
  snprintf(out, 16, "%s", &LUA_RELEASE[4]);
  if (from) {
    size_t len = strspn(from + 4, "0123456789.");
    snprintf(out, 16, "%.*s", (int)(len < 15 ? len : 15), from + 4);
  }
  return sscanf(out, "5.%d.%d", &minor, &patch) == 2
             ? 50000 + minor * 100 + patch
             : 0;
}

/* Faults of memory that plain scripts reach, by the commit that mends them. */
static const struct {
  int mended; /* in the release; 0: in none of 5.4 */
  const char *name;
  const char *what;
} holes[] = {
    {50405, "603b2c64", "use after free through __concat"},
    {50405, "1e64c139", "C stack overflow through coroutine.close chains"},
    {50408, "3fe7be95", "xpcall in a closed coroutine"},
    {50408, "983bc433",
     "use after free in __newindex under an emergency "
     "collection"},
    {0, "9386e49a", "metatable of a weak table freed in use"},
    {0, "efddc230", "gmatch called again after an error"},
};

static void tell_versions(const struct doctor *d,
                          const struct worker_probe *probe) {
  char lua[16];
  const char *openssl;
  struct err e;
  int release = lua_release(lua), rv;
  tell(d, "versions", "cordon", CORDON_CHECK_OK, "", "%s", cordon_version());
  tell(d, "versions", "Lua", CORDON_CHECK_OK, "", "%s", lua);
  openssl = about_openssl(&e);
  tell(d, "versions", "OpenSSL", openssl ? CORDON_CHECK_OK : CORDON_CHECK_FAIL,
       whole_advice, "%s", openssl ? openssl : e.message);
  tell(d, "versions", "c-ares", CORDON_CHECK_OK, "", "%s", about_cares());
  tell(d, "versions", "zlib", CORDON_CHECK_OK, "", "%s", about_zlib());
  tell(d, "versions", "libyaml", CORDON_CHECK_OK, "", "%s",
       tree_yaml_version());
  rv = regex_check(&e);
  if (rv == ERR_UNSUPPORTED)
    tell(d, "versions", "RE2", CORDON_CHECK_WARN,
         "policies with \"matches\" do not load: build it with libre2-dev",
         "not in this build");
  else
    tell(d, "versions", "RE2", rv == 0 ? CORDON_CHECK_OK : CORDON_CHECK_FAIL,
         whole_advice, "%s", rv == 0 ? "built in" : e.message);
  if (probe->seccomp_version[0])
    tell(d, "versions", "libseccomp", CORDON_CHECK_OK, "", "%s",
         probe->seccomp_version);
  for (size_t i = 0; i < sizeof holes / sizeof *holes; i++)
    if (holes[i].mended == 0 || release < holes[i].mended)
      tell(d, "lua", holes[i].name, CORDON_CHECK_WARN,
           holes[i].mended == 0
               ? "no release of Lua 5.4 mends it: run hostile code in worker "
                 "processes only"
               : "a distribution may have mended it; ./configure "
                 "--with-lua=PREFIX links a newer Lua 5.4, and worker "
                 "processes contain it",
           "%s", holes[i].what);
}

int cordon_doctor(const char *worker_path, cordon_check_fn *fn, void *ud,
                  cordon_error *reterr) {
  struct doctor d = {fn, ud};
  struct worker_probe probe;
  struct err e;
  int rv;
  if (!fn) {
    err_setf(&e, ERR_INVALID, "no function to tell");
    return api_error(reterr, &e);
  }
  memset(&probe, 0, sizeof probe);
  rv = tell_isolation(&d, worker_path, &probe, &e);
  if (rv != 0)
    return api_error(reterr, &e);
  tell_trust(&d);
  tell_limits(&d);
  tell_versions(&d, &probe);
  return CORDON_OK;
}
