/* kern/last_tmpl.h - the micro-kernels of k_last, included once per instruction
 * set by k_last_x86.c with these macros set: NAME(x), TARGET, VEC, LANES (its
 * floats), LOAD, LOAD_N, STORE, STORE_N, SPLAT, FMA, MAX (NaN wins).  No
 * include guard on purpose. */
#define REGS (OQ_LAST_LANES / LANES)

/* Everything that is a constant to the caller unrolls, so that sums stay in
 * registers. */
TARGET OQ_BARE OQ_INLINE void NAME(some)(size_t rows, size_t regs,
                                         const oq_last_block *q) {
  VEC acc[OQ_LAST_ROWS][4];
  const float *w = q->w;

#pragma GCC unroll 16
  for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 4
    for (size_t v = 0; v < regs; v++) acc[i][v] = LOAD(q->bias + v * LANES);
  for (size_t t = 0; t < q->taps; t++) {
    const float *const *const p = q->at + t * OQ_LAST_ROWS;
    for (size_t c = 0; c < q->run; c++, w += q->w_step) {
      VEC k[4];
#pragma GCC unroll 4
      for (size_t v = 0; v < regs; v++) k[v] = LOAD(w + v * LANES);
#pragma GCC unroll 16
      for (size_t i = 0; i < rows; i++) {
        const VEC s = SPLAT(p[i][c]);
#pragma GCC unroll 4
        for (size_t v = 0; v < regs; v++) acc[i][v] = FMA(s, k[v], acc[i][v]);
      }
    }
  }
#pragma GCC unroll 16
  for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 4
    for (size_t v = 0; v < regs; v++) {
      float *const y = q->y + i * q->y_step + v * LANES;
      if (q->cols >= (v + 1) * LANES)
        STORE(y, acc[i][v]);
      else if (q->cols > v * LANES)
        STORE_N(y, acc[i][v], q->cols - v * LANES);
    }
}

/* clang-format off */
#define CASE(n, regs) case n: NAME(some)(n, regs, q); break;
#define UP_TO_6(regs) CASE(1, regs) CASE(2, regs) CASE(3, regs) \
  CASE(4, regs) CASE(5, regs) CASE(6, regs)
#define UP_TO_9(regs) UP_TO_6(regs) CASE(7, regs) CASE(8, regs) CASE(9, regs)
#define UP_TO_12(regs) UP_TO_9(regs) CASE(10, regs) CASE(11, regs) \
  CASE(12, regs)
/* clang-format on */
#define ROWS_OF(name, cases)                                                   \
  TARGET OQ_BARE static void NAME(name)(size_t rows, const oq_last_block *q) { \
    switch (rows) { cases default : break; }                                   \
  }

#if LANES == 16
ROWS_OF(vec1, UP_TO_12(1))
ROWS_OF(vec2, UP_TO_12(2))
ROWS_OF(vec3, UP_TO_9(3))
ROWS_OF(vec4, UP_TO_6(4))

static void NAME(block)(size_t rows, size_t vecs, const oq_last_block *q) {
  switch (vecs) {
    case 1:
      NAME(vec1)(rows, q);
      break;
    case 2:
      NAME(vec2)(rows, q);
      break;
    case 3:
      NAME(vec3)(rows, q);
      break;
    default:
      NAME(vec4)(rows, q);
      break;
  }
}
#else
ROWS_OF(vec1, UP_TO_6(2))

/* Few registers: one vector of 16 after the other. */
static void NAME(block)(size_t rows, size_t vecs, const oq_last_block *q) {
  for (size_t v = 0; v < vecs; v++) {
    oq_last_block one = *q;
    one.w += v * OQ_LAST_LANES;
    one.bias += v * OQ_LAST_LANES;
    one.y += v * OQ_LAST_LANES;
    one.cols -= v * OQ_LAST_LANES;
    NAME(vec1)(rows, &one);
  }
}
#endif
#undef CASE
#undef UP_TO_6
#undef UP_TO_9
#undef UP_TO_12
#undef ROWS_OF

/* ---- depthwise ----------------------------------------------------------- */
TARGET OQ_BARE OQ_INLINE void NAME(depth_some)(size_t rows, size_t n, size_t j,
                                               const oq_last_block *q) {
  VEC acc[OQ_LAST_ROWS];

#pragma GCC unroll 16
  for (size_t i = 0; i < rows; i++) acc[i] = LOAD(q->bias + j);
  for (size_t t = 0; t < q->taps; t++) {
    const float *const *const p = q->at + t * OQ_LAST_ROWS;
    const VEC w = LOAD(q->w + t * q->w_step + j);
#pragma GCC unroll 16
    for (size_t i = 0; i < rows; i++)
      acc[i] =
          FMA(n == LANES ? LOAD(p[i] + j) : LOAD_N(p[i] + j, n), w, acc[i]);
  }
#pragma GCC unroll 16
  for (size_t i = 0; i < rows; i++) {
    float *const y = q->y + i * q->y_step + j;
    if (n == LANES)
      STORE(y, acc[i]);
    else
      STORE_N(y, acc[i], n);
  }
}

TARGET OQ_BARE OQ_INLINE void NAME(depth_rows)(size_t rows,
                                               const oq_last_block *q) {
  size_t j = 0;

  for (; j + LANES <= q->cols; j += LANES) NAME(depth_some)(rows, LANES, j, q);
  if (j < q->cols) NAME(depth_some)(rows, q->cols - j, j, q);
}

TARGET OQ_BARE static void NAME(depth)(size_t rows, const oq_last_block *q) {
  oq_last_block part = *q;

  for (size_t i = 0, n; i < rows; i += n, part.at += n) {
    part.y = q->y + i * q->y_step;
    n = rows - i >= 8 ? 8 : rows - i >= 4 ? 4 : 1;
    if (n == 8)
      NAME(depth_rows)(8, &part);
    else if (n == 4)
      NAME(depth_rows)(4, &part);
    else
      NAME(depth_rows)(1, &part);
  }
}

/* ---- maxima -------------------------------------------------------------- */
TARGET OQ_INLINE void NAME(max_some)(float *y, const float *const *at,
                                     size_t taps, size_t j, size_t n,
                                     bool more) {
  const float *const first = more ? y : at[0];
  VEC a = n == LANES ? LOAD(first + j) : LOAD_N(first + j, n);

  for (size_t t = more ? 0 : 1; t < taps; t++)
    a = MAX(a, n == LANES ? LOAD(at[t] + j) : LOAD_N(at[t] + j, n));
  if (n == LANES)
    STORE(y + j, a);
  else
    STORE_N(y + j, a, n);
}

TARGET static void NAME(max)(float *y, const float *const *at, size_t taps,
                             size_t n, bool more) {
  size_t j = 0;

  for (; j + LANES <= n; j += LANES)
    NAME(max_some)(y, at, taps, j, LANES, more);
  if (j < n) NAME(max_some)(y, at, taps, j, n - j, more);
}
#undef REGS
