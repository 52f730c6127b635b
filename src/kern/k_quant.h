/* kern/k_quant.h - QuantizeLinear and DequantizeLinear for any granularity:
 * scales and zero points have a step of 0 or 1. */
#ifndef OQ_KERN_K_QUANT_H
#define OQ_KERN_K_QUANT_H

#include <stddef.h>
#include <stdint.h>

/* v = x / scale. */
void oq_k_scale_down(float *v, const float *x, const float *scale, size_t step,
                     size_t n);
/* q = saturate(round_half_even(v) + zero); qmin <= zero <= qmax; NaN gives
 * qmin. All within 16 bits. */
void oq_k_saturate(int64_t *q, const float *v, const int64_t *zero, size_t step,
                   size_t n, int64_t qmin, int64_t qmax);
/* y = (x - zero) * scale; the difference is exact before it becomes a float. */
void oq_k_scale_up(float *y, const int64_t *x, const int64_t *zero,
                   const float *scale, size_t step, size_t n);

#endif
