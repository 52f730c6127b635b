/* ops/expr - sizes that are known as functions of named ones: sums of products
 * of symbols, and of floor(sum / number).  An expression has one form and one
 * text, and the text is its name: "2*seq+1", "batch*heads", "floor((W+1)/2)".
 * So equal expressions are equal names, and whoever copies an oq_dim copies the
 * expression.  What grows too big is unknown. */
#ifndef OQ_OPS_EXPR_H
#define OQ_OPS_EXPR_H

#include "ir/ir.h"

enum {
  OQ_EXPR_TERMS = 6,
  OQ_EXPR_FACTORS = 4, /* of a term */
  OQ_EXPR_TEXT = 128,  /* longest text, with its end */
  OQ_EXPR_MOST = 65536 /* different ones in one table */
};

typedef struct oq_expr_term {
  int64_t by;                      /* not 0 */
  uint32_t n;                      /* 1 or more */
  oq_name factor[OQ_EXPR_FACTORS]; /* in order of their texts */
} oq_expr_term;

/* A plain struct in its one form: all functions give, and expect, that. */
typedef struct oq_expr {
  int64_t plus;
  uint32_t n;
  oq_expr_term term[OQ_EXPR_TERMS];
} oq_expr;

/* What the names of expressions stand for.  Names are added to those of the
 * model. */
typedef struct oq_exprs oq_exprs;
oq_status oq_exprs_create(oq_exprs **out, oq_names *names, oq_arena *a);
/* A name that the model itself uses: it is a symbol, whatever it looks like. */
oq_status oq_exprs_reserve(oq_exprs *t, oq_name symbol);
/* Memory ran out since; what failed for that reason was said to be unknown. */
bool oq_exprs_exhausted(const oq_exprs *t);

oq_expr oq_expr_number(int64_t v);
/* The expression of that name, or the symbol. */
oq_expr oq_expr_named(const oq_exprs *t, oq_name name);
/* The name itself as a symbol: one factor. */
oq_expr oq_expr_symbol(oq_name name);
bool oq_expr_equal(const oq_expr *a, const oq_expr *b);
static inline bool oq_expr_is_number(const oq_expr *e) { return e->n == 0; }

/* All false where the result would be too big. */
bool oq_expr_add(const oq_exprs *t, oq_expr *out, const oq_expr *a,
                 const oq_expr *b);
bool oq_expr_mul(const oq_exprs *t, oq_expr *out, const oq_expr *a,
                 const oq_expr *b);
/* floor(a / by), by > 0. */
bool oq_expr_floor(oq_exprs *t, oq_expr *out, const oq_expr *a, int64_t by);
/* min(a, bound) or max(a, bound). */
bool oq_expr_bound(oq_exprs *t, oq_expr *out, const oq_expr *a, int64_t bound,
                   bool is_max);
/* The name of an expression that is no number. */
bool oq_expr_name(oq_exprs *t, oq_name *out, const oq_expr *e);
/* Its value; false if that does not fit.  `value` gives that of a symbol and,
 * unless `deep`, of a floor(). */
bool oq_expr_value(int64_t *out, const oq_exprs *t, const oq_expr *e, bool deep,
                   int64_t (*value)(const void *user, oq_name factor),
                   const void *user);
/* Calls `take` for everything that oq_expr_value would ask for; returns whether
 * there is a floor() in it. */
bool oq_expr_factors(const oq_exprs *t, const oq_expr *e, bool deep,
                     void (*take)(void *user, oq_name factor), void *user);

/* A size as an expression; false if it is not known. */
bool oq_expr_of_dim(const oq_exprs *t, oq_expr *out, oq_dim d);
/* And back; an unknown size where it has no name or is negative. */
oq_dim oq_expr_dim(oq_exprs *t, const oq_expr *e);

/* Rounds towards minus infinity; by > 0. */
int64_t oq_floor_div(int64_t v, int64_t by);

#endif
