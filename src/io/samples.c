/* io/samples.c - a sample source: words of the command line in, oq_source out.
 */
#include "io/samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct oq_samples {
  oq_samples_core *core;
  bool owns_core;
  oq_io_pool pool;
  uint64_t n;
  uint64_t *row;
  _Atomic uint64_t *digest; /* 0 = not known yet */
  const char **name;
  oq_io_list files;
  oq_io_list warnings;
  oq_bad_sample *skipped;
  size_t n_skipped, room_skipped;
  oq_source source;
  pthread_mutex_t lock; /* of the failure */
  bool failed;
  uint64_t failed_index;
  oq_io_error failure;
};

/* ---- names of inputs ---------------------------------------------------- */

size_t oq_core_find_input(const oq_samples_core *c, const char *text,
                          size_t n) {
  for (size_t i = 0; i < c->n_inputs; i++) {
    if (strlen(c->input[i].name) == n &&
        memcmp(c->input[i].name, text, n) == 0) {
      return i;
    }
  }
  return SIZE_MAX;
}

const char *oq_core_split(const oq_samples_core *c, const char *word,
                          size_t *input) {
  for (size_t n = strlen(word); n-- > 0;) {
    if (word[n] != '=') continue;
    const size_t i = oq_core_find_input(c, word, n);
    if (i == SIZE_MAX) continue;
    *input = i;
    return word + n + 1;
  }
  return NULL;
}

oq_status oq_core_warn(oq_samples_core *c, const char *text, oq_io_error *err) {
  return oq_io_list_push(&c->warnings, text) ? OQ_OK : oq_io_fail_memory(err);
}

/* ---- words about shapes ------------------------------------------------- */

static oq_status parse_name(char *name, size_t size, const char **rest,
                            const char *option, const char *text,
                            const char *expected, oq_io_error *err) {
  const char *const equals = strrchr(text, '=');
  const size_t n = equals != NULL ? (size_t)(equals - text) : 0;

  if (n == 0 || n >= size) {
    return oq_io_fail(err, OQ_E_ARGUMENT, NULL, "--%s '%.80s': expected %s",
                      option, text, expected);
  }
  memcpy(name, text, n);
  name[n] = 0;
  *rest = equals + 1;
  return OQ_OK;
}

oq_status oq_io_parse_dim(char *name, size_t size, int64_t *value,
                          const char *text, oq_io_error *err) {
  static const char expected[] = "SYMBOL=SIZE, for example seq=128";
  const char *rest = "";
  int64_t v;

  OQ_IO_TRY(parse_name(name, size, &rest, "dim", text, expected, err));
  if (!oq_io_parse_i64(&v, rest, strlen(rest)) || v < 0) {
    return oq_io_fail(err, OQ_E_ARGUMENT, NULL, "--dim '%.80s': expected %s",
                      text, expected);
  }
  *value = v;
  return OQ_OK;
}

oq_status oq_io_parse_shape(char *name, size_t size, int64_t dim[OQ_MAX_RANK],
                            uint32_t *rank, const char *text,
                            oq_io_error *err) {
  static const char expected[] = "INPUT=1,3,224,224";
  const char *p = "";
  uint32_t n = 0;

  OQ_IO_TRY(parse_name(name, size, &p, "shape", text, expected, err));
  while (p != NULL && *p != 0 && n < OQ_MAX_RANK) {
    const char *const comma = strchr(p, ',');
    const size_t length = comma != NULL ? (size_t)(comma - p) : strlen(p);
    if (!oq_io_parse_i64(&dim[n], p, length) || dim[n] < 0) break;
    n++;
    p = comma != NULL ? comma + 1 : NULL;
  }
  if (p != NULL && (*p != 0 || n != 0)) { /* "x=" is a scalar */
    return oq_io_fail(err, OQ_E_ARGUMENT, NULL, "--shape '%.80s': expected %s",
                      text, expected);
  }
  *rank = n;
  return OQ_OK;
}

static oq_status apply_shapes(oq_samples_core *c, const oq_samples_options *opt,
                              oq_io_error *err) {
  char name[1024];

  for (size_t i = 0; i < opt->n_shape; i++) {
    int64_t dim[OQ_MAX_RANK];
    uint32_t rank;
    OQ_IO_TRY(
        oq_io_parse_shape(name, sizeof name, dim, &rank, opt->shape[i], err));
    const size_t k = oq_core_find_input(c, name, strlen(name));
    if (k == SIZE_MAX) {
      return oq_io_fail(err, OQ_E_ARGUMENT, NULL,
                        "--shape '%.80s': the model has no input '%.80s'",
                        opt->shape[i], name);
    }
    c->input[k].has_rank = 1;
    c->input[k].rank = rank;
    for (uint32_t j = 0; j < rank; j++) {
      c->input[k].dim[j] = (oq_dim_info){dim[j], NULL};
    }
  }
  return OQ_OK;
}

/* A symbol that no input has may live inside the model: not ours to judge. */
static oq_status apply_dims(oq_samples_core *c, const oq_samples_options *opt,
                            oq_io_error *err) {
  char name[1024];

  for (size_t i = 0; i < opt->n_dim; i++) {
    int64_t value;
    OQ_IO_TRY(oq_io_parse_dim(name, sizeof name, &value, opt->dim[i], err));
    for (size_t k = 0; k < c->n_inputs; k++) {
      oq_value_info *const in = &c->input[k];
      for (uint32_t j = 0; in->has_rank && j < in->rank; j++) {
        const char *const symbol = in->dim[j].symbol;
        if (symbol != NULL && strcmp(symbol, name) == 0) {
          in->dim[j].size = value;
        }
      }
    }
  }
  return OQ_OK;
}

/* ---- core: making ------------------------------------------------------- */

static const char *copy_text(oq_samples_core *c, const char *s) {
  return s != NULL ? oq_io_pool_copy(&c->pool, s, strlen(s)) : NULL;
}

static oq_status copy_inputs(oq_samples_core *c, const oq_model_info *m,
                             oq_io_error *err) {
  const size_t n = m->n_inputs;

  c->input = oq_io_pool_alloc(&c->pool, n * sizeof *c->input);
  c->fill = oq_io_pool_alloc(&c->pool, n * sizeof *c->fill);
  c->range = oq_io_pool_alloc(&c->pool, n * sizeof *c->range);
  c->pre = oq_io_pool_alloc(&c->pool, n * sizeof(oq_preprocess *));
  if (c->input == NULL || c->fill == NULL || c->range == NULL ||
      c->pre == NULL) {
    return oq_io_fail_memory(err);
  }
  c->n_inputs = n;
  for (size_t i = 0; i < n; i++) {
    oq_value_info *const in = &c->input[i];
    *in = m->inputs[i];
    in->name = copy_text(c, in->name != NULL ? in->name : "");
    if (in->name == NULL) return oq_io_fail_memory(err);
    if (in->rank > OQ_MAX_RANK) in->has_rank = 0;
    for (uint32_t k = 0; in->has_rank && k < in->rank; k++) {
      if (in->dim[k].symbol == NULL) continue;
      in->dim[k].symbol = copy_text(c, in->dim[k].symbol);
      if (in->dim[k].symbol == NULL) return oq_io_fail_memory(err);
    }
  }
  return OQ_OK;
}

/* A word of --data: the input it names (SIZE_MAX = none) and the path. */
static oq_status split_data(size_t *input, const char **path,
                            const oq_samples_core *c, const char *word,
                            oq_io_error *err) {
  const char *const equals = strchr(word, '=');
  const char *const rest = oq_core_split(c, word, input);

  if (rest != NULL) {
    *path = rest;
    return OQ_OK;
  }
  *input = SIZE_MAX;
  *path = word;
  /* "tpyo=DIR" should not end as "no such folder". */
  if (equals != NULL && memchr(word, '/', (size_t)(equals - word)) == NULL &&
      word[0] != '@' && !oq_io_exists(word)) {
    return oq_io_fail(err, OQ_E_ARGUMENT,
                      "`inspect` lists the inputs of a model",
                      "--data '%.120s': the model has no input '%.*s'", word,
                      (int)(equals - word < 80 ? equals - word : 80), word);
  }
  return OQ_OK;
}

typedef struct binding { /* which words feed which inputs */
  bool *bound;           /* per input: named by a word */
  size_t n_loose;        /* words that name no input */
} binding;

static oq_status bind(binding *b, const oq_samples_core *c,
                      const oq_samples_options *opt, oq_io_error *err) {
  for (size_t i = 0; i < opt->n_data; i++) {
    const char *path;
    size_t input = SIZE_MAX;
    OQ_IO_TRY(split_data(&input, &path, c, opt->data[i], err));
    if (input == SIZE_MAX) {
      b->n_loose++;
    } else if (c->fill[input].given) {
      return oq_io_fail(err, OQ_E_ARGUMENT, NULL,
                        "input '%.80s' has both --data and --fill",
                        c->input[input].name);
    } else {
      b->bound[input] = true;
    }
  }
  return OQ_OK;
}

static oq_track *new_track(oq_samples_core *c, size_t n_inputs) {
  oq_track *const t = &c->track[c->n_tracks];

  t->input = oq_io_pool_alloc(&c->pool, (n_inputs + 1) * sizeof *t->input);
  if (t->input == NULL) return NULL;
  c->n_tracks++;
  return t;
}

/* One track for each named input, one for all the others together. */
static oq_status make_tracks(oq_samples_core *c, const binding *b,
                             oq_io_error *err) {
  size_t n_free = 0;

  c->track = oq_io_pool_alloc(&c->pool, (c->n_inputs + 1) * sizeof *c->track);
  if (c->track == NULL) return oq_io_fail_memory(err);
  for (size_t i = 0; i < c->n_inputs; i++) {
    if (c->fill[i].given) continue;
    if (!b->bound[i]) {
      n_free++;
      continue;
    }
    oq_track *const t = new_track(c, 1);
    if (t == NULL) return oq_io_fail_memory(err);
    t->input[t->n_inputs++] = i;
  }
  if (n_free == 0 && b->n_loose != 0) {
    return oq_io_fail(err, OQ_E_ARGUMENT, NULL,
                      "--data without INPUT= has no input left to feed");
  }
  if (n_free == 0) return OQ_OK;
  oq_track *const t = new_track(c, n_free);
  if (t == NULL) return oq_io_fail_memory(err);
  for (size_t i = 0; i < c->n_inputs; i++) {
    if (!c->fill[i].given && !b->bound[i]) t->input[t->n_inputs++] = i;
  }
  if (b->n_loose != 0) return OQ_OK;
  return oq_io_fail(err, OQ_E_ARGUMENT,
                    "add --data INPUT=PATH, or --fill INPUT=zeros|ones|VALUE",
                    "input '%.100s' has no data", c->input[t->input[0]].name);
}

static oq_track *track_of(const oq_samples_core *c, size_t input,
                          const binding *b) {
  for (size_t i = 0; i < c->n_tracks; i++) {
    oq_track *const t = &c->track[i];
    const size_t first = t->input[0];
    if (input == SIZE_MAX ? !b->bound[first] : first == input) return t;
  }
  return NULL;
}

static oq_status fill_tracks(oq_samples_core *c, const binding *b,
                             const oq_samples_options *opt, oq_io_error *err) {
  for (size_t i = 0; i < opt->n_data; i++) {
    const char *path = NULL;
    size_t input = SIZE_MAX;
    OQ_IO_TRY(split_data(&input, &path, c, opt->data[i], err));
    oq_track *const t = track_of(c, input, b);
    const char *const own = copy_text(c, path);
    if (t == NULL || own == NULL) return oq_io_fail_memory(err);
    OQ_IO_TRY(oq_track_add_path(c, t, own, err));
  }
  return OQ_OK;
}

static oq_status check_options(const oq_samples_options *opt,
                               oq_io_error *err) {
  if (opt->model == NULL) {
    return oq_io_fail(err, OQ_E_ARGUMENT, NULL, "no model description");
  }
  if (opt->n_data == 0) {
    return oq_io_fail(err, OQ_E_ARGUMENT,
                      "add --data PATH; --data random:N if numbers from "
                      "nowhere will do",
                      "no data to run the model on");
  }
  if (opt->shard_count > 1 && opt->shard_index >= opt->shard_count) {
    return oq_io_fail(err, OQ_E_ARGUMENT, "shards are numbered from 0",
                      "--shard %u/%u: there is no such shard", opt->shard_index,
                      opt->shard_count);
  }
  return OQ_OK;
}

static oq_status make_core(oq_samples_core *c, const oq_samples_options *opt,
                           oq_io_error *err) {
  binding b = {0};

  OQ_IO_TRY(check_options(opt, err));
  OQ_IO_TRY(copy_inputs(c, opt->model, err));
  c->seed = opt->seed;
  c->skip_bad = opt->skip_bad;
  c->image = &opt->image;
  OQ_IO_TRY(apply_dims(c, opt, err));
  OQ_IO_TRY(apply_shapes(c, opt, err));
  for (size_t i = 0; i < opt->n_fill; i++) {
    OQ_IO_TRY(oq_fill_parse(c, opt->fill[i], err));
  }
  for (size_t i = 0; i < opt->n_range; i++) {
    OQ_IO_TRY(oq_range_parse(c, opt->range[i], err));
  }
  b.bound = oq_io_pool_alloc(&c->pool, c->n_inputs * sizeof *b.bound);
  if (b.bound == NULL) return oq_io_fail_memory(err);
  OQ_IO_TRY(bind(&b, c, opt, err));
  OQ_IO_TRY(make_tracks(c, &b, err));
  OQ_IO_TRY(fill_tracks(c, &b, opt, err));
  OQ_IO_TRY(oq_tracks_join(c, err));
  c->image = NULL;
  if (c->preset_file != NULL) {
    c->preset_file = copy_text(c, c->preset_file);
    if (c->preset_file == NULL) return oq_io_fail_memory(err);
  }
  return OQ_OK;
}

static void destroy_core(oq_samples_core *c) {
  for (size_t i = 0; i < c->n_tracks; i++) {
    oq_track *const t = &c->track[i];
    for (size_t j = 0; j < t->n_files; j++) {
      oq_array_drop_cache(&t->file[j], t->n_inputs);
    }
    free(t->file);
  }
  oq_io_list_free(&c->folders);
  oq_io_list_free(&c->warnings);
  (void)pthread_mutex_destroy(&c->cache_lock);
  oq_io_pool_free(&c->pool);
  free(c);
}

/* ---- core: in words ----------------------------------------------------- */

typedef struct words {
  char text[1024];
} words;

static void say(words *w, const char *text) {
  const size_t n = strlen(w->text);

  if (n + 1 < sizeof w->text) {
    (void)snprintf(w->text + n, sizeof w->text - n, "%s", text);
  }
}

static void say_random(words *w, const oq_samples_core *c, size_t input) {
  const oq_range *const r = &c->range[input];
  char lo[40] = "", hi[40] = "", text[160];

  if (r->given) {
    oq_io_print_f64(lo, sizeof lo, r->lo);
    oq_io_print_f64(hi, sizeof hi, r->hi);
  }
  (void)snprintf(text, sizeof text, "random seed=%llu%s%s%s%s",
                 (unsigned long long)c->seed, r->given ? " range=" : "", lo,
                 r->given ? ":" : "", hi);
  say(w, text);
}

static bool track_has(const oq_track *t, oq_data_kind kind) {
  for (size_t i = 0; i < t->n_files; i++) {
    if (t->file[i].kind == kind) return true;
  }
  return false;
}

static void say_input(words *w, const oq_samples_core *c, const oq_track *t,
                      size_t input) {
  const bool arrays = track_has(t, OQ_DATA_NPY) || track_has(t, OQ_DATA_NPZ) ||
                      track_has(t, OQ_DATA_PB);
  const bool random = track_has(t, OQ_DATA_RANDOM);
  char text[400];

  if (arrays) say(w, "arrays");
  if (track_has(t, OQ_DATA_IMAGE)) {
    say(w, arrays ? "+pictures " : "pictures ");
    oq_preprocess_describe(text, sizeof text, c->pre[input]);
    say(w, text);
  }
  if (random) {
    if (w->text[0] != 0 && w->text[strlen(w->text) - 1] != ' ') say(w, " ");
    say_random(w, c, input);
  }
}

static const oq_track *feeding(const oq_samples_core *c, size_t input) {
  for (size_t i = 0; i < c->n_tracks; i++) {
    for (size_t k = 0; k < c->track[i].n_inputs; k++) {
      if (c->track[i].input[k] == input) return &c->track[i];
    }
  }
  return NULL;
}

static oq_status describe_core(oq_samples_core *c, oq_io_error *err) {
  words w = {""};

  for (size_t i = 0; i < c->n_inputs; i++) {
    const oq_track *const t = feeding(c, i);
    if (c->n_inputs > 1) {
      if (i != 0) say(&w, "; ");
      say(&w, c->input[i].name);
      say(&w, ": ");
    }
    if (t != NULL) {
      say_input(&w, c, t, i);
    } else {
      say(&w, "filled with ");
      say(&w, c->fill[i].text);
    }
  }
  c->preprocessing = copy_text(c, w.text);
  return c->preprocessing != NULL ? OQ_OK : oq_io_fail_memory(err);
}

/* ---- reading ------------------------------------------------------------ */

static oq_status load_image(const oq_samples_core *c, const oq_track *t,
                            const oq_data_file *f, oq_feed *feed,
                            oq_io_error *err) {
  const size_t input = t->input[0];
  uint8_t *bytes;
  size_t n;

  OQ_IO_TRY(oq_io_slurp(&bytes, &n, f->path, OQ_IO_MAX_FILE_BYTES, err));
  feed->hash = oq_io_hash(feed->hash, bytes, n);
  const oq_status s = oq_preprocess_run(
      &feed->memory[input], &feed->view[input], c->pre[input], bytes, n, err);
  if (s != OQ_OK) oq_io_error_place(err, f->path);
  free(bytes);
  return s;
}

static oq_status load_damaged(oq_samples_core *c, const oq_track *t,
                              oq_data_file *f, oq_io_error *err) {
  oq_data_file again = *f;

  again.decoded = NULL;
  again.decoded_bytes = 0;
  oq_status s = f->kind == OQ_DATA_PB ? oq_testdata_probe(c, t, &again, err)
                                      : oq_array_probe(c, t, &again, err);
  if (s == OQ_OK) {
    s = oq_io_fail(err, OQ_E_DATA, NULL, "%s: the file has changed", f->path);
  }
  return s;
}

static oq_status load_part(oq_samples_core *c, const oq_track *t, uint64_t part,
                           oq_feed *feed, oq_io_error *err) {
  oq_data_file *const f = oq_track_find(t, &part);

  if (f->damaged) return load_damaged(c, t, f, err);
  switch (f->kind) {
    case OQ_DATA_IMAGE:
      return load_image(c, t, f, feed, err);
    case OQ_DATA_NPY:
    case OQ_DATA_NPZ:
      return oq_array_load(c, t, f, part, feed, err);
    case OQ_DATA_PB:
      return oq_testdata_load(c, t, f, feed, err);
    case OQ_DATA_RANDOM:
      return oq_random_load(c, t, part, feed, err);
  }
  return oq_io_fail(err, OQ_E_INTERNAL, NULL, "unknown kind of data");
}

static oq_status load_row(oq_samples_core *c, uint64_t row, oq_feed *feed,
                          oq_io_error *err) {
  for (size_t i = 0; i < c->n_tracks; i++) {
    const oq_track *const t = &c->track[i];
    OQ_IO_TRY(
        load_part(c, t, t->match != NULL ? t->match[row] : row, feed, err));
  }
  for (size_t i = 0; i < c->n_inputs; i++) {
    if (c->fill[i].given) OQ_IO_TRY(oq_fill_load(c, i, feed, err));
  }
  return OQ_OK;
}

static void free_memory(void **memory, size_t n) {
  if (memory == NULL) return;
  for (size_t i = 0; i < n; i++) free(memory[i]);
  free(memory);
}

static oq_status read_row(oq_samples_core *c, uint64_t row,
                          oq_tensor_view *views, void ***memory, uint64_t *hash,
                          oq_io_error *err) {
  oq_feed feed = {views, calloc(c->n_inputs + 1, sizeof(void *)), 0};

  if (feed.memory == NULL) return oq_io_fail_memory(err);
  const oq_status s = load_row(c, row, &feed, err);
  if (s != OQ_OK) {
    free_memory(feed.memory, c->n_inputs);
    return s;
  }
  *memory = feed.memory;
  *hash = feed.hash;
  return OQ_OK;
}

static void record_failure(oq_samples *s, uint64_t index,
                           const oq_io_error *err) {
  (void)pthread_mutex_lock(&s->lock);
  if (!s->failed || index < s->failed_index) {
    s->failed = true;
    s->failed_index = index;
    s->failure = *err;
  }
  (void)pthread_mutex_unlock(&s->lock);
}

/* Equal content under two names is two samples: data sets do have doubles, and
 * they must not look like one sample counted twice. */
static uint64_t named(uint64_t hash, const char *name) {
  const uint64_t h = oq_io_hash(hash, name, strlen(name));

  return h != 0 ? h : 1; /* 0 stands for "not known" */
}

static oq_status on_read(void *user, uint64_t index, oq_tensor_view *inputs,
                         size_t n_inputs, void **handle) {
  oq_samples *const s = user;
  oq_io_error err = {0};
  void **memory = NULL;
  uint64_t hash = 0;
  oq_status status;

  if (index >= s->n || n_inputs != s->core->n_inputs) {
    status = oq_io_fail(&err, OQ_E_ARGUMENT, NULL,
                        "sample %llu of %llu with %zu inputs asked for",
                        (unsigned long long)index, (unsigned long long)s->n,
                        n_inputs);
  } else {
    status = read_row(s->core, s->row[index], inputs, &memory, &hash, &err);
  }
  if (status != OQ_OK) {
    record_failure(s, index, &err);
    return status;
  }
  atomic_store_explicit(&s->digest[index], named(hash, s->name[index]),
                        memory_order_relaxed);
  *handle = memory;
  return OQ_OK;
}

static void on_release(void *user, void *handle) {
  const oq_samples *const s = user;

  free_memory(handle, s->core->n_inputs);
}

/* Known from the read of the sample, as a rule. */
static uint64_t on_digest(void *user, uint64_t index) {
  oq_samples *const s = user;
  void *handle = NULL;

  if (index >= s->n) return 0;
  const uint64_t known =
      atomic_load_explicit(&s->digest[index], memory_order_relaxed);
  if (known != 0) return known;
  const size_t n = s->core->n_inputs;
  oq_tensor_view *const views = calloc(n + 1, sizeof *views);
  if (views == NULL) return 0;
  if (on_read(s, index, views, n, &handle) == OQ_OK) on_release(s, handle);
  free(views);
  return atomic_load_explicit(&s->digest[index], memory_order_relaxed);
}

/* ---- choosing rows ------------------------------------------------------ */

/* floor(i * total / n) without a product that could wrap. */
static uint64_t spaced(uint64_t i, uint64_t n, uint64_t total) {
  return total / n * i + total % n * i / n;
}

static oq_status choose_rows(oq_samples *s, const oq_samples_options *opt,
                             oq_io_error *err) {
  const uint64_t total = s->core->n_rows;
  const uint64_t most =
      opt->max_samples != 0 ? opt->max_samples : OQ_IO_DEFAULT_SAMPLES;
  const uint64_t n = total < most ? total : most;
  const uint64_t shards = opt->shard_count > 1 ? opt->shard_count : 1;

  if (n > UINT32_MAX) {
    return oq_io_fail(err, OQ_E_LIMIT, "choose fewer with --samples",
                      "%llu samples", (unsigned long long)n);
  }
  s->row =
      oq_io_pool_alloc(&s->pool, (size_t)(n / shards + 1) * sizeof *s->row);
  if (s->row == NULL) return oq_io_fail_memory(err);
  for (uint64_t i = opt->shard_index; i < n; i += shards) {
    s->row[s->n++] = spaced(i, n, total);
  }
  if (s->n != 0) return OQ_OK;
  return oq_io_fail(err, OQ_E_DATA, NULL,
                    "shard %u of %u holds none of the %llu samples",
                    opt->shard_index, opt->shard_count, (unsigned long long)n);
}

/* The first track with files names the samples. */
static const oq_track *name_track(const oq_samples_core *c) {
  for (size_t i = 0; i < c->n_tracks; i++) {
    if (!track_has(&c->track[i], OQ_DATA_RANDOM)) return &c->track[i];
  }
  return &c->track[0];
}

const oq_track *oq_samples_name_track(const oq_samples *s) {
  return name_track(s->core);
}

static const char *row_name(oq_io_pool *pool, const oq_samples_core *c,
                            uint64_t row) {
  const oq_track *const t = name_track(c);
  uint64_t part = t->match != NULL ? t->match[row] : row;
  const oq_data_file *const f = oq_track_find(t, &part);

  if (f->parts == 1 && f->kind != OQ_DATA_RANDOM) return f->name;
  return oq_io_pool_print(pool, "%s:%llu", f->name, (unsigned long long)part);
}

static oq_status name_rows(oq_samples *s, oq_io_error *err) {
  const size_t n = (size_t)s->n;

  s->name = oq_io_pool_alloc(&s->pool, (n + 1) * sizeof *s->name);
  if (s->name == NULL) return oq_io_fail_memory(err);
  for (size_t i = 0; i < n; i++) {
    s->name[i] = row_name(&s->pool, s->core, s->row[i]);
    if (s->name[i] == NULL) return oq_io_fail_memory(err);
  }
  return OQ_OK;
}

/* ---- files and warnings ------------------------------------------------- */

static oq_status list_row(oq_samples *s, uint64_t row, oq_io_error *err) {
  oq_samples_core *const c = s->core;

  for (size_t i = 0; i < c->n_tracks; i++) {
    const oq_track *const t = &c->track[i];
    uint64_t part = t->match != NULL ? t->match[row] : row;
    const oq_data_file *const f = oq_track_find(t, &part);
    if (f->kind == OQ_DATA_RANDOM) continue;
    if (f->kind != OQ_DATA_PB || !oq_io_is_dir(f->path)) {
      if (!oq_io_list_push(&s->files, f->path)) return oq_io_fail_memory(err);
      continue;
    }
    for (size_t k = 0; k < t->n_inputs; k++) {
      const char *const path =
          oq_io_pool_print(&s->pool, "%s/input_%zu.pb", f->path, t->input[k]);
      if (!oq_io_list_push(&s->files, path)) return oq_io_fail_memory(err);
    }
  }
  return OQ_OK;
}

static oq_status list_files(oq_samples *s, oq_io_error *err) {
  const oq_samples_core *const c = s->core;
  size_t n = 0;

  for (uint64_t i = 0; i < s->n; i++) OQ_IO_TRY(list_row(s, s->row[i], err));
  for (size_t i = 0; i < c->folders.n; i++) {
    if (!oq_io_list_push(&s->files, c->folders.item[i])) {
      return oq_io_fail_memory(err);
    }
  }
  if (c->preset_file != NULL && !oq_io_list_push(&s->files, c->preset_file)) {
    return oq_io_fail_memory(err);
  }
  oq_io_list_sort(&s->files);
  for (size_t i = 0; i < s->files.n; i++) {
    if (n != 0 && strcmp(s->files.item[n - 1], s->files.item[i]) == 0) continue;
    s->files.item[n++] = s->files.item[i];
  }
  s->files.n = n;
  return OQ_OK;
}

static oq_status list_warnings(oq_samples *s, oq_io_error *err) {
  const oq_samples_core *const c = s->core;

  for (size_t i = 0; i < c->warnings.n; i++) {
    if (!oq_io_list_push(&s->warnings, c->warnings.item[i])) {
      return oq_io_fail_memory(err);
    }
  }
  if (oq_samples_synthetic(s) &&
      !oq_io_list_push(&s->warnings,
                       "the data are random numbers: ranges and comparisons "
                       "say nothing about real use")) {
    return oq_io_fail_memory(err);
  }
  if (s->n_skipped != 0) {
    const char *const text = oq_io_pool_print(
        &s->pool, "%zu of %llu samples cannot be read and are left out",
        s->n_skipped, (unsigned long long)s->n + s->n_skipped);
    if (!oq_io_list_push(&s->warnings, text)) return oq_io_fail_memory(err);
  }
  return OQ_OK;
}

/* ---- bad samples -------------------------------------------------------- */

static oq_status note_skipped(oq_samples *s, uint64_t row,
                              const oq_io_error *why, oq_io_error *err) {
  void *items = s->skipped;

  if (!oq_io_grow(&items, &s->room_skipped, s->n_skipped, sizeof *s->skipped)) {
    return oq_io_fail_memory(err);
  }
  s->skipped = items;
  const char *const name = row_name(&s->pool, s->core, row);
  const char *const text =
      oq_io_pool_copy(&s->pool, why->text, strlen(why->text));
  if (name == NULL || text == NULL) return oq_io_fail_memory(err);
  s->skipped[s->n_skipped++] = (oq_bad_sample){name, text};
  return OQ_OK;
}

static oq_status drop_bad(oq_samples *s, oq_io_error *err) {
  oq_samples_core *const c = s->core;
  oq_tensor_view *const views = calloc(c->n_inputs + 1, sizeof *views);
  oq_status status = views != NULL ? OQ_OK : oq_io_fail_memory(err);
  oq_io_error why = {0};
  uint64_t kept = 0;

  for (uint64_t i = 0; status == OQ_OK && i < s->n; i++) {
    void **memory = NULL;
    uint64_t hash;
    const oq_status r = read_row(c, s->row[i], views, &memory, &hash, &why);
    free_memory(memory, c->n_inputs);
    if (r == OQ_E_MEMORY || r == OQ_E_ARGUMENT) {
      if (err != NULL) *err = why;
      status = r;
    } else if (r != OQ_OK) {
      status = note_skipped(s, s->row[i], &why, err);
    } else {
      s->row[kept++] = s->row[i];
    }
  }
  free(views);
  if (status != OQ_OK) return status;
  s->n = kept;
  if (kept != 0) return OQ_OK;
  return oq_io_fail(err, OQ_E_DATA, NULL,
                    "none of the %zu samples can be read; the last: %.400s",
                    s->n_skipped, why.text);
}

/* ---- objects ------------------------------------------------------------ */

static oq_samples *new_samples(oq_io_error *err) {
  oq_samples *const s = calloc(1, sizeof *s);

  if (s == NULL || pthread_mutex_init(&s->lock, NULL) != 0) {
    free(s);
    (void)oq_io_fail_memory(err);
    return NULL;
  }
  return s;
}

void oq_samples_destroy(oq_samples *s) {
  if (s == NULL) return;
  if (s->owns_core) destroy_core(s->core);
  oq_io_list_free(&s->files);
  oq_io_list_free(&s->warnings);
  free(s->skipped);
  (void)pthread_mutex_destroy(&s->lock);
  oq_io_pool_free(&s->pool);
  free(s);
}

/* What follows once the rows are chosen. */
static oq_status finish(oq_samples *s, oq_io_error *err) {
  s->digest =
      oq_io_pool_alloc(&s->pool, (size_t)(s->n + 1) * sizeof *s->digest);
  if (s->digest == NULL) return oq_io_fail_memory(err);
  OQ_IO_TRY(name_rows(s, err));
  OQ_IO_TRY(list_files(s, err));
  OQ_IO_TRY(list_warnings(s, err));
  s->source = (oq_source){.count = s->n,
                          .read = on_read,
                          .release = on_release,
                          .user = s,
                          .digest = on_digest};
  return OQ_OK;
}

static oq_status open_samples(oq_samples *s, const oq_samples_options *opt,
                              oq_io_error *err) {
  oq_samples_core *const c = calloc(1, sizeof *c);

  if (c == NULL || pthread_mutex_init(&c->cache_lock, NULL) != 0) {
    free(c);
    return oq_io_fail_memory(err);
  }
  s->core = c;
  s->owns_core = true;
  OQ_IO_TRY(make_core(c, opt, err));
  OQ_IO_TRY(describe_core(c, err));
  OQ_IO_TRY(choose_rows(s, opt, err));
  if (opt->skip_bad) OQ_IO_TRY(drop_bad(s, err));
  return finish(s, err);
}

oq_status oq_samples_open(oq_samples **out, const oq_samples_options *opt,
                          oq_io_error *err) {
  oq_samples *const s = new_samples(err);

  if (s == NULL) return OQ_E_MEMORY;
  const oq_status status = open_samples(s, opt, err);
  if (status != OQ_OK) {
    oq_samples_destroy(s);
    return status;
  }
  *out = s;
  return OQ_OK;
}

static oq_status select_rows(oq_samples *s, const oq_samples *whole,
                             const uint64_t *index, uint64_t n,
                             oq_io_error *err) {
  s->core = whole->core;
  s->row = oq_io_pool_alloc(&s->pool, (size_t)(n + 1) * sizeof *s->row);
  if (s->row == NULL) return oq_io_fail_memory(err);
  for (uint64_t i = 0; i < n; i++) {
    if (index[i] >= whole->n) {
      return oq_io_fail(err, OQ_E_ARGUMENT, NULL, "sample %llu of %llu chosen",
                        (unsigned long long)index[i],
                        (unsigned long long)whole->n);
    }
    s->row[s->n++] = whole->row[index[i]];
  }
  return finish(s, err);
}

oq_status oq_samples_select(oq_samples **out, oq_samples *whole,
                            const uint64_t *index, uint64_t n,
                            oq_io_error *err) {
  oq_samples *const s = new_samples(err);

  if (s == NULL) return OQ_E_MEMORY;
  const oq_status status = select_rows(s, whole, index, n, err);
  if (status != OQ_OK) {
    oq_samples_destroy(s);
    return status;
  }
  *out = s;
  return OQ_OK;
}

static bool is_held_out(uint64_t i, uint64_t n) {
  return n >= 5 ? i % 5 == 4 : i + 1 == n;
}

oq_status oq_samples_split(oq_samples **fit, oq_samples **held_out,
                           oq_samples *whole, oq_io_error *err) {
  const uint64_t n = whole->n;
  uint64_t *const index = calloc((size_t)n + 1, 2 * sizeof *index);
  oq_samples *a = NULL, *b = NULL;
  uint64_t n_a = 0, n_b = 0;

  if (index == NULL) return oq_io_fail_memory(err);
  uint64_t *const other = index + n + 1;
  for (uint64_t i = 0; i < n; i++) {
    if (is_held_out(i, n)) other[n_b++] = i;
    if (!is_held_out(i, n) || n == 1) index[n_a++] = i;
  }
  oq_status s = oq_samples_select(&a, whole, index, n_a, err);
  if (s == OQ_OK) s = oq_samples_select(&b, whole, other, n_b, err);
  free(index);
  if (s != OQ_OK) {
    oq_samples_destroy(a);
    return s;
  }
  *fit = a;
  *held_out = b;
  return OQ_OK;
}

/* ---- questions ---------------------------------------------------------- */

const oq_source *oq_samples_source(const oq_samples *s) { return &s->source; }

uint64_t oq_samples_count(const oq_samples *s) { return s->n; }

const char *oq_samples_name(const oq_samples *s, uint64_t i) {
  return i < s->n ? s->name[i] : "";
}

bool oq_samples_failure(oq_samples *s, uint64_t *index, oq_io_error *err) {
  (void)pthread_mutex_lock(&s->lock);
  const bool failed = s->failed;
  if (failed) {
    *index = s->failed_index;
    *err = s->failure;
  }
  (void)pthread_mutex_unlock(&s->lock);
  return failed;
}

const char *const *oq_samples_files(const oq_samples *s, size_t *n) {
  *n = s->files.n;
  return s->files.item;
}

const char *oq_samples_preprocessing(const oq_samples *s) {
  return s->core->preprocessing;
}

bool oq_samples_synthetic(const oq_samples *s) {
  for (size_t i = 0; i < s->core->n_tracks; i++) {
    if (track_has(&s->core->track[i], OQ_DATA_RANDOM)) return true;
  }
  return false;
}

uint64_t oq_samples_available(const oq_samples *s) { return s->core->n_rows; }

const char *const *oq_samples_warnings(const oq_samples *s, size_t *n) {
  *n = s->warnings.n;
  return s->warnings.item;
}

const oq_bad_sample *oq_samples_skipped(const oq_samples *s, size_t *n) {
  *n = s->n_skipped;
  return s->skipped;
}

/* ---- dump --------------------------------------------------------------- */

static oq_status make_folder(const char *path, oq_io_error *err) {
  if (mkdir(path, 0777) == 0 || oq_io_is_dir(path)) return OQ_OK;
  return oq_io_fail(err, OQ_E_IO, NULL, "%.300s: the folder cannot be made",
                    path);
}

/* Names of inputs may hold anything. */
static void safe_name(char *out, size_t size, const char *name) {
  size_t n = 0;

  for (; name[n] != 0 && n + 1 < size; n++) {
    const char c = name[n];
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       (c >= '0' && c <= '9') || c == '-' || c == '_' ||
                       (c == '.' && n != 0);
    out[n] = plain ? c : '_';
  }
  out[n] = 0;
}

static oq_status dump_folder(char *out, size_t size, const oq_samples *s,
                             size_t input, const char *dir, oq_io_error *err) {
  char name[200];
  int n;

  if (s->core->n_inputs == 1) {
    n = snprintf(out, size, "%s", dir);
  } else {
    safe_name(name, sizeof name, s->core->input[input].name);
    n = snprintf(out, size, "%s/%s", dir, name);
  }
  if (n < 0 || (size_t)n + 32 >= size) {
    return oq_io_fail(err, OQ_E_IO, NULL, "%.200s: the path is too long", dir);
  }
  return make_folder(out, err);
}

static oq_status dump_sample(const oq_samples *s, uint64_t i, const char *dir,
                             const oq_tensor_view *views, oq_io_error *err) {
  char folder[3000], path[3100];

  for (size_t k = 0; k < s->core->n_inputs; k++) {
    OQ_IO_TRY(dump_folder(folder, sizeof folder, s, k, dir, err));
    (void)snprintf(path, sizeof path, "%s/%06llu.npy", folder,
                   (unsigned long long)i);
    OQ_IO_TRY(oq_io_write_npy(path, &views[k], err));
  }
  return OQ_OK;
}

oq_status oq_samples_dump(oq_samples *s, const char *dir, oq_io_error *err) {
  oq_samples_core *const c = s->core;

  OQ_IO_TRY(make_folder(dir, err));
  oq_tensor_view *const views = calloc(c->n_inputs + 1, sizeof *views);
  oq_status status = views != NULL ? OQ_OK : oq_io_fail_memory(err);
  for (uint64_t i = 0; status == OQ_OK && i < s->n; i++) {
    void **memory = NULL;
    uint64_t hash;
    status = read_row(c, s->row[i], views, &memory, &hash, err);
    if (status == OQ_OK) status = dump_sample(s, i, dir, views, err);
    free_memory(memory, c->n_inputs);
  }
  free(views);
  return status;
}
