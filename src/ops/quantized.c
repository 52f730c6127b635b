/* ops/quantized - see quantized.h. */
#include "ops/quantized.h"

#include "kern/k_eltwise.h"
#include "kern/kern.h"
#include "ops/rules.h"

/* ---- rules --------------------------------------------------------------- */
bool oq_quantized_has(const oq_infer *x, uint32_t i) {
  return i < x->n_in && oq_value_ok(x->node->in[i]);
}

static oq_status absent(const oq_infer *x, uint32_t i) {
  return oq_infer_fail(x, OQ_E_MODEL, "op.arity", "required input %u is absent",
                       i);
}

oq_status oq_quantized_8bit(const oq_infer *x, uint32_t i) {
  const oq_dtype t = oq_infer_dtype(x, i);

  if (!oq_quantized_has(x, i)) return absent(x, i);
  if (t == OQ_DT_NONE || t == OQ_DT_U8 || t == OQ_DT_I8) return OQ_OK;
  return oq_infer_fail(x, OQ_E_UNSUPPORTED, "op.dtype",
                       "input %u is %s, expected int8 or uint8", i,
                       oq_dtype_text((int32_t)t));
}

oq_status oq_quantized_param(const oq_infer *x, uint32_t i, int64_t n) {
  const oq_type *const t = oq_rule_ranked(x, i);
  const oq_dtype d = oq_infer_dtype(x, i);

  if (d != OQ_DT_NONE && !oq_dtype_in((int32_t)d, OQ_DTM_NUMERIC))
    return oq_infer_fail(x, OQ_E_UNSUPPORTED, "quantize.scale",
                         "input %u is %s, expected numbers", i,
                         oq_dtype_text((int32_t)d));
  if (t == NULL || t->rank == 0) return OQ_OK;
  if (t->rank == 1 && (t->dim[0].size == 1 || t->dim[0].size == n ||
                       t->dim[0].size == OQ_DIM_UNKNOWN || n == OQ_DIM_UNKNOWN))
    return OQ_OK;
  return oq_infer_fail(x, t->rank > 1 ? OQ_E_UNSUPPORTED : OQ_E_MODEL,
                       "quantize.scale",
                       "input %u is neither one number nor a list of one for "
                       "each of %lld channels",
                       i, (long long)n);
}

oq_status oq_quantized_pair(const oq_infer *x, uint32_t i, uint32_t of) {
  const oq_dtype zero = oq_infer_dtype(x, i + 1), t = oq_infer_dtype(x, of);
  const oq_dtype scale = oq_infer_dtype(x, i);

  if (!oq_quantized_has(x, i)) return absent(x, i);
  OQ_TRY(oq_quantized_param(x, i, 1));
  OQ_TRY(oq_quantized_param(x, i + 1, 1));
  if (scale != OQ_DT_NONE && !oq_dtype_is_float((int32_t)scale))
    return oq_infer_fail(x, OQ_E_MODEL, "quantize.scale",
                         "the scale is %s, expected a float",
                         oq_dtype_text((int32_t)scale));
  if (zero == OQ_DT_NONE || t == OQ_DT_NONE || zero == t) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "quantize.zero",
                       "the zero point is %s, expected %s",
                       oq_dtype_text((int32_t)zero), oq_dtype_text((int32_t)t));
}

/* ---- numbers ------------------------------------------------------------- */
float oq_scale_at(const oq_ctensor *t, size_t i) {
  const size_t at = oq_tensor_count(t) > 1 ? i : 0;

  if (t->dtype == OQ_DT_F32) return ((const float *)t->data)[at];
  return (float)oq_element_f64(t, at);
}

float oq_zero_at(const oq_ctensor *t, size_t i) {
  return t == NULL ? 0.0f : oq_scale_at(t, i);
}

oq_status oq_quantized_take(float **out, const oq_run *r, const oq_ctensor *x,
                            const oq_ctensor *scale, const oq_ctensor *zero) {
  const size_t n = oq_tensor_count(x);
  const float s = oq_scale_at(scale, 0);
  const int32_t z = (int32_t)oq_zero_at(zero, 0);
  float *const v = oq_arena_alloc_raw(r->scratch, n, sizeof *v, OQ_ALIGN);

  if (v == NULL) return oq_fail_memory(r->diags);
  if (x->dtype == OQ_DT_U8)
    r->k->dequantize_u8(v, x->data, n, s, z);
  else
    r->k->dequantize_i8(v, x->data, n, s, z);
  *out = v;
  return OQ_OK;
}

void oq_quantized_store(const oq_run *r, uint32_t i, size_t at, const float *v,
                        size_t n, float scale, float zero) {
  const oq_tensor *const y = &r->out[i];

  if (y->dtype == OQ_DT_U8)
    r->k->quantize_u8((uint8_t *)y->data + at, v, n, scale, (int32_t)zero, 0,
                      UINT8_MAX);
  else if (y->dtype == OQ_DT_I8)
    r->k->quantize_i8((int8_t *)y->data + at, v, n, scale, (int32_t)zero,
                      INT8_MIN, INT8_MAX);
  else
    oq_k_store(y->data, at, v, n, (int32_t)y->dtype);
}
