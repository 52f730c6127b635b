/* quant/check.h - what must hold of every quantized graph. */
#ifndef TEST_QUANT_CHECK_H
#define TEST_QUANT_CHECK_H

#include "ops/op.h"
#include "support/env.h"

/* A model read back from the bytes that were written. */
typedef struct read_back {
  test_env env;
  oq_model_ir *ir;
  oq_graph *g; /* the main one ... */
  oq_uses uses;
  const oq_scope *scope; /* ... and all */
  oq_uses *all_uses;
  uint32_t n_scopes;
  size_t size; /* of the bytes */
} read_back;

/* `bytes` must outlive it. */
void read_back_open(read_back *r, const void *bytes, size_t size);
void read_back_close(read_back *r);

/* Both fail the test; `prepared` is the float model before the rewriting. */
void check_ports(const read_back *before, const read_back *after);
void check_names(const read_back *prepared, const read_back *after);
void check_linears(const read_back *after);
void check_biases(const read_back *after);
void check_size(const read_back *prepared, const read_back *after);
/* Nodes are of the same operators in the same order, and constants of the same
 * bytes. */
void check_same_but_names(const read_back *a, const read_back *b);

#endif
