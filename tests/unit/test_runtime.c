/* onnxruntime in a child process.  This executable is its own child: started
 * as `__ort-worker` it is the real worker, or with OQ_TEST_WORKER=MODE a fake
 * one that misbehaves in that way.  Tests that need the library find it by
 * ONNXQUANT_ORT_LIB, beside ONNXQUANT_PYTHON, or where the search looks, and
 * skip, saying so, without it. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* cmocka needs the above */
#include <cmocka.h>

#include "runtime/ort_census.h"
#include "runtime/ort_child.h"
#include "runtime/ort_tensor.h"
#include "runtime/runtime.h"

#define MODELS ONNXQUANT_SHARED "/models/"

/* ---- the fake worker ---------------------------------------------------- */
static void fake_read(void *p, size_t n) {
  char *at = p;

  while (n > 0) {
    const ssize_t k = recv(OQ_FRAME_FD, at, n, 0);

    if (k <= 0) _exit(0);
    at += k;
    n -= (size_t)k;
  }
}

static void fake_send_raw(const void *p, size_t n) {
  const char *at = p;

  while (n > 0) {
    const ssize_t k = send(OQ_FRAME_FD, at, n, MSG_NOSIGNAL);

    if (k <= 0) _exit(0);
    at += k;
    n -= (size_t)k;
  }
}

static void fake_send(uint32_t type, uint32_t seq, const oq_msg *m) {
  const oq_frame_head h = {OQ_FRAME_MAGIC, type, seq, 0, m->size};

  fake_send_raw(&h, sizeof h);
  fake_send_raw(m->data, m->size);
}

static oq_frame_head fake_receive(void) {
  oq_frame_head h;
  static char room[1 << 16];

  do {
    fake_read(&h, sizeof h);
    if (h.size > sizeof room) _exit(9);
    fake_read(room, (size_t)h.size);
  } while (h.type == OQ_REQ_REGION);
  return h;
}

static void fake_hello(uint32_t seq) {
  oq_msg m = {0};

  oq_msg_str(&m, "0.0.test");
  oq_msg_str(&m, "/fake");
  oq_msg_u32(&m, 1);
  oq_msg_str(&m, "FakeProvider");
  fake_send(OQ_RES_OK, seq, &m);
  oq_msg_free(&m);
}

/* A session with one input "x" and one output "y", f32[n,2]. */
static void fake_session(uint32_t seq, uint32_t dtype, uint32_t n_out) {
  oq_msg m = {0};

  oq_msg_u32(&m, 0);
  oq_msg_u32(&m, 1);
  oq_msg_u32(&m, n_out);
  for (int i = 0; i < 2; i++) {
    oq_msg_str(&m, i == 0 ? "x" : "y");
    oq_msg_u32(&m, dtype);
    oq_msg_u32(&m, 2);
    oq_msg_i64(&m, -1);
    oq_msg_str(&m, "n");
    oq_msg_i64(&m, 2);
    oq_msg_str(&m, "");
  }
  fake_send(OQ_RES_OK, seq, &m);
  oq_msg_free(&m);
}

/* One output f32[dim], said to lie at `at`. */
static void fake_output(uint32_t seq, int64_t dim, uint64_t at) {
  oq_msg m = {0};

  oq_msg_u32(&m, 1);
  oq_msg_u32(&m, OQ_DT_F32);
  oq_msg_u32(&m, 1);
  oq_msg_i64(&m, dim);
  oq_msg_u64(&m, at);
  fake_send(OQ_RES_OK, seq, &m);
  oq_msg_free(&m);
}

static void fake_need(uint32_t seq, uint64_t bytes) {
  oq_msg m = {0};

  oq_msg_u64(&m, bytes);
  fake_send(OQ_RES_NEED, seq, &m);
  oq_msg_free(&m);
}

static void fake_error(uint32_t seq, uint32_t status, const char *text) {
  oq_msg m = {0};

  oq_msg_u32(&m, status);
  oq_msg_str(&m, "runtime.model");
  oq_msg_str(&m, text);
  fake_send(OQ_RES_ERROR, seq, &m);
  oq_msg_free(&m);
}

static bool is(const char *mode, const char *name) {
  return strcmp(mode, name) == 0;
}

static void fake_flood(void) {
  static char block[4096];

  memset(block, 'm', sizeof block);
  dprintf(1, "first \x1b[31mred\x1b[m \x1b]0;title\x07 line\n");
  for (int i = 0; i < 2000; i++)
    if (write(i % 2 + 1, block, sizeof block) < 0) _exit(9);
  dprintf(2, "\nlast line\n");
}

/* Misbehaves in the answer to the first request after hello. */
static void fake_first(const char *mode, uint32_t seq) {
  const oq_msg none = {0};

  if (is(mode, "segv")) {
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
  }
  if (is(mode, "exit")) _exit(7);
  if (is(mode, "say-and-die")) {
    dprintf(2, "terminate called after \x1b[1mthrowing\x1b[0m\n");
    signal(SIGABRT, SIG_DFL);
    abort();
  }
  if (is(mode, "hang"))
    for (;;) pause();
  if (is(mode, "hang-and-print"))
    for (;;) fake_flood();
  if (is(mode, "close")) {
    close(OQ_FRAME_FD);
    for (;;) pause();
  }
  if (is(mode, "garbage")) fake_send_raw("Hello, this is no frame at all!", 31);
  if (is(mode, "half")) {
    fake_send_raw("QORT", 4);
    _exit(0);
  }
  if (is(mode, "seq")) fake_session(seq + 1, OQ_DT_F32, 1);
  if (is(mode, "request-type")) fake_send(OQ_REQ_RUN, seq, &none);
  if (is(mode, "need")) fake_need(seq, 100);
  if (is(mode, "tick"))
    for (;;) fake_send(OQ_RES_TICK, seq, &none);
  if (is(mode, "huge")) {
    const oq_frame_head h = {OQ_FRAME_MAGIC, OQ_RES_OK, seq, 0, UINT64_MAX};

    fake_send_raw(&h, sizeof h);
  }
  if (is(mode, "empty")) fake_send(OQ_RES_OK, seq, &none);
  if (is(mode, "count")) fake_session(seq, OQ_DT_F32, UINT32_MAX);
  if (is(mode, "dtype")) fake_session(seq, 77, 1);
  if (is(mode, "status")) fake_error(seq, 4711, "x");
  if (is(mode, "flood")) {
    fake_flood();
    fake_error(seq, OQ_E_MODEL, "a\nb \x1b[31mc\x07");
  }
  if (is(mode, "grandchild")) {
    if (fork() == 0)
      for (;;) pause(); /* keeps socket and pipe open */
    _exit(3);
  }
}

static void fake_run(const char *mode, uint32_t seq) {
  if (is(mode, "run-outside")) fake_output(seq, 4, (uint64_t)1 << 40);
  if (is(mode, "run-negative")) fake_output(seq, -4, 0);
  if (is(mode, "run-wrap")) fake_output(seq, 4, UINT64_MAX - 63);
  if (is(mode, "run-unaligned")) fake_output(seq, 1, 3);
  if (is(mode, "run-endless")) fake_output(seq, INT64_MAX, 0);
  if (is(mode, "run-need-0")) fake_need(seq, 0);
  if (is(mode, "run-need-all")) {
    fake_need(seq, (uint64_t)1 << 62);
    fake_error(fake_receive().seq, OQ_E_LIMIT, "no room");
  }
  if (is(mode, "run-need-twice")) {
    fake_need(seq, 100);
    fake_need(seq, 1000000);
  }
}

static void fake_worker(const char *mode) {
  oq_frame_head h = fake_receive();

  if (is(mode, "hello")) fake_error(h.seq, 0, "");
  if (is(mode, "hello-segv")) {
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
  }
  fake_hello(h.seq);
  h = fake_receive();
  if (strncmp(mode, "run-", 4) == 0) {
    fake_session(h.seq, OQ_DT_F32, 1);
    h = fake_receive();
    fake_run(mode, h.seq);
  } else {
    fake_first(mode, h.seq);
  }
  for (;;) fake_receive();
}

/* ---- what every test leaves behind: nothing ----------------------------- */
static int open_files(void) {
  DIR *d = opendir("/proc/self/fd");
  int n = 0;

  if (d == NULL) return -1;
  while (readdir(d) != NULL) n++;
  closedir(d);
  return n;
}

static int files_before;

static int before_each(void **state) {
  (void)state;
  unsetenv("OQ_TEST_WORKER");
  files_before = open_files();
  return 0;
}

static int after_each(void **state) {
  (void)state;
  errno = 0;
  if (waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD) {
    print_error("a process is left\n");
    return 1;
  }
  if (open_files() != files_before) {
    print_error("%d open files, before %d\n", open_files(), files_before);
    return 1;
  }
  return 0;
}

static oq_rt *fake_open(const char *mode, oq_rt_options *opt) {
  oq_rt_options usual = {0};
  oq_rt *rt = NULL;
  oq_rt_error err;

  if (opt == NULL) opt = &usual;
  opt->library = "fake";
  setenv("OQ_TEST_WORKER", mode, 1);
  if (oq_rt_open(&rt, opt, &err) != OQ_OK) fail_msg("%s", err.text);
  assert_string_equal(oq_rt_version(rt), "0.0.test");
  return rt;
}

/* ---- misbehaviour ------------------------------------------------------- */
static void expect_bad_load(const char *mode, const char *id,
                            const char *words) {
  const oq_rt_session *s = NULL;
  oq_rt_error err = {0}, again = {0};
  oq_rt *rt = fake_open(mode, NULL);

  assert_int_not_equal(oq_rt_load(&s, rt, "m.onnx", NULL, &err), OQ_OK);
  assert_null(s);
  if (strcmp(err.id, id) != 0 || strstr(err.text, words) == NULL)
    fail_msg("%s: %s, %s", mode, err.id, err.text);
  assert_int_equal(oq_rt_pid(rt), 0);
  assert_int_equal(oq_rt_load(&s, rt, "n.onnx", NULL, &again), err.status);
  assert_string_equal(again.id, "runtime.ended");
  oq_rt_close(rt);
}

static void crash_becomes_an_error(void **state) {
  (void)state;
  expect_bad_load("segv", "runtime.crash", "signal 11");
  expect_bad_load("segv", "runtime.crash", "loading 'm.onnx'");
  expect_bad_load("exit", "runtime.crash", "exit status 7");
  expect_bad_load("half", "runtime.crash", "exit status 0");
  expect_bad_load("grandchild", "runtime.crash", "exit status 3");
}

static void garbage_becomes_an_error(void **state) {
  static const char *const modes[] = {
      "garbage", "seq",   "request-type", "need",  "tick",  "huge",
      "empty",   "count", "dtype",        "close", "status"};

  (void)state;
  for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
    expect_bad_load(modes[i], "runtime.protocol", "m.onnx");
}

static void last_words_are_kept(void **state) {
  const oq_rt_session *s = NULL;
  oq_rt_error err;
  oq_rt *rt = fake_open("say-and-die", NULL);

  (void)state;
  assert_int_equal(oq_rt_load(&s, rt, "m.onnx", NULL, &err), OQ_E_IO);
  assert_string_equal(err.id, "runtime.crash");
  assert_string_equal(err.output, "terminate called after throwing");
  oq_rt_close(rt);
}

static void a_flood_is_bounded_and_made_printable(void **state) {
  const oq_rt_session *s = NULL;
  oq_rt_error err;
  oq_rt *rt = fake_open("flood", NULL);

  (void)state;
  assert_int_equal(oq_rt_load(&s, rt, "m.onnx", NULL, &err), OQ_E_MODEL);
  assert_string_equal(err.id, "runtime.model");
  assert_string_equal(err.text, "a b c?");
  assert_memory_equal(err.output, "first red ?]0;title? line\n", 26);
  assert_non_null(strstr(err.output, "bytes left out"));
  assert_non_null(strstr(err.output, "\nlast line"));
  for (const char *p = err.output; *p != '\0'; p++)
    assert_true(*p == '\n' || (*p >= 0x20 && *p < 0x7f));
  oq_rt_close(rt);
}

static int64_t now_ms(void) {
  struct timespec t;

  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void expect_hang(const char *mode, oq_rt_options *opt, const char *id) {
  const oq_rt_session *s = NULL;
  const int64_t start = now_ms();
  oq_rt_error err;
  oq_rt *rt = fake_open(mode, opt);

  assert_int_not_equal(oq_rt_load(&s, rt, "m.onnx", NULL, &err), OQ_OK);
  assert_string_equal(err.id, id);
  assert_true(now_ms() - start < 20000);
  oq_rt_close(rt);
}

static void a_hang_ends_in_time(void **state) {
  oq_rt_options opt = {.timeout_ms = 300};

  (void)state;
  expect_hang("hang", &opt, "runtime.timeout");
  expect_hang("hang-and-print", &opt, "runtime.timeout");
}

static int stop_after_three(void *user) { return ++*(int *)user > 3; }

static void waiting_can_be_cancelled(void **state) {
  int asked = 0;
  oq_rt_options opt = {.cancelled = stop_after_three, .user = &asked};

  (void)state;
  expect_hang("hang", &opt, "runtime.cancelled");
}

static void closing_ends_a_child_that_does_not_listen(void **state) {
  (void)state;
  oq_rt_close(fake_open("hang", NULL));
}

static void bad_outputs_are_refused(void **state) {
  static const char *const modes[] = {
      "run-outside", "run-negative", "run-wrap",       "run-unaligned",
      "run-endless", "run-need-0",   "run-need-twice", NULL};
  const float x[2] = {1, 2};
  const oq_tensor_view v = {OQ_DT_F32, 2, {1, 2}, x, sizeof x};
  const oq_rt_feed feed = {NULL, &v, 1};

  (void)state;
  for (size_t i = 0; modes[i] != NULL; i++) {
    const oq_rt_session *s = NULL;
    const oq_tensor_view *out = NULL;
    size_t n = 0;
    oq_rt_error err;
    oq_rt *rt = fake_open(modes[i], NULL);

    assert_int_equal(oq_rt_load(&s, rt, "m", NULL, &err), OQ_OK);
    assert_string_equal(s->inputs[0].dim[0].symbol, "n");
    assert_int_equal(oq_rt_run(&out, &n, rt, s, &feed, NULL, 0, &err), OQ_E_IO);
    assert_string_equal(err.id, "runtime.protocol");
    assert_null(out);
    oq_rt_close(rt);
  }
}

static void too_large_outputs_are_a_limit(void **state) {
  const oq_rt_feed feed = {NULL, NULL, 0};
  const oq_rt_session *s = NULL;
  const oq_tensor_view *out = NULL;
  size_t n = 0;
  oq_rt_error err;
  oq_rt *rt = fake_open("run-need-all", NULL);

  (void)state;
  assert_int_equal(oq_rt_load(&s, rt, "m", NULL, &err), OQ_OK);
  assert_int_equal(oq_rt_run(&out, &n, rt, s, &feed, NULL, 0, &err),
                   OQ_E_LIMIT);
  assert_string_equal(err.id, "runtime.limit");
  assert_int_not_equal(oq_rt_pid(rt), 0); /* still good for other things */
  oq_rt_close(rt);
}

static void a_bad_start_is_an_error(void **state) {
  oq_rt_options opt = {.library = "fake", .program = "/nonexistent/program"};
  oq_rt_error err;
  oq_rt *rt = NULL;

  (void)state;
  assert_int_equal(oq_rt_open(&rt, &opt, &err), OQ_E_IO);
  assert_string_equal(err.id, "runtime.start");
  opt.program = "/bin/true"; /* starts, and is no worker */
  assert_int_equal(oq_rt_open(&rt, &opt, &err), OQ_E_IO);
  assert_true(oq_rt_error_is_missing(&err));
  opt.program = NULL;
  setenv("OQ_TEST_WORKER", "hello", 1);
  assert_int_equal(oq_rt_open(&rt, &opt, &err), OQ_E_IO);
  setenv("OQ_TEST_WORKER", "hello-segv", 1);
  assert_int_equal(oq_rt_open(&rt, &opt, &err), OQ_E_IO);
  assert_non_null(strstr(err.text, "signal 11"));
  assert_null(rt);
}

/* ---- finding ------------------------------------------------------------ */
typedef struct trail {
  char text[20000];
} trail;

static void note(void *user, const oq_rt_candidate *c) {
  trail *t = user;
  const size_t n = strlen(t->text);

  snprintf(t->text + n, sizeof t->text - n, "%s|%s|%d|%s\n", c->source, c->path,
           c->usable, c->result);
}

static void a_wrong_library_is_never_replaced(void **state) {
  static const char *const paths[] = {"/nonexistent/libonnxruntime.so",
                                      "libm.so.6",
                                      "/",
                                      "/proc/self/exe",
                                      "/dev/null",
                                      ""};

  (void)state;
  for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
    trail t = {""};
    const oq_rt_options opt = {.library = paths[i], .tried = note, .user = &t};
    oq_rt_error err;
    char *path = NULL;

    assert_int_equal(oq_rt_find(&path, &opt, &err), OQ_E_IO);
    assert_string_equal(err.id, "runtime.library");
    assert_true(oq_rt_error_is_missing(&err));
    assert_true(err.hint[0] != '\0');
    assert_null(path);
    assert_memory_equal(t.text, "option|", 7);
    assert_ptr_equal(strchr(t.text, '\n') + 1, t.text + strlen(t.text));
  }
}

static char *save_variable(const char *name) {
  const char *v = getenv(name);
  char *copy = v == NULL ? NULL : strdup(v);

  unsetenv(name);
  return copy;
}

static void put_back(const char *name, char *value) {
  if (value != NULL) setenv(name, value, 1);
  free(value);
}

static void the_environment_is_obeyed(void **state) {
  char *saved = save_variable("ONNXQUANT_ORT_LIB");
  trail t = {""};
  const oq_rt_options opt = {.tried = note, .user = &t};
  oq_rt_error err;
  char *path = NULL;

  (void)state;
  setenv("ONNXQUANT_ORT_LIB", "/nonexistent/x.so", 1);
  assert_int_equal(oq_rt_find(&path, &opt, &err), OQ_E_IO);
  assert_string_equal(err.id, "runtime.library");
  assert_memory_equal(t.text, "ONNXQUANT_ORT_LIB|/nonexistent/x.so|0|", 38);
  unsetenv("ONNXQUANT_ORT_LIB");
  put_back("ONNXQUANT_ORT_LIB", saved);
}

static void make_folders(const char *path) {
  char copy[4096];

  snprintf(copy, sizeof copy, "%s", path);
  for (char *p = copy + 1; *p != '\0'; p++)
    if (*p == '/') {
      *p = '\0';
      mkdir(copy, 0755);
      *p = '/';
    }
}

static void put_file(const char *path, mode_t mode) {
  FILE *f;

  make_folders(path);
  f = fopen(path, "w");
  assert_non_null(f);
  fputs("no library", f);
  fclose(f);
  assert_int_equal(chmod(path, mode), 0);
}

#if defined(__aarch64__)
#define CPU "arm64"
#else
#define CPU "x64"
#endif

/* The places in order; a file that anybody can write to is not loaded. */
static void the_search_goes_in_order(void **state) {
  static const char *const names[] = {
      "ONNXQUANT_ORT_LIB", "ORT_DYLIB_PATH", "PATH", "HOME",
      "VIRTUAL_ENV",       "CONDA_PREFIX"};
  char *saved[6], here[4096], folder[] = "/tmp/oq-runtime-[x]-XXXXXX";
  char file[4096];
  trail *t = calloc(1, sizeof *t);
  const oq_rt_options opt = {.tried = note, .user = t};
  oq_rt_error err;
  char *path = NULL;

  (void)state;
  assert_non_null(t);
  assert_non_null(getcwd(here, sizeof here));
  for (size_t i = 0; i < 6; i++) saved[i] = save_variable(names[i]);
  assert_non_null(mkdtemp(folder));
  snprintf(file, sizeof file,
           "%s/v/lib/python3.11/site-packages/onnxruntime/capi/"
           "libonnxruntime.so.1.9.0",
           folder);
  put_file(file, 0644);
  strcpy(strrchr(file, '.') - 3, "1.31.1");
  put_file(file, 0644);
  snprintf(file, sizeof file,
           "%s/node_modules/onnxruntime-node/bin/napi-v6/linux/" CPU
           "/libonnxruntime.so.1",
           folder);
  put_file(file, 0666);
  snprintf(file, sizeof file, "%s/v", folder);
  setenv("VIRTUAL_ENV", file, 1);
  setenv("ORT_DYLIB_PATH", "/nonexistent/ort.so", 1);
  snprintf(file, sizeof file, "%s/a/b/", folder);
  make_folders(file);
  assert_int_equal(chdir(file), 0);

  if (oq_rt_find(&path, &opt, &err) == OQ_OK) {
    free(path);
    print_message("onnxruntime is installed here: order not checked\n");
  } else {
    const char *at = t->text;

    assert_string_equal(err.id, "runtime.not_found");
    at = strstr(at, "ORT_DYLIB_PATH|/nonexistent/ort.so|0|");
    assert_ptr_equal(at, t->text);
    at = strstr(at, "loader|libonnxruntime.so.1|0|");
    assert_non_null(at);
    at = strstr(at, "system|/usr/lib/");
    assert_non_null(at);
    at = strstr(at, "libonnxruntime.so.1.31.1|0|");
    assert_non_null(at);
    at = strstr(at, "libonnxruntime.so.1.9.0|0|");
    assert_non_null(at);
    at = strstr(at, "node|");
    assert_non_null(at);
    assert_non_null(strstr(at, "|0|skipped: "));
  }
  assert_int_equal(chdir(here), 0);
  snprintf(file, sizeof file, "/bin/rm -rf '%s'", folder);
  assert_int_equal(system(file), 0);
  for (size_t i = 0; i < 6; i++) {
    unsetenv(names[i]);
    put_back(names[i], saved[i]);
  }
  free(t);
}

/* ---- pieces ------------------------------------------------------------- */
static void a_cut_never_leaves_its_message(void **state) {
  oq_msg m = {0};
  oq_cut c;

  (void)state;
  oq_msg_u32(&m, 7);
  oq_msg_put(&m, "abc", 3); /* no NUL */
  c = oq_cut_of(&m);
  assert_int_equal(oq_cut_u32(&c), 7);
  assert_string_equal(oq_cut_str(&c), "");
  assert_true(c.bad);
  c = oq_cut_of(&m);
  assert_int_equal(oq_cut_count(&c, 1), 0); /* 7 things in 3 bytes */
  assert_true(c.bad);
  c = oq_cut_of(&m);
  assert_int_equal(oq_cut_u64(&c), oq_cut_u64(&c));
  assert_true(c.bad || m.size >= 16);
  oq_msg_clear(&m);
  c = oq_cut_of(&m);
  assert_true(oq_cut_done(&c));
  assert_int_equal(oq_cut_u32(&c), 0);
  assert_false(oq_cut_done(&c));
  oq_msg_free(&m);
}

static void sizes_are_checked(void **state) {
  const int64_t big[3] = {INT64_MAX, INT64_MAX, 2}, none[2] = {INT64_MAX, 0};
  const int64_t odd[1] = {5}, wide[1] = {INT64_MAX / 8};
  size_t n = 99;

  (void)state;
  assert_false(oq_ort_bytes(&n, OQ_DT_F32, big, 3));
  assert_false(oq_ort_bytes(&n, OQ_DT_C128, wide, 1));
  assert_false(oq_ort_bytes(&n, OQ_DT_STRING, odd, 1));
  assert_false(oq_ort_bytes(&n, 27, odd, 1));
  assert_false(oq_ort_bytes(&n, -1, odd, 1));
  assert_int_equal(n, 99);
  assert_true(oq_ort_bytes(&n, OQ_DT_F32, none, 2));
  assert_int_equal(n, 0);
  assert_true(oq_ort_bytes(&n, OQ_DT_I4, odd, 1));
  assert_int_equal(n, 3);
  assert_true(oq_ort_bytes(&n, OQ_DT_U2, odd, 1));
  assert_int_equal(n, 2);
  assert_true(oq_ort_bytes(&n, OQ_DT_C128, odd, 1));
  assert_int_equal(n, 80);
  assert_true(oq_ort_bytes(&n, OQ_DT_I64, NULL, 0));
  assert_int_equal(n, 8);
  for (int32_t d = OQ_DT_F32; d <= OQ_DT_I2; d++)
    assert_int_equal(oq_ort_dtype_in(oq_ort_dtype_out(d)), d);
  assert_int_equal(oq_ort_dtype_out(0), 0);
  assert_int_equal(oq_ort_dtype_in(27), 0);
}

/* ---- models made here --------------------------------------------------- */
typedef struct bytes {
  uint8_t data[4096];
  size_t n;
} bytes;

static void varint(bytes *b, uint64_t v) {
  for (; v >= 0x80; v >>= 7) b->data[b->n++] = (uint8_t)(v | 0x80);
  b->data[b->n++] = (uint8_t)v;
}

static void number(bytes *b, uint32_t field, uint64_t v) {
  varint(b, field << 3);
  varint(b, v);
}

static void chunk(bytes *b, uint32_t field, const void *p, size_t n) {
  varint(b, field << 3 | 2);
  varint(b, n);
  assert_true(n <= sizeof b->data - b->n);
  memcpy(b->data + b->n, p, n);
  b->n += n;
}

static void text(bytes *b, uint32_t field, const char *s) {
  chunk(b, field, s, strlen(s));
}

static void nest(bytes *b, uint32_t field, const bytes *inner) {
  chunk(b, field, inner->data, inner->n);
}

static bytes node(const char *name, const char *op, const char *in,
                  const char *out) {
  bytes b = {.n = 0};

  if (in != NULL) text(&b, 1, in);
  if (out != NULL) text(&b, 2, out);
  if (name != NULL) text(&b, 3, name);
  text(&b, 4, op);
  return b;
}

/* A dimension is a number, or a name where the number is negative. */
static bytes value(const char *name, uint32_t dtype, const int64_t *dim,
                   uint32_t rank, const char *symbol) {
  bytes shape = {.n = 0}, tensor = {.n = 0}, type = {.n = 0}, v = {.n = 0};

  for (uint32_t i = 0; i < rank; i++) {
    bytes d = {.n = 0};

    if (dim[i] < 0) {
      text(&d, 2, symbol);
    } else {
      number(&d, 1, (uint64_t)dim[i]);
    }
    nest(&shape, 1, &d);
  }
  number(&tensor, 1, dtype);
  nest(&tensor, 2, &shape);
  nest(&type, 1, &tensor);
  text(&v, 1, name);
  nest(&v, 2, &type);
  return v;
}

static bytes model(const bytes *graph, uint64_t opset) {
  bytes m = {.n = 0}, o = {.n = 0};

  number(&m, 1, 10);
  nest(&m, 7, graph);
  number(&o, 2, opset);
  nest(&m, 8, &o);
  return m;
}

/* y = op(x) */
static bytes one_node(const char *op, uint32_t dtype, const int64_t *dim,
                      uint32_t rank, const char *symbol, uint64_t opset) {
  const bytes n = node("n", op, "x", "y");
  const bytes x = value("x", dtype, dim, rank, symbol);
  const bytes y = value("y", dtype, dim, rank, symbol);
  bytes g = {.n = 0};

  nest(&g, 1, &n);
  text(&g, 2, "g");
  nest(&g, 11, &x);
  nest(&g, 12, &y);
  return model(&g, opset);
}

static bytes cast(const char *name, const char *in, const char *out,
                  uint64_t to) {
  bytes n = node(name, "Cast", in, out), a = {.n = 0};

  text(&a, 1, "to");
  number(&a, 3, to);
  number(&a, 20, 2); /* INT */
  nest(&n, 5, &a);
  return n;
}

/* y = x, by way of float */
static bytes there_and_back(uint32_t dtype, int64_t dim, uint64_t opset) {
  const bytes there = cast("a", "x", "f", OQ_DT_F32);
  const bytes back = cast("b", "f", "y", dtype);
  const bytes x = value("x", dtype, &dim, 1, "");
  const bytes y = value("y", dtype, &dim, 1, "");
  bytes g = {.n = 0};

  nest(&g, 1, &there);
  nest(&g, 1, &back);
  text(&g, 2, "g");
  nest(&g, 11, &x);
  nest(&g, 12, &y);
  return model(&g, opset);
}

static char made[] = "/tmp/oq-runtime-XXXXXX";

static const char *to_file(const bytes *m) {
  FILE *f = fopen(made, "wb");

  assert_non_null(f);
  assert_int_equal(fwrite(m->data, 1, m->n, f), m->n);
  fclose(f);
  return made;
}

/* ---- census without onnxruntime ----------------------------------------- */
static bytes nested_model(int depth) {
  bytes g = {.n = 0}, n = node("inner", "MatMul", "a", "b");

  nest(&g, 1, &n);
  for (int i = 0; i < depth; i++) {
    bytes a = {.n = 0}, outer = {.n = 0};

    text(&a, 1, "body");
    nest(&a, 6, &g);
    n = node(i % 2 == 0 ? "" : "loop", "Loop", NULL, "out");
    nest(&n, 5, &a);
    nest(&outer, 1, &n);
    g = outer;
  }
  n = node("q", "QGemm", "a", "b");
  text(&n, 7, "com.microsoft");
  nest(&g, 1, &n);
  n = node("r", "Relu", "a", "b");
  text(&n, 7, "ai.onnx");
  nest(&g, 1, &n);
  return model(&g, 13);
}

static void the_census_sees_bodies(void **state) {
  const bytes b = nested_model(2);
  oq_msg m = {0};
  oq_cut c;

  (void)state;
  assert_true(oq_census_read(&m, b.data, b.n));
  c = oq_cut_of(&m);
  assert_int_equal(oq_cut_u32(&c), 4);
  assert_string_equal(oq_cut_str(&c), "");
  assert_string_equal(oq_cut_str(&c), "Loop");
  assert_int_equal(oq_cut_u64(&c), 2);
  assert_string_equal(oq_cut_str(&c), "");
  assert_string_equal(oq_cut_str(&c), "MatMul");
  assert_int_equal(oq_cut_u64(&c), 1);
  assert_string_equal(oq_cut_str(&c), "");
  assert_string_equal(oq_cut_str(&c), "Relu");
  assert_int_equal(oq_cut_u64(&c), 1);
  assert_string_equal(oq_cut_str(&c), "com.microsoft");
  assert_string_equal(oq_cut_str(&c), "QGemm");
  assert_int_equal(oq_cut_u64(&c), 1);
  assert_int_equal(oq_cut_u32(&c), 2);
  assert_int_equal(oq_cut_u32(&c), OQ_RT_FLOAT);
  assert_string_equal(oq_cut_str(&c), "");
  assert_string_equal(oq_cut_str(&c), "MatMul");
  assert_string_equal(oq_cut_str(&c), "inner");
  assert_string_equal(oq_cut_str(&c), "b");
  assert_string_equal(oq_cut_str(&c), "loop/out");
  assert_int_equal(oq_cut_u32(&c), OQ_RT_INT8);
  oq_msg_free(&m);
}

static void the_census_survives_any_bytes(void **state) {
  const bytes whole = nested_model(3), deep = nested_model(40);
  oq_msg m = {0};
  uint32_t seed = 1;

  (void)state;
  for (size_t n = 1; n < whole.n - 4; n++) { /* the opset comes last */
    uint8_t *copy = malloc(n); /* so that a step too far is seen */

    assert_non_null(copy);
    memcpy(copy, whole.data, n);
    if (n > 2) assert_false(oq_census_read(&m, copy, n));
    free(copy);
    oq_msg_clear(&m);
  }
  for (int i = 0; i < 20000; i++) {
    bytes b = whole;

    for (int k = 0; k < 3; k++) {
      seed = seed * 1664525u + 1013904223u;
      b.data[(seed >> 8) % b.n] = (uint8_t)(seed >> 24);
    }
    (void)oq_census_read(&m, b.data, b.n);
    oq_msg_clear(&m);
  }
  assert_false(oq_census_read(&m, deep.data, deep.n));
  oq_msg_free(&m);
}

static void kinds_are_known(void **state) {
  (void)state;
  assert_int_equal(oq_census_kind("", "QLinearConv"), OQ_RT_INT8);
  assert_int_equal(oq_census_kind("com.microsoft", "QLinearConv"), OQ_RT_INT8);
  assert_int_equal(oq_census_kind("com.microsoft", "FusedConv"), OQ_RT_FLOAT);
  assert_int_equal(oq_census_kind("com.microsoft.nchwc", "Conv"), OQ_RT_FLOAT);
  assert_int_equal(oq_census_kind("com.microsoft", "MatMulNBits"),
                   OQ_RT_WEIGHT_ONLY);
  assert_int_equal(oq_census_kind("com.microsoft", "NhwcMaxPool"), OQ_RT_OTHER);
  assert_int_equal(oq_census_kind("somebody.else", "Conv"), OQ_RT_OTHER);
}

/* ---- with onnxruntime --------------------------------------------------- */
static bool have_library;

/* Makes the search look beside ONNXQUANT_PYTHON, unless told otherwise. */
static void look_beside_python(void) {
  char prefix[4096] = ONNXQUANT_PYTHON;

  for (int i = 0; i < 2; i++) {
    char *slash = strrchr(prefix, '/');

    if (slash == NULL) return;
    *slash = '\0';
  }
  if (prefix[0] != '\0') setenv("VIRTUAL_ENV", prefix, 1);
}

static int find_library(void **state) {
  oq_rt_error err;
  char *path = NULL;
  int fd = mkstemp(made);

  (void)state;
  if (fd < 0) return 1;
  close(fd);
  look_beside_python();
  have_library = oq_rt_find(&path, NULL, &err) == OQ_OK;
  if (have_library) {
    print_message("onnxruntime: %s\n", path);
  } else {
    print_message("without onnxruntime, its tests are skipped: %s\n", err.text);
  }
  free(path);
  return 0;
}

static int clean_up(void **state) {
  (void)state;
  unlink(made);
  return 0;
}

static void need_library(void) {
  if (!have_library) skip();
}

static const char *need_model(const char *path) {
  if (access(path, R_OK) != 0) {
    print_message("skipped: no %s\n", path);
    skip();
  }
  return path;
}

static oq_rt *real_open(oq_rt_options *opt) {
  oq_rt_options usual = {.threads = 1};
  oq_rt_error err;
  oq_rt *rt = NULL;

  if (oq_rt_open(&rt, opt == NULL ? &usual : opt, &err) != OQ_OK)
    fail_msg("%s", err.text);
  return rt;
}

static const oq_rt_session *real_load(oq_rt *rt, const char *path, int level) {
  oq_rt_load_options opt = OQ_RT_LOAD_OPTIONS_INIT;
  const oq_rt_session *s = NULL;
  oq_rt_error err;

  opt.level = level;
  if (oq_rt_load(&s, rt, path, &opt, &err) != OQ_OK) fail_msg("%s", err.text);
  return s;
}

static float ramp[2 * 3 * 224 * 224];

static oq_tensor_view ramp_view(int64_t n, int64_t c, int64_t size) {
  const size_t all = (size_t)(n * c * size * size);
  oq_tensor_view v = {OQ_DT_F32, 4, {n, c, size, size}, ramp, all * 4};

  assert_true(all <= sizeof ramp / sizeof ramp[0]);
  for (size_t i = 0; i < all; i++) ramp[i] = (float)(i % 101) / 101.0f;
  return v;
}

static void a_real_model_runs(void **state) {
  const char *path;
  const oq_rt_session *s, *plain;
  const oq_tensor_view v = ramp_view(1, 1, 28), *out = NULL;
  oq_rt_feed feed = {NULL, &v, 1};
  const char *in_name = NULL, *wanted = NULL;
  float first[10];
  oq_rt_error err;
  size_t n = 0;
  oq_rt *rt;

  (void)state;
  need_library();
  path = need_model(MODELS "mnist-8.onnx");
  rt = real_open(NULL);
  assert_true(strlen(oq_rt_version(rt)) >= 5);
  assert_int_equal(access(oq_rt_library(rt), R_OK), 0);
  assert_non_null(oq_rt_providers(rt)[0]);
  s = real_load(rt, path, 99);
  assert_int_equal(s->n_inputs, 1);
  assert_string_equal(s->inputs[0].name, "Input3");
  assert_int_equal(s->inputs[0].rank, 4);
  assert_int_equal(oq_rt_run(&out, &n, rt, s, &feed, NULL, 0, &err), OQ_OK);
  assert_int_equal(n, 1);
  assert_int_equal(out[0].dtype, OQ_DT_F32);
  assert_int_equal(out[0].rank, 2);
  assert_int_equal(out[0].dim[1], 10);
  assert_int_equal(out[0].size, sizeof first);
  memcpy(first, out[0].data, sizeof first);
  assert_true(first[0] != first[1]);
  /* By name, and unoptimised: the same within float rounding. */
  plain = real_load(rt, path, 0);
  in_name = "Input3";
  feed.names = &in_name;
  wanted = plain->outputs[0].name;
  assert_int_equal(oq_rt_run(&out, &n, rt, plain, &feed, &wanted, 1, &err),
                   OQ_OK);
  for (size_t i = 0; i < 10; i++) {
    float y;

    memcpy(&y, (const char *)out[0].data + i * sizeof y, sizeof y);
    assert_float_equal(y, first[i], 1e-3);
  }
  oq_rt_unload(rt, s);
  assert_int_equal(oq_rt_run(&out, &n, rt, s, &feed, NULL, 0, &err),
                   OQ_E_ARGUMENT);
  oq_rt_close(rt);
}

static void symbolic_dimensions_are_told(void **state) {
  const oq_rt_session *s;
  oq_tensor_view v;
  const oq_rt_feed feed = {NULL, &v, 1};
  const oq_tensor_view *out = NULL;
  oq_rt_error err;
  const char *path;
  size_t n = 0;
  oq_rt *rt;

  (void)state;
  need_library();
  path = need_model(MODELS "squeezenet1.1.onnx");
  rt = real_open(NULL);
  s = real_load(rt, path, 99);
  assert_int_equal(s->inputs[0].dim[0].size, -1);
  assert_string_equal(s->inputs[0].dim[0].symbol, "N");
  assert_int_equal(s->inputs[0].dim[1].size, 3);
  assert_null(s->inputs[0].dim[1].symbol);
  assert_string_equal(s->outputs[0].dim[0].symbol, "N");
  v = ramp_view(1, 3, 224);
  assert_int_equal(oq_rt_run(&out, &n, rt, s, &feed, NULL, 0, &err), OQ_OK);
  assert_int_equal(out[0].size, 4000);
  v = ramp_view(2, 3, 224); /* another batch, same session */
  assert_int_equal(oq_rt_run(&out, &n, rt, s, &feed, NULL, 0, &err), OQ_OK);
  assert_int_equal(out[0].dim[0], 2);
  v = ramp_view(1, 1, 224); /* one channel: does not fit */
  assert_int_equal(oq_rt_run(&out, &n, rt, s, &feed, NULL, 0, &err), OQ_E_DATA);
  assert_string_equal(err.id, "runtime.run");
  v = ramp_view(1, 3, 224);
  assert_int_equal(oq_rt_run(&out, &n, rt, s, &feed, NULL, 0, &err), OQ_OK);
  oq_rt_close(rt);
}

static void expect_no_load(oq_rt *rt, const char *path,
                           const oq_rt_load_options *opt, oq_status status,
                           const char *words) {
  const oq_rt_session *s = NULL;
  oq_rt_error err;

  assert_int_equal(oq_rt_load(&s, rt, path, opt, &err), status);
  assert_null(s);
  if (strstr(err.text, words) == NULL) fail_msg("%s", err.text);
}

static void a_wrong_model_is_told(void **state) {
  static const char *const bad_config[] = {"a=b", "novalue", NULL};
  static const char *const no_ops[] = {"/nonexistent/libops.so", NULL};
  oq_rt_load_options opt = OQ_RT_LOAD_OPTIONS_INIT;
  const int64_t dim[1] = {2};
  const bytes odd = one_node("NoSuchOperator", 1, dim, 1, "", 13);
  const bytes good = one_node("Relu", 1, dim, 1, "", 13);
  oq_rt *rt;

  (void)state;
  need_library();
  rt = real_open(NULL);
  expect_no_load(rt, "/nonexistent.onnx", NULL, OQ_E_IO, "nonexistent");
  expect_no_load(rt, "/proc/self/exe", NULL, OQ_E_FORMAT, "rotobuf");
  expect_no_load(rt, to_file(&odd), NULL, OQ_E_MODEL, "NoSuchOperator");
  to_file(&good);
  opt.config = bad_config;
  expect_no_load(rt, made, &opt, OQ_E_ARGUMENT, "novalue");
  opt.config = NULL;
  opt.level = 4;
  expect_no_load(rt, made, &opt, OQ_E_ARGUMENT, "level");
  opt.level = 99;
  opt.custom_ops = no_ops;
  expect_no_load(rt, made, &opt, OQ_E_MODEL, "libops.so");
  (void)real_load(rt, made, 99); /* none of this has done harm */
  oq_rt_close(rt);
}

/* Feeds 7 elements of bits 0 and 1 to `m`, which should give them back. */
static bool comes_back(oq_rt *rt, const bytes *m, int32_t dtype,
                       oq_rt_error *err) {
  uint8_t data[7 * 16];
  oq_tensor_view v = {dtype, 1, {7}, data, 0};
  const oq_rt_feed feed = {NULL, &v, 1};
  const oq_tensor_view *out = NULL;
  const oq_rt_session *s = NULL;
  size_t n = 0;
  bool good;

  for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)(i % 2);
  (void)oq_ort_bytes(&v.size, dtype, v.dim, 1);
  if (oq_rt_load(&s, rt, to_file(m), NULL, err) != OQ_OK) return false;
  assert_int_equal(s->inputs[0].dtype, dtype);
  good = oq_rt_run(&out, &n, rt, s, &feed, NULL, 0, err) == OQ_OK;
  if (good) {
    assert_int_equal(out[0].dtype, dtype);
    assert_int_equal(out[0].size, v.size);
    assert_memory_equal(out[0].data, data, v.size);
  }
  oq_rt_unload(rt, s);
  return good;
}

/* Types that onnxruntime has a kernel for pass unchanged; what it refuses is an
 * error in words. */
static void every_element_type_passes_or_is_refused(void **state) {
  static const uint8_t must[] = {1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 16};
  const int64_t dim[1] = {7};
  bool passed[27] = {false};
  oq_rt *rt;

  (void)state;
  need_library();
  rt = real_open(NULL);
  for (int32_t d = 1; d <= OQ_DT_I2; d++) {
    const bytes same = one_node("Identity", (uint32_t)d, dim, 1, "", 21);
    oq_rt_error err = {0};

    passed[d] = comes_back(rt, &same, d, &err);
    for (uint64_t opset = 21; opset <= 25 && !passed[d]; opset += 2) {
      const bytes m = there_and_back((uint32_t)d, 7, opset);

      passed[d] = comes_back(rt, &m, d, &err);
    }
    assert_true(passed[d] || err.text[0] != '\0');
    if (!passed[d]) print_message("type %d: %s\n", (int)d, err.text);
  }
  for (size_t i = 0; i < sizeof must; i++) assert_true(passed[must[i]]);
  assert_false(passed[OQ_DT_STRING]);
  oq_rt_close(rt);
}

static void odd_shapes_pass(void **state) {
  const int64_t any[9] = {-1, -1, -1, -1, -1, -1, -1, -1, -1};
  const float x = 2.5f;
  oq_tensor_view v = {OQ_DT_F32, 0, {0}, &x, sizeof x};
  const oq_rt_feed feed = {NULL, &v, 1};
  const oq_tensor_view *out = NULL;
  const oq_rt_session *s;
  oq_rt_error err;
  size_t n = 0;
  bytes m;
  oq_rt *rt;

  (void)state;
  need_library();
  rt = real_open(NULL);
  m = one_node("Identity", 1, NULL, 0, "", 13); /* a scalar */
  s = real_load(rt, to_file(&m), 99);
  assert_int_equal(s->inputs[0].has_rank, 0);
  assert_int_equal(oq_rt_run(&out, &n, rt, s, &feed, NULL, 0, &err), OQ_OK);
  assert_int_equal(out[0].rank, 0);
  assert_memory_equal(out[0].data, &x, sizeof x);
  m = one_node("Identity", 1, any, 2, "k", 13); /* nothing in it */
  s = real_load(rt, to_file(&m), 99);
  v = (oq_tensor_view){OQ_DT_F32, 2, {0, 5}, NULL, 0};
  assert_int_equal(oq_rt_run(&out, &n, rt, s, &feed, NULL, 0, &err), OQ_OK);
  assert_int_equal(out[0].dim[0], 0);
  assert_int_equal(out[0].dim[1], 5);
  assert_int_equal(out[0].size, 0);
  assert_non_null(out[0].data);
  m = one_node("Identity", 1, any, 9, "k", 13); /* more than we can say */
  s = real_load(rt, to_file(&m), 99);
  assert_int_equal(s->inputs[0].has_rank, 0);
  v = (oq_tensor_view){OQ_DT_F32, 8, {1, 1, 1, 1, 1, 1, 1, 1}, &x, sizeof x};
  assert_int_equal(oq_rt_run(&out, &n, rt, s, &feed, NULL, 0, &err), OQ_E_DATA);
  oq_rt_close(rt);
}

static void bad_views_are_refused(void **state) {
  const int64_t dim[1] = {2};
  const bytes m = one_node("Relu", 1, dim, 1, "", 13);
  const float x[2] = {-1, 1};
  oq_tensor_view v[2] = {{OQ_DT_F32, 1, {2}, x, sizeof x},
                         {OQ_DT_F32, 1, {2}, x, sizeof x}};
  oq_rt_feed feed = {NULL, v, 1};
  const char *missing = "nothing of that name";
  const oq_tensor_view *out = NULL;
  const oq_rt_session *s;
  oq_rt_error err;
  size_t n = 0;
  oq_rt *rt;

  (void)state;
  need_library();
  rt = real_open(NULL);
  s = real_load(rt, to_file(&m), 99);
  v[0].size = 7;
  assert_int_equal(oq_rt_run(&out, &n, rt, s, &feed, NULL, 0, &err),
                   OQ_E_ARGUMENT);
  v[0].size = 8;
  v[0].dim[0] = -2;
  assert_int_equal(oq_rt_run(&out, &n, rt, s, &feed, NULL, 0, &err),
                   OQ_E_ARGUMENT);
  v[0].dim[0] = 2;
  v[0].rank = 9;
  assert_int_equal(oq_rt_run(&out, &n, rt, s, &feed, NULL, 0, &err),
                   OQ_E_ARGUMENT);
  v[0].rank = 1;
  v[0].dtype = OQ_DT_STRING;
  assert_int_equal(oq_rt_run(&out, &n, rt, s, &feed, NULL, 0, &err),
                   OQ_E_UNSUPPORTED);
  v[0].dtype = OQ_DT_F32;
  feed.n = 2;
  assert_int_equal(oq_rt_run(&out, &n, rt, s, &feed, NULL, 0, &err), OQ_E_DATA);
  feed.n = 0;
  assert_int_equal(oq_rt_run(&out, &n, rt, s, &feed, NULL, 0, &err), OQ_E_DATA);
  feed.n = 1;
  assert_int_equal(oq_rt_run(&out, &n, rt, s, &feed, &missing, 1, &err),
                   OQ_E_DATA);
  assert_non_null(strstr(err.text, missing));
  assert_int_equal(oq_rt_run(&out, &n, rt, s, &feed, NULL, 0, &err), OQ_OK);
  oq_rt_close(rt);
}

static void a_limit_is_obeyed_and_survived(void **state) {
  const int64_t any[2] = {-1, -1};
  const bytes m = one_node("Identity", 1, any, 2, "k", 13);
  oq_rt_options opt = {.threads = 1, .max_bytes = 1 << 16};
  oq_tensor_view v = {OQ_DT_F32, 2, {128, 128}, ramp, 1 << 16};
  const oq_rt_feed feed = {NULL, &v, 1};
  const oq_tensor_view *out = NULL;
  const oq_rt_session *s;
  oq_rt_error err;
  size_t n = 0;
  oq_rt *rt;

  (void)state;
  need_library();
  rt = real_open(&opt);
  s = real_load(rt, to_file(&m), 99);
  assert_int_equal(oq_rt_run(&out, &n, rt, s, &feed, NULL, 0, &err), OQ_OK);
  v.dim[1] = 129;
  v.size = 128 * 129 * 4;
  assert_int_equal(oq_rt_run(&out, &n, rt, s, &feed, NULL, 0, &err),
                   OQ_E_LIMIT);
  assert_string_equal(err.id, "runtime.limit");
  v.dim[1] = 128;
  v.size = 1 << 16;
  assert_int_equal(oq_rt_run(&out, &n, rt, s, &feed, NULL, 0, &err), OQ_OK);
  oq_rt_close(rt);
}

static void a_killed_child_leaves_the_results(void **state) {
  const int64_t dim[1] = {2};
  const bytes m = one_node("Relu", 1, dim, 1, "", 13);
  const float x[2] = {-1, 1}, expected[2] = {0, 1};
  const oq_tensor_view v = {OQ_DT_F32, 1, {2}, x, sizeof x}, *out = NULL;
  const oq_rt_feed feed = {NULL, &v, 1};
  const oq_rt_session *s;
  oq_rt_error err;
  double ms[3];
  size_t n = 0;
  oq_rt *rt;

  (void)state;
  need_library();
  rt = real_open(NULL);
  s = real_load(rt, to_file(&m), 99);
  assert_int_equal(oq_rt_run(&out, &n, rt, s, &feed, NULL, 0, &err), OQ_OK);
  kill((pid_t)oq_rt_pid(rt), SIGKILL);
  assert_int_equal(oq_rt_time(ms, rt, s, &feed, 0, 3, &err), OQ_E_IO);
  assert_string_equal(err.id, "runtime.crash");
  assert_non_null(strstr(err.text, "signal 9"));
  assert_memory_equal(out[0].data, expected, sizeof expected);
  oq_rt_unload(rt, s);
  assert_int_equal(oq_rt_load(&s, rt, made, NULL, &err), OQ_E_IO);
  assert_string_equal(err.id, "runtime.ended");
  oq_rt_close(rt);
}

static void a_stopped_child_times_out(void **state) {
  oq_rt_options opt = {.timeout_ms = 400};
  const oq_rt_session *s = NULL;
  oq_rt_error err;
  oq_rt *rt;

  (void)state;
  need_library();
  rt = real_open(&opt);
  kill((pid_t)oq_rt_pid(rt), SIGSTOP);
  assert_int_equal(oq_rt_load(&s, rt, made, NULL, &err), OQ_E_LIMIT);
  assert_string_equal(err.id, "runtime.timeout");
  oq_rt_close(rt);
}

static void times_are_taken(void **state) {
  const int64_t dim[1] = {2};
  const bytes m = one_node("Relu", 1, dim, 1, "", 13);
  const float x[2] = {-1, 1};
  const oq_tensor_view v = {OQ_DT_F32, 1, {2}, x, sizeof x};
  const oq_rt_feed feed = {NULL, &v, 1};
  double a[50], b[50];
  const oq_rt_session *s, *t;
  oq_rt_error err;
  oq_rt *rt;

  (void)state;
  need_library();
  rt = real_open(NULL);
  s = real_load(rt, to_file(&m), 99);
  t = real_load(rt, made, 0);
  for (int i = 0; i < 50; i++) a[i] = b[i] = -1;
  assert_int_equal(oq_rt_time(a, rt, s, &feed, 2, 50, &err), OQ_OK);
  for (int i = 0; i < 50; i++) assert_true(a[i] >= 0 && a[i] < 10000);
  for (int i = 0; i < 50; i++) a[i] = -1;
  assert_int_equal(oq_rt_time_pair(a, b, rt, s, &feed, t, &feed, 0, 50, &err),
                   OQ_OK);
  for (int i = 0; i < 50; i++) assert_true(a[i] >= 0 && b[i] >= 0);
  assert_int_equal(oq_rt_time(a, rt, s, &feed, 0, 0, &err), OQ_E_ARGUMENT);
  assert_int_equal(oq_rt_time_pair(a, b, rt, s, &feed, NULL, &feed, 0, 5, &err),
                   OQ_E_ARGUMENT);
  oq_rt_close(rt);
}

/* The timeout is for one run, not for a thousand. */
static void long_timing_is_no_hang(void **state) {
  const int64_t dim[1] = {2};
  const bytes m = one_node("Relu", 1, dim, 1, "", 13);
  /* Opening counts, too: a busy machine takes its time for that. */
  oq_rt_options opt = {.threads = 1, .timeout_ms = 1000};
  const float x[2] = {-1, 1};
  const oq_tensor_view v = {OQ_DT_F32, 1, {2}, x, sizeof x};
  const oq_rt_feed feed = {NULL, &v, 1};
  static double ms[900000];
  int64_t start;
  oq_rt_error err;
  oq_rt *rt;

  (void)state;
  need_library();
  rt = real_open(&opt);
  start = now_ms();
  if (oq_rt_time(ms, rt, real_load(rt, to_file(&m), 99), &feed, 0, 900000,
                 &err) != OQ_OK)
    fail_msg("%s", err.text);
  assert_true(now_ms() - start > opt.timeout_ms);
  oq_rt_close(rt);
}

static const oq_rt_op_count *find_op(const oq_rt_census *c, const char *op) {
  for (size_t i = 0; i < c->n_ops; i++)
    if (strcmp(c->ops[i].op, op) == 0) return &c->ops[i];
  return NULL;
}

static void a_float_model_has_float_kernels(void **state) {
  static const int levels[] = {2, 99};
  const char *path;
  oq_rt *rt;

  (void)state;
  need_library();
  path = need_model(MODELS "squeezenet1.1.onnx");
  rt = real_open(NULL);
  for (size_t i = 0; i < 2; i++) {
    oq_rt_load_options opt = OQ_RT_LOAD_OPTIONS_INIT;
    oq_rt_census *c = NULL;
    oq_rt_error err;

    opt.level = levels[i];
    assert_int_equal(oq_rt_take_census(&c, rt, path, &opt, &err), OQ_OK);
    assert_int_equal(c->n_int8, 0);
    assert_int_equal(c->n_float, 26);
    assert_int_equal(c->n_kernels, 26);
    assert_int_equal(find_op(c, "Concat")->count, 8);
    for (size_t k = 0; k < c->n_kernels; k++)
      assert_true(c->kernels[k].name[0] != '\0');
    oq_rt_census_destroy(c);
  }
  oq_rt_close(rt);
}

static void an_integer_model_has_integer_kernels(void **state) {
  const char *path;
  oq_rt_census *c = NULL;
  oq_rt_error err;
  oq_rt *rt;

  (void)state;
  need_library();
  path = need_model(MODELS "edge/shufflenet-v2-12-int8.onnx");
  rt = real_open(NULL);
  assert_int_equal(oq_rt_take_census(&c, rt, path, NULL, &err), OQ_OK);
  assert_int_equal(c->n_int8, 57);
  assert_int_equal(c->n_float, 0);
  oq_rt_census_destroy(c);
  c = NULL;
  assert_int_equal(oq_rt_take_census(&c, rt, "/nonexistent", NULL, &err),
                   OQ_E_IO);
  assert_null(c);
  oq_rt_close(rt);
}

static void two_at_once(void **state) {
  const int64_t dim[1] = {2};
  const bytes m = one_node("Relu", 1, dim, 1, "", 13);
  oq_rt *a, *b;

  (void)state;
  need_library();
  to_file(&m);
  a = real_open(NULL);
  b = real_open(NULL);
  assert_int_not_equal(oq_rt_pid(a), oq_rt_pid(b));
  (void)real_load(a, made, 99);
  kill((pid_t)oq_rt_pid(a), SIGKILL);
  (void)real_load(b, made, 99);
  oq_rt_close(a);
  (void)real_load(b, made, 99);
  oq_rt_close(b);
}

static void *open_in_thread(void *user) {
  (void)user;
  return real_open(NULL);
}

/* The kernel's signal for the end of the parent comes with the end of the
 * thread that started the child. */
static void the_opening_thread_may_end(void **state) {
  const int64_t dim[1] = {2};
  const bytes m = one_node("Relu", 1, dim, 1, "", 13);
  pthread_t t;
  void *rt = NULL;

  (void)state;
  need_library();
  assert_int_equal(pthread_create(&t, NULL, open_in_thread, NULL), 0);
  pthread_join(t, &rt);
  usleep(50000);
  (void)real_load(rt, to_file(&m), 99);
  oq_rt_close(rt);
}

/* A process that dies while its child is busy; tells the child's id. */
static void parent_to_be_killed(int tell) {
  const int64_t dim[1] = {2};
  const bytes m = one_node("Relu", 1, dim, 1, "", 13);
  static double ms[1000000];
  const float x[2] = {-1, 1};
  const oq_tensor_view v = {OQ_DT_F32, 1, {2}, x, sizeof x};
  const oq_rt_feed feed = {NULL, &v, 1};
  oq_rt *rt = real_open(NULL);
  const oq_rt_session *s = real_load(rt, to_file(&m), 0);
  const int64_t pid = oq_rt_pid(rt);

  if (write(tell, &pid, sizeof pid) != sizeof pid) _exit(1);
  for (;;) (void)oq_rt_time(ms, rt, s, &feed, 1000000, 1000000, NULL);
}

static void the_child_dies_with_the_parent(void **state) {
  int ends[2], status = 0;
  int64_t pid = 0;
  bool gone = false;
  pid_t middle;

  (void)state;
  need_library();
  /* So that the orphan comes to us, and can be waited for. */
  assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
  assert_int_equal(pipe(ends), 0);
  middle = fork();
  assert_true(middle >= 0);
  if (middle == 0) {
    parent_to_be_killed(ends[1]);
    _exit(0);
  }
  close(ends[1]);
  assert_int_equal(read(ends[0], &pid, sizeof pid), sizeof pid);
  close(ends[0]);
  usleep(100000);
  kill(middle, SIGKILL);
  assert_int_equal(waitpid(middle, &status, 0), middle);
  for (int i = 0; i < 500 && !gone; i++) {
    gone = waitpid((pid_t)pid, &status, WNOHANG) == (pid_t)pid;
    usleep(10000);
  }
  prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
  assert_true(gone);
  assert_true(WIFEXITED(status));
}

#define T(f) cmocka_unit_test_setup_teardown(f, before_each, after_each)

int main(int argc, char **argv) {
  const char *mode = getenv("OQ_TEST_WORKER");
  const struct CMUnitTest tests[] = {
      T(crash_becomes_an_error),
      T(garbage_becomes_an_error),
      T(last_words_are_kept),
      T(a_flood_is_bounded_and_made_printable),
      T(a_hang_ends_in_time),
      T(waiting_can_be_cancelled),
      T(closing_ends_a_child_that_does_not_listen),
      T(bad_outputs_are_refused),
      T(too_large_outputs_are_a_limit),
      T(a_bad_start_is_an_error),
      T(a_wrong_library_is_never_replaced),
      T(the_environment_is_obeyed),
      T(the_search_goes_in_order),
      T(a_cut_never_leaves_its_message),
      T(sizes_are_checked),
      T(the_census_sees_bodies),
      T(the_census_survives_any_bytes),
      T(kinds_are_known),
      T(a_real_model_runs),
      T(symbolic_dimensions_are_told),
      T(a_wrong_model_is_told),
      T(every_element_type_passes_or_is_refused),
      T(odd_shapes_pass),
      T(bad_views_are_refused),
      T(a_limit_is_obeyed_and_survived),
      T(a_killed_child_leaves_the_results),
      T(a_stopped_child_times_out),
      T(times_are_taken),
      T(long_timing_is_no_hang),
      T(a_float_model_has_float_kernels),
      T(an_integer_model_has_integer_kernels),
      T(two_at_once),
      T(the_opening_thread_may_end),
      T(the_child_dies_with_the_parent),
  };

  if (argc > 1 && strcmp(argv[1], OQ_RT_WORKER) == 0) {
    if (mode == NULL) return oq_rt_worker_main(argc, argv);
    fake_worker(mode);
    return 0;
  }
  return cmocka_run_group_tests(tests, find_library, clean_up);
}
