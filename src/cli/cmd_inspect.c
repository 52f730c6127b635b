/* cmd_inspect.c - what a model or a statistics file holds. */
#include <errno.h>
#include <math.h>
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

typedef struct job {
  const inspect_options *o;
  const char *path;
  oq_work w;
  oq_model *model, *prepared, *planned;
  oq_stats *stats;
  const oq_model_info *info;
  const oq_quantize_report *report; /* NULL: it could not be prepared */
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
/* A model that is quantized already, or that no pass understands, can still be
 * described; then there is no list of nodes. */
static int make_plan(job *k) {
  oq_plan_options plan = k->o->plan;

  plan.allow_partial = true;
  OQ_DO(oq_plan_prepare(&k->prepared, &k->w, k->model, &plan));
  return oq_plan_make(&k->planned, &k->report, &k->w, k->prepared, &plan);
}

static totals sum_up(const oq_quantize_report *r) {
  totals t = {0};

  for (size_t i = 0; r && i < r->n_nodes; i++) {
    const oq_node_report *n = &r->nodes[i];

    t.nodes++;
    t.params += n->weight_elements;
    t.bytes += n->weight_bytes;
    t.macs += n->macs;
    t.quantizable += n->quantized != 0;
    if (n->quantized) t.macs_quantizable += n->macs;
  }
  return t;
}

static json_t *json_ports(const oq_value_info *v, size_t n) {
  json_t *list = json_array();

  for (size_t i = 0; i < n; i++) {
    json_t *j = json_object(), *shape = json_array();

    oq_json_text(j, "name", v[i].name);
    oq_json_text(j, "type", v[i].dtype ? oq_dtype_text(v[i].dtype) : NULL);
    for (uint32_t d = 0; d < v[i].rank; d++) {
      const oq_dim_info *x = &v[i].dim[d];

      (void)json_array_append_new(shape, x->size >= 0
                                             ? json_integer((json_int_t)x->size)
                                             : oq_json_string(x->symbol));
    }
    if (v[i].has_rank) {
      oq_json_put(j, "shape", shape);
    } else {
      json_decref(shape);
      oq_json_null(j, "shape");
    }
    (void)json_array_append_new(list, j);
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

static json_t *json_nodes(const oq_quantize_report *r) {
  json_t *list = json_array();

  for (size_t i = 0; r && i < r->n_nodes; i++) {
    const oq_node_report *n = &r->nodes[i];
    json_t *j = json_object();

    oq_json_text(j, "name", n->name);
    oq_json_text(j, "op", n->op);
    oq_json_count(j, "params", n->weight_elements);
    oq_json_count(j, "bytes", n->weight_bytes);
    oq_json_count(j, "macs", n->macs);
    oq_json_bool(j, "quantizable", n->quantized);
    oq_json_text(j, "why", n->why);
    (void)json_array_append_new(list, j);
  }
  return list;
}

static json_t *json_totals(job *k) {
  const totals t = sum_up(k->report);
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
  oq_json_put(j, "inputs", json_ports(m->inputs, m->n_inputs));
  oq_json_put(j, "outputs", json_ports(m->outputs, m->n_outputs));
  oq_json_count(j, "file_nodes", m->n_nodes);
  oq_json_count(j, "functions", m->n_functions);
  oq_json_count(j, "quantize_nodes", m->n_quantize_nodes);
  oq_json_put(j, "nodes", json_nodes(k->report));
  oq_json_put(j, "totals", json_totals(k));
  oq_json_put(j, "warnings", json_incref(k->w.warnings));
  const int code = oq_work_print_json(j);
  json_decref(j);
  return code;
}

static void print_ports(const char *what, const oq_value_info *v, size_t n) {
  for (size_t i = 0; i < n; i++) {
    (void)printf("%-9s ", i == 0 ? what : "");
    oq_term_print(stdout, v[i].name);
    (void)printf(": %s", v[i].dtype ? oq_dtype_text(v[i].dtype) : "?");
    for (uint32_t d = 0; v[i].has_rank && d < v[i].rank; d++) {
      const oq_dim_info *x = &v[i].dim[d];

      (void)fputs(d ? ", " : " [", stdout);
      if (x->size >= 0)
        (void)printf("%lld", (long long)x->size);
      else
        oq_term_print(stdout, x->symbol ? x->symbol : "?");
    }
    (void)puts(v[i].has_rank && v[i].rank ? "]" : "");
  }
}

static void print_nodes(const oq_quantize_report *r) {
  (void)printf("\n%-32s %-16s %8s %8s %8s  %s\n", "node (prepared graph)",
               "operator", "params", "bytes", "MACs", "");
  for (size_t i = 0; i < r->n_nodes; i++) {
    const oq_node_report *n = &r->nodes[i];

    oq_term_cell(stdout, n->name, 32);
    (void)putchar(' ');
    oq_term_cell(stdout, n->op, 16);
    (void)printf(" %8s %8s %8s  %s: ", oq_term_count(n->weight_elements).s,
                 oq_term_bytes(n->weight_bytes).s,
                 n->macs ? oq_term_count(n->macs).s : "",
                 n->quantized ? "int8" : "float");
    oq_term_print(stdout, n->why);
    (void)putchar('\n');
  }
}

static void model_text(const job *k) {
  const oq_model_info *m = k->info;
  const totals t = sum_up(k->report);

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
  print_ports("inputs", m->inputs, m->n_inputs);
  print_ports("outputs", m->outputs, m->n_outputs);
  if (!k->report) return;
  print_nodes(k->report);
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
  OQ_DO(make_plan(k));
  if (k->o->common.json) return model_json(k);
  model_text(k);
  return OQ_EXIT_DONE;
}

/* ---- run ------------------------------------------------------------------
 */
/* The first bytes of a statistics file. */
static bool is_stats(const char *path) {
  static const char magic[] = "\tOQ_Stat1"; /* protobuf: field 1, 8 bytes */
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
                  "inspect: MODEL missing");
    return OQ_EXIT_USAGE;
  }
  k.path = names->items[0];
  int code = oq_work_open(&k.w, &o->common, NULL);
  if (code == OQ_EXIT_DONE)
    code = is_stats(k.path) ? inspect_stats(&k) : inspect_model(&k);
  oq_stats_destroy(k.stats);
  oq_model_destroy(k.planned);
  oq_model_destroy(k.prepared);
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
