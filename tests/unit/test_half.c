/* base/half: every code of every format, and every point where rounding turns,
 * against the formats' definitions in double arithmetic. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/half.h"

static float from_bits(uint32_t u) {
  float f;
  memcpy(&f, &u, sizeof f);
  return f;
}

/* What a positive code of a format with `m` bits of mantissa stands for. */
static double value_of(uint32_t code, int m, int bias) {
  const int exp = (int)(code >> m);
  const double frac = ldexp((double)(code & ((1u << m) - 1)), -m);

  return exp == 0 ? ldexp(frac, 1 - bias) : ldexp(1 + frac, exp - bias);
}

typedef struct format {
  const char *name;
  int32_t dtype; /* 0: float16, 1: bfloat16 */
  int m, bias;
  uint32_t max;  /* largest finite code */
  uint32_t over; /* what too large becomes, saturating or if there is one way */
  uint32_t loose; /* ... not saturating */
  uint32_t sign;
} format;

static const format formats[] = {
    {"float16", 0, 10, 15, 0x7bff, 0x7c00, 0x7c00, 0x8000},
    {"bfloat16", 1, 7, 127, 0x7f7f, 0x7f80, 0x7f80, 0x8000},
    {"e4m3fn", 17, 3, 7, 0x7e, 0x7e, 0x7f, 0x80},
    {"e4m3fnuz", 18, 3, 8, 0x7f, 0x7f, 0x80, 0x80},
    {"e5m2", 19, 2, 15, 0x7b, 0x7b, 0x7c, 0x80},
    {"e5m2fnuz", 20, 2, 16, 0x7f, 0x7f, 0x80, 0x80},
};
#define N_FORMATS (sizeof formats / sizeof *formats)

static uint32_t narrow(const format *f, float v, bool saturate) {
  if (f->dtype == 0) return oq_f16_of_f32(v);
  if (f->dtype == 1) return oq_bf16_of_f32(v);
  return oq_f8_of_f32(v, f->dtype, saturate);
}

static float widen(const format *f, uint32_t code) {
  if (f->dtype == 0) return oq_f32_of_f16((uint16_t)code);
  if (f->dtype == 1) return oq_f32_of_bf16((uint16_t)code);
  return oq_f32_of_f8((uint8_t)code, f->dtype);
}

static bool is_fnuz(const format *f) {
  return f->dtype == 18 || f->dtype == 20;
}

static void codes_mean_what_they_are_defined_to(void **state) {
  (void)state;
  for (size_t k = 0; k < N_FORMATS; k++) {
    const format *f = &formats[k];
    for (uint32_t code = 0; code <= f->max; code++) {
      const double want = value_of(code, f->m, f->bias);
      assert_true((double)widen(f, code) == want);
      if (code == 0 && is_fnuz(f)) continue;
      assert_true((double)widen(f, code | f->sign) == -want);
      assert_true(signbit(widen(f, code | f->sign)) != 0);
    }
  }
}

static void finite_codes_come_back(void **state) {
  (void)state;
  for (size_t k = 0; k < N_FORMATS; k++) {
    const format *f = &formats[k];
    for (uint32_t code = 0; code <= f->max; code++) {
      assert_int_equal(narrow(f, widen(f, code), true), code);
      if (code == 0 && is_fnuz(f)) continue;
      assert_int_equal(narrow(f, widen(f, code | f->sign), false),
                       code | f->sign);
    }
  }
}

/* Between two neighbours all that matters is on which side of the middle a
 * number lies; so the middle, and the floats beside it, show all of rounding.
 */
static void rounding_turns_at_the_middle(void **state) {
  (void)state;
  for (size_t k = 0; k < N_FORMATS; k++) {
    const format *f = &formats[k];
    for (uint32_t code = 0; code <= f->max; code++) {
      const double lo = value_of(code, f->m, f->bias);
      const double hi = value_of(code + 1, f->m, f->bias); /* may be no code */
      const float mid = (float)((lo + hi) / 2);
      const bool exact = (double)mid == (lo + hi) / 2;
      const uint32_t up = code == f->max ? f->over : code + 1;
      const uint32_t loose = code == f->max ? f->loose : code + 1;
      const uint32_t even = code % 2 == 0 ? code : up;
      if (!exact) continue; /* only below the smallest bfloat16 */
      assert_int_equal(narrow(f, mid, true), even);
      assert_int_equal(narrow(f, nextafterf(mid, 0), true), code);
      assert_int_equal(narrow(f, nextafterf(mid, INFINITY), true), up);
      assert_int_equal(narrow(f, nextafterf(mid, INFINITY), false), loose);
    }
  }
}

static void too_large_is_infinite_nan_or_the_largest(void **state) {
  const float big[] = {1e30f, 3.4e38f};

  (void)state;
  for (size_t k = 0; k < N_FORMATS; k++) {
    const format *f = &formats[k];
    for (size_t i = f->dtype == 1 ? 1 : 0; i < 2; i++) {
      if (f->dtype == 1) continue; /* bfloat16 has the range of float32 */
      assert_int_equal(narrow(f, big[i], true), f->over);
      assert_int_equal(narrow(f, big[i], false), f->loose);
      assert_int_equal(narrow(f, -big[i], true), f->over | f->sign);
      assert_int_equal(narrow(f, -big[i], false), f->loose | f->sign);
    }
    /* The table of Cast treats infinity like any number out of range. */
    assert_int_equal(narrow(f, INFINITY, true), f->over);
    assert_int_equal(narrow(f, -INFINITY, true), f->over | f->sign);
    assert_int_equal(narrow(f, INFINITY, false), f->loose);
    assert_int_equal(narrow(f, -INFINITY, false), f->loose | f->sign);
  }
}

static void nan_stays_nan(void **state) {
  (void)state;
  for (size_t k = 0; k < N_FORMATS; k++) {
    const format *f = &formats[k];
    for (int saturate = 0; saturate < 2; saturate++) {
      assert_true(isnan(widen(f, narrow(f, NAN, saturate != 0))));
      assert_true(isnan(widen(f, narrow(f, -NAN, saturate != 0))));
      /* a NaN whose payload lies in the bits that are cut off */
      assert_true(isnan(widen(f, narrow(f, from_bits(0x7f800001), true))));
    }
  }
}

static void every_nan_code_is_nan(void **state) {
  (void)state;
  for (uint32_t code = 0x7c01; code < 0x8000; code++) {
    assert_true(isnan(oq_f32_of_f16((uint16_t)code)));
  }
  assert_true(isinf(oq_f32_of_f16(0x7c00)));
  for (uint32_t code = 0x7d; code <= 0x7f; code++) {
    assert_true(isnan(oq_f32_of_f8((uint8_t)code, 19)));
  }
  assert_true(isinf(oq_f32_of_f8(0xfc, 19)) && oq_f32_of_f8(0xfc, 19) < 0);
  assert_true(isnan(oq_f32_of_f8(0x7f, 17)));
  assert_true(isnan(oq_f32_of_f8(0xff, 17)));
  assert_true(isnan(oq_f32_of_f8(0x80, 18)));
  assert_true(isnan(oq_f32_of_f8(0x80, 20)));
}

static void zero_keeps_its_sign_where_there_are_two(void **state) {
  (void)state;
  for (size_t k = 0; k < N_FORMATS; k++) {
    const format *f = &formats[k];
    const uint32_t want = is_fnuz(f) ? 0 : f->sign;
    assert_int_equal(narrow(f, 0.0f, true), 0);
    assert_int_equal(narrow(f, -0.0f, true), want);
    assert_int_equal(narrow(f, f->dtype == 1 ? -1e-45f : -1e-40f, false),
                     f->dtype == 1 ? f->sign : want);
  }
}

static void other_types_are_refused(void **state) {
  (void)state;
  assert_true(isnan(oq_f32_of_f8(0, 16)));
  assert_true(isnan(oq_f32_of_f8(0, 21)));
  assert_int_equal(oq_f8_of_f32(1, 0, true), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(codes_mean_what_they_are_defined_to),
      cmocka_unit_test(finite_codes_come_back),
      cmocka_unit_test(rounding_turns_at_the_middle),
      cmocka_unit_test(too_large_is_infinite_nan_or_the_largest),
      cmocka_unit_test(nan_stays_nan),
      cmocka_unit_test(every_nan_code_is_nan),
      cmocka_unit_test(zero_keeps_its_sign_where_there_are_two),
      cmocka_unit_test(other_types_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
