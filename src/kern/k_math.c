/* kern/k_math.c - float32 functions over arrays, and those that need double
 * inside. */
#include "kern/loop.h"

#include "kern/k_math.h"

#define LOOP(name, f)                                          \
  void oq_k_##name##_f32(float *y, const float *x, size_t n) { \
    OQ_IVDEP                                                   \
    for (size_t i = 0; i < n; i++) y[i] = f(x[i]);             \
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
  double p = 1.0 / 19;
  for (int i = 17; i >= 1; i -= 2) p = p * z + 1.0 / i;
  return (double)k + 2.0 * s * p * 1.4426950408889634074;
}

/* 2^x, |x| < 1000. */
static double exp2_f64(double x) {
  const double n = nearbyint(x), r = (x - n) * 0.69314718055994530942;
  double p = 1.0;
  uint64_t u;
  double scale;

  for (int i = 14; i >= 1; i--) p = p * r / i + 1.0;
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
