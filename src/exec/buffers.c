/* exec/buffers.c - buffers come in size classes, four to a power of two, so
 * that at most a quarter is lost by rounding; an idle buffer is used again for
 * anything down to half its size. */
#include "exec/buffers.h"

#include <string.h>

#include "base/check.h"

/* Classes tried above the exact one: four are a factor of two. */
#define REACH 4
#define HEAD ((sizeof(oq_buffer) + OQ_ALIGN - 1) / OQ_ALIGN * OQ_ALIGN)

void oq_buffers_init(oq_buffers *b, oq_alloc *a, uint64_t limit) {
  memset(b, 0, sizeof *b);
  b->alloc = a;
  b->limit = limit;
}

/* Sizes count in lines of OQ_ALIGN: 1 2 3 4 5 6 7 8 10 12 14 16 20 ... */
static bool class_of(uint32_t *cls, size_t *bytes, size_t size) {
  const size_t lines = size == 0 ? 1 : (size - 1) / OQ_ALIGN + 1;

  if (lines <= 8) {
    *cls = (uint32_t)lines - 1;
    *bytes = lines * OQ_ALIGN;
    return true;
  }
  /* 2^k < lines <= 2^(k+1), in steps of 2^(k-2) */
  const uint32_t k = 63u - (uint32_t)__builtin_clzll(lines - 1);
  const size_t step = (size_t)1 << (k - 2);
  const size_t q = (lines - 1) / step; /* 4..7 */
  *cls = 8 + (k - 3) * 4 + (uint32_t)(q - 4);
  return oq_mul_size(bytes, (q + 1) * step, OQ_ALIGN);
}

static void release(oq_buffers *b, oq_buffer *x) {
  b->held -= x->size + HEAD;
  oq_alloc_put(b->alloc, x, x->size + HEAD);
}

void oq_buffers_trim(oq_buffers *b) {
  for (uint32_t c = 0; c < OQ_BUFFER_CLASSES; c++) {
    while (b->idle[c] != NULL) {
      oq_buffer *x = b->idle[c];
      b->idle[c] = x->next;
      release(b, x);
    }
  }
}

static oq_buffer *take_idle(oq_buffers *b, uint32_t cls) {
  for (uint32_t c = cls; c <= cls + REACH && c < OQ_BUFFER_CLASSES; c++) {
    oq_buffer *x = b->idle[c];
    if (x == NULL) continue;
    b->idle[c] = x->next;
    return x;
  }
  return NULL;
}

static bool fits(const oq_buffers *b, size_t all) {
  return all <= b->limit && b->held <= b->limit - all;
}

static oq_status take_new(oq_buffer **out, oq_buffers *b, uint32_t cls,
                          size_t bytes) {
  size_t all;
  oq_buffer *x;

  if (!oq_add_size(&all, bytes, HEAD)) return OQ_E_LIMIT;
  if (!fits(b, all)) oq_buffers_trim(b);
  if (!fits(b, all)) return OQ_E_LIMIT;
  x = oq_alloc_get(b->alloc, all, OQ_ALIGN);
  if (x == NULL) {
    oq_buffers_trim(b);
    x = oq_alloc_get(b->alloc, all, OQ_ALIGN);
  }
  if (x == NULL) return OQ_E_MEMORY;
  b->held += all;
  if (b->held > b->held_peak) b->held_peak = b->held;
  x->size = bytes;
  x->cls = cls;
  x->data = (uint8_t *)x + HEAD;
  *out = x;
  return OQ_OK;
}

static void link_used(oq_buffers *b, oq_buffer *x) {
  x->prev = NULL;
  x->next = b->used;
  if (b->used != NULL) b->used->prev = x;
  b->used = x;
}

static void unlink_used(oq_buffers *b, oq_buffer *x) {
  if (x->next != NULL) x->next->prev = x->prev;
  if (x->prev != NULL) {
    x->prev->next = x->next;
  } else {
    b->used = x->next;
  }
}

oq_status oq_buffers_take(oq_buffer **out, oq_buffers *b, size_t size) {
  uint32_t cls;
  size_t bytes;
  oq_buffer *x;

  if (!class_of(&cls, &bytes, size)) return OQ_E_LIMIT;
  x = take_idle(b, cls);
  if (x == NULL) {
    const oq_status s = take_new(&x, b, cls, bytes);
    if (s != OQ_OK) return s;
  }
  link_used(b, x);
  x->refs = 1;
  b->live += x->size;
  if (b->live > b->live_peak) b->live_peak = b->live;
#ifndef NDEBUG
  /* A kernel that forgets a part of its output shall be seen. */
  memset(x->data, 0xff, x->size);
#endif
  *out = x;
  return OQ_OK;
}

void oq_buffers_drop(oq_buffers *b, oq_buffer *x) {
  if (x == NULL || --x->refs > 0) return;
  unlink_used(b, x);
  b->live -= x->size;
  x->next = b->idle[x->cls];
  b->idle[x->cls] = x;
}

void oq_buffers_reclaim(oq_buffers *b) {
  while (b->used != NULL) {
    b->used->refs = 1;
    oq_buffers_drop(b, b->used);
  }
}

void oq_buffers_settle(oq_buffers *b) {
  /* Runs of changing shapes leave buffers behind that no later one fits. */
  if (b->held / 2 > b->live_peak + ((size_t)1 << 20)) oq_buffers_trim(b);
  b->live_peak = b->live;
}
