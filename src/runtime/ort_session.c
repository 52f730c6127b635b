/* In the child: making sessions, describing them, counting kernels. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memfd_create */
#endif
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/ort_census.h"
#include "runtime/ort_worker.h"

#define MODEL "runtime.model"

/* A request to load; the strings live in it. */
typedef struct wish {
  const char *model, *optimized;
  uint32_t level, threads;
  oq_cut config, custom_ops; /* n, strings */
} wish;

static oq_cut skip_strings(oq_cut *c) {
  const oq_cut start = *c;

  for (uint32_t n = oq_cut_count(c, 1); n > 0; n--) (void)oq_cut_str(c);
  return start;
}

static bool read_wish(oq_ort_worker *w, oq_cut *c, wish *h) {
  h->model = oq_cut_str(c);
  h->level = oq_cut_u32(c);
  h->threads = oq_cut_u32(c);
  h->optimized = oq_cut_str(c);
  h->config = skip_strings(c);
  h->custom_ops = skip_strings(c);
  if (oq_cut_done(c) && h->threads <= INT32_MAX && h->level <= 99) return true;
  return oq_worker_malformed(w);
}

static bool set_entry(oq_ort_worker *w, ort_options *o, const char *entry) {
  const char *equals = strchr(entry, '=');
  char *key;
  bool good;

  if (equals == NULL) return oq_worker_malformed(w);
  key = strndup(entry, (size_t)(equals - entry));
  if (key == NULL) return oq_worker_no_memory(w);
  good = oq_worker_ok(w, w->api->set_config(o, key, equals + 1), MODEL);
  free(key);
  return good;
}

/* The handle is not kept: the library stays until the process ends. */
static bool add_custom_ops(oq_ort_worker *w, ort_options *o, const char *path) {
  void *handle = NULL;

  return oq_worker_ok(w, w->api->register_custom_ops(o, path, &handle), MODEL);
}

static bool fill_options(oq_ort_worker *w, ort_options *o, const wish *h) {
  oq_cut config = h->config, ops = h->custom_ops;

  if (!oq_worker_ok(w, w->api->set_level(o, (int)h->level), MODEL) ||
      !oq_worker_ok(w, w->api->set_intra_threads(o, (int)h->threads), MODEL) ||
      !oq_worker_ok(w, w->api->set_inter_threads(o, 1), MODEL))
    return false;
  /* Idle threads of one session would spin while another is being timed:
   * measured with two threads, 4.5 ms instead of 2.8.  Alone it costs nothing.
   * An entry of the caller's wins. */
  if (!set_entry(w, o, "session.force_spinning_stop=1")) return false;
  if (h->optimized[0] != '\0' &&
      !oq_worker_ok(w, w->api->set_optimized_path(o, h->optimized), MODEL))
    return false;
  for (uint32_t n = oq_cut_u32(&config); n > 0; n--)
    if (!set_entry(w, o, oq_cut_str(&config))) return false;
  for (uint32_t n = oq_cut_u32(&ops); n > 0; n--)
    if (!add_custom_ops(w, o, oq_cut_str(&ops))) return false;
  return true;
}

/* Release with api->release_session. */
static bool make_session(oq_ort_worker *w, const wish *h, ort_session **out) {
  ort_options *o = NULL;
  bool good;

  if (!oq_worker_ok(w, w->api->create_options(&o), MODEL)) return false;
  good =
      fill_options(w, o, h) &&
      oq_worker_ok(w, w->api->create_session(w->env, h->model, o, out), MODEL);
  w->api->release_options(o);
  return good;
}

/* ---- describing --------------------------------------------------------- */
static bool put_dims(oq_ort_worker *w, const ort_shape *shape, size_t rank) {
  int64_t dim[OQ_MAX_RANK];
  const char *symbol[OQ_MAX_RANK] = {NULL};

  if (rank > 0 &&
      (!oq_worker_ok(w, w->api->dims(shape, dim, rank), MODEL) ||
       !oq_worker_ok(w, w->api->symbols(shape, symbol, rank), MODEL)))
    return false;
  for (size_t i = 0; i < rank; i++) {
    oq_msg_i64(&w->reply, dim[i] < 0 ? -1 : dim[i]);
    oq_msg_str(&w->reply, symbol[i]);
  }
  return true;
}

/* dtype, rank, { dim, symbol }; zeros for what is no tensor, and rank 0 for
 * more dimensions than a view can have. */
static bool put_type(oq_ort_worker *w, const ort_type *type) {
  const ort_shape *shape = NULL;
  size_t rank = 0;
  int dtype = 0;

  if (!oq_worker_ok(w, w->api->type_as_tensor(type, &shape), MODEL))
    return false;
  if (shape != NULL &&
      (!oq_worker_ok(w, w->api->element_type(shape, &dtype), MODEL) ||
       !oq_worker_ok(w, w->api->rank(shape, &rank), MODEL)))
    return false;
  if (rank > OQ_MAX_RANK) rank = 0;
  oq_msg_u32(&w->reply, (uint32_t)oq_ort_dtype_in(dtype));
  oq_msg_u32(&w->reply, (uint32_t)rank);
  return put_dims(w, shape, rank);
}

static char *copy_name(oq_ort_worker *w, const ort_session *s, size_t i,
                       bool output) {
  char *theirs = NULL, *ours;
  ort_status *st = output ? w->api->output_name(s, i, w->allocator, &theirs)
                          : w->api->input_name(s, i, w->allocator, &theirs);

  if (!oq_worker_ok(w, st, MODEL)) return NULL;
  ours = strdup(theirs);
  st = w->api->allocator_free(w->allocator, theirs);
  if (st != NULL) w->api->release_status(st);
  if (ours == NULL) oq_worker_no_memory(w);
  return ours;
}

/* Keeps the name in *keep if that is not NULL. */
static bool put_value(oq_ort_worker *w, const ort_session *s, size_t i,
                      bool output, char **keep) {
  char *name = copy_name(w, s, i, output);
  ort_type *type = NULL;
  bool good;

  if (name == NULL) return false;
  oq_msg_str(&w->reply, name);
  if (keep != NULL) {
    *keep = name;
  } else {
    free(name);
  }
  good = oq_worker_ok(w,
                      output ? w->api->output_type(s, i, &type)
                             : w->api->input_type(s, i, &type),
                      MODEL) &&
         put_type(w, type);
  if (type != NULL) w->api->release_type(type);
  return good;
}

static bool describe(oq_ort_worker *w, uint32_t id, oq_ort_model *m) {
  size_t n_in = 0, n_out = 0;

  if (!oq_worker_ok(w, w->api->input_count(m->session, &n_in), MODEL) ||
      !oq_worker_ok(w, w->api->output_count(m->session, &n_out), MODEL))
    return false;
  m->outputs = calloc(n_out + 1, sizeof *m->outputs);
  if (m->outputs == NULL) return oq_worker_no_memory(w);
  m->n_outputs = (uint32_t)n_out;
  oq_msg_u32(&w->reply, id);
  oq_msg_u32(&w->reply, (uint32_t)n_in);
  oq_msg_u32(&w->reply, (uint32_t)n_out);
  for (size_t i = 0; i < n_in; i++)
    if (!put_value(w, m->session, i, false, NULL)) return false;
  for (size_t i = 0; i < n_out; i++)
    if (!put_value(w, m->session, i, true, &m->outputs[i])) return false;
  return true;
}

/* ---- requests ----------------------------------------------------------- */
static void drop_model(oq_ort_worker *w, oq_ort_model *m) {
  for (uint32_t i = 0; i < m->n_outputs; i++) free(m->outputs[i]);
  free(m->outputs);
  if (m->session != NULL) w->api->release_session(m->session);
  *m = (oq_ort_model){0};
}

/* Index of an unused entry; UINT32_MAX if there is no memory. */
static uint32_t free_entry(oq_ort_worker *w) {
  oq_ort_model *models;
  uint32_t i = 0;

  while (i < w->n_models && w->models[i].session != NULL) i++;
  if (i < w->n_models) return i;
  models = realloc(w->models, ((size_t)i + 1) * sizeof *models);
  if (models == NULL) return UINT32_MAX;
  models[i] = (oq_ort_model){0};
  w->models = models;
  w->n_models = i + 1;
  return i;
}

bool oq_worker_load(oq_ort_worker *w, oq_cut *c) {
  wish h;
  uint32_t id;

  if (!read_wish(w, c, &h)) return false;
  id = free_entry(w);
  if (id == UINT32_MAX) return oq_worker_no_memory(w);
  if (make_session(w, &h, &w->models[id].session) &&
      describe(w, id, &w->models[id]) && !w->reply.failed)
    return true;
  drop_model(w, &w->models[id]);
  return w->reply.failed ? oq_worker_no_memory(w) : false;
}

bool oq_worker_unload(oq_ort_worker *w, oq_cut *c) {
  const uint32_t id = oq_cut_u32(c);

  if (!oq_cut_done(c) || id >= w->n_models) return oq_worker_malformed(w);
  drop_model(w, &w->models[id]);
  return true;
}

/* Reads what onnxruntime has written into `fd`. */
static bool count_file(oq_ort_worker *w, int fd) {
  struct stat st;
  void *p;
  bool good;

  if (fstat(fd, &st) != 0 || st.st_size <= 0)
    return oq_worker_fail(w, OQ_E_UNSUPPORTED, MODEL,
                          "onnxruntime has not written its optimised model");
  p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (p == MAP_FAILED) return oq_worker_no_memory(w);
  good = oq_census_read(&w->reply, p, (size_t)st.st_size);
  munmap(p, (size_t)st.st_size);
  if (good) return true;
  return oq_worker_fail(w, OQ_E_FORMAT, MODEL,
                        "the optimised model that onnxruntime has written "
                        "cannot be read");
}

/* The optimised model goes into memory that only this process has: nothing is
 * left behind, however this ends. */
bool oq_worker_census(oq_ort_worker *w, oq_cut *c) {
  ort_session *session = NULL;
  char path[64];
  bool good;
  wish h;
  int fd;

  if (!read_wish(w, c, &h)) return false;
  fd = memfd_create("onnxquant-census", MFD_CLOEXEC);
  if (fd < 0)
    return oq_worker_fail(w, OQ_E_IO, MODEL, "no memory file: %s",
                          strerror(errno));
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  h.optimized = path;
  good = make_session(w, &h, &session);
  if (session != NULL) w->api->release_session(session);
  good = good && count_file(w, fd);
  close(fd);
  return good;
}
