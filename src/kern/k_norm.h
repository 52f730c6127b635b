/* kern/k_norm - normalisations over runs of numbers, in float32 and float64. */
#ifndef OQ_KERN_K_NORM_H
#define OQ_KERN_K_NORM_H

#include <stdbool.h>
#include <stddef.h>

/* y = x * a + b */
void oq_affine_f32(float *y, const float *x, size_t n, float a, float b);
void oq_affine_f64(double *y, const double *x, size_t n, double a, double b);

/* Each of `rows` runs of n: y = (x - mean) / sqrt(variance + eps), or with
 * `centre` false y = x / sqrt(mean of squares + eps).  `mean`, `inverse` (1 /
 * root; one per row) may be NULL. y may be x. */
void oq_norm_rows_f32(float *y, const float *x, size_t rows, size_t n,
                      float eps, bool centre, float *mean, float *inverse);
void oq_norm_rows_f64(double *y, const double *x, size_t rows, size_t n,
                      double eps, bool centre, double *mean, double *inverse);

/* Local response over channels; `sums` holds `inner` numbers. */
typedef struct oq_lrn {
  size_t batch, channels, inner, size;
  double alpha, beta, bias;
} oq_lrn;
void oq_lrn_f32(const oq_lrn *p, float *y, const float *x, float *sums);
void oq_lrn_f64(const oq_lrn *p, double *y, const double *x, double *sums);

/* Along the middle axis of [outer][n][inner]: x / (sum |x|^p)^(1/p), p 1 or 2;
 * 0 where the norm is 0. */
void oq_lp_norm_f32(float *y, const float *x, size_t outer, size_t n,
                    size_t inner, int p);
void oq_lp_norm_f64(double *y, const double *x, size_t outer, size_t n,
                    size_t inner, int p);

#endif
