/* Values by index: Gather, GatherElements, GatherND, ScatterElements, Scatter,
 * ScatterND. */
#include <string.h>

#include "ops/bytes.h"
#include "ops/op.h"
#include "ops/rules.h"

typedef struct gather_params {
  int64_t axis, batch_dims;
  int32_t reduction;
} gather_params;

static const oq_attr_def axis_attrs[] = {
    OQ_A_AXIS(gather_params, axis, "axis", 0),
};

/* ---- indices ------------------------------------------------------------- */
static oq_status bad_index(const oq_run *r, int64_t k, int64_t n) {
  return oq_run_fail(r, OQ_E_DATA, "gather.index",
                     "index %lld lies outside of an axis of %lld", (long long)k,
                     (long long)n);
}

/* Index `i` of an axis of n, counted from the end if negative. */
static oq_status index_at(size_t *out, const oq_run *r, size_t i, int64_t n) {
  const int64_t k = oq_element_i64(r->in[1], i);

  if (k < -n || k >= n) return bad_index(r, k, n);
  *out = (size_t)(k < 0 ? k + n : k);
  return OQ_OK;
}

static oq_status axis_run(uint32_t *axis, const oq_run *r) {
  const int64_t given = ((const gather_params *)r->params)->axis;

  return oq_axis_normalize(axis, given, r->in[0]->shape.rank) ? OQ_OK
                                                              : OQ_E_INTERNAL;
}

/* ---- Gather -------------------------------------------------------------- */
static oq_status gather_infer(oq_infer *x) {
  const oq_type *const t = oq_rule_ranked(x, 0);
  const oq_type *const ix = oq_rule_ranked(x, 1);
  uint32_t axis, n = 0;

  OQ_TRY(oq_rule_indices(x, 1));
  OQ_TRY(oq_rule_dtype(x));
  if (t == NULL) return OQ_OK;
  OQ_TRY(oq_rule_axis(&axis, x, ((const gather_params *)x->params)->axis,
                      t->rank));
  if (ix == NULL) return OQ_OK;
  OQ_TRY(oq_rule_rank(x, (uint64_t)t->rank - 1 + ix->rank));
  oq_infer_set_rank(x, 0, t->dtype, t->rank - 1 + ix->rank);
  for (uint32_t i = 0; i < axis; i++) x->out[0].dim[n++] = t->dim[i];
  for (uint32_t i = 0; i < ix->rank; i++) x->out[0].dim[n++] = ix->dim[i];
  for (uint32_t i = axis + 1; i < t->rank; i++) x->out[0].dim[n++] = t->dim[i];
  return OQ_OK;
}

static oq_status gather_run(oq_run *r) {
  const oq_shape *const s = &r->in[0]->shape;
  const size_t count = oq_tensor_count(r->in[1]);
  oq_mapping m = {.rank = s->rank};
  uint32_t axis = 0;
  size_t k = 0;

  OQ_TRY(axis_run(&axis, r));
  int64_t *const at = OQ_NEW_N(r->scratch, int64_t, count);
  if (at == NULL) return oq_fail_memory(r->diags);
  for (size_t i = 0; i < count; i++) {
    OQ_TRY(index_at(&k, r, i, s->dim[axis]));
    at[i] = (int64_t)k;
  }
  for (uint32_t i = 0; i < s->rank; i++)
    m.axis[i] = oq_map_all((size_t)s->dim[i]);
  m.axis[axis].out = count;
  m.axis[axis].at = at;
  return oq_bytes_map(r, &m);
}

/* ---- GatherElements, ScatterElements ------------------------------------- */
enum { REDUCE_NONE, REDUCE_ADD, REDUCE_MUL, REDUCE_MAX, REDUCE_MIN };
static const char *const reductions_16[] = {"none", "add", "mul", NULL};
static const char *const reductions_18[] = {"none", "add", "mul",
                                            "max",  "min", NULL};

static const oq_attr_def scatter_attrs_16[] = {
    OQ_A_CHOICE(gather_params, reduction, "reduction", "none", reductions_16),
    OQ_A_AXIS(gather_params, axis, "axis", 0),
};
static const oq_attr_def scatter_attrs_18[] = {
    OQ_A_CHOICE(gather_params, reduction, "reduction", "none", reductions_18),
    OQ_A_AXIS(gather_params, axis, "axis", 0),
};
enum { SCATTER_ND_ATTRS = 1 };

/* Indices have the rank of the data and fit into it beside the axis. */
static oq_status check_elements(const oq_infer *x) {
  const oq_type *const t = oq_rule_ranked(x, 0);
  const oq_type *const ix = oq_rule_ranked(x, 1);
  uint32_t axis;

  OQ_TRY(oq_rule_indices(x, 1));
  if (t == NULL) return OQ_OK;
  OQ_TRY(oq_rule_axis(&axis, x, ((const gather_params *)x->params)->axis,
                      t->rank));
  if (ix == NULL) return OQ_OK;
  if (ix->rank != t->rank)
    return oq_infer_fail(x, OQ_E_MODEL, "gather.rank",
                         "the indices have rank %u, expected %u", ix->rank,
                         t->rank);
  for (uint32_t i = 0; i < t->rank; i++)
    if (i != axis && t->dim[i].size != OQ_DIM_UNKNOWN &&
        ix->dim[i].size > t->dim[i].size)
      return oq_infer_fail(x, OQ_E_MODEL, "gather.shape",
                           "the indices have %lld along axis %u of %lld",
                           (long long)ix->dim[i].size, i,
                           (long long)t->dim[i].size);
  return OQ_OK;
}

static oq_status gather_elements_infer(oq_infer *x) {
  const oq_type *const ix = oq_rule_ranked(x, 1);

  OQ_TRY(check_elements(x));
  OQ_TRY(oq_rule_dtype(x));
  if (oq_infer_in(x, 0) == NULL || ix == NULL) return OQ_OK;
  oq_infer_set_rank(x, 0, oq_infer_dtype(x, 0), ix->rank);
  memcpy(x->out[0].dim, ix->dim, sizeof ix->dim);
  return OQ_OK;
}

/* Element of the data that element `i` of the indices stands for. */
static oq_status element_of(size_t *out, const oq_run *r, uint32_t axis,
                            size_t i) {
  const oq_shape *const s = &r->in[0]->shape, *const ix = &r->in[1]->shape;
  size_t at = 0, scale = 1, k = 0, rest = i;

  for (uint32_t d = s->rank; d-- > 0;) {
    size_t p = rest % (size_t)ix->dim[d];
    rest /= (size_t)ix->dim[d];
    if (d == axis) {
      OQ_TRY(index_at(&k, r, i, s->dim[d]));
      p = k;
    }
    at += p * scale;
    scale *= (size_t)s->dim[d];
  }
  *out = at;
  return OQ_OK;
}

static oq_status gather_elements_run(oq_run *r) {
  const size_t n = oq_tensor_count(r->in[1]);
  const size_t size = oq_bytes_size(r->in[0]->dtype);
  const uint8_t *x;
  uint8_t *y;
  uint32_t axis = 0;
  size_t at = 0;

  OQ_TRY(axis_run(&axis, r));
  OQ_TRY(oq_bytes_in(&x, r, r->in[0]));
  OQ_TRY(oq_bytes_out(&y, r, 0));
  for (size_t i = 0; i < n; i++) {
    OQ_TRY(element_of(&at, r, axis, i));
    memcpy(y + i * size, x + at * size, size);
  }
  oq_bytes_done(r, 0, y);
  return OQ_OK;
}

/* ---- writing ------------------------------------------------------------- */
static double reduce_f64(double a, double b, int32_t how) {
  if (how == REDUCE_ADD) return a + b;
  if (how == REDUCE_MUL) return a * b;
  if (how == REDUCE_MAX) return a > b || a != a ? a : b;
  return a < b || a != a ? a : b;
}

/* Integers wrap as the usual runtimes do; `a` and `b` hold their bits. */
static int64_t reduce_i64(int64_t a, int64_t b, int32_t how, oq_dtype t) {
  const bool more = t == OQ_DT_U64 ? (uint64_t)a > (uint64_t)b : a > b;

  if (how == REDUCE_ADD) return (int64_t)((uint64_t)a + (uint64_t)b);
  if (how == REDUCE_MUL) return (int64_t)((uint64_t)a * (uint64_t)b);
  return more == (how == REDUCE_MAX) ? a : b;
}

/* Element i, the bits of an unsigned one kept. */
static int64_t bits_at(const oq_ctensor *t, size_t i) {
  int64_t v;

  if (t->dtype != OQ_DT_U64) return oq_element_i64(t, i);
  memcpy(&v, (const uint8_t *)t->data + i * sizeof v, sizeof v);
  return v;
}

/* The low bits of `v` as element i, which oq_element_set_i64 would saturate. */
static void set_wrapped(oq_tensor *t, size_t i, int64_t v) {
  const size_t size = oq_bytes_size(t->dtype);
  const uint64_t bits = (uint64_t)v;
  uint8_t *const to = (uint8_t *)t->data + i * size;
  const uint8_t b1 = (uint8_t)bits;
  const uint16_t b2 = (uint16_t)bits;
  const uint32_t b4 = (uint32_t)bits;

  if (size == 1) memcpy(to, &b1, 1);
  if (size == 2) memcpy(to, &b2, 2);
  if (size == 4) memcpy(to, &b4, 4);
  if (size == 8) memcpy(to, &bits, 8);
}

/* Combines `n` elements of the updates from `from` on with those of output 0
 * from `to` on. */
static void write_elements(oq_run *r, size_t to, size_t from, size_t n) {
  const int32_t how = ((const gather_params *)r->params)->reduction;
  oq_tensor *const y = &r->out[0];
  const oq_ctensor *const u = r->in[2];
  const size_t size = oq_bytes_size(y->dtype);

  if (how == REDUCE_NONE) {
    memcpy((uint8_t *)y->data + to * size,
           (const uint8_t *)u->data + from * size, n * size);
    return;
  }
  const oq_ctensor c = oq_tensor_const(y);
  for (size_t i = 0; i < n; i++) {
    if (oq_dtype_is_float((int32_t)y->dtype))
      oq_element_set_f64(y, to + i,
                         reduce_f64(oq_element_f64(&c, to + i),
                                    oq_element_f64(u, from + i), how));
    else
      set_wrapped(
          y, to + i,
          reduce_i64(bits_at(&c, to + i), bits_at(u, from + i), how, y->dtype));
  }
}

static oq_status copy_data(oq_run *r) {
  if (r->out[0].data != r->in[0]->data && r->out[0].size > 0)
    memcpy(r->out[0].data, r->in[0]->data, r->out[0].size);
  return OQ_OK;
}

static oq_status check_updates(const oq_infer *x) {
  const oq_dtype a = oq_infer_dtype(x, 0), b = oq_infer_dtype(x, 2);

  if (a == OQ_DT_NONE || b == OQ_DT_NONE || a == b) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "op.dtype",
                       "the updates are %s where the data is %s",
                       oq_dtype_text((int32_t)b), oq_dtype_text((int32_t)a));
}

static oq_status scatter_elements_infer(oq_infer *x) {
  const oq_type *const ix = oq_rule_ranked(x, 1);
  const oq_type *const u = oq_rule_ranked(x, 2);

  OQ_TRY(check_elements(x));
  OQ_TRY(check_updates(x));
  if (ix != NULL && u != NULL) {
    bool same = ix->rank == u->rank;
    for (uint32_t i = 0; same && i < u->rank; i++)
      same = ix->dim[i].size == u->dim[i].size ||
             ix->dim[i].size == OQ_DIM_UNKNOWN ||
             u->dim[i].size == OQ_DIM_UNKNOWN;
    if (!same)
      return oq_infer_fail(x, OQ_E_MODEL, "gather.shape",
                           "updates and indices differ in shape");
  }
  return oq_infer_same(x);
}

static oq_status scatter_elements_run(oq_run *r) {
  const size_t n = oq_tensor_count(r->in[1]);
  uint32_t axis = 0;
  size_t at = 0;

  OQ_TRY(axis_run(&axis, r));
  OQ_TRY(copy_data(r));
  for (size_t i = 0; i < n; i++) {
    OQ_TRY(element_of(&at, r, axis, i));
    write_elements(r, at, i, 1);
  }
  return OQ_OK;
}

/* ---- GatherND, ScatterND ------------------------------------------------- */
static const oq_attr_def gather_nd_attrs[] = {
    OQ_A_I64(gather_params, batch_dims, "batch_dims", 0, 0, OQ_MAX_RANK),
};

/* Axes that one index tuple covers: the last dim of the indices; 0 = unknown.
 */
static oq_status tuple_of(uint32_t *k, const oq_infer *x, uint32_t batch) {
  const oq_type *const t = oq_rule_ranked(x, 0);
  const oq_type *const ix = oq_rule_ranked(x, 1);

  *k = 0;
  OQ_TRY(oq_rule_indices(x, 1));
  if (ix != NULL && (ix->rank == 0 || batch >= ix->rank))
    return oq_infer_fail(x, OQ_E_MODEL, "gather.rank",
                         "the indices have rank %u, expected %u or more",
                         ix->rank, batch + 1);
  if (t != NULL && batch >= t->rank)
    return oq_infer_fail(x, OQ_E_MODEL, "gather.rank",
                         "the data has rank %u, expected %u or more", t->rank,
                         batch + 1);
  if (t == NULL || ix == NULL) return OQ_OK;
  const int64_t n = ix->dim[ix->rank - 1].size;
  if (n == OQ_DIM_UNKNOWN) return OQ_OK;
  if (n < 1 || n > t->rank - batch)
    return oq_infer_fail(x, OQ_E_MODEL, "gather.tuple",
                         "the indices name %lld axes, expected 1 to %u",
                         (long long)n, t->rank - batch);
  *k = (uint32_t)n;
  return OQ_OK;
}

/* Shape of what the index tuples stand for: indices but their last dim, then
 * the rest of the data. */
static oq_status tuple_shape(const oq_infer *x, oq_dim *dim, uint32_t *rank,
                             uint32_t from) {
  const oq_type *const t = oq_infer_in(x, 0), *const ix = oq_infer_in(x, 1);
  uint32_t n = 0;

  OQ_TRY(oq_rule_rank(x, (uint64_t)ix->rank - 1 + t->rank - from));
  for (uint32_t i = 0; i + 1 < ix->rank; i++) dim[n++] = ix->dim[i];
  for (uint32_t i = from; i < t->rank; i++) dim[n++] = t->dim[i];
  *rank = n;
  return OQ_OK;
}

static oq_status gather_nd_infer(oq_infer *x) {
  const uint32_t batch =
      (uint32_t)((const gather_params *)x->params)->batch_dims;
  const oq_type *const t = oq_infer_in(x, 0), *const ix = oq_infer_in(x, 1);
  oq_dim dim[OQ_MAX_RANK];
  uint32_t k, rank;

  OQ_TRY(oq_rule_dtype(x));
  OQ_TRY(tuple_of(&k, x, batch));
  if (k == 0) return OQ_OK;
  for (uint32_t i = 0; i < batch; i++)
    if (t->dim[i].size != ix->dim[i].size && t->dim[i].size >= 0 &&
        ix->dim[i].size >= 0)
      return oq_infer_fail(x, OQ_E_MODEL, "gather.shape",
                           "data and indices differ in batch dimension %u", i);
  OQ_TRY(tuple_shape(x, dim, &rank, batch + k));
  oq_infer_set_rank(x, 0, t->dtype, rank);
  memcpy(x->out[0].dim, dim, rank * sizeof *dim);
  return OQ_OK;
}

typedef struct tuples { /* index tuples and what each of them covers */
  size_t n, block;      /* tuples; elements one stands for */
  size_t per_batch;     /* tuples of one batch */
  size_t batch_size;    /* elements of the data of one batch */
  uint32_t k, from;     /* axes from, from + 1, ... */
} tuples;

static tuples tuples_of(const oq_run *r, uint32_t batch) {
  const oq_shape *const s = &r->in[0]->shape, *const ix = &r->in[1]->shape;
  const uint32_t k = (uint32_t)ix->dim[ix->rank - 1];

  return (tuples){.n = oq_dims_product(ix, 0, ix->rank - 1),
                  .block = oq_dims_product(s, batch + k, s->rank),
                  .per_batch = oq_dims_product(ix, batch, ix->rank - 1),
                  .batch_size = oq_dims_product(s, batch, s->rank),
                  .k = k,
                  .from = batch};
}

/* First element of what tuple `i` stands for. */
static oq_status tuple_at(size_t *out, const oq_run *r, const tuples *t,
                          size_t i) {
  const oq_shape *const s = &r->in[0]->shape;
  size_t at = 0, p = 0;

  for (uint32_t j = 0; j < t->k; j++) {
    OQ_TRY(index_at(&p, r, i * t->k + j, s->dim[t->from + j]));
    at = at * (size_t)s->dim[t->from + j] + p;
  }
  *out = at * t->block + i / t->per_batch * t->batch_size;
  return OQ_OK;
}

static oq_status gather_nd_run(oq_run *r) {
  const uint32_t batch =
      (uint32_t)((const gather_params *)r->params)->batch_dims;
  const tuples t = tuples_of(r, batch);
  const size_t size = oq_bytes_size(r->in[0]->dtype) * t.block;
  const uint8_t *x;
  uint8_t *y;
  size_t at = 0;

  if (r->out[0].size == 0) return OQ_OK;
  OQ_TRY(oq_bytes_in(&x, r, r->in[0]));
  OQ_TRY(oq_bytes_out(&y, r, 0));
  for (size_t i = 0; i < t.n; i++) {
    OQ_TRY(tuple_at(&at, r, &t, i));
    memcpy(y + i * size, x + at / t.block * size, size);
  }
  oq_bytes_done(r, 0, y);
  return OQ_OK;
}

static oq_status scatter_nd_infer(oq_infer *x) {
  const oq_type *const u = oq_rule_ranked(x, 2);
  oq_dim dim[OQ_MAX_RANK];
  uint32_t k, rank;

  OQ_TRY(check_updates(x));
  OQ_TRY(tuple_of(&k, x, 0));
  if (k != 0 && u != NULL) {
    OQ_TRY(tuple_shape(x, dim, &rank, k));
    bool same = rank == u->rank;
    for (uint32_t i = 0; same && i < rank; i++)
      same = dim[i].size == u->dim[i].size || dim[i].size == OQ_DIM_UNKNOWN ||
             u->dim[i].size == OQ_DIM_UNKNOWN;
    if (!same)
      return oq_infer_fail(x, OQ_E_MODEL, "gather.shape",
                           "the updates do not have the shape that data and "
                           "indices ask for");
  }
  return oq_infer_same(x);
}

static oq_status scatter_nd_run(oq_run *r) {
  const tuples t = tuples_of(r, 0);
  size_t at = 0;

  OQ_TRY(copy_data(r));
  for (size_t i = 0; i < t.n && t.block > 0; i++) {
    OQ_TRY(tuple_at(&at, r, &t, i));
    write_elements(r, at, i * t.block, t.block);
  }
  return OQ_OK;
}

/* ---- table --------------------------------------------------------------- */
#define ONE_OUT \
  .domain = "", .min_out = 1, .max_out = 1, .params_size = sizeof(gather_params)
#define GATHER                                                 \
  ONE_OUT, .min_in = 2, .max_in = 2, .dtypes = OQ_DTM_MOVABLE, \
           .quant = {.cls = OQ_Q_MOVE, .role = {OQ_ROLE_DATA, OQ_ROLE_INDEX}}
/* Elements of whole bytes: they are written where they lie. */
#define SCATTER                                              \
  ONE_OUT, .min_in = 3, .max_in = 3, .flags = OQ_OP_INPLACE, \
           .dtypes = OQ_DTM_NUMERIC | OQ_DTM(BOOL),          \
           .quant = {.cls = OQ_Q_JOIN,                       \
                     .role = {OQ_ROLE_DATA, OQ_ROLE_INDEX, OQ_ROLE_DATA}}
#define SCATTER_ELEMENTS                                               \
  SCATTER, .name = "ScatterElements", .infer = scatter_elements_infer, \
           .run = scatter_elements_run
#define SCATTER_ND \
  SCATTER, .name = "ScatterND", .infer = scatter_nd_infer, .run = scatter_nd_run

static const oq_op_def defs[] = {
    {GATHER, .name = "Gather", .since = 1, .last = 27, OQ_ATTRS(axis_attrs),
     .infer = gather_infer, .run = gather_run},

    {GATHER, .name = "GatherElements", .since = 11, .last = 27,
     OQ_ATTRS(axis_attrs), .infer = gather_elements_infer,
     .run = gather_elements_run},

    {GATHER, .name = "GatherND", .since = 11, .last = 11,
     .infer = gather_nd_infer, .run = gather_nd_run},
    {GATHER, .name = "GatherND", .since = 12, .last = 27,
     OQ_ATTRS(gather_nd_attrs), .infer = gather_nd_infer, .run = gather_nd_run},

    {SCATTER, .name = "Scatter", .since = 9, .last = 10, OQ_ATTRS(axis_attrs),
     .infer = scatter_elements_infer, .run = scatter_elements_run},
    {SCATTER_ELEMENTS, .since = 11, .last = 15, OQ_ATTRS(axis_attrs)},
    {SCATTER_ELEMENTS, .since = 16, .last = 17, OQ_ATTRS(scatter_attrs_16)},
    {SCATTER_ELEMENTS, .since = 18, .last = 27, OQ_ATTRS(scatter_attrs_18)},

    {SCATTER_ND, .since = 11, .last = 15},
    {SCATTER_ND, .since = 16, .last = 17, .n_attrs = SCATTER_ND_ATTRS,
     .attrs = scatter_attrs_16},
    {SCATTER_ND, .since = 18, .last = 27, .n_attrs = SCATTER_ND_ATTRS,
     .attrs = scatter_attrs_18},
};

OQ_FAMILY(gather, defs);
