/* Einsum.  Operands are reduced one by one to a product of matrices with the
 * next: axes that both have and that stay, axes of one alone, and axes that are
 * summed.  Where such a product had too many axes, all are multiplied at once.
 */
#include <string.h>

#include "base/limits.h"
#include "kern/k_eltwise.h"
#include "kern/k_gemm.h"
#include "ops/op.h"
#include "ops/rules.h"

typedef struct einsum_params {
  oq_text equation;
} einsum_params;

static const oq_attr_def einsum_attrs[] = {
    {.name = "equation",
     .kind = OQ_ATTR_TEXT,
     .required = true,
     .offset = offsetof(einsum_params, equation),
     .min = 1,
     .max = 0},
};

/* ---- the equation -------------------------------------------------------- */
/* Labels: letters in the order of their codes, then the axes that an ellipsis
 * stands for, aligned at the last one. */
enum { LETTERS = 52, LABELS = LETTERS + OQ_MAX_RANK, DOTS = 255 };
#define BIT(label) (UINT64_C(1) << (label))

typedef struct term {
  uint32_t n;
  uint8_t label[OQ_MAX_RANK];
} term;

typedef struct equation {
  uint32_t n_in;
  term *in, out;
  int64_t dim[LABELS]; /* 1 until something else is seen */
} equation;

static bool label_of(uint8_t *out, char c) {
  if (c >= 'A' && c <= 'Z')
    *out = (uint8_t)(c - 'A');
  else if (c >= 'a' && c <= 'z')
    *out = (uint8_t)(c - 'a' + 26);
  else
    return false;
  return true;
}

/* Reads one term: letters and at most one DOTS; more than OQ_MAX_RANK letters
 * are an error.  *p is left at what ends it. */
typedef struct raw_term {
  uint32_t n;
  uint8_t label[OQ_MAX_RANK + 1];
  bool dots;
} raw_term;

static bool read_term(raw_term *t, const char **p, const char *end) {
  *t = (raw_term){0};
  for (; *p < end && **p != ',' && **p != '-'; (*p)++) {
    uint8_t label = DOTS;
    if (**p == ' ') continue;
    if (**p == '.') {
      if (t->dots || end - *p < 3 || (*p)[1] != '.' || (*p)[2] != '.')
        return false;
      t->dots = true;
      *p += 2;
    } else if (!label_of(&label, **p)) {
      return false;
    }
    if (label != DOTS && t->n - t->dots >= OQ_MAX_RANK) return false;
    t->label[t->n++] = label;
  }
  return true;
}

static uint32_t letters_of(const raw_term *t) { return t->n - t->dots; }

/* Puts `extra` axes where the dots are. */
static bool spell_out(term *to, const raw_term *t, uint32_t extra) {
  to->n = 0;
  for (uint32_t i = 0; i < t->n; i++) {
    const uint32_t many = t->label[i] == DOTS ? extra : 1;
    if (to->n + many > OQ_MAX_RANK) return false;
    for (uint32_t k = 0; k < many; k++)
      to->label[to->n++] =
          t->label[i] == DOTS ? (uint8_t)(LABELS - extra + k) : t->label[i];
  }
  return true;
}

static oq_status bad_equation(const oq_infer *x, const char *why) {
  const oq_text t = ((const einsum_params *)x->params)->equation;

  return oq_infer_fail(x, OQ_E_MODEL, "einsum.equation",
                       "equation \"%.*s\": %s", (int)(t.n < 64 ? t.n : 64), t.p,
                       why);
}

/* ---- sizes --------------------------------------------------------------- */
static oq_status meet_dim(equation *e, const oq_infer *x, uint8_t label,
                          int64_t size) {
  int64_t *const d = &e->dim[label];

  if (size == 1) return OQ_OK;
  if (*d == 1 || *d == OQ_DIM_UNKNOWN) {
    *d = size;
  } else if (size != OQ_DIM_UNKNOWN && *d != size) {
    return bad_equation(x, "sizes of an index do not fit");
  }
  return OQ_OK;
}

static oq_status read_input(equation *e, const oq_infer *x, uint32_t i,
                            const raw_term *raw, uint32_t *dots) {
  const oq_type *const t = oq_rule_ranked(x, i);
  const uint32_t letters = letters_of(raw);

  if (letters > t->rank || (!raw->dots && letters != t->rank))
    return bad_equation(x, "a term does not have the rank of its input");
  const uint32_t extra = t->rank - letters;
  if (!spell_out(&e->in[i], raw, extra))
    return bad_equation(x, "a term is too long");
  if (extra > *dots) *dots = extra;
  for (uint32_t k = 0; k < t->rank; k++)
    OQ_TRY(meet_dim(e, x, e->in[i].label[k], t->dim[k].size));
  return OQ_OK;
}

/* Without "->": the dots, then letters that stand once, by their codes. */
static bool implicit_output(raw_term *out, const equation *e, bool dots) {
  uint32_t count[LETTERS] = {0};

  *out = (raw_term){.dots = dots};
  if (dots) out->label[out->n++] = DOTS;
  for (uint32_t i = 0; i < e->n_in; i++)
    for (uint32_t k = 0; k < e->in[i].n; k++)
      if (e->in[i].label[k] < LETTERS) count[e->in[i].label[k]]++;
  for (uint8_t l = 0; l < LETTERS; l++) {
    if (count[l] != 1) continue;
    if (letters_of(out) == OQ_MAX_RANK) return false;
    out->label[out->n++] = l;
  }
  return true;
}

static uint64_t labels_of(const term *t) {
  uint64_t set = 0;

  for (uint32_t i = 0; i < t->n; i++) set |= BIT(t->label[i]);
  return set;
}

static oq_status check_output(const oq_infer *x, const equation *e) {
  uint64_t there = 0, seen = 0;

  for (uint32_t i = 0; i < e->n_in; i++) there |= labels_of(&e->in[i]);
  for (uint32_t i = 0; i < e->out.n; i++) {
    const uint64_t bit = BIT(e->out.label[i]);
    if ((seen & bit) != 0)
      return bad_equation(x, "the output names an index twice");
    if ((there & bit) == 0)
      return bad_equation(x, "the output names an index that no input has");
    seen |= bit;
  }
  return OQ_OK;
}

static oq_status read_equation(equation *e, const oq_infer *x) {
  const oq_text text = ((const einsum_params *)x->params)->equation;
  const char *p = text.n != 0 ? text.p : "", *const end = p + text.n;
  uint32_t dots = 0;
  bool any_dots = false;
  raw_term raw;

  for (uint32_t i = 0; i < LABELS; i++) e->dim[i] = 1;
  for (uint32_t i = 0; i < e->n_in; i++) {
    if (!read_term(&raw, &p, end)) return bad_equation(x, "it has no meaning");
    OQ_TRY(read_input(e, x, i, &raw, &dots));
    any_dots = any_dots || raw.dots;
    if (i + 1 == e->n_in) break;
    if (p == end || *p++ != ',')
      return bad_equation(x, "it has fewer terms than there are inputs");
  }
  if (p == end) {
    if (!implicit_output(&raw, e, any_dots))
      return bad_equation(x, "its output has too many dimensions");
  } else {
    if (end - p < 2 || p[0] != '-' || p[1] != '>')
      return bad_equation(x, "it has more terms than there are inputs");
    p += 2;
    if (!read_term(&raw, &p, end) || p != end)
      return bad_equation(x, "its output has no meaning");
  }
  if (!spell_out(&e->out, &raw, dots))
    return bad_equation(x, "its output has too many dimensions");
  return check_output(x, e);
}

static oq_status einsum_infer(oq_infer *x) {
  equation e = {.n_in = x->n_in};

  OQ_TRY(oq_infer_same_dtypes(x, 0, x->n_in));
  OQ_TRY(oq_rule_dtype(x));
  for (uint32_t i = 0; i < x->n_in; i++) {
    if (!oq_value_ok(x->node->in[i]))
      return oq_infer_fail(x, OQ_E_MODEL, "op.input", "input %u is absent", i);
    if (oq_rule_ranked(x, i) == NULL) return OQ_OK;
  }
  e.in = OQ_NEW_N(x->scratch, term, x->n_in);
  if (e.in == NULL) return oq_fail_memory(x->diags);
  OQ_TRY(read_equation(&e, x));
  const oq_dtype t = oq_infer_dtype(x, 0);
  if (t == OQ_DT_NONE) return OQ_OK;
  oq_infer_set_rank(x, 0, t, e.out.n);
  for (uint32_t i = 0; i < e.out.n; i++)
    x->out[0].dim[i].size = e.dim[e.out.label[i]];
  return OQ_OK;
}

/* ---- operands ------------------------------------------------------------ */
/* Numbers of one class; each label stands once, and none has size 1. */
typedef struct operand {
  term t;
  const void *data;
} operand;

typedef struct job {
  oq_run *r;
  equation e;
  oq_num_class cls;
  size_t size;
} job;

static oq_shape shape_of(const job *j, const term *t) {
  oq_shape s = {.rank = t->n};

  for (uint32_t i = 0; i < t->n; i++) s.dim[i] = j->e.dim[t->label[i]];
  return s;
}

static oq_status make(void **out, size_t *count, const job *j, const term *t) {
  const oq_shape s = shape_of(j, t);

  if (oq_shape_count(count, &s) != OQ_OK)
    return oq_run_fail(j->r, OQ_E_LIMIT, "einsum.size",
                       "an intermediate product is too big");
  *out = oq_arena_alloc(j->r->scratch, *count, j->size, OQ_ALIGN);
  return *out != NULL ? OQ_OK : oq_fail_memory(j->r->diags);
}

/* y[offset 0] += x[offset 1]: where operand 0 does not move, sums. */
#define GATHER(T, sfx)                                      \
  static void gather_##sfx(T *y, const T *x, oq_iter *it) { \
    do {                                                    \
      T *const to = y + it->offset[0];                      \
      const T *const from = x + it->offset[1];              \
      const int64_t sy = it->step[0], sx = it->step[1];     \
      for (int64_t i = 0; i < (int64_t)it->run; i++)        \
        to[i * sy] += from[i * sx];                         \
    } while (oq_iter_next(it));                             \
  }
GATHER(float, f32)
GATHER(double, f64)
GATHER(uint64_t, u64)

static void gather(const job *j, void *y, const void *x, oq_iter *it) {
  if (it->run == 0) return;
  if (j->cls == OQ_NUM_F32)
    gather_f32(y, x, it);
  else if (j->cls == OQ_NUM_F64)
    gather_f64(y, x, it);
  else
    gather_u64(y, x, it);
}

/* x, whose axis i is label[i] (labels may repeat: the diagonal) of size dim[i],
 * to an operand with the axes of `to`; all others are summed. */
static oq_status rearrange(operand *out, const job *j, const term *to,
                           const term *from, const oq_shape *s, const void *x) {
  int64_t strides[2][OQ_MAX_RANK] = {{0}}, by_label[LABELS] = {0}, step = 1;
  term all = *to;
  void *y;
  size_t count;
  oq_iter it;

  OQ_TRY(make(&y, &count, j, to));
  out->t = *to;
  out->data = y;
  for (uint32_t i = from->n; i-- > 0;) {
    const uint8_t l = from->label[i];
    if (s->dim[i] == 0) return OQ_OK; /* sums of nothing */
    if (s->dim[i] > 1) by_label[l] += step;
    step *= s->dim[i];
    if (j->e.dim[l] > 1 && (labels_of(&all) & BIT(l)) == 0)
      all.label[all.n++] = l;
  }
  step = 1;
  for (uint32_t i = all.n; i-- > 0;) {
    strides[1][i] = by_label[all.label[i]];
    if (i >= to->n) continue;
    strides[0][i] = step;
    step *= j->e.dim[all.label[i]];
  }
  const oq_shape walk = shape_of(j, &all);
  if (count == 0) return OQ_OK;
  oq_iter_init_strided(&it, &walk, (const int64_t(*)[OQ_MAX_RANK])strides, 2);
  gather(j, y, x, &it);
  return OQ_OK;
}

static bool same_term(const term *a, const term *b) {
  return a->n == b->n && memcmp(a->label, b->label, a->n) == 0;
}

/* The labels of t that are in `set`, or not. */
static void filter(term *out, const term *t, uint64_t set) {
  for (uint32_t i = 0; i < t->n; i++)
    if ((set & BIT(t->label[i])) != 0) out->label[out->n++] = t->label[i];
}

/* Input i with its labels once each, without those of size 1 and those that
 * nobody else has. */
static oq_status take_input(operand *out, const job *j, uint32_t i,
                            uint64_t others) {
  const oq_ctensor *const t = j->r->in[i];
  const int32_t dtype = (int32_t)t->dtype;
  const term *const from = &j->e.in[i];
  const void *x = t->data;
  term to = {.n = 0};
  uint64_t seen = 0;
  bool plain = true;

  for (uint32_t k = 0; k < from->n; k++) {
    const uint8_t l = from->label[k];
    if (j->e.dim[l] == 1 || t->shape.dim[k] == 1) continue;
    plain = plain && (others & BIT(l)) != 0 && (seen & BIT(l)) == 0;
    if ((others & BIT(l)) != 0 && (seen & BIT(l)) == 0) to.label[to.n++] = l;
    seen |= BIT(l);
  }
  if (!oq_k_native(dtype)) {
    void *const wide = oq_arena_alloc_raw(j->r->scratch, oq_tensor_count(t),
                                          j->size, OQ_ALIGN);
    if (wide == NULL) return oq_fail_memory(j->r->diags);
    oq_k_load(wide, t->data, 0, oq_tensor_count(t), dtype);
    x = wide;
  }
  if (!plain) return rearrange(out, j, &to, from, &t->shape, x);
  *out = (operand){to, x};
  return OQ_OK;
}

/* ---- two operands -------------------------------------------------------- */
static void append(term *out, const term *t) {
  for (uint32_t i = 0; i < t->n; i++) out->label[out->n++] = t->label[i];
}

static size_t product_of(const job *j, const term *t) {
  size_t n = 1;

  for (uint32_t i = 0; i < t->n; i++) n *= (size_t)j->e.dim[t->label[i]];
  return n;
}

/* A stack of matrices: batch, then rows and columns or the other way round;
 * moved into the first order if it is in neither. */
static oq_status as_matrices(const void **data, oq_transpose *trans,
                             const job *j, const operand *x, const term *batch,
                             const term *rows, const term *cols) {
  term plain = *batch, swapped = *batch;
  operand moved;

  append(&plain, rows);
  append(&plain, cols);
  append(&swapped, cols);
  append(&swapped, rows);
  *data = x->data;
  *trans = OQ_NO_TRANS;
  if (same_term(&plain, &x->t)) return OQ_OK;
  if (same_term(&swapped, &x->t)) {
    *trans = OQ_TRANS;
    return OQ_OK;
  }
  const oq_shape s = shape_of(j, &x->t);
  OQ_TRY(rearrange(&moved, j, &plain, &x->t, &s, x->data));
  *data = moved.data;
  return OQ_OK;
}

static void multiply(const job *j, oq_transpose ta, oq_transpose tb, size_t m,
                     size_t n, size_t k, const uint8_t *a, const uint8_t *b,
                     uint8_t *c) {
  if (j->cls == OQ_NUM_F32)
    oq_gemm_f32_dense(j->r->k, ta, tb, m, n, k, 1.0f, (const void *)a,
                      (const void *)b, 0.0f, (void *)c);
  else if (j->cls == OQ_NUM_F64)
    oq_gemm_f64(ta, tb, m, n, k, 1.0, (const void *)a, (const void *)b, 0.0,
                (void *)c);
  else
    oq_gemm_u64(ta, tb, m, n, k, 1, (const void *)a, (const void *)b, 0,
                (void *)c);
}

/* a := a x b, with the labels in `keep` only. */
static oq_status contract(operand *a, const job *j, const operand *b,
                          uint64_t keep) {
  const uint64_t la = labels_of(&a->t), lb = labels_of(&b->t);
  term batch = {0}, left = {0}, right = {0}, sum = {0}, out = {0};
  const void *da, *db;
  oq_transpose ta, tb;
  size_t count;
  void *y;

  filter(&batch, &a->t, lb & keep);
  filter(&sum, &a->t, lb & ~keep);
  filter(&left, &a->t, ~lb);
  filter(&right, &b->t, ~la);
  const size_t m = product_of(j, &left), n = product_of(j, &right);
  const size_t k = product_of(j, &sum), stack = product_of(j, &batch);
  if (m > OQ_MAX_GEMM_DIM || n > OQ_MAX_GEMM_DIM || k > OQ_MAX_GEMM_DIM)
    return oq_run_fail(j->r, OQ_E_LIMIT, "einsum.size",
                       "a matrix has more than %d rows or columns",
                       OQ_MAX_GEMM_DIM);
  append(&out, &batch);
  append(&out, &left);
  append(&out, &right);
  OQ_TRY(as_matrices(&da, &ta, j, a, &batch, &left, &sum));
  OQ_TRY(as_matrices(&db, &tb, j, b, &batch, &sum, &right));
  OQ_TRY(make(&y, &count, j, &out));
  for (size_t i = 0; count > 0 && k > 0 && i < stack; i++)
    multiply(j, ta, tb, m, n, k, (const uint8_t *)da + i * m * k * j->size,
             (const uint8_t *)db + i * k * n * j->size,
             (uint8_t *)y + i * m * n * j->size);
  *a = (operand){out, y};
  return OQ_OK;
}

/* ---- all operands at once ------------------------------------------------ */
/* Would their product have more axes than a tensor can have? */
static bool too_many_axes(const operand *a, const operand *b, uint64_t keep) {
  const uint64_t all = (labels_of(&a->t) | labels_of(&b->t)) & keep;

  return __builtin_popcountll(all) > OQ_MAX_RANK;
}

/* Most products of such a walk: seconds, where nothing else bounds it. */
enum { MOST_PRODUCTS = 1 << 27 };

/* A walk over all labels, the last one fastest. */
typedef struct walk {
  uint32_t n_labels, n; /* n operands, the result first */
  size_t dim[LABELS], at[LABELS];
  size_t (*step)[LABELS]; /* by operand */
  size_t *offset;
  const void **data;
} walk;

static bool walk_next(walk *w) {
  for (uint32_t l = w->n_labels; l-- > 0;) {
    const bool over = ++w->at[l] == w->dim[l];
    for (uint32_t i = 0; i < w->n; i++) {
      w->offset[i] += w->step[i][l];
      if (over) w->offset[i] -= w->step[i][l] * w->dim[l];
    }
    if (!over) return true;
    w->at[l] = 0;
  }
  return false;
}

#define MULTIPLY_ALL(T, sfx)                        \
  static void multiply_all_##sfx(T *y, walk *w) {   \
    do {                                            \
      T v = 1;                                      \
      for (uint32_t i = 1; i < w->n; i++)           \
        v *= ((const T *)w->data[i])[w->offset[i]]; \
      y[w->offset[0]] += v;                         \
    } while (walk_next(w));                         \
  }
MULTIPLY_ALL(float, f32)
MULTIPLY_ALL(double, f64)
MULTIPLY_ALL(uint64_t, u64)

/* `place` gives each label its number in the walk. */
static void add_operand(walk *w, const job *j, const term *t, const void *data,
                        const uint32_t *place) {
  size_t step = 1;

  w->data[w->n] = data;
  for (uint32_t k = t->n; k-- > 0;) {
    w->step[w->n][place[t->label[k]]] = step;
    step *= (size_t)j->e.dim[t->label[k]];
  }
  w->n++;
}

static oq_status open_walk(walk *w, const job *j, uint64_t labels,
                           uint32_t operands, uint32_t *place) {
  oq_arena *const a = j->r->scratch;

  *w = (walk){.step = oq_arena_alloc(a, operands, sizeof *w->step, OQ_ALIGN),
              .offset = OQ_NEW_N(a, size_t, operands),
              .data = OQ_NEW_N(a, const void *, operands)};
  if (w->step == NULL || w->offset == NULL || w->data == NULL)
    return oq_fail_memory(j->r->diags);
  for (uint32_t l = 0; l < LABELS; l++) {
    if ((labels & BIT(l)) == 0) continue;
    place[l] = w->n_labels;
    w->dim[w->n_labels++] = (size_t)j->e.dim[l];
  }
  return OQ_OK;
}

/* a := a x inputs from..n-1 with the axes of `out`, product by product. */
static oq_status multiply_rest(operand *a, const job *j, uint32_t from,
                               const term *out) {
  uint32_t place[LABELS] = {0};
  uint64_t labels = labels_of(&a->t) | labels_of(out);
  size_t count;
  void *y;
  walk w;
  operand *const rest = OQ_NEW_N(j->r->scratch, operand, j->r->n_in);

  if (rest == NULL) return oq_fail_memory(j->r->diags);
  for (uint32_t i = from; i < j->r->n_in; i++) {
    OQ_TRY(take_input(&rest[i], j, i, UINT64_MAX));
    labels |= labels_of(&rest[i].t);
  }
  OQ_TRY(make(&y, &count, j, out));
  OQ_TRY(open_walk(&w, j, labels, 2 + j->r->n_in - from, place));
  add_operand(&w, j, out, y, place);
  add_operand(&w, j, &a->t, a->data, place);
  for (uint32_t i = from; i < j->r->n_in; i++)
    add_operand(&w, j, &rest[i].t, rest[i].data, place);
  *a = (operand){*out, y};
  count = 1;
  for (uint32_t l = 0; l < w.n_labels; l++)
    if (w.dim[l] == 0) return OQ_OK; /* sums of nothing */
  for (uint32_t l = 0; l < w.n_labels; l++)
    if (!oq_mul_size(&count, count, w.dim[l]) || count > MOST_PRODUCTS)
      return oq_run_fail(j->r, OQ_E_LIMIT, "einsum.size",
                         "a product of more than %d axes has more than %d "
                         "elements",
                         OQ_MAX_RANK, MOST_PRODUCTS);
  if (j->cls == OQ_NUM_F32)
    multiply_all_f32(y, &w);
  else if (j->cls == OQ_NUM_F64)
    multiply_all_f64(y, &w);
  else
    multiply_all_u64(y, &w);
  return OQ_OK;
}

/* ---- run ----------------------------------------------------------------- */
/* Labels of the output and of inputs from..n-1 but `except`. */
static uint64_t needed(const equation *e, uint32_t from, uint32_t except) {
  uint64_t set = labels_of(&e->out);

  for (uint32_t i = from; i < e->n_in; i++)
    if (i != except) set |= labels_of(&e->in[i]);
  return set;
}

static oq_status start_job(job *j, oq_run *r) {
  const oq_type **const types = OQ_NEW_N(r->scratch, const oq_type *, r->n_in);
  const oq_infer x = {.graph = r->graph,
                      .node = r->node,
                      .params = r->params,
                      .opset = r->opset,
                      .n_in = r->n_in,
                      .in = types,
                      .konst = r->in,
                      .scratch = r->scratch,
                      .diags = r->diags};

  *j = (job){.r = r,
             .e = {.n_in = r->n_in, .in = OQ_NEW_N(r->scratch, term, r->n_in)},
             .cls = oq_k_class((int32_t)r->in[0]->dtype)};
  j->size = oq_k_class_size(j->cls);
  if (types == NULL || j->e.in == NULL) return oq_fail_memory(r->diags);
  for (uint32_t i = 0; i < r->n_in; i++) {
    const oq_shape *const s = &r->in[i]->shape;
    types[i] = oq_type_make(r->scratch, r->in[i]->dtype, s->dim, s->rank);
    if (types[i] == NULL) return oq_fail_memory(r->diags);
  }
  return read_equation(&j->e, &x);
}

static oq_status einsum_run(oq_run *r) {
  operand a, b;
  term out = {0};
  job j;

  if (r->out[0].size == 0) return OQ_OK;
  OQ_TRY(start_job(&j, r));
  OQ_TRY(take_input(&a, &j, 0, needed(&j.e, 0, 0)));
  for (uint32_t i = 0; i < j.e.out.n; i++)
    if (j.e.dim[j.e.out.label[i]] != 1) out.label[out.n++] = j.e.out.label[i];
  for (uint32_t i = 1; i < r->n_in; i++) {
    const uint64_t keep = needed(&j.e, i + 1, UINT32_MAX);
    OQ_TRY(take_input(&b, &j, i, needed(&j.e, 0, i)));
    if (too_many_axes(&a, &b, keep)) {
      OQ_TRY(multiply_rest(&a, &j, i, &out));
      break;
    }
    OQ_TRY(contract(&a, &j, &b, keep));
  }
  if (!same_term(&out, &a.t)) {
    const oq_shape s = shape_of(&j, &a.t);
    const operand from = a;
    OQ_TRY(rearrange(&a, &j, &out, &from.t, &s, from.data));
  }
  const oq_ctensor y = oq_tensor_const(&r->out[0]);
  oq_k_store(r->out[0].data, 0, a.data, oq_tensor_count(&y),
             (int32_t)r->out[0].dtype);
  return OQ_OK;
}

static const oq_op_def defs[] = {
    {.domain = "",
     .name = "Einsum",
     .since = 12,
     .last = 27,
     .min_in = 1,
     .max_in = OQ_OPS_MANY,
     .min_out = 1,
     .max_out = 1,
     .dtypes = OQ_DTM_NUMERIC,
     .params_size = sizeof(einsum_params),
     OQ_ATTRS(einsum_attrs),
     .infer = einsum_infer,
     .run = einsum_run,
     .quant = {.cls = OQ_Q_MAP, .role = {OQ_ROLE_DATA}}},
};

OQ_FAMILY(einsum, defs);
