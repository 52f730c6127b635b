/* ops/window - the attributes that convolutions and pools share, and what they
 * make of an axis. */
#ifndef OQ_OPS_WINDOW_H
#define OQ_OPS_WINDOW_H

#include "kern/k_window.h"
#include "ops/op.h"

enum { OQ_PAD_NOTSET, OQ_PAD_SAME_UPPER, OQ_PAD_SAME_LOWER, OQ_PAD_VALID };
extern const char *const oq_window_auto_pads[];

typedef struct oq_window_params {
  int32_t auto_pad;
  oq_i64s kernel, strides, dilations, pads;
} oq_window_params;

/* Rows of an attribute table for a params struct P with a field `window`. */
#define OQ_WINDOW_ATTRS(P)                                                    \
  OQ_A_CHOICE(P, window.auto_pad, "auto_pad", "NOTSET", oq_window_auto_pads), \
      OQ_A_I64S(P, window.kernel, "kernel_shape"),                            \
      OQ_A_I64S(P, window.strides, "strides"),                                \
      OQ_A_I64S(P, window.pads, "pads")
#define OQ_WINDOW_DILATIONS(P) OQ_A_I64S(P, window.dilations, "dilations")

/* Signs and counts, as far as they can be judged without an input. */
oq_status oq_window_check(const oq_graph *g, const oq_node *n,
                          const oq_window_params *p, oq_diags *d);
/* The counts against a number of spatial axes (1 .. OQ_WINDOW_AXES). */
oq_status oq_window_check_rank(const oq_infer *x, const oq_window_params *p,
                               uint32_t axes);

typedef enum oq_rounding {
  OQ_ROUND_FLOOR,
  OQ_ROUND_CEIL /* a window that would start in the tail padding is dropped */
} oq_rounding;

/* Axis `i` of a forward window over `in` positions with `kernel` taps; the
 * output size is in out->out.  `tail` may be NULL: padding at the end.
 * OQ_E_MODEL if no window fits, OQ_E_LIMIT if a size wraps; records nothing. */
oq_status oq_window_axis(oq_axis *out, size_t *tail, const oq_window_params *p,
                         uint32_t i, int64_t in, int64_t kernel,
                         oq_rounding rounding);
/* Records what a failing oq_window_axis means. */
oq_status oq_window_fail(const oq_infer *x, oq_status s, uint32_t i);

#endif
