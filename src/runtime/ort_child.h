/* runtime/ort_child.h - the child process as seen by the program: start it,
 * exchange frames, notice its end.  Knows nothing of models. */
#ifndef OQ_RUNTIME_ORT_CHILD_H
#define OQ_RUNTIME_ORT_CHILD_H

#include <sys/types.h>

#include "runtime/ort_error.h"
#include "runtime/ort_frame.h"

/* The first and the last bytes of what the child prints. */
typedef struct oq_ort_log {
  char head[2048], tail[4096];
  size_t n_head;
  uint64_t n_tail; /* ever written to `tail`, a ring */
} oq_ort_log;

typedef struct oq_ort_child {
  pid_t pid;        /* 0 = not running */
  int socket, pipe; /* -1 = closed */
  int watch;        /* readable once it has ended; -1 = not to be had */
  uint32_t seq;
  int64_t timeout_ms; /* <= 0 = for ever */
  int64_t deadline;   /* CLOCK_MONOTONIC, ms; of the request under way */
  int (*cancelled)(void *user);
  void *user;
  uint64_t ticks;  /* signs of life that the request may still give */
  bool killed;     /* by us, not by itself */
  char doing[300]; /* "loading 'x.onnx'" */
  oq_ort_log log;
  oq_rt_error end; /* why it is not running any more */
} oq_ort_child;

/* Zero-initialises *c but for timeout_ms, cancelled and user, and starts
 * `program` (NULL = /proc/self/exe). */
oq_status oq_child_start(oq_ort_child *c, const char *program,
                         oq_rt_error *err);
/* Ends it, kindly at first; always leaves nothing behind. */
void oq_child_stop(oq_ort_child *c);

/* Begins a request: what to say if it goes wrong (printf-like). */
OQ_RT_PRINTF(2, 3)
void oq_child_begin(oq_ort_child *c, const char *format, ...);
/* Sends a frame of the request; `fd` goes with it unless it is -1. */
oq_status oq_child_send(oq_ort_child *c, uint32_t type, const oq_msg *m, int fd,
                        oq_rt_error *err);
/* Waits for OQ_RES_OK or OQ_RES_NEED; an OQ_RES_ERROR becomes `err`. */
oq_status oq_child_receive(oq_ort_child *c, uint32_t *type, oq_msg *m,
                           oq_rt_error *err);
/* The payload of an answer made no sense: ends the child. */
oq_status oq_child_nonsense(oq_ort_child *c, const char *what,
                            oq_rt_error *err);

#endif
