/* kern/k_resize - see k_resize.h. */
#include "kern/k_resize.h"

#include "kern/k_simd.h"

#define RESAMPLE(T, sfx)                                              \
  OQ_SIMD_LOOP(line_##sfx,                                            \
               (T *restrict y, size_t n, const T *restrict x,         \
                const size_t *at, const T *w, size_t taps),           \
               (y, n, x, at, w, taps)) {                              \
    for (size_t i = 0; i < n; i++) y[i] = w[0] * x[at[0] * n + i];    \
    for (size_t t = 1; t < taps; t++) {                               \
      const T f = w[t];                                               \
      const T *const from = x + at[t] * n;                            \
      for (size_t i = 0; i < n; i++) y[i] += f * from[i];             \
    }                                                                 \
  }                                                                   \
                                                                      \
  void oq_resample_##sfx(const oq_resample *r, const T *weight, T *y, \
                         const T *x, size_t outer, size_t inner) {    \
    for (size_t o = 0; o < outer; o++, x += r->in * inner) {          \
      for (size_t k = 0; k < r->out; k++, y += inner) {               \
        const size_t *const at = r->at + k * r->taps;                 \
        const T *const w = weight + k * r->taps;                      \
        if (inner != 1) {                                             \
          line_##sfx(y, inner, x, at, w, r->taps);                    \
          continue;                                                   \
        }                                                             \
        T sum = w[0] * x[at[0]];                                      \
        for (size_t t = 1; t < r->taps; t++) sum += w[t] * x[at[t]];  \
        *y = sum;                                                     \
      }                                                               \
    }                                                                 \
  }

RESAMPLE(float, f32)
RESAMPLE(double, f64)
