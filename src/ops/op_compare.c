/* Comparison, logic, selection. */
#include "ops/eltwise.h"
#include "ops/op.h"

static oq_status compare_infer(oq_infer *x) {
  OQ_TRY(oq_infer_same_dtypes(x, 0, 2));
  return oq_infer_broadcast_bool(x);
}

#define RUN(name, loop, first, second)                    \
  static oq_status name##_run(oq_run *r) {                \
    return oq_eltwise_compare(r, &(loop), first, second); \
  }
RUN(equal_numbers, oq_k_equal, 0, 1)
RUN(less, oq_k_less, 0, 1)
RUN(less_equal, oq_k_less_equal, 0, 1)
RUN(greater, oq_k_less, 1, 0)
RUN(greater_equal, oq_k_less_equal, 1, 0)
RUN(and, oq_k_and, 0, 1)
RUN(or, oq_k_or, 0, 1)
RUN(xor, oq_k_xor, 0, 1)

static oq_status equal_texts(const oq_run *r) {
  const oq_text *const a = oq_texts(r->in[0]), *const b = oq_texts(r->in[1]);
  const oq_shape *const shapes[3] = {&r->out[0].shape, &r->in[0]->shape,
                                     &r->in[1]->shape};
  uint8_t *const y = r->out[0].data;
  oq_iter it;

  oq_iter_init(&it, &r->out[0].shape, shapes, 3);
  if (it.run == 0) return OQ_OK;
  do {
    for (int64_t i = 0; i < (int64_t)it.run; i++)
      y[it.offset[0] + i * it.step[0]] = oq_text_equal(
          a[it.offset[1] + i * it.step[1]], b[it.offset[2] + i * it.step[2]]);
  } while (oq_iter_next(&it));
  return OQ_OK;
}

static oq_status equal_run(oq_run *r) {
  return r->in[0]->dtype == OQ_DT_STRING ? equal_texts(r)
                                         : equal_numbers_run(r);
}

static oq_status not_run(oq_run *r) {
  static const double none[OQ_UNARY_PARAMS];

  return oq_eltwise_map(r, &oq_k_not, none);
}

/* ---- Where --------------------------------------------------------------- */
static oq_status where_infer(oq_infer *x) {
  const oq_dtype c = oq_infer_dtype(x, 0);
  oq_dtype t = oq_infer_dtype(x, 1);

  if (c != OQ_DT_NONE && c != OQ_DT_BOOL)
    return oq_infer_fail(x, OQ_E_MODEL, "op.dtype",
                         "the condition is %s, expected bool",
                         oq_dtype_text((int32_t)c));
  OQ_TRY(oq_infer_same_dtypes(x, 1, 3));
  if (t == OQ_DT_NONE) t = oq_infer_dtype(x, 2);
  OQ_TRY(oq_infer_broadcast(x)); /* for the shape */
  if (t == OQ_DT_NONE)
    x->out[0] = (oq_type){.kind = OQ_TYPE_UNKNOWN};
  else
    oq_infer_set_dtype(x, 0, t);
  return OQ_OK;
}

static oq_status where_run(oq_run *r) {
  const oq_ctensor *const c = r->in[0], *const a = r->in[1],
                          *const b = r->in[2];
  const oq_shape *const shapes[4] = {&r->out[0].shape, &c->shape, &a->shape,
                                     &b->shape};
  const size_t size = oq_dtype_bits((int32_t)a->dtype) / 8;
  oq_iter it;

  oq_iter_init(&it, &r->out[0].shape, shapes, 4);
  if (it.run == 0) return OQ_OK;
  do {
    oq_k_select((uint8_t *)r->out[0].data + (size_t)it.offset[0] * size,
                (const uint8_t *)c->data + it.offset[1], (size_t)it.step[1],
                (const uint8_t *)a->data + (size_t)it.offset[2] * size,
                (size_t)it.step[2],
                (const uint8_t *)b->data + (size_t)it.offset[3] * size,
                (size_t)it.step[3], it.run, size);
  } while (oq_iter_next(&it));
  return OQ_OK;
}

/* ---- table --------------------------------------------------------------- */
#define COMPARE(op, from, types, f)                                       \
  {                                                                       \
    .domain = "", .name = (op), .since = (from), .last = 27, .min_in = 2, \
    .max_in = 2, .min_out = 1, .max_out = 1, .dtypes = (types),           \
    .infer = compare_infer, .run = (f), .quant = {                        \
      .cls = OQ_Q_NEVER                                                   \
    }                                                                     \
  }
#define NUMBERS (OQ_DTM_NUMERIC)
#define EQUAL                                                            \
  .domain = "", .name = "Equal", .min_in = 2, .max_in = 2, .min_out = 1, \
  .max_out = 1, .dtypes = OQ_ELTWISE_TYPES, .infer = compare_infer,      \
  .run = equal_run, .quant = {.cls = OQ_Q_NEVER}

static const oq_op_def defs[] = {
    COMPARE("And", 7, OQ_DTM(BOOL), and_run),
    {EQUAL, .since = 7, .last = 18},
    {EQUAL, .since = 19, .last = 27, .texts = OQ_TEXT(0) | OQ_TEXT(1)},
    COMPARE("Greater", 7, NUMBERS, greater_run),
    COMPARE("GreaterOrEqual", 12, NUMBERS, greater_equal_run),
    COMPARE("Less", 7, NUMBERS, less_run),
    COMPARE("LessOrEqual", 12, NUMBERS, less_equal_run),
    {.domain = "",
     .name = "Not",
     .since = 1,
     .last = 27,
     .min_in = 1,
     .max_in = 1,
     .min_out = 1,
     .max_out = 1,
     .flags = OQ_OP_INPLACE,
     .dtypes = OQ_DTM(BOOL),
     .infer = oq_infer_same,
     .run = not_run,
     .quant = {.cls = OQ_Q_NEVER}},
    COMPARE("Or", 7, OQ_DTM(BOOL), or_run),
    {.domain = "",
     .name = "Where",
     .since = 9,
     .last = 27,
     .min_in = 3,
     .max_in = 3,
     .min_out = 1,
     .max_out = 1,
     .dtypes = OQ_DTM(BOOL),
     .texts = OQ_TEXT(1) | OQ_TEXT(2) | OQ_TEXT_OUT,
     .infer = where_infer,
     .run = where_run,
     .quant = {.cls = OQ_Q_JOIN,
               .role = {OQ_ROLE_INDEX, OQ_ROLE_DATA, OQ_ROLE_DATA}}},
    COMPARE("Xor", 7, OQ_DTM(BOOL), xor_run),
};

OQ_FAMILY(compare, defs);
