/* lint_pattern.c - advice on actions and resources: hosts that go on, products
 * that grant too much, networks that are too wide, what can never match. */
#include "policy/lint_in.h"

/* -------------------------------------------------------------- coverage ---
 */

unsigned lint_live(const struct pattern *r) {
  switch (r->kind) {
  case PATTERN_NEVER:
    return 0;
  case PATTERN_ANY:
    return LINT_GUARDED | PATTERN_FOR_OTHER;
  case PATTERN_EXACT:
    return r->as.text.len == 0 ? PATTERN_FOR_CONNECT | PATTERN_FOR_OTHER
                               : PATTERN_FOR_OTHER;
  case PATTERN_PREFIX:
    /* "ws*" in a deny */
    return r->deny ? PATTERN_FOR_URL | PATTERN_FOR_OTHER : PATTERN_FOR_OTHER;
  case PATTERN_URL:
    return PATTERN_FOR_URL | PATTERN_FOR_OTHER;
  case PATTERN_ADDRESS:
  case PATTERN_CLASS:
    return PATTERN_FOR_ADDRESS;
  }
  return 0;
}

/* Does |a| match the text |b|, in which a star stands for itself?  Then it
 * matches whatever |b| does, for only a star of |a| can take a star. */
static bool glob_covers(struct slice a, struct slice b) {
  size_t i = 0, j = 0, star = SIZE_MAX, mark = 0;

  while (j < b.len) {
    if (i < a.len && a.p[i] == '*') {
      star = i++;
      mark = j;
    } else if (i < a.len && a.p[i] == b.p[j]) {
      i++;
      j++;
    } else if (star != SIZE_MAX) {
      i = star + 1;
      j = ++mark;
    } else {
      return false;
    }
  }
  while (i < a.len && a.p[i] == '*')
    i++;
  return i == a.len;
}

bool lint_is_below(struct slice name, struct slice parent) {
  return name.len > parent.len + 1 &&
         name.p[name.len - parent.len - 1] == '.' &&
         memcmp(name.p + name.len - parent.len, parent.p, parent.len) == 0;
}

static bool host_covers(const struct pattern_url *a,
                        const struct pattern_url *b) {
  if (a->host_kind == PATTERN_HOST_PREFIX && a->host.len == 0)
    return true;
  if (a->host_kind == b->host_kind && slice_eq(a->host, b->host))
    return true;
  if (a->host_kind == PATTERN_HOST_ANY_NAME)
    return b->host_kind == PATTERN_HOST_NAME ||
           b->host_kind == PATTERN_HOST_BELOW;
  return a->host_kind == PATTERN_HOST_BELOW &&
         (b->host_kind == PATTERN_HOST_NAME ||
          b->host_kind == PATTERN_HOST_BELOW) &&
         lint_is_below(b->host, a->host);
}

static bool port_covers(struct pattern_ports a, uint16_t port) {
  return a.first <= port && port <= a.last;
}

static bool ports_cover(const struct pattern_url *a,
                        const struct pattern_url *b) {
  if (a->host_kind == PATTERN_HOST_PREFIX) /* any port, if |host| ended it */
    return a->host.len == 0 || b->host_kind == PATTERN_HOST_PREFIX;
  if (a->ports.first == 0)
    return b->ports.first == 0 ||
           (b->ports.first == b->ports.last &&
            ((b->schemes == PATTERN_WSS && b->ports.first == 443) ||
             (b->schemes == PATTERN_WS && b->ports.first == 80)));
  if (b->ports.first == 0)
    return (!(b->schemes & PATTERN_WSS) || port_covers(a->ports, 443)) &&
           (!(b->schemes & PATTERN_WS) || port_covers(a->ports, 80));
  return a->ports.first <= b->ports.first && b->ports.last <= a->ports.last;
}

static bool url_covers(const struct pattern_url *a,
                       const struct pattern_url *b) {
  if ((b->schemes & ~a->schemes) || !host_covers(a, b) || !ports_cover(a, b))
    return false;
  if (b->host_kind == PATTERN_HOST_PREFIX &&
      a->host_kind != PATTERN_HOST_PREFIX)
    return false;
  if (!a->any_path &&
      !glob_covers(a->path, b->any_path ? SLICE("/*") : b->path))
    return false;
  return a->any_query ||
         (!b->any_query && (a->query.len > 0) == (b->query.len > 0) &&
          glob_covers(a->query, b->query));
}

static bool block_covers(const struct pattern_address *a,
                         const struct pattern_address *b) {
  return a->bits <= b->bits && ip_in_prefix(&b->prefix, &a->prefix, a->bits) &&
         (a->ports.first == 0 ||
          (b->ports.first != 0 && a->ports.first <= b->ports.first &&
           b->ports.last <= a->ports.last));
}

bool lint_covers(const struct pattern *a, const struct pattern *b) {
  switch (a->kind) {
  case PATTERN_NEVER:
    return false;
  case PATTERN_ANY:
    return true;
  case PATTERN_EXACT:
    return b->kind == PATTERN_EXACT && slice_eq(a->as.text, b->as.text);
  case PATTERN_PREFIX:
    return (b->kind == PATTERN_EXACT || b->kind == PATTERN_PREFIX) &&
           slice_starts(b->as.text, a->as.text);
  case PATTERN_URL:
    return b->kind == PATTERN_URL && url_covers(&a->as.url, &b->as.url);
  case PATTERN_ADDRESS:
    return b->kind == PATTERN_ADDRESS &&
           block_covers(&a->as.address, &b->as.address);
  case PATTERN_CLASS:
    return b->kind == PATTERN_CLASS &&
           a->as.address.class_ == b->as.address.class_ &&
           (a->as.address.ports.first == 0 ||
            (a->as.address.ports.first == b->as.address.ports.first &&
             a->as.address.ports.last == b->as.address.ports.last));
  }
  return false;
}

/* --------------------------------------------------------- host-open-end ---
 */

/* A prefix that ends inside the host of a URL: "https://api.example.com*".
 * Guards of host modules compare text. */
static void open_prefix(struct lint *l, const struct policy *p,
                        const struct pattern *r) {
  struct slice s = r->as.text;
  size_t host = 0;
  struct lint_finding *f;

  if (r->kind != PATTERN_PREFIX)
    return;
  while (host + 3 <= s.len && memcmp(s.p + host, "://", 3) != 0)
    host++;
  if (host == 0 || host + 3 >= s.len)
    return;
  host += 3;
  for (size_t i = host; i < s.len; i++)
    if (s.p[i] == '/' || s.p[i] == '?' || s.p[i] == '#')
      return;
  f = lint_add(l, LINT_HOST_OPEN_END, p, r->line, r->column,
               "the host goes on where the text ends: "
               "'api.example.com.evil.com' begins with 'api.example.com'");
  lint_message(l, f, "'%.*s' matches other hosts that begin like this",
               LINT_SHOWN(r->source));
  if (s.p[s.len - 1] == ':') /* "https://host:x@evil.com" */
    lint_fix(l, f, "name the port, as in \"%.*s8443/*\"", LINT_SHOWN(s));
  else
    lint_fix(l, f, "write \"%.*s/*\"", LINT_SHOWN(s));
  if (p->deny)
    lint_note(f);
}

/* --------------------------------------------------------- never-matches ---
 */

static const char dead_why[] = "it looks as if it allowed or denied something, "
                               "and nobody ever asks for it";

/* What the resource of |a|'s guard is, for people. */
static const char *wanted(unsigned use) {
  return use & PATTERN_FOR_CONNECT ? "\"\""
         : use & PATTERN_FOR_URL   ? "a URL pattern such as "
                                     "\"wss://stream.example.com/*\""
                                   : "an address pattern such as "
                                     "\"10.20.0.0/16:443\"";
}

static void dead_pairs(struct lint *l, const struct policy *p,
                       const struct policy_rule *r) {
  unsigned live = 0;

  for (size_t i = 0; i < r->nresources; i++)
    live |= lint_live(&r->resources[i]);
  for (size_t i = 0; i < r->nactions; i++) {
    const struct pattern *a = &r->actions[i];
    unsigned use = pattern_action_use(a);
    struct policy_place at = policy_action_place(r, i);
    struct lint_finding *f;
    if (use & live)
      continue;
    f = lint_add(l, LINT_NEVER_MATCHES, p, at.line, at.column, dead_why);
    lint_message(l, f,
                 "action '%.*s' has no resource here that it is asked for",
                 LINT_SHOWN(a->source));
    lint_fix(l, f, "add the resource %s, or remove the action", wanted(use));
  }
  for (size_t i = 0; i < r->nresources; i++) {
    const struct pattern *s = &r->resources[i];
    struct lint_finding *f;
    if (lint_live(s) & r->use)
      continue;
    f = lint_add(l, LINT_NEVER_MATCHES, p, s->line, s->column, dead_why);
    lint_message(l, f, "resource '%.*s' fits none of the actions here",
                 LINT_SHOWN(s->source));
    lint_fix(l, f, "add the action that asks for it, or remove the resource");
  }
}

/* ----------------------------------------------------- product-overgrant ---
 */

static const char product_why[] =
    "every action is granted on every resource, also the pairs nobody thought "
    "of";

/* "*" beside names: the names say nothing. */
static bool star_beside(struct lint *l, const struct policy *p,
                        const struct pattern *list, size_t n,
                        const char *what) {
  for (size_t i = 0; n > 1 && i < n; i++) {
    struct lint_finding *f;
    const struct pattern *other = &list[i == 0];
    if (list[i].kind != PATTERN_ANY)
      continue;
    f = lint_add(l, LINT_PRODUCT_OVERGRANT, p, list[i].line, list[i].column,
                 "the names look like a limit, and there is none");
    lint_message(l, f, "'*' beside '%.*s': the other %s say nothing",
                 LINT_SHOWN(other->source), what);
    lint_fix(l, f, "remove the '*', or the others");
    return true;
  }
  return false;
}

static void product(struct lint *l, const struct policy *p,
                    const struct policy_rule *r) {
  static const unsigned uses[] = {PATTERN_FOR_CONNECT, PATTERN_FOR_URL,
                                  PATTERN_FOR_ADDRESS, PATTERN_FOR_OTHER};
  bool star = star_beside(l, p, r->actions, r->nactions, "actions");
  const struct pattern *at = r->resources;

  star |= star_beside(l, p, r->resources, r->nresources, "resources");
  if (star || p->deny)
    return;
  for (size_t u = 0; u < sizeof uses / sizeof *uses; u++) {
    size_t actions = 0, resources = 0;
    struct lint_finding *f;
    for (size_t i = 0; i < r->nactions; i++)
      actions += (pattern_action_use(&r->actions[i]) & uses[u]) != 0;
    for (size_t i = 0; i < r->nresources; i++)
      resources += (lint_live(&r->resources[i]) & uses[u]) != 0;
    if (actions < 2 || resources < 2)
      continue;
    f = lint_add(l, LINT_PRODUCT_OVERGRANT, p, at->line, at->column,
                 product_why);
    lint_message(l, f, "%zu actions times %zu resources grant %zu pairs",
                 actions, resources, actions * resources);
    lint_fix(l, f,
             "list the pairs that are meant: rules: [{action: %.*s, resource: "
             "\"%.*s\"}, ...]",
             LINT_SHOWN(r->actions[0].source),
             LINT_SHOWN(r->resources[0].source));
    return;
  }
}

/* ------------------------------------------------------ network-too-wide ---
 */

/* Names below which anybody can have one.  Common ones: the whole list is
 * publicsuffix.org's. */
static const char *const open_names[] = {"amazonaws.com",
                                         "appspot.com",
                                         "azurewebsites.net",
                                         "blob.core.windows.net",
                                         "cloudfront.net",
                                         "firebaseapp.com",
                                         "fly.dev",
                                         "github.io",
                                         "gitlab.io",
                                         "herokuapp.com",
                                         "netlify.app",
                                         "ngrok-free.app",
                                         "ngrok.io",
                                         "onrender.com",
                                         "pages.dev",
                                         "r2.dev",
                                         "render.com",
                                         "run.app",
                                         "trycloudflare.com",
                                         "vercel.app",
                                         "web.app",
                                         "workers.dev",
                                         NULL};

/* Names of one label that no registry sells names below. */
static const char *const own_names[] = {
    "corp",  "home",      "internal", "intranet", "lan",
    "local", "localhost", "private",  "test",     NULL};

static bool is_word(struct slice s, const char *const *words) {
  while (*words && !slice_is(s, *words))
    words++;
  return *words != NULL;
}

/* May strangers have names below |name|? */
static bool is_registry(struct slice name) {
  static const char *const second[] = {"ac",  "co",  "com", "edu",
                                       "gov", "net", "org", NULL};
  const char *dot = memchr(name.p, '.', name.len);
  struct slice first = {name.p, dot ? (size_t)(dot - name.p) : name.len};

  if (!dot)
    return !is_word(name, own_names);
  if (is_word(name, open_names))
    return true;
  return name.len - first.len == 3 && is_word(first, second);
}

static const char wide_why[] =
    "a script that is taken over can talk to whoever can be reached";

static struct lint_finding *wide(struct lint *l, const struct policy *p,
                                 const struct pattern *r) {
  struct lint_finding *f =
      lint_add(l, LINT_NETWORK_TOO_WIDE, p, r->line, r->column, wide_why);

  if (p->nconditions || p->expr)
    lint_note(f);
  return f;
}

static bool is_loopback(const struct pattern *r) {
  const struct pattern_url *u = &r->as.url;

  return pattern_naming(r) == PATTERN_NAMES_LOCAL ||
         (u->host_kind == PATTERN_HOST_BELOW &&
          slice_is(u->host, "localhost")) ||
         (u->host_kind == PATTERN_HOST_NAME &&
          lint_is_below(u->host, SLICE("localhost")));
}

static void wide_url(struct lint *l, const struct policy *p,
                     const struct pattern *r) {
  const struct pattern_url *u = &r->as.url;
  struct slice after = r->source;
  struct lint_finding *f;

  for (size_t i = 0; i + 3 <= after.len; i++)
    if (memcmp(after.p + i, "://", 3) == 0) {
      after = (struct slice){after.p + i, after.len - i};
      break;
    }
  if ((u->schemes & PATTERN_WS) && !is_loopback(r)) {
    f = wide(l, p, r);
    if (f) {
      f->level = LINT_WARNING; /* whatever the conditions are */
      f->reason = "ws:// is not encrypted: whoever is on the way reads, and "
                  "writes, everything";
    }
    lint_message(l, f, "'%.*s' allows ws:// to a host that is not this machine",
                 LINT_SHOWN(r->source));
    lint_fix(l, f, "write \"wss%.*s\"", LINT_SHOWN(after));
  }
  if (u->host_kind == PATTERN_HOST_ANY_NAME && !lint_asks_target(p)) {
    f = wide(l, p, r);
    lint_message(l, f, "'%.*s' allows every host", LINT_SHOWN(r->source));
    lint_fix(l, f, "name the hosts, as in \"wss://stream.example.com/*\"");
  } else if (u->host_kind == PATTERN_HOST_BELOW && is_registry(u->host)) {
    f = wide(l, p, r);
    lint_message(l, f,
                 "'%.*s' allows every host below '%.*s', where anybody "
                 "can have a name",
                 LINT_SHOWN(r->source), LINT_SHOWN(u->host));
    lint_fix(l, f, "name the hosts, as in \"wss://*.example.com/*\"");
  }
  if (u->ports.first != 0 && u->ports.last - u->ports.first >= 1024) {
    f = wide(l, p, r);
    if (u->ports.first == 1 && u->ports.last == UINT16_MAX)
      lint_message(l, f, "'%.*s' allows any port", LINT_SHOWN(r->source));
    else
      lint_message(l, f, "'%.*s' allows %d ports", LINT_SHOWN(r->source),
                   u->ports.last - u->ports.first + 1);
    lint_fix(l, f, "name the port, or leave it out for the scheme's own (443)");
  }
}

static void wide_address(struct lint *l, const struct policy *p,
                         const struct pattern *r) {
  const struct pattern_address *a = &r->as.address;
  struct ip metadata;
  struct lint_finding *f;
  bool link_local, most;

  link_local = r->kind == PATTERN_CLASS
                   ? a->class_ == IP_LINK_LOCAL
                   : ip_parse4(SLICE("169.254.169.254"), &metadata) == 0 &&
                         ip_in_prefix(&metadata, &a->prefix, a->bits);
  most =
      r->kind == PATTERN_ADDRESS && a->bits < (a->prefix.family == 4 ? 8 : 7);
  if (most) {
    f = wide(l, p, r);
    lint_message(l, f, "'%.*s' allows a large part of all addresses",
                 LINT_SHOWN(r->source));
    lint_fix(l, f,
             "name the block that is meant, or the class, as in "
             "\"class:public\"");
  } else if (link_local) {
    f = wide(l, p, r);
    if (f)
      f->reason = "169.254.169.254 and its like hand out the credentials of a "
                  "machine in a cloud";
    lint_message(l, f, "'%.*s' allows link-local addresses",
                 LINT_SHOWN(r->source));
    lint_fix(l, f, "remove it, or name the one address that is meant");
  }
}

/* "*" as the resource of network actions that are named. */
static void wide_star(struct lint *l, const struct policy *p,
                      const struct policy_rule *r, const struct pattern *s) {
  for (size_t i = 0; i < r->nactions; i++) {
    const struct pattern *a = &r->actions[i];
    unsigned use = pattern_action_use(a);
    bool url = (use & PATTERN_FOR_URL) != 0;
    struct lint_finding *f;
    if (a->kind == PATTERN_ANY ||
        !(use & (PATTERN_FOR_URL | PATTERN_FOR_ADDRESS)) ||
        (url && lint_asks_target(p)))
      continue;
    f = wide(l, p, s);
    lint_message(l, f, "'*' allows '%.*s' for every %s", LINT_SHOWN(a->source),
                 url ? "URL" : "address, private ones and this machine's too");
    lint_fix(l, f, "name what is meant: %s",
             wanted(url ? PATTERN_FOR_URL : PATTERN_FOR_ADDRESS));
    return;
  }
}

static void network(struct lint *l, const struct policy *p,
                    const struct policy_rule *r) {
  if (p->deny)
    return;
  for (size_t i = 0; i < r->nresources; i++) {
    const struct pattern *s = &r->resources[i];
    if (s->kind == PATTERN_URL && (r->use & PATTERN_FOR_URL))
      wide_url(l, p, s);
    else if (s->kind == PATTERN_ADDRESS || s->kind == PATTERN_CLASS)
      wide_address(l, p, s);
    else if (s->kind == PATTERN_ANY)
      wide_star(l, p, r, s);
  }
}

void lint_patterns(struct lint *l, const struct policy *p) {
  for (size_t i = 0; i < p->nrules; i++) {
    const struct policy_rule *r = &p->rules[i];
    for (size_t k = 0; k < r->nresources; k++)
      open_prefix(l, p, &r->resources[k]);
    dead_pairs(l, p, r);
    product(l, p, r);
    network(l, p, r);
  }
}
