/* onnx/encode.h - what writing a model and writing its data file share. */
#ifndef OQ_ONNX_ENCODE_H
#define OQ_ONNX_ENCODE_H

#include "base/sink.h"
#include "base/vec.h"
#include "ir/ir.h"
#include "onnx/wire.h"

/* A constant that goes to the data file. */
typedef struct oq_placed {
  uint32_t visit; /* place among all constants, in order of writing */
  const oq_const *c;
  uint64_t offset;
  size_t size;
} oq_placed;

/* Which constants leave the model's file, and where they stand in the other. */
typedef struct oq_placement {
  const char *location; /* as the model names the data file */
  size_t at_least;      /* bytes; smaller ones stay */
  uint64_t align;
  OQ_VEC(oq_placed) list;
  uint64_t size; /* of the data file */
} oq_placement;

/* Fills list (in `a`) and size. */
oq_status oq_encode_place(oq_placement *x, const oq_model_ir *m, oq_arena *a,
                          const oq_env *e);
/* `x` may be NULL.  OQ_E_LIMIT above what protobuf allows. */
oq_status oq_encode_to(const oq_model_ir *m, const oq_placement *x, oq_sink *to,
                       const oq_env *e);
/* One ValueInfoProto as field `number` of its graph. */
oq_status oq_encode_info(oq_extra *out, uint32_t number, const oq_model_ir *m,
                         const oq_value *v, oq_arena *a);

#endif
