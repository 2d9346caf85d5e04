/* index.c - which resource patterns may match a subject, by hash tables.
 *
 * A table maps the hash of a key to the patterns that may match a subject with
 * this key.  Keys are compared by their hashes alone: a collision only finds a
 * pattern too many, which then does not match.  A pattern with an open end
 * stands under its beginning, and a subject is looked up under its beginnings
 * of those lengths that occur.
 *
 * Texts are looked up together with the action, or with none for rules whose
 * actions are no plain names.  URL patterns stand under their host, and where
 * many do, under the host with port and beginning of the path.  Address blocks
 * are beginnings too, in bits.  What fits nowhere is always found. */
#include "policy/index.h"

#include "runtime/base/random.h"

/* A rule with more actions is looked up without: a product of long lists would
 * not be bounded by the size of the file. */
#define MAX_ACTIONS 8
/* A host with more patterns is divided by port and path. */
#define MAX_HOST 8
#define CACHE_LINE 64 /* bytes, of most processors; elsewhere merely slower */
/* Lengths that are looked up for one subject. */
#define MAX_LENGTHS 16

/* A set of lengths; 63 is 63 and more, which share their first 63. */
typedef uint64_t lengths;
#define LENGTH_MAX 63U

/* One key: its list, which is |start| itself if it has one element, else the
 * part of |lists|.  Of the one element the slot knows where its pattern and its
 * policy are, so that nobody waits for |pairs| before asking memory for them.
 */
struct slot {
  uint64_t hash;
  uint32_t start;
  uint32_t len; /* 0: free, or DIVIDED */
  const struct pattern *resource;
  const struct policy *policy;
};
#define DIVIDED UINT32_MAX /* |start|: the struct division */

struct table {
  struct slot *slots; /* none of them in two cache lines */
  void *block;        /* what holds them */
  size_t cap;         /* power of two */
  size_t len;
};

/* The texts of the rules that have this action, or of those without one. */
struct context {
  uint32_t shortest; /* of the exact texts */
  uint32_t longest;
  bool exact;
  lengths beginnings;
};

struct division {
  lengths paths; /* beginnings */
  bool exact;
  bool one_port;
  bool any_port;
};

struct policy_index {
  struct mem mem;
  uint64_t seed;
  struct index_pair *pairs; /* in the order of the candidates */
  void *pairs_block;
  size_t npairs;
  size_t nloud; /* of them; the quiet denies are behind these */
  size_t nquiet_denies;
  struct table actions; /* |start|: struct context */
  struct context *contexts;
  size_t ncontexts;
  size_t contexts_cap;
  bool no_names; /* there is a context of no action, contexts[nameless] */
  uint32_t nameless;
  struct table hosts;
  struct division *divisions;
  size_t ndivisions;
  struct table keys; /* everything else */
  uint32_t *lists;
  size_t lists_len;
  lengths below;   /* labels of the names behind "*."; 0: "*" */
  lengths bits4;   /* of blocks */
  lengths bits6;   /* the same, divided by four */
  bool urls;       /* there are URL patterns, */
  bool open_hosts; /* and some with PATTERN_HOST_PREFIX */
  bool classes;
};

/* What a key is for; mixed into its hash. */
enum key {
  KEY_ACTION,
  KEY_EXACT,
  KEY_BEGINNING,
  KEY_HOST,
  KEY_BELOW,
  KEY_OPEN_HOST,
  KEY_PATH,
  KEY_PATH_BEGINNING,
  KEY_BLOCK,
  KEY_CLASS
};

/* -------------------------------------------------------------- hashing --- */

static uint64_t mix(uint64_t h, uint64_t v) {
  h = (h ^ v) * UINT64_C(0x9E3779B97F4A7C15);
  return h ^ h >> 29;
}

static uint64_t load8(const unsigned char *p) {
  uint64_t word;

  memcpy(&word, p, sizeof word);
  return word;
}

static uint64_t load4(const unsigned char *p) {
  uint32_t word;

  memcpy(&word, p, sizeof word);
  return word;
}

/* |a| and |b|: whatever else belongs to the key.  The last word may hold bytes
 * of the one before it again. */
static uint64_t hash(const struct policy_index *ix, enum key key, uint64_t a,
                     uint64_t b, const void *text, size_t len) {
  const unsigned char *p = text;
  uint64_t h = mix(ix->seed ^ (uint64_t)key << 56, a);

  h = mix(h, b << 32 ^ len);
  if (len >= 8) {
    for (; len > 8; p += 8, len -= 8)
      h = mix(h, load8(p));
    h = mix(h, load8(p + len - 8));
  } else if (len >= 4) {
    h = mix(h, load4(p) << 32 | load4(p + len - 4));
  } else if (len > 0) {
    h = mix(h, (uint64_t)p[0] << 16 | (uint64_t)p[len / 2] << 8 | p[len - 1]);
  }
  return mix(h, h >> 32);
}

static struct slot *find(const struct table *t, uint64_t h) {
  size_t i = h & (t->cap - 1);

  if (!t->cap)
    return NULL;
  while (t->slots[i].len && t->slots[i].hash != h)
    i = (i + 1) & (t->cap - 1);
  return &t->slots[i];
}

/* The slot of |h|, or NULL. */
static const struct slot *look(const struct table *t, uint64_t h) {
  const struct slot *s = find(t, h);

  return s && s->len ? s : NULL;
}

/* Of the block with |n| elements of |size| bytes. */
static size_t block_bytes(size_t n, size_t size) {
  return n ? n * size + CACHE_LINE : 0;
}

/* The first place in |block| where a cache line starts; block_bytes counts on
 * it. */
static void *line_start(void *block) {
  return (char *)block + (CACHE_LINE - (uintptr_t)block % CACHE_LINE);
}

static int table_grow(struct table *t, const struct mem *m) {
  struct table new = {.cap = t->cap ? t->cap * 2 : 16, .len = t->len};

  _Static_assert(CACHE_LINE % sizeof *new.slots == 0, "no slot in two lines");
  if (new.cap > SIZE_MAX / 2 / sizeof *new.slots ||
      !(new.block = mem_zalloc(m, block_bytes(new.cap, sizeof *new.slots))))
    return ERR_NOMEM;
  new.slots = line_start(new.block);
  for (size_t i = 0; i < t->cap; i++)
    if (t->slots[i].len)
      *find(&new, t->slots[i].hash) = t->slots[i];
  mem_free(m, t->block, block_bytes(t->cap, sizeof *t->slots));
  *t = new;
  return 0;
}

/* The slot of |h|, with one more element counted; NULL: no memory. */
static struct slot *table_count(struct table *t, uint64_t h,
                                const struct mem *m) {
  struct slot *s;

  if (t->len + 1 > t->cap / 8 * 5 && table_grow(t, m) != 0)
    return NULL;
  s = find(t, h);
  if (!s->len) {
    s->hash = h;
    t->len++;
  }
  s->len++;
  return s;
}

static void table_deinit(struct table *t, const struct mem *m) {
  mem_free(m, t->block, block_bytes(t->cap, sizeof *t->slots));
}

/* -------------------------------------------------------------- lengths --- */

static unsigned clamp(size_t n) {
  return n < LENGTH_MAX ? (unsigned)n : LENGTH_MAX;
}

static lengths one(unsigned n) {
  return (lengths)1 << n;
}

static unsigned shortest(lengths set) {
  return (unsigned)__builtin_ctzll(set);
}

/* Every other one goes, never the shortest: what had it has the next shorter.
 */
static void thin(lengths *set) {
  while (__builtin_popcountll(*set) > MAX_LENGTHS) {
    lengths kept = 0;
    for (lengths left = *set; left;) {
      kept |= left & -left;
      left &= left - 1;
      left &= left - 1;
    }
    *set = kept;
  }
}

/* The longest length of |set| up to |n|, which is not shorter than all. */
static unsigned longest_upto(lengths set, size_t n) {
  lengths fit = set & (UINT64_MAX >> (LENGTH_MAX - clamp(n)));

  return LENGTH_MAX - (unsigned)__builtin_clzll(fit);
}

/* ----------------------------------------------------------------- keys --- */

static bool is_text(const struct pattern *p) {
  return p->kind == PATTERN_ANY || p->kind == PATTERN_EXACT ||
         p->kind == PATTERN_PREFIX;
}

static bool is_block(const struct pattern *p) {
  return p->kind == PATTERN_ADDRESS || p->kind == PATTERN_CLASS;
}

static bool is_host(const struct pattern *p) {
  return p->kind == PATTERN_URL && p->as.url.host_kind != PATTERN_HOST_PREFIX;
}

/* "*" is the empty beginning. */
static struct slice beginning(const struct pattern *p) {
  return p->kind == PATTERN_ANY ? SLICE("") : p->as.text;
}

static size_t labels(struct slice name) {
  size_t n = name.len > 0;

  for (size_t i = 0; i < name.len; i++)
    n += name.p[i] == '.';
  return n;
}

/* The host of |u|, or the name that it stands in front of: "" for any. */
static struct slice host_name(const struct pattern_url *u) {
  return u->host_kind == PATTERN_HOST_ANY_NAME ? SLICE("") : u->host;
}

static uint64_t host_key(const struct policy_index *ix,
                         const struct pattern_url *u) {
  bool whole =
      u->host_kind == PATTERN_HOST_NAME || u->host_kind == PATTERN_HOST_IP;
  struct slice name = host_name(u);

  return hash(ix, whole ? KEY_HOST : KEY_BELOW, 0, 0, name.p, name.len);
}

/* The one port that |u| is for, or 0. */
static unsigned one_port(const struct pattern_url *u) {
  if (u->ports.first == 0 && u->schemes == PATTERN_WSS)
    return 443;
  if (u->ports.first == 0 && u->schemes == PATTERN_WS)
    return 80;
  return u->ports.first == u->ports.last ? u->ports.first : 0;
}

static struct slice path_beginning(const struct pattern_url *u) {
  const char *star =
      u->path.len > 0 ? memchr(u->path.p, '*', u->path.len) : NULL;

  if (u->any_path || !star)
    return SLICE("");
  return (struct slice){u->path.p, (size_t)(star - u->path.p)};
}

static bool path_is_exact(const struct pattern_url *u) {
  return !u->any_path && u->path_stars == 0;
}

/* The bits of an address in steps of one, or of four. */
static unsigned block_bits(lengths set, const struct pattern_address *a) {
  return longest_upto(set, a->prefix.family == 4 ? a->bits : a->bits / 4U);
}

static uint64_t block_key(const struct policy_index *ix, const struct ip *ip,
                          unsigned length) {
  unsigned bits = ip->family == 4 ? length : length * 4;
  unsigned char bytes[sizeof ip->bytes] = {0};

  for (unsigned i = 0; i < bits / 8; i++)
    bytes[i] = ip->bytes[i];
  if (bits % 8)
    bytes[bits / 8] =
        (unsigned char)(ip->bytes[bits / 8] & 0xFF00U >> bits % 8);
  return hash(ix, KEY_BLOCK, ip->family, length, bytes, sizeof bytes);
}

/* ------------------------------------------------------------- building --- */

/* The context of one action, or of none (|name| NULL), made if it is new. */
static int need_context(struct policy_index *ix, const struct slice *name,
                        uint32_t *ret) {
  struct slice text = name ? *name : SLICE("");
  uint64_t h = hash(ix, KEY_ACTION, name != NULL, 0, text.p, text.len);
  const struct slot *known = look(&ix->actions, h);
  struct context *grown;
  struct slot *s;

  if (known) {
    *ret = known->start;
    return 0;
  }
  grown = mem_grow(&ix->mem, ix->contexts, &ix->contexts_cap, ix->ncontexts + 1,
                   sizeof *grown, UINT32_MAX / 2);
  if (!grown)
    return ERR_NOMEM;
  ix->contexts = grown;
  if (!(s = table_count(&ix->actions, h, &ix->mem)))
    return ERR_NOMEM;
  if (!name) {
    ix->no_names = true;
    ix->nameless = (uint32_t)ix->ncontexts;
  }
  grown[ix->ncontexts] = (struct context){.shortest = UINT32_MAX};
  s->start = *ret = (uint32_t)ix->ncontexts++;
  return 0;
}

/* The contexts in which the texts of |r| are looked up. */
static int need_contexts(struct policy_index *ix, const struct policy_rule *r,
                         uint32_t ret[MAX_ACTIONS], size_t *ret_n) {
  bool names = r->nactions <= MAX_ACTIONS;
  int rv = 0;

  for (size_t i = 0; i < r->nactions; i++)
    names = names && r->actions[i].kind == PATTERN_EXACT;
  if (!names) {
    *ret_n = 1;
    return need_context(ix, NULL, ret);
  }
  for (*ret_n = 0; *ret_n < r->nactions && rv == 0; ++*ret_n)
    rv = need_context(ix, &r->actions[*ret_n].as.text, &ret[*ret_n]);
  return rv;
}

static void note_text(struct context *c, const struct pattern *p) {
  struct slice text = is_block(p) ? p->source : p->as.text;
  uint32_t len = (uint32_t)text.len;

  if (p->kind == PATTERN_ANY || p->kind == PATTERN_PREFIX) {
    c->beginnings |= one(clamp(beginning(p).len));
    return;
  }
  c->exact = true;
  c->shortest = len < c->shortest ? len : c->shortest;
  c->longest = len > c->longest ? len : c->longest;
}

/* Which keys there will be, all but those of divided hosts. */
static int note_pair(struct policy_index *ix, const struct pattern *p,
                     const uint32_t *contexts, size_t n) {
  const struct pattern_url *u = &p->as.url;
  const struct pattern_address *a = &p->as.address;

  for (size_t i = 0; i < n && (is_text(p) || is_block(p)); i++)
    note_text(&ix->contexts[contexts[i]], p);
  if (p->kind == PATTERN_ADDRESS && a->prefix.family == 4)
    ix->bits4 |= one(a->bits);
  else if (p->kind == PATTERN_ADDRESS)
    ix->bits6 |= one(a->bits / 4U);
  ix->classes |= p->kind == PATTERN_CLASS;
  if (p->kind != PATTERN_URL)
    return 0;
  ix->urls = true;
  if (u->host_kind == PATTERN_HOST_PREFIX)
    ix->open_hosts = true;
  if (u->host_kind == PATTERN_HOST_BELOW ||
      u->host_kind == PATTERN_HOST_ANY_NAME)
    ix->below |= one(clamp(labels(host_name(u))));
  if (is_host(p) && !table_count(&ix->hosts, host_key(ix, u), &ix->mem))
    return ERR_NOMEM;
  return 0;
}

static int divide(struct policy_index *ix) {
  size_t n = 0;

  for (size_t i = 0; i < ix->hosts.cap; i++)
    n += ix->hosts.slots[i].len > MAX_HOST;
  if (!n)
    return 0;
  ix->divisions = mem_zalloc(&ix->mem, n * sizeof *ix->divisions);
  if (!ix->divisions)
    return ERR_NOMEM;
  for (size_t i = 0; i < ix->hosts.cap; i++)
    if (ix->hosts.slots[i].len > MAX_HOST) {
      ix->hosts.slots[i].start = (uint32_t)ix->ndivisions++;
      ix->hosts.slots[i].len = DIVIDED;
    }
  return 0;
}

/* The division of the host of |s|, or NULL. */
static struct division *division_of(const struct policy_index *ix,
                                    const struct slot *s) {
  return s->len == DIVIDED ? &ix->divisions[s->start] : NULL;
}

static void note_division(struct division *d, const struct pattern_url *u) {
  if (path_is_exact(u))
    d->exact = true;
  else
    d->paths |= one(clamp(path_beginning(u).len));
  if (one_port(u))
    d->one_port = true;
  else
    d->any_port = true;
}

static void note_divisions(struct policy_index *ix) {
  for (size_t i = 0; i < ix->npairs && ix->ndivisions; i++) {
    const struct pattern *p = ix->pairs[i].resource;
    struct division *d =
        is_host(p) ? division_of(ix, find(&ix->hosts, host_key(ix, &p->as.url)))
                   : NULL;
    if (d)
      note_division(d, &p->as.url);
  }
}

static uint64_t division_key(const struct policy_index *ix,
                             const struct division *d,
                             const struct pattern_url *u) {
  uint64_t which = (uint64_t)(d - ix->divisions);
  struct slice path = path_beginning(u);

  if (path_is_exact(u))
    return hash(ix, KEY_PATH, which, one_port(u), u->path.p, u->path.len);
  return hash(ix, KEY_PATH_BEGINNING, which, one_port(u), path.p,
              longest_upto(d->paths, path.len));
}

static uint64_t text_key(const struct policy_index *ix, uint32_t context,
                         const struct pattern *p) {
  struct slice text = is_block(p) ? p->source : beginning(p);

  if (p->kind == PATTERN_EXACT || is_block(p))
    return hash(ix, KEY_EXACT, context, 0, text.p, text.len);
  return hash(ix, KEY_BEGINNING, context, 0, text.p,
              longest_upto(ix->contexts[context].beginnings, text.len));
}

/* The second sweep counts what goes to |keys| (note_pair counted the hosts),
 * the third fills the lists. */
enum sweep { SWEEP_NOTE, SWEEP_COUNT, SWEEP_FILL };

static void fill(struct policy_index *ix, struct slot *s, uint32_t pair) {
  if (s->len != 1) {
    ix->lists[s->start++] = pair;
    return;
  }
  s->start = pair;
  s->resource = ix->pairs[pair].resource;
  s->policy = ix->pairs[pair].policy;
}

static int one_key(struct policy_index *ix, uint64_t h, uint32_t pair,
                   enum sweep what) {
  if (what == SWEEP_COUNT)
    return table_count(&ix->keys, h, &ix->mem) ? 0 : ERR_NOMEM;
  fill(ix, find(&ix->keys, h), pair);
  return 0;
}

static int url_keys(struct policy_index *ix, const struct pattern *p,
                    uint32_t pair, enum sweep what) {
  struct slot *s;
  struct division *d;

  if (!is_host(p))
    return one_key(ix, hash(ix, KEY_OPEN_HOST, 0, 0, "", 0), pair, what);
  s = find(&ix->hosts, host_key(ix, &p->as.url));
  if ((d = division_of(ix, s)) != NULL)
    return one_key(ix, division_key(ix, d, &p->as.url), pair, what);
  if (what == SWEEP_FILL)
    fill(ix, s, pair);
  return 0;
}

static int each_key(struct policy_index *ix, uint32_t pair,
                    const uint32_t *contexts, size_t n, enum sweep what) {
  const struct pattern *p = ix->pairs[pair].resource;
  const struct pattern_address *a = &p->as.address;
  lengths bits;
  int rv = 0;

  for (size_t i = 0; i < n && rv == 0 && (is_text(p) || is_block(p)); i++)
    rv = one_key(ix, text_key(ix, contexts[i], p), pair, what);
  if (rv != 0)
    return rv;
  switch (p->kind) {
  case PATTERN_URL:
    return url_keys(ix, p, pair, what);
  case PATTERN_ADDRESS:
    bits = a->prefix.family == 4 ? ix->bits4 : ix->bits6;
    return one_key(ix, block_key(ix, &a->prefix, block_bits(bits, a)), pair,
                   what);
  case PATTERN_CLASS:
    return one_key(ix, hash(ix, KEY_CLASS, a->class_, 0, "", 0), pair, what);
  case PATTERN_NEVER:
  case PATTERN_ANY:
  case PATTERN_EXACT:
  case PATTERN_PREFIX:
    break;
  }
  return 0;
}

static int sweep(struct policy_index *ix, enum sweep what) {
  const struct policy_rule *last = NULL;
  uint32_t contexts[MAX_ACTIONS];
  size_t n = 0;
  int rv = 0;

  for (uint32_t i = 0; i < ix->npairs && rv == 0; i++) {
    const struct index_pair *pair = &ix->pairs[i];
    if (pair->rule != last &&
        (rv = need_contexts(ix, pair->rule, contexts, &n)) != 0)
      break;
    last = pair->rule;
    if (what == SWEEP_NOTE)
      rv = note_pair(ix, pair->resource, contexts, n);
    else
      rv = each_key(ix, i, contexts, n, what);
  }
  return rv;
}

/* Gives each list of |t| its place behind the |*len| elements of others. */
static void place(struct table *t, size_t *len) {
  for (size_t i = 0; i < t->cap; i++) {
    struct slot *s = &t->slots[i];
    if (s->len < 2 || s->len == DIVIDED)
      continue;
    s->start = (uint32_t)*len;
    *len += s->len;
  }
}

/* Filling moved the starts behind the ends. */
static void move_back(struct table *t) {
  for (size_t i = 0; i < t->cap; i++) {
    struct slot *s = &t->slots[i];
    if (s->len > 1 && s->len != DIVIDED)
      s->start -= s->len;
  }
}

static int build_lists(struct policy_index *ix) {
  place(&ix->hosts, &ix->lists_len);
  place(&ix->keys, &ix->lists_len);
  if (ix->lists_len >= DIVIDED)
    return ERR_NOMEM;
  if (ix->lists_len &&
      !(ix->lists = mem_alloc(&ix->mem, ix->lists_len * sizeof *ix->lists)))
    return ERR_NOMEM;
  sweep(ix, SWEEP_FILL);
  move_back(&ix->hosts);
  move_back(&ix->keys);
  return 0;
}

/* ---------------------------------------------------------------- pairs --- */

/* Does it matter, beyond its verdict, that |r| of an allow applies? */
static bool speaks_of_addresses(const struct policy_rule *r) {
  for (size_t i = 0; i < r->nresources; i++) {
    const struct pattern *p = &r->resources[i];
    enum pattern_naming naming = pattern_naming(p);
    if (naming != PATTERN_NAMES_NONE &&
        (r->any_address || naming == PATTERN_NAMES_LOCAL ||
         p->as.url.host_kind == PATTERN_HOST_IP))
      return true;
  }
  return false;
}

static enum index_stage stage_of(const struct policy *p) {
  if (p->nconditions || p->expr)
    return INDEX_LOUD;
  if (p->deny)
    return INDEX_QUIET_DENY;
  for (size_t i = 0; i < p->nrules; i++)
    if (speaks_of_addresses(&p->rules[i]))
      return INDEX_LOUD;
  return INDEX_QUIET_ALLOW;
}

static void add_rule(struct policy_index *ix, const struct policy *p,
                     const struct policy_rule *r) {
  unsigned use = 0;

  for (size_t i = 0; i < r->nactions; i++)
    use |= pattern_action_use(&r->actions[i]);
  for (size_t i = 0; i < r->nresources; i++)
    ix->pairs[ix->npairs++] = (struct index_pair){
        .resource = &r->resources[i], .policy = p, .rule = r, .use = use};
}

static void add_pairs(struct policy_index *ix, const struct policy *p) {
  for (size_t r = 0; r < p->nrules; r++)
    add_rule(ix, p, &p->rules[r]);
}

static int build_pairs(struct policy_index *ix, struct policy *const *policies,
                       size_t n) {
  size_t total = 0;

  for (size_t i = 0; i < n; i++)
    for (size_t r = 0; r < policies[i]->nrules; r++)
      total += policies[i]->rules[r].nresources;
  /* each has MAX_ACTIONS keys of texts and one more at most */
  if (n > UINT32_MAX || total > DIVIDED / (MAX_ACTIONS + 1) ||
      total > SIZE_MAX / 2 / sizeof *ix->pairs)
    return ERR_NOMEM;
  if (total) {
    ix->pairs_block =
        mem_alloc(&ix->mem, block_bytes(total, sizeof *ix->pairs));
    if (!ix->pairs_block)
      return ERR_NOMEM;
    ix->pairs = line_start(ix->pairs_block);
  }
  for (unsigned stage = INDEX_LOUD; stage <= INDEX_QUIET_ALLOW; stage++) {
    for (size_t i = 0; i < n; i++)
      if (stage_of(policies[i]) == (enum index_stage)stage)
        add_pairs(ix, policies[i]);
    if (stage == INDEX_LOUD)
      ix->nloud = ix->npairs;
    else if (stage == INDEX_QUIET_DENY)
      ix->nquiet_denies = ix->npairs - ix->nloud;
  }
  return 0;
}

int policy_index_new(struct policy_index **ret, struct policy *const *policies,
                     size_t n, const struct mem *m) {
  struct policy_index *ix = mem_zalloc(m, sizeof *ix);
  int rv;

  if (!ix)
    return ERR_NOMEM;
  ix->mem = *m;
  /* so that nobody writes policies whose keys all meet; if there is none, they
   * are merely slow to load */
  (void)random_bytes(&ix->seed, sizeof ix->seed);
  if ((rv = build_pairs(ix, policies, n)) != 0 ||
      (rv = sweep(ix, SWEEP_NOTE)) != 0 || (rv = divide(ix)) != 0)
    goto fail;
  for (size_t i = 0; i < ix->ncontexts; i++)
    thin(&ix->contexts[i].beginnings);
  thin(&ix->bits4);
  thin(&ix->bits6);
  note_divisions(ix);
  for (size_t i = 0; i < ix->ndivisions; i++)
    thin(&ix->divisions[i].paths);
  if ((rv = sweep(ix, SWEEP_COUNT)) != 0 || (rv = build_lists(ix)) != 0)
    goto fail;
  *ret = ix;
  return 0;
fail:
  policy_index_free(ix);
  return rv;
}

void policy_index_free(struct policy_index *ix) {
  struct mem mem;

  if (!ix)
    return;
  mem = ix->mem;
  table_deinit(&ix->actions, &mem);
  table_deinit(&ix->hosts, &mem);
  table_deinit(&ix->keys, &mem);
  /* build_pairs counted them, whatever was filled in */
  mem_free(&mem, ix->pairs_block, block_bytes(ix->npairs, sizeof *ix->pairs));
  mem_free(&mem, ix->contexts, ix->contexts_cap * sizeof *ix->contexts);
  mem_free(&mem, ix->divisions, ix->ndivisions * sizeof *ix->divisions);
  mem_free(&mem, ix->lists, ix->lists_len * sizeof *ix->lists);
  mem_free(&mem, ix, sizeof *ix);
}

/* ------------------------------------------------------------ searching --- */

/* The places of a candidate are far apart: let them come together.  What the
 * pattern points to stands behind it, as a rule. */
static void fetch(const struct pattern *resource, const struct policy *policy) {
  __builtin_prefetch(resource);
  __builtin_prefetch((const char *)resource + 64);
  __builtin_prefetch((const char *)resource + 128);
  __builtin_prefetch(policy);
  __builtin_prefetch((const char *)policy + 64);
}

/* False: too many lists. */
static bool add_list(struct index_search *s, const struct slot *slot) {
  struct index_list *list = &s->lists[s->nlists];

  if (!slot)
    return true;
  if (s->nlists == INDEX_MAX_LISTS)
    return false;
  list->at = slot->len == 1 ? &slot->start : s->index->lists + slot->start;
  list->end = list->at + slot->len;
  if (slot->len == 1) {
    __builtin_prefetch(&s->index->pairs[slot->start]);
    fetch(slot->resource, slot->policy);
  }
  s->nlists++;
  return true;
}

static bool add_key(struct index_search *s, uint64_t h) {
  return add_list(s, look(&s->index->keys, h));
}

static bool search_text(struct index_search *s, uint32_t context,
                        struct slice text) {
  const struct policy_index *ix = s->index;
  const struct context *c = &ix->contexts[context];

  if (c->exact && text.len >= c->shortest && text.len <= c->longest &&
      !add_key(s, hash(ix, KEY_EXACT, context, 0, text.p, text.len)))
    return false;
  for (lengths left = c->beginnings; left; left &= left - 1) {
    unsigned n = shortest(left);
    if (n > text.len)
      break;
    if (!add_key(s, hash(ix, KEY_BEGINNING, context, 0, text.p, n)))
      return false;
  }
  return true;
}

static bool search_texts(struct index_search *s, struct slice action,
                         struct slice text) {
  const struct policy_index *ix = s->index;
  const struct slot *slot =
      look(&ix->actions, hash(ix, KEY_ACTION, true, 0, action.p, action.len));

  return (!slot || search_text(s, slot->start, text)) &&
         (!ix->no_names || search_text(s, ix->nameless, text));
}

static bool search_division(struct index_search *s, uint32_t which,
                            unsigned port, struct slice path) {
  const struct policy_index *ix = s->index;
  const struct division *d = &ix->divisions[which];

  if (d->exact &&
      !add_key(s, hash(ix, KEY_PATH, which, port, path.p, path.len)))
    return false;
  for (lengths left = d->paths; left; left &= left - 1) {
    unsigned n = shortest(left);
    if (n > path.len)
      break;
    if (!add_key(s, hash(ix, KEY_PATH_BEGINNING, which, port, path.p, n)))
      return false;
  }
  return true;
}

static bool search_host(struct index_search *s, const struct url *url,
                        uint64_t h) {
  const struct policy_index *ix = s->index;
  const struct slot *slot = look(&ix->hosts, h);

  if (!slot)
    return true;
  if (slot->len != DIVIDED)
    return add_list(s, slot);
  return (!ix->divisions[slot->start].one_port ||
          search_division(s, slot->start, url->port, url->path)) &&
         (!ix->divisions[slot->start].any_port ||
          search_division(s, slot->start, 0, url->path));
}

/* Keys of hosts on their way: memory is asked for all of their slots before the
 * first is looked at. */
struct keys_ahead {
  uint64_t hashes[8];
  size_t n;
};

static bool search_hosts(struct index_search *s, const struct url *url,
                         struct keys_ahead *a) {
  for (size_t i = 0; i < a->n; i++)
    if (!search_host(s, url, a->hashes[i]))
      return false;
  a->n = 0;
  return true;
}

static bool add_host(struct index_search *s, const struct url *url,
                     struct keys_ahead *a, enum key key, struct slice host) {
  const struct policy_index *ix = s->index;
  uint64_t h = hash(ix, key, 0, 0, host.p, host.len);

  if (!ix->hosts.cap)
    return true;
  __builtin_prefetch(&ix->hosts.slots[h & (ix->hosts.cap - 1)]);
  if (a->n == sizeof a->hashes / sizeof *a->hashes && !search_hosts(s, url, a))
    return false;
  a->hashes[a->n++] = h;
  return true;
}

static bool search_url(struct index_search *s, const struct url *url) {
  const struct policy_index *ix = s->index;
  struct slice host = url->host;
  struct keys_ahead ahead;
  lengths below = url->host_kind == URL_HOST_NAME ? ix->below : 0;
  unsigned count = 0;

  ahead.n = 0;
  if (!add_host(s, url, &ahead, KEY_HOST, host))
    return false;
  if ((below & 1) && !add_host(s, url, &ahead, KEY_BELOW, SLICE("")))
    return false;
  below &= ~(lengths)1;
  for (size_t i = host.len; below && i-- > 0;) {
    struct slice name = {host.p + i + 1, host.len - i - 1};
    if (host.p[i] != '.' || !(below & one(clamp(++count))))
      continue;
    if (!add_host(s, url, &ahead, KEY_BELOW, name))
      return false;
  }
  return search_hosts(s, url, &ahead) &&
         (!ix->open_hosts || add_key(s, hash(ix, KEY_OPEN_HOST, 0, 0, "", 0)));
}

static bool search_ip(struct index_search *s, const struct ip *ip) {
  const struct policy_index *ix = s->index;
  lengths left = ip->family == 4 ? ix->bits4 : ix->bits6;

  for (; left; left &= left - 1)
    if (!add_key(s, block_key(ix, ip, shortest(left))))
      return false;
  return !ix->classes ||
         add_key(s, hash(ix, KEY_CLASS, (uint64_t)ip_classify(ip), 0, "", 0));
}

bool policy_index_search(struct index_search *s, const struct policy_index *ix,
                         struct slice action,
                         const struct pattern_subject *subject) {
  struct ip ends[PATTERN_MAX_ENDS];
  struct url url;
  size_t n;
  int rv;

  s->index = ix;
  s->nlists = 0;
  if (!search_texts(s, action, subject->text))
    return false;
  if (subject->ip) {
    n = pattern_ends(subject->ip, ends);
    for (size_t i = 0; i < n; i++)
      if (!search_ip(s, &ends[i]))
        return false;
  }
  if (!ix->urls)
    return true;
  if (subject->url)
    return search_url(s, subject->url);
  /* what cannot be told of any URL pattern is an error of many policies */
  rv = pattern_subject_url(subject, &url);
  return rv == 0 || (rv == 1 && search_url(s, &url));
}

const struct index_pair *policy_index_next(struct index_search *s) {
  const struct index_pair *pair;
  uint32_t first;

  if (s->nlists == 0)
    return NULL;
  first = *s->lists[0].at;
  for (size_t i = 1; i < s->nlists; i++)
    if (*s->lists[i].at < first)
      first = *s->lists[i].at;
  for (size_t i = 0; i < s->nlists;) {
    struct index_list *list = &s->lists[i];
    if (*list->at == first && ++list->at == list->end)
      *list = s->lists[--s->nlists];
    else
      i++;
  }
  pair = &s->index->pairs[first];
  fetch(pair->resource, pair->policy);
  return pair;
}

enum index_stage policy_index_stage(const struct index_search *s,
                                    const struct index_pair *pair) {
  size_t at = (size_t)(pair - s->index->pairs);

  if (at < s->index->nloud)
    return INDEX_LOUD;
  return at - s->index->nloud < s->index->nquiet_denies ? INDEX_QUIET_DENY
                                                        : INDEX_QUIET_ALLOW;
}
