/* overrides.c - reads the file of --overrides. */
#define _POSIX_C_SOURCE 200809L
#include "cli/overrides.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/exits.h"
#include "cli/term.h"

static const char *const example =
    "{\"tensors\": {\"VALUE\": {\"range\": [0, 6]}}}, or \"scale\" and "
    "\"zero_point\"";

static int bad(const char *path, const char *value, const char *why) {
  oq_term_error(example, "%s: '%s': %s", path, value, why);
  return OQ_EXIT_USAGE;
}

static int take_range(oq_override *o, const json_t *range, const char *path) {
  const json_t *lo = json_array_get(range, 0), *hi = json_array_get(range, 1);

  if (json_array_size(range) != 2 || !json_is_number(lo) || !json_is_number(hi))
    return bad(path, o->value, "\"range\" is not a pair of numbers");
  o->has_range = 1;
  o->lo = json_number_value(lo);
  o->hi = json_number_value(hi);
  return OQ_EXIT_DONE;
}

static int take_params(oq_override *o, const json_t *scale, const json_t *zero,
                       const char *path) {
  if (!json_is_number(scale) || !json_is_integer(zero) ||
      json_integer_value(zero) < INT32_MIN ||
      json_integer_value(zero) > INT32_MAX)
    return bad(path, o->value,
               "\"scale\" is not a number or \"zero_point\" no integer");
  o->has_params = 1;
  o->scale = json_number_value(scale);
  o->zero_point = (int32_t)json_integer_value(zero);
  return OQ_EXIT_DONE;
}

static int take(oq_override *o, const char *name, const json_t *entry,
                const char *path) {
  const json_t *range = json_object_get(entry, "range");
  const json_t *scale = json_object_get(entry, "scale");
  const json_t *zero = json_object_get(entry, "zero_point");
  const size_t known = (size_t)(range != NULL) + (size_t)(scale != NULL) +
                       (size_t)(zero != NULL);

  *o = (oq_override){.value = name};
  if (!json_is_object(entry)) return bad(path, name, "not an object");
  if (json_object_size(entry) != known)
    return bad(path, name, "unknown key besides range, scale, zero_point");
  if (range && known == 1) return take_range(o, range, path);
  if (scale && zero && known == 2) return take_params(o, scale, zero, path);
  return bad(path, name, "expected a range, or a scale with a zero point");
}

static int take_all(oq_overrides *out, const char *path) {
  json_t *tensors = json_object_get(out->root, "tensors"), *entry;
  const char *name;

  if (!json_is_object(tensors) || json_object_size(out->root) != 1) {
    oq_term_error(example, "%s: expected one object \"tensors\"", path);
    return OQ_EXIT_USAGE;
  }
  out->items = calloc(json_object_size(tensors) + 1, sizeof *out->items);
  if (!out->items) {
    oq_term_error(NULL, "out of memory");
    return OQ_EXIT_SYSTEM;
  }
  json_object_foreach(tensors, name, entry)
      OQ_DO(take(&out->items[out->n++], name, entry, path));
  return OQ_EXIT_DONE;
}

int oq_overrides_load(oq_overrides *out, const char *path) {
  json_error_t e;

  *out = (oq_overrides){0};
  if (!path) return OQ_EXIT_DONE;
  FILE *f = fopen(path, "rb");
  if (!f) {
    oq_term_error(NULL, "%s: %s", path, strerror(errno));
    return OQ_EXIT_SYSTEM;
  }
  out->root = json_loadf(f, JSON_REJECT_DUPLICATES, &e);
  (void)fclose(f);
  if (!out->root) {
    oq_term_error(example, "%s:%d:%d: %s", path, e.line, e.column, e.text);
    return OQ_EXIT_USAGE;
  }
  return take_all(out, path);
}

void oq_overrides_free(oq_overrides *o) {
  free(o->items);
  json_decref(o->root);
  *o = (oq_overrides){0};
}
