/* kern/k_moments - sums and sums of squares per channel. */
#ifndef OQ_KERN_K_MOMENTS_H
#define OQ_KERN_K_MOMENTS_H

#include <stddef.h>

/* Adds to sum[n] and square[n] over x[outer][n][inner]; infinities and NaN, in
 * which everything would drown, are left out.  In double, in a fixed order. */
void oq_k_moments(double *sum, double *square, const float *x, size_t outer,
                  size_t n, size_t inner);
/* The same over x[outer][inner][n]: the same bits, if the numbers are. */
void oq_k_moments_last(double *sum, double *square, const float *x,
                       size_t outer, size_t n, size_t inner);

#endif
