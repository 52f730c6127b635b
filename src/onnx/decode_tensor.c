/* onnx/decode_tensor.c - types and constants. */
#include <string.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/text.h"
#include "onnx/decode.h"

/* ---- messages ----------------------------------------------------------- */
static void *arena_alloc(void *arena, size_t size) {
  return oq_arena_alloc_raw((oq_arena *)arena, size, 1, _Alignof(max_align_t));
}

static void arena_free(void *arena, void *p) {
  (void)arena;
  (void)p;
}

oq_status oq_decode_unpack(ProtobufCMessage **out, oq_decoder *d,
                           const ProtobufCMessageDescriptor *root) {
  ProtobufCAllocator allocator = {arena_alloc, arena_free, d->scratch};
  oq_wire_limits limits;
  oq_span file;

  file.p = oq_store_data(d->file, &file.n);
  oq_wire_limits_init(&limits, file.n, d->env->limits);
  OQ_TRY(oq_wire_slim(&d->slim, root, file, &limits, d->arena, d->scratch,
                      d->env->diags));
  ProtobufCMessage *m = protobuf_c_message_unpack(
      root, &allocator, d->slim.bytes.n, d->slim.bytes.p);
  /* The walk has checked the structure, so this is memory. */
  if (m == NULL) return oq_fail_memory(d->env->diags);
  *out = m;
  return OQ_OK;
}

const oq_extra *oq_decode_extra(const oq_decoder *d, const ProtobufCMessage *m,
                                uint32_t number) {
  for (unsigned i = 0; i < m->n_unknown_fields; i++) {
    const ProtobufCMessageUnknownField *u = &m->unknown_fields[i];
    oq_cursor c = {u->data, u->data + u->len};
    uint64_t v;
    if (u->tag == number && oq_wire_varint(&c, &v) && v < d->slim.n_extras) {
      return d->slim.extras[v];
    }
  }
  return NULL;
}

static const oq_payload *payload_of(const oq_decoder *d,
                                    const Oqpb__TensorProto *t) {
  static const oq_payload none = {OQ_ENC_RAW, 0, {NULL, 0}, false};

  for (unsigned i = 0; i < t->base.n_unknown_fields; i++) {
    const ProtobufCMessageUnknownField *u = &t->base.unknown_fields[i];
    oq_cursor c = {u->data, u->data + u->len};
    uint64_t v;
    if (u->tag == OQ_SLIM_PAYLOAD && oq_wire_varint(&c, &v) &&
        v < d->slim.n_payloads) {
      return &d->slim.payloads[v];
    }
  }
  return &none;
}

uint32_t oq_extra_count(const oq_extra *x, uint32_t number, oq_span *first) {
  uint32_t n = 0;
  oq_field f;

  if (x == NULL) return 0;
  oq_cursor c = {x->bytes, x->bytes + x->size};
  while (c.p < c.end) {
    if (*c.p == 0) { /* a mark of ours */
      c.p += 2;
      continue;
    }
    if (oq_wire_next(&f, &c) != NULL) break;
    if (f.number != number) continue;
    if (n++ == 0 && first != NULL) *first = f.value;
  }
  return n;
}

oq_status oq_decode_name(oq_decoder *d, oq_name *out, const char *text) {
  if (d->model == NULL || text == NULL) {
    out->i = 0;
    return OQ_OK;
  }
  const oq_status s = oq_names_add_text(d->model->names, out, text);
  return s == OQ_OK ? s : oq_fail_memory(d->env->diags);
}

/* ---- types -------------------------------------------------------------- */
static oq_status decode_dims(oq_type *type, oq_decoder *d,
                             const Oqpb__TensorShapeProto *shape) {
  /* A rank the graph cannot express is left unknown; the message is kept. */
  if (shape->n_dim > OQ_MAX_RANK) return OQ_OK;
  type->has_rank = true;
  type->rank = (uint32_t)shape->n_dim;
  for (uint32_t i = 0; i < type->rank; i++) {
    const Oqpb__TensorShapeProto__Dimension *p = shape->dim[i];
    oq_dim *dim = &type->dim[i];
    *dim = (oq_dim){OQ_DIM_UNKNOWN, {0}};
    switch (p->value_case) {
      case OQPB__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE:
        /* Some exporters write -1 for "any". */
        if (p->dim_value >= 0) dim->size = p->dim_value;
        break;
      case OQPB__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM:
        OQ_TRY(oq_decode_name(d, &dim->symbol, p->dim_param));
        break;
      case OQPB__TENSOR_SHAPE_PROTO__DIMENSION__VALUE__NOT_SET:
      case _OQPB__TENSOR_SHAPE_PROTO__DIMENSION__VALUE__CASE_IS_INT_SIZE:
        break;
    }
  }
  return OQ_OK;
}

/* The last member of the oneof that is there. */
static bool is_other(const oq_extra *raw) {
  return oq_extra_count(raw, 4, NULL) != 0 ||
         oq_extra_count(raw, 5, NULL) != 0 ||
         oq_extra_count(raw, 7, NULL) != 0 ||
         oq_extra_count(raw, 8, NULL) != 0 || oq_extra_count(raw, 9, NULL) != 0;
}

oq_status oq_decode_type(const oq_type **out, oq_decoder *d,
                         const Oqpb__TypeProto *t) {
  oq_type *type = OQ_NEW(d->arena, oq_type);

  if (type == NULL) return oq_fail_memory(d->env->diags);
  type->raw = oq_decode_extra(d, &t->base, OQ_SLIM_EXTRA);
  if (t->value_case == OQPB__TYPE_PROTO__VALUE_TENSOR_TYPE) {
    const Oqpb__TypeProto__Tensor *tensor = t->tensor_type;
    type->kind = OQ_TYPE_TENSOR;
    if (oq_dtype_in(tensor->elem_type, OQ_DTM_ALL)) {
      type->dtype = (oq_dtype)tensor->elem_type;
    }
    if (tensor->shape != NULL) OQ_TRY(decode_dims(type, d, tensor->shape));
  } else if (is_other(type->raw)) {
    type->kind = OQ_TYPE_OTHER;
  }
  *out = type;
  return OQ_OK;
}

/* ---- constants ---------------------------------------------------------- */
static oq_status decode_shape(oq_shape *out, oq_decoder *d,
                              const Oqpb__TensorProto *t, const oq_where *w) {
  oq_diags *diags = d->env->diags;
  size_t n;

  if (t->n_dims > OQ_MAX_RANK) {
    return oq_fail(diags, OQ_E_UNSUPPORTED, "tensor.rank", w,
                   "a tensor has %zu dimensions, more than %d", t->n_dims,
                   OQ_MAX_RANK);
  }
  memset(out, 0, sizeof *out);
  out->rank = (uint32_t)t->n_dims;
  for (uint32_t i = 0; i < out->rank; i++) {
    if (t->dims[i] < 0) {
      return oq_fail(diags, OQ_E_MODEL, "tensor.dims", w,
                     "dimension %u of a tensor is %lld", i,
                     (long long)t->dims[i]);
    }
    out->dim[i] = t->dims[i];
  }
  if (oq_shape_count(&n, out) != OQ_OK) {
    return oq_fail(diags, OQ_E_MODEL, "tensor.dims", w,
                   "the number of elements of a tensor does not fit 64 bits");
  }
  return OQ_OK;
}

static oq_status decode_dtype(oq_dtype *out, oq_decoder *d,
                              const Oqpb__TensorProto *t, const oq_where *w) {
  if (!oq_dtype_in(t->data_type, OQ_DTM_ALL)) {
    return oq_fail(d->env->diags,
                   t->data_type > 0 ? OQ_E_UNSUPPORTED : OQ_E_MODEL,
                   "tensor.dtype", w, "a tensor has the element type %d",
                   (int)t->data_type);
  }
  *out = (oq_dtype)t->data_type;
  return OQ_OK;
}

static oq_status check_size(oq_decoder *d, const oq_shape *shape,
                            oq_dtype dtype, size_t *size, const oq_where *w) {
  const oq_limits *l = d->env->limits;

  *size = 0;
  if (dtype == OQ_DT_STRING) return OQ_OK;
  const uint64_t most = l != NULL && l->max_tensor_bytes != 0
                            ? l->max_tensor_bytes
                            : OQ_MAX_TENSOR_BYTES;
  if (oq_shape_bytes(size, shape, (int32_t)dtype) != OQ_OK || *size > most) {
    return oq_fail(d->env->diags, OQ_E_LIMIT, "limit.tensor", w,
                   "a tensor has more than %llu bytes",
                   (unsigned long long)most);
  }
  return OQ_OK;
}

/* Bytes that the walk had to put together get a store of their own. */
static oq_status keep_joined(oq_decoder *d, oq_store **out, oq_span bytes) {
  oq_store *s = NULL;
  void *p = NULL;

  if (d->model == NULL) { /* in an arena that outlives the view */
    OQ_TRY(oq_store_wrap(&s, bytes.p, bytes.n, d->env->alloc));
    if (!oq_vec_push(d->arena, &d->joined, s)) {
      oq_store_unref(s);
      return OQ_E_MEMORY;
    }
    *out = s;
    return OQ_OK;
  }
  OQ_TRY(oq_store_new(&s, &p, bytes.n, d->env->alloc));
  memcpy(p, bytes.p, bytes.n);
  OQ_TRY(oq_ir_keep_store(d->model, s));
  *out = s;
  return OQ_OK;
}

static oq_status decode_inline(oq_blob *blob, oq_decoder *d,
                               const oq_payload *p) {
  size_t file_size;

  blob->encoding = p->encoding;
  if (p->bytes.n == 0) return OQ_OK;
  blob->field = p->encoding == OQ_ENC_RAW ? 0 : p->field;
  blob->size = p->bytes.n;
  if (p->joined) {
    if (keep_joined(d, &blob->store, p->bytes) != OQ_OK) {
      return oq_fail_memory(d->env->diags);
    }
    return OQ_OK;
  }
  blob->store = d->file;
  blob->offset = (uint64_t)(p->bytes.p - oq_store_data(d->file, &file_size));
  return OQ_OK;
}

/* Unsigned decimal, 63 bits. */
static bool parse_count(uint64_t *out, const char *text) {
  const size_t n = strlen(text);
  int64_t v;

  if (n == 0 || text[0] < '0' || text[0] > '9') return false;
  if (!oq_text_parse_i64(&v, text, n)) return false;
  *out = (uint64_t)v;
  return true;
}

typedef struct entries { /* of external_data; the last of a key counts */
  const char *location, *offset, *length;
} entries;

static void read_entries(entries *x, const Oqpb__TensorProto *t) {
  *x = (entries){NULL, NULL, NULL};
  for (size_t i = 0; i < t->n_external_data; i++) {
    const Oqpb__StringStringEntryProto *e = t->external_data[i];
    if (e->key == NULL || e->value == NULL) continue;
    if (strcmp(e->key, "location") == 0) x->location = e->value;
    if (strcmp(e->key, "offset") == 0) x->offset = e->value;
    if (strcmp(e->key, "length") == 0) x->length = e->value;
  }
}

static oq_status check_span(oq_decoder *d, const entries *x, size_t expected,
                            uint64_t *offset, const oq_where *w) {
  oq_diags *diags = d->env->diags;
  uint64_t length = expected;

  *offset = 0;
  if ((x->offset != NULL && !parse_count(offset, x->offset)) ||
      (x->length != NULL && !parse_count(&length, x->length))) {
    return oq_fail(diags, OQ_E_MODEL, "external.number", w,
                   "offset or length of external data is not a number: '%s', "
                   "'%s'",
                   x->offset != NULL ? x->offset : "",
                   x->length != NULL ? x->length : "");
  }
  if (length != expected) {
    return oq_fail(diags, OQ_E_MODEL, "external.length", w,
                   "the external data has %llu bytes, expected %zu",
                   (unsigned long long)length, expected);
  }
  return OQ_OK;
}

static oq_status map_external(oq_store **out, oq_decoder *d, const entries *x,
                              const oq_where *w) {
  oq_store *s;
  bool is_new;

  OQ_TRY(oq_external_map(&s, &is_new, d->external, x->location,
                         strlen(x->location), w));
  if (is_new && oq_ir_keep_store(d->model, oq_store_ref(s)) != OQ_OK) {
    return oq_fail_memory(d->env->diags);
  }
  *out = s;
  return OQ_OK;
}

static oq_status decode_external(oq_blob *blob, oq_decoder *d,
                                 const Oqpb__TensorProto *t, oq_dtype dtype,
                                 size_t expected, const oq_where *w) {
  oq_diags *diags = d->env->diags;
  entries x;
  size_t size;

  read_entries(&x, t);
  if (payload_of(d, t)->bytes.n != 0 || dtype == OQ_DT_STRING ||
      x.location == NULL) {
    return oq_fail(diags, OQ_E_MODEL, "external.entry", w,
                   "a tensor in external data %s",
                   x.location == NULL      ? "does not say in which file"
                   : dtype == OQ_DT_STRING ? "has texts as elements"
                                           : "has numbers of its own as well");
  }
  if (d->external == NULL) {
    return oq_fail(diags, OQ_E_UNSUPPORTED, "external.data_file", w,
                   "a data file refers to another file ('%s')", x.location);
  }
  OQ_TRY(check_span(d, &x, expected, &blob->offset, w));
  OQ_TRY(map_external(&blob->store, d, &x, w));
  (void)oq_store_data(blob->store, &size);
  if (blob->offset > size || expected > size - blob->offset) {
    return oq_fail(diags, OQ_E_MODEL, "external.range", w,
                   "%zu bytes at %llu are beyond the end of '%s' (%zu bytes)",
                   expected, (unsigned long long)blob->offset, x.location,
                   size);
  }
  blob->encoding = OQ_ENC_RAW;
  blob->size = expected;
  blob->external = true;
  return oq_decode_name(d, &blob->location, x.location);
}

static oq_status decode_blob(oq_blob *blob, oq_decoder *d,
                             const Oqpb__TensorProto *t, oq_dtype dtype,
                             size_t expected, const oq_where *w) {
  if (t->data_location == OQPB__TENSOR_PROTO__DATA_LOCATION__EXTERNAL) {
    return decode_external(blob, d, t, dtype, expected, w);
  }
  if (t->data_location != OQPB__TENSOR_PROTO__DATA_LOCATION__DEFAULT) {
    return oq_fail(d->env->diags, OQ_E_UNSUPPORTED, "tensor.location", w,
                   "a tensor is stored at the unknown location %d",
                   (int)t->data_location);
  }
  return decode_inline(blob, d, payload_of(d, t));
}

oq_status oq_decode_const(const oq_const **out, oq_decoder *d,
                          const Oqpb__TensorProto *t, const oq_where *w) {
  oq_const *c = OQ_NEW(d->arena, oq_const);
  oq_blob *blob = OQ_NEW(d->arena, oq_blob);
  oq_shape shape;
  oq_dtype dtype;
  size_t expected;

  if (c == NULL || blob == NULL) return oq_fail_memory(d->env->diags);
  OQ_TRY(decode_dtype(&dtype, d, t, w));
  OQ_TRY(decode_shape(&shape, d, t, w));
  OQ_TRY(check_size(d, &shape, dtype, &expected, w));
  c->extra = oq_decode_extra(d, &t->base, OQ_SLIM_EXTRA);
  if (oq_extra_count(c->extra, 3, NULL) != 0) {
    return oq_fail(d->env->diags, OQ_E_UNSUPPORTED, "tensor.segment", w,
                   "a tensor is given in segments");
  }
  OQ_TRY(oq_decode_name(d, &c->name, t->name));
  OQ_TRY(decode_blob(blob, d, t, dtype, expected, w));
  c->blob = blob;
  c->type = oq_type_make(d->arena, dtype, shape.dim, shape.rank);
  if (c->type == NULL) return oq_fail_memory(d->env->diags);
  *out = c;
  return OQ_OK;
}
