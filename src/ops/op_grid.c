/* Sampling at computed places: GridSample, AffineGrid, DeformConv. */
#include <math.h>

#include "base/limits.h"
#include "kern/k_gemm.h"
#include "ops/op.h"
#include "ops/pick.h"
#include "ops/rules.h"
#include "ops/widen.h"
#include "ops/window.h"

/* ---- GridSample: rule ---------------------------------------------------- */
enum { GRID_LINEAR, GRID_NEAREST, GRID_CUBIC };
enum { GRID_ZEROS, GRID_BORDER, GRID_REFLECTION };
static const char *const modes_16[] = {"bilinear", "nearest", "bicubic", NULL};
static const char *const modes_20[] = {"linear", "nearest", "cubic", NULL};
static const char *const paddings[] = {"zeros", "border", "reflection", NULL};

typedef struct grid_params {
  int64_t align;
  int32_t mode, padding;
} grid_params;

#define ALIGN OQ_A_I64(grid_params, align, "align_corners", 0, 0, 1)
#define PADDING \
  OQ_A_CHOICE(grid_params, padding, "padding_mode", "zeros", paddings)
static const oq_attr_def grid_16_attrs[] = {
    ALIGN, PADDING,
    OQ_A_CHOICE(grid_params, mode, "mode", "bilinear", modes_16)};
static const oq_attr_def grid_20_attrs[] = {
    ALIGN, PADDING, OQ_A_CHOICE(grid_params, mode, "mode", "linear", modes_20)};
static const oq_attr_def affine_attrs[] = {ALIGN};

static oq_status grid_infer(oq_infer *x) {
  const oq_type *const t = oq_rule_ranked(x, 0), *const g =
                                                     oq_rule_ranked(x, 1);
  const oq_dtype gt = oq_infer_dtype(x, 1);

  if (gt != OQ_DT_NONE && !oq_dtype_is_float((int32_t)gt))
    return oq_infer_fail(x, OQ_E_MODEL, "op.dtype",
                         "the grid is %s, expected floating point",
                         oq_dtype_text((int32_t)gt));
  OQ_TRY(oq_rule_dtype(x));
  if (t == NULL) return OQ_OK;
  if (t->rank < 3 || (g != NULL && g->rank != t->rank) ||
      (x->opset < 20 && t->rank != 4))
    return oq_infer_fail(x, OQ_E_MODEL, "op.rank",
                         "the image has rank %u, which the grid or the "
                         "operator does not have",
                         t->rank);
  oq_infer_set_rank(x, 0, t->dtype, t->rank);
  x->out[0].dim[0] = t->dim[0];
  x->out[0].dim[1] = t->dim[1];
  if (g == NULL) return OQ_OK;
  OQ_TRY(oq_pick_same_dim(x, t->dim[0], g->dim[0], "batches"));
  OQ_TRY(oq_pick_same_dim(x, g->dim[g->rank - 1],
                          (oq_dim){.size = (int64_t)t->rank - 2},
                          "coordinates of the grid"));
  for (uint32_t i = 2; i < t->rank; i++) x->out[0].dim[i] = g->dim[i - 1];
  return OQ_OK;
}

/* ---- GridSample: taps ---------------------------------------------------- */
/* Along an axis: up to four pixels (negative: none) and their weights. */
typedef struct axis_taps {
  uint32_t n;
  int64_t at[4];
  double weight[4];
} axis_taps;

/* v mirrored at lo and hi until it lies between. */
static double reflect(double v, double lo, double hi) {
  const double range = hi - lo;

  if (!(range > 0)) return lo;
  const double way = v < lo ? lo - v : v - hi;
  if (!(way > 0)) return v;
  const double rest = fmod(way, range);
  const bool even = fmod(floor(way / range), 2.0) == 0.0;
  return (v < lo) == even ? lo + rest : hi - rest;
}

static int64_t pixel(double v, int64_t n, const grid_params *p) {
  const double last = (double)(n - 1);

  if (p->padding == GRID_ZEROS) return v < 0 || v > last ? -1 : (int64_t)v;
  if (p->padding == GRID_REFLECTION)
    v = p->align != 0 ? reflect(v, 0.0, last) : reflect(v, -0.5, last + 0.5);
  return v < 0 ? 0 : v > last ? n - 1 : (int64_t)v;
}

/* Cubic convolution with a = -0.75; t in 0 .. 1. */
static void cubic_weights(double w[4], double t) {
  const double a = -0.75;

  for (int k = 0; k < 4; k++) {
    const double d = fabs(t + 1.0 - k);
    w[k] = d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1
                  : ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  }
}

static void find_taps(axis_taps *t, double v, int64_t n, const grid_params *p) {
  t->n = 0;
  if (!(fabs(v) < 0x1p52)) { /* NaN, infinite, or all too far out */
    if (p->padding == GRID_ZEROS) return;
    v = v > 0 ? (double)(n - 1) : 0;
  }
  if (p->mode == GRID_NEAREST) {
    t->n = 1;
    t->at[0] = pixel(nearbyint(v), n, p);
    t->weight[0] = 1.0;
    return;
  }
  const double base = floor(v);
  t->n = p->mode == GRID_LINEAR ? 2 : 4;
  const double first = p->mode == GRID_LINEAR ? base : base - 1;
  for (uint32_t k = 0; k < t->n; k++) t->at[k] = pixel(first + k, n, p);
  if (p->mode == GRID_CUBIC) {
    cubic_weights(t->weight, v - base);
  } else {
    t->weight[0] = base + 1 - v;
    t->weight[1] = v - base;
  }
}

/* The pixels of an image that make one output. */
typedef struct tap {
  size_t at;
  double weight;
} tap;

/* The product of all axes; row-major strides from `dim`. */
static size_t cross_taps(tap *out, const axis_taps *axes, uint32_t n,
                         const int64_t *dim) {
  uint32_t at[OQ_MAX_RANK] = {0};
  size_t count = 0;

  for (uint32_t i = 0; i < n; i++)
    if (axes[i].n == 0) return 0;
  for (;;) {
    tap t = {0, 1.0};
    bool inside = true;
    uint32_t i;
    for (i = 0; i < n; i++) {
      const int64_t p = axes[i].at[at[i]];
      inside = inside && p >= 0;
      t.at = t.at * (size_t)dim[i] + (size_t)(p < 0 ? 0 : p);
      t.weight *= axes[i].weight[at[i]];
    }
    if (inside) out[count++] = t;
    for (i = n; i-- > 0;) {
      if (++at[i] < axes[i].n) break;
      at[i] = 0;
    }
    if (i == UINT32_MAX) return count;
  }
}

/* ---- GridSample: kernel -------------------------------------------------- */
/* From -1 .. 1 to pixels; in the precision of the image. */
static double unnormalize(double v, int64_t n, bool align, bool wide) {
  if (wide)
    return align ? (v + 1) / 2 * (double)(n - 1)
                 : ((v + 1) * (double)n - 1) / 2;
  const float f = (float)v;
  return (double)(align ? (f + 1) / 2 * (float)(n - 1)
                        : ((f + 1) * (float)n - 1) / 2);
}

#define SAMPLE(T, sfx)                                                     \
  static void sample_##sfx(T *y, size_t y_step, const T *x, size_t x_step, \
                           size_t channels, const tap *t, size_t n) {      \
    for (size_t c = 0; c < channels; c++) {                                \
      const T *const p = x + c * x_step;                                   \
      T sum = 0;                                                           \
      for (size_t k = 0; k < n; k++) sum += (T)t[k].weight * p[t[k].at];   \
      y[c * y_step] = sum;                                                 \
    }                                                                      \
  }
SAMPLE(float, f32)
SAMPLE(double, f64)

static oq_status grid_run(oq_run *r) {
  const grid_params *const p = r->params;
  const oq_shape *const s = &r->in[0]->shape;
  const uint32_t n = s->rank - 2;
  const bool wide = !oq_dtype_is_float((int32_t)r->in[0]->dtype) ||
                    r->in[0]->dtype == OQ_DT_F64;
  tap *const taps = OQ_NEW_N(r->scratch, tap, (size_t)1 << (2 * n));
  const double *x64 = NULL, *grid;
  const float *x32 = NULL;
  double *y64 = NULL;
  float *y32 = NULL;

  if (taps == NULL) return oq_fail_memory(r->diags);
  if (r->out[0].size == 0) return OQ_OK;
  if (oq_dtype_in((int32_t)r->in[0]->dtype, OQ_DTM_COMPLEX))
    return oq_widen_parts(r, grid_run);
  if (r->in[0]->size == 0)
    return oq_run_fail(r, OQ_E_DATA, "grid.image", "the image is empty");
  OQ_TRY(wide ? oq_widen_in_f64(&x64, r, r->in[0])
              : oq_widen_in(&x32, r, r->in[0]));
  OQ_TRY(wide ? oq_widen_out_f64(&y64, r, 0) : oq_widen_out(&y32, r, 0));
  OQ_TRY(oq_widen_in_f64(&grid, r, r->in[1]));
  const size_t batch = (size_t)s->dim[0], channels = (size_t)s->dim[1];
  const size_t plane = oq_dims_product(s, 2, s->rank);
  const size_t places = oq_dims_product(&r->out[0].shape, 2, s->rank);
  for (size_t i = 0; i < batch * places; i++) {
    axis_taps axes[OQ_MAX_RANK];
    for (uint32_t a = 0; a < n; a++) { /* x comes first in the grid */
      const int64_t size = s->dim[2 + a];
      const double v = grid[i * n + (n - 1 - a)];
      find_taps(&axes[a], unnormalize(v, size, p->align != 0, wide), size, p);
    }
    const size_t count = cross_taps(taps, axes, n, s->dim + 2);
    const size_t from = i / places * channels * plane;
    const size_t to = i / places * channels * places + i % places;
    if (wide)
      sample_f64(y64 + to, places, x64 + from, plane, channels, taps, count);
    else
      sample_f32(y32 + to, places, x32 + from, plane, channels, taps, count);
  }
  if (wide)
    oq_widen_done_f64(r, 0, y64);
  else
    oq_widen_done(r, 0, y32);
  return OQ_OK;
}

/* ---- AffineGrid ---------------------------------------------------------- */
static oq_status affine_infer(oq_infer *x) {
  const oq_type *const t = oq_rule_ranked(x, 0);
  const oq_dtype d = oq_infer_dtype(x, 0);
  const int64_t *size;
  uint32_t n;
  bool known;

  OQ_TRY(oq_infer_ints(&size, &n, &known, x, 1));
  if (t != NULL && t->rank != 3)
    return oq_infer_fail(x, OQ_E_MODEL, "op.rank",
                         "the transforms have rank %u, expected 3", t->rank);
  OQ_TRY(oq_rule_dtype(x));
  if (!known) return OQ_OK;
  if (n != 4 && n != 5)
    return oq_infer_fail(x, OQ_E_MODEL, "affine.size",
                         "the size has %u values, expected 4 or 5", n);
  for (uint32_t i = 0; i < n; i++)
    if (size[i] < 1)
      return oq_infer_fail(x, OQ_E_MODEL, "affine.size", "the size holds %lld",
                           (long long)size[i]);
  if (t != NULL) {
    OQ_TRY(
        oq_pick_same_dim(x, t->dim[0], (oq_dim){.size = size[0]}, "batches"));
    OQ_TRY(oq_pick_same_dim(x, t->dim[1], (oq_dim){.size = n - 2},
                            "rows of the transforms"));
    OQ_TRY(oq_pick_same_dim(x, t->dim[2], (oq_dim){.size = n - 1},
                            "columns of the transforms"));
  }
  if (d == OQ_DT_NONE || x->n_out == 0) return OQ_OK;
  oq_infer_set_rank(x, 0, d, n);
  x->out[0].dim[0].size = size[0];
  for (uint32_t i = 2; i < n; i++) x->out[0].dim[i - 1].size = size[i];
  x->out[0].dim[n - 1].size = n - 2;
  return OQ_OK;
}

/* Pixel i of n as -1 .. 1. */
static double normalized(int64_t i, int64_t n, bool align) {
  if (!align) return (2.0 * (double)i + 1.0) / (double)n - 1.0;
  return n == 1 ? 0.0 : 2.0 * (double)i / (double)(n - 1) - 1.0;
}

static oq_status affine_run(oq_run *r) {
  const bool align = ((const grid_params *)r->params)->align != 0;
  const oq_shape *const o = &r->out[0].shape;
  const uint32_t n = o->rank - 2;
  const double *theta;
  double *y;

  if (r->out[0].size == 0) return OQ_OK;
  OQ_TRY(oq_widen_in_f64(&theta, r, r->in[0]));
  OQ_TRY(oq_widen_out_f64(&y, r, 0));
  const size_t places = oq_dims_product(o, 1, n + 1);
  for (size_t i = 0; i < (size_t)o->dim[0] * places; i++) {
    const double *const m = theta + i / places * n * (n + 1);
    double at[3] = {0}; /* x first */
    size_t rest = i % places;
    for (uint32_t a = 0; a < n; a++) {
      const int64_t size = o->dim[n - a];
      at[a] = normalized((int64_t)(rest % (size_t)size), size, align);
      rest /= (size_t)size;
    }
    for (uint32_t k = 0; k < n; k++) {
      double v = m[k * (n + 1) + n];
      for (uint32_t a = 0; a < n; a++) v += m[k * (n + 1) + a] * at[a];
      y[i * n + k] = v;
    }
  }
  oq_widen_done_f64(r, 0, y);
  return OQ_OK;
}

/* ---- DeformConv: rule ---------------------------------------------------- */
typedef struct deform_params {
  oq_window_params window;
  int64_t group, offset_group;
} deform_params;

static const oq_attr_def deform_attrs[] = {
    OQ_A_I64S(deform_params, window.kernel, "kernel_shape"),
    OQ_A_I64S(deform_params, window.strides, "strides"),
    OQ_A_I64S(deform_params, window.pads, "pads"),
    OQ_A_I64S(deform_params, window.dilations, "dilations"),
    OQ_A_I64(deform_params, group, "group", 1, 1, INT32_MAX),
    OQ_A_I64(deform_params, offset_group, "offset_group", 1, 1, INT32_MAX),
};

static oq_status deform_check(const oq_graph *g, const oq_node *n, void *params,
                              oq_diags *d) {
  return oq_window_check(g, n, &((const deform_params *)params)->window, d);
}

/* The kernel of an axis: the attribute must say what the weight has. */
static oq_status deform_axis(oq_axis *a, const oq_infer *x, uint32_t i,
                             int64_t in, int64_t kernel) {
  const deform_params *const p = x->params;
  const oq_i64s *const k = &p->window.kernel;

  if (k->n > 0 && k->v[i] != kernel)
    return oq_infer_fail(x, OQ_E_MODEL, "deform.kernel",
                         "attribute 'kernel_shape' says %lld, the weight %lld",
                         (long long)k->v[i], (long long)kernel);
  const oq_status s =
      oq_window_axis(a, NULL, &p->window, i, in, kernel, OQ_ROUND_FLOOR);
  return s == OQ_OK ? OQ_OK : oq_window_fail(x, s, i);
}

static bool dims_known(const oq_type *t) {
  oq_shape s;

  return t != NULL && oq_type_shape(&s, t);
}

/* Input `slot` must be [N, channels, out...] */
static oq_status deform_map(const oq_infer *x, uint32_t slot,
                            int64_t channels) {
  const oq_type *const t = oq_rule_ranked(x, slot), *const y = &x->out[0];
  const oq_dim maps = {.size = channels};

  if (t == NULL) return OQ_OK;
  if (t->rank != y->rank)
    return oq_infer_fail(x, OQ_E_MODEL, "op.rank",
                         "input %u has rank %u, expected %u", slot, t->rank,
                         y->rank);
  for (uint32_t i = 0; i < t->rank; i++)
    OQ_TRY(oq_pick_same_dim(x, i == 1 ? maps : y->dim[i], t->dim[i],
                            "offsets or masks"));
  return OQ_OK;
}

static oq_status deform_shapes(oq_infer *x, const oq_type *t,
                               const oq_type *w) {
  const deform_params *const p = x->params;
  const int64_t c = t->dim[1].size, m = w->dim[0].size;
  int64_t maps = p->offset_group;

  if (c % p->group != 0 || m % p->group != 0 || c % p->offset_group != 0 ||
      w->dim[1].size != c / p->group)
    return oq_infer_fail(x, OQ_E_MODEL, "deform.groups",
                         "%lld channels in, %lld out and a weight of %lld do "
                         "not make %lld groups",
                         (long long)c, (long long)m, (long long)w->dim[1].size,
                         (long long)p->group);
  oq_infer_set_rank(x, 0, t->dtype, t->rank);
  x->out[0].dim[0] = t->dim[0];
  x->out[0].dim[1] = w->dim[0];
  for (uint32_t i = 0; i + 2 < t->rank; i++) {
    oq_axis a;
    OQ_TRY(deform_axis(&a, x, i, t->dim[2 + i].size, w->dim[2 + i].size));
    x->out[0].dim[2 + i].size = (int64_t)a.out;
    if (!oq_mul_i64(&maps, maps, w->dim[2 + i].size) || maps > INT32_MAX)
      return oq_infer_fail(x, OQ_E_LIMIT, "deform.size",
                           "the kernel is too big");
  }
  OQ_TRY(deform_map(x, 2, (int64_t)(t->rank - 2) * maps));
  return deform_map(x, 4, maps);
}

static oq_status deform_infer(oq_infer *x) {
  const deform_params *const p = x->params;
  const oq_type *const t = oq_rule_ranked(x, 0), *const w =
                                                     oq_rule_ranked(x, 1);
  const oq_type *const b = oq_rule_ranked(x, 3);

  OQ_TRY(oq_infer_same_dtypes(x, 0, 5));
  OQ_TRY(oq_rule_dtype(x));
  if (t != NULL && t->rank < 3)
    return oq_infer_fail(x, OQ_E_MODEL, "op.rank",
                         "the input has rank %u, expected at least 3", t->rank);
  if (t != NULL && w != NULL && t->rank != w->rank)
    return oq_infer_fail(x, OQ_E_MODEL, "op.rank",
                         "the input has rank %u, the weight %u", t->rank,
                         w->rank);
  if (t != NULL) OQ_TRY(oq_window_check_rank(x, &p->window, t->rank - 2));
  if (b != NULL && b->rank != 1)
    return oq_infer_fail(x, OQ_E_MODEL, "op.rank",
                         "the bias has rank %u, expected 1", b->rank);
  if (b != NULL && w != NULL)
    OQ_TRY(oq_pick_same_dim(x, w->dim[0], b->dim[0], "weight and bias"));
  if (!dims_known(t) || !dims_known(w) || x->n_out == 0) {
    if (t != NULL && x->n_out > 0) oq_infer_set_rank(x, 0, t->dtype, t->rank);
    return OQ_OK;
  }
  return deform_shapes(x, t, w);
}

/* ---- DeformConv: kernel -------------------------------------------------- */
typedef struct deform {
  oq_axis axis[OQ_WINDOW_AXES];
  uint32_t n_axes;
  size_t batch, channels, out_channels, groups, offset_groups;
  size_t taps, places, plane; /* of the kernel, a map, a channel */
} deform;

static deform deform_of(const oq_run *r) {
  const deform_params *const p = r->params;
  const oq_shape *const s = &r->in[0]->shape, *const w = &r->in[1]->shape;
  deform d = {.n_axes = s->rank - 2,
              .batch = (size_t)s->dim[0],
              .channels = (size_t)s->dim[1],
              .out_channels = (size_t)w->dim[0],
              .groups = (size_t)p->group,
              .offset_groups = (size_t)p->offset_group,
              .taps = 1,
              .places = 1,
              .plane = 1};

  for (uint32_t i = 0; i < d.n_axes; i++) {
    oq_axis *const a = &d.axis[i];
    (void)oq_window_axis(a, NULL, &p->window, i, s->dim[2 + i], w->dim[2 + i],
                         OQ_ROUND_FLOOR);
    d.taps *= a->kernel;
    d.places *= a->out;
    d.plane *= a->in;
  }
  return d;
}

/* The pixels around `v`, two along each axis; outside of the image is nothing.
 */
static size_t around(tap *t, const double *v, const deform *d) {
  size_t n = 0;

  for (uint32_t i = 0; i < d->n_axes; i++)
    if (!(v[i] > -1 && v[i] < (double)d->axis[i].in)) return 0;
  for (uint32_t corner = 0; corner < 1u << d->n_axes; corner++) {
    tap one = {0, 1};
    bool inside = true;
    for (uint32_t i = 0; i < d->n_axes && inside; i++) {
      const double far = corner >> (d->n_axes - 1 - i) & 1u;
      const double y = floor(v[i]) + far;
      inside = y >= 0 && y < (double)d->axis[i].in;
      if (!inside) break;
      one.at = one.at * d->axis[i].in + (size_t)y;
      one.weight *= 1 - fabs(v[i] - y);
    }
    if (inside) t[n++] = one;
  }
  return n;
}

/* Where tap k of place o would lie without offsets. */
static void place_of(double *v, const deform *d, size_t o, size_t k) {
  for (uint32_t i = d->n_axes; i-- > 0;) {
    const oq_axis *const a = &d->axis[i];
    v[i] = (double)(o % a->out * a->stride + k % a->kernel * a->dilation) -
           (double)a->pad;
    o /= a->out;
    k /= a->kernel;
  }
}

/* columns[channels][taps][places] of one sample; then per group a product with
 * the weight. */
#define DEFORM(T, sfx)                                                    \
  static void unfold_##sfx(T *cols, const T *x, const T *offset,          \
                           const T *mask, const deform *d) {              \
    const size_t each = d->channels / d->offset_groups;                   \
    const uint32_t axes = d->n_axes;                                      \
    for (size_t i = 0; i < d->offset_groups * d->taps * d->places; i++) { \
      const size_t o = i % d->places, k = i / d->places % d->taps;        \
      const size_t g = i / d->places / d->taps, at = (g * d->taps + k);   \
      double v[OQ_WINDOW_AXES];                                           \
      tap t[1 << OQ_WINDOW_AXES];                                         \
      place_of(v, d, o, k);                                               \
      for (uint32_t a = 0; a < axes; a++)                                 \
        v[a] += (double)offset[(axes * at + a) * d->places + o];          \
      const size_t n = around(t, v, d);                                   \
      const T m = mask == NULL ? (T)1 : mask[at * d->places + o];         \
      for (size_t c = g * each; c < (g + 1) * each; c++) {                \
        T sum = 0;                                                        \
        for (size_t q = 0; q < n; q++)                                    \
          sum += (T)t[q].weight * x[c * d->plane + t[q].at];              \
        cols[(c * d->taps + k) * d->places + o] = m * sum;                \
      }                                                                   \
    }                                                                     \
  }
DEFORM(float, f32)
DEFORM(double, f64)

static oq_status check_product(const oq_run *r, const deform *d) {
  const size_t k = d->channels / d->groups * d->taps;

  if (k <= OQ_MAX_GEMM_DIM && d->places <= OQ_MAX_GEMM_DIM) return OQ_OK;
  return oq_run_fail(r, OQ_E_LIMIT, "deform.size",
                     "a matrix has more than %d rows or columns",
                     OQ_MAX_GEMM_DIM);
}

/* The whole of one element type. */
#define DEFORM_RUN(T, sfx, widen, PRODUCT)                                  \
  static oq_status deform_run_##sfx(oq_run *r, const deform *d) {           \
    const size_t depth = d->channels / d->groups * d->taps;                 \
    const size_t rows = d->out_channels / d->groups;                        \
    const size_t plane = d->plane;                                          \
    const size_t maps = d->offset_groups * d->taps * d->places;             \
    const T *x, *w, *offset, *bias, *mask;                                  \
    T *y;                                                                   \
    OQ_TRY(oq_widen_in##widen(&x, r, r->in[0]));                            \
    OQ_TRY(oq_widen_in##widen(&w, r, r->in[1]));                            \
    OQ_TRY(oq_widen_in##widen(&offset, r, r->in[2]));                       \
    OQ_TRY(oq_widen_in##widen(&bias, r, oq_pick_input(r, 3)));              \
    OQ_TRY(oq_widen_in##widen(&mask, r, oq_pick_input(r, 4)));              \
    OQ_TRY(oq_widen_out##widen(&y, r, 0));                                  \
    size_t count;                                                           \
    T *cols = NULL;                                                         \
    if (oq_mul_size(&count, depth * d->groups, d->places))                  \
      cols = oq_arena_alloc_raw(r->scratch, count, sizeof *cols, OQ_ALIGN); \
    if (cols == NULL) return oq_fail_memory(r->diags);                      \
    for (size_t n = 0; n < d->batch; n++) {                                 \
      unfold_##sfx(cols, x + n * d->channels * plane,                       \
                   offset + d->n_axes * n * maps,                           \
                   mask == NULL ? NULL : mask + n * maps, d);               \
      for (size_t g = 0; g < d->groups; g++) {                              \
        const T *const a = w + g * rows * depth;                            \
        const T *const b = cols + g * depth * d->places;                    \
        T *const c = y + (n * d->out_channels + g * rows) * d->places;      \
        PRODUCT;                                                            \
        for (size_t i = 0; bias != NULL && i < rows * d->places; i++)       \
          c[i] += bias[g * rows + i / d->places];                           \
      }                                                                     \
    }                                                                       \
    oq_widen_done##widen(r, 0, y);                                          \
    return OQ_OK;                                                           \
  }
DEFORM_RUN(float, f32, ,
           oq_gemm_f32_dense(r->k, OQ_NO_TRANS, OQ_NO_TRANS, rows, d->places,
                             depth, 1.0f, a, b, 0.0f, c))
DEFORM_RUN(double, f64, _f64,
           oq_gemm_f64(OQ_NO_TRANS, OQ_NO_TRANS, rows, d->places, depth, 1.0, a,
                       b, 0.0, c))

static oq_status deform_run(oq_run *r) {
  const deform d = deform_of(r);

  if (r->out[0].size == 0) return OQ_OK;
  OQ_TRY(check_product(r, &d));
  return r->in[0]->dtype == OQ_DT_F64 ? deform_run_f64(r, &d)
                                      : deform_run_f32(r, &d);
}

static uint64_t deform_macs(const void *params, const oq_shape *const *in,
                            const oq_shape *out) {
  const oq_shape *const w = in[1];

  (void)params;
  return (uint64_t)oq_dims_product(out, 0, out->rank) *
         (uint64_t)oq_dims_product(w, 1, w->rank);
}

/* ---- table --------------------------------------------------------------- */
#define ROW(op, from, to, least, most, types)                      \
  .domain = "", .name = (op), .since = (from), .last = (to),       \
  .min_in = (least), .max_in = (most), .min_out = 1, .max_out = 1, \
  .dtypes = (types)
#define GRID(from, to, table)                                \
  {                                                          \
    ROW("GridSample", from, to, 2, 2,                        \
        OQ_DTM_NUMERIC | OQ_DTM(BOOL) | OQ_DTM_COMPLEX),     \
        .params_size = sizeof(grid_params), OQ_ATTRS(table), \
        .infer = grid_infer, .run = grid_run, .quant = {     \
          .cls = OQ_Q_MAP,                                   \
          .role = {OQ_ROLE_DATA, OQ_ROLE_INDEX}              \
        }                                                    \
  }

static const oq_op_def defs[] = {
    GRID(16, 19, grid_16_attrs),
    GRID(20, 27, grid_20_attrs),
    {ROW("AffineGrid", 20, 27, 2, 2, OQ_DTM_FLOAT),
     .params_size = sizeof(grid_params), OQ_ATTRS(affine_attrs),
     .infer = affine_infer, .run = affine_run,
     .quant = {.cls = OQ_Q_NEVER, .role = {OQ_ROLE_INDEX}}},
    {ROW("DeformConv", 19, 27, 3, 5, OQ_DTM_FLOAT),
     .params_size = sizeof(deform_params), OQ_ATTRS(deform_attrs),
     .check = deform_check, .infer = deform_infer, .run = deform_run,
     .macs = deform_macs,
     .quant = {.cls = OQ_Q_LINEAR,
               .role = {OQ_ROLE_DATA, OQ_ROLE_WEIGHT, OQ_ROLE_INDEX,
                        OQ_ROLE_BIAS},
               .weight_axis = 0}},
};

OQ_FAMILY(grid, defs);
