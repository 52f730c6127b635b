#include "support/close.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool is_float(oq_dtype t) {
  return oq_dtype_is_float((int32_t)t) ||
         oq_dtype_in((int32_t)t, OQ_DTM_F8 | OQ_DTM(F4E2M1));
}

static bool same_type(difference *d, const oq_ctensor *a, const oq_ctensor *b) {
  char x[160], y[160];

  if (a->dtype == b->dtype && oq_shape_equal(&a->shape, &b->shape)) return true;
  oq_shape_print(x, sizeof x, a->shape.dim, a->shape.rank);
  oq_shape_print(y, sizeof y, b->shape.dim, b->shape.rank);
  (void)snprintf(d->text, sizeof d->text, "got %s%.60s, want %s%.60s",
                 oq_dtype_text((int32_t)a->dtype), x,
                 oq_dtype_text((int32_t)b->dtype), y);
  return false;
}

static bool close_f64(double a, double b, tolerance t) {
  if (isnan(a) || isnan(b)) return isnan(a) && isnan(b);
  if (isinf(a) || isinf(b)) return a == b;
  return fabs(a - b) <= t.atol + t.rtol * fabs(b);
}

static void note_worst(difference *d, size_t i, double a, double b) {
  const double abs = fabs(a - b);

  if (!isfinite(abs)) return;
  if (abs > d->max_abs) {
    d->max_abs = abs;
    d->worst = i;
  }
  if (b != 0 && abs / fabs(b) > d->max_rel) d->max_rel = abs / fabs(b);
}

bool values_close(difference *d, const oq_ctensor *got, const oq_ctensor *want,
                  tolerance t) {
  return values_within(d, got, want, t, 0);
}

static bool same_texts(difference *d, const oq_ctensor *got,
                       const oq_ctensor *want) {
  const oq_text *a = oq_texts(got), *b = oq_texts(want);
  const size_t n = oq_tensor_count(want);

  for (size_t i = 0; i < n; i++) {
    if (oq_text_equal(a[i], b[i])) continue;
    (void)snprintf(d->text, sizeof d->text, "[%zu] got '%.*s', want '%.*s'", i,
                   (int)(a[i].n < 30 ? a[i].n : 30), a[i].p,
                   (int)(b[i].n < 30 ? b[i].n : 30), b[i].p);
    return false;
  }
  return true;
}

/* A complex tensor as twice as many real numbers. */
static oq_ctensor real_parts(const oq_ctensor *t) {
  oq_ctensor y = *t;

  y.dtype = t->dtype == OQ_DT_C64 ? OQ_DT_F32 : OQ_DT_F64;
  y.shape = (oq_shape){1, {2 * (int64_t)oq_tensor_count(t)}};
  return y;
}

bool values_within(difference *d, const oq_ctensor *got, const oq_ctensor *want,
                   tolerance t, double steps) {
  size_t bad = 0, n;

  memset(d, 0, sizeof *d);
  if (!same_type(d, got, want)) return false;
  if (oq_dtype_in((int32_t)want->dtype, OQ_DTM_COMPLEX)) {
    const oq_ctensor a = real_parts(got), b = real_parts(want);
    return values_within(d, &a, &b, t, steps);
  }
  if (want->dtype == OQ_DT_STRING) return same_texts(d, got, want);
  if (!is_float(want->dtype)) {
    if (got->size == 0 || memcmp(got->data, want->data, got->size) == 0) {
      return true;
    }
    t = (tolerance){0, steps};
  }
  n = oq_tensor_count(want);
  for (size_t i = 0; i < n; i++) {
    const double a = oq_element_f64(got, i), b = oq_element_f64(want, i);
    note_worst(d, i, a, b);
    if (close_f64(a, b, t)) continue;
    if (bad++ > 0) continue;
    (void)snprintf(d->text, sizeof d->text, "[%zu] got %.9g, want %.9g", i, a,
                   b);
  }
  if (bad == 0 && t.atol == 0 && t.rtol == 0 &&
      oq_dtype_bits((int32_t)want->dtype) == 64) {
    /* Equal as double, but not as integers. */
    (void)snprintf(d->text, sizeof d->text, "large integers differ");
    return is_float(want->dtype);
  }
  return bad == 0;
}

double values_cosine(const oq_ctensor *a, const oq_ctensor *b) {
  const size_t n = oq_tensor_count(a);
  double ab = 0, aa = 0, bb = 0;

  for (size_t i = 0; i < n; i++) {
    const double x = oq_element_f64(a, i), y = oq_element_f64(b, i);
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  if (aa == 0 && bb == 0) return 1;
  return ab / sqrt(aa * bb);
}
