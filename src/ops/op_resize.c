/* Resize and Upsample.  Nearest neighbours only move values, of any type;
 * linear and cubic resampling is separable and goes axis by axis.  Coordinates
 * are computed in float32 in the order of the usual runtimes, so that ties
 * fall to the same side. */
#include <math.h>
#include <string.h>

#include "kern/k_resize.h"
#include "ops/bytes.h"
#include "ops/op.h"
#include "ops/widen.h"

enum { MODE_NEAREST, MODE_LINEAR, MODE_CUBIC };
static const char *const modes_7[] = {"nearest", "linear", NULL};
static const char *const modes_11[] = {"nearest", "linear", "cubic", NULL};

enum {
  AT_HALF_PIXEL,
  AT_PYTORCH_HALF_PIXEL,
  AT_ALIGN_CORNERS,
  AT_ASYMMETRIC,
  AT_CROP,
  AT_HALF_PIXEL_NN, /* 11 and 12 only; some exporters kept it */
  AT_SYMMETRIC      /* from 19 on */
};
static const char *const places_11[] = {
    "half_pixel", "pytorch_half_pixel", "align_corners",
    "asymmetric", "tf_crop_and_resize", "tf_half_pixel_for_nn",
    NULL};
static const char *const places_13[] = {
    "half_pixel", "pytorch_half_pixel", "align_corners",
    "asymmetric", "tf_crop_and_resize", NULL};
static const char *const places_19[] = {
    "half_pixel",           "pytorch_half_pixel",
    "align_corners",        "asymmetric",
    "tf_crop_and_resize",   "tf_half_pixel_for_nn",
    "half_pixel_symmetric", NULL};

enum { NEAR_PREFER_FLOOR, NEAR_PREFER_CEIL, NEAR_FLOOR, NEAR_CEIL };
static const char *const nears[] = {"round_prefer_floor", "round_prefer_ceil",
                                    "floor", "ceil", NULL};

enum { KEEP_STRETCH, KEEP_NOT_LARGER, KEEP_NOT_SMALLER };
static const char *const keeps[] = {"stretch", "not_larger", "not_smaller",
                                    NULL};

typedef struct resize_params {
  int32_t mode, place, near, keep;
  float cubic_a, extrapolation;
  int64_t exclude_outside, antialias;
  oq_i64s axes;
  oq_f32s scales;      /* Upsample 7 */
  float all_scales[4]; /* of the experimental one: 1, 1, height, width */
} resize_params;

static const char *const modes_1[] = {"nearest", "bilinear", NULL};
#define NEEDED_SCALE(i, key)                                             \
  {                                                                      \
    .name = (key), .kind = OQ_ATTR_F32, .required = true,                \
    .offset = offsetof(resize_params, all_scales[i]), .min = 1, .max = 0 \
  }
static const oq_attr_def upsample_attrs_1[] = {
    NEEDED_SCALE(2, "height_scale"),
    OQ_A_CHOICE(resize_params, mode, "mode", "nearest", modes_1),
    NEEDED_SCALE(3, "width_scale"),
};
static const oq_attr_def upsample_attrs_7[] = {
    OQ_A_CHOICE(resize_params, mode, "mode", "nearest", modes_7),
    {.name = "scales",
     .kind = OQ_ATTR_F32S,
     .required = true,
     .offset = offsetof(resize_params, scales),
     .min = 1,
     .max = 0},
};
static const oq_attr_def resize_attrs_10[] = {
    OQ_A_CHOICE(resize_params, mode, "mode", "nearest", modes_7),
};

#define RESIZE_ATTRS(places)                                                 \
  OQ_A_CHOICE(resize_params, mode, "mode", "nearest", modes_11),             \
      OQ_A_CHOICE(resize_params, place, "coordinate_transformation_mode",    \
                  "half_pixel", places),                                     \
      OQ_A_CHOICE(resize_params, near, "nearest_mode", "round_prefer_floor", \
                  nears),                                                    \
      OQ_A_F32(resize_params, cubic_a, "cubic_coeff_a", -0.75),              \
      OQ_A_F32(resize_params, extrapolation, "extrapolation_value", 0.0),    \
      OQ_A_I64(resize_params, exclude_outside, "exclude_outside", 0,         \
               INT64_MIN, INT64_MAX)
#define RESIZE_ATTRS_18                                                       \
  OQ_A_I64(resize_params, antialias, "antialias", 0, INT64_MIN, INT64_MAX),   \
      OQ_A_I64S(resize_params, axes, "axes"),                                 \
      OQ_A_CHOICE(resize_params, keep, "keep_aspect_ratio_policy", "stretch", \
                  keeps)

static const oq_attr_def resize_attrs_11[] = {RESIZE_ATTRS(places_11)};
static const oq_attr_def resize_attrs_13[] = {RESIZE_ATTRS(places_13)};
static const oq_attr_def resize_attrs_18[] = {RESIZE_ATTRS(places_13),
                                              RESIZE_ATTRS_18};
static const oq_attr_def resize_attrs_19[] = {RESIZE_ATTRS(places_19),
                                              RESIZE_ATTRS_18};

static oq_status resize_check(const oq_graph *g, const oq_node *n, void *params,
                              oq_diags *d) {
  const resize_params *const p = params;
  oq_where w = oq_node_where(g, (oq_node_id){(uint32_t)(n - g->nodes)});

  if (p->antialias == 0 || p->mode != MODE_NEAREST) return OQ_OK;
  w.attr = "antialias";
  return oq_fail(d, OQ_E_MODEL, "resize.antialias", &w,
                 "'antialias' is set for nearest neighbours");
}

static oq_status upsample_check_1(const oq_graph *g, const oq_node *n,
                                  void *params, oq_diags *d) {
  resize_params *const p = params;

  (void)g, (void)n, (void)d;
  p->all_scales[0] = p->all_scales[1] = 1.0f;
  p->scales = (oq_f32s){p->all_scales, 4, true};
  return OQ_OK;
}

/* ---- what is asked for --------------------------------------------------- */
typedef struct request { /* values of the inputs; NULL: absent or unknown */
  bool known;            /* all of them are */
  const double *scales, *roi;
  const int64_t *sizes;
  uint32_t n_scales, n_sizes, n_roi;
} request;

static oq_status read_floats(const double **out, uint32_t *n,
                             const oq_ctensor *t, oq_arena *a) {
  *out = NULL;
  *n = 0;
  if (t == NULL) return OQ_OK;
  const size_t count = oq_tensor_count(t);
  if (count > 2 * OQ_MAX_RANK) return OQ_E_MODEL;
  double *const v = OQ_NEW_N(a, double, count);
  if (v == NULL) return OQ_E_MEMORY;
  for (size_t i = 0; i < count; i++) v[i] = oq_element_f64(t, i);
  *out = count == 0 ? NULL : v; /* an empty tensor is an absent one */
  *n = (uint32_t)count;
  return OQ_OK;
}

/* Slots: scales are input 1 below opset 11. */
static bool is_old(int64_t opset) { return opset < 11; }

static oq_status read_request(request *q, const resize_params *p,
                              const oq_ctensor *const *in, uint32_t n_in,
                              bool old, oq_arena *a) {
  const uint32_t slot = old ? 1 : 2;

  *q = (request){.known = true};
  if (p->scales.set) {
    double *const v = OQ_NEW_N(a, double, p->scales.n);
    if (v == NULL) return OQ_E_MEMORY;
    for (uint32_t i = 0; i < p->scales.n; i++) v[i] = (double)p->scales.v[i];
    q->scales = v;
    q->n_scales = p->scales.n;
    return OQ_OK;
  }
  if (n_in > slot) OQ_TRY(read_floats(&q->scales, &q->n_scales, in[slot], a));
  if (!old && n_in > 3) OQ_TRY(oq_ints_read(&q->sizes, &q->n_sizes, in[3], a));
  if (q->n_sizes == 0) q->sizes = NULL;
  if (!old && n_in > 1 && p->place == AT_CROP)
    OQ_TRY(read_floats(&q->roi, &q->n_roi, in[1], a));
  return OQ_OK;
}

/* ---- an axis ------------------------------------------------------------- */
typedef struct resized {
  int64_t in, out;
  float scale;
  double length; /* of the output before it was rounded to a whole number */
  double roi0, roi1;
  bool same; /* nothing to do */
} resized;

typedef struct resized_all {
  uint32_t rank;
  resized axis[OQ_MAX_RANK];
} resized_all;

static const char *scale_axis(resized *z, double scale) {
  const float length = (float)z->in * (float)scale;

  if (!(scale > 0) || !isfinite(scale)) return "a scale is not positive";
  if (length >= 4611686018427387904.0f) return "an output size is too large";
  z->scale = (float)scale;
  z->length = (double)z->in * scale;
  z->out = (int64_t)floorf(length);
  return NULL;
}

static const char *size_axis(resized *z, int64_t size) {
  if (size < 0) return "a size is negative";
  z->out = size;
  z->length = (double)size;
  z->scale = z->in == 0 ? 1.0f : (float)size / (float)z->in;
  return NULL;
}

/* The scale that all resized axes share. */
static const char *keep_ratio(resized_all *all, uint32_t set, int32_t keep) {
  float scale = 0.0f;
  bool any = false;

  for (uint32_t i = 0; i < all->rank; i++) {
    const float s = all->axis[i].scale;
    if ((set >> i & 1u) == 0) continue;
    if (!any || (keep == KEEP_NOT_LARGER ? s < scale : s > scale)) scale = s;
    any = true;
  }
  for (uint32_t i = 0; i < all->rank; i++) {
    resized *const z = &all->axis[i];
    if ((set >> i & 1u) == 0) continue;
    const float length = roundf(scale * (float)z->in);
    if (!(length < 4611686018427387904.0f))
      return "an output size is too large";
    z->scale = scale;
    z->out = (int64_t)length;
    z->length = (double)z->out;
  }
  return NULL;
}

/* Fills all->axis from known sizes `dim`; a text if that cannot be. */
static const char *resize_axes(resized_all *all, const resize_params *p,
                               const request *q, const int64_t *dim,
                               uint32_t rank) {
  const uint32_t n = p->axes.n != 0 ? p->axes.n : rank;
  const char *wrong = NULL;
  uint32_t set = 0;

  all->rank = rank;
  for (uint32_t i = 0; i < rank; i++)
    all->axis[i] = (resized){.in = dim[i],
                             .out = dim[i],
                             .scale = 1.0f,
                             .length = (double)dim[i],
                             .roi1 = 1.0};
  if ((q->scales == NULL) == (q->sizes == NULL))
    return "expected either 'scales' or 'sizes'";
  if ((q->scales != NULL ? q->n_scales : q->n_sizes) != n)
    return "'scales' or 'sizes' does not have one value per axis";
  if (q->roi != NULL && q->n_roi != 2 * n)
    return "'roi' does not have two values per axis";
  for (uint32_t i = 0; i < n && wrong == NULL; i++) {
    uint32_t axis;
    if (!oq_axis_normalize(&axis, p->axes.n != 0 ? p->axes.v[i] : i, rank))
      return "an axis does not exist";
    if ((set >> axis & 1u) != 0) return "an axis is given twice";
    set |= 1u << axis;
    resized *const z = &all->axis[axis];
    wrong = q->scales != NULL ? scale_axis(z, q->scales[i])
                              : size_axis(z, q->sizes[i]);
    if (q->roi != NULL) {
      z->roi0 = q->roi[i];
      z->roi1 = q->roi[n + i];
    }
  }
  if (wrong == NULL && q->sizes != NULL && p->keep != KEEP_STRETCH)
    wrong = keep_ratio(all, set, p->keep);
  for (uint32_t i = 0; i < rank && wrong == NULL; i++) {
    resized *const z = &all->axis[i];
    z->same =
        z->in == z->out && z->scale == 1.0f && z->roi0 == 0.0 && z->roi1 == 1.0;
    if (z->in == 0 && z->out != 0) wrong = "an empty axis cannot be resized";
  }
  return wrong;
}

/* ---- rule ---------------------------------------------------------------- */
static oq_status check_inputs(const oq_infer *x, const resize_params *p,
                              bool *known) {
  const bool old = is_old(x->opset);
  const uint32_t slot = old ? 1 : 2;

  *known = true;
  for (uint32_t i = 1; i < x->n_in; i++) {
    if (!oq_value_ok(x->node->in[i])) continue;
    const oq_dtype t = oq_infer_dtype(x, i);
    const bool unused = !old && i == 1 && p->place != AT_CROP;
    if (x->konst[i] == NULL && !unused) *known = false;
    const bool right = i == slot
                           ? t == OQ_DT_F32
                           : (!old && i == 3 ? t == OQ_DT_I64 || t == OQ_DT_I32
                                             : oq_dtype_is_float((int32_t)t));
    if (t != OQ_DT_NONE && !right && !unused)
      return oq_infer_fail(x, OQ_E_MODEL, "op.dtype", "input %u cannot be %s",
                           i, oq_dtype_text((int32_t)t));
  }
  return OQ_OK;
}

static bool is_resized(const resize_params *p, uint32_t axis, uint32_t rank) {
  uint32_t a;

  for (uint32_t i = 0; i < p->axes.n; i++)
    if (oq_axis_normalize(&a, p->axes.v[i], rank) && a == axis) return true;
  return p->axes.n == 0;
}

/* What `z`, computed with a size of 1 for every unknown one, says of axis i. */
static oq_dim resized_dim(const resize_params *p, const request *q,
                          const oq_type *t, const resized *z, uint32_t i) {
  const oq_dim unknown = {.size = OQ_DIM_UNKNOWN};
  bool all = true;

  if (!is_resized(p, i, t->rank)) return t->dim[i];
  for (uint32_t k = 0; k < t->rank; k++)
    all = all && t->dim[k].size != OQ_DIM_UNKNOWN;
  if (!all && q->sizes != NULL && p->keep != KEEP_STRETCH) return unknown;
  if (t->dim[i].size == OQ_DIM_UNKNOWN && q->scales != NULL)
    return z->scale == 1.0f ? t->dim[i] : unknown;
  return z->out == t->dim[i].size ? t->dim[i] : (oq_dim){.size = z->out};
}

static oq_status resize_infer(oq_infer *x) {
  const resize_params *const p = x->params;
  const oq_type *const t = oq_infer_in(x, 0);
  int64_t dim[OQ_MAX_RANK];
  resized_all all;
  request q;
  bool known;

  OQ_TRY(check_inputs(x, p, &known));
  if (t == NULL) return OQ_OK;
  oq_infer_set_dtype(x, 0, t->dtype);
  if (!t->has_rank) return OQ_OK;
  oq_infer_set_rank(x, 0, t->dtype, t->rank);
  if (!known) return OQ_OK;
  for (uint32_t i = 0; i < t->rank; i++) /* any size will do for now */
    dim[i] = t->dim[i].size == OQ_DIM_UNKNOWN ? 1 : t->dim[i].size;
  const oq_status st =
      read_request(&q, p, x->konst, x->n_in, is_old(x->opset), x->scratch);
  if (st == OQ_E_MEMORY) return oq_fail_memory(x->diags);
  const char *const wrong = st != OQ_OK
                                ? "an input has too many values"
                                : resize_axes(&all, p, &q, dim, t->rank);
  if (wrong != NULL)
    return oq_infer_fail(x, OQ_E_MODEL, "resize.request", "%s", wrong);
  for (uint32_t i = 0; i < t->rank; i++)
    x->out[0].dim[i] = resized_dim(p, &q, t, &all.axis[i], i);
  return OQ_OK;
}

/* ---- coordinates --------------------------------------------------------- */
static double corner(double o, double in, double length) {
  return length == 1.0 ? 0.0 : o * (in - 1.0) / (length - 1.0);
}

static float crop(float o, const resized *z) {
  const float r0 = (float)z->roi0, r1 = (float)z->roi1;
  const float in = (float)(z->in - 1);

  if (z->out <= 1) return 0.5f * (r0 + r1) * in;
  return r0 * in + (o * (r1 - r0) * in) / (float)(z->out - 1);
}

/* Where output `o` lies among the inputs. */
static double place_of(const resized *z, int32_t place, int64_t o) {
  const float x = (float)o;

  switch (place) {
    case AT_PYTORCH_HALF_PIXEL:
      return z->out > 1 ? (double)((x + 0.5f) / z->scale - 0.5f) : 0.0;
    case AT_ALIGN_CORNERS:
      return corner((double)o, (double)z->in, z->length);
    case AT_ASYMMETRIC:
      return (double)(x / z->scale);
    case AT_CROP:
      return (double)crop(x, z);
    case AT_HALF_PIXEL_NN:
      return (double)((x + 0.5f) / z->scale);
    case AT_SYMMETRIC: {
      const float length = z->scale * (float)z->in;
      const float shift = (float)z->in / 2.0f * (1.0f - (float)z->out / length);
      return (double)(shift + (x + 0.5f) / z->scale - 0.5f);
    }
    default:
      return (double)((x + 0.5f) / z->scale - 0.5f);
  }
}

static bool outside(const resized *z, int32_t place, double at) {
  return place == AT_CROP && !(at >= 0.0 && at <= (double)(z->in - 1));
}

static int64_t clamp(double v, int64_t n) {
  if (!(v > 0)) return 0;
  return v >= (double)(n - 1) ? n - 1 : (int64_t)v;
}

static double nearest(double at, const resized *z, int32_t near, bool old) {
  if (old) return z->scale < 1.0f ? ceil(at) : trunc(at);
  if (near == NEAR_FLOOR) return floor(at);
  if (near == NEAR_CEIL) return ceil(at);
  if (near == NEAR_PREFER_CEIL) return floor(at + 0.5);
  return ceil(at - 0.5);
}

/* ---- nearest ------------------------------------------------------------- */
static oq_status nearest_axis(oq_map_axis *a, const oq_run *r, const resized *z,
                              int32_t place) {
  const resize_params *const p = r->params;

  *a = oq_map_all((size_t)z->in);
  if (z->same) return OQ_OK;
  int64_t *const at = OQ_NEW_N(r->scratch, int64_t, (size_t)z->out);
  if (at == NULL) return oq_fail_memory(r->diags);
  for (int64_t o = 0; o < z->out; o++) {
    const double v = place_of(z, place, o);
    at[o] = outside(z, place, v)
                ? -1
                : clamp(nearest(v, z, p->near, is_old(r->opset)), z->in);
  }
  a->out = (size_t)z->out;
  a->at = at;
  return OQ_OK;
}

static oq_status nearest_run(oq_run *r, const resized_all *all, int32_t place) {
  const resize_params *const p = r->params;
  const oq_shape scalar = {.rank = 0};
  oq_mapping m = {.rank = all->rank};
  const uint8_t *fill;
  oq_tensor t;

  for (uint32_t i = 0; i < all->rank; i++)
    OQ_TRY(nearest_axis(&m.axis[i], r, &all->axis[i], place));
  if (oq_tensor_make(&t, r->in[0]->dtype, &scalar, r->scratch) != OQ_OK)
    return oq_fail_memory(r->diags);
  if (p->extrapolation != 0.0f)
    oq_element_set_f64(&t, 0, (double)p->extrapolation);
  const oq_ctensor c = oq_tensor_const(&t);
  OQ_TRY(oq_bytes_in(&fill, r, &c));
  m.fill = fill;
  return oq_bytes_map(r, &m);
}

/* ---- linear and cubic ---------------------------------------------------- */
static double cubic(double d, double a) {
  d = fabs(d);
  if (d <= 1.0) return ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0;
  if (d < 2.0) return ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a;
  return 0.0;
}

static double triangle(double d) {
  d = fabs(d);
  return d < 1.0 ? 1.0 - d : 0.0;
}

typedef struct filter { /* taps of one axis */
  double reach;         /* inputs on either side of the place */
  double squeeze;       /* antialias: the filter is this much wider */
  size_t taps;
} filter;

static filter filter_of(const resize_params *p, const resized *z) {
  filter f = {.reach = p->mode == MODE_CUBIC ? 2.0 : 1.0, .squeeze = 1.0};

  if (p->antialias != 0 && z->scale < 1.0f) f.squeeze = (double)z->scale;
  f.reach /= f.squeeze;
  f.taps = 2 * (size_t)ceil(f.reach);
  return f;
}

/* Weights and inputs of output `o`.  Inputs beyond the ends are the ends
 * themselves, or left out. */
static void taps_of(size_t *at, double *w, const resize_params *p,
                    const filter *f, const resized *z, double x) {
  const double first = floor(x) - (double)(f->taps / 2 - 1);
  double sum = 0.0;

  for (size_t t = 0; t < f->taps; t++) {
    const double i = first + (double)t, d = (i - x) * f->squeeze;
    w[t] = p->mode == MODE_CUBIC ? cubic(d, (double)p->cubic_a) : triangle(d);
    if (p->exclude_outside != 0 && (i < 0 || i > (double)(z->in - 1)))
      w[t] = 0.0;
    at[t] = (size_t)clamp(i, z->in);
    sum += w[t];
  }
  for (size_t t = 0; t < f->taps && sum != 0.0; t++) w[t] /= sum;
}

typedef struct axis_plan {
  oq_resample r;
  const double *weight;
  bool *outside; /* per output; NULL: none is */
} axis_plan;

static oq_status plan_axis(axis_plan *a, const oq_run *r, const resized *z) {
  const resize_params *const p = r->params;
  const int32_t place = is_old(r->opset) ? AT_ASYMMETRIC : p->place;
  const filter f = filter_of(p, z);
  size_t n;

  if (!oq_mul_size(&n, (size_t)z->out, f.taps))
    return oq_run_fail(r, OQ_E_LIMIT, "resize.size",
                       "an output size is too large");
  size_t *const at = OQ_NEW_N(r->scratch, size_t, n);
  double *const w = OQ_NEW_N(r->scratch, double, n);
  bool *const out = OQ_NEW_N(r->scratch, bool, (size_t)z->out);
  if (at == NULL || w == NULL || out == NULL) return oq_fail_memory(r->diags);
  bool any = false;
  for (int64_t o = 0; o < z->out; o++) {
    const double x = place_of(z, place, o);
    const size_t base = (size_t)o * f.taps;
    out[o] = outside(z, place, x);
    any = any || out[o];
    taps_of(at + base, w + base, p, &f, z, out[o] ? 0.0 : x);
  }
  *a = (axis_plan){
      {(size_t)z->in, (size_t)z->out, f.taps, at}, w, any ? out : NULL};
  return OQ_OK;
}

/* Shrinking axes first: fewer numbers for the others. */
static uint32_t axis_order(uint32_t *order, const resized_all *all) {
  uint32_t n = 0;

  for (uint32_t pass = 0; pass < 2; pass++)
    for (uint32_t i = 0; i < all->rank; i++)
      if (!all->axis[i].same && (all->axis[i].out > all->axis[i].in) == pass)
        order[n++] = i;
  return n;
}

static size_t product(const int64_t *dim, uint32_t from, uint32_t to) {
  size_t n = 1;

  for (uint32_t i = from; i < to; i++) n *= (size_t)dim[i];
  return n;
}

/* Integers are cut off, but where the filter is wider: there they are rounded.
 */
static void cut_integers(double *y, const oq_run *r) {
  const oq_ctensor out = oq_tensor_const(&r->out[0]);
  const size_t n = oq_tensor_count(&out);

  if (((const resize_params *)r->params)->antialias != 0 ||
      oq_dtype_is_float((int32_t)out.dtype))
    return;
  for (size_t i = 0; i < n; i++) y[i] = trunc(y[i]);
}

/* One axis after the other between two buffers; the last one into y. */
#define RESIZE_LOOP(T, sfx, widen, done)                                     \
  static oq_status weights_##sfx(const T **out, const oq_run *r,             \
                                 const axis_plan *a) {                       \
    const size_t n = a->r.out * a->r.taps;                                   \
    T *const w = OQ_NEW_N(r->scratch, T, n);                                 \
    if (w == NULL) return oq_fail_memory(r->diags);                          \
    for (size_t i = 0; i < n; i++) w[i] = (T)a->weight[i];                   \
    *out = w;                                                                \
    return OQ_OK;                                                            \
  }                                                                          \
                                                                             \
  static void blank_##sfx(T *y, const resized_all *all, uint32_t axis,       \
                          const bool *out, T value) {                        \
    int64_t dim[OQ_MAX_RANK] = {0};                                          \
    for (uint32_t i = 0; i < all->rank; i++) dim[i] = all->axis[i].out;      \
    const size_t outer = product(dim, 0, axis), n = (size_t)dim[axis],       \
                 inner = product(dim, axis + 1, all->rank);                  \
    for (size_t k = 0; k < outer * n; k++)                                   \
      for (size_t i = 0; i < inner && out[k % n]; i++)                       \
        y[k * inner + i] = value;                                            \
  }                                                                          \
                                                                             \
  static oq_status resample_##sfx(oq_run *r, const resized_all *all) {       \
    axis_plan plans[OQ_MAX_RANK];                                            \
    uint32_t order[OQ_MAX_RANK];                                             \
    int64_t dim[OQ_MAX_RANK] = {0};                                          \
    const uint32_t n = axis_order(order, all);                               \
    const T *x, *w = NULL;                                                   \
    T *y;                                                                    \
    OQ_TRY(oq_widen_in##widen(&x, r, r->in[0]));                             \
    OQ_TRY(oq_widen_out##widen(&y, r, 0));                                   \
    for (uint32_t i = 0; i < all->rank; i++) dim[i] = all->axis[i].in;       \
    if (n == 0) memcpy(y, x, product(dim, 0, all->rank) * sizeof *y);        \
    for (uint32_t k = 0; k < n; k++) {                                       \
      const uint32_t i = order[k];                                           \
      axis_plan *const a = &plans[k];                                        \
      OQ_TRY(plan_axis(a, r, &all->axis[i]));                                \
      OQ_TRY(weights_##sfx(&w, r, a));                                       \
      dim[i] = all->axis[i].out;                                             \
      T *const to = k + 1 == n ? y                                           \
                               : oq_arena_alloc_raw(                         \
                                     r->scratch, product(dim, 0, all->rank), \
                                     sizeof *to, OQ_ALIGN);                  \
      if (to == NULL) return oq_fail_memory(r->diags);                       \
      oq_resample_##sfx(&a->r, w, to, x, product(dim, 0, i),                 \
                        product(dim, i + 1, all->rank));                     \
      x = to;                                                                \
    }                                                                        \
    for (uint32_t k = 0; k < n; k++)                                         \
      if (plans[k].outside != NULL)                                          \
        blank_##sfx(y, all, order[k], plans[k].outside,                      \
                    (T)((const resize_params *)r->params)->extrapolation);   \
    done;                                                                    \
    oq_widen_done##widen(r, 0, y);                                           \
    return OQ_OK;                                                            \
  }
RESIZE_LOOP(float, f32, , (void)0)
RESIZE_LOOP(double, f64, _f64, cut_integers(y, r))

static oq_status resize_run(oq_run *r) {
  const resize_params *const p = r->params;
  const oq_shape *const s = &r->in[0]->shape;
  const bool old = is_old(r->opset);
  resized_all all;
  request q;

  if (r->out[0].size == 0) return OQ_OK;
  if (read_request(&q, p, r->in, r->n_in, old, r->scratch) != OQ_OK)
    return oq_fail_memory(r->diags);
  if (resize_axes(&all, p, &q, s->dim, s->rank) != NULL) return OQ_E_INTERNAL;
  if (p->mode == MODE_NEAREST)
    return nearest_run(r, &all, old ? AT_ASYMMETRIC : p->place);
  if (oq_dtype_in((int32_t)r->in[0]->dtype, OQ_DTM_COMPLEX))
    return oq_widen_parts(r, resize_run);
  if (!oq_dtype_in((int32_t)r->in[0]->dtype, OQ_DTM_NUMERIC))
    return oq_run_fail(r, OQ_E_UNSUPPORTED, "op.dtype",
                       "%s can only be resized by nearest neighbours",
                       oq_dtype_text((int32_t)r->in[0]->dtype));
  return r->in[0]->dtype == OQ_DT_F32 ? resample_f32(r, &all)
                                      : resample_f64(r, &all);
}

/* Nearest neighbours only move values. */
static oq_quant_class resize_class(const void *params) {
  return ((const resize_params *)params)->mode == MODE_NEAREST ? OQ_Q_MOVE
                                                               : OQ_Q_MAP;
}

/* ---- table --------------------------------------------------------------- */
#define RESIZE RESIZE_FROM(resize_check)
#define RESIZE_FROM(f)                                                       \
  .domain = "", .min_out = 1, .max_out = 1, .dtypes = OQ_DTM_MOVABLE,        \
  .texts = OQ_TEXT_MOVE, .params_size = sizeof(resize_params), .check = (f), \
  .infer = resize_infer, .run = resize_run,                                  \
  .quant = {                                                                 \
      .cls = OQ_Q_MAP,                                                       \
      .role = {OQ_ROLE_DATA, OQ_ROLE_INDEX, OQ_ROLE_INDEX, OQ_ROLE_INDEX},   \
      .refine = resize_class}

static const oq_op_def defs[] = {
    {RESIZE_FROM(upsample_check_1), .name = "Upsample", .since = 1, .last = 6,
     .min_in = 1, .max_in = 1, OQ_ATTRS(upsample_attrs_1)},
    {RESIZE, .name = "Upsample", .since = 7, .last = 8, .min_in = 1,
     .max_in = 1, OQ_ATTRS(upsample_attrs_7)},
    {RESIZE, .name = "Upsample", .since = 9, .last = 9, .min_in = 2,
     .max_in = 2, OQ_ATTRS(resize_attrs_10)},

    {RESIZE, .name = "Resize", .since = 10, .last = 10, .min_in = 2,
     .max_in = 2, OQ_ATTRS(resize_attrs_10)},
    {RESIZE, .name = "Resize", .since = 11, .last = 12, .min_in = 3,
     .max_in = 4, OQ_ATTRS(resize_attrs_11)},
    {RESIZE, .name = "Resize", .since = 13, .last = 17, .min_in = 1,
     .max_in = 4, OQ_ATTRS(resize_attrs_13)},
    {RESIZE, .name = "Resize", .since = 18, .last = 18, .min_in = 1,
     .max_in = 4, OQ_ATTRS(resize_attrs_18)},
    {RESIZE, .name = "Resize", .since = 19, .last = 27, .min_in = 1,
     .max_in = 4, OQ_ATTRS(resize_attrs_19)},
};

OQ_FAMILY(resize, defs);
