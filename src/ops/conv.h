/* ops/conv - the rule of Conv, for operators that are convolutions with other
 * inputs around them. */
#ifndef OQ_OPS_CONV_H
#define OQ_OPS_CONV_H

#include "kern/k_conv.h"
#include "ops/window.h"

typedef struct oq_conv_params {
  oq_window_params window;
  int64_t group;
  oq_i64s output_padding, output_shape; /* ConvTranspose */
} oq_conv_params;

/* Rows of an attribute table for a params struct P whose field `conv` this is.
 */
#define OQ_CONV_ATTRS(P, conv)                               \
  OQ_A_CHOICE(P, conv.window.auto_pad, "auto_pad", "NOTSET", \
              oq_window_auto_pads),                          \
      OQ_A_I64S(P, conv.window.kernel, "kernel_shape"),      \
      OQ_A_I64S(P, conv.window.strides, "strides"),          \
      OQ_A_I64S(P, conv.window.pads, "pads"),                \
      OQ_A_I64S(P, conv.window.dilations, "dilations"),      \
      OQ_A_I64(P, conv.group, "group", 1, 1, INT32_MAX)

/* out[0]: of type `t`, from the shapes of input 0, of the weight and of the
 * bias (OQ_NONE: there is no such input).  Element types are the caller's. */
oq_status oq_conv_rule(oq_infer *x, const oq_conv_params *p, uint32_t weight,
                       uint32_t bias, oq_dtype t);
/* The problem, once shapes went through the rule. */
oq_conv oq_conv_of(const oq_conv_params *p, const oq_shape *x,
                   const oq_shape *w);
/* The kernel, for nodes whose inputs 0 to 2 are those of Conv. */
oq_status oq_conv_run(oq_run *r, const oq_conv_params *p);

#endif
