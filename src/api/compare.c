/* api/compare.c - how far two sets of outputs are apart. */
#include "onnxquant/compare.h"

#include <math.h>
#include <string.h>

#include "api/api.h"

/* Sums over the elements of one or more tensors. */
typedef struct sums {
  uint64_t samples, rows, top1, top5;
  double reference, candidate, product, error;
  double max_abs, max_rel, worst_cosine;
} sums;

struct oq_difference {
  oq_context *cx;
  sums all;
};

static const sums nothing = {.worst_cosine = INFINITY};

static double cosine_of(double rr, double cc, double rc) {
  if (rr == 0 && cc == 0) return 1.0;
  return rr > 0 && cc > 0 ? rc / (sqrt(rr) * sqrt(cc)) : 0.0;
}

/* ---- one pair of tensors ---------------------------------------------- */
static void add_element(sums *s, double r, double c) {
  if (isnan(r) && isnan(c)) return;
  if (r == c) { /* infinities of one sign included */
    if (isfinite(r)) {
      s->reference += r * r;
      s->candidate += c * c;
      s->product += r * c;
    }
    return;
  }

  const double d = fabs(r - c);

  if (!isfinite(d)) {
    s->error = s->max_abs = s->max_rel = INFINITY;
    return;
  }
  s->reference += r * r;
  s->candidate += c * c;
  s->product += r * c;
  s->error += d * d;
  if (d > s->max_abs) s->max_abs = d;
  if (r != 0 && d / fabs(r) > s->max_rel) s->max_rel = d / fabs(r);
}

/* NaN is less than any number. */
static bool exceeds(double a, double b) {
  return a > b || (isnan(b) && !isnan(a));
}

/* Entries of row `from` that rank before element `at`: larger ones, and equal
 * ones of lower index. */
static uint64_t rank_of(const oq_ctensor *t, size_t from, size_t n, size_t at) {
  const double v = oq_element_f64(t, from + at);
  uint64_t rank = 0;

  for (size_t i = 0; i < n; i++) {
    const double x = oq_element_f64(t, from + i);

    rank += exceeds(x, v) || (i < at && !exceeds(v, x));
  }
  return rank;
}

static size_t best_of(const oq_ctensor *t, size_t from, size_t n) {
  size_t best = 0;

  for (size_t i = 1; i < n; i++)
    if (exceeds(oq_element_f64(t, from + i), oq_element_f64(t, from + best)))
      best = i;
  return best;
}

static void add_rows(sums *s, const oq_ctensor *r, const oq_ctensor *c) {
  if (r->shape.rank == 0) return;

  const size_t n = (size_t)r->shape.dim[r->shape.rank - 1];
  const size_t rows = n > 1 ? oq_tensor_count(r) / n : 0;

  for (size_t i = 0; i < rows; i++) {
    const uint64_t rank = rank_of(c, i * n, n, best_of(r, i * n, n));

    s->rows++;
    s->top1 += rank == 0;
    s->top5 += rank < 5;
  }
}

/* Texts are equal or not: 1 where the reference is met, else 0. */
static void add_texts(sums *s, const oq_ctensor *r, const oq_ctensor *c,
                      size_t n) {
  for (size_t i = 0; i < n; i++)
    add_element(s, 1, oq_text_equal(oq_texts(r)[i], oq_texts(c)[i]) ? 1 : 0);
}

static oq_status measure(sums *out, const oq_ctensor *r, const oq_ctensor *c,
                         oq_diags *d) {
  sums s = nothing;

  if (!oq_shape_equal(&r->shape, &c->shape)) {
    char a[128], b[128];

    oq_shape_print(a, sizeof a, r->shape.dim, r->shape.rank);
    oq_shape_print(b, sizeof b, c->shape.dim, c->shape.rank);
    return oq_fail(d, OQ_E_DATA, "compare.shape", NULL,
                   "outputs differ in shape: %s and %s", a, b);
  }
  const size_t n = oq_tensor_count(r);
  const bool texts = r->dtype == OQ_DT_STRING;

  if (texts != (c->dtype == OQ_DT_STRING))
    return oq_fail(
        d, OQ_E_DATA, "compare.type", NULL, "outputs differ in type: %s and %s",
        oq_dtype_text((int32_t)r->dtype), oq_dtype_text((int32_t)c->dtype));
  if (texts) add_texts(&s, r, c, n);
  for (size_t i = 0; i < n && !texts; i++)
    add_element(&s, oq_element_f64(r, i), oq_element_f64(c, i));
  if (!texts) add_rows(&s, r, c);
  s.samples = 1;
  s.worst_cosine =
      isfinite(s.error) ? cosine_of(s.reference, s.candidate, s.product) : 0.0;
  *out = s;
  return OQ_OK;
}

static void add_sums(sums *into, const sums *s) {
  into->samples += s->samples;
  into->rows += s->rows;
  into->top1 += s->top1;
  into->top5 += s->top5;
  into->reference += s->reference;
  into->candidate += s->candidate;
  into->product += s->product;
  into->error += s->error;
  into->max_abs = fmax(into->max_abs, s->max_abs);
  into->max_rel = fmax(into->max_rel, s->max_rel);
  into->worst_cosine = fmin(into->worst_cosine, s->worst_cosine);
}

static oq_comparison result_of(const sums *s) {
  const double rows = (double)s->rows;
  oq_comparison c = {
      .samples = s->samples,
      .cosine = cosine_of(s->reference, s->candidate, s->product),
      .worst_cosine = s->samples ? s->worst_cosine : NAN,
      .max_abs = s->max_abs,
      .max_rel = s->max_rel,
      .top1_agreement = s->rows ? 100.0 * (double)s->top1 / rows : NAN,
      .top5_agreement = s->rows ? 100.0 * (double)s->top5 / rows : NAN,
  };

  c.sqnr_db = s->error > 0 ? 10.0 * log10(s->reference / s->error) : INFINITY;
  return c;
}

/* ---- public accumulators ---------------------------------------------- */
oq_status oq_difference_create(oq_difference **out, oq_context *cx) {
  if (!out || !cx) return OQ_E_ARGUMENT;
  oq_difference *d =
      oq_alloc_get(&cx->alloc, sizeof *d, _Alignof(oq_difference));
  if (!d) return oq_fail_memory(cx->diags);
  *d = (oq_difference){cx, nothing};
  *out = d;
  return OQ_OK;
}

void oq_difference_destroy(oq_difference *d) {
  if (d) oq_alloc_put(&d->cx->alloc, d, sizeof *d);
}

static oq_status measure_views(sums *out, const oq_tensor_view *r,
                               const oq_tensor_view *c, oq_context *cx) {
  const oq_mark mark = oq_arena_mark(cx->scratch);
  oq_ctensor a, b;
  oq_status s = oq_view_take(&a, r, "reference", cx->scratch, cx->diags);

  if (s == OQ_OK) s = oq_view_take(&b, c, "candidate", cx->scratch, cx->diags);
  if (s == OQ_OK) s = measure(out, &a, &b, cx->diags);
  oq_arena_rewind(cx->scratch, mark);
  return s;
}

oq_status oq_difference_feed(oq_difference *d, const oq_tensor_view *reference,
                             const oq_tensor_view *candidate) {
  sums s;

  if (!d || !reference || !candidate) return OQ_E_ARGUMENT;
  OQ_TRY(measure_views(&s, reference, candidate, d->cx));
  add_sums(&d->all, &s);
  return OQ_OK;
}

oq_status oq_difference_result(oq_comparison *out, const oq_difference *d) {
  if (!out || !d) return OQ_E_ARGUMENT;
  *out = result_of(&d->all);
  return OQ_OK;
}

oq_status oq_rank_of_label(uint64_t *out, const oq_tensor_view *scores,
                           int64_t label) {
  const oq_ctensor t = {.dtype = (oq_dtype)(scores ? scores->dtype : 0),
                        .data = scores ? scores->data : NULL};

  if (!out || !scores || scores->rank == 0 || scores->rank > OQ_MAX_RANK)
    return OQ_E_ARGUMENT;
  const int64_t n = scores->dim[scores->rank - 1];
  const size_t bits = oq_dtype_bits(scores->dtype);
  if (n <= 0 || label < 0 || label >= n || bits == 0 ||
      scores->dtype == OQ_DT_STRING || scores->size != (size_t)n * bits / 8)
    return OQ_E_DATA;
  *out = rank_of(&t, 0, (size_t)n, (size_t)label);
  return OQ_OK;
}

/* ---- two models ------------------------------------------------------- */
typedef struct pair {
  const oq_plan *plan[2];
  const oq_model *model[2];
  const oq_source *source;
  const oq_env *env;
  oq_session **session[2]; /* by worker */
  sums *by_sample;         /* [sample][output] */
  uint32_t n_outputs;
} pair;

static oq_status run_one(pair *p, uint32_t which, const oq_tensor_view *views,
                         const oq_env *e, uint32_t worker) {
  const oq_model *m = p->model[which];
  oq_ctensor *in = OQ_NEW_N(e->scratch, oq_ctensor, m->n_feeds);
  oq_session **s = &p->session[which][worker];

  if (!in) return oq_fail_memory(e->diags);
  if (!*s) OQ_TRY(oq_session_create(s, p->plan[which], e));
  for (uint32_t i = 0; i < m->n_feeds; i++)
    OQ_TRY(oq_view_take(&in[i], &views[i],
                        oq_value_text(m->ir->main, m->feeds[i]), e->scratch,
                        e->diags));
  return oq_session_run(*s, in, m->n_feeds, NULL, e);
}

static oq_status measure_outputs(pair *p, uint64_t index, const oq_env *e,
                                 uint32_t worker) {
  for (uint32_t i = 0; i < p->n_outputs; i++) {
    const oq_graph *a = p->model[0]->ir->main, *b = p->model[1]->ir->main;
    const oq_ctensor *r =
        oq_session_value(p->session[0][worker], a->outputs[i]);
    const oq_ctensor *c =
        oq_session_value(p->session[1][worker], b->outputs[i]);

    if (!r || !c)
      return oq_fail(e->diags, OQ_E_INTERNAL, "compare.output", NULL,
                     "output %u has no value", i);
    OQ_TRY(measure(&p->by_sample[index * p->n_outputs + i], r, c, e->diags));
  }
  return OQ_OK;
}

static oq_status compare_task(void *user, uint32_t index, oq_worker *w) {
  pair *p = user;
  oq_env e = *p->env;
  void *handle = NULL;
  oq_tensor_view *views =
      OQ_NEW_N(w->scratch, oq_tensor_view, p->model[0]->n_feeds);

  e.diags = w->diags;
  e.scratch = w->scratch;
  e.pool = NULL;
  if (!views) return oq_fail_memory(w->diags);
  oq_status s = p->source->read(p->source->user, index, views,
                                p->model[0]->n_feeds, &handle);
  if (s != OQ_OK)
    return oq_fail(w->diags, s, "sample.read", NULL, "sample %u cannot be read",
                   index);
  s = run_one(p, 0, views, &e, w->index);
  if (s == OQ_OK) s = run_one(p, 1, views, &e, w->index);
  if (p->source->release) p->source->release(p->source->user, handle);
  return s == OQ_OK ? measure_outputs(p, index, &e, w->index) : s;
}

static oq_status compare_all(oq_comparison *out, pair *p, oq_context *cx) {
  const uint32_t threads = oq_pool_threads(cx->pool);
  const uint64_t n = p->source->count;

  p->by_sample = OQ_NEW_N(cx->scratch, sums, (size_t)n * p->n_outputs);
  for (int k = 0; k < 2; k++)
    p->session[k] = OQ_NEW_N(cx->scratch, oq_session *, threads);
  if (!p->by_sample || !p->session[0] || !p->session[1])
    return oq_fail_memory(cx->diags);
  oq_status s = oq_par_run(cx->pool, (uint32_t)n, compare_task, p, cx->diags);
  for (int k = 0; k < 2; k++)
    for (uint32_t w = 0; w < threads; w++) oq_session_destroy(p->session[k][w]);
  for (uint32_t i = 0; s == OQ_OK && i < p->n_outputs; i++) {
    sums all = nothing;

    for (uint64_t k = 0; k < n; k++)
      add_sums(&all, &p->by_sample[k * p->n_outputs + i]);
    out[i] = result_of(&all);
  }
  return s;
}

oq_status oq_compare(oq_comparison *out, size_t n_outputs, oq_model *reference,
                     oq_model *candidate, const oq_source *src) {
  if (!out || !reference || !candidate || !src || !src->read)
    return OQ_E_ARGUMENT;

  oq_context *cx = reference->cx;
  const oq_graph *a = reference->ir->main, *b = candidate->ir->main;
  const oq_mark mark = oq_arena_mark(cx->scratch);
  oq_plan *plans[2] = {NULL, NULL};
  pair p = {.model = {reference, candidate},
            .source = src,
            .env = &cx->env,
            .n_outputs = a->n_outputs};
  oq_status s = OQ_OK;

  if (n_outputs != a->n_outputs || a->n_outputs != b->n_outputs ||
      reference->n_feeds != candidate->n_feeds || src->count > UINT32_MAX)
    return oq_fail(cx->diags, OQ_E_STATE, "compare.models", NULL,
                   "the models differ in their inputs or outputs");
  for (int k = 0; k < 2 && s == OQ_OK; k++) {
    const oq_plan_options opt = {.untapped = true,
                                 .feed_types = p.model[k]->feed_types};

    s = oq_plan_create(&plans[k], p.model[k]->ir->main, &opt, &cx->env);
    p.plan[k] = plans[k];
  }
  if (s == OQ_OK) s = compare_all(out, &p, cx);
  for (int k = 0; k < 2; k++) oq_plan_destroy(plans[k]);
  oq_arena_rewind(cx->scratch, mark);
  return s;
}
