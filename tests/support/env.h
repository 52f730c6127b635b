/* support/env.h - what internal functions want to be handed, with an allocator
 * that can be told to fail. */
#ifndef TEST_ENV_H
#define TEST_ENV_H

#include <stdbool.h>

#include "base/env.h"

typedef struct test_env {
  oq_alloc alloc;
  oq_limits limits; /* the built-in ones; may be lowered */
  oq_diags *diags;
  oq_arena *scratch;
  oq_env e;
} test_env;

/* false if the memory for it cannot be had.  `hook` may be NULL. */
bool test_env_open(test_env *t, const oq_allocator *hook);
/* Fails the test if anything was not given back. */
void test_env_close(test_env *t);
/* Id of the last finding, "" if there is none. */
const char *test_env_last(const test_env *t);
/* Prints all findings to stderr. */
void test_env_show(const test_env *t);

/* An allocator that counts, and fails once after `n` allocations. */
typedef struct faulty {
  uint64_t n;    /* allocations until the failure */
  uint64_t live; /* blocks not given back */
  bool failed;
} faulty;
oq_allocator faulty_allocator(faulty *f);

/* Runs `scenario` again and again, each time failing one allocation later,
 * until it gets through without a failure.  Each time the scenario must return
 * OQ_E_MEMORY or, where it can do without the memory, OQ_OK; and give
 * everything back.  Returns how many allocations it makes. */
uint64_t survive_every_allocation(oq_status (*scenario)(const oq_allocator *a,
                                                        void *user),
                                  void *user);

#endif
