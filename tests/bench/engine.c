/* bench/engine.c - the built-in engine under a clock.
 *
 *   bench_engine MODEL [--tap none|minmax|exact] [--kernels NAME] INPUT.pb...
 *
 * Prepares MODEL, then answers each line of standard input: "run" by the CPU
 * and the wall time of one run in nanoseconds, "profile" by one line per node:
 * its operator, name, and nanoseconds of CPU time.  What runs between two lines
 * is up to whoever writes them: engine.py lets onnxruntime take its turns. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "api/api.h"
#include "kern/kern.h"

enum { MAX_INPUTS = 64 };

typedef enum tap_kind { TAP_NONE, TAP_MINMAX, TAP_EXACT } tap_kind;

typedef struct bench {
  oq_context *cx;
  oq_model *model, *prepared;
  oq_plan *plan;
  oq_session *session;
  oq_ctensor in[MAX_INPUTS];
  uint32_t n_in;
  tap_kind tap;
  oq_stats_core *stats;
  oq_stats_entry **entry; /* by value id; NULL: not observed */
  oq_arena *arena;
  bool profile;
  uint64_t last; /* when the value before was complete */
} bench;

static uint64_t clock_ns(clockid_t id) {
  struct timespec t;

  (void)clock_gettime(id, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- values -------------------------------------------------------------- */
static void print_node(bench *b, const oq_graph *g, oq_value_id v,
                       const oq_ctensor *t) {
  const uint64_t now = clock_ns(CLOCK_THREAD_CPUTIME_ID);
  const oq_node_id n = oq_graph_value(g, v)->producer;
  char shape[160];

  oq_shape_print(shape, sizeof shape, t->shape.dim, t->shape.rank);
  if (oq_node_ok(n))
    (void)printf("%s\t%s\t%s\t%llu\n", oq_node_op(g, n), oq_node_text(g, n),
                 shape, (unsigned long long)(now - b->last));
  b->last = clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static oq_status see(bench *b, const oq_graph *g, oq_value_id v,
                     const oq_ctensor *t, bool last) {
  oq_stats_entry *e = NULL;

  if (b->profile) {
    print_node(b, g, v, t);
    return OQ_OK;
  }
  if (g == b->prepared->ir->main && t->dtype == OQ_DT_F32) e = b->entry[v.i];
  if (e == NULL) return OQ_OK;
  if (b->tap == TAP_EXACT)
    return last ? oq_stats_entry_feed_last(e, t, b->cx->env.kernels, b->arena)
                : oq_stats_entry_feed(e, t, b->cx->env.kernels, b->arena);
  oq_record *r = &e->record;
  b->cx->env.kernels->minmax_f32(&r->lo, &r->hi, &r->nans, &r->infinities,
                                 t->data, oq_tensor_count(t));
  return OQ_OK;
}

static oq_status on_value(void *user, const oq_graph *g, oq_value_id v,
                          const oq_ctensor *t) {
  return see(user, g, v, t, false);
}

static oq_status on_last(void *user, const oq_graph *g, oq_value_id v,
                         const oq_ctensor *t) {
  return see(user, g, v, t, true);
}

/* ---- set up -------------------------------------------------------------- */
static oq_status observe(bench *b) {
  oq_graph *g = b->prepared->ir->main;
  oq_context *cx = b->cx;
  oq_observed seen;

  OQ_TRY(oq_calib_observed(&seen, g, b->arena, &cx->env));
  OQ_TRY(oq_stats_core_create(&b->stats, seen.keys, seen.axes, seen.n, "", "",
                              false, &cx->alloc));
  b->entry = OQ_NEW_N(b->arena, oq_stats_entry *, g->n_values);
  if (b->entry == NULL) return OQ_E_MEMORY;
  for (uint32_t v = 0; v < g->n_values; v++)
    b->entry[v] = oq_stats_find(b->stats, oq_value_text(g, (oq_value_id){v}));
  return OQ_OK;
}

static oq_status make_plan(bench *b) {
  const oq_graph *g = b->prepared->ir->main;
  oq_value_id *need = OQ_NEW_N(b->arena, oq_value_id, g->n_values);
  oq_plan_options opt = {.untapped = b->tap == TAP_NONE,
                         .need = need,
                         .feed_types = b->prepared->feed_types};

  if (need == NULL) return OQ_E_MEMORY;
  if (b->tap != TAP_NONE) OQ_TRY(observe(b));
  for (uint32_t v = 0; b->tap != TAP_NONE && v < g->n_values; v++)
    if (b->entry[v] != NULL && g->values[v].kind == OQ_VALUE_RESULT)
      need[opt.n_need++] = (oq_value_id){v};
  OQ_TRY(oq_plan_create(&b->plan, g, &opt, &b->cx->env));
  return oq_session_create(&b->session, b->plan, &b->cx->env);
}

static oq_status open_model(bench *b, const char *path, const char *kernels) {
  oq_config cfg = OQ_CONFIG_INIT;

  cfg.threads = 1;
  cfg.kernels = kernels;
  OQ_TRY(oq_context_create(&b->cx, &cfg));
  OQ_TRY(oq_arena_create(&b->arena, &b->cx->alloc, 0));
  OQ_TRY(oq_model_load_file(&b->model, b->cx, path));
  OQ_TRY(oq_model_prepare(&b->prepared, b->model, NULL));
  return make_plan(b);
}

static oq_status read_input(bench *b, const char *path) {
  oq_tensor_file *f;

  if (b->n_in == MAX_INPUTS) return OQ_E_LIMIT;
  OQ_TRY(oq_tensor_file_load(&f, b->cx, path)); /* lives as long as we */
  return oq_view_take(&b->in[b->n_in++], oq_tensor_file_view(f), path, b->arena,
                      b->cx->diags);
}

/* ---- turns --------------------------------------------------------------- */
static oq_status run(bench *b) {
  const oq_tap tap = {on_value, b, on_last};
  const bool tapped = b->profile || b->tap != TAP_NONE;

  b->last = clock_ns(CLOCK_THREAD_CPUTIME_ID);
  return oq_session_run(b->session, b->in, b->n_in, tapped ? &tap : NULL,
                        &b->cx->env);
}

static oq_status answer(bench *b, const char *line) {
  const uint64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
  const uint64_t wall = clock_ns(CLOCK_MONOTONIC);

  b->profile = strcmp(line, "profile\n") == 0;
  OQ_TRY(run(b));
  if (b->profile)
    (void)printf("\n");
  else
    (void)printf("%llu %llu\n",
                 (unsigned long long)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu),
                 (unsigned long long)(clock_ns(CLOCK_MONOTONIC) - wall));
  (void)fflush(stdout);
  return OQ_OK;
}

static int fail(const bench *b, const char *what) {
  const size_t n = b->cx != NULL ? oq_context_diag_count(b->cx) : 0;

  (void)fprintf(stderr, "bench_engine: %s: %s\n", what,
                n > 0 ? oq_context_diag(b->cx, n - 1)->text : "failed");
  return 1;
}

static bool take_tap(bench *b, const char *text) {
  static const char *const name[] = {"none", "minmax", "exact"};

  for (unsigned i = 0; i < 3; i++) {
    if (strcmp(text, name[i]) != 0) continue;
    b->tap = (tap_kind)i;
    return true;
  }
  return false;
}

int main(int argc, char **argv) {
  bench b = {0};
  const char *kernels = NULL;
  char line[64];
  int i = 2;

  for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
    if (strcmp(argv[i], "--kernels") == 0)
      kernels = argv[i + 1];
    else if (strcmp(argv[i], "--tap") != 0 || !take_tap(&b, argv[i + 1]))
      argc = 0;
  }
  if (argc < 2) return fail(&b, "usage: see the head of engine.c");
  if (open_model(&b, argv[1], kernels) != OQ_OK) return fail(&b, argv[1]);
  for (; i < argc; i++)
    if (read_input(&b, argv[i]) != OQ_OK) return fail(&b, argv[i]);
  while (fgets(line, sizeof line, stdin) != NULL)
    if (answer(&b, line) != OQ_OK) return fail(&b, "run");
  oq_session_destroy(b.session);
  oq_plan_destroy(b.plan);
  return 0;
}
