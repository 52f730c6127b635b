/* calib_run.c - samples -> sessions -> records.  One worker takes one sample
 * at a time with a session and records of its own; merging is exact, so neither
 * order nor number of threads can show. */
#include <stdatomic.h>
#include <string.h>

#include "calib/calib.h"
#include "kern/kern.h"

static bool worth(const oq_op_def *def) {
  return def && def->quant.cls != OQ_Q_NEVER && def->quant.cls != OQ_Q_OPAQUE;
}

/* Marks the values that nodes with quantization facts read or write. */
static void mark(bool *wanted, const oq_graph *g) {
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    const oq_node *n = &g->nodes[i];

    if (n->dead || !worth(n->def)) continue;
    for (uint32_t k = 0; k < n->n_in; k++)
      if (oq_value_ok(n->in[k])) wanted[n->in[k].i] = true;
    for (uint32_t k = 0; k < n->n_out; k++)
      if (oq_value_ok(n->out[k])) wanted[n->out[k].i] = true;
  }
}

/* Axis of v that constant weights sum over; -1: none, or they disagree. */
static void find_axes(int32_t *axis, const oq_graph *g,
                      const oq_type *const *types) {
  for (uint32_t v = 0; v < g->n_values; v++) axis[v] = -1;
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    const oq_node *n = &g->nodes[i];

    if (n->dead || !n->def || !n->def->quant.data_axis || n->n_in < 2 ||
        !oq_value_ok(n->in[0]) || !oq_graph_const(g, n->in[1]))
      continue;
    const oq_type *t = types[n->in[0].i];
    if (!t || !t->has_rank) continue;
    const int32_t a = n->def->quant.data_axis(n->params, t->rank);
    int32_t *was = &axis[n->in[0].i];

    *was = *was == -1 || *was == a ? a : -2;
  }
}

/* ... and the axis of their results, where nothing else is asked of those. */
static void find_result_axes(int32_t *axis, const oq_graph *g,
                             const oq_type *const *types) {
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    const oq_node *n = &g->nodes[i];

    if (n->dead || !n->def || n->def->quant.result_axis == 0 || n->n_in < 2 ||
        n->n_out < 1 || !oq_value_ok(n->out[0]) ||
        !oq_graph_const(g, n->in[1]) || axis[n->out[0].i] != -1)
      continue;
    const oq_type *t = types[n->out[0].i];
    if (!t || !t->has_rank || t->rank == 0) continue;
    axis[n->out[0].i] = n->def->quant.result_axis == OQ_AXIS_LAST
                            ? (int32_t)t->rank - 1
                            : n->def->quant.result_axis;
  }
}

/* All graphs of a model, with tables by value id. */
typedef struct observer {
  oq_keyed keyed;
  const oq_type *const **types;
  bool **wanted;
  int32_t **axis;
} observer;

/* A value of a graph around has its record there. */
static void hand_up(const observer *o, uint32_t s) {
  const oq_scope *scope = &o->keyed.scope[s];
  const oq_graph *g = scope->graph;

  for (uint32_t v = 0; v < g->n_values; v++) {
    if (g->values[v].kind != OQ_VALUE_OUTER || !o->wanted[s][v]) continue;
    const uint32_t of = g->outer_of[v].i;
    const int32_t mine = o->axis[s][v];
    int32_t *theirs = &o->axis[scope->up][of];

    o->wanted[scope->up][of] = true;
    if (mine != -1) *theirs = *theirs == -1 || *theirs == mine ? mine : -2;
  }
}

static bool worth_a_record(const observer *o, uint32_t s, uint32_t v) {
  const oq_value *value = &o->keyed.scope[s].graph->values[v];
  const oq_type *t = o->types[s][v];

  if (!o->wanted[s][v] ||
      (value->kind != OQ_VALUE_INPUT && value->kind != OQ_VALUE_RESULT))
    return false;
  return !t || t->kind != OQ_TYPE_TENSOR || t->dtype == OQ_DT_F32 ||
         t->dtype == OQ_DT_NONE;
}

static oq_status list_observed(const observer *o, oq_observed *out, oq_arena *a,
                               const oq_env *e) {
  size_t most = 0;
  uint32_t n = 0;

  for (uint32_t s = 0; s < o->keyed.n; s++)
    most += o->keyed.scope[s].graph->n_values;
  const char **keys = OQ_NEW_N(a, const char *, most);
  int32_t *axes = OQ_NEW_N(a, int32_t, most);
  if (!keys || !axes) return oq_fail_memory(e->diags);
  for (uint32_t s = 0; s < o->keyed.n; s++) {
    for (uint32_t v = 0; v < o->keyed.scope[s].graph->n_values; v++) {
      if (!worth_a_record(o, s, v)) continue;
      keys[n] = o->keyed.key[s][v];
      axes[n++] = o->axis[s][v] < 0 ? -1 : o->axis[s][v];
    }
    if (s == 0) out->n_main = n;
  }
  out->keys = keys;
  out->axes = axes;
  out->n = n;
  return OQ_OK;
}

oq_status oq_calib_observed(oq_observed *out, oq_graph *main, oq_arena *a,
                            const oq_env *e) {
  observer o = {0};

  OQ_TRY(oq_calib_keys(&o.keyed, main, a, e));
  OQ_TRY(oq_infer_scopes(&o.types, o.keyed.scope, o.keyed.n, a, e));
  o.wanted = OQ_NEW_N(a, bool *, o.keyed.n);
  o.axis = OQ_NEW_N(a, int32_t *, o.keyed.n);
  if (!o.wanted || !o.axis) return oq_fail_memory(e->diags);
  for (uint32_t s = 0; s < o.keyed.n; s++) {
    const oq_graph *g = o.keyed.scope[s].graph;

    o.wanted[s] = OQ_NEW_N(a, bool, g->n_values);
    o.axis[s] = OQ_NEW_N(a, int32_t, g->n_values);
    if (!o.wanted[s] || !o.axis[s]) return oq_fail_memory(e->diags);
    mark(o.wanted[s], g);
    find_axes(o.axis[s], g, o.types[s]);
  }
  for (uint32_t s = o.keyed.n; s-- > 1;) hand_up(&o, s);
  for (uint32_t s = 0; s < o.keyed.n; s++)
    find_result_axes(o.axis[s], o.keyed.scope[s].graph, o.types[s]);
  return list_observed(&o, out, a, e);
}

/* ---- running ----------------------------------------------------------------
 */
typedef struct job {
  const oq_graph *graph;
  const oq_plan *plan;
  const oq_source *source;
  const oq_env *env;
  oq_stats_core **stats; /* one per worker, made on first use */
  oq_session **sessions; /* likewise */
  oq_keyed keyed;
  oq_stats_entry ****entry_of; /* [worker][scope][value id]; or NULL */
  oq_stats_core *shape;        /* names and header to copy */
  const oq_value_id *feeds;
  uint32_t n_feeds;
  _Atomic uint64_t done;
} job;

typedef struct feeding {
  const job *job;
  uint32_t worker;
} feeding;

static oq_stats_entry *entry_of(const feeding *f, const oq_graph *g,
                                oq_value_id v) {
  const oq_keyed *k = &f->job->keyed;

  for (uint32_t s = 0; s < k->n; s++)
    if (k->scope[s].graph == g) return f->job->entry_of[f->worker][s][v.i];
  return NULL;
}

typedef oq_status (*feed_fn)(oq_stats_entry *, const oq_ctensor *,
                             const oq_kernels *, oq_arena *);

static oq_status feed(const feeding *f, const oq_graph *g, oq_value_id v,
                      const oq_ctensor *t, feed_fn fn) {
  oq_stats_entry *e = t->dtype == OQ_DT_F32 ? entry_of(f, g, v) : NULL;

  if (!e) return OQ_OK;
  return fn(e, t, f->job->env->kernels, f->job->stats[f->worker]->arena);
}

static oq_status on_value(void *user, const oq_graph *g, oq_value_id v,
                          const oq_ctensor *t) {
  return feed(user, g, v, t, oq_stats_entry_feed);
}

static oq_status on_last(void *user, const oq_graph *g, oq_value_id v,
                         const oq_ctensor *t) {
  return feed(user, g, v, t, oq_stats_entry_feed_last);
}

static oq_status worker_ready(job *j, uint32_t w, const oq_env *e) {
  if (j->sessions[w]) return OQ_OK;

  const oq_stats_core *like = j->shape;

  if (!j->stats[w]) {
    const char **names = OQ_NEW_N(e->scratch, const char *, like->n_entries);
    int32_t *axes = OQ_NEW_N(e->scratch, int32_t, like->n_entries);

    if (!names || !axes) return oq_fail_memory(e->diags);
    for (uint32_t i = 0; i < like->n_entries; i++) {
      names[i] = like->entries[i].name;
      axes[i] = like->entries[i].channels.axis;
    }
    OQ_TRY(oq_stats_core_create(&j->stats[w], names, axes, like->n_entries,
                                like->model_digest, like->preprocessing,
                                like->synthetic, e->alloc));
  }
  for (uint32_t k = 0; k < j->keyed.n; k++) {
    const oq_graph *g = j->keyed.scope[k].graph;

    for (uint32_t v = 0; v < g->n_values; v++)
      if (g->values[v].kind != OQ_VALUE_OUTER && j->keyed.key[k][v])
        j->entry_of[w][k][v] = oq_stats_find(j->stats[w], j->keyed.key[k][v]);
  }
  return oq_session_create(&j->sessions[w], j->plan, e);
}

static oq_status run_sample(job *j, uint64_t index, const oq_env *e,
                            uint32_t w) {
  const uint32_t n = j->n_feeds;
  oq_tensor_view *views = OQ_NEW_N(e->scratch, oq_tensor_view, n);
  oq_ctensor *inputs = OQ_NEW_N(e->scratch, oq_ctensor, n);
  void *handle = NULL;

  if (!views || !inputs) return oq_fail_memory(e->diags);
  oq_status s = j->source->read(j->source->user, index, views, n, &handle);
  if (s != OQ_OK)
    return oq_fail(e->diags, s, "sample.read", NULL,
                   "sample %llu cannot be read", (unsigned long long)index);
  for (uint32_t i = 0; i < n && s == OQ_OK; i++)
    s = oq_view_take(&inputs[i], &views[i],
                     oq_value_text(j->graph, j->feeds[i]), e->scratch,
                     e->diags);

  feeding f = {j, w};
  const oq_tap tap = {on_value, &f, on_last};

  if (s == OQ_OK) s = oq_session_run(j->sessions[w], inputs, n, &tap, e);
  if (j->source->release) j->source->release(j->source->user, handle);
  if (s != OQ_OK) return s;
  return oq_stats_add_sample(
      j->stats[w],
      j->source->digest ? j->source->digest(j->source->user, index) : index);
}

/* Worker 0 is the caller's thread: only there may the caller be asked. */
static oq_status report(job *j, const oq_worker *w, const oq_env *e) {
  const oq_progress p = {"calibrate", atomic_fetch_add(&j->done, 1) + 1,
                         j->source->count};

  if (w->index != 0 || !e->on_progress || !e->on_progress(e->user, &p))
    return OQ_OK;
  return oq_fail(w->diags, OQ_E_CANCELLED, "cancelled", NULL,
                 "calibration was stopped after %llu samples",
                 (unsigned long long)p.done);
}

static oq_status task(void *user, uint32_t index, oq_worker *w) {
  job *j = user;
  oq_env e = *j->env;

  e.diags = w->diags;
  e.scratch = w->scratch;
  e.pool = NULL;
  OQ_TRY(worker_ready(j, w->index, &e));
  OQ_TRY(run_sample(j, index, &e, w->index));
  return report(j, w, &e);
}

static oq_status prepare(job *j) {
  const oq_env *e = j->env;
  const uint32_t threads = oq_pool_threads(e->pool);

  j->stats = OQ_NEW_N(e->scratch, oq_stats_core *, threads);
  j->sessions = OQ_NEW_N(e->scratch, oq_session *, threads);
  j->entry_of = OQ_NEW_N(e->scratch, oq_stats_entry ***, threads);
  if (!j->stats || !j->sessions || !j->entry_of)
    return oq_fail_memory(e->diags);
  for (uint32_t w = 0; w < threads; w++) {
    j->entry_of[w] = OQ_NEW_N(e->scratch, oq_stats_entry **, j->keyed.n);
    if (!j->entry_of[w]) return oq_fail_memory(e->diags);
    for (uint32_t s = 0; s < j->keyed.n; s++) {
      j->entry_of[w][s] = OQ_NEW_N(e->scratch, oq_stats_entry *,
                                   j->keyed.scope[s].graph->n_values);
      if (!j->entry_of[w][s]) return oq_fail_memory(e->diags);
    }
  }
  return oq_graph_feeds(&j->feeds, &j->n_feeds, j->graph, e->scratch);
}

static oq_status collect(job *j, oq_stats_core *into) {
  const uint32_t threads = oq_pool_threads(j->env->pool);

  for (uint32_t w = 0; w < threads; w++)
    if (j->stats[w]) OQ_TRY(oq_stats_core_add(into, j->stats[w]));
  return OQ_OK;
}

static void release(job *j) {
  const uint32_t threads = oq_pool_threads(j->env->pool);

  for (uint32_t w = 0; j->sessions && w < threads; w++)
    oq_session_destroy(j->sessions[w]);
  for (uint32_t w = 0; j->stats && w < threads; w++)
    oq_stats_core_destroy(j->stats[w]);
}

static bool has_records(const oq_keyed *k, uint32_t s,
                        const oq_stats_core *stats) {
  const oq_graph *g = k->scope[s].graph;

  for (uint32_t v = 0; v < g->n_values; v++)
    if (g->values[v].kind != OQ_VALUE_OUTER && k->key[s][v] &&
        oq_stats_find(stats, k->key[s][v]))
      return true;
  return false;
}

/* Nodes of the main graph in whose bodies there is something to record. */
static void mark_bodies(bool *needed, const oq_keyed *k,
                        const oq_stats_core *stats) {
  for (uint32_t s = 1; s < k->n; s++) {
    uint32_t top = s;

    while (k->scope[top].up != 0) top = k->scope[top].up;
    if (!needed[k->scope[top].node.i] && has_records(k, s, stats))
      needed[k->scope[top].node.i] = true;
  }
}

/* The values with a record are what the run must compute, and the nodes around
 * those in bodies; nothing else is. */
static oq_status plan(oq_plan **out, const oq_keyed *k,
                      const oq_stats_core *stats,
                      const oq_type *const *feed_types, const oq_env *e) {
  const oq_graph *g = k->scope[0].graph;
  oq_value_id *keep = OQ_NEW_N(e->scratch, oq_value_id, g->n_values);
  bool *needed = OQ_NEW_N(e->scratch, bool, g->n_nodes);
  uint32_t n = 0;

  if (!keep || !needed) return oq_fail_memory(e->diags);
  mark_bodies(needed, k, stats);
  for (uint32_t v = 0; v < g->n_values; v++)
    if (g->values[v].kind == OQ_VALUE_RESULT &&
        oq_node_ok(g->values[v].producer) &&
        (needed[g->values[v].producer.i] || oq_stats_find(stats, k->key[0][v])))
      keep[n++] = (oq_value_id){v};

  const oq_plan_options opt = {
      .need = keep, .n_need = n, .only_keep = true, .feed_types = feed_types};

  return oq_plan_create(out, g, &opt, e);
}

oq_status oq_calib_run(oq_stats_core *stats, oq_graph *main,
                       const oq_source *src, const oq_type *const *feed_types,
                       const oq_env *e) {
  oq_plan *p = NULL;
  job j = {.graph = main, .source = src, .env = e, .shape = stats};
  const oq_mark mark = oq_arena_mark(e->scratch);

  if (src->count == 0 || src->count > UINT32_MAX)
    return oq_fail(e->diags, OQ_E_DATA, "samples.count", NULL,
                   "%llu samples, expected 1 to 4294967295",
                   (unsigned long long)src->count);
  oq_status s = oq_calib_keys(&j.keyed, main, e->scratch, e);
  if (s == OQ_OK) s = plan(&p, &j.keyed, stats, feed_types, e);
  j.plan = p;
  if (s == OQ_OK) s = prepare(&j);
  if (s == OQ_OK)
    s = oq_par_run(e->pool, (uint32_t)src->count, task, &j, e->diags);
  if (s == OQ_OK) s = collect(&j, stats);
  release(&j);
  oq_plan_destroy(p);
  oq_arena_rewind(e->scratch, mark);
  return s;
}
