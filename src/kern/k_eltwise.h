/* kern/k_eltwise.h - elementwise loops.  Every element type is computed in one
 * of four classes: float (f16, bf16 and f32), double, int64 (all integers that
 * fit, and bool) and uint64; integers wrap. */
#ifndef OQ_KERN_K_ELTWISE_H
#define OQ_KERN_K_ELTWISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum oq_num_class {
  OQ_NUM_F32,
  OQ_NUM_F64,
  OQ_NUM_I64,
  OQ_NUM_U64,
  OQ_NUM_NONE /* strings, complex numbers, and what is packed */
} oq_num_class;

/* By ONNX element type number. */
oq_num_class oq_k_class(int32_t dtype);
/* Is the type stored as its class computes? */
bool oq_k_native(int32_t dtype);
size_t oq_k_class_size(oq_num_class c);

/* n elements from element `at` of `from`, widened to the class of `dtype`, and
 * back: floats rounded to nearest even, integers cut to their low bits. */
void oq_k_load(void *to, const void *from, size_t at, size_t n, int32_t dtype);
void oq_k_store(void *to, size_t at, const void *from, size_t n, int32_t dtype);

/* ---- one input ----------------------------------------------------------- */
#define OQ_UNARY_PARAMS 4
/* y may be x. */
typedef void (*oq_unary_f32)(float *y, const float *x, size_t n,
                             const float *p);
typedef struct oq_unary {
  oq_unary_f32 f32;
  double (*f64)(double x, const double *p); /* NULL: f32 of the number */
  int64_t (*i64)(int64_t x);                /* NULL: f64, cut to an integer */
  uint64_t (*u64)(uint64_t x);              /* NULL: the same */
} oq_unary;

extern const oq_unary oq_k_relu, oq_k_clip, oq_k_sigmoid_op, oq_k_tanh_op,
    oq_k_leaky, oq_k_elu, oq_k_selu, oq_k_celu, oq_k_hard_sigmoid,
    oq_k_hard_swish, oq_k_gelu, oq_k_gelu_tanh, oq_k_softplus, oq_k_softsign,
    oq_k_mish, oq_k_thresholded, oq_k_swish, oq_k_shrink;
extern const oq_unary oq_k_sqrt, oq_k_exp_op, oq_k_log_op, oq_k_reciprocal,
    oq_k_neg, oq_k_abs, oq_k_floor, oq_k_ceil, oq_k_round, oq_k_sign,
    oq_k_erf_op, oq_k_sin, oq_k_cos, oq_k_not;

/* ---- two inputs ---------------------------------------------------------- */
/* y[i] = a[i * sa] op b[i * sb]; sa, sb are 0 or 1; y may be a or b where their
 * step is 1. */
typedef struct oq_binary {
  void (*f32)(float *y, const float *a, size_t sa, const float *b, size_t sb,
              size_t n);
  void (*f64)(double *y, const double *a, size_t sa, const double *b, size_t sb,
              size_t n);
  void (*i64)(int64_t *y, const int64_t *a, size_t sa, const int64_t *b,
              size_t sb, size_t n);
  void (*u64)(uint64_t *y, const uint64_t *a, size_t sa, const uint64_t *b,
              size_t sb, size_t n);
} oq_binary;

extern const oq_binary oq_k_add, oq_k_sub, oq_k_mul, oq_k_div, oq_k_max,
    oq_k_min, oq_k_power, oq_k_prelu, oq_k_mod, oq_k_fmod;

/* y[i] = a[i * sa] op b[i * sb] ? 1 : 0 */
typedef struct oq_compare {
  void (*f32)(uint8_t *y, const float *a, size_t sa, const float *b, size_t sb,
              size_t n);
  void (*f64)(uint8_t *y, const double *a, size_t sa, const double *b,
              size_t sb, size_t n);
  void (*i64)(uint8_t *y, const int64_t *a, size_t sa, const int64_t *b,
              size_t sb, size_t n);
  void (*u64)(uint8_t *y, const uint64_t *a, size_t sa, const uint64_t *b,
              size_t sb, size_t n);
} oq_compare;

extern const oq_compare oq_k_equal, oq_k_less, oq_k_less_equal, oq_k_and,
    oq_k_or, oq_k_xor;

/* y[i] = c[i * sc] ? a[i * sa] : b[i * sb], elements of 1, 2, 4, 8 or 16
 * bytes. */
void oq_k_select(void *y, const uint8_t *c, size_t sc, const void *a, size_t sa,
                 const void *b, size_t sb, size_t n, size_t size);

/* y[0..n) = x[0] of `size` bytes. */
void oq_k_fill(void *y, const void *x, size_t n, size_t size);

/* ---- between element types (Cast) ---------------------------------------- */
/* Widened elements of class `from` to elements of `dtype`.  Floats become
 * integers by cutting off the fraction; what does not fit saturates at 32 bits
 * and is cut to its low bits below; NaN becomes 0. */
void oq_k_convert(void *to, size_t at, int32_t dtype, const void *from,
                  oq_num_class from_class, size_t n);

#endif
