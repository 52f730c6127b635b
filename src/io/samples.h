/* io/samples.h - inside of a sample source.
 *
 * A *file* is one thing on disk that holds one or more samples (its parts).  A
 * *track* is a list of files that feeds some of the model's inputs.  A *row*
 * takes one part from every track, and fills.  An oq_samples is a choice of
 * rows.  Everything here is constant after open, except the cache, the digests
 * and the record of failures. */
#ifndef IO_SAMPLES_H
#define IO_SAMPLES_H

#include <pthread.h>
#include <stdatomic.h>

#include "io/npz.h"
#include "io/preprocess.h"

typedef enum oq_data_kind {
  OQ_DATA_IMAGE,
  OQ_DATA_NPY,
  OQ_DATA_NPZ,
  OQ_DATA_PB, /* a folder of input_N.pb, or one .pb file */
  OQ_DATA_RANDOM
} oq_data_kind;

/* How an array feeds an input: its part i is `count` elements of shape `dim`,
 * beginning at element i * count (at 0 if there is one part only). */
typedef struct oq_array_use {
  oq_npy h;
  size_t member; /* of the archive */
  uint64_t parts;
  size_t count;
  uint32_t rank;
  int64_t dim[OQ_MAX_RANK];
} oq_array_use;

typedef struct oq_data_file {
  oq_data_kind kind;
  bool damaged;     /* kept as one unreadable part (skip_bad) */
  const char *path; /* to open it */
  const char *name; /* to show it: relative */
  uint64_t parts;
  oq_array_use *use; /* of arrays: one per input of the track */
  /* Cache of whole arrays; guarded by core->cache_lock. */
  void **decoded;
  size_t decoded_bytes, pins;
  uint64_t last_use;
} oq_data_file;

typedef struct oq_track {
  size_t *input; /* indices of the inputs it feeds */
  size_t n_inputs;
  oq_data_file *file;
  size_t n_files, room;
  uint64_t *first; /* number of parts before each file */
  uint64_t n_parts;
  uint64_t *match; /* row -> part; NULL = the same number */
} oq_track;

typedef struct oq_fill {
  bool given;
  double number;
  const char *text; /* "zeros", "ones", "1.5" */
} oq_fill;

typedef struct oq_range {
  bool given;
  double lo, hi;
} oq_range;

typedef struct oq_samples_core {
  oq_io_pool pool;
  oq_value_info *input;
  size_t n_inputs;
  oq_fill *fill;       /* per input */
  oq_range *range;     /* per input */
  oq_preprocess **pre; /* per input; NULL where no pictures go */
  oq_track *track;
  size_t n_tracks;
  uint64_t n_rows;
  uint64_t seed;
  bool skip_bad;
  const oq_image_options *image; /* during open only */
  const char *preset_file;
  const char *preprocessing;
  oq_io_list folders; /* looked through, and list files */
  oq_io_list warnings;
  pthread_mutex_t cache_lock;
  uint64_t cache_clock;
  size_t cache_bytes;
} oq_samples_core;

/* What one read makes: views, and the memory below them. */
typedef struct oq_feed {
  oq_tensor_view *view; /* the caller's array */
  void **memory;        /* per input; free() */
  uint64_t hash;
} oq_feed;

/* ---- source_scan.c: paths to files -------------------------------------- */
/* `path` is what follows "INPUT=". */
oq_status oq_track_add_path(oq_samples_core *c, oq_track *t, const char *path,
                            oq_io_error *err);
oq_data_file *oq_track_add_file(oq_samples_core *c, oq_track *t,
                                oq_data_kind kind, const char *path,
                                const char *name, oq_io_error *err);

/* ---- source_array.c: .npy and .npz -------------------------------------- */
/* Whether and how an array of shape `h` feeds `in`. */
oq_status oq_array_fit(oq_array_use *use, uint64_t *dropped,
                       const oq_value_info *in, const oq_npy *h,
                       const char *name, oq_io_error *err);
oq_status oq_array_probe(oq_samples_core *c, const oq_track *t, oq_data_file *f,
                         oq_io_error *err);
oq_status oq_array_load(oq_samples_core *c, const oq_track *t, oq_data_file *f,
                        uint64_t part, oq_feed *feed, oq_io_error *err);
void oq_array_drop_cache(oq_data_file *f, size_t n);
/* A dynamic first axis that counts samples. */
bool oq_axis_is_batch(const oq_value_info *in);

/* ---- source_testdata.c --------------------------------------------------- */
oq_status oq_testdata_probe(oq_samples_core *c, const oq_track *t,
                            oq_data_file *f, oq_io_error *err);
oq_status oq_testdata_load(oq_samples_core *c, const oq_track *t,
                           const oq_data_file *f, oq_feed *feed,
                           oq_io_error *err);
/* "input_12.pb" -> 12; -1 for other names. */
int64_t oq_testdata_index(const char *name);

/* ---- source_made.c: random numbers and fills ----------------------------- */
oq_status oq_random_probe(oq_samples_core *c, const oq_track *t,
                          oq_io_error *err);
oq_status oq_random_load(oq_samples_core *c, const oq_track *t, uint64_t part,
                         oq_feed *feed, oq_io_error *err);
/* After the tracks: sizes may come from their symbols. */
oq_status oq_fill_load(const oq_samples_core *c, size_t input, oq_feed *feed,
                       oq_io_error *err);
oq_status oq_fill_parse(oq_samples_core *c, const char *word, oq_io_error *err);
oq_status oq_range_parse(oq_samples_core *c, const char *word,
                         oq_io_error *err);

/* ---- source_join.c ------------------------------------------------------- */
/* Parts before each file; then which part of every track makes a row. */
oq_status oq_tracks_join(oq_samples_core *c, oq_io_error *err);
oq_data_file *oq_track_find(const oq_track *t, uint64_t *part);

/* ---- samples.c ------------------------------------------------------------
 */
/* Index of the input whose name is text[0..n), or SIZE_MAX. */
size_t oq_core_find_input(const oq_samples_core *c, const char *text, size_t n);
/* Splits "INPUT=REST" at the longest input name; NULL if there is none. */
const char *oq_core_split(const oq_samples_core *c, const char *word,
                          size_t *input);
oq_status oq_core_warn(oq_samples_core *c, const char *text, oq_io_error *err);
/* Files of samples before any choice, for labels by folder. */
const oq_track *oq_samples_name_track(const oq_samples *s);

#endif
