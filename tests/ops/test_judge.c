/* The judge of random results: what comes out of the engine is accepted, and
 * what another distribution gives is not. */
#include "judge.h"
#include "unit/op_case.h"

typedef struct verdict {
  op_case c;
  judged j;
  char why[160];
} verdict;

static void draw(verdict *v, const char *op, const char *attrs) {
  op_case *const c = &v->c;

  case_run(c, op, 1, attrs);
  v->j = (judged){.g = c->b.g, .n_in = c->n_in, .n_out = 1};
  for (uint32_t i = 0; i < c->n_in; i++) {
    char name[16];
    (void)snprintf(name, sizeof name, "i%u", i);
    v->j.feed[i] = build_find(&c->b, name);
    v->j.in[i] = oq_tensor_const(&c->in[i]);
  }
  v->j.got[0] = v->j.want[0] = oq_tensor_const(&c->out[0]);
  assert_true(judge_is_random(&v->j));
}

static void accepts(verdict *v) {
  if (!judge_random(v->why, sizeof v->why, &v->j)) fail_msg("%s", v->why);
}

static void rejects(verdict *v, const char *part) {
  assert_false(judge_random(v->why, sizeof v->why, &v->j));
  if (strstr(v->why, part) == NULL)
    fail_msg("'%s', expected '%s'", v->why, part);
}

/* y := a y + b */
static void change(verdict *v, double a, double b) {
  oq_tensor *const y = &v->c.out[0];
  const oq_ctensor t = oq_tensor_const(y);

  for (size_t i = 0; i < oq_tensor_count(&t); i++)
    oq_element_set_f64(y, i, a * oq_element_f64(&t, i) + b);
}

/* ---- normal and uniform -------------------------------------------------- */
static void judge_normal(const char *op, bool like) {
  verdict v;

  case_open(&v.c, 17);
  if (like) case_f32(&v.c, "40,50", NULL);
  draw(&v, op,
       like ? "mean=2.0 scale=3.0" : "mean=2.0 scale=3.0 shape=[40,50]");
  accepts(&v);
  change(&v, 1, 1); /* 3 / sqrt(2000) = 0.07 is a standard deviation */
  rejects(&v, "the mean");
  change(&v, 2, -4); /* of mean 2 again */
  rejects(&v, "the variance");
  case_close(&v.c);
}

static void normal_numbers_are_judged(void **state) {
  (void)state;
  judge_normal("RandomNormal", false);
  judge_normal("RandomNormalLike", true);
}

static void judge_uniform(const char *op, bool like) {
  verdict v;

  case_open(&v.c, 17);
  if (like) case_f32(&v.c, "40,50", NULL);
  draw(&v, op, like ? "low=-1.0 high=3.0" : "low=-1.0 high=3.0 shape=[40,50]");
  accepts(&v);
  change(&v, 0.5, 0.5);
  rejects(&v, "the variance");
  change(&v, 1, 1);
  rejects(&v, "the mean");
  change(&v, 4, -8);
  rejects(&v, "the least");
  change(&v, 0, 7);
  rejects(&v, "the most");
  case_close(&v.c);
}

static void uniform_numbers_are_judged(void **state) {
  (void)state;
  judge_uniform("RandomUniform", false);
  judge_uniform("RandomUniformLike", true);
}

/* ---- classes ------------------------------------------------------------- */
static void classes_are_judged(void **state) {
  /* 0.7, 0.2, 0.1; then one that is never drawn */
  const float logs[] = {-0.3566749f, -1.609438f, -2.302585f, 0, -1e30f, 0};
  verdict v;

  (void)state;
  case_open(&v.c, 17);
  case_f32(&v.c, "2,3", logs);
  draw(&v, "Multinomial", "sample_size=2000 dtype=7");
  case_has_shape(&v.c, 0, "2,2000");
  accepts(&v);
  oq_element_set_i64(&v.c.out[0], 5, 3);
  rejects(&v, "the number of valid classes");
  for (size_t i = 0; i < 200; i++) oq_element_set_i64(&v.c.out[0], i, 2);
  rejects(&v, "the number of a class");
  case_close(&v.c);
}

/* ---- types and shapes ---------------------------------------------------- */
static void other_shapes_are_rejected(void **state) {
  verdict v;

  (void)state;
  case_open(&v.c, 17);
  draw(&v, "RandomUniform", "shape=[2,3]");
  accepts(&v); /* too few to be judged by their moments */
  v.j.want[0].shape = (oq_shape){2, {3, 2}};
  rejects(&v, "type or shape");
  v.j.want[0].shape = v.j.got[0].shape;
  v.j.want[0].dtype = OQ_DT_I32;
  rejects(&v, "type or shape");
  case_close(&v.c);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(normal_numbers_are_judged),
      cmocka_unit_test(uniform_numbers_are_judged),
      cmocka_unit_test(classes_are_judged),
      cmocka_unit_test(other_shapes_are_rejected),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
