/* kern/k_conv - convolutions in float32 over NCHW with any number of spatial
 * axes, through GEMM on bounded tiles, and a direct way for depthwise ones. */
#ifndef OQ_KERN_K_CONV_H
#define OQ_KERN_K_CONV_H

#include "kern/k_window.h"
#include "kern/kern.h"

/* Conv: y[batch][groups*out_ch][out] from x[batch][groups*in_ch][in] and
 * w[groups*out_ch][in_ch][taps].  ConvTranspose: the same geometry seen from
 * the other side: x lies on the window's *outputs*, y on its *inputs*, and
 * w[groups*in_ch][out_ch][taps]. Channel counts are per group. */
typedef struct oq_conv {
  size_t batch, groups, in_ch, out_ch;
  oq_windows w;
} oq_conv;

/* Bytes of scratch, a function of the problem only; never more than a few
 * megabytes. */
size_t oq_conv_scratch(const oq_conv *c);
size_t oq_conv_transpose_scratch(const oq_conv *c);

/* `bias` may be NULL: one per output channel.  `scratch` 64-byte aligned. */
void oq_conv_f32(const oq_kernels *k, const oq_conv *c, float *y,
                 const float *x, const float *w, const float *bias,
                 void *scratch);
void oq_conv_transpose_f32(const oq_kernels *k, const oq_conv *c, float *y,
                           const float *x, const float *w, const float *bias,
                           void *scratch);

/* Plain loops in double. */
void oq_conv_f64(const oq_conv *c, double *y, const double *x, const double *w,
                 const double *bias);
void oq_conv_transpose_f64(const oq_conv *c, double *y, const double *x,
                           const double *w, const double *bias);

#endif
