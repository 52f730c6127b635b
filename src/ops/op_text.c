/* Texts: StringConcat, StringSplit, StringNormalizer, RegexFullMatch. */
#include <string.h>

#include "base/map.h"
#include "ops/letters.h"
#include "ops/op.h"
#include "ops/regex.h"

/* ---- StringConcat -------------------------------------------------------- */
static oq_status concat_infer(oq_infer *x) {
  OQ_TRY(oq_infer_same_dtypes(x, 0, 2));
  return oq_infer_broadcast(x);
}

static oq_status join(oq_text *out, oq_run *r, oq_text a, oq_text b) {
  char *p;
  size_t n;

  if (a.n == 0 || b.n == 0) {
    *out = a.n == 0 ? b : a;
    return OQ_OK;
  }
  if (!oq_add_size(&n, a.n, b.n))
    return oq_run_fail(r, OQ_E_LIMIT, "text.size", "a text would be too long");
  OQ_TRY(oq_run_text_room(&p, r, n));
  memcpy(p, a.p, a.n);
  memcpy(p + a.n, b.p, b.n);
  *out = (oq_text){p, n};
  return OQ_OK;
}

static oq_status concat_run(oq_run *r) {
  const oq_text *const a = oq_texts(r->in[0]), *const b = oq_texts(r->in[1]);
  const oq_shape *const shapes[3] = {&r->out[0].shape, &r->in[0]->shape,
                                     &r->in[1]->shape};
  oq_text *const y = r->out[0].data;
  oq_iter it;

  oq_iter_init(&it, &r->out[0].shape, shapes, 3);
  if (it.run == 0) return OQ_OK;
  do {
    for (int64_t i = 0; i < (int64_t)it.run; i++)
      OQ_TRY(join(&y[it.offset[0] + i * it.step[0]], r,
                  a[it.offset[1] + i * it.step[1]],
                  b[it.offset[2] + i * it.step[2]]));
  } while (oq_iter_next(&it));
  return OQ_OK;
}

/* ---- StringSplit --------------------------------------------------------- */
typedef struct split_params {
  oq_text delimiter;
  int64_t most;
  bool has_most;
} split_params;

static const oq_attr_def split_attrs[] = {
    {.name = "delimiter",
     .kind = OQ_ATTR_TEXT,
     .offset = offsetof(split_params, delimiter),
     .min = 1,
     .max = 0},
    {.name = "maxsplit",
     .kind = OQ_ATTR_I64,
     .offset = offsetof(split_params, most),
     .set_offset = offsetof(split_params, has_most),
     .min = 1,
     .max = 0},
};

/* One more axis, as long as the most parts of any text. */
static oq_status split_infer(oq_infer *x) {
  const oq_type *const t = oq_infer_in(x, 0);

  if (t == NULL || !t->has_rank) return OQ_OK;
  if (t->rank == OQ_MAX_RANK)
    return oq_infer_fail(x, OQ_E_LIMIT, "op.rank",
                         "the output would have %u dimensions", t->rank + 1);
  oq_infer_set_rank(x, 0, OQ_DT_STRING, t->rank + 1);
  memcpy(x->out[0].dim, t->dim, t->rank * sizeof *t->dim);
  x->out[1] = *t;
  x->out[1].raw = NULL;
  x->out[1].dtype = OQ_DT_I64;
  return OQ_OK;
}

/* What is left of a text, and how often it may still be cut. */
typedef struct cutter {
  oq_text rest, by;
  uint64_t cuts;
  bool done;
} cutter;

static size_t find(oq_text in, oq_text what) {
  const char *p = in.p;
  size_t left = in.n;

  while (left >= what.n) {
    const char *const q = memchr(p, what.p[0], left - what.n + 1);
    if (q == NULL) break;
    if (memcmp(q, what.p, what.n) == 0) return (size_t)(q - in.p);
    left -= (size_t)(q + 1 - p);
    p = q + 1;
  }
  return SIZE_MAX;
}

/* Bytes up to the first character that is a space, or is none; a byte that
 * begins no character is none. */
static size_t span(oq_text t, bool space) {
  size_t at = 0;

  while (at < t.n) {
    uint32_t c = 0;
    const size_t n = oq_letter_read(&c, t.p + at, t.n - at);
    if ((n > 0 && oq_letter_is_space(c)) != space) break;
    at += n > 0 ? n : 1;
  }
  return at;
}

static void skip(oq_text *t, size_t n) {
  t->p += n;
  t->n -= n;
}

/* Without the spaces at its end. */
static oq_text trimmed(oq_text t) {
  size_t keep = 0;

  for (size_t at = 0; at < t.n;) {
    const oq_text rest = {t.p + at, t.n - at};
    const size_t word = span(rest, false);
    const oq_text gap = {rest.p + word, rest.n - word};
    if (word > 0) keep = at + word;
    at += word + span(gap, true);
  }
  return (oq_text){t.p, keep};
}

static bool next_word(oq_text *out, cutter *c) {
  if (c->rest.n > 0) skip(&c->rest, span(c->rest, true));
  if (c->rest.n == 0) return false;
  const bool last = c->cuts == 0;
  *out = last ? trimmed(c->rest) : (oq_text){c->rest.p, span(c->rest, false)};
  skip(&c->rest, last ? c->rest.n : out->n);
  if (!last) c->cuts--;
  return true;
}

static bool next_part(oq_text *out, cutter *c) {
  if (c->by.n == 0) return next_word(out, c);
  if (c->done) return false;
  const size_t at =
      c->cuts > 0 && c->rest.n > 0 ? find(c->rest, c->by) : SIZE_MAX;
  *out = c->rest;
  c->done = at == SIZE_MAX;
  if (c->done) return true;
  out->n = at;
  skip(&c->rest, at + c->by.n);
  c->cuts--;
  return true;
}

static cutter cutter_of(const oq_run *r, size_t i) {
  const split_params *const p = r->params;
  const bool limited = p->has_most && p->most >= 0;

  return (cutter){.rest = oq_texts(r->in[0])[i],
                  .by = p->delimiter,
                  .cuts = limited ? (uint64_t)p->most : UINT64_MAX};
}

static oq_status split_run(oq_run *r) {
  const size_t n = oq_tensor_count(r->in[0]);
  oq_shape s = r->in[0]->shape;
  size_t most = 0;
  int64_t *const counts = OQ_NEW_N(r->scratch, int64_t, n);

  if (counts == NULL) return oq_fail_memory(r->diags);
  for (size_t i = 0; i < n; i++) {
    cutter c = cutter_of(r, i);
    oq_text part;
    while (next_part(&part, &c)) counts[i]++;
    if ((size_t)counts[i] > most) most = (size_t)counts[i];
  }
  s.dim[s.rank++] = (int64_t)most;
  OQ_TRY(oq_run_alloc(r, 0, OQ_DT_STRING, &s));
  oq_text *const y = r->out[0].data; /* the rest are empty texts */
  for (size_t i = 0; i < n; i++) {
    cutter c = cutter_of(r, i);
    for (size_t k = 0; k < most && next_part(&y[i * most + k], &c); k++) {}
  }
  if (r->out[1].data != NULL && n > 0)
    memcpy(r->out[1].data, counts, n * sizeof *counts);
  return OQ_OK;
}

/* ---- StringNormalizer ---------------------------------------------------- */
typedef struct normal_params {
  const oq_attr *stopwords;
  oq_text locale;
  int64_t is_case_sensitive;
  int32_t change;
  bool ascii;
} normal_params;

enum { CHANGE_NONE, CHANGE_LOWER, CHANGE_UPPER };
static const char *const changes[] = {"NONE", "LOWER", "UPPER", NULL};

static const oq_attr_def normal_attrs[] = {
    OQ_A_CHOICE(normal_params, change, "case_change_action", "NONE", changes),
    OQ_A_I64(normal_params, is_case_sensitive, "is_case_sensitive", 0, 1, 0),
    {.name = "locale",
     .kind = OQ_ATTR_TEXT,
     .offset = offsetof(normal_params, locale),
     .min = 1,
     .max = 0},
    {.name = "stopwords",
     .kind = OQ_ATTR_TEXTS,
     .offset = offsetof(normal_params, stopwords),
     .min = 1,
     .max = 0},
};

static bool is_language(oq_text locale, const char *two) {
  return locale.n >= 2 && memcmp(locale.p, two, 2) == 0 &&
         (locale.n == 2 || locale.p[2] == '_' || locale.p[2] == '-' ||
          locale.p[2] == '.' || locale.p[2] == '@');
}

static bool is_named(oq_text a, const char *b) {
  return oq_text_equal(a, (oq_text){b, strlen(b)});
}

/* Case is that of Unicode, which all but a few languages share. */
static oq_status normal_check(const oq_graph *g, const oq_node *n, void *params,
                              oq_diags *d) {
  static const char *const own[] = {"tr", "az", "lt"};
  normal_params *const p = params;

  p->ascii = is_named(p->locale, "C") || is_named(p->locale, "POSIX");
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
    if (!is_language(p->locale, own[i])) continue;
    oq_where w = oq_node_where(g, (oq_node_id){(uint32_t)(n - g->nodes)});
    w.attr = "locale";
    return oq_fail(d, OQ_E_UNSUPPORTED, "text.locale", &w,
                   "the rules of language '%s' for upper and lower case are "
                   "not implemented",
                   own[i]);
  }
  return OQ_OK;
}

static oq_status normal_infer(oq_infer *x) {
  const oq_type *const t = oq_infer_in(x, 0);

  if (t == NULL || !t->has_rank) return OQ_OK;
  const oq_dim *const first = &t->dim[0];
  if (t->rank < 1 || t->rank > 2 ||
      (t->rank == 2 && first->size != 1 && first->size != OQ_DIM_UNKNOWN))
    return oq_infer_fail(x, OQ_E_MODEL, "op.shape",
                         "the texts are neither [C] nor [1,C]");
  oq_infer_set_rank(x, 0, OQ_DT_STRING, t->rank);
  if (t->rank == 2) x->out[0].dim[0].size = 1;
  return OQ_OK;
}

static uint32_t changed(uint32_t c, int32_t change, bool ascii) {
  if (ascii && c >= 0x80) return c;
  return change == CHANGE_UPPER ? oq_letter_upper(c) : oq_letter_lower(c);
}

/* Bytes of `t` after the change, written to `to` unless that is NULL; SIZE_MAX
 * if it is not UTF-8. */
static size_t change_case(char *to, oq_text t, int32_t change, bool ascii) {
  size_t n = 0, size;
  uint32_t c = 0;
  char none[4];

  for (size_t at = 0; at < t.n; at += size) {
    size = oq_letter_read(&c, t.p + at, t.n - at);
    if (size == 0) return SIZE_MAX;
    n += oq_letter_write(to != NULL ? to + n : none, changed(c, change, ascii));
  }
  return n;
}

static oq_status in_case(oq_text *out, oq_run *r, oq_text t, int32_t change) {
  const normal_params *const p = r->params;
  const size_t n = change_case(NULL, t, change, p->ascii);
  char *bytes;

  if (n == SIZE_MAX)
    return oq_run_fail(r, OQ_E_DATA, "text.utf8", "a text is not UTF-8");
  OQ_TRY(oq_run_text_room(&bytes, r, n));
  (void)change_case(bytes, t, change, p->ascii);
  *out = (oq_text){bytes, n};
  return OQ_OK;
}

/* The texts by which stop words are found: in one case where that does not
 * count. */
static oq_status keys_of(oq_text *out, oq_run *r, const oq_text *t, size_t n) {
  const normal_params *const p = r->params;
  const int32_t change =
      p->change == CHANGE_UPPER ? CHANGE_UPPER : CHANGE_LOWER;

  for (size_t i = 0; i < n; i++) {
    out[i] = t[i];
    if (p->is_case_sensitive == 0) OQ_TRY(in_case(&out[i], r, t[i], change));
  }
  return OQ_OK;
}

/* Texts by their hash; those of one hash are a chain. */
typedef struct words {
  const oq_text *word;
  oq_map *last;   /* hash -> number of a word, from 1 */
  uint64_t *next; /* likewise; 0 ends */
} words;

static oq_status words_make(words *w, const oq_run *r, const oq_text *word,
                            size_t n) {
  w->word = word;
  w->next = OQ_NEW_N(r->scratch, uint64_t, n);
  if (w->next == NULL || oq_map_create(&w->last, r->scratch) != OQ_OK)
    return oq_fail_memory(r->diags);
  for (size_t i = 0; i < n; i++) {
    const uint64_t h = oq_text_hash(word[i]);
    (void)oq_map_find(w->last, h, &w->next[i]);
    if (oq_map_put(w->last, h, i + 1) != OQ_OK) return oq_fail_memory(r->diags);
  }
  return OQ_OK;
}

static bool words_have(const words *w, oq_text t) {
  uint64_t at = 0;

  (void)oq_map_find(w->last, oq_text_hash(t), &at);
  while (at != 0 && !oq_text_equal(w->word[at - 1], t)) at = w->next[at - 1];
  return at != 0;
}

/* Numbers of the texts that are no stop words. */
static oq_status kept(size_t **out, size_t *n_out, oq_run *r) {
  const oq_attr *const stop = ((const normal_params *)r->params)->stopwords;
  const size_t n = oq_tensor_count(r->in[0]), n_stop = stop ? stop->count : 0;
  size_t *const at = OQ_NEW_N(r->scratch, size_t, n);
  oq_text *const key = OQ_NEW_N(r->scratch, oq_text, n);
  oq_text *const word = OQ_NEW_N(r->scratch, oq_text, n_stop);
  words stops;
  size_t k = 0;

  if (at == NULL || key == NULL || word == NULL)
    return oq_fail_memory(r->diags);
  if (n_stop > 0) {
    OQ_TRY(keys_of(word, r, stop->u.texts, n_stop));
    OQ_TRY(keys_of(key, r, oq_texts(r->in[0]), n));
  }
  OQ_TRY(words_make(&stops, r, word, n_stop));
  for (size_t i = 0; i < n; i++)
    if (!words_have(&stops, key[i])) at[k++] = i;
  *out = at;
  *n_out = k;
  return OQ_OK;
}

/* Of no texts one is left, which is empty. */
static oq_status normal_run(oq_run *r) {
  const normal_params *const p = r->params;
  oq_shape s = r->in[0]->shape;
  size_t *at, n;

  OQ_TRY(kept(&at, &n, r));
  s.dim[s.rank - 1] = n > 0 ? (int64_t)n : 1;
  OQ_TRY(oq_run_alloc(r, 0, OQ_DT_STRING, &s));
  oq_text *const y = r->out[0].data;
  for (size_t i = 0; i < n; i++) {
    y[i] = oq_texts(r->in[0])[at[i]];
    if (p->change != CHANGE_NONE) OQ_TRY(in_case(&y[i], r, y[i], p->change));
  }
  return OQ_OK;
}

/* ---- RegexFullMatch ------------------------------------------------------ */
typedef struct regex_params {
  oq_text pattern;
} regex_params;

static const oq_attr_def regex_attrs[] = {
    {.name = "pattern",
     .kind = OQ_ATTR_TEXT,
     .offset = offsetof(regex_params, pattern),
     .min = 1,
     .max = 0},
};

static oq_status regex_infer(oq_infer *x) {
  OQ_TRY(oq_infer_same(x));
  oq_infer_set_dtype(x, 0, OQ_DT_BOOL);
  return OQ_OK;
}

static oq_status regex_run(oq_run *r) {
  const oq_text pattern = ((const regex_params *)r->params)->pattern;
  const size_t n = oq_tensor_count(r->in[0]);
  uint8_t *const y = r->out[0].data;
  oq_regex *e = NULL;
  const char *why;
  const oq_status s = oq_regex_compile(&e, &why, pattern, r->scratch);

  if (s == OQ_E_MEMORY) return oq_fail_memory(r->diags);
  if (s != OQ_OK)
    return oq_run_fail(r, s, "text.pattern",
                       "the pattern %s, as RE2 understands it", why);
  for (size_t i = 0; i < n; i++)
    y[i] = oq_regex_matches(e, oq_texts(r->in[0])[i]);
  return OQ_OK;
}

/* ---- table --------------------------------------------------------------- */
#define ROW(op, from, ins, outs, f)                                          \
  .domain = "", .name = (op), .since = (from), .last = 27, .min_in = (ins),  \
  .max_in = (ins), .min_out = (outs), .max_out = (outs), .infer = f##_infer, \
  .run = f##_run, .dtypes = OQ_DTM(STRING), .quant = {.cls = OQ_Q_NEVER}
#define PARAMS(P, table) .params_size = sizeof(P), OQ_ATTRS(table)

static const oq_op_def defs[] = {
    {ROW("StringConcat", 20, 2, 1, concat),
     .texts = OQ_TEXT(0) | OQ_TEXT(1) | OQ_TEXT_OUT},
    {ROW("StringSplit", 20, 1, 2, split), PARAMS(split_params, split_attrs),
     .flags = OQ_OP_LATE, .texts = OQ_TEXT_MOVE},
    {ROW("StringNormalizer", 10, 1, 1, normal),
     PARAMS(normal_params, normal_attrs), .check = normal_check,
     .flags = OQ_OP_LATE, .texts = OQ_TEXT_MOVE},
    {ROW("RegexFullMatch", 20, 1, 1, regex), PARAMS(regex_params, regex_attrs),
     .texts = OQ_TEXT(0)},
};

OQ_FAMILY(text, defs);
