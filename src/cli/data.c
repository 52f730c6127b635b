/* data.c - from the words of the user to samples and labels. */
#include "cli/data.h"

#include <stdlib.h>
#include <string.h>

#define AT(field) offsetof(oq_data_options, field)

const oq_opt oq_data_rows[] = {
    {"data", 0, OQ_OPT_LIST, AT(data), "[INPUT=]PATH",
     "pictures, .npy, .npz, test data, @list, random:N", 0, 0},
    {"samples", 0, OQ_OPT_UINT, AT(samples), "N",
     "N evenly spaced samples (all, at most 512)", 1, 1e9},
    {"dim", 0, OQ_OPT_LIST, AT(dim), "NAME=SIZE",
     "fix a dynamic size, e.g. --dim batch=1", 0, 0},
    {"shape", 0, OQ_OPT_LIST, AT(shape), "INPUT=N,N,..",
     "+fix the shape of an input", 0, 0},
    {"fill", 0, OQ_OPT_LIST, AT(fill), "INPUT=VALUE",
     "+zeros, ones or a number, for lack of data", 0, 0},
    {"range", 0, OQ_OPT_LIST, AT(range), "INPUT=LO:HI",
     "+values of random:N for this input", 0, 0},
    {"seed", 0, OQ_OPT_UINT, AT(seed), "N", "+seed of random:N", 0, 0},
    {"shard", 0, OQ_OPT_TEXT, AT(shard), "I/N",
     "+every N-th sample, from the I-th on (from 0)", 0, 0},
    {"on-bad-sample", 0, OQ_OPT_CHOICE, AT(on_bad_sample), "fail|skip",
     "+samples that cannot be read (fail)", 0, 0},
    {"dump-inputs", 0, OQ_OPT_TEXT, AT(dump_inputs), "DIR",
     "+write what the model is really fed as .npy", 0, 0},
    {0},
};

const oq_opt oq_label_rows[] = {
    {"labels", 0, OQ_OPT_TEXT, AT(labels), "FILE|folders",
     "`path class` lines, or sub-folders as classes", 0, 0},
    {"classes", 0, OQ_OPT_TEXT, AT(classes), "A,B,..",
     "+names of the classes, in order; or @FILE", 0, 0},
    {"label-offset", 0, OQ_OPT_INT, AT(label_offset), "K",
     "+the model has K further classes in front", 0, 0},
    {"scores", 0, OQ_OPT_TEXT, AT(scores), "OUTPUT",
     "+which output holds the scores", 0, 0},
    {0},
};

const oq_opt oq_image_rows[] = {
    {"preprocess", 0, OQ_OPT_TEXT, AT(image.preprocess), "WHAT",
     "imagenet, unit, signed, raw, or FILE.yaml", 0, 0},
    {"resize", 0, OQ_OPT_TEXT, AT(image.resize), "N|WxH",
     "+shorter side, or the whole picture", 0, 0},
    {"crop", 0, OQ_OPT_TEXT, AT(image.crop), "N|WxH", "+centre crop", 0, 0},
    {"letterbox", 0, OQ_OPT_TEXT, AT(image.letterbox), "VALUE",
     "+keep proportions, pad with VALUE", 0, 0},
    {"scale", 0, OQ_OPT_TEXT, AT(image.scale), "N", "+divide by N", 0, 0},
    {"mean", 0, OQ_OPT_TEXT, AT(image.mean), "R,G,B",
     "+subtract, after the division", 0, 0},
    {"std", 0, OQ_OPT_TEXT, AT(image.std), "R,G,B", "+divide, after the mean",
     0, 0},
    {"color", 0, OQ_OPT_TEXT, AT(image.color), "rgb|bgr|gray",
     "+order of channels", 0, 0},
    {"layout", 0, OQ_OPT_TEXT, AT(image.layout), "nchw|nhwc|auto",
     "+where the channels are (auto)", 0, 0},
    {"interpolation", 0, OQ_OPT_TEXT, AT(image.interpolation),
     "bilinear|bicubic", "+of resizing", 0, 0},
    {0},
};

/* ---- shapes ---------------------------------------------------------------
 */
/* "is one of: a, b, c" over the names that the model has. */
typedef struct name_list {
  const char *words[64];
  size_t n;
} name_list;

static void add_name(name_list *l, const char *name) {
  for (size_t i = 0; i < l->n; i++)
    if (strcmp(l->words[i], name) == 0) return;
  if (l->n < 64) l->words[l->n++] = name;
}

static int unknown_name(const char *option, const char *what, const char *name,
                        const name_list *l) {
  const char *near = oq_opt_nearest(name, l->words, l->n);
  char hint[512] = "";
  size_t at = 0;

  if (near) {
    (void)snprintf(hint, sizeof hint, "did you mean '%s'?", near);
  } else if (l->n > 0) {
    at = (size_t)snprintf(hint, sizeof hint, "there is ");
    for (size_t i = 0; i < l->n && at < 400; i++)
      at += (size_t)snprintf(hint + at, sizeof hint - at, "%s'%.80s'",
                             i ? ", " : "", l->words[i]);
  }
  oq_term_error(hint, "%s: no input has %s '%s'", option, what, name);
  return OQ_EXIT_USAGE;
}

static bool has_dim(const oq_model_info *m, const char *name, name_list *l) {
  bool found = false;

  for (size_t i = 0; i < m->n_inputs; i++) {
    for (uint32_t k = 0; k < m->inputs[i].rank; k++) {
      const char *symbol = m->inputs[i].dim[k].symbol;

      if (!symbol) continue;
      add_name(l, symbol);
      found = found || strcmp(symbol, name) == 0;
    }
  }
  return found;
}

static bool has_input(const oq_model_info *m, const char *name, name_list *l) {
  bool found = false;

  for (size_t i = 0; i < m->n_inputs; i++) {
    add_name(l, m->inputs[i].name);
    found = found || strcmp(m->inputs[i].name, name) == 0;
  }
  return found;
}

static int fix_dim(oq_work *w, oq_model *m, const char *text) {
  const oq_model_info *info;
  name_list known = {.n = 0};
  oq_io_error err;
  char name[256];
  int64_t size;

  OQ_DO(oq_work_exit(w, oq_model_describe(&info, m)));
  OQ_DO(oq_work_io(w, oq_io_parse_dim(name, sizeof name, &size, text, &err),
                   &err));
  if (!has_dim(info, name, &known))
    return unknown_name("--dim", "a dimension named", name, &known);
  return oq_work_exit(w, oq_model_set_dim(m, name, size));
}

static int fix_shape(oq_work *w, oq_model *m, const char *text) {
  const oq_model_info *info;
  name_list known = {.n = 0};
  int64_t dim[OQ_MAX_RANK];
  oq_io_error err;
  char name[256];
  uint32_t rank;

  OQ_DO(oq_work_exit(w, oq_model_describe(&info, m)));
  OQ_DO(oq_work_io(
      w, oq_io_parse_shape(name, sizeof name, dim, &rank, text, &err), &err));
  if (!has_input(info, name, &known))
    return unknown_name("--shape", "the name", name, &known);
  return oq_work_exit(w, oq_model_set_shape(m, name, dim, rank));
}

int oq_data_fix_shapes(oq_work *w, oq_model *m, const oq_data_options *d) {
  for (size_t i = 0; i < d->dim.n; i++) OQ_DO(fix_dim(w, m, d->dim.items[i]));
  for (size_t i = 0; i < d->shape.n; i++)
    OQ_DO(fix_shape(w, m, d->shape.items[i]));
  return OQ_EXIT_DONE;
}

/* ---- samples --------------------------------------------------------------
 */
static int parse_shard(uint32_t *index, uint32_t *count, const char *text) {
  unsigned i, n;
  char rest;

  *index = *count = 0;
  if (!text) return OQ_EXIT_DONE;
  if (*text < '0' || *text > '9' ||
      sscanf(text, "%9u/%9u%c", &i, &n, &rest) != 2 || n == 0 || i >= n) {
    oq_term_error("I/N with I from 0 to N-1, e.g. --shard 0/4",
                  "'--shard %s' is not valid", text);
    return OQ_EXIT_USAGE;
  }
  *index = i;
  *count = n;
  return OQ_EXIT_DONE;
}

static void warn_of_samples(oq_work *w, const oq_samples *s) {
  size_t n;
  const char *const *text = oq_samples_warnings(s, &n);
  const oq_bad_sample *bad;

  for (size_t i = 0; i < n; i++) oq_work_warn(w, NULL, "%s", text[i]);
  bad = oq_samples_skipped(s, &n);
  for (size_t i = 0; i < n; i++)
    oq_work_warn(w, NULL, "sample '%s' is left out: %s", bad[i].name,
                 bad[i].text);
}

int oq_data_missing(const char *command) {
  oq_term_error(
      "--data FOLDER with typical inputs; random:N only if nothing else is at "
      "hand",
      "%s needs samples: --data is missing", command);
  return OQ_EXIT_USAGE;
}

int oq_data_open(oq_samples **out, oq_work *w, oq_model *m,
                 const oq_data_options *d, const oq_opt_list *data) {
  const oq_opt_list *l = data ? data : &d->data;
  oq_samples_options o = {
      .data = l->items,
      .n_data = l->n,
      .fill = d->fill.items,
      .n_fill = d->fill.n,
      .range = d->range.items,
      .n_range = d->range.n,
      .dim = d->dim.items,
      .n_dim = d->dim.n,
      .shape = d->shape.items,
      .n_shape = d->shape.n,
      .image = d->image,
      .max_samples = d->samples,
      .skip_bad = d->on_bad_sample && strcmp(d->on_bad_sample, "skip") == 0,
      .seed = d->seed,
  };
  oq_samples *s;
  oq_io_error err;

  OQ_DO(parse_shard(&o.shard_index, &o.shard_count, d->shard));
  OQ_DO(oq_work_exit(w, oq_model_describe(&o.model, m)));
  OQ_DO(oq_work_io(w, oq_samples_open(&s, &o, &err), &err));
  warn_of_samples(w, s);
  if (d->dump_inputs) {
    const int code =
        oq_work_io(w, oq_samples_dump(s, d->dump_inputs, &err), &err);
    if (code != OQ_EXIT_DONE) {
      oq_samples_destroy(s);
      return code;
    }
  }
  *out = s;
  return OQ_EXIT_DONE;
}

int oq_data_labels(oq_labels **out, oq_work *w, const oq_samples *s,
                   const oq_data_options *d, const char *spec) {
  oq_io_error err;

  *out = NULL;
  if (!spec) return OQ_EXIT_DONE;
  return oq_work_io(
      w, oq_labels_open(out, s, spec, d->classes, d->label_offset, &err), &err);
}
