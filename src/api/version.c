/* api/version.c - what this build is and what it runs on. */
#include "onnxquant/version.h"

#include <pthread.h>
#include <stdio.h>

#include "kern/kern.h"

const char *oq_version(void) { return ONNXQUANT_VERSION; }

static char info[512]; /* written once */

static void find_out(void) {
  (void)snprintf(info, sizeof info, "blas: OpenBLAS %s, cpu: %s",
                 oq_blas_core(), oq_cpu_text());
}

const char *oq_build_info(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;

  (void)pthread_once(&once, find_out);
  return info;
}
