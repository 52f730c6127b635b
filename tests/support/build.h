/* support/build.h - models in a few lines of test:
 *
 *   build b;
 *   build_open(&b, &env.e, 17);
 *   build_input(&b, "x", OQ_DT_F32, "N,3");
 *   build_const_f32(&b, "w", "3", (float[]){1, 2, 3});
 *   build_node(&b, "Add", "x w", "s", "");
 *   build_node(&b, "Softmax", "s", "y", "axis=-1");
 *   build_output(&b, "y");
 *   build_bind(&b);
 *
 * Shapes: sizes, names or '?' with commas; "" is a scalar, "*" no rank.  Values
 * are named in order, "_" is an absent optional one.  Attributes: key=7,
 * key=0.5, key=[1,2], key=[0.5,1.0], key=[a,b], key=text, key=@body.  A
 * mistake in the description fails the test.  Sticky status: every function
 * returns at once after a failure; look at b.status at the end. */
#ifndef TEST_BUILD_H
#define TEST_BUILD_H

#include "ir/ir.h"

typedef struct build {
  const oq_env *e;
  oq_model_ir *ir;
  oq_graph *g;
  oq_status status;
  oq_value_id inputs[32];
  uint32_t n_inputs;
  oq_graph *bodies[32]; /* all that were begun */
  uint32_t n_bodies;
  oq_value_id kept[4][32]; /* inputs of the graphs around this one */
  uint32_t n_kept[4], depth;
} build;

void build_open(build *b, const oq_env *e, int64_t opset);
void build_close(build *b);
void build_opset(build *b, const char *domain, int64_t version);
oq_value_id build_input(build *b, const char *name, oq_dtype t,
                        const char *shape);
oq_value_id build_const(build *b, const char *name, oq_dtype t,
                        const char *shape, const void *data);
oq_value_id build_const_f32(build *b, const char *name, const char *shape,
                            const float *v);
oq_value_id build_const_i64(build *b, const char *name, const char *shape,
                            const int64_t *v);
/* "com.microsoft:Op" is of that domain. */
oq_node_id build_node(build *b, const char *op, const char *in, const char *out,
                      const char *attrs);
void build_output(build *b, const char *name);
oq_value_id build_find(const build *b, const char *name);
/* Everything up to the end goes into a body of that name, in which the values
 * that the graph has so far can be used. */
void build_body(build *b, const char *name);
void build_body_end(build *b);
/* Verifies and binds. */
void build_bind(build *b);
/* The model as a file would hold it; to be freed.  Closes `b`. */
void *build_bytes(build *b, size_t *size);

#endif
