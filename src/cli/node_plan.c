/* node_plan.c - which nodes are quantized and how, as words. */
#define _POSIX_C_SOURCE 200809L
#include "cli/node_plan.h"

#include <stdlib.h>
#include <string.h>

#include "cli/json.h"

#define AT(field) offsetof(oq_plan_options, field)

const oq_opt oq_plan_rows[] = {
    {"target", 0, OQ_OPT_TEXT, AT(target), "NAME",
     "where it will run (ort-cpu); `help` lists them", 0, 0},
    {"method", 0, OQ_OPT_TEXT, AT(method), "NAME",
     "auto, minmax, percentile[:P], entropy, mse", 0, 0},
    {"exclude", 0, OQ_OPT_LIST, AT(exclude), "GLOB",
     "nodes that stay float, by name; repeatable", 0, 0},
    {"exclude-op", 0, OQ_OPT_LIST, AT(exclude_op), "TYPE",
     "the same by operator, e.g. Softmax", 0, 0},
    {"only", 0, OQ_OPT_LIST, AT(only), "GLOB", "+no other nodes, by name", 0,
     0},
    {"only-op", 0, OQ_OPT_LIST, AT(only_op), "TYPE",
     "+no other nodes, by operator", 0, 0},
    {"keep-first", 0, OQ_OPT_UINT, AT(keep_first), "N",
     "+the first N layers with weights stay float", 0, 1e6},
    {"keep-last", 0, OQ_OPT_UINT, AT(keep_last), "N", "+the last N", 0, 1e6},
    {"activations", 0, OQ_OPT_CHOICE, AT(activations), "u8|s8|u16|s16",
     "+element type of activations (by target)", 0, 0},
    {"weights", 0, OQ_OPT_CHOICE, AT(weights), "s8|u8|s16|s4|u4",
     "+element type of weights (by target)", 0, 0},
    {"per-channel", 0, OQ_OPT_FLAG, AT(per_channel), NULL,
     "+one scale per output channel (default)", 0, 0},
    {"per-tensor", 0, OQ_OPT_FLAG, AT(per_tensor), NULL,
     "+one scale per weight", 0, 0},
    {"overrides", 0, OQ_OPT_TEXT, AT(overrides), "FILE",
     "+JSON with ranges, or scales and zero points, of values", 0, 0},
    {"allow-partial", 0, OQ_OPT_FLAG, AT(allow_partial), NULL,
     "+quantize the rest of a quantized model", 0, 0},
    {0},
};

const oq_opt oq_graph_rows[] = {
    {"opset", 0, OQ_OPT_INT, AT(opset), "N", "+opset of the result (as needed)",
     1, 1000},
    {"ir-version", 0, OQ_OPT_INT, AT(ir_version), "N",
     "+IR version of the result (as needed)", 1, 1000},
    {"no-pass", 0, OQ_OPT_LIST, AT(no_pass), "NAME",
     "+leave out a step of preparing; repeatable", 0, 0},
    {0},
};

/* ---- words to options -----------------------------------------------------
 */
static int32_t element_type(const char *word) {
  static const struct {
    const char *word;
    int32_t dtype;
  } types[] = {{"u8", OQ_DT_U8},   {"s8", OQ_DT_I8}, {"u16", OQ_DT_U16},
               {"s16", OQ_DT_I16}, {"s4", OQ_DT_I4}, {"u4", OQ_DT_U4}};

  for (size_t i = 0; word && i < sizeof types / sizeof *types; i++)
    if (strcmp(types[i].word, word) == 0) return types[i].dtype;
  return OQ_DT_NONE;
}

/* "percentile:99.9" */
static int take_method(oq_quantize_options *o, const char *word) {
  static const char *const methods[] = {"auto", "minmax", "percentile",
                                        "entropy", "mse"};
  static const char with[] = "percentile:";
  char hint[96] = "auto, minmax, percentile[:P], entropy or mse";
  double p;

  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
    if (strcmp(word, methods[i]) != 0) continue;
    o->method = methods[i];
    return OQ_EXIT_DONE;
  }
  if (strncmp(word, with, sizeof with - 1) == 0) {
    if (oq_opt_number(&p, word + sizeof with - 1) && p > 50 && p <= 100) {
      o->method = "percentile";
      o->percentile = p;
      return OQ_EXIT_DONE;
    }
    (void)snprintf(hint, sizeof hint, "P is above 50 and at most 100");
  } else {
    const char *near = oq_opt_nearest(word, methods, 5);

    if (near) (void)snprintf(hint, sizeof hint, "did you mean '%s'?", near);
  }
  oq_term_error(hint, "'--method %s' is not valid", word);
  return OQ_EXIT_USAGE;
}

static int check_target(const char *word) {
  const char *names[32];
  char hint[120] = "`--target help` lists them";
  oq_target_info t;
  size_t n = 0;

  for (; n < 32 && oq_target_at(&t, n); n++) {
    if (strcmp(t.name, word) == 0) return OQ_EXIT_DONE;
    names[n] = t.name;
  }
  const char *near = oq_opt_nearest(word, names, n);
  if (near) (void)snprintf(hint, sizeof hint, "did you mean '%s'?", near);
  oq_term_error(hint, "unknown target '%s'", word);
  return OQ_EXIT_USAGE;
}

static int check_passes(const oq_opt_list *l) {
  const char *const *all = oq_prepare_pass_names();
  size_t n = 0;

  while (all[n]) n++;
  for (size_t i = 0; i < l->n; i++) {
    size_t k = 0;

    while (k < n && strcmp(all[k], l->items[i]) != 0) k++;
    if (k < n) continue;
    char hint[512] = "";
    const char *near = oq_opt_nearest(l->items[i], all, n);
    if (near)
      (void)snprintf(hint, sizeof hint, "did you mean '%s'?", near);
    else
      for (k = 0; k < n && strlen(hint) < 400; k++)
        (void)snprintf(hint + strlen(hint), sizeof hint - strlen(hint), "%s%s",
                       k ? ", " : "there is ", all[k]);
    oq_term_error(hint, "--no-pass: no step is named '%s'", l->items[i]);
    return OQ_EXIT_USAGE;
  }
  return OQ_EXIT_DONE;
}

int oq_plan_take(oq_quantize_options *out, const oq_plan_options *p) {
  oq_quantize_options o = OQ_QUANTIZE_OPTIONS_INIT;

  if (p->per_channel && p->per_tensor) {
    oq_term_error("leave one out",
                  "--per-channel and --per-tensor contradict each other");
    return OQ_EXIT_USAGE;
  }
  if (p->target) OQ_DO(check_target(p->target));
  if (p->method) OQ_DO(take_method(&o, p->method));
  OQ_DO(check_passes(&p->no_pass));
  o.target = p->target;
  o.activation_type = element_type(p->activations);
  o.weight_type = element_type(p->weights);
  o.per_tensor = p->per_tensor;
  o.exclude = p->exclude.items;
  o.exclude_op = p->exclude_op.items;
  o.only = p->only.items;
  o.only_op = p->only_op.items;
  o.keep_first = (uint32_t)p->keep_first;
  o.keep_last = (uint32_t)p->keep_last;
  o.allow_partial = p->allow_partial;
  o.opset = p->opset;
  o.ir_version = p->ir_version;
  o.skip_passes = p->no_pass.items;
  *out = o;
  return OQ_EXIT_DONE;
}

bool oq_plan_print_targets(const oq_plan_options *p) {
  oq_target_info t;

  if (!p->target || strcmp(p->target, "help") != 0) return false;
  for (size_t i = 0; oq_target_at(&t, i); i++)
    (void)printf("%-16s %s\n", t.name, t.about);
  return true;
}

/* A growing text; NULL once memory is gone. */
typedef struct words {
  char *text;
  size_t n;
  bool failed;
} words;

static void add_word(words *w, const char *name, const char *value) {
  const size_t more = strlen(name) + strlen(value) + 4;
  char *p = w->failed ? NULL : realloc(w->text, w->n + more);

  if (!p) {
    w->failed = true;
    return;
  }
  w->text = p;
  w->n += (size_t)snprintf(p + w->n, more, "; %s=%s", name, value);
}

static void add_list(words *w, const char *name, const oq_opt_list *l) {
  for (size_t i = 0; i < l->n; i++) add_word(w, name, l->items[i]);
}

static void add_number(words *w, const char *name, int64_t v) {
  char text[24];

  (void)snprintf(text, sizeof text, "%lld", (long long)v);
  if (v) add_word(w, name, text);
}

char *oq_plan_words(const oq_plan_options *p) {
  words w = {0};

  add_word(&w, "target", p->target ? p->target : "ort-cpu");
  add_word(&w, "method", p->method ? p->method : "auto");
  if (p->activations) add_word(&w, "activations", p->activations);
  if (p->weights) add_word(&w, "weights", p->weights);
  if (p->per_tensor) add_word(&w, "weights", "per-tensor");
  if (p->overrides) add_word(&w, "overrides", "yes");
  add_list(&w, "exclude", &p->exclude);
  add_list(&w, "exclude-op", &p->exclude_op);
  add_list(&w, "only", &p->only);
  add_list(&w, "only-op", &p->only_op);
  add_list(&w, "no-pass", &p->no_pass);
  add_number(&w, "keep-first", (int64_t)p->keep_first);
  add_number(&w, "keep-last", (int64_t)p->keep_last);
  add_number(&w, "opset", p->opset);
  if (!w.failed) return w.text;
  free(w.text);
  return NULL;
}

/* ---- the plan -------------------------------------------------------------
 */
bool oq_plan_glob(const char *pattern, const char *text) {
  const char *star = NULL, *from = NULL; /* where to try again */

  while (*text) {
    if (*pattern == '*') {
      star = ++pattern;
      from = text;
    } else if (*pattern && (*pattern == '?' || *pattern == *text)) {
      pattern++;
      text++;
    } else if (star) {
      pattern = star;
      text = ++from;
    } else {
      return false;
    }
  }
  while (*pattern == '*') pattern++;
  return !*pattern;
}

int oq_plan_prepare(oq_model **out, oq_work *w, oq_model *m,
                    const oq_plan_options *p) {
  oq_prepare_options o = OQ_PREPARE_OPTIONS_INIT;
  oq_quantize_options unused;

  OQ_DO(oq_plan_take(&unused, p)); /* before any work is done */
  o.opset = p->opset;
  o.skip_passes = p->no_pass.items;
  return oq_work_exit(w, oq_model_prepare(out, m, &o));
}

static const char *near_node(const oq_quantize_report *r, const char *word,
                             bool by_op) {
  const char **names = calloc(r->n_nodes + 1, sizeof *names);
  const char *near = NULL;

  for (size_t i = 0; names && i < r->n_nodes; i++)
    names[i] = by_op ? r->nodes[i].op : r->nodes[i].name;
  if (names && !strpbrk(word, "*?"))
    near = oq_opt_nearest(word, names, r->n_nodes);
  free(names);
  return near;
}

static void warn_of_words(oq_work *w, const char *option, const oq_opt_list *l,
                          const oq_quantize_report *r, bool by_op) {
  for (size_t i = 0; i < l->n; i++) {
    const char *word = l->items[i];
    char hint[200] = "`onnxquant explain` lists the names";
    bool any = false;

    for (size_t k = 0; k < r->n_nodes && !any; k++)
      any = by_op ? strcmp(word, r->nodes[k].op) == 0
                  : oq_plan_glob(word, r->nodes[k].name);
    if (any) continue;
    const char *near = near_node(r, word, by_op);
    if (near) (void)snprintf(hint, sizeof hint, "did you mean '%.150s'?", near);
    oq_work_warn(w, hint, "%s '%s' matches no node", option, word);
  }
}

int oq_plan_make(oq_model **out, const oq_quantize_report **report, oq_work *w,
                 oq_model *prepared, const oq_plan_options *p) {
  oq_quantize_options o;
  const oq_quantize_report *r;
  oq_model *m;

  OQ_DO(oq_plan_take(&o, p));
  OQ_DO(oq_work_exit(w, oq_quantize(&m, &r, prepared, NULL, &o)));
  warn_of_words(w, "--exclude", &p->exclude, r, false);
  warn_of_words(w, "--only", &p->only, r, false);
  warn_of_words(w, "--exclude-op", &p->exclude_op, r, true);
  warn_of_words(w, "--only-op", &p->only_op, r, true);
  *out = m;
  *report = r;
  return OQ_EXIT_DONE;
}

void oq_plan_print_nodes(FILE *to, const oq_quantize_report *r, bool all) {
  for (size_t i = 0; i < r->n_nodes; i++) {
    const oq_node_report *n = &r->nodes[i];

    if (!all && !n->eligible && n->macs == 0) continue;
    oq_term_cell(to, n->name, 36);
    (void)fputc(' ', to);
    oq_term_cell(to, n->op, 18);
    (void)fprintf(to, " %-5s ", n->quantized ? "int8" : "float");
    oq_term_print(to, n->why);
    (void)fputc('\n', to);
  }
}

const char *oq_plan_near_node(const oq_quantize_report *r, const char *word) {
  return near_node(r, word, false);
}

/* ---- JSON -----------------------------------------------------------------
 */
json_t *oq_plan_json_node(const oq_node_report *n) {
  json_t *j = json_object();

  oq_json_text(j, "name", n->name);
  oq_json_text(j, "op", n->op);
  oq_json_bool(j, "eligible", n->eligible);
  oq_json_bool(j, "quantized", n->quantized);
  oq_json_text(j, "why", n->why);
  oq_json_count(j, "macs", n->macs);
  oq_json_count(j, "weight_elements", n->weight_elements);
  oq_json_count(j, "weight_bytes", n->weight_bytes);
  return j;
}

json_t *oq_plan_json_nodes(const oq_quantize_report *r) {
  json_t *list = json_array();

  for (size_t i = 0; i < r->n_nodes; i++)
    (void)json_array_append_new(list, oq_plan_json_node(&r->nodes[i]));
  return list;
}

static json_t *json_value(const oq_value_report *v) {
  json_t *j = json_object();

  oq_json_text(j, "name", v->name);
  oq_json_text(j, "method", v->method);
  oq_json_put(j, "range", oq_json_pair(v->lo, v->hi));
  oq_json_put(j, "observed", oq_json_pair(v->observed_lo, v->observed_hi));
  oq_json_real(j, "scale", v->scale);
  oq_json_int(j, "zero_point", v->zero_point);
  oq_json_text(j, "type", oq_dtype_text(v->dtype));
  oq_json_real(j, "sqnr_db", v->sqnr_db);
  return j;
}

json_t *oq_plan_json_values(const oq_quantize_report *r) {
  json_t *list = json_array();

  for (size_t i = 0; i < r->n_values; i++)
    (void)json_array_append_new(list, json_value(&r->values[i]));
  return list;
}
