/* graph_make.h - graphs in a few lines, by the verbs of ir alone. */
#ifndef TEST_GRAPH_MAKE_H
#define TEST_GRAPH_MAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ir/ir.h"
#include "support/env.h"

typedef struct world {
  test_env t;
  oq_model_ir *m;
  oq_graph *g;
  oq_status status; /* the first failure */
} world;

static inline void world_note(world *w, oq_status s) {
  if (w->status == OQ_OK) w->status = s;
}

static inline oq_name name_of(oq_model_ir *m, const char *text) {
  oq_name n = {0};

  (void)oq_names_add_text(m->names, &n, text);
  return n;
}

static inline oq_name world_name(world *w, const char *text) {
  oq_name n = {0};

  world_note(w, oq_names_add_text(w->m->names, &n, text));
  return n;
}

/* false if there is no memory for a world.  IR 8, opset 17, an empty graph. */
static inline bool world_open(world *w, const oq_allocator *hook) {
  memset(w, 0, sizeof *w);
  if (!test_env_open(&w->t, hook)) return false;
  world_note(w, oq_ir_create(&w->m, &w->t.alloc));
  if (w->status == OQ_OK) {
    w->m->ir_version = 8;
    world_note(w, oq_edit_set_opset(w->m, "", 17));
    const oq_name name = world_name(w, "main");
    if (w->status == OQ_OK) {
      world_note(w, oq_ir_add_graph(&w->g, w->m, NULL, name));
    }
  }
  return true;
}

static inline void world_close(world *w) {
  oq_ir_destroy(w->m);
  test_env_close(&w->t);
}

static inline oq_value_id find(const oq_graph *g, const char *text) {
  oq_name n = {0};

  if (!oq_names_find(g->model->names, &n, text, strlen(text))) {
    return (oq_value_id){OQ_NONE};
  }
  return oq_graph_find_value(g, n);
}

static inline oq_value_id add(world *w, oq_graph *g, oq_value_kind kind,
                              const char *name) {
  static const int64_t dim[] = {2, 3};
  oq_value_id v = {OQ_NONE};

  if (w->status != OQ_OK) return v;
  const oq_type *t = oq_type_make(w->m->arena, OQ_DT_F32, dim, 2);
  world_note(w, t == NULL ? OQ_E_MEMORY : OQ_OK);
  const oq_name id = world_name(w, name);
  if (w->status == OQ_OK) world_note(w, oq_edit_add_value(g, &v, kind, id, t));
  return v;
}

static inline oq_value_id input(world *w, oq_graph *g, const char *name) {
  oq_value_id all[64];
  const oq_value_id v = add(w, g, OQ_VALUE_INPUT, name);

  if (w->status != OQ_OK) return v;
  assert_true(g->n_inputs < 64);
  if (g->n_inputs != 0) memcpy(all, g->inputs, g->n_inputs * sizeof *all);
  all[g->n_inputs] = v;
  world_note(w, oq_graph_set_inputs(g, all, g->n_inputs + 1));
  return v;
}

static inline oq_value_id constant(world *w, oq_graph *g, const char *name) {
  static const float numbers[6] = {1, 2, 3, 4, 5, 6};
  const oq_ctensor t = {OQ_DT_F32, {2, {2, 3}}, sizeof numbers, numbers};
  oq_value_id v = {OQ_NONE};

  if (w->status == OQ_OK) world_note(w, oq_edit_add_const(g, &v, name, &t));
  return v;
}

/* The value of that name in `g`, or one that stands for it further out. */
static inline oq_value_id use(world *w, oq_graph *g, const char *name) {
  oq_value_id v = find(g, name);

  if (oq_value_ok(v) || g->outer == NULL || w->status != OQ_OK) return v;
  const oq_value_id of = use(w, g->outer, name);
  if (oq_value_ok(of)) world_note(w, oq_edit_add_outer(g, &v, of));
  return v;
}

/* Names with blanks in between; "_" is absent. */
static inline uint32_t names_to_values(oq_value_id *out, world *w, oq_graph *g,
                                       const char *list, bool make) {
  char one[64];
  uint32_t n = 0;

  while (*list != '\0') {
    const size_t size = strcspn(list, " ");
    assert_true(size < sizeof one && n < 8);
    memcpy(one, list, size);
    one[size] = '\0';
    out[n].i = OQ_NONE;
    if (strcmp(one, "_") != 0) {
      out[n] = use(w, g, one);
      if (!oq_value_ok(out[n]) && make) {
        out[n] = add(w, g, OQ_VALUE_RESULT, one);
      }
    }
    n++;
    list += size + (list[size] != '\0' ? 1 : 0);
  }
  return n;
}

/* Inputs that do not exist yet become results without a producer. */
static inline oq_node_id node_with(world *w, oq_graph *g, const char *op,
                                   const char *in, const char *out,
                                   const oq_attr *attrs, uint32_t n_attrs) {
  oq_value_id ins[8], outs[8];
  oq_node_id id = {OQ_NONE};
  oq_node_spec s = {.in = ins, .out = outs, .attrs = attrs};

  if (w->status != OQ_OK) return id;
  s.n_attrs = n_attrs;
  s.n_in = names_to_values(ins, w, g, in, true);
  s.n_out = names_to_values(outs, w, g, out, true);
  s.op = world_name(w, op);
  if (w->status == OQ_OK) world_note(w, oq_edit_add_node(g, &id, &s));
  return id;
}

static inline oq_node_id node(world *w, oq_graph *g, const char *op,
                              const char *in, const char *out) {
  return node_with(w, g, op, in, out, NULL, 0);
}

static inline oq_graph *body(world *w, oq_graph *outer) {
  oq_graph *b = NULL;

  if (w->status != OQ_OK) return NULL;
  const oq_name name = world_name(w, "body");
  if (w->status == OQ_OK) {
    world_note(w, oq_ir_add_graph(&b, w->m, outer, name));
  }
  return b;
}

/* A node with these bodies (the second may be NULL). */
static inline oq_node_id node_around(world *w, oq_graph *g, const char *op,
                                     const char *in, const char *out,
                                     oq_graph *b1, oq_graph *b2) {
  if (w->status != OQ_OK) return (oq_node_id){OQ_NONE};
  oq_attr *a = OQ_NEW_N(w->m->arena, oq_attr, 2);
  if (a == NULL) {
    world_note(w, OQ_E_MEMORY);
    return (oq_node_id){OQ_NONE};
  }
  a[0] = (oq_attr){.name = world_name(w, "then_branch"), .kind = OQ_ATTR_GRAPH};
  a[0].u.graph = b1;
  a[1] = (oq_attr){.name = world_name(w, "else_branch"), .kind = OQ_ATTR_GRAPH};
  a[1].u.graph = b2;
  return node_with(w, g, op, in, out, a, b2 != NULL ? 2 : 1);
}

static inline void output(world *w, oq_graph *g, const char *name) {
  if (w->status != OQ_OK) return;
  world_note(w, oq_edit_add_output(g, find(g, name)));
}

#endif
