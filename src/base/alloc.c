/* base/alloc.c - the hook, with counting. */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include "base/alloc.h"

#include <stdlib.h>

static void *malloc_aligned(void *user, size_t size, size_t align) {
  void *p = NULL;

  (void)user;
  if (align <= _Alignof(max_align_t)) return malloc(size);
  return posix_memalign(&p, align, size) == 0 ? p : NULL;
}

static void free_any(void *user, void *p, size_t size) {
  (void)user;
  (void)size;
  free(p);
}

void oq_alloc_init(oq_alloc *a, const oq_allocator *hook, uint64_t limit) {
  /* Half a hook would give memory of one heap back to another. */
  const int whole = hook != NULL && hook->alloc != NULL && hook->release;

  a->hook = whole ? *hook : (oq_allocator){malloc_aligned, free_any, NULL};
  a->limit = limit;
  atomic_init(&a->used, 0);
  atomic_init(&a->peak, 0);
}

/* Claims `size` before asking the hook, so that threads together cannot pass
 * the limit. */
static int claim(oq_alloc *a, uint64_t size) {
  uint64_t used = atomic_load_explicit(&a->used, memory_order_relaxed);

  do {
    if (size > UINT64_MAX - used) return 0;
    if (a->limit != 0 && used + size > a->limit) return 0;
  } while (!atomic_compare_exchange_weak_explicit(&a->used, &used, used + size,
                                                  memory_order_relaxed,
                                                  memory_order_relaxed));

  const uint64_t now = used + size;
  uint64_t peak = atomic_load_explicit(&a->peak, memory_order_relaxed);
  while (now > peak && !atomic_compare_exchange_weak_explicit(
                           &a->peak, &peak, now, memory_order_relaxed,
                           memory_order_relaxed)) {}
  return 1;
}

void *oq_alloc_get(oq_alloc *a, size_t size, size_t align) {
  if (size > PTRDIFF_MAX || !claim(a, size)) return NULL;

  void *p = a->hook.alloc(a->hook.user, size != 0 ? size : 1, align);
  if (p == NULL) {
    atomic_fetch_sub_explicit(&a->used, size, memory_order_relaxed);
  }
  return p;
}

void oq_alloc_put(oq_alloc *a, void *p, size_t size) {
  if (p == NULL) return;
  a->hook.release(a->hook.user, p, size != 0 ? size : 1);
  atomic_fetch_sub_explicit(&a->used, size, memory_order_relaxed);
}
