/* External data: which paths are opened, and which spans are believed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "onnx/codec.h"
#include "onnx/external.h"
#include "support/env.h"
#include "unit/wire_build.h"

/* root/            dir/w.bin dir/hard.bin dir/hard2.bin dir/link.bin
 *   outside.bin    dir/sub/w.bin dir/linked (-> sub) dir/fifo */
typedef struct fixture {
  test_env env;
  char root[64], dir[80];
} fixture;

static const char *at(fixture *f, const char *name) {
  static char path[4][300];
  static unsigned turn;
  char *p = path[turn++ % 4];

  (void)snprintf(p, sizeof path[0], "%s/%s", f->dir, name);
  return p;
}

static void write_file(const char *path, size_t n) {
  FILE *x = fopen(path, "w");

  assert_non_null(x);
  for (size_t i = 0; i < n; i++) (void)fputc((int)(i & 0xff), x);
  assert_int_equal(fclose(x), 0);
}

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);

  if (f == NULL || !test_env_open(&f->env, NULL)) return -1;
  strcpy(f->root, "/tmp/oq-external-XXXXXX");
  if (mkdtemp(f->root) == NULL) return -1;
  (void)snprintf(f->dir, sizeof f->dir, "%s/dir", f->root);
  if (mkdir(f->dir, 0700) != 0 || mkdir(at(f, "sub"), 0700) != 0) return -1;
  write_file(at(f, "../outside.bin"), 64);
  write_file(at(f, "w.bin"), 64);
  write_file(at(f, "sub/w.bin"), 64);
  write_file(at(f, "w..bin"), 64);
  write_file(at(f, "hard.bin"), 64);
  if (link(at(f, "hard.bin"), at(f, "hard2.bin")) != 0) return -1;
  if (symlink("w.bin", at(f, "link.bin")) != 0) return -1;
  if (symlink("../outside.bin", at(f, "escape.bin")) != 0) return -1;
  if (symlink("sub", at(f, "linked")) != 0) return -1;
  if (mkfifo(at(f, "fifo"), 0600) != 0) return -1;
  *state = f;
  return 0;
}

static int teardown(void **state) {
  static const char *const names[] = {
      "w.bin",    "sub/w.bin",  "w..bin", "hard.bin", "hard2.bin",
      "link.bin", "escape.bin", "linked", "fifo",     "../outside.bin"};
  fixture *f = *state;

  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    (void)unlink(at(f, names[i]));
  }
  (void)rmdir(at(f, "sub"));
  (void)rmdir(f->dir);
  (void)rmdir(f->root);
  test_env_close(&f->env);
  free(f);
  return 0;
}

/* ---- paths -------------------------------------------------------------- */
static void test_locations(void **state) {
  static const char *const good[] = {"w.bin",   "a/b/c",  "w..bin", "..w",
                                     "./w.bin", "a//b",   "...",    "\xc3\xa4",
                                     "a b",     "-w.bin", "C"};
  static const char *const bad[] = {
      "",     "/etc/passwd", "..",       "../w.bin",    "a/../w.bin",
      "a/..", "C:/w.bin",    "c:w.bin",  "a\\b",        "\\\\h\\s",
      "a/",   "\xff",        "\xc0\xaf", "\xed\xa0\x80"};
  (void)state;

  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    assert_null(oq_external_check_location(good[i], strlen(good[i])));
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_non_null(oq_external_check_location(bad[i], strlen(bad[i])));
  }
  assert_non_null(oq_external_check_location("a\0b", 3));
}

/* Both ways of opening: by the kernel's own rule, and part by part. */
static void expect_open(fixture *f, const char *location, bool opens) {
  const int dir = open(f->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

  assert_true(dir >= 0);
  for (int kernel = 0; kernel < 2; kernel++) {
    const int fd = oq_external_open(dir, location, kernel != 0);
    if (opens != (fd >= 0)) {
      print_error("%s (%d): %s\n", location, kernel, strerror(errno));
    }
    assert_int_equal(fd >= 0, opens);
    if (fd >= 0) close(fd);
  }
  close(dir);
}

static void test_open(void **state) {
  fixture *f = *state;

  expect_open(f, "w.bin", true);
  expect_open(f, "sub/w.bin", true);
  expect_open(f, "./sub//w.bin", true);
  expect_open(f, "w..bin", true);
  expect_open(f, "link.bin", false);
  expect_open(f, "escape.bin", false);
  expect_open(f, "linked/w.bin", false);
  expect_open(f, "w.bin/x", false);
  expect_open(f, "missing", false);
}

/* ---- models ------------------------------------------------------------- */
static pb pair(const char *key, const char *value) {
  pb b = {0};

  pb_text(&b, 1, key);
  pb_text(&b, 2, value);
  return b;
}

/* A float tensor [4] in `location`; NULL keys are left out. */
static pb tensor(const char *name, const char *location, const char *offset,
                 const char *length) {
  pb t = {0};

  pb_int(&t, 1, 4);
  pb_int(&t, 2, 1);
  pb_text(&t, 8, name);
  if (location != NULL) pb_msg(&t, 13, pair("location", location));
  if (offset != NULL) pb_msg(&t, 13, pair("offset", offset));
  if (length != NULL) pb_msg(&t, 13, pair("length", length));
  pb_int(&t, 14, 1);
  return t;
}

static oq_status load(fixture *f, oq_model_ir **out, pb graph,
                      const char *base_dir) {
  pb b = pb_model(graph);
  oq_store *file = NULL;
  void *bytes = NULL;

  oq_diags_clear(f->env.diags);
  assert_int_equal(oq_store_new(&file, &bytes, b.n, &f->env.alloc), OQ_OK);
  memcpy(bytes, b.p, b.n);
  pb_free(&b);
  const oq_status s = oq_onnx_decode(out, file, base_dir, &f->env.e);
  oq_store_unref(file);
  return s;
}

static pb graph_with(pb t) {
  pb g = pb_graph_open(pb_node("Relu", "x", "y"));

  pb_msg(&g, 5, t);
  return pb_graph_close(g);
}

static void expect(fixture *f, pb t, oq_status status, const char *id) {
  oq_model_ir *m = NULL;

  assert_int_equal(load(f, &m, graph_with(t), f->dir), status);
  if (id != NULL) assert_string_equal(test_env_last(&f->env), id);
  oq_ir_destroy(m);
}

static void test_files(void **state) {
  fixture *f = *state;

  expect(f, tensor("w", "w.bin", "0", "16"), OQ_OK, NULL);
  expect(f, tensor("w", "sub/w.bin", NULL, NULL), OQ_OK, NULL);
  expect(f, tensor("w", "missing", "0", "16"), OQ_E_IO, "external.open");
  expect(f, tensor("w", "link.bin", "0", "16"), OQ_E_MODEL,
         "external.location");
  expect(f, tensor("w", "escape.bin", "0", "16"), OQ_E_MODEL,
         "external.location");
  expect(f, tensor("w", "linked/w.bin", "0", "16"), OQ_E_MODEL,
         "external.location");
  expect(f, tensor("w", "../outside.bin", "0", "16"), OQ_E_MODEL,
         "external.location");
  expect(f, tensor("w", "sub", "0", "16"), OQ_E_MODEL, "external.location");
  expect(f, tensor("w", "fifo", "0", "16"), OQ_E_MODEL, "external.location");
  expect(f, tensor("w", "hard.bin", "0", "16"), OQ_E_MODEL,
         "external.location");
  const oq_diag *d = oq_diags_at(f->env.diags, 0);
  assert_string_equal(d->value, "w");
  assert_non_null(d->hint);
  expect(f, tensor("w", NULL, "0", "16"), OQ_E_MODEL, "external.entry");
}

static void test_without_folder(void **state) {
  fixture *f = *state;
  oq_model_ir *m = NULL;

  assert_int_equal(
      load(f, &m, graph_with(tensor("w", "w.bin", "0", "16")), NULL),
      OQ_E_MODEL);
  assert_string_equal(test_env_last(&f->env), "external.location");
}

static void test_spans(void **state) {
  static const struct {
    const char *offset, *length, *id;
  } bad[] = {
      {"49", "16", "external.range"},
      {"64", "16", "external.range"},
      {"9223372036854775807", "16", "external.range"},
      {"9223372036854775808", "16", "external.number"},
      {"18446744073709551600", "16", "external.number"},
      {"-1", "16", "external.number"},
      {"+1", "16", "external.number"},
      {" 1", "16", "external.number"},
      {"0x10", "16", "external.number"},
      {"", "16", "external.number"},
      {"0", "15", "external.length"},
      {"0", "17", "external.length"},
      {"0", "99999999999999999999", "external.number"},
      {"0", "-16", "external.number"},
  };
  fixture *f = *state;

  expect(f, tensor("w", "w.bin", "48", "16"), OQ_OK, NULL);
  expect(f, tensor("w", "w.bin", "3", NULL), OQ_OK, NULL);
  expect(f, tensor("w", "w.bin", "0003", "016"), OQ_OK, NULL);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    expect(f, tensor("w", "w.bin", bad[i].offset, bad[i].length), OQ_E_MODEL,
           bad[i].id);
  }
}

/* Numbers here and there at once; texts. */
static void test_contradictions(void **state) {
  fixture *f = *state;
  pb t = tensor("w", "w.bin", "0", "16");

  pb_bytes(&t, 9, "0123456789abcdef", 16);
  expect(f, t, OQ_E_MODEL, "external.entry");
  t = tensor("w", "w.bin", "0", "16");
  pb_int(&t, 2, 8);
  expect(f, t, OQ_E_MODEL, "external.entry");
  t = tensor("w", "w.bin", "0", "16");
  pb_int(&t, 14, 2);
  expect(f, t, OQ_E_UNSUPPORTED, "tensor.location");
  /* The last of two equal keys counts. */
  t = tensor("w", "missing", "0", "16");
  pb_msg(&t, 13, pair("location", "w.bin"));
  expect(f, t, OQ_OK, NULL);
  /* Entries without EXTERNAL mean nothing. */
  t = pb_tensor("w", (float[]){1}, 1);
  pb_msg(&t, 13, pair("location", "/etc/passwd"));
  expect(f, t, OQ_OK, NULL);
}

static void test_values(void **state) {
  fixture *f = *state;
  oq_model_ir *m = NULL;
  oq_ctensor t;

  assert_int_equal(
      load(f, &m, graph_with(tensor("w", "w.bin", "3", NULL)), f->dir), OQ_OK);
  const oq_const *c = m->main->values[m->main->inits[0].i].konst;
  assert_int_equal(oq_const_view(&t, c, f->env.scratch, f->env.diags), OQ_OK);
  assert_int_equal(((const uint8_t *)t.data)[0], 3);
  assert_int_equal(((const uint8_t *)t.data)[15], 18);
  assert_string_equal(oq_names_text(m->names, c->blob->location), "w.bin");
  oq_ir_destroy(m);
}

/* By location, and by what file it is. */
static void test_mapped_once(void **state) {
  fixture *f = *state;
  pb g = pb_graph_open(pb_node("Relu", "x", "y"));
  oq_model_ir *m = NULL;

  pb_msg(&g, 5, tensor("a", "w.bin", "0", NULL));
  pb_msg(&g, 5, tensor("b", "w.bin", "16", NULL));
  pb_msg(&g, 5, tensor("c", "./w.bin", "32", NULL));
  pb_msg(&g, 5, tensor("d", "sub/w.bin", "32", NULL));
  assert_int_equal(load(f, &m, pb_graph_close(g), f->dir), OQ_OK);
  assert_int_equal(m->n_stores, 3); /* the model and two files */
  oq_ir_destroy(m);
}

/* Attributes are tensors too; a constant of a body is one. */
static void test_attribute(void **state) {
  fixture *f = *state;
  pb node = {0}, attr = {0};
  oq_model_ir *m = NULL;

  pb_text(&attr, 1, "value");
  pb_msg(&attr, 5, tensor("", "../outside.bin", "0", "16"));
  pb_int(&attr, 20, 4);
  pb_text(&node, 2, "y");
  pb_text(&node, 4, "Constant");
  pb_msg(&node, 5, attr);
  assert_int_equal(load(f, &m, pb_graph(node), f->dir), OQ_E_MODEL);
  assert_string_equal(test_env_last(&f->env), "external.location");
  assert_string_equal(oq_diags_at(f->env.diags, 0)->attr, "value");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      T(test_locations),      T(test_open),        T(test_files),
      T(test_without_folder), T(test_spans),       T(test_contradictions),
      T(test_values),         T(test_mapped_once), T(test_attribute),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
