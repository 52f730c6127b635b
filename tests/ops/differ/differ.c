/* ops/differ.c - runs the random cases of differ.py with the built-in engine.
 *
 *   differ FOLDER [--only NAME] [--threads N] [--kernels NAME] [--verbose]
 *
 * FOLDER holds packs, one per operator and version.  A pack is a row of cases;
 * a case is its id, what was drawn, four tolerances, the model, its inputs and
 * what it must give.  All numbers are little-endian: u32 for sizes and counts,
 * f64 for tolerances; texts and messages follow their size.  --only runs the
 * packs, or the one case, of that name: Add, Add-14, Add-14/7. */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/api.h"
#include "onnx/codec.h"
#include "support/close.h"

#define SKIPPED 77
enum { MAX_PORTS = 64, SHOWN = 3 };

typedef struct text {
  const char *s;
  uint32_t n;
} text;

typedef struct drawn {
  text id, what;
  double rtol, atol, range, steps;
  text model;
  uint32_t n_in, n_out;
  text in[MAX_PORTS], out[MAX_PORTS];
} drawn;

typedef struct reader {
  const uint8_t *at, *end;
  bool bad;
} reader;

typedef struct options {
  const char *folder, *only, *kernels;
  uint32_t threads;
  bool verbose;
} options;

typedef struct tally {
  unsigned cases, failed, packs;
} tally;

static void *must(void *p) {
  if (p == NULL) {
    (void)fprintf(stderr, "differ: no memory\n");
    exit(2);
  }
  return p;
}

/* ---- packs --------------------------------------------------------------- */
static const uint8_t *take(reader *r, size_t n) {
  const uint8_t *p = r->at;

  if (r->bad || (size_t)(r->end - r->at) < n) {
    r->bad = true;
    return NULL;
  }
  r->at += n;
  return p;
}

static uint32_t take_u32(reader *r) {
  const uint8_t *p = take(r, 4);

  return p == NULL ? 0
                   : (uint32_t)p[0] | (uint32_t)p[1] << 8 |
                         (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static double take_f64(reader *r) {
  const uint64_t low = take_u32(r);
  const uint64_t bits = low | (uint64_t)take_u32(r) << 32;
  double y;

  memcpy(&y, &bits, sizeof y);
  return y;
}

static text take_text(reader *r) {
  text t = {.n = take_u32(r)};

  t.s = (const char *)take(r, t.n);
  if (r->bad) t.n = 0;
  return t;
}

static uint32_t take_texts(reader *r, text *t) {
  const uint32_t n = take_u32(r);

  if (n > MAX_PORTS) r->bad = true;
  for (uint32_t i = 0; i < n && !r->bad; i++) t[i] = take_text(r);
  return r->bad ? 0 : n;
}

static bool take_case(drawn *c, reader *r) {
  if (r->at == r->end) return false;
  c->id = take_text(r);
  c->what = take_text(r);
  c->rtol = take_f64(r);
  c->atol = take_f64(r);
  c->range = take_f64(r);
  c->steps = take_f64(r);
  c->model = take_text(r);
  c->n_in = take_texts(r, c->in);
  c->n_out = take_texts(r, c->out);
  return !r->bad;
}

/* ---- values -------------------------------------------------------------- */
/* By the field of its TypeProto. */
static oq_data_kind kind_of(const oq_type *t) {
  if (t == NULL || t->kind == OQ_TYPE_TENSOR || t->raw == NULL ||
      t->raw->size == 0) {
    return OQ_DATA_TENSOR;
  }
  const uint8_t field = (uint8_t)(t->raw->bytes[0] >> 3);
  return field == 4   ? OQ_DATA_SEQUENCE
         : field == 9 ? OQ_DATA_OPTIONAL
                      : OQ_DATA_TENSOR;
}

static oq_datum datum_of(const oq_data_value *v, oq_arena *a) {
  oq_datum d = oq_datum_of(&v->tensor);

  if (v->kind == OQ_DATA_OPTIONAL) {
    const oq_datum nothing = {.kind = OQ_DATUM_NOTHING};
    return v->n_items > 0 ? datum_of(&v->item[0], a) : nothing;
  }
  if (v->kind == OQ_DATA_TENSOR) return d;
  oq_datum *item = must(OQ_NEW_N(a, oq_datum, v->n_items + 1));
  for (uint32_t i = 0; i < v->n_items; i++) item[i] = datum_of(&v->item[i], a);
  d = (oq_datum){
      .kind = OQ_DATUM_SEQUENCE, .item = item, .n_items = v->n_items};
  if (v->n_items > 0) d.t.dtype = item[0].t.dtype;
  return d;
}

static bool load(oq_datum *out, oq_model *m, text t, oq_value_id v) {
  const oq_data_kind kind = kind_of(oq_graph_value(m->ir->main, v)->type);
  oq_data_value d;
  void *bytes =
      must(oq_arena_copy(m->cx->scratch, t.s, t.n + (t.n == 0), OQ_ALIGN));

  if (oq_onnx_decode_data(&d, kind, bytes, t.n, m->cx->scratch, &m->cx->env) !=
      OQ_OK) {
    return false;
  }
  *out = datum_of(&d, m->cx->scratch);
  return true;
}

/* ---- comparison ---------------------------------------------------------- */
/* The largest finite magnitude. */
static double range_of(const oq_ctensor *t) {
  const size_t n = oq_tensor_count(t);
  double y = 0;

  for (size_t i = 0; i < n; i++) {
    const double x = fabs(oq_element_f64(t, i));
    if (isfinite(x) && x > y) y = x;
  }
  return y;
}

static bool same(char *why, size_t cap, const drawn *c, const oq_datum *got,
                 const oq_datum *want) {
  difference d;

  if (got == NULL || got->kind != want->kind || got->n_items != want->n_items) {
    (void)snprintf(why, cap, "another kind or length of value");
    return false;
  }
  for (uint32_t i = 0; i < want->n_items; i++) {
    if (!same(why, cap, c, &got->item[i], &want->item[i])) return false;
  }
  if (want->kind != OQ_DATUM_TENSOR) return true;
  const double wide = c->range > 0 ? c->range * range_of(&want->t) : 0;
  const tolerance t = {c->rtol, c->atol + wide};
  if (values_within(&d, &got->t, &want->t, t, c->steps)) return true;
  (void)snprintf(why, cap, "%s (max abs %.3g)", d.text, d.max_abs);
  return false;
}

/* ---- running ------------------------------------------------------------- */
static bool failed(char *why, size_t cap, const oq_context *cx,
                   const char *what) {
  const size_t n = oq_context_diag_count(cx);

  (void)snprintf(why, cap, "%s: %.400s", what,
                 n > 0 ? oq_context_diag(cx, n - 1)->text : "(no finding)");
  return false;
}

static bool run_session(char *why, size_t cap, const drawn *c, oq_model *m,
                        oq_session *s) {
  const oq_graph *g = m->ir->main;
  oq_datum in[MAX_PORTS], want;
  char one[700];

  if (m->n_feeds != c->n_in || g->n_outputs != c->n_out) {
    (void)snprintf(why, cap, "%u inputs, %u outputs", m->n_feeds, g->n_outputs);
    return false;
  }
  for (uint32_t i = 0; i < c->n_in; i++) {
    if (!load(&in[i], m, c->in[i], m->feeds[i])) {
      return failed(why, cap, m->cx, "input");
    }
  }
  if (oq_session_run_data(s, in, c->n_in, NULL, &m->cx->env) != OQ_OK) {
    return failed(why, cap, m->cx, "run");
  }
  for (uint32_t i = 0; i < c->n_out; i++) {
    if (!load(&want, m, c->out[i], g->outputs[i])) {
      return failed(why, cap, m->cx, "output");
    }
    if (!same(one, sizeof one, c, oq_session_datum(s, g->outputs[i]), &want)) {
      (void)snprintf(why, cap, "output %u: %s", i, one);
      return false;
    }
  }
  return true;
}

static bool run_model(char *why, size_t cap, const drawn *c, oq_model *m) {
  const oq_plan_options opt = {.untapped = true};
  oq_plan *p = NULL;
  oq_session *s = NULL;
  bool ok;

  if (oq_plan_create(&p, m->ir->main, &opt, &m->cx->env) != OQ_OK ||
      oq_session_create(&s, p, &m->cx->env) != OQ_OK) {
    ok = failed(why, cap, m->cx, "plan");
  } else {
    ok = run_session(why, cap, c, m, s);
  }
  oq_session_destroy(s);
  oq_plan_destroy(p);
  return ok;
}

static bool run_case(char *why, size_t cap, const drawn *c, const options *o) {
  oq_config cfg = OQ_CONFIG_INIT;
  oq_context *cx;
  oq_model *m;
  bool ok;

  cfg.threads = o->threads;
  cfg.kernels = o->kernels;
  if (oq_context_create(&cx, &cfg) != OQ_OK) must(NULL);
  if (oq_model_load_memory(&m, cx, c->model.s, c->model.n, NULL) != OQ_OK) {
    ok = failed(why, cap, cx, "load");
  } else {
    ok = run_model(why, cap, c, m);
    oq_model_destroy(m);
  }
  oq_context_destroy(cx);
  return ok;
}

/* ---- all packs ----------------------------------------------------------- */
static void *read_all(const char *path, size_t *n) {
  struct stat st;
  FILE *f = fopen(path, "rb");
  void *p = NULL;

  *n = 0;
  if (f != NULL && fstat(fileno(f), &st) == 0) {
    p = must(malloc((size_t)st.st_size + 1));
    *n = fread(p, 1, (size_t)st.st_size, f);
  }
  if (f != NULL) (void)fclose(f);
  return p;
}

static bool is(text t, const char *s) {
  return strlen(s) == t.n && memcmp(s, t.s, t.n) == 0;
}

static void run_pack(tally *t, const char *path, const options *o) {
  const char *one = o->only != NULL && strchr(o->only, '/') ? o->only : NULL;
  char why[900];
  size_t n;
  uint8_t *bytes = read_all(path, &n);
  reader r = {bytes, bytes + n, bytes == NULL};
  unsigned shown = 0;
  drawn c;

  t->packs++;
  while (take_case(&c, &r)) {
    if (one != NULL && !is(c.id, one)) continue;
    const bool ok = run_case(why, sizeof why, &c, o);
    t->cases++;
    if (!ok) t->failed++;
    if (ok ? o->verbose : o->verbose || shown++ < SHOWN) {
      (void)printf("%s %.*s: %s\n", ok ? "pass" : "FAIL", (int)c.id.n, c.id.s,
                   ok ? "" : why);
      if (!ok) (void)printf("  %.*s\n", (int)c.what.n, c.what.s);
    }
  }
  if (shown > SHOWN) (void)printf("  ... and %u more\n", shown - SHOWN);
  if (r.bad) {
    (void)printf("FAIL %s: is no pack\n", path);
    t->failed++;
  }
  free(bytes);
}

static int packs_only(const struct dirent *e) {
  const char *dot = strrchr(e->d_name, '.');

  return dot != NULL && strcmp(dot, ".pack") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b) {
  return strcmp((*a)->d_name, (*b)->d_name);
}

/* "Add-14/7" is of the pack "Add-14.pack"; "Add-14" are all its cases; "Add"
 * are those of all its versions. */
static bool wanted(const char *pack, const char *only) {
  const size_t n = only == NULL ? 0 : strcspn(only, "/");

  return only == NULL ||
         (strncmp(pack, only, n) == 0 && (pack[n] == '.' || pack[n] == '-'));
}

static options parse(int argc, char **argv) {
  options o = {.folder = "", .threads = 1};

  for (int i = 1; i < argc; i++) {
    const bool more = i + 1 < argc;
    if (strcmp(argv[i], "--verbose") == 0)
      o.verbose = true;
    else if (strcmp(argv[i], "--only") == 0 && more)
      o.only = argv[++i];
    else if (strcmp(argv[i], "--kernels") == 0 && more)
      o.kernels = argv[++i];
    else if (strcmp(argv[i], "--threads") == 0 && more)
      o.threads = (uint32_t)strtoul(argv[++i], NULL, 10);
    else
      o.folder = argv[i];
  }
  return o;
}

int main(int argc, char **argv) {
  const options o = parse(argc, argv);
  struct dirent **entry;
  char path[700];
  tally t = {0};

  const int n = scandir(o.folder, &entry, packs_only, by_name);
  if (n <= 0) {
    (void)printf("skipped: no cases at '%s'\n", o.folder);
    return SKIPPED;
  }
  for (int i = 0; i < n; i++) {
    (void)snprintf(path, sizeof path, "%s/%.300s", o.folder, entry[i]->d_name);
    if (wanted(entry[i]->d_name, o.only)) run_pack(&t, path, &o);
    free(entry[i]);
  }
  free(entry);
  (void)printf("%u cases in %u packs, %u failed\n", t.cases, t.packs, t.failed);
  if (t.failed > 0) {
    (void)printf(
        "repeat one: differ %s --only ID; see it: generate.py FOLDER "
        "--show ID\n",
        o.folder);
  }
  return t.failed > 0 || t.cases == 0;
}
