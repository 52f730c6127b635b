#include "support/env.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "kern/kern.h"

static oq_limits built_in(void) {
  return (oq_limits){.max_model_bytes = OQ_MAX_MODEL_BYTES,
                     .max_tensor_bytes = OQ_MAX_TENSOR_BYTES,
                     .max_run_bytes = OQ_MAX_RUN_BYTES,
                     .max_memory = UINT64_MAX,
                     .max_nodes = OQ_MAX_NODES,
                     .max_graph_depth = OQ_MAX_GRAPH_DEPTH,
                     .max_loop_trips = OQ_MAX_LOOP_TRIPS};
}

bool test_env_open(test_env *t, const oq_allocator *hook) {
  memset(t, 0, sizeof *t);
  oq_alloc_init(&t->alloc, hook, 0);
  t->limits = built_in();
  if (oq_diags_create(&t->diags, &t->alloc) != OQ_OK) return false;
  if (oq_arena_create(&t->scratch, &t->alloc, 0) != OQ_OK) {
    oq_diags_destroy(t->diags);
    return false;
  }
  oq_blas_setup();
  t->e = (oq_env){.alloc = &t->alloc,
                  .limits = &t->limits,
                  .diags = t->diags,
                  .scratch = t->scratch,
                  .kernels = oq_kernels_find("auto")};
  return true;
}

void test_env_close(test_env *t) {
  oq_arena_destroy(t->scratch);
  oq_diags_destroy(t->diags);
  assert_int_equal(t->alloc.used, 0);
}

const char *test_env_last(const test_env *t) {
  const size_t n = oq_diags_count(t->diags);

  return n > 0 ? oq_diags_at(t->diags, n - 1)->id : "";
}

void test_env_show(const test_env *t) {
  for (size_t i = 0; i < oq_diags_count(t->diags); i++) {
    const oq_diag *d = oq_diags_at(t->diags, i);
    (void)fprintf(stderr, "%s: %s\n", d->id, d->text);
  }
}

/* ---- failing on purpose -------------------------------------------------- */
static void *faulty_get(void *user, size_t size, size_t align) {
  faulty *f = user;
  void *p = NULL;

  if (f->n == 0 && !f->failed) {
    f->failed = true;
    return NULL;
  }
  f->n -= f->n > 0;
  if (align < sizeof(void *)) align = sizeof(void *);
  if (posix_memalign(&p, align, size) != 0) return NULL;
  f->live++;
  return p;
}

static void faulty_put(void *user, void *p, size_t size) {
  faulty *f = user;

  (void)size;
  f->live -= p != NULL;
  free(p);
}

oq_allocator faulty_allocator(faulty *f) {
  return (oq_allocator){faulty_get, faulty_put, f};
}

uint64_t survive_every_allocation(oq_status (*scenario)(const oq_allocator *a,
                                                        void *user),
                                  void *user) {
  for (uint64_t n = 0;; n++) {
    faulty f = {.n = n};
    const oq_allocator a = faulty_allocator(&f);
    const oq_status s = scenario(&a, user);
    assert_int_equal(f.live, 0);
    if (!f.failed) {
      assert_int_equal(s, OQ_OK);
      return n;
    }
    if (s != OQ_OK) assert_int_equal(s, OQ_E_MEMORY);
  }
}
