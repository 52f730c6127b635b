/* ImageDecoder: what becomes of the pixels of the caller's decoder. */
#include "op_case.h"

/* "Decodes" its input: width, height, channels, then pixels. */
typedef struct decoder {
  oq_status status;
  unsigned decoded, released;
  uint8_t pixels[16];
} decoder;

static oq_status decode(void *user, oq_picture *out, const void *data,
                        size_t size) {
  decoder *const d = user;
  const uint8_t *const p = data;

  d->decoded++;
  if (d->status != OQ_OK) {
    (void)snprintf(out->error, sizeof out->error, "it is torn");
    return d->status;
  }
  assert_true(size >= 3 && size - 3 <= sizeof d->pixels);
  out->width = p[0];
  out->height = p[1];
  out->channels = p[2];
  memcpy(d->pixels, p + 3, size - 3);
  out->pixels = size > 3 ? d->pixels : NULL;
  return OQ_OK;
}

static void release(void *user, oq_picture *p) {
  decoder *const d = user;

  (void)p;
  d->released++;
}

static void open_image(op_case *c, decoder *d, oq_status s, const void *file,
                       const char *size) {
  case_open(c, 20);
  *d = (decoder){.status = s};
  c->t.e.images = (oq_image_decoder){decode, release, d};
  case_in(c, OQ_DT_U8, size, file);
}

/* ---- pixels -------------------------------------------------------------- */
static const uint8_t colours[] = {2, 1, 3, 255, 0, 10, 1, 2, 3};
static const uint8_t greys[] = {1, 2, 1, 7, 9};

static void gives(const void *file, const char *size, const char *attrs,
                  const char *shape, const double *want) {
  decoder d;
  op_case c;

  open_image(&c, &d, OQ_OK, file, size);
  case_run(&c, "ImageDecoder", 1, attrs);
  assert_int_equal(c.out[0].dtype, OQ_DT_U8);
  case_is(&c, 0, shape, want, 0);
  assert_int_equal(d.decoded, 1);
  assert_int_equal(d.released, 1);
  case_close(&c);
}

static void formats_are_made(void **state) {
  (void)state;
  gives(colours, "9", "", "1,2,3", (double[]){255, 0, 10, 1, 2, 3});
  gives(colours, "9", "pixel_format=BGR", "1,2,3",
        (double[]){10, 0, 255, 3, 2, 1});
  /* 0.299 R + 0.587 G + 0.114 B */
  gives(colours, "9", "pixel_format=Grayscale", "1,2,1", (double[]){77, 2});
  gives(greys, "5", "", "2,1,3", (double[]){7, 7, 7, 9, 9, 9});
  gives(greys, "5", "pixel_format=BGR", "2,1,3", (double[]){7, 7, 7, 9, 9, 9});
  gives(greys, "5", "pixel_format=Grayscale", "2,1,1", (double[]){7, 9});
}

/* As the operator is defined. */
static void what_is_no_picture_is_empty(void **state) {
  decoder d;
  op_case c;

  (void)state;
  open_image(&c, &d, OQ_E_DATA, colours, "9");
  case_run(&c, "ImageDecoder", 1, "");
  case_has_shape(&c, 0, "0,0,3");
  assert_int_equal(d.released, 0);
  case_close(&c);
}

/* ---- what is refused ----------------------------------------------------- */
static void failures_are_passed_on(void **state) {
  static const uint8_t two[] = {1, 1, 2, 0, 0}, none[] = {1, 1, 3};
  decoder d;
  op_case c;

  (void)state;
  open_image(&c, &d, OQ_E_LIMIT, colours, "9");
  case_refuses(&c, "ImageDecoder", "", OQ_E_LIMIT, "image.decode");
  open_image(&c, &d, OQ_OK, two, "5");
  case_refuses(&c, "ImageDecoder", "", OQ_E_ARGUMENT, "image.decoder");
  assert_int_equal(d.released, 1);
  open_image(&c, &d, OQ_OK, none, "3");
  case_refuses(&c, "ImageDecoder", "", OQ_E_ARGUMENT, "image.decoder");
  open_image(&c, &d, OQ_OK, colours, "9");
  c.t.e.images = (oq_image_decoder){0};
  case_refuses(&c, "ImageDecoder", "", OQ_E_UNSUPPORTED, "image.decoder");
  open_image(&c, &d, OQ_OK, colours, "3,3");
  case_refuses(&c, "ImageDecoder", "", OQ_E_MODEL, "op.rank");
  assert_int_equal(d.decoded, 0);
}

static void channels_are_known_beforehand(void **state) {
  (void)state;
  infers(20, "ImageDecoder", "", "i:?", "?,?,3");
  infers(20, "ImageDecoder", "pixel_format=Grayscale", "i:?", "?,?,1");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(formats_are_made),
      cmocka_unit_test(what_is_no_picture_is_empty),
      cmocka_unit_test(failures_are_passed_on),
      cmocka_unit_test(channels_are_known_beforehand),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
