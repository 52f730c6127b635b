/* io/io.h - what the program gets from the I/O layer: sample sources made from
 * `--data` words, picture preprocessing, labels, .npy files.
 *
 * It knows files and formats; it does not know options, exit codes or how a
 * message is shown.  Every fallible function fills an oq_io_error (which may
 * be NULL) and returns its status:
 *   OQ_E_ARGUMENT     the words of the user are wrong or incomplete (usage)
 *   OQ_E_DATA, OQ_E_FORMAT, OQ_E_UNSUPPORTED, OQ_E_LIMIT
 *                     a file is damaged, does not fit, is of a kind that is
 *                     not read, or is larger than a fixed limit (bad input)
 *   OQ_E_IO, OQ_E_MEMORY   the machine */
#ifndef IO_IO_H
#define IO_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "onnxquant/calibration.h"
#include "onnxquant/context.h"
#include "onnxquant/model.h"
#include "onnxquant/tensor.h"

/* Limits on what a file may ask for. */
#define OQ_IO_MAX_PIXELS ((uint64_t)1 << 28)      /* of one picture */
#define OQ_IO_MAX_ARRAY_BYTES ((uint64_t)1 << 32) /* of one array, inflated */
#define OQ_IO_MAX_FILE_BYTES ((uint64_t)1 << 30)  /* of one picture file */
#define OQ_IO_DEFAULT_SAMPLES 512

typedef struct oq_io_error {
  oq_status status;
  char text[512]; /* one sentence: what is wrong, where, what was expected */
  char hint[256]; /* the cure; "" if there is none to name */
} oq_io_error;

/* ---- pictures ----------------------------------------------------------- */

/* The words of the options as they were given; NULL = not given. */
typedef struct oq_image_options {
  const char *preprocess;    /* imagenet, unit, signed, raw, or FILE.yaml */
  const char *resize;        /* "256" (shorter side) or "WxH" */
  const char *crop;          /* "224" or "WxH", centre */
  const char *letterbox;     /* "114" or "114:top-left" */
  const char *scale;         /* divisor */
  const char *mean, *std;    /* one number or one per channel */
  const char *color;         /* rgb, bgr, gray */
  const char *layout;        /* nchw, nhwc, auto */
  const char *interpolation; /* bilinear, bicubic */
} oq_image_options;

/* What the operator ImageDecoder needs: JPEG, PNG, WebP, PGM and PPM; other
 * kinds of pictures are OQ_E_UNSUPPORTED.  EXIF orientation is not applied. */
oq_image_decoder oq_io_image_decoder(void);

/* ---- samples ------------------------------------------------------------ */

typedef struct oq_samples oq_samples;

typedef struct oq_samples_options {
  /* What the model wants.  Copied; not needed after open. */
  const oq_model_info *model;
  /* `[INPUT=]PATH`, in the order given. */
  const char *const *data;
  size_t n_data;
  /* `INPUT=zeros|ones|VALUE`. */
  const char *const *fill;
  size_t n_fill;
  /* `INPUT=LO:HI` for random:N: LO may occur, HI may not (LO:LO is always LO).
   * Without one, floats are in -1:1. */
  const char *const *range;
  size_t n_range;
  /* `SYMBOL=SIZE` and `INPUT=1,3,224,224`: the same words the model is given,
   * for shapes of pictures, random numbers and fills. */
  const char *const *dim;
  size_t n_dim;
  const char *const *shape;
  size_t n_shape;
  oq_image_options image;
  uint64_t max_samples;              /* 0 = all, at most 512 */
  uint32_t shard_index, shard_count; /* count 0 or 1 = everything */
  bool skip_bad; /* leave unreadable samples out and list them */
  uint64_t seed; /* of random:N */
} oq_samples_options;

/* Lists and checks everything that can be checked without reading the data
 * (with skip_bad every chosen sample is read once). */
oq_status oq_samples_open(oq_samples **out, const oq_samples_options *opt,
                          oq_io_error *err);
void oq_samples_destroy(oq_samples *s);

/* Borrowed; its functions may be called from several threads at once.  A
 * digest covers the content and the name of a sample, not where it lies. */
const oq_source *oq_samples_source(const oq_samples *s);
uint64_t oq_samples_count(const oq_samples *s);
/* Relative path, "path:index" for a part of a file, "random:index". */
const char *oq_samples_name(const oq_samples *s, uint64_t i);
/* The finding of the failed read with the lowest index so far, or false. */
bool oq_samples_failure(oq_samples *s, uint64_t *index, oq_io_error *err);

/* Files and folders the chosen samples depend on (for depfiles), as they can
 * be opened from here, no doubles, sorted bytewise. */
const char *const *oq_samples_files(const oq_samples *s, size_t *n);
/* One line for provenance: how data became inputs.  No paths. */
const char *oq_samples_preprocessing(const oq_samples *s);
/* Whether any input is made of random numbers. */
bool oq_samples_synthetic(const oq_samples *s);
/* Samples that exist before --samples and --shard chose among them. */
uint64_t oq_samples_available(const oq_samples *s);
/* One sentence each. */
const char *const *oq_samples_warnings(const oq_samples *s, size_t *n);

typedef struct oq_bad_sample {
  const char *name, *text;
} oq_bad_sample;
const oq_bad_sample *oq_samples_skipped(const oq_samples *s, size_t *n);

/* Some of the samples of `whole`, which must outlive the part.  An index may
 * occur once at most. */
oq_status oq_samples_select(oq_samples **out, oq_samples *whole,
                            const uint64_t *index, uint64_t n,
                            oq_io_error *err);
/* The fixed split: of five samples in a row the fifth is held out; of two to
 * four the last one.  A single sample lands in both parts. */
oq_status oq_samples_split(oq_samples **fit, oq_samples **held_out,
                           oq_samples *whole, oq_io_error *err);

/* Writes what the model would be fed: DIR/000000.npy for a model with one
 * input, DIR/INPUT/000000.npy for several; readable again as --data. */
oq_status oq_samples_dump(oq_samples *s, const char *dir, oq_io_error *err);

/* ---- labels ------------------------------------------------------------- */

typedef struct oq_labels oq_labels;

/* `spec` is "folders" or a file of `relative/path class` lines; `classes` is
 * "a,b,c", "@FILE" with one name per line, or NULL; `offset` is added to every
 * class.  Every sample must have a label. */
oq_status oq_labels_open(oq_labels **out, const oq_samples *s, const char *spec,
                         const char *classes, int64_t offset, oq_io_error *err);
void oq_labels_destroy(oq_labels *l);
/* Class of sample i, offset included. */
int64_t oq_labels_class(const oq_labels *l, uint64_t i);
/* Name of a class (offset included), or NULL if it has none. */
const char *oq_labels_name(const oq_labels *l, int64_t label);

/* ---- words and files ---------------------------------------------------- */

/* "seq=128": `name` is a copy of at most `size` bytes. */
oq_status oq_io_parse_dim(char *name, size_t size, int64_t *value,
                          const char *text, oq_io_error *err);
/* "INPUT=1,3,513,513". */
oq_status oq_io_parse_shape(char *name, size_t size, int64_t dim[OQ_MAX_RANK],
                            uint32_t *rank, const char *text, oq_io_error *err);

/* Writes beside `path` and renames. */
oq_status oq_io_write_npy(const char *path, const oq_tensor_view *v,
                          oq_io_error *err);

#endif
