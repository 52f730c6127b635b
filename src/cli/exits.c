/* exits.c - how a status of the library becomes an exit status. */
#include "cli/exits.h"

#include <stddef.h>
#include <string.h>

/* Limits that the machine or the user set; all others are broken by a model. */
static int exit_of_limit(const char *id) {
  static const char *const machine[] = {"runtime.timeout", "runtime.limit"};

  for (size_t i = 0; id && i < sizeof machine / sizeof *machine; i++)
    if (strcmp(id, machine[i]) == 0) return OQ_EXIT_SYSTEM;
  return OQ_EXIT_INPUT;
}

int oq_exit_of(oq_status s, const char *id) {
  switch (s) {
    case OQ_OK:
      return OQ_EXIT_DONE;
    case OQ_E_ARGUMENT:
      return OQ_EXIT_USAGE;
    case OQ_E_FORMAT:
    case OQ_E_MODEL:
    case OQ_E_UNSUPPORTED:
    case OQ_E_DATA:
    case OQ_E_NUMERIC:
    case OQ_E_STATE:
      return OQ_EXIT_INPUT;
    case OQ_E_LIMIT:
      return exit_of_limit(id);
    case OQ_E_IO:
    case OQ_E_MEMORY:
      return OQ_EXIT_SYSTEM;
    case OQ_E_CANCELLED:
      return OQ_EXIT_SIGNAL; /* the caller knows the number */
    case OQ_E_INTERNAL:
      break;
  }
  return OQ_EXIT_INTERNAL;
}
