/* node_report.c - the placement and its parameters as public data. */
#include "quant/node_report.h"

#include <math.h>
#include <string.h>

typedef struct reporter {
  const oq_report_input *in;
  const oq_placed *at; /* the graph that is reported now */
  const oq_graph *g;
  oq_arena *a;
  oq_quantize_report *out;
} reporter;

static const oq_stats_entry *entry_of(const reporter *r, oq_value_id v) {
  return r->in->stats && r->at->keys[v.i]
             ? oq_stats_find(r->in->stats, r->at->keys[v.i])
             : NULL;
}

static bool shape_of(const reporter *r, oq_shape *out, oq_value_id v) {
  const oq_stats_entry *e = entry_of(r, v);

  if (e && e->fed > 0 && e->shape.rank != OQ_NONE) {
    *out = e->shape;
    return true;
  }
  if (oq_value_is_const(r->g, v))
    return oq_type_shape(out, oq_graph_const(r->g, v)->type);
  return r->at->types[v.i] && oq_type_shape(out, r->at->types[v.i]);
}

/* A body runs as often as its values were seen. */
static uint64_t times_per_sample(const reporter *r, uint64_t macs,
                                 oq_value_id v) {
  const oq_stats_entry *e = entry_of(r, v);
  uint64_t total;

  if (!e || r->in->stats->n_samples == 0 ||
      __builtin_mul_overflow(macs, e->fed, &total))
    return macs;
  return total / r->in->stats->n_samples;
}

#define MOST_INPUTS 4

/* The first output of known shape: nobody may read those before it, as of
 * recurrent layers. */
static oq_value_id known_output(const reporter *r, oq_shape *shape,
                                const oq_node *n) {
  for (uint32_t i = 0; i < n->n_out; i++)
    if (oq_value_ok(n->out[i]) && shape_of(r, shape, n->out[i]))
      return n->out[i];
  return (oq_value_id){OQ_NONE};
}

static oq_dtype dtype_of(const reporter *r, oq_value_id v) {
  const oq_type *t = oq_value_is_const(r->g, v) ? oq_graph_const(r->g, v)->type
                                                : r->at->types[v.i];

  return t ? t->dtype : OQ_DT_NONE;
}

/* Whether its rule takes these shapes: a node that nobody reads was never run,
 * and what is declared of its values need not make sense. */
static oq_status rule_takes(const reporter *r, const oq_node *n) {
  oq_type *out = OQ_NEW_N(r->a, oq_type, n->n_out);
  const oq_type **in = OQ_NEW_N(r->a, const oq_type *, n->n_in);
  const oq_ctensor **konst = OQ_NEW_N(r->a, const oq_ctensor *, n->n_in);
  oq_infer x = {.graph = r->g,
                .node = n,
                .params = n->params,
                .opset = oq_ir_opset(r->g->model, n->domain),
                .n_in = n->n_in,
                .n_out = n->n_out,
                .in = in,
                .konst = konst,
                .out = out,
                .scratch = r->a};

  if (!out || !in || !konst) return OQ_E_MEMORY;
  for (uint32_t i = 0; i < n->n_in; i++) {
    oq_shape s;
    if (!oq_value_ok(n->in[i]) || !shape_of(r, &s, n->in[i])) continue;
    in[i] = oq_type_make(r->a, dtype_of(r, n->in[i]), s.dim, s.rank);
    if (!in[i]) return OQ_E_MEMORY;
  }
  return n->def->infer(&x);
}

static bool is_sound(const reporter *r, const oq_node *n) {
  const oq_mark mark = oq_arena_mark(r->a);
  const oq_status s = rule_takes(r, n);

  oq_arena_rewind(r->a, mark);
  return s == OQ_OK;
}

static uint64_t macs_of(const reporter *r, const oq_node *n) {
  oq_shape in[MOST_INPUTS], out;
  const oq_shape *ptr[MOST_INPUTS] = {0};

  if (!n->def || !n->def->macs) return 0;
  const oq_value_id y = known_output(r, &out, n);
  for (uint32_t i = 0; i < n->n_in && i < MOST_INPUTS; i++)
    if (oq_value_ok(n->in[i]) && shape_of(r, &in[i], n->in[i])) ptr[i] = &in[i];
  if (!ptr[0] || !ptr[1] || !oq_value_ok(y) || !is_sound(r, n)) return 0;
  const uint64_t once = n->def->macs(n->params, ptr, &out);
  return r->at->up == OQ_NONE ? once : times_per_sample(r, once, y);
}

static uint64_t weight_elements(const reporter *r, oq_node_id id) {
  const oq_node *n = oq_graph_node(r->g, id);
  uint64_t total = 0;

  for (uint32_t i = 0; i < n->n_in; i++) {
    oq_shape s;
    size_t count;

    if (!oq_value_is_const(r->g, n->in[i]) ||
        oq_input_role(r->g, id, i) != OQ_ROLE_WEIGHT)
      continue;
    if (oq_type_shape(&s, oq_graph_const(r->g, n->in[i])->type) &&
        oq_shape_count(&count, &s) == OQ_OK)
      total += count;
  }
  return total;
}

static void count_params(oq_node_report *out, const reporter *r,
                         oq_node_id id) {
  const oq_node *n = oq_graph_node(r->g, id);

  for (uint32_t i = 0; i < n->n_in; i++) {
    const oq_type *t;
    oq_shape s;
    size_t count, bytes;

    if (!oq_value_is_const(r->g, n->in[i])) continue;
    t = oq_graph_const(r->g, n->in[i])->type;
    if (!oq_type_shape(&s, t) || oq_shape_count(&count, &s) != OQ_OK ||
        oq_shape_bytes(&bytes, &s, (int32_t)t->dtype) != OQ_OK)
      continue;
    out->param_elements += count;
    out->param_bytes += bytes;
  }
}

static bool name_outputs(oq_node_report *out, const reporter *r,
                         const oq_node *n) {
  const char **names = OQ_NEW_N(r->a, const char *, n->n_out);

  for (uint32_t i = 0; names && i < n->n_out; i++)
    names[i] = oq_value_ok(n->out[i]) ? oq_value_text(r->g, n->out[i]) : "";
  out->outputs = names;
  out->n_outputs = n->n_out;
  return names;
}

static bool is_integer(oq_fate f) {
  return f == OQ_FATE_INTEGER || f == OQ_FATE_BIAS || f == OQ_FATE_ABSORBED ||
         f == OQ_FATE_ADOPTED;
}

static const char *whole_name(const reporter *r, const char *name) {
  return r->at->path[0] == '\0'
             ? name
             : oq_arena_format(r->a, "%s%s", r->at->path, name);
}

static oq_status report_nodes(reporter *r, oq_node_report *nodes) {
  for (uint32_t i = 0; i < r->g->n_nodes; i++) {
    const oq_node_plan *plan = &r->at->placement.nodes[i];
    const oq_node_id id = {i};

    if (r->g->nodes[i].dead) continue;
    oq_node_report *n = &nodes[r->out->n_nodes++];

    n->name = whole_name(r, oq_node_text(r->g, id));
    if (!n->name) return OQ_E_MEMORY;
    n->op = oq_node_op(r->g, id);
    n->eligible = plan->eligible;
    n->quantized = is_integer(plan->fate);
    n->why = plan->why;
    n->macs = macs_of(r, &r->g->nodes[i]);
    n->weight_elements = weight_elements(r, id);
    n->weight_bytes = n->weight_elements * (n->quantized ? 1 : 4);
    count_params(n, r, id);
    if (!name_outputs(n, r, &r->g->nodes[i])) return OQ_E_MEMORY;
    r->out->n_eligible += plan->eligible;
    r->out->n_quantized += (size_t)n->quantized;
    *(n->quantized ? &r->out->macs_int8 : &r->out->macs_float) += n->macs;
    r->out->weights_total += n->weight_elements;
    r->out->weights_quantized += n->quantized ? n->weight_elements : 0;
  }
  return OQ_OK;
}

static oq_status report_values(reporter *r, oq_value_report *values) {
  const oq_placement *p = &r->at->placement;

  for (uint32_t v = 0; v < r->g->n_values; v++) {
    if (!p->values[v].quantized) continue;
    const oq_group_params *q = &r->at->params[p->values[v].group];
    const oq_stats_entry *e = entry_of(r, (oq_value_id){v});
    const char *name = whole_name(r, oq_value_text(r->g, (oq_value_id){v}));

    if (!name) return OQ_E_MEMORY;
    values[r->out->n_values++] = (oq_value_report){
        .name = name,
        .method = q->method,
        .lo = q->range.lo,
        .hi = q->range.hi,
        .observed_lo = e ? (double)e->record.lo : NAN,
        .observed_hi = e ? (double)e->record.hi : NAN,
        .scale = (double)q->q.scale,
        .zero_point = q->q.zero,
        .dtype = (int32_t)r->in->activation->dtype,
        .sqnr_db = q->sqnr_db,
    };
  }
  return OQ_OK;
}

static oq_status report_all(reporter *r) {
  const oq_report_input *in = r->in;
  size_t n_nodes = 0, n_values = 0;

  for (uint32_t s = 0; s < in->n_graphs; s++) {
    const oq_graph *g = in->graphs[s].graph;

    n_nodes += g->n_nodes;
    for (uint32_t v = 0; v < g->n_values; v++)
      n_values += in->graphs[s].placement.values[v].quantized;
  }
  oq_node_report *nodes = OQ_NEW_N(r->a, oq_node_report, n_nodes);
  oq_value_report *values = OQ_NEW_N(r->a, oq_value_report, n_values);
  if (!nodes || !values) return OQ_E_MEMORY;
  r->out->nodes = nodes;
  if (in->stats) r->out->values = values;
  for (uint32_t s = 0; s < in->n_graphs; s++) {
    r->at = &in->graphs[s];
    r->g = r->at->graph;
    OQ_TRY(report_nodes(r, nodes));
    if (r->at->params) OQ_TRY(report_values(r, values));
  }
  return OQ_OK;
}

oq_status oq_report_make(oq_quantize_report **out, const oq_report_input *in,
                         oq_arena *a, oq_diags *d) {
  reporter r = {.in = in, .a = a, .out = OQ_NEW(a, oq_quantize_report)};

  if (!r.out) return oq_fail_memory(d);
  r.out->target = in->profile->name;
  r.out->samples = in->stats ? in->stats->n_samples : 0;
  if (report_all(&r) != OQ_OK) return oq_fail_memory(d);
  *out = r.out;
  return OQ_OK;
}
