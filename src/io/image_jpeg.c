/* io/image_jpeg.c - JPEG through TurboJPEG: accurate DCT, smooth chroma. */
#include "io/image.h"

#if OQ_IO_IMAGES

#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

/* libjpeg goes on after damage and fills the rest with grey; that is not a
 * sample.  These remarks do not concern the pixels. */
static bool is_harmless(const char *warning) {
  static const char *const known[] = {
      "extraneous bytes before marker", "Unknown Adobe color transform",
      "unknown JFIF revision", "Inconsistent progression sequence"};

  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (strstr(warning, known[i]) != NULL) return true;
  }
  return false;
}

/* Only the first remark is told, so the end of the file is looked at too. */
static bool has_end(const uint8_t *data, size_t size) {
  for (size_t i = size; i >= 2; i--) {
    if (data[i - 2] == 0xff && data[i - 1] == 0xd9) return true;
  }
  return false;
}

/* C, M, Y, K as stored are 255 minus the ink; product as Pillow rounds it. */
static void cmyk_to_rgb(uint8_t *rgb, const uint8_t *cmyk, size_t n) {
  for (size_t i = 0; i < n; i++) {
    const uint32_t k = cmyk[4 * i + 3];
    for (size_t c = 0; c < 3; c++) {
      const uint32_t t = (255U - cmyk[4 * i + c]) * k + 128;
      const uint32_t ink = ((t >> 8) + t) >> 8;
      rgb[3 * i + c] = (uint8_t)(k > ink ? k - ink : 0);
    }
  }
}

static oq_status decompress(tjhandle h, uint8_t *out, const uint8_t *data,
                            size_t size, int width, int height, int format,
                            oq_io_error *err) {
  const int flags = TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS;

  if (tjDecompress2(h, data, (unsigned long)size, out, width, 0, height, format,
                    flags) == 0) {
    return OQ_OK;
  }
  const char *const text = tjGetErrorStr2(h);
  if (tjGetErrorCode(h) == TJERR_WARNING && is_harmless(text) &&
      has_end(data, size)) {
    return OQ_OK;
  }
  return oq_io_fail(err, OQ_E_DATA, NULL, "damaged JPEG: %s", text);
}

static oq_status decode_cmyk(tjhandle h, oq_image *im, const uint8_t *data,
                             size_t size, oq_io_error *err) {
  const size_t n = (size_t)im->width * im->height;
  uint8_t *const cmyk = malloc(n * 4);

  if (cmyk == NULL) return oq_io_fail_memory(err);
  const oq_status s = decompress(h, cmyk, data, size, (int)im->width,
                                 (int)im->height, TJPF_CMYK, err);
  if (s == OQ_OK) cmyk_to_rgb(im->data, cmyk, n);
  free(cmyk);
  return s;
}

static oq_status decode(tjhandle h, oq_image *out, const uint8_t *data,
                        size_t size, uint64_t max_pixels, oq_io_error *err) {
  int w = 0, hh = 0, subsampling = 0, space = 0;
  oq_image im = {0};
  oq_status s;

  if (tjDecompressHeader3(h, data, (unsigned long)size, &w, &hh, &subsampling,
                          &space) != 0 &&
      tjGetErrorCode(h) != TJERR_WARNING) {
    return oq_io_fail(err, OQ_E_DATA, NULL, "damaged JPEG: %s",
                      tjGetErrorStr2(h));
  }
  if (w <= 0 || hh <= 0) {
    return oq_io_fail(err, OQ_E_DATA, NULL, "damaged JPEG: no size");
  }
  OQ_IO_TRY(oq_image_make(&im, (uint64_t)w, (uint64_t)hh,
                          space == TJCS_GRAY ? 1 : 3, max_pixels, err));
  if (space == TJCS_CMYK || space == TJCS_YCCK) {
    s = decode_cmyk(h, &im, data, size, err);
  } else {
    s = decompress(h, im.data, data, size, w, hh,
                   space == TJCS_GRAY ? TJPF_GRAY : TJPF_RGB, err);
  }
  if (s != OQ_OK) {
    oq_image_free(&im);
    return s;
  }
  *out = im;
  return OQ_OK;
}

oq_status oq_image_decode_jpeg(oq_image *out, const uint8_t *data, size_t size,
                               uint64_t max_pixels, oq_io_error *err) {
  const tjhandle h = tjInitDecompress();

  if (h == NULL) return oq_io_fail_memory(err);
  const oq_status s = decode(h, out, data, size, max_pixels, err);
  (void)tjDestroy(h);
  return s;
}

#else
typedef int oq_image_jpeg_absent; /* a file must declare something */
#endif
