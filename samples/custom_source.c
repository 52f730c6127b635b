/* custom_source MODEL OUT PICTURE.png... - samples from a decoder of one's own,
 * statistics kept in a file, and a check on samples that were held out.
 *
 * libpng decodes here; the library neither knows nor cares.  The model takes
 * pictures [batch,3,height,width] with values from -1 to 1. */
#include <onnxquant/onnxquant.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HELD_OUT 5 /* every fifth picture is for the check */

typedef struct pictures {
  char **path;
  size_t n;
  int held_out; /* which of the two parts */
} pictures;

static size_t count(const pictures *p) {
  const size_t held_out = p->n / HELD_OUT;

  return p->held_out ? held_out : p->n - held_out;
}

/* Pictures 4, 9, 14, ... are held out. */
static const char *path_of(const pictures *p, uint64_t index) {
  const uint64_t i = p->held_out ? index * HELD_OUT + HELD_OUT - 1
                                 : index + index / (HELD_OUT - 1);

  return p->path[i];
}

static void scale(float *to, const uint8_t *rgb, size_t n_pixels) {
  for (size_t c = 0; c < 3; c++) {
    for (size_t i = 0; i < n_pixels; i++) {
      to[c * n_pixels + i] = (float)rgb[3 * i + c] / 127.5F - 1;
    }
  }
}

/* A pure function of `index`, as oq_source asks for: the library may decode
 * several pictures at the same time. */
static oq_status read_picture(void *user, uint64_t index,
                              oq_tensor_view *inputs, size_t n_inputs,
                              void **handle) {
  png_image png = {.version = PNG_IMAGE_VERSION};
  float *numbers = NULL;

  if (n_inputs != 1 ||
      !png_image_begin_read_from_file(&png, path_of(user, index))) {
    return OQ_E_IO;
  }
  png.format = PNG_FORMAT_RGB;
  const size_t n = (size_t)png.width * png.height;
  uint8_t *rgb = malloc(PNG_IMAGE_SIZE(png));
  if (rgb != NULL && png_image_finish_read(&png, NULL, rgb, 0, NULL)) {
    numbers = malloc(3 * n * sizeof *numbers);
  }
  if (numbers != NULL) scale(numbers, rgb, n);
  free(rgb);
  png_image_free(&png);
  if (numbers == NULL) return OQ_E_IO;
  inputs[0] = (oq_tensor_view){.dtype = OQ_DT_F32,
                               .rank = 4,
                               .dim = {1, 3, png.height, png.width},
                               .data = numbers,
                               .size = 3 * n * sizeof *numbers};
  *handle = numbers;
  return OQ_OK;
}

static void release_picture(void *user, void *handle) {
  (void)user;
  free(handle);
}

/* Optional: with it statistics files can tell samples apart, and shards that
 * overlap are refused when they are merged.  FNV-1a of the path. */
static uint64_t digest_picture(void *user, uint64_t index) {
  uint64_t h = UINT64_C(14695981039346656037);

  for (const char *p = path_of(user, index); *p != 0; p++) {
    h = (h ^ (uint8_t)*p) * UINT64_C(1099511628211);
  }
  return h;
}

static oq_source source_of(pictures *p) {
  return (oq_source){.count = count(p),
                     .read = read_picture,
                     .release = release_picture,
                     .user = p,
                     .digest = digest_picture};
}

/* Findings as they come; errors are kept by the context as well. */
static void on_diag(void *user, const oq_diag *d) {
  (void)user;
  fprintf(stderr, "%s%s%s: %s\n", d->id, d->node != NULL ? " at " : "",
          d->node != NULL ? d->node : "", d->text);
}

/* Called now and then, from the thread that called the library. */
static int on_progress(void *user, const oq_progress *p) {
  (void)user;
  fprintf(stderr, "\r%s: %llu of %llu", p->stage, (unsigned long long)p->done,
          (unsigned long long)p->total);
  return 0; /* anything else would stop it */
}

static oq_status calibrate(oq_stats **out, oq_model *m, pictures *p,
                           const char *keep) {
  const oq_source source = source_of(p);
  oq_calibrate_options opt = OQ_CALIBRATE_OPTIONS_INIT;

  opt.preprocessing = "RGB, v / 127.5 - 1, channels first";
  const oq_status s = oq_calibrate(out, m, &source, &opt);
  return s == OQ_OK ? oq_stats_save_file(*out, keep) : s;
}

static oq_status check(oq_context *cx, oq_model *before, const char *path,
                       pictures *p) {
  const oq_source source = source_of(p);
  oq_comparison result;
  oq_model *after;

  oq_status s = oq_model_load_file(&after, cx, path);
  if (s != OQ_OK) return s;
  s = oq_compare(&result, 1, before, after, &source);
  if (s == OQ_OK) {
    printf("%llu held out: SQNR %.1f dB, same best class %.1f %%\n",
           (unsigned long long)result.samples, result.sqnr_db,
           result.top1_agreement);
  }
  oq_model_destroy(after);
  return s;
}

static oq_status convert(oq_context *cx, const char *from, const char *to,
                         pictures *p) {
  const oq_quantize_report *report;
  oq_quantize_options opt = OQ_QUANTIZE_OPTIONS_INIT;
  oq_model *model = NULL, *quantized = NULL;
  oq_stats *stats = NULL;
  char keep[4096];

  opt.provenance = "samples/custom_source";
  (void)snprintf(keep, sizeof keep, "%s.oqstats", to);
  oq_status s = oq_model_load_file(&model, cx, from);
  if (s == OQ_OK) s = calibrate(&stats, model, p, keep);
  if (s == OQ_OK) s = oq_quantize(&quantized, &report, model, stats, &opt);
  if (s == OQ_OK) {
    printf("\n%zu of %zu nodes in int8\n", report->n_quantized,
           report->n_nodes);
    s = oq_model_save_file(quantized, to, NULL);
  }
  p->held_out = 1;
  if (s == OQ_OK) s = check(cx, model, to, p);
  oq_model_destroy(quantized);
  oq_stats_destroy(stats);
  oq_model_destroy(model);
  return s;
}

int main(int argc, char **argv) {
  pictures p = {.path = argv + 3, .n = (size_t)(argc > 3 ? argc - 3 : 0)};
  oq_config cfg = OQ_CONFIG_INIT;
  oq_context *cx;

  if (p.n < HELD_OUT) {
    fprintf(stderr,
            "usage: custom_source MODEL OUT PICTURE.png... (5 or more)\n");
    return 2;
  }
  cfg.on_diag = on_diag;
  cfg.on_progress = on_progress;
  if (oq_context_create(&cx, &cfg) != OQ_OK) return 1;
  const oq_status s = convert(cx, argv[1], argv[2], &p);
  if (s != OQ_OK) fprintf(stderr, "%s\n", oq_status_text(s));
  oq_context_destroy(cx);
  return s != OQ_OK;
}
