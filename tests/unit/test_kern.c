/* Kernels against naive versions in double, with error bounds: sizes 0 to 257,
 * odd alignments, canaries behind the end. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "kern/k_eltwise.h"
#include "kern/k_quant.h"
#include "kern/k_reduce.h"
#include "kern/k_softmax.h"
#include "kern/kern.h"
#include "onnxquant/tensor.h"

enum { MOST = 257, ROOM = MOST + 8 };
#define CANARY 12345.678f

static float uniform(uint64_t stream, size_t i, double lo, double hi) {
  return (float)(lo + (hi - lo) * oq_rng_uniform(stream, i));
}

static void randomize(float *x, size_t n, uint64_t stream) {
  for (size_t i = 0; i < n; i++) x[i] = uniform(stream, i, -4, 4);
}

static void assert_close(float got, double want, double rtol, double atol) {
  if (fabs((double)got - want) > atol + rtol * fabs(want))
    fail_msg("got %.9g, expected %.9g", (double)got, want);
}

/* ---- GEMM ---------------------------------------------------------------- */
typedef struct gemm_case {
  size_t m, n, k;
  oq_transpose ta, tb;
  float alpha, beta;
} gemm_case;

static void check_gemm(const oq_kernels *kernels, const gemm_case *g, float *a,
                       float *b, float *c) {
  const size_t lda = (g->ta == OQ_TRANS ? g->m : g->k) + 3;
  const size_t ldb = (g->tb == OQ_TRANS ? g->k : g->n) + 1;
  const size_t ldc = g->n + 2;

  for (size_t i = 0; i < g->m * ldc; i++) c[i] = CANARY;
  if (g->beta != 0.0f)
    for (size_t i = 0; i < g->m; i++)
      for (size_t j = 0; j < g->n; j++) c[i * ldc + j] = (float)(i + j);
  kernels->gemm_f32(g->ta, g->tb, g->m, g->n, g->k, g->alpha, a, lda, b, ldb,
                    g->beta, c, ldc);
  for (size_t i = 0; i < g->m; i++)
    for (size_t j = 0; j < g->n; j++) {
      double sum = 0, size = 1;
      for (size_t p = 0; p < g->k; p++) {
        const float u = g->ta == OQ_TRANS ? a[p * lda + i] : a[i * lda + p];
        const float v = g->tb == OQ_TRANS ? b[j * ldb + p] : b[p * ldb + j];
        sum += (double)u * (double)v;
        size += fabs((double)u * (double)v);
      }
      const double old =
          g->beta != 0.0f ? (double)g->beta * (double)(i + j) : 0;
      assert_close(c[i * ldc + j], (double)g->alpha * sum + old, 1e-6,
                   1e-6 * size);
      if (j + 1 == g->n && i + 1 < g->m)
        assert_true(c[i * ldc + j + 1] == CANARY);
    }
}

static void gemm(void **state) {
  static const size_t sizes[] = {0, 1, 2, 7, 64, 65, 100};
  static float a[120 * 120], b[120 * 120], c[120 * 120];

  (void)state;
  randomize(a, 120 * 120, 1);
  randomize(b, 120 * 120, 2);
  oq_blas_setup();
  for (size_t i = 0; i < 7 * 7 * 7; i++)
    for (unsigned t = 0; t < 4; t++) {
      const gemm_case g = {.m = sizes[i % 7],
                           .n = sizes[i / 7 % 7],
                           .k = sizes[i / 49],
                           .ta = t & 1 ? OQ_TRANS : OQ_NO_TRANS,
                           .tb = t & 2 ? OQ_TRANS : OQ_NO_TRANS,
                           .alpha = i % 2 ? 1.0f : 0.5f,
                           .beta = i % 3 ? 0.0f : 0.25f};
      check_gemm(oq_kernels_find("blas"), &g, a, b, c);
      check_gemm(oq_kernels_find("reference"), &g, a, b, c);
    }
}

/* The reference promises its bits for either layout. */
static void reference_layouts(void **state) {
  static float a[40 * 50], b[50 * 70], bt[70 * 50], c[40 * 70], d[40 * 70];
  const oq_kernels *const k = oq_kernels_find("reference");

  (void)state;
  randomize(a, 40 * 50, 3);
  randomize(b, 50 * 70, 4);
  for (size_t i = 0; i < 50; i++)
    for (size_t j = 0; j < 70; j++) bt[j * 50 + i] = b[i * 70 + j];
  k->gemm_f32(OQ_NO_TRANS, OQ_NO_TRANS, 40, 70, 50, 1, a, 50, b, 70, 0, c, 70);
  k->gemm_f32(OQ_NO_TRANS, OQ_TRANS, 40, 70, 50, 1, a, 50, bt, 50, 0, d, 70);
  assert_memory_equal(c, d, sizeof c);
}

static void tables(void **state) {
  (void)state;
  assert_non_null(oq_kernels_find("auto"));
  assert_string_equal(oq_kernels_find("reference")->name, "reference");
  assert_null(oq_kernels_find("no such"));
  assert_true(strlen(oq_cpu_text()) > 0);
  assert_true(strlen(oq_blas_core()) > 0);
}

/* ---- statistics ---------------------------------------------------------- */
static void minmax(void **state) {
  const oq_kernels *const k = oq_kernels_find("auto");
  float x[ROOM];

  (void)state;
  for (size_t n = 0; n <= MOST; n++)
    for (size_t at = 0; at < 5; at++) {
      float lo = 1, hi = -1, want_lo = INFINITY, want_hi = -INFINITY;
      uint64_t n_nan = 5, n_inf = 7, nans = 5, infs = 7;
      randomize(x, ROOM, n);
      if (n > 3) x[at + n / 3] = NAN;
      if (n > 5) x[at + n / 2] = -INFINITY;
      if (n > 9) x[at + n - 1] = INFINITY;
      for (size_t i = at; i < at + n; i++) {
        nans += isnan(x[i]) != 0;
        infs += isinf(x[i]) != 0;
        if (!isfinite(x[i])) continue;
        want_lo = fminf(want_lo, x[i]);
        want_hi = fmaxf(want_hi, x[i]);
      }
      k->minmax_f32(&lo, &hi, &n_nan, &n_inf, x + at, n);
      assert_int_equal(n_nan, nans);
      assert_int_equal(n_inf, infs);
      if (n == 0) {
        assert_true(lo > hi);
        continue;
      }
      assert_true(lo == want_lo && hi == want_hi);
      float lo2 = -100, hi2 = 0.5f; /* merges with what is there */
      k->minmax_f32(&lo2, &hi2, &n_nan, &n_inf, x + at, n);
      assert_true(lo2 == -100.0f && hi2 == fmaxf(0.5f, want_hi));
    }
}

/* The sign of zero does not depend on where the zeros are. */
static void minmax_zeros(void **state) {
  const oq_kernels *const k = oq_kernels_find("auto");
  const float x[] = {0.0f, -0.0f, -0.0f, 0.0f};

  (void)state;
  for (size_t i = 0; i < 3; i++) {
    float lo = 1, hi = -1;
    uint64_t n = 0;
    k->minmax_f32(&lo, &hi, &n, &n, x + i, 2);
    assert_true(signbit(lo) == 0 && signbit(hi) == 0);
  }
}

/* ---- quantization -------------------------------------------------------- */
static int64_t naive_quantize(float x, float scale, int64_t zero, int64_t lo,
                              int64_t hi) {
  const float v = x / scale;

  if (isnan(v)) return lo;
  const double q = nearbyint((double)v) + (double)zero;
  return q < (double)lo ? lo : q > (double)hi ? hi : (int64_t)q;
}

static void fill_for_quantize(float *x, size_t n, uint64_t stream) {
  static const float special[] = {0.5f,  1.5f, 2.5f,     -0.5f,     -1.5f,
                                  1e30f, NAN,  INFINITY, -INFINITY, -0.0f};

  for (size_t i = 0; i < n; i++)
    x[i] = i % 11 == 10 ? special[i / 11 % 10]
                        : roundf(uniform(stream, i, -200, 200) * 4) / 4;
}

static void quantize_8(void **state) {
  static const float scales[] = {1.0f, 0.1f, 0.3f, 1e-30f, 77.0f};
  static const int32_t zeros_u[] = {0, 128, 255, 7}, zeros_i[] = {0, -128, 127};
  const oq_kernels *const k = oq_kernels_find("auto");
  float x[ROOM], back[ROOM];
  uint8_t u[ROOM];
  int8_t s[ROOM];

  (void)state;
  for (size_t n = 0; n <= MOST; n += n < 70 ? 1 : 17) {
    const float scale = scales[n % 5];
    const int32_t zu = zeros_u[n % 4], zi = zeros_i[n % 3];
    const size_t at = n % 5;
    fill_for_quantize(x, ROOM, n);
    memset(u, 99, sizeof u);
    memset(s, 99, sizeof s);
    k->quantize_u8(u + at, x + at, n, scale, zu, 0, 255);
    k->quantize_i8(s + at, x + at, n, scale, zi, -128, 127);
    assert_int_equal(u[at + n], 99);
    assert_int_equal(s[at + n], 99);
    for (size_t i = at; i < at + n; i++) {
      assert_int_equal(u[i], naive_quantize(x[i], scale, zu, 0, 255));
      assert_int_equal(s[i], naive_quantize(x[i], scale, zi, -128, 127));
    }
    k->dequantize_u8(back + at, u + at, n, scale, zu);
    for (size_t i = at; i < at + n; i++)
      assert_true(back[i] == (float)(u[i] - zu) * scale);
    k->dequantize_i8(back + at, s + at, n, scale, zi);
    for (size_t i = at; i < at + n; i++)
      assert_true(back[i] == (float)(s[i] - zi) * scale);
    /* Narrowed ranges (7-bit weights) saturate too. */
    k->quantize_i8(s + at, x + at, n, scale, 0, -64, 63);
    for (size_t i = at; i < at + n; i++)
      assert_int_equal(s[i], naive_quantize(x[i], scale, 0, -64, 63));
  }
}

static void quantize_steps(void **state) {
  float x[ROOM], scale[ROOM], v[ROOM], y[ROOM];
  int64_t zero[ROOM], q[ROOM];

  (void)state;
  fill_for_quantize(x, ROOM, 9);
  for (size_t i = 0; i < ROOM; i++) {
    scale[i] = uniform(10, i, 0.1, 2);
    zero[i] = (int64_t)(oq_rng_u64(11, i) % 65536) - 32768;
  }
  for (size_t step = 0; step < 2; step++) {
    oq_k_scale_down(v, x, scale, step, MOST);
    oq_k_saturate(q, v, zero, step, MOST, -32768, 32767);
    oq_k_scale_up(y, q, zero, scale, step, MOST);
    for (size_t i = 0; i < MOST; i++) {
      const float s = scale[i * step];
      const int64_t z = zero[i * step];
      assert_int_equal(q[i], naive_quantize(x[i], s, z, -32768, 32767));
      assert_true(y[i] == (float)(q[i] - z) * s);
    }
  }
}

/* ---- two inputs ---------------------------------------------------------- */
typedef struct binary_case {
  const oq_binary *f;
  double (*want)(double a, double b);
} binary_case;

static double d_add(double a, double b) { return a + b; }
static double d_sub(double a, double b) { return a - b; }
static double d_mul(double a, double b) { return a * b; }
static double d_div(double a, double b) { return a / b; }
static double d_max(double a, double b) { return a > b ? a : b; }
static double d_min(double a, double b) { return a < b ? a : b; }
static double d_prelu(double a, double b) { return a < 0 ? a * b : a; }

static const binary_case binaries[] = {
    {&oq_k_add, d_add},    {&oq_k_sub, d_sub}, {&oq_k_mul, d_mul},
    {&oq_k_div, d_div},    {&oq_k_max, d_max}, {&oq_k_min, d_min},
    {&oq_k_prelu, d_prelu}};

static void binary_loops(void **state) {
  float a[ROOM], b[ROOM], y[ROOM];

  (void)state;
  randomize(a, ROOM, 20);
  randomize(b, ROOM, 21);
  for (size_t c = 0; c < sizeof binaries / sizeof *binaries; c++)
    for (size_t n = 0; n <= MOST; n += n < 40 ? 1 : 31)
      for (size_t steps = 0; steps < 4; steps++) {
        const size_t sa = steps & 1, sb = steps >> 1, at = n % 4;
        for (size_t i = 0; i < ROOM; i++) y[i] = CANARY;
        binaries[c].f->f32(y + at, a + 1, sa, b + at, sb, n);
        for (size_t i = 0; i < n; i++)
          assert_close(
              y[at + i],
              binaries[c].want((double)a[1 + i * sa], (double)b[at + i * sb]),
              1e-7, 0);
        assert_true(y[at + n] == CANARY);
      }
}

static void binary_in_place(void **state) {
  float a[ROOM], b[ROOM], y[ROOM];

  (void)state;
  randomize(a, ROOM, 22);
  randomize(b, ROOM, 23);
  oq_k_mul.f32(y, a, 1, b, 1, MOST);
  oq_k_mul.f32(a, a, 1, b, 1, MOST);
  assert_memory_equal(a, y, MOST * sizeof *a);
  oq_k_add.f32(y, b, 1, b, 1, MOST);
  oq_k_add.f32(b, b, 1, b, 1, MOST);
  assert_memory_equal(b, y, MOST * sizeof *b);
}

/* Where C leaves integers undefined we say what comes out. */
static void integer_corners(void **state) {
  const int64_t lo = INT64_MIN, minus = -1, nought = 0, seven = -7, three = 3;
  int64_t y;

  (void)state;
  oq_k_div.i64(&y, &lo, 1, &minus, 1, 1);
  assert_true(y == INT64_MIN);
  oq_k_div.i64(&y, &seven, 1, &nought, 1, 1);
  assert_true(y == 0);
  oq_k_div.i64(&y, &seven, 1, &three, 1, 1);
  assert_true(y == -2);
  oq_k_mod.i64(&y, &seven, 1, &three, 1, 1);
  assert_true(y == 2); /* the sign of the divisor */
  oq_k_fmod.i64(&y, &seven, 1, &three, 1, 1);
  assert_true(y == -1); /* that of the dividend */
  oq_k_mod.i64(&y, &lo, 1, &minus, 1, 1);
  assert_true(y == 0);
  oq_k_sub.i64(&y, &lo, 1, &three, 1, 1);
  assert_true(y == INT64_MAX - 2);
  oq_k_power.i64(&y, &seven, 1, &three, 1, 1);
  assert_true(y == -343);
  oq_k_power.i64(&y, &three, 1, &minus, 1, 1);
  assert_true(y == 0);
  assert_true(oq_k_abs.i64(INT64_MIN) == INT64_MIN);
}

static void nan_in_extremes(void **state) {
  const float a[] = {NAN, 1, NAN, 2}, b[] = {1, NAN, NAN, 3};
  float y[4];

  (void)state;
  oq_k_max.f32(y, a, 1, b, 1, 4);
  assert_true(isnan(y[0]) && isnan(y[1]) && isnan(y[2]) && y[3] == 3.0f);
  oq_k_min.f32(y, a, 1, b, 1, 4);
  assert_true(isnan(y[0]) && isnan(y[1]) && isnan(y[2]) && y[3] == 2.0f);
}

static void comparisons(void **state) {
  const float a[] = {1, 2, 3, NAN, 0.0f}, b[] = {2, 2, 2, NAN, -0.0f};
  const uint8_t eq[] = {0, 1, 0, 0, 1}, lt[] = {1, 0, 0, 0, 0},
                le[] = {1, 1, 0, 0, 1};
  uint8_t y[5];

  (void)state;
  oq_k_equal.f32(y, a, 1, b, 1, 5);
  assert_memory_equal(y, eq, 5);
  oq_k_less.f32(y, a, 1, b, 1, 5);
  assert_memory_equal(y, lt, 5);
  oq_k_less_equal.f32(y, a, 1, b, 1, 5);
  assert_memory_equal(y, le, 5);
}

/* ---- one input ----------------------------------------------------------- */
typedef struct unary_case {
  const oq_unary *f;
  double p[OQ_UNARY_PARAMS];
} unary_case;

/* Float and double version of each function agree. */
static void unary_loops(void **state) {
  const unary_case cases[] = {{&oq_k_relu, {0}},
                              {&oq_k_clip, {-1, 2}},
                              {&oq_k_sigmoid_op, {0}},
                              {&oq_k_tanh_op, {0}},
                              {&oq_k_leaky, {0.25}},
                              {&oq_k_elu, {1.5}},
                              {&oq_k_selu, {1.5, 1.25}},
                              {&oq_k_celu, {0.75}},
                              {&oq_k_hard_sigmoid, {0.25, 0.5}},
                              {&oq_k_hard_swish, {0}},
                              {&oq_k_gelu, {0}},
                              {&oq_k_gelu_tanh, {0}},
                              {&oq_k_softplus, {0}},
                              {&oq_k_softsign, {0}},
                              {&oq_k_mish, {0}},
                              {&oq_k_thresholded, {0.5}},
                              {&oq_k_swish, {1.25}},
                              {&oq_k_shrink, {0.5, 0.25}},
                              {&oq_k_exp_op, {0}},
                              {&oq_k_reciprocal, {0}},
                              {&oq_k_neg, {0}},
                              {&oq_k_abs, {0}},
                              {&oq_k_floor, {0}},
                              {&oq_k_ceil, {0}},
                              {&oq_k_round, {0}},
                              {&oq_k_sign, {0}},
                              {&oq_k_erf_op, {0}},
                              {&oq_k_sin, {0}},
                              {&oq_k_cos, {0}}};
  float x[ROOM], y[ROOM], p[OQ_UNARY_PARAMS];

  (void)state;
  randomize(x, ROOM, 30);
  x[5] = 0.5f, x[6] = 1.5f, x[7] = -2.5f, x[8] = -0.0f;
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
    for (size_t n = 0; n <= MOST; n += n < 40 ? 3 : 31) {
      const size_t at = n % 4;
      for (size_t i = 0; i < OQ_UNARY_PARAMS; i++) p[i] = (float)cases[c].p[i];
      for (size_t i = 0; i < ROOM; i++) y[i] = CANARY;
      cases[c].f->f32(y + at, x + at, n, p);
      for (size_t i = at; i < at + n; i++)
        assert_close(y[i], cases[c].f->f64((double)x[i], cases[c].p), 2e-6,
                     1e-6);
      assert_true(y[at + n] == CANARY);
    }
}

static void rounding(void **state) {
  const float x[] = {0.5f, 1.5f, 2.5f,       -0.5f, -1.5f,
                     3e9f, 0.3f, 8388607.5f, -0.2f, NAN};
  const float r[] = {0.0f, 2.0f, 2.0f,       -0.0f, -2.0f,
                     3e9f, 0.0f, 8388608.0f, -0.0f};
  float y[10], p[OQ_UNARY_PARAMS] = {0};

  (void)state;
  oq_k_round.f32(y, x, 10, p);
  assert_memory_equal(y, r, sizeof r);
  assert_true(isnan(y[9]));
  oq_k_floor.f32(y, x, 10, p);
  for (size_t i = 0; i < 9; i++) assert_true(y[i] == floorf(x[i]));
  oq_k_ceil.f32(y, x, 10, p);
  for (size_t i = 0; i < 9; i++) assert_true(y[i] == ceilf(x[i]));
}

/* ---- conversion ---------------------------------------------------------- */
static void conversions(void **state) {
  const double f[] = {1.9, -1.9, 300, -1, 1e30, -1e30, NAN, 0.0};
  int8_t i8[8];
  int32_t i32[8];
  int64_t i64[8];
  uint64_t u64[8];
  uint8_t b[8];
  uint16_t h[8];

  (void)state;
  oq_k_convert(i8, 0, OQ_DT_I8, f, OQ_NUM_F64, 4);
  assert_true(i8[0] == 1 && i8[1] == -1 && i8[2] == 44 && i8[3] == -1);
  oq_k_convert(i32, 0, OQ_DT_I32, f, OQ_NUM_F64, 8);
  assert_true(i32[4] == INT32_MAX && i32[5] == INT32_MIN && i32[6] == 0);
  oq_k_convert(i64, 0, OQ_DT_I64, f, OQ_NUM_F64, 8);
  assert_true(i64[4] == INT64_MAX && i64[5] == INT64_MIN && i64[6] == 0);
  oq_k_convert(u64, 0, OQ_DT_U64, f, OQ_NUM_F64, 8);
  assert_true(u64[4] == UINT64_MAX && u64[5] == 0 && u64[3] == 0);
  oq_k_convert(b, 0, OQ_DT_BOOL, f, OQ_NUM_F64, 8);
  assert_true(b[0] == 1 && b[6] == 1 && b[7] == 0);
  /* 2049 + tiny is above the middle of two halves: rounded once, not twice. */
  const double above = 2049.0 + 1e-9;
  oq_k_convert(h, 0, OQ_DT_F16, &above, OQ_NUM_F64, 1);
  const double plain = 2050.0;
  oq_k_convert(h, 1, OQ_DT_F16, &plain, OQ_NUM_F64, 1);
  assert_int_equal(h[0], h[1]);
}

static void load_and_store(void **state) {
  static const int32_t types[] = {OQ_DT_F32, OQ_DT_F64, OQ_DT_F16, OQ_DT_BF16,
                                  OQ_DT_U8,  OQ_DT_I8,  OQ_DT_U16, OQ_DT_I16,
                                  OQ_DT_U32, OQ_DT_I32, OQ_DT_I64, OQ_DT_U64};
  static uint8_t from[MOST * 8], to[MOST * 8 + 8];
  uint64_t wide[MOST];

  (void)state;
  for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
    const double v[] = {0, 1, 2, 3, 100, 7, 64};
    for (size_t i = 0; i < MOST; i++)
      oq_k_convert(from, i, types[k], &v[i % 7], OQ_NUM_F64, 1);
    memset(to, 0, sizeof to);
    oq_k_load(wide, from, 1, MOST - 1, types[k]);
    oq_k_store(to, 1, wide, MOST - 1, types[k]);
    const size_t size = k == 0 || types[k] == OQ_DT_U32 || types[k] == OQ_DT_I32
                            ? 4
                        : types[k] == OQ_DT_U8 || types[k] == OQ_DT_I8 ? 1
                        : oq_k_native(types[k])                        ? 8
                                                                       : 2;
    assert_memory_equal(from + size, to + size, (MOST - 1) * size);
  }
  assert_int_equal(oq_k_class(OQ_DT_STRING), OQ_NUM_NONE);
  assert_int_equal(oq_k_class(-1), OQ_NUM_NONE);
  assert_int_equal(oq_k_class(1000), OQ_NUM_NONE);
}

static void fills(void **state) {
  const uint32_t v = 0x12345678;
  uint32_t y[ROOM];

  (void)state;
  for (size_t n = 0; n <= MOST; n++) {
    memset(y, 0, sizeof y);
    oq_k_fill(y, &v, n, sizeof v);
    for (size_t i = 0; i < n; i++) assert_int_equal(y[i], v);
    assert_int_equal(y[n], 0);
  }
}

static void selection(void **state) {
  static const size_t sizes[] = {1, 2, 4, 8, 16};
  const uint8_t c[] = {1, 0, 0, 1, 1};
  uint8_t a[80], b[80], y[80];

  (void)state;
  for (size_t i = 0; i < 80; i++) {
    a[i] = (uint8_t)i;
    b[i] = (uint8_t)(200 - i);
  }
  for (size_t k = 0; k < 5; k++)
    for (size_t steps = 0; steps < 8; steps++) {
      const size_t size = sizes[k], sc = steps & 1, sa = steps >> 1 & 1,
                   sb = steps >> 2;
      oq_k_select(y, c, sc, a, sa, b, sb, 5, size);
      for (size_t i = 0; i < 5; i++)
        assert_memory_equal(y + i * size,
                            c[i * sc] ? a + i * sa * size : b + i * sb * size,
                            size);
    }
}

/* ---- reductions ---------------------------------------------------------- */
static void reductions(void **state) {
  float x[ROOM];

  (void)state;
  randomize(x, ROOM, 40);
  for (size_t n = 0; n <= MOST; n++) {
    const size_t at = n % 5;
    double sum = 0, square = 0, l1 = 0, max = (double)-INFINITY;
    oq_acc s = {.f64 = 0}, q = {.f64 = 0}, a = {.f64 = 0},
           m = {.f64 = (double)-INFINITY};
    for (size_t i = at; i < at + n; i++) {
      const double v = (double)x[i];
      sum += v;
      square += v * v;
      l1 += fabs(v);
      max = v > max ? v : max;
    }
    oq_k_reduce_sum.f32(&s, 0, x + at, n);
    oq_k_reduce_square.f32(&q, 0, x + at, n);
    oq_k_reduce_l1.f32(&a, 0, x + at, n);
    oq_k_reduce_max.f32(&m, 0, x + at, n);
    assert_true(fabs(s.f64 - sum) <= 1e-12 * (1 + l1));
    assert_true(fabs(q.f64 - square) <= 1e-12 * (1 + square));
    assert_true(fabs(a.f64 - l1) <= 1e-12 * (1 + l1));
    assert_true(m.f64 == max);
  }
}

static void reduce_columns(void **state) {
  float x[ROOM];
  oq_acc acc[ROOM];

  (void)state;
  randomize(x, ROOM, 41);
  memset(acc, 0, sizeof acc);
  oq_k_reduce_sum.f32(acc, 1, x, MOST);
  oq_k_reduce_sum.f32(acc, 1, x, MOST);
  for (size_t i = 0; i < MOST; i++) assert_true(acc[i].f64 == 2 * (double)x[i]);
  assert_true(acc[MOST].f64 == 0);
}

static void reduce_integers(void **state) {
  int64_t x[ROOM];
  oq_acc s = {.i64 = 0}, m = {.i64 = INT64_MAX}, p = {.i64 = 1};

  (void)state;
  for (size_t i = 0; i < MOST; i++) x[i] = (int64_t)i - 100;
  oq_k_reduce_sum.i64(&s, 0, x, MOST);
  assert_true(s.i64 == 256 * 257 / 2 - 100 * 257);
  oq_k_reduce_min.i64(&m, 0, x, MOST);
  assert_true(m.i64 == -100);
  oq_k_reduce_prod.i64(&p, 0, x, 100);
  assert_true(p.i64 == 0); /* 100! wraps to 0 */
  x[0] = INT64_MAX;
  x[1] = 1;
  s.i64 = 0;
  oq_k_reduce_sum.i64(&s, 0, x, 2);
  assert_true(s.i64 == INT64_MIN);
}

static void reduce_nan(void **state) {
  float x[20];

  (void)state;
  for (size_t at = 0; at < 20; at++) {
    oq_acc m = {.f64 = (double)-INFINITY};
    randomize(x, 20, 42);
    x[at] = NAN;
    oq_k_reduce_max.f32(&m, 0, x, 20);
    assert_true(isnan(m.f64));
  }
}

static void arguments(void **state) {
  const float x[] = {1, 5, 3, 5, 2, 5, 5, 0};
  const oq_arg first = {4, 2, true, false}, last = {4, 2, true, true},
               least = {4, 2, false, false};
  int64_t out[2];

  (void)state;
  oq_k_arg_f32(out, x, &first); /* columns 1 3 2 5 and 5 5 5 0 */
  assert_true(out[0] == 3 && out[1] == 0);
  oq_k_arg_f32(out, x, &last);
  assert_true(out[0] == 3 && out[1] == 2);
  oq_k_arg_f32(out, x, &least);
  assert_true(out[0] == 0 && out[1] == 3);
}

/* ---- softmax ------------------------------------------------------------- */
static void check_softmax(const float *y, const float *x, size_t n, size_t step,
                          bool log_wanted) {
  double max = (double)-INFINITY, sum = 0;

  for (size_t i = 0; i < n; i++) max = fmax(max, (double)x[i * step]);
  for (size_t i = 0; i < n; i++) sum += exp((double)x[i * step] - max);
  for (size_t i = 0; i < n; i++) {
    const double v = (double)x[i * step] - max;
    if (log_wanted)
      assert_close(y[i * step], v - log(sum), 1e-6, 1e-6);
    else
      assert_close(y[i * step], exp(v) / sum, 1e-6, 1e-30);
  }
}

static void softmax_rows(void **state) {
  float x[ROOM], y[ROOM];

  (void)state;
  for (size_t n = 0; n <= MOST; n++)
    for (unsigned log_wanted = 0; log_wanted < 2; log_wanted++) {
      randomize(x, ROOM, n);
      for (size_t i = 0; i < ROOM; i++) x[i] = x[i] * 20 + 1000;
      for (size_t i = 0; i < ROOM; i++) y[i] = CANARY;
      oq_k_softmax_row(y + n % 4, x + 1, n, log_wanted != 0);
      check_softmax(y + n % 4, x + 1, n, 1, log_wanted != 0);
      assert_true(y[n % 4 + n] == CANARY);
      oq_k_softmax_row(x + 1, x + 1, n, log_wanted != 0);
      assert_memory_equal(x + 1, y + n % 4, n * sizeof *x);
    }
}

static void softmax_columns(void **state) {
  static const size_t widths[] = {1, 2, 127, 128, 129, 200};
  static float x[7 * 200], y[7 * 200];

  (void)state;
  randomize(x, 7 * 200, 50);
  for (size_t k = 0; k < 6; k++)
    for (unsigned log_wanted = 0; log_wanted < 2; log_wanted++) {
      oq_k_softmax_columns(y, x, 7, widths[k], log_wanted != 0);
      for (size_t j = 0; j < widths[k]; j++)
        check_softmax(y + j, x + j, 7, widths[k], log_wanted != 0);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gemm),
      cmocka_unit_test(reference_layouts),
      cmocka_unit_test(tables),
      cmocka_unit_test(minmax),
      cmocka_unit_test(minmax_zeros),
      cmocka_unit_test(quantize_8),
      cmocka_unit_test(quantize_steps),
      cmocka_unit_test(binary_loops),
      cmocka_unit_test(binary_in_place),
      cmocka_unit_test(integer_corners),
      cmocka_unit_test(nan_in_extremes),
      cmocka_unit_test(comparisons),
      cmocka_unit_test(unary_loops),
      cmocka_unit_test(rounding),
      cmocka_unit_test(conversions),
      cmocka_unit_test(load_and_store),
      cmocka_unit_test(fills),
      cmocka_unit_test(selection),
      cmocka_unit_test(reductions),
      cmocka_unit_test(reduce_columns),
      cmocka_unit_test(reduce_integers),
      cmocka_unit_test(reduce_nan),
      cmocka_unit_test(arguments),
      cmocka_unit_test(softmax_rows),
      cmocka_unit_test(softmax_columns),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
