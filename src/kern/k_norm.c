/* kern/k_norm - see k_norm.h.  Sums run in sixteen lanes that are folded in
 * pairs: the same order on every machine. */
#include "kern/k_norm.h"

#include <math.h>

#include "kern/k_simd.h"

enum { LANES = 16 };

#define AFFINE(name, T)                                                \
  OQ_SIMD_LOOP(affine_##name, (T * y, const T *x, size_t n, T a, T b), \
               (y, x, n, a, b)) {                                      \
    for (size_t i = 0; i < n; i++) y[i] = x[i] * a + b;                \
  }                                                                    \
  void oq_affine_##name(T *y, const T *x, size_t n, T a, T b) {        \
    affine_##name(y, x, n, a, b);                                      \
  }
AFFINE(f32, float)
AFFINE(f64, double)

#define FOLD(T, lane)                       \
  for (size_t w = LANES / 2; w > 0; w /= 2) \
    for (size_t k = 0; k < w; k++) (lane)[k] += (lane)[k + w];

#define NORM_LOOPS(T, s, SQRT, FABS, POW)                                     \
  static T sum_##s(const T *x, size_t n) {                                    \
    T lane[LANES] = {0};                                                      \
    size_t i = 0;                                                             \
    for (; i + LANES <= n; i += LANES)                                        \
      for (size_t k = 0; k < LANES; k++) lane[k] += x[i + k];                 \
    for (size_t k = 0; i + k < n; k++) lane[k] += x[i + k];                   \
    FOLD(T, lane)                                                             \
    return lane[0];                                                           \
  }                                                                           \
                                                                              \
  /* Sum of (x - c)^2. */                                                     \
  static T squares_##s(const T *x, size_t n, T c) {                           \
    T lane[LANES] = {0};                                                      \
    size_t i = 0;                                                             \
    for (; i + LANES <= n; i += LANES)                                        \
      for (size_t k = 0; k < LANES; k++)                                      \
        lane[k] += (x[i + k] - c) * (x[i + k] - c);                           \
    for (size_t k = 0; i + k < n; k++)                                        \
      lane[k] += (x[i + k] - c) * (x[i + k] - c);                             \
    FOLD(T, lane)                                                             \
    return lane[0];                                                           \
  }                                                                           \
                                                                              \
  void oq_norm_rows_##s(T *y, const T *x, size_t rows, size_t n, T eps,       \
                        bool centre, T *mean, T *inverse) {                   \
    for (size_t r = 0; r < rows; r++, x += n, y += n) {                       \
      const T m = centre ? sum_##s(x, n) / (T)n : 0;                          \
      const T inv = 1 / SQRT(squares_##s(x, n, m) / (T)n + eps);              \
      for (size_t i = 0; i < n; i++) y[i] = (x[i] - m) * inv;                 \
      if (mean != NULL) mean[r] = m;                                          \
      if (inverse != NULL) inverse[r] = inv;                                  \
    }                                                                         \
  }                                                                           \
                                                                              \
  void oq_lrn_##s(const oq_lrn *p, T *y, const T *x, T *sums) {               \
    const size_t before = (p->size - 1) / 2, after = p->size / 2;             \
    const T alpha = (T)(p->alpha / (double)p->size), bias = (T)p->bias;       \
    const T beta = (T)p->beta;                                                \
    for (size_t bc = 0; bc < p->batch * p->channels; bc++) {                  \
      const size_t c = bc % p->channels;                                      \
      const size_t from = c < before ? 0 : c - before;                        \
      const size_t to =                                                       \
          p->channels - c <= after ? p->channels : c + after + 1;             \
      const T *const base = x + (bc - c) * p->inner;                          \
      for (size_t i = 0; i < p->inner; i++) sums[i] = 0;                      \
      for (size_t k = from; k < to; k++) {                                    \
        const T *const row = base + k * p->inner;                             \
        for (size_t i = 0; i < p->inner; i++) sums[i] += row[i] * row[i];     \
      }                                                                       \
      const T *const row = base + c * p->inner;                               \
      T *const out = y + bc * p->inner;                                       \
      if (p->beta == 0.75) { /* the usual one, without a power */             \
        for (size_t i = 0; i < p->inner; i++) {                               \
          const T root = SQRT(bias + alpha * sums[i]);                        \
          out[i] = row[i] / (root * SQRT(root));                              \
        }                                                                     \
      } else {                                                                \
        for (size_t i = 0; i < p->inner; i++)                                 \
          out[i] = row[i] / POW(bias + alpha * sums[i], beta);                \
      }                                                                       \
    }                                                                         \
  }                                                                           \
                                                                              \
  void oq_lp_norm_##s(T *y, const T *x, size_t outer, size_t n, size_t inner, \
                      int p) {                                                \
    for (size_t o = 0; o < outer; o++) {                                      \
      for (size_t i = 0; i < inner; i++) {                                    \
        const T *const from = x + o * n * inner + i;                          \
        T *const to = y + o * n * inner + i;                                  \
        T sum = 0;                                                            \
        for (size_t k = 0; k < n; k++) {                                      \
          const T v = from[k * inner];                                        \
          sum += p == 1 ? FABS(v) : v * v;                                    \
        }                                                                     \
        if (p == 2) sum = SQRT(sum);                                          \
        for (size_t k = 0; k < n; k++)                                        \
          to[k * inner] = sum == 0 ? 0 : from[k * inner] / sum;               \
      }                                                                       \
    }                                                                         \
  }

NORM_LOOPS(float, f32, sqrtf, fabsf, powf)
NORM_LOOPS(double, f64, sqrt, fabs, pow)
