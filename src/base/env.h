/* base/env.h - what nearly every internal function is handed. */
#ifndef OQ_BASE_ENV_H
#define OQ_BASE_ENV_H

#include "base/arena.h"
#include "base/par.h"

struct oq_kernels; /* kern/kern.h */

typedef struct oq_env {
  oq_alloc *alloc;
  const oq_limits *limits; /* filled: no zeros */
  oq_diags *diags;
  oq_pool *pool;     /* NULL inside a task */
  oq_arena *scratch; /* mark and rewind */
  const struct oq_kernels *kernels;
  int (*on_progress)(void *user, const oq_progress *p); /* may be NULL */
  void *user;
  oq_image_decoder images; /* zeros: none */
} oq_env;

/* oq_par_run, in the calling thread and its scratch where there is no pool. */
static inline oq_status oq_env_run(const oq_env *e, uint32_t n, oq_task_fn fn,
                                   void *user) {
  oq_worker w = {0, e->scratch, e->diags};

  return e->pool != NULL ? oq_par_run(e->pool, n, fn, user, e->diags)
                         : oq_par_serial(n, fn, user, &w);
}

#endif
