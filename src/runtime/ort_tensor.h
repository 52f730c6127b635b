/* runtime/ort_tensor.h - element types, sizes, and the memory that tensors
 * travel in. */
#ifndef OQ_RUNTIME_ORT_TENSOR_H
#define OQ_RUNTIME_ORT_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "onnxquant/tensor.h"

/* onnxruntime numbers its last three types differently from ONNX.  0 = the
 * other side has no such type. */
int oq_ort_dtype_out(int32_t dtype); /* ONNX -> onnxruntime */
int32_t oq_ort_dtype_in(int dtype);  /* onnxruntime -> ONNX */

/* Bytes of a dense tensor; false if the type is unknown or has no fixed size
 * (strings), a dimension is negative, or the result is not a size_t. */
bool oq_ort_bytes(size_t *out, int32_t dtype, const int64_t *dim,
                  uint32_t rank);

/* Distance of tensors in a region. */
#define OQ_REGION_ALIGN ((size_t)64)
/* `at` rounded up; false on overflow. */
bool oq_region_align(size_t *at);

/* Memory shared with the child, sealed so that neither end can shrink it under
 * the other. */
typedef struct oq_region {
  int fd; /* -1 = none */
  uint8_t *base;
  size_t size;
} oq_region;
#define OQ_REGION_INIT \
  { -1, 0, 0 }

/* 0 or an errno value; the pages are there when it succeeds. */
int oq_region_make(oq_region *r, size_t size);
/* Maps `fd`, which must be as long as `size` says; takes it over in any case.
 */
int oq_region_adopt(oq_region *r, int fd, uint64_t size);
void oq_region_drop(oq_region *r);

#endif
