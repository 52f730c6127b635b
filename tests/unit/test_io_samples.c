/* Sample sources: folders, lists, archives, pairs, random numbers, choices,
 * threads. */
#include "unit/io_support.h"

#include <pthread.h>

typedef struct model {
  oq_value_info input[3];
  oq_model_info info;
} model;

static void model_of(model *m, size_t n) {
  memset(&m->info, 0, sizeof m->info);
  m->info.inputs = m->input;
  m->info.n_inputs = n;
}

static model picture_model(void) {
  model m;

  m.input[0] = input_of("image", OQ_DT_F32, 4, DIMS(1, 3, 4, 4));
  return m;
}

static model vector_model(void) { /* x: float32[batch,2] */
  model m;

  m.input[0] = input_of("x", OQ_DT_F32, 2, DIMS(-1, 2));
  return m;
}

static oq_samples *open_samples(model *m, size_t n, oq_samples_options o) {
  oq_samples *s = NULL;
  oq_io_error err = {0};

  model_of(m, n);
  o.model = &m->info;
  const oq_status status = oq_samples_open(&s, &o, &err);
  if (status != OQ_OK) print_message("%s (%s)\n", err.text, err.hint);
  assert_int_equal(status, OQ_OK);
  return s;
}

static oq_io_error refused(model *m, size_t n, oq_samples_options o,
                           oq_status status) {
  oq_samples *s = NULL;
  oq_io_error err = {0};

  model_of(m, n);
  o.model = &m->info;
  const oq_status got = oq_samples_open(&s, &o, &err);
  if (got != status) print_message("%d: %s\n", got, err.text);
  assert_int_equal(got, status);
  assert_null(s);
  assert_true(err.text[0] != 0);
  return err;
}

#define DATA(...)                             \
  .data = (const char *const[]){__VA_ARGS__}, \
  .n_data = sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)
#define FILL(...)                             \
  .fill = (const char *const[]){__VA_ARGS__}, \
  .n_fill = sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)
#define RANGE(...)                             \
  .range = (const char *const[]){__VA_ARGS__}, \
  .n_range = sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)

/* First float of input k of sample i; -1e9 if it cannot be read. */
static float first_of(const oq_samples *s, size_t n_inputs, uint64_t i,
                      size_t k) {
  const oq_source *const src = oq_samples_source(s);
  oq_tensor_view v[3];
  void *handle = NULL;
  float f = -1e9F;

  if (src->read(src->user, i, v, n_inputs, &handle) != OQ_OK) return f;
  memcpy(&f, v[k].data, sizeof f);
  src->release(src->user, handle);
  return f;
}

/* ---- folders ------------------------------------------------------------ */

static void image_folder(void **state) {
  const folder *const f = *state;
  model m = picture_model();

  put_folder(f, "b");
  put_folder(f, "a");
  put_folder(f, ".hidden");
  put_ppm(f, "b/1.ppm", 8, 6);
  put_ppm(f, "a/10.ppm", 5, 5);
  put_ppm(f, "a/9.PPM", 4, 4);
  put_ppm(f, "c.pgm", 9, 4);
  put_ppm(f, ".x.ppm", 4, 4);
  put_ppm(f, ".hidden/y.ppm", 4, 4);
  put_text(f, "a/readme.txt", "not a sample");
  oq_samples *const s = open_samples(
      &m, 1,
      (oq_samples_options){DATA(f->path), .image = {.preprocess = "raw"}});
  static const char *const names[] = {"a/10.ppm", "a/9.PPM", "b/1.ppm",
                                      "c.pgm"};
  assert_int_equal(oq_samples_count(s), 4);
  for (uint64_t i = 0; i < 4; i++) {
    assert_string_equal(oq_samples_name(s, i), names[i]);
  }
  assert_string_equal(oq_samples_preprocessing(s),
                      "pictures rgb resize=4x4 bilinear scale=1 mean=0,0,0 "
                      "std=1,1,1 nchw");
  assert_false(oq_samples_synthetic(s));
  size_t n;
  const char *const *const files = oq_samples_files(s, &n);
  assert_int_equal(n, 4 + 3); /* and the folders themselves */
  assert_string_equal(files[0], f->path);
  for (size_t i = 1; i < n; i++)
    assert_true(strcmp(files[i - 1], files[i]) < 0);
  oq_samples_destroy(s);
}

static void folders_that_are_refused(void **state) {
  const folder *const f = *state;
  model m = picture_model();
  const oq_samples_options o = {DATA(f->path), .image = {.preprocess = "raw"}};
  const oq_samples_options bare = {DATA(f->path)};

  (void)refused(&m, 1, o, OQ_E_DATA); /* empty */
  put_ppm(f, "1.ppm", 4, 4);
  const oq_io_error err = refused(&m, 1, bare, OQ_E_ARGUMENT);
  assert_non_null(strstr(err.hint, "imagenet"));
  put_npy_f4(f, "1.npy", "(1,)", (const float[]){1}, 1);
  (void)refused(&m, 1, o, OQ_E_DATA); /* two kinds */
  (void)refused(&m, 1, (oq_samples_options){DATA(in(f, "none"))}, OQ_E_IO);
  put_text(f, "x.txt", "?");
  (void)refused(&m, 1, (oq_samples_options){DATA(in(f, "x.txt"))}, OQ_E_DATA);
  (void)refused(&m, 1, (oq_samples_options){.n_data = 0}, OQ_E_ARGUMENT);
}

static void links_in_circles_end(void **state) {
  const folder *const f = *state;
  model m = picture_model();

  put_ppm(f, "1.ppm", 4, 4);
  assert_int_equal(symlink(f->path, in(f, "loop")), 0);
  assert_int_equal(symlink("/no/such/file", in(f, "nowhere.ppm")), 0);
  oq_samples *const s = open_samples(
      &m, 1,
      (oq_samples_options){DATA(f->path), .image = {.preprocess = "raw"}});
  assert_int_equal(oq_samples_count(s), 1);
  oq_samples_destroy(s);
}

static void a_bad_picture_is_named(void **state) {
  const folder *const f = *state;
  model m = picture_model();
  oq_tensor_view v;
  void *handle = NULL;
  uint64_t index = 99;
  oq_io_error err;

  put_ppm(f, "1.ppm", 4, 4);
  put_text(f, "2.ppm", "P6 9 9 255\nshort");
  put_ppm(f, "3.ppm", 4, 4);
  oq_samples_options o = {DATA(f->path), .image = {.preprocess = "raw"}};
  oq_samples *s = open_samples(&m, 1, o);
  const oq_source *const src = oq_samples_source(s);
  assert_int_equal(oq_samples_count(s), 3);
  assert_false(oq_samples_failure(s, &index, &err));
  assert_int_equal(src->read(src->user, 1, &v, 1, &handle), OQ_E_DATA);
  assert_true(oq_samples_failure(s, &index, &err));
  assert_int_equal(index, 1);
  assert_non_null(strstr(err.text, "2.ppm"));
  assert_int_equal(src->read(src->user, 3, &v, 1, &handle), OQ_E_ARGUMENT);
  oq_samples_destroy(s);

  o.skip_bad = true;
  s = open_samples(&m, 1, o);
  size_t n;
  assert_int_equal(oq_samples_count(s), 2);
  assert_string_equal(oq_samples_name(s, 1), "3.ppm");
  const oq_bad_sample *const bad = oq_samples_skipped(s, &n);
  assert_int_equal(n, 1);
  assert_string_equal(bad[0].name, "2.ppm");
  assert_non_null(strstr(bad[0].text, "truncated"));
  (void)oq_samples_warnings(s, &n);
  assert_int_equal(n, 1);
  oq_samples_destroy(s);
  put_text(f, "1.ppm", "");
  put_text(f, "3.ppm", "");
  (void)refused(&m, 1, o, OQ_E_DATA); /* nothing left */
}

static void lists(void **state) {
  const folder *const f = *state;
  model m = vector_model();
  char text[1400];

  put_folder(f, "d");
  put_npy_f4(f, "d/1.npy", "(1, 2)", (const float[]){1, 0}, 2);
  put_npy_f4(f, "d/2.npy", "(2,)", (const float[]){2, 0}, 2);
  (void)snprintf(text, sizeof text, "# two\nd/2.npy\r\n\n%s\n",
                 in(f, "d/1.npy"));
  put_text(f, "list.txt", text);
  char at[700];
  (void)snprintf(at, sizeof at, "@%s", in(f, "list.txt"));
  oq_samples *const s = open_samples(&m, 1, (oq_samples_options){DATA(at)});
  assert_int_equal(oq_samples_count(s), 2);
  assert_string_equal(oq_samples_name(s, 0), "d/2.npy");
  assert_true(first_of(s, 1, 0, 0) == 2);
  assert_true(first_of(s, 1, 1, 0) == 1);
  oq_samples_destroy(s);
  put_text(f, "list.txt", "d/3.npy\n");
  (void)refused(&m, 1, (oq_samples_options){DATA(at)}, OQ_E_IO);
  put_file(f, "list.txt", "a\0b", 3);
  (void)refused(&m, 1, (oq_samples_options){DATA(at)}, OQ_E_DATA);
}

/* ---- arrays ------------------------------------------------------------- */

static void batches_are_split(void **state) {
  const folder *const f = *state;
  static const float rows[] = {0, 0, 1, 0, 2, 0, 3, 0, 4, 0};
  model m = vector_model();
  const oq_samples_options o = {DATA(in(f, "x.npy"))};
  size_t n;

  put_npy_f4(f, "x.npy", "(5, 2)", rows, 10);
  oq_samples *s = open_samples(&m, 1, o);
  assert_int_equal(oq_samples_count(s), 5);
  assert_string_equal(oq_samples_name(s, 3), "x.npy:3");
  for (uint64_t i = 0; i < 5; i++) {
    assert_true(first_of(s, 1, i, 0) == (float)i);
  }
  oq_samples_destroy(s);
  /* a fixed batch of two: two samples, one row is left over and named */
  m.input[0].dim[0].size = 2;
  s = open_samples(&m, 1, o);
  assert_int_equal(oq_samples_count(s), 2);
  assert_true(first_of(s, 1, 1, 0) == 2);
  (void)oq_samples_warnings(s, &n);
  assert_int_equal(n, 1);
  oq_samples_destroy(s);
  /* an axis with a name of its own is not a batch */
  m.input[0].dim[0] = (oq_dim_info){-1, "seq_len"};
  s = open_samples(&m, 1, o);
  assert_int_equal(oq_samples_count(s), 1);
  oq_samples_destroy(s);
  m.input[0].dim[0] = (oq_dim_info){-1, "batch_size"};
  s = open_samples(&m, 1, o);
  assert_int_equal(oq_samples_count(s), 5);
  oq_samples_destroy(s);
  m.input[0].dim[0].size = 6; /* larger than what there is */
  (void)refused(&m, 1, o, OQ_E_DATA);
}

static void arrays_must_fit(void **state) {
  const folder *const f = *state;
  static const float v[] = {1, 2, 3, 4};
  uint8_t bytes[256];
  model m = vector_model();
  oq_io_error err;

  put_npy_f4(f, "wide.npy", "(1, 4)", v, 4);
  err =
      refused(&m, 1, (oq_samples_options){DATA(in(f, "wide.npy"))}, OQ_E_DATA);
  assert_non_null(strstr(err.text, "float32[1,4]"));
  assert_non_null(strstr(err.text, "float32[?,2]"));
  put_npy_f4(f, "deep.npy", "(1, 1, 1, 2)", v, 2);
  (void)refused(&m, 1, (oq_samples_options){DATA(in(f, "deep.npy"))},
                OQ_E_DATA);
  put_npy_f4(f, "none.npy", "(0, 2)", v, 0);
  (void)refused(&m, 1, (oq_samples_options){DATA(in(f, "none.npy"))},
                OQ_E_DATA);
  put_file(
      f, "int.npy", bytes,
      make_npy(bytes, "{'descr':'<i8','fortran_order':False,'shape':(1,2)}", v,
               16));
  err = refused(&m, 1, (oq_samples_options){DATA(in(f, "int.npy"))}, OQ_E_DATA);
  assert_non_null(strstr(err.text, "int64[1,2]"));
  put_text(f, "bad.npy", "\x93NUMPY\x01");
  err = refused(&m, 1, (oq_samples_options){DATA(in(f, "bad.npy"))}, OQ_E_DATA);
  assert_non_null(strstr(err.text, "bad.npy"));
}

static void columns_first(void **state) {
  const folder *const f = *state;
  static const float by_columns[] = {0, 1, 2, 10, 11, 12};
  uint8_t bytes[256];
  model m = vector_model();

  put_file(f, "x.npy", bytes,
           make_npy(bytes, "{'descr':'<f4','fortran_order':True,'shape':(3,2)}",
                    by_columns, sizeof by_columns));
  oq_samples *const s =
      open_samples(&m, 1, (oq_samples_options){DATA(in(f, "x.npy"))});
  assert_int_equal(oq_samples_count(s), 3);
  for (uint64_t i = 0; i < 3; i++) {
    assert_true(first_of(s, 1, i, 0) == (float)i);
  }
  oq_samples_destroy(s);
}

static void a_file_that_shrinks(void **state) {
  const folder *const f = *state;
  model m = vector_model();

  put_npy_f4(f, "x.npy", "(2, 2)", (const float[]){1, 2, 3, 4}, 4);
  oq_samples *const s =
      open_samples(&m, 1, (oq_samples_options){DATA(in(f, "x.npy"))});
  assert_int_equal(truncate(in(f, "x.npy"), 80), 0);
  assert_true(first_of(s, 1, 1, 0) == -1e9F);
  oq_samples_destroy(s);
}

static void check_threads(const oq_samples *s);

/* ---- ONNX test data ----------------------------------------------------- */

/* A TensorProto: float32[1,2] in raw_data. */
static void put_pb(const folder *f, const char *name, float a, float b) {
  uint8_t bytes[32] = {0x08, 1, 0x08, 2, 0x10, 1, 0x4a, 8};

  memcpy(bytes + 8, &a, 4);
  memcpy(bytes + 12, &b, 4);
  put_file(f, name, bytes, 16);
}

static void test_data_sets(void **state) {
  const folder *const f = *state;
  model m = vector_model();
  oq_samples_options o = {DATA(f->path)};
  char name[64];
  size_t n;

  for (int i = 0; i < 11; i++) {
    (void)snprintf(name, sizeof name, "test_data_set_%d", i);
    put_folder(f, name);
    (void)snprintf(name, sizeof name, "test_data_set_%d/input_0.pb", i);
    put_pb(f, name, (float)i, 0.5F);
    (void)snprintf(name, sizeof name, "test_data_set_%d/output_0.pb", i);
    put_pb(f, name, -1, -1);
  }
  put_text(f, "model.onnx", "");
  oq_samples *s = open_samples(&m, 1, o);
  assert_int_equal(oq_samples_count(s), 11);
  assert_string_equal(oq_samples_name(s, 10), "test_data_set_10");
  assert_true(first_of(s, 1, 2, 0) == 2 && first_of(s, 1, 10, 0) == 10);
  (void)oq_samples_files(s, &n);
  assert_int_equal(n, 11 + 12);
  check_threads(s);
  oq_samples_destroy(s);
  /* a second input is a second file */
  m.input[1] = input_of("y", OQ_DT_F32, 2, DIMS(-1, 2));
  (void)refused(&m, 2, o, OQ_E_DATA);
  for (int i = 0; i < 11; i++) {
    (void)snprintf(name, sizeof name, "test_data_set_%d/input_1.pb", i);
    put_pb(f, name, (float)-i, 0);
  }
  s = open_samples(&m, 2, o);
  assert_true(first_of(s, 2, 3, 1) == -3);
  oq_samples_destroy(s);
  /* the second one alone, one file */
  char word[700];
  (void)snprintf(word, sizeof word, "y=%s",
                 in(f, "test_data_set_4/input_1.pb"));
  s = open_samples(&m, 2, (oq_samples_options){DATA(word), FILL("x=zeros")});
  assert_int_equal(oq_samples_count(s), 1);
  assert_true(first_of(s, 2, 0, 1) == -4);
  oq_samples_destroy(s);
}

static void test_data_that_does_not_fit(void **state) {
  const folder *const f = *state;
  model m = vector_model();
  oq_tensor_view v;
  void *handle;
  uint64_t index;
  oq_io_error err;

  put_folder(f, "test_data_set_0");
  put_text(f, "test_data_set_0/input_0.pb", "\xff\xff\xff");
  oq_samples *s = open_samples(&m, 1, (oq_samples_options){DATA(f->path)});
  const oq_source *src = oq_samples_source(s);
  assert_int_not_equal(src->read(src->user, 0, &v, 1, &handle), OQ_OK);
  assert_true(oq_samples_failure(s, &index, &err));
  assert_non_null(strstr(err.text, "input_0.pb"));
  put_pb(f, "test_data_set_0/input_0.pb", 1, 2);
  assert_int_equal(src->read(src->user, 0, &v, 1, &handle), OQ_OK);
  src->release(src->user, handle);
  oq_samples_destroy(s);
  m.input[0].dim[1].size = 3;
  s = open_samples(&m, 1, (oq_samples_options){DATA(f->path)});
  src = oq_samples_source(s);
  assert_int_equal(src->read(src->user, 0, &v, 1, &handle), OQ_E_DATA);
  oq_samples_destroy(s);
  m = vector_model();
  m.input[0].dim[0].size = 2; /* a batch of two is not made of one */
  s = open_samples(&m, 1, (oq_samples_options){DATA(f->path)});
  src = oq_samples_source(s);
  assert_int_equal(src->read(src->user, 0, &v, 1, &handle), OQ_E_DATA);
  oq_samples_destroy(s);
}

/* ---- several inputs ----------------------------------------------------- */

static model two_vectors(void) {
  model m;

  m.input[0] = input_of("a", OQ_DT_F32, 1, DIMS(1));
  m.input[1] = input_of("b=c", OQ_DT_F32, 1, DIMS(1));
  return m;
}

static void put_numbers(const folder *f, const char *where, int from, int to,
                        float sign) {
  put_folder(f, where);
  for (int i = from; i < to; i++) {
    char name[64];
    const float v = sign * (float)i;
    (void)snprintf(name, sizeof name, "%s/%d.npy", where, i);
    put_npy_f4(f, name, "(1,)", &v, 1);
  }
}

static void pairs(void **state) {
  const folder *const f = *state;
  model m = two_vectors();
  char a[700], b[700];
  size_t n;

  put_numbers(f, "p", 8, 12, 1); /* 10, 11, 8, 9 in byte order */
  put_numbers(f, "q", 8, 12, -1);
  (void)snprintf(a, sizeof a, "a=%s", in(f, "p"));
  (void)snprintf(b, sizeof b, "b=c=%s", in(f, "q"));
  const oq_samples_options o = {DATA(b, a)};
  oq_samples *s = open_samples(&m, 2, o);
  assert_int_equal(oq_samples_count(s), 4);
  for (uint64_t i = 0; i < 4; i++) {
    assert_true(first_of(s, 2, i, 0) == -first_of(s, 2, i, 1));
  }
  (void)oq_samples_warnings(s, &n);
  assert_int_equal(n, 0);
  oq_samples_destroy(s);
  /* other names: by order, with a warning */
  assert_int_equal(rename(in(f, "q/8.npy"), in(f, "q/0.npy")), 0);
  s = open_samples(&m, 2, o);
  assert_true(first_of(s, 2, 0, 0) == 10);
  assert_true(first_of(s, 2, 0, 1) == -8);
  (void)oq_samples_warnings(s, &n);
  assert_int_equal(n, 1);
  oq_samples_destroy(s);
  assert_int_equal(remove(in(f, "q/0.npy")), 0);
  (void)refused(&m, 2, o, OQ_E_DATA);
}

static void binding_is_checked(void **state) {
  const folder *const f = *state;
  model m = two_vectors();
  char a[700];

  put_numbers(f, "p", 0, 3, 1);
  (void)snprintf(a, sizeof a, "a=%s", in(f, "p"));
  (void)refused(&m, 2, (oq_samples_options){DATA(a)}, OQ_E_ARGUMENT);
  (void)refused(&m, 2, (oq_samples_options){DATA(in(f, "p"))}, OQ_E_ARGUMENT);
  (void)refused(&m, 2, (oq_samples_options){DATA("z=p")}, OQ_E_ARGUMENT);
  (void)refused(&m, 2, (oq_samples_options){DATA(a), FILL("a=1")},
                OQ_E_ARGUMENT);
  (void)refused(&m, 2, (oq_samples_options){DATA(a), FILL("z=1")},
                OQ_E_ARGUMENT);
  (void)refused(&m, 2, (oq_samples_options){DATA(a), FILL("b=c=one")},
                OQ_E_ARGUMENT);
  /* what is not named goes where data is missing */
  oq_samples *const s = open_samples(
      &m, 2, (oq_samples_options){DATA(in(f, "p")), FILL("b=c=2.5")});
  assert_true(first_of(s, 2, 1, 1) == 2.5F);
  assert_true(first_of(s, 2, 1, 0) == 1);
  assert_string_equal(oq_samples_preprocessing(s),
                      "a: arrays; b=c: filled with 2.5");
  oq_samples_destroy(s);
}

static void fills_follow_the_sample(void **state) {
  const folder *const f = *state;
  model m;
  oq_tensor_view v[2];
  void *handle;

  m.input[0] = input_of("ids", OQ_DT_F32, 2, DIMS(-1, -1));
  m.input[1] = input_of("mask", OQ_DT_I64, 2, DIMS(-1, -1));
  for (int i = 0; i < 2; i++) {
    m.input[i].dim[0].symbol = "batch";
    m.input[i].dim[1].symbol = "seq";
  }
  put_folder(f, "d");
  put_npy_f4(f, "d/1.npy", "(1, 3)", (const float[]){1, 2, 3}, 3);
  put_npy_f4(f, "d/2.npy", "(1, 1)", (const float[]){1}, 1);
  oq_samples *const s = open_samples(
      &m, 2, (oq_samples_options){DATA(in(f, "d")), FILL("mask=ones")});
  const oq_source *const src = oq_samples_source(s);
  assert_int_equal(src->read(src->user, 0, v, 2, &handle), OQ_OK);
  assert_int_equal(v[1].dim[1], 3);
  assert_int_equal(v[1].size, 24);
  int64_t one;
  memcpy(&one, (const char *)v[1].data + 16, 8);
  assert_int_equal(one, 1);
  src->release(src->user, handle);
  oq_samples_destroy(s);
}

/* ---- random numbers ----------------------------------------------------- */

static void random_numbers(void **state) {
  model m;
  size_t n;

  (void)state;
  m.input[0] = input_of("x", OQ_DT_F32, 2, DIMS(-1, 1000));
  m.input[1] = input_of("i", OQ_DT_I64, 1, DIMS(1000));
  (void)refused(&m, 2, (oq_samples_options){DATA("random:2")}, OQ_E_ARGUMENT);
  (void)refused(&m, 1, (oq_samples_options){DATA("random:0")}, OQ_E_ARGUMENT);
  (void)refused(&m, 1, (oq_samples_options){DATA("random:")}, OQ_E_ARGUMENT);
  (void)refused(&m, 2, (oq_samples_options){DATA("random:2"), RANGE("i=0.5:2")},
                OQ_E_ARGUMENT);
  (void)refused(&m, 2, (oq_samples_options){DATA("random:2"), RANGE("i=2:0")},
                OQ_E_ARGUMENT);
  const oq_samples_options o = {DATA("random:3"), RANGE("i=-3:4")};
  oq_samples *const s = open_samples(&m, 2, o);
  oq_samples *const t = open_samples(&m, 2, o);
  assert_true(oq_samples_synthetic(s));
  (void)oq_samples_warnings(s, &n);
  assert_int_equal(n, 1);
  assert_int_equal(oq_samples_count(s), 3);
  const oq_source *const src = oq_samples_source(s);
  oq_tensor_view v[2];
  void *handle;
  assert_int_equal(src->read(src->user, 1, v, 2, &handle), OQ_OK);
  int64_t lo = 99, hi = -99;
  double sum = 0;
  for (size_t i = 0; i < 1000; i++) {
    int64_t k;
    float x;
    memcpy(&k, (const char *)v[1].data + 8 * i, 8);
    memcpy(&x, (const char *)v[0].data + 4 * i, 4);
    lo = k < lo ? k : lo;
    hi = k > hi ? k : hi;
    assert_true(x >= -1 && x < 1);
    sum += (double)x;
  }
  assert_true(lo == -3 && hi == 3); /* the upper end stays outside */
  assert_true(sum > -100 && sum < 100);
  src->release(src->user, handle);
  assert_true(first_of(s, 2, 2, 0) == first_of(t, 2, 2, 0));
  assert_true(first_of(s, 2, 2, 0) != first_of(s, 2, 1, 0));
  oq_samples_destroy(t);
  oq_samples_destroy(s);
}

static void unknown_sizes_are_asked_for(void **state) {
  static const char *const dim[] = {"seq=5"}, *const shape[] = {"x=2,7"};
  model m;
  oq_tensor_view v;
  void *handle;

  (void)state;
  m.input[0] = input_of("x", OQ_DT_F32, 2, DIMS(-1, -1));
  m.input[0].dim[1].symbol = "seq";
  oq_samples_options o = {DATA("random:1")};
  (void)refused(&m, 1, o, OQ_E_ARGUMENT);
  o.dim = dim;
  o.n_dim = 1;
  oq_samples *s = open_samples(&m, 1, o);
  const oq_source *src = oq_samples_source(s);
  assert_int_equal(src->read(src->user, 0, &v, 1, &handle), OQ_OK);
  assert_true(v.dim[0] == 1 && v.dim[1] == 5);
  src->release(src->user, handle);
  oq_samples_destroy(s);
  o.shape = shape;
  o.n_shape = 1;
  s = open_samples(&m, 1, o);
  src = oq_samples_source(s);
  assert_int_equal(src->read(src->user, 0, &v, 1, &handle), OQ_OK);
  assert_true(v.dim[0] == 2 && v.dim[1] == 7);
  src->release(src->user, handle);
  oq_samples_destroy(s);
}

static void words_of_shapes(void **state) {
  char name[16];
  int64_t value, dim[OQ_MAX_RANK];
  uint32_t rank;

  (void)state;
  assert_int_equal(oq_io_parse_dim(name, 16, &value, "seq=128", NULL), OQ_OK);
  assert_string_equal(name, "seq");
  assert_int_equal(value, 128);
  assert_int_equal(oq_io_parse_dim(name, 16, &value, "seq=", NULL),
                   OQ_E_ARGUMENT);
  assert_int_equal(oq_io_parse_dim(name, 16, &value, "=1", NULL),
                   OQ_E_ARGUMENT);
  assert_int_equal(oq_io_parse_dim(name, 16, &value, "a=-1", NULL),
                   OQ_E_ARGUMENT);
  assert_int_equal(oq_io_parse_dim(name, 2, &value, "seq=1", NULL),
                   OQ_E_ARGUMENT);
  assert_int_equal(oq_io_parse_shape(name, 16, dim, &rank, "x=1,3,8", NULL),
                   OQ_OK);
  assert_int_equal(rank, 3);
  assert_int_equal(dim[2], 8);
  assert_int_equal(oq_io_parse_shape(name, 16, dim, &rank, "x=", NULL), OQ_OK);
  assert_int_equal(rank, 0);
  assert_int_equal(oq_io_parse_shape(name, 16, dim, &rank, "x=1,,2", NULL),
                   OQ_E_ARGUMENT);
  assert_int_equal(
      oq_io_parse_shape(name, 16, dim, &rank, "x=1,1,1,1,1,1,1,1,1", NULL),
      OQ_E_ARGUMENT);
}

/* ---- choices ------------------------------------------------------------ */

static oq_samples *open_rows(const folder *f, model *m, unsigned n,
                             oq_samples_options o) {
  float *const rows = calloc(n, 2 * sizeof *rows);
  char shape[32];

  assert_non_null(rows);
  for (unsigned i = 0; i < n; i++) rows[2 * i] = (float)i;
  (void)snprintf(shape, sizeof shape, "(%u, 2)", n);
  put_npy_f4(f, "rows.npy", shape, rows, 2 * (size_t)n);
  free(rows);
  const char *const data[] = {in(f, "rows.npy")};
  o.data = data;
  o.n_data = 1;
  *m = vector_model();
  return open_samples(m, 1, o);
}

static void evenly_spaced(void **state) {
  const folder *const f = *state;
  model m;
  oq_samples *s = open_rows(f, &m, 10, (oq_samples_options){.max_samples = 4});

  assert_int_equal(oq_samples_count(s), 4);
  assert_int_equal(oq_samples_available(s), 10);
  assert_true(first_of(s, 1, 0, 0) == 0);
  assert_true(first_of(s, 1, 1, 0) == 2);
  assert_true(first_of(s, 1, 2, 0) == 5);
  assert_true(first_of(s, 1, 3, 0) == 7);
  oq_samples_destroy(s);
  s = open_rows(f, &m, 2000, (oq_samples_options){.max_samples = 0});
  assert_int_equal(oq_samples_count(s), 512);
  oq_samples_destroy(s);
  s = open_rows(f, &m, 2000, (oq_samples_options){.max_samples = 5000});
  assert_int_equal(oq_samples_count(s), 2000);
  oq_samples_destroy(s);
}

static void shards_cover_everything_once(void **state) {
  const folder *const f = *state;
  bool seen[10] = {false};
  model m;

  for (uint32_t k = 0; k < 3; k++) {
    oq_samples *const s = open_rows(
        f, &m, 10, (oq_samples_options){.shard_index = k, .shard_count = 3});
    for (uint64_t i = 0; i < oq_samples_count(s); i++) {
      const size_t row = (size_t)first_of(s, 1, i, 0);
      assert_false(seen[row]);
      seen[row] = true;
    }
    oq_samples_destroy(s);
  }
  for (size_t i = 0; i < 10; i++) assert_true(seen[i]);
  (void)refused(&m, 1,
                (oq_samples_options){DATA("random:9"), .shard_index = 3,
                                     .shard_count = 3},
                OQ_E_ARGUMENT);
  (void)refused(&m, 1,
                (oq_samples_options){DATA("random:1"), .shard_index = 1,
                                     .shard_count = 3},
                OQ_E_DATA);
}

static void a_fifth_is_held_out(void **state) {
  const folder *const f = *state;
  model m;
  oq_samples *const s = open_rows(f, &m, 11, (oq_samples_options){.n_dim = 0});
  oq_samples *a, *b, *few, *one;

  assert_int_equal(oq_samples_split(&a, &b, s, NULL), OQ_OK);
  assert_int_equal(oq_samples_count(a), 9);
  assert_int_equal(oq_samples_count(b), 2);
  assert_true(first_of(b, 1, 0, 0) == 4 && first_of(b, 1, 1, 0) == 9);
  assert_true(first_of(a, 1, 4, 0) == 5);
  assert_string_equal(oq_samples_name(b, 1), "rows.npy:9");
  /* the same sample is the same wherever it is asked for */
  const oq_source *const x = oq_samples_source(s), *const y =
                                                       oq_samples_source(b);
  assert_true(x->digest(x->user, 9) == y->digest(y->user, 1));
  assert_true(x->digest(x->user, 9) != x->digest(x->user, 8));
  oq_samples_destroy(a);
  oq_samples_destroy(b);
  assert_int_equal(
      oq_samples_select(&few, s, (const uint64_t[]){7, 2, 5}, 3, NULL), OQ_OK);
  assert_int_equal(oq_samples_split(&a, &b, few, NULL), OQ_OK);
  assert_int_equal(oq_samples_count(a), 2);
  assert_true(first_of(b, 1, 0, 0) == 5);
  oq_samples_destroy(a);
  oq_samples_destroy(b);
  assert_int_equal(oq_samples_select(&one, few, (const uint64_t[]){1}, 1, NULL),
                   OQ_OK);
  assert_int_equal(oq_samples_split(&a, &b, one, NULL), OQ_OK);
  assert_true(oq_samples_count(a) == 1 && oq_samples_count(b) == 1);
  oq_samples_destroy(a);
  oq_samples_destroy(b);
  assert_int_equal(oq_samples_select(&a, one, (const uint64_t[]){1}, 1, NULL),
                   OQ_E_ARGUMENT);
  oq_samples_destroy(one);
  oq_samples_destroy(few);
  oq_samples_destroy(s);
}

/* ---- threads and digests ------------------------------------------------ */

typedef struct reader {
  const oq_samples *s;
  uint64_t sums[64];
  uint64_t start;
} reader;

/* Every sample, beginning somewhere else; a sum over the bytes of each. */
static void *read_all(void *user) {
  reader *const r = user;
  const oq_source *const src = oq_samples_source(r->s);

  for (uint64_t k = 0; k < src->count; k++) {
    const uint64_t i = (k + r->start) % src->count;
    oq_tensor_view v;
    void *handle = NULL;
    if (src->read(src->user, i, &v, 1, &handle) != OQ_OK) continue;
    for (size_t b = 0; b < v.size; b++) {
      r->sums[i] = r->sums[i] * 31 + ((const uint8_t *)v.data)[b];
    }
    r->sums[i] ^= src->digest(src->user, i);
    src->release(src->user, handle);
  }
  return NULL;
}

static void check_threads(const oq_samples *s) {
  reader r[4] = {{.s = s}};
  pthread_t t[4];

  assert_true(oq_samples_count(s) <= 64);
  for (size_t i = 0; i < 4; i++) {
    r[i].s = s;
    r[i].start = i * 3;
    assert_int_equal(pthread_create(&t[i], NULL, read_all, &r[i]), 0);
  }
  for (size_t i = 0; i < 4; i++) assert_int_equal(pthread_join(t[i], NULL), 0);
  for (size_t i = 1; i < 4; i++) {
    assert_memory_equal(r[0].sums, r[i].sums, sizeof r[0].sums);
  }
  for (uint64_t i = 0; i < oq_samples_count(s); i++) {
    assert_true(r[0].sums[i] != 0);
  }
}

static void threads_read_the_same(void **state) {
  const folder *const f = *state;
  static const float by_columns[] = {0, 1, 2, 10, 11, 12};
  uint8_t bytes[256];
  model m = picture_model();

  put_folder(f, "im");
  for (unsigned i = 0; i < 9; i++) {
    char name[32];
    (void)snprintf(name, sizeof name, "im/%u.ppm", i);
    put_ppm(f, name, 6 + i, 14 - i);
  }
  oq_samples *s = open_samples(
      &m, 1,
      (oq_samples_options){DATA(in(f, "im")), .image = {.preprocess = "unit"}});
  check_threads(s);
  oq_samples_destroy(s);
  m = vector_model(); /* through the cache */
  put_file(f, "x.npy", bytes,
           make_npy(bytes, "{'descr':'<f4','fortran_order':True,'shape':(3,2)}",
                    by_columns, sizeof by_columns));
  s = open_samples(&m, 1, (oq_samples_options){DATA(in(f, "x.npy"))});
  check_threads(s);
  oq_samples_destroy(s);
}

static void digests(void **state) {
  const folder *const f = *state;
  model m = picture_model();
  uint64_t d[3];

  put_folder(f, "a");
  put_folder(f, "b");
  put_ppm(f, "a/1.ppm", 4, 4);
  put_ppm(f, "a/2.ppm", 4, 4);
  put_ppm(f, "a/3.ppm", 4, 5);
  put_ppm(f, "b/1.ppm", 4, 4);
  put_ppm(f, "b/3.ppm", 5, 4);
  oq_samples *const s = open_samples(
      &m, 1,
      (oq_samples_options){DATA(in(f, "a")), .image = {.preprocess = "unit"}});
  oq_samples *const t = open_samples(
      &m, 1,
      (oq_samples_options){DATA(in(f, "b")), .image = {.preprocess = "raw"}});
  const oq_source *const x = oq_samples_source(s);
  const oq_source *const y = oq_samples_source(t);
  for (uint64_t i = 0; i < 3; i++) d[i] = x->digest(x->user, i);
  assert_true(d[0] != 0);
  assert_true(d[0] != d[1]); /* a double is a sample of its own */
  /* same name and content: the same, wherever the folder is */
  assert_true(d[0] == y->digest(y->user, 0));
  assert_true(d[2] != y->digest(y->user, 1));
  oq_samples_destroy(t);
  oq_samples_destroy(s);
}

/* ---- dumps -------------------------------------------------------------- */

static void dumps_read_back(void **state) {
  const folder *const f = *state;
  model m = two_vectors();
  char a[700], b[700];

  oq_samples *const s =
      open_samples(&m, 2, (oq_samples_options){DATA("random:3")});
  assert_int_equal(oq_samples_dump(s, in(f, "d"), NULL), OQ_OK);
  (void)snprintf(a, sizeof a, "a=%s", in(f, "d/a"));
  (void)snprintf(b, sizeof b, "b=c=%s", in(f, "d/b_c"));
  oq_samples *const t = open_samples(&m, 2, (oq_samples_options){DATA(a, b)});
  assert_int_equal(oq_samples_count(t), 3);
  assert_string_equal(oq_samples_name(t, 2), "000002.npy");
  for (uint64_t i = 0; i < 3; i++) {
    assert_true(first_of(s, 2, i, 0) == first_of(t, 2, i, 0));
    assert_true(first_of(s, 2, i, 1) == first_of(t, 2, i, 1));
  }
  oq_samples_destroy(t);
  oq_samples_destroy(s);
}

/* ---- real pictures ------------------------------------------------------ */

static void real_pictures(void **state) {
  char path[600];
  model m;

  (void)state;
  (void)snprintf(path, sizeof path, "%s/inputs/imagenet/calib",
                 ONNXQUANT_SHARED);
  if (access(path, R_OK) != 0) {
    print_message("%s is absent: skipped\n", path);
    skip();
  }
  m.input[0] = input_of("x", OQ_DT_F32, 4, DIMS(-1, 224, 224, 3));
  oq_samples *const s = open_samples(
      &m, 1,
      (oq_samples_options){DATA(path), .image = {.preprocess = "imagenet"},
                           .max_samples = 24});
  assert_int_equal(oq_samples_available(s), 150);
  check_threads(s);
  oq_samples_destroy(s);
}

#define IN_FOLDER(t) \
  cmocka_unit_test_setup_teardown(t, folder_make, folder_remove)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_FOLDER(image_folder),
      IN_FOLDER(folders_that_are_refused),
      IN_FOLDER(links_in_circles_end),
      IN_FOLDER(a_bad_picture_is_named),
      IN_FOLDER(lists),
      IN_FOLDER(batches_are_split),
      IN_FOLDER(arrays_must_fit),
      IN_FOLDER(columns_first),
      IN_FOLDER(a_file_that_shrinks),
      IN_FOLDER(test_data_sets),
      IN_FOLDER(test_data_that_does_not_fit),
      IN_FOLDER(pairs),
      IN_FOLDER(binding_is_checked),
      IN_FOLDER(fills_follow_the_sample),
      cmocka_unit_test(random_numbers),
      cmocka_unit_test(unknown_sizes_are_asked_for),
      cmocka_unit_test(words_of_shapes),
      IN_FOLDER(evenly_spaced),
      IN_FOLDER(shards_cover_everything_once),
      IN_FOLDER(a_fifth_is_held_out),
      IN_FOLDER(threads_read_the_same),
      IN_FOLDER(digests),
      IN_FOLDER(dumps_read_back),
      cmocka_unit_test(real_pictures),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
