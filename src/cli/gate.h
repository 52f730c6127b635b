/* cli/gate.h - limits that turn a result into yes or no. */
#ifndef CLI_GATE_H
#define CLI_GATE_H

#include <jansson.h>

#include "cli/checking.h"

typedef struct oq_gate_options {
  oq_opt_real min_sqnr, min_cosine, min_agreement, max_drop;
  oq_opt_real max_latency_ratio, max_size_ratio, require_int8;
  oq_opt_list gate; /* "NAME=LIMIT", the same by name */
} oq_gate_options;
/* Those of `compare`; those of `quantize`. */
extern const oq_opt oq_gate_compare_rows[];
extern const oq_opt oq_gate_quantize_rows[];

/* Takes over what --gate says. */
int oq_gate_take_words(oq_gate_options *g);
/* Whether any of them needs outputs to be compared. */
bool oq_gate_needs_check(const oq_gate_options *g);

typedef struct oq_gate {
  const char *name;
  double limit, value;
  bool ok;
} oq_gate;

typedef struct oq_gates {
  oq_gate gate[8];
  size_t n;
} oq_gates;

/* Appends if `limit` is set; a value that is not a number fails. */
void oq_gate_at_least(oq_gates *g, const char *name, const oq_opt_real *limit,
                      double value);
void oq_gate_at_most(oq_gates *g, const char *name, const oq_opt_real *limit,
                     double value);
void oq_gate_check(oq_gates *g, const oq_gate_options *o, const oq_check *c);

json_t *oq_gate_json(const oq_gates *g);
/* Names each gate that failed on stderr; OQ_EXIT_NO if one did. */
int oq_gate_verdict(const oq_gates *g);

#endif
