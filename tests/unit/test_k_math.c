/* Our own float32 functions against libm in double: error bounds in units in
 * the last place over all exponents, and the same bits whatever the position in
 * an array. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"
#include "kern/k_math.h"

static double ulps(float got, double want) {
  const float nearest = (float)want;

  if (isnan(want)) return isnan(got) ? 0 : 1e9;
  if (isinf(nearest) || isinf(got)) return got == nearest ? 0 : 1e9;
  const double unit = fabsf(nearest) < FLT_MIN
                          ? (double)FLT_TRUE_MIN
                          : ldexp(1, ilogb((double)nearest) - 23);
  return fabs((double)got - want) / unit;
}

typedef void (*array_fn)(float *y, const float *x, size_t n);

enum { CHUNK = 257 };

/* Every 4099th float of [lo, hi], and NaN. */
static void within(const char *name, array_fn f, double (*ref)(double),
                   float lo, float hi, double bound) {
  float x[CHUNK], y[CHUNK], worst_at = 0;
  double worst = 0;
  size_t n = 0;

  for (uint64_t u = 0; u <= UINT32_MAX; u += 4099) {
    const float v = oq_f32_of_bits((uint32_t)u);
    if (v < lo || v > hi) continue;
    x[n++] = v;
    if (n < CHUNK && u + 4099 <= UINT32_MAX) continue;
    f(y, x, n);
    for (size_t i = 0; i < n; i++) {
      const double e = ulps(y[i], ref((double)x[i]));
      if (e > worst) {
        worst = e;
        worst_at = x[i];
      }
    }
    n = 0;
  }
  if (worst > bound)
    fail_msg("%s(%a) is %.3f ulp off", name, (double)worst_at, worst);
}

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

static void error_bounds(void **state) {
  (void)state;
  within("exp", oq_k_exp_f32, exp, -INFINITY, INFINITY, 1.0);
  within("log", oq_k_log_f32, log, -INFINITY, INFINITY, 1.0);
  within("tanh", oq_k_tanh_f32, tanh, -INFINITY, INFINITY, 1.5);
  within("sigmoid", oq_k_sigmoid_f32, sigmoid, -INFINITY, INFINITY, 2.25);
  within("erf", oq_k_erf_f32, erf, -INFINITY, INFINITY, 1.25);
}

static void expm1_array(float *y, const float *x, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = oq_k_expm1_neg(x[i]);
}

static void expm1_bound(void **state) {
  (void)state;
  within("expm1_neg", expm1_array, expm1, -INFINITY, 0, 1.0);
}

/* A number gives the same bits alone, in a vector and in its remainder. */
static void position_does_not_matter(void **state) {
  static const array_fn all[] = {oq_k_exp_f32, oq_k_log_f32, oq_k_tanh_f32,
                                 oq_k_sigmoid_f32, oq_k_erf_f32};
  float x[CHUNK], y[CHUNK], one;

  (void)state;
  for (size_t i = 0; i < CHUNK; i++)
    x[i] = (float)(oq_rng_uniform(1, i) * 20 - 10);
  for (size_t k = 0; k < sizeof all / sizeof *all; k++)
    for (size_t n = 1; n <= CHUNK; n += 7) {
      all[k](y, x + CHUNK - n, n);
      for (size_t i = 0; i < n; i++) {
        all[k](&one, &x[CHUNK - n + i], 1);
        assert_int_equal(oq_bits_of_f32(one), oq_bits_of_f32(y[i]));
      }
    }
}

static void in_place(void **state) {
  float x[CHUNK], y[CHUNK];

  (void)state;
  for (size_t i = 0; i < CHUNK; i++)
    x[i] = (float)(oq_rng_uniform(2, i) * 20 - 10);
  oq_k_tanh_f32(y, x, CHUNK);
  oq_k_tanh_f32(x, x, CHUNK);
  assert_memory_equal(x, y, sizeof x);
}

static void special_values(void **state) {
  (void)state;
  assert_true(oq_k_exp(0.0f) == 1.0f);
  assert_true(oq_k_exp(INFINITY) == INFINITY);
  assert_true(oq_k_exp(-INFINITY) == 0.0f);
  assert_true(isnan(oq_k_exp(NAN)));
  assert_true(oq_k_log(1.0f) == 0.0f);
  assert_true(oq_k_log(0.0f) == -INFINITY);
  assert_true(oq_k_log(INFINITY) == INFINITY);
  assert_true(isnan(oq_k_log(-1.0f)));
  assert_true(isnan(oq_k_log(NAN)));
  assert_true(oq_k_tanh(INFINITY) == 1.0f);
  assert_true(signbit(oq_k_tanh(-0.0f)) != 0);
  assert_true(oq_k_sigmoid(0.0f) == 0.5f);
  assert_true(oq_k_sigmoid(-INFINITY) == 0.0f);
  assert_true(oq_k_sigmoid(INFINITY) == 1.0f);
  assert_true(oq_k_erf(INFINITY) == 1.0f);
  assert_true(isnan(oq_k_sigmoid(NAN)) && isnan(oq_k_tanh(NAN)) &&
              isnan(oq_k_erf(NAN)));
}

/* ---- pow ----------------------------------------------------------------- */
static void pow_bound(void **state) {
  (void)state;
  for (uint64_t i = 0; i < 200000; i++) {
    const float x = oq_f32_of_bits((uint32_t)oq_rng_u64(3, i));
    const float y = i % 2 == 0 ? (float)((int64_t)(i % 41) - 20)
                               : (float)(oq_rng_uniform(4, i) * 40 - 20);
    const double e = ulps(oq_k_pow(x, y), pow((double)x, (double)y));
    if (e > 0.51)
      fail_msg("pow(%a, %a) is %f ulp off", (double)x, (double)y, e);
  }
}

/* All pairs of special numbers, as C99 has them. */
static void pow_special(void **state) {
  static const float v[] = {0.0f,     -0.0f,       1.0f,       -1.0f, 2.0f,
                            -2.0f,    0.5f,        -0.5f,      3.0f,  -3.0f,
                            INFINITY, -INFINITY,   NAN,        1e30f, -1e30f,
                            1e-40f,   16777216.0f, 16777215.0f};
  const size_t n = sizeof v / sizeof *v;

  (void)state;
  for (size_t i = 0; i < n; i++)
    for (size_t k = 0; k < n; k++) {
      const float got = oq_k_pow(v[i], v[k]);
      const float want = (float)pow((double)v[i], (double)v[k]);
      if (isnan(want) ? !isnan(got)
                      : got != want || signbit(got) != signbit(want))
        fail_msg("pow(%g, %g) is %g, expected %g", (double)v[i], (double)v[k],
                 (double)got, (double)want);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(error_bounds),
      cmocka_unit_test(expm1_bound),
      cmocka_unit_test(position_does_not_matter),
      cmocka_unit_test(in_place),
      cmocka_unit_test(special_values),
      cmocka_unit_test(pow_bound),
      cmocka_unit_test(pow_special),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
