/* onnxquant/calibration.h - samples in, statistics of every value out. */
#ifndef ONNXQUANT_CALIBRATION_H
#define ONNXQUANT_CALIBRATION_H

#include "onnxquant/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where samples come from.  `read` must be a pure function of `index`: samples
 * are asked for in any order and from several threads at once.  It fills
 * `inputs` (in the order of oq_model_info.inputs) with views that live until
 * `release` of the same handle. */
typedef struct oq_source {
  uint64_t count;
  oq_status (*read)(void *user, uint64_t index, oq_tensor_view *inputs,
                    size_t n_inputs, void **handle);
  void (*release)(void *user, void *handle);
  void *user;
  /* Stable digest of sample `index` for provenance; may be NULL. */
  uint64_t (*digest)(void *user, uint64_t index);
} oq_source;

typedef struct oq_stats oq_stats;

typedef struct oq_calibrate_options {
  size_t struct_size;
  const char *preprocessing; /* free text kept in the file; NULL = "" */
  int synthetic;             /* !0: marked as calibrated on random numbers */
} oq_calibrate_options;
#define OQ_CALIBRATE_OPTIONS_INIT \
  { sizeof(oq_calibrate_options), 0, 0 }

/* Runs the prepared form of `m` on every sample.  One pass; memory does not
 * depend on the number of samples; the result does not depend on their order
 * or on the number of threads. */
OQ_API oq_status oq_calibrate(oq_stats **out, oq_model *m, const oq_source *src,
                              const oq_calibrate_options *opt);
OQ_API void oq_stats_destroy(oq_stats *s);

/* Statistics taken by somebody else's engine: make an empty object for `m`,
 * feed values by name (those of oq_stats_wanted), finish each sample. */
OQ_API oq_status oq_stats_create(oq_stats **out, oq_model *m,
                                 const oq_calibrate_options *opt);
/* NULL-terminated names of float values to feed; borrowed.  Of objects made for
 * a model only those of its main graph: values of bodies (their names begin
 * with the path of the body) can be fed, too, but need not be. */
OQ_API const char *const *oq_stats_wanted(oq_stats *s, size_t *n);
OQ_API oq_status oq_stats_feed(oq_stats *s, const char *value,
                               const oq_tensor_view *v);
OQ_API oq_status oq_stats_end_sample(oq_stats *s, uint64_t digest);

OQ_API oq_status oq_stats_save_file(const oq_stats *s, const char *path);
/* The same bytes to a callback, for digests and pipes. */
OQ_API oq_status oq_stats_save_stream(
    const oq_stats *s, oq_status (*write)(void *user, const void *p, size_t n),
    void *user);
OQ_API oq_status oq_stats_load_file(oq_stats **out, oq_context *cx,
                                    const char *path);
/* Adds `from` to `into`.  OQ_E_STATE if they belong to different models,
 * preprocessing or versions, or share a sample. */
OQ_API oq_status oq_stats_merge(oq_stats *into, const oq_stats *from);

typedef struct oq_stats_value {
  const char *name;
  double lo, hi, mean, std;
  uint64_t count, zeros, nans, infinities;
} oq_stats_value;

typedef struct oq_stats_info {
  const char *model_digest, *preprocessing;
  uint64_t samples;
  int synthetic;
  const oq_stats_value *values;
  size_t n_values;
} oq_stats_info;
OQ_API oq_status oq_stats_describe(const oq_stats_info **out, oq_stats *s);

#ifdef __cplusplus
}
#endif
#endif
