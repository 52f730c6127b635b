/* cli/run_values.c - see run_values.h. */
#include "cli/run_values.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/json.h"
#include "cli/match.h"
#include "io/npz.h"
#include "io/util.h"

enum { MOST_ITEMS = 65536 }; /* of a sequence, as in the engine */

typedef struct result {
  double max_abs, max_rel;
  bool ok, seen;
} result;

typedef struct job {
  const oq_run_values *o;
  oq_work *w;
  oq_runner *runner;
  oq_value_view *in;      /* per input */
  oq_tensor_file **files; /* per input; what .pb files gave */
  oq_npz *npz;
  void **owned; /* what was made for arrays of the .npz */
  size_t n_owned, cap_owned;
  result *results; /* per output */
} job;

static int32_t kind_of(const oq_value_info *v) {
  return v->kind == OQ_KIND_UNKNOWN ? (int32_t)OQ_KIND_TENSOR : v->kind;
}

static bool is_plain(const oq_value_info *v) {
  return kind_of(v) == OQ_KIND_TENSOR;
}

bool oq_run_values_needed(const oq_model_info *info) {
  for (size_t i = 0; i < info->n_inputs; i++)
    if (!is_plain(&info->inputs[i])) return true;
  /* Maps are handed out as the tensor of their values, too. */
  for (size_t i = 0; i < info->n_outputs; i++)
    if (!is_plain(&info->outputs[i]) && info->outputs[i].kind != OQ_KIND_MAPS)
      return true;
  return false;
}

/* ---- inputs of ONNX test data ---------------------------------------------
 */
static int load_pb(oq_tensor_file **out, job *k, const char *path,
                   int32_t kind) {
  k->w->reading = path;
  const oq_status s = oq_tensor_file_load_value(out, k->w->cx, path, kind);
  k->w->reading = NULL;
  return oq_work_exit(k->w, s);
}

static int take_folder(job *k) {
  for (size_t i = 0; i < k->o->info->n_inputs; i++) {
    char path[PATH_MAX + 32];

    (void)snprintf(path, sizeof path, "%s/input_%zu.pb", k->o->inputs, i);
    OQ_DO(load_pb(&k->files[i], k, path, kind_of(&k->o->info->inputs[i])));
    k->in[i] = *oq_tensor_file_value(k->files[i]);
  }
  return OQ_EXIT_DONE;
}

/* ---- inputs of .npz: name, or name.0, name.1, ... -------------------------
 */
static bool own(job *k, void *p) {
  if (k->n_owned == k->cap_owned) {
    const size_t cap = 2 * k->cap_owned + 16;
    void **more = realloc(k->owned, cap * sizeof *more);

    if (!more) return false;
    k->owned = more;
    k->cap_owned = cap;
  }
  k->owned[k->n_owned++] = p;
  return true;
}

static int take_array(oq_value_view *out, job *k, size_t member) {
  oq_io_error err;
  oq_npy h;
  void *data = NULL;
  const oq_status s =
      oq_npz_load(&h, &data, k->npz, member, OQ_IO_MAX_ARRAY_BYTES, &err);

  if (s != OQ_OK) oq_io_error_place(&err, k->o->inputs);
  OQ_DO(oq_work_io(k->w, s, &err));
  if (!own(k, data)) {
    free(data);
    return oq_work_no_memory();
  }
  *out = (oq_value_view){.kind = OQ_KIND_TENSOR};
  out->tensor = (oq_tensor_view){
      .dtype = h.dtype, .rank = h.rank, .data = data, .size = h.size};
  memcpy(out->tensor.dim, h.dim, sizeof h.dim);
  return OQ_EXIT_DONE;
}

static size_t find_item(const job *k, const char *name, size_t i) {
  char key[512];
  const int n = snprintf(key, sizeof key, "%s.%zu", name, i);

  return n > 0 && (size_t)n < sizeof key ? oq_npz_find(k->npz, key) : SIZE_MAX;
}

static int take_items(oq_value_view *out, job *k, const char *name) {
  size_t n = 0;
  oq_value_view *item;

  while (n < MOST_ITEMS && find_item(k, name, n) != SIZE_MAX) n++;
  item = calloc(n + 1, sizeof *item);
  if (!item || !own(k, item)) {
    free(item);
    return oq_work_no_memory();
  }
  for (size_t i = 0; i < n; i++)
    OQ_DO(take_array(&item[i], k, find_item(k, name, i)));
  *out = (oq_value_view){.kind = OQ_KIND_SEQUENCE, .item = item, .n_items = n};
  return OQ_EXIT_DONE;
}

static int take_member(job *k, size_t i) {
  const oq_value_info *v = &k->o->info->inputs[i];
  const size_t whole = oq_npz_find(k->npz, v->name);

  if (kind_of(v) != OQ_KIND_SEQUENCE && whole != SIZE_MAX)
    return take_array(&k->in[i], k, whole);
  if (kind_of(v) == OQ_KIND_TENSOR) {
    oq_term_error(NULL, "%s: holds no array '%s'", k->o->inputs, v->name);
    return OQ_EXIT_INPUT;
  }
  if (kind_of(v) == OQ_KIND_OPTIONAL && find_item(k, v->name, 0) == SIZE_MAX) {
    k->in[i] = (oq_value_view){.kind = OQ_KIND_OPTIONAL};
    return OQ_EXIT_DONE;
  }
  return take_items(&k->in[i], k, v->name);
}

static int take_npz(job *k) {
  oq_io_error err;

  OQ_DO(oq_work_io(k->w, oq_npz_open_file(&k->npz, k->o->inputs, &err), &err));
  for (size_t i = 0; i < k->o->info->n_inputs; i++) OQ_DO(take_member(k, i));
  return OQ_EXIT_DONE;
}

static int take_inputs(job *k) {
  const char *from = k->o->inputs;

  if (k->o->info->n_inputs == 0) return OQ_EXIT_DONE;
  if (from && oq_io_is_dir(from)) return take_folder(k);
  if (from && oq_io_has_suffix(from, ".npz")) return take_npz(k);
  oq_term_error(
      "--inputs DIR with input_N.pb, or FILE.npz with NAME or NAME.0, NAME.1, "
      "...",
      "run: the model takes or gives sequences or optionals: inputs come from "
      "one folder of test data or one .npz");
  return OQ_EXIT_USAGE;
}

/* ---- outputs --------------------------------------------------------------
 */
static int write_view(job *k, const char *name, const oq_tensor_view *v) {
  char path[PATH_MAX + 64];
  oq_io_error err;

  (void)snprintf(path, sizeof path, "%s/%s.npy", k->o->output, name);
  return oq_work_io(k->w, oq_io_write_npy(path, v, &err), &err);
}

/* output_N.npy; of a sequence output_N.0.npy, output_N.1.npy, ... */
static int write_output(job *k, size_t i, const oq_value_view *v) {
  char name[64];

  (void)snprintf(name, sizeof name, "output_%zu", i);
  if (v->kind == OQ_KIND_TENSOR) return write_view(k, name, &v->tensor);
  for (size_t n = 0; n < v->n_items; n++) {
    (void)snprintf(name, sizeof name, "output_%zu.%zu", i, n);
    OQ_DO(write_view(k, name, &v->item[n].tensor));
  }
  return OQ_EXIT_DONE;
}

static int write_outputs(job *k) {
  if (!k->o->output) return OQ_EXIT_DONE;
  if (mkdir(k->o->output, 0777) != 0 && errno != EEXIST) {
    oq_term_error(NULL, "%s: %s", k->o->output, strerror(errno));
    return OQ_EXIT_SYSTEM;
  }
  for (size_t i = 0; i < k->o->info->n_outputs; i++)
    OQ_DO(write_output(k, i, oq_runner_output_value(k->runner, i)));
  return OQ_EXIT_DONE;
}

/* ---- what is expected -----------------------------------------------------
 */
static void match_tensor(job *k, result *r, const oq_tensor_view *got,
                         const oq_tensor_view *want) {
  const oq_match m = oq_match_views(got, want, k->o->rtol, k->o->atol);

  r->ok = r->ok && m.ok;
  r->max_abs = m.why ? NAN : fmax(r->max_abs, m.max_abs);
  r->max_rel = m.why ? NAN : fmax(r->max_rel, m.max_rel);
}

static void match_value(job *k, result *r, const oq_value_view *got,
                        const oq_value_view *want) {
  if (want->kind == OQ_KIND_OPTIONAL && want->n_items == 1) want = want->item;
  *r = (result){.ok = true, .seen = true};
  if (got->kind != want->kind || got->n_items != want->n_items) {
    *r = (result){.max_abs = NAN, .max_rel = NAN, .seen = true};
    return;
  }
  if (want->kind == OQ_KIND_TENSOR)
    match_tensor(k, r, &got->tensor, &want->tensor);
  for (size_t i = 0; i < want->n_items; i++)
    match_tensor(k, r, &got->item[i].tensor, &want->item[i].tensor);
}

static int match_outputs(job *k) {
  for (size_t i = 0; k->o->expect && i < k->o->info->n_outputs; i++) {
    oq_tensor_file *want;
    char path[PATH_MAX + 32];

    (void)snprintf(path, sizeof path, "%s/output_%zu.pb", k->o->expect, i);
    if (i > 0 && !oq_io_exists(path)) continue; /* fewer may be expected */
    OQ_DO(load_pb(&want, k, path, kind_of(&k->o->info->outputs[i])));
    match_value(k, &k->results[i], oq_runner_output_value(k->runner, i),
                oq_tensor_file_value(want));
    oq_tensor_file_destroy(want);
  }
  return OQ_EXIT_DONE;
}

static bool all_match(const job *k) {
  for (size_t i = 0; k->o->expect && i < k->o->info->n_outputs; i++)
    if (k->results[i].seen && !k->results[i].ok) return false;
  return true;
}

/* ---- showing --------------------------------------------------------------
 */
static const char *kind_name(const oq_value_view *v) {
  return v->kind == OQ_KIND_TENSOR     ? "tensor"
         : v->kind == OQ_KIND_SEQUENCE ? "sequence"
                                       : "optional";
}

static json_t *json_output(const job *k, size_t i) {
  const oq_value_view *v = oq_runner_output_value(k->runner, i);
  const result *r = &k->results[i];
  json_t *j = json_object();

  oq_json_text(j, "name", k->o->info->outputs[i].name);
  oq_json_text(j, "kind", kind_name(v));
  if (v->kind != OQ_KIND_TENSOR) oq_json_count(j, "items", v->n_items);
  if (k->o->expect) {
    oq_json_real(j, "max_abs", r->seen ? r->max_abs : NAN);
    oq_json_real(j, "max_rel", r->seen ? r->max_rel : NAN);
    oq_json_bool(j, "ok", r->seen && r->ok);
  }
  return j;
}

static int print_json(const job *k) {
  json_t *j = oq_json_create(), *list = json_array();

  oq_json_text(j, "model", k->o->path);
  oq_json_text(j, "engine", "builtin");
  oq_json_count(j, "samples", 1);
  if (k->o->expect) {
    oq_json_count(j, "passed", all_match(k));
    oq_json_count(j, "failed", !all_match(k));
  }
  for (size_t i = 0; i < k->o->info->n_outputs; i++)
    (void)json_array_append_new(list, json_output(k, i));
  oq_json_put(j, "outputs", list);
  oq_json_real(j, "seconds", oq_term_seconds() - k->w->started);
  oq_json_put(j, "warnings", json_incref(k->w->warnings));
  const int code = oq_work_print_json(j);
  json_decref(j);
  return code;
}

static void print_tensor(const oq_tensor_view *v) {
  (void)printf("%s [", oq_dtype_text(v->dtype));
  for (uint32_t d = 0; d < v->rank; d++)
    (void)printf("%s%lld", d ? ", " : "", (long long)v->dim[d]);
  (void)fputs("]", stdout);
}

static void print_value(const oq_value_view *v) {
  if (v->kind == OQ_KIND_TENSOR) {
    print_tensor(&v->tensor);
  } else if (v->kind == OQ_KIND_SEQUENCE) {
    (void)printf("sequence of %zu", v->n_items);
    for (size_t i = 0; i < v->n_items && i < 4; i++) {
      (void)fputs(i ? ", " : ": ", stdout);
      print_tensor(&v->item[i].tensor);
    }
    if (v->n_items > 4) (void)fputs(", ...", stdout);
  } else {
    (void)fputs("nothing", stdout);
  }
}

static void print_text(const job *k) {
  for (size_t i = 0; i < k->o->info->n_outputs; i++) {
    const result *r = &k->results[i];

    oq_term_print(stdout, k->o->info->outputs[i].name);
    (void)fputs(": ", stdout);
    print_value(oq_runner_output_value(k->runner, i));
    if (r->seen)
      (void)printf("; %s, max. error %.6g, relative %.6g",
                   r->ok ? "ok" : "FAILED", r->max_abs, r->max_rel);
    (void)putchar('\n');
  }
}

/* ---- all of it ------------------------------------------------------------
 */
static int run(job *k) {
  const oq_model_info *info = k->o->info;

  k->in = calloc(info->n_inputs + 1, sizeof *k->in);
  k->files = calloc(info->n_inputs + 1, sizeof *k->files);
  k->results = calloc(info->n_outputs + 1, sizeof *k->results);
  if (!k->in || !k->files || !k->results) return oq_work_no_memory();
  OQ_DO(take_inputs(k));
  OQ_DO(oq_work_exit(k->w, oq_runner_create(&k->runner, k->o->model)));
  OQ_DO(oq_work_exit(k->w,
                     oq_runner_run_values(k->runner, k->in, info->n_inputs)));
  OQ_DO(write_outputs(k));
  OQ_DO(match_outputs(k));
  if (k->o->json)
    OQ_DO(print_json(k));
  else if (!k->o->quiet)
    print_text(k);
  return all_match(k) ? OQ_EXIT_DONE : OQ_EXIT_NO;
}

int oq_run_values_do(oq_work *w, const oq_run_values *o) {
  job k = {.o = o, .w = w};
  const int code = run(&k);

  oq_runner_destroy(k.runner);
  for (size_t i = 0; k.files && i < o->info->n_inputs; i++)
    oq_tensor_file_destroy(k.files[i]);
  for (size_t i = 0; i < k.n_owned; i++) free(k.owned[i]);
  free(k.owned);
  oq_npz_close(k.npz);
  free(k.files);
  free(k.in);
  free(k.results);
  return code;
}
