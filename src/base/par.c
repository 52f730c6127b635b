/* base/par.c - a pool of threads; the caller is worker 0. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getaffinity, CPU_COUNT_S */
#endif
#include "base/par.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "base/cores.h"
#include "base/limits.h"

typedef struct member {
  oq_worker worker;
  oq_pool *pool;
  pthread_t thread; /* of worker 0: whoever runs a job now */
  bool started;
} member;

/* One job; written by the caller while all others sleep. */
typedef struct job {
  oq_task_fn fn;
  void *user;
  uint32_t n;
  _Atomic uint32_t next;   /* task to hand out */
  _Atomic uint32_t failed; /* lowest failing task so far, n = none */
} job;

struct oq_pool {
  oq_alloc *alloc;
  uint32_t threads, allocated;
  member *member;
  oq_status *status; /* of the failing task of each worker */
  uint32_t *task;    /* and its number */
  pthread_mutex_t mutex;
  pthread_cond_t work, idle;
  uint64_t round;   /* of the job; guarded, like the following */
  uint32_t running; /* threads that have not ended the round yet */
  bool stop;
  _Atomic bool busy;
  job job;
};

/* ---- one worker --------------------------------------------------------- */

static oq_status run_task(oq_task_fn fn, void *user, uint32_t task,
                          oq_worker *w) {
  const oq_mark mark = oq_arena_mark(w->scratch);
  const oq_status s = fn(user, task, w);

  oq_arena_rewind(w->scratch, mark);
  return s;
}

static void lower(_Atomic uint32_t *x, uint32_t to) {
  uint32_t now = atomic_load_explicit(x, memory_order_relaxed);

  while (to < now &&
         !atomic_compare_exchange_weak_explicit(
             x, &now, to, memory_order_relaxed, memory_order_relaxed)) {}
}

/* Tasks are handed out in order, so every task below a failing one has been
 * taken and will be run to its end: the lowest failing task does not depend on
 * who was faster. */
static void work_on(oq_pool *p, uint32_t index) {
  oq_worker *w = &p->member[index].worker;
  job *j = &p->job;

  for (;;) {
    /* Stops at n: the counter goes at most `threads` beyond it. */
    const uint32_t i =
        atomic_fetch_add_explicit(&j->next, 1, memory_order_relaxed);
    if (i >= j->n) return;
    if (i > atomic_load_explicit(&j->failed, memory_order_relaxed)) return;
    oq_diags_set_tag(w->diags, i);
    const oq_status s = run_task(j->fn, j->user, i, w);
    if (s != OQ_OK) {
      p->status[index] = s;
      p->task[index] = i;
      lower(&j->failed, i);
      return; /* what is left for this worker lies above */
    }
  }
}

static void *thread_main(void *arg) {
  member *m = (member *)arg;
  oq_pool *p = m->pool;
  uint64_t seen = 0;

  (void)pthread_mutex_lock(&p->mutex);
  for (;;) {
    while (!p->stop && p->round == seen) {
      (void)pthread_cond_wait(&p->work, &p->mutex);
    }
    if (p->stop) break;
    seen = p->round;
    (void)pthread_mutex_unlock(&p->mutex);
    work_on(p, m->worker.index);
    (void)pthread_mutex_lock(&p->mutex);
    if (--p->running == 0) (void)pthread_cond_signal(&p->idle);
  }
  (void)pthread_mutex_unlock(&p->mutex);
  return NULL;
}

/* ---- the pool ----------------------------------------------------------- */

static void *take(oq_alloc *a, size_t n, size_t size) {
  void *p = oq_alloc_get(a, n * size, OQ_ALIGN);

  if (p != NULL) memset(p, 0, n * size);
  return p;
}

static oq_status make_members(oq_pool *p) {
  p->member = (member *)take(p->alloc, p->allocated, sizeof *p->member);
  p->status = (oq_status *)take(p->alloc, p->allocated, sizeof *p->status);
  p->task = (uint32_t *)take(p->alloc, p->allocated, sizeof *p->task);
  if (p->member == NULL || p->status == NULL || p->task == NULL) {
    return OQ_E_MEMORY;
  }
  for (uint32_t i = 0; i < p->allocated; i++) {
    oq_worker *w = &p->member[i].worker;
    p->member[i].pool = p;
    w->index = i;
    OQ_TRY(oq_arena_create(&w->scratch, p->alloc, 0));
    OQ_TRY(oq_diags_create(&w->diags, p->alloc));
  }
  return OQ_OK;
}

/* Where the system gives fewer threads, fewer do the same work. */
static void start_threads(oq_pool *p) {
  sigset_t all, old;

  /* Signals of the host are handled by threads of the host. */
  (void)sigfillset(&all);
  const bool masked = pthread_sigmask(SIG_SETMASK, &all, &old) == 0;
  for (uint32_t i = 1; i < p->allocated; i++) {
    member *m = &p->member[i];
    m->started = pthread_create(&m->thread, NULL, thread_main, m) == 0;
    if (!m->started) break;
    p->threads++;
  }
  if (masked) (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
}

oq_status oq_pool_create(oq_pool **out, uint32_t threads, oq_alloc *a) {
  oq_pool *p = (oq_pool *)take(a, 1, sizeof *p);

  if (p == NULL) return OQ_E_MEMORY;
  if (threads == 0) threads = oq_cores_usable();
  p->alloc = a;
  p->allocated = threads < OQ_MAX_THREADS ? threads : OQ_MAX_THREADS;
  p->threads = 1;
  (void)pthread_mutex_init(&p->mutex, NULL);
  (void)pthread_cond_init(&p->work, NULL);
  (void)pthread_cond_init(&p->idle, NULL);
  const oq_status s = make_members(p);
  if (s != OQ_OK) {
    oq_pool_destroy(p);
    return s;
  }
  start_threads(p);
  *out = p;
  return OQ_OK;
}

static void stop_threads(oq_pool *p) {
  (void)pthread_mutex_lock(&p->mutex);
  p->stop = true;
  (void)pthread_cond_broadcast(&p->work);
  (void)pthread_mutex_unlock(&p->mutex);
  for (uint32_t i = 1; i < p->threads; i++) {
    (void)pthread_join(p->member[i].thread, NULL);
  }
}

void oq_pool_destroy(oq_pool *p) {
  if (p == NULL) return;
  stop_threads(p);
  for (uint32_t i = 0; p->member != NULL && i < p->allocated; i++) {
    oq_arena_destroy(p->member[i].worker.scratch);
    oq_diags_destroy(p->member[i].worker.diags);
  }
  oq_alloc_put(p->alloc, p->member, p->allocated * sizeof *p->member);
  oq_alloc_put(p->alloc, p->status, p->allocated * sizeof *p->status);
  oq_alloc_put(p->alloc, p->task, p->allocated * sizeof *p->task);
  (void)pthread_cond_destroy(&p->idle);
  (void)pthread_cond_destroy(&p->work);
  (void)pthread_mutex_destroy(&p->mutex);
  oq_alloc_put(p->alloc, p, sizeof *p);
}

uint32_t oq_pool_threads(const oq_pool *p) { return p->threads; }

/* ---- running ------------------------------------------------------------ */

oq_status oq_par_serial(uint32_t n, oq_task_fn fn, void *user, oq_worker *w) {
  for (uint32_t i = 0; i < n; i++) OQ_TRY(run_task(fn, user, i, w));
  return OQ_OK;
}

/* Inside a task of the same pool: whoever calls is one of its threads. */
static oq_status run_nested(oq_pool *p, uint32_t n, oq_task_fn fn, void *user,
                            oq_diags *d) {
  const pthread_t self = pthread_self();
  uint32_t i = p->threads - 1;

  while (i > 0 && !pthread_equal(p->member[i].thread, self)) i--;
  oq_worker w = p->member[i].worker;
  w.diags = d != NULL ? d : w.diags;
  return oq_par_serial(n, fn, user, &w);
}

/* The findings of all workers up to task `last`, by task.  Each list is in
 * order already, for each worker got its tasks in order. */
static void merge_findings(oq_pool *p, uint32_t last, oq_diags *d) {
  uint32_t *at = p->task; /* no longer needed */

  memset(at, 0, p->threads * sizeof *at);
  while (d != NULL) {
    uint32_t best = p->threads, best_task = last;
    for (uint32_t i = 0; i < p->threads; i++) {
      const oq_diags *from = p->member[i].worker.diags;
      if (at[i] >= oq_diags_count(from)) continue;
      const uint32_t task = oq_diags_tag_at(from, at[i]);
      if (task < best_task || (task == best_task && best == p->threads)) {
        best = i;
        best_task = task;
      }
    }
    if (best == p->threads) break;
    oq_diags_copy_one(d, p->member[best].worker.diags, at[best]++);
  }
  for (uint32_t i = 0; i < p->threads; i++) {
    oq_diags *from = p->member[i].worker.diags;
    /* After a failure it depends on speed how many more tasks were run. */
    if (d != NULL && last == UINT32_MAX) {
      oq_diags_count_dropped(d, oq_diags_dropped(from));
    }
    oq_diags_clear(from);
  }
}

static oq_status end_job(oq_pool *p, oq_diags *d) {
  const uint32_t failed =
      atomic_load_explicit(&p->job.failed, memory_order_relaxed);
  oq_status s = OQ_OK;

  for (uint32_t i = 0; i < p->threads; i++) {
    if (p->status[i] != OQ_OK && p->task[i] == failed) s = p->status[i];
  }
  merge_findings(p, s == OQ_OK ? UINT32_MAX : failed, d);
  return s;
}

static void run_parallel(oq_pool *p, uint32_t n, oq_task_fn fn, void *user) {
  for (uint32_t i = 0; i < p->threads; i++) p->status[i] = OQ_OK;
  p->job.fn = fn;
  p->job.user = user;
  p->job.n = n;
  atomic_store_explicit(&p->job.next, 0, memory_order_relaxed);
  atomic_store_explicit(&p->job.failed, n, memory_order_relaxed);

  (void)pthread_mutex_lock(&p->mutex); /* publishes the job */
  p->round++;
  p->running = p->threads - 1;
  (void)pthread_cond_broadcast(&p->work);
  (void)pthread_mutex_unlock(&p->mutex);
  work_on(p, 0);
  (void)pthread_mutex_lock(&p->mutex);
  while (p->running != 0) (void)pthread_cond_wait(&p->idle, &p->mutex);
  (void)pthread_mutex_unlock(&p->mutex);
}

/* Without a pool there is no memory for the scratch of a worker but that of
 * the findings. */
static oq_status run_without_pool(uint32_t n, oq_task_fn fn, void *user,
                                  oq_diags *d) {
  oq_alloc heap;
  oq_arena *scratch = NULL;

  oq_alloc_init(&heap, NULL, 0);
  OQ_TRY(oq_arena_create(&scratch, d != NULL ? oq_diags_alloc(d) : &heap, 0));
  oq_worker w = {0, scratch, d};
  const oq_status s = oq_par_serial(n, fn, user, &w);
  oq_arena_destroy(scratch);
  return s;
}

oq_status oq_par_run(oq_pool *p, uint32_t n, oq_task_fn fn, void *user,
                     oq_diags *d) {
  if (n == 0) return OQ_OK;
  if (p == NULL) return run_without_pool(n, fn, user, d);
  if (atomic_load_explicit(&p->busy, memory_order_relaxed)) {
    return run_nested(p, n, fn, user, d);
  }
  atomic_store_explicit(&p->busy, true, memory_order_relaxed);
  oq_status s;
  /* The counter of tasks goes a little beyond n and must not wrap. */
  if (n == 1 || p->threads == 1 || n > UINT32_MAX - OQ_MAX_THREADS) {
    s = run_nested(p, n, fn, user, d); /* as worker 0 */
    oq_diags_clear(p->member[0].worker.diags);
  } else {
    run_parallel(p, n, fn, user);
    s = end_job(p, d);
  }
  atomic_store_explicit(&p->busy, false, memory_order_relaxed);
  return s;
}
