/* io/preprocess.h - from a picture to the numbers one model input wants.
 *
 * Steps, each optional: grey or RGB; resize (shorter side, whole picture, or
 * letterbox); centre crop; (x / scale - mean) / std per channel in float32;
 * channel order; layout.  Inputs of type uint8 get the bytes. */
#ifndef IO_PREPROCESS_H
#define IO_PREPROCESS_H

#include "io/image.h"

typedef enum oq_resize_kind {
  OQ_RESIZE_NONE,
  OQ_RESIZE_SHORTER,  /* shorter side to `shorter`, the other in proportion */
  OQ_RESIZE_WHOLE,    /* to width x height, whatever the proportion */
  OQ_RESIZE_LETTERBOX /* into width x height, the rest filled */
} oq_resize_kind;

typedef struct oq_preprocess {
  char name[16]; /* of the preset */
  oq_resize_kind resize;
  uint32_t shorter, width, height;
  uint32_t crop_width, crop_height; /* 0 = none */
  uint8_t pad;
  bool top_left; /* where the letterbox puts the picture; else centred */
  oq_filter filter;
  bool gray, bgr, nhwc, bytes;
  uint32_t rank; /* of what comes out: 3, or 4 with a leading 1 */
  double scale, mean[3], std[3];
  float table[3][256]; /* number of every byte, per output channel */
} oq_preprocess;

/* Merges preset, preset file and refinements, and settles sizes with what the
 * input says.  `files`, if not NULL, gets the path of a preset file. */
oq_status oq_preprocess_make(oq_preprocess *out, const oq_image_options *opt,
                             const oq_value_info *input, const char **file,
                             oq_io_error *err);
/* One line without paths. */
void oq_preprocess_describe(char *out, size_t size, const oq_preprocess *p);

/* `data` of the result is the caller's to free(). */
oq_status oq_preprocess_run(void **data, oq_tensor_view *out,
                            const oq_preprocess *p, const uint8_t *file,
                            size_t size, oq_io_error *err);

/* The `key: value` lines of a preset file into `out`, whose strings come from
 * `pool`.  Keys are the names of the options; values are plain, quoted, or
 * [a, b, c].  `name` is for messages. */
oq_status oq_preprocess_parse_file(oq_image_options *out, oq_io_pool *pool,
                                   const char *text, size_t size,
                                   const char *name, oq_io_error *err);

#endif
