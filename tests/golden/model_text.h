/* golden/model_text.h - models as text, one thing per line:
 *
 *   opset 11                      or: opset 1 com.microsoft
 *   ir 6
 *   input x f32 2,N,4             sizes, names, '?'; "-" is a scalar
 *   input i i64 3 0 4             ... with the range of its random values
 *   const w f32 2,2 1 2 3 4       numbers, or: random 7 [lo hi], or: fill 0.5
 *   node Add x w -> s             "_" is an absent value; Op@name, domain:Op
 *   node Softmax s -> y | axis=-1 attributes as in support/build.h
 *   body then                     a graph, for attributes of the next nodes
 *     node Neg x -> t
 *     output t
 *   end
 *   node If c -> y | then_branch=@then else_branch=@else
 *   output y                      of the type that is inferred, or:
 *   output y f32 2,3              "*" is any rank
 *   pass fold_pad                 run only these passes; none: all
 *   to 13                         the opset to reach
 *   norun engine                  who cannot run it: engine, onnxruntime
 *
 * '#' begins a comment. */
#ifndef TEST_MODEL_TEXT_H
#define TEST_MODEL_TEXT_H

#include "support/build.h"

enum { MODEL_TEXT_MAX = 32 };

typedef struct model_text {
  build b;
  int64_t to;
  const char *pass[MODEL_TEXT_MAX];
  uint32_t n_pass;
  bool no_engine;
  double lo[MODEL_TEXT_MAX], hi[MODEL_TEXT_MAX]; /* of each input */
  char error[200]; /* "line N: ..."; "" if all is well */
} model_text;

/* `text` is changed and must outlive the result.  Close it in any case. */
void model_text_read(model_text *m, char *text, const oq_env *e);
void model_text_close(model_text *m);

#endif
