/* Linear models and support vector machines: LinearClassifier,
 * LinearRegressor, SVMClassifier, SVMRegressor. */
#include <math.h>
#include <string.h>

#include "kern/k_gemm.h"
#include "ops/ml.h"

typedef enum svm_kernel { LINEAR, POLY, RBF, SIGMOID } svm_kernel;

typedef struct linear_params {
  oq_f32s coefficients, intercepts;
  oq_f32s kernel, prob_a, prob_b, rho, vectors;
  oq_i64s labels_i, per_class;
  const oq_attr *labels_s;
  int32_t post, kind; /* an oq_ml_post, an svm_kernel */
  int64_t multi_class, targets, n_supports, one_class;
  /* Made of it. */
  oq_ml_labels labels;
  bool signs;         /* some coefficient is negative */
  uint32_t n_vectors; /* 0: a linear model, without support vectors */
  uint32_t n_features, n_pairs;
  const uint32_t *first; /* by class: its first vector; one more at the end */
} linear_params;

/* Where attributes come from and findings go. */
typedef struct source {
  const oq_graph *g;
  const oq_node *n;
  oq_diags *d;
} source;

static oq_status bad_length(const source *s, const char *name, size_t is,
                            size_t expected) {
  return oq_ml_attr_fail(s->g, s->n, name, s->d,
                         "attribute '%s' has %zu values, expected %zu", name,
                         is, expected);
}

static bool any_negative(const oq_f32s *f) {
  for (uint32_t i = 0; i < f->n; i++)
    if (f->v[i] < 0) return true;
  return false;
}

/* ---- y = x w' + c ------------------------------------------------------ */
static oq_status check_gemm(const oq_run *r, size_t n, size_t k) {
  if (n <= INT32_MAX && k <= INT32_MAX) return OQ_OK;
  return oq_run_fail(r, OQ_E_LIMIT, "matmul.size",
                     "a matrix has %zu rows or columns, expected at most %d",
                     n > k ? n : k, INT32_MAX);
}

/* [rows.n, m] from x [rows.n, rows.c] and w [m, rows.c]; c has one number per
 * column, or one for all, or is NULL. */
static void product(const oq_run *r, float *y, const float *x, oq_ml_rows rows,
                    const float *w, size_t m, float alpha, const float *c,
                    size_t n_c) {
  for (size_t i = 0; i < rows.n * m; i++)
    y[i] = c == NULL ? 0.0f : c[n_c > 1 ? i % m : 0];
  oq_gemm_f32_dense(r->k, OQ_NO_TRANS, OQ_TRANS, rows.n, m, rows.c, alpha, x, w,
                    1.0f, y);
}

/* ---- linear models: attributes and types ------------------------------- */
static oq_status linear_classifier_check(const oq_graph *g, const oq_node *n,
                                         void *params, oq_diags *d) {
  linear_params *const p = params;
  const source s = {g, n, d};

  OQ_TRY(oq_ml_labels_take(&p->labels, g, n, &p->labels_i, p->labels_s,
                           "classlabels", d));
  p->n_pairs = p->intercepts.n > 0 ? p->intercepts.n : p->labels.n;
  if (p->n_pairs != p->labels.n && !(p->n_pairs == 1 && p->labels.n == 2))
    return bad_length(&s, "intercepts", p->intercepts.n, p->labels.n);
  if (p->coefficients.n % p->n_pairs != 0)
    return oq_ml_attr_fail(g, n, "coefficients", d,
                           "attribute 'coefficients' has %u values for %u "
                           "classes",
                           p->coefficients.n, p->n_pairs);
  p->n_features = p->coefficients.n / p->n_pairs;
  return OQ_OK;
}

static oq_status linear_regressor_check(const oq_graph *g, const oq_node *n,
                                        void *params, oq_diags *d) {
  linear_params *const p = params;
  const source s = {g, n, d};

  if (p->intercepts.n > 0 && (int64_t)p->intercepts.n != p->targets)
    return bad_length(&s, "intercepts", p->intercepts.n, (size_t)p->targets);
  if ((int64_t)p->coefficients.n % p->targets != 0)
    return oq_ml_attr_fail(g, n, "coefficients", d,
                           "attribute 'coefficients' has %u values for %lld "
                           "targets",
                           p->coefficients.n, (long long)p->targets);
  p->n_features = (uint32_t)((int64_t)p->coefficients.n / p->targets);
  return OQ_OK;
}

/* Rows of input 0, which has as many columns as the model. */
static oq_status infer_rows(oq_dim *n, const oq_infer *x) {
  const linear_params *const p = x->params;
  oq_dim c;

  OQ_TRY(oq_ml_infer_rows(n, &c, x));
  if (c.size == OQ_DIM_UNKNOWN || c.size == (int64_t)p->n_features)
    return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "linear.features",
                       "input 0 has %lld columns, the model is for %u",
                       (long long)c.size, p->n_features);
}

static oq_status classifier_infer(oq_infer *x, int64_t n_scores) {
  const linear_params *const p = x->params;
  oq_dim n;

  OQ_TRY(infer_rows(&n, x));
  oq_ml_infer_set(x, 0, oq_ml_labels_dtype(&p->labels), n);
  oq_ml_infer_set2(x, 1, OQ_DT_F32, n, n_scores);
  return OQ_OK;
}

static oq_status linear_classifier_infer(oq_infer *x) {
  return classifier_infer(x, ((const linear_params *)x->params)->labels.n);
}

static oq_status regressor_infer(oq_infer *x) {
  oq_dim n;

  OQ_TRY(infer_rows(&n, x));
  oq_ml_infer_set2(x, 0, OQ_DT_F32, n,
                   ((const linear_params *)x->params)->targets);
  return OQ_OK;
}

/* ---- linear models: runs ----------------------------------------------- */
static float *scores_out(const oq_run *r) {
  return r->n_out > 1 ? r->out[1].data : NULL;
}

static uint32_t best_of(const float *s, uint32_t n) {
  uint32_t best = 0;

  for (uint32_t k = 1; k < n; k++)
    if (s[k] > s[best]) best = k;
  return best;
}

static void put_label(const linear_params *p, oq_run *r, size_t row,
                      uint32_t k) {
  if (r->out[0].data != NULL) oq_ml_labels_put(&p->labels, r, row, k);
}

static oq_status linear_classifier_run(oq_run *r) {
  const linear_params *const p = r->params;
  const oq_ml_rows rows = oq_ml_rows_of(r->in[0]);
  const uint32_t m = p->n_pairs;
  const float *x;
  float *const z = scores_out(r);

  OQ_TRY(check_gemm(r, rows.n, rows.c));
  OQ_TRY(oq_ml_input(&x, r));
  float *const score = OQ_NEW_N(r->scratch, float, rows.n *m);
  if (score == NULL) return oq_fail_memory(r->diags);
  product(r, score, x, rows, p->coefficients.v, m, 1.0f,
          p->intercepts.n > 0 ? p->intercepts.v : NULL, m);
  for (size_t i = 0; i < rows.n; i++) {
    float *const s = score + i * m;
    const bool pair = m == 1 && p->labels.n == 2;
    put_label(p, r, i, pair ? (s[0] > 0 ? 1 : 0) : best_of(s, m));
    if (z == NULL) continue;
    if (pair) {
      oq_ml_transform_pair(z + 2 * i, s[0], (oq_ml_post)p->post, false);
      continue;
    }
    oq_ml_transform(s, m, (oq_ml_post)p->post);
    memcpy(z + i * m, s, m * sizeof *s);
  }
  return OQ_OK;
}

static oq_status linear_regressor_run(oq_run *r) {
  const linear_params *const p = r->params;
  const oq_ml_rows rows = oq_ml_rows_of(r->in[0]);
  const size_t m = (size_t)p->targets;
  float *const y = r->out[0].data;
  const float *x;

  OQ_TRY(check_gemm(r, rows.n, rows.c));
  OQ_TRY(oq_ml_input(&x, r));
  product(r, y, x, rows, p->coefficients.v, m, 1.0f,
          p->intercepts.n > 0 ? p->intercepts.v : NULL, m);
  for (size_t i = 0; i < rows.n; i++)
    oq_ml_transform(y + i * m, m, (oq_ml_post)p->post);
  return OQ_OK;
}

/* ---- support vectors: attributes --------------------------------------- */
static oq_status check_kernel(const linear_params *p, const source *s) {
  if (p->kernel.n != 0 && p->kernel.n != 3)
    return bad_length(s, "kernel_params", p->kernel.n, 3);
  return OQ_OK;
}

/* Support vectors of class k: first[k] .. first[k+1]. */
static oq_status take_classes(linear_params *p, const source *s) {
  uint32_t *const first =
      OQ_NEW_N(s->g->model->arena, uint32_t, (size_t)p->per_class.n + 1);
  uint64_t sum = 0;

  if (first == NULL) return oq_fail_memory(s->d);
  for (uint32_t i = 0; i < p->per_class.n; i++) {
    const int64_t n = p->per_class.v[i];
    if (n < 0 || (uint64_t)n > UINT32_MAX - sum)
      return oq_ml_attr_fail(s->g, s->n, "vectors_per_class", s->d,
                             "attribute 'vectors_per_class' has %lld",
                             (long long)n);
    sum += (uint64_t)n;
    first[i + 1] = (uint32_t)sum;
  }
  p->n_vectors = (uint32_t)sum;
  p->first = first;
  return OQ_OK;
}

static oq_status take_vectors(linear_params *p, const source *s) {
  if (p->vectors.n == 0 || p->vectors.n % p->n_vectors != 0)
    return oq_ml_attr_fail(s->g, s->n, "support_vectors", s->d,
                           "attribute 'support_vectors' has %u values for %u "
                           "vectors",
                           p->vectors.n, p->n_vectors);
  p->n_features = p->vectors.n / p->n_vectors;
  return OQ_OK;
}

static oq_status check_machine(linear_params *p, const source *s) {
  const uint64_t n = p->labels.n, pairs = n * (n - 1) / 2;

  if (p->per_class.n != n)
    return bad_length(s, "vectors_per_class", p->per_class.n, n);
  if (p->coefficients.n != (n - 1) * p->n_vectors)
    return bad_length(s, "coefficients", p->coefficients.n,
                      (n - 1) * p->n_vectors);
  if (p->rho.n != pairs) return bad_length(s, "rho", p->rho.n, pairs);
  if (p->prob_a.n != p->prob_b.n || (p->prob_a.n != 0 && p->prob_a.n != pairs))
    return bad_length(s, p->prob_a.n != pairs ? "prob_a" : "prob_b",
                      p->prob_a.n != pairs ? p->prob_a.n : p->prob_b.n, pairs);
  p->n_pairs = (uint32_t)pairs;
  return take_vectors(p, s);
}

static oq_status svm_classifier_check(const oq_graph *g, const oq_node *n,
                                      void *params, oq_diags *d) {
  linear_params *const p = params;
  const source s = {g, n, d};

  OQ_TRY(check_kernel(p, &s));
  OQ_TRY(oq_ml_labels_take(&p->labels, g, n, &p->labels_i, p->labels_s,
                           "classlabels", d));
  OQ_TRY(take_classes(p, &s));
  p->signs = any_negative(&p->coefficients);
  if (p->labels.n > UINT16_MAX)
    return bad_length(&s, "classlabels_ints", p->labels.n, UINT16_MAX);
  if (p->n_vectors > 0) return check_machine(p, &s);
  if (p->coefficients.n == 0 || p->coefficients.n % p->labels.n != 0)
    return bad_length(&s, "coefficients", p->coefficients.n, p->labels.n);
  if (p->rho.n < 1) return bad_length(&s, "rho", p->rho.n, 1);
  p->n_features = p->coefficients.n / p->labels.n;
  return OQ_OK;
}

static oq_status svm_regressor_check(const oq_graph *g, const oq_node *n,
                                     void *params, oq_diags *d) {
  linear_params *const p = params;
  const source s = {g, n, d};

  OQ_TRY(check_kernel(p, &s));
  if (p->rho.n != 1) return bad_length(&s, "rho", p->rho.n, 1);
  if (p->n_supports < 0 || p->n_supports > INT32_MAX)
    return oq_ml_attr_fail(g, n, "n_supports", d,
                           "attribute 'n_supports' is %lld",
                           (long long)p->n_supports);
  p->targets = 1;
  p->n_features = p->coefficients.n;
  p->n_vectors = (uint32_t)p->n_supports;
  if (p->n_vectors == 0) return OQ_OK;
  if (p->coefficients.n != p->n_vectors)
    return bad_length(&s, "coefficients", p->coefficients.n, p->n_vectors);
  return take_vectors(p, &s);
}

static oq_status svm_classifier_infer(oq_infer *x) {
  const linear_params *const p = x->params;
  const bool raw = p->n_vectors > 0 && p->prob_a.n == 0;

  return classifier_infer(
      x, raw && p->labels.n > 2 ? (int64_t)p->n_pairs : (int64_t)p->labels.n);
}

/* ---- support vectors: runs --------------------------------------------- */
static void rbf(float *y, const float *x, oq_ml_rows rows, const float *w,
                size_t m, float gamma) {
  for (size_t i = 0; i < rows.n; i++)
    for (size_t k = 0; k < m; k++) {
      float sum = 0;
      for (size_t c = 0; c < rows.c; c++) {
        const float v = x[i * rows.c + c] - w[k * rows.c + c];
        sum += v * v;
      }
      y[i * m + k] = expf(-gamma * sum);
    }
}

/* The kernel of each row with each support vector. */
static oq_status kernels_of(float **out, const oq_run *r, const float *x,
                            oq_ml_rows rows) {
  const linear_params *const p = r->params;
  const float none[3] = {0}, *const k = p->kernel.n > 0 ? p->kernel.v : none;
  const size_t m = p->n_vectors;
  float *const y = OQ_NEW_N(r->scratch, float, rows.n *m);

  if (y == NULL) return oq_fail_memory(r->diags);
  *out = y;
  if (p->kind == RBF) {
    rbf(y, x, rows, p->vectors.v, m, k[0]);
    return OQ_OK;
  }
  const bool plain = p->kind == LINEAR;
  product(r, y, x, rows, p->vectors.v, m, plain ? 1.0f : k[0],
          plain ? NULL : &k[1], 1);
  for (size_t i = 0; i < rows.n * m && p->kind == POLY; i++)
    y[i] = powf(y[i], k[2]);
  for (size_t i = 0; i < rows.n * m && p->kind == SIGMOID; i++)
    y[i] = tanhf(y[i]);
  return OQ_OK;
}

static oq_status svm_regressor_run(oq_run *r) {
  const linear_params *const p = r->params;
  oq_ml_rows rows = oq_ml_rows_of(r->in[0]);
  float *const y = r->out[0].data, *k;
  const float *x;

  OQ_TRY(check_gemm(r, rows.n, rows.c));
  OQ_TRY(oq_ml_input(&x, r));
  if (p->n_vectors > 0) {
    OQ_TRY(kernels_of(&k, r, x, rows));
    x = k;
    rows.c = p->n_vectors;
  }
  product(r, y, x, rows, p->coefficients.v, 1, 1.0f, p->rho.v, 1);
  for (size_t i = 0; i < rows.n && p->one_class != 0; i++)
    y[i] = y[i] > 0 ? 1.0f : -1.0f;
  if (p->one_class == 0)
    for (size_t i = 0; i < rows.n; i++)
      oq_ml_transform(y + i, 1, (oq_ml_post)p->post);
  return OQ_OK;
}

/* ---- probabilities from pairs ------------------------------------------ */
/* One row of a machine. */
typedef struct judge {
  const linear_params *p;
  const float *kernel; /* of this row */
  float *score;        /* by pair of classes i < j */
  uint32_t *votes;     /* by class */
  float *pair;         /* [i][j]: probability of i against j */
  float *q, *qp;       /* for the iteration */
} judge;

static oq_status open_judge(judge *j, const oq_run *r) {
  const linear_params *const p = r->params;
  const size_t n = p->labels.n, square = p->prob_a.n > 0 ? n * n : 0;

  j->p = p;
  j->score = OQ_NEW_N(r->scratch, float, p->n_pairs);
  j->votes = OQ_NEW_N(r->scratch, uint32_t, n);
  j->pair = OQ_NEW_N(r->scratch, float, square);
  j->q = OQ_NEW_N(r->scratch, float, square);
  j->qp = OQ_NEW_N(r->scratch, float, n);
  if (j->score == NULL || j->votes == NULL || j->pair == NULL || j->q == NULL ||
      j->qp == NULL)
    return oq_fail_memory(r->diags);
  return OQ_OK;
}

static double sum_of(const judge *j, uint32_t row, uint32_t cls) {
  const linear_params *const p = j->p;
  const float *const c = p->coefficients.v + (size_t)row * p->n_vectors;
  double sum = 0;

  for (uint32_t i = p->first[cls]; i < p->first[cls + 1]; i++)
    sum += (double)(c[i] * j->kernel[i]);
  return sum;
}

/* Every class against every other: libsvm's layout, where class i's coefficient
 * against j stands in row j - 1 or, for j < i, in row j. */
static void judge_pairs(judge *j) {
  const uint32_t n = j->p->labels.n;
  uint32_t k = 0;

  memset(j->votes, 0, n * sizeof *j->votes);
  for (uint32_t a = 0; a < n; a++)
    for (uint32_t b = a + 1; b < n; b++, k++) {
      const double sum =
          sum_of(j, b - 1, a) + sum_of(j, a, b) + (double)j->p->rho.v[k];
      j->score[k] = (float)sum;
      j->votes[sum > 0 ? a : b]++;
    }
}

static void pair_probabilities(judge *j) {
  const linear_params *const p = j->p;
  const uint32_t n = p->labels.n;
  uint32_t k = 0;

  for (uint32_t a = 0; a < n; a++)
    for (uint32_t b = a + 1; b < n; b++, k++) {
      const float v =
          1.0f - oq_ml_logistic(j->score[k] * p->prob_a.v[k] + p->prob_b.v[k]);
      const float y = fminf(fmaxf(v, 1e-7f), 1.0f - 1e-7f);
      j->pair[a * n + b] = y;
      j->pair[b * n + a] = 1.0f - y;
    }
}

static void fill_q(judge *j) {
  const uint32_t n = j->p->labels.n;
  const float *const r = j->pair;

  for (uint32_t a = 0; a < n; a++) {
    float sum = 0;
    for (uint32_t b = 0; b < n; b++) {
      if (a == b) continue;
      sum += r[b * n + a] * r[b * n + a];
      j->q[a * n + b] = -r[b * n + a] * r[a * n + b];
    }
    j->q[a * n + a] = sum;
  }
}

/* qp := q y, and y' q y; how far y is from a solution to *error. */
static float residual(judge *j, const float *y, float *error) {
  const uint32_t n = j->p->labels.n;
  float pqp = 0;

  for (uint32_t a = 0; a < n; a++) {
    j->qp[a] = 0;
    for (uint32_t b = 0; b < n; b++) j->qp[a] += j->q[a * n + b] * y[b];
    pqp += y[a] * j->qp[a];
  }
  *error = 0;
  for (uint32_t a = 0; a < n; a++)
    *error = fmaxf(*error, fabsf(j->qp[a] - pqp));
  return pqp;
}

/* Wu, Lin, Weng: "Probability estimates for multi-class classification by
 * pairwise coupling" (2004), their second approach, as libsvm has it. */
static void couple(judge *j, float *y) {
  enum { MOST_TURNS = 100 };
  const uint32_t n = j->p->labels.n;
  const float enough = 0.005f / (float)n;
  float error;

  fill_q(j);
  for (uint32_t a = 0; a < n; a++) y[a] = 1.0f / (float)n;
  for (int turn = 0; turn < MOST_TURNS; turn++) {
    float pqp = residual(j, y, &error);
    if (error < enough) break;
    for (uint32_t a = 0; a < n; a++) {
      const float q = j->q[a * n + a], d = (pqp - j->qp[a]) / q, e = 1.0f + d;
      y[a] += d;
      pqp = (pqp + d * (d * q + 2.0f * j->qp[a])) / e / e;
      for (uint32_t b = 0; b < n; b++) {
        j->qp[b] = (j->qp[b] + d * j->q[a * n + b]) / e;
        y[b] /= e;
      }
    }
  }
}

/* ---- SVMClassifier ----------------------------------------------------- */
static uint32_t most_votes(const judge *j) {
  uint32_t best = 0;

  for (uint32_t k = 1; k < j->p->labels.n; k++)
    if (j->votes[k] > j->votes[best]) best = k;
  return best;
}

static void judge_row(oq_run *r, judge *j, size_t row, float *z) {
  const linear_params *const p = j->p;
  const uint32_t n = p->labels.n;

  judge_pairs(j);
  put_label(p, r, row, most_votes(j));
  if (z == NULL) return;
  if (p->prob_a.n > 0) {
    z += row * n;
    pair_probabilities(j);
    couple(j, z);
    oq_ml_transform(z, n, (oq_ml_post)p->post);
  } else if (n == 2) {
    oq_ml_transform_pair(z + row * 2, j->score[0], (oq_ml_post)p->post,
                         p->post == OQ_ML_NONE);
  } else {
    z += row * p->n_pairs;
    memcpy(z, j->score, p->n_pairs * sizeof *z);
    oq_ml_transform(z, p->n_pairs, (oq_ml_post)p->post);
  }
}

/* Two classes without vectors: the second one wins where a score is high, by
 * the rule of onnxruntime. */
static uint32_t linear_class(const linear_params *p, const float *s) {
  const uint32_t best = best_of(s, p->labels.n);

  if (p->labels.n != 2) return best;
  if (!p->signs) return s[best] >= 0.5f ? 1 : best;
  return s[best] > 0 ? 1 : best;
}

static oq_status linear_machine(oq_run *r, const float *x, oq_ml_rows rows) {
  const linear_params *const p = r->params;
  const size_t n = p->labels.n;
  float *const z = scores_out(r);
  float *const score = z != NULL ? z : OQ_NEW_N(r->scratch, float, rows.n *n);

  if (score == NULL) return oq_fail_memory(r->diags);
  product(r, score, x, rows, p->coefficients.v, n, 1.0f, p->rho.v, 1);
  for (size_t i = 0; i < rows.n; i++) {
    put_label(p, r, i, linear_class(p, score + i * n));
    oq_ml_transform(score + i * n, n, (oq_ml_post)p->post);
  }
  return OQ_OK;
}

static oq_status svm_classifier_run(oq_run *r) {
  const linear_params *const p = r->params;
  const oq_ml_rows rows = oq_ml_rows_of(r->in[0]);
  const float *x;
  float *kernel;
  judge j;

  OQ_TRY(check_gemm(r, rows.n, rows.c));
  OQ_TRY(oq_ml_input(&x, r));
  if (p->n_vectors == 0) return linear_machine(r, x, rows);
  OQ_TRY(kernels_of(&kernel, r, x, rows));
  OQ_TRY(open_judge(&j, r));
  for (size_t i = 0; i < rows.n; i++) {
    j.kernel = kernel + i * p->n_vectors;
    judge_row(r, &j, i, scores_out(r));
  }
  return OQ_OK;
}

/* ---- table ------------------------------------------------------------- */
static const char *const kernel_texts[] = {"LINEAR", "POLY", "RBF", "SIGMOID",
                                           NULL};
#define P linear_params
#define POST OQ_A_CHOICE(P, post, "post_transform", "NONE", oq_ml_post_texts)
#define LABELS                                \
  OQ_A_I64S(P, labels_i, "classlabels_ints"), \
      OQ_ML_TEXTS(P, labels_s, "classlabels_strings")
#define MACHINE                                                        \
  OQ_A_F32S(P, coefficients, "coefficients"),                          \
      OQ_A_F32S(P, kernel, "kernel_params"), OQ_A_F32S(P, rho, "rho"), \
      OQ_A_F32S(P, vectors, "support_vectors"),                        \
      OQ_A_CHOICE(P, kind, "kernel_type", "LINEAR", kernel_texts), POST

static const oq_attr_def linear_classifier_attrs[] = {
    {.name = "coefficients",
     .kind = OQ_ATTR_F32S,
     .required = true,
     .offset = offsetof(P, coefficients),
     .min = 1,
     .max = 0},
    OQ_A_F32S(P, intercepts, "intercepts"),
    OQ_A_I64(P, multi_class, "multi_class", 0, 1, 0),
    LABELS,
    POST};
static const oq_attr_def linear_regressor_attrs[] = {
    OQ_A_F32S(P, coefficients, "coefficients"),
    OQ_A_F32S(P, intercepts, "intercepts"),
    OQ_A_I64(P, targets, "targets", 1, 1, INT32_MAX), POST};
static const oq_attr_def svm_classifier_attrs[] = {
    MACHINE, LABELS, OQ_A_I64S(P, per_class, "vectors_per_class"),
    OQ_A_F32S(P, prob_a, "prob_a"), OQ_A_F32S(P, prob_b, "prob_b")};
static const oq_attr_def svm_regressor_attrs[] = {
    MACHINE, OQ_A_I64(P, n_supports, "n_supports", 0, 1, 0),
    OQ_A_I64(P, one_class, "one_class", 0, 1, 0)};

#define ROW(op, outs, table, what, rule)                              \
  {                                                                   \
    .domain = OQ_ML, .name = (op), .since = 1, .last = OQ_ML_NEWEST,  \
    .min_in = 1, .max_in = 1, .min_out = 1, .max_out = (outs),        \
    .dtypes = OQ_ML_TYPES, .texts = (outs) > 1 ? OQ_TEXT_OUT : 0,     \
    .params_size = sizeof(P), OQ_ATTRS(table), .check = what##_check, \
    .infer = (rule), .run = what##_run, .quant = {                    \
      .cls = OQ_Q_NEVER                                               \
    }                                                                 \
  }

static const oq_op_def defs[] = {
    ROW("LinearClassifier", 2, linear_classifier_attrs, linear_classifier,
        linear_classifier_infer),
    ROW("LinearRegressor", 1, linear_regressor_attrs, linear_regressor,
        regressor_infer),
    ROW("SVMClassifier", 2, svm_classifier_attrs, svm_classifier,
        svm_classifier_infer),
    ROW("SVMRegressor", 1, svm_regressor_attrs, svm_regressor, regressor_infer),
};

OQ_FAMILY(ml_linear, defs);
