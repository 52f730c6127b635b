/* scheme.c - integer grids: from a range to scale and zero point. */
#include <float.h>
#include <math.h>

#include "quant/quant.h"

bool oq_quant_type_make(oq_quant_type *out, oq_dtype t, bool symmetric) {
  const uint32_t bits = oq_dtype_bits((int32_t)t);
  const bool is_signed =
      oq_dtype_in((int32_t)t, OQ_DTM(I4) | OQ_DTM(I8) | OQ_DTM(I16));

  if (!oq_dtype_in((int32_t)t, OQ_DTM(U4) | OQ_DTM(I4) | OQ_DTM(U8) |
                                   OQ_DTM(I8) | OQ_DTM(U16) | OQ_DTM(I16)))
    return false;

  const int32_t levels = (int32_t)1 << bits;

  *out = (oq_quant_type){t, is_signed ? -levels / 2 : 0,
                         is_signed ? levels / 2 - 1 : levels - 1, symmetric};
  /* -128 has no positive twin; leaving it out keeps the zero point at 0. */
  if (is_signed && symmetric) out->qmin++;
  return true;
}

/* The code that stands for 0 on a symmetric grid: 0, or 128 of uint8. */
static int32_t middle(const oq_quant_type *t) {
  return t->qmin < 0 ? 0 : (t->qmax - t->qmin + 1) / 2;
}

/* A range too small for a normal float scale: any scale will do, 0 must map to
 * itself. */
static oq_qparam degenerate(const oq_quant_type *t) {
  return (oq_qparam){1.0f, t->symmetric  ? middle(t)
                           : t->qmin < 0 ? 0
                                         : t->qmin};
}

static int32_t clamp_code(const oq_quant_type *t, double q) {
  if (q < t->qmin) return t->qmin;
  if (q > t->qmax) return t->qmax;
  return (int32_t)q;
}

oq_qparam oq_qparam_of_range(const oq_quant_type *t, oq_range r) {
  const double lo = fmin(r.lo, 0.0), hi = fmax(r.hi, 0.0);

  if (t->symmetric) {
    const int32_t zero = middle(t);
    const float scale = (float)(fmax(-lo, hi) / (t->qmax - zero));

    if (!(scale >= FLT_MIN) || !isfinite(scale)) return degenerate(t);
    return (oq_qparam){scale, zero};
  }

  /* The zero point from the scale before it is rounded to float32, as
   * onnxruntime's tools have it. */
  const double exact = (hi - lo) / (t->qmax - t->qmin);
  const float scale = (float)exact;

  if (!(scale >= FLT_MIN) || !isfinite(scale)) return degenerate(t);
  return (oq_qparam){scale, clamp_code(t, nearbyint(t->qmin - lo / exact))};
}

double oq_qparam_apply(const oq_quant_type *t, oq_qparam p, double x) {
  const double q = nearbyint(x / (double)p.scale) + p.zero;

  return (double)p.scale * (clamp_code(t, q) - p.zero);
}
