/* Attention as onnxruntime's optimizer and its model builders write it
 * (com.microsoft): Attention, MultiHeadAttention, GroupQueryAttention,
 * RotaryEmbedding.  Everything is worked on in float32. */
#include <math.h>
#include <string.h>

#include "kern/k_attend.h"
#include "kern/k_gemm.h"
#include "ops/op.h"
#include "ops/rules.h"
#include "ops/widen.h"

static const oq_ctensor *input(const oq_run *r, uint32_t i) {
  return i < r->n_in ? r->in[i] : NULL;
}

static bool has_in(const oq_infer *x, uint32_t i) {
  return i < x->n_in && oq_value_ok(x->node->in[i]);
}

static int64_t dim_of(const oq_infer *x, uint32_t i, uint32_t k) {
  const oq_type *const t = oq_rule_ranked(x, i);

  return t == NULL || k >= t->rank ? OQ_DIM_UNKNOWN : t->dim[k].size;
}

static oq_status bad_shape(const oq_infer *x, uint32_t i) {
  return oq_infer_fail(x, OQ_E_MODEL, "attention.shape",
                       "the shape of input %u does not fit", i);
}

/* Input i has these dims; negative ones may be anything. */
static oq_status expect(const oq_infer *x, uint32_t i, uint32_t rank,
                        const int64_t *want) {
  const oq_type *const t = oq_rule_ranked(x, i);

  if (t == NULL) return OQ_OK;
  bool fits = t->rank == rank;
  for (uint32_t k = 0; fits && k < rank; k++)
    fits = want[k] < 0 || t->dim[k].size < 0 || t->dim[k].size == want[k];
  return fits ? OQ_OK : bad_shape(x, i);
}

static void set_out(oq_infer *x, uint32_t i, uint32_t rank, const int64_t *d) {
  const oq_dtype t = oq_infer_dtype(x, 0);

  if (i >= x->n_out || t == OQ_DT_NONE) return;
  oq_infer_set_rank(x, i, t, rank);
  for (uint32_t k = 0; k < rank; k++) x->out[i].dim[k].size = d[k];
}

static int64_t sum_of(int64_t a, int64_t b) {
  int64_t y;

  return a < 0 || b < 0 || !oq_add_i64(&y, a, b) ? OQ_DIM_UNKNOWN : y;
}

static oq_status check_head(const oq_infer *x, int64_t hidden, int64_t heads,
                            int64_t *size) {
  *size = hidden < 0 ? OQ_DIM_UNKNOWN : hidden / heads;
  if (hidden < 0 || (hidden % heads == 0 && hidden > 0)) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "attention.heads",
                       "%lld numbers cannot be divided into %lld heads",
                       (long long)hidden, (long long)heads);
}

/* The mask of keys: lengths, ends and starts, or flags of rank 2 or 3. */
static oq_status check_mask(const oq_infer *x, uint32_t i, int64_t batch,
                            int64_t len, int64_t total) {
  const oq_type *const t = oq_rule_ranked(x, i);
  const int64_t two[] = {batch, total}, three[] = {batch, len, total};

  if (oq_infer_dtype(x, i) != OQ_DT_NONE && oq_infer_dtype(x, i) != OQ_DT_I32)
    return oq_infer_fail(x, OQ_E_MODEL, "op.dtype",
                         "input %u is %s, expected int32", i,
                         oq_dtype_text((int32_t)oq_infer_dtype(x, i)));
  if (t == NULL || t->rank == 1) return OQ_OK; /* counted when it is run */
  if (t->rank == 2) return expect(x, i, 2, two);
  if (t->rank == 3) return expect(x, i, 3, three);
  return oq_infer_fail(x, OQ_E_UNSUPPORTED, "attention.mask",
                       "a mask of rank %u is not implemented", t->rank);
}

static oq_status check_bias(const oq_infer *x, uint32_t i, int64_t batch,
                            int64_t heads, int64_t len, int64_t total) {
  const int64_t b = dim_of(x, i, 0), h = dim_of(x, i, 1);
  const int64_t want[] = {b == 1 ? 1 : batch, h == 1 ? 1 : heads, len, total};

  return expect(x, i, 4, want);
}

/* ---- what the kernels share ---------------------------------------------- */
typedef struct attention {
  oq_run *r;
  oq_attend a;
  size_t past, len; /* keys: behind us, and new */
  float filter;     /* what a mask of keys adds */
} attention;

static oq_status refuse(const oq_run *r, const char *what) {
  return oq_run_fail(r, OQ_E_UNSUPPORTED, "attention.unsupported",
                     "%s is not implemented", what);
}

static oq_status new_floats(float **out, const oq_run *r, size_t a, size_t b,
                            size_t c, size_t d) {
  size_t n;

  if (!oq_mul_size(&n, a, b) || !oq_mul_size(&n, n, c) ||
      !oq_mul_size(&n, n, d))
    return oq_fail_memory(r->diags);
  *out = oq_arena_alloc_raw(r->scratch, n, sizeof **out, OQ_ALIGN);
  return *out == NULL ? oq_fail_memory(r->diags) : OQ_OK;
}

/* Writable numbers of output i, or NULL. */
static oq_status out_floats(float **out, const oq_run *r, uint32_t i) {
  *out = NULL;
  if (i >= r->n_out || r->out[i].data == NULL) return OQ_OK;
  return oq_widen_out(out, r, i);
}

/* Dense [batch][heads][past + len][size]. */
static void join_past(float *to, const float *past, size_t n_past,
                      const oq_heads *h, const attention *s, size_t size) {
  if (n_past + s->len == 0) return;
  for (size_t b = 0; b < s->a.batch; b++)
    for (size_t i = 0; i < s->a.kv_heads; i++) {
      const float *const from =
          (const float *)h->data + b * h->batch + i * h->head;
      if (n_past > 0) memcpy(to, past, n_past * size * sizeof *to);
      to += n_past * size;
      if (past != NULL) past += n_past * size;
      for (size_t k = 0; k < s->len; k++, to += size)
        memcpy(to, from + k * h->row, size * sizeof *to);
    }
}

static oq_heads dense_heads(const float *data, size_t heads, size_t len,
                            size_t size) {
  return (oq_heads){data, heads * len * size, len * size, size};
}

/* [batch][len][heads * size] within rows of `row` numbers. */
static oq_heads packed_heads(const float *data, size_t len, size_t row,
                             size_t size) {
  return (oq_heads){data, len * row, size, row};
}

/* 0 where key j of sample b is let through to query i. */
static float mask_at(const attention *s, const oq_ctensor *m, const int64_t *v,
                     size_t b, size_t i, size_t j) {
  const size_t n = oq_tensor_count(m), batch = s->a.batch;
  const size_t total = s->a.kv_len;
  bool open;

  if (m->shape.rank == 1)
    open = (int64_t)j < v[b] && (n == batch || (int64_t)j >= v[batch + b]);
  else if (m->shape.rank == 2)
    open = v[b * total + j] > 0;
  else
    open = v[(b * s->a.q_len + i) * total + j] > 0;
  return open ? 0.0f : s->filter;
}

static oq_status read_mask(const int64_t **v, const attention *s,
                           const oq_ctensor *m) {
  uint32_t n;

  if (oq_ints_read(v, &n, m, s->r->scratch) != OQ_OK)
    return oq_fail_memory(s->r->diags);
  if (m == NULL || m->shape.rank != 1 || n == s->a.batch || n == 2 * s->a.batch)
    return OQ_OK;
  return refuse(s->r, "a mask of this many lengths");
}

/* Mask of keys and bias as one. */
static oq_status take_masks(attention *s, const oq_ctensor *m,
                            const oq_ctensor *bias) {
  const size_t nb = bias != NULL ? (size_t)bias->shape.dim[0] : 1;
  const size_t nh = bias != NULL ? (size_t)bias->shape.dim[1] : 1;
  const size_t rows = s->a.q_len, total = s->a.kv_len;
  const int64_t *v;
  const float *add;
  float *to;

  if ((m == NULL && bias == NULL) || rows * total == 0) return OQ_OK;
  OQ_TRY(read_mask(&v, s, m));
  OQ_TRY(oq_widen_in(&add, s->r, bias));
  OQ_TRY(new_floats(&to, s->r, s->a.batch, nh, rows, total));
  s->a.mask = dense_heads(to, nh, rows, total);
  if (nh == 1) s->a.mask.head = 0;
  s->a.mask_len = total;
  s->a.mask_step = 1;
  for (size_t b = 0; b < s->a.batch; b++)
    for (size_t h = 0; h < nh; h++)
      for (size_t i = 0; i < rows; i++) {
        const size_t from = (((nb == 1 ? 0 : b) * nh + h) * rows + i) * total;
        for (size_t j = 0; j < total; j++)
          *to++ = (m != NULL ? mask_at(s, m, v, b, i, j) : 0.0f) +
                  (add != NULL ? add[from + j] : 0.0f);
      }
  return OQ_OK;
}

static void set_scale(attention *s, float scale) {
  s->a.scale = scale != 0 ? (double)scale : 1 / sqrt((double)s->a.head);
  s->a.left = s->a.right = -1;
}

/* To output 0, [batch][length][heads * size]. */
static oq_status attend(attention *s) {
  oq_run *const r = s->r;
  void *const scratch = oq_arena_alloc_raw(
      r->scratch, oq_attend_scratch(&s->a, sizeof(float)), 1, OQ_ALIGN);
  float *y;

  if (scratch == NULL) return oq_fail_memory(r->diags);
  OQ_TRY(oq_widen_out(&y, r, 0));
  s->a.y = y;
  s->a.y_row = s->a.q_heads * s->a.v_head;
  s->a.y_head = s->a.v_head;
  s->a.y_batch = s->a.q_len * s->a.y_row;
  if (r->out[0].size > 0) oq_attend_f32(r->k, &s->a, scratch);
  oq_widen_done(r, 0, y);
  return OQ_OK;
}

/* The same distance from the first key for all samples. */
static oq_status set_offset(attention *s, size_t past) {
  int64_t *const offset = OQ_NEW_N(s->r->scratch, int64_t, s->a.batch);

  if (offset == NULL) return oq_fail_memory(s->r->diags);
  for (size_t b = 0; b < s->a.batch; b++) offset[b] = (int64_t)past;
  s->a.offset = offset;
  return OQ_OK;
}

/* ---- Attention ----------------------------------------------------------- */
typedef struct attention_params {
  int64_t heads, unidirectional, rotary, share, rotary_dim;
  float scale, filter;
  oq_i64s sizes;
} attention_params;

#define P attention_params
static const oq_attr_def attention_attrs[] = {
    {.name = "num_heads",
     .kind = OQ_ATTR_I64,
     .required = true,
     .offset = offsetof(P, heads),
     .min = 1,
     .max = INT32_MAX},
    OQ_A_I64(P, unidirectional, "unidirectional", 0, 0, 1),
    OQ_A_I64(P, rotary, "do_rotary", 0, 0, 1),
    OQ_A_I64(P, share, "past_present_share_buffer", 0, 0, 1),
    OQ_A_I64(P, rotary_dim, "rotary_embedding_dim", 0, 0, INT32_MAX),
    OQ_A_F32(P, scale, "scale", 0.0),
    OQ_A_F32(P, filter, "mask_filter_value", -10000.0),
    OQ_A_I64S(P, sizes, "qkv_hidden_sizes"),
};

/* Hidden sizes of Q, K and V. */
static oq_status hidden_sizes(const oq_infer *x, int64_t size[3]) {
  const attention_params *const p = x->params;
  const int64_t all = dim_of(x, 1, 1);

  for (uint32_t i = 0; i < 3; i++)
    size[i] = p->sizes.n == 3 ? p->sizes.v[i] : all < 0 ? all : all / 3;
  bool fits = p->sizes.n == 0 || p->sizes.n == 3;
  for (uint32_t i = 0; fits && p->sizes.n == 3 && i < 3; i++)
    fits = size[i] > 0 && size[i] <= INT32_MAX;
  if (!fits || (all >= 0 && size[0] + size[1] + size[2] != all) ||
      (all >= 0 && size[0] != size[1]))
    return oq_infer_fail(x, OQ_E_MODEL, "attention.heads",
                         "the columns of the weight are not those of queries, "
                         "keys and values");
  return OQ_OK;
}

static oq_status attention_infer(oq_infer *x) {
  const attention_params *const p = x->params;
  const int64_t batch = dim_of(x, 0, 0), len = dim_of(x, 0, 1);
  const int64_t in[] = {-1, -1, -1}, w[] = {dim_of(x, 0, 2), -1};
  const int64_t past = has_in(x, 4) ? dim_of(x, 4, 3) : 0;
  const int64_t total = sum_of(past, len);
  int64_t size[3], head, v_head;

  OQ_TRY(oq_infer_same_dtypes(x, 0, 3));
  OQ_TRY(expect(x, 0, 3, in));
  OQ_TRY(expect(x, 1, 2, w));
  OQ_TRY(hidden_sizes(x, size));
  OQ_TRY(check_head(x, size[0], p->heads, &head));
  OQ_TRY(check_head(x, size[2], p->heads, &v_head));
  const int64_t bias[] = {dim_of(x, 1, 1)};
  const int64_t before[] = {2, batch, p->heads, past, head};
  OQ_TRY(expect(x, 2, 1, bias));
  OQ_TRY(expect(x, 4, 5, before));
  OQ_TRY(check_mask(x, 3, batch, len, total));
  OQ_TRY(check_bias(x, 5, batch, p->heads, len, total));
  if ((has_in(x, 4) || x->n_out > 1) && head >= 0 && head != v_head)
    return bad_shape(x, 4);
  const int64_t y[] = {batch, len, size[2]};
  const int64_t present[] = {2, batch, p->heads, total, head};
  set_out(x, 0, 3, y);
  set_out(x, 1, 5, present);
  return OQ_OK;
}

/* Input times weight plus bias: [batch * length][all hidden sizes]. */
static oq_status project(float **out, attention *s, size_t columns) {
  oq_run *const r = s->r;
  const size_t rows = s->a.batch * s->a.q_len;
  const size_t n = (size_t)r->in[0]->shape.dim[2];
  const float *x, *w, *bias;

  OQ_TRY(oq_widen_in(&x, r, r->in[0]));
  OQ_TRY(oq_widen_in(&w, r, r->in[1]));
  OQ_TRY(oq_widen_in(&bias, r, input(r, 2)));
  OQ_TRY(new_floats(out, r, rows, columns, 1, 1));
  for (size_t i = 0; i < rows; i++)
    for (size_t k = 0; k < columns; k++)
      (*out)[i * columns + k] = bias != NULL ? bias[k] : 0.0f;
  oq_gemm_f32_dense(r->k, OQ_NO_TRANS, OQ_NO_TRANS, rows, columns, n, 1, x, w,
                    1, *out);
  return OQ_OK;
}

/* Keys and values behind the past ones, into `present` if it is wanted. */
static oq_status take_past(attention *s) {
  oq_run *const r = s->r;
  const size_t total = s->past + s->len, n = s->a.kv_heads;
  const float *past;
  float *to;

  OQ_TRY(out_floats(&to, r, 1));
  if (to == NULL && s->past == 0) return OQ_OK;
  OQ_TRY(oq_widen_in(&past, r, input(r, 4)));
  if (to == NULL)
    OQ_TRY(new_floats(&to, r, 2 * s->a.batch, n, total, s->a.head));
  const size_t half = s->a.batch * n * total * s->a.head;
  const size_t past_half = s->a.batch * n * s->past * s->a.head;
  join_past(to, past, s->past, &s->a.k, s, s->a.head);
  join_past(to + half, past != NULL ? past + past_half : NULL, s->past, &s->a.v,
            s, s->a.head);
  s->a.k = dense_heads(to, n, total, s->a.head);
  s->a.v = dense_heads(to + half, n, total, s->a.head);
  if (r->n_out > 1 && r->out[1].data != NULL) oq_widen_done(r, 1, to);
  return OQ_OK;
}

static oq_status attention_run(oq_run *r) {
  const attention_params *const p = r->params;
  const oq_shape *const x = &r->in[0]->shape;
  const size_t all = (size_t)r->in[1]->shape.dim[1];
  const size_t vs = (size_t)r->out[0].shape.dim[2], qs = (all - vs) / 2;
  attention s = {.r = r, .filter = p->filter};
  float *qkv;

  if (p->rotary != 0) return refuse(r, "'do_rotary'");
  if (p->share != 0) return refuse(r, "'past_present_share_buffer'");
  s.a.batch = (size_t)x->dim[0];
  s.a.q_len = s.len = (size_t)x->dim[1];
  s.a.q_heads = s.a.kv_heads = (size_t)p->heads;
  s.a.head = qs / s.a.q_heads;
  s.a.v_head = vs / s.a.q_heads;
  if (input(r, 4) != NULL) s.past = (size_t)r->in[4]->shape.dim[3];
  s.a.kv_len = s.past + s.len;
  OQ_TRY(project(&qkv, &s, all));
  s.a.q = packed_heads(qkv, s.len, all, s.a.head);
  s.a.k = packed_heads(qkv + qs, s.len, all, s.a.head);
  s.a.v = packed_heads(qkv + 2 * qs, s.len, all, s.a.v_head);
  OQ_TRY(take_past(&s));
  OQ_TRY(take_masks(&s, input(r, 3), input(r, 5)));
  OQ_TRY(set_offset(&s, s.past));
  set_scale(&s, p->scale);
  if (p->unidirectional != 0) s.a.right = 0;
  return attend(&s);
}

/* ---- MultiHeadAttention -------------------------------------------------- */
static const oq_attr_def multi_attrs[] = {
    {.name = "num_heads",
     .kind = OQ_ATTR_I64,
     .required = true,
     .offset = offsetof(P, heads),
     .min = 1,
     .max = INT32_MAX},
    OQ_A_I64(P, unidirectional, "unidirectional", 0, 0, 1),
    OQ_A_F32(P, scale, "scale", 0.0),
    OQ_A_F32(P, filter, "mask_filter_value", -10000.0),
};
#undef P

enum {
  QUERY,
  KEY,
  VALUE,
  BIAS,
  PADDING,
  SCORES,
  PAST_K,
  PAST_V,
  LENGTH,
  BEAMS
};

typedef struct multi_dims {
  int64_t batch, len, kv_len, head, v_head, past;
} multi_dims;

/* Q, K, V: each of rank 3; or Q, and K with V in rank 5; or all in one of rank
 * 5; or K and V of rank 4, which are there already. */
static oq_status multi_read(const oq_infer *x, multi_dims *d) {
  const attention_params *const p = x->params;
  const oq_type *const q = oq_rule_ranked(x, QUERY), *const k =
                                                         oq_rule_ranked(x, KEY);
  const uint32_t qr = q == NULL ? 3 : q->rank, kr = k == NULL ? 3 : k->rank;

  if (qr == 5) {
    d->kv_len = d->len;
    d->head = d->v_head = dim_of(x, QUERY, 4);
    const int64_t want[] = {-1, -1, p->heads, 3, -1};
    return has_in(x, KEY) || has_in(x, VALUE) ? bad_shape(x, KEY)
                                              : expect(x, QUERY, 5, want);
  }
  const int64_t three[] = {-1, -1, -1};
  OQ_TRY(expect(x, QUERY, 3, three));
  OQ_TRY(check_head(x, dim_of(x, QUERY, 2), p->heads, &d->head));
  if (!has_in(x, KEY)) return bad_shape(x, KEY);
  d->kv_len = dim_of(x, KEY, kr == 4 ? 2 : 1);
  if (kr == 5) {
    const int64_t want[] = {d->batch, -1, p->heads, 2, d->head};
    d->v_head = d->head;
    return has_in(x, VALUE) ? bad_shape(x, VALUE) : expect(x, KEY, 5, want);
  }
  if (!has_in(x, VALUE)) return bad_shape(x, VALUE);
  if (kr == 4) {
    const int64_t wk[] = {d->batch, p->heads, -1, d->head};
    const int64_t wv[] = {d->batch, p->heads, d->kv_len, -1};
    d->v_head = dim_of(x, VALUE, 3);
    OQ_TRY(expect(x, KEY, 4, wk));
    return expect(x, VALUE, 4, wv);
  }
  const int64_t wk[] = {d->batch, -1, dim_of(x, QUERY, 2)};
  const int64_t wv[] = {d->batch, d->kv_len, -1};
  OQ_TRY(expect(x, KEY, 3, wk));
  OQ_TRY(expect(x, VALUE, 3, wv));
  return check_head(x, dim_of(x, VALUE, 2), p->heads, &d->v_head);
}

static oq_status multi_past(const oq_infer *x, const multi_dims *d) {
  const attention_params *const p = x->params;
  const int64_t k[] = {d->batch, p->heads, d->past, d->head};
  const int64_t v[] = {d->batch, p->heads, d->past, d->v_head};

  if (has_in(x, PAST_K) != has_in(x, PAST_V))
    return oq_infer_fail(x, OQ_E_MODEL, "attention.past",
                         "past keys and values are not used together");
  OQ_TRY(expect(x, PAST_K, 4, k));
  return expect(x, PAST_V, 4, v);
}

static int64_t times(int64_t a, int64_t b) {
  int64_t y;

  return a < 0 || b < 0 || !oq_mul_i64(&y, a, b) ? OQ_DIM_UNKNOWN : y;
}

static oq_status multi_infer(oq_infer *x) {
  const attention_params *const p = x->params;
  multi_dims d = {.batch = dim_of(x, QUERY, 0),
                  .len = dim_of(x, QUERY, 1),
                  .past = has_in(x, PAST_K) ? dim_of(x, PAST_K, 2) : 0,
                  .head = -1,
                  .v_head = -1,
                  .kv_len = -1};

  OQ_TRY(oq_infer_same_dtypes(x, QUERY, PADDING));
  OQ_TRY(multi_read(x, &d));
  OQ_TRY(multi_past(x, &d));
  if (d.head == 0 || d.v_head == 0) return bad_shape(x, QUERY);
  const int64_t total = sum_of(d.past, d.kv_len);
  const int64_t hidden = times(d.head, p->heads),
                v_hidden = times(d.v_head, p->heads);
  const int64_t bias[] = {sum_of(sum_of(hidden, hidden), v_hidden)};
  OQ_TRY(expect(x, BIAS, 1, bias));
  OQ_TRY(check_mask(x, PADDING, d.batch, d.len, total));
  OQ_TRY(check_bias(x, SCORES, d.batch, p->heads, d.len, total));
  const int64_t y[] = {d.batch, d.len, v_hidden};
  const int64_t k[] = {d.batch, p->heads, total, d.head};
  const int64_t v[] = {d.batch, p->heads, total, d.v_head};
  const int64_t qk[] = {d.batch, p->heads, d.len, total};
  set_out(x, 0, 3, y);
  set_out(x, 1, 4, k);
  set_out(x, 2, 4, v);
  set_out(x, 3, 4, qk);
  return OQ_OK;
}

/* Part `which` of `of` in a tensor [batch][len][heads][of][size]. */
static oq_heads woven_heads(const float *data, size_t heads, size_t len,
                            size_t of, size_t which, size_t size) {
  const size_t row = heads * of * size;

  return (oq_heads){data + which * size, len * row, of * size, row};
}

/* Input i, of rank 3 or 4. */
static oq_status plain_heads(oq_heads *h, const attention *s, uint32_t i,
                             size_t size) {
  const oq_shape *const t = &s->r->in[i]->shape;
  const float *v;

  OQ_TRY(oq_widen_in(&v, s->r, s->r->in[i]));
  *h = t->rank == 4
           ? dense_heads(v, (size_t)t->dim[1], (size_t)t->dim[2], size)
           : packed_heads(v, (size_t)t->dim[1], (size_t)t->dim[2], size);
  return OQ_OK;
}

static oq_status multi_inputs(attention *s) {
  oq_run *const r = s->r;
  const oq_shape *const q = &r->in[QUERY]->shape;
  const oq_ctensor *const k = input(r, KEY);
  const size_t n = s->a.q_heads;
  const float *v;

  s->a.batch = (size_t)q->dim[0];
  s->a.q_len = (size_t)q->dim[1];
  s->a.head =
      (size_t)(q->rank == 5 ? q->dim[4] : q->dim[2]) / (q->rank == 5 ? 1 : n);
  s->a.v_head = (size_t)r->out[0].shape.dim[2] / n;
  OQ_TRY(oq_widen_in(&v, r, r->in[QUERY]));
  if (q->rank == 5) {
    s->len = s->a.q_len;
    s->a.q = woven_heads(v, n, s->len, 3, 0, s->a.head);
    s->a.k = woven_heads(v, n, s->len, 3, 1, s->a.head);
    s->a.v = woven_heads(v, n, s->len, 3, 2, s->a.head);
    return OQ_OK;
  }
  OQ_TRY(plain_heads(&s->a.q, s, QUERY, s->a.head));
  s->len = (size_t)k->shape.dim[k->shape.rank == 4 ? 2 : 1];
  if (k->shape.rank == 5) {
    OQ_TRY(oq_widen_in(&v, r, k));
    s->a.k = woven_heads(v, n, s->len, 2, 0, s->a.head);
    s->a.v = woven_heads(v, n, s->len, 2, 1, s->a.head);
    return OQ_OK;
  }
  OQ_TRY(plain_heads(&s->a.k, s, KEY, s->a.head));
  return plain_heads(&s->a.v, s, VALUE, s->a.v_head);
}

/* A copy with the bias added, [batch][len][heads * size]. */
static oq_status add_bias(attention *s, oq_heads *h, size_t len, size_t size,
                          const float *bias) {
  const size_t n = s->a.q_heads;
  float *to;

  OQ_TRY(new_floats(&to, s->r, s->a.batch, len, n, size));
  for (size_t b = 0; b < s->a.batch; b++)
    for (size_t i = 0; i < len; i++)
      for (size_t k = 0; k < n; k++) {
        const float *const from =
            (const float *)h->data + b * h->batch + k * h->head + i * h->row;
        float *const at = to + ((b * len + i) * n + k) * size;
        for (size_t c = 0; c < size; c++) at[c] = from[c] + bias[k * size + c];
      }
  *h = packed_heads(to, len, n * size, size);
  return OQ_OK;
}

static oq_status multi_biases(attention *s) {
  const size_t hidden = s->a.q_heads * s->a.head;
  const float *bias;

  if (input(s->r, BIAS) == NULL || s->a.batch * s->a.q_len == 0) return OQ_OK;
  OQ_TRY(oq_widen_in(&bias, s->r, s->r->in[BIAS]));
  OQ_TRY(add_bias(s, &s->a.q, s->a.q_len, s->a.head, bias));
  if (input(s->r, KEY) != NULL && s->r->in[KEY]->shape.rank == 4) return OQ_OK;
  OQ_TRY(add_bias(s, &s->a.k, s->len, s->a.head, bias + hidden));
  return add_bias(s, &s->a.v, s->len, s->a.v_head, bias + 2 * hidden);
}

/* Keys (which 0) or values with those of the past, to output 1 or 2. */
static oq_status multi_present(attention *s, uint32_t which) {
  oq_run *const r = s->r;
  oq_heads *const h = which == 0 ? &s->a.k : &s->a.v;
  const size_t size = which == 0 ? s->a.head : s->a.v_head;
  const float *past;
  float *to;

  OQ_TRY(out_floats(&to, r, 1 + which));
  const bool wanted = to != NULL;
  if (!wanted && s->past == 0) return OQ_OK;
  OQ_TRY(oq_widen_in(&past, r, input(r, PAST_K + which)));
  if (!wanted)
    OQ_TRY(new_floats(&to, r, s->a.batch, s->a.kv_heads, s->a.kv_len, size));
  join_past(to, past, s->past, h, s, size);
  *h = dense_heads(to, s->a.kv_heads, s->a.kv_len, size);
  if (wanted) oq_widen_done(r, 1 + which, to);
  return OQ_OK;
}

static oq_status multi_run(oq_run *r) {
  const attention_params *const p = r->params;
  attention s = {.r = r, .filter = p->filter};

  if (input(r, LENGTH) != NULL || input(r, BEAMS) != NULL)
    return refuse(r, "a shared buffer of past keys");
  if (r->n_out > 3 && r->out[3].data != NULL)
    return refuse(r, "the output of the products");
  s.a.q_heads = s.a.kv_heads = (size_t)p->heads;
  OQ_TRY(multi_inputs(&s));
  if (input(r, PAST_K) != NULL) s.past = (size_t)r->in[PAST_K]->shape.dim[2];
  s.a.kv_len = s.past + s.len;
  OQ_TRY(multi_biases(&s));
  OQ_TRY(multi_present(&s, 0));
  OQ_TRY(multi_present(&s, 1));
  OQ_TRY(take_masks(&s, input(r, PADDING), input(r, SCORES)));
  OQ_TRY(set_offset(&s, s.past));
  set_scale(&s, p->scale);
  if (p->unidirectional != 0) s.a.right = 0;
  return attend(&s);
}

/* ---- RotaryEmbedding ----------------------------------------------------- */
typedef struct rotary_params {
  int64_t interleaved, packed, heads, dim;
  float scale;
} rotary_params;

static const oq_attr_def rotary_attrs[] = {
    OQ_A_I64(rotary_params, interleaved, "interleaved", 0, 0, 1),
    OQ_A_I64(rotary_params, packed, "is_packed_batching", 0, 0, 1),
    OQ_A_I64(rotary_params, heads, "num_heads", 0, 0, INT32_MAX),
    OQ_A_I64(rotary_params, dim, "rotary_embedding_dim", 0, 0, INT32_MAX),
    OQ_A_F32(rotary_params, scale, "scale", 1.0),
};

/* Numbers of a head; 0 if it cannot be. */
static int64_t rotary_head(const rotary_params *p, const oq_shape *x,
                           int64_t half) {
  const int64_t hidden = x->dim[x->rank - 1];
  int64_t size = 2 * half;

  if (x->rank == 4)
    size = hidden;
  else if (p->heads > 0)
    size = hidden / p->heads;
  return size > 0 && hidden % size == 0 && 2 * half <= size ? size : 0;
}

static oq_status rotary_infer(oq_infer *x) {
  const rotary_params *const p = x->params;
  const oq_type *const t = oq_rule_ranked(x, 0), *const at =
                                                     oq_rule_ranked(x, 1);
  const int64_t cache[] = {dim_of(x, 2, 0), dim_of(x, 2, 1)};
  const int64_t one[] = {1};
  oq_shape s;

  OQ_TRY(oq_rule_indices(x, 1));
  OQ_TRY(oq_infer_same_dtypes(x, 2, 4));
  OQ_TRY(expect(x, 2, 2, cache));
  OQ_TRY(expect(x, 3, 2, cache));
  if (t != NULL && t->rank != 3 && t->rank != 4) return bad_shape(x, 0);
  if (at != NULL && at->rank == 1) OQ_TRY(expect(x, 1, 1, one));
  if (at != NULL && at->rank != 1 && t != NULL) {
    const int64_t all[] = {t->dim[0].size, t->dim[t->rank - 2].size};
    OQ_TRY(expect(x, 1, 2, all));
  }
  if (oq_infer_shape(&s, x, 0) && cache[1] >= 0 &&
      (cache[1] > INT32_MAX || rotary_head(p, &s, cache[1]) == 0))
    return bad_shape(x, 2);
  return oq_infer_same(x);
}

static oq_status check_place(const oq_run *r, int64_t at, int64_t n) {
  if (at >= 0 && at < n) return OQ_OK;
  return oq_run_fail(r, OQ_E_DATA, "rotary.position",
                     "position %lld is outside of the cache of %lld",
                     (long long)at, (long long)n);
}

static oq_status rotary_run(oq_run *r) {
  const rotary_params *const p = r->params;
  const oq_shape *const s = &r->in[0]->shape, *const cache = &r->in[2]->shape;
  const bool four = s->rank == 4;
  const float *x, *cs, *sn;
  const int64_t *at;
  float *y;
  uint32_t n_at;

  if (p->packed != 0) return refuse(r, "'is_packed_batching'");
  if (p->scale != 1.0f) return refuse(r, "a scale of positions");
  if (r->out[0].size == 0) return OQ_OK;
  OQ_TRY(oq_widen_in(&x, r, r->in[0]));
  OQ_TRY(oq_widen_in(&cs, r, r->in[2]));
  OQ_TRY(oq_widen_in(&sn, r, r->in[3]));
  OQ_TRY(oq_widen_out(&y, r, 0));
  if (oq_ints_read(&at, &n_at, r->in[1], r->scratch) != OQ_OK)
    return oq_fail_memory(r->diags);
  const size_t half = (size_t)cache->dim[1];
  const size_t size = (size_t)rotary_head(p, s, cache->dim[1]);
  const size_t len = (size_t)s->dim[s->rank - 2];
  const size_t heads = four ? (size_t)s->dim[1] : (size_t)s->dim[2] / size;
  const oq_heads h = four ? dense_heads(NULL, heads, len, size)
                          : packed_heads(NULL, len, heads * size, size);
  for (size_t b = 0; b < (size_t)s->dim[0]; b++)
    for (size_t i = 0; i < len; i++) {
      int64_t place;
      if (r->in[1]->shape.rank == 2)
        place = at[b * len + i];
      else if (!oq_add_i64(&place, at[0], (int64_t)i))
        place = -1;
      OQ_TRY(check_place(r, place, cache->dim[0]));
      for (size_t k = 0; k < heads; k++) {
        const size_t o = b * h.batch + k * h.head + i * h.row;
        oq_rotate_f32(y + o, x + o, cs + (size_t)place * half,
                      sn + (size_t)place * half, size, 2 * half,
                      p->interleaved != 0);
      }
    }
  oq_widen_done(r, 0, y);
  return OQ_OK;
}

/* ---- GroupQueryAttention ------------------------------------------------- */
typedef struct group_params {
  int64_t heads, kv_heads, causal, rotary, interleaved, window, qk, sliding,
      smooth, bits;
  float scale, softcap, epsilon;
  int32_t k_kind, v_kind;
} group_params;

static const char *const cache_kinds[] = {"NONE", "PER_TENSOR", "PER_CHANNEL",
                                          NULL};

#define P group_params
static const oq_attr_def group_attrs[] = {
    OQ_A_I64(P, causal, "causal", 1, 0, 1),
    OQ_A_I64(P, rotary, "do_rotary", 0, 0, 1),
    OQ_A_CHOICE(P, k_kind, "k_quant_type", "NONE", cache_kinds),
    OQ_A_CHOICE(P, v_kind, "v_quant_type", "NONE", cache_kinds),
    OQ_A_I64(P, bits, "kv_cache_bit_width", 0, 1, 0),
    {.name = "kv_num_heads",
     .kind = OQ_ATTR_I64,
     .required = true,
     .offset = offsetof(P, kv_heads),
     .min = 1,
     .max = INT32_MAX},
    {.name = "num_heads",
     .kind = OQ_ATTR_I64,
     .required = true,
     .offset = offsetof(P, heads),
     .min = 1,
     .max = INT32_MAX},
    OQ_A_I64(P, window, "local_window_size", -1, -1, INT32_MAX),
    OQ_A_F32(P, epsilon, "qk_norm_epsilon", 1e-6),
    OQ_A_I64(P, qk, "qk_output", 0, 0, 2),
    OQ_A_I64(P, interleaved, "rotary_interleaved", 0, 0, 1),
    OQ_A_F32(P, scale, "scale", 0.0),
    OQ_A_I64(P, sliding, "sliding_window_cache", 0, 0, 1),
    OQ_A_I64(P, smooth, "smooth_softmax", -1, -1, 1),
    OQ_A_F32(P, softcap, "softcap", 0.0),
};
#undef P

enum {
  PAST_KEYS = 3,
  PAST_VALUES,
  SEQLENS,
  TOTAL,
  COS,
  SIN,
  PLACES,
  GQA_BIAS,
  SINK
};

/* Size of a head, from whatever says it. */
static oq_status group_head(const oq_infer *x, int64_t *head) {
  const group_params *const p = x->params;
  const int64_t heads = has_in(x, 1) ? p->heads : p->heads + 2 * p->kv_heads;
  const int64_t three[] = {-1, -1, -1};

  if (p->heads % p->kv_heads != 0)
    return oq_infer_fail(x, OQ_E_MODEL, "attention.heads",
                         "%lld query heads cannot share %lld key heads",
                         (long long)p->heads, (long long)p->kv_heads);
  if (has_in(x, 1) != has_in(x, 2)) return bad_shape(x, 1);
  OQ_TRY(expect(x, 0, 3, three));
  return check_head(x, dim_of(x, 0, 2), heads, head);
}

static oq_status group_check(const oq_infer *x, int64_t head) {
  const group_params *const p = x->params;
  const int64_t batch = dim_of(x, 0, 0), len = dim_of(x, 0, 1);
  const int64_t kv[] = {batch, len, times(p->kv_heads, head)};
  const int64_t past[] = {batch, p->kv_heads, dim_of(x, PAST_KEYS, 2), head};
  const int64_t cache[] = {dim_of(x, COS, 0), dim_of(x, COS, 1)};
  const int64_t places[] = {-1, -1};

  OQ_TRY(oq_infer_same_dtypes(x, 0, SEQLENS));
  for (uint32_t i = 1; i <= 2; i++) OQ_TRY(expect(x, i, 3, kv));
  for (uint32_t i = PAST_KEYS; i <= PAST_VALUES; i++)
    OQ_TRY(expect(x, i, 4, past));
  if (has_in(x, PAST_KEYS) != has_in(x, PAST_VALUES))
    return bad_shape(x, PAST_VALUES);
  if (!has_in(x, SEQLENS) || !has_in(x, TOTAL)) return bad_shape(x, SEQLENS);
  OQ_TRY(oq_rule_indices(x, SEQLENS));
  OQ_TRY(oq_rule_indices(x, TOTAL));
  OQ_TRY(oq_rule_indices(x, PLACES));
  OQ_TRY(expect(x, COS, 2, cache));
  OQ_TRY(expect(x, SIN, 2, cache));
  OQ_TRY(expect(x, PLACES, 2, places));
  if (p->rotary != 0 && (!has_in(x, COS) || !has_in(x, SIN)))
    return bad_shape(x, COS);
  if (p->rotary != 0 && cache[1] >= 0 && head >= 0 && cache[1] > head / 2)
    return bad_shape(x, COS);
  return OQ_OK;
}

/* Keys in the cache afterwards. */
static oq_status group_total(const oq_infer *x, int64_t *room) {
  const int64_t past = has_in(x, PAST_KEYS) ? dim_of(x, PAST_KEYS, 2) : 0;
  const int64_t *v;
  uint32_t n;
  bool known;

  OQ_TRY(oq_infer_ints(&v, &n, &known, x, TOTAL));
  *room = OQ_DIM_UNKNOWN;
  if (!known || past < 0) return OQ_OK;
  if (n != 1 || v[0] < 1 || v[0] > INT32_MAX) return bad_shape(x, TOTAL);
  *room = v[0] > past ? v[0] : past;
  return OQ_OK;
}

static oq_status group_infer(oq_infer *x) {
  const group_params *const p = x->params;
  const int64_t batch = dim_of(x, 0, 0), len = dim_of(x, 0, 1);
  int64_t head, room;

  OQ_TRY(group_head(x, &head));
  OQ_TRY(group_check(x, head));
  OQ_TRY(group_total(x, &room));
  const int64_t y[] = {batch, len, times(p->heads, head)};
  const int64_t present[] = {batch, p->kv_heads, room, head};
  const int64_t qk[] = {batch, p->heads, len, -1};
  set_out(x, 0, 3, y);
  set_out(x, 1, 4, present);
  set_out(x, 2, 4, present);
  set_out(x, 3, 4, qk);
  return OQ_OK;
}

typedef struct group_run {
  attention s;
  const group_params *p;
  int64_t *behind, *valid; /* keys before the new ones, and with them */
  size_t room;             /* keys in the cache */
} group_state;

static oq_status group_refuse(const oq_run *r) {
  const group_params *const p = r->params;

  if (p->k_kind != 0 || p->v_kind != 0)
    return refuse(r, "a quantized cache of keys");
  if (p->sliding != 0) return refuse(r, "'sliding_window_cache'");
  if (p->smooth > 0 || input(r, SINK) != NULL)
    return refuse(r, "a smooth softmax");
  for (uint32_t i = SINK + 1; i < r->n_in; i++)
    if (r->in[i] != NULL) return refuse(r, "input 12 or one behind it");
  if (r->n_out > 3 && r->out[3].data != NULL)
    return refuse(r, "the output of the products");
  return OQ_OK;
}

static oq_status group_lengths(group_state *g) {
  oq_run *const r = g->s.r;
  const int64_t len = (int64_t)g->s.len;
  const int64_t *lens, *total;
  uint32_t n, one;

  if (oq_ints_read(&lens, &n, r->in[SEQLENS], r->scratch) != OQ_OK ||
      oq_ints_read(&total, &one, r->in[TOTAL], r->scratch) != OQ_OK)
    return oq_fail_memory(r->diags);
  g->behind = OQ_NEW_N(r->scratch, int64_t, g->s.a.batch);
  g->valid = OQ_NEW_N(r->scratch, int64_t, g->s.a.batch);
  if (g->behind == NULL || g->valid == NULL) return oq_fail_memory(r->diags);
  if (n != g->s.a.batch || one != 1)
    return oq_run_fail(r, OQ_E_DATA, "attention.lengths",
                       "there are %u lengths, expected %zu", n, g->s.a.batch);
  const bool prompt = total[0] == len;
  for (size_t b = 0; b < g->s.a.batch; b++) {
    g->behind[b] = prompt ? 0 : lens[b] + 1 - len;
    g->valid[b] = lens[b] + 1;
    if (lens[b] < 0 || g->behind[b] < 0 || lens[b] >= (int64_t)g->room ||
        g->behind[b] + len > (int64_t)g->room ||
        (g->behind[b] > 0 && g->behind[b] > (int64_t)g->s.past))
      return oq_run_fail(r, OQ_E_DATA, "attention.lengths",
                         "length %lld of sample %zu does not fit the cache",
                         (long long)lens[b], b);
  }
  g->s.a.offset = g->behind;
  g->s.a.valid = g->valid;
  return OQ_OK;
}

/* `heads` heads of every token, turned, as [batch][len][heads * size]. */
static oq_status group_turn(group_state *g, oq_heads *h, size_t heads) {
  oq_run *const r = g->s.r;
  const size_t size = g->s.a.head, len = g->s.len;
  const float *cs, *sn;
  const int64_t *places;
  float *to;
  uint32_t n;

  OQ_TRY(oq_widen_in(&cs, r, r->in[COS]));
  OQ_TRY(oq_widen_in(&sn, r, r->in[SIN]));
  if (oq_ints_read(&places, &n, input(r, PLACES), r->scratch) != OQ_OK)
    return oq_fail_memory(r->diags);
  OQ_TRY(new_floats(&to, r, g->s.a.batch, len, heads, size));
  const size_t half = (size_t)r->in[COS]->shape.dim[1];
  for (size_t b = 0; b < g->s.a.batch; b++)
    for (size_t i = 0; i < len; i++) {
      int64_t at = g->behind[b] + (int64_t)i;
      if (places != NULL && n == g->s.a.batch * len) at = places[b * len + i];
      OQ_TRY(check_place(r, at, r->in[COS]->shape.dim[0]));
      OQ_TRY(check_place(r, at, r->in[SIN]->shape.dim[0]));
      for (size_t k = 0; k < heads; k++)
        oq_rotate_f32(
            to + ((b * len + i) * heads + k) * size,
            (const float *)h->data + b * h->batch + k * h->head + i * h->row,
            cs + (size_t)at * half, sn + (size_t)at * half, size, 2 * half,
            g->p->interleaved != 0);
    }
  *h = packed_heads(to, len, heads * size, size);
  return OQ_OK;
}

/* The cache: what was there, then the new ones; zeros behind. */
static oq_status group_cache(group_state *g, oq_heads *h, uint32_t which) {
  oq_run *const r = g->s.r;
  const size_t size = g->s.a.head, n = g->s.a.kv_heads, len = g->s.len;
  const float *past;
  float *to;

  OQ_TRY(oq_widen_in(&past, r, input(r, PAST_KEYS + which)));
  OQ_TRY(out_floats(&to, r, 1 + which));
  const bool wanted = to != NULL;
  if (!wanted) OQ_TRY(new_floats(&to, r, g->s.a.batch, n, g->room, size));
  memset(to, 0, g->s.a.batch * n * g->room * size * sizeof *to);
  for (size_t b = 0; b < g->s.a.batch; b++)
    for (size_t k = 0; k < n; k++) {
      float *const at = to + (b * n + k) * g->room * size;
      const size_t before = (size_t)g->behind[b];
      if (before > 0)
        memcpy(at, past + (b * n + k) * g->s.past * size,
               before * size * sizeof *to);
      for (size_t i = 0; i < len; i++)
        memcpy(at + (before + i) * size,
               (const float *)h->data + b * h->batch + k * h->head + i * h->row,
               size * sizeof *to);
    }
  *h = dense_heads(to, n, g->room, size);
  if (wanted) oq_widen_done(r, 1 + which, to);
  return OQ_OK;
}

static oq_status group_inputs(group_state *g) {
  oq_run *const r = g->s.r;
  oq_attend *const a = &g->s.a;
  const size_t row = (size_t)r->in[0]->shape.dim[2], len = g->s.len;
  const size_t q = a->q_heads * a->head, kv = a->kv_heads * a->head;
  const float *v;

  OQ_TRY(oq_widen_in(&v, r, r->in[0]));
  a->q = packed_heads(v, len, row, a->head);
  if (input(r, 1) == NULL) {
    a->k = packed_heads(v + q, len, row, a->head);
    a->v = packed_heads(v + q + kv, len, row, a->head);
  } else {
    OQ_TRY(oq_widen_in(&v, r, r->in[1]));
    a->k = packed_heads(v, len, kv, a->head);
    OQ_TRY(oq_widen_in(&v, r, r->in[2]));
    a->v = packed_heads(v, len, kv, a->head);
  }
  OQ_TRY(group_lengths(g));
  if (g->p->rotary != 0) {
    OQ_TRY(group_turn(g, &a->q, a->q_heads));
    OQ_TRY(group_turn(g, &a->k, a->kv_heads));
  }
  OQ_TRY(group_cache(g, &a->k, 0));
  return group_cache(g, &a->v, 1);
}

/* Added to the scores; fewer columns than the cache has room for. */
static oq_status group_bias(group_state *g) {
  const oq_ctensor *const t = input(g->s.r, GQA_BIAS);
  oq_attend *const a = &g->s.a;
  const float *v;

  if (t == NULL) return OQ_OK;
  const oq_shape *const s = &t->shape;
  if (s->rank != 4 || s->dim[2] != (int64_t)a->q_len ||
      (s->dim[0] != 1 && s->dim[0] != (int64_t)a->batch) ||
      (s->dim[1] != 1 && s->dim[1] != (int64_t)a->q_heads))
    return oq_run_fail(g->s.r, OQ_E_MODEL, "attention.shape",
                       "the shape of input %d does not fit", GQA_BIAS);
  OQ_TRY(oq_widen_in(&v, g->s.r, t));
  a->mask = dense_heads(v, (size_t)s->dim[1], a->q_len, (size_t)s->dim[3]);
  if (s->dim[0] == 1) a->mask.batch = 0;
  if (s->dim[1] == 1) a->mask.head = 0;
  a->mask_len = (size_t)s->dim[3];
  a->mask_step = 1;
  return OQ_OK;
}

static oq_status group_run(oq_run *r) {
  const group_params *const p = r->params;
  const oq_shape *const x = &r->in[0]->shape;
  const oq_ctensor *const past = input(r, PAST_KEYS);
  group_state g = {.s = {.r = r}, .p = p};
  const int64_t heads =
      input(r, 1) != NULL ? p->heads : p->heads + 2 * p->kv_heads;
  int64_t total;

  OQ_TRY(group_refuse(r));
  g.s.a.batch = (size_t)x->dim[0];
  g.s.a.q_len = g.s.len = (size_t)x->dim[1];
  g.s.a.q_heads = (size_t)p->heads;
  g.s.a.kv_heads = (size_t)p->kv_heads;
  g.s.a.head = g.s.a.v_head = (size_t)(x->dim[2] / heads);
  if (r->out[0].size == 0) return refuse(r, "a query without tokens");
  if (past != NULL) g.s.past = (size_t)past->shape.dim[2];
  total = oq_element_i64(r->in[TOTAL], 0); /* the rule saw that it is one */
  g.room = (size_t)total > g.s.past ? (size_t)total : g.s.past;
  g.s.a.kv_len = g.room;
  OQ_TRY(group_inputs(&g));
  OQ_TRY(group_bias(&g));
  set_scale(&g.s, p->scale);
  g.s.a.cap = (double)p->softcap;
  if (p->causal != 0) g.s.a.right = 0;
  g.s.a.left = p->window > 0 ? p->window - 1 : -1; /* with its own key */
  return attend(&g.s);
}

/* ---- table --------------------------------------------------------------- */
#define NARROW (OQ_DTM(F32) | OQ_DTM(F16) | OQ_DTM(BF16))
#define ROW(op, least, most, outs, T, table, rule, f)                   \
  .domain = "com.microsoft", .name = (op), .since = 1, .last = 1,       \
  .min_in = (least), .max_in = (most), .min_out = 1, .max_out = (outs), \
  .dtypes = NARROW, .params_size = sizeof(T), OQ_ATTRS(table),          \
  .infer = (rule), .run = (f),                                          \
  .quant = {.cls = OQ_Q_MAP,                                            \
            .role = {OQ_ROLE_DATA, OQ_ROLE_NONE, OQ_ROLE_NONE, OQ_ROLE_NONE}}

/* Inputs in the middle may be absent: rules and kernels say which. */
static const oq_op_def defs[] = {
    {ROW("Attention", 2, 7, 2, attention_params, attention_attrs,
         attention_infer, attention_run)},
    {ROW("GroupQueryAttention", 1, 16, 4, group_params, group_attrs,
         group_infer, group_run)},
    {ROW("MultiHeadAttention", 1, 10, 4, attention_params, multi_attrs,
         multi_infer, multi_run)},
    {ROW("RotaryEmbedding", 4, 4, 1, rotary_params, rotary_attrs, rotary_infer,
         rotary_run)},
};

OQ_FAMILY(fused_attention, defs);
