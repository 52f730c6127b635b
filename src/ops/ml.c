/* ops/ml - see ml.h. */
#include "ops/ml.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

/* ---- transforms of scores ---------------------------------------------- */
const char *const oq_ml_post_texts[] = {"NONE",         "SOFTMAX", "LOGISTIC",
                                        "SOFTMAX_ZERO", "PROBIT",  NULL};

float oq_ml_logistic(float v) {
  const float y = 1.0f / (1.0f + expf(-fabsf(v)));

  return v < 0 ? 1.0f - y : y;
}

/* The quantile of the normal distribution, by the approximation of the inverse
 * error function that onnxruntime has (Winitzki's): the text gives none, and
 * an exact one would differ in the third digit. */
static float probit(float p) {
  const float a = 0.147f, x = 2.0f * p - 1.0f;
  const float l = logf((1.0f - x) * (1.0f + x));
  const float v = 2.0f / (3.14159f * a) + 0.5f * l;
  const float y = sqrtf(sqrtf(v * v - 1.0f / a * l) - v);

  return 1.41421356f * (x < 0 ? -y : y);
}

static float largest(const float *s, size_t n) {
  float max = s[0];

  for (size_t i = 1; i < n; i++) max = s[i] > max ? s[i] : max;
  return max;
}

/* `skip`: scores that are 0 stay 0. */
static void softmax(float *s, size_t n, bool skip) {
  const float max = largest(s, n), none = expf(-max);
  float sum = 0;

  for (size_t i = 0; i < n; i++) {
    if (skip && fabsf(s[i]) <= 1e-7f) {
      s[i] *= none;
      continue;
    }
    s[i] = expf(s[i] - max);
    sum += s[i];
  }
  for (size_t i = 0; i < n; i++) s[i] /= sum;
}

void oq_ml_transform(float *s, size_t n, oq_ml_post kind) {
  if (n == 0 || (n == 1 && kind != OQ_ML_PROBIT)) return;
  switch (kind) {
    case OQ_ML_SOFTMAX:
    case OQ_ML_SOFTMAX_ZERO:
      softmax(s, n, kind == OQ_ML_SOFTMAX_ZERO);
      break;
    case OQ_ML_LOGISTIC:
      for (size_t i = 0; i < n; i++) s[i] = oq_ml_logistic(s[i]);
      break;
    case OQ_ML_PROBIT:
      for (size_t i = 0; i < n; i++) s[i] = probit(s[i]);
      break;
    case OQ_ML_NONE:
    case OQ_ML_POSTS:
      break;
  }
}

void oq_ml_transform_pair(float out[2], float s, oq_ml_post kind, bool signs) {
  if (kind == OQ_ML_LOGISTIC) {
    out[0] = oq_ml_logistic(-s);
    out[1] = oq_ml_logistic(s);
    return;
  }
  if (kind == OQ_ML_PROBIT) s = probit(s);
  out[0] = signs ? -s : 1.0f - s;
  out[1] = s;
}

/* ---- labels ------------------------------------------------------------ */
oq_status oq_ml_attr_fail(const oq_graph *g, const oq_node *n, const char *attr,
                          oq_diags *d, const char *fmt, ...) {
  oq_where w = oq_node_where(g, (oq_node_id){(uint32_t)(n - g->nodes)});
  char text[256];
  va_list args;

  va_start(args, fmt);
  (void)vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  w.attr = attr;
  return oq_fail(d, OQ_E_MODEL, "op.attr", &w, "%s", text);
}

oq_status oq_ml_labels_take(oq_ml_labels *out, const oq_graph *g,
                            const oq_node *n, const oq_i64s *ints,
                            const oq_attr *texts, const char *what,
                            oq_diags *d) {
  const uint32_t n_texts = texts != NULL ? texts->count : 0;

  /* Some exporters write the other one, too, as an empty list. */
  if ((ints->n > 0) == (n_texts > 0))
    return oq_ml_attr_fail(g, n, what, d,
                           "one of the attributes '%s_*' must be given, and "
                           "only one",
                           what);
  if (n_texts > 0)
    *out = (oq_ml_labels){NULL, texts->u.texts, n_texts};
  else
    *out = (oq_ml_labels){ints->v, NULL, ints->n};
  return OQ_OK;
}

void oq_ml_labels_put(const oq_ml_labels *l, oq_run *r, size_t i, uint32_t k) {
  if (l->texts != NULL)
    ((oq_text *)r->out[0].data)[i] = l->texts[k];
  else
    ((int64_t *)r->out[0].data)[i] = l->ints[k];
}

/* ---- rows -------------------------------------------------------------- */
static const oq_dim unknown = {.size = OQ_DIM_UNKNOWN};

oq_status oq_ml_infer_rows(oq_dim *n, oq_dim *c, const oq_infer *x) {
  const oq_type *const t = oq_infer_in(x, 0);

  *n = *c = unknown;
  if (t == NULL || !t->has_rank) return OQ_OK;
  if (t->rank != 1 && t->rank != 2)
    return oq_infer_fail(x, OQ_E_MODEL, "op.rank",
                         "input 0 has rank %u, expected 1 or 2", t->rank);
  *c = t->dim[t->rank - 1];
  *n = t->rank == 2 ? t->dim[0] : (oq_dim){.size = 1};
  return OQ_OK;
}

void oq_ml_infer_set(oq_infer *x, uint32_t i, oq_dtype t, oq_dim n) {
  if (i >= x->n_out) return;
  oq_infer_set_rank(x, i, t, 1);
  x->out[i].dim[0] = n;
}

void oq_ml_infer_set2(oq_infer *x, uint32_t i, oq_dtype t, oq_dim n,
                      int64_t c) {
  if (i >= x->n_out) return;
  oq_infer_set_rank(x, i, t, 2);
  x->out[i].dim[0] = n;
  if (c >= 0) x->out[i].dim[1] = (oq_dim){.size = c};
}

oq_ml_rows oq_ml_rows_of(const oq_ctensor *t) {
  const oq_shape *const s = &t->shape;

  return (oq_ml_rows){s->rank == 2 ? (size_t)s->dim[0] : 1,
                      (size_t)s->dim[s->rank - 1]};
}

#define CONVERT(to, type)                                  \
  case OQ_DT_##type:                                       \
    for (size_t i = 0; i < n; i++)                         \
      room[i] = (to)((const type##_t *)t->data)[from + i]; \
    return room

typedef float F32_t;
typedef double F64_t;
typedef int32_t I32_t;
typedef int64_t I64_t;

const float *oq_ml_floats(const oq_ctensor *t, size_t from, size_t n,
                          float *room) {
  switch ((int)t->dtype) {
    case OQ_DT_F32:
      return (const float *)t->data + from;
      CONVERT(float, F64);
      CONVERT(float, I32);
      CONVERT(float, I64);
    default:
      for (size_t i = 0; i < n; i++)
        room[i] = (float)oq_element_f64(t, from + i);
      return room;
  }
}

const double *oq_ml_doubles(const oq_ctensor *t, size_t from, size_t n,
                            double *room) {
  switch ((int)t->dtype) {
    case OQ_DT_F64:
      return (const double *)t->data + from;
      CONVERT(double, F32);
      CONVERT(double, I32);
      CONVERT(double, I64);
    default:
      for (size_t i = 0; i < n; i++) room[i] = oq_element_f64(t, from + i);
      return room;
  }
}

oq_status oq_ml_input(const float **out, const oq_run *r) {
  const size_t n = oq_tensor_count(r->in[0]);
  float *room = NULL;

  if (r->in[0]->dtype != OQ_DT_F32) {
    room = OQ_NEW_N(r->scratch, float, n);
    if (room == NULL) return oq_fail_memory(r->diags);
  }
  *out = oq_ml_floats(r->in[0], 0, n, room);
  return OQ_OK;
}
