/* ops/support.c - what operator families share: refusing, reading small
 * integer inputs, common shape rules. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ops/op.h"

/* ---- refusing ------------------------------------------------------------ */
static oq_status fail_at(oq_diags *diags, const oq_graph *g, const oq_node *n,
                         oq_status s, const char *id, const char *fmt,
                         va_list args) {
  char text[512];
  const oq_where w = oq_node_where(g, (oq_node_id){(uint32_t)(n - g->nodes)});

  (void)vsnprintf(text, sizeof text, fmt, args);
  return oq_fail(diags, s, id, &w, "%s", text);
}

oq_status oq_infer_fail(const oq_infer *x, oq_status s, const char *id,
                        const char *fmt, ...) {
  va_list args;

  va_start(args, fmt);
  s = fail_at(x->diags, x->graph, x->node, s, id, fmt, args);
  va_end(args);
  return s;
}

oq_status oq_run_fail(const oq_run *r, oq_status s, const char *id,
                      const char *fmt, ...) {
  va_list args;

  va_start(args, fmt);
  s = fail_at(r->diags, r->graph, r->node, s, id, fmt, args);
  va_end(args);
  return s;
}

/* ---- small integers ------------------------------------------------------ */
static bool has_text(const oq_op_def *d, int64_t opset, uint32_t bit) {
  return (d->texts & bit) != 0 && opset >= d->texts_since;
}

bool oq_op_takes(const oq_op_def *d, int64_t opset, uint32_t i, oq_dtype t) {
  if (t == OQ_DT_STRING) {
    return has_text(d, opset, OQ_TEXT(i < OQ_TEXT_REST ? i : OQ_TEXT_REST));
  }
  return i > 0 || d->dtypes == 0 || oq_dtype_in((int32_t)t, d->dtypes);
}

bool oq_op_gives(const oq_op_def *d, int64_t opset, oq_dtype t) {
  return t != OQ_DT_STRING || has_text(d, opset, OQ_TEXT_OUT);
}

oq_status oq_ints_read(const int64_t **out, uint32_t *n, const oq_ctensor *t,
                       oq_arena *scratch) {
  if (t == NULL) {
    *out = NULL;
    *n = 0;
    return OQ_OK;
  }
  const size_t count = oq_tensor_count(t);
  if (t->dtype != OQ_DT_I64 && t->dtype != OQ_DT_I32) return OQ_E_MODEL;
  if (count > UINT32_MAX) return OQ_E_LIMIT;
  int64_t *const v = OQ_NEW_N(scratch, int64_t, count);
  if (v == NULL) return OQ_E_MEMORY;
  for (size_t i = 0; i < count; i++) v[i] = oq_element_i64(t, i);
  *out = v;
  *n = (uint32_t)count;
  return OQ_OK;
}

oq_status oq_infer_ints(const int64_t **out, uint32_t *n, bool *known,
                        const oq_infer *x, uint32_t slot) {
  const bool present = slot < x->n_in && oq_value_ok(x->node->in[slot]);
  const oq_ctensor *const t = present ? x->konst[slot] : NULL;

  if (present && t == NULL) {
    *out = NULL;
    *n = 0;
    *known = false;
    return OQ_OK;
  }
  const oq_status s = oq_ints_read(out, n, t, x->scratch);
  if (s == OQ_E_MEMORY) return oq_fail_memory(x->diags);
  if (s != OQ_OK)
    return oq_infer_fail(x, s, "op.input", "input %u is %s, expected integers",
                         slot, oq_dtype_text((int32_t)t->dtype));
  *known = true;
  return OQ_OK;
}

oq_status oq_infer_axes(const int64_t **axes, uint32_t *n, bool *known,
                        const oq_infer *x, const oq_i64s *attr, uint32_t slot) {
  if (attr != NULL && attr->set) {
    *axes = attr->v;
    *n = attr->n;
    *known = true;
    return OQ_OK;
  }
  return oq_infer_ints(axes, n, known, x, slot);
}

/* ---- types --------------------------------------------------------------- */
void oq_infer_set(oq_infer *x, uint32_t i, oq_dtype t, const oq_shape *s) {
  if (i >= x->n_out) return;
  oq_infer_set_dtype(x, i, t);
  x->out[i].has_rank = true;
  x->out[i].rank = s->rank;
  for (uint32_t k = 0; k < s->rank; k++)
    x->out[i].dim[k] = (oq_dim){.size = s->dim[k]};
}

void oq_infer_set_dtype(oq_infer *x, uint32_t i, oq_dtype t) {
  if (i >= x->n_out) return;
  x->out[i].kind = OQ_TYPE_TENSOR;
  x->out[i].dtype = t;
}

void oq_infer_set_rank(oq_infer *x, uint32_t i, oq_dtype t, uint32_t rank) {
  if (i >= x->n_out || rank > OQ_MAX_RANK) return;
  oq_infer_set_dtype(x, i, t);
  x->out[i].has_rank = true;
  x->out[i].rank = rank;
  for (uint32_t k = 0; k < rank; k++)
    x->out[i].dim[k] = (oq_dim){.size = OQ_DIM_UNKNOWN};
}

const oq_type *oq_infer_in(const oq_infer *x, uint32_t i) {
  if (i >= x->n_in || x->in[i] == NULL || x->in[i]->kind != OQ_TYPE_TENSOR)
    return NULL;
  return x->in[i];
}

bool oq_infer_shape(oq_shape *out, const oq_infer *x, uint32_t i) {
  const oq_type *const t = oq_infer_in(x, i);

  return t != NULL && oq_type_shape(out, t);
}

oq_dtype oq_infer_dtype(const oq_infer *x, uint32_t i) {
  const oq_type *const t = oq_infer_in(x, i);

  return t == NULL ? OQ_DT_NONE : t->dtype;
}

/* ---- common rules -------------------------------------------------------- */
static void copy_shape(oq_type *to, const oq_type *from) {
  to->has_rank = from->has_rank;
  to->rank = from->rank;
  memcpy(to->dim, from->dim, sizeof to->dim);
}

oq_status oq_infer_same(oq_infer *x) {
  const oq_type *const t = oq_infer_in(x, 0);

  if (t == NULL || x->n_out == 0) return OQ_OK;
  oq_infer_set_dtype(x, 0, t->dtype);
  copy_shape(&x->out[0], t);
  return OQ_OK;
}

/* One against one; false if both are known and do not fit. */
static bool broadcast_dim(oq_dim *to, oq_dim d) {
  if (d.size == 1) return true;
  if (to->size == 1) {
    *to = d;
    return true;
  }
  if (to->size != OQ_DIM_UNKNOWN && d.size != OQ_DIM_UNKNOWN)
    return to->size == d.size;
  if (to->size != OQ_DIM_UNKNOWN) return true; /* > 1 wins over unknown */
  if (d.size != OQ_DIM_UNKNOWN) {
    *to = d;
    return true;
  }
  if (!oq_name_eq(to->symbol, d.symbol)) to->symbol = (oq_name){0};
  return true;
}

static bool broadcast_into(oq_type *to, const oq_type *t) {
  if (t->rank > to->rank) {
    const uint32_t shift = t->rank - to->rank;
    memmove(to->dim + shift, to->dim, to->rank * sizeof to->dim[0]);
    for (uint32_t i = 0; i < shift; i++) to->dim[i] = (oq_dim){.size = 1};
    to->rank = t->rank;
  }
  for (uint32_t i = 0; i < t->rank; i++)
    if (!broadcast_dim(&to->dim[to->rank - t->rank + i], t->dim[i]))
      return false;
  return true;
}

/* Output shape: all present inputs from `first` on, broadcast together. */
static oq_status broadcast_all(oq_infer *x, uint32_t first) {
  oq_type shape = {.has_rank = true};

  for (uint32_t i = first; i < x->n_in; i++) {
    if (!oq_value_ok(x->node->in[i])) continue;
    const oq_type *const t = oq_infer_in(x, i);
    if (t == NULL || !t->has_rank) return OQ_OK;
    if (!broadcast_into(&shape, t))
      return oq_infer_fail(x, OQ_E_MODEL, "op.broadcast",
                           "the shapes of inputs 0 to %u cannot be broadcast "
                           "together",
                           i);
  }
  if (x->n_out > 0) copy_shape(&x->out[0], &shape);
  return OQ_OK;
}

oq_status oq_infer_broadcast(oq_infer *x) {
  oq_dtype t = oq_infer_dtype(x, 0);

  for (uint32_t i = 1; i < x->n_in && t == OQ_DT_NONE; i++)
    t = oq_infer_dtype(x, i);
  if (t == OQ_DT_NONE) return OQ_OK;
  oq_infer_set_dtype(x, 0, t);
  return broadcast_all(x, 0);
}

oq_status oq_infer_broadcast_bool(oq_infer *x) {
  oq_infer_set_dtype(x, 0, OQ_DT_BOOL);
  return broadcast_all(x, 0);
}

oq_status oq_infer_same_dtypes(const oq_infer *x, uint32_t from, uint32_t to) {
  oq_dtype t = OQ_DT_NONE;

  for (uint32_t i = from; i < to && i < x->n_in; i++) {
    const oq_dtype u = oq_infer_dtype(x, i);
    if (u == OQ_DT_NONE) continue;
    if (t == OQ_DT_NONE) t = u;
    if (t == u) continue;
    return oq_infer_fail(x, OQ_E_MODEL, "op.dtype",
                         "input %u is %s where another one is %s", i,
                         oq_dtype_text((int32_t)u), oq_dtype_text((int32_t)t));
  }
  return OQ_OK;
}
