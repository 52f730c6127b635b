/* kern/gemm_tmpl.h - the matrix product, included once per instruction set by
 * gemm_x86.c with these macros set: NAME(x), TARGET, VEC, LANES, MAX_ROWS,
 * LOAD, STORE, SPLAT, FMA, ADD.  Every element of c is the sum of chains of
 * STEPS fused multiply-adds over k (a single chain would lose more bits),
 * whatever the cut: all instruction sets give the same bits.  No include guard
 * on purpose. */
#define WIDTH (2 * LANES)

/* rows x WIDTH of c from kc steps; b_step floats between the rows of b. */
TARGET OQ_BARE static inline __attribute__((always_inline)) void NAME(block)(
    size_t rows, size_t kc, const float *a, size_t lda, const float *b,
    size_t b_step, float *c, size_t ldc, bool from_c) {
  VEC acc[MAX_ROWS][2];

  for (size_t i = 0; i < rows; i++)
    for (size_t v = 0; v < 2; v++) acc[i][v] = SPLAT(0.0f);
  for (size_t p = 0; p < kc; p++) {
    const VEC b0 = LOAD(b + p * b_step), b1 = LOAD(b + p * b_step + LANES);

    for (size_t i = 0; i < rows; i++) {
      const VEC x = SPLAT(a[i * lda + p]);

      acc[i][0] = FMA(x, b0, acc[i][0]);
      acc[i][1] = FMA(x, b1, acc[i][1]);
    }
  }
  for (size_t i = 0; i < rows; i++)
    for (size_t v = 0; v < 2; v++) {
      float *to = c + i * ldc + v * LANES;

      STORE(to, from_c ? ADD(LOAD(to), acc[i][v]) : acc[i][v]);
    }
}

/* The number of rows as a constant, so that sums stay in registers. */
TARGET OQ_BARE static void NAME(rows)(size_t rows, size_t kc, const float *a,
                                      size_t lda, const float *b, size_t b_step,
                                      float *c, size_t ldc, bool from_c) {
#define CASE(n)                                            \
  case n:                                                  \
    NAME(block)(n, kc, a, lda, b, b_step, c, ldc, from_c); \
    break;
  /* clang-format off */
  switch (rows) {
    CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#if MAX_ROWS > 6
    CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)
#endif
    default: break;
  }
  /* clang-format on */
#undef CASE
}

/* One strip of columns, all rows. `width` < WIDTH: through a buffer. */
TARGET static void NAME(strip)(size_t m, size_t width, size_t kc,
                               const float *a, size_t lda, const float *b,
                               size_t b_step, float *c, size_t ldc,
                               bool from_c) {
  float edge[MAX_ROWS * WIDTH];

  for (size_t i = 0; i < m; i += MAX_ROWS) {
    const size_t rows = m - i < MAX_ROWS ? m - i : MAX_ROWS;

    if (width == WIDTH) {
      NAME(rows)
      (rows, kc, a + i * lda, lda, b, b_step, c + i * ldc, ldc, from_c);
      continue;
    }
    memset(edge, 0, sizeof edge);
    for (size_t r = 0; from_c && r < rows; r++)
      memcpy(edge + r * WIDTH, c + (i + r) * ldc, width * sizeof *c);
    NAME(rows)(rows, kc, a + i * lda, lda, b, b_step, edge, WIDTH, from_c);
    for (size_t r = 0; r < rows; r++)
      memcpy(c + (i + r) * ldc, edge + r * WIDTH, width * sizeof *c);
  }
}

static void NAME(pack)(float *to, const float *b, size_t ldb, bool transposed,
                       size_t kc, size_t width) {
  for (size_t p = 0; p < kc; p++, to += WIDTH) {
    if (!transposed)
      memcpy(to, b + p * ldb, width * sizeof *to);
    else
      for (size_t j = 0; j < width; j++) to[j] = b[j * ldb + p];
    if (width < WIDTH) memset(to + width, 0, (WIDTH - width) * sizeof *to);
  }
}

static void NAME(gemm)(bool tb, size_t m, size_t n, size_t k, const float *a,
                       size_t lda, const float *b, size_t ldb, bool add,
                       float *c, size_t ldc) {
  float packed[STEPS * WIDTH] __attribute__((aligned(64)));

  for (size_t p = 0; p < k; p += STEPS) {
    const size_t kc = k - p < STEPS ? k - p : STEPS;

    for (size_t j = 0; j < n; j += WIDTH) {
      const size_t width = n - j < WIDTH ? n - j : WIDTH;
      const float *from = tb ? b + j * ldb + p : b + p * ldb + j;
      size_t step = ldb;

      /* Rows used once are not worth a copy. */
      if (tb || width < WIDTH || m > MAX_ROWS) {
        NAME(pack)(packed, from, ldb, tb, kc, width);
        from = packed;
        step = WIDTH;
      }
      NAME(strip)
      (m, width, kc, a + p, lda, from, step, c + j, ldc, add || p > 0);
    }
  }
}

#undef WIDTH
