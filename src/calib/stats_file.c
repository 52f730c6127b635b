/* stats_file.c - statistics <-> bytes, by proto/onnxquant-stats.proto.  One of
 * the two places that know protobuf. */
#include <math.h>
#include <string.h>

#include "base/sink.h"
#include "calib/calib.h"
#include "onnxquant-stats.pb-c.h"

#define MAGIC UINT64_C(0x31736174535f514f) /* "OQ_Stat1" */
#define VERSION 1

/* ---- writing ---------------------------------------------------------------
 */
typedef struct bins {
  uint32_t first;
  size_t n;
  uint64_t *count;
} bins;

static bool collect(bins *out, const oq_hist *h, uint32_t side, oq_arena *a) {
  uint32_t first = OQ_HIST_BINS, last = 0;

  for (uint32_t i = 0; i < OQ_HIST_BINS; i++)
    if (oq_hist_at(h, side, i)) {
      if (first == OQ_HIST_BINS) first = i;
      last = i;
    }
  *out = (bins){0};
  if (first == OQ_HIST_BINS) return true;
  out->first = first;
  out->n = last - first + 1;
  out->count = OQ_NEW_N(a, uint64_t, out->n);
  if (!out->count) return false;
  for (size_t i = 0; i < out->n; i++)
    out->count[i] = oq_hist_at(h, side, first + (uint32_t)i);
  return true;
}

static bool encode_hist(Oqst__Histogram **out, const oq_hist *h, oq_arena *a) {
  bins pos, neg;
  Oqst__Histogram *m = OQ_NEW(a, Oqst__Histogram);

  if (!m || !collect(&pos, h, 0, a) || !collect(&neg, h, 1, a)) return false;
  oqst__histogram__init(m);
  m->has_exponent = 1;
  m->exponent = h->exponent;
  m->has_first_positive = pos.n > 0;
  m->first_positive = pos.first;
  m->n_positive = pos.n;
  m->positive = pos.count;
  m->has_first_negative = neg.n > 0;
  m->first_negative = neg.first;
  m->n_negative = neg.n;
  m->negative = neg.count;
  *out = m;
  return true;
}

/* protobuf-c takes char * where it only reads. */
static char *unconst(const char *p) {
  union {
    const char *c;
    char *m;
  } u = {.c = p};

  return u.m;
}

static bool encode_sums(int64_t **high, uint64_t **low, const oq_i128 *v,
                        uint32_t n, oq_arena *a) {
  *high = OQ_NEW_N(a, int64_t, n);
  *low = OQ_NEW_N(a, uint64_t, n);
  if (!*high || !*low) return false;
  for (uint32_t i = 0; i < n; i++) {
    (*high)[i] = (int64_t)(v[i] >> 64);
    (*low)[i] = (uint64_t)v[i];
  }
  return true;
}

static bool encode_channels(Oqst__Channels **out, const oq_channels *c,
                            oq_arena *a) {
  Oqst__Channels *m = OQ_NEW(a, Oqst__Channels);

  if (!m) return false;
  oqst__channels__init(m);
  m->has_axis = m->has_broken = m->has_samples = 1;
  m->axis = c->axis;
  m->broken = c->broken;
  m->samples = c->broken ? 0 : c->samples;
  *out = m;
  if (c->broken) return true;
  m->n_mean_high = m->n_mean_low = m->n_square_high = m->n_square_low = c->n;
  return encode_sums(&m->mean_high, &m->mean_low, c->mean, c->n, a) &&
         encode_sums(&m->square_high, &m->square_low, c->square, c->n, a);
}

static bool encode_value(Oqst__Value **out, const oq_stats_entry *e,
                         oq_arena *a) {
  Oqst__Value *m = OQ_NEW(a, Oqst__Value);
  const oq_record *r = &e->record;

  if (!m) return false;
  oqst__value__init(m);
  m->name = unconst(e->name);
  if (oq_record_usable(r)) {
    m->has_lo = m->has_hi = 1;
    m->lo = r->lo;
    m->hi = r->hi;
  }
  m->has_count = m->has_zeros = m->has_nans = m->has_infinities = 1;
  m->count = r->count;
  m->zeros = r->zeros;
  m->nans = r->nans;
  m->infinities = r->infinities;
  m->has_fed = m->has_has_shape = 1;
  m->fed = e->fed;
  m->has_shape = e->shape.rank != OQ_NONE;
  if (m->has_shape) {
    m->n_shape = e->shape.rank;
    m->shape = OQ_COPY_N(a, int64_t, e->shape.dim, e->shape.rank);
    if (!m->shape) return false;
  }
  *out = m;
  if (e->channels.axis >= 0 && !encode_channels(&m->channels, &e->channels, a))
    return false;
  return r->hist.empty || encode_hist(&m->histogram, &r->hist, a);
}

typedef struct sink_buffer {
  ProtobufCBuffer base;
  oq_sink *to;
} sink_buffer;

static void append(ProtobufCBuffer *b, size_t n, const uint8_t *p) {
  (void)oq_sink_write(((sink_buffer *)b)->to, p, n); /* sticky */
}

static bool encode_all(Oqst__Statistics *m, const oq_stats_core *s,
                       oq_arena *a) {
  oqst__statistics__init(m);
  m->has_magic = m->has_version = m->has_synthetic = 1;
  m->magic = MAGIC;
  m->version = VERSION;
  m->synthetic = s->synthetic;
  m->model_digest = unconst(s->model_digest);
  m->preprocessing = unconst(s->preprocessing);
  m->n_samples = (size_t)s->n_samples;
  m->samples = s->samples;
  m->n_values = s->n_entries;
  m->values = OQ_NEW_N(a, Oqst__Value *, s->n_entries);
  if (!m->values) return false;
  for (uint32_t i = 0; i < s->n_entries; i++)
    if (!encode_value(&m->values[i], &s->entries[i], a)) return false;
  return true;
}

oq_status oq_stats_encode(const oq_stats_core *s, struct oq_sink *to) {
  oq_arena *a;
  Oqst__Statistics m;
  sink_buffer b = {.base = {append}, .to = to};

  OQ_TRY(oq_arena_create(&a, s->alloc, 0));
  const bool ok = encode_all(&m, s, a);
  if (ok) (void)protobuf_c_message_pack_to_buffer(&m.base, &b.base);
  oq_arena_destroy(a);
  return ok ? OQ_OK : OQ_E_MEMORY;
}

/* ---- reading ----------------------------------------------------------------
 */
static void *arena_alloc(void *user, size_t n) {
  return oq_arena_alloc(user, 1, n, _Alignof(max_align_t));
}
static void arena_free(void *user, void *p) {
  (void)user;
  (void)p;
}

static oq_status bad(oq_diags *d, const char *what) {
  return oq_fail(d, OQ_E_FORMAT, "stats.format", NULL,
                 "not a usable statistics file: %s", what);
}

static bool decode_side(oq_hist *h, uint32_t side, uint32_t first,
                        const uint64_t *count, size_t n, oq_arena *a) {
  if (n == 0) return true;
  if (first >= OQ_HIST_BINS || n > OQ_HIST_BINS - first) return false;
  if (!h->high) h->high = OQ_NEW_N(a, uint64_t, 2 * OQ_HIST_BINS);
  if (!h->high) return false;
  memcpy(h->high + side * OQ_HIST_BINS + first, count, n * sizeof *count);
  return true;
}

static bool decode_record(oq_record *r, const Oqst__Value *v, oq_arena *a) {
  oq_record_init(r);
  r->count = v->count;
  r->zeros = v->zeros;
  r->nans = v->nans;
  r->infinities = v->infinities;
  if (v->has_lo != v->has_hi) return false;
  if (v->has_lo) {
    if (!isfinite(v->lo) || !isfinite(v->hi) || v->lo > v->hi) return false;
    r->lo = v->lo;
    r->hi = v->hi;
  }

  const Oqst__Histogram *h = v->histogram;

  if (!h) return true;
  if (h->exponent < -126 || h->exponent > 127 || !v->has_lo) return false;
  r->hist.empty = false;
  r->hist.exponent = h->exponent;
  return decode_side(&r->hist, 0, h->first_positive, h->positive, h->n_positive,
                     a) &&
         decode_side(&r->hist, 1, h->first_negative, h->negative, h->n_negative,
                     a);
}

static oq_i128 *decode_sums(const int64_t *high, const uint64_t *low, size_t n,
                            oq_arena *a) {
  oq_i128 *v = oq_arena_alloc(a, n, sizeof *v, _Alignof(oq_i128));

  for (size_t i = 0; v && i < n; i++)
    v[i] = (oq_i128)high[i] * ((oq_i128)1 << 64) + (oq_i128)low[i];
  return v;
}

static bool decode_channels(oq_channels *c, const Oqst__Channels *m,
                            oq_arena *a) {
  const size_t n = m->n_mean_high;

  if (m->axis < 0 || m->axis >= OQ_MAX_RANK || n > UINT32_MAX ||
      m->n_mean_low != n || m->n_square_high != n || m->n_square_low != n)
    return false;
  c->axis = m->axis;
  c->broken = m->broken;
  if (n == 0) return true;
  c->n = (uint32_t)n;
  c->samples = m->samples;
  c->mean = decode_sums(m->mean_high, m->mean_low, n, a);
  c->square = decode_sums(m->square_high, m->square_low, n, a);
  return c->mean && c->square;
}

static bool decode_entry(oq_stats_entry *e, const Oqst__Value *v, oq_arena *a) {
  e->fed = v->fed;
  if (v->has_shape) {
    if (v->n_shape > OQ_MAX_RANK) return false;
    e->shape.rank = (uint32_t)v->n_shape;
    for (uint32_t i = 0; i < e->shape.rank; i++) {
      if (v->shape[i] < 0) return false;
      e->shape.dim[i] = v->shape[i];
    }
  }
  if (v->channels && !decode_channels(&e->channels, v->channels, a))
    return false;
  return decode_record(&e->record, v, a);
}

static oq_status decode_all(oq_stats_core **out, const Oqst__Statistics *m,
                            oq_arena *scratch, oq_alloc *alloc, oq_diags *d) {
  oq_stats_core *s;

  if (m->magic != MAGIC) return bad(d, "the magic number is missing");
  if (m->version != VERSION) return bad(d, "its version is unknown");
  if (!m->model_digest || !m->preprocessing) return bad(d, "no header");
  if (m->n_values > UINT32_MAX) return bad(d, "too many values");

  const char **names = OQ_NEW_N(scratch, const char *, m->n_values);
  if (!names) return oq_fail_memory(d);
  for (size_t i = 0; i < m->n_values; i++) {
    names[i] = m->values[i]->name;
    if (!names[i]) return bad(d, "a value has no name");
  }
  OQ_TRY(oq_stats_core_create(&s, names, NULL, (uint32_t)m->n_values,
                              m->model_digest, m->preprocessing, m->synthetic,
                              alloc));
  for (uint32_t i = 0; i < s->n_entries; i++) {
    oq_stats_entry *e = oq_stats_find(s, names[i]);

    if (i > 0 && strcmp(s->entries[i - 1].name, s->entries[i].name) == 0) {
      oq_stats_core_destroy(s);
      return bad(d, "a value stands in it twice");
    }
    if (!e || !decode_entry(e, m->values[i], s->arena)) {
      oq_stats_core_destroy(s);
      return bad(d, "the record of a value is broken");
    }
  }
  for (size_t i = 0; i < m->n_samples; i++) {
    const oq_status status = oq_stats_add_sample(s, m->samples[i]);

    if (status != OQ_OK) {
      oq_stats_core_destroy(s);
      return oq_fail_memory(d);
    }
  }
  *out = s;
  return OQ_OK;
}

oq_status oq_stats_decode(oq_stats_core **out, const uint8_t *p, size_t n,
                          oq_alloc *alloc, oq_diags *d) {
  oq_arena *a;

  /* Decoded messages cost at most this much more than their wire form. */
  OQ_TRY(oq_arena_create(&a, alloc, n * 64 + (1u << 20)));
  ProtobufCAllocator pa = {arena_alloc, arena_free, a};
  const Oqst__Statistics *m = oqst__statistics__unpack(&pa, n, p);
  const oq_status s =
      m ? decode_all(out, m, a, alloc, d) : bad(d, "it cannot be decoded");
  oq_arena_destroy(a);
  return s;
}
