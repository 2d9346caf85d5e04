/* nearest.c - how near a rule came to a request.  The same host counts most,
 * then the same resource, then the action; what matches only because it matches
 * everything counts little, for nobody meant this request by it. */
#include "policy/nearest.h"

#define CONNECT "websocket.connect"
#define CONNECT_URL "websocket.connect.url"
#define CONNECT_ADDRESS "websocket.connect.address"

/* Points.  A full match of a literal URL is about 1100. */
enum {
  HOST_SAME = 600,
  HOST_BELOW = 420,       /* of "*." name, and more for each label of it */
  HOST_ANY = 200,         /* "*" */
  HOST_TYPO = 460,        /* one letter is wrong */
  HOST_TYPO2 = 400,       /* two */
  HOST_LOOPBACK = 380,    /* localhost and 127.0.0.1 */
  HOST_PARENT = 330,      /* a name below the other */
  HOST_BESIDE = 280,      /* two labels at the end agree */
  HOST_SAME_LABEL = 150,  /* api.example.com and api.example.org */
  HOST_NEIGHBOUR_IP = 60, /* the same kind of literal */
  SCHEME = 80,
  PORT = 120,
  PATH = 120,
  QUERY = 60,
  TEXT_SAME = 860,
  TEXT_TYPO = 600,
  TEXT_PREFIX = 500,
  EVERYTHING = 250, /* the resource "*" */
  ACTION_SAME = 60,
  ACTION_PREFIX = 45,
  ACTION_ANY = 20,
  ACTION_TYPO = 50,
  ACTION_SIBLING = 25,
  ACTION_COUSIN = 8,
  EVERYTHING_ELSE = 60, /* "*", for another action */
  OPENS_ALL = 15,       /* out of force, and for whoever may do anything */
  MEANT = 200,          /* a condition names this very resource */
  MINUS_ACTION = 60,    /* it is for another action */
  MINUS_OTHER = 150,    /* a condition asks for another resource or action */
  MINUS_UNMET = 60,     /* it asks for another actor */
  MINUS_MORE = 20,      /* each condition more */
  MINUS_UNMET_TOO = 60, /* the resource fails as well */
  MINUS_OUTSIDE = 60,
  CONNECT_LACKS_EMPTY = 500
};

bool nearest_complete(struct request *q, struct url *url, struct ip *ip) {
  if (slice_is(q->action, CONNECT_URL) && !q->url) {
    if (url_parse(url, q->resource, NULL, NULL) != 0)
      return false;
    q->url = url;
  }
  if (slice_is(q->action, CONNECT_ADDRESS) && !q->ip) {
    if (ip_parse_port(q->resource, ip, &q->port) != 0)
      return false;
    q->ip = ip;
  }
  return true;
}

/* -------------------------------------------------------------- texts --- */

#define TYPO_MAX_BYTES 64

/* Edits between |a| and |b| (a letter more, less, other, or two swapped), up to
 * 2; 3: more, or too short or long for that to be a misspelling. */
static unsigned edits(struct slice a, struct slice b) {
  unsigned rows[3][TYPO_MAX_BYTES + 1];
  unsigned *before = rows[0], *last = rows[1], *now = rows[2], *swap;

  if (a.len > TYPO_MAX_BYTES || b.len > TYPO_MAX_BYTES || a.len < 4 ||
      b.len < 4 || a.len > b.len + 2 || b.len > a.len + 2)
    return 3;
  for (unsigned j = 0; j <= b.len; j++) {
    last[j] = j;
    before[j] = 3;
  }
  for (unsigned i = 1; i <= a.len; i++) {
    unsigned least = now[0] = i;
    for (unsigned j = 1; j <= b.len; j++) {
      bool same = a.p[i - 1] == b.p[j - 1];
      unsigned n = last[j - 1] + (same ? 0 : 1);
      n = last[j] + 1 < n ? last[j] + 1 : n;
      n = now[j - 1] + 1 < n ? now[j - 1] + 1 : n;
      if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] &&
          a.p[i - 2] == b.p[j - 1] && before[j - 2] + 1 < n)
        n = before[j - 2] + 1;
      now[j] = n;
      least = n < least ? n : least;
    }
    if (least > 2)
      return 3;
    swap = before;
    before = last;
    last = now;
    now = swap;
  }
  return last[b.len] > 2 ? 3 : last[b.len];
}

static bool differ_in_digits(struct slice a, struct slice b) {
  size_t i = 0, j = 0;

  for (;;) {
    while (i < a.len && ascii_digit(a.p[i]))
      i++;
    while (j < b.len && ascii_digit(b.p[j]))
      j++;
    if (i == a.len || j == b.len)
      return i == a.len && j == b.len;
    if (a.p[i++] != b.p[j++])
      return false;
  }
}

bool nearest_is_typo(struct slice a, struct slice b) {
  size_t same = 0, word = 0;

  if (edits(a, b) >= 3 || differ_in_digits(a, b))
    return false;
  /* the first word that differs is long enough for so many mistakes */
  while (same < a.len && same < b.len && a.p[same] == b.p[same])
    same++;
  while (same > 0 && !memchr(".:/", a.p[same - 1], 3))
    same--;
  while (same + word < b.len && !memchr(".:/", b.p[same + word], 3))
    word++;
  return word >= 4 && edits(a, b) * 2 < word;
}

struct slice nearest_typo_prefix(struct slice text, struct slice prefix) {
  bool closed = prefix.len && memchr(".:/", prefix.p[prefix.len - 1], 3);

  for (size_t n = prefix.len + 1; n > 0 && n + 1 >= prefix.len; n--) {
    struct slice s = {text.p, n};
    if (n <= text.len && (!closed || memchr(".:/", text.p[n - 1], 3)) &&
        nearest_is_typo(s, prefix))
      return s;
  }
  return (struct slice){NULL, 0};
}

/* Words agree, from the front: "app.security:owner" has three. */
static unsigned words_alike(struct slice a, struct slice b, unsigned whole) {
  size_t same = 0, agree = 0, words = 1, longer = a.len > b.len ? a.len : b.len;
  struct slice l = a.len > b.len ? a : b;

  while (same < a.len && same < b.len && a.p[same] == b.p[same]) {
    if (strchr(".:/", a.p[same]))
      agree++;
    same++;
  }
  for (size_t i = 0; i < longer; i++)
    if (l.p[i] && strchr(".:/", l.p[i]))
      words++;
  return agree == 0 ? slice_alike(a, b, whole / 5)
                    : (unsigned)((uint64_t)whole * agree / words);
}

static unsigned text_score(const struct pattern *p, struct slice text) {
  struct slice wants = p->as.text;
  unsigned n;

  switch (p->kind) {
  case PATTERN_ANY:
    return EVERYTHING;
  case PATTERN_EXACT:
    if (slice_eq(wants, text)) /* "" is asked about by whatever has nothing */
      return text.len ? TEXT_SAME : EVERYTHING;
    if (text.len > 0 && slice_eq_nocase(wants, text))
      return TEXT_TYPO + 100;
    if ((n = edits(wants, text)) < 3)
      return TEXT_TYPO - 60 * n;
    return words_alike(wants, text, 400);
  case PATTERN_PREFIX:
    if (slice_starts(text, wants))
      return TEXT_PREFIX + (wants.len > 50 ? 250 : 5 * (unsigned)wants.len);
    if (nearest_typo_prefix(text, wants).len)
      return TEXT_PREFIX - 60;
    return words_alike(wants, text, 400);
  case PATTERN_NEVER:
  case PATTERN_URL:
  case PATTERN_ADDRESS:
  case PATTERN_CLASS:
    break;
  }
  return 0;
}

/* --------------------------------------------------------------- URLs --- */

/* How many labels at the end agree. */
static unsigned labels_alike(struct slice a, struct slice b) {
  unsigned labels = 0;
  size_t n = 0;

  while (n < a.len && n < b.len && a.p[a.len - 1 - n] == b.p[b.len - 1 - n]) {
    n++;
    if (a.p[a.len - n] == '.')
      labels++;
  }
  if ((n == a.len && n < b.len && b.p[b.len - n - 1] == '.') ||
      (n == b.len && n < a.len && a.p[a.len - n - 1] == '.') ||
      (n == a.len && n == b.len))
    labels++;
  return labels;
}

static unsigned labels_of(struct slice s) {
  unsigned n = 1;

  for (size_t i = 0; i < s.len; i++)
    n += s.p[i] == '.';
  return n;
}

static size_t first_label(struct slice s) {
  const char *dot = memchr(s.p, '.', s.len);

  return dot ? (size_t)(dot - s.p) : s.len;
}

static unsigned name_score(struct slice wants, struct slice host) {
  unsigned n = edits(wants, host), shared = labels_alike(wants, host);
  unsigned a = labels_of(wants), b = labels_of(host);
  size_t label = first_label(wants);

  if (n < 3)
    return n < 2 ? HOST_TYPO : HOST_TYPO2;
  if (shared >= 2)
    return shared == (a < b ? a : b) ? HOST_PARENT
                                     : HOST_BESIDE + 10 * (shared - 2);
  if (a > 1 && label == first_label(host) &&
      memcmp(wants.p, host.p, label) == 0)
    return HOST_SAME_LABEL;
  return shared ? 20 : 0;
}

static bool is_loopback(struct slice host) {
  return slice_is(host, "localhost") || slice_is(host, "[::1]") ||
         slice_starts(host, SLICE("127."));
}

static unsigned host_score(const struct pattern_url *p, const struct url *url,
                           bool matches) {
  switch ((enum pattern_host)p->host_kind) {
  case PATTERN_HOST_NAME:
  case PATTERN_HOST_IP:
    if (matches)
      return HOST_SAME;
    if (is_loopback(p->host) && is_loopback(url->host))
      return HOST_LOOPBACK;
    if ((p->host_kind == PATTERN_HOST_IP) != (url->host_kind != URL_HOST_NAME))
      return 0;
    if (p->host_kind == PATTERN_HOST_IP)
      return HOST_NEIGHBOUR_IP + slice_alike(p->host, url->host, 100);
    return name_score(p->host, url->host);
  case PATTERN_HOST_BELOW:
    if (matches) {
      unsigned n = labels_of(p->host);
      return HOST_BELOW + 30 * (n < 5 ? n : 5);
    }
    if (url->host_kind != URL_HOST_NAME)
      return 0;
    if (slice_eq(p->host, url->host))
      return HOST_TYPO;
    return name_score(p->host, url->host) * 9 / 10;
  case PATTERN_HOST_ANY_NAME:
    return matches ? HOST_ANY : HOST_ANY / 2;
  case PATTERN_HOST_PREFIX:
    break; /* denies only */
  }
  return 0;
}

static unsigned url_score(const struct pattern_url *p, const struct url *url,
                          unsigned parts) {
  unsigned host = host_score(p, url, !(parts & PATTERN_PART_HOST)), rest = 0;
  bool default_port = p->ports.first == 0 && (parts & PATTERN_PART_SCHEME) &&
                      (url->port == 443 || url->port == 80);

  if (!(parts & PATTERN_PART_SCHEME))
    rest += SCHEME;
  if (!(parts & PATTERN_PART_PORT) || default_port)
    rest += p->ports.first == p->ports.last ? PORT : PORT - 10;
  if (p->any_path)
    rest += PATH - 30;
  else if (!(parts & PATTERN_PART_PATH))
    rest += p->path_stars ? PATH - 20 : PATH;
  else
    rest += edits(p->path, url->path) < 3 ? 70
                                          : slice_alike(p->path, url->path, 60);
  if (p->any_query)
    rest += QUERY - 10;
  else
    rest += parts & PATTERN_PART_QUERY ? slice_alike(p->query, url->query, 30)
                                       : (unsigned)QUERY;
  /* the rest says little about another host */
  return host >= HOST_SAME_LABEL ? host + rest : host + rest / 16;
}

/* ---------------------------------------------------------- resources --- */

static unsigned address_score(const struct pattern *p, unsigned parts,
                              const struct ip *ip) {
  const struct pattern_address *a = &p->as.address;
  unsigned bits = 0;

  if (!(parts & PATTERN_PART_ADDRESS))
    return p->kind == PATTERN_CLASS ? 500 : TEXT_SAME - (parts ? 100 : 0);
  if (p->kind == PATTERN_CLASS || a->prefix.family != ip->family)
    return 10;
  while (bits < a->bits && ip_in_prefix(ip, &a->prefix, (uint8_t)(bits + 1)))
    bits++;
  return 10 + (a->bits ? 400 * bits / a->bits : 0);
}

static unsigned resource_score(const struct pattern *p, unsigned parts,
                               const struct pattern_subject *s) {
  struct url own;

  switch (p->kind) {
  case PATTERN_URL:
    if (s->url)
      return url_score(&p->as.url, s->url, parts);
    return pattern_subject_url(s, &own) == 1
               ? url_score(&p->as.url, &own, parts)
               : 0;
  case PATTERN_ADDRESS:
  case PATTERN_CLASS:
    return s->ip ? address_score(p, parts, s->ip) : 0;
  case PATTERN_ANY:
  case PATTERN_EXACT:
  case PATTERN_PREFIX:
    /* a block is no text to be alike with */
    return s->ip && p->kind != PATTERN_ANY ? 0 : text_score(p, s->text);
  case PATTERN_NEVER:
    break;
  }
  return 0;
}

/* How many bytes of |s| stand before its last dot. */
static size_t family(struct slice s) {
  const char *dot = memrchr(s.p, '.', s.len);

  return dot ? (size_t)(dot - s.p) : 0;
}

/* How alike the names of two actions are, of which neither is the other:
 * registry.get and registry.apply are of a family, websocket.connect and
 * websocket.connect.url as well. */
static unsigned action_score(const struct pattern *p, struct slice action) {
  struct slice wants = p->source, a = wants, b = action;
  size_t first;

  if (a.len == 0 || b.len == 0)
    return 0;
  if (slice_eq_nocase(a, b) || edits(a, b) < 3)
    return ACTION_TYPO;
  if (a.len > b.len) {
    a = action;
    b = wants;
  }
  if (b.p[a.len] == '.' && slice_starts(b, a))
    return ACTION_SIBLING + 5 + slice_alike(a, b, 20);
  a = (struct slice){wants.p, family(wants)};
  b = (struct slice){action.p, family(action)};
  if (a.len > 0 && slice_eq(a, b))
    return ACTION_SIBLING + slice_alike(wants, action, 20);
  first = first_label(action);
  return first < action.len && first == first_label(wants) &&
                 memcmp(wants.p, action.p, first) == 0
             ? ACTION_COUSIN
             : 0;
}

/* ---------------------------------------------------------- conditions --- */

/* Does |c| ask about what is done, not about who does it? */
static bool asks_for_thing(const struct condition *c) {
  return (c->field.root == FIELD_URL || c->field.root == FIELD_RESOURCE ||
          c->field.root == FIELD_ACTION) &&
         (c->op == CONDITION_EQ || c->op == CONDITION_IN ||
          c->op == CONDITION_MATCHES);
}

/* Takes the conditions of |m| into its score. */
static void weigh_conditions(struct miss *m, const struct facts *facts) {
  const struct policy *p = m->policy;
  unsigned minus = 0, plus = 0;
  struct fault fault;

  for (size_t i = 0; i < p->nconditions; i++) {
    const struct condition *c = &p->conditions[i];
    if (condition_eval(c, facts, &fault) == OUTCOME_TRUE) {
      plus = asks_for_thing(c) ? MEANT : plus;
      continue;
    }
    m->unmet = true;
    minus += asks_for_thing(c) ? MINUS_OTHER
             : minus == 0      ? MINUS_UNMET
                               : MINUS_MORE;
  }
  if (p->expr && expr_eval(p->expr, facts, &fault) != OUTCOME_TRUE) {
    m->unmet = true;
    minus += minus == 0 ? MINUS_UNMET : MINUS_MORE;
  }
  if (m->unmet && (m->parts || m->action || m->outside))
    minus += MINUS_UNMET_TOO;
  m->score += plus;
  m->score = m->score > minus ? m->score - minus : 1;
}

/* --------------------------------------------------------------- rules --- */

struct search {
  const struct request *q;
  struct facts facts;
  struct pattern_subject subject;
  struct miss *list; /* the nearest first */
  size_t len;
  size_t max;
  size_t candidates; /* all that were kept, for a while at least */
  bool all_told;     /* one that is not in force and opens everything */
};

/* websocket.connect says nothing about the URL; where it is known, those who
 * are for that URL are meant. */
static unsigned url_meant(const struct search *s, const struct policy *p) {
  struct pattern_subject u = {.url = s->q->url};
  unsigned best = 0;

  if (!slice_is(s->q->action, CONNECT) || !u.url)
    return 0;
  u.text = (struct slice){u.url->text, u.url->len};
  for (size_t i = 0; i < p->nrules; i++)
    for (size_t j = 0; j < p->rules[i].nresources; j++) {
      const struct pattern *r = &p->rules[i].resources[j];
      unsigned n = r->kind == PATTERN_URL
                       ? resource_score(r, pattern_miss(r, &u, NULL), &u)
                       : 0;
      best = n > best ? n : best;
    }
  return best / 4;
}

/* Of the actions of |r|, the one that matches (|*ret_other| NULL) or comes
 * nearest. */
static unsigned rule_action(const struct policy_rule *r, struct slice action,
                            const struct pattern **ret_other) {
  unsigned best = 0;

  *ret_other = NULL;
  for (size_t i = 0; i < r->nactions; i++) {
    const struct pattern *p = &r->actions[i];
    if (pattern_match_text(p, action)) {
      *ret_other = NULL;
      return p->kind == PATTERN_EXACT    ? ACTION_SAME
             : p->kind == PATTERN_PREFIX ? ACTION_PREFIX
                                         : ACTION_ANY;
    }
    if (!*ret_other || action_score(p, action) > best) {
      *ret_other = p;
      best = action_score(p, action);
    }
  }
  return best;
}

/* Of the resources of |r|: the nearest into |m|. */
static unsigned rule_resource(struct miss *m, const struct policy_rule *r,
                              const struct pattern_subject *s) {
  unsigned best = 0;

  for (size_t i = 0; i < r->nresources; i++) {
    const struct pattern *p = &r->resources[i];
    unsigned parts = pattern_miss(p, s, NULL);
    unsigned n = resource_score(p, parts, s) + (parts ? 0 : 1);
    if (m->resource && n <= best && (parts || !m->parts))
      continue;
    if (m->resource && parts && !m->parts)
      continue; /* what matches is better than what is like it */
    m->resource = p;
    m->parts = parts;
    best = n;
  }
  return best;
}

static struct miss rule_miss(const struct search *s, const struct policy *p,
                             const struct policy_rule *r) {
  struct miss m = {.policy = p, .rule = r};
  unsigned action = rule_action(r, s->facts.action, &m.action);
  unsigned resource = rule_resource(&m, r, &s->subject);
  bool connect = slice_is(s->facts.action, CONNECT) && s->subject.text.len == 0;

  if (m.action && action == 0 && (m.parts || resource < TEXT_PREFIX))
    return m; /* another action, and nothing of this resource */
  if (connect && m.parts && !m.action) {
    /* its patterns are for the questions that follow this one */
    m.resource = NULL;
    m.parts = 0;
    m.lacks_empty = true;
    resource = CONNECT_LACKS_EMPTY;
  } else if (connect && m.action) {
    m.resource = NULL;
    m.parts = 0;
    resource = 0;
  }
  if (m.action && m.resource && m.resource->kind == PATTERN_ANY)
    resource = EVERYTHING_ELSE;
  m.score = action + resource;
  if (m.action)
    m.score = m.score > MINUS_ACTION ? m.score - MINUS_ACTION : 1;
  m.score += m.score ? url_meant(s, p) : 0;
  return m;
}

static void keep(struct search *s, const struct miss *m) {
  size_t at = s->len;

  s->candidates++;
  /* of equals the first: policies come in the order of their ids */
  while (at > 0 && s->list[at - 1].score < m->score)
    at--;
  if (at == s->max)
    return;
  if (s->len < s->max)
    s->len++;
  for (size_t i = s->len - 1; i > at; i--)
    s->list[i] = s->list[i - 1];
  s->list[at] = *m;
}

/* Whatever its conditions add, it is not among the nearest. */
static bool hopeless(const struct search *s, unsigned score) {
  return score == 0 ||
         (s->len == s->max && score + MEANT <= s->list[s->len - 1].score);
}

#define FEW 3

/* One of many that have nothing of the host that was asked for. */
static bool far_away(const struct search *s, const struct miss *m) {
  return s->candidates > FEW && m->resource &&
         m->resource->kind == PATTERN_URL && (m->parts & PATTERN_PART_HOST) &&
         m->score < HOST_SAME_LABEL;
}

static bool opens_all(const struct miss *m) {
  const struct policy_rule *r = m->rule;

  if (!m->resource || m->resource->kind != PATTERN_ANY)
    return false;
  for (size_t i = 0; i < r->nactions; i++)
    if (r->actions[i].kind == PATTERN_ANY)
      return true;
  return false;
}

static void consider(struct search *s, const struct policy *p, bool outside) {
  struct miss best = {.score = 0};

  for (size_t i = 0; i < p->nrules; i++) {
    struct miss m = rule_miss(s, p, &p->rules[i]);
    if (m.score > best.score ||
        (m.score > 0 && !m.parts && !m.action && !m.lacks_empty &&
         (best.parts || best.action || best.lacks_empty)))
      best = m;
  }
  if (hopeless(s, best.score))
    return;
  best.outside = outside;
  weigh_conditions(&best, &s->facts);
  if (outside) {
    /* what matches everything, under conditions, is for others */
    if (best.parts || best.action || best.lacks_empty ||
        (best.unmet && best.resource->kind == PATTERN_ANY))
      return;
    if (opens_all(&best)) {
      /* one of them tells as much as all */
      if (s->all_told)
        return;
      s->all_told = true;
      best.score = OPENS_ALL;
    } else {
      best.score = best.score > MINUS_OUTSIDE ? best.score - MINUS_OUTSIDE : 1;
    }
  } else if (!best.parts && !best.action && !best.lacks_empty && !best.unmet) {
    return; /* it applies */
  }
  keep(s, &best);
}

size_t nearest_find(struct miss *ret, size_t max, const struct policy_set *set,
                    const struct policy_scope *scope, const struct request *q) {
  struct search s = {.q = q, .list = ret, .max = max};
  size_t n = 0;

  policy_facts(&s.facts, q);
  s.subject = (struct pattern_subject){.text = s.facts.resource};
  if (slice_is(q->action, CONNECT_URL))
    s.subject.url = q->url;
  if (slice_is(q->action, CONNECT_ADDRESS)) {
    s.subject.ip = q->ip;
    s.subject.port = q->port;
  }
  for (size_t i = 0; !set && i < policy_scope_len(scope); i++) {
    const struct policy *p = policy_scope_at(scope, i);
    if (!p->deny)
      consider(&s, p, false);
  }
  for (size_t i = 0; set && i < policy_set_len(set); i++) {
    const struct policy *p = policy_set_at(set, i);
    if (!p->deny)
      consider(&s, p, !policy_scope_has(scope, p));
  }
  if (s.len > 0 && far_away(&s, &ret[0]))
    return 0;
  /* far behind the first, they only distract */
  while (n < s.len && ret[n].score * 2 >= ret[0].score)
    n++;
  return n;
}
