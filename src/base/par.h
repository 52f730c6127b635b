/* base/par.h - who runs it, never how it is cut. */
#ifndef OQ_BASE_PAR_H
#define OQ_BASE_PAR_H

#include <stdint.h>

#include "base/arena.h"

typedef struct oq_worker { /* private to one thread while a task runs */
  uint32_t index;          /* 0 .. threads-1: for per-thread memory only */
  oq_arena *scratch;       /* rewound after each task */
  oq_diags *diags;
} oq_worker;
typedef oq_status (*oq_task_fn)(void *user, uint32_t task, oq_worker *w);
typedef struct oq_pool oq_pool;

/* `threads` 0 = the cores this process may use (affinity and cgroup quota). */
oq_status oq_pool_create(oq_pool **out, uint32_t threads, oq_alloc *a);
void oq_pool_destroy(oq_pool *p);
uint32_t oq_pool_threads(const oq_pool *p);

/* Runs tasks 0..n-1.  `n` and the meaning of a task must come from the problem
 * alone, never from the number of threads.  Findings reach `d` in task order;
 * the status is that of the lowest failing task; tasks above a failed one may
 * not run.  Called inside a task of `p`, or with `p` NULL, it runs everything
 * in the calling thread; then prefer oq_env_run of base/env.h, which has
 * scratch memory. */
oq_status oq_par_run(oq_pool *p, uint32_t n, oq_task_fn fn, void *user,
                     oq_diags *d);
/* All tasks in the calling thread, as worker `w`; stops at the first failing
 * one. */
oq_status oq_par_serial(uint32_t n, oq_task_fn fn, void *user, oq_worker *w);

#endif
