/* cli/data.h - the options that say what models are fed with, and the samples
 * and labels made from them. */
#ifndef CLI_DATA_H
#define CLI_DATA_H

#include "cli/work.h"

typedef struct oq_data_options {
  oq_opt_list data, fill, range, dim, shape;
  uint64_t samples, seed;
  const char *shard, *on_bad_sample, *dump_inputs;
  const char *labels, *classes, *scores;
  int64_t label_offset;
  oq_image_options image;
} oq_data_options;
extern const oq_opt oq_data_rows[];
extern const oq_opt oq_label_rows[];
extern const oq_opt oq_image_rows[];

/* --dim and --shape on a model; a name that the model does not have is a
 * usage error with the names that it has. */
int oq_data_fix_shapes(oq_work *w, oq_model *m, const oq_data_options *d);

/* Samples of `data` (those of `d` if NULL) for the inputs of `m`.  Warnings
 * are shown and --dump-inputs is obeyed. */
int oq_data_open(oq_samples **out, oq_work *w, oq_model *m,
                 const oq_data_options *d, const oq_opt_list *data);

/* *out is NULL if `spec` is. */
int oq_data_labels(oq_labels **out, oq_work *w, const oq_samples *s,
                   const oq_data_options *d, const char *spec);

/* The usage error of a command without data. */
int oq_data_missing(const char *command);

#endif
