/* ops/lookup - see lookup.h. */
#include "ops/lookup.h"

#include <stdlib.h>

static int order_ints(const oq_lookup_item *a, const oq_lookup_item *b) {
  return (a->key.i > b->key.i) - (a->key.i < b->key.i);
}

/* NaN is equal to NaN, whatever its bits, and above all numbers. */
static int order_floats(const oq_lookup_item *a, const oq_lookup_item *b) {
  const double x = a->key.f, y = b->key.f;

  if (x != x || y != y) return (x != x) - (y != y);
  return (x > y) - (x < y);
}

static int order_texts(const oq_lookup_item *a, const oq_lookup_item *b) {
  return oq_text_compare(a->key.t, b->key.t);
}

#define BY(kind)                                           \
  static int by_##kind(const void *pa, const void *pb) {   \
    const oq_lookup_item *const a = pa, *const b = pb;     \
    const int y = order_##kind(a, b);                      \
    return y != 0 ? y : (a->at > b->at) - (a->at < b->at); \
  }
BY(ints)
BY(floats)
BY(texts)

oq_lookup_item oq_lookup_entry(const oq_ctensor *t, size_t i) {
  oq_lookup_item e = {.at = 0};

  if (t->dtype == OQ_DT_STRING)
    e.key.t = oq_texts(t)[i];
  else if (oq_dtype_is_float((int32_t)t->dtype))
    e.key.f = oq_element_f64(t, i);
  else
    e.key.i = oq_element_i64(t, i);
  return e;
}

/* Of equal keys the first or the last one stays. */
static void unite(oq_lookup *t, oq_lookup_item *e, uint32_t n, bool last) {
  uint32_t k = 0;

  for (uint32_t i = 0; i < n; i++) {
    if (k == 0 || t->order(&e[k - 1], &e[i]) != 0)
      e[k++] = e[i];
    else if (last)
      e[k - 1] = e[i];
  }
  t->item = e;
  t->n = k;
}

oq_status oq_lookup_make(oq_lookup *out, const oq_ctensor *keys, bool last,
                         oq_arena *a, oq_diags *d) {
  const uint32_t n = (uint32_t)oq_tensor_count(keys);
  const bool texts = keys->dtype == OQ_DT_STRING;
  const bool floats = oq_dtype_is_float((int32_t)keys->dtype);
  oq_lookup_item *const e = OQ_NEW_N(a, oq_lookup_item, n);

  if (e == NULL) return oq_fail_memory(d);
  for (uint32_t i = 0; i < n; i++) {
    e[i] = oq_lookup_entry(keys, i);
    e[i].at = i;
  }
  out->order = texts ? order_texts : floats ? order_floats : order_ints;
  if (n > 1)
    qsort(e, n, sizeof *e, texts ? by_texts : floats ? by_floats : by_ints);
  unite(out, e, n, last);
  return OQ_OK;
}

bool oq_lookup_find(uint32_t *out, const oq_lookup *t,
                    const oq_lookup_item *e) {
  uint32_t lo = 0, hi = t->n;

  while (lo < hi) {
    const uint32_t mid = lo + (hi - lo) / 2;
    const int y = t->order(&t->item[mid], e);
    if (y == 0) {
      *out = t->item[mid].at;
      return true;
    }
    if (y < 0)
      lo = mid + 1;
    else
      hi = mid;
  }
  return false;
}
