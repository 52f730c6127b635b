/* ir/scopes.c - the graphs of a model as a list, with words for where each is.
 */
#include "base/vec.h"
#include "ir/ir.h"

typedef OQ_VEC(oq_scope) scopes;

/* "node/attribute/", with a number where the attribute holds several. */
static const char *path_of(const oq_scope *up, const oq_node *n,
                           const oq_body_iter *it, oq_arena *a) {
  const oq_graph *g = up->graph;
  const oq_attr *attr = &n->attrs[it->attr];
  const char *name = oq_names_text(g->model->names, attr->name);
  const char *node = oq_node_text(g, (oq_node_id){(uint32_t)(n - g->nodes)});

  if (attr->kind == OQ_ATTR_GRAPHS)
    return oq_arena_format(a, "%s%s/%s.%u/", up->path, node, name, it->i - 1);
  return oq_arena_format(a, "%s%s/%s/", up->path, node, name);
}

static oq_status add_bodies(scopes *list, uint32_t up, oq_node_id id,
                            oq_arena *a) {
  oq_graph *g = list->p[up].graph;
  oq_graph *body;

  for (oq_body_iter it = {oq_graph_node(g, id), 0, 0};
       (body = oq_body_next(&it)) != NULL;) {
    const oq_scope around = list->p[up];
    const oq_scope s = {body, up, id,
                        path_of(&around, oq_graph_node(g, id), &it, a)};

    if (s.path == NULL || !oq_vec_push(a, list, s)) return OQ_E_MEMORY;
  }
  return OQ_OK;
}

oq_status oq_walk_scopes(const oq_scope **out, uint32_t *n, oq_graph *main,
                         oq_arena *a) {
  scopes list = {0};
  const oq_scope first = {main, OQ_NONE, {OQ_NONE}, ""};

  if (!oq_vec_push(a, &list, first)) return OQ_E_MEMORY;
  for (uint32_t i = 0; i < list.n; i++) {
    const oq_graph *g = list.p[i].graph;

    for (uint32_t k = 0; k < g->n_nodes; k++)
      if (!g->nodes[k].dead) OQ_TRY(add_bodies(&list, i, (oq_node_id){k}, a));
  }
  *out = list.p;
  *n = list.n;
  return OQ_OK;
}
