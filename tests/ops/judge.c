/* ops/judge.c - see judge.h. */
#include "judge.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SIGMAS = 5, ENOUGH = 100 };

static bool complain(char *why, size_t cap, const char *what, double got,
                     double want) {
  (void)snprintf(why, cap, "%s is %.9g, expected %.9g", what, got, want);
  return false;
}

static const oq_ctensor *input_of(const judged *j, const oq_node *n,
                                  uint32_t slot) {
  for (uint32_t i = 0; slot < n->n_in && i < j->n_in; i++)
    if (oq_value_ok(n->in[slot]) && n->in[slot].i == j->feed[i].i)
      return &j->in[i];
  return NULL;
}

static double attr_of(const judged *j, const oq_node *n, const char *name,
                      double otherwise) {
  const oq_attr *const a = oq_node_attr(j->g, n, name);

  return a != NULL && a->kind == OQ_ATTR_F32 ? (double)a->u.f32 : otherwise;
}

static bool named(const judged *j, const oq_node *n, const char *op) {
  return strcmp(oq_node_op(j->g, (oq_node_id){(uint32_t)(n - j->g->nodes)}),
                op) == 0;
}

static const oq_node *random_node(const judged *j) {
  for (uint32_t i = 0; i < j->g->n_nodes; i++) {
    const oq_node *const n = &j->g->nodes[i];
    if (n->def == NULL || (n->def->flags & OQ_OP_RANDOM) == 0) continue;
    if (!named(j, n, "Dropout")) return n;
    const oq_ctensor *const training = input_of(j, n, 2);
    if (training != NULL && oq_element_i64(training, 0) != 0) return n;
  }
  return NULL;
}

bool judge_is_random(const judged *j) { return random_node(j) != NULL; }

/* ---- one operator -------------------------------------------------------- */
typedef struct moments {
  double mean, variance, least, most;
  size_t n;
} moments;

static moments moments_of(const oq_ctensor *t) {
  moments m = {0, 0, INFINITY, -INFINITY, oq_tensor_count(t)};

  for (size_t i = 0; i < m.n; i++) {
    const double v = oq_element_f64(t, i);
    m.mean += v / (double)m.n;
    m.least = fmin(m.least, v);
    m.most = fmax(m.most, v);
  }
  for (size_t i = 0; i < m.n; i++) {
    const double d = oq_element_f64(t, i) - m.mean;
    m.variance += d * d / (double)m.n;
  }
  return m;
}

/* `kurtosis` of the distribution: 3 of the normal one. */
static bool has_moments(char *why, size_t cap, const moments *m, double mean,
                        double variance, double kurtosis) {
  const double n = (double)m->n;

  if (m->n < ENOUGH) return true;
  if (fabs(m->mean - mean) > SIGMAS * sqrt(variance / n))
    return complain(why, cap, "the mean", m->mean, mean);
  if (fabs(m->variance - variance) >
      SIGMAS * variance * sqrt((kurtosis - 1) / n))
    return complain(why, cap, "the variance", m->variance, variance);
  return true;
}

static bool is_normal(char *why, size_t cap, const judged *j,
                      const oq_node *n) {
  const moments m = moments_of(&j->got[0]);
  const double scale = attr_of(j, n, "scale", 1);

  return has_moments(why, cap, &m, attr_of(j, n, "mean", 0), scale * scale, 3);
}

static bool is_uniform(char *why, size_t cap, const judged *j,
                       const oq_node *n) {
  const double low = attr_of(j, n, "low", 0), high = attr_of(j, n, "high", 1);
  const moments m = moments_of(&j->got[0]);

  if (m.n > 0 && m.least < low)
    return complain(why, cap, "the least", m.least, low);
  if (m.n > 0 && m.most > high)
    return complain(why, cap, "the most", m.most, high);
  return has_moments(why, cap, &m, (low + high) / 2,
                     (high - low) * (high - low) / 12, 1.8);
}

/* Each is 1 with the probability in input 0. */
static bool is_bernoulli(char *why, size_t cap, const judged *j,
                         const oq_node *n) {
  const oq_ctensor *const p = input_of(j, n, 0);
  const size_t count = oq_tensor_count(&j->got[0]);
  double sum = 0, expected = 0, variance = 0;

  if (p == NULL) return complain(why, cap, "the probability", NAN, 0);
  for (size_t i = 0; i < count; i++) {
    const double v = oq_element_f64(&j->got[0], i), q = oq_element_f64(p, i);
    if ((v != 0 && v != 1) || (v == 0 && q >= 1) || (v == 1 && q <= 0))
      return complain(why, cap, "an element", v, q);
    sum += v;
    expected += q;
    variance += q * (1 - q);
  }
  if (fabs(sum - expected) <= SIGMAS * sqrt(variance) + 1e-9) return true;
  return complain(why, cap, "the number of ones", sum, expected);
}

/* Numbers of classes; of each row about as many as its probability says. */
static bool is_multinomial(char *why, size_t cap, const judged *j,
                           const oq_node *n) {
  const oq_ctensor *const p = input_of(j, n, 0);
  const size_t samples = (size_t)j->got[0].shape.dim[1];

  if (p == NULL) return complain(why, cap, "the probability", NAN, 0);
  const size_t classes = (size_t)p->shape.dim[1];
  for (size_t r = 0; r < (size_t)p->shape.dim[0]; r++) {
    double sum = 0;
    size_t valid = 0;
    for (size_t c = 0; c < classes; c++)
      sum += exp(oq_element_f64(p, r * classes + c));
    for (size_t c = 0; c < classes; c++) {
      const double q = exp(oq_element_f64(p, r * classes + c)) / sum;
      size_t seen = 0;
      for (size_t i = 0; i < samples; i++)
        seen += oq_element_i64(&j->got[0], r * samples + i) == (int64_t)c;
      valid += seen;
      const double expected = q * (double)samples;
      if (fabs((double)seen - expected) > SIGMAS * sqrt(expected * (1 - q)) + 1)
        return complain(why, cap, "the number of a class", (double)seen,
                        expected);
    }
    if (valid != samples)
      return complain(why, cap, "the number of valid classes", (double)valid,
                      (double)samples);
  }
  return true;
}

/* Each is 0 or grown by 1 / (1 - ratio); the mask says which. */
static bool is_dropout(char *why, size_t cap, const judged *j,
                       const oq_node *n) {
  const oq_ctensor *const x = input_of(j, n, 0), *const r = input_of(j, n, 1);
  const double ratio = r != NULL ? oq_element_f64(r, 0) : 0.5;
  const size_t count = oq_tensor_count(&j->got[0]);
  double kept = 0;

  if (x == NULL) return complain(why, cap, "the input", NAN, 0);
  for (size_t i = 0; i < count; i++) {
    const double y = oq_element_f64(&j->got[0], i);
    const double grown = oq_element_f64(x, i) / (1 - ratio);
    const bool is_grown = fabs(y - grown) <= 1e-3 * fabs(grown);
    if (y != 0 && !is_grown) return complain(why, cap, "an element", y, grown);
    if (j->n_out > 1 && oq_element_i64(&j->got[1], i) != (y != 0) && grown != 0)
      return complain(why, cap, "an element of the mask", (double)(y == 0),
                      (double)(y != 0));
    kept += y != 0;
  }
  const double n_all = (double)count, expected = n_all * (1 - ratio);
  if (fabs(kept - expected) <= SIGMAS * sqrt(expected * ratio) + 1e-9)
    return true;
  return complain(why, cap, "the number of elements kept", kept, expected);
}

/* ---- any graph ----------------------------------------------------------- */
/* Where only 0 and 1 are expected, there is nothing else. */
static bool same_kind(char *why, size_t cap, const oq_ctensor *got,
                      const oq_ctensor *want) {
  const moments m = moments_of(got), w = moments_of(want);

  if (got->dtype != want->dtype || !oq_shape_equal(&got->shape, &want->shape)) {
    (void)snprintf(why, cap, "the type or shape is another one");
    return false;
  }
  for (size_t i = 0; i < w.n; i++) {
    const double v = oq_element_f64(want, i);
    if (v != 0 && v != 1) return true;
  }
  for (size_t i = 0; i < m.n; i++) {
    const double v = oq_element_f64(got, i);
    if (v != 0 && v != 1) return complain(why, cap, "an element", v, 0);
  }
  return true;
}

bool judge_random(char *why, size_t cap, const judged *j) {
  static const struct {
    const char *op;
    bool (*judge)(char *why, size_t cap, const judged *j, const oq_node *n);
  } ops[] = {{"RandomNormal", is_normal},   {"RandomNormalLike", is_normal},
             {"RandomUniform", is_uniform}, {"RandomUniformLike", is_uniform},
             {"Bernoulli", is_bernoulli},   {"Multinomial", is_multinomial},
             {"Dropout", is_dropout}};
  const oq_node *const n = random_node(j);

  for (uint32_t i = 0; i < j->n_out; i++)
    if (!same_kind(why, cap, &j->got[i], &j->want[i])) return false;
  /* In a larger graph the numbers drawn are not seen. */
  if (n == NULL || j->g->n_nodes != 1) return n != NULL;
  for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
    if (named(j, n, ops[i].op)) return ops[i].judge(why, cap, j, n);
  (void)snprintf(why, cap, "nobody judges this random operator");
  return false;
}
