/* kern/k_window - see k_window.h. */
#include "kern/k_window.h"

#include <string.h>

#include "kern/k_simd.h"

enum {
  LANES = 16,
  MAX_PHASES = 64,
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

/* ---- planning ------------------------------------------------------------ */
static size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

/* Padded positions that `outs` neighbouring outputs of the axis span. */
static size_t span(const oq_axis *a, size_t outs) {
  return (outs - 1) * a->stride + (a->kernel - 1) * a->dilation + 1;
}

/* Bounds every product below: no factor passes 2^20. */
static bool small(const oq_axis *a) {
  const size_t cap = MAX_FLOATS;

  return a->stride <= MAX_PHASES && a->kernel <= cap && a->dilation <= cap &&
         (a->kernel - 1) * a->dilation <= cap;
}

/* Padded rows below one position of axis 0; a large number if too many. */
static size_t rows_per_outer(const oq_windows *w) {
  size_t n = 1;

  for (uint32_t i = 1; i + 1 < w->n; i++) {
    if (!small(&w->axis[i]) || w->axis[i].out > MAX_FLOATS) return MAX_FLOATS;
    n *= span(&w->axis[i], w->axis[i].out);
    if (n > MAX_FLOATS) return MAX_FLOATS;
  }
  return n;
}

static bool plan_outer(oq_strips *s, size_t per) {
  const oq_axis *const a = &s->w.axis[0];
  const size_t most = MAX_FLOATS / s->row;

  s->rows = span(a, 1);
  if (s->rows > most || per > most / s->rows) return false;
  while (s->outer < a->out) {
    const size_t rows = span(a, s->outer + 1);
    if (rows * per * s->row > WANT_FLOATS) break;
    s->outer++;
    s->rows = rows;
  }
  s->rows *= per;
  return true;
}

bool oq_strips_plan(oq_strips *s, const oq_windows *w) {
  const oq_axis *const last = &w->axis[w->n - 1];
  const size_t per = rows_per_outer(w);

  if (!small(&w->axis[0]) || !small(last) || w->out_size == 0) return false;
  *s = (oq_strips){.w = *w, .outer = 1, .rows = 1};
  s->cols = last->out < MAX_COLS ? last->out : MAX_COLS;
  s->phase =
      round_up(s->cols, LANES) +
      round_up((last->kernel - 1) * last->dilation / last->stride + 1, LANES);
  s->row = s->phase * last->stride;
  if (s->row > MAX_FLOATS || (w->n > 1 && !plan_outer(s, per))) return false;
  size_t pitch = s->row;
  for (uint32_t i = w->n - 1; i-- > 0;) {
    s->pitch[i] = pitch;
    if (i > 0) pitch *= span(&w->axis[i], w->axis[i].out);
  }
  return true;
}

size_t oq_strips_scratch(const oq_strips *s) {
  return round_up(s->rows * s->row * sizeof(float), 64) +
         s->w.taps * sizeof(size_t);
}

/* ---- filling rows -------------------------------------------------------- */
typedef struct strip { /* what is being worked on */
  const oq_strips *s;
  float *buf;
  size_t *off;
  size_t plane;
  size_t o0, o1; /* outputs of axis 0 */
  size_t x0, x1; /* columns */
  /* Of each phase: elements [lo, hi) hold inputs, from position src on. */
  size_t lo[MAX_PHASES], hi[MAX_PHASES], src[MAX_PHASES];
} strip;

OQ_SIMD_LOOP(every_second, (float *d, const float *x, size_t n), (d, x, n)) {
  for (size_t j = 0; j < n; j++) d[j] = x[2 * j];
}

/* Phase p, element j of a row is padded position (x0 + j) * stride + p. */
static void set_phases(strip *t) {
  const oq_axis *const a = &t->s->w.axis[t->s->w.n - 1];

  for (size_t p = 0; p < a->stride; p++) {
    const size_t base = t->x0 * a->stride + p;
    size_t lo = 0, hi = 0;
    if (base < a->pad) lo = (a->pad - base + a->stride - 1) / a->stride;
    if (a->pad + a->in > base)
      hi = (a->pad + a->in - base + a->stride - 1) / a->stride;
    if (hi > t->s->phase) hi = t->s->phase;
    if (lo > hi) lo = hi;
    t->lo[p] = lo;
    t->hi[p] = hi;
    t->src[p] = lo == hi ? 0 : base + lo * a->stride - a->pad;
  }
}

/* The inputs of one row; what is padding stays. */
static void fill_row(float *dst, const float *x, const strip *t) {
  const size_t stride = t->s->w.axis[t->s->w.n - 1].stride;

  for (size_t p = 0; p < stride; p++) {
    float *const d = dst + p * t->s->phase + t->lo[p];
    const float *const src = x + t->src[p];
    const size_t n = t->hi[p] - t->lo[p];
    if (stride == 1)
      memcpy(d, src, n * sizeof *d);
    else if (stride == 2)
      every_second(d, src, n);
    else
      for (size_t j = 0; j < n; j++) d[j] = src[j * stride];
  }
}

/* Input row of padded row `i` of the strip; NULL: padding. */
static const float *row_of(const strip *t, const float *x, size_t i) {
  const oq_windows *const w = &t->s->w;
  size_t at = 0, scale = w->axis[w->n - 1].in;

  for (uint32_t k = w->n - 1; k-- > 0;) {
    const oq_axis *const a = &w->axis[k];
    size_t p = i;
    if (k > 0) {
      p = i % span(a, a->out);
      i /= span(a, a->out);
    } else {
      p += t->o0 * a->stride;
    }
    if (p < a->pad || p - a->pad >= a->in) return NULL;
    at += (p - a->pad) * scale;
    scale *= a->in;
  }
  return x + at;
}

static void fill_strip(const strip *t, const float *x) {
  const oq_strips *const s = t->s;
  const oq_axis *const a = &s->w.axis[0];
  size_t rows = s->rows;

  if (s->w.n > 1) /* the last strip may be shorter */
    rows = span(a, t->o1 - t->o0) * (s->pitch[0] / s->row);
  for (size_t i = 0; i < rows; i++) {
    const float *const src = row_of(t, x, i);
    if (src != NULL) fill_row(t->buf + i * s->row, src, t);
  }
}

/* ---- output rows --------------------------------------------------------- */
static void set_offsets(const strip *t) {
  const oq_windows *const w = &t->s->w;
  const oq_axis *const last = &w->axis[w->n - 1];

  for (size_t i = 0; i < w->taps; i++) {
    const size_t p = i % last->kernel * last->dilation;
    size_t k = i / last->kernel;
    size_t off = p % last->stride * t->s->phase + p / last->stride;
    for (uint32_t j = w->n - 1; j-- > 0;) {
      const oq_axis *const a = &w->axis[j];
      off += k % a->kernel * a->dilation * t->s->pitch[j];
      k /= a->kernel;
    }
    t->off[i] = off;
  }
}

/* One block for each position of all outer axes but the innermost. */
static void run_strip(const strip *t, oq_row_fn fn, void *user) {
  const oq_strips *const s = t->s;
  const oq_windows *const w = &s->w;
  oq_row_block b = {.at = t->buf,
                    .off = t->off,
                    .plane = t->plane,
                    .n_rows = 1,
                    .first = t->x0,
                    .n = t->x1 - t->x0};
  size_t blocks = 1;

  if (w->n == 1) {
    fn(user, &b);
    return;
  }
  const oq_axis *const inner = &w->axis[w->n - 2];
  b.n_rows = w->n == 2 ? t->o1 - t->o0 : inner->out;
  b.step = inner->stride * s->pitch[w->n - 2];
  for (uint32_t i = 0; i + 2 < w->n; i++)
    blocks *= i == 0 ? t->o1 - t->o0 : w->axis[i].out;
  for (size_t k = 0; k < blocks; k++) {
    size_t rest = k, row = 0, scale = inner->out, at = 0;
    for (uint32_t i = w->n - 2; i-- > 0;) {
      const size_t n = i == 0 ? t->o1 - t->o0 : w->axis[i].out;
      at += rest % n * w->axis[i].stride * s->pitch[i];
      row += (rest % n + (i == 0 ? t->o0 : 0)) * scale;
      scale *= w->axis[i].out;
      rest /= n;
    }
    b.at = t->buf + at;
    b.row = w->n == 2 ? t->o0 : row;
    fn(user, &b);
  }
}

void oq_strips_run(const oq_strips *s, const float *x, size_t planes,
                   float fill, oq_row_fn fn, void *user, void *scratch) {
  uint8_t *const base = scratch;
  const size_t outs = s->w.n == 1 ? 1 : s->w.axis[0].out;
  const size_t cols = s->w.axis[s->w.n - 1].out;
  const size_t floats = s->rows * s->row;
  strip t = {
      .s = s,
      .buf = (float *)(void *)base,
      .off = (size_t *)(void *)(base + round_up(floats * sizeof(float), 64))};

  set_offsets(&t);
  for (t.x0 = 0; t.x0 < cols; t.x0 = t.x1) {
    t.x1 = cols - t.x0 < s->cols ? cols : t.x0 + s->cols;
    set_phases(&t);
    for (t.o0 = 0; t.o0 < outs; t.o0 = t.o1) {
      t.o1 = outs - t.o0 < s->outer ? outs : t.o0 + s->outer;
      for (size_t i = 0; i < floats; i++) t.buf[i] = fill;
      for (t.plane = 0; t.plane < planes; t.plane++) {
        fill_strip(&t, x + t.plane * s->w.in_size);
        run_strip(&t, fn, user);
      }
    }
  }
}
