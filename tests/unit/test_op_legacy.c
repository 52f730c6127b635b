/* Operators of old exporters: Affine, Scale, ParametricSoftplus, ScaledTanh,
 * ImageScaler, Crop, ConstantFill, GivenTensorFill, and the first versions of
 * Upsample, MeanVarianceNormalization, ThresholdedRelu and Slice. */
#include "op_case.h"

static const float x4[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

static void on_two(const char *op, const char *attrs, const float *want) {
  op_case c;

  case_open(&c, 7);
  case_f32(&c, "2", (float[]){-1, 2});
  case_run(&c, op, 1, attrs);
  case_is_f32(&c, 0, "2", want, 1e-5f);
  case_close(&c);
}

static void elementwise(void **state) {
  (void)state;
  on_two("Affine", "alpha=3.0 beta=1.0", (float[]){-2, 7});
  on_two("Affine", "", (float[]){-1, 2});
  on_two("Scale", "scale=0.5", (float[]){-0.5f, 1});
  /* 2 log(1 + e^(0.5 x)); 2 tanh(0.5 x) */
  on_two("ParametricSoftplus", "alpha=2.0 beta=0.5",
         (float[]){0.9481540f, 2.6265235f});
  on_two("ScaledTanh", "alpha=2.0 beta=0.5",
         (float[]){-0.9242343f, 1.5231884f});
  on_two("ThresholdedRelu", "alpha=1.5", (float[]){0, 2});
}

static void image_scaler(void **state) {
  op_case c;

  (void)state;
  case_open(&c, 7);
  case_f32(&c, "1,3,2,2", x4);
  case_run(&c, "ImageScaler", 1, "scale=2.0 bias=[1.0,0.0,-1.0]");
  case_is_f32(&c, 0, "1,3,2,2",
              (float[]){3, 5, 7, 9, 10, 12, 14, 16, 17, 19, 21, 23}, 0);
  case_close(&c);
  case_open(&c, 7);
  case_f32(&c, "1,3,2,2", x4);
  case_refuses(&c, "ImageScaler", "bias=[1.0,2.0]", OQ_E_MODEL, "image.bias");
}

static void crop(void **state) {
  op_case c;

  (void)state;
  case_open(&c, 7);
  case_f32(&c, "1,1,3,4", x4);
  case_run(&c, "Crop", 1, "border=[1,0,2,1]"); /* left top right bottom */
  case_is_f32(&c, 0, "1,1,2,1", (float[]){2, 6}, 0);
  case_close(&c);
  case_open(&c, 7);
  case_f32(&c, "1,1,3,4", x4);
  case_run(&c, "Crop", 1, "border=[1,1,0,0] scale=[2,2]"); /* height width */
  case_is_f32(&c, 0, "1,1,2,2", (float[]){6, 7, 10, 11}, 0);
  case_close(&c);
  case_open(&c, 7);
  case_f32(&c, "1,1,3,4", x4);
  case_refuses(&c, "Crop", "border=[1,1,4,0]", OQ_E_MODEL, "crop.size");
  case_open(&c, 7);
  case_f32(&c, "1,1,3,4", x4);
  case_refuses(&c, "Crop", "border=[1,1,4]", OQ_E_MODEL, "crop.attr");
}

static void fills(void **state) {
  op_case c;

  (void)state;
  case_open(&c, 7);
  case_run(&c, "ConstantFill", 1, "shape=[2,2] value=1.5");
  case_is_f32(&c, 0, "2,2", (float[]){1.5f, 1.5f, 1.5f, 1.5f}, 0);
  case_close(&c);
  case_open(&c, 7);
  case_in(&c, OQ_DT_I64, "1", (int64_t[]){2});
  case_run(&c, "ConstantFill", 1,
           "input_as_shape=1 extra_shape=[1] dtype=7 value=3.0");
  assert_int_equal(c.out[0].dtype, OQ_DT_I64);
  case_is(&c, 0, "2,1", (double[]){3, 3}, 0);
  case_close(&c);
  case_open(&c, 7);
  case_run(&c, "GivenTensorFill", 1, "shape=[1,2] values=[4.0,5.0]");
  case_is_f32(&c, 0, "1,2", (float[]){4, 5}, 0);
  case_close(&c);
  case_open(&c, 7);
  case_refuses(&c, "GivenTensorFill", "shape=[3] values=[4.0]", OQ_E_MODEL,
               "fill.values");
}

static void first_versions(void **state) {
  op_case c;

  (void)state;
  case_open(&c, 1);
  case_f32(&c, "1,1,1,2", (float[]){1, 2});
  case_run(&c, "Upsample", 1, "height_scale=2.0 width_scale=1.0");
  case_is_f32(&c, 0, "1,1,2,2", (float[]){1, 2, 1, 2}, 0);
  case_close(&c);
  case_open(&c, 7);
  case_f32(&c, "1,2,1,2", (float[]){1, 3, 5, 9});
  case_run(&c, "MeanVarianceNormalization", 1, "normalize_variance=0");
  case_is_f32(&c, 0, "1,2,1,2", (float[]){-1, 1, -2, 2}, 1e-6f);
  case_close(&c);
  case_open(&c, 7);
  case_f32(&c, "1,2,1,1", (float[]){1, 3});
  case_run(&c, "MeanVarianceNormalization", 1, "across_channels=1");
  case_is_f32(&c, 0, "1,2,1,1", (float[]){-1, 1}, 1e-6f);
  case_close(&c);
  case_open(&c, 7);
  case_f32(&c, "3,4", x4);
  case_in(&c, OQ_DT_I64, "1", (int64_t[]){1});
  case_in(&c, OQ_DT_I64, "1", (int64_t[]){3});
  case_in(&c, OQ_DT_I64, "1", (int64_t[]){1});
  case_run(&c, "DynamicSlice", 1, "");
  case_is_f32(&c, 0, "3,2", (float[]){2, 3, 6, 7, 10, 11}, 0);
  case_close(&c);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(elementwise),    cmocka_unit_test(image_scaler),
      cmocka_unit_test(crop),           cmocka_unit_test(fills),
      cmocka_unit_test(first_versions),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
