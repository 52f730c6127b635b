/* runtime/ort_census.h - counting the operators of a serialized ONNX model by
 * a bounded walk over its protobuf wire form.  Knows five fields of it. */
#ifndef OQ_RUNTIME_ORT_CENSUS_H
#define OQ_RUNTIME_ORT_CENSUS_H

#include "runtime/ort_frame.h"
#include "runtime/runtime.h"

oq_rt_kind oq_census_kind(const char *domain, const char *op);

/* Appends the answer to OQ_REQ_CENSUS: n { domain, op, count }, sorted, then
 * n { kind, domain, op, name, output, scope }.  Bodies of If, Loop and Scan are
 * included, those of local functions are not (onnxruntime has inlined them).
 * False if the bytes are not a model, nest too deeply, or memory ends. */
bool oq_census_read(oq_msg *m, const uint8_t *p, size_t n);

#endif
