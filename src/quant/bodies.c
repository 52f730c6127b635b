/* bodies.c - facts about a model that reach over all its graphs. */
#include "quant/quant.h"

typedef struct counter {
  const oq_scope *scope;
  uint32_t n;
  uint32_t **at;
  uint32_t next;
  oq_arena *a;
  const oq_env *e;
} counter;

static oq_status count_in(counter *c, uint32_t s);

static oq_status count_bodies(counter *c, uint32_t s, oq_node_id n) {
  if (!oq_node_body(oq_graph_node(c->scope[s].graph, n), 0)) return OQ_OK;
  for (uint32_t i = s + 1; i < c->n; i++)
    if (c->scope[i].up == s && c->scope[i].node.i == n.i)
      OQ_TRY(count_in(c, i));
  return OQ_OK;
}

/* As deep as graphs are nested, which is bounded when they are read. */
static oq_status count_in(counter *c, uint32_t s) {
  const oq_graph *g = c->scope[s].graph;
  const oq_node_id *order;
  uint32_t n;

  c->at[s] = OQ_NEW_N(c->a, uint32_t, g->n_nodes);
  if (!c->at[s]) return oq_fail_memory(c->e->diags);
  OQ_TRY(oq_walk_order(&order, &n, g, c->a, c->e->diags));
  for (uint32_t i = 0; i < n; i++) {
    c->at[s][order[i].i] = c->next;
    c->next += oq_class_of(g, order[i]) == OQ_Q_LINEAR;
    OQ_TRY(count_bodies(c, s, order[i]));
  }
  return OQ_OK;
}

oq_status oq_linear_numbers(const uint32_t *const **at, uint32_t *total,
                            const oq_scope *scope, uint32_t n, oq_arena *a,
                            const oq_env *e) {
  counter c = {scope, n, OQ_NEW_N(a, uint32_t *, n), 0, a, e};

  if (!c.at) return oq_fail_memory(e->diags);
  OQ_TRY(count_in(&c, 0));
  *at = (const uint32_t *const *)c.at;
  *total = c.next;
  return OQ_OK;
}
