/* tensor/dtype: names, sizes, sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tensor/tensor.h"

static void sizes_are_those_of_the_public_list(void **state) {
  (void)state;
#define OQ_X(name, num, bits)                                        \
  assert_int_equal(OQ_DT_##name, num);                               \
  assert_int_equal(oq_dtype_bits(num),                               \
                   (bits) != 0 ? (bits) : 8 * (int)sizeof(oq_text)); \
  assert_string_not_equal(oq_dtype_text(num), "unknown");            \
  assert_true(oq_dtype_in(num, OQ_DTM_ALL));
  OQ_DTYPE_MAP(OQ_X)
#undef OQ_X
}

static void names_are_those_of_onnx(void **state) {
  (void)state;
  assert_string_equal(oq_dtype_text(OQ_DT_F32), "float32");
  assert_string_equal(oq_dtype_text(OQ_DT_I2), "int2");
  assert_string_equal(oq_dtype_text(OQ_DT_F8E5M2FNUZ), "float8e5m2fnuz");
  for (int32_t a = 1; a <= 26; a++) {
    for (int32_t b = 1; b < a; b++) {
      assert_string_not_equal(oq_dtype_text(a), oq_dtype_text(b));
    }
  }
}

static void unknown_numbers_are_harmless(void **state) {
  static const int32_t bad[] = {0, -1, 27, 31, 32, 1000, INT32_MIN, INT32_MAX};
  size_t n = 7;

  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_string_equal(oq_dtype_text(bad[i]), "unknown");
    assert_int_equal(oq_dtype_bits(bad[i]), 0);
    assert_false(oq_dtype_is_float(bad[i]));
    assert_false(oq_dtype_in(bad[i], OQ_DTM_ALL));
    assert_false(oq_dtype_bytes(&n, 1, bad[i]));
  }
  assert_int_equal(n, 7);
}

static void bytes_are_rounded_up(void **state) {
  static const struct {
    int32_t t;
    size_t n, bytes;
  } rows[] = {{OQ_DT_F32, 3, 12}, {OQ_DT_C128, 2, 32}, {OQ_DT_I4, 0, 0},
              {OQ_DT_I4, 1, 1},   {OQ_DT_I4, 2, 1},    {OQ_DT_U4, 3, 2},
              {OQ_DT_U2, 4, 1},   {OQ_DT_I2, 5, 2},    {OQ_DT_BOOL, 9, 9},
              {OQ_DT_F16, 5, 10}};
  size_t n;

  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    assert_true(oq_dtype_bytes(&n, rows[i].n, rows[i].t));
    assert_int_equal(n, rows[i].bytes);
  }
  assert_false(oq_dtype_bytes(&n, SIZE_MAX / 4 + 1, OQ_DT_F32));
  assert_true(oq_dtype_bytes(&n, SIZE_MAX, OQ_DT_I4));
  assert_true(n == SIZE_MAX / 2 + 1);
}

static void sets_hold_what_they_say(void **state) {
  uint32_t all = 0;

  (void)state;
  assert_true(oq_dtype_is_float(OQ_DT_BF16));
  assert_false(oq_dtype_is_float(OQ_DT_F8E5M2));
  assert_false(oq_dtype_is_float(OQ_DT_I32));
  all = OQ_DTM_NUMERIC | OQ_DTM_F8 | OQ_DTM_SUBBYTE | OQ_DTM(STRING) |
        OQ_DTM(BOOL) | OQ_DTM(C64) | OQ_DTM(C128);
  assert_int_equal(all, OQ_DTM_ALL);
  assert_int_equal(OQ_DTM_NUMERIC & (OQ_DTM_F8 | OQ_DTM_SUBBYTE), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sizes_are_those_of_the_public_list),
      cmocka_unit_test(names_are_those_of_onnx),
      cmocka_unit_test(unknown_numbers_are_harmless),
      cmocka_unit_test(bytes_are_rounded_up),
      cmocka_unit_test(sets_hold_what_they_say),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
