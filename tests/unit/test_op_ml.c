/* ai.onnx.ml: what is refused, and what onnxruntime cannot be asked about. */
#include "exec/session.h"
#include "op_case.h"

#define ML(op) "ai.onnx.ml:" op

static void open_ml(op_case *c, int64_t version) {
  case_open(c, 17);
  build_opset(&c->b, "ai.onnx.ml", version);
}

/* ---- trees that are refused -------------------------------------------- */
/* x[0] <= 0.5 ? 1 : 2, in parts that tests exchange. */
#define TREES "nodes_treeids=[0,0,0] nodes_nodeids=[0,1,2] "
#define WAYS "nodes_truenodeids=[1,0,0] nodes_falsenodeids=[2,0,0] "
#define FEATURES "nodes_featureids=[0,0,0] "
#define MODES "nodes_modes=[BRANCH_LEQ,LEAF,LEAF] "
#define VALUES "nodes_values=[0.5,0.0,0.0] "
#define VOTES                                                   \
  "target_treeids=[0,0] target_nodeids=[1,2] target_ids=[0,0] " \
  "target_weights=[1.0,2.0] "
#define ONE "n_targets=1 "

static void refuses_tree(const char *attrs, const char *id) {
  op_case c;

  open_ml(&c, 1);
  case_f32(&c, "1,1", (float[]){0});
  case_refuses(&c, ML("TreeEnsembleRegressor"), attrs, OQ_E_MODEL, id);
}

static void the_tree_is_right(void **state) {
  op_case c;

  (void)state;
  open_ml(&c, 1);
  case_f32(&c, "3,1", (float[]){0, 1, NAN});
  case_run(&c, ML("TreeEnsembleRegressor"), 1,
           TREES WAYS FEATURES MODES VALUES VOTES ONE);
  case_is_f32(&c, 0, "3,1", (float[]){1, 2, 2}, 0);
  case_close(&c);
}

static void lists_must_fit_each_other(void **state) {
  (void)state;
  refuses_tree(TREES WAYS MODES VALUES VOTES ONE "nodes_featureids=[0,0]",
               "op.attr");
  refuses_tree(WAYS FEATURES MODES VALUES VOTES ONE "nodes_nodeids=[0,1,2]",
               "op.attr");
  refuses_tree(TREES WAYS FEATURES MODES VOTES ONE "nodes_values=[0.5]",
               "op.attr");
  refuses_tree(TREES WAYS FEATURES VALUES VOTES ONE "nodes_modes=[LEAF]",
               "op.attr");
  refuses_tree(TREES WAYS FEATURES VALUES MODES VOTES ONE
               "nodes_missing_value_tracks_true=[1]",
               "op.attr");
  refuses_tree(TREES WAYS FEATURES MODES VALUES ONE
               "target_treeids=[0] target_nodeids=[1] target_ids=[0] "
               "target_weights=[1.0,2.0]",
               "op.attr");
  refuses_tree("n_targets=1", "op.attr");
  refuses_tree(TREES WAYS FEATURES MODES VALUES VOTES, "op.attr");
  refuses_tree(TREES WAYS FEATURES MODES VALUES VOTES "n_targets=-1",
               "op.attr");
  refuses_tree(TREES WAYS FEATURES MODES VALUES VOTES ONE
               "base_values=[1.0,2.0]",
               "op.attr");
  refuses_tree(TREES WAYS FEATURES VALUES VOTES ONE
               "nodes_modes=[BRANCH_NE,LEAF,LEAF]",
               "op.attr");
}

static void votes_must_have_a_target_and_a_node(void **state) {
  (void)state;
  refuses_tree(TREES WAYS FEATURES MODES VALUES ONE
               "target_treeids=[0] target_nodeids=[1] target_ids=[1] "
               "target_weights=[1.0]",
               "op.attr");
  refuses_tree(TREES WAYS FEATURES MODES VALUES ONE
               "target_treeids=[0] target_nodeids=[1] target_ids=[-1] "
               "target_weights=[1.0]",
               "op.attr");
  refuses_tree(TREES WAYS FEATURES MODES VALUES ONE
               "target_treeids=[1] target_nodeids=[1] target_ids=[0] "
               "target_weights=[1.0]",
               "tree.node");
}

static void nodes_must_form_trees(void **state) {
  (void)state;
  /* A child that is not there, or of another tree. */
  refuses_tree(TREES FEATURES MODES VALUES VOTES ONE
               "nodes_truenodeids=[7,0,0] nodes_falsenodeids=[2,0,0]",
               "tree.node");
  refuses_tree(WAYS FEATURES MODES VALUES VOTES ONE
               "nodes_treeids=[0,0,1] nodes_nodeids=[0,1,2]",
               "tree.node");
  /* The same node twice. */
  refuses_tree(WAYS FEATURES MODES VALUES VOTES ONE
               "nodes_treeids=[0,0,0] nodes_nodeids=[0,1,1]",
               "tree.twice");
  /* Below itself; no root; two roots; a ring beside the tree. */
  refuses_tree(TREES FEATURES VALUES VOTES ONE
               "nodes_modes=[BRANCH_LEQ,BRANCH_LEQ,LEAF] "
               "nodes_truenodeids=[1,1,0] nodes_falsenodeids=[2,2,0]",
               "tree.cycle");
  refuses_tree(TREES FEATURES VALUES VOTES ONE
               "nodes_modes=[BRANCH_LEQ,BRANCH_LEQ,LEAF] "
               "nodes_truenodeids=[1,0,0] nodes_falsenodeids=[2,2,0]",
               "tree.cycle");
  refuses_tree(TREES FEATURES VALUES VOTES ONE
               "nodes_modes=[BRANCH_LEQ,LEAF,LEAF] "
               "nodes_truenodeids=[1,0,0] nodes_falsenodeids=[1,0,0]",
               "tree.roots");
  refuses_tree(
      "nodes_treeids=[0,0,0] nodes_nodeids=[0,1,2] "
      "nodes_modes=[LEAF,BRANCH_LT,BRANCH_LT] "
      "nodes_truenodeids=[0,2,1] nodes_falsenodeids=[0,2,1] " FEATURES VALUES
          VOTES ONE,
      "tree.cycle");
  refuses_tree(TREES WAYS MODES VALUES VOTES ONE "nodes_featureids=[-1,0,0]",
               "tree.feature");
  refuses_tree(TREES WAYS MODES VALUES VOTES ONE
               "nodes_featureids=[4294967296,0,0]",
               "tree.feature");
  refuses_tree(TREES WAYS MODES VALUES VOTES ONE "nodes_featureids=[1,0,0]",
               "tree.feature"); /* the input has one column */
}

/* LightGBM's sets: comparisons in a chain that lead to one leaf; and nodes in
 * any order. */
static void nodes_may_have_several_parents(void **state) {
  op_case c;

  (void)state;
  open_ml(&c, 1);
  case_f32(&c, "4,1", (float[]){3, 5, 4, NAN});
  case_run(&c, ML("TreeEnsembleRegressor"), 1,
           "nodes_treeids=[0,0,0,0] nodes_nodeids=[3,2,1,0] "
           "nodes_modes=[LEAF,LEAF,BRANCH_EQ,BRANCH_EQ] "
           "nodes_values=[0.0,0.0,5.0,3.0] nodes_featureids=[0,0,0,0] "
           "nodes_truenodeids=[0,0,2,2] nodes_falsenodeids=[0,0,3,1] "
           "target_treeids=[0,0] target_nodeids=[2,3] target_ids=[0,0] "
           "target_weights=[1.0,-1.0] n_targets=1");
  case_is_f32(&c, 0, "4,1", (float[]){1, 1, -1, -1}, 0);
  case_close(&c);
}

/* A chain of comparisons, each with the next on its false side. */
static void deep_trees_need_no_stack(void **state) {
  enum { DEPTH = 200000, NODES = 2 * DEPTH + 1 };
  op_case c;
  oq_attr a[12];
  oq_text *const mode = calloc(NODES, sizeof *mode);
  int64_t *const tree = calloc(NODES, sizeof *tree);
  int64_t *const id = calloc(NODES, sizeof *id);
  int64_t *const yes = calloc(NODES, sizeof *yes);
  int64_t *const no = calloc(NODES, sizeof *no);
  float *const value = calloc(NODES, sizeof *value);

  (void)state;
  assert_true(mode && tree && id && yes && no && value);
  open_ml(&c, 1);
  case_f32(&c, "2,1", (float[]){(float)DEPTH, -1});
  for (int64_t i = 0; i < NODES; i++) {
    const bool leaf = i % 2 == 1 || i == NODES - 1;
    mode[i] = leaf ? (oq_text){"LEAF", 4} : (oq_text){"BRANCH_LEQ", 10};
    id[i] = i;
    yes[i] = i + 1;
    no[i] = i + 2;
    value[i] = (float)(i / 2);
  }
  oq_model_ir *const m = c.b.ir;
  const int64_t votes[] = {1, NODES - 1}, zeros[2] = {0};
  uint32_t n = 0;
#define INTS(key, v, k) \
  assert_int_equal(oq_attr_i64s(m, &a[n++], key, v, k), OQ_OK)
  INTS("nodes_treeids", tree, NODES);
  INTS("nodes_featureids", tree, NODES);
  INTS("nodes_nodeids", id, NODES);
  INTS("nodes_truenodeids", yes, NODES);
  INTS("nodes_falsenodeids", no, NODES);
  INTS("target_nodeids", votes, 2);
  INTS("target_treeids", zeros, 2);
  INTS("target_ids", zeros, 2);
  assert_int_equal(oq_attr_i64(m, &a[n++], "n_targets", 1), OQ_OK);
  INTS("nodes_values", tree, 0);
  a[n - 1].kind = OQ_ATTR_F32S;
  a[n - 1].u.f32s = value;
  a[n - 1].count = NODES;
  INTS("target_weights", tree, 0);
  a[n - 1].kind = OQ_ATTR_F32S;
  a[n - 1].u.f32s = (const float[]){3, 4};
  a[n - 1].count = 2;
  INTS("nodes_modes", tree, 0);
  a[n - 1].kind = OQ_ATTR_TEXTS;
  a[n - 1].u.texts = mode;
  a[n - 1].count = NODES;
#undef INTS
  const oq_node_id node = case_node(&c, ML("TreeEnsembleRegressor"), 1, "");
  assert_int_equal(oq_edit_set_attrs(c.b.g, node, a, n), OQ_OK);
  build_bind(&c.b);
  if (c.b.status != OQ_OK) test_env_show(&c.t);
  assert_int_equal(c.b.status, OQ_OK);
  const oq_ctensor x = oq_tensor_const(&c.in[0]);
  const oq_ctensor *const in[] = {&x};
  assert_int_equal(oq_exec_node(c.out, c.b.g, node, in, c.arena, &c.t.e),
                   OQ_OK);
  case_is_f32(&c, 0, "2,1", (float[]){4, 3}, 0);
  case_close(&c);
  free(mode);
  free(tree);
  free(id);
  free(yes);
  free(no);
  free(value);
}

/* ---- classes ----------------------------------------------------------- */
#define CLASSES(ids)                                               \
  "class_treeids=[0,0,0,0] class_nodeids=[1,1,2,2] class_ids=" ids \
  " class_weights=[0.7,0.3,0.2,0.8] "

/* The text: "the top class"; onnxruntime's answer is not in the list. */
static void the_top_of_two_classes_is_in_the_list(void **state) {
  op_case c;

  (void)state;
  open_ml(&c, 1);
  case_f32(&c, "2,1", (float[]){0, 1});
  case_run(&c, ML("TreeEnsembleClassifier"), 2,
           TREES WAYS FEATURES MODES VALUES CLASSES(
               "[0,1,0,1]") "classlabels_int64s=[10,20]");
  case_is_i64(&c, 0, "2", (int64_t[]){10, 20});
  case_is_f32(&c, 1, "2,2", (float[]){.7F, .3F, .2F, .8F}, 0);
  case_close(&c);
}

static void refuses_classes(const char *attrs) {
  op_case c;

  open_ml(&c, 1);
  case_f32(&c, "1,1", (float[]){0});
  case_refuses(&c, ML("TreeEnsembleClassifier"), attrs, OQ_E_MODEL, "op.attr");
}

static void classes_must_fit(void **state) {
  (void)state;
#define ALL TREES WAYS FEATURES MODES VALUES
  refuses_classes(ALL CLASSES("[0,1,0,1]"));
  refuses_classes(ALL CLASSES("[0,2,0,1]") "classlabels_int64s=[10,20]");
  refuses_classes(ALL CLASSES(
      "[0,1,0,1]") "classlabels_int64s=[1,2] classlabels_strings=[a,b]");
  refuses_classes(
      ALL CLASSES("[0,1,0,1]") "classlabels_int64s=[10,20] base_values=[0.5]");
#undef ALL
}

/* ---- linear models ----------------------------------------------------- */
static void refuses(const char *op, const char *shape, const char *attrs,
                    const char *id) {
  op_case c;

  open_ml(&c, 1);
  case_f32(&c, shape, NULL);
  case_refuses(&c, op, attrs, OQ_E_MODEL, id);
}

static void linear_models_must_fit(void **state) {
  (void)state;
  refuses(ML("LinearClassifier"), "1,2",
          "coefficients=[1.0,2.0,3.0] intercepts=[0.5,0.5] "
          "classlabels_ints=[1,2]",
          "op.attr");
  refuses(ML("LinearClassifier"), "1,2",
          "coefficients=[1.0,2.0] intercepts=[0.5] classlabels_ints=[1,2,3]",
          "op.attr");
  refuses(ML("LinearClassifier"), "1,3",
          "coefficients=[1.0,2.0,3.0,4.0] intercepts=[0.5,0.5] "
          "classlabels_ints=[1,2]",
          "linear.features");
  refuses(ML("LinearRegressor"), "1,2,1", "coefficients=[1.0,2.0]", "op.rank");
  refuses(ML("LinearRegressor"), "1,2", "coefficients=[1.0,2.0] targets=0",
          "op.attr");
}

#define SVM                                                     \
  "classlabels_ints=[0,1] rho=[0.5] support_vectors=[1.0,2.0] " \
  "coefficients=[1.0,-1.0] "
static void machines_must_fit(void **state) {
  (void)state;
  refuses(ML("SVMClassifier"), "1,1", SVM "vectors_per_class=[3,-1]",
          "op.attr");
  refuses(ML("SVMClassifier"), "1,1", SVM "vectors_per_class=[1,1,1]",
          "op.attr");
  refuses(ML("SVMClassifier"), "1,1", SVM "vectors_per_class=[2,1]", "op.attr");
  refuses(ML("SVMClassifier"), "1,1",
          SVM "vectors_per_class=[1,1] prob_a=[1.0]", "op.attr");
  refuses(ML("SVMClassifier"), "1,1",
          SVM "vectors_per_class=[1,1] kernel_params=[1.0]", "op.attr");
  refuses(ML("SVMClassifier"), "1,2", SVM "vectors_per_class=[1,1]",
          "linear.features");
  refuses(ML("SVMRegressor"), "1,2",
          "coefficients=[1.0] rho=[0.5] n_supports=2 support_vectors=[1.0,2.0]",
          "op.attr");
}

/* ---- features, categories ---------------------------------------------- */
static void features_must_fit(void **state) {
  (void)state;
  refuses(ML("Scaler"), "1,2", "offset=[1.0] scale=[1.0,2.0]", "op.attr");
  refuses(ML("Scaler"), "1,3", "offset=[1.0,1.0] scale=[1.0,2.0]",
          "feature.count");
  refuses(ML("Imputer"), "1,3", "imputed_value_int64s=[1]", "op.dtype");
  refuses(ML("Imputer"), "1,3", "", "op.attr");
  refuses(ML("Normalizer"), "1,3,1", "", "op.rank");
  refuses(ML("Normalizer"), "1,3", "norm=L3", "op.attr");
  refuses(ML("FeatureVectorizer"), "1,3", "inputdimensions=[3,3]", "op.attr");
  refuses(ML("FeatureVectorizer"), "1,3", "inputdimensions=[-1]", "op.attr");
  refuses(ML("OneHotEncoder"), "2", "cats_strings=[a,b]", "op.dtype");
  refuses(ML("ZipMap"), "1,3",
          "classlabels_int64s=[0,1,2] "
          "classlabels_strings=[a]",
          "op.attr");
}

static void an_index_must_lie_inside(void **state) {
  op_case c;

  (void)state;
  open_ml(&c, 1);
  case_f32(&c, "1,3", NULL);
  case_i64(&c, "2", (int64_t[]){2, 3});
  case_refuses(&c, ML("ArrayFeatureExtractor"), "", OQ_E_DATA, "op.index");
}

static void unknown_categories_may_be_refused(void **state) {
  op_case c;

  (void)state;
  open_ml(&c, 1);
  case_f32(&c, "4", (float[]){1.5F, INFINITY, NAN, 2});
  case_run(&c, ML("OneHotEncoder"), 1, "cats_int64s=[1,2]");
  case_is_f32(&c, 0, "4,2", (float[]){1, 0, 0, 0, 0, 0, 0, 1}, 0);
  case_close(&c);
  open_ml(&c, 1);
  case_f32(&c, "2", (float[]){1, 3});
  case_refuses(&c, ML("OneHotEncoder"), "cats_int64s=[1,2] zeros=0", OQ_E_DATA,
               "one_hot.unknown");
}

/* The text of version 4; onnxruntime takes the first. */
static void the_last_of_equal_keys_counts(void **state) {
  op_case c;

  (void)state;
  open_ml(&c, 4);
  case_f32(&c, "3", (float[]){1, NAN, 2});
  case_run(&c, ML("LabelEncoder"), 1,
           "keys_floats=[1.0,nan,1.0] values_int64s=[5,6,7]");
  case_is_i64(&c, 0, "3", (int64_t[]){7, 6, -1});
  case_close(&c);
}

static void encoders_must_fit(void **state) {
  (void)state;
  refuses(ML("CategoryMapper"), "2", "cats_strings=[a] cats_int64s=[1,2]",
          "op.attr");
  op_case c;
  open_ml(&c, 2);
  case_f32(&c, "2", NULL);
  case_refuses(&c, ML("LabelEncoder"), "keys_int64s=[1] values_int64s=[1]",
               OQ_E_MODEL, "op.dtype");
  open_ml(&c, 2);
  case_f32(&c, "2", NULL);
  case_refuses(&c, ML("LabelEncoder"), "keys_floats=[1.0] values_int64s=[1,2]",
               OQ_E_MODEL, "op.attr");
}

/* ---- maps -------------------------------------------------------------- */
typedef struct maps {
  test_env t;
  build b;
  oq_plan *p;
  oq_session *s;
} maps;

static void open_maps(maps *m) {
  memset(m, 0, sizeof *m);
  assert_true(test_env_open(&m->t, NULL));
  m->t.e.kernels = oq_kernels_find("auto");
  build_open(&m->b, &m->t.e, 17);
  build_opset(&m->b, "ai.onnx.ml", 1);
}

static void plan_maps(maps *m) {
  build_bind(&m->b);
  if (m->b.status != OQ_OK) test_env_show(&m->t);
  assert_int_equal(m->b.status, OQ_OK);
  assert_int_equal(oq_plan_create(&m->p, m->b.g, NULL, &m->t.e), OQ_OK);
  assert_int_equal(oq_session_create(&m->s, m->p, &m->t.e), OQ_OK);
}

static void close_maps(maps *m) {
  oq_session_destroy(m->s);
  oq_plan_destroy(m->p);
  build_close(&m->b);
  test_env_close(&m->t);
}

static void zip_map_names_columns(void **state) {
  float x[] = {1, 2, 3, 4};
  oq_ctensor t = {OQ_DT_F32, {2, {2, 2}}, sizeof x, x};
  maps m;

  (void)state;
  open_maps(&m);
  build_input(&m.b, "x", OQ_DT_F32, "N,2");
  build_node(&m.b, ML("ZipMap"), "x", "y", "classlabels_strings=[no,yes]");
  build_output(&m.b, "y");
  plan_maps(&m);
  for (int turn = 0; turn < 2; turn++) {
    x[0] = 1;
    assert_int_equal(oq_session_run(m.s, &t, 1, NULL, &m.t.e), OQ_OK);
    x[0] = 99; /* the caller's again */
    const oq_datum *const y = oq_session_datum(m.s, build_find(&m.b, "y"));
    assert_int_equal(y->kind, OQ_DATUM_MAPS);
    assert_true(oq_element_f64(&y->item[OQ_MAP_VALUES].t, 0) == 1.0);
    assert_int_equal(y->item[OQ_MAP_VALUES].t.shape.dim[0], 2);
    assert_memory_equal(oq_texts(&y->item[OQ_MAP_KEYS].t)[1].p, "yes", 3);
  }
  t.shape.dim[1] = 4;
  t.shape.dim[0] = 1;
  assert_int_not_equal(oq_session_run(m.s, &t, 1, NULL, &m.t.e), OQ_OK);
  close_maps(&m);
}

/* One map of 2 -> 0.5, 0 -> -1.25 into an operator. */
static void run_on_map(maps *m, const char *op, const char *attrs) {
  static const int64_t keys[] = {2, 0};
  static const float values[] = {0.5F, -1.25F};
  const oq_ctensor k = {OQ_DT_I64, {1, {2}}, sizeof keys, keys};
  const oq_ctensor v = {OQ_DT_F32, {1, {2}}, sizeof values, values};
  const oq_datum item[] = {oq_datum_of(&k), oq_datum_of(&v)};
  const oq_datum in = {
      .kind = OQ_DATUM_MAPS, .item = item, .n_items = OQ_MAP_ITEMS};
  const oq_type other = {.kind = OQ_TYPE_OTHER};

  open_maps(m);
  oq_edit_set_type(m->b.g, build_input(&m->b, "x", OQ_DT_F32, "*"), &other);
  build_node(&m->b, op, "x", "y", attrs);
  build_output(&m->b, "y");
  plan_maps(m);
  if (oq_session_run_data(m->s, &in, 1, NULL, &m->t.e) == OQ_OK) return;
  test_env_show(&m->t);
  fail();
}

static void map_gives_floats(const char *op, const char *attrs,
                             const float *want, size_t n) {
  maps m;

  run_on_map(&m, op, attrs);
  const oq_ctensor *const y = oq_session_value(m.s, build_find(&m.b, "y"));
  assert_int_equal(y->dtype, OQ_DT_F32);
  assert_int_equal(y->shape.rank, 2);
  assert_int_equal(y->size, n * sizeof *want);
  assert_memory_equal(y->data, want, y->size);
  close_maps(&m);
}

static void maps_become_tensors(void **state) {
  maps m;

  (void)state;
  map_gives_floats(ML("DictVectorizer"), "int64_vocabulary=[0,1,2,0]",
                   (float[]){-1.25F, 0, 0.5F, -1.25F}, 4);
  map_gives_floats(ML("CastMap"), "", (float[]){-1.25F, 0.5F}, 2);
  map_gives_floats(ML("CastMap"), "map_form=SPARSE max_map=4",
                   (float[]){-1.25F, 0, 0.5F, 0}, 4);
  run_on_map(&m, ML("CastMap"), "map_form=SPARSE max_map=3 cast_to=TO_STRING");
  const oq_text *const t =
      oq_texts(oq_session_value(m.s, build_find(&m.b, "y")));
  assert_int_equal(t[0].n, 9);
  assert_memory_equal(t[0].p, "-1.250000", 9);
  assert_memory_equal(t[1].p, "0.f", 3);
  assert_memory_equal(t[2].p, "0.500000", 8);
  close_maps(&m);
}

static void tensors_are_no_maps(void **state) {
  const float x[] = {1};
  const oq_ctensor t = {OQ_DT_F32, {1, {1}}, sizeof x, x};
  maps m;

  (void)state;
  open_maps(&m);
  build_input(&m.b, "x", OQ_DT_F32, "*");
  build_node(&m.b, ML("CastMap"), "x", "y", "");
  build_output(&m.b, "y");
  plan_maps(&m);
  assert_int_equal(oq_session_run(m.s, &t, 1, NULL, &m.t.e), OQ_E_MODEL);
  assert_string_equal(test_env_last(&m.t), "map.input");
  close_maps(&m);
}

/* What makes no map of it refuses one. */
static void maps_are_no_tensors(void **state) {
  const float x[] = {1, 2};
  const oq_ctensor t = {OQ_DT_F32, {2, {1, 2}}, sizeof x, x};
  maps m;

  (void)state;
  open_maps(&m);
  build_input(&m.b, "x", OQ_DT_F32, "*");
  build_node(&m.b, ML("ZipMap"), "x", "z", "classlabels_int64s=[1,2]");
  build_node(&m.b, "Neg", "z", "y", "");
  build_output(&m.b, "y");
  plan_maps(&m);
  assert_int_equal(oq_session_run(m.s, &t, 1, NULL, &m.t.e), OQ_E_UNSUPPORTED);
  assert_string_equal(test_env_last(&m.t), "run.kind");
  close_maps(&m);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_tree_is_right),
      cmocka_unit_test(lists_must_fit_each_other),
      cmocka_unit_test(votes_must_have_a_target_and_a_node),
      cmocka_unit_test(nodes_must_form_trees),
      cmocka_unit_test(nodes_may_have_several_parents),
      cmocka_unit_test(deep_trees_need_no_stack),
      cmocka_unit_test(the_top_of_two_classes_is_in_the_list),
      cmocka_unit_test(classes_must_fit),
      cmocka_unit_test(linear_models_must_fit),
      cmocka_unit_test(machines_must_fit),
      cmocka_unit_test(features_must_fit),
      cmocka_unit_test(an_index_must_lie_inside),
      cmocka_unit_test(unknown_categories_may_be_refused),
      cmocka_unit_test(the_last_of_equal_keys_counts),
      cmocka_unit_test(encoders_must_fit),
      cmocka_unit_test(zip_map_names_columns),
      cmocka_unit_test(maps_become_tensors),
      cmocka_unit_test(tensors_are_no_maps),
      cmocka_unit_test(maps_are_no_tensors),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
