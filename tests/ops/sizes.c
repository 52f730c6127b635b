/* ops/sizes.c - what is said of shapes before a run against the shapes of the
 * run, on the official ONNX cases.
 *
 *   sizes FOLDER
 *
 * FOLDER holds KIND/CASE/model.onnx with test_data_set_0/input_N.pb.  The sizes
 * of the inputs are replaced by names: one each, or one for all that are equal;
 * small integer inputs are fed, or made constants.  Every size that is claimed
 * for any value, as a number or as an expression, must be that of the run. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/api.h"
#include "onnx/codec.h"
#include "support/size_text.h"

#define SKIPPED 77
enum { MAX_PORTS = 64, MAX_SIZES = 256, MOST_CONST = 16 };

enum { SHARED = 1, CONSTANT = 2, MODES = 4 };

typedef struct counts {
  unsigned cases, values, numbers, expressions, open, wrong;
} counts;

typedef struct checker {
  counts *n;
  const char *id;
  unsigned mode;
  oq_model *m;
  const oq_type **types;
  int64_t size[MAX_SIZES]; /* of the symbol "s<i>" */
  uint32_t n_sizes;
} checker;

/* ---- names for sizes ----------------------------------------------------- */
static oq_name name_of(checker *c, int64_t size) {
  uint32_t i = 0;
  char text[16];
  oq_name y = {0};

  while (i < c->n_sizes && ((c->mode & SHARED) == 0 || c->size[i] != size)) i++;
  if (i == MAX_SIZES) return y;
  if (i == c->n_sizes) c->size[c->n_sizes++] = size;
  (void)snprintf(text, sizeof text, "s%u", i);
  if (oq_names_add_text(c->m->ir->names, &y, text) != OQ_OK) exit(2);
  return y;
}

static bool find_size(int64_t *out, void *user, const char *name, size_t n) {
  const checker *const c = user;
  const unsigned long i = strtoul(name + 1, NULL, 10);

  if (n < 2 || name[0] != 's' || i >= c->n_sizes) return false;
  *out = c->size[i];
  return true;
}

/* A size of 1 is what broadcasting and squeezing look at, and 0 is never meant
 * by a name: both stay numbers. */
static void name_sizes(checker *c, oq_value_id v, const oq_ctensor *t) {
  const oq_type *const made =
      oq_type_make(c->m->ir->arena, t->dtype, t->shape.dim, t->shape.rank);
  oq_type *const y =
      made == NULL ? NULL : OQ_COPY_N(c->m->ir->arena, oq_type, made, 1);

  if (y == NULL) exit(2);
  for (uint32_t d = 0; d < y->rank; d++) {
    if (y->dim[d].size < 2) continue;
    const oq_name name = name_of(c, y->dim[d].size);
    if (name.i == 0) continue;
    y->dim[d] = (oq_dim){.size = OQ_DIM_UNKNOWN, .symbol = name};
  }
  oq_edit_set_type(c->m->ir->main, v, y);
}

static void make_constant(oq_graph *g, oq_value_id v, const oq_ctensor *t) {
  oq_value_id k;

  if (oq_tensor_count(t) > MOST_CONST ||
      (t->dtype != OQ_DT_I64 && t->dtype != OQ_DT_I32))
    return;
  if (oq_edit_add_const(g, &k, "fixed", t) != OQ_OK ||
      oq_edit_replace_uses(g, v, k, false) != OQ_OK)
    exit(2);
}

/* ---- claims -------------------------------------------------------------- */
static void wrong(checker *c, oq_value_id v, const char *what) {
  c->n->wrong++;
  (void)printf("WRONG %s, mode %u, value '%s': %s\n", c->id, c->mode,
               oq_value_text(c->m->ir->main, v), what);
}

static void check_dim(checker *c, oq_value_id v, oq_dim d, int64_t real) {
  const char *const text = oq_names_text(c->m->ir->names, d.symbol);
  char what[256];
  int64_t said = d.size;

  if (d.size != OQ_DIM_UNKNOWN) {
    c->n->numbers++;
  } else if (d.symbol.i == 0 || !size_text_value(&said, text, find_size, c)) {
    c->n->open++; /* nothing said, or by a name of the file */
    return;
  } else {
    c->n->expressions++;
  }
  if (said == real) return;
  (void)snprintf(what, sizeof what, "%s is %lld, the run has %lld", text,
                 (long long)said, (long long)real);
  wrong(c, v, what);
}

static oq_status on_value(void *user, const oq_graph *g, oq_value_id v,
                          const oq_ctensor *t) {
  checker *const c = user;
  const oq_type *const said = g == c->m->ir->main ? c->types[v.i] : NULL;

  if (said == NULL || said->kind != OQ_TYPE_TENSOR) return OQ_OK;
  c->n->values++;
  if (said->dtype != OQ_DT_NONE && said->dtype != t->dtype)
    wrong(c, v, "the element type");
  if (!said->has_rank) return OQ_OK;
  if (said->rank != t->shape.rank) {
    wrong(c, v, "the rank");
    return OQ_OK;
  }
  for (uint32_t d = 0; d < said->rank; d++)
    check_dim(c, v, said->dim[d], t->shape.dim[d]);
  return OQ_OK;
}

/* ---- cases --------------------------------------------------------------- */
static bool load_inputs(oq_ctensor *in, oq_model *m, const char *folder) {
  for (uint32_t i = 0; i < m->n_feeds; i++) {
    const oq_type *const t = oq_graph_value(m->ir->main, m->feeds[i])->type;
    char path[900];
    oq_store *file;
    size_t n;

    if (t == NULL || t->kind != OQ_TYPE_TENSOR) return false;
    (void)snprintf(path, sizeof path, "%s/test_data_set_0/input_%u.pb", folder,
                   i);
    if (oq_store_map(&file, path, UINT64_MAX, &m->cx->alloc, m->cx->diags) !=
        OQ_OK)
      return false;
    const uint8_t *const data = oq_store_data(file, &n);
    void *const bytes = oq_arena_copy(m->cx->scratch, data, n, OQ_ALIGN);
    oq_store_unref(file);
    if (bytes == NULL ||
        oq_onnx_decode_tensor(&in[i], NULL, bytes, n, m->cx->scratch,
                              &m->cx->env) != OQ_OK)
      return false;
  }
  return true;
}

/* Cases that the engine does not run are not ours to judge. */
static void run(checker *c, const oq_ctensor *in) {
  const oq_env *const e = &c->m->cx->env;
  const oq_tap tap = {.on_value = on_value, .user = c};
  oq_plan *p = NULL;
  oq_session *s = NULL;

  if (oq_plan_create(&p, c->m->ir->main, NULL, e) == OQ_OK &&
      oq_session_create(&s, p, e) == OQ_OK &&
      oq_session_run(s, in, c->m->n_feeds, &tap, e) == OQ_OK)
    c->n->cases++;
  oq_session_destroy(s);
  oq_plan_destroy(p);
}

/* What the file says of results is no claim of ours. */
static void forget_types(oq_graph *g) {
  for (uint32_t i = 0; i < g->n_values; i++)
    if (g->values[i].kind == OQ_VALUE_RESULT)
      oq_edit_set_type(g, (oq_value_id){i}, NULL);
}

static void check_model(checker *c, const char *folder) {
  oq_graph *const g = c->m->ir->main;
  oq_ctensor in[MAX_PORTS];

  if (c->m->n_feeds > MAX_PORTS || c->m->ir->n_functions > 0 ||
      !load_inputs(in, c->m, folder))
    return;
  forget_types(g);
  for (uint32_t i = 0; i < c->m->n_feeds; i++) {
    name_sizes(c, c->m->feeds[i], &in[i]);
    if ((c->mode & CONSTANT) != 0) make_constant(g, c->m->feeds[i], &in[i]);
  }
  if (oq_infer_types(&c->types, g, c->m->arena, &c->m->cx->env) != OQ_OK) {
    c->n->wrong++;
    (void)printf("FAIL %s: %s\n", c->id, oq_context_diag(c->m->cx, 0)->text);
    return;
  }
  run(c, in);
}

static void check_case(counts *n, const char *id, const char *folder,
                       unsigned mode) {
  checker c = {.n = n, .id = id, .mode = mode};
  oq_config cfg = OQ_CONFIG_INIT;
  char path[800];
  oq_context *cx;

  cfg.threads = 1;
  (void)snprintf(path, sizeof path, "%s/model.onnx", folder);
  if (oq_context_create(&cx, &cfg) != OQ_OK) exit(2);
  if (oq_model_load_file(&c.m, cx, path) == OQ_OK) {
    check_model(&c, folder);
    oq_model_destroy(c.m);
  }
  oq_context_destroy(cx);
}

static int no_dots(const struct dirent *e) { return e->d_name[0] != '.'; }

static void check_kind(counts *n, const char *root, const char *kind) {
  struct dirent **entry;
  char folder[700], path[320];

  (void)snprintf(path, sizeof path, "%s/%s", root, kind);
  const int all = scandir(path, &entry, no_dots, alphasort);
  for (int i = 0; i < all; i++) {
    (void)snprintf(folder, sizeof folder, "%s/%.300s", path, entry[i]->d_name);
    for (unsigned mode = 0; mode < MODES; mode++)
      check_case(n, entry[i]->d_name, folder, mode);
    free(entry[i]);
  }
  if (all >= 0) free(entry);
}

int main(int argc, char **argv) {
  static const char *const kinds[] = {"node", "simple", "pytorch-operator",
                                      "pytorch-converted"};
  struct stat st;
  counts n = {0};

  if (argc != 2) {
    (void)fprintf(stderr, "usage: sizes FOLDER\n");
    return 2;
  }
  if (stat(argv[1], &st) != 0) {
    (void)printf("skipped: no ONNX cases at '%s'\n", argv[1]);
    return SKIPPED;
  }
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    check_kind(&n, argv[1], kinds[i]);
  (void)printf(
      "%u runs, %u values; sizes: %u numbers, %u expressions, %u open; %u "
      "wrong\n",
      n.cases, n.values, n.numbers, n.expressions, n.open, n.wrong);
  return n.wrong > 0 || n.expressions == 0;
}
