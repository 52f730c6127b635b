/* base/errno_text.c - strerror for threads. */
#undef _GNU_SOURCE /* glibc has two strerror_r; this asks for that of POSIX */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include "base/errno_text.h"

#include <stdio.h>
#include <string.h>

const char *oq_errno_text(char out[OQ_ERRNO_TEXT], int err) {
  if (strerror_r(err, out, OQ_ERRNO_TEXT) != 0) {
    (void)snprintf(out, OQ_ERRNO_TEXT, "error %d", err);
  }
  return out;
}
