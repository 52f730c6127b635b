/* base/vec.c - the one function behind growable arrays. */
#include "base/vec.h"

#include <string.h>

bool oq_vec_grow(oq_arena *a, void *vec_p, uint32_t *n, uint32_t *cap,
                 size_t size) {
  if (*n < *cap) return true;
  if (*cap > UINT32_MAX / 2) return false;

  const uint32_t room = *cap == 0 ? 8 : *cap * 2;
  void *p = oq_arena_alloc_raw(a, room, size, _Alignof(max_align_t));
  if (p == NULL) return false;

  /* vec_p is the address of a pointer to an unknown type, so it is copied as
   * bytes: reading it as void * would break the aliasing rules. */
  void *old;
  memcpy(&old, vec_p, sizeof old);
  if (*n != 0) memcpy(p, old, *n * size);
  memset((char *)p + *n * size, 0, (room - *n) * size);
  memcpy(vec_p, &p, sizeof p);
  *cap = room;
  return true;
}
