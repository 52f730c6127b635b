/* Operators that were experimental until opset 9 and that exporters of then
 * still wrote: Affine, Scale, ParametricSoftplus, ScaledTanh, ImageScaler,
 * Crop, ConstantFill, GivenTensorFill.  (Of the others, GRUUnit and ATen were
 * never defined well enough to be run.) */
#include <math.h>
#include <string.h>

#include "ops/bytes.h"
#include "ops/op.h"
#include "ops/rules.h"
#include "ops/widen.h"

/* ---- elementwise --------------------------------------------------------- */
typedef struct scaled_params {
  float alpha, beta;
} scaled_params;

#define NEEDED(field, key)                                       \
  {                                                              \
    .name = (key), .kind = OQ_ATTR_F32, .required = true,        \
    .offset = offsetof(scaled_params, field), .min = 1, .max = 0 \
  }
static const oq_attr_def affine_attrs[] = {
    OQ_A_F32(scaled_params, alpha, "alpha", 1.0),
    OQ_A_F32(scaled_params, beta, "beta", 0.0),
};
static const oq_attr_def scale_attrs[] = {
    OQ_A_F32(scaled_params, alpha, "scale", 1.0),
};
static const oq_attr_def two_attrs[] = {
    NEEDED(alpha, "alpha"),
    NEEDED(beta, "beta"),
};

static double affine(double x, double a, double b) { return a * x + b; }
static double scale(double x, double a, double b) {
  (void)b;
  return a * x;
}
static double softplus(double x, double a, double b) {
  const double v = b * x;

  return a * (v > 0 ? v + log1p(exp(-v)) : log1p(exp(v)));
}
static double scaled_tanh(double x, double a, double b) {
  return a * tanh(b * x);
}

static oq_status map(oq_run *r, double (*f)(double x, double a, double b)) {
  const scaled_params *const p = r->params;
  const size_t n = oq_tensor_count(r->in[0]);
  const double *x;
  double *y;

  OQ_TRY(oq_widen_in_f64(&x, r, r->in[0]));
  OQ_TRY(oq_widen_out_f64(&y, r, 0));
  for (size_t i = 0; i < n; i++)
    y[i] = f(x[i], (double)p->alpha, (double)p->beta);
  oq_widen_done_f64(r, 0, y);
  return OQ_OK;
}

static oq_status affine_run(oq_run *r) { return map(r, affine); }
static oq_status scale_run(oq_run *r) { return map(r, scale); }
static oq_status softplus_run(oq_run *r) { return map(r, softplus); }
static oq_status scaled_tanh_run(oq_run *r) { return map(r, scaled_tanh); }

/* ---- ImageScaler: one factor, an offset per channel -----------------------
 */
typedef struct image_params {
  float scale;
  oq_f32s bias;
} image_params;

static const oq_attr_def image_attrs[] = {
    {.name = "bias",
     .kind = OQ_ATTR_F32S,
     .required = true,
     .offset = offsetof(image_params, bias),
     .min = 1,
     .max = 0},
    OQ_A_F32(image_params, scale, "scale", 1.0),
};

static oq_status check_rank_4(const oq_infer *x) {
  const oq_type *const t = oq_rule_ranked(x, 0);

  if (t == NULL || t->rank == 4) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "op.rank",
                       "the input has rank %u, expected 4", t->rank);
}

static oq_status image_infer(oq_infer *x) {
  const image_params *const p = x->params;
  const oq_type *const t = oq_rule_ranked(x, 0);

  OQ_TRY(check_rank_4(x));
  if (t != NULL && t->dim[1].size >= 0 && t->dim[1].size != p->bias.n)
    return oq_infer_fail(x, OQ_E_MODEL, "image.bias",
                         "attribute 'bias' has %u values for %lld channels",
                         p->bias.n, (long long)t->dim[1].size);
  return oq_infer_same(x);
}

static oq_status image_run(oq_run *r) {
  const image_params *const p = r->params;
  const size_t area = oq_dims_product(&r->in[0]->shape, 2, 4);
  const size_t n = oq_tensor_count(r->in[0]);
  const double *x;
  double *y;

  OQ_TRY(oq_widen_in_f64(&x, r, r->in[0]));
  OQ_TRY(oq_widen_out_f64(&y, r, 0));
  for (size_t i = 0; i < n; i++)
    y[i] = (double)p->scale * x[i] + (double)p->bias.v[i / area % p->bias.n];
  oq_widen_done_f64(r, 0, y);
  return OQ_OK;
}

/* ---- Crop: borders left, top, right, bottom; or a size from the first two --
 */
typedef struct crop_params {
  oq_i64s border, scale;
} crop_params;

static const oq_attr_def crop_attrs[] = {
    {.name = "border",
     .kind = OQ_ATTR_I64S,
     .required = true,
     .offset = offsetof(crop_params, border),
     .min = 0,
     .max = INT32_MAX},
    {.name = "scale",
     .kind = OQ_ATTR_I64S,
     .offset = offsetof(crop_params, scale),
     .min = 0,
     .max = INT32_MAX},
};

static oq_status crop_check(const oq_graph *g, const oq_node *n, void *params,
                            oq_diags *d) {
  const crop_params *const p = params;
  oq_where w = oq_node_where(g, (oq_node_id){(uint32_t)(n - g->nodes)});

  w.attr = p->border.n != 4 ? "border" : "scale";
  if (p->border.n == 4 && (!p->scale.set || p->scale.n == 2)) return OQ_OK;
  return oq_fail(d, OQ_E_MODEL, "crop.attr", &w,
                 "attribute '%s' has %u values, expected %u", w.attr,
                 p->border.n != 4 ? p->border.n : p->scale.n,
                 p->border.n != 4 ? 4u : 2u);
}

/* Of axis 2 (height) or 3 (width); false if it does not fit. */
static bool crop_size(int64_t *out, const crop_params *p, uint32_t axis,
                      int64_t size) {
  const int64_t head = p->border.v[axis == 2 ? 1 : 0];
  const int64_t tail = p->border.v[axis == 2 ? 3 : 2];
  const int64_t n = p->scale.set ? p->scale.v[axis - 2] : size - head - tail;

  *out = n;
  return n >= 0 && head + n <= size;
}

static oq_status crop_infer(oq_infer *x) {
  const oq_type *const t = oq_rule_ranked(x, 0);

  OQ_TRY(check_rank_4(x));
  OQ_TRY(oq_infer_same(x));
  for (uint32_t i = 2; t != NULL && i < 4; i++) {
    oq_dim d = {.size = OQ_DIM_UNKNOWN};
    if (t->dim[i].size != OQ_DIM_UNKNOWN &&
        !crop_size(&d.size, x->params, i, t->dim[i].size))
      return oq_infer_fail(x, OQ_E_MODEL, "crop.size",
                           "axis %u has %lld positions, which is too few to "
                           "be cropped so",
                           i, (long long)t->dim[i].size);
    x->out[0].dim[i] = d;
  }
  return OQ_OK;
}

static oq_status crop_run(oq_run *r) {
  const crop_params *const p = r->params;
  oq_mapping m = {.rank = 4};

  for (uint32_t i = 0; i < 4; i++) {
    m.axis[i] = oq_map_all((size_t)r->in[0]->shape.dim[i]);
    m.axis[i].out = (size_t)r->out[0].shape.dim[i];
    if (i >= 2) m.axis[i].start = p->border.v[i == 2 ? 1 : 0];
  }
  if (r->out[0].size == 0) return OQ_OK;
  return oq_bytes_map(r, &m);
}

/* ---- ConstantFill and GivenTensorFill -------------------------------------
 */
typedef struct fill_params {
  oq_i64s shape, extra;
  int64_t input_as_shape, dtype;
  float value;
  oq_f32s values; /* GivenTensorFill */
} fill_params;

#define FILL_SHAPE                                                      \
  OQ_A_I64S(fill_params, extra, "extra_shape"),                         \
      OQ_A_I64(fill_params, input_as_shape, "input_as_shape", 0, 0, 1), \
      OQ_A_I64S(fill_params, shape, "shape")
static const oq_attr_def constant_attrs[] = {
    FILL_SHAPE,
    OQ_A_I64(fill_params, dtype, "dtype", 1, 0, 26),
    OQ_A_F32(fill_params, value, "value", 0.0),
};
static const oq_attr_def given_attrs[] = {
    FILL_SHAPE,
    {.name = "values",
     .kind = OQ_ATTR_F32S,
     .required = true,
     .offset = offsetof(fill_params, values),
     .min = 1,
     .max = 0},
};

static oq_status append(const oq_infer *x, oq_shape *s, const int64_t *v,
                        uint32_t n) {
  OQ_TRY(oq_rule_rank(x, (uint64_t)s->rank + n));
  for (uint32_t i = 0; i < n; i++) {
    if (v[i] < 0)
      return oq_infer_fail(x, OQ_E_MODEL, "op.shape",
                           "dimension %u is negative", s->rank);
    s->dim[s->rank++] = v[i];
  }
  return OQ_OK;
}

/* The attribute, or the input's shape or numbers and the attribute's further
 * dimensions. */
static oq_status fill_shape(oq_shape *s, bool *known, const oq_infer *x) {
  const fill_params *const p = x->params;
  const int64_t *v = p->shape.v;
  uint32_t n = p->shape.n;

  *s = (oq_shape){0};
  *known = true;
  if (x->n_in == 0) return append(x, s, v, n);
  if (p->input_as_shape != 0) {
    OQ_TRY(oq_infer_ints(&v, &n, known, x, 0));
    if (*known) OQ_TRY(append(x, s, v, n));
  } else {
    *known = oq_infer_shape(s, x, 0);
  }
  return *known ? append(x, s, p->extra.v, p->extra.n) : OQ_OK;
}

static oq_status fill_infer(oq_infer *x) {
  const fill_params *const p = x->params;
  const bool given = p->values.set;
  const oq_dtype t = given ? OQ_DT_F32 : (oq_dtype)p->dtype;
  oq_shape s;
  bool known;
  size_t n;

  if (!oq_dtype_in((int32_t)t, OQ_DTM_NUMERIC | OQ_DTM(BOOL)))
    return oq_infer_fail(x, OQ_E_MODEL, "op.dtype",
                         "attribute 'dtype' is %s, expected numbers",
                         oq_dtype_text((int32_t)t));
  OQ_TRY(fill_shape(&s, &known, x));
  if (!known) {
    oq_infer_set_dtype(x, 0, t);
    return OQ_OK;
  }
  if (given && (oq_shape_count(&n, &s) != OQ_OK || n != p->values.n))
    return oq_infer_fail(x, OQ_E_MODEL, "fill.values",
                         "attribute 'values' has %u numbers, which is not what "
                         "the shape asks for",
                         p->values.n);
  oq_infer_set(x, 0, t, &s);
  return OQ_OK;
}

static oq_status fill_run(oq_run *r) {
  const fill_params *const p = r->params;
  const oq_ctensor y = oq_tensor_const(&r->out[0]);
  const size_t n = oq_tensor_count(&y);

  for (size_t i = 0; i < n; i++)
    oq_element_set_f64(&r->out[0], i,
                       (double)(p->values.set ? p->values.v[i] : p->value));
  return OQ_OK;
}

/* ---- table --------------------------------------------------------------- */
#define OLD .domain = "", .since = 1, .last = 9, .min_out = 1, .max_out = 1
#define MAP(op, table, f)                                              \
  OLD, .name = (op), .min_in = 1, .max_in = 1, .flags = OQ_OP_INPLACE, \
       .dtypes = OQ_DTM_FLOAT, .params_size = sizeof(scaled_params),   \
       OQ_ATTRS(table), .infer = oq_infer_same, .run = (f),            \
       .quant = {.cls = OQ_Q_MAP, .role = {OQ_ROLE_DATA}}
#define FILL(op, table)                                     \
  OLD, .name = (op), .min_in = 0, .max_in = 1,              \
       .params_size = sizeof(fill_params), OQ_ATTRS(table), \
       .infer = fill_infer, .run = fill_run,                \
       .quant = {.cls = OQ_Q_NEVER, .role = {OQ_ROLE_INDEX}}

static const oq_op_def defs[] = {
    {MAP("Affine", affine_attrs, affine_run)},
    {MAP("ParametricSoftplus", two_attrs, softplus_run)},
    {MAP("Scale", scale_attrs, scale_run)},
    {MAP("ScaledTanh", two_attrs, scaled_tanh_run)},
    {FILL("ConstantFill", constant_attrs)},
    {FILL("GivenTensorFill", given_attrs)},
    {OLD, .name = "Crop", .min_in = 1, .max_in = 1, .dtypes = OQ_DTM_MOVABLE,
     .params_size = sizeof(crop_params), OQ_ATTRS(crop_attrs),
     .check = crop_check, .infer = crop_infer, .run = crop_run,
     .quant = {.cls = OQ_Q_MOVE, .role = {OQ_ROLE_DATA}}},
    {OLD, .name = "ImageScaler", .min_in = 1, .max_in = 1,
     .dtypes = OQ_DTM_FLOAT, .params_size = sizeof(image_params),
     OQ_ATTRS(image_attrs), .infer = image_infer, .run = image_run,
     .quant = {.cls = OQ_Q_MAP, .role = {OQ_ROLE_DATA}}},
};

OQ_FAMILY(legacy, defs);
