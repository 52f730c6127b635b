/* In the child: running sessions on tensors that lie in shared memory. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* clock_gettime */
#endif
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/ort_worker.h"

#define RUN "runtime.run"

/* One session with its inputs and room for its outputs. */
typedef struct job {
  const oq_ort_model *model;
  const char **in_names; /* in the request */
  ort_value **in;
  uint32_t n_in;
  const char **out_names;
  ort_value **out;
  uint32_t n_out;
} job;

static void release_outputs(oq_ort_worker *w, job *j) {
  for (uint32_t i = 0; j->out != NULL && i < j->n_out; i++) {
    if (j->out[i] != NULL) w->api->release_value(j->out[i]);
    j->out[i] = NULL;
  }
}

static void release_job(oq_ort_worker *w, job *j) {
  release_outputs(w, j);
  for (uint32_t i = 0; j->in != NULL && i < j->n_in; i++)
    if (j->in[i] != NULL) w->api->release_value(j->in[i]);
  free(j->in_names);
  free(j->in);
  free(j->out_names);
  free(j->out);
}

/* A value over the bytes in the region: nothing is copied. */
static bool read_input(oq_ort_worker *w, oq_cut *c, job *j, uint32_t i) {
  static uint8_t nothing[64]; /* onnxruntime wants an address for 0 bytes */
  int64_t dim[OQ_MAX_RANK] = {0};
  uint32_t rank;
  int32_t dtype;
  uint64_t at;
  size_t size = 0;

  j->in_names[i] = oq_cut_str(c);
  dtype = (int32_t)oq_cut_u32(c);
  rank = oq_cut_u32(c);
  if (rank > OQ_MAX_RANK) return oq_worker_malformed(w);
  for (uint32_t d = 0; d < rank; d++) dim[d] = oq_cut_i64(c);
  at = oq_cut_u64(c);
  if (c->bad || !oq_ort_bytes(&size, dtype, dim, rank) || at > w->in.size ||
      size > w->in.size - at)
    return oq_worker_malformed(w);
  return oq_worker_ok(
      w,
      w->api->tensor_over(w->memory, size > 0 ? w->in.base + at : nothing, size,
                          dim, rank, oq_ort_dtype_out(dtype), &j->in[i]),
      RUN);
}

static bool read_inputs(oq_ort_worker *w, oq_cut *c, job *j) {
  const uint32_t id = oq_cut_u32(c);

  /* name, dtype, rank, offset */
  j->n_in = oq_cut_count(c, 17);
  if (c->bad || id >= w->n_models || w->models[id].session == NULL)
    return oq_worker_malformed(w);
  j->model = &w->models[id];
  j->in_names = calloc((size_t)j->n_in + 1, sizeof *j->in_names);
  j->in = calloc((size_t)j->n_in + 1, sizeof *j->in);
  if (j->in_names == NULL || j->in == NULL) return oq_worker_no_memory(w);
  for (uint32_t i = 0; i < j->n_in; i++)
    if (!read_input(w, c, j, i)) return false;
  return true;
}

static bool make_outputs(oq_ort_worker *w, job *j, uint32_t n) {
  j->n_out = n;
  j->out_names = calloc((size_t)n + 1, sizeof *j->out_names);
  j->out = calloc((size_t)n + 1, sizeof *j->out);
  if (j->out_names == NULL || j->out == NULL) return oq_worker_no_memory(w);
  return true;
}

static ort_status *perform(const oq_ort_worker *w, job *j) {
  /* C does not convert `T **` to `const T *const *` by itself. */
  const ort_value *const *in = (const ort_value *const *)j->in;

  return w->api->run(j->model->session, NULL, j->in_names, in, j->n_in,
                     j->out_names, j->n_out, j->out);
}

/* ---- answering with outputs --------------------------------------------- */
typedef struct result {
  int32_t dtype;
  uint32_t rank;
  int64_t dim[OQ_MAX_RANK];
  const void *data;
  size_t size;
  size_t at; /* in the region */
} result;

static bool read_shape(oq_ort_worker *w, const ort_shape *shape, uint32_t i,
                       result *r) {
  size_t rank = 0;
  int dtype = 0;

  if (!oq_worker_ok(w, w->api->element_type(shape, &dtype), RUN) ||
      !oq_worker_ok(w, w->api->rank(shape, &rank), RUN))
    return false;
  r->dtype = oq_ort_dtype_in(dtype);
  r->rank = (uint32_t)rank;
  if (rank > OQ_MAX_RANK)
    return oq_worker_fail(w, OQ_E_UNSUPPORTED, "runtime.type",
                          "output %u has %zu dimensions, at most %d are "
                          "possible",
                          i, rank, OQ_MAX_RANK);
  if (rank > 0 && !oq_worker_ok(w, w->api->dims(shape, r->dim, rank), RUN))
    return false;
  if (!oq_ort_bytes(&r->size, r->dtype, r->dim, r->rank))
    return oq_worker_fail(w, OQ_E_UNSUPPORTED, "runtime.type",
                          "output %u has element type %d, which cannot be "
                          "passed on",
                          i, dtype);
  return true;
}

static bool read_output(oq_ort_worker *w, ort_value *v, uint32_t i, result *r) {
  ort_shape *shape = NULL;
  void *data = NULL;
  int tensor = 0;
  bool good;

  if (v != NULL && !oq_worker_ok(w, w->api->is_tensor(v, &tensor), RUN))
    return false;
  if (!tensor)
    return oq_worker_fail(w, OQ_E_UNSUPPORTED, "runtime.type",
                          "output %u is not a tensor", i);
  if (!oq_worker_ok(w, w->api->value_shape(v, &shape), RUN)) return false;
  good = read_shape(w, shape, i, r);
  w->api->release_shape(shape);
  if (!good) return false;
  if (r->size > 0 && !oq_worker_ok(w, w->api->tensor_data(v, &data), RUN))
    return false;
  r->data = data;
  return true;
}

static bool place(oq_ort_worker *w, const job *j, result *r, size_t *total) {
  size_t at = 0;

  for (uint32_t i = 0; i < j->n_out; i++) {
    if (!read_output(w, j->out[i], i, &r[i])) return false;
    r[i].at = at;
    if (r[i].size > SIZE_MAX - at) return oq_worker_no_memory(w);
    at += r[i].size;
    if (!oq_region_align(&at)) return oq_worker_no_memory(w);
  }
  *total = at;
  return true;
}

static void put_result(oq_ort_worker *w, const result *r) {
  oq_msg_u32(&w->reply, (uint32_t)r->dtype);
  oq_msg_u32(&w->reply, r->rank);
  for (uint32_t d = 0; d < r->rank; d++) oq_msg_i64(&w->reply, r->dim[d]);
  oq_msg_u64(&w->reply, r->at);
  if (r->size > 0) memcpy(w->out.base + r->at, r->data, r->size);
}

/* Overwrites the request, and with it the names in `j`. */
static bool put_results(oq_ort_worker *w, const job *j) {
  result *r = calloc((size_t)j->n_out + 1, sizeof *r);
  size_t total = 0;
  bool good;

  if (r == NULL) return oq_worker_no_memory(w);
  good = place(w, j, r, &total) && oq_worker_need(w, total);
  if (good) {
    oq_msg_u32(&w->reply, j->n_out);
    for (uint32_t i = 0; i < j->n_out; i++) put_result(w, &r[i]);
  }
  free(r);
  return good;
}

static bool run(oq_ort_worker *w, oq_cut *c, job *j) {
  uint32_t n;

  if (!read_inputs(w, c, j)) return false;
  n = oq_cut_count(c, 1);
  if (c->bad) return oq_worker_malformed(w);
  if (!make_outputs(w, j, n)) return false;
  for (uint32_t i = 0; i < n; i++) j->out_names[i] = oq_cut_str(c);
  if (!oq_cut_done(c)) return oq_worker_malformed(w);
  return oq_worker_ok(w, perform(w, j), RUN) && put_results(w, j);
}

bool oq_worker_run(oq_ort_worker *w, oq_cut *c) {
  job j = {0};
  const bool good = run(w, c, &j);

  release_job(w, &j);
  return good;
}

/* ---- timing ------------------------------------------------------------- */
static double now_ms(void) {
  struct timespec t;

  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

typedef struct stopwatch {
  uint32_t tick_ms;
  double ticked; /* when the parent last heard of us */
} stopwatch;

/* Once, timed around the run alone; a negative result is a failure. */
static double time_once(oq_ort_worker *w, job *j, stopwatch *sw) {
  const double start = now_ms();
  ort_status *st = perform(w, j);
  const double end = now_ms();

  if (!oq_worker_ok(w, st, RUN)) return -1;
  release_outputs(w, j);
  if (end - sw->ticked >= sw->tick_ms) {
    oq_worker_tick(w);
    sw->ticked = end;
  }
  return end > start ? end - start : 0;
}

static bool time_jobs(oq_ort_worker *w, job *jobs, uint32_t n, uint32_t warmup,
                      uint32_t repeat, uint32_t tick_ms) {
  stopwatch sw = {tick_ms, now_ms()};

  for (uint32_t i = 0; i < warmup; i++)
    for (uint32_t k = 0; k < n; k++)
      if (time_once(w, &jobs[k], &sw) < 0) return false;
  for (uint32_t i = 0; i < repeat; i++) {
    for (uint32_t k = 0; k < n; k++) {
      const double ms = time_once(w, &jobs[k], &sw);

      if (ms < 0) return false;
      oq_msg_f64(&w->reply, ms);
    }
  }
  return true;
}

static bool read_jobs(oq_ort_worker *w, oq_cut *c, job *jobs, uint32_t n) {
  for (uint32_t k = 0; k < n; k++) {
    const oq_ort_model *m;

    if (!read_inputs(w, c, &jobs[k])) return false;
    m = jobs[k].model;
    if (!make_outputs(w, &jobs[k], m->n_outputs)) return false;
    for (uint32_t i = 0; i < m->n_outputs; i++)
      jobs[k].out_names[i] = m->outputs[i];
  }
  return oq_cut_done(c) ? true : oq_worker_malformed(w);
}

bool oq_worker_time(oq_ort_worker *w, oq_cut *c) {
  const uint32_t n = oq_cut_u32(c);
  const uint32_t warmup = oq_cut_u32(c);
  const uint32_t repeat = oq_cut_u32(c);
  const uint32_t tick_ms = oq_cut_u32(c);
  job jobs[2] = {{0}, {0}};
  bool good;

  if (n < 1 || n > 2) return oq_worker_malformed(w);
  good = read_jobs(w, c, jobs, n) &&
         time_jobs(w, jobs, n, warmup, repeat, tick_ms);
  for (uint32_t k = 0; k < n; k++) release_job(w, &jobs[k]);
  return good;
}
