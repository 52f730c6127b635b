/* kern/k_gemm - plain matrix products for the types BLAS does not serve here.
 * Unsigned types wrap, and so serve the signed ones too. */
#ifndef OQ_KERN_K_GEMM_H
#define OQ_KERN_K_GEMM_H

#include <stddef.h>
#include <stdint.h>

#include "kern/kern.h"

/* c[m,n] = alpha op(a) op(b) + beta c; everything dense and row-major.
 * beta == 0: c is only written. */
void oq_gemm_f64(oq_transpose ta, oq_transpose tb, size_t m, size_t n, size_t k,
                 double alpha, const double *a, const double *b, double beta,
                 double *c);
void oq_gemm_u32(oq_transpose ta, oq_transpose tb, size_t m, size_t n, size_t k,
                 uint32_t alpha, const uint32_t *a, const uint32_t *b,
                 uint32_t beta, uint32_t *c);
void oq_gemm_u64(oq_transpose ta, oq_transpose tb, size_t m, size_t n, size_t k,
                 uint64_t alpha, const uint64_t *a, const uint64_t *b,
                 uint64_t beta, uint64_t *c);
/* gemm_f32 of the table for dense matrices, empty ones included. */
void oq_gemm_f32_dense(const oq_kernels *kn, oq_transpose ta, oq_transpose tb,
                       size_t m, size_t n, size_t k, float alpha,
                       const float *a, const float *b, float beta, float *c);

#endif
