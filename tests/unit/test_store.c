/* base/store: mapped, read, wrapped and own bytes; limits; references. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/store.h"
#include "support/env.h"

static char folder[] = "/tmp/oq-store-XXXXXX";
static char path[200];

static int make_folder(void **state) {
  (void)state;
  if (mkdtemp(folder) == NULL) return -1;
  (void)snprintf(path, sizeof path, "%s/file", folder);
  return 0;
}

static int remove_folder(void **state) {
  (void)state;
  (void)unlink(path);
  return rmdir(folder);
}

static void write_file(const char *bytes, size_t n) {
  FILE *f = fopen(path, "wb");

  assert_non_null(f);
  assert_int_equal(fwrite(bytes, 1, n, f), n);
  assert_int_equal(fclose(f), 0);
}

typedef oq_status open_fn(oq_store **out, const char *path, uint64_t max,
                          oq_alloc *a, oq_diags *d);
static open_fn *const opens[2] = {oq_store_map, oq_store_read};

static void a_file_comes_as_it_is(void **state) {
  static char bytes[200000];
  test_env t;
  size_t n = 0;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)(i * 7);
  write_file(bytes, sizeof bytes);
  for (int k = 0; k < 2; k++) {
    oq_store *s = NULL;
    assert_int_equal(opens[k](&s, path, UINT64_MAX, &t.alloc, t.diags), OQ_OK);
    const uint8_t *p = oq_store_data(s, &n);
    assert_int_equal(n, sizeof bytes);
    assert_memory_equal(p, bytes, n);
    oq_store_unref(s);
  }
  test_env_close(&t);
}

static void max_is_exact(void **state) {
  test_env t;
  oq_store *s = NULL;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  write_file("0123456789", 10);
  for (int k = 0; k < 2; k++) {
    assert_int_equal(opens[k](&s, path, 10, &t.alloc, t.diags), OQ_OK);
    oq_store_unref(s);
    s = NULL;
    assert_int_equal(opens[k](&s, path, 9, &t.alloc, t.diags), OQ_E_LIMIT);
    assert_null(s);
    assert_string_equal(test_env_last(&t), "file.too_big");
  }
  test_env_close(&t);
}

static void an_empty_file_is_fine(void **state) {
  test_env t;
  size_t n = 9;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  write_file("", 0);
  for (int k = 0; k < 2; k++) {
    oq_store *s = NULL;
    assert_int_equal(opens[k](&s, path, 0, &t.alloc, t.diags), OQ_OK);
    assert_non_null(oq_store_data(s, &n));
    assert_int_equal(n, 0);
    oq_store_unref(s);
  }
  test_env_close(&t);
}

static void what_is_no_file_is_said(void **state) {
  test_env t;
  oq_store *s = NULL;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  for (int k = 0; k < 2; k++) {
    assert_int_equal(opens[k](&s, "/nowhere/x", 10, &t.alloc, t.diags),
                     OQ_E_IO);
    assert_non_null(strstr(oq_diags_at(t.diags, 0)->text, "/nowhere/x"));
    assert_int_equal(opens[k](&s, folder, 10, &t.alloc, t.diags), OQ_E_IO);
    assert_string_equal(test_env_last(&t), "file.read");
    assert_null(s);
  }
  test_env_close(&t);
}

/* Sizes that lie: files of /proc say 0. */
static void files_of_proc_are_read(void **state) {
  test_env t;
  oq_store *s = NULL;
  size_t n = 0;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  assert_int_equal(
      oq_store_map(&s, "/proc/self/status", 1 << 20, &t.alloc, t.diags), OQ_OK);
  assert_non_null(oq_store_data(s, &n));
  assert_true(n > 100);
  oq_store_unref(s);
  test_env_close(&t);
}

static void *feed(void *arg) {
  const int fd = *(int *)arg;
  char block[10000];

  memset(block, 'p', sizeof block);
  for (int i = 0; i < 30; i++) {
    if (write(fd, block, sizeof block) < 0) break;
  }
  (void)close(fd);
  return NULL;
}

static void a_pipe_is_read_to_its_end(void **state) {
  test_env t;
  oq_store *s = NULL;
  pthread_t thread;
  int fd[2];
  size_t n = 0;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  assert_int_equal(pipe(fd), 0);
  pthread_create(&thread, NULL, feed, &fd[1]);
  assert_int_equal(
      oq_store_map_fd(&s, fd[0], "pipe", 300000, &t.alloc, t.diags), OQ_OK);
  pthread_join(thread, NULL);
  (void)close(fd[0]);
  const uint8_t *p = oq_store_data(s, &n);
  assert_int_equal(n, 300000);
  assert_int_equal(p[299999], 'p');
  oq_store_unref(s);
  test_env_close(&t);
}

static void an_endless_file_meets_the_limit(void **state) {
  test_env t;
  oq_store *s = NULL;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  assert_int_equal(oq_store_map(&s, "/dev/zero", 1 << 20, &t.alloc, t.diags),
                   OQ_E_LIMIT);
  assert_null(s);
  test_env_close(&t);
}

static void own_bytes_are_aligned_and_padded(void **state) {
  test_env t;
  oq_store *s = NULL;
  void *bytes = NULL;
  size_t n = 0;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  for (size_t size = 0; size <= 130; size += 13) {
    assert_int_equal(oq_store_new(&s, &bytes, size, &t.alloc), OQ_OK);
    assert_int_equal((uintptr_t)bytes % OQ_ALIGN, 0);
    memset(bytes, 7, size);
    const uint8_t *p = oq_store_data(s, &n);
    assert_int_equal(n, size);
    /* Loops may read up to the next multiple. */
    for (size_t i = n; i % OQ_ALIGN != 0; i++) assert_int_equal(p[i], 0);
    oq_store_unref(s);
  }
  assert_int_equal(oq_store_new(&s, &bytes, SIZE_MAX - 5, &t.alloc),
                   OQ_E_MEMORY);
  test_env_close(&t);
}

static void wrapped_bytes_stay_the_callers(void **state) {
  test_env t;
  oq_store *s = NULL;
  const char bytes[] = "mine";
  size_t n = 0;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  assert_int_equal(oq_store_wrap(&s, bytes, 4, &t.alloc), OQ_OK);
  assert_ptr_equal(oq_store_data(s, &n), bytes);
  assert_int_equal(n, 4);
  assert_ptr_equal(oq_store_ref(s), s);
  oq_store_unref(s);
  assert_ptr_equal(oq_store_data(s, &n), bytes); /* one reference left */
  oq_store_unref(s);
  oq_store_unref(NULL);
  assert_null(oq_store_ref(NULL));
  test_env_close(&t);
}

static void *share(void *arg) {
  oq_store *s = arg;

  for (int i = 0; i < 10000; i++) oq_store_unref(oq_store_ref(s));
  oq_store_unref(s);
  return NULL;
}

static void threads_may_share_one(void **state) {
  test_env t;
  oq_store *s = NULL;
  void *bytes = NULL;
  pthread_t thread[4];

  (void)state;
  assert_true(test_env_open(&t, NULL));
  assert_int_equal(oq_store_new(&s, &bytes, 10, &t.alloc), OQ_OK);
  for (int i = 0; i < 4; i++) {
    pthread_create(&thread[i], NULL, share, oq_store_ref(s));
  }
  oq_store_unref(s);
  for (int i = 0; i < 4; i++) pthread_join(thread[i], NULL);
  test_env_close(&t); /* nothing is left */
}

static oq_status open_and_close(const oq_allocator *hook, void *user) {
  test_env t;
  oq_store *s = NULL;
  oq_status st = OQ_E_MEMORY;

  if (!test_env_open(&t, hook)) return OQ_E_MEMORY;
  st = opens[*(int *)user](&s, path, 1 << 20, &t.alloc, t.diags);
  oq_store_unref(s);
  test_env_close(&t);
  return st;
}

static void every_failure_is_survived(void **state) {
  static char bytes[150000];

  (void)state;
  write_file(bytes, sizeof bytes);
  for (int k = 0; k < 2; k++) {
    assert_true(survive_every_allocation(open_and_close, &k) >= 4);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_file_comes_as_it_is),
      cmocka_unit_test(max_is_exact),
      cmocka_unit_test(an_empty_file_is_fine),
      cmocka_unit_test(what_is_no_file_is_said),
      cmocka_unit_test(files_of_proc_are_read),
      cmocka_unit_test(a_pipe_is_read_to_its_end),
      cmocka_unit_test(an_endless_file_meets_the_limit),
      cmocka_unit_test(own_bytes_are_aligned_and_padded),
      cmocka_unit_test(wrapped_bytes_stay_the_callers),
      cmocka_unit_test(threads_may_share_one),
      cmocka_unit_test(every_failure_is_survived),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
