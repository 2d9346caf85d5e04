/* region.h - the memory of one lua_State, which can be thrown away at once.
 *
 * Lua tells the size of what it gives back, so blocks need no header: small
 * ones come in classes of 16 bytes from chunks that grow with the script, each
 * class with its list of free blocks; larger ones come from the host's
 * allocator and go back to it when they are freed.
 *
 * The script is charged the bytes it asks for.  What the region holds beyond
 * them is bounded: by a quarter of the limit and some change, above which it
 * refuses, and it looks for pages that are wholly free before it takes more.
 *
 * Threads are known when they are freed, so that coroutines that are alive can
 * be counted: Lua says at an allocation that it is for a thread, and the blocks
 * of threads, and no others, begin REGION_THREAD_AT bytes behind a multiple of
 * REGION_ALIGN (a lua_State holds nothing that needs more than a pointer does).
 *
 * region_alloc may be left at any instruction (gate.h): what is inconsistent
 * then are free lists, which nobody looks at any more.  The lists that
 * region_drop follows change behind the gate. */
#ifndef RUNTIME_VM_REGION_H
#define RUNTIME_VM_REGION_H

#include "runtime/base/list.h"
#include "runtime/base/mem.h"

#define REGION_SMALL_MAX 1024 /* bytes; above it blocks are the host's */
#define REGION_ALIGN 16
#define REGION_CLASSES (REGION_SMALL_MAX / REGION_ALIGN)
#define REGION_THREAD_AT 8
/* A bit of a thread's first word, which is its extra space: it is one of
 * |region.counted|.  Whoever sets it adds one, whoever clears it takes one. */
#define REGION_COUNTED ((uintptr_t)8)

struct region_block;
struct region_chunk;

struct region {
  struct mem base;
  struct account *account; /* charged, as |outside| */
  struct region_block *free[REGION_CLASSES];
  char *at, *end; /* what is left of the page that is being cut up */
  struct region_chunk **chunks; /* by address */
  size_t nchunks;
  size_t cap;
  struct region_chunk *uncut; /* has pages that were never used, or NULL */
  struct region_block *pages; /* used before and wholly free */
  struct list large;
  size_t held;       /* bytes of the host's allocator */
  size_t cut;        /* bytes of pages in use */
  size_t small;      /* of them in the script's hands */
  size_t swept_cut;  /* |cut| when free pages were last looked for */
  size_t counted;    /* threads with REGION_COUNTED */
  bool keeps;        /* nothing is given back until region_drop */
  bool failing;      /* the last request was refused */
  unsigned failures; /* requests that were refused twice, so for good */
};

/* |a| outlives the region.  Takes no memory yet. */
void region_init(struct region *r, const struct mem *base, struct account *a);

/* A lua_Alloc with the region as its |ud|. */
void *region_alloc(void *ud, void *ptr, size_t old_size, size_t new_size);

/* Gives back everything; what was charged for it is paid back.  The region is
 * as after region_init.  Not through an open gate. */
void region_drop(struct region *r);

#endif
