/* Rows against the official list of operator versions: every version from
 * opset 7 on of an operator that has rows is covered, with its attributes,
 * defaults, arity and the element types of its first input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/text.h"
#include "ops/op.h"

#define FIRST_OPSET 7

static json_t *schemas;
static int n_bad;

#define BAD(...)                        \
  do {                                  \
    (void)fprintf(stderr, __VA_ARGS__); \
    (void)fputc('\n', stderr);          \
    n_bad++;                            \
  } while (0)

static const char *text_of(const json_t *o, const char *key) {
  return json_string_value(json_object_get(o, key));
}

static int64_t int_of(const json_t *o, const char *key) {
  return json_integer_value(json_object_get(o, key));
}

static bool is_standard(const json_t *o) {
  const char *const domain = text_of(o, "domain");

  return domain[0] == 0 || strcmp(domain, "ai.onnx") == 0;
}

/* Last opset at which this version is the one in force. */
static int64_t last_opset(const json_t *schema) {
  const int64_t since = int_of(schema, "since");
  int64_t last = OQ_OPSET_NEWEST;
  const json_t *o;
  size_t i;

  json_array_foreach(schemas, i, o) {
    if (!is_standard(o) || strcmp(text_of(o, "name"), text_of(schema, "name")))
      continue;
    if (int_of(o, "since") > since && int_of(o, "since") - 1 < last)
      last = int_of(o, "since") - 1;
  }
  return last;
}

static bool is_listed(const char *name) {
  bool gap = false;

  return oq_op_find("", name, 1, &gap) != NULL || gap;
}

/* ---- attributes ---------------------------------------------------------- */
static oq_attr_kind kind_of(const char *type) {
  static const struct {
    const char *name;
    oq_attr_kind kind;
  } kinds[] = {{"FLOAT", OQ_ATTR_F32},
               {"INT", OQ_ATTR_I64},
               {"STRING", OQ_ATTR_TEXT},
               {"TENSOR", OQ_ATTR_TENSOR},
               {"GRAPH", OQ_ATTR_GRAPH},
               {"FLOATS", OQ_ATTR_F32S},
               {"INTS", OQ_ATTR_I64S},
               {"STRINGS", OQ_ATTR_TEXTS},
               {"SPARSE_TENSOR", OQ_ATTR_SPARSE},
               {"TYPE_PROTO", OQ_ATTR_TYPE}};

  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (strcmp(kinds[i].name, type) == 0) return kinds[i].kind;
  return OQ_ATTR_NONE;
}

static const oq_attr_def *find_attr(const oq_op_def *d, const char *name) {
  for (uint32_t i = 0; i < d->n_attrs; i++)
    if (strcmp(d->attrs[i].name, name) == 0) return &d->attrs[i];
  return NULL;
}

static bool same_default(const oq_attr_def *a, const char *text) {
  const char *const v = strchr(text, ':') != NULL ? strchr(text, ':') + 2 : "";
  int64_t i;
  double f;

  if (a->kind == OQ_ATTR_I64)
    return oq_text_parse_i64(&i, v, strlen(v)) && a->dflt.i64 == i;
  if (a->kind == OQ_ATTR_F32)
    return oq_text_parse_f64(&f, v, strlen(v)) &&
           (float)a->dflt.f32 == (float)f;
  if (a->kind != OQ_ATTR_TEXT) return true; /* lists: by the operator's code */
  const size_t n = a->dflt.text != NULL ? strlen(a->dflt.text) : 0;
  return strlen(v) == n + 2 && strncmp(v + 1, a->dflt.text, n) == 0;
}

static void check_attr(const oq_op_def *d, int64_t since, const char *name,
                       const json_t *attr) {
  const oq_attr_def *const a = find_attr(d, name);
  const char *const dflt = text_of(attr, "default");

  if (a == NULL) {
    BAD("%s-%d: attribute '%s' is missing", d->name, (int)since, name);
    return;
  }
  if (a->kind != kind_of(text_of(attr, "type")))
    BAD("%s-%d: attribute '%s' is no %s", d->name, (int)since, name,
        text_of(attr, "type"));
  const bool required = json_is_true(json_object_get(attr, "required"));
  /* A `check` may be the one that insists. */
  if (a->required != required && !(required && d->check != NULL))
    BAD("%s-%d: attribute '%s': required or not?", d->name, (int)since, name);
  if (dflt != NULL && !same_default(a, dflt))
    BAD("%s-%d: attribute '%s': default is %s", d->name, (int)since, name,
        dflt);
}

static void check_attrs(const oq_op_def *d, int64_t since, json_t *attributes) {
  const char *name;
  json_t *attr;

  json_object_foreach(attributes, name, attr) check_attr(d, since, name, attr);
  for (uint32_t i = 0; i < d->n_attrs; i++)
    if (json_object_get(attributes, d->attrs[i].name) == NULL)
      BAD("%s-%d: there is no attribute '%s'", d->name, (int)since,
          d->attrs[i].name);
}

/* ---- arity --------------------------------------------------------------- */
static int64_t many(uint16_t n) { return n == OQ_OPS_MANY ? INT32_MAX : n; }

static void check_arity(const oq_op_def *d, const json_t *schema) {
  const int64_t since = int_of(schema, "since");

  if (d->min_in != int_of(schema, "min_in") ||
      many(d->max_in) != int_of(schema, "max_in"))
    BAD("%s-%d: takes %d to %d inputs", d->name, (int)since,
        (int)int_of(schema, "min_in"), (int)int_of(schema, "max_in"));
  if (d->min_out != int_of(schema, "min_out") ||
      many(d->max_out) != int_of(schema, "max_out"))
    BAD("%s-%d: has %d to %d outputs", d->name, (int)since,
        (int)int_of(schema, "min_out"), (int)int_of(schema, "max_out"));
}

/* ---- element types of input 0 ---------------------------------------------
 */
/* Rows that are narrower than their schema, and why.  (Texts are the row's
 * `texts`; maps and sequences have no element type.) */
static const struct {
  const char *name;
  uint32_t types;
  const char *why;
} narrower[] = {
    {"QLinearMatMul",
     OQ_DTM(F8E4M3FN) | OQ_DTM(F8E4M3FNUZ) | OQ_DTM(F8E5M2) |
         OQ_DTM(F8E5M2FNUZ),
     "no runtime runs it, and what its zero points mean is not said"},
};
static bool narrower_seen[sizeof narrower / sizeof *narrower];

static oq_dtype dtype_of(const char *name) {
  if (strcmp(name, "float") == 0) return OQ_DT_F32;
  if (strcmp(name, "double") == 0) return OQ_DT_F64;
  for (int32_t t = 1; t < 32; t++)
    if (strcmp(oq_dtype_text(t), name) == 0) return (oq_dtype)t;
  return OQ_DT_NONE;
}

/* "tensor(float)" -> the set of float32; other kinds of values: none. */
static uint32_t type_set(const char *text) {
  char name[32] = "";

  if (strncmp(text, "tensor(", 7) != 0) return 0;
  (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(text + 7, ")"),
                 text + 7);
  const oq_dtype t = dtype_of(name);
  if (t == OQ_DT_NONE) BAD("element type '%s' is not known", name);
  return t == OQ_DT_NONE ? 0 : UINT32_C(1) << t;
}

static uint32_t schema_types(const json_t *schema) {
  const json_t *const inputs = json_object_get(schema, "inputs");
  const json_t *allowed, *o;
  uint32_t set = 0;
  size_t i;

  if (json_array_size(inputs) == 0) return 0;
  const char *const type = text_of(json_array_get(inputs, 0), "type");
  allowed = json_object_get(json_object_get(schema, "types"), type);
  if (allowed == NULL) return type_set(type);
  json_array_foreach(allowed, i, o) set |= type_set(json_string_value(o));
  return set;
}

static void check_types(const oq_op_def *d, const json_t *schema) {
  uint32_t lacks = schema_types(schema) & ~d->dtypes & ~OQ_DTM(STRING);

  if (d->dtypes == 0) return; /* any */
  for (size_t i = 0; i < sizeof narrower / sizeof *narrower; i++) {
    if (strcmp(narrower[i].name, d->name) != 0) continue;
    narrower_seen[i] |= (lacks & narrower[i].types) != 0;
    lacks &= ~narrower[i].types;
  }
  for (int32_t t = 1; t < 32; t++)
    if ((lacks >> t & 1u) != 0)
      BAD("%s-%d: the row takes no %s", d->name, (int)int_of(schema, "since"),
          oq_dtype_text(t));
}

static void check_version(const json_t *schema) {
  const char *const name = text_of(schema, "name");
  const int64_t since = int_of(schema, "since"), last = last_opset(schema);
  const oq_op_def *before = NULL;

  if (json_is_true(json_object_get(schema, "deprecated"))) return;
  for (int64_t v = since < FIRST_OPSET ? FIRST_OPSET : since; v <= last; v++) {
    const oq_op_def *const d = oq_op_find("", name, v, NULL);
    if (d == NULL) BAD("%s-%d: no row for opset %d", name, (int)since, (int)v);
    if (d == NULL || d == before) continue;
    check_arity(d, schema);
    check_types(d, schema);
    check_attrs(d, since, json_object_get(schema, "attributes"));
    before = d;
  }
}

static void rows_are_the_schemas(void **state) {
  unsigned n = 0;
  json_t *o;
  size_t i;

  (void)state;
  schemas = json_load_file(ONNXQUANT_SHARED "/data/onnx-ops.json", 0, NULL);
  if (schemas == NULL) {
    (void)fprintf(stderr, "skipped: no %s\n",
                  ONNXQUANT_SHARED "/data/onnx-ops.json");
    skip();
  }
  json_array_foreach(schemas, i, o) {
    if (!is_standard(o) || !is_listed(text_of(o, "name"))) continue;
    check_version(o);
    n++;
  }
  json_decref(schemas);
  assert_true(n > 100);
  for (size_t k = 0; k < sizeof narrower / sizeof *narrower; k++)
    if (!narrower_seen[k])
      BAD("%s is not narrower than its schema", narrower[k].name);
  assert_int_equal(n_bad, 0);
}

/* onnxruntime has these in the default domain, though ONNX has not (yet), or
 * no longer. */
static bool is_onnxruntimes(const char *name) {
  static const char *const names[] = {"SimplifiedLayerNormalization",
                                      "LayerNormalization",
                                      "Affine",
                                      "ConstantFill",
                                      "Crop",
                                      "DynamicSlice",
                                      "GivenTensorFill",
                                      "ImageScaler",
                                      "MeanVarianceNormalization",
                                      "ParametricSoftplus",
                                      "Scale",
                                      "ScaledTanh",
                                      "ThresholdedRelu"};

  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(name, names[i]) == 0) return true;
  return false;
}

/* A row past what its schema says would be a guess. */
static void no_row_for_nothing(void **state) {
  uint32_t n;
  const oq_op_family *const *const families = oq_op_families(&n);

  (void)state;
  schemas = json_load_file(ONNXQUANT_SHARED "/data/onnx-ops.json", 0, NULL);
  if (schemas == NULL) skip();
  n_bad = 0;
  for (uint32_t f = 0; f < n; f++)
    for (uint32_t k = 0; k < families[f]->n_defs; k++) {
      const oq_op_def *const d = &families[f]->defs[k];
      int64_t first = INT64_MAX;
      json_t *o;
      size_t i;
      if (d->domain[0] != 0 || is_onnxruntimes(d->name)) continue;
      json_array_foreach(
          schemas, i,
          o) if (is_standard(o) && strcmp(text_of(o, "name"), d->name) == 0 &&
                 int_of(o, "since") < first) first = int_of(o, "since");
      if (d->since < first) BAD("%s-%d does not exist", d->name, d->since);
    }
  json_decref(schemas);
  assert_int_equal(n_bad, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(rows_are_the_schemas),
      cmocka_unit_test(no_row_for_nothing),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
