/* base/arena.c - two stacks of blocks: chunks that small objects share, and
 * blocks of one big object each.  A mark is the height of both. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

#if defined(__SANITIZE_ADDRESS__)
#define OQ_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define OQ_ASAN 1
#endif
#endif

#ifdef OQ_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n) ASAN_POISON_MEMORY_REGION((p), (n))
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#define RED_ZONE 16 /* so that running past an object is seen */
#else
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#define RED_ZONE 0
#endif

#define MIN_ALIGN 8 /* of every object; ASan poisons in units of 8 */
#define FIRST_CHUNK ((size_t)4096)
#define LAST_CHUNK ((size_t)1 << 20)
#define BIG ((size_t)1 << 17) /* from here on an object has its own block */

typedef struct block {
  struct block *below;
  size_t size; /* of the allocation, header included */
  size_t used; /* of the bytes behind the header */
} block;

#define HEADER ((size_t)OQ_ALIGN)
_Static_assert(sizeof(block) <= OQ_ALIGN, "objects start at a multiple of it");

struct oq_arena {
  oq_alloc *alloc;
  size_t limit;
  size_t bytes; /* in use: sum of `used` */
  size_t next;  /* size of the next chunk */
  block *chunk, *big;
  block *spare; /* a chunk given back by a rewind, so that loops stay cheap */
};

static uint8_t *data_of(block *b) { return (uint8_t *)b + HEADER; }

static block *block_new(oq_arena *a, size_t size) {
  block *b = (block *)oq_alloc_get(a->alloc, size, OQ_ALIGN);

  if (b == NULL) return NULL;
  *b = (block){NULL, size, 0};
  POISON(data_of(b), size - HEADER);
  return b;
}

static void block_free(oq_arena *a, block *b) {
  if (b == NULL) return;
  UNPOISON(b, b->size);
  oq_alloc_put(a->alloc, b, b->size);
}

oq_status oq_arena_create(oq_arena **out, oq_alloc *alloc, size_t limit) {
  oq_arena *a = (oq_arena *)oq_alloc_get(alloc, sizeof *a, _Alignof(oq_arena));

  if (a == NULL) return OQ_E_MEMORY;
  *a = (oq_arena){.alloc = alloc, .limit = limit, .next = FIRST_CHUNK};
  *out = a;
  return OQ_OK;
}

void oq_arena_destroy(oq_arena *a) {
  if (a == NULL) return;
  oq_arena_rewind(a, (oq_mark){NULL, 0, NULL});
  block_free(a, a->spare);
  oq_alloc_put(a->alloc, a, sizeof *a);
}

/* Bytes to skip so that the next object of `b` is aligned. */
static size_t padding(block *b, size_t align) {
  const uintptr_t at = (uintptr_t)(data_of(b) + b->used);

  return (size_t)((align - at % align) % align);
}

static bool fits(block *b, size_t size, size_t align) {
  const size_t room = b->size - HEADER - b->used;
  const size_t pad = padding(b, align);

  return pad <= room && size <= room - pad;
}

/* Puts a chunk with room for `size` on top. */
static bool push_chunk(oq_arena *a, size_t size, size_t align) {
  block *b = a->spare;

  if (b != NULL && fits(b, size, align)) {
    a->spare = NULL;
  } else {
    while (a->next < HEADER + size + align) a->next *= 2;
    b = block_new(a, a->next);
    if (b == NULL) return false;
    if (a->next < LAST_CHUNK) a->next *= 2;
  }
  b->below = a->chunk;
  a->chunk = b;
  return true;
}

static bool push_big(oq_arena *a, size_t size, size_t align) {
  size_t whole;

  if (!oq_add_size(&whole, size, HEADER + align)) return false;
  block *b = block_new(a, whole);
  if (b == NULL) return false;
  b->below = a->big;
  a->big = b;
  return true;
}

static void *take(oq_arena *a, block *b, size_t size, size_t align) {
  const size_t pad = padding(b, align);
  uint8_t *p = data_of(b) + b->used + pad;

  b->used += pad + size;
  a->bytes += pad + size;
  UNPOISON(p, size - RED_ZONE);
  return p;
}

void *oq_arena_alloc_raw(oq_arena *a, size_t n, size_t size, size_t align) {
  size_t total, sum;

  if (align < MIN_ALIGN) align = MIN_ALIGN;
  if (!oq_mul_size(&total, n, size)) return NULL;
  if (total == 0) total = 1;
  if (!oq_add_size(&total, total, RED_ZONE)) return NULL;
  if (!oq_add_size(&sum, a->bytes, total) ||
      !oq_add_size(&sum, sum, align - 1)) {
    return NULL;
  }
  if (a->limit != 0 && a->bytes + total > a->limit) return NULL;

  if (total >= BIG || align > BIG) {
    return push_big(a, total, align) ? take(a, a->big, total, align) : NULL;
  }
  if ((a->chunk == NULL || !fits(a->chunk, total, align)) &&
      !push_chunk(a, total, align)) {
    return NULL;
  }
  return take(a, a->chunk, total, align);
}

void *oq_arena_alloc(oq_arena *a, size_t n, size_t size, size_t align) {
  void *p = oq_arena_alloc_raw(a, n, size, align);

  if (p != NULL) memset(p, 0, n * size != 0 ? n * size : 1);
  return p;
}

char *oq_arena_copy_text(oq_arena *a, const char *p, size_t n) {
  if (n == SIZE_MAX) return NULL;

  char *copy = (char *)oq_arena_alloc_raw(a, n + 1, 1, 1);
  if (copy == NULL) return NULL;
  if (n != 0) memcpy(copy, p, n);
  copy[n] = '\0';
  return copy;
}

void *oq_arena_copy(oq_arena *a, const void *p, size_t size, size_t align) {
  void *copy = oq_arena_alloc_raw(a, size, 1, align);

  if (copy != NULL && size != 0) memcpy(copy, p, size);
  return copy;
}

char *oq_arena_format(oq_arena *a, const char *fmt, ...) {
  va_list args, again;
  char *text = NULL;

  va_start(args, fmt);
  va_copy(again, args);
  const int n = vsnprintf(NULL, 0, fmt, args);
  if (n >= 0) text = (char *)oq_arena_alloc_raw(a, (size_t)n + 1, 1, 1);
  if (text != NULL) (void)vsnprintf(text, (size_t)n + 1, fmt, again);
  va_end(again);
  va_end(args);
  return text;
}

oq_mark oq_arena_mark(const oq_arena *a) {
  return (oq_mark){a->chunk, a->chunk != NULL ? a->chunk->used : 0, a->big};
}

/* Keeps the larger of `b` and the spare chunk. */
static void retire(oq_arena *a, block *b) {
  a->bytes -= b->used;
  b->used = 0;
  POISON(data_of(b), b->size - HEADER);
  if (a->spare != NULL && a->spare->size >= b->size) {
    block_free(a, b);
    return;
  }
  block_free(a, a->spare);
  a->spare = b;
}

void oq_arena_rewind(oq_arena *a, oq_mark m) {
  while (a->big != m.big) {
    block *b = a->big;
    a->big = b->below;
    a->bytes -= b->used;
    block_free(a, b);
  }
  while (a->chunk != m.chunk) {
    block *b = a->chunk;
    a->chunk = b->below;
    retire(a, b);
  }
  if (a->chunk != NULL) {
    a->bytes -= a->chunk->used - m.used;
    a->chunk->used = m.used;
    POISON(data_of(a->chunk) + m.used, a->chunk->size - HEADER - m.used);
  }
}

size_t oq_arena_bytes(const oq_arena *a) { return a->bytes; }
