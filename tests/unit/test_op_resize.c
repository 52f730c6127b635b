/* Resize and Upsample beyond the official cases: old versions, coordinate
 * rules by hand, types, what is left unknown, what is refused. */
#include "op_case.h"

static const float x4[] = {1, 2, 3, 4};

static void resize_line(int64_t opset, const char *attrs, const float *x,
                        const char *in, const float *scale, const char *out,
                        const float *want) {
  op_case c;

  case_open(&c, opset);
  case_f32(&c, in, x);
  if (opset >= 11) case_absent(&c);
  case_f32(&c, "3", (float[]){1, 1, *scale});
  case_run(&c, "Resize", 1, attrs);
  case_is_f32(&c, 0, out, want, 1e-6);
  case_close(&c);
}

/* As onnxruntime has them. */
static void by_coordinate(void **state) {
  static const float two = 2.0f, half = 0.5f;
  static const struct {
    const char *attrs;
    const float *scale;
    const char *out;
    float y[8];
  } rows[] = {
      {"mode=linear",
       &two,
       "1,1,8",
       {1, 1.25f, 1.75f, 2.25f, 2.75f, 3.25f, 3.75f, 4}},
      {"mode=linear coordinate_transformation_mode=asymmetric",
       &two,
       "1,1,8",
       {1, 1.5f, 2, 2.5f, 3, 3.5f, 4, 4}},
      {"mode=linear coordinate_transformation_mode=align_corners",
       &half,
       "1,1,2",
       {1, 4}},
      {"mode=linear coordinate_transformation_mode=pytorch_half_pixel",
       &half,
       "1,1,2",
       {1.5f, 3.5f}},
      {"mode=linear antialias=1", &half, "1,1,2", {1.625f, 3.375f}},
      {"nearest_mode=floor", &half, "1,1,2", {1, 3}},
      {"nearest_mode=ceil", &half, "1,1,2", {2, 4}},
      {"nearest_mode=round_prefer_floor", &half, "1,1,2", {1, 3}},
      {"nearest_mode=round_prefer_ceil", &half, "1,1,2", {2, 4}},
      {"mode=cubic cubic_coeff_a=-0.5 exclude_outside=1",
       &two,
       "1,1,8",
       {0.91176468f, 1.16788328f, 1.70992362f, 2.25f, 2.75f, 3.29007626f,
        3.83211684f, 4.08823490f}},
  };

  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
    resize_line(19, rows[i].attrs, x4, "1,1,4", rows[i].scale, rows[i].out,
                rows[i].y);
}

/* Before 11 there were no modes: positions count from the corner; nearest
 * neighbours lie below, or above where the output is smaller. */
static void old_nearest(void **state) {
  static const float up = 2.0f, down = 0.6f;
  op_case c;

  (void)state;
  resize_line(10, "", x4, "1,1,4", &up, "1,1,8",
              (float[]){1, 1, 2, 2, 3, 3, 4, 4});
  resize_line(10, "", x4, "1,1,4", &down, "1,1,2", (float[]){1, 3});
  resize_line(10, "mode=linear", x4, "1,1,4", &up, "1,1,8",
              (float[]){1, 1.5f, 2, 2.5f, 3, 3.5f, 4, 4});
  case_open(&c, 7);
  case_f32(&c, "1,1,2,2", x4);
  case_run(&c, "Upsample", 1, "scales=[1.0,1.0,1.0,2.0]");
  case_is_f32(&c, 0, "1,1,2,4", (float[]){1, 1, 2, 2, 3, 3, 4, 4}, 0);
  case_close(&c);
  case_open(&c, 9);
  case_f32(&c, "1,1,2,2", x4);
  case_f32(&c, "4", (float[]){1, 1, 1, 2});
  case_run(&c, "Upsample", 1, "mode=linear");
  case_is_f32(&c, 0, "1,1,2,4", (float[]){1, 1.5f, 2, 2, 3, 3.5f, 4, 4}, 1e-6);
  case_close(&c);
}

static void crops(void **state) {
  static const char *const modes[] = {"nearest", "linear", "cubic"};

  (void)state;
  for (size_t i = 0; i < 3; i++) {
    op_case c;
    char attrs[128];
    (void)snprintf(attrs, sizeof attrs,
                   "mode=%s extrapolation_value=9.0 "
                   "coordinate_transformation_mode=tf_crop_and_resize",
                   modes[i]);
    case_open(&c, 13);
    case_f32(&c, "1,1,4", x4);
    case_f32(&c, "6", (float[]){0, 0, 0, 1, 1, 1.6666666f});
    case_absent(&c);
    case_i64(&c, "3", (int64_t[]){1, 1, 6});
    case_run(&c, "Resize", 1, attrs);
    case_is_f32(&c, 0, "1,1,6", (float[]){1, 2, 3, 4, 9, 9}, 1e-5);
    case_close(&c);
  }
}

static void keeps_ratio(void **state) {
  op_case c;

  (void)state;
  case_open(&c, 18);
  case_numbers(&c, OQ_DT_F32, "1,4,6", 1);
  case_absent(&c);
  case_absent(&c);
  case_i64(&c, "2", (int64_t[]){8, 6});
  case_run(&c, "Resize", 1, "axes=[1,2] keep_aspect_ratio_policy=not_larger");
  case_has_shape(&c, 0, "1,4,6");
  case_close(&c);
  case_open(&c, 18);
  case_numbers(&c, OQ_DT_F32, "1,4,6", 1);
  case_absent(&c);
  case_absent(&c);
  case_i64(&c, "2", (int64_t[]){6, 8});
  case_run(&c, "Resize", 1, "axes=[2,1] keep_aspect_ratio_policy=not_smaller");
  case_has_shape(&c, 0, "1,8,12");
  case_close(&c);
}

static void other_types(void **state) {
  op_case c;

  (void)state;
  case_open(&c, 19);
  case_in(&c, OQ_DT_I64, "1,1,2", (int64_t[]){INT64_MAX, 7});
  case_absent(&c);
  case_absent(&c);
  case_i64(&c, "3", (int64_t[]){1, 1, 4});
  case_run(&c, "Resize", 1, "");
  case_is_i64(&c, 0, "1,1,4", (int64_t[]){INT64_MAX, INT64_MAX, 7, 7});
  case_close(&c);
  case_open(&c, 19);
  case_in(&c, OQ_DT_U8, "1,1,2", (uint8_t[]){10, 250});
  case_absent(&c);
  case_absent(&c);
  case_i64(&c, "3", (int64_t[]){1, 1, 4});
  case_run(&c, "Resize", 1, "mode=linear");
  case_is(&c, 0, "1,1,4", (double[]){10, 70, 190, 250}, 0);
  case_close(&c);
}

/* Two axes at once are one after the other. */
static void is_separable(void **state) {
  op_case both, first, second;

  (void)state;
  case_open(&both, 13);
  case_numbers(&both, OQ_DT_F64, "2,5,7", 3);
  case_absent(&both);
  case_f32(&both, "3", (float[]){1, 1.5f, 0.4f});
  case_run(&both, "Resize", 1, "mode=cubic");
  case_open(&first, 13);
  case_numbers(&first, OQ_DT_F64, "2,5,7", 3);
  case_absent(&first);
  case_f32(&first, "3", (float[]){1, 1.5f, 1});
  case_run(&first, "Resize", 1, "mode=cubic");
  case_open(&second, 13);
  case_in(&second, OQ_DT_F64, "2,7,7", first.out[0].data);
  case_absent(&second);
  case_f32(&second, "3", (float[]){1, 1, 0.4f});
  case_run(&second, "Resize", 1, "mode=cubic");
  case_is(&both, 0, "2,7,2", second.out[0].data, 1e-12);
  case_close(&second);
  case_close(&first);
  case_close(&both);
}

static void infer_partly(void **state) {
  (void)state;
  infers(13, "Resize", "", "N,3,4,W;_;f=1,1,2,2", "N,3,8,2*W");
  infers(13, "Resize", "", "N,3,4,W;_;_;i=1,3,9,9", "1,3,9,9");
  infers(18, "Resize", "axes=[2,3]", "N,3,4,W;_;_;i=9,9", "N,3,9,9");
  infers(18, "Resize", "axes=[2,3] keep_aspect_ratio_policy=not_larger",
         "N,3,4,W;_;_;i=9,9", "N,3,?,?");
  infers(13, "Resize", "", "N,3,4,5;_;_;i:4", "?,?,?,?");
  infers(9, "Upsample", "", "N,3,4,5;f=1,1,2,3", "N,3,8,15");
}

/* ---- refusals ------------------------------------------------------------ */
static void refuse(const char *attrs, uint32_t n_scales, const float *scales,
                   uint32_t n_sizes, const int64_t *sizes, oq_status s,
                   const char *id) {
  op_case c;
  char n[8];

  case_open(&c, 19);
  case_numbers(&c, OQ_DT_F32, "1,1,4", 1);
  case_absent(&c);
  (void)snprintf(n, sizeof n, "%u", n_scales);
  if (scales != NULL)
    case_f32(&c, n, scales);
  else
    case_absent(&c);
  (void)snprintf(n, sizeof n, "%u", n_sizes);
  if (sizes != NULL) case_i64(&c, n, sizes);
  case_refuses(&c, "Resize", attrs, s, id);
}

static void refusals(void **state) {
  static const float ones[20] = {1, 1, 1};
  static const int64_t sizes[] = {1, 1, 3};
  static const char *const id = "resize.request";

  (void)state;
  refuse("", 3, ones, 3, sizes, OQ_E_MODEL, id);
  refuse("", 0, NULL, 0, sizes, OQ_E_MODEL, id);
  refuse("", 2, ones, 0, NULL, OQ_E_MODEL, id);
  refuse("", 17, ones, 0, NULL, OQ_E_MODEL, id);
  refuse("", 0, NULL, 2, sizes, OQ_E_MODEL, id);
  refuse("", 3, (float[]){1, 1, 0}, 0, NULL, OQ_E_MODEL, id);
  refuse("", 3, (float[]){1, 1, -2}, 0, NULL, OQ_E_MODEL, id);
  refuse("", 3, (float[]){1, 1, NAN}, 0, NULL, OQ_E_MODEL, id);
  refuse("", 3, (float[]){1, 1, INFINITY}, 0, NULL, OQ_E_MODEL, id);
  refuse("", 3, (float[]){1, 1, 3e38f}, 0, NULL, OQ_E_MODEL, id);
  refuse("", 0, NULL, 3, (int64_t[]){1, 1, -1}, OQ_E_MODEL, id);
  refuse("axes=[0,0,1]", 3, ones, 0, NULL, OQ_E_MODEL, id);
  refuse("axes=[0,1,3]", 3, ones, 0, NULL, OQ_E_MODEL, id);
  refuse("antialias=1", 3, ones, 0, NULL, OQ_E_MODEL, "resize.antialias");
  refuse("mode=other", 3, ones, 0, NULL, OQ_E_MODEL, "op.attr");
}

static void facts(void **state) {
  static const struct {
    const char *attrs;
    oq_quant_class cls;
  } rows[] = {{"", OQ_Q_MOVE}, {"mode=linear", OQ_Q_MAP}};

  (void)state;
  for (size_t i = 0; i < 2; i++) {
    op_case c;
    case_open(&c, 13);
    case_f32(&c, "1,1,4", x4);
    case_absent(&c);
    case_f32(&c, "3", (float[]){1, 1, 2});
    case_run(&c, "Resize", 1, rows[i].attrs);
    const oq_node *const n = &c.b.g->nodes[0];
    assert_int_equal(n->def->quant.refine(n->params), rows[i].cls);
    case_close(&c);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(by_coordinate), cmocka_unit_test(old_nearest),
      cmocka_unit_test(crops),         cmocka_unit_test(keeps_ratio),
      cmocka_unit_test(other_types),   cmocka_unit_test(is_separable),
      cmocka_unit_test(infer_partly),  cmocka_unit_test(refusals),
      cmocka_unit_test(facts),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
