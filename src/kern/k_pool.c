/* kern/k_pool - see k_pool.h. */
#include "kern/loop.h"

#include "kern/k_pool.h"

#include <math.h>
#include <string.h>

#include "kern/k_last.h"
#include "kern/k_simd.h"

/* ---- positions ----------------------------------------------------------- */
typedef struct place { /* an output or a tap, by axis */
  size_t at[OQ_WINDOW_AXES];
} place;

static place place_out(const oq_windows *w, size_t o) {
  place p = {{0}};

  for (uint32_t i = w->n; i-- > 0;) {
    p.at[i] = o % w->axis[i].out;
    o /= w->axis[i].out;
  }
  return p;
}

/* Taps of output o along an axis below padded position `end`. */
static size_t taps_below(const oq_axis *a, size_t o, size_t end) {
  const size_t at = o * a->stride;
  const size_t n = at < end ? (end - at + a->dilation - 1) / a->dilation : 0;

  return n < a->kernel ? n : a->kernel;
}

/* The taps of an output that lie inside, by axis: however big the window and
 * its padding are, no others are looked at. */
typedef struct box {
  size_t lo[OQ_WINDOW_AXES], n[OQ_WINDOW_AXES];
  size_t count;
} box;

static box box_of(const oq_windows *w, const place *o) {
  box b = {.count = 1};

  for (uint32_t i = 0; i < w->n; i++) {
    const oq_axis *const a = &w->axis[i];
    b.lo[i] = taps_below(a, o->at[i], a->pad);
    b.n[i] = taps_below(a, o->at[i], a->pad + a->in) - b.lo[i];
    b.count *= b.n[i];
  }
  return b;
}

/* Input under tap k of the box, in row-major order. `column` is its number with
 * the first axis running fastest. */
static void under(size_t *at, size_t *column, const oq_windows *w,
                  const place *o, const box *b, size_t k) {
  place in;
  size_t row = 0, col = 0;

  for (uint32_t i = w->n; i-- > 0;) {
    const oq_axis *const a = &w->axis[i];
    in.at[i] =
        o->at[i] * a->stride + (b->lo[i] + k % b->n[i]) * a->dilation - a->pad;
    k /= b->n[i];
  }
  for (uint32_t i = 0; i < w->n; i++) {
    row = row * w->axis[i].in + in.at[i];
    const uint32_t j = w->n - 1 - i;
    col = col * w->axis[j].in + in.at[j];
  }
  *at = row;
  *column = col;
}

/* Taps of output o along axis i that a mean divides by. */
static size_t axis_count(const oq_pooling *p, uint32_t i, size_t o) {
  const oq_axis *const a = &p->w.axis[i];

  if (p->include_pad) return taps_below(a, o, a->pad + a->in + p->tail[i]);
  return taps_below(a, o, a->pad + a->in) - taps_below(a, o, a->pad);
}

static size_t place_count(const oq_pooling *p, const place *o, uint32_t axes) {
  size_t n = 1;

  for (uint32_t i = 0; i < axes; i++) n *= axis_count(p, i, o->at[i]);
  return n;
}

static bool nothing(const oq_pooling *p) {
  return p->planes == 0 || p->w.out_size == 0;
}

/* ---- any type ------------------------------------------------------------ */
/* NaN wins, as it does where maxima are taken pairwise. */
#define WINDOW_LOOPS(T, suffix)                                             \
  static void max_any_##suffix(const oq_pooling *p, T *y, int64_t *indices, \
                               const T *x) {                                \
    for (size_t plane = 0; plane < p->planes; plane++) {                    \
      const size_t base = plane * p->w.in_size;                             \
      for (size_t o = 0; o < p->w.out_size; o++) {                          \
        const place at_out = place_out(&p->w, o);                           \
        const box b = box_of(&p->w, &at_out);                               \
        size_t at, col, best = 0;                                           \
        bool any = false;                                                   \
        T v = (T)-INFINITY;                                                 \
        for (size_t k = 0; k < b.count; k++) {                              \
          under(&at, &col, &p->w, &at_out, &b, k);                          \
          const T u = x[base + at];                                         \
          if (any && !(u > v) && !(u != u && v == v)) continue;             \
          any = true;                                                       \
          v = u;                                                            \
          best = p->column_major ? col : at;                                \
        }                                                                   \
        *y++ = v;                                                           \
        if (indices != NULL) *indices++ = (int64_t)(base + best);           \
      }                                                                     \
    }                                                                       \
  }                                                                         \
                                                                            \
  static void mean_any_##suffix(const oq_pooling *p, T *y, const T *x) {    \
    for (size_t plane = 0; plane < p->planes; plane++) {                    \
      const T *const from = x + plane * p->w.in_size;                       \
      for (size_t o = 0; o < p->w.out_size; o++) {                          \
        const place at_out = place_out(&p->w, o);                           \
        const box b = box_of(&p->w, &at_out);                               \
        const size_t n = place_count(p, &at_out, p->w.n);                   \
        size_t at, col;                                                     \
        T sum = 0;                                                          \
        for (size_t k = 0; k < b.count; k++) {                              \
          under(&at, &col, &p->w, &at_out, &b, k);                          \
          sum += from[at];                                                  \
        }                                                                   \
        *y++ = n == 0 ? 0 : sum / (T)n;                                     \
      }                                                                     \
    }                                                                       \
  }

WINDOW_LOOPS(float, f32)
WINDOW_LOOPS(double, f64)

void oq_pool_max_f64(const oq_pooling *p, double *y, int64_t *indices,
                     const double *x) {
  if (!nothing(p)) max_any_f64(p, y, indices, x);
}

void oq_pool_mean_f64(const oq_pooling *p, double *y, const double *x) {
  if (!nothing(p)) mean_any_f64(p, y, x);
}

void oq_pool_norm_f64(const oq_pooling *p, double *y, const double *x,
                      double power) {
  size_t at, col;

  for (size_t plane = 0; plane < p->planes && p->w.out_size > 0; plane++) {
    const double *const from = x + plane * p->w.in_size;
    for (size_t o = 0; o < p->w.out_size; o++) {
      const place at_out = place_out(&p->w, o);
      const box b = box_of(&p->w, &at_out);
      double sum = 0;
      for (size_t k = 0; k < b.count; k++) {
        under(&at, &col, &p->w, &at_out, &b, k);
        sum += pow(fabs(from[at]), power);
      }
      *y++ = pow(sum, 1 / power);
    }
  }
}

/* ---- float32 by rows ----------------------------------------------------- */
size_t oq_pool_scratch(const oq_pooling *p) {
  oq_strips s;

  if (nothing(p) || !oq_strips_plan(&s, &p->w)) return 0;
  return oq_strips_scratch(&s) + p->w.axis[p->w.n - 1].out * sizeof(float);
}

typedef struct row_user {
  const oq_pooling *p;
  float *y;
  size_t width;
  const float *counts; /* means: taps per column */
} row_user;

static float *row_at(const row_user *u, const oq_row_block *b, size_t r) {
  return u->y + b->plane * u->p->w.out_size + (b->row + r) * u->width +
         b->first;
}

/* a = max(a, p, q) for whole vectors.  NaN stays. */
OQ_SIMD_LOOP(max_into,
             (float *restrict a, const float *restrict p,
              const float *restrict q, size_t n),
             (a, p, q, n)) {
  for (size_t i = 0; i < (n & ~(size_t)(OQ_LANES - 1)); i++) {
    const float m = p[i] > q[i] || p[i] != p[i] ? p[i] : q[i];
    a[i] = a[i] > m || a[i] != a[i] ? a[i] : m;
  }
}

enum { CHUNK = 256 };

static void max_row(float *y, size_t n, const float *at, const size_t *off,
                    size_t taps) {
  float best[CHUNK];

  for (size_t x = 0; x < n; x += CHUNK) {
    const size_t m = n - x < CHUNK ? n - x : CHUNK;
    const size_t whole = (m + OQ_LANES - 1) / OQ_LANES * OQ_LANES;
    memcpy(best, at + off[0] + x, whole * sizeof *best);
    for (size_t i = 1; i < taps; i += 2)
      max_into(best, at + off[i] + x, at + off[i + 1 < taps ? i + 1 : i] + x,
               whole);
    memcpy(y + x, best, m * sizeof *best);
  }
}

static void emit_max(void *user, const oq_row_block *b) {
  const row_user *const u = user;

  for (size_t r = 0; r < b->n_rows; r++)
    max_row(row_at(u, b, r), b->n, b->at + r * b->step, b->off, u->p->w.taps);
}

OQ_SIMD_LOOP(sum_row,
             (float *y, size_t n, const float *at, const size_t *off,
              size_t taps),
             (y, n, at, off, taps)) {
  const oq_vf zero = {0};
  oq_vf v, a;

  for (size_t x = 0; x < n; x += OQ_LANES) {
    a = zero;
    for (size_t i = 0; i < taps; i++) {
      oq_vf_load(&v, at + off[i] + x);
      a += v;
    }
    oq_vf_store_n(y + x, &a, n - x);
  }
}

static void emit_mean(void *user, const oq_row_block *b) {
  const row_user *const u = user;
  const oq_pooling *const p = u->p;

  for (size_t r = 0; r < b->n_rows; r++) {
    const place o = place_out(&p->w, (b->row + r) * u->width);
    const float rows = (float)place_count(p, &o, p->w.n - 1);
    float *const y = row_at(u, b, r);
    sum_row(y, b->n, b->at + r * b->step, b->off, p->w.taps);
    for (size_t x = 0; x < b->n; x++) {
      const float n = rows * u->counts[b->first + x];
      y[x] = n == 0.0f ? 0.0f : y[x] / n;
    }
  }
}

void oq_pool_max_f32(const oq_pooling *p, float *y, int64_t *indices,
                     const float *x, void *scratch) {
  row_user u = {.p = p, .y = y, .width = p->w.axis[p->w.n - 1].out};
  oq_strips s;

  if (nothing(p)) return;
  if (indices != NULL || !oq_strips_plan(&s, &p->w))
    max_any_f32(p, y, indices, x);
  else
    oq_strips_run(&s, x, p->planes, -INFINITY, emit_max, &u, scratch);
}

void oq_pool_mean_f32(const oq_pooling *p, float *y, const float *x,
                      void *scratch) {
  const uint32_t last = p->w.n - 1;
  row_user u = {.p = p, .y = y, .width = p->w.axis[last].out};
  uint8_t *const rows = scratch;
  oq_strips s;

  if (nothing(p)) return;
  if (!oq_strips_plan(&s, &p->w)) {
    mean_any_f32(p, y, x);
    return;
  }
  float *const counts = (float *)(void *)(rows + oq_strips_scratch(&s));
  for (size_t i = 0; i < u.width; i++)
    counts[i] = (float)axis_count(p, last, i);
  u.counts = counts;
  oq_strips_run(&s, x, p->planes, 0.0f, emit_mean, &u, scratch);
}

/* ---- whole planes -------------------------------------------------------- */
/* Sixteen running sums, then pairs: the same order on every machine. */
OQ_SIMD_LOOP(sum_plane, (float *out, const float *x, size_t n), (out, x, n)) {
  oq_vf a = {0}, v;
  float lane[OQ_LANES], rest = 0.0f;
  size_t i = 0;

  for (; i + OQ_LANES <= n; i += OQ_LANES) {
    oq_vf_load(&v, x + i);
    a += v;
  }
  for (; i < n; i++) rest += x[i];
  oq_vf_store(lane, &a);
  for (size_t w = OQ_LANES / 2; w > 0; w /= 2)
    for (size_t k = 0; k < w; k++) lane[k] += lane[k + w];
  *out = lane[0] + rest;
}

void oq_plane_mean_f32(float *y, const float *x, size_t planes, size_t n) {
  for (size_t p = 0; p < planes; p++) {
    float sum;
    sum_plane(&sum, x + p * n, n);
    y[p] = sum / (float)n;
  }
}

void oq_plane_mean_f64(double *y, const double *x, size_t planes, size_t n) {
  for (size_t p = 0; p < planes; p++) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[p * n + i];
    y[p] = sum / (double)n;
  }
}

#define PLANE_MAX(name, T)                               \
  void name(T *y, const T *x, size_t planes, size_t n) { \
    for (size_t p = 0; p < planes; p++) {                \
      T v = (T)-INFINITY;                                \
      for (size_t i = 0; i < n; i++) {                   \
        const T u = x[p * n + i];                        \
        if (u > v || u != u) v = u;                      \
      }                                                  \
      y[p] = v;                                          \
    }                                                    \
  }

PLANE_MAX(oq_plane_max_f32, float)
PLANE_MAX(oq_plane_max_f64, double)

/* ---- channels last ------------------------------------------------------- */
enum { TAPS_AT_ONCE = 32 };

OQ_SIMD_LOOP(sum_of, (float *restrict a, const float *restrict p, size_t n),
             (a, p, n)) {
  for (size_t i = 0; i < n; i++) a[i] += p[i];
}

OQ_SIMD_LOOP(divide_by, (float *a, float by, size_t n), (a, by, n)) {
  for (size_t i = 0; i < n; i++) a[i] /= by;
}

static void max_at(const oq_last_isa *isa, const oq_pooling *p, const place *o,
                   size_t channels, float *y, const float *x) {
  const box b = box_of(&p->w, o);
  const float *tap[TAPS_AT_ONCE];
  size_t at, col;

  for (size_t i = 0; b.count == 0 && i < channels; i++) y[i] = -INFINITY;
  for (size_t k = 0; k < b.count; k += TAPS_AT_ONCE) {
    const size_t n =
        b.count - k < TAPS_AT_ONCE ? b.count - k : (size_t)TAPS_AT_ONCE;
    for (size_t t = 0; t < n; t++) {
      under(&at, &col, &p->w, o, &b, k + t);
      tap[t] = x + at * channels;
    }
    isa->max(y, tap, n, channels, k > 0);
  }
}

static void mean_at(const oq_pooling *p, const place *o, size_t channels,
                    float *y, const float *x) {
  const box b = box_of(&p->w, o);
  const float n = (float)place_count(p, o, p->w.n);
  size_t at, col;

  memset(y, 0, channels * sizeof *y);
  for (size_t k = 0; k < b.count; k++) {
    under(&at, &col, &p->w, o, &b, k);
    sum_of(y, x + at * channels, channels);
  }
  if (n != 0.0f) divide_by(y, n, channels);
}

void oq_pool_max_last(const oq_pooling *p, size_t channels, float *y,
                      const float *x) {
  const oq_last_isa *const isa = oq_last_isa_best();

  for (size_t b = 0; channels > 0 && b < p->planes / channels; b++) {
    for (size_t o = 0; o < p->w.out_size; o++, y += channels) {
      const place at = place_out(&p->w, o);
      max_at(isa, p, &at, channels, y, x);
    }
    x += channels * p->w.in_size;
  }
}

void oq_pool_mean_last(const oq_pooling *p, size_t channels, float *y,
                       const float *x) {
  for (size_t b = 0; channels > 0 && b < p->planes / channels; b++) {
    for (size_t o = 0; o < p->w.out_size; o++, y += channels) {
      const place at = place_out(&p->w, o);
      mean_at(p, &at, channels, y, x);
    }
    x += channels * p->w.in_size;
  }
}

void oq_plane_mean_last(float *y, const float *x, size_t batch, size_t n,
                        size_t channels) {
  for (size_t b = 0; b < batch; b++, y += channels) {
    memset(y, 0, channels * sizeof *y);
    for (size_t i = 0; i < n; i++, x += channels) sum_of(y, x, channels);
    divide_by(y, (float)n, channels);
  }
}
