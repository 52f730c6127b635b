/* kern/k_attend - scaled dot product attention over strided heads. */
#ifndef OQ_KERN_K_ATTEND_H
#define OQ_KERN_K_ATTEND_H

#include <stdbool.h>
#include <stdint.h>

#include "kern/kern.h"

/* Element (batch b, head h, row i, column c) is at b * batch + h * head +
 * i * row + c; all counted in elements. */
typedef struct oq_heads {
  const void *data;
  size_t batch, head, row;
} oq_heads;

/* What is handed out besides the result. */
typedef enum oq_attend_shows {
  OQ_ATTEND_PRODUCT, /* q k' scaled */
  OQ_ATTEND_CAPPED,  /* after the soft cap */
  OQ_ATTEND_BIASED,  /* with masks */
  OQ_ATTEND_SOFTMAX
} oq_attend_shows;

/* Pointers are to numbers of the function's type; q head h meets k and v head
 * h / (q_heads / kv_heads). */
typedef struct oq_attend {
  size_t batch, q_heads, kv_heads, q_len, kv_len, head, v_head;
  oq_heads q, k, v;
  void *y;
  size_t y_batch, y_head, y_row;
  double scale, cap; /* cap 0: none */
  /* Query i of sample b stands at offset[b] + i (NULL: i) and sees keys from
   * that - left to that + right; negative: no bound. */
  const int64_t *offset;
  int64_t left, right;
  const int64_t *valid; /* keys of sample b from here on are padding; or NULL */
  /* Added to the product, -infinity = never; mask.data may be NULL.  Columns
   * from mask_len on are not seen; mask_step is 0 or 1. */
  oq_heads mask;
  size_t mask_len, mask_step;
  void *shown; /* [batch][q_heads][q_len][kv_len], or NULL */
  oq_attend_shows show;
} oq_attend;

/* Bytes of scratch, 64-byte aligned; `size` of an element. */
size_t oq_attend_scratch(const oq_attend *a, size_t size);
/* A query that sees no key gets zeros. */
void oq_attend_f32(const oq_kernels *k, const oq_attend *a, void *scratch);
void oq_attend_f64(const oq_kernels *k, const oq_attend *a, void *scratch);

/* Rotates pairs of the first `rotated` of n numbers of a row: (x[j], x[j +
 * rotated / 2]), or neighbours if `interleaved`.  y may be x. */
void oq_rotate_f32(float *y, const float *x, const float *cos, const float *sin,
                   size_t n, size_t rotated, bool interleaved);
#endif
