/* pass/merge_clamp.c - Relu and Clip in a row become one. */
#include <math.h>

#include "pass/pass_util.h"

/* lo <= hi; the constants are OQ_NONE for the ends of Relu and for none. */
typedef struct range {
  double lo, hi;
  oq_value_id lo_value, hi_value;
} range;

typedef struct merger {
  oq_graph *g;
  const oq_env *env;
  oq_pass_uses uses;
  uint32_t n_changed;
} merger;

static bool read_bound(double *to, const merger *m, oq_value_id v) {
  oq_ctensor t;

  if (!oq_value_ok(v)) return true; /* none */
  if (!oq_pass_const(&t, m->g, v, m->env->scratch) ||
      oq_tensor_count(&t) != 1 || !oq_dtype_in((int32_t)t.dtype, OQ_DTM_FLOAT))
    return false;
  *to = oq_element_f64(&t, 0);
  return !isnan(*to);
}

static bool read_range(range *r, const merger *m, const oq_node *n) {
  *r = (range){(double)-INFINITY, (double)INFINITY, {OQ_NONE}, {OQ_NONE}};
  if (n->dead || n->def == NULL) return false;
  if (oq_pass_is(m->g, n, "Relu")) {
    r->lo = 0;
    return true;
  }
  if (!oq_pass_is(m->g, n, "Clip") || n->def->since < 11) return false;
  r->lo_value = oq_pass_in(n, 1);
  r->hi_value = oq_pass_in(n, 2);
  return read_bound(&r->lo, m, r->lo_value) &&
         read_bound(&r->hi, m, r->hi_value) && r->lo <= r->hi &&
         r->lo < (double)INFINITY && r->hi > (double)-INFINITY;
}

/* First a, then b: the ends of a as b leaves them. */
static range join(const range *a, const range *b) {
  range y = *a;

  if (y.lo < b->lo) y.lo = b->lo, y.lo_value = b->lo_value;
  if (y.lo > b->hi) y.lo = b->hi, y.lo_value = b->hi_value;
  if (y.hi > b->hi) y.hi = b->hi, y.hi_value = b->hi_value;
  if (y.hi < b->lo) y.hi = b->lo, y.hi_value = b->lo_value;
  /* Relu has no constant for its end; Clip may have the same one. */
  if (y.lo == b->lo && !oq_value_ok(y.lo_value)) y.lo_value = b->lo_value;
  return y;
}

/* An end that came from Relu needs a constant; there is another end then, whose
 * type says of which type. */
static oq_status end_value(oq_value_id *to, const merger *m, double end,
                           oq_value_id have, oq_value_id other,
                           const char *hint) {
  *to = (oq_value_id){OQ_NONE};
  if (isinf(end)) return OQ_OK;
  *to = have;
  if (oq_value_ok(have)) return OQ_OK;
  const oq_type *const t = oq_pass_const_type(m->g, other);
  if (t == NULL) return OQ_E_INTERNAL;
  return oq_pass_add_scalar(to, m->g, hint, t->dtype, end);
}

static oq_status become(merger *m, oq_node_id id, const range *r) {
  const bool is_relu = r->lo == 0 && isinf(r->hi);
  oq_value_id lo = {OQ_NONE}, hi = {OQ_NONE};

  if (!is_relu) {
    const char *const hint =
        oq_arena_format(m->env->scratch, "%s_bound", oq_node_text(m->g, id));
    if (hint == NULL) return OQ_E_MEMORY;
    OQ_TRY(end_value(&lo, m, r->lo, r->lo_value, r->hi_value, hint));
    OQ_TRY(end_value(&hi, m, r->hi, r->hi_value, r->lo_value, hint));
  }
  OQ_TRY(oq_edit_set_op(m->g, id, "", is_relu ? "Relu" : "Clip"));
  OQ_TRY(oq_edit_set_input(m->g, id, 1, lo));
  OQ_TRY(oq_edit_set_input(m->g, id, 2, hi));
  return oq_edit_trim_ports(m->g, id);
}

static oq_status merge(merger *m, oq_node_id last) {
  const oq_node *const n = oq_graph_node(m->g, last);
  oq_node_id first;
  range a, b;
  oq_use use;

  if (!read_range(&b, m, n)) return OQ_OK;
  const oq_node *const before = oq_pass_producer(m->g, n->in[0], &first);
  if (before == NULL || !oq_pass_only_use(&m->uses, n->in[0], &use) ||
      !read_range(&a, m, before))
    return OQ_OK;
  const range y = join(&a, &b);
  m->n_changed++;
  OQ_TRY(become(m, first, &y));
  OQ_TRY(oq_pass_absorb(m->g, first, last));
  return oq_ops_bind_node(m->g, first, m->env); /* for the next in the row */
}

static oq_status run_on_graph(oq_graph *g, uint32_t *changed, const oq_env *e) {
  merger c = {.g = g, .env = e};
  const oq_node_id *order;
  uint32_t n;

  OQ_TRY(oq_pass_uses_take(&c.uses, c.g, e));
  OQ_TRY(oq_walk_order(&order, &n, c.g, e->scratch, e->diags));
  for (uint32_t i = 0; i < n; i++) {
    const oq_mark mark = oq_arena_mark(e->scratch);
    OQ_TRY(merge(&c, order[i]));
    oq_arena_rewind(e->scratch, mark);
  }
  *changed = c.n_changed;
  return OQ_OK;
}

oq_status oq_pass_merge_clamp(oq_model_ir *m, const oq_pass_options *o,
                              uint32_t *changed, const oq_env *e) {
  (void)o;
  *changed = 0;
  /* Before, the bounds of Clip were attributes. */
  if (oq_ir_opset(m, (oq_name){0}) < 11) return OQ_OK;
  return oq_pass_each_graph(m, changed, run_on_graph, e);
}
