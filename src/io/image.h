/* io/image.h - picture files to 8-bit pixels.
 *
 * What comes out is defined for every kind of file:
 *   - one channel for grey pictures, three (RGB) for all others;
 *   - EXIF orientation is applied (JPEG, PNG, WebP);
 *   - colour profiles and gamma chunks are ignored, alpha is dropped (the
 *     colour below it stays), palettes are looked up;
 *   - 16 bits: the upper 8 (PNG), value*255/maxval rounded (PNM);
 *   - CMYK and YCCK JPEGs are taken as stored inverted (as every program
 *     writes them) and become RGB by (255-C)(255-K)/255;
 *   - animations are refused.
 * This is what the usual Python stack gives for convert("RGB") after
 * exif_transpose; it does not know models or sizes. */
#ifndef IO_IMAGE_H
#define IO_IMAGE_H

#include "io/util.h"

#ifndef OQ_IO_IMAGES /* set to 0 to build without the codecs */
#define OQ_IO_IMAGES 1
#endif

typedef struct oq_image {
  uint32_t width, height, channels; /* channels: 1 or 3, interleaved */
  uint8_t *data;                    /* malloc; rows are not padded */
} oq_image;

/* The kind is told by the first bytes, not by the name.  Pictures of more than
 * `max_pixels` are refused before anything is allocated for them. */
oq_status oq_image_decode(oq_image *out, const uint8_t *data, size_t size,
                          uint64_t max_pixels, oq_io_error *err);
/* The same, but as it is stored: EXIF orientation is not applied. */
oq_status oq_image_decode_stored(oq_image *out, const uint8_t *data,
                                 size_t size, uint64_t max_pixels,
                                 oq_io_error *err);
void oq_image_free(oq_image *im);
/* Whether a file of this name is taken for a picture when a folder is read. */
bool oq_image_is_name(const char *path);

/* Checks the size and allocates; contents undefined. */
oq_status oq_image_make(oq_image *out, uint64_t width, uint64_t height,
                        uint32_t channels, uint64_t max_pixels,
                        oq_io_error *err);

/* The value 1..8 of EXIF tag 0x0112; 1 where there is none. */
int oq_exif_orientation_jpeg(const uint8_t *data, size_t size);
int oq_exif_orientation_png(const uint8_t *data, size_t size);
int oq_exif_orientation_webp(const uint8_t *data, size_t size);
/* Turns and mirrors so that orientation becomes 1. */
oq_status oq_image_orient(oq_image *im, int orientation, oq_io_error *err);

/* ITU-R 601 luma: (19595 R + 38470 G + 7471 B + 32768) >> 16. */
oq_status oq_image_to_gray(oq_image *im, oq_io_error *err);
oq_status oq_image_to_rgb(oq_image *im, oq_io_error *err);

/* One codec each; no orientation. */
oq_status oq_image_decode_jpeg(oq_image *out, const uint8_t *data, size_t size,
                               uint64_t max_pixels, oq_io_error *err);
oq_status oq_image_decode_png(oq_image *out, const uint8_t *data, size_t size,
                              uint64_t max_pixels, oq_io_error *err);
oq_status oq_image_decode_webp(oq_image *out, const uint8_t *data, size_t size,
                               uint64_t max_pixels, oq_io_error *err);
oq_status oq_image_decode_pnm(oq_image *out, const uint8_t *data, size_t size,
                              uint64_t max_pixels, oq_io_error *err);

/* ---- resizing ----------------------------------------------------------- */

typedef enum oq_filter { OQ_FILTER_BILINEAR, OQ_FILTER_BICUBIC } oq_filter;

/* Antialiased, two passes with 8 bits in between, 22-bit fixed point: the
 * results of Pillow 13, bit for bit, on every CPU.  `out`
 * must not be `in`. */
oq_status oq_image_resize(oq_image *out, const oq_image *in, uint32_t width,
                          uint32_t height, oq_filter filter, oq_io_error *err);
/* A rectangle of `in`, which must contain it. */
oq_status oq_image_crop(oq_image *out, const oq_image *in, uint32_t left,
                        uint32_t top, uint32_t width, uint32_t height,
                        oq_io_error *err);

#endif
