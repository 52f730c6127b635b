/* onnxquant/tensor.h - numbers at the border of the library: element types and
 * views.  A view owns nothing. */
#ifndef ONNXQUANT_TENSOR_H
#define ONNXQUANT_TENSOR_H

#include <stddef.h>
#include <stdint.h>

#include "onnxquant/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Most dimensions of a tensor.  Real graphs use up to six (window partition
 * before a Transpose). */
#define OQ_MAX_RANK 8

/* clang-format off */
/* name, number in ONNX (TensorProto.DataType), bits per element; 0 for texts,
 * whose elements are oq_text and lie in no file like that */
#define OQ_DTYPE_MAP(X) \
  X(F32, 1, 32) X(U8, 2, 8) X(I8, 3, 8) \
  X(U16, 4, 16) X(I16, 5, 16) X(I32, 6, 32) \
  X(I64, 7, 64) X(STRING, 8, 0) X(BOOL, 9, 8) \
  X(F16, 10, 16) X(F64, 11, 64) X(U32, 12, 32) \
  X(U64, 13, 64) X(C64, 14, 64) X(C128, 15, 128) \
  X(BF16, 16, 16) X(F8E4M3FN, 17, 8) X(F8E4M3FNUZ, 18, 8) \
  X(F8E5M2, 19, 8) X(F8E5M2FNUZ, 20, 8) X(U4, 21, 4) \
  X(I4, 22, 4) X(F4E2M1, 23, 4) X(F8E8M0, 24, 8) \
  X(U2, 25, 2) X(I2, 26, 2)
/* clang-format on */

typedef enum oq_dtype {
  OQ_DT_NONE = 0,
#define OQ_X(name, num, bits) OQ_DT_##name = num,
  OQ_DTYPE_MAP(OQ_X)
#undef OQ_X
} oq_dtype;

/* "float32", "uint8", ...; "unknown" for numbers ONNX does not define. */
OQ_API const char *oq_dtype_text(int32_t dtype);

/* An element of a STRING tensor: bytes, which ONNX wants to be UTF-8, and which
 * may hold NUL and are not ended by one.  `p` may be NULL where n is 0. */
typedef struct oq_text {
  const char *p;
  size_t n;
} oq_text;

/* A dense row-major tensor in native byte order.  Sub-byte types are packed,
 * low bits first.  `size` is in bytes and must equal what dtype and dims ask
 * for.  Of a STRING tensor `data` is an array of oq_text, aligned for them, and
 * `size` that of the array; what its elements point to must live as long as the
 * view, and is copied by whoever keeps it. */
typedef struct oq_tensor_view {
  int32_t dtype; /* oq_dtype */
  uint32_t rank;
  int64_t dim[OQ_MAX_RANK];
  const void *data;
  size_t size;
} oq_tensor_view;

/* What a value of a model is.  More kinds may come: ask for those you know. */
typedef enum oq_kind {
  OQ_KIND_UNKNOWN,
  OQ_KIND_TENSOR,
  OQ_KIND_SEQUENCE, /* of tensors */
  OQ_KIND_OPTIONAL, /* a tensor or a sequence, or nothing */
  OQ_KIND_MAPS      /* a map, or a sequence of maps with the same keys */
} oq_kind;

/* A value of any kind; a view owns nothing.  An optional that holds something
 * may be given as that, and is handed out as that; one that holds nothing has
 * no items.  Maps have two: the keys [keys], int64 or STRING, and the values
 * [maps, keys], one column per key; of a single map they may be [keys]. */
typedef struct oq_value_view {
  int32_t kind;          /* oq_kind */
  oq_tensor_view tensor; /* of a sequence only dtype; 0 = not known; of maps
                            that are handed out their values once more */
  const struct oq_value_view *item; /* of a sequence and of maps, each a tensor;
                                       the one of an optional */
  size_t n_items;
} oq_value_view;

#ifdef __cplusplus
}
#endif
#endif
