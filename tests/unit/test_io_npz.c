/* .npz archives, well-formed and hostile. */
#include "unit/io_support.h"

#include <zip.h>

#include "io/npz.h"

typedef struct archive {
  uint8_t *bytes;
  size_t size;
} archive;

typedef struct content {
  const char *name;
  const void *bytes;
  size_t size;
  zip_int32_t method;
} content;

/* An archive in memory, made by libzip. */
static archive make_zip(const content *c, size_t n) {
  zip_error_t e;
  zip_source_t *const to = zip_source_buffer_create(NULL, 0, 0, &e);
  assert_non_null(to);
  zip_source_keep(to);
  zip_t *const z = zip_open_from_source(to, ZIP_TRUNCATE, &e);
  assert_non_null(z);

  for (size_t i = 0; i < n; i++) {
    zip_source_t *const s = zip_source_buffer(z, c[i].bytes, c[i].size, 0);
    const zip_int64_t k = zip_file_add(z, c[i].name, s, 0);
    assert_true(k >= 0);
    assert_int_equal(
        zip_set_file_compression(z, (zip_uint64_t)k, c[i].method, 9), 0);
  }
  assert_int_equal(zip_close(z), 0);
  zip_stat_t st;
  assert_int_equal(zip_source_stat(to, &st), 0);
  archive a = {malloc(st.size + 1), st.size};
  assert_non_null(a.bytes);
  assert_int_equal(zip_source_open(to), 0);
  assert_int_equal(zip_source_read(to, a.bytes, a.size), a.size);
  (void)zip_source_close(to);
  zip_source_free(to);
  return a;
}

static const float numbers[] = {1, 2, 3, 4, 5, 6};

static archive two_arrays(void) {
  uint8_t a[256], b[256];
  const size_t na = make_npy_f4(a, "(2, 3)", numbers, 6);
  const size_t nb =
      make_npy(b, "{'descr':'>f4','fortran_order':True,'shape':(2,2)}",
               "\x3f\x80\0\0"
               "\x40\0\0\0\x40\x40\0\0\x40\x80\0\0",
               16);
  const content c[] = {{"layer/in:0.npy", a, na, ZIP_CM_DEFLATE},
                       {"readme.txt", "hello", 5, ZIP_CM_STORE},
                       {"b.npy", b, nb, ZIP_CM_STORE}};

  return make_zip(c, 3);
}

static void stored_and_deflated(void **state) {
  static const float by_rows[] = {1, 3, 2, 4};
  const archive a = two_arrays();
  oq_npz *z;
  oq_npy h;
  void *data;

  (void)state;
  assert_int_equal(oq_npz_open_memory(&z, a.bytes, a.size, NULL), OQ_OK);
  assert_int_equal(oq_npz_count(z), 2);
  assert_int_equal(oq_npz_find(z, "layer/in:0"), 0);
  assert_string_equal(oq_npz_name(z, 1), "b");
  assert_true(oq_npz_find(z, "readme") == SIZE_MAX);
  assert_int_equal(oq_npz_header(&h, z, 0, 1 << 20, NULL), OQ_OK);
  assert_int_equal(h.count, 6);
  assert_int_equal(oq_npz_load(&h, &data, z, 0, 1 << 20, NULL), OQ_OK);
  assert_memory_equal(data, numbers, sizeof numbers);
  free(data);
  assert_int_equal(oq_npz_load(&h, &data, z, 1, 1 << 20, NULL), OQ_OK);
  assert_memory_equal(data, by_rows, sizeof by_rows);
  free(data);
  oq_npz_close(z);
  free(a.bytes);
}

static void from_a_file(void **state) {
  const folder *const f = *state;
  const archive a = two_arrays();
  oq_npz *z;

  put_file(f, "a.npz", a.bytes, a.size);
  assert_int_equal(oq_npz_open_file(&z, in(f, "a.npz"), NULL), OQ_OK);
  assert_int_equal(oq_npz_count(z), 2);
  oq_npz_close(z);
  assert_int_equal(oq_npz_open_file(&z, in(f, "b.npz"), NULL), OQ_E_IO);
  put_text(f, "c.npz", "not a zip");
  assert_int_equal(oq_npz_open_file(&z, in(f, "c.npz"), NULL), OQ_E_DATA);
  free(a.bytes);
}

/* Opens and loads whatever there is; must end without harm. */
static bool load_all(const uint8_t *p, size_t n) {
  oq_npz *z;
  bool ok = true;

  if (oq_npz_open_memory(&z, p, n, NULL) != OQ_OK) return false;
  ok = oq_npz_count(z) == 2;
  for (size_t i = 0; i < oq_npz_count(z); i++) {
    void *data = NULL;
    oq_npy h;
    const oq_status s = oq_npz_load(&h, &data, z, i, 1 << 20, NULL);
    ok = ok && s == OQ_OK;
    free(data);
  }
  oq_npz_close(z);
  return ok;
}

static void truncations_are_refused(void **state) {
  const archive a = two_arrays();

  (void)state;
  assert_true(load_all(a.bytes, a.size));
  for (size_t cut = 0; cut < a.size; cut++) {
    assert_false(load_all(a.bytes, cut));
  }
  free(a.bytes);
}

static void flipped_bits_do_no_harm(void **state) {
  const archive a = two_arrays();
  size_t refused = 0;

  (void)state;
  for (size_t i = 0; i < a.size; i++) {
    a.bytes[i] ^= 0x40;
    if (!load_all(a.bytes, a.size)) refused++;
    a.bytes[i] ^= 0x40;
  }
  /* Times and attributes are nobody's business; the rest is. */
  assert_true(refused > a.size / 2);
  free(a.bytes);
}

static void bombs_are_refused(void **state) {
  const size_t size = (size_t)8 << 20;
  uint8_t *const zeros = calloc(1, size + 256);
  assert_non_null(zeros);
  char head[160];
  (void)snprintf(head, sizeof head,
                 "{'descr':'|u1','fortran_order':False,'shape':(%zu,)}", size);
  const size_t n = make_npy(zeros, head, "", 0) + size;
  const content c = {"x.npy", zeros, n, ZIP_CM_DEFLATE};
  const archive a = make_zip(&c, 1);
  oq_npz *z;
  oq_npy h;
  void *data = NULL;
  oq_io_error err;

  (void)state;
  assert_true(a.size < 20000);
  assert_int_equal(oq_npz_open_memory(&z, a.bytes, a.size, &err), OQ_OK);
  /* above the limit: refused by the header, nothing inflated */
  assert_int_equal(oq_npz_load(&h, &data, z, 0, size - 1, &err), OQ_E_LIMIT);
  assert_null(data);
  assert_int_equal(oq_npz_load(&h, &data, z, 0, size, &err), OQ_OK);
  free(data);
  oq_npz_close(z);
  /* a directory that promises more than deflate can hold */
  for (size_t i = 0; i + 46 < a.size; i++) {
    if (memcmp(a.bytes + i, "PK\x01\x02", 4) == 0) {
      memcpy(a.bytes + i + 24, "\xff\xff\xff\x7f", 4);
    }
    if (memcmp(a.bytes + i, "PK\x03\x04", 4) == 0) {
      memcpy(a.bytes + i + 22, "\xff\xff\xff\x7f", 4);
    }
  }
  assert_int_equal(oq_npz_open_memory(&z, a.bytes, a.size, &err), OQ_E_DATA);
  free(a.bytes);
  free(zeros);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(stored_and_deflated),
      cmocka_unit_test_setup_teardown(from_a_file, folder_make, folder_remove),
      cmocka_unit_test(truncations_are_refused),
      cmocka_unit_test(flipped_bits_do_no_harm),
      cmocka_unit_test(bombs_are_refused),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
