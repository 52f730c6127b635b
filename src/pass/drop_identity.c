/* pass/drop_identity.c - nodes that give back what they get leave the graph.
 * Outputs of the graph keep their names: there the node before takes over the
 * output, unless that is an input, a constant or an output itself. */
#include "pass/pass_util.h"

typedef struct dropper {
  oq_graph *g;
  const oq_env *env;
  const oq_type **types;
  oq_pass_uses uses;
  bool *is_output;   /* by value id, like all tables here */
  oq_value_id *to;   /* what replaces a value; looked up once */
  oq_value_id *heir; /* the output that takes the place of a value */
  oq_node_id *gone;  /* nodes to be removed, in order */
  uint32_t n;
} dropper;

/* ---- facts ----------------------------------------------------------------
 */
static const oq_type *type_of(const dropper *d, oq_value_id v) {
  const oq_type *const t = oq_value_ok(v) ? d->types[v.i] : NULL;

  return t != NULL && t->kind == OQ_TYPE_TENSOR ? t : NULL;
}

/* INT64_MIN if it is not known. */
static int64_t dim_of(const oq_type *t, int64_t axis) {
  if (t == NULL || !t->has_rank) return INT64_MIN;
  if (axis < 0) axis += t->rank;
  if (axis < 0 || axis >= t->rank) return INT64_MIN;
  return t->dim[axis].size >= 0 ? t->dim[axis].size : INT64_MIN;
}

static bool same_shape(const dropper *d, const oq_node *n) {
  oq_shape a, b;

  return oq_pass_shape(&a, d->types, n->in[0]) &&
         oq_pass_shape(&b, d->types, n->out[0]) && oq_shape_equal(&a, &b);
}

static bool ints(const dropper *d, const oq_node *n, uint32_t slot,
                 const int64_t **v, uint32_t *count) {
  *v = NULL;
  *count = 0;
  if (!oq_value_ok(oq_pass_in(n, slot))) return true; /* absent */
  return oq_pass_ints(v, count, d->g, n->in[slot], 4096, d->env->scratch);
}

static bool all_are(const int64_t *v, uint32_t n, int64_t what) {
  for (uint32_t i = 0; i < n; i++)
    if (v[i] != what) return false;
  return n > 0;
}

/* ---- which nodes ----------------------------------------------------------
 */
static bool always(const dropper *d, const oq_node *n) {
  (void)d;
  return n->n_in == 1 && n->n_out == 1;
}

/* Inference: the mask is not asked for, training is off. */
static bool dropout(const dropper *d, const oq_node *n) {
  const oq_value_id training = oq_pass_in(n, 2);
  oq_ctensor t;

  if (!oq_pass_unused(&d->uses, oq_pass_out(n, 1))) return false;
  if (!oq_value_ok(training)) return true;
  return oq_pass_const(&t, d->g, training, d->env->scratch) &&
         oq_tensor_count(&t) == 1 && oq_element_i64(&t, 0) == 0;
}

static bool same_dtype(const dropper *d, const oq_node *n) {
  const oq_type *const a = type_of(d, n->in[0]), *b = type_of(d, n->out[0]);

  return a != NULL && b != NULL && a->dtype == b->dtype &&
         a->dtype != OQ_DT_NONE;
}

/* Each size is copied (0), right already, or the one that is worked out. */
static bool reshape(const dropper *d, const oq_node *n) {
  const oq_type *const t = type_of(d, n->in[0]);
  const bool zero_copies = oq_pass_i64(d->g, n, "allowzero", 0) == 0;
  const int64_t *v;
  uint32_t count, open = 0;

  if (same_shape(d, n)) return true;
  if (t == NULL || !t->has_rank || !ints(d, n, 1, &v, &count)) return false;
  if (count != t->rank || count == 0) return false;
  for (uint32_t i = 0; i < count; i++) {
    if (v[i] == -1) {
      open++;
    } else if (!(v[i] == 0 && zero_copies) && v[i] != dim_of(t, i)) {
      return false;
    }
  }
  return open <= 1;
}

static bool flatten(const dropper *d, const oq_node *n) {
  const oq_type *const t = type_of(d, n->in[0]);
  const int64_t axis = oq_pass_i64(d->g, n, "axis", 1);

  if (same_shape(d, n)) return true;
  return t != NULL && t->has_rank && t->rank == 2 && (axis == 1 || axis == -1);
}

static bool transpose(const dropper *d, const oq_node *n) {
  const oq_attr *const perm = oq_node_attr(d->g, n, "perm");
  const oq_type *const t = type_of(d, n->in[0]);

  if (perm == NULL || perm->kind != OQ_ATTR_I64S)
    return t != NULL && t->has_rank && t->rank <= 1;
  for (uint32_t i = 0; i < perm->count; i++)
    if (perm->u.i64s[i] != (int64_t)i) return false;
  return true;
}

static bool pad(const dropper *d, const oq_node *n) {
  const oq_attr *const attr = oq_node_attr(d->g, n, "pads");
  const int64_t *v;
  uint32_t count;

  if (attr != NULL)
    return attr->kind == OQ_ATTR_I64S && all_are(attr->u.i64s, attr->count, 0);
  return ints(d, n, 1, &v, &count) && all_are(v, count, 0);
}

static bool tile(const dropper *d, const oq_node *n) {
  const int64_t *v;
  uint32_t count;

  return n->n_in == 2 && ints(d, n, 1, &v, &count) && all_are(v, count, 1);
}

static bool slice(const dropper *d, const oq_node *n) {
  const oq_type *const t = type_of(d, n->in[0]);
  const int64_t *start, *end, *axes, *steps;
  uint32_t n_start, n_end, n_axes, n_steps;

  if (n->n_in < 3 || !ints(d, n, 1, &start, &n_start) ||
      !ints(d, n, 2, &end, &n_end) || !ints(d, n, 3, &axes, &n_axes) ||
      !ints(d, n, 4, &steps, &n_steps))
    return false;
  if (n_end != n_start || (axes != NULL && n_axes != n_start)) return false;
  if (steps != NULL && !all_are(steps, n_steps, 1)) return false;
  for (uint32_t i = 0; i < n_start; i++) {
    const int64_t size = dim_of(t, axes != NULL ? axes[i] : (int64_t)i);
    const bool to_end =
        end[i] >= INT32_MAX || (size != INT64_MIN && end[i] >= size);
    if (start[i] != 0 || !to_end) return false;
  }
  return true;
}

static bool clip(const dropper *d, const oq_node *n) {
  return n->def->since >= 11 && !oq_value_ok(oq_pass_in(n, 1)) &&
         !oq_value_ok(oq_pass_in(n, 2)) && d->g != NULL;
}

/* All elements of constant `v` are `neutral`, and broadcasting it makes nothing
 * bigger. */
static bool is_neutral(const dropper *d, oq_value_id v, oq_value_id data,
                       double neutral) {
  const oq_type *const t = type_of(d, data);
  const oq_type *const c = oq_pass_const_type(d->g, v);
  oq_ctensor k;

  if (t == NULL || !t->has_rank || c == NULL || c->rank > t->rank ||
      !oq_dtype_in((int32_t)c->dtype, OQ_DTM_NUMERIC))
    return false;
  for (uint32_t i = 0; i < c->rank; i++) {
    const int64_t size = c->dim[c->rank - 1 - i].size;
    if (size != 1 && size != dim_of(t, -1 - (int64_t)i)) return false;
  }
  if (!oq_pass_const(&k, d->g, v, d->env->scratch)) return false;
  for (size_t i = 0, count = oq_tensor_count(&k); i < count; i++)
    if (oq_element_f64(&k, i) != neutral) return false;
  return true;
}

static bool by_one(const dropper *d, const oq_node *n) {
  return is_neutral(d, n->in[1], n->in[0], 1);
}

static bool by_zero(const dropper *d, const oq_node *n) {
  return is_neutral(d, n->in[1], n->in[0], 0);
}

static bool with_one(const dropper *d, const oq_node *n) {
  return is_neutral(d, n->in[0], n->in[1], 1);
}

static bool with_zero(const dropper *d, const oq_node *n) {
  return is_neutral(d, n->in[0], n->in[1], 0);
}

static const struct rule {
  const char *op;
  bool (*same)(const dropper *d, const oq_node *n);
  uint32_t slot; /* the input that comes out */
} rules[] = {
    {"Identity", always, 0},
    {"Concat", always, 0},
    {"Sum", always, 0},
    {"Mean", always, 0},
    {"Max", always, 0},
    {"Min", always, 0},
    {"Dropout", dropout, 0},
    {"Cast", same_dtype, 0},
    {"CastLike", same_dtype, 0},
    {"Reshape", reshape, 0},
    {"Flatten", flatten, 0},
    {"Squeeze", same_shape, 0},
    {"Expand", same_shape, 0},
    {"Transpose", transpose, 0},
    {"Pad", pad, 0},
    {"Tile", tile, 0},
    {"Slice", slice, 0},
    {"Clip", clip, 0},
    {"Mul", by_one, 0},
    {"Mul", with_one, 1},
    {"Div", by_one, 0},
    {"Add", by_zero, 0},
    {"Add", with_zero, 1},
    {"Sub", by_zero, 0},
};

static bool find_source(const dropper *d, const oq_node *n, uint32_t *slot) {
  if (n->dead || n->def == NULL || n->n_in == 0 || n->n_out == 0) return false;
  if (!oq_value_ok(n->in[0]) || !oq_value_ok(n->out[0])) return false;
  for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
    const oq_mark mark = oq_arena_mark(d->env->scratch);
    if (!oq_pass_is(d->g, n, rules[i].op) || rules[i].slot >= n->n_in ||
        !oq_value_ok(n->in[rules[i].slot]))
      continue;
    const bool same = rules[i].same(d, n);
    oq_arena_rewind(d->env->scratch, mark);
    if (!same) continue;
    *slot = rules[i].slot;
    return true;
  }
  return false;
}

/* ---- decide ---------------------------------------------------------------
 */
static void consider(dropper *d, oq_node_id id) {
  const oq_node *const n = oq_graph_node(d->g, id);
  uint32_t slot;

  if (!find_source(d, n, &slot)) return;
  const oq_value_id y = n->out[0];
  oq_value_id x = n->in[slot];
  if (oq_value_ok(d->to[x.i])) x = d->to[x.i];
  if (!d->is_output[y.i]) {
    d->to[y.i] = x;
  } else {
    const oq_node *const maker = oq_pass_producer(d->g, x, NULL);
    if (maker == NULL || d->is_output[x.i] || oq_value_ok(d->heir[x.i])) return;
    d->heir[x.i] = y;
  }
  d->gone[d->n++] = id;
}

static oq_status make_tables(dropper *d) {
  const oq_graph *const g = d->g;
  oq_arena *const a = d->env->scratch;

  d->is_output = OQ_NEW_N(a, bool, g->n_values);
  d->to = OQ_NEW_N(a, oq_value_id, g->n_values);
  d->heir = OQ_NEW_N(a, oq_value_id, g->n_values);
  d->gone = OQ_NEW_N(a, oq_node_id, g->n_nodes);
  if (d->is_output == NULL || d->to == NULL || d->heir == NULL ||
      d->gone == NULL)
    return oq_fail_memory(d->env->diags);
  for (uint32_t i = 0; i < g->n_values; i++)
    d->to[i].i = d->heir[i].i = OQ_NONE;
  for (uint32_t i = 0; i < g->n_outputs; i++)
    d->is_output[g->outputs[i].i] = true;
  OQ_TRY(oq_pass_uses_take(&d->uses, g, d->env));
  return oq_pass_types(&d->types, g, a, d->env);
}

/* ---- do -------------------------------------------------------------------
 */
/* What was to be replaced by a value that an output takes over is replaced by
 * that output. */
static void settle_heirs(dropper *d) {
  for (uint32_t i = 0; i < d->g->n_values; i++) {
    const oq_value_id to = d->to[i];
    if (oq_value_ok(to) && oq_value_ok(d->heir[to.i])) d->to[i] = d->heir[to.i];
  }
  for (uint32_t i = 0; i < d->g->n_values; i++)
    if (oq_value_ok(d->heir[i])) d->to[i] = d->heir[i];
}

static oq_status hand_over(dropper *d, oq_value_id from, oq_value_id to) {
  const oq_value x = *oq_graph_value(d->g, from);

  if (oq_graph_value(d->g, to)->type == NULL)
    oq_edit_set_type(d->g, to, x.type);
  return oq_edit_set_output(d->g, x.producer, x.producer_slot, to);
}

static oq_status carry_out(dropper *d) {
  const oq_value_id none = {OQ_NONE};

  settle_heirs(d);
  OQ_TRY(oq_edit_redirect(d->g, d->to, false));
  for (uint32_t i = 0; i < d->n; i++) {
    OQ_TRY(oq_edit_set_output(d->g, d->gone[i], 0, none));
    OQ_TRY(oq_edit_remove_node(d->g, d->gone[i]));
  }
  for (uint32_t i = 0; i < d->g->n_values; i++)
    if (oq_value_ok(d->heir[i]))
      OQ_TRY(hand_over(d, (oq_value_id){i}, d->heir[i]));
  return OQ_OK;
}

static oq_status run_on_graph(oq_graph *g, uint32_t *changed, const oq_env *e) {
  dropper d = {.g = g, .env = e};
  const oq_node_id *order;
  uint32_t n;

  OQ_TRY(make_tables(&d));
  OQ_TRY(oq_walk_order(&order, &n, d.g, e->scratch, e->diags));
  for (uint32_t i = 0; i < n; i++) consider(&d, order[i]);
  if (d.n > 0) OQ_TRY(carry_out(&d));
  *changed = d.n;
  return OQ_OK;
}

oq_status oq_pass_drop_identity(oq_model_ir *m, const oq_pass_options *o,
                                uint32_t *changed, const oq_env *e) {
  (void)o;
  return oq_pass_each_graph(m, changed, run_on_graph, e);
}
