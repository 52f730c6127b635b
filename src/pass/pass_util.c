/* pass/pass_util.c - what passes share. */
#include "pass/pass_util.h"

#include <string.h>

static const oq_value_id no_value = {OQ_NONE};

/* ---- recognising ----------------------------------------------------------
 */
bool oq_pass_is(const oq_graph *g, const oq_node *n, const char *op) {
  const oq_names *const names = g->model->names;

  return !n->dead && n->domain.i == 0 &&
         strcmp(oq_names_text(names, n->op), op) == 0;
}

oq_value_id oq_pass_in(const oq_node *n, uint32_t i) {
  return i < n->n_in ? n->in[i] : no_value;
}

oq_value_id oq_pass_out(const oq_node *n, uint32_t i) {
  return i < n->n_out ? n->out[i] : no_value;
}

const oq_node *oq_pass_producer(const oq_graph *g, oq_value_id v,
                                oq_node_id *id) {
  if (!oq_value_ok(v)) return NULL;
  const oq_value *const x = oq_graph_value(g, v);
  if (x->kind != OQ_VALUE_RESULT || !oq_node_ok(x->producer)) return NULL;
  if (id != NULL) *id = x->producer;
  return oq_graph_node(g, x->producer);
}

/* ---- uses -----------------------------------------------------------------
 */
oq_status oq_pass_uses_take(oq_pass_uses *out, const oq_graph *g,
                            const oq_env *e) {
  out->n = g->n_values;
  return oq_walk_uses(&out->all, g, e->scratch);
}

bool oq_pass_unused(const oq_pass_uses *u, oq_value_id v) {
  return !oq_value_ok(v) || (v.i < u->n && oq_uses_count(&u->all, v) == 0);
}

bool oq_pass_only_use(const oq_pass_uses *u, oq_value_id v, oq_use *use) {
  if (v.i >= u->n || oq_uses_count(&u->all, v) != 1) return false;
  *use = u->all.use[u->all.first[v.i]];
  return oq_node_ok(use->node) && use->slot != OQ_NONE;
}

bool oq_pass_is_alone(const oq_graph *g, const oq_pass_uses *u, oq_value_id v) {
  oq_use use;

  if (!oq_value_ok(v) || oq_graph_value(g, v)->kind != OQ_VALUE_CONST)
    return false;
  return v.i >= u->n || oq_pass_only_use(u, v, &use);
}

/* ---- graphs ---------------------------------------------------------------
 */
oq_status oq_pass_each_graph(oq_model_ir *m, uint32_t *changed,
                             oq_pass_graph run, const oq_env *e) {
  const oq_scope *scope;
  uint32_t n, total = 0;

  OQ_TRY(oq_walk_scopes(&scope, &n, m->main, e->scratch));
  for (uint32_t i = 0; i < n; i++) {
    const oq_mark mark = oq_arena_mark(e->scratch);
    uint32_t here = 0;

    OQ_TRY(run(scope[i].graph, &here, e));
    total += here;
    oq_arena_rewind(e->scratch, mark);
  }
  *changed = total;
  return OQ_OK;
}

/* ---- attributes -----------------------------------------------------------
 */
int64_t oq_pass_i64(const oq_graph *g, const oq_node *n, const char *name,
                    int64_t dflt) {
  const oq_attr *const a = oq_node_attr(g, n, name);

  return a != NULL && a->kind == OQ_ATTR_I64 ? a->u.i64 : dflt;
}

float oq_pass_f32(const oq_graph *g, const oq_node *n, const char *name,
                  float dflt) {
  const oq_attr *const a = oq_node_attr(g, n, name);

  return a != NULL && a->kind == OQ_ATTR_F32 ? a->u.f32 : dflt;
}

bool oq_pass_text_is(const oq_graph *g, const oq_node *n, const char *name,
                     const char *value, bool dflt) {
  const oq_attr *const a = oq_node_attr(g, n, name);

  if (a == NULL || a->kind != OQ_ATTR_TEXT) return dflt;
  return a->u.text.n == strlen(value) &&
         memcmp(a->u.text.p, value, a->u.text.n) == 0;
}

/* `with` may be NULL: only the one named `name` goes. */
static oq_status replace_attr(oq_graph *g, oq_node_id id, oq_name name,
                              const oq_attr *with) {
  const oq_node *const n = oq_graph_node(g, id);
  oq_attr *const list =
      OQ_NEW_N(g->model->arena, oq_attr, (size_t)n->n_attrs + 1);
  uint32_t count = 0;

  if (list == NULL) return OQ_E_MEMORY;
  for (uint32_t i = 0; i < n->n_attrs; i++) {
    if (!oq_name_eq(n->attrs[i].name, name)) list[count++] = n->attrs[i];
  }
  if (with != NULL) list[count++] = *with;
  return oq_edit_set_attrs(g, id, list, count);
}

oq_status oq_pass_put_attr(oq_graph *g, oq_node_id n, const oq_attr *a) {
  return replace_attr(g, n, a->name, a);
}

oq_status oq_pass_drop_attr(oq_graph *g, oq_node_id n, const char *name) {
  const oq_attr *const a = oq_node_attr(g, oq_graph_node(g, n), name);

  return a == NULL ? OQ_OK : replace_attr(g, n, a->name, NULL);
}

/* ---- constants ------------------------------------------------------------
 */
static const oq_const *konst_of(const oq_graph *g, oq_value_id v) {
  const oq_graph *at = g;

  if (!oq_value_ok(v)) return NULL;
  v = oq_graph_resolve(g, v, &at);
  if (!oq_value_ok(v)) return NULL;
  const oq_value *const x = oq_graph_value(at, v);
  /* One that the caller may replace is none. */
  return x->kind == OQ_VALUE_CONST && !x->also_input ? x->konst : NULL;
}

bool oq_pass_is_const(const oq_graph *g, oq_value_id v) {
  return konst_of(g, v) != NULL;
}

const oq_type *oq_pass_const_type(const oq_graph *g, oq_value_id v) {
  const oq_const *const c = konst_of(g, v);

  return c != NULL ? c->type : NULL;
}

bool oq_pass_const(oq_ctensor *out, const oq_graph *g, oq_value_id v,
                   oq_arena *a) {
  const oq_const *const c = konst_of(g, v);

  if (c == NULL || c->type == NULL || c->type->kind != OQ_TYPE_TENSOR)
    return false;
  if (oq_dtype_bits((int32_t)c->type->dtype) == 0) return false;
  return oq_const_view(out, c, a, NULL) == OQ_OK;
}

bool oq_pass_ints(const int64_t **out, uint32_t *n, const oq_graph *g,
                  oq_value_id v, uint32_t max, oq_arena *a) {
  const oq_type *const type = oq_pass_const_type(g, v);
  oq_ctensor t;
  oq_shape s;
  size_t count;

  if (type == NULL || !oq_dtype_in((int32_t)type->dtype, OQ_DTM_INT))
    return false;
  if (!oq_type_shape(&s, type) || oq_shape_count(&count, &s) != OQ_OK)
    return false;
  if (count > max || !oq_pass_const(&t, g, v, a)) return false;
  int64_t *const list = OQ_NEW_N(a, int64_t, count);
  if (list == NULL) return false;
  for (size_t i = 0; i < count; i++) list[i] = oq_element_i64(&t, i);
  *out = list;
  *n = (uint32_t)count;
  return true;
}

/* ---- types ----------------------------------------------------------------
 */
oq_status oq_pass_types(const oq_type ***out, const oq_graph *g, oq_arena *a,
                        const oq_env *e) {
  oq_env quiet = *e;
  oq_status s;

  /* The same findings after each pass would be noise: inspection and
   * quantization report them. */
  if (oq_diags_create(&quiet.diags, e->alloc) != OQ_OK)
    return oq_fail_memory(e->diags);
  s = oq_infer_types_plain(out, g, a, &quiet);
  if (s != OQ_OK) oq_diags_append(e->diags, quiet.diags);
  oq_diags_destroy(quiet.diags);
  return s;
}

bool oq_pass_shape(oq_shape *out, const oq_type *const *types, oq_value_id v) {
  return oq_value_ok(v) && types[v.i] != NULL &&
         types[v.i]->kind == OQ_TYPE_TENSOR && oq_type_shape(out, types[v.i]);
}

/* ---- editing --------------------------------------------------------------
 */
oq_status oq_pass_absorb(oq_graph *g, oq_node_id first, oq_node_id last) {
  const oq_value_id result = oq_graph_node(g, last)->out[0];

  OQ_TRY(oq_edit_set_output(g, last, 0, no_value));
  OQ_TRY(oq_edit_remove_node(g, last));
  return oq_edit_set_output(g, first, 0, result);
}

oq_status oq_pass_numbers_new(oq_pass_numbers *out, oq_dtype t,
                              const oq_shape *s, const oq_env *e) {
  oq_pass_numbers n = {.t = {.dtype = t, .shape = *s}};

  if (oq_shape_bytes(&n.t.size, s, (int32_t)t) != OQ_OK ||
      oq_store_new(&n.store, &n.t.data, n.t.size, e->alloc) != OQ_OK)
    return OQ_E_MEMORY;
  *out = n;
  return OQ_OK;
}

void oq_pass_numbers_drop(oq_pass_numbers *n) {
  oq_store_unref(n->store);
  n->store = NULL;
}

oq_status oq_pass_numbers_put(oq_graph *g, oq_node_id n, uint32_t slot,
                              bool alone, const char *hint,
                              oq_pass_numbers *numbers) {
  const oq_value_id old = oq_pass_in(oq_graph_node(g, n), slot);
  oq_store *const store = numbers->store;
  const oq_tensor *const t = &numbers->t;
  oq_value_id v;

  numbers->store = NULL;
  if (alone && oq_value_ok(old))
    return oq_edit_set_const(g, old, t->dtype, &t->shape, store);
  if (oq_value_ok(old)) hint = oq_value_text(g, old);
  OQ_TRY(oq_edit_add_const_store(g, &v, hint, t->dtype, &t->shape, store));
  return oq_edit_set_input(g, n, slot, v);
}

oq_status oq_pass_add_value(oq_value_id *out, oq_graph *g, const char *hint) {
  oq_name name;

  OQ_TRY(oq_edit_fresh_name(g->model, &name, hint));
  return oq_edit_add_value(g, out, OQ_VALUE_RESULT, name, NULL);
}

oq_status oq_pass_add_node(oq_graph *g, const char *op, const char *hint,
                           const oq_value_id *in, uint32_t n_in,
                           oq_value_id out, const oq_attr *attrs,
                           uint32_t n_attrs) {
  oq_node_spec s = {.in = in,
                    .n_in = n_in,
                    .out = &out,
                    .n_out = 1,
                    .attrs = attrs,
                    .n_attrs = n_attrs};
  oq_node_id id;

  if (hint != NULL) OQ_TRY(oq_edit_fresh_name(g->model, &s.name, hint));
  OQ_TRY(oq_names_add_text(g->model->names, &s.op, op));
  return oq_edit_add_node(g, &id, &s);
}

oq_status oq_pass_add_i64s(oq_value_id *out, oq_graph *g, const char *hint,
                           const int64_t *v, uint32_t n) {
  const oq_ctensor t = {.dtype = OQ_DT_I64,
                        .shape = {.rank = 1, .dim = {n}},
                        .size = n * sizeof *v,
                        .data = v};

  return oq_edit_add_const(g, out, hint, &t);
}

oq_status oq_pass_add_scalar(oq_value_id *out, oq_graph *g, const char *hint,
                             oq_dtype t, double v) {
  uint64_t bytes = 0;
  oq_tensor x = {.dtype = t, .data = &bytes};
  oq_ctensor c;

  if (oq_shape_bytes(&x.size, &x.shape, (int32_t)t) != OQ_OK ||
      x.size > sizeof bytes)
    return OQ_E_INTERNAL;
  oq_element_set_f64(&x, 0, v);
  c = oq_tensor_const(&x);
  return oq_edit_add_const(g, out, hint, &c);
}
