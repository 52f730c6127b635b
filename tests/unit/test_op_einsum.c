/* Einsum whose products have more axes than a tensor; the official cases have
 * few. */
#include "op_case.h"

static void ramp(op_case *c, oq_dtype t, const char *shape, int64_t period) {
  oq_tensor *const to = case_next(c, t, shape);
  const oq_ctensor v = oq_tensor_const(to);

  for (size_t i = 0; i < oq_tensor_count(&v); i++)
    oq_element_set_i64(to, i, (int64_t)i % period);
}

/* All ten indices are there until the last two operands. */
static void ten_axes(op_case *c, oq_dtype t, const char *last) {
  case_open(c, 12);
  ramp(c, t, "2,2,2,2,2", 3);
  ramp(c, t, "2,2,2,2,2", 5);
  ramp(c, t, "2,2,2,2", 7);
  ramp(c, t, "2,2,2,2", 4);
  ramp(c, t, last, 9);
}

static void many_axes_are_multiplied(void **state) {
  static const oq_dtype types[] = {OQ_DT_F32, OQ_DT_F64, OQ_DT_I64};

  (void)state;
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    op_case c;
    ten_axes(&c, types[i], "2,2");
    case_run(&c, "Einsum", 1, "equation=abcde,fghij,adfi,bcgh,ej->ja");
    assert_int_equal(c.out[0].dtype, types[i]);
    case_is(&c, 0, "2,2", (const double[]){1858, 2386, 3224, 3761}, 0);
    case_close(&c);
  }
}

/* An index of no elements leaves nothing to be summed. */
static void sums_of_nothing_are_zero(void **state) {
  op_case c;

  (void)state;
  case_open(&c, 12);
  ramp(&c, OQ_DT_F32, "2,2,2,2,2", 3);
  ramp(&c, OQ_DT_F32, "2,2,2,2,0", 5);
  ramp(&c, OQ_DT_F32, "2,2,2,2", 7);
  ramp(&c, OQ_DT_F32, "2,2,2,2", 4);
  ramp(&c, OQ_DT_F32, "2,0", 4);
  case_run(&c, "Einsum", 1, "equation=abcde,fghij,adfi,bcgh,ej->a");
  case_is(&c, 0, "2", (const double[]){0, 0}, 0);
  case_close(&c);
}

/* 2^30 products. */
static void the_work_is_bounded(void **state) {
  op_case c;

  (void)state;
  case_open(&c, 12);
  for (uint32_t i = 0; i < 2; i++) ramp(&c, OQ_DT_U8, "8,8,8,8,8", 3);
  ramp(&c, OQ_DT_U8, "8,8,8,8", 3);
  ramp(&c, OQ_DT_U8, "8,8,8,8", 3);
  ramp(&c, OQ_DT_U8, "8,8", 3);
  assert_int_equal(
      case_try(&c, "Einsum", 1, "equation=abcde,fghij,adfi,bcgh,ej->a"),
      OQ_E_LIMIT);
  assert_string_equal(test_env_last(&c.t), "einsum.size");
  case_close(&c);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(many_axes_are_multiplied),
      cmocka_unit_test(sums_of_nothing_are_zero),
      cmocka_unit_test(the_work_is_bounded),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
