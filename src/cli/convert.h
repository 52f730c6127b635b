/* cli/convert.h - the steps of `quantize`: load, prepare, calibrate, convert,
 * write, check, judge. */
#ifndef CLI_CONVERT_H
#define CLI_CONVERT_H

#include "cli/command.h"

typedef struct oq_convert_options {
  oq_common_options common;
  oq_data_options data;
  oq_engine_options engine;
  oq_plan_options plan;
  oq_gate_options gate;
  oq_opt_list eval;
  const char *output, *stats, *eval_labels, *save_float, *external_data;
  const char *report;
  bool force, no_check, dry_run, explain;
} oq_convert_options;

typedef struct oq_convert_seconds {
  double load, optimize, calibrate, tune, write, check;
} oq_convert_seconds;

typedef struct oq_convert {
  const oq_convert_options *o;
  const char *model_path;
  char *checked_path; /* the file that was written */
  oq_work w;
  oq_model *model, *prepared, *plan, *result, *written;
  oq_samples *whole, *fit, *held, *eval;
  const char *split; /* "held-out", "eval"; NULL without a check */
  oq_labels *labels;
  oq_stats *stats;
  const oq_quantize_report *report; /* of `result`, else of `plan` */
  char digest[65];                  /* of the statistics */
  uint64_t samples, bytes_before, bytes_after;
  bool synthetic, checked;
  oq_check check;
  oq_gates gates;
  oq_convert_seconds seconds;
} oq_convert;

/* Close it whatever the result. */
int oq_convert_open(oq_convert *c, const oq_convert_options *o,
                    const char *model);
int oq_convert_run(oq_convert *c);
/* Summary, JSON, report; the verdict of the gates. */
int oq_convert_show(oq_convert *c);
void oq_convert_close(oq_convert *c);

/* SHA-256 of the statistics file, in hexadecimal. */
int oq_convert_digest(char out[65], oq_work *w, const oq_stats *s);

#endif
