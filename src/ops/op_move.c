/* Operators that move values and change none: Identity, Dropout,
 * Transpose, Concat, Split, DepthToSpace, SpaceToDepth. */
#include <string.h>

#include "base/rng.h"
#include "ops/bytes.h"
#include "ops/op.h"
#include "ops/rules.h"

#define MOVE_DATA .quant = {.cls = OQ_Q_MOVE, .role = {OQ_ROLE_DATA}}
#define MOVE_INDEX \
  .quant = {.cls = OQ_Q_MOVE, .role = {OQ_ROLE_DATA, OQ_ROLE_INDEX}}

/* ---- Dropout ------------------------------------------------------------- */
typedef struct dropout_params {
  int64_t seed;
  float ratio;
  bool has_seed;
} dropout_params;

static const oq_attr_def dropout_ratio[] = {
    OQ_A_F32(dropout_params, ratio, "ratio", 0.5),
};
static const oq_attr_def dropout_seed[] = {
    {.name = "seed",
     .kind = OQ_ATTR_I64,
     .offset = offsetof(dropout_params, seed),
     .set_offset = offsetof(dropout_params, has_seed),
     .min = 1,
     .max = 0},
};

/* Input `slot` is one number of a type in `set`, as far as is known. */
static oq_status check_number(const oq_infer *x, uint32_t slot, uint32_t set) {
  const oq_dtype t = oq_infer_dtype(x, slot);
  oq_shape s;
  size_t n;

  if (t != OQ_DT_NONE && !oq_dtype_in((int32_t)t, set))
    return oq_infer_fail(x, OQ_E_MODEL, "op.dtype",
                         "input %u is %s, expected %s", slot,
                         oq_dtype_text((int32_t)t),
                         set == OQ_DTM(BOOL) ? "bool" : "floating point");
  if (!oq_infer_shape(&s, x, slot)) return OQ_OK;
  if (oq_shape_count(&n, &s) == OQ_OK && n == 1) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "dropout.input",
                       "input %u is not one number", slot);
}

static oq_status dropout_infer(oq_infer *x) {
  OQ_TRY(check_number(x, 1, OQ_DTM_FLOAT | OQ_DTM_F8));
  OQ_TRY(check_number(x, 2, OQ_DTM(BOOL)));
  OQ_TRY(oq_infer_same(x));
  if (x->n_out < 2) return OQ_OK;
  x->out[1] = x->out[0];
  if (x->opset >= 10) {
    x->out[1].kind = OQ_TYPE_TENSOR;
    x->out[1].dtype = OQ_DT_BOOL;
  }
  return OQ_OK;
}

/* What is dropped in training, 0 in inference. */
static oq_status dropped(double *ratio, const oq_run *r) {
  const bool training =
      r->n_in > 2 && r->in[2] != NULL && oq_element_i64(r->in[2], 0) != 0;
  const bool given = r->n_in > 1 && r->in[1] != NULL;

  *ratio = 0.0;
  if (!training) return OQ_OK;
  *ratio = given ? oq_element_f64(r->in[1], 0) : 0.5;
  if (*ratio >= 0.0 && *ratio < 1.0) return OQ_OK;
  return oq_run_fail(r, OQ_E_DATA, "dropout.ratio",
                     "the ratio is %g, expected at least 0 and less than 1",
                     *ratio);
}

/* Number i is kept or not by the seed and i alone; without a seed the place of
 * the node is taken, so that runs repeat. */
static bool keeps(const oq_run *r, double ratio, size_t i) {
  const dropout_params *const p = r->params;
  const uint64_t place = (uint64_t)(r->node - r->graph->nodes) << 32;
  const uint64_t seed = p->has_seed ? (uint64_t)p->seed : place;

  return ratio == 0.0 || oq_rng_uniform(seed, i) >= ratio;
}

/* From opset 12 on the mask of inference is all ones.  Before it was not said
 * what it is; in onnxruntime nothing is set. */
static oq_status dropout_run(oq_run *r) {
  const bool masks = r->opset >= 12;
  const size_t n = oq_tensor_count(r->in[0]);
  double ratio;

  OQ_TRY(dropped(&ratio, r));
  if (ratio > 0.0) {
    for (size_t i = 0; i < n; i++)
      oq_element_set_f64(
          &r->out[0], i,
          keeps(r, ratio, i) ? oq_element_f64(r->in[0], i) / (1 - ratio) : 0.0);
  } else if (r->out[0].data != r->in[0]->data && r->out[0].size > 0) {
    memcpy(r->out[0].data, r->in[0]->data, r->in[0]->size);
  }
  if (r->n_out < 2 || r->out[1].data == NULL) return OQ_OK;
  for (size_t i = 0; i < n; i++)
    oq_element_set_f64(&r->out[1], i, masks && keeps(r, ratio, i));
  return OQ_OK;
}

/* ---- Transpose ----------------------------------------------------------- */
typedef struct transpose_params {
  oq_i64s perm;
} transpose_params;

static const oq_attr_def transpose_attrs[] = {
    OQ_A_I64S(transpose_params, perm, "perm"),
};

static oq_status transpose_check(const oq_graph *g, const oq_node *n,
                                 void *params, oq_diags *d) {
  const oq_i64s *const perm = &((const transpose_params *)params)->perm;
  oq_where w = oq_node_where(g, (oq_node_id){(uint32_t)(n - g->nodes)});
  uint32_t seen = 0;

  w.attr = "perm";
  if (perm->n > OQ_MAX_RANK)
    return oq_fail(d, OQ_E_LIMIT, "transpose.perm", &w,
                   "attribute 'perm' has %u values, expected at most %d",
                   perm->n, OQ_MAX_RANK);
  for (uint32_t i = 0; i < perm->n; i++) {
    const int64_t p = perm->v[i];
    if (p < 0 || p >= perm->n || (seen >> p & 1u) != 0)
      return oq_fail(d, OQ_E_MODEL, "transpose.perm", &w,
                     "attribute 'perm' is not a permutation");
    seen |= 1u << p;
  }
  return OQ_OK;
}

static uint32_t perm_at(const oq_i64s *perm, uint32_t i, uint32_t rank) {
  return perm->n == 0 ? rank - 1 - i : (uint32_t)perm->v[i];
}

static oq_status transpose_infer(oq_infer *x) {
  const oq_i64s *const perm = &((const transpose_params *)x->params)->perm;
  const oq_type *const t = oq_rule_ranked(x, 0);

  OQ_TRY(oq_rule_dtype(x));
  if (t == NULL && perm->n != 0 && oq_infer_in(x, 0) != NULL)
    oq_infer_set_rank(x, 0, oq_infer_dtype(x, 0), perm->n);
  if (t == NULL) return OQ_OK;
  if (perm->n != 0 && perm->n != t->rank)
    return oq_infer_fail(x, OQ_E_MODEL, "transpose.perm",
                         "attribute 'perm' has %u values, expected %u", perm->n,
                         t->rank);
  oq_infer_set_rank(x, 0, t->dtype, t->rank);
  for (uint32_t i = 0; i < t->rank; i++)
    x->out[0].dim[i] = t->dim[perm_at(perm, i, t->rank)];
  return OQ_OK;
}

/* Moves input 0 to output 0; `dims` of the input seen as rank `rank`. */
static oq_status permute(oq_run *r, uint32_t rank, const int64_t *dims,
                         const uint32_t *perm) {
  oq_permutation p = {.rank = rank, .size = oq_bytes_size(r->in[0]->dtype)};
  size_t stride[OQ_MOVE_RANK], n = 1;
  const uint8_t *x;
  uint8_t *y;

  for (uint32_t i = rank; i-- > 0; n *= (size_t)dims[i]) stride[i] = n;
  for (uint32_t i = 0; i < rank; i++) {
    p.dim[i] = (size_t)dims[perm[i]];
    p.stride[i] = stride[perm[i]];
  }
  OQ_TRY(oq_bytes_in(&x, r, r->in[0]));
  OQ_TRY(oq_bytes_out(&y, r, 0));
  oq_move_permuted(y, x, &p);
  oq_bytes_done(r, 0, y);
  return OQ_OK;
}

static oq_status transpose_run(oq_run *r) {
  const oq_i64s *const attr = &((const transpose_params *)r->params)->perm;
  const oq_shape *const s = &r->in[0]->shape;
  uint32_t perm[OQ_MAX_RANK];

  for (uint32_t i = 0; i < s->rank; i++) perm[i] = perm_at(attr, i, s->rank);
  return permute(r, s->rank, s->dim, perm);
}

/* ---- DepthToSpace, SpaceToDepth ------------------------------------------ */
typedef struct block_params {
  int64_t block;
  int32_t mode;
} block_params;
enum { MODE_DCR, MODE_CRD };
static const char *const block_modes[] = {"DCR", "CRD", NULL};

static const oq_attr_def block_attrs[] = {
    {.name = "blocksize",
     .kind = OQ_ATTR_I64,
     .required = true,
     .offset = offsetof(block_params, block),
     .min = 1,
     .max = INT32_MAX},
    OQ_A_CHOICE(block_params, mode, "mode", "DCR", block_modes),
};
enum { BLOCK_ATTRS_1 = 1, BLOCK_ATTRS_11 = 2 };

static oq_status block_divides(const oq_infer *x, oq_dim *out, oq_dim d,
                               int64_t by, uint32_t axis) {
  *out = (oq_dim){.size = OQ_DIM_UNKNOWN};
  if (d.size == OQ_DIM_UNKNOWN) return OQ_OK;
  if (d.size % by != 0)
    return oq_infer_fail(x, OQ_E_MODEL, "block.size",
                         "dimension %u is %lld, expected a multiple of %lld",
                         axis, (long long)d.size, (long long)by);
  out->size = d.size / by;
  return OQ_OK;
}

static oq_status block_times(const oq_infer *x, oq_dim *out, oq_dim d,
                             int64_t by) {
  *out = (oq_dim){.size = OQ_DIM_UNKNOWN};
  if (d.size == OQ_DIM_UNKNOWN) return OQ_OK;
  if (oq_mul_i64(&out->size, d.size, by)) return OQ_OK;
  return oq_infer_fail(x, OQ_E_LIMIT, "block.size",
                       "an output dimension is too large");
}

/* NULL if the shape is not known; refuses every rank but 4. */
static oq_status block_begin(const oq_type **t, oq_infer *x) {
  *t = oq_rule_ranked(x, 0);
  OQ_TRY(oq_rule_dtype(x));
  if (*t == NULL) return OQ_OK;
  if ((*t)->rank != 4)
    return oq_infer_fail(x, OQ_E_MODEL, "block.rank",
                         "the input has rank %u, expected 4", (*t)->rank);
  oq_infer_set_rank(x, 0, (*t)->dtype, 4);
  x->out[0].dim[0] = (*t)->dim[0];
  return OQ_OK;
}

static oq_status depth_to_space_infer(oq_infer *x) {
  const int64_t b = ((const block_params *)x->params)->block;
  const oq_type *t;

  OQ_TRY(block_begin(&t, x));
  if (t == NULL) return OQ_OK;
  OQ_TRY(block_divides(x, &x->out[0].dim[1], t->dim[1], b * b, 1));
  OQ_TRY(block_times(x, &x->out[0].dim[2], t->dim[2], b));
  return block_times(x, &x->out[0].dim[3], t->dim[3], b);
}

static oq_status space_to_depth_infer(oq_infer *x) {
  const int64_t b = ((const block_params *)x->params)->block;
  const oq_type *t;

  OQ_TRY(block_begin(&t, x));
  if (t == NULL) return OQ_OK;
  OQ_TRY(block_times(x, &x->out[0].dim[1], t->dim[1], b * b));
  OQ_TRY(block_divides(x, &x->out[0].dim[2], t->dim[2], b, 2));
  return block_divides(x, &x->out[0].dim[3], t->dim[3], b, 3);
}

static oq_status depth_to_space_run(oq_run *r) {
  const block_params *const p = r->params;
  const int64_t *const d = r->in[0]->shape.dim, b = p->block;
  const int64_t c = d[1] / (b * b);
  const int64_t dcr[] = {d[0], b, b, c, d[2], d[3]};
  const int64_t crd[] = {d[0], c, b, b, d[2], d[3]};
  static const uint32_t dcr_perm[] = {0, 3, 4, 1, 5, 2};
  static const uint32_t crd_perm[] = {0, 1, 4, 2, 5, 3};

  if (p->mode == MODE_DCR) return permute(r, 6, dcr, dcr_perm);
  return permute(r, 6, crd, crd_perm);
}

static oq_status space_to_depth_run(oq_run *r) {
  const int64_t *const d = r->in[0]->shape.dim;
  const int64_t b = ((const block_params *)r->params)->block;
  const int64_t dims[] = {d[0], d[1], d[2] / b, b, d[3] / b, b};
  static const uint32_t perm[] = {0, 3, 5, 1, 2, 4};

  return permute(r, 6, dims, perm);
}

/* ---- Concat -------------------------------------------------------------- */
typedef struct axis_params {
  int64_t axis;
  oq_i64s split;       /* Split below 13 */
  int64_t num_outputs; /* Split from 18 on */
  bool has_num_outputs;
} axis_params;

static const oq_attr_def concat_attrs[] = {
    {.name = "axis",
     .kind = OQ_ATTR_I64,
     .required = true,
     .offset = offsetof(axis_params, axis),
     .min = 1,
     .max = 0},
};

static oq_status merge_dim(const oq_infer *x, oq_dim *to, oq_dim d, uint32_t i,
                           uint32_t axis) {
  if (d.size == OQ_DIM_UNKNOWN) return OQ_OK;
  if (to->size == OQ_DIM_UNKNOWN) *to = d;
  if (to->size == d.size) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "concat.shape",
                       "input %u has %lld along axis %u, expected %lld", i,
                       (long long)d.size, axis, (long long)to->size);
}

static oq_status add_dim(const oq_infer *x, oq_dim *to, oq_dim d) {
  if (to->size == OQ_DIM_UNKNOWN || d.size == OQ_DIM_UNKNOWN) {
    *to = (oq_dim){.size = OQ_DIM_UNKNOWN};
    return OQ_OK;
  }
  to->symbol = (oq_name){0};
  if (oq_add_i64(&to->size, to->size, d.size)) return OQ_OK;
  return oq_infer_fail(x, OQ_E_LIMIT, "concat.shape",
                       "the output is too large along its axis");
}

static oq_status concat_infer(oq_infer *x) {
  const int64_t given = ((const axis_params *)x->params)->axis;
  const oq_type *first = NULL;
  bool all = true;
  uint32_t axis = 0;

  OQ_TRY(oq_infer_same_dtypes(x, 0, x->n_in));
  for (uint32_t i = 0; i < x->n_in; i++) {
    const oq_type *const t = oq_rule_ranked(x, i);
    if (t == NULL) {
      all = false;
      if (oq_infer_in(x, i) != NULL)
        oq_infer_set_dtype(x, 0, oq_infer_dtype(x, i));
      continue;
    }
    if (first == NULL) {
      OQ_TRY(oq_rule_axis(&axis, x, given, t->rank));
      oq_infer_set_rank(x, 0, t->dtype, t->rank);
      memcpy(x->out[0].dim, t->dim, sizeof t->dim);
      first = t;
      continue;
    }
    if (t->rank != first->rank)
      return oq_infer_fail(x, OQ_E_MODEL, "concat.rank",
                           "input %u has rank %u, expected %u", i, t->rank,
                           first->rank);
    for (uint32_t k = 0; k < t->rank; k++) {
      if (k == axis)
        OQ_TRY(add_dim(x, &x->out[0].dim[k], t->dim[k]));
      else
        OQ_TRY(merge_dim(x, &x->out[0].dim[k], t->dim[k], i, k));
    }
  }
  if (first != NULL && !all)
    x->out[0].dim[axis] = (oq_dim){.size = OQ_DIM_UNKNOWN};
  return OQ_OK;
}

static oq_status concat_along(oq_run *r, uint32_t axis) {
  const oq_shape *const s = &r->out[0].shape;
  const size_t size = oq_bytes_size(r->out[0].dtype);
  const uint8_t *x;
  uint8_t *y;
  size_t at = 0;

  OQ_TRY(oq_bytes_out(&y, r, 0));
  const size_t outer = oq_dims_product(s, 0, axis);
  const size_t row = oq_dims_product(s, axis, s->rank) * size;
  for (uint32_t i = 0; i < r->n_in; i++) {
    const size_t part = oq_dims_product(&r->in[i]->shape, axis, s->rank) * size;
    if (part == 0) continue;
    OQ_TRY(oq_bytes_in(&x, r, r->in[i]));
    for (size_t o = 0; o < outer; o++)
      memcpy(y + o * row + at, x + o * part, part);
    at += part;
  }
  oq_bytes_done(r, 0, y);
  return OQ_OK;
}

static oq_status concat_run(oq_run *r) {
  uint32_t axis;

  if (!oq_axis_normalize(&axis, ((const axis_params *)r->params)->axis,
                         r->out[0].shape.rank))
    return OQ_E_INTERNAL;
  return concat_along(r, axis);
}

static oq_status concat_run_last(oq_run *r) {
  const uint32_t rank = r->out[0].shape.rank;
  uint32_t axis;

  if (!oq_axis_normalize(&axis, ((const axis_params *)r->params)->axis, rank))
    return OQ_E_INTERNAL;
  return concat_along(r, oq_axis_turned(axis, rank));
}

/* ---- Split --------------------------------------------------------------- */
static const oq_attr_def split_attrs_2[] = {
    OQ_A_AXIS(axis_params, axis, "axis", 0),
    OQ_A_I64S(axis_params, split, "split"),
};
static const oq_attr_def split_attrs_18[] = {
    OQ_A_AXIS(axis_params, axis, "axis", 0), /* from 13 on the only one */
    {.name = "num_outputs",
     .kind = OQ_ATTR_I64,
     .offset = offsetof(axis_params, num_outputs),
     .set_offset = offsetof(axis_params, has_num_outputs),
     .min = 1,
     .max = INT32_MAX},
};
enum { SPLIT_ATTRS_13 = 1, SPLIT_ATTRS_18 = 2 };

static oq_status split_sizes(const oq_infer *x, const int64_t *v, uint32_t n,
                             oq_dim d) {
  int64_t sum = 0;

  if (n != x->n_out)
    return oq_infer_fail(x, OQ_E_MODEL, "split.sizes",
                         "%u sizes are given for %u outputs", n, x->n_out);
  for (uint32_t i = 0; i < n; i++)
    if (v[i] < 0 || !oq_add_i64(&sum, sum, v[i]))
      return oq_infer_fail(x, OQ_E_MODEL, "split.sizes",
                           "size %u is %lld, expected 0 or more", i,
                           (long long)v[i]);
  if (d.size != OQ_DIM_UNKNOWN && sum != d.size)
    return oq_infer_fail(x, OQ_E_MODEL, "split.sizes",
                         "the sizes add up to %lld, expected %lld",
                         (long long)sum, (long long)d.size);
  return OQ_OK;
}

/* Equal parts; from 18 on the last one may be smaller. */
static oq_status split_equal(int64_t *part, const oq_infer *x, oq_dim d) {
  const axis_params *const p = x->params;
  const int64_t n = x->n_out;

  *part = OQ_DIM_UNKNOWN;
  if (p->has_num_outputs && p->num_outputs != n)
    return oq_infer_fail(x, OQ_E_MODEL, "split.outputs",
                         "'num_outputs' is %lld, but there are %lld outputs",
                         (long long)p->num_outputs, (long long)n);
  if (d.size == OQ_DIM_UNKNOWN) return OQ_OK;
  *part = d.size / n + (d.size % n != 0);
  if (d.size % n == 0 || (p->has_num_outputs && *part * (n - 1) <= d.size))
    return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "split.sizes",
                       "%lld cannot be split into %lld parts",
                       (long long)d.size, (long long)n);
}

static oq_status split_infer(oq_infer *x) {
  const axis_params *const p = x->params;
  const oq_type *const t = oq_rule_ranked(x, 0);
  const int64_t *sizes = NULL;
  int64_t part = OQ_DIM_UNKNOWN;
  uint32_t n = 0, axis;
  bool known = true;

  for (uint32_t i = 0; i < x->n_out && oq_infer_in(x, 0) != NULL; i++)
    oq_infer_set_dtype(x, i, oq_infer_dtype(x, 0));
  OQ_TRY(oq_infer_axes(&sizes, &n, &known, x, &p->split, 1));
  if (t == NULL) return OQ_OK;
  OQ_TRY(oq_rule_axis(&axis, x, p->axis, t->rank));
  if (known && sizes != NULL)
    OQ_TRY(split_sizes(x, sizes, n, t->dim[axis]));
  else if (known)
    OQ_TRY(split_equal(&part, x, t->dim[axis]));
  for (uint32_t i = 0; i < x->n_out; i++) {
    oq_dim d = {.size = part};
    if (known && sizes != NULL) d.size = sizes[i];
    if (part != OQ_DIM_UNKNOWN && i + 1 == x->n_out)
      d.size = t->dim[axis].size - part * (int64_t)i;
    oq_infer_set_rank(x, i, t->dtype, t->rank);
    memcpy(x->out[i].dim, t->dim, sizeof t->dim);
    x->out[i].dim[axis] = d;
  }
  return OQ_OK;
}

static oq_status split_run(oq_run *r) {
  const oq_shape *const s = &r->in[0]->shape;
  const size_t size = oq_bytes_size(r->in[0]->dtype);
  uint32_t axis;
  const uint8_t *x;
  uint8_t *y;
  size_t at = 0;

  if (!oq_axis_normalize(&axis, ((const axis_params *)r->params)->axis,
                         s->rank))
    return OQ_E_INTERNAL;
  OQ_TRY(oq_bytes_in(&x, r, r->in[0]));
  const size_t outer = oq_dims_product(s, 0, axis);
  const size_t row = oq_dims_product(s, axis, s->rank) * size;
  for (uint32_t i = 0; i < r->n_out; i++) {
    const size_t part = oq_dims_product(&r->out[i].shape, axis, s->rank) * size;
    if (r->out[i].data != NULL && part != 0) {
      OQ_TRY(oq_bytes_out(&y, r, i));
      for (size_t o = 0; o < outer; o++)
        memcpy(y + o * part, x + o * row + at, part);
      oq_bytes_done(r, i, y);
    }
    at += part;
  }
  return OQ_OK;
}

/* ---- table --------------------------------------------------------------- */
#define ONE_OUT .domain = "", .min_out = 1, .max_out = 1
#define DROPOUT                                                              \
  .domain = "", .name = "Dropout", .min_in = 1, .min_out = 1, .max_out = 2,  \
  .dtypes = OQ_DTM_FLOAT | OQ_DTM_F8, .params_size = sizeof(dropout_params), \
  .infer = dropout_infer, .run = dropout_run, MOVE_INDEX
#define SPLIT                                                                 \
  .domain = "", .name = "Split", .min_in = 1, .min_out = 1,                   \
  .max_out = OQ_OPS_MANY, .dtypes = OQ_DTM_MOVABLE, .texts = OQ_TEXT_MOVE,    \
  .params_size = sizeof(axis_params), .infer = split_infer, .run = split_run, \
  MOVE_INDEX
static const oq_op_def defs[] = {
    {ONE_OUT, .name = "Identity", .since = 1, .last = 27, .min_in = 1,
     .max_in = 1, .flags = OQ_OP_VIEW | OQ_OP_DATA, .texts = OQ_TEXT_MOVE,
     .layout = OQ_LAST_FOLLOWS, .infer = oq_infer_same, MOVE_DATA},

    {DROPOUT, .since = 7, .last = 11, .max_in = 1, OQ_ATTRS(dropout_ratio),
     .flags = OQ_OP_INPLACE},
    {DROPOUT, .since = 12, .last = 27, .max_in = 3, OQ_ATTRS(dropout_seed),
     .flags = OQ_OP_INPLACE | OQ_OP_RANDOM},

    {ONE_OUT, .name = "Transpose", .since = 1, .last = 27, .min_in = 1,
     .max_in = 1, .dtypes = OQ_DTM_MOVABLE, .texts = OQ_TEXT_MOVE,
     .params_size = sizeof(transpose_params), OQ_ATTRS(transpose_attrs),
     .check = transpose_check, .infer = transpose_infer, .run = transpose_run,
     MOVE_DATA},

    {ONE_OUT, .name = "DepthToSpace", .since = 1, .last = 10, .min_in = 1,
     .max_in = 1, .dtypes = OQ_DTM_MOVABLE, .texts = OQ_TEXT_MOVE,
     .params_size = sizeof(block_params), .n_attrs = BLOCK_ATTRS_1,
     .attrs = block_attrs, .infer = depth_to_space_infer,
     .run = depth_to_space_run, MOVE_DATA},
    {ONE_OUT, .name = "DepthToSpace", .since = 11, .last = 27, .min_in = 1,
     .max_in = 1, .dtypes = OQ_DTM_MOVABLE, .texts = OQ_TEXT_MOVE,
     .params_size = sizeof(block_params), .n_attrs = BLOCK_ATTRS_11,
     .attrs = block_attrs, .infer = depth_to_space_infer,
     .run = depth_to_space_run, MOVE_DATA},
    {ONE_OUT, .name = "SpaceToDepth", .since = 1, .last = 27, .min_in = 1,
     .max_in = 1, .dtypes = OQ_DTM_MOVABLE, .texts = OQ_TEXT_MOVE,
     .params_size = sizeof(block_params), .n_attrs = BLOCK_ATTRS_1,
     .attrs = block_attrs, .infer = space_to_depth_infer,
     .run = space_to_depth_run, MOVE_DATA},

    {ONE_OUT, .name = "Concat", .since = 4, .last = 27, .min_in = 1,
     .max_in = OQ_OPS_MANY, .dtypes = OQ_DTM_MOVABLE,
     .texts = OQ_TEXT_IN | OQ_TEXT_OUT, .params_size = sizeof(axis_params),
     OQ_ATTRS(concat_attrs), .infer = concat_infer, .run = concat_run,
     .run_last = concat_run_last, .layout = OQ_LAST_OWN,
     .layout_inputs = OQ_OPS_MANY,
     .quant = {.cls = OQ_Q_JOIN,
               .role = {OQ_ROLE_DATA, OQ_ROLE_DATA, OQ_ROLE_DATA,
                        OQ_ROLE_DATA}}},

    {SPLIT, .since = 2, .last = 12, .max_in = 1, OQ_ATTRS(split_attrs_2)},
    {SPLIT, .since = 13, .last = 17, .max_in = 2, .n_attrs = SPLIT_ATTRS_13,
     .attrs = split_attrs_18},
    {SPLIT, .since = 18, .last = 27, .max_in = 2, .n_attrs = SPLIT_ATTRS_18,
     .attrs = split_attrs_18},
};

OQ_FAMILY(move, defs);
