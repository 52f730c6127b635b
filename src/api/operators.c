/* api/operators.c - the rows of the engine as a public table. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "onnxquant/run.h"
#include "ops/op.h"
#include "quant/quant.h"

#define MOST 1024

/* Written once, since the rows lie in one table per family. */
static oq_operator_info table[MOST];
static size_t n_rows;

static int by_name(const void *pa, const void *pb) {
  const oq_operator_info *a = pa, *b = pb;
  int c = strcmp(a->domain, b->domain);

  if (c == 0) c = strcmp(a->name, b->name);
  if (c == 0) c = (a->since > b->since) - (a->since < b->since);
  return c;
}

static uint32_t dtypes_of(const oq_op_def *d) {
  const uint32_t numbers =
      d->dtypes != 0 ? d->dtypes : OQ_DTM_ALL & ~OQ_DTM(STRING);

  return (d->texts & OQ_TEXT(0)) != 0 ? numbers | OQ_DTM(STRING) : numbers;
}

static int has_int8(const oq_op_def *d) {
  const oq_profile *p = oq_profile_find("ort-cpu");

  return p != NULL && oq_profile_rule_find(p, d->domain, d->name) != NULL;
}

static void fill_table(void) {
  uint32_t n_families;
  const oq_op_family *const *f = oq_op_families(&n_families);

  for (uint32_t i = 0; i < n_families; i++) {
    for (uint32_t k = 0; k < f[i]->n_defs && n_rows < MOST; k++) {
      const oq_op_def *d = &f[i]->defs[k];
      if (d->refusal != NULL) continue;
      table[n_rows++] = (oq_operator_info){d->domain,
                                           d->name,
                                           d->since,
                                           d->last,
                                           oq_quant_class_text(d->quant.cls),
                                           dtypes_of(d),
                                           has_int8(d)};
    }
  }
  qsort(table, n_rows, sizeof table[0], by_name);
}

const oq_operator_info *oq_operators(size_t *n) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;

  (void)pthread_once(&once, fill_table);
  if (n != NULL) *n = n_rows;
  return table;
}
