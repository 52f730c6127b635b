/* unit/io_support.h - files for the tests of the I/O layer: a folder that goes
 * away again, .npy bytes, pictures with known pixels. */
#ifndef TEST_IO_SUPPORT_H
#define TEST_IO_SUPPORT_H

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/io.h"

typedef struct folder {
  char path[256];
} folder;

static inline int remove_entry(const char *path, const struct stat *st,
                               int type, struct FTW *f) {
  (void)st;
  (void)type;
  (void)f;
  return remove(path);
}

/* Setup and teardown; *state is the folder. */
static inline int folder_make(void **state) {
  folder *const f = calloc(1, sizeof *f);
  const char *const base = getenv("TMPDIR");

  if (f == NULL) return -1;
  (void)snprintf(f->path, sizeof f->path, "%s/oq-io-XXXXXX",
                 base != NULL && strlen(base) < 200 ? base : "/tmp");
  if (mkdtemp(f->path) == NULL) {
    free(f);
    return -1;
  }
  *state = f;
  return 0;
}

static inline int folder_remove(void **state) {
  folder *const f = *state;
  const int r = nftw(f->path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);

  free(f);
  return r;
}

/* A ring of eight, so several can be used in one call. */
static inline const char *in(const folder *f, const char *name) {
  static char ring[8][600];
  static unsigned next;
  char *const out = ring[next++ % 8];

  (void)snprintf(out, sizeof ring[0], "%s/%s", f->path, name);
  return out;
}

static inline void put_folder(const folder *f, const char *name) {
  assert_int_equal(mkdir(in(f, name), 0777), 0);
}

static inline void put_file(const folder *f, const char *name, const void *p,
                            size_t n) {
  FILE *const file = fopen(in(f, name), "wb");

  assert_non_null(file);
  if (n != 0) assert_int_equal(fwrite(p, 1, n, file), n);
  assert_int_equal(fclose(file), 0);
}

static inline void put_text(const folder *f, const char *name,
                            const char *text) {
  put_file(f, name, text, strlen(text));
}

/* Version 1 .npy with this dictionary; returns its size. */
static inline size_t make_npy(uint8_t *out, const char *dictionary,
                              const void *data, size_t size) {
  const size_t n = strlen(dictionary);

  memcpy(out, "\x93NUMPY\x01\x00", 8);
  out[8] = (uint8_t)((n + 1) & 0xff);
  out[9] = (uint8_t)((n + 1) >> 8);
  memcpy(out + 10, dictionary, n);
  out[10 + n] = '\n';
  if (size != 0) memcpy(out + 11 + n, data, size);
  return 11 + n + size;
}

static inline size_t make_npy_f4(uint8_t *out, const char *shape,
                                 const float *data, size_t count) {
  char text[200];

  (void)snprintf(text, sizeof text,
                 "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }",
                 shape);
  return make_npy(out, text, data, count * sizeof *data);
}

static inline void put_npy_f4(const folder *f, const char *name,
                              const char *shape, const float *data,
                              size_t count) {
  uint8_t *const bytes = malloc(512 + count * sizeof *data);

  assert_non_null(bytes);
  put_file(f, name, bytes, make_npy_f4(bytes, shape, data, count));
  free(bytes);
}

/* Pixel (x, y) of every test picture. */
static inline void pixel(uint8_t rgb[3], unsigned x, unsigned y) {
  rgb[0] = (uint8_t)(x * 37 + y * 11);
  rgb[1] = (uint8_t)(x * 5 + y * 71 + 20);
  rgb[2] = (uint8_t)(x * y * 13 + 100);
}

static inline size_t make_ppm(uint8_t *out, unsigned w, unsigned h) {
  size_t n = (size_t)sprintf((char *)out, "P6\n%u %u\n255\n", w, h);

  for (unsigned y = 0; y < h; y++) {
    for (unsigned x = 0; x < w; x++, n += 3) pixel(out + n, x, y);
  }
  return n;
}

static inline void put_ppm(const folder *f, const char *name, unsigned w,
                           unsigned h) {
  uint8_t *const bytes = malloc(64 + (size_t)w * h * 3);

  assert_non_null(bytes);
  put_file(f, name, bytes, make_ppm(bytes, w, h));
  free(bytes);
}

/* An input of a model; sizes below 0 are dynamic. */
static inline oq_value_info input_of(const char *name, int32_t dtype,
                                     uint32_t rank, const int64_t *dim) {
  oq_value_info v = {.name = name, .dtype = dtype, .has_rank = 1, .rank = rank};

  for (uint32_t i = 0; i < rank; i++) v.dim[i].size = dim[i] < 0 ? -1 : dim[i];
  return v;
}

#define DIMS(...) ((const int64_t[]){__VA_ARGS__})

#endif
