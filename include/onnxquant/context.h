/* onnxquant/context.h - what all calls of one user share: memory, limits,
 * threads, findings.
 *
 * Conventions, valid for every function of the library:
 *   - a fallible function returns oq_status; results go out through the FIRST
 *     parameters, which are left untouched on failure;
 *   - `oq_x_create`/`_load`/`_open` give the caller an object to release with
 *     `oq_x_destroy`, which accepts NULL; a `const T *` result is borrowed from
 *     the object it came from and dies with it;
 *   - one thread at a time per oq_context and the objects made from it;
 *     different contexts are independent;
 *   - nothing is printed, no signal, locale or rounding mode is touched, the
 *     process is never ended.  One exception: OpenBLAS is told once per process
 *     to use one thread per call. */
#ifndef ONNXQUANT_CONTEXT_H
#define ONNXQUANT_CONTEXT_H

#include <stddef.h>
#include <stdint.h>

#include "onnxquant/export.h"
#include "onnxquant/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct oq_context oq_context;

/* NULL functions mean malloc and free. */
typedef struct oq_allocator {
  /* `align` is a power of two; NULL on failure. */
  void *(*alloc)(void *user, size_t size, size_t align);
  /* `p` may be NULL; `size` is that of the allocation. */
  void (*release)(void *user, void *p, size_t size);
  void *user;
} oq_allocator;

/* 0 = the built-in value of src/base/limits.h. */
typedef struct oq_limits {
  uint64_t max_model_bytes;
  uint64_t max_tensor_bytes;
  uint64_t max_run_bytes; /* activations and scratch of one run */
  uint64_t max_memory;    /* all allocations of the context together */
  uint32_t max_nodes;
  uint32_t max_graph_depth;
  uint32_t max_loop_trips;
} oq_limits;

typedef enum oq_severity { OQ_NOTE, OQ_WARNING, OQ_ERROR } oq_severity;

/* A finding.  `id` is stable and meant for programs ("model.cycle"); `text` is
 * one English sentence meant for people.  Unset places are NULL. */
typedef struct oq_diag {
  oq_severity severity;
  oq_status status;
  const char *id;
  const char *text;
  const char *hint;
  const char *graph, *node, *op, *value, *attr;
  uint64_t offset; /* byte in the file, UINT64_MAX if unknown */
} oq_diag;

typedef struct oq_progress {
  const char *stage; /* "load", "calibrate", ... */
  uint64_t done, total;
} oq_progress;

/* A decoded picture: 8 bits per channel, interleaved, rows not padded. */
typedef struct oq_picture {
  uint32_t width, height, channels; /* channels: 1 (grey) or 3 (RGB) */
  uint8_t *pixels;
  char error[160]; /* why there is none */
} oq_picture;

/* What the operator ImageDecoder calls, since the library reads no picture
 * formats; without it the operator is refused.  `decode` gets the bytes of a
 * file and fills the zeroed `*out`; OQ_E_DATA says that they are no picture,
 * which makes the result empty, as ONNX has it; any other failure ends the run
 * with `error` as its finding.  `release` follows each success.  Both may be
 * called from any thread of the context. */
typedef struct oq_image_decoder {
  oq_status (*decode)(void *user, oq_picture *out, const void *data,
                      size_t size);
  void (*release)(void *user, oq_picture *p); /* may be NULL */
  void *user;
} oq_image_decoder;

typedef struct oq_config {
  size_t struct_size; /* sizeof(oq_config) of the caller's build */
  oq_allocator allocator;
  oq_limits limits;
  uint32_t threads;                                     /* 0 = cores usable */
  void (*on_diag)(void *user, const oq_diag *d);        /* may be NULL */
  int (*on_progress)(void *user, const oq_progress *p); /* !0 = cancel */
  void *user;
  const char *kernels; /* "auto", "blas", "reference"; NULL = "auto" */
  oq_image_decoder images;
} oq_config;
#define OQ_CONFIG_INIT                                                    \
  {                                                                       \
    sizeof(oq_config), {0, 0, 0}, {0, 0, 0, 0, 0, 0, 0}, 0, 0, 0, 0, 0, { \
      0, 0, 0                                                             \
    }                                                                     \
  }

/* `cfg` may be NULL. */
OQ_API oq_status oq_context_create(oq_context **out, const oq_config *cfg);
OQ_API void oq_context_destroy(oq_context *cx);

/* Findings since creation or the last clear, oldest first. */
OQ_API size_t oq_context_diag_count(const oq_context *cx);
OQ_API const oq_diag *oq_context_diag(const oq_context *cx, size_t i);
OQ_API void oq_context_clear_diags(oq_context *cx);

/* Threads that the context really uses. */
OQ_API uint32_t oq_context_threads(const oq_context *cx);

#ifdef __cplusplus
}
#endif
#endif
