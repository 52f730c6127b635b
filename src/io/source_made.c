/* io/source_made.c - values nobody recorded: random numbers and constants. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/samples.h"

/* ---- elements ----------------------------------------------------------- */

typedef struct int_type {
  int32_t dtype;
  uint8_t item;
  double lo, hi; /* hi belongs to it */
} int_type;

static const int_type int_types[] = {
    {OQ_DT_U8, 1, 0, 255},
    {OQ_DT_I8, 1, -128, 127},
    {OQ_DT_U16, 2, 0, 65535},
    {OQ_DT_I16, 2, -32768, 32767},
    {OQ_DT_U32, 4, 0, 4294967295.0},
    {OQ_DT_I32, 4, -2147483648.0, 2147483647.0},
    {OQ_DT_BOOL, 1, 0, 1},
    /* What a double counts exactly. */
    {OQ_DT_U64, 8, 0, 9007199254740992.0},
    {OQ_DT_I64, 8, -9007199254740992.0, 9007199254740992.0},
};

static const int_type *find_int(int32_t dtype) {
  for (size_t i = 0; i < sizeof int_types / sizeof *int_types; i++) {
    if (int_types[i].dtype == dtype) return &int_types[i];
  }
  return NULL;
}

static bool is_float(int32_t dtype) {
  return dtype == OQ_DT_F32 || dtype == OQ_DT_F64;
}

/* Two's complement in native order; `v` is whole and in range. */
static void put_int(uint8_t *p, size_t item, double v) {
  const int64_t wide = (int64_t)v;
  const uint8_t b1 = (uint8_t)wide;
  const uint16_t b2 = (uint16_t)wide;
  const uint32_t b4 = (uint32_t)wide;

  switch (item) {
    case 1:
      memcpy(p, &b1, 1);
      break;
    case 2:
      memcpy(p, &b2, 2);
      break;
    case 4:
      memcpy(p, &b4, 4);
      break;
    default:
      memcpy(p, &wide, 8);
      break;
  }
}

static size_t item_of(int32_t dtype) {
  if (dtype == OQ_DT_BF16) return 2;
  return oq_npy_item_size(dtype);
}

static void put(uint8_t *p, int32_t dtype, double v) {
  if (dtype == OQ_DT_F32) {
    const float f = (float)v;
    memcpy(p, &f, sizeof f);
  } else if (dtype == OQ_DT_F64) {
    memcpy(p, &v, sizeof v);
  } else if (dtype == OQ_DT_F16 || dtype == OQ_DT_BF16) {
    const uint16_t one = dtype == OQ_DT_F16 ? 0x3c00 : 0x3f80;
    const uint16_t bits = v != 0 ? one : 0; /* only 0 and 1 get here */
    memcpy(p, &bits, sizeof bits);
  } else {
    put_int(p, item_of(dtype), v);
  }
}

/* ---- shapes ------------------------------------------------------------- */

/* The size a symbol has in what was read for this sample, or -1. */
static int64_t find_symbol(const oq_samples_core *c, const oq_feed *feed,
                           const char *symbol) {
  if (symbol == NULL || symbol[0] == 0 || feed == NULL) return -1;
  for (size_t i = 0; i < c->n_inputs; i++) {
    const oq_value_info *const in = &c->input[i];
    if (feed->memory[i] == NULL || !in->has_rank) continue;
    if (in->rank != feed->view[i].rank) continue;
    for (uint32_t k = 0; k < in->rank; k++) {
      if (in->dim[k].size < 0 && in->dim[k].symbol != NULL &&
          strcmp(in->dim[k].symbol, symbol) == 0) {
        return feed->view[i].dim[k];
      }
    }
  }
  return -1;
}

/* Fixed sizes, sizes of this sample, 1 for the axis that counts samples. */
static oq_status settle_shape(oq_tensor_view *v, size_t *count,
                              const oq_samples_core *c, size_t input,
                              const oq_feed *feed, oq_io_error *err) {
  const oq_value_info *const in = &c->input[input];
  char text[160];
  size_t n = 1;

  *v = (oq_tensor_view){.dtype = in->dtype, .rank = in->rank};
  for (uint32_t i = 0; in->has_rank && i < in->rank; i++) {
    int64_t d = in->dim[i].size;
    if (d < 0) d = find_symbol(c, feed, in->dim[i].symbol);
    if (d < 0 && i == 0 && oq_axis_is_batch(in)) d = 1;
    if (d < 0) break;
    v->dim[i] = d;
    if (!oq_io_mul(&n, n, (size_t)d) || n > OQ_IO_MAX_ARRAY_BYTES / 16) {
      return oq_io_fail(err, OQ_E_LIMIT, NULL,
                        "input '%.80s': more numbers than are made up",
                        in->name);
    }
    if (i + 1 == in->rank) {
      *count = n;
      return OQ_OK;
    }
  }
  if (in->has_rank && in->rank == 0) {
    *count = 1;
    return OQ_OK;
  }
  oq_io_print_input(text, sizeof text, in);
  return oq_io_fail(
      err, OQ_E_ARGUMENT, "add --dim SYMBOL=SIZE or --shape INPUT=1,3,224,224",
      "input '%.80s' %s has sizes that are not fixed", in->name, text);
}

static oq_status allocate(oq_feed *feed, oq_tensor_view *v, size_t input,
                          size_t count, oq_io_error *err) {
  size_t size;

  if (!oq_io_mul(&size, count, item_of(v->dtype))) {
    return oq_io_fail_memory(err);
  }
  void *const memory = oq_io_alloc_tensor(size);
  if (memory == NULL) return oq_io_fail_memory(err);
  feed->memory[input] = memory;
  v->data = memory;
  v->size = size;
  feed->view[input] = *v;
  return OQ_OK;
}

/* ---- random numbers ----------------------------------------------------- */

static oq_status check_random(const oq_samples_core *c, size_t input,
                              oq_io_error *err) {
  const oq_value_info *const in = &c->input[input];
  const int_type *const t = find_int(in->dtype);
  oq_tensor_view v;
  size_t n;

  if (t == NULL && !is_float(in->dtype)) {
    return oq_io_fail(err, OQ_E_UNSUPPORTED, NULL,
                      "input '%.80s': no random numbers of type %s", in->name,
                      oq_dtype_text(in->dtype));
  }
  if (t != NULL && in->dtype != OQ_DT_BOOL && !c->range[input].given) {
    return oq_io_fail(err, OQ_E_ARGUMENT, "add --range INPUT=LO:HI",
                      "input '%.80s' has type %s: which numbers it may be fed "
                      "is not known",
                      in->name, oq_dtype_text(in->dtype));
  }
  return settle_shape(&v, &n, c, input, NULL, err);
}

oq_status oq_random_probe(oq_samples_core *c, const oq_track *t,
                          oq_io_error *err) {
  for (size_t k = 0; k < t->n_inputs; k++) {
    OQ_IO_TRY(check_random(c, t->input[k], err));
  }
  return OQ_OK;
}

/* Numbers are a function of seed, sample, input and position only. */
static void make_random(uint8_t *p, int32_t dtype, size_t count, uint64_t key,
                        double lo, double hi) {
  const size_t item = item_of(dtype);
  const bool whole = find_int(dtype) != NULL;

  for (size_t i = 0; i < count; i++, p += item) {
    const uint64_t bits =
        oq_io_mix(key + (uint64_t)i * UINT64_C(0x9e3779b97f4a7c15));
    const double u = (double)(bits >> 11) * 0x1p-53; /* [0, 1) */
    const double v = lo + (hi - lo) * u;
    put(p, dtype, whole ? floor(v) : v);
  }
}

static oq_status load_random(oq_samples_core *c, size_t input, uint64_t part,
                             oq_feed *feed, oq_io_error *err) {
  const oq_value_info *const in = &c->input[input];
  const oq_range *const r = &c->range[input];
  const double lo = r->given ? r->lo : in->dtype == OQ_DT_BOOL ? 0 : -1;
  const double hi = r->given ? r->hi : in->dtype == OQ_DT_BOOL ? 2 : 1;
  oq_tensor_view v;
  size_t n;

  OQ_IO_TRY(settle_shape(&v, &n, c, input, NULL, err));
  OQ_IO_TRY(allocate(feed, &v, input, n, err));
  const uint64_t key = oq_io_mix(oq_io_mix(c->seed + part) + input + 1);
  make_random(feed->memory[input], in->dtype, n, key, lo, hi);
  feed->hash = oq_io_hash(feed->hash ^ key, v.dim, v.rank * sizeof *v.dim);
  return OQ_OK;
}

oq_status oq_random_load(oq_samples_core *c, const oq_track *t, uint64_t part,
                         oq_feed *feed, oq_io_error *err) {
  for (size_t k = 0; k < t->n_inputs; k++) {
    OQ_IO_TRY(load_random(c, t->input[k], part, feed, err));
  }
  return OQ_OK;
}

/* ---- fills -------------------------------------------------------------- */

oq_status oq_fill_load(const oq_samples_core *c, size_t input, oq_feed *feed,
                       oq_io_error *err) {
  oq_tensor_view v;
  size_t n;

  OQ_IO_TRY(settle_shape(&v, &n, c, input, feed, err));
  OQ_IO_TRY(allocate(feed, &v, input, n, err));
  uint8_t *p = feed->memory[input];
  const size_t item = item_of(v.dtype);
  for (size_t i = 0; i < n; i++, p += item) {
    put(p, v.dtype, c->fill[input].number);
  }
  return OQ_OK;
}

static bool holds(int32_t dtype, double v) {
  const int_type *const t = find_int(dtype);

  if (t != NULL) return v >= t->lo && v <= t->hi && floor(v) == v;
  if (dtype == OQ_DT_F16 || dtype == OQ_DT_BF16) return v == 0 || v == 1;
  return is_float(dtype);
}

oq_status oq_fill_parse(oq_samples_core *c, const char *word,
                        oq_io_error *err) {
  size_t i;
  const char *const text = oq_core_split(c, word, &i);
  double v = 0;

  if (text == NULL) {
    return oq_io_fail(err, OQ_E_ARGUMENT, NULL,
                      "--fill '%.80s': expected INPUT=zeros, ones or a number, "
                      "with an input of the model",
                      word);
  }
  const bool ones = strcmp(text, "ones") == 0;
  const bool word_known = ones || strcmp(text, "zeros") == 0;
  if (ones) v = 1;
  const bool ok = word_known || oq_io_parse_f64(&v, text, strlen(text));
  if (!ok || !holds(c->input[i].dtype, v)) {
    return oq_io_fail(err, OQ_E_ARGUMENT, NULL,
                      "--fill '%.80s': expected zeros, ones or a number of "
                      "type %s",
                      word, oq_dtype_text(c->input[i].dtype));
  }
  c->fill[i] =
      (oq_fill){true, v, oq_io_pool_copy(&c->pool, text, strlen(text))};
  return c->fill[i].text != NULL ? OQ_OK : oq_io_fail_memory(err);
}

oq_status oq_range_parse(oq_samples_core *c, const char *word,
                         oq_io_error *err) {
  size_t i;
  const char *const text = oq_core_split(c, word, &i);
  const char *const colon = text != NULL ? strchr(text, ':') : NULL;
  double lo, hi;

  if (colon == NULL || !oq_io_parse_f64(&lo, text, (size_t)(colon - text)) ||
      !oq_io_parse_f64(&hi, colon + 1, strlen(colon + 1)) || hi < lo) {
    return oq_io_fail(err, OQ_E_ARGUMENT, NULL,
                      "--range '%.80s': expected INPUT=LO:HI, with an input of "
                      "the model",
                      word);
  }
  const int_type *const t = find_int(c->input[i].dtype);
  if (t != NULL &&
      (!holds(t->dtype, lo) || floor(hi) != hi || hi > t->hi + 1)) {
    return oq_io_fail(err, OQ_E_ARGUMENT, NULL,
                      "--range '%.80s': the input has type %s", word,
                      oq_dtype_text(c->input[i].dtype));
  }
  c->range[i] = (oq_range){true, lo, hi};
  return OQ_OK;
}
