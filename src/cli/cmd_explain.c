/* cmd_explain.c - why each node is or is not quantized. */
#include <math.h>
#include <string.h>

#include "cli/command.h"

typedef struct explain_options {
  oq_common_options common;
  oq_data_options data;
  oq_engine_options engine;
  oq_plan_options plan;
  const char *node, *stats;
} explain_options;

static const oq_opt own_rows[] = {
    {"node", 0, OQ_OPT_TEXT, offsetof(explain_options, node), "NAME|GLOB",
     "only these nodes, in detail", 0, 0},
    {"stats", 0, OQ_OPT_TEXT, offsetof(explain_options, stats), "FILE",
     "statistics of `calibrate`, instead of --data", 0, 0},
    {0},
};

static const oq_opt_group groups[] = {
    {"Explaining", own_rows, 0},      OQ_GROUP_DATA(explain_options),
    OQ_GROUP_IMAGE(explain_options),  OQ_GROUP_PLAN(explain_options),
    OQ_GROUP_GRAPH(explain_options),  OQ_GROUP_ENGINE(explain_options),
    OQ_GROUP_COMMON(explain_options),
};

typedef struct job {
  const explain_options *o;
  const char *path;
  oq_work w;
  oq_model *model, *prepared, *planned;
  oq_samples *samples;
  oq_stats *stats;
  const oq_quantize_report *report;
} job;

/* ---- steps ----------------------------------------------------------------
 */
static int take_stats(job *k) {
  const explain_options *o = k->o;

  if (o->stats) {
    k->w.reading = o->stats;
    const oq_status s = oq_stats_load_file(&k->stats, k->w.cx, o->stats);
    k->w.reading = NULL;
    return oq_work_exit(&k->w, s);
  }
  if (o->data.data.n == 0) return OQ_EXIT_DONE;
  OQ_DO(oq_data_open(&k->samples, &k->w, k->model, &o->data, NULL));
  return oq_plan_calibrate(&k->stats, &k->w, k->prepared, k->samples);
}

/* With statistics the plan is the conversion itself, thrown away. */
static int make_plan(job *k) {
  oq_quantize_options opt;

  OQ_DO(oq_plan_make(&k->planned, &k->report, &k->w, k->prepared, &k->o->plan));
  OQ_DO(take_stats(k));
  if (!k->stats) return OQ_EXIT_DONE;
  oq_model_destroy(k->planned);
  k->planned = NULL;
  OQ_DO(oq_plan_take(&opt, &k->o->plan));
  return oq_work_exit(
      &k->w, oq_quantize(&k->planned, &k->report, k->prepared, k->stats, &opt));
}

/* ---- showing --------------------------------------------------------------
 */
static bool is_chosen(const job *k, const oq_node_report *n) {
  return !k->o->node || oq_plan_glob(k->o->node, n->name);
}

static int check_node(const job *k) {
  char hint[200] = "`onnxquant explain MODEL` lists the names";

  for (size_t i = 0; i < k->report->n_nodes; i++)
    if (is_chosen(k, &k->report->nodes[i])) return OQ_EXIT_DONE;
  const char *near = oq_plan_near_node(k->report, k->o->node);
  if (near) (void)snprintf(hint, sizeof hint, "did you mean '%.150s'?", near);
  oq_term_error(hint, "--node: no node of the prepared graph is named '%s'",
                k->o->node);
  return OQ_EXIT_USAGE;
}

static void print_detail(const oq_node_report *n) {
  oq_term_print(stdout, n->name);
  (void)printf(": ");
  oq_term_print(stdout, n->op);
  (void)printf("\n  %s: ", n->quantized ? "int8" : "float");
  oq_term_print(stdout, n->why);
  (void)printf("\n  the target %s for this node\n",
               n->eligible ? "has integer kernels" : "has no integer kernel");
  if (n->macs > 0)
    (void)printf("  %s multiplications per sample\n", oq_term_count(n->macs).s);
  if (n->weight_elements > 0)
    (void)printf("  %s weights, %s\n", oq_term_count(n->weight_elements).s,
                 oq_term_bytes(n->weight_bytes).s);
}

static void print_values(const oq_quantize_report *r) {
  (void)printf("\n%-36s %-10s %24s %24s %11s %5s\n", "value", "method", "range",
               "observed", "scale", "zero");
  for (size_t i = 0; i < r->n_values; i++) {
    const oq_value_report *v = &r->values[i];
    char range[64], seen[64];

    (void)snprintf(range, sizeof range, "%.5g .. %.5g", v->lo, v->hi);
    (void)snprintf(seen, sizeof seen, "%.5g .. %.5g", v->observed_lo,
                   v->observed_hi);
    oq_term_cell(stdout, v->name, 36);
    (void)printf(" %-10s %24s %24s %11.5g %5d\n", v->method, range, seen,
                 v->scale, v->zero_point);
  }
}

static void print_text(const job *k) {
  const oq_quantize_report *r = k->report;

  if (k->o->node) {
    for (size_t i = 0; i < r->n_nodes; i++)
      if (is_chosen(k, &r->nodes[i])) print_detail(&r->nodes[i]);
    return;
  }
  oq_plan_print_nodes(stdout, r, true);
  (void)printf("%zu of %zu nodes run on integers, %zu could\n", r->n_quantized,
               r->n_nodes, r->n_eligible);
  if (k->stats) print_values(r);
}

static int print_json(const job *k) {
  const oq_quantize_report *r = k->report;
  json_t *j = oq_json_create(), *list = json_array();

  oq_json_text(j, "model", k->path);
  oq_json_text(j, "target", r->target);
  oq_json_count(j, "samples", r->samples);
  for (size_t i = 0; i < r->n_nodes; i++)
    if (is_chosen(k, &r->nodes[i]))
      (void)json_array_append_new(list, oq_plan_json_node(&r->nodes[i]));
  oq_json_put(j, "nodes", list);
  if (k->stats) oq_json_put(j, "values", oq_plan_json_values(r));
  oq_json_put(j, "warnings", json_incref(k->w.warnings));
  const int code = oq_work_print_json(j);
  json_decref(j);
  return code;
}

/* ---- run ------------------------------------------------------------------
 */
static int explain(job *k) {
  OQ_DO(oq_work_load(&k->model, &k->w, k->path));
  OQ_DO(oq_data_fix_shapes(&k->w, k->model, &k->o->data));
  OQ_DO(oq_plan_prepare(&k->prepared, &k->w, k->model, &k->o->plan));
  OQ_DO(make_plan(k));
  if (k->o->node) OQ_DO(check_node(k));
  if (k->o->common.json) return print_json(k);
  print_text(k);
  return OQ_EXIT_DONE;
}

static int run(void *options, const oq_opt_list *names) {
  const explain_options *o = options;
  job k = {.o = o};

  if (oq_plan_print_targets(&o->plan)) return OQ_EXIT_DONE;
  if (names->n == 0) {
    oq_term_error("usage: onnxquant explain MODEL", "explain: MODEL expected");
    return OQ_EXIT_USAGE;
  }
  k.path = names->items[0];
  int code = oq_work_open(&k.w, &o->common, &o->engine);
  if (code == OQ_EXIT_DONE) code = explain(&k);
  oq_stats_destroy(k.stats);
  oq_samples_destroy(k.samples);
  oq_model_destroy(k.planned);
  oq_model_destroy(k.prepared);
  oq_model_destroy(k.model);
  oq_work_close(&k.w);
  return code;
}

const oq_command oq_command_explain = {
    .opt = {.name = "explain",
            .about = "why each node is or is not quantized",
            .usage = "explain MODEL [--node NAME] [--data DATA] [options]",
            .groups = groups,
            .n_groups = sizeof groups / sizeof *groups,
            .max_names = 1,
            .names = "MODEL"},
    .size = sizeof(explain_options),
    .run = run,
};
