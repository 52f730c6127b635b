/* kern/k_recurrent - see k_recurrent.h. */
#include "kern/loop.h"

#include "kern/k_recurrent.h"

#include "kern/k_simd.h"

/* ---- a product with a vector --------------------------------------------- */
OQ_INLINE float fold_lanes(const oq_vf *v) {
  float lane[OQ_LANES];

  oq_vf_store(lane, v);
  for (size_t w = OQ_LANES / 2; w > 0; w /= 2)
    for (size_t k = 0; k < w; k++) lane[k] += lane[k + w];
  return lane[0];
}

enum { ROWS = 4 }; /* that share the loads of x */

OQ_SIMD_LOOP(rows_dot,
             (float *y, const float *w, const float *x, size_t rows, size_t n),
             (y, w, x, rows, n)) {
  size_t j = 0;

  for (; j < rows; j += ROWS) {
    const size_t here = rows - j < ROWS ? rows - j : ROWS;
    oq_vf sum[ROWS] = {{0}};
    float tail[ROWS] = {0};
    size_t i = 0;
    for (; i + OQ_LANES <= n; i += OQ_LANES) {
      oq_vf v, m;
      oq_vf_load(&v, x + i);
      for (size_t k = 0; k < ROWS; k++) {
        oq_vf_load(&m, w + (j + (k < here ? k : 0)) * n + i);
        sum[k] += m * v;
      }
    }
    for (; i < n; i++)
      for (size_t k = 0; k < here; k++) tail[k] += w[(j + k) * n + i] * x[i];
    for (size_t k = 0; k < here; k++) y[j + k] += fold_lanes(&sum[k]) + tail[k];
  }
}

void oq_rows_dot_f32(float *y, const float *w, const float *x, size_t rows,
                     size_t n) {
  rows_dot(y, w, x, rows, n);
}

/* ---- elementwise --------------------------------------------------------- */
#define STEP_LOOPS(T, s)                                                   \
  void oq_add_product_##s(T *y, const T *a, const T *b, size_t n) {        \
    for (size_t i = 0; i < n; i++) y[i] += a[i] * b[i];                    \
  }                                                                        \
                                                                           \
  void oq_blend_##s(T *y, const T *a, const T *b, const T *c, size_t n) {  \
    for (size_t i = 0; i < n; i++) y[i] = a[i] * b[i] + c[i] * y[i];       \
  }                                                                        \
                                                                           \
  void oq_product_##s(T *y, const T *a, const T *b, size_t n) {            \
    for (size_t i = 0; i < n; i++) y[i] = a[i] * b[i];                     \
  }                                                                        \
                                                                           \
  void oq_mix_##s(T *y, const T *z, const T *x, size_t n) {                \
    for (size_t i = 0; i < n; i++) y[i] = (1 - z[i]) * x[i] + z[i] * y[i]; \
  }                                                                        \
                                                                           \
  void oq_limit_##s(T *y, const T *x, T c, size_t n) {                     \
    OQ_IVDEP                                                               \
    for (size_t i = 0; i < n; i++) {                                       \
      const T low = x[i] < -c ? -c : x[i];                                 \
      y[i] = low > c ? c : low;                                            \
    }                                                                      \
  }

STEP_LOOPS(float, f32)
STEP_LOOPS(double, f64)
