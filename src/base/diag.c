/* base/diag.c - findings: bounded, copied, safe to show. */
#include "base/diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/limits.h"
#include "base/text.h"

/* Places kept for errors: a flood of warnings must not hide why a run ended. */
#define KEPT_FOR_ERRORS 32

#define MAX_TEXT 2048 /* bytes of one sentence */
#define MAX_PLACE 512 /* of a name in it */

struct oq_diags {
  oq_alloc *alloc;
  oq_arena *arena; /* the findings and their texts */
  void (*on_diag)(void *user, const oq_diag *d);
  void *user;
  size_t n;
  uint64_t dropped;
  uint32_t tag;
  /* Of fixed size, so that there is room for the finding of memory gone. */
  const oq_diag *list[OQ_MAX_DIAGS];
  uint32_t tags[OQ_MAX_DIAGS];
};

static const oq_diag memory_gone = {.severity = OQ_ERROR,
                                    .status = OQ_E_MEMORY,
                                    .id = "memory.exhausted",
                                    .text = "an allocation failed",
                                    .offset = UINT64_MAX};

oq_status oq_diags_create(oq_diags **out, oq_alloc *a) {
  oq_arena *arena = NULL;
  oq_diags *d = (oq_diags *)oq_alloc_get(a, sizeof *d, _Alignof(oq_diags));

  if (d == NULL) return OQ_E_MEMORY;
  const oq_status s = oq_arena_create(&arena, a, 0);
  if (s != OQ_OK) {
    oq_alloc_put(a, d, sizeof *d);
    return s;
  }
  memset(d, 0, sizeof *d);
  d->alloc = a;
  d->arena = arena;
  *out = d;
  return OQ_OK;
}

void oq_diags_destroy(oq_diags *d) {
  if (d == NULL) return;
  oq_arena_destroy(d->arena);
  oq_alloc_put(d->alloc, d, sizeof *d);
}

void oq_diags_set_listener(oq_diags *d,
                           void (*on_diag)(void *user, const oq_diag *d),
                           void *user) {
  d->on_diag = on_diag;
  d->user = user;
}

size_t oq_diags_count(const oq_diags *d) { return d->n; }

const oq_diag *oq_diags_at(const oq_diags *d, size_t i) {
  return i < d->n ? d->list[i] : NULL;
}

uint64_t oq_diags_dropped(const oq_diags *d) { return d->dropped; }

void oq_diags_clear(oq_diags *d) {
  oq_arena_rewind(d->arena, (oq_mark){NULL, 0, NULL});
  d->n = 0;
  d->dropped = 0;
}

oq_alloc *oq_diags_alloc(const oq_diags *d) { return d->alloc; }

void oq_diags_set_tag(oq_diags *d, uint32_t tag) { d->tag = tag; }

uint32_t oq_diags_tag_at(const oq_diags *d, size_t i) { return d->tags[i]; }

static bool has_place(const oq_diags *d, oq_severity severity) {
  const size_t kept = severity == OQ_ERROR ? 0 : KEPT_FOR_ERRORS;

  return d->n < OQ_MAX_DIAGS - kept;
}

/* `x` must live as long as the list. */
static void push(oq_diags *d, const oq_diag *x) {
  d->list[d->n] = x;
  d->tags[d->n++] = d->tag;
  if (d->on_diag != NULL) d->on_diag(d->user, x);
}

static void push_memory_gone(oq_diags *d) {
  if (d->n != 0 && d->list[d->n - 1] == &memory_gone) return;
  if (!has_place(d, OQ_ERROR)) {
    d->dropped++;
    return;
  }
  push(d, &memory_gone);
}

static bool copy_text(oq_arena *a, const char **text) {
  if (*text == NULL) return true;
  *text = oq_arena_copy_text(a, *text, strlen(*text));
  return *text != NULL;
}

static bool copy_all(oq_arena *a, oq_diag *x) {
  return copy_text(a, &x->id) && copy_text(a, &x->text) &&
         copy_text(a, &x->hint) && copy_text(a, &x->graph) &&
         copy_text(a, &x->node) && copy_text(a, &x->op) &&
         copy_text(a, &x->value) && copy_text(a, &x->attr);
}

/* Records a copy of `x`, whose texts are safe to show already. */
static void add(oq_diags *d, const oq_diag *x) {
  if (x == &memory_gone) {
    push_memory_gone(d);
    return;
  }
  if (!has_place(d, x->severity)) {
    d->dropped++;
    return;
  }
  oq_diag *copy = OQ_NEW(d->arena, oq_diag);
  if (copy != NULL) *copy = *x;
  if (copy == NULL || !copy_all(d->arena, copy)) {
    push_memory_gone(d);
    return;
  }
  push(d, copy);
}

void oq_diags_append(oq_diags *into, oq_diags *from) {
  for (size_t i = 0; i < from->n; i++) add(into, from->list[i]);
  into->dropped += from->dropped;
  oq_diags_clear(from);
}

void oq_diags_copy_one(oq_diags *into, const oq_diags *from, size_t i) {
  add(into, from->list[i]);
}

void oq_diags_count_dropped(oq_diags *d, uint64_t n) { d->dropped += n; }

/* The names of a place, safe to show, in one buffer per name. */
typedef struct place {
  char graph[MAX_PLACE], node[MAX_PLACE], op[MAX_PLACE], value[MAX_PLACE],
      attr[MAX_PLACE];
} place;

static const char *safe(char out[MAX_PLACE], const char *name) {
  if (name == NULL) return NULL;
  oq_text_escape(out, MAX_PLACE, name);
  return out;
}

static void record(oq_diags *d, oq_severity severity, oq_status s,
                   const char *id, const oq_where *w, const char *fmt,
                   va_list args) {
  char raw[MAX_TEXT], text[MAX_TEXT];
  place p;

  if (d == NULL) return;
  if (!has_place(d, severity)) {
    d->dropped++;
    return;
  }
  const int n = vsnprintf(raw, sizeof raw, fmt, args);
  if (n < 0) raw[0] = '\0';
  if (n >= (int)sizeof raw) memcpy(raw + sizeof raw - 4, "...", 4);
  oq_text_escape(text, sizeof text, raw);

  oq_diag x = {.severity = severity, .status = s, .id = id, .text = text};
  x.offset = UINT64_MAX;
  if (w != NULL) {
    x.graph = safe(p.graph, w->graph);
    x.node = safe(p.node, w->node);
    x.op = safe(p.op, w->op);
    x.value = safe(p.value, w->value);
    x.attr = safe(p.attr, w->attr);
    x.offset = w->offset;
    x.hint = w->hint;
  }
  add(d, &x);
}

oq_status oq_fail(oq_diags *d, oq_status s, const char *id, const oq_where *w,
                  const char *fmt, ...) {
  va_list args;

  va_start(args, fmt);
  record(d, OQ_ERROR, s, id, w, fmt, args);
  va_end(args);
  return s;
}

void oq_warn(oq_diags *d, const char *id, const oq_where *w, const char *fmt,
             ...) {
  va_list args;

  va_start(args, fmt);
  record(d, OQ_WARNING, OQ_OK, id, w, fmt, args);
  va_end(args);
}

void oq_note(oq_diags *d, const char *id, const oq_where *w, const char *fmt,
             ...) {
  va_list args;

  va_start(args, fmt);
  record(d, OQ_NOTE, OQ_OK, id, w, fmt, args);
  va_end(args);
}

oq_status oq_fail_memory(oq_diags *d) {
  if (d != NULL) push_memory_gone(d);
  return OQ_E_MEMORY;
}
