/* Attention, RotaryEmbedding, LinearAttention and CausalConvWithState of the
 * default domain. */
#include <math.h>
#include <string.h>

#include "kern/k_attend.h"
#include "kern/k_math.h"
#include "ops/op.h"
#include "ops/rules.h"
#include "ops/widen.h"

/* ---- what the rules share ------------------------------------------------ */
static oq_status differ(const oq_infer *x, const char *what, oq_dim a,
                        oq_dim b) {
  return oq_infer_fail(x, OQ_E_MODEL, "attention.shape",
                       "%s is %lld in one input and %lld in another one", what,
                       (long long)a.size, (long long)b.size);
}

static oq_status unify(const oq_infer *x, oq_dim *to, oq_dim d,
                       const char *what) {
  if (d.size == OQ_DIM_UNKNOWN) {
    if (to->size == OQ_DIM_UNKNOWN && to->symbol.i == 0) *to = d;
    return OQ_OK;
  }
  if (to->size != OQ_DIM_UNKNOWN && to->size != d.size)
    return differ(x, what, *to, d);
  *to = d;
  return OQ_OK;
}

static oq_status expect_rank(const oq_infer *x, uint32_t i, uint32_t rank) {
  const oq_type *const t = oq_rule_ranked(x, i);

  if (t == NULL || t->rank == rank) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "attention.rank",
                       "input %u has rank %u, expected %u", i, t->rank, rank);
}

static oq_status unify_dim(const oq_infer *x, oq_dim *to, uint32_t i,
                           uint32_t k, const char *what) {
  const oq_type *const t = oq_rule_ranked(x, i);

  return t == NULL ? OQ_OK : unify(x, to, t->dim[k], what);
}

/* d / by, or d * by; unknown stays unknown. */
static oq_status divided(const oq_infer *x, oq_dim *out, oq_dim d, int64_t by,
                         const char *what) {
  *out = (oq_dim){.size = OQ_DIM_UNKNOWN};
  if (d.size == OQ_DIM_UNKNOWN || by < 1) return OQ_OK;
  if (d.size % by != 0)
    return oq_infer_fail(x, OQ_E_MODEL, "attention.shape",
                         "%s: %lld cannot be divided into %lld heads", what,
                         (long long)d.size, (long long)by);
  out->size = d.size / by;
  return OQ_OK;
}

static oq_dim times(oq_dim a, oq_dim b) {
  oq_dim y = {.size = OQ_DIM_UNKNOWN};
  int64_t n;

  if (a.size != OQ_DIM_UNKNOWN && b.size != OQ_DIM_UNKNOWN &&
      oq_mul_i64(&n, a.size, b.size))
    y.size = n;
  return y;
}

static oq_dim plus(oq_dim a, oq_dim b) {
  oq_dim y = {.size = OQ_DIM_UNKNOWN};
  int64_t n;

  if (a.size != OQ_DIM_UNKNOWN && b.size != OQ_DIM_UNKNOWN &&
      oq_add_i64(&n, a.size, b.size))
    y.size = n;
  return y;
}

static void set_out(oq_infer *x, uint32_t i, oq_dtype t, uint32_t rank,
                    const oq_dim *d) {
  if (i >= x->n_out || t == OQ_DT_NONE) return;
  oq_infer_set_rank(x, i, t, rank);
  memcpy(x->out[i].dim, d, rank * sizeof *d);
}

static bool has_in(const oq_infer *x, uint32_t i) {
  return i < x->n_in && oq_value_ok(x->node->in[i]);
}

static const oq_ctensor *input(const oq_run *r, uint32_t i) {
  return i < r->n_in ? r->in[i] : NULL;
}

static oq_status check_float(const oq_infer *x, uint32_t i) {
  const oq_dtype t = oq_infer_dtype(x, i);

  if (t == OQ_DT_NONE || oq_dtype_is_float((int32_t)t)) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "op.dtype",
                       "input %u is %s, expected floating point", i,
                       oq_dtype_text((int32_t)t));
}

/* ---- Attention ----------------------------------------------------------- */
typedef struct attention_params {
  int64_t causal, kv_heads, q_heads, mode, precision, left, right;
  float scale, softcap;
  bool has_scale;
} attention_params;

#define P attention_params
static const oq_attr_def attention_attrs[] = {
    OQ_A_I64(P, causal, "is_causal", 0, 1, 0),
    OQ_A_I64(P, kv_heads, "kv_num_heads", 0, 0, INT32_MAX),
    OQ_A_I64(P, q_heads, "q_num_heads", 0, 0, INT32_MAX),
    OQ_A_I64(P, mode, "qk_matmul_output_mode", 0, 0, 3),
    {.name = "scale",
     .kind = OQ_ATTR_F32,
     .offset = offsetof(P, scale),
     .set_offset = offsetof(P, has_scale),
     .min = 1,
     .max = 0},
    OQ_A_F32(P, softcap, "softcap", 0.0),
    OQ_A_I64(P, precision, "softmax_precision", 0, 1, 0),
    OQ_A_I64(P, left, "left_window_size", -1, -1, INT64_MAX),
    OQ_A_I64(P, right, "right_window_size", -1, -1, INT64_MAX),
};
#undef P
enum { ATTENTION_ATTRS_23 = 7, ATTENTION_ATTRS_25 = 9 };

enum { MASK = 3, PAST_K, PAST_V, VALID };

/* Below 25 there are no windows; zeroed params would be windows of one. */
static oq_status attention_check(const oq_graph *g, const oq_node *n,
                                 void *params, oq_diags *d) {
  attention_params *const p = params;

  (void)g, (void)d;
  if (n->def->since < 25) p->left = p->right = -1;
  return OQ_OK;
}

typedef struct attention_dims {
  oq_dim batch, q_heads, kv_heads, q_len, k_len, past, head, v_head;
} attention_dims;

/* Rank 4: batch, heads, length, size; rank 3: batch, length, heads * size. */
static oq_status read_heads(const oq_infer *x, attention_dims *d, uint32_t i,
                            oq_dim *heads, oq_dim *len, oq_dim *size) {
  const oq_type *const t = oq_rule_ranked(x, i);
  oq_dim part;

  if (t == NULL) return OQ_OK;
  if (t->rank != 3 && t->rank != 4)
    return oq_infer_fail(x, OQ_E_MODEL, "attention.rank",
                         "input %u has rank %u, expected 3 or 4", i, t->rank);
  OQ_TRY(unify(x, &d->batch, t->dim[0], "the batch size"));
  if (t->rank == 4) {
    OQ_TRY(unify(x, heads, t->dim[1], "the number of heads"));
    OQ_TRY(unify(x, len, t->dim[2], "the sequence length"));
    return unify(x, size, t->dim[3], "the head size");
  }
  OQ_TRY(unify(x, len, t->dim[1], "the sequence length"));
  OQ_TRY(divided(x, &part, t->dim[2], heads->size, "the hidden size"));
  return unify(x, size, part, "the head size");
}

static oq_status read_past(const oq_infer *x, attention_dims *d) {
  for (uint32_t i = PAST_K; i <= PAST_V; i++) {
    OQ_TRY(expect_rank(x, i, 4));
    OQ_TRY(unify_dim(x, &d->batch, i, 0, "the batch size"));
    OQ_TRY(unify_dim(x, &d->kv_heads, i, 1, "the number of heads"));
    OQ_TRY(unify_dim(x, &d->past, i, 2, "the past length"));
    OQ_TRY(unify_dim(x, i == PAST_K ? &d->head : &d->v_head, i, 3,
                     "the head size"));
  }
  return OQ_OK;
}

static oq_status check_heads(const oq_infer *x, const attention_dims *d) {
  const int64_t q = d->q_heads.size, kv = d->kv_heads.size;

  if (q == 0 || kv == 0 || d->head.size == 0)
    return oq_infer_fail(x, OQ_E_MODEL, "attention.heads",
                         "the number of heads or their size is 0");
  if (q == OQ_DIM_UNKNOWN || kv == OQ_DIM_UNKNOWN || q % kv == 0) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "attention.heads",
                       "%lld query heads cannot share %lld key heads",
                       (long long)q, (long long)kv);
}

/* All but the last dim broadcast; that one may also be shorter. */
static oq_status check_mask(const oq_infer *x, const attention_dims *d,
                            oq_dim total) {
  const oq_type *const t = oq_rule_ranked(x, MASK);
  const oq_dim want[] = {d->batch, d->q_heads, d->q_len, total};

  if (t == NULL) return OQ_OK;
  if (t->rank == 0 || t->rank > 4)
    return oq_infer_fail(x, OQ_E_MODEL, "attention.mask",
                         "the mask has rank %u, expected 1 to 4", t->rank);
  for (uint32_t i = 0; i < t->rank; i++) {
    const int64_t n = t->dim[i].size, w = want[4 - t->rank + i].size;
    const bool last = i + 1 == t->rank;
    if (n == OQ_DIM_UNKNOWN || w == OQ_DIM_UNKNOWN || n == 1 || n == w ||
        (last && n < w && x->opset >= 24))
      continue;
    return oq_infer_fail(x, OQ_E_MODEL, "attention.mask",
                         "dimension %u of the mask is %lld where the product "
                         "of queries and keys has %lld",
                         i, (long long)n, (long long)w);
  }
  return OQ_OK;
}

static oq_status check_attention_inputs(const oq_infer *x) {
  const oq_type *const v = oq_rule_ranked(x, VALID);
  const oq_dtype t = oq_infer_dtype(x, VALID);

  for (uint32_t i = 0; i < x->n_in && i < VALID; i++)
    if (i != MASK) OQ_TRY(check_float(x, i));
  OQ_TRY(oq_infer_same_dtypes(x, 0, 2));
  if (has_in(x, PAST_K) != has_in(x, PAST_V))
    return oq_infer_fail(x, OQ_E_MODEL, "attention.past",
                         "past keys and values are not used together");
  if (has_in(x, PAST_K) && has_in(x, VALID))
    return oq_infer_fail(x, OQ_E_MODEL, "attention.past",
                         "past keys and numbers of valid keys exclude each "
                         "other");
  if (t != OQ_DT_NONE && t != OQ_DT_I64)
    return oq_infer_fail(x, OQ_E_MODEL, "op.dtype",
                         "input 6 is %s, expected int64",
                         oq_dtype_text((int32_t)t));
  if (v != NULL && v->rank != 1) return expect_rank(x, VALID, 1);
  return OQ_OK;
}

static oq_status read_attention(const oq_infer *x, attention_dims *d) {
  const attention_params *const p = x->params;
  const oq_dim unknown = {.size = OQ_DIM_UNKNOWN};

  *d = (attention_dims){unknown, unknown, unknown, unknown,
                        unknown, unknown, unknown, unknown};
  if (!has_in(x, PAST_K)) d->past.size = 0;
  if (p->q_heads > 0) d->q_heads.size = p->q_heads;
  if (p->kv_heads > 0) d->kv_heads.size = p->kv_heads;
  for (uint32_t i = 0; i < 3; i++) { /* each may have a rank of its own */
    const oq_type *const t = oq_rule_ranked(x, i);
    if (t != NULL && t->rank == 3 && (p->q_heads < 1 || p->kv_heads < 1))
      return oq_infer_fail(x, OQ_E_MODEL, "attention.heads",
                           "inputs of rank 3 need the attributes "
                           "'q_num_heads' and 'kv_num_heads'");
  }
  OQ_TRY(read_heads(x, d, 0, &d->q_heads, &d->q_len, &d->head));
  OQ_TRY(read_heads(x, d, 1, &d->kv_heads, &d->k_len, &d->head));
  OQ_TRY(read_heads(x, d, 2, &d->kv_heads, &d->k_len, &d->v_head));
  OQ_TRY(read_past(x, d));
  OQ_TRY(unify_dim(x, &d->batch, VALID, 0, "the batch size"));
  return check_heads(x, d);
}

static oq_status attention_infer(oq_infer *x) {
  const oq_type *const q = oq_rule_ranked(x, 0);
  const oq_dtype t = oq_infer_dtype(x, 0);
  oq_dtype tv = oq_infer_dtype(x, 2);
  attention_dims d;

  OQ_TRY(check_attention_inputs(x));
  OQ_TRY(read_attention(x, &d));
  const oq_dim total = plus(d.past, d.k_len);
  OQ_TRY(check_mask(x, &d, total));
  if (has_in(x, PAST_V) && oq_infer_dtype(x, PAST_V) != OQ_DT_NONE)
    tv = oq_infer_dtype(x, PAST_V);
  const oq_dim three[] = {d.batch, d.q_len, times(d.q_heads, d.v_head)};
  const oq_dim four[] = {d.batch, d.q_heads, d.q_len, d.v_head};
  const oq_dim key[] = {d.batch, d.kv_heads, total, d.head};
  const oq_dim value[] = {d.batch, d.kv_heads, total, d.v_head};
  const oq_dim qk[] = {d.batch, d.q_heads, d.q_len, total};
  if (q == NULL && t != OQ_DT_NONE) oq_infer_set_dtype(x, 0, t);
  if (q != NULL) set_out(x, 0, t, q->rank, q->rank == 3 ? three : four);
  set_out(x, 1, t, 4, key);
  set_out(x, 2, tv, 4, value);
  set_out(x, 3, t, 4, qk);
  return OQ_OK;
}

/* Numbers of a tensor in the type worked in; NULL for none. */
static oq_status take(const void **out, const oq_run *r, const oq_ctensor *t,
                      bool f64) {
  const float *f;
  const double *d;

  if (f64) {
    OQ_TRY(oq_widen_in_f64(&d, r, t));
    *out = d;
  } else {
    OQ_TRY(oq_widen_in(&f, r, t));
    *out = f;
  }
  return OQ_OK;
}

static oq_status give(void **out, const oq_run *r, uint32_t i, bool f64) {
  float *f;
  double *d;

  *out = NULL;
  if (i >= r->n_out || r->out[i].data == NULL) return OQ_OK;
  if (f64) {
    OQ_TRY(oq_widen_out_f64(&d, r, i));
    *out = d;
  } else {
    OQ_TRY(oq_widen_out(&f, r, i));
    *out = f;
  }
  return OQ_OK;
}

static void given(const oq_run *r, uint32_t i, const void *v, bool f64) {
  if (v == NULL) return;
  if (f64)
    oq_widen_done_f64(r, i, v);
  else
    oq_widen_done(r, i, v);
}

/* Strides of rank 4 and rank 3 alike. */
static void heads_of(oq_heads *h, size_t *n_heads, size_t *len, size_t *size,
                     const void *data, const oq_shape *s, size_t heads) {
  const size_t d1 = (size_t)s->dim[1], d2 = (size_t)s->dim[2];

  h->data = data;
  if (s->rank == 4) {
    *n_heads = d1;
    *len = d2;
    *size = (size_t)s->dim[3];
    h->row = *size;
    h->head = *len * *size;
    h->batch = d1 * h->head;
  } else {
    *n_heads = heads;
    *len = d1;
    *size = d2 / heads;
    h->row = d2;
    h->head = *size;
    h->batch = d1 * d2;
  }
}

/* [batch][heads][past + len][size] from what was and what comes. */
static void join_past(uint8_t *to, const uint8_t *past, size_t n_past,
                      const oq_heads *h, size_t batch, size_t heads, size_t len,
                      size_t row, size_t size) {
  const uint8_t *const from = h->data;
  const size_t bytes = row * size;

  if (n_past + len == 0) return; /* then there may be any number of samples */
  for (size_t b = 0; b < batch; b++)
    for (size_t i = 0; i < heads; i++) {
      if (n_past > 0) {
        memcpy(to, past, n_past * bytes);
        to += n_past * bytes;
        past += n_past * bytes;
      }
      for (size_t k = 0; k < len; k++, to += bytes)
        memcpy(to, from + (b * h->batch + i * h->head + k * h->row) * size,
               bytes);
    }
}

typedef struct attention_run {
  oq_run *r;
  const attention_params *p;
  oq_attend a;
  bool f64;
  size_t size, past, len;
  void *present[2]; /* outputs 1 and 2, or scratch */
} attention_run_state;

/* Present keys (which = 0) or values. */
static oq_status take_present(attention_run_state *s, uint32_t which) {
  oq_run *const r = s->r;
  oq_heads *const h = which == 0 ? &s->a.k : &s->a.v;
  const size_t row = which == 0 ? s->a.head : s->a.v_head;
  const void *past;
  void *to;

  OQ_TRY(give(&to, r, 1 + which, s->f64));
  s->present[which] = to;
  if (to == NULL && s->past == 0) return OQ_OK;
  OQ_TRY(take(&past, r, input(r, PAST_K + which), s->f64));
  const size_t rows = s->a.batch * s->a.kv_heads;
  const size_t all = s->past + s->len; /* its own tensor, or Q's work */
  size_t n;
  if (!oq_mul_size(&n, rows, all) || !oq_mul_size(&n, n, row))
    return oq_fail_memory(r->diags);
  if (to == NULL) to = oq_arena_alloc_raw(r->scratch, n, s->size, OQ_ALIGN);
  if (to == NULL) return oq_fail_memory(r->diags);
  join_past(to, past, s->past, h, s->a.batch, s->a.kv_heads, s->len, row,
            s->size);
  *h = (oq_heads){to, s->a.kv_heads * all * row, all * row, row};
  return OQ_OK;
}

/* Bools become 0 and -infinity. */
static oq_status mask_numbers(const void **out, const oq_run *r,
                              const oq_ctensor *t, bool f64) {
  if (t->dtype != OQ_DT_BOOL) return take(out, r, t, f64);
  const size_t n = oq_tensor_count(t), size = f64 ? 8 : 4;
  const uint8_t *const b = t->data;
  void *const v = oq_arena_alloc_raw(r->scratch, n, size, OQ_ALIGN);
  if (v == NULL) return oq_fail_memory(r->diags);
  for (size_t i = 0; i < n; i++) {
    const double m = b[i] != 0 ? 0 : -(double)INFINITY;
    if (f64)
      ((double *)v)[i] = m;
    else
      ((float *)v)[i] = (float)m;
  }
  *out = v;
  return OQ_OK;
}

static oq_status take_mask(attention_run_state *s) {
  const oq_ctensor *const t = input(s->r, MASK);
  size_t stride[4] = {0}, step = 1;

  if (t == NULL) return OQ_OK;
  OQ_TRY(mask_numbers(&s->a.mask.data, s->r, t, s->f64));
  for (uint32_t i = t->shape.rank; i-- > 0;) {
    if (t->shape.dim[i] != 1) stride[4 - t->shape.rank + i] = step;
    step *= (size_t)t->shape.dim[i];
  }
  s->a.mask.batch = stride[0];
  s->a.mask.head = stride[1];
  s->a.mask.row = stride[2];
  s->a.mask_step = stride[3];
  s->a.mask_len = (size_t)t->shape.dim[t->shape.rank - 1];
  if (s->a.mask_len == 1 && s->r->opset < 24) s->a.mask_len = s->a.kv_len;
  return OQ_OK;
}

static oq_status take_offsets(attention_run_state *s) {
  const oq_ctensor *const t = input(s->r, VALID);
  int64_t *const offset = OQ_NEW_N(s->r->scratch, int64_t, s->a.batch);
  uint32_t n;

  if (offset == NULL) return oq_fail_memory(s->r->diags);
  if (t != NULL && oq_ints_read(&s->a.valid, &n, t, s->r->scratch) != OQ_OK)
    return oq_fail_memory(s->r->diags);
  for (size_t b = 0; b < s->a.batch; b++) {
    offset[b] = (int64_t)s->past;
    if (t == NULL) continue;
    if (s->a.valid[b] < 0 || (uint64_t)s->a.valid[b] > s->a.kv_len)
      return oq_run_fail(s->r, OQ_E_DATA, "attention.valid",
                         "the number of valid keys of sample %zu is %lld, "
                         "expected 0 to %zu",
                         b, (long long)s->a.valid[b], s->a.kv_len);
    offset[b] = s->a.valid[b] - (int64_t)s->a.q_len;
  }
  s->a.offset = offset;
  return OQ_OK;
}

static oq_status take_inputs(attention_run_state *s) {
  oq_run *const r = s->r;
  const attention_params *const p = s->p;
  size_t heads;

  for (uint32_t i = 0; i < 3; i++) {
    oq_heads *const h = i == 0 ? &s->a.q : i == 1 ? &s->a.k : &s->a.v;
    const void *data;
    OQ_TRY(take(&data, r, r->in[i], s->f64));
    heads_of(h,
             i == 0   ? &s->a.q_heads
             : i == 1 ? &s->a.kv_heads
                      : &heads,
             i == 0 ? &s->a.q_len : &s->len, i == 2 ? &s->a.v_head : &s->a.head,
             data, &r->in[i]->shape,
             (size_t)(i == 0 ? p->q_heads : p->kv_heads));
  }
  if (input(r, PAST_K) != NULL) s->past = (size_t)r->in[PAST_K]->shape.dim[2];
  s->a.kv_len = s->past + s->len;
  OQ_TRY(take_present(s, 0));
  OQ_TRY(take_present(s, 1));
  OQ_TRY(take_mask(s));
  return take_offsets(s);
}

static void set_limits(attention_run_state *s) {
  const attention_params *const p = s->p;

  s->a.scale = p->has_scale ? (double)p->scale : 1 / sqrt((double)s->a.head);
  s->a.cap = (double)p->softcap;
  s->a.left = p->left;
  s->a.right = p->right;
  if (p->causal != 0) s->a.right = 0; /* the tighter bound, whatever it was */
  s->a.show = (oq_attend_shows)p->mode;
}

static oq_status attention_compute(attention_run_state *s) {
  oq_run *const r = s->r;
  const bool three = r->in[0]->shape.rank == 3;
  const size_t n = s->a.v_head;
  void *scratch;

  OQ_TRY(give(&s->a.y, r, 0, s->f64));
  OQ_TRY(give(&s->a.shown, r, 3, s->f64));
  s->a.y_row = three ? s->a.q_heads * n : n;
  s->a.y_head = three ? n : s->a.q_len * n;
  s->a.y_batch = s->a.q_heads * s->a.q_len * n;
  scratch = oq_arena_alloc_raw(r->scratch, oq_attend_scratch(&s->a, s->size), 1,
                               OQ_ALIGN);
  if (scratch == NULL) return oq_fail_memory(r->diags);
  if (s->a.y == NULL) return OQ_E_INTERNAL;
  if (s->f64)
    oq_attend_f64(r->k, &s->a, scratch);
  else
    oq_attend_f32(r->k, &s->a, scratch);
  given(r, 0, s->a.y, s->f64);
  given(r, 1, s->present[0], s->f64);
  given(r, 2, s->present[1], s->f64);
  given(r, 3, s->a.shown, s->f64);
  return OQ_OK;
}

static oq_status attention_run(oq_run *r) {
  attention_run_state s = {.r = r, .p = r->params};

  s.f64 = r->in[0]->dtype == OQ_DT_F64;
  s.size = s.f64 ? sizeof(double) : sizeof(float);
  s.a.batch = (size_t)r->in[0]->shape.dim[0];
  OQ_TRY(take_inputs(&s));
  set_limits(&s);
  return attention_compute(&s);
}

/* Both products; the past is not known here. */
static uint64_t attention_macs(const void *params, const oq_shape *const *in,
                               const oq_shape *out) {
  uint64_t q = 1, y = 1;
  const oq_shape *const k = in[1];

  (void)params;
  for (uint32_t i = 0; i < in[0]->rank; i++) q *= (uint64_t)in[0]->dim[i];
  for (uint32_t i = 0; i < out->rank; i++) y *= (uint64_t)out->dim[i];
  return (q + y) * (uint64_t)k->dim[k->rank - 2];
}

/* ---- RotaryEmbedding ----------------------------------------------------- */
typedef struct rotary_params {
  int64_t interleaved, heads, dim;
} rotary_params;

static const oq_attr_def rotary_attrs[] = {
    OQ_A_I64(rotary_params, interleaved, "interleaved", 0, 1, 0),
    OQ_A_I64(rotary_params, heads, "num_heads", 0, 0, INT32_MAX),
    OQ_A_I64(rotary_params, dim, "rotary_embedding_dim", 0, 0, INT32_MAX),
};

/* Numbers of a head that are turned; refuses what does not fit. */
static oq_status check_turned(const oq_infer *x, const oq_type *t) {
  const rotary_params *const p = x->params;
  const oq_type *const cache = oq_rule_ranked(x, 1);
  oq_dim size = t->dim[t->rank - 1];

  if (t->rank == 3)
    OQ_TRY(divided(x, &size, size, p->heads, "the hidden size"));
  const int64_t turned = p->dim > 0 ? p->dim : size.size;
  if (turned == OQ_DIM_UNKNOWN) return OQ_OK;
  if (turned % 2 != 0 || (size.size != OQ_DIM_UNKNOWN && turned > size.size))
    return oq_infer_fail(x, OQ_E_MODEL, "rotary.size",
                         "%lld numbers of a head of %lld cannot be turned in "
                         "pairs",
                         (long long)turned, (long long)size.size);
  if (cache == NULL || cache->rank == 0 ||
      cache->dim[cache->rank - 1].size == OQ_DIM_UNKNOWN ||
      cache->dim[cache->rank - 1].size == turned / 2)
    return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "rotary.cache",
                       "the cosines have %lld columns, expected %lld",
                       (long long)cache->dim[cache->rank - 1].size,
                       (long long)(turned / 2));
}

/* Caches: [positions][size], or [batch][length][size] without positions. */
static oq_status check_caches(const oq_infer *x, oq_dim batch, oq_dim len) {
  const uint32_t rank = has_in(x, 3) ? 2 : 3;
  oq_dim d[3] = {batch, len, {.size = OQ_DIM_UNKNOWN}};

  if (rank == 2) d[0] = d[1] = d[2];
  for (uint32_t i = 1; i <= 2; i++) {
    OQ_TRY(expect_rank(x, i, rank));
    for (uint32_t k = 0; k < rank; k++)
      OQ_TRY(unify_dim(x, &d[k], i, k, "a dimension of the cache"));
  }
  OQ_TRY(expect_rank(x, 3, 2));
  OQ_TRY(unify_dim(x, &batch, 3, 0, "the batch size"));
  return unify_dim(x, &len, 3, 1, "the sequence length");
}

static oq_status rotary_infer(oq_infer *x) {
  const rotary_params *const p = x->params;
  const oq_type *const t = oq_rule_ranked(x, 0);

  OQ_TRY(oq_infer_same_dtypes(x, 0, 3));
  OQ_TRY(oq_rule_indices(x, 3));
  if (t == NULL) return oq_infer_same(x);
  if (t->rank != 3 && t->rank != 4)
    return oq_infer_fail(x, OQ_E_MODEL, "attention.rank",
                         "input 0 has rank %u, expected 3 or 4", t->rank);
  if (t->rank == 3 && p->heads < 1)
    return oq_infer_fail(x, OQ_E_MODEL, "rotary.heads",
                         "an input of rank 3 needs the attribute 'num_heads'");
  OQ_TRY(check_turned(x, t));
  OQ_TRY(check_caches(x, t->dim[0], t->dim[t->rank - 2]));
  return oq_infer_same(x);
}

static oq_status rotary_rows(oq_run *r, float *y, const float *x,
                             const float *c, const float *s,
                             const int64_t *at) {
  const rotary_params *const p = r->params;
  const size_t half = (size_t)r->in[1]->shape.dim[r->in[1]->shape.rank - 1];
  size_t heads, len, size;
  oq_heads h;

  heads_of(&h, &heads, &len, &size, NULL, &r->in[0]->shape, (size_t)p->heads);
  for (size_t b = 0; b < (size_t)r->in[0]->shape.dim[0]; b++)
    for (size_t i = 0; i < len; i++) {
      const size_t cell = b * len + i;
      if (at != NULL && (at[cell] < 0 || at[cell] >= r->in[1]->shape.dim[0]))
        return oq_run_fail(r, OQ_E_DATA, "rotary.position",
                           "position %lld is outside of the cache of %lld",
                           (long long)at[cell],
                           (long long)r->in[1]->shape.dim[0]);
      const size_t row = (at != NULL ? (size_t)at[cell] : cell) * half;
      for (size_t k = 0; k < heads; k++) {
        const size_t o = b * h.batch + k * h.head + i * h.row;
        oq_rotate_f32(y + o, x + o, c + row, s + row, size, 2 * half,
                      p->interleaved != 0);
      }
    }
  return OQ_OK;
}

static oq_status rotary_run(oq_run *r) {
  const float *x, *c, *s;
  const int64_t *at = NULL;
  float *y;
  uint32_t n;

  OQ_TRY(oq_widen_in(&x, r, r->in[0]));
  OQ_TRY(oq_widen_in(&c, r, r->in[1]));
  OQ_TRY(oq_widen_in(&s, r, r->in[2]));
  OQ_TRY(oq_widen_out(&y, r, 0));
  if (r->out[0].size == 0) return OQ_OK;
  if (oq_ints_read(&at, &n, input(r, 3), r->scratch) != OQ_OK)
    return oq_fail_memory(r->diags);
  OQ_TRY(rotary_rows(r, y, x, c, s, at));
  oq_widen_done(r, 0, y);
  return OQ_OK;
}

/* ---- LinearAttention ----------------------------------------------------- */
typedef struct linear_params {
  int64_t chunk, kv_heads, q_heads;
  float scale;
  int32_t rule;
} linear_params;

enum { RULE_LINEAR, RULE_GATED, RULE_DELTA, RULE_GATED_DELTA };
static const char *const linear_rules[] = {"linear", "gated", "delta",
                                           "gated_delta", NULL};

static const oq_attr_def linear_attrs[] = {
    OQ_A_I64(linear_params, chunk, "chunk_size", 64, 1, 0),
    {.name = "kv_num_heads",
     .kind = OQ_ATTR_I64,
     .required = true,
     .offset = offsetof(linear_params, kv_heads),
     .min = 1,
     .max = INT32_MAX},
    {.name = "q_num_heads",
     .kind = OQ_ATTR_I64,
     .required = true,
     .offset = offsetof(linear_params, q_heads),
     .min = 1,
     .max = INT32_MAX},
    OQ_A_F32(linear_params, scale, "scale", 0.0),
    OQ_A_CHOICE(linear_params, rule, "update_rule", "gated_delta",
                linear_rules),
};

static bool has_gate(const linear_params *p) {
  return p->rule == RULE_GATED || p->rule == RULE_GATED_DELTA;
}
static bool has_delta(const linear_params *p) {
  return p->rule == RULE_DELTA || p->rule == RULE_GATED_DELTA;
}

/* The last dim of input i is one of two numbers. */
static oq_status check_last(const oq_infer *x, uint32_t i, oq_dim a, oq_dim b) {
  const oq_type *const t = oq_rule_ranked(x, i);

  if (t == NULL || t->dim[2].size == OQ_DIM_UNKNOWN ||
      t->dim[2].size == a.size || t->dim[2].size == b.size ||
      a.size == OQ_DIM_UNKNOWN || b.size == OQ_DIM_UNKNOWN)
    return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "attention.shape",
                       "input %u has %lld columns, expected %lld or %lld", i,
                       (long long)t->dim[2].size, (long long)a.size,
                       (long long)b.size);
}

static oq_status check_gates(const oq_infer *x, const linear_params *p) {
  if (p->q_heads % p->kv_heads != 0)
    return oq_infer_fail(x, OQ_E_MODEL, "attention.heads",
                         "%lld query heads cannot share %lld key heads",
                         (long long)p->q_heads, (long long)p->kv_heads);
  if (has_in(x, 4) == has_gate(p) && has_in(x, 5) == has_delta(p)) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "attention.gates",
                       "'decay' and 'beta' are not what the update rule '%s' "
                       "needs",
                       linear_rules[p->rule]);
}

static oq_status linear_infer(oq_infer *x) {
  const linear_params *const p = x->params;
  const oq_dim unknown = {.size = OQ_DIM_UNKNOWN},
               heads = {.size = p->kv_heads};
  oq_dim batch = unknown, len = unknown, q = unknown, k = unknown, v = unknown;
  oq_dim head, v_head, k_head;
  const oq_dtype t = oq_infer_dtype(x, 0);

  OQ_TRY(check_gates(x, p));
  for (uint32_t i = 0; i < x->n_in; i++) {
    OQ_TRY(expect_rank(x, i, i == 3 ? 4 : 3));
    OQ_TRY(check_float(x, i));
    OQ_TRY(unify_dim(x, &batch, i, 0, "the batch size"));
    if (i != 3) OQ_TRY(unify_dim(x, &len, i, 1, "the sequence length"));
  }
  OQ_TRY(unify_dim(x, &q, 0, 2, ""));
  OQ_TRY(unify_dim(x, &k, 1, 2, ""));
  OQ_TRY(unify_dim(x, &v, 2, 2, ""));
  OQ_TRY(divided(x, &head, q, p->q_heads, "the query"));
  OQ_TRY(divided(x, &k_head, k, p->kv_heads, "the key"));
  OQ_TRY(divided(x, &v_head, v, p->kv_heads, "the value"));
  OQ_TRY(unify(x, &head, k_head, "the head size"));
  OQ_TRY(unify_dim(x, &(oq_dim){.size = p->kv_heads}, 3, 1, "the heads"));
  OQ_TRY(unify_dim(x, &head, 3, 2, "the head size"));
  OQ_TRY(unify_dim(x, &v_head, 3, 3, "the head size of values"));
  OQ_TRY(check_last(x, 4, heads, times(heads, head)));
  OQ_TRY(check_last(x, 5, heads, (oq_dim){.size = 1}));
  const oq_dim y[] = {batch, len, times((oq_dim){.size = p->q_heads}, v_head)};
  const oq_dim state[] = {batch, heads, head, v_head};
  set_out(x, 0, t, 3, y);
  set_out(x, 1, has_in(x, 3) ? oq_infer_dtype(x, 3) : t, 4, state);
  return OQ_OK;
}

typedef struct linear_run {
  const linear_params *p;
  const float *q, *k, *v, *decay, *beta;
  float *y, *state, *retrieved;
  size_t batch, len, head, v_head, q_heads, kv_heads, n_decay, n_beta;
  float scale;
} linear_state;

/* S = e^g S, a factor for each row or for all. */
static void decay_state(const linear_state *s, float *state, size_t cell,
                        size_t h) {
  const bool each = s->n_decay != s->kv_heads;
  const float *const g =
      s->decay + cell * s->n_decay + h * (each ? s->head : 1);

  for (size_t i = 0; i < s->head; i++) {
    const float f = oq_k_exp(g[each ? i : 0]);
    for (size_t j = 0; j < s->v_head; j++) state[i * s->v_head + j] *= f;
  }
}

/* What is written for this key: v, or beta (v - S' k). */
static const float *write_value(const linear_state *s, const float *state,
                                const float *k, const float *v, size_t cell,
                                size_t h) {
  if (s->beta == NULL) return v;
  const float beta = s->beta[cell * s->n_beta + (s->n_beta == 1 ? 0 : h)];
  for (size_t j = 0; j < s->v_head; j++) s->retrieved[j] = 0;
  for (size_t i = 0; i < s->head; i++)
    for (size_t j = 0; j < s->v_head; j++)
      s->retrieved[j] += state[i * s->v_head + j] * k[i];
  for (size_t j = 0; j < s->v_head; j++)
    s->retrieved[j] = beta * (v[j] - s->retrieved[j]);
  return s->retrieved;
}

static void read_state(const linear_state *s, const float *state, size_t cell,
                       size_t h) {
  const float *const q = s->q + (cell * s->q_heads + h) * s->head;
  float *const y = s->y + (cell * s->q_heads + h) * s->v_head;

  for (size_t j = 0; j < s->v_head; j++) y[j] = 0;
  for (size_t i = 0; i < s->head; i++)
    for (size_t j = 0; j < s->v_head; j++)
      y[j] += q[i] * state[i * s->v_head + j];
  for (size_t j = 0; j < s->v_head; j++) y[j] *= s->scale;
}

static void linear_token(const linear_state *s, size_t b, size_t t, size_t h) {
  const size_t cell = b * s->len + t, group = s->q_heads / s->kv_heads;
  float *const state = s->state + (b * s->kv_heads + h) * s->head * s->v_head;
  const float *const k = s->k + (cell * s->kv_heads + h) * s->head;
  const float *v = s->v + (cell * s->kv_heads + h) * s->v_head;

  if (s->decay != NULL) decay_state(s, state, cell, h);
  v = write_value(s, state, k, v, cell, h);
  for (size_t i = 0; i < s->head; i++)
    for (size_t j = 0; j < s->v_head; j++)
      state[i * s->v_head + j] += k[i] * v[j];
  for (size_t g = 0; g < group; g++) read_state(s, state, cell, h * group + g);
}

static oq_status linear_take(linear_state *s, oq_run *r) {
  const float *past;
  size_t n;

  OQ_TRY(oq_widen_in(&s->q, r, r->in[0]));
  OQ_TRY(oq_widen_in(&s->k, r, r->in[1]));
  OQ_TRY(oq_widen_in(&s->v, r, r->in[2]));
  OQ_TRY(oq_widen_in(&past, r, input(r, 3)));
  OQ_TRY(oq_widen_in(&s->decay, r, input(r, 4)));
  OQ_TRY(oq_widen_in(&s->beta, r, input(r, 5)));
  OQ_TRY(oq_widen_out(&s->y, r, 0));
  const oq_shape shape = {4,
                          {(int64_t)s->batch, (int64_t)s->kv_heads,
                           (int64_t)s->head, (int64_t)s->v_head}};
  if (oq_shape_count(&n, &shape) != OQ_OK) return oq_fail_memory(r->diags);
  s->state = oq_arena_alloc_raw(r->scratch, n, sizeof(float), OQ_ALIGN);
  s->retrieved = OQ_NEW_N(r->scratch, float, s->v_head);
  if (s->state == NULL || s->retrieved == NULL) return oq_fail_memory(r->diags);
  for (size_t i = 0; i < n; i++) s->state[i] = past != NULL ? past[i] : 0;
  return OQ_OK;
}

static oq_status linear_run(oq_run *r) {
  const linear_params *const p = r->params;
  const oq_shape *const q = &r->in[0]->shape, *const v = &r->in[2]->shape;
  linear_state s = {.p = p,
                    .batch = (size_t)q->dim[0],
                    .len = (size_t)q->dim[1],
                    .q_heads = (size_t)p->q_heads,
                    .kv_heads = (size_t)p->kv_heads,
                    .head = (size_t)(q->dim[2] / p->q_heads),
                    .v_head = (size_t)(v->dim[2] / p->kv_heads)};

  if (input(r, 4) != NULL) s.n_decay = (size_t)r->in[4]->shape.dim[2];
  if (input(r, 5) != NULL) s.n_beta = (size_t)r->in[5]->shape.dim[2];
  s.scale = p->scale != 0
                ? p->scale
                : (float)(1 / sqrt((double)(s.head > 0 ? s.head : 1)));
  OQ_TRY(linear_take(&s, r));
  if (r->out[0].size > 0)
    for (size_t b = 0; b < s.batch; b++)
      for (size_t t = 0; t < s.len; t++)
        for (size_t h = 0; h < s.kv_heads; h++) linear_token(&s, b, t, h);
  oq_widen_done(r, 0, s.y);
  if (r->n_out < 2 || r->out[1].data == NULL) return OQ_OK;
  if (r->out[1].dtype == OQ_DT_F32)
    memcpy(r->out[1].data, s.state, r->out[1].size);
  else
    oq_widen_done(r, 1, s.state);
  return OQ_OK;
}

/* ---- CausalConvWithState ------------------------------------------------- */
typedef struct causal_params {
  int32_t activation;
} causal_params;

static const char *const causal_names[] = {"none", "silu", "swish", NULL};
static const oq_attr_def causal_attrs[] = {
    OQ_A_CHOICE(causal_params, activation, "activation", "none", causal_names),
};

static oq_status causal_infer(oq_infer *x) {
  const oq_dim unknown = {.size = OQ_DIM_UNKNOWN};
  const oq_type *const w = oq_rule_ranked(x, 1);
  oq_dim batch = unknown, ch = unknown, len = unknown, before = unknown;
  static const uint32_t rank[] = {3, 3, 1, 3};
  const oq_dtype t = oq_infer_dtype(x, 0);

  OQ_TRY(oq_infer_same_dtypes(x, 0, 4));
  for (uint32_t i = 0; i < x->n_in; i++) OQ_TRY(expect_rank(x, i, rank[i]));
  OQ_TRY(unify_dim(x, &batch, 0, 0, "the batch size"));
  OQ_TRY(unify_dim(x, &batch, 3, 0, "the batch size"));
  OQ_TRY(unify_dim(x, &ch, 0, 1, "the number of channels"));
  OQ_TRY(unify_dim(x, &ch, 1, 0, "the number of channels"));
  OQ_TRY(unify_dim(x, &ch, 2, 0, "the number of channels"));
  OQ_TRY(unify_dim(x, &ch, 3, 1, "the number of channels"));
  OQ_TRY(unify_dim(x, &(oq_dim){.size = 1}, 1, 1, "the depth of the weight"));
  OQ_TRY(unify_dim(x, &len, 0, 2, "the length"));
  if (w != NULL && w->dim[2].size == 0)
    return oq_infer_fail(x, OQ_E_MODEL, "attention.shape",
                         "the weight has no taps");
  if (w != NULL && w->dim[2].size != OQ_DIM_UNKNOWN)
    before.size = w->dim[2].size - 1;
  OQ_TRY(unify_dim(x, &before, 3, 2, "the length of the state"));
  const oq_dim y[] = {batch, ch, len}, state[] = {batch, ch, before};
  set_out(x, 0, t, 3, y);
  set_out(x, 1, t, 3, state);
  return OQ_OK;
}

typedef struct causal_state {
  const float *x, *w, *bias, *past;
  float *y, *state, *row; /* row: the state, then the input */
  size_t len, taps, channels;
  bool silu;
} causal_state;

static void causal_channel(const causal_state *s, size_t at) {
  const size_t c = at % s->channels, before = s->taps - 1;
  const float *const w = s->w + c * s->taps;
  float *const y = s->y + at * s->len;

  for (size_t i = 0; i < before; i++)
    s->row[i] = s->past != NULL ? s->past[at * before + i] : 0;
  for (size_t i = 0; i < s->len; i++)
    s->row[before + i] = s->x[at * s->len + i];
  for (size_t i = 0; i < s->len; i++) y[i] = s->bias != NULL ? s->bias[c] : 0;
  for (size_t k = 0; k < s->taps; k++)
    for (size_t i = 0; i < s->len; i++) y[i] += w[k] * s->row[i + k];
  for (size_t i = 0; s->silu && i < s->len; i++) y[i] *= oq_k_sigmoid(y[i]);
  for (size_t i = 0; s->state != NULL && i < before; i++)
    s->state[at * before + i] = s->row[s->len + i];
}

static oq_status causal_run(oq_run *r) {
  const causal_params *const p = r->params;
  const oq_shape *const x = &r->in[0]->shape;
  causal_state s = {.len = (size_t)x->dim[2],
                    .taps = (size_t)r->in[1]->shape.dim[2],
                    .channels = (size_t)x->dim[1],
                    .silu = p->activation != 0};
  const size_t rows = (size_t)x->dim[0] * s.channels;
  void *state;
  size_t n;

  OQ_TRY(oq_widen_in(&s.x, r, r->in[0]));
  OQ_TRY(oq_widen_in(&s.w, r, r->in[1]));
  OQ_TRY(oq_widen_in(&s.bias, r, input(r, 2)));
  OQ_TRY(oq_widen_in(&s.past, r, input(r, 3)));
  OQ_TRY(oq_widen_out(&s.y, r, 0));
  OQ_TRY(give(&state, r, 1, false));
  s.state = state;
  if (!oq_add_size(&n, s.len, s.taps)) return oq_fail_memory(r->diags);
  s.row = oq_arena_alloc_raw(r->scratch, n, sizeof *s.row, OQ_ALIGN);
  if (s.row == NULL) return oq_fail_memory(r->diags);
  if (r->out[0].size > 0 || (s.state != NULL && r->out[1].size > 0))
    for (size_t i = 0; i < rows; i++) causal_channel(&s, i);
  oq_widen_done(r, 0, s.y);
  given(r, 1, s.state, false);
  return OQ_OK;
}

/* ---- table --------------------------------------------------------------- */
#define MAPS                 \
  .quant = {.cls = OQ_Q_MAP, \
            .role = {OQ_ROLE_DATA, OQ_ROLE_DATA, OQ_ROLE_DATA, OQ_ROLE_NONE}}
#define MAPS_FIRST           \
  .quant = {.cls = OQ_Q_MAP, \
            .role = {OQ_ROLE_DATA, OQ_ROLE_NONE, OQ_ROLE_NONE, OQ_ROLE_NONE}}
#define NARROW (OQ_DTM(F32) | OQ_DTM(F16) | OQ_DTM(BF16))
#define ATTENTION(from, to, inputs, n)                                \
  .domain = "", .name = "Attention", .since = (from), .last = (to),   \
  .min_in = 3, .max_in = (inputs), .min_out = 1, .max_out = 4,        \
  .dtypes = OQ_DTM_FLOAT, .params_size = sizeof(attention_params),    \
  .n_attrs = (n), .attrs = attention_attrs, .check = attention_check, \
  .infer = attention_infer, .run = attention_run, .macs = attention_macs, MAPS

static const oq_op_def defs[] = {
    {ATTENTION(23, 23, 6, ATTENTION_ATTRS_23)},
    {ATTENTION(24, 24, 7, ATTENTION_ATTRS_23)},
    {ATTENTION(25, 27, 7, ATTENTION_ATTRS_25)},

    {.domain = "",
     .name = "CausalConvWithState",
     .since = 27,
     .last = 27,
     .min_in = 2,
     .max_in = 4,
     .min_out = 2,
     .max_out = 2,
     .dtypes = NARROW,
     .params_size = sizeof(causal_params),
     OQ_ATTRS(causal_attrs),
     .infer = causal_infer,
     .run = causal_run,
     MAPS_FIRST},
    {.domain = "",
     .name = "LinearAttention",
     .since = 27,
     .last = 27,
     .min_in = 3,
     .max_in = 6,
     .min_out = 2,
     .max_out = 2,
     .dtypes = NARROW,
     .params_size = sizeof(linear_params),
     OQ_ATTRS(linear_attrs),
     .infer = linear_infer,
     .run = linear_run,
     MAPS},
    {.domain = "",
     .name = "RotaryEmbedding",
     .since = 23,
     .last = 27,
     .min_in = 3,
     .max_in = 4,
     .min_out = 1,
     .max_out = 1,
     .dtypes = NARROW,
     .params_size = sizeof(rotary_params),
     OQ_ATTRS(rotary_attrs),
     .infer = rotary_infer,
     .run = rotary_run,
     MAPS_FIRST},
};

OQ_FAMILY(attention, defs);
