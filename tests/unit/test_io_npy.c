/* .npy headers, byte orders, column-major arrays, conversions, writing. */
#include "unit/io_support.h"

#include "io/text_arrays.h"

static oq_status parse(oq_npy *h, const char *dictionary, size_t data) {
  uint8_t *const p = malloc(70000 + data);
  oq_io_error err = {0};
  assert_non_null(p);
  uint8_t *const zeros = calloc(1, data + 1);
  assert_non_null(zeros);
  const size_t n = make_npy(p, dictionary, zeros, data);
  const oq_status s = oq_npy_parse(h, p, n, n, OQ_IO_MAX_ARRAY_BYTES, &err);

  if (s != OQ_OK) {
    assert_int_equal(err.status, s);
    assert_true(strlen(err.text) > 0);
  }
  free(zeros);
  free(p);
  return s;
}

#define HEAD "{'descr': '<f4', 'fortran_order': False, 'shape': "

static void headers_that_are_read(void **state) {
  oq_npy h;

  (void)state;
  assert_int_equal(parse(&h, HEAD "(2, 3), }", 24), OQ_OK);
  assert_int_equal(h.dtype, OQ_DT_F32);
  assert_int_equal(h.rank, 2);
  assert_int_equal(h.dim[1], 3);
  assert_int_equal(h.count, 6);
  assert_false(h.swapped || h.fortran);
  /* any order, other quotes, Python 2 numbers, no last comma */
  assert_int_equal(
      parse(&h, "{\"shape\":(2L,),\"fortran_order\":True,'descr':'>i8'}", 16),
      OQ_OK);
  assert_int_equal(h.dtype, OQ_DT_I64);
  assert_true(h.swapped);
  assert_false(h.fortran); /* one axis: no difference */
  assert_int_equal(parse(&h, HEAD "()}", 4), OQ_OK); /* a scalar */
  assert_int_equal(h.rank, 0);
  assert_int_equal(h.count, 1);
  assert_int_equal(parse(&h, HEAD "(0, 9223372036854775807)}", 0), OQ_OK);
  assert_int_equal(h.count, 0);
  assert_int_equal(
      parse(&h, "{'descr':'|b1','fortran_order':False,'shape':(3,)}", 3),
      OQ_OK);
  assert_int_equal(h.dtype, OQ_DT_BOOL);
  assert_int_equal(
      parse(&h, "{'descr':'<f4','fortran_order':True,'shape':(2,3)}", 24),
      OQ_OK);
  assert_true(h.fortran);
}

static void headers_that_are_refused(void **state) {
  static const struct {
    const char *text;
    size_t data;
    oq_status status;
  } cases[] = {
      {"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", 8,
       OQ_E_UNSUPPORTED},
      {"{'descr': '<U0', 'fortran_order': False, 'shape': (1,), }", 16,
       OQ_E_UNSUPPORTED},
      {"{'descr': '<U-4', 'fortran_order': False, 'shape': (1,), }", 16,
       OQ_E_UNSUPPORTED},
      {"{'descr': '<U9999999999', 'fortran_order': False, 'shape': (1,), }", 16,
       OQ_E_UNSUPPORTED},
      {"{'descr': '<U4', 'fortran_order': False, 'shape': (2,), }", 16,
       OQ_E_DATA},
      {"{'descr': [('a','<f4')], 'fortran_order': False, 'shape': (1,), }", 4,
       OQ_E_UNSUPPORTED},
      {"{'descr': '|f4', 'fortran_order': False, 'shape': (1,), }", 4,
       OQ_E_UNSUPPORTED},
      {HEAD "(1,1,1,1,1,1,1,1,1)}", 4, OQ_E_LIMIT},
      {HEAD "(9223372036854775807, 9223372036854775807)}", 4, OQ_E_LIMIT},
      {HEAD "(1073741825,)}", 4, OQ_E_LIMIT},
      {HEAD "(4294967296, 4294967296, 1)}", 4, OQ_E_LIMIT},
      {HEAD "(99999999999999999999,)}", 4, OQ_E_DATA},
      {HEAD "(-1,)}", 4, OQ_E_DATA},
      {HEAD "(2,)}", 7, OQ_E_DATA}, /* a byte too few */
      {HEAD "(1,}", 4, OQ_E_DATA},
      {HEAD "1}", 4, OQ_E_DATA},
      {HEAD "(1,)", 4, OQ_E_DATA},
      {"{'descr': '<f4', 'shape': (1,)}", 4, OQ_E_DATA},
      {"{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}", 4, OQ_E_DATA},
      {"{'descr': '<f4', 'x': 0, 'shape': (1,)}", 4, OQ_E_DATA},
      {"{'descr': '<f4", 4, OQ_E_DATA},
      {"[]", 4, OQ_E_DATA},
      {"", 0, OQ_E_DATA},
  };

  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    oq_npy h = {.rank = 77};
    assert_int_equal(parse(&h, cases[i].text, cases[i].data), cases[i].status);
    assert_int_equal(h.rank, 77); /* untouched */
  }
}

static void every_truncation_is_refused(void **state) {
  static const float data[] = {1, 2, 3, 4, 5, 6};
  uint8_t whole[256];
  const size_t n = make_npy_f4(whole, "(2, 3)", data, 6);
  oq_npy h;

  (void)state;
  for (size_t cut = 0; cut < n; cut++) {
    uint8_t *const p = malloc(cut + 1); /* exact, for the sanitizer */
    assert_non_null(p);
    memcpy(p, whole, cut);
    assert_int_equal(oq_npy_parse(&h, p, cut, cut, 1 << 20, NULL), OQ_E_DATA);
    free(p);
  }
  assert_int_equal(oq_npy_parse(&h, whole, n, n, 1 << 20, NULL), OQ_OK);
  whole[6] = 4;
  assert_int_equal(oq_npy_parse(&h, whole, n, n, 1 << 20, NULL),
                   OQ_E_UNSUPPORTED);
}

static void versions_2_and_3(void **state) {
  static const char text[] =
      "{'descr':'|u1','fortran_order':False,'shape':(2,)}\n";
  uint8_t p[128] = "\x93NUMPY";

  (void)state;
  for (uint8_t version = 2; version <= 3; version++) {
    oq_npy h;
    const size_t n = sizeof text - 1;
    p[6] = version;
    p[8] = (uint8_t)n;
    memcpy(p + 12, text, n);
    assert_int_equal(oq_npy_parse(&h, p, 14 + n, 14 + n, 99, NULL), OQ_OK);
    assert_int_equal(h.offset, 12 + n);
    assert_int_equal(h.dtype, OQ_DT_U8);
  }
}

static void decoding(void **state) {
  /* big-endian int16 (2, 3), column by column: 1 4 | 2 5 | 3 6 */
  static const uint8_t raw[] = {0, 1, 0, 4, 0, 2, 0, 5, 0, 3, 1, 6};
  static const int16_t want[] = {1, 2, 3, 4, 5, 262};
  static const uint8_t odd[] = {0, 2, 255};
  oq_npy h;
  int16_t got[6];
  uint8_t flags[3];

  (void)state;
  assert_int_equal(
      parse(&h, "{'descr':'>i2','fortran_order':True,'shape':(2,3)}", 12),
      OQ_OK);
  oq_npy_decode(got, &h, raw);
  assert_memory_equal(got, want, sizeof want);
  assert_int_equal(
      parse(&h, "{'descr':'|b1','fortran_order':False,'shape':(3,)}", 3),
      OQ_OK);
  oq_npy_decode(flags, &h, odd);
  assert_memory_equal(flags, "\0\1\1", 3);
}

static void conversions(void **state) {
  const double d[] = {1.5, -1e300, 0x1p-140};
  const int64_t wide[] = {-5, INT32_MAX, (int64_t)INT32_MAX + 1};
  const int32_t narrow[] = {INT32_MIN, 7};
  const double infinite = (double)1e308 * 10;
  float f[3];
  int32_t i[3];
  int64_t w[2];
  oq_io_error err;

  (void)state;
  assert_int_equal(oq_npy_convert(f, OQ_DT_F32, d, OQ_DT_F64, 1, &err), OQ_OK);
  assert_true(f[0] == 1.5F);
  assert_int_equal(oq_npy_convert(f, OQ_DT_F32, d, OQ_DT_F64, 2, &err),
                   OQ_E_DATA);
  assert_non_null(strstr(err.text, "element 1"));
  assert_int_equal(oq_npy_convert(f, OQ_DT_F32, d + 2, OQ_DT_F64, 1, &err),
                   OQ_OK);
  assert_int_equal(oq_npy_convert(f, OQ_DT_F32, &infinite, OQ_DT_F64, 1, &err),
                   OQ_OK);
  assert_int_equal(oq_npy_convert(i, OQ_DT_I32, wide, OQ_DT_I64, 2, &err),
                   OQ_OK);
  assert_int_equal(i[0], -5);
  assert_int_equal(oq_npy_convert(i, OQ_DT_I32, wide, OQ_DT_I64, 3, &err),
                   OQ_E_DATA);
  assert_int_equal(oq_npy_convert(w, OQ_DT_I64, narrow, OQ_DT_I32, 2, &err),
                   OQ_OK);
  assert_true(w[0] == INT32_MIN && w[1] == 7);
  assert_int_equal(oq_npy_convert(f, OQ_DT_F32, narrow, OQ_DT_I32, 1, &err),
                   OQ_E_DATA);
  assert_false(oq_npy_converts(OQ_DT_U8, OQ_DT_F32));
}

static void written_files_read_back(void **state) {
  const folder *const f = *state;
  static const int64_t data[] = {1, -2, 3, INT64_MAX, 5, 6};
  const oq_tensor_view v = {OQ_DT_I64, 3, {1, 2, 3}, data, sizeof data};
  const oq_tensor_view scalar = {OQ_DT_F32, 0, {0}, data, 4};
  const oq_tensor_view odd = {OQ_DT_BF16, 1, {2}, data, 4};
  uint8_t *bytes;
  size_t n;
  oq_npy h;

  assert_int_equal(oq_io_write_npy(in(f, "a.npy"), &v, NULL), OQ_OK);
  assert_int_equal(oq_io_slurp(&bytes, &n, in(f, "a.npy"), 4096, NULL), OQ_OK);
  assert_int_equal(oq_npy_parse(&h, bytes, n, n, 4096, NULL), OQ_OK);
  assert_int_equal(h.offset % 64, 0);
  assert_int_equal(h.rank, 3);
  assert_int_equal(h.dim[2], 3);
  assert_memory_equal(bytes + h.offset, data, sizeof data);
  free(bytes);
  assert_int_equal(oq_io_write_npy(in(f, "s.npy"), &scalar, NULL), OQ_OK);
  assert_int_equal(oq_io_write_npy(in(f, "b.npy"), &odd, NULL),
                   OQ_E_UNSUPPORTED);
  assert_int_equal(oq_io_write_npy(in(f, "no/such/a.npy"), &v, NULL), OQ_E_IO);
}

static void texts_read_back(void **state) {
  const folder *const f = *state;
  static const oq_text data[] = {
      {"\xc3\xa9t\xc3\xa9", 5}, {NULL, 0}, {"abcd", 4}};
  static const oq_text odd[] = {{"a", 1},
                                {"\xff"
                                 "b",
                                 2}};
  const oq_tensor_view v = {OQ_DT_STRING, 1, {3}, data, sizeof data};
  const oq_tensor_view bytes_only = {OQ_DT_STRING, 1, {2}, odd, sizeof odd};
  uint8_t *bytes;
  oq_text *t;
  size_t n;
  oq_npy h;

  assert_int_equal(oq_io_write_npy(in(f, "u.npy"), &v, NULL), OQ_OK);
  assert_int_equal(oq_io_slurp(&bytes, &n, in(f, "u.npy"), 4096, NULL), OQ_OK);
  assert_int_equal(oq_npy_parse(&h, bytes, n, n, 4096, NULL), OQ_OK);
  assert_int_equal(h.dtype, OQ_DT_STRING);
  assert_int_equal(h.item, 16); /* four characters */
  assert_int_equal(
      oq_text_array_decode(&t, &h, bytes + h.offset, h.count, NULL), OQ_OK);
  assert_int_equal(t[0].n, 5);
  assert_memory_equal(t[0].p, data[0].p, 5);
  assert_int_equal(t[1].n, 0);
  assert_memory_equal(t[2].p, "abcd", 4);
  free(t);
  memset(bytes + h.offset, 0xff, 4);
  assert_int_equal(
      oq_text_array_decode(&t, &h, bytes + h.offset, h.count, NULL), OQ_E_DATA);
  free(bytes);
  assert_int_equal(oq_io_write_npy(in(f, "s.npy"), &bytes_only, NULL), OQ_OK);
  assert_int_equal(oq_io_slurp(&bytes, &n, in(f, "s.npy"), 4096, NULL), OQ_OK);
  assert_int_equal(oq_npy_parse(&h, bytes, n, n, 4096, NULL), OQ_OK);
  assert_int_equal(h.item, 2);
  assert_memory_equal(bytes + h.offset,
                      "a\0\xff"
                      "b",
                      4);
  free(bytes);
}

static void numbers_in_text(void **state) {
  static const struct {
    const char *text;
    double value;
  } good[] = {{"0.485", 0.485}, {"-1", -1},
              {"1e-3", 1e-3},   {".5", .5},
              {"5.", 5},        {"127.5", 127.5},
              {"0.225", 0.225}, {"+2.5E+2", 250},
              {"0", 0},         {"1000000000000000000000", 1e21}};
  static const char *const bad[] = {"",    "-",   ".",     "1,5",  "1e",
                                    "0x1", "nan", "1e999", "1 ",   "--1",
                                    "inf", "1e+", "e5",    "1e400"};
  double v;
  int64_t i;

  (void)state;
  for (size_t k = 0; k < sizeof good / sizeof *good; k++) {
    assert_true(oq_io_parse_f64(&v, good[k].text, strlen(good[k].text)));
    assert_true(v == good[k].value);
  }
  for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
    assert_false(oq_io_parse_f64(&v, bad[k], strlen(bad[k])));
  }
  assert_true(oq_io_parse_i64(&i, "-9223372036854775807", 20));
  assert_true(i == -INT64_MAX);
  assert_false(oq_io_parse_i64(&i, "9223372036854775808", 19));
  assert_false(oq_io_parse_i64(&i, "1x", 2));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(headers_that_are_read),
      cmocka_unit_test(headers_that_are_refused),
      cmocka_unit_test(every_truncation_is_refused),
      cmocka_unit_test(versions_2_and_3),
      cmocka_unit_test(decoding),
      cmocka_unit_test(conversions),
      cmocka_unit_test_setup_teardown(written_files_read_back, folder_make,
                                      folder_remove),
      cmocka_unit_test_setup_teardown(texts_read_back, folder_make,
                                      folder_remove),
      cmocka_unit_test(numbers_in_text),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
