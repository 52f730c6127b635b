/* cli/node_plan.h - the options that decide which nodes are quantized and how;
 * used by quantize, explain and inspect. */
#ifndef CLI_NODE_PLAN_H
#define CLI_NODE_PLAN_H

#include <jansson.h>

#include "cli/work.h"

typedef struct oq_plan_options {
  const char *target, *method, *activations, *weights, *overrides;
  bool per_channel, per_tensor, allow_partial;
  oq_opt_list exclude, exclude_op, only, only_op, no_pass;
  uint64_t keep_first, keep_last;
  int64_t opset, ir_version;
} oq_plan_options;
extern const oq_opt oq_plan_rows[];  /* how and which */
extern const oq_opt oq_graph_rows[]; /* opset, passes */

/* The lists stay those of `p`. */
int oq_plan_take(oq_quantize_options *out, const oq_plan_options *p);

/* `--target help`: prints the targets; false if the word is another. */
bool oq_plan_print_targets(const oq_plan_options *p);

/* Load-time steps of all: the float model in the form that is quantized. */
int oq_plan_prepare(oq_model **out, oq_work *w, oq_model *m,
                    const oq_plan_options *p);

/* What would be done, before any time is spent; also warns of names that match
 * nothing.  `report` is borrowed from *out. */
int oq_plan_make(oq_model **out, const oq_quantize_report **report, oq_work *w,
                 oq_model *prepared, const oq_plan_options *p);

/* Options that matter, "method=mse; exclude=a"; for free(), NULL without
 * memory. */
char *oq_plan_words(const oq_plan_options *p);

/* `*` and `?`, as the library matches names. */
bool oq_plan_glob(const char *pattern, const char *text);

/* The table of nodes: name, operator, integers or float, why. */
void oq_plan_print_nodes(FILE *to, const oq_quantize_report *r, bool all);

/* The name that was probably meant, or NULL. */
const char *oq_plan_near_node(const oq_quantize_report *r, const char *word);
json_t *oq_plan_json_node(const oq_node_report *n);
json_t *oq_plan_json_nodes(const oq_quantize_report *r);
json_t *oq_plan_json_values(const oq_quantize_report *r);

/* Statistics of `prepared` on all samples, by the engine that --engine names.
 */
int oq_plan_calibrate(oq_stats **out, oq_work *w, oq_model *prepared,
                      oq_samples *s);

#endif
