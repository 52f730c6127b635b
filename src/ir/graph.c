/* ir/graph.c - models and graphs made, and looked up. */
#include <string.h>

#include "base/limits.h"
#include "base/map.h"
#include "base/vec.h"
#include "ir/ir.h"

/* ---- models ------------------------------------------------------------- */

static oq_status fill_model(oq_model_ir *m) {
  OQ_TRY(oq_names_create(&m->names, m->arena));
  return oq_map_create(&m->fresh, m->arena);
}

oq_status oq_ir_create(oq_model_ir **out, oq_alloc *a) {
  oq_arena *arena = NULL;

  OQ_TRY(oq_arena_create(&arena, a, 0));
  oq_model_ir *m = OQ_NEW(arena, oq_model_ir);
  if (m == NULL) {
    oq_arena_destroy(arena);
    return OQ_E_MEMORY;
  }
  m->alloc = a;
  m->arena = arena;
  const oq_status s = fill_model(m);
  if (s != OQ_OK) {
    oq_arena_destroy(arena);
    return s;
  }
  *out = m;
  return OQ_OK;
}

void oq_ir_destroy(oq_model_ir *m) {
  if (m == NULL) return;
  for (uint32_t i = 0; i < m->n_stores; i++) oq_store_unref(m->stores[i]);
  oq_arena_destroy(m->arena); /* `m` was in it */
}

oq_status oq_ir_add_graph(oq_graph **out, oq_model_ir *m, oq_graph *outer,
                          oq_name name) {
  oq_graph *g = OQ_NEW(m->arena, oq_graph);

  if (g == NULL) return OQ_E_MEMORY;
  g->model = m;
  g->outer = outer;
  g->name = name;
  OQ_TRY(oq_map_create(&g->by_name, m->arena));
  if (outer != NULL) {
    if (!oq_vec_grow(m->arena, &outer->bodies, &outer->n_bodies,
                     &outer->cap_bodies, sizeof *outer->bodies)) {
      return OQ_E_MEMORY;
    }
    outer->bodies[outer->n_bodies++] = g;
  } else if (m->main == NULL) {
    m->main = g;
  }
  m->n_graphs++;
  *out = g;
  return OQ_OK;
}

oq_status oq_ir_keep_store(oq_model_ir *m, oq_store *s) {
  if (!oq_vec_grow(m->arena, &m->stores, &m->n_stores, &m->cap_stores,
                   sizeof *m->stores)) {
    oq_store_unref(s);
    return OQ_E_MEMORY;
  }
  m->stores[m->n_stores++] = s;
  return OQ_OK;
}

/* ---- lists -------------------------------------------------------------- */

oq_status oq_graph_list_init(oq_graph *g, oq_value_id v) {
  if (!oq_vec_grow(g->model->arena, &g->inits, &g->n_inits, &g->cap_inits,
                   sizeof *g->inits)) {
    return OQ_E_MEMORY;
  }
  g->inits[g->n_inits++] = v;
  return OQ_OK;
}

oq_status oq_graph_list_info(oq_graph *g, oq_value_id v) {
  if (!oq_vec_grow(g->model->arena, &g->infos, &g->n_infos, &g->cap_infos,
                   sizeof *g->infos)) {
    return OQ_E_MEMORY;
  }
  g->infos[g->n_infos++] = v;
  return OQ_OK;
}

oq_status oq_graph_set_inputs(oq_graph *g, const oq_value_id *ids, uint32_t n) {
  oq_value_id *copy = OQ_COPY_N(g->model->arena, oq_value_id, ids, n);

  if (copy == NULL) return OQ_E_MEMORY;
  g->inputs = copy;
  g->n_inputs = n;
  return OQ_OK;
}

oq_status oq_graph_set_outputs(oq_graph *g, const oq_value_id *ids,
                               uint32_t n) {
  oq_value_id *copy = OQ_COPY_N(g->model->arena, oq_value_id, ids, n);

  if (copy == NULL) return OQ_E_MEMORY;
  g->outputs = copy;
  g->n_outputs = n;
  return OQ_OK;
}

/* ---- lookup ------------------------------------------------------------- */

oq_value_id oq_graph_find_value(const oq_graph *g, oq_name name) {
  uint64_t v;

  if (!oq_map_find(g->by_name, name.i, &v) || v >= g->n_values ||
      g->values[v].kind == OQ_VALUE_DEAD) {
    return (oq_value_id){OQ_NONE};
  }
  return (oq_value_id){(uint32_t)v};
}

oq_value_id oq_graph_find_visible(const oq_graph *g, oq_name name,
                                  const oq_graph **where) {
  for (; g != NULL; g = g->outer) {
    const oq_value_id v = oq_graph_find_value(g, name);
    if (!oq_value_ok(v)) continue;
    if (where != NULL) *where = g;
    return v;
  }
  return (oq_value_id){OQ_NONE};
}

oq_value_id oq_graph_resolve(const oq_graph *g, oq_value_id v,
                             const oq_graph **where) {
  while (oq_value_ok(v) && g->values[v.i].kind == OQ_VALUE_OUTER &&
         g->outer != NULL) {
    v = g->outer_of[v.i];
    g = g->outer;
  }
  if (where != NULL) *where = g;
  return v;
}

const oq_const *oq_graph_const(const oq_graph *g, oq_value_id v) {
  if (!oq_value_ok(v)) return NULL;
  v = oq_graph_resolve(g, v, &g);
  if (!oq_value_ok(v) || g->values[v.i].kind != OQ_VALUE_CONST) return NULL;
  return g->values[v.i].konst;
}

oq_graph *oq_body_next(oq_body_iter *it) {
  for (; it->attr < it->node->n_attrs; it->attr++, it->i = 0) {
    const oq_attr *a = &it->node->attrs[it->attr];
    const uint32_t n = a->kind == OQ_ATTR_GRAPH    ? 1
                       : a->kind == OQ_ATTR_GRAPHS ? a->count
                                                   : 0;
    while (it->i < n) {
      const uint32_t i = it->i++;
      oq_graph *g = a->kind == OQ_ATTR_GRAPH ? a->u.graph : a->u.graphs[i];
      if (g != NULL) return g;
    }
  }
  return NULL;
}

oq_graph *oq_node_body(const oq_node *n, uint32_t i) {
  oq_body_iter it = {n, 0, 0};
  oq_graph *g = oq_body_next(&it);

  while (g != NULL && i-- > 0) g = oq_body_next(&it);
  return g;
}

const char *oq_value_text(const oq_graph *g, oq_value_id v) {
  if (v.i >= g->n_values) return "";
  return oq_names_text(g->model->names, g->values[v.i].name);
}

const char *oq_node_text(const oq_graph *g, oq_node_id id) {
  if (id.i >= g->n_nodes) return "";
  const oq_node *n = &g->nodes[id.i];
  if (n->name.i != 0) return oq_names_text(g->model->names, n->name);
  for (uint32_t i = 0; i < n->n_out; i++) {
    if (oq_value_ok(n->out[i])) return oq_value_text(g, n->out[i]);
  }
  return "";
}

const char *oq_node_op(const oq_graph *g, oq_node_id n) {
  if (n.i >= g->n_nodes) return "";
  return oq_names_text(g->model->names, g->nodes[n.i].op);
}

int64_t oq_ir_opset(const oq_model_ir *m, oq_name domain) {
  int64_t version = 0;

  /* Where a domain is imported twice the last counts, as elsewhere. */
  for (uint32_t i = 0; i < m->n_opsets; i++) {
    if (oq_name_eq(m->opsets[i].domain, domain)) {
      version = m->opsets[i].version;
    }
  }
  return version;
}

const oq_attr *oq_node_attr(const oq_graph *g, const oq_node *n,
                            const char *name) {
  oq_name id;

  if (!oq_names_find(g->model->names, &id, name, strlen(name))) return NULL;
  for (uint32_t i = 0; i < n->n_attrs; i++) {
    if (oq_name_eq(n->attrs[i].name, id)) return &n->attrs[i];
  }
  return NULL;
}

oq_where oq_node_where(const oq_graph *g, oq_node_id n) {
  oq_where w = OQ_WHERE_INIT;

  w.graph = oq_names_text(g->model->names, g->name);
  w.node = oq_node_text(g, n);
  w.op = oq_node_op(g, n);
  return w;
}

bool oq_value_is_output(const oq_graph *g, oq_value_id v) {
  for (uint32_t i = 0; i < g->n_outputs; i++) {
    if (g->outputs[i].i == v.i) return true;
  }
  return false;
}

/* ---- types -------------------------------------------------------------- */

const oq_type *oq_type_make(oq_arena *a, oq_dtype t, const int64_t *dim,
                            uint32_t rank) {
  if (rank > OQ_MAX_RANK) return NULL;

  oq_type *type = OQ_NEW(a, oq_type);
  if (type == NULL) return NULL;
  type->kind = OQ_TYPE_TENSOR;
  type->dtype = t;
  type->has_rank = dim != NULL;
  type->rank = dim != NULL ? rank : 0;
  for (uint32_t i = 0; i < type->rank; i++) {
    type->dim[i].size = dim[i] >= 0 ? dim[i] : OQ_DIM_UNKNOWN;
  }
  return type;
}

bool oq_type_shape(oq_shape *out, const oq_type *t) {
  oq_shape s = {0, {0}};

  if (t == NULL || t->kind != OQ_TYPE_TENSOR || !t->has_rank) return false;
  if (t->rank > OQ_MAX_RANK) return false;
  s.rank = t->rank;
  for (uint32_t i = 0; i < t->rank; i++) {
    if (t->dim[i].size < 0) return false;
    s.dim[i] = t->dim[i].size;
  }
  *out = s;
  return true;
}
