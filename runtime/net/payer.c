/* payer.c - for whom a loop works. */
#include "runtime/net/payer.h"

#include <stdbool.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/err.h"

#define PLACES_FIRST 8

/* An id is a place and how often the place was given away before. */
struct till_place {
  struct payer *payer; /* NULL: the place is free */
  uint32_t times;
  uint32_t next_free;
};

void till_init(struct till *t, const struct mem *m) {
  *t = (struct till){.mem = *m};
}

void till_deinit(struct till *t) {
  mem_free(&t->mem, t->places, t->nplaces * sizeof *t->places);
  t->places = NULL;
  t->nplaces = 0;
}

static bool grow(struct till *t) {
  uint32_t n = t->nplaces == 0 ? PLACES_FIRST : 2 * t->nplaces;
  struct till_place *places;
  if (n < t->nplaces)
    return false;
  places = mem_realloc(&t->mem, t->places, t->nplaces * sizeof *places,
                       n * sizeof *places);
  if (!places)
    return false;
  for (uint32_t i = n; i > t->nplaces; i--) {
    places[i - 1] = (struct till_place){NULL, 0, t->free_place};
    t->free_place = i;
  }
  t->places = places;
  t->nplaces = n;
  return true;
}

int payer_add(struct till *t, struct payer *p) {
  struct till_place *place;
  if (t->free_place == 0 && !grow(t))
    return ERR_NOMEM;
  place = &t->places[t->free_place - 1];
  p->id = (uint64_t)place->times << 32 | t->free_place;
  t->free_place = place->next_free;
  place->payer = p;
  t->npayers++;
  return 0;
}

void payer_remove(struct till *t, struct payer *p) {
  uint32_t n = (uint32_t)p->id;
  struct till_place *place;
  if (p->id == 0)
    return;
  p->alarm = NULL; /* its owner goes */
  if (t->always == p)
    t->always = NULL;
  if (t->now == p)
    till_pass(t, NULL);
  place = &t->places[n - 1];
  place->payer = NULL;
  t->npayers--;
  place->times++;
  place->next_free = t->free_place;
  t->free_place = n;
  p->id = 0;
}

static struct payer *payer_of(const struct till *t, uint64_t id) {
  uint32_t n = (uint32_t)id;
  struct payer *p = n != 0 && n <= t->nplaces ? t->places[n - 1].payer : NULL;
  return p && p->id == id ? p : NULL;
}

void payer_charge(struct payer *p, uint64_t ns) {
  p->cpu_ns += ns;
  if (p->cpu_ns < p->alarm_ns || !p->alarm)
    return;
  p->alarm_ns = UINT64_MAX;
  p->alarm(p->ud);
}

static uint64_t past(uint64_t since_ns, uint64_t now_ns) {
  return now_ns > since_ns ? now_ns - since_ns : 0; /* of another thread */
}

/* The thread goes to |p|, and the time until now to who had it. */
static void pass(struct till *t, struct payer *p, uint64_t now_ns) {
  struct payer *before = t->now;
  uint64_t ns = past(t->since_ns, now_ns);
  t->now = p;
  t->since_ns = now_ns;
  if (before)
    payer_charge(before, ns);
  else if (p)
    payer_charge(p, ns < PAYER_TOLL_MAX_NS ? ns : PAYER_TOLL_MAX_NS);
}

uint64_t till_pass(struct till *t, struct payer *p) {
  uint64_t before = till_id(t);
  if (!p)
    p = t->always;
  if (p != t->now)
    pass(t, p, clock_thread_cpu_ns());
  return before;
}

uint64_t till_pass_id(struct till *t, uint64_t id) {
  return t->now && t->now->id == id ? id : till_pass(t, payer_of(t, id));
}

void till_give_back(struct till *t, uint64_t id) {
  struct payer *p = payer_of(t, id);
  if (t->now || !p)
    return;
  t->now = p;
  t->since_ns = clock_thread_cpu_ns();
}

void till_turn_begin(struct till *t) {
  uint64_t now_ns, gap_ns;
  /* no more of one time has passed than of the other, which costs no call */
  if (!t->now && t->ended_ns != 0 &&
      clock_mono_ns() - t->ended_mono_ns < PAYER_GAP_MAX_NS) {
    t->since_ns = t->ended_ns;
    return;
  }
  now_ns = clock_thread_cpu_ns();
  if (t->now) { /* nobody took it away */
    pass(t, t->always, now_ns);
    return;
  }
  gap_ns = t->ended_ns == 0 ? 0 : past(t->ended_ns, now_ns);
  t->since_ns =
      now_ns - (gap_ns < PAYER_GAP_MAX_NS ? gap_ns : PAYER_GAP_MAX_NS);
}

void till_turn_end(struct till *t) {
  if (t->always)
    return; /* it goes on paying */
  t->ended_ns = clock_thread_cpu_ns();
  t->ended_mono_ns = clock_mono_ns();
  pass(t, NULL, t->ended_ns);
}

void till_always(struct till *t, struct payer *p) {
  t->always = p;
  t->now = p;
  t->since_ns = clock_thread_cpu_ns();
}

uint64_t till_paid_ns(const struct till *t, const struct payer *p) {
  return t->now == p ? p->cpu_ns + past(t->since_ns, clock_thread_cpu_ns())
                     : p->cpu_ns;
}
