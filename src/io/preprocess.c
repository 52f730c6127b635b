/* io/preprocess.c - see preprocess.h. */
#include "io/preprocess.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- words -------------------------------------------------------------- */

typedef struct preset {
  const char *name;
  oq_image_options words;
} preset;

/* The size of `imagenet` follows the crop: 256 for 224. */
static const preset presets[] = {
    {"imagenet",
     {.scale = "255", .mean = "0.485,0.456,0.406", .std = "0.229,0.224,0.225"}},
    {"unit", {.scale = "255"}},
    {"signed", {.scale = "127.5", .mean = "1"}},
    {"raw", {.scale = "1"}},
};

static const char preset_hint[] =
    "--preprocess imagenet (shorter side 256, crop 224, /255, mean, std), "
    "unit (/255), signed (-1..1), raw (0..255), or FILE.yaml";

static const preset *find_preset(const char *name) {
  for (size_t i = 0; i < sizeof presets / sizeof *presets; i++) {
    if (strcmp(presets[i].name, name) == 0) return &presets[i];
  }
  return NULL;
}

typedef struct word_field {
  const char *key;
  size_t offset;
} word_field;

#define FIELD(f) \
  { #f, offsetof(oq_image_options, f) }
static const word_field fields[] = {
    FIELD(preprocess), FIELD(resize),        FIELD(crop), FIELD(letterbox),
    FIELD(scale),      FIELD(mean),          FIELD(std),  FIELD(color),
    FIELD(layout),     FIELD(interpolation),
};
#undef FIELD
#define N_FIELDS (sizeof fields / sizeof *fields)

static const char **field_of(oq_image_options *o, size_t i) {
  void *const at = (char *)o + fields[i].offset;

  return at;
}

/* What `over` says wins. */
static void merge(oq_image_options *into, const oq_image_options *over) {
  oq_image_options from = *over;

  for (size_t i = 0; i < N_FIELDS; i++) {
    if (*field_of(&from, i) != NULL) *field_of(into, i) = *field_of(&from, i);
  }
}

static oq_status fail_option(oq_io_error *err, const char *option,
                             const char *value, const char *expected) {
  return oq_io_fail(err, OQ_E_ARGUMENT, NULL, "--%s '%.80s': expected %s",
                    option, value, expected);
}

/* ---- preset file -------------------------------------------------------- */

typedef struct line {
  const char *p;
  size_t n;
} line;

static line trim(line l) {
  while (l.n != 0 && strchr(" \t\r", l.p[0]) != NULL) l.p++, l.n--;
  while (l.n != 0 && strchr(" \t\r", l.p[l.n - 1]) != NULL) l.n--;
  return l;
}

/* A comment starts the line or follows white space. */
static line drop_comment(line l) {
  for (size_t i = 0; i < l.n; i++) {
    if (l.p[i] == '#' && (i == 0 || l.p[i - 1] == ' ' || l.p[i - 1] == '\t')) {
      l.n = i;
    }
  }
  return trim(l);
}

static line unquote(line v) {
  const char *const pair = "\"\"''[]";

  for (size_t i = 0; i < 6; i += 2) {
    if (v.n >= 2 && v.p[0] == pair[i] && v.p[v.n - 1] == pair[i + 1]) {
      return trim((line){v.p + 1, v.n - 2});
    }
  }
  return v;
}

/* Without the spaces of "[1, 2, 3]". */
static const char *keep(oq_io_pool *pool, line v) {
  char *const out = oq_io_pool_copy(pool, v.p, v.n);
  size_t n = 0;

  if (out == NULL) return NULL;
  for (size_t i = 0; i < v.n; i++) {
    if (v.p[i] != ' ') out[n++] = v.p[i];
  }
  out[n] = 0;
  return out;
}

static oq_status take_line(oq_image_options *out, oq_io_pool *pool, line l,
                           const char *name, size_t number, oq_io_error *err) {
  static const char hint[] =
      "lines of `key: value`; keys: preprocess, resize, crop, letterbox, "
      "scale, mean, std, color, layout, interpolation";
  const char *const colon = memchr(l.p, ':', l.n);

  if (colon == NULL) {
    return oq_io_fail(err, OQ_E_ARGUMENT, hint,
                      "%s:%zu: not a `key: value` line", name, number);
  }
  const line key = trim((line){l.p, (size_t)(colon - l.p)});
  const line value =
      unquote(trim((line){colon + 1, l.n - (size_t)(colon - l.p) - 1}));
  for (size_t i = 0; i < N_FIELDS; i++) {
    if (strlen(fields[i].key) != key.n ||
        memcmp(fields[i].key, key.p, key.n) != 0) {
      continue;
    }
    if (value.n == 0 || *field_of(out, i) != NULL) {
      return oq_io_fail(err, OQ_E_ARGUMENT, hint, "%s:%zu: %s '%s'", name,
                        number, value.n == 0 ? "no value for" : "a second",
                        fields[i].key);
    }
    const char *const word = keep(pool, value);
    if (word == NULL) return oq_io_fail_memory(err);
    *field_of(out, i) = word;
    return OQ_OK;
  }
  return oq_io_fail(err, OQ_E_ARGUMENT, hint, "%s:%zu: unknown key '%.*s'",
                    name, number, (int)(key.n < 60 ? key.n : 60), key.p);
}

oq_status oq_preprocess_parse_file(oq_image_options *out, oq_io_pool *pool,
                                   const char *text, size_t size,
                                   const char *name, oq_io_error *err) {
  const char *p = text, *const end = text + size;
  oq_image_options words = {0};

  if (memchr(text, 0, size) != NULL) {
    return oq_io_fail(err, OQ_E_ARGUMENT, NULL, "%s: not a text file", name);
  }
  for (size_t number = 1; p != end; number++) {
    const char *const eol = memchr(p, '\n', (size_t)(end - p));
    const char *const stop = eol != NULL ? eol : end;
    const line l = drop_comment((line){p, (size_t)(stop - p)});
    if (l.n != 0 && !(l.n == 3 && memcmp(l.p, "---", 3) == 0)) {
      OQ_IO_TRY(take_line(&words, pool, l, name, number, err));
    }
    p = eol != NULL ? eol + 1 : end;
  }
  *out = words;
  return OQ_OK;
}

static oq_status load_preset_file(oq_image_options *out, oq_io_pool *pool,
                                  const char *path, oq_io_error *err) {
  uint8_t *text;
  size_t n;

  OQ_IO_TRY(oq_io_slurp(&text, &n, path, 1 << 20, err));
  const void *const chars = text;
  const oq_status s = oq_preprocess_parse_file(out, pool, chars, n, path, err);
  free(text);
  return s;
}

/* Preset, file, refinements: the later wins. */
static oq_status gather_words(oq_image_options *out, oq_io_pool *pool,
                              const oq_image_options *opt, const char **file,
                              oq_io_error *err) {
  oq_image_options words = {0}, own = {0};
  const char *name = opt->preprocess;

  if (name == NULL) {
    return oq_io_fail(err, OQ_E_ARGUMENT, preset_hint,
                      "pictures need --preprocess: a model does not say how "
                      "pixels become its numbers");
  }
  if (find_preset(name) == NULL &&
      (oq_io_has_suffix(name, ".yaml") || oq_io_has_suffix(name, ".yml"))) {
    OQ_IO_TRY(load_preset_file(&own, pool, name, err));
    if (file != NULL) *file = opt->preprocess;
    name = own.preprocess != NULL ? own.preprocess : "raw";
  }
  const preset *const base = find_preset(name);
  if (base == NULL) {
    return oq_io_fail(err, OQ_E_ARGUMENT, preset_hint,
                      "--preprocess '%.80s': no such preset", name);
  }
  words = base->words;
  merge(&words, &own);
  merge(&words, opt);
  words.preprocess = base->name;
  *out = words;
  return OQ_OK;
}

/* ---- numbers ------------------------------------------------------------ */

#define MAX_SIDE 65536

static bool parse_side(uint32_t *out, const char *p, size_t n) {
  int64_t v;

  if (!oq_io_parse_i64(&v, p, n) || v < 1 || v > MAX_SIDE) return false;
  *out = (uint32_t)v;
  return true;
}

/* "N" -> pair false; "WxH" -> pair true. */
static oq_status parse_size(uint32_t *w, uint32_t *h, bool *pair,
                            const char *option, const char *text,
                            oq_io_error *err) {
  const size_t n = strlen(text);
  const char *const x = strchr(text, 'x');
  bool ok;

  if (x == NULL) {
    ok = parse_side(w, text, n);
    *h = *w;
  } else {
    ok = parse_side(w, text, (size_t)(x - text)) &&
         parse_side(h, x + 1, n - (size_t)(x - text) - 1);
  }
  *pair = x != NULL;
  if (ok) return OQ_OK;
  return fail_option(err, option, text, "a size such as 224 or 224x224");
}

/* One number for all channels or one for each. */
static oq_status parse_channels(double *out, uint32_t channels,
                                const char *option, const char *text,
                                oq_io_error *err) {
  const char *p = text;
  uint32_t n = 0;

  for (; n < 3 && p != NULL; n++) {
    const char *const comma = strchr(p, ',');
    const size_t size = comma != NULL ? (size_t)(comma - p) : strlen(p);
    if (!oq_io_parse_f64(&out[n], p, size)) break;
    p = comma != NULL ? comma + 1 : NULL;
  }
  if (p != NULL || (n != 1 && n != channels)) {
    return oq_io_fail(
        err, OQ_E_ARGUMENT,
        channels == 1 ? "give --mean and --std with one number" : NULL,
        "--%s '%.80s': expected %s", option, text,
        channels == 1 ? "one number for the one channel"
                      : "one number, or three with commas");
  }
  for (uint32_t i = n; i < 3; i++) out[i] = out[n == 1 ? 0 : n - 1];
  return OQ_OK;
}

static oq_status parse_letterbox(oq_preprocess *p, const char *text,
                                 oq_io_error *err) {
  const char *const colon = strchr(text, ':');
  const size_t n = colon != NULL ? (size_t)(colon - text) : strlen(text);
  int64_t v;

  p->top_left = colon != NULL && strcmp(colon, ":top-left") == 0;
  if (!oq_io_parse_i64(&v, text, n) || v < 0 || v > 255 ||
      (colon != NULL && !p->top_left && strcmp(colon, ":center") != 0)) {
    return fail_option(err, "letterbox", text,
                       "0 to 255, then nothing, ':center' or ':top-left'");
  }
  p->pad = (uint8_t)v;
  return OQ_OK;
}

/* Index of `text` in a NULL-terminated list; -1 if it is not there. */
static int find_word(const char *text, const char *const *list) {
  for (int i = 0; list[i] != NULL; i++) {
    if (strcmp(text, list[i]) == 0) return i;
  }
  return -1;
}

/* ---- what the input says ------------------------------------------------ */

typedef struct target {
  uint32_t channels;     /* 0 = not said */
  int64_t width, height; /* -1 = not said */
} target;

static bool is_channels(int64_t d) { return d == 1 || d == 3; }

static oq_status fail_input(oq_io_error *err, const oq_value_info *in,
                            oq_status status, const char *hint,
                            const char *what) {
  char text[160];

  oq_io_print_input(text, sizeof text, in);
  return oq_io_fail(err, status, hint, "input '%.100s' %s %s", in->name, text,
                    what);
}

static oq_status choose_layout(bool *nhwc, const oq_value_info *in,
                               const char *word, oq_io_error *err) {
  static const char *const list[] = {"nchw", "nhwc", "auto", NULL};
  const int k = word != NULL ? find_word(word, list) : 2;

  if (k < 0) return fail_option(err, "layout", word, "nchw, nhwc or auto");
  if (k < 2) {
    *nhwc = k == 1;
    return OQ_OK;
  }
  if (in->has_rank && is_channels(in->dim[in->rank - 3].size)) {
    *nhwc = false;
    return OQ_OK;
  }
  if (in->has_rank && is_channels(in->dim[in->rank - 1].size)) {
    *nhwc = true;
    return OQ_OK;
  }
  return fail_input(err, in, OQ_E_ARGUMENT, "add --layout nchw or nhwc",
                    "does not tell where its channels are");
}

static oq_status read_target(target *out, oq_preprocess *p,
                             const oq_value_info *in, const char *layout,
                             oq_io_error *err) {
  const uint32_t r = in->rank;
  target t = {0, -1, -1};

  if (in->dtype != OQ_DT_F32 && in->dtype != OQ_DT_U8) {
    return fail_input(err, in, OQ_E_UNSUPPORTED, "feed it .npy or .npz arrays",
                      "does not take pictures (float32 and uint8 do)");
  }
  if (in->has_rank && r != 3 && r != 4) {
    return fail_input(err, in, OQ_E_DATA,
                      "name the input of the pictures: --data INPUT=PATH",
                      "does not take pictures (rank 3 and 4 do)");
  }
  OQ_IO_TRY(choose_layout(&p->nhwc, in, layout, err));
  p->bytes = in->dtype == OQ_DT_U8;
  p->rank = in->has_rank ? r : 4;
  if (in->has_rank) {
    const uint32_t h = p->nhwc ? r - 3 : r - 2;
    t.height = in->dim[h].size;
    t.width = in->dim[h + 1].size;
    const int64_t c = in->dim[p->nhwc ? r - 1 : r - 3].size;
    if ((c >= 0 && !is_channels(c)) || t.height == 0 || t.width == 0 ||
        t.height > MAX_SIDE || t.width > MAX_SIDE) {
      return fail_input(err, in, OQ_E_DATA, NULL,
                        "does not take pictures (1 or 3 channels do)");
    }
    t.channels = c > 0 ? (uint32_t)c : 0;
    if (r == 4 && in->dim[0].size > 1) {
      return fail_input(err, in, OQ_E_UNSUPPORTED,
                        "feed it .npy or .npz arrays",
                        "takes several pictures at once");
    }
  }
  *out = t;
  return OQ_OK;
}

static oq_status choose_color(oq_preprocess *p, target *t,
                              const oq_value_info *in, const char *word,
                              oq_io_error *err) {
  static const char *const list[] = {"rgb", "bgr", "gray", NULL};
  const int k = word != NULL ? find_word(word, list) : t->channels == 1 ? 2 : 0;

  if (k < 0) return fail_option(err, "color", word, "rgb, bgr or gray");
  const uint32_t channels = k == 2 ? 1 : 3;
  if (t->channels != 0 && t->channels != channels) {
    return fail_input(err, in, OQ_E_ARGUMENT,
                      channels == 1 ? "--color rgb or bgr" : "--color gray",
                      "has another number of channels than --color");
  }
  t->channels = channels;
  p->gray = k == 2;
  p->bgr = k == 1;
  return OQ_OK;
}

/* ---- sizes -------------------------------------------------------------- */

static oq_status fail_size(oq_io_error *err, const oq_value_info *in,
                           uint32_t w, uint32_t h) {
  char text[160];

  oq_io_print_input(text, sizeof text, in);
  return oq_io_fail(err, OQ_E_ARGUMENT,
                    "leave --resize and --crop out to get the model's size",
                    "pictures of %ux%u come out of the options, the input "
                    "'%.100s' wants %s",
                    w, h, in->name, text);
}

static bool fits(const target *t, uint32_t w, uint32_t h) {
  return (t->width < 0 || t->width == w) && (t->height < 0 || t->height == h);
}

static oq_status settle_letterbox(oq_preprocess *p, const oq_image_options *w,
                                  const target *t, bool pair,
                                  oq_io_error *err) {
  if (w->crop != NULL || (w->resize != NULL && !pair)) {
    return oq_io_fail(err, OQ_E_ARGUMENT, NULL,
                      "--letterbox goes with --resize WxH only, not with "
                      "--crop or a shorter side");
  }
  OQ_IO_TRY(parse_letterbox(p, w->letterbox, err));
  p->resize = OQ_RESIZE_LETTERBOX;
  if (w->resize == NULL && t->width > 0 && t->height > 0) {
    p->width = (uint32_t)t->width;
    p->height = (uint32_t)t->height;
  }
  return OQ_OK;
}

static uint32_t larger(uint32_t a, uint32_t b) { return a > b ? a : b; }

/* What happens where --resize and --letterbox say nothing. */
static void settle_default(oq_preprocess *p, const target *t) {
  if (strcmp(p->name, "imagenet") == 0 && p->crop_width != 0) {
    const uint32_t side = larger(p->crop_width, p->crop_height);
    p->resize = OQ_RESIZE_SHORTER;
    p->shorter = (side * 256 + 112) / 224;
  } else if (p->crop_width == 0 && t->width > 0 && t->height > 0) {
    p->resize = OQ_RESIZE_WHOLE;
    p->width = (uint32_t)t->width;
    p->height = (uint32_t)t->height;
  }
}

static oq_status settle_resize(oq_preprocess *p, const oq_image_options *w,
                               const target *t, oq_io_error *err) {
  const bool imagenet = strcmp(p->name, "imagenet") == 0;
  bool pair = false;

  if (w->resize != NULL) {
    OQ_IO_TRY(
        parse_size(&p->width, &p->height, &pair, "resize", w->resize, err));
    p->resize = pair ? OQ_RESIZE_WHOLE : OQ_RESIZE_SHORTER;
    p->shorter = p->width;
  }
  if (w->letterbox != NULL) return settle_letterbox(p, w, t, pair, err);
  if (w->crop != NULL) {
    OQ_IO_TRY(parse_size(&p->crop_width, &p->crop_height, &pair, "crop",
                         w->crop, err));
  } else if ((w->resize != NULL || imagenet) && t->width > 0 && t->height > 0) {
    p->crop_width = (uint32_t)t->width;
    p->crop_height = (uint32_t)t->height;
  }
  if (w->resize == NULL) settle_default(p, t);
  return OQ_OK;
}

/* Every way to a size that cannot work is found before a picture is read. */
static oq_status check_sizes(oq_preprocess *p, const target *t,
                             const oq_value_info *in, oq_io_error *err) {
  const bool sized =
      p->resize == OQ_RESIZE_WHOLE || p->resize == OQ_RESIZE_LETTERBOX;

  if ((sized && p->width == 0) ||
      (p->resize == OQ_RESIZE_NONE && p->crop_width == 0)) {
    return fail_input(err, in, OQ_E_ARGUMENT,
                      "add --resize WxH, --crop N, or --shape INPUT=1,3,H,W",
                      "does not fix the size of its pictures");
  }
  if (p->crop_width != 0) {
    const bool small =
        (sized && (p->crop_width > p->width || p->crop_height > p->height)) ||
        (p->resize == OQ_RESIZE_SHORTER &&
         larger(p->crop_width, p->crop_height) > p->shorter);
    if (small && sized) return fail_size(err, in, p->width, p->height);
    if (small) {
      return oq_io_fail(err, OQ_E_ARGUMENT, NULL,
                        "a shorter side of %u leaves no crop of %ux%u",
                        p->shorter, p->crop_width, p->crop_height);
    }
    if (!fits(t, p->crop_width, p->crop_height)) {
      return fail_size(err, in, p->crop_width, p->crop_height);
    }
    if (sized && p->crop_width == p->width && p->crop_height == p->height) {
      p->crop_width = p->crop_height = 0; /* nothing to cut off */
    }
    return OQ_OK;
  }
  if (sized && !fits(t, p->width, p->height)) {
    return fail_size(err, in, p->width, p->height);
  }
  if (!sized && (t->width > 0 || t->height > 0)) {
    return fail_input(err, in, OQ_E_ARGUMENT, "add --crop WxH",
                      "fixes one side of its pictures only");
  }
  return OQ_OK;
}

/* ---- values ------------------------------------------------------------- */

static oq_status refuse_scaling(const oq_image_options *opt,
                                const oq_value_info *in, oq_io_error *err) {
  if (opt->scale == NULL && opt->mean == NULL && opt->std == NULL) return OQ_OK;
  return fail_input(err, in, OQ_E_ARGUMENT,
                    "leave --scale, --mean and --std out",
                    "takes the bytes of pictures as they are");
}

static void reverse(double *v) {
  const double first = v[0];

  v[0] = v[2];
  v[2] = first;
}

static oq_status settle_values(oq_preprocess *p, const oq_image_options *w,
                               const oq_image_options *given, uint32_t channels,
                               oq_io_error *err) {
  p->scale = 1;
  for (size_t i = 0; i < 3; i++) {
    p->mean[i] = 0;
    p->std[i] = 1;
  }
  if (p->bytes) return OQ_OK;
  if (!oq_io_parse_f64(&p->scale, w->scale, strlen(w->scale)) ||
      p->scale == 0) {
    return fail_option(err, "scale", w->scale, "a number other than 0");
  }
  if (w->mean != NULL) {
    OQ_IO_TRY(parse_channels(p->mean, channels, "mean", w->mean, err));
  }
  if (w->std != NULL) {
    OQ_IO_TRY(parse_channels(p->std, channels, "std", w->std, err));
  }
  /* The preset's numbers are for RGB; what a person gives is in the order of
   * --color. */
  if (p->bgr && given->mean == NULL) reverse(p->mean);
  if (p->bgr && given->std == NULL) reverse(p->std);
  for (size_t i = 0; i < 3; i++) {
    if (!((float)p->std[i] != 0.0F)) {
      return fail_option(err, "std", w->std, "numbers other than 0");
    }
  }
  return OQ_OK;
}

/* float32 step by step, as tensors are normalised in training code. */
static void fill_table(oq_preprocess *p) {
  for (size_t c = 0; c < 3; c++) {
    for (size_t i = 0; i < 256; i++) {
      const float x = (float)i / (float)p->scale;
      p->table[c][i] = (x - (float)p->mean[c]) / (float)p->std[c];
    }
  }
}

static oq_status choose_filter(oq_preprocess *p, const char *word,
                               oq_io_error *err) {
  static const char *const list[] = {
      [OQ_FILTER_BILINEAR] = "bilinear", [OQ_FILTER_BICUBIC] = "bicubic", NULL};
  const int k = word != NULL ? find_word(word, list) : OQ_FILTER_BILINEAR;

  if (k < 0) {
    return fail_option(err, "interpolation", word, "bilinear or bicubic");
  }
  p->filter = (oq_filter)k;
  return OQ_OK;
}

static oq_status settle(oq_preprocess *p, const oq_image_options *words,
                        const oq_image_options *file_and_given,
                        const oq_value_info *in, oq_io_error *err) {
  target t = {0, -1, -1};

  OQ_IO_TRY(read_target(&t, p, in, words->layout, err));
  OQ_IO_TRY(choose_color(p, &t, in, words->color, err));
  OQ_IO_TRY(choose_filter(p, words->interpolation, err));
  OQ_IO_TRY(settle_resize(p, words, &t, err));
  OQ_IO_TRY(check_sizes(p, &t, in, err));
  if (p->bytes) OQ_IO_TRY(refuse_scaling(file_and_given, in, err));
  OQ_IO_TRY(settle_values(p, words, file_and_given, t.channels, err));
  fill_table(p);
  return OQ_OK;
}

oq_status oq_preprocess_make(oq_preprocess *out, const oq_image_options *opt,
                             const oq_value_info *input, const char **file,
                             oq_io_error *err) {
  oq_io_pool pool = {0};
  oq_image_options words, given;
  oq_preprocess p = {0};

  oq_status s = gather_words(&words, &pool, opt, file, err);
  if (s == OQ_OK) {
    const preset *const base = find_preset(words.preprocess);
    given = words; /* what is not the preset's own */
    if (given.scale == base->words.scale) given.scale = NULL;
    if (given.mean == base->words.mean) given.mean = NULL;
    if (given.std == base->words.std) given.std = NULL;
    (void)snprintf(p.name, sizeof p.name, "%s", base->name);
    s = settle(&p, &words, &given, input, err);
  }
  oq_io_pool_free(&pool);
  if (s == OQ_OK) *out = p;
  return s;
}

/* ---- in words ----------------------------------------------------------- */

static void say(char *out, size_t size, const char *text) {
  const size_t n = strlen(out);

  if (n + 1 < size) (void)snprintf(out + n, size - n, "%s", text);
}

static void say_numbers(char *out, size_t size, const char *what,
                        const double *v, size_t n) {
  char text[40];

  say(out, size, what);
  for (size_t i = 0; i < n; i++) {
    oq_io_print_f64(text, sizeof text, v[i]);
    if (i != 0) say(out, size, ",");
    say(out, size, text);
  }
}

static void say_size(char *out, size_t size, const oq_preprocess *p) {
  char text[80] = "";

  switch (p->resize) {
    case OQ_RESIZE_NONE:
      break;
    case OQ_RESIZE_SHORTER:
      (void)snprintf(text, sizeof text, " resize=%u", p->shorter);
      break;
    case OQ_RESIZE_WHOLE:
      (void)snprintf(text, sizeof text, " resize=%ux%u", p->width, p->height);
      break;
    case OQ_RESIZE_LETTERBOX:
      (void)snprintf(text, sizeof text, " letterbox=%ux%u:%u%s", p->width,
                     p->height, p->pad, p->top_left ? ":top-left" : "");
      break;
  }
  say(out, size, text);
  if (p->resize != OQ_RESIZE_NONE) {
    say(out, size, p->filter == OQ_FILTER_BICUBIC ? " bicubic" : " bilinear");
  }
  if (p->crop_width != 0) {
    (void)snprintf(text, sizeof text, " crop=%ux%u", p->crop_width,
                   p->crop_height);
    say(out, size, text);
  }
}

void oq_preprocess_describe(char *out, size_t size, const oq_preprocess *p) {
  const size_t channels = p->gray ? 1 : 3;

  if (size == 0) return;
  out[0] = 0;
  say(out, size, p->gray ? "gray" : p->bgr ? "bgr" : "rgb");
  say_size(out, size, p);
  if (p->bytes) {
    say(out, size, " bytes");
  } else {
    say_numbers(out, size, " scale=", &p->scale, 1);
    say_numbers(out, size, " mean=", p->mean, channels);
    say_numbers(out, size, " std=", p->std, channels);
  }
  say(out, size, p->nhwc ? " nhwc" : " nchw");
}

/* ---- a picture ---------------------------------------------------------- */

static void replace(oq_image *im, oq_image *by) {
  oq_image_free(im);
  *im = *by;
}

static uint32_t at_least_1(uint64_t v) {
  return v == 0 ? 1 : v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

/* The longer side is rounded down. */
static oq_status resize_shorter(oq_image *im, const oq_preprocess *p,
                                oq_io_error *err) {
  const uint64_t s = p->shorter;
  uint32_t w = p->shorter, h = p->shorter;
  oq_image to = {0};

  if (im->width < im->height) {
    h = at_least_1(s * im->height / im->width);
  } else {
    w = at_least_1(s * im->width / im->height);
  }
  OQ_IO_TRY(oq_image_resize(&to, im, w, h, p->filter, err));
  replace(im, &to);
  return OQ_OK;
}

static oq_status resize_whole(oq_image *im, uint32_t w, uint32_t h,
                              oq_filter filter, oq_io_error *err) {
  oq_image to = {0};

  OQ_IO_TRY(oq_image_resize(&to, im, w, h, filter, err));
  replace(im, &to);
  return OQ_OK;
}

static uint64_t divide_round(uint64_t a, uint64_t b) { return (a + b / 2) / b; }

/* Half the rest, a half rounded to even. */
static uint32_t centre(uint32_t size, uint32_t crop) {
  const uint32_t half = (size - crop) / 2;

  return (size - crop) % 2 != 0 ? half + (half & 1) : half;
}

/* The side that limits gets its full size, the other is rounded. */
static oq_status letterbox(oq_image *im, const oq_preprocess *p,
                           oq_io_error *err) {
  const uint64_t w = im->width, h = im->height;
  uint32_t nw = p->width, nh = p->height;
  oq_image to = {0};

  if (w * p->height > h * p->width) {
    nh = at_least_1(divide_round(h * p->width, w));
  } else {
    nw = at_least_1(divide_round(w * p->height, h));
  }
  OQ_IO_TRY(resize_whole(im, nw, nh, p->filter, err));
  OQ_IO_TRY(oq_image_make(&to, p->width, p->height, im->channels,
                          OQ_IO_MAX_PIXELS, err));
  memset(to.data, p->pad, (size_t)to.width * to.height * to.channels);
  const size_t left = p->top_left ? 0 : centre(p->width, nw);
  const size_t top = p->top_left ? 0 : centre(p->height, nh);
  const size_t c = im->channels;
  for (size_t y = 0; y < nh; y++) {
    memcpy(to.data + ((top + y) * to.width + left) * c, im->data + y * nw * c,
           nw * c);
  }
  replace(im, &to);
  return OQ_OK;
}

static oq_status crop_centre(oq_image *im, const oq_preprocess *p,
                             oq_io_error *err) {
  const uint32_t w = p->crop_width, h = p->crop_height;
  oq_image to = {0};

  if (im->width < w || im->height < h) {
    return oq_io_fail(err, OQ_E_DATA, "add --resize",
                      "picture of %ux%u is smaller than the crop of %ux%u",
                      im->width, im->height, w, h);
  }
  OQ_IO_TRY(oq_image_crop(&to, im, centre(im->width, w), centre(im->height, h),
                          w, h, err));
  replace(im, &to);
  return OQ_OK;
}

static oq_status shape_picture(oq_image *im, const oq_preprocess *p,
                               oq_io_error *err) {
  OQ_IO_TRY(p->gray ? oq_image_to_gray(im, err) : oq_image_to_rgb(im, err));
  switch (p->resize) {
    case OQ_RESIZE_NONE:
      break;
    case OQ_RESIZE_SHORTER:
      OQ_IO_TRY(resize_shorter(im, p, err));
      break;
    case OQ_RESIZE_WHOLE:
      OQ_IO_TRY(resize_whole(im, p->width, p->height, p->filter, err));
      break;
    case OQ_RESIZE_LETTERBOX:
      OQ_IO_TRY(letterbox(im, p, err));
      break;
  }
  return p->crop_width != 0 ? crop_centre(im, p, err) : OQ_OK;
}

/* Pixel i, channel c of the picture goes to out[i * pixel + place]. */
static void put_numbers(void *out, const oq_preprocess *p, const oq_image *im) {
  const size_t n = (size_t)im->width * im->height, c = im->channels;
  const size_t pixel = p->nhwc ? c : 1, plane = p->nhwc ? 1 : n;
  uint8_t *const bytes = out;
  float *const numbers = out;

  for (size_t k = 0; k < c; k++) {
    const uint8_t *from = im->data + (p->bgr ? c - 1 - k : k);
    const float *const table = p->table[k];
    if (p->bytes) {
      for (size_t i = 0; i < n; i++) bytes[i * pixel + k * plane] = from[i * c];
    } else {
      for (size_t i = 0; i < n; i++) {
        numbers[i * pixel + k * plane] = table[from[i * c]];
      }
    }
  }
}

static void set_view(oq_tensor_view *out, const oq_preprocess *p,
                     const oq_image *im) {
  const int64_t c = im->channels, h = im->height, w = im->width;
  const int64_t dims[2][4] = {{1, c, h, w}, {1, h, w, c}};

  *out = (oq_tensor_view){.dtype = p->bytes ? OQ_DT_U8 : OQ_DT_F32,
                          .rank = p->rank};
  for (uint32_t i = 0; i < p->rank; i++) {
    out->dim[i] = dims[p->nhwc][4 - p->rank + i];
  }
}

oq_status oq_preprocess_run(void **data, oq_tensor_view *out,
                            const oq_preprocess *p, const uint8_t *file,
                            size_t size, oq_io_error *err) {
  oq_image im = {0};

  OQ_IO_TRY(oq_image_decode(&im, file, size, OQ_IO_MAX_PIXELS, err));
  oq_status s = shape_picture(&im, p, err);
  if (s == OQ_OK) {
    const size_t bytes = (size_t)im.width * im.height * im.channels *
                         (p->bytes ? 1 : sizeof(float));
    void *const numbers = oq_io_alloc_tensor(bytes);
    if (numbers == NULL) {
      s = oq_io_fail_memory(err);
    } else {
      put_numbers(numbers, p, &im);
      set_view(out, p, &im);
      out->data = numbers;
      out->size = bytes;
      *data = numbers;
    }
  }
  oq_image_free(&im);
  return s;
}
