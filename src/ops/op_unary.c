/* Elementwise functions of one tensor that are not activations. */
#include "ops/eltwise.h"
#include "ops/op.h"

static oq_status run(oq_run *r, const oq_unary *f) {
  static const double none[OQ_UNARY_PARAMS];

  return oq_eltwise_map(r, f, none);
}

#define RUN(name, loop) \
  static oq_status name##_run(oq_run *r) { return run(r, &(loop)); }

RUN(abs, oq_k_abs)
RUN(ceil, oq_k_ceil)
RUN(cos, oq_k_cos)
RUN(erf, oq_k_erf_op)
RUN(exp, oq_k_exp_op)
RUN(floor, oq_k_floor)
RUN(log, oq_k_log_op)
RUN(neg, oq_k_neg)
RUN(reciprocal, oq_k_reciprocal)
RUN(round, oq_k_round)
RUN(sign, oq_k_sign)
RUN(sin, oq_k_sin)
RUN(sqrt, oq_k_sqrt)

#define FLOATS .dtypes = OQ_DTM_FLOAT
#define NUMBERS .dtypes = OQ_DTM_NUMERIC
#define ROW(op, from, types, f)                                           \
  {                                                                       \
    .domain = "", .name = (op), .since = (from), .last = 27, .min_in = 1, \
    .max_in = 1, .min_out = 1, .max_out = 1, .layout = OQ_LAST_FOLLOWS,   \
    .flags = OQ_OP_INPLACE, types, .infer = oq_infer_same, .run = (f),    \
    .quant = {                                                            \
      .cls = OQ_Q_MAP,                                                    \
      .role = {OQ_ROLE_DATA}                                              \
    }                                                                     \
  }
#define RANGE_ROW(op, from, types, f, low, high)                          \
  {                                                                       \
    .domain = "", .name = (op), .since = (from), .last = 27, .min_in = 1, \
    .max_in = 1, .min_out = 1, .max_out = 1, .layout = OQ_LAST_FOLLOWS,   \
    .flags = OQ_OP_INPLACE, types, .infer = oq_infer_same, .run = (f),    \
    .quant = {                                                            \
      .cls = OQ_Q_MAP,                                                    \
      .role = {OQ_ROLE_DATA},                                             \
      .has_range = true,                                                  \
      .lo = (low),                                                        \
      .hi = (high)                                                        \
    }                                                                     \
  }

static const oq_op_def defs[] = {
    ROW("Abs", 6, NUMBERS, abs_run),
    ROW("Ceil", 6, FLOATS, ceil_run),
    RANGE_ROW("Cos", 7, FLOATS, cos_run, -1.0f, 1.0f),
    RANGE_ROW("Erf", 9, NUMBERS, erf_run, -1.0f, 1.0f),
    ROW("Exp", 6, FLOATS, exp_run),
    ROW("Floor", 6, FLOATS, floor_run),
    {.domain = "",
     .name = "Log",
     .since = 6,
     .last = 27,
     .min_in = 1,
     .max_in = 1,
     .min_out = 1,
     .max_out = 1,
     .flags = OQ_OP_INPLACE,
     .layout = OQ_LAST_FOLLOWS,
     FLOATS,
     .infer = oq_infer_same,
     .run = log_run,
     .quant = {.cls = OQ_Q_MAP, .role = {OQ_ROLE_DATA}, .relative = true}},
    ROW("Neg", 6, NUMBERS, neg_run),
    ROW("Reciprocal", 6, FLOATS, reciprocal_run),
    ROW("Round", 11, FLOATS, round_run),
    RANGE_ROW("Sign", 9, NUMBERS, sign_run, -1.0f, 1.0f),
    RANGE_ROW("Sin", 7, FLOATS, sin_run, -1.0f, 1.0f),
    ROW("Sqrt", 6, FLOATS, sqrt_run),
};

OQ_FAMILY(unary, defs);
