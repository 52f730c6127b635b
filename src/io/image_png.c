/* io/image_png.c - PNG through libpng.  Not its simplified interface: that one
 * takes 16-bit files for linear light and applies gamma chunks, which the
 * programs models are trained with do not. */
#include "io/image.h"

#if OQ_IO_IMAGES

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

typedef struct reader {
  const uint8_t *p;
  size_t left;
  char text[128]; /* of the error that made it jump */
  uint64_t max_pixels;
  oq_image im;
  png_bytep *rows;
  oq_status status; /* of a failure that is not libpng's */
} reader;

static void on_read(png_structp png, png_bytep out, size_t n) {
  reader *const r = png_get_io_ptr(png);

  if (n > r->left) png_error(png, "the file is truncated");
  memcpy(out, r->p, n);
  r->p += n;
  r->left -= n;
}

static PNG_NORETURN void on_error(png_structp png, png_const_charp text) {
  reader *const r = png_get_error_ptr(png);

  for (size_t i = 0; i + 1 < sizeof r->text && text[i] != 0; i++) {
    r->text[i] = text[i];
    r->text[i + 1] = 0;
  }
  png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text) {
  (void)png;
  (void)text;
}

/* To 8 bits, grey or RGB, no alpha. */
static uint32_t set_transforms(png_structp png, png_infop info) {
  const int type = png_get_color_type(png, info);

  png_set_strip_16(png);
  png_set_packing(png);
  if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
  if (type == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(png);
  png_set_strip_alpha(png);
  (void)png_set_interlace_handling(png);
  png_read_update_info(png, info);
  return png_get_channels(png, info);
}

/* Everything that may jump; what it allocates hangs on `r`. */
static bool read_picture(png_structp png, png_infop info, reader *r,
                         oq_io_error *err) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_read_info(png, info);
  const uint64_t w = png_get_image_width(png, info);
  const uint64_t h = png_get_image_height(png, info);
  const uint32_t channels = set_transforms(png, info);
  if (channels != 1 && channels != 3) png_error(png, "unknown channels");
  r->status = oq_image_make(&r->im, w, h, channels, r->max_pixels, err);
  if (r->status != OQ_OK) return false;
  if (png_get_rowbytes(png, info) != (size_t)w * channels) {
    png_error(png, "unknown row size");
  }
  r->rows = calloc((size_t)h, sizeof *r->rows);
  if (r->rows == NULL) {
    r->status = oq_io_fail_memory(err);
    return false;
  }
  for (size_t y = 0; y < h; y++) {
    r->rows[y] = r->im.data + y * (size_t)w * channels;
  }
  png_read_image(png, r->rows);
  png_read_end(png, NULL);
  return true;
}

oq_status oq_image_decode_png(oq_image *out, const uint8_t *data, size_t size,
                              uint64_t max_pixels, oq_io_error *err) {
  reader r = {.p = data, .left = size, .max_pixels = max_pixels};
  png_structp png =
      png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, on_error, on_warning);
  png_infop info = png != NULL ? png_create_info_struct(png) : NULL;

  if (info == NULL) {
    png_destroy_read_struct(&png, NULL, NULL);
    return oq_io_fail_memory(err);
  }
  png_set_read_fn(png, &r, on_read);
  png_set_user_limits(png, INT32_MAX, INT32_MAX);
  const bool ok = read_picture(png, info, &r, err);
  png_destroy_read_struct(&png, &info, NULL);
  free(r.rows);
  if (ok) {
    *out = r.im;
    return OQ_OK;
  }
  oq_image_free(&r.im);
  if (r.status != OQ_OK) return r.status;
  return oq_io_fail(err, OQ_E_DATA, NULL, "damaged PNG: %s", r.text);
}

#else
typedef int oq_image_png_absent; /* a file must declare something */
#endif
