/* ir/edit.c - the only verbs that change a graph. */
#include <string.h>

#include "base/limits.h"
#include "base/map.h"
#include "base/vec.h"
#include "ir/ir.h"

static const oq_value_id no_value = {OQ_NONE};

static bool has_value(const oq_graph *g, oq_value_id v) {
  return v.i < g->n_values && g->values[v.i].kind != OQ_VALUE_DEAD;
}

static bool has_node(const oq_graph *g, oq_node_id n) {
  return n.i < g->n_nodes && !g->nodes[n.i].dead;
}

/* ---- names -------------------------------------------------------------- */

/* Bytes of `base` that leave room for a number, without cutting a character of
 * UTF-8 in two. */
static size_t usable_length(const char *base) {
  size_t n = strlen(base);
  const size_t most = OQ_MAX_NAME - 16;

  if (n <= most) return n;
  n = most;
  while (n > 0 && ((unsigned char)base[n] & 0xc0) == 0x80) n--;
  return n;
}

oq_status oq_edit_fresh_name(oq_model_ir *m, oq_name *out, const char *base) {
  const size_t n = usable_length(base);
  oq_name stem, taken;
  uint64_t i = 1;

  if (n != 0 && !oq_names_find(m->names, &taken, base, n)) {
    return oq_names_add(m->names, out, base, n);
  }
  OQ_TRY(oq_names_add(m->names, &stem, base, n));
  (void)oq_map_find(m->fresh, stem.i, &i); /* else from 1 */
  for (;; i++) {
    const oq_mark mark = oq_arena_mark(m->arena);
    const char *text = oq_arena_format(m->arena, "%.*s_%llu", (int)n, base,
                                       (unsigned long long)i);
    if (text == NULL) return OQ_E_MEMORY;
    if (!oq_names_find(m->names, &taken, text, strlen(text))) {
      OQ_TRY(oq_map_put(m->fresh, stem.i, i + 1));
      return oq_names_add_text(m->names, out, text);
    }
    oq_arena_rewind(m->arena, mark);
  }
}

/* ---- values ------------------------------------------------------------- */

/* Room for one more value and its entry in outer_of. */
static bool grow_values(oq_graph *g) {
  oq_arena *a = g->model->arena;
  oq_value_id *outer_of = NULL;
  oq_value *values = NULL;

  if (g->n_values < g->cap_values) return true;
  if (g->cap_values > UINT32_MAX / 2) return false;
  const uint32_t cap = g->cap_values == 0 ? 16 : g->cap_values * 2;
  values = OQ_NEW_N(a, oq_value, cap);
  outer_of = OQ_NEW_N(a, oq_value_id, cap);
  if (values == NULL || outer_of == NULL) return false;
  if (g->n_values != 0) {
    memcpy(values, g->values, g->n_values * sizeof *values);
    memcpy(outer_of, g->outer_of, g->n_values * sizeof *outer_of);
  }
  g->values = values;
  g->outer_of = outer_of;
  g->cap_values = cap;
  return true;
}

oq_status oq_edit_add_value(oq_graph *g, oq_value_id *out, oq_value_kind kind,
                            oq_name name, const oq_type *t) {
  if (name.i == 0 || kind == OQ_VALUE_DEAD) return OQ_E_INTERNAL;
  if (oq_value_ok(oq_graph_find_value(g, name))) return OQ_E_INTERNAL;
  if (g->n_values == OQ_NONE || !grow_values(g)) return OQ_E_MEMORY;
  OQ_TRY(oq_map_put(g->by_name, name.i, g->n_values));

  const oq_value_id id = {g->n_values++};
  oq_value *v = &g->values[id.i];
  memset(v, 0, sizeof *v);
  v->kind = kind;
  v->name = name;
  v->type = t;
  v->producer.i = OQ_NONE;
  g->outer_of[id.i] = no_value;
  *out = id;
  return OQ_OK;
}

oq_status oq_edit_add_outer(oq_graph *g, oq_value_id *out, oq_value_id of) {
  if (g->outer == NULL || !has_value(g->outer, of)) return OQ_E_INTERNAL;

  const oq_value *from = &g->outer->values[of.i];
  oq_value_id v = oq_graph_find_value(g, from->name);
  if (oq_value_ok(v)) {
    if (g->outer_of[v.i].i != of.i) return OQ_E_INTERNAL;
  } else {
    OQ_TRY(oq_edit_add_value(g, &v, OQ_VALUE_OUTER, from->name, from->type));
    g->outer_of[v.i] = of;
  }
  *out = v;
  return OQ_OK;
}

void oq_edit_set_type(oq_graph *g, oq_value_id v, const oq_type *t) {
  g->values[v.i].type = t;
}

static void kill_value(oq_graph *g, oq_value_id v) {
  g->values[v.i].kind = OQ_VALUE_DEAD;
  g->values[v.i].producer.i = OQ_NONE;
  g->outer_of[v.i] = no_value;
}

/* ---- constants ---------------------------------------------------------- */

/* string_data: field 6, length-delimited. */
#define TEXT_TAG 0x32

static size_t varint_size(size_t v) {
  size_t n = 1;

  while (v >= 0x80) {
    v >>= 7;
    n++;
  }
  return n;
}

static uint8_t *put_varint(uint8_t *to, size_t v) {
  while (v >= 0x80) {
    *to++ = (uint8_t)(v | 0x80);
    v >>= 7;
  }
  *to++ = (uint8_t)v;
  return to;
}

static bool texts_size(size_t *out, const oq_text *t, size_t n) {
  size_t all = 0;

  for (size_t i = 0; i < n; i++) {
    if (!oq_add_size(&all, all, 1 + varint_size(t[i].n)) ||
        !oq_add_size(&all, all, t[i].n)) {
      return false;
    }
  }
  *out = all;
  return true;
}

/* The wire of the texts: their addresses mean nothing outside of this run. */
static oq_status store_texts(oq_store **out, const oq_ctensor *t, oq_alloc *a) {
  const oq_text *x = oq_texts(t);
  const size_t n = oq_tensor_count(t);
  void *bytes = NULL;
  size_t size;

  if (!texts_size(&size, x, n)) return OQ_E_LIMIT;
  OQ_TRY(oq_store_new(out, &bytes, size, a));
  uint8_t *to = bytes;
  for (size_t i = 0; i < n; i++) {
    *to++ = TEXT_TAG;
    to = put_varint(to, x[i].n);
    if (x[i].n != 0) memcpy(to, x[i].p, x[i].n);
    to += x[i].n;
  }
  return OQ_OK;
}

static oq_status store_elements(oq_store **out, const oq_ctensor *t,
                                oq_alloc *a) {
  void *bytes = NULL;
  size_t need;

  if (oq_shape_bytes(&need, &t->shape, (int32_t)t->dtype) != OQ_OK ||
      need != t->size) {
    return OQ_E_INTERNAL;
  }
  if (t->dtype == OQ_DT_STRING) return store_texts(out, t, a);
  OQ_TRY(oq_store_new(out, &bytes, t->size, a));
  if (t->size != 0) memcpy(bytes, t->data, t->size);
  return OQ_OK;
}

/* Bytes that are the elements themselves, which those of texts never are. */
static bool is_whole(oq_dtype t, const oq_shape *shape, const oq_store *bytes) {
  size_t need, size;

  (void)oq_store_data(bytes, &size);
  return t != OQ_DT_STRING &&
         oq_shape_bytes(&need, shape, (int32_t)t) == OQ_OK && need == size;
}

/* Everything of a constant but the bytes, which are in `store` already. */
static oq_status make_const(oq_const **out, oq_arena *a, oq_name name,
                            oq_dtype t, const oq_shape *shape,
                            oq_store *store) {
  oq_blob *blob = OQ_NEW(a, oq_blob);
  oq_const *c = OQ_NEW(a, oq_const);
  const oq_type *type = oq_type_make(a, t, shape->dim, shape->rank);

  if (blob == NULL || c == NULL || type == NULL) return OQ_E_MEMORY;
  *blob = (oq_blob){.store = store, .encoding = OQ_ENC_RAW};
  if (t == OQ_DT_STRING) blob->encoding = OQ_ENC_STRINGS;
  (void)oq_store_data(store, &blob->size);
  *c = (oq_const){.type = type, .blob = blob, .name = name};
  *out = c;
  return OQ_OK;
}

static oq_status add_const(oq_graph *g, oq_value_id *out, const char *hint,
                           oq_dtype t, const oq_shape *shape, oq_store *store) {
  oq_const *c;
  oq_name name;
  oq_value_id v;

  OQ_TRY(oq_edit_fresh_name(g->model, &name, hint));
  OQ_TRY(make_const(&c, g->model->arena, name, t, shape, store));
  OQ_TRY(oq_edit_add_value(g, &v, OQ_VALUE_CONST, name, c->type));
  g->values[v.i].konst = c;
  OQ_TRY(oq_graph_list_init(g, v));
  *out = v;
  return OQ_OK;
}

oq_status oq_edit_add_const_store(oq_graph *g, oq_value_id *out,
                                  const char *hint, oq_dtype t,
                                  const oq_shape *shape, oq_store *bytes) {
  OQ_TRY(oq_ir_keep_store(g->model, bytes)); /* from here on the model's */
  if (!is_whole(t, shape, bytes)) return OQ_E_INTERNAL;
  return add_const(g, out, hint, t, shape, bytes);
}

oq_status oq_edit_add_const(oq_graph *g, oq_value_id *out, const char *hint,
                            const oq_ctensor *t) {
  oq_store *store = NULL;

  OQ_TRY(store_elements(&store, t, g->model->alloc));
  OQ_TRY(oq_ir_keep_store(g->model, store));
  return add_const(g, out, hint, t->dtype, &t->shape, store);
}

oq_status oq_edit_set_const(oq_graph *g, oq_value_id v, oq_dtype t,
                            const oq_shape *shape, oq_store *bytes) {
  oq_const *c;

  OQ_TRY(oq_ir_keep_store(g->model, bytes));
  if (!has_value(g, v) || g->values[v.i].kind != OQ_VALUE_CONST) {
    return OQ_E_INTERNAL;
  }
  if (!is_whole(t, shape, bytes)) return OQ_E_INTERNAL;
  OQ_TRY(make_const(&c, g->model->arena, g->values[v.i].name, t, shape, bytes));
  c->extra = g->values[v.i].konst->extra;
  g->values[v.i].konst = c;
  g->values[v.i].type = c->type;
  return OQ_OK;
}

/* Where the producer lists `v`, there is an absent output afterwards. */
static oq_status become_const(oq_graph *g, oq_value_id v, const oq_const *c) {
  oq_value *x = &g->values[v.i];

  if (oq_node_ok(x->producer)) {
    g->nodes[x->producer.i].out[x->producer_slot] = no_value;
    x->producer.i = OQ_NONE;
  }
  x->kind = OQ_VALUE_CONST;
  x->konst = c;
  x->type = c->type;
  return oq_graph_list_init(g, v);
}

oq_status oq_edit_make_const(oq_graph *g, oq_value_id v, const oq_ctensor *t) {
  oq_store *store = NULL;
  oq_const *c;

  if (!has_value(g, v) || g->values[v.i].kind != OQ_VALUE_RESULT) {
    return OQ_E_INTERNAL;
  }
  OQ_TRY(store_elements(&store, t, g->model->alloc));
  OQ_TRY(oq_ir_keep_store(g->model, store));
  OQ_TRY(make_const(&c, g->model->arena, g->values[v.i].name, t->dtype,
                    &t->shape, store));
  return become_const(g, v, c);
}

oq_status oq_edit_share_const(oq_graph *g, oq_value_id v, const oq_const *of) {
  oq_const *c = OQ_COPY_N(g->model->arena, oq_const, of, 1);

  if (!has_value(g, v) || g->values[v.i].kind != OQ_VALUE_RESULT) {
    return OQ_E_INTERNAL;
  }
  if (c == NULL) return OQ_E_MEMORY;
  c->name = g->values[v.i].name;
  return become_const(g, v, c);
}

/* ---- nodes -------------------------------------------------------------- */

/* A result that no node makes yet. */
static bool is_unmade(const oq_graph *g, oq_value_id v) {
  return v.i < g->n_values && g->values[v.i].kind == OQ_VALUE_RESULT &&
         g->values[v.i].producer.i == OQ_NONE;
}

static void make_by(oq_graph *g, oq_value_id v, oq_node_id n, uint32_t slot) {
  g->values[v.i].producer = n;
  g->values[v.i].producer_slot = slot;
}

static bool spec_is_good(const oq_graph *g, const oq_node_spec *s) {
  if (s->n_in > OQ_MAX_PORTS || s->n_out > OQ_MAX_PORTS) return false;
  for (uint32_t i = 0; i < s->n_in; i++) {
    if (oq_value_ok(s->in[i]) && !has_value(g, s->in[i])) return false;
  }
  for (uint32_t i = 0; i < s->n_out; i++) {
    if (oq_value_ok(s->out[i]) && !is_unmade(g, s->out[i])) return false;
  }
  return true;
}

oq_status oq_edit_add_node(oq_graph *g, oq_node_id *out,
                           const oq_node_spec *s) {
  oq_arena *a = g->model->arena;

  if (!spec_is_good(g, s)) return OQ_E_INTERNAL;
  oq_value_id *in = OQ_COPY_N(a, oq_value_id, s->in, s->n_in);
  oq_value_id *outs = OQ_COPY_N(a, oq_value_id, s->out, s->n_out);
  if (in == NULL || outs == NULL ||
      !oq_vec_grow(a, &g->nodes, &g->n_nodes, &g->cap_nodes,
                   sizeof *g->nodes)) {
    return OQ_E_MEMORY;
  }
  const oq_node_id id = {g->n_nodes++};
  g->nodes[id.i] = (oq_node){.name = s->name,
                             .domain = s->domain,
                             .op = s->op,
                             .attrs = s->attrs,
                             .in = in,
                             .out = outs,
                             .n_attrs = s->n_attrs,
                             .n_in = s->n_in,
                             .n_out = s->n_out};
  for (uint32_t i = 0; i < s->n_out; i++) {
    if (oq_value_ok(outs[i])) make_by(g, outs[i], id, i);
  }
  *out = id;
  return OQ_OK;
}

/* At least `n` ports, the new ones absent. */
static oq_status lengthen(oq_model_ir *m, oq_value_id **ports, uint32_t *n,
                          uint32_t want) {
  if (want > OQ_MAX_PORTS) return OQ_E_INTERNAL;
  if (want <= *n) return OQ_OK;
  oq_value_id *longer = OQ_NEW_N(m->arena, oq_value_id, want);
  if (longer == NULL) return OQ_E_MEMORY;
  for (uint32_t i = 0; i < want; i++) {
    longer[i] = i < *n ? (*ports)[i] : no_value;
  }
  *ports = longer;
  *n = want;
  return OQ_OK;
}

oq_status oq_edit_set_input(oq_graph *g, oq_node_id n, uint32_t slot,
                            oq_value_id v) {
  if (!has_node(g, n) || slot >= OQ_MAX_PORTS) return OQ_E_INTERNAL;
  if (oq_value_ok(v) && !has_value(g, v)) return OQ_E_INTERNAL;

  oq_node *node = &g->nodes[n.i];
  OQ_TRY(lengthen(g->model, &node->in, &node->n_in, slot + 1));
  node->in[slot] = v;
  return OQ_OK;
}

oq_status oq_edit_set_output(oq_graph *g, oq_node_id n, uint32_t slot,
                             oq_value_id v) {
  if (!has_node(g, n) || slot >= OQ_MAX_PORTS) return OQ_E_INTERNAL;
  if (oq_value_ok(v) && !is_unmade(g, v)) return OQ_E_INTERNAL;

  oq_node *node = &g->nodes[n.i];
  OQ_TRY(lengthen(g->model, &node->out, &node->n_out, slot + 1));
  const oq_value_id old = node->out[slot];
  if (oq_value_ok(old)) g->values[old.i].producer.i = OQ_NONE;
  node->out[slot] = v;
  if (oq_value_ok(v)) make_by(g, v, n, slot);
  return OQ_OK;
}

oq_status oq_edit_remove_node(oq_graph *g, oq_node_id n) {
  if (!has_node(g, n)) return OQ_E_INTERNAL;

  oq_node *node = &g->nodes[n.i];
  node->dead = true;
  for (uint32_t i = 0; i < node->n_out; i++) {
    if (oq_value_ok(node->out[i])) kill_value(g, node->out[i]);
  }
  return OQ_OK;
}

oq_status oq_edit_trim_ports(oq_graph *g, oq_node_id n) {
  if (!has_node(g, n)) return OQ_E_INTERNAL;

  oq_node *x = &g->nodes[n.i];
  while (x->n_in > 0 && !oq_value_ok(x->in[x->n_in - 1])) x->n_in--;
  while (x->n_out > 0 && !oq_value_ok(x->out[x->n_out - 1])) x->n_out--;
  return OQ_OK;
}

static void unbind(oq_node *n) {
  n->def = NULL;
  n->params = NULL;
}

oq_status oq_edit_set_attrs(oq_graph *g, oq_node_id n, const oq_attr *attrs,
                            uint32_t n_attrs) {
  if (!has_node(g, n)) return OQ_E_INTERNAL;
  oq_attr *copy = OQ_COPY_N(g->model->arena, oq_attr, attrs, n_attrs);
  if (copy == NULL) return OQ_E_MEMORY;
  g->nodes[n.i].attrs = copy;
  g->nodes[n.i].n_attrs = n_attrs;
  unbind(&g->nodes[n.i]);
  return OQ_OK;
}

/* "ai.onnx" is the long form of "". */
static oq_status domain_name(oq_model_ir *m, oq_name *out, const char *domain) {
  return oq_names_add_text(m->names, out,
                           strcmp(domain, "ai.onnx") == 0 ? "" : domain);
}

oq_status oq_edit_set_op(oq_graph *g, oq_node_id n, const char *domain,
                         const char *op) {
  oq_name domain_id, op_id;

  if (!has_node(g, n)) return OQ_E_INTERNAL;
  OQ_TRY(domain_name(g->model, &domain_id, domain));
  OQ_TRY(oq_names_add_text(g->model->names, &op_id, op));
  g->nodes[n.i].domain = domain_id;
  g->nodes[n.i].op = op_id;
  unbind(&g->nodes[n.i]);
  return OQ_OK;
}

/* ---- names of values, through all bodies -------------------------------- */

static oq_status rename_here(oq_graph *g, oq_value_id v, oq_name name,
                             uint32_t depth);

/* Frees `name` in `g`: a value of its own that has it gets another one. */
static oq_status make_way(oq_graph *g, oq_name name, uint32_t depth) {
  const oq_value_id v = oq_graph_find_value(g, name);
  oq_name other;

  if (!oq_value_ok(v)) return OQ_OK;
  OQ_TRY(oq_edit_fresh_name(g->model, &other,
                            oq_names_text(g->model->names, name)));
  return rename_here(g, v, other, depth);
}

/* `name` is free in `g`.  Bodies know a value of `g` by its name, so there the
 * value that stands for it is found by the old one. */
static oq_status rename_here(oq_graph *g, oq_value_id v, oq_name name,
                             uint32_t depth) {
  const oq_name old = g->values[v.i].name;

  if (depth > OQ_MAX_GRAPH_DEPTH) return OQ_E_LIMIT;
  OQ_TRY(oq_map_put(g->by_name, name.i, v.i));
  OQ_TRY(oq_map_put(g->by_name, old.i, OQ_NONE));
  g->values[v.i].name = name;
  for (uint32_t i = 0; i < g->n_bodies; i++) {
    oq_graph *b = g->bodies[i];
    const oq_value_id u = oq_graph_find_value(b, old);
    if (!oq_value_ok(u) || b->values[u.i].kind != OQ_VALUE_OUTER ||
        b->outer_of[u.i].i != v.i) {
      continue;
    }
    OQ_TRY(make_way(b, name, depth + 1));
    OQ_TRY(rename_here(b, u, name, depth + 1));
  }
  return OQ_OK;
}

oq_status oq_edit_rename_value(oq_graph *g, oq_value_id v, oq_name name) {
  if (!has_value(g, v) || name.i == 0) return OQ_E_INTERNAL;
  if (g->values[v.i].kind == OQ_VALUE_OUTER) return OQ_E_INTERNAL;
  if (oq_name_eq(g->values[v.i].name, name)) return OQ_OK;
  if (oq_value_ok(oq_graph_find_value(g, name))) return OQ_E_INTERNAL;
  return rename_here(g, v, name, 0);
}

/* ---- uses --------------------------------------------------------------- */

/* What replaces a value: one pair, or a table. */
typedef struct change {
  oq_value_id from, to;
  const oq_value_id *table; /* NULL: the pair */
  uint32_t n;               /* entries of the table */
} change;

static bool is_changed(const change *c, oq_value_id *v) {
  if (c->table != NULL) {
    if (v->i >= c->n || !oq_value_ok(c->table[v->i])) return false;
    *v = c->table[v->i];
    return true;
  }
  if (v->i != c->from.i) return false;
  *v = c->to;
  return true;
}

/* Only the lists of the graph itself. */
static void change_ports(oq_graph *g, const change *c, bool outputs) {
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    oq_node *n = &g->nodes[i];
    for (uint32_t k = 0; k < n->n_in; k++) {
      if (!n->dead && oq_value_ok(n->in[k])) (void)is_changed(c, &n->in[k]);
    }
  }
  for (uint32_t i = 0; outputs && i < g->n_outputs; i++) {
    (void)is_changed(c, &g->outputs[i]);
  }
}

static oq_status redirect(oq_graph *g, const change *c, bool outputs,
                          uint32_t depth);

/* `u` of body `b` shall stand for `to` of the graph around it. */
static oq_status retarget(oq_graph *b, oq_value_id u, oq_value_id to,
                          uint32_t depth) {
  const oq_name name = b->outer->values[to.i].name;
  const oq_value_id there = oq_graph_find_value(b, name);

  if (there.i == u.i && oq_value_ok(u)) {
    b->outer_of[u.i] = to;
    return OQ_OK;
  }
  if (oq_value_ok(there) && b->values[there.i].kind == OQ_VALUE_OUTER &&
      b->outer_of[there.i].i == to.i) {
    const change merge = {u, there, NULL, 0};
    OQ_TRY(redirect(b, &merge, true, depth));
    kill_value(b, u);
    return OQ_OK;
  }
  OQ_TRY(make_way(b, name, depth));
  OQ_TRY(rename_here(b, u, name, depth));
  b->outer_of[u.i] = to;
  b->values[u.i].type = b->outer->values[to.i].type;
  return OQ_OK;
}

typedef struct move {
  oq_value_id u, to;
} move;
typedef OQ_VEC(move) moves;

/* All targets are read before one is changed, and what moves stands for nothing
 * until it is its turn: values may swap places. */
static oq_status collect_moves(oq_graph *b, const change *c, moves *list,
                               oq_arena *scratch) {
  if (c->table == NULL) {
    const oq_value_id u =
        oq_graph_find_value(b, b->outer->values[c->from.i].name);
    if (oq_value_ok(u) && b->outer_of[u.i].i == c->from.i &&
        !oq_vec_push(scratch, list, ((move){u, c->to}))) {
      return OQ_E_MEMORY;
    }
    return OQ_OK;
  }
  for (uint32_t i = 0; i < b->n_values; i++) {
    oq_value_id to = b->outer_of[i];
    if (b->values[i].kind != OQ_VALUE_OUTER || !is_changed(c, &to)) continue;
    if (!oq_vec_push(scratch, list, ((move){{i}, to}))) return OQ_E_MEMORY;
    b->outer_of[i] = no_value;
  }
  return OQ_OK;
}

static oq_status redirect_body(oq_graph *b, const change *c, oq_arena *scratch,
                               uint32_t depth) {
  const oq_mark mark = oq_arena_mark(scratch);
  moves list = {0};

  if (depth > OQ_MAX_GRAPH_DEPTH) return OQ_E_LIMIT;
  OQ_TRY(collect_moves(b, c, &list, scratch));
  for (uint32_t i = 0; i < list.n; i++) {
    OQ_TRY(retarget(b, list.p[i].u, list.p[i].to, depth));
  }
  oq_arena_rewind(scratch, mark);
  return OQ_OK;
}

static oq_status redirect(oq_graph *g, const change *c, bool outputs,
                          uint32_t depth) {
  oq_arena *scratch = NULL;
  oq_status s = OQ_OK;

  change_ports(g, c, outputs);
  if (g->n_bodies == 0) return OQ_OK;
  OQ_TRY(oq_arena_create(&scratch, g->model->alloc, 0));
  for (uint32_t i = 0; s == OQ_OK && i < g->n_bodies; i++) {
    s = redirect_body(g->bodies[i], c, scratch, depth + 1);
  }
  oq_arena_destroy(scratch);
  return s;
}

oq_status oq_edit_replace_uses(oq_graph *g, oq_value_id from, oq_value_id to,
                               bool outputs) {
  const change c = {from, to, NULL, 0};

  if (!has_value(g, from) || !has_value(g, to)) return OQ_E_INTERNAL;
  return from.i == to.i ? OQ_OK : redirect(g, &c, outputs, 0);
}

oq_status oq_edit_redirect(oq_graph *g, const oq_value_id *to, bool outputs) {
  const change c = {no_value, no_value, to, g->n_values};

  for (uint32_t i = 0; i < g->n_values; i++) {
    if (oq_value_ok(to[i]) && !has_value(g, to[i])) return OQ_E_INTERNAL;
  }
  return redirect(g, &c, outputs, 0);
}

/* ---- the model ---------------------------------------------------------- */

oq_status oq_edit_set_opset(oq_model_ir *m, const char *domain, int64_t v) {
  oq_name name;
  bool found = false;

  OQ_TRY(domain_name(m, &name, domain));
  for (uint32_t i = 0; i < m->n_opsets; i++) {
    if (!oq_name_eq(m->opsets[i].domain, name)) continue;
    m->opsets[i].version = v;
    found = true;
  }
  if (found) return OQ_OK;
  oq_opset *longer = OQ_NEW_N(m->arena, oq_opset, (size_t)m->n_opsets + 1);
  if (longer == NULL) return OQ_E_MEMORY;
  if (m->n_opsets != 0) {
    memcpy(longer, m->opsets, m->n_opsets * sizeof *longer);
  }
  longer[m->n_opsets].domain = name;
  longer[m->n_opsets].version = v;
  m->opsets = longer;
  m->n_opsets++;
  return OQ_OK;
}

static bool text_equals(oq_text t, const char *s, size_t n) {
  return t.n == n && memcmp(t.p, s, n) == 0;
}

oq_status oq_edit_set_prop(oq_model_ir *m, const char *key, const char *value) {
  const size_t key_n = strlen(key), value_n = strlen(value);
  const oq_text text = {oq_arena_copy_text(m->arena, value, value_n), value_n};
  uint32_t i = 0;

  if (text.p == NULL) return OQ_E_MEMORY;
  while (i < m->n_props && !text_equals(m->props[i].key, key, key_n)) i++;
  if (i == m->n_props) {
    oq_prop *longer = OQ_NEW_N(m->arena, oq_prop, (size_t)i + 1);
    const char *copy = oq_arena_copy_text(m->arena, key, key_n);
    if (longer == NULL || copy == NULL) return OQ_E_MEMORY;
    if (i != 0) memcpy(longer, m->props, i * sizeof *longer);
    longer[i].key = (oq_text){copy, key_n};
    m->props = longer;
    m->n_props++;
  }
  m->props[i].value = text;
  return OQ_OK;
}

oq_status oq_edit_add_output(oq_graph *g, oq_value_id v) {
  if (!has_value(g, v) || g->n_outputs >= OQ_MAX_PORTS) return OQ_E_INTERNAL;
  return lengthen(g->model, &g->outputs, &g->n_outputs, g->n_outputs + 1) ==
                 OQ_OK
             ? (g->outputs[g->n_outputs - 1] = v, OQ_OK)
             : OQ_E_MEMORY;
}

oq_status oq_edit_unlist_input(oq_graph *g, oq_value_id v) {
  uint32_t n = 0;

  if (!has_value(g, v) || g->values[v.i].kind != OQ_VALUE_CONST) {
    return OQ_E_INTERNAL;
  }
  for (uint32_t i = 0; i < g->n_inputs; i++) {
    if (g->inputs[i].i != v.i) g->inputs[n++] = g->inputs[i];
  }
  g->n_inputs = n;
  g->values[v.i].also_input = false;
  return OQ_OK;
}

uint32_t oq_edit_unlist_constants(oq_graph *g) {
  uint32_t n = 0, gone;

  for (uint32_t i = 0; i < g->n_inputs; i++) {
    oq_value *v = &g->values[g->inputs[i].i];
    if (v->kind == OQ_VALUE_CONST) {
      v->also_input = false;
    } else {
      g->inputs[n++] = g->inputs[i];
    }
  }
  gone = g->n_inputs - n;
  g->n_inputs = n;
  return gone;
}

/* ---- dead things -------------------------------------------------------- */

typedef struct sweep {
  oq_graph *g;
  bool *node_needed, *value_needed;
  uint32_t *stack; /* nodes whose inputs are still to be marked */
  uint32_t n;
} sweep;

static void need(sweep *s, oq_value_id v) {
  if (!oq_value_ok(v) || s->value_needed[v.i]) return;
  s->value_needed[v.i] = true;
  const uint32_t p = s->g->values[v.i].producer.i;
  if (s->g->values[v.i].kind != OQ_VALUE_RESULT || p == OQ_NONE) return;
  if (s->node_needed[p]) return;
  s->node_needed[p] = true;
  s->stack[s->n++] = p; /* each node once: n_nodes is room enough */
}

static void mark(sweep *s) {
  const oq_graph *g = s->g;

  for (uint32_t i = 0; i < g->n_outputs; i++) need(s, g->outputs[i]);
  while (s->n != 0) {
    const oq_node *n = &g->nodes[s->stack[--s->n]];
    const oq_graph *b;
    for (uint32_t i = 0; i < n->n_in; i++) need(s, n->in[i]);
    for (oq_body_iter it = {n, 0, 0}; (b = oq_body_next(&it)) != NULL;) {
      for (uint32_t v = 0; v < b->n_values; v++) {
        if (b->values[v].kind == OQ_VALUE_OUTER) need(s, b->outer_of[v]);
      }
    }
  }
}

static void compact(const oq_graph *g, oq_value_id *list, uint32_t *n) {
  uint32_t kept = 0;

  for (uint32_t i = 0; i < *n; i++) {
    if (g->values[list[i].i].kind != OQ_VALUE_DEAD) list[kept++] = list[i];
  }
  *n = kept;
}

static void bury(sweep *s) {
  oq_graph *g = s->g;

  for (uint32_t i = 0; i < g->n_nodes; i++) {
    if (!s->node_needed[i]) (void)oq_edit_remove_node(g, (oq_node_id){i});
  }
  for (uint32_t i = 0; i < g->n_values; i++) {
    const oq_value *v = &g->values[i];
    const bool made = v->kind == OQ_VALUE_RESULT && oq_node_ok(v->producer);
    const bool fed = v->kind == OQ_VALUE_INPUT || v->also_input;
    if (!s->value_needed[i] && !made && !fed) kill_value(g, (oq_value_id){i});
  }
  compact(g, g->inits, &g->n_inits);
  compact(g, g->infos, &g->n_infos);
}

/* Bodies first: what they no longer read is not needed out here. */
static oq_status remove_dead(oq_graph *g, const oq_env *e, uint32_t depth) {
  sweep s = {.g = g};

  if (depth > OQ_MAX_GRAPH_DEPTH) return OQ_E_LIMIT;
  for (uint32_t i = 0; i < g->n_bodies; i++) {
    OQ_TRY(remove_dead(g->bodies[i], e, depth + 1));
  }
  const oq_mark start = oq_arena_mark(e->scratch);
  s.node_needed = OQ_NEW_N(e->scratch, bool, g->n_nodes);
  s.value_needed = OQ_NEW_N(e->scratch, bool, g->n_values);
  s.stack = OQ_NEW_N(e->scratch, uint32_t, g->n_nodes);
  if (s.node_needed != NULL && s.value_needed != NULL && s.stack != NULL) {
    mark(&s);
    bury(&s);
  } else {
    return oq_fail_memory(e->diags);
  }
  oq_arena_rewind(e->scratch, start);
  return OQ_OK;
}

oq_status oq_edit_remove_dead(oq_graph *g, const oq_env *e) {
  return remove_dead(g, e, 0);
}

/* ---- attributes --------------------------------------------------------- */

static oq_status attr_make(oq_model_ir *m, oq_attr *a, const char *name,
                           oq_attr_kind kind) {
  memset(a, 0, sizeof *a);
  a->kind = kind;
  return oq_names_add_text(m->names, &a->name, name);
}

oq_status oq_attr_i64(oq_model_ir *m, oq_attr *out, const char *name,
                      int64_t v) {
  oq_attr a;

  OQ_TRY(attr_make(m, &a, name, OQ_ATTR_I64));
  a.u.i64 = v;
  *out = a;
  return OQ_OK;
}

oq_status oq_attr_f32(oq_model_ir *m, oq_attr *out, const char *name, float v) {
  oq_attr a;

  OQ_TRY(attr_make(m, &a, name, OQ_ATTR_F32));
  a.u.f32 = v;
  *out = a;
  return OQ_OK;
}

oq_status oq_attr_text(oq_model_ir *m, oq_attr *out, const char *name,
                       const char *v) {
  oq_attr a;
  const size_t n = strlen(v);

  OQ_TRY(attr_make(m, &a, name, OQ_ATTR_TEXT));
  a.u.text = (oq_text){oq_arena_copy_text(m->arena, v, n), n};
  if (a.u.text.p == NULL) return OQ_E_MEMORY;
  *out = a;
  return OQ_OK;
}

oq_status oq_attr_i64s(oq_model_ir *m, oq_attr *out, const char *name,
                       const int64_t *v, uint32_t n) {
  oq_attr a;

  OQ_TRY(attr_make(m, &a, name, OQ_ATTR_I64S));
  a.u.i64s = OQ_COPY_N(m->arena, int64_t, v, n);
  if (a.u.i64s == NULL) return OQ_E_MEMORY;
  a.count = n;
  *out = a;
  return OQ_OK;
}
