/* io/util.h - small things the I/O layer shares: findings, a string pool,
 * whole files, numbers in text, a stable hash. */
#ifndef IO_UTIL_H
#define IO_UTIL_H

#include "io/io.h"

#if defined(__GNUC__)
#define OQ_IO_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#else
#define OQ_IO_PRINTF(fmt, first)
#endif

#define OQ_IO_TRY(expr)                           \
  do {                                            \
    const oq_status try_status_ = (expr);         \
    if (try_status_ != OQ_OK) return try_status_; \
  } while (0)

/* Records a finding and returns `status`.  `hint` and `err` may be NULL. */
oq_status oq_io_fail(oq_io_error *err, oq_status status, const char *hint,
                     const char *format, ...) OQ_IO_PRINTF(4, 5);
oq_status oq_io_fail_memory(oq_io_error *err);
/* Puts "place: " in front of a finding that was made without it. */
void oq_io_error_place(oq_io_error *err, const char *place);

/* ---- memory ------------------------------------------------------------- */

/* Strings and records that die together.  Zero-initialised is empty. */
typedef struct oq_io_pool {
  struct oq_io_chunk *chunks;
} oq_io_pool;
/* Zeroed, aligned for anything; NULL when memory is out. */
void *oq_io_pool_alloc(oq_io_pool *p, size_t size);
char *oq_io_pool_copy(oq_io_pool *p, const char *s, size_t n);
char *oq_io_pool_print(oq_io_pool *p, const char *format, ...)
    OQ_IO_PRINTF(2, 3);
void oq_io_pool_free(oq_io_pool *p);

/* A growing array of pointers. */
typedef struct oq_io_list {
  const char **item;
  size_t n, room;
} oq_io_list;
bool oq_io_list_push(oq_io_list *l, const char *s);
void oq_io_list_sort(oq_io_list *l); /* bytewise */
void oq_io_list_free(oq_io_list *l);

bool oq_io_mul(size_t *out, size_t a, size_t b);
bool oq_io_add(size_t *out, size_t a, size_t b);
/* Room for one more of `size` bytes in *items; false when memory is out. */
bool oq_io_grow(void **items, size_t *room, size_t n, size_t size);
/* 64-byte aligned and padded; free() releases it. */
void *oq_io_alloc_tensor(size_t size);

/* ---- files -------------------------------------------------------------- */

/* The whole of a regular file; free() releases it. */
oq_status oq_io_slurp(uint8_t **out, size_t *size, const char *path,
                      uint64_t max, oq_io_error *err);
/* `size` bytes at `offset`; fewer are an error. */
oq_status oq_io_read_at(void *out, const char *path, uint64_t offset,
                        size_t size, oq_io_error *err);
/* At most `size` first bytes, and the size of the file. */
oq_status oq_io_read_head(void *out, size_t *got, uint64_t *file_size,
                          const char *path, size_t size, oq_io_error *err);
bool oq_io_is_dir(const char *path);
bool oq_io_exists(const char *path);
/* ".jpg"; case does not matter; never NULL. */
bool oq_io_has_suffix(const char *path, const char *suffix);
const char *oq_io_base_name(const char *path);

/* ---- text --------------------------------------------------------------- */

/* The whole of text[0..n) must be the number.  Locale-free. */
bool oq_io_parse_i64(int64_t *out, const char *text, size_t n);
bool oq_io_parse_f64(double *out, const char *text, size_t n);
/* Nine significant digits with a point. */
void oq_io_print_f64(char *out, size_t size, double v);
/* "float32[1,3,?,seq]" */
void oq_io_print_input(char *out, size_t size, const oq_value_info *v);
void oq_io_print_shape(char *out, size_t size, int32_t dtype,
                       const int64_t *dim, uint32_t rank);

/* ---- identity ----------------------------------------------------------- */

/* Stable across machines and releases. */
uint64_t oq_io_hash(uint64_t seed, const void *p, size_t n);
uint64_t oq_io_mix(uint64_t x);

#endif
