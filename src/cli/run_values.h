/* cli/run_values.h - `run` for models that take or give sequences and
 * optionals: one sample, by the built-in engine. */
#ifndef CLI_RUN_VALUES_H
#define CLI_RUN_VALUES_H

#include "cli/work.h"

typedef struct oq_run_values {
  oq_model *model;
  const oq_model_info *info;
  const char *path;   /* of the model */
  const char *inputs; /* a folder with input_N.pb, or FILE.npz; may be NULL */
  const char *output, *expect; /* folders; may be NULL */
  double rtol, atol;
  bool json, quiet;
} oq_run_values;

/* Does any input or output need it? */
bool oq_run_values_needed(const oq_model_info *info);
int oq_run_values_do(oq_work *w, const oq_run_values *o);

#endif
