/* base/cores.c - affinity and cgroups.  A container with a quota of two cores
 * on a machine of 64 must not start 64 threads. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getaffinity */
#endif
#include "base/cores.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/text.h"

/* The start of a small file as text; false if there is none. */
static bool read_text(char *out, size_t cap, const char *path) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  size_t n = 0;

  if (fd < 0) return false;
  for (ssize_t got = 1; got > 0 && n<cap - 1; n += got> 0 ? (size_t)got : 0) {
    got = read(fd, out + n, cap - 1 - n);
  }
  (void)close(fd);
  out[n] = '\0';
  return true;
}

/* The number at *p, with the blank or line end behind it skipped. */
static bool take_number(const char **p, int64_t *v) {
  const size_t n = strcspn(*p, " \n");

  if (!oq_text_parse_i64(v, *p, n)) return false;
  *p += n + ((*p)[n] != '\0' ? 1 : 0);
  return true;
}

/* Rounded up: half a core more is of use, and one thread is the least. */
static uint32_t cut(uint32_t cores, int64_t quota, int64_t period) {
  if (quota <= 0 || period <= 0) return cores;
  const int64_t whole = quota / period + (quota % period != 0 ? 1 : 0);
  return whole < (int64_t)cores ? (uint32_t)whole : cores;
}

/* "max 100000" or "150000 100000" */
static uint32_t cut_v2(uint32_t cores, const char *folder) {
  char path[PATH_MAX], text[128];
  const char *p = text;
  int64_t quota, period;

  const int n = snprintf(path, sizeof path, "%s/cpu.max", folder);
  if (n < 0 || n >= (int)sizeof path) return cores;
  if (!read_text(text, sizeof text, path)) return cores;
  if (!take_number(&p, &quota) || !take_number(&p, &period)) return cores;
  return cut(cores, quota, period);
}

static bool read_number(int64_t *v, const char *folder, const char *name) {
  char path[PATH_MAX], text[128];
  const char *p = text;

  const int n = snprintf(path, sizeof path, "%s/%s", folder, name);
  if (n < 0 || n >= (int)sizeof path) return false;
  return read_text(text, sizeof text, path) && take_number(&p, v);
}

static uint32_t cut_v1(uint32_t cores, const char *folder) {
  int64_t quota, period;

  if (!read_number(&quota, folder, "cpu.cfs_quota_us")) return cores;
  if (!read_number(&period, folder, "cpu.cfs_period_us")) return cores;
  return cut(cores, quota, period);
}

/* Every group between ours and the root may hold a quota.  Inside a container
 * the path may be that of the host, which is not there: then only the root of
 * what is mounted counts. */
static uint32_t cut_along(uint32_t cores, const char *mount, const char *group,
                          uint32_t (*cut_at)(uint32_t, const char *)) {
  char folder[PATH_MAX];
  const int n = snprintf(folder, sizeof folder, "%s%s", mount, group);
  const size_t least = strlen(mount);

  if (n < 0 || n >= (int)sizeof folder) return cores;
  for (;;) {
    cores = cut_at(cores, folder);
    char *slash = strrchr(folder + least, '/');
    if (slash == NULL) return cores;
    *slash = '\0';
  }
}

/* Is `name` in the comma-separated list before `end`? */
static bool lists(const char *list, const char *end, const char *name) {
  const size_t n = strlen(name);

  while (list < end) {
    const char *comma = memchr(list, ',', (size_t)(end - list));
    const char *stop = comma != NULL ? comma : end;
    if ((size_t)(stop - list) == n && memcmp(list, name, n) == 0) return true;
    list = stop + 1;
  }
  return false;
}

/* A line "number:controllers:path" of /proc/self/cgroup. */
static uint32_t cut_by_line(const char *root, char *line, uint32_t cores) {
  char mount[PATH_MAX];
  const char *const list = strchr(line, ':');
  const char *const path = list != NULL ? strchr(list + 1, ':') : NULL;

  if (path == NULL) return cores;
  if (path == list + 1) {
    (void)snprintf(mount, sizeof mount, "%s/sys/fs/cgroup", root);
    return cut_along(cores, mount, path + 1, cut_v2);
  }
  if (!lists(list + 1, path, "cpu")) return cores;
  (void)snprintf(mount, sizeof mount, "%s/sys/fs/cgroup/cpu", root);
  return cut_along(cores, mount, path + 1, cut_v1);
}

uint32_t oq_cores_within_quota(const char *root, uint32_t cores) {
  char path[PATH_MAX], text[8192];
  char *line = text;

  (void)snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
  if (!read_text(text, sizeof text, path)) return cores;
  while (*line != '\0') {
    const size_t n = strcspn(line, "\n");
    const bool last = line[n] == '\0';
    line[n] = '\0';
    cores = cut_by_line(root, line, cores);
    line += last ? n : n + 1;
  }
  return cores;
}

static uint32_t cores_of_mask(void) {
  /* The kernel refuses masks smaller than its own; 8192 is its maximum. */
  unsigned long mask[8192 / (8 * sizeof(unsigned long))];
  uint32_t n = 0;

  memset(mask, 0, sizeof mask);
  if (sched_getaffinity(0, sizeof mask, (cpu_set_t *)(void *)mask) != 0) {
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (uint32_t)online : 1;
  }
  for (size_t i = 0; i < sizeof mask / sizeof *mask; i++) {
    n += (uint32_t)__builtin_popcountl(mask[i]);
  }
  return n != 0 ? n : 1;
}

uint32_t oq_cores_usable(void) {
  const uint32_t n = oq_cores_within_quota("", cores_of_mask());

  return n < OQ_MAX_THREADS ? n : OQ_MAX_THREADS;
}
