/* ops/ml - what the operators of ai.onnx.ml share: class labels, the transforms
 * of scores, and inputs as rows of features. */
#ifndef OQ_OPS_ML_H
#define OQ_OPS_ML_H

#include "ops/op.h"

#define OQ_ML "ai.onnx.ml"
#define OQ_ML_NEWEST 5
#define OQ_ML_TYPES (OQ_DTM(F32) | OQ_DTM(F64) | OQ_DTM(I64) | OQ_DTM(I32))

/* The field is a const oq_attr *; NULL if absent. */
#define OQ_ML_TEXTS(P, field, key)                                      \
  {                                                                     \
    .name = (key), .kind = OQ_ATTR_TEXTS, .offset = offsetof(P, field), \
    .min = 1, .max = 0                                                  \
  }

/* ---- transforms of scores ---------------------------------------------- */
/* In the order of ONNX's enumeration. */
typedef enum oq_ml_post {
  OQ_ML_NONE,
  OQ_ML_SOFTMAX,
  OQ_ML_LOGISTIC,
  OQ_ML_SOFTMAX_ZERO,
  OQ_ML_PROBIT,
  OQ_ML_POSTS
} oq_ml_post;
extern const char *const oq_ml_post_texts[]; /* NULL-ended, as the enum */

float oq_ml_logistic(float v);
/* One score alone is changed by PROBIT only, as onnxruntime does. */
void oq_ml_transform(float *s, size_t n, oq_ml_post kind);
/* The scores of two classes from the one of the second, which the text leaves
 * open: 1 - s and s, or -s and s where scores may be negative. */
void oq_ml_transform_pair(float out[2], float s, oq_ml_post kind, bool signs);

/* ---- labels ------------------------------------------------------------ */
typedef struct oq_ml_labels {
  const int64_t *ints;
  const oq_text *texts; /* NULL: they are integers */
  uint32_t n;
} oq_ml_labels;

/* From the attributes, of which one must be given; `what` names them without
 * their ends. */
oq_status oq_ml_labels_take(oq_ml_labels *out, const oq_graph *g,
                            const oq_node *n, const oq_i64s *ints,
                            const oq_attr *texts, const char *what,
                            oq_diags *d);
static inline oq_dtype oq_ml_labels_dtype(const oq_ml_labels *l) {
  return l->texts != NULL ? OQ_DT_STRING : OQ_DT_I64;
}
/* Output 0, element i := label k. */
void oq_ml_labels_put(const oq_ml_labels *l, oq_run *r, size_t i, uint32_t k);

/* ---- rows -------------------------------------------------------------- */
/* [N, C], or [C] for one row; refuses other ranks: "op.rank".  Sizes may be
 * unknown. */
oq_status oq_ml_infer_rows(oq_dim *n, oq_dim *c, const oq_infer *x);
/* out[i] := [n] or, with columns, [n, c]. */
void oq_ml_infer_set(oq_infer *x, uint32_t i, oq_dtype t, oq_dim n);
void oq_ml_infer_set2(oq_infer *x, uint32_t i, oq_dtype t, oq_dim n, int64_t c);
typedef struct oq_ml_rows {
  size_t n, c;
} oq_ml_rows;
oq_ml_rows oq_ml_rows_of(const oq_ctensor *t);
/* Elements from..from+n of t as floats: itself where it is of floats, else
 * converted into `room`. */
const float *oq_ml_floats(const oq_ctensor *t, size_t from, size_t n,
                          float *room);
const double *oq_ml_doubles(const oq_ctensor *t, size_t from, size_t n,
                            double *room);
/* The whole of input 0 as floats. */
oq_status oq_ml_input(const float **out, const oq_run *r);

/* An attribute of this node is wrong: OQ_E_MODEL "op.attr". */
oq_status oq_ml_attr_fail(const oq_graph *g, const oq_node *n, const char *attr,
                          oq_diags *d, const char *fmt, ...) OQ_PRINTF(5, 6);

#endif
