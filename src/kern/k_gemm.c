/* kern/k_gemm - see k_gemm.h. */
#include "kern/k_gemm.h"

#define PLAIN_GEMM(name, T)                                                  \
  void name(oq_transpose ta, oq_transpose tb, size_t m, size_t n, size_t k,  \
            T alpha, const T *a, const T *b, T beta, T *c) {                 \
    const size_t ai = ta == OQ_TRANS ? 1 : k, ap = ta == OQ_TRANS ? m : 1;   \
    const size_t bp = tb == OQ_TRANS ? 1 : n, bj = tb == OQ_TRANS ? k : 1;   \
                                                                             \
    for (size_t i = 0; i < m; i++) {                                         \
      T *const row = c + i * n;                                              \
      for (size_t j = 0; j < n; j++) row[j] = beta == 0 ? 0 : beta * row[j]; \
      for (size_t p = 0; p < k; p++) {                                       \
        const T f = alpha * a[i * ai + p * ap];                              \
        for (size_t j = 0; j < n; j++) row[j] += f * b[p * bp + j * bj];     \
      }                                                                      \
    }                                                                        \
  }

PLAIN_GEMM(oq_gemm_f64, double)
PLAIN_GEMM(oq_gemm_u32, uint32_t)
PLAIN_GEMM(oq_gemm_u64, uint64_t)

/* BLAS refuses leading dimensions of 0. */
void oq_gemm_f32_dense(const oq_kernels *kn, oq_transpose ta, oq_transpose tb,
                       size_t m, size_t n, size_t k, float alpha,
                       const float *a, const float *b, float beta, float *c) {
  if (m == 0 || n == 0) return;
  if (k == 0) {
    for (size_t i = 0; i < m * n; i++) c[i] = beta == 0.0f ? 0.0f : beta * c[i];
    return;
  }
  kn->gemm_f32(ta, tb, m, n, k, alpha, a, ta == OQ_TRANS ? m : k, b,
               tb == OQ_TRANS ? k : n, beta, c, n);
}
