/* base/vec.h - growable array in an arena.
 *   OQ_VEC(int64_t) v = {0};
 *   if (!oq_vec_push(arena, &v, x)) return oq_fail_memory(d);
 * Old blocks stay in the arena until it goes: growth is by doubling. */
#ifndef OQ_BASE_VEC_H
#define OQ_BASE_VEC_H

#include <stdbool.h>

#include "base/arena.h"

#define OQ_VEC(T)    \
  struct {           \
    T *p;            \
    uint32_t n, cap; \
  }

/* Makes room for one more element of `size` bytes; false on exhaustion. */
bool oq_vec_grow(oq_arena *a, void *vec_p, uint32_t *n, uint32_t *cap,
                 size_t size);

#define oq_vec_push(arena, v, x)                                     \
  (oq_vec_grow((arena), &(v)->p, &(v)->n, &(v)->cap, sizeof *(v)->p) \
       ? ((v)->p[(v)->n++] = (x), true)                              \
       : false)

#endif
