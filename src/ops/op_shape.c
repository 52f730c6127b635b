/* Shapes as values, and values under other shapes: Shape, Size, Reshape,
 * Flatten, Squeeze, Unsqueeze, Expand. */
#include <string.h>

#include "ops/bytes.h"
#include "ops/op.h"
#include "ops/rules.h"

/* ---- Shape, Size --------------------------------------------------------- */
typedef struct shape_params {
  int64_t start, end;
  bool has_end;
} shape_params;

static const oq_attr_def shape_attrs[] = {
    OQ_A_AXIS(shape_params, start, "start", 0),
    {.name = "end",
     .kind = OQ_ATTR_I64,
     .offset = offsetof(shape_params, end),
     .set_offset = offsetof(shape_params, has_end),
     .min = 1,
     .max = 0},
};

static uint32_t shape_end(int64_t v, uint32_t rank) {
  if (v < 0) v = v < -(int64_t)rank ? 0 : v + rank;
  return v > rank ? rank : (uint32_t)v;
}

static void shape_range(uint32_t *from, uint32_t *to, const shape_params *p,
                        uint32_t rank) {
  *from = p == NULL ? 0 : shape_end(p->start, rank);
  *to = p == NULL || !p->has_end ? rank : shape_end(p->end, rank);
  if (*to < *from) *to = *from;
}

/* Rows without attributes have params of size 0. */
static const shape_params *shape_of(const oq_node *n, const void *params) {
  return n->def->n_attrs == 0 ? NULL : params;
}

static oq_status shape_infer(oq_infer *x) {
  const oq_type *const t = oq_rule_ranked(x, 0);
  uint32_t from, to;

  oq_infer_set_rank(x, 0, OQ_DT_I64, 1);
  if (t == NULL) return OQ_OK;
  shape_range(&from, &to, shape_of(x->node, x->params), t->rank);
  x->out[0].dim[0].size = to - from;
  return OQ_OK;
}

static oq_status shape_run(oq_run *r) {
  const oq_shape *const s = &r->in[0]->shape;
  int64_t *const y = r->out[0].data;
  uint32_t from, to;

  shape_range(&from, &to, shape_of(r->node, r->params), s->rank);
  for (uint32_t i = from; i < to; i++) y[i - from] = s->dim[i];
  return OQ_OK;
}

static oq_status size_infer(oq_infer *x) {
  oq_infer_set_rank(x, 0, OQ_DT_I64, 0);
  return OQ_OK;
}

static oq_status size_run(oq_run *r) {
  *(int64_t *)r->out[0].data = (int64_t)oq_tensor_count(r->in[0]);
  return OQ_OK;
}

/* ---- Reshape ------------------------------------------------------------- */
typedef struct reshape_params {
  int64_t allow_zero;
} reshape_params;

static const oq_attr_def reshape_attrs[] = {
    OQ_A_I64(reshape_params, allow_zero, "allowzero", 0, INT64_MIN, INT64_MAX),
};

/* A product of dimensions, of which some may be unknown. */
typedef struct count {
  int64_t known;
  uint32_t unknown;
  oq_dim last; /* the unknown one, if it is alone */
} count;

static oq_status count_dim(const oq_infer *x, count *c, oq_dim d) {
  if (d.size == OQ_DIM_UNKNOWN) {
    c->unknown++;
    c->last = d;
    return OQ_OK;
  }
  if (oq_mul_i64(&c->known, c->known, d.size)) return OQ_OK;
  return oq_infer_fail(x, OQ_E_LIMIT, "reshape.size",
                       "the number of elements is too large");
}

static oq_status reshape_values(const oq_infer *x, const int64_t *v, uint32_t n,
                                bool allow_zero, uint32_t *guess) {
  bool zero = false;

  *guess = n;
  for (uint32_t i = 0; i < n; i++) {
    if (v[i] == 0) zero = true;
    if (v[i] >= 0) continue;
    if (v[i] != -1 || *guess != n)
      return oq_infer_fail(x, OQ_E_MODEL, "reshape.shape",
                           "the shape holds %lld, expected sizes and at most "
                           "one -1",
                           (long long)v[i]);
    *guess = i;
  }
  if (zero && allow_zero && *guess != n)
    return oq_infer_fail(x, OQ_E_MODEL, "reshape.shape",
                         "the shape holds 0 and -1 where 'allowzero' is set");
  return OQ_OK;
}

/* The dimension that -1 stands for: what is left of `in` after `out`. */
static oq_status reshape_guess(const oq_infer *x, oq_dim *d, const count *in,
                               const count *out) {
  *d = (oq_dim){.size = OQ_DIM_UNKNOWN};
  if (out->unknown != 0 || in->unknown > 1) return OQ_OK;
  if (in->unknown == 1) { /* one name stays one name */
    if (in->known == out->known) *d = in->last;
    return OQ_OK;
  }
  if (out->known != 0 && in->known % out->known == 0) {
    d->size = in->known / out->known;
    return OQ_OK;
  }
  return oq_infer_fail(x, OQ_E_MODEL, "reshape.count",
                       "%lld elements cannot be divided by %lld",
                       (long long)in->known, (long long)out->known);
}

/* Dims that the shape copies by 0 leave both products. */
static oq_status reshape_counts(const oq_infer *x, const oq_type *t,
                                const int64_t *v, uint32_t n, uint32_t guess,
                                bool allow_zero, count *in, count *out) {
  *in = *out = (count){.known = 1};
  for (uint32_t i = 0; i < n; i++) {
    const bool copied = v[i] == 0 && !allow_zero;
    if (copied && (t == NULL || t->dim[i].size == OQ_DIM_UNKNOWN)) continue;
    if (i == guess) continue;
    OQ_TRY(count_dim(x, out, copied ? t->dim[i] : (oq_dim){.size = v[i]}));
  }
  for (uint32_t i = 0; t != NULL && i < t->rank; i++) {
    const bool copied = i < n && v[i] == 0 && !allow_zero;
    if (copied && t->dim[i].size == OQ_DIM_UNKNOWN) continue;
    OQ_TRY(count_dim(x, in, t->dim[i]));
  }
  return OQ_OK;
}

static oq_status reshape_known(oq_infer *x, const oq_type *t, const int64_t *v,
                               uint32_t n, bool allow_zero) {
  uint32_t guess;
  count in, out;

  OQ_TRY(oq_rule_rank(x, n));
  OQ_TRY(reshape_values(x, v, n, allow_zero, &guess));
  oq_infer_set_rank(x, 0, oq_infer_dtype(x, 0), n);
  for (uint32_t i = 0; i < n; i++) {
    if (v[i] == 0 && !allow_zero) {
      if (t != NULL && i >= t->rank)
        return oq_infer_fail(x, OQ_E_MODEL, "reshape.shape",
                             "the shape copies dimension %u of an input of "
                             "rank %u",
                             i, t->rank);
      if (t != NULL) x->out[0].dim[i] = t->dim[i];
    } else if (i != guess) {
      x->out[0].dim[i].size = v[i];
    }
  }
  if (t == NULL) return OQ_OK;
  OQ_TRY(reshape_counts(x, t, v, n, guess, allow_zero, &in, &out));
  if (guess < n) return reshape_guess(x, &x->out[0].dim[guess], &in, &out);
  if (in.unknown != 0 || out.unknown != 0 || in.known == out.known)
    return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "reshape.count",
                       "%lld elements cannot be seen as %lld",
                       (long long)in.known, (long long)out.known);
}

static oq_status reshape_infer(oq_infer *x) {
  const bool allow_zero = x->node->def->n_attrs != 0 &&
                          ((const reshape_params *)x->params)->allow_zero != 0;
  const oq_type *const shape = oq_rule_ranked(x, 1);
  const int64_t *v;
  uint32_t n;
  bool known;

  OQ_TRY(oq_rule_dtype(x));
  if (shape != NULL && shape->rank != 1)
    return oq_infer_fail(x, OQ_E_MODEL, "reshape.shape",
                         "the shape has rank %u, expected 1", shape->rank);
  OQ_TRY(oq_infer_ints(&v, &n, &known, x, 1));
  if (oq_infer_in(x, 0) == NULL) return OQ_OK;
  if (known) return reshape_known(x, oq_rule_ranked(x, 0), v, n, allow_zero);
  if (shape == NULL || shape->dim[0].size == OQ_DIM_UNKNOWN) return OQ_OK;
  OQ_TRY(oq_rule_rank(x, (uint64_t)shape->dim[0].size));
  oq_infer_set_rank(x, 0, oq_infer_dtype(x, 0), (uint32_t)shape->dim[0].size);
  return OQ_OK;
}

/* ---- Flatten ------------------------------------------------------------- */
typedef struct flatten_params {
  int64_t axis;
} flatten_params;

static const oq_attr_def flatten_attrs[] = {
    OQ_A_AXIS(flatten_params, axis, "axis", 1),
};

static oq_status flatten_part(oq_infer *x, oq_dim *out, const oq_type *t,
                              uint32_t from, uint32_t to) {
  count c = {.known = 1};

  for (uint32_t i = from; i < to; i++) OQ_TRY(count_dim(x, &c, t->dim[i]));
  if (c.unknown == 0) out->size = c.known;
  if (c.unknown == 1 && c.known == 1) *out = c.last;
  return OQ_OK;
}

static oq_status flatten_infer(oq_infer *x) {
  const int64_t axis = ((const flatten_params *)x->params)->axis;
  const oq_type *const t = oq_rule_ranked(x, 0);

  OQ_TRY(oq_rule_dtype(x));
  if (oq_infer_in(x, 0) == NULL) return OQ_OK;
  oq_infer_set_rank(x, 0, oq_infer_dtype(x, 0), 2);
  if (t == NULL) return OQ_OK;
  if (axis < -(int64_t)t->rank || axis > t->rank)
    return oq_infer_fail(x, OQ_E_MODEL, "op.axis",
                         "axis %lld does not exist at rank %u", (long long)axis,
                         t->rank);
  const uint32_t a = (uint32_t)(axis < 0 ? axis + t->rank : axis);
  OQ_TRY(flatten_part(x, &x->out[0].dim[0], t, 0, a));
  return flatten_part(x, &x->out[0].dim[1], t, a, t->rank);
}

/* ---- Squeeze, Unsqueeze -------------------------------------------------- */
typedef struct squeeze_params {
  oq_i64s axes;
} squeeze_params;

static const oq_attr_def squeeze_attrs[] = {
    OQ_A_I64S(squeeze_params, axes, "axes"),
};
static const oq_attr_def unsqueeze_attrs[] = {
    {.name = "axes",
     .kind = OQ_ATTR_I64S,
     .required = true,
     .offset = offsetof(squeeze_params, axes),
     .min = 1,
     .max = 0},
};

/* Axes as a set of bits; a repeated one is refused. */
static oq_status axes_set(uint32_t *set, const oq_infer *x, const int64_t *axes,
                          uint32_t n, uint32_t rank) {
  uint32_t axis;

  *set = 0;
  for (uint32_t i = 0; i < n; i++) {
    OQ_TRY(oq_rule_axis(&axis, x, axes[i], rank));
    if ((*set >> axis & 1u) != 0)
      return oq_infer_fail(x, OQ_E_MODEL, "op.axes", "axis %u is given twice",
                           axis);
    *set |= 1u << axis;
  }
  return OQ_OK;
}

static oq_status read_axes(const int64_t **axes, uint32_t *n, bool *known,
                           const oq_infer *x) {
  const squeeze_params *const p = x->node->def->n_attrs == 0 ? NULL : x->params;

  return oq_infer_axes(axes, n, known, x, p == NULL ? NULL : &p->axes, 1);
}

/* Without axes: every axis of size 1; false if that is not known. */
static bool ones_set(uint32_t *set, const oq_type *t) {
  *set = 0;
  for (uint32_t i = 0; i < t->rank; i++) {
    if (t->dim[i].size == OQ_DIM_UNKNOWN) return false;
    if (t->dim[i].size == 1) *set |= 1u << i;
  }
  return true;
}

static oq_status squeeze_infer(oq_infer *x) {
  const oq_type *const t = oq_rule_ranked(x, 0);
  const int64_t *axes;
  uint32_t n, set, rank = 0;
  bool known;
  oq_dim dim[OQ_MAX_RANK];

  OQ_TRY(oq_rule_dtype(x));
  OQ_TRY(read_axes(&axes, &n, &known, x));
  if (t == NULL || !known) return OQ_OK;
  if (axes == NULL) {
    if (!ones_set(&set, t)) return OQ_OK;
  } else {
    OQ_TRY(axes_set(&set, x, axes, n, t->rank));
  }
  for (uint32_t i = 0; i < t->rank; i++) {
    if ((set >> i & 1u) == 0) {
      dim[rank++] = t->dim[i];
      continue;
    }
    if (t->dim[i].size != 1 && t->dim[i].size != OQ_DIM_UNKNOWN)
      return oq_infer_fail(x, OQ_E_MODEL, "squeeze.size",
                           "axis %u has size %lld, expected 1", i,
                           (long long)t->dim[i].size);
  }
  oq_infer_set_rank(x, 0, t->dtype, rank);
  memcpy(x->out[0].dim, dim, rank * sizeof *dim);
  return OQ_OK;
}

static oq_status unsqueeze_infer(oq_infer *x) {
  const oq_type *const t = oq_rule_ranked(x, 0);
  const int64_t *axes;
  uint32_t n, set;
  bool known;

  OQ_TRY(oq_rule_dtype(x));
  OQ_TRY(read_axes(&axes, &n, &known, x));
  if (t == NULL || !known) return OQ_OK;
  OQ_TRY(oq_rule_rank(x, (uint64_t)t->rank + n));
  const uint32_t rank = t->rank + n;
  OQ_TRY(axes_set(&set, x, axes, n, rank));
  oq_infer_set_rank(x, 0, t->dtype, rank);
  for (uint32_t i = 0, from = 0; i < rank; i++) {
    if ((set >> i & 1u) != 0)
      x->out[0].dim[i].size = 1;
    else
      x->out[0].dim[i] = t->dim[from++];
  }
  return OQ_OK;
}

/* ---- Expand -------------------------------------------------------------- */
static oq_status expand_dim(const oq_infer *x, oq_dim *out, oq_dim d,
                            int64_t to) {
  if (to < 0)
    return oq_infer_fail(x, OQ_E_MODEL, "expand.shape",
                         "the shape holds %lld, expected 0 or more",
                         (long long)to);
  if (to == 1 || d.size == to) {
    *out = d;
  } else if (d.size == 1 || d.size == OQ_DIM_UNKNOWN) {
    *out = (oq_dim){.size = to}; /* > 1 wins over unknown */
  } else {
    return oq_infer_fail(x, OQ_E_MODEL, "expand.shape",
                         "size %lld cannot be expanded to %lld",
                         (long long)d.size, (long long)to);
  }
  return OQ_OK;
}

static oq_status expand_infer(oq_infer *x) {
  const oq_type *const t = oq_rule_ranked(x, 0);
  const int64_t *v;
  uint32_t n;
  bool known;

  OQ_TRY(oq_rule_dtype(x));
  OQ_TRY(oq_infer_ints(&v, &n, &known, x, 1));
  if (t == NULL || !known) return OQ_OK;
  OQ_TRY(oq_rule_rank(x, n));
  const uint32_t rank = n > t->rank ? n : t->rank;
  oq_infer_set_rank(x, 0, t->dtype, rank);
  for (uint32_t i = 0; i < rank; i++) {
    const oq_dim d =
        i + t->rank < rank ? (oq_dim){.size = 1} : t->dim[i + t->rank - rank];
    const int64_t to = i + n < rank ? 1 : v[i + n - rank];
    OQ_TRY(expand_dim(x, &x->out[0].dim[i], d, to));
  }
  return OQ_OK;
}

static oq_status expand_run(oq_run *r) {
  const oq_shape *const in = &r->in[0]->shape, *const out = &r->out[0].shape;
  oq_mapping m = {.rank = out->rank};

  for (uint32_t i = 0; i < out->rank; i++) {
    const int64_t d =
        i + in->rank < out->rank ? 1 : in->dim[i + in->rank - out->rank];
    m.axis[i] = oq_map_all((size_t)d);
    m.axis[i].out = (size_t)out->dim[i];
    if (d != out->dim[i]) m.axis[i].step = 0;
  }
  return oq_bytes_map(r, &m);
}

/* ---- table --------------------------------------------------------------- */
#define ONE_OUT .domain = "", .min_out = 1, .max_out = 1
#define ONE_IN .min_in = 1, .max_in = 1
#define MOVE_INDEX \
  .quant = {.cls = OQ_Q_MOVE, .role = {OQ_ROLE_DATA, OQ_ROLE_INDEX}}
#define NEVER .quant = {.cls = OQ_Q_NEVER}
#define SHAPE                                                               \
  ONE_OUT, ONE_IN, .name = "Shape", .infer = shape_infer, .run = shape_run, \
                   .flags = OQ_OP_META, .texts = OQ_TEXT(0), NEVER
#define RESHAPE                                                              \
  ONE_OUT, .name = "Reshape", .min_in = 2, .max_in = 2, .flags = OQ_OP_VIEW, \
           .texts = OQ_TEXT_MOVE, .infer = reshape_infer, MOVE_INDEX
#define SQUEEZE                                                 \
  ONE_OUT, .name = "Squeeze", .min_in = 1, .flags = OQ_OP_VIEW, \
           .texts = OQ_TEXT_MOVE, .infer = squeeze_infer, MOVE_INDEX
#define UNSQUEEZE                                                           \
  ONE_OUT, .name = "Unsqueeze", .flags = OQ_OP_VIEW, .texts = OQ_TEXT_MOVE, \
           .infer = unsqueeze_infer, MOVE_INDEX
#define AXES_ATTR(table) .params_size = sizeof(squeeze_params), OQ_ATTRS(table)

static const oq_op_def defs[] = {
    {SHAPE, .since = 1, .last = 14},
    {SHAPE, .since = 15, .last = 27, .params_size = sizeof(shape_params),
     OQ_ATTRS(shape_attrs)},

    {ONE_OUT, ONE_IN, .name = "Size", .since = 1, .last = 27,
     .flags = OQ_OP_META, .texts = OQ_TEXT(0), .infer = size_infer,
     .run = size_run, NEVER},

    {RESHAPE, .since = 5, .last = 13},
    {RESHAPE, .since = 14, .last = 27, .params_size = sizeof(reshape_params),
     OQ_ATTRS(reshape_attrs)},

    {ONE_OUT, ONE_IN, .name = "Flatten", .since = 1, .last = 27,
     .flags = OQ_OP_VIEW, .texts = OQ_TEXT_MOVE, .texts_since = 9,
     .params_size = sizeof(flatten_params), OQ_ATTRS(flatten_attrs),
     .infer = flatten_infer, MOVE_INDEX},

    {SQUEEZE, .since = 1, .last = 12, .max_in = 1, AXES_ATTR(squeeze_attrs)},
    {SQUEEZE, .since = 13, .last = 27, .max_in = 2},
    {UNSQUEEZE, .since = 1, .last = 12, .min_in = 1, .max_in = 1,
     AXES_ATTR(unsqueeze_attrs)},
    {UNSQUEEZE, .since = 13, .last = 27, .min_in = 2, .max_in = 2},

    {ONE_OUT, .name = "Expand", .since = 8, .last = 27, .min_in = 2,
     .max_in = 2, .dtypes = OQ_DTM_MOVABLE, .texts = OQ_TEXT_MOVE,
     .infer = expand_infer, .run = expand_run, MOVE_INDEX},
};

OQ_FAMILY(shape, defs);
