/* kern/k_last - see k_last.h.  Here is what does not depend on the instruction
 * set: how weights are packed, which input row each tap of each output reads,
 * and the order of blocks. */
#include "kern/k_last.h"

#include <string.h>

#include "kern/k_simd.h"

enum {
  CHUNK_FLOATS = 96 * 1024, /* inputs and outputs of a chunk: part of the L2 */
  CHUNK_BLOCKS = 64,
  TABLE_POINTERS = 32 * 1024,
  FEW_CHANNELS = 16, /* so few are read as one run along the last axis */
  MAX_TAPS = 4096
};

static size_t min_size(size_t a, size_t b) { return a < b ? a : b; }
static size_t max_size(size_t a, size_t b) { return a > b ? a : b; }
static size_t vectors(size_t channels) {
  return (channels + OQ_LAST_LANES - 1) / OQ_LAST_LANES;
}

static bool depthwise(size_t groups, size_t in_ch, size_t out_ch) {
  return groups > 1 && in_ch == 1 && out_ch == 1;
}

bool oq_last_conv_fits(const oq_conv *c) {
  if (c->w.taps == 0 || c->w.taps > MAX_TAPS || c->in_ch == 0) return false;
  if (depthwise(c->groups, c->in_ch, c->out_ch)) return true;
  return c->groups == 1 || c->out_ch >= OQ_LAST_LANES / 2;
}

/* ---- weights ------------------------------------------------------------- */
/* Panels of up to 4 vectors as equal as can be: the vectors of panel p. */
static size_t panel_vectors(size_t all, size_t p) {
  const size_t panels = (all + OQ_LAST_VECS - 1) / OQ_LAST_VECS;

  return all / panels + (p < all % panels);
}

size_t oq_last_pack_size(size_t groups, size_t in_ch, size_t out_ch,
                         size_t taps) {
  const size_t wide = depthwise(groups, in_ch, out_ch)
                          ? vectors(groups) * OQ_LAST_LANES
                          : vectors(out_ch) * OQ_LAST_LANES;
  size_t n = depthwise(groups, in_ch, out_ch) ? 1 : groups;

  if (__builtin_mul_overflow(n, in_ch, &n) ||
      __builtin_mul_overflow(n, taps, &n) ||
      __builtin_mul_overflow(n, wide, &n) || n > SIZE_MAX / sizeof(float))
    return 0;
  return n;
}

/* [taps][channels], filled up with zeros. */
static void pack_depthwise(float *to, const float *w, size_t channels,
                           size_t taps) {
  const size_t wide = vectors(channels) * OQ_LAST_LANES;

  memset(to, 0, taps * wide * sizeof *to);
  for (size_t c = 0; c < channels; c++)
    for (size_t t = 0; t < taps; t++) to[t * wide + c] = w[c * taps + t];
}

/* One panel: [taps][in_ch][wide] of the `cols` filters at w. */
OQ_BARE static void pack_panel(float *to, const float *w, size_t in_ch,
                               size_t taps, size_t wide, size_t cols) {
  for (size_t t = 0; t < taps; t++)
    for (size_t i = 0; i < in_ch; i++, to += wide) {
      const float *const from = w + i * taps + t;
      for (size_t j = 0; j < cols; j++) to[j] = from[j * in_ch * taps];
      for (size_t j = cols; j < wide; j++) to[j] = 0.0f;
    }
}

void oq_last_pack(float *to, const float *w, size_t groups, size_t in_ch,
                  size_t out_ch, size_t taps) {
  const size_t all = vectors(out_ch);

  if (depthwise(groups, in_ch, out_ch)) {
    pack_depthwise(to, w, groups, taps);
    return;
  }
  for (size_t g = 0; g < groups; g++) {
    size_t done = 0;
    for (size_t p = 0; done < out_ch; p++) {
      const size_t wide = panel_vectors(all, p) * OQ_LAST_LANES;
      const size_t cols = min_size(wide, out_ch - done);
      pack_panel(to, w + (g * out_ch + done) * in_ch * taps, in_ch, taps, wide,
                 cols);
      to += wide * in_ch * taps;
      done += cols;
    }
  }
}

/* ---- the inputs that outputs read ---------------------------------------- */
/* The problem as the blocks see it.  Where there are few channels, the input is
 * a copy with its padding, and the taps along the last axis are one run. */
typedef struct view {
  const oq_conv *c;
  oq_windows w; /* geometry: of the copy, if there is one */
  bool copied, depth;
  size_t taps, run;    /* run: floats in a row per tap */
  size_t pixel;        /* floats between input positions */
  size_t rows, blocks; /* outputs of a block at most, blocks of a chunk */
  size_t copy_floats;
  size_t reach[OQ_WINDOW_AXES]; /* from the first tap of an axis to the last */
} view;

/* Input extent that all windows of an axis cover. */
static size_t covered(const oq_axis *a) {
  return (a->out - 1) * a->stride + (a->kernel - 1) * a->dilation + 1;
}

/* A copy is not worth it where the padding is most of it. */
static bool copy_is_small(size_t *floats, const view *v) {
  size_t n = v->pixel;

  for (uint32_t i = 0; i < v->w.n; i++)
    if (__builtin_mul_overflow(n, covered(&v->w.axis[i]), &n)) return false;
  *floats = n;
  return n / 4 <= v->w.in_size * v->pixel;
}

static void plan_copy(view *v) {
  if (!copy_is_small(&v->copy_floats, v)) {
    v->copy_floats = 0;
    return;
  }
  v->copied = true;
  for (uint32_t i = 0; i < v->w.n; i++) {
    oq_axis *const a = &v->w.axis[i];
    a->in = covered(a);
    a->pad = 0;
  }
  const size_t kernel = v->w.axis[v->w.n - 1].kernel;
  v->taps /= kernel;
  v->run *= kernel;
  v->w.axis[v->w.n - 1].kernel = 1;
  oq_windows_finish(&v->w);
}

static view view_of(const oq_conv *c) {
  const oq_axis *const last = &c->w.axis[c->w.n - 1];
  view v = {.c = c,
            .w = c->w,
            .depth = depthwise(c->groups, c->in_ch, c->out_ch),
            .taps = c->w.taps,
            .run = c->in_ch,
            .pixel = c->groups * c->in_ch,
            .rows = OQ_LAST_ROWS};

  if (c->groups == 1 && c->in_ch <= FEW_CHANNELS && last->kernel > 1 &&
      last->dilation == 1)
    plan_copy(&v);
  for (uint32_t i = 0; i < v.w.n; i++)
    v.reach[i] = (v.w.axis[i].kernel - 1) * v.w.axis[i].dilation;
  const size_t floats = v.pixel + c->groups * c->out_ch;
  v.blocks = min_size(CHUNK_BLOCKS, CHUNK_FLOATS / (floats * v.rows));
  v.blocks = min_size(v.blocks, TABLE_POINTERS / (v.taps * v.rows));
  v.blocks = max_size(v.blocks, 1);
  return v;
}

static size_t round_up(size_t n) { return (n + 63) / 64 * 64; }

static size_t zero_floats(const view *v) { return max_size(v->pixel, 16) + 16; }
static size_t bias_floats(const view *v) {
  return v->depth ? vectors(v->c->groups) * OQ_LAST_LANES
                  : v->c->groups * vectors(v->c->out_ch) * OQ_LAST_LANES;
}

size_t oq_last_conv_scratch(const oq_conv *c) {
  if (c->batch == 0 || c->w.out_size == 0) return 0;
  const view v = view_of(c);

  return round_up(v.blocks * v.taps * OQ_LAST_ROWS * sizeof(float *)) +
         round_up(v.taps * sizeof(size_t)) +
         round_up(zero_floats(&v) * sizeof(float)) +
         round_up(bias_floats(&v) * sizeof(float)) +
         round_up(v.copy_floats * sizeof(float));
}

typedef struct work {
  view v;
  const oq_last_isa *isa;
  const float **at; /* [blocks][taps][OQ_LAST_ROWS] */
  size_t *off;      /* [taps] */
  float *zeros, *bias, *copy;
} work;

static void *cut(uint8_t **at, size_t bytes) {
  void *const p = *at;

  *at += round_up(bytes);
  return p;
}

/* The sample with its padding, for few channels. */
static void fill_copy(const work *k, const float *x) {
  const oq_windows *const from = &k->v.c->w;
  const uint32_t last = from->n - 1;
  const size_t width = k->v.w.axis[last].in, pad = from->axis[last].pad;
  const size_t n = pad < width ? min_size(from->axis[last].in, width - pad) : 0;
  const size_t rows = k->v.copy_floats / (width * k->v.pixel);

  memset(k->copy, 0, k->v.copy_floats * sizeof(float));
  for (size_t r = 0; r < rows; r++) {
    size_t rest = r, src = 0, scale = 1;
    bool in = true;
    for (uint32_t i = last; i-- > 0;) {
      const size_t p = rest % k->v.w.axis[i].in;
      rest /= k->v.w.axis[i].in;
      in = in && p >= from->axis[i].pad &&
           p - from->axis[i].pad < from->axis[i].in;
      if (!in) break;
      src += (p - from->axis[i].pad) * scale;
      scale *= from->axis[i].in;
    }
    if (in)
      memcpy(k->copy + (r * width + pad) * k->v.pixel,
             x + src * from->axis[last].in * k->v.pixel,
             n * k->v.pixel * sizeof(float));
  }
}

typedef struct spot { /* an output or a tap, by axis */
  size_t at[OQ_WINDOW_AXES];
} spot;

static void next_spot(spot *s, const oq_windows *w) {
  for (uint32_t i = w->n; i-- > 0;) {
    if (++s->at[i] < w->axis[i].out) return;
    s->at[i] = 0;
  }
}

/* What the taps of output `o` read: to[t * OQ_LAST_ROWS]. */
static void point_edge(const float **to, const work *k, const spot *o,
                       const float *x) {
  const oq_windows *const w = &k->v.w;
  spot tap = {{0}};

  for (size_t t = 0; t < k->v.taps; t++, to += OQ_LAST_ROWS) {
    size_t sum = 0, p;
    bool in = true;
    for (uint32_t i = 0; i < w->n && in; i++) {
      in = oq_axis_at(&p, &w->axis[i], o->at[i], tap.at[i]);
      if (in) sum = sum * w->axis[i].in + p;
    }
    *to = in ? x + sum * k->v.pixel : k->zeros;
    for (uint32_t i = w->n; i-- > 0;) {
      if (++tap.at[i] < w->axis[i].kernel) break;
      tap.at[i] = 0;
    }
  }
}

/* The same where all taps lie inside: at fixed distances from the first. */
static void point(const float **to, const work *k, const spot *o,
                  const float *x) {
  const oq_windows *const w = &k->v.w;
  const size_t taps = k->v.taps;
  size_t sum = 0;

  for (uint32_t i = 0; i < w->n; i++) {
    const oq_axis *const a = &w->axis[i];
    const size_t first = o->at[i] * a->stride;
    if (first < a->pad || first - a->pad + k->v.reach[i] >= a->in) {
      point_edge(to, k, o, x);
      return;
    }
    sum = sum * a->in + (first - a->pad);
  }
  const float *const base = x + sum * k->v.pixel;
  for (size_t t = 0; t < taps; t++) to[t * OQ_LAST_ROWS] = base + k->off[t];
}

/* Distances of the taps from the first one. */
static void measure_taps(const work *k) {
  const oq_windows *const w = &k->v.w;

  for (size_t t = 0; t < k->v.taps; t++) {
    size_t rest = t, sum = 0, scale = k->v.pixel;
    for (uint32_t i = w->n; i-- > 0;) {
      sum += rest % w->axis[i].kernel * w->axis[i].dilation * scale;
      rest /= w->axis[i].kernel;
      scale *= w->axis[i].in;
    }
    k->off[t] = sum;
  }
}

static void make_work(work *k, const oq_conv *c, const oq_last_isa *isa,
                      const float *bias, void *scratch) {
  uint8_t *at = scratch;

  k->v = view_of(c);
  k->isa = isa;
  k->at = cut(&at, k->v.blocks * k->v.taps * OQ_LAST_ROWS * sizeof *k->at);
  k->off = cut(&at, k->v.taps * sizeof *k->off);
  k->zeros = cut(&at, zero_floats(&k->v) * sizeof(float));
  k->bias = cut(&at, bias_floats(&k->v) * sizeof(float));
  k->copy = cut(&at, k->v.copy_floats * sizeof(float));
  measure_taps(k);
  memset(k->zeros, 0, zero_floats(&k->v) * sizeof(float));
  memset(k->bias, 0, bias_floats(&k->v) * sizeof(float));
  if (bias == NULL) return;
  const size_t groups = k->v.depth ? 1 : c->groups;
  const size_t n = k->v.depth ? c->groups : c->out_ch;
  for (size_t g = 0; g < groups; g++)
    memcpy(k->bias + g * vectors(n) * OQ_LAST_LANES, bias + g * n,
           n * sizeof(float));
}

/* ---- blocks -------------------------------------------------------------- */
/* n outputs cut into blocks of at most `rows`, as equal as can be. */
typedef struct cutting {
  size_t blocks, small, larger; /* `larger` blocks have small + 1 */
} cutting;

static cutting cut_rows(size_t n, size_t rows) {
  const size_t blocks = (n + rows - 1) / rows;

  return (cutting){blocks, n / blocks, n % blocks};
}

/* Pointers for outputs [first, first + n), rows of a block beside each other.
 * `o` is the first output's place, and then the next chunk's. */
static void point_all(const work *k, const cutting *q, spot *o,
                      const float *x) {
  const float **to = k->at;

  for (size_t b = 0; b < q->blocks; b++) {
    const size_t rows = q->small + (b < q->larger);
    for (size_t i = 0; i < rows; i++) {
      point(to + i, k, o, x);
      next_spot(o, &k->v.w);
    }
    to += k->v.taps * OQ_LAST_ROWS;
  }
}

static void shift(const work *k, const cutting *q, size_t by) {
  const size_t n = q->blocks * k->v.taps * OQ_LAST_ROWS;

  for (size_t i = 0; i < n; i++)
    if (k->at[i] != k->zeros) k->at[i] += by;
}

/* All output channels of a group for the outputs of a chunk. */
static void group_blocks(const work *k, const cutting *q, float *y,
                         const float *packed, const float *bias) {
  const oq_conv *const c = k->v.c;
  const size_t all = vectors(c->out_ch), depth = c->in_ch * c->w.taps;
  oq_last_block b = {
      .taps = k->v.taps, .run = k->v.run, .y_step = c->groups * c->out_ch};
  size_t done = 0;

  for (size_t p = 0; done < c->out_ch; p++) {
    const size_t vecs = panel_vectors(all, p);
    const size_t cap = k->isa->rows[vecs - 1];
    float *to = y + done;
    b.w = packed;
    b.w_step = vecs * OQ_LAST_LANES;
    b.bias = bias + done;
    b.cols = min_size(b.w_step, c->out_ch - done);
    for (size_t i = 0; i < q->blocks; i++) {
      const size_t rows = q->small + (i < q->larger);
      const float *const *const at = k->at + i * k->v.taps * OQ_LAST_ROWS;
      const cutting s = cut_rows(rows, cap);
      size_t r = 0;
      for (size_t j = 0; j < s.blocks; j++) {
        const size_t n = s.small + (j < s.larger);
        b.at = at + r;
        b.y = to + r * b.y_step;
        k->isa->block(n, vecs, &b);
        r += n;
      }
      to += rows * b.y_step;
    }
    packed += depth * b.w_step;
    done += b.cols;
  }
}

static void depth_blocks(const work *k, const cutting *q, float *y,
                         const float *packed) {
  const size_t channels = k->v.c->groups;
  oq_last_block b = {.taps = k->v.taps,
                     .run = 1,
                     .w = packed,
                     .w_step = vectors(channels) * OQ_LAST_LANES,
                     .bias = k->bias,
                     .y_step = channels,
                     .cols = channels};

  for (size_t i = 0; i < q->blocks; i++) {
    const size_t rows = q->small + (i < q->larger);
    b.at = k->at + i * k->v.taps * OQ_LAST_ROWS;
    b.y = y;
    k->isa->depth(rows, &b);
    y += rows * channels;
  }
}

static void chunk(const work *k, const cutting *q, float *y,
                  const float *packed) {
  const oq_conv *const c = k->v.c;
  const size_t wide = vectors(c->out_ch) * OQ_LAST_LANES;

  if (k->v.depth) {
    depth_blocks(k, q, y, packed);
    return;
  }
  for (size_t g = 0; g < c->groups; g++) {
    group_blocks(k, q, y + g * c->out_ch,
                 packed + g * wide * c->in_ch * c->w.taps, k->bias + g * wide);
    if (g + 1 < c->groups) shift(k, q, c->in_ch);
  }
}

void oq_last_conv_f32_as(const oq_last_isa *isa, const oq_conv *c, float *y,
                         const float *x, const float *packed, const float *bias,
                         void *scratch) {
  const size_t n = c->w.out_size;
  work k;

  if (c->batch == 0 || n == 0) return;
  make_work(&k, c, isa, bias, scratch);
  const size_t most = k.v.blocks * k.v.rows;
  for (size_t b = 0; b < c->batch; b++) {
    spot o = {{0}};
    if (k.v.copied) fill_copy(&k, x);
    for (size_t first = 0; first < n; first += most) {
      const cutting q = cut_rows(min_size(most, n - first), k.v.rows);
      point_all(&k, &q, &o, k.v.copied ? k.copy : x);
      chunk(&k, &q, y + first * c->groups * c->out_ch, packed);
    }
    x += k.v.pixel * c->w.in_size;
    y += c->groups * c->out_ch * n;
  }
}

void oq_last_conv_f32(const oq_conv *c, float *y, const float *x,
                      const float *packed, const float *bias, void *scratch) {
  oq_last_conv_f32_as(oq_last_isa_best(), c, y, x, packed, bias, scratch);
}

/* ---- matrix product ------------------------------------------------------ */
void oq_last_pack_matrix(float *to, const float *b, size_t k, size_t n,
                         bool transposed) {
  size_t done = 0;

  if (transposed) {
    oq_last_pack(to, b, 1, k, n, 1);
    return;
  }
  for (size_t p = 0; done < n; p++) {
    const size_t wide = panel_vectors(vectors(n), p) * OQ_LAST_LANES;
    const size_t cols = min_size(wide, n - done);
    for (size_t i = 0; i < k; i++, to += wide) {
      memcpy(to, b + i * n + done, cols * sizeof *to);
      memset(to + cols, 0, (wide - cols) * sizeof *to);
    }
    done += cols;
  }
}

/* A convolution of one tap over m places. */
static oq_conv places(size_t m, size_t k, size_t n) {
  oq_conv c = {.batch = 1, .groups = 1, .in_ch = k, .out_ch = n};

  c.w.n = 1;
  c.w.axis[0] =
      (oq_axis){.in = m, .out = m, .kernel = 1, .stride = 1, .dilation = 1};
  oq_windows_finish(&c.w);
  return c;
}

size_t oq_last_matmul_scratch(size_t m, size_t k, size_t n) {
  const oq_conv c = places(m, k, n);

  return oq_last_conv_scratch(&c);
}

void oq_last_matmul_f32(size_t m, size_t k, size_t n, float *y, const float *a,
                        const float *packed, const float *bias, void *scratch) {
  const oq_conv c = places(m, k, n);

  oq_last_conv_f32(&c, y, a, packed, bias, scratch);
}

/* ---- layout -------------------------------------------------------------- */
enum { TILE = 16 };

#define TRANSPOSE(T)                                                          \
  static void transpose_##T(T *to, const T *from, size_t rows, size_t cols) { \
    for (size_t i0 = 0; i0 < rows; i0 += TILE)                                \
      for (size_t j0 = 0; j0 < cols; j0 += TILE)                              \
        for (size_t j = j0; j < min_size(j0 + TILE, cols); j++)               \
          for (size_t i = i0; i < min_size(i0 + TILE, rows); i++)             \
            to[j * rows + i] = from[i * cols + j];                            \
  }

TRANSPOSE(uint8_t)
TRANSPOSE(uint16_t)
TRANSPOSE(uint32_t)
TRANSPOSE(uint64_t)

void oq_last_transpose(void *to, const void *from, size_t batch, size_t rows,
                       size_t cols, size_t element) {
  const size_t bytes = rows * cols * element;
  uint8_t *d = to;
  const uint8_t *s = from;

  for (size_t b = 0; b < batch; b++, d += bytes, s += bytes) {
    if (rows == 1 || cols == 1) {
      memcpy(d, s, bytes);
      continue;
    }
    switch (element) {
      case 1:
        transpose_uint8_t(d, s, rows, cols);
        break;
      case 2:
        transpose_uint16_t((void *)d, (const void *)s, rows, cols);
        break;
      case 4:
        transpose_uint32_t((void *)d, (const void *)s, rows, cols);
        break;
      default:
        transpose_uint64_t((void *)d, (const void *)s, rows, cols);
        break;
    }
  }
}
