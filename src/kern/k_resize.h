/* kern/k_resize - linear resampling along one axis at a time. */
#ifndef OQ_KERN_K_RESIZE_H
#define OQ_KERN_K_RESIZE_H

#include <stddef.h>

/* Output o of the axis is the sum over t of weight[o * taps + t] times input
 * at[o * taps + t]. */
typedef struct oq_resample {
  size_t in, out, taps;
  const size_t *at;
} oq_resample;

/* y[outer][out][inner] from x[outer][in][inner]. */
void oq_resample_f32(const oq_resample *r, const float *weight, float *y,
                     const float *x, size_t outer, size_t inner);
void oq_resample_f64(const oq_resample *r, const double *weight, double *y,
                     const double *x, size_t outer, size_t inner);

#endif
