/* json.c - helpers on jansson. */
#include "cli/json.h"

#include <math.h>
#include <stdlib.h>

#include "cli/term.h"

#define SCHEMA_VERSION 1

json_t *oq_json_create(void) {
  json_t *o = json_object();

  oq_json_count(o, "schema_version", SCHEMA_VERSION);
  return o;
}

void oq_json_put(json_t *o, const char *key, json_t *value) {
  if (o)
    (void)json_object_set_new(o, key, value);
  else
    json_decref(value);
}

json_t *oq_json_number(double value) {
  return isfinite(value) ? json_real(value) : json_null();
}

json_t *oq_json_string(const char *text) {
  if (!text) return json_null();
  json_t *s = json_string(text);
  if (s) return s;
  char *safe = oq_term_escape(text); /* not UTF-8 */
  s = safe ? json_string(safe) : NULL;
  free(safe);
  return s;
}

json_t *oq_json_pair(double a, double b) {
  json_t *list = json_array();

  (void)json_array_append_new(list, oq_json_number(a));
  (void)json_array_append_new(list, oq_json_number(b));
  return list;
}

void oq_json_text(json_t *o, const char *key, const char *value) {
  oq_json_put(o, key, oq_json_string(value));
}

void oq_json_count(json_t *o, const char *key, uint64_t value) {
  oq_json_put(o, key, json_integer((json_int_t)value));
}

void oq_json_int(json_t *o, const char *key, int64_t value) {
  oq_json_put(o, key, json_integer((json_int_t)value));
}

void oq_json_real(json_t *o, const char *key, double value) {
  oq_json_put(o, key, oq_json_number(value));
}

void oq_json_bool(json_t *o, const char *key, bool value) {
  oq_json_put(o, key, json_boolean(value));
}

void oq_json_null(json_t *o, const char *key) {
  oq_json_put(o, key, json_null());
}

bool oq_json_print(FILE *to, const json_t *o) {
  return o && json_dumpf(o, to, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) == 0 &&
         fputc('\n', to) != EOF && fflush(to) == 0;
}
