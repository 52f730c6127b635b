/* kern/k_math.h - float32 functions of our own: the same bits on every machine
 * and for every libm, at most 2 ulp off (sigmoid: 2.25), without branches so
 * that a loop over them vectorises.  NaN passes through.  They rely on rounding
 * to nearest. */
#ifndef OQ_KERN_K_MATH_H
#define OQ_KERN_K_MATH_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t oq_bits_of_f32(float x) {
  uint32_t u;

  memcpy(&u, &x, sizeof u);
  return u;
}

static inline float oq_f32_of_bits(uint32_t u) {
  float x;

  memcpy(&x, &u, sizeof x);
  return x;
}

/* 1.5 * 2^23: adding it leaves the integer nearest to x (halves to even) in the
 * low bits of the sum, for |x| <= 2^22. */
#define OQ_ROUND_MAGIC 12582912.0f

/* Constants of exp: log2(e), and ln 2 as a short and a long part. */
#define OQ_LOG2E 1.44269504088896341f
#define OQ_LN2_HI 0.693359375f
#define OQ_LN2_LO -2.12194440e-4f

/* 2^k, -126 <= k <= 127. */
static inline float oq_k_pow2(int32_t k) {
  return oq_f32_of_bits((uint32_t)(k + 127) << 23);
}

/* x = n ln 2 + r with |r| <= ln 2 / 2; e^r - 1 by a polynomial (Cephes, expf).
 * What r lost to rounding is added back. */
static inline float oq_k_exp_parts(float x, int32_t *n) {
  const float t = x * OQ_LOG2E + OQ_ROUND_MAGIC;
  const float k = t - OQ_ROUND_MAGIC;
  const float high = x - k * OQ_LN2_HI; /* exact */
  const float r = high - k * OQ_LN2_LO;
  const float lost = (high - r) - k * OQ_LN2_LO;
  float p = 1.9875691500e-4f;

  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  /* Read from the bits, where NaN does no harm: the low 9, signed. */
  *n = (int32_t)(oq_bits_of_f32(t) << 23) >> 23;
  return ((p * r) * r + lost) + r;
}

/* 2^n is applied in two halves, so that results overflow and underflow as they
 * should. */
static inline float oq_k_exp(float x) {
  const float a = x < -104.0f ? -104.0f : x;
  const float b = a > 89.0f ? 89.0f : a;
  int32_t n;
  const float p = oq_k_exp_parts(b, &n);
  const int32_t half = n >> 1;

  return ((p + 1.0f) * oq_k_pow2(half)) * oq_k_pow2(n - half);
}

/* e^x - 1 for x <= 0 (0 for x > 0), without cancellation near 0. */
static inline float oq_k_expm1_neg(float x) {
  const float a = x < -20.0f ? -20.0f : x;
  const float b = a > 0.0f ? 0.0f : a;
  int32_t n;
  const float p = oq_k_exp_parts(b, &n);
  const float scale = oq_k_pow2(n);

  return p * scale + (scale - 1.0f);
}

/* Of |x|, so that e^-|x| neither overflows nor cancels. */
static inline float oq_k_sigmoid(float x) {
  const float e = oq_k_exp(-fabsf(x));
  const float top = x < 0.0f ? e : 1.0f;

  return x != x ? x : top / (1.0f + e);
}

/* Small: odd polynomial (Cephes, tanhf); else 1 - 2 / (e^2x + 1). */
static inline float oq_k_tanh(float x) {
  const float a = fabsf(x);
  const float z = x * x;
  float p = -5.70498872745e-3f;

  p = p * z + 2.06390887954e-2f;
  p = p * z - 5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z - 3.33332819422e-1f;
  p = (p * z) * x + x;
  const float big = 1.0f - 2.0f / (oq_k_exp(a + a) + 1.0f);
  return copysignf(a < 0.625f ? p : big, x); /* -0 stays -0 */
}

/* m 2^k with sqrt(1/2) <= m < sqrt 2; log m by a polynomial (Cephes, logf). */
static inline float oq_k_log(float x) {
  const float small = x < 1.17549435e-38f ? 33554432.0f : 1.0f; /* 2^25 */
  const float shift = x < 1.17549435e-38f ? 25.0f : 0.0f;
  const uint32_t u = oq_bits_of_f32(x * small);
  const uint32_t v = u - 0x3f3504f3u; /* sqrt(1/2) */
  const float k = (float)((int32_t)v >> 23) - shift;
  const float m =
      oq_f32_of_bits(u - (uint32_t)((int32_t)v >> 23) * 0x00800000u) - 1.0f;
  const float z = m * m;
  float p = 7.0376836292e-2f;

  p = p * m - 1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m - 1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m - 1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m - 2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  float y = (p * m) * z;
  y = y + k * OQ_LN2_LO;
  y = y - 0.5f * z;
  y = (m + y) + k * OQ_LN2_HI;
  const float finite = x == INFINITY ? x : y;
  const float positive = x == 0.0f ? -INFINITY : finite;
  return x >= 0.0f ? positive : NAN;
}

/* Near 0 an odd polynomial, else 1 - e^p(|x|). */
static inline float oq_k_erf(float x) {
  const float a = fabsf(x);
  const float t = a > 4.0f ? 4.0f : a; /* 1 from there on */
  const float s = t * t;
  float p = -5.96761703e-4f, q;

  p = p * s + 4.99119423e-3f;
  p = p * s - 2.67681349e-2f;
  p = p * s + 1.12819925e-1f;
  p = p * s - 3.76125336e-1f;
  p = p * s + 1.28379166e-1f;
  p = p * x + x;
  q = (-1.72853470e-5f * t + 3.83197126e-4f) * s +
      (-3.88396438e-3f * t + 2.42546219e-2f);
  q = q * t - 1.06777877e-1f;
  q = q * t - 6.34846687e-1f;
  q = q * t - 1.28717512e-1f;
  q = q * t - t;
  const float big = copysignf(1.0f - oq_k_exp(q), x);
  return a > 0.927734375f ? big : p;
}

/* ---- k_math.c: slower ones, in double inside ----------------------------- */
/* x^y as C99 defines it, rounded from a double good to 2^-45. */
float oq_k_pow(float x, float y);

/* y = f(x), n times; y may be x. */
void oq_k_exp_f32(float *y, const float *x, size_t n);
void oq_k_log_f32(float *y, const float *x, size_t n);
void oq_k_tanh_f32(float *y, const float *x, size_t n);
void oq_k_sigmoid_f32(float *y, const float *x, size_t n);
void oq_k_erf_f32(float *y, const float *x, size_t n);

#endif
