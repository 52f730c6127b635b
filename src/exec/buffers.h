/* exec/buffers.h - memory of the values of a run: counted, used again, bounded.
 * For one thread. */
#ifndef OQ_EXEC_BUFFERS_H
#define OQ_EXEC_BUFFERS_H

#include "base/alloc.h"

#define OQ_BUFFER_CLASSES 240

typedef struct oq_buffer {
  struct oq_buffer *next; /* of the idle ones of a class, or of all in use */
  struct oq_buffer *prev; /* while in use */
  size_t size;            /* usable bytes, a class of the pool */
  uint32_t refs;
  uint32_t cls;
  void *data; /* aligned to OQ_ALIGN */
} oq_buffer;

typedef struct oq_buffers {
  oq_alloc *alloc;
  uint64_t limit; /* bytes held */
  size_t held;    /* from the allocator */
  size_t live;    /* of them in use */
  size_t live_peak, held_peak;
  oq_buffer *used; /* all that have references */
  oq_buffer *idle[OQ_BUFFER_CLASSES];
} oq_buffers;

void oq_buffers_init(oq_buffers *b, oq_alloc *a, uint64_t limit);
/* Gives back everything that is idle. */
void oq_buffers_trim(oq_buffers *b);
/* A buffer of at least `size` bytes with one reference.  OQ_E_LIMIT or
 * OQ_E_MEMORY; no finding is recorded. */
oq_status oq_buffers_take(oq_buffer **out, oq_buffers *b, size_t size);
static inline oq_buffer *oq_buffer_ref(oq_buffer *x) {
  if (x != NULL) x->refs++;
  return x;
}
/* NULL is fine. */
void oq_buffers_drop(oq_buffers *b, oq_buffer *x);
/* Ends all references there are, as after a failure whoever has them is gone.
 */
void oq_buffers_reclaim(oq_buffers *b);
/* Ends a run: keeps no more idle memory than a run like it can use. */
void oq_buffers_settle(oq_buffers *b);

#endif
