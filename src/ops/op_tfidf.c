/* TfIdfVectorizer: how often each of a list of n-grams is in a row of tokens,
 * which are integers or texts. */
#include <string.h>

#include "base/map.h"
#include "ops/op.h"

typedef struct tfidf_params {
  oq_i64s counts, indexes, ints;
  oq_f32s weights;
  const oq_attr *texts;
  int64_t max_length, min_length, max_skip;
  int32_t mode;
} tfidf_params;

enum { MODE_TF, MODE_IDF, MODE_TFIDF };
static const char *const modes[] = {"TF", "IDF", "TFIDF", NULL};

#define INTS(field, key, must)                                  \
  {                                                             \
    .name = (key), .kind = OQ_ATTR_I64S, .required = (must),    \
    .offset = offsetof(tfidf_params, field), .min = 1, .max = 0 \
  }
#define LENGTH(field, key, least)                            \
  {                                                          \
    .name = (key), .kind = OQ_ATTR_I64, .required = true,    \
    .offset = offsetof(tfidf_params, field), .min = (least), \
    .max = (double)INT32_MAX                                 \
  }

static const oq_attr_def attrs[] = {
    LENGTH(max_length, "max_gram_length", 1),
    LENGTH(max_skip, "max_skip_count", 0),
    LENGTH(min_length, "min_gram_length", 1),
    {.name = "mode",
     .kind = OQ_ATTR_TEXT,
     .required = true,
     .offset = offsetof(tfidf_params, mode),
     .choice = modes,
     .min = 1,
     .max = 0},
    INTS(counts, "ngram_counts", true),
    INTS(indexes, "ngram_indexes", true),
    INTS(ints, "pool_int64s", false),
    {.name = "pool_strings",
     .kind = OQ_ATTR_TEXTS,
     .offset = offsetof(tfidf_params, texts),
     .min = 1,
     .max = 0},
    OQ_A_F32S(tfidf_params, weights, "weights"),
};

/* ---- attributes ---------------------------------------------------------- */
static uint32_t pool_size(const tfidf_params *p) {
  return p->texts != NULL ? p->texts->count : p->ints.n;
}

/* Where the n-grams of `length` end in the pool. */
static int64_t pool_end(const tfidf_params *p, uint32_t length) {
  return length < p->counts.n ? p->counts.v[length] : (int64_t)pool_size(p);
}

/* The pool is cut into parts, each of n-grams of one length. */
static const char *wrong_pool(const tfidf_params *p) {
  uint64_t grams = 0;

  if ((p->texts != NULL) == p->ints.set)
    return "one of 'pool_int64s' and 'pool_strings' is expected";
  if (p->max_length < p->min_length)
    return "'max_gram_length' is less than 'min_gram_length'";
  if (p->counts.n == 0 || p->counts.v[0] != 0)
    return "'ngram_counts' does not begin with 0";
  for (uint32_t k = 0; k < p->counts.n; k++) {
    const int64_t from = p->counts.v[k], to = pool_end(p, k + 1);
    if (from < 0 || to < from || to > (int64_t)pool_size(p))
      return "'ngram_counts' does not cut the pool into parts";
    if ((to - from) % (k + 1) != 0)
      return "a part of the pool holds no whole number of n-grams";
    grams += (uint64_t)(to - from) / (k + 1);
  }
  if (grams != p->indexes.n)
    return "'ngram_indexes' has not one entry for each n-gram of the pool";
  if (p->weights.set && p->weights.n != p->indexes.n)
    return "'weights' has not one entry for each n-gram of the pool";
  for (uint32_t i = 0; i < p->indexes.n; i++)
    if (p->indexes.v[i] < 0 || p->indexes.v[i] >= INT32_MAX)
      return "'ngram_indexes' holds what cannot be an index";
  return NULL;
}

static oq_status tfidf_check(const oq_graph *g, const oq_node *n, void *params,
                             oq_diags *d) {
  const char *const wrong = wrong_pool(params);
  const oq_where w = oq_node_where(g, (oq_node_id){(uint32_t)(n - g->nodes)});

  if (wrong == NULL) return OQ_OK;
  return oq_fail(d, OQ_E_MODEL, "tfidf.pool", &w, "%s", wrong);
}

/* ---- rule ---------------------------------------------------------------- */
static int64_t width_of(const tfidf_params *p) {
  int64_t most = -1;

  for (uint32_t i = 0; i < p->indexes.n; i++)
    if (p->indexes.v[i] > most) most = p->indexes.v[i];
  return most + 1;
}

static oq_status tfidf_infer(oq_infer *x) {
  const tfidf_params *const p = x->params;
  const oq_type *const t = oq_infer_in(x, 0);
  const oq_dtype d = oq_infer_dtype(x, 0);

  if (d != OQ_DT_NONE && (d == OQ_DT_STRING) != (p->texts != NULL))
    return oq_infer_fail(
        x, OQ_E_MODEL, "op.dtype", "the tokens are %s, those of the pool %s",
        oq_dtype_text((int32_t)d), p->texts != NULL ? "strings" : "integers");
  if (t == NULL || !t->has_rank) return OQ_OK;
  if (t->rank < 1 || t->rank > 2)
    return oq_infer_fail(x, OQ_E_MODEL, "op.rank",
                         "the tokens have rank %u, expected 1 or 2", t->rank);
  oq_infer_set_rank(x, 0, OQ_DT_F32, t->rank);
  x->out[0].dim[0] = t->dim[0];
  x->out[0].dim[t->rank - 1] = (oq_dim){.size = width_of(p)};
  return OQ_OK;
}

/* ---- kernel -------------------------------------------------------------- */
/* Tokens have numbers, and n-grams are a tree of them: (node, token) -> node.
 * The root is node 0. */
typedef struct grams {
  const tfidf_params *p;
  oq_arena *a;
  oq_map *token;       /* hash or integer -> number, from 1, of a token */
  uint64_t *next;      /* token of the same hash; 0 = none */
  const oq_text *text; /* by number; NULL: integers are unique */
  oq_map *child;
  uint64_t *gram; /* by node: number of the n-gram, from 1; 0 = none */
  uint64_t n_tokens, n_nodes;
} grams;

static uint64_t find_token(const grams *g, uint64_t hash, oq_text t) {
  uint64_t at = 0;

  (void)oq_map_find(g->token, hash, &at);
  while (at != 0 && g->text != NULL && !oq_text_equal(g->text[at - 1], t))
    at = g->next[at - 1];
  return at;
}

static uint64_t key_of(uint64_t node, uint64_t token) {
  return node << 32 | token;
}

static uint64_t token_at(const grams *g, const oq_ctensor *t, size_t i) {
  if (t->dtype != OQ_DT_STRING)
    return find_token(g, (uint64_t)oq_element_i64(t, i), (oq_text){0});
  const oq_text x = oq_texts(t)[i];
  return find_token(g, oq_text_hash(x), x);
}

/* The number of entry i of the pool, which gets one if it is new. */
static bool pool_token(uint64_t *out, grams *g, size_t i, oq_text *texts) {
  const bool text = g->p->texts != NULL;
  const oq_text t = text ? g->p->texts->u.texts[i] : (oq_text){0};
  const uint64_t hash = text ? oq_text_hash(t) : (uint64_t)g->p->ints.v[i];

  *out = find_token(g, hash, t);
  if (*out != 0) return true;
  if (text) {
    texts[g->n_tokens] = t;
    (void)oq_map_find(g->token, hash, &g->next[g->n_tokens]);
  }
  *out = ++g->n_tokens;
  return oq_map_put(g->token, hash, *out) == OQ_OK;
}

static bool add_gram(grams *g, size_t from, uint32_t length, uint64_t number,
                     oq_text *texts) {
  uint64_t node = 0, token;

  for (uint32_t k = 0; k < length; k++) {
    uint64_t to = 0;
    if (!pool_token(&token, g, from + k, texts)) return false;
    if (!oq_map_find(g->child, key_of(node, token), &to)) {
      to = ++g->n_nodes;
      if (oq_map_put(g->child, key_of(node, token), to) != OQ_OK) return false;
    }
    node = to;
  }
  if (g->gram[node] == 0) g->gram[node] = number; /* the first of equal ones */
  return true;
}

static oq_status make_grams(grams *g, const oq_run *r) {
  const tfidf_params *const p = r->params;
  const size_t n = pool_size(p);
  oq_text *const texts = OQ_NEW_N(r->scratch, oq_text, n);
  uint64_t number = 0;

  *g = (grams){.p = p, .a = r->scratch};
  g->next = OQ_NEW_N(r->scratch, uint64_t, n);
  g->gram = OQ_NEW_N(r->scratch, uint64_t, n + 1);
  if (texts == NULL || g->next == NULL || g->gram == NULL ||
      oq_map_create(&g->token, r->scratch) != OQ_OK ||
      oq_map_create(&g->child, r->scratch) != OQ_OK)
    return oq_fail_memory(r->diags);
  if (p->texts != NULL) g->text = texts;
  for (uint32_t k = 0; k < p->counts.n; k++) {
    const size_t end = (size_t)pool_end(p, k + 1);
    for (size_t i = (size_t)p->counts.v[k]; i < end; i += k + 1) {
      number++;
      /* Others are not asked for, but have their numbers. */
      if (k + 1 < p->min_length || k + 1 > p->max_length) continue;
      if (!add_gram(g, i, k + 1, number, texts))
        return oq_fail_memory(r->diags);
    }
  }
  return OQ_OK;
}

/* All n-grams that begin at token `from`, every `step`-th token of the row;
 * of one token only where `single` says so, as steps do not change them. */
static void count_from(const grams *g, const uint64_t *row, size_t n,
                       size_t from, size_t step, uint32_t *count, bool single) {
  uint64_t node = 0;
  int64_t length = 0;

  for (size_t i = from; i < n && length < g->p->max_length;) {
    if (row[i] == 0 || !oq_map_find(g->child, key_of(node, row[i]), &node))
      return;
    length++;
    if (g->gram[node] != 0 && (length > 1 || single))
      count[g->gram[node] - 1]++;
    if (step >= n - i) return;
    i += step;
  }
}

static void count_row(const grams *g, const uint64_t *row, size_t n,
                      uint32_t *count) {
  const bool only_single = g->p->max_length == 1;

  for (size_t step = 1; step <= (size_t)g->p->max_skip + 1; step++) {
    if (step > 1 && (only_single || step >= n)) break;
    for (size_t i = 0; i < n; i++)
      count_from(g, row, n, i, step, count, step == 1);
  }
}

static void put_row(float *y, size_t width, const tfidf_params *p,
                    const uint32_t *count) {
  memset(y, 0, width * sizeof *y);
  for (uint32_t i = 0; i < p->indexes.n; i++) {
    if (count[i] == 0) continue;
    const float w =
        p->weights.set && p->mode != MODE_TF ? p->weights.v[i] : 1.0f;
    float *const to = &y[p->indexes.v[i]];
    *to = p->mode == MODE_IDF ? w : *to + (float)count[i] * w;
  }
}

static oq_status tfidf_run(oq_run *r) {
  const tfidf_params *const p = r->params;
  const oq_shape *const s = &r->in[0]->shape;
  const size_t n = (size_t)s->dim[s->rank - 1];
  const size_t rows = s->rank == 1 ? 1 : (size_t)s->dim[0];
  const size_t width = (size_t)width_of(p);
  float *const y = r->out[0].data;
  uint32_t *const count = OQ_NEW_N(r->scratch, uint32_t, p->indexes.n);
  uint64_t *const row = OQ_NEW_N(r->scratch, uint64_t, n);
  grams g;

  if (count == NULL || row == NULL) return oq_fail_memory(r->diags);
  OQ_TRY(make_grams(&g, r));
  for (size_t b = 0; b < rows; b++) {
    memset(count, 0, p->indexes.n * sizeof *count);
    for (size_t i = 0; i < n; i++) row[i] = token_at(&g, r->in[0], b * n + i);
    count_row(&g, row, n, count);
    put_row(y + b * width, width, p, count);
  }
  return OQ_OK;
}

static const oq_op_def defs[] = {
    {.domain = "",
     .name = "TfIdfVectorizer",
     .since = 9,
     .last = 27,
     .min_in = 1,
     .max_in = 1,
     .min_out = 1,
     .max_out = 1,
     .dtypes = OQ_DTM(I32) | OQ_DTM(I64),
     .texts = OQ_TEXT(0),
     .params_size = sizeof(tfidf_params),
     OQ_ATTRS(attrs),
     .check = tfidf_check,
     .infer = tfidf_infer,
     .run = tfidf_run,
     .quant = {.cls = OQ_Q_NEVER}},
};

OQ_FAMILY(tfidf, defs);
