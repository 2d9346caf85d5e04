/*
 * cordon.h - run untrusted Lua under a policy.
 *
 * This header is also the manual.  What is not written here is not promised.
 *
 * A whole host (error handling shortened):
 *
 *     cordon_policy *policy;
 *     cordon_host *host;
 *     cordon_sandbox *sb;
 *     cordon_sandbox_config cfg;
 *     cordon_error err;
 *
 *     if (cordon_policy_new(&policy, NULL, &err) != CORDON_OK ||
 *         cordon_policy_add(policy, &text, NULL, NULL, &err) != CORDON_OK ||
 *         cordon_policy_finish(policy, NULL, NULL, &err) != CORDON_OK)
 *       die("%s:%u:%u: %s", err.source, err.line, err.column, err.message);
 *
 *     if (cordon_host_new(&host, NULL, &err) != CORDON_OK)
 *       die("%s", err.message);
 *
 *     cordon_sandbox_config_init(&cfg);
 *     cfg.policy = policy;
 *     cfg.actor_id = "report-bot";
 *     cfg.limits.memory_bytes = 32 * 1024 * 1024;
 *     cfg.output = print_output;
 *     cfg.audit = write_audit;
 *     if (cordon_sandbox_new(&sb, host, &cfg, &err) != CORDON_OK ||
 *         cordon_sandbox_load(sb, &script, NULL, 0, &err) != CORDON_OK)
 *       die("%s", err.message);
 *
 *     while ((rv = cordon_sandbox_result(sb, &err)) == CORDON_AGAIN) {
 *       struct pollfd p = {cordon_host_fd(host), POLLIN, 0};
 *       poll(&p, 1, cordon_host_timeout_ms(host));
 *       if (cordon_host_dispatch(host, &err) != CORDON_OK)
 *         die("%s", err.message);
 *     }
 *
 *     cordon_sandbox_free(sb);
 *     cordon_host_free(host);
 *     cordon_policy_unref(policy);
 *
 * Rules that hold for every function below
 * ----------------------------------------
 * Ownership  Pointers passed in are borrowed for the length of the call; what
 *            the library needs later, it copies.  Exceptions say "keeps".
 *            Objects made by *_new belong to the caller until the matching
 *            *_free or *_unref, both of which accept NULL.
 * Results    Functions that can fail return an int: CORDON_OK, CORDON_AGAIN, or
 *            a negative CORDON_E_ code, and list the codes they can return.
 *            Any of them can also return CORDON_E_INVALID for a broken
 *            argument.  |ret_...| is written only on success, |reterr| only on
 *            failure; |reterr| comes last and may be NULL.
 * Units      In the name: _ms milliseconds of monotonic time, _bytes bytes.
 * Text       UTF-8.  With a length: any bytes, no final NUL needed.  Without:
 *            NUL-terminated.
 * Threads    No global state.  A host and its sandboxes are used by one thread
 *            at a time.  Hosts share nothing but policies.  A policy does not
 *            change after cordon_policy_finish and may be used by many threads.
 *            Functions marked [any thread] need no lock at all.  A thread that
 *            calls in has at least 128 KiB of stack.
 * Callbacks  Run on the thread that called into the host, before that call
 *            returns.  They must not throw, longjmp or block.  Inside one, only
 *            functions marked [in callbacks] may be given the same host or one
 *            of its sandboxes; the others return CORDON_E_BUSY and do nothing.
 * Versions   A struct with a struct_size may get members at its end, and so may
 *            those that the library hands to callbacks.  The others, and all
 *            functions, stay as they are while the number in the name
 *            libcordon.so.0 does.
 * Process    The library raises no SIGPIPE, uses one signal (which one is the
 *            host's choice; none, if the host says so), never calls exit, never
 *            forks its host, and writes to no fd it did not open.  Its fds are
 *            closed by exec, and get the lowest free numbers: a host that has
 *            closed 0, 1 or 2 opens /dev/null there first.
 *            Worker processes come from a helper program and are no children of
 *            the host: it gets no SIGCHLD, and wait finds nothing.  SIGINT,
 *            SIGTERM, SIGHUP and SIGQUIT to all of a process group or a service
 *            they leave to the host, and end with it.
 * Fork       A child of the host may make hosts of its own.  With the objects
 *            of its parent it does nothing, and frees them neither: what they
 *            watch is shared, and the parent would wait in vain.
 */
#ifndef CORDON_CORDON_H
#define CORDON_CORDON_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(CORDON_BUILDING) && defined(__GNUC__)
#define CORDON_API __attribute__((visibility("default")))
#else
#define CORDON_API
#endif

#ifdef __GNUC__
#define CORDON_MUST_CHECK __attribute__((warn_unused_result))
#else
#define CORDON_MUST_CHECK
#endif

/* ------------------------------------------------------------- version --- */

#define CORDON_VERSION_MAJOR 0
#define CORDON_VERSION_MINOR 1
#define CORDON_VERSION_PATCH 0

/* The library in use, as "0.1.0"; static, never NULL.  [any thread] */
CORDON_API const char *cordon_version(void);

/* ------------------------------------------------------------- results --- */

enum {
  CORDON_OK = 0,    /* done */
  CORDON_AGAIN = 1, /* not finished: wait for the fd or the timeout */

  CORDON_E_NOMEM = -1,       /* the allocator refused */
  CORDON_E_INVALID = -2,     /* an argument breaks its contract */
  CORDON_E_BUSY = -3,        /* called from inside a callback */
  CORDON_E_POLICY = -4,      /* a policy text is wrong */
  CORDON_E_SYNTAX = -5,      /* a script or another text does not parse */
  CORDON_E_SCRIPT = -6,      /* the script failed: an error nobody caught, or
                                main returned nil or false and an error */
  CORDON_E_LIMIT = -7,       /* a limit stopped it: cordon_sandbox_usage says
                                which */
  CORDON_E_CANCELLED = -8,   /* cordon_sandbox_cancel stopped the script */
  CORDON_E_UNSUPPORTED = -9, /* this version or build lacks the feature */
  CORDON_E_SYSTEM = -10,     /* the system refused: cordon_error.sys_errno */
  CORDON_E_NOT_FOUND = -11,  /* a name that does not exist was asked for */
  CORDON_E_URL = -12,        /* the text is no acceptable WebSocket URL */
  CORDON_E_ISOLATION = -13,  /* a worker process could not be set up: the
                                message names the step */
  CORDON_E_WORKER = -14,     /* the worker process died, or broke its word */
  CORDON_E_CLOSED = -15 /* the channel is closed, or the script has ended */
};

/*
 * Short English text for a result code, such as "out of memory"; static, never
 * NULL, "unknown result" for other numbers.  [any thread] [in callbacks]
 */
CORDON_API const char *cordon_strerror(int code);

/*
 * What went wrong, and where.  The caller provides the struct, usually on its
 * stack: there is nothing to free, and it can be filled when memory is gone.
 */
typedef struct cordon_error {
  int code;          /* the value the function returned */
  int sys_errno;     /* the errno behind CORDON_E_SYSTEM, else 0 */
  uint32_t line;     /* 1 is the first line; 0: no position is known */
  uint32_t column;   /* 1 is the first byte of the line; 0: not known */
  char source[128];  /* cordon_source.name, cut to fit; "" if none */
  char message[512]; /* one line, no final stop, cut to fit.  Bytes that came
                        from a script or a policy are escaped: it is safe to
                        print on a terminal. */
} cordon_error;

/*
 * Copies |text| for people into |out| (|cap_bytes| >= 8, NUL-terminated, cut to
 * fit with "..."): control characters, escape sequences, bidirectional
 * overrides and broken UTF-8 become visible.  Returns the length written.
 * [any thread] [in callbacks]
 */
CORDON_API size_t cordon_escape(char *out, size_t cap_bytes, const char *text,
                                size_t len_bytes);

/* ---------------------------------------------------------- allocation --- */

/*
 * One function for everything, with the contract of lua_Alloc:
 *
 *   new_size == 0                free |ptr| (may be NULL), return NULL
 *   ptr == NULL, new_size > 0    allocate; |old_size| has no meaning then
 *   otherwise                    resize from |old_size|, keeping the contents
 *
 * Returns NULL when it cannot; shrinking must not fail.  The result is aligned
 * for any type.  It must not call the library.
 *
 * It serves the library and the Lua heap.  It does not serve OpenSSL, c-ares,
 * libyaml and wslay, which use the C library's malloc; what they may hold is
 * bounded by the size of a policy file and the number of connections.
 */
typedef void *cordon_alloc_fn(void *ud, void *ptr, size_t old_size,
                              size_t new_size);

typedef struct cordon_allocator {
  cordon_alloc_fn *fn; /* NULL: malloc, realloc and free */
  void *ud;            /* for |fn|; kept until the object made with it dies */
} cordon_allocator;

/* ------------------------------------------------------------- sources --- */

/* A text to load: a policy or a script.  Borrowed for the call. */
typedef struct cordon_source {
  const char *name; /* shown in messages, "prod.yaml"; NULL: "?" */
  const char *text;
  size_t len_bytes;
} cordon_source;

/* -------------------------------------------------------------- values --- */

/*
 * Plain data: what actors and resources carry, and what scripts and their host
 * tell each other.  Immutable; made from JSON or YAML text; any thread may read
 * it.
 */
typedef struct cordon_value cordon_value;

typedef enum cordon_type {
  CORDON_NULL,
  CORDON_BOOLEAN,
  CORDON_INTEGER,
  CORDON_NUMBER,
  CORDON_STRING,
  CORDON_LIST,
  CORDON_MAP
} cordon_type;

/*
 * Parses a whole JSON text (RFC 8259; at most 128 levels; a key that
 * stands twice in an object is an error).  |alloc| may be NULL.
 * Errors: CORDON_E_NOMEM, CORDON_E_SYNTAX (with position).  [any thread]
 */
CORDON_API CORDON_MUST_CHECK int
cordon_value_from_json(cordon_value **ret_value, const char *text,
                       size_t len_bytes, const cordon_allocator *alloc,
                       cordon_error *reterr);

/*
 * Parses one YAML document the way policy files are read (YAML 1.2 core schema,
 * bounded).  Errors: as above.  [any thread]
 */
CORDON_API CORDON_MUST_CHECK int
cordon_value_from_yaml(cordon_value **ret_value, const char *text,
                       size_t len_bytes, const cordon_allocator *alloc,
                       cordon_error *reterr);

/*
 * A string of any bytes.  Errors: CORDON_E_NOMEM.  [any thread]
 */
CORDON_API CORDON_MUST_CHECK int
cordon_value_from_string(cordon_value **ret_value, const char *text,
                         size_t len_bytes, const cordon_allocator *alloc,
                         cordon_error *reterr);

/* Frees |value| with all its parts; NULL is nothing to free. */
CORDON_API void cordon_value_free(cordon_value *value);

/* What it is; NULL is CORDON_NULL.  Of parts too: the pointers below are
 * borrowed from the whole. */
CORDON_API cordon_type cordon_value_type(const cordon_value *value);
/* The member |key| of a map, else NULL; also for |value| NULL.  */
CORDON_API const cordon_value *cordon_value_get(const cordon_value *value,
                                                const char *key);
/* Members of a list or map, else 0. */
CORDON_API size_t cordon_value_len(const cordon_value *value);
/* The item at |i| < len of a list or map; |ret_key| (may be NULL) is set for
 * maps. */
CORDON_API const cordon_value *cordon_value_at(const cordon_value *value,
                                               size_t i, const char **ret_key,
                                               size_t *ret_key_len_bytes);
/* The text of a string, else NULL; may contain NUL. */
CORDON_API const char *cordon_value_string(const cordon_value *value,
                                           size_t *ret_len_bytes);
/* What a boolean or a number holds; of other values 0. */
CORDON_API int cordon_value_boolean(const cordon_value *value);     /* else 0 */
CORDON_API int64_t cordon_value_integer(const cordon_value *value); /* else 0 */
CORDON_API double cordon_value_number(const cordon_value *value);   /* also of
                                            an integer; else 0 */

/* Receives text in pieces; borrowed for the call. */
typedef void cordon_write_fn(void *ud, const char *data, size_t len_bytes);

/* Writes compact JSON.  Errors: CORDON_E_NOMEM.  [any thread] */
CORDON_API int cordon_value_write_json(const cordon_value *value,
                                       cordon_write_fn *write, void *ud);

/* Writes |text| as a JSON string with its quotes; broken UTF-8 becomes U+FFFD.
 * Errors: CORDON_E_NOMEM.  [any thread] [in callbacks] */
CORDON_API int cordon_write_json_string(const char *text, size_t len_bytes,
                                        cordon_write_fn *write, void *ud);

/* -------------------------------------------------------------- policy --- */

/* A set of policies from several files.  Built once, then immutable; reference
 * counted. */
typedef struct cordon_policy cordon_policy;

/* Called once per mistake, in the order of the text; |mistake| is borrowed.
 * The set it is about may not be changed meanwhile: CORDON_E_BUSY. */
typedef void cordon_mistake_fn(void *ud, const cordon_error *mistake);

/* An empty set with one reference; it allows nothing.  |alloc| may be NULL.
 * Errors: CORDON_E_NOMEM.  [any thread] */
CORDON_API CORDON_MUST_CHECK int
cordon_policy_new(cordon_policy **ret_policy, const cordon_allocator *alloc,
                  cordon_error *reterr);

/*
 * Adds the policies of one YAML file.  All mistakes are found in one pass: |fn|
 * (may be NULL) is called for each, |reterr| names the first.  After a mistake
 * the set can still be given more files to check, but never be finished.
 *
 * Errors: CORDON_E_NOMEM, CORDON_E_POLICY, CORDON_E_BUSY (it is finished).
 */
CORDON_API CORDON_MUST_CHECK int
cordon_policy_add(cordon_policy *policy, const cordon_source *source,
                  cordon_mistake_fn *fn, void *ud, cordon_error *reterr);

/*
 * Adds an allow of websocket.connect, and of websocket.connect.url for one URL
 * pattern ("*://api.example.com/chat").  Its id is "cli:allow", the next
 * one "cli:allow-2".  It is in every scope, and no deny is weakened by it.
 *
 * Errors: CORDON_E_NOMEM, CORDON_E_POLICY (the pattern is wrong),
 * CORDON_E_BUSY.
 */
CORDON_API CORDON_MUST_CHECK int cordon_policy_allow(cordon_policy *policy,
                                                     const char *url_pattern,
                                                     cordon_error *reterr);

/*
 * Checks what spans files and freezes the set: from now on it may be used, and
 * by many threads.
 *
 * Errors: CORDON_E_NOMEM, CORDON_E_POLICY (also when a file before had a
 * mistake), CORDON_E_BUSY.
 */
CORDON_API CORDON_MUST_CHECK int cordon_policy_finish(cordon_policy *policy,
                                                      cordon_mistake_fn *fn,
                                                      void *ud,
                                                      cordon_error *reterr);

/* Adds a reference, returns |policy|.  [any thread] [in callbacks] */
CORDON_API cordon_policy *cordon_policy_ref(cordon_policy *policy);

/*
 * Drops a reference.  The last one frees, on the calling thread and through the
 * allocator given to cordon_policy_new.  [any thread] [in callbacks]
 */
CORDON_API void cordon_policy_unref(cordon_policy *policy);

/* How many policies the set holds.  [any thread] [in callbacks] */
CORDON_API size_t cordon_policy_count(const cordon_policy *policy);

/*
 * Writes one YAML file in canonical layout, in one call of |write|: comments
 * are kept, what the file means is not changed.  It need not be a policy file
 * (a manifest, a suite of tests) without mistakes, but YAML that loads and one
 * of these.
 *
 * Errors: CORDON_E_NOMEM, CORDON_E_POLICY (it is not: with a position),
 * CORDON_E_UNSUPPORTED (no layout was found that means the same; nothing is
 * written).  [any thread] [in callbacks]
 */
CORDON_API CORDON_MUST_CHECK int
cordon_policy_format(const cordon_source *source, cordon_write_fn *write,
                     void *ud, cordon_error *reterr);

/*
 * Writes the JSON Schema (draft 7) of policy files, for editors and other
 * tools.  What it accepts can still have mistakes that only loading finds.
 *
 * Errors: CORDON_E_INVALID (no |write|).  [any thread] [in callbacks]
 */
CORDON_API int cordon_policy_schema(cordon_write_fn *write, void *ud);

/* ------------------------------------------------------------ deciding --- */

/* Which policies of a set are in force.  Immutable; keeps a reference. */
typedef struct cordon_scope cordon_scope;

/*
 * A scope: the policies of the groups and ids in |names| ("ns:name", or a bare
 * name where only one fits); |n| == 0: every policy of the set.
 *
 * Errors: CORDON_E_NOMEM, CORDON_E_NOT_FOUND (|reterr| names the one that does
 * not exist), CORDON_E_INVALID (the set is not finished).  [any thread]
 */
CORDON_API CORDON_MUST_CHECK int
cordon_scope_new(cordon_scope **ret_scope, cordon_policy *policy,
                 const char *const *names, size_t n,
                 const cordon_allocator *alloc, cordon_error *reterr);
CORDON_API void cordon_scope_free(cordon_scope *scope);

/* Deny is zero, so that memory nobody filled in denies.  Undefined: no policy
 * speaks; every guard treats it as a refusal. */
typedef enum cordon_verdict {
  CORDON_DENY = 0,
  CORDON_ALLOW = 1,
  CORDON_UNDEFINED = 2
} cordon_verdict;

/*
 * "May |actor| do |action| to |resource|?"  For websocket.connect.url the
 * resource is the URL, which is made canonical first; for
 * websocket.connect.address it is "ip:port" and |url| is the URL whose
 * connection asks.
 */
typedef struct cordon_request {
  const char *actor_id;           /* NULL: no actor, which is refused */
  const cordon_value *actor_meta; /* a map, or NULL */
  const char *action;             /* "websocket.connect.url" */
  const char *resource;           /* "wss://feed.example.com/v1"; "" */
  size_t resource_len_bytes;
  const cordon_value *meta; /* a map, or NULL */
  const char *url;          /* for websocket.connect.address; for
                               websocket.connect, where it only serves
                               explanations; else NULL */
} cordon_request;

#define CORDON_URL_MAX_BYTES 2064

/*
 * The answer and the policy it comes from.  |policy_id|, |file| and |reason|
 * belong to the policy set or are static: they live as long as the caller holds
 * a reference to the set.
 */
typedef struct cordon_decision {
  cordon_verdict verdict;
  const char *policy_id; /* of the deciding policy; NULL: none applied */
  const char *file;      /* where it stands; NULL without a policy */
  uint32_t line;         /* 0 without a policy */
  uint32_t errors;       /* policies whose evaluation failed */
  int by_error;          /* 1: it is a refusal, forced by such a failure */
  const char *reason;    /* "allowed by policy", "no policy applies" ...; never
                            NULL */
  char canonical[CORDON_URL_MAX_BYTES]; /* the canonical URL where the request
                                           carried one, else "" */
  char canonical_reason[24]; /* why the URL was refused ("userinfo"), else "" */
} cordon_decision;

/*
 * Decides.  No side effect, no allocation, time linear in the number of
 * policies that may apply.  |*ret_decision| is written in every case: on an
 * error it says CORDON_DENY.  |scope| NULL is refused, as is a request without
 * an actor.
 *
 * Errors: CORDON_E_URL (the URL is refused; canonical_reason has the code).
 * [any thread] [in callbacks]
 */
CORDON_API CORDON_MUST_CHECK int cordon_decide(const cordon_scope *scope,
                                               const cordon_request *request,
                                               cordon_decision *ret_decision,
                                               cordon_error *reterr);

/*
 * Writes, for people, why |decision| is the answer to |request|: who denied it
 * and where that stands; or the nearest miss and what would allow it.  Lines
 * with two blanks in front, each with its newline.
 *
 * Errors: CORDON_E_NOMEM.  [any thread] [in callbacks]
 */
CORDON_API int cordon_explain(const cordon_scope *scope,
                              const cordon_request *request,
                              const cordon_decision *decision,
                              cordon_write_fn *write, void *ud);

/*
 * Writes which policies could not be evaluated for |request| and why, one a
 * line: "app:owner (policy.yaml:12): condition 1: meta.owner is missing".
 * Nothing when all could.
 *
 * Errors: CORDON_E_NOMEM.  [any thread] [in callbacks]
 */
CORDON_API int cordon_explain_errors(const cordon_scope *scope,
                                     const cordon_request *request,
                                     cordon_write_fn *write, void *ud);

/* What one item of an explanation is about. */
typedef enum cordon_explanation_kind {
  CORDON_EXPLAIN_REQUEST, /* what was asked: |parts| of the canonical URL or of
                             the address; |text| is the decision's reason */
  CORDON_EXPLAIN_APPLIES, /* a policy that applies, the deciding one first;
                             |parts|: the conditions that hold */
  CORDON_EXPLAIN_ERROR, /* a policy that could not be evaluated; |text|: why */
  CORDON_EXPLAIN_MISS,  /* an allow that does not apply, the nearest first;
                           |parts|: what keeps it from applying */
  CORDON_EXPLAIN_ADVICE /* the least that would allow it; one, behind a
                           refusal */
} cordon_explanation_kind;

/* Texts are never NULL, "" where there is nothing to say, safe to print. */
typedef struct cordon_explanation_part {
  const char *name;  /* "scheme" "host" "port" "path" "query" "address" "class"
                        "resource" "action" "scope" "condition" "expression" */
  uint32_t number;   /* of a condition, from 1; else 0 */
  uint32_t line;     /* of a condition in the file of its policy; else 0 */
  const char *is;    /* "8443" */
  const char *wants; /* "443" */
  const char *text;  /* "port is 8443, wants 443" */
} cordon_explanation_part;

/*
 * Borrowed for the call, but for |policy_id| and |file|, which live as long as
 * the policy set.  Texts are NULL where there is nothing to say, and safe to
 * print but for |policy_id|, |file| and |groups|.  Later versions add members
 * at the end: |struct_size| says which are there.
 */
typedef struct cordon_explanation {
  size_t struct_size;
  cordon_explanation_kind kind;
  const char *policy_id; /* NULL: it is about no policy */
  const char *file;
  uint32_t line;
  int deny;            /* 1: the policy's effect is deny */
  int decides;         /* 1: it is the deciding policy */
  int in_scope;        /* 0: the policy exists but is not in force */
  uint32_t rule;       /* of "rules", from 1; 0: it has only one */
  uint32_t rule_line;  /* 0: none */
  const char *pattern; /* the resource pattern, as written */
  const char *text;    /* the item in one line */
  const cordon_explanation_part *const *parts;
  size_t nparts;
  const char *const *groups; /* the policy's */
  size_t ngroups;
  /* Of misses and the advice: */
  const char *edit;    /* what to change, in words */
  const char *add;     /* a rule in YAML that allows it, and as little else as
                          can be */
  const char *wider;   /* a resource pattern that takes all the miss takes, but
                          with the scheme or port that was asked for */
  const char *instead; /* a URL like the one asked for that the miss allows */
  const char *note;    /* what to know before doing so */
} cordon_explanation;

typedef void cordon_explanation_fn(void *ud, const cordon_explanation *item);

#define CORDON_EXPLAIN_MISSES 3

/*
 * Decides |request| and tells |fn| everything behind the answer, item by item,
 * in the order of the kinds above.  At most |max_misses| (at most 16; 0:
 * CORDON_EXPLAIN_MISSES) misses are told; |ret_decision| may be NULL.  Time
 * linear in the policies.
 *
 * Errors: CORDON_E_NOMEM (some items may have been told), CORDON_E_URL (no item
 * is told; |ret_decision| says the reason).  [any thread] [in callbacks]
 */
CORDON_API CORDON_MUST_CHECK int
cordon_explain_all(const cordon_scope *scope, const cordon_request *request,
                   size_t max_misses, cordon_explanation_fn *fn, void *ud,
                   cordon_decision *ret_decision, cordon_error *reterr);

/* -------------------------------------------------------- policy tests --- */

/*
 * A file of policy tests ("*_test.yaml"): what a policy set should answer, and
 * whether it does.  Used by one thread at a time.
 *
 *     cordon_suite_new        the text; all its mistakes in one pass
 *     cordon_suite_path       the policies it is about: load them
 *     cordon_suite_bind       the set they became
 *     cordon_suite_run        one test after the other
 *     cordon_suite_coverage   what the tests that ran have touched
 *     cordon_suite_mutate     what they would not notice
 */
typedef struct cordon_suite cordon_suite;

/*
 * Parses a test file; |fn| (may be NULL) is called for each mistake, |reterr|
 * names the first.  |alloc| may be NULL.
 * Errors: CORDON_E_NOMEM, CORDON_E_POLICY.  [any thread]
 */
CORDON_API CORDON_MUST_CHECK int
cordon_suite_new(cordon_suite **ret_suite, const cordon_source *source,
                 const cordon_allocator *alloc, cordon_mistake_fn *fn, void *ud,
                 cordon_error *reterr);
CORDON_API void cordon_suite_free(cordon_suite *suite);

/* Entry |i| of "policies": a file or a folder, relative to the test file; NULL
 * behind the last.  |ret_line| and |ret_column| (may be NULL) say where it
 * stands.  Belongs to the suite. */
CORDON_API const char *cordon_suite_path(const cordon_suite *suite, size_t i,
                                         uint32_t *ret_line,
                                         uint32_t *ret_column);

/* The name of test |i|, in the order of the file; NULL behind the last.
 * Belongs to the suite; can hold anything but NUL. */
CORDON_API const char *cordon_suite_test(const cordon_suite *suite, size_t i,
                                         uint32_t *ret_line,
                                         uint32_t *ret_column);

/*
 * Says which policies the tests are about.  |policy| is finished; the suite
 * takes a reference.  |fn| is called for each group or policy the tests name
 * that it does not have.
 * Errors: CORDON_E_NOMEM, CORDON_E_POLICY (there were such names),
 * CORDON_E_BUSY (it is bound already), CORDON_E_INVALID (not finished).
 */
CORDON_API CORDON_MUST_CHECK int
cordon_suite_bind(cordon_suite *suite, cordon_policy *policy,
                  cordon_mistake_fn *fn, void *ud, cordon_error *reterr);

/*
 * Runs test |i| of a bound suite.  |*ret_failed| is how many of its
 * |*ret_asked| expectations (both may be NULL) did not hold; each is written,
 * for people, to |write| (may be NULL): what was expected, what came, which
 * policy decided or which came nearest.  Lines with two blanks in front, each
 * with its newline.
 * Errors: CORDON_E_NOMEM, CORDON_E_LIMIT (too much text).
 */
CORDON_API CORDON_MUST_CHECK int
cordon_suite_run(cordon_suite *suite, size_t i, size_t *ret_asked,
                 size_t *ret_failed, cordon_write_fn *write, void *ud,
                 cordon_error *reterr);

typedef enum cordon_cover_kind {
  CORDON_COVER_POLICY,   /* |yes| requests it applied to */
  CORDON_COVER_RULE,     /* |yes| requests this rule of it applied to */
  CORDON_COVER_CONDITION /* how often it was true, false and an error, of the
                            requests that the rules match */
} cordon_cover_kind;

/* How often the tests that ran came to one thing.  Borrowed for the call. */
typedef struct cordon_cover {
  cordon_cover_kind kind;
  const char *policy_id;
  const char *file;
  uint32_t line; /* 0 for the policies of cordon_policy_allow */
  uint32_t column;
  const char *text; /* the rule or condition, safe to print; "" for a policy */
  uint32_t yes;
  uint32_t no;
  uint32_t error;
} cordon_cover;

/* Calls |fn| for each policy, in the order of the ids, followed by its rules
 * and its conditions.  Errors: CORDON_E_NOMEM. */
CORDON_API CORDON_MUST_CHECK int
cordon_suite_coverage(const cordon_suite *suite,
                      void (*fn)(void *ud, const cordon_cover *cover), void *ud,
                      cordon_error *reterr);

/* One small change of a policy.  Borrowed for the call. */
typedef struct cordon_mutant {
  const char *policy_id;
  const char *file;
  uint32_t line; /* 0 for the policies of cordon_policy_allow */
  uint32_t column;
  const char *change;  /* "drop rule 2", "widen path of ..."; safe to print */
  const char *noticed; /* the name of a test that fails with it; NULL: none
                          does, the mutant survives */
  const char *witness; /* of one that survives: a URL its policy now speaks
                          about; NULL: none is known */
} cordon_mutant;

/*
 * Makes policies wrong in small ways, one at a time (another effect; a rule, a
 * pattern or a condition less; a wider pattern), and calls |fn| for each, in
 * the order of the ids.  Tests that did not run, and expectations that did not
 * hold, notice nothing.  The set itself stays as it is.
 * Errors: CORDON_E_NOMEM.
 */
CORDON_API CORDON_MUST_CHECK int
cordon_suite_mutate(cordon_suite *suite,
                    void (*fn)(void *ud, const cordon_mutant *mutant), void *ud,
                    cordon_error *reterr);

/* -------------------------------------------------------------- advice --- */

/* How bad it is.  A mistake, CORDON_ERROR, keeps a policy from being loaded;
 * those come through cordon_mistake_fn. */
typedef enum cordon_severity {
  CORDON_NOTE = 0,    /* worth knowing; often right as it is */
  CORDON_WARNING = 1, /* does not do what it looks like, or grants too much */
  CORDON_ERROR = 2
} cordon_severity;

/*
 * Something unwise in policies that load.  Borrowed for the call; the texts are
 * one line each and safe to print, but for |file| and |policy_id|, which are as
 * they were given.
 */
typedef struct cordon_finding {
  const char *code; /* "host-open-end": see cordon_lint_page */
  cordon_severity severity;
  const char *file;
  uint32_t line; /* 0 for the policies of cordon_policy_allow */
  uint32_t column;
  const char *policy_id; /* NULL: an entry that is no policy */
  const char *message;   /* what */
  const char *reason;    /* why it matters */
  const char *fix;       /* what to write instead */
  /* Where replacing |edit_len_bytes| bytes by |edit_text| corrects it and
   * changes no answer; edit_text NULL: only people can correct it.  The text
   * that is replaced stands on one line. */
  uint32_t edit_line;
  uint32_t edit_column;
  size_t edit_len_bytes;
  const char *edit_text;
} cordon_finding;

typedef void cordon_finding_fn(void *ud, const cordon_finding *finding);

typedef struct cordon_lint_config {
  size_t struct_size;
  /* What there is beside the policies, a map of lists: "actions" (that host
   * modules ask for; "name.*" too), "groups", "policies", and "actor"
   * (attributes below actor.meta).  NULL: not declared, and less is said. */
  const cordon_value *catalogue;
  /* Suites that are bound to the policy and have run: what they leave untested
   * is told.  None: nothing is said about tests. */
  const cordon_suite *const *suites;
  size_t nsuites;
} cordon_lint_config;

/* Fills |cfg| with zeros and the size that its host was compiled with. */
CORDON_API void cordon_lint_config_init_sized(cordon_lint_config *cfg,
                                              size_t struct_size);
#define cordon_lint_config_init(cfg)                                           \
  cordon_lint_config_init_sized((cfg), sizeof(cordon_lint_config))

/*
 * Calls |fn| for each finding, in the order of files, lines and columns, but
 * for those a policy silences in its file.  |policy| is finished; |config| may
 * be NULL.
 * Errors: CORDON_E_NOMEM, CORDON_E_SYNTAX (the catalogue is none).
 * [any thread]
 */
CORDON_API CORDON_MUST_CHECK int
cordon_policy_lint(const cordon_policy *policy,
                   const cordon_lint_config *config, cordon_finding_fn *fn,
                   void *ud, cordon_error *reterr);

/*
 * Files of the original runtime: a pattern that goes on inside a host
 * ("wss://host*") is a mistake in an allow; after this call it is read as the
 * nearest whole one (all paths of that host) and becomes a finding.  Before the
 * first cordon_policy_add.  Errors: CORDON_E_BUSY (it is finished).
 */
CORDON_API CORDON_MUST_CHECK int cordon_policy_compat(cordon_policy *policy,
                                                      cordon_error *reterr);

/* The codes of findings in the order of the alphabet; NULL behind the last.
 * [any thread] [in callbacks] */
CORDON_API const char *cordon_lint_code(size_t i);

/* A page in Markdown about |code|: what, why, an example of each kind, how to
 * correct and to silence it.  Static; NULL: there is no such code.
 * [any thread] [in callbacks] */
CORDON_API const char *cordon_lint_page(const char *code);

/* ---------------------------------------------------------------- host --- */

/*
 * An event loop, a resolver and a TLS context, which carry many sandboxes.  One
 * per thread.
 */
typedef struct cordon_host cordon_host;

/* For cordon_host_config.preempt_signal. */
#define CORDON_NO_SIGNAL (-1)

/*
 * Fill with cordon_host_config_init, then set what differs.
 *
 * The library changes nothing that is the program's: not malloc's tuning
 * either.  glibc gives the end of its heap back whenever 128 KiB of it are
 * free, which costs page faults where scripts receive messages of 64 KiB and
 * more; a program may tell it to keep more (mallopt(3), M_TRIM_THRESHOLD), as
 * cordon and its workers do.
 */
typedef struct cordon_host_config {
  size_t struct_size;      /* set by cordon_host_config_init */
  cordon_allocator alloc;  /* zeros: malloc */
  const char *ca_file;     /* PEM certificates trusted beside the system's, and
                              lists of revoked ones; NULL.  It is read once. */
  const char *dns_servers; /* "ip:port,..."; NULL: the system's */
  int preempt_signal;      /* ends time slices of scripts; 0: SIGRTMAX - 3.
                              Not one that the processor raises, as SIGSEGV.
                              Its handler belongs to the library from the first
                              host on, and the thread that runs a host has it
                              unblocked.  CORDON_NO_SIGNAL: scripts count their
                              instructions instead, which slows them down and
                              stops them later. */
  const char *worker_path; /* the helper program of process isolation; NULL:
                              where it was installed */
} cordon_host_config;

#define cordon_host_config_init(cfg)                                           \
  cordon_host_config_init_sized((cfg), sizeof *(cfg))
/* Fills |cfg| with the defaults, and the size that its host was compiled with.
 */
CORDON_API void cordon_host_config_init_sized(cordon_host_config *cfg,
                                              size_t struct_size);

/*
 * A host without sandboxes; |config| may be NULL.
 * Errors: CORDON_E_NOMEM, CORDON_E_SYSTEM (no fd left; the CA file cannot be
 * read), CORDON_E_INVALID (it holds no certificate; dns_servers is no list).
 */
CORDON_API CORDON_MUST_CHECK int
cordon_host_new(cordon_host **ret_host, const cordon_host_config *config,
                cordon_error *reterr);

/* Its sandboxes must have been freed before: aborts otherwise, for it cannot be
 * reported and must not be survived. */
CORDON_API void cordon_host_free(cordon_host *host);

/*
 * The fd by which a loop notices that the host has something to do.
 * Integration with another loop, in three functions:
 *
 *   cordon_host_fd          watch it for reading, level-triggered, for good
 *   cordon_host_timeout_ms  wait no longer than this; ask again each time
 *   cordon_host_dispatch    call it when either says so; early is harmless
 *
 * Behind a dispatch cordon_sandbox_result of each sandbox tells who has ended;
 * it only looks.  The fd is the same for the host's whole life and belongs to
 * it: do not read, write, close or reconfigure it.  [in callbacks]
 */
CORDON_API int cordon_host_fd(const cordon_host *host);

/* How long the loop may wait for the fd: 0: not at all, -1: no limit, otherwise
 * milliseconds, rounded up.  Valid until the next call into the host.
 * [in callbacks] */
CORDON_API int cordon_host_timeout_ms(const cordon_host *host);

/*
 * Does what is ready and returns; never waits.  A sandbox that has much to do
 * gets a slice of about a millisecond, then the next one; of up to four where
 * it is the host's only one. Errors: CORDON_E_SYSTEM, CORDON_E_BUSY.
 */
CORDON_API CORDON_MUST_CHECK int cordon_host_dispatch(cordon_host *host,
                                                      cordon_error *reterr);

/* ------------------------------------------------------- configuration --- */

/* For a limit the host really wants to lift; it must be written out. */
#define CORDON_UNLIMITED UINT64_MAX

/* 0 means the default shown; it never means "no limit". */
typedef struct cordon_limits {
  uint64_t memory_bytes; /* 64 MiB  Lua heap and what modules hold for
                            the script */
  uint64_t cpu_ms;       /* 10 s    CPU time of all tasks, and of giving
                            their memory back in the end */
  uint64_t deadline_ms;  /* none    from load to end, on the wall */
  uint64_t tasks;        /* 10 000  tasks and coroutines that are alive */
  uint64_t timers;       /* 10 000  pending at a time */
  uint64_t connections;  /* 64      open at a time */
  uint64_t connects_per_minute; /* 600 */
  uint64_t output_bytes;        /* 64 MiB  in all */
  uint64_t source_bytes;        /* 1 MiB   one Lua text */
  uint64_t reserved[7];         /* zeros: for limits to come */
} cordon_limits;

/* Where a script runs. */
typedef enum cordon_isolation {
  /* In a worker process of its own, which can open nothing: policies, names,
   * sockets, TLS and modules stay with the host.  The default, and what hostile
   * code needs.  The helper program must be installed (or named by
   * cordon_host_config.worker_path). */
  CORDON_ISOLATION_PROCESS = 0,
  /* In the calling thread: for code whose authors are trusted not to attack the
   * Lua interpreter itself.  Must be asked for by name. */
  CORDON_ISOLATION_INPROCESS = 1
} cordon_isolation;

typedef struct cordon_sandbox cordon_sandbox;

/*
 * Receives what the script prints, one call a print; what is longer than 64 KiB
 * may come in several.  |data| is borrowed, and can hold anything: escape it
 * before showing it where that matters.
 */
typedef void cordon_output_fn(void *ud, const char *data, size_t len_bytes);

/* What becomes of the policies' answers. */
typedef enum cordon_mode {
  CORDON_MODE_ENFORCE = 0,
  /* What no policy speaks of passes, and is recorded; what a policy denies does
   * not, nor do addresses that the URL alone would not open.  To find out what
   * a policy would have to allow. */
  CORDON_MODE_COMPLAIN = 1,
  /* Every connect is decided and recorded, and then answered with an error of
   * kind Unavailable: nothing is opened. */
  CORDON_MODE_DRY_RUN = 2
} cordon_mode;

/* One decision about to take effect.  Borrowed for the call. */
typedef struct cordon_audit_event {
  uint64_t sequence; /* 1, 2, 3 ... per sandbox, without gaps */
  int64_t unix_ns;   /* wall-clock time, for the record only */
  const cordon_sandbox *sandbox;
  const cordon_scope *scope;
  const cordon_request *request;
  const cordon_decision *decision;
  const char *script; /* cordon_source.name of the calling code; "" */
  uint32_t line;      /* the calling line, 0 if not known */
  cordon_mode mode;
  int passes; /* 1: it may be done, if this function returns 0; in complain mode
                 though the verdict may be a refusal */
  uint64_t generation; /* of the policies: 1, and one more each
                          cordon_sandbox_set_policy */
  uint64_t latency_ns; /* what the decision took */
} cordon_audit_event;

/*
 * Records a decision before the action happens.  Returns 0 when it is
 * recorded; anything else turns an allow into a refusal: what cannot be
 * recorded is not done.
 */
typedef int cordon_audit_fn(void *ud, const cordon_audit_event *event);

/* A connection that was opened, or has ended.  Borrowed for the call. */
typedef struct cordon_connection_event {
  uint64_t number; /* of the connection: 1, 2, 3 ... per sandbox */
  int64_t unix_ns;
  const cordon_sandbox *sandbox;
  int opened;         /* 1: opened; 0: it has ended */
  const char *url;    /* opened: the canonical URL; else NULL */
  const char *script; /* opened: who asked for it; else "" */
  uint32_t line;
  uint16_t
      code;  /* ended: the close code (RFC 6455 section 7.1.5), 1006: lost */
  int clean; /* ended: close frames went both ways */
  int by_worker; /* ended: the word of the worker process, which one that has
                    been taken over may give when it likes; 0: the library has
                    seen the end itself, or made it */
} cordon_connection_event;

typedef void cordon_connection_fn(void *ud,
                                  const cordon_connection_event *event);

/*
 * Finds the Lua text of require(|name|) for a script (built-in and host modules
 * come first).  |name| holds letters, digits, "_", "-" and single inner dots.
 * Returns CORDON_OK with |*ret_source|, whose pointers must live until the next
 * call of this function or the end of the sandbox; CORDON_E_NOT_FOUND; or
 * CORDON_E_SYSTEM (it exists and cannot be read).
 */
typedef int cordon_require_fn(void *ud, const char *name,
                              cordon_source *ret_source);

/* Fill with cordon_sandbox_config_init, then set what differs. */
typedef struct cordon_sandbox_config {
  size_t struct_size;
  cordon_isolation isolation;
  cordon_policy *policy;       /* NULL: no policy, every request is refused;
                                  else the sandbox takes a reference */
  const char *const *scope;    /* groups and policy ids; */
  size_t scope_len;            /* 0: every policy of the set */
  const char *actor_id;        /* whom the script acts for; NULL: nobody,
                                  and every request is refused */
  const char *actor_meta_json; /* a JSON object, or NULL */
  cordon_limits limits;        /* zeros: the defaults */
  const char *method;          /* of the table a script returns; NULL: "main" */
  cordon_output_fn *output;    /* NULL: output is dropped */
  cordon_audit_fn *audit;      /* NULL: nothing is recorded or refused */
  cordon_require_fn *require;  /* NULL: only built-in and host modules */
  void *ud;                    /* for the functions above and below */
  cordon_mode mode;
  cordon_connection_fn *connection; /* NULL: nobody is told */
  const cordon_value *input; /* copied: the first argument of the script and of
                                its main, before those of cordon_sandbox_load;
                                NULL: there is none */
  int keep; /* 1: the table that the script returns stays when its main has
               returned, for cordon_sandbox_call; it lives until it fails, is
               stopped or is freed.  0: it ends with its main. */
  const char *const *modules; /* the names that the script may require, at most
                                 10 000, whoever provides them; NULL: all */
  size_t modules_len;
  const char *modules_from; /* where they are listed, "jobs.yaml:7", for the
                               message about another one; NULL */
} cordon_sandbox_config;

#define cordon_sandbox_config_init(cfg)                                        \
  cordon_sandbox_config_init_sized((cfg), sizeof *(cfg))
/* Fills |cfg| with the defaults, and the size that its host was compiled with.
 */
CORDON_API void cordon_sandbox_config_init_sized(cordon_sandbox_config *cfg,
                                                 size_t struct_size);

/* ------------------------------------------------------------- sandbox --- */

/*
 * Creates a sandbox on |host|; |config| may be thrown away afterwards.  Nothing
 * runs yet.  Where it has a worker, that is asked for, and not waited for.
 *
 * Errors: CORDON_E_NOMEM, CORDON_E_INVALID (also: more connections than a
 * worker may have descriptors), CORDON_E_NOT_FOUND (a scope name),
 * CORDON_E_SYNTAX (actor_meta_json), CORDON_E_ISOLATION (there can be no
 * worker; what only the worker finds out is told by cordon_sandbox_result),
 * CORDON_E_UNSUPPORTED (a limit of a newer version), CORDON_E_BUSY.
 */
CORDON_API CORDON_MUST_CHECK int
cordon_sandbox_new(cordon_sandbox **ret_sandbox, cordon_host *host,
                   const cordon_sandbox_config *config, cordon_error *reterr);

/*
 * Ends everything at once and frees it: connections are cut (an ended script
 * has closed them with 1001 before), to-be-closed variables of the script do
 * not run.  Closing handshakes of an ended script go on for up to 7 s, while
 * the host is dispatched: of 64 workers and of 128 connections of scripts in
 * this process at a time; where there are more, the oldest are cut.  Who still
 * waits for it is told before it returns (cordon_done_fn, cordon_call_on_gone);
 * after that no callback is called any more, except the allocator.
 *
 * Calling it from inside a callback of the same host aborts the process: it
 * cannot be reported and must not be survived.
 */
CORDON_API void cordon_sandbox_free(cordon_sandbox *sandbox);

/*
 * From now on |policy| (finished; the sandbox takes a reference) decides, in
 * the scope the sandbox was made with; what is open stays open.  On an error
 * the old one stays in force.  Objects of the security module that a script
 * still has keep the old one in memory, at most until the sandbox is freed.
 *
 * Errors: CORDON_E_NOMEM, CORDON_E_NOT_FOUND (a scope name), CORDON_E_INVALID
 * (it is not finished), CORDON_E_BUSY.
 */
CORDON_API CORDON_MUST_CHECK int
cordon_sandbox_set_policy(cordon_sandbox *sandbox, cordon_policy *policy,
                          cordon_error *reterr);

/* ----------------------------------------------------------- manifests --- */

/*
 * A manifest: scripts to run side by side, each with its own actor, scope,
 * modules and limits (cordon-manifest(5)).  This is the part that reads it;
 * starting, watching and stopping sandboxes is the host's.
 *
 *     cordon_manifest_new     the text; all its mistakes in one pass
 *     cordon_policy_add       the same text, for the policies in it
 *     cordon_manifest_check   are the policies and groups there that it names?
 *     cordon_manifest_at      the workloads
 *
 * Immutable; any thread may read it.
 */
typedef struct cordon_manifest cordon_manifest;

/* When a script that has ended is to be started again. */
typedef enum cordon_restart {
  CORDON_RESTART_NEVER = 0,
  CORDON_RESTART_ON_FAILURE = 1,
  CORDON_RESTART_ALWAYS = 2
} cordon_restart;

/* One entry of kind process.lua.  Belongs to the manifest, with all it points
 * to.  Later versions add members at the end: |struct_size| says which are
 * there. */
typedef struct cordon_workload {
  size_t struct_size;
  const char *name; /* unique in the manifest; letters, digits, _ - . / @ + */
  uint32_t line;    /* of the entry */
  uint32_t column;
  const char *source; /* the script, below the manifest's folder: "lib/x.lua";
                         never absolute, never with "." or ".." */
  uint32_t source_line;
  uint32_t source_column;
  const char *method; /* NULL: "main" */
  const char *const *args;
  size_t args_len;
  const char *const *modules; /* that may be required; never NULL */
  size_t modules_len;
  uint32_t modules_line; /* of the list; of the entry where there is none */
  int auto_start;        /* 0: it is not to be started; one that another needs
                            is */
  const char *actor_id;  /* NULL: nobody */
  const char *actor_meta_json;
  const char *const *scope; /* "ns:name" of policies and groups; */
  size_t scope_len; /* 0: no policy is in force, give the sandbox none */
  cordon_limits limits;
  cordon_restart restart;
  uint64_t restart_delay_ms; /* before the first restart in a row; doubled */
  uint64_t restart_delay_max_ms; /* each time, up to this */
  uint64_t restart_tries;        /* after failures in a row; 0: no end of it */
  uint64_t stable_ms;            /* a run that was this long ends the row */
  const size_t *depends_on;      /* the workloads to be started before it; their
                                    numbers are lower than its own */
  size_t depends_on_len;
} cordon_workload;

/*
 * Parses a manifest; |fn| (may be NULL) is called for each mistake in an entry
 * of kind process.lua, |reterr| names the first.  Those in policies are found
 * by cordon_policy_add, other entries are left alone.  |alloc| may be NULL.
 * Errors: CORDON_E_NOMEM, CORDON_E_POLICY.  [any thread]
 */
CORDON_API CORDON_MUST_CHECK int
cordon_manifest_new(cordon_manifest **ret_manifest, const cordon_source *source,
                    const cordon_allocator *alloc, cordon_mistake_fn *fn,
                    void *ud, cordon_error *reterr);
CORDON_API void cordon_manifest_free(cordon_manifest *manifest);

/*
 * Calls |fn| for each policy or group that a workload names and |policy|
 * (finished) does not have.
 * Errors: CORDON_E_NOMEM, CORDON_E_POLICY (there were such names),
 * CORDON_E_INVALID (not finished).  [any thread]
 */
CORDON_API CORDON_MUST_CHECK int
cordon_manifest_check(const cordon_manifest *manifest, cordon_policy *policy,
                      cordon_mistake_fn *fn, void *ud, cordon_error *reterr);

/* Workload |i|, in an order in which they can be started: those that others
 * depend on first, else as in the file.  NULL behind the last.  [any thread] */
CORDON_API const cordon_workload *
cordon_manifest_at(const cordon_manifest *manifest, size_t i);

/* ------------------------------------------------------ host functions --- */

/*
 * What a script and its host tell each other crosses as plain values, in either
 * isolation: null, booleans, numbers, strings (any bytes), lists and maps; at
 * most 100 levels deep, 65 536 values and 4 MiB of strings in one piece.  In
 * Lua null is nil, a list a table with keys 1..n, a map a table with string
 * keys.
 */

/* One call of a script to a function of the host. */
typedef struct cordon_call cordon_call;

/*
 * Does what the script asks for: answers |call| before it returns, or keeps it
 * and answers later, from any callback or code on the host's thread.  Meanwhile
 * the task of the script that called waits, and others run.
 *
 * The call is the host's until it is answered, exactly once, by
 * cordon_call_return, cordon_call_fail or a refusing cordon_call_guard; nothing
 * may be done with it after that.  (Only inside of this callback a second
 * answer is noticed: CORDON_E_INVALID.)  A script that has ended, and a sandbox
 * that is freed, make no exception: the answer is then thrown away.  What is
 * not answered at all is memory of the host until cordon_host_free.
 */
typedef void cordon_function(void *ud, cordon_call *call);

/*
 * Offers |fn| to the script as require(|module|).|name|.  The function returns
 * the value it is answered with; or nil and an error object.  A module can have
 * many functions and channels.  |module| is made of letters, digits, "_", "-"
 * and single inner dots, |name| of letters, digits and "_"; neither begins with
 * a digit.
 *
 * A script has at most 1000 calls under way, with 16 MiB in all; it gets an
 * error of kind RateLimited for more, and also where the host has not answered
 * twice as many, those included that the script no longer waits for.  Time of
 * the host's function is not the script's.
 *
 * To be called before cordon_sandbox_load.
 * Errors: CORDON_E_NOMEM, CORDON_E_INVALID (the name is taken or no name, or a
 * script is loaded), CORDON_E_LIMIT (more than 1000 functions and channels),
 * CORDON_E_BUSY.
 */
CORDON_API CORDON_MUST_CHECK int
cordon_sandbox_add_function(cordon_sandbox *sandbox, const char *module,
                            const char *name, cordon_function *fn, void *ud,
                            cordon_error *reterr);

/* The arguments, a list; lives as long as the call.  [in callbacks] */
CORDON_API const cordon_value *cordon_call_args(const cordon_call *call);

/* The sandbox whose script calls; NULL: it was freed.  [in callbacks] */
CORDON_API cordon_sandbox *cordon_call_sandbox(const cordon_call *call);

/*
 * Asks the policies whether the sandbox's actor may do |action| to |resource|
 * in its scope, and records the answer.  Anything but CORDON_ALLOW: the call
 * has been answered, with an error of kind PermissionDenied.  To be asked
 * first, before the world is touched.  |meta| is a map or NULL.  [in callbacks]
 */
CORDON_API CORDON_MUST_CHECK cordon_verdict
cordon_call_guard(cordon_call *call, const char *action, const char *resource,
                  size_t resource_len_bytes, const cordon_value *meta);

/*
 * Answers with |value|, which is copied; NULL: null.
 * Errors: CORDON_E_INVALID (it is too large, and the call not answered).
 * [in callbacks]
 */
CORDON_API int cordon_call_return(cordon_call *call, const cordon_value *value);

/*
 * Answers with an error.  |kind| is one of the kinds of the errors module
 * ("NotFound", "Unavailable" ...); NULL or "": none of them.
 * Errors: CORDON_E_INVALID (no such kind, and the call is not answered).
 * [in callbacks]
 */
CORDON_API int cordon_call_fail(cordon_call *call, const char *kind,
                                const char *message, int retryable);

/*
 * |gone| is called once if the script ends or does not wait any more, or the
 * sandbox is freed, before the call is answered, so that what was begun can be
 * stopped.  The call is still to be answered, there or later.  [in callbacks]
 */
CORDON_API void cordon_call_on_gone(cordon_call *call, void (*gone)(void *ud),
                                    void *ud);

/* ------------------------------------------------------------ channels --- */

/*
 * A channel between a script and its host: a field of a module, like a host's
 * function, and for scripts like any other of the module channel.  Each holds
 * |capacity| values (1 to 10 000) that the other side has not taken yet.  It
 * belongs to the sandbox, and lives as long.
 */
typedef struct cordon_channel cordon_channel;

/* There is room again, after a cordon_channel_send that said CORDON_AGAIN. */
typedef void cordon_room_fn(void *ud, cordon_channel *channel);

/*
 * Receives one |value|, borrowed for the call; NULL: the script has closed the
 * channel.  Returns CORDON_OK for more, CORDON_AGAIN for no more before
 * cordon_channel_resume.
 */
typedef int cordon_receive_fn(void *ud, cordon_channel *channel,
                              const cordon_value *value);

/*
 * A channel into the script, which can only receive from it; |room| may be
 * NULL. To be called before cordon_sandbox_load. Errors: as
 * cordon_sandbox_add_function.
 */
CORDON_API CORDON_MUST_CHECK int
cordon_sandbox_add_inlet(cordon_sandbox *sandbox, const char *module,
                         const char *name, size_t capacity,
                         cordon_room_fn *room, void *ud,
                         cordon_channel **ret_channel, cordon_error *reterr);

/*
 * A channel out of the script, which can only send into it, and close it. Where
 * |capacity| values wait for the host, the script's senders wait.
 * To be called before cordon_sandbox_load.
 * Errors: as cordon_sandbox_add_function.
 */
CORDON_API CORDON_MUST_CHECK int
cordon_sandbox_add_outlet(cordon_sandbox *sandbox, const char *module,
                          const char *name, size_t capacity,
                          cordon_receive_fn *receive, void *ud,
                          cordon_channel **ret_channel, cordon_error *reterr);

/*
 * Sends |value| (copied; not null) into an inlet, once the script is loaded.
 *
 * Returns CORDON_OK; CORDON_AGAIN: it is full, and |room| will be called;
 * CORDON_E_CLOSED, CORDON_E_INVALID (it is no inlet, the value is null or too
 * large, nothing is loaded).  [in callbacks]
 */
CORDON_API CORDON_MUST_CHECK int cordon_channel_send(cordon_channel *channel,
                                                     const cordon_value *value,
                                                     cordon_error *reterr);

/* Goes on receiving from an outlet.  [in callbacks] */
CORDON_API void cordon_channel_resume(cordon_channel *channel);

/* Closes it, also before a script is loaded: the script receives what was sent,
 * then nil and false; what it sends into an outlet is an error.  Nothing more
 * is received.  [in callbacks] */
CORDON_API void cordon_channel_close(cordon_channel *channel);

/* -------------------------------------------------- modules in C for Lua ---
 */

struct lua_State; /* from <lua.h>; needed only by those who write modules */

/* Same type as lua_CFunction. */
typedef int cordon_lua_fn(struct lua_State *L);

/*
 * For hosts that want Lua's stack: a module of C functions.  Those of
 * cordon_sandbox_add_function need no Lua and work in workers too.
 *
 * Offers the module |name| to the script's require.  |open| is called at the
 * first require, with the name as argument 1 and |ud|, a light userdata, as
 * argument 2; it returns the module as its one result.  |ud| is kept until
 * cordon_sandbox_free.
 *
 * A script that does not stop at a limit is abandoned, in the middle of
 * whatever it does.  C code of the host would not survive that: a script that
 * has required such a module is only stopped at its next Lua instruction, or
 * when the C function it is in returns; and the finalizers of its userdata run
 * when the script has ended.
 *
 * To be called before cordon_sandbox_load.
 * Errors: CORDON_E_NOMEM, CORDON_E_INVALID (the name is taken, or a script is
 * loaded), CORDON_E_UNSUPPORTED (the sandbox has a worker process, which cannot
 * run the host's functions), CORDON_E_BUSY.
 */
CORDON_API CORDON_MUST_CHECK int
cordon_sandbox_add_module(cordon_sandbox *sandbox, const char *name,
                          cordon_lua_fn *open, void *ud, cordon_error *reterr);

/* The sandbox |L| belongs to; never NULL inside a module.  [in callbacks] */
CORDON_API cordon_sandbox *cordon_sandbox_of(struct lua_State *L);

/*
 * The gate for host modules: decides whether the sandbox's actor may do
 * |action| to |resource| in its scope, and records it.  Returns CORDON_ALLOW,
 * or another verdict after pushing an error object of kind PermissionDenied, so
 * that the module can return nil and it.  Call it first, before touching the
 * world. |meta| is a map or NULL.  [in callbacks]
 */
CORDON_API cordon_verdict cordon_sandbox_guard(struct lua_State *L,
                                               const char *action,
                                               const char *resource,
                                               size_t resource_len_bytes,
                                               const cordon_value *meta);

/*
 * How a host function waits without holding up the sandbox.  In the function:
 *
 *     cordon_wait *w = cordon_wait_begin(L, "mydb.query");
 *     start_query(..., w);
 *     return cordon_wait_yield(L, w, finish);
 *
 * and when the answer is there, from any callback or host code on the host's
 * thread: cordon_wait_end(w).  Then |finish| runs as the continuation of the
 * function: the Lua stack is as it was left, its results are the function's.
 *
 * _begin pushes one value, which must stay on the stack; it raises where the
 * script cannot wait.  |what| is static and names the call in messages.  If the
 * script ends first, |gone| (set with cordon_wait_on_gone, may be left out) is
 * called instead of |finish|, with no Lua; cordon_wait_end must not be called
 * after it.  A wait that was begun and not yielded is void.
 */
typedef struct cordon_wait cordon_wait;
/* Begins to wait: a host function that is called by a script does so first. */
CORDON_API cordon_wait *cordon_wait_begin(struct lua_State *L,
                                          const char *what);
/* Has |gone| called if the script ends before the wait does. */
CORDON_API void cordon_wait_on_gone(cordon_wait *wait, void (*gone)(void *ud),
                                    void *ud);
/* Leaves the host function until the wait ends; what it returns is to be
 * returned. */
CORDON_API int cordon_wait_yield(struct lua_State *L, cordon_wait *wait,
                                 cordon_lua_fn *finish);
/* Ends the wait: |finish| runs at one of the next dispatches. */
CORDON_API void cordon_wait_end(cordon_wait *wait);

/* --------------------------------------------------------- load and run --- */

/*
 * Hands |source| over: it is compiled and started by the next dispatches of the
 * host, where it has a worker by that, while the host goes on.  A text that
 * does not compile is a result, CORDON_E_SYNTAX, like any other.  |args| become
 * the arguments of the script, of its main, and the table arg.  Only text is
 * accepted; a first line that starts with "#" is skipped.  One script per
 * sandbox.
 *
 * Errors: CORDON_E_NOMEM, CORDON_E_INVALID (already loaded; more than 250
 * arguments), CORDON_E_BUSY.
 */
CORDON_API CORDON_MUST_CHECK int
cordon_sandbox_load(cordon_sandbox *sandbox, const cordon_source *source,
                    const char *const *args, size_t nargs,
                    cordon_error *reterr);

/*
 * Does |source| compile?  Nothing of it runs, and nothing is kept.  A text of
 * more than 1 MiB is a mistake, as for a sandbox.  |alloc| may be NULL.
 * Errors: CORDON_E_NOMEM, CORDON_E_SYNTAX (with the line), CORDON_E_LIMIT (it
 * is made to hold the compiler up: after about 2 s of CPU time it is left).
 * [any thread] [in callbacks]
 */
CORDON_API CORDON_MUST_CHECK int
cordon_script_check(const cordon_source *source, const cordon_allocator *alloc,
                    cordon_error *reterr);

/*
 * CORDON_AGAIN while the script lives (and before it is loaded); then for good
 * CORDON_OK, CORDON_E_SCRIPT, CORDON_E_LIMIT, CORDON_E_CANCELLED or
 * CORDON_E_NOMEM, with the message and the position of the error; or, before
 * any of it has run, CORDON_E_SYNTAX (it does not compile, or is longer than
 * limits.source_bytes).  Where it has a worker also CORDON_E_ISOLATION (its
 * confinement failed, and nothing was run) or CORDON_E_WORKER.
 * [in callbacks]
 */
CORDON_API CORDON_MUST_CHECK int
cordon_sandbox_result(const cordon_sandbox *sandbox, cordon_error *reterr);

/*
 * What a person wants to read about the end: traceback of an error, with its
 * kind; or where the script was when it was stopped.  Several lines, escaped;
 * "" when there is nothing to say.  Belongs to the sandbox.  [in callbacks]
 */
CORDON_API const char *cordon_sandbox_traceback(const cordon_sandbox *sandbox);

/*
 * The kind of the error object that a script has failed with, CORDON_E_SCRIPT:
 * "Timeout", "PermissionDenied" ... or one of its own, escaped, cut to 63
 * bytes;
 * "" if it has none, for other error values and for any other end.  Belongs to
 * the sandbox.  [in callbacks]
 */
CORDON_API const char *cordon_sandbox_error_kind(const cordon_sandbox *sandbox);

/*
 * What the main of a script that has ended as it should returned, the first of
 * its results: |*ret_value| belongs to the sandbox; NULL: null, or nothing.
 *
 * Errors: CORDON_AGAIN (it lives), what cordon_sandbox_result returns,
 * CORDON_E_INVALID (it is no plain data: the message says what and where, as in
 * "result.rows[3] is a function, expected plain data"), CORDON_E_NOMEM.
 * [in callbacks]
 */
CORDON_API CORDON_MUST_CHECK int
cordon_sandbox_value(const cordon_sandbox *sandbox,
                     const cordon_value **ret_value, cordon_error *reterr);

/*
 * How a call of cordon_sandbox_call ended: CORDON_OK with |value|, borrowed for
 * the call (NULL: null); or another |result| with |error|:
 *
 *   CORDON_E_SCRIPT     the function raised an error, or returned nil or false
 *                       and an error; the script lives on
 *   CORDON_E_NOT_FOUND  the script returned no such function
 *   CORDON_E_INVALID    what it returned is no plain data
 *   CORDON_E_LIMIT      the deadline has passed; there are too many tasks; or
 *                       a limit has stopped the script
 *   CORDON_E_NOMEM      there is no memory for it
 *   and what ended the script: CORDON_E_CANCELLED, CORDON_E_WORKER ...
 */
typedef void cordon_done_fn(void *ud, int result, const cordon_value *value,
                            const cordon_error *error);

/*
 * Calls the function |method| of the table that a script with
 * cordon_sandbox_config.keep has returned, in a task of its own, beside those
 * that are under way; at once, or as soon as its main has returned.  |args| is
 * a list of its arguments (at most 250), or NULL.
 *
 * |done| is called exactly once if this returns CORDON_OK, never from inside of
 * this function, and at the latest by cordon_sandbox_free.  After |deadline_ms|
 * (0: none) it is called with CORDON_E_LIMIT, and the task goes wherever it is;
 * what it has changed stays changed.
 *
 * Returns CORDON_AGAIN if 1000 calls are under way; CORDON_E_NOMEM,
 * CORDON_E_CLOSED (the script has ended), CORDON_E_INVALID (nothing is loaded,
 * or not to be kept; |args| is too large).  [in callbacks]
 */
CORDON_API CORDON_MUST_CHECK int
cordon_sandbox_call(cordon_sandbox *sandbox, const char *method,
                    const cordon_value *args, uint64_t deadline_ms,
                    cordon_done_fn *done, void *ud, cordon_error *reterr);

/*
 * Ends the first call that was begun with |done| and |ud| and is under way, as
 * its deadline would: |done| is called, with CORDON_E_CANCELLED, before this
 * returns; the task goes wherever it is.  Errors: CORDON_E_NOT_FOUND (there is
 * none, or its answer is on the way), CORDON_E_BUSY.
 */
CORDON_API int cordon_sandbox_call_cancel(cordon_sandbox *sandbox,
                                          cordon_done_fn *done, void *ud);

/*
 * Runs the script to its end, waiting as needed: cordon_host_dispatch in a
 * loop, for hosts without a loop of their own; other sandboxes of the host run
 * too.  What it has sent into its outlets is received before this returns.
 * Then waits, for at most |linger_ms|, until its connections have finished
 * their closing handshakes.  Returns what cordon_sandbox_result does, except
 * CORDON_AGAIN; or CORDON_E_SYSTEM, CORDON_E_BUSY, CORDON_E_INVALID (nothing is
 * loaded).
 */
CORDON_API CORDON_MUST_CHECK int cordon_sandbox_run(cordon_sandbox *sandbox,
                                                    int linger_ms,
                                                    cordon_error *reterr);

/*
 * Asks the script to end: it is stopped within milliseconds, or when the C
 * function it is in returns, and cannot catch it.  Its connections are closed
 * with 1001.  Makes the host's fd readable.
 *
 * May be called at any time before cordon_sandbox_free begins, also from a
 * signal handler.  [any thread] [in callbacks]
 */
CORDON_API void cordon_sandbox_cancel(cordon_sandbox *sandbox);

/* --------------------------------------------------------------- usage --- */

/* Which limit stopped a script. */
typedef enum cordon_stop {
  CORDON_STOP_NONE = 0,
  CORDON_STOP_CPU,
  CORDON_STOP_MEMORY,
  CORDON_STOP_DEADLINE,
  CORDON_STOP_OUTPUT
} cordon_stop;

/* Of a script in a worker: memory and CPU as it told last, which it does ten
 * times a second and at its end. */
typedef struct cordon_usage {
  uint64_t memory_bytes;      /* charged to the script, now */
  uint64_t memory_peak_bytes; /* and at its highest */
  uint64_t cpu_ns;            /* of all tasks, so far */
  uint64_t wall_ns;           /* from load to now or its end */
  uint64_t output_bytes;
  uint64_t allowed; /* decisions so far */
  uint64_t refused;
  uint64_t connections; /* open now */
  cordon_stop stop;
  int goodbyes; /* 1: the script has ended, and connections of it, or of others
                   in its host that have ended, still close in good order: what
                   cordon_sandbox_run waits for with |linger_ms| */
  uint64_t received; /* messages of its connections so far; of a worker, as it
                        told last */
  uint64_t sent;
} cordon_usage;

/* Fills |*ret_usage|; cannot fail.  Passes the size the host was compiled with,
 * so that a newer library writes no further.  [in callbacks] */
#define cordon_sandbox_usage(sandbox, ret_usage)                               \
  cordon_sandbox_usage_sized((sandbox), (ret_usage), sizeof *(ret_usage))
CORDON_API void cordon_sandbox_usage_sized(const cordon_sandbox *sandbox,
                                           cordon_usage *ret_usage,
                                           size_t struct_size);

/* -------------------------------------------------------------- doctor --- */

typedef enum cordon_check_status {
  CORDON_CHECK_OK = 0,
  CORDON_CHECK_WARN = 1, /* it works, but not as well as it could */
  CORDON_CHECK_FAIL = 2  /* process isolation cannot be set up */
} cordon_check_status;

/* One thing that was looked at.  Borrowed for the call; texts are never NULL.
 * Later versions add members at the end: |struct_size| says which are there. */
typedef struct cordon_check {
  size_t struct_size;
  const char *group; /* "isolation" "trust" "limits" "versions" "lua" */
  const char *name;  /* "seccomp filter" */
  cordon_check_status status;
  const char *value;  /* what was found; "ABI 7" */
  const char *advice; /* what to do, if it is not CORDON_CHECK_OK */
} cordon_check;

typedef void cordon_check_fn(void *ud, const cordon_check *check);

/*
 * Tells |fn| what this machine and this build can do.  Each step of process
 * isolation is tried for real, in a worker that runs nothing and is thrown
 * away.  |worker_path| is the helper program; NULL: the installed one.  Waits
 * for it, some milliseconds; 10 s at most.
 *
 * Errors: CORDON_E_NOMEM, CORDON_E_INVALID (a path that is not absolute).
 * [any thread]
 */
CORDON_API CORDON_MUST_CHECK int cordon_doctor(const char *worker_path,
                                               cordon_check_fn *fn, void *ud,
                                               cordon_error *reterr);

#ifdef __cplusplus
}
#endif

#endif /* CORDON_CORDON_H */
