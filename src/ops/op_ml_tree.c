/* Decision trees: TreeEnsembleClassifier, TreeEnsembleRegressor, TreeEnsemble.
 * They are checked and laid out once, when the node is bound. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/forest.h"
#include "ops/ml.h"

typedef enum aggregate { AVERAGE, SUM, MIN, MAX } aggregate;

typedef struct tree_params {
  /* As written; of all versions. */
  oq_i64s tree_ids, node_ids, features, true_ids, false_ids, nan_way;
  oq_i64s true_leafs, false_leafs, roots;
  oq_i64s vote_targets, vote_nodes, vote_trees, labels_i;
  oq_f32s values, weights, base, hit_rates;
  oq_tensor_attr values_t, weights_t, base_t, hit_rates_t, modes_t, members_t;
  const oq_attr *modes, *labels_s;
  int32_t post_text, aggregate_text;
  int64_t post_number, aggregate_number, n_targets;
  /* Made of it. */
  oq_ml_post post;
  aggregate how;
  oq_ml_forest forest;
  oq_ml_labels labels;
  oq_ctensor bias; /* base values; size 0: none */
  /* Classifiers of two classes, all votes being for this one; else -1. */
  int32_t only_class;
  bool signs; /* some vote is negative */
} tree_params;

/* Where attributes come from and findings go. */
typedef struct source {
  const oq_graph *g;
  const oq_node *n;
  oq_diags *d;
  tree_params *p;
} source;

/* ---- lists ------------------------------------------------------------- */
static oq_ctensor floats_of(const oq_f32s *f) {
  return (oq_ctensor){.dtype = OQ_DT_F32,
                      .shape = {1, {(int64_t)f->n}},
                      .size = f->n * sizeof(float),
                      .data = f->v};
}

/* A list of floats, or the tensor that can stand for it. */
static oq_status take_numbers(oq_ctensor *out, const source *s,
                              const oq_f32s *f, const oq_tensor_attr *t,
                              const char *name) {
  if (t->c == NULL) {
    *out = floats_of(f);
    return OQ_OK;
  }
  if (f->n > 0)
    return oq_ml_attr_fail(s->g, s->n, name, s->d,
                           "attribute '%s' is given twice, as floats and as a "
                           "tensor",
                           name);
  OQ_TRY(oq_const_view(out, t->c, s->g->model->arena, s->d));
  if (!oq_dtype_in((int32_t)out->dtype, OQ_DTM_FLOAT) || out->shape.rank > 1)
    return oq_ml_attr_fail(s->g, s->n, name, s->d,
                           "attribute '%s' is no list of floats", name);
  return OQ_OK;
}

static oq_status same_length(const source *s, const char *name, size_t is,
                             size_t expected) {
  if (is == expected) return OQ_OK;
  return oq_ml_attr_fail(s->g, s->n, name, s->d,
                         "attribute '%s' has %zu values, expected %zu", name,
                         is, expected);
}

static oq_status bad_memory(const source *s) { return oq_fail_memory(s->d); }

/* ---- nodes known by tree and number ------------------------------------ */
typedef struct key {
  int64_t tree, id;
  uint32_t at;
} key;

static int by_key(const void *pa, const void *pb) {
  const key *const a = pa, *const b = pb;

  if (a->tree != b->tree) return a->tree < b->tree ? -1 : 1;
  return (a->id > b->id) - (a->id < b->id);
}

typedef struct key_list {
  const key *key;
  uint32_t n;
} key_list;

static oq_status make_index(key_list *out, const source *s, oq_arena *a) {
  const tree_params *const p = s->p;
  key *const k = OQ_NEW_N(a, key, p->node_ids.n);
  bool sorted = true;

  if (k == NULL) return bad_memory(s);
  for (uint32_t i = 0; i < p->node_ids.n; i++) {
    k[i] = (key){p->tree_ids.v[i], p->node_ids.v[i], i};
    sorted = sorted && (i == 0 || by_key(&k[i - 1], &k[i]) < 0);
  }
  if (!sorted) qsort(k, p->node_ids.n, sizeof *k, by_key);
  for (uint32_t i = 1; i < p->node_ids.n; i++)
    if (by_key(&k[i - 1], &k[i]) == 0)
      return oq_forest_fail(s->g, s->n, "tree.twice", s->d,
                            "node %lld of tree %lld is there twice",
                            (long long)k[i].id, (long long)k[i].tree);
  *out = (key_list){k, p->node_ids.n};
  return OQ_OK;
}

static oq_status find_node(uint32_t *out, const source *s, const key_list *x,
                           int64_t tree, int64_t id) {
  const key k = {tree, id, 0};
  const key *const f = bsearch(&k, x->key, x->n, sizeof k, by_key);

  if (f == NULL)
    return oq_forest_fail(s->g, s->n, "tree.node", s->d,
                          "tree %lld has no node %lld, which is referred to",
                          (long long)tree, (long long)id);
  *out = f->at;
  return OQ_OK;
}

static const char *const mode_texts[] = {
    "BRANCH_LEQ", "BRANCH_LT",  "BRANCH_GTE", "BRANCH_GT",
    "BRANCH_EQ",  "BRANCH_NEQ", NULL};

static oq_status take_mode(uint8_t *out, const source *s, const oq_text *t) {
  if (t->n == 4 && memcmp(t->p, "LEAF", 4) == 0) {
    *out = OQ_TREE_LEAF;
    return OQ_OK;
  }
  for (uint8_t i = 0; mode_texts[i] != NULL; i++)
    if (t->n == strlen(mode_texts[i]) && memcmp(t->p, mode_texts[i], t->n) == 0)
      return *out = i, OQ_OK;
  return oq_ml_attr_fail(s->g, s->n, "nodes_modes", s->d,
                         "attribute 'nodes_modes' has \"%.*s\", which this "
                         "operator does not define",
                         (int)(t->n < 64 ? t->n : 64), t->p);
}

static oq_status take_modes(const uint8_t **out, const source *s, oq_arena *a) {
  const oq_attr *const texts = s->p->modes;
  uint8_t *const mode = OQ_NEW_N(a, uint8_t, texts->count);

  if (mode == NULL) return bad_memory(s);
  for (uint32_t i = 0; i < texts->count; i++)
    OQ_TRY(take_mode(&mode[i], s, &texts->u.texts[i]));
  *out = mode;
  return OQ_OK;
}

static oq_status same_lengths(const source *s, const oq_trees *t) {
  const tree_params *const p = s->p;
  const uint32_t n = t->n_nodes;

  if (n == 0)
    return oq_ml_attr_fail(s->g, s->n, "nodes_nodeids", s->d,
                           "there are no nodes");
  OQ_TRY(same_length(s, "nodes_treeids", p->tree_ids.n, n));
  OQ_TRY(same_length(s, "nodes_featureids", p->features.n, n));
  OQ_TRY(same_length(s, "nodes_truenodeids", p->true_ids.n, n));
  OQ_TRY(same_length(s, "nodes_falsenodeids", p->false_ids.n, n));
  OQ_TRY(same_length(s, "nodes_modes", p->modes ? p->modes->count : 0, n));
  OQ_TRY(same_length(s, "nodes_values", oq_tensor_count(&t->value), n));
  if (p->nan_way.n > 0)
    OQ_TRY(same_length(s, "nodes_missing_value_tracks_true", p->nan_way.n, n));
  return OQ_OK;
}

static oq_status take_children(oq_trees *t, const source *s, const key_list *x,
                               oq_arena *a) {
  const tree_params *const p = s->p;
  uint32_t(*const child)[2] =
      oq_arena_alloc(a, t->n_nodes, sizeof *child, _Alignof(uint32_t));

  if (child == NULL) return bad_memory(s);
  for (uint32_t i = 0; i < t->n_nodes; i++) {
    if (t->mode[i] == OQ_TREE_LEAF) continue;
    const int64_t tree = p->tree_ids.v[i];
    OQ_TRY(find_node(&child[i][0], s, x, tree, p->true_ids.v[i]));
    OQ_TRY(find_node(&child[i][1], s, x, tree, p->false_ids.v[i]));
  }
  t->child = (const uint32_t(*)[2])child;
  return OQ_OK;
}

/* The root of a tree is the one node that is nobody's child. */
static oq_status take_roots(oq_trees *t, const source *s, const key_list *x,
                            oq_arena *a) {
  const int64_t *const tree = s->p->tree_ids.v;
  bool *const below = OQ_NEW_N(a, bool, t->n_nodes);
  uint32_t *const root = OQ_NEW_N(a, uint32_t, t->n_nodes);
  uint32_t n_trees = 0;

  if (below == NULL || root == NULL) return bad_memory(s);
  for (uint32_t i = 0; i < t->n_nodes; i++)
    for (int k = 0; k < 2 && t->mode[i] != OQ_TREE_LEAF; k++)
      below[t->child[i][k]] = true;
  for (uint32_t i = 0; i < x->n; i++) {
    const uint32_t at = x->key[i].at;
    const bool same = i > 0 && x->key[i - 1].tree == x->key[i].tree;
    if (!same && n_trees++ != t->n_roots) break;
    if (below[at]) continue;
    if (t->n_roots == n_trees)
      return oq_forest_fail(s->g, s->n, "tree.roots", s->d,
                            "nodes %lld and %lld of tree %lld are both no "
                            "node's child",
                            (long long)s->p->node_ids.v[root[n_trees - 1]],
                            (long long)x->key[i].id, (long long)tree[at]);
    root[t->n_roots++] = at;
  }
  if (t->n_roots != n_trees)
    return oq_forest_fail(s->g, s->n, "tree.cycle", s->d,
                          "a tree has no root: each node is the child of one");
  t->root = root;
  return OQ_OK;
}

static oq_status take_votes(oq_trees *t, const source *s, const key_list *x,
                            oq_arena *a, const char *const names[4]) {
  const tree_params *const p = s->p;
  uint32_t *const node = OQ_NEW_N(a, uint32_t, p->vote_targets.n);

  if (node == NULL) return bad_memory(s);
  t->n_votes = p->vote_targets.n;
  OQ_TRY(same_length(s, names[1], p->vote_nodes.n, t->n_votes));
  OQ_TRY(same_length(s, names[2], p->vote_trees.n, t->n_votes));
  OQ_TRY(
      same_length(s, names[3], oq_tensor_count(&t->vote_weight), t->n_votes));
  for (uint32_t i = 0; i < t->n_votes; i++)
    OQ_TRY(find_node(&node[i], s, x, p->vote_trees.v[i], p->vote_nodes.v[i]));
  t->vote_node = node;
  t->vote_target = p->vote_targets.v;
  return OQ_OK;
}

static oq_status check_targets(const oq_trees *t, const source *s,
                               const char *name) {
  for (uint32_t i = 0; i < t->n_votes; i++)
    if (t->vote_target[i] < 0 || t->vote_target[i] >= (int64_t)t->n_targets)
      return oq_ml_attr_fail(s->g, s->n, name, s->d,
                             "attribute '%s' has %lld, expected 0 to %u", name,
                             (long long)t->vote_target[i], t->n_targets - 1);
  return OQ_OK;
}

/* Trees of versions 1 and 3. */
static oq_status take_listed(oq_trees *t, const source *s, oq_arena *a,
                             const char *const names[4]) {
  tree_params *const p = s->p;
  key_list x;

  t->n_nodes = p->node_ids.n;
  t->all = true;
  OQ_TRY(take_numbers(&t->value, s, &p->values, &p->values_t, "nodes_values"));
  OQ_TRY(
      take_numbers(&t->vote_weight, s, &p->weights, &p->weights_t, names[3]));
  OQ_TRY(take_numbers(&p->bias, s, &p->base, &p->base_t, "base_values"));
  OQ_TRY(same_lengths(s, t));
  t->feature = p->features.v;
  t->nan_way = p->nan_way.n > 0 ? p->nan_way.v : NULL;
  OQ_TRY(take_modes(&t->mode, s, a));
  OQ_TRY(make_index(&x, s, a));
  OQ_TRY(take_children(t, s, &x, a));
  OQ_TRY(take_roots(t, s, &x, a));
  OQ_TRY(take_votes(t, s, &x, a, names));
  return check_targets(t, s, names[0]);
}

/* Runs `make` with memory for the time of building. */
static oq_status with_room(source *s,
                           oq_status (*make)(const source *s, oq_arena *a)) {
  oq_arena *a;

  if (oq_arena_create(&a, s->g->model->alloc, 0) != OQ_OK) return bad_memory(s);
  const oq_status y = make(s, a);
  oq_arena_destroy(a);
  return y;
}

/* ---- classifier: attributes -------------------------------------------- */
/* Two classes of which only one is voted for have one score. */
static oq_status find_only_class(oq_trees *t, const source *s, oq_arena *a) {
  tree_params *const p = s->p;

  p->only_class = -1;
  for (uint32_t i = 0; i < t->n_votes; i++)
    p->signs = p->signs || oq_element_f64(&t->vote_weight, i) < 0;
  if (t->n_targets != 2 || t->n_votes == 0) return OQ_OK;
  for (uint32_t i = 1; i < t->n_votes; i++)
    if (t->vote_target[i] != t->vote_target[0]) return OQ_OK;
  p->only_class = (int32_t)t->vote_target[0];
  int64_t *const zeros = OQ_NEW_N(a, int64_t, t->n_votes);
  if (zeros == NULL) return bad_memory(s);
  t->vote_target = zeros;
  t->n_targets = 1;
  return OQ_OK;
}

static oq_status make_classifier(const source *s, oq_arena *a) {
  static const char *const names[] = {"class_ids", "class_nodeids",
                                      "class_treeids", "class_weights"};
  tree_params *const p = s->p;
  oq_trees t = {.n_targets = p->labels.n};

  OQ_TRY(take_listed(&t, s, a, names));
  OQ_TRY(find_only_class(&t, s, a));
  const size_t n = oq_tensor_count(&p->bias);
  if (n != 0 && !(n == 1 && p->only_class >= 0))
    OQ_TRY(same_length(s, "base_values", n, p->labels.n));
  return oq_forest_build(&p->forest, &t, s->g, s->n, s->d);
}

static oq_status classifier_check(const oq_graph *g, const oq_node *n,
                                  void *params, oq_diags *d) {
  tree_params *const p = params;
  source s = {g, n, d, p};

  p->post = (oq_ml_post)p->post_text;
  p->how = SUM;
  OQ_TRY(oq_ml_labels_take(&p->labels, g, n, &p->labels_i, p->labels_s,
                           "classlabels", d));
  return with_room(&s, make_classifier);
}

/* ---- regressor: attributes --------------------------------------------- */
static oq_status take_n_targets(uint32_t *out, const source *s) {
  const int64_t n = s->p->n_targets;

  if (n < 1 || n > INT32_MAX)
    return oq_ml_attr_fail(s->g, s->n, "n_targets", s->d,
                           "attribute 'n_targets' is %lld", (long long)n);
  *out = (uint32_t)n;
  return OQ_OK;
}

static oq_status make_regressor(const source *s, oq_arena *a) {
  static const char *const names[] = {"target_ids", "target_nodeids",
                                      "target_treeids", "target_weights"};
  tree_params *const p = s->p;
  oq_trees t = {0};

  OQ_TRY(take_n_targets(&t.n_targets, s));
  OQ_TRY(take_listed(&t, s, a, names));
  const size_t n = oq_tensor_count(&p->bias);
  if (n != 0) OQ_TRY(same_length(s, "base_values", n, t.n_targets));
  return oq_forest_build(&p->forest, &t, s->g, s->n, s->d);
}

static oq_status regressor_check(const oq_graph *g, const oq_node *n,
                                 void *params, oq_diags *d) {
  tree_params *const p = params;
  source s = {g, n, d, p};

  p->post = (oq_ml_post)p->post_text;
  p->how = (aggregate)p->aggregate_text;
  return with_room(&s, make_regressor);
}

/* ---- TreeEnsemble: attributes ------------------------------------------ */
static oq_status take_tensor(oq_ctensor *out, const source *s,
                             const oq_tensor_attr *t, uint32_t types,
                             const char *name) {
  OQ_TRY(oq_const_view(out, t->c, s->g->model->arena, s->d));
  if (oq_dtype_in((int32_t)out->dtype, types) && out->shape.rank == 1)
    return OQ_OK;
  return oq_ml_attr_fail(s->g, s->n, name, s->d,
                         "attribute '%s' is of %s with rank %u", name,
                         oq_dtype_text((int32_t)out->dtype), out->shape.rank);
}

static int by_size(const void *pa, const void *pb) {
  const double a = *(const double *)pa, b = *(const double *)pb;

  return (a > b) - (a < b);
}

/* Sets are parted by NaN, and belong to the nodes of mode MEMBER in turn.  The
 * values of those nodes become numbers of sets. */
static oq_status take_sets(oq_trees *t, const source *s, double *value,
                           uint32_t n_inner) {
  const tree_params *const p = s->p;
  oq_arena *const keep = s->g->model->arena;
  oq_ctensor m = {.dtype = OQ_DT_F32, .shape = {1, {0}}};
  uint32_t wanted = 0, n_sets = 0;

  if (p->members_t.c != NULL)
    OQ_TRY(
        take_tensor(&m, s, &p->members_t, OQ_DTM_FLOAT, "membership_values"));
  for (uint32_t i = 0; i < n_inner; i++)
    if (t->mode[i] == OQ_TREE_MEMBER) value[i] = wanted++;
  const size_t n = oq_tensor_count(&m);
  double *const member = OQ_NEW_N(keep, double, n);
  uint32_t *const at = OQ_NEW_N(keep, uint32_t, (size_t)wanted + 1);
  if (member == NULL || at == NULL) return bad_memory(s);
  uint32_t n_members = 0;
  for (size_t i = 0; i <= n && n_sets < wanted; i++) {
    const double v = i < n ? oq_element_f64(&m, i) : NAN;
    if (v == v) {
      member[n_members++] = v;
      continue;
    }
    qsort(member + at[n_sets], n_members - at[n_sets], sizeof *member, by_size);
    at[++n_sets] = n_members;
  }
  if (n_sets != wanted || wanted > (1u << 24))
    return oq_ml_attr_fail(s->g, s->n, "membership_values", s->d,
                           "attribute 'membership_values' has %u sets, and %u "
                           "nodes have one",
                           n_sets, wanted);
  t->sets = (oq_tree_sets){member, at};
  return OQ_OK;
}

static oq_status take_places(oq_trees *t, const source *s, uint32_t n_inner,
                             uint32_t n_leaves, oq_arena *a) {
  const tree_params *const p = s->p;
  const oq_i64s *const ids[] = {&p->true_ids, &p->false_ids};
  const oq_i64s *const leafs[] = {&p->true_leafs, &p->false_leafs};
  uint32_t(*const child)[2] =
      oq_arena_alloc(a, n_inner, sizeof *child, _Alignof(uint32_t));

  if (child == NULL) return bad_memory(s);
  for (uint32_t i = 0; i < n_inner; i++)
    for (int k = 0; k < 2; k++) {
      const int64_t id = ids[k]->v[i];
      const bool leaf = leafs[k]->v[i] != 0;
      if (id < 0 || id >= (int64_t)(leaf ? n_leaves : n_inner))
        return oq_forest_fail(s->g, s->n, "tree.node", s->d,
                              "node %u refers to %s %lld, which is not there",
                              i, leaf ? "leaf" : "node", (long long)id);
      child[i][k] = (uint32_t)id + (leaf ? n_inner : 0);
    }
  t->child = (const uint32_t(*)[2])child;
  return OQ_OK;
}

static oq_status take_given_roots(oq_trees *t, const source *s,
                                  uint32_t n_inner, oq_arena *a) {
  const oq_i64s *const r = &s->p->roots;
  uint32_t *const root = OQ_NEW_N(a, uint32_t, r->n);

  if (root == NULL) return bad_memory(s);
  for (uint32_t i = 0; i < r->n; i++) {
    if (r->v[i] < 0 || r->v[i] >= (int64_t)n_inner)
      return oq_forest_fail(s->g, s->n, "tree.roots", s->d,
                            "root %lld is not there", (long long)r->v[i]);
    root[i] = (uint32_t)r->v[i];
  }
  t->root = root;
  t->n_roots = r->n;
  return OQ_OK;
}

static oq_status take_given_modes(oq_trees *t, const source *s,
                                  uint32_t n_inner, oq_arena *a) {
  oq_ctensor m;

  OQ_TRY(take_tensor(&m, s, &s->p->modes_t, OQ_DTM(U8), "nodes_modes"));
  OQ_TRY(same_length(s, "nodes_modes", oq_tensor_count(&m), n_inner));
  uint8_t *const mode = OQ_NEW_N(a, uint8_t, t->n_nodes);
  if (mode == NULL) return bad_memory(s);
  memset(mode, OQ_TREE_LEAF, t->n_nodes);
  if (n_inner > 0) memcpy(mode, m.data, n_inner);
  for (uint32_t i = 0; i < n_inner; i++)
    if (mode[i] > OQ_TREE_MEMBER)
      return oq_ml_attr_fail(s->g, s->n, "nodes_modes", s->d,
                             "attribute 'nodes_modes' has %u, expected 0 to %d",
                             mode[i], (int)OQ_TREE_MEMBER);
  t->mode = mode;
  return OQ_OK;
}

/* Comparisons as doubles, so that sets can have numbers; narrow again where
 * they came so. */
static oq_status take_splits(oq_trees *t, const source *s, uint32_t n_inner,
                             oq_arena *a) {
  oq_ctensor v;

  OQ_TRY(take_tensor(&v, s, &s->p->values_t, OQ_DTM_FLOAT, "nodes_splits"));
  OQ_TRY(same_length(s, "nodes_splits", oq_tensor_count(&v), n_inner));
  double *const value = OQ_NEW_N(a, double, n_inner);
  if (value == NULL) return bad_memory(s);
  for (uint32_t i = 0; i < n_inner; i++) value[i] = oq_element_f64(&v, i);
  OQ_TRY(take_sets(t, s, value, n_inner));
  const bool wide = v.dtype == OQ_DT_F64;
  t->value = (oq_ctensor){.dtype = OQ_DT_F64,
                          .shape = {1, {(int64_t)n_inner}},
                          .size = n_inner * sizeof *value,
                          .data = value};
  if (wide) return OQ_OK;
  float *const narrow = OQ_NEW_N(a, float, n_inner);
  if (narrow == NULL) return bad_memory(s);
  for (uint32_t i = 0; i < n_inner; i++) narrow[i] = (float)value[i];
  t->value.dtype = OQ_DT_F32;
  t->value.size = n_inner * sizeof *narrow;
  t->value.data = narrow;
  return OQ_OK;
}

static oq_status take_leaves(oq_trees *t, const source *s, uint32_t n_inner,
                             oq_arena *a) {
  const tree_params *const p = s->p;

  t->n_votes = p->vote_targets.n;
  OQ_TRY(same_length(s, "leaf_weights", oq_tensor_count(&t->vote_weight),
                     t->n_votes));
  uint32_t *const node = OQ_NEW_N(a, uint32_t, t->n_votes);
  if (node == NULL) return bad_memory(s);
  for (uint32_t i = 0; i < t->n_votes; i++) node[i] = n_inner + i;
  t->vote_node = node;
  t->vote_target = p->vote_targets.v;
  return check_targets(t, s, "leaf_targetids");
}

static oq_status same_given_lengths(const source *s, uint32_t n) {
  const tree_params *const p = s->p;

  OQ_TRY(same_length(s, "nodes_truenodeids", p->true_ids.n, n));
  OQ_TRY(same_length(s, "nodes_falsenodeids", p->false_ids.n, n));
  OQ_TRY(same_length(s, "nodes_trueleafs", p->true_leafs.n, n));
  OQ_TRY(same_length(s, "nodes_falseleafs", p->false_leafs.n, n));
  if (p->nan_way.n == 0) return OQ_OK;
  return same_length(s, "nodes_missing_value_tracks_true", p->nan_way.n, n);
}

static oq_status make_ensemble(const source *s, oq_arena *a) {
  tree_params *const p = s->p;
  const uint32_t n_inner = p->features.n, n_leaves = p->vote_targets.n;
  oq_trees t = {.n_nodes = n_inner + n_leaves};

  if (n_leaves > INT32_MAX || n_inner > INT32_MAX)
    return oq_forest_fail(s->g, s->n, "tree.node", s->d, "too many nodes");
  OQ_TRY(take_n_targets(&t.n_targets, s));
  OQ_TRY(same_given_lengths(s, n_inner));
  t.feature = p->features.v;
  t.nan_way = p->nan_way.n > 0 ? p->nan_way.v : NULL;
  OQ_TRY(take_given_modes(&t, s, n_inner, a));
  OQ_TRY(take_splits(&t, s, n_inner, a));
  OQ_TRY(take_places(&t, s, n_inner, n_leaves, a));
  OQ_TRY(take_given_roots(&t, s, n_inner, a));
  OQ_TRY(take_tensor(&t.vote_weight, s, &p->weights_t, OQ_DTM_FLOAT,
                     "leaf_weights"));
  OQ_TRY(take_leaves(&t, s, n_inner, a));
  return oq_forest_build(&p->forest, &t, s->g, s->n, s->d);
}

static oq_status ensemble_check(const oq_graph *g, const oq_node *n,
                                void *params, oq_diags *d) {
  tree_params *const p = params;
  source s = {g, n, d, p};

  p->post = (oq_ml_post)p->post_number;
  p->how = (aggregate)p->aggregate_number;
  p->bias = floats_of(&p->base);
  return with_room(&s, make_ensemble);
}

/* ---- types ------------------------------------------------------------- */
static oq_status infer_columns(oq_dim *n, const oq_infer *x) {
  const tree_params *const p = x->params;
  oq_dim c;

  OQ_TRY(oq_ml_infer_rows(n, &c, x));
  if (c.size == OQ_DIM_UNKNOWN || c.size >= (int64_t)p->forest.n_features)
    return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "tree.feature",
                       "input 0 has %lld columns, the trees look at %u",
                       (long long)c.size, p->forest.n_features);
}

static oq_status classifier_infer(oq_infer *x) {
  const tree_params *const p = x->params;
  oq_dim n;

  OQ_TRY(infer_columns(&n, x));
  oq_ml_infer_set(x, 0, oq_ml_labels_dtype(&p->labels), n);
  oq_ml_infer_set2(x, 1, OQ_DT_F32, n, p->labels.n);
  return OQ_OK;
}

static oq_status regressor_infer(oq_infer *x) {
  const tree_params *const p = x->params;
  oq_dim n;

  OQ_TRY(infer_columns(&n, x));
  oq_ml_infer_set2(x, 0, OQ_DT_F32, n, p->n_targets);
  return OQ_OK;
}

static oq_status ensemble_infer(oq_infer *x) {
  const tree_params *const p = x->params;
  const oq_dtype t = oq_infer_dtype(x, 0);
  oq_dim n;

  OQ_TRY(infer_columns(&n, x));
  if (t != OQ_DT_NONE) oq_ml_infer_set2(x, 0, t, n, p->n_targets);
  return OQ_OK;
}

/* ---- votes of a block of rows ------------------------------------------ */
enum { BLOCK = 256 };

/* Sums, or extremes, of one block; [row][target]. */
typedef struct tally {
  const oq_ml_forest *f;
  aggregate how;
  bool single; /* one target, summed */
  uint32_t leaf[BLOCK];
  double *score;  /* in the precision of the trees */
  uint8_t *voted; /* NULL where single */
  void *room;     /* BLOCK rows of the input */
  float *out;     /* the outputs of a row, for whom needs a place */
} tally;

static oq_status open_tally(tally *t, const oq_run *r, const oq_ml_forest *f,
                            aggregate how, size_t columns) {
  const size_t n = (size_t)BLOCK * f->n_targets;
  const size_t size = f->wide ? sizeof(double) : sizeof(float);

  t->f = f;
  t->how = how;
  t->single = f->n_targets == 1 && (how == SUM || how == AVERAGE);
  t->score = OQ_NEW_N(r->scratch, double, n);
  t->voted = OQ_NEW_N(r->scratch, uint8_t, n);
  t->room = oq_arena_alloc(r->scratch, columns, BLOCK * size, OQ_ALIGN);
  t->out = OQ_NEW_N(r->scratch, float, (size_t)f->n_targets + 1);
  if (t->score == NULL || t->voted == NULL || t->room == NULL || t->out == NULL)
    return oq_fail_memory(r->diags);
  return OQ_OK;
}

/* Sums round as trees of floats do in other runtimes: a score that decides a
 * class must not depend on more digits than those have. */
static double joined(const tally *t, double a, bool any, double v) {
  if (!any) return v;
  if (t->how == MIN) return v < a ? v : a;
  if (t->how == MAX) return v > a ? v : a;
  return t->f->wide ? a + v : (double)((float)a + (float)v);
}

static void add_votes(tally *t, size_t n) {
  const oq_forest_votes *const v = &t->f->votes;

  for (size_t i = 0; i < n; i++) {
    const uint32_t leaf = t->leaf[i] - t->f->walk.first_leaf;
    for (uint32_t k = v->first[leaf]; k < v->first[leaf + 1]; k++) {
      const size_t at = i * t->f->n_targets + v->target[k];
      t->score[at] = joined(t, t->score[at], t->voted[at] != 0, v->weight[k]);
      t->voted[at] = 1;
    }
  }
}

static void add_sums(tally *t, float *sum, size_t n) {
  if (t->f->wide) {
    const oq_tree_node_f64 *const node = t->f->walk.node;
    for (size_t i = 0; i < n; i++) t->score[i] += node[t->leaf[i]].value;
  } else {
    const oq_tree_node_f32 *const node = t->f->walk.node;
    for (size_t i = 0; i < n; i++) sum[i] += node[t->leaf[i]].value;
  }
}

/* Rows from..from+n of x down all trees. */
static void tally_block(tally *t, const oq_ctensor *x, size_t columns,
                        size_t from, size_t n) {
  const oq_ml_forest *const f = t->f;
  const void *rows;
  float sum[BLOCK] = {0};

  memset(t->score, 0, n * f->n_targets * sizeof *t->score);
  memset(t->voted, t->single ? 1 : 0, n * f->n_targets);
  if (f->wide)
    rows = oq_ml_doubles(x, from * columns, n * columns, t->room);
  else
    rows = oq_ml_floats(x, from * columns, n * columns, t->room);
  for (uint32_t i = 0; i < f->n_trees; i++) {
    if (f->wide)
      oq_tree_walk_f64(t->leaf, &f->walk, &f->tree[i], rows, columns, n);
    else
      oq_tree_walk_f32(t->leaf, &f->walk, &f->tree[i], rows, columns, n);
    if (t->single)
      add_sums(t, sum, n);
    else
      add_votes(t, n);
  }
  for (size_t i = 0; i < n && t->single && !f->wide; i++)
    t->score[i] = (double)sum[i];
}

/* ---- from scores to outputs -------------------------------------------- */
static double rounded(const tally *t, double v) {
  return t->f->wide ? v : (double)(float)v;
}

static void finish_targets(const tree_params *p, const tally *t, double *s,
                           float *out) {
  const uint32_t n = t->f->n_targets;
  const bool biased = oq_tensor_count(&p->bias) != 0;

  for (uint32_t k = 0; k < n; k++) {
    if (p->how == AVERAGE) s[k] = rounded(t, s[k] / t->f->n_trees);
    if (biased) s[k] = rounded(t, s[k] + oq_element_f64(&p->bias, k));
    out[k] = (float)s[k];
  }
  oq_ml_transform(out, n, p->post);
}

/* The first of the best classes, of those that anything speaks for. */
static uint32_t best_class(const double *s, const uint8_t *voted, uint32_t n) {
  uint32_t best = n;

  for (uint32_t k = 0; k < n; k++)
    if (voted[k] != 0 && (best == n || s[k] > s[best])) best = k;
  return best == n ? 0 : best;
}

static uint32_t finish_classes(const tree_params *p, const tally *t, double *s,
                               uint8_t *voted, float *out) {
  const uint32_t n = t->f->n_targets;
  const bool biased = oq_tensor_count(&p->bias) != 0;

  for (uint32_t k = 0; k < n; k++) {
    if (biased) s[k] = rounded(t, s[k] + oq_element_f64(&p->bias, k));
    if (biased) voted[k] = 1;
    out[k] = (float)s[k];
  }
  oq_ml_transform(out, n, p->post);
  return best_class(s, voted, n);
}

/* Two classes and one score, which the text leaves open: as onnxruntime does,
 * except that with a base value for each class both have a score. */
static uint32_t finish_pair(const tree_params *p, const tally *t, double s,
                            float *out) {
  const size_t n_bias = oq_tensor_count(&p->bias);
  const int32_t only = p->only_class;

  if (n_bias == 2) {
    double both[2] = {oq_element_f64(&p->bias, 0), oq_element_f64(&p->bias, 1)};
    both[only] = rounded(t, both[only] + s);
    for (int k = 0; k < 2; k++) out[k] = (float)both[k];
    oq_ml_transform(out, 2, p->post);
    return both[1] > both[0] ? 1 : 0;
  }
  if (n_bias == 1) s = rounded(t, s + oq_element_f64(&p->bias, 0));
  if (only == 0) {
    oq_ml_transform_pair(out, (float)s, p->post, p->signs);
  } else {
    out[0] = 0;
    out[1] = (float)s;
    oq_ml_transform(out, 2, p->post);
  }
  return s > (p->signs ? 0.0 : 0.5) ? 1 : 0;
}

/* ---- runs -------------------------------------------------------------- */
typedef void (*finish_fn)(oq_run *r, tally *t, size_t row, size_t in_block);

/* Doubles are compared as doubles, whatever the trees are of. */
static oq_status pick_forest(oq_ml_forest *out, const oq_run *r) {
  const tree_params *const p = r->params;

  *out = p->forest;
  if (r->in[0]->dtype != OQ_DT_F64 || p->forest.wide) return OQ_OK;
  return oq_forest_widen(out, &p->forest, r->scratch, r->diags);
}

static oq_status run_trees(oq_run *r, finish_fn finish) {
  const tree_params *const p = r->params;
  const oq_ml_rows rows = oq_ml_rows_of(r->in[0]);
  oq_ml_forest f;
  tally t;

  OQ_TRY(pick_forest(&f, r));
  OQ_TRY(open_tally(&t, r, &f, p->how, rows.c));
  for (size_t from = 0; from < rows.n; from += BLOCK) {
    const size_t n = rows.n - from < BLOCK ? rows.n - from : BLOCK;
    tally_block(&t, r->in[0], rows.c, from, n);
    for (size_t i = 0; i < n; i++) finish(r, &t, from + i, i);
  }
  return OQ_OK;
}

static void classify(oq_run *r, tally *t, size_t row, size_t i) {
  const tree_params *const p = r->params;
  const size_t n = t->f->n_targets;
  const bool shown = r->n_out > 1 && r->out[1].data != NULL;
  float *const out =
      shown ? (float *)r->out[1].data + row * p->labels.n : t->out;
  const uint32_t k = p->only_class >= 0 ? finish_pair(p, t, t->score[i], out)
                                        : finish_classes(p, t, t->score + i * n,
                                                         t->voted + i * n, out);

  if (r->out[0].data != NULL) oq_ml_labels_put(&p->labels, r, row, k);
}

static void regress(oq_run *r, tally *t, size_t row, size_t i) {
  const size_t n = t->f->n_targets;

  finish_targets(r->params, t, t->score + i * n,
                 (float *)r->out[0].data + row * n);
}

/* Scores as numbers of the input's type; float32 where that is narrower. */
static void store_targets(oq_run *r, tally *t, size_t row, size_t i) {
  const tree_params *const p = r->params;
  const size_t n = t->f->n_targets;

  finish_targets(p, t, t->score + i * n, t->out);
  for (size_t k = 0; k < n; k++) {
    const bool exact = p->post == OQ_ML_NONE && r->out[0].dtype == OQ_DT_F64;
    oq_element_set_f64(&r->out[0], row * n + k,
                       exact ? t->score[i * n + k] : (double)t->out[k]);
  }
}

static oq_status classifier_run(oq_run *r) { return run_trees(r, classify); }
static oq_status regressor_run(oq_run *r) { return run_trees(r, regress); }
static oq_status ensemble_run(oq_run *r) { return run_trees(r, store_targets); }

/* ---- attributes -------------------------------------------------------- */
static const char *const aggregate_texts[] = {"AVERAGE", "SUM", "MIN", "MAX",
                                              NULL};
#define P tree_params
#define NODES                                                   \
  OQ_A_I64S(P, tree_ids, "nodes_treeids"),                      \
      OQ_A_I64S(P, node_ids, "nodes_nodeids"),                  \
      OQ_A_I64S(P, features, "nodes_featureids"),               \
      OQ_A_I64S(P, true_ids, "nodes_truenodeids"),              \
      OQ_A_I64S(P, false_ids, "nodes_falsenodeids"),            \
      OQ_A_I64S(P, nan_way, "nodes_missing_value_tracks_true"), \
      OQ_ML_TEXTS(P, modes, "nodes_modes"),                     \
      OQ_A_F32S(P, values, "nodes_values"),                     \
      OQ_A_F32S(P, hit_rates, "nodes_hitrates"),                \
      OQ_A_F32S(P, base, "base_values"),                        \
      OQ_A_CHOICE(P, post_text, "post_transform", "NONE", oq_ml_post_texts)
#define NODES_3                                                \
  OQ_A_TENSOR(P, values_t, "nodes_values_as_tensor"),          \
      OQ_A_TENSOR(P, hit_rates_t, "nodes_hitrates_as_tensor"), \
      OQ_A_TENSOR(P, base_t, "base_values_as_tensor")
#define VOTES(what)                              \
  OQ_A_I64S(P, vote_targets, what "_ids"),       \
      OQ_A_I64S(P, vote_nodes, what "_nodeids"), \
      OQ_A_I64S(P, vote_trees, what "_treeids"), \
      OQ_A_F32S(P, weights, what "_weights")
static const oq_attr_def classifier_attrs_1[] = {
    NODES, VOTES("class"), OQ_A_I64S(P, labels_i, "classlabels_int64s"),
    OQ_ML_TEXTS(P, labels_s, "classlabels_strings")};
static const oq_attr_def classifier_attrs_3[] = {
    NODES,
    NODES_3,
    VOTES("class"),
    OQ_A_TENSOR(P, weights_t, "class_weights_as_tensor"),
    OQ_A_I64S(P, labels_i, "classlabels_int64s"),
    OQ_ML_TEXTS(P, labels_s, "classlabels_strings")};

#define REGRESSOR                                                 \
  VOTES("target"), OQ_A_I64(P, n_targets, "n_targets", 0, 1, 0),  \
      OQ_A_CHOICE(P, aggregate_text, "aggregate_function", "SUM", \
                  aggregate_texts)
static const oq_attr_def regressor_attrs_1[] = {NODES, REGRESSOR};
static const oq_attr_def regressor_attrs_3[] = {
    NODES, NODES_3, REGRESSOR,
    OQ_A_TENSOR(P, weights_t, "target_weights_as_tensor")};

#define REQUIRED(field, key, type)                   \
  {                                                  \
    .name = (key), .kind = (type), .required = true, \
    .offset = offsetof(P, field), .min = 1, .max = 0 \
  }
static const oq_attr_def ensemble_attrs[] = {
    OQ_A_I64(P, aggregate_number, "aggregate_function", SUM, AVERAGE, MAX),
    OQ_A_I64(P, post_number, "post_transform", OQ_ML_NONE, OQ_ML_NONE,
             OQ_ML_PROBIT),
    OQ_A_I64(P, n_targets, "n_targets", 0, 1, 0),
    REQUIRED(vote_targets, "leaf_targetids", OQ_ATTR_I64S),
    REQUIRED(weights_t, "leaf_weights", OQ_ATTR_TENSOR),
    OQ_A_TENSOR(P, members_t, "membership_values"),
    REQUIRED(false_leafs, "nodes_falseleafs", OQ_ATTR_I64S),
    REQUIRED(false_ids, "nodes_falsenodeids", OQ_ATTR_I64S),
    REQUIRED(features, "nodes_featureids", OQ_ATTR_I64S),
    OQ_A_TENSOR(P, hit_rates_t, "nodes_hitrates"),
    OQ_A_I64S(P, nan_way, "nodes_missing_value_tracks_true"),
    REQUIRED(modes_t, "nodes_modes", OQ_ATTR_TENSOR),
    REQUIRED(values_t, "nodes_splits", OQ_ATTR_TENSOR),
    REQUIRED(true_leafs, "nodes_trueleafs", OQ_ATTR_I64S),
    REQUIRED(true_ids, "nodes_truenodeids", OQ_ATTR_I64S),
    REQUIRED(roots, "tree_roots", OQ_ATTR_I64S),
};

/* ---- table ------------------------------------------------------------- */
#define ROW(op, from, to, outs, table, types, kind)                            \
  {                                                                            \
    .domain = OQ_ML, .name = (op), .since = (from), .last = (to), .min_in = 1, \
    .max_in = 1, .min_out = 1, .max_out = (outs), .dtypes = (types),           \
    .texts = (outs) > 1 ? OQ_TEXT_OUT : 0, .params_size = sizeof(tree_params), \
    OQ_ATTRS(table), .check = kind##_check, .infer = kind##_infer,             \
    .run = kind##_run, .quant = {                                              \
      .cls = OQ_Q_NEVER                                                        \
    }                                                                          \
  }

/* Version 5 deprecates the older two, and they still mean the same. */
static const oq_op_def defs[] = {
    ROW("TreeEnsembleClassifier", 1, 2, 2, classifier_attrs_1, OQ_ML_TYPES,
        classifier),
    ROW("TreeEnsembleClassifier", 3, OQ_ML_NEWEST, 2, classifier_attrs_3,
        OQ_ML_TYPES, classifier),
    ROW("TreeEnsembleRegressor", 1, 2, 1, regressor_attrs_1, OQ_ML_TYPES,
        regressor),
    ROW("TreeEnsembleRegressor", 3, OQ_ML_NEWEST, 1, regressor_attrs_3,
        OQ_ML_TYPES, regressor),
    ROW("TreeEnsemble", 5, OQ_ML_NEWEST, 1, ensemble_attrs,
        OQ_DTM(F32) | OQ_DTM(F64) | OQ_DTM(F16), ensemble),
};

OQ_FAMILY(ml_tree, defs);
