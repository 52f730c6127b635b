#include "quant/case.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "onnx/codec.h"

static void wrong(const test_case *c, const char *what, const char *which) {
  (void)fprintf(stderr, "%s: %s '%s'\n", c->name, what, which);
  fail();
}

/* ---- hints ------------------------------------------------------------- */
static void read_hints(test_case *c) {
  for (char *p = c->hints, *next; p != NULL; p = next) {
    next = strchr(p, '\n');
    if (next != NULL) *next++ = '\0';
    if (strncmp(p, "#!", 2) != 0) continue;
    if (c->n_lines == CASE_LINES) wrong(c, "too many lines", p);
    case_line *const l = &c->line[c->n_lines++];
    for (char *w = strtok(p + 2, " \t"); w != NULL; w = strtok(NULL, " \t")) {
      if (l->n == CASE_WORDS) wrong(c, "too many words", w);
      l->word[l->n++] = w;
    }
    if (l->n == 0) wrong(c, "an empty line", "#!");
  }
}

const case_line *case_next(const test_case *c, const char *key,
                           const case_line *from) {
  const case_line *l = from != NULL ? from + 1 : c->line;

  for (; l < c->line + c->n_lines; l++)
    if (strcmp(l->word[0], key) == 0) return l;
  return NULL;
}

static int64_t number_of(const test_case *c, const char *key, int64_t other) {
  const case_line *const l = case_next(c, key, NULL);

  return l == NULL ? other : strtoll(l->word[1], NULL, 10);
}

static void read_option(test_case *c, const case_line *l) {
  const char *const key = l->word[1];
  const char *const *const words = (const char *const *)&l->word[2];
  const char *const first = l->n > 2 ? l->word[2] : "1";
  const int number = (int)strtol(first, NULL, 10);
  oq_quantize_options *const o = &c->options;

  if (strcmp(key, "exclude") == 0)
    o->exclude = words;
  else if (strcmp(key, "exclude_op") == 0)
    o->exclude_op = words;
  else if (strcmp(key, "only") == 0)
    o->only = words;
  else if (strcmp(key, "only_op") == 0)
    o->only_op = words;
  else if (strcmp(key, "keep_first") == 0)
    o->keep_first = (uint32_t)number;
  else if (strcmp(key, "keep_last") == 0)
    o->keep_last = (uint32_t)number;
  else if (strcmp(key, "per_tensor") == 0)
    o->per_tensor = number;
  else if (strcmp(key, "allow_partial") == 0)
    o->allow_partial = number;
  else if (strcmp(key, "keep_biases") == 0)
    o->keep_biases = number;
  else if (strcmp(key, "method") == 0)
    o->method = first;
  else if (strcmp(key, "activation") == 0)
    o->activation_type = strcmp(first, "int8") == 0 ? OQ_DT_I8 : OQ_DT_U8;
  else if (strcmp(key, "skip") == 0)
    c->skip = words;
  else
    wrong(c, "no such option", key);
}

/* ---- the model --------------------------------------------------------- */
static void read_inputs(test_case *c) {
  const oq_graph *const g = c->model.b.ir->main;

  for (uint32_t i = 0; i < g->n_inputs; i++) {
    const oq_type *const t = oq_graph_value(g, g->inputs[i])->type;
    case_input *const in = &c->input[c->n_inputs++];

    if (c->n_inputs > CASE_INPUTS) wrong(c, "too many inputs", "");
    in->lo = c->model.lo[i];
    in->hi = c->model.hi[i];
    in->dtype = (int32_t)t->dtype;
    in->rank = t->rank;
    for (uint32_t d = 0; d < t->rank; d++)
      in->dim[d] = t->dim[d].size < 0 ? c->open_size : t->dim[d].size;
  }
}

static void list_constants(test_case *c) {
  oq_graph *const g = c->model.b.ir->main;
  oq_value_id all[64];
  uint32_t n = 0;

  for (; n < g->n_inputs; n++) all[n] = g->inputs[n];
  for (uint32_t v = 0; v < g->n_values; v++) {
    if (g->values[v].kind != OQ_VALUE_CONST) continue;
    if (n == 64) wrong(c, "too many constants", "");
    g->values[v].also_input = true;
    g->values[v].type = g->values[v].konst->type;
    all[n++] = (oq_value_id){v};
  }
  assert_int_equal(oq_graph_set_inputs(g, all, n), OQ_OK);
}

static void change_model(test_case *c) {
  oq_model_ir *const m = c->model.b.ir;

  if (case_next(c, "listed", NULL) != NULL) list_constants(c);
  if (case_next(c, "no_opset", NULL) != NULL) m->n_opsets = 0;
  if (case_next(c, "unnamed", NULL) != NULL)
    for (uint32_t i = 0; i < m->main->n_nodes; i++)
      m->main->nodes[i].name = (oq_name){0};
}

static char *slurp(const test_case *c, const char *path) {
  FILE *const f = fopen(path, "rb");
  char *const text = calloc(1, 1 << 16);

  if (f == NULL || text == NULL) wrong(c, "cannot be read", path);
  const size_t n = fread(text, 1, (1 << 16) - 1, f);
  (void)fclose(f);
  if (n == (1 << 16) - 1) wrong(c, "too long", path);
  return text;
}

void case_open(test_case *c, const char *folder, const char *name) {
  static const oq_quantize_options none = OQ_QUANTIZE_OPTIONS_INIT;
  char path[1024];

  memset(c, 0, sizeof *c);
  c->name = name;
  c->options = none;
  (void)snprintf(path, sizeof path, "%s/%s.case", folder, name);
  c->text = slurp(c, path);
  c->hints = slurp(c, path);
  read_hints(c);
  c->samples = (uint64_t)number_of(c, "samples", 4);
  c->open_size = number_of(c, "open", 3);
  c->nan_sample = number_of(c, "nan", -1);
  for (const case_line *l = NULL; (l = case_next(c, "option", l)) != NULL;)
    read_option(c, l);
  assert_true(test_env_open(&c->env, NULL));
  model_text_read(&c->model, c->text, &c->env.e);
  if (c->model.error[0] != '\0') {
    test_env_show(&c->env);
    wrong(c, "model", c->model.error);
  }
  read_inputs(c);
  change_model(c);
}

void case_close(test_case *c) {
  model_text_close(&c->model);
  test_env_close(&c->env);
  free(c->text);
  free(c->hints);
}

typedef struct bytes {
  uint8_t *p;
  size_t n;
} bytes;

static oq_status append(void *user, const void *p, size_t n) {
  bytes *const b = user;
  uint8_t *const more = realloc(b->p, b->n + n + 1);

  if (more == NULL) return OQ_E_MEMORY;
  memcpy(more + b->n, p, n);
  *b = (bytes){more, b->n + n};
  return OQ_OK;
}

void *case_bytes(test_case *c, size_t *size) {
  bytes b = {NULL, 0};
  oq_sink *to;

  assert_int_equal(
      oq_sink_open_call(&to, append, &b, c->env.e.alloc, c->env.e.diags),
      OQ_OK);
  assert_int_equal(oq_onnx_encode(c->model.b.ir, to, &c->env.e), OQ_OK);
  assert_int_equal(oq_sink_commit(to), OQ_OK);
  oq_sink_close(to);
  *size = b.n;
  return b.p;
}

/* ---- samples ----------------------------------------------------------- */
/* Channels (axis 1) are not alike: each has a mean and a spread of its own. */
static double draw(const case_input *in, uint64_t seed, uint64_t element,
                   uint64_t channel) {
  const double u = oq_rng_uniform(seed, element);
  const double spread = 0.2 + 0.8 * oq_rng_uniform(77, channel);
  const double shift = (1 - spread) * oq_rng_uniform(78, channel);

  return in->lo + (in->hi - in->lo) * (shift + spread * u);
}

static size_t count_of(const case_input *in) {
  size_t n = 1;

  for (uint32_t d = 0; d < in->rank; d++) n *= (size_t)in->dim[d];
  return n;
}

static size_t element_size(const test_case *c, const case_input *in) {
  switch (in->dtype) {
    case OQ_DT_F32:
    case OQ_DT_I32:
      return 4;
    case OQ_DT_I64:
    case OQ_DT_F64:
      return 8;
    case OQ_DT_BOOL:
      return 1;
    default:
      wrong(c, "no samples of this type", oq_dtype_text(in->dtype));
  }
  return 0;
}

static void fill(const case_input *in, void *to, uint64_t seed) {
  const size_t n = count_of(in);
  size_t inner = 1;

  for (uint32_t d = 2; d < in->rank; d++) inner *= (size_t)in->dim[d];
  for (size_t i = 0; i < n; i++) {
    const uint64_t channel =
        in->rank > 1 ? i / inner % (uint64_t)in->dim[1] : 0;
    const double v = draw(in, seed, i, channel);

    if (in->dtype == OQ_DT_F32)
      ((float *)to)[i] = (float)v;
    else if (in->dtype == OQ_DT_F64)
      ((double *)to)[i] = v;
    else if (in->dtype == OQ_DT_I32)
      ((int32_t *)to)[i] = (int32_t)floor(v);
    else if (in->dtype == OQ_DT_I64)
      ((int64_t *)to)[i] = (int64_t)floor(v);
    else
      ((bool *)to)[i] =
          in->lo + (in->hi - in->lo) * oq_rng_uniform(seed, i + 7) >= 0.5;
  }
}

static oq_status read_sample(void *user, uint64_t index, oq_tensor_view *inputs,
                             size_t n, void **handle) {
  const case_source *const s = user;
  const test_case *const c = s->c;
  uint64_t which = index * s->stride % c->samples + s->first;
  size_t total = 0, at = 0;

  if (n != c->n_inputs) return OQ_E_DATA;
  for (size_t i = 0; i < n; i++)
    total += count_of(&c->input[i]) * element_size(c, &c->input[i]) + 64;
  uint8_t *const block = malloc(total);
  if (block == NULL) return OQ_E_MEMORY;
  for (size_t i = 0; i < n; i++) {
    const case_input *const in = &c->input[i];
    oq_tensor_view *const v = &inputs[i];

    *v = (oq_tensor_view){.dtype = in->dtype, .rank = in->rank};
    memcpy(v->dim, in->dim, sizeof v->dim);
    v->size = count_of(in) * element_size(c, in);
    v->data = block + at;
    fill(in, block + at, which * 100 + i);
    if ((int64_t)which == c->nan_sample && in->dtype == OQ_DT_F32)
      ((float *)(void *)(block + at))[0] = NAN;
    at += (v->size + 63) / 64 * 64;
  }
  *handle = block;
  return OQ_OK;
}

static void release_sample(void *user, void *handle) {
  (void)user;
  free(handle);
}

static uint64_t digest_sample(void *user, uint64_t index) {
  const case_source *const s = user;

  return index * s->stride % s->c->samples + s->first + 1000;
}

oq_source case_samples(case_source *s, uint64_t count) {
  return (oq_source){.count = count,
                     .read = read_sample,
                     .release = release_sample,
                     .user = s,
                     .digest = digest_sample};
}
