/* Conv and ConvTranspose, 1 to 6 spatial axes. */
#include "ops/conv.h"

#include "kern/k_conv.h"
#include "kern/k_last.h"
#include "ops/op.h"
#include "ops/widen.h"
#include "ops/window.h"

typedef oq_conv_params conv_params;

static const oq_attr_def conv_attrs[] = {
    OQ_WINDOW_ATTRS(conv_params),
    OQ_WINDOW_DILATIONS(conv_params),
    OQ_A_I64(conv_params, group, "group", 1, 1, INT32_MAX),
};

static const oq_attr_def transpose_attrs[] = {
    OQ_WINDOW_ATTRS(conv_params),
    OQ_WINDOW_DILATIONS(conv_params),
    OQ_A_I64(conv_params, group, "group", 1, 1, INT32_MAX),
    OQ_A_I64S(conv_params, output_padding, "output_padding"),
    OQ_A_I64S(conv_params, output_shape, "output_shape"),
};

static oq_status conv_check(const oq_graph *g, const oq_node *n, void *params,
                            oq_diags *d) {
  return oq_window_check(g, n, &((const conv_params *)params)->window, d);
}

/* ---- what both rules share ----------------------------------------------- */
typedef struct conv_shapes { /* -1 = unknown */
  uint32_t axes;             /* 0 = unknown */
  uint32_t weight, bias_at;  /* inputs */
  oq_dim batch;
  int64_t in_ch, w0, w1, bias;
  oq_dim in[OQ_WINDOW_AXES];
  int64_t kernel[OQ_WINDOW_AXES];
} conv_shapes;

static int64_t dim_at(const oq_type *t, uint32_t i) {
  return t == NULL || !t->has_rank ? OQ_DIM_UNKNOWN : t->dim[i].size;
}

static oq_status read_axes(conv_shapes *s, const oq_infer *x) {
  const oq_type *const a = oq_infer_in(x, 0);
  const oq_type *const w = oq_infer_in(x, s->weight);
  const bool has_a = a != NULL && a->has_rank, has_w = w != NULL && w->has_rank;

  if (has_a && has_w && a->rank != w->rank)
    return oq_infer_fail(x, OQ_E_MODEL, "conv.rank",
                         "the weight has rank %u, expected %u as the input",
                         w->rank, a->rank);
  if (!has_a && !has_w) return OQ_OK;
  const uint32_t rank = has_a ? a->rank : w->rank;
  if (rank < 3)
    return oq_infer_fail(x, OQ_E_MODEL, "conv.rank",
                         "the input has rank %u, expected 3 or more", rank);
  s->axes = rank - 2;
  return OQ_OK;
}

static oq_status read_kernel(conv_shapes *s, const oq_infer *x,
                             const conv_params *p) {
  const oq_type *const w = oq_infer_in(x, s->weight);

  for (uint32_t i = 0; i < s->axes; i++) {
    const int64_t given =
        p->window.kernel.n > i ? p->window.kernel.v[i] : OQ_DIM_UNKNOWN;
    s->kernel[i] = dim_at(w, i + 2);
    if (s->kernel[i] == OQ_DIM_UNKNOWN) s->kernel[i] = given;
    if (given != OQ_DIM_UNKNOWN && given != s->kernel[i])
      return oq_infer_fail(x, OQ_E_MODEL, "conv.kernel",
                           "attribute 'kernel_shape' says %lld along spatial "
                           "axis %u, but the weight has %lld",
                           (long long)given, i, (long long)s->kernel[i]);
  }
  return OQ_OK;
}

static oq_status read_bias(conv_shapes *s, const oq_infer *x) {
  const oq_type *const b = oq_infer_in(x, s->bias_at);

  s->bias = OQ_DIM_UNKNOWN;
  if (b == NULL || !b->has_rank) return OQ_OK;
  if (b->rank != 1)
    return oq_infer_fail(x, OQ_E_MODEL, "conv.bias",
                         "the bias has rank %u, expected 1", b->rank);
  s->bias = b->dim[0].size;
  return OQ_OK;
}

static oq_status read_shapes(conv_shapes *s, const oq_infer *x,
                             const conv_params *p, uint32_t weight,
                             uint32_t bias) {
  const oq_type *const a = oq_infer_in(x, 0);
  const oq_type *const w = oq_infer_in(x, weight);

  *s = (conv_shapes){
      .batch = {.size = OQ_DIM_UNKNOWN}, .weight = weight, .bias_at = bias};
  OQ_TRY(read_axes(s, x));
  OQ_TRY(read_bias(s, x));
  if (s->axes == 0) return OQ_OK;
  OQ_TRY(oq_window_check_rank(x, &p->window, s->axes));
  OQ_TRY(read_kernel(s, x, p));
  if (a != NULL && a->has_rank) s->batch = a->dim[0];
  s->in_ch = dim_at(a, 1);
  s->w0 = dim_at(w, 0);
  s->w1 = dim_at(w, 1);
  for (uint32_t i = 0; i < s->axes; i++)
    s->in[i] = a != NULL && a->has_rank ? a->dim[i + 2]
                                        : (oq_dim){.size = OQ_DIM_UNKNOWN};
  return OQ_OK;
}

/* `per` channels in each of `group` groups against `all`. */
static oq_status check_channels(const oq_infer *x, const char *what,
                                int64_t all, int64_t per, int64_t group) {
  int64_t n;

  if (all == OQ_DIM_UNKNOWN || per == OQ_DIM_UNKNOWN) return OQ_OK;
  if (oq_mul_i64(&n, per, group) && n == all) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "conv.channels",
                       "%s: %lld channels, but the weight and 'group' ask for "
                       "%lld times %lld",
                       what, (long long)all, (long long)per, (long long)group);
}

static oq_status check_divides(const oq_infer *x, int64_t all, int64_t group) {
  if (all == OQ_DIM_UNKNOWN || all % group == 0) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "conv.group",
                       "%lld channels cannot be divided into %lld groups",
                       (long long)all, (long long)group);
}

/* GEMM counts in int. */
static oq_status check_gemm(const oq_infer *x, const conv_shapes *s) {
  int64_t depth = s->w1;

  for (uint32_t i = 0; i < s->axes; i++) {
    if (s->kernel[i] == OQ_DIM_UNKNOWN || depth == OQ_DIM_UNKNOWN) return OQ_OK;
    if (!oq_mul_i64(&depth, depth, s->kernel[i]) || depth > INT32_MAX) break;
  }
  if (depth <= INT32_MAX && s->w0 <= INT32_MAX) return OQ_OK;
  return oq_infer_fail(x, OQ_E_LIMIT, "conv.size",
                       "the weight has more than 2^31 elements along one side "
                       "of its matrix");
}

/* The positions that GEMM sees as columns: those of the strided side. */
static oq_status count_columns(const oq_infer *x, int64_t *columns, int64_t n) {
  if (oq_mul_i64(columns, *columns, n) && *columns <= INT32_MAX) return OQ_OK;
  return oq_infer_fail(x, OQ_E_LIMIT, "conv.size",
                       "a channel has more than 2^31 positions");
}

/* ---- Conv ---------------------------------------------------------------- */
static oq_status conv_axis(oq_axis *a, const conv_params *p, uint32_t i,
                           int64_t in, int64_t kernel) {
  return oq_window_axis(a, NULL, &p->window, i, in, kernel, OQ_ROUND_FLOOR);
}

oq_status oq_conv_rule(oq_infer *x, const oq_conv_params *p, uint32_t weight,
                       uint32_t bias, oq_dtype t) {
  int64_t columns = 1;
  conv_shapes s;

  OQ_TRY(read_shapes(&s, x, p, weight, bias));
  if (s.axes == 0) {
    if (t != OQ_DT_NONE) oq_infer_set_dtype(x, 0, t);
    return OQ_OK;
  }
  OQ_TRY(check_channels(x, "input", s.in_ch, s.w1, p->group));
  OQ_TRY(check_channels(x, "bias", s.bias, s.w0, 1));
  OQ_TRY(check_divides(x, s.in_ch, p->group));
  OQ_TRY(check_divides(x, s.w0, p->group));
  OQ_TRY(check_gemm(x, &s));
  oq_infer_set_rank(x, 0, t, s.axes + 2);
  x->out[0].dim[0] = s.batch;
  x->out[0].dim[1].size = s.w0 == OQ_DIM_UNKNOWN ? s.bias : s.w0;
  for (uint32_t i = 0; i < s.axes; i++) {
    oq_axis a;
    if (s.in[i].size == OQ_DIM_UNKNOWN || s.kernel[i] == OQ_DIM_UNKNOWN)
      continue;
    const oq_status st = conv_axis(&a, p, i, s.in[i].size, s.kernel[i]);
    if (st != OQ_OK) return oq_window_fail(x, st, i);
    OQ_TRY(count_columns(x, &columns, (int64_t)a.out));
    x->out[0].dim[i + 2].size = (int64_t)a.out;
  }
  return OQ_OK;
}

static oq_status conv_infer(oq_infer *x) {
  OQ_TRY(oq_infer_same_dtypes(x, 0, 3));
  return oq_conv_rule(x, x->params, 1, 2, oq_infer_dtype(x, 0));
}

/* The shapes went through the rule: nothing fails here. */
oq_conv oq_conv_of(const oq_conv_params *p, const oq_shape *x,
                   const oq_shape *w) {
  oq_conv c = {.batch = (size_t)x->dim[0],
               .groups = (size_t)p->group,
               .in_ch = (size_t)w->dim[1],
               .out_ch = (size_t)(w->dim[0] / p->group),
               .w = {.n = x->rank - 2}};

  for (uint32_t i = 0; i < c.w.n; i++)
    (void)conv_axis(&c.w.axis[i], p, i, x->dim[i + 2], w->dim[i + 2]);
  oq_windows_finish(&c.w);
  return c;
}

typedef void (*conv_f32_fn)(const oq_kernels *, const oq_conv *, float *,
                            const float *, const float *, const float *,
                            void *);

static oq_status run_f32(oq_run *r, const oq_conv *c, size_t bytes,
                         conv_f32_fn fn) {
  void *const scratch = oq_arena_alloc_raw(r->scratch, bytes, 1, OQ_ALIGN);
  const float *x, *w, *b;
  float *y;

  if (scratch == NULL) return oq_fail_memory(r->diags);
  OQ_TRY(oq_widen_in(&x, r, r->in[0]));
  OQ_TRY(oq_widen_in(&w, r, r->in[1]));
  OQ_TRY(oq_widen_in(&b, r, r->n_in > 2 ? r->in[2] : NULL));
  OQ_TRY(oq_widen_out(&y, r, 0));
  fn(r->k, c, y, x, w, b, scratch);
  oq_widen_done(r, 0, y);
  return OQ_OK;
}

static const void *bias_data(const oq_run *r) {
  return r->n_in > 2 && r->in[2] != NULL ? r->in[2]->data : NULL;
}

oq_status oq_conv_run(oq_run *r, const oq_conv_params *p) {
  const oq_conv c = oq_conv_of(p, &r->in[0]->shape, &r->in[1]->shape);

  if (r->in[0]->dtype != OQ_DT_F64)
    return run_f32(r, &c, oq_conv_scratch(&c), oq_conv_f32);
  oq_conv_f64(&c, r->out[0].data, r->in[0]->data, r->in[1]->data, bias_data(r));
  return OQ_OK;
}

static oq_status conv_run(oq_run *r) { return oq_conv_run(r, r->params); }

/* ---- channels-last ------------------------------------------------------- */
/* Of a weight that has elements. */
static size_t taps_of(const oq_ctensor *w) {
  return oq_tensor_count(w) /
         ((size_t)w->shape.dim[0] * (size_t)w->shape.dim[1]);
}

static bool conv_fits_last(const oq_last_ask *a) {
  if (a->in[0] == NULL || a->in[1] == NULL || a->in[0]->dtype != OQ_DT_F32 ||
      a->in[0]->shape.rank != a->in[1]->shape.rank || a->in[1]->size == 0)
    return false;
  const conv_params *const p = a->params;
  const oq_shape *const w = &a->in[1]->shape;
  oq_conv c = {.groups = (size_t)p->group,
               .in_ch = (size_t)w->dim[1],
               .out_ch = (size_t)(w->dim[0] / p->group),
               .w = {.n = w->rank - 2}};

  c.w.taps = taps_of(a->in[1]);
  return oq_last_conv_fits(&c);
}

static oq_status pack_weight(const float **out, const oq_ctensor *w,
                             int64_t group, oq_arena *a, oq_diags *d) {
  const size_t out_ch = (size_t)(w->shape.dim[0] / group);
  const size_t in_ch = (size_t)w->shape.dim[1];
  const size_t taps = taps_of(w);
  const size_t n = oq_last_pack_size((size_t)group, in_ch, out_ch, taps);
  float *to = n == 0 ? NULL : oq_arena_alloc_raw(a, n, sizeof(float), OQ_ALIGN);

  if (to == NULL) return oq_fail_memory(d);
  oq_last_pack(to, w->data, (size_t)group, in_ch, out_ch, taps);
  *out = to;
  return OQ_OK;
}

/* Whatever the rule would refuse is left to it. */
static oq_status conv_pack(const void **packed, const oq_pack *p) {
  const oq_ctensor *const w = p->n_in > 1 ? p->konst[1] : NULL;
  const int64_t group = ((const conv_params *)p->params)->group;
  const float *to;

  if (w == NULL || w->dtype != OQ_DT_F32 || w->shape.rank < 3 ||
      w->shape.dim[0] % group != 0)
    return OQ_OK;
  const oq_last_ask a = {.params = p->params,
                         .in = (const oq_ctensor *const[]){w, w}};
  if (!conv_fits_last(&a)) return OQ_OK;
  OQ_TRY(pack_weight(&to, w, group, p->arena, p->diags));
  *packed = to;
  return OQ_OK;
}

static oq_status conv_run_last(oq_run *r) {
  const conv_params *const p = r->params;
  const oq_shape x = oq_shape_unturned(&r->in[0]->shape);
  const oq_conv c = oq_conv_of(p, &x, &r->in[1]->shape);
  const float *packed = r->packed;
  void *const scratch =
      oq_arena_alloc_raw(r->scratch, oq_last_conv_scratch(&c), 1, OQ_ALIGN);

  if (scratch == NULL) return oq_fail_memory(r->diags);
  if (r->out[0].size == 0) return OQ_OK;
  if (packed == NULL)
    OQ_TRY(pack_weight(&packed, r->in[1], p->group, r->scratch, r->diags));
  oq_last_conv_f32(&c, r->out[0].data, r->in[0]->data, packed, bias_data(r),
                   scratch);
  return OQ_OK;
}

/* ---- ConvTranspose ------------------------------------------------------- */
static int64_t value_at(const oq_i64s *v, uint32_t i, int64_t dflt) {
  return i < v->n ? v->v[i] : dflt;
}

static bool pads_upper(int64_t *head, int64_t *out, int64_t full, int64_t want,
                       bool upper) {
  const int64_t total = full > want ? full - want : 0;

  *head = upper ? total / 2 : total - total / 2;
  *out = want;
  return want > 0;
}

/* "Output shape" and "pads" of the operator text. `a` holds the window seen
 * from its inputs, which are this operator's outputs. */
static oq_status transpose_axis(oq_axis *a, const conv_params *p, uint32_t i,
                                uint32_t axes, int64_t in, int64_t kernel) {
  const oq_window_params *const w = &p->window;
  const int64_t stride = value_at(&w->strides, i, 1);
  const int64_t dilation = value_at(&w->dilations, i, 1);
  const bool upper = w->auto_pad == OQ_PAD_SAME_UPPER;
  const bool same = upper || w->auto_pad == OQ_PAD_SAME_LOWER;
  int64_t full, span, head = 0, out;

  if (in < 1 || kernel < 1) return OQ_E_MODEL;
  if (!oq_mul_i64(&full, in - 1, stride) ||
      !oq_mul_i64(&span, kernel - 1, dilation) ||
      !oq_add_i64(&full, full, span) ||
      !oq_add_i64(&full, full, value_at(&p->output_padding, i, 0)) ||
      !oq_add_i64(&full, full, 1))
    return OQ_E_LIMIT;
  if (p->output_shape.n != 0) { /* some exporters list batch and channel too */
    const uint32_t skip = p->output_shape.n == axes ? 0 : 2;
    if (!pads_upper(&head, &out, full, p->output_shape.v[i + skip], upper))
      return OQ_E_MODEL;
  } else if (same) {
    if (!oq_mul_i64(&out, in, stride)) return OQ_E_LIMIT;
    if (out > full) out = full; /* padding only takes away */
    (void)pads_upper(&head, &out, full, out, upper);
  } else {
    const bool given = w->auto_pad == OQ_PAD_NOTSET;
    const int64_t tail = given ? value_at(&w->pads, i + w->pads.n / 2, 0) : 0;
    head = given ? value_at(&w->pads, i, 0) : 0;
    if (!oq_sub_i64(&out, full, head) || !oq_sub_i64(&out, out, tail))
      return OQ_E_LIMIT;
    if (out < 1) return OQ_E_MODEL;
  }
  *a = (oq_axis){.in = (size_t)out,
                 .out = (size_t)in,
                 .kernel = (size_t)kernel,
                 .stride = (size_t)stride,
                 .dilation = (size_t)dilation,
                 .pad = (size_t)head};
  return OQ_OK;
}

static oq_status check_outputs(const oq_infer *x, const conv_params *p,
                               uint32_t axes) {
  const uint32_t n = p->output_shape.n;

  if (p->output_padding.n != 0 && p->output_padding.n != axes)
    return oq_infer_fail(x, OQ_E_MODEL, "conv.output_padding",
                         "attribute 'output_padding' has %u values, expected "
                         "%u",
                         p->output_padding.n, axes);
  for (uint32_t i = 0; i < p->output_padding.n; i++)
    if (p->output_padding.v[i] < 0)
      return oq_infer_fail(x, OQ_E_MODEL, "conv.output_padding",
                           "attribute 'output_padding' holds %lld, expected 0 "
                           "or more",
                           (long long)p->output_padding.v[i]);
  if (n != 0 && n != axes && n != axes + 2)
    return oq_infer_fail(x, OQ_E_MODEL, "conv.output_shape",
                         "attribute 'output_shape' has %u values, expected %u",
                         n, axes);
  return OQ_OK;
}

static oq_status transpose_channels(oq_infer *x, const conv_params *p,
                                    const conv_shapes *s, int64_t *out_ch) {
  OQ_TRY(check_channels(x, "input", s->in_ch, s->w0, 1));
  OQ_TRY(check_channels(x, "bias", s->bias, s->w1, p->group));
  OQ_TRY(check_divides(x, s->in_ch, p->group));
  OQ_TRY(check_divides(x, s->w0, p->group));
  OQ_TRY(check_gemm(x, s));
  *out_ch = s->bias;
  if (s->w1 != OQ_DIM_UNKNOWN && !oq_mul_i64(out_ch, s->w1, p->group))
    return oq_infer_fail(x, OQ_E_LIMIT, "conv.size",
                         "the number of output channels is too large");
  return OQ_OK;
}

static oq_status transpose_infer(oq_infer *x) {
  const conv_params *const p = x->params;
  conv_shapes s;
  int64_t out_ch, columns = 1;

  OQ_TRY(oq_infer_same_dtypes(x, 0, 3));
  OQ_TRY(read_shapes(&s, x, p, 1, 2));
  if (s.axes == 0) {
    if (oq_infer_dtype(x, 0) != OQ_DT_NONE)
      oq_infer_set_dtype(x, 0, oq_infer_dtype(x, 0));
    return OQ_OK;
  }
  OQ_TRY(check_outputs(x, p, s.axes));
  OQ_TRY(transpose_channels(x, p, &s, &out_ch));
  oq_infer_set_rank(x, 0, oq_infer_dtype(x, 0), s.axes + 2);
  x->out[0].dim[0] = s.batch;
  x->out[0].dim[1].size = out_ch;
  for (uint32_t i = 0; i < s.axes; i++) {
    oq_axis a;
    if (s.in[i].size == OQ_DIM_UNKNOWN || s.kernel[i] == OQ_DIM_UNKNOWN)
      continue;
    const oq_status st =
        transpose_axis(&a, p, i, s.axes, s.in[i].size, s.kernel[i]);
    if (st != OQ_OK) return oq_window_fail(x, st, i);
    OQ_TRY(count_columns(x, &columns, (int64_t)a.out));
    x->out[0].dim[i + 2].size = (int64_t)a.in;
  }
  return OQ_OK;
}

static oq_conv transpose_of(const conv_params *p, const oq_shape *x,
                            const oq_shape *w) {
  oq_conv c = {.batch = (size_t)x->dim[0],
               .groups = (size_t)p->group,
               .in_ch = (size_t)(w->dim[0] / p->group),
               .out_ch = (size_t)w->dim[1],
               .w = {.n = x->rank - 2}};

  for (uint32_t i = 0; i < c.w.n; i++)
    (void)transpose_axis(&c.w.axis[i], p, i, c.w.n, x->dim[i + 2],
                         w->dim[i + 2]);
  oq_windows_finish(&c.w);
  return c;
}

static oq_status transpose_run(oq_run *r) {
  const oq_conv c = transpose_of(r->params, &r->in[0]->shape, &r->in[1]->shape);

  if (r->in[0]->dtype != OQ_DT_F64)
    return run_f32(r, &c, oq_conv_transpose_scratch(&c), oq_conv_transpose_f32);
  oq_conv_transpose_f64(&c, r->out[0].data, r->in[0]->data, r->in[1]->data,
                        bias_data(r));
  return OQ_OK;
}

/* ---- cost ---------------------------------------------------------------- */
static uint64_t product(const oq_shape *s, uint32_t from) {
  uint64_t n = 1;

  for (uint32_t i = from; i < s->rank; i++) n *= (uint64_t)s->dim[i];
  return n;
}

/* Each output element: a window of one group's input channels. */
static uint64_t conv_macs(const void *params, const oq_shape *const *in,
                          const oq_shape *out) {
  (void)params;
  return product(out, 0) * product(in[1], 1);
}

/* Each input element: a window of one group's output channels. */
static uint64_t transpose_macs(const void *params, const oq_shape *const *in,
                               const oq_shape *out) {
  (void)params;
  (void)out;
  return product(in[0], 0) * product(in[1], 1);
}

/* ---- table --------------------------------------------------------------- */
static int32_t conv_data_axis(const void *params, uint32_t data_rank) {
  (void)params;
  (void)data_rank;
  return 1;
}

static const oq_op_def defs[] = {
    {.domain = "",
     .name = "Conv",
     .since = 1,
     .last = 27,
     .min_in = 2,
     .max_in = 3,
     .min_out = 1,
     .max_out = 1,
     .dtypes = OQ_DTM_FLOAT,
     .params_size = sizeof(conv_params),
     OQ_ATTRS(conv_attrs),
     .check = conv_check,
     .infer = conv_infer,
     .run = conv_run,
     .layout = OQ_LAST_WANTS,
     .layout_inputs = 1,
     .layout_fits = conv_fits_last,
     .run_last = conv_run_last,
     .pack = conv_pack,
     .macs = conv_macs,
     .quant = {.cls = OQ_Q_LINEAR,
               .role = {OQ_ROLE_DATA, OQ_ROLE_WEIGHT, OQ_ROLE_BIAS},
               .weight_axis = 0,
               .data_axis = conv_data_axis,
               .result_axis = 1}},

    /* The weight's axis 1 counts the channels of one group only: with group > 1
     * slice j of it serves the output channels j, j + n, j + 2n, ... */
    {.domain = "",
     .name = "ConvTranspose",
     .since = 1,
     .last = 27,
     .min_in = 2,
     .max_in = 3,
     .min_out = 1,
     .max_out = 1,
     .dtypes = OQ_DTM_FLOAT,
     .params_size = sizeof(conv_params),
     OQ_ATTRS(transpose_attrs),
     .check = conv_check,
     .infer = transpose_infer,
     .run = transpose_run,
     .macs = transpose_macs,
     .quant = {.cls = OQ_Q_LINEAR,
               .role = {OQ_ROLE_DATA, OQ_ROLE_WEIGHT, OQ_ROLE_BIAS},
               .weight_axis = 1}},
};

OQ_FAMILY(conv, defs);
