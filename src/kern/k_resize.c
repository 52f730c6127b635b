/* kern/k_resize - see k_resize.h. */
#include "kern/k_resize.h"

#define RESAMPLE(T, sfx)                                                   \
  static void line_##sfx(T *y, size_t n, const T *x, const size_t *at,     \
                         const T *w, size_t taps) {                        \
    for (size_t i = 0; i < n; i++) y[i] = w[0] * x[at[0] * n + i];         \
    for (size_t t = 1; t < taps; t++) {                                    \
      const T f = w[t];                                                    \
      const T *const from = x + at[t] * n;                                 \
      for (size_t i = 0; i < n; i++) y[i] += f * from[i];                  \
    }                                                                      \
  }                                                                        \
                                                                           \
  void oq_resample_##sfx(const oq_resample *r, const T *weight, T *y,      \
                         const T *x, size_t outer, size_t inner) {         \
    for (size_t o = 0; o < outer; o++, x += r->in * inner) {               \
      for (size_t k = 0; k < r->out; k++, y += inner)                      \
        line_##sfx(y, inner, x, r->at + k * r->taps, weight + k * r->taps, \
                   r->taps);                                               \
    }                                                                      \
  }

RESAMPLE(float, f32)
RESAMPLE(double, f64)
