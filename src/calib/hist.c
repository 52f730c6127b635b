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
 * wrap: all of them together are below 2^32.  After 12 halvings everything is
 * in bin 0, and further ones change nothing. */
static void widen(oq_hist *h, int exponent) {
  if (exponent - h->exponent > 12) h->exponent = exponent - 12;
  for (; h->exponent < exponent; h->exponent++)
    for (uint32_t s = 0; s < 2; s++) {
      if (h->low) halve_u32(h->low + s * OQ_HIST_BINS);
      if (h->high) halve_u64(h->high + s * OQ_HIST_BINS);
    }
}

static bool low_ready(oq_hist *h, oq_arena *a) {
  if (!h->low) h->low = OQ_NEW_N(a, uint32_t, OQ_K_HIST_SIZE);
  return h->low != NULL;
}

static bool high_ready(oq_hist *h, oq_arena *a) {
  if (!h->high) h->high = OQ_NEW_N(a, uint64_t, 2 * OQ_HIST_BINS);
  return h->high != NULL;
}

/* Moves the 32-bit counters into the 64-bit ones. */
static bool promote(oq_hist *h, oq_arena *a) {
  if (!h->low || h->since == 0) return true;
  if (!high_ready(h, a)) return false;
  for (uint32_t i = 0; i < 2 * OQ_HIST_BINS; i++) h->high[i] += h->low[i];
  memset(h->low, 0, 2 * OQ_HIST_BINS * sizeof *h->low);
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

/* Takes the spare counters of the last call: what was not counted. */
static uint64_t take_spare(oq_hist *h) {
  uint64_t n = 0;

  for (uint32_t i = 2 * OQ_HIST_BINS; i < OQ_K_HIST_SIZE; i++) {
    n += h->low[i];
    h->low[i] = 0;
  }
  return n;
}

bool oq_hist_feed(oq_hist *h, uint64_t *rest, const float *x, size_t n,
                  float bound, oq_arena *a) {
  if (!low_ready(h, a)) return false;
  reach(h, exponent_for(bound));
  *rest = 0;
  while (n > 0) {
    const size_t part = n < UINT32_MAX / 2 ? n : UINT32_MAX / 2;

    if (!make_room(h, part, a)) return false;
    oq_k_hist_f32(h->low, x, part, bound, ldexpf(1.0f, -h->exponent));
    *rest += take_spare(h);
    x += part;
    n -= part;
  }
  return true;
}

bool oq_hist_merge(oq_hist *into, const oq_hist *from, oq_arena *a) {
  if (from->empty) return true;
  reach(into, from->exponent);
  if (!promote(into, a) || !high_ready(into, a)) return false;

  const unsigned shift = (unsigned)(into->exponent - from->exponent);

  for (uint32_t s = 0; s < 2; s++)
    for (uint32_t i = 0; i < OQ_HIST_BINS; i++)
      into->high[s * OQ_HIST_BINS + (shift < 32 ? i >> shift : 0)] +=
          oq_hist_at(from, s, i);
  return true;
}
