/* ops/bind.c - gives every node its row and its attributes as the row wants
 * them.  After this nobody above looks at attributes again. */
#include <string.h>

#include "base/limits.h"
#include "base/map.h"
#include "base/text.h"
#include "ops/op.h"

typedef struct binder {
  oq_model_ir *model;
  const oq_env *env;
  oq_map *rows; /* (domain, op) -> address of the row; NULL: do not cache */
} binder;

static oq_where place(const oq_graph *g, const oq_node *n, const char *attr) {
  oq_where w = oq_node_where(g, (oq_node_id){(uint32_t)(n - g->nodes)});

  w.attr = attr;
  return w;
}

static const char *name_text(const oq_graph *g, oq_name n) {
  return oq_names_text(g->model->names, n);
}

/* ---- one attribute ------------------------------------------------------- */
static const oq_attr_def *find_def(const oq_op_def *row, const char *name) {
  for (uint32_t i = 0; i < row->n_attrs; i++)
    if (strcmp(row->attrs[i].name, name) == 0) return &row->attrs[i];
  return NULL;
}

static bool text_is(oq_text t, const char *s) {
  return t.n == strlen(s) && memcmp(t.p, s, t.n) == 0;
}

static bool out_of_bounds(const oq_attr_def *d, double v) {
  return d->min <= d->max && !(v >= d->min && v <= d->max);
}

static oq_status bad_bounds(const oq_graph *g, const oq_node *n,
                            const oq_attr_def *d, double v, oq_diags *diags) {
  const oq_where w = place(g, n, d->name);
  char is[32], lo[32], hi[32];

  (void)oq_text_print_f64(is, v);
  (void)oq_text_print_f64(lo, d->min);
  (void)oq_text_print_f64(hi, d->max);
  return oq_fail(diags, OQ_E_MODEL, "op.attr", &w,
                 "attribute '%s' is %s, expected %s to %s", d->name, is, lo,
                 hi);
}

static oq_status store_choice(void *field, const oq_graph *g, const oq_node *n,
                              const oq_attr_def *d, oq_text t,
                              oq_diags *diags) {
  const oq_where w = place(g, n, d->name);

  for (int32_t i = 0; d->choice[i] != NULL; i++) {
    if (!text_is(t, d->choice[i])) continue;
    memcpy(field, &i, sizeof i);
    return OQ_OK;
  }
  return oq_fail(diags, OQ_E_MODEL, "op.attr", &w,
                 "attribute '%s' is \"%.*s\", which this operator does not "
                 "define",
                 d->name, (int)(t.n < 64 ? t.n : 64), t.p);
}

static oq_status check_bounds(const oq_graph *g, const oq_node *n,
                              const oq_attr_def *d, const oq_attr *a,
                              oq_diags *diags) {
  if (d->min > d->max) return OQ_OK;
  if (a->kind == OQ_ATTR_F32 && out_of_bounds(d, (double)a->u.f32))
    return bad_bounds(g, n, d, (double)a->u.f32, diags);
  if (a->kind == OQ_ATTR_I64 && out_of_bounds(d, (double)a->u.i64))
    return bad_bounds(g, n, d, (double)a->u.i64, diags);
  for (uint32_t i = 0; i < a->count; i++) {
    if (a->kind == OQ_ATTR_I64S && out_of_bounds(d, (double)a->u.i64s[i]))
      return bad_bounds(g, n, d, (double)a->u.i64s[i], diags);
    if (a->kind == OQ_ATTR_F32S && out_of_bounds(d, (double)a->u.f32s[i]))
      return bad_bounds(g, n, d, (double)a->u.f32s[i], diags);
  }
  return OQ_OK;
}

/* Fields are written by memcpy: `params` is bytes until the row sees it. */
static oq_status store_attr(uint8_t *params, const oq_graph *g,
                            const oq_node *n, const oq_attr_def *d,
                            const oq_attr *a, oq_diags *diags) {
  void *const field = params + d->offset;

  OQ_TRY(check_bounds(g, n, d, a, diags));
  switch ((int)a->kind) {
    case OQ_ATTR_F32:
      memcpy(field, &a->u.f32, sizeof a->u.f32);
      break;
    case OQ_ATTR_I64:
      memcpy(field, &a->u.i64, sizeof a->u.i64);
      break;
    case OQ_ATTR_TEXT:
      if (d->choice != NULL)
        return store_choice(field, g, n, d, a->u.text, diags);
      memcpy(field, &a->u.text, sizeof a->u.text);
      break;
    case OQ_ATTR_I64S: {
      const oq_i64s v = {a->u.i64s, a->count, true};
      memcpy(field, &v, sizeof v);
      break;
    }
    case OQ_ATTR_F32S: {
      const oq_f32s v = {a->u.f32s, a->count, true};
      memcpy(field, &v, sizeof v);
      break;
    }
    case OQ_ATTR_TENSOR: {
      const oq_tensor_attr v = {a->u.tensor};
      memcpy(field, &v, sizeof v);
      break;
    }
    case OQ_ATTR_GRAPH:
      memcpy(field, &a->u.graph, sizeof a->u.graph);
      break;
    default:
      memcpy(field, &a, sizeof a);
      break;
  }
  return OQ_OK;
}

static void store_default(uint8_t *params, const oq_attr_def *d) {
  void *const field = params + d->offset;

  if (d->kind == OQ_ATTR_F32) {
    const float v = (float)d->dflt.f32;
    memcpy(field, &v, sizeof v);
  } else if (d->kind == OQ_ATTR_I64) {
    memcpy(field, &d->dflt.i64, sizeof d->dflt.i64);
  } else if (d->kind == OQ_ATTR_TEXT && d->choice != NULL) {
    int32_t i = 0;
    while (d->dflt.text != NULL && d->choice[i] != NULL &&
           strcmp(d->choice[i], d->dflt.text) != 0)
      i++;
    memcpy(field, &i, sizeof i);
  } else if (d->kind == OQ_ATTR_TEXT && d->dflt.text != NULL) {
    const oq_text t = {d->dflt.text, strlen(d->dflt.text)};
    memcpy(field, &t, sizeof t);
  } /* all others: absent is all zeros */
}

static const char *kind_text(oq_attr_kind k) {
  static const char *const texts[] = {
      "nothing", "a float",         "an integer",     "a string", "a tensor",
      "a graph", "floats",          "integers",       "strings",  "tensors",
      "graphs",  "a sparse tensor", "sparse tensors", "a type",   "types"};

  if ((size_t)k >= sizeof texts / sizeof texts[0]) return "of unknown kind";
  return texts[k];
}

/* Empty lists of every kind look alike in some exporters' files; the kind said
 * is still the one that counts. */
static oq_status take_attr(uint8_t *params, uint64_t *seen, const oq_graph *g,
                           const oq_node *n, const oq_attr *a,
                           oq_diags *diags) {
  const char *const name = name_text(g, a->name);
  const oq_where w = place(g, n, name);
  const oq_attr_def *const d = find_def(n->def, name);

  if (d == NULL)
    return oq_fail(diags, OQ_E_MODEL, "op.attr", &w,
                   "operator '%s' has no attribute '%s' at this opset",
                   n->def->name, name);
  if (a->ref.i != 0)
    return oq_fail(diags, OQ_E_MODEL, "op.attr", &w,
                   "attribute '%s' refers to a function's attribute outside of "
                   "a function",
                   name);
  if (a->kind != d->kind)
    return oq_fail(diags, OQ_E_MODEL, "op.attr", &w,
                   "attribute '%s' is %s, expected %s", name,
                   kind_text(a->kind), kind_text(d->kind));
  const uint64_t bit = UINT64_C(1) << (unsigned)(d - n->def->attrs);
  if ((*seen & bit) != 0)
    return oq_fail(diags, OQ_E_MODEL, "op.attr", &w,
                   "attribute '%s' is given twice", name);
  *seen |= bit;
  if (d->set_offset != 0) {
    const bool set = true;
    memcpy(params + d->set_offset, &set, sizeof set);
  }
  return store_attr(params, g, n, d, a, diags);
}

static oq_status bind_attrs(oq_graph *g, oq_node *n, const oq_env *e) {
  const oq_op_def *const row = n->def;
  uint64_t seen = 0;
  uint8_t *const params = oq_arena_alloc(g->model->arena, 1, row->params_size,
                                         _Alignof(max_align_t));

  if (params == NULL) return oq_fail_memory(e->diags);
  for (uint32_t i = 0; i < row->n_attrs; i++)
    store_default(params, &row->attrs[i]);
  for (uint32_t i = 0; i < n->n_attrs; i++)
    OQ_TRY(take_attr(params, &seen, g, n, &n->attrs[i], e->diags));
  for (uint32_t i = 0; i < row->n_attrs; i++) {
    if (!row->attrs[i].required || (seen >> i & 1u) != 0) continue;
    const oq_where w = place(g, n, row->attrs[i].name);
    return oq_fail(e->diags, OQ_E_MODEL, "op.attr", &w,
                   "required attribute '%s' is missing", row->attrs[i].name);
  }
  if (row->check != NULL) OQ_TRY(row->check(g, n, params, e->diags));
  n->params = params;
  return OQ_OK;
}

/* ---- one node ------------------------------------------------------------ */
static oq_status check_arity(const oq_graph *g, const oq_node *n,
                             oq_diags *diags) {
  const oq_op_def *const row = n->def;
  const oq_where w = place(g, n, NULL);

  if (n->n_in < row->min_in ||
      (row->max_in != OQ_OPS_MANY && n->n_in > row->max_in))
    return oq_fail(diags, OQ_E_MODEL, "op.arity", &w,
                   "operator '%s' has %u inputs, expected %u to %u", row->name,
                   n->n_in, row->min_in, row->max_in);
  if (n->n_out < row->min_out ||
      (row->max_out != OQ_OPS_MANY && n->n_out > row->max_out))
    return oq_fail(diags, OQ_E_MODEL, "op.arity", &w,
                   "operator '%s' has %u outputs, expected %u to %u", row->name,
                   n->n_out, row->min_out, row->max_out);
  if ((row->flags & OQ_OP_GAPS) != 0) return OQ_OK;
  for (uint32_t i = 0; i < n->n_in && i < row->min_in; i++)
    if (!oq_value_ok(n->in[i]))
      return oq_fail(diags, OQ_E_MODEL, "op.arity", &w,
                     "operator '%s': required input %u is absent", row->name,
                     i);
  return OQ_OK;
}

static const oq_op_def *find_row(const oq_graph *g, const oq_node *n,
                                 bool *gap) {
  return oq_op_find(name_text(g, n->domain), name_text(g, n->op),
                    oq_ir_opset(g->model, n->domain), gap);
}

static void note_gap(const oq_graph *g, const oq_node *n, oq_diags *diags) {
  oq_where w = place(g, n, NULL);

  w.hint = "it is kept as it is, and its neighbourhood in float";
  oq_note(diags, "op.version", &w,
          "operator '%s' is known, but not at opset %lld", name_text(g, n->op),
          (long long)oq_ir_opset(g->model, n->domain));
}

enum { GAP = 1 }; /* never the address of a row */

static oq_status cached_row(const oq_op_def **row, binder *b, oq_graph *g,
                            const oq_node *n) {
  const uint64_t key = (uint64_t)n->domain.i << 32 | n->op.i;
  uint64_t found = 0;
  bool gap = false;

  if (b->rows != NULL && oq_map_find(b->rows, key, &found)) {
    if (found == GAP) note_gap(g, n, b->env->diags);
    *row = found == GAP ? NULL : (const oq_op_def *)(uintptr_t)found;
    return OQ_OK;
  }
  *row = find_row(g, n, &gap);
  if (gap) note_gap(g, n, b->env->diags);
  found = *row != NULL ? (uint64_t)(uintptr_t)*row : gap ? GAP : 0;
  if (b->rows != NULL && oq_map_put(b->rows, key, found) != OQ_OK)
    return oq_fail_memory(b->env->diags);
  return OQ_OK;
}

static oq_status bind_node(binder *b, oq_graph *g, oq_node *n) {
  const oq_op_def *row;

  if (n->dead || n->def != NULL) return OQ_OK;
  OQ_TRY(cached_row(&row, b, g, n));
  if (row == NULL) return OQ_OK;
  n->def = row;
  oq_status s = check_arity(g, n, b->env->diags);
  if (s == OQ_OK) s = bind_attrs(g, n, b->env);
  if (s != OQ_OK) n->def = NULL; /* bound means: has params */
  return s;
}

/* ---- a graph and its bodies ---------------------------------------------- */
static oq_status bind_graph(binder *b, oq_graph *g, unsigned depth);

static oq_status bind_bodies(binder *b, oq_graph *g, const oq_node *n,
                             unsigned depth) {
  for (uint32_t i = 0; i < n->n_attrs; i++) {
    const oq_attr *const a = &n->attrs[i];
    if (a->kind == OQ_ATTR_GRAPH && a->u.graph != NULL)
      OQ_TRY(bind_graph(b, a->u.graph, depth + 1));
    if (a->kind != OQ_ATTR_GRAPHS) continue;
    for (uint32_t k = 0; k < a->count; k++)
      OQ_TRY(bind_graph(b, a->u.graphs[k], depth + 1));
  }
  (void)g;
  return OQ_OK;
}

static oq_status bind_graph(binder *b, oq_graph *g, unsigned depth) {
  if (depth > OQ_MAX_GRAPH_DEPTH)
    return oq_fail(b->env->diags, OQ_E_LIMIT, "model.depth", NULL,
                   "graphs are nested more than %d deep", OQ_MAX_GRAPH_DEPTH);
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    if (g->nodes[i].dead) continue;
    OQ_TRY(bind_node(b, g, &g->nodes[i]));
    OQ_TRY(bind_bodies(b, g, &g->nodes[i], depth));
  }
  return OQ_OK;
}

oq_status oq_ops_bind(oq_model_ir *m, const oq_env *e) {
  binder b = {m, e, NULL};
  const oq_mark mark = oq_arena_mark(e->scratch);
  oq_status s = oq_map_create(&b.rows, e->scratch);

  if (s != OQ_OK) return oq_fail_memory(e->diags);
  s = bind_graph(&b, m->main, 0);
  oq_arena_rewind(e->scratch, mark);
  return s;
}

oq_status oq_ops_bind_node(oq_graph *g, oq_node_id n, const oq_env *e) {
  binder b = {g->model, e, NULL};

  return bind_node(&b, g, oq_graph_node(g, n));
}
