/* The histogram: a function of the multiset of values, whatever the order, the
 * cuts and the merges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "calib/calib.h"
#include "kern/kern.h"

#define N 20000

typedef struct fixture {
  oq_alloc alloc;
  oq_arena *arena;
  float *x;
} fixture;

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);

  oq_alloc_init(&f->alloc, NULL, 0);
  assert_int_equal(oq_arena_create(&f->arena, &f->alloc, 0), OQ_OK);
  f->x = malloc(N * sizeof *f->x);
  for (size_t i = 0; i < N; i++) { /* nine decades, both signs, zeros */
    const double u = oq_rng_uniform(7, i), s = oq_rng_uniform(8, i);

    f->x[i] = (float)((s < 0.4 ? -1 : 1) * pow(10.0, 9 * u - 6));
    if (s > 0.9) f->x[i] = 0.0f;
  }
  *state = f;
  return 0;
}

static int teardown(void **state) {
  fixture *f = *state;

  oq_arena_destroy(f->arena);
  free(f->x);
  free(f);
  return 0;
}

static void feed(oq_record *r, fixture *f, const float *x, size_t n) {
  assert_int_equal(oq_record_feed(r, x, n, oq_kernels_find("auto"), f->arena),
                   OQ_OK);
}

static void assert_same(const oq_record *a, const oq_record *b) {
  assert_true(a->lo == b->lo && a->hi == b->hi);
  assert_int_equal(a->count, b->count);
  assert_int_equal(a->zeros, b->zeros);
  assert_int_equal(a->nans, b->nans);
  assert_int_equal(a->infinities, b->infinities);
  assert_int_equal(a->hist.empty, b->hist.empty);
  assert_int_equal(a->hist.exponent, b->hist.exponent);
  for (uint32_t s = 0; s < 2; s++)
    for (uint32_t i = 0; i < OQ_HIST_BINS; i++)
      assert_int_equal(oq_hist_at(&a->hist, s, i), oq_hist_at(&b->hist, s, i));
}

static void shuffle(float *x, size_t n, uint64_t seed) {
  for (size_t i = n; i-- > 1;) {
    const size_t j = (size_t)(oq_rng_u64(seed, i) % (i + 1));
    const float t = x[i];

    x[i] = x[j];
    x[j] = t;
  }
}

static void order_does_not_show(void **state) {
  fixture *f = *state;
  oq_record whole;

  oq_record_init(&whole);
  feed(&whole, f, f->x, N);
  for (uint64_t seed = 1; seed <= 20; seed++) {
    oq_record parts[3], merged;
    size_t at = 0;

    shuffle(f->x, N, seed);
    oq_record_init(&merged);
    for (int k = 0; k < 3; k++) {
      const size_t n =
          k == 2 ? N - at
                 : (size_t)(oq_rng_u64(seed, 1000 + (uint64_t)k) % (N - at));

      oq_record_init(&parts[k]);
      feed(&parts[k], f, f->x + at, n);
      at += n;
    }
    for (int k = 3; k-- > 0;)
      assert_int_equal(oq_record_merge(&merged, &parts[k], f->arena), OQ_OK);
    assert_same(&whole, &merged);
  }
}

static void counts_are_right(void **state) {
  fixture *f = *state;
  oq_record r;
  uint64_t total = 0;

  oq_record_init(&r);
  feed(&r, f, f->x, N);
  const double w = oq_hist_width(&r.hist);
  for (uint32_t i = 0; i < OQ_HIST_BINS; i += 97) {
    uint64_t pos = 0, neg = 0;

    for (size_t k = 0; k < N; k++) {
      const double m = fabs((double)f->x[k]);

      if (m < i * w || m >= (i + 1) * w || m == 0) continue;
      pos += f->x[k] > 0;
      neg += f->x[k] < 0;
    }
    assert_int_equal(oq_hist_at(&r.hist, 0, i), pos);
    assert_int_equal(oq_hist_at(&r.hist, 1, i), neg);
  }
  for (uint32_t s = 0; s < 2; s++)
    for (uint32_t i = 0; i < OQ_HIST_BINS; i++)
      total += oq_hist_at(&r.hist, s, i);
  assert_int_equal(total + r.zeros, N);
}

static void specials_are_counted_apart(void **state) {
  fixture *f = *state;
  const float x[] = {NAN, INFINITY, -INFINITY, 1.0f, -2.0f, 0.0f, -0.0f};
  oq_record r;

  oq_record_init(&r);
  feed(&r, f, x, 7);
  assert_int_equal(r.nans, 1);
  assert_int_equal(r.infinities, 2);
  assert_int_equal(r.zeros, 2);
  assert_true(r.lo == -2.0f && r.hi == 1.0f);
  oq_record none;
  oq_record_init(&none);
  feed(&none, f, x, 3);
  assert_false(oq_record_usable(&none));
}

static void extremes_fit(void **state) {
  fixture *f = *state;
  const float x[] = {1e-42f, 3.4028235e38f, -1e-45f, -3.4028235e38f, 1e-3f};
  oq_record r;
  uint64_t total = 0;

  oq_record_init(&r);
  for (int i = 0; i < 5; i++) feed(&r, f, x + i, 1);
  for (uint32_t s = 0; s < 2; s++)
    for (uint32_t i = 0; i < OQ_HIST_BINS; i++)
      total += oq_hist_at(&r.hist, s, i);
  assert_int_equal(total, 5);
}

static void counters_pass_four_billion(void **state) {
  fixture *f = *state;
  const float one = 1.0f;
  oq_record a, b;

  oq_record_init(&a);
  oq_record_init(&b);
  feed(&a, f, &one, 1);
  feed(&b, f, &one, 1);
  for (int i = 0; i < 33; i++) { /* doubles each time */
    assert_int_equal(oq_record_merge(&a, &b, f->arena), OQ_OK);
    assert_int_equal(oq_record_merge(&b, &a, f->arena), OQ_OK);
  }
  feed(&a, f, &one, 1);
  uint64_t total = 0;
  for (uint32_t i = 0; i < OQ_HIST_BINS; i++)
    total += oq_hist_at(&a.hist, 0, i);
  assert_true(total > UINT64_C(1) << 33);
  assert_int_equal(total, a.count);
}

static void moments(void **state) {
  fixture *f = *state;
  oq_record r;
  double mean, std;
  float x[1000];

  for (int i = 0; i < 1000; i++) x[i] = (float)(i % 10) - 3.0f;
  oq_record_init(&r);
  feed(&r, f, x, 1000);
  oq_record_moments(&r, &mean, &std);
  assert_true(fabs(mean - 1.5) < 1e-2);
  assert_true(fabs(std - sqrt(8.25)) < 1e-2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(order_does_not_show, setup, teardown),
      cmocka_unit_test_setup_teardown(counts_are_right, setup, teardown),
      cmocka_unit_test_setup_teardown(specials_are_counted_apart, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(extremes_fit, setup, teardown),
      cmocka_unit_test_setup_teardown(counters_pass_four_billion, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(moments, setup, teardown),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
