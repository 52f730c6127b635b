/* checking.c - two engines side by side. */
#include "cli/checking.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/json.h"

typedef struct checker {
  oq_work *w;
  oq_engine *engine[2];
  oq_samples *samples;
  const oq_check_options *opt;
  oq_check *out;
  size_t *b_output; /* output i of a is output b_output[i] of b */
  size_t scores;    /* SIZE_MAX = none */
  oq_difference **difference;
  double *ms[2];
  uint64_t top1[2], top5[2], labelled;
} checker;

/* ---- names ----------------------------------------------------------------
 */
static const oq_model_info *info_of(const checker *k, int which) {
  return oq_engine_info(k->engine[which]);
}

static bool find_value(size_t *out, const oq_value_info *v, size_t n,
                       const char *name, size_t length) {
  for (size_t i = 0; i < n; i++) {
    if (strlen(v[i].name) != length || strncmp(v[i].name, name, length) != 0)
      continue;
    *out = i;
    return true;
  }
  return false;
}

static int bad_output(const char *option, const char *name, size_t length,
                      const oq_model_info *m) {
  const char *words[64];
  char hint[160] = "", word[128];
  size_t n = 0;

  (void)snprintf(word, sizeof word, "%.*s", (int)(length < 100 ? length : 100),
                 name);
  for (; n < m->n_outputs && n < 64; n++) words[n] = m->outputs[n].name;
  const char *near = oq_opt_nearest(word, words, n);
  if (!near && n > 0) near = words[0];
  if (near) (void)snprintf(hint, sizeof hint, "there is '%.100s'", near);
  oq_term_error(hint, "%s: no output is named '%s'", option, word);
  return OQ_EXIT_USAGE;
}

static int take_map(checker *k, const char *text) {
  const oq_model_info *a = info_of(k, 0), *b = info_of(k, 1);
  const char *equals = strrchr(text, '=');
  size_t from, to;

  if (!equals) {
    oq_term_error("--map NAME_IN_A=NAME_IN_B", "'--map %s' is not valid", text);
    return OQ_EXIT_USAGE;
  }
  if (!find_value(&from, a->outputs, a->n_outputs, text,
                  (size_t)(equals - text)))
    return bad_output("--map", text, (size_t)(equals - text), a);
  if (!find_value(&to, b->outputs, b->n_outputs, equals + 1,
                  strlen(equals + 1)))
    return bad_output("--map", equals + 1, strlen(equals + 1), b);
  k->b_output[from] = to;
  return OQ_EXIT_DONE;
}

/* By name; models of the same number of outputs without a common name are
 * taken in order. */
static int pair_outputs(checker *k) {
  const oq_model_info *a = info_of(k, 0), *b = info_of(k, 1);
  const oq_opt_list *map = k->opt->map;

  for (size_t i = 0; i < a->n_outputs; i++) {
    k->b_output[i] = SIZE_MAX;
    (void)find_value(&k->b_output[i], b->outputs, b->n_outputs,
                     a->outputs[i].name, strlen(a->outputs[i].name));
  }
  for (size_t i = 0; map && i < map->n; i++) OQ_DO(take_map(k, map->items[i]));
  if (a->n_outputs == 1 && b->n_outputs == 1) k->b_output[0] = 0;
  for (size_t i = 0; i < a->n_outputs; i++) {
    if (k->b_output[i] != SIZE_MAX) continue;
    oq_term_error("--map NAME_IN_A=NAME_IN_B",
                  "output '%s' of the first model is not in the second",
                  a->outputs[i].name);
    return OQ_EXIT_INPUT;
  }
  return OQ_EXIT_DONE;
}

static int find_scores(checker *k) {
  const oq_model_info *a = info_of(k, 0);
  const char *name = k->opt->scores;

  k->scores = SIZE_MAX;
  if (name) {
    if (!find_value(&k->scores, a->outputs, a->n_outputs, name, strlen(name)))
      return bad_output("--scores", name, strlen(name), a);
  } else if (a->n_outputs == 1) {
    k->scores = 0;
  } else if (k->opt->labels || k->opt->needs_scores) {
    char hint[200];

    (void)snprintf(hint, sizeof hint,
                   "name the one with the scores, e.g. --scores %.120s",
                   a->n_outputs ? a->outputs[0].name : "");
    oq_term_error(hint,
                  "the model has %zu outputs; labels and agreement belong to "
                  "one",
                  a->n_outputs);
    return OQ_EXIT_USAGE;
  }
  return OQ_EXIT_DONE;
}

/* ---- feeding both -----------------------------------------------------------
 */
/* By name; single inputs belong together whatever they are called. */
static int pair_inputs(oq_check_feed *f, const oq_model_info *a,
                       const oq_model_info *b) {
  for (size_t i = 0; i < b->n_inputs; i++) {
    const char *name = b->inputs[i].name;
    size_t from = 0;

    if (!find_value(&from, a->inputs, a->n_inputs, name, strlen(name)) &&
        (a->n_inputs != 1 || b->n_inputs != 1)) {
      oq_term_error(NULL, "input '%s' of the second model is not in the first",
                    name);
      return OQ_EXIT_INPUT;
    }
    f->views[1][i] = f->views[0][from];
  }
  return OQ_EXIT_DONE;
}

int oq_check_feed_open(oq_check_feed *out, oq_work *w, oq_engine *a,
                       oq_engine *b, oq_samples *s, uint64_t index) {
  const oq_model_info *m[2] = {oq_engine_info(a), oq_engine_info(b)};
  const oq_source *src = oq_samples_source(s);
  oq_check_feed f = {0};

  for (int i = 0; i < 2; i++) {
    f.n[i] = m[i]->n_inputs;
    f.views[i] = calloc(f.n[i] + 1, sizeof *f.views[i]);
  }
  int code = f.views[0] && f.views[1] ? OQ_EXIT_DONE : oq_work_no_memory();
  if (code == OQ_EXIT_DONE) {
    const oq_status r =
        src->read(src->user, index, f.views[0], f.n[0], &f.handle);

    w->sample_failed = r != OQ_OK;
    code = oq_work_samples(w, r, s);
    if (r == OQ_OK) f.samples = s;
  }
  if (code == OQ_EXIT_DONE) code = pair_inputs(&f, m[0], m[1]);
  if (code == OQ_EXIT_DONE)
    *out = f;
  else
    oq_check_feed_close(&f);
  return code;
}

void oq_check_feed_close(oq_check_feed *f) {
  if (f->samples) {
    const oq_source *src = oq_samples_source(f->samples);

    if (src->release) src->release(src->user, f->handle);
  }
  free(f->views[0]);
  free(f->views[1]);
}

/* ---- one sample -----------------------------------------------------------
 */
/* Trailing axes of one element say nothing: [1,1000,1,1] are 1000 scores. */
static oq_tensor_view without_ones(const oq_tensor_view *v) {
  oq_tensor_view y = *v;

  while (y.rank > 2 && y.dim[y.rank - 1] == 1) y.rank--;
  return y;
}

static bool same_shape(const oq_tensor_view *a, const oq_tensor_view *b) {
  if (a->rank != b->rank) return false;
  return memcmp(a->dim, b->dim, a->rank * sizeof *a->dim) == 0;
}

static bool is_number(const oq_tensor_view *v) {
  return v->dtype != OQ_DT_NONE && v->dtype != OQ_DT_STRING &&
         v->dtype != OQ_DT_C64 && v->dtype != OQ_DT_C128;
}

/* Numbers with numbers, texts with texts. */
static bool is_comparable(const oq_tensor_view *a, const oq_tensor_view *b) {
  if (a->dtype == OQ_DT_STRING) return b->dtype == OQ_DT_STRING;
  return is_number(a) && is_number(b);
}

static bool is_float(const oq_tensor_view *v) {
  return v->dtype == OQ_DT_F32 || v->dtype == OQ_DT_F16 ||
         v->dtype == OQ_DT_BF16 || v->dtype == OQ_DT_F64;
}

static int compare_output(checker *k, size_t i, const oq_tensor_view *a,
                          const oq_tensor_view *b) {
  oq_check_output *o = &k->out->outputs[i];

  if (!same_shape(a, b) || !is_comparable(a, b)) {
    o->mismatches++;
    return OQ_EXIT_DONE;
  }
  o->is_float = is_float(a);
  const oq_tensor_view x = without_ones(a), y = without_ones(b);
  /* Pictures and maps are no scores unless somebody says so. */
  if (i == k->scores && x.rank > 3 && !k->opt->scores && !k->opt->labels)
    k->scores = SIZE_MAX;
  return oq_work_exit(k->w, oq_difference_feed(k->difference[i], &x, &y));
}

static int rank_label(checker *k, uint64_t index, int which,
                      const oq_tensor_view *v) {
  const int64_t label = oq_labels_class(k->opt->labels, index);
  oq_tensor_view row = without_ones(v);
  uint64_t rank;

  const int64_t n = row.rank > 0 ? row.dim[row.rank - 1] : 0;
  if (oq_rank_of_label(&rank, &row, label) != OQ_OK) {
    oq_term_error("check --labels, --label-offset and --scores",
                  "sample '%s' has label %lld, the output has %lld scores%s",
                  oq_samples_name(k->samples, index), (long long)label,
                  (long long)n,
                  label >= 0 && label < n ? " in several rows" : "");
    return OQ_EXIT_INPUT;
  }
  k->top1[which] += rank == 0;
  k->top5[which] += rank < 5;
  k->out->classes = (uint64_t)n;
  return OQ_EXIT_DONE;
}

static int use_outputs(checker *k, uint64_t index, const oq_tensor_view *a,
                       const oq_tensor_view *b) {
  for (size_t i = 0; i < k->out->n_outputs; i++)
    OQ_DO(compare_output(k, i, &a[i], &b[k->b_output[i]]));
  if (!k->opt->labels) return OQ_EXIT_DONE;
  OQ_DO(rank_label(k, index, 0, &a[k->scores]));
  OQ_DO(rank_label(k, index, 1, &b[k->b_output[k->scores]]));
  k->labelled++;
  return OQ_EXIT_DONE;
}

static int run_both(checker *k, const oq_check_feed *f, uint64_t index,
                    uint64_t nth) {
  const oq_tensor_view *out[2];

  for (int i = 0; i < 2; i++) {
    OQ_DO(oq_engine_run(&out[i], k->engine[i], f->views[i], f->n[i]));
    k->ms[i][nth] = oq_engine_last_ms(k->engine[i]);
  }
  return use_outputs(k, index, out[0], out[1]);
}

static int run_sample(checker *k, uint64_t index, uint64_t nth) {
  oq_check_feed feed;

  OQ_DO(oq_check_feed_open(&feed, k->w, k->engine[0], k->engine[1], k->samples,
                           index));
  const int code = run_both(k, &feed, index, nth);
  oq_check_feed_close(&feed);
  return code;
}

/* ---- all samples ----------------------------------------------------------
 */
static int compare_doubles(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;

  return (x > y) - (x < y);
}

double oq_check_median(double *v, size_t n) {
  if (n == 0) return NAN;
  qsort(v, n, sizeof *v, compare_doubles);
  return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static void finish_output(checker *k, size_t i) {
  oq_check_output *o = &k->out->outputs[i];

  (void)oq_difference_result(&o->c, k->difference[i]);
  if (o->c.samples == 0) {
    o->c.sqnr_db = o->c.cosine = o->c.max_abs = o->c.max_rel = NAN;
    o->c.top1_agreement = o->c.top5_agreement = NAN;
  }
  if (o->mismatches > 0)
    oq_work_warn(k->w, NULL,
                 "output '%s' has other shapes or types in %llu of %llu "
                 "samples, which are left out",
                 o->name, (unsigned long long)o->mismatches,
                 (unsigned long long)k->out->samples);
}

/* Integers (classes, counts) are only judged where there is nothing else. */
static void find_worst(oq_check *c) {
  bool any_float = false;

  for (size_t i = 0; i < c->n_outputs; i++)
    any_float = any_float || c->outputs[i].is_float;
  c->sqnr_db = c->cosine = NAN;
  for (size_t i = 0; i < c->n_outputs; i++) {
    const oq_check_output *o = &c->outputs[i];

    if (o->c.samples == 0 || (any_float && !o->is_float)) continue;
    c->sqnr_db = fmin(c->sqnr_db, o->c.sqnr_db); /* of NAN and x it is x */
    c->cosine = fmin(c->cosine, o->c.cosine);
  }
}

static void finish(checker *k) {
  oq_check *c = k->out;

  for (size_t i = 0; i < c->n_outputs; i++) finish_output(k, i);
  find_worst(c);
  c->top1_agreement = c->top5_agreement = NAN;
  if (k->scores != SIZE_MAX) {
    c->top1_agreement = c->outputs[k->scores].c.top1_agreement;
    c->top5_agreement = c->outputs[k->scores].c.top5_agreement;
  }
  c->labelled = k->labelled > 0;
  for (int i = 0; i < 2; i++) {
    const double n = (double)k->labelled;

    c->ms[i] = oq_check_median(k->ms[i], (size_t)c->samples);
    c->top1[i] = c->labelled ? 100.0 * (double)k->top1[i] / n : NAN;
    c->top5[i] = c->labelled ? 100.0 * (double)k->top5[i] / n : NAN;
  }
}

static int make_tables(checker *k) {
  const oq_model_info *a = info_of(k, 0);
  oq_check *c = k->out;

  c->n_outputs = a->n_outputs;
  c->outputs = calloc(a->n_outputs + 1, sizeof *c->outputs);
  k->b_output = calloc(a->n_outputs + 1, sizeof *k->b_output);
  k->difference = calloc(a->n_outputs + 1, sizeof(oq_difference *));
  for (int i = 0; i < 2; i++)
    k->ms[i] = calloc((size_t)c->samples + 1, sizeof *k->ms[i]);
  if (!c->outputs || !k->b_output || !k->difference || !k->ms[0] || !k->ms[1])
    return oq_work_no_memory();
  for (size_t i = 0; i < a->n_outputs; i++) {
    c->outputs[i].name = a->outputs[i].name;
    OQ_DO(
        oq_work_exit(k->w, oq_difference_create(&k->difference[i], k->w->cx)));
  }
  return OQ_EXIT_DONE;
}

static int run_all(checker *k) {
  const uint64_t available = oq_samples_count(k->samples);

  k->out->samples = available;
  if (k->opt->max_samples && k->opt->max_samples < available)
    k->out->samples = k->opt->max_samples;
  OQ_DO(make_tables(k));
  OQ_DO(pair_outputs(k));
  OQ_DO(find_scores(k));
  for (uint64_t i = 0; i < k->out->samples; i++) {
    OQ_DO(run_sample(k, i * available / k->out->samples, i));
    oq_term_progress("check", i + 1, k->out->samples);
  }
  oq_term_progress_end();
  finish(k);
  return OQ_EXIT_DONE;
}

int oq_check_run(oq_check *out, oq_work *w, oq_engine *a, oq_engine *b,
                 oq_samples *s, const oq_check_options *opt) {
  checker k = {.w = w, .engine = {a, b}, .samples = s, .opt = opt, .out = out};

  *out = (oq_check){0};
  const int code = run_all(&k);
  for (size_t i = 0; k.difference && i < out->n_outputs; i++)
    oq_difference_destroy(k.difference[i]);
  free(k.b_output);
  free(k.difference);
  free(k.ms[0]);
  free(k.ms[1]);
  if (code != OQ_EXIT_DONE) oq_check_release(out);
  return code;
}

void oq_check_release(oq_check *c) {
  free(c->outputs);
  *c = (oq_check){0};
}

/* ---- showing --------------------------------------------------------------
 */
void oq_check_warn_chance(oq_work *w, const oq_check *c) {
  if (!c->labelled || c->classes < 2) return;

  const double chance = 100.0 / (double)c->classes;
  const double spread =
      3 * sqrt(chance * (100 - chance) / (double)(c->samples ? c->samples : 1));
  if (c->top1[0] > fmax(2 * chance, chance + spread)) return;
  oq_work_warn(w, "check --preprocess, --labels and --label-offset",
               "the accuracy of the first model, %.1f %%, is near chance: the "
               "preprocessing is probably wrong",
               c->top1[0]);
}

json_t *oq_check_json_outputs(const oq_check *c) {
  json_t *list = json_array();

  for (size_t i = 0; i < c->n_outputs; i++) {
    const oq_check_output *o = &c->outputs[i];
    json_t *j = json_object();

    oq_json_text(j, "name", o->name);
    oq_json_real(j, "sqnr_db", o->c.sqnr_db);
    oq_json_real(j, "cosine", o->c.cosine);
    oq_json_real(j, "max_abs", o->c.max_abs);
    oq_json_real(j, "max_rel", o->c.max_rel);
    oq_json_real(j, "worst_cosine", o->c.samples ? o->c.worst_cosine : NAN);
    oq_json_real(j, "top1_agreement", o->c.top1_agreement);
    oq_json_real(j, "top5_agreement", o->c.top5_agreement);
    oq_json_count(j, "compared", o->c.samples);
    (void)json_array_append_new(list, j);
  }
  return list;
}

static double badness(const oq_check_output *o) {
  return isnan(o->c.sqnr_db) ? -INFINITY : o->c.sqnr_db;
}

void oq_check_print_outputs(FILE *to, const oq_check *c) {
  size_t *order = calloc(c->n_outputs + 1, sizeof *order);

  if (!order) return;
  for (size_t i = 0; i < c->n_outputs; i++) {
    size_t at = i;

    for (; at > 0 &&
           badness(&c->outputs[order[at - 1]]) > badness(&c->outputs[i]);
         at--)
      order[at] = order[at - 1];
    order[at] = i;
  }
  (void)fprintf(to, "%-32s %9s %10s %12s\n", "output", "SQNR dB", "cosine",
                "max. error");
  for (size_t i = 0; i < c->n_outputs; i++) {
    const oq_check_output *o = &c->outputs[order[i]];

    oq_term_cell(to, o->name, 32);
    (void)fprintf(to, " %9.2f %10.6f %12.6g\n", o->c.sqnr_db, o->c.cosine,
                  o->c.max_abs);
  }
  free(order);
}
