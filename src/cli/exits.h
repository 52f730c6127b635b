/* cli/exits.h - exit statuses of the program. */
#ifndef CLI_EXITS_H
#define CLI_EXITS_H

#include "onnxquant/status.h"

enum {
  OQ_EXIT_DONE = 0,
  OQ_EXIT_NO = 1,      /* a check said no */
  OQ_EXIT_USAGE = 2,   /* the words of the user */
  OQ_EXIT_INPUT = 3,   /* model or data not valid or not supported */
  OQ_EXIT_SYSTEM = 4,  /* cannot read or write, memory, limits of the machine */
  OQ_EXIT_RUNTIME = 5, /* onnxruntime needed and not found */
  OQ_EXIT_INTERNAL = 70,
  OQ_EXIT_SIGNAL = 128 /* plus the number of the signal */
};

/* `id` is the stable id of the finding, or NULL. */
int oq_exit_of(oq_status s, const char *id);

/* Passes a failure up; every function of this layer that can fail returns an
 * exit status. */
#define OQ_DO(expr)                            \
  do {                                         \
    const int oq_do_ = (expr);                 \
    if (oq_do_ != OQ_EXIT_DONE) return oq_do_; \
  } while (0)

#endif
