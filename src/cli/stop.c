/* stop.c - signals that end the program in good order. */
#define _POSIX_C_SOURCE 200809L
#include "cli/stop.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t came;

static void on_signal(int number) { came = number; }

/* What the parent told us to ignore (nohup, a shell's background) stays so. */
static void listen_for(int number) {
  struct sigaction old,
      a = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};

  (void)sigemptyset(&a.sa_mask);
  if (sigaction(number, NULL, &old) == 0 && old.sa_handler == SIG_IGN) return;
  (void)sigaction(number, &a, NULL);
}

void oq_stop_setup(void) {
  struct sigaction ignore = {.sa_handler = SIG_IGN};

  listen_for(SIGINT);
  listen_for(SIGTERM);
  listen_for(SIGHUP);
  /* A reader that goes away is an error of writing, not a signal. */
  (void)sigemptyset(&ignore.sa_mask);
  (void)sigaction(SIGPIPE, &ignore, NULL);
}

int oq_stop_signal(void) { return came; }
int oq_stop_asked(void *unused) {
  (void)unused;
  return came != 0;
}
