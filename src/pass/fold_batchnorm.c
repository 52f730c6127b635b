/* pass/fold_batchnorm.c - what scales and shifts each channel behind a linear
 * node (BatchNormalization; Mul, Div, Add, Sub by constants) goes into its
 * weights and its bias:
 *     a (W x + b) + c  =  (a W) x + (a b + c)
 * All products are made in double and rounded once. */
#include <math.h>

#include "pass/pass_util.h"

typedef enum linear_kind { CONV, CONV_TRANSPOSE, GEMM, MATMUL } linear_kind;

/* A node with constant weights, and the Add that holds its bias (MatMul). */
typedef struct linear {
  linear_kind kind;
  oq_node_id id, add; /* add: OQ_NONE if there is none */
  uint32_t add_slot;  /* of the constant of `add` */
  oq_value_id weight;
  const oq_type *wt;
  int64_t groups;
  bool transposed; /* Gemm: weight is [N, K] */
  uint32_t rank;   /* of the result; 0 = unknown, at least 1 */
  uint32_t axis;   /* of its channels, counted from the right */
  uint32_t n;      /* channels */
} linear;

/* a x + b by channel; NULL: 1, 0. */
typedef struct affine {
  double *a, *b;
} affine;

typedef struct folder {
  oq_graph *g;
  const oq_env *env;
  const oq_type **types;
  oq_pass_uses uses;
  uint32_t n_changed;
} folder;

static bool is_real(oq_dtype t) { return t == OQ_DT_F32 || t == OQ_DT_F64; }

/* ---- the linear node ------------------------------------------------------
 */
static bool find_kind(linear *l, const oq_graph *g, const oq_node *n) {
  if (oq_pass_is(g, n, "Conv")) {
    l->kind = CONV;
  } else if (oq_pass_is(g, n, "ConvTranspose")) {
    l->kind = CONV_TRANSPOSE;
  } else if (oq_pass_is(g, n, "Gemm")) {
    l->kind = GEMM;
  } else if (oq_pass_is(g, n, "MatMul")) {
    l->kind = MATMUL;
  } else {
    return false;
  }
  return true;
}

/* Channels, groups and axes; false if the weights are not as they must be. */
static bool measure(linear *l, const folder *f, const oq_node *n) {
  const oq_type *const w = l->wt;
  const oq_type *const x = f->types[n->in[0].i];
  int64_t channels;
  size_t count;
  oq_shape s;

  l->groups = oq_pass_i64(f->g, n, "group", 1);
  l->transposed = l->kind == GEMM && oq_pass_i64(f->g, n, "transB", 0) != 0;
  if (l->kind == CONV || l->kind == CONV_TRANSPOSE) {
    if (w->rank < 3 || l->groups <= 0) return false;
    l->rank = w->rank;
    l->axis = w->rank - 2;
    if (l->kind == CONV) {
      channels = w->dim[0].size;
    } else if (!oq_mul_i64(&channels, w->dim[1].size, l->groups) ||
               w->dim[0].size % l->groups != 0) {
      return false;
    }
  } else {
    if (w->rank != 2) return false;
    l->rank = 2;
    if (l->kind == MATMUL)
      l->rank =
          x != NULL && x->kind == OQ_TYPE_TENSOR && x->has_rank ? x->rank : 0;
    l->axis = 0;
    channels = w->dim[l->transposed ? 0 : 1].size;
  }
  /* Empty weights say nothing of how much memory a row of channels takes. */
  if (oq_type_shape(&s, w) && oq_shape_count(&count, &s) == OQ_OK && count == 0)
    return false;
  if (channels <= 0 || channels > UINT32_MAX) return false;
  l->n = (uint32_t)channels;
  return true;
}

static bool find_plain(linear *l, const folder *f, oq_value_id v) {
  const oq_node *const n = oq_pass_producer(f->g, v, &l->id);
  oq_shape s;

  if (n == NULL || n->def == NULL || !find_kind(l, f->g, n)) return false;
  l->add.i = OQ_NONE;
  l->weight = oq_pass_in(n, 1);
  l->wt = oq_pass_const_type(f->g, l->weight);
  return l->wt != NULL && is_real(l->wt->dtype) && oq_type_shape(&s, l->wt) &&
         measure(l, f, n);
}

/* Numbers of a constant that is one per channel, or one for all. */
static bool per_channel(double *to, const folder *f, const linear *l,
                        oq_value_id v) {
  const oq_type *const c = oq_pass_const_type(f->g, v);
  oq_ctensor t;

  if (c == NULL || c->rank > (l->rank == 0 ? 1 : l->rank)) return false;
  for (uint32_t i = 0; i < c->rank; i++) {
    const int64_t size = c->dim[c->rank - 1 - i].size;
    if (size != 1 && !(i == l->axis && size == (int64_t)l->n)) return false;
  }
  if (!oq_dtype_in((int32_t)c->dtype, OQ_DTM_FLOAT) ||
      !oq_pass_const(&t, f->g, v, f->env->scratch))
    return false;
  const bool one = oq_tensor_count(&t) == 1;
  for (uint32_t i = 0; i < l->n; i++) to[i] = oq_element_f64(&t, one ? 0 : i);
  return true;
}

/* The input of a two-sided node that is constant; OQ_NONE unless just one. */
static uint32_t const_slot(const folder *f, const oq_node *n) {
  if (n->n_in != 2) return OQ_NONE;
  const bool a = oq_pass_is_const(f->g, n->in[0]);
  const bool b = oq_pass_is_const(f->g, n->in[1]);

  return a == b ? OQ_NONE : a ? 0 : 1;
}

/* MatMul and the Add of a constant behind it. */
static bool find_with_add(linear *l, const folder *f, oq_value_id v) {
  oq_node_id id;
  const oq_node *const n = oq_pass_producer(f->g, v, &id);
  oq_use use;

  if (n == NULL || !oq_pass_is(f->g, n, "Add")) return false;
  const uint32_t slot = const_slot(f, n);
  if (slot == OQ_NONE || !oq_pass_only_use(&f->uses, n->in[1 - slot], &use))
    return false;
  if (!find_plain(l, f, n->in[1 - slot]) || l->kind != MATMUL) return false;
  l->add = id;
  l->add_slot = slot;
  return true;
}

/* ---- what is behind it ----------------------------------------------------
 */
static double *new_row(const folder *f, const linear *l) {
  return OQ_NEW_N(f->env->scratch, double, l->n);
}

static bool is_vector(const folder *f, oq_value_id v, uint32_t n) {
  const oq_type *const c = oq_pass_const_type(f->g, v);

  return c != NULL && c->rank == 1 && c->dim[0].size == (int64_t)n;
}

static bool read_batchnorm(affine *y, const folder *f, const linear *l,
                           const oq_node *n) {
  const double epsilon = (double)oq_pass_f32(f->g, n, "epsilon", 1e-5f);
  double *row[5] = {NULL};

  if (n->n_in != 5 || l->rank < 2 || l->axis != l->rank - 2) return false;
  if (oq_pass_i64(f->g, n, "training_mode", 0) != 0 ||
      oq_pass_i64(f->g, n, "spatial", 1) != 1)
    return false;
  for (uint32_t i = 1; i < n->n_out; i++)
    if (!oq_pass_unused(&f->uses, n->out[i])) return false;
  for (uint32_t i = 1; i < 5; i++) {
    row[i] = new_row(f, l);
    if (row[i] == NULL || !is_vector(f, n->in[i], l->n)) return false;
    /* A vector of channels, wherever they are in the result. */
    linear flat = *l;
    flat.rank = 1;
    flat.axis = 0;
    if (!per_channel(row[i], f, &flat, n->in[i])) return false;
  }
  y->a = row[1];
  y->b = row[2];
  for (uint32_t c = 0; c < l->n; c++) {
    const double a = row[1][c] / sqrt(row[4][c] + epsilon);
    y->b[c] = row[2][c] - row[3][c] * a;
    y->a[c] = a;
  }
  return true;
}

static bool read_binary(affine *y, const folder *f, const linear *l,
                        const oq_node *n, uint32_t slot) {
  double *const c = new_row(f, l);
  const bool is_mul = oq_pass_is(f->g, n, "Mul");
  const bool is_div = oq_pass_is(f->g, n, "Div");
  const bool is_sub = oq_pass_is(f->g, n, "Sub");

  if (c == NULL || !per_channel(c, f, l, n->in[slot])) return false;
  if (is_mul || is_div) {
    if (is_div && slot == 0) return false; /* c / x is not linear */
    y->a = c;
    for (uint32_t i = 0; is_div && i < l->n; i++) c[i] = 1 / c[i];
    return true;
  }
  y->b = c;
  if (!is_sub) return true;
  if (slot == 1) {
    for (uint32_t i = 0; i < l->n; i++) c[i] = -c[i];
    return true;
  }
  y->a = new_row(f, l); /* c - x */
  for (uint32_t i = 0; y->a != NULL && i < l->n; i++) y->a[i] = -1;
  return y->a != NULL;
}

static bool all_finite(const double *v, uint32_t n) {
  for (uint32_t i = 0; v != NULL && i < n; i++)
    if (!isfinite(v[i])) return false;
  return true;
}

static bool read_affine(affine *y, const folder *f, const linear *l,
                        const oq_node *n, uint32_t slot) {
  const bool got = slot == OQ_NONE ? read_batchnorm(y, f, l, n)
                                   : read_binary(y, f, l, n, slot);

  return got && all_finite(y->a, l->n) && all_finite(y->b, l->n);
}

/* ---- new weights ----------------------------------------------------------
 */
static uint32_t channel_of(const linear *l, size_t i, size_t inner) {
  const size_t cols = (size_t)l->wt->dim[1].size;

  switch (l->kind) {
    case CONV:
      return (uint32_t)(i / (inner * cols));
    case CONV_TRANSPOSE: { /* [C, M / groups, ...] */
      const size_t row = i / (inner * cols), col = i / inner % cols;
      const size_t rows = (size_t)(l->wt->dim[0].size / l->groups);
      return (uint32_t)(row / rows * cols + col);
    }
    case GEMM:
    case MATMUL:
    default:
      return (uint32_t)(l->transposed ? i / cols : i % cols);
  }
}

static bool is_finite_at(const oq_tensor *t, size_t i) {
  const oq_ctensor c = oq_tensor_const(t);

  return isfinite(oq_element_f64(&c, i));
}

/* false (and nothing kept) where float cannot hold the result. */
static bool scale_weight(oq_pass_numbers *to, const folder *f, const linear *l,
                         const double *a) {
  const size_t rank = l->wt->rank;
  oq_ctensor w;
  size_t inner = 1;
  bool good = true;

  if (!oq_pass_const(&w, f->g, l->weight, f->env->scratch)) return false;
  for (size_t d = 2; d < rank; d++) inner *= (size_t)w.shape.dim[d];
  if (oq_pass_numbers_new(to, w.dtype, &w.shape, f->env) != OQ_OK) return false;
  for (size_t i = 0, n = oq_tensor_count(&w); good && i < n; i++) {
    const double v = oq_element_f64(&w, i) * a[channel_of(l, i, inner)];
    oq_element_set_f64(&to->t, i, v);
    good = is_finite_at(&to->t, i);
  }
  if (!good) oq_pass_numbers_drop(to);
  return good;
}

static bool write_bias(oq_pass_numbers *to, const folder *f, const linear *l,
                       const double *v) {
  const oq_shape s = {.rank = 1, .dim = {l->n}};
  bool good = true;

  if (oq_pass_numbers_new(to, l->wt->dtype, &s, f->env) != OQ_OK) return false;
  for (uint32_t i = 0; good && i < l->n; i++) {
    oq_element_set_f64(&to->t, i, v[i]);
    good = is_finite_at(&to->t, i);
  }
  if (!good) oq_pass_numbers_drop(to);
  return good;
}

/* The bias there is now: *has = false if none; false if it cannot be folded. */
static bool read_bias(double *to, bool *has, const folder *f, const linear *l) {
  const oq_node *const n = oq_graph_node(f->g, l->id);
  linear flat = *l;
  oq_value_id v = oq_pass_in(n, 2);
  double beta = 1;

  if (oq_node_ok(l->add)) v = oq_graph_node(f->g, l->add)->in[l->add_slot];
  *has = oq_value_ok(v) && (l->kind != MATMUL || oq_node_ok(l->add));
  if (!*has) return true;
  if (l->kind == GEMM) beta = (double)oq_pass_f32(f->g, n, "beta", 1);
  if (l->kind != MATMUL) flat.axis = 0;
  if (!per_channel(to, f, &flat, v)) return false;
  for (uint32_t i = 0; i < l->n; i++) to[i] *= beta;
  return true;
}

/* ---- do -------------------------------------------------------------------
 */
typedef struct change {
  linear l;
  oq_node_id last; /* what is folded */
  affine f;
  double *bias; /* NULL: none afterwards */
  bool had_bias;
  oq_pass_numbers weight, row; /* no store: stays as it is */
} change;

static bool join_bias(change *c, const folder *f) {
  double *const b = new_row(f, &c->l);
  bool any = false;

  if (b == NULL || !read_bias(b, &c->had_bias, f, &c->l)) return false;
  for (uint32_t i = 0; i < c->l.n; i++) {
    if (c->f.a != NULL) b[i] *= c->f.a[i];
    if (c->f.b != NULL) b[i] += c->f.b[i];
    any |= b[i] != 0;
  }
  if (c->had_bias || any) c->bias = b;
  return true;
}

/* Everything that can go wrong is tried before the graph is touched. */
static bool compute(change *c, const folder *f) {
  if (!join_bias(c, f)) return false;
  if (c->f.a != NULL && !scale_weight(&c->weight, f, &c->l, c->f.a))
    return false;
  if (c->bias == NULL || write_bias(&c->row, f, &c->l, c->bias)) return true;
  oq_pass_numbers_drop(&c->weight);
  return false;
}

static bool alone(const folder *f, oq_node_id n, uint32_t slot) {
  return oq_pass_is_alone(f->g, &f->uses,
                          oq_pass_in(oq_graph_node(f->g, n), slot));
}

static oq_status put_bias(folder *f, change *c, oq_node_id n, uint32_t slot) {
  const char *const hint =
      oq_arena_format(f->env->scratch, "%s_bias", oq_node_text(f->g, c->l.id));

  if (hint == NULL) return OQ_E_MEMORY;
  return oq_pass_numbers_put(f->g, n, slot, alone(f, n, slot), hint, &c->row);
}

/* A MatMul without an Add: the last node becomes it. */
static oq_status become_add(folder *f, change *c) {
  oq_graph *const g = f->g;
  const oq_value_id data = oq_graph_node(g, c->l.id)->out[0];
  const oq_value_id none = {OQ_NONE};

  OQ_TRY(oq_edit_set_op(g, c->last, "", "Add"));
  OQ_TRY(oq_edit_set_attrs(g, c->last, NULL, 0));
  for (uint32_t i = 1; i < oq_graph_node(g, c->last)->n_in; i++)
    OQ_TRY(oq_edit_set_input(g, c->last, i, none));
  for (uint32_t i = 1; i < oq_graph_node(g, c->last)->n_out; i++)
    OQ_TRY(oq_edit_set_output(g, c->last, i, none));
  OQ_TRY(oq_edit_set_input(g, c->last, 0, data));
  OQ_TRY(oq_edit_trim_ports(g, c->last));
  return put_bias(f, c, c->last, 1);
}

static oq_status carry_out(folder *f, change *c) {
  const linear *const l = &c->l;
  oq_attr beta;

  if (c->weight.store != NULL)
    OQ_TRY(oq_pass_numbers_put(f->g, l->id, 1, alone(f, l->id, 1), "weight",
                               &c->weight));
  if (l->kind == GEMM && c->bias != NULL) {
    OQ_TRY(oq_attr_f32(f->g->model, &beta, "beta", 1));
    OQ_TRY(oq_pass_put_attr(f->g, l->id, &beta));
  }
  f->n_changed++;
  if (c->bias == NULL) return oq_pass_absorb(f->g, l->id, c->last);
  if (oq_node_ok(l->add)) {
    OQ_TRY(put_bias(f, c, l->add, l->add_slot));
    return oq_pass_absorb(f->g, l->add, c->last);
  }
  if (l->kind == MATMUL) return become_add(f, c);
  OQ_TRY(put_bias(f, c, l->id, 2));
  return oq_pass_absorb(f->g, l->id, c->last);
}

/* Which input of `n` is the data; OQ_NONE if it is not a node to fold.
 * *slot: the constant of a two-sided node. */
static uint32_t data_slot(const folder *f, const oq_node *n, uint32_t *slot) {
  static const char *const binary[] = {"Mul", "Div", "Add", "Sub"};

  *slot = OQ_NONE;
  if (n->dead || n->def == NULL || n->n_out == 0) return OQ_NONE;
  if (oq_pass_is(f->g, n, "BatchNormalization")) return 0;
  for (size_t i = 0; i < sizeof binary / sizeof binary[0]; i++) {
    if (!oq_pass_is(f->g, n, binary[i])) continue;
    *slot = const_slot(f, n);
    return *slot == OQ_NONE ? OQ_NONE : 1 - *slot;
  }
  return OQ_NONE;
}

static oq_status fold(folder *f, oq_node_id id) {
  const oq_node *const n = oq_graph_node(f->g, id);
  change c = {.last = id};
  uint32_t slot;
  const uint32_t from = data_slot(f, n, &slot);
  oq_use use;

  if (from == OQ_NONE || !oq_pass_only_use(&f->uses, n->in[from], &use))
    return OQ_OK;
  if (!find_plain(&c.l, f, n->in[from]) && !find_with_add(&c.l, f, n->in[from]))
    return OQ_OK;
  if (!read_affine(&c.f, f, &c.l, n, slot)) return OQ_OK;
  /* MatMul and Add is the form that stays. */
  if (c.l.kind == MATMUL && !oq_node_ok(c.l.add) && c.f.a == NULL &&
      oq_pass_is(f->g, n, "Add"))
    return OQ_OK;
  return compute(&c, f) ? carry_out(f, &c) : OQ_OK;
}

static oq_status run_on_graph(oq_graph *g, uint32_t *changed, const oq_env *e) {
  folder f = {.g = g, .env = e};
  const oq_node_id *order;
  uint32_t n;

  OQ_TRY(oq_pass_uses_take(&f.uses, f.g, e));
  OQ_TRY(oq_pass_types(&f.types, f.g, e->scratch, e));
  OQ_TRY(oq_walk_order(&order, &n, f.g, e->scratch, e->diags));
  for (uint32_t i = 0; i < n; i++) {
    const oq_mark mark = oq_arena_mark(e->scratch);
    OQ_TRY(fold(&f, order[i]));
    oq_arena_rewind(e->scratch, mark);
  }
  *changed = f.n_changed;
  return OQ_OK;
}

oq_status oq_pass_fold_batchnorm(oq_model_ir *m, const oq_pass_options *o,
                                 uint32_t *changed, const oq_env *e) {
  (void)o;
  return oq_pass_each_graph(m, changed, run_on_graph, e);
}
