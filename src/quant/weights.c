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

void oq_weight_energy(double *out, const oq_ctensor *w, int32_t axis) {
  const slices x = slices_of(&w->shape, axis);
  const float *p = w->data;

  for (size_t c = 0; c < x.n; c++) out[c] = 0;
  for (size_t o = 0; o < x.outer; o++)
    for (size_t c = 0; c < x.n; c++)
      for (size_t i = 0; i < x.inner; i++, p++)
        out[c] += (double)*p * (double)*p;
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

/* ---- moments ----------------------------------------------------------- */
/* Element (k, t) of output channel c of a weight: k runs over the inputs it
 * sums, t over the positions of a kernel. */
typedef struct layout {
  const float *w;
  size_t n_out, n_in, taps;
  bool columns; /* [n_in][n_out]: a channel is a column */
} layout;

static layout layout_of(const oq_ctensor *w, int32_t axis) {
  layout l = {.w = w->data, .taps = 1};

  l.columns = axis == 1;
  l.n_out = (size_t)w->shape.dim[axis];
  l.n_in = (size_t)w->shape.dim[1 - axis];
  for (uint32_t i = 2; i < w->shape.rank; i++)
    l.taps *= (size_t)w->shape.dim[i];
  return l;
}

static float element(const layout *l, size_t c, size_t k, size_t t) {
  return l->columns ? l->w[k * l->n_out + c]
                    : l->w[(c * l->n_in + k) * l->taps + t];
}

/* Number of the data channel that input k of output channel c is. */
static size_t data_channel(const layout *l, const oq_moments *x, size_t c,
                           size_t k) {
  const size_t groups = x->n / l->n_in;

  return c / (l->n_out / groups) * l->n_in + k;
}

bool oq_moments_fit(const oq_moments *x, const oq_ctensor *w, int32_t axis) {
  if (x->n == 0 || w->shape.rank < 2 || axis < 0 || axis > 1) return false;
  if (axis == 1 && w->shape.rank != 2) return false;

  const layout l = layout_of(w, axis);

  if (l.n_in == 0 || l.n_out == 0 || x->n % l.n_in != 0) return false;
  return l.n_out % (x->n / l.n_in) == 0;
}

oq_status oq_weight_mean_error(double *error, const oq_ctensor *w, int32_t axis,
                               const float *scale, uint32_t n_scales,
                               const oq_moments *x, const oq_quant_type *t) {
  const layout l = layout_of(w, axis);

  for (size_t c = 0; c < l.n_out; c++) {
    const oq_qparam p = {scale[n_scales == 1 ? 0 : c], 0};

    error[c] = 0;
    for (size_t k = 0; k < l.n_in; k++) {
      double d = 0;

      for (size_t i = 0; i < l.taps; i++) {
        const double v = (double)element(&l, c, k, i);

        d += oq_qparam_apply(t, p, v) - v;
      }
      error[c] += d * x->mean[data_channel(&l, x, c, k)];
    }
  }
  return OQ_OK;
}
