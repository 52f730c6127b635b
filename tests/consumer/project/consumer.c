/* The smallest user of an installed library. */
#include <onnxquant/onnxquant.h>
#include <stdio.h>

int main(int argc, char **argv) {
  const oq_model_info *info;
  oq_context *cx;
  oq_model *m;

  if (argc != 2 || oq_context_create(&cx, NULL) != OQ_OK) return 2;
  if (oq_model_load_file(&m, cx, argv[1]) != OQ_OK) return 1;
  if (oq_model_describe(&info, m) != OQ_OK) return 1;
  printf("%s: %zu nodes, input %s\n", oq_version(), info->n_nodes,
         info->inputs[0].name);
  oq_model_destroy(m);
  oq_context_destroy(cx);
  return 0;
}
