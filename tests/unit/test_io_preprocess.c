/* From the words of the options to numbers: presets, refinements, sizes,
 * layouts, what is refused. */
#include "unit/io_support.h"

#include "io/preprocess.h"

static const oq_io_error no_error = {0};

static oq_status make(oq_preprocess *p, oq_image_options opt,
                      oq_value_info input) {
  oq_io_error err = no_error;
  const oq_status s = oq_preprocess_make(p, &opt, &input, NULL, &err);

  if (s != OQ_OK) assert_true(err.text[0] != 0 && err.status == s);
  return s;
}

static oq_value_info nchw(int64_t h, int64_t w) {
  return input_of("x", OQ_DT_F32, 4, DIMS(1, 3, h, w));
}

typedef struct result {
  void *memory;
  oq_tensor_view v;
  const float *f;
  const uint8_t *b;
} result;

static result run(const oq_preprocess *p, unsigned w, unsigned h) {
  uint8_t *const ppm = malloc(64 + (size_t)w * h * 3);
  assert_non_null(ppm);
  const size_t n = make_ppm(ppm, w, h);
  result r = {0};

  assert_int_equal(oq_preprocess_run(&r.memory, &r.v, p, ppm, n, NULL), OQ_OK);
  free(ppm);
  r.f = r.v.data;
  r.b = r.v.data;
  return r;
}

/* ---- values ------------------------------------------------------------- */

static void presets(void **state) {
  oq_preprocess p;

  (void)state;
  assert_int_equal(
      make(&p, (oq_image_options){.preprocess = "unit"}, nchw(2, 2)), OQ_OK);
  assert_true(p.table[2][255] == 1.0F && p.table[0][51] == 0.2F);
  assert_int_equal(p.resize, OQ_RESIZE_WHOLE);
  assert_int_equal(
      make(&p, (oq_image_options){.preprocess = "signed"}, nchw(2, 2)), OQ_OK);
  assert_true(p.table[0][0] == -1.0F && p.table[1][255] == 1.0F);
  assert_int_equal(
      make(&p, (oq_image_options){.preprocess = "raw"}, nchw(2, 2)), OQ_OK);
  assert_true(p.table[0][17] == 17.0F);
  assert_int_equal(
      make(&p, (oq_image_options){.preprocess = "imagenet"}, nchw(224, 224)),
      OQ_OK);
  assert_true(p.table[2][255] == (1.0F - 0.406F) / 0.225F);
  assert_int_equal(p.resize, OQ_RESIZE_SHORTER);
  assert_int_equal(p.shorter, 256);
  assert_int_equal(p.crop_width, 224);
}

static void values_in_channel_order(void **state) {
  oq_preprocess p;

  (void)state;
  /* the preset's numbers belong to R, G, B */
  assert_int_equal(
      make(&p, (oq_image_options){.preprocess = "imagenet", .color = "bgr"},
           nchw(8, 8)),
      OQ_OK);
  assert_true(p.mean[0] == 0.406 && p.std[2] == 0.229);
  /* a person's to the channels as they are fed */
  assert_int_equal(make(&p,
                        (oq_image_options){.preprocess = "raw",
                                           .color = "bgr",
                                           .mean = "1,2,3",
                                           .std = "2",
                                           .scale = "0.5"},
                        nchw(2, 2)),
                   OQ_OK);
  const result r = run(&p, 2, 2);
  uint8_t rgb[3];
  pixel(rgb, 1, 1);
  assert_true(r.f[3] == ((float)rgb[2] / 0.5F - 1) / 2); /* B, G, R */
  assert_true(r.f[11] == ((float)rgb[0] / 0.5F - 3) / 2);
  free(r.memory);
}

static void layouts(void **state) {
  oq_preprocess p;
  uint8_t rgb[3];

  (void)state;
  pixel(rgb, 2, 1);
  assert_int_equal(make(&p, (oq_image_options){.preprocess = "raw"},
                        input_of("x", OQ_DT_F32, 4, DIMS(-1, 2, 3, 3))),
                   OQ_OK); /* only the last axis can be channels */
  result r = run(&p, 3, 2);
  assert_int_equal(r.v.rank, 4);
  assert_true(r.v.dim[0] == 1 && r.v.dim[1] == 2 && r.v.dim[3] == 3);
  assert_int_equal(r.v.size, 72);
  assert_true(r.f[15] == (float)rgb[0] && r.f[17] == (float)rgb[2]);
  free(r.memory);
  assert_int_equal(make(&p, (oq_image_options){.preprocess = "raw"},
                        input_of("x", OQ_DT_U8, 3, DIMS(3, 2, 3))),
                   OQ_OK);
  r = run(&p, 3, 2);
  assert_int_equal(r.v.rank, 3);
  assert_int_equal(r.v.dtype, OQ_DT_U8);
  assert_int_equal(r.v.size, 18);
  assert_int_equal(r.b[17], rgb[2]);
  free(r.memory);
  assert_int_equal(make(&p, (oq_image_options){.preprocess = "unit"},
                        input_of("x", OQ_DT_F32, 4, DIMS(1, 1, 2, 3))),
                   OQ_OK);
  assert_true(p.gray);
  r = run(&p, 3, 2);
  const unsigned luma =
      (rgb[0] * 19595U + rgb[1] * 38470U + rgb[2] * 7471U + 32768U) >> 16;
  assert_true(r.f[5] == (float)luma / 255.0F);
  free(r.memory);
}

/* ---- geometry ----------------------------------------------------------- */

static void whole_picture_is_one_resize(void **state) {
  oq_preprocess p;
  oq_image im, to;

  (void)state;
  assert_int_equal(make(&p,
                        (oq_image_options){.preprocess = "raw",
                                           .layout = "nhwc",
                                           .interpolation = "bicubic"},
                        input_of("x", OQ_DT_U8, 4, DIMS(1, 5, 4, 3))),
                   OQ_OK);
  const result r = run(&p, 11, 9);
  assert_int_equal(oq_image_make(&im, 11, 9, 3, 9999, NULL), OQ_OK);
  for (unsigned i = 0; i < 99; i++) pixel(im.data + 3 * i, i % 11, i / 11);
  assert_int_equal(oq_image_resize(&to, &im, 4, 5, OQ_FILTER_BICUBIC, NULL),
                   OQ_OK);
  assert_memory_equal(r.b, to.data, 60);
  oq_image_free(&to);
  oq_image_free(&im);
  free(r.memory);
}

static void shorter_side_and_crop(void **state) {
  oq_preprocess p;
  oq_image im, to;
  const oq_image_options opt = {
      .preprocess = "raw", .resize = "6", .crop = "4x5"};

  (void)state;
  assert_int_equal(
      make(&p, opt, input_of("x", OQ_DT_U8, 4, DIMS(1, -1, -1, 3))), OQ_OK);
  const result r = run(&p, 20, 12); /* becomes 10x6, then 4x5 */
  assert_true(r.v.dim[1] == 5 && r.v.dim[2] == 4);
  assert_int_equal(oq_image_make(&im, 20, 12, 3, 9999, NULL), OQ_OK);
  for (unsigned i = 0; i < 240; i++) pixel(im.data + 3 * i, i % 20, i / 20);
  assert_int_equal(oq_image_resize(&to, &im, 10, 6, OQ_FILTER_BILINEAR, NULL),
                   OQ_OK);
  /* left (10-4)/2 = 3; top half a pixel, rounded to even = 0 */
  assert_memory_equal(r.b, to.data + 9, 12);
  oq_image_free(&to);
  oq_image_free(&im);
  free(r.memory);
}

static void ragged_sizes(void **state) {
  const oq_image_options opt = {.preprocess = "raw", .resize = "6"};
  oq_preprocess p;

  (void)state;
  assert_int_equal(
      make(&p, opt, input_of("x", OQ_DT_U8, 4, DIMS(1, 3, -1, -1))), OQ_OK);
  result r = run(&p, 20, 12);
  assert_true(r.v.dim[2] == 6 && r.v.dim[3] == 10);
  free(r.memory);
  r = run(&p, 6, 600);
  assert_true(r.v.dim[2] == 600 && r.v.dim[3] == 6);
  free(r.memory);
}

static void letterboxes(void **state) {
  oq_image_options opt = {.preprocess = "raw", .letterbox = "114"};
  oq_preprocess p;
  uint8_t rgb[3];

  (void)state;
  pixel(rgb, 0, 0);
  assert_int_equal(make(&p, opt, input_of("x", OQ_DT_U8, 4, DIMS(1, 8, 8, 3))),
                   OQ_OK);
  result r = run(&p, 8, 4); /* fits without scaling: rows 2..5 */
  assert_int_equal(r.b[0], 114);
  assert_int_equal(r.b[2 * 24 - 1], 114);
  assert_memory_equal(r.b + 2 * 24, rgb, 3);
  assert_int_equal(r.b[6 * 24], 114);
  free(r.memory);
  opt.letterbox = "7:top-left";
  assert_int_equal(make(&p, opt, input_of("x", OQ_DT_U8, 4, DIMS(1, 8, 8, 3))),
                   OQ_OK);
  r = run(&p, 4, 8);
  assert_memory_equal(r.b, rgb, 3);
  assert_int_equal(r.b[12], 7);
  free(r.memory);
  /* a line still has a pixel */
  r = run(&p, 1000, 1);
  assert_int_equal(r.v.size, 192);
  assert_int_equal(r.b[24], 7);
  free(r.memory);
}

/* ---- refusals ----------------------------------------------------------- */

static void usage_is_explained(void **state) {
  oq_value_info x = nchw(8, 8);
  oq_image_options none = {0};
  oq_io_error err;
  oq_preprocess p;

  (void)state;
  assert_int_equal(oq_preprocess_make(&p, &none, &x, NULL, &err),
                   OQ_E_ARGUMENT);
  assert_non_null(strstr(err.hint, "imagenet"));
  assert_non_null(strstr(err.hint, "unit"));
  assert_non_null(strstr(err.hint, "signed"));
  assert_non_null(strstr(err.hint, "raw"));
  none.preprocess = "Imagenet";
  assert_int_equal(oq_preprocess_make(&p, &none, &x, NULL, &err),
                   OQ_E_ARGUMENT);
  assert_non_null(strstr(err.hint, "imagenet"));
  /* sizes nobody knows */
  x = nchw(-1, -1);
  none.preprocess = "imagenet";
  assert_int_equal(oq_preprocess_make(&p, &none, &x, NULL, &err),
                   OQ_E_ARGUMENT);
  assert_non_null(strstr(err.hint, "--resize"));
}

static void words_that_are_refused(void **state) {
  static const oq_image_options cases[] = {
      {.preprocess = "raw", .resize = "0"},
      {.preprocess = "raw", .resize = "8x"},
      {.preprocess = "raw", .resize = "x8"},
      {.preprocess = "raw", .resize = "8x8x8"},
      {.preprocess = "raw", .resize = "-8"},
      {.preprocess = "raw", .resize = "99999999999"},
      {.preprocess = "raw", .resize = "4x4"}, /* the model wants 8x8 */
      {.preprocess = "raw", .resize = "4"},
      {.preprocess = "raw", .crop = "7"},
      {.preprocess = "raw", .resize = "6", .crop = "8"},
      {.preprocess = "raw", .crop = "wide"},
      {.preprocess = "raw", .letterbox = "256"},
      {.preprocess = "raw", .letterbox = "1:bottom"},
      {.preprocess = "raw", .letterbox = "0", .crop = "8"},
      {.preprocess = "raw", .letterbox = "0", .resize = "8"},
      {.preprocess = "raw", .scale = "0"},
      {.preprocess = "raw", .scale = "1,2,3"},
      {.preprocess = "raw", .mean = "1,2"},
      {.preprocess = "raw", .mean = "1,2,3,4"},
      {.preprocess = "raw", .mean = "a"},
      {.preprocess = "raw", .mean = ""},
      {.preprocess = "raw", .std = "1,0,1"},
      {.preprocess = "raw", .std = "1e-60"},
      {.preprocess = "raw", .color = "rgba"},
      {.preprocess = "raw", .color = "gray"}, /* three channels */
      {.preprocess = "raw", .layout = "hwc"},
      {.preprocess = "raw", .interpolation = "lanczos"},
  };
  oq_preprocess p;

  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_int_equal(make(&p, cases[i], nchw(8, 8)), OQ_E_ARGUMENT);
  }
}

static void inputs_that_are_refused(void **state) {
  const oq_image_options raw = {.preprocess = "raw"};
  const oq_image_options scaled = {.preprocess = "raw", .scale = "2"};
  oq_preprocess p;

  (void)state;
  assert_int_equal(make(&p, raw, input_of("x", OQ_DT_I64, 4, DIMS(1, 3, 8, 8))),
                   OQ_E_UNSUPPORTED);
  assert_int_equal(make(&p, raw, input_of("x", OQ_DT_F32, 2, DIMS(1, 10))),
                   OQ_E_DATA);
  assert_int_equal(make(&p, raw, input_of("x", OQ_DT_F32, 4, DIMS(8, 3, 8, 8))),
                   OQ_E_UNSUPPORTED);
  assert_int_equal(make(&p, raw, input_of("x", OQ_DT_F32, 4, DIMS(1, 4, 8, 8))),
                   OQ_E_ARGUMENT); /* --layout is asked for */
  assert_int_equal(make(&p, raw, input_of("x", OQ_DT_F32, 4, DIMS(1, 3, 0, 8))),
                   OQ_E_DATA);
  assert_int_equal(
      make(&p, raw, input_of("x", OQ_DT_F32, 4, DIMS(1, 3, 8, 1 << 20))),
      OQ_E_DATA);
  assert_int_equal(
      make(&p, scaled, input_of("x", OQ_DT_U8, 4, DIMS(1, 3, 8, 8))),
      OQ_E_ARGUMENT);
  assert_int_equal(
      make(&p, raw, input_of("x", OQ_DT_F32, 4, DIMS(1, 3, 8, -1))),
      OQ_E_ARGUMENT);
}

static void small_pictures_have_no_crop(void **state) {
  uint8_t ppm[256];
  const size_t n = make_ppm(ppm, 3, 9);
  const oq_image_options opt = {.preprocess = "raw", .crop = "4"};
  oq_preprocess p;
  void *memory = NULL;
  oq_tensor_view v;

  (void)state;
  assert_int_equal(make(&p, opt, nchw(4, 4)), OQ_OK);
  assert_int_equal(oq_preprocess_run(&memory, &v, &p, ppm, n, NULL), OQ_E_DATA);
  assert_null(memory);
}

/* ---- preset files ------------------------------------------------------- */

static void preset_files(void **state) {
  const folder *const f = *state;
  oq_image_options opt = {.preprocess = in(f, "my.yaml"), .std = "3"};
  const char *file = NULL;
  oq_preprocess p;
  oq_io_error err;
  oq_value_info x = nchw(8, 8);
  char text[300];

  put_text(f, "my.yaml",
           "---\n# how it was trained\npreprocess: unit\n"
           "mean: [0.5, 0.25, 0.125]   # per channel\nstd: \"2\"\r\n"
           "color: 'bgr'\ninterpolation: bicubic\n");
  assert_int_equal(oq_preprocess_make(&p, &opt, &x, &file, &err), OQ_OK);
  assert_string_equal(file, in(f, "my.yaml"));
  assert_true(p.scale == 255 && p.mean[1] == 0.25 && p.std[0] == 3 && p.bgr);
  oq_preprocess_describe(text, sizeof text, &p);
  assert_string_equal(text,
                      "bgr resize=8x8 bicubic scale=255 "
                      "mean=0.5,0.25,0.125 std=3,3,3 nchw");
  opt.preprocess = in(f, "none.yaml");
  assert_int_equal(oq_preprocess_make(&p, &opt, &x, &file, &err), OQ_E_IO);
}

static void preset_files_that_are_refused(void **state) {
  static const char *const cases[] = {
      "mean",  "unknown: 1",
      "mean:", "mean: 1\nmean: 2",
      ": 1",   "preprocess: raw\n  - a",
  };
  oq_io_pool pool = {0};
  oq_image_options o;
  oq_io_error err;

  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_int_equal(oq_preprocess_parse_file(&o, &pool, cases[i],
                                              strlen(cases[i]), "f.yaml", &err),
                     OQ_E_ARGUMENT);
    assert_non_null(strstr(err.text, "f.yaml:"));
  }
  assert_int_equal(oq_preprocess_parse_file(&o, &pool, "a\0b", 3, "f", &err),
                   OQ_E_ARGUMENT);
  assert_int_equal(oq_preprocess_parse_file(&o, &pool, "", 0, "f", &err),
                   OQ_OK);
  oq_io_pool_free(&pool);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(presets),
      cmocka_unit_test(values_in_channel_order),
      cmocka_unit_test(layouts),
      cmocka_unit_test(whole_picture_is_one_resize),
      cmocka_unit_test(shorter_side_and_crop),
      cmocka_unit_test(ragged_sizes),
      cmocka_unit_test(letterboxes),
      cmocka_unit_test(usage_is_explained),
      cmocka_unit_test(words_that_are_refused),
      cmocka_unit_test(inputs_that_are_refused),
      cmocka_unit_test(small_pictures_have_no_crop),
      cmocka_unit_test_setup_teardown(preset_files, folder_make, folder_remove),
      cmocka_unit_test(preset_files_that_are_refused),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
