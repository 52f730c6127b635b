/* Cast, CastLike: one element type to another. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/half.h"
#include "base/text.h"
#include "kern/k_eltwise.h"
#include "ops/op.h"

typedef struct cast_params {
  int64_t to, saturate;
  int32_t round_mode; /* of E8M0: 0 up, 1 down, 2 nearest */
} cast_params;

static const char *const round_modes[] = {"up", "down", "nearest", NULL};

/* string, complex64 and complex128 stand between the numbers. */
#define TO                                                  \
  {                                                         \
    .name = "to", .kind = OQ_ATTR_I64, .required = true,    \
    .offset = offsetof(cast_params, to), .min = 1, .max = 0 \
  }
#define SATURATE OQ_A_I64(cast_params, saturate, "saturate", 1, 1, 0)
#define ROUND_MODE \
  OQ_A_CHOICE(cast_params, round_mode, "round_mode", "up", round_modes)

static const oq_attr_def cast7_attrs[] = {TO};
static const oq_attr_def cast19_attrs[] = {TO, SATURATE};
static const oq_attr_def cast24_attrs[] = {TO, SATURATE, ROUND_MODE};
static const oq_attr_def like19_attrs[] = {SATURATE};
static const oq_attr_def like24_attrs[] = {SATURATE, ROUND_MODE};

/* ---- rules --------------------------------------------------------------- */
static oq_status infer_to(oq_infer *x, int64_t to) {
  const oq_type *const in = oq_infer_in(x, 0);

  if (to < INT32_MIN || to > INT32_MAX || !oq_dtype_in((int32_t)to, OQ_DTM_ALL))
    return oq_infer_fail(x, OQ_E_MODEL, "cast.to",
                         "'to' is %lld, which is no element type",
                         (long long)to);
  OQ_TRY(oq_infer_same(x));
  if (in == NULL) x->out[0] = (oq_type){.has_rank = false};
  oq_infer_set_dtype(x, 0, (oq_dtype)to);
  return OQ_OK;
}

static oq_status cast_infer(oq_infer *x) {
  return infer_to(x, ((const cast_params *)x->params)->to);
}

static oq_status like_infer(oq_infer *x) {
  const oq_dtype t = oq_infer_dtype(x, 1);

  return t == OQ_DT_NONE ? OQ_OK : infer_to(x, (int64_t)t);
}

/* ---- kernels ------------------------------------------------------------- */
/* Up: the next power of two away from zero; ties of "nearest" go up. */
static uint8_t e8m0_of(double v, const cast_params *p) {
  int exponent;

  if (v != v) return 255;
  const double m = frexp(fabs(v), &exponent); /* [0.5, 1), or 0 */
  if (m == 0) return 0;
  if (isinf(v)) return p->saturate != 0 ? 254 : 255;
  int code = exponent - 1 + 127;
  if (p->round_mode == 0 && m > 0.5) code++;
  if (p->round_mode == 2 && m >= 0.75) code++;
  if (code < 0) return 0;
  if (code > 254) return p->saturate != 0 ? 254 : 255;
  return (uint8_t)code;
}

static bool is_f8(oq_dtype t) {
  return oq_dtype_in((int32_t)t, OQ_DTM_F8) && t != OQ_DT_F8E8M0;
}

static bool is_packed_int(oq_dtype t) {
  return oq_dtype_in((int32_t)t, OQ_DTM_SUBBYTE) && t != OQ_DT_F4E2M1;
}

static bool is_integer(oq_dtype t) {
  return oq_dtype_in((int32_t)t, OQ_DTM_INT | OQ_DTM(BOOL)) || is_packed_int(t);
}

/* Integers lose their high bits, as between the wider types; floats their
 * fraction. */
static void set_packed(oq_tensor *out, size_t i, int64_t v) {
  const uint32_t bits = oq_dtype_bits((int32_t)out->dtype);
  const bool has_sign = out->dtype == OQ_DT_I4 || out->dtype == OQ_DT_I2;
  const int64_t low = v & ((1 << bits) - 1);
  const int64_t half = 1 << (bits - 1);

  oq_element_set_i64(out, i, has_sign && low >= half ? low - 2 * half : low);
}

/* There is no NaN: -0 takes its place. */
static void set_f4(oq_tensor *out, size_t i, double v) {
  oq_element_set_f64(out, i, v != v ? -0.0 : v);
}

/* One element at a time, for the types that no loop is made for. */
static void cast_slow(oq_tensor *out, const oq_ctensor *in, size_t n,
                      const cast_params *p) {
  uint8_t *const bytes = out->data;

  for (size_t i = 0; i < n; i++) {
    if (is_f8(out->dtype))
      bytes[i] = oq_f8_of_f32((float)oq_element_f64(in, i), (int32_t)out->dtype,
                              p->saturate != 0);
    else if (out->dtype == OQ_DT_F8E8M0)
      bytes[i] = e8m0_of(oq_element_f64(in, i), p);
    else if (out->dtype == OQ_DT_F4E2M1)
      set_f4(out, i, oq_element_f64(in, i));
    else if (is_packed_int(out->dtype))
      set_packed(out, i, oq_element_i64(in, i));
    else if (is_integer(in->dtype))
      oq_element_set_i64(out, i, oq_element_i64(in, i));
    else
      oq_element_set_f64(out, i, oq_element_f64(in, i));
  }
}

/* From a type without a loop to one with: through double, which holds it. */
static void cast_from_small(oq_tensor *out, const oq_ctensor *in, size_t n) {
  for (size_t i = 0; i < n; i++) {
    const double v = oq_element_f64(in, i);
    oq_k_convert(out->data, i, (int32_t)out->dtype, &v, OQ_NUM_F64, 1);
  }
}

enum { BLOCK = 1024 };

static void cast_blocks(oq_tensor *out, const oq_ctensor *in, size_t n) {
  const oq_num_class cls = oq_k_class((int32_t)in->dtype);
  uint64_t wide[BLOCK];

  for (size_t i = 0; i < n; i += BLOCK) {
    const size_t width = n - i < BLOCK ? n - i : BLOCK;
    oq_k_load(wide, in->data, i, width, (int32_t)in->dtype);
    oq_k_convert(out->data, i, (int32_t)out->dtype, wide, cls, width);
  }
}

static oq_status refuse(const oq_run *r, oq_dtype t) {
  return oq_run_fail(r, OQ_E_UNSUPPORTED, "op.dtype",
                     "casting from or to %s is not implemented",
                     oq_dtype_text((int32_t)t));
}

static bool castable(oq_dtype t) {
  return t != OQ_DT_C64 && t != OQ_DT_C128 && oq_dtype_bits((int32_t)t) != 0;
}

static void cast_numbers(oq_tensor *out, const oq_ctensor *in,
                         const cast_params *p) {
  const size_t n = oq_tensor_count(in);

  if (in->dtype == out->dtype)
    memcpy(out->data, in->data, in->size);
  else if (oq_k_class((int32_t)out->dtype) == OQ_NUM_NONE)
    cast_slow(out, in, n, p);
  else if (oq_k_class((int32_t)in->dtype) == OQ_NUM_NONE)
    cast_from_small(out, in, n);
  else
    cast_blocks(out, in, n);
}

/* ---- texts --------------------------------------------------------------- */
/* Numbers as onnxruntime 1.31 writes them, as ONNX leaves the choice: 8 digits,
 * of float64, too. */
static size_t print_float(char out[32], double v) {
  const char *const word = v != v ? "NaN" : v > 0 ? "INF" : "-INF";

  if (isfinite(v)) return oq_text_print_digits(out, v, 8);
  memcpy(out, word, strlen(word));
  return strlen(word);
}

static size_t print_element(char out[32], const oq_ctensor *t, size_t i) {
  if (!is_integer(t->dtype)) return print_float(out, oq_element_f64(t, i));
  const int64_t v = t->dtype == OQ_DT_BOOL  ? oq_element_i64(t, i) != 0
                    : t->dtype == OQ_DT_U64 ? 0
                                            : oq_element_i64(t, i);
  if (t->dtype != OQ_DT_U64)
    return (size_t)snprintf(out, 32, "%lld", (long long)v);
  const uint64_t *const u = t->data;
  return (size_t)snprintf(out, 32, "%llu", (unsigned long long)u[i]);
}

static oq_status cast_to_texts(oq_run *r) {
  const size_t n = oq_tensor_count(r->in[0]);
  oq_text *const y = r->out[0].data;
  char text[32];

  for (size_t i = 0; i < n; i++) {
    const size_t size = print_element(text, r->in[0], i);
    OQ_TRY(oq_run_text(&y[i], r, text, size));
  }
  return OQ_OK;
}

static bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static oq_text stripped(oq_text t) {
  while (t.n > 0 && is_blank(t.p[0])) {
    t.p++;
    t.n--;
  }
  while (t.n > 0 && is_blank(t.p[t.n - 1])) t.n--;
  return t;
}

/* `word` in lower case. */
static bool is_word(oq_text t, const char *word) {
  if (t.n != strlen(word)) return false;
  for (size_t i = 0; i < t.n; i++)
    if ((t.p[i] | 0x20) != word[i]) return false;
  return true;
}

/* Special values are written in any case. */
static bool read_float(double *out, oq_text t) {
  const bool minus = t.n > 0 && t.p[0] == '-';
  oq_text word = t;

  if (t.n > 0 && (minus || t.p[0] == '+')) word = (oq_text){t.p + 1, t.n - 1};
  if (is_word(word, "nan")) {
    *out = (double)NAN;
  } else if (is_word(word, "inf") || is_word(word, "infinity")) {
    *out = minus ? -(double)INFINITY : (double)INFINITY;
  } else {
    return oq_text_parse_f64(out, t.p, t.n);
  }
  return true;
}

/* The bits of an integer of 64 bits with or without a sign; a fraction is cut
 * off, as by a cast from a float. */
static bool read_integer(uint64_t *out, oq_text t) {
  const bool minus = t.n > 0 && t.p[0] == '-';
  size_t i = t.n > 0 && (minus || t.p[0] == '+') ? 1 : 0;
  const size_t first = i;
  uint64_t v = 0;

  for (; i < t.n && t.p[i] >= '0' && t.p[i] <= '9'; i++) {
    const uint64_t digit = (uint64_t)(t.p[i] - '0');
    if (v > (UINT64_MAX - digit) / 10) return false;
    v = v * 10 + digit;
  }
  if (i == first) return false;
  if (i < t.n && t.p[i] == '.') i++;
  while (i < t.n && t.p[i] >= '0' && t.p[i] <= '9') i++;
  *out = minus ? 0 - v : v;
  return i == t.n && (!minus || v <= UINT64_C(1) << 63);
}

static bool is_unsigned(oq_dtype t) {
  return oq_dtype_in((int32_t)t, OQ_DTM(U8) | OQ_DTM(U16) | OQ_DTM(U32) |
                                     OQ_DTM(U64) | OQ_DTM(BOOL));
}

/* Beyond 63 bits only what has no sign takes a number. */
static bool read_number(oq_tensor *to, size_t i, oq_text t, oq_dtype final) {
  if (to->dtype == OQ_DT_F64) return read_float((double *)to->data + i, t);
  uint64_t v;
  if (!read_integer(&v, t)) return false;
  const bool minus = t.p[0] == '-';
  if (!minus && v > INT64_MAX && !is_unsigned(final)) return false;
  memcpy((uint8_t *)to->data + i * sizeof v, &v, sizeof v);
  return true;
}

static oq_status refuse_text(const oq_run *r, size_t i, oq_text t) {
  char text[40], shown[48];
  const size_t n = t.n < sizeof text - 1 ? t.n : sizeof text - 1;

  if (n > 0) memcpy(text, t.p, n);
  text[n] = '\0';
  oq_text_escape(shown, sizeof shown, text);
  return oq_run_fail(r, OQ_E_DATA, "cast.text",
                     "text %zu, '%s', is no number that %s holds", i, shown,
                     oq_dtype_text((int32_t)r->out[0].dtype));
}

/* Read as wide as there is, then cast as numbers are. */
static oq_status cast_from_texts(oq_run *r) {
  const oq_text *const x = oq_texts(r->in[0]);
  const size_t n = oq_tensor_count(r->in[0]);
  const oq_dtype to = r->out[0].dtype;
  oq_tensor wide;

  if (oq_tensor_make(&wide, is_integer(to) ? OQ_DT_I64 : OQ_DT_F64,
                     &r->in[0]->shape, r->scratch) != OQ_OK)
    return oq_fail_memory(r->diags);
  for (size_t i = 0; i < n; i++)
    if (!read_number(&wide, i, stripped(x[i]), to))
      return refuse_text(r, i, x[i]);
  const oq_ctensor numbers = oq_tensor_const(&wide);
  cast_numbers(&r->out[0], &numbers, r->params);
  return OQ_OK;
}

/* ---- any ----------------------------------------------------------------- */
static oq_status cast_run(oq_run *r) {
  const oq_dtype from = r->in[0]->dtype, to = r->out[0].dtype;

  if (!castable(from)) return refuse(r, from);
  if (!castable(to)) return refuse(r, to);
  if (from != to && to == OQ_DT_STRING) return cast_to_texts(r);
  if (from != to && from == OQ_DT_STRING) return cast_from_texts(r);
  cast_numbers(&r->out[0], r->in[0], r->params);
  return OQ_OK;
}

/* ---- table --------------------------------------------------------------- */
#define NUMERIC_IN (OQ_DTM_ALL & ~OQ_DTM(STRING) & ~OQ_DTM(C64) & ~OQ_DTM(C128))
#define CAST(from, to, table)                                                 \
  {                                                                           \
    .domain = "", .name = "Cast", .since = (from), .last = (to), .min_in = 1, \
    .max_in = 1, .min_out = 1, .max_out = 1, .dtypes = NUMERIC_IN,            \
    .params_size = sizeof(cast_params), OQ_ATTRS(table), .infer = cast_infer, \
    .texts = OQ_TEXT_MOVE, .texts_since = 9, .run = cast_run, .quant = {      \
      .cls = OQ_Q_NEVER                                                       \
    }                                                                         \
  }
#define LIKE                                                                \
  .domain = "", .name = "CastLike", .min_in = 2, .max_in = 2, .min_out = 1, \
  .max_out = 1, .dtypes = NUMERIC_IN, .params_size = sizeof(cast_params),   \
  .infer = like_infer, .texts = OQ_TEXT_MOVE | OQ_TEXT(1), .run = cast_run, \
  .quant = {.cls = OQ_Q_NEVER}

static const oq_op_def defs[] = {
    CAST(6, 18, cast7_attrs),
    CAST(19, 23, cast19_attrs),
    CAST(24, 27, cast24_attrs),
    {LIKE, .since = 15, .last = 18},
    {LIKE, .since = 19, .last = 23, OQ_ATTRS(like19_attrs)},
    {LIKE, .since = 24, .last = 27, OQ_ATTRS(like24_attrs)},
};

OQ_FAMILY(cast, defs);
