/* io/util.c - see util.h. */
#include "io/util.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- findings ----------------------------------------------------------- */

oq_status oq_io_fail(oq_io_error *err, oq_status status, const char *hint,
                     const char *format, ...) {
  va_list ap;

  if (err == NULL) return status;
  err->status = status;
  va_start(ap, format);
  (void)vsnprintf(err->text, sizeof err->text, format, ap);
  va_end(ap);
  (void)snprintf(err->hint, sizeof err->hint, "%s", hint != NULL ? hint : "");
  return status;
}

oq_status oq_io_fail_memory(oq_io_error *err) {
  return oq_io_fail(err, OQ_E_MEMORY, NULL, "out of memory");
}

void oq_io_error_place(oq_io_error *err, const char *place) {
  char old[sizeof err->text];

  if (err == NULL) return;
  memcpy(old, err->text, sizeof old);
  (void)snprintf(err->text, sizeof err->text, "%.200s: %.300s", place, old);
}

/* ---- memory ------------------------------------------------------------- */

typedef struct oq_io_chunk {
  struct oq_io_chunk *next;
  size_t used, size;
} oq_io_chunk;

#define CHUNK_BYTES ((size_t)16384)
#define CHUNK_ALIGN ((size_t)16)
#define CHUNK_HEAD \
  ((sizeof(oq_io_chunk) + CHUNK_ALIGN - 1) / CHUNK_ALIGN * CHUNK_ALIGN)

void *oq_io_pool_alloc(oq_io_pool *p, size_t size) {
  oq_io_chunk *c = p->chunks;

  if (size > SIZE_MAX / 2) return NULL;
  size = (size + CHUNK_ALIGN - 1) / CHUNK_ALIGN * CHUNK_ALIGN;
  if (c == NULL || c->size - c->used < size) {
    const size_t room = size > CHUNK_BYTES ? size : CHUNK_BYTES;
    c = calloc(1, CHUNK_HEAD + room);
    if (c == NULL) return NULL;
    c->size = room;
    c->next = p->chunks;
    p->chunks = c;
  }
  unsigned char *const at = (unsigned char *)c + CHUNK_HEAD + c->used;
  c->used += size;
  return at;
}

char *oq_io_pool_copy(oq_io_pool *p, const char *s, size_t n) {
  char *const out = n < SIZE_MAX ? oq_io_pool_alloc(p, n + 1) : NULL;

  if (out != NULL && n != 0) memcpy(out, s, n);
  return out; /* the pool is zeroed: terminated */
}

char *oq_io_pool_print(oq_io_pool *p, const char *format, ...) {
  va_list ap;

  va_start(ap, format);
  const int n = vsnprintf(NULL, 0, format, ap);
  va_end(ap);
  if (n < 0) return NULL;
  char *const out = oq_io_pool_alloc(p, (size_t)n + 1);
  if (out == NULL) return NULL;
  va_start(ap, format);
  (void)vsnprintf(out, (size_t)n + 1, format, ap);
  va_end(ap);
  return out;
}

void oq_io_pool_free(oq_io_pool *p) {
  while (p->chunks != NULL) {
    oq_io_chunk *const next = p->chunks->next;
    free(p->chunks);
    p->chunks = next;
  }
}

bool oq_io_mul(size_t *out, size_t a, size_t b) {
  if (b != 0 && a > SIZE_MAX / b) return false;
  *out = a * b;
  return true;
}

bool oq_io_add(size_t *out, size_t a, size_t b) {
  if (a > SIZE_MAX - b) return false;
  *out = a + b;
  return true;
}

bool oq_io_grow(void **items, size_t *room, size_t n, size_t size) {
  size_t want, bytes;

  if (n < *room) return true;
  want = *room < 16 ? 16 : *room * 2;
  if (want <= n || !oq_io_mul(&bytes, want, size)) return false;
  void *const p = realloc(*items, bytes);
  if (p == NULL) return false;
  *items = p;
  *room = want;
  return true;
}

bool oq_io_list_push(oq_io_list *l, const char *s) {
  void *items = l->item;

  if (s == NULL || !oq_io_grow(&items, &l->room, l->n, sizeof *l->item)) {
    return false;
  }
  l->item = items;
  l->item[l->n++] = s;
  return true;
}

static int compare_strings(const void *a, const void *b) {
  const char *const *const x = a;
  const char *const *const y = b;

  return strcmp(*x, *y);
}

void oq_io_list_sort(oq_io_list *l) {
  if (l->n > 1) qsort(l->item, l->n, sizeof *l->item, compare_strings);
}

void oq_io_list_free(oq_io_list *l) {
  free(l->item);
  *l = (oq_io_list){0};
}

void *oq_io_alloc_tensor(size_t size) {
  if (size > SIZE_MAX - 128) return NULL;
  return aligned_alloc(64, (size / 64 + 1) * 64);
}

/* ---- files -------------------------------------------------------------- */

static oq_status fail_errno(oq_io_error *err, const char *path,
                            const char *what) {
  /* glibc's strerror is thread-safe since 2.32; strerror_r has two types. */
  return oq_io_fail(err, OQ_E_IO, NULL, "%s: cannot be %s: %s", path, what,
                    strerror(errno));
}

static oq_status open_regular(int *out, uint64_t *size, const char *path,
                              oq_io_error *err) {
  struct stat st;
  /* O_NONBLOCK so that a named pipe does not hang the open. */
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

  if (fd < 0) return fail_errno(err, path, "opened");
  if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size < 0) {
    (void)close(fd);
    return oq_io_fail(err, OQ_E_IO, NULL, "%s: not a regular file", path);
  }
  *out = fd;
  *size = (uint64_t)st.st_size;
  return OQ_OK;
}

static oq_status read_fully(int fd, uint8_t *out, size_t size, uint64_t offset,
                            const char *path, oq_io_error *err) {
  size_t done = 0;

  while (done < size) {
    const ssize_t n =
        pread(fd, out + done, size - done, (off_t)(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno(err, path, "read");
    if (n == 0) {
      return oq_io_fail(err, OQ_E_DATA, NULL,
                        "%s: ends after %llu bytes, expected %llu", path,
                        (unsigned long long)(offset + done),
                        (unsigned long long)(offset + size));
    }
    done += (size_t)n;
  }
  return OQ_OK;
}

oq_status oq_io_slurp(uint8_t **out, size_t *size, const char *path,
                      uint64_t max, oq_io_error *err) {
  int fd;
  uint64_t n;

  OQ_IO_TRY(open_regular(&fd, &n, path, err));
  if (n > max || n > SIZE_MAX - 1) {
    (void)close(fd);
    return oq_io_fail(err, OQ_E_LIMIT, NULL,
                      "%s: has %llu bytes, the limit is %llu", path,
                      (unsigned long long)n, (unsigned long long)max);
  }
  uint8_t *const p = malloc((size_t)n + 1);
  oq_status s = p == NULL ? oq_io_fail_memory(err)
                          : read_fully(fd, p, (size_t)n, 0, path, err);
  (void)close(fd);
  if (s != OQ_OK) {
    free(p);
    return s;
  }
  p[n] = 0; /* text files become strings */
  *out = p;
  *size = (size_t)n;
  return OQ_OK;
}

oq_status oq_io_read_at(void *out, const char *path, uint64_t offset,
                        size_t size, oq_io_error *err) {
  int fd;
  uint64_t n;

  OQ_IO_TRY(open_regular(&fd, &n, path, err));
  const oq_status s = read_fully(fd, out, size, offset, path, err);
  (void)close(fd);
  return s;
}

oq_status oq_io_read_head(void *out, size_t *got, uint64_t *file_size,
                          const char *path, size_t size, oq_io_error *err) {
  int fd;
  uint64_t n;

  OQ_IO_TRY(open_regular(&fd, &n, path, err));
  const size_t want = n < size ? (size_t)n : size;
  const oq_status s = read_fully(fd, out, want, 0, path, err);
  (void)close(fd);
  if (s != OQ_OK) return s;
  *got = want;
  *file_size = n;
  return OQ_OK;
}

bool oq_io_is_dir(const char *path) {
  struct stat st;

  return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool oq_io_exists(const char *path) {
  struct stat st;

  return stat(path, &st) == 0;
}

bool oq_io_has_suffix(const char *path, const char *suffix) {
  const size_t n = strlen(path), k = strlen(suffix);

  return n > k && strcasecmp(path + n - k, suffix) == 0;
}

const char *oq_io_base_name(const char *path) {
  const char *const slash = strrchr(path, '/');

  return slash != NULL ? slash + 1 : path;
}

/* ---- text --------------------------------------------------------------- */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool oq_io_parse_i64(int64_t *out, const char *text, size_t n) {
  const bool negative = n > 0 && text[0] == '-';
  size_t i = n > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  uint64_t v = 0;

  if (i == n) return false;
  for (; i < n; i++) {
    if (!is_digit(text[i])) return false;
    const uint64_t digit = (uint64_t)(text[i] - '0');
    if (v > ((uint64_t)INT64_MAX - digit) / 10) return false;
    v = v * 10 + digit;
  }
  *out = negative ? -(int64_t)v : (int64_t)v;
  return true;
}

/* 10^0 .. 10^22 are exact in a double, so numbers with few digits come out
 * correctly rounded; others are off by one last bit at most. */
static double scale10(double v, int e) {
  while (e > 22) {
    v *= 1e22;
    e -= 22;
  }
  while (e < -22) {
    v /= 1e22;
    e += 22;
  }
  double p = 1;
  for (int i = 0; i < (e < 0 ? -e : e); i++) p *= 10;
  return e < 0 ? v / p : v * p;
}

typedef struct decimal {
  uint64_t digits;
  int exponent, n_digits;
} decimal;

static void take_digit(decimal *d, char c, bool fraction) {
  if (d->digits > (UINT64_MAX - 9) / 10) { /* beyond what a double can tell */
    if (!fraction) d->exponent++;
  } else {
    d->digits = d->digits * 10 + (uint64_t)(c - '0');
    if (fraction) d->exponent--;
  }
  d->n_digits++;
}

bool oq_io_parse_f64(double *out, const char *text, size_t n) {
  const bool negative = n > 0 && text[0] == '-';
  size_t i = n > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  decimal d = {0, 0, 0};

  if (n > 4096) return false;
  for (; i < n && is_digit(text[i]); i++) take_digit(&d, text[i], false);
  if (i < n && text[i] == '.') {
    for (i++; i < n && is_digit(text[i]); i++) take_digit(&d, text[i], true);
  }
  if (d.n_digits == 0) return false;
  if (i < n && (text[i] == 'e' || text[i] == 'E')) {
    int64_t e;
    if (!oq_io_parse_i64(&e, text + i + 1, n - i - 1)) return false;
    if (e < -400 || e > 400) return false;
    d.exponent += (int)e;
    i = n;
  }
  if (i != n) return false;
  const double v = scale10((double)d.digits, d.exponent);
  if (!isfinite(v)) return false;
  *out = negative ? -v : v;
  return true;
}

void oq_io_print_f64(char *out, size_t size, double v) {
  (void)snprintf(out, size, "%.9g", v);
  for (char *p = out; *p != 0; p++) {
    if (*p == ',') *p = '.'; /* a program may have set a locale */
  }
}

/* Appends as much as fits. */
static void append(char *out, size_t size, const char *text) {
  const size_t used = strlen(out);

  if (used + 1 < size) (void)snprintf(out + used, size - used, "%s", text);
}

void oq_io_print_shape(char *out, size_t size, int32_t dtype,
                       const int64_t *dim, uint32_t rank) {
  char text[32];

  out[0] = 0;
  append(out, size, oq_dtype_text(dtype));
  append(out, size, "[");
  for (uint32_t i = 0; i < rank; i++) {
    (void)snprintf(text, sizeof text, "%s%lld", i != 0 ? "," : "",
                   (long long)dim[i]);
    append(out, size, text);
  }
  append(out, size, "]");
}

void oq_io_print_input(char *out, size_t size, const oq_value_info *v) {
  char text[32];

  out[0] = 0;
  append(out, size, oq_dtype_text(v->dtype));
  append(out, size, "[");
  for (uint32_t i = 0; v->has_rank && i < v->rank; i++) {
    if (i != 0) append(out, size, ",");
    if (v->dim[i].size >= 0) {
      (void)snprintf(text, sizeof text, "%lld", (long long)v->dim[i].size);
      append(out, size, text);
    } else {
      append(out, size, v->dim[i].symbol != NULL ? v->dim[i].symbol : "?");
    }
  }
  append(out, size, v->has_rank ? "]" : "...]");
}

/* ---- identity ----------------------------------------------------------- */

uint64_t oq_io_mix(uint64_t x) { /* the finaliser of SplitMix64 */
  x ^= x >> 30;
  x *= UINT64_C(0xbf58476d1ce4e5b9);
  x ^= x >> 27;
  x *= UINT64_C(0x94d049bb133111eb);
  x ^= x >> 31;
  return x;
}

static uint64_t load_whole(const uint8_t *p) { /* one load on most CPUs */
  return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 |
         (uint64_t)p[3] << 24 | (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 |
         (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56;
}

static uint64_t load_rest(const uint8_t *p, size_t n) {
  uint64_t v = 0;

  for (size_t i = 0; i < n; i++) v |= (uint64_t)p[i] << (8 * i);
  return v;
}

uint64_t oq_io_hash(uint64_t seed, const void *data, size_t n) {
  const uint64_t k = UINT64_C(0x9e3779b97f4a7c15);
  const uint8_t *p = data;
  uint64_t h = oq_io_mix(seed ^ ((uint64_t)n * k));
  size_t left = n;

  for (; left >= 8; left -= 8, p += 8) {
    h = (h ^ load_whole(p)) * k;
    h ^= h >> 29;
  }
  if (left != 0) h = (h ^ load_rest(p, left)) * k;
  return oq_io_mix(h);
}
