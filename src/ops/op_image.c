/* ImageDecoder: pixels of a picture file, by the decoder that the caller of the
 * library gave.  The library itself reads no picture formats. */
#include <string.h>

#include "ops/op.h"
#include "ops/rules.h"

typedef struct image_params {
  int32_t format;
} image_params;

enum { RGB, BGR, GRAY };
static const char *const formats[] = {"RGB", "BGR", "Grayscale", NULL};
static const oq_attr_def image_attrs[] = {
    OQ_A_CHOICE(image_params, format, "pixel_format", "RGB", formats),
};

static int64_t channels_of(const void *params) {
  return ((const image_params *)params)->format == GRAY ? 1 : 3;
}

static oq_status image_infer(oq_infer *x) {
  const oq_type *const t = oq_rule_ranked(x, 0);

  if (t != NULL && t->rank != 1)
    return oq_infer_fail(x, OQ_E_MODEL, "op.rank",
                         "the input has rank %u, expected 1", t->rank);
  oq_infer_set_rank(x, 0, OQ_DT_U8, 3);
  if (x->n_out > 0) x->out[0].dim[2].size = channels_of(x->params);
  return OQ_OK;
}

/* ITU-R 601 luma. */
static uint8_t luma(const uint8_t *p) {
  return (uint8_t)((19595u * p[0] + 38470u * p[1] + 7471u * p[2] + 32768u) >>
                   16);
}

static void put_pixels(uint8_t *y, const oq_picture *p, int32_t format) {
  const size_t n = (size_t)p->width * p->height, c = p->channels;
  const size_t red = format == BGR ? 2 : 0;

  for (size_t i = 0; i < n; i++) {
    const uint8_t *const x = p->pixels + i * c;
    if (format == GRAY) {
      y[i] = c == 1 ? x[0] : luma(x);
      continue;
    }
    y[3 * i + red] = x[0];
    y[3 * i + 1] = c == 1 ? x[0] : x[1];
    y[3 * i + 2 - red] = c == 1 ? x[0] : x[2];
  }
}

static oq_status put_picture(oq_run *r, const oq_picture *p) {
  const oq_shape s = {3, {p->height, p->width, channels_of(r->params)}};

  if ((p->channels != 1 && p->channels != 3) ||
      (p->pixels == NULL && p->width != 0 && p->height != 0))
    return oq_run_fail(r, OQ_E_ARGUMENT, "image.decoder",
                       "the image decoder gave a picture of %u channels, "
                       "expected 1 or 3",
                       p->channels);
  OQ_TRY(oq_run_alloc(r, 0, OQ_DT_U8, &s));
  put_pixels(r->out[0].data, p, ((const image_params *)r->params)->format);
  return OQ_OK;
}

/* What is no picture gives an empty one, as the operator is defined. */
static oq_status image_run(oq_run *r) {
  const oq_image_decoder *const d = r->images;
  oq_picture p = {.channels = 3};

  if (d == NULL || d->decode == NULL)
    return oq_run_fail(r, OQ_E_UNSUPPORTED, "image.decoder",
                       "pictures can be decoded only with an image decoder "
                       "from the caller");
  oq_status s = d->decode(d->user, &p, r->in[0]->data, r->in[0]->size);
  if (s == OQ_E_DATA) {
    p = (oq_picture){.channels = 3};
    return put_picture(r, &p);
  }
  if (s != OQ_OK) {
    p.error[sizeof p.error - 1] = '\0';
    return oq_run_fail(r, s, "image.decode", "a picture cannot be decoded: %s",
                       p.error[0] != '\0' ? p.error : oq_status_text(s));
  }
  s = put_picture(r, &p);
  if (d->release != NULL) d->release(d->user, &p);
  return s;
}

/* ---- table --------------------------------------------------------------- */
static const oq_op_def defs[] = {
    {.domain = "",
     .name = "ImageDecoder",
     .since = 20,
     .last = 27,
     .min_in = 1,
     .max_in = 1,
     .min_out = 1,
     .max_out = 1,
     .flags = OQ_OP_LATE,
     .dtypes = OQ_DTM(U8),
     .params_size = sizeof(image_params),
     OQ_ATTRS(image_attrs),
     .infer = image_infer,
     .run = image_run,
     .quant = {.cls = OQ_Q_NEVER, .role = {OQ_ROLE_INDEX}}},
};

OQ_FAMILY(image, defs);
