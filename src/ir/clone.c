/* ir/clone.c - the same model once more; only the bytes of stores are shared.
 * What is shared inside the model (types, constants) is shared in the copy. */
#include <string.h>

#include "base/limits.h"
#include "base/map.h"
#include "ir/ir.h"

typedef struct cloner {
  const oq_model_ir *from;
  oq_model_ir *to;
  oq_arena *arena; /* of `to` */
  oq_map *done;    /* address in `from` -> address in `to` */
} cloner;

/* ---- things that may be shared ------------------------------------------ */

static bool find_done(const cloner *c, const void *p, const void **copy) {
  uint64_t address;

  if (p == NULL) {
    *copy = NULL;
    return true;
  }
  if (!oq_map_find(c->done, (uint64_t)(uintptr_t)p, &address)) return false;
  *copy = (const void *)(uintptr_t)address;
  return true;
}

static oq_status note_done(cloner *c, const void *p, const void *copy) {
  return oq_map_put(c->done, (uint64_t)(uintptr_t)p, (uint64_t)(uintptr_t)copy);
}

static oq_status clone_extra(cloner *c, const oq_extra **x) {
  const void *copy;

  if (!find_done(c, *x, &copy)) {
    oq_extra *e = OQ_NEW(c->arena, oq_extra);
    if (e == NULL) return OQ_E_MEMORY;
    e->size = (*x)->size;
    e->bytes = OQ_COPY_N(c->arena, uint8_t, (*x)->bytes, e->size);
    if (e->bytes == NULL) return OQ_E_MEMORY;
    OQ_TRY(note_done(c, *x, e));
    copy = e;
  }
  *x = (const oq_extra *)copy;
  return OQ_OK;
}

static oq_status clone_type(cloner *c, const oq_type **t) {
  const void *copy;

  if (!find_done(c, *t, &copy)) {
    oq_type *x = OQ_COPY_N(c->arena, oq_type, *t, 1);
    if (x == NULL) return OQ_E_MEMORY;
    OQ_TRY(clone_extra(c, &x->raw));
    OQ_TRY(note_done(c, *t, x));
    copy = x;
  }
  *t = (const oq_type *)copy;
  return OQ_OK;
}

static oq_status clone_const(cloner *c, const oq_const **k) {
  const void *copy;

  if (!find_done(c, *k, &copy)) {
    oq_const *x = OQ_COPY_N(c->arena, oq_const, *k, 1);
    if (x == NULL) return OQ_E_MEMORY;
    OQ_TRY(clone_type(c, &x->type));
    OQ_TRY(clone_extra(c, &x->extra));
    if (x->blob != NULL) {
      x->blob = OQ_COPY_N(c->arena, oq_blob, x->blob, 1);
      if (x->blob == NULL) return OQ_E_MEMORY;
    }
    OQ_TRY(note_done(c, *k, x));
    copy = x;
  }
  *k = (const oq_const *)copy;
  return OQ_OK;
}

static oq_status clone_text(cloner *c, oq_text *t) {
  t->p = oq_arena_copy_text(c->arena, t->p, t->n);
  return t->p != NULL ? OQ_OK : OQ_E_MEMORY;
}

/* ---- attributes --------------------------------------------------------- */

static oq_status clone_graph(cloner *c, oq_graph **out, const oq_graph *g,
                             oq_graph *outer, uint32_t depth);

static oq_status clone_texts(cloner *c, oq_attr *a) {
  oq_text *texts = OQ_COPY_N(c->arena, oq_text, a->u.texts, a->count);

  if (texts == NULL) return OQ_E_MEMORY;
  for (uint32_t i = 0; i < a->count; i++) OQ_TRY(clone_text(c, &texts[i]));
  a->u.texts = texts;
  return OQ_OK;
}

static oq_status clone_tensors(cloner *c, oq_attr *a) {
  const oq_const **list = (const oq_const **)oq_arena_alloc(
      c->arena, a->count, sizeof *list, _Alignof(const oq_const *));

  if (list == NULL) return OQ_E_MEMORY;
  for (uint32_t i = 0; i < a->count; i++) {
    list[i] = a->u.tensors[i];
    OQ_TRY(clone_const(c, &list[i]));
  }
  a->u.tensors = list;
  return OQ_OK;
}

static oq_status clone_graphs(cloner *c, oq_attr *a, oq_graph *outer,
                              uint32_t depth) {
  oq_graph **list = OQ_NEW_N(c->arena, oq_graph *, a->count);

  if (list == NULL) return OQ_E_MEMORY;
  for (uint32_t i = 0; i < a->count; i++) {
    OQ_TRY(clone_graph(c, &list[i], a->u.graphs[i], outer, depth));
  }
  a->u.graphs = list;
  return OQ_OK;
}

static oq_status clone_attr(cloner *c, oq_attr *a, oq_graph *g,
                            uint32_t depth) {
  OQ_TRY(clone_extra(c, &a->extra));
  switch (a->kind) {
    case OQ_ATTR_NONE:
    case OQ_ATTR_F32:
    case OQ_ATTR_I64:
      return OQ_OK;
    case OQ_ATTR_TEXT:
      return clone_text(c, &a->u.text);
    case OQ_ATTR_TENSOR:
      return clone_const(c, &a->u.tensor);
    case OQ_ATTR_GRAPH:
      return a->u.graph == NULL
                 ? OQ_OK
                 : clone_graph(c, &a->u.graph, a->u.graph, g, depth);
    case OQ_ATTR_F32S:
      a->u.f32s = OQ_COPY_N(c->arena, float, a->u.f32s, a->count);
      return a->u.f32s != NULL ? OQ_OK : OQ_E_MEMORY;
    case OQ_ATTR_I64S:
      a->u.i64s = OQ_COPY_N(c->arena, int64_t, a->u.i64s, a->count);
      return a->u.i64s != NULL ? OQ_OK : OQ_E_MEMORY;
    case OQ_ATTR_TEXTS:
      return clone_texts(c, a);
    case OQ_ATTR_TENSORS:
      return clone_tensors(c, a);
    case OQ_ATTR_GRAPHS:
      return clone_graphs(c, a, g, depth);
    case OQ_ATTR_SPARSE:
    case OQ_ATTR_SPARSES:
    case OQ_ATTR_TYPE:
    case OQ_ATTR_TYPES:
      return clone_extra(c, &a->u.raw);
  }
  return OQ_E_INTERNAL;
}

/* ---- graphs ------------------------------------------------------------- */

static oq_status clone_node(cloner *c, oq_node *n, oq_graph *g,
                            uint32_t depth) {
  n->def = NULL; /* its parameters are in the other arena */
  n->params = NULL;
  if (n->dead) n->n_attrs = 0;
  n->in = OQ_COPY_N(c->arena, oq_value_id, n->in, n->n_in);
  n->out = OQ_COPY_N(c->arena, oq_value_id, n->out, n->n_out);
  oq_attr *attrs = OQ_COPY_N(c->arena, oq_attr, n->attrs, n->n_attrs);
  if (n->in == NULL || n->out == NULL || attrs == NULL) return OQ_E_MEMORY;
  for (uint32_t i = 0; i < n->n_attrs; i++) {
    OQ_TRY(clone_attr(c, &attrs[i], g, depth));
  }
  n->attrs = attrs;
  return clone_extra(c, &n->extra);
}

static oq_status clone_value(cloner *c, oq_value *v) {
  OQ_TRY(clone_type(c, &v->type));
  OQ_TRY(clone_const(c, &v->konst));
  return clone_extra(c, &v->info_extra);
}

static oq_status clone_lists(cloner *c, oq_graph *x, const oq_graph *g) {
  x->inputs = OQ_COPY_N(c->arena, oq_value_id, g->inputs, g->n_inputs);
  x->outputs = OQ_COPY_N(c->arena, oq_value_id, g->outputs, g->n_outputs);
  x->inits = OQ_COPY_N(c->arena, oq_value_id, g->inits, g->n_inits);
  x->infos = OQ_COPY_N(c->arena, oq_value_id, g->infos, g->n_infos);
  if (x->inputs == NULL || x->outputs == NULL || x->inits == NULL ||
      x->infos == NULL) {
    return OQ_E_MEMORY;
  }
  x->n_inputs = g->n_inputs;
  x->n_outputs = g->n_outputs;
  x->n_inits = x->cap_inits = g->n_inits;
  x->n_infos = x->cap_infos = g->n_infos;
  for (uint32_t i = 0; i < oq_map_count(g->by_name); i++) {
    uint64_t key, value;
    oq_map_at(g->by_name, i, &key, &value);
    OQ_TRY(oq_map_put(x->by_name, key, value));
  }
  return OQ_OK;
}

static oq_status clone_graph(cloner *c, oq_graph **out, const oq_graph *g,
                             oq_graph *outer, uint32_t depth) {
  oq_graph *x = NULL;

  if (depth > OQ_MAX_GRAPH_DEPTH) return OQ_E_LIMIT;
  OQ_TRY(oq_ir_add_graph(&x, c->to, outer, g->name));
  x->values = OQ_COPY_N(c->arena, oq_value, g->values, g->n_values);
  x->outer_of = OQ_COPY_N(c->arena, oq_value_id, g->outer_of, g->n_values);
  x->nodes = OQ_COPY_N(c->arena, oq_node, g->nodes, g->n_nodes);
  if (x->values == NULL || x->outer_of == NULL || x->nodes == NULL) {
    return OQ_E_MEMORY;
  }
  x->n_values = x->cap_values = g->n_values;
  x->n_nodes = x->cap_nodes = g->n_nodes;
  OQ_TRY(clone_lists(c, x, g));
  x->extra = g->extra;
  OQ_TRY(clone_extra(c, &x->extra));
  for (uint32_t i = 0; i < x->n_values; i++) {
    OQ_TRY(clone_value(c, &x->values[i]));
  }
  for (uint32_t i = 0; i < x->n_nodes; i++) {
    OQ_TRY(clone_node(c, &x->nodes[i], x, depth + 1));
  }
  *out = x;
  return OQ_OK;
}

/* ---- functions ---------------------------------------------------------- */
static oq_status clone_opsets(cloner *c, const oq_opset **out,
                              const oq_opset *from, uint32_t n) {
  oq_opset *o = OQ_COPY_N(c->arena, oq_opset, from, n);

  if (o == NULL) return OQ_E_MEMORY;
  for (uint32_t i = 0; i < n; i++) OQ_TRY(clone_extra(c, &o[i].extra));
  *out = o;
  return OQ_OK;
}

static oq_status clone_function(cloner *c, oq_function *f) {
  oq_attr *a = OQ_COPY_N(c->arena, oq_attr, f->defaults, f->n_defaults);

  if (f->graph == NULL) return OQ_OK;
  f->params = OQ_COPY_N(c->arena, oq_name, f->params, f->n_params);
  if (a == NULL || f->params == NULL) return OQ_E_MEMORY;
  OQ_TRY(clone_graph(c, &f->graph, f->graph, NULL, 1));
  for (uint32_t i = 0; i < f->n_defaults; i++) {
    OQ_TRY(clone_attr(c, &a[i], f->graph, 1));
  }
  f->defaults = a;
  return clone_opsets(c, &f->opsets, f->opsets, f->n_opsets);
}

static oq_status clone_functions(cloner *c) {
  const oq_model_ir *m = c->from;
  oq_function *f;

  if (m->function_defs == NULL) return OQ_OK;
  f = OQ_COPY_N(c->arena, oq_function, m->function_defs, m->n_functions);
  if (f == NULL) return OQ_E_MEMORY;
  for (uint32_t i = 0; i < m->n_functions; i++) {
    OQ_TRY(clone_function(c, &f[i]));
  }
  c->to->function_defs = f;
  return OQ_OK;
}

/* ---- the model ---------------------------------------------------------- */

/* In order, so that every name keeps its number. */
static oq_status clone_names(cloner *c) {
  const oq_names *names = c->from->names;

  for (uint32_t i = 0; i < oq_names_count(names); i++) {
    const oq_name n = {i};
    oq_name copy;
    OQ_TRY(oq_names_add(c->to->names, &copy, oq_names_text(names, n),
                        oq_names_length(names, n)));
    if (copy.i != i) return OQ_E_INTERNAL;
  }
  for (uint32_t i = 0; i < oq_map_count(c->from->fresh); i++) {
    uint64_t key, value;
    oq_map_at(c->from->fresh, i, &key, &value);
    OQ_TRY(oq_map_put(c->to->fresh, key, value));
  }
  return OQ_OK;
}

static oq_status clone_head(cloner *c) {
  const oq_model_ir *m = c->from;
  oq_model_ir *x = c->to;

  for (uint32_t i = 0; i < m->n_stores; i++) {
    OQ_TRY(oq_ir_keep_store(x, oq_store_ref(m->stores[i])));
  }
  x->ir_version = m->ir_version;
  x->has_functions = m->has_functions;
  x->producer_name = m->producer_name;
  x->producer_version = m->producer_version;
  OQ_TRY(clone_text(c, &x->producer_name));
  OQ_TRY(clone_text(c, &x->producer_version));
  x->opsets = OQ_COPY_N(c->arena, oq_opset, m->opsets, m->n_opsets);
  x->props = OQ_COPY_N(c->arena, oq_prop, m->props, m->n_props);
  x->functions =
      OQ_COPY_N(c->arena, oq_name, m->functions, (size_t)m->n_functions * 2);
  if (x->opsets == NULL || x->props == NULL || x->functions == NULL) {
    return OQ_E_MEMORY;
  }
  x->n_opsets = m->n_opsets;
  x->n_props = m->n_props;
  x->n_functions = m->n_functions;
  for (uint32_t i = 0; i < x->n_opsets; i++) {
    OQ_TRY(clone_extra(c, &x->opsets[i].extra));
  }
  for (uint32_t i = 0; i < x->n_props; i++) {
    OQ_TRY(clone_text(c, &x->props[i].key));
    OQ_TRY(clone_text(c, &x->props[i].value));
  }
  x->extra = m->extra;
  return clone_extra(c, &x->extra);
}

static oq_status clone_all(cloner *c) {
  oq_graph *main = NULL;

  OQ_TRY(clone_names(c));
  OQ_TRY(clone_head(c));
  if (c->from->main == NULL) return OQ_OK;
  OQ_TRY(clone_graph(c, &main, c->from->main, NULL, 1));
  return clone_functions(c);
}

oq_status oq_ir_clone(oq_model_ir **out, const oq_model_ir *m,
                      const oq_env *e) {
  const oq_mark mark = oq_arena_mark(e->scratch);
  cloner c = {.from = m};

  oq_status s = oq_ir_create(&c.to, m->alloc);
  if (s == OQ_OK) {
    c.arena = c.to->arena;
    s = oq_map_create(&c.done, e->scratch);
    if (s == OQ_OK) s = clone_all(&c);
  }
  oq_arena_rewind(e->scratch, mark);
  if (s == OQ_OK) {
    *out = c.to;
    return OQ_OK;
  }
  oq_ir_destroy(c.to);
  if (s == OQ_E_MEMORY) return oq_fail_memory(e->diags);
  return oq_fail(e->diags, s, "model.clone", NULL,
                 "the model cannot be copied: %s", oq_status_text(s));
}
