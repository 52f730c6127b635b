/* Pictures of every kind that is read, damaged ones, orientation, resizing. */
#include "unit/io_support.h"

#include <png.h>
#include <turbojpeg.h>
#include <webp/encode.h>

#include "io/image.h"

static oq_status decode(oq_image *im, const void *p, size_t n) {
  /* An exact copy, so that the sanitizer sees the first byte too many. */
  uint8_t *const copy = malloc(n + 1);
  assert_non_null(copy);
  uint8_t *const exact = realloc(copy, n != 0 ? n : 1);
  assert_non_null(exact);
  oq_io_error err = {0};

  if (n != 0) memcpy(exact, p, n);
  const oq_status s = oq_image_decode(im, exact, n, 1 << 20, &err);
  free(exact);
  if (s != OQ_OK) assert_true(strlen(err.text) > 0);
  return s;
}

static void fill_pixels(uint8_t *rgb, unsigned w, unsigned h) {
  for (unsigned y = 0; y < h; y++) {
    for (unsigned x = 0; x < w; x++) pixel(rgb + 3 * (y * w + x), x, y);
  }
}

/* ---- PNM ---------------------------------------------------------------- */

static void pnm(void **state) {
  static const char text[] = "P3 # comment\n2 1\n#another\n15\n0 15 7  1 2 3";
  static const char wide[] = "P5 2 2 65535\n\0\0\xff\xff\x80\0\1\1";
  static const char *const bad[] = {"P6",
                                    "P6 2",
                                    "P6 2 2 255",
                                    "P6 0 2 255\n",
                                    "P6 2 2 0\n",
                                    "P5 2 2 70000\n",
                                    "P6 2 2 255\nabc",
                                    "P3 1 1 255\n1 2",
                                    "P5 99999999999 1 255\nx",
                                    "P5 1000000000 1000000000 255\nx",
                                    "P4 1 1\nx"};
  uint8_t ppm[256];
  oq_image im;

  (void)state;
  assert_int_equal(decode(&im, ppm, make_ppm(ppm, 5, 3)), OQ_OK);
  assert_int_equal(im.width, 5);
  assert_int_equal(im.height, 3);
  assert_int_equal(im.channels, 3);
  uint8_t want[45];
  fill_pixels(want, 5, 3);
  assert_memory_equal(im.data, want, 45);
  oq_image_free(&im);
  assert_int_equal(decode(&im, text, sizeof text - 1), OQ_OK);
  assert_memory_equal(im.data, "\0\xff\x77\x11\x22\x33", 6);
  oq_image_free(&im);
  assert_int_equal(decode(&im, wide, sizeof wide - 1), OQ_OK);
  assert_int_equal(im.channels, 1);
  assert_memory_equal(im.data, "\0\xff\x80\1", 4);
  oq_image_free(&im);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_int_not_equal(decode(&im, bad[i], strlen(bad[i])), OQ_OK);
  }
}

/* ---- PNG ---------------------------------------------------------------- */

typedef struct sink {
  uint8_t bytes[8192];
  size_t n;
} sink;

static void sink_write(png_structp png, png_bytep p, size_t n) {
  sink *const s = png_get_io_ptr(png);

  assert_true(s->n + n <= sizeof s->bytes);
  memcpy(s->bytes + s->n, p, n);
  s->n += n;
}

static void sink_flush(png_structp png) { (void)png; }

typedef struct png_spec {
  int type, depth;
  bool interlaced, gamma;
  uint8_t orientation;
} png_spec;

/* `rows` are as PNG stores them. */
static void make_png(sink *out, png_spec spec, unsigned w, unsigned h,
                     uint8_t *pixels, size_t row) {
  png_structp png =
      png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
  png_infop info = png_create_info_struct(png);
  png_color palette[4] = {{1, 2, 3}, {10, 20, 30}, {200, 100, 50}, {9, 9, 9}};
  png_byte transparent[2] = {0, 128};
  png_byte exif[26] = "II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0";
  png_bytep rows[16];

  out->n = 0;
  png_set_write_fn(png, out, sink_write, sink_flush);
  png_set_IHDR(png, info, w, h, spec.depth, spec.type,
               spec.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (spec.type == PNG_COLOR_TYPE_PALETTE) {
    png_set_PLTE(png, info, palette, 4);
    png_set_tRNS(png, info, transparent, 2, NULL);
  }
  if (spec.gamma) png_set_gAMA(png, info, 1.0);
  if (spec.orientation != 0) {
    exif[18] = spec.orientation;
    png_set_eXIf_1(png, info, sizeof exif, exif);
  }
  for (unsigned y = 0; y < h; y++) rows[y] = pixels + y * row;
  png_set_rows(png, info, rows);
  png_write_png(png, info, PNG_TRANSFORM_IDENTITY, NULL);
  png_destroy_write_struct(&png, &info);
}

static void check_png(png_spec spec, uint8_t *pixels, size_t row,
                      uint32_t channels, const void *want) {
  sink *const s = calloc(1, sizeof *s);
  oq_image im;

  assert_non_null(s);
  make_png(s, spec, 2, 2, pixels, row);
  assert_int_equal(decode(&im, s->bytes, s->n), OQ_OK);
  assert_int_equal(im.width, 2);
  assert_int_equal(im.channels, channels);
  assert_memory_equal(im.data, want, 4 * channels);
  oq_image_free(&im);
  free(s);
}

static void png_kinds(void **state) {
  uint8_t rgb[] = "abcdefghijkl";
  uint8_t rgba[] = "abc\0def\1ghi\xffjkl\x80";
  uint8_t gray[] = "abcd";
  uint8_t gray_alpha[] = "a\0b\1c\2d\3";
  uint8_t deep[] = "a1b2c3d4e5f6g7h8i9j0k1l2";
  uint8_t deep_gray[] = "a1b2c3d4";
  uint8_t bits[] = {0x40, 0x80};    /* 0 1 / 1 0 */
  uint8_t indices[] = {0x10, 0xb0}; /* two bits each: 0 1 / 2 3 */

  (void)state;
  check_png((png_spec){.type = PNG_COLOR_TYPE_RGB, .depth = 8}, rgb, 6, 3,
            "abcdefghijkl");
  check_png(
      (png_spec){.type = PNG_COLOR_TYPE_RGB, .depth = 8, .interlaced = true},
      rgb, 6, 3, "abcdefghijkl");
  /* gamma says nothing about what a model was trained on */
  check_png((png_spec){.type = PNG_COLOR_TYPE_RGB, .depth = 8, .gamma = true},
            rgb, 6, 3, "abcdefghijkl");
  /* alpha is dropped, whatever it hides */
  check_png((png_spec){.type = PNG_COLOR_TYPE_RGB_ALPHA, .depth = 8}, rgba, 8,
            3, "abcdefghijkl");
  check_png((png_spec){.type = PNG_COLOR_TYPE_GRAY, .depth = 8}, gray, 2, 1,
            "abcd");
  check_png((png_spec){.type = PNG_COLOR_TYPE_GRAY_ALPHA, .depth = 8},
            gray_alpha, 4, 1, "abcd");
  /* 16 bits: the upper eight */
  check_png((png_spec){.type = PNG_COLOR_TYPE_RGB, .depth = 16}, deep, 12, 3,
            "abcdefghijkl");
  check_png((png_spec){.type = PNG_COLOR_TYPE_GRAY, .depth = 16}, deep_gray, 4,
            1, "abcd");
  check_png((png_spec){.type = PNG_COLOR_TYPE_GRAY, .depth = 1}, bits, 1, 1,
            "\0\xff\xff\0");
  check_png((png_spec){.type = PNG_COLOR_TYPE_PALETTE, .depth = 2}, indices, 1,
            3, "\1\2\3\x0a\x14\x1e\xc8\x64\x32\x09\x09\x09");
  /* turned by a quarter: columns become rows */
  check_png(
      (png_spec){.type = PNG_COLOR_TYPE_GRAY, .depth = 8, .orientation = 6},
      gray, 2, 1, "cadb");
}

static void damaged_png(void **state) {
  uint8_t rgb[] = "abcdefghijkl";
  sink *const s = calloc(1, sizeof *s);
  oq_image im;

  (void)state;
  assert_non_null(s);
  make_png(s, (png_spec){.type = PNG_COLOR_TYPE_RGB, .depth = 8}, 2, 2, rgb, 6);
  for (size_t cut = 0; cut < s->n; cut++) {
    assert_int_not_equal(decode(&im, s->bytes, cut), OQ_OK);
  }
  for (size_t i = 8; i < s->n; i++) { /* no bit goes unchecked */
    s->bytes[i] ^= 0x10;
    assert_int_not_equal(decode(&im, s->bytes, s->n), OQ_OK);
    s->bytes[i] ^= 0x10;
  }
  free(s);
}

static void too_many_pixels(void **state) {
  uint8_t rgb[] = "abcdefghijkl";
  sink *const s = calloc(1, sizeof *s);
  oq_image im;

  (void)state;
  assert_non_null(s);
  make_png(s, (png_spec){.type = PNG_COLOR_TYPE_RGB, .depth = 8}, 2, 2, rgb, 6);
  assert_int_equal(oq_image_decode(&im, s->bytes, s->n, 3, NULL), OQ_E_LIMIT);
  assert_int_equal(oq_image_decode(&im, s->bytes, s->n, 4, NULL), OQ_OK);
  oq_image_free(&im);
  free(s);
  assert_int_equal(
      oq_image_make(&im, UINT32_MAX, UINT32_MAX, 3, OQ_IO_MAX_PIXELS, NULL),
      OQ_E_LIMIT);
}

/* ---- JPEG --------------------------------------------------------------- */

typedef struct jpeg {
  unsigned char *bytes;
  unsigned long n;
} jpeg;

static jpeg make_jpeg(unsigned w, unsigned h, int subsampling, int flags) {
  uint8_t *const rgb = malloc((size_t)w * h * 3);
  jpeg j = {NULL, 0};
  const tjhandle t = tjInitCompress();

  assert_non_null(rgb);
  assert_non_null(t);
  for (unsigned y = 0; y < h; y++) { /* smooth, so that little is lost */
    for (unsigned x = 0; x < w; x++) {
      uint8_t *const p = rgb + 3 * (y * w + x);
      p[0] = (uint8_t)(x * 255 / w);
      p[1] = (uint8_t)(y * 255 / h);
      p[2] = 77;
    }
  }
  assert_int_equal(tjCompress2(t, rgb, (int)w, 0, (int)h, TJPF_RGB, &j.bytes,
                               &j.n, subsampling, 95, flags),
                   0);
  (void)tjDestroy(t);
  free(rgb);
  return j;
}

static void jpeg_pixels(void **state) {
  const jpeg j = make_jpeg(40, 24, TJSAMP_444, 0);
  oq_image im;

  (void)state;
  assert_int_equal(decode(&im, j.bytes, j.n), OQ_OK);
  assert_int_equal(im.width, 40);
  assert_int_equal(im.height, 24);
  for (unsigned y = 0; y < 24; y++) {
    for (unsigned x = 0; x < 40; x++) {
      const uint8_t *const p = im.data + 3 * (y * 40 + x);
      assert_in_range(p[0] + 4, x * 255 / 40, x * 255 / 40 + 8);
      assert_in_range(p[1] + 4, y * 255 / 24, y * 255 / 24 + 8);
    }
  }
  oq_image_free(&im);
  tjFree(j.bytes);
}

static void gray_jpeg(void **state) {
  const jpeg j = make_jpeg(16, 16, TJSAMP_GRAY, 0);
  oq_image im;

  (void)state;
  assert_int_equal(decode(&im, j.bytes, j.n), OQ_OK);
  assert_int_equal(im.channels, 1);
  assert_int_equal(oq_image_to_rgb(&im, NULL), OQ_OK);
  assert_int_equal(im.channels, 3);
  assert_int_equal(im.data[0], im.data[2]);
  oq_image_free(&im);
  tjFree(j.bytes);
}

static void cmyk_jpeg(void **state) {
  uint8_t cmyk[16 * 16 * 4];
  jpeg j = {NULL, 0};
  const tjhandle t = tjInitCompress();
  oq_image im;

  (void)state;
  for (size_t i = 0; i < 256; i++) { /* stored inverted: half red ink */
    memcpy(cmyk + 4 * i, "\xff\x80\xff\xff", 4);
  }
  assert_int_equal(tjCompress2(t, cmyk, 16, 0, 16, TJPF_CMYK, &j.bytes, &j.n,
                               TJSAMP_444, 100, 0),
                   0);
  (void)tjDestroy(t);
  assert_int_equal(decode(&im, j.bytes, j.n), OQ_OK);
  assert_int_equal(im.channels, 3);
  assert_in_range(im.data[0], 252, 255);
  assert_in_range(im.data[1], 125, 131);
  assert_in_range(im.data[2], 252, 255);
  oq_image_free(&im);
  tjFree(j.bytes);
}

static void damaged_jpeg(void **state) {
  const jpeg j = make_jpeg(40, 24, TJSAMP_420, 0);
  const jpeg p = make_jpeg(40, 24, TJSAMP_420, TJFLAG_PROGRESSIVE);
  uint8_t *const junk = malloc(j.n + 4);
  oq_image im;

  (void)state;
  for (size_t cut = 0; cut < j.n; cut++) {
    assert_int_not_equal(decode(&im, j.bytes, cut), OQ_OK);
  }
  for (size_t cut = 0; cut < p.n; cut += 3) {
    assert_int_not_equal(decode(&im, p.bytes, cut), OQ_OK);
  }
  assert_int_equal(decode(&im, p.bytes, p.n), OQ_OK);
  oq_image_free(&im);
  /* bytes between the end of the picture and the end marker are harmless */
  assert_non_null(junk);
  memcpy(junk, j.bytes, j.n - 2);
  memcpy(junk + j.n - 2, "\1\2\xff\xd9", 4);
  assert_int_equal(decode(&im, junk, j.n + 2), OQ_OK);
  oq_image_free(&im);
  for (size_t i = 0; i < j.n; i++) { /* must end, whatever it says */
    memcpy(junk, j.bytes, j.n);
    junk[i] ^= 0x21;
    if (decode(&im, junk, j.n) == OQ_OK) oq_image_free(&im);
  }
  free(junk);
  tjFree(j.bytes);
  tjFree(p.bytes);
}

/* ---- WebP and others ---------------------------------------------------- */

static void webp(void **state) {
  uint8_t rgb[12 * 9 * 3], *bytes = NULL;
  oq_image im;

  (void)state;
  fill_pixels(rgb, 12, 9);
  const size_t n = WebPEncodeLosslessRGB(rgb, 12, 9, 36, &bytes);
  assert_true(n > 0);
  assert_int_equal(decode(&im, bytes, n), OQ_OK);
  assert_int_equal(im.width, 12);
  assert_memory_equal(im.data, rgb, sizeof rgb);
  oq_image_free(&im);
  for (size_t cut = 0; cut + 1 < n; cut++) { /* the last byte may be padding */
    assert_int_not_equal(decode(&im, bytes, cut), OQ_OK);
  }
  WebPFree(bytes);
}

static void other_files(void **state) {
  oq_image im;

  (void)state;
  assert_int_equal(decode(&im, "", 0), OQ_E_DATA);
  assert_int_equal(decode(&im, "hello", 5), OQ_E_DATA);
  assert_int_equal(decode(&im, "GIF89a..", 8), OQ_E_UNSUPPORTED);
  assert_int_equal(decode(&im, "II*\0....", 8), OQ_E_UNSUPPORTED);
  assert_true(oq_image_is_name("a/b.JPG"));
  assert_true(oq_image_is_name("x.webp"));
  assert_false(oq_image_is_name(".jpg"));
  assert_false(oq_image_is_name("a.txt"));
}

/* ---- orientation -------------------------------------------------------- */

/* 3x2 picture "abc/def" in all eight orientations. */
static void orientations(void **state) {
  static const struct {
    const char *pixels;
    uint32_t width;
  } want[] = {{"abcdef", 3}, {"cbafed", 3}, {"fedcba", 3}, {"defabc", 3},
              {"adbecf", 2}, {"daebfc", 2}, {"fcebda", 2}, {"cfbead", 2}};

  (void)state;
  for (int i = 1; i <= 8; i++) {
    oq_image im;
    assert_int_equal(oq_image_make(&im, 3, 2, 1, 99, NULL), OQ_OK);
    memcpy(im.data, "abcdef", 6);
    assert_int_equal(oq_image_orient(&im, i, NULL), OQ_OK);
    assert_int_equal(im.width, want[i - 1].width);
    assert_memory_equal(im.data, want[i - 1].pixels, 6);
    oq_image_free(&im);
  }
}

static void exif_in_jpeg(void **state) {
  static const uint8_t little[] =
      "\xff\xd8\xff\xe0\0\4ab\xff\xff\xe1\0\x1e"
      "Exif\0\0II*\0\x08\0\0\0\1\0"
      "\x12\1\3\0\1\0\0\0\6\0\0\0";
  static const uint8_t big[] =
      "\xff\xd8\xff\xe1\0\x1e"
      "Exif\0\0MM\0*\0\0\0\x08\0\1"
      "\1\x12\0\3\0\0\0\1\0\3\0\0";
  uint8_t *copy;

  (void)state;
  assert_int_equal(oq_exif_orientation_jpeg(little, sizeof little - 1), 6);
  assert_int_equal(oq_exif_orientation_jpeg(big, sizeof big - 1), 3);
  for (size_t cut = 0; cut < sizeof little - 1; cut++) {
    copy = malloc(cut + 1);
    assert_non_null(copy);
    uint8_t *const exact = realloc(copy, cut != 0 ? cut : 1);
    assert_non_null(exact);
    memcpy(exact, little, cut);
    assert_int_equal(oq_exif_orientation_jpeg(exact, cut), 1);
    free(exact);
  }
}

/* ---- resizing ----------------------------------------------------------- */

static oq_image picture(unsigned w, unsigned h) {
  oq_image im;

  assert_int_equal(oq_image_make(&im, w, h, 3, OQ_IO_MAX_PIXELS, NULL), OQ_OK);
  fill_pixels(im.data, w, h);
  return im;
}

static uint32_t fnv(const uint8_t *p, size_t n) {
  uint32_t h = 2166136261U;

  for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * 16777619U;
  return h;
}

/* The 7x9 picture through Pillow 13: Image.resize(size, filter). */
static void like_pillow(void **state) {
  static const uint8_t small[] = {56, 125, 123, 135, 133, 132, 195, 110, 122,
                                  96, 109, 132, 169, 119, 105, 130, 117, 131};
  static const struct {
    uint32_t w, h;
    oq_filter filter;
    uint32_t hash;
  } want[] = {
      {3, 2, OQ_FILTER_BILINEAR, 0xb4beae18},
      {3, 2, OQ_FILTER_BICUBIC, 0x2df97f4c},
      {6, 2, OQ_FILTER_BILINEAR, 0x06a1a907},
      {6, 2, OQ_FILTER_BICUBIC, 0x7d700c50},
      {9, 4, OQ_FILTER_BILINEAR, 0x0ef46b21},
      {9, 4, OQ_FILTER_BICUBIC, 0xac26f3c6},
      {10, 11, OQ_FILTER_BILINEAR, 0xed68f9f6},
      {10, 11, OQ_FILTER_BICUBIC, 0x1df378d3},
  };
  oq_image im = picture(7, 9);

  (void)state;
  for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
    oq_image to;
    assert_int_equal(
        oq_image_resize(&to, &im, want[i].w, want[i].h, want[i].filter, NULL),
        OQ_OK);
    if (i == 0) assert_memory_equal(to.data, small, sizeof small);
    assert_int_equal(fnv(to.data, (size_t)3 * want[i].w * want[i].h),
                     want[i].hash);
    oq_image_free(&to);
  }
  oq_image_free(&im);
}

static double triangle(double x) {
  x = x < 0 ? -x : x;
  return x < 1 ? 1 - x : 0;
}

/* Both passes at once in double, from the definition. */
static double exactly(const oq_image *im, unsigned w, unsigned h, unsigned x,
                      unsigned y, unsigned c) {
  const double sx = (double)im->width / w, sy = (double)im->height / h;
  const double fx = sx < 1 ? 1 : sx, fy = sy < 1 ? 1 : sy;
  double sum = 0, weights = 0;

  for (unsigned j = 0; j < im->height; j++) {
    for (unsigned i = 0; i < im->width; i++) {
      const double k = triangle((i + 0.5 - (x + 0.5) * sx) / fx) *
                       triangle((j + 0.5 - (y + 0.5) * sy) / fy);
      sum += k * im->data[(j * im->width + i) * im->channels + c];
      weights += k;
    }
  }
  return sum / weights;
}

static void near_the_definition(void **state) {
  static const unsigned size[][2] = {{1, 1},  {5, 3},   {13, 11}, {31, 2},
                                     {2, 40}, {29, 23}, {12, 40}};
  oq_image im = picture(13, 11);

  (void)state;
  for (size_t s = 0; s < sizeof size / sizeof *size; s++) {
    const unsigned w = size[s][0], h = size[s][1];
    oq_image to;
    assert_int_equal(oq_image_resize(&to, &im, w, h, OQ_FILTER_BILINEAR, NULL),
                     OQ_OK);
    for (unsigned i = 0; i < w * h * 3; i++) {
      const double want = exactly(&im, w, h, i / 3 % w, i / 3 / w, i % 3);
      /* two roundings of half a level each */
      assert_true(to.data[i] >= want - 1.01 && to.data[i] <= want + 1.01);
    }
    oq_image_free(&to);
  }
  oq_image_free(&im);
}

static void flat_stays_flat(void **state) {
  (void)state;
  for (uint32_t n = 1; n < 40; n++) {
    oq_image im, to;
    assert_int_equal(oq_image_make(&im, n, 41 - n, 1, 9999, NULL), OQ_OK);
    memset(im.data, 255, (size_t)n * (41 - n));
    assert_int_equal(
        oq_image_resize(&to, &im, 41 - n, n, OQ_FILTER_BICUBIC, NULL), OQ_OK);
    for (size_t i = 0; i < (size_t)n * (41 - n); i++) {
      assert_int_equal(to.data[i], 255);
    }
    oq_image_free(&to);
    oq_image_free(&im);
  }
}

static void crops_and_gray(void **state) {
  oq_image im = picture(7, 9), to;

  (void)state;
  assert_int_equal(oq_image_crop(&to, &im, 2, 3, 5, 6, NULL), OQ_OK);
  uint8_t want[3];
  pixel(want, 6, 8);
  assert_memory_equal(to.data + 3 * 29, want, 3);
  oq_image_free(&to);
  assert_int_equal(oq_image_crop(&to, &im, 2, 3, 6, 6, NULL), OQ_E_DATA);
  assert_int_equal(oq_image_crop(&to, &im, 2, 3, UINT32_MAX, 6, NULL),
                   OQ_E_DATA);
  memcpy(im.data, "\xff\0\0\0\xff\0\0\0\xff\x80\x80\x80", 12);
  assert_int_equal(oq_image_to_gray(&im, NULL), OQ_OK);
  assert_memory_equal(im.data, "\x4c\x96\x1d\x80", 4); /* 76 150 29 128 */
  oq_image_free(&im);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(pnm),
      cmocka_unit_test(png_kinds),
      cmocka_unit_test(damaged_png),
      cmocka_unit_test(too_many_pixels),
      cmocka_unit_test(jpeg_pixels),
      cmocka_unit_test(gray_jpeg),
      cmocka_unit_test(cmyk_jpeg),
      cmocka_unit_test(damaged_jpeg),
      cmocka_unit_test(webp),
      cmocka_unit_test(other_files),
      cmocka_unit_test(orientations),
      cmocka_unit_test(exif_in_jpeg),
      cmocka_unit_test(like_pillow),
      cmocka_unit_test(near_the_definition),
      cmocka_unit_test(flat_stays_flat),
      cmocka_unit_test(crops_and_gray),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
