/* Weights in blocks of 2, 4 or 8 bits (com.microsoft): MatMulNBits,
 * GatherBlockQuantized. */
#include <string.h>

#include "kern/k_gemm.h"
#include "ops/op.h"
#include "ops/rules.h"
#include "ops/widen.h"

static const oq_ctensor *input(const oq_run *r, uint32_t i) {
  return i < r->n_in ? r->in[i] : NULL;
}

/* Number i of a row of numbers of `bits`, low ones first. */
static unsigned packed_at(const uint8_t *row, size_t i, unsigned bits) {
  const size_t per = 8 / bits;

  return ((unsigned)row[i / per] >> (i % per * bits)) & ((1u << bits) - 1);
}

static size_t bytes_of(size_t n, unsigned bits) {
  return n / (8 / bits) + (n % (8 / bits) != 0);
}

static bool power_of_2(int64_t v) { return v > 0 && (v & (v - 1)) == 0; }

static oq_status bad_attrs(const oq_infer *x) {
  return oq_infer_fail(x, OQ_E_MODEL, "blocks.attr",
                       "'bits' or 'block_size' is not one of those that are "
                       "defined");
}

/* ---- MatMulNBits --------------------------------------------------------- */
typedef struct nbits_params {
  int64_t k, n, bits, block, accuracy, prepacked;
} nbits_params;

#define REQUIRED(P, field, key)                              \
  {                                                          \
    .name = (key), .kind = OQ_ATTR_I64, .required = true,    \
    .offset = offsetof(P, field), .min = 1, .max = INT32_MAX \
  }

static const oq_attr_def nbits_attrs[] = {
    REQUIRED(nbits_params, k, "K"),
    REQUIRED(nbits_params, n, "N"),
    OQ_A_I64(nbits_params, bits, "bits", 4, 2, 8),
    REQUIRED(nbits_params, block, "block_size"),
    OQ_A_I64(nbits_params, accuracy, "accuracy_level", 0, 0, 4),
    OQ_A_I64(nbits_params, prepacked, "weight_prepacked", 0, 0, INT32_MAX),
};

/* Elements of input i are as many as that, whatever its shape. */
static oq_status check_count(const oq_infer *x, uint32_t i, int64_t want) {
  oq_shape s;
  size_t n;

  if (!oq_infer_shape(&s, x, i)) return OQ_OK;
  if (oq_shape_count(&n, &s) == OQ_OK && n == (uint64_t)want) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "blocks.size",
                       "input %u has not the %lld numbers that the attributes "
                       "ask for",
                       i, (long long)want);
}

static oq_status check_bytes(const oq_infer *x, uint32_t i) {
  const oq_dtype t = oq_infer_dtype(x, i);

  if (t == OQ_DT_NONE || t == OQ_DT_U8) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "op.dtype",
                       "input %u is %s, expected uint8", i,
                       oq_dtype_text((int32_t)t));
}

static oq_status check_nbits(const oq_infer *x, const nbits_params *p) {
  const int64_t blocks = p->k / p->block + (p->k % p->block != 0);
  const int64_t bytes = p->block * p->bits / 8; /* all below 2^31 */
  const oq_dtype zero = oq_infer_dtype(x, 3);
  int64_t n, all;

  if ((p->bits != 2 && p->bits != 4 && p->bits != 8) || p->block < 16 ||
      !power_of_2(p->block))
    return bad_attrs(x);
  if (!oq_mul_i64(&n, p->n, blocks) || !oq_mul_i64(&all, n, bytes))
    return oq_infer_fail(x, OQ_E_LIMIT, "blocks.size", "the weight is too big");
  OQ_TRY(check_bytes(x, 1));
  OQ_TRY(check_count(x, 1, all));
  OQ_TRY(check_count(x, 2, n));
  if (zero == OQ_DT_U8)
    OQ_TRY(check_count(
        x, 3, p->n * (int64_t)bytes_of((size_t)blocks, (unsigned)p->bits)));
  else
    OQ_TRY(check_count(x, 3, n));
  OQ_TRY(oq_rule_indices(x, 4));
  return check_count(x, 5, p->n);
}

static oq_status nbits_infer(oq_infer *x) {
  const nbits_params *const p = x->params;
  const oq_type *const a = oq_rule_ranked(x, 0);

  OQ_TRY(check_nbits(x, p));
  OQ_TRY(oq_infer_same(x));
  if (a == NULL) return OQ_OK;
  if (a->rank == 0 ||
      (a->dim[a->rank - 1].size >= 0 && a->dim[a->rank - 1].size != p->k))
    return oq_infer_fail(x, OQ_E_MODEL, "matmul.inner",
                         "input 0 has not the %lld columns that 'K' says",
                         (long long)p->k);
  x->out[0].dim[a->rank - 1] = (oq_dim){.size = p->n};
  return OQ_OK;
}

/* Row n of the weight as K numbers. */
typedef struct nbits {
  const nbits_params *p;
  const uint8_t *b, *packed_zero;
  const float *scale, *zero; /* zero: NULL unless given as floats */
  const int64_t *group;      /* block of each column; NULL: in order */
  size_t blocks;
} nbits;

static float nbits_zero(const nbits *w, size_t row, size_t block) {
  const unsigned bits = (unsigned)w->p->bits;

  if (w->zero != NULL) return w->zero[row * w->blocks + block];
  if (w->packed_zero == NULL) return (float)(1u << (bits - 1));
  return (float)packed_at(w->packed_zero + row * bytes_of(w->blocks, bits),
                          block, bits);
}

static void nbits_row(const nbits *w, float *to, size_t row) {
  const unsigned bits = (unsigned)w->p->bits;
  const size_t block = (size_t)w->p->block, bytes = block * bits / 8;
  const uint8_t *const from = w->b + row * w->blocks * bytes;

  for (size_t k = 0; k < (size_t)w->p->k; k++) {
    const size_t at = w->group != NULL ? (size_t)w->group[k] : k / block;
    const float q = (float)packed_at(from, k, bits);
    to[k] = (q - nbits_zero(w, row, at)) * w->scale[row * w->blocks + at];
  }
}

static oq_status nbits_take(nbits *w, oq_run *r) {
  const oq_ctensor *const zero = input(r, 3);
  uint32_t n;

  w->b = r->in[1]->data;
  OQ_TRY(oq_widen_in(&w->scale, r, r->in[2]));
  if (zero != NULL && zero->dtype == OQ_DT_U8)
    w->packed_zero = zero->data;
  else
    OQ_TRY(oq_widen_in(&w->zero, r, zero));
  if (oq_ints_read(&w->group, &n, input(r, 4), r->scratch) != OQ_OK)
    return oq_fail_memory(r->diags);
  for (size_t k = 0; w->group != NULL && k < (size_t)w->p->k; k++)
    if (n < w->p->k || w->group[k] < 0 || (uint64_t)w->group[k] >= w->blocks)
      return oq_run_fail(r, OQ_E_DATA, "blocks.group",
                         "input 4 does not name a block for each of %lld "
                         "columns",
                         (long long)w->p->k);
  return OQ_OK;
}

/* Rows of the weight unpacked at a time. */
enum { ROWS = 64 };

static oq_status nbits_run(oq_run *r) {
  const nbits_params *const p = r->params;
  const size_t n = (size_t)p->n, k = (size_t)p->k;
  const size_t rows = oq_tensor_count(r->in[0]) / k;
  nbits w = {.p = p, .blocks = (k - 1) / (size_t)p->block + 1};
  const float *a, *bias;
  float *y, *part;

  if (p->prepacked != 0)
    return oq_run_fail(r, OQ_E_UNSUPPORTED, "blocks.packed",
                       "'weight_prepacked' is %lld, expected 0: the order of "
                       "weights packed for one machine is not defined",
                       (long long)p->prepacked);
  if (rows == 0) return OQ_OK;
  OQ_TRY(nbits_take(&w, r));
  OQ_TRY(oq_widen_in(&a, r, r->in[0]));
  OQ_TRY(oq_widen_in(&bias, r, input(r, 5)));
  OQ_TRY(oq_widen_out(&y, r, 0));
  part = oq_arena_alloc_raw(r->scratch, ROWS * sizeof *part, k, OQ_ALIGN);
  if (part == NULL) return oq_fail_memory(r->diags);
  for (size_t at = 0; at < n; at += ROWS) {
    const size_t here = n - at < ROWS ? n - at : ROWS;
    for (size_t i = 0; i < here; i++) nbits_row(&w, part + i * k, at + i);
    r->k->gemm_f32(OQ_NO_TRANS, OQ_TRANS, rows, here, k, 1, a, k, part, k, 0,
                   y + at, n);
  }
  for (size_t i = 0; bias != NULL && i < rows * n; i++) y[i] += bias[i % n];
  oq_widen_done(r, 0, y);
  return OQ_OK;
}

static uint64_t nbits_macs(const void *params, const oq_shape *const *in,
                           const oq_shape *out) {
  uint64_t n = (uint64_t)((const nbits_params *)params)->k;

  (void)in;
  for (uint32_t i = 0; i < out->rank; i++) n *= (uint64_t)out->dim[i];
  return n;
}

/* ---- GatherBlockQuantized ------------------------------------------------ */
typedef struct gather_params {
  int64_t bits, block, gather_axis, quantize_axis;
} gather_params;

static const oq_attr_def gather_attrs[] = {
    OQ_A_I64(gather_params, bits, "bits", 4, 2, 8),
    OQ_A_I64(gather_params, block, "block_size", 128, 0, INT32_MAX),
    OQ_A_AXIS(gather_params, gather_axis, "gather_axis", 0),
    OQ_A_AXIS(gather_params, quantize_axis, "quantize_axis", 1),
};

/* Bits in use of a byte of `data`; sub-byte types are packed as ONNX says. */
static unsigned bits_of(const gather_params *p, oq_dtype t) {
  return t == OQ_DT_U8 ? (unsigned)p->bits : 4;
}

static oq_status gather_check(const oq_infer *x, const gather_params *p) {
  const oq_dtype t = oq_infer_dtype(x, 0), zero = oq_infer_dtype(x, 3);

  if ((p->bits != 2 && p->bits != 4 && p->bits != 8) || p->block < 16 ||
      !power_of_2(p->block))
    return bad_attrs(x);
  OQ_TRY(oq_rule_indices(x, 1));
  if (zero != OQ_DT_NONE && t != OQ_DT_NONE && zero != t)
    return oq_infer_fail(
        x, OQ_E_MODEL, "op.dtype", "the zero points are %s, the data %s",
        oq_dtype_text((int32_t)zero), oq_dtype_text((int32_t)t));
  return OQ_OK;
}

/* Dims of the data as numbers, not as bytes. */
static oq_status data_dims(const oq_infer *x, const gather_params *p,
                           const oq_type *t, oq_dim *d) {
  const int64_t per = 8 / (int64_t)bits_of(p, t->dtype);

  memcpy(d, t->dim, t->rank * sizeof *d);
  if (t->dtype != OQ_DT_U8 || per == 1 || d[t->rank - 1].size < 0) return OQ_OK;
  if (oq_mul_i64(&d[t->rank - 1].size, d[t->rank - 1].size, per)) return OQ_OK;
  return oq_infer_fail(x, OQ_E_LIMIT, "blocks.size", "the data is too big");
}

/* Scales: as the data, with one for each block. */
static oq_status check_scales(const oq_infer *x, const gather_params *p,
                              const oq_dim *d, uint32_t rank, uint32_t axis) {
  const oq_type *const s = oq_rule_ranked(x, 2);
  bool fits = s == NULL || s->rank == rank;

  for (uint32_t i = 0; s != NULL && fits && i < rank; i++) {
    const int64_t n = d[i].size;
    const int64_t want =
        n < 0 || i != axis ? n : n / p->block + (n % p->block != 0);
    fits = want < 0 || s->dim[i].size < 0 || s->dim[i].size == want;
  }
  if (fits) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "blocks.scale",
                       "the scales are not one for each block");
}

/* Zero points: as the scales, packed like the data. */
static oq_status check_zeros(const oq_infer *x, const gather_params *p) {
  const oq_type *const z = oq_rule_ranked(x, 3), *const s =
                                                     oq_rule_ranked(x, 2);

  if (z == NULL || s == NULL) return OQ_OK;
  const unsigned bits = z->dtype == OQ_DT_U8 ? bits_of(p, z->dtype) : 8;
  bool fits = z->rank == s->rank;
  for (uint32_t i = 0; fits && i < z->rank; i++) {
    const int64_t n = s->dim[i].size;
    const int64_t want =
        n < 0 || i + 1 < z->rank ? n : (int64_t)bytes_of((size_t)n, bits);
    fits = want < 0 || z->dim[i].size < 0 || z->dim[i].size == want;
  }
  if (fits) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "blocks.zero",
                       "the zero points are not one for each scale");
}

static oq_status gather_infer(oq_infer *x) {
  const gather_params *const p = x->params;
  const oq_type *const t = oq_rule_ranked(x, 0), *const at =
                                                     oq_rule_ranked(x, 1);
  const oq_dtype out = oq_infer_dtype(x, 2);
  oq_dim d[OQ_MAX_RANK];
  uint32_t ga, qa;

  OQ_TRY(gather_check(x, p));
  if (out == OQ_DT_NONE) return OQ_OK;
  oq_infer_set_dtype(x, 0, out);
  if (t == NULL) return OQ_OK;
  if (t->rank == 0) return bad_attrs(x);
  OQ_TRY(oq_rule_axis(&ga, x, p->gather_axis, t->rank));
  OQ_TRY(oq_rule_axis(&qa, x, p->quantize_axis, t->rank));
  if (t->dtype == OQ_DT_U8 && p->bits < 8 && ga + 1 == t->rank)
    return oq_infer_fail(x, OQ_E_MODEL, "blocks.axis",
                         "packed numbers cannot be gathered along the axis "
                         "that they are packed along");
  OQ_TRY(data_dims(x, p, t, d));
  OQ_TRY(check_scales(x, p, d, t->rank, qa));
  OQ_TRY(check_zeros(x, p));
  if (at == NULL) return OQ_OK;
  OQ_TRY(oq_rule_rank(x, (uint64_t)t->rank - 1 + at->rank));
  oq_infer_set_rank(x, 0, out, t->rank - 1 + at->rank);
  memcpy(x->out[0].dim, d, ga * sizeof *d);
  memcpy(x->out[0].dim + ga, at->dim, at->rank * sizeof *d);
  memcpy(x->out[0].dim + ga + at->rank, d + ga + 1,
         (t->rank - ga - 1) * sizeof *d);
  return OQ_OK;
}

typedef struct block_data {
  const oq_ctensor *t, *zero;
  const float *scale;
  unsigned bits;
  size_t depth, inner; /* of the axis that is in blocks */
  size_t block, blocks;
  size_t last; /* scales along the last axis: zero points are packed by rows */
} block_data;

static float number_at(const oq_ctensor *t, size_t i, unsigned bits) {
  if (t->dtype != OQ_DT_U8) return (float)oq_element_i64(t, i);
  return (float)packed_at(t->data, i, bits);
}

static float block_zero(const block_data *d, size_t i) {
  if (d->zero == NULL)
    return d->t->dtype == OQ_DT_U8 ? (float)(1u << (d->bits - 1)) : 0.0f;
  if (d->zero->dtype != OQ_DT_U8) return number_at(d->zero, i, d->bits);
  return (float)packed_at(
      (const uint8_t *)d->zero->data + i / d->last * bytes_of(d->last, d->bits),
      i % d->last, d->bits);
}

/* Element i of the data, counted in numbers. */
static float block_number(const block_data *d, size_t i) {
  const size_t at = i / d->inner % d->depth;
  const size_t outer = i / d->inner / d->depth;
  const size_t s =
      (outer * d->blocks + at / d->block) * d->inner + i % d->inner;

  return (number_at(d->t, i, d->bits) - block_zero(d, s)) * d->scale[s];
}

static block_data block_data_of(const oq_run *r, oq_shape *s, uint32_t axis) {
  const gather_params *const p = r->params;
  const oq_shape *const scales = &r->in[2]->shape;
  block_data d = {.t = r->in[0],
                  .zero = input(r, 3),
                  .bits = bits_of(p, r->in[0]->dtype),
                  .block = (size_t)p->block};

  *s = r->in[0]->shape;
  if (r->in[0]->dtype == OQ_DT_U8) s->dim[s->rank - 1] *= 8 / d.bits;
  d.depth = (size_t)s->dim[axis];
  d.inner = oq_dims_product(s, axis + 1, s->rank);
  d.blocks = (size_t)scales->dim[axis];
  d.last = (size_t)scales->dim[scales->rank - 1];
  return d;
}

static oq_status gather_run(oq_run *r) {
  const gather_params *const p = r->params;
  const uint32_t rank = r->in[0]->shape.rank;
  const int64_t *at;
  uint32_t ga, qa, n;
  oq_shape s;
  float *y;

  if (r->out[0].size == 0) return OQ_OK;
  if (!oq_axis_normalize(&ga, p->gather_axis, rank) ||
      !oq_axis_normalize(&qa, p->quantize_axis, rank))
    return OQ_E_INTERNAL;
  block_data d = block_data_of(r, &s, qa);
  OQ_TRY(oq_widen_in(&d.scale, r, r->in[2]));
  OQ_TRY(oq_widen_out(&y, r, 0));
  if (oq_ints_read(&at, &n, r->in[1], r->scratch) != OQ_OK)
    return oq_fail_memory(r->diags);
  const size_t outer = oq_dims_product(&s, 0, ga);
  const size_t inner = oq_dims_product(&s, ga + 1, rank);
  const int64_t depth = s.dim[ga];
  float *to = y;
  for (size_t o = 0; o < outer; o++)
    for (size_t i = 0; i < n; i++) {
      const int64_t k = at[i] < 0 ? at[i] + depth : at[i];
      const bool inside = k >= 0 && k < depth; /* else zeros */
      const size_t from = (o * (size_t)depth + (size_t)k) * inner;
      for (size_t c = 0; c < inner; c++)
        *to++ = inside ? block_number(&d, from + c) : 0.0f;
    }
  oq_widen_done(r, 0, y);
  return OQ_OK;
}

/* ---- table --------------------------------------------------------------- */
#define NARROW (OQ_DTM(F32) | OQ_DTM(F16) | OQ_DTM(BF16))
#define ROW(op, most, types, T, table, rule, f)                                \
  .domain = "com.microsoft", .name = (op), .since = 1, .last = 1, .min_in = 3, \
  .max_in = (most), .min_out = 1, .max_out = 1, .dtypes = (types),             \
  .params_size = sizeof(T), OQ_ATTRS(table), .infer = (rule), .run = (f)

static const oq_op_def defs[] = {
    {ROW("GatherBlockQuantized", 4, OQ_DTM(U8) | OQ_DTM(U4) | OQ_DTM(I4),
         gather_params, gather_attrs, gather_infer, gather_run),
     .quant = {.cls = OQ_Q_NEVER}},
    {ROW("MatMulNBits", 6, NARROW, nbits_params, nbits_attrs, nbits_infer,
         nbits_run),
     .macs = nbits_macs,
     .quant = {.cls = OQ_Q_MAP,
               .role = {OQ_ROLE_DATA, OQ_ROLE_NONE, OQ_ROLE_NONE,
                        OQ_ROLE_NONE}}},
};

OQ_FAMILY(blocks, defs);
