/* onnxquant/status.h - how a function ends. */
#ifndef ONNXQUANT_STATUS_H
#define ONNXQUANT_STATUS_H

#include "onnxquant/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/* name, value, one line of text */
#define OQ_STATUS_MAP(X)                                                 \
  X(OQ_OK, 0, "success")                                                 \
  X(OQ_E_ARGUMENT, 1, "the caller broke the contract of the function")   \
  X(OQ_E_MEMORY, 2, "an allocation failed")                              \
  X(OQ_E_IO, 3, "a file or stream could not be read or written")         \
  X(OQ_E_FORMAT, 4, "the bytes are not a well-formed ONNX model")        \
  X(OQ_E_MODEL, 5, "well-formed, but not a valid graph")                 \
  X(OQ_E_UNSUPPORTED, 6, "valid, but beyond what this build implements") \
  X(OQ_E_LIMIT, 7, "a limit of oq_limits was reached")                   \
  X(OQ_E_DATA, 8, "calibration data does not fit the model")             \
  X(OQ_E_NUMERIC, 9, "no usable range (NaN, infinity, or no data)")      \
  X(OQ_E_CANCELLED, 10, "the progress callback asked to stop")           \
  X(OQ_E_STATE, 11, "objects that do not belong together")               \
  X(OQ_E_INTERNAL, 12, "a defect in this library")

typedef enum oq_status {
#define OQ_X(name, value, text) name = value,
  OQ_STATUS_MAP(OQ_X)
#undef OQ_X
} oq_status;

/* "OQ_E_MODEL"; never NULL. */
OQ_API const char *oq_status_name(oq_status s);
/* One line in English; never NULL. */
OQ_API const char *oq_status_text(oq_status s);

#ifdef __cplusplus
}
#endif
#endif
