/* kern - loops over numbers.  Pointers and sizes in, numbers out; no tensor,
 * no graph, no allocation, no failure.  The only layer that calls BLAS. */
#ifndef OQ_KERN_KERN_H
#define OQ_KERN_KERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum oq_transpose { OQ_NO_TRANS = 0, OQ_TRANS = 1 } oq_transpose;

/* Chosen once per context; plain C first, then what the CPU has on top. */
typedef struct oq_kernels {
  /* c[m,n] = alpha op(a)[m,k] op(b)[k,n] + beta c, row-major, one thread.  The
   * same call gives the same bits whatever runs beside it; a different cut may
   * not.  beta == 0: c is only written. */
  void (*gemm_f32)(oq_transpose ta, oq_transpose tb, size_t m, size_t n,
                   size_t k, float alpha, const float *a, size_t lda,
                   const float *b, size_t ldb, float beta, float *c,
                   size_t ldc);
  /* Statistics of x[0..n): minimum and maximum of the finite values, counts
   * added to. lo > hi on entry means "none yet". */
  void (*minmax_f32)(float *lo, float *hi, uint64_t *n_nan, uint64_t *n_inf,
                     const float *x, size_t n);
  /* y = saturate(round_half_even(x / scale) + zero), ONNX QuantizeLinear. */
  void (*quantize_u8)(uint8_t *y, const float *x, size_t n, float scale,
                      int32_t zero, int32_t qmin, int32_t qmax);
  void (*quantize_i8)(int8_t *y, const float *x, size_t n, float scale,
                      int32_t zero, int32_t qmin, int32_t qmax);
  void (*dequantize_u8)(float *y, const uint8_t *x, size_t n, float scale,
                        int32_t zero);
  void (*dequantize_i8)(float *y, const int8_t *x, size_t n, float scale,
                        int32_t zero);
  bool channels_last; /* the kernels of k_last.h may be used */
  const char *name;   /* "fast", "blas", "reference" */
} oq_kernels;

/* The table for "auto" (the best for this CPU), "blas" or "reference"; NULL if
 * there is no such. */
const oq_kernels *oq_kernels_find(const char *name);

/* Tells BLAS once per process to use one thread per call. */
void oq_blas_setup(void);
/* Name of the core that BLAS chose; never NULL. */
const char *oq_blas_core(void);
const char *oq_cpu_text(void); /* "avx2 avx512f avx512_vnni ..." */

#endif
