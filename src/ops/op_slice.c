/* Operators that pick, repeat or surround values of one tensor: Slice, Pad,
 * Tile. */
#include <string.h>

#include "ops/bytes.h"
#include "ops/op.h"
#include "ops/rules.h"

/* ---- Slice --------------------------------------------------------------- */
typedef struct slice_params {
  oq_i64s starts, ends, axes;
} slice_params;

static const oq_attr_def slice_attrs[] = {
    {.name = "starts",
     .kind = OQ_ATTR_I64S,
     .required = true,
     .offset = offsetof(slice_params, starts),
     .min = 1,
     .max = 0},
    {.name = "ends",
     .kind = OQ_ATTR_I64S,
     .required = true,
     .offset = offsetof(slice_params, ends),
     .min = 1,
     .max = 0},
    OQ_A_I64S(slice_params, axes, "axes"),
};

typedef struct slice_spec { /* as given; NULL where absent */
  const int64_t *starts, *ends, *axes, *steps;
  uint32_t n;
} slice_spec;

typedef struct slice_range {
  int64_t start, step, count;
} slice_range;

static int64_t clamp(int64_t v, int64_t lo, int64_t hi) {
  return v < lo ? lo : v > hi ? hi : v;
}

/* The rule of the operator text; `dim` >= 0, `step` not 0. */
static slice_range slice_axis(int64_t start, int64_t end, int64_t step,
                              int64_t dim) {
  slice_range s = {0, step, 0};

  /* Exporters mean "to the other end" by the largest number in both
   * directions; onnxruntime takes it so, though the text says otherwise. */
  if (step < 0 && (end == INT64_MAX || end == INT32_MAX)) end = INT64_MIN;
  if (start < 0) start = start < -dim ? -1 : start + dim;
  if (end < 0) end = end < -dim ? -1 : end + dim;
  if (step > 0) {
    s.start = clamp(start, 0, dim);
    end = clamp(end, 0, dim);
    if (end > s.start) s.count = (end - s.start - 1) / step + 1;
  } else {
    s.start = clamp(start, 0, dim == 0 ? 0 : dim - 1);
    end = clamp(end, -1, dim - 1);
    if (dim > 0 && s.start > end)
      s.count =
          (s.start - end - 1) / (step == INT64_MIN ? INT64_MAX : -step) + 1;
  }
  return s;
}

static oq_status check_slice(const oq_infer *x, const slice_spec *s,
                             const oq_type *t) {
  uint32_t seen = 0, axis;

  for (uint32_t i = 0; i < s->n; i++) {
    OQ_TRY(oq_rule_axis(&axis, x, s->axes != NULL ? s->axes[i] : i, t->rank));
    if ((seen >> axis & 1u) != 0)
      return oq_infer_fail(x, OQ_E_MODEL, "slice.axes",
                           "axis %u is given twice", axis);
    seen |= 1u << axis;
    if (s->steps != NULL && s->steps[i] == 0)
      return oq_infer_fail(x, OQ_E_MODEL, "slice.steps",
                           "a step is 0, expected any other number");
  }
  return OQ_OK;
}

static oq_status slice_shape(oq_infer *x, const slice_spec *s,
                             const oq_type *t) {
  uint32_t axis;

  OQ_TRY(check_slice(x, s, t));
  memcpy(x->out[0].dim, t->dim, sizeof t->dim);
  for (uint32_t i = 0; i < s->n; i++) {
    OQ_TRY(oq_rule_axis(&axis, x, s->axes != NULL ? s->axes[i] : i, t->rank));
    const int64_t d = t->dim[axis].size;
    const int64_t step = s->steps != NULL ? s->steps[i] : 1;
    if (d != OQ_DIM_UNKNOWN && s->starts != NULL && s->ends != NULL) {
      const int64_t n = slice_axis(s->starts[i], s->ends[i], step, d).count;
      if (n != d) x->out[0].dim[axis] = (oq_dim){.size = n};
    } else {
      x->out[0].dim[axis] = (oq_dim){.size = OQ_DIM_UNKNOWN};
    }
  }
  return OQ_OK;
}

typedef struct slice_inputs {
  const int64_t *v[4]; /* starts, ends, axes, steps */
  uint32_t n[4];
  bool known[4];
} slice_inputs;

static oq_status slice_counts(const oq_infer *x, const slice_inputs *in,
                              uint32_t *n) {
  bool any = false;

  *n = 0;
  for (uint32_t i = 0; i < 4; i++) {
    if (!in->known[i] || in->v[i] == NULL) continue;
    if (any && in->n[i] != *n)
      return oq_infer_fail(x, OQ_E_MODEL, "slice.counts",
                           "'starts', 'ends', 'axes' and 'steps' differ in "
                           "length");
    *n = in->n[i];
    any = true;
  }
  return OQ_OK;
}

static oq_status slice_infer(oq_infer *x) {
  const oq_type *const t = oq_rule_ranked(x, 0);
  slice_inputs in = {.v = {NULL}};
  slice_spec s;

  OQ_TRY(oq_rule_dtype(x));
  for (uint32_t i = 0; i < 4; i++)
    OQ_TRY(oq_infer_ints(&in.v[i], &in.n[i], &in.known[i], x, i + 1));
  OQ_TRY(slice_counts(x, &in, &s.n));
  if (t == NULL) return OQ_OK;
  oq_infer_set_rank(x, 0, t->dtype, t->rank);
  /* Without the axes, or any count, every dimension may change. */
  if (!in.known[2] || (in.v[2] == NULL && !in.known[0] && !in.known[1]))
    return OQ_OK;
  s.starts = in.v[0];
  s.ends = in.v[1];
  s.axes = in.v[2];
  s.steps = in.v[3];
  if (!in.known[3]) s.starts = NULL;
  return slice_shape(x, &s, t);
}

static oq_status slice_attr_infer(oq_infer *x) {
  const slice_params *const p = x->params;
  const oq_type *const t = oq_rule_ranked(x, 0);
  const slice_spec s = {p->starts.v, p->ends.v,
                        p->axes.set && p->axes.n != 0 ? p->axes.v : NULL, NULL,
                        p->starts.n};

  OQ_TRY(oq_rule_dtype(x));
  if (p->ends.n != s.n || (s.axes != NULL && p->axes.n != s.n))
    return oq_infer_fail(x, OQ_E_MODEL, "slice.counts",
                         "'starts', 'ends' and 'axes' differ in length");
  if (t == NULL) return OQ_OK;
  oq_infer_set_rank(x, 0, t->dtype, t->rank);
  return slice_shape(x, &s, t);
}

static oq_status slice_move(oq_run *r, const slice_spec *s) {
  const oq_shape *const in = &r->in[0]->shape;
  oq_mapping m = {.rank = in->rank};
  uint32_t axis;

  for (uint32_t i = 0; i < in->rank; i++)
    m.axis[i] = oq_map_all((size_t)in->dim[i]);
  for (uint32_t i = 0; i < s->n; i++) {
    if (!oq_axis_normalize(&axis, s->axes != NULL ? s->axes[i] : i, in->rank))
      return OQ_E_INTERNAL;
    const slice_range g =
        slice_axis(s->starts[i], s->ends[i], s->steps != NULL ? s->steps[i] : 1,
                   in->dim[axis]);
    m.axis[axis].out = (size_t)g.count;
    m.axis[axis].start = g.start;
    m.axis[axis].step = g.count > 1 ? g.step : 1;
  }
  return oq_bytes_map(r, &m);
}

static oq_status slice_run(oq_run *r) {
  slice_spec s = {0};
  const int64_t **const to[] = {&s.starts, &s.ends, &s.axes, &s.steps};
  uint32_t n;

  for (uint32_t i = 0; i < 4; i++) {
    const oq_ctensor *const t = i + 1 < r->n_in ? r->in[i + 1] : NULL;
    if (oq_ints_read(to[i], &n, t, r->scratch) != OQ_OK)
      return oq_fail_memory(r->diags);
    if (i == 0) s.n = n;
  }
  return slice_move(r, &s);
}

static oq_status slice_attr_run(oq_run *r) {
  const slice_params *const p = r->params;
  const slice_spec s = {p->starts.v, p->ends.v,
                        p->axes.set && p->axes.n != 0 ? p->axes.v : NULL, NULL,
                        p->starts.n};

  return slice_move(r, &s);
}

/* ---- Pad ----------------------------------------------------------------- */
typedef struct pad_params {
  int32_t mode;
  float value; /* below 11 */
  oq_i64s pads;
} pad_params;
enum { PAD_CONSTANT, PAD_REFLECT, PAD_EDGE, PAD_WRAP };
static const char *const pad_modes_2[] = {"constant", "reflect", "edge", NULL};
static const char *const pad_modes_19[] = {"constant", "reflect", "edge",
                                           "wrap", NULL};

static const oq_attr_def pad_attrs_2[] = {
    {.name = "pads",
     .kind = OQ_ATTR_I64S,
     .required = true,
     .offset = offsetof(pad_params, pads),
     .min = 1,
     .max = 0},
    OQ_A_F32(pad_params, value, "value", 0.0),
    OQ_A_CHOICE(pad_params, mode, "mode", "constant", pad_modes_2),
};
static const oq_attr_def pad_attrs_11[] = {
    OQ_A_CHOICE(pad_params, mode, "mode", "constant", pad_modes_2),
};
static const oq_attr_def pad_attrs_19[] = {
    OQ_A_CHOICE(pad_params, mode, "mode", "constant", pad_modes_19),
};

/* Padding at both ends of an axis; negative removes. */
typedef struct pad_ends {
  int64_t head, tail;
} pad_ends;

/* What is left of an axis before padding. */
static int64_t pad_kept(int64_t dim, pad_ends e) {
  if (e.head < 0) dim = dim < -e.head ? -1 : dim + e.head;
  if (e.tail < 0) dim = dim < -e.tail ? -1 : dim + e.tail;
  return dim;
}

static oq_status pad_dim(const oq_infer *x, oq_dim *out, oq_dim d, pad_ends e,
                         uint32_t axis) {
  const int32_t mode = ((const pad_params *)x->params)->mode;

  if (e.head == 0 && e.tail == 0) {
    *out = d;
    return OQ_OK;
  }
  *out = (oq_dim){.size = OQ_DIM_UNKNOWN};
  if (d.size == OQ_DIM_UNKNOWN) return OQ_OK;
  if (e.head < -INT64_MAX || e.tail < -INT64_MAX ||
      !oq_add_i64(&out->size, d.size, e.head) ||
      !oq_add_i64(&out->size, out->size, e.tail) || out->size < 0)
    return oq_infer_fail(x, OQ_E_MODEL, "pad.size",
                         "axis %u of size %lld cannot be padded by %lld and "
                         "%lld",
                         axis, (long long)d.size, (long long)e.head,
                         (long long)e.tail);
  if (mode != PAD_CONSTANT && out->size > 0 && pad_kept(d.size, e) < 1)
    return oq_infer_fail(x, OQ_E_MODEL, "pad.empty",
                         "axis %u has no value to pad with", axis);
  return OQ_OK;
}

/* ends[] for all axes from `v`, which covers all axes or those in `axes`. */
static oq_status pad_spread(pad_ends *ends, const oq_infer *x, const int64_t *v,
                            uint32_t n, const int64_t *axes, uint32_t n_axes,
                            uint32_t rank) {
  const uint32_t covered = axes != NULL ? n_axes : rank;
  uint32_t axis, seen = 0;

  if (n != 2 * covered)
    return oq_infer_fail(x, OQ_E_MODEL, "pad.count",
                         "'pads' has %u values, expected %u", n, 2 * covered);
  memset(ends, 0, OQ_MAX_RANK * sizeof *ends);
  for (uint32_t i = 0; i < covered; i++) {
    OQ_TRY(oq_rule_axis(&axis, x, axes != NULL ? axes[i] : i, rank));
    if ((seen >> axis & 1u) != 0)
      return oq_infer_fail(x, OQ_E_MODEL, "pad.axes", "axis %u is given twice",
                           axis);
    seen |= 1u << axis;
    ends[axis] = (pad_ends){v[i], v[i + covered]};
  }
  return OQ_OK;
}

static oq_status check_value(const oq_infer *x) {
  oq_shape s;

  if (x->n_in < 3 || !oq_value_ok(x->node->in[2])) return OQ_OK;
  OQ_TRY(oq_infer_same_dtypes(x, 0, 1));
  const oq_dtype a = oq_infer_dtype(x, 0), b = oq_infer_dtype(x, 2);
  if (a != OQ_DT_NONE && b != OQ_DT_NONE && a != b)
    return oq_infer_fail(x, OQ_E_MODEL, "op.dtype",
                         "the constant is %s where the data is %s",
                         oq_dtype_text((int32_t)b), oq_dtype_text((int32_t)a));
  if (!oq_infer_shape(&s, x, 2)) return OQ_OK;
  for (uint32_t i = 0; i < s.rank; i++)
    if (s.dim[i] != 1)
      return oq_infer_fail(x, OQ_E_MODEL, "pad.value",
                           "the constant is not a scalar");
  return OQ_OK;
}

static oq_status pad_infer(oq_infer *x) {
  const pad_params *const p = x->params;
  const oq_type *const t = oq_rule_ranked(x, 0);
  const int64_t *v, *axes;
  uint32_t n, n_axes;
  bool known, axes_known;
  pad_ends ends[OQ_MAX_RANK];

  OQ_TRY(oq_rule_dtype(x));
  OQ_TRY(check_value(x));
  OQ_TRY(oq_infer_axes(&v, &n, &known, x, &p->pads, 1));
  OQ_TRY(oq_infer_ints(&axes, &n_axes, &axes_known, x, 3));
  if (t == NULL) return OQ_OK;
  oq_infer_set_rank(x, 0, t->dtype, t->rank);
  if (!known || !axes_known) return OQ_OK;
  OQ_TRY(pad_spread(ends, x, v, n, axes, n_axes, t->rank));
  for (uint32_t i = 0; i < t->rank; i++)
    OQ_TRY(pad_dim(x, &x->out[0].dim[i], t->dim[i], ends[i], i));
  return OQ_OK;
}

/* Position `q` of an axis of n, outside of it on either side, as the mode
 * continues the axis; -1: the constant. */
static int64_t pad_source(int64_t q, int64_t n, int32_t mode) {
  if (q >= 0 && q < n) return q;
  if (mode == PAD_CONSTANT) return -1;
  if (mode == PAD_EDGE) return q < 0 ? 0 : n - 1;
  const int64_t period = mode == PAD_WRAP ? n : n == 1 ? 1 : 2 * (n - 1);
  q %= period;
  if (q < 0) q += period;
  return q < n ? q : period - q;
}

static oq_status pad_axis(oq_map_axis *a, const oq_run *r, int64_t dim,
                          int64_t out, pad_ends e) {
  const int32_t mode = ((const pad_params *)r->params)->mode;
  const int64_t skip = e.head < 0 ? -e.head : 0;
  const int64_t front = e.head > 0 ? e.head : 0;

  *a = (oq_map_axis){
      .in = (size_t)dim, .out = (size_t)out, .start = -e.head, .step = 1};
  if (e.head <= 0 && e.tail <= 0) return OQ_OK;
  int64_t *const at = OQ_NEW_N(r->scratch, int64_t, (size_t)out);
  if (at == NULL) return oq_fail_memory(r->diags);
  for (int64_t o = 0; o < out; o++) {
    const int64_t q = pad_source(o - front, pad_kept(dim, e), mode);
    at[o] = q < 0 ? -1 : q + skip;
  }
  a->at = at;
  return OQ_OK;
}

/* The constant as an element of whole bytes. */
static oq_status pad_fill(const void **fill, const oq_run *r) {
  const pad_params *const p = r->params;
  const uint8_t *bytes;
  oq_tensor t;

  if (r->n_in > 2 && r->in[2] != NULL) {
    OQ_TRY(oq_bytes_in(&bytes, r, r->in[2]));
    *fill = bytes;
    return OQ_OK;
  }
  const oq_shape scalar = {.rank = 0};
  if (oq_tensor_make(&t, r->in[0]->dtype, &scalar, r->scratch) != OQ_OK)
    return oq_fail_memory(r->diags);
  if (p->value != 0.0f) oq_element_set_f64(&t, 0, (double)p->value);
  *fill = t.data;
  return OQ_OK;
}

static oq_status pad_run(oq_run *r) {
  const pad_params *const p = r->params;
  const oq_shape *const in = &r->in[0]->shape, *const out = &r->out[0].shape;
  oq_mapping m = {.rank = in->rank};
  const int64_t *v = p->pads.v, *axes = NULL;
  uint32_t n = p->pads.n, n_axes = 0;

  if (r->out[0].size == 0) return OQ_OK;
  if (r->n_in > 1 && oq_ints_read(&v, &n, r->in[1], r->scratch) != OQ_OK)
    return oq_fail_memory(r->diags);
  if (r->n_in > 3 &&
      oq_ints_read(&axes, &n_axes, r->in[3], r->scratch) != OQ_OK)
    return oq_fail_memory(r->diags);
  for (uint32_t i = 0; i < in->rank; i++)
    m.axis[i] = oq_map_all((size_t)in->dim[i]);
  for (uint32_t i = 0; i < n / 2; i++) {
    uint32_t axis;
    if (!oq_axis_normalize(&axis, axes != NULL ? axes[i] : i, in->rank))
      return OQ_E_INTERNAL;
    OQ_TRY(pad_axis(&m.axis[axis], r, in->dim[axis], out->dim[axis],
                    (pad_ends){v[i], v[i + n / 2]}));
  }
  OQ_TRY(pad_fill(&m.fill, r));
  return oq_bytes_map(r, &m);
}

/* ---- Tile ---------------------------------------------------------------- */
static oq_status tile_infer(oq_infer *x) {
  const oq_type *const t = oq_rule_ranked(x, 0);
  const int64_t *v;
  uint32_t n;
  bool known;

  OQ_TRY(oq_rule_dtype(x));
  OQ_TRY(oq_infer_ints(&v, &n, &known, x, 1));
  if (t == NULL) return OQ_OK;
  oq_infer_set_rank(x, 0, t->dtype, t->rank);
  if (!known) return OQ_OK;
  if (n != t->rank)
    return oq_infer_fail(x, OQ_E_MODEL, "tile.repeats",
                         "'repeats' has %u values, expected %u", n, t->rank);
  for (uint32_t i = 0; i < n; i++) {
    oq_dim *const d = &x->out[0].dim[i];
    if (v[i] < 0)
      return oq_infer_fail(x, OQ_E_MODEL, "tile.repeats",
                           "'repeats' holds %lld, expected 0 or more",
                           (long long)v[i]);
    if (v[i] == 1) *d = t->dim[i];
    if (v[i] == 1 || t->dim[i].size == OQ_DIM_UNKNOWN) continue;
    if (!oq_mul_i64(&d->size, t->dim[i].size, v[i]))
      return oq_infer_fail(x, OQ_E_LIMIT, "tile.size",
                           "the output is too large along axis %u", i);
  }
  return OQ_OK;
}

static oq_status tile_run(oq_run *r) {
  const oq_shape *const in = &r->in[0]->shape, *const out = &r->out[0].shape;
  oq_mapping m = {.rank = in->rank};

  if (r->out[0].size == 0) return OQ_OK;
  for (uint32_t i = 0; i < in->rank; i++) {
    const size_t n = (size_t)out->dim[i];
    m.axis[i] = oq_map_all((size_t)in->dim[i]);
    m.axis[i].out = n;
    if (in->dim[i] == 1) m.axis[i].step = n == 1 ? 1 : 0;
    if (in->dim[i] == 1 || in->dim[i] == out->dim[i]) continue;
    int64_t *const at = OQ_NEW_N(r->scratch, int64_t, n);
    if (at == NULL) return oq_fail_memory(r->diags);
    for (size_t o = 0; o < n; o++) at[o] = (int64_t)(o % (size_t)in->dim[i]);
    m.axis[i].at = at;
  }
  return oq_bytes_map(r, &m);
}

/* ---- table --------------------------------------------------------------- */
#define ONE_OUT \
  .domain = "", .min_out = 1, .max_out = 1, .dtypes = OQ_DTM_MOVABLE
#define MOVE_DATA .quant = {.cls = OQ_Q_MOVE, .role = {OQ_ROLE_DATA}}
#define MOVE_INDEX \
  .quant = {.cls = OQ_Q_MOVE, .role = {OQ_ROLE_DATA, OQ_ROLE_INDEX}}
#define PAD                                                       \
  ONE_OUT, .name = "Pad", .params_size = sizeof(pad_params),      \
           .infer = pad_infer, .run = pad_run, .texts_since = 13, \
           .texts = OQ_TEXT_MOVE | OQ_TEXT(2), MOVE_INDEX

static const oq_op_def defs[] = {
    {ONE_OUT, .name = "Slice", .texts = OQ_TEXT_MOVE, .since = 1, .last = 9,
     .min_in = 1, .max_in = 1, .params_size = sizeof(slice_params),
     OQ_ATTRS(slice_attrs), .infer = slice_attr_infer, .run = slice_attr_run,
     MOVE_DATA},
    {ONE_OUT, .name = "Slice", .texts = OQ_TEXT_MOVE, .since = 10, .last = 27,
     .min_in = 3, .max_in = 5, .infer = slice_infer, .run = slice_run,
     .quant = {.cls = OQ_Q_MOVE,
               .role = {OQ_ROLE_DATA, OQ_ROLE_INDEX, OQ_ROLE_INDEX,
                        OQ_ROLE_INDEX}}},

    /* Experimental until it became Slice. */
    {ONE_OUT, .name = "DynamicSlice", .since = 1, .last = 9, .min_in = 3,
     .max_in = 4, .infer = slice_infer, .run = slice_run,
     .quant = {.cls = OQ_Q_MOVE,
               .role = {OQ_ROLE_DATA, OQ_ROLE_INDEX, OQ_ROLE_INDEX,
                        OQ_ROLE_INDEX}}},

    {PAD, .since = 2, .last = 10, .min_in = 1, .max_in = 1,
     OQ_ATTRS(pad_attrs_2)},
    {PAD, .since = 11, .last = 17, .min_in = 2, .max_in = 3,
     OQ_ATTRS(pad_attrs_11)},
    {PAD, .since = 18, .last = 18, .min_in = 2, .max_in = 4,
     OQ_ATTRS(pad_attrs_11)},
    {PAD, .since = 19, .last = 27, .min_in = 2, .max_in = 4,
     OQ_ATTRS(pad_attrs_19)},

    {ONE_OUT, .name = "Tile", .texts = OQ_TEXT_MOVE, .since = 6, .last = 27,
     .min_in = 2, .max_in = 2, .infer = tile_infer, .run = tile_run,
     MOVE_INDEX},
};

OQ_FAMILY(slice, defs);
