/* convert.c - the steps of `quantize`. */
#define _POSIX_C_SOURCE 200809L
#include "cli/convert.h"

#include "cli/overrides.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- life -----------------------------------------------------------------
 */
int oq_convert_open(oq_convert *c, const oq_convert_options *o,
                    const char *model) {
  *c = (oq_convert){.o = o, .model_path = model};
  return oq_work_open(&c->w, &o->common, &o->engine);
}

void oq_convert_close(oq_convert *c) {
  if (c->checked) oq_check_release(&c->check);
  oq_labels_destroy(c->labels);
  oq_samples_destroy(c->eval);
  oq_samples_destroy(c->fit);
  oq_samples_destroy(c->held);
  oq_samples_destroy(c->whole);
  oq_stats_destroy(c->stats);
  oq_model_destroy(c->written);
  oq_model_destroy(c->result);
  oq_model_destroy(c->plan);
  oq_model_destroy(c->prepared);
  oq_model_destroy(c->model);
  oq_work_close(&c->w);
  free(c->checked_path);
}

/* ---- digest of statistics -------------------------------------------------
 */
static oq_status hash_part(void *user, const void *p, size_t n) {
  return EVP_DigestUpdate(user, p, n) == 1 ? OQ_OK : OQ_E_INTERNAL;
}

int oq_convert_digest(char out[65], oq_work *w, const oq_stats *s) {
  EVP_MD_CTX *md = EVP_MD_CTX_new();
  unsigned char sum[EVP_MAX_MD_SIZE];
  oq_status status = OQ_E_MEMORY;

  if (md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1)
    status = oq_stats_save_stream(s, hash_part, md);
  if (status == OQ_OK && EVP_DigestFinal_ex(md, sum, NULL) != 1)
    status = OQ_E_INTERNAL;
  EVP_MD_CTX_free(md);
  OQ_DO(oq_work_exit(w, status));
  for (int i = 0; i < 32; i++)
    (void)snprintf(out + 2 * i, 3, "%02x", (unsigned)sum[i]);
  return OQ_EXIT_DONE;
}

/* ---- steps ----------------------------------------------------------------
 */
static int load(oq_convert *c) {
  const double from = oq_term_seconds();

  OQ_DO(oq_work_load(&c->model, &c->w, c->model_path));
  OQ_DO(oq_data_fix_shapes(&c->w, c->model, &c->o->data));
  c->bytes_before = oq_work_model_bytes(&c->w, c->model, c->model_path);
  c->seconds.load = oq_term_seconds() - from;
  return OQ_EXIT_DONE;
}

static uint64_t weight_of(const oq_node_report *n) {
  return n->macs + n->param_elements;
}

/* Before any time is spent on samples; the reason is that of the node that
 * would have mattered most. */
static int refuse_nothing(const oq_convert *c) {
  const oq_quantize_report *r = c->report;
  size_t most = 0;

  if (r->n_quantized > 0) return OQ_EXIT_DONE;
  for (size_t i = 1; i < r->n_nodes; i++)
    if (weight_of(&r->nodes[i]) > weight_of(&r->nodes[most])) most = i;
  if (r->n_nodes > 0)
    oq_term_error(strstr(r->nodes[most].why, "float32")
                      ? "a float16 model has to become float32 first"
                      : "`onnxquant explain` gives the reason of every node",
                  "%s: no node can be quantized: %s '%s': %s", c->model_path,
                  r->nodes[most].op, r->nodes[most].name, r->nodes[most].why);
  else
    oq_term_error(NULL, "%s: the model has no nodes", c->model_path);
  return OQ_EXIT_INPUT;
}

static int prepare(oq_convert *c) {
  oq_save_options save = OQ_SAVE_OPTIONS_INIT;
  const double from = oq_term_seconds();

  OQ_DO(oq_plan_prepare(&c->prepared, &c->w, c->model, &c->o->plan));
  OQ_DO(oq_plan_make(&c->plan, &c->report, &c->w, c->prepared, &c->o->plan));
  c->seconds.optimize = oq_term_seconds() - from;
  if (!c->o->save_float) return OQ_EXIT_DONE;
  return oq_work_exit(&c->w,
                      oq_model_save_file(c->prepared, c->o->save_float, &save));
}

/* --eval takes everything of its own; --samples and --shard are for --data. */
static int open_eval(oq_convert *c) {
  oq_data_options d = c->o->data;
  const char *labels = c->o->eval_labels;

  if (c->o->eval.n == 0) return OQ_EXIT_DONE;
  d.samples = 0;
  d.shard = NULL;
  d.dump_inputs = NULL;
  if (!labels) labels = d.labels;
  OQ_DO(oq_data_open(&c->eval, &c->w, c->model, &d, &c->o->eval));
  c->split = "eval";
  return oq_data_labels(&c->labels, &c->w, c->eval, &d, labels);
}

static int split_data(oq_convert *c) {
  oq_io_error err;

  if (c->o->no_check || c->o->eval.n > 0) return OQ_EXIT_DONE;
  OQ_DO(oq_work_io(&c->w, oq_samples_split(&c->fit, &c->held, c->whole, &err),
                   &err));
  if (oq_samples_count(c->whole) == 1)
    oq_work_warn(&c->w, "more samples, or --eval",
                 "the only sample is used for ranges and for the check");
  c->split = "held-out";
  return oq_data_labels(&c->labels, &c->w, c->held, &c->o->data,
                        c->o->data.labels);
}

static int open_data(oq_convert *c) {
  OQ_DO(open_eval(c));
  if (c->o->stats) return OQ_EXIT_DONE;
  OQ_DO(oq_data_open(&c->whole, &c->w, c->model, &c->o->data, NULL));
  return split_data(c);
}

static int load_stats(oq_convert *c) {
  c->w.reading = c->o->stats;
  const oq_status s = oq_stats_load_file(&c->stats, c->w.cx, c->o->stats);
  c->w.reading = NULL;
  return oq_work_exit(&c->w, s);
}

static int take_stats(oq_convert *c) {
  const double from = oq_term_seconds();
  const oq_stats_info *info;

  if (c->o->stats)
    OQ_DO(load_stats(c));
  else
    OQ_DO(oq_plan_calibrate(&c->stats, &c->w, c->prepared,
                            c->fit ? c->fit : c->whole));
  OQ_DO(oq_work_exit(&c->w, oq_stats_describe(&info, c->stats)));
  c->samples = info->samples;
  c->synthetic = info->synthetic != 0;
  if (c->synthetic && c->o->stats)
    oq_work_warn(&c->w, NULL, "the statistics were taken from random numbers");
  OQ_DO(oq_convert_digest(c->digest, &c->w, c->stats));
  c->seconds.calibrate = oq_term_seconds() - from;
  return OQ_EXIT_DONE;
}

static char *provenance(const oq_convert *c) {
  char *words = oq_plan_words(&c->o->plan);
  const size_t size = (words ? strlen(words) : 0) + 200;
  char *text = words ? malloc(size) : NULL;

  if (text)
    (void)snprintf(text, size,
                   "onnxquant %s%s; samples=%llu%s; "
                   "statistics=sha256:%s",
                   oq_version(), words, (unsigned long long)c->samples,
                   c->synthetic ? " synthetic" : "", c->digest);
  free(words);
  return text;
}

static int quantize(oq_convert *c) {
  const double from = oq_term_seconds();
  oq_quantize_options o;

  OQ_DO(oq_plan_take(&o, &c->o->plan));
  oq_overrides overrides;
  const int loaded = oq_overrides_load(&overrides, c->o->plan.overrides);
  if (loaded != OQ_EXIT_DONE) {
    oq_overrides_free(&overrides);
    return loaded;
  }
  char *line = provenance(c);
  o.provenance = line;
  o.overrides = overrides.items;
  o.n_overrides = overrides.n;
  const oq_status s =
      oq_quantize(&c->result, &c->report, c->prepared, c->stats, &o);
  free(line);
  oq_overrides_free(&overrides);
  c->seconds.tune = oq_term_seconds() - from;
  OQ_DO(oq_work_exit(&c->w, s));
  /* The report is now that of the result; large models need the room. */
  oq_model_destroy(c->plan);
  oq_model_destroy(c->prepared);
  c->plan = c->prepared = NULL;
  return OQ_EXIT_DONE;
}

static oq_status write_stdout(void *user, const void *p, size_t n) {
  (void)user;
  (void)fwrite(p, 1, n, stdout); /* failures stick to the stream */
  return OQ_OK;
}

/* What goes to stdout is also written where it can be read again. */
static int write_stream(oq_convert *c) {
  OQ_DO(
      oq_work_exit(&c->w, oq_model_save_stream(c->result, write_stdout, NULL)));
  return fflush(stdout) == 0 && !ferror(stdout) ? OQ_EXIT_DONE
                                                : oq_work_fail_stdout();
}

static int write_result(oq_convert *c) {
  const double from = oq_term_seconds();
  const char *mode = c->o->external_data;
  oq_save_options save = OQ_SAVE_OPTIONS_INIT;

  if (mode && strcmp(mode, "always") == 0)
    save.external_data = OQ_EXTERNAL_ALWAYS;
  if (mode && strcmp(mode, "never") == 0)
    save.external_data = OQ_EXTERNAL_NEVER;
  save.keep_unchanged = 1;
  OQ_DO(oq_work_stopped());
  if (strcmp(c->o->output, "-") == 0) {
    OQ_DO(oq_work_private_path(&c->checked_path, &c->w, "quantized.onnx"));
    OQ_DO(write_stream(c));
  } else {
    c->checked_path = strdup(c->o->output);
    if (!c->checked_path) return oq_work_exit(&c->w, OQ_E_MEMORY);
  }
  OQ_DO(oq_work_exit(&c->w,
                     oq_model_save_file(c->result, c->checked_path, &save)));
  c->bytes_after = oq_work_model_bytes(&c->w, c->result, c->checked_path);
  c->seconds.write = oq_term_seconds() - from;
  return OQ_EXIT_DONE;
}

/* ---- the check ------------------------------------------------------------
 */
static int run_check(oq_convert *c, oq_engine_kind kind) {
  const oq_check_options opt = {.labels = c->labels,
                                .scores = c->o->data.scores,
                                .needs_scores = c->o->gate.min_agreement.set};
  oq_engine *a = NULL, *b = NULL;

  int code = oq_engine_open(&a, &c->w, kind, c->model, c->model_path);
  if (code == OQ_EXIT_DONE)
    code = oq_engine_open(&b, &c->w, kind, c->written, c->checked_path);
  if (code == OQ_EXIT_DONE)
    code =
        oq_check_run(&c->check, &c->w, a, b, c->eval ? c->eval : c->held, &opt);
  oq_engine_close(a);
  oq_engine_close(b);
  c->checked = code == OQ_EXIT_DONE;
  return code;
}

/* The file as it was written, against the model as it was given. */
static int check(oq_convert *c) {
  const double from = oq_term_seconds();

  if (!c->split) return OQ_EXIT_DONE;
  OQ_DO(oq_work_load(&c->written, &c->w, c->checked_path));
  OQ_DO(oq_data_fix_shapes(&c->w, c->written, &c->o->data));
  OQ_DO(run_check(c, oq_engine_kind_of(&c->w, OQ_ENGINE_BUILTIN)));
  oq_check_warn_chance(&c->w, &c->check);
  c->seconds.check = oq_term_seconds() - from;
  return OQ_EXIT_DONE;
}

int oq_convert_run(oq_convert *c) {
  OQ_DO(load(c));
  OQ_DO(prepare(c));
  if (c->o->dry_run || c->o->explain) return OQ_EXIT_DONE;
  OQ_DO(refuse_nothing(c));
  OQ_DO(open_data(c));
  OQ_DO(take_stats(c));
  OQ_DO(quantize(c));
  OQ_DO(write_result(c));
  return check(c);
}
