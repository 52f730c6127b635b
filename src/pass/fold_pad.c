/* pass/fold_pad.c - zeros put around the data by a Pad are put there by the
 * convolution or the pooling behind it. */
#include <math.h>
#include <string.h>

#include "pass/pass_util.h"

typedef struct folder {
  oq_graph *g;
  const oq_env *env;
  uint32_t n_changed;
} folder;

/* What a Pad puts around data of `rank`: begins, then ends. */
typedef struct padding {
  uint32_t rank;
  int64_t by[2 * OQ_MAX_RANK];
  double value;
} padding;

/* ---- the Pad --------------------------------------------------------------
 */
static bool read_value(double *to, const folder *f, const oq_node *n) {
  const oq_value_id v = oq_pass_in(n, 2);
  oq_ctensor t;

  *to = 0;
  if (!oq_value_ok(v)) return true;
  if (!oq_pass_const(&t, f->g, v, f->env->scratch) || oq_tensor_count(&t) != 1)
    return false;
  *to = oq_element_f64(&t, 0);
  return true;
}

/* pads[i], pads[n + i] are those of axes[i], or of axis i. */
static bool spread(padding *p, const int64_t *pads, uint32_t n,
                   const int64_t *axes) {
  for (uint32_t i = 0; i < n; i++) {
    uint32_t axis = i;
    if (axes != NULL && !oq_axis_normalize(&axis, axes[i], p->rank))
      return false;
    if (axis >= p->rank) return false;
    p->by[axis] = pads[i];
    p->by[p->rank + axis] = pads[n + i];
  }
  return true;
}

/* Only around the places, not around batch and channels, and nothing cut. */
static bool is_spatial(const padding *p) {
  for (uint32_t i = 0; i < 2 * p->rank; i++) {
    const int64_t by = p->by[i];
    if (by < 0 || by > INT32_MAX) return false;
    if (i % p->rank < 2 && by != 0) return false;
  }
  return p->rank > 2;
}

static bool read_pad(padding *p, const folder *f, const oq_node *n,
                     uint32_t rank) {
  const oq_attr *const attr = oq_node_attr(f->g, n, "pads");
  const oq_value_id axes_value = oq_pass_in(n, 3);
  const int64_t *pads, *axes = NULL;
  uint32_t n_pads, n_axes = rank;

  memset(p, 0, sizeof *p);
  p->rank = rank;
  if (n->def == NULL || !oq_pass_is(f->g, n, "Pad")) return false;
  if (!oq_pass_text_is(f->g, n, "mode", "constant", true)) return false;
  if (attr != NULL) return false; /* opset 10: raise_opset comes first */
  if (!oq_pass_ints(&pads, &n_pads, f->g, oq_pass_in(n, 1), 2 * OQ_MAX_RANK,
                    f->env->scratch))
    return false;
  if (oq_value_ok(axes_value) && !oq_pass_ints(&axes, &n_axes, f->g, axes_value,
                                               OQ_MAX_RANK, f->env->scratch))
    return false;
  return n_pads == 2 * n_axes && spread(p, pads, n_axes, axes) &&
         is_spatial(p) && read_value(&p->value, f, n);
}

/* ---- the node behind ------------------------------------------------------
 */
/* Its own pads: all zero where the attribute is absent. */
static bool own_pads(int64_t *pads, const folder *f, const oq_node *n,
                     uint32_t places) {
  const oq_attr *const a = oq_node_attr(f->g, n, "pads");

  memset(pads, 0, 2 * OQ_MAX_RANK * sizeof *pads);
  if (!oq_pass_text_is(f->g, n, "auto_pad", "NOTSET", true) &&
      !oq_pass_text_is(f->g, n, "auto_pad", "VALID", true))
    return false;
  if (a == NULL || oq_pass_text_is(f->g, n, "auto_pad", "VALID", false))
    return true;
  if (a->kind != OQ_ATTR_I64S || a->count != 2 * places) return false;
  for (uint32_t i = 0; i < a->count; i++) {
    if (a->u.i64s[i] < 0 || a->u.i64s[i] > INT32_MAX) return false;
    pads[i] = a->u.i64s[i];
  }
  return true;
}

static bool all_zero(const int64_t *v, uint32_t n) {
  for (uint32_t i = 0; i < n; i++)
    if (v[i] != 0) return false;
  return true;
}

static bool never_negative(const folder *f, oq_value_id v) {
  const oq_node *const n = oq_pass_producer(f->g, v, NULL);
  double lo;
  oq_ctensor t;

  if (n == NULL || n->def == NULL) return false;
  if (n->def->quant.has_range) return n->def->quant.lo >= 0;
  if (oq_pass_is(f->g, n, "Relu")) return true;
  if (!oq_pass_is(f->g, n, "Clip") || n->def->since < 11) return false;
  if (!oq_pass_const(&t, f->g, oq_pass_in(n, 1), f->env->scratch) ||
      oq_tensor_count(&t) != 1)
    return false;
  lo = oq_element_f64(&t, 0);
  return lo >= 0;
}

/* Every window of a pooling must see something that is there. */
static bool pads_below_kernel(const folder *f, const oq_node *n,
                              const int64_t *pads, uint32_t places) {
  const oq_attr *const k = oq_node_attr(f->g, n, "kernel_shape");

  if (k == NULL || k->kind != OQ_ATTR_I64S || k->count != places) return false;
  for (uint32_t i = 0; i < places; i++)
    if (pads[i] >= k->u.i64s[i] || pads[places + i] >= k->u.i64s[i])
      return false;
  return true;
}

static oq_status set_pads(folder *f, oq_node_id id, const int64_t *pads,
                          uint32_t places, oq_value_id data) {
  oq_attr a;

  OQ_TRY(oq_attr_i64s(f->g->model, &a, "pads", pads, 2 * places));
  OQ_TRY(oq_pass_put_attr(f->g, id, &a));
  OQ_TRY(oq_pass_drop_attr(f->g, id, "auto_pad"));
  f->n_changed++;
  return oq_edit_set_input(f->g, id, 0, data);
}

static bool is_pooling_of_pads(const folder *f, const oq_node *n,
                               const padding *p, const int64_t *own,
                               const int64_t *sum, oq_value_id data,
                               bool *count_them) {
  const uint32_t places = p->rank - 2;

  *count_them = false;
  if (n->n_out > 1) return false; /* indices count the pads */
  /* The last window may start in explicit pads, but not in implicit ones. */
  if (oq_pass_i64(f->g, n, "ceil_mode", 0) != 0) return false;
  if (!pads_below_kernel(f, n, sum, places)) return false;
  if (oq_pass_is(f->g, n, "MaxPool")) {
    if (p->value == (double)-INFINITY) return true;
    return p->value == 0 && never_negative(f, data);
  }
  if (!oq_pass_is(f->g, n, "AveragePool") || p->value != 0) return false;
  *count_them = true;
  return oq_pass_i64(f->g, n, "count_include_pad", 0) != 0 ||
         all_zero(own, 2 * places);
}

/* The rank of the data, as far as the node says it. */
static uint32_t rank_of(const folder *f, const oq_node *n) {
  const oq_attr *const k = oq_node_attr(f->g, n, "kernel_shape");
  const oq_type *w;

  if (oq_pass_is(f->g, n, "Conv")) {
    w = oq_pass_const_type(f->g, oq_pass_in(n, 1));
    return w != NULL ? w->rank : 0;
  }
  if (!oq_pass_is(f->g, n, "MaxPool") && !oq_pass_is(f->g, n, "AveragePool"))
    return 0;
  return k != NULL && k->count <= OQ_MAX_RANK - 2 ? k->count + 2 : 0;
}

static oq_status fold(folder *f, oq_node_id id) {
  const oq_node *const n = oq_graph_node(f->g, id);
  int64_t own[2 * OQ_MAX_RANK], sum[2 * OQ_MAX_RANK];
  padding p;
  bool count_them = false;

  if (n->dead || n->def == NULL) return OQ_OK;
  const uint32_t rank = rank_of(f, n);
  if (rank < 3) return OQ_OK;
  const oq_node *const pad = oq_pass_producer(f->g, n->in[0], NULL);
  const uint32_t places = rank - 2;
  if (pad == NULL || !read_pad(&p, f, pad, rank) ||
      !own_pads(own, f, n, places))
    return OQ_OK;
  for (uint32_t i = 0; i < places; i++) {
    sum[i] = own[i] + p.by[2 + i];
    sum[places + i] = own[places + i] + p.by[rank + 2 + i];
  }
  const oq_value_id data = pad->in[0];
  const bool is_conv = oq_pass_is(f->g, n, "Conv");
  if (is_conv ? p.value != 0
              : !is_pooling_of_pads(f, n, &p, own, sum, data, &count_them))
    return OQ_OK;
  if (count_them) {
    oq_attr a;
    OQ_TRY(oq_attr_i64(f->g->model, &a, "count_include_pad", 1));
    OQ_TRY(oq_pass_put_attr(f->g, id, &a));
  }
  return set_pads(f, id, sum, places, data);
}

static oq_status run_on_graph(oq_graph *g, uint32_t *changed, const oq_env *e) {
  folder f = {.g = g, .env = e};

  for (uint32_t i = 0; i < f.g->n_nodes; i++) {
    const oq_mark mark = oq_arena_mark(e->scratch);
    OQ_TRY(fold(&f, (oq_node_id){i}));
    oq_arena_rewind(e->scratch, mark);
  }
  *changed = f.n_changed;
  return OQ_OK;
}

oq_status oq_pass_fold_pad(oq_model_ir *m, const oq_pass_options *o,
                           uint32_t *changed, const oq_env *e) {
  (void)o;
  return oq_pass_each_graph(m, changed, run_on_graph, e);
}
