/* ops/window - see window.h. */
#include "ops/window.h"

const char *const oq_window_auto_pads[] = {"NOTSET", "SAME_UPPER", "SAME_LOWER",
                                           "VALID", NULL};

/* ---- attributes ---------------------------------------------------------- */
static oq_status check_list(const oq_graph *g, const oq_node *n,
                            const char *name, const oq_i64s *v, int64_t least,
                            oq_diags *d) {
  oq_where w = oq_node_where(g, (oq_node_id){(uint32_t)(n - g->nodes)});

  w.attr = name;
  for (uint32_t i = 0; i < v->n; i++)
    if (v->v[i] < least)
      return oq_fail(d, OQ_E_MODEL, "window.attr", &w,
                     "attribute '%s' holds %lld, expected at least %lld", name,
                     (long long)v->v[i], (long long)least);
  return OQ_OK;
}

oq_status oq_window_check(const oq_graph *g, const oq_node *n,
                          const oq_window_params *p, oq_diags *d) {
  OQ_TRY(check_list(g, n, "kernel_shape", &p->kernel, 1, d));
  OQ_TRY(check_list(g, n, "strides", &p->strides, 1, d));
  OQ_TRY(check_list(g, n, "dilations", &p->dilations, 1, d));
  return check_list(g, n, "pads", &p->pads, 0, d);
}

static oq_status check_count(const oq_infer *x, const char *name,
                             const oq_i64s *v, uint32_t expected) {
  if (v->n == 0 || v->n == expected) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "window.attr",
                       "attribute '%s' has %u values, expected %u", name, v->n,
                       expected);
}

oq_status oq_window_check_rank(const oq_infer *x, const oq_window_params *p,
                               uint32_t axes) {
  if (axes == 0 || axes > OQ_WINDOW_AXES)
    return oq_infer_fail(x, axes == 0 ? OQ_E_MODEL : OQ_E_UNSUPPORTED,
                         "window.rank",
                         "the input has %u spatial axes, expected 1 to %u",
                         axes, (unsigned)OQ_WINDOW_AXES);
  OQ_TRY(check_count(x, "kernel_shape", &p->kernel, axes));
  OQ_TRY(check_count(x, "strides", &p->strides, axes));
  OQ_TRY(check_count(x, "dilations", &p->dilations, axes));
  return check_count(x, "pads", &p->pads, 2 * axes);
}

/* ---- an axis ------------------------------------------------------------- */
static int64_t value_at(const oq_i64s *v, uint32_t i, int64_t dflt) {
  return i < v->n ? v->v[i] : dflt;
}

/* Positions that `kernel` taps span; false if it wraps. */
static bool span_of(int64_t *out, int64_t kernel, int64_t dilation) {
  int64_t n;

  if (!oq_mul_i64(&n, kernel - 1, dilation)) return false;
  return oq_add_i64(out, n, 1);
}

/* SAME: as many outputs as strides fit into the input. */
static bool same_pads(int64_t *head, int64_t *tail, bool upper, int64_t in,
                      int64_t span, int64_t stride) {
  const int64_t out = in / stride + (in % stride != 0);
  int64_t need = 0;

  *head = *tail = 0;
  if (out == 0) return true;
  if (!oq_mul_i64(&need, out - 1, stride) || !oq_add_i64(&need, need, span) ||
      !oq_sub_i64(&need, need, in))
    return false;
  if (need < 0) need = 0;
  *head = upper ? need / 2 : need - need / 2;
  *tail = need - *head;
  return true;
}

static bool find_pads(int64_t *head, int64_t *tail, const oq_window_params *p,
                      uint32_t i, int64_t in, int64_t span, int64_t stride) {
  if (p->auto_pad == OQ_PAD_SAME_UPPER || p->auto_pad == OQ_PAD_SAME_LOWER)
    return same_pads(head, tail, p->auto_pad == OQ_PAD_SAME_UPPER, in, span,
                     stride);
  const bool given = p->auto_pad == OQ_PAD_NOTSET;
  *head = given ? value_at(&p->pads, i, 0) : 0;
  *tail = given ? value_at(&p->pads, i + p->pads.n / 2, 0) : 0;
  return true;
}

oq_status oq_window_axis(oq_axis *out, size_t *tail, const oq_window_params *p,
                         uint32_t i, int64_t in, int64_t kernel,
                         oq_rounding rounding) {
  const int64_t stride = value_at(&p->strides, i, 1);
  const int64_t dilation = value_at(&p->dilations, i, 1);
  int64_t span, head, end, padded, room, n;

  if (kernel < 1 || in < 0) return OQ_E_MODEL;
  if (!span_of(&span, kernel, dilation) ||
      !find_pads(&head, &end, p, i, in, span, stride) ||
      !oq_add_i64(&padded, in, head) || !oq_add_i64(&padded, padded, end))
    return OQ_E_LIMIT;
  if (!oq_sub_i64(&room, padded, span)) return OQ_E_LIMIT;
  n = room < 0 ? 0 : room / stride + 1;
  if (rounding == OQ_ROUND_CEIL && room > -stride && room % stride != 0 &&
      n <= (in + head - 1) / stride) /* n * stride < in + head */
    n++;
  if (n < 1) return OQ_E_MODEL;
  *out = (oq_axis){.in = (size_t)in,
                   .out = (size_t)n,
                   .kernel = (size_t)kernel,
                   .stride = (size_t)stride,
                   .dilation = (size_t)dilation,
                   .pad = (size_t)head};
  if (tail != NULL) *tail = (size_t)end;
  return OQ_OK;
}

oq_status oq_window_fail(const oq_infer *x, oq_status s, uint32_t i) {
  if (s == OQ_E_LIMIT)
    return oq_infer_fail(x, s, "window.size",
                         "sizes along spatial axis %u are too large", i);
  return oq_infer_fail(x, s, "window.size",
                       "the window does not fit into the padded input along "
                       "spatial axis %u",
                       i);
}
