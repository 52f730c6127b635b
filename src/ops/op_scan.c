/* Running sums and products: CumSum, CumProd. */
#include "ops/op.h"
#include "ops/rules.h"
#include "ops/widen.h"

typedef struct scan_params {
  int64_t exclusive, reverse;
} scan_params;

static const oq_attr_def scan_attrs[] = {
    OQ_A_I64(scan_params, exclusive, "exclusive", 0, 0, 1),
    OQ_A_I64(scan_params, reverse, "reverse", 0, 0, 1),
};

static oq_status scan_infer(oq_infer *x) {
  const oq_type *const t = oq_rule_ranked(x, 0);
  const int64_t *v;
  uint32_t n, axis;
  bool known;

  OQ_TRY(oq_infer_ints(&v, &n, &known, x, 1));
  if (known && n != 1)
    return oq_infer_fail(x, OQ_E_MODEL, "scan.axis",
                         "the axis has %u values, expected 1", n);
  if (known && t != NULL) OQ_TRY(oq_rule_axis(&axis, x, v[0], t->rank));
  return oq_infer_same(x);
}

typedef struct lines { /* x seen as [outer][n][inner] */
  size_t outer, n, inner;
  bool exclusive, reverse;
} lines;

#define SCAN(name, T, op, neutral)                                           \
  static void name(T *y, const T *x, const lines *l) {                       \
    for (size_t i = 0; i < l->outer * l->inner; i++) {                       \
      const size_t base = i / l->inner * l->n * l->inner + i % l->inner;     \
      T sum = (neutral);                                                     \
      for (size_t k = 0; k < l->n; k++) {                                    \
        const size_t at = base + (l->reverse ? l->n - 1 - k : k) * l->inner; \
        const T v = x[at]; /* y may be x */                                  \
        if (l->exclusive) y[at] = sum;                                       \
        sum = sum op v;                                                      \
        if (!l->exclusive) y[at] = sum;                                      \
      }                                                                      \
    }                                                                        \
  }
SCAN(sum_f32, float, +, 0)
SCAN(sum_f64, double, +, 0)
SCAN(sum_u32, uint32_t, +, 0)
SCAN(sum_u64, uint64_t, +, 0)
SCAN(product_f32, float, *, 1)
SCAN(product_f64, double, *, 1)
SCAN(product_u32, uint32_t, *, 1)
SCAN(product_u64, uint64_t, *, 1)

/* Unsigned loops wrap, and so serve the signed types too. */
typedef struct scan_loops {
  void (*f32)(float *, const float *, const lines *);
  void (*f64)(double *, const double *, const lines *);
  void (*u32)(uint32_t *, const uint32_t *, const lines *);
  void (*u64)(uint64_t *, const uint64_t *, const lines *);
} scan_loops;

static oq_status scan_lines(lines *l, const oq_run *r) {
  const scan_params *const p = r->params;
  const oq_shape *const s = &r->in[0]->shape;
  uint32_t axis;

  if (!oq_axis_normalize(&axis, oq_element_i64(r->in[1], 0), s->rank))
    return OQ_E_INTERNAL;
  *l = (lines){oq_dims_product(s, 0, axis), (size_t)s->dim[axis],
               oq_dims_product(s, axis + 1, s->rank), p->exclusive != 0,
               p->reverse != 0};
  return OQ_OK;
}

static oq_status scan_run(oq_run *r, const scan_loops *k) {
  const oq_dtype t = r->in[0]->dtype;
  const void *const x = r->in[0]->data;
  void *const y = r->out[0].data;
  lines l;

  if (r->out[0].size == 0) return OQ_OK;
  OQ_TRY(scan_lines(&l, r));
  if (t == OQ_DT_F64) {
    k->f64(y, x, &l);
  } else if (t == OQ_DT_I32 || t == OQ_DT_U32) {
    k->u32(y, x, &l);
  } else if (t == OQ_DT_I64 || t == OQ_DT_U64) {
    k->u64(y, x, &l);
  } else {
    const float *from;
    float *to;
    OQ_TRY(oq_widen_in(&from, r, r->in[0]));
    OQ_TRY(oq_widen_out(&to, r, 0));
    k->f32(to, from, &l);
    oq_widen_done(r, 0, to);
  }
  return OQ_OK;
}

static oq_status sum_run(oq_run *r) {
  static const scan_loops k = {sum_f32, sum_f64, sum_u32, sum_u64};

  return scan_run(r, &k);
}

static oq_status product_run(oq_run *r) {
  static const scan_loops k = {product_f32, product_f64, product_u32,
                               product_u64};

  return scan_run(r, &k);
}

/* ---- table --------------------------------------------------------------- */
#define SCAN_ROW                                                            \
  .domain = "", .min_in = 2, .max_in = 2, .min_out = 1, .max_out = 1,       \
  .dtypes =                                                                 \
      OQ_DTM_FLOAT | OQ_DTM(I32) | OQ_DTM(I64) | OQ_DTM(U32) | OQ_DTM(U64), \
  .params_size = sizeof(scan_params), OQ_ATTRS(scan_attrs),                 \
  .infer = scan_infer,                                                      \
  .quant = {.cls = OQ_Q_MAP, .role = {OQ_ROLE_DATA, OQ_ROLE_INDEX}}

static const oq_op_def defs[] = {
    {SCAN_ROW, .name = "CumSum", .since = 11, .last = 27, .run = sum_run},
    {SCAN_ROW, .name = "CumProd", .since = 26, .last = 27, .run = product_run},
};

OQ_FAMILY(scan, defs);
