/* quantize_file MODEL OUT SAMPLE... - the shortest complete use of the library.
 *
 * Each SAMPLE is a file that ends with the float32 numbers of one input of the
 * model, as raw files and .npy files do.  The model has one input. */
#include <onnxquant/onnxquant.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct files {
  char **path;
  oq_tensor_view shape; /* of the input, without data */
} files;

/* Asked for samples in any order and from several threads: touches nothing but
 * its own memory. */
static oq_status read_sample(void *user, uint64_t index, oq_tensor_view *inputs,
                             size_t n_inputs, void **handle) {
  const files *all = user;
  const size_t size = all->shape.size;
  void *numbers = malloc(size);
  FILE *f = fopen(all->path[index], "rb");
  int ok = n_inputs == 1 && numbers != NULL && f != NULL;

  ok = ok && fseek(f, -(long)size, SEEK_END) == 0;
  ok = ok && fread(numbers, 1, size, f) == size;
  if (f != NULL) (void)fclose(f);
  if (!ok) {
    free(numbers);
    return OQ_E_IO;
  }
  inputs[0] = all->shape;
  inputs[0].data = numbers;
  *handle = numbers;
  return OQ_OK;
}

static void release_sample(void *user, void *handle) {
  (void)user;
  free(handle);
}

/* The model's own shape; sizes it leaves open become 1. */
static oq_status input_shape(oq_tensor_view *out, oq_model *m) {
  const oq_model_info *info;
  oq_status s = oq_model_describe(&info, m);

  if (s != OQ_OK) return s;
  if (info->n_inputs != 1 || info->inputs[0].dtype != OQ_DT_F32 ||
      !info->inputs[0].has_rank) {
    return OQ_E_UNSUPPORTED;
  }
  *out = (oq_tensor_view){
      .dtype = OQ_DT_F32, .rank = info->inputs[0].rank, .size = sizeof(float)};
  for (uint32_t i = 0; i < out->rank; i++) {
    const int64_t size = info->inputs[0].dim[i].size;
    out->dim[i] = size < 0 ? 1 : size;
    out->size *= (size_t)out->dim[i];
  }
  return OQ_OK;
}

static void print_report(const oq_quantize_report *r) {
  for (size_t i = 0; i < r->n_nodes; i++) {
    const oq_node_report *n = &r->nodes[i];
    printf("%-5s %-20s %-34s %s\n", n->quantized ? "int8" : "float", n->op,
           n->name, n->why);
  }
  printf("%zu of %zu nodes, %.1f %% of multiplications in int8\n",
         r->n_quantized, r->n_nodes,
         100.0 * (double)r->macs_int8 / (double)(r->macs_int8 + r->macs_float));
}

static oq_status convert(oq_context *cx, const char *from, const char *to,
                         char **samples, size_t n_samples) {
  files all = {.path = samples};
  const oq_source source = {.count = n_samples,
                            .read = read_sample,
                            .release = release_sample,
                            .user = &all};
  const oq_quantize_report *report;
  oq_model *model = NULL, *quantized = NULL;
  oq_stats *stats = NULL;

  oq_status s = oq_model_load_file(&model, cx, from);
  if (s == OQ_OK) s = input_shape(&all.shape, model);
  if (s == OQ_OK) s = oq_calibrate(&stats, model, &source, NULL);
  if (s == OQ_OK) s = oq_quantize(&quantized, &report, model, stats, NULL);
  if (s == OQ_OK) s = oq_model_save_file(quantized, to, NULL);
  if (s == OQ_OK) print_report(report);
  oq_model_destroy(quantized);
  oq_stats_destroy(stats);
  oq_model_destroy(model);
  return s;
}

int main(int argc, char **argv) {
  oq_context *cx;

  if (argc < 4) {
    fprintf(stderr, "usage: quantize_file MODEL OUT SAMPLE...\n");
    return 2;
  }
  if (oq_context_create(&cx, NULL) != OQ_OK) return 1;
  const oq_status s =
      convert(cx, argv[1], argv[2], argv + 3, (size_t)(argc - 3));
  /* What went wrong, and where, stands in the findings. */
  for (size_t i = 0; i < oq_context_diag_count(cx); i++) {
    const oq_diag *d = oq_context_diag(cx, i);
    fprintf(stderr, "%s: %s\n", d->id, d->text);
  }
  if (s != OQ_OK) fprintf(stderr, "%s\n", oq_status_text(s));
  oq_context_destroy(cx);
  return s != OQ_OK;
}
