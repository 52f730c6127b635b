/* ops/fit - see fit.h. */
#include "ops/fit.h"

#include <string.h>

enum {
  MOST_FORM_VARS = 3, /* sizes that are multiplied */
  MOST_BY = 4096,     /* of floor(x / by) */
  MOST_SCAN = 64,
  LEAST_POINTS = 4, /* with an answer */
  SMALL = 16        /* sizes 1 to this are all tried */
};

/* Sizes are multiples of a unit that has many divisors, so that what is to be
 * divided can be; or of a small one where those are refused. */
static const int64_t units[] = {5040, 4};
#define STEP 41 /* units; no prime below is as large */
#define SPAN 32
#define MOST_CONST (INT64_C(1) << 40)

typedef struct fitter {
  const oq_fit *f;
  oq_arena *a;
  int64_t unit;
  int64_t base[OQ_FIT_VARS]; /* primes, in units */
  uint32_t n_points;
  int64_t *at;      /* n_points x n_vars */
  int64_t *results; /* n_points x n_out */
  bool *ok;         /* n_points */
  int64_t *row;     /* n_out: of a single question */
  oq_answer stop;   /* VARIES or MEMORY: there is nothing more to be asked */
} fitter;

/* ---- questions ----------------------------------------------------------- */
static bool ask(fitter *x, int64_t *out, const int64_t *at) {
  const oq_answer s = x->f->ask(x->f->user, out, at);

  if (s == OQ_ANSWER_VARIES || s == OQ_ANSWER_MEMORY) x->stop = s;
  return s == OQ_ANSWER_OK;
}

static int64_t *point(fitter *x, uint32_t i) {
  return x->at + (size_t)i * x->f->n_vars;
}

static int64_t *results(fitter *x, uint32_t i) {
  return x->results + (size_t)i * x->f->n_out;
}

/* Asks at `at`; further questions after a stop are not asked. */
static void add_point(fitter *x, const int64_t *at) {
  if (x->stop != OQ_ANSWER_OK) return;
  if (x->n_points == OQ_FIT_POINTS) {
    x->stop = OQ_ANSWER_VARIES; /* too much for a claim */
    return;
  }
  const uint32_t i = x->n_points++;
  memcpy(point(x, i), at, x->f->n_vars * sizeof *at);
  x->ok[i] = ask(x, results(x, i), at);
}

static void add_with(fitter *x, uint32_t var, int64_t v) {
  int64_t at[OQ_FIT_VARS];

  if (v < 1 && !x->f->any[var]) return;
  memcpy(at, x->base, sizeof at);
  at[var] = v;
  add_point(x, at);
}

static void add_equal(fitter *x, int64_t v) {
  int64_t at[OQ_FIT_VARS];

  for (uint32_t i = 0; i < OQ_FIT_VARS; i++) at[i] = v;
  add_point(x, at);
}

/* Around a number at which the node may change course. */
static void add_around(fitter *x, uint32_t var, int64_t v) {
  for (int64_t d = -1; d <= 1; d++)
    if (v + d > SMALL || v + d < 1) add_with(x, var, v + d);
}

/* Where a size becomes equal to a number, or an expression of it does. */
static void add_critical(fitter *x, int64_t c) {
  const oq_fit *const f = x->f;

  if (c > MOST_CONST || c < -MOST_CONST) return;
  for (uint32_t i = 0; i < f->n_vars; i++) add_around(x, i, c < 0 ? -c : c);
  for (uint32_t k = 0; k < f->n_known; k++) {
    const oq_expr *const e = &f->known[k];
    if (e->n != 1 || e->term[0].n != 1 || (e->plus == 0 && e->term[0].by == 1))
      continue;
    for (uint32_t i = 0; i < f->n_vars; i++)
      if (oq_name_eq(f->var[i], e->term[0].factor[0]))
        add_around(x, i, (c - e->plus) / e->term[0].by);
  }
}

static void add_mixed(fitter *x) {
  uint64_t seed = 12345;
  int64_t at[OQ_FIT_VARS];

  for (int n = 0; n < 16; n++) {
    for (uint32_t i = 0; i < OQ_FIT_VARS; i++) {
      seed =
          seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
      at[i] = 1 + (int64_t)((seed >> 33) % (n < 8 ? 40 : 1000));
    }
    add_point(x, at);
  }
}

/* false: such sizes are refused. */
static bool ask_base(fitter *x, int64_t unit) {
  static const int64_t primes[OQ_FIT_VARS] = {2,  3,  5,  7,  11, 13,
                                              17, 19, 23, 29, 31, 37};

  x->unit = unit;
  for (uint32_t i = 0; i < OQ_FIT_VARS; i++) x->base[i] = unit * primes[i];
  x->n_points = 0;
  add_point(x, x->base);
  return x->ok[0];
}

static bool any_answer(fitter *x) {
  for (uint32_t i = 0; i < x->f->n_out; i++)
    if (results(x, 0)[i] != OQ_FIT_NOT) return true;
  return x->f->all_points;
}

static void ask_all(fitter *x) {
  static const int64_t equal[] = {1, 2, 3, 5, 16, 64};
  const oq_fit *const f = x->f;

  if (!ask_base(x, units[0]) && !ask_base(x, units[1])) return;
  if (!any_answer(x)) return;
  for (uint32_t i = 0; i < f->n_vars; i++)
    add_with(x, i, x->base[i] + STEP * x->unit);
  for (size_t i = 0; i < sizeof equal / sizeof *equal; i++)
    add_equal(x, equal[i]);
  for (uint32_t i = 0; i < f->n_vars; i++) {
    const int64_t most = f->var[i].i != 0 ? SMALL : 3;
    for (int64_t v = f->any[i] ? -1 : 1; v <= most; v++) add_with(x, i, v);
    for (uint32_t k = 0; k < i; k++) add_with(x, i, x->base[k]);
  }
  for (uint32_t i = 0; i < f->n_consts; i++) add_critical(x, f->consts[i]);
  add_mixed(x);
}

/* ---- forms --------------------------------------------------------------- */
/* floor((sum + plus) / by); the sum of products of variables. */
typedef struct form {
  uint32_t n;
  struct {
    int64_t by;
    uint32_t vars; /* one bit each */
  } term[1u << MOST_FORM_VARS];
  int64_t plus, by;
} form;

static bool form_value(int64_t *out, const form *m, const int64_t *at) {
  int64_t sum = m->plus;

  for (uint32_t i = 0; i < m->n; i++) {
    int64_t v = m->term[i].by;
    for (uint32_t k = 0; k < OQ_FIT_VARS; k++)
      if ((m->term[i].vars >> k & 1u) != 0 && !oq_mul_i64(&v, v, at[k]))
        return false;
    if (!oq_add_i64(&sum, sum, v)) return false;
  }
  *out = oq_floor_div(sum, m->by);
  return true;
}

static bool form_holds(fitter *x, uint32_t result, const form *m) {
  for (uint32_t i = 0; i < x->n_points; i++) {
    int64_t v;
    if (!x->ok[i]) continue;
    if (!form_value(&v, m, point(x, i)) || v != results(x, i)[result])
      return false;
  }
  return true;
}

static bool form_expr(oq_expr *out, oq_exprs *t, const oq_fit *f,
                      const form *m) {
  oq_expr sum = oq_expr_number(m->plus);

  for (uint32_t i = 0; i < m->n; i++) {
    oq_expr e = oq_expr_number(m->term[i].by);
    for (uint32_t k = 0; k < f->n_vars; k++) {
      const oq_expr v = oq_expr_symbol(f->var[k]);
      if ((m->term[i].vars >> k & 1u) != 0 && !oq_expr_mul(t, &e, &e, &v))
        return false;
    }
    if (!oq_expr_add(t, &sum, &sum, &e)) return false;
  }
  return oq_expr_floor(t, out, &sum, m->by);
}

/* ---- of one size: floor((a v + b) / c) ----------------------------------- */
static bool ask_one(fitter *x, int64_t *out, uint32_t result, uint32_t var,
                    int64_t v) {
  int64_t at[OQ_FIT_VARS];

  memcpy(at, x->base, sizeof at);
  at[var] = v;
  if (x->stop != OQ_ANSWER_OK || !ask(x, x->row, at)) return false;
  *out = x->row[result];
  return *out != OQ_FIT_NOT;
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

/* Slope one: where the first step up is says it all. */
static void find_step(fitter *x, uint32_t result, uint32_t var, int64_t y0,
                      form *m) {
  const int64_t g = x->base[var];
  int64_t low = 0, high = m->by, y;

  while (high - low > 1) {
    const int64_t mid = low + (high - low) / 2;
    if (!ask_one(x, &y, result, var, g + mid)) return;
    if (y > y0)
      high = mid;
    else
      low = mid;
  }
  m->plus = m->by * (y0 + 1) - g - high;
}

static void scan_steps(fitter *x, uint32_t result, uint32_t var, form *m) {
  const int64_t g = x->base[var], a = m->term[0].by, c = m->by;
  int64_t least = INT64_MIN, y;

  for (int64_t s = g; s < g + c; s++) {
    if (!ask_one(x, &y, result, var, s)) continue;
    if (c * y - a * s > least) least = c * y - a * s;
  }
  if (least != INT64_MIN) m->plus = least;
}

static bool fit_one(fitter *x, form *m, uint32_t result, uint32_t var) {
  const int64_t g = x->base[var], span = SPAN * x->unit;
  int64_t y0, y1, rise;

  if (!ask_one(x, &y0, result, var, g) ||
      !ask_one(x, &y1, result, var, g + span) || !oq_sub_i64(&rise, y1, y0) ||
      rise == INT64_MIN)
    return false;
  const int64_t k = common(rise, span);
  *m = (form){.n = 1, .term = {{rise / k, 1u << var}}, .by = span / k};
  if (rise == 0 || m->by > MOST_BY || !oq_mul_i64(&y1, m->term[0].by, g) ||
      !oq_mul_i64(&y0, m->by, y0) || !oq_sub_i64(&m->plus, y0, y1))
    return false;
  y0 /= m->by;
  if (m->by > 1 && m->term[0].by == 1)
    find_step(x, result, var, y0, m);
  else if (m->by > 1 && m->by <= MOST_SCAN)
    scan_steps(x, result, var, m);
  return true;
}

/* ---- of several: sums of products ---------------------------------------- */
static uint32_t spread(const uint32_t *vars, uint32_t set) {
  uint32_t bits = 0;

  for (uint32_t i = 0; set >> i != 0; i++)
    if ((set >> i & 1u) != 0) bits |= 1u << vars[i];
  return bits;
}

static bool ask_corners(fitter *x, int64_t *y, uint32_t result,
                        const uint32_t *vars, uint32_t n) {
  for (uint32_t set = 0; set < 1u << n; set++) {
    int64_t at[OQ_FIT_VARS];
    memcpy(at, x->base, sizeof at);
    for (uint32_t i = 0; i < n; i++)
      if ((set >> i & 1u) != 0) at[vars[i]] += STEP * x->unit;
    if (x->stop != OQ_ANSWER_OK || !ask(x, x->row, at)) return false;
    y[set] = x->row[result];
    if (y[set] == OQ_FIT_NOT) return false;
  }
  return true;
}

/* What is left at the corners once a term is taken off. */
static bool take_term(const fitter *x, int64_t *y, const uint32_t *vars,
                      uint32_t n, uint32_t term, int64_t by) {
  for (uint32_t set = 0; set < 1u << n; set++) {
    int64_t v = by;
    for (uint32_t i = 0; i < n; i++) {
      const int64_t at = x->base[vars[i]] +
                         ((set >> i & 1u) != 0 ? STEP * x->unit : INT64_C(0));
      if ((term >> i & 1u) != 0 && !oq_mul_i64(&v, v, at)) return false;
    }
    if (!oq_sub_i64(&y[set], y[set], v)) return false;
  }
  return true;
}

/* The mixed difference over the variables of a term: its factor, if no larger
 * term is left. */
static bool find_factor(int64_t *by, const int64_t *y, uint32_t n,
                        uint32_t term, int64_t step) {
  int64_t sum = 0;
  uint32_t size = 0;

  for (uint32_t i = 0; i < n; i++) size += term >> i & 1u;
  for (uint32_t set = 0; set < 1u << n; set++) {
    uint32_t left = 0;
    if ((set & ~term) != 0) continue;
    for (uint32_t i = 0; i < n; i++) left += (term & ~set) >> i & 1u;
    if (!(left % 2 == 0 ? oq_add_i64(&sum, sum, y[set])
                        : oq_sub_i64(&sum, sum, y[set])))
      return false;
  }
  for (uint32_t i = 0; i < size; i++) {
    if (sum % step != 0) return false;
    sum /= step;
  }
  *by = sum;
  return true;
}

static bool fit_some(fitter *x, form *m, uint32_t result, const uint32_t *vars,
                     uint32_t n) {
  int64_t y[1u << MOST_FORM_VARS];

  *m = (form){.by = 1};
  if (!ask_corners(x, y, result, vars, n)) return false;
  for (uint32_t size = n; size > 0; size--)
    for (uint32_t term = 1; term < 1u << n; term++) {
      int64_t by;
      uint32_t bits = 0;
      for (uint32_t i = 0; i < n; i++) bits += term >> i & 1u;
      if (bits != size) continue;
      if (!find_factor(&by, y, n, term, STEP * x->unit)) return false;
      if (by == 0) continue;
      if (!take_term(x, y, vars, n, term, by)) return false;
      m->term[m->n].by = by;
      m->term[m->n++].vars = spread(vars, term);
    }
  m->plus = y[0];
  return true;
}

/* ---- one result ---------------------------------------------------------- */
typedef struct values {
  const oq_fit *f;
  const int64_t *at;
} values;

static int64_t value_of(const void *user, oq_name factor) {
  const values *const v = user;

  for (uint32_t i = 0; i < v->f->n_vars; i++)
    if (oq_name_eq(v->f->var[i], factor)) return v->at[i];
  return 0;
}

static bool known_holds(fitter *x, uint32_t result, const oq_expr *e) {
  for (uint32_t i = 0; i < x->n_points; i++) {
    const values v = {x->f, point(x, i)};
    int64_t y;
    if (!x->ok[i]) continue;
    if (!oq_expr_value(&y, x->f->exprs, e, x->f->deep, value_of, &v) ||
        y != results(x, i)[result])
      return false;
  }
  return true;
}

/* min(one of the expressions, what large sizes give). */
static bool fit_min(fitter *x, uint32_t result, oq_expr *out) {
  const int64_t most = results(x, 0)[result];

  for (uint32_t k = 0; k < x->f->n_known; k++) {
    oq_expr e;
    if (oq_expr_bound(x->f->exprs, &e, &x->f->known[k], most, false) &&
        known_holds(x, result, &e)) {
      *out = e;
      return true;
    }
  }
  return false;
}

/* false: it is not known somewhere, or too seldom. */
static bool look(fitter *x, uint32_t result, bool *constant) {
  uint32_t n = 0;

  *constant = true;
  for (uint32_t i = 0; i < x->n_points; i++) {
    if (!x->ok[i]) continue;
    const int64_t y = results(x, i)[result];
    if (y == OQ_FIT_NOT) return false;
    if (y != results(x, 0)[result]) *constant = false;
    n++;
  }
  return n >= LEAST_POINTS || n == x->n_points;
}

/* Points 1 to n_vars change one variable each. */
static bool find_vars(fitter *x, uint32_t result, uint32_t *vars, uint32_t *n) {
  *n = 0;
  for (uint32_t i = 0; i < x->f->n_vars; i++) {
    if (!x->ok[i + 1]) return false;
    if (results(x, i + 1)[result] == results(x, 0)[result]) continue;
    if (*n == MOST_FORM_VARS || x->f->var[i].i == 0) return false;
    vars[(*n)++] = i;
  }
  return true;
}

static bool fit_result(fitter *x, uint32_t result, oq_expr *out) {
  uint32_t vars[MOST_FORM_VARS], n;
  bool constant;
  form m;

  if (!look(x, result, &constant)) return false;
  if (constant) {
    *out = oq_expr_number(results(x, 0)[result]);
    return true;
  }
  for (uint32_t i = 0; i < x->f->n_known; i++)
    if (known_holds(x, result, &x->f->known[i])) {
      *out = x->f->known[i];
      return true;
    }
  if (!find_vars(x, result, vars, &n)) return false;
  if (n == 0) return fit_min(x, result, out);
  if (!(n == 1 ? fit_one(x, &m, result, vars[0])
               : fit_some(x, &m, result, vars, n)))
    return false;
  if (!form_expr(out, x->f->exprs, x->f, &m)) return false;
  if (form_holds(x, result, &m)) return true;
  /* Nothing is left below some size: max(form, 0). */
  return oq_expr_bound(x->f->exprs, out, out, 0, true) &&
         known_holds(x, result, out);
}

oq_status oq_fit_run(oq_expr *out, bool *found, const oq_fit *f, oq_arena *a) {
  fitter x = {.f = f, .a = a, .stop = OQ_ANSWER_OK};

  x.at = OQ_NEW_N(a, int64_t, (size_t)OQ_FIT_POINTS * f->n_vars);
  x.results = OQ_NEW_N(a, int64_t, (size_t)OQ_FIT_POINTS * f->n_out);
  x.row = OQ_NEW_N(a, int64_t, f->n_out);
  x.ok = OQ_NEW_N(a, bool, OQ_FIT_POINTS);
  if (x.at == NULL || x.results == NULL || x.row == NULL || x.ok == NULL)
    return OQ_E_MEMORY;
  memset(found, 0, f->n_out * sizeof *found);
  ask_all(&x);
  for (uint32_t i = 0; i < f->n_out && x.ok[0] && x.stop == OQ_ANSWER_OK; i++)
    found[i] = fit_result(&x, i, &out[i]);
  if (x.stop == OQ_ANSWER_MEMORY) return OQ_E_MEMORY;
  if (x.stop != OQ_ANSWER_OK) memset(found, 0, f->n_out * sizeof *found);
  return OQ_OK;
}
