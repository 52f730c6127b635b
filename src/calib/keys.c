/* keys.c - what the values of a model are called in statistics: those of the
 * main graph by their names, those of a body with its path before the name. */
#include <string.h>

#include "base/intern.h"
#include "calib/calib.h"

static bool has_key(const oq_value *v) {
  return v->kind == OQ_VALUE_INPUT || v->kind == OQ_VALUE_RESULT;
}

/* Nothing keeps a value of the main graph from being called like a path. */
static oq_status make_key(const char **out, oq_names *taken, const char *path,
                          const char *name, oq_arena *a) {
  const char *text = oq_arena_format(a, "%s%s", path, name);
  oq_name key;

  for (uint32_t i = 2; text && oq_names_find(taken, &key, text, strlen(text));
       i++)
    text = oq_arena_format(a, "%s%s#%u", path, name, i);
  if (!text) return OQ_E_MEMORY;
  *out = text;
  return oq_names_add_text(taken, &key, text);
}

static oq_status main_keys(const char **key, oq_names *taken,
                           const oq_graph *g) {
  oq_name name;

  for (uint32_t v = 0; v < g->n_values; v++) {
    if (!has_key(&g->values[v])) continue;
    key[v] = oq_value_text(g, (oq_value_id){v});
    OQ_TRY(oq_names_add_text(taken, &name, key[v]));
  }
  return OQ_OK;
}

/* `around`: the keys of the graph around. */
static oq_status body_keys(const char **key, oq_names *taken, const oq_scope *s,
                           const char *const *around, oq_arena *a) {
  const oq_graph *g = s->graph;

  for (uint32_t v = 0; v < g->n_values; v++) {
    if (g->values[v].kind == OQ_VALUE_OUTER)
      key[v] = around[g->outer_of[v].i];
    else if (has_key(&g->values[v]))
      OQ_TRY(make_key(&key[v], taken, s->path,
                      oq_value_text(g, (oq_value_id){v}), a));
  }
  return OQ_OK;
}

static oq_status make_keys(const char *const *const **out, const oq_scope *s,
                           uint32_t n, oq_arena *a) {
  const char *const **all = OQ_NEW_N(a, const char *const *, n);
  oq_names *taken;

  if (!all) return OQ_E_MEMORY;
  OQ_TRY(oq_names_create(&taken, a));
  for (uint32_t i = 0; i < n; i++) {
    const char **key = OQ_NEW_N(a, const char *, s[i].graph->n_values);

    if (!key) return OQ_E_MEMORY;
    if (s[i].up == OQ_NONE)
      OQ_TRY(main_keys(key, taken, s[i].graph));
    else
      OQ_TRY(body_keys(key, taken, &s[i], all[s[i].up], a));
    all[i] = key;
  }
  *out = all;
  return OQ_OK;
}

oq_status oq_calib_keys(oq_keyed *out, oq_graph *main, oq_arena *a,
                        const oq_env *e) {
  oq_keyed k = {0};

  if (oq_walk_scopes(&k.scope, &k.n, main, a) != OQ_OK ||
      make_keys(&k.key, k.scope, k.n, a) != OQ_OK)
    return oq_fail_memory(e->diags);
  *out = k;
  return OQ_OK;
}
