/* api/describe.c - what a model says of itself, as plain public structs. */
#include "api/api.h"

/* Where an override has fixed a dimension of inputs by name, outputs with that
 * name follow. */
static int64_t fixed_size(const oq_model *m, oq_name symbol) {
  for (uint32_t i = 0; i < m->n_feeds; i++) {
    const oq_type *t = m->feed_types[i];
    if (t == NULL || t->kind != OQ_TYPE_TENSOR || !t->has_rank) continue;
    for (uint32_t d = 0; d < t->rank; d++) {
      if (oq_name_eq(t->dim[d].symbol, symbol)) return t->dim[d].size;
    }
  }
  return OQ_DIM_UNKNOWN;
}

static oq_dim_info dim_info(const oq_model *m, const oq_dim *d) {
  oq_dim_info y = {.size = d->size};

  if (d->symbol.i == 0) return y;
  if (y.size == OQ_DIM_UNKNOWN) y.size = fixed_size(m, d->symbol);
  y.symbol = oq_names_text(m->ir->names, d->symbol);
  return y;
}

/* Number of the first field of the message that is `depth` messages further
 * in, always by the first field; 0 if there is none. */
static unsigned first_field(const oq_extra *x, unsigned depth) {
  size_t at = 0;

  for (; depth > 0 && at < x->size; depth--) {
    at++; /* the tag; then the length */
    while (at < x->size && x->bytes[at] >= 0x80) at++;
    at++;
  }
  return at < x->size ? x->bytes[at] >> 3 : 0;
}

/* What a TypeProto that is kept as it came says by its only field. */
static oq_kind kind_of(const oq_type *t) {
  enum { SEQUENCE = 4, MAP = 5, OPTIONAL = 9 };

  if (t == NULL || t->kind == OQ_TYPE_UNKNOWN) return OQ_KIND_UNKNOWN;
  if (t->kind == OQ_TYPE_TENSOR) return OQ_KIND_TENSOR;
  if (t->raw == NULL || t->raw->size == 0) return OQ_KIND_UNKNOWN;
  switch (first_field(t->raw, 0)) {
    case SEQUENCE: /* sequence_type, elem_type, map_type */
      return first_field(t->raw, 2) == MAP ? OQ_KIND_MAPS : OQ_KIND_SEQUENCE;
    case MAP:
      return OQ_KIND_MAPS;
    case OPTIONAL:
      return OQ_KIND_OPTIONAL;
    default:
      return OQ_KIND_UNKNOWN;
  }
}

static void fill_value(oq_value_info *y, const oq_model *m, oq_value_id v,
                       const oq_type *t) {
  y->name = oq_value_text(m->ir->main, v);
  y->kind = (int32_t)kind_of(t);
  if (t == NULL || t->kind != OQ_TYPE_TENSOR) return;
  y->dtype = (int32_t)t->dtype;
  y->has_rank = t->has_rank;
  if (!t->has_rank) return;
  y->rank = t->rank;
  for (uint32_t d = 0; d < t->rank; d++) y->dim[d] = dim_info(m, &t->dim[d]);
}

static oq_status fill_ports(oq_model_info *y, const oq_model *m) {
  const oq_graph *g = m->ir->main;
  oq_value_info *in = OQ_NEW_N(m->arena, oq_value_info, m->n_feeds);
  oq_value_info *out = OQ_NEW_N(m->arena, oq_value_info, g->n_outputs);

  if (in == NULL || out == NULL) return oq_fail_memory(m->cx->diags);
  for (uint32_t i = 0; i < m->n_feeds; i++) {
    fill_value(&in[i], m, m->feeds[i], m->feed_types[i]);
  }
  for (uint32_t i = 0; i < g->n_outputs; i++) {
    fill_value(&out[i], m, g->outputs[i],
               oq_graph_value(g, g->outputs[i])->type);
  }
  y->inputs = in;
  y->n_inputs = m->n_feeds;
  y->outputs = out;
  y->n_outputs = g->n_outputs;
  return OQ_OK;
}

static oq_status fill_opsets(oq_model_info *y, const oq_model *m) {
  oq_opset_info *o = OQ_NEW_N(m->arena, oq_opset_info, m->ir->n_opsets);

  if (o == NULL) return oq_fail_memory(m->cx->diags);
  for (uint32_t i = 0; i < m->ir->n_opsets; i++) {
    o[i].domain = oq_names_text(m->ir->names, m->ir->opsets[i].domain);
    o[i].version = m->ir->opsets[i].version;
  }
  y->opsets = o;
  y->n_opsets = m->ir->n_opsets;
  return OQ_OK;
}

static void count_nodes(oq_model_info *y, const oq_graph *g) {
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    const oq_node *n = &g->nodes[i];
    if (n->dead) continue;
    y->n_nodes++;
    if (n->def != NULL && (n->def->flags & OQ_OP_QUANTIZED) != 0) {
      y->n_quantize_nodes++;
    }
  }
}

static void count_initializers(oq_model_info *y, const oq_graph *g) {
  for (uint32_t i = 0; i < g->n_values; i++) {
    const oq_value *v = &g->values[i];
    oq_shape s;
    size_t n;
    if (v->kind != OQ_VALUE_CONST) continue;
    y->n_initializers++;
    if (oq_type_shape(&s, v->konst->type) &&
        oq_shape_bytes(&n, &s, (int32_t)v->konst->type->dtype) == OQ_OK) {
      y->initializer_bytes += n;
    }
  }
}

static oq_status describe(oq_model *m) {
  const oq_model_ir *ir = m->ir;
  oq_model_info *y = OQ_NEW(m->arena, oq_model_info);

  if (y == NULL) return oq_fail_memory(m->cx->diags);
  y->ir_version = ir->ir_version;
  y->producer_name =
      oq_arena_copy_text(m->arena, ir->producer_name.p, ir->producer_name.n);
  y->producer_version = oq_arena_copy_text(m->arena, ir->producer_version.p,
                                           ir->producer_version.n);
  if (y->producer_name == NULL || y->producer_version == NULL) {
    return oq_fail_memory(m->cx->diags);
  }
  y->graph_name = oq_names_text(ir->names, ir->main->name);
  y->n_functions = ir->n_functions;
  count_nodes(y, ir->main);
  count_initializers(y, ir->main);
  OQ_TRY(fill_opsets(y, m));
  OQ_TRY(fill_ports(y, m));
  m->info = y;
  return OQ_OK;
}

oq_status oq_model_describe(const oq_model_info **out, oq_model *m) {
  if (out == NULL || m == NULL) return OQ_E_ARGUMENT;
  if (m->info == NULL) OQ_TRY(describe(m));
  *out = m->info;
  return OQ_OK;
}

/* ---- values -------------------------------------------------------------- */
static uint32_t list_values(oq_value_info *y, const oq_model *m,
                            const oq_type *const *types) {
  const oq_graph *g = m->ir->main;
  uint32_t n = 0;

  for (uint32_t i = 0; i < g->n_values; i++) {
    const oq_value_id v = {i};
    if (g->values[i].kind == OQ_VALUE_DEAD) continue;
    fill_value(&y[n++], m, v, types[i]);
  }
  return n;
}

oq_status oq_model_values(const oq_value_info **out, size_t *n, oq_model *m) {
  const oq_type **types;

  if (out == NULL || n == NULL || m == NULL) return OQ_E_ARGUMENT;
  oq_arena *scratch = m->cx->scratch;
  const oq_mark mark = oq_arena_mark(scratch);
  oq_value_info *y = OQ_NEW_N(m->arena, oq_value_info, m->ir->main->n_values);

  if (y == NULL) return oq_fail_memory(m->cx->diags);
  oq_model_swap_types(m, m->ir->main, m->feed_types);
  const oq_status s = oq_infer_types(&types, m->ir->main, scratch, &m->cx->env);
  if (s == OQ_OK) *n = list_values(y, m, types);
  oq_model_swap_types(m, m->ir->main, m->feed_types);
  oq_arena_rewind(scratch, mark);
  if (s == OQ_OK) *out = y;
  return s;
}
