/* runtime/ort_worker.h - inside the child: the loaded library and what the
 * handlers of requests share.  Nothing here runs in the parent. */
#ifndef OQ_RUNTIME_ORT_WORKER_H
#define OQ_RUNTIME_ORT_WORKER_H

#include "runtime/ort_api.h"
#include "runtime/ort_error.h"
#include "runtime/ort_frame.h"
#include "runtime/ort_tensor.h"

typedef struct oq_ort_model {
  ort_session *session; /* NULL = free entry */
  char **outputs;       /* names */
  uint32_t n_outputs;
} oq_ort_model;

typedef struct oq_ort_worker {
  const oq_ort_api *api;
  ort_env *env;
  ort_memory *memory;
  ort_allocator *allocator;
  oq_ort_model *models;
  uint32_t n_models;
  oq_region in, out;
  oq_msg request, reply;
  uint32_t type, seq; /* of the request */
} oq_ort_worker;

/* Makes the reply an error; always false. */
OQ_RT_PRINTF(4, 5)
bool oq_worker_fail(oq_ort_worker *w, oq_status status, const char *id,
                    const char *format, ...);
/* True if `st` is success; else takes it over and fails with its text.  `id` is
 * "runtime.model" or "runtime.run". */
bool oq_worker_ok(oq_ort_worker *w, ort_status *st, const char *id);
bool oq_worker_no_memory(oq_ort_worker *w);
bool oq_worker_malformed(oq_ort_worker *w);

/* A sign of life. */
void oq_worker_tick(oq_ort_worker *w);
/* Makes w->out hold `size` bytes; overwrites w->request. */
bool oq_worker_need(oq_ort_worker *w, size_t size);

/* Handlers (ort_session.c): read the request from `c`, fill w->reply; false
 * after oq_worker_fail. */
bool oq_worker_load(oq_ort_worker *w, oq_cut *c);
bool oq_worker_unload(oq_ort_worker *w, oq_cut *c);
bool oq_worker_census(oq_ort_worker *w, oq_cut *c);
/* (ort_perform.c) */
bool oq_worker_run(oq_ort_worker *w, oq_cut *c);
bool oq_worker_time(oq_ort_worker *w, oq_cut *c);

#endif
