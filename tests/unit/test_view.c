/* tensor/view: views from outside are checked, aligned, and given back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/env.h"
#include "tensor/tensor.h"

static void good_views_are_taken_as_they_are(void **state) {
  static const float v[6] = {1, 2, 3, 4, 5, 6};
  const oq_tensor_view in = {OQ_DT_F32, 2, {2, 3}, v, sizeof v};
  test_env t;
  oq_ctensor x;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  assert_int_equal(oq_view_take(&x, &in, "x", t.scratch, t.diags), OQ_OK);
  assert_ptr_equal(x.data, v);
  const oq_tensor_view out = oq_view_of(&x);
  assert_int_equal(out.dtype, in.dtype);
  assert_int_equal(out.rank, 2);
  assert_memory_equal(out.dim, in.dim, 2 * sizeof *in.dim);
  assert_ptr_equal(out.data, v);
  assert_int_equal(out.size, sizeof v);
  test_env_close(&t);
}

static void unaligned_views_are_copied(void **state) {
  _Alignas(8) unsigned char bytes[9] = {0, 0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0};
  const oq_tensor_view in = {OQ_DT_F32, 1, {2}, bytes + 1, 8};
  test_env t;
  oq_ctensor x;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  assert_int_equal(oq_view_take(&x, &in, "x", t.scratch, t.diags), OQ_OK);
  assert_ptr_not_equal(x.data, bytes + 1);
  assert_true(oq_element_f64(&x, 0) == 1 && oq_element_f64(&x, 1) == -2);
  test_env_close(&t);
}

static void views_that_lie_are_refused(void **state) {
  static const float v[6] = {0};
  const oq_tensor_view rows[] = {
      {OQ_DT_F32, 2, {2, 3}, v, 20},
      {OQ_DT_F32, 2, {2, 3}, v, 28},
      {OQ_DT_F32, 2, {2, -3}, v, 24},
      {OQ_DT_F32, 2, {INT64_MAX, 3}, v, 24},
      {OQ_DT_F32, 2, {2, 3}, NULL, 24},
      {OQ_DT_F32, OQ_MAX_RANK + 1, {2, 3}, v, 24},
      {OQ_DT_F32, UINT32_MAX, {2, 3}, v, 24},
      {OQ_DT_STRING, 2, {2, 3}, v, 24},
      {99, 2, {2, 3}, v, 24},
  };
  test_env t;
  oq_ctensor x = {.size = 77};

  (void)state;
  assert_true(test_env_open(&t, NULL));
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    assert_int_equal(oq_view_take(&x, &rows[i], "x", t.scratch, t.diags),
                     OQ_E_DATA);
    assert_string_equal(test_env_last(&t), "input.view");
    assert_int_equal(x.size, 77);
  }
  test_env_close(&t);
}

static void empty_and_scalar_views(void **state) {
  static const int64_t one = 5;
  const oq_tensor_view none = {OQ_DT_F32, 2, {0, 3}, NULL, 0};
  const oq_tensor_view scalar = {OQ_DT_I64, 0, {0}, &one, 8};
  test_env t;
  oq_ctensor x;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  assert_int_equal(oq_view_take(&x, &none, "x", t.scratch, t.diags), OQ_OK);
  assert_int_equal(oq_tensor_count(&x), 0);
  assert_int_equal(oq_view_take(&x, &scalar, "x", t.scratch, t.diags), OQ_OK);
  assert_int_equal(oq_element_i64(&x, 0), 5);
  test_env_close(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(good_views_are_taken_as_they_are),
      cmocka_unit_test(unaligned_views_are_copied),
      cmocka_unit_test(views_that_lie_are_refused),
      cmocka_unit_test(empty_and_scalar_views),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
