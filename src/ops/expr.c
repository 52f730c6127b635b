/* ops/expr - see expr.h. */
#include "ops/expr.h"

#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "base/vec.h"

typedef enum meaning { IS_SYMBOL, IS_SUM, IS_FLOOR, IS_MIN, IS_MAX } meaning;

typedef struct entry {
  meaning what;
  oq_expr e;  /* SUM: it; else what is divided or bounded */
  int64_t by; /* FLOOR: divisor; MIN, MAX: bound */
} entry;

struct oq_exprs {
  oq_names *names;
  oq_arena *arena;
  oq_map *by_name; /* name -> entry */
  OQ_VEC(const entry *) entries;
  bool exhausted;
};

/* ---- the table ----------------------------------------------------------- */
oq_status oq_exprs_create(oq_exprs **out, oq_names *names, oq_arena *a) {
  oq_exprs *const t = OQ_NEW(a, oq_exprs);

  if (t == NULL) return OQ_E_MEMORY;
  t->names = names;
  t->arena = a;
  OQ_TRY(oq_map_create(&t->by_name, a));
  *out = t;
  return OQ_OK;
}

bool oq_exprs_exhausted(const oq_exprs *t) { return t->exhausted; }

static const entry *find(const oq_exprs *t, oq_name name) {
  uint64_t i;

  return oq_map_find(t->by_name, name.i, &i) ? t->entries.p[i] : NULL;
}

static bool lost(oq_exprs *t) {
  t->exhausted = true;
  return false;
}

static bool put(oq_exprs *t, oq_name name, const entry *e) {
  const entry *const kept = OQ_COPY_N(t->arena, entry, e, 1);

  if (kept == NULL || !oq_vec_push(t->arena, &t->entries, kept) ||
      oq_map_put(t->by_name, name.i, t->entries.n - 1) != OQ_OK)
    return lost(t);
  return true;
}

oq_status oq_exprs_reserve(oq_exprs *t, oq_name symbol) {
  const entry e = {.what = IS_SYMBOL};

  if (symbol.i == 0 || find(t, symbol) != NULL) return OQ_OK;
  return put(t, symbol, &e) ? OQ_OK : OQ_E_MEMORY;
}

/* The name of a text that stands for `e`; false if the model uses it for
 * something else, or there are too many. */
static bool define(oq_exprs *t, oq_name *out, const char *text,
                   const entry *e) {
  const entry *before;

  if (oq_names_add_text(t->names, out, text) != OQ_OK) return lost(t);
  before = find(t, *out);
  if (before != NULL)
    return before->what == e->what && before->by == e->by &&
           oq_expr_equal(&before->e, &e->e);
  return t->entries.n < OQ_EXPR_MOST && put(t, *out, e);
}

/* ---- order --------------------------------------------------------------- */
static int order_factors(const oq_exprs *t, oq_name a, oq_name b) {
  if (oq_name_eq(a, b)) return 0;
  const int by_text =
      strcmp(oq_names_text(t->names, a), oq_names_text(t->names, b));
  return by_text != 0 ? by_text : (a.i > b.i) - (a.i < b.i);
}

/* Higher products first. */
static int order_terms(const oq_exprs *t, const oq_expr_term *a,
                       const oq_expr_term *b) {
  if (a->n != b->n) return a->n > b->n ? -1 : 1;
  for (uint32_t i = 0; i < a->n; i++) {
    const int c = order_factors(t, a->factor[i], b->factor[i]);
    if (c != 0) return c;
  }
  return 0;
}

static void remove_term(oq_expr *e, uint32_t i) {
  e->n--;
  memmove(&e->term[i], &e->term[i + 1], (e->n - i) * sizeof e->term[0]);
}

static bool add_term(const oq_exprs *t, oq_expr *e, const oq_expr_term *x) {
  uint32_t i = 0;

  while (i < e->n && order_terms(t, &e->term[i], x) < 0) i++;
  if (i < e->n && order_terms(t, &e->term[i], x) == 0) {
    if (!oq_add_i64(&e->term[i].by, e->term[i].by, x->by)) return false;
    if (e->term[i].by == 0) remove_term(e, i);
    return true;
  }
  if (e->n == OQ_EXPR_TERMS) return false;
  memmove(&e->term[i + 1], &e->term[i], (e->n - i) * sizeof e->term[0]);
  e->term[i] = *x;
  e->n++;
  return true;
}

/* ---- arithmetic ---------------------------------------------------------- */
oq_expr oq_expr_number(int64_t v) { return (oq_expr){.plus = v}; }

oq_expr oq_expr_symbol(oq_name name) {
  return (oq_expr){.n = 1, .term = {{.by = 1, .n = 1, .factor = {name}}}};
}

oq_expr oq_expr_named(const oq_exprs *t, oq_name name) {
  const entry *const e = find(t, name);

  return e != NULL && e->what == IS_SUM ? e->e : oq_expr_symbol(name);
}

bool oq_expr_equal(const oq_expr *a, const oq_expr *b) {
  if (a->plus != b->plus || a->n != b->n) return false;
  for (uint32_t i = 0; i < a->n; i++) {
    const oq_expr_term *const x = &a->term[i], *const y = &b->term[i];
    if (x->by != y->by || x->n != y->n) return false;
    for (uint32_t k = 0; k < x->n; k++)
      if (!oq_name_eq(x->factor[k], y->factor[k])) return false;
  }
  return true;
}

bool oq_expr_add(const oq_exprs *t, oq_expr *out, const oq_expr *a,
                 const oq_expr *b) {
  oq_expr y = *a;

  if (!oq_add_i64(&y.plus, a->plus, b->plus)) return false;
  for (uint32_t i = 0; i < b->n; i++)
    if (!add_term(t, &y, &b->term[i])) return false;
  *out = y;
  return true;
}

static bool mul_terms(const oq_exprs *t, oq_expr_term *out,
                      const oq_expr_term *a, const oq_expr_term *b) {
  *out = *a;
  if (!oq_mul_i64(&out->by, a->by, b->by)) return false;
  for (uint32_t k = 0; k < b->n; k++) {
    uint32_t i = out->n;
    if (i == OQ_EXPR_FACTORS) return false;
    for (; i > 0 && order_factors(t, out->factor[i - 1], b->factor[k]) > 0; i--)
      out->factor[i] = out->factor[i - 1];
    out->factor[i] = b->factor[k];
    out->n++;
  }
  return true;
}

/* Adds a * by, where `by` is a number. */
static bool add_scaled(const oq_exprs *t, oq_expr *out, const oq_expr *a,
                       int64_t by) {
  int64_t plus;

  if (by == 0) return true;
  if (!oq_mul_i64(&plus, a->plus, by) ||
      !oq_add_i64(&out->plus, out->plus, plus))
    return false;
  for (uint32_t i = 0; i < a->n; i++) {
    oq_expr_term x = a->term[i];
    if (!oq_mul_i64(&x.by, x.by, by) || !add_term(t, out, &x)) return false;
  }
  return true;
}

bool oq_expr_mul(const oq_exprs *t, oq_expr *out, const oq_expr *a,
                 const oq_expr *b) {
  oq_expr y = {0};

  if (!add_scaled(t, &y, a, b->plus)) return false;
  for (uint32_t k = 0; k < b->n; k++) {
    oq_expr_term only = b->term[k];
    if (!oq_mul_i64(&only.by, only.by, a->plus)) return false;
    if (only.by != 0 && !add_term(t, &y, &only)) return false;
    for (uint32_t i = 0; i < a->n; i++) {
      oq_expr_term x;
      if (!mul_terms(t, &x, &a->term[i], &b->term[k]) || !add_term(t, &y, &x))
        return false;
    }
  }
  *out = y;
  return true;
}

int64_t oq_floor_div(int64_t v, int64_t by) {
  return v / by - (v % by != 0 && v < 0);
}

/* ---- names --------------------------------------------------------------- */
typedef struct writer {
  char text[OQ_EXPR_TEXT];
  size_t n; /* OQ_EXPR_TEXT and more: it did not fit */
} writer;

static void say(writer *w, const char *s) {
  const size_t n = strlen(s);

  if (w->n + n < sizeof w->text) memcpy(w->text + w->n, s, n + 1);
  w->n += n;
}

static void say_number(writer *w, int64_t v) {
  char s[24];

  (void)snprintf(s, sizeof s, "%lld", (long long)v);
  say(w, s);
}

static void say_term(writer *w, const oq_exprs *t, const oq_expr_term *x) {
  if (x->by == -1) say(w, "-");
  if (x->by > 0 && w->n > 0 && w->text[w->n - 1] != '(') say(w, "+");
  if (x->by != 1 && x->by != -1) {
    say_number(w, x->by);
    say(w, "*");
  }
  for (uint32_t i = 0; i < x->n; i++) {
    if (i > 0) say(w, "*");
    say(w, oq_names_text(t->names, x->factor[i]));
    if (w->n >= sizeof w->text) return;
  }
}

static void say_sum(writer *w, const oq_exprs *t, const oq_expr *e) {
  for (int sign = 1; sign >= -1; sign -= 2)
    for (uint32_t i = 0; i < e->n && w->n < sizeof w->text; i++)
      if ((e->term[i].by > 0) == (sign > 0)) say_term(w, t, &e->term[i]);
  if (e->plus > 0) say(w, "+");
  if (e->plus != 0) say_number(w, e->plus);
}

bool oq_expr_name(oq_exprs *t, oq_name *out, const oq_expr *e) {
  const entry x = {.what = IS_SUM, .e = *e};
  writer w = {.n = 0};

  if (e->n == 0) return false;
  if (e->n == 1 && e->plus == 0 && e->term[0].by == 1 && e->term[0].n == 1) {
    *out = e->term[0].factor[0];
    return true;
  }
  say_sum(&w, t, e);
  return w.n < sizeof w.text && define(t, out, w.text, &x);
}

/* floor(rest / by) as a factor. */
static bool name_floor(oq_exprs *t, oq_name *out, const oq_expr *rest,
                       int64_t by) {
  const entry x = {.what = IS_FLOOR, .e = *rest, .by = by};
  const bool brackets = rest->n > 1 || rest->plus != 0;
  writer w = {.n = 0};

  say(&w, brackets ? "floor((" : "floor(");
  say_sum(&w, t, rest);
  say(&w, brackets ? ")/" : "/");
  say_number(&w, by);
  say(&w, ")");
  return w.n < sizeof w.text && define(t, out, w.text, &x);
}

/* ---- floor --------------------------------------------------------------- */
/* floor((floor(x / a) + c) / b) = floor((x + c a) / (a b)). */
static bool unfold(const oq_exprs *t, oq_expr *num, int64_t *by) {
  const entry *inner;
  int64_t plus;

  while (num->n == 1 && num->term[0].by == 1 && num->term[0].n == 1 &&
         (inner = find(t, num->term[0].factor[0])) != NULL &&
         inner->what == IS_FLOOR) {
    oq_expr x = inner->e;
    if (!oq_mul_i64(&plus, num->plus, inner->by) ||
        !oq_add_i64(&x.plus, x.plus, plus) || !oq_mul_i64(by, *by, inner->by))
      return false;
    *num = x;
  }
  return true;
}

static int64_t common(int64_t a, int64_t b) {
  if (a < 0) a = -a;
  while (b != 0) {
    const int64_t c = a % b;
    a = b;
    b = c;
  }
  return a;
}

/* A factor that all terms share with the divisor goes, and what the number
 * says beyond a multiple of it. */
static void reduce(oq_expr *num, int64_t *by) {
  int64_t k = *by;

  for (uint32_t i = 0; i < num->n; i++) k = common(num->term[i].by, k);
  if (k <= 1) return;
  for (uint32_t i = 0; i < num->n; i++) num->term[i].by /= k;
  num->plus = oq_floor_div(num->plus, k);
  *by /= k;
}

/* Takes the multiples of `by` out of the sum, so that the rest is smallest. */
static bool take_whole(const oq_exprs *t, oq_expr *whole, oq_expr *rest,
                       const oq_expr *num, int64_t by) {
  *whole = (oq_expr){.plus = oq_floor_div(num->plus, by)};
  *rest = (oq_expr){.plus = num->plus - whole->plus * by};
  for (uint32_t i = 0; i < num->n; i++) {
    oq_expr_term x = num->term[i];
    const int64_t times = oq_floor_div(x.by, by);
    x.by -= times * by;
    if (x.by != 0 && !add_term(t, rest, &x)) return false;
    x.by = times;
    if (times != 0 && !add_term(t, whole, &x)) return false;
  }
  return true;
}

bool oq_expr_floor(oq_exprs *t, oq_expr *out, const oq_expr *a, int64_t by) {
  oq_expr whole, rest, num = *a;
  oq_name name;

  if (by < 1) return false;
  reduce(&num, &by);
  if (!take_whole(t, &whole, &rest, &num, by) || !unfold(t, &rest, &by))
    return false;
  if (rest.n == 0) {
    rest = oq_expr_number(oq_floor_div(rest.plus, by));
  } else {
    oq_expr more;
    reduce(&rest, &by);
    num = rest;
    if (!take_whole(t, &more, &rest, &num, by) ||
        !oq_expr_add(t, &whole, &whole, &more))
      return false;
    if (rest.n == 0)
      rest = oq_expr_number(0); /* what is left is less than `by` */
    else if (!name_floor(t, &name, &rest, by))
      return false;
    else
      rest = oq_expr_symbol(name);
  }
  return oq_expr_add(t, out, &whole, &rest);
}

/* ---- bounds -------------------------------------------------------------- */
bool oq_expr_bound(oq_exprs *t, oq_expr *out, const oq_expr *a, int64_t bound,
                   bool is_max) {
  const entry x = {.what = is_max ? IS_MAX : IS_MIN, .e = *a, .by = bound};
  writer w = {.n = 0};
  oq_name name;

  if (a->n == 0) return false;
  say(&w, is_max ? "max(" : "min(");
  say_sum(&w, t, a);
  say(&w, ",");
  say_number(&w, bound);
  say(&w, ")");
  if (w.n >= sizeof w.text || !define(t, &name, w.text, &x)) return false;
  *out = oq_expr_symbol(name);
  return true;
}

/* ---- values -------------------------------------------------------------- */
/* What a factor is made of; NULL: it is asked for as a whole. */
static const entry *inside(const oq_exprs *t, oq_name factor, bool deep) {
  const entry *const x = find(t, factor);

  if (x == NULL || x->what == IS_SYMBOL || x->what == IS_SUM) return NULL;
  return x->what == IS_FLOOR && !deep ? NULL : x;
}

typedef struct reader {
  const oq_exprs *t;
  bool deep;
  int64_t (*value)(const void *user, oq_name factor);
  const void *user;
} reader;

static bool sum_value(int64_t *out, const reader *r, const oq_expr *e);

/* The depth is bounded by the length of names. */
static bool factor_value(int64_t *out, const reader *r, oq_name factor) {
  const entry *const x = inside(r->t, factor, r->deep);
  int64_t v;

  if (x == NULL) {
    *out = r->value(r->user, factor);
    return true;
  }
  if (!sum_value(&v, r, &x->e)) return false;
  if (x->what == IS_FLOOR)
    *out = oq_floor_div(v, x->by);
  else
    *out = (v < x->by) == (x->what == IS_MIN) ? v : x->by;
  return true;
}

static bool sum_value(int64_t *out, const reader *r, const oq_expr *e) {
  int64_t sum = e->plus;

  for (uint32_t i = 0; i < e->n; i++) {
    int64_t product = e->term[i].by;
    for (uint32_t k = 0; k < e->term[i].n; k++) {
      int64_t v;
      if (!factor_value(&v, r, e->term[i].factor[k]) ||
          !oq_mul_i64(&product, product, v))
        return false;
    }
    if (!oq_add_i64(&sum, sum, product)) return false;
  }
  *out = sum;
  return true;
}

bool oq_expr_value(int64_t *out, const oq_exprs *t, const oq_expr *e, bool deep,
                   int64_t (*value)(const void *user, oq_name factor),
                   const void *user) {
  const reader r = {t, deep, value, user};

  return sum_value(out, &r, e);
}

bool oq_expr_factors(const oq_exprs *t, const oq_expr *e, bool deep,
                     void (*take)(void *user, oq_name factor), void *user) {
  bool floors = false;

  for (uint32_t i = 0; i < e->n; i++)
    for (uint32_t k = 0; k < e->term[i].n; k++) {
      const oq_name f = e->term[i].factor[k];
      const entry *const all = inside(t, f, true);
      const entry *const x = inside(t, f, deep);
      floors |= all != NULL && all->what == IS_FLOOR;
      if (x != NULL)
        floors |= oq_expr_factors(t, &x->e, deep, take, user);
      else
        take(user, f);
    }
  return floors;
}

/* ---- sizes --------------------------------------------------------------- */
bool oq_expr_of_dim(const oq_exprs *t, oq_expr *out, oq_dim d) {
  if (d.size != OQ_DIM_UNKNOWN)
    *out = oq_expr_number(d.size);
  else if (d.symbol.i != 0)
    *out = oq_expr_named(t, d.symbol);
  else
    return false;
  return true;
}

oq_dim oq_expr_dim(oq_exprs *t, const oq_expr *e) {
  oq_dim d = {.size = OQ_DIM_UNKNOWN};

  if (e->n == 0)
    return (oq_dim){.size = e->plus < 0 ? OQ_DIM_UNKNOWN : e->plus};
  if (!oq_expr_name(t, &d.symbol, e)) d.symbol = (oq_name){0};
  return d;
}
