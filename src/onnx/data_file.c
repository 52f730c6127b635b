/* onnx/data_file.c - values outside of models: the .pb files of ONNX's tests
 * and of other tools. */
#include <string.h>

#include "onnx/codec.h"
#include "onnx/decode.h"

/* What may be inside what, by elem_type of SequenceProto and OptionalProto. */
enum {
  HOLDS_NOTHING,
  HOLDS_TENSOR,
  HOLDS_SPARSE,
  HOLDS_SEQUENCE,
  HOLDS_MAP,
  HOLDS_OPTIONAL
};

typedef struct data_decoder {
  oq_decoder d;
  oq_arena *a;
} data_decoder;

static oq_status decode_tensor(data_decoder *x, oq_ctensor *out,
                               const Oqpb__TensorProto *t) {
  oq_diags *diags = x->d.env->diags;
  oq_where w = OQ_WHERE_INIT;
  const oq_const *c;

  w.value = t->name;
  OQ_TRY(oq_decode_const(&c, &x->d, t, &w));
  return oq_const_view_at(out, c, x->a, &w, diags);
}

/* `items`: array of pointers to messages of one type. */
static oq_status decode_items(data_decoder *x, oq_data_value *out,
                              const void *items, size_t n);

static oq_status refuse_kind(data_decoder *x, int kind) {
  return oq_fail(x->d.env->diags, OQ_E_UNSUPPORTED, "data.kind", NULL,
                 "the data holds %s",
                 kind == HOLDS_MAP      ? "a map"
                 : kind == HOLDS_SPARSE ? "a sparse tensor"
                                        : "a value of unknown kind");
}

static oq_status decode_sequence(data_decoder *x, oq_data_value *out,
                                 const Oqpb__SequenceProto *s) {
  const void *items = NULL;
  size_t n = 0;

  switch ((int)s->elem_type) {
    case HOLDS_NOTHING:
      break;
    case HOLDS_TENSOR:
      items = s->tensor_values;
      n = s->n_tensor_values;
      break;
    case HOLDS_SEQUENCE:
      items = s->sequence_values;
      n = s->n_sequence_values;
      break;
    case HOLDS_OPTIONAL:
      items = s->optional_values;
      n = s->n_optional_values;
      break;
    default:
      return refuse_kind(x, (int)s->elem_type);
  }
  out->kind = OQ_DATA_SEQUENCE;
  out->name = s->name != NULL ? s->name : "";
  return decode_items(x, out, items, n);
}

static oq_status decode_optional(data_decoder *x, oq_data_value *out,
                                 const Oqpb__OptionalProto *o) {
  const ProtobufCMessage *item = NULL;

  switch ((int)o->elem_type) {
    case HOLDS_NOTHING:
      break;
    case HOLDS_TENSOR:
      item = (const ProtobufCMessage *)o->tensor_value;
      break;
    case HOLDS_SEQUENCE:
      item = (const ProtobufCMessage *)o->sequence_value;
      break;
    case HOLDS_OPTIONAL:
      item = (const ProtobufCMessage *)o->optional_value;
      break;
    default:
      return refuse_kind(x, (int)o->elem_type);
  }
  out->kind = OQ_DATA_OPTIONAL;
  out->name = o->name != NULL ? o->name : "";
  return decode_items(x, out, &item, item != NULL);
}

/* Depth is bounded by the walk. */
static oq_status decode_value(data_decoder *x, oq_data_value *out,
                              const ProtobufCMessage *m) {
  if (m->descriptor == &oqpb__sequence_proto__descriptor) {
    return decode_sequence(x, out, (const Oqpb__SequenceProto *)m);
  }
  if (m->descriptor == &oqpb__optional_proto__descriptor) {
    return decode_optional(x, out, (const Oqpb__OptionalProto *)m);
  }
  const Oqpb__TensorProto *t = (const Oqpb__TensorProto *)m;
  out->kind = OQ_DATA_TENSOR;
  out->name = t->name != NULL ? t->name : "";
  return decode_tensor(x, &out->tensor, t);
}

static oq_status decode_items(data_decoder *x, oq_data_value *out,
                              const void *items, size_t n) {
  oq_data_value *v = OQ_NEW_N(x->a, oq_data_value, n);

  if (v == NULL) return oq_fail_memory(x->d.env->diags);
  for (size_t i = 0; i < n; i++) {
    const ProtobufCMessage *m; /* each message begins with one */
    memcpy(&m, (const char *)items + i * sizeof m, sizeof m);
    OQ_TRY(decode_value(x, &v[i], m));
  }
  out->item = v;
  out->n_items = (uint32_t)n;
  return OQ_OK;
}

oq_status oq_onnx_decode_data(oq_data_value *out, oq_data_kind kind,
                              const void *bytes, size_t size, oq_arena *a,
                              const oq_env *e) {
  const ProtobufCMessageDescriptor *root =
      kind == OQ_DATA_TENSOR     ? &oqpb__tensor_proto__descriptor
      : kind == OQ_DATA_SEQUENCE ? &oqpb__sequence_proto__descriptor
                                 : &oqpb__optional_proto__descriptor;
  data_decoder x = {.d = {.env = e, .arena = a, .scratch = a}, .a = a};
  ProtobufCMessage *m;
  oq_data_value v = {0};

  if (oq_store_wrap(&x.d.file, bytes, size, e->alloc) != OQ_OK) {
    return oq_fail_memory(e->diags);
  }
  oq_status s = oq_decode_unpack(&m, &x.d, root);
  if (s == OQ_OK) s = decode_value(&x, &v, m);
  for (uint32_t i = 0; i < x.d.joined.n; i++) {
    oq_store_unref(x.d.joined.p[i]);
  }
  oq_store_unref(x.d.file);
  if (s == OQ_OK) *out = v;
  return s;
}

oq_status oq_onnx_decode_tensor(oq_ctensor *out, const char **name,
                                const void *bytes, size_t size, oq_arena *a,
                                const oq_env *e) {
  oq_data_value v;

  OQ_TRY(oq_onnx_decode_data(&v, OQ_DATA_TENSOR, bytes, size, a, e));
  *out = v.tensor;
  if (name != NULL) *name = v.name;
  return OQ_OK;
}
