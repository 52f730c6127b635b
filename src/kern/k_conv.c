/* kern/k_conv - see k_conv.h. The cut into tiles depends on the problem only,
 * so a run makes the same GEMM calls whatever runs beside it. */
#include "kern/k_conv.h"

#include <string.h>

#include "kern/k_simd.h"

enum {
  TILE_FLOATS = 1 << 18, /* 1 MB of columns: half of a second-level cache */
  MAX_FLOATS = 1 << 20,  /* 4 MB where rows are long */
  MIN_COLS = 192,        /* below it a GEMM is slow */
  MAX_MULTIPLIER = 4     /* output channels per input of a depthwise one */
};

/* ---- tiles: ranges of output positions ----------------------------------- */
typedef struct tiling {
  size_t width;      /* outputs of the last axis */
  size_t rows, cols; /* per tile; rows > 1 only if cols == width */
  size_t depth;      /* rows of the column matrix at once */
} tiling;

static size_t min_size(size_t a, size_t b) { return a < b ? a : b; }
static size_t max_size(size_t a, size_t b) { return a > b ? a : b; }

/* `depth` rows of columns in all; `whole`: they cannot be cut. */
static tiling cut(const oq_windows *w, size_t depth) {
  const size_t width = w->axis[w->n - 1].out;
  const size_t all = w->out_size;
  tiling t = {.width = width};
  size_t cols = max_size(TILE_FLOATS / depth, MIN_COLS);

  cols = min_size(cols, all);
  t.rows = max_size(cols / width, 1);
  t.cols = min_size(cols, width);
  t.depth = min_size(depth, max_size(MAX_FLOATS / (t.rows * t.cols), 1));
  return t;
}

typedef struct tile { /* output rows [r0, r1), columns [x0, x1) */
  size_t r0, r1, x0, x1;
} tile;

static size_t tile_size(const tile *t) {
  return (t->r1 - t->r0) * (t->x1 - t->x0);
}
static size_t tile_first(const tile *t, size_t width) {
  return t->r0 * width + t->x0;
}

/* Steps to the next tile; false after the last.  Starts from all zeros. */
static bool next_tile(tile *t, const tiling *g, size_t all) {
  const size_t rows = all / g->width;

  if (t->r1 != 0 && t->x1 < g->width) {
    t->x0 = t->x1;
  } else {
    t->r0 = t->r1;
    t->x0 = 0;
    if (t->r0 >= rows) return false;
    t->r1 = min_size(t->r0 + g->rows, rows);
  }
  t->x1 = min_size(t->x0 + g->cols, g->width);
  return true;
}

/* ---- columns ------------------------------------------------------------- */
typedef struct tap_at { /* tap of the window, by axis */
  size_t at[OQ_WINDOW_AXES];
} tap_at;

static tap_at tap_of(const oq_windows *w, size_t k) {
  tap_at t = {{0}};

  for (uint32_t i = w->n; i-- > 0;) {
    t.at[i] = k % w->axis[i].kernel;
    k /= w->axis[i].kernel;
  }
  return t;
}

/* Input row under tap `t` for output row `r`; false if it is outside. */
static bool row_under(size_t *in_row, const oq_windows *w, const tap_at *t,
                      size_t r) {
  size_t sum = 0, scale = 1, at;

  if (w->n == 2) return oq_axis_at(in_row, &w->axis[0], r, t->at[0]);
  for (uint32_t i = w->n - 1; i-- > 0;) {
    const oq_axis *const a = &w->axis[i];
    if (!oq_axis_at(&at, a, r % a->out, t->at[i])) return false;
    r /= a->out;
    sum += at * scale;
    scale *= a->in;
  }
  *in_row = sum;
  return true;
}

/* Columns of the last axis that tap `t` sees, cut to the tile. */
static void inside(size_t *lo, size_t *hi, const oq_windows *w, const tap_at *t,
                   const tile *b) {
  oq_axis_inside(lo, hi, &w->axis[w->n - 1], t->at[w->n - 1]);
  *lo = min_size(max_size(*lo, b->x0), b->x1);
  *hi = min_size(max_size(*hi, *lo), b->x1);
}

/* One row of the column matrix: one tap of one channel `x`. */
static void take_row(float *dst, const float *x, const oq_windows *w, size_t k,
                     const tile *b) {
  const oq_axis *const a = &w->axis[w->n - 1];
  const tap_at t = tap_of(w, k);
  const size_t n = b->x1 - b->x0;
  size_t lo, hi, in_row;

  inside(&lo, &hi, w, &t, b);
  for (size_t r = b->r0; r < b->r1; r++, dst += n) {
    if (lo == hi || !row_under(&in_row, w, &t, r)) {
      memset(dst, 0, n * sizeof *dst);
      continue;
    }
    const float *const src = x + in_row * a->in + lo * a->stride +
                             t.at[w->n - 1] * a->dilation - a->pad;
    float *const d = dst + (lo - b->x0);
    for (size_t j = 0; j < lo - b->x0; j++) dst[j] = 0.0f;
    if (a->stride == 1) {
      memcpy(d, src, (hi - lo) * sizeof *d);
    } else {
      for (size_t j = 0; j < hi - lo; j++) d[j] = src[j * a->stride];
    }
    for (size_t j = hi - b->x0; j < n; j++) dst[j] = 0.0f;
  }
}

/* Rows [k0, k1) of the column matrix of one group. */
static void im2col(float *dst, const float *x, const oq_windows *w, size_t k0,
                   size_t k1, const tile *b) {
  for (size_t k = k0; k < k1; k++, dst += tile_size(b))
    take_row(dst, x + k / w->taps * w->in_size, w, k % w->taps, b);
}

/* The way back: adds one row of columns to channel `y`. */
static void give_row(float *y, const float *src, const oq_windows *w, size_t k,
                     const tile *b) {
  const oq_axis *const a = &w->axis[w->n - 1];
  const tap_at t = tap_of(w, k);
  const size_t n = b->x1 - b->x0;
  size_t lo, hi, in_row;

  inside(&lo, &hi, w, &t, b);
  if (lo == hi) return;
  for (size_t r = b->r0; r < b->r1; r++, src += n) {
    if (!row_under(&in_row, w, &t, r)) continue;
    float *const d = y + in_row * a->in + lo * a->stride +
                     t.at[w->n - 1] * a->dilation - a->pad;
    const float *const s = src + (lo - b->x0);
    if (a->stride == 1) {
      for (size_t j = 0; j < hi - lo; j++) d[j] += s[j];
    } else {
      for (size_t j = 0; j < hi - lo; j++) d[j * a->stride] += s[j];
    }
  }
}

static void col2im(float *y, const float *src, const oq_windows *w, size_t k0,
                   size_t k1, const tile *b) {
  for (size_t k = k0; k < k1; k++, src += tile_size(b))
    give_row(y + k / w->taps * w->in_size, src, w, k % w->taps, b);
}

/* ---- ways ---------------------------------------------------------------- */
OQ_SIMD_LOOP(fill_run, (float *y, size_t n, float v), (y, n, v)) {
  for (size_t i = 0; i < n; i++) y[i] = v;
}

/* y starts as the bias, so that GEMM only adds: `channels` runs of n, `pitch`
 * apart. */
static void start_with_bias(float *y, size_t channels, size_t n, size_t pitch,
                            const float *bias) {
  for (size_t c = 0; c < channels; c++)
    fill_run(y + c * pitch, n, bias == NULL ? 0.0f : bias[c]);
}

/* Windows of one input each, at the same place: x is the column matrix. */
static bool pointwise(const oq_windows *w) {
  for (uint32_t i = 0; i < w->n; i++) {
    const oq_axis *const a = &w->axis[i];
    if (a->kernel != 1 || a->stride != 1 || a->pad != 0 || a->in != a->out)
      return false;
  }
  return true;
}

static bool empty(const oq_conv *c) {
  return c->batch == 0 || c->groups == 0 || c->out_ch == 0;
}

static bool depthwise(const oq_conv *c, oq_strips *s) {
  return c->in_ch == 1 && c->out_ch <= MAX_MULTIPLIER && !pointwise(&c->w) &&
         oq_strips_plan(s, &c->w);
}

size_t oq_conv_scratch(const oq_conv *c) {
  oq_strips s;

  if (empty(c) || c->w.out_size == 0 || c->in_ch * c->w.taps == 0) return 0;
  if (depthwise(c, &s)) return oq_strips_scratch(&s);
  if (pointwise(&c->w)) return 0;
  const tiling t = cut(&c->w, c->in_ch * c->w.taps);
  return t.rows * t.cols * t.depth * sizeof(float);
}

/* One group of one sample.  Of a pointwise one the columns are x itself. */
static void conv_group(const oq_kernels *k, const oq_conv *c, float *y,
                       const float *x, const float *w, const float *bias,
                       float *col) {
  const size_t n = c->w.out_size, depth = c->in_ch * c->w.taps;
  const bool direct = pointwise(&c->w);
  tiling g = cut(&c->w, direct ? depth + c->out_ch : depth);
  tile b = {0};

  if (direct) g.depth = depth;
  while (next_tile(&b, &g, n)) {
    const size_t cols = tile_size(&b), first = tile_first(&b, g.width);
    start_with_bias(y + first, c->out_ch, cols, n, bias);
    for (size_t k0 = 0; k0 < depth; k0 += g.depth) {
      const size_t k1 = min_size(k0 + g.depth, depth);
      if (!direct) im2col(col, x, &c->w, k0, k1, &b);
      k->gemm_f32(OQ_NO_TRANS, OQ_NO_TRANS, c->out_ch, cols, k1 - k0, 1.0f,
                  w + k0, depth, direct ? x + first : col, direct ? n : cols,
                  1.0f, y + first, n);
    }
  }
}

/* ---- depthwise ----------------------------------------------------------- */
typedef struct dw_user {
  const oq_conv *c;
  float *y;
  const float *w, *bias;
} dw_user;

typedef struct dw_block { /* rows of one output channel */
  float *y;
  size_t pitch, n, taps;
  const float *at, *w;
  size_t step;
  const size_t *off;
  float bias;
} dw_block;

/* Four vectors at once hide the latency of a sum: side by side in one row, or
 * in four rows. */
OQ_INLINE void dw_four(const dw_block *q, float *y, size_t pitch, size_t n,
                       const float *at, size_t step) {
  oq_vf f, v, a, b, c, d;

  oq_vf_set(&a, q->bias);
  b = c = d = a;
  for (size_t i = 0; i < q->taps; i++) {
    const float *const p = at + q->off[i];
    oq_vf_set(&f, q->w[i]);
    oq_vf_load(&v, p);
    a += f * v;
    oq_vf_load(&v, p + step);
    b += f * v;
    oq_vf_load(&v, p + 2 * step);
    c += f * v;
    oq_vf_load(&v, p + 3 * step);
    d += f * v;
  }
  if (n >= OQ_LANES) {
    oq_vf_store(y, &a);
    oq_vf_store(y + pitch, &b);
    oq_vf_store(y + 2 * pitch, &c);
    oq_vf_store(y + 3 * pitch, &d);
    return;
  }
  oq_vf_store_n(y, &a, n);
  oq_vf_store_n(y + pitch, &b, n);
  oq_vf_store_n(y + 2 * pitch, &c, n);
  oq_vf_store_n(y + 3 * pitch, &d, n);
}

OQ_INLINE void dw_row(const dw_block *q, float *y, const float *at, size_t x) {
  oq_vf f, v, a;

  for (; x + 4 * OQ_LANES <= q->n; x += 4 * OQ_LANES)
    dw_four(q, y + x, OQ_LANES, OQ_LANES, at + x, OQ_LANES);
  for (; x < q->n; x += OQ_LANES) {
    oq_vf_set(&a, q->bias);
    for (size_t i = 0; i < q->taps; i++) {
      oq_vf_set(&f, q->w[i]);
      oq_vf_load(&v, at + q->off[i] + x);
      a += f * v;
    }
    oq_vf_store_n(y + x, &a, q->n - x);
  }
}

OQ_SIMD_LOOP(dw_rows, (const dw_block *q, size_t rows), (q, rows)) {
  const size_t wide = q->n / (4 * OQ_LANES) * (4 * OQ_LANES);
  size_t r = 0;

  for (; r + 4 <= rows; r += 4) {
    float *const y = q->y + r * q->pitch;
    const float *const at = q->at + r * q->step;
    for (size_t k = 0; k < 4; k++)
      for (size_t x = 0; x < wide; x += 4 * OQ_LANES)
        dw_four(q, y + k * q->pitch + x, OQ_LANES, OQ_LANES,
                at + k * q->step + x, OQ_LANES);
    for (size_t x = wide; x < q->n; x += OQ_LANES)
      dw_four(q, y + x, q->pitch, q->n - x, at + x, q->step);
  }
  for (; r < rows; r++) dw_row(q, q->y + r * q->pitch, q->at + r * q->step, 0);
}

/* A plane of input serves all output channels of its group. */
static void dw_emit(void *user, const oq_row_block *b) {
  const dw_user *const u = user;
  const oq_conv *const c = u->c;
  const size_t width = c->w.axis[c->w.n - 1].out;
  dw_block q = {.pitch = width,
                .n = b->n,
                .taps = c->w.taps,
                .at = b->at,
                .step = b->step,
                .off = b->off};

  for (size_t k = 0; k < c->out_ch; k++) {
    const size_t plane = b->plane * c->out_ch + k;
    const size_t m = plane % (c->groups * c->out_ch);
    q.y = u->y + plane * c->w.out_size + b->row * width + b->first;
    q.w = u->w + m * c->w.taps;
    q.bias = u->bias == NULL ? 0.0f : u->bias[m];
    dw_rows(&q, b->n_rows);
  }
}

/* ---- Conv ---------------------------------------------------------------- */
void oq_conv_f32(const oq_kernels *k, const oq_conv *c, float *y,
                 const float *x, const float *w, const float *bias,
                 void *scratch) {
  const size_t depth = c->in_ch * c->w.taps, n = c->w.out_size;
  oq_strips s;

  if (empty(c) || n == 0) return;
  if (depth == 0) {
    for (size_t b = 0; b < c->batch; b++)
      start_with_bias(y + b * c->groups * c->out_ch * n, c->groups * c->out_ch,
                      n, n, bias);
    return;
  }
  if (depthwise(c, &s)) {
    dw_user u = {c, y, w, bias};
    oq_strips_run(&s, x, c->batch * c->groups, 0.0f, dw_emit, &u, scratch);
    return;
  }
  for (size_t bg = 0; bg < c->batch * c->groups; bg++) {
    const size_t g = bg % c->groups;
    conv_group(k, c, y + bg * c->out_ch * n, x + bg * c->in_ch * c->w.in_size,
               w + g * c->out_ch * depth,
               bias == NULL ? NULL : bias + g * c->out_ch, scratch);
  }
}

/* ---- ConvTranspose ------------------------------------------------------- */
size_t oq_conv_transpose_scratch(const oq_conv *c) {
  if (empty(c) || c->w.out_size == 0 || c->in_ch == 0 || c->w.taps == 0)
    return 0;
  const tiling t = cut(&c->w, c->out_ch * c->w.taps);
  return t.rows * t.cols * t.depth * sizeof(float);
}

static void transpose_group(const oq_kernels *k, const oq_conv *c, float *y,
                            const float *x, const float *w, float *col) {
  const size_t n = c->w.out_size, depth = c->out_ch * c->w.taps;
  const tiling g = cut(&c->w, depth);
  tile b = {0};

  while (next_tile(&b, &g, n)) {
    for (size_t k0 = 0; k0 < depth; k0 += g.depth) {
      const size_t k1 = min_size(k0 + g.depth, depth);
      k->gemm_f32(OQ_TRANS, OQ_NO_TRANS, k1 - k0, tile_size(&b), c->in_ch, 1.0f,
                  w + k0, depth, x + tile_first(&b, g.width), n, 0.0f, col,
                  tile_size(&b));
      col2im(y, col, &c->w, k0, k1, &b);
    }
  }
}

void oq_conv_transpose_f32(const oq_kernels *k, const oq_conv *c, float *y,
                           const float *x, const float *w, const float *bias,
                           void *scratch) {
  const size_t n = c->w.out_size, out = c->w.in_size;

  if (empty(c) || out == 0) return;
  for (size_t b = 0; b < c->batch; b++) {
    start_with_bias(y, c->groups * c->out_ch, out, out, bias);
    for (size_t g = 0; g < c->groups; g++) {
      if (n == 0 || c->in_ch == 0 || c->w.taps == 0) break;
      transpose_group(k, c, y + g * c->out_ch * out, x + g * c->in_ch * n,
                      w + g * c->in_ch * c->out_ch * c->w.taps, scratch);
    }
    x += c->groups * c->in_ch * n;
    y += c->groups * c->out_ch * out;
  }
}

/* ---- double -------------------------------------------------------------- */
/* Input position under tap `k` of output `o`; false if outside. */
static bool under(size_t *at, const oq_windows *w, size_t o, size_t k) {
  size_t sum = 0, scale = 1, p;

  for (uint32_t i = w->n; i-- > 0;) {
    const oq_axis *const a = &w->axis[i];
    if (!oq_axis_at(&p, a, o % a->out, k % a->kernel)) return false;
    o /= a->out;
    k /= a->kernel;
    sum += p * scale;
    scale *= a->in;
  }
  *at = sum;
  return true;
}

static double dot_f64(const oq_conv *c, size_t o, const double *x,
                      const double *w) {
  double sum = 0;
  size_t at;

  for (size_t k = 0; k < c->w.taps; k++) {
    if (!under(&at, &c->w, o, k)) continue;
    for (size_t i = 0; i < c->in_ch; i++)
      sum += w[i * c->w.taps + k] * x[i * c->w.in_size + at];
  }
  return sum;
}

void oq_conv_f64(const oq_conv *c, double *y, const double *x, const double *w,
                 const double *bias) {
  const size_t channels = c->groups * c->out_ch;

  for (size_t bm = 0; bm < c->batch * channels; bm++) {
    const size_t m = bm % channels, group = bm / c->out_ch;
    for (size_t o = 0; o < c->w.out_size; o++)
      *y++ = (bias == NULL ? 0.0 : bias[m]) +
             dot_f64(c, o, x + group * c->in_ch * c->w.in_size,
                     w + m * c->in_ch * c->w.taps);
  }
}

/* One output channel of a ConvTranspose: w is that channel's, [in_ch] apart by
 * out_ch * taps. */
static void spread_f64(const oq_conv *c, double *y, const double *x,
                       const double *w) {
  size_t at;

  for (size_t k = 0; k < c->w.taps; k++) {
    for (size_t o = 0; o < c->w.out_size; o++) {
      if (!under(&at, &c->w, o, k)) continue;
      for (size_t i = 0; i < c->in_ch; i++)
        y[at] += w[i * c->out_ch * c->w.taps + k] * x[i * c->w.out_size + o];
    }
  }
}

void oq_conv_transpose_f64(const oq_conv *c, double *y, const double *x,
                           const double *w, const double *bias) {
  const size_t channels = c->groups * c->out_ch;

  for (size_t bm = 0; bm < c->batch * channels; bm++) {
    const size_t m = bm % channels, g = m / c->out_ch;
    double *const ym = y + bm * c->w.in_size;
    for (size_t i = 0; i < c->w.in_size; i++)
      ym[i] = bias == NULL ? 0.0 : bias[m];
    spread_f64(c, ym, x + bm / c->out_ch * c->in_ch * c->w.out_size,
               w + (g * c->in_ch * c->out_ch + m % c->out_ch) * c->w.taps);
  }
}
