/* MaxPool, AveragePool, LpPool; GlobalMaxPool, GlobalAveragePool,
 * GlobalLpPool. */
#include "kern/k_pool.h"
#include "ops/op.h"
#include "ops/widen.h"
#include "ops/window.h"

typedef struct pool_params {
  oq_window_params window;
  int64_t ceil, storage_order, include_pad, p;
} pool_params;

/* Rows take the first so many of a table: later versions only added. */
static const oq_attr_def max_attrs[] = {
    OQ_WINDOW_ATTRS(pool_params),
    OQ_A_I64(pool_params, storage_order, "storage_order", 0, 0, 1),
    OQ_A_I64(pool_params, ceil, "ceil_mode", 0, 0, 1),
    OQ_WINDOW_DILATIONS(pool_params),
};
enum { MAX_ATTRS_1 = 4, MAX_ATTRS_8 = 5, MAX_ATTRS_10 = 7 };

static const oq_attr_def mean_attrs[] = {
    OQ_WINDOW_ATTRS(pool_params),
    OQ_A_I64(pool_params, include_pad, "count_include_pad", 0, 0, 1),
    OQ_A_I64(pool_params, ceil, "ceil_mode", 0, 0, 1),
    OQ_WINDOW_DILATIONS(pool_params),
};
enum {
  MEAN_ATTRS_1 = 4,
  MEAN_ATTRS_7 = 5,
  MEAN_ATTRS_10 = 6,
  MEAN_ATTRS_19 = 7
};

static const oq_attr_def norm_attrs[] = {
    OQ_WINDOW_ATTRS(pool_params),
    OQ_A_I64(pool_params, p, "p", 2, 1, INT32_MAX),
    OQ_A_I64(pool_params, ceil, "ceil_mode", 0, 0, 1),
    OQ_WINDOW_DILATIONS(pool_params),
};
enum { NORM_ATTRS_2 = 5, NORM_ATTRS_18 = 7 };

static const oq_attr_def global_norm_attrs[] = {
    OQ_A_I64(pool_params, p, "p", 2, 1, INT32_MAX),
};

/* ---- rule ---------------------------------------------------------------- */
static oq_status pool_check(const oq_graph *g, const oq_node *n, void *params,
                            oq_diags *d) {
  const pool_params *const p = params;
  oq_where w = oq_node_where(g, (oq_node_id){(uint32_t)(n - g->nodes)});

  w.attr = "kernel_shape";
  if (p->window.kernel.n == 0)
    return oq_fail(d, OQ_E_MODEL, "op.attr", &w,
                   "required attribute 'kernel_shape' is missing or empty");
  return oq_window_check(g, n, &p->window, d);
}

static oq_status pool_axis(oq_axis *a, size_t *tail, const pool_params *p,
                           uint32_t i, int64_t in) {
  return oq_window_axis(a, tail, &p->window, i, in, p->window.kernel.v[i],
                        p->ceil != 0 ? OQ_ROUND_CEIL : OQ_ROUND_FLOOR);
}

static oq_status check_rank(const oq_infer *x, uint32_t rank, uint32_t least) {
  if (rank >= least) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "pool.rank",
                       "the input has rank %u, expected %u or more", rank,
                       least);
}

/* Padding of a whole window would give windows without any input. */
static oq_status check_pads(const oq_infer *x, const oq_axis *a, size_t tail,
                            uint32_t i) {
  const size_t span = (a->kernel - 1) * a->dilation + 1;

  if (a->pad < span && tail < span) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "pool.pads",
                       "the padding along spatial axis %u is not smaller than "
                       "the window",
                       i);
}

static oq_status pool_spatial(oq_infer *x, const oq_type *t) {
  const pool_params *const p = x->params;

  for (uint32_t i = 0; i + 2 < t->rank; i++) {
    oq_axis a;
    size_t tail;
    if (t->dim[i + 2].size == OQ_DIM_UNKNOWN) continue;
    const oq_status s = pool_axis(&a, &tail, p, i, t->dim[i + 2].size);
    if (s != OQ_OK) return oq_window_fail(x, s, i);
    OQ_TRY(check_pads(x, &a, tail, i));
    x->out[0].dim[i + 2].size = (int64_t)a.out;
  }
  return OQ_OK;
}

static oq_status pool_infer(oq_infer *x) {
  const pool_params *const p = x->params;
  const oq_type *const t = oq_infer_in(x, 0);

  if (x->n_out > 1) oq_infer_set_dtype(x, 1, OQ_DT_I64);
  if (t == NULL) return OQ_OK;
  oq_infer_set_dtype(x, 0, t->dtype);
  if (!t->has_rank) return OQ_OK;
  OQ_TRY(check_rank(x, t->rank, 3));
  OQ_TRY(oq_window_check_rank(x, &p->window, t->rank - 2));
  oq_infer_set_rank(x, 0, t->dtype, t->rank);
  x->out[0].dim[0] = t->dim[0];
  x->out[0].dim[1] = t->dim[1];
  OQ_TRY(pool_spatial(x, t));
  if (x->n_out < 2) return OQ_OK;
  x->out[1] = x->out[0];
  x->out[1].dtype = OQ_DT_I64;
  return OQ_OK;
}

static oq_status global_infer(oq_infer *x) {
  const oq_type *const t = oq_infer_in(x, 0);

  if (t == NULL) return OQ_OK;
  oq_infer_set_dtype(x, 0, t->dtype);
  if (!t->has_rank) return OQ_OK;
  OQ_TRY(check_rank(x, t->rank, 2));
  oq_infer_set_rank(x, 0, t->dtype, t->rank);
  for (uint32_t i = 0; i < t->rank; i++) {
    if (i < 2)
      x->out[0].dim[i] = t->dim[i];
    else
      x->out[0].dim[i].size = 1;
    if (i >= 2 && t->dim[i].size == 0)
      return oq_infer_fail(x, OQ_E_MODEL, "pool.empty",
                           "dimension %u of the input is empty", i);
  }
  return OQ_OK;
}

/* ---- kernels ------------------------------------------------------------- */
static oq_pooling pooling_of(const pool_params *p, const oq_shape *x) {
  oq_pooling g = {.planes = (size_t)x->dim[0] * (size_t)x->dim[1],
                  .w = {.n = x->rank - 2},
                  .include_pad = p->include_pad != 0,
                  .column_major = p->storage_order != 0};

  for (uint32_t i = 0; i < g.w.n; i++)
    (void)pool_axis(&g.w.axis[i], &g.tail[i], p, i, x->dim[i + 2]);
  oq_windows_finish(&g.w);
  return g;
}

static oq_status max_run(oq_run *r) {
  const oq_pooling p = pooling_of(r->params, &r->in[0]->shape);
  int64_t *const indices = r->n_out > 1 && r->wanted[1] ? r->out[1].data : NULL;
  const float *x;
  float *y;

  if (r->in[0]->dtype == OQ_DT_F64) {
    oq_pool_max_f64(&p, r->out[0].data, indices, r->in[0]->data);
    return OQ_OK;
  }
  void *const scratch =
      oq_arena_alloc_raw(r->scratch, oq_pool_scratch(&p), 1, OQ_ALIGN);
  if (scratch == NULL) return oq_fail_memory(r->diags);
  OQ_TRY(oq_widen_in(&x, r, r->in[0])); /* exact for 8-bit integers */
  OQ_TRY(oq_widen_out(&y, r, 0));
  oq_pool_max_f32(&p, y, indices, x, scratch);
  oq_widen_done(r, 0, y);
  return OQ_OK;
}

static oq_status mean_run(oq_run *r) {
  const oq_pooling p = pooling_of(r->params, &r->in[0]->shape);
  const float *x;
  float *y;

  if (r->in[0]->dtype == OQ_DT_F64) {
    oq_pool_mean_f64(&p, r->out[0].data, r->in[0]->data);
    return OQ_OK;
  }
  void *const scratch =
      oq_arena_alloc_raw(r->scratch, oq_pool_scratch(&p), 1, OQ_ALIGN);
  if (scratch == NULL) return oq_fail_memory(r->diags);
  OQ_TRY(oq_widen_in(&x, r, r->in[0]));
  OQ_TRY(oq_widen_out(&y, r, 0));
  oq_pool_mean_f32(&p, y, x, scratch);
  oq_widen_done(r, 0, y);
  return OQ_OK;
}

static oq_status norm_loop(oq_run *r, const oq_pooling *p) {
  const double *x;
  double *y;

  OQ_TRY(oq_widen_in_f64(&x, r, r->in[0]));
  OQ_TRY(oq_widen_out_f64(&y, r, 0));
  oq_pool_norm_f64(p, y, x, (double)((const pool_params *)r->params)->p);
  oq_widen_done_f64(r, 0, y);
  return OQ_OK;
}

static oq_status norm_run(oq_run *r) {
  const oq_pooling p = pooling_of(r->params, &r->in[0]->shape);

  return norm_loop(r, &p);
}

/* One window over the whole plane. */
static oq_status global_norm_run(oq_run *r) {
  const oq_shape *const s = &r->in[0]->shape;
  const size_t planes = (size_t)s->dim[0] * (size_t)s->dim[1];
  const size_t n = planes == 0 ? 0 : oq_tensor_count(r->in[0]) / planes;
  oq_pooling p = {.planes = planes, .w = {.n = 1}};

  p.w.axis[0] =
      (oq_axis){.in = n, .out = 1, .kernel = n, .stride = 1, .dilation = 1};
  oq_windows_finish(&p.w);
  return norm_loop(r, &p);
}

typedef void (*plane_f32)(float *, const float *, size_t, size_t);
typedef void (*plane_f64)(double *, const double *, size_t, size_t);

static oq_status global_run(oq_run *r, plane_f32 f32, plane_f64 f64) {
  const oq_shape *const s = &r->in[0]->shape;
  const size_t planes = (size_t)s->dim[0] * (size_t)s->dim[1];
  const size_t n = planes == 0 ? 0 : oq_tensor_count(r->in[0]) / planes;
  const float *x;
  float *y;

  if (r->in[0]->dtype == OQ_DT_F64) {
    f64(r->out[0].data, r->in[0]->data, planes, n);
    return OQ_OK;
  }
  OQ_TRY(oq_widen_in(&x, r, r->in[0]));
  OQ_TRY(oq_widen_out(&y, r, 0));
  f32(y, x, planes, n);
  oq_widen_done(r, 0, y);
  return OQ_OK;
}

static oq_status global_mean_run(oq_run *r) {
  return global_run(r, oq_plane_mean_f32, oq_plane_mean_f64);
}

static oq_status global_max_run(oq_run *r) {
  return global_run(r, oq_plane_max_f32, oq_plane_max_f64);
}

/* ---- channels-last ------------------------------------------------------- */
static bool pool_fits_last(const oq_last_ask *a) {
  return a->in[0]->dtype == OQ_DT_F32 && (a->n_out < 2 || !a->wanted[1]);
}

static oq_status max_run_last(oq_run *r) {
  const oq_shape x = oq_shape_unturned(&r->in[0]->shape);
  const oq_pooling p = pooling_of(r->params, &x);

  oq_pool_max_last(&p, (size_t)x.dim[1], r->out[0].data, r->in[0]->data);
  return OQ_OK;
}

static oq_status mean_run_last(oq_run *r) {
  const oq_shape x = oq_shape_unturned(&r->in[0]->shape);
  const oq_pooling p = pooling_of(r->params, &x);

  oq_pool_mean_last(&p, (size_t)x.dim[1], r->out[0].data, r->in[0]->data);
  return OQ_OK;
}

static oq_status global_mean_run_last(oq_run *r) {
  const oq_shape x = oq_shape_unturned(&r->in[0]->shape);
  const size_t batch = (size_t)x.dim[0], channels = (size_t)x.dim[1];

  if (r->out[0].size == 0) return OQ_OK;
  oq_plane_mean_last(r->out[0].data, r->in[0]->data, batch,
                     oq_tensor_count(r->in[0]) / (batch * channels), channels);
  return OQ_OK;
}

#define OWN(f)                                                              \
  .layout = OQ_LAST_OWN, .layout_inputs = 1, .layout_fits = pool_fits_last, \
  .run_last = (f)

/* ---- table --------------------------------------------------------------- */
#define ONE_IN .domain = "", .min_in = 1, .max_in = 1, .min_out = 1

#define MAX_ROW                                                                \
  ONE_IN, .name = "MaxPool", .dtypes = OQ_DTM_FLOAT | OQ_DTM(I8) | OQ_DTM(U8), \
          .params_size = sizeof(pool_params), .attrs = max_attrs,              \
          .check = pool_check, .infer = pool_infer, .run = max_run,            \
          OWN(max_run_last),                                                   \
          .quant = {.cls = OQ_Q_MOVE, .role = {OQ_ROLE_DATA}}

#define MEAN_ROW                                                       \
  ONE_IN, .name = "AveragePool", .max_out = 1, .dtypes = OQ_DTM_FLOAT, \
          .params_size = sizeof(pool_params), .attrs = mean_attrs,     \
          .check = pool_check, .infer = pool_infer, .run = mean_run,   \
          OWN(mean_run_last),                                          \
          .quant = {.cls = OQ_Q_MAP, .role = {OQ_ROLE_DATA}}

#define NORM_ROW                                                     \
  ONE_IN, .name = "LpPool", .max_out = 1, .dtypes = OQ_DTM_FLOAT,    \
          .params_size = sizeof(pool_params), .attrs = norm_attrs,   \
          .check = pool_check, .infer = pool_infer, .run = norm_run, \
          .quant = {.cls = OQ_Q_MAP, .role = {OQ_ROLE_DATA}}

#define GLOBAL_ROW \
  ONE_IN, .max_out = 1, .dtypes = OQ_DTM_FLOAT, .infer = global_infer

static const oq_op_def defs[] = {
    {MAX_ROW, .since = 1, .last = 7, .max_out = 1, .n_attrs = MAX_ATTRS_1},
    {MAX_ROW, .since = 8, .last = 9, .max_out = 2, .n_attrs = MAX_ATTRS_8},
    {MAX_ROW, .since = 10, .last = 27, .max_out = 2, .n_attrs = MAX_ATTRS_10},
    {MEAN_ROW, .since = 1, .last = 6, .n_attrs = MEAN_ATTRS_1},
    {MEAN_ROW, .since = 7, .last = 9, .n_attrs = MEAN_ATTRS_7},
    {MEAN_ROW, .since = 10, .last = 18, .n_attrs = MEAN_ATTRS_10},
    {MEAN_ROW, .since = 19, .last = 27, .n_attrs = MEAN_ATTRS_19},
    {NORM_ROW, .since = 2, .last = 17, .n_attrs = NORM_ATTRS_2},
    {NORM_ROW, .since = 18, .last = 27, .n_attrs = NORM_ATTRS_18},
    {GLOBAL_ROW, .name = "GlobalLpPool", .since = 2, .last = 27,
     .params_size = sizeof(pool_params), OQ_ATTRS(global_norm_attrs),
     .run = global_norm_run,
     .quant = {.cls = OQ_Q_MAP, .role = {OQ_ROLE_DATA}}},
    {GLOBAL_ROW, .name = "GlobalAveragePool", .since = 1, .last = 27,
     .run = global_mean_run, OWN(global_mean_run_last),
     .quant = {.cls = OQ_Q_MAP, .role = {OQ_ROLE_DATA}}},
    {GLOBAL_ROW, .name = "GlobalMaxPool", .since = 1, .last = 27,
     .run = global_max_run,
     .quant = {.cls = OQ_Q_MOVE, .role = {OQ_ROLE_DATA}}},
};

OQ_FAMILY(pool, defs);
