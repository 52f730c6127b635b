/* Requests to the child and what is made of its answers.  Everything that
 * comes from there is checked before it is believed. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* strdup */
#endif
#include "runtime/ort_client.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/ort_child.h"
#include "runtime/ort_tensor.h"

/* Loading a library takes milliseconds; a minute covers a cold network disk. */
#define HELLO_TIMEOUT_MS 60000
#define DEFAULT_TIMEOUT_MS 600000
#define MAX_RUNS 1000000u

typedef struct session {
  oq_rt_session pub;
  uint32_t id;
  char *model;   /* for messages */
  oq_msg answer; /* holds the strings */
  oq_value_info *values;
  struct session *next;
} session;

struct oq_rt {
  oq_ort_child child;
  oq_msg send, answer;
  oq_msg hello; /* holds version, library, providers */
  const char *version, *library;
  const char **providers;
  session *sessions;
  oq_region in, out;
  oq_tensor_view *views; /* outputs of the last run */
  uint32_t threads;
  uint64_t max_bytes;
};

#define TRY(e)                  \
  do {                          \
    const oq_status s_ = (e);   \
    if (s_ != OQ_OK) return s_; \
  } while (0)

/* ---- opening and closing ------------------------------------------------ */
static uint64_t half_the_memory(void) {
  const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);

  if (pages <= 0 || size <= 0) return (uint64_t)4 << 30;
  return (uint64_t)pages / 2 * (uint64_t)size;
}

static void take_options(oq_rt *rt, const oq_rt_options *opt) {
  rt->child.timeout_ms =
      opt->timeout_ms == 0 ? DEFAULT_TIMEOUT_MS : opt->timeout_ms;
  rt->child.cancelled = opt->cancelled;
  rt->child.user = opt->user;
  rt->child.socket = -1;
  rt->child.pipe = -1;
  rt->child.watch = -1;
  rt->in = (oq_region)OQ_REGION_INIT;
  rt->out = (oq_region)OQ_REGION_INIT;
  rt->threads = opt->threads;
  rt->max_bytes = opt->max_bytes == 0 ? half_the_memory() : opt->max_bytes;
  if (rt->max_bytes > PTRDIFF_MAX) rt->max_bytes = PTRDIFF_MAX;
}

static oq_status take_hello(oq_rt *rt, oq_rt_error *err) {
  oq_cut c = oq_cut_of(&rt->answer);
  uint32_t n;

  rt->version = oq_cut_str(&c);
  rt->library = oq_cut_str(&c);
  n = oq_cut_count(&c, 1);
  rt->providers = calloc((size_t)n + 1, sizeof *rt->providers);
  if (rt->providers == NULL) return oq_rt_no_memory(err);
  for (uint32_t i = 0; i < n; i++) rt->providers[i] = oq_cut_str(&c);
  if (!oq_cut_done(&c)) return oq_child_nonsense(&rt->child, "hello", err);
  rt->hello = rt->answer; /* the strings above live in it */
  rt->answer = (oq_msg){0};
  return OQ_OK;
}

/* Sends rt->send as the request `type` and waits for its answer. */
static oq_status ask(oq_rt *rt, uint32_t type, oq_rt_error *err) {
  uint32_t got = 0;

  TRY(oq_child_send(&rt->child, type, &rt->send, -1, err));
  TRY(oq_child_receive(&rt->child, &got, &rt->answer, err));
  if (got != OQ_RES_OK)
    return oq_child_nonsense(&rt->child, "kind of answer", err);
  return OQ_OK;
}

static oq_status say_hello(oq_rt *rt, const char *library, oq_rt_error *err) {
  const int64_t timeout = rt->child.timeout_ms;
  oq_status s;

  if (timeout <= 0 || timeout > HELLO_TIMEOUT_MS)
    rt->child.timeout_ms = HELLO_TIMEOUT_MS;
  oq_child_begin(&rt->child, "loading the library '%s'", library);
  oq_msg_clear(&rt->send);
  oq_msg_u32(&rt->send, OQ_FRAME_VERSION);
  oq_msg_str(&rt->send, library);
  s = ask(rt, OQ_REQ_HELLO, err);
  rt->child.timeout_ms = timeout;
  return s == OQ_OK ? take_hello(rt, err) : s;
}

oq_status oq_ort_open_file(oq_rt **out, const char *library,
                           const oq_rt_options *opt, oq_rt_error *err) {
  oq_rt *rt = calloc(1, sizeof *rt);
  oq_status s;

  if (rt == NULL) return oq_rt_no_memory(err);
  take_options(rt, opt);
  s = oq_child_start(&rt->child, opt->program, err);
  if (s == OQ_OK) s = say_hello(rt, library, err);
  if (s != OQ_OK) {
    oq_rt_close(rt);
    return s;
  }
  *out = rt;
  return OQ_OK;
}

static void free_session(session *s) {
  oq_msg_free(&s->answer);
  free(s->values);
  free(s->model);
  free(s);
}

void oq_rt_close(oq_rt *rt) {
  if (rt == NULL) return;
  oq_child_stop(&rt->child);
  while (rt->sessions != NULL) {
    session *s = rt->sessions;

    rt->sessions = s->next;
    free_session(s);
  }
  oq_region_drop(&rt->in);
  oq_region_drop(&rt->out);
  oq_msg_free(&rt->send);
  oq_msg_free(&rt->answer);
  oq_msg_free(&rt->hello);
  free(rt->providers);
  free(rt->views);
  free(rt);
}

const char *oq_rt_version(const oq_rt *rt) { return rt->version; }
const char *oq_rt_library(const oq_rt *rt) { return rt->library; }
const char *const *oq_rt_providers(const oq_rt *rt) { return rt->providers; }
int64_t oq_rt_pid(const oq_rt *rt) { return rt->child.pid; }

/* ---- sessions ----------------------------------------------------------- */
static bool is_level(int level) {
  return (level >= 0 && level <= 3) || level == 99;
}

static oq_status put_load(oq_rt *rt, const char *model,
                          const oq_rt_load_options *opt, oq_rt_error *err) {
  const uint32_t threads = opt->threads == 0 ? rt->threads : opt->threads;

  if (model == NULL || !is_level(opt->level) || threads > INT32_MAX)
    return oq_rt_fail(err, OQ_E_ARGUMENT, "runtime.argument",
                      "no model, or an unknown optimisation level or number "
                      "of threads");
  for (size_t i = 0; opt->config != NULL && opt->config[i] != NULL; i++)
    if (strchr(opt->config[i], '=') == NULL || opt->config[i][0] == '=')
      return oq_rt_fail(err, OQ_E_ARGUMENT, "runtime.argument",
                        "session option '%s' is not of the form key=value",
                        opt->config[i]);
  oq_msg_clear(&rt->send);
  oq_msg_str(&rt->send, model);
  oq_msg_u32(&rt->send, (uint32_t)opt->level);
  oq_msg_u32(&rt->send, threads);
  oq_msg_str(&rt->send, opt->optimized_path);
  oq_msg_strs(&rt->send, opt->config);
  oq_msg_strs(&rt->send, opt->custom_ops);
  return OQ_OK;
}

static void take_value(oq_cut *c, oq_value_info *v) {
  v->name = oq_cut_str(c);
  v->dtype = (int32_t)oq_cut_u32(c);
  v->rank = oq_cut_u32(c);
  if (v->dtype < 0 || v->dtype > OQ_DT_I2 || v->rank > OQ_MAX_RANK) {
    c->bad = true;
    return;
  }
  v->has_rank = v->rank > 0;
  for (uint32_t i = 0; i < v->rank; i++) {
    const char *symbol;

    v->dim[i].size = oq_cut_i64(c);
    symbol = oq_cut_str(c);
    v->dim[i].symbol = symbol[0] != '\0' ? symbol : NULL;
    if (v->dim[i].size < -1) c->bad = true;
  }
}

/* name, dtype, rank */
#define VALUE_BYTES ((size_t)9)

static oq_status take_session(oq_rt *rt, session *s, oq_rt_error *err) {
  oq_cut c = oq_cut_of(&rt->answer);
  uint32_t n_in, n_out;

  s->id = oq_cut_u32(&c);
  n_in = oq_cut_count(&c, VALUE_BYTES);
  n_out = oq_cut_count(&c, VALUE_BYTES);
  s->values = calloc((size_t)n_in + n_out + 1, sizeof *s->values);
  if (s->values == NULL) return oq_rt_no_memory(err);
  for (uint32_t i = 0; i < n_in + n_out && !c.bad; i++)
    take_value(&c, &s->values[i]);
  if (!oq_cut_done(&c)) return oq_child_nonsense(&rt->child, "session", err);
  s->pub = (oq_rt_session){s->values, n_in, s->values + n_in, n_out};
  s->answer = rt->answer; /* the strings live in it */
  rt->answer = (oq_msg){0};
  return OQ_OK;
}

oq_status oq_rt_load(const oq_rt_session **out, oq_rt *rt, const char *model,
                     const oq_rt_load_options *opt, oq_rt_error *err) {
  const oq_rt_load_options usual = OQ_RT_LOAD_OPTIONS_INIT;
  session *made;
  oq_status s;

  TRY(put_load(rt, model, opt == NULL ? &usual : opt, err));
  oq_child_begin(&rt->child, "loading '%s'", model);
  TRY(ask(rt, OQ_REQ_LOAD, err));
  made = calloc(1, sizeof *made);
  if (made == NULL) return oq_rt_no_memory(err);
  made->model = strdup(model);
  s = made->model == NULL ? oq_rt_no_memory(err) : take_session(rt, made, err);
  if (s != OQ_OK) {
    free_session(made);
    return s;
  }
  made->next = rt->sessions;
  rt->sessions = made;
  *out = &made->pub;
  return OQ_OK;
}

static session *find_session(const oq_rt *rt, const oq_rt_session *s) {
  for (session *i = rt->sessions; i != NULL; i = i->next)
    if (&i->pub == s) return i;
  return NULL;
}

void oq_rt_unload(oq_rt *rt, const oq_rt_session *s) {
  session *gone = s == NULL ? NULL : find_session(rt, s);
  session **at = &rt->sessions;

  if (gone == NULL) return;
  oq_child_begin(&rt->child, "unloading '%s'", gone->model);
  oq_msg_clear(&rt->send);
  oq_msg_u32(&rt->send, gone->id);
  if (rt->child.pid != 0) (void)ask(rt, OQ_REQ_UNLOAD, NULL);
  while (*at != gone) at = &(*at)->next;
  *at = gone->next;
  free_session(gone);
}

/* ---- feeding ------------------------------------------------------------ */
typedef struct feed_set {
  const session *s;
  const oq_rt_feed *feed;
} feed_set;

static oq_status check_view(const oq_tensor_view *v, size_t i,
                            oq_rt_error *err) {
  size_t size = 0;

  if (v->dtype == OQ_DT_STRING || oq_ort_dtype_out(v->dtype) == 0)
    return oq_rt_fail(err, OQ_E_UNSUPPORTED, "runtime.type",
                      "input %zu has element type %d, which cannot be passed "
                      "to onnxruntime",
                      i, (int)v->dtype);
  if (v->rank > OQ_MAX_RANK || !oq_ort_bytes(&size, v->dtype, v->dim, v->rank))
    return oq_rt_fail(err, OQ_E_ARGUMENT, "runtime.argument",
                      "input %zu has no valid shape", i);
  if (size != v->size || (size > 0 && v->data == NULL))
    return oq_rt_fail(err, OQ_E_ARGUMENT, "runtime.argument",
                      "input %zu has %zu bytes, expected %zu", i, v->size,
                      size);
  return OQ_OK;
}

static oq_status check_set(const feed_set *set, oq_rt_error *err) {
  if (set->s == NULL || set->feed == NULL ||
      (set->feed->n > 0 && set->feed->views == NULL))
    return oq_rt_fail(err, OQ_E_ARGUMENT, "runtime.argument",
                      "no session of this onnxruntime, or no inputs");
  if (set->feed->names == NULL && set->feed->n > set->s->pub.n_inputs)
    return oq_rt_fail(err, OQ_E_DATA, "runtime.run",
                      "%zu inputs for '%s', which has %zu", set->feed->n,
                      set->s->model, set->s->pub.n_inputs);
  for (size_t i = 0; i < set->feed->n; i++)
    TRY(check_view(&set->feed->views[i], i, err));
  return OQ_OK;
}

static oq_status too_big(const oq_rt *rt, uint64_t bytes, const char *what,
                         oq_rt_error *err) {
  return oq_rt_fail(err, OQ_E_LIMIT, "runtime.limit",
                    "the %s of a run need %llu bytes, more than the limit of "
                    "%llu",
                    what, (unsigned long long)bytes,
                    (unsigned long long)rt->max_bytes);
}

/* A region for at least `need` bytes in place of *r, which stays as it is on
 * failure.  A quarter on top saves doing it again for slightly larger data. */
static oq_status grow(oq_rt *rt, oq_region *r, uint64_t need, const char *what,
                      oq_rt_error *err) {
  oq_region made = OQ_REGION_INIT;
  uint64_t size = need + need / 4;
  int e;

  if (need > rt->max_bytes) return too_big(rt, need, what, err);
  if (size > rt->max_bytes) size = rt->max_bytes;
  size = (size + 0xffff) / 0x10000 * 0x10000;
  e = oq_region_make(&made, (size_t)size);
  if (e != 0)
    return oq_rt_fail(err, OQ_E_MEMORY, "runtime.memory",
                      "no %llu bytes of shared memory for the %s of a run: %s",
                      (unsigned long long)size, what, strerror(e));
  oq_region_drop(r);
  *r = made;
  return OQ_OK;
}

static oq_status send_region(oq_rt *rt, uint32_t which, const oq_region *r,
                             oq_rt_error *err) {
  oq_msg m = {0};
  oq_status s;

  oq_msg_u32(&m, which);
  oq_msg_u64(&m, r->size);
  s = oq_child_send(&rt->child, OQ_REQ_REGION, &m, r->fd, err);
  oq_msg_free(&m);
  return s;
}

/* Bytes that the sets take in the region. */
static oq_status layout(oq_rt *rt, const feed_set *sets, size_t n_sets,
                        size_t *total, oq_rt_error *err) {
  size_t at = 0;

  for (size_t k = 0; k < n_sets; k++) {
    TRY(check_set(&sets[k], err));
    for (size_t i = 0; i < sets[k].feed->n; i++) {
      const size_t size = sets[k].feed->views[i].size;

      if (size > SIZE_MAX - at) return too_big(rt, UINT64_MAX, "inputs", err);
      at += size;
      if (!oq_region_align(&at)) return too_big(rt, at, "inputs", err);
    }
  }
  *total = at;
  return OQ_OK;
}

static void put_set(oq_rt *rt, const feed_set *set, size_t *at) {
  oq_msg *m = &rt->send;

  oq_msg_u32(m, set->s->id);
  oq_msg_u32(m, (uint32_t)set->feed->n);
  for (size_t i = 0; i < set->feed->n; i++) {
    const oq_tensor_view *v = &set->feed->views[i];

    oq_msg_str(m, set->feed->names != NULL ? set->feed->names[i]
                                           : set->s->pub.inputs[i].name);
    oq_msg_u32(m, (uint32_t)v->dtype);
    oq_msg_u32(m, v->rank);
    for (uint32_t d = 0; d < v->rank; d++) oq_msg_i64(m, v->dim[d]);
    oq_msg_u64(m, *at);
    if (v->size > 0) memcpy(rt->in.base + *at, v->data, v->size);
    *at += v->size;
    (void)oq_region_align(at); /* checked by layout */
  }
}

/* Puts the tensors where the child sees them and appends their description to
 * rt->send. */
static oq_status stage(oq_rt *rt, const feed_set *sets, size_t n_sets,
                       oq_rt_error *err) {
  size_t total = 0, at = 0;

  TRY(layout(rt, sets, n_sets, &total, err));
  if (total > rt->in.size) {
    oq_status s;

    TRY(grow(rt, &rt->in, total, "inputs", err));
    s = send_region(rt, OQ_REGION_IN, &rt->in, err);
    if (s != OQ_OK) oq_region_drop(&rt->in);
    TRY(s);
  }
  for (size_t k = 0; k < n_sets; k++) put_set(rt, &sets[k], &at);
  return OQ_OK;
}

/* ---- running ------------------------------------------------------------ */
static bool take_output(oq_cut *c, const oq_region *r, oq_tensor_view *v) {
  uint64_t at;

  *v = (oq_tensor_view){0};
  v->dtype = (int32_t)oq_cut_u32(c);
  v->rank = oq_cut_u32(c);
  if (v->rank > OQ_MAX_RANK) return false;
  for (uint32_t i = 0; i < v->rank; i++) v->dim[i] = oq_cut_i64(c);
  at = oq_cut_u64(c);
  if (c->bad || !oq_ort_bytes(&v->size, v->dtype, v->dim, v->rank))
    return false;
  if (at % OQ_REGION_ALIGN != 0 || at > r->size || v->size > r->size - at)
    return false;
  v->data = v->size > 0 ? r->base + at : (const void *)"";
  return true;
}

static oq_status take_outputs(oq_rt *rt, size_t expected, oq_rt_error *err) {
  oq_cut c = oq_cut_of(&rt->answer);
  const uint32_t n = oq_cut_count(&c, 16);
  oq_tensor_view *views = calloc((size_t)n + 1, sizeof *views);
  bool good = !c.bad && n == expected;

  if (views == NULL) return oq_rt_no_memory(err);
  for (uint32_t i = 0; i < n && good; i++)
    good = take_output(&c, &rt->out, &views[i]);
  if (!good || !oq_cut_done(&c)) {
    free(views);
    return oq_child_nonsense(&rt->child, "outputs", err);
  }
  free(rt->views);
  rt->views = views;
  return OQ_OK;
}

/* The child has outputs of `need` bytes and nowhere to put them. */
static oq_status give_room(oq_rt *rt, oq_rt_error *err) {
  oq_cut c = oq_cut_of(&rt->answer);
  const uint64_t need = oq_cut_u64(&c);
  const oq_msg nothing = {0};
  uint32_t type = 0;
  oq_status s;

  if (!oq_cut_done(&c) || need <= rt->out.size)
    return oq_child_nonsense(&rt->child, "size of outputs", err);
  s = grow(rt, &rt->out, need, "outputs", err);
  if (s == OQ_OK) return send_region(rt, OQ_REGION_OUT, &rt->out, err);
  /* It answers the refusal with an error of its own; ours says more. */
  if (oq_child_send(&rt->child, OQ_REQ_REFUSE, &nothing, -1, NULL) == OQ_OK)
    (void)oq_child_receive(&rt->child, &type, &rt->answer, NULL);
  return s;
}

static oq_status run(oq_rt *rt, oq_rt_error *err) {
  uint32_t type = 0;

  TRY(oq_child_send(&rt->child, OQ_REQ_RUN, &rt->send, -1, err));
  TRY(oq_child_receive(&rt->child, &type, &rt->answer, err));
  if (type == OQ_RES_NEED) {
    TRY(give_room(rt, err));
    TRY(oq_child_receive(&rt->child, &type, &rt->answer, err));
  }
  if (type != OQ_RES_OK)
    return oq_child_nonsense(&rt->child, "kind of answer", err);
  return OQ_OK;
}

oq_status oq_rt_run(const oq_tensor_view **outputs, size_t *n_outputs,
                    oq_rt *rt, const oq_rt_session *s, const oq_rt_feed *feed,
                    const char *const *wanted, size_t n_wanted,
                    oq_rt_error *err) {
  const feed_set set = {find_session(rt, s), feed};
  const size_t n = wanted != NULL || set.s == NULL ? n_wanted : s->n_outputs;

  oq_child_begin(&rt->child, "running '%s'",
                 set.s != NULL ? set.s->model : "?");
  oq_msg_clear(&rt->send);
  TRY(stage(rt, &set, 1, err));
  oq_msg_u32(&rt->send, (uint32_t)n);
  for (size_t i = 0; i < n; i++)
    oq_msg_str(&rt->send, wanted != NULL ? wanted[i] : s->outputs[i].name);
  TRY(run(rt, err));
  TRY(take_outputs(rt, n, err));
  *outputs = rt->views;
  *n_outputs = n;
  return OQ_OK;
}

/* ---- timing ------------------------------------------------------------- */
static oq_status take_times(oq_rt *rt, double *const ms[2], size_t n_sets,
                            uint32_t repeat, oq_rt_error *err) {
  oq_cut c = oq_cut_of(&rt->answer);
  const oq_cut start = c;

  for (size_t i = 0; i < n_sets * repeat; i++) {
    const double t = oq_cut_f64(&c);

    if (!isfinite(t) || t < 0) c.bad = true;
  }
  if (!oq_cut_done(&c)) return oq_child_nonsense(&rt->child, "times", err);
  c = start;
  for (uint32_t i = 0; i < repeat; i++)
    for (size_t k = 0; k < n_sets; k++) ms[k][i] = oq_cut_f64(&c);
  return OQ_OK;
}

/* How often the child is to give a sign of life between runs: rarely, so as not
 * to disturb what it measures, but in time. */
static uint32_t tick_ms(const oq_rt *rt) {
  const int64_t timeout = rt->child.timeout_ms;

  return timeout <= 0 || timeout > 4000 ? 1000 : (uint32_t)timeout / 4;
}

static oq_status time_sets(oq_rt *rt, double *const ms[2], const feed_set *sets,
                           size_t n_sets, uint32_t warmup, uint32_t repeat,
                           oq_rt_error *err) {
  if (repeat == 0 || repeat > MAX_RUNS || warmup > MAX_RUNS)
    return oq_rt_fail(err, OQ_E_ARGUMENT, "runtime.argument",
                      "between 1 and %u timed runs are possible", MAX_RUNS);
  oq_child_begin(&rt->child, "timing '%s'",
                 sets[0].s != NULL ? sets[0].s->model : "?");
  rt->child.ticks = ((uint64_t)warmup + repeat) * n_sets;
  oq_msg_clear(&rt->send);
  oq_msg_u32(&rt->send, (uint32_t)n_sets);
  oq_msg_u32(&rt->send, warmup);
  oq_msg_u32(&rt->send, repeat);
  oq_msg_u32(&rt->send, tick_ms(rt));
  TRY(stage(rt, sets, n_sets, err));
  TRY(ask(rt, OQ_REQ_TIME, err));
  return take_times(rt, ms, n_sets, repeat, err);
}

oq_status oq_rt_time(double *ms, oq_rt *rt, const oq_rt_session *s,
                     const oq_rt_feed *feed, uint32_t warmup, uint32_t repeat,
                     oq_rt_error *err) {
  const feed_set set = {find_session(rt, s), feed};
  double *const to[2] = {ms, NULL};

  return time_sets(rt, to, &set, 1, warmup, repeat, err);
}

oq_status oq_rt_time_pair(double *ms_a, double *ms_b, oq_rt *rt,
                          const oq_rt_session *a, const oq_rt_feed *feed_a,
                          const oq_rt_session *b, const oq_rt_feed *feed_b,
                          uint32_t warmup, uint32_t repeat, oq_rt_error *err) {
  const feed_set sets[2] = {{find_session(rt, a), feed_a},
                            {find_session(rt, b), feed_b}};
  double *const to[2] = {ms_a, ms_b};

  return time_sets(rt, to, sets, 2, warmup, repeat, err);
}

/* ---- census ------------------------------------------------------------- */
typedef struct census {
  oq_rt_census pub;
  oq_msg answer; /* holds the strings */
  oq_rt_op_count *ops;
  oq_rt_kernel *kernels;
} census;

static void count_kind(oq_rt_census *t, oq_rt_kind kind) {
  if (kind == OQ_RT_INT8) t->n_int8++;
  if (kind == OQ_RT_FLOAT) t->n_float++;
  if (kind == OQ_RT_WEIGHT_ONLY) t->n_weight_only++;
}

static void take_kernel(oq_cut *c, oq_rt_kernel *k) {
  const uint32_t kind = oq_cut_u32(c);

  if (kind < OQ_RT_INT8 || kind > OQ_RT_WEIGHT_ONLY) c->bad = true;
  k->kind = c->bad ? OQ_RT_OTHER : (oq_rt_kind)kind;
  k->domain = oq_cut_str(c);
  k->op = oq_cut_str(c);
  k->name = oq_cut_str(c);
  k->output = oq_cut_str(c);
  k->scope = oq_cut_str(c);
}

static oq_status take_census(oq_rt *rt, census *t, oq_rt_error *err) {
  oq_cut c = oq_cut_of(&rt->answer);
  uint32_t n_ops, n_kernels;

  n_ops = oq_cut_count(&c, 10);
  t->ops = calloc((size_t)n_ops + 1, sizeof *t->ops);
  if (t->ops == NULL) return oq_rt_no_memory(err);
  for (uint32_t i = 0; i < n_ops; i++) {
    t->ops[i].domain = oq_cut_str(&c);
    t->ops[i].op = oq_cut_str(&c);
    t->ops[i].count = oq_cut_u64(&c);
    t->pub.nodes += t->ops[i].count;
  }
  n_kernels = oq_cut_count(&c, 9);
  t->kernels = calloc((size_t)n_kernels + 1, sizeof *t->kernels);
  if (t->kernels == NULL) return oq_rt_no_memory(err);
  for (uint32_t i = 0; i < n_kernels; i++) {
    take_kernel(&c, &t->kernels[i]);
    count_kind(&t->pub, t->kernels[i].kind);
  }
  if (!oq_cut_done(&c)) return oq_child_nonsense(&rt->child, "census", err);
  t->pub.ops = t->ops;
  t->pub.n_ops = n_ops;
  t->pub.kernels = t->kernels;
  t->pub.n_kernels = n_kernels;
  t->answer = rt->answer;
  rt->answer = (oq_msg){0};
  return OQ_OK;
}

oq_status oq_rt_take_census(oq_rt_census **out, oq_rt *rt, const char *model,
                            const oq_rt_load_options *opt, oq_rt_error *err) {
  const oq_rt_load_options usual = OQ_RT_LOAD_OPTIONS_INIT;
  census *t;
  oq_status s;

  if (opt != NULL && opt->optimized_path != NULL)
    return oq_rt_fail(err, OQ_E_ARGUMENT, "runtime.argument",
                      "a census keeps no optimised model");
  TRY(put_load(rt, model, opt == NULL ? &usual : opt, err));
  oq_child_begin(&rt->child, "counting the kernels of '%s'", model);
  TRY(ask(rt, OQ_REQ_CENSUS, err));
  t = calloc(1, sizeof *t);
  if (t == NULL) return oq_rt_no_memory(err);
  s = take_census(rt, t, err);
  if (s != OQ_OK) {
    oq_rt_census_destroy(&t->pub);
    return s;
  }
  *out = &t->pub;
  return OQ_OK;
}

void oq_rt_census_destroy(oq_rt_census *c) {
  census *t = (census *)(void *)c; /* its first member */

  if (t == NULL) return;
  oq_msg_free(&t->answer);
  free(t->ops);
  free(t->kernels);
  free(t);
}
