/* match.c - an output against the value it should have. */
#include "cli/match.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/npy.h"
#include "io/text_arrays.h"

/* ---- files ----------------------------------------------------------------
 */
/* Characters of NumPy become elements. */
static oq_status decode_texts(oq_expected *out, oq_npy *h, oq_io_error *err) {
  oq_text *t = NULL;

  OQ_IO_TRY(oq_text_array_decode(&t, h, out->bytes, h->count, err));
  free(out->bytes);
  out->bytes = t;
  h->size = h->count * sizeof *t;
  return OQ_OK;
}

static oq_status decode_npy(oq_expected *out, const uint8_t *file, size_t n,
                            oq_io_error *err) {
  oq_npy h;

  OQ_IO_TRY(oq_npy_parse(&h, file, n, n, OQ_IO_MAX_ARRAY_BYTES, err));
  out->bytes = malloc(h.size ? h.size : 1);
  if (!out->bytes) return oq_io_fail_memory(err);
  oq_npy_decode(out->bytes, &h, file + h.offset);
  if (h.dtype == OQ_DT_STRING) OQ_IO_TRY(decode_texts(out, &h, err));
  out->view = (oq_tensor_view){
      .dtype = h.dtype, .rank = h.rank, .data = out->bytes, .size = h.size};
  memcpy(out->view.dim, h.dim, sizeof h.dim);
  return OQ_OK;
}

static int load_npy(oq_expected *out, oq_work *w, const char *path) {
  oq_io_error err;
  uint8_t *file;
  size_t n;

  OQ_DO(oq_work_io(w, oq_io_slurp(&file, &n, path, OQ_IO_MAX_ARRAY_BYTES, &err),
                   &err));
  const oq_status s = decode_npy(out, file, n, &err);
  free(file);
  if (s != OQ_OK) oq_io_error_place(&err, path);
  return oq_work_io(w, s, &err);
}

int oq_expected_load(oq_expected *out, oq_work *w, const char *path) {
  *out = (oq_expected){0};
  if (oq_io_has_suffix(path, ".npy")) return load_npy(out, w, path);
  w->reading = path;
  const oq_status s = oq_tensor_file_load(&out->pb, w->cx, path);
  w->reading = NULL;
  if (s == OQ_OK) out->view = *oq_tensor_file_view(out->pb);
  return oq_work_exit(w, s);
}

void oq_expected_release(oq_expected *e) {
  oq_tensor_file_destroy(e->pb);
  free(e->bytes);
  *e = (oq_expected){0};
}

/* ---- numbers --------------------------------------------------------------
 */
static double half(uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  const double sign = bits >> 15 ? -1.0 : 1.0;

  if (exponent == 31) return fraction ? NAN : sign * INFINITY;
  if (exponent == 0) return sign * ldexp(fraction, -24);
  return sign * ldexp(1024 + fraction, exponent - 25);
}

static double brain(uint16_t bits) {
  const uint32_t wide = (uint32_t)bits << 16;
  float f;

  memcpy(&f, &wide, sizeof f);
  return (double)f;
}

/* Sign, exponent, fraction in 8 bits. */
static double mini(unsigned bits, int fraction_bits, int bias) {
  const int exponent = (int)(bits & 127) >> fraction_bits;
  const int fraction = (int)bits & ((1 << fraction_bits) - 1);
  const double sign = bits >> 7 ? -1.0 : 1.0;

  if (exponent == 0) return sign * ldexp(fraction, 1 - bias - fraction_bits);
  return sign * ldexp(fraction + (1 << fraction_bits),
                      exponent - bias - fraction_bits);
}

static double float8(int32_t dtype, unsigned bits) {
  if (dtype == OQ_DT_F8E8M0)
    return bits == 255 ? NAN : ldexp(1, (int)bits - 127);
  if (dtype == OQ_DT_F8E4M3FN)
    return (bits & 127) == 127 ? NAN : mini(bits, 3, 7);
  if (dtype == OQ_DT_F8E5M2) {
    if ((bits & 127) > 124) return NAN;
    if ((bits & 127) == 124) return bits >> 7 ? -INFINITY : INFINITY;
    return mini(bits, 2, 15);
  }
  if (bits == 128) return NAN; /* what would be -0 */
  return dtype == OQ_DT_F8E4M3FNUZ ? mini(bits, 3, 8) : mini(bits, 2, 16);
}

static bool is_float8(int32_t dtype) {
  return (dtype >= OQ_DT_F8E4M3FN && dtype <= OQ_DT_F8E5M2FNUZ) ||
         dtype == OQ_DT_F8E8M0;
}

/* Views may lie at any address, hence the copies. */
#define OQ_READ(type)        \
  {                          \
    type v;                  \
    memcpy(&v, p, sizeof v); \
    return (double)v;        \
  }

static double element(int32_t dtype, const unsigned char *p) {
  uint16_t bits = 0;

  if (dtype == OQ_DT_F16 || dtype == OQ_DT_BF16) memcpy(&bits, p, sizeof bits);
  if (is_float8(dtype)) return float8(dtype, p[0]);
  if (dtype == OQ_DT_F16) return half(bits);
  if (dtype == OQ_DT_BF16) return brain(bits);
  if (dtype == OQ_DT_F32) OQ_READ(float)
  if (dtype == OQ_DT_F64) OQ_READ(double)
  if (dtype == OQ_DT_U8 || dtype == OQ_DT_BOOL) OQ_READ(uint8_t)
  if (dtype == OQ_DT_I8) OQ_READ(int8_t)
  if (dtype == OQ_DT_U16) OQ_READ(uint16_t)
  if (dtype == OQ_DT_I16) OQ_READ(int16_t)
  if (dtype == OQ_DT_U32) OQ_READ(uint32_t)
  if (dtype == OQ_DT_I32) OQ_READ(int32_t)
  if (dtype == OQ_DT_U64) OQ_READ(uint64_t)
  OQ_READ(int64_t)
}

/* Bytes per element of the types that element() reads, else 0. */
static size_t item_size(int32_t dtype) {
  static const struct {
    int32_t dtype;
    size_t size;
  } sizes[] = {{OQ_DT_F16, 2}, {OQ_DT_BF16, 2}, {OQ_DT_F32, 4}, {OQ_DT_F64, 8},
               {OQ_DT_U8, 1},  {OQ_DT_BOOL, 1}, {OQ_DT_I8, 1},  {OQ_DT_U16, 2},
               {OQ_DT_I16, 2}, {OQ_DT_U32, 4},  {OQ_DT_I32, 4}, {OQ_DT_U64, 8},
               {OQ_DT_I64, 8}};

  if (is_float8(dtype)) return 1;
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    if (sizes[i].dtype == dtype) return sizes[i].size;
  return 0;
}

static void match_element(oq_match *m, double got, double want, double rtol,
                          double atol) {
  if (got == want || (isnan(got) && isnan(want))) return;

  const double d = fabs(got - want);
  const double rel = want != 0 ? d / fabs(want) : INFINITY;

  if (!isfinite(d)) { /* only one of them is a number, or the signs differ */
    m->max_abs = m->max_rel = INFINITY;
    m->ok = false;
    return;
  }
  if (d > m->max_abs) m->max_abs = d;
  if (isfinite(rel) && rel > m->max_rel) m->max_rel = rel;
  if (d > atol + rtol * fabs(want)) m->ok = false;
}

static oq_match unlike(const char *why) {
  return (oq_match){.max_abs = NAN, .max_rel = NAN, .why = why};
}

static bool same_dims(const oq_tensor_view *a, const oq_tensor_view *b) {
  return a->rank == b->rank &&
         memcmp(a->dim, b->dim, a->rank * sizeof *a->dim) == 0;
}

static oq_match match_texts(const oq_tensor_view *got,
                            const oq_tensor_view *want) {
  const oq_text *const a = got->data, *const b = want->data;

  if (got->size != want->size) return unlike("the texts differ");
  for (size_t i = 0; i < got->size / sizeof *a; i++)
    if (a[i].n != b[i].n || (a[i].n > 0 && memcmp(a[i].p, b[i].p, a[i].n) != 0))
      return unlike("the texts differ");
  return (oq_match){.ok = true};
}

oq_match oq_match_views(const oq_tensor_view *got, const oq_tensor_view *want,
                        double rtol, double atol) {
  oq_match m = {.ok = true};

  if (got->dtype != want->dtype) return unlike("the types differ");
  if (!same_dims(got, want)) return unlike("the shapes differ");

  if (got->dtype == OQ_DT_STRING) return match_texts(got, want);
  const size_t item = item_size(got->dtype);
  if (item == 0) { /* packed elements: as bytes */
    if (got->size == want->size && got->size > 0 &&
        memcmp(got->data, want->data, got->size) == 0)
      return m;
    return unlike("the bytes differ");
  }
  const unsigned char *a = got->data, *b = want->data;
  for (size_t at = 0; at + item <= got->size && at + item <= want->size;
       at += item)
    match_element(&m, element(got->dtype, a + at), element(want->dtype, b + at),
                  rtol, atol);
  return m;
}
