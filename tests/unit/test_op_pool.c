/* Pools against plain loops in double; window rules; what they refuse. */
#include "op_case.h"

typedef struct plan {
  uint32_t n;
  int64_t planes;
  int64_t in[3], kernel[3], stride[3], dilation[3], head[3], tail[3], out[3];
  bool ceil, include_pad, column_major;
} plan;

static uint32_t seed;

static int64_t draw(int64_t lo, int64_t hi) {
  seed = seed * 1664525u + 1013904223u;
  return lo + (int64_t)(seed >> 8) % (hi - lo + 1);
}

static int64_t less(int64_t a, int64_t b) { return a < b ? a : b; }

static void draw_plan(plan *p, uint32_t n, int64_t size) {
  *p = (plan){.n = n,
              .planes = draw(1, 3),
              .ceil = draw(0, 1) != 0,
              .include_pad = draw(0, 1) != 0,
              .column_major = draw(0, 1) != 0};
  for (uint32_t i = 0; i < n; i++) {
    p->kernel[i] = draw(1, 5);
    p->stride[i] = draw(1, 3);
    p->dilation[i] = draw(1, 2);
    p->head[i] = draw(0, less(2, p->kernel[i] - 1));
    p->tail[i] = draw(0, less(2, p->kernel[i] - 1));
    const int64_t span = (p->kernel[i] - 1) * p->dilation[i] + 1;
    p->in[i] = draw(span, span + size);
    const int64_t room = p->in[i] + p->head[i] + p->tail[i] - span;
    p->out[i] = room / p->stride[i] + 1;
    if (p->ceil && room % p->stride[i] != 0 &&
        p->out[i] * p->stride[i] < p->in[i] + p->head[i])
      p->out[i]++;
  }
}

static void print_list(char *out, size_t cap, const char *before,
                       const int64_t *v, uint32_t n, const char *after) {
  size_t at = strlen(out);

  at += (size_t)snprintf(out + at, cap - at, "%s", before);
  for (uint32_t i = 0; i < n; i++)
    at += (size_t)snprintf(out + at, cap - at, "%s%lld", i == 0 ? "" : ",",
                           (long long)v[i]);
  (void)snprintf(out + at, cap - at, "%s", after);
}

static void print_attrs(char *out, size_t cap, const plan *p, bool max) {
  int64_t pads[6];

  for (uint32_t i = 0; i < p->n; i++) {
    pads[i] = p->head[i];
    pads[p->n + i] = p->tail[i];
  }
  (void)snprintf(out, cap, "ceil_mode=%d %s=%d", p->ceil,
                 max ? "storage_order" : "count_include_pad",
                 max ? p->column_major : p->include_pad);
  print_list(out, cap, " kernel_shape=[", p->kernel, p->n, "]");
  print_list(out, cap, " strides=[", p->stride, p->n, "]");
  print_list(out, cap, " dilations=[", p->dilation, p->n, "]");
  print_list(out, cap, " pads=[", pads, 2 * p->n, "]");
}

static size_t product(const int64_t *v, uint32_t n) {
  size_t k = 1;

  for (uint32_t i = 0; i < n; i++) k *= (size_t)v[i];
  return k;
}

typedef struct tap {   /* what tap k of output o meets */
  bool inside, padded; /* in the input; in the input or its padding */
  size_t at, column;
} tap;

static tap look(const plan *p, size_t o, size_t k) {
  tap t = {true, true, 0, 0};
  size_t scale = 1;
  int64_t x[3];

  for (uint32_t i = p->n; i-- > 0;) {
    x[i] = (int64_t)(o % (size_t)p->out[i]) * p->stride[i] +
           (int64_t)(k % (size_t)p->kernel[i]) * p->dilation[i] - p->head[i];
    o /= (size_t)p->out[i];
    k /= (size_t)p->kernel[i];
    t.inside = t.inside && x[i] >= 0 && x[i] < p->in[i];
    t.padded = t.padded && x[i] < p->in[i] + p->tail[i];
    t.at += (size_t)x[i] * scale;
    scale *= (size_t)p->in[i];
  }
  scale = 1;
  for (uint32_t i = 0; i < p->n; i++) {
    t.column += (size_t)x[i] * scale;
    scale *= (size_t)p->in[i];
  }
  return t;
}

static double plain_max(const op_case *c, const plan *p, size_t plane, size_t o,
                        double *index) {
  const oq_ctensor x = oq_tensor_const(&c->in[0]);
  const size_t in = product(p->in, p->n);
  double best = -INFINITY;

  for (size_t k = 0; k < product(p->kernel, p->n); k++) {
    const tap t = look(p, o, k);
    if (!t.inside || oq_element_f64(&x, plane * in + t.at) <= best) continue;
    best = oq_element_f64(&x, plane * in + t.at);
    *index = (double)(plane * in + (p->column_major ? t.column : t.at));
  }
  return best;
}

static double plain_mean(const op_case *c, const plan *p, size_t plane,
                         size_t o) {
  const oq_ctensor x = oq_tensor_const(&c->in[0]);
  double sum = 0, n = 0;

  for (size_t k = 0; k < product(p->kernel, p->n); k++) {
    const tap t = look(p, o, k);
    if (t.inside)
      sum += oq_element_f64(&x, plane * product(p->in, p->n) + t.at);
    if (p->include_pad ? t.padded : t.inside) n++;
  }
  return sum / n;
}

static void run_plan(const plan *p, oq_dtype t, bool max, uint32_t n_out) {
  const size_t out = product(p->out, p->n), all = (size_t)p->planes * out;
  op_case c;
  char x[96] = "", y[96] = "", attrs[256];
  double *const want = calloc(2 * all, sizeof *want);

  assert_non_null(want);
  (void)snprintf(x, sizeof x, "1,%lld", (long long)p->planes);
  (void)snprintf(y, sizeof y, "1,%lld", (long long)p->planes);
  for (uint32_t i = 0; i < p->n; i++) {
    print_list(x, sizeof x, ",", &p->in[i], 1, "");
    print_list(y, sizeof y, ",", &p->out[i], 1, "");
  }
  print_attrs(attrs, sizeof attrs, p, max);
  case_open(&c, 22);
  case_numbers(&c, t, x, 4);
  case_run(&c, max ? "MaxPool" : "AveragePool", n_out, attrs);
  for (size_t i = 0; i < all; i++)
    want[i] = max ? plain_max(&c, p, i / out, i % out, &want[all + i])
                  : plain_mean(&c, p, i / out, i % out);
  case_is(&c, 0, y, want, max ? 0 : 1e-6);
  if (n_out > 1) case_is(&c, 1, y, want + all, 0);
  free(want);
  case_close(&c);
}

static void pools_any(void **state) {
  (void)state;
  seed = 3;
  for (int i = 0; i < 90; i++) {
    plan p;
    draw_plan(&p, (uint32_t)(i % 3) + 1, i % 3 == 2 ? 5 : 20);
    run_plan(&p, OQ_DT_F32, true, 1);
    run_plan(&p, OQ_DT_F32, true, 2);
    run_plan(&p, OQ_DT_F64, true, 2);
    run_plan(&p, OQ_DT_I8, true, 2);
    run_plan(&p, OQ_DT_F32, false, 1);
    run_plan(&p, OQ_DT_F64, false, 1);
  }
}

/* Strips of rows and of columns. */
static void pools_wide(void **state) {
  plan map = {2,      2,      {200, 150}, {3, 2}, {2, 1}, {1, 1},
              {1, 0}, {1, 1}, {100, 150}, false,  false,  false};
  plan line = {1,   2,   {9000}, {3},   {1},  {2},
               {1}, {2}, {8999}, false, true, false};

  (void)state;
  run_plan(&map, OQ_DT_F32, true, 1);
  run_plan(&map, OQ_DT_F32, false, 1);
  run_plan(&line, OQ_DT_F32, true, 1);
  run_plan(&line, OQ_DT_F32, false, 1);
}

static void max_meets_nan(void **state) {
  const float x[] = {1, NAN, 3, 4, -INFINITY, -INFINITY};
  const float want[] = {NAN, NAN, 4, 4, -INFINITY};
  op_case c;

  (void)state;
  for (uint32_t n_out = 1; n_out <= 2; n_out++) {
    case_open(&c, 13);
    case_f32(&c, "1,1,6", x);
    case_run(&c, "MaxPool", n_out, "kernel_shape=[2]");
    case_is_f32(&c, 0, "1,1,5", want, 0);
    case_close(&c);
  }
}

/* A window that would start in the tail padding is dropped. */
static void ceil_drops_windows(void **state) {
  op_case c;

  (void)state;
  case_open(&c, 13);
  case_f32(&c, "1,1,4", (float[]){1, 2, 3, 4});
  case_run(&c, "MaxPool", 1,
           "kernel_shape=[3] strides=[3] pads=[1,1] ceil_mode=1");
  case_is_f32(&c, 0, "1,1,2", (float[]){2, 4}, 0);
  case_close(&c);
  case_open(&c, 13);
  case_f32(&c, "1,1,2", (float[]){1, 2});
  case_run(&c, "AveragePool", 1, "kernel_shape=[3] strides=[2] ceil_mode=1");
  case_is_f32(&c, 0, "1,1,1", (float[]){1.5f}, 0);
  case_close(&c);
}

/* A window of 2^60 taps over four numbers takes no longer than four. */
static void huge_windows(void **state) {
  static const char *const attrs =
      "kernel_shape=[1073741824,1073741824] strides=[4294967296,4294967296] "
      "pads=[1073741823,1073741823,1073741823,1073741823]";
  op_case c;

  (void)state;
  for (uint32_t n_out = 1; n_out <= 2; n_out++) {
    case_open(&c, 13);
    case_f32(&c, "1,1,2,2", (float[]){1, 4, 3, 2});
    case_run(&c, "MaxPool", n_out, attrs);
    case_is_f32(&c, 0, "1,1,1,1", (float[]){1}, 0);
    case_close(&c);
  }
  case_open(&c, 13);
  case_f32(&c, "1,1,2,2", (float[]){1, 4, 3, 2});
  case_run(&c, "AveragePool", 1, attrs);
  case_is_f32(&c, 0, "1,1,1,1", (float[]){1}, 0);
  case_close(&c);
}

static void global_pools(void **state) {
  const float x[] = {1, 2, 3, 6, -1, -2, -3, -6};
  op_case c;

  (void)state;
  case_open(&c, 13);
  case_f32(&c, "1,2,2,2", x);
  case_run(&c, "GlobalAveragePool", 1, "");
  case_is_f32(&c, 0, "1,2,1,1", (float[]){3, -3}, 0);
  case_close(&c);
  case_open(&c, 13);
  case_f32(&c, "1,2,4", x);
  case_run(&c, "GlobalMaxPool", 1, "");
  case_is_f32(&c, 0, "1,2,1", (float[]){6, -1}, 0);
  case_close(&c);
}

static void global_mean_of_many(void **state) {
  op_case c;
  double sum = 0;

  (void)state;
  case_open(&c, 13);
  case_numbers(&c, OQ_DT_F32, "1,1,37,41", 9);
  case_run(&c, "GlobalAveragePool", 1, "");
  for (size_t i = 0; i < 37 * 41; i++)
    sum += (double)((const float *)c.in[0].data)[i];
  case_is(&c, 0, "1,1,1,1", (double[]){sum / (37 * 41)}, 1e-6);
  case_close(&c);
}

static void infer_partly(void **state) {
  (void)state;
  infers(13, "MaxPool", "kernel_shape=[2,2] strides=[2,2]", "N,C,H,9",
         "N,C,floor(H/2),4");
  infers(13, "MaxPool", "kernel_shape=[2,2]", "*", "*");
  infers(13, "MaxPool", "kernel_shape=[2]", "1,N,5", "1,N,4;1,N,4");
  infers(13, "GlobalAveragePool", "", "N,C,H,W", "N,C,1,1");
  infers(13, "AveragePool", "kernel_shape=[3] auto_pad=SAME_UPPER strides=[2]",
         "N,C,7", "N,C,4");
}

static void refuse(const char *op, const char *x, const char *attrs,
                   oq_status s, const char *id) {
  op_case c;

  case_open(&c, 13);
  case_numbers(&c, OQ_DT_F32, x, 1);
  case_refuses(&c, op, attrs, s, id);
}

static void refusals(void **state) {
  static const char *const x = "1,2,5,5";

  (void)state;
  refuse("MaxPool", x, "", OQ_E_MODEL, "op.attr");
  refuse("MaxPool", x, "kernel_shape=[2]", OQ_E_MODEL, "window.attr");
  refuse("MaxPool", x, "kernel_shape=[2,0]", OQ_E_MODEL, "window.attr");
  refuse("MaxPool", x, "kernel_shape=[2,2] strides=[0,1]", OQ_E_MODEL,
         "window.attr");
  refuse("MaxPool", x, "kernel_shape=[2,2] pads=[2,0,0,0]", OQ_E_MODEL,
         "pool.pads");
  refuse("AveragePool", x, "kernel_shape=[6,2]", OQ_E_MODEL, "window.size");
  refuse("AveragePool", "5,5", "kernel_shape=[2]", OQ_E_MODEL, "pool.rank");
  refuse("GlobalMaxPool", "5", "", OQ_E_MODEL, "pool.rank");
  refuse("GlobalMaxPool", "1,1,0", "", OQ_E_MODEL, "pool.empty");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(pools_any),
      cmocka_unit_test(pools_wide),
      cmocka_unit_test(max_meets_nan),
      cmocka_unit_test(ceil_drops_windows),
      cmocka_unit_test(huge_windows),
      cmocka_unit_test(global_pools),
      cmocka_unit_test(global_mean_of_many),
      cmocka_unit_test(infer_partly),
      cmocka_unit_test(refusals),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
