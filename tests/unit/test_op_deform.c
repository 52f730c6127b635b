/* DeformConv along one axis and three; the official cases have two. */
#include "op_case.h"

static void one_axis_is_sampled(void **state) {
  const float offsets[] = {0.5f, 0, -0.25f, 0, 0, 0, 0, 5};
  op_case c;

  (void)state;
  case_open(&c, 22);
  case_f32(&c, "1,1,5", (float[]){1, 2, 3, 4, 5});
  case_f32(&c, "1,1,2", (float[]){1, 10});
  case_f32(&c, "1,2,4", offsets);
  case_run(&c, "DeformConv", 1, "");
  /* the last place of the second tap is outside */
  case_is_f32(&c, 0, "1,1,4", (float[]){21.5f, 32, 42.75f, 4}, 0);
  case_close(&c);
}

static void three_axes_are_sampled(void **state) {
  float offsets[24] = {0}, mask[8];
  op_case c;

  (void)state;
  for (uint32_t i = 0; i < 3; i++) offsets[i * 8] = 0.5f;
  for (uint32_t i = 0; i < 8; i++) mask[i] = i == 7 ? 0.5f : 1;
  case_open(&c, 22);
  case_f32(&c, "1,1,2,2,2", (float[]){1, 2, 3, 4, 5, 6, 7, 8});
  case_f32(&c, "1,1,1,1,1", (float[]){2});
  case_f32(&c, "1,3,2,2,2", offsets);
  case_f32(&c, "1", (float[]){100});
  case_f32(&c, "1,1,2,2,2", mask);
  case_run(&c, "DeformConv", 1, "");
  case_is_f32(&c, 0, "1,1,2,2,2",
              (float[]){109, 104, 106, 108, 110, 112, 114, 108}, 0);
  case_close(&c);
}

static void refuses(const char *x, const char *w, const char *offset,
                    const char *id) {
  op_case c;

  case_open(&c, 22);
  case_f32(&c, x, (float[64]){0});
  case_f32(&c, w, (float[64]){0});
  case_f32(&c, offset, (float[64]){0});
  case_refuses(&c, "DeformConv", "", OQ_E_MODEL, id);
}

static void axes_must_agree(void **state) {
  (void)state;
  refuses("1,4", "1,4", "1,4", "op.rank");
  refuses("1,1,5", "1,1,2,1", "1,2,4", "op.rank");
  refuses("1,1,5", "1,1,2", "1,2,4,1", "op.rank");
  refuses("1,1,5", "1,1,2", "1,4,4", "op.shape");
}

static void shapes_are_known_beforehand(void **state) {
  (void)state;
  infers(22, "DeformConv", "", "N,2,9;4,2,3;*", "N,4,7");
  infers(22, "DeformConv", "strides=[1,2,1]", "1,2,5,6,7;4,2,2,2,2;*",
         "1,4,4,3,6");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_axis_is_sampled),
      cmocka_unit_test(three_axes_are_sampled),
      cmocka_unit_test(axes_must_agree),
      cmocka_unit_test(shapes_are_known_beforehand),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
