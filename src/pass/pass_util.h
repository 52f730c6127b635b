/* pass/pass_util.h - what passes share: recognising nodes, reading constants
 * and attributes, taking a node out. */
#ifndef OQ_PASS_PASS_UTIL_H
#define OQ_PASS_PASS_UTIL_H

#include "pass/pass.h"

/* The passes themselves; see oq_pass. */
#define OQ_PASS(id, flags)                                         \
  oq_status oq_pass_##id(oq_model_ir *m, const oq_pass_options *o, \
                         uint32_t *changed, const oq_env *e);
#include "pass/passes.def"
#undef OQ_PASS

/* A pass over the main graph and all bodies, one after the other: `run` counts
 * what it changed in `g`. */
typedef oq_status (*oq_pass_graph)(oq_graph *g, uint32_t *changed,
                                   const oq_env *e);
oq_status oq_pass_each_graph(oq_model_ir *m, uint32_t *changed,
                             oq_pass_graph run, const oq_env *e);

/* A living node of the default domain with this operator. */
bool oq_pass_is(const oq_graph *g, const oq_node *n, const char *op);
/* Value in input or output `i`; OQ_NONE if the node has none there. */
oq_value_id oq_pass_in(const oq_node *n, uint32_t i);
oq_value_id oq_pass_out(const oq_node *n, uint32_t i);
/* The node that makes `v` in this graph; NULL if none does. */
const oq_node *oq_pass_producer(const oq_graph *g, oq_value_id v,
                                oq_node_id *id);

int64_t oq_pass_i64(const oq_graph *g, const oq_node *n, const char *name,
                    int64_t dflt);
float oq_pass_f32(const oq_graph *g, const oq_node *n, const char *name,
                  float dflt);
bool oq_pass_text_is(const oq_graph *g, const oq_node *n, const char *name,
                     const char *value, bool dflt);
/* Attributes of a node with `a` in place of what had its name, or added. */
oq_status oq_pass_put_attr(oq_graph *g, oq_node_id n, const oq_attr *a);
oq_status oq_pass_drop_attr(oq_graph *g, oq_node_id n, const char *name);

/* An initializer of this graph or one around it that is no input as well. */
bool oq_pass_is_const(const oq_graph *g, oq_value_id v);
const oq_type *oq_pass_const_type(const oq_graph *g, oq_value_id v);
/* Its numbers; false if it is none, or its bytes are not numbers. */
bool oq_pass_const(oq_ctensor *out, const oq_graph *g, oq_value_id v,
                   oq_arena *a);
/* The same as int64; only up to `max` elements. */
bool oq_pass_ints(const int64_t **out, uint32_t *n, const oq_graph *g,
                  oq_value_id v, uint32_t max, oq_arena *a);

/* Uses as they were before the pass changed anything. */
typedef struct oq_pass_uses {
  oq_uses all;
  uint32_t n; /* values there were */
} oq_pass_uses;
oq_status oq_pass_uses_take(oq_pass_uses *out, const oq_graph *g,
                            const oq_env *e);
/* No node, body or output of the graph reads `v`. */
bool oq_pass_unused(const oq_pass_uses *u, oq_value_id v);
/* The only use of `v` is input of a node: not an output of the graph, not read
 * in a body. */
bool oq_pass_only_use(const oq_pass_uses *u, oq_value_id v, oq_use *use);
/* An initializer of this graph that one input of one node reads, nobody else;
 * so are all that a pass made itself. */
bool oq_pass_is_alone(const oq_graph *g, const oq_pass_uses *u, oq_value_id v);

/* Types of all values (inference without findings), by value id. */
oq_status oq_pass_types(const oq_type ***out, const oq_graph *g, oq_arena *a,
                        const oq_env *e);
/* Shape if all dims are known. */
bool oq_pass_shape(oq_shape *out, const oq_type *const *types, oq_value_id v);

/* `first` makes what `last` made (output 0 of both), and `last` goes; `last`
 * reads output 0 of `first`, whose only use that is. */
oq_status oq_pass_absorb(oq_graph *g, oq_node_id first, oq_node_id last);

/* A buffer for new numbers of a constant, with the store behind it.  Records no
 * finding: a pass can do without. */
typedef struct oq_pass_numbers {
  oq_tensor t;
  oq_store *store;
} oq_pass_numbers;
oq_status oq_pass_numbers_new(oq_pass_numbers *out, oq_dtype t,
                              const oq_shape *s, const oq_env *e);
void oq_pass_numbers_drop(oq_pass_numbers *n);
/* Input `slot` of `n` becomes a constant with these numbers.  If it is one that
 * nobody else reads (`alone`) it keeps its name; else a new one is made, named
 * after it, or from `hint` if there was none.  Takes the store over. */
oq_status oq_pass_numbers_put(oq_graph *g, oq_node_id n, uint32_t slot,
                              bool alone, const char *hint,
                              oq_pass_numbers *numbers);
/* A value for a node that is to be added; its name from `hint`. */
oq_status oq_pass_add_value(oq_value_id *out, oq_graph *g, const char *hint);
/* A node with one output; `hint`: of its name, or NULL for none.  `attrs` must
 * live in the model's arena. */
oq_status oq_pass_add_node(oq_graph *g, const char *op, const char *hint,
                           const oq_value_id *in, uint32_t n_in,
                           oq_value_id out, const oq_attr *attrs,
                           uint32_t n_attrs);
/* Adds a constant of n int64 in one dimension, named from `hint`. */
oq_status oq_pass_add_i64s(oq_value_id *out, oq_graph *g, const char *hint,
                           const int64_t *v, uint32_t n);
/* Adds a scalar of a numeric type. */
oq_status oq_pass_add_scalar(oq_value_id *out, oq_graph *g, const char *hint,
                             oq_dtype t, double v);

#endif
