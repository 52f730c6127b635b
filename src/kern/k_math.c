/* kern/k_math.c - float32 functions over arrays, and those that need double
 * inside. */
#include "kern/loop.h"

#include "kern/k_math.h"
#include "kern/k_simd.h"

#define LOOP(name, f)                                                          \
  OQ_SIMD_LOOP(name##_loop, (float *y, const float *x, size_t n), (y, x, n)) { \
    OQ_IVDEP                                                                   \
    for (size_t i = 0; i < n; i++) y[i] = f(x[i]);                             \
  }                                                                            \
  void oq_k_##name##_f32(float *y, const float *x, size_t n) {                 \
    name##_loop(y, x, n);                                                      \
  }

LOOP(exp, oq_k_exp)
LOOP(log, oq_k_log)
LOOP(tanh, oq_k_tanh)
LOOP(sigmoid, oq_k_sigmoid)
LOOP(erf, oq_k_erf)

/* ---- pow ----------------------------------------------------------------- */
/* log2 of a positive finite number, absolute error below 1e-14. */
static double log2_f64(double x) {
  uint64_t u;
  double m;

  memcpy(&u, &x, sizeof u); /* a float is never subnormal as a double */
  int64_t k = (int64_t)(u >> 52) - 1023;
  u = (u & UINT64_C(0x000fffffffffffff)) | UINT64_C(0x3ff0000000000000);
  memcpy(&m, &u, sizeof m);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    k++;
  }
  /* log m = 2 atanh(s), |s| <= 0.1716 */
  const double s = (m - 1.0) / (m + 1.0), z = s * s;
  static const double c[] = {1.0 / 19, 1.0 / 17, 1.0 / 15, 1.0 / 13, 1.0 / 11,
                             1.0 / 9,  1.0 / 7,  1.0 / 5,  1.0 / 3,  1.0};
  double p = c[0];
  for (size_t i = 1; i < sizeof c / sizeof *c; i++) p = p * z + c[i];
  return (double)k + 2.0 * s * p * 1.4426950408889634074;
}

/* 2^x, |x| < 1000. */
static double exp2_f64(double x) {
  const double n = (x + 0x1.8p52) - 0x1.8p52,
               r = (x - n) * 0.69314718055994530942;
  uint64_t u;
  double scale;

  static const double c[] = {1.0 / 6227020800,
                             1.0 / 479001600,
                             1.0 / 39916800,
                             1.0 / 3628800,
                             1.0 / 362880,
                             1.0 / 40320,
                             1.0 / 5040,
                             1.0 / 720,
                             1.0 / 120,
                             1.0 / 24,
                             1.0 / 6,
                             1.0 / 2,
                             1.0,
                             1.0}; /* 1 / k! */
  double p = c[0];
  for (size_t i = 1; i < sizeof c / sizeof *c; i++) p = p * r + c[i];
  u = (uint64_t)((int64_t)n + 1023) << 52;
  memcpy(&scale, &u, sizeof scale);
  return p * scale;
}

static float finite_pow(double x, double y) {
  const double e = y * log2_f64(x);

  if (e > 200) return INFINITY;
  if (e < -200) return 0.0f;
  return (float)exp2_f64(e);
}

enum parity { FRACTION, EVEN, ODD };

static enum parity parity_of(float y) {
  const float a = fabsf(y);

  if (a >= 16777216.0f) return EVEN; /* infinity too */
  if (floorf(a) != a) return FRACTION;
  return ((uint32_t)a & 1u) != 0 ? ODD : EVEN;
}

float oq_k_pow(float x, float y) {
  const enum parity parity = parity_of(y);
  const float a = fabsf(x);
  float r;

  if (y == 0.0f || x == 1.0f) return 1.0f;
  if (x != x || y != y) return x + y;
  if (isinf(y)) {
    if (a == 1.0f) return 1.0f;
    return (a > 1.0f) == (y > 0.0f) ? INFINITY : 0.0f;
  }
  if (a == 0.0f || isinf(a))
    r = (a > 1.0f) == (y > 0.0f) ? INFINITY : 0.0f;
  else if (x < 0.0f && parity == FRACTION)
    return NAN;
  else
    r = finite_pow((double)a, (double)y);
  return signbit(x) != 0 && parity == ODD ? -r : r;
}
