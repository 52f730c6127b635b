/* The child: set up, load the library, answer requests until the socket ends.
 * It may die at any point; nobody but the parent's error text notices. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dlinfo, close_range */
#endif
#include "runtime/ort_worker.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- dying with the parent ---------------------------------------------- */
static pid_t parent; /* set before the handler is installed */

/* PR_SET_PDEATHSIG fires when the *thread* that started us ends; only the end
 * of the process matters. */
static void parent_event(int sig) {
  (void)sig;
  if (getppid() != parent) _exit(0);
}

static void follow_parent(const char *pid) {
  struct sigaction sa = {.sa_handler = parent_event, .sa_flags = SA_RESTART};

  parent = (pid_t)strtol(pid, NULL, 10);
  sigemptyset(&sa.sa_mask);
  sigaction(SIGUSR2, &sa, NULL);
  prctl(PR_SET_PDEATHSIG, SIGUSR2, 0, 0, 0);
  if (getppid() != parent) _exit(0); /* it was faster */
}

/* ---- set up ------------------------------------------------------------- */
static void close_the_rest(void) {
#ifdef SYS_close_range
  if (syscall(SYS_close_range, (unsigned)OQ_FRAME_FD + 1, ~0u, 0u) == 0) return;
#endif
  for (int fd = OQ_FRAME_FD + 1; fd < 1024; fd++) close(fd);
}

/* A crash must end this process by its signal, without a core file and without
 * the handlers that a sanitizer has installed. */
static void plain_crashes(void) {
  static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
  const struct rlimit none = {0, 0};

  for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
    signal(signals[i], SIG_DFL);
  setrlimit(RLIMIT_CORE, &none);
}

/* ---- frames ------------------------------------------------------------- */
static bool send_all(const void *p, size_t n) {
  const uint8_t *at = p;

  while (n > 0) {
    const ssize_t k = send(OQ_FRAME_FD, at, n, MSG_NOSIGNAL);

    if (k < 0 && errno == EINTR) continue;
    if (k <= 0) return false;
    at += k;
    n -= (size_t)k;
  }
  return true;
}

/* Without the parent there is nothing left to do. */
static void send_frame(const oq_ort_worker *w, uint32_t type, const oq_msg *m) {
  const oq_frame_head h = {OQ_FRAME_MAGIC, type, w->seq, 0, m->size};

  if (!send_all(&h, sizeof h) || !send_all(m->data, m->size)) _exit(0);
}

static void receive_all(void *p, size_t n) {
  uint8_t *at = p;

  while (n > 0) {
    const ssize_t k = recv(OQ_FRAME_FD, at, n, 0);

    if (k < 0 && errno == EINTR) continue;
    if (k <= 0) _exit(0);
    at += k;
    n -= (size_t)k;
  }
}

/* The first bytes of a frame, and the descriptor that came with them or -1. */
static size_t receive_some(void *p, size_t n, int *fd) {
  union {
    struct cmsghdr align;
    char room[CMSG_SPACE(sizeof(int))];
  } control;
  struct iovec part = {p, n};
  struct msghdr h = {.msg_iov = &part, .msg_iovlen = 1};
  struct cmsghdr *cm;
  ssize_t k;

  do {
    h.msg_control = control.room;
    h.msg_controllen = sizeof control.room;
    k = recvmsg(OQ_FRAME_FD, &h, MSG_CMSG_CLOEXEC);
  } while (k < 0 && errno == EINTR);
  if (k <= 0) _exit(0);
  *fd = -1;
  cm = CMSG_FIRSTHDR(&h);
  if (cm != NULL && cm->cmsg_level == SOL_SOCKET &&
      cm->cmsg_type == SCM_RIGHTS && cm->cmsg_len == CMSG_LEN(sizeof(int)))
    memcpy(fd, CMSG_DATA(cm), sizeof *fd);
  return (size_t)k;
}

static void receive_frame(oq_ort_worker *w, int *fd) {
  oq_frame_head h;
  const size_t k = receive_some(&h, sizeof h, fd);

  receive_all((uint8_t *)&h + k, sizeof h - k);
  if (h.magic != OQ_FRAME_MAGIC || h.zero != 0 || h.size > OQ_FRAME_MAX ||
      !oq_msg_resize(&w->request, (size_t)h.size)) {
    fprintf(stderr, "onnxquant: unexpected request\n");
    _exit(3);
  }
  receive_all(w->request.data, w->request.size);
  w->type = h.type;
  w->seq = h.seq;
}

/* A region that cannot be mapped is dropped: what would use it then finds it
 * too small. */
static void take_region(oq_ort_worker *w, int fd) {
  oq_cut c = oq_cut_of(&w->request);
  const uint32_t which = oq_cut_u32(&c);
  const uint64_t size = oq_cut_u64(&c);
  oq_region *r = which == OQ_REGION_IN ? &w->in : &w->out;

  oq_region_drop(r);
  if (fd < 0) return;
  if (!oq_cut_done(&c) || which > OQ_REGION_OUT) {
    close(fd);
    return;
  }
  if (oq_region_adopt(r, fd, size) != 0) return;
  close(r->fd); /* the mapping is enough */
  r->fd = -1;
}

void oq_worker_tick(oq_ort_worker *w) {
  const oq_msg nothing = {0};

  send_frame(w, OQ_RES_TICK, &nothing);
}

bool oq_worker_need(oq_ort_worker *w, size_t size) {
  oq_msg m = {0};
  int fd = -1;

  if (size <= w->out.size) return true;
  oq_msg_u64(&m, size);
  if (m.failed) return oq_worker_no_memory(w);
  send_frame(w, OQ_RES_NEED, &m);
  oq_msg_free(&m);
  receive_frame(w, &fd);
  if (w->type == OQ_REQ_REGION) {
    take_region(w, fd);
  } else if (fd >= 0) {
    close(fd);
  }
  if (size <= w->out.size) return true;
  return oq_worker_fail(w, OQ_E_LIMIT, "runtime.limit",
                        "no room for %zu bytes of outputs", size);
}

/* ---- failing ------------------------------------------------------------ */
bool oq_worker_fail(oq_ort_worker *w, oq_status status, const char *id,
                    const char *format, ...) {
  char text[sizeof((oq_rt_error *)0)->text];
  va_list ap;

  va_start(ap, format);
  if (vsnprintf(text, sizeof text, format, ap) < 0) text[0] = '\0';
  va_end(ap);
  oq_msg_clear(&w->reply);
  oq_msg_u32(&w->reply, (uint32_t)status);
  oq_msg_str(&w->reply, id);
  oq_msg_str(&w->reply, text);
  return false;
}

bool oq_worker_no_memory(oq_ort_worker *w) {
  return oq_worker_fail(w, OQ_E_MEMORY, "runtime.memory",
                        "no memory in the onnxruntime process");
}

bool oq_worker_malformed(oq_ort_worker *w) {
  return oq_worker_fail(w, OQ_E_INTERNAL, "runtime.protocol",
                        "request %u is malformed", (unsigned)w->type);
}

static oq_status status_of(int code, bool running) {
  switch (code) {
    case ORT_NO_SUCH_FILE:
      return OQ_E_IO;
    case ORT_INVALID_PROTOBUF:
      return OQ_E_FORMAT;
    case ORT_NOT_IMPLEMENTED:
      return OQ_E_UNSUPPORTED;
    default: /* a loaded model fails on what it was fed */
      return running ? OQ_E_DATA : OQ_E_MODEL;
  }
}

bool oq_worker_ok(oq_ort_worker *w, ort_status *st, const char *id) {
  const bool running = strcmp(id, "runtime.run") == 0;

  if (st == NULL) return true;
  oq_worker_fail(w, status_of(w->api->error_code(st), running), id,
                 "onnxruntime: %s", w->api->error_message(st));
  w->api->release_status(st);
  return false;
}

/* ---- the library -------------------------------------------------------- */
static const oq_ort_base *find_entry(oq_ort_worker *w, void *library,
                                     const char *path) {
  void *symbol = dlsym(library, "OrtGetApiBase");
  const oq_ort_base *base;
  oq_ort_entry entry;

  _Static_assert(sizeof entry == sizeof symbol, "POSIX promises it");
  if (symbol == NULL) {
    oq_worker_fail(w, OQ_E_IO, "runtime.library",
                   "%s: no OrtGetApiBase in it, so it is not onnxruntime",
                   path);
    return NULL;
  }
  memcpy(&entry, &symbol, sizeof entry); /* C has no cast for this */
  base = entry();
  if (base == NULL)
    oq_worker_fail(w, OQ_E_IO, "runtime.library",
                   "%s: its OrtGetApiBase gives nothing", path);
  return base;
}

static bool start_library(oq_ort_worker *w, const oq_ort_base *base) {
  w->api = base->api(OQ_ORT_API_VERSION);
  if (w->api == NULL)
    return oq_worker_fail(w, OQ_E_IO, "runtime.library",
                          "onnxruntime %s does not offer version %d of its "
                          "interface",
                          base->version(), OQ_ORT_API_VERSION);
  /* 3: errors only */
  return oq_worker_ok(w, w->api->create_env(3, "onnxquant", &w->env),
                      "runtime.library") &&
         oq_worker_ok(w, w->api->cpu_memory(1, 0, &w->memory),
                      "runtime.library") &&
         oq_worker_ok(w, w->api->default_allocator(&w->allocator),
                      "runtime.library");
}

/* The file that was really loaded. */
static void put_path(oq_msg *m, void *library, const char *asked) {
  struct link_map *map = NULL;
  char *real;

  if (dlinfo(library, RTLD_DI_LINKMAP, &map) == 0 && map->l_name[0] != '\0')
    asked = map->l_name;
  real = realpath(asked, NULL);
  oq_msg_str(m, real != NULL ? real : asked);
  free(real);
}

static bool put_providers(oq_ort_worker *w) {
  char **names = NULL;
  int n = 0;

  if (!oq_worker_ok(w, w->api->providers(&names, &n), "runtime.library"))
    return false;
  oq_msg_u32(&w->reply, n > 0 ? (uint32_t)n : 0);
  for (int i = 0; i < n; i++) oq_msg_str(&w->reply, names[i]);
  return oq_worker_ok(w, w->api->release_providers(names, n),
                      "runtime.library");
}

static bool hello(oq_ort_worker *w, oq_cut *c) {
  const uint32_t version = oq_cut_u32(c);
  const char *path = oq_cut_str(c);
  const oq_ort_base *base;
  void *library;

  if (!oq_cut_done(c) || version != OQ_FRAME_VERSION || w->api != NULL)
    return oq_worker_malformed(w);
  library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL)
    return oq_worker_fail(w, OQ_E_IO, "runtime.library", "%s", dlerror());
  base = find_entry(w, library, path);
  if (base == NULL || !start_library(w, base)) return false;
  oq_msg_str(&w->reply, base->version());
  put_path(&w->reply, library, path);
  return put_providers(w);
}

/* ---- requests ----------------------------------------------------------- */
static bool handle(oq_ort_worker *w) {
  oq_cut c = oq_cut_of(&w->request);

  if (w->type == OQ_REQ_HELLO) return hello(w, &c);
  if (w->api == NULL) return oq_worker_malformed(w);
  switch (w->type) {
    case OQ_REQ_LOAD:
      return oq_worker_load(w, &c);
    case OQ_REQ_UNLOAD:
      return oq_worker_unload(w, &c);
    case OQ_REQ_RUN:
      return oq_worker_run(w, &c);
    case OQ_REQ_TIME:
      return oq_worker_time(w, &c);
    case OQ_REQ_CENSUS:
      return oq_worker_census(w, &c);
    default:
      return oq_worker_malformed(w);
  }
}

static void serve(oq_ort_worker *w) {
  for (;;) {
    bool good;
    int fd = -1;

    receive_frame(w, &fd);
    if (w->type == OQ_REQ_REGION) {
      take_region(w, fd);
      continue;
    }
    if (fd >= 0) close(fd);
    oq_msg_clear(&w->reply);
    good = handle(w);
    if (good && w->reply.failed) good = oq_worker_no_memory(w);
    if (w->reply.failed) _exit(4); /* not even memory for saying so */
    send_frame(w, good ? OQ_RES_OK : OQ_RES_ERROR, &w->reply);
  }
}

static bool is_socket(int fd) {
  int type = 0;
  socklen_t n = sizeof type;

  return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 &&
         type == SOCK_STREAM;
}

int oq_rt_worker_main(int argc, char **argv) {
  oq_ort_worker w = {.in = OQ_REGION_INIT, .out = OQ_REGION_INIT};

  if (argc != 3 || !is_socket(OQ_FRAME_FD)) {
    fprintf(stderr, "onnxquant: '%s' is started by onnxquant itself\n",
            OQ_RT_WORKER);
    return 2;
  }
  follow_parent(argv[2]);
  close_the_rest();
  plain_crashes();
  serve(&w); /* ends the process without the library's exit handlers */
  return 0;
}
