/* base/sink: a file is either whole or as it was; nothing is left behind. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/sink.h"
#include "support/env.h"

static char folder[] = "/tmp/oq-sink-XXXXXX";
static char path[200], other[200];

static int make_folder(void **state) {
  (void)state;
  if (mkdtemp(folder) == NULL) return -1;
  (void)snprintf(path, sizeof path, "%s/file", folder);
  (void)snprintf(other, sizeof other, "%s/other", folder);
  return 0;
}

static int remove_folder(void **state) {
  (void)state;
  return rmdir(folder);
}

/* ---- failing system calls ------------------------------------------------ */
/* These stand before those of libc.  Which call fails, and how: */
static int fail_write_at = -1, fail_fsync_at = -1, fail_rename;
static int short_writes;

ssize_t write(int fd, const void *p, size_t n) {
  if (fd > 2 && fail_write_at >= 0 && fail_write_at-- == 0) {
    errno = ENOSPC;
    return -1;
  }
  if (fd > 2 && short_writes && n > 1000) n = 1000;
  return syscall(SYS_write, fd, p, n);
}

int fsync(int fd) {
  if (fail_fsync_at >= 0 && fail_fsync_at-- == 0) {
    errno = EIO;
    return -1;
  }
  return (int)syscall(SYS_fsync, fd);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to) {
  if (fail_rename) {
    errno = EPERM;
    return -1;
  }
  return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
}

/* ---- looking ------------------------------------------------------------- */
static void put_file(const char *name, const char *text) {
  FILE *f = fopen(name, "wb");

  assert_non_null(f);
  assert_true(fputs(text, f) >= 0);
  assert_int_equal(fclose(f), 0);
}

static void holds(const char *name, const char *text) {
  char have[200] = "";
  FILE *f = fopen(name, "rb");

  assert_non_null(f);
  have[fread(have, 1, sizeof have - 1, f)] = '\0';
  (void)fclose(f);
  assert_string_equal(have, text);
}

/* Entries of the folder, without . and .. */
static int count_files(void) {
  DIR *d = opendir(folder);
  int n = 0;

  assert_non_null(d);
  while (readdir(d) != NULL) n++;
  (void)closedir(d);
  return n - 2;
}

static unsigned mode_of(const char *name) {
  struct stat st;

  assert_int_equal(stat(name, &st), 0);
  return (unsigned)st.st_mode & 0777;
}

static oq_sink *open_sink(test_env *t, const char *name, bool keep) {
  oq_sink *s = NULL;

  assert_int_equal(oq_sink_open_file(&s, name, keep, &t->alloc, t->diags),
                   OQ_OK);
  return s;
}

/* ---- tests --------------------------------------------------------------- */
static void a_new_file_appears_at_commit(void **state) {
  test_env t;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  oq_sink *s = open_sink(&t, path, false);
  assert_int_equal(oq_sink_write(s, "hello ", 6), OQ_OK);
  assert_int_equal(oq_sink_write(s, "world", 5), OQ_OK);
  assert_int_equal(oq_sink_written(s), 11);
  assert_int_equal(access(path, F_OK), -1);
  assert_int_equal(oq_sink_commit(s), OQ_OK);
  holds(path, "hello world");
  assert_int_equal(oq_sink_write(s, "x", 1), OQ_E_STATE);
  assert_int_equal(oq_sink_commit(s), OQ_E_STATE);
  oq_sink_close(s);
  holds(path, "hello world");
  const mode_t mask = umask(0);
  (void)umask(mask);
  assert_int_equal(mode_of(path), 0666 & ~mask);
  assert_int_equal(count_files(), 1);
  (void)unlink(path);
  test_env_close(&t);
}

static void without_commit_nothing_changes(void **state) {
  test_env t;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  put_file(path, "old");
  oq_sink *s = open_sink(&t, path, false);
  assert_int_equal(oq_sink_write(s, "new", 3), OQ_OK);
  oq_sink_close(s);
  oq_sink_close(NULL);
  holds(path, "old");
  assert_int_equal(count_files(), 1);
  (void)unlink(path);
  test_env_close(&t);
}

static void big_and_small_writes_keep_their_order(void **state) {
  enum { N = 300 };
  static char block[100000];
  test_env t;
  size_t total = 0;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  short_writes = 1;
  oq_sink *s = open_sink(&t, path, false);
  for (int i = 0; i < N; i++) {
    const size_t n = i % 50 == 0 ? 70000 : (size_t)i;
    memset(block, i, n);
    assert_int_equal(oq_sink_write(s, block, n), OQ_OK);
    total += n;
  }
  assert_int_equal(oq_sink_written(s), total);
  assert_int_equal(oq_sink_commit(s), OQ_OK);
  oq_sink_close(s);
  short_writes = 0;
  FILE *f = fopen(path, "rb");
  for (int i = 0; i < N; i++) {
    const size_t n = i % 50 == 0 ? 70000 : (size_t)i;
    assert_int_equal(fread(block, 1, n, f), n);
    for (size_t k = 0; k < n; k++) assert_int_equal(block[k], (char)i);
  }
  assert_int_equal(fgetc(f), EOF);
  (void)fclose(f);
  (void)unlink(path);
  test_env_close(&t);
}

static void the_mode_of_the_old_file_is_kept(void **state) {
  test_env t;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  put_file(path, "old");
  assert_int_equal(chmod(path, 0640), 0);
  oq_sink *s = open_sink(&t, path, false);
  assert_int_equal(oq_sink_commit(s), OQ_OK);
  oq_sink_close(s);
  assert_int_equal(mode_of(path), 0640);
  holds(path, "");
  (void)unlink(path);
  test_env_close(&t);
}

static uint64_t inode_of(const char *name) {
  struct stat st;

  assert_int_equal(stat(name, &st), 0);
  return st.st_ino;
}

static void equal_bytes_leave_the_file_alone(void **state) {
  static const char *const texts[] = {"same", "samE", "same longer", "sam", ""};
  test_env t;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    put_file(path, "same");
    const uint64_t before = inode_of(path);
    oq_sink *s = open_sink(&t, path, true);
    (void)oq_sink_write(s, texts[i], strlen(texts[i]));
    assert_int_equal(oq_sink_commit(s), OQ_OK);
    oq_sink_close(s);
    holds(path, texts[i]);
    assert_int_equal(inode_of(path) == before, i == 0);
    assert_int_equal(count_files(), 1);
  }
  (void)unlink(path);
  oq_sink *s = open_sink(&t, path, true); /* no file to compare with */
  assert_int_equal(oq_sink_commit(s), OQ_OK);
  oq_sink_close(s);
  (void)unlink(path);
  test_env_close(&t);
}

static void long_files_are_compared_to_the_end(void **state) {
  static char bytes[100000];
  test_env t;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  for (int round = 0; round < 3; round++) {
    bytes[sizeof bytes - 1] = (char)(round / 2);
    oq_sink *s = open_sink(&t, path, true);
    const uint64_t before = round > 0 ? inode_of(path) : 0;
    assert_int_equal(oq_sink_write(s, bytes, sizeof bytes), OQ_OK);
    assert_int_equal(oq_sink_commit(s), OQ_OK);
    oq_sink_close(s);
    assert_int_equal(inode_of(path) == before, round == 1);
  }
  (void)unlink(path);
  test_env_close(&t);
}

static void links_are_followed(void **state) {
  char chain[200];
  test_env t;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  (void)snprintf(chain, sizeof chain, "%s/chain", folder);
  assert_int_equal(symlink("other", path), 0); /* relative, and dangling */
  assert_int_equal(symlink(path, chain), 0);
  for (int round = 0; round < 2; round++) {
    oq_sink *s = open_sink(&t, chain, false);
    (void)oq_sink_write(s, "text", 4);
    assert_int_equal(oq_sink_commit(s), OQ_OK);
    oq_sink_close(s);
    struct stat st;
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(lstat(chain, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    holds(other, "text");
    assert_int_equal(count_files(), 3);
  }
  (void)unlink(chain);
  (void)unlink(path);
  (void)unlink(other);
  test_env_close(&t);
}

static void links_in_a_circle_end(void **state) {
  test_env t;
  oq_sink *s = NULL;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  assert_int_equal(symlink("file", path), 0);
  assert_int_equal(oq_sink_open_file(&s, path, false, &t.alloc, t.diags),
                   OQ_E_IO);
  (void)unlink(path);
  test_env_close(&t);
}

static void a_planted_link_is_not_written_through(void **state) {
  char planted[300];
  test_env t;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  put_file(other, "precious");
  (void)snprintf(planted, sizeof planted, "%s/.file.%ld-0.tmp", folder,
                 (long)getpid());
  assert_int_equal(symlink(other, planted), 0);
  oq_sink *s = open_sink(&t, path, false);
  (void)oq_sink_write(s, "mine", 4);
  assert_int_equal(oq_sink_commit(s), OQ_OK);
  oq_sink_close(s);
  holds(other, "precious");
  holds(path, "mine");
  (void)unlink(planted);
  (void)unlink(other);
  (void)unlink(path);
  test_env_close(&t);
}

static void what_cannot_be_a_file_is_said(void **state) {
  static const char *const bad[] = {"/nowhere/at/all", "/", "", "/tmp/"};
  test_env t;
  oq_sink *s = NULL;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_int_equal(oq_sink_open_file(&s, bad[i], false, &t.alloc, t.diags),
                     OQ_E_IO);
    assert_string_equal(test_env_last(&t), "file.write");
  }
  assert_int_equal(oq_sink_open_file(&s, folder, false, &t.alloc, t.diags),
                   OQ_E_IO);
  assert_null(s);
  assert_int_equal(count_files(), 0);
  test_env_close(&t);
}

static void devices_are_written_in_place(void **state) {
  test_env t;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  oq_sink *s = open_sink(&t, "/dev/null", true);
  assert_int_equal(oq_sink_write(s, "x", 1), OQ_OK);
  assert_int_equal(oq_sink_commit(s), OQ_OK);
  oq_sink_close(s);
  s = open_sink(&t, "/dev/full", false);
  assert_int_equal(oq_sink_write(s, "x", 1), OQ_OK);
  assert_int_equal(oq_sink_commit(s), OQ_E_IO);
  assert_non_null(strstr(oq_diags_at(t.diags, 0)->text, "/dev/full"));
  oq_sink_close(s);
  struct stat st;
  assert_int_equal(stat("/dev/full", &st), 0);
  assert_true(S_ISCHR(st.st_mode));
  test_env_close(&t);
}

static void a_fifo_is_written_in_place(void **state) {
  test_env t;
  char have[8] = "";

  (void)state;
  assert_true(test_env_open(&t, NULL));
  assert_int_equal(mkfifo(path, 0600), 0);
  const int fd = open(path, O_RDWR); /* so that nobody waits */
  oq_sink *s = open_sink(&t, path, false);
  assert_int_equal(oq_sink_write(s, "abc", 3), OQ_OK);
  assert_int_equal(oq_sink_commit(s), OQ_OK);
  oq_sink_close(s);
  assert_int_equal(read(fd, have, sizeof have), 3);
  assert_string_equal(have, "abc");
  (void)close(fd);
  (void)unlink(path);
  test_env_close(&t);
}

/* As with "program -o /dev/stdout >> file": the descriptor is meant. */
static void a_descriptor_is_appended_to(void **state) {
  char name[64];
  test_env t;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  put_file(path, "head ");
  const int fd = open(path, O_WRONLY | O_APPEND);
  const uint64_t before = inode_of(path);
  (void)snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  oq_sink *s = open_sink(&t, name, false);
  assert_int_equal(oq_sink_write(s, "tail", 4), OQ_OK);
  assert_int_equal(oq_sink_commit(s), OQ_OK);
  oq_sink_close(s);
  (void)close(fd);
  holds(path, "head tail");
  assert_true(inode_of(path) == before);
  (void)unlink(path);
  test_env_close(&t);
}

/* Whatever fails, the old file is whole and nothing else is there. */
static void check_failure(bool keep) {
  static char block[200000];
  test_env t;

  assert_true(test_env_open(&t, NULL));
  put_file(path, "old");
  oq_sink *s = open_sink(&t, path, keep);
  (void)oq_sink_write(s, "start", 5);
  (void)oq_sink_write(s, block, sizeof block);
  (void)oq_sink_write(s, "end", 3);
  assert_int_equal(oq_sink_commit(s), OQ_E_IO);
  assert_int_equal(oq_sink_commit(s), OQ_E_IO); /* sticky ... */
  assert_int_equal(oq_sink_write(s, "x", 1), OQ_E_IO);
  assert_int_equal(oq_diags_count(t.diags), 1); /* ... and said once */
  oq_sink_close(s);
  holds(path, "old");
  assert_int_equal(count_files(), 1);
  (void)unlink(path);
  test_env_close(&t);
}

static void failures_leave_the_old_file(void **state) {
  (void)state;
  for (int i = 0; i < 3; i++) {
    fail_write_at = i;
    check_failure(false);
    fail_write_at = -1;
  }
  fail_fsync_at = 0;
  check_failure(true);
  fail_fsync_at = -1;
  fail_rename = 1;
  check_failure(false);
  fail_rename = 0;
}

/* The new file is in place by then, but may not outlive a power cut. */
static void a_folder_that_cannot_be_synced_is_said(void **state) {
  test_env t;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  oq_sink *s = open_sink(&t, path, false);
  (void)oq_sink_write(s, "new", 3);
  fail_fsync_at = 1;
  assert_int_equal(oq_sink_commit(s), OQ_E_IO);
  fail_fsync_at = -1;
  oq_sink_close(s);
  holds(path, "new");
  assert_int_equal(count_files(), 1);
  (void)unlink(path);
  test_env_close(&t);
}

typedef struct taker {
  char text[100];
  size_t n;
  int calls;
  oq_status answer;
} taker;

static oq_status take(void *user, const void *p, size_t n) {
  taker *k = user;

  k->calls++;
  if (k->n + n <= sizeof k->text) memcpy(k->text + k->n, p, n);
  k->n += n;
  return k->answer;
}

static void a_call_gets_all_bytes(void **state) {
  taker k = {.answer = OQ_OK};
  test_env t;
  oq_sink *s = NULL;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  assert_int_equal(oq_sink_open_call(&s, take, &k, &t.alloc, t.diags), OQ_OK);
  for (int i = 0; i < 10; i++) (void)oq_sink_write(s, "ab", 2);
  assert_int_equal(k.calls, 0); /* gathered */
  assert_int_equal(oq_sink_commit(s), OQ_OK);
  assert_int_equal(k.calls, 1);
  assert_memory_equal(k.text, "abababababababababab", 20);
  oq_sink_close(s);
  test_env_close(&t);
}

static void a_call_that_refuses_ends_it(void **state) {
  taker k = {.answer = OQ_E_CANCELLED};
  test_env t;
  oq_sink *s = NULL;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  assert_int_equal(oq_sink_open_call(&s, take, &k, &t.alloc, t.diags), OQ_OK);
  (void)oq_sink_write(s, "ab", 2);
  assert_int_equal(oq_sink_commit(s), OQ_E_CANCELLED);
  assert_int_equal(oq_sink_commit(s), OQ_E_CANCELLED);
  assert_int_equal(k.calls, 1);
  assert_string_equal(test_env_last(&t), "write.refused");
  oq_sink_close(s);
  test_env_close(&t);
}

static oq_status write_once(const oq_allocator *hook, void *user) {
  test_env t;
  oq_sink *s = NULL;

  (void)user;
  if (!test_env_open(&t, hook)) return OQ_E_MEMORY;
  oq_status st = oq_sink_open_file(&s, path, true, &t.alloc, t.diags);
  if (st == OQ_OK) {
    (void)oq_sink_write(s, "text", 4);
    st = oq_sink_commit(s);
  }
  oq_sink_close(s);
  test_env_close(&t);
  assert_int_equal(count_files(), st == OQ_OK ? 1 : 0);
  (void)unlink(path);
  return st;
}

static void every_failing_allocation_is_survived(void **state) {
  (void)state;
  assert_true(survive_every_allocation(write_once, NULL) > 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_new_file_appears_at_commit),
      cmocka_unit_test(without_commit_nothing_changes),
      cmocka_unit_test(big_and_small_writes_keep_their_order),
      cmocka_unit_test(the_mode_of_the_old_file_is_kept),
      cmocka_unit_test(equal_bytes_leave_the_file_alone),
      cmocka_unit_test(long_files_are_compared_to_the_end),
      cmocka_unit_test(links_are_followed),
      cmocka_unit_test(links_in_a_circle_end),
      cmocka_unit_test(a_planted_link_is_not_written_through),
      cmocka_unit_test(what_cannot_be_a_file_is_said),
      cmocka_unit_test(devices_are_written_in_place),
      cmocka_unit_test(a_fifo_is_written_in_place),
      cmocka_unit_test(a_descriptor_is_appended_to),
      cmocka_unit_test(failures_leave_the_old_file),
      cmocka_unit_test(a_folder_that_cannot_be_synced_is_said),
      cmocka_unit_test(a_call_gets_all_bytes),
      cmocka_unit_test(a_call_that_refuses_ends_it),
      cmocka_unit_test(every_failing_allocation_is_survived),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
