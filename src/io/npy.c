/* io/npy.c - see npy.h.  Format: numpy/lib/format.py, versions 1.0 to 3.0. */
#include "io/npy.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/text_arrays.h"

/* Characters of an element. */
#define OQ_NPY_MAX_TEXT (INT64_C(1) << 28)

typedef struct npy_type {
  char code[3]; /* kind and size as in the descr */
  int32_t dtype;
  uint8_t item;
  uint8_t word; /* what byte order applies to: half of a complex number */
} npy_type;

static const npy_type types[] = {
    {"b1", OQ_DT_BOOL, 1, 1}, {"i1", OQ_DT_I8, 1, 1},  {"u1", OQ_DT_U8, 1, 1},
    {"i2", OQ_DT_I16, 2, 2},  {"u2", OQ_DT_U16, 2, 2}, {"i4", OQ_DT_I32, 4, 4},
    {"u4", OQ_DT_U32, 4, 4},  {"i8", OQ_DT_I64, 8, 8}, {"u8", OQ_DT_U64, 8, 8},
    {"f2", OQ_DT_F16, 2, 2},  {"f4", OQ_DT_F32, 4, 4}, {"f8", OQ_DT_F64, 8, 8},
    {"c8", OQ_DT_C64, 8, 4},
};
#define N_TYPES (sizeof types / sizeof *types)

static const npy_type *find_type(int32_t dtype) {
  for (size_t i = 0; i < N_TYPES; i++) {
    if (types[i].dtype == dtype) return &types[i];
  }
  return NULL;
}

size_t oq_npy_item_size(int32_t dtype) {
  const npy_type *const t = find_type(dtype);

  return t != NULL ? t->item : 0;
}

static bool machine_is_big(void) {
  const uint16_t one = 1;
  uint8_t low;

  memcpy(&low, &one, 1);
  return low == 0;
}

/* ---- header ------------------------------------------------------------- */

/* A read position in the dictionary that cannot leave it. */
typedef struct cursor {
  const char *p, *end;
} cursor;

static void skip_space(cursor *c) {
  while (c->p != c->end &&
         (*c->p == ' ' || *c->p == '\n' || *c->p == '\t' || *c->p == '\r')) {
    c->p++;
  }
}

static bool take_char(cursor *c, char wanted) {
  skip_space(c);
  if (c->p == c->end || *c->p != wanted) return false;
  c->p++;
  return true;
}

static bool take_word(cursor *c, const char *word) {
  const size_t n = strlen(word);

  skip_space(c);
  if ((size_t)(c->end - c->p) < n || memcmp(c->p, word, n) != 0) return false;
  c->p += n;
  return true;
}

/* 'text' or "text" without escapes. */
static bool take_string(cursor *c, const char **text, size_t *n) {
  skip_space(c);
  if (c->p == c->end || (*c->p != '\'' && *c->p != '"')) return false;
  const char quote = *c->p++;
  *text = c->p;
  while (c->p != c->end && *c->p != quote && *c->p != '\\') c->p++;
  if (c->p == c->end || *c->p != quote) return false;
  *n = (size_t)(c->p++ - *text);
  return true;
}

static oq_status fail_header(oq_io_error *err, const char *what) {
  return oq_io_fail(err, OQ_E_DATA, NULL, "damaged .npy: %s", what);
}

/* '<U7', '|S7': characters of four bytes, and bytes. */
static bool take_text_type(oq_npy *h, const char *text, size_t n) {
  int64_t length;

  if (n < 3 || strchr("<>|=", text[0]) == NULL) return false;
  if (text[1] != 'U' && text[1] != 'S') return false;
  if (text[2] == '-' || text[2] == '+' ||
      !oq_io_parse_i64(&length, text + 2, n - 2)) {
    return false;
  }
  if (length < 1 || length > OQ_NPY_MAX_TEXT) return false;
  h->dtype = OQ_DT_STRING;
  h->word = text[1] == 'U' ? 4 : 1;
  h->item = (size_t)length * h->word;
  h->swapped = h->word == 4 && text[0] != '=' && text[0] != '|' &&
               (text[0] == '>') != machine_is_big();
  return true;
}

static oq_status take_descr(cursor *c, oq_npy *h, oq_io_error *err) {
  static const char hint[] =
      "save it as a plain array of numbers, e.g. .astype(np.float32)";
  const char *text;
  size_t n;

  skip_space(c);
  if (c->p != c->end && *c->p == '[') {
    return oq_io_fail(err, OQ_E_UNSUPPORTED, hint,
                      "a structured array, which is not read");
  }
  if (!take_string(c, &text, &n)) return fail_header(err, "no element type");
  if (take_text_type(h, text, n)) return OQ_OK;
  for (size_t i = 0; n == 3 && i < N_TYPES; i++) {
    if (memcmp(text + 1, types[i].code, 2) != 0) continue;
    if (strchr("<>|=", text[0]) == NULL) break;
    if (text[0] == '|' && types[i].word != 1) break;
    h->dtype = types[i].dtype;
    h->word = types[i].word;
    h->item = types[i].item;
    h->swapped = types[i].word != 1 && text[0] != '=' &&
                 (text[0] == '>') != machine_is_big();
    return OQ_OK;
  }
  return oq_io_fail(err, OQ_E_UNSUPPORTED, hint,
                    "elements of NumPy type '%.*s', which is not read",
                    (int)(n < 32 ? n : 32), text);
}

static oq_status take_shape(cursor *c, oq_npy *h, oq_io_error *err) {
  if (!take_char(c, '(')) return fail_header(err, "its shape is not a tuple");
  h->rank = 0;
  while (!take_char(c, ')')) {
    const char *const begin = c->p;
    while (c->p != c->end && *c->p >= '0' && *c->p <= '9') c->p++;
    int64_t v;
    if (!oq_io_parse_i64(&v, begin, (size_t)(c->p - begin))) {
      return fail_header(err, "its shape is not a tuple of sizes");
    }
    if (h->rank == OQ_MAX_RANK) {
      return oq_io_fail(err, OQ_E_LIMIT, NULL,
                        "array of more than %d dimensions", OQ_MAX_RANK);
    }
    h->dim[h->rank++] = v;
    (void)take_char(c, 'L'); /* long integers of Python 2 */
    if (!take_char(c, ',')) {
      if (!take_char(c, ')')) return fail_header(err, "its shape has no end");
      return OQ_OK;
    }
  }
  return OQ_OK;
}

enum { HAS_DESCR = 1, HAS_ORDER = 2, HAS_SHAPE = 4 };

static oq_status take_entry(cursor *c, oq_npy *h, unsigned *seen,
                            oq_io_error *err) {
  const char *key;
  size_t n;

  if (!take_string(c, &key, &n) || !take_char(c, ':')) {
    return fail_header(err, "its header is not a dictionary");
  }
  if (n == 5 && memcmp(key, "descr", n) == 0) {
    *seen |= HAS_DESCR;
    return take_descr(c, h, err);
  }
  if (n == 13 && memcmp(key, "fortran_order", n) == 0) {
    *seen |= HAS_ORDER;
    h->fortran = take_word(c, "True");
    if (!h->fortran && !take_word(c, "False")) {
      return fail_header(err, "fortran_order is neither True nor False");
    }
    return OQ_OK;
  }
  if (n == 5 && memcmp(key, "shape", n) == 0) {
    *seen |= HAS_SHAPE;
    return take_shape(c, h, err);
  }
  return fail_header(err, "an unknown key in its header");
}

static oq_status parse_dictionary(oq_npy *h, cursor c, oq_io_error *err) {
  unsigned seen = 0;

  if (!take_char(&c, '{')) return fail_header(err, "no header dictionary");
  while (!take_char(&c, '}')) {
    OQ_IO_TRY(take_entry(&c, h, &seen, err));
    if (!take_char(&c, ',')) {
      if (!take_char(&c, '}')) return fail_header(err, "no end of the header");
      break;
    }
  }
  if (seen != (HAS_DESCR | HAS_ORDER | HAS_SHAPE)) {
    return fail_header(err, "descr, fortran_order or shape is missing");
  }
  return OQ_OK;
}

static oq_status find_dictionary(cursor *out, const uint8_t *data, size_t got,
                                 oq_io_error *err) {
  if (got < 10 || memcmp(data, "\x93NUMPY", 6) != 0) {
    return fail_header(err, "no .npy signature");
  }
  const unsigned version = data[6];
  if (version < 1 || version > 3) {
    return oq_io_fail(err, OQ_E_UNSUPPORTED, NULL,
                      ".npy of version %u, known are 1 to 3", version);
  }
  const size_t head = version == 1 ? 10 : 12;
  if (got < head) return fail_header(err, "the file is truncated");
  size_t n = (size_t)data[8] | (size_t)data[9] << 8;
  if (version > 1) n |= (size_t)data[10] << 16 | (size_t)data[11] << 24;
  if (n > OQ_NPY_MAX_HEADER) return fail_header(err, "a header too long");
  if (n > got - head) return fail_header(err, "the file is truncated");
  const void *const text = data + head;
  *out = (cursor){text, (const char *)text + n};
  return OQ_OK;
}

static oq_status check_size(oq_npy *h, uint64_t file_size, uint64_t max_bytes,
                            oq_io_error *err) {
  size_t count = 1;
  bool ok = true, empty = false;
  uint32_t long_axes = 0;

  for (uint32_t i = 0; i < h->rank; i++) {
    if (h->dim[i] == 0) empty = true;
    if (h->dim[i] > 1) long_axes++;
    ok = ok && oq_io_mul(&count, count, (size_t)h->dim[i]);
  }
  if (empty) count = 0;
  ok = (ok || empty) && oq_io_mul(&h->size, count, h->item);
  if (!ok || h->size > max_bytes) {
    return oq_io_fail(err, OQ_E_LIMIT, NULL,
                      "array of more than %llu bytes, the limit",
                      (unsigned long long)max_bytes);
  }
  h->count = count;
  if (h->offset > file_size || h->size > file_size - h->offset) {
    return oq_io_fail(err, OQ_E_DATA, NULL,
                      "damaged .npy: %llu bytes, but its header asks for %llu",
                      (unsigned long long)file_size,
                      (unsigned long long)h->offset + h->size);
  }
  if (long_axes < 2) h->fortran = false; /* both orders are the same */
  return OQ_OK;
}

oq_status oq_npy_parse(oq_npy *out, const uint8_t *data, size_t got,
                       uint64_t file_size, uint64_t max_bytes,
                       oq_io_error *err) {
  oq_npy h = {0};
  cursor c;

  OQ_IO_TRY(find_dictionary(&c, data, got, err));
  const void *const end = c.end;
  h.offset = (size_t)((const uint8_t *)end - data);
  OQ_IO_TRY(parse_dictionary(&h, c, err));
  OQ_IO_TRY(check_size(&h, file_size, max_bytes, err));
  *out = h;
  return OQ_OK;
}

/* ---- elements ----------------------------------------------------------- */

static void swap_words(uint8_t *p, size_t size, size_t word) {
  for (size_t at = 0; at + word <= size; at += word) {
    for (size_t i = 0; i < word / 2; i++) {
      const uint8_t b = p[at + i];
      p[at + i] = p[at + word - 1 - i];
      p[at + word - 1 - i] = b;
    }
  }
}

/* Walks the result in row-major order and keeps the source position. */
static void gather_columns(uint8_t *out, const oq_npy *h, const uint8_t *raw) {
  size_t stride[OQ_MAX_RANK], index[OQ_MAX_RANK] = {0};
  size_t step = h->item, at = 0;

  for (uint32_t i = 0; i < h->rank; i++) {
    stride[i] = step;
    step *= (size_t)h->dim[i];
  }
  for (size_t n = 0; n < h->count; n++, out += h->item) {
    memcpy(out, raw + at, h->item);
    for (uint32_t i = h->rank; i-- > 0;) {
      at += stride[i];
      if (++index[i] < (size_t)h->dim[i]) break;
      at -= stride[i] * (size_t)h->dim[i];
      index[i] = 0;
    }
  }
}

void oq_npy_decode(void *out, const oq_npy *h, const uint8_t *raw) {
  uint8_t *const p = out;

  if (h->fortran) {
    gather_columns(p, h, raw);
  } else if (p != raw && h->size != 0) {
    memcpy(p, raw, h->size);
  }
  if (h->swapped) swap_words(p, h->size, h->word);
  if (h->dtype == OQ_DT_BOOL) { /* kernels rely on 0 and 1 */
    for (size_t i = 0; i < h->size; i++) p[i] = p[i] != 0;
  }
}

bool oq_npy_converts(int32_t from, int32_t to) {
  return from == to || (from == OQ_DT_F64 && to == OQ_DT_F32) ||
         (from == OQ_DT_I32 && to == OQ_DT_I64) ||
         (from == OQ_DT_I64 && to == OQ_DT_I32);
}

static oq_status narrow_f64(uint8_t *out, const uint8_t *in, size_t n,
                            oq_io_error *err) {
  for (size_t i = 0; i < n; i++) {
    double v;
    memcpy(&v, in + 8 * i, 8);
    if (isfinite(v) && fabs(v) > (double)FLT_MAX) {
      return oq_io_fail(err, OQ_E_DATA, NULL,
                        "element %zu is a float64 that float32 cannot hold", i);
    }
    const float f = (float)v;
    memcpy(out + 4 * i, &f, 4);
  }
  return OQ_OK;
}

static oq_status narrow_i64(uint8_t *out, const uint8_t *in, size_t n,
                            oq_io_error *err) {
  for (size_t i = 0; i < n; i++) {
    int64_t v;
    memcpy(&v, in + 8 * i, 8);
    if (v < INT32_MIN || v > INT32_MAX) {
      return oq_io_fail(err, OQ_E_DATA, NULL,
                        "element %zu is %lld, which int32 cannot hold", i,
                        (long long)v);
    }
    const int32_t w = (int32_t)v;
    memcpy(out + 4 * i, &w, 4);
  }
  return OQ_OK;
}

static void widen_i32(uint8_t *out, const uint8_t *in, size_t n) {
  for (size_t i = 0; i < n; i++) {
    int32_t v;
    memcpy(&v, in + 4 * i, 4);
    const int64_t w = v;
    memcpy(out + 8 * i, &w, 8);
  }
}

oq_status oq_npy_convert(void *out, int32_t to, const void *in, int32_t from,
                         size_t n, oq_io_error *err) {
  if (!oq_npy_converts(from, to) || to == OQ_DT_STRING) {
    return oq_io_fail(err, OQ_E_DATA, NULL, "%s numbers, expected %s",
                      oq_dtype_text(from), oq_dtype_text(to));
  }
  if (n == 0) return OQ_OK;
  if (from == to) {
    memcpy(out, in, n * oq_npy_item_size(to));
    return OQ_OK;
  }
  if (from == OQ_DT_F64) return narrow_f64(out, in, n, err);
  if (from == OQ_DT_I64) return narrow_i64(out, in, n, err);
  widen_i32(out, in, n);
  return OQ_OK;
}

/* ---- writing ------------------------------------------------------------ */

/* `descr` is the type as NumPy writes it. */
static size_t make_header(char *out, size_t size, const char *descr,
                          const oq_tensor_view *v) {
  size_t n = 10;

  n += (size_t)snprintf(out + n, size - n,
                        "{'descr': '%s', 'fortran_order': False, 'shape': (",
                        descr);
  for (uint32_t i = 0; i < v->rank; i++) {
    n += (size_t)snprintf(out + n, size - n, "%lld%s", (long long)v->dim[i],
                          i + 1 < v->rank ? ", "
                          : v->rank == 1  ? ","
                                          : "");
  }
  n += (size_t)snprintf(out + n, size - n, "), }");
  while ((n + 1) % 64 != 0) out[n++] = ' ';
  out[n++] = '\n';
  memcpy(out, "\x93NUMPY\x01\x00", 8);
  out[8] = (char)((n - 10) & 0xff);
  out[9] = (char)((n - 10) >> 8);
  return n;
}

static bool write_all(FILE *f, const void *p, size_t n) {
  return n == 0 || fwrite(p, 1, n, f) == n;
}

static bool write_numbers(FILE *f, const oq_tensor_view *v) {
  const npy_type *const t = find_type(v->dtype);
  char header[512], descr[8];

  (void)snprintf(descr, sizeof descr, "%c%s",
                 t->word == 1       ? '|'
                 : machine_is_big() ? '>'
                                    : '<',
                 t->code);
  return write_all(f, header, make_header(header, sizeof header, descr, v)) &&
         write_all(f, v->data, v->size);
}

/* All elements are as long as the longest. */
static bool write_texts(FILE *f, const oq_tensor_view *v) {
  const oq_text *const t = v->data;
  const size_t n = v->size / sizeof *t;
  char header[512], descr[32];
  bool utf8;
  const size_t width = oq_text_array_width(&utf8, t, n);
  const size_t item = utf8 ? 4 * width : width;
  void *const one = malloc(item);

  (void)snprintf(descr, sizeof descr, "%s%zu",
                 !utf8              ? "|S"
                 : machine_is_big() ? ">U"
                                    : "<U",
                 width);
  bool ok = one != NULL &&
            write_all(f, header, make_header(header, sizeof header, descr, v));
  for (size_t i = 0; ok && i < n; i++) {
    oq_text_array_encode(one, t[i], width, utf8);
    ok = write_all(f, one, item);
  }
  free(one);
  return ok;
}

oq_status oq_io_write_npy(const char *path, const oq_tensor_view *v,
                          oq_io_error *err) {
  const bool texts = v->dtype == OQ_DT_STRING;
  char temporary[4096];

  if ((!texts && find_type(v->dtype) == NULL) || v->rank > OQ_MAX_RANK) {
    return oq_io_fail(err, OQ_E_UNSUPPORTED, NULL,
                      "%s: .npy has no type for %s", path,
                      oq_dtype_text(v->dtype));
  }
  const int n =
      snprintf(temporary, sizeof temporary, "%s.tmp%ld", path, (long)getpid());
  if (n < 0 || (size_t)n >= sizeof temporary) {
    return oq_io_fail(err, OQ_E_IO, NULL, "%s: the path is too long", path);
  }
  FILE *const f = fopen(temporary, "wbxe");
  if (f == NULL) {
    return oq_io_fail(err, OQ_E_IO, NULL, "%s: cannot be written: %s", path,
                      strerror(errno));
  }
  bool ok = texts ? write_texts(f, v) : write_numbers(f, v);
  ok = fclose(f) == 0 && ok;
  ok = ok && rename(temporary, path) == 0;
  if (ok) return OQ_OK;
  const int code = errno;
  (void)remove(temporary);
  return oq_io_fail(err, OQ_E_IO, NULL, "%s: cannot be written: %s", path,
                    strerror(code));
}
