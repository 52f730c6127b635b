/* cmd_run.c - runs a model on samples: outputs to files, or against files. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/match.h"
#include "cli/run_values.h"

typedef struct run_options {
  oq_common_options common;
  oq_data_options data;
  oq_engine_options engine;
  oq_opt_list inputs;
  const char *output, *expect;
  oq_opt_real rtol, atol;
} run_options;

static const oq_opt own_rows[] = {
    {"inputs", 0, OQ_OPT_LIST, offsetof(run_options, inputs), "[INPUT=]PATH",
     "test data, .npz, .npy, ... (as --data)", 0, 0},
    {"output", 'o', OQ_OPT_TEXT, offsetof(run_options, output), "DIR",
     "write the outputs as output_N.npy", 0, 0},
    {"expect", 0, OQ_OPT_TEXT, offsetof(run_options, expect), "DIR",
     "compare with output_N.pb or output_N.npy; exit 1", 0, 0},
    {"rtol", 0, OQ_OPT_REAL, offsetof(run_options, rtol), "R",
     "relative tolerance (1e-3)", 0, 1e9},
    {"atol", 0, OQ_OPT_REAL, offsetof(run_options, atol), "A",
     "absolute tolerance (1e-5)", 0, 1e30},
    {0},
};

static const oq_opt_group groups[] = {
    {"Running a model", own_rows, 0}, OQ_GROUP_DATA(run_options),
    OQ_GROUP_IMAGE(run_options),      OQ_GROUP_ENGINE(run_options),
    OQ_GROUP_COMMON(run_options),
};

typedef struct result {
  double max_abs, max_rel;
  bool ok, seen;
} result;

typedef struct job {
  const run_options *o;
  const char *path;
  oq_work w;
  oq_model *model;
  const oq_model_info *info;
  oq_samples *samples; /* NULL: the model has no inputs */
  oq_engine *engine;
  oq_tensor_view *views;
  result *results; /* per output */
  char **bound;    /* words made by bind_folder */
  oq_opt_list data;
  const oq_tensor_view *last; /* outputs of the last run */
  uint64_t done, passed, failed;
  double rtol, atol;
} job;

/* ---- inputs ---------------------------------------------------------------
 */
static bool bind_file(job *k, const char *folder, size_t i) {
  const char *name = k->info->inputs[i].name;
  char path[PATH_MAX], *word;
  size_t size;

  (void)snprintf(path, sizeof path, "%s/%s.npy", folder, name);
  if (strchr(name, '/') || access(path, R_OK) != 0)
    (void)snprintf(path, sizeof path, "%s/input_%zu.npy", folder, i);
  if (access(path, R_OK) != 0) return false;
  size = strlen(name) + strlen(path) + 2;
  word = malloc(size);
  if (!word) return false;
  (void)snprintf(word, size, "%s=%s", name, path);
  k->bound[i] = word;
  return oq_opt_append(&k->data, word);
}

/* A folder with NAME.npy or input_N.npy for each of several inputs is one
 * sample; the data layer knows folders of .npy for a single input only. */
static void bind_folder(job *k, const char *folder) {
  struct stat st;

  if (k->info->n_inputs < 2 || stat(folder, &st) != 0 || !S_ISDIR(st.st_mode))
    return;
  k->bound = calloc(k->info->n_inputs, sizeof *k->bound);
  for (size_t i = 0; k->bound && i < k->info->n_inputs; i++)
    if (!bind_file(k, folder, i)) {
      k->data.n = 0;
      return;
    }
}

static int open_inputs(job *k) {
  const run_options *o = k->o;

  if (k->info->n_inputs == 0) return OQ_EXIT_DONE;
  if (o->inputs.n == 1 && o->data.data.n == 0)
    bind_folder(k, o->inputs.items[0]);
  if (k->data.n == 0) {
    for (size_t i = 0; i < o->inputs.n; i++)
      if (!oq_opt_append(&k->data, o->inputs.items[i]))
        return oq_work_no_memory();
    for (size_t i = 0; i < o->data.data.n; i++)
      if (!oq_opt_append(&k->data, o->data.data.items[i]))
        return oq_work_no_memory();
  }
  if (k->data.n == 0 && o->data.fill.n == 0) {
    oq_term_error("--inputs DIR or FILE; --fill INPUT=zeros",
                  "run: the model has inputs and nothing is given for them");
    return OQ_EXIT_USAGE;
  }
  return oq_data_open(&k->samples, &k->w, k->model, &o->data, &k->data);
}

/* ---- folders --------------------------------------------------------------
 */
static const char *sample_name(const job *k, uint64_t i) {
  return k->samples ? oq_samples_name(k->samples, i) : "";
}

static uint64_t count(const job *k) {
  return k->samples ? oq_samples_count(k->samples) : 1;
}

static int make_folder(const char *path) {
  if (mkdir(path, 0777) == 0 || errno == EEXIST) return OQ_EXIT_DONE;
  oq_term_error(NULL, "%s: %s", path, strerror(errno));
  return OQ_EXIT_SYSTEM;
}

/* One sample: DIR itself; more: DIR/000000, ... */
static int output_folder(char *out, size_t size, const job *k, uint64_t i) {
  OQ_DO(make_folder(k->o->output));
  if (count(k) == 1) {
    (void)snprintf(out, size, "%s", k->o->output);
    return OQ_EXIT_DONE;
  }
  (void)snprintf(out, size, "%s/%06llu", k->o->output, (unsigned long long)i);
  return make_folder(out);
}

static bool find_expected(char *out, size_t size, const job *k,
                          const char *folder, size_t output) {
  static const char *const suffix[] = {"pb", "npy"};
  const char *name = k->info->outputs[output].name;

  for (int i = 0; i < 2; i++) {
    const int n =
        snprintf(out, size, "%s/output_%zu.%s", folder, output, suffix[i]);
    if (n > 0 && (size_t)n < size && access(out, F_OK) == 0) return true;
  }
  const int n = snprintf(out, size, "%s/%s.npy", folder, name);
  return n > 0 && (size_t)n < size && !strchr(name, '/') &&
         access(out, F_OK) == 0;
}

/* Where the outputs of sample i are expected: a folder named like the sample,
 * or by number, or the folder itself for a single one. */
static bool expected_file(char *out, size_t size, const job *k, uint64_t i,
                          size_t output) {
  char folder[3][PATH_MAX];

  (void)snprintf(folder[0], PATH_MAX, "%s/%s", k->o->expect, sample_name(k, i));
  (void)snprintf(folder[1], PATH_MAX, "%s/%06llu", k->o->expect,
                 (unsigned long long)i);
  (void)snprintf(folder[2], PATH_MAX, "%s", k->o->expect);
  for (int f = 0; f < (count(k) == 1 ? 3 : 2); f++)
    if (find_expected(out, size, k, folder[f], output)) return true;
  return false;
}

/* ---- one sample -----------------------------------------------------------
 */
static json_t *json_key(const oq_tensor_view *keys, int64_t i) {
  if (keys->dtype == OQ_DT_I64)
    return json_integer((json_int_t)((const int64_t *)keys->data)[i]);
  const oq_text *t = (const oq_text *)keys->data + i;
  json_t *j = json_stringn(t->n ? t->p : "", t->n);
  if (j) return j;
  char *text = calloc(t->n + 1, 1); /* not UTF-8 */
  if (text && t->n) memcpy(text, t->p, t->n);
  j = oq_json_string(text);
  free(text);
  return j;
}

static json_t *json_keys(const oq_tensor_view *keys) {
  json_t *list = json_array();

  for (int64_t i = 0; i < keys->dim[0]; i++)
    (void)json_array_append_new(list, json_key(keys, i));
  return list;
}

/* The keys of a list of maps, whose values are in output_N.npy. */
static int write_keys(job *k, const char *folder, size_t n) {
  const oq_tensor_view *keys = oq_engine_keys(k->engine, n);
  char path[PATH_MAX + 64];

  if (!keys) return OQ_EXIT_DONE;
  (void)snprintf(path, sizeof path, "%s/output_%zu.keys.json", folder, n);
  FILE *f = fopen(path, "wb");
  json_t *j = json_keys(keys);
  bool ok = f && json_dumpf(j, f, JSON_COMPACT) == 0 && fputc('\n', f) != EOF;
  if (f && fclose(f) != 0) ok = false;
  json_decref(j);
  if (ok) return OQ_EXIT_DONE;
  oq_term_error(NULL, "%s: %s", path, strerror(errno));
  return OQ_EXIT_SYSTEM;
}

static int write_outputs(job *k, uint64_t i, const oq_tensor_view *out) {
  char folder[PATH_MAX], path[PATH_MAX + 64];
  oq_io_error err;

  if (!k->o->output) return OQ_EXIT_DONE;
  OQ_DO(output_folder(folder, sizeof folder, k, i));
  for (size_t n = 0; n < k->info->n_outputs; n++) {
    (void)snprintf(path, sizeof path, "%s/output_%zu.npy", folder, n);
    OQ_DO(oq_work_io(&k->w, oq_io_write_npy(path, &out[n], &err), &err));
    OQ_DO(write_keys(k, folder, n));
  }
  return OQ_EXIT_DONE;
}

static void tell_failure(job *k, uint64_t i, size_t n, const oq_match *m) {
  const char *name = k->info->outputs[n].name;

  if (m->why)
    oq_term_error(NULL, "sample '%s', output '%s': %s", sample_name(k, i), name,
                  m->why);
  else
    oq_term_error(NULL,
                  "sample '%s', output '%s': largest error %.6g, relative %.6g",
                  sample_name(k, i), name, m->max_abs, m->max_rel);
}

static int match_output(bool *ok, job *k, uint64_t i, size_t n,
                        const oq_tensor_view *got) {
  char path[PATH_MAX + 64];
  oq_expected want;
  result *r = &k->results[n];

  if (!expected_file(path, sizeof path, k, i, n)) {
    if (n > 0) return OQ_EXIT_DONE; /* fewer may be expected */
    oq_term_error(
        "DIR holds output_N.pb or output_N.npy, for several samples "
        "in a folder named like the sample",
        "%s: nothing is expected for sample '%s'", k->o->expect,
        sample_name(k, i));
    return OQ_EXIT_INPUT;
  }
  OQ_DO(oq_expected_load(&want, &k->w, path));
  const oq_match m = oq_match_views(got, &want.view, k->rtol, k->atol);
  oq_expected_release(&want);
  r->seen = true;
  r->ok = r->ok && m.ok;
  r->max_abs = m.why ? NAN : fmax(r->max_abs, m.max_abs);
  r->max_rel = m.why ? NAN : fmax(r->max_rel, m.max_rel);
  *ok = *ok && m.ok;
  if (!m.ok) tell_failure(k, i, n, &m);
  return OQ_EXIT_DONE;
}

static int match_outputs(job *k, uint64_t i, const oq_tensor_view *out) {
  bool ok = true;

  if (!k->o->expect) return OQ_EXIT_DONE;
  for (size_t n = 0; n < k->info->n_outputs; n++)
    OQ_DO(match_output(&ok, k, i, n, &out[n]));
  if (ok)
    k->passed++;
  else
    k->failed++;
  return OQ_EXIT_DONE;
}

static int use_sample(job *k, uint64_t i) {
  const oq_tensor_view *out;

  OQ_DO(oq_engine_run(&out, k->engine, k->views, k->info->n_inputs));
  k->last = out;
  OQ_DO(write_outputs(k, i, out));
  OQ_DO(match_outputs(k, i, out));
  k->done++;
  oq_term_progress("run", k->done, count(k));
  return OQ_EXIT_DONE;
}

static int run_sample(job *k, uint64_t i) {
  const oq_source *src;
  void *handle = NULL;

  if (!k->samples) return use_sample(k, i);
  src = oq_samples_source(k->samples);
  const oq_status s =
      src->read(src->user, i, k->views, k->info->n_inputs, &handle);
  k->w.sample_failed = s != OQ_OK;
  OQ_DO(oq_work_samples(&k->w, s, k->samples));
  const int code = use_sample(k, i);
  if (src->release) src->release(src->user, handle);
  return code;
}

/* ---- showing --------------------------------------------------------------
 */
static json_t *json_outputs(const job *k) {
  json_t *list = json_array();

  for (size_t i = 0; i < k->info->n_outputs; i++) {
    const result *r = &k->results[i];
    const oq_tensor_view *keys = oq_engine_keys(k->engine, i);
    json_t *j = json_object();

    oq_json_text(j, "name", k->info->outputs[i].name);
    if (keys) oq_json_put(j, "keys", json_keys(keys));
    if (k->o->expect) {
      oq_json_real(j, "max_abs", r->seen ? r->max_abs : NAN);
      oq_json_real(j, "max_rel", r->seen ? r->max_rel : NAN);
      oq_json_bool(j, "ok", r->seen && r->ok);
    }
    (void)json_array_append_new(list, j);
  }
  return list;
}

static int print_json(const job *k) {
  json_t *j = oq_json_create();

  oq_json_text(j, "model", k->path);
  oq_json_text(
      j, "engine",
      oq_engine_kind_name(oq_engine_kind_of(&k->w, OQ_ENGINE_BUILTIN)));
  oq_json_count(j, "samples", k->done);
  if (k->o->expect) {
    oq_json_count(j, "passed", k->passed);
    oq_json_count(j, "failed", k->failed);
  }
  oq_json_put(j, "outputs", json_outputs(k));
  oq_json_real(j, "seconds", oq_term_seconds() - k->w.started);
  oq_json_put(j, "warnings", json_incref(k->w.warnings));
  const int code = oq_work_print_json(j);
  json_decref(j);
  return code;
}

/* "scores: float32 [1, 33]", of the last sample. */
static void print_shapes(const job *k) {
  for (size_t i = 0; k->last && i < k->info->n_outputs; i++) {
    const oq_tensor_view *v = &k->last[i];

    oq_term_print(stdout, k->info->outputs[i].name);
    (void)printf(": %s [", oq_dtype_text(v->dtype));
    for (uint32_t d = 0; d < v->rank; d++)
      (void)printf("%s%lld", d ? ", " : "", (long long)v->dim[d]);
    (void)puts(oq_engine_keys(k->engine, i) ? "], one column per key" : "]");
  }
}

static void print_text(const job *k) {
  (void)printf("%llu samples in %.2f s\n", (unsigned long long)k->done,
               oq_term_seconds() - k->w.started);
  if (!k->o->expect) {
    print_shapes(k);
    return;
  }
  for (size_t i = 0; i < k->info->n_outputs; i++) {
    const result *r = &k->results[i];

    oq_term_cell(stdout, k->info->outputs[i].name, 32);
    if (r->seen)
      (void)printf(" %s  max. error %.6g, relative %.6g\n",
                   r->ok ? "ok    " : "FAILED", r->max_abs, r->max_rel);
    else
      (void)puts(" nothing expected");
  }
  (void)printf("%llu passed, %llu failed\n", (unsigned long long)k->passed,
               (unsigned long long)k->failed);
}

/* ---- run ------------------------------------------------------------------
 */
/* Sequences and optionals are known to the built-in engine only, and to no data
 * but ONNX's own and .npz. */
static int run_values(job *k) {
  const run_options *o = k->o;
  const oq_run_values v = {.model = k->model,
                           .info = k->info,
                           .path = k->path,
                           .inputs = o->inputs.n == 1 && o->data.data.n == 0
                                         ? o->inputs.items[0]
                                     : o->inputs.n == 0 && o->data.data.n == 1
                                         ? o->data.data.items[0]
                                         : NULL,
                           .output = o->output,
                           .expect = o->expect,
                           .rtol = k->rtol,
                           .atol = k->atol,
                           .json = o->common.json,
                           .quiet = o->common.quiet};

  if (oq_engine_kind_of(&k->w, OQ_ENGINE_BUILTIN) == OQ_ENGINE_BUILTIN)
    return oq_run_values_do(&k->w, &v);
  oq_term_error("--engine builtin",
                "run: a model that takes or gives sequences or optionals runs "
                "with the built-in engine only");
  return OQ_EXIT_INPUT;
}

static int run_all(job *k) {
  OQ_DO(oq_work_load(&k->model, &k->w, k->path));
  OQ_DO(oq_data_fix_shapes(&k->w, k->model, &k->o->data));
  OQ_DO(oq_work_exit(&k->w, oq_model_describe(&k->info, k->model)));
  if (oq_run_values_needed(k->info)) return run_values(k);
  k->views = calloc(k->info->n_inputs + 1, sizeof *k->views);
  k->results = calloc(k->info->n_outputs + 1, sizeof *k->results);
  if (!k->views || !k->results) return oq_work_no_memory();
  for (size_t i = 0; i < k->info->n_outputs; i++) k->results[i].ok = true;
  OQ_DO(open_inputs(k));
  OQ_DO(oq_engine_open(&k->engine, &k->w,
                       oq_engine_kind_of(&k->w, OQ_ENGINE_BUILTIN), k->model,
                       k->path));
  for (uint64_t i = 0; i < count(k); i++) OQ_DO(run_sample(k, i));
  oq_term_progress_end();
  if (k->o->common.json)
    OQ_DO(print_json(k));
  else if (!k->o->common.quiet)
    print_text(k);
  return k->failed ? OQ_EXIT_NO : OQ_EXIT_DONE;
}

static int run(void *options, const oq_opt_list *names) {
  const run_options *o = options;
  job k = {.o = o,
           .path = names->items[0],
           .rtol = o->rtol.set ? o->rtol.value : 1e-3,
           .atol = o->atol.set ? o->atol.value : 1e-5};

  int code = oq_work_open(&k.w, &o->common, &o->engine);
  if (code == OQ_EXIT_DONE) code = run_all(&k);
  oq_engine_close(k.engine);
  oq_samples_destroy(k.samples);
  for (size_t i = 0; k.bound && i < k.info->n_inputs; i++) free(k.bound[i]);
  free(k.bound);
  free(k.data.items);
  free(k.views);
  free(k.results);
  oq_model_destroy(k.model);
  oq_work_close(&k.w);
  return code;
}

const oq_command oq_command_run = {
    .opt = {.name = "run",
            .about = "run a model on samples; keep or check its outputs",
            .usage = "run MODEL [--inputs DIR|FILE] [-o DIR] [--expect DIR]",
            .examples = "Example: ONNX test data\n"
                        "  onnxquant run model.onnx --inputs test_data_set_0 "
                        "--expect test_data_set_0\n",
            .groups = groups,
            .n_groups = sizeof groups / sizeof *groups,
            .min_names = 1,
            .max_names = 1,
            .names = "MODEL"},
    .size = sizeof(run_options),
    .run = run,
};
