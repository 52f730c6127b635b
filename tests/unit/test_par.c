/* base/par and base/cores: the same result for any number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cores.h"
#include "base/env.h"
#include "base/limits.h"
#include "base/rng.h"
#include "support/env.h"

enum { N = 500 };
static const uint32_t thread_counts[] = {1, 2, 3, 8};
#define N_COUNTS (sizeof thread_counts / sizeof *thread_counts)

/* ---- every task once ----------------------------------------------------- */
typedef struct sums {
  uint64_t out[N];
  uint32_t threads;
} sums;

static oq_status add_up(void *user, uint32_t task, oq_worker *w) {
  sums *s = user;
  uint64_t *part = OQ_NEW_N(w->scratch, uint64_t, 100);

  if (part == NULL) return OQ_E_MEMORY;
  assert_true(w->index < s->threads);
  for (uint64_t i = 0; i < 100; i++) part[i] = oq_rng_u64(task, i);
  for (uint64_t i = 0; i < 100; i++) s->out[task] += part[i];
  return OQ_OK;
}

static void every_task_runs_once(void **state) {
  sums want = {.threads = 1};
  test_env t;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  for (size_t k = 0; k < N_COUNTS; k++) {
    sums got = {.threads = thread_counts[k]};
    oq_pool *p = NULL;
    assert_int_equal(oq_pool_create(&p, thread_counts[k], &t.alloc), OQ_OK);
    assert_int_equal(oq_pool_threads(p), thread_counts[k]);
    const uint64_t used = t.alloc.used;
    for (int round = 0; round < 20; round++) {
      memset(got.out, 0, sizeof got.out);
      assert_int_equal(oq_par_run(p, N, add_up, &got, t.diags), OQ_OK);
      if (k == 0) want = got;
      assert_memory_equal(got.out, want.out, sizeof got.out);
    }
    /* One spare chunk for each worker at most. */
    assert_true(t.alloc.used <= used + 8192 * thread_counts[k]);
    assert_int_equal(oq_par_run(p, 0, add_up, NULL, t.diags), OQ_OK);
    oq_pool_destroy(p);
  }
  oq_pool_destroy(NULL);
  test_env_close(&t);
}

/* ---- findings and failures ----------------------------------------------- */
static oq_status complain(void *user, uint32_t task, oq_worker *w) {
  const uint32_t *bad = user; /* two tasks that fail */

  for (volatile uint64_t i = oq_rng_u64(1, task) % 5000; i > 0; i--) {}
  if (task % 7 == 0) oq_warn(w->diags, "w", NULL, "task %u", task);
  if (task % 14 == 0) oq_note(w->diags, "n", NULL, "again %u", task);
  if (task == bad[0]) {
    return oq_fail(w->diags, OQ_E_MODEL, "x", NULL, "bad %u", task);
  }
  if (task == bad[1]) {
    return oq_fail(w->diags, OQ_E_DATA, "x", NULL, "bad %u", task);
  }
  return OQ_OK;
}

/* All findings as one text. */
static void gather(char *out, size_t cap, const oq_diags *d) {
  size_t n = 0;

  out[0] = '\0';
  for (size_t i = 0; i < oq_diags_count(d); i++) {
    n += (size_t)snprintf(out + n, cap - n, "%s;", oq_diags_at(d, i)->text);
    assert_true(n < cap);
  }
}

static void findings_come_in_task_order(void **state) {
  static char want[8000], got[8000];
  static const struct {
    uint32_t bad[2];
    oq_status status;
  } rows[] = {{{N, N}, OQ_OK},           {{0, 1}, OQ_E_MODEL},
              {{1, 0}, OQ_E_DATA},       {{300, 299}, OQ_E_DATA},
              {{N - 1, 200}, OQ_E_DATA}, {{N - 1, N}, OQ_E_MODEL}};
  test_env t;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  for (size_t k = 0; k < N_COUNTS; k++) {
    oq_pool *p = NULL;
    assert_int_equal(oq_pool_create(&p, thread_counts[k], &t.alloc), OQ_OK);
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
      uint32_t bad[2] = {rows[r].bad[0], rows[r].bad[1]};
      oq_worker w = {0, t.scratch, t.diags};
      oq_diags_clear(t.diags);
      assert_int_equal(oq_par_serial(N, complain, bad, &w), rows[r].status);
      gather(want, sizeof want, t.diags);
      for (int round = 0; round < 20; round++) {
        oq_diags_clear(t.diags);
        assert_int_equal(oq_par_run(p, N, complain, bad, t.diags),
                         rows[r].status);
        gather(got, sizeof got, t.diags);
        assert_string_equal(got, want);
      }
      assert_int_equal(oq_par_run(p, N, complain, bad, NULL), rows[r].status);
    }
    oq_pool_destroy(p);
  }
  test_env_close(&t);
}

/* Task 0 fails only after task 1 is through. */
static oq_status race(void *user, uint32_t task, oq_worker *w) {
  _Atomic int *done = user;

  if (task == 1) {
    oq_warn(w->diags, "w", NULL, "of no interest");
    atomic_store(done, 1);
  }
  if (task != 0) return OQ_OK;
  for (int i = 0; i < 500 && atomic_load(done) == 0; i++) (void)usleep(10000);
  return oq_fail(w->diags, OQ_E_MODEL, "x", NULL, "first");
}

static void findings_above_a_failure_are_dropped(void **state) {
  _Atomic int done = 0;
  test_env t;
  oq_pool *p = NULL;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  assert_int_equal(oq_pool_create(&p, 2, &t.alloc), OQ_OK);
  assert_int_equal(oq_par_run(p, 2, race, &done, t.diags), OQ_E_MODEL);
  assert_int_equal(done, 1);
  assert_int_equal(oq_diags_count(t.diags), 1);
  assert_string_equal(oq_diags_at(t.diags, 0)->text, "first");
  oq_pool_destroy(p);
  test_env_close(&t);
}

static oq_status flood(void *user, uint32_t task, oq_worker *w) {
  (void)user;
  for (int i = 0; i < 10; i++) oq_warn(w->diags, "w", NULL, "%u %d", task, i);
  return OQ_OK;
}

static void a_flood_is_cut_at_the_same_place(void **state) {
  static char want[20000], got[20000];
  test_env t;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  for (size_t k = 0; k < N_COUNTS; k++) {
    oq_pool *p = NULL;
    assert_int_equal(oq_pool_create(&p, thread_counts[k], &t.alloc), OQ_OK);
    oq_diags_clear(t.diags);
    assert_int_equal(oq_par_run(p, N, flood, NULL, t.diags), OQ_OK);
    gather(got, sizeof got, t.diags);
    if (k == 0) memcpy(want, got, sizeof want);
    assert_string_equal(got, want);
    assert_int_equal(oq_diags_count(t.diags) + oq_diags_dropped(t.diags),
                     10 * N);
    oq_pool_destroy(p);
  }
  test_env_close(&t);
}

/* ---- inside each other --------------------------------------------------- */
typedef struct nest {
  oq_pool *pool;
  _Atomic uint32_t leaves;
} nest;

static oq_status leaf(void *user, uint32_t task, oq_worker *w) {
  nest *x = user;

  if (OQ_NEW_N(w->scratch, char, 5000) == NULL) return OQ_E_MEMORY;
  atomic_fetch_add(&x->leaves, 1);
  if (task == 3) oq_warn(w->diags, "w", NULL, "leaf");
  return OQ_OK;
}

static oq_status branch(void *user, uint32_t task, oq_worker *w) {
  nest *x = user;
  char *mine = OQ_NEW_N(w->scratch, char, 100);

  if (mine == NULL) return OQ_E_MEMORY;
  memset(mine, (int)task, 100);
  OQ_TRY(oq_par_run(x->pool, 10, leaf, x, w->diags));
  for (int i = 0; i < 100; i++) assert_int_equal(mine[i], (char)task);
  return OQ_OK;
}

static void inside_a_task_it_runs_in_the_same_thread(void **state) {
  test_env t;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  for (size_t k = 0; k < N_COUNTS; k++) {
    nest x = {NULL, 0};
    assert_int_equal(oq_pool_create(&x.pool, thread_counts[k], &t.alloc),
                     OQ_OK);
    oq_diags_clear(t.diags);
    assert_int_equal(oq_par_run(x.pool, 50, branch, &x, t.diags), OQ_OK);
    assert_int_equal(x.leaves, 500);
    assert_int_equal(oq_diags_count(t.diags), 50);
    oq_pool_destroy(x.pool);
  }
  test_env_close(&t);
}

static void without_a_pool_it_runs_here(void **state) {
  uint32_t bad[2] = {20, 30};
  test_env t;
  oq_env e;
  nest x = {NULL, 0};

  (void)state;
  assert_true(test_env_open(&t, NULL));
  assert_int_equal(oq_par_run(NULL, N, complain, bad, t.diags), OQ_E_MODEL);
  assert_int_equal(oq_diags_count(t.diags), 6);
  assert_int_equal(oq_par_run(NULL, 10, leaf, &x, NULL), OQ_OK);
  e = t.e;
  e.pool = NULL;
  const size_t bytes = oq_arena_bytes(t.scratch);
  assert_int_equal(oq_env_run(&e, 10, leaf, &x), OQ_OK);
  assert_int_equal(oq_arena_bytes(t.scratch), bytes);
  assert_int_equal(x.leaves, 20);
  test_env_close(&t);
}

static void zero_threads_means_the_cores(void **state) {
  test_env t;
  oq_pool *p = NULL;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  assert_int_equal(oq_pool_create(&p, 0, &t.alloc), OQ_OK);
  assert_int_equal(oq_pool_threads(p), oq_cores_usable());
  assert_in_range(oq_pool_threads(p), 1, OQ_MAX_THREADS);
  oq_pool_destroy(p);
  test_env_close(&t);
}

static oq_status one_life(const oq_allocator *hook, void *user) {
  oq_alloc a;
  oq_pool *p = NULL;
  sums *s = user;

  oq_alloc_init(&a, hook, 0);
  oq_status st = oq_pool_create(&p, 1, &a);
  if (st == OQ_OK) st = oq_par_run(p, 5, add_up, s, NULL);
  oq_pool_destroy(p);
  return st;
}

static void every_failing_allocation_is_survived(void **state) {
  static sums s = {.threads = 1};

  (void)state;
  assert_true(survive_every_allocation(one_life, &s) > 4);
}

/* ---- quotas -------------------------------------------------------------- */
static char root[] = "/tmp/oq-root-XXXXXX";

static void put(const char *name, const char *text) {
  char path[300];

  (void)snprintf(path, sizeof path, "%s/%s", root, name);
  for (char *p = path + strlen(root) + 1; (p = strchr(p, '/')) != NULL; p++) {
    *p = '\0';
    (void)mkdir(path, 0700);
    *p = '/';
  }
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  assert_true(fputs(text, f) >= 0);
  (void)fclose(f);
}

static void quotas_are_found(void **state) {
  char command[100];

  (void)state;
  assert_non_null(mkdtemp(root));
  assert_int_equal(oq_cores_within_quota(root, 64), 64); /* no files */
  put("proc/self/cgroup", "0::/a/b\n");
  put("sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  assert_int_equal(oq_cores_within_quota(root, 64), 64);
  put("sys/fs/cgroup/a/b/cpu.max", "250000 100000\n");
  assert_int_equal(oq_cores_within_quota(root, 64), 3);
  assert_int_equal(oq_cores_within_quota(root, 2), 2);
  put("sys/fs/cgroup/a/cpu.max", "150000 100000\n"); /* of the parent */
  assert_int_equal(oq_cores_within_quota(root, 64), 2);
  put("sys/fs/cgroup/cpu.max", "1000 100000"); /* of the root */
  assert_int_equal(oq_cores_within_quota(root, 64), 1);
  put("sys/fs/cgroup/cpu.max", "rubbish");
  put("sys/fs/cgroup/a/cpu.max", "-1 0");
  put("sys/fs/cgroup/a/b/cpu.max", "");
  assert_int_equal(oq_cores_within_quota(root, 64), 64);

  put("proc/self/cgroup", "5:memory:/x\n4:cpuacct,cpu:/y\n1:name=z:/\n0::/");
  put("sys/fs/cgroup/cpu/y/cpu.cfs_quota_us", "-1\n");
  put("sys/fs/cgroup/cpu/y/cpu.cfs_period_us", "100000\n");
  assert_int_equal(oq_cores_within_quota(root, 64), 64);
  put("sys/fs/cgroup/cpu/y/cpu.cfs_quota_us", "400000\n");
  assert_int_equal(oq_cores_within_quota(root, 64), 4);
  put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n");
  put("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  assert_int_equal(oq_cores_within_quota(root, 64), 2);
  (void)snprintf(command, sizeof command, "rm -r %s", root);
  assert_int_equal(system(command), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_task_runs_once),
      cmocka_unit_test(findings_come_in_task_order),
      cmocka_unit_test(findings_above_a_failure_are_dropped),
      cmocka_unit_test(a_flood_is_cut_at_the_same_place),
      cmocka_unit_test(inside_a_task_it_runs_in_the_same_thread),
      cmocka_unit_test(without_a_pool_it_runs_here),
      cmocka_unit_test(zero_threads_means_the_cores),
      cmocka_unit_test(every_failing_allocation_is_survived),
      cmocka_unit_test(quotas_are_found),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
