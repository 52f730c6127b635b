/* kern/k_quant.c - the three steps of quantization. */
#include "kern/loop.h"

#include "kern/k_math.h"
#include "kern/k_quant.h"

void oq_k_scale_down(float *v, const float *x, const float *scale, size_t step,
                     size_t n) {
  if (step == 0) {
    const float s = *scale;
    OQ_IVDEP
    for (size_t i = 0; i < n; i++) v[i] = x[i] / s;
  } else {
    OQ_IVDEP
    for (size_t i = 0; i < n; i++) v[i] = x[i] / scale[i];
  }
}

/* Bounds are whole, so clamping first and rounding then is the same, and the
 * number fits the rounding trick. */
static inline int64_t round_one(float v, float lo, float hi) {
  const float a = v > lo ? v : lo;
  const float b = a < hi ? a : hi;

  return (int64_t)((b + OQ_ROUND_MAGIC) - OQ_ROUND_MAGIC);
}

void oq_k_saturate(int64_t *q, const float *v, const int64_t *zero, size_t step,
                   size_t n, int64_t qmin, int64_t qmax) {
  for (size_t i = 0; i < n; i++) {
    const int64_t z = zero[i * step];
    q[i] = round_one(v[i], (float)(qmin - z), (float)(qmax - z)) + z;
  }
}

void oq_k_scale_up(float *y, const int64_t *x, const int64_t *zero,
                   const float *scale, size_t step, size_t n) {
  for (size_t i = 0; i < n; i++)
    y[i] = (float)(x[i] - zero[i * step]) * scale[i * step];
}
