/* kern/kern.c - the tables of kernels, and those of them that are not BLAS in
 * plain C.  Loops are written so that a compiler vectorises them without
 * changing a bit: lanes are fixed, rounding is explicit. */
#include "kern/kern.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "kern/k_math.h"
#include "kern/tables.h"

/* ---- statistics ---------------------------------------------------------- */
enum { LANES = 4 };
typedef float lanes_f32 __attribute__((vector_size(LANES * sizeof(float))));
typedef int32_t lanes_i32 __attribute__((vector_size(LANES * sizeof(float))));

typedef struct stats {
  lanes_f32 lo, hi;
  lanes_i32 nans, infs;
} stats;

static lanes_f32 all_f32(float v) { return (lanes_f32){0} + v; }

static lanes_f32 choose(lanes_i32 mask, lanes_f32 a, lanes_f32 b) {
  return (lanes_f32)(((lanes_i32)a & mask) | ((lanes_i32)b & ~mask));
}

/* What is finite goes into the range, by its bits; comparisons give -1. */
static void add_lanes(stats *s, lanes_f32 v) {
  const lanes_i32 size = (lanes_i32)v & INT32_MAX;
  const lanes_i32 inf_bits = (lanes_i32){0} + 0x7f800000;
  const lanes_i32 finite = size < inf_bits;
  const lanes_f32 low = choose(finite, v, all_f32(INFINITY));
  const lanes_f32 high = choose(finite, v, all_f32(-INFINITY));

  s->lo = choose(low < s->lo, low, s->lo);
  s->hi = choose(high > s->hi, high, s->hi);
  s->nans -= size > inf_bits;
  s->infs -= size == inf_bits;
}

/* `s` to the totals. */
static void add_stats(float *lo, float *hi, uint64_t *n_nan, uint64_t *n_inf,
                      const stats *s) {
  for (size_t k = 0; k < LANES; k++) {
    if (s->lo[k] < *lo) *lo = s->lo[k];
    if (s->hi[k] > *hi) *hi = s->hi[k];
    *n_nan += (uint64_t)s->nans[k];
    *n_inf += (uint64_t)s->infs[k];
  }
}

static void minmax_block(float *lo, float *hi, uint64_t *n_nan, uint64_t *n_inf,
                         const float *x, size_t n) {
  const stats none = {all_f32(INFINITY), all_f32(-INFINITY), {0}, {0}};
  stats s = none, t = none; /* two chains hide the latency of one */
  lanes_f32 v, w;

  for (; n >= 2 * LANES; n -= 2 * LANES, x += 2 * LANES) {
    memcpy(&v, x, sizeof v);
    memcpy(&w, x + LANES, sizeof w);
    add_lanes(&s, v);
    add_lanes(&t, w);
  }
  add_stats(lo, hi, n_nan, n_inf, &t);
  for (; n >= LANES; n -= LANES, x += LANES) {
    memcpy(&v, x, sizeof v);
    add_lanes(&s, v);
  }
  if (n > 0) { /* the rest, filled up with its first number ... */
    float rest[LANES] = {0};
    for (size_t k = 0; k < LANES; k++) rest[k] = x[k < n ? k : 0];
    memcpy(&v, rest, sizeof v);
    add_lanes(&s, v);
    /* ... which then counts LANES - n times too often */
    *n_nan -= (LANES - n) * (x[0] != x[0]);
    *n_inf -= (LANES - n) * (fabsf(x[0]) > FLT_MAX);
  }
  add_stats(lo, hi, n_nan, n_inf, &s);
}

enum { TILE = 8192 };

static void minmax_tile(float *lo, float *hi, uint64_t *n_nan, uint64_t *n_inf,
                        const float *x, size_t n) {
  const size_t whole = n / OQ_RANGE_STEP * OQ_RANGE_STEP;
  float range[2];

  if (whole == 0 || !oq_range_x86(range, x, whole)) {
    minmax_block(lo, hi, n_nan, n_inf, x, n);
    return;
  }
  if (range[0] < *lo) *lo = range[0];
  if (range[1] > *hi) *hi = range[1];
  if (whole < n) minmax_block(lo, hi, n_nan, n_inf, x + whole, n - whole);
}

static void minmax_f32(float *lo, float *hi, uint64_t *n_nan, uint64_t *n_inf,
                       const float *x, size_t n) {
  float l = INFINITY, h = -INFINITY;

  for (size_t i = 0; i < n; i += TILE)
    minmax_tile(&l, &h, n_nan, n_inf, x + i, n - i < TILE ? n - i : TILE);
  if (l > h) return; /* nothing finite */
  /* Which zero comes first must not show. */
  l += 0.0f;
  h += 0.0f;
  if (*lo > *hi) {
    *lo = l;
    *hi = h;
    return;
  }
  if (l < *lo) *lo = l;
  if (h > *hi) *hi = h;
}

/* ---- 8-bit quantization ----------------------------------------------------
 */
/* The bounds are integers, so clamping before rounding gives what rounding
 * before clamping gives, and the number fits the trick above.  NaN becomes the
 * lower bound. */
static inline int32_t quantize_one(float x, float scale, int32_t zero, float lo,
                                   float hi) {
  const float v = x / scale;
  const float a = v > lo ? v : lo;
  const float b = a < hi ? a : hi;

  return (int32_t)((b + OQ_ROUND_MAGIC) - OQ_ROUND_MAGIC) + zero;
}

static void quantize_u8(uint8_t *y, const float *x, size_t n, float scale,
                        int32_t zero, int32_t qmin, int32_t qmax) {
  const float lo = (float)(qmin - zero), hi = (float)(qmax - zero);

  for (size_t i = 0; i < n; i++)
    y[i] = (uint8_t)quantize_one(x[i], scale, zero, lo, hi);
}

static void quantize_i8(int8_t *y, const float *x, size_t n, float scale,
                        int32_t zero, int32_t qmin, int32_t qmax) {
  const float lo = (float)(qmin - zero), hi = (float)(qmax - zero);

  for (size_t i = 0; i < n; i++)
    y[i] = (int8_t)quantize_one(x[i], scale, zero, lo, hi);
}

static void dequantize_u8(float *y, const uint8_t *x, size_t n, float scale,
                          int32_t zero) {
  for (size_t i = 0; i < n; i++) y[i] = (float)((int32_t)x[i] - zero) * scale;
}

static void dequantize_i8(float *y, const int8_t *x, size_t n, float scale,
                          int32_t zero) {
  for (size_t i = 0; i < n; i++) y[i] = (float)((int32_t)x[i] - zero) * scale;
}

/* ---- reference GEMM ------------------------------------------------------ */
/* The sum over k is in order, one float accumulator per element: the same bits
 * everywhere, and for either layout of a and b. */
enum { TILE_N = 64 };

static void gemm_row_tile(float acc[TILE_N], oq_transpose tb, size_t width,
                          size_t k, const float *a, size_t a_step,
                          const float *b, size_t ldb) {
  const size_t k_step = tb == OQ_TRANS ? 1 : ldb;
  const size_t n_step = tb == OQ_TRANS ? ldb : 1;

  for (size_t j = 0; j < width; j++) acc[j] = 0.0f;
  for (size_t p = 0; p < k; p++) {
    const float v = a[p * a_step];
    const float *const row = b + p * k_step;
    if (n_step == 1) {
      for (size_t j = 0; j < width; j++) acc[j] += v * row[j];
    } else {
      for (size_t j = 0; j < width; j++) acc[j] += v * row[j * n_step];
    }
  }
}

void oq_gemm_reference(oq_transpose ta, oq_transpose tb, size_t m, size_t n,
                       size_t k, float alpha, const float *a, size_t lda,
                       const float *b, size_t ldb, float beta, float *c,
                       size_t ldc) {
  float acc[TILE_N];
  const size_t a_step = ta == OQ_TRANS ? lda : 1;
  const size_t a_row = ta == OQ_TRANS ? 1 : lda;
  const size_t b_col = tb == OQ_TRANS ? ldb : 1;

  for (size_t j = 0; j < n; j += TILE_N) {
    const size_t width = n - j < TILE_N ? n - j : TILE_N;
    for (size_t i = 0; i < m; i++) {
      float *const to = c + i * ldc + j;
      const size_t at_a = k > 0 ? i * a_row : 0, at_b = k > 0 ? j * b_col : 0;
      gemm_row_tile(acc, tb, width, k, a + at_a, a_step, b + at_b, ldb);
      if (beta == 0.0f) {
        for (size_t q = 0; q < width; q++) to[q] = alpha * acc[q];
      } else {
        for (size_t q = 0; q < width; q++)
          to[q] = alpha * acc[q] + beta * to[q];
      }
    }
  }
}

/* ---- tables -------------------------------------------------------------- */
#define PLAIN                                                 \
  .minmax_f32 = minmax_f32, .quantize_u8 = quantize_u8,       \
  .quantize_i8 = quantize_i8, .dequantize_u8 = dequantize_u8, \
  .dequantize_i8 = dequantize_i8

static const oq_kernels reference = {PLAIN, .gemm_f32 = oq_gemm_reference,
                                     .name = "reference"};
static const oq_kernels fast = {PLAIN, .gemm_f32 = oq_gemm_x86,
                                .channels_last = true, .name = "fast"};
static const oq_kernels blas = {PLAIN, .gemm_f32 = oq_gemm_blas,
                                .name = "blas"};

const oq_kernels *oq_kernels_find(const char *name) {
  if (strcmp(name, "auto") == 0) return oq_gemm_x86_usable() ? &fast : &blas;
  if (strcmp(name, "blas") == 0) return &blas;
  if (strcmp(name, "reference") == 0) return &reference;
  return NULL;
}
