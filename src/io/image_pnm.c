/* io/image_pnm.c - PGM and PPM, text and binary, up to 16 bits. */
#include <string.h>

#include "io/image.h"

typedef struct cursor {
  const uint8_t *p, *end;
} cursor;

static bool is_space(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* White space and comments, then digits. */
static bool take_number(cursor *c, uint32_t *out) {
  uint32_t v = 0;

  while (c->p != c->end && (is_space(*c->p) || *c->p == '#')) {
    if (*c->p == '#') {
      while (c->p != c->end && *c->p != '\n') c->p++;
    } else {
      c->p++;
    }
  }
  if (c->p == c->end || *c->p < '0' || *c->p > '9') return false;
  while (c->p != c->end && *c->p >= '0' && *c->p <= '9') {
    if (v > 100000000) return false;
    v = v * 10 + (uint32_t)(*c->p++ - '0');
  }
  *out = v;
  return true;
}

static bool take_sample(cursor *c, bool text, uint32_t max, uint32_t *out) {
  uint32_t v;

  if (text) {
    if (!take_number(c, &v)) return false;
  } else {
    const size_t n = max > 255 ? 2 : 1;
    if ((size_t)(c->end - c->p) < n) return false;
    v = n == 2 ? (uint32_t)c->p[0] << 8 | c->p[1] : c->p[0];
    c->p += n;
  }
  *out = v > max ? max : v;
  return true;
}

static oq_status fail_pnm(oq_io_error *err, const char *what) {
  return oq_io_fail(err, OQ_E_DATA, NULL, "damaged PNM: %s", what);
}

oq_status oq_image_decode_pnm(oq_image *out, const uint8_t *data, size_t size,
                              uint64_t max_pixels, oq_io_error *err) {
  cursor c = {data, data + size};
  uint32_t width, height, max;
  oq_image im = {0};

  if (size < 2) return fail_pnm(err, "empty");
  const bool text = data[1] == '2' || data[1] == '3';
  const uint32_t channels = data[1] == '2' || data[1] == '5' ? 1 : 3;
  c.p += 2;
  if (!take_number(&c, &width) || !take_number(&c, &height) ||
      !take_number(&c, &max) || max == 0 || max > 65535 || c.p == c.end ||
      !is_space(*c.p)) {
    return fail_pnm(err, "its header is not width, height, maximum");
  }
  c.p++; /* exactly one white space before binary data */
  /* At least a byte per sample, so a short file is found out before it costs
   * memory. */
  if (height != 0 && (uint64_t)width > (uint64_t)size / height / channels) {
    return fail_pnm(err, "the file is truncated");
  }
  OQ_IO_TRY(oq_image_make(&im, width, height, channels, max_pixels, err));
  const size_t n = (size_t)width * height * channels;
  for (size_t i = 0; i < n; i++) {
    uint32_t v;
    if (!take_sample(&c, text, max, &v)) {
      oq_image_free(&im);
      return fail_pnm(err, "the file is truncated");
    }
    im.data[i] = (uint8_t)(max == 255 ? v : (v * 255 + max / 2) / max);
  }
  *out = im;
  return OQ_OK;
}
