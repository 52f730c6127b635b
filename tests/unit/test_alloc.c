/* base/alloc: hook, alignment, limit, accounting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/alloc.h"
#include "support/env.h"

static void default_hook_aligns_and_counts(void **state) {
  oq_alloc a;

  (void)state;
  oq_alloc_init(&a, NULL, 0);
  for (size_t align = 1; align <= 4096; align *= 2) {
    void *p = oq_alloc_get(&a, 100, align);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % align, 0);
    assert_int_equal(a.used, 100);
    oq_alloc_put(&a, p, 100);
  }
  assert_int_equal(a.used, 0);
  assert_int_equal(a.peak, 100);
}

static void size_zero_is_a_pointer(void **state) {
  oq_alloc a;

  (void)state;
  oq_alloc_init(&a, NULL, 0);
  void *p = oq_alloc_get(&a, 0, 64);
  assert_non_null(p);
  oq_alloc_put(&a, p, 0);
  oq_alloc_put(&a, NULL, 5);
  assert_int_equal(a.used, 0);
}

static void limit_is_exact(void **state) {
  oq_alloc a;

  (void)state;
  oq_alloc_init(&a, NULL, 1000);
  void *p = oq_alloc_get(&a, 600, 8);
  assert_null(oq_alloc_get(&a, 401, 8));
  void *q = oq_alloc_get(&a, 400, 8);
  assert_non_null(q);
  assert_null(oq_alloc_get(&a, 1, 8));
  oq_alloc_put(&a, p, 600);
  assert_null(oq_alloc_get(&a, SIZE_MAX, 8));
  p = oq_alloc_get(&a, 600, 8);
  assert_non_null(p);
  oq_alloc_put(&a, p, 600);
  oq_alloc_put(&a, q, 400);
  assert_int_equal(a.used, 0);
  assert_int_equal(a.peak, 1000);
}

static void failing_hook_leaves_no_claim(void **state) {
  faulty f = {.n = 0};
  const oq_allocator hook = faulty_allocator(&f);
  oq_alloc a;

  (void)state;
  oq_alloc_init(&a, &hook, 0);
  assert_null(oq_alloc_get(&a, 10, 8));
  assert_int_equal(a.used, 0);
  void *p = oq_alloc_get(&a, 10, 8);
  assert_non_null(p);
  assert_int_equal(f.live, 1);
  oq_alloc_put(&a, p, 10);
  assert_int_equal(f.live, 0);
}

static void half_a_hook_is_no_hook(void **state) {
  faulty f = {.n = 0};
  oq_allocator hook = faulty_allocator(&f);
  oq_alloc a;

  (void)state;
  hook.release = NULL;
  oq_alloc_init(&a, &hook, 0);
  void *p = oq_alloc_get(&a, 10, 8);
  assert_non_null(p);
  assert_false(f.failed);
  oq_alloc_put(&a, p, 10);
}

static void *churn(void *arg) {
  oq_alloc *a = arg;

  for (int i = 0; i < 2000; i++) {
    void *p = oq_alloc_get(a, 60, 8);
    if (p != NULL) oq_alloc_put(a, p, 60);
  }
  return NULL;
}

static void threads_cannot_pass_the_limit(void **state) {
  pthread_t t[4];
  oq_alloc a;

  (void)state;
  oq_alloc_init(&a, NULL, 100);
  for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, churn, &a);
  for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
  assert_int_equal(a.used, 0);
  assert_int_equal(a.peak, 60);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(default_hook_aligns_and_counts),
      cmocka_unit_test(size_zero_is_a_pointer),
      cmocka_unit_test(limit_is_exact),
      cmocka_unit_test(failing_hook_leaves_no_claim),
      cmocka_unit_test(half_a_hook_is_no_hook),
      cmocka_unit_test(threads_cannot_pass_the_limit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
