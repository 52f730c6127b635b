/* onnx/decode.c - slim messages to a graph.  Says nothing about what operators
 * mean and repairs nothing; rules of the graph are ir/verify's. */
#include <string.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/map.h"
#include "onnx/codec.h"
#include "onnx/decode.h"
#include "onnx/encode.h"

static oq_status no_memory(const oq_decoder *d) {
  return oq_fail_memory(d->env->diags);
}

/* ---- values ------------------------------------------------------------- */
/* Room for `n` values in all. */
static oq_status reserve_values(oq_decoder *d, oq_graph *g, size_t n) {
  if (n <= g->cap_values) return OQ_OK;
  if (n > UINT32_MAX / 2) {
    return oq_fail(d->env->diags, OQ_E_LIMIT, "limit.values", NULL,
                   "a graph has %zu values", n);
  }
  oq_value *values = OQ_NEW_N(d->arena, oq_value, n);
  oq_value_id *outer_of = OQ_NEW_N(d->arena, oq_value_id, n);
  if (values == NULL || outer_of == NULL) return no_memory(d);
  if (g->n_values != 0) {
    memcpy(values, g->values, g->n_values * sizeof *values);
    memcpy(outer_of, g->outer_of, g->n_values * sizeof *outer_of);
  }
  for (size_t i = g->n_values; i < n; i++) outer_of[i].i = OQ_NONE;
  g->values = values;
  g->outer_of = outer_of;
  g->cap_values = (uint32_t)n;
  return OQ_OK;
}

/* A further value; it gets the name in the graph unless another one has it:
 * which of two definitions is wrong is not decided here. */
static oq_status add_value(oq_decoder *d, oq_graph *g, oq_value_id *out,
                           oq_value_kind kind, oq_name name) {
  if (g->n_values == g->cap_values) {
    OQ_TRY(reserve_values(d, g, 2 * (size_t)g->n_values + 16));
  }
  const oq_value_id v = {g->n_values++};
  oq_value *value = oq_graph_value(g, v);
  value->kind = kind;
  value->name = name;
  value->producer.i = OQ_NONE;
  if (name.i != 0 && !oq_map_find(g->by_name, name.i, NULL) &&
      oq_map_put(g->by_name, name.i, v.i) != OQ_OK) {
    return no_memory(d);
  }
  *out = v;
  return OQ_OK;
}

static bool find_value(const oq_graph *g, oq_name name, oq_value_id *out) {
  uint64_t v;

  if (!oq_map_find(g->by_name, name.i, &v)) return false;
  out->i = (uint32_t)v;
  return true;
}

/* The value of that name here or further out, made an OUTER value of each graph
 * on the way.  OQ_NONE if there is none. */
static oq_status find_visible(oq_decoder *d, oq_graph *g, oq_name name,
                              oq_value_id *out) {
  oq_graph *chain[OQ_MAX_MESSAGE_DEPTH];
  uint32_t n = 0;
  oq_value_id v;

  out->i = OQ_NONE;
  for (; !find_value(g, name, &v); g = g->outer) {
    if (g->outer == NULL || n == OQ_MAX_MESSAGE_DEPTH) return OQ_OK;
    chain[n++] = g;
  }
  while (n != 0) {
    oq_graph *inner = chain[--n];
    oq_value_id o;
    OQ_TRY(add_value(d, inner, &o, OQ_VALUE_OUTER, name));
    inner->outer_of[o.i] = v;
    oq_graph_value(inner, o)->type = oq_graph_value(g, v)->type;
    v = o;
    g = inner;
  }
  *out = v;
  return OQ_OK;
}

/* Sparse initializers stay in the file's form, so nothing can be made of a use
 * of one.  Asked for the first undefined values only: each time costs a walk
 * over all of them, and one is enough for the finding. */
static bool is_sparse(const oq_graph *g, const char *name) {
  for (; g != NULL; g = g->outer) {
    oq_field f, values, t;
    if (g->extra == NULL) continue;
    oq_cursor c = {g->extra->bytes, g->extra->bytes + g->extra->size};
    while (c.p < c.end && oq_wire_next(&f, &c) == NULL) {
      oq_cursor in = {f.value.p, f.value.p + f.value.n};
      if (f.number != 15) continue;
      while (in.p < in.end && oq_wire_next(&values, &in) == NULL) {
        oq_cursor tc = {values.value.p, values.value.p + values.value.n};
        while (values.number == 1 && tc.p < tc.end &&
               oq_wire_next(&t, &tc) == NULL) {
          if (t.number == 8 && t.value.n == strlen(name) &&
              memcmp(t.value.p, name, t.value.n) == 0) {
            return true;
          }
        }
      }
    }
  }
  return false;
}

/* A use of a value; what is defined nowhere becomes a result that nobody
 * produces, for verify to find. */
static oq_status use_value(oq_decoder *d, oq_graph *g, oq_value_id *out,
                           const char *text) {
  oq_name name;

  OQ_TRY(oq_decode_name(d, &name, text));
  out->i = OQ_NONE;
  if (name.i == 0) return OQ_OK;
  OQ_TRY(find_visible(d, g, name, out));
  if (oq_value_ok(*out)) return OQ_OK;
  if (d->n_undefined++ < 16 && is_sparse(g, text)) {
    oq_where w = OQ_WHERE_INIT;
    w.value = text;
    return oq_fail(d->env->diags, OQ_E_UNSUPPORTED, "graph.sparse_initializer",
                   &w, "value '%s' is a sparse initializer", text);
  }
  return add_value(d, g, out, OQ_VALUE_RESULT, name);
}

/* ---- lists of value infos ----------------------------------------------- */
typedef struct graph_decoder {
  oq_decoder *d;
  oq_graph *g;
  uint8_t *seen; /* bit per value: it has had an info */
  size_t n_seen;
  OQ_VEC(oq_extra) repeated; /* infos beyond the first of a value */
} graph_decoder;

/* A declared type of a constant is kept for the way back, but what the numbers
 * themselves say is more exact. */
static oq_status type_of_const(oq_decoder *d, oq_value *v,
                               const oq_type *declared) {
  const oq_type *own = v->konst->type;
  bool fits = declared->kind == OQ_TYPE_TENSOR && declared->dtype == own->dtype;

  v->type = declared;
  if (fits && declared->has_rank) {
    fits = declared->rank == own->rank;
    for (uint32_t i = 0; fits && i < own->rank; i++) {
      const int64_t size = declared->dim[i].size;
      fits = size == OQ_DIM_UNKNOWN || size == own->dim[i].size;
    }
  }
  if (!fits) return OQ_OK; /* for verify to judge */
  oq_type *t = OQ_COPY_N(d->arena, oq_type, own, 1);
  if (t == NULL) return no_memory(d);
  t->raw = declared->raw;
  v->type = t;
  return OQ_OK;
}

/* The info of `v`.  If the value has had one already, that one stays, and this
 * is kept as field `number` of the graph for the way back. */
static oq_status decode_info(graph_decoder *x, uint32_t number, oq_value_id id,
                             const Oqpb__ValueInfoProto *p) {
  oq_decoder *d = x->d;
  oq_value *v = oq_graph_value(x->g, id);
  oq_value info = {.name = v->name};

  info.info_extra = oq_decode_extra(d, &p->base, OQ_SLIM_EXTRA);
  if (p->type != NULL) OQ_TRY(oq_decode_type(&info.type, d, p->type));
  if (id.i / 8 >= x->n_seen) return OQ_E_INTERNAL;
  if ((x->seen[id.i / 8] >> id.i % 8 & 1) == 0) {
    x->seen[id.i / 8] |= (uint8_t)(1u << id.i % 8);
    v->info_extra = info.info_extra;
    if (v->kind == OQ_VALUE_CONST && info.type != NULL) {
      return type_of_const(d, v, info.type);
    }
    if (info.type != NULL) v->type = info.type;
    return OQ_OK;
  }
  oq_extra whole;
  if (oq_encode_info(&whole, number, d->model, &info, d->arena) != OQ_OK ||
      !oq_vec_push(d->scratch, &x->repeated, whole)) {
    return no_memory(d);
  }
  return OQ_OK;
}

static oq_status append_repeated(graph_decoder *x) {
  const oq_extra *old = x->g->extra;
  size_t size = old != NULL ? old->size : 0;

  if (x->repeated.n == 0) return OQ_OK;
  for (uint32_t i = 0; i < x->repeated.n; i++) size += x->repeated.p[i].size;
  oq_extra *all = OQ_NEW(x->d->arena, oq_extra);
  uint8_t *p = OQ_NEW_N(x->d->arena, uint8_t, size);
  if (all == NULL || p == NULL) return no_memory(x->d);
  *all = (oq_extra){p, size};
  if (old != NULL) {
    memcpy(p, old->bytes, old->size);
    p += old->size;
  }
  for (uint32_t i = 0; i < x->repeated.n; i++) {
    memcpy(p, x->repeated.p[i].bytes, x->repeated.p[i].size);
    p += x->repeated.p[i].size;
  }
  x->g->extra = all;
  return OQ_OK;
}

/* ---- attributes --------------------------------------------------------- */
static oq_status fail_attr(oq_decoder *d, const oq_where *w, const char *id,
                           const char *why) {
  return oq_fail(d->env->diags, OQ_E_MODEL, id, w, "attribute '%s' %s", w->attr,
                 why);
}

static oq_text text_at(const oq_decoder *d, const ProtobufCBinaryData *b) {
  uint32_t k = 0;

  for (size_t i = 0; i < 4 && i < b->len; i++)
    k |= (uint32_t)b->data[i] << 8 * i;
  if (k >= d->slim.n_texts) return (oq_text){"", 0};
  return (oq_text){(const char *)d->slim.texts[k].p, d->slim.texts[k].n};
}

static oq_status decode_texts(oq_decoder *d, oq_attr *a,
                              const Oqpb__AttributeProto *p) {
  oq_text *t = OQ_NEW_N(d->arena, oq_text, p->n_strings);

  if (t == NULL) return no_memory(d);
  for (size_t i = 0; i < p->n_strings; i++) t[i] = text_at(d, &p->strings[i]);
  a->u.texts = t;
  a->count = (uint32_t)p->n_strings;
  return OQ_OK;
}

static oq_status decode_tensors(oq_decoder *d, oq_attr *a,
                                const Oqpb__AttributeProto *p,
                                const oq_where *w) {
  const oq_const **t = OQ_NEW_N(d->arena, const oq_const *, p->n_tensors);

  if (t == NULL) return no_memory(d);
  for (size_t i = 0; i < p->n_tensors; i++) {
    OQ_TRY(oq_decode_const(&t[i], d, p->tensors[i], w));
  }
  a->u.tensors = t;
  a->count = (uint32_t)p->n_tensors;
  return OQ_OK;
}

static oq_status decode_body(oq_decoder *d, oq_graph **out, oq_graph *outer,
                             const Oqpb__GraphProto *p) {
  oq_name name;

  OQ_TRY(oq_decode_name(d, &name, p->name));
  if (oq_ir_add_graph(out, d->model, outer, name) != OQ_OK) return no_memory(d);
  return oq_decode_graph(d, *out, p);
}

static oq_status decode_bodies(oq_decoder *d, oq_attr *a, oq_graph *outer,
                               const Oqpb__AttributeProto *p) {
  oq_graph **g = OQ_NEW_N(d->arena, oq_graph *, p->n_graphs);

  if (g == NULL) return no_memory(d);
  for (size_t i = 0; i < p->n_graphs; i++) {
    OQ_TRY(decode_body(d, &g[i], outer, p->graphs[i]));
  }
  a->u.graphs = g;
  a->count = (uint32_t)p->n_graphs;
  return OQ_OK;
}

/* Of an attribute whose value stays as it came. */
static uint32_t count_raw(oq_attr_kind kind, const oq_extra *raw) {
  if (kind == OQ_ATTR_SPARSES) return oq_extra_count(raw, 23, NULL);
  return kind == OQ_ATTR_TYPES ? oq_extra_count(raw, 15, NULL) : 0;
}

static oq_status decode_value(oq_decoder *d, oq_attr *a, oq_graph *g,
                              const Oqpb__AttributeProto *p,
                              const oq_where *w) {
  switch (a->kind) {
    case OQ_ATTR_F32:
      a->u.f32 = p->f;
      return OQ_OK;
    case OQ_ATTR_I64:
      a->u.i64 = p->i;
      return OQ_OK;
    case OQ_ATTR_TEXT:
      a->u.text = p->has_s ? text_at(d, &p->s) : (oq_text){"", 0};
      return OQ_OK;
    case OQ_ATTR_TENSOR:
      if (p->t == NULL) return fail_attr(d, w, "attr.value", "has no tensor");
      return oq_decode_const(&a->u.tensor, d, p->t, w);
    case OQ_ATTR_GRAPH:
      if (p->g == NULL) return fail_attr(d, w, "attr.value", "has no graph");
      return decode_body(d, &a->u.graph, g, p->g);
    case OQ_ATTR_F32S:
      a->u.f32s = OQ_COPY_N(d->arena, float, p->floats, p->n_floats);
      a->count = (uint32_t)p->n_floats;
      return a->u.f32s != NULL ? OQ_OK : no_memory(d);
    case OQ_ATTR_I64S:
      a->u.i64s = OQ_COPY_N(d->arena, int64_t, p->ints, p->n_ints);
      a->count = (uint32_t)p->n_ints;
      return a->u.i64s != NULL ? OQ_OK : no_memory(d);
    case OQ_ATTR_TEXTS:
      return decode_texts(d, a, p);
    case OQ_ATTR_TENSORS:
      return decode_tensors(d, a, p, w);
    case OQ_ATTR_GRAPHS:
      return decode_bodies(d, a, g, p);
    case OQ_ATTR_SPARSE:
    case OQ_ATTR_SPARSES:
    case OQ_ATTR_TYPE:
    case OQ_ATTR_TYPES:
      a->u.raw = oq_decode_extra(d, &p->base, OQ_SLIM_RAW);
      a->count = count_raw(a->kind, a->u.raw);
      return OQ_OK;
    case OQ_ATTR_NONE:
      break;
  }
  return OQ_OK;
}

oq_status oq_decode_attr(oq_decoder *d, oq_attr *a, oq_graph *g,
                         const Oqpb__AttributeProto *p, oq_where w) {
  w.attr = p->name != NULL ? p->name : "";
  a->extra = oq_decode_extra(d, &p->base, OQ_SLIM_EXTRA);
  OQ_TRY(oq_decode_name(d, &a->name, p->name));
  OQ_TRY(oq_decode_name(d, &a->ref, p->ref_attr_name));
  a->kind = p->has_type ? (oq_attr_kind)p->type : OQ_ATTR_NONE;
  if (a->ref.i != 0 && d->in_function) return OQ_OK; /* the call has it */
  if (a->ref.i != 0) {
    return fail_attr(d, &w, "attr.ref",
                     "refers to a parameter of a function, outside of one");
  }
  return decode_value(d, a, g, p, &w);
}

/* ---- nodes -------------------------------------------------------------- */
static oq_where node_where(const oq_graph *g, const Oqpb__NodeProto *p) {
  oq_where w = OQ_WHERE_INIT;

  w.graph = oq_names_text(g->model->names, g->name);
  w.op = p->op_type;
  w.node = p->name;
  if ((p->name == NULL || p->name[0] == '\0') && p->n_output != 0) {
    w.node = p->output[0];
  }
  return w;
}

static oq_status decode_inputs(oq_decoder *d, oq_graph *g, oq_node *n,
                               const Oqpb__NodeProto *p) {
  n->n_in = (uint32_t)p->n_input;
  n->in = OQ_NEW_N(d->arena, oq_value_id, p->n_input);
  if (n->in == NULL) return no_memory(d);
  for (uint32_t i = 0; i < n->n_in; i++) {
    OQ_TRY(use_value(d, g, &n->in[i], p->input[i]));
  }
  return OQ_OK;
}

/* Before any use is looked up: nodes may stand in any order. */
static oq_status define_outputs(oq_decoder *d, oq_graph *g, uint32_t node,
                                const Oqpb__NodeProto *p) {
  oq_node *n = &g->nodes[node];

  n->n_out = (uint32_t)p->n_output;
  n->out = OQ_NEW_N(d->arena, oq_value_id, p->n_output);
  if (n->out == NULL) return no_memory(d);
  for (uint32_t i = 0; i < n->n_out; i++) {
    oq_name name;
    OQ_TRY(oq_decode_name(d, &name, p->output[i]));
    n->out[i].i = OQ_NONE;
    if (name.i == 0) continue;
    OQ_TRY(add_value(d, g, &n->out[i], OQ_VALUE_RESULT, name));
    oq_value *v = oq_graph_value(g, n->out[i]);
    v->producer.i = node;
    v->producer_slot = i;
  }
  return OQ_OK;
}

static oq_status decode_node(oq_decoder *d, oq_graph *g, uint32_t node,
                             const Oqpb__NodeProto *p) {
  oq_node *n = &g->nodes[node];
  oq_attr *attrs = OQ_NEW_N(d->arena, oq_attr, p->n_attribute);

  if (attrs == NULL) return no_memory(d);
  n->attrs = attrs;
  n->n_attrs = (uint32_t)p->n_attribute;
  n->extra = oq_decode_extra(d, &p->base, OQ_SLIM_EXTRA);
  OQ_TRY(oq_decode_name(d, &n->name, p->name));
  OQ_TRY(oq_decode_name(d, &n->op, p->op_type));
  OQ_TRY(oq_decode_name(d, &n->domain, p->domain));
  OQ_TRY(oq_decode_name(d, &n->overload, p->overload));
  OQ_TRY(decode_inputs(d, g, n, p));
  for (uint32_t i = 0; i < n->n_attrs; i++) {
    OQ_TRY(oq_decode_attr(d, &attrs[i], g, p->attribute[i], node_where(g, p)));
  }
  return OQ_OK;
}

static oq_status define_nodes(oq_decoder *d, oq_graph *g,
                              const Oqpb__GraphProto *p) {
  g->nodes = OQ_NEW_N(d->arena, oq_node, p->n_node);
  if (g->nodes == NULL) return no_memory(d);
  g->n_nodes = g->cap_nodes = (uint32_t)p->n_node;
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    OQ_TRY(define_outputs(d, g, i, p->node[i]));
  }
  return OQ_OK;
}

/* ---- graphs ------------------------------------------------------------- */
/* Values that the lists of the graph define, at most. */
static size_t count_values(const Oqpb__GraphProto *p) {
  size_t n = p->n_input + p->n_initializer + p->n_output + p->n_value_info;

  for (size_t i = 0; i < p->n_node; i++) n += p->node[i]->n_output;
  return n;
}

static oq_status define_inputs(graph_decoder *x, const Oqpb__GraphProto *p) {
  oq_decoder *d = x->d;
  oq_value_id *ids = OQ_NEW_N(d->arena, oq_value_id, p->n_input);

  if (ids == NULL) return no_memory(d);
  for (size_t i = 0; i < p->n_input; i++) {
    oq_name name;
    OQ_TRY(oq_decode_name(d, &name, p->input[i]->name));
    OQ_TRY(add_value(d, x->g, &ids[i], OQ_VALUE_INPUT, name));
  }
  x->g->inputs = ids;
  x->g->n_inputs = (uint32_t)p->n_input;
  return OQ_OK;
}

static oq_status define_init(oq_decoder *d, oq_graph *g,
                             const Oqpb__TensorProto *t) {
  oq_where w = OQ_WHERE_INIT;
  const oq_const *c;
  oq_value_id v;

  w.graph = oq_names_text(g->model->names, g->name);
  w.value = t->name;
  OQ_TRY(oq_decode_const(&c, d, t, &w));
  if (c->name.i != 0 && find_value(g, c->name, &v) &&
      oq_graph_value(g, v)->kind == OQ_VALUE_INPUT) {
    oq_graph_value(g, v)->kind = OQ_VALUE_CONST;
    oq_graph_value(g, v)->also_input = true;
  } else {
    OQ_TRY(add_value(d, g, &v, OQ_VALUE_CONST, c->name));
  }
  oq_graph_value(g, v)->konst = c;
  oq_graph_value(g, v)->type = c->type;
  g->inits[g->n_inits++] = v;
  return OQ_OK;
}

static oq_status define_inits(oq_decoder *d, oq_graph *g,
                              const Oqpb__GraphProto *p) {
  g->inits = OQ_NEW_N(d->arena, oq_value_id, p->n_initializer);
  if (g->inits == NULL) return no_memory(d);
  g->cap_inits = (uint32_t)p->n_initializer;
  for (size_t i = 0; i < p->n_initializer; i++) {
    OQ_TRY(define_init(d, g, p->initializer[i]));
  }
  return OQ_OK;
}

static oq_status use_outputs(graph_decoder *x, const Oqpb__GraphProto *p) {
  oq_decoder *d = x->d;
  oq_value_id *ids = OQ_NEW_N(d->arena, oq_value_id, p->n_output);

  if (ids == NULL) return no_memory(d);
  for (size_t i = 0; i < p->n_output; i++) {
    const char *name = p->output[i]->name;
    OQ_TRY(use_value(d, x->g, &ids[i], name));
    if (oq_value_ok(ids[i])) continue;
    oq_where w = OQ_WHERE_INIT;
    w.graph = oq_names_text(d->model->names, x->g->name);
    return oq_fail(d->env->diags, OQ_E_MODEL, "graph.output", &w,
                   "output %zu of graph '%s' has no name", i, w.graph);
  }
  x->g->outputs = ids;
  x->g->n_outputs = (uint32_t)p->n_output;
  return OQ_OK;
}

/* Infos may name values of graphs further out, and ones that are not there:
 * these become values that nobody produces and nobody uses. */
static oq_status define_infos(graph_decoder *x, const Oqpb__GraphProto *p) {
  oq_decoder *d = x->d;
  oq_graph *g = x->g;

  g->infos = OQ_NEW_N(d->arena, oq_value_id, p->n_value_info);
  if (g->infos == NULL) return no_memory(d);
  g->cap_infos = (uint32_t)p->n_value_info;
  for (size_t i = 0; i < p->n_value_info; i++) {
    oq_name name;
    oq_value_id v = {OQ_NONE};
    OQ_TRY(oq_decode_name(d, &name, p->value_info[i]->name));
    if (name.i != 0) OQ_TRY(find_visible(d, g, name, &v));
    if (!oq_value_ok(v)) { OQ_TRY(add_value(d, g, &v, OQ_VALUE_RESULT, name)); }
    oq_graph_value(g, v)->has_info = true;
    g->infos[g->n_infos++] = v;
  }
  return OQ_OK;
}

/* The first info of a value in this order is the value's own. */
static oq_status decode_infos(graph_decoder *x, const Oqpb__GraphProto *p) {
  const oq_graph *g = x->g;

  x->n_seen = (size_t)g->n_values / 8 + 1;
  x->seen = OQ_NEW_N(x->d->scratch, uint8_t, x->n_seen);
  if (x->seen == NULL) return no_memory(x->d);
  for (uint32_t i = 0; i < g->n_inputs; i++) {
    OQ_TRY(decode_info(x, 11, g->inputs[i], p->input[i]));
  }
  for (uint32_t i = 0; i < g->n_outputs; i++) {
    OQ_TRY(decode_info(x, 12, g->outputs[i], p->output[i]));
  }
  for (uint32_t i = 0; i < g->n_infos; i++) {
    OQ_TRY(decode_info(x, 13, g->infos[i], p->value_info[i]));
  }
  return append_repeated(x);
}

/* Everything is defined before anything is looked up; bodies come last, when
 * the types of what they see are known. */
oq_status oq_decode_graph(oq_decoder *d, oq_graph *g,
                          const Oqpb__GraphProto *p) {
  graph_decoder x = {.d = d, .g = g};

  g->extra = oq_decode_extra(d, &p->base, OQ_SLIM_EXTRA);
  OQ_TRY(reserve_values(d, g, count_values(p)));
  OQ_TRY(define_inputs(&x, p));
  OQ_TRY(define_inits(d, g, p));
  OQ_TRY(define_nodes(d, g, p));
  OQ_TRY(use_outputs(&x, p));
  OQ_TRY(define_infos(&x, p));
  OQ_TRY(decode_infos(&x, p));
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    OQ_TRY(decode_node(d, g, i, p->node[i]));
  }
  return OQ_OK;
}

/* ---- the model ---------------------------------------------------------- */
static oq_status copy_text(oq_decoder *d, oq_text *out, const char *text) {
  out->n = text != NULL ? strlen(text) : 0;
  out->p = oq_arena_copy_text(d->arena, text != NULL ? text : "", out->n);
  return out->p != NULL ? OQ_OK : no_memory(d);
}

oq_status oq_decode_opsets(oq_decoder *d, oq_opset **out, uint32_t *n,
                           Oqpb__OperatorSetIdProto *const *p, size_t n_p) {
  oq_opset *o = OQ_NEW_N(d->arena, oq_opset, n_p);

  if (o == NULL) return no_memory(d);
  for (size_t i = 0; i < n_p; i++) {
    OQ_TRY(oq_decode_name(d, &o[i].domain, p[i]->domain));
    o[i].version = p[i]->version;
    o[i].extra = oq_decode_extra(d, &p[i]->base, OQ_SLIM_EXTRA);
  }
  *out = o;
  *n = (uint32_t)n_p;
  return OQ_OK;
}

static oq_status decode_props(oq_decoder *d, const Oqpb__ModelProto *p) {
  oq_model_ir *m = d->model;

  m->props = OQ_NEW_N(d->arena, oq_prop, p->n_metadata_props);
  if (m->props == NULL) return no_memory(d);
  m->n_props = (uint32_t)p->n_metadata_props;
  for (uint32_t i = 0; i < m->n_props; i++) {
    const Oqpb__StringStringEntryProto *e = p->metadata_props[i];
    OQ_TRY(copy_text(d, &m->props[i].key, e->key));
    OQ_TRY(copy_text(d, &m->props[i].value, e->value));
  }
  return OQ_OK;
}

static oq_status decode_model(oq_decoder *d) {
  oq_model_ir *m = d->model;
  oq_graph *g;
  oq_name name;
  ProtobufCMessage *root;

  OQ_TRY(oq_decode_unpack(&root, d, &oqpb__model_proto__descriptor));
  const Oqpb__ModelProto *p = (const Oqpb__ModelProto *)root;
  if (p->graph == NULL) {
    return oq_fail(d->env->diags, OQ_E_FORMAT, "onnx.no_graph", NULL,
                   "the file contains no graph");
  }
  m->ir_version = p->ir_version;
  m->extra = oq_decode_extra(d, &p->base, OQ_SLIM_EXTRA);
  OQ_TRY(copy_text(d, &m->producer_name, p->producer_name));
  OQ_TRY(copy_text(d, &m->producer_version, p->producer_version));
  OQ_TRY(oq_decode_opsets(d, &m->opsets, &m->n_opsets, p->opset_import,
                          p->n_opset_import));
  OQ_TRY(decode_props(d, p));
  OQ_TRY(oq_decode_name(d, &name, p->graph->name));
  if (oq_ir_add_graph(&g, m, NULL, name) != OQ_OK) return no_memory(d);
  OQ_TRY(oq_decode_graph(d, g, p->graph));
  return oq_decode_functions(d);
}

static oq_status decode_into(oq_model_ir *m, oq_store *file,
                             const char *base_dir, oq_arena *scratch,
                             const oq_env *e) {
  oq_decoder d = {.env = e,
                  .model = m,
                  .arena = m->arena,
                  .scratch = scratch,
                  .file = file};

  if (oq_ir_keep_store(m, oq_store_ref(file)) != OQ_OK) return no_memory(&d);
  OQ_TRY(oq_external_create(&d.external, base_dir, scratch, e));
  oq_status s = decode_model(&d);
  oq_external_destroy(d.external);
  if (s == OQ_OK) s = oq_ir_verify(m, e);
  return s;
}

oq_status oq_onnx_decode(oq_model_ir **out, oq_store *file,
                         const char *base_dir, const oq_env *e) {
  oq_model_ir *m = NULL;
  oq_arena *scratch = NULL;

  oq_status s = oq_ir_create(&m, e->alloc);
  if (s != OQ_OK) return oq_fail_memory(e->diags);
  s = oq_arena_create(&scratch, e->alloc, 0);
  if (s != OQ_OK) {
    s = oq_fail_memory(e->diags);
  } else {
    s = decode_into(m, file, base_dir, scratch, e);
  }
  oq_arena_destroy(scratch);
  if (s != OQ_OK) {
    oq_ir_destroy(m);
    return s;
  }
  *out = m;
  return OQ_OK;
}
