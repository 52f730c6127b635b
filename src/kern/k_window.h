/* kern/k_window - windows sliding over 1 to 6 spatial axes: the geometry that
 * convolutions and pools share, and the "row engine" that turns a window into
 * unit-stride loads. */
#ifndef OQ_KERN_K_WINDOW_H
#define OQ_KERN_K_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OQ_WINDOW_AXES = 6 }; /* OQ_MAX_RANK without batch and channel */

/* Output o and tap k of an axis meet input o * stride + k * dilation - pad. */
typedef struct oq_axis {
  size_t in, out, kernel, stride, dilation, pad;
} oq_axis;

typedef struct oq_windows {
  uint32_t n; /* axes, 1 .. OQ_WINDOW_AXES; the last one is contiguous */
  oq_axis axis[OQ_WINDOW_AXES];
  size_t in_size, out_size, taps; /* products over all axes */
} oq_windows;

/* Fills the products from the axes. They were checked not to wrap. */
void oq_windows_finish(oq_windows *w);
/* Input position of (output o, tap k); false if it lies outside. */
static inline bool oq_axis_at(size_t *at, const oq_axis *a, size_t o,
                              size_t k) {
  const size_t p = o * a->stride + k * a->dilation;

  if (p < a->pad || p - a->pad >= a->in) return false;
  *at = p - a->pad;
  return true;
}
/* Outputs [*lo, *hi) of the axis for which tap k lies inside. */
void oq_axis_inside(size_t *lo, size_t *hi, const oq_axis *a, size_t k);

/* ---- rows ---------------------------------------------------------------- */
/* Planes (channels of samples) are cut into strips: a range of outputs of axis
 * 0 and of the last axis.  The input rows that a strip needs are copied once,
 * padded with `fill` on all sides and split into `stride` phases of the last
 * axis.  Then tap i of an output row is a run of floats with unit stride at a
 * distance off[i] that is the same for all rows. */
typedef struct oq_strips {
  oq_windows w;
  size_t outer, cols; /* outputs per strip: of axis 0 (1 if n == 1), of rows */
  size_t phase, row;  /* floats of one phase of a row, of a row */
  size_t rows;        /* padded input rows held at once */
  size_t pitch[OQ_WINDOW_AXES]; /* floats between positions of an outer axis */
} oq_strips;

/* false if the rows of one output row take more than a few megabytes. */
bool oq_strips_plan(oq_strips *s, const oq_windows *w);
/* Bytes of scratch for oq_strips_run; 64-byte aligned. */
size_t oq_strips_scratch(const oq_strips *s);

/* Output rows [row, row + n_rows) of a plane, columns [first, first + n). Tap i
 * of column c of row r reads at[r * step + off[i] + c]; readable up to the next
 * multiple of 16 columns. */
typedef struct oq_row_block {
  const float *at;
  size_t step;
  const size_t *off; /* of each tap of the window, row-major */
  size_t plane, row, n_rows, first, n;
} oq_row_block;
typedef void (*oq_row_fn)(void *user, const oq_row_block *b);

/* Calls `fn` for all outputs of x[planes][in]: strip by strip, in each all
 * planes. */
void oq_strips_run(const oq_strips *s, const float *x, size_t planes,
                   float fill, oq_row_fn fn, void *user, void *scratch);

#endif
