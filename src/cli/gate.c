/* gate.c - limits that turn a result into yes or no. */
#include "cli/gate.h"

#include <math.h>
#include <string.h>

#include "cli/json.h"

#define AT(field) offsetof(oq_gate_options, field)
#define MIN_SQNR                                                      \
  {                                                                   \
    "min-sqnr", 0, OQ_OPT_REAL, AT(min_sqnr), "DB",                   \
        "least signal to quantization noise of any output", -300, 300 \
  }
#define MIN_COSINE                                     \
  {                                                    \
    "min-cosine", 0, OQ_OPT_REAL, AT(min_cosine), "C", \
        "+least cosine of any output", -1, 1           \
  }
#define MIN_AGREEMENT                                             \
  {                                                               \
    "min-agreement", 0, OQ_OPT_REAL, AT(min_agreement), "PCT",    \
        "least share of samples with the same best class", 0, 100 \
  }
#define MAX_DROP                                                      \
  {                                                                   \
    "max-drop", 0, OQ_OPT_REAL, AT(max_drop), "P",                    \
        "most points of top-1 accuracy lost; needs labels", -100, 100 \
  }
#define MAX_SIZE                                                \
  {                                                             \
    "max-size-ratio", 0, OQ_OPT_REAL, AT(max_size_ratio), "R",  \
        "+most size of the file, relative to the first", 0, 1e6 \
  }

const oq_opt oq_gate_compare_rows[] = {
    MIN_SQNR,
    MIN_COSINE,
    MIN_AGREEMENT,
    MAX_DROP,
    {"max-latency-ratio", 0, OQ_OPT_REAL, AT(max_latency_ratio), "R",
     "most time of a run of B, relative to A", 0, 1e6},
    MAX_SIZE,
    {0},
};

const oq_opt oq_gate_quantize_rows[] = {
    MIN_SQNR,
    MIN_AGREEMENT,
    MAX_DROP,
    {"require-int8", 0, OQ_OPT_REAL, AT(require_int8), "PCT",
     "least share of multiplications in int8", 0, 100},
    MIN_COSINE,
    MAX_SIZE,
    {"gate", 0, OQ_OPT_LIST, AT(gate), "NAME=LIMIT",
     "+the same gates by name, e.g. --gate min-sqnr=20", 0, 0},
    {0},
};

static int take_word(oq_gate_options *g, const char *word) {
  const char *equals = strchr(word, '=');
  const char *names[16];
  char hint[80] = "--gate NAME=LIMIT, e.g. --gate min-sqnr=20";
  size_t n = 0;

  for (const oq_opt *row = oq_gate_quantize_rows; equals && row->name; row++) {
    oq_opt_real *field = (void *)((char *)g + row->at);
    double v;

    if (row->kind != OQ_OPT_REAL) continue;
    names[n++] = row->name;
    if (strlen(row->name) != (size_t)(equals - word) ||
        strncmp(row->name, word, (size_t)(equals - word)) != 0)
      continue;
    if (!oq_opt_number(&v, equals + 1) || v < row->lo || v > row->hi) break;
    *field = (oq_opt_real){true, v};
    return OQ_EXIT_DONE;
  }
  if (equals) {
    char name[64];

    (void)snprintf(name, sizeof name, "%.*s",
                   (int)(equals - word < 60 ? equals - word : 60), word);
    const char *near = oq_opt_nearest(name, names, n);
    if (near && strcmp(near, name) != 0)
      (void)snprintf(hint, sizeof hint, "did you mean '%s'?", near);
  }
  oq_term_error(hint, "'--gate %s' is not valid", word);
  return OQ_EXIT_USAGE;
}

int oq_gate_take_words(oq_gate_options *g) {
  for (size_t i = 0; i < g->gate.n; i++) OQ_DO(take_word(g, g->gate.items[i]));
  return OQ_EXIT_DONE;
}

bool oq_gate_needs_check(const oq_gate_options *g) {
  return g->min_sqnr.set || g->min_cosine.set || g->min_agreement.set ||
         g->max_drop.set || g->max_latency_ratio.set;
}

static void add(oq_gates *g, const char *name, const oq_opt_real *limit,
                double value, bool ok) {
  if (!limit->set || g->n == sizeof g->gate / sizeof *g->gate) return;
  g->gate[g->n++] = (oq_gate){name, limit->value, value, ok};
}

/* Comparisons with NAN are false, so it fails either way. */
void oq_gate_at_least(oq_gates *g, const char *name, const oq_opt_real *limit,
                      double value) {
  add(g, name, limit, value, value >= limit->value);
}

void oq_gate_at_most(oq_gates *g, const char *name, const oq_opt_real *limit,
                     double value) {
  add(g, name, limit, value, value <= limit->value);
}

void oq_gate_check(oq_gates *g, const oq_gate_options *o, const oq_check *c) {
  oq_gate_at_least(g, "min-sqnr", &o->min_sqnr, c->sqnr_db);
  oq_gate_at_least(g, "min-cosine", &o->min_cosine, c->cosine);
  oq_gate_at_least(g, "min-agreement", &o->min_agreement, c->top1_agreement);
  oq_gate_at_most(g, "max-drop", &o->max_drop, c->top1[0] - c->top1[1]);
}

json_t *oq_gate_json(const oq_gates *g) {
  json_t *list = json_array();

  for (size_t i = 0; i < g->n; i++) {
    json_t *j = json_object();

    oq_json_text(j, "name", g->gate[i].name);
    oq_json_real(j, "limit", g->gate[i].limit);
    oq_json_real(j, "value", g->gate[i].value);
    oq_json_bool(j, "ok", g->gate[i].ok);
    (void)json_array_append_new(list, j);
  }
  return list;
}

int oq_gate_verdict(const oq_gates *g) {
  int code = OQ_EXIT_DONE;

  for (size_t i = 0; i < g->n; i++) {
    const oq_gate *x = &g->gate[i];

    if (x->ok) continue;
    oq_term_error(NULL, "gate %s failed: %.6g, the limit is %.6g", x->name,
                  x->value, x->limit);
    code = OQ_EXIT_NO;
  }
  return code;
}
