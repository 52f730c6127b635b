/* kern/k_softmax.h - softmax of rows and of strided columns. */
#ifndef OQ_KERN_K_SOFTMAX_H
#define OQ_KERN_K_SOFTMAX_H

#include <stdbool.h>
#include <stddef.h>

/* y = softmax(x) or log softmax(x) of n numbers; y may be x.  Sums are double,
 * in lanes that depend on n alone. */
void oq_k_softmax_row(float *y, const float *x, size_t n, bool log);
/* `width` softmaxes side by side: number i of the one at j is x[i * width + j].
 * y may be x. */
void oq_k_softmax_columns(float *y, const float *x, size_t n, size_t width,
                          bool log);
/* The same in double; the one at hand is x[i * step]. */
void oq_k_softmax_f64(double *y, const double *x, size_t n, size_t step,
                      bool log);

#endif
