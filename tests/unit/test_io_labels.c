/* Labels from files and from folders. */
#include "unit/io_support.h"

static oq_samples *open_folder(const folder *f, const char *name) {
  static oq_value_info input;
  const oq_model_info info = {.inputs = &input, .n_inputs = 1};
  const char *const data[] = {name[0] != 0 ? in(f, name) : f->path};
  const oq_samples_options o = {.model = &info,
                                .data = data,
                                .n_data = 1,
                                .image = {.preprocess = "raw"}};
  oq_samples *s = NULL;

  input = input_of("x", OQ_DT_F32, 4, DIMS(1, 3, 4, 4));
  assert_int_equal(oq_samples_open(&s, &o, NULL), OQ_OK);
  return s;
}

static void put_pictures(const folder *f) {
  put_folder(f, "d");
  put_folder(f, "d/dog");
  put_folder(f, "d/a cat");
  put_ppm(f, "d/dog/1.ppm", 4, 4);
  put_ppm(f, "d/dog/2.ppm", 4, 4);
  put_ppm(f, "d/a cat/3.ppm", 4, 4);
}

static oq_status open_labels(oq_labels **l, const oq_samples *s,
                             const folder *f, const char *text,
                             const char *classes) {
  oq_io_error err = {0};

  put_text(f, "l.txt", text);
  const oq_status r = oq_labels_open(l, s, in(f, "l.txt"), classes, 0, &err);
  if (r != OQ_OK) assert_non_null(strstr(err.text, "l.txt"));
  return r;
}

static void by_file(void **state) {
  const folder *const f = *state;
  oq_labels *l;

  put_pictures(f);
  oq_samples *const s = open_folder(f, "d");
  assert_int_equal(open_labels(&l, s, f,
                               "# path class\ndog/1.ppm 4\r\n\ndog/2.ppm\t2\n"
                               "a cat/3.ppm   7\nother.ppm 1\n",
                               NULL),
                   OQ_OK);
  assert_int_equal(oq_labels_class(l, 0), 7); /* "a cat/3.ppm" */
  assert_int_equal(oq_labels_class(l, 1), 4);
  assert_int_equal(oq_labels_class(l, 2), 2);
  assert_null(oq_labels_name(l, 4));
  oq_labels_destroy(l);
  /* names of classes; paths known by their last part only */
  assert_int_equal(
      open_labels(&l, s, f, "x/1.ppm b\nx/2.ppm a\n3.ppm b", " a, b"), OQ_OK);
  assert_int_equal(oq_labels_class(l, 1), 1);
  assert_int_equal(oq_labels_class(l, 2), 0);
  assert_string_equal(oq_labels_name(l, 1), "b");
  oq_labels_destroy(l);
  oq_samples_destroy(s);
}

static void files_that_are_refused(void **state) {
  const folder *const f = *state;
  static const char *const cases[] = {
      "dog/1.ppm 1\ndog/2.ppm 2\n",            /* one is missing */
      "dog/1.ppm 1\ndog/2.ppm 2\n3.ppm cat\n", /* not a class */
      "dog/1.ppm\n",
      "dog/1.ppm -1\n",
      "dog/1.ppm 99999999999\n",
      "dog/1.ppm 1\ndog/1.ppm 2\n",
      "x/1.ppm 1\ny/1.ppm 2\n2.ppm 1\n3.ppm 1\n", /* which 1.ppm? */
      "",
  };
  oq_labels *l = NULL;

  put_pictures(f);
  oq_samples *const s = open_folder(f, "d");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_int_equal(open_labels(&l, s, f, cases[i], "a,b"), OQ_E_DATA);
    assert_null(l);
  }
  assert_int_equal(oq_labels_open(&l, s, in(f, "no"), NULL, 0, NULL), OQ_E_IO);
  oq_samples_destroy(s);
}

static void by_folder(void **state) {
  const folder *const f = *state;
  oq_labels *l;
  oq_samples *part;

  put_pictures(f);
  oq_samples *const s = open_folder(f, "d");
  assert_int_equal(oq_labels_open(&l, s, "folders", NULL, 1, NULL), OQ_OK);
  assert_int_equal(oq_labels_class(l, 0), 1); /* "a cat" is first */
  assert_int_equal(oq_labels_class(l, 2), 2);
  assert_string_equal(oq_labels_name(l, 2), "dog");
  assert_null(oq_labels_name(l, 0));
  oq_labels_destroy(l);
  /* classes are those of all samples, not of the chosen ones */
  assert_int_equal(oq_samples_select(&part, s, (const uint64_t[]){2}, 1, NULL),
                   OQ_OK);
  assert_int_equal(oq_labels_open(&l, part, "folders", NULL, 0, NULL), OQ_OK);
  assert_int_equal(oq_labels_class(l, 0), 1);
  oq_labels_destroy(l);
  oq_samples_destroy(part);
  put_text(f, "names", "dog\n\n a cat \r\n");
  char at[700];
  (void)snprintf(at, sizeof at, "@%s", in(f, "names"));
  assert_int_equal(oq_labels_open(&l, s, "folders", at, 0, NULL), OQ_OK);
  assert_int_equal(oq_labels_class(l, 0), 1);
  assert_int_equal(oq_labels_class(l, 2), 0);
  oq_labels_destroy(l);
  l = NULL;
  assert_int_equal(oq_labels_open(&l, s, "folders", "dog,bird", 0, NULL),
                   OQ_E_DATA);
  oq_samples *const flat = open_folder(f, "d/dog");
  assert_int_equal(oq_labels_open(&l, flat, "folders", NULL, 0, NULL),
                   OQ_E_DATA);
  assert_null(l);
  oq_samples_destroy(flat);
  oq_samples_destroy(s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(by_file, folder_make, folder_remove),
      cmocka_unit_test_setup_teardown(files_that_are_refused, folder_make,
                                      folder_remove),
      cmocka_unit_test_setup_teardown(by_folder, folder_make, folder_remove),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
