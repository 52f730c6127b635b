/* onnx/wire.h - the walk over a file's bytes before protobuf-c sees them.
 *
 * protobuf-c recurses without a limit, copies every payload, cuts texts at a
 * NUL and merges duplicates in quadratic time.  So the walk checks all of the
 * structure first and writes a slim copy of what the graph has a place for:
 *   - tensor payloads and texts of attributes stay where they are (payloads[],
 *     texts[]);
 *   - fields without a place in the graph, and present fields whose value is
 *     the default one, are kept as they came (extras[]);
 *   - duplicates of singular fields are merged as protobuf defines it.
 * The slim copy refers to them by number. */
#ifndef OQ_ONNX_WIRE_H
#define OQ_ONNX_WIRE_H

#include <protobuf-c/protobuf-c.h>

#include "base/env.h"
#include "ir/ir.h"

typedef struct oq_span {
  const uint8_t *p;
  size_t n;
} oq_span;

/* The numbers of one TensorProto. */
typedef struct oq_payload {
  oq_encoding encoding;
  uint32_t field; /* number in TensorProto; 0 = there are none */
  oq_span bytes;
  bool joined; /* put together by the walk, so not in the file */
} oq_payload;

typedef struct oq_slim {
  oq_span bytes; /* of the root message, for protobuf-c */
  const oq_payload *payloads;
  const oq_extra *const *extras;
  const oq_span *texts;
  uint32_t n_payloads, n_extras, n_texts;
  uint64_t cost; /* bytes that messages and graph will take, estimated */
} oq_slim;

/* Fields of slim messages that hold a number.  The range is reserved by
 * protobuf itself, and no unknown field of the file reaches the slim copy. */
enum {
  OQ_SLIM_EXTRA = 19000,  /* extras[]; TypeProto: the whole message */
  OQ_SLIM_RAW = 19001,    /* extras[]: value of a SPARSE or TYPE attribute */
  OQ_SLIM_PAYLOAD = 19002 /* payloads[] */
};

/* Notes of ours inside an extra, as fields of number 0, which no file can
 * have: what the file did not say although the graph does. */
enum {
  OQ_MARK_NO_TYPE = 1, /* AttributeProto without `type` */
  OQ_MARK_NO_VALUE = 2 /* AttributeProto without the field of its type */
};

typedef struct oq_wire_limits {
  uint64_t max_cost;
  uint32_t max_nodes, max_graph_depth;
} oq_wire_limits;
void oq_wire_limits_init(oq_wire_limits *out, size_t file_size,
                         const oq_limits *l);

/* `file` must outlive the result; extras are in the file or in `keep`, all else
 * in `scratch`. */
oq_status oq_wire_slim(oq_slim *out, const ProtobufCMessageDescriptor *root,
                       oq_span file, const oq_wire_limits *limits,
                       oq_arena *keep, oq_arena *scratch, oq_diags *d);

/* ---- reading checked bytes ---------------------------------------------- */
typedef struct oq_cursor {
  const uint8_t *p, *end;
} oq_cursor;

/* One field: its bytes in full, and its value. */
typedef struct oq_field {
  uint32_t number;
  unsigned wire; /* 0 varint, 1 64 bits, 2 bytes, 5 32 bits */
  oq_span whole;
  oq_span value;   /* without tag and length */
  uint64_t varint; /* wire 0 */
} oq_field;

/* NULL if a field was read, else what is wrong with the bytes at c->p.  Not to
 * be called at the end. */
const char *oq_wire_next(oq_field *out, oq_cursor *c);
bool oq_wire_varint(oq_cursor *c, uint64_t *out);
/* Writes v in 1..10 bytes and returns how many. */
size_t oq_wire_put_varint(uint8_t out[10], uint64_t v);

#endif
