/* io/image_webp.c - still WebP pictures, lossy and lossless. */
#include "io/image.h"

#if OQ_IO_IMAGES

#include <webp/decode.h>

static oq_status fail_webp(oq_io_error *err, VP8StatusCode code) {
  static const char *const text[] = {
      "no error",          "out of memory",        "wrong parameter",
      "damaged bitstream", "unsupported feature",  "suspended",
      "stopped",           "the file is truncated"};
  const size_t i = (size_t)code;

  if (code == VP8_STATUS_OUT_OF_MEMORY) return oq_io_fail_memory(err);
  return oq_io_fail(err, OQ_E_DATA, NULL, "damaged WebP: %s",
                    i < sizeof text / sizeof *text ? text[i] : "unknown");
}

oq_status oq_image_decode_webp(oq_image *out, const uint8_t *data, size_t size,
                               uint64_t max_pixels, oq_io_error *err) {
  WebPDecoderConfig config;
  oq_image im = {0};

  if (!WebPInitDecoderConfig(&config)) {
    return oq_io_fail(err, OQ_E_INTERNAL, NULL, "another version of libwebp");
  }
  const VP8StatusCode code = WebPGetFeatures(data, size, &config.input);
  if (code != VP8_STATUS_OK) return fail_webp(err, code);
  if (config.input.has_animation) {
    return oq_io_fail(err, OQ_E_UNSUPPORTED, "extract one frame",
                      "an animated WebP, which is not read");
  }
  if (config.input.width <= 0 || config.input.height <= 0) {
    return oq_io_fail(err, OQ_E_DATA, NULL, "damaged WebP: no size");
  }
  OQ_IO_TRY(oq_image_make(&im, (uint64_t)config.input.width,
                          (uint64_t)config.input.height, 3, max_pixels, err));
  const size_t row = (size_t)im.width * 3;
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = im.data;
  config.output.u.RGBA.stride = (int)row;
  config.output.u.RGBA.size = row * im.height;
  const VP8StatusCode done = WebPDecode(data, size, &config);
  WebPFreeDecBuffer(&config.output);
  if (done != VP8_STATUS_OK) {
    oq_image_free(&im);
    return fail_webp(err, done);
  }
  *out = im;
  return OQ_OK;
}

#else
typedef int oq_image_webp_absent; /* a file must declare something */
#endif
