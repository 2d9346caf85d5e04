/* lint_set.c - advice that needs more than one policy: what others cover,
 * allows of everything with exceptions, networks that together are too wide. */
#include "policy/lint_in.h"

bool lint_together(const struct lint *l, const struct policy *a,
                   const struct policy *b) {
  if (l->attached[a->index] || l->attached[b->index])
    return a == b;
  if (!a->ngroups || !b->ngroups)
    return !l->grouped || (!a->ngroups && !b->ngroups && a->file == b->file);
  for (size_t i = 0; i < a->ngroups; i++)
    for (size_t k = 0; k < b->ngroups; k++)
      if (slice_eq(a->groups[i], b->groups[k]))
        return true;
  return false;
}

/* Is |a| in force wherever |b| is? */
static bool wherever(const struct lint *l, const struct policy *a,
                     const struct policy *b) {
  if (a == b)
    return true;
  if (l->attached[a->index] || l->attached[b->index])
    return false;
  for (size_t i = 0; i < b->ngroups; i++) {
    size_t k = 0;
    while (k < a->ngroups && !slice_eq(b->groups[i], a->groups[k]))
      k++;
    if (k == a->ngroups)
      return false;
  }
  if (b->ngroups > 0)
    return true;
  return a->ngroups == 0 && (!l->grouped || a->file == b->file);
}

/* ------------------------------------------------------- dead-or-shadowed ---
 */

/* One resource of one rule.  What can cover it is found by its key: the same
 * text, one of its beginnings, the same host, one of the names above it; only
 * what has no key is compared with everything. */
struct unit {
  const struct policy *policy;
  const struct policy_rule *rule;
  const struct pattern *resource;
  char kind;     /* KEY_* */
  unsigned rank; /* what covers more comes first */
  struct slice key;
  const struct unit *by; /* what covers it */
};

enum { KEY_TEXT, KEY_PREFIX, KEY_HOST, KEY_BELOW, KEY_NONE };

/* Comparisons for one resource: what covers it stands among the first. */
#define LINT_COMPARED_MAX 500
/* The beginnings of a text that are looked for. */
#define LINT_PREFIX_MAX 256

static void set_key(struct unit *u) {
  const struct pattern *r = u->resource;
  const struct pattern_url *url = &r->as.url;

  u->kind = KEY_NONE;
  u->key = SLICE("");
  u->rank = (u->policy->nconditions || u->policy->expr) * 4U;
  if (r->kind == PATTERN_EXACT || r->kind == PATTERN_PREFIX) {
    u->kind = r->kind == PATTERN_EXACT ? KEY_TEXT : KEY_PREFIX;
    if (r->as.text.len > 0)
      u->key = r->as.text;
  } else if (r->kind == PATTERN_URL) {
    if (url->host_kind == PATTERN_HOST_NAME ||
        url->host_kind == PATTERN_HOST_IP)
      u->kind = KEY_HOST;
    else if (url->host_kind == PATTERN_HOST_BELOW)
      u->kind = KEY_BELOW;
    if (u->kind != KEY_NONE)
      u->key = url->host;
    u->rank += 1U + !url->any_path + !url->any_query;
  } else if (r->kind != PATTERN_ANY) {
    u->rank += 3U;
  }
}

static bool same_value(const struct condition *a, const struct condition *b) {
  if (a->has_value_from != b->has_value_from)
    return false;
  return a->has_value_from
             ? slice_eq(a->value_from.source, b->value_from.source)
             : value_equal(&a->value, &b->value);
}

/* Do the conditions of |a| hold whenever those of |b| do? */
static bool holds_with(const struct policy *a, const struct policy *b) {
  if (a == b || (!a->nconditions && !a->expr))
    return true;
  if (!a->expr != !b->expr || a->nconditions != b->nconditions)
    return false;
  if (a->expr && !slice_eq(expr_source(a->expr), expr_source(b->expr)))
    return false;
  for (size_t i = 0; i < a->nconditions; i++)
    if (a->conditions[i].op != b->conditions[i].op ||
        !slice_eq(a->conditions[i].field.source,
                  b->conditions[i].field.source) ||
        !same_value(&a->conditions[i], &b->conditions[i]))
      return false;
  return true;
}

/* What an allow says about addresses by naming its host is lost with it. */
static bool names_no_less(const struct unit *a, const struct unit *b) {
  enum pattern_naming naming = pattern_naming(b->resource);

  if (a->policy->deny || naming == PATTERN_NAMES_NONE)
    return true;
  if (b->rule->any_address && !a->rule->any_address)
    return false;
  if (naming == PATTERN_NAMES_HOST &&
      b->resource->as.url.host_kind == PATTERN_HOST_NAME)
    return !b->rule->any_address || pattern_naming(a->resource) == naming;
  return pattern_naming(a->resource) == naming;
}

static bool covers_unit(const struct unit *a, const struct unit *b) {
  const struct policy_rule *r = b->rule;
  unsigned live = lint_live(b->resource);

  if ((b->policy->deny && !a->policy->deny) ||
      !lint_covers(a->resource, b->resource) || !names_no_less(a, b) ||
      !holds_with(a->policy, b->policy))
    return false;
  for (size_t i = 0; i < r->nactions; i++) {
    size_t k = 0;
    if (!(pattern_action_use(&r->actions[i]) & live))
      continue;
    while (k < a->rule->nactions &&
           !lint_covers(&a->rule->actions[k], &r->actions[i]))
      k++;
    if (k == a->rule->nactions)
      return false;
  }
  return true;
}

/* Of two that say the same the first one stays. */
static bool stays(const struct unit *a, const struct unit *b) {
  if (a->policy->deny && !b->policy->deny)
    return true;
  if (!covers_unit(b, a))
    return true;
  if (a->policy != b->policy)
    return a->policy->index < b->policy->index;
  if (a->rule != b->rule)
    return a->rule < b->rule;
  return a->resource < b->resource;
}

/* What is left of the work for one resource. */
struct search {
  struct lint *l;
  struct unit **order; /* by kind, key and rank */
  size_t n;
  size_t left;
};

static void try_cover(struct search *s, const struct unit *a, struct unit *b) {
  if (a == b)
    return;
  s->left--;
  s->l->work--;
  if (wherever(s->l, a->policy, b->policy) && covers_unit(a, b) && stays(a, b))
    b->by = a;
}

static bool key_before(const struct unit *a, const struct unit *b) {
  int c;

  if (a->kind != b->kind)
    return a->kind < b->kind;
  c = slice_cmp(a->key, b->key);
  if (c != 0)
    return c < 0;
  return a->rank != b->rank ? a->rank < b->rank : a < b;
}

static void sift_down(struct unit **p, size_t at, size_t n) {
  for (size_t child; (child = 2 * at + 1) < n; at = child) {
    struct unit *t;
    if (child + 1 < n && key_before(p[child], p[child + 1]))
      child++;
    if (!key_before(p[at], p[child]))
      return;
    t = p[at];
    p[at] = p[child];
    p[child] = t;
  }
}

static void sort(struct unit **p, size_t n) {
  for (size_t i = n / 2; i-- > 0;)
    sift_down(p, i, n);
  for (size_t end = n; end-- > 1;) {
    struct unit *t = p[0];
    p[0] = p[end];
    p[end] = t;
    sift_down(p, 0, end);
  }
}

/* Holds |b| against what has |kind| and |key|. */
static void look_up(struct search *s, struct unit *b, char kind,
                    struct slice key) {
  size_t low = 0, high = s->n;

  while (low < high) {
    size_t mid = low + (high - low) / 2;
    const struct unit *u = s->order[mid];
    if (u->kind < kind || (u->kind == kind && slice_cmp(u->key, key) < 0))
      low = mid + 1;
    else
      high = mid;
  }
  while (low < s->n && !b->by && s->left && s->l->work &&
         s->order[low]->kind == kind && slice_eq(s->order[low]->key, key))
    try_cover(s, s->order[low++], b);
}

static void find_cover(struct search *s, struct unit *b) {
  const struct pattern *r = b->resource;

  look_up(s, b, KEY_NONE, SLICE(""));
  if (b->kind == KEY_TEXT)
    look_up(s, b, KEY_TEXT, b->key);
  if (b->kind == KEY_TEXT || b->kind == KEY_PREFIX)
    for (size_t n = 1; n <= b->key.len && n <= LINT_PREFIX_MAX && !b->by; n++)
      look_up(s, b, KEY_PREFIX, (struct slice){b->key.p, n});
  if (b->kind == KEY_HOST)
    look_up(s, b, KEY_HOST, b->key);
  if (b->kind == KEY_BELOW)
    look_up(s, b, KEY_BELOW, b->key);
  if (b->kind == KEY_BELOW ||
      (b->kind == KEY_HOST && r->as.url.host_kind == PATTERN_HOST_NAME))
    for (size_t i = 0; i < b->key.len && !b->by; i++)
      if (b->key.p[i] == '.')
        look_up(s, b, KEY_BELOW,
                (struct slice){b->key.p + i + 1, b->key.len - i - 1});
}

static void compare_all(struct lint *l, struct unit *units, struct unit **order,
                        size_t n) {
  struct search s = {.l = l, .order = order, .n = n};

  l->work = LINT_WORK_MAX;
  for (size_t i = 0; i < n && l->work; i++) {
    s.left = LINT_COMPARED_MAX;
    find_cover(&s, &units[i]);
  }
}

/* websocket.connect stands in every policy that allows a URL, so that each is
 * whole. */
static bool is_connect(const struct unit *u) {
  return (lint_live(u->resource) & u->rule->use) == PATTERN_FOR_CONNECT;
}

static void tell_unit(struct lint *l, const struct unit *u, bool whole,
                      bool several) {
  const struct policy *p = u->policy, *q = u->by->policy;
  bool denied = q->deny && !p->deny;
  struct lint_finding *f = lint_add(
      l, LINT_DEAD_OR_SHADOWED, p, whole ? p->line : u->resource->line,
      whole ? p->column : u->resource->column,
      denied ? "a deny is final: this allow never allows anything"
             : "taking it away changes no answer, and whoever corrects only "
               "one of the two corrects nothing");
  const char *does = denied    ? "denies all of it"
                     : p->deny ? "denies it already"
                               : "allows it already";

  if (p == q)
    lint_message(l, f, "resource '%.*s' adds nothing to '%.*s' (line %u)",
                 LINT_SHOWN(u->resource->source),
                 LINT_SHOWN(u->by->resource->source), u->by->resource->line);
  else if (whole)
    lint_message(l, f, "this %s never changes an answer: %.*s (%s:%u) %s%s",
                 p->deny ? "deny" : "allow", LINT_SHOWN(q->id), q->file,
                 q->line, does, several ? ", with others" : "");
  else
    lint_message(l, f, "'%.*s' never changes an answer: %.*s (%s:%u) %s",
                 LINT_SHOWN(u->resource->source), LINT_SHOWN(q->id), q->file,
                 q->line, does);
  lint_fix(l, f,
           denied ? "remove it, or make the deny narrower"
                  : "remove one of the two");
  /* policies may well overlap, so that each can be read by itself */
  if (!whole && !denied && p != q)
    lint_note(f);
}

static void shadows(struct lint *l) {
  size_t n = 0, at = 0, policies = policy_set_len(l->set);
  struct unit *units, **order;

  for (size_t i = 0; i < policies; i++)
    for (size_t k = 0; k < policy_set_at(l->set, i)->nrules; k++)
      n += policy_set_at(l->set, i)->rules[k].nresources;
  units = arena_array(&l->arena, n, sizeof *units);
  order = arena_array(&l->arena, n, sizeof *order);
  if (!units || !order) {
    l->nomem = true;
    return;
  }
  for (size_t i = 0; i < policies; i++) {
    const struct policy *p = policy_set_at(l->set, i);
    for (size_t k = 0; k < p->nrules; k++)
      for (size_t r = 0; r < p->rules[k].nresources; r++) {
        const struct pattern *s = &p->rules[k].resources[r];
        order[at] = &units[at];
        units[at] =
            (struct unit){.policy = p, .rule = &p->rules[k], .resource = s};
        set_key(&units[at++]);
      }
  }
  sort(order, n);
  compare_all(l, units, order, n);
  for (size_t i = 0, end; i < n; i = end) {
    bool whole = true, dead = false, other = false, several = false;
    const struct policy *by = NULL;
    for (end = i; end < n && units[end].policy == units[i].policy; end++) {
      const struct unit *u = &units[end];
      bool live = (lint_live(u->resource) & u->rule->use) != 0;
      whole &= u->by || !live;
      dead |= u->by && live;
      if (!u->by || u->by->policy == u->policy)
        continue;
      other = true;
      several |= by && by != u->by->policy;
      by = u->by->policy;
    }
    for (size_t k = i; dead && k < end; k++) {
      const struct unit *u = &units[k];
      bool elsewhere = u->by && u->by->policy != u->policy;
      /* beside a "*" the others are told as product-overgrant */
      if (!u->by || (whole && other && !elsewhere) ||
          (!elsewhere && u->by->rule == u->rule &&
           u->by->resource->kind == PATTERN_ANY) ||
          (!whole && elsewhere && is_connect(u)))
        continue;
      tell_unit(l, u, whole && other, several);
      if (whole && other)
        break;
    }
  }
}

/* ------------------------------------------------- everything but, and all ---
 */

static bool unconditional(const struct policy *p) {
  return !p->nconditions && !p->expr;
}

/* The resource by which |p| allows any URL, or everything; else NULL. */
static const struct pattern *any_target(const struct policy *p, bool *ret_all) {
  const struct pattern *found = NULL;

  *ret_all = false;
  for (size_t i = 0; !p->deny && i < p->nrules; i++) {
    const struct policy_rule *r = &p->rules[i];
    for (size_t k = 0; k < r->nresources; k++) {
      const struct pattern *s = &r->resources[k];
      bool any = s->kind == PATTERN_ANY ||
                 (s->kind == PATTERN_URL &&
                  s->as.url.host_kind == PATTERN_HOST_ANY_NAME);
      if (!any || !(r->use & PATTERN_FOR_URL))
        continue;
      found = s;
      for (size_t a = 0; s->kind == PATTERN_ANY && a < r->nactions; a++)
        if (r->actions[a].kind == PATTERN_ANY)
          *ret_all = true;
    }
  }
  return found;
}

/* A deny that takes something away from |p|. */
static const struct policy *exception(struct lint *l, const struct policy *p,
                                      bool all, size_t *ret_n) {
  const struct policy *first = NULL;

  *ret_n = 0;
  for (size_t i = 0; i < policy_set_len(l->set) && l->work; i++) {
    const struct policy *d = policy_set_at(l->set, i);
    bool takes = all;
    l->work--;
    for (size_t k = 0; k < d->nrules && !takes; k++)
      takes = (d->rules[k].use & PATTERN_FOR_URL) != 0;
    if (!d->deny || !takes || !lint_together(l, p, d))
      continue;
    ++*ret_n;
    if (!first)
      first = d;
  }
  return first;
}

static void everything(struct lint *l) {
  l->work = LINT_WORK_MAX;
  for (size_t i = 0; i < policy_set_len(l->set); i++) {
    const struct policy *p = policy_set_at(l->set, i), *deny;
    const struct pattern *s;
    struct lint_finding *f;
    bool all;
    size_t n;
    if (!unconditional(p) || !(s = any_target(p, &all)))
      continue;
    deny = exception(l, p, all, &n);
    if (deny) {
      f = lint_add(l, LINT_ALLOW_ALL_MINUS_DENY, p, s->line, s->column,
                   "what is forgotten in the denies is allowed, and so is "
                   "whatever is new tomorrow");
      lint_message(l, f, "allows %s but what %zu %s: %.*s (%s:%u)%s",
                   all ? "everything" : "every URL", n,
                   n == 1 ? "policy denies" : "policies deny",
                   LINT_SHOWN(deny->id), deny->file, deny->line,
                   n == 1 ? "" : ", ...");
      lint_fix(l, f,
               "allow what is needed by name, and let the rest be "
               "refused");
    } else if (all) {
      f = lint_add(l, LINT_NETWORK_TOO_WIDE, p, s->line, s->column,
                   "a script that is taken over can do everything a guard "
                   "asks for, and connect to everywhere");
      lint_message(l, f, "allows every action on every resource");
      lint_fix(l, f, "name the actions and the resources that are needed");
    }
  }
}

/* ----------------------------------------------- private address, any URL ---
 */

static const struct pattern *private_address(const struct policy *p) {
  for (size_t i = 0; !p->deny && i < p->nrules; i++) {
    const struct policy_rule *r = &p->rules[i];
    for (size_t k = 0; (r->use & PATTERN_FOR_ADDRESS) && k < r->nresources;
         k++) {
      const struct pattern *s = &r->resources[k];
      if ((s->kind == PATTERN_CLASS && s->as.address.class_ != IP_PUBLIC) ||
          (s->kind == PATTERN_ADDRESS &&
           ip_classify(&s->as.address.prefix) != IP_PUBLIC) ||
          (s->kind == PATTERN_ANY && !(r->use & PATTERN_FOR_OTHER)))
        return s;
    }
  }
  return NULL;
}

static void private_and_any(struct lint *l) {
  const struct policy *any[16];
  size_t n = 0;

  for (size_t i = 0; i < policy_set_len(l->set); i++) {
    const struct policy *p = policy_set_at(l->set, i);
    bool all;
    if (n < sizeof any / sizeof *any && any_target(p, &all) &&
        !lint_asks_target(p))
      any[n++] = p;
  }
  for (size_t i = 0; n > 0 && i < policy_set_len(l->set); i++) {
    const struct policy *p = policy_set_at(l->set, i);
    const struct pattern *s = private_address(p);
    for (size_t k = 0; s && k < n; k++) {
      struct lint_finding *f;
      if (!lint_together(l, p, any[k]))
        continue;
      f = lint_add(l, LINT_NETWORK_TOO_WIDE, p, s->line, s->column,
                   "whoever has a name can let it point to a machine inside: "
                   "any URL and a private address is the whole network inside");
      lint_message(l, f,
                   "'%.*s' allows addresses inside, and %.*s (%s:%u) any URL",
                   LINT_SHOWN(s->source), LINT_SHOWN(any[k]->id), any[k]->file,
                   any[k]->line);
      lint_fix(l, f,
               "name the hosts of the URLs, or allow the address for one "
               "host: {action: websocket.connect.url, resource: "
               "\"wss://host.example.com\", address: any}");
      break;
    }
  }
}

/* ----------------------------------------------- a URL without its connect ---
 */

static void url_without_connect(struct lint *l) {
  const struct pattern *url = NULL;
  const struct policy *of = NULL;
  struct lint_finding *f;

  for (size_t i = 0; i < policy_set_len(l->set); i++) {
    const struct policy *p = policy_set_at(l->set, i);
    for (size_t k = 0; !p->deny && k < p->nrules; k++) {
      const struct policy_rule *r = &p->rules[k];
      for (size_t s = 0; s < r->nresources; s++) {
        unsigned live = lint_live(&r->resources[s]) & r->use;
        if (live & PATTERN_FOR_CONNECT)
          return;
        if (!url && (live & PATTERN_FOR_URL) &&
            r->resources[s].kind == PATTERN_URL && r->resources[s].line) {
          url = &r->resources[s];
          of = p;
        }
      }
    }
  }
  if (!url)
    return;
  f = lint_add(l, LINT_NEVER_MATCHES, of, url->line, url->column,
               "websocket.connect is asked before the URL is, and refused");
  lint_message(l, f,
               "URLs are allowed, and no policy allows "
               "websocket.connect");
  lint_fix(l, f, "add the action websocket.connect with the resource \"\"");
}

void lint_together_all(struct lint *l) {
  shadows(l);
  everything(l);
  private_and_any(l);
  url_without_connect(l);
}
