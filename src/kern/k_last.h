/* kern/k_last - float kernels over channels-last tensors: [batch][positions]
 * [channels].  One micro-kernel serves convolutions of every kind: it reads its
 * input rows through pointers, so nothing is copied into columns first, and
 * multiplies them with weights packed once.  Every output is one chain of fused
 * multiply-adds over (tap, input channel) that starts at the bias, whatever the
 * cut and the instruction set: the bits are the same everywhere. */
#ifndef OQ_KERN_K_LAST_H
#define OQ_KERN_K_LAST_H

#include "kern/k_conv.h"

/* Whether this CPU has what these kernels need; without it none of the others
 * here may be called. */
bool oq_last_usable(void);

/* ---- convolution --------------------------------------------------------- */
/* Whether the way below is a good one for groups of these sizes: not where most
 * of a vector of output channels would be empty. */
bool oq_last_conv_fits(const oq_conv *c);

/* Floats of the packed weights of groups * out_ch filters with in_ch * taps
 * terms each; counts are per group.  0: more than a size can say. */
size_t oq_last_pack_size(size_t groups, size_t in_ch, size_t out_ch,
                         size_t taps);
/* From w[groups * out_ch][in_ch][taps]; `to` aligned to 64 bytes. */
void oq_last_pack(float *to, const float *w, size_t groups, size_t in_ch,
                  size_t out_ch, size_t taps);

/* Bytes of scratch, 64-byte aligned. */
size_t oq_last_conv_scratch(const oq_conv *c);
/* y[batch][out][groups * out_ch] from x[batch][in][groups * in_ch]; `bias` of
 * all output channels or NULL. */
void oq_last_conv_f32(const oq_conv *c, float *y, const float *x,
                      const float *packed, const float *bias, void *scratch);

/* ---- matrix product ------------------------------------------------------ */
/* Packs b[k][n], or b[n][k] if `transposed`, into oq_last_pack_size(1, k, n, 1)
 * floats. */
void oq_last_pack_matrix(float *to, const float *b, size_t k, size_t n,
                         bool transposed);
size_t oq_last_matmul_scratch(size_t m, size_t k, size_t n);
/* y[m][n] = a[m][k] b[k][n] + bias[n], which may be NULL. */
void oq_last_matmul_f32(size_t m, size_t k, size_t n, float *y, const float *a,
                        const float *packed, const float *bias, void *scratch);

/* ---- what a set of instructions brings ----------------------------------- */
enum {
  OQ_LAST_ROWS = 12, /* outputs that a micro-kernel may make at once */
  OQ_LAST_VECS = 4,  /* vectors of 16 channels beside each other */
  OQ_LAST_LANES = 16
};

/* Outputs i < rows, channels j < cols:
 *   y[i * y_step + j] = bias[j] + sum over t < taps, c < run of
 *                       at[t * OQ_LAST_ROWS + i][c] * w[(t * run + c) * w_step
 *                       + j]
 * w and bias readable up to the next multiple of 16 of cols. */
typedef struct oq_last_block {
  const float *const *at;
  size_t taps, run;
  const float *w;
  size_t w_step;
  const float *bias;
  float *y;
  size_t y_step, cols;
} oq_last_block;

typedef struct oq_last_isa {
  /* By vectors - 1: the most rows of a block; fewer are fine. */
  uint8_t rows[OQ_LAST_VECS];
  void (*block)(size_t rows, size_t vecs, const oq_last_block *q);
  /* Depthwise, up to OQ_LAST_ROWS rows: y[i * y_step + j] = bias[j] + sum over
   * t < taps of at[t * OQ_LAST_ROWS + i][j] * w[t * w_step + j], j < cols. */
  void (*depth)(size_t rows, const oq_last_block *q);
  /* y[j] = the largest of at[t][j] for t < taps and, with `more`, of y[j];
   * NaN wins. */
  void (*max)(float *y, const float *const *at, size_t taps, size_t n,
              bool more);
} oq_last_isa;

/* NULL where this CPU has not what it takes.  For tests; oq_last_isa_best is
 * what all others use. */
const oq_last_isa *oq_last_isa_avx512(void);
const oq_last_isa *oq_last_isa_avx2(void);
const oq_last_isa *oq_last_isa_best(void);
void oq_last_conv_f32_as(const oq_last_isa *isa, const oq_conv *c, float *y,
                         const float *x, const float *packed, const float *bias,
                         void *scratch);

/* ---- layout -------------------------------------------------------------- */
/* [batch][channels][n] <-> [batch][n][channels], elements of 1, 2, 4 or 8
 * bytes: to[b][j][i] = from[b][i][j] for i < rows, j < cols. */
void oq_last_transpose(void *to, const void *from, size_t batch, size_t rows,
                       size_t cols, size_t element);

#endif
