/* io/source_array.c - samples in .npy and .npz files. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "io/samples.h"
#include "io/text_arrays.h"

/* Whole arrays kept between reads of their parts. */
#define CACHE_BYTES ((size_t)1 << 30)

/* ---- does it fit? ------------------------------------------------------- */

/* A dynamic axis counts samples if it is called so, or not called at all. */
bool oq_axis_is_batch(const oq_value_info *in) {
  static const char *const whole[] = {"n", "b", "bs", "none", "?", "-1"};

  if (!in->has_rank || in->rank == 0 || in->dim[0].size >= 0) return false;
  const char *const s = in->dim[0].symbol;
  if (s == NULL || s[0] == 0) return true;
  for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
    if (strcasecmp(s, whole[i]) == 0) return true;
  }
  return strcasestr(s, "batch") != NULL || strncmp(s, "unk_", 4) == 0;
}

static oq_status fail_shape(oq_io_error *err, const oq_value_info *in,
                            const oq_npy *h, const char *name) {
  char found[120], wanted[160];

  oq_io_print_shape(found, sizeof found, h->dtype, h->dim, h->rank);
  oq_io_print_input(wanted, sizeof wanted, in);
  return oq_io_fail(err, OQ_E_DATA, NULL,
                    "array '%.80s' is %s, input '%.80s' wants %s", name, found,
                    in->name, wanted);
}

/* Axes of the input from `axis` on against those of the array. */
static bool axes_match(const oq_value_info *in, uint32_t axis,
                       const int64_t *dim) {
  for (uint32_t i = axis; i < in->rank; i++) {
    if (in->dim[i].size >= 0 && in->dim[i].size != dim[i - axis]) return false;
  }
  return true;
}

/* Size of the first axis of one part; 0 if the array cannot be cut. */
static int64_t part_size(const oq_value_info *in, const oq_npy *h) {
  const int64_t wanted = in->dim[0].size, found = h->dim[0];

  if (wanted < 0) return oq_axis_is_batch(in) && in->rank > 1 ? 1 : found;
  return found >= wanted ? wanted : 0;
}

static bool fit_same_rank(oq_array_use *u, uint64_t *dropped,
                          const oq_value_info *in, const oq_npy *h) {
  if (h->rank == 0) return true;
  if (!axes_match(in, 1, h->dim + 1)) return false;
  const int64_t step = part_size(in, h), found = h->dim[0];
  if (step <= 0) return found == 0 && in->dim[0].size <= 0;
  u->parts = (uint64_t)(found / step);
  *dropped = (uint64_t)(found % step);
  u->dim[0] = step;
  u->count = u->parts != 0 ? h->count / (size_t)found * (size_t)step : 0;
  return u->parts != 0;
}

/* One sample without the axis that counts samples. */
static bool fit_lower_rank(oq_array_use *u, const oq_value_info *in,
                           const oq_npy *h) {
  if (h->rank + 1 != in->rank) return false;
  if (in->dim[0].size != 1 && in->dim[0].size >= 0) return false;
  if (!axes_match(in, 1, h->dim)) return false;
  u->rank = in->rank;
  u->dim[0] = 1;
  memcpy(u->dim + 1, h->dim, h->rank * sizeof *h->dim);
  return true;
}

oq_status oq_array_fit(oq_array_use *use, uint64_t *dropped,
                       const oq_value_info *in, const oq_npy *h,
                       const char *name, oq_io_error *err) {
  oq_array_use u = {.h = *h, .parts = 1, .count = h->count, .rank = h->rank};

  *dropped = 0;
  memcpy(u.dim, h->dim, sizeof u.dim);
  if (!oq_npy_converts(h->dtype, in->dtype)) {
    char found[120], wanted[160];
    oq_io_print_shape(found, sizeof found, h->dtype, h->dim, h->rank);
    oq_io_print_input(wanted, sizeof wanted, in);
    return oq_io_fail(err, OQ_E_DATA, "save it with the type of the input",
                      "array '%.80s' is %s, input '%.80s' wants %s", name,
                      found, in->name, wanted);
  }
  if (in->has_rank) {
    const bool ok = h->rank == in->rank ? fit_same_rank(&u, dropped, in, h)
                                        : fit_lower_rank(&u, in, h);
    if (!ok) return fail_shape(err, in, h, name);
  }
  *use = u;
  return OQ_OK;
}

/* ---- at open ------------------------------------------------------------ */

static oq_status warn_dropped(oq_samples_core *c, const oq_data_file *f,
                              uint64_t dropped, oq_io_error *err) {
  if (dropped == 0) return OQ_OK;
  const char *const text = oq_io_pool_print(
      &c->pool, "%s: the last %llu rows do not fill a batch and are left out",
      f->name, (unsigned long long)dropped);
  return oq_core_warn(c, text, err);
}

static oq_status read_npy_header(oq_npy *out, const char *path,
                                 oq_io_error *err) {
  uint8_t *const head = malloc(OQ_NPY_MAX_HEADER + 12);
  size_t got;
  uint64_t size;

  if (head == NULL) return oq_io_fail_memory(err);
  oq_status s =
      oq_io_read_head(head, &got, &size, path, OQ_NPY_MAX_HEADER + 12, err);
  if (s == OQ_OK) {
    s = oq_npy_parse(out, head, got, size, OQ_IO_MAX_ARRAY_BYTES, err);
    if (s != OQ_OK) oq_io_error_place(err, path);
  }
  free(head);
  return s;
}

static oq_status probe_npy(oq_samples_core *c, const oq_track *t,
                           oq_data_file *f, oq_io_error *err) {
  uint64_t dropped = 0;
  oq_npy h;

  OQ_IO_TRY(read_npy_header(&h, f->path, err));
  OQ_IO_TRY(oq_array_fit(&f->use[0], &dropped, &c->input[t->input[0]], &h,
                         f->path, err));
  f->parts = f->use[0].parts;
  return warn_dropped(c, f, dropped, err);
}

static oq_status fail_names(oq_io_error *err, const oq_npz *z,
                            const char *input) {
  char names[160] = "";
  size_t n = 0;

  for (size_t i = 0; i < oq_npz_count(z) && n + 1 < sizeof names; i++) {
    const int k = snprintf(names + n, sizeof names - n, "%s'%s'",
                           i != 0 ? ", " : "", oq_npz_name(z, i));
    if (k < 0) break;
    n += (size_t)k;
  }
  return oq_io_fail(err, OQ_E_DATA, "arrays are bound to inputs by their names",
                    "no array for input '%.80s', it holds %s", input,
                    names[0] != 0 ? names : "none");
}

/* By name; a single array needs none for a single input. */
static oq_status find_array(size_t *out, const oq_npz *z, const oq_track *t,
                            const char *input, oq_io_error *err) {
  size_t i = oq_npz_find(z, input);

  if (i == SIZE_MAX && t->n_inputs == 1 && oq_npz_count(z) == 1) i = 0;
  if (i == SIZE_MAX) return fail_names(err, z, input);
  *out = i;
  return OQ_OK;
}

/* Arrays of one file have the same number of parts, or one for all. */
static oq_status count_parts(oq_data_file *f, const oq_samples_core *c,
                             const oq_track *t, oq_io_error *err) {
  size_t most = 0;

  for (size_t k = 1; k < t->n_inputs; k++) {
    if (f->use[k].parts > f->use[most].parts) most = k;
  }
  f->parts = f->use[most].parts;
  for (size_t k = 0; k < t->n_inputs; k++) {
    if (f->use[k].parts == f->parts || f->use[k].parts == 1) continue;
    return oq_io_fail(err, OQ_E_DATA, NULL,
                      "%llu samples of input '%.80s', but %llu of '%.80s'",
                      (unsigned long long)f->use[k].parts,
                      c->input[t->input[k]].name, (unsigned long long)f->parts,
                      c->input[t->input[most]].name);
  }
  return OQ_OK;
}

static oq_status probe_members(oq_samples_core *c, const oq_track *t,
                               oq_data_file *f, oq_npz *z, oq_io_error *err) {
  for (size_t k = 0; k < t->n_inputs; k++) {
    const oq_value_info *const in = &c->input[t->input[k]];
    uint64_t dropped = 0;
    size_t i = 0;
    oq_npy h;
    OQ_IO_TRY(find_array(&i, z, t, in->name, err));
    OQ_IO_TRY(oq_npz_header(&h, z, i, OQ_IO_MAX_ARRAY_BYTES, err));
    OQ_IO_TRY(
        oq_array_fit(&f->use[k], &dropped, in, &h, oq_npz_name(z, i), err));
    f->use[k].member = i;
    OQ_IO_TRY(warn_dropped(c, f, dropped, err));
  }
  return count_parts(f, c, t, err);
}

oq_status oq_array_probe(oq_samples_core *c, const oq_track *t, oq_data_file *f,
                         oq_io_error *err) {
  oq_npz *z;

  if (f->kind == OQ_DATA_NPY) return probe_npy(c, t, f, err);
  oq_status s = oq_npz_open_file(&z, f->path, err);
  if (s == OQ_OK) {
    s = probe_members(c, t, f, z, err);
    oq_npz_close(z);
  }
  if (s != OQ_OK) oq_io_error_place(err, f->path);
  return s;
}

/* ---- whole arrays ------------------------------------------------------- */

void oq_array_drop_cache(oq_data_file *f, size_t n) {
  if (f->decoded == NULL) return;
  for (size_t k = 0; k < n; k++) {
    free(f->decoded[k]);
    f->decoded[k] = NULL;
  }
  f->decoded_bytes = 0;
}

/* The file must still be what it was at open. */
static bool same_array(const oq_npy *a, const oq_npy *b) {
  return a->dtype == b->dtype && a->item == b->item && a->rank == b->rank &&
         a->count == b->count &&
         memcmp(a->dim, b->dim, a->rank * sizeof *a->dim) == 0;
}

static oq_status decode_npz(void **out, const oq_track *t,
                            const oq_data_file *f, oq_io_error *err) {
  oq_npz *z;
  oq_npy h = {0};
  oq_status s = oq_npz_open_file(&z, f->path, err);

  if (s != OQ_OK) {
    oq_io_error_place(err, f->path);
    return s;
  }
  for (size_t k = 0; s == OQ_OK && k < t->n_inputs; k++) {
    if (f->use[k].member >= oq_npz_count(z)) {
      s = oq_io_fail(err, OQ_E_DATA, NULL, "the file has changed");
      break;
    }
    s = oq_npz_load(&h, &out[k], z, f->use[k].member, OQ_IO_MAX_ARRAY_BYTES,
                    err);
    if (s == OQ_OK && !same_array(&h, &f->use[k].h)) {
      s = oq_io_fail(err, OQ_E_DATA, NULL, "the file has changed");
    }
  }
  oq_npz_close(z);
  if (s != OQ_OK) oq_io_error_place(err, f->path);
  return s;
}

static oq_status decode_npy(void **out, const oq_data_file *f,
                            oq_io_error *err) {
  const oq_npy *const h = &f->use[0].h;
  void *const raw = oq_io_alloc_tensor(h->size);
  void *const rows = oq_io_alloc_tensor(h->size);
  oq_status s = raw == NULL || rows == NULL
                    ? oq_io_fail_memory(err)
                    : oq_io_read_at(raw, f->path, h->offset, h->size, err);

  if (s == OQ_OK) {
    oq_npy_decode(rows, h, raw);
    out[0] = rows;
  } else {
    free(rows);
  }
  free(raw);
  return s;
}

static oq_status decode_file(void **out, const oq_track *t,
                             const oq_data_file *f, oq_io_error *err) {
  if (f->kind == OQ_DATA_NPY) return decode_npy(out, f, err);
  const oq_status s = decode_npz(out, t, f, err);
  for (size_t k = 0; s != OQ_OK && k < t->n_inputs; k++) {
    free(out[k]);
    out[k] = NULL;
  }
  return s;
}

static size_t decoded_size(const oq_track *t, const oq_data_file *f) {
  size_t n = 0;

  for (size_t k = 0; k < t->n_inputs; k++) n += f->use[k].h.size;
  return n;
}

/* Least recently used files go until `more` bytes have room. */
static void make_room(oq_samples_core *c, size_t more) {
  while (c->cache_bytes != 0 && c->cache_bytes + more > CACHE_BYTES) {
    oq_data_file *oldest = NULL;
    size_t n = 0;
    for (size_t i = 0; i < c->n_tracks; i++) {
      oq_track *const t = &c->track[i];
      for (size_t j = 0; j < t->n_files; j++) {
        oq_data_file *const f = &t->file[j];
        if (f->decoded_bytes == 0 || f->pins != 0) continue;
        if (oldest == NULL || f->last_use < oldest->last_use) {
          oldest = f;
          n = t->n_inputs;
        }
      }
    }
    if (oldest == NULL) return;
    c->cache_bytes -= oldest->decoded_bytes;
    oq_array_drop_cache(oldest, n);
  }
}

/* Two threads that want the same file: the second waits for the first. */
static oq_status pin(oq_samples_core *c, const oq_track *t, oq_data_file *f,
                     oq_io_error *err) {
  oq_status s = OQ_OK;

  (void)pthread_mutex_lock(&c->cache_lock);
  if (f->decoded[0] == NULL) {
    const size_t size = decoded_size(t, f);
    make_room(c, size);
    s = decode_file(f->decoded, t, f, err);
    if (s == OQ_OK) {
      f->decoded_bytes = size;
      c->cache_bytes += size;
    }
  }
  if (s == OQ_OK) {
    f->pins++;
    f->last_use = ++c->cache_clock;
  }
  (void)pthread_mutex_unlock(&c->cache_lock);
  return s;
}

static void unpin(oq_samples_core *c, oq_data_file *f) {
  (void)pthread_mutex_lock(&c->cache_lock);
  f->pins--;
  (void)pthread_mutex_unlock(&c->cache_lock);
}

/* ---- at read ------------------------------------------------------------ */

static oq_status give_texts(size_t input, const oq_array_use *u,
                            const void *elements, oq_feed *feed,
                            oq_io_error *err) {
  oq_tensor_view *const v = &feed->view[input];
  oq_text *t = NULL;

  OQ_IO_TRY(oq_text_array_decode(&t, &u->h, elements, u->count, err));
  feed->memory[input] = t;
  *v = (oq_tensor_view){.dtype = OQ_DT_STRING,
                        .rank = u->rank,
                        .data = t,
                        .size = u->count * sizeof *t};
  memcpy(v->dim, u->dim, sizeof v->dim);
  feed->hash = oq_io_hash(feed->hash, v->dim, u->rank * sizeof *v->dim);
  feed->hash = oq_text_array_hash(feed->hash, t, u->count);
  return OQ_OK;
}

/* `elements` are the part's, of the array's type. */
static oq_status give(const oq_samples_core *c, size_t input,
                      const oq_array_use *u, const void *elements,
                      oq_feed *feed, oq_io_error *err) {
  const int32_t dtype = c->input[input].dtype;

  if (dtype == OQ_DT_STRING) return give_texts(input, u, elements, feed, err);
  const size_t size = u->count * oq_npy_item_size(dtype);
  void *const memory = oq_io_alloc_tensor(size);

  if (memory == NULL) return oq_io_fail_memory(err);
  feed->memory[input] = memory;
  OQ_IO_TRY(oq_npy_convert(memory, dtype, elements, u->h.dtype, u->count, err));
  oq_tensor_view *const v = &feed->view[input];
  *v = (oq_tensor_view){
      .dtype = dtype, .rank = u->rank, .data = memory, .size = size};
  memcpy(v->dim, u->dim, sizeof v->dim);
  feed->hash = oq_io_hash(feed->hash, v->dim, u->rank * sizeof *v->dim);
  feed->hash = oq_io_hash(feed->hash, memory, size);
  return OQ_OK;
}

static oq_status give_parts(const oq_samples_core *c, const oq_track *t,
                            const oq_data_file *f, void *const *arrays,
                            uint64_t part, oq_feed *feed, oq_io_error *err) {
  for (size_t k = 0; k < t->n_inputs; k++) {
    const oq_array_use *const u = &f->use[k];
    const size_t at = u->parts > 1 ? (size_t)part * u->count * u->h.item : 0;
    const char *const p = arrays[k];
    const oq_status s = give(c, t->input[k], u, p + at, feed, err);
    if (s != OQ_OK) {
      oq_io_error_place(err, f->path);
      return s;
    }
  }
  return OQ_OK;
}

/* Only the bytes of the part are read. */
static oq_status load_slice(const oq_samples_core *c, const oq_track *t,
                            const oq_data_file *f, uint64_t part, oq_feed *feed,
                            oq_io_error *err) {
  const oq_array_use *const u = &f->use[0];
  oq_npy slice = u->h;

  slice.count = u->count;
  slice.size = u->count * u->h.item;
  void *const raw = oq_io_alloc_tensor(slice.size);
  if (raw == NULL) return oq_io_fail_memory(err);
  oq_status s = oq_io_read_at(raw, f->path, u->h.offset + part * slice.size,
                              slice.size, err);
  if (s == OQ_OK) {
    oq_npy_decode(raw, &slice, raw);
    s = give(c, t->input[0], u, raw, feed, err);
    if (s != OQ_OK) oq_io_error_place(err, f->path);
  }
  free(raw);
  return s;
}

static oq_status load_once(const oq_samples_core *c, const oq_track *t,
                           const oq_data_file *f, oq_feed *feed,
                           oq_io_error *err) {
  void **const arrays = calloc(t->n_inputs, sizeof *arrays);

  if (arrays == NULL) return oq_io_fail_memory(err);
  oq_status s = decode_file(arrays, t, f, err);
  if (s == OQ_OK) s = give_parts(c, t, f, arrays, 0, feed, err);
  for (size_t k = 0; k < t->n_inputs; k++) free(arrays[k]);
  free(arrays);
  return s;
}

oq_status oq_array_load(oq_samples_core *c, const oq_track *t, oq_data_file *f,
                        uint64_t part, oq_feed *feed, oq_io_error *err) {
  if (f->kind == OQ_DATA_NPY && !f->use[0].h.fortran) {
    return load_slice(c, t, f, part, feed, err);
  }
  if (f->parts == 1) return load_once(c, t, f, feed, err);
  OQ_IO_TRY(pin(c, t, f, err));
  const oq_status s = give_parts(c, t, f, f->decoded, part, feed, err);
  unpin(c, f);
  return s;
}
