/* tensor/shape: products that do not wrap, broadcasting, printing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/env.h"
#include "tensor/tensor.h"

#define BIG (INT64_C(1) << 40)

static void counts_are_checked(void **state) {
  static const struct {
    oq_shape s;
    oq_status status;
    size_t n;
  } rows[] = {
      {{0, {0}}, OQ_OK, 1},
      {{3, {2, 3, 4}}, OQ_OK, 24},
      {{3, {2, 0, 4}}, OQ_OK, 0},
      {{3, {BIG, BIG, 0}}, OQ_OK, 0}, /* empty, whatever the others are */
      {{2, {BIG, BIG}}, OQ_E_LIMIT, 0},
      {{2, {INT64_MAX, 1}}, OQ_OK, INT64_MAX},
      {{2, {INT64_MAX, 2}}, OQ_E_LIMIT, 0},
      {{1, {-1}}, OQ_E_MODEL, 0},
      {{2, {0, -1}}, OQ_E_MODEL, 0},
      {{2, {INT64_MIN, INT64_MIN}}, OQ_E_MODEL, 0},
  };

  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    size_t n = 77;
    assert_int_equal(oq_shape_count(&n, &rows[i].s), rows[i].status);
    assert_true(n == (rows[i].status == OQ_OK ? rows[i].n : 77));
  }
}

static void bytes_are_checked(void **state) {
  const oq_shape half = {1, {INT64_MAX / 4}}, more = {1, {INT64_MAX / 4 + 1}};
  const oq_shape three = {1, {3}};
  size_t n = 0;

  (void)state;
  assert_int_equal(oq_shape_bytes(&n, &half, OQ_DT_F32), OQ_OK);
  assert_int_equal(oq_shape_bytes(&n, &more, OQ_DT_F32), OQ_E_LIMIT);
  assert_int_equal(oq_shape_bytes(&n, &more, OQ_DT_C128), OQ_E_LIMIT);
  assert_int_equal(oq_shape_bytes(&n, &three, (oq_dtype)99), OQ_E_UNSUPPORTED);
  assert_int_equal(oq_shape_bytes(&n, &three, OQ_DT_STRING), OQ_OK);
  assert_int_equal(n, 3 * sizeof(oq_text));
  assert_int_equal(oq_shape_bytes(&n, &three, OQ_DT_U4), OQ_OK);
  assert_int_equal(n, 2);
}

static void equal_shapes(void **state) {
  const oq_shape a = {2, {2, 3, 9}}, b = {2, {2, 3, 8}}, c = {3, {2, 3, 9}},
                 d = {2, {2, 4}}, s = {0, {5}}, t = {0, {6}};

  (void)state;
  assert_true(oq_shape_equal(&a, &b)); /* what is behind the rank is nothing */
  assert_true(oq_shape_equal(&s, &t));
  assert_false(oq_shape_equal(&a, &c));
  assert_false(oq_shape_equal(&a, &d));
}

static void broadcasting(void **state) {
  static const struct {
    oq_shape a, b, out;
    bool good;
  } rows[] = {
      {{0, {0}}, {0, {0}}, {0, {0}}, true},
      {{2, {2, 3}}, {0, {0}}, {2, {2, 3}}, true},
      {{2, {2, 3}}, {1, {3}}, {2, {2, 3}}, true},
      {{2, {2, 1}}, {1, {3}}, {2, {2, 3}}, true},
      {{3, {4, 1, 3}}, {2, {2, 1}}, {3, {4, 2, 3}}, true},
      {{2, {2, 3}}, {1, {2}}, {0, {0}}, false},
      {{1, {0}}, {1, {1}}, {1, {0}}, true},
      {{1, {0}}, {1, {2}}, {0, {0}}, false},
      {{2, {0, 1}}, {2, {1, 5}}, {2, {0, 5}}, true},
  };

  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    oq_shape x = {1, {99}}, y = {1, {99}};
    assert_int_equal(oq_shape_broadcast(&x, &rows[i].a, &rows[i].b),
                     rows[i].good);
    assert_int_equal(oq_shape_broadcast(&y, &rows[i].b, &rows[i].a),
                     rows[i].good);
    const oq_shape untouched = {1, {99}};
    const oq_shape *want = rows[i].good ? &rows[i].out : &untouched;
    assert_true(oq_shape_equal(&x, want) && oq_shape_equal(&y, want));
  }
}

static void axes(void **state) {
  uint32_t a = 9;

  (void)state;
  assert_true(oq_axis_normalize(&a, -1, 3) && a == 2);
  assert_true(oq_axis_normalize(&a, -3, 3) && a == 0);
  assert_true(oq_axis_normalize(&a, 2, 3) && a == 2);
  assert_false(oq_axis_normalize(&a, 3, 3));
  assert_false(oq_axis_normalize(&a, -4, 3));
  assert_false(oq_axis_normalize(&a, 0, 0));
  assert_false(oq_axis_normalize(&a, INT64_MIN, 3));
  assert_int_equal(a, 2);
}

static void printing(void **state) {
  const int64_t dim[] = {1, -1, 224, INT64_MAX};
  char out[64];

  (void)state;
  oq_shape_print(out, sizeof out, dim, 4);
  assert_string_equal(out, "[1,?,224,9223372036854775807]");
  oq_shape_print(out, sizeof out, dim, 0);
  assert_string_equal(out, "[]");
  oq_shape_print(out, 6, dim, 4);
  assert_string_equal(out, "[1,?");
  oq_shape_print(out, 1, dim, 4);
  assert_string_equal(out, "");
  memset(out, '#', sizeof out);
  oq_shape_print(out, 0, dim, 4);
  assert_int_equal(out[0], '#');
}

static void tensors_are_aligned_padded_and_zero(void **state) {
  const oq_shape s = {2, {3, 7}}, none = {1, {0}}, wrong = {1, {-2}};
  oq_tensor x;
  test_env t;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  assert_int_equal(oq_tensor_make(&x, OQ_DT_F32, &s, t.scratch), OQ_OK);
  assert_int_equal(x.size, 84);
  assert_int_equal((uintptr_t)x.data % OQ_ALIGN, 0);
  for (size_t i = 0; i < 128; i++) { /* up to the padding */
    assert_int_equal(((unsigned char *)x.data)[i], 0);
  }
  const oq_ctensor c = oq_tensor_const(&x);
  assert_int_equal(oq_tensor_count(&c), 21);
  assert_int_equal(oq_tensor_make(&x, OQ_DT_F32, &none, t.scratch), OQ_OK);
  assert_non_null(x.data);
  assert_int_equal(x.size, 0);
  const oq_ctensor e = oq_tensor_const(&x);
  assert_int_equal(oq_tensor_count(&e), 0);
  assert_int_equal(oq_tensor_make(&x, OQ_DT_F32, &wrong, t.scratch),
                   OQ_E_MODEL);
  assert_int_equal(oq_tensor_make(&x, (oq_dtype)99, &s, t.scratch),
                   OQ_E_UNSUPPORTED);
  t.alloc.limit = t.alloc.used;
  const oq_shape much = {1, {1 << 20}};
  assert_int_equal(oq_tensor_make(&x, OQ_DT_F32, &much, t.scratch),
                   OQ_E_MEMORY);
  test_env_close(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(counts_are_checked),
      cmocka_unit_test(bytes_are_checked),
      cmocka_unit_test(equal_shapes),
      cmocka_unit_test(broadcasting),
      cmocka_unit_test(axes),
      cmocka_unit_test(printing),
      cmocka_unit_test(tensors_are_aligned_padded_and_zero),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
