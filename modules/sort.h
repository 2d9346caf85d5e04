/* sort.h - sorting that can be stopped half-way. */
#ifndef MODULES_SORT_H
#define MODULES_SORT_H

#include <lua.h>
#include <stddef.h>

typedef int sort_cmp_fn(const void *a, const void *b);

/* Heapsort of |n| elements of |size| bytes: in place, never quadratic, and free
 * to be left by a longjmp, none of which the C library's qsort promises.  Calls
 * state_check now and then. */
void sort_heap(lua_State *L, void *base, size_t n, size_t size,
               sort_cmp_fn *cmp);

#endif
