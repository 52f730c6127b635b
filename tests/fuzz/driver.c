/* driver SEED... - runs a fuzz target without libFuzzer: every seed, every
 * beginning of it, and mutations of it, always the same ones. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUTATIONS 2000
#define MAX_PREFIXES 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t next_random(uint64_t *s) {
  *s ^= *s << 13;
  *s ^= *s >> 7;
  return *s ^= *s << 17;
}

/* In a block of exactly its size, so that a sanitizer sees every byte beyond.
 */
static void run(const uint8_t *p, size_t n) {
  uint8_t *exact = malloc(n != 0 ? n : 1);

  if (exact == NULL) abort();
  if (n != 0) memcpy(exact, p, n);
  (void)LLVMFuzzerTestOneInput(exact, n);
  free(exact);
}

static size_t mutate(uint8_t *p, size_t n, uint64_t *seed) {
  static const uint8_t special[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
  const size_t at = next_random(seed) % n;

  switch (next_random(seed) % 5) {
    case 0:
      p[at] ^= (uint8_t)(1u << next_random(seed) % 8);
      return n;
    case 1:
      p[at] = special[next_random(seed) % sizeof special];
      return n;
    case 2:
      p[at] = (uint8_t)next_random(seed);
      return n;
    case 3: /* a byte less */
      memmove(p + at, p + at + 1, n - at - 1);
      return n - 1;
    default: /* a piece from elsewhere */
      p[at] = p[next_random(seed) % n];
      return n;
  }
}

static void run_seed(const uint8_t *p, size_t n) {
  uint8_t *copy = malloc(n != 0 ? n : 1);
  uint64_t seed = 88172645463325252u;

  if (copy == NULL) abort();
  for (size_t k = 0; k < n && k < MAX_PREFIXES; k++) run(p, k);
  run(p, n);
  for (int i = 0; i < MUTATIONS && n != 0; i++) {
    size_t k = n;
    memcpy(copy, p, n);
    for (uint64_t times = 1 + next_random(&seed) % 4; times > 0 && k > 0;
         times--) {
      k = mutate(copy, k, &seed);
    }
    run(copy, k);
  }
  free(copy);
}

static int run_file(const char *path) {
  FILE *f = fopen(path, "rb");
  uint8_t *p = NULL;
  size_t n = 0, got;

  if (f == NULL) {
    perror(path);
    return 1;
  }
  do {
    p = realloc(p, n + 65536);
    if (p == NULL) abort();
    got = fread(p + n, 1, 65536, f);
    n += got;
  } while (got != 0);
  (void)fclose(f);
  run_seed(p, n);
  free(p);
  return 0;
}

int main(int argc, char **argv) {
  int failed = 0;

  for (int i = 1; i < argc; i++) failed |= run_file(argv[i]);
  printf("%d seeds\n", argc - 1);
  return failed;
}
