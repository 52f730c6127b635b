/* weights.c - constants to integers, slice by slice. */
#include <math.h>
#include <string.h>

#include "kern/kern.h"
#include "quant/quant.h"

/* A tensor as [outer][n][inner], n along the axis. */
typedef struct slices {
  size_t outer, n, inner;
} slices;

static slices slices_of(const oq_shape *s, int32_t axis) {
  slices x = {1, 1, 1};

  for (uint32_t i = 0; i < s->rank; i++) {
    const size_t d = (size_t)s->dim[i];

    if (axis >= 0 && i == (uint32_t)axis)
      x.n = d;
    else if (axis < 0 || i > (uint32_t)axis)
      x.inner *= d;
    else
      x.outer *= d;
  }
  return x;
}

oq_status oq_weight_absmax(float **out, uint32_t *n, const oq_ctensor *w,
                           int32_t axis, oq_arena *a) {
  const slices x = slices_of(&w->shape, axis);
  const float *p = w->data;
  float *max = OQ_NEW_N(a, float, x.n);

  if (!max) return OQ_E_MEMORY;
  for (size_t o = 0; o < x.outer; o++)
    for (size_t c = 0; c < x.n; c++) {
      float m = max[c];

      for (size_t i = 0; i < x.inner; i++) {
        const float v = fabsf(*p++);

        if (!(v <= m)) m = v; /* takes NaN along, to be refused above */
        if (isnan(v)) return OQ_E_NUMERIC;
      }
      max[c] = m;
    }
  for (size_t c = 0; c < x.n; c++)
    if (!isfinite(max[c])) return OQ_E_NUMERIC;
  *out = max;
  *n = (uint32_t)x.n;
  return OQ_OK;
}

void oq_codes_of_floats(void *codes, const float *v, size_t n, oq_qparam p,
                        const oq_quant_type *t, const oq_kernels *k) {
  if (t->dtype == OQ_DT_I8)
    k->quantize_i8(codes, v, n, p.scale, p.zero, t->qmin, t->qmax);
  else
    k->quantize_u8(codes, v, n, p.scale, p.zero, t->qmin, t->qmax);
}

oq_status oq_weight_quantize(oq_store **out, const oq_ctensor *w, int32_t axis,
                             const float *scale, uint32_t n_scales,
                             const oq_quant_type *t, const oq_env *e) {
  const slices x = slices_of(&w->shape, n_scales > 1 ? axis : -1);
  const float *v = w->data;
  oq_store *store;
  void *bytes;

  OQ_TRY(oq_store_new(&store, &bytes, oq_tensor_count(w), e->alloc));
  int8_t *q = bytes;
  for (size_t o = 0; o < x.outer; o++)
    for (size_t c = 0; c < x.n; c++) {
      oq_codes_of_floats(q, v, x.inner, (oq_qparam){scale[c], 0}, t,
                         e->kernels);
      q += x.inner;
      v += x.inner;
    }
  *out = store;
  return OQ_OK;
}
