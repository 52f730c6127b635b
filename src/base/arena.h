/* base/arena.h - everything with one lifetime in one place. */
#ifndef OQ_BASE_ARENA_H
#define OQ_BASE_ARENA_H

#include "base/diag.h"

typedef struct oq_arena oq_arena;
typedef struct oq_mark {
  void *chunk;
  size_t used;
  void *big;
} oq_mark;

/* For one thread at a time.  `limit` counts the bytes in use (with padding),
 * 0 = only that of `a`, which must outlive the arena. */
oq_status oq_arena_create(oq_arena **out, oq_alloc *a, size_t limit);
void oq_arena_destroy(oq_arena *a); /* NULL is fine */
/* Zeroed.  NULL on exhaustion or if n * size wraps; n * size == 0 gives a
 * valid pointer. */
void *oq_arena_alloc(oq_arena *a, size_t n, size_t size, size_t align);
/* The same without zeroing, for big buffers written at once. */
void *oq_arena_alloc_raw(oq_arena *a, size_t n, size_t size, size_t align);
/* Copies n bytes and ends them with NUL. */
char *oq_arena_copy_text(oq_arena *a, const char *p, size_t n);
void *oq_arena_copy(oq_arena *a, const void *p, size_t size, size_t align);
/* printf into the arena; NULL on exhaustion. */
char *oq_arena_format(oq_arena *a, const char *fmt, ...) OQ_PRINTF(2, 3);
oq_mark oq_arena_mark(const oq_arena *a);
/* Everything allocated since the mark is gone (poisoned under ASan).  Marks are
 * a stack: rewinding to one ends all later ones. */
void oq_arena_rewind(oq_arena *a, oq_mark m);
/* In use now. */
size_t oq_arena_bytes(const oq_arena *a);

#define OQ_NEW(arena, T) \
  ((T *)oq_arena_alloc((arena), 1, sizeof(T), _Alignof(T)))
#define OQ_NEW_N(arena, T, n) \
  ((T *)oq_arena_alloc((arena), (n), sizeof(T), _Alignof(T)))
#define OQ_COPY_N(arena, T, p, n) \
  ((T *)oq_arena_copy((arena), (p), (n) * sizeof(T), _Alignof(T)))

#endif
