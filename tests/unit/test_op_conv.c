/* Conv and ConvTranspose against plain loops in double; what they refuse. */
#include "op_case.h"

/* A convolution described by numbers; drawn at random, so that strides,
 * dilations, pads, groups and ranks meet in every way. */
typedef struct plan {
  uint32_t n;                          /* spatial axes */
  int64_t batch, group, in_ch, out_ch; /* channels per group */
  int64_t in[3], kernel[3], stride[3], dilation[3], head[3], tail[3];
  int64_t extra[3]; /* output_padding */
  int64_t out[3];
  bool bias;
} plan;

static uint32_t seed;

static int64_t draw(int64_t lo, int64_t hi) {
  seed = seed * 1664525u + 1013904223u;
  return lo + (int64_t)(seed >> 8) % (hi - lo + 1);
}

static void draw_plan(plan *p, uint32_t n, int64_t size) {
  *p = (plan){.n = n, .batch = draw(1, 2), .bias = draw(0, 1) != 0};
  p->group = draw(1, 3);
  p->in_ch = draw(1, 4);
  p->out_ch = draw(1, 4);
  if (draw(0, 3) == 0) { /* depthwise */
    p->in_ch = 1;
    p->out_ch = draw(1, 2);
    p->group = draw(1, 6);
  }
  for (uint32_t i = 0; i < n; i++) {
    p->kernel[i] = draw(1, 4);
    p->stride[i] = draw(1, 3);
    p->dilation[i] = draw(1, 2);
    p->head[i] = draw(0, 2);
    p->tail[i] = draw(0, 2);
    const int64_t span = (p->kernel[i] - 1) * p->dilation[i] + 1;
    p->in[i] = draw(span, size > span ? size : span);
    p->extra[i] = draw(0, p->stride[i] - 1);
  }
}

static void print_dims(char *out, size_t cap, int64_t a, int64_t b,
                       const int64_t *v, uint32_t n) {
  size_t at =
      (size_t)snprintf(out, cap, "%lld,%lld", (long long)a, (long long)b);

  for (uint32_t i = 0; i < n; i++)
    at += (size_t)snprintf(out + at, cap - at, ",%lld", (long long)v[i]);
}

static void print_list(char *out, size_t cap, const char *key, const int64_t *v,
                       uint32_t n) {
  size_t at = strlen(out);

  at += (size_t)snprintf(out + at, cap - at, " %s=[", key);
  for (uint32_t i = 0; i < n; i++)
    at += (size_t)snprintf(out + at, cap - at, "%s%lld", i == 0 ? "" : ",",
                           (long long)v[i]);
  (void)snprintf(out + at, cap - at, "]");
}

static void print_attrs(char *out, size_t cap, const plan *p) {
  int64_t pads[6];

  for (uint32_t i = 0; i < p->n; i++) {
    pads[i] = p->head[i];
    pads[p->n + i] = p->tail[i];
  }
  (void)snprintf(out, cap, "group=%lld", (long long)p->group);
  print_list(out, cap, "strides", p->stride, p->n);
  print_list(out, cap, "dilations", p->dilation, p->n);
  print_list(out, cap, "pads", pads, 2 * p->n);
}

static size_t product(const int64_t *v, uint32_t n) {
  size_t k = 1;

  for (uint32_t i = 0; i < n; i++) k *= (size_t)v[i];
  return k;
}

/* Place of tap k of output o along all axes; SIZE_MAX outside. */
static size_t place(const plan *p, const int64_t *in, const int64_t *out,
                    size_t o, size_t k) {
  size_t at = 0, scale = 1;

  for (uint32_t i = p->n; i-- > 0;) {
    const int64_t x = (int64_t)(o % (size_t)out[i]) * p->stride[i] +
                      (int64_t)(k % (size_t)p->kernel[i]) * p->dilation[i] -
                      p->head[i];
    if (x < 0 || x >= in[i]) return SIZE_MAX;
    o /= (size_t)out[i];
    k /= (size_t)p->kernel[i];
    at += (size_t)x * scale;
    scale *= (size_t)in[i];
  }
  return at;
}

static double element(const oq_tensor *t, size_t i) {
  const oq_ctensor c = oq_tensor_const(t);

  return oq_element_f64(&c, i);
}

/* What output channel m starts with. */
static double bias_of(const op_case *c, const plan *p, size_t m) {
  return p->bias ? element(&c->in[2], m) : 0.0;
}

static double *plain_conv(const op_case *c, const plan *p) {
  const size_t taps = product(p->kernel, p->n), in = product(p->in, p->n),
               out = product(p->out, p->n), m = (size_t)(p->group * p->out_ch);
  const size_t ci = (size_t)p->in_ch, co = (size_t)p->out_ch;
  double *const y = calloc((size_t)p->batch * m * out, sizeof *y);

  assert_non_null(y);
  for (size_t bm = 0; bm < (size_t)p->batch * m; bm++) {
    for (size_t o = 0; o < out; o++) {
      y[bm * out + o] = bias_of(c, p, bm % m);
      for (size_t k = 0; k < taps; k++) {
        const size_t at = place(p, p->in, p->out, o, k);
        for (size_t i = 0; i < ci && at != SIZE_MAX; i++)
          y[bm * out + o] += element(&c->in[0], (bm / co * ci + i) * in + at) *
                             element(&c->in[1], (bm % m * ci + i) * taps + k);
      }
    }
  }
  return y;
}

/* The window goes over the outputs here: p->out is the bigger side. */
static double *plain_transpose(const op_case *c, const plan *p) {
  const size_t taps = product(p->kernel, p->n), in = product(p->in, p->n),
               out = product(p->out, p->n), m = (size_t)(p->group * p->out_ch);
  const size_t ci = (size_t)p->in_ch, co = (size_t)p->out_ch;
  double *const y = calloc((size_t)p->batch * m * out, sizeof *y);

  assert_non_null(y);
  for (size_t bm = 0; bm < (size_t)p->batch * m; bm++) {
    const size_t g = bm % m / co;
    for (size_t o = 0; o < out; o++) y[bm * out + o] = bias_of(c, p, bm % m);
    for (size_t k = 0; k < taps * in; k++) {
      const size_t at = place(p, p->out, p->in, k % in, k / in);
      for (size_t i = 0; i < ci && at != SIZE_MAX; i++)
        y[bm * out + at] +=
            element(&c->in[0], (bm / co * ci + i) * in + k % in) *
            element(&c->in[1], ((g * ci + i) * co + bm % co) * taps + k / in);
    }
  }
  return y;
}

static void run_plan(plan *p, bool transpose, oq_dtype t, double tolerance) {
  op_case c;
  char x[96], w[96], y[96], attrs[256];

  for (uint32_t i = 0; i < p->n; i++) {
    const int64_t span = (p->kernel[i] - 1) * p->dilation[i] + 1;
    const int64_t pads = p->head[i] + p->tail[i];
    p->out[i] = transpose
                    ? (p->in[i] - 1) * p->stride[i] + span - pads + p->extra[i]
                    : (p->in[i] + pads - span) / p->stride[i] + 1;
    if (p->out[i] < 1) return;
  }
  print_dims(x, sizeof x, p->batch, p->group * p->in_ch, p->in, p->n);
  print_dims(w, sizeof w,
             transpose ? p->group * p->in_ch : p->group * p->out_ch,
             transpose ? p->out_ch : p->in_ch, p->kernel, p->n);
  print_dims(y, sizeof y, p->batch, p->group * p->out_ch, p->out, p->n);
  print_attrs(attrs, sizeof attrs, p);
  if (transpose)
    print_list(attrs, sizeof attrs, "output_padding", p->extra, p->n);
  case_open(&c, 13);
  case_numbers(&c, t, x, 1);
  case_numbers(&c, t, w, 2);
  (void)snprintf(w, sizeof w, "%lld", (long long)(p->group * p->out_ch));
  if (p->bias) case_numbers(&c, t, w, 3);
  case_run(&c, transpose ? "ConvTranspose" : "Conv", 1, attrs);
  double *const want = transpose ? plain_transpose(&c, p) : plain_conv(&c, p);
  case_is(&c, 0, y, want, tolerance);
  free(want);
  case_close(&c);
}

static void conv_any(void **state) {
  (void)state;
  seed = 7;
  for (int i = 0; i < 90; i++) {
    plan p;
    draw_plan(&p, (uint32_t)(i % 3) + 1, i % 3 == 2 ? 7 : 14);
    run_plan(&p, false, OQ_DT_F32, 1e-5);
    run_plan(&p, false, OQ_DT_F64, 1e-12);
  }
}

static void transpose_any(void **state) {
  (void)state;
  seed = 8;
  for (int i = 0; i < 60; i++) {
    plan p;
    draw_plan(&p, (uint32_t)(i % 3) + 1, i % 3 == 2 ? 4 : 7);
    run_plan(&p, true, OQ_DT_F32, 1e-5);
    run_plan(&p, true, OQ_DT_F64, 1e-12);
  }
}

static void conv_halves(void **state) {
  plan p = {2,      1,      1,      2,      3,   {6, 6}, {3, 3},
            {1, 1}, {1, 1}, {1, 1}, {1, 1}, {0}, {0},    true};

  (void)state;
  run_plan(&p, false, OQ_DT_F16, 4e-3);
  run_plan(&p, false, OQ_DT_BF16, 4e-2);
  run_plan(&p, true, OQ_DT_F16, 4e-3);
}

/* Wide maps: several tiles of columns, strips of rows and of columns. */
static void conv_wide(void **state) {
  plan tiles = {2,      1,      1,      64,     2,   {40, 60}, {3, 3},
                {1, 1}, {1, 1}, {1, 0}, {0, 1}, {0}, {0},      true};
  plan point = {2,      1,      1,      300,    3,   {30, 41}, {1, 1},
                {1, 1}, {1, 1}, {0, 0}, {0, 0}, {0}, {0},      false};
  plan line = {1, 1, 1, 50, 2, {9000}, {3}, {1}, {2}, {1}, {2}, {0}, {0}, true};
  plan deep = {1, 1, 1, 9000, 1, {9}, {5}, {1}, {1}, {0}, {0}, {0}, {0}, true};
  plan cut_deep = {2,      1,      1,      700,    1,   {16, 16}, {3, 3},
                   {1, 1}, {1, 1}, {0, 0}, {0, 0}, {0}, {0},      true};
  plan depthwise = {2,      1,      3,      1,      1,   {90, 150}, {5, 3},
                    {2, 1}, {1, 3}, {2, 3}, {1, 3}, {0}, {0},       true};
  plan depth_line = {1,   1,   2,   1,   2,   {9001}, {4},
                     {2}, {1}, {1}, {2}, {0}, {0},    true};
  plan spread = {2,      1,      1,      2,      70,     {30, 31}, {3, 3},
                 {2, 2}, {1, 1}, {1, 0}, {1, 1}, {1, 0}, {0},      true};

  (void)state;
  run_plan(&tiles, false, OQ_DT_F32, 1e-4);
  run_plan(&point, false, OQ_DT_F32, 1e-4);
  run_plan(&line, false, OQ_DT_F32, 1e-4);
  run_plan(&deep, false, OQ_DT_F32, 2e-2);
  run_plan(&cut_deep, false, OQ_DT_F32, 1e-3);
  run_plan(&depthwise, false, OQ_DT_F32, 1e-5);
  run_plan(&depth_line, false, OQ_DT_F32, 1e-5);
  run_plan(&spread, true, OQ_DT_F32, 1e-5);
}

/* One sample or two at once: the same bits. */
static void conv_samples_agree(void **state) {
  op_case one, two;

  (void)state;
  case_open(&one, 13);
  case_numbers(&one, OQ_DT_F32, "1,8,33,35", 5);
  case_numbers(&one, OQ_DT_F32, "6,8,3,3", 6);
  case_run(&one, "Conv", 1, "pads=[1,1,1,1] strides=[2,1]");
  case_open(&two, 13);
  oq_tensor *const x = case_next(&two, OQ_DT_F32, "2,8,33,35");
  for (size_t i = 0; i < 2; i++)
    memcpy((uint8_t *)x->data + i * one.in[0].size, one.in[0].data,
           one.in[0].size);
  case_numbers(&two, OQ_DT_F32, "6,8,3,3", 6);
  case_run(&two, "Conv", 1, "pads=[1,1,1,1] strides=[2,1]");
  for (size_t i = 0; i < 2; i++)
    assert_memory_equal((uint8_t *)two.out[0].data + i * one.out[0].size,
                        one.out[0].data, one.out[0].size);
  case_close(&one);
  case_close(&two);
}

/* ---- sizes --------------------------------------------------------------- */
static void conv_padding(void **state) {
  static const struct {
    const char *attrs, *y;
  } rows[] = {
      {"auto_pad=VALID", "1,1,5,4"},
      {"auto_pad=SAME_UPPER", "1,1,7,6"},
      {"auto_pad=SAME_LOWER strides=[2,3]", "1,1,4,2"},
      {"pads=[0,1,2,3]", "1,1,7,8"},
      {"pads=[0,1,2,3] strides=[3,2]", "1,1,3,4"},
  };

  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    op_case c;
    case_open(&c, 11);
    case_numbers(&c, OQ_DT_F32, "1,2,7,6", 1);
    case_numbers(&c, OQ_DT_F32, "1,2,3,3", 2);
    case_run(&c, "Conv", 1, rows[i].attrs);
    case_has_shape(&c, 0, rows[i].y);
    case_close(&c);
  }
}

/* SAME_UPPER puts the odd one at the end, SAME_LOWER in front. */
static void conv_same(void **state) {
  static const float x[] = {1, 2, 3}, w[] = {1, 10};
  op_case c;

  (void)state;
  case_open(&c, 13);
  case_f32(&c, "1,1,3", x);
  case_f32(&c, "1,1,2", w);
  case_run(&c, "Conv", 1, "auto_pad=SAME_UPPER");
  case_is_f32(&c, 0, "1,1,3", (float[]){21, 32, 3}, 0);
  case_close(&c);
  case_open(&c, 13);
  case_f32(&c, "1,1,3", x);
  case_f32(&c, "1,1,2", w);
  case_run(&c, "Conv", 1, "auto_pad=SAME_LOWER");
  case_is_f32(&c, 0, "1,1,3", (float[]){10, 21, 32}, 0);
  case_close(&c);
}

static void transpose_output_shape(void **state) {
  static const struct {
    const char *attrs, *y;
  } rows[] = {
      {"strides=[3,2] output_shape=[10,8]", "1,2,10,8"},
      {"strides=[3,2] output_shape=[1,2,10,8]", "1,2,10,8"},
      {"strides=[3,2] output_padding=[1,1]", "1,2,10,8"},
      {"auto_pad=SAME_UPPER strides=[2,2]", "1,2,6,6"},
      {"strides=[3,2] auto_pad=VALID", "1,2,9,7"},
  };

  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    op_case c;
    case_open(&c, 11);
    case_numbers(&c, OQ_DT_F32, "1,1,3,3", 1);
    case_numbers(&c, OQ_DT_F32, "1,2,3,3", 2);
    case_run(&c, "ConvTranspose", 1, rows[i].attrs);
    case_has_shape(&c, 0, rows[i].y);
    case_close(&c);
  }
}

static void empty_batches(void **state) {
  op_case c;

  (void)state;
  case_open(&c, 13);
  case_f32(&c, "0,2,5,5", NULL);
  case_numbers(&c, OQ_DT_F32, "3,2,3,3", 1);
  case_run(&c, "Conv", 1, "");
  case_has_shape(&c, 0, "0,3,3,3");
  case_close(&c);
  case_open(&c, 13);
  case_f32(&c, "1,0,3", NULL);
  case_f32(&c, "2,0,2", NULL);
  case_f32(&c, "2", (float[]){5, 6});
  case_run(&c, "Conv", 1, "");
  case_is_f32(&c, 0, "1,2,2", (float[]){5, 5, 6, 6}, 0);
  case_close(&c);
}

static void infer_partly(void **state) {
  (void)state;
  infers(13, "Conv", "", "N,3,H,8;6,3,3,3", "N,6,H-2,6");
  infers(13, "Conv", "kernel_shape=[3,3]", "N,3,10,8;*", "N,?,8,6");
  infers(13, "Conv", "", "*;6,3,3,3", "?,6,?,?");
  infers(13, "Conv", "", "*;*", "*");
  infers(13, "Conv", "", "1,3,9,9;?,3,3,3;4", "1,4,7,7");
  infers(13, "ConvTranspose", "group=2 strides=[2]", "N,4,5;4,3,2", "N,6,10");
  infers(13, "ConvTranspose", "", "N,4,L;4,3,2", "N,3,L+1");
}

/* ---- refusals ------------------------------------------------------------ */
static void refuse(const char *op, const char *x, const char *w,
                   const char *bias, const char *attrs, oq_status s,
                   const char *id) {
  op_case c;

  case_open(&c, 13);
  case_numbers(&c, OQ_DT_F32, x, 1);
  case_numbers(&c, OQ_DT_F32, w, 2);
  if (bias != NULL) case_numbers(&c, OQ_DT_F32, bias, 3);
  case_refuses(&c, op, attrs, s, id);
}

static void refusals(void **state) {
  static const char *const x = "1,4,5,5", *const w = "2,4,3,3";
  static const struct {
    const char *x, *w, *b, *attrs;
    oq_status s;
    const char *id;
  } rows[] = {
      {x, w, NULL, "strides=[0,1]", OQ_E_MODEL, "window.attr"},
      {x, w, NULL, "strides=[-1,1]", OQ_E_MODEL, "window.attr"},
      {x, w, NULL, "dilations=[1,0]", OQ_E_MODEL, "window.attr"},
      {x, w, NULL, "pads=[1,1,-1,1]", OQ_E_MODEL, "window.attr"},
      {x, w, NULL, "pads=[1,1,1]", OQ_E_MODEL, "window.attr"},
      {x, w, NULL, "strides=[1]", OQ_E_MODEL, "window.attr"},
      {x, w, NULL, "kernel_shape=[0,3]", OQ_E_MODEL, "window.attr"},
      {x, w, NULL, "kernel_shape=[3,2]", OQ_E_MODEL, "conv.kernel"},
      {x, w, NULL, "group=0", OQ_E_MODEL, "op.attr"},
      {x, w, NULL, "group=2", OQ_E_MODEL, "conv.channels"},
      {x, "3,2,3,3", NULL, "group=2", OQ_E_MODEL, "conv.group"},
      {x, "2,3,3,3", NULL, "", OQ_E_MODEL, "conv.channels"},
      {x, "2,4,3", NULL, "", OQ_E_MODEL, "conv.rank"},
      {x, "2,4,3,3,1", NULL, "", OQ_E_MODEL, "conv.rank"},
      {"4,4", "4,4", NULL, "", OQ_E_MODEL, "conv.rank"},
      {x, w, "3", "", OQ_E_MODEL, "conv.channels"},
      {x, w, "2,1", "", OQ_E_MODEL, "conv.bias"},
      {x, "2,4,6,3", NULL, "", OQ_E_MODEL, "window.size"},
      {x, "2,4,3,3", NULL, "dilations=[3,1]", OQ_E_MODEL, "window.size"},
      {x, w, NULL, "dilations=[9223372036854775807,1]", OQ_E_LIMIT,
       "window.size"},
      {x, w, NULL, "pads=[9223372036854775807,0,9223372036854775807,0]",
       OQ_E_LIMIT, "window.size"},
      {x, w, NULL, "pads=[4000000000,0,0,0]", OQ_E_LIMIT, "conv.size"},
      {x, w, NULL, "auto_pad=SOME", OQ_E_MODEL, "op.attr"},
  };

  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
    refuse("Conv", rows[i].x, rows[i].w, rows[i].b, rows[i].attrs, rows[i].s,
           rows[i].id);
}

static void transpose_refusals(void **state) {
  static const char *const x = "1,4,5,5", *const w = "4,2,3,3";

  (void)state;
  refuse("ConvTranspose", x, w, NULL, "output_padding=[1]", OQ_E_MODEL,
         "conv.output_padding");
  refuse("ConvTranspose", x, w, NULL, "output_padding=[-1,0]", OQ_E_MODEL,
         "conv.output_padding");
  refuse("ConvTranspose", x, w, NULL, "output_shape=[5]", OQ_E_MODEL,
         "conv.output_shape");
  refuse("ConvTranspose", x, w, NULL, "output_shape=[0,5]", OQ_E_MODEL,
         "window.size");
  refuse("ConvTranspose", x, w, NULL, "pads=[9,0,0,0]", OQ_E_MODEL,
         "window.size");
  refuse("ConvTranspose", x, "3,2,3,3", NULL, "", OQ_E_MODEL, "conv.channels");
  refuse("ConvTranspose", x, w, NULL, "group=3", OQ_E_MODEL, "conv.group");
  refuse("ConvTranspose", x, w, NULL, "strides=[9223372036854775807,1]",
         OQ_E_LIMIT, "window.size");
}

static void types_must_agree(void **state) {
  op_case c;

  (void)state;
  case_open(&c, 13);
  case_numbers(&c, OQ_DT_F32, "1,1,3", 1);
  case_numbers(&c, OQ_DT_F64, "1,1,3", 1);
  case_refuses(&c, "Conv", "", OQ_E_MODEL, "op.dtype");
}

static void macs(void **state) {
  op_case c;

  (void)state;
  case_open(&c, 13);
  case_numbers(&c, OQ_DT_F32, "2,4,5,5", 1);
  case_numbers(&c, OQ_DT_F32, "6,2,3,3", 2);
  case_run(&c, "Conv", 1, "group=2");
  const oq_node *const n = &c.b.g->nodes[0];
  const oq_shape *const in[] = {&c.in[0].shape, &c.in[1].shape};
  assert_int_equal(n->def->macs(n->params, in, &c.out[0].shape),
                   2 * 6 * 3 * 3 * 2 * 9);
  case_close(&c);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(conv_any),
      cmocka_unit_test(transpose_any),
      cmocka_unit_test(conv_halves),
      cmocka_unit_test(conv_wide),
      cmocka_unit_test(conv_samples_agree),
      cmocka_unit_test(conv_padding),
      cmocka_unit_test(conv_same),
      cmocka_unit_test(transpose_output_shape),
      cmocka_unit_test(empty_batches),
      cmocka_unit_test(infer_partly),
      cmocka_unit_test(refusals),
      cmocka_unit_test(transpose_refusals),
      cmocka_unit_test(types_must_agree),
      cmocka_unit_test(macs),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
