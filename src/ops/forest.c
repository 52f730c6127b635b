/* ops/forest - see forest.h.  One walk over each tree, with a stack of its own,
 * finds cycles and gives every node its place: inner nodes from the front, in
 * the order of the walk, leaves behind all of them. */
#include "ops/forest.h"

#include <stdarg.h>
#include <stdio.h>

enum { UNSEEN = 0, OPEN, DONE };

typedef struct frame {
  uint32_t node, next; /* next child to look at */
} frame;

typedef struct layout {
  const oq_trees *t;
  const oq_graph *g;
  const oq_node *n;
  oq_diags *d;
  oq_arena *a;     /* the model's */
  oq_arena *room;  /* for the time of building */
  uint8_t *seen;   /* by node */
  uint32_t *place; /* by node: among inner nodes, or among leaves */
  uint32_t *depth; /* by node */
  uint32_t *order; /* by place: the node; leaves behind the inner ones */
  frame *stack;
  uint32_t n_inner, n_leaves;
} layout;

oq_status oq_forest_fail(const oq_graph *g, const oq_node *n, const char *id,
                         oq_diags *d, const char *fmt, ...) {
  const oq_where w = oq_node_where(g, (oq_node_id){(uint32_t)(n - g->nodes)});
  char text[256];
  va_list args;

  va_start(args, fmt);
  (void)vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  return oq_fail(d, OQ_E_MODEL, id, &w, "%s", text);
}

/* ---- places ------------------------------------------------------------ */
static bool is_leaf(const oq_trees *t, uint32_t node) {
  return t->mode[node] == OQ_TREE_LEAF;
}

static void enter(layout *l, uint32_t node) {
  const bool leaf = is_leaf(l->t, node);

  l->place[node] = leaf ? l->n_leaves++ : l->n_inner++;
  l->seen[node] = leaf ? DONE : OPEN;
}

static uint32_t deeper(const layout *l, uint32_t node) {
  const uint32_t *const c = l->t->child[node];
  const uint32_t a = l->depth[c[0]], b = l->depth[c[1]];

  return 1 + (a > b ? a : b);
}

/* Nodes may have several parents: converters write a test for several values
 * as a chain of comparisons that all lead to one node. */
static oq_status visit(layout *l, uint32_t root) {
  uint32_t top = 0;

  if (l->seen[root] != UNSEEN) return OQ_OK;
  enter(l, root);
  if (is_leaf(l->t, root)) return OQ_OK;
  l->stack[top++] = (frame){root, 0};
  while (top > 0) {
    frame *const f = &l->stack[top - 1];
    if (f->next == 2) {
      l->seen[f->node] = DONE;
      l->depth[f->node] = deeper(l, f->node);
      top--;
      continue;
    }
    const uint32_t c = l->t->child[f->node][f->next++];
    if (l->seen[c] == OPEN)
      return oq_forest_fail(l->g, l->n, "tree.cycle", l->d,
                            "node number %u of the trees is below itself", c);
    if (l->seen[c] == DONE) continue;
    enter(l, c);
    if (l->seen[c] == OPEN) l->stack[top++] = (frame){c, 0};
  }
  return OQ_OK;
}

static oq_status make_room(layout *l) {
  const uint32_t n = l->t->n_nodes;

  l->seen = OQ_NEW_N(l->room, uint8_t, n);
  l->place = OQ_NEW_N(l->room, uint32_t, n);
  l->depth = OQ_NEW_N(l->room, uint32_t, n);
  l->order = OQ_NEW_N(l->room, uint32_t, n);
  l->stack = OQ_NEW_N(l->room, frame, n);
  if (l->seen == NULL || l->place == NULL || l->depth == NULL ||
      l->order == NULL || l->stack == NULL)
    return oq_fail_memory(l->d);
  return OQ_OK;
}

static oq_status find_places(layout *l) {
  const oq_trees *const t = l->t;

  for (uint32_t i = 0; i < t->n_roots; i++) OQ_TRY(visit(l, t->root[i]));
  for (uint32_t i = 0; i < t->n_nodes; i++) {
    if (l->seen[i] == UNSEEN) {
      if (!t->all) continue;
      return oq_forest_fail(l->g, l->n, "tree.cycle", l->d,
                            "no root leads to node number %u of the trees", i);
    }
    if (is_leaf(t, i)) l->place[i] += l->n_inner;
    l->order[l->place[i]] = i;
  }
  return OQ_OK;
}

/* ---- votes ------------------------------------------------------------- */
/* Votes on inner nodes mean nothing, and converters have written such. */
static bool counts(const layout *l, uint32_t vote) {
  const uint32_t node = l->t->vote_node[vote];

  return is_leaf(l->t, node) && l->seen[node] != UNSEEN;
}

static oq_status put_votes(oq_ml_forest *f, const layout *l) {
  const oq_trees *const t = l->t;
  uint32_t *const first = OQ_NEW_N(l->a, uint32_t, (size_t)l->n_leaves + 2);
  uint32_t *const target = OQ_NEW_N(l->a, uint32_t, t->n_votes);
  double *const weight = OQ_NEW_N(l->a, double, t->n_votes);

  if (first == NULL || target == NULL || weight == NULL)
    return oq_fail_memory(l->d);
  /* first[k + 2]: votes of leaf k; then first[k + 1]: where its next one goes.
   */
  for (uint32_t i = 0; i < t->n_votes; i++)
    if (counts(l, i)) first[l->place[t->vote_node[i]] - l->n_inner + 2]++;
  for (uint32_t k = 2; k < l->n_leaves + 2; k++) first[k] += first[k - 1];
  for (uint32_t i = 0; i < t->n_votes; i++) {
    if (!counts(l, i)) continue;
    const uint32_t at = first[l->place[t->vote_node[i]] - l->n_inner + 1]++;
    target[at] = (uint32_t)t->vote_target[i];
    weight[at] = oq_element_f64(&t->vote_weight, i);
  }
  f->votes = (oq_forest_votes){first, target, weight};
  return OQ_OK;
}

/* What a leaf gives where there is one target. */
static double sum_of(const oq_ml_forest *f, uint32_t leaf) {
  double sum = 0;

  if (f->n_targets != 1) return 0;
  for (uint32_t k = f->votes.first[leaf]; k < f->votes.first[leaf + 1]; k++)
    sum += f->votes.weight[k];
  return sum;
}

/* ---- nodes ------------------------------------------------------------- */
static oq_status word_of(uint32_t *out, const layout *l, uint32_t node) {
  const oq_trees *const t = l->t;
  const int64_t feature = t->feature[node];

  if (feature < 0 || feature >= OQ_TREE_MAX_FEATURES)
    return oq_forest_fail(l->g, l->n, "tree.feature", l->d,
                          "node number %u of the trees looks at column %lld",
                          node, (long long)feature);
  *out = (uint32_t)feature | (uint32_t)t->mode[node] << OQ_TREE_MODE_SHIFT;
  if (t->nan_way != NULL && t->nan_way[node] != 0) *out |= OQ_TREE_NAN_TRUE;
  return OQ_OK;
}

static oq_status put_node(oq_ml_forest *f, void *nodes, const layout *l,
                          uint32_t at) {
  const uint32_t node = l->order[at];
  const bool leaf = at >= l->n_inner;
  uint32_t word = 0, child[2] = {at, at};
  double value = leaf ? sum_of(f, at - l->n_inner) : 0;

  if (!leaf) {
    OQ_TRY(word_of(&word, l, node));
    value = oq_element_f64(&l->t->value, node);
    child[0] = l->place[l->t->child[node][0]];
    child[1] = l->place[l->t->child[node][1]];
    const uint32_t columns = (word & OQ_TREE_FEATURE) + 1;
    if (columns > f->n_features) f->n_features = columns;
    const oq_tree_mode mode = (word & OQ_TREE_NAN_TRUE) != 0
                                  ? OQ_TREE_MODES
                                  : (oq_tree_mode)l->t->mode[node];
    if (at == 0) f->walk.mode = mode;
    if (f->walk.mode != mode) f->walk.mode = OQ_TREE_MODES;
  }
  if (f->wide)
    ((oq_tree_node_f64 *)nodes)[at] =
        (oq_tree_node_f64){value, word, {child[0], child[1]}};
  else
    ((oq_tree_node_f32 *)nodes)[at] =
        (oq_tree_node_f32){(float)value, word, {child[0], child[1]}};
  return OQ_OK;
}

static oq_status put_nodes(oq_ml_forest *f, const layout *l) {
  const uint32_t n = l->n_inner + l->n_leaves;
  const size_t size =
      f->wide ? sizeof(oq_tree_node_f64) : sizeof(oq_tree_node_f32);
  void *const nodes = oq_arena_alloc(l->a, n, size, OQ_ALIGN);

  if (nodes == NULL) return oq_fail_memory(l->d);
  f->n_nodes = n;
  f->walk.mode = OQ_TREE_MODES;
  for (uint32_t i = 0; i < n; i++) OQ_TRY(put_node(f, nodes, l, i));
  f->walk.node = nodes;
  f->walk.first_leaf = l->n_inner;
  return OQ_OK;
}

static oq_status put_trees(oq_ml_forest *f, const layout *l) {
  oq_tree *const tree = OQ_NEW_N(l->a, oq_tree, l->t->n_roots);

  if (tree == NULL) return oq_fail_memory(l->d);
  for (uint32_t i = 0; i < l->t->n_roots; i++) {
    const uint32_t root = l->t->root[i];
    tree[i] = (oq_tree){l->place[root], l->depth[root]};
  }
  f->tree = tree;
  f->n_trees = l->t->n_roots;
  return OQ_OK;
}

/* ---- all --------------------------------------------------------------- */
static oq_status build(oq_ml_forest *out, layout *l) {
  oq_ml_forest f = {.n_targets = l->t->n_targets, .walk.sets = l->t->sets};

  f.wide =
      l->t->value.dtype == OQ_DT_F64 || l->t->vote_weight.dtype == OQ_DT_F64;
  OQ_TRY(make_room(l));
  OQ_TRY(find_places(l));
  OQ_TRY(put_votes(&f, l));
  OQ_TRY(put_nodes(&f, l));
  OQ_TRY(put_trees(&f, l));
  *out = f;
  return OQ_OK;
}

oq_status oq_forest_build(oq_ml_forest *out, const oq_trees *t,
                          const oq_graph *g, const oq_node *n, oq_diags *d) {
  layout l = {.t = t, .g = g, .n = n, .d = d, .a = g->model->arena};

  if (oq_arena_create(&l.room, g->model->alloc, 0) != OQ_OK)
    return oq_fail_memory(d);
  const oq_status s = build(out, &l);
  oq_arena_destroy(l.room);
  return s;
}

oq_status oq_forest_widen(oq_ml_forest *out, const oq_ml_forest *f, oq_arena *a,
                          oq_diags *d) {
  const oq_tree_node_f32 *const from = f->walk.node;
  oq_tree_node_f64 *const to = OQ_NEW_N(a, oq_tree_node_f64, f->n_nodes);

  if (to == NULL) return oq_fail_memory(d);
  for (uint32_t i = 0; i < f->n_nodes; i++)
    to[i] = (oq_tree_node_f64){(double)from[i].value,
                               from[i].feature,
                               {from[i].child[0], from[i].child[1]}};
  *out = *f;
  out->walk.node = to;
  out->wide = true;
  return OQ_OK;
}
