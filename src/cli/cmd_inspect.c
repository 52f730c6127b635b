/* cmd_inspect.c - what a model or a statistics file holds. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"

typedef struct inspect_options {
  oq_common_options common;
  oq_data_options data;
  oq_plan_options plan;
} inspect_options;

static const oq_opt own_rows[] = {
    {"dim", 0, OQ_OPT_LIST, offsetof(inspect_options, data.dim), "NAME=SIZE",
     "fix a dynamic size, e.g. --dim batch=1", 0, 0},
    {"shape", 0, OQ_OPT_LIST, offsetof(inspect_options, data.shape),
     "INPUT=N,N,..", "fix the shape of an input", 0, 0},
    {0},
};

static const oq_opt_group groups[] = {
    {"Sizes (multiplications are known where shapes are)", own_rows, 0},
    OQ_GROUP_PLAN(inspect_options),
    OQ_GROUP_GRAPH(inspect_options),
    OQ_GROUP_COMMON(inspect_options),
};

typedef struct totals {
  uint64_t params, bytes, macs, macs_quantizable, nodes, quantizable;
} totals;

/* A node of the file with what would become of it. */
typedef struct row {
  const oq_node_report *n;
  bool quantizable;
  const char *why;
} row;

typedef struct job {
  const inspect_options *o;
  const char *path;
  oq_work w;
  oq_model *model;
  struct stage {
    oq_model *prepared, *planned;
    const oq_quantize_report *report;
  } given,   /* the graph as it is in the file */
      ready; /* as it would be quantized */
  oq_stats *stats;
  const oq_model_info *info;
  const oq_value_info **values; /* of `given`, in order of their names ... */
  size_t n_values;              /* ... with the types that follow for them */
  row *rows;                    /* one per node of `given` */
  bool batch_of_one;            /* a free batch size was taken to be 1 */
} job;

/* ---- a statistics file ----------------------------------------------------
 */
static int stats_json(const job *k, const oq_stats_info *s) {
  json_t *j = oq_json_create(), *list = json_array();

  oq_json_text(j, "file", k->path);
  oq_json_text(j, "model_digest", s->model_digest);
  oq_json_text(j, "preprocessing", s->preprocessing);
  oq_json_count(j, "samples", s->samples);
  oq_json_bool(j, "synthetic", s->synthetic);
  for (size_t i = 0; i < s->n_values; i++) {
    const oq_stats_value *v = &s->values[i];
    json_t *e = json_object();

    oq_json_text(e, "name", v->name);
    oq_json_real(e, "lo", v->lo);
    oq_json_real(e, "hi", v->hi);
    oq_json_real(e, "mean", v->mean);
    oq_json_real(e, "std", v->std);
    oq_json_count(e, "count", v->count);
    oq_json_count(e, "zeros", v->zeros);
    oq_json_count(e, "nans", v->nans);
    oq_json_count(e, "infinities", v->infinities);
    (void)json_array_append_new(list, e);
  }
  oq_json_put(j, "tensors", list);
  const int code = oq_work_print_json(j);
  json_decref(j);
  return code;
}

static void stats_text(const oq_stats_info *s) {
  (void)printf(
      "statistics of %llu samples%s\nmodel          %s\n"
      "preprocessing  ",
      (unsigned long long)s->samples, s->synthetic ? ", random numbers" : "",
      s->model_digest);
  oq_term_print(stdout, s->preprocessing);
  (void)printf("\n\n%-36s %12s %12s %12s %12s %7s\n", "value", "min", "max",
               "mean", "std", "zeros");
  for (size_t i = 0; i < s->n_values; i++) {
    const oq_stats_value *v = &s->values[i];
    const double zeros =
        v->count ? 100.0 * (double)v->zeros / (double)v->count : 0;

    oq_term_cell(stdout, v->name, 36);
    (void)printf(" %12.5g %12.5g %12.5g %12.5g %5.1f %%", v->lo, v->hi, v->mean,
                 v->std, zeros);
    if (v->nans || v->infinities)
      (void)printf("  %llu NaN, %llu infinite", (unsigned long long)v->nans,
                   (unsigned long long)v->infinities);
    (void)putchar('\n');
  }
}

static int inspect_stats(job *k) {
  const oq_stats_info *info;

  k->w.reading = k->path;
  const oq_status s = oq_stats_load_file(&k->stats, k->w.cx, k->path);
  k->w.reading = NULL;
  OQ_DO(oq_work_exit(&k->w, s));
  OQ_DO(oq_work_exit(&k->w, oq_stats_describe(&info, k->stats)));
  if (k->o->common.json) return stats_json(k, info);
  stats_text(info);
  return OQ_EXIT_DONE;
}

/* ---- a model --------------------------------------------------------------
 */
/* MACs are counted for one sample: a first size that is free is taken to be 1
 * where nothing else is. */
static int fix_batch(job *k, oq_model *m) {
  for (size_t i = 0; i < k->info->n_inputs; i++) {
    const oq_value_info *v = &k->info->inputs[i];
    int64_t dim[OQ_MAX_RANK];
    bool fixed = v->has_rank && v->rank > 0;

    for (uint32_t d = 0; d < v->rank; d++) {
      dim[d] = v->dim[d].size;
      fixed = fixed && (d == 0 ? dim[d] < 0 : dim[d] >= 0);
    }
    if (!fixed) continue;
    dim[0] = 1;
    OQ_DO(oq_work_exit(&k->w, oq_model_set_shape(m, v->name, dim, v->rank)));
    k->batch_of_one = true;
  }
  return OQ_EXIT_DONE;
}

static int by_name(const void *a, const void *b) {
  const oq_value_info *const *x = a, *const *y = b;

  return strcmp((*x)->name, (*y)->name);
}

/* Types as they follow while a free batch size is still free. */
static int list_values(job *k, oq_model *m) {
  const oq_value_info *v;
  size_t n;

  OQ_DO(oq_work_exit(&k->w, oq_model_values(&v, &n, m)));
  k->values = calloc(n + 1, sizeof *k->values);
  if (!k->values) return oq_work_no_memory();
  k->n_values = n;
  for (size_t i = 0; i < n; i++) k->values[i] = &v[i];
  qsort(k->values, n, sizeof *k->values, by_name);
  return OQ_EXIT_DONE;
}

/* NULL: nothing is known of a value of that name. */
static const oq_value_info *find_value(const job *k, const char *name) {
  const oq_value_info key = {.name = name};
  const oq_value_info *p = &key;
  const oq_value_info *const *found =
      k->values ? bsearch(&p, k->values, k->n_values, sizeof p, by_name) : NULL;

  return found ? *found : NULL;
}

static int make_stage(struct stage *out, job *k, const oq_opt_list *skip) {
  oq_plan_options plan = k->o->plan;

  plan.allow_partial = true;
  if (skip) plan.no_pass = *skip;
  OQ_DO(oq_plan_prepare(&out->prepared, &k->w, k->model, &plan));
  if (skip) OQ_DO(list_values(k, out->prepared));
  OQ_DO(fix_batch(k, out->prepared));
  return oq_plan_make(&out->planned, &out->report, &k->w, out->prepared, &plan);
}

/* The passes that change what a node is called or does; the others only make
 * the graph readable for this version. */
static int make_stages(job *k) {
  const char *const *pass = oq_prepare_pass_names();
  oq_opt_list skip = {0};
  int code = OQ_EXIT_DONE;

  for (size_t i = 0; pass[i] && code == OQ_EXIT_DONE; i++)
    if (strcmp(pass[i], "unlist_constants") != 0 &&
        strcmp(pass[i], "raise_opset") != 0 && !oq_opt_append(&skip, pass[i]))
      code = oq_work_no_memory();
  /* What quantization cannot take can be described all the same. */
  k->w.lenient = true;
  if (code == OQ_EXIT_DONE) code = make_stage(&k->given, k, &skip);
  if (code == OQ_EXIT_DONE) code = make_stage(&k->ready, k, NULL);
  k->w.lenient = false;
  free(skip.items);
  return code == OQ_EXIT_INPUT ? OQ_EXIT_DONE : code;
}

/* ---- the same nodes before and after preparing ------------------------------
 */
typedef struct node_ref {
  const oq_node_report *n;
  size_t at;
} node_ref;

static int by_op_then_name(const void *a, const void *b) {
  const node_ref *x = a, *y = b;
  const int op = strcmp(x->n->op, y->n->op);

  return op ? op : strcmp(x->n->name, y->n->name);
}

static int by_op_then_place(const void *a, const void *b) {
  const node_ref *x = a, *y = b;
  const int op = strcmp(x->n->op, y->n->op);

  return op ? op : (x->at > y->at) - (x->at < y->at);
}

static node_ref *sorted(const oq_quantize_report *r,
                        int (*order)(const void *, const void *)) {
  node_ref *refs = calloc(r->n_nodes + 1, sizeof *refs);

  for (size_t i = 0; refs && i < r->n_nodes; i++)
    refs[i] = (node_ref){&r->nodes[i], i};
  if (refs) qsort(refs, r->n_nodes, sizeof *refs, order);
  return refs;
}

static size_t run_of(const node_ref *refs, size_t n, size_t from) {
  size_t to = from;

  while (to < n && strcmp(refs[to].n->op, refs[from].n->op) == 0) to++;
  return to - from;
}

static void set_row(row *x, const oq_node_report *ready) {
  x->quantizable = ready->quantized != 0;
  x->why = ready->why;
}

/* A node without a name is called like its output, which may have changed: if
 * an operator occurs as often as before, its nodes are the same in order. */
static void match_by_count(job *k, const node_ref *a, size_t n,
                           const node_ref *b, size_t m) {
  for (size_t i = 0, j = 0; i < n && j < m;) {
    const int order = strcmp(a[i].n->op, b[j].n->op);
    const size_t run_a = run_of(a, n, i), run_b = run_of(b, m, j);

    for (size_t x = 0; order == 0 && run_a == run_b && x < run_a; x++)
      set_row(&k->rows[a[i + x].at], b[j + x].n);
    if (order <= 0) i += run_a;
    if (order >= 0) j += run_b;
  }
}

static void match_by_name(job *k, const node_ref *ready, size_t m) {
  for (size_t i = 0; i < k->given.report->n_nodes; i++) {
    const node_ref key = {k->rows[i].n, 0};
    const node_ref *found =
        bsearch(&key, ready, m, sizeof *ready, by_op_then_name);

    if (found) set_row(&k->rows[i], found->n);
  }
}

static int match_nodes(job *k) {
  const oq_quantize_report *a = k->given.report, *b = k->ready.report;
  node_ref *given, *counted, *named;

  if (!a) return OQ_EXIT_DONE;
  k->rows = calloc(a->n_nodes + 1, sizeof *k->rows);
  if (!k->rows) return oq_work_no_memory();
  for (size_t i = 0; i < a->n_nodes; i++)
    k->rows[i] =
        (row){&a->nodes[i], false,
              b ? "merged with its neighbours when the graph is prepared"
                : "the model cannot be prepared"};
  if (!b) return OQ_EXIT_DONE;
  given = sorted(a, by_op_then_place);
  counted = sorted(b, by_op_then_place);
  named = sorted(b, by_op_then_name);
  const bool ok = given && counted && named;
  if (ok) {
    match_by_count(k, given, a->n_nodes, counted, b->n_nodes);
    match_by_name(k, named, b->n_nodes);
  }
  free(given);
  free(counted);
  free(named);
  return ok ? OQ_EXIT_DONE : oq_work_no_memory();
}

static totals sum_up(const job *k) {
  const oq_quantize_report *r = k->given.report;
  totals t = {0};

  for (size_t i = 0; r && i < r->n_nodes; i++) {
    const row x = k->rows[i];

    t.nodes++;
    t.params += x.n->param_elements;
    t.bytes += x.n->param_bytes;
    t.macs += x.n->macs;
    t.quantizable += x.quantizable;
    if (x.quantizable) t.macs_quantizable += x.n->macs;
  }
  return t;
}

static json_t *json_shape(const oq_value_info *v) {
  json_t *shape = v->has_rank ? json_array() : json_null();

  for (uint32_t d = 0; v->has_rank && d < v->rank; d++) {
    const oq_dim_info *x = &v->dim[d];

    (void)json_array_append_new(shape, x->size >= 0
                                           ? json_integer((json_int_t)x->size)
                                           : oq_json_string(x->symbol));
  }
  return shape;
}

static json_t *json_port(const oq_value_info *v) {
  json_t *j = json_object();

  oq_json_text(j, "name", v->name);
  oq_json_text(j, "type", v->dtype ? oq_dtype_text(v->dtype) : NULL);
  oq_json_put(j, "shape", json_shape(v));
  return j;
}

/* An output of the model or of a node with what follows for it. */
static const oq_value_info *best(const job *k, const oq_value_info *said) {
  const oq_value_info *v = find_value(k, said->name);

  return v && v->dtype ? v : said;
}

static json_t *json_ports(const job *k, const oq_value_info *v, size_t n) {
  json_t *list = json_array();

  for (size_t i = 0; i < n; i++)
    (void)json_array_append_new(list, json_port(best(k, &v[i])));
  return list;
}

static json_t *json_outputs(const job *k, const oq_node_report *n) {
  json_t *list = json_array();

  for (size_t i = 0; i < n->n_outputs; i++) {
    const oq_value_info said = {.name = n->outputs[i]};
    (void)json_array_append_new(list, json_port(best(k, &said)));
  }
  return list;
}

static json_t *json_opsets(const oq_model_info *m) {
  json_t *list = json_array();

  for (size_t i = 0; i < m->n_opsets; i++) {
    json_t *j = json_object();

    oq_json_text(j, "domain", m->opsets[i].domain);
    oq_json_int(j, "version", m->opsets[i].version);
    (void)json_array_append_new(list, j);
  }
  return list;
}

static json_t *json_nodes(const job *k) {
  const oq_quantize_report *r = k->given.report;
  json_t *list = json_array();

  for (size_t i = 0; r && i < r->n_nodes; i++) {
    const row x = k->rows[i];
    json_t *j = json_object();

    oq_json_text(j, "name", x.n->name);
    oq_json_text(j, "op", x.n->op);
    oq_json_put(j, "outputs", json_outputs(k, x.n));
    oq_json_count(j, "params", x.n->param_elements);
    oq_json_count(j, "bytes", x.n->param_bytes);
    oq_json_count(j, "macs", x.n->macs);
    oq_json_bool(j, "quantizable", x.quantizable);
    oq_json_text(j, "why", x.why);
    (void)json_array_append_new(list, j);
  }
  return list;
}

static json_t *json_totals(job *k) {
  const totals t = sum_up(k);
  json_t *j = json_object();

  oq_json_count(j, "nodes", t.nodes);
  oq_json_count(j, "quantizable", t.quantizable);
  oq_json_count(j, "params", t.params);
  oq_json_count(j, "bytes", t.bytes);
  oq_json_count(j, "macs", t.macs);
  oq_json_count(j, "macs_quantizable", t.macs_quantizable);
  oq_json_count(j, "initializers", k->info->n_initializers);
  oq_json_count(j, "initializer_bytes", k->info->initializer_bytes);
  oq_json_count(j, "file_bytes", oq_work_model_bytes(&k->w, k->model, k->path));
  return j;
}

static int model_json(job *k) {
  json_t *j = oq_json_create();
  const oq_model_info *m = k->info;

  oq_json_text(j, "model", k->path);
  oq_json_int(j, "ir_version", m->ir_version);
  oq_json_text(j, "producer", m->producer_name);
  oq_json_text(j, "producer_version", m->producer_version);
  oq_json_text(j, "graph", m->graph_name);
  oq_json_put(j, "opsets", json_opsets(m));
  oq_json_put(j, "inputs", json_ports(k, m->inputs, m->n_inputs));
  oq_json_put(j, "outputs", json_ports(k, m->outputs, m->n_outputs));
  oq_json_count(j, "file_nodes", m->n_nodes);
  oq_json_count(j, "functions", m->n_functions);
  oq_json_count(j, "quantize_nodes", m->n_quantize_nodes);
  oq_json_bool(j, "batch_of_one", k->batch_of_one);
  oq_json_put(j, "nodes", json_nodes(k));
  oq_json_put(j, "totals", json_totals(k));
  oq_json_put(j, "warnings", json_incref(k->w.warnings));
  const int code = oq_work_print_json(j);
  json_decref(j);
  return code;
}

static void append(char *to, size_t size, const char *text) {
  const size_t n = strlen(to);

  (void)snprintf(to + n, size - n, "%s", text);
}

/* "[batch,3,2*H+1]", or "" where the rank is not known. */
typedef struct shape_text {
  char s[OQ_MAX_RANK * 136];
} shape_text;

static shape_text shape_of(const oq_value_info *v) {
  shape_text y = {""};

  if (!v->has_rank) return y;
  for (uint32_t d = 0; d < v->rank; d++) {
    char size[24];
    const oq_dim_info *x = &v->dim[d];

    (void)snprintf(size, sizeof size, "%lld", (long long)x->size);
    append(y.s, sizeof y.s, d ? "," : "[");
    append(y.s, sizeof y.s, x->size >= 0 ? size : x->symbol ? x->symbol : "?");
  }
  append(y.s, sizeof y.s, v->rank ? "]" : "[]");
  return y;
}

/* Of what is no tensor. */
static const char *kind_text(const oq_value_info *v) {
  return v->kind == OQ_KIND_SEQUENCE   ? "sequence"
         : v->kind == OQ_KIND_OPTIONAL ? "optional"
         : v->kind == OQ_KIND_MAPS     ? "maps"
                                       : "?";
}

static void print_ports(const job *k, const char *what, const oq_value_info *v,
                        size_t n) {
  for (size_t i = 0; i < n; i++) {
    const oq_value_info *x = best(k, &v[i]);

    (void)printf("%-9s ", i == 0 ? what : "");
    oq_term_print(stdout, x->name);
    (void)printf(": %s ", x->dtype ? oq_dtype_text(x->dtype) : kind_text(x));
    oq_term_print(stdout, shape_of(x).s);
    (void)putchar('\n');
  }
}

static shape_text first_shape(const job *k, const oq_node_report *n) {
  const oq_value_info none = {.name = ""};
  const oq_value_info *v = n->n_outputs ? find_value(k, n->outputs[0]) : NULL;

  return shape_of(v ? v : &none);
}

static void print_nodes(const job *k) {
  (void)printf("\n%-32s %-16s %-20s %8s %8s %8s\n", "node", "operator", "shape",
               "params", "bytes", k->batch_of_one ? "MACs (1)" : "MACs");
  for (size_t i = 0; i < k->given.report->n_nodes; i++) {
    const row x = k->rows[i];
    const oq_node_report *n = x.n;

    oq_term_cell(stdout, n->name, 32);
    (void)putchar(' ');
    oq_term_cell(stdout, n->op, 16);
    (void)putchar(' ');
    oq_term_cell(stdout, first_shape(k, n).s, 20);
    (void)printf(" %8s %8s %8s  %s: ",
                 n->param_elements ? oq_term_count(n->param_elements).s : "",
                 n->param_bytes ? oq_term_bytes(n->param_bytes).s : "",
                 n->macs ? oq_term_count(n->macs).s : "",
                 x.quantizable ? "int8" : "float");
    oq_term_print(stdout, x.why);
    (void)putchar('\n');
  }
}

static void model_text(const job *k) {
  const oq_model_info *m = k->info;
  const totals t = sum_up(k);

  (void)printf("IR version %lld, opset", (long long)m->ir_version);
  for (size_t i = 0; i < m->n_opsets; i++) {
    (void)fputs(i ? ", " : " ", stdout);
    oq_term_print(stdout, *m->opsets[i].domain ? m->opsets[i].domain : "");
    (void)printf("%s%lld", *m->opsets[i].domain ? " " : "",
                 (long long)m->opsets[i].version);
  }
  (void)fputs(", made by ", stdout);
  oq_term_print(stdout, *m->producer_name ? m->producer_name : "?");
  (void)printf(" %s\n%zu nodes, %zu constants of %s", m->producer_version,
               m->n_nodes, m->n_initializers,
               oq_term_bytes(m->initializer_bytes).s);
  if (m->n_quantize_nodes)
    (void)printf(", %llu Q/DQ nodes: quantized already",
                 (unsigned long long)m->n_quantize_nodes);
  (void)putchar('\n');
  print_ports(k, "inputs", m->inputs, m->n_inputs);
  print_ports(k, "outputs", m->outputs, m->n_outputs);
  if (!k->given.report) return;
  print_nodes(k);
  (void)printf("\n%llu nodes, %llu would run on integers; %s parameters, %s",
               (unsigned long long)t.nodes, (unsigned long long)t.quantizable,
               oq_term_count(t.params).s, oq_term_bytes(t.bytes).s);
  if (t.macs)
    (void)printf("; %s MACs, %.1f %% of them in int8", oq_term_count(t.macs).s,
                 100.0 * (double)t.macs_quantizable / (double)t.macs);
  (void)putchar('\n');
}

static int inspect_model(job *k) {
  OQ_DO(oq_work_load(&k->model, &k->w, k->path));
  OQ_DO(oq_data_fix_shapes(&k->w, k->model, &k->o->data));
  OQ_DO(oq_work_exit(&k->w, oq_model_describe(&k->info, k->model)));
  OQ_DO(make_stages(k));
  OQ_DO(match_nodes(k));
  if (k->o->common.json) return model_json(k);
  model_text(k);
  return OQ_EXIT_DONE;
}

/* ---- run ------------------------------------------------------------------
 */
/* The first bytes of a statistics file. */
static bool is_stats(const char *path) {
  static const char magic[] = "\tOQ_Stas1"; /* protobuf: field 1, 8 bytes */
  char head[sizeof magic - 1];
  FILE *f = fopen(path, "rb");
  const bool is = f && fread(head, 1, sizeof head, f) == sizeof head &&
                  memcmp(head, magic, sizeof head) == 0;

  if (f) (void)fclose(f);
  return is;
}

static int run(void *options, const oq_opt_list *names) {
  const inspect_options *o = options;
  job k = {.o = o};

  if (oq_plan_print_targets(&o->plan)) return OQ_EXIT_DONE;
  if (names->n == 0) {
    oq_term_error("usage: onnxquant inspect MODEL|STATS",
                  "inspect: MODEL expected");
    return OQ_EXIT_USAGE;
  }
  k.path = names->items[0];
  int code = oq_work_open(&k.w, &o->common, NULL);
  if (code == OQ_EXIT_DONE)
    code = is_stats(k.path) ? inspect_stats(&k) : inspect_model(&k);
  oq_stats_destroy(k.stats);
  free(k.rows);
  free(k.values);
  oq_model_destroy(k.given.planned);
  oq_model_destroy(k.given.prepared);
  oq_model_destroy(k.ready.planned);
  oq_model_destroy(k.ready.prepared);
  oq_model_destroy(k.model);
  oq_work_close(&k.w);
  return code;
}

const oq_command oq_command_inspect = {
    .opt = {.name = "inspect",
            .about = "operators, shapes, sizes, what would be quantized",
            .usage = "inspect MODEL|STATS [options]",
            .groups = groups,
            .n_groups = sizeof groups / sizeof *groups,
            .max_names = 1,
            .names = "MODEL"},
    .size = sizeof(inspect_options),
    .run = run,
};
