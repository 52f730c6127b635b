/* The public headers and their initialisers as C++. */
#include <onnxquant/onnxquant.h>

#include <cstdio>

int main(int argc, char **argv) {
  oq_config cfg = OQ_CONFIG_INIT;
  oq_prepare_options prepare = OQ_PREPARE_OPTIONS_INIT;
  oq_quantize_options quantize = OQ_QUANTIZE_OPTIONS_INIT;
  oq_calibrate_options calibrate = OQ_CALIBRATE_OPTIONS_INIT;
  oq_save_options save = OQ_SAVE_OPTIONS_INIT;
  oq_context *cx = nullptr;
  oq_model *m = nullptr, *plan = nullptr;
  const oq_quantize_report *report = nullptr;

  if (prepare.struct_size == 0 || calibrate.struct_size == 0 ||
      save.struct_size == 0 || argc != 2) {
    return 2;
  }
  cfg.threads = 1;
  if (oq_context_create(&cx, &cfg) != OQ_OK) return 1;
  if (oq_model_load_file(&m, cx, argv[1]) != OQ_OK) return 1;
  if (oq_quantize(&plan, &report, m, nullptr, &quantize) != OQ_OK) return 1;
  std::printf("%s: %zu nodes, %zu for integers\n", oq_version(),
              report->n_nodes, report->n_quantized);
  oq_model_destroy(plan);
  oq_model_destroy(m);
  oq_context_destroy(cx);
  return 0;
}
