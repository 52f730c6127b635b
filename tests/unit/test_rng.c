/* base/rng: fixed values, even spread, streams that differ. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"

/* Computed by an implementation in another language. */
static void values_are_the_same_everywhere(void **state) {
  static const struct {
    uint64_t seed, i, want;
  } rows[] = {
      {UINT64_C(0x0), UINT64_C(0x0), UINT64_C(0xa706dd2f4d197e6f)},
      {UINT64_C(0x0), UINT64_C(0x1), UINT64_C(0xb382a305f4414f5e)},
      {UINT64_C(0x1), UINT64_C(0x0), UINT64_C(0x5e41ab087439611e)},
      {UINT64_C(0xffffffffffffffff), UINT64_C(0xffffffffffffffff),
       UINT64_C(0x445018e305810b78)},
      {UINT64_C(0x3039), UINT64_C(0x2a6), UINT64_C(0xd8c8b94680135070)},
  };

  (void)state;
  for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
    assert_true(oq_rng_u64(rows[r].seed, rows[r].i) == rows[r].want);
  }
}

static void uniform_is_even_and_below_one(void **state) {
  enum { BINS = 64, N = 64000 };
  int bins[BINS] = {0};
  double sum = 0, chi = 0;

  (void)state;
  for (uint64_t i = 0; i < N; i++) {
    const double u = oq_rng_uniform(7, i);
    assert_true(u >= 0 && u < 1);
    bins[(int)(u * BINS)]++;
    sum += u;
  }
  for (int i = 0; i < BINS; i++) {
    const double off = bins[i] - N / BINS;
    chi += off * off / (N / BINS);
  }
  assert_true(sum / N > 0.495 && sum / N < 0.505);
  assert_true(chi > 25 && chi < 120); /* 63 degrees of freedom */
}

/* Neighbouring seeds must not be one stream shifted. */
static void streams_do_not_overlap(void **state) {
  (void)state;
  for (uint64_t a = 0; a < 8; a++) {
    for (uint64_t b = 0; b < 8; b++) {
      for (uint64_t shift = 0; shift < 8; shift++) {
        if (a == b && shift == 0) continue;
        assert_true(oq_rng_u64(a, 5 + shift) != oq_rng_u64(b, 5));
      }
    }
  }
}

static void every_bit_is_set_half_the_time(void **state) {
  enum { N = 10000 };

  (void)state;
  for (unsigned bit = 0; bit < 64; bit++) {
    int ones = 0;
    for (uint64_t i = 0; i < N; i++) {
      ones += (int)(oq_rng_u64(3, i) >> bit & 1);
    }
    assert_in_range(ones, N / 2 - 300, N / 2 + 300);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(values_are_the_same_everywhere),
      cmocka_unit_test(uniform_is_even_and_below_one),
      cmocka_unit_test(streams_do_not_overlap),
      cmocka_unit_test(every_bit_is_set_half_the_time),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
