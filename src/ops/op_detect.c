/* Detection: NonMaxSuppression, RoiAlign, MaxRoiPool. */
#include <math.h>

#include "ops/op.h"
#include "ops/pick.h"
#include "ops/rules.h"
#include "ops/widen.h"

typedef struct detect_params {
  int64_t center;                  /* NonMaxSuppression */
  int64_t height, width, sampling; /* RoiAlign */
  int32_t mode, transform;
  float scale;
  oq_i64s pooled; /* MaxRoiPool */
} detect_params;

static oq_status expect_rank(const oq_infer *x, uint32_t i, uint32_t rank) {
  const oq_type *const t = oq_rule_ranked(x, i);

  if (t == NULL || t->rank == rank) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "op.rank",
                       "input %u has rank %u, expected %u", i, t->rank, rank);
}

static oq_status expect_dtype(const oq_infer *x, uint32_t i, oq_dtype t) {
  const oq_dtype is = oq_infer_dtype(x, i);

  if (is == OQ_DT_NONE || is == t) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "op.dtype", "input %u is %s, expected %s",
                       i, oq_dtype_text((int32_t)is),
                       oq_dtype_text((int32_t)t));
}

/* ---- NonMaxSuppression --------------------------------------------------- */
static const oq_attr_def nms_attrs[] = {
    OQ_A_I64(detect_params, center, "center_point_box", 0, 0, 1),
};

static oq_status nms_infer(oq_infer *x) {
  const oq_type *const boxes = oq_rule_ranked(x, 0);
  const oq_type *const scores = oq_rule_ranked(x, 1);
  double v;
  bool known;

  for (uint32_t i = 0; i < 5; i++)
    OQ_TRY(expect_dtype(x, i, i == 2 ? OQ_DT_I64 : OQ_DT_F32));
  OQ_TRY(expect_rank(x, 0, 3));
  OQ_TRY(expect_rank(x, 1, 3));
  for (uint32_t i = 2; i < 5; i++)
    OQ_TRY(oq_pick_scalar_f64(&v, &known, x, i, 0));
  if (boxes != NULL)
    OQ_TRY(oq_pick_same_dim(x, boxes->dim[2], (oq_dim){.size = 4}, "boxes"));
  if (boxes != NULL && scores != NULL) {
    OQ_TRY(oq_pick_same_dim(x, boxes->dim[0], scores->dim[0],
                            "batches of boxes and scores"));
    OQ_TRY(oq_pick_same_dim(x, boxes->dim[1], scores->dim[2],
                            "numbers of boxes and scores"));
  }
  oq_infer_set_rank(x, 0, OQ_DT_I64, 2);
  if (x->n_out > 0) x->out[0].dim[1].size = 3;
  return OQ_OK;
}

typedef struct corners {
  float x0, y0, x1, y1;
} corners;

static corners box_of(const float *b, bool center) {
  if (center)
    return (corners){b[0] - b[2] / 2, b[1] - b[3] / 2, b[0] + b[2] / 2,
                     b[1] + b[3] / 2};
  return (corners){fminf(b[1], b[3]), fminf(b[0], b[2]), fmaxf(b[1], b[3]),
                   fmaxf(b[0], b[2])};
}

static bool overlap(const corners *a, const corners *b, float threshold) {
  const float w = fminf(a->x1, b->x1) - fmaxf(a->x0, b->x0);
  const float h = fminf(a->y1, b->y1) - fmaxf(a->y0, b->y0);

  if (!(w > 0) || !(h > 0)) return false;
  const float common = w * h;
  const float area_a = (a->x1 - a->x0) * (a->y1 - a->y0);
  const float area_b = (b->x1 - b->x0) * (b->y1 - b->y0);
  const float all = area_a + area_b - common;
  if (!(area_a > 0) || !(area_b > 0) || !(all > 0)) return false;
  return common / all > threshold;
}

typedef struct candidate {
  float score;
  uint32_t box;
} candidate;

/* Of equal scores the first box goes first. */
static bool before(const candidate *a, const candidate *b) {
  return a->score != b->score ? a->score > b->score : a->box < b->box;
}

/* Bottom-up merging; `room` holds n. */
static void sort_candidates(candidate *c, candidate *room, size_t n) {
  candidate *from = c, *to = room;

  for (size_t width = 1; width < n; width *= 2) {
    for (size_t lo = 0; lo < n; lo += 2 * width) {
      const size_t mid = n - lo < width ? n : lo + width;
      const size_t hi = n - mid < width ? n : mid + width;
      size_t a = lo, b = mid;
      for (size_t k = lo; k < hi; k++)
        to[k] = a < mid && (b >= hi || !before(&from[b], &from[a])) ? from[a++]
                                                                    : from[b++];
    }
    candidate *const swap = from;
    from = to;
    to = swap;
  }
  if (from != c) memcpy(c, from, n * sizeof *c);
}

typedef struct nms {
  size_t boxes;     /* of a sample */
  int64_t most;     /* boxes kept of a class */
  float iou, score; /* thresholds */
  bool has_score, center;
  candidate *found, *room;
  corners *kept;
} nms;

static bool worth(const nms *q, float score) {
  return q->has_score ? score > q->score : score == score;
}

/* One class of one sample: what is kept goes to the front of q->found. */
static size_t suppress(const nms *q, const float *boxes, const float *scores) {
  size_t n = 0, kept = 0;

  for (size_t i = 0; i < q->boxes; i++)
    if (worth(q, scores[i]))
      q->found[n++] = (candidate){scores[i], (uint32_t)i};
  sort_candidates(q->found, q->room, n);
  for (size_t i = 0; i < n && kept < (uint64_t)q->most; i++) {
    const candidate c = q->found[i];
    const corners b = box_of(boxes + 4 * (size_t)c.box, q->center);
    bool free = true;
    for (size_t k = 0; free && k < kept; k++)
      free = !overlap(&q->kept[k], &b, q->iou);
    if (!free) continue;
    q->kept[kept] = b;
    q->found[kept++] = c;
  }
  return kept;
}

typedef struct triples { /* grows by doubling, in scratch */
  int64_t *p;
  size_t n, cap;
} triples;

static bool push(triples *t, oq_arena *a, size_t batch, size_t cls,
                 uint32_t box) {
  if (t->n == t->cap) {
    const size_t cap = t->cap == 0 ? 256 : t->cap * 2;
    int64_t *const p = oq_arena_alloc_raw(a, cap, 3 * sizeof *p, OQ_ALIGN);
    if (p == NULL) return false;
    if (t->n > 0) memcpy(p, t->p, t->n * 3 * sizeof *p);
    t->p = p;
    t->cap = cap;
  }
  int64_t *const to = t->p + 3 * t->n++;
  to[0] = (int64_t)batch;
  to[1] = (int64_t)cls;
  to[2] = box;
  return true;
}

static oq_status start_nms(nms *q, const oq_run *r) {
  const int64_t boxes = r->in[0]->shape.dim[1];
  const int64_t most = oq_pick_run_scalar(r, 2, 0);

  if (boxes > UINT32_MAX)
    return oq_run_fail(r, OQ_E_LIMIT, "nms.boxes",
                       "a sample has %lld boxes, more than 32 bits count",
                       (long long)boxes);
  *q = (nms){.boxes = (size_t)boxes,
             .most = most < 0 ? 0 : most,
             .iou = (float)oq_pick_run_scalar_f64(r, 3, 0),
             .score = (float)oq_pick_run_scalar_f64(r, 4, 0),
             .has_score = oq_pick_input(r, 4) != NULL,
             .center = ((const detect_params *)r->params)->center != 0};
  if (!(q->iou >= 0 && q->iou <= 1))
    return oq_run_fail(r, OQ_E_DATA, "nms.threshold",
                       "the threshold of overlap is not within 0 to 1");
  q->found = OQ_NEW_N(r->scratch, candidate, q->boxes);
  q->room = OQ_NEW_N(r->scratch, candidate, q->boxes);
  q->kept = OQ_NEW_N(r->scratch, corners, q->boxes);
  if (q->found == NULL || q->room == NULL || q->kept == NULL)
    return oq_fail_memory(r->diags);
  return OQ_OK;
}

static oq_status nms_run(oq_run *r) {
  const float *const boxes = r->in[0]->data, *const scores = r->in[1]->data;
  const size_t batch = (size_t)r->in[1]->shape.dim[0];
  const size_t classes = (size_t)r->in[1]->shape.dim[1];
  triples t = {0};
  nms q;

  OQ_TRY(start_nms(&q, r));
  if (q.most > 0 && q.boxes > 0) {
    for (size_t b = 0; b < batch; b++)
      for (size_t c = 0; c < classes; c++) {
        const size_t kept = suppress(&q, boxes + b * q.boxes * 4,
                                     scores + (b * classes + c) * q.boxes);
        for (size_t i = 0; i < kept; i++)
          if (!push(&t, r->scratch, b, c, q.found[i].box))
            return oq_fail_memory(r->diags);
      }
  }
  OQ_TRY(oq_run_alloc(r, 0, OQ_DT_I64,
                      &(oq_shape){.rank = 2, .dim = {(int64_t)t.n, 3}}));
  if (t.n > 0) memcpy(r->out[0].data, t.p, t.n * 3 * sizeof *t.p);
  return OQ_OK;
}

/* ---- RoiAlign ------------------------------------------------------------ */
enum { ROI_AVG, ROI_MAX };
enum { ROI_HALF_PIXEL, ROI_HALF_PIXEL_OUT };
static const char *const roi_modes[] = {"avg", "max", NULL};
static const char *const roi_transforms[] = {"half_pixel", "output_half_pixel",
                                             NULL};
#define ROI_SIZE(field, key) \
  OQ_A_I64(detect_params, field, key, 1, 1, INT32_MAX)
#define ROI_SCALE OQ_A_F32(detect_params, scale, "spatial_scale", 1.0)
static const oq_attr_def roi_attrs[] = {
    OQ_A_CHOICE(detect_params, mode, "mode", "avg", roi_modes),
    ROI_SIZE(height, "output_height"),
    ROI_SIZE(width, "output_width"),
    OQ_A_I64(detect_params, sampling, "sampling_ratio", 0, 0, INT32_MAX),
    ROI_SCALE,
    OQ_A_CHOICE(detect_params, transform, "coordinate_transformation_mode",
                "half_pixel", roi_transforms),
};
enum { ROI_ATTRS_10 = 5, ROI_ATTRS_16 = 6 };

/* Regions [n, columns] over an image: the output is [n, C, h, w]. */
static oq_status roi_type(oq_infer *x, int64_t columns, int64_t h, int64_t w) {
  const oq_type *const t = oq_rule_ranked(x, 0), *const n =
                                                     oq_rule_ranked(x, 1);
  const oq_dtype d = oq_infer_dtype(x, 0);

  OQ_TRY(oq_infer_same_dtypes(x, 0, 2));
  OQ_TRY(expect_rank(x, 0, 4));
  OQ_TRY(expect_rank(x, 1, 2));
  if (n != NULL)
    OQ_TRY(
        oq_pick_same_dim(x, n->dim[1], (oq_dim){.size = columns}, "regions"));
  if (d == OQ_DT_NONE || x->n_out == 0) return OQ_OK;
  oq_infer_set_rank(x, 0, d, 4);
  if (n != NULL) x->out[0].dim[0] = n->dim[0];
  if (t != NULL) x->out[0].dim[1] = t->dim[1];
  x->out[0].dim[2].size = h;
  x->out[0].dim[3].size = w;
  return OQ_OK;
}

static oq_status roi_infer(oq_infer *x) {
  const detect_params *const p = x->params;
  const oq_type *const n = oq_rule_ranked(x, 1), *const b =
                                                     oq_rule_ranked(x, 2);

  OQ_TRY(roi_type(x, 4, p->height, p->width));
  OQ_TRY(expect_dtype(x, 2, OQ_DT_I64));
  OQ_TRY(expect_rank(x, 2, 1));
  if (n == NULL || b == NULL) return OQ_OK;
  return oq_pick_same_dim(x, n->dim[0], b->dim[0], "regions and batch indices");
}

typedef struct roi { /* one region, in pixels */
  double y, x, bin_h, bin_w;
  size_t grid_h, grid_w, height, width; /* samples of a bin; of the image */
} roi;

/* More samples than this along a bin would only repeat pixels. */
#define GRID_MOST 65536

static oq_status roi_of(roi *out, const oq_run *r, const double *box) {
  const detect_params *const p = r->params;
  const oq_shape *const s = &r->in[0]->shape;
  const bool half = r->opset >= 16 && p->transform == ROI_HALF_PIXEL;
  const double scale = (double)p->scale, shift = half ? 0.5 : 0.0;
  double w = box[2] * scale - box[0] * scale;
  double h = box[3] * scale - box[1] * scale;

  if (!half) {
    w = fmax(w, 1.0);
    h = fmax(h, 1.0);
  }
  *out = (roi){.y = box[1] * scale - shift,
               .x = box[0] * scale - shift,
               .bin_h = h / (double)p->height,
               .bin_w = w / (double)p->width,
               .height = (size_t)s->dim[2],
               .width = (size_t)s->dim[3]};
  const double gh = p->sampling > 0 ? (double)p->sampling : ceil(out->bin_h);
  const double gw = p->sampling > 0 ? (double)p->sampling : ceil(out->bin_w);
  if (!(gh <= GRID_MOST) || !(gw <= GRID_MOST) || !isfinite(out->x) ||
      !isfinite(out->y))
    return oq_run_fail(r, OQ_E_DATA, "roialign.region",
                       "a region is not finite, or takes more than %d samples "
                       "a bin",
                       GRID_MOST);
  out->grid_h = gh > 0 ? (size_t)gh : 0;
  out->grid_w = gw > 0 ? (size_t)gw : 0;
  return OQ_OK;
}

/* Two neighbours along an axis of n and their weights; false: too far out. */
static bool neighbours(size_t at[2], double weight[2], double v, size_t n) {
  if (v < -1.0 || v > (double)n) return false;
  if (v < 0) v = 0;
  at[0] = (size_t)v;
  at[1] = at[0] + 1;
  if (at[1] >= n) {
    at[0] = at[1] = n - 1;
    v = (double)at[0];
  }
  weight[1] = v - (double)at[0];
  weight[0] = 1.0 - weight[1];
  return true;
}

/* All channels of one bin into y[c * step]. */
#define ROI_BIN(T, sfx)                                                       \
  static void roi_bin_##sfx(T *y, size_t step, const T *x, size_t channels,   \
                            const roi *q, size_t ph, size_t pw, bool max) {   \
    const size_t plane = q->height * q->width;                                \
    const size_t n = q->grid_h * q->grid_w;                                   \
    for (size_t c = 0; c < channels; c++) y[c * step] = 0;                    \
    for (size_t i = 0; i < n; i++) {                                          \
      size_t ay[2], ax[2];                                                    \
      double wy[2], wx[2];                                                    \
      const double v = q->y + ((double)ph + ((double)(i / q->grid_w) + 0.5) / \
                                                (double)q->grid_h) *          \
                                  q->bin_h;                                   \
      const double u = q->x + ((double)pw + ((double)(i % q->grid_w) + 0.5) / \
                                                (double)q->grid_w) *          \
                                  q->bin_w;                                   \
      if (!neighbours(ay, wy, v, q->height) ||                                \
          !neighbours(ax, wx, u, q->width)) {                                 \
        for (size_t c = 0; max && c < channels; c++)                          \
          if (i == 0 || y[c * step] < 0) y[c * step] = 0;                     \
        continue;                                                             \
      }                                                                       \
      for (size_t c = 0; c < channels; c++) {                                 \
        const T *const p = x + c * plane;                                     \
        const T *const p0 = p + ay[0] * q->width;                             \
        const T *const p1 = p + ay[1] * q->width;                             \
        const T a = (T)(wy[0] * wx[0]) * p0[ax[0]];                           \
        const T b = (T)(wy[0] * wx[1]) * p0[ax[1]];                           \
        const T d = (T)(wy[1] * wx[0]) * p1[ax[0]];                           \
        const T e = (T)(wy[1] * wx[1]) * p1[ax[1]];                           \
        if (max) {                                                            \
          T m = a > b ? a : b;                                                \
          m = d > m ? d : m;                                                  \
          m = e > m ? e : m;                                                  \
          if (i == 0 || m > y[c * step]) y[c * step] = m;                     \
        } else {                                                              \
          y[c * step] += (a + b) + (d + e);                                   \
        }                                                                     \
      }                                                                       \
    }                                                                         \
    for (size_t c = 0; !max && n > 0 && c < channels; c++)                    \
      y[c * step] /= (T)n;                                                    \
  }
ROI_BIN(float, f32)
ROI_BIN(double, f64)

/* Image and output: one pair of pointers is set. */
typedef struct planes {
  const float *x32;
  const double *x64;
  float *y32;
  double *y64;
} planes;

static oq_status planes_open(planes *p, const oq_run *r) {
  *p = (planes){0};
  if (r->in[0]->dtype == OQ_DT_F64) {
    p->x64 = r->in[0]->data;
    p->y64 = r->out[0].data;
    return OQ_OK;
  }
  OQ_TRY(oq_widen_in(&p->x32, r, r->in[0]));
  return oq_widen_out(&p->y32, r, 0);
}

static void planes_close(const planes *p, const oq_run *r) {
  if (p->y32 != NULL) oq_widen_done(r, 0, p->y32);
}

static oq_status check_batch(const oq_run *r, double b) {
  if (b >= 0 && b < (double)r->in[0]->shape.dim[0]) return OQ_OK;
  return oq_run_fail(r, OQ_E_DATA, "op.index",
                     "a region lies in image %g of %lld", b,
                     (long long)r->in[0]->shape.dim[0]);
}

static oq_status roi_run(oq_run *r) {
  const bool max = ((const detect_params *)r->params)->mode == ROI_MAX;
  const oq_shape *const s = &r->in[0]->shape, *const o = &r->out[0].shape;
  const double *boxes;
  planes q;

  if (r->out[0].size == 0) return OQ_OK;
  if (r->in[0]->size == 0)
    return oq_run_fail(r, OQ_E_DATA, "roialign.image", "the images are empty");
  const size_t channels = (size_t)s->dim[1];
  const size_t h = (size_t)o->dim[2], w = (size_t)o->dim[3];
  const size_t image = oq_dims_product(s, 1, 4);
  OQ_TRY(planes_open(&q, r));
  OQ_TRY(oq_widen_in_f64(&boxes, r, r->in[1]));
  for (size_t i = 0; i < (size_t)o->dim[0]; i++) {
    roi one;
    OQ_TRY(check_batch(r, oq_element_f64(r->in[2], i)));
    OQ_TRY(roi_of(&one, r, boxes + 4 * i));
    const size_t from = (size_t)oq_element_i64(r->in[2], i) * image;
    for (size_t b = 0; b < h * w; b++) {
      const size_t to = i * channels * h * w + b;
      if (q.x64 != NULL)
        roi_bin_f64(q.y64 + to, h * w, q.x64 + from, channels, &one, b / w,
                    b % w, max);
      else
        roi_bin_f32(q.y32 + to, h * w, q.x32 + from, channels, &one, b / w,
                    b % w, max);
    }
  }
  planes_close(&q, r);
  return OQ_OK;
}

/* ---- MaxRoiPool ---------------------------------------------------------- */
static const oq_attr_def pool_attrs[] = {
    {.name = "pooled_shape",
     .kind = OQ_ATTR_I64S,
     .required = true,
     .offset = offsetof(detect_params, pooled),
     .min = 1,
     .max = INT32_MAX},
    ROI_SCALE,
};

static oq_status pool_infer(oq_infer *x) {
  const oq_i64s *const s = &((const detect_params *)x->params)->pooled;

  if (s->n != 2)
    return oq_infer_fail(x, OQ_E_MODEL, "op.attr",
                         "attribute 'pooled_shape' has %u values, expected 2",
                         s->n);
  return roi_type(x, 5, s->v[0], s->v[1]);
}

/* Pixels [*lo, *hi) of bin i of n along an axis of `size`. */
static void pool_span(size_t *lo, size_t *hi, double start, double bin,
                      size_t i, size_t size) {
  const double a = start + floor((double)i * bin);
  const double b = start + ceil((double)(i + 1) * bin);

  *lo = !(a > 0) ? 0 : a > (double)size ? size : (size_t)a;
  *hi = !(b > 0) ? 0 : b > (double)size ? size : (size_t)b;
}

#define POOL_MAX(T, sfx)                                                  \
  static T pool_max_##sfx(const T *x, size_t width, const size_t rows[2], \
                          const size_t cols[2]) {                         \
    if (rows[0] >= rows[1] || cols[0] >= cols[1]) return 0;               \
    T max = x[rows[0] * width + cols[0]];                                 \
    for (size_t i = rows[0]; i < rows[1]; i++)                            \
      for (size_t k = cols[0]; k < cols[1]; k++)                          \
        if (x[i * width + k] > max) max = x[i * width + k];               \
    return max;                                                           \
  }
POOL_MAX(float, f32)
POOL_MAX(double, f64)

/* In float, where other runtimes find halves to round up. */
static double pool_edge(double v, const detect_params *p) {
  return (double)roundf((float)v * p->scale);
}

/* Rows and columns of the bins of one region. */
static void pool_bin(size_t rows[2], size_t cols[2], const oq_run *r,
                     const double *box, size_t b) {
  const detect_params *const p = r->params;
  const oq_shape *const s = &r->in[0]->shape;
  const size_t w = (size_t)p->pooled.v[1];
  const double x0 = pool_edge(box[1], p), y0 = pool_edge(box[2], p);
  const double x1 = pool_edge(box[3], p), y1 = pool_edge(box[4], p);

  pool_span(&rows[0], &rows[1], y0,
            fmax(y1 - y0 + 1, 1) / (double)p->pooled.v[0], b / w,
            (size_t)s->dim[2]);
  pool_span(&cols[0], &cols[1], x0, fmax(x1 - x0 + 1, 1) / (double)w, b % w,
            (size_t)s->dim[3]);
}

static oq_status pool_run(oq_run *r) {
  const oq_shape *const s = &r->in[0]->shape, *const o = &r->out[0].shape;
  const double *boxes;
  planes q;

  if (r->out[0].size == 0) return OQ_OK;
  const size_t channels = (size_t)s->dim[1], width = (size_t)s->dim[3];
  const size_t plane = (size_t)s->dim[2] * width;
  const size_t bins = (size_t)o->dim[2] * (size_t)o->dim[3];
  OQ_TRY(planes_open(&q, r));
  OQ_TRY(oq_widen_in_f64(&boxes, r, r->in[1]));
  for (size_t i = 0; i < (size_t)o->dim[0]; i++) {
    OQ_TRY(check_batch(r, boxes[5 * i]));
    const size_t from = (size_t)boxes[5 * i] * channels * plane;
    for (size_t b = 0; b < bins; b++) {
      size_t rows[2], cols[2];
      pool_bin(rows, cols, r, boxes + 5 * i, b);
      for (size_t c = 0; c < channels; c++) {
        const size_t to = (i * channels + c) * bins + b, at = from + c * plane;
        if (q.x64 != NULL)
          q.y64[to] = pool_max_f64(q.x64 + at, width, rows, cols);
        else
          q.y32[to] = pool_max_f32(q.x32 + at, width, rows, cols);
      }
    }
  }
  planes_close(&q, r);
  return OQ_OK;
}

/* ---- table --------------------------------------------------------------- */
#define ROW(op, from, to)                                                  \
  .domain = "", .name = (op), .since = (from), .last = (to), .min_out = 1, \
  .max_out = 1, .params_size = sizeof(detect_params)
#define ROI(from, to, n)                                                   \
  {                                                                        \
    ROW("RoiAlign", from, to),                                             \
        .min_in = 3, .max_in = 3, .dtypes = OQ_DTM_FLOAT, .n_attrs = (n),  \
        .attrs = roi_attrs, .infer = roi_infer, .run = roi_run, .quant = { \
          .cls = OQ_Q_MAP,                                                 \
          .role = {OQ_ROLE_DATA, OQ_ROLE_INDEX}                            \
        }                                                                  \
  }

static const oq_op_def defs[] = {
    {ROW("NonMaxSuppression", 10, 27), .min_in = 2, .max_in = 5,
     .flags = OQ_OP_LATE, .dtypes = OQ_DTM(F32), OQ_ATTRS(nms_attrs),
     .infer = nms_infer, .run = nms_run,
     .quant = {.cls = OQ_Q_NEVER,
               .role = {OQ_ROLE_DATA, OQ_ROLE_DATA, OQ_ROLE_INDEX}}},
    ROI(10, 15, ROI_ATTRS_10),
    ROI(16, 27, ROI_ATTRS_16),
    {ROW("MaxRoiPool", 1, 27), .min_in = 2, .max_in = 2, .dtypes = OQ_DTM_FLOAT,
     OQ_ATTRS(pool_attrs), .infer = pool_infer, .run = pool_run,
     .quant = {.cls = OQ_Q_MOVE, .role = {OQ_ROLE_DATA, OQ_ROLE_INDEX}}},
};

OQ_FAMILY(detect, defs);
