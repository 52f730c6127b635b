/* hist.c - a histogram that needs no range beforehand and whose result does
 * not depend on the order of the values. */
#include <math.h>
#include <string.h>

#include "calib/calib.h"

double oq_hist_width(const oq_hist *h) { return ldexp(1.0, h->exponent); }

/* Least e with bound < BINS * 2^e, not below the exponent of the smallest
 * normal number: scaling stays exact there. */
static int exponent_for(float bound) {
  int e;

  (void)frexpf(bound, &e); /* bound < 2^e */
  e -= 12;
  return e < -126 ? -126 : e;
}
_Static_assert(OQ_HIST_BINS == 1 << 12, "exponent_for() counts in 2^12 bins");

static void halve_u32(uint32_t *t) {
  const uint32_t half = OQ_HIST_BINS / 2;

  for (uint32_t i = 0; i < half; i++) t[i] = t[2 * i] + t[2 * i + 1];
  memset(t + half, 0, half * sizeof *t);
}

static void halve_u64(uint64_t *t) {
  const uint32_t half = OQ_HIST_BINS / 2;

  for (uint32_t i = 0; i < half; i++) t[i] = t[2 * i] + t[2 * i + 1];
  memset(t + half, 0, half * sizeof *t);
}

/* Doubles the width until it is 2^exponent.  No sum of two `low` counters can
 * wrap: all of them together are below 2^32. */
static void widen(oq_hist *h, int exponent) {
  if (exponent - h->exponent >= 13) { /* everything falls into bin 0 */
    while (exponent - h->exponent > 13) h->exponent++;
  }
  for (; h->exponent < exponent; h->exponent++) {
    for (uint32_t s = 0; s < 2; s++) {
      if (h->side[s].low) halve_u32(h->side[s].low);
      if (h->side[s].high) halve_u64(h->side[s].high);
    }
  }
}

static bool side_ready(oq_hist_side *s, oq_arena *a) {
  if (!s->low) s->low = OQ_NEW_N(a, uint32_t, OQ_HIST_BINS);
  return s->low != NULL;
}

/* Moves the 32-bit counters into the 64-bit ones. */
static bool promote(oq_hist *h, oq_arena *a) {
  for (uint32_t s = 0; s < 2; s++) {
    oq_hist_side *side = &h->side[s];

    if (!side->low) continue;
    if (!side->high) side->high = OQ_NEW_N(a, uint64_t, OQ_HIST_BINS);
    if (!side->high) return false;
    for (uint32_t i = 0; i < OQ_HIST_BINS; i++) side->high[i] += side->low[i];
    memset(side->low, 0, OQ_HIST_BINS * sizeof *side->low);
  }
  h->since = 0;
  return true;
}

static bool make_room(oq_hist *h, uint64_t n, oq_arena *a) {
  if (h->since + n > UINT32_MAX && !promote(h, a)) return false;
  h->since += n;
  return true;
}

static void reach(oq_hist *h, int exponent) {
  if (h->empty) {
    h->empty = false;
    h->exponent = exponent;
  } else if (exponent > h->exponent) {
    widen(h, exponent);
  }
}

/* Values beyond `bound` are infinite or NaN: the comparison drops both. */
static void count(oq_hist *h, const float *x, size_t n, float bound) {
  const float inverse = ldexpf(1.0f, -h->exponent);
  uint32_t *const pos = h->side[0].low, *const neg = h->side[1].low;

  for (size_t i = 0; i < n; i++) {
    const float v = x[i], m = fabsf(v);

    if (!(m > 0.0f && m <= bound)) continue;
    (v > 0.0f ? pos : neg)[(uint32_t)(m * inverse)]++;
  }
}

static bool any_of_sign(const float *x, size_t n, bool negative) {
  for (size_t i = 0; i < n; i++)
    if (negative ? x[i] < 0.0f : x[i] > 0.0f) return true;
  return false;
}

bool oq_hist_feed(oq_hist *h, const float *x, size_t n, float bound,
                  oq_arena *a) {
  for (uint32_t s = 0; s < 2; s++)
    if (!h->side[s].low && any_of_sign(x, n, s == 1) &&
        !side_ready(&h->side[s], a))
      return false;
  reach(h, exponent_for(bound));
  while (n > 0) {
    const size_t part = n < UINT32_MAX / 2 ? n : UINT32_MAX / 2;

    if (!make_room(h, part, a)) return false;
    count(h, x, part, bound);
    x += part;
    n -= part;
  }
  return true;
}

bool oq_hist_merge(oq_hist *into, const oq_hist *from, oq_arena *a) {
  if (from->empty) return true;
  reach(into, from->exponent);
  if (!promote(into, a)) return false;

  const unsigned shift = (unsigned)(into->exponent - from->exponent);

  for (uint32_t s = 0; s < 2; s++) {
    oq_hist_side *side = &into->side[s];

    if (!from->side[s].low) continue;
    if (!side_ready(side, a)) return false;
    if (!side->high) side->high = OQ_NEW_N(a, uint64_t, OQ_HIST_BINS);
    if (!side->high) return false;
    for (uint32_t i = 0; i < OQ_HIST_BINS; i++)
      side->high[shift < 32 ? i >> shift : 0] += oq_hist_at(from, s, i);
  }
  return true;
}
