/* Operators that move values: every form, every size of element, refusals. */
#include "op_case.h"

static const float x23[] = {1, 2, 3, 4, 5, 6};

/* ---- Transpose ----------------------------------------------------------- */
/* All sizes of elements, packed ones included, against index arithmetic. */
static void transpose_types(void **state) {
  static const oq_dtype types[] = {OQ_DT_F32,  OQ_DT_I8,   OQ_DT_F16, OQ_DT_I64,
                                   OQ_DT_C128, OQ_DT_BOOL, OQ_DT_U4,  OQ_DT_I2};

  (void)state;
  for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
    op_case c;
    uint8_t bytes[16 * 60];
    case_open(&c, 25);
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 37);
    case_in(&c, types[t], "3,4,5", bytes);
    case_run(&c, "Transpose", 1, "perm=[2,0,1]");
    case_has_shape(&c, 0, "5,3,4");
    const uint32_t bits = oq_dtype_bits((int32_t)types[t]);
    const uint8_t *const in = c.in[0].data, *const out = c.out[0].data;
    for (size_t o = 0; o < 60; o++) {
      const size_t from = o / 4 % 3 * 20 + o % 4 * 5 + o / 12;
      if (bits >= 8) {
        assert_memory_equal(out + o * bits / 8, in + from * bits / 8, bits / 8);
        continue;
      }
      const uint32_t mask = (1u << bits) - 1, per = 8 / bits;
      assert_int_equal((uint32_t)out[o / per] >> (o % per * bits) & mask,
                       (uint32_t)in[from / per] >> (from % per * bits) & mask);
    }
    case_close(&c);
  }
}

/* Every permutation of four axes, sizes 1 and blocks of the turn included. */
static void transpose_permutations(void **state) {
  static const char *const shapes[] = {"2,3,4,5", "1,17,1,33", "40,1,3,2"};

  (void)state;
  for (uint32_t code = 0; code < 256; code++) {
    const uint32_t p[] = {code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6};
    if ((1u << p[0] | 1u << p[1] | 1u << p[2] | 1u << p[3]) != 15) continue;
    for (size_t s = 0; s < 3; s++) {
      op_case c;
      char attrs[32];
      case_open(&c, 13);
      case_numbers(&c, OQ_DT_F32, shapes[s], code);
      (void)snprintf(attrs, sizeof attrs, "perm=[%u,%u,%u,%u]", p[0], p[1],
                     p[2], p[3]);
      case_run(&c, "Transpose", 1, attrs);
      const int64_t *const d = c.in[0].shape.dim, *const e = c.out[0].shape.dim;
      const float *const x = c.in[0].data, *y = c.out[0].data;
      const int64_t stride[] = {d[1] * d[2] * d[3], d[2] * d[3], d[3], 1};
      for (int64_t i = 0; i < e[0]; i++)
        for (int64_t j = 0; j < e[1]; j++)
          for (int64_t k = 0; k < e[2]; k++)
            for (int64_t l = 0; l < e[3]; l++)
              if (*y++ != x[i * stride[p[0]] + j * stride[p[1]] +
                            k * stride[p[2]] + l * stride[p[3]]])
                fail_msg("%s of %s", attrs, shapes[s]);
      case_close(&c);
    }
  }
}

/* ---- Concat, Split ------------------------------------------------------- */
static void concat_parts(void **state) {
  op_case c;

  (void)state;
  case_open(&c, 13);
  case_f32(&c, "2,1", (float[]){1, 2});
  case_f32(&c, "2,0", NULL);
  case_f32(&c, "2,2", (float[]){3, 4, 5, 6});
  case_run(&c, "Concat", 1, "axis=-1");
  case_is_f32(&c, 0, "2,3", (float[]){1, 3, 4, 2, 5, 6}, 0);
  case_close(&c);
  case_open(&c, 21);
  case_in(&c, OQ_DT_U4, "3", (uint8_t[]){0x21, 0x03});
  case_in(&c, OQ_DT_U4, "2", (uint8_t[]){0x54});
  case_run(&c, "Concat", 1, "axis=0");
  case_is(&c, 0, "5", (double[]){1, 2, 3, 4, 5}, 0);
  case_close(&c);
}

static void split_forms(void **state) {
  op_case c;
  const float x[] = {1, 2, 3, 4, 5};

  (void)state;
  case_open(&c, 11); /* the attribute */
  case_f32(&c, "1,5", x);
  case_run(&c, "Split", 2, "axis=1 split=[2,3]");
  case_is_f32(&c, 0, "1,2", x, 0);
  case_is_f32(&c, 1, "1,3", x + 2, 0);
  case_close(&c);
  case_open(&c, 13); /* the input */
  case_f32(&c, "1,5", x);
  case_i64(&c, "3", (int64_t[]){4, 0, 1});
  case_run(&c, "Split", 3, "axis=-1");
  case_is_f32(&c, 0, "1,4", x, 0);
  case_has_shape(&c, 1, "1,0");
  case_is_f32(&c, 2, "1,1", x + 4, 0);
  case_close(&c);
  case_open(&c, 18); /* the last one smaller */
  case_f32(&c, "5", x);
  case_run(&c, "Split", 2, "num_outputs=2");
  case_is_f32(&c, 0, "3", x, 0);
  case_is_f32(&c, 1, "2", x + 3, 0);
  case_close(&c);
}

/* ---- Slice --------------------------------------------------------------- */
static void slices(void **state) {
  static const struct {
    int64_t start, end, step;
    uint32_t n;
    float y[6];
  } rows[] = {
      {1, 3, 1, 2, {2, 3}},
      {-2, INT64_MAX, 1, 2, {5, 6}},
      {-100, 2, 1, 2, {1, 2}},
      {0, 6, 4, 2, {1, 5}},
      {0, 6, INT64_MAX, 1, {1}},
      {4, 1, 1, 0, {0}},
      {9, 20, 1, 0, {0}},
      {5, 0, -2, 3, {6, 4, 2}},
      {-1, INT64_MIN, -1, 6, {6, 5, 4, 3, 2, 1}},
      {-1, -7, -1, 6, {6, 5, 4, 3, 2, 1}},
      {100, 3, -1, 2, {6, 5}},
      {3, INT64_MIN, INT64_MIN, 1, {4}},
      {3, INT64_MAX, -1, 4, {4, 3, 2, 1}},
      {3, INT32_MAX, -3, 2, {4, 1}},
      {INT64_MIN, INT64_MAX, 5, 2, {1, 6}},
  };

  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    op_case c;
    char shape[16];
    case_open(&c, 13);
    case_f32(&c, "6", x23);
    case_i64(&c, "1", &rows[i].start);
    case_i64(&c, "1", &rows[i].end);
    case_absent(&c);
    case_i64(&c, "1", &rows[i].step);
    case_run(&c, "Slice", 1, "");
    (void)snprintf(shape, sizeof shape, "%u", rows[i].n);
    case_is_f32(&c, 0, shape, rows[i].y, 0);
    case_close(&c);
  }
}

static void slice_axes(void **state) {
  op_case c;

  (void)state;
  case_open(&c, 13);
  case_f32(&c, "2,3", x23);
  case_in(&c, OQ_DT_I32, "2", (int32_t[]){-1, 0});
  case_in(&c, OQ_DT_I32, "2", (int32_t[]){INT32_MIN, 2});
  case_in(&c, OQ_DT_I32, "2", (int32_t[]){-2, 1});
  case_in(&c, OQ_DT_I32, "2", (int32_t[]){-1, 1});
  case_run(&c, "Slice", 1, "");
  case_is_f32(&c, 0, "2,2", (float[]){4, 5, 1, 2}, 0);
  case_close(&c);
  case_open(&c, 9);
  case_f32(&c, "2,3", x23);
  case_run(&c, "Slice", 1, "starts=[1] ends=[9] axes=[1]");
  case_is_f32(&c, 0, "2,2", (float[]){2, 3, 5, 6}, 0);
  case_close(&c);
  case_open(&c, 13);
  case_f32(&c, "2,0", NULL);
  case_i64(&c, "1", (int64_t[]){-1});
  case_i64(&c, "1", (int64_t[]){-9});
  case_i64(&c, "1", (int64_t[]){1});
  case_i64(&c, "1", (int64_t[]){-1});
  case_run(&c, "Slice", 1, "");
  case_has_shape(&c, 0, "2,0");
  case_close(&c);
}

/* ---- Pad ----------------------------------------------------------------- */
static void pads(void **state) {
  static const struct {
    const char *mode;
    int64_t head, tail;
    const char *shape;
    float y[12];
  } rows[] = {
      {"mode=constant", 1, 2, "6", {9, 1, 2, 3, 9, 9}},
      {"mode=constant", -1, 2, "4", {2, 3, 9, 9}},
      {"mode=constant", -2, -1, "0", {0}},
      {"mode=constant", -4, 5, "4", {9, 9, 9, 9}},
      {"mode=edge", 2, 1, "6", {1, 1, 1, 2, 3, 3}},
      {"mode=edge", -1, 2, "4", {2, 3, 3, 3}},
      {"mode=reflect", 2, 2, "7", {3, 2, 1, 2, 3, 2, 1}},
      {"mode=reflect", 5, 0, "8", {2, 1, 2, 3, 2, 1, 2, 3}},
      {"mode=reflect", -1, 2, "4", {2, 3, 2, 3}},
      {"mode=wrap", 2, 4, "9", {2, 3, 1, 2, 3, 1, 2, 3, 1}},
  };

  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    op_case c;
    const int64_t v[] = {rows[i].head, rows[i].tail};
    case_open(&c, 19);
    case_f32(&c, "3", x23);
    case_i64(&c, "2", v);
    case_f32(&c, "", (float[]){9});
    case_run(&c, "Pad", 1, rows[i].mode);
    case_is_f32(&c, 0, rows[i].shape, rows[i].y, 0);
    case_close(&c);
  }
}

static void pad_forms(void **state) {
  op_case c;

  (void)state;
  case_open(&c, 10);
  case_f32(&c, "1,2", x23);
  case_run(&c, "Pad", 1, "pads=[1,0,0,1] value=7.0");
  case_is_f32(&c, 0, "2,3", (float[]){7, 7, 7, 1, 2, 7}, 0);
  case_close(&c);
  case_open(&c, 18); /* axes, without a constant */
  case_f32(&c, "1,2", x23);
  case_i64(&c, "2", (int64_t[]){1, 0});
  case_absent(&c);
  case_i64(&c, "1", (int64_t[]){-1});
  case_run(&c, "Pad", 1, "");
  case_is_f32(&c, 0, "1,3", (float[]){0, 1, 2}, 0);
  case_close(&c);
  case_open(&c, 18); /* rows as a block */
  case_f32(&c, "1,2", x23);
  case_i64(&c, "2", (int64_t[]){1, 1});
  case_f32(&c, "", (float[]){9});
  case_i64(&c, "1", (int64_t[]){0});
  case_run(&c, "Pad", 1, "");
  case_is_f32(&c, 0, "3,2", (float[]){9, 9, 1, 2, 9, 9}, 0);
  case_close(&c);
  case_open(&c, 21); /* packed */
  case_in(&c, OQ_DT_U4, "2", (uint8_t[]){0x21});
  case_i64(&c, "2", (int64_t[]){1, 2});
  case_in(&c, OQ_DT_U4, "", (uint8_t[]){0x0f});
  case_run(&c, "Pad", 1, "");
  case_is(&c, 0, "5", (double[]){15, 1, 2, 15, 15}, 0);
  case_close(&c);
}

/* ---- the rest ------------------------------------------------------------ */
static void tiles(void **state) {
  op_case c;

  (void)state;
  case_open(&c, 13);
  case_f32(&c, "2,2", x23);
  case_i64(&c, "2", (int64_t[]){2, 2});
  case_run(&c, "Tile", 1, "");
  case_is_f32(&c, 0, "4,4",
              (float[]){1, 2, 1, 2, 3, 4, 3, 4, 1, 2, 1, 2, 3, 4, 3, 4}, 0);
  case_close(&c);
  case_open(&c, 13);
  case_f32(&c, "1,2", x23);
  case_i64(&c, "2", (int64_t[]){3, 1});
  case_run(&c, "Tile", 1, "");
  case_is_f32(&c, 0, "3,2", (float[]){1, 2, 1, 2, 1, 2}, 0);
  case_close(&c);
  case_open(&c, 13);
  case_f32(&c, "2", x23);
  case_i64(&c, "1", (int64_t[]){0});
  case_run(&c, "Tile", 1, "");
  case_has_shape(&c, 0, "0");
  case_close(&c);
}

static void blocks(void **state) {
  const float x[] = {0, 1, 2, 3, 4, 5, 6, 7};
  op_case c;

  (void)state;
  case_open(&c, 13);
  case_f32(&c, "1,8,1,1", x);
  case_run(&c, "DepthToSpace", 1, "blocksize=2");
  case_is_f32(&c, 0, "1,2,2,2", (float[]){0, 2, 4, 6, 1, 3, 5, 7}, 0);
  case_close(&c);
  case_open(&c, 13);
  case_f32(&c, "1,8,1,1", x);
  case_run(&c, "DepthToSpace", 1, "blocksize=2 mode=CRD");
  case_is_f32(&c, 0, "1,2,2,2", x, 0);
  case_close(&c);
  case_open(&c, 13);
  case_f32(&c, "1,2,2,2", x);
  case_run(&c, "SpaceToDepth", 1, "blocksize=2");
  case_is_f32(&c, 0, "1,8,1,1", (float[]){0, 4, 1, 5, 2, 6, 3, 7}, 0);
  case_close(&c);
}

static void dropouts(void **state) {
  op_case c;

  (void)state;
  case_open(&c, 7);
  case_f32(&c, "3", x23);
  case_run(&c, "Dropout", 2, "ratio=0.9");
  case_is_f32(&c, 0, "3", x23, 0);
  case_is_f32(&c, 1, "3", (float[]){0, 0, 0}, 0);
  case_close(&c);
  case_open(&c, 13);
  case_f32(&c, "3", x23);
  case_f32(&c, "", (float[]){0.5f});
  case_in(&c, OQ_DT_BOOL, "", (uint8_t[]){0});
  case_run(&c, "Dropout", 2, "");
  case_is_f32(&c, 0, "3", x23, 0);
  assert_int_equal(c.out[1].dtype, OQ_DT_BOOL);
  case_is(&c, 1, "3", (double[]){1, 1, 1}, 0);
  case_close(&c);
  case_open(&c, 13);
  case_f32(&c, "3", x23);
  case_f32(&c, "", (float[]){0.5f});
  case_in(&c, OQ_DT_BOOL, "", (uint8_t[]){1});
  c.in[1].dtype = OQ_DT_I32;
  case_refuses(&c, "Dropout", "", OQ_E_MODEL, "op.dtype");
  case_open(&c, 13);
  case_f32(&c, "3", x23);
  case_f32(&c, "", (float[]){1.0f});
  case_in(&c, OQ_DT_BOOL, "", (uint8_t[]){1});
  case_refuses(&c, "Dropout", "", OQ_E_DATA, "dropout.ratio");
}

/* In training a quarter is dropped, the rest grows, and the mask says which. */
static void dropout_trains(void **state) {
  enum { N = 40000 };
  static float x[N];
  unsigned kept = 0;
  op_case c;

  (void)state;
  for (int i = 0; i < N; i++) x[i] = 3.0f;
  case_open(&c, 22);
  case_f32(&c, "40000", x);
  case_f32(&c, "", (float[]){0.25f});
  case_in(&c, OQ_DT_BOOL, "", (uint8_t[]){1});
  case_run(&c, "Dropout", 2, "seed=7");
  const float *const y = c.out[0].data;
  const uint8_t *const mask = c.out[1].data;
  for (int i = 0; i < N; i++) {
    assert_true(y[i] == (mask[i] ? 4.0f : 0.0f));
    kept += mask[i];
  }
  /* Five standard deviations of sqrt(N / 4 * 3 / 4) = 87. */
  assert_in_range(kept, 30000 - 435, 30000 + 435);
  case_close(&c);
}

static void infer_partly(void **state) {
  (void)state;
  infers(13, "Transpose", "perm=[0,2,1]", "N,3,L", "N,L,3");
  infers(13, "Transpose", "", "N,3,L", "L,3,N");
  infers(13, "Transpose", "perm=[1,0]", "*", "?,?");
  infers(13, "Concat", "axis=1", "N,3;N,?;2,5", "2,?");
  infers(13, "Concat", "axis=1", "N,3;?,4", "N,7");
  infers(13, "Concat", "axis=0", "N,3;*", "?,3");
  infers(11, "Split", "axis=1 split=[1,2]", "N,3", "N,1;N,2");
  infers(13, "Split", "axis=0", "N,3;i:2", "?,3;?,3");
  infers(13, "Split", "axis=1", "N,4", "N,2;N,2");
  infers(13, "Split", "axis=0", "N,4", "floor(N/2),4;floor(N/2),4");
  infers(13, "Slice", "", "N,9,4;i=1;i=3;i=1", "N,2,4");
  infers(13, "Slice", "", "N,9,4;i:1;i=3;i=1", "N,?,4");
  infers(13, "Slice", "", "N,9,4;i=0;i=99;i=0", "min(N,99),9,4");
  infers(13, "Slice", "", "N,9,4;i=0;i=99;i=1", "N,9,4");
  infers(13, "Slice", "", "N,9,4;i=0;i=3;i:1", "?,?,?");
  infers(13, "Pad", "", "N,9;i=0,1,0,2", "N,12");
  infers(13, "Pad", "", "N,9;i:4", "?,?");
  infers(13, "Tile", "", "N,4;i=1,3", "N,12");
  infers(13, "Tile", "", "N,4;i=2,1", "2*N,4");
  infers(13, "DepthToSpace", "blocksize=2", "N,8,H,3", "N,2,2*H,6");
  infers(13, "Identity", "", "N,8", "N,8");
}

/* ---- refusals ------------------------------------------------------------ */
static void refuse(int64_t opset, const char *op, const char *x,
                   const char *attrs, oq_status s, const char *id) {
  op_case c;

  case_open(&c, opset);
  case_numbers(&c, OQ_DT_F32, x, 1);
  case_refuses(&c, op, attrs, s, id);
}

static void refusals(void **state) {
  (void)state;
  refuse(13, "Transpose", "2,3", "perm=[0,0]", OQ_E_MODEL, "transpose.perm");
  refuse(13, "Transpose", "2,3", "perm=[1,2]", OQ_E_MODEL, "transpose.perm");
  refuse(13, "Transpose", "2,3", "perm=[-1,0]", OQ_E_MODEL, "transpose.perm");
  refuse(13, "Transpose", "2,3", "perm=[0]", OQ_E_MODEL, "transpose.perm");
  refuse(13, "Transpose", "2", "perm=[0,1,2,3,4,5,6,7,8]", OQ_E_LIMIT,
         "transpose.perm");
  refuse(13, "Concat", "2,3", "axis=2", OQ_E_MODEL, "op.axis");
  refuse(13, "Concat", "2,3", "axis=-9223372036854775808", OQ_E_MODEL,
         "op.axis");
  refuse(13, "Concat", "", "axis=0", OQ_E_MODEL, "op.axis");
  refuse(11, "Split", "4", "split=[3]", OQ_E_MODEL, "split.sizes");
  refuse(11, "Split", "4", "split=[2,2]", OQ_E_MODEL, "split.sizes");
  refuse(11, "Split", "4", "split=[-4]", OQ_E_MODEL, "split.sizes");
  refuse(18, "Split", "4", "num_outputs=2", OQ_E_MODEL, "split.outputs");
  refuse(18, "Split", "4", "num_outputs=0", OQ_E_MODEL, "op.attr");
  refuse(9, "Slice", "4", "starts=[0] ends=[1,2]", OQ_E_MODEL, "slice.counts");
  refuse(9, "Slice", "4,4", "starts=[0,0] ends=[1,1] axes=[1,-1]", OQ_E_MODEL,
         "slice.axes");
  refuse(9, "Slice", "4", "starts=[0] ends=[1] axes=[1]", OQ_E_MODEL,
         "op.axis");
  refuse(10, "Pad", "4", "pads=[1]", OQ_E_MODEL, "pad.count");
  refuse(10, "Pad", "4", "pads=[-3,-2]", OQ_E_MODEL, "pad.size");
  refuse(10, "Pad", "4", "pads=[9223372036854775807,1]", OQ_E_MODEL,
         "pad.size");
  refuse(10, "Pad", "4", "pads=[-9223372036854775808,0]", OQ_E_MODEL,
         "pad.size");
  refuse(10, "Pad", "4", "pads=[-4,1] mode=edge", OQ_E_MODEL, "pad.empty");
  refuse(10, "Pad", "0", "pads=[1,1] mode=reflect", OQ_E_MODEL, "pad.empty");
  refuse(13, "DepthToSpace", "1,8,2,2", "blocksize=0", OQ_E_MODEL, "op.attr");
  refuse(13, "DepthToSpace", "1,6,2,2", "blocksize=2", OQ_E_MODEL,
         "block.size");
  refuse(13, "SpaceToDepth", "1,1,3,2", "blocksize=2", OQ_E_MODEL,
         "block.size");
  refuse(13, "SpaceToDepth", "1,4,4", "blocksize=2", OQ_E_MODEL, "block.rank");
}

static void refusals_of_inputs(void **state) {
  op_case c;

  (void)state;
  case_open(&c, 13);
  case_f32(&c, "2", x23);
  case_f32(&c, "1,2", x23);
  case_refuses(&c, "Concat", "axis=0", OQ_E_MODEL, "concat.rank");
  case_open(&c, 13);
  case_f32(&c, "1,2", x23);
  case_f32(&c, "1,3", x23);
  case_refuses(&c, "Concat", "axis=0", OQ_E_MODEL, "concat.shape");
  case_open(&c, 13);
  case_f32(&c, "2", x23);
  case_i64(&c, "2", (int64_t[]){1, 2});
  case_refuses(&c, "Concat", "axis=0", OQ_E_MODEL, "op.dtype");
  case_open(&c, 13);
  case_f32(&c, "2", x23);
  case_i64(&c, "1", (int64_t[]){0});
  case_i64(&c, "1", (int64_t[]){1});
  case_absent(&c);
  case_i64(&c, "1", (int64_t[]){0});
  case_refuses(&c, "Slice", "", OQ_E_MODEL, "slice.steps");
  case_open(&c, 13);
  case_f32(&c, "2", x23);
  case_f32(&c, "1", x23);
  case_i64(&c, "1", (int64_t[]){1});
  case_refuses(&c, "Slice", "", OQ_E_MODEL, "op.input");
  case_open(&c, 13);
  case_f32(&c, "2", x23);
  case_i64(&c, "1", (int64_t[]){-1});
  case_refuses(&c, "Tile", "", OQ_E_MODEL, "tile.repeats");
  case_open(&c, 13);
  case_f32(&c, "2", x23);
  case_i64(&c, "1", (int64_t[]){INT64_MAX});
  case_refuses(&c, "Tile", "", OQ_E_LIMIT, "tile.size");
  case_open(&c, 13);
  case_f32(&c, "2", x23);
  case_i64(&c, "2", (int64_t[]){1, 1});
  case_refuses(&c, "Tile", "", OQ_E_MODEL, "tile.repeats");
  case_open(&c, 18);
  case_f32(&c, "2,2", x23);
  case_i64(&c, "4", (int64_t[]){1, 1, 1, 1});
  case_absent(&c);
  case_i64(&c, "2", (int64_t[]){0, 0});
  case_refuses(&c, "Pad", "", OQ_E_MODEL, "pad.axes");
  case_open(&c, 18);
  case_f32(&c, "2", x23);
  case_i64(&c, "2", (int64_t[]){1, 1});
  case_f32(&c, "2", x23);
  case_refuses(&c, "Pad", "", OQ_E_MODEL, "pad.value");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(transpose_types),
      cmocka_unit_test(transpose_permutations),
      cmocka_unit_test(concat_parts),
      cmocka_unit_test(split_forms),
      cmocka_unit_test(slices),
      cmocka_unit_test(slice_axes),
      cmocka_unit_test(pads),
      cmocka_unit_test(pad_forms),
      cmocka_unit_test(tiles),
      cmocka_unit_test(blocks),
      cmocka_unit_test(dropouts),
      cmocka_unit_test(dropout_trains),
      cmocka_unit_test(infer_partly),
      cmocka_unit_test(refusals),
      cmocka_unit_test(refusals_of_inputs),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
