/* Maps: ZipMap makes them, CastMap and DictVectorizer make tensors of them. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "ops/lookup.h"
#include "ops/ml.h"

typedef struct map_params {
  oq_i64s keys_i;
  const oq_attr *keys_s;
  int32_t cast_to, form;
  int64_t size;
  oq_ml_labels keys; /* made of it */
} map_params;

/* ---- ZipMap ------------------------------------------------------------ */
static oq_status zip_check(const oq_graph *g, const oq_node *n, void *params,
                           oq_diags *d) {
  map_params *const p = params;

  return oq_ml_labels_take(&p->keys, g, n, &p->keys_i, p->keys_s, "classlabels",
                           d);
}

/* A list of maps has no type that inference follows. */
static oq_status zip_infer(oq_infer *x) {
  const map_params *const p = x->params;
  oq_dim n, c;

  OQ_TRY(oq_ml_infer_rows(&n, &c, x));
  if (c.size == OQ_DIM_UNKNOWN || c.size == (int64_t)p->keys.n) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "map.keys",
                       "input 0 has %lld columns for %u keys",
                       (long long)c.size, p->keys.n);
}

/* The keys lie in the model, the values stay where they are. */
static oq_status zip_run(oq_run *r) {
  const map_params *const p = r->params;
  const bool texts = p->keys.texts != NULL;
  const size_t size = texts ? sizeof(oq_text) : sizeof(int64_t);
  const oq_ctensor keys = {
      .dtype = oq_ml_labels_dtype(&p->keys),
      .shape = {1, {(int64_t)p->keys.n}},
      .size = p->keys.n * size,
      .data = texts ? (const void *)p->keys.texts : p->keys.ints};
  oq_datum item[OQ_MAP_ITEMS], d = {0};

  item[OQ_MAP_KEYS] = oq_datum_of(&keys);
  item[OQ_MAP_VALUES] = *r->data[0];
  oq_ctensor *const v = &item[OQ_MAP_VALUES].t;
  if (v->shape.rank == 1) v->shape = (oq_shape){2, {1, v->shape.dim[0]}};
  OQ_TRY(oq_run_sequence(&d, r, OQ_DT_NONE, item, OQ_MAP_ITEMS));
  d.kind = OQ_DATUM_MAPS;
  oq_run_give(r, 0, &d);
  return OQ_OK;
}

/* ---- reading a map ----------------------------------------------------- */
typedef struct map_view {
  const oq_ctensor *keys, *values; /* as many of both */
  uint32_t n;
} map_view;

/* Input 0, which must be one map. */
static oq_status map_in(map_view *out, const oq_run *r) {
  const oq_datum *const d = r->data != NULL ? r->data[0] : NULL;

  if (d == NULL || d->kind != OQ_DATUM_MAPS)
    return oq_run_fail(r, OQ_E_MODEL, "map.input", "input 0 is no map");
  const oq_ctensor *const k = &d->item[OQ_MAP_KEYS].t;
  const oq_ctensor *const v = &d->item[OQ_MAP_VALUES].t;
  const size_t n = oq_tensor_count(k);
  if (k->shape.rank != 1 || n != oq_tensor_count(v) || n > INT32_MAX)
    return oq_run_fail(r, OQ_E_DATA, "map.input",
                       "input 0 is not one map: %zu keys meet %zu values", n,
                       oq_tensor_count(v));
  *out = (map_view){k, v, (uint32_t)n};
  return OQ_OK;
}

/* ---- DictVectorizer ---------------------------------------------------- */
static oq_status vectorizer_check(const oq_graph *g, const oq_node *n,
                                  void *params, oq_diags *d) {
  map_params *const p = params;
  const uint32_t n_texts = p->keys_s != NULL ? p->keys_s->count : 0;

  if ((p->keys_i.n > 0) == (n_texts > 0))
    return oq_ml_attr_fail(g, n, "string_vocabulary", d,
                           "one of the attributes 'string_vocabulary' and "
                           "'int64_vocabulary' must be given, and only one");
  if (n_texts > 0)
    p->keys = (oq_ml_labels){NULL, p->keys_s->u.texts, n_texts};
  else
    p->keys = (oq_ml_labels){p->keys_i.v, NULL, p->keys_i.n};
  return OQ_OK;
}

/* The type of the values is known when a map comes. */
static oq_status vectorizer_infer(oq_infer *x) {
  (void)x;
  return OQ_OK;
}

static oq_lookup_item word_of(const map_params *p, uint32_t i) {
  oq_lookup_item e = {.at = i};

  if (p->keys.texts != NULL)
    e.key.t = p->keys.texts[i];
  else
    e.key.i = p->keys.ints[i];
  return e;
}

static oq_status vectorizer_run(oq_run *r) {
  const map_params *const p = r->params;
  const oq_shape shape = {2, {1, (int64_t)p->keys.n}};
  map_view m;
  oq_lookup index;

  OQ_TRY(map_in(&m, r));
  if (m.keys->dtype != oq_ml_labels_dtype(&p->keys))
    return oq_run_fail(r, OQ_E_DATA, "map.keys",
                       "the keys are %s, the vocabulary is not",
                       oq_dtype_text((int32_t)m.keys->dtype));
  OQ_TRY(oq_lookup_make(&index, m.keys, true, r->scratch, r->diags));
  OQ_TRY(oq_run_alloc(r, 0, m.values->dtype, &shape));
  const size_t size = oq_dtype_bits((int32_t)m.values->dtype) / 8;
  uint8_t *const y = r->out[0].data;
  memset(y, 0, r->out[0].size);
  for (uint32_t i = 0; i < p->keys.n; i++) {
    const oq_lookup_item e = word_of(p, i);
    uint32_t at;
    if (oq_lookup_find(&at, &index, &e))
      memcpy(y + i * size, (const uint8_t *)m.values->data + at * size, size);
  }
  return OQ_OK;
}

/* ---- CastMap ----------------------------------------------------------- */
typedef enum cast_to { TO_FLOAT, TO_STRING, TO_INT64 } cast_to;
typedef enum form { DENSE, SPARSE } form;
static const oq_dtype cast_types[] = {OQ_DT_F32, OQ_DT_STRING, OQ_DT_I64};

static oq_status cast_infer(oq_infer *x) {
  const map_params *const p = x->params;

  oq_infer_set_rank(x, 0, cast_types[p->cast_to], 2);
  if (x->n_out > 0) x->out[0].dim[0] = (oq_dim){.size = 1};
  return OQ_OK;
}

static oq_status no_number(const oq_run *r, oq_text t) {
  return oq_run_fail(r, OQ_E_DATA, "map.value", "\"%.*s\" is no number",
                     (int)(t.n < 64 ? t.n : 64), t.p);
}

static oq_status cast_number(oq_tensor *y, size_t i, const oq_run *r,
                             const oq_ctensor *v, uint32_t at) {
  const bool text = v->dtype == OQ_DT_STRING;
  const oq_text t = text ? oq_texts(v)[at] : (oq_text){NULL, 0};
  double f = text ? 0 : oq_element_f64(v, at);
  int64_t k = 0;

  if (y->dtype == OQ_DT_F32) {
    if (text && !oq_text_parse_f64(&f, t.p, t.n)) return no_number(r, t);
    oq_element_set_f64(y, i, f);
    return OQ_OK;
  }
  if (text && !oq_text_parse_i64(&k, t.p, t.n)) return no_number(r, t);
  if (!text && f > -9.2e18 && f < 9.2e18) k = (int64_t)f;
  oq_element_set_i64(y, i, k);
  return OQ_OK;
}

/* Texts of numbers have six decimals, as in onnxruntime; the text gives no
 * form. */
static oq_status cast_text(oq_text *y, oq_run *r, const oq_ctensor *v,
                           uint32_t at) {
  char text[64];

  if (v->dtype == OQ_DT_STRING) {
    *y = oq_texts(v)[at];
    return OQ_OK;
  }
  const double f = oq_element_f64(v, at), a = fabs(f);
  if (!(a < 9e15)) {
    const size_t n = oq_text_print_f64(text, f);
    return oq_run_text(y, r, text, n);
  }
  const double whole = floor(a), part = rint((a - whole) * 1e6);
  const long long carry = part >= 1e6 ? 1 : 0;
  const int n =
      snprintf(text, sizeof text, "%s%lld.%06lld", signbit(f) ? "-" : "",
               (long long)whole + carry, carry != 0 ? 0 : (long long)part);
  return oq_run_text(y, r, text, (size_t)n);
}

static oq_status cast_value(oq_run *r, size_t i, const oq_ctensor *v,
                            uint32_t at) {
  if (r->out[0].dtype == OQ_DT_STRING)
    return cast_text((oq_text *)r->out[0].data + i, r, v, at);
  return cast_number(&r->out[0], i, r, v, at);
}

/* What is in no place of a sparse map, by the custom of onnxruntime. */
static void pad(oq_run *r, size_t n) {
  static const oq_text zero = {"0.f", 3};

  if (r->out[0].dtype != OQ_DT_STRING) {
    memset(r->out[0].data, 0, r->out[0].size);
    return;
  }
  for (size_t i = 0; i < n; i++) ((oq_text *)r->out[0].data)[i] = zero;
}

static oq_status cast_run(oq_run *r) {
  const map_params *const p = r->params;
  const bool sparse = p->form == SPARSE;
  map_view m;
  oq_lookup k;

  OQ_TRY(map_in(&m, r));
  if (m.keys->dtype != OQ_DT_I64)
    return oq_run_fail(r, OQ_E_DATA, "map.keys", "the keys are %s",
                       oq_dtype_text((int32_t)m.keys->dtype));
  OQ_TRY(oq_lookup_make(&k, m.keys, true, r->scratch, r->diags));
  const oq_shape shape = {2, {1, sparse ? p->size : (int64_t)k.n}};
  OQ_TRY(oq_run_alloc(r, 0, cast_types[p->cast_to], &shape));
  pad(r, (size_t)shape.dim[1]);
  for (uint32_t i = 0; i < k.n; i++) {
    const int64_t key = k.item[i].key.i;
    if (sparse && (key < 0 || key >= p->size))
      return oq_run_fail(r, OQ_E_DATA, "map.keys",
                         "key %lld does not fit a tensor of %lld",
                         (long long)key, (long long)p->size);
    OQ_TRY(cast_value(r, sparse ? (size_t)key : i, m.values, k.item[i].at));
  }
  return OQ_OK;
}

/* ---- table ------------------------------------------------------------- */
#define P map_params
static const char *const cast_texts[] = {"TO_FLOAT", "TO_STRING", "TO_INT64",
                                         NULL};
static const char *const form_texts[] = {"DENSE", "SPARSE", NULL};
static const oq_attr_def zip_attrs[] = {
    OQ_A_I64S(P, keys_i, "classlabels_int64s"),
    OQ_ML_TEXTS(P, keys_s, "classlabels_strings")};
static const oq_attr_def vectorizer_attrs[] = {
    OQ_A_I64S(P, keys_i, "int64_vocabulary"),
    OQ_ML_TEXTS(P, keys_s, "string_vocabulary")};
static const oq_attr_def cast_attrs[] = {
    OQ_A_CHOICE(P, cast_to, "cast_to", "TO_FLOAT", cast_texts),
    OQ_A_CHOICE(P, form, "map_form", "DENSE", form_texts),
    OQ_A_I64(P, size, "max_map", 1, 0, INT32_MAX)};

#define ROW(op, table, how, what)                                       \
  .domain = OQ_ML, .name = (op), .since = 1, .last = OQ_ML_NEWEST,      \
  .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1, .flags = (how), \
  .params_size = sizeof(P), OQ_ATTRS(table), .infer = what##_infer,     \
  .run = what##_run, .quant = {.cls = OQ_Q_NEVER}
#define OF_MAPS (OQ_OP_DATA | OQ_OP_LATE)

static const oq_op_def defs[] = {
    {ROW("CastMap", cast_attrs, OF_MAPS, cast), .texts = OQ_TEXT_OUT},
    {ROW("DictVectorizer", vectorizer_attrs, OF_MAPS, vectorizer),
     .check = vectorizer_check, .texts = OQ_TEXT_OUT},
    {ROW("ZipMap", zip_attrs, OQ_OP_GIVES, zip), .check = zip_check,
     .dtypes = OQ_DTM(F32)},
};

OQ_FAMILY(ml_map, defs);
