/* io/npz.c - see npz.h. */
#include "io/npz.h"

#if OQ_IO_NPZ

#include <stdlib.h>
#include <string.h>
#include <zip.h>

/* Deflate cannot do better than 1032:1; more is a lie of the directory. */
#define MAX_RATIO 1040

typedef struct member {
  zip_uint64_t index;
  uint64_t size, packed;
  char *name;
} member;

struct oq_npz {
  zip_t *zip;
  oq_io_pool pool;
  member *members;
  size_t n, room;
};

static oq_status fail_zip(oq_io_error *err, int code) {
  zip_error_t e;

  zip_error_init_with_code(&e, code);
  const oq_status s =
      oq_io_fail(err, code == ZIP_ER_MEMORY ? OQ_E_MEMORY : OQ_E_DATA, NULL,
                 "damaged .npz: %s", zip_error_strerror(&e));
  zip_error_fini(&e);
  return s;
}

static oq_status add_member(oq_npz *z, zip_uint64_t index, oq_io_error *err) {
  zip_stat_t st;
  void *members = z->members;

  zip_stat_init(&st);
  if (zip_stat_index(z->zip, index, 0, &st) != 0 ||
      (st.valid & (ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE)) !=
          (ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE)) {
    return oq_io_fail(err, OQ_E_DATA, NULL, "damaged .npz: entry %llu",
                      (unsigned long long)index);
  }
  if (!oq_io_has_suffix(st.name, ".npy")) return OQ_OK;
  if ((st.valid & ZIP_STAT_ENCRYPTION_METHOD) != 0 &&
      st.encryption_method != ZIP_EM_NONE) {
    return oq_io_fail(err, OQ_E_UNSUPPORTED, NULL, "an encrypted .npz");
  }
  if (st.comp_size < st.size / MAX_RATIO) {
    return oq_io_fail(
        err, OQ_E_DATA, NULL, "damaged .npz: %llu bytes cannot hold %llu",
        (unsigned long long)st.comp_size, (unsigned long long)st.size);
  }
  char *const name = oq_io_pool_copy(&z->pool, st.name, strlen(st.name) - 4);
  if (name == NULL || !oq_io_grow(&members, &z->room, z->n, sizeof(member))) {
    return oq_io_fail_memory(err);
  }
  z->members = members;
  z->members[z->n++] = (member){index, st.size, st.comp_size, name};
  return OQ_OK;
}

static oq_status open_archive(oq_npz **out, zip_t *zip, oq_io_error *err) {
  oq_npz *const z = calloc(1, sizeof *z);

  if (z == NULL) {
    zip_discard(zip);
    return oq_io_fail_memory(err);
  }
  z->zip = zip;
  const zip_int64_t n = zip_get_num_entries(zip, 0);
  for (zip_int64_t i = 0; i < n; i++) {
    const oq_status s = add_member(z, (zip_uint64_t)i, err);
    if (s != OQ_OK) {
      oq_npz_close(z);
      return s;
    }
  }
  *out = z;
  return OQ_OK;
}

oq_status oq_npz_open_file(oq_npz **out, const char *path, oq_io_error *err) {
  int code = 0;
  zip_t *const zip = zip_open(path, ZIP_RDONLY | ZIP_CHECKCONS, &code);

  if (zip == NULL &&
      (code == ZIP_ER_OPEN || code == ZIP_ER_NOENT || code == ZIP_ER_READ)) {
    return oq_io_fail(err, OQ_E_IO, NULL, "cannot be read");
  }
  if (zip == NULL) return fail_zip(err, code);
  return open_archive(out, zip, err);
}

oq_status oq_npz_open_memory(oq_npz **out, const void *data, size_t size,
                             oq_io_error *err) {
  zip_error_t e;

  zip_error_init(&e);
  zip_source_t *const source = zip_source_buffer_create(data, size, 0, &e);
  if (source == NULL) return fail_zip(err, zip_error_code_zip(&e));
  zip_t *const zip =
      zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &e);
  if (zip == NULL) {
    zip_source_free(source);
    return fail_zip(err, zip_error_code_zip(&e));
  }
  return open_archive(out, zip, err);
}

void oq_npz_close(oq_npz *z) {
  if (z == NULL) return;
  zip_discard(z->zip);
  free(z->members);
  oq_io_pool_free(&z->pool);
  free(z);
}

size_t oq_npz_count(const oq_npz *z) { return z->n; }

const char *oq_npz_name(const oq_npz *z, size_t i) {
  return z->members[i].name;
}

size_t oq_npz_find(const oq_npz *z, const char *name) {
  for (size_t i = 0; i < z->n; i++) {
    if (strcmp(z->members[i].name, name) == 0) return i;
  }
  return SIZE_MAX;
}

static oq_status fail_member(oq_io_error *err, const char *name,
                             const char *what) {
  return oq_io_fail(err, OQ_E_DATA, NULL, "array '%s': damaged .npz: %s", name,
                    what);
}

/* As many bytes as there are, `size` at most. */
static bool read_some(zip_file_t *f, uint8_t *out, size_t size, size_t *got) {
  size_t n = 0;

  while (n < size) {
    const zip_int64_t k = zip_fread(f, out + n, size - n);
    if (k < 0) return false;
    if (k == 0) break;
    n += (size_t)k;
  }
  *got = n;
  return true;
}

/* The end must be reached for libzip to compare the checksum. */
static bool ends_here(zip_file_t *f) {
  uint8_t more;

  return zip_fread(f, &more, 1) == 0;
}

static void place_name(oq_io_error *err, const char *name) {
  char place[160];

  (void)snprintf(place, sizeof place, "array '%.140s'", name);
  oq_io_error_place(err, place);
}

static oq_status read_header(oq_npy *h, uint8_t *head, size_t *got,
                             const member *m, zip_file_t *f, uint64_t max_bytes,
                             oq_io_error *err) {
  if (!read_some(f, head, OQ_NPY_MAX_HEADER + 12, got)) {
    return fail_member(err, m->name, zip_file_strerror(f));
  }
  const oq_status s = oq_npy_parse(h, head, *got, m->size, max_bytes, err);
  if (s != OQ_OK) place_name(err, m->name);
  return s;
}

/* `head[0..got)` has been read already. */
static oq_status read_elements(void **out, const oq_npy *h, const member *m,
                               zip_file_t *f, const uint8_t *head, size_t got,
                               oq_io_error *err) {
  const size_t known = got - h->offset < h->size ? got - h->offset : h->size;
  size_t more = 0;
  uint8_t *const raw = oq_io_alloc_tensor(h->size);

  if (raw == NULL) return oq_io_fail_memory(err);
  if (known != 0) memcpy(raw, head + h->offset, known);
  if (!read_some(f, raw + known, h->size - known, &more) ||
      known + more != h->size ||
      (got <= h->offset + h->size && !ends_here(f))) {
    free(raw);
    return fail_member(err, m->name, "truncated or wrong checksum");
  }
  if (!h->fortran) {
    oq_npy_decode(raw, h, raw);
    *out = raw;
    return OQ_OK;
  }
  void *const rows = oq_io_alloc_tensor(h->size);
  if (rows != NULL) oq_npy_decode(rows, h, raw);
  free(raw);
  if (rows == NULL) return oq_io_fail_memory(err);
  *out = rows;
  return OQ_OK;
}

static oq_status read_member(oq_npy *h, void **out, const member *m,
                             zip_file_t *f, uint64_t max_bytes,
                             oq_io_error *err) {
  uint8_t *const head = malloc(OQ_NPY_MAX_HEADER + 12);
  size_t got = 0;

  if (head == NULL) return oq_io_fail_memory(err);
  oq_status s = read_header(h, head, &got, m, f, max_bytes, err);
  if (s == OQ_OK && out != NULL) {
    s = read_elements(out, h, m, f, head, got, err);
  }
  free(head);
  return s;
}

static oq_status open_member(oq_npy *h, void **out, oq_npz *z, size_t i,
                             uint64_t max_bytes, oq_io_error *err) {
  const member *const m = &z->members[i];
  zip_file_t *const f = zip_fopen_index(z->zip, m->index, 0);
  oq_npy found = {0};

  if (f == NULL) return fail_member(err, m->name, zip_strerror(z->zip));
  const oq_status s = read_member(&found, out, m, f, max_bytes, err);
  (void)zip_fclose(f);
  if (s == OQ_OK) *h = found;
  return s;
}

oq_status oq_npz_header(oq_npy *out, oq_npz *z, size_t i, uint64_t max_bytes,
                        oq_io_error *err) {
  return open_member(out, NULL, z, i, max_bytes, err);
}

oq_status oq_npz_load(oq_npy *h, void **out, oq_npz *z, size_t i,
                      uint64_t max_bytes, oq_io_error *err) {
  void *data = NULL;

  OQ_IO_TRY(open_member(h, &data, z, i, max_bytes, err));
  *out = data;
  return OQ_OK;
}

#else

static oq_status refuse(oq_io_error *err) {
  return oq_io_fail(err, OQ_E_UNSUPPORTED, "unpack it and use the .npy files",
                    "a .npz file, which this build does not read");
}
oq_status oq_npz_open_file(oq_npz **out, const char *path, oq_io_error *err) {
  (void)out;
  (void)path;
  return refuse(err);
}
oq_status oq_npz_open_memory(oq_npz **out, const void *data, size_t size,
                             oq_io_error *err) {
  (void)out;
  (void)data;
  (void)size;
  return refuse(err);
}
void oq_npz_close(oq_npz *z) { (void)z; }
size_t oq_npz_count(const oq_npz *z) {
  (void)z;
  return 0;
}
const char *oq_npz_name(const oq_npz *z, size_t i) {
  (void)z;
  (void)i;
  return "";
}
size_t oq_npz_find(const oq_npz *z, const char *name) {
  (void)z;
  (void)name;
  return SIZE_MAX;
}
oq_status oq_npz_header(oq_npy *out, oq_npz *z, size_t i, uint64_t max_bytes,
                        oq_io_error *err) {
  (void)out;
  (void)z;
  (void)i;
  (void)max_bytes;
  return refuse(err);
}
oq_status oq_npz_load(oq_npy *h, void **out, oq_npz *z, size_t i,
                      uint64_t max_bytes, oq_io_error *err) {
  (void)h;
  (void)out;
  return oq_npz_header(NULL, z, i, max_bytes, err);
}

#endif
