/* First and second moments per channel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "calib/calib.h"

typedef struct fixture {
  oq_alloc alloc;
  oq_arena *arena;
} fixture;

static int setup(void **state) {
  static fixture f;

  oq_alloc_init(&f.alloc, NULL, 0);
  *state = &f;
  return oq_arena_create(&f.arena, &f.alloc, 0) == OQ_OK ? 0 : -1;
}

static int teardown(void **state) {
  fixture *f = *state;

  oq_arena_destroy(f->arena);
  return f->alloc.used == 0 ? 0 : -1;
}

static void feed(fixture *f, oq_channels *c, int64_t rows, int64_t columns,
                 const float *x) {
  const oq_ctensor t = {
      OQ_DT_F32, {2, {rows, columns}}, (size_t)(rows * columns) * sizeof *x, x};

  assert_int_equal(oq_channels_feed(c, &t, f->arena), OQ_OK);
}

static void moments_are(const oq_channels *c, uint32_t i, double mean,
                        double square) {
  double m, s;

  assert_true(oq_channels_mean(&m, &s, c, i));
  assert_true(fabs(m - mean) <= 1e-9 * (1 + fabs(mean)));
  assert_true(fabs(s - square) <= 1e-9 * (1 + square));
}

/* Of any size: pictures have values up to 255. */
static void averages(void **state) {
  oq_channels by_column = {.axis = 1}, by_row = {.axis = 0};
  const float x[] = {1, -200, 3, 100}, y[] = {5, 0, 7, 0};

  feed(*state, &by_column, 2, 2, x);
  moments_are(&by_column, 0, 2, 5);
  moments_are(&by_column, 1, -50, 25000);
  feed(*state, &by_column, 2, 2, y);
  moments_are(&by_column, 0, 4, 21);
  moments_are(&by_column, 1, -25, 12500);
  feed(*state, &by_row, 2, 2, x);
  moments_are(&by_row, 0, -99.5, 20000.5);
  moments_are(&by_row, 1, 51.5, 5004.5);
}

static void order_is_nothing(void **state) {
  oq_channels a = {.axis = 1}, b = {.axis = 1}, part = {.axis = 1};
  const float x[] = {1e-3F, 1e9F}, y[] = {3.1F, -7}, z[] = {1e-9F, 0.1F};

  feed(*state, &a, 1, 2, x);
  feed(*state, &a, 1, 2, y);
  feed(*state, &a, 1, 2, z);
  feed(*state, &part, 1, 2, y);
  feed(*state, &part, 1, 2, x);
  feed(*state, &b, 1, 2, z);
  assert_int_equal(oq_channels_merge(&b, &part, ((fixture *)*state)->arena),
                   OQ_OK);
  assert_int_equal(b.samples, a.samples);
  assert_memory_equal(a.mean, b.mean, 2 * sizeof *a.mean);
  assert_memory_equal(a.square, b.square, 2 * sizeof *a.square);
}

static void without_what_is_not_finite(void **state) {
  oq_channels c = {.axis = 1};
  const float x[] = {NAN, 2, INFINITY, 4};

  feed(*state, &c, 2, 2, x);
  moments_are(&c, 0, 0, 0);
  moments_are(&c, 1, 3, 10);
}

/* The largest floats are cut, not wrapped. */
static void extremes(void **state) {
  oq_channels c = {.axis = 1};
  const float x[] = {3e38F, -3e38F};
  double mean, square;

  for (int i = 0; i < 100; i++) feed(*state, &c, 1, 2, x);
  assert_true(oq_channels_mean(&mean, &square, &c, 0));
  assert_true(mean > 1e9 && square > 1e9);
  assert_true(oq_channels_mean(&mean, &square, &c, 1));
  assert_true(mean < -1e9 && square > 1e9);
}

static void no_channels(void **state) {
  fixture *f = *state;
  oq_channels none = {.axis = -1}, varying = {.axis = 1};
  const float x[] = {1, 2, 3};
  double mean, square;

  feed(f, &none, 1, 3, x);
  assert_false(oq_channels_mean(&mean, &square, &none, 0));
  feed(f, &varying, 1, 3, x);
  feed(f, &varying, 1, 2, x);
  assert_false(oq_channels_mean(&mean, &square, &varying, 0));
}

/* Sums as no data makes them, but a file may claim them. */
static void forged_sums(void **state) {
  oq_channels a = {.axis = 1}, b = {.axis = 1};
  const float x[] = {1, 2};
  double mean, square;

  feed(*state, &a, 1, 2, x);
  feed(*state, &b, 1, 2, x);
  a.mean[1] = b.mean[1] = (oq_i128)INT64_MAX << 64;
  assert_int_equal(oq_channels_merge(&a, &b, ((fixture *)*state)->arena),
                   OQ_OK);
  assert_false(oq_channels_mean(&mean, &square, &a, 0));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(averages, setup, teardown),
      cmocka_unit_test_setup_teardown(order_is_nothing, setup, teardown),
      cmocka_unit_test_setup_teardown(without_what_is_not_finite, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(extremes, setup, teardown),
      cmocka_unit_test_setup_teardown(no_channels, setup, teardown),
      cmocka_unit_test_setup_teardown(forged_sums, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
