#include "quant/save.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/api.h"

static const char *path_of(const char *folder, const char *name,
                           const char *ending) {
  static char path[1024];

  (void)snprintf(path, sizeof path, "%s/%s.%s", folder, name, ending);
  return path;
}

static void save(const char *path, const void *head, size_t n_head,
                 const void *p, size_t n) {
  FILE *const f = fopen(path, "wb");

  assert_non_null(f);
  if (n_head > 0) assert_int_equal(fwrite(head, 1, n_head, f), n_head);
  if (n > 0) assert_int_equal(fwrite(p, 1, n, f), n);
  assert_int_equal(fclose(f), 0);
}

void save_bytes(const char *folder, const char *name, const char *ending,
                const void *p, size_t n) {
  save(path_of(folder, name, ending), NULL, 0, p, n);
}

static const char *npy_type(int32_t t) {
  switch (t) {
    case OQ_DT_F32:
      return "<f4";
    case OQ_DT_F64:
      return "<f8";
    case OQ_DT_I32:
      return "<i4";
    case OQ_DT_I64:
      return "<i8";
    case OQ_DT_U8:
      return "|u1";
    case OQ_DT_I8:
      return "|i1";
    case OQ_DT_BOOL:
      return "|b1";
    default:
      fail_msg("no .npy of type %s", oq_dtype_text(t));
  }
  return "";
}

void save_npy(const char *folder, const char *name, const char *ending,
              const oq_tensor_view *v) {
  char shape[256] = "", head[512] = "\x93NUMPY\x01";
  size_t at = 0;

  for (uint32_t d = 0; d < v->rank; d++)
    at += (size_t)snprintf(shape + at, sizeof shape - at, "%lld,",
                           (long long)v->dim[d]);
  const int n = snprintf(head + 10, sizeof head - 10,
                         "{'descr': '%s', 'fortran_order': False, 'shape': "
                         "(%s), }",
                         npy_type(v->dtype), shape);
  const size_t total = ((size_t)n + 11 + 63) / 64 * 64;
  memset(head + 10 + n, ' ', total - 10 - (size_t)n);
  head[total - 1] = '\n';
  head[8] = (char)((total - 10) & 255);
  head[9] = (char)((total - 10) >> 8);
  save(path_of(folder, name, ending), head, total, v->data, v->size);
}

void save_plan(const char *folder, const char *name,
               const oq_quantize_report *r) {
  FILE *const f = fopen(path_of(folder, name, "plan"), "w");

  assert_non_null(f);
  for (size_t i = 0; i < r->n_nodes; i++)
    (void)fprintf(f, "%s %s %s %s\n", r->nodes[i].quantized ? "int8" : "float",
                  r->nodes[i].op, r->nodes[i].name, r->nodes[i].why);
  assert_int_equal(fclose(f), 0);
}

static uint32_t names_of_codes(const char **names, const oq_graph *g) {
  uint32_t n = 0;

  for (uint32_t i = 0; i < g->n_nodes; i++)
    if (!g->nodes[i].dead &&
        strcmp(oq_node_op(g, (oq_node_id){i}), "QuantizeLinear") == 0)
      names[n++] = oq_value_text(g, g->nodes[i].out[0]);
  return n;
}

void save_codes(const char *folder, const char *name, oq_model *m,
                const oq_tensor_view *in, size_t n_inputs) {
  const oq_graph *const g = m->ir->main;
  const char **const names = calloc(g->n_nodes + 1, sizeof *names);
  oq_model *exposed;
  oq_runner *runner;
  char ending[64];

  assert_non_null(names);
  const uint32_t n = names_of_codes(names, g);
  assert_int_equal(oq_model_expose(&exposed, m, names, n), OQ_OK);
  assert_int_equal(oq_runner_create(&runner, exposed), OQ_OK);
  assert_int_equal(oq_runner_run(runner, in, n_inputs), OQ_OK);
  FILE *const f = fopen(path_of(folder, name, "codes"), "w");
  assert_non_null(f);
  for (uint32_t i = 0; i < g->n_outputs + n; i++)
    (void)fprintf(f, "%s\n",
                  i < g->n_outputs ? oq_value_text(g, g->outputs[i])
                                   : names[i - g->n_outputs]);
  assert_int_equal(fclose(f), 0);
  for (uint32_t i = 0; i < g->n_outputs + n; i++) {
    (void)snprintf(ending, sizeof ending, "code.%u.npy", i);
    save_npy(folder, name, ending, oq_runner_output(runner, i));
  }
  oq_runner_destroy(runner);
  oq_model_destroy(exposed);
  free(names);
}
