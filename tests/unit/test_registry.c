/* The rows of all operator families keep the rules of op.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ops/op.h"

#define CHECK(d, cond)                                                   \
  do {                                                                   \
    if (!(cond))                                                         \
      fail_msg("%s %u-%u: %s", (d)->name, (d)->since, (d)->last, #cond); \
  } while (0)

typedef void (*visit_fn)(const oq_op_def *d);

static void for_all(visit_fn f) {
  uint32_t n;
  const oq_op_family *const *const families = oq_op_families(&n);

  assert_true(n > 0);
  for (uint32_t i = 0; i < n; i++) {
    assert_true(families[i]->n_defs > 0);
    for (uint32_t k = 0; k < families[i]->n_defs; k++) f(&families[i]->defs[k]);
  }
}

/* ---- each row for itself ------------------------------------------------- */
static size_t field_size(const oq_attr_def *a) {
  switch ((int)a->kind) {
    case OQ_ATTR_F32:
      return sizeof(float);
    case OQ_ATTR_I64:
      return sizeof(int64_t);
    case OQ_ATTR_TEXT:
      return a->choice != NULL ? sizeof(int32_t) : sizeof(oq_text);
    case OQ_ATTR_I64S:
      return sizeof(oq_i64s);
    case OQ_ATTR_F32S:
      return sizeof(oq_f32s);
    case OQ_ATTR_TENSOR:
      return sizeof(oq_tensor_attr);
    default:
      return sizeof(void *);
  }
}

static bool apart(const oq_attr_def *a, const oq_attr_def *b) {
  return a->offset + field_size(a) <= b->offset ||
         b->offset + field_size(b) <= a->offset;
}

static void check_choice(const oq_op_def *d, const oq_attr_def *a) {
  bool found = a->required || a->dflt.text == NULL;

  if (a->kind != OQ_ATTR_TEXT || a->choice == NULL) return;
  for (size_t i = 0; !found && a->choice[i] != NULL; i++)
    found = strcmp(a->choice[i], a->dflt.text) == 0;
  CHECK(d, found);
}

/* A default of 0 may stand for "not given". */
static void check_bounds(const oq_op_def *d, const oq_attr_def *a) {
  if (a->min > a->max || a->required) return;
  if (a->kind == OQ_ATTR_I64 && a->dflt.i64 == 0) return;
  if (a->kind == OQ_ATTR_I64)
    CHECK(d, (double)a->dflt.i64 >= a->min && (double)a->dflt.i64 <= a->max);
  if (a->kind == OQ_ATTR_F32)
    CHECK(d, a->dflt.f32 >= a->min && a->dflt.f32 <= a->max);
}

static void attributes_fit(const oq_op_def *d) {
  CHECK(d, d->n_attrs <= 64); /* bits of the binder */
  CHECK(d, (d->n_attrs == 0) == (d->attrs == NULL));
  for (uint32_t i = 0; i < d->n_attrs; i++) {
    const oq_attr_def *const a = &d->attrs[i];
    CHECK(d, a->name != NULL && a->name[0] != 0);
    CHECK(d, a->kind != OQ_ATTR_NONE);
    CHECK(d, a->offset + field_size(a) <= d->params_size);
    CHECK(d, a->set_offset < d->params_size || a->set_offset == 0);
    check_choice(d, a);
    check_bounds(d, a);
    for (uint32_t k = 0; k < i; k++) {
      CHECK(d, strcmp(a->name, d->attrs[k].name) != 0);
      CHECK(d, apart(a, &d->attrs[k]));
    }
  }
}

static void row_is_whole(const oq_op_def *d) {
  assert_non_null(d->name);
  CHECK(d, d->domain != NULL && strcmp(d->domain, "ai.onnx") != 0);
  CHECK(d, d->since >= 1 && d->since <= d->last);
  CHECK(d, d->domain[0] != 0 || d->last <= OQ_OPSET_NEWEST);
  CHECK(d, d->min_in <= d->max_in && d->min_out <= d->max_out);
  CHECK(d, d->max_out > 0);
  CHECK(d, d->infer != NULL);
  CHECK(d, (d->run != NULL || (d->flags & OQ_OP_VIEW) != 0) ==
               (d->refusal == NULL));
}

static void facts_are_sound(const oq_op_def *d) {
  const oq_quant_facts *const q = &d->quant;
  bool weight = false, data = false;

  for (size_t i = 0; i < 4; i++) {
    weight |= q->role[i] == OQ_ROLE_WEIGHT;
    data |= q->role[i] == OQ_ROLE_DATA || q->role[i] == OQ_ROLE_WEIGHT;
  }
  CHECK(d, q->cls != OQ_Q_OPAQUE); /* that is what "no row" means */
  CHECK(d, q->cls != OQ_Q_LINEAR || weight);
  CHECK(d, q->cls == OQ_Q_NEVER || data);
  CHECK(d, !q->has_range || q->lo < q->hi);
  CHECK(d, q->cls != OQ_Q_LINEAR || d->macs != NULL);
}

static void rows_are_whole(void **state) {
  (void)state;
  for_all(row_is_whole);
}

static void all_attributes_fit(void **state) {
  (void)state;
  for_all(attributes_fit);
}

static void all_facts_are_sound(void **state) {
  (void)state;
  for_all(facts_are_sound);
}

/* ---- rows among each other ----------------------------------------------- */
static const oq_op_def *first; /* of the pair; tests are one thread */

static void against_first(const oq_op_def *d) {
  if (d == first || strcmp(d->name, first->name) != 0 ||
      strcmp(d->domain, first->domain) != 0)
    return;
  CHECK(d, d->last < first->since || first->last < d->since);
}

static void against_all(const oq_op_def *d) {
  first = d;
  for_all(against_first);
}

static void ranges_do_not_overlap(void **state) {
  (void)state;
  for_all(against_all);
}

static void finds_itself(const oq_op_def *d) {
  bool gap = true;

  CHECK(d, oq_op_find(d->domain, d->name, d->since, &gap) == d && !gap);
  CHECK(d, oq_op_find(d->domain, d->name, d->last, &gap) == d && !gap);
}

static void lookup(void **state) {
  bool gap = false;

  (void)state;
  for_all(finds_itself);
  assert_null(oq_op_find("", "Relu", OQ_OPSET_NEWEST + 1, &gap));
  assert_true(gap);
  assert_null(oq_op_find("", "HardSwish", 13, &gap));
  assert_true(gap);
  assert_null(oq_op_find("", "NoSuchOperator", 17, &gap));
  assert_false(gap);
  assert_null(oq_op_find("com.example", "Relu", 17, &gap));
  assert_false(gap);
  assert_non_null(oq_op_find("", "Relu", 17, NULL));
}

static void class_names(void **state) {
  (void)state;
  assert_string_equal(oq_quant_class_text(OQ_Q_LINEAR), "linear");
  assert_string_equal(oq_quant_class_text((oq_quant_class)99), "unknown");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(rows_are_whole),
      cmocka_unit_test(all_attributes_fit),
      cmocka_unit_test(all_facts_are_sound),
      cmocka_unit_test(ranges_do_not_overlap),
      cmocka_unit_test(lookup),
      cmocka_unit_test(class_names),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
