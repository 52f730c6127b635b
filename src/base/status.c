/* base/status.c - names and texts of the statuses. */
#include "onnxquant/status.h"

#include <stddef.h>

static const struct {
  const char *name, *text;
} statuses[] = {
#define OQ_X(name, value, text) [value] = {#name, text},
    OQ_STATUS_MAP(OQ_X)
#undef OQ_X
};

static size_t row(oq_status s) {
  const size_t i = (size_t)s;

  return i < sizeof statuses / sizeof *statuses ? i : (size_t)OQ_E_INTERNAL;
}

const char *oq_status_name(oq_status s) { return statuses[row(s)].name; }

const char *oq_status_text(oq_status s) { return statuses[row(s)].text; }
