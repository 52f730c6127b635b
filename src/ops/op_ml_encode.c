/* Categories and labels: OneHotEncoder, LabelEncoder, CategoryMapper. */
#include <math.h>
#include <string.h>

#include "ops/lookup.h"
#include "ops/ml.h"
#include "ops/rules.h"

/* ---- lists of attributes as tensors ------------------------------------ */
static oq_ctensor list_of(oq_dtype t, const void *v, uint32_t n) {
  const size_t size = oq_dtype_bits((int32_t)t) / 8;

  return (oq_ctensor){
      .dtype = t, .shape = {1, {(int64_t)n}}, .size = n * size, .data = v};
}

static oq_ctensor texts_of(const oq_attr *a) {
  return list_of(OQ_DT_STRING, a->u.texts, a->count);
}

typedef struct encode_params {
  oq_i64s keys_i, values_i;
  oq_f32s keys_f, values_f;
  const oq_attr *keys_s, *values_s;
  oq_tensor_attr keys_t, values_t, default_t;
  int64_t default_int, zeros;
  float default_float;
  oq_text default_text;
  /* Made of it. */
  oq_ctensor keys, values, other; /* other: for what is no key; one element */
  oq_lookup to, back;             /* back: from values to keys */
} encode_params;

/* Where attributes come from and findings go. */
typedef struct source {
  const oq_graph *g;
  const oq_node *n;
  oq_diags *d;
} source;

/* The one of the lists that is given. */
static oq_status take_list(oq_ctensor *out, const source *s, const oq_i64s *i,
                           const oq_f32s *f, const oq_attr *t,
                           const oq_tensor_attr *c, const char *what) {
  const uint32_t n_texts = t != NULL ? t->count : 0;
  const int given = (i->n > 0) + (f->n > 0) + (n_texts > 0) + (c->c != NULL);

  if (given != 1)
    return oq_ml_attr_fail(s->g, s->n, what, s->d,
                           "one of the attributes '%s_*' must be given, and "
                           "only one",
                           what);
  if (c->c != NULL) {
    OQ_TRY(oq_const_view(out, c->c, s->g->model->arena, s->d));
    if (out->shape.rank == 1 && out->shape.dim[0] <= INT32_MAX) return OQ_OK;
    return oq_ml_attr_fail(s->g, s->n, what, s->d,
                           "attribute '%s_tensor' is no list", what);
  }
  *out = i->n > 0   ? list_of(OQ_DT_I64, i->v, i->n)
         : f->n > 0 ? list_of(OQ_DT_F32, f->v, f->n)
                    : texts_of(t);
  return OQ_OK;
}

static oq_status same_lengths(const source *s, const oq_ctensor *a,
                              const oq_ctensor *b, const char *what) {
  const size_t n = oq_tensor_count(a), m = oq_tensor_count(b);

  if (n == m) return OQ_OK;
  return oq_ml_attr_fail(s->g, s->n, what, s->d,
                         "there are %zu keys and %zu values", n, m);
}

/* ---- LabelEncoder from version 2 --------------------------------------- */
#define ENCODE_TYPES                                                        \
  (OQ_DTM(STRING) | OQ_DTM(I64) | OQ_DTM(F32) | OQ_DTM(I32) | OQ_DTM(I16) | \
   OQ_DTM(F64))

static oq_status take_default(encode_params *p, const source *s) {
  const oq_shape one = {1, {1}};
  oq_tensor t;

  if (p->default_t.c != NULL) {
    OQ_TRY(oq_const_view(&p->other, p->default_t.c, s->g->model->arena, s->d));
    if (p->other.dtype == p->values.dtype && oq_tensor_count(&p->other) == 1)
      return OQ_OK;
    return oq_ml_attr_fail(s->g, s->n, "default_tensor", s->d,
                           "attribute 'default_tensor' is not one value of %s",
                           oq_dtype_text((int32_t)p->values.dtype));
  }
  if (oq_tensor_make(&t, p->values.dtype, &one, s->g->model->arena) != OQ_OK)
    return oq_fail_memory(s->d);
  if (t.dtype == OQ_DT_STRING)
    *(oq_text *)t.data = p->default_text;
  else if (oq_dtype_is_float((int32_t)t.dtype))
    oq_element_set_f64(&t, 0, (double)p->default_float);
  else
    oq_element_set_i64(&t, 0, p->default_int);
  p->other = oq_tensor_const(&t);
  return OQ_OK;
}

static oq_status known_types(const source *s, const oq_ctensor *t,
                             const char *what) {
  if (oq_dtype_in((int32_t)t->dtype, ENCODE_TYPES)) return OQ_OK;
  return oq_ml_attr_fail(s->g, s->n, what, s->d, "attribute '%s_tensor' is %s",
                         what, oq_dtype_text((int32_t)t->dtype));
}

static oq_status encoder_check(const oq_graph *g, const oq_node *n,
                               void *params, oq_diags *d, bool last) {
  encode_params *const p = params;
  const source s = {g, n, d};

  OQ_TRY(take_list(&p->keys, &s, &p->keys_i, &p->keys_f, p->keys_s, &p->keys_t,
                   "keys"));
  OQ_TRY(take_list(&p->values, &s, &p->values_i, &p->values_f, p->values_s,
                   &p->values_t, "values"));
  OQ_TRY(known_types(&s, &p->keys, "keys"));
  OQ_TRY(known_types(&s, &p->values, "values"));
  OQ_TRY(same_lengths(&s, &p->keys, &p->values, "values"));
  OQ_TRY(take_default(p, &s));
  return oq_lookup_make(&p->to, &p->keys, last, g->model->arena, d);
}

/* Version 2 does not say which of equal keys counts: the first, as in
 * onnxruntime.  Version 4 does: the last. */
static oq_status encoder2_check(const oq_graph *g, const oq_node *n,
                                void *params, oq_diags *d) {
  return encoder_check(g, n, params, d, false);
}

static oq_status encoder4_check(const oq_graph *g, const oq_node *n,
                                void *params, oq_diags *d) {
  return encoder_check(g, n, params, d, true);
}

static oq_status encoder_infer(oq_infer *x) {
  const encode_params *const p = x->params;
  const oq_dtype t = oq_infer_dtype(x, 0);

  if (t != OQ_DT_NONE && t != p->keys.dtype)
    return oq_infer_fail(
        x, OQ_E_MODEL, "op.dtype", "input 0 is %s where the keys are %s",
        oq_dtype_text((int32_t)t), oq_dtype_text((int32_t)p->keys.dtype));
  OQ_TRY(oq_infer_same(x));
  oq_infer_set_dtype(x, 0, p->values.dtype);
  return OQ_OK;
}

/* y[i] := values at the place of x[i] in `t`. */
static void encode(oq_run *r, const oq_lookup *t, const oq_ctensor *values,
                   const oq_ctensor *other) {
  const size_t n = oq_tensor_count(r->in[0]);
  const size_t size = oq_dtype_bits((int32_t)values->dtype) / 8;
  const uint8_t *const from = values->data;
  uint8_t *const to = r->out[0].data;

  for (size_t i = 0; i < n; i++) {
    const oq_lookup_item e = oq_lookup_entry(r->in[0], i);
    const uint8_t *v = other->data;
    uint32_t at;
    if (oq_lookup_find(&at, t, &e)) v = from + at * size;
    memcpy(to + i * size, v, size);
  }
}

static oq_status encoder_run(oq_run *r) {
  const encode_params *const p = r->params;

  encode(r, &p->to, &p->values, &p->other);
  return OQ_OK;
}

/* ---- texts to integers and back ---------------------------------------- */
/* `keys` are the texts, `values` their integers; what maps back has its own
 * default. */
static oq_status make_both_ways(encode_params *p, const source *s) {
  oq_arena *const a = s->g->model->arena;

  OQ_TRY(same_lengths(s, &p->keys, &p->values, "cats_int64s"));
  OQ_TRY(oq_lookup_make(&p->to, &p->keys, true, a, s->d));
  return oq_lookup_make(&p->back, &p->values, true, a, s->d);
}

static oq_status mapper_check(const oq_graph *g, const oq_node *n, void *params,
                              oq_diags *d) {
  encode_params *const p = params;
  const source s = {g, n, d};

  if (p->keys_s == NULL)
    return oq_ml_attr_fail(g, n, "cats_strings", d,
                           "attribute 'cats_strings' is missing");
  p->keys = texts_of(p->keys_s);
  p->values = list_of(OQ_DT_I64, p->values_i.v, p->values_i.n);
  return make_both_ways(p, &s);
}

/* Integers are places in the list. */
static oq_status encoder1_check(const oq_graph *g, const oq_node *n,
                                void *params, oq_diags *d) {
  encode_params *const p = params;
  const source s = {g, n, d};

  if (p->keys_s == NULL)
    return oq_ml_attr_fail(g, n, "classes_strings", d,
                           "attribute 'classes_strings' is missing");
  p->keys = texts_of(p->keys_s);
  int64_t *const place = OQ_NEW_N(g->model->arena, int64_t, p->keys_s->count);
  if (place == NULL) return oq_fail_memory(d);
  for (uint32_t i = 0; i < p->keys_s->count; i++) place[i] = i;
  p->values = list_of(OQ_DT_I64, place, p->keys_s->count);
  return make_both_ways(p, &s);
}

static oq_status mapper_infer(oq_infer *x) {
  const oq_dtype t = oq_infer_dtype(x, 0);

  OQ_TRY(oq_infer_same(x));
  if (t == OQ_DT_STRING) oq_infer_set_dtype(x, 0, OQ_DT_I64);
  if (t == OQ_DT_I64) oq_infer_set_dtype(x, 0, OQ_DT_STRING);
  return OQ_OK;
}

static oq_status mapper_run(oq_run *r) {
  const encode_params *const p = r->params;
  const oq_ctensor number = list_of(OQ_DT_I64, &p->default_int, 1);
  const oq_ctensor text = list_of(OQ_DT_STRING, &p->default_text, 1);

  if (r->in[0]->dtype == OQ_DT_STRING)
    encode(r, &p->to, &p->values, &number);
  else
    encode(r, &p->back, &p->keys, &text);
  return OQ_OK;
}

/* ---- OneHotEncoder ----------------------------------------------------- */
static oq_status one_hot_check(const oq_graph *g, const oq_node *n,
                               void *params, oq_diags *d) {
  encode_params *const p = params;
  const oq_f32s no_floats = {0};
  const oq_tensor_attr no_tensor = {0};
  const source s = {g, n, d};

  OQ_TRY(take_list(&p->keys, &s, &p->keys_i, &no_floats, p->keys_s, &no_tensor,
                   "cats"));
  return oq_lookup_make(&p->to, &p->keys, true, g->model->arena, d);
}

static oq_status one_hot_infer(oq_infer *x) {
  const encode_params *const p = x->params;
  const oq_type *const t = oq_infer_in(x, 0);

  oq_infer_set_dtype(x, 0, OQ_DT_F32);
  if (t == NULL) return OQ_OK;
  if ((t->dtype == OQ_DT_STRING) != (p->keys.dtype == OQ_DT_STRING))
    return oq_infer_fail(x, OQ_E_MODEL, "op.dtype",
                         "input 0 is %s where the categories are %s",
                         oq_dtype_text((int32_t)t->dtype),
                         oq_dtype_text((int32_t)p->keys.dtype));
  if (!t->has_rank) return OQ_OK;
  OQ_TRY(oq_rule_rank(x, (uint64_t)t->rank + 1));
  oq_infer_set_rank(x, 0, OQ_DT_F32, t->rank + 1);
  memcpy(x->out[0].dim, t->dim, t->rank * sizeof t->dim[0]);
  x->out[0].dim[t->rank] = (oq_dim){.size = p->keys.shape.dim[0]};
  return OQ_OK;
}

/* "The data will be cast to integers"; what cannot be is no category. */
static bool category_of(oq_lookup_item *out, const oq_ctensor *t, size_t i) {
  if (!oq_dtype_is_float((int32_t)t->dtype)) {
    *out = oq_lookup_entry(t, i);
    return true;
  }
  const double v = oq_element_f64(t, i);
  if (!(v > -9.2e18 && v < 9.2e18)) return false;
  out->key.i = (int64_t)v;
  return true;
}

static oq_status one_hot_run(oq_run *r) {
  const encode_params *const p = r->params;
  const size_t n = oq_tensor_count(r->in[0]);
  const size_t c = (size_t)p->keys.shape.dim[0];
  float *const y = r->out[0].data;

  if (r->out[0].size > 0) memset(y, 0, r->out[0].size);
  for (size_t i = 0; i < n; i++) {
    oq_lookup_item e = {.at = 0};
    uint32_t at;
    if (category_of(&e, r->in[0], i) && oq_lookup_find(&at, &p->to, &e))
      y[i * c + at] = 1;
    else if (p->zeros == 0)
      return oq_run_fail(r, OQ_E_DATA, "one_hot.unknown",
                         "element %zu of input 0 is none of the categories, "
                         "and 'zeros' is 0",
                         i);
  }
  return OQ_OK;
}

/* ---- attributes -------------------------------------------------------- */
#define P encode_params
#define DEFAULT_INT OQ_A_I64(P, default_int, "default_int64", -1, 1, 0)
#define DEFAULT_TEXT                                                  \
  {                                                                   \
    .name = "default_string", .kind = OQ_ATTR_TEXT,                   \
    .offset = offsetof(P, default_text), .dflt = {.text = "_Unused"}, \
    .min = 1, .max = 0                                                \
  }
#define LISTS                                                               \
  OQ_A_F32S(P, keys_f, "keys_floats"), OQ_A_I64S(P, keys_i, "keys_int64s"), \
      OQ_ML_TEXTS(P, keys_s, "keys_strings"),                               \
      OQ_A_F32S(P, values_f, "values_floats"),                              \
      OQ_A_I64S(P, values_i, "values_int64s"),                              \
      OQ_ML_TEXTS(P, values_s, "values_strings"),                           \
      OQ_A_F32(P, default_float, "default_float", -0.0), DEFAULT_INT,       \
      DEFAULT_TEXT

static const oq_attr_def one_hot_attrs[] = {
    OQ_A_I64S(P, keys_i, "cats_int64s"), OQ_ML_TEXTS(P, keys_s, "cats_strings"),
    OQ_A_I64(P, zeros, "zeros", 1, 1, 0)};
static const oq_attr_def mapper_attrs[] = {
    OQ_A_I64S(P, values_i, "cats_int64s"),
    OQ_ML_TEXTS(P, keys_s, "cats_strings"), DEFAULT_INT, DEFAULT_TEXT};
static const oq_attr_def encoder1_attrs[] = {
    OQ_ML_TEXTS(P, keys_s, "classes_strings"), DEFAULT_INT, DEFAULT_TEXT};
static const oq_attr_def encoder2_attrs[] = {LISTS};
static const oq_attr_def encoder4_attrs[] = {
    LISTS, OQ_A_TENSOR(P, keys_t, "keys_tensor"),
    OQ_A_TENSOR(P, values_t, "values_tensor"),
    OQ_A_TENSOR(P, default_t, "default_tensor")};

/* ---- table ------------------------------------------------------------- */
#define ROW(op, from, to_, types, moves, table, what, kind)                  \
  {                                                                          \
    .domain = OQ_ML, .name = (op), .since = (from), .last = (to_),           \
    .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1, .dtypes = (types), \
    .texts = (moves), .params_size = sizeof(P), OQ_ATTRS(table),             \
    .check = what##_check, .infer = kind##_infer, .run = kind##_run,         \
    .quant = {                                                               \
      .cls = OQ_Q_NEVER                                                      \
    }                                                                        \
  }
#define TEXT_OR_INT (OQ_DTM(STRING) | OQ_DTM(I64))

static const oq_op_def defs[] = {
    ROW("CategoryMapper", 1, OQ_ML_NEWEST, TEXT_OR_INT, OQ_TEXT_MOVE,
        mapper_attrs, mapper, mapper),
    ROW("LabelEncoder", 1, 1, TEXT_OR_INT, OQ_TEXT_MOVE, encoder1_attrs,
        encoder1, mapper),
    ROW("LabelEncoder", 2, 3, TEXT_OR_INT | OQ_DTM(F32), OQ_TEXT_MOVE,
        encoder2_attrs, encoder2, encoder),
    ROW("LabelEncoder", 4, OQ_ML_NEWEST, ENCODE_TYPES, OQ_TEXT_MOVE,
        encoder4_attrs, encoder4, encoder),
    ROW("OneHotEncoder", 1, OQ_ML_NEWEST, OQ_ML_TYPES | OQ_DTM(STRING),
        OQ_TEXT(0), one_hot_attrs, one_hot, one_hot),
};

OQ_FAMILY(ml_encode, defs);
