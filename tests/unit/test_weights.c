/* Weights to integers, and what rounding them does to the mean of a layer's
 * result. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "quant/quant.h"
#include "support/env.h"

static float random_at(uint64_t seed, uint64_t i) {
  return (float)(2 * oq_rng_uniform(seed, i) - 1);
}

static void fill(float *w, size_t n, uint64_t seed) {
  for (size_t i = 0; i < n; i++) w[i] = random_at(seed, i);
}

static oq_ctensor tensor(const float *w, uint32_t rank, const int64_t *dim) {
  oq_ctensor t = {.dtype = OQ_DT_F32, .shape.rank = rank, .data = w};
  size_t n = 1;

  for (uint32_t i = 0; i < rank; i++) {
    t.shape.dim[i] = dim[i];
    n *= (size_t)dim[i];
  }
  t.size = n * sizeof *w;
  return t;
}

static oq_quant_type signed8(void) {
  oq_quant_type t;

  assert_true(oq_quant_type_make(&t, OQ_DT_I8, true));
  return t;
}

/* ---- largest magnitudes ------------------------------------------------ */
static void largest_magnitudes_by_axis(void **state) {
  static const int64_t dim[] = {3, 4, 2, 5};
  float w[3 * 4 * 2 * 5];
  const oq_ctensor t = tensor(w, 4, dim);
  test_env env;

  (void)state;
  assert_true(test_env_open(&env, NULL));
  fill(w, 120, 1);
  for (int32_t axis = -1; axis < 4; axis++) {
    float want[5] = {0}, *got;
    uint32_t n;
    const uint32_t size = axis < 0 ? 1 : (uint32_t)dim[axis];

    for (size_t i = 0; i < 120; i++) {
      const size_t at[] = {i / 40, i / 10 % 4, i / 5 % 2, i % 5};
      float *const m = &want[axis < 0 ? 0 : at[axis]];
      if (fabsf(w[i]) > *m) *m = fabsf(w[i]);
    }
    assert_int_equal(oq_weight_absmax(&got, &n, &t, axis, env.scratch), OQ_OK);
    assert_int_equal(n, size);
    assert_memory_equal(got, want, size * sizeof *want);
  }
  test_env_close(&env);
}

static void what_is_not_finite_is_refused(void **state) {
  static const int64_t dim[] = {2, 3};
  static const float bad[] = {NAN, INFINITY, -INFINITY};
  test_env env;

  (void)state;
  assert_true(test_env_open(&env, NULL));
  for (size_t b = 0; b < 3; b++)
    for (size_t i = 0; i < 6; i++) {
      float w[6] = {1, 2, 3, 4, 5, 6}, *max;
      const oq_ctensor t = tensor(w, 2, dim);
      uint32_t n;

      w[i] = bad[b];
      for (int32_t axis = -1; axis < 2; axis++)
        assert_int_equal(oq_weight_absmax(&max, &n, &t, axis, env.scratch),
                         OQ_E_NUMERIC);
    }
  test_env_close(&env);
}

/* ---- codes ------------------------------------------------------------- */
static int8_t code_of(float w, float scale) {
  const double q = nearbyint((double)(w / scale));

  return (int8_t)fmin(fmax(q, -127), 127);
}

static void codes_of_every_axis(void **state) {
  static const int64_t dim[] = {3, 4, 2, 5};
  static const float scale[] = {0.01f, 0.002f, 0.5f, 0.0078f, 0.1f};
  float w[120];
  const oq_ctensor t = tensor(w, 4, dim);
  const oq_quant_type type = signed8();
  test_env env;

  (void)state;
  assert_true(test_env_open(&env, NULL));
  fill(w, 120, 2);
  for (int32_t axis = -1; axis < 4; axis++) {
    const uint32_t n = axis < 0 ? 1 : (uint32_t)dim[axis];
    oq_store *store;
    size_t size;

    assert_int_equal(
        oq_weight_quantize(&store, &t, axis, scale, n, &type, &env.e), OQ_OK);
    const int8_t *const q = (const int8_t *)oq_store_data(store, &size);
    assert_int_equal(size, 120);
    for (size_t i = 0; i < 120; i++) {
      const size_t at[] = {i / 40, i / 10 % 4, i / 5 % 2, i % 5};
      assert_int_equal(q[i], code_of(w[i], scale[axis < 0 ? 0 : at[axis]]));
    }
    oq_store_unref(store);
  }
  test_env_close(&env);
}

static void codes_of_both_types(void **state) {
  static const float v[] = {-1e9f, -1.26f, -0.25f, 0, 0.1f, 0.25f, 1e9f, NAN};
  oq_quant_type u8, i8;
  uint8_t u[8];
  int8_t s[8];
  test_env env;

  (void)state;
  assert_true(test_env_open(&env, NULL));
  assert_true(oq_quant_type_make(&u8, OQ_DT_U8, false));
  assert_true(oq_quant_type_make(&i8, OQ_DT_I8, false));
  oq_codes_of_floats(u, v, 7, (oq_qparam){0.5f, 3}, &u8, env.e.kernels);
  oq_codes_of_floats(s, v, 7, (oq_qparam){0.5f, 3}, &i8, env.e.kernels);
  /* Halves go to the even neighbour: -0.5 and 0.5 to 0. */
  assert_memory_equal(u, ((uint8_t[]){0, 0, 3, 3, 3, 3, 255}), 7);
  assert_memory_equal(s, ((int8_t[]){-128, 0, 3, 3, 3, 3, 127}), 7);
  test_env_close(&env);
}

/* ---- moments ----------------------------------------------------------- */
static void which_moments_fit(void **state) {
  static const struct {
    uint32_t channels, rank;
    int64_t dim[4];
    int32_t axis;
    bool fits;
  } rows[] = {
      {6, 4, {8, 6, 3, 3}, 0, true},  /* convolution */
      {6, 4, {8, 3, 3, 3}, 0, true},  /* in two groups */
      {6, 4, {6, 1, 3, 3}, 0, true},  /* channel by channel */
      {6, 4, {7, 3, 3, 3}, 0, false}, /* 7 outputs in two groups */
      {6, 4, {8, 4, 3, 3}, 0, false}, /* 6 channels in groups of 4 */
      {0, 4, {8, 6, 3, 3}, 0, false}, /* not known */
      {6, 4, {8, 0, 3, 3}, 0, false}, /* nothing to sum */
      {16, 2, {16, 5}, 1, true},      /* product: columns */
      {16, 2, {5, 16}, 0, true},      /* transposed: rows */
      {15, 2, {16, 5}, 1, false},
      {16, 3, {2, 16, 5}, 2, false}, /* a stack of matrices */
      {16, 1, {16}, 0, false},
      {8, 4, {8, 4, 2, 2}, 1, false}, /* transposed convolution */
  };

  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    const oq_moments m = {rows[i].channels, NULL, NULL};
    const oq_ctensor t = tensor(NULL, rows[i].rank, rows[i].dim);

    assert_int_equal(oq_moments_fit(&m, &t, rows[i].axis), rows[i].fits);
  }
}

static double rounded(float w, float scale) {
  return (double)code_of(w, scale) * (double)scale;
}

/* Data that are the mean of their channel everywhere: then the result of the
 * layer changes by exactly what the function says. */
static void mean_error_of_convolutions(void **state) {
  static const uint32_t groups[] = {1, 2, 3, 6};
  const oq_quant_type type = signed8();

  (void)state;
  for (size_t g = 0; g < 4; g++) {
    const size_t n_out = 12, n_in = 6 / groups[g], taps = 9;
    const int64_t dim[] = {12, (int64_t)n_in, 3, 3};
    float w[12 * 6 * 9], scale[12];
    double mean[6], variance[6] = {0}, error[12];
    const oq_ctensor t = tensor(w, 4, dim);
    const oq_moments m = {6, mean, variance};

    fill(w, n_out * n_in * taps, 3 + g);
    for (size_t c = 0; c < 6; c++) mean[c] = (double)random_at(9, c);
    for (size_t c = 0; c < 12; c++) scale[c] = 0.005f * (float)(c + 1);
    assert_true(oq_moments_fit(&m, &t, 0));
    assert_int_equal(oq_weight_mean_error(error, &t, 0, scale, 12, &m, &type),
                     OQ_OK);
    for (size_t c = 0; c < n_out; c++) {
      const size_t group = c * groups[g] / n_out;
      double want = 0;

      for (size_t k = 0; k < n_in; k++)
        for (size_t i = 0; i < taps; i++) {
          const float v = w[(c * n_in + k) * taps + i];
          want += (rounded(v, scale[c]) - (double)v) * mean[group * n_in + k];
        }
      assert_true(fabs(want - error[c]) < 1e-12);
    }
  }
}

static void mean_error_of_products(void **state) {
  const oq_quant_type type = signed8();
  static const int64_t dim[2][2] = {{7, 5}, {5, 7}}; /* columns, rows */

  (void)state;
  for (int32_t axis = 0; axis < 2; axis++)
    for (uint32_t n_scales = 1; n_scales <= 5; n_scales += 4) {
      float w[35], scale[5] = {0.01f, 0.02f, 0.03f, 0.04f, 0.05f};
      double mean[7], error[5];
      const oq_ctensor t = tensor(w, 2, dim[1 - axis]);
      const oq_moments m = {7, mean, mean};

      fill(w, 35, 20);
      for (size_t k = 0; k < 7; k++) mean[k] = (double)random_at(21, k);
      assert_true(oq_moments_fit(&m, &t, axis));
      assert_int_equal(
          oq_weight_mean_error(error, &t, axis, scale, n_scales, &m, &type),
          OQ_OK);
      for (size_t c = 0; c < 5; c++) {
        double want = 0;

        for (size_t k = 0; k < 7; k++) {
          const float v = axis == 1 ? w[k * 5 + c] : w[c * 7 + k];
          const float s = scale[n_scales == 1 ? 0 : c];
          want += (rounded(v, s) - (double)v) * mean[k];
        }
        assert_true(fabs(want - error[c]) < 1e-12);
      }
    }
}

/* ---- memory ------------------------------------------------------------ */
static oq_status scenario(const oq_allocator *a, void *user) {
  static const int64_t dim[] = {20, 30};
  const oq_quant_type type = signed8();
  const oq_ctensor t = tensor(user, 2, dim);
  float *max;
  uint32_t n;
  oq_store *store = NULL;
  test_env env;

  if (!test_env_open(&env, a)) return OQ_E_MEMORY;
  oq_status s = oq_weight_absmax(&max, &n, &t, 0, env.scratch);
  if (s == OQ_OK) s = oq_weight_quantize(&store, &t, 0, max, n, &type, &env.e);
  oq_store_unref(store);
  test_env_close(&env);
  return s;
}

static void memory_may_run_out(void **state) {
  float w[600];

  (void)state;
  fill(w, 600, 4);
  assert_true(survive_every_allocation(scenario, w) > 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(largest_magnitudes_by_axis),
      cmocka_unit_test(what_is_not_finite_is_refused),
      cmocka_unit_test(codes_of_every_axis),
      cmocka_unit_test(codes_of_both_types),
      cmocka_unit_test(which_moments_fit),
      cmocka_unit_test(mean_error_of_convolutions),
      cmocka_unit_test(mean_error_of_products),
      cmocka_unit_test(memory_may_run_out),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
