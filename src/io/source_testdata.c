/* io/source_testdata.c - ONNX test data: serialized TensorProto files, read by
 * the library.  Every read has a context of its own, because a context is for
 * one thread at a time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/samples.h"
#include "io/text_arrays.h"

int64_t oq_testdata_index(const char *name) {
  const size_t n = strlen(name);
  int64_t v;

  if (n < 10 || strncmp(name, "input_", 6) != 0 ||
      strcmp(name + n - 3, ".pb") != 0 ||
      !oq_io_parse_i64(&v, name + 6, n - 9) || v < 0) {
    return -1;
  }
  return v;
}

/* The file that holds input number `input`. */
static oq_status path_of(char *out, size_t size, const oq_data_file *f,
                         size_t input, oq_io_error *err) {
  const bool single =
      oq_io_has_suffix(f->path, ".pb") && !oq_io_is_dir(f->path);
  const int n = single ? snprintf(out, size, "%s", f->path)
                       : snprintf(out, size, "%s/input_%zu.pb", f->path, input);

  if (n < 0 || (size_t)n >= size) {
    return oq_io_fail(err, OQ_E_IO, NULL, "%.200s: the path is too long",
                      f->path);
  }
  return OQ_OK;
}

oq_status oq_testdata_probe(oq_samples_core *c, const oq_track *t,
                            oq_data_file *f, oq_io_error *err) {
  char path[4096];

  for (size_t k = 0; k < t->n_inputs; k++) {
    OQ_IO_TRY(path_of(path, sizeof path, f, t->input[k], err));
    if (oq_io_exists(path)) continue;
    return oq_io_fail(err, OQ_E_DATA,
                      "input_N.pb is input N of the model; --fill INPUT=zeros "
                      "for an input without data",
                      "%s: missing, it should hold input '%.80s'", path,
                      c->input[t->input[k]].name);
  }
  if (t->n_inputs > 1 && oq_io_has_suffix(f->path, ".pb") &&
      !oq_io_is_dir(f->path)) {
    return oq_io_fail(err, OQ_E_ARGUMENT, "name it: --data INPUT=PATH",
                      "%s: holds one value, but %zu inputs need data", f->path,
                      t->n_inputs);
  }
  return OQ_OK;
}

static oq_status fail_file(oq_io_error *err, oq_context *cx, oq_status s,
                           const char *path) {
  const size_t n = oq_context_diag_count(cx);
  const oq_diag *const d = n != 0 ? oq_context_diag(cx, 0) : NULL;

  return oq_io_fail(err, s, d != NULL ? d->hint : NULL, "%.200s: %.280s", path,
                    d != NULL && d->text != NULL ? d->text : oq_status_text(s));
}

static oq_status fail_view(oq_io_error *err, const oq_value_info *in,
                           const oq_tensor_view *v, const char *path) {
  char found[120], wanted[160];

  oq_io_print_shape(found, sizeof found, v->dtype, v->dim, v->rank);
  oq_io_print_input(wanted, sizeof wanted, in);
  return oq_io_fail(err, OQ_E_DATA, NULL,
                    "%.200s: is %s, input '%.80s' wants %s", path, found,
                    in->name, wanted);
}

/* The rules for arrays, but a file is one sample and stays whole: test data say
 * what one run is fed. */
static oq_status fit_view(oq_array_use *u, const oq_value_info *in,
                          const oq_tensor_view *v, const char *path,
                          oq_io_error *err) {
  const size_t item = oq_npy_item_size(v->dtype);
  oq_npy h = {.dtype = v->dtype, .item = item, .rank = v->rank};
  uint64_t dropped;

  memcpy(h.dim, v->dim, sizeof h.dim);
  h.size = v->size;
  h.count = item != 0 ? v->size / item : 0;
  if (item ==
      0) { /* a type NumPy does not have: no conversion, no axis added */
    if (v->dtype != in->dtype) return fail_view(err, in, v, path);
    *u = (oq_array_use){.h = h, .parts = 1, .rank = h.rank};
    memcpy(u->dim, h.dim, sizeof u->dim);
  } else {
    OQ_IO_TRY(oq_array_fit(u, &dropped, in, &h, path, err));
    u->count = h.count;
    if (h.rank == u->rank) memcpy(u->dim, h.dim, sizeof u->dim);
  }
  if (!in->has_rank) return OQ_OK;
  if (in->rank != u->rank) return fail_view(err, in, v, path);
  for (uint32_t i = 0; i < in->rank; i++) {
    if (in->dim[i].size >= 0 && in->dim[i].size != u->dim[i]) {
      return fail_view(err, in, v, path);
    }
  }
  return OQ_OK;
}

/* The bytes of the texts lie in the file, which is closed afterwards. */
static oq_status copy_texts(const oq_array_use *u, size_t input,
                            const oq_tensor_view *from, oq_feed *feed,
                            oq_io_error *err) {
  const size_t n = from->size / sizeof(oq_text);
  oq_tensor_view *const v = &feed->view[input];
  oq_text *t = NULL;

  OQ_IO_TRY(oq_text_array_copy(&t, from->data, n, err));
  feed->memory[input] = t;
  *v = (oq_tensor_view){
      .dtype = OQ_DT_STRING, .rank = u->rank, .data = t, .size = from->size};
  memcpy(v->dim, u->dim, sizeof v->dim);
  feed->hash = oq_io_hash(feed->hash, v->dim, u->rank * sizeof *v->dim);
  feed->hash = oq_text_array_hash(feed->hash, t, n);
  return OQ_OK;
}

static oq_status copy_view(const oq_samples_core *c, size_t input,
                           const oq_tensor_view *from, const char *path,
                           oq_feed *feed, oq_io_error *err) {
  const oq_value_info *const in = &c->input[input];
  oq_array_use u;

  OQ_IO_TRY(fit_view(&u, in, from, path, err));
  if (from->dtype == OQ_DT_STRING) {
    return copy_texts(&u, input, from, feed, err);
  }
  const bool same = from->dtype == in->dtype;
  const size_t size = same ? from->size : u.count * oq_npy_item_size(in->dtype);
  void *const memory = oq_io_alloc_tensor(size);
  if (memory == NULL) return oq_io_fail_memory(err);
  feed->memory[input] = memory;
  if (same && size != 0) memcpy(memory, from->data, size);
  if (!same) {
    OQ_IO_TRY(oq_npy_convert(memory, in->dtype, from->data, from->dtype,
                             u.count, err));
  }
  oq_tensor_view *const v = &feed->view[input];
  *v = (oq_tensor_view){
      .dtype = in->dtype, .rank = u.rank, .data = memory, .size = size};
  memcpy(v->dim, u.dim, sizeof v->dim);
  feed->hash = oq_io_hash(feed->hash, v->dim, u.rank * sizeof *v->dim);
  feed->hash = oq_io_hash(feed->hash, memory, size);
  return OQ_OK;
}

static oq_status load_file(const oq_samples_core *c, oq_context *cx,
                           size_t input, const char *path, oq_feed *feed,
                           oq_io_error *err) {
  oq_tensor_file *file = NULL;
  oq_status s = oq_tensor_file_load(&file, cx, path);

  if (s != OQ_OK) return fail_file(err, cx, s, path);
  s = copy_view(c, input, oq_tensor_file_view(file), path, feed, err);
  oq_tensor_file_destroy(file);
  return s;
}

oq_status oq_testdata_load(oq_samples_core *c, const oq_track *t,
                           const oq_data_file *f, oq_feed *feed,
                           oq_io_error *err) {
  oq_config config = OQ_CONFIG_INIT;
  oq_context *cx = NULL;
  char path[4096];

  config.threads = 1;
  oq_status s = oq_context_create(&cx, &config);
  if (s != OQ_OK) return oq_io_fail(err, s, NULL, "%s", oq_status_text(s));
  for (size_t k = 0; s == OQ_OK && k < t->n_inputs; k++) {
    s = path_of(path, sizeof path, f, t->input[k], err);
    if (s == OQ_OK) s = load_file(c, cx, t->input[k], path, feed, err);
  }
  oq_context_destroy(cx);
  return s;
}
