/* roundtrip FOLDER|FILE... - loads every *.onnx below and saves it to memory:
 * the bytes must be the same, or, where the file is not in canonical form, the
 * messages equal field by field; and a second trip must change nothing.
 * External tensors come back inside the model, so there only the second trip
 * is compared.  Exit code 1 if any model fails, 77 if there is none. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "onnx.pb-c.h"
#include "onnx/codec.h"

typedef struct counts {
  unsigned models, equal, fields, external, failed;
} counts;

typedef struct image {
  uint8_t *p;
  size_t n, cap;
} image;

static oq_status take(void *user, const void *p, size_t n) {
  image *m = (image *)user;

  if (m->n + n > m->cap) {
    const size_t cap = 2 * (m->n + n);
    uint8_t *bigger = (uint8_t *)realloc(m->p, cap);
    if (bigger == NULL) return OQ_E_MEMORY;
    m->p = bigger;
    m->cap = cap;
  }
  memcpy(m->p + m->n, p, n);
  m->n += n;
  return OQ_OK;
}

static oq_status write_image(image *out, const oq_model_ir *m,
                             const oq_env *e) {
  oq_sink *to = NULL;

  oq_status s = oq_sink_open_call(&to, take, out, e->alloc, e->diags);
  if (s != OQ_OK) return s;
  s = oq_onnx_encode(m, to, e);
  if (s == OQ_OK) s = oq_sink_commit(to);
  oq_sink_close(to);
  return s;
}

static oq_status trip(image *out, bool *external, oq_store *file,
                      const char *base_dir, const oq_env *e) {
  oq_model_ir *m = NULL;

  oq_status s = oq_onnx_decode(&m, file, base_dir, e);
  if (s != OQ_OK) return s;
  *external = m->n_stores > 1 && base_dir != NULL;
  s = write_image(out, m, e);
  oq_ir_destroy(m);
  return s;
}

/* Canonical bytes of a model as protobuf-c alone understands it. */
static bool canonical(image *out, const uint8_t *p, size_t n) {
  Oqpb__ModelProto *m = oqpb__model_proto__unpack(NULL, n, p);

  if (m == NULL) return false;
  out->n = oqpb__model_proto__get_packed_size(m);
  out->p = (uint8_t *)malloc(out->n + 1);
  if (out->p != NULL) oqpb__model_proto__pack(m, out->p);
  oqpb__model_proto__free_unpacked(m, NULL);
  return out->p != NULL;
}

static bool same(const uint8_t *a, size_t n, const uint8_t *b, size_t m) {
  return n == m && memcmp(a, b, n) == 0;
}

static bool equal_fields(const uint8_t *a, size_t n, const image *b) {
  image x = {0}, y = {0};
  const bool ok = canonical(&x, a, n) && canonical(&y, b->p, b->n) &&
                  same(x.p, x.n, y.p, y.n);

  free(x.p);
  free(y.p);
  return ok;
}

static bool is_fixed(const image *first, const oq_env *e) {
  oq_store *file = NULL;
  image second = {0};
  bool external;

  if (oq_store_wrap(&file, first->p, first->n, e->alloc) != OQ_OK) return false;
  const bool ok = trip(&second, &external, file, NULL, e) == OQ_OK &&
                  same(first->p, first->n, second.p, second.n);
  oq_store_unref(file);
  free(second.p);
  return ok;
}

static const char *compare(oq_store *file, const char *folder, counts *c,
                           const oq_env *e) {
  image out = {0};
  bool external = false;
  size_t n;
  const uint8_t *p = oq_store_data(file, &n);
  const char *wrong = NULL;

  if (trip(&out, &external, file, folder, e) != OQ_OK) {
    wrong = "not read or not written";
  } else if (external) {
    c->external++;
  } else if (same(p, n, out.p, out.n)) {
    c->equal++;
  } else if (equal_fields(p, n, &out)) {
    c->fields++;
  } else {
    wrong = "differs";
  }
  if (wrong == NULL && !is_fixed(&out, e)) wrong = "second trip differs";
  free(out.p);
  return wrong;
}

static void check_file(const char *path, counts *c, const oq_env *e) {
  oq_store *file = NULL;
  const char *slash = strrchr(path, '/');
  char *folder = strdup(path);
  const char *wrong = "cannot be opened";

  if (folder == NULL) abort();
  folder[slash != NULL ? slash - path : 0] = '\0';
  c->models++;
  if (oq_store_map(&file, path, INT32_MAX, e->alloc, e->diags) == OQ_OK) {
    wrong = compare(file, folder, c, e);
    oq_store_unref(file);
  }
  free(folder);
  if (wrong != NULL) {
    c->failed++;
    printf("%s: %s\n", path, wrong);
    for (size_t i = 0; i < oq_diags_count(e->diags); i++) {
      const oq_diag *d = oq_diags_at(e->diags, i);
      printf("  %s: %s\n", d->id, d->text);
    }
  }
  oq_diags_clear(e->diags);
}

static int keep_visible(const struct dirent *d) { return d->d_name[0] != '.'; }

static void check_path(const char *path, bool given, counts *c,
                       const oq_env *e) {
  struct dirent **list = NULL;
  struct stat st;

  if (stat(path, &st) != 0) {
    printf("%s: not there\n", path);
    return;
  }
  if (!S_ISDIR(st.st_mode)) {
    const size_t n = strlen(path);
    if (given || (n > 5 && strcmp(path + n - 5, ".onnx") == 0)) {
      check_file(path, c, e);
    }
    return;
  }
  const int n = scandir(path, &list, keep_visible, alphasort);
  for (int i = 0; i < n; i++) {
    char *below = NULL;
    if (asprintf(&below, "%s/%s", path, list[i]->d_name) < 0) abort();
    check_path(below, false, c, e);
    free(below);
    free(list[i]);
  }
  free(list);
}

int main(int argc, char **argv) {
  oq_alloc alloc;
  oq_env e = {.alloc = &alloc};
  oq_limits limits = {.max_nodes = OQ_MAX_NODES,
                      .max_tensor_bytes = OQ_MAX_TENSOR_BYTES,
                      .max_graph_depth = OQ_MAX_GRAPH_DEPTH};
  counts c = {0};

  oq_alloc_init(&alloc, NULL, 0);
  e.limits = &limits;
  if (oq_diags_create(&e.diags, &alloc) != OQ_OK ||
      oq_arena_create(&e.scratch, &alloc, 0) != OQ_OK) {
    return 2;
  }
  for (int i = 1; i < argc; i++) check_path(argv[i], true, &c, &e);
  oq_arena_destroy(e.scratch);
  oq_diags_destroy(e.diags);
  printf(
      "%u models: %u byte-equal, %u equal field by field, %u with external "
      "data, %u failed\n",
      c.models, c.equal, c.fields, c.external, c.failed);
  if (c.models == 0) return 77;
  return c.failed != 0;
}
