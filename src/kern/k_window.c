/* kern/k_window - see k_window.h. */
#include "kern/k_window.h"

#include <string.h>

enum {
  LANES = 16,
  MAX_COLS = 4096,       /* outputs of a row handled at once */
  WANT_FLOATS = 1 << 16, /* 256 KB: rows stay in the second-level cache */
  MAX_FLOATS = 1 << 20   /* 4 MB: beyond it the caller takes another way */
};

void oq_windows_finish(oq_windows *w) {
  w->in_size = w->out_size = w->taps = 1;
  for (uint32_t i = 0; i < w->n; i++) {
    w->in_size *= w->axis[i].in;
    w->out_size *= w->axis[i].out;
    w->taps *= w->axis[i].kernel;
  }
}

void oq_axis_inside(size_t *lo, size_t *hi, const oq_axis *a, size_t k) {
  const size_t at = k * a->dilation; /* of output 0, in padded positions */
  size_t l = 0, h = 0;

  if (at < a->pad) l = (a->pad - at + a->stride - 1) / a->stride;
  if (a->pad + a->in > at)
    h = (a->pad + a->in - at + a->stride - 1) / a->stride;
  if (h > a->out) h = a->out;
  if (l > h) l = h;
  *lo = l;
  *hi = h;
}

/* ---- planning -------------------------------------------------------------
 */
static size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

/* Input positions that `outs` neighbouring outputs of the axis span. */
static size_t span(const oq_axis *a, size_t outs) {
  return (outs - 1) * a->stride + (a->kernel - 1) * a->dilation + 1;
}

/* Bounds every product below: no factor passes 2^20. */
static bool small(const oq_axis *a) {
  const size_t cap = MAX_FLOATS;

  return a->stride <= 64 && a->kernel <= cap && a->dilation <= cap &&
         (a->kernel - 1) * a->dilation <= cap;
}

static size_t rows_per_outer(const oq_windows *w) {
  size_t n = 1;

  for (uint32_t i = 1; i + 1 < w->n; i++) {
    if (w->axis[i].in > MAX_FLOATS) return MAX_FLOATS;
    n *= w->axis[i].in;
    if (n > MAX_FLOATS) return MAX_FLOATS;
  }
  return n;
}

bool oq_strips_plan(oq_strips *s, const oq_windows *w) {
  const oq_axis *const last = &w->axis[w->n - 1];
  const size_t per = rows_per_outer(w);

  if (!small(&w->axis[0]) || !small(last) || w->out_size == 0) return false;
  s->w = *w;
  s->cols = last->out < MAX_COLS ? last->out : MAX_COLS;
  s->phase =
      round_up(s->cols, LANES) +
      round_up((last->kernel - 1) * last->dilation / last->stride + 1, LANES);
  s->row = s->phase * last->stride;
  if (s->row > MAX_FLOATS) return false;
  s->outer = 1;
  s->rows = 1;
  if (w->n == 1) return true;
  s->rows = span(&w->axis[0], 1);
  if (s->rows > MAX_FLOATS || s->rows * per > MAX_FLOATS / s->row) return false;
  while (s->outer < w->axis[0].out) {
    const size_t rows = span(&w->axis[0], s->outer + 1);
    if (rows * per * s->row > WANT_FLOATS) break;
    s->outer++;
    s->rows = rows;
  }
  s->rows *= per;
  return true;
}

size_t oq_strips_scratch(const oq_strips *s) {
  return round_up(s->rows * s->row * sizeof(float), 64) +
         round_up(s->w.taps * sizeof(const float *), 64) +
         round_up(s->w.taps * sizeof(uint32_t), 64);
}

/* ---- filling rows ---------------------------------------------------------
 */
typedef struct strip { /* what is being worked on */
  const oq_strips *s;
  float *buf;
  const float **at;
  uint32_t *tap;
  size_t in0, in1; /* input positions of axis 0 in `buf` */
  size_t o0, o1;   /* outputs of axis 0 */
  size_t x0, x1;   /* columns */
} strip;

/* One row into phases: phase p, element j is padded position x0*s + j*s + p. */
static void fill_row(float *dst, const float *x, const oq_strips *s, size_t x0,
                     float fill) {
  const oq_axis *const a = &s->w.axis[s->w.n - 1];

  for (size_t p = 0; p < a->stride; p++) {
    float *const d = dst + p * s->phase;
    const size_t base = x0 * a->stride + p; /* padded position of d[0] */
    size_t lo = 0, hi = 0;
    if (base < a->pad) lo = (a->pad - base + a->stride - 1) / a->stride;
    if (a->pad + a->in > base)
      hi = (a->pad + a->in - base + a->stride - 1) / a->stride;
    if (hi > s->phase) hi = s->phase;
    if (lo > hi) lo = hi;
    for (size_t j = 0; j < lo; j++) d[j] = fill;
    for (size_t j = hi; j < s->phase; j++) d[j] = fill;
    if (lo == hi) continue;
    const float *const src = x + (base + lo * a->stride - a->pad);
    if (a->stride == 1) {
      memcpy(d + lo, src, (hi - lo) * sizeof *d);
    } else if (a->stride == 2) {
      for (size_t j = lo; j < hi; j++) d[j] = src[(j - lo) * 2];
    } else {
      for (size_t j = lo; j < hi; j++) d[j] = src[(j - lo) * a->stride];
    }
  }
}

static void fill_strip(strip *t, const float *x, float fill) {
  const oq_windows *const w = &t->s->w;
  const size_t width = w->axis[w->n - 1].in;
  const size_t per = w->n > 1 ? w->in_size / width / w->axis[0].in : 1;

  for (size_t i = t->in0 * per; i < t->in1 * per; i++)
    fill_row(t->buf + (i - t->in0 * per) * t->s->row, x + i * width, t->s,
             t->x0, fill);
}

/* Positions of axis 0 that the strip's outputs touch. */
static void set_range(strip *t) {
  const oq_axis *const a = &t->s->w.axis[0];

  t->in0 = 0;
  t->in1 = 1;
  if (t->s->w.n == 1) return;
  const size_t lo = t->o0 * a->stride;
  const size_t hi = lo + span(a, t->o1 - t->o0);
  t->in0 = lo < a->pad ? 0 : lo - a->pad;
  t->in1 = hi < a->pad ? 0 : hi - a->pad;
  if (t->in0 > a->in) t->in0 = a->in;
  if (t->in1 > a->in) t->in1 = a->in;
}

/* ---- output rows ----------------------------------------------------------
 */
/* Buffer row of outer tap `k` for outer outputs `o`; false if it is outside. */
static bool outer_row(size_t *row, const strip *t, const size_t *o, size_t k) {
  const oq_windows *const w = &t->s->w;
  size_t r = 0, scale = 1, at;

  for (uint32_t i = w->n - 1; i-- > 0;) {
    const oq_axis *const a = &w->axis[i];
    if (!oq_axis_at(&at, a, o[i], k % a->kernel)) return false;
    k /= a->kernel;
    if (i == 0) at -= t->in0;
    r += at * scale;
    scale *= a->in;
  }
  *row = r;
  return true;
}

static void emit_row(const strip *t, const size_t *o, size_t row, oq_row_fn fn,
                     void *user) {
  const oq_axis *const a = &t->s->w.axis[t->s->w.n - 1];
  oq_row_taps r = {.at = t->at,
                   .tap = t->tap,
                   .first = t->x0,
                   .n = t->x1 - t->x0,
                   .row = row};
  const size_t outer = t->s->w.taps / a->kernel;

  for (size_t k = 0; k < outer; k++) {
    size_t in_row;
    if (!outer_row(&in_row, t, o, k)) continue;
    r.outer_taps++;
    for (size_t kx = 0; kx < a->kernel; kx++) {
      const size_t p = kx * a->dilation;
      t->at[r.n_taps] = t->buf + in_row * t->s->row +
                        p % a->stride * t->s->phase + p / a->stride;
      t->tap[r.n_taps++] = (uint32_t)(k * a->kernel + kx);
    }
  }
  fn(user, &r);
}

static void run_strip(const strip *t, oq_row_fn fn, void *user) {
  const oq_windows *const w = &t->s->w;
  size_t o[OQ_WINDOW_AXES] = {0}, per = 1;

  for (uint32_t i = 1; i + 1 < w->n; i++) per *= w->axis[i].out;
  if (w->n == 1) {
    emit_row(t, o, 0, fn, user);
    return;
  }
  for (size_t row = t->o0 * per; row < t->o1 * per; row++) {
    size_t k = row;
    for (uint32_t i = w->n - 1; i-- > 0;) {
      o[i] = k % w->axis[i].out;
      k /= w->axis[i].out;
    }
    emit_row(t, o, row, fn, user);
  }
}

void oq_strips_run(const oq_strips *s, const float *x, float fill, oq_row_fn fn,
                   void *user, void *scratch) {
  const size_t floats = round_up(s->rows * s->row * sizeof(float), 64);
  const size_t ptrs = round_up(s->w.taps * sizeof(const float *), 64);
  uint8_t *const base = scratch;
  const size_t outs = s->w.n == 1 ? 1 : s->w.axis[0].out;
  const size_t cols = s->w.axis[s->w.n - 1].out;
  strip t = {.s = s,
             .buf = (float *)(void *)base,
             .at = (const float **)(void *)(base + floats),
             .tap = (uint32_t *)(void *)(base + floats + ptrs)};

  for (t.x0 = 0; t.x0 < cols; t.x0 = t.x1) {
    t.x1 = cols - t.x0 < s->cols ? cols : t.x0 + s->cols;
    for (t.o0 = 0; t.o0 < outs; t.o0 = t.o1) {
      t.o1 = outs - t.o0 < s->outer ? outs : t.o0 + s->outer;
      set_range(&t);
      fill_strip(&t, x, fill);
      run_strip(&t, fn, user);
    }
  }
}
