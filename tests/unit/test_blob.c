/* ir/blob: every encoding of TensorProto; sizes must be exact. */
#include "graph_make.h"

typedef struct piece {
  oq_dtype t;
  oq_shape shape;
  oq_encoding encoding;
  uint32_t field;
  const char *bytes;
  size_t size;
} piece;

/* The constant of `p`, at `shift` bytes into a store. */
static const oq_const *make(world *w, const piece *p, size_t shift) {
  oq_store *s = NULL;
  void *bytes = NULL;
  oq_blob *b = OQ_NEW(w->m->arena, oq_blob);
  oq_const *c = OQ_NEW(w->m->arena, oq_const);

  assert_int_equal(oq_store_new(&s, &bytes, p->size + shift, &w->t.alloc),
                   OQ_OK);
  if (p->size != 0) memcpy((char *)bytes + shift, p->bytes, p->size);
  assert_int_equal(oq_ir_keep_store(w->m, s), OQ_OK);
  *b = (oq_blob){.store = s,
                 .offset = shift,
                 .size = p->size,
                 .encoding = p->encoding,
                 .field = p->field};
  c->blob = b;
  c->type = oq_type_make(w->m->arena, p->t, p->shape.dim, p->shape.rank);
  return c;
}

#define BYTES(s) s, sizeof s - 1
#define VEC(n) \
  {            \
    1, { n }   \
  }

typedef struct good {
  piece p;
  double v[4];
} good;

static const good goods[] = {
    {{OQ_DT_F32, VEC(2), OQ_ENC_RAW, 0, BYTES("\0\0\x80\x3f\0\0\0\xc0")},
     {1, -2}},
    {{OQ_DT_F32, VEC(2), OQ_ENC_TYPED, 4, BYTES("\0\0\x80\x3f\0\0\0\xc0")},
     {1, -2}},
    {{OQ_DT_F32, VEC(2), OQ_ENC_UNPACKED, 4,
      BYTES("\x25\0\0\x80\x3f\x25\0\0\0\xc0")},
     {1, -2}},
    /* a packed field in two runs, and one entry alone */
    {{OQ_DT_F32, VEC(3), OQ_ENC_UNPACKED, 4,
      BYTES("\x22\x04\0\0\x80\x3f\x25\0\0\0\xc0\x22\x00\x22\x04\0\0\0\0")},
     {1, -2, 0}},
    {{OQ_DT_F64, VEC(1), OQ_ENC_TYPED, 10, BYTES("\0\0\0\0\0\0\xf8\x3f")},
     {1.5}},
    {{OQ_DT_F64, VEC(1), OQ_ENC_UNPACKED, 10,
      BYTES("\x51\0\0\0\0\0\0\xf8\x3f")},
     {1.5}},
    {{OQ_DT_I32, VEC(3), OQ_ENC_TYPED, 5,
      BYTES("\x01\xac\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")},
     {1, 300, -1}},
    {{OQ_DT_I32, VEC(1), OQ_ENC_TYPED, 5, BYTES("\xff\xff\xff\xff\x0f")},
     {-1}}, /* 32 bits, as some writers do */
    {{OQ_DT_I32, VEC(2), OQ_ENC_UNPACKED, 5, BYTES("\x28\x07\x28\x08")},
     {7, 8}},
    {{OQ_DT_I8, VEC(2), OQ_ENC_TYPED, 5,
      BYTES("\x7f\x80\xff\xff\xff\xff\xff\xff\xff\xff\x01")},
     {127, -128}},
    {{OQ_DT_I8, VEC(1), OQ_ENC_TYPED, 5, BYTES("\xff\x01")},
     {-1}}, /* the bits as a positive number */
    {{OQ_DT_U8, VEC(2), OQ_ENC_TYPED, 5, BYTES("\xff\x01\x00")}, {255, 0}},
    {{OQ_DT_I16, VEC(1), OQ_ENC_TYPED, 5, BYTES("\xac\x02")}, {300}},
    {{OQ_DT_U16, VEC(1), OQ_ENC_TYPED, 5, BYTES("\xff\xff\x03")}, {65535}},
    {{OQ_DT_BOOL, VEC(3), OQ_ENC_TYPED, 5, BYTES("\x01\x00\x05")}, {1, 0, 1}},
    {{OQ_DT_F16, VEC(2), OQ_ENC_TYPED, 5, BYTES("\x80\x78\x80\x80\x03")},
     {1, -2}},
    {{OQ_DT_BF16, VEC(1), OQ_ENC_TYPED, 5, BYTES("\x80\x7f")}, {1}},
    {{OQ_DT_F8E4M3FN, VEC(1), OQ_ENC_TYPED, 5, BYTES("\x38")}, {1}},
    {{OQ_DT_I4, VEC(3), OQ_ENC_TYPED, 5, BYTES("\x9f\x01\x07")}, {-1, -7, 7}},
    {{OQ_DT_I4, VEC(3), OQ_ENC_RAW, 0, BYTES("\x9f\x07")}, {-1, -7, 7}},
    {{OQ_DT_U2, VEC(4), OQ_ENC_TYPED, 5, BYTES("\xe4\x01")}, {0, 1, 2, 3}},
    {{OQ_DT_I64, VEC(2), OQ_ENC_TYPED, 7,
      BYTES("\x05\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")},
     {5, -1}},
    {{OQ_DT_U64, VEC(1), OQ_ENC_TYPED, 11, BYTES("\x05")}, {5}},
    {{OQ_DT_U32, VEC(1), OQ_ENC_TYPED, 11, BYTES("\xff\xff\xff\xff\x0f")},
     {4294967295.0}},
    {{OQ_DT_F32, {0, {0}}, OQ_ENC_RAW, 0, BYTES("\0\0\x80\x3f")}, {1}},
    {{OQ_DT_F32, VEC(0), OQ_ENC_RAW, 0, BYTES("")}, {0}},
    {{OQ_DT_F32, VEC(0), OQ_ENC_TYPED, 5, BYTES("")}, {0}},
    {{OQ_DT_F32, {2, {INT64_MAX, 0}}, OQ_ENC_RAW, 0, BYTES("")}, {0}},
};

static void every_encoding_is_read(void **state) {
  world w;

  (void)state;
  assert_true(world_open(&w, NULL));
  for (size_t i = 0; i < sizeof goods / sizeof *goods; i++) {
    for (size_t shift = 0; shift < 9; shift++) { /* of any alignment */
      const oq_const *c = make(&w, &goods[i].p, shift);
      oq_ctensor t;
      const oq_status s = oq_const_view(&t, c, w.t.scratch, w.t.diags);
      if (s != OQ_OK) fail_msg("row %zu: %s", i, test_env_last(&w.t));
      assert_int_equal(oq_const_check(c, w.t.diags), OQ_OK);
      assert_int_equal(t.dtype, goods[i].p.t);
      assert_true(oq_shape_equal(&t.shape, &goods[i].p.shape));
      assert_non_null(t.data);
      const size_t bits = oq_dtype_bits((int32_t)t.dtype);
      if (bits >= 8) assert_int_equal((uintptr_t)t.data % (bits / 8), 0);
      size_t bytes = 0;
      assert_int_equal(oq_shape_bytes(&bytes, &t.shape, (int32_t)t.dtype),
                       OQ_OK);
      assert_int_equal(t.size, bytes);
      for (size_t k = 0; k < oq_tensor_count(&t); k++) {
        assert_true(oq_element_f64(&t, k) == goods[i].v[k]);
      }
    }
  }
  assert_int_equal(oq_diags_count(w.t.diags), 0);
  world_close(&w);
}

static void dense_and_aligned_is_not_copied(void **state) {
  static const piece raw = {OQ_DT_F32, VEC(1), OQ_ENC_RAW, 0,
                            BYTES("\0\0\x80\x3f")};
  static const piece typed = {OQ_DT_F32, VEC(1), OQ_ENC_TYPED, 4,
                              BYTES("\0\0\x80\x3f")};
  world w;

  (void)state;
  assert_true(world_open(&w, NULL));
  for (size_t shift = 0; shift < 8; shift++) {
    const piece *const both[] = {&raw, &typed};
    for (int k = 0; k < 2; k++) {
      const oq_const *c = make(&w, both[k], shift);
      oq_ctensor t;
      size_t n;
      const size_t bytes = oq_arena_bytes(w.t.scratch);
      assert_int_equal(oq_const_view(&t, c, w.t.scratch, w.t.diags), OQ_OK);
      const uint8_t *p = oq_store_data(c->blob->store, &n);
      assert_int_equal(t.data == p + shift, shift % 4 == 0);
      assert_int_equal(oq_arena_bytes(w.t.scratch) == bytes, shift % 4 == 0);
    }
  }
  world_close(&w);
}

static void complex_numbers_are_pairs(void **state) {
  static const piece p = {OQ_DT_C64, VEC(1), OQ_ENC_UNPACKED, 4,
                          BYTES("\x25\0\0\x80\x3f\x25\0\0\0\xc0")};
  static const piece odd = {OQ_DT_C64, VEC(1), OQ_ENC_TYPED, 4,
                            BYTES("\0\0\x80\x3f")};
  static const float want[2] = {1, -2};
  world w;
  oq_ctensor t;

  (void)state;
  assert_true(world_open(&w, NULL));
  assert_int_equal(oq_const_view(&t, make(&w, &p, 0), w.t.scratch, w.t.diags),
                   OQ_OK);
  assert_int_equal(t.size, 8);
  assert_memory_equal(t.data, want, 8);
  assert_int_equal(oq_const_check(make(&w, &odd, 0), w.t.diags), OQ_E_MODEL);
  world_close(&w);
}

typedef struct bad {
  piece p;
  oq_status status;
  const char *id;
} bad;

#define HUGE_DIM (INT64_C(1) << 62)

static const bad bads[] = {
    /* too short, too long, none at all */
    {{OQ_DT_F32, VEC(2), OQ_ENC_RAW, 0, BYTES("\0\0\x80\x3f\0\0\0")},
     OQ_E_MODEL,
     "tensor.size"},
    {{OQ_DT_F32, VEC(1), OQ_ENC_RAW, 0, BYTES("\0\0\x80\x3f\0")},
     OQ_E_MODEL,
     "tensor.size"},
    {{OQ_DT_F32, {0, {0}}, OQ_ENC_RAW, 0, BYTES("")},
     OQ_E_MODEL,
     "tensor.size"},
    {{OQ_DT_F32, VEC(0), OQ_ENC_RAW, 0, BYTES("\0\0\0\0")},
     OQ_E_MODEL,
     "tensor.size"},
    {{OQ_DT_I32, VEC(3), OQ_ENC_TYPED, 5, BYTES("\x01\x02")},
     OQ_E_MODEL,
     "tensor.size"},
    {{OQ_DT_I32, VEC(1), OQ_ENC_TYPED, 5, BYTES("\x01\x02")},
     OQ_E_MODEL,
     "tensor.size"},
    {{OQ_DT_F32, VEC(1), OQ_ENC_TYPED, 4, BYTES("\0\0\x80\x3f\0\0\0\0")},
     OQ_E_MODEL,
     "tensor.size"},
    /* one 4-bit element per entry: not what the standard means */
    {{OQ_DT_I4, VEC(4), OQ_ENC_TYPED, 5, BYTES("\x01\x02\x03\x04")},
     OQ_E_MODEL,
     "tensor.size"},
    /* a shape that only claims: no memory is taken for it */
    {{OQ_DT_I32, VEC(INT64_C(1) << 40), OQ_ENC_TYPED, 5, BYTES("\x01")},
     OQ_E_MODEL,
     "tensor.size"},
    {{OQ_DT_F32, {2, {HUGE_DIM, 4}}, OQ_ENC_RAW, 0, BYTES("\0\0\0\0")},
     OQ_E_LIMIT,
     "tensor.shape"},
    {{OQ_DT_F32, VEC(HUGE_DIM), OQ_ENC_RAW, 0, BYTES("\0\0\0\0")},
     OQ_E_LIMIT,
     "tensor.shape"},
    /* broken wire */
    {{OQ_DT_I32, VEC(1), OQ_ENC_TYPED, 5, BYTES("\x80")},
     OQ_E_MODEL,
     "tensor.payload"},
    {{OQ_DT_I32, VEC(1), OQ_ENC_TYPED, 5,
      BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02")},
     OQ_E_MODEL,
     "tensor.payload"},
    {{OQ_DT_F32, VEC(1), OQ_ENC_UNPACKED, 4, BYTES("\x25\0\0\x80")},
     OQ_E_MODEL,
     "tensor.payload"},
    {{OQ_DT_F32, VEC(1), OQ_ENC_UNPACKED, 4, BYTES("\x2d\0\0\x80\x3f")},
     OQ_E_MODEL,
     "tensor.payload"}, /* another field */
    {{OQ_DT_F32, VEC(1), OQ_ENC_UNPACKED, 4, BYTES("\x20\x01")},
     OQ_E_MODEL,
     "tensor.payload"}, /* another wire type */
    {{OQ_DT_F32, VEC(1), OQ_ENC_UNPACKED, 4, BYTES("\x22\x7f\0\0\x80\x3f")},
     OQ_E_MODEL,
     "tensor.payload"}, /* a run longer than what there is */
    /* fields that are not for the type */
    {{OQ_DT_F32, VEC(1), OQ_ENC_TYPED, 5, BYTES("\x01")},
     OQ_E_MODEL,
     "tensor.field"},
    {{OQ_DT_I64, VEC(1), OQ_ENC_TYPED, 5, BYTES("\x01")},
     OQ_E_MODEL,
     "tensor.field"},
    {{OQ_DT_F32, VEC(1), OQ_ENC_STRINGS, 6, BYTES("\x32\x00")},
     OQ_E_MODEL,
     "tensor.field"},
    {{OQ_DT_STRING, VEC(1), OQ_ENC_RAW, 0, BYTES("a")},
     OQ_E_MODEL,
     "tensor.field"},
    /* numbers that the type cannot hold */
    {{OQ_DT_U8, VEC(1), OQ_ENC_TYPED, 5, BYTES("\xac\x02")},
     OQ_E_MODEL,
     "tensor.range"},
    {{OQ_DT_I16, VEC(1), OQ_ENC_TYPED, 5, BYTES("\x80\x80\x04")},
     OQ_E_MODEL,
     "tensor.range"},
    {{OQ_DT_U32, VEC(1), OQ_ENC_TYPED, 11,
      BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")},
     OQ_E_MODEL,
     "tensor.range"},
    {{OQ_DT_U32, VEC(1), OQ_ENC_TYPED, 11, BYTES("\x80\x80\x80\x80\x10")},
     OQ_E_MODEL,
     "tensor.range"},
    /* types there are none of */
    {{(oq_dtype)99, VEC(1), OQ_ENC_RAW, 0, BYTES("a")},
     OQ_E_MODEL,
     "tensor.type"},
    {{OQ_DT_NONE, VEC(1), OQ_ENC_RAW, 0, BYTES("a")},
     OQ_E_MODEL,
     "tensor.type"},
    {{OQ_DT_F32, VEC(-1), OQ_ENC_RAW, 0, BYTES("")}, OQ_E_MODEL, "tensor.type"},
};

static void every_lie_is_found(void **state) {
  world w;
  oq_where place = OQ_WHERE_INIT;

  (void)state;
  assert_true(world_open(&w, NULL));
  place.value = "weights";
  for (size_t i = 0; i < sizeof bads / sizeof *bads; i++) {
    const oq_const *c = make(&w, &bads[i].p, 1);
    oq_ctensor t = {.size = 77};
    const size_t bytes = oq_arena_bytes(w.t.scratch);
    oq_diags_clear(w.t.diags);
    const oq_status s = oq_const_check_at(c, &place, w.t.diags);
    if (s != bads[i].status || strcmp(test_env_last(&w.t), bads[i].id) != 0) {
      test_env_show(&w.t);
      fail_msg("row %zu: '%s' expected", i, bads[i].id);
    }
    assert_string_equal(oq_diags_at(w.t.diags, 0)->value, "weights");
    assert_int_equal(oq_const_view(&t, c, w.t.scratch, w.t.diags), s);
    assert_int_equal(t.size, 77);
    assert_true(oq_arena_bytes(w.t.scratch) <= bytes + 4096);
  }
  world_close(&w);
}

static void strings_are_counted_and_viewed(void **state) {
  static const piece two = {OQ_DT_STRING, VEC(2), OQ_ENC_STRINGS, 6,
                            BYTES("\x32\x02hi\x32\x00")};
  static const piece three = {OQ_DT_STRING, VEC(3), OQ_ENC_STRINGS, 6,
                              BYTES("\x32\x02hi\x32\x00")};
  static const piece raw = {OQ_DT_STRING, VEC(1), OQ_ENC_RAW, 0,
                            BYTES("0123456789abcdef")};
  static const piece nothing = {OQ_DT_STRING, VEC(1), OQ_ENC_RAW, 0, BYTES("")};
  static const piece broken = {OQ_DT_STRING, VEC(1), OQ_ENC_STRINGS, 6,
                               BYTES("\x32\x05hi")};
  world w;
  oq_ctensor t;

  (void)state;
  assert_true(world_open(&w, NULL));
  assert_int_equal(oq_const_check(make(&w, &two, 0), w.t.diags), OQ_OK);
  assert_int_equal(oq_const_view(&t, make(&w, &two, 0), w.t.scratch, w.t.diags),
                   OQ_OK);
  assert_int_equal(t.size, 2 * sizeof(oq_text));
  assert_int_equal(oq_texts(&t)[0].n, 2);
  assert_memory_equal(oq_texts(&t)[0].p, "hi", 2);
  assert_int_equal(oq_texts(&t)[1].n, 0);
  /* what looks like addresses is none */
  assert_int_equal(oq_const_view(&t, make(&w, &raw, 0), w.t.scratch, w.t.diags),
                   OQ_E_MODEL);
  assert_string_equal(test_env_last(&w.t), "tensor.field");
  assert_int_equal(
      oq_const_view(&t, make(&w, &nothing, 0), w.t.scratch, w.t.diags),
      OQ_E_MODEL);
  assert_int_equal(oq_const_check(make(&w, &three, 0), w.t.diags), OQ_E_MODEL);
  assert_int_equal(oq_const_check(make(&w, &broken, 0), w.t.diags), OQ_E_MODEL);
  world_close(&w);
}

static void spans_stay_in_their_store(void **state) {
  static const struct {
    uint64_t offset;
    size_t size;
  } spans[] = {{1, 4}, {5, 4}, {UINT64_MAX, 4}, {1, SIZE_MAX}};
  static const int64_t dim[] = {1};
  world w;

  (void)state;
  assert_true(world_open(&w, NULL));
  for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) {
    oq_store *s = NULL;
    void *bytes;
    assert_int_equal(oq_store_new(&s, &bytes, 4, &w.t.alloc), OQ_OK);
    assert_int_equal(oq_ir_keep_store(w.m, s), OQ_OK);
    const oq_blob b = {
        .store = s, .offset = spans[i].offset, .size = spans[i].size};
    const oq_const c = {.type = oq_type_make(w.m->arena, OQ_DT_F32, dim, 1),
                        .blob = &b};
    assert_int_equal(oq_const_check(&c, w.t.diags), OQ_E_MODEL);
    assert_string_equal(test_env_last(&w.t), "tensor.span");
  }
  const oq_blob none = {.size = 4};
  const oq_const c = {.type = oq_type_make(w.m->arena, OQ_DT_F32, dim, 1),
                      .blob = &none};
  assert_int_equal(oq_const_check(&c, w.t.diags), OQ_E_MODEL);
  world_close(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_encoding_is_read),
      cmocka_unit_test(dense_and_aligned_is_not_copied),
      cmocka_unit_test(complex_numbers_are_pairs),
      cmocka_unit_test(every_lie_is_found),
      cmocka_unit_test(strings_are_counted_and_viewed),
      cmocka_unit_test(spans_stay_in_their_store),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
