/* base/alloc.h - the one door to the heap: hook, alignment, accounting. */
#ifndef OQ_BASE_ALLOC_H
#define OQ_BASE_ALLOC_H

#include <stdatomic.h>

#include "onnxquant/context.h"

/* Thread-safe as far as the hook is (malloc is).  `limit` 0 = none. */
typedef struct oq_alloc {
  oq_allocator hook;
  uint64_t limit;
  _Atomic uint64_t used, peak;
} oq_alloc;

/* Tensor buffers are aligned and padded to this. */
#define OQ_ALIGN 64

/* `hook` may be NULL or hold NULL functions: malloc and free. */
void oq_alloc_init(oq_alloc *a, const oq_allocator *hook, uint64_t limit);
/* NULL if the hook fails or the limit would be passed.  Not zeroed. */
void *oq_alloc_get(oq_alloc *a, size_t size, size_t align);
/* `size` as given to oq_alloc_get; `p` may be NULL. */
void oq_alloc_put(oq_alloc *a, void *p, size_t size);

#endif
