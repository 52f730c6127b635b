/* Activations: elementwise functions of one tensor. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "ops/eltwise.h"
#include "ops/op.h"

/* Attributes are the first parameters of the loop, in this order. */
typedef struct act_params {
  float a, b;
} act_params;

static oq_status run_plain(oq_run *r, const oq_unary *f) {
  static const double none[OQ_UNARY_PARAMS];

  return oq_eltwise_map(r, f, none);
}

static oq_status run_params(oq_run *r, const oq_unary *f) {
  const act_params *const q = r->params;
  const double p[OQ_UNARY_PARAMS] = {(double)q->a, (double)q->b};

  return oq_eltwise_map(r, f, p);
}

#define PLAIN(name, loop) \
  static oq_status name##_run(oq_run *r) { return run_plain(r, &(loop)); }
#define WITH_PARAMS(name, loop) \
  static oq_status name##_run(oq_run *r) { return run_params(r, &(loop)); }

PLAIN(relu, oq_k_relu)
PLAIN(sigmoid, oq_k_sigmoid_op)
PLAIN(tanh, oq_k_tanh_op)
PLAIN(hard_swish, oq_k_hard_swish)
PLAIN(softplus, oq_k_softplus)
PLAIN(softsign, oq_k_softsign)
PLAIN(mish, oq_k_mish)
WITH_PARAMS(leaky, oq_k_leaky)
WITH_PARAMS(elu, oq_k_elu)
WITH_PARAMS(selu, oq_k_selu)
WITH_PARAMS(celu, oq_k_celu)
WITH_PARAMS(hard_sigmoid, oq_k_hard_sigmoid)
WITH_PARAMS(thresholded, oq_k_thresholded)
WITH_PARAMS(swish, oq_k_swish)
WITH_PARAMS(shrink, oq_k_shrink)

static const oq_attr_def leaky_attrs[] = {
    OQ_A_F32(act_params, a, "alpha", 0.01),
};
static const oq_attr_def alpha_one_attrs[] = {
    OQ_A_F32(act_params, a, "alpha", 1.0),
};
static const oq_attr_def selu_attrs[] = {
    OQ_A_F32(act_params, a, "alpha", 1.67326319217681884765625),
    OQ_A_F32(act_params, b, "gamma", 1.05070102214813232421875),
};
static const oq_attr_def hard_sigmoid_attrs[] = {
    OQ_A_F32(act_params, a, "alpha", 0.2),
    OQ_A_F32(act_params, b, "beta", 0.5),
};
static const oq_attr_def shrink_attrs[] = {
    OQ_A_F32(act_params, a, "lambd", 0.5),
    OQ_A_F32(act_params, b, "bias", 0.0),
};

/* ---- Celu ---------------------------------------------------------------- */
static oq_status celu_check(const oq_graph *g, const oq_node *n, void *params,
                            oq_diags *d) {
  const act_params *const p = params;
  oq_where w = oq_node_where(g, (oq_node_id){(uint32_t)(n - g->nodes)});

  if (p->a != 0.0f) return OQ_OK;
  w.attr = "alpha";
  return oq_fail(d, OQ_E_MODEL, "celu.alpha", &w,
                 "attribute 'alpha' is 0, by which Celu divides");
}

/* ---- Gelu ---------------------------------------------------------------- */
typedef struct gelu_params {
  int32_t approximate; /* 0 none, 1 tanh */
} gelu_params;

static const char *const gelu_kinds[] = {"none", "tanh", NULL};
static const oq_attr_def gelu_attrs[] = {
    OQ_A_CHOICE(gelu_params, approximate, "approximate", "none", gelu_kinds),
};

static oq_status gelu_run(oq_run *r) {
  const gelu_params *const p = r->params;

  return run_plain(r, p->approximate != 0 ? &oq_k_gelu_tanh : &oq_k_gelu);
}

/* ---- Clip ---------------------------------------------------------------- */
static const oq_attr_def clip_attrs[] = {
    OQ_A_F32(act_params, a, "min", -(double)FLT_MAX),
    OQ_A_F32(act_params, b, "max", (double)FLT_MAX),
};

WITH_PARAMS(clip6, oq_k_clip)

/* Bounds are scalars; a list of one is what some exporters write. */
static oq_status clip_infer(oq_infer *x) {
  for (uint32_t i = 1; i < x->n_in; i++) {
    const oq_type *const t = oq_infer_in(x, i);
    if (t == NULL || !t->has_rank || t->rank == 0) continue;
    if (t->rank == 1 && (t->dim[0].size == 1 || t->dim[0].size < 0)) continue;
    return oq_infer_fail(x, OQ_E_MODEL, "clip.bound",
                         "input %u is a bound of rank %u, expected a scalar", i,
                         t->rank);
  }
  OQ_TRY(oq_infer_same_dtypes(x, 0, 3));
  return oq_infer_same(x);
}

static const oq_ctensor *bound(const oq_run *r, uint32_t i) {
  return i < r->n_in ? r->in[i] : NULL;
}

/* Bounds "default to numeric_limits::lowest() and numeric_limits::max()":
 * infinities do not pass. */
static double largest(oq_dtype t) {
  if (t == OQ_DT_F16) return 65504.0;
  if (t == OQ_DT_BF16) return 0x1.FEp127;
  return t == OQ_DT_F64 ? DBL_MAX : (double)FLT_MAX;
}

static oq_status clip_floats(oq_run *r) {
  const oq_ctensor *const lo = bound(r, 1), *const hi = bound(r, 2);
  const double most = largest(r->in[0]->dtype);
  const double p[OQ_UNARY_PARAMS] = {lo != NULL ? oq_element_f64(lo, 0) : -most,
                                     hi != NULL ? oq_element_f64(hi, 0) : most};

  return oq_eltwise_map(r, &oq_k_clip, p);
}

/* Integers stay integers: 64 bits do not fit a double. */
static oq_status clip_ints(oq_run *r) {
  oq_ctensor from = *r->in[0];

  for (uint32_t i = 1; i <= 2; i++) {
    const oq_ctensor *const b = bound(r, i);
    if (b == NULL) continue;
    oq_ctensor scalar = *b;
    scalar.shape.rank = 0;
    OQ_TRY(oq_eltwise_pair(r, i == 1 ? &oq_k_max : &oq_k_min, &r->out[0], &from,
                           &scalar));
    from = oq_tensor_const(&r->out[0]);
  }
  if (from.data == r->in[0]->data && from.data != r->out[0].data)
    memcpy(r->out[0].data, from.data, from.size);
  return OQ_OK;
}

static oq_status clip_run(oq_run *r) {
  return oq_dtype_is_float((int32_t)r->in[0]->dtype) ? clip_floats(r)
                                                     : clip_ints(r);
}

/* ---- PRelu --------------------------------------------------------------- */
/* The slope is broadcast to the input, never the other way round. */
static oq_status prelu_infer(oq_infer *x) {
  oq_type *const out = &x->out[0];
  const oq_type *const t = oq_infer_in(x, 0);

  OQ_TRY(oq_infer_same_dtypes(x, 0, 2));
  OQ_TRY(oq_infer_broadcast(x));
  if (t == NULL || !t->has_rank) return OQ_OK;
  bool grown = out->has_rank && out->rank != t->rank;
  for (uint32_t i = 0; out->has_rank && !grown && i < t->rank; i++)
    grown = t->dim[i].size >= 0 && out->dim[i].size >= 0 &&
            t->dim[i].size != out->dim[i].size;
  if (grown)
    return oq_infer_fail(x, OQ_E_MODEL, "prelu.slope",
                         "the slope cannot be broadcast to the input");
  return oq_infer_same(x);
}

static oq_status prelu_run(oq_run *r) { return oq_eltwise_zip(r, &oq_k_prelu); }

/* Up to opset 6 a list of slopes means one per channel, axis 1. */
static oq_status prelu6_infer(oq_infer *x) {
  const oq_type *const t = oq_infer_in(x, 0), *const s = oq_infer_in(x, 1);

  OQ_TRY(oq_infer_same_dtypes(x, 0, 2));
  if (t != NULL && s != NULL && t->has_rank && s->has_rank &&
      (s->rank > 1 || (s->rank == 1 && s->dim[0].size != 1 &&
                       (t->rank < 2 || (t->dim[1].size >= 0 &&
                                        t->dim[1].size != s->dim[0].size)))))
    return oq_infer_fail(x, OQ_E_MODEL, "prelu.slope",
                         "the slope has neither one element nor one per "
                         "channel");
  return oq_infer_same(x);
}

static oq_status prelu6_run(oq_run *r) {
  oq_ctensor slope = *r->in[1];

  if (slope.shape.rank == 1 && slope.shape.dim[0] == 1) slope.shape.rank = 0;
  if (slope.shape.rank == 1)
    while (slope.shape.rank + 1 < r->in[0]->shape.rank)
      slope.shape.dim[slope.shape.rank++] = 1;
  return oq_eltwise_pair(r, &oq_k_prelu, &r->out[0], r->in[0], &slope);
}

/* ---- table --------------------------------------------------------------- */
#define UNARY                                                                \
  .domain = "", .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,        \
  .flags = OQ_OP_INPLACE, .layout = OQ_LAST_FOLLOWS, .dtypes = OQ_DTM_FLOAT, \
  .infer = oq_infer_same
#define MAP_Q                                 \
  {                                           \
    .cls = OQ_Q_MAP, .role = { OQ_ROLE_DATA } \
  }
#define RANGE_Q(low, high)                                                   \
  {                                                                          \
    .cls = OQ_Q_MAP, .role = {OQ_ROLE_DATA}, .has_range = true, .lo = (low), \
    .hi = (high)                                                             \
  }
#define PARAMS(table) .params_size = sizeof(act_params), OQ_ATTRS(table)

static const oq_op_def defs[] = {
    {UNARY, .name = "Celu", .since = 12, .last = 27, PARAMS(alpha_one_attrs),
     .check = celu_check, .run = celu_run, .quant = MAP_Q},
    {.domain = "",
     .name = "Clip",
     .since = 6,
     .last = 10,
     .min_in = 1,
     .max_in = 1,
     .min_out = 1,
     .max_out = 1,
     .flags = OQ_OP_INPLACE,
     .layout = OQ_LAST_FOLLOWS,
     .dtypes = OQ_DTM_FLOAT,
     PARAMS(clip_attrs),
     .infer = oq_infer_same,
     .run = clip6_run,
     .quant = {.cls = OQ_Q_CLAMP, .role = {OQ_ROLE_DATA}}},
    {.domain = "",
     .name = "Clip",
     .since = 11,
     .last = 27,
     .min_in = 1,
     .max_in = 3,
     .min_out = 1,
     .max_out = 1,
     .flags = OQ_OP_INPLACE,
     .layout = OQ_LAST_FOLLOWS,
     .dtypes = OQ_DTM_NUMERIC,
     .infer = clip_infer,
     .run = clip_run,
     .quant = {.cls = OQ_Q_CLAMP, .role = {OQ_ROLE_DATA, OQ_ROLE_INDEX}}},
    {UNARY, .name = "Elu", .since = 6, .last = 27, PARAMS(alpha_one_attrs),
     .run = elu_run, .quant = MAP_Q},
    {UNARY, .name = "Gelu", .since = 20, .last = 27,
     .params_size = sizeof(gelu_params), OQ_ATTRS(gelu_attrs), .run = gelu_run,
     .quant = MAP_Q},
    {UNARY, .name = "HardSigmoid", .since = 6, .last = 27,
     PARAMS(hard_sigmoid_attrs), .run = hard_sigmoid_run,
     .quant = RANGE_Q(0.0f, 1.0f)},
    {UNARY, .name = "HardSwish", .since = 14, .last = 27, .run = hard_swish_run,
     .quant = MAP_Q},
    {UNARY, .name = "LeakyRelu", .since = 6, .last = 27, PARAMS(leaky_attrs),
     .run = leaky_run, .quant = MAP_Q},
    {UNARY, .name = "Mish", .since = 18, .last = 27, .run = mish_run,
     .quant = MAP_Q},
    {.domain = "",
     .name = "PRelu",
     .since = 6,
     .last = 6,
     .min_in = 2,
     .max_in = 2,
     .min_out = 1,
     .max_out = 1,
     .flags = OQ_OP_INPLACE,
     .dtypes = OQ_DTM_NUMERIC,
     .infer = prelu6_infer,
     .run = prelu6_run,
     .quant = {.cls = OQ_Q_MAP, .role = {OQ_ROLE_DATA, OQ_ROLE_DATA}}},
    {.domain = "",
     .name = "PRelu",
     .since = 7,
     .last = 27,
     .min_in = 2,
     .max_in = 2,
     .min_out = 1,
     .max_out = 1,
     .flags = OQ_OP_INPLACE,
     .layout = OQ_LAST_FOLLOWS,
     .dtypes = OQ_DTM_NUMERIC,
     .infer = prelu_infer,
     .run = prelu_run,
     .quant = {.cls = OQ_Q_MAP, .role = {OQ_ROLE_DATA, OQ_ROLE_DATA}}},
    {.domain = "",
     .name = "Relu",
     .since = 6,
     .last = 27,
     .min_in = 1,
     .max_in = 1,
     .min_out = 1,
     .max_out = 1,
     .flags = OQ_OP_INPLACE,
     .layout = OQ_LAST_FOLLOWS,
     .dtypes = OQ_DTM_NUMERIC,
     .infer = oq_infer_same,
     .run = relu_run,
     .quant = {.cls = OQ_Q_CLAMP, .role = {OQ_ROLE_DATA}}},
    {UNARY, .name = "Selu", .since = 6, .last = 27, PARAMS(selu_attrs),
     .run = selu_run, .quant = MAP_Q},
    {.domain = "",
     .name = "Shrink",
     .since = 9,
     .last = 27,
     .min_in = 1,
     .max_in = 1,
     .min_out = 1,
     .max_out = 1,
     .flags = OQ_OP_INPLACE,
     .layout = OQ_LAST_FOLLOWS,
     .dtypes = OQ_DTM_NUMERIC,
     PARAMS(shrink_attrs),
     .infer = oq_infer_same,
     .run = shrink_run,
     .quant = MAP_Q},
    {UNARY, .name = "Sigmoid", .since = 6, .last = 27, .run = sigmoid_run,
     .quant = RANGE_Q(0.0f, 1.0f)},
    {UNARY, .name = "Softplus", .since = 6, .last = 27, .run = softplus_run,
     .quant = MAP_Q},
    {UNARY, .name = "Softsign", .since = 6, .last = 27, .run = softsign_run,
     .quant = RANGE_Q(-1.0f, 1.0f)},
    {UNARY, .name = "Swish", .since = 24, .last = 27, PARAMS(alpha_one_attrs),
     .run = swish_run, .quant = MAP_Q},
    {UNARY, .name = "Tanh", .since = 6, .last = 27, .run = tanh_run,
     .quant = RANGE_Q(-1.0f, 1.0f)},
    {UNARY, .name = "ThresholdedRelu", .since = 1, .last = 27,
     PARAMS(alpha_one_attrs), .run = thresholded_run, .quant = MAP_Q},
};

OQ_FAMILY(activation, defs);
