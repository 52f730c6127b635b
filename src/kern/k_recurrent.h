/* kern/k_recurrent - what a step of RNN, GRU and LSTM is made of, besides
 * activations and GEMM. */
#ifndef OQ_KERN_K_RECURRENT_H
#define OQ_KERN_K_RECURRENT_H

#include <stddef.h>

/* y[j] += w[j] . x for each of `rows` rows of n: a product with a vector that
 * reads every weight once, in lanes that depend on n alone. */
void oq_rows_dot_f32(float *y, const float *w, const float *x, size_t rows,
                     size_t n);

/* y += a * b */
void oq_add_product_f32(float *y, const float *a, const float *b, size_t n);
void oq_add_product_f64(double *y, const double *a, const double *b, size_t n);
/* y = a * b + c * y */
void oq_blend_f32(float *y, const float *a, const float *b, const float *c,
                  size_t n);
void oq_blend_f64(double *y, const double *a, const double *b, const double *c,
                  size_t n);
/* y = a * b */
void oq_product_f32(float *y, const float *a, const float *b, size_t n);
void oq_product_f64(double *y, const double *a, const double *b, size_t n);
/* y = (1 - z) * x + z * y */
void oq_mix_f32(float *y, const float *z, const float *x, size_t n);
void oq_mix_f64(double *y, const double *z, const double *x, size_t n);
/* y = x within [-c, c]; NaN passes. */
void oq_limit_f32(float *y, const float *x, float c, size_t n);
void oq_limit_f64(double *y, const double *x, double c, size_t n);

#endif
