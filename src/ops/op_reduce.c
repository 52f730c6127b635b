/* Reductions over axes, ArgMax and ArgMin.  The axes are an attribute up to
 * opset 17 (ReduceSum: 12), an input from then on. */
#include <math.h>
#include <string.h>

#include "kern/k_eltwise.h"
#include "kern/k_reduce.h"
#include "ops/op.h"

typedef struct reduce_params {
  oq_i64s axes;
  int64_t keepdims, noop;
} reduce_params;

#define KEEPDIMS(P) OQ_A_I64(P, keepdims, "keepdims", 1, 0, 1)
static const oq_attr_def by_attr[] = {
    OQ_A_I64S(reduce_params, axes, "axes"),
    KEEPDIMS(reduce_params),
};
static const oq_attr_def by_input[] = {
    KEEPDIMS(reduce_params),
    OQ_A_I64(reduce_params, noop, "noop_with_empty_axes", 0, 0, 1),
};

/* ---- which axes ---------------------------------------------------------- */
/* No axes: all of them, or with noop none.  false: an axis is out of range or
 * twice. */
static bool axes_mask(bool mask[OQ_MAX_RANK], const int64_t *axes, uint32_t n,
                      uint32_t rank, const reduce_params *p) {
  const bool all = n == 0 && p->noop == 0;

  for (uint32_t i = 0; i < OQ_MAX_RANK; i++) mask[i] = all && i < rank;
  for (uint32_t i = 0; i < n; i++) {
    uint32_t at;
    if (!oq_axis_normalize(&at, axes[i], rank) || mask[at]) return false;
    mask[at] = true;
  }
  return true;
}

static void reduced_type(oq_infer *x, const oq_type *t, oq_dtype dtype,
                         const bool *mask, bool keepdims) {
  oq_type *const out = &x->out[0];
  uint32_t rank = 0;

  if (x->n_out == 0) return;
  oq_infer_set_dtype(x, 0, dtype);
  out->has_rank = true;
  for (uint32_t i = 0; i < t->rank; i++) {
    if (!mask[i])
      out->dim[rank++] = t->dim[i];
    else if (keepdims)
      out->dim[rank++] = (oq_dim){.size = 1};
  }
  out->rank = rank;
}

static oq_status reduce_infer(oq_infer *x) {
  const reduce_params *const p = x->params;
  const oq_type *const t = oq_infer_in(x, 0);
  bool mask[OQ_MAX_RANK], known;
  const int64_t *axes;
  uint32_t n;

  if (t == NULL) return OQ_OK;
  OQ_TRY(oq_infer_axes(&axes, &n, &known, x, &p->axes, 1));
  if (!t->has_rank || !known) {
    if (t->has_rank && p->keepdims != 0)
      oq_infer_set_rank(x, 0, t->dtype, t->rank);
    else
      oq_infer_set_dtype(x, 0, t->dtype);
    return OQ_OK;
  }
  if (!axes_mask(mask, axes, n, t->rank, p))
    return oq_infer_fail(x, OQ_E_MODEL, "op.axis",
                         "the axes do not name different axes of a tensor of "
                         "rank %u",
                         t->rank);
  reduced_type(x, t, t->dtype, mask, p->keepdims != 0);
  return OQ_OK;
}

/* ---- walking ------------------------------------------------------------- */
typedef struct job {
  const oq_ctensor *in;
  size_t n_out, n_each; /* accumulators; elements that go into one */
  oq_num_class cls;
  oq_acc *acc;
  oq_iter it; /* operand 0: input, 1: accumulators */
} job;

static oq_status run_axes(bool mask[OQ_MAX_RANK], oq_run *r) {
  const reduce_params *const p = r->params;
  const int64_t *axes = p->axes.v;
  uint32_t n = p->axes.n;

  if (!p->axes.set && r->n_in > 1)
    OQ_TRY(oq_ints_read(&axes, &n, r->in[1], r->scratch));
  if (axes_mask(mask, axes, n, r->in[0]->shape.rank, p)) return OQ_OK;
  return oq_run_fail(r, OQ_E_MODEL, "op.axis", "the axes are not valid");
}

/* Strides of the accumulators seen through the input: 0 along what goes. */
static void set_walk(job *j, const bool *mask) {
  const oq_shape *const s = &j->in->shape;
  const bool empty = oq_tensor_count(j->in) == 0;
  int64_t strides[2][OQ_MAX_RANK] = {{0}};
  int64_t step = 1, kept = 1;

  j->n_each = 1;
  for (uint32_t i = s->rank; i-- > 0;) {
    if (mask[i]) j->n_each *= (size_t)s->dim[i];
    if (empty) continue; /* the other sizes may be anything */
    strides[0][i] = step;
    strides[1][i] = mask[i] ? 0 : kept;
    step *= s->dim[i];
    if (!mask[i]) kept *= s->dim[i];
  }
  oq_iter_init_strided(&j->it, s, (const int64_t(*)[OQ_MAX_RANK])strides, 2);
}

enum { BLOCK = 512 };

/* f over the whole input; shift != NULL: sums of e^(x - shift). */
static void accumulate(const job *j, oq_reduce_run f, const oq_acc *shift) {
  const size_t size = oq_k_class_size(j->cls);
  const bool native = oq_k_native((int32_t)j->in->dtype);
  const size_t block = native ? SIZE_MAX : BLOCK;
  oq_iter it = j->it;
  uint64_t wide[BLOCK];

  if (it.run == 0) return;
  do {
    const size_t step = (size_t)it.step[1];
    for (size_t i = 0; i < it.run; i += block) {
      const size_t at = (size_t)it.offset[0] + i;
      const size_t to = (size_t)it.offset[1] + i * step;
      const size_t width = it.run - i < block ? it.run - i : block;
      const void *x = (const uint8_t *)j->in->data + at * size;
      if (!native) {
        oq_k_load(wide, j->in->data, at, width, (int32_t)j->in->dtype);
        x = wide;
      }
      if (f != NULL)
        f(j->acc + to, step, x, width);
      else if (j->cls == OQ_NUM_F32)
        oq_k_reduce_exp_f32(j->acc + to, shift + to, step, x, width);
      else
        oq_k_reduce_exp_f64(j->acc + to, shift + to, step, x, width);
      if (native) break;
    }
  } while (oq_iter_next(&it));
}

static oq_reduce_run run_of(const oq_reduce *f, oq_num_class cls) {
  switch (cls) {
    case OQ_NUM_F32:
      return f->f32;
    case OQ_NUM_F64:
      return f->f64;
    case OQ_NUM_I64:
      return f->i64;
    case OQ_NUM_U64:
      return f->u64;
    case OQ_NUM_NONE:
      break;
  }
  return NULL;
}

static oq_status start(job *j, oq_run *r, const oq_ctensor *in) {
  bool mask[OQ_MAX_RANK];

  OQ_TRY(run_axes(mask, r));
  j->in = in;
  j->cls = oq_k_class((int32_t)in->dtype);
  set_walk(j, mask);
  const oq_ctensor out = oq_tensor_const(&r->out[0]);
  j->n_out = oq_tensor_count(&out);
  j->acc = OQ_NEW_N(r->scratch, oq_acc, j->n_out);
  return j->acc != NULL ? OQ_OK : oq_fail_memory(r->diags);
}

static void fill(const job *j, oq_acc v) {
  for (size_t i = 0; i < j->n_out; i++) j->acc[i] = v;
}

/* Accumulators to elements: integers cut to their low bits. */
static void finish(oq_tensor *out, const job *j) {
  const oq_num_class cls = j->cls == OQ_NUM_F32 ? OQ_NUM_F64 : j->cls;

  oq_k_convert(out->data, 0, (int32_t)out->dtype, j->acc, cls, j->n_out);
}

static bool is_float_class(oq_num_class c) {
  return c == OQ_NUM_F32 || c == OQ_NUM_F64;
}

/* ---- sums and products --------------------------------------------------- */
static oq_status run_simple(job *j, oq_run *r, const oq_reduce *f,
                            int start_at) {
  OQ_TRY(start(j, r, r->in[0]));
  fill(j, is_float_class(j->cls) ? (oq_acc){.f64 = start_at}
                                 : (oq_acc){.i64 = start_at});
  accumulate(j, run_of(f, j->cls), NULL);
  return OQ_OK;
}

static oq_status plain_run(oq_run *r, const oq_reduce *f, int start_at) {
  job j;

  OQ_TRY(run_simple(&j, r, f, start_at));
  finish(&r->out[0], &j);
  return OQ_OK;
}

static oq_status sum_run(oq_run *r) {
  return plain_run(r, &oq_k_reduce_sum, 0);
}
static oq_status prod_run(oq_run *r) {
  return plain_run(r, &oq_k_reduce_prod, 1);
}
static oq_status l1_run(oq_run *r) { return plain_run(r, &oq_k_reduce_l1, 0); }
static oq_status square_run(oq_run *r) {
  return plain_run(r, &oq_k_reduce_square, 0);
}

/* Integer means are cut; of nothing: NaN, or 0. */
static oq_status mean_run(oq_run *r) {
  job j;

  OQ_TRY(run_simple(&j, r, &oq_k_reduce_sum, 0));
  for (size_t i = 0; i < j.n_out; i++) {
    oq_acc *const a = &j.acc[i];
    if (is_float_class(j.cls))
      a->f64 /= (double)j.n_each;
    else if (j.n_each == 0)
      a->u64 = 0;
    else if (j.cls == OQ_NUM_I64)
      a->i64 /= (int64_t)j.n_each;
    else
      a->u64 /= j.n_each;
  }
  finish(&r->out[0], &j);
  return OQ_OK;
}

/* A function of the sum, in double. */
static oq_status after_run(oq_run *r, const oq_reduce *f,
                           double (*after)(double)) {
  job j;

  OQ_TRY(run_simple(&j, r, f, 0));
  for (size_t i = 0; i < j.n_out; i++) {
    const oq_acc a = j.acc[i];
    j.acc[i].f64 = after(is_float_class(j.cls) ? a.f64
                         : j.cls == OQ_NUM_I64 ? (double)a.i64
                                               : (double)a.u64);
  }
  j.cls = OQ_NUM_F64;
  finish(&r->out[0], &j);
  return OQ_OK;
}

static oq_status l2_run(oq_run *r) {
  return after_run(r, &oq_k_reduce_square, sqrt);
}
static oq_status log_sum_run(oq_run *r) {
  return after_run(r, &oq_k_reduce_sum, log);
}

/* ---- extremes ------------------------------------------------------------ */
/* What a maximum (minimum) of nothing is: the lowest (highest) of the type. */
static oq_acc limit_of(oq_dtype t, oq_num_class cls, bool highest) {
  const uint32_t bits = t == OQ_DT_BOOL ? 1 : oq_dtype_bits((int32_t)t);
  const bool has_sign =
      t == OQ_DT_I8 || t == OQ_DT_I16 || t == OQ_DT_I32 || t == OQ_DT_I64;

  if (is_float_class(cls))
    return (oq_acc){.f64 = highest ? (double)INFINITY : (double)-INFINITY};
  if (cls == OQ_NUM_U64) return (oq_acc){.u64 = highest ? UINT64_MAX : 0};
  const int64_t top = has_sign ? (int64_t)(UINT64_MAX >> (65 - bits))
                               : (int64_t)(UINT64_MAX >> (64 - bits));
  if (highest) return (oq_acc){.i64 = top};
  return (oq_acc){.i64 = has_sign ? -top - 1 : 0};
}

static oq_status extreme_run(oq_run *r, bool max) {
  job j;

  OQ_TRY(start(&j, r, r->in[0]));
  fill(&j, limit_of(r->in[0]->dtype, j.cls, !max));
  accumulate(&j, run_of(max ? &oq_k_reduce_max : &oq_k_reduce_min, j.cls),
             NULL);
  finish(&r->out[0], &j);
  return OQ_OK;
}

static oq_status max_run(oq_run *r) { return extreme_run(r, true); }
static oq_status min_run(oq_run *r) { return extreme_run(r, false); }

/* ---- log sum exp --------------------------------------------------------- */
static oq_status as_double(oq_ctensor *out, oq_run *r, const oq_ctensor *in) {
  const size_t n = oq_tensor_count(in);
  oq_tensor made;

  if (oq_tensor_make(&made, OQ_DT_F64, &in->shape, r->scratch) != OQ_OK)
    return oq_fail_memory(r->diags);
  for (size_t i = 0; i < n; i++)
    oq_element_set_f64(&made, i, oq_element_f64(in, i));
  *out = oq_tensor_const(&made);
  return OQ_OK;
}

/* The maximum is taken out, so that nothing overflows. */
static oq_status log_sum_exp_run(oq_run *r) {
  oq_ctensor in = *r->in[0];
  job j;

  if (!is_float_class(oq_k_class((int32_t)in.dtype)))
    OQ_TRY(as_double(&in, r, r->in[0]));
  OQ_TRY(start(&j, r, &in));
  fill(&j, (oq_acc){.f64 = (double)-INFINITY});
  accumulate(&j, run_of(&oq_k_reduce_max, j.cls), NULL);
  const oq_acc *const shift = j.acc;
  j.acc = OQ_NEW_N(r->scratch, oq_acc, j.n_out);
  if (j.acc == NULL) return oq_fail_memory(r->diags);
  accumulate(&j, NULL, shift);
  for (size_t i = 0; i < j.n_out; i++)
    j.acc[i].f64 =
        log(j.acc[i].f64) + (isinf(shift[i].f64) ? 0.0 : shift[i].f64);
  finish(&r->out[0], &j);
  return OQ_OK;
}

/* ---- ArgMax, ArgMin ------------------------------------------------------ */
typedef struct arg_params {
  int64_t axis, keepdims, last;
} arg_params;

static const oq_attr_def arg7_attrs[] = {
    OQ_A_AXIS(arg_params, axis, "axis", 0),
    KEEPDIMS(arg_params),
};
static const oq_attr_def arg12_attrs[] = {
    OQ_A_AXIS(arg_params, axis, "axis", 0),
    KEEPDIMS(arg_params),
    OQ_A_I64(arg_params, last, "select_last_index", 0, 0, 1),
};

static oq_status arg_infer(oq_infer *x) {
  const arg_params *const p = x->params;
  const oq_type *const t = oq_infer_in(x, 0);
  bool mask[OQ_MAX_RANK] = {false};
  uint32_t axis;

  oq_infer_set_dtype(x, 0, OQ_DT_I64);
  if (t == NULL || !t->has_rank) return OQ_OK;
  if (!oq_axis_normalize(&axis, p->axis, t->rank))
    return oq_infer_fail(x, OQ_E_MODEL, "op.axis", "'axis' is %lld for rank %u",
                         (long long)p->axis, t->rank);
  if (t->dim[axis].size == 0)
    return oq_infer_fail(x, OQ_E_MODEL, "op.axis",
                         "axis %u has no elements to choose from", axis);
  mask[axis] = true;
  reduced_type(x, t, OQ_DT_I64, mask, p->keepdims != 0);
  return OQ_OK;
}

static void arg_group(int64_t *out, const void *x, oq_num_class cls,
                      const oq_arg *a) {
  if (cls == OQ_NUM_F32) oq_k_arg_f32(out, x, a);
  if (cls == OQ_NUM_F64) oq_k_arg_f64(out, x, a);
  if (cls == OQ_NUM_I64) oq_k_arg_i64(out, x, a);
  if (cls == OQ_NUM_U64) oq_k_arg_u64(out, x, a);
}

static oq_status arg_run(oq_run *r, bool max) {
  const arg_params *const p = r->params;
  const oq_ctensor *const in = r->in[0];
  const oq_num_class cls = oq_k_class((int32_t)in->dtype);
  oq_arg a = {.n = 1, .inner = 1, .max = max, .last = p->last != 0};
  size_t outer = 1;
  uint32_t axis;

  (void)oq_axis_normalize(&axis, p->axis, in->shape.rank);
  if (oq_tensor_count(in) == 0) return OQ_OK;
  for (uint32_t i = 0; i < in->shape.rank; i++)
    *(i < axis    ? &outer
      : i == axis ? &a.n
                  : &a.inner) *= (size_t)in->shape.dim[i];
  const size_t group = a.n * a.inner;
  void *const wide =
      oq_arena_alloc_raw(r->scratch, group, oq_k_class_size(cls), OQ_ALIGN);
  if (wide == NULL) return oq_fail_memory(r->diags);
  for (size_t i = 0; i < outer && group > 0; i++) {
    oq_k_load(wide, in->data, i * group, group, (int32_t)in->dtype);
    arg_group((int64_t *)r->out[0].data + i * a.inner, wide, cls, &a);
  }
  return OQ_OK;
}

static oq_status arg_max_run(oq_run *r) { return arg_run(r, true); }
static oq_status arg_min_run(oq_run *r) { return arg_run(r, false); }

/* ---- table --------------------------------------------------------------- */
#define BY_ATTR(op, to, types, f, class)                               \
  {                                                                    \
    .domain = "", .name = (op), .since = 6, .last = (to), .min_in = 1, \
    .max_in = 1, .min_out = 1, .max_out = 1, .dtypes = (types),        \
    .params_size = sizeof(reduce_params), OQ_ATTRS(by_attr),           \
    .infer = reduce_infer, .run = (f), .quant = {                      \
      .cls = (class),                                                  \
      .role = {OQ_ROLE_DATA}                                           \
    }                                                                  \
  }
#define BY_INPUT(op, from, types, f, class)                               \
  {                                                                       \
    .domain = "", .name = (op), .since = (from), .last = 27, .min_in = 1, \
    .max_in = 2, .min_out = 1, .max_out = 1, .dtypes = (types),           \
    .params_size = sizeof(reduce_params), OQ_ATTRS(by_input),             \
    .infer = reduce_infer, .run = (f), .quant = {                         \
      .cls = (class),                                                     \
      .role = {OQ_ROLE_DATA, OQ_ROLE_INDEX}                               \
    }                                                                     \
  }
#define BOTH(op, types, f, class) \
  BY_ATTR(op, 17, types, f, class), BY_INPUT(op, 18, types, f, class)
#define ARG(op, from, to, table, f)                                         \
  {                                                                         \
    .domain = "", .name = (op), .since = (from), .last = (to), .min_in = 1, \
    .max_in = 1, .min_out = 1, .max_out = 1, .dtypes = OQ_DTM_NUMERIC,      \
    .params_size = sizeof(arg_params), OQ_ATTRS(table), .infer = arg_infer, \
    .run = (f), .quant = {                                                  \
      .cls = OQ_Q_NEVER,                                                    \
      .role = {OQ_ROLE_DATA}                                                \
    }                                                                       \
  }
#define NUMBERS OQ_DTM_NUMERIC
#define ORDERED (OQ_DTM_NUMERIC | OQ_DTM(BOOL))

static const oq_op_def defs[] = {
    ARG("ArgMax", 6, 11, arg7_attrs, arg_max_run),
    ARG("ArgMax", 12, 27, arg12_attrs, arg_max_run),
    ARG("ArgMin", 6, 11, arg7_attrs, arg_min_run),
    ARG("ArgMin", 12, 27, arg12_attrs, arg_min_run),
    BOTH("ReduceL1", NUMBERS, l1_run, OQ_Q_MAP),
    BOTH("ReduceL2", NUMBERS, l2_run, OQ_Q_MAP),
    BOTH("ReduceLogSum", NUMBERS, log_sum_run, OQ_Q_MAP),
    BOTH("ReduceLogSumExp", NUMBERS, log_sum_exp_run, OQ_Q_MAP),
    BOTH("ReduceMax", ORDERED, max_run, OQ_Q_MOVE),
    BOTH("ReduceMean", NUMBERS, mean_run, OQ_Q_MAP),
    BOTH("ReduceMin", ORDERED, min_run, OQ_Q_MOVE),
    BOTH("ReduceProd", NUMBERS, prod_run, OQ_Q_MAP),
    BY_ATTR("ReduceSum", 12, NUMBERS, sum_run, OQ_Q_MAP),
    BY_INPUT("ReduceSum", 13, NUMBERS, sum_run, OQ_Q_MAP),
    BOTH("ReduceSumSquare", NUMBERS, square_run, OQ_Q_MAP),
};

OQ_FAMILY(reduce, defs);
