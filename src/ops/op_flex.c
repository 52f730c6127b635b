/* FlexAttention: attention whose scores and probabilities pass through graphs
 * among its attributes. */
#include <math.h>
#include <string.h>

#include "kern/k_eltwise.h"
#include "kern/k_gemm.h"
#include "kern/k_softmax.h"
#include "ops/op.h"
#include "ops/rules.h"
#include "ops/widen.h"

typedef struct flex_params {
  const oq_graph *score_mod, *prob_mod; /* NULL if absent */
  int64_t precision;                    /* 0 = not given */
  float scale;
  bool has_scale;
} flex_params;

#define OQ_A_BODY(field, key)                                  \
  {                                                            \
    .name = (key), .kind = OQ_ATTR_GRAPH,                      \
    .offset = offsetof(flex_params, field), .min = 1, .max = 0 \
  }
static const oq_attr_def flex_attrs[] = {
    OQ_A_BODY(prob_mod, "prob_mod"),
    OQ_A_BODY(score_mod, "score_mod"),
    {.name = "scale",
     .kind = OQ_ATTR_F32,
     .offset = offsetof(flex_params, scale),
     .set_offset = offsetof(flex_params, has_scale),
     .min = 1,
     .max = 0},
    OQ_A_I64(flex_params, precision, "softmax_precision", 0, 0, 26),
};

static oq_status flex_check(const oq_graph *g, const oq_node *n, void *params,
                            oq_diags *d) {
  const flex_params *const p = params;
  oq_where w = oq_node_where(g, (oq_node_id){(uint32_t)(n - g->nodes)});

  if (p->precision != 0 && !oq_dtype_in((int32_t)p->precision, OQ_DTM_FLOAT)) {
    w.attr = "softmax_precision";
    return oq_fail(d, OQ_E_MODEL, "op.attr", &w,
                   "attribute 'softmax_precision' is %s, expected a floating "
                   "point type",
                   oq_dtype_text((int32_t)p->precision));
  }
  if (p->score_mod != NULL)
    OQ_TRY(oq_rule_body(g, n, p->score_mod, "score_mod", 1, 1, d));
  if (p->prob_mod != NULL)
    OQ_TRY(oq_rule_body(g, n, p->prob_mod, "prob_mod", 1, 1, d));
  return OQ_OK;
}

/* ---- rule ---------------------------------------------------------------- */
static oq_status agree(const oq_infer *x, uint32_t a, uint32_t da, uint32_t b,
                       uint32_t db, const char *what) {
  const oq_type *const ta = oq_rule_ranked(x, a), *const tb =
                                                      oq_rule_ranked(x, b);

  if (ta == NULL || tb == NULL) return OQ_OK;
  const int64_t na = ta->dim[da].size, nb = tb->dim[db].size;
  if (na == nb || na == OQ_DIM_UNKNOWN || nb == OQ_DIM_UNKNOWN) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "attention.shape",
                       "%s is %lld in input %u and %lld in input %u", what,
                       (long long)na, a, (long long)nb, b);
}

static oq_status check_heads(const oq_infer *x) {
  const oq_type *const q = oq_rule_ranked(x, 0), *const k =
                                                     oq_rule_ranked(x, 1);

  if (q == NULL || k == NULL) return OQ_OK;
  const int64_t nq = q->dim[1].size, nk = k->dim[1].size;
  if (nq == OQ_DIM_UNKNOWN || nk == OQ_DIM_UNKNOWN ||
      (nk > 0 && nq % nk == 0) || nq == 0)
    return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "attention.heads",
                       "%lld query heads cannot share %lld key heads",
                       (long long)nq, (long long)nk);
}

static oq_status flex_infer(oq_infer *x) {
  const oq_type *t[3];

  OQ_TRY(oq_infer_same_dtypes(x, 0, 3));
  OQ_TRY(oq_rule_dtype(x));
  for (uint32_t i = 0; i < 3; i++) {
    t[i] = oq_rule_ranked(x, i);
    if (t[i] != NULL && t[i]->rank != 4)
      return oq_infer_fail(x, OQ_E_MODEL, "attention.rank",
                           "input %u has rank %u, expected 4", i, t[i]->rank);
  }
  OQ_TRY(agree(x, 0, 0, 1, 0, "the batch size"));
  OQ_TRY(agree(x, 0, 0, 2, 0, "the batch size"));
  OQ_TRY(agree(x, 1, 1, 2, 1, "the number of heads"));
  OQ_TRY(agree(x, 0, 3, 1, 3, "the head size"));
  OQ_TRY(agree(x, 1, 2, 2, 2, "the sequence length"));
  OQ_TRY(check_heads(x));
  if (oq_infer_dtype(x, 0) == OQ_DT_NONE || x->n_out == 0) return OQ_OK;
  oq_infer_set_rank(x, 0, oq_infer_dtype(x, 0), 4);
  for (uint32_t i = 0; i < 3 && t[0] != NULL; i++)
    x->out[0].dim[i] = t[0]->dim[i];
  if (t[2] != NULL) x->out[0].dim[3] = t[2]->dim[3];
  return OQ_OK;
}

/* ---- kernel -------------------------------------------------------------- */
typedef struct flex {
  oq_run *r;
  const flex_params *p;
  size_t batch, q_heads, kv_heads, q_len, kv_len, head, v_head;
  oq_dtype precision; /* of scores and probabilities */
  oq_shape shape;     /* of both */
  size_t n;           /* elements of both */
  bool f64;           /* worked in double, else in float */
  const void *in[3];
} flex;

static size_t width_of(const flex *f) {
  return f->f64 ? sizeof(double) : sizeof(float);
}

static const void *at(const flex *f, const void *p, size_t i) {
  return (const uint8_t *)p + i * width_of(f);
}

static oq_status take(const void **out, const flex *f, const oq_ctensor *t) {
  const double *d;
  const float *s;

  if (f->f64) {
    OQ_TRY(oq_widen_in_f64(&d, f->r, t));
    *out = d;
  } else {
    OQ_TRY(oq_widen_in(&s, f->r, t));
    *out = s;
  }
  return OQ_OK;
}

static oq_status flex_open(flex *f, oq_run *r) {
  const oq_shape *const q = &r->in[0]->shape, *const k = &r->in[1]->shape;
  const bool double_in = r->in[0]->dtype == OQ_DT_F64;

  *f = (flex){.r = r,
              .p = r->params,
              .batch = (size_t)q->dim[0],
              .q_heads = (size_t)q->dim[1],
              .kv_heads = (size_t)k->dim[1],
              .q_len = (size_t)q->dim[2],
              .kv_len = (size_t)k->dim[2],
              .head = (size_t)q->dim[3],
              .v_head = (size_t)r->in[2]->shape.dim[3]};
  f->precision = (oq_dtype)f->p->precision;
  if (f->p->precision == 0) f->precision = double_in ? OQ_DT_F64 : OQ_DT_F32;
  f->f64 = double_in || f->precision == OQ_DT_F64;
  f->shape = (oq_shape){4, {q->dim[0], q->dim[1], q->dim[2], k->dim[2]}};
  if (oq_shape_count(&f->n, &f->shape) != OQ_OK)
    return oq_run_fail(r, OQ_E_LIMIT, "op.size", "the scores are too many");
  for (uint32_t i = 0; i < 3; i++) OQ_TRY(take(&f->in[i], f, r->in[i]));
  return OQ_OK;
}

/* y[m,n] = alpha a[m,k] b[k,n], or b[n,k] if transposed. */
static void multiply(const flex *f, void *y, const void *a, const void *b,
                     oq_transpose tb, size_t m, size_t n, size_t k,
                     double alpha) {
  if (f->f64)
    oq_gemm_f64(OQ_NO_TRANS, tb, m, n, k, alpha, a, b, 0, y);
  else
    oq_gemm_f32_dense(f->r->k, OQ_NO_TRANS, tb, m, n, k, (float)alpha, a, b, 0,
                      y);
}

/* Matrix i of all batches and query heads meets matrix of keys or values. */
static size_t shared_head(const flex *f, size_t i) {
  const size_t b = i / f->q_heads, h = i % f->q_heads;

  return b * f->kv_heads + h / (f->q_heads / f->kv_heads);
}

static void scores(const flex *f, uint8_t *w) {
  const size_t size = f->q_len * f->kv_len;
  const double scale = f->p->has_scale ? (double)f->p->scale
                       : f->head > 0   ? 1 / sqrt((double)f->head)
                                       : 1;

  for (size_t i = 0; i < f->batch * f->q_heads; i++)
    multiply(f, w + i * size * width_of(f),
             at(f, f->in[0], i * f->q_len * f->head),
             at(f, f->in[1], shared_head(f, i) * f->kv_len * f->head), OQ_TRANS,
             f->q_len, f->kv_len, f->head, scale);
}

/* Rounds `w` to the type of the scores, has the graph work on it, and widens
 * the result back. */
static oq_status modify(const flex *f, void *w, const oq_graph *body) {
  const oq_num_class cls = f->f64 ? OQ_NUM_F64 : OQ_NUM_F32;
  oq_datum in = {0}, out = {0};
  const void *back;
  void *data;

  if (body == NULL && f->precision == (f->f64 ? OQ_DT_F64 : OQ_DT_F32))
    return OQ_OK;
  OQ_TRY(oq_run_take(&in, &data, f->r, f->precision, &f->shape));
  oq_k_convert(data, 0, (int32_t)f->precision, w, cls, f->n);
  if (body == NULL) {
    out = in;
  } else {
    OQ_TRY(oq_run_body(f->r, body, &in, 1, &out));
    oq_run_drop(f->r, &in);
  }
  if (out.kind != OQ_DATUM_TENSOR || out.t.dtype != f->precision ||
      !oq_shape_equal(&out.t.shape, &f->shape))
    return oq_run_fail(f->r, OQ_E_MODEL, "attention.body",
                       "the graph '%s' changes the type or shape of what it is "
                       "given",
                       body == f->p->score_mod ? "score_mod" : "prob_mod");
  OQ_TRY(take(&back, f, &out.t));
  if (f->n > 0) memcpy(w, back, f->n * width_of(f));
  oq_run_drop(f->r, &out);
  return OQ_OK;
}

static void softmax(const flex *f, uint8_t *w) {
  if (f->kv_len == 0) return;
  for (size_t i = 0; i < f->n; i += f->kv_len) {
    uint8_t *const row = w + i * width_of(f);
    if (f->f64)
      oq_k_softmax_f64((double *)(void *)row, (double *)(void *)row, f->kv_len,
                       1, false);
    else
      oq_k_softmax_row((float *)(void *)row, (float *)(void *)row, f->kv_len,
                       false);
  }
}

static oq_status values(const flex *f, const uint8_t *w) {
  const oq_shape *const q = &f->shape;
  const oq_dtype t = f->r->in[0]->dtype;
  const oq_shape shape = {
      4, {q->dim[0], q->dim[1], q->dim[2], (int64_t)f->v_head}};
  const size_t size = f->q_len * f->kv_len, rows = f->q_len * f->v_head;
  oq_datum y = {0};
  void *data;

  OQ_TRY(oq_run_take(&y, &data, f->r, t, &shape));
  uint8_t *const wide = oq_arena_alloc_raw(f->r->scratch, oq_tensor_count(&y.t),
                                           width_of(f), OQ_ALIGN);
  if (wide == NULL) return oq_fail_memory(f->r->diags);
  for (size_t i = 0; i < f->batch * f->q_heads; i++)
    multiply(f, wide + i * rows * width_of(f), w + i * size * width_of(f),
             at(f, f->in[2], shared_head(f, i) * f->kv_len * f->v_head),
             OQ_NO_TRANS, f->q_len, f->v_head, f->kv_len, 1);
  oq_k_convert(data, 0, (int32_t)t, wide, f->f64 ? OQ_NUM_F64 : OQ_NUM_F32,
               oq_tensor_count(&y.t));
  oq_run_give(f->r, 0, &y);
  return OQ_OK;
}

static oq_status flex_run(oq_run *r) {
  flex f;

  OQ_TRY(flex_open(&f, r));
  uint8_t *const w =
      oq_arena_alloc_raw(r->scratch, f.n, width_of(&f), OQ_ALIGN);
  if (w == NULL) return oq_fail_memory(r->diags);
  scores(&f, w);
  OQ_TRY(modify(&f, w, f.p->score_mod));
  softmax(&f, w);
  OQ_TRY(modify(&f, w, f.p->prob_mod));
  return values(&f, w);
}

/* ---- table --------------------------------------------------------------- */
static const oq_op_def defs[] = {
    {.domain = "ai.onnx.preview",
     .name = "FlexAttention",
     .since = 1,
     .last = 1,
     .min_in = 3,
     .max_in = 3,
     .min_out = 1,
     .max_out = 1,
     .flags = OQ_OP_GIVES,
     .dtypes = OQ_DTM_FLOAT,
     .params_size = sizeof(flex_params),
     OQ_ATTRS(flex_attrs),
     .check = flex_check,
     .infer = flex_infer,
     .run = flex_run,
     .quant = {.cls = OQ_Q_MAP,
               .role = {OQ_ROLE_DATA, OQ_ROLE_DATA, OQ_ROLE_DATA,
                        OQ_ROLE_NONE}}},
};

OQ_FAMILY(flex, defs);
