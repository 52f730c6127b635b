/* cli/json.h - machine-readable results on jansson: keys in the order they are
 * set, numbers with 9 digits, NaN and infinity as null. */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* An object with `schema_version`; NULL without memory.  The functions below
 * accept NULL objects and do nothing, so that only the end has to be checked.
 */
json_t *oq_json_create(void);

void oq_json_text(json_t *o, const char *key, const char *value);
void oq_json_count(json_t *o, const char *key, uint64_t value);
void oq_json_int(json_t *o, const char *key, int64_t value);
void oq_json_real(json_t *o, const char *key, double value);
void oq_json_bool(json_t *o, const char *key, bool value);
void oq_json_null(json_t *o, const char *key);
/* Takes over `value`. */
void oq_json_put(json_t *o, const char *key, json_t *value);

json_t *oq_json_number(double value);     /* null if not finite */
json_t *oq_json_string(const char *text); /* bad UTF-8 escaped; null for NULL */
json_t *oq_json_pair(double a, double b); /* [a, b] */

/* One object and a newline; false if it could not be written. */
bool oq_json_print(FILE *to, const json_t *o);

#endif
