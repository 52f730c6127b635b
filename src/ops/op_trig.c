/* Trigonometric and hyperbolic functions but for Sin and Cos. */
#include <math.h>

#include "ops/eltwise.h"
#include "ops/op.h"

/* In double inside: the same to the last bit or so with every libm. */
#define FUNCTION(f)                                                         \
  static void f##_f32(float *y, const float *x, size_t n, const float *p) { \
    (void)p;                                                                \
    for (size_t i = 0; i < n; i++) y[i] = (float)f((double)x[i]);           \
  }                                                                         \
  static double f##_f64(double x, const double *p) {                        \
    (void)p;                                                                \
    return f(x);                                                            \
  }                                                                         \
  static oq_status f##_run(oq_run *r) {                                     \
    static const oq_unary loops = {.f32 = f##_f32, .f64 = f##_f64};         \
    static const double none[OQ_UNARY_PARAMS];                              \
    return oq_eltwise_map(r, &loops, none);                                 \
  }

FUNCTION(acos)
FUNCTION(acosh)
FUNCTION(asin)
FUNCTION(asinh)
FUNCTION(atan)
FUNCTION(atanh)
FUNCTION(cosh)
FUNCTION(sinh)
FUNCTION(tan)

#define ROW(op, from, f)                                                     \
  .domain = "", .name = (op), .since = (from), .last = 27, .min_in = 1,      \
  .max_in = 1, .min_out = 1, .max_out = 1, .flags = OQ_OP_INPLACE,           \
  .layout = OQ_LAST_FOLLOWS, .dtypes = OQ_DTM_FLOAT, .infer = oq_infer_same, \
  .run = f##_run
#define MAP .cls = OQ_Q_MAP, .role = {OQ_ROLE_DATA}
#define RANGE(low, high) MAP, .has_range = true, .lo = (low), .hi = (high)
#define PI 3.14159265f

static const oq_op_def defs[] = {
    {ROW("Acos", 7, acos), .quant = {RANGE(0.0f, PI)}},
    {ROW("Acosh", 9, acosh), .quant = {MAP}},
    {ROW("Asin", 7, asin), .quant = {RANGE(-PI / 2, PI / 2)}},
    {ROW("Asinh", 9, asinh), .quant = {MAP}},
    {ROW("Atan", 7, atan), .quant = {RANGE(-PI / 2, PI / 2)}},
    {ROW("Atanh", 9, atanh), .quant = {MAP}},
    {ROW("Cosh", 9, cosh), .quant = {MAP}},
    {ROW("Sinh", 9, sinh), .quant = {MAP}},
    {ROW("Tan", 7, tan), .quant = {MAP}},
};

OQ_FAMILY(trig, defs);
