/* kern/k_attend - see k_attend.h. */
#include "kern/k_attend.h"

#include <math.h>
#include <string.h>

#include "kern/k_math.h"
#include "kern/k_softmax.h"

/* Scores held at a time, in elements. */
enum { TILE = 1 << 17 };

static size_t tile_rows(const oq_attend *a) {
  const size_t n = TILE / (a->kv_len > 0 ? a->kv_len : 1);

  if (n == 0) return 1;
  return n < a->q_len ? n : a->q_len;
}

size_t oq_attend_scratch(const oq_attend *a, size_t size) {
  return tile_rows(a) * a->kv_len * size;
}

static void product_f32(const oq_kernels *k, oq_transpose tb, size_t m,
                        size_t n, size_t d, float alpha, const float *a,
                        size_t lda, const float *b, size_t ldb, float *c,
                        size_t ldc) {
  if (m == 0 || n == 0) return;
  if (d == 0) {
    for (size_t i = 0; i < m; i++) memset(c + i * ldc, 0, n * sizeof *c);
    return;
  }
  k->gemm_f32(OQ_NO_TRANS, tb, m, n, d, alpha, a, lda, b, ldb, 0, c, ldc);
}

static void product_f64(const oq_kernels *k, oq_transpose tb, size_t m,
                        size_t n, size_t d, double alpha, const double *a,
                        size_t lda, const double *b, size_t ldb, double *c,
                        size_t ldc) {
  (void)k;
  for (size_t i = 0; i < m; i++)
    for (size_t j = 0; j < n; j++) {
      double sum = 0;
      for (size_t p = 0; p < d; p++)
        sum +=
            a[i * lda + p] * (tb == OQ_TRANS ? b[j * ldb + p] : b[p * ldb + j]);
      c[i * ldc + j] = alpha * sum;
    }
}

static void softmax_f32(float *s, size_t n) {
  oq_k_softmax_row(s, s, n, false);
}
static void softmax_f64(double *s, size_t n) {
  oq_k_softmax_f64(s, s, n, 1, false);
}

#define T float
#define NAME(x) x##_f32
#define PRODUCT product_f32
#define TANH oq_k_tanh
#define SOFTMAX softmax_f32
#include "kern/k_attend.inc"
#undef T
#undef NAME
#undef PRODUCT
#undef TANH
#undef SOFTMAX

#define T double
#define NAME(x) x##_f64
#define PRODUCT product_f64
#define TANH tanh
#define SOFTMAX softmax_f64
#include "kern/k_attend.inc"

/* ---- rotary embedding ---------------------------------------------------- */
void oq_rotate_f32(float *y, const float *x, const float *cos, const float *sin,
                   size_t n, size_t rotated, bool interleaved) {
  const size_t half = rotated / 2, step = interleaved ? 2 : 1;
  const size_t apart = interleaved ? 1 : half;

  for (size_t j = 0; j < half; j++) {
    const float a = x[j * step], b = x[j * step + apart];
    y[j * step] = cos[j] * a - sin[j] * b;
    y[j * step + apart] = sin[j] * a + cos[j] * b;
  }
  if (y != x)
    for (size_t j = 2 * half; j < n; j++) y[j] = x[j];
}
