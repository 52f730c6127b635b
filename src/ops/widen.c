/* ops/widen - see widen.h. */
#include "ops/widen.h"

#include <string.h>

#include "kern/k_half.h"

static size_t count_out(const oq_run *r, uint32_t i) {
  const oq_ctensor t = oq_tensor_const(&r->out[i]);

  return oq_tensor_count(&t);
}

static void *scratch(const oq_run *r, size_t n, size_t size) {
  return oq_arena_alloc_raw(r->scratch, n, size, OQ_ALIGN);
}

oq_status oq_widen_in(const float **out, const oq_run *r, const oq_ctensor *t) {
  *out = NULL;
  if (t == NULL) return OQ_OK;
  if (t->dtype == OQ_DT_F32) {
    *out = t->data;
    return OQ_OK;
  }
  const size_t n = oq_tensor_count(t);
  float *const v = scratch(r, n, sizeof *v);
  if (v == NULL) return oq_fail_memory(r->diags);
  if (t->dtype == OQ_DT_F16) {
    oq_widen_f16(v, t->data, n);
  } else if (t->dtype == OQ_DT_BF16) {
    oq_widen_bf16(v, t->data, n);
  } else {
    for (size_t i = 0; i < n; i++) v[i] = (float)oq_element_f64(t, i);
  }
  *out = v;
  return OQ_OK;
}

oq_status oq_widen_out(float **out, const oq_run *r, uint32_t i) {
  *out = r->out[i].dtype == OQ_DT_F32
             ? r->out[i].data
             : scratch(r, count_out(r, i), sizeof **out);
  return *out == NULL ? oq_fail_memory(r->diags) : OQ_OK;
}

void oq_widen_done(const oq_run *r, uint32_t i, const float *values) {
  oq_tensor *const t = &r->out[i];
  const size_t n = count_out(r, i);

  if (t->dtype == OQ_DT_F32) return;
  if (t->dtype == OQ_DT_F16) {
    oq_narrow_f16(t->data, values, n);
  } else if (t->dtype == OQ_DT_BF16) {
    oq_narrow_bf16(t->data, values, n);
  } else {
    for (size_t k = 0; k < n; k++) oq_element_set_f64(t, k, (double)values[k]);
  }
}

oq_status oq_widen_in_f64(const double **out, const oq_run *r,
                          const oq_ctensor *t) {
  *out = NULL;
  if (t == NULL) return OQ_OK;
  if (t->dtype == OQ_DT_F64) {
    *out = t->data;
    return OQ_OK;
  }
  const size_t n = oq_tensor_count(t);
  double *const v = scratch(r, n, sizeof *v);
  if (v == NULL) return oq_fail_memory(r->diags);
  for (size_t i = 0; i < n; i++) v[i] = oq_element_f64(t, i);
  *out = v;
  return OQ_OK;
}

oq_status oq_widen_out_f64(double **out, const oq_run *r, uint32_t i) {
  *out = r->out[i].dtype == OQ_DT_F64
             ? r->out[i].data
             : scratch(r, count_out(r, i), sizeof **out);
  return *out == NULL ? oq_fail_memory(r->diags) : OQ_OK;
}

void oq_widen_done_f64(const oq_run *r, uint32_t i, const double *values) {
  const size_t n = count_out(r, i);

  if (r->out[i].dtype == OQ_DT_F64) return;
  for (size_t k = 0; k < n; k++) oq_element_set_f64(&r->out[i], k, values[k]);
}

/* ---- complex numbers ------------------------------------------------------
 */
static void copy_part(void *to, size_t to_step, const void *from,
                      size_t from_step, size_t n, size_t size) {
  uint8_t *y = to;
  const uint8_t *x = from;

  for (size_t i = 0; i < n; i++, y += to_step * size, x += from_step * size)
    memcpy(y, x, size);
}

oq_status oq_widen_parts(oq_run *r, oq_status (*kernel)(oq_run *r)) {
  const oq_dtype real = r->in[0]->dtype == OQ_DT_C64 ? OQ_DT_F32 : OQ_DT_F64;
  const size_t size = oq_dtype_bits((int32_t)real) / 8;
  const oq_ctensor **const in =
      OQ_NEW_N(r->scratch, const oq_ctensor *, r->n_in);
  oq_tensor x, y;

  if (in == NULL ||
      oq_tensor_make(&x, real, &r->in[0]->shape, r->scratch) != OQ_OK ||
      oq_tensor_make(&y, real, &r->out[0].shape, r->scratch) != OQ_OK)
    return oq_fail_memory(r->diags);
  const oq_ctensor xc = oq_tensor_const(&x), yc = oq_tensor_const(&y);
  oq_run part = *r;
  for (uint32_t i = 1; i < r->n_in; i++) in[i] = r->in[i];
  in[0] = &xc;
  part.in = in;
  part.out = &y;
  part.n_out = 1;
  for (size_t k = 0; k < 2; k++) {
    copy_part(x.data, 1, (const uint8_t *)r->in[0]->data + k * size, 2,
              oq_tensor_count(&xc), size);
    OQ_TRY(kernel(&part));
    copy_part((uint8_t *)r->out[0].data + k * size, 2, y.data, 1,
              oq_tensor_count(&yc), size);
  }
  return OQ_OK;
}
