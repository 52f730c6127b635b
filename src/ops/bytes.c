/* ops/bytes - see bytes.h. */
#include "ops/bytes.h"

#include <string.h>

static uint32_t bits_of(oq_dtype t) { return oq_dtype_bits((int32_t)t); }

size_t oq_bytes_size(oq_dtype t) {
  const uint32_t bits = bits_of(t);

  return bits < 8 ? 1 : bits / 8;
}

oq_status oq_bytes_in(const uint8_t **out, const oq_run *r,
                      const oq_ctensor *t) {
  const uint32_t bits = bits_of(t->dtype);
  const uint8_t *const packed = t->data;

  *out = packed;
  if (bits >= 8) return OQ_OK;
  const size_t n = oq_tensor_count(t), per = 8 / bits;
  uint8_t *const v = oq_arena_alloc_raw(r->scratch, n, 1, OQ_ALIGN);
  if (v == NULL) return oq_fail_memory(r->diags);
  for (size_t i = 0; i < n; i++)
    v[i] = (uint8_t)((unsigned)packed[i / per] >> (i % per * bits) &
                     ((1u << bits) - 1));
  *out = v;
  return OQ_OK;
}

oq_status oq_bytes_out(uint8_t **out, const oq_run *r, uint32_t i) {
  const oq_ctensor t = oq_tensor_const(&r->out[i]);

  *out = bits_of(t.dtype) >= 8
             ? r->out[i].data
             : oq_arena_alloc_raw(r->scratch, oq_tensor_count(&t), 1, OQ_ALIGN);
  return *out == NULL ? oq_fail_memory(r->diags) : OQ_OK;
}

void oq_bytes_pack(uint8_t *to, size_t size, const uint8_t *values, size_t n,
                   oq_dtype t) {
  const uint32_t bits = bits_of(t);
  const size_t per = 8 / bits;

  memset(to, 0, size);
  for (size_t k = 0; k < n; k++)
    to[k / per] = (uint8_t)(to[k / per] | values[k] << (k % per * bits));
}

void oq_bytes_done(const oq_run *r, uint32_t i, const uint8_t *values) {
  const oq_ctensor t = oq_tensor_const(&r->out[i]);

  if (bits_of(t.dtype) >= 8) return;
  oq_bytes_pack(r->out[i].data, t.size, values, oq_tensor_count(&t), t.dtype);
}

oq_status oq_bytes_map(const oq_run *r, oq_mapping *m) {
  const uint8_t *x;
  uint8_t *y;

  OQ_TRY(oq_bytes_in(&x, r, r->in[0]));
  OQ_TRY(oq_bytes_out(&y, r, 0));
  m->size = oq_bytes_size(r->in[0]->dtype);
  oq_move_mapped(y, x, m);
  oq_bytes_done(r, 0, y);
  return OQ_OK;
}
