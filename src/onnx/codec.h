/* onnx/codec.h - ONNX files to graphs and back.  The rest of the library sees
 * nothing of protobuf but this. */
#ifndef OQ_ONNX_CODEC_H
#define OQ_ONNX_CODEC_H

#include "base/sink.h"
#include "ir/ir.h"
#include "onnxquant/model.h"

/* ---- models ------------------------------------------------------------- */
/* Reads the bytes of `file`, of which the model keeps a reference: payloads are
 * not copied.  External tensors are looked up under `base_dir`, and refused if
 * it is NULL.  The result has been through oq_ir_verify. */
oq_status oq_onnx_decode(oq_model_ir **out, oq_store *file,
                         const char *base_dir, const oq_env *e);

/* The whole model in one stream, external tensors included; OQ_E_LIMIT if it
 * would have 2 GiB or more.  A model that was not changed since it was decoded
 * is written with every field it had. */
oq_status oq_onnx_encode(const oq_model_ir *m, oq_sink *to, const oq_env *e);
/* Bytes that oq_onnx_encode would write. */
oq_status oq_onnx_encoded_size(uint64_t *out, const oq_model_ir *m,
                               const oq_env *e);

/* Writes the file `path`, and with it, where `mode` asks for one, a file of
 * tensors "<name>.data" beside it (or "<name>.<digest>.data" if the first is
 * taken by other bytes): that one first, so that at any moment the file at
 * `path` is a complete model.  Data files of the model replaced are removed
 * last. */
oq_status oq_onnx_save(const oq_model_ir *m, const char *path,
                       oq_external_data mode, bool keep_unchanged,
                       const oq_env *e);

/* ---- data files --------------------------------------------------------- */
typedef enum oq_data_kind {
  OQ_DATA_TENSOR,
  OQ_DATA_SEQUENCE, /* items are all of one kind */
  OQ_DATA_OPTIONAL  /* no item or one */
} oq_data_kind;

typedef struct oq_data_value {
  oq_data_kind kind;
  const char *name;  /* "" if the file has none */
  oq_ctensor tensor; /* STRING: `data` is an array of oq_text */
  const struct oq_data_value *item;
  uint32_t n_items;
} oq_data_value;

/* A serialized TensorProto, or what else `kind` says.  Results are in `a`, or
 * point into `bytes`, which must live as long. `name` may be NULL. */
oq_status oq_onnx_decode_tensor(oq_ctensor *out, const char **name,
                                const void *bytes, size_t size, oq_arena *a,
                                const oq_env *e);
oq_status oq_onnx_decode_data(oq_data_value *out, oq_data_kind kind,
                              const void *bytes, size_t size, oq_arena *a,
                              const oq_env *e);

#endif
