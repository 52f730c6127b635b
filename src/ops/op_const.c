/* Tensors that come from attributes: Constant, ConstantOfShape. */
#include <string.h>

#include "kern/k_eltwise.h"
#include "ops/op.h"

/* ---- Constant ------------------------------------------------------------ */
typedef struct constant_params {
  oq_tensor_attr value;
  const oq_attr *sparse_value, *value_strings;
  oq_text value_string;
  float value_float;
  int64_t value_int;
  oq_f32s value_floats;
  oq_i64s value_ints;
  bool has_float, has_int, has_string;
} constant_params;

#define FIELD(key, attr_kind)                                    \
  {                                                              \
    .name = #key, .kind = (attr_kind),                           \
    .offset = offsetof(constant_params, key), .min = 1, .max = 0 \
  }
#define SET(key, attr_kind, flag)                                     \
  {                                                                   \
    .name = #key, .kind = (attr_kind),                                \
    .offset = offsetof(constant_params, key),                         \
    .set_offset = offsetof(constant_params, flag), .min = 1, .max = 0 \
  }

static const oq_attr_def constant9_attrs[] = {
    {.name = "value",
     .kind = OQ_ATTR_TENSOR,
     .required = true,
     .offset = offsetof(constant_params, value),
     .min = 1,
     .max = 0},
};
static const oq_attr_def constant11_attrs[] = {
    FIELD(value, OQ_ATTR_TENSOR),
    FIELD(sparse_value, OQ_ATTR_SPARSE),
};
static const oq_attr_def constant12_attrs[] = {
    FIELD(value, OQ_ATTR_TENSOR),
    FIELD(sparse_value, OQ_ATTR_SPARSE),
    FIELD(value_floats, OQ_ATTR_F32S),
    FIELD(value_ints, OQ_ATTR_I64S),
    FIELD(value_strings, OQ_ATTR_TEXTS),
    SET(value_float, OQ_ATTR_F32, has_float),
    SET(value_int, OQ_ATTR_I64, has_int),
    SET(value_string, OQ_ATTR_TEXT, has_string),
};

static oq_status constant_check(const oq_graph *g, const oq_node *n,
                                void *params, oq_diags *d) {
  const constant_params *const p = params;
  const oq_where w = oq_node_where(g, (oq_node_id){(uint32_t)(n - g->nodes)});
  const int given = (p->value.c != NULL) + (p->sparse_value != NULL) +
                    (p->value_strings != NULL) + p->has_string + p->has_float +
                    p->has_int + p->value_floats.set + p->value_ints.set;

  if (given == 1) return OQ_OK;
  return oq_fail(d, OQ_E_MODEL, "constant.value", &w,
                 "%d of the 'value' attributes are given, expected one", given);
}

static void set_list(oq_infer *x, oq_dtype t, uint32_t rank, int64_t n) {
  const oq_shape s = {.rank = rank, .dim = {n}};

  oq_infer_set(x, 0, t, &s);
}

/* Sparse tensors stay unknown here and are refused when run. */
static oq_status constant_infer(oq_infer *x) {
  const constant_params *const p = x->params;

  if (p->value.c != NULL && x->n_out > 0) {
    x->out[0] = *p->value.c->type;
    x->out[0].raw = NULL;
  } else if (p->has_float) {
    set_list(x, OQ_DT_F32, 0, 0);
  } else if (p->has_int) {
    set_list(x, OQ_DT_I64, 0, 0);
  } else if (p->value_floats.set) {
    set_list(x, OQ_DT_F32, 1, p->value_floats.n);
  } else if (p->value_ints.set) {
    set_list(x, OQ_DT_I64, 1, p->value_ints.n);
  } else if (p->has_string) {
    set_list(x, OQ_DT_STRING, 0, 0);
  } else if (p->value_strings != NULL) {
    set_list(x, OQ_DT_STRING, 1, p->value_strings->count);
  }
  return OQ_OK;
}

static oq_status constant_run(oq_run *r) {
  const constant_params *const p = r->params;
  oq_tensor *const out = &r->out[0];
  oq_ctensor c;

  if (p->value.c != NULL) {
    OQ_TRY(oq_const_view(&c, p->value.c, r->scratch, r->diags));
    if (c.size > 0) memcpy(out->data, c.data, c.size);
  } else if (p->has_float) {
    memcpy(out->data, &p->value_float, sizeof p->value_float);
  } else if (p->has_int) {
    memcpy(out->data, &p->value_int, sizeof p->value_int);
  } else if (p->value_floats.set) {
    if (out->size > 0) memcpy(out->data, p->value_floats.v, out->size);
  } else if (p->value_ints.set) {
    if (out->size > 0) memcpy(out->data, p->value_ints.v, out->size);
  } else if (p->has_string) {
    memcpy(out->data, &p->value_string, sizeof p->value_string);
  } else if (p->value_strings != NULL) {
    if (out->size > 0) memcpy(out->data, p->value_strings->u.texts, out->size);
  } else {
    return oq_run_fail(r, OQ_E_UNSUPPORTED, "constant.value",
                       "sparse constants are not supported, expected attribute "
                       "'value' or one of 'value_*'");
  }
  return OQ_OK;
}

/* ---- ConstantOfShape ----------------------------------------------------- */
typedef struct filled_params {
  oq_tensor_attr value;
} filled_params;

static const oq_attr_def filled_attrs[] = {
    OQ_A_TENSOR(filled_params, value, "value"),
};

static oq_status filled_check(const oq_graph *g, const oq_node *n, void *params,
                              oq_diags *d) {
  const filled_params *const p = params;
  oq_where w = oq_node_where(g, (oq_node_id){(uint32_t)(n - g->nodes)});
  oq_shape s;
  size_t count;

  if (p->value.c == NULL) return OQ_OK;
  if (oq_type_shape(&s, p->value.c->type) &&
      oq_shape_count(&count, &s) == OQ_OK && count == 1)
    return OQ_OK;
  w.attr = "value";
  return oq_fail(d, OQ_E_MODEL, "constant.value", &w,
                 "attribute 'value' does not have exactly one element");
}

static oq_status shape_of(oq_shape *out, oq_infer *x, const int64_t *dim,
                          uint32_t n) {
  if (n > OQ_MAX_RANK)
    return oq_infer_fail(x, OQ_E_LIMIT, "op.rank",
                         "the shape has %u dimensions, at most %d are "
                         "supported",
                         n, OQ_MAX_RANK);
  out->rank = n;
  for (uint32_t i = 0; i < n; i++) {
    if (dim[i] < 0)
      return oq_infer_fail(x, OQ_E_MODEL, "op.shape",
                           "dimension %u is negative", i);
    out->dim[i] = dim[i];
  }
  return OQ_OK;
}

static oq_status filled_infer(oq_infer *x) {
  const filled_params *const p = x->params;
  const oq_dtype t = p->value.c != NULL ? p->value.c->type->dtype : OQ_DT_F32;
  const oq_type *const in = oq_infer_in(x, 0);
  const int64_t *dim;
  oq_shape s = {0};
  uint32_t n;
  bool known;

  OQ_TRY(oq_infer_ints(&dim, &n, &known, x, 0));
  if (known) {
    OQ_TRY(shape_of(&s, x, dim, n));
    oq_infer_set(x, 0, t, &s);
    return OQ_OK;
  }
  oq_infer_set_dtype(x, 0, t);
  if (in != NULL && in->has_rank && in->rank == 1 && in->dim[0].size >= 0 &&
      in->dim[0].size <= OQ_MAX_RANK)
    oq_infer_set_rank(x, 0, t, (uint32_t)in->dim[0].size);
  return OQ_OK;
}

/* A packed element is repeated as a byte full of it. */
static uint8_t full_byte(const oq_ctensor *c, uint32_t bits) {
  const uint32_t mask = (1u << bits) - 1;
  const uint32_t v = *(const uint8_t *)c->data & mask;
  uint32_t byte = 0;

  for (uint32_t at = 0; at < 8; at += bits) byte |= v << at;
  return (uint8_t)byte;
}

static oq_status filled_run(oq_run *r) {
  const filled_params *const p = r->params;
  oq_tensor *const out = &r->out[0];
  const uint32_t bits = oq_dtype_bits((int32_t)out->dtype);
  oq_ctensor c;

  if (p->value.c == NULL) {
    memset(out->data, 0, out->size);
    return OQ_OK;
  }
  OQ_TRY(oq_const_view(&c, p->value.c, r->scratch, r->diags));
  if (bits < 8) {
    memset(out->data, full_byte(&c, bits), out->size);
    return OQ_OK;
  }
  oq_k_fill(out->data, c.data, out->size / (bits / 8), bits / 8);
  return OQ_OK;
}

/* ---- table --------------------------------------------------------------- */
#define CONSTANT(from, to, table)                                          \
  {                                                                        \
    .domain = "", .name = "Constant", .since = (from), .last = (to),       \
    .min_in = 0, .max_in = 0, .min_out = 1, .max_out = 1,                  \
    .texts = OQ_TEXT_OUT, .texts_since = 9,                                \
    .params_size = sizeof(constant_params), OQ_ATTRS(table),               \
    .check = constant_check, .infer = constant_infer, .run = constant_run, \
    .quant = {                                                             \
      .cls = OQ_Q_NEVER                                                    \
    }                                                                      \
  }

static const oq_op_def defs[] = {
    CONSTANT(6, 10, constant9_attrs),
    CONSTANT(11, 11, constant11_attrs),
    CONSTANT(12, 27, constant12_attrs),
    {.domain = "",
     .name = "ConstantOfShape",
     .since = 9,
     .last = 27,
     .min_in = 1,
     .max_in = 1,
     .min_out = 1,
     .max_out = 1,
     .dtypes = OQ_DTM(I64) | OQ_DTM(I32),
     .params_size = sizeof(filled_params),
     OQ_ATTRS(filled_attrs),
     .check = filled_check,
     .infer = filled_infer,
     .run = filled_run,
     .quant = {.cls = OQ_Q_NEVER}},
};

OQ_FAMILY(const, defs);
