/* ir/walk.c - uses, order, captures: facts that follow from the graph. */
#include <stdio.h>
#include <string.h>

#include "base/vec.h"
#include "ir/ir.h"

/* ---- uses --------------------------------------------------------------- */

/* Visits every use of every value: nodes by id (inputs, then captures, each
 * captured value once per node), then the outputs of the graph. */
typedef struct visitor {
  const oq_graph *g;
  uint32_t *seen; /* by value: last node that captured it, + 1 */
  uint32_t *count;
  oq_use *use; /* NULL in the round that counts */
} visitor;

static void visit(visitor *v, oq_value_id value, uint32_t node, uint32_t slot) {
  if (value.i >= v->g->n_values) return; /* absent */
  const uint32_t at = v->count[value.i]++;
  if (v->use != NULL) v->use[at] = (oq_use){{node}, slot};
}

static void visit_captures(visitor *v, uint32_t node) {
  const oq_graph *b;

  for (oq_body_iter it = {&v->g->nodes[node], 0, 0};
       (b = oq_body_next(&it)) != NULL;) {
    for (uint32_t i = 0; i < b->n_values; i++) {
      const oq_value_id of = b->outer_of[i];
      if (b->values[i].kind != OQ_VALUE_OUTER || of.i >= v->g->n_values ||
          v->seen[of.i] == node + 1) {
        continue;
      }
      v->seen[of.i] = node + 1;
      visit(v, of, node, OQ_NONE);
    }
  }
}

static void visit_all(visitor *v) {
  const oq_graph *g = v->g;

  for (uint32_t i = 0; i < g->n_nodes; i++) {
    const oq_node *n = &g->nodes[i];
    if (n->dead) continue;
    for (uint32_t k = 0; k < n->n_in; k++) visit(v, n->in[k], i, k);
    visit_captures(v, i);
  }
  for (uint32_t i = 0; i < g->n_outputs; i++) {
    visit(v, g->outputs[i], OQ_NONE, i);
  }
}

oq_status oq_walk_uses(oq_uses *out, const oq_graph *g, oq_arena *a) {
  const size_t n = (size_t)g->n_values + 1;
  uint32_t *first = OQ_NEW_N(a, uint32_t, n);
  visitor v = {g, OQ_NEW_N(a, uint32_t, n), OQ_NEW_N(a, uint32_t, n), NULL};
  uint64_t total = 0;

  if (first == NULL || v.seen == NULL || v.count == NULL) return OQ_E_MEMORY;
  visit_all(&v);
  for (uint32_t i = 0; i < g->n_values; i++) {
    first[i] = (uint32_t)total;
    total += v.count[i];
    if (total >= OQ_NONE) return OQ_E_LIMIT;
  }
  first[g->n_values] = (uint32_t)total;
  v.use = OQ_NEW_N(a, oq_use, (size_t)total);
  if (v.use == NULL) return OQ_E_MEMORY;
  memcpy(v.count, first, n * sizeof *first);
  memset(v.seen, 0, n * sizeof *v.seen);
  visit_all(&v);
  *out = (oq_uses){first, v.use};
  return OQ_OK;
}

oq_status oq_walk_captures(const oq_value_id **out, uint32_t *n,
                           const oq_graph *g, oq_node_id node, oq_arena *a) {
  OQ_VEC(oq_value_id) list = {0};
  const oq_graph *b;
  bool *seen = OQ_NEW_N(a, bool, g->n_values);

  if (seen == NULL) return OQ_E_MEMORY;
  for (oq_body_iter it = {&g->nodes[node.i], 0, 0};
       (b = oq_body_next(&it)) != NULL;) {
    for (uint32_t i = 0; i < b->n_values; i++) {
      const oq_value_id of = b->outer_of[i];
      if (b->values[i].kind != OQ_VALUE_OUTER || of.i >= g->n_values) continue;
      if (seen[of.i]) continue;
      seen[of.i] = true;
      if (!oq_vec_push(a, &list, of)) return OQ_E_MEMORY;
    }
  }
  *out = list.p;
  *n = list.n;
  return OQ_OK;
}

/* ---- order -------------------------------------------------------------- */

typedef struct sorter {
  const oq_graph *g;
  oq_uses uses;
  uint32_t *waits; /* by node: inputs that are not there yet */
  uint32_t *heap;  /* nodes that can run, lowest id on top */
  uint32_t n_heap;
  oq_node_id *order;
  uint32_t n;
  uint32_t n_live;
} sorter;

static void heap_push(sorter *s, uint32_t node) {
  uint32_t i = s->n_heap++;

  for (; i > 0 && s->heap[(i - 1) / 2] > node; i = (i - 1) / 2) {
    s->heap[i] = s->heap[(i - 1) / 2];
  }
  s->heap[i] = node;
}

static uint32_t heap_pop(sorter *s) {
  const uint32_t top = s->heap[0], last = s->heap[--s->n_heap];
  uint32_t i = 0;

  for (uint32_t child = 1; child < s->n_heap; child = 2 * i + 1) {
    if (child + 1 < s->n_heap && s->heap[child + 1] < s->heap[child]) child++;
    if (last <= s->heap[child]) break;
    s->heap[i] = s->heap[child];
    i = child;
  }
  s->heap[i] = last;
  return top;
}

/* Does a node of this graph make `v`? */
static bool is_made(const oq_graph *g, uint32_t v) {
  const oq_value *x = &g->values[v];

  return x->kind == OQ_VALUE_RESULT && x->producer.i < g->n_nodes &&
         !g->nodes[x->producer.i].dead;
}

/* +1 or -1 for every node that uses `v`. */
static void count_waits(sorter *s, uint32_t v, bool arrived) {
  for (uint32_t k = s->uses.first[v]; k < s->uses.first[v + 1]; k++) {
    const uint32_t user = s->uses.use[k].node.i;
    if (user == OQ_NONE) continue;
    if (!arrived) {
      s->waits[user]++;
    } else if (--s->waits[user] == 0) {
      heap_push(s, user);
    }
  }
}

static oq_status prepare(sorter *s, oq_arena *a) {
  const oq_graph *g = s->g;

  OQ_TRY(oq_walk_uses(&s->uses, g, a));
  s->waits = OQ_NEW_N(a, uint32_t, g->n_nodes);
  s->heap = OQ_NEW_N(a, uint32_t, g->n_nodes);
  s->order = OQ_NEW_N(a, oq_node_id, g->n_nodes);
  if (s->waits == NULL || s->heap == NULL || s->order == NULL) {
    return OQ_E_MEMORY;
  }
  for (uint32_t v = 0; v < g->n_values; v++) {
    if (is_made(g, v)) count_waits(s, v, false);
  }
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    if (g->nodes[i].dead) continue;
    s->n_live++;
    if (s->waits[i] == 0) heap_push(s, i);
  }
  return OQ_OK;
}

static void sort(sorter *s) {
  while (s->n_heap != 0) {
    const uint32_t i = heap_pop(s);
    const oq_node *n = &s->g->nodes[i];
    s->order[s->n++].i = i;
    for (uint32_t k = 0; k < n->n_out; k++) {
      const oq_value_id v = n->out[k];
      /* Only what counts as made by this node, whatever it lists. */
      if (v.i < s->g->n_values && is_made(s->g, v.i) &&
          s->g->values[v.i].producer.i == i &&
          s->g->values[v.i].producer_slot == k) {
        count_waits(s, v.i, true);
      }
    }
  }
}

/* Some node that `node` waits for, in the same state; OQ_NONE if none. */
static uint32_t waits_for(const sorter *s, uint32_t node) {
  const oq_graph *g = s->g;
  const oq_node *n = &g->nodes[node];
  const oq_graph *b;

  for (uint32_t k = 0; k < n->n_in; k++) {
    const uint32_t v = n->in[k].i;
    if (v >= g->n_values || !is_made(g, v)) continue;
    if (s->waits[g->values[v].producer.i] != 0) return g->values[v].producer.i;
  }
  for (oq_body_iter it = {n, 0, 0}; (b = oq_body_next(&it)) != NULL;) {
    for (uint32_t i = 0; i < b->n_values; i++) {
      const uint32_t v = b->outer_of[i].i;
      if (b->values[i].kind != OQ_VALUE_OUTER || v >= g->n_values) continue;
      if (!is_made(g, v)) continue;
      if (s->waits[g->values[v].producer.i] != 0) {
        return g->values[v].producer.i;
      }
    }
  }
  return OQ_NONE;
}

enum { CYCLE_TEXT = 320, CYCLE_NAMES = 6 };

/* " through 'b', 'c' and 5 more": the other nodes of a cycle, each before the
 * one that needs it. */
static void name_cycle(char *out, const sorter *s, uint32_t start) {
  uint32_t n = 0;
  size_t at = 0;

  out[0] = '\0';
  for (uint32_t i = waits_for(s, start); i != start && i != OQ_NONE;
       i = waits_for(s, i), n++) {
    if (n >= CYCLE_NAMES || at >= CYCLE_TEXT) continue;
    const int more = snprintf(out + at, CYCLE_TEXT - at, "%s'%.40s'",
                              n == 0 ? " through " : ", ",
                              oq_node_text(s->g, (oq_node_id){i}));
    at += more > 0 ? (size_t)more : 0;
  }
  if (n > CYCLE_NAMES && at < CYCLE_TEXT)
    (void)snprintf(out + at, CYCLE_TEXT - at, " and %u more", n - CYCLE_NAMES);
}

/* What is left waits for what is left, so going back from any of it must come
 * round: after n steps we stand on a cycle. */
static oq_status fail_cycle(const sorter *s, oq_diags *d) {
  uint32_t at = 0;

  while (s->g->nodes[at].dead || s->waits[at] == 0) at++;
  for (uint32_t i = s->n; i < s->n_live; i++) {
    const uint32_t before = waits_for(s, at);
    if (before == OQ_NONE) break; /* cannot be */
    at = before;
  }
  uint32_t lowest = at;
  for (uint32_t i = waits_for(s, at); i != at && i != OQ_NONE;
       i = waits_for(s, i)) {
    if (i < lowest) lowest = i;
  }
  char through[CYCLE_TEXT];
  name_cycle(through, s, lowest);
  oq_where w = oq_node_where(s->g, (oq_node_id){lowest});
  w.hint =
      "a value must not depend on itself; state is passed through Loop, "
      "Scan or through outputs and inputs of the model";
  return oq_fail(d, OQ_E_MODEL, "model.cycle", &w,
                 "%s '%s' depends on its own result%s", w.op, w.node, through);
}

oq_status oq_walk_order(const oq_node_id **out, uint32_t *n, const oq_graph *g,
                        oq_arena *a, oq_diags *d) {
  sorter s = {.g = g};

  const oq_status st = prepare(&s, a);
  if (st == OQ_E_MEMORY) return oq_fail_memory(d);
  if (st != OQ_OK) {
    return oq_fail(d, st, "model.uses", NULL,
                   "the graph uses its values more than 2^32 times");
  }
  sort(&s);
  if (s.n != s.n_live) return fail_cycle(&s, d);
  *out = s.order;
  *n = s.n;
  return OQ_OK;
}
