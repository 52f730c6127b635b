/* RNN, GRU and LSTM.  The inputs of all steps go through one GEMM, the state
 * through one per step.  float64 is worked on as it is, all other types in
 * float32. */
#include <string.h>

#include "kern/k_eltwise.h"
#include "kern/k_gemm.h"
#include "kern/k_norm.h"
#include "kern/k_recurrent.h"
#include "ops/op.h"
#include "ops/rules.h"
#include "ops/widen.h"

/* Gates and activations per direction. */
typedef struct cell_kind {
  uint32_t gates, acts;
  const char *dflt[3];
} cell_kind;

static const cell_kind rnn_kind = {1, 1, {"Tanh"}};
static const cell_kind gru_kind = {3, 2, {"Sigmoid", "Tanh"}};
static const cell_kind lstm_kind = {4, 3, {"Sigmoid", "Tanh", "Tanh"}};

typedef struct activation {
  const oq_unary *f;   /* NULL: Affine */
  float alpha, beta;   /* as the loop wants them */
  float before, after; /* ScaledTanh; else 1 */
} activation;

typedef struct recurrent_params {
  int64_t hidden, layout, input_forget, linear_before_reset;
  float clip;
  bool has_clip;
  int32_t direction;
  const oq_attr *names; /* "activations" */
  oq_f32s alpha, beta;
  const cell_kind *kind;
  activation act[6];
} recurrent_params;

enum { FORWARD, REVERSE, BIDIRECTIONAL };
static const char *const directions[] = {"forward", "reverse", "bidirectional",
                                         NULL};

#define P recurrent_params
#define COMMON_ATTRS                                                 \
  OQ_A_F32S(P, alpha, "activation_alpha"),                           \
      OQ_A_F32S(P, beta, "activation_beta"),                         \
      {.name = "activations",                                        \
       .kind = OQ_ATTR_TEXTS,                                        \
       .offset = offsetof(P, names),                                 \
       .min = 1,                                                     \
       .max = 0},                                                    \
      {.name = "clip",                                               \
       .kind = OQ_ATTR_F32,                                          \
       .offset = offsetof(P, clip),                                  \
       .set_offset = offsetof(P, has_clip),                          \
       .min = 1,                                                     \
       .max = 0},                                                    \
      OQ_A_CHOICE(P, direction, "direction", "forward", directions), \
      OQ_A_I64(P, hidden, "hidden_size", 0, 0, INT32_MAX)
#define LAYOUT OQ_A_I64(P, layout, "layout", 0, 0, 1)

static const oq_attr_def rnn_attrs[] = {COMMON_ATTRS, LAYOUT};
static const oq_attr_def gru_attrs[] = {
    COMMON_ATTRS,
    OQ_A_I64(P, linear_before_reset, "linear_before_reset", 0, 1, 0), LAYOUT};
static const oq_attr_def lstm_attrs[] = {
    COMMON_ATTRS, OQ_A_I64(P, input_forget, "input_forget", 0, 1, 0), LAYOUT};
#undef P
enum { RNN_ATTRS_7 = 6, GRU_ATTRS_7 = 7, LSTM_ATTRS_7 = 7 };

static uint32_t n_directions(const recurrent_params *p) {
  return p->direction == BIDIRECTIONAL ? 2 : 1;
}

/* ---- activations --------------------------------------------------------- */
typedef struct act_name {
  const char *name;
  const oq_unary *f;
  bool has_alpha, has_beta;
  float alpha, beta;
} act_name;

static const act_name act_names[] = {
    {"tanh", &oq_k_tanh_op, false, false, 0, 0},
    {"sigmoid", &oq_k_sigmoid_op, false, false, 0, 0},
    {"relu", &oq_k_relu, false, false, 0, 0},
    {"affine", NULL, true, true, 1, 0},
    {"leakyrelu", &oq_k_leaky, true, false, 0.01f, 0},
    {"thresholdedrelu", &oq_k_thresholded, true, false, 1, 0},
    {"scaledtanh", &oq_k_tanh_op, true, true, 1, 1},
    {"hardsigmoid", &oq_k_hard_sigmoid, true, true, 0.2f, 0.5f},
    {"elu", &oq_k_elu, true, false, 1, 0},
    {"softsign", &oq_k_softsign, false, false, 0, 0},
    {"softplus", &oq_k_softplus, false, false, 0, 0},
};

static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* The operator text leaves open how names are written; files differ. */
static const act_name *find_act(const char *s, size_t n) {
  for (size_t i = 0; i < sizeof act_names / sizeof *act_names; i++) {
    size_t k = 0;
    while (k < n && lower(s[k]) == act_names[i].name[k]) k++;
    if (k == n && act_names[i].name[n] == '\0') return &act_names[i];
  }
  return NULL;
}

/* Each function that has a factor takes the next one of the list. */
static float next_factor(const oq_f32s *list, uint32_t *at, float dflt) {
  return *at < list->n ? list->v[(*at)++] : dflt;
}

static void set_act(activation *to, const act_name *a,
                    const recurrent_params *p, uint32_t *alpha,
                    uint32_t *beta) {
  *to = (activation){.f = a->f, .before = 1, .after = 1};
  if (a->has_alpha) to->alpha = next_factor(&p->alpha, alpha, a->alpha);
  if (a->has_beta) to->beta = next_factor(&p->beta, beta, a->beta);
  if (strcmp(a->name, "scaledtanh") != 0) return;
  to->before = to->beta;
  to->after = to->alpha;
}

static oq_status set_acts(const oq_graph *g, const oq_node *n,
                          recurrent_params *p, oq_diags *d) {
  const uint32_t want = p->kind->acts * n_directions(p);
  oq_where w = oq_node_where(g, (oq_node_id){(uint32_t)(n - g->nodes)});
  uint32_t alpha = 0, beta = 0;

  w.attr = "activations";
  if (p->names != NULL && p->names->count != want)
    return oq_fail(d, OQ_E_MODEL, "recurrent.activations", &w,
                   "attribute 'activations' has %u values, expected %u",
                   p->names->count, want);
  for (uint32_t i = 0; i < want; i++) {
    const char *const dflt = p->kind->dflt[i % p->kind->acts];
    const oq_text t =
        p->names != NULL ? p->names->u.texts[i] : (oq_text){dflt, strlen(dflt)};
    const act_name *const a = find_act(t.p, t.n);
    if (a == NULL)
      return oq_fail(d, OQ_E_MODEL, "recurrent.activations", &w,
                     "attribute 'activations' names \"%.*s\", which is no "
                     "activation",
                     (int)(t.n < 64 ? t.n : 64), t.p);
    set_act(&p->act[i], a, p, &alpha, &beta);
  }
  return OQ_OK;
}

static oq_status check_kind(const oq_graph *g, const oq_node *n, void *params,
                            oq_diags *d, const cell_kind *kind) {
  recurrent_params *const p = params;
  oq_where w = oq_node_where(g, (oq_node_id){(uint32_t)(n - g->nodes)});

  p->kind = kind;
  w.attr = "clip";
  if (p->has_clip && !(p->clip >= 0))
    return oq_fail(d, OQ_E_MODEL, "recurrent.clip", &w,
                   "attribute 'clip' is negative");
  return set_acts(g, n, p, d);
}

static oq_status rnn_check(const oq_graph *g, const oq_node *n, void *params,
                           oq_diags *d) {
  return check_kind(g, n, params, d, &rnn_kind);
}
static oq_status gru_check(const oq_graph *g, const oq_node *n, void *params,
                           oq_diags *d) {
  return check_kind(g, n, params, d, &gru_kind);
}
static oq_status lstm_check(const oq_graph *g, const oq_node *n, void *params,
                            oq_diags *d) {
  return check_kind(g, n, params, d, &lstm_kind);
}

/* ---- rule ---------------------------------------------------------------- */
/* Takes what a dim says, or refuses it if it is something else. */
static oq_status unify(const oq_infer *x, oq_dim *to, oq_dim d,
                       const char *what) {
  if (to->size == OQ_DIM_UNKNOWN && d.size != OQ_DIM_UNKNOWN) *to = d;
  if (d.size == OQ_DIM_UNKNOWN || to->size == d.size) {
    if (to->size == OQ_DIM_UNKNOWN && to->symbol.i == 0) *to = d;
    return OQ_OK;
  }
  return oq_infer_fail(x, OQ_E_MODEL, "recurrent.shape",
                       "%s is %lld in one input and %lld in another one", what,
                       (long long)to->size, (long long)d.size);
}

static oq_status check_rank(const oq_infer *x, uint32_t i, uint32_t rank) {
  const oq_type *const t = oq_rule_ranked(x, i);

  if (t == NULL || t->rank == rank) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "recurrent.rank",
                       "input %u has rank %u, expected %u", i, t->rank, rank);
}

typedef struct sizes {
  oq_dim steps, batch, input, hidden, dirs;
} sizes;

/* Dim `k` of input i is `times` times *to. */
static oq_status unify_times(const oq_infer *x, oq_dim *to, uint32_t i,
                             uint32_t k, int64_t times) {
  const oq_type *const t = oq_rule_ranked(x, i);

  if (t == NULL || t->dim[k].size == OQ_DIM_UNKNOWN) return OQ_OK;
  if (t->dim[k].size % times != 0)
    return oq_infer_fail(x, OQ_E_MODEL, "recurrent.shape",
                         "dimension %u of input %u is %lld, expected a "
                         "multiple of %lld",
                         k, i, (long long)t->dim[k].size, (long long)times);
  return unify(x, to, (oq_dim){.size = t->dim[k].size / times},
               "the hidden size");
}

static oq_status unify_dim(const oq_infer *x, oq_dim *to, uint32_t i,
                           uint32_t k, const char *what) {
  const oq_type *const t = oq_rule_ranked(x, i);

  return t == NULL ? OQ_OK : unify(x, to, t->dim[k], what);
}

static oq_status read_state(const oq_infer *x, sizes *s, uint32_t i) {
  const recurrent_params *const p = x->params;
  const uint32_t b = p->layout != 0 ? 0 : 1;

  OQ_TRY(check_rank(x, i, 3));
  OQ_TRY(unify_dim(x, &s->dirs, i, 1 - b, "the number of directions"));
  OQ_TRY(unify_dim(x, &s->batch, i, b, "the batch size"));
  return unify_dim(x, &s->hidden, i, 2, "the hidden size");
}

static oq_status read_sizes(const oq_infer *x, sizes *s) {
  const recurrent_params *const p = x->params;
  const uint32_t t = p->layout != 0 ? 1 : 0, gates = p->kind->gates;
  static const uint32_t rank[] = {3, 3, 3, 2, 1, 3, 3, 2};
  static const uint32_t with_dirs[] = {1, 2, 3, 7};

  for (uint32_t i = 0; i < x->n_in; i++) OQ_TRY(check_rank(x, i, rank[i]));
  for (uint32_t i = 0; i < 4; i++)
    if (with_dirs[i] < x->n_in)
      OQ_TRY(
          unify_dim(x, &s->dirs, with_dirs[i], 0, "the number of directions"));
  OQ_TRY(unify_dim(x, &s->steps, 0, t, "the number of steps"));
  OQ_TRY(unify_dim(x, &s->batch, 0, 1 - t, "the batch size"));
  OQ_TRY(unify_dim(x, &s->input, 0, 2, "the input size"));
  OQ_TRY(unify_dim(x, &s->input, 1, 2, "the input size"));
  OQ_TRY(unify_dim(x, &s->hidden, 2, 2, "the hidden size"));
  OQ_TRY(unify_times(x, &s->hidden, 1, 1, gates));
  OQ_TRY(unify_times(x, &s->hidden, 2, 1, gates));
  OQ_TRY(unify_times(x, &s->hidden, 3, 1, 2 * (int64_t)gates));
  OQ_TRY(unify_dim(x, &s->batch, 4, 0, "the batch size"));
  OQ_TRY(read_state(x, s, 5));
  OQ_TRY(read_state(x, s, 6));
  return unify_times(x, &s->hidden, 7, 1, 3);
}

/* Floats of one type, but for the lengths. */
static oq_status check_dtypes(const oq_infer *x) {
  const oq_dtype lens = oq_infer_dtype(x, 4);

  OQ_TRY(oq_infer_same_dtypes(x, 0, 4));
  OQ_TRY(oq_infer_same_dtypes(x, 5, 8));
  if (lens != OQ_DT_NONE && lens != OQ_DT_I32)
    return oq_infer_fail(x, OQ_E_MODEL, "op.dtype",
                         "input 4 is %s, expected int32",
                         oq_dtype_text((int32_t)lens));
  for (uint32_t i = 5; i < x->n_in; i++)
    if (oq_infer_dtype(x, i) != OQ_DT_NONE &&
        oq_infer_dtype(x, 0) != OQ_DT_NONE &&
        oq_infer_dtype(x, i) != oq_infer_dtype(x, 0))
      return oq_infer_fail(x, OQ_E_MODEL, "op.dtype",
                           "input %u is not of the type of input 0", i);
  return OQ_OK;
}

static oq_status check_least(const oq_infer *x, oq_dim d, const char *what) {
  if (d.size == OQ_DIM_UNKNOWN || (d.size >= 1 && d.size <= INT32_MAX))
    return OQ_OK;
  return oq_infer_fail(x, d.size < 1 ? OQ_E_MODEL : OQ_E_LIMIT,
                       "recurrent.shape", "%s is %lld, expected 1 to %d", what,
                       (long long)d.size, INT32_MAX);
}

static void set_states(oq_infer *x, const sizes *s) {
  const recurrent_params *const p = x->params;
  const uint32_t b = p->layout != 0 ? 0 : 1;

  for (uint32_t i = 1; i < x->n_out; i++) {
    oq_infer_set_rank(x, i, oq_infer_dtype(x, 0), 3);
    x->out[i].dim[1 - b] = s->dirs;
    x->out[i].dim[b] = s->batch;
    x->out[i].dim[2] = s->hidden;
  }
}

static oq_status recurrent_infer(oq_infer *x) {
  const recurrent_params *const p = x->params;
  const oq_dim unknown = {.size = OQ_DIM_UNKNOWN};
  sizes s = {unknown, unknown, unknown, unknown, {.size = n_directions(p)}};

  if (p->hidden > 0) s.hidden.size = p->hidden;
  OQ_TRY(check_dtypes(x));
  OQ_TRY(read_sizes(x, &s));
  OQ_TRY(check_least(x, s.hidden, "the hidden size"));
  OQ_TRY(check_least(x, s.input, "the input size"));
  if (oq_infer_dtype(x, 0) == OQ_DT_NONE || x->n_out == 0) return OQ_OK;
  oq_infer_set_rank(x, 0, oq_infer_dtype(x, 0), 4);
  x->out[0].dim[0] = p->layout != 0 ? s.batch : s.steps;
  x->out[0].dim[1] = p->layout != 0 ? s.steps : s.dirs;
  x->out[0].dim[2] = p->layout != 0 ? s.dirs : s.batch;
  x->out[0].dim[3] = s.hidden;
  set_states(x, &s);
  return OQ_OK;
}

/* ---- loops for one of the two types -------------------------------------- */
/* A number of the type worked in; only ever pointed to. */
typedef struct loops {
  size_t size;
  void (*act)(const activation *a, void *x, size_t n);
  void (*gemm)(const oq_kernels *k, size_t m, size_t n, size_t d, const void *a,
               const void *b, void *c, size_t ldc); /* c += a b' */
  void (*add_product)(void *y, const void *a, const void *b, size_t n);
  void (*blend)(void *y, const void *a, const void *b, const void *c, size_t n);
  void (*product)(void *y, const void *a, const void *b, size_t n);
  void (*mix)(void *y, const void *z, const void *x, size_t n);
  void (*limit)(void *y, const void *x, float c, size_t n);
  void (*affine)(void *y, size_t n, float a, const void *b, size_t step);
} loops;

static void act_f32(const activation *a, void *x, size_t n) {
  const float p[OQ_UNARY_PARAMS] = {a->alpha, a->beta};

  if (a->f == NULL) {
    oq_affine_f32(x, x, n, a->alpha, a->beta);
    return;
  }
  if (a->before != 1) oq_affine_f32(x, x, n, a->before, 0);
  a->f->f32(x, x, n, p);
  if (a->after != 1) oq_affine_f32(x, x, n, a->after, 0);
}

static void act_f64(const activation *a, void *x, size_t n) {
  const double p[OQ_UNARY_PARAMS] = {(double)a->alpha, (double)a->beta};
  double *const v = x;

  for (size_t i = 0; i < n; i++)
    v[i] = a->f == NULL
               ? v[i] * p[0] + p[1]
               : a->f->f64(v[i] * (double)a->before, p) * (double)a->after;
}

/* Up to here rows are products with a vector: no packing of the weights. */
enum { FEW_ROWS = 4 };

static void gemm_f32(const oq_kernels *k, size_t m, size_t n, size_t d,
                     const void *a, const void *b, void *c, size_t ldc) {
  if (m > FEW_ROWS) {
    k->gemm_f32(OQ_NO_TRANS, OQ_TRANS, m, n, d, 1, a, d, b, d, 1, c, ldc);
    return;
  }
  for (size_t i = 0; i < m; i++)
    oq_rows_dot_f32((float *)c + i * ldc, b, (const float *)a + i * d, n, d);
}

static void gemm_f64(const oq_kernels *k, size_t m, size_t n, size_t d,
                     const void *a, const void *b, void *c, size_t ldc) {
  (void)k;
  for (size_t i = 0; i < m; i++)
    oq_gemm_f64(OQ_NO_TRANS, OQ_TRANS, 1, n, d, 1, (const double *)a + i * d, b,
                1, (double *)c + i * ldc);
}

#define WRAP(T, s)                                                            \
  static void add_product_##s(void *y, const void *a, const void *b,          \
                              size_t n) {                                     \
    oq_add_product_##s(y, a, b, n);                                           \
  }                                                                           \
  static void blend_##s(void *y, const void *a, const void *b, const void *c, \
                        size_t n) {                                           \
    oq_blend_##s(y, a, b, c, n);                                              \
  }                                                                           \
  static void product_##s(void *y, const void *a, const void *b, size_t n) {  \
    oq_product_##s(y, a, b, n);                                               \
  }                                                                           \
  static void mix_##s(void *y, const void *z, const void *x, size_t n) {      \
    oq_mix_##s(y, z, x, n);                                                   \
  }                                                                           \
  static void limit_##s(void *y, const void *x, float c, size_t n) {          \
    oq_limit_##s(y, x, (T)c, n);                                              \
  }                                                                           \
  /* y = a y + b, b a vector or (step 0) one number */                        \
  static void affine_##s(void *y, size_t n, float a, const void *b,           \
                         size_t step) {                                       \
    T *const v = y;                                                           \
    const T *const add = b;                                                   \
    for (size_t i = 0; i < n; i++) v[i] = (T)a * v[i] + add[i * step];        \
  }                                                                           \
  static const loops loops_##s = {sizeof(T),       act_##s,   gemm_##s,       \
                                  add_product_##s, blend_##s, product_##s,    \
                                  mix_##s,         limit_##s, affine_##s};

WRAP(float, f32)
WRAP(double, f64)
#undef WRAP

/* ---- one direction ------------------------------------------------------- */
typedef struct task {
  oq_run *r;
  const recurrent_params *p;
  const loops *l;
  size_t steps, batch, input, hidden, gates, dirs, longest;
  const uint8_t *x, *w, *rw, *b, *h0, *c0, *peep;
  const int64_t *lens; /* NULL: all steps */
  uint8_t *y;          /* NULL: not wanted */
  uint8_t *h_out, *c_out;
  /* of the direction at hand */
  size_t dir;
  bool backward;
  const activation *act;
  uint8_t *xw;          /* [steps][batch], or as x has them: [gates * hidden] */
  uint8_t *g;           /* [batch][gates * hidden]: before the activations */
  uint8_t *h, *c, *tmp; /* [batch][hidden] */
} task;

/* Row of x (and of xw) with step s of sample b. */
static size_t row_of(const task *t, size_t s, size_t b) {
  return t->p->layout != 0 ? b * t->steps + s : s * t->batch + b;
}
/* Row of a state with direction and sample. */
static size_t state_row(const task *t, size_t b) {
  return t->p->layout != 0 ? b * t->dirs + t->dir : t->dir * t->batch + b;
}
static size_t y_row(const task *t, size_t s, size_t b) {
  return t->p->layout != 0 ? (b * t->steps + s) * t->dirs + t->dir
                           : (s * t->dirs + t->dir) * t->batch + b;
}
static size_t length_of(const task *t, size_t b) {
  return t->lens != NULL ? (size_t)t->lens[b] : t->steps;
}
static uint8_t *hidden_row(const task *t, uint8_t *p, size_t row) {
  return p + row * t->hidden * t->l->size;
}

/* GRU that multiplies by r what came out of the product: the state's bias of
 * the new value belongs inside. */
static bool resets_product(const task *t) {
  return t->gates == 3 && t->p->linear_before_reset != 0;
}

/* Both biases, except the one that has to wait. */
static void add_biases(const task *t, uint8_t *row, const uint8_t *bias) {
  const size_t n = t->gates * t->hidden;
  const size_t later = resets_product(t) ? t->hidden : 0;

  t->l->affine(row, n, 1, bias, 1);
  t->l->affine(row, n - later, 1, bias + n * t->l->size, 1);
}

static void project_inputs(const task *t) {
  const size_t n = t->gates * t->hidden, rows = t->steps * t->batch;
  const size_t bytes = n * t->l->size;

  memset(t->xw, 0, rows * bytes);
  if (t->b != NULL)
    for (size_t i = 0; i < rows; i++)
      add_biases(t, t->xw + i * bytes, t->b + t->dir * 2 * bytes);
  t->l->gemm(t->r->k, rows, n, t->input, t->x, t->w + t->dir * bytes * t->input,
             t->xw, n);
}

static void start_state(const task *t, uint8_t *to, const uint8_t *from) {
  const size_t bytes = t->hidden * t->l->size;

  for (size_t b = 0; b < t->batch; b++) {
    if (from != NULL)
      memcpy(to + b * bytes, from + state_row(t, b) * bytes, bytes);
    else
      memset(to + b * bytes, 0, bytes);
  }
}

static void activate(const task *t, uint32_t which, uint8_t *x, size_t n) {
  if (t->p->has_clip) t->l->limit(x, x, t->p->clip, n);
  t->l->act(&t->act[which], x, n);
}

/* Gates in the order i o f c. */
static void lstm_row(const task *t, uint8_t *g, uint8_t *h, uint8_t *c,
                     uint8_t *tmp) {
  const loops *const l = t->l;
  const size_t n = t->hidden, bytes = n * l->size;
  uint8_t *const o = g + bytes, *const f = o + bytes, *const v = f + bytes;
  const uint8_t *const peep =
      t->peep != NULL ? t->peep + t->dir * 3 * bytes : NULL;
  static const float one_f32 = 1;
  static const double one_f64 = 1;
  const void *const one =
      l->size == sizeof one_f32 ? (const void *)&one_f32 : &one_f64;

  if (peep != NULL) {
    l->add_product(g, peep, c, n);
    l->add_product(f, peep + 2 * bytes, c, n);
  }
  activate(t, 0, g, n);
  if (t->p->input_forget != 0) {
    memcpy(f, g, bytes);
    l->affine(f, n, -1, one, 0);
  } else {
    activate(t, 0, f, n);
  }
  activate(t, 1, v, n);
  l->blend(c, g, v, f, n);
  if (peep != NULL) l->add_product(o, peep + bytes, c, n);
  activate(t, 0, o, n);
  memcpy(tmp, c, bytes);
  l->act(&t->act[2], tmp,
         n); /* onnxruntime clips only what gates are made of */
  l->product(h, o, tmp, n);
}

static void rnn_row(const task *t, uint8_t *g, uint8_t *h) {
  activate(t, 0, g, t->hidden);
  memcpy(h, g, t->hidden * t->l->size);
}

static bool is_active(const task *t, size_t step, size_t b) {
  return step < length_of(t, b);
}

static size_t time_of(const task *t, size_t step, size_t b) {
  if (!is_active(t, step, b)) return step;
  return t->backward ? length_of(t, b) - 1 - step : step;
}

/* What the inputs contribute; rows that have ended are computed along. */
static void load_gates(const task *t, size_t step) {
  const size_t bytes = t->gates * t->hidden * t->l->size;

  for (size_t b = 0; b < t->batch; b++)
    memcpy(t->g + b * bytes, t->xw + row_of(t, time_of(t, step, b), b) * bytes,
           bytes);
}

/* Gates in the order z r h; those of z and r at once, then h. */
static void gru_gates(const task *t) {
  const loops *const l = t->l;
  const size_t n = t->hidden, bytes = n * l->size;
  const uint8_t *const w = t->rw + t->dir * 3 * n * bytes;
  const uint8_t *const bias =
      t->b != NULL ? t->b + (t->dir * 6 + 5) * bytes : NULL;

  l->gemm(t->r->k, t->batch, 2 * n, n, t->h, w, t->g, 3 * n);
  for (size_t b = 0; b < t->batch; b++)
    activate(t, 0, t->g + 3 * b * bytes, 2 * n);
  memset(t->tmp, 0, t->batch * bytes);
  if (!resets_product(t)) {
    for (size_t b = 0; b < t->batch; b++)
      l->product(t->c + b * bytes, t->g + (3 * b + 1) * bytes, t->h + b * bytes,
                 n);
    l->gemm(t->r->k, t->batch, n, n, t->c, w + 2 * n * bytes, t->tmp, n);
    for (size_t b = 0; b < t->batch; b++)
      l->affine(t->g + (3 * b + 2) * bytes, n, 1, t->tmp + b * bytes, 1);
    return;
  }
  l->gemm(t->r->k, t->batch, n, n, t->h, w + 2 * n * bytes, t->tmp, n);
  for (size_t b = 0; b < t->batch; b++) {
    if (bias != NULL) l->affine(t->tmp + b * bytes, n, 1, bias, 1);
    l->add_product(t->g + (3 * b + 2) * bytes, t->g + (3 * b + 1) * bytes,
                   t->tmp + b * bytes, n);
  }
}

static void one_row(const task *t, size_t b) {
  const size_t bytes = t->hidden * t->l->size;
  uint8_t *const g = t->g + t->gates * b * bytes, *const h = t->h + b * bytes;

  if (t->gates == 1) {
    rnn_row(t, g, h);
  } else if (t->gates == 4) {
    lstm_row(t, g, h, t->c + b * bytes, t->tmp + b * bytes);
  } else {
    activate(t, 1, g + 2 * bytes, t->hidden);
    t->l->mix(h, g, g + 2 * bytes, t->hidden);
  }
}

static void one_step(const task *t, size_t step) {
  const size_t n = t->gates * t->hidden, bytes = t->hidden * t->l->size;

  load_gates(t, step);
  if (t->gates == 3)
    gru_gates(t);
  else
    t->l->gemm(t->r->k, t->batch, n, t->hidden, t->h,
               t->rw + t->dir * n * bytes, t->g, n);
  for (size_t b = 0; b < t->batch; b++) {
    if (!is_active(t, step, b)) continue;
    one_row(t, b);
    if (t->y != NULL)
      memcpy(hidden_row(t, t->y, y_row(t, time_of(t, step, b), b)),
             t->h + b * bytes, bytes);
  }
}

static void end_state(const task *t, uint8_t *to, const uint8_t *from) {
  const size_t bytes = t->hidden * t->l->size;

  for (size_t b = 0; to != NULL && b < t->batch; b++)
    memcpy(to + state_row(t, b) * bytes, from + b * bytes, bytes);
}

static void one_direction(task *t, size_t dir) {
  t->dir = dir;
  t->backward = dir == 1 || t->p->direction == REVERSE;
  t->act = t->p->act + dir * t->p->kind->acts;
  project_inputs(t);
  start_state(t, t->h, t->h0);
  start_state(t, t->c, t->c0);
  for (size_t s = 0; s < t->longest; s++) one_step(t, s);
  end_state(t, t->h_out, t->h);
  end_state(t, t->c_out, t->c);
}

/* ---- run ----------------------------------------------------------------- */
static const oq_ctensor *input(const oq_run *r, uint32_t i) {
  return i < r->n_in ? r->in[i] : NULL;
}

static oq_status read_lens(task *t) {
  const oq_ctensor *const lens = input(t->r, 4);
  uint32_t n;

  t->longest = t->steps;
  if (lens == NULL) return OQ_OK;
  if (oq_ints_read(&t->lens, &n, lens, t->r->scratch) != OQ_OK)
    return oq_fail_memory(t->r->diags);
  t->longest = 0;
  for (size_t b = 0; b < t->batch; b++) {
    if (t->lens[b] < 0 || (size_t)t->lens[b] > t->steps)
      return oq_run_fail(t->r, OQ_E_DATA, "recurrent.lens",
                         "the sequence length of sample %zu is %lld, expected "
                         "0 to %zu",
                         b, (long long)t->lens[b], t->steps);
    if (length_of(t, b) > t->longest) t->longest = length_of(t, b);
  }
  return OQ_OK;
}

/* Inputs and outputs as numbers of the type worked in. */
static oq_status in_number(const uint8_t **out, const task *t, uint32_t i) {
  const float *f;
  const double *d;

  if (t->l == &loops_f64) {
    OQ_TRY(oq_widen_in_f64(&d, t->r, input(t->r, i)));
    *out = (const uint8_t *)d;
  } else {
    OQ_TRY(oq_widen_in(&f, t->r, input(t->r, i)));
    *out = (const uint8_t *)f;
  }
  return OQ_OK;
}

static oq_status out_number(uint8_t **out, const task *t, uint32_t i) {
  float *f;
  double *d;

  *out = NULL;
  if (i >= t->r->n_out || t->r->out[i].data == NULL) return OQ_OK;
  if (t->l == &loops_f64) {
    OQ_TRY(oq_widen_out_f64(&d, t->r, i));
    *out = (uint8_t *)d;
  } else {
    OQ_TRY(oq_widen_out(&f, t->r, i));
    *out = (uint8_t *)f;
  }
  return OQ_OK;
}

static void out_done(const task *t, uint32_t i, const uint8_t *v) {
  if (v == NULL || t->l == &loops_f64) return;
  oq_widen_done(t->r, i, (const float *)(const void *)v);
}

static oq_status take_numbers(task *t) {
  OQ_TRY(in_number(&t->x, t, 0));
  OQ_TRY(in_number(&t->w, t, 1));
  OQ_TRY(in_number(&t->rw, t, 2));
  OQ_TRY(in_number(&t->b, t, 3));
  OQ_TRY(in_number(&t->h0, t, 5));
  OQ_TRY(in_number(&t->c0, t, 6));
  OQ_TRY(in_number(&t->peep, t, 7));
  OQ_TRY(out_number(&t->y, t, 0));
  OQ_TRY(out_number(&t->h_out, t, 1));
  OQ_TRY(out_number(&t->c_out, t, 2));
  return read_lens(t);
}

static uint8_t *room(const task *t, size_t n, size_t each) {
  size_t bytes;

  if (!oq_mul_size(&bytes, each, t->l->size)) return NULL;
  return oq_arena_alloc_raw(t->r->scratch, n, bytes, OQ_ALIGN);
}

static oq_status make_room(task *t) {
  const size_t n = t->gates * t->hidden; /* at most the rows of W */
  size_t rows;

  if (!oq_mul_size(&rows, t->steps, t->batch))
    return oq_fail_memory(t->r->diags);
  t->xw = room(t, rows, n);
  t->g = room(t, t->batch, n);
  t->h = room(t, t->batch, t->hidden);
  t->c = room(t, t->batch, t->hidden);
  t->tmp = room(t, t->batch, t->hidden);
  if (t->xw == NULL || t->g == NULL || t->h == NULL || t->c == NULL ||
      t->tmp == NULL)
    return oq_fail_memory(t->r->diags);
  return OQ_OK;
}

/* Bytes of an output in the type worked in. */
static void clear_out(const task *t, uint32_t i, uint8_t *v) {
  if (v == NULL) return;
  const oq_ctensor y = oq_tensor_const(&t->r->out[i]);
  memset(v, 0, oq_tensor_count(&y) * t->l->size);
}

static oq_status recurrent_run(oq_run *r) {
  const recurrent_params *const p = r->params;
  const oq_shape *const x = &r->in[0]->shape;
  task t = {.r = r,
            .p = p,
            .l = r->in[0]->dtype == OQ_DT_F64 ? &loops_f64 : &loops_f32,
            .steps = (size_t)x->dim[p->layout != 0 ? 1 : 0],
            .batch = (size_t)x->dim[p->layout != 0 ? 0 : 1],
            .input = (size_t)x->dim[2],
            .hidden = (size_t)r->in[2]->shape.dim[2],
            .gates = p->kind->gates,
            .dirs = n_directions(p)};

  OQ_TRY(take_numbers(&t));
  clear_out(&t, 0, t.y); /* behind the end of a sequence */
  if (t.batch > 0) {
    OQ_TRY(make_room(&t));
    for (size_t d = 0; d < t.dirs; d++) one_direction(&t, d);
  }
  out_done(&t, 0, t.y);
  out_done(&t, 1, t.h_out);
  out_done(&t, 2, t.c_out);
  return OQ_OK;
}

static uint64_t recurrent_macs(const void *params, const oq_shape *const *in,
                               const oq_shape *out) {
  uint64_t n = 0;

  (void)params, (void)out;
  if (in[2] == NULL) return 0;
  for (uint32_t i = 1; i <= 2; i++)
    n += (uint64_t)in[i]->dim[0] * (uint64_t)in[i]->dim[1] *
         (uint64_t)in[i]->dim[2];
  return n * (uint64_t)in[0]->dim[0] * (uint64_t)in[0]->dim[1];
}

/* ---- table --------------------------------------------------------------- */
#define ROW(op, from, to, inputs, outputs, table, n, f)                      \
  .domain = "", .name = (op), .since = (from), .last = (to), .min_in = 3,    \
  .max_in = (inputs), .max_out = (outputs), .dtypes = OQ_DTM_FLOAT,          \
  .params_size = sizeof(recurrent_params), .n_attrs = (n), .attrs = (table), \
  .check = (f), .infer = recurrent_infer, .run = recurrent_run,              \
  .macs = recurrent_macs,                                                    \
  .quant = {.cls = OQ_Q_MAP,                                                 \
            .role = {OQ_ROLE_DATA, OQ_ROLE_NONE, OQ_ROLE_NONE, OQ_ROLE_NONE}}

static const oq_op_def defs[] = {
    {ROW("GRU", 7, 13, 6, 2, gru_attrs, GRU_ATTRS_7, gru_check)},
    {ROW("GRU", 14, 27, 6, 2, gru_attrs, GRU_ATTRS_7 + 1, gru_check)},
    {ROW("LSTM", 7, 13, 8, 3, lstm_attrs, LSTM_ATTRS_7, lstm_check)},
    {ROW("LSTM", 14, 27, 8, 3, lstm_attrs, LSTM_ATTRS_7 + 1, lstm_check)},
    {ROW("RNN", 7, 13, 6, 2, rnn_attrs, RNN_ATTRS_7, rnn_check)},
    {ROW("RNN", 14, 27, 6, 2, rnn_attrs, RNN_ATTRS_7 + 1, rnn_check)},
};

OQ_FAMILY(recurrent, defs);
