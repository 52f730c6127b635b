/* Signals: HannWindow, HammingWindow, BlackmanWindow, MelWeightMatrix, DFT,
 * STFT. */
#include <math.h>

#include "kern/k_fft.h"
#include "ops/op.h"
#include "ops/pick.h"
#include "ops/rules.h"
#include "ops/widen.h"

#define PI 3.14159265358979323846

typedef struct signal_params {
  int64_t dtype, periodic, axis, inverse, onesided;
} signal_params;

#define DTYPE OQ_A_I64(signal_params, dtype, "output_datatype", 1, 1, 26)
#define INVERSE OQ_A_I64(signal_params, inverse, "inverse", 0, 0, 1)
#define ONESIDED(dflt) OQ_A_I64(signal_params, onesided, "onesided", dflt, 0, 1)
static const oq_attr_def window_attrs[] = {
    DTYPE, OQ_A_I64(signal_params, periodic, "periodic", 1, 0, 1)};
static const oq_attr_def mel_attrs[] = {DTYPE};
static const oq_attr_def dft_17_attrs[] = {
    INVERSE, ONESIDED(0), OQ_A_AXIS(signal_params, axis, "axis", 1)};
static const oq_attr_def dft_20_attrs[] = {INVERSE, ONESIDED(0)};
static const oq_attr_def stft_attrs[] = {ONESIDED(1)};

static oq_status check_made(const oq_infer *x) {
  const int64_t t = ((const signal_params *)x->params)->dtype;

  if (oq_dtype_in((int32_t)t, OQ_DTM_NUMERIC)) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "op.dtype",
                       "'output_datatype' is %s, expected a type of numbers",
                       oq_dtype_text((int32_t)t));
}

/* ---- windows ------------------------------------------------------------- */
static oq_status window_infer(oq_infer *x) {
  const signal_params *const p = x->params;
  int64_t n;
  bool known;

  OQ_TRY(check_made(x));
  OQ_TRY(oq_rule_indices(x, 0));
  OQ_TRY(oq_pick_scalar(&n, &known, x, 0, 0));
  if (known && n < 0)
    return oq_infer_fail(x, OQ_E_MODEL, "window.size", "the size is %lld",
                         (long long)n);
  oq_infer_set_rank(x, 0, (oq_dtype)p->dtype, 1);
  if (known && x->n_out > 0) x->out[0].dim[0].size = n;
  return OQ_OK;
}

/* c[0] - c[1] cos(t) + c[2] cos(2 t), t from 0 to 2 pi.  A symmetric window of
 * one is 0/0, as the operator's text has it. */
static oq_status cosines(oq_run *r, const double c[3]) {
  const bool periodic = ((const signal_params *)r->params)->periodic != 0;
  const size_t n = (size_t)r->out[0].shape.dim[0];
  const double turn = (double)(periodic ? n : n - 1);

  for (size_t i = 0; i < n; i++) {
    const double t = 2 * PI * (double)i / turn;
    oq_element_set_f64(&r->out[0], i, c[0] - c[1] * cos(t) + c[2] * cos(2 * t));
  }
  return OQ_OK;
}

static oq_status hann_run(oq_run *r) {
  return cosines(r, (const double[]){0.5, 0.5, 0.0});
}
static oq_status hamming_run(oq_run *r) {
  return cosines(r, (const double[]){25.0 / 46.0, 21.0 / 46.0, 0.0});
}
static oq_status blackman_run(oq_run *r) {
  return cosines(r, (const double[]){0.42, 0.5, 0.08});
}

/* ---- MelWeightMatrix ----------------------------------------------------- */
static oq_status mel_infer(oq_infer *x) {
  const signal_params *const p = x->params;
  int64_t bins, length, rate;
  bool know_bins, know_length, known;
  double v;

  OQ_TRY(check_made(x));
  for (uint32_t i = 0; i < 3; i++) OQ_TRY(oq_rule_indices(x, i));
  OQ_TRY(oq_pick_scalar(&bins, &know_bins, x, 0, 0));
  OQ_TRY(oq_pick_scalar(&length, &know_length, x, 1, 0));
  OQ_TRY(oq_pick_scalar(&rate, &known, x, 2, 0));
  if ((know_bins && bins < 0) || (know_length && length < 0) ||
      (known && rate < 1))
    return oq_infer_fail(x, OQ_E_MODEL, "mel.size",
                         "a number of bins or samples is negative, or the "
                         "sample rate is not positive");
  OQ_TRY(oq_pick_scalar_f64(&v, &known, x, 3, 0));
  OQ_TRY(oq_pick_scalar_f64(&v, &known, x, 4, 0));
  oq_infer_set_rank(x, 0, (oq_dtype)p->dtype, 2);
  if (x->n_out == 0) return OQ_OK;
  if (know_length) x->out[0].dim[0].size = length / 2 + 1;
  if (know_bins) x->out[0].dim[1].size = bins;
  return OQ_OK;
}

static double mel_of_hertz(double f) { return 2595.0 * log10(1.0 + f / 700.0); }
static double hertz_of_mel(double m) {
  return 700.0 * (pow(10.0, m / 2595.0) - 1.0);
}

/* Spectrum bin at which triangle i begins; false if there is none. */
static bool mel_edge(size_t *out, const oq_run *r, size_t i) {
  const double low = mel_of_hertz(oq_pick_run_scalar_f64(r, 3, 0));
  const double high = mel_of_hertz(oq_pick_run_scalar_f64(r, 4, 0));
  const double step = (high - low) / (double)(r->out[0].shape.dim[1] + 2);
  const double length = (double)oq_pick_run_scalar(r, 1, 0);
  const double v = floor((length + 1) * hertz_of_mel(low + step * (double)i) /
                         (double)oq_pick_run_scalar(r, 2, 1));

  if (!(v >= 0) || !(v < (double)r->out[0].shape.dim[0])) return false;
  *out = (size_t)v;
  return true;
}

/* Column i: a triangle over three edges. */
static void mel_triangle(oq_tensor *y, size_t i, const size_t edge[3]) {
  const size_t columns = (size_t)y->shape.dim[1];
  const double rise = (double)(edge[1] - edge[0]);
  const double fall = (double)(edge[2] - edge[1]);

  if (rise == 0) oq_element_set_f64(y, edge[1] * columns + i, 1.0);
  for (size_t k = edge[0]; rise > 0 && k <= edge[1]; k++)
    oq_element_set_f64(y, k * columns + i, (double)(k - edge[0]) / rise);
  for (size_t k = edge[1]; fall > 0 && k < edge[2]; k++)
    oq_element_set_f64(y, k * columns + i, (double)(edge[2] - k) / fall);
}

static oq_status mel_run(oq_run *r) {
  const size_t n = (size_t)r->out[0].shape.dim[1];

  if (r->out[0].size == 0) return OQ_OK;
  memset(r->out[0].data, 0, r->out[0].size);
  for (size_t i = 0; i < n; i++) {
    size_t edge[3];
    for (size_t k = 0; k < 3; k++)
      if (!mel_edge(&edge[k], r, i + k) || (k > 0 && edge[k] < edge[k - 1]))
        return oq_run_fail(r, OQ_E_DATA, "mel.edges",
                           "the frequencies do not rise within the spectrum");
    mel_triangle(&r->out[0], i, edge);
  }
  return OQ_OK;
}

/* ---- DFT ----------------------------------------------------------------- */
static oq_status check_signal(const oq_infer *x, const oq_type *t,
                              uint32_t least) {
  const int64_t last = t->rank > 0 ? t->dim[t->rank - 1].size : 0;

  if (t->rank >= least && (last == OQ_DIM_UNKNOWN || last == 1 || last == 2))
    return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "dft.shape",
                       "the signal has rank %u and a last dimension of %lld, "
                       "expected at least %u, and 1 or 2",
                       t->rank, (long long)last, least);
}

static oq_status dft_axis(uint32_t *out, bool *known, const oq_infer *x,
                          uint32_t rank) {
  int64_t axis = ((const signal_params *)x->params)->axis;

  *known = true;
  if (x->opset >= 20) OQ_TRY(oq_pick_scalar(&axis, known, x, 2, -2));
  if (!*known) return OQ_OK;
  OQ_TRY(oq_rule_axis(out, x, axis, rank));
  if (*out + 1 < rank) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "op.axis",
                       "axis %lld is that of the complex numbers",
                       (long long)axis);
}

/* Length of the transform; unknown: -1. */
static oq_status dft_length(int64_t *out, const oq_infer *x, int64_t dim) {
  const signal_params *const p = x->params;
  bool known;

  *out = OQ_DIM_UNKNOWN;
  OQ_TRY(oq_pick_scalar(out, &known, x, 1, OQ_DIM_UNKNOWN));
  if (!known) return OQ_OK;
  const bool given = x->n_in > 1 && oq_value_ok(x->node->in[1]);
  if (!given) {
    if (dim == OQ_DIM_UNKNOWN) return OQ_OK;
    *out = dim;
    if (p->inverse != 0 && p->onesided != 0 && !oq_mul_i64(out, 2, dim - 1))
      *out = 0;
  }
  if (*out >= 1) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "dft.length",
                       "the length of the transform is %lld, expected 1 or "
                       "more",
                       (long long)*out);
}

static oq_status dft_infer(oq_infer *x) {
  const signal_params *const p = x->params;
  const oq_type *const t = oq_rule_ranked(x, 0);
  uint32_t axis;
  int64_t n;
  bool known;

  OQ_TRY(oq_rule_indices(x, 1));
  OQ_TRY(oq_rule_dtype(x));
  if (t == NULL) return OQ_OK;
  OQ_TRY(check_signal(x, t, 2));
  oq_infer_set_rank(x, 0, t->dtype, t->rank);
  OQ_TRY(dft_axis(&axis, &known, x, t->rank));
  if (!known) return OQ_OK;
  OQ_TRY(dft_length(&n, x, t->dim[axis].size));
  memcpy(x->out[0].dim, t->dim, sizeof t->dim);
  const bool half = p->onesided != 0 && p->inverse == 0;
  x->out[0].dim[axis] =
      (oq_dim){.size = n != OQ_DIM_UNKNOWN && half ? n / 2 + 1 : n};
  x->out[0].dim[t->rank - 1] =
      (oq_dim){.size = p->onesided != 0 && p->inverse != 0 ? 1 : 2};
  return OQ_OK;
}

static oq_status plan(oq_fft *f, double **line, const oq_run *r, size_t n) {
  double *room = NULL;
  size_t size;

  if (!oq_fft_room(&size, n))
    return oq_run_fail(r, OQ_E_LIMIT, "dft.length",
                       "a transform of %zu numbers is too long", n);
  room = oq_arena_alloc_raw(r->scratch, size, sizeof *room, OQ_ALIGN);
  *line = oq_arena_alloc_raw(r->scratch, n, 2 * sizeof **line, OQ_ALIGN);
  if (room == NULL || *line == NULL) return oq_fail_memory(r->diags);
  oq_fft_plan(f, n, room);
  return OQ_OK;
}

/* One line of a signal: element k is at x[k * step], `parts` numbers each. */
typedef struct line_in {
  const double *x;
  size_t n, step, parts;
} line_in;

/* Cut or padded with zeros to n; conjugated for the way back. */
static void load_line(double *to, const line_in *l, size_t n, bool conjugate) {
  for (size_t k = 0; k < n; k++) {
    const bool is = k < l->n;
    to[2 * k] = is ? l->x[k * l->step] : 0.0;
    to[2 * k + 1] = is && l->parts == 2 ? l->x[k * l->step + 1] : 0.0;
    if (conjugate) to[2 * k + 1] = -to[2 * k + 1];
  }
}

/* The second half of the spectrum of a real signal. */
static void complete(double *x, size_t n) {
  for (size_t k = n / 2 + 1; k < n; k++) {
    x[2 * k] = x[2 * (n - k)];
    x[2 * k + 1] = -x[2 * (n - k) + 1];
  }
}

static oq_status dft_run(oq_run *r) {
  const signal_params *const p = r->params;
  const oq_shape *const s = &r->in[0]->shape, *const o = &r->out[0].shape;
  const bool back = p->inverse != 0;
  const double *x;
  double *y, *line;
  uint32_t axis;
  oq_fft f;

  if (r->out[0].size == 0) return OQ_OK;
  (void)oq_axis_normalize(
      &axis, r->opset >= 20 ? oq_pick_run_scalar(r, 2, -2) : p->axis, s->rank);
  const size_t parts = (size_t)s->dim[s->rank - 1];
  const size_t out_parts = (size_t)o->dim[s->rank - 1];
  const int64_t dflt =
      back && p->onesided != 0 ? 2 * (s->dim[axis] - 1) : s->dim[axis];
  const size_t n = (size_t)oq_pick_run_scalar(r, 1, dflt);
  const size_t n_out = (size_t)o->dim[axis];
  const size_t inner = oq_dims_product(s, axis + 1, s->rank - 1);
  const size_t outer = oq_dims_product(s, 0, axis);
  OQ_TRY(plan(&f, &line, r, n));
  OQ_TRY(oq_widen_in_f64(&x, r, r->in[0]));
  OQ_TRY(oq_widen_out_f64(&y, r, 0));
  for (size_t i = 0; i < outer * inner; i++) {
    const size_t a = i / inner, b = i % inner;
    const line_in in = {x + (a * (size_t)s->dim[axis] * inner + b) * parts,
                        (size_t)s->dim[axis], inner * parts, parts};
    double *const to = y + (a * n_out * inner + b) * out_parts;
    load_line(line, &in, n, back);
    if (back && p->onesided != 0) complete(line, n);
    oq_fft_run(&f, line);
    for (size_t k = 0; k < n_out; k++) {
      double *const at = to + k * inner * out_parts;
      at[0] = back ? line[2 * k] / (double)n : line[2 * k];
      if (out_parts == 2)
        at[1] = back ? -line[2 * k + 1] / (double)n : line[2 * k + 1];
    }
  }
  oq_widen_done_f64(r, 0, y);
  return OQ_OK;
}

/* ---- STFT ---------------------------------------------------------------- */
/* Samples of a frame: said, or those of the window, or all. */
static oq_status frame_length(int64_t *out, const oq_infer *x,
                              const oq_type *t) {
  const oq_type *const w = oq_rule_ranked(x, 2);
  const bool has_window = x->n_in > 2 && oq_value_ok(x->node->in[2]);
  const bool given = x->n_in > 3 && oq_value_ok(x->node->in[3]);
  bool known;

  if (w != NULL && w->rank != 1)
    return oq_infer_fail(x, OQ_E_MODEL, "op.rank",
                         "the window has rank %u, expected 1", w->rank);
  OQ_TRY(oq_pick_scalar(out, &known, x, 3, OQ_DIM_UNKNOWN));
  if (given && !known) *out = OQ_DIM_UNKNOWN;
  if (given && known && *out < 1)
    return oq_infer_fail(x, OQ_E_MODEL, "stft.length",
                         "a frame has %lld samples", (long long)*out);
  if (!given && has_window && w != NULL) *out = w->dim[0].size;
  if (!given && !has_window) *out = t->dim[1].size;
  if (has_window && w != NULL)
    OQ_TRY(oq_pick_same_dim(x, w->dim[0], (oq_dim){.size = *out},
                            "window and frame"));
  return OQ_OK;
}

/* [batch][samples][1 or 2]; onnxruntime takes real ones without the 1, too. */
static oq_status check_frames(const oq_infer *x, const oq_type *t) {
  if (t->rank == 2) return OQ_OK;
  OQ_TRY(check_signal(x, t, 3));
  if (t->rank == 3) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "op.rank",
                       "the signal has rank %u, expected 3", t->rank);
}

static oq_status stft_infer(oq_infer *x) {
  const bool half = ((const signal_params *)x->params)->onesided != 0;
  const oq_type *const t = oq_rule_ranked(x, 0);
  int64_t step, length;
  bool known;

  OQ_TRY(oq_rule_indices(x, 1));
  OQ_TRY(oq_rule_indices(x, 3));
  OQ_TRY(oq_rule_dtype(x));
  OQ_TRY(oq_pick_scalar(&step, &known, x, 1, 0));
  if (known && step < 1)
    return oq_infer_fail(x, OQ_E_MODEL, "stft.step",
                         "the step between frames is %lld", (long long)step);
  if (t == NULL) return OQ_OK;
  OQ_TRY(check_frames(x, t));
  oq_infer_set_rank(x, 0, t->dtype, 4);
  x->out[0].dim[0] = t->dim[0];
  x->out[0].dim[3].size = 2;
  OQ_TRY(frame_length(&length, x, t));
  if (length == OQ_DIM_UNKNOWN) return OQ_OK;
  x->out[0].dim[2].size = half ? length / 2 + 1 : length;
  if (t->dim[1].size == OQ_DIM_UNKNOWN || !known) return OQ_OK;
  if (length < 1 || length > t->dim[1].size)
    return oq_infer_fail(x, OQ_E_MODEL, "stft.length",
                         "frames of %lld samples meet a signal of %lld",
                         (long long)length, (long long)t->dim[1].size);
  x->out[0].dim[1].size = (t->dim[1].size - length) / step + 1;
  return OQ_OK;
}

static oq_status stft_run(oq_run *r) {
  const oq_shape *const s = &r->in[0]->shape, *const o = &r->out[0].shape;
  const oq_ctensor *const w = oq_pick_input(r, 2);
  const int64_t dflt = w != NULL ? w->shape.dim[0] : s->dim[1];
  const size_t n = (size_t)oq_pick_run_scalar(r, 3, dflt);
  const size_t step = (size_t)oq_pick_run_scalar(r, 1, 1);
  const size_t samples = (size_t)s->dim[1];
  const size_t parts = s->rank == 2 ? 1 : (size_t)s->dim[2];
  const size_t frames = (size_t)o->dim[1], bins = (size_t)o->dim[2];
  const double *x, *window;
  double *y, *line;
  oq_fft f;

  if (r->out[0].size == 0) return OQ_OK;
  OQ_TRY(plan(&f, &line, r, n));
  OQ_TRY(oq_widen_in_f64(&x, r, r->in[0]));
  OQ_TRY(oq_widen_in_f64(&window, r, w));
  OQ_TRY(oq_widen_out_f64(&y, r, 0));
  for (size_t i = 0; i < (size_t)o->dim[0] * frames; i++) {
    const size_t at = i / frames * samples + i % frames * step;
    const line_in in = {x + at * parts, n, parts, parts};
    load_line(line, &in, n, false);
    for (size_t k = 0; window != NULL && k < 2 * n; k++)
      line[k] *= window[k / 2];
    oq_fft_run(&f, line);
    memcpy(y + i * bins * 2, line, bins * 2 * sizeof *line);
  }
  oq_widen_done_f64(r, 0, y);
  return OQ_OK;
}

/* ---- table --------------------------------------------------------------- */
#define ROW(op, from, to, least, most, table)                      \
  .domain = "", .name = (op), .since = (from), .last = (to),       \
  .min_in = (least), .max_in = (most), .min_out = 1, .max_out = 1, \
  .params_size = sizeof(signal_params), OQ_ATTRS(table)
#define WINDOW(op, f)                                                         \
  {                                                                           \
    ROW(op, 17, 27, 1, 1, window_attrs), .dtypes = OQ_DTM(I32) | OQ_DTM(I64), \
                                         .infer = window_infer, .run = (f),   \
                                         .quant = {                           \
                                           .cls = OQ_Q_NEVER,                 \
                                           .role = {OQ_ROLE_INDEX}            \
                                         }                                    \
  }
#define SPECTRUM(rule, f)                              \
  .dtypes = OQ_DTM_FLOAT, .infer = (rule), .run = (f), \
  .quant = {.cls = OQ_Q_MAP, .role = {OQ_ROLE_DATA, OQ_ROLE_INDEX}}

static const oq_op_def defs[] = {
    WINDOW("HannWindow", hann_run),
    WINDOW("HammingWindow", hamming_run),
    WINDOW("BlackmanWindow", blackman_run),
    {ROW("MelWeightMatrix", 17, 27, 5, 5, mel_attrs),
     .dtypes = OQ_DTM(I32) | OQ_DTM(I64), .infer = mel_infer, .run = mel_run,
     .quant = {.cls = OQ_Q_NEVER, .role = {OQ_ROLE_INDEX}}},
    {ROW("DFT", 17, 19, 1, 2, dft_17_attrs), SPECTRUM(dft_infer, dft_run)},
    {ROW("DFT", 20, 27, 1, 3, dft_20_attrs), SPECTRUM(dft_infer, dft_run)},
    {ROW("STFT", 17, 27, 2, 4, stft_attrs), SPECTRUM(stft_infer, stft_run)},
};

OQ_FAMILY(signal, defs);
