#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pipe2, SOCK_CLOEXEC, environ */
#endif
#include "runtime/ort_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static int64_t now_ms(void) {
  struct timespec t;

  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void pause_ms(int ms) { poll(NULL, 0, ms); }

static void shut(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

/* ---- what it prints ----------------------------------------------------- */
static void log_add(oq_ort_log *log, const char *p, size_t n) {
  size_t k = sizeof log->head - log->n_head;

  if (k > n) k = n;
  memcpy(log->head + log->n_head, p, k);
  log->n_head += k;
  for (size_t i = k; i < n; i++)
    log->tail[log->n_tail++ % sizeof log->tail] = p[i];
}

static void log_show(const oq_ort_log *log, char *room, size_t size) {
  const size_t ring = sizeof log->tail;
  char flat[sizeof log->head + sizeof log->tail + 64];
  size_t n = log->n_head;
  uint64_t from = 0;

  memcpy(flat, log->head, n);
  if (log->n_tail > ring) {
    from = log->n_tail - ring;
    n += (size_t)snprintf(flat + n, 64, "\n[... %llu bytes left out ...]\n",
                          (unsigned long long)from);
  }
  for (; from < log->n_tail; from++) flat[n++] = log->tail[from % ring];
  oq_rt_printable(room, size, flat, n, 1);
}

/* Takes what is there, but never more than a flood would allow. */
static void drain(oq_ort_child *c) {
  char block[16384];

  for (int i = 0; i < 8 && c->pipe >= 0; i++) {
    const ssize_t n = read(c->pipe, block, sizeof block);

    if (n > 0) {
      log_add(&c->log, block, (size_t)n);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
      shut(&c->pipe);
    } else {
      break;
    }
  }
}

/* ---- its end ------------------------------------------------------------ */
/* True once it is gone; `status` is -1 if nobody can tell how.  What it left
 * running in its process group goes while its id still belongs to it. */
static bool reap(oq_ort_child *c, int wait, int *status) {
  siginfo_t si = {0};
  pid_t r;

  while (waitid(P_PID, (id_t)c->pid, &si, WEXITED | WNOWAIT | wait) != 0) {
    if (errno == EINTR) continue;
    c->pid = 0; /* SIGCHLD is ignored, or somebody else took it */
    return true;
  }
  if (si.si_pid == 0) return false;
  kill(-c->pid, SIGKILL);
  do { r = waitpid(c->pid, status, 0); } while (r < 0 && errno == EINTR);
  if (r < 0) *status = -1;
  c->pid = 0;
  return true;
}

/* Gives it `ms` to end by itself, then kills it. */
static int finish(oq_ort_child *c, int64_t ms) {
  const int64_t until = now_ms() + ms;
  int status = -1;

  while (!reap(c, WNOHANG, &status)) {
    if (now_ms() >= until) {
      c->killed = true;
      kill(-c->pid, SIGKILL);
      kill(c->pid, SIGKILL);
      reap(c, 0, &status);
      break;
    }
    drain(c);
    pause_ms(1);
  }
  return status;
}

static void close_all(oq_ort_child *c) {
  drain(c);
  shut(&c->watch);
  shut(&c->socket);
  shut(&c->pipe);
}

static void keep_end(oq_ort_child *c) {
  log_show(&c->log, c->end.output, sizeof c->end.output);
}

static oq_status give_end(const oq_ort_child *c, oq_rt_error *err) {
  if (err != NULL) *err = c->end;
  return c->end.status;
}

static void describe_end(oq_ort_child *c, int status) {
  const char *hint = "";

  if (c->killed) {
    oq_rt_fail(&c->end, OQ_E_IO, "runtime.protocol",
               "the onnxruntime process closed its connection while %s",
               c->doing);
  } else if (status != -1 && WIFSIGNALED(status)) {
    const int sig = WTERMSIG(status);

    oq_rt_fail(&c->end, OQ_E_IO, "runtime.crash",
               "onnxruntime was ended by signal %d (%s) while %s", sig,
               strsignal(sig), c->doing);
    if (sig == SIGKILL) hint = "the machine may have run out of memory";
  } else if (status != -1) {
    oq_rt_fail(&c->end, OQ_E_IO, "runtime.crash",
               "onnxruntime ended with exit status %d while %s",
               WEXITSTATUS(status), c->doing);
  } else {
    oq_rt_fail(&c->end, OQ_E_IO, "runtime.crash", "onnxruntime ended while %s",
               c->doing);
  }
  oq_rt_set_hint(&c->end, hint);
}

/* Its socket is closed: it has ended, or is about to. */
static oq_status report_end(oq_ort_child *c, oq_rt_error *err) {
  describe_end(c, finish(c, 2000));
  close_all(c);
  keep_end(c);
  return give_end(c, err);
}

/* Kills it for a reason already in c->end. */
static oq_status report_kill(oq_ort_child *c, oq_rt_error *err) {
  finish(c, 0);
  close_all(c);
  keep_end(c);
  return give_end(c, err);
}

oq_status oq_child_nonsense(oq_ort_child *c, const char *what,
                            oq_rt_error *err) {
  oq_rt_fail(&c->end, OQ_E_IO, "runtime.protocol",
             "the onnxruntime process answered nonsense (%s) while %s", what,
             c->doing);
  return report_kill(c, err);
}

static oq_status is_over(const oq_ort_child *c, oq_rt_error *err) {
  const oq_status status = c->end.status == OQ_OK ? OQ_E_STATE : c->end.status;

  return oq_rt_fail(err, status, "runtime.ended",
                    "onnxruntime is not running any more: %s", c->end.text);
}

/* ---- starting ----------------------------------------------------------- */
/* Away from 0..3, which the child's own descriptors will take. */
static int lift(int fd) {
  const int high = fcntl(fd, F_DUPFD_CLOEXEC, 10);
  const int e = errno;

  close(fd);
  errno = e;
  return high;
}

static bool same_variable(const char *a, const char *b) {
  const size_t n = (size_t)(strchr(b, '=') - b) + 1;

  return strncmp(a, b, n) == 0;
}

/* The environment of the child: ours and `extra`, which wins.  The strings are
 * borrowed. */
static char **make_environment(char *const extra[2]) {
  size_t n = 0, k = 0;
  char **env;

  while (environ != NULL && environ[n] != NULL) n++;
  env = calloc(n + 3, sizeof *env);
  if (env == NULL) return NULL;
  for (size_t i = 0; i < n; i++)
    if (!same_variable(environ[i], extra[0]) &&
        !same_variable(environ[i], extra[1]))
      env[k++] = environ[i];
  env[k++] = extra[0];
  env[k] = extra[1];
  return env;
}

/* 0 or an errno value. */
static int plan_files(posix_spawn_file_actions_t *fa, int socket, int output) {
  int e = posix_spawn_file_actions_addopen(fa, 0, "/dev/null", O_RDONLY, 0);

  if (e == 0) e = posix_spawn_file_actions_adddup2(fa, output, 1);
  if (e == 0) e = posix_spawn_file_actions_adddup2(fa, output, 2);
  if (e == 0) e = posix_spawn_file_actions_adddup2(fa, socket, OQ_FRAME_FD);
  return e;
}

/* A process group of its own: Ctrl-C is ours to handle, and what the child
 * starts can be killed with it. */
static int plan_signals(posix_spawnattr_t *at) {
  sigset_t none, all;
  int e;

  sigemptyset(&none);
  sigfillset(&all);
  e = posix_spawnattr_setflags(at, POSIX_SPAWN_SETPGROUP |
                                       POSIX_SPAWN_SETSIGMASK |
                                       POSIX_SPAWN_SETSIGDEF);
  if (e == 0) e = posix_spawnattr_setpgroup(at, 0);
  if (e == 0) e = posix_spawnattr_setsigmask(at, &none);
  if (e == 0) e = posix_spawnattr_setsigdefault(at, &all);
  return e;
}

static int spawn(pid_t *pid, const char *program, int socket, int output) {
  char name[] = OQ_RT_WORKER, self[] = "onnxquant", parent[32];
  char *argv[] = {self, name, parent, NULL};
  /* Telemetry has crashed at exit; an idle BLAS pool is of no use there. */
  char telemetry[] = "ORT_DISABLE_TELEMETRY=1";
  char blas[] = "OPENBLAS_NUM_THREADS=1";
  char *const extra[2] = {telemetry, blas};
  char **env = make_environment(extra);
  posix_spawn_file_actions_t fa;
  posix_spawnattr_t at;
  int e;

  if (env == NULL) return ENOMEM;
  snprintf(parent, sizeof parent, "%ld", (long)getpid());
  e = posix_spawn_file_actions_init(&fa);
  if (e == 0) {
    e = posix_spawnattr_init(&at);
    if (e == 0) {
      e = plan_files(&fa, socket, output);
      if (e == 0) e = plan_signals(&at);
      if (e == 0) e = posix_spawn(pid, program, &fa, &at, argv, env);
      posix_spawnattr_destroy(&at);
    }
    posix_spawn_file_actions_destroy(&fa);
  }
  free(env);
  return e;
}

/* Our ends go to *c, the child's to theirs[socket, pipe]. */
static int make_channels(oq_ort_child *c, int theirs[2]) {
  int pair[2], out[2];

  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
    return errno;
  c->socket = lift(pair[0]);
  theirs[0] = lift(pair[1]);
  if (c->socket < 0 || theirs[0] < 0) return errno;
  if (pipe2(out, O_CLOEXEC) != 0) return errno;
  c->pipe = lift(out[0]);
  theirs[1] = lift(out[1]);
  if (c->pipe < 0 || theirs[1] < 0) return errno;
  return fcntl(c->pipe, F_SETFL, O_NONBLOCK) == 0 ? 0 : errno;
}

/* Its socket alone does not tell of its end: what it has started may hold the
 * other side open. */
static int watch_process(pid_t pid) {
#ifdef SYS_pidfd_open
  return (int)syscall(SYS_pidfd_open, pid, 0u); /* close-on-exec by itself */
#else
  return -1;
#endif
}

oq_status oq_child_start(oq_ort_child *c, const char *program,
                         oq_rt_error *err) {
  const oq_ort_child keep = {.timeout_ms = c->timeout_ms,
                             .cancelled = c->cancelled,
                             .user = c->user,
                             .socket = -1,
                             .pipe = -1,
                             .watch = -1};
  int theirs[2] = {-1, -1};
  int e;

  if (program == NULL) program = "/proc/self/exe";
  *c = keep;
  oq_child_begin(c, "starting");
  e = make_channels(c, theirs);
  if (e == 0) e = spawn(&c->pid, program, theirs[0], theirs[1]);
  shut(&theirs[0]);
  shut(&theirs[1]);
  if (e == 0) {
    c->watch = watch_process(c->pid);
    return OQ_OK;
  }
  c->pid = 0;
  shut(&c->socket);
  shut(&c->pipe);
  return oq_rt_fail(err, e == ENOMEM ? OQ_E_MEMORY : OQ_E_IO, "runtime.start",
                    "the onnxruntime process '%s' cannot be started: %s",
                    program, strerror(e));
}

void oq_child_stop(oq_ort_child *c) {
  if (c->pid != 0) {
    shut(&c->socket); /* it leaves when it reads the end */
    finish(c, 500);
  }
  shut(&c->socket);
  shut(&c->pipe);
  shut(&c->watch);
}

/* ---- exchanging --------------------------------------------------------- */
static void wind_up(oq_ort_child *c) {
  c->deadline = c->timeout_ms > 0 && c->timeout_ms < INT64_MAX / 2
                    ? now_ms() + c->timeout_ms
                    : INT64_MAX;
}

void oq_child_begin(oq_ort_child *c, const char *format, ...) {
  char raw[sizeof c->doing];
  va_list ap;

  va_start(ap, format);
  if (vsnprintf(raw, sizeof raw, format, ap) < 0) raw[0] = '\0';
  va_end(ap);
  oq_rt_printable(c->doing, sizeof c->doing, raw, strlen(raw), 0);
  drain(c);
  c->log.n_head = 0;
  c->log.n_tail = 0;
  c->seq++;
  c->ticks = 0;
  wind_up(c);
}

static oq_status too_late(oq_ort_child *c, oq_rt_error *err) {
  oq_rt_fail(&c->end, OQ_E_LIMIT, "runtime.timeout",
             "onnxruntime gave no sign of life for %lld ms while %s; it was "
             "ended",
             (long long)c->timeout_ms, c->doing);
  return report_kill(c, err);
}

/* How long poll may sleep: up to the deadline, and short enough to notice a
 * request to stop, or the end of the child where nothing tells of it. */
static int patience(const oq_ort_child *c, int64_t now) {
  int64_t ms = c->cancelled != NULL ? 50 : 60000;

  if (c->watch < 0 && ms > 200) ms = 200;
  if (c->deadline - now < ms) ms = c->deadline - now;
  return (int)ms;
}

static bool has_ended(const oq_ort_child *c) {
  siginfo_t si = {0};

  return waitid(P_PID, (id_t)c->pid, &si, WEXITED | WNOWAIT | WNOHANG) != 0 ||
         si.si_pid != 0;
}

/* Waits until the socket is ready for `events`; takes in what is printed. */
static oq_status await(oq_ort_child *c, short events, oq_rt_error *err) {
  for (;;) {
    struct pollfd fds[3] = {
        {c->socket, events, 0}, {c->pipe, POLLIN, 0}, {c->watch, POLLIN, 0}};
    const int64_t now = now_ms();
    int n;

    if (c->cancelled != NULL && c->cancelled(c->user) != 0) {
      oq_rt_fail(&c->end, OQ_E_CANCELLED, "runtime.cancelled",
                 "stopped on request while %s", c->doing);
      return report_kill(c, err);
    }
    if (now >= c->deadline) return too_late(c, err);
    n = poll(fds, 3, patience(c, now));
    if (n < 0 && errno != EINTR) {
      oq_rt_fail(&c->end, OQ_E_IO, "runtime.crash",
                 "the onnxruntime process cannot be waited for: %s",
                 strerror(errno));
      return report_kill(c, err);
    }
    if (n < 0) continue;
    if (fds[1].revents != 0) drain(c);
    if (fds[0].revents != 0) return OQ_OK;
    if ((fds[2].revents != 0 || n == 0) && has_ended(c)) {
      fds[0].revents = 0; /* it may have answered just before */
      if (poll(fds, 1, 0) <= 0) return report_end(c, err);
      return OQ_OK;
    }
  }
}

/* One sendmsg; the descriptor rides on the first byte. */
static ssize_t push(int socket, const void *p, size_t n, int fd) {
  union {
    struct cmsghdr align;
    char room[CMSG_SPACE(sizeof(int))];
  } control;
  struct iovec part = {.iov_len = n};
  struct msghdr h = {.msg_iov = &part, .msg_iovlen = 1};

  memcpy(&part.iov_base, &p, sizeof p); /* sendmsg does not write to it */
  if (fd >= 0) {
    struct cmsghdr *cm;

    memset(&control, 0, sizeof control);
    h.msg_control = control.room;
    h.msg_controllen = sizeof control.room;
    cm = CMSG_FIRSTHDR(&h);
    cm->cmsg_level = SOL_SOCKET;
    cm->cmsg_type = SCM_RIGHTS;
    cm->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(cm), &fd, sizeof fd);
  }
  return sendmsg(socket, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static oq_status send_all(oq_ort_child *c, const void *p, size_t n, int fd,
                          oq_rt_error *err) {
  const uint8_t *at = p;

  while (n > 0) {
    const ssize_t k = push(c->socket, at, n, fd);

    if (k > 0) {
      at += k;
      n -= (size_t)k;
      fd = -1;
    } else if (k < 0 && errno == EAGAIN) {
      const oq_status s = await(c, POLLOUT, err);

      if (s != OQ_OK) return s;
    } else if (k < 0 && errno != EINTR) {
      return report_end(c, err);
    }
  }
  return OQ_OK;
}

oq_status oq_child_send(oq_ort_child *c, uint32_t type, const oq_msg *m, int fd,
                        oq_rt_error *err) {
  const oq_frame_head h = {OQ_FRAME_MAGIC, type, c->seq, 0, m->size};
  oq_status s;

  if (c->pid == 0) return is_over(c, err);
  if (m->failed) return oq_rt_no_memory(err);
  s = send_all(c, &h, sizeof h, fd, err);
  return s == OQ_OK ? send_all(c, m->data, m->size, -1, err) : s;
}

static oq_status receive_all(oq_ort_child *c, void *p, size_t n,
                             oq_rt_error *err) {
  uint8_t *at = p;

  while (n > 0) {
    const ssize_t k = recv(c->socket, at, n, MSG_DONTWAIT);

    if (k > 0) {
      at += k;
      n -= (size_t)k;
    } else if (k < 0 && errno == EAGAIN) {
      const oq_status s = await(c, POLLIN, err);

      if (s != OQ_OK) return s;
    } else if (k == 0 || errno != EINTR) {
      return report_end(c, err);
    }
  }
  return OQ_OK;
}

static oq_status receive_frame(oq_ort_child *c, uint32_t *type, oq_msg *m,
                               oq_rt_error *err) {
  oq_frame_head h = {0};
  oq_status s = receive_all(c, &h, sizeof h, err);

  if (s != OQ_OK) return s;
  if (h.magic != OQ_FRAME_MAGIC || h.zero != 0 || h.type < OQ_RES_OK ||
      h.type > OQ_RES_NEED)
    return oq_child_nonsense(c, "no frame", err);
  if (h.seq != c->seq) return oq_child_nonsense(c, "out of sequence", err);
  if (h.size > OQ_FRAME_MAX) return oq_child_nonsense(c, "frame size", err);
  if (!oq_msg_resize(m, (size_t)h.size)) {
    oq_rt_no_memory(&c->end);
    return report_kill(c, err);
  }
  s = receive_all(c, m->data, m->size, err);
  if (s == OQ_OK) *type = h.type;
  return s;
}

static oq_status take_error(oq_ort_child *c, const oq_msg *m,
                            oq_rt_error *err) {
  oq_cut cut = oq_cut_of(m);
  const uint32_t status = oq_cut_u32(&cut);
  const char *id = oq_cut_str(&cut);
  const char *text = oq_cut_str(&cut);

  if (!oq_cut_done(&cut) || status == OQ_OK || status > OQ_E_INTERNAL)
    return oq_child_nonsense(c, "error", err);
  oq_rt_fail(err, (oq_status)status, id, "%s", text);
  drain(c);
  if (err != NULL) log_show(&c->log, err->output, sizeof err->output);
  return (oq_status)status;
}

oq_status oq_child_receive(oq_ort_child *c, uint32_t *type, oq_msg *m,
                           oq_rt_error *err) {
  uint32_t got = 0;

  if (c->pid == 0) return is_over(c, err);
  do {
    const oq_status s = receive_frame(c, &got, m, err);

    if (s != OQ_OK) return s;
    if (got == OQ_RES_TICK) {
      if (c->ticks == 0) return oq_child_nonsense(c, "tick", err);
      c->ticks--;
      wind_up(c);
    }
  } while (got == OQ_RES_TICK);
  if (got == OQ_RES_ERROR) return take_error(c, m, err);
  *type = got;
  return OQ_OK;
}
