#include "support/temp.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

void temp_open(temp *t) {
  (void)snprintf(t->folder, sizeof t->folder, "%s", "/tmp/onnxquant-XXXXXX");
  assert_non_null(mkdtemp(t->folder));
}

const char *temp_path(temp *t, const char *name) {
  (void)snprintf(t->path, sizeof t->path, "%s/%.300s", t->folder, name);
  return t->path;
}

void temp_close(temp *t) {
  DIR *d = opendir(t->folder);
  const struct dirent *e;

  while (d != NULL && (e = readdir(d)) != NULL) {
    if (e->d_name[0] != '.') (void)unlink(temp_path(t, e->d_name));
  }
  if (d != NULL) (void)closedir(d);
  (void)rmdir(t->folder);
}

void temp_write(temp *t, const char *name, const void *p, size_t n) {
  FILE *f = fopen(temp_path(t, name), "wb");

  assert_non_null(f);
  assert_int_equal(fwrite(p, 1, n, f), n);
  assert_int_equal(fclose(f), 0);
}

void *temp_read(temp *t, const char *name, size_t *n) {
  FILE *f = fopen(temp_path(t, name), "rb");
  char *p;

  if (f == NULL) return NULL;
  assert_int_equal(fseek(f, 0, SEEK_END), 0);
  *n = (size_t)ftell(f);
  rewind(f);
  p = malloc(*n + 1);
  assert_non_null(p);
  assert_int_equal(fread(p, 1, *n, f), *n);
  (void)fclose(f);
  return p;
}
