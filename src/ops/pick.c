/* ops/pick - see pick.h. */
#include "ops/pick.h"

#include "kern/k_eltwise.h"

/* ---- indices ------------------------------------------------------------- */
oq_status oq_pick_indices(const int64_t **out, const oq_run *r, uint32_t slot,
                          int64_t n) {
  const oq_ctensor *const t = r->in[slot];
  const size_t count = oq_tensor_count(t);
  int64_t *const v =
      oq_arena_alloc_raw(r->scratch, count, sizeof *v, _Alignof(int64_t));

  if (v == NULL) return oq_fail_memory(r->diags);
  for (size_t i = 0; i < count; i++) {
    const int64_t k = oq_element_i64(t, i);
    if (k < -n || k >= n)
      return oq_run_fail(r, OQ_E_DATA, "op.index",
                         "index %lld lies outside of an axis of %lld",
                         (long long)k, (long long)n);
    v[i] = k < 0 ? k + n : k;
  }
  *out = v;
  return OQ_OK;
}

/* ---- scalars ------------------------------------------------------------- */
static const oq_ctensor *known_input(bool *known, const oq_infer *x,
                                     uint32_t slot) {
  const bool present = slot < x->n_in && oq_value_ok(x->node->in[slot]);

  *known = !present || x->konst[slot] != NULL;
  return present ? x->konst[slot] : NULL;
}

static oq_status check_one(const oq_infer *x, const oq_ctensor *t,
                           uint32_t slot) {
  if (oq_tensor_count(t) == 1 && oq_k_class((int32_t)t->dtype) != OQ_NUM_NONE)
    return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "op.scalar",
                       "input %u has %zu elements of type %s, expected one "
                       "number",
                       slot, oq_tensor_count(t),
                       oq_dtype_text((int32_t)t->dtype));
}

oq_status oq_pick_scalar(int64_t *out, bool *known, const oq_infer *x,
                         uint32_t slot, int64_t dflt) {
  const oq_ctensor *const t = known_input(known, x, slot);

  if (t != NULL) OQ_TRY(check_one(x, t, slot));
  *out = t != NULL ? oq_element_i64(t, 0) : dflt;
  return OQ_OK;
}

oq_status oq_pick_scalar_f64(double *out, bool *known, const oq_infer *x,
                             uint32_t slot, double dflt) {
  const oq_ctensor *const t = known_input(known, x, slot);

  if (t != NULL) OQ_TRY(check_one(x, t, slot));
  *out = t != NULL ? oq_element_f64(t, 0) : dflt;
  return OQ_OK;
}

int64_t oq_pick_run_scalar(const oq_run *r, uint32_t slot, int64_t dflt) {
  const oq_ctensor *const t = oq_pick_input(r, slot);

  return t == NULL ? dflt : oq_element_i64(t, 0);
}

double oq_pick_run_scalar_f64(const oq_run *r, uint32_t slot, double dflt) {
  const oq_ctensor *const t = oq_pick_input(r, slot);

  return t == NULL ? dflt : oq_element_f64(t, 0);
}

oq_status oq_pick_same_dim(const oq_infer *x, oq_dim a, oq_dim b,
                           const char *what) {
  if (a.size == OQ_DIM_UNKNOWN || b.size == OQ_DIM_UNKNOWN || a.size == b.size)
    return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "op.shape",
                       "the %s do not fit: a size of %lld meets one of %lld",
                       what, (long long)a.size, (long long)b.size);
}

/* ---- keys ---------------------------------------------------------------- */
enum { BLOCK = 512 };

#define TOP (UINT64_C(1) << 63)

static uint64_t key_f64(double v) {
  uint64_t u;

  if (v != v) return UINT64_MAX;
  v += 0.0; /* -0 becomes 0 */
  memcpy(&u, &v, sizeof u);
  return (u & TOP) != 0 ? ~u : u | TOP;
}

/* ---- by comparing: texts, complex numbers -------------------------------- */
typedef int (*compare_fn)(const oq_ctensor *t, size_t a, size_t b);

static int compare_texts(const oq_ctensor *t, size_t a, size_t b) {
  const oq_text *const x = oq_texts(t);

  return oq_text_compare(x[a], x[b]);
}

static uint64_t key_part(const oq_ctensor *t, size_t i) {
  return key_f64(t->dtype == OQ_DT_C64 ? (double)((const float *)t->data)[i]
                                       : ((const double *)t->data)[i]);
}

/* By the real part, then by the imaginary one. */
static int compare_complex(const oq_ctensor *t, size_t a, size_t b) {
  for (size_t part = 0; part < 2; part++) {
    const uint64_t u = key_part(t, 2 * a + part), v = key_part(t, 2 * b + part);
    if (u != v) return u < v ? -1 : 1;
  }
  return 0;
}

/* Bottom-up merging of positions: no worse on bytes made to be slow. */
static void sort_positions(uint64_t *at, uint64_t *room, const oq_ctensor *t,
                           size_t n, compare_fn compare) {
  uint64_t *from = at, *to = room;

  for (size_t width = 1; width < n; width *= 2) {
    for (size_t i = 0; i < n; i += 2 * width) {
      const size_t middle = n - i < width ? n : i + width;
      const size_t end = n - middle < width ? n : middle + width;
      size_t a = i, b = middle;
      for (size_t k = i; k < end; k++)
        to[k] = b == end || (a < middle && compare(t, from[a], from[b]) <= 0)
                    ? from[a++]
                    : from[b++];
    }
    uint64_t *const swap = from;
    from = to;
    to = swap;
  }
  if (from != at) memcpy(at, from, n * sizeof *at);
}

/* The key of an element is how many different ones are below it. */
static oq_status rank_keys(uint64_t **out, const oq_run *r, const oq_ctensor *t,
                           compare_fn compare) {
  const size_t n = oq_tensor_count(t);
  uint64_t *const at = OQ_NEW_N(r->scratch, uint64_t, n);
  uint64_t *const keys = OQ_NEW_N(r->scratch, uint64_t, n);
  uint64_t rank = 0;

  if (at == NULL || keys == NULL) return oq_fail_memory(r->diags);
  for (size_t i = 0; i < n; i++) at[i] = i;
  sort_positions(at, keys, t, n, compare);
  for (size_t i = 0; i < n; i++) {
    if (i > 0 && compare(t, at[i - 1], at[i]) != 0) rank++;
    keys[at[i]] = rank;
  }
  *out = keys;
  return OQ_OK;
}

/* ---- keys ---------------------------------------------------------------- */
oq_status oq_pick_keys(uint64_t **out, const oq_run *r, const oq_ctensor *t) {
  if (t->dtype == OQ_DT_STRING) return rank_keys(out, r, t, compare_texts);
  if (oq_dtype_in((int32_t)t->dtype, OQ_DTM_COMPLEX))
    return rank_keys(out, r, t, compare_complex);
  const size_t n = oq_tensor_count(t);
  const oq_num_class cls = oq_k_class((int32_t)t->dtype);
  uint64_t *const keys =
      oq_arena_alloc_raw(r->scratch, n, sizeof *keys, _Alignof(uint64_t));
  union {
    float f32[BLOCK];
    double f64[BLOCK];
    int64_t i64[BLOCK];
    uint64_t u64[BLOCK];
  } b;

  if (keys == NULL) return oq_fail_memory(r->diags);
  for (size_t i = 0; i < n; i += BLOCK) {
    const size_t width = n - i < BLOCK ? n - i : BLOCK;
    oq_k_load(&b, t->data, i, width, (int32_t)t->dtype);
    for (size_t k = 0; k < width; k++)
      keys[i + k] = cls == OQ_NUM_F32   ? key_f64((double)b.f32[k])
                    : cls == OQ_NUM_F64 ? key_f64(b.f64[k])
                    : cls == OQ_NUM_I64 ? (uint64_t)b.i64[k] ^ TOP
                                        : b.u64[k];
  }
  *out = keys;
  return OQ_OK;
}
