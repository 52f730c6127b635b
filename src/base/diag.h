/* base/diag.h - how a function fails: a small status up the stack, the place
 * in a bounded list. */
#ifndef OQ_BASE_DIAG_H
#define OQ_BASE_DIAG_H

#include "base/alloc.h"
#include "onnxquant/context.h"

#if defined(__GNUC__)
#define OQ_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define OQ_PRINTF(fmt, args)
#endif

/* Bounded list (OQ_MAX_DIAGS; the last 32 places are kept for errors) of
 * findings; one per thread.  Texts are copied, with control bytes and broken
 * UTF-8 escaped, and cut at some length; ids are copied as they are.  Recording
 * works when memory is gone: then a static finding says so. */
typedef struct oq_diags oq_diags;

/* Where a finding belongs.  Callers fill what they know; NULL = unknown.
 * OQ_WHERE_INIT sets the offset to "unknown". */
typedef struct oq_where {
  const char *graph, *node, *op, *value, *attr;
  uint64_t offset;
  const char *hint; /* the cure, one sentence */
} oq_where;
#define OQ_WHERE_INIT \
  { 0, 0, 0, 0, 0, UINT64_MAX, 0 }

oq_status oq_diags_create(oq_diags **out, oq_alloc *a);
void oq_diags_destroy(oq_diags *d);
/* Called for each finding as it is recorded. */
void oq_diags_set_listener(oq_diags *d,
                           void (*on_diag)(void *user, const oq_diag *d),
                           void *user);
size_t oq_diags_count(const oq_diags *d);
const oq_diag *oq_diags_at(const oq_diags *d, size_t i);
/* Findings there was no place for. */
uint64_t oq_diags_dropped(const oq_diags *d);
void oq_diags_clear(oq_diags *d);
/* Moves all of `from` behind those of `into` (workers, in task order). */
void oq_diags_append(oq_diags *into, oq_diags *from);

/* For base/par: findings carry the number of the task that made them, so that
 * they can be put in order afterwards. */
void oq_diags_set_tag(oq_diags *d, uint32_t tag);
uint32_t oq_diags_tag_at(const oq_diags *d, size_t i);
void oq_diags_copy_one(oq_diags *into, const oq_diags *from, size_t i);
void oq_diags_count_dropped(oq_diags *d, uint64_t n);
/* What the list was made with. */
oq_alloc *oq_diags_alloc(const oq_diags *d);

/* Records an error and returns `s`, so failing is one statement:
 *   return oq_fail(d, OQ_E_MODEL, "model.cycle", &w, "...", ...);
 * `d` and `w` may be NULL. */
oq_status oq_fail(oq_diags *d, oq_status s, const char *id, const oq_where *w,
                  const char *fmt, ...) OQ_PRINTF(5, 6);
void oq_warn(oq_diags *d, const char *id, const oq_where *w, const char *fmt,
             ...) OQ_PRINTF(4, 5);
void oq_note(oq_diags *d, const char *id, const oq_where *w, const char *fmt,
             ...) OQ_PRINTF(4, 5);
/* The finding of an allocation that failed; needs no memory. */
oq_status oq_fail_memory(oq_diags *d);

/* Pass a failure up.  Only where nothing has to be given back: memory belongs
 * to arenas, so that is nearly everywhere.  Otherwise `goto done`. */
#define OQ_TRY(expr)                      \
  do {                                    \
    const oq_status oq_try_ = (expr);     \
    if (oq_try_ != OQ_OK) return oq_try_; \
  } while (0)

#endif
