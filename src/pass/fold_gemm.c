/* pass/fold_gemm.c - alpha and beta of Gemm go into its constants, and a
 * constant C gets the form of a bias: one number per column. */
#include <math.h>

#include "pass/pass_util.h"

typedef struct folder {
  oq_graph *g;
  const oq_env *env;
  oq_pass_uses uses;
  uint32_t n_changed;
} folder;

static bool is_real_const(const folder *f, oq_value_id v) {
  const oq_type *const t = oq_pass_const_type(f->g, v);
  oq_shape s;
  size_t n;

  return t != NULL && (t->dtype == OQ_DT_F32 || t->dtype == OQ_DT_F64) &&
         oq_type_shape(&s, t) && oq_shape_count(&n, &s) == OQ_OK && n > 0;
}

/* Constant `slot` times `factor` as shape `s` (one element is repeated); false
 * where it does not stay finite, or for want of memory. */
static bool scaled(oq_pass_numbers *to, const folder *f, oq_value_id v,
                   const oq_shape *s, double factor) {
  oq_ctensor from;
  bool good = true;

  if (!oq_pass_const(&from, f->g, v, f->env->scratch)) return false;
  if (oq_pass_numbers_new(to, from.dtype, s, f->env) != OQ_OK) return false;
  const oq_ctensor made = oq_tensor_const(&to->t);
  const bool one = oq_tensor_count(&from) == 1;
  for (size_t i = 0, n = oq_tensor_count(&made); good && i < n; i++) {
    oq_element_set_f64(&to->t, i, oq_element_f64(&from, one ? 0 : i) * factor);
    good = isfinite(oq_element_f64(&made, i));
  }
  if (!good) oq_pass_numbers_drop(to);
  return good;
}

static oq_status put(folder *f, oq_node_id id, uint32_t slot,
                     oq_pass_numbers *n) {
  const oq_value_id v = oq_graph_node(f->g, id)->in[slot];

  f->n_changed++;
  return oq_pass_numbers_put(f->g, id, slot,
                             oq_pass_is_alone(f->g, &f->uses, v), "gemm", n);
}

static oq_status fold_alpha(folder *f, oq_node_id id) {
  const oq_node *const n = oq_graph_node(f->g, id);
  const double alpha = (double)oq_pass_f32(f->g, n, "alpha", 1);
  const oq_value_id b = oq_pass_in(n, 1);
  oq_pass_numbers to;
  oq_shape s;

  if (alpha == 1 || !isfinite(alpha) || !is_real_const(f, b)) return OQ_OK;
  (void)oq_type_shape(&s, oq_pass_const_type(f->g, b));
  if (!scaled(&to, f, b, &s, alpha)) return OQ_OK;
  OQ_TRY(put(f, id, 1, &to));
  return oq_pass_drop_attr(f->g, id, "alpha");
}

/* Columns of the result; -1 if not known. */
static int64_t columns(const folder *f, const oq_node *n) {
  const oq_type *const b = oq_pass_const_type(f->g, oq_pass_in(n, 1));

  if (b == NULL || b->rank != 2 || !is_real_const(f, oq_pass_in(n, 1)))
    return -1;
  return b->dim[oq_pass_i64(f->g, n, "transB", 0) != 0 ? 0 : 1].size;
}

/* [N] if C is one number per column, or one for all; else as it is. */
static oq_shape bias_shape(const oq_type *c, int64_t n) {
  oq_shape s = {.rank = c->rank};
  int64_t last = 1;

  for (uint32_t i = 0; i < c->rank; i++) s.dim[i] = last = c->dim[i].size;
  if (n < 0 || (last != 1 && last != n)) return s;
  if (c->rank == 2 && c->dim[0].size != 1) return s;
  return (oq_shape){.rank = 1, .dim = {n}};
}

static oq_status fold_beta(folder *f, oq_node_id id) {
  const oq_node *const n = oq_graph_node(f->g, id);
  const double beta = (double)oq_pass_f32(f->g, n, "beta", 1);
  const oq_value_id c = oq_pass_in(n, 2);
  oq_shape had;
  oq_pass_numbers to;

  if (!oq_value_ok(c) && beta != 1) {
    f->n_changed++;
    return oq_pass_drop_attr(f->g, id, "beta"); /* of nothing */
  }
  if (!oq_value_ok(c) || !isfinite(beta) || !is_real_const(f, c)) return OQ_OK;
  const oq_type *const t = oq_pass_const_type(f->g, c);
  if (t->rank > 2 || !oq_type_shape(&had, t)) return OQ_OK;
  const oq_shape s = bias_shape(t, columns(f, n));
  if (beta == 1 && oq_shape_equal(&had, &s)) return OQ_OK;
  if (!scaled(&to, f, c, &s, beta)) return OQ_OK;
  OQ_TRY(put(f, id, 2, &to));
  return oq_pass_drop_attr(f->g, id, "beta");
}

static oq_status run_on_graph(oq_graph *g, uint32_t *changed, const oq_env *e) {
  folder f = {.g = g, .env = e};

  OQ_TRY(oq_pass_uses_take(&f.uses, f.g, e));
  for (uint32_t i = 0; i < f.g->n_nodes; i++) {
    const oq_mark mark = oq_arena_mark(e->scratch);
    if (f.g->nodes[i].def == NULL || !oq_pass_is(f.g, &f.g->nodes[i], "Gemm"))
      continue;
    OQ_TRY(fold_alpha(&f, (oq_node_id){i}));
    OQ_TRY(fold_beta(&f, (oq_node_id){i}));
    oq_arena_rewind(e->scratch, mark);
  }
  *changed = f.n_changed;
  return OQ_OK;
}

oq_status oq_pass_fold_gemm(oq_model_ir *m, const oq_pass_options *o,
                            uint32_t *changed, const oq_env *e) {
  (void)o;
  return oq_pass_each_graph(m, changed, run_on_graph, e);
}
