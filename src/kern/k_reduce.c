/* kern/k_reduce.c - reductions. */
#include "kern/loop.h"

#include "kern/k_reduce.h"

#include <math.h>

enum { LANES = 8 };

/* `map` of an element v, `join` of accumulator a and mapped element v, and what
 * changes nothing. */
#define RUN(name, T, A, member, zero, map, join)                           \
  static A name##_map(T x) {                                               \
    const A v = (A)x;                                                      \
    return (A)(map);                                                       \
  }                                                                        \
  static A name##_join(A a, A v) { return (A)(join); }                     \
  static void name(oq_acc *acc, size_t step, const void *from, size_t n) { \
    const T *const x = from;                                               \
    const size_t whole = n - n % LANES;                                    \
    A s[LANES];                                                            \
    if (step != 0) {                                                       \
      for (size_t i = 0; i < n; i++)                                       \
        acc[i].member = name##_join(acc[i].member, name##_map(x[i]));      \
      return;                                                              \
    }                                                                      \
    for (size_t k = 0; k < LANES; k++) s[k] = (zero);                      \
    for (size_t i = 0; i < whole; i += LANES)                              \
      for (size_t k = 0; k < LANES; k++)                                   \
        s[k] = name##_join(s[k], name##_map(x[i + k]));                    \
    for (size_t i = whole; i < n; i++)                                     \
      s[i - whole] = name##_join(s[i - whole], name##_map(x[i]));          \
    for (size_t width = LANES / 2; width > 0; width /= 2)                  \
      for (size_t k = 0; k < width; k++)                                   \
        s[k] = name##_join(s[k], s[k + width]);                            \
    acc->member = name##_join(acc->member, s[0]);                          \
  }

#define FLOATS(name, zero, map, join)                  \
  RUN(name##_f32, float, double, f64, zero, map, join) \
  RUN(name##_f64, double, double, f64, zero, map, join)
#define INTS(name, zero_i, map_i, join_i, zero_u, map_u, join_u)            \
  RUN(name##_i64, int64_t, int64_t, i64, zero_i, map_i, join_i)             \
  RUN(name##_u64, uint64_t, uint64_t, u64, zero_u, map_u, join_u)           \
  const oq_reduce oq_k_reduce_##name = {name##_f32, name##_f64, name##_i64, \
                                        name##_u64};

#define U(v) ((uint64_t)(v))
#define WRAP(op) (int64_t)(U(a) op U(v))

FLOATS(sum, 0, v, a + v)
INTS(sum, 0, v, WRAP(+), 0, v, a + v)
/* NaN wins. */
FLOATS(max, (double)-INFINITY, v, v > a || v != v ? v : a)
INTS(max, INT64_MIN, v, v > a ? v : a, 0, v, v > a ? v : a)
FLOATS(min, (double)INFINITY, v, v < a || v != v ? v : a)
INTS(min, INT64_MAX, v, v < a ? v : a, UINT64_MAX, v, v < a ? v : a)
FLOATS(prod, 1, v, a *v)
INTS(prod, 1, v, WRAP(*), 1, v, a *v)
FLOATS(l1, 0, fabs(v), a + v)
INTS(l1, 0, v < 0 ? (int64_t)(0 - U(v)) : v, WRAP(+), 0, v, a + v)
FLOATS(square, 0, v *v, a + v)
INTS(square, 0, (int64_t)(U(v) * U(v)), WRAP(+), 0, v *v, a + v)

#define EXP_RUN(name, T)                                               \
  void name(oq_acc *acc, const oq_acc *shift, size_t step, const T *x, \
            size_t n) {                                                \
    for (size_t i = 0; i < n; i++) {                                   \
      const double s = shift[i * step].f64;                            \
      acc[i * step].f64 += exp((double)x[i] - (isinf(s) ? 0.0 : s));   \
    }                                                                  \
  }
EXP_RUN(oq_k_reduce_exp_f32, float)
EXP_RUN(oq_k_reduce_exp_f64, double)

#define ARG(name, T)                                                     \
  static bool name##_wins(T v, T best, const oq_arg *a) {                \
    if (a->last && v == best) return true;                               \
    return a->max ? v > best : v < best;                                 \
  }                                                                      \
  void name(int64_t *out, const T *x, const oq_arg *a) {                 \
    for (size_t j = 0; j < a->inner; j++) {                              \
      size_t best = 0;                                                   \
      for (size_t i = 1; i < a->n; i++)                                  \
        if (name##_wins(x[i * a->inner + j], x[best * a->inner + j], a)) \
          best = i;                                                      \
      out[j] = (int64_t)best;                                            \
    }                                                                    \
  }
ARG(oq_k_arg_f32, float)
ARG(oq_k_arg_f64, double)
ARG(oq_k_arg_i64, int64_t)
ARG(oq_k_arg_u64, uint64_t)
