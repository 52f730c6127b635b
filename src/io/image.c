/* io/image.c - which codec, and what is done to pixels as such. */
#include "io/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void oq_image_free(oq_image *im) {
  free(im->data);
  *im = (oq_image){0};
}

bool oq_image_is_name(const char *path) {
  static const char *const suffix[] = {".jpg", ".jpeg", ".png", ".webp",
                                       ".ppm", ".pgm",  ".pnm"};

  for (size_t i = 0; i < sizeof suffix / sizeof *suffix; i++) {
    if (oq_io_has_suffix(path, suffix[i])) return true;
  }
  return false;
}

oq_status oq_image_make(oq_image *out, uint64_t width, uint64_t height,
                        uint32_t channels, uint64_t max_pixels,
                        oq_io_error *err) {
  if (width == 0 || height == 0) {
    return oq_io_fail(err, OQ_E_DATA, NULL, "picture without pixels");
  }
  if (width > INT32_MAX || height > INT32_MAX || width > max_pixels / height) {
    return oq_io_fail(err, OQ_E_LIMIT, NULL,
                      "picture of %llux%llu, the limit is %llu pixels",
                      (unsigned long long)width, (unsigned long long)height,
                      (unsigned long long)max_pixels);
  }
  if (max_pixels > SIZE_MAX / 4) return oq_io_fail_memory(err);
  uint8_t *const data = malloc((size_t)width * (size_t)height * channels);
  if (data == NULL) return oq_io_fail_memory(err);
  *out = (oq_image){(uint32_t)width, (uint32_t)height, channels, data};
  return OQ_OK;
}

/* ---- kinds of files ----------------------------------------------------- */

typedef struct image_kind {
  const char *magic;
  size_t offset, n;
  oq_status (*decode)(oq_image *, const uint8_t *, size_t, uint64_t,
                      oq_io_error *);
  int (*orientation)(const uint8_t *, size_t);
  const char *name;
} image_kind;

#if OQ_IO_IMAGES
#define CODEC(f) f
#else
#define CODEC(f) NULL
#endif

/* Rows without a decoder are known by name only, for the message. */
static const image_kind kinds[] = {
    {"\xff\xd8\xff", 0, 3, CODEC(oq_image_decode_jpeg),
     oq_exif_orientation_jpeg, "JPEG"},
    {"\x89PNG\r\n\x1a\n", 0, 8, CODEC(oq_image_decode_png),
     oq_exif_orientation_png, "PNG"},
    {"WEBP", 8, 4, CODEC(oq_image_decode_webp), oq_exif_orientation_webp,
     "WebP"},
    {"P2", 0, 2, oq_image_decode_pnm, NULL, "PGM"},
    {"P3", 0, 2, oq_image_decode_pnm, NULL, "PPM"},
    {"P5", 0, 2, oq_image_decode_pnm, NULL, "PGM"},
    {"P6", 0, 2, oq_image_decode_pnm, NULL, "PPM"},
    {"P1", 0, 2, NULL, NULL, "PBM"},
    {"P4", 0, 2, NULL, NULL, "PBM"},
    {"GIF8", 0, 4, NULL, NULL, "GIF"},
    {"BM", 0, 2, NULL, NULL, "BMP"},
    {"II*\0", 0, 4, NULL, NULL, "TIFF"},
    {"MM\0*", 0, 4, NULL, NULL, "TIFF"},
    {"ftypavif", 4, 8, NULL, NULL, "AVIF"},
    {"ftypheic", 4, 8, NULL, NULL, "HEIC"},
    {"\x00\x00\x00\x0cJXL ", 0, 8, NULL, NULL, "JPEG XL"},
    {"\x00\x00\x00\x0cjP  ", 0, 8, NULL, NULL, "JPEG 2000"},
};

static const image_kind *find_kind(const uint8_t *data, size_t size) {
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    const image_kind *const k = &kinds[i];
    if (size >= k->offset + k->n &&
        memcmp(data + k->offset, k->magic, k->n) == 0) {
      return k;
    }
  }
  return NULL;
}

oq_status oq_image_decode_stored(oq_image *out, const uint8_t *data,
                                 size_t size, uint64_t max_pixels,
                                 oq_io_error *err) {
  static const char hint[] = "convert it to JPEG, PNG, WebP or PPM";
  const image_kind *const k = find_kind(data, size);

  if (k == NULL) {
    return oq_io_fail(err, OQ_E_DATA, hint, "not a picture that is known");
  }
  if (k->decode == NULL) {
    return oq_io_fail(err, OQ_E_UNSUPPORTED, hint,
                      "a %s file, which this build does not read", k->name);
  }
  return k->decode(out, data, size, max_pixels, err);
}

oq_status oq_image_decode(oq_image *out, const uint8_t *data, size_t size,
                          uint64_t max_pixels, oq_io_error *err) {
  oq_image im = {0};

  OQ_IO_TRY(oq_image_decode_stored(&im, data, size, max_pixels, err));
  const image_kind *const k = find_kind(data, size);
  const oq_status s = oq_image_orient(
      &im, k->orientation != NULL ? k->orientation(data, size) : 1, err);
  if (s != OQ_OK) {
    oq_image_free(&im);
    return s;
  }
  *out = im;
  return OQ_OK;
}

/* ---- pixels ------------------------------------------------------------- */

typedef struct walk { /* where pixel (x, y) of the result is in the source */
  ptrdiff_t start, dx, dy;
} walk;

static walk walk_of(int orientation, ptrdiff_t w, ptrdiff_t h) {
  switch (orientation) {
    case 2:
      return (walk){w - 1, -1, w};
    case 3:
      return (walk){h * w - 1, -1, -w};
    case 4:
      return (walk){(h - 1) * w, 1, -w};
    case 5:
      return (walk){0, w, 1};
    case 6:
      return (walk){(h - 1) * w, -w, 1};
    case 7:
      return (walk){h * w - 1, -w, -1};
    case 8:
      return (walk){w - 1, w, -1};
    default:
      return (walk){0, 1, w};
  }
}

oq_status oq_image_orient(oq_image *im, int orientation, oq_io_error *err) {
  const bool turned = orientation >= 5;
  const size_t c = im->channels;
  oq_image to = {0};

  if (orientation < 2 || orientation > 8) return OQ_OK;
  OQ_IO_TRY(oq_image_make(&to, turned ? im->height : im->width,
                          turned ? im->width : im->height, im->channels,
                          UINT32_MAX, err));
  const walk k =
      walk_of(orientation, (ptrdiff_t)im->width, (ptrdiff_t)im->height);
  uint8_t *q = to.data;
  for (uint32_t y = 0; y < to.height; y++) {
    ptrdiff_t at = k.start + k.dy * (ptrdiff_t)y;
    for (uint32_t x = 0; x < to.width; x++, at += k.dx, q += c) {
      memcpy(q, im->data + (size_t)at * c, c);
    }
  }
  oq_image_free(im);
  *im = to;
  return OQ_OK;
}

oq_status oq_image_to_gray(oq_image *im, oq_io_error *err) {
  oq_image to = {0};

  if (im->channels == 1) return OQ_OK;
  OQ_IO_TRY(oq_image_make(&to, im->width, im->height, 1, UINT32_MAX, err));
  const size_t n = (size_t)im->width * im->height;
  for (size_t i = 0; i < n; i++) {
    const uint8_t *const p = im->data + 3 * i;
    to.data[i] =
        (uint8_t)((p[0] * 19595U + p[1] * 38470U + p[2] * 7471U + 0x8000U) >>
                  16);
  }
  oq_image_free(im);
  *im = to;
  return OQ_OK;
}

oq_status oq_image_to_rgb(oq_image *im, oq_io_error *err) {
  oq_image to = {0};

  if (im->channels == 3) return OQ_OK;
  OQ_IO_TRY(oq_image_make(&to, im->width, im->height, 3, UINT32_MAX, err));
  const size_t n = (size_t)im->width * im->height;
  for (size_t i = 0; i < n; i++) memset(to.data + 3 * i, im->data[i], 3);
  oq_image_free(im);
  *im = to;
  return OQ_OK;
}

oq_status oq_image_crop(oq_image *out, const oq_image *in, uint32_t left,
                        uint32_t top, uint32_t width, uint32_t height,
                        oq_io_error *err) {
  oq_image to = {0};

  if (left > in->width || width > in->width - left || top > in->height ||
      height > in->height - top) {
    return oq_io_fail(err, OQ_E_DATA, NULL,
                      "picture of %ux%u is smaller than the crop of %ux%u",
                      in->width, in->height, width, height);
  }
  OQ_IO_TRY(oq_image_make(&to, width, height, in->channels, UINT32_MAX, err));
  const size_t row = (size_t)width * in->channels;
  for (size_t y = 0; y < height; y++) {
    const size_t from = (top + y) * in->width + left;
    memcpy(to.data + y * row, in->data + from * in->channels, row);
  }
  *out = to;
  return OQ_OK;
}

/* ---- for the operator ImageDecoder --------------------------------------- */
static oq_status decode_for_model(void *user, oq_picture *out, const void *data,
                                  size_t size) {
  oq_io_error err = {0};
  oq_image im = {0};

  (void)user;
  const oq_status s =
      oq_image_decode_stored(&im, data, size, OQ_IO_MAX_PIXELS, &err);
  if (s != OQ_OK) {
    (void)snprintf(out->error, sizeof out->error, "%.150s", err.text);
    return s;
  }
  *out = (oq_picture){.width = im.width,
                      .height = im.height,
                      .channels = im.channels,
                      .pixels = im.data};
  return OQ_OK;
}

static void release_for_model(void *user, oq_picture *p) {
  (void)user;
  free(p->pixels);
  p->pixels = NULL;
}

oq_image_decoder oq_io_image_decoder(void) {
  return (oq_image_decoder){decode_for_model, release_for_model, NULL};
}
