/* api/calibration.c - statistics: taken, fed, saved, loaded, merged. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/map.h"
#include "base/sink.h"
#include "onnx/codec.h"

/* A statistics file: 4096 bins of 10 bytes on two sides for 10^4 values. */
#define MAX_STATS_BYTES (UINT64_C(1) << 30)

/* ---- prepared models and their digest -------------------------------------
 */
oq_status oq_model_as_prepared(oq_model **out, bool *own, oq_model *m) {
  oq_model *p;

  *own = !m->prepared;
  if (m->prepared) {
    *out = m;
    return OQ_OK;
  }
  OQ_TRY(oq_model_prepare(&p, m, NULL));
  *out = p;
  return OQ_OK;
}

typedef struct hash_pair {
  uint64_t a, b;
} hash_pair;

static oq_status hash_part(void *user, const void *p, size_t n) {
  hash_pair *d = user;

  d->a = oq_hash_bytes(p, n, d->a);
  d->b = oq_hash_bytes(p, n, d->b ^ d->a);
  return OQ_OK;
}

/* 32 hexadecimal digits over what the encoder would write.  The encoder cuts
 * its output by the message alone, so equal models give equal digests. */
oq_status oq_model_digest(char out[33], const oq_model *m) {
  hash_pair d = {UINT64_C(0x9e3779b97f4a7c15), UINT64_C(0xc2b2ae3d27d4eb4f)};
  oq_context *cx = m->cx;
  oq_sink *sink;

  OQ_TRY(oq_sink_open_call(&sink, hash_part, &d, &cx->alloc, cx->diags));
  oq_status s = oq_onnx_encode(m->ir, sink, &cx->env);
  if (s == OQ_OK) s = oq_sink_commit(sink);
  oq_sink_close(sink);
  if (s != OQ_OK) return s;
  for (int i = 0; i < 16; i++) {
    static const char hex[] = "0123456789abcdef";

    out[i] = hex[d.a >> (60 - 4 * i) & 15];
    out[16 + i] = hex[d.b >> (60 - 4 * i) & 15];
  }
  out[32] = 0;
  return OQ_OK;
}

/* ---- objects ---------------------------------------------------------------
 */
static oq_status wrap(oq_stats **out, oq_context *cx, oq_stats_core *core) {
  oq_stats *s = oq_alloc_get(&cx->alloc, sizeof *s, _Alignof(oq_stats));

  if (!s) {
    oq_stats_core_destroy(core);
    return oq_fail_memory(cx->diags);
  }
  *s = (oq_stats){.cx = cx, .core = core};
  if (oq_arena_create(&s->arena, &cx->alloc, 0) != OQ_OK) {
    oq_stats_destroy(s);
    return oq_fail_memory(cx->diags);
  }
  *out = s;
  return OQ_OK;
}

void oq_stats_destroy(oq_stats *s) {
  if (!s) return;
  oq_arena_destroy(s->arena);
  oq_stats_core_destroy(s->core);
  oq_alloc_put(&s->cx->alloc, s, sizeof *s);
}

static oq_status make_core(oq_stats_core **out, const oq_observed *seen,
                           const oq_model *prepared,
                           const oq_calibrate_options *opt) {
  oq_context *cx = prepared->cx;
  char hex[33];

  OQ_TRY(oq_model_digest(hex, prepared));
  if (oq_stats_core_create(out, seen->keys, seen->axes, seen->n, hex,
                           opt->preprocessing ? opt->preprocessing : "",
                           opt->synthetic != 0, &cx->alloc) != OQ_OK)
    return oq_fail_memory(cx->diags);
  return OQ_OK;
}

static int by_text(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Another engine sees the values of the main graph only. */
static oq_status list_wanted(oq_stats *s, const oq_observed *seen) {
  const char **names =
      OQ_NEW_N(s->arena, const char *, (size_t)seen->n_main + 1);

  if (!names) return oq_fail_memory(s->cx->diags);
  for (uint32_t i = 0; i < seen->n_main; i++)
    names[i] = oq_stats_find(s->core, seen->keys[i])->name;
  if (seen->n_main > 1) qsort(names, seen->n_main, sizeof *names, by_text);
  s->wanted = names;
  s->n_wanted = seen->n_main;
  return OQ_OK;
}

static oq_status create(oq_stats **out, const oq_model *prepared,
                        const oq_calibrate_options *opt) {
  oq_context *cx = prepared->cx;
  const oq_mark mark = oq_arena_mark(cx->scratch);
  oq_stats_core *core = NULL;
  oq_stats *made = NULL;
  oq_observed seen;
  oq_status s =
      oq_calib_observed(&seen, prepared->ir->main, cx->scratch, &cx->env);

  if (s == OQ_OK) s = make_core(&core, &seen, prepared, opt);
  if (s == OQ_OK) s = wrap(&made, cx, core);
  if (s == OQ_OK) s = list_wanted(made, &seen);
  oq_arena_rewind(cx->scratch, mark);
  if (s == OQ_OK)
    *out = made;
  else
    oq_stats_destroy(made);
  return s;
}

static oq_status take_options(oq_calibrate_options *out,
                              const oq_calibrate_options *opt) {
  *out = (oq_calibrate_options)OQ_CALIBRATE_OPTIONS_INIT;
  return oq_options_copy(out, sizeof *out, opt);
}

oq_status oq_calibrate(oq_stats **out, oq_model *m, const oq_source *src,
                       const oq_calibrate_options *opt) {
  oq_calibrate_options o;
  oq_model *p;
  oq_stats *stats;
  bool own;

  if (!out || !m || !src || !src->read) return OQ_E_ARGUMENT;
  OQ_TRY(take_options(&o, opt));
  OQ_TRY(oq_model_as_prepared(&p, &own, m));
  oq_status s = create(&stats, p, &o);
  if (s == OQ_OK) {
    s = oq_calib_run(stats->core, p->ir->main, src, p->feed_types, &p->cx->env);
    if (s == OQ_OK)
      *out = stats;
    else
      oq_stats_destroy(stats);
  }
  if (own) oq_model_destroy(p);
  return s;
}

/* ---- another engine's values ------------------------------------------ */
oq_status oq_stats_create(oq_stats **out, oq_model *m,
                          const oq_calibrate_options *opt) {
  oq_calibrate_options o;
  oq_model *p;
  bool own;

  if (!out || !m) return OQ_E_ARGUMENT;
  OQ_TRY(take_options(&o, opt));
  OQ_TRY(oq_model_as_prepared(&p, &own, m));
  const oq_status s = create(out, p, &o);
  if (own) oq_model_destroy(p);
  return s;
}

const char *const *oq_stats_wanted(oq_stats *s, size_t *n) {
  if (!s->wanted) {
    const char **names =
        OQ_NEW_N(s->arena, const char *, (size_t)s->core->n_entries + 1);

    if (!names) return NULL;
    for (uint32_t i = 0; i < s->core->n_entries; i++)
      names[i] = s->core->entries[i].name;
    s->wanted = names;
    s->n_wanted = s->core->n_entries;
  }
  if (n) *n = s->n_wanted;
  return s->wanted;
}

oq_status oq_stats_feed(oq_stats *s, const char *value,
                        const oq_tensor_view *v) {
  oq_ctensor t;
  oq_stats_entry *e;

  if (!s || !value || !v) return OQ_E_ARGUMENT;
  oq_context *cx = s->cx;
  e = oq_stats_find(s->core, value);
  if (!e || v->dtype != OQ_DT_F32)
    return oq_fail(cx->diags, OQ_E_ARGUMENT, "stats.feed", NULL,
                   "'%s' (%s) is not a value that was asked for", value,
                   oq_dtype_text(v->dtype));
  const oq_mark mark = oq_arena_mark(cx->scratch);
  oq_status status = oq_view_take(&t, v, value, cx->scratch, cx->diags);
  if (status == OQ_OK &&
      oq_stats_entry_feed(e, &t, cx->env.kernels, s->core->arena) != OQ_OK)
    status = oq_fail_memory(cx->diags);
  oq_arena_rewind(cx->scratch, mark);
  s->info = NULL;
  return status;
}

oq_status oq_stats_end_sample(oq_stats *s, uint64_t digest) {
  if (!s) return OQ_E_ARGUMENT;
  s->info = NULL;
  return oq_stats_add_sample(s->core, digest) == OQ_OK
             ? OQ_OK
             : oq_fail_memory(s->cx->diags);
}

/* ---- files ------------------------------------------------------------ */
oq_status oq_stats_save_file(const oq_stats *s, const char *path) {
  oq_sink *sink;

  if (!s || !path) return OQ_E_ARGUMENT;
  OQ_TRY(oq_sink_open_file(&sink, path, true, &s->cx->alloc, s->cx->diags));
  oq_status status = oq_stats_encode(s->core, sink);
  if (status == OQ_OK) status = oq_sink_commit(sink);
  oq_sink_close(sink);
  return status;
}

oq_status oq_stats_save_stream(const oq_stats *s,
                               oq_status (*write)(void *user, const void *p,
                                                  size_t n),
                               void *user) {
  oq_sink *to;

  if (!s || !write) return OQ_E_ARGUMENT;
  OQ_TRY(oq_sink_open_call(&to, write, user, &s->cx->alloc, s->cx->diags));
  oq_status status = oq_stats_encode(s->core, to);
  if (status == OQ_OK) status = oq_sink_commit(to);
  oq_sink_close(to);
  return status;
}

oq_status oq_stats_load_file(oq_stats **out, oq_context *cx, const char *path) {
  oq_store *file;
  oq_stats_core *core;
  size_t n;

  if (!out || !cx || !path) return OQ_E_ARGUMENT;
  OQ_TRY(oq_store_map(&file, path, MAX_STATS_BYTES, &cx->alloc, cx->diags));
  const uint8_t *p = oq_store_data(file, &n);
  const oq_status s = oq_stats_decode(&core, p, n, &cx->alloc, cx->diags);
  oq_store_unref(file);
  return s == OQ_OK ? wrap(out, cx, core) : s;
}

oq_status oq_stats_merge(oq_stats *into, const oq_stats *from) {
  if (!into || !from || into == from) return OQ_E_ARGUMENT;
  into->info = NULL;
  return oq_stats_core_merge(into->core, from->core, into->cx->diags);
}

/* ---- description ------------------------------------------------------ */
static oq_stats_value describe_value(const oq_stats_entry *e) {
  const oq_record *r = &e->record;
  oq_stats_value v = {
      .name = e->name,
      .lo = oq_record_usable(r) ? (double)r->lo : NAN,
      .hi = oq_record_usable(r) ? (double)r->hi : NAN,
      .count = r->count,
      .zeros = r->zeros,
      .nans = r->nans,
      .infinities = r->infinities,
  };

  oq_record_moments(r, &v.mean, &v.std);
  return v;
}

oq_status oq_stats_describe(const oq_stats_info **out, oq_stats *s) {
  if (!out || !s) return OQ_E_ARGUMENT;
  if (!s->info) {
    oq_stats_info *info = OQ_NEW(s->arena, oq_stats_info);
    oq_stats_value *values =
        OQ_NEW_N(s->arena, oq_stats_value, s->core->n_entries);

    if (!info || !values) return oq_fail_memory(s->cx->diags);
    for (uint32_t i = 0; i < s->core->n_entries; i++)
      values[i] = describe_value(&s->core->entries[i]);
    *info = (oq_stats_info){
        .model_digest = s->core->model_digest,
        .preprocessing = s->core->preprocessing,
        .samples = s->core->n_samples,
        .synthetic = s->core->synthetic,
        .values = values,
        .n_values = s->core->n_entries,
    };
    s->info = info;
  }
  *out = s->info;
  return OQ_OK;
}
