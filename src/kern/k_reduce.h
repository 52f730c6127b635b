/* kern/k_reduce.h - reductions: runs of a tensor into accumulators.  Floats
 * accumulate in double, integers in 64 bits, wrapping. */
#ifndef OQ_KERN_K_REDUCE_H
#define OQ_KERN_K_REDUCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef union oq_acc {
  double f64;
  int64_t i64;
  uint64_t u64;
} oq_acc;

/* `x` holds numbers of the class that a function is listed under.  step 0: all
 * of x[0..n) into acc[0], in lanes that depend on n alone; step 1: x[i] into
 * acc[i]. */
typedef void (*oq_reduce_run)(oq_acc *acc, size_t step, const void *x,
                              size_t n);
typedef struct oq_reduce {
  oq_reduce_run f32, f64, i64, u64;
} oq_reduce;

extern const oq_reduce oq_k_reduce_sum, oq_k_reduce_max, oq_k_reduce_min,
    oq_k_reduce_prod, oq_k_reduce_l1, oq_k_reduce_square;

/* acc[i * step].f64 += e^(x[i] - shift[i * step].f64); an infinite shift counts
 * as 0. */
void oq_k_reduce_exp_f32(oq_acc *acc, const oq_acc *shift, size_t step,
                         const float *x, size_t n);
void oq_k_reduce_exp_f64(oq_acc *acc, const oq_acc *shift, size_t step,
                         const double *x, size_t n);

/* out[j] = position of the largest (smallest) of x[i * inner + j], i < n; the
 * first of equals, or the last. n > 0. */
typedef struct oq_arg {
  size_t n, inner;
  bool max, last;
} oq_arg;
void oq_k_arg_f32(int64_t *out, const float *x, const oq_arg *a);
void oq_k_arg_f64(int64_t *out, const double *x, const oq_arg *a);
void oq_k_arg_i64(int64_t *out, const int64_t *x, const oq_arg *a);
void oq_k_arg_u64(int64_t *out, const uint64_t *x, const oq_arg *a);

#endif
