/* Arithmetic of two or more tensors, broadcast. */
#include <string.h>

#include "ops/eltwise.h"
#include "ops/op.h"

static oq_status arith_infer(oq_infer *x) {
  OQ_TRY(oq_infer_same_dtypes(x, 0, x->n_in));
  return oq_infer_broadcast(x);
}

#define ZIP(name, loop) \
  static oq_status name##_run(oq_run *r) { return oq_eltwise_zip(r, &(loop)); }
ZIP(add, oq_k_add)
ZIP(sub, oq_k_sub)
ZIP(mul, oq_k_mul)
ZIP(div, oq_k_div)

#define FOLD(name, loop, mean)                \
  static oq_status name##_run(oq_run *r) {    \
    return oq_eltwise_fold(r, &(loop), mean); \
  }
FOLD(max, oq_k_max, false)
FOLD(min, oq_k_min, false)
FOLD(sum, oq_k_add, false)
FOLD(mean, oq_k_add, true)

/* ---- opset 6 ------------------------------------------------------------- */
/* The second input is repeated only if 'broadcast' says so, and then aligned
 * with the first from 'axis' on, or at the end. */
typedef struct legacy_params {
  int64_t axis, broadcast;
  bool has_axis;
} legacy_params;

static const oq_attr_def legacy_attrs[] = {
    {.name = "axis",
     .kind = OQ_ATTR_I64,
     .offset = offsetof(legacy_params, axis),
     .set_offset = offsetof(legacy_params, has_axis),
     .min = 1,
     .max = 0},
    OQ_A_I64(legacy_params, broadcast, "broadcast", 0, 0, 1),
};

/* The shape of b as today's rules want it; false if it does not fit into a. */
static bool legacy_shape(oq_shape *out, const oq_shape *a, const oq_shape *b,
                         const legacy_params *p) {
  oq_shape all;

  *out = *b;
  if (p->broadcast == 0) return oq_shape_equal(a, b);
  if (b->rank > a->rank) return false;
  const int64_t room = (int64_t)a->rank - (int64_t)b->rank;
  int64_t axis = p->has_axis ? p->axis : room;
  if (axis < 0) axis += (int64_t)a->rank;
  if (axis < 0 || axis > room) return false;
  while ((int64_t)out->rank < (int64_t)a->rank - axis)
    out->dim[out->rank++] = 1;
  return oq_shape_broadcast(&all, a, out) && oq_shape_equal(&all, a);
}

static oq_status legacy_infer(oq_infer *x) {
  oq_shape a, b, fitted;

  OQ_TRY(oq_infer_same_dtypes(x, 0, 2));
  if (oq_infer_shape(&a, x, 0) && oq_infer_shape(&b, x, 1) &&
      !legacy_shape(&fitted, &a, &b, x->params))
    return oq_infer_fail(x, OQ_E_MODEL, "op.broadcast",
                         "input 1 does not fit into input 0 as 'broadcast' and "
                         "'axis' say");
  return oq_infer_same(x);
}

static oq_status legacy_run(oq_run *r, const oq_binary *f) {
  oq_ctensor b = *r->in[1];

  if (!legacy_shape(&b.shape, &r->in[0]->shape, &r->in[1]->shape, r->params))
    return oq_run_fail(r, OQ_E_MODEL, "op.broadcast",
                       "input 1 does not fit into input 0");
  return oq_eltwise_pair(r, f, &r->out[0], r->in[0], &b);
}

#define LEGACY(name, loop) \
  static oq_status name##_run(oq_run *r) { return legacy_run(r, &(loop)); }
LEGACY(add6, oq_k_add)
LEGACY(sub6, oq_k_sub)
LEGACY(mul6, oq_k_mul)
LEGACY(div6, oq_k_div)
LEGACY(pow6, oq_k_power)

/* ---- Mod ----------------------------------------------------------------- */
typedef struct mod_params {
  int64_t fmod;
} mod_params;

static const oq_attr_def mod_attrs[] = {
    OQ_A_I64(mod_params, fmod, "fmod", 0, 0, 1),
};

static oq_status mod_infer(oq_infer *x) {
  const mod_params *const p = x->params;
  const oq_dtype t = oq_infer_dtype(x, 0);

  if (p->fmod == 0 && t != OQ_DT_NONE && oq_dtype_is_float((int32_t)t))
    return oq_infer_fail(x, OQ_E_MODEL, "mod.fmod",
                         "'fmod' is 0, expected 1 for %s",
                         oq_dtype_text((int32_t)t));
  return arith_infer(x);
}

static oq_status mod_run(oq_run *r) {
  const mod_params *const p = r->params;

  return oq_eltwise_zip(r, p->fmod != 0 ? &oq_k_fmod : &oq_k_mod);
}

/* ---- Pow ----------------------------------------------------------------- */
/* The exponent has a type of its own; it is brought to that of the base, or,
 * for an integer base and a float exponent, both to double. */
static oq_status converted(oq_ctensor *out, oq_run *r, const oq_ctensor *t,
                           oq_dtype to) {
  const size_t n = oq_tensor_count(t);
  oq_tensor made;

  if (oq_tensor_make(&made, to, &t->shape, r->scratch) != OQ_OK)
    return oq_fail_memory(r->diags);
  for (size_t i = 0; i < n; i++) {
    if (to == OQ_DT_I64)
      oq_element_set_i64(&made, i, oq_element_i64(t, i));
    else
      oq_element_set_f64(&made, i, oq_element_f64(t, i));
  }
  *out = oq_tensor_const(&made);
  return OQ_OK;
}

static oq_dtype pow_dtype(oq_dtype base, oq_dtype exponent) {
  if (base == exponent || oq_dtype_is_float((int32_t)base)) return base;
  return oq_dtype_is_float((int32_t)exponent) ? OQ_DT_F64 : OQ_DT_I64;
}

static void cut_back(oq_tensor *to, const oq_tensor *from, size_t n) {
  oq_k_convert(to->data, 0, (int32_t)to->dtype, from->data,
               oq_k_class((int32_t)from->dtype), n);
}

/* A half-precision base keeps its exponent in float: 2^-24 is no bfloat16. */
static oq_status pow_run(oq_run *r) {
  const oq_dtype base = r->in[0]->dtype;
  oq_dtype work = pow_dtype(base, r->in[1]->dtype);
  oq_ctensor a = *r->in[0], b = *r->in[1];
  oq_tensor y = r->out[0];

  if (base != r->in[1]->dtype && (base == OQ_DT_F16 || base == OQ_DT_BF16))
    work = OQ_DT_F32;
  if (b.dtype != work) OQ_TRY(converted(&b, r, r->in[1], work));
  if (base == work) return oq_eltwise_pair(r, &oq_k_power, &y, &a, &b);
  OQ_TRY(converted(&a, r, r->in[0], work));
  if (oq_tensor_make(&y, work, &r->out[0].shape, r->scratch) != OQ_OK)
    return oq_fail_memory(r->diags);
  OQ_TRY(oq_eltwise_pair(r, &oq_k_power, &y, &a, &b));
  cut_back(&r->out[0], &y,
           oq_tensor_count(&(oq_ctensor){y.dtype, y.shape, y.size, y.data}));
  return OQ_OK;
}

/* ---- table --------------------------------------------------------------- */
#define TWO                                                         \
  .domain = "", .last = 27, .min_in = 2, .max_in = 2, .min_out = 1, \
  .max_out = 1, .flags = OQ_OP_INPLACE, .layout = OQ_LAST_FOLLOWS,  \
  .dtypes = OQ_DTM_NUMERIC
#define OLD                                                                    \
  .domain = "", .since = 6, .last = 6, .min_in = 2, .max_in = 2, .min_out = 1, \
  .max_out = 1, .flags = OQ_OP_INPLACE, .dtypes = OQ_DTM_NUMERIC,              \
  .params_size = sizeof(legacy_params), OQ_ATTRS(legacy_attrs),                \
  .infer = legacy_infer
/* Not in place: the first input may also be a later one. */
#define MANY                                                                \
  .domain = "", .since = 6, .last = 27, .min_in = 1, .max_in = OQ_OPS_MANY, \
  .min_out = 1, .max_out = 1, .layout = OQ_LAST_FOLLOWS
#define JOIN_Q                                               \
  {                                                          \
    .cls = OQ_Q_JOIN, .role = { OQ_ROLE_DATA, OQ_ROLE_DATA } \
  }

static const oq_op_def defs[] = {
    {OLD, .name = "Add", .run = add6_run, .quant = JOIN_Q},
    {TWO, .name = "Add", .since = 7, .infer = arith_infer, .run = add_run,
     .quant = JOIN_Q},
    {OLD, .name = "Div", .run = div6_run, .quant = JOIN_Q},
    {TWO, .name = "Div", .since = 7, .infer = arith_infer, .run = div_run,
     .quant = JOIN_Q},
    {MANY, .name = "Max", .dtypes = OQ_DTM_NUMERIC, .infer = arith_infer,
     .run = max_run, .quant = JOIN_Q},
    {MANY, .name = "Mean", .dtypes = OQ_DTM_FLOAT, .infer = arith_infer,
     .run = mean_run, .quant = JOIN_Q},
    {MANY, .name = "Min", .dtypes = OQ_DTM_NUMERIC, .infer = arith_infer,
     .run = min_run, .quant = JOIN_Q},
    {TWO, .name = "Mod", .since = 10, .params_size = sizeof(mod_params),
     OQ_ATTRS(mod_attrs), .infer = mod_infer, .run = mod_run,
     .quant = {.cls = OQ_Q_MAP, .role = {OQ_ROLE_DATA, OQ_ROLE_DATA}}},
    {OLD, .name = "Mul", .run = mul6_run, .quant = JOIN_Q},
    {TWO, .name = "Mul", .since = 7, .infer = arith_infer, .run = mul_run,
     .quant = JOIN_Q},
    {OLD, .name = "Pow", .run = pow6_run,
     .quant = {.cls = OQ_Q_MAP, .role = {OQ_ROLE_DATA, OQ_ROLE_DATA}}},
    {TWO, .name = "Pow", .since = 7, .infer = oq_infer_broadcast,
     .run = pow_run,
     .quant = {.cls = OQ_Q_MAP, .role = {OQ_ROLE_DATA, OQ_ROLE_DATA}}},
    {OLD, .name = "Sub", .run = sub6_run, .quant = JOIN_Q},
    {TWO, .name = "Sub", .since = 7, .infer = arith_infer, .run = sub_run,
     .quant = JOIN_Q},
    {MANY, .name = "Sum", .dtypes = OQ_DTM_FLOAT, .infer = arith_infer,
     .run = sum_run, .quant = JOIN_Q},
};

OQ_FAMILY(arith, defs);
