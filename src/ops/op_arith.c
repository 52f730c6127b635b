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

#define FOLD(name, loop) \
  static oq_status name##_run(oq_run *r) { return oq_eltwise_fold(r, &(loop)); }
FOLD(max, oq_k_max)
FOLD(min, oq_k_min)
FOLD(sum, oq_k_add)

/* ---- Mean
 * -------------------------------------------------------------------- */
static oq_status mean_run(oq_run *r) {
  const oq_ctensor sum = oq_tensor_const(&r->out[0]);
  uint64_t room = 0;
  oq_tensor count = {.dtype = sum.dtype, .size = sizeof room, .data = &room};

  OQ_TRY(oq_eltwise_fold(r, &oq_k_add));
  oq_element_set_f64(&count, 0, (double)r->n_in);
  const oq_ctensor divisor = oq_tensor_const(&count);
  return oq_eltwise_pair(r, &oq_k_div, &r->out[0], &sum, &divisor);
}

/* ---- Mod
 * --------------------------------------------------------------------- */
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
                         "'fmod' is 0, expected 1 for %s", oq_dtype_text(t));
  return arith_infer(x);
}

static oq_status mod_run(oq_run *r) {
  const mod_params *const p = r->params;

  return oq_eltwise_zip(r, p->fmod != 0 ? &oq_k_fmod : &oq_k_mod);
}

/* ---- Pow
 * --------------------------------------------------------------------- */
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

/* ---- table
 * -------------------------------------------------------------------- */
#define TWO                                                         \
  .domain = "", .last = 27, .min_in = 2, .max_in = 2, .min_out = 1, \
  .max_out = 1, .flags = OQ_OP_INPLACE, .dtypes = OQ_DTM_NUMERIC
/* Not in place: the first input may also be a later one. */
#define MANY                                                                \
  .domain = "", .since = 7, .last = 27, .min_in = 1, .max_in = OQ_OPS_MANY, \
  .min_out = 1, .max_out = 1
#define JOIN_Q                                               \
  {                                                          \
    .cls = OQ_Q_JOIN, .role = { OQ_ROLE_DATA, OQ_ROLE_DATA } \
  }

static const oq_op_def defs[] = {
    {TWO, .name = "Add", .since = 7, .infer = arith_infer, .run = add_run,
     .quant = JOIN_Q},
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
    {TWO, .name = "Mul", .since = 7, .infer = arith_infer, .run = mul_run,
     .quant = JOIN_Q},
    {TWO, .name = "Pow", .since = 7, .infer = oq_infer_broadcast,
     .run = pow_run,
     .quant = {.cls = OQ_Q_MAP, .role = {OQ_ROLE_DATA, OQ_ROLE_DATA}}},
    {TWO, .name = "Sub", .since = 7, .infer = arith_infer, .run = sub_run,
     .quant = JOIN_Q},
    {MANY, .name = "Sum", .dtypes = OQ_DTM_FLOAT, .infer = arith_infer,
     .run = sum_run, .quant = JOIN_Q},
};

OQ_FAMILY(arith, defs);
