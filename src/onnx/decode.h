/* onnx/decode.h - what the decoders of models and of data files share. */
#ifndef OQ_ONNX_DECODE_H
#define OQ_ONNX_DECODE_H

#include "base/vec.h"
#include "onnx.pb-c.h"
#include "onnx/external.h"
#include "onnx/wire.h"

typedef struct oq_decoder {
  const oq_env *env;
  oq_model_ir *model;    /* NULL for data files */
  oq_arena *arena;       /* for results */
  oq_arena *scratch;     /* for messages */
  oq_external *external; /* NULL for data files: external tensors refused */
  oq_store *file;
  oq_slim slim;
  bool in_function;     /* attributes may refer to those of a call */
  uint32_t n_undefined; /* values used but not defined */
  /* Data files: stores over bytes in `arena`, to be let go by the caller. */
  OQ_VEC(oq_store *) joined;
} oq_decoder;

/* Walks and unpacks d->file; sets d->slim.  The message is in d->scratch. */
oq_status oq_decode_unpack(ProtobufCMessage **out, oq_decoder *d,
                           const ProtobufCMessageDescriptor *root);
/* The extra that slim message `m` refers to; NULL if it has none. */
const oq_extra *oq_decode_extra(const oq_decoder *d, const ProtobufCMessage *m,
                                uint32_t number);
/* Number of fields `number` in an extra; the first one's value in `first`
 * (may be NULL). */
uint32_t oq_extra_count(const oq_extra *x, uint32_t number, oq_span *first);
/* `text` NULL is the empty name. */
oq_status oq_decode_name(oq_decoder *d, oq_name *out, const char *text);
oq_status oq_decode_const(const oq_const **out, oq_decoder *d,
                          const Oqpb__TensorProto *t, const oq_where *w);
oq_status oq_decode_type(const oq_type **out, oq_decoder *d,
                         const Oqpb__TypeProto *t);
/* Fills an empty graph. */
oq_status oq_decode_graph(oq_decoder *d, oq_graph *g,
                          const Oqpb__GraphProto *p);
/* `g` is the graph that bodies lie in. */
oq_status oq_decode_attr(oq_decoder *d, oq_attr *a, oq_graph *g,
                         const Oqpb__AttributeProto *p, oq_where w);
oq_status oq_decode_opsets(oq_decoder *d, oq_opset **out, uint32_t *n,
                           Oqpb__OperatorSetIdProto *const *p, size_t n_p);
/* The functions that d->model lists.  One that cannot be decoded is a warning,
 * and has no graph. */
oq_status oq_decode_functions(oq_decoder *d);

#endif
