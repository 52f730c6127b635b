/* ir/blob.c - the only way from the bytes of a constant to numbers. */
#include <string.h>

#include "ir/ir.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "ONNX stores numbers little-endian; reading them elsewhere is missing"
#endif

/* ---- what may stand where ----------------------------------------------- */

/* Numbers of the fields of TensorProto. */
enum {
  FIELD_FLOAT = 4,
  FIELD_INT32 = 5,
  FIELD_STRING = 6,
  FIELD_INT64 = 7,
  FIELD_DOUBLE = 10,
  FIELD_UINT64 = 11
};

/* By element type ("typed field if not raw" in the comments of onnx.proto). */
static uint32_t field_of(int32_t t) {
  static const uint8_t field[] = {
      [OQ_DT_F32] = FIELD_FLOAT,      [OQ_DT_U8] = FIELD_INT32,
      [OQ_DT_I8] = FIELD_INT32,       [OQ_DT_U16] = FIELD_INT32,
      [OQ_DT_I16] = FIELD_INT32,      [OQ_DT_I32] = FIELD_INT32,
      [OQ_DT_I64] = FIELD_INT64,      [OQ_DT_STRING] = FIELD_STRING,
      [OQ_DT_BOOL] = FIELD_INT32,     [OQ_DT_F16] = FIELD_INT32,
      [OQ_DT_F64] = FIELD_DOUBLE,     [OQ_DT_U32] = FIELD_UINT64,
      [OQ_DT_U64] = FIELD_UINT64,     [OQ_DT_C64] = FIELD_FLOAT,
      [OQ_DT_C128] = FIELD_DOUBLE,    [OQ_DT_BF16] = FIELD_INT32,
      [OQ_DT_F8E4M3FN] = FIELD_INT32, [OQ_DT_F8E4M3FNUZ] = FIELD_INT32,
      [OQ_DT_F8E5M2] = FIELD_INT32,   [OQ_DT_F8E5M2FNUZ] = FIELD_INT32,
      [OQ_DT_U4] = FIELD_INT32,       [OQ_DT_I4] = FIELD_INT32,
      [OQ_DT_F4E2M1] = FIELD_INT32,   [OQ_DT_F8E8M0] = FIELD_INT32,
      [OQ_DT_U2] = FIELD_INT32,       [OQ_DT_I2] = FIELD_INT32,
  };
  const size_t i = (size_t)t;

  return i < sizeof field ? field[i] : 0;
}

/* Bytes that one entry of the typed field becomes.  Of sub-byte types it is a
 * byte with several elements, of complex ones half of an element. */
static size_t entry_size(int32_t t) {
  const uint32_t bits = oq_dtype_bits(t);

  if (t == OQ_DT_C64 || t == OQ_DT_C128) return bits / 16;
  return bits < 8 ? 1 : bits / 8;
}

/* ---- reading entries ---------------------------------------------------- */

/* A read position that cannot leave its span. */
typedef struct cursor {
  const uint8_t *p, *end;
} cursor;

typedef struct entries {
  cursor at;  /* in the bytes of the blob */
  cursor run; /* in a packed run of them */
  uint32_t field;
} entries;

typedef enum step { STEP_ENTRY, STEP_END, STEP_BROKEN } step;

static bool take_varint(cursor *c, uint64_t *out) {
  uint64_t v = 0;

  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (c->p == c->end) return false;
    const uint8_t byte = *c->p++;
    if (shift == 63 && byte > 1) return false; /* more than 64 bits */
    v |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) {
      *out = v;
      return true;
    }
  }
  return false;
}

static bool take_span(cursor *c, uint64_t n, cursor *out) {
  if (n > (uint64_t)(c->end - c->p)) return false;
  *out = (cursor){c->p, c->p + n};
  c->p += n;
  return true;
}

static bool take_fixed(cursor *c, size_t n, uint64_t *out) {
  cursor bytes;
  uint64_t v = 0;

  if (!take_span(c, n, &bytes)) return false;
  memcpy(&v, bytes.p, n);
  *out = v;
  return true;
}

/* One number as the field codes it: the bits, widened. */
static bool take_number(cursor *c, uint32_t field, uint64_t *out) {
  if (field == FIELD_FLOAT) return take_fixed(c, 4, out);
  if (field == FIELD_DOUBLE) return take_fixed(c, 8, out);
  return take_varint(c, out);
}

static uint32_t wire_type(uint32_t field) {
  return field == FIELD_FLOAT ? 5 : field == FIELD_DOUBLE ? 1 : 0;
}

static step next_number(entries *e, uint64_t *out) {
  while (e->run.p == e->run.end) {
    uint64_t tag, n;
    if (e->at.p == e->at.end) return STEP_END;
    if (!take_varint(&e->at, &tag) || tag >> 3 != e->field) return STEP_BROKEN;
    if ((tag & 7) == wire_type(e->field)) {
      return take_number(&e->at, e->field, out) ? STEP_ENTRY : STEP_BROKEN;
    }
    /* Writers may cut a packed field into several runs. */
    if ((tag & 7) != 2 || !take_varint(&e->at, &n) ||
        !take_span(&e->at, n, &e->run)) {
      return STEP_BROKEN;
    }
  }
  return take_number(&e->run, e->field, out) ? STEP_ENTRY : STEP_BROKEN;
}

static step next_text(entries *e, oq_text *out) {
  uint64_t tag, n;
  cursor text;

  if (e->at.p == e->at.end) return STEP_END;
  if (!take_varint(&e->at, &tag) || tag != (FIELD_STRING << 3 | 2) ||
      !take_varint(&e->at, &n) || !take_span(&e->at, n, &text)) {
    return STEP_BROKEN;
  }
  *out = (oq_text){(const char *)text.p, (size_t)n};
  return STEP_ENTRY;
}

/* ---- one constant ------------------------------------------------------- */

typedef struct reader {
  const oq_const *c;
  const oq_where *where;
  oq_diags *diags;
  int32_t dtype;
  oq_shape shape;
  size_t n, size; /* elements, bytes when decoded */
  const uint8_t *bytes;
} reader;

static oq_status fail_size(const reader *r, size_t have, size_t want,
                           const char *unit) {
  char shape[160];

  oq_shape_print(shape, sizeof shape, r->shape.dim, r->shape.rank);
  return oq_fail(r->diags, OQ_E_MODEL, "tensor.size", r->where,
                 "a tensor %s%s has %zu %s, expected %zu",
                 oq_dtype_text(r->dtype), shape, have, unit, want);
}

static oq_status fail_payload(const reader *r) {
  return oq_fail(r->diags, OQ_E_MODEL, "tensor.payload", r->where,
                 "the numbers of a tensor %s are not well-formed",
                 oq_dtype_text(r->dtype));
}

static oq_status read_type(reader *r) {
  const oq_type *t = r->c->type;

  if (t == NULL || !oq_type_shape(&r->shape, t)) {
    return oq_fail(r->diags, OQ_E_MODEL, "tensor.type", r->where,
                   "a constant without element type and full shape");
  }
  r->dtype = (int32_t)t->dtype;
  if (field_of(r->dtype) == 0) {
    return oq_fail(r->diags, OQ_E_MODEL, "tensor.type", r->where,
                   "element type %d of a tensor is none of ONNX", r->dtype);
  }
  oq_status s = oq_shape_count(&r->n, &r->shape);
  if (s == OQ_OK) { s = oq_shape_bytes(&r->size, &r->shape, r->dtype); }
  if (s != OQ_OK) {
    return oq_fail(r->diags, s, "tensor.shape", r->where,
                   "the shape of a tensor is negative or beyond all memory");
  }
  return OQ_OK;
}

/* The span of the store, inside it. */
static oq_status read_span(reader *r) {
  static const uint8_t nothing[1] = {0};
  const oq_blob *b = r->c->blob;
  size_t whole = 0;

  r->bytes = nothing;
  if (b == NULL) return fail_payload(r);
  if (b->size == 0) return OQ_OK;
  if (b->store == NULL) return fail_payload(r);
  const uint8_t *p = oq_store_data(b->store, &whole);
  if (b->offset > whole || b->size > whole - b->offset) {
    return oq_fail(r->diags, OQ_E_MODEL, "tensor.span", r->where,
                   "the numbers of a tensor reach beyond the file");
  }
  r->bytes = p + b->offset;
  return OQ_OK;
}

static oq_status check_encoding(const reader *r) {
  const oq_blob *b = r->c->blob;
  const bool text = r->dtype == OQ_DT_STRING;

  if (b->size == 0) return OQ_OK; /* an empty tensor may say anything */
  if (text != (b->encoding == OQ_ENC_STRINGS)) {
    return oq_fail(r->diags, OQ_E_MODEL, "tensor.field", r->where,
                   "a tensor %s has its elements in a field for %s",
                   oq_dtype_text(r->dtype), text ? "numbers" : "strings");
  }
  if ((b->encoding == OQ_ENC_TYPED || b->encoding == OQ_ENC_UNPACKED) &&
      b->field != field_of(r->dtype)) {
    return oq_fail(r->diags, OQ_E_MODEL, "tensor.field", r->where,
                   "a tensor %s has its elements in field %u, expected %u",
                   oq_dtype_text(r->dtype), b->field, field_of(r->dtype));
  }
  return OQ_OK;
}

static entries entries_of(const reader *r) {
  const oq_blob *b = r->c->blob;
  const cursor all = {r->bytes, r->bytes + b->size};
  const cursor none = {all.end, all.end};

  if (b->encoding == OQ_ENC_TYPED) return (entries){none, all, b->field};
  return (entries){all, none, b->field};
}

/* Integers that do not fit the type cannot have been meant; the bits of a
 * negative one may be written as a positive number, and the other way round. */
static bool fits(int32_t t, uint64_t v) {
  const uint32_t bits = (uint32_t)entry_size(t) * 8;

  if (bits == 64 || t == OQ_DT_F32 || t == OQ_DT_C64 || t == OQ_DT_BOOL) {
    return true;
  }
  if (t == OQ_DT_U32) return v >> bits == 0;
  const uint64_t high = UINT64_MAX << (bits - 1);
  return v >> bits == 0 || (v & high) == high;
}

/* Decodes into `out`, or only counts if that is NULL. */
static oq_status read_entries(const reader *r, uint8_t *out) {
  const size_t size = entry_size(r->dtype);
  const size_t want = r->size / size;
  entries e = entries_of(r);
  uint64_t v = 0;
  size_t n = 0;
  step s;

  while ((s = next_number(&e, &v)) == STEP_ENTRY) {
    if (n < want && !fits(r->dtype, v)) {
      return oq_fail(r->diags, OQ_E_MODEL, "tensor.range", r->where,
                     "element %zu of a tensor %s is %lld", n,
                     oq_dtype_text(r->dtype), (long long)v);
    }
    if (r->dtype == OQ_DT_BOOL) v = v != 0;
    if (n < want && out != NULL) memcpy(out + n * size, &v, size);
    n++;
  }
  if (s == STEP_BROKEN) return fail_payload(r);
  return n == want ? OQ_OK : fail_size(r, n, want, "entries");
}

/* Texts stay where they are; `out` says where, or is NULL. */
static oq_status read_texts(const reader *r, oq_text *out) {
  entries e = entries_of(r);
  oq_text text;
  size_t n = 0;
  step s;

  while ((s = next_text(&e, &text)) == STEP_ENTRY) {
    if (n < r->n && out != NULL) out[n] = text;
    n++;
  }
  if (s == STEP_BROKEN) return fail_payload(r);
  return n == r->n ? OQ_OK : fail_size(r, n, r->n, "strings");
}

/* Are the bytes the numbers themselves?  Never those of texts: what a file
 * says must not be taken for addresses. */
static bool is_dense(const reader *r) {
  const oq_blob *b = r->c->blob;

  if (r->dtype == OQ_DT_STRING) return false;
  return b->encoding == OQ_ENC_RAW ||
         (b->encoding == OQ_ENC_TYPED &&
          (b->field == FIELD_FLOAT || b->field == FIELD_DOUBLE));
}

static oq_status check_size(const reader *r) {
  const size_t have = r->c->blob->size;

  return have == r->size ? OQ_OK : fail_size(r, have, r->size, "bytes");
}

/* All that does not look at single numbers. */
static oq_status open_const(reader *r, const oq_const *c, const oq_where *w,
                            oq_diags *d) {
  *r = (reader){.c = c, .where = w, .diags = d};
  OQ_TRY(read_type(r));
  OQ_TRY(read_span(r));
  return check_encoding(r);
}

oq_status oq_const_check_at(const oq_const *c, const oq_where *w, oq_diags *d) {
  reader r;

  OQ_TRY(open_const(&r, c, w, d));
  if (r.dtype == OQ_DT_STRING) return read_texts(&r, NULL);
  return is_dense(&r) ? check_size(&r) : read_entries(&r, NULL);
}

/* Before memory is taken for what a shape only claims: an entry is at least one
 * byte. */
static oq_status check_claim(const reader *r) {
  const size_t want = r->size / entry_size(r->dtype);

  if (r->dtype == OQ_DT_STRING) return read_texts(r, NULL);

  return want <= r->c->blob->size ? OQ_OK : read_entries(r, NULL);
}

/* A copy, aligned and padded like any tensor buffer. */
static oq_status decode(const reader *r, const void **out, oq_arena *a) {
  oq_tensor t;

  const oq_status s = oq_tensor_make(&t, (oq_dtype)r->dtype, &r->shape, a);
  if (s == OQ_E_MEMORY) return oq_fail_memory(r->diags);
  if (s != OQ_OK) return s;
  if (r->dtype == OQ_DT_STRING) {
    OQ_TRY(read_texts(r, t.data));
  } else if (!is_dense(r)) {
    OQ_TRY(read_entries(r, (uint8_t *)t.data));
  } else if (r->size != 0) {
    memcpy(t.data, r->bytes, r->size);
  }
  *out = t.data;
  return OQ_OK;
}

static bool is_aligned(const reader *r) {
  const size_t size = entry_size(r->dtype);

  return (uintptr_t)r->bytes % size == 0;
}

oq_status oq_const_view_at(oq_ctensor *out, const oq_const *c, oq_arena *a,
                           const oq_where *w, oq_diags *d) {
  reader r;
  const void *data;

  OQ_TRY(open_const(&r, c, w, d));
  OQ_TRY(is_dense(&r) ? check_size(&r) : check_claim(&r));
  data = r.bytes;
  if (!is_dense(&r) || !is_aligned(&r)) OQ_TRY(decode(&r, &data, a));
  *out = (oq_ctensor){(oq_dtype)r.dtype, r.shape, r.size, data};
  return OQ_OK;
}

oq_status oq_const_view(oq_ctensor *out, const oq_const *c, oq_arena *a,
                        oq_diags *d) {
  return oq_const_view_at(out, c, a, NULL, d);
}

oq_status oq_const_check(const oq_const *c, oq_diags *d) {
  return oq_const_check_at(c, NULL, d);
}
