/* tensor/nditer: the same elements in the same order as nested loops, in as few
 * runs as possible. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "tensor/tensor.h"

enum { MAX = 4096 };

/* Offsets of all operands by nested loops over the output. */
static size_t naive(int64_t out[OQ_ITER_MAX][MAX], const oq_shape *shape,
                    const int64_t (*stride)[OQ_MAX_RANK], uint32_t n) {
  int64_t at[OQ_MAX_RANK] = {0};
  size_t count = 0, total = 0;

  assert_int_equal(oq_shape_count(&total, shape), OQ_OK);
  for (; count < total; count++) {
    for (uint32_t k = 0; k < n; k++) {
      out[k][count] = 0;
      for (uint32_t i = 0; i < shape->rank; i++) {
        out[k][count] += at[i] * stride[k][i];
      }
    }
    for (uint32_t i = shape->rank; i-- > 0;) {
      if (++at[i] < shape->dim[i]) break;
      at[i] = 0;
    }
  }
  return count;
}

static int64_t want[OQ_ITER_MAX][MAX];

/* Walks `it` and compares; returns the number of runs. */
static size_t walk(oq_iter *it, uint32_t n, size_t total) {
  size_t at = 0, runs = 0;

  do {
    for (size_t i = 0; i < it->run; i++, at++) {
      assert_true(at < total);
      for (uint32_t k = 0; k < n; k++) {
        assert_true(it->offset[k] + (int64_t)i * it->step[k] == want[k][at]);
      }
    }
    runs++;
  } while (oq_iter_next(it));
  assert_int_equal(at, total);
  return runs;
}

static void broadcast_strides(int64_t stride[OQ_MAX_RANK], const oq_shape *out,
                              const oq_shape *s) {
  int64_t step = 1;

  memset(stride, 0, OQ_MAX_RANK * sizeof *stride);
  for (uint32_t i = 0; i < s->rank; i++) {
    const uint32_t axis = s->rank - 1 - i;
    const int64_t dim = s->dim[axis];
    stride[out->rank - 1 - i] = dim == 1 ? 0 : step;
    step *= dim;
  }
}

static size_t check(const oq_shape *out, const oq_shape *a, const oq_shape *b) {
  const oq_shape *const shapes[] = {out, a, b};
  int64_t stride[3][OQ_MAX_RANK];
  oq_iter it;

  for (int k = 0; k < 3; k++) broadcast_strides(stride[k], out, shapes[k]);
  const size_t total =
      naive(want, out, (const int64_t(*)[OQ_MAX_RANK])stride, 3);
  oq_iter_init(&it, out, shapes, 3);
  return walk(&it, 3, total);
}

static void broadcasts_match_nested_loops(void **state) {
  (void)state;
  for (uint64_t round = 0; round < 3000; round++) {
    oq_shape a = {0, {0}}, b = {0, {0}}, out;
    a.rank = (uint32_t)(oq_rng_u64(round, 0) % 6);
    b.rank = (uint32_t)(oq_rng_u64(round, 1) % 6);
    for (uint32_t i = 0; i < 6; i++) {
      /* by distance from the right, so that they fit */
      const int64_t dim = (int64_t)(oq_rng_u64(round, 2 + i) % 4 + 1);
      const uint64_t one = oq_rng_u64(round, 10 + i) % 4;
      if (i < a.rank) a.dim[a.rank - 1 - i] = one == 0 ? 1 : dim;
      if (i < b.rank) b.dim[b.rank - 1 - i] = one == 1 ? 1 : dim;
    }
    assert_true(oq_shape_broadcast(&out, &a, &b));
    (void)check(&out, &a, &b);
  }
}

static void runs_are_as_long_as_can_be(void **state) {
  const oq_shape full = {4, {2, 3, 4, 5}}, scalar = {0, {0}}, last = {1, {5}},
                 channel = {3, {3, 1, 1}}, ones = {4, {1, 1, 1, 1}},
                 thick = {2, {4, 5}};

  (void)state;
  assert_int_equal(check(&full, &full, &full), 1);
  assert_int_equal(check(&full, &full, &scalar), 1);
  assert_int_equal(check(&full, &full, &ones), 1);
  assert_int_equal(check(&full, &full, &last), 24);
  assert_int_equal(check(&full, &full, &thick), 6);
  assert_int_equal(check(&full, &full, &channel), 6); /* 4 * 5 at once */
  assert_int_equal(check(&scalar, &scalar, &scalar), 1);
  assert_int_equal(check(&ones, &ones, &scalar), 1);
}

static void empty_shapes_have_no_run(void **state) {
  const oq_shape none = {3, {2, 0, 3}}, one = {1, {3}};
  const oq_shape huge = {3, {INT64_MAX, 0, INT64_MAX}};

  (void)state;
  assert_int_equal(check(&none, &none, &one), 1);
  oq_iter it;
  const oq_shape *const shapes[] = {&huge};
  oq_iter_init(&it, &huge, shapes, 1);
  assert_int_equal(it.run, 0);
  assert_false(oq_iter_next(&it));
}

static void one_element_counts_as_dense(void **state) {
  const oq_shape scalar = {0, {0}}, one = {2, {1, 1}};
  const oq_shape *const shapes[] = {&scalar, &one};
  oq_iter it;

  (void)state;
  oq_iter_init(&it, &one, shapes, 2);
  assert_int_equal(it.run, 1);
  assert_int_equal(it.step[0], 1);
  assert_int_equal(it.step[1], 1);
}

static void strides_of_any_kind(void **state) {
  (void)state;
  for (uint64_t round = 0; round < 3000; round++) {
    int64_t stride[2][OQ_MAX_RANK] = {{0}};
    oq_shape out = {(uint32_t)(oq_rng_u64(round, 0) % 5), {0}};
    oq_iter it;
    for (uint32_t i = 0; i < out.rank; i++) {
      out.dim[i] = (int64_t)(oq_rng_u64(round, 1 + i) % 5);
      stride[0][i] = (int64_t)(oq_rng_u64(round, 10 + i) % 13) - 6;
      stride[1][i] = (int64_t)(oq_rng_u64(round, 20 + i) % 13) - 6;
    }
    const int64_t(*s)[OQ_MAX_RANK] = (const int64_t(*)[OQ_MAX_RANK])stride;
    const size_t total = naive(want, &out, s, 2);
    oq_iter_init_strided(&it, &out, s, 2);
    (void)walk(&it, 2, total);
  }
}

static void a_transpose_and_a_reverse(void **state) {
  const oq_shape out = {3, {4, 2, 3}};
  /* [2,3,4] seen as [4,2,3], and [4,2,3] backwards */
  const int64_t stride[2][OQ_MAX_RANK] = {{1, 12, 4}, {-6, -3, -1}};
  oq_iter it;

  (void)state;
  const size_t total = naive(want, &out, stride, 2);
  oq_iter_init_strided(&it, &out, stride, 2);
  assert_int_equal(walk(&it, 2, total), 4); /* 2 * 3 merge: 12 == 4 * 3 */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(broadcasts_match_nested_loops),
      cmocka_unit_test(runs_are_as_long_as_can_be),
      cmocka_unit_test(empty_shapes_have_no_run),
      cmocka_unit_test(one_element_counts_as_dense),
      cmocka_unit_test(strides_of_any_kind),
      cmocka_unit_test(a_transpose_and_a_reverse),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
