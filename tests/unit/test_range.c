/* Grids and range methods. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "kern/kern.h"
#include "quant/quant.h"

static oq_quant_type type_of(oq_dtype t, bool symmetric) {
  oq_quant_type q;

  assert_true(oq_quant_type_make(&q, t, symmetric));
  return q;
}

static void grids(void **state) {
  oq_quant_type t;

  (void)state;
  t = type_of(OQ_DT_U8, false);
  assert_int_equal(t.qmin, 0);
  assert_int_equal(t.qmax, 255);
  t = type_of(OQ_DT_I8, true);
  assert_int_equal(t.qmin, -127);
  assert_int_equal(t.qmax, 127);
  t = type_of(OQ_DT_I16, false);
  assert_int_equal(t.qmin, -32768);
  t = type_of(OQ_DT_I4, true);
  assert_int_equal(t.qmin, -7);
  assert_int_equal(t.qmax, 7);
  assert_false(oq_quant_type_make(&t, OQ_DT_I32, false));
  assert_false(oq_quant_type_make(&t, OQ_DT_F32, false));
}

static void parameters(void **state) {
  const oq_quant_type u8 = type_of(OQ_DT_U8, false);
  const oq_quant_type s8 = type_of(OQ_DT_I8, true);
  oq_qparam p;

  (void)state;
  p = oq_qparam_of_range(&u8, (oq_range){0, 6});
  assert_true(p.scale == (float)(6.0 / 255) && p.zero == 0);
  p = oq_qparam_of_range(&u8, (oq_range){2, 6}); /* widened to hold 0 */
  assert_true(p.scale == (float)(6.0 / 255) && p.zero == 0);
  p = oq_qparam_of_range(&u8, (oq_range){-1, 1});
  assert_int_equal(p.zero, 128); /* 127.5 to even */
  p = oq_qparam_of_range(&u8, (oq_range){-6, 0});
  assert_int_equal(p.zero, 255);
  p = oq_qparam_of_range(&s8, (oq_range){-3, 1});
  assert_true(p.scale == (float)(3.0 / 127) && p.zero == 0);
  p = oq_qparam_of_range(&u8, (oq_range){0, 0});
  assert_true(p.scale == 1.0f && p.zero == 0);
  p = oq_qparam_of_range(&u8, (oq_range){-1e-45, 1e-45});
  assert_true(p.scale >= FLT_MIN);
  p = oq_qparam_of_range(&u8, (oq_range){-FLT_MAX, FLT_MAX});
  assert_true(isfinite(p.scale) && p.scale > 0);
}

static void zero_maps_to_itself(void **state) {
  (void)state;
  for (uint64_t i = 0; i < 2000; i++) {
    const double lo = -pow(10, 20 * oq_rng_uniform(1, i) - 10);
    const double hi = pow(10, 20 * oq_rng_uniform(2, i) - 10);
    const oq_quant_type t = type_of(i % 2 ? OQ_DT_U8 : OQ_DT_I8, i % 4 > 1);
    const oq_qparam p = oq_qparam_of_range(&t, (oq_range){lo, hi});
    const double x = lo + (hi - lo) * oq_rng_uniform(3, i);
    const double y = oq_qparam_apply(&t, p, x);

    assert_true(oq_qparam_apply(&t, p, 0.0) == 0.0);
    /* Half a step, and half a step more where the zero point was rounded. */
    assert_true(fabs(y - x) <= 1.0001 * (double)p.scale);
    assert_true(oq_qparam_apply(&t, p, y) == y); /* idempotent */
  }
}

/* ---- methods ---------------------------------------------------------- */
typedef struct fixture {
  oq_alloc alloc;
  oq_arena *arena;
  oq_record bulk; /* Gaussian, one value far out */
} fixture;

static float gauss(uint64_t seed, uint64_t i) {
  const double u = oq_rng_uniform(seed, 2 * i) + 1e-12;
  const double v = oq_rng_uniform(seed, 2 * i + 1);

  return (float)(sqrt(-2 * log(u)) * cos(6.283185307179586 * v));
}

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  const size_t n = 100000;
  float *x = malloc(n * sizeof *x);

  oq_alloc_init(&f->alloc, NULL, 0);
  assert_int_equal(oq_arena_create(&f->arena, &f->alloc, 0), OQ_OK);
  for (size_t i = 0; i < n; i++) x[i] = gauss(5, i);
  x[777] = 100.0f;
  oq_record_init(&f->bulk);
  assert_int_equal(
      oq_record_feed(&f->bulk, x, n, oq_kernels_find("auto"), f->arena), OQ_OK);
  free(x);
  *state = f;
  return 0;
}

static int teardown(void **state) {
  fixture *f = *state;

  oq_arena_destroy(f->arena);
  free(f);
  return 0;
}

static oq_range choose(const char *name, const oq_record *r,
                       double percentile) {
  const oq_quant_type t = type_of(OQ_DT_U8, false);
  const oq_range_options o = {percentile};
  const oq_range_method *m = oq_range_method_find(name);

  assert_non_null(m);
  return m->choose(r, &t, &o);
}

static void minmax_is_everything(void **state) {
  const fixture *f = *state;
  const oq_range r = choose("minmax", &f->bulk, 0);

  assert_true(r.lo == (double)f->bulk.lo && r.hi == 100.0);
}

static void percentile_cuts_the_tail(void **state) {
  const fixture *f = *state;
  const oq_range r = choose("percentile", &f->bulk, 99.9);

  /* 0.05 % beyond on each side of a Gaussian: 3.29 sigma. */
  assert_true(fabs(r.hi - 3.29) < 0.15 && fabs(r.lo + 3.29) < 0.15);
  const oq_range all = choose("percentile", &f->bulk, 100);
  assert_true(all.hi == 100.0 && all.lo == (double)f->bulk.lo);
}

static void entropy_leaves_the_outlier(void **state) {
  const fixture *f = *state;
  const oq_range r = choose("entropy", &f->bulk, 0);

  assert_true(r.hi < 20 && r.hi > 2);
}

static void mse_is_least(void **state) {
  const fixture *f = *state;
  const oq_quant_type t = type_of(OQ_DT_U8, false);
  const oq_range mse = choose("mse", &f->bulk, 0);
  const double least = oq_range_error(&f->bulk, &t, mse, NULL, NULL);
  const char *others[] = {"auto", "minmax", "percentile", "entropy"};

  for (int i = 0; i < 4; i++) {
    const oq_range r = choose(others[i], &f->bulk, 99.99);

    assert_true(least <= oq_range_error(&f->bulk, &t, r, NULL, NULL) * 1.02);
  }
}

static void auto_clips_no_more_than_mse(void **state) {
  const fixture *f = *state;
  const oq_quant_type t = type_of(OQ_DT_U8, false);
  double clip_auto, clip_mse;

  (void)oq_range_error(&f->bulk, &t, choose("auto", &f->bulk, 0), NULL,
                       &clip_auto);
  (void)oq_range_error(&f->bulk, &t, choose("mse", &f->bulk, 0), NULL,
                       &clip_mse);
  assert_true(clip_auto <= clip_mse);
}

/* The error read from the bins against the error of the numbers themselves. */
static void error_estimate_is_close(void **state) {
  fixture *f = *state;
  const oq_quant_type t = type_of(OQ_DT_U8, false);
  enum { N = 30000 };
  float *x = malloc(N * sizeof *x);
  oq_record r;
  double sum = 0;

  for (size_t i = 0; i < N; i++) x[i] = fmaxf(0.0f, gauss(9, i));
  oq_record_init(&r);
  assert_int_equal(oq_record_feed(&r, x, N, oq_kernels_find("auto"), f->arena),
                   OQ_OK);
  const oq_range range = {0, 2.0};
  const oq_qparam p = oq_qparam_of_range(&t, range);
  for (size_t i = 0; i < N; i++) {
    const double d = (double)x[i] - oq_qparam_apply(&t, p, (double)x[i]);

    sum += d * d;
  }
  free(x);
  assert_true(fabs(oq_range_error(&r, &t, range, NULL, NULL) / (sum / N) - 1) <
              0.02);
}

static void odd_records_survive(void **state) {
  fixture *f = *state;
  const float cases[][2] = {
      {0, 0}, {5, 5}, {-5, -5}, {1e-42f, 1e-43f}, {3e38f, -3e38f}};
  const char *names[] = {"auto", "minmax", "percentile", "entropy", "mse"};

  for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
    oq_record r;

    oq_record_init(&r);
    assert_int_equal(
        oq_record_feed(&r, cases[c], 2, oq_kernels_find("auto"), f->arena),
        OQ_OK);
    for (int i = 0; i < 5; i++) {
      const oq_range range = choose(names[i], &r, 99.99);

      assert_true(isfinite(range.lo) && isfinite(range.hi));
      assert_true(range.lo <= range.hi);
    }
  }
}

#define METHOD(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(grids),
      cmocka_unit_test(parameters),
      cmocka_unit_test(zero_maps_to_itself),
      METHOD(minmax_is_everything),
      METHOD(percentile_cuts_the_tail),
      METHOD(entropy_leaves_the_outlier),
      METHOD(mse_is_least),
      METHOD(auto_clips_no_more_than_mse),
      METHOD(error_estimate_is_close),
      METHOD(odd_records_survive),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
