/* onnx/wire.c - bounded walk along protobuf-c's own descriptors. */
#include "onnx/wire.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/vec.h"
#include "onnx.pb-c.h"

/* ---- reading ------------------------------------------------------------ */
bool oq_wire_varint(oq_cursor *c, uint64_t *out) {
  uint64_t v = 0;

  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (c->p == c->end) return false;
    const uint8_t byte = *c->p++;
    if (shift == 63 && byte > 1) return false; /* more than 64 bits */
    v |= (uint64_t)(byte & 0x7fu) << shift;
    if (byte < 0x80) {
      *out = v;
      return true;
    }
  }
  return false;
}

size_t oq_wire_put_varint(uint8_t out[10], uint64_t v) {
  size_t n = 0;

  for (; v >= 0x80; v >>= 7) out[n++] = (uint8_t)(v | 0x80);
  out[n++] = (uint8_t)v;
  return n;
}

/* The subtraction is on the trusted side: end - p never wraps, p + n could. */
static bool take_span(oq_cursor *c, uint64_t n, oq_span *out) {
  if (n > (uint64_t)(c->end - c->p)) return false;
  *out = (oq_span){c->p, (size_t)n};
  c->p += n;
  return true;
}

static const char *take_value(oq_field *f, oq_cursor *c) {
  const uint8_t *const start = c->p;
  uint64_t n;

  switch (f->wire) {
    case 0:
      if (!oq_wire_varint(c, &f->varint)) return "an unfinished varint";
      f->value = (oq_span){start, (size_t)(c->p - start)};
      return NULL;
    case 1:
      return take_span(c, 8, &f->value) ? NULL : "an unfinished 64-bit value";
    case 2:
      if (!oq_wire_varint(c, &n)) return "an unfinished length";
      if (n > INT32_MAX) return "a length above 2 GiB";
      return take_span(c, n, &f->value) ? NULL
                                        : "a length beyond the end of its "
                                          "message";
    case 5:
      return take_span(c, 4, &f->value) ? NULL : "an unfinished 32-bit value";
    case 3:
    case 4:
      return "a group, which ONNX does not use";
    default:
      return "a wire type that does not exist";
  }
}

const char *oq_wire_next(oq_field *out, oq_cursor *c) {
  oq_field f = {0};
  const uint8_t *const start = c->p;
  uint64_t tag;

  if (!oq_wire_varint(c, &tag)) return "an unfinished field number";
  if (tag >> 32 != 0) return "a field number above 2^29";
  if (tag >> 3 == 0) return "field number 0";
  f.number = (uint32_t)(tag >> 3);
  f.wire = (unsigned)(tag & 7);
  const char *wrong = take_value(&f, c);
  if (wrong != NULL) return wrong;
  f.whole = (oq_span){start, (size_t)(c->p - start)};
  *out = f;
  return NULL;
}

/* ---- what has a place in the graph -------------------------------------- */
#define BIT(n) (UINT64_C(1) << (n))

typedef enum special { PLAIN, ATTRIBUTE, TENSOR, TYPE } special;

typedef struct rule {
  const ProtobufCMessageDescriptor *desc;
  uint64_t fields; /* numbers that go to the slim copy */
  special special;
  bool inner;      /* part of something kept whole: the rest may be dropped */
  bool names;      /* texts are names */
  uint32_t domain; /* number of a domain, of which "ai.onnx" is the default */
  uint32_t cost;   /* of the object in the graph, in bytes */
} rule;

static const rule rules[] = {
    {&oqpb__node_proto__descriptor,
     BIT(1) | BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(7) | BIT(8), PLAIN, false,
     true, 7, 256},
    {&oqpb__attribute_proto__descriptor, BIT(1) | BIT(20) | BIT(21), ATTRIBUTE,
     false, true, 0, 128},
    {&oqpb__tensor_proto__descriptor,
     BIT(1) | BIT(2) | BIT(8) | BIT(13) | BIT(14), TENSOR, false, true, 0, 256},
    {&oqpb__value_info_proto__descriptor, BIT(1) | BIT(2), PLAIN, false, true,
     0, 320},
    {&oqpb__type_proto__descriptor, BIT(1), TYPE, true, true, 0, 0},
    {&oqpb__type_proto__tensor__descriptor, BIT(1) | BIT(2), PLAIN, true, true,
     0, 0},
    {&oqpb__tensor_shape_proto__descriptor, BIT(1), PLAIN, true, true, 0, 0},
    {&oqpb__tensor_shape_proto__dimension__descriptor, BIT(1) | BIT(2), PLAIN,
     true, true, 0, 0},
    {&oqpb__string_string_entry_proto__descriptor, BIT(1) | BIT(2), PLAIN, true,
     false, 0, 0},
    {&oqpb__operator_set_id_proto__descriptor, BIT(1) | BIT(2), PLAIN, false,
     true, 1, 64},
    {&oqpb__graph_proto__descriptor,
     BIT(1) | BIT(2) | BIT(5) | BIT(11) | BIT(12) | BIT(13), PLAIN, false, true,
     0, 1024},
    {&oqpb__model_proto__descriptor,
     BIT(1) | BIT(2) | BIT(3) | BIT(7) | BIT(8) | BIT(14), PLAIN, false, false,
     0, 1024},
    {&oqpb__function_proto__descriptor,
     BIT(1) | BIT(4) | BIT(5) | BIT(6) | BIT(7) | BIT(9) | BIT(10) | BIT(11) |
         BIT(13),
     PLAIN, false, true, 10, 1024},
    {&oqpb__sequence_proto__descriptor,
     BIT(1) | BIT(2) | BIT(3) | BIT(5) | BIT(7), PLAIN, false, true, 0, 256},
    {&oqpb__optional_proto__descriptor,
     BIT(1) | BIT(2) | BIT(3) | BIT(5) | BIT(7), PLAIN, false, true, 0, 256},
};

static const rule *rule_of(const ProtobufCMessageDescriptor *desc) {
  for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
    if (rules[i].desc == desc) return &rules[i];
  }
  return NULL;
}

/* AttributeProto: field that holds the value, by AttributeType. */
static const uint8_t attr_field[] = {0, 2,  3,  4,  5,  6,  7, 8,
                                     9, 10, 11, 22, 23, 14, 15};
#define N_ATTR_KINDS (sizeof attr_field)

#define TENSOR_PAYLOADS \
  (BIT(4) | BIT(5) | BIT(6) | BIT(7) | BIT(9) | BIT(10) | BIT(11))

/* ---- the walk ----------------------------------------------------------- */
#define MAX_FIELDS 24 /* of any message of the schema; 18 is the most today */

/* Rough bytes that protobuf-c and the graph need besides the struct itself. */
#define COST_MESSAGE 48
#define COST_FIELD 64
#define COST_TEXT 192 /* of an attribute */
#define COST_NAME 320 /* of a value */

typedef struct place {
  const struct place *up;                /* NULL for the root */
  const ProtobufCFieldDescriptor *field; /* in the message above */
  uint32_t index;
  uint32_t depth, graphs;
} place;

typedef struct bytes {
  uint8_t *p;
  size_t n, cap;
} bytes;

typedef struct walker {
  const uint8_t *base;
  const oq_wire_limits *limits;
  oq_arena *keep, *scratch;
  oq_diags *diags;
  bytes slim;
  OQ_VEC(oq_payload) payloads;
  OQ_VEC(const oq_extra *) extras;
  OQ_VEC(oq_span) texts;
  uint64_t cost;
  uint32_t n_nodes;
} walker;

/* Pieces of the file put together; one run of bytes stays where it is. */
typedef struct gather {
  oq_span run;
  bytes joined;
  bool is_joined;
} gather;

/* One message while it is walked. */
typedef struct level {
  const place *at;
  const ProtobufCMessageDescriptor *desc;
  const rule *rule;
  const oq_span *segs; /* the message; several if duplicates were merged */
  uint32_t n_segs;
  uint32_t count[MAX_FIELDS], last[MAX_FIELDS]; /* by index of the field */
  uint32_t one_from;  /* fields of a oneof before this one are overwritten */
  int one_field;      /* index of its last member, or -1 */
  uint64_t fields;    /* rule->fields, and for attributes that of the value */
  uint64_t raw_field; /* of attributes whose value is kept as it came */
  gather extra, raw;
} level;

static oq_status no_memory(walker *w) { return oq_fail_memory(w->diags); }

/* "graph.node[12].attribute[0].t", built from the end. */
static const char *path_text(char *buf, size_t cap, const place *at) {
  char *p = buf + cap - 1;

  *p = '\0';
  for (; at->up != NULL; at = at->up) {
    char part[96];
    int n;
    if (at->field->label == PROTOBUF_C_LABEL_REPEATED) {
      n = snprintf(part, sizeof part, "%s[%u]", at->field->name, at->index);
    } else {
      n = snprintf(part, sizeof part, "%s", at->field->name);
    }
    const bool dot = *p != '\0';
    if (n < 0 || (size_t)n + 4 + dot > (size_t)(p - buf)) {
      p -= 3;
      memcpy(p, "...", 3);
      break;
    }
    if (dot) *--p = '.';
    p -= n;
    memcpy(p, part, (size_t)n);
  }
  return *p != '\0' ? p : "the outermost message";
}

static oq_status refuse(walker *w, const place *at, const uint8_t *where,
                        oq_status s, const char *id, const char *fmt, ...)
    OQ_PRINTF(6, 7);

static oq_status refuse(walker *w, const place *at, const uint8_t *where,
                        oq_status s, const char *id, const char *fmt, ...) {
  oq_where spot = OQ_WHERE_INIT;
  char path[400], text[400];
  va_list args;

  va_start(args, fmt);
  (void)vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  if (where != NULL) spot.offset = (uint64_t)(where - w->base);
  return oq_fail(w->diags, s, id, &spot, "%s: %s",
                 path_text(path, sizeof path, at), text);
}

static oq_status charge(walker *w, const place *at, uint64_t cost) {
  w->cost += cost;
  if (w->cost <= w->limits->max_cost) return OQ_OK;
  return refuse(w, at, NULL, OQ_E_LIMIT, "limit.decode",
                "the messages need more than %llu bytes of memory, out of "
                "proportion to the file",
                (unsigned long long)w->limits->max_cost);
}

/* ---- buffers ------------------------------------------------------------ */
static bool bytes_put(bytes *b, oq_arena *a, const void *p, size_t n) {
  size_t need;

  if (n == 0) return true;
  if (!oq_add_size(&need, b->n, n)) return false;
  if (need > b->cap) {
    size_t cap = b->cap < 256 ? 256 : b->cap;
    while (cap < need) {
      if (!oq_mul_size(&cap, cap, 2)) return false;
    }
    uint8_t *bigger = (uint8_t *)oq_arena_alloc_raw(a, cap, 1, 1);
    if (bigger == NULL) return false;
    if (b->n != 0) memcpy(bigger, b->p, b->n);
    b->p = bigger;
    b->cap = cap;
  }
  memcpy(b->p + b->n, p, n);
  b->n += n;
  return true;
}

static bool gather_add(gather *g, oq_arena *a, oq_span s) {
  if (s.n == 0) return true;
  if (!g->is_joined) {
    if (g->run.n == 0) {
      g->run = s;
      return true;
    }
    if (g->run.p + g->run.n == s.p) {
      g->run.n += s.n;
      return true;
    }
    if (!bytes_put(&g->joined, a, g->run.p, g->run.n)) return false;
    g->is_joined = true;
  }
  return bytes_put(&g->joined, a, s.p, s.n);
}

static oq_span gather_bytes(const gather *g) {
  return g->is_joined ? (oq_span){g->joined.p, g->joined.n} : g->run;
}

static bool put_varint(walker *w, uint64_t v) {
  uint8_t b[10];

  return bytes_put(&w->slim, w->scratch, b, oq_wire_put_varint(b, v));
}

static bool put_tag(walker *w, uint32_t number, unsigned wire) {
  return put_varint(w, (uint64_t)number << 3 | wire);
}

static bool put_number(walker *w, uint32_t number, uint64_t v) {
  return put_tag(w, number, 0) && put_varint(w, v);
}

/* The length of a slim message is known only at its end: five bytes are kept
 * free for it, which is a valid, if long, varint. */
#define LENGTH_BYTES 5

static bool open_message(walker *w, uint32_t number, size_t *at) {
  static const uint8_t room[LENGTH_BYTES] = {0};

  if (!put_tag(w, number, 2)) return false;
  *at = w->slim.n;
  return bytes_put(&w->slim, w->scratch, room, sizeof room);
}

static bool close_message(walker *w, size_t at) {
  const size_t n = w->slim.n - at - LENGTH_BYTES;

  if (n > INT32_MAX) return false; /* the slim copy is far below that */
  for (unsigned i = 0; i < LENGTH_BYTES; i++) {
    const unsigned more = i + 1 < LENGTH_BYTES ? 0x80u : 0;
    w->slim.p[at + i] = (uint8_t)((n >> (7 * i) & 0x7f) | more);
  }
  return true;
}

/* Keeps what was gathered and leaves its number in the slim message. */
static oq_status put_extra(walker *w, uint32_t number, const gather *g) {
  static const uint8_t nothing[1] = {0};
  const oq_span s = gather_bytes(g);
  oq_extra *x = OQ_NEW(w->keep, oq_extra);

  if (x == NULL) return no_memory(w);
  x->bytes = s.n != 0 ? s.p : nothing; /* no arithmetic on NULL */
  x->size = s.n;
  if (g->is_joined) {
    x->bytes = OQ_COPY_N(w->keep, uint8_t, s.p, s.n);
    if (x->bytes == NULL) return no_memory(w);
  }
  if (!put_number(w, number, w->extras.n) ||
      !oq_vec_push(w->scratch, &w->extras, x)) {
    return no_memory(w);
  }
  return OQ_OK;
}

/* ---- checks of single fields -------------------------------------------- */
static int find_field(const ProtobufCMessageDescriptor *desc, uint32_t number) {
  unsigned lo = 0, hi = desc->n_fields;

  while (lo < hi) {
    const unsigned mid = (lo + hi) / 2;
    if (desc->fields[mid].id < number) {
      lo = mid + 1;
    } else {
      hi = mid;
    }
  }
  return lo < desc->n_fields && desc->fields[lo].id == number ? (int)lo : -1;
}

static unsigned wire_of(ProtobufCType t) {
  switch (t) {
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
      return 1;
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
      return 5;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
      return 2;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_ENUM:
      break;
  }
  return 0;
}

static bool is_packed(const ProtobufCFieldDescriptor *d, const oq_field *f) {
  return d->label == PROTOBUF_C_LABEL_REPEATED && f->wire == 2 &&
         wire_of(d->type) != 2;
}

static bool is_packed_sound(const ProtobufCFieldDescriptor *d, oq_span s) {
  const unsigned wire = wire_of(d->type);
  oq_cursor c = {s.p, s.p + s.n};
  uint64_t v;

  if (wire == 1) return s.n % 8 == 0;
  if (wire == 5) return s.n % 4 == 0;
  while (c.p < c.end) {
    if (!oq_wire_varint(&c, &v)) return false;
  }
  return true;
}

/* doc_string is prose, not a name, and never decoded. */
static bool is_name(const ProtobufCFieldDescriptor *d) {
  return d->type == PROTOBUF_C_TYPE_STRING &&
         strcmp(d->name, "doc_string") != 0;
}

/* `fresh`: the value itself is looked at too. */
static oq_status check_field(walker *w, const place *at,
                             const ProtobufCFieldDescriptor *d,
                             const oq_field *f) {
  if (f->wire != wire_of(d->type) && !is_packed(d, f)) {
    return refuse(w, at, f->whole.p, OQ_E_FORMAT, "onnx.wire_type",
                  "field '%s' (%u) has wire type %u, expected %u", d->name,
                  d->id, f->wire, wire_of(d->type));
  }
  if (is_name(d) && f->value.n != 0 && memchr(f->value.p, 0, f->value.n)) {
    return refuse(w, at, f->whole.p, OQ_E_FORMAT, "onnx.nul",
                  "the text of field '%s' contains a NUL byte", d->name);
  }
  return OQ_OK;
}

static oq_status next_field(walker *w, const place *at, oq_cursor *c,
                            oq_field *f) {
  const uint8_t *const start = c->p;
  const char *wrong = oq_wire_next(f, c);

  if (wrong == NULL) return OQ_OK;
  return refuse(w, at, start, OQ_E_FORMAT, "onnx.wire", "%s", wrong);
}

static oq_status go_down(walker *w, place *down, const place *at,
                         const ProtobufCFieldDescriptor *d, uint32_t index,
                         const uint8_t *where) {
  *down = (place){at, d, index, at->depth + 1, at->graphs};
  if (d->descriptor == &oqpb__graph_proto__descriptor) down->graphs++;
  if (down->depth > OQ_MAX_MESSAGE_DEPTH) {
    return refuse(w, at, where, OQ_E_LIMIT, "limit.message_depth",
                  "messages are nested more than %d deep",
                  OQ_MAX_MESSAGE_DEPTH);
  }
  if (down->graphs > w->limits->max_graph_depth) {
    return refuse(w, at, where, OQ_E_LIMIT, "limit.graph_depth",
                  "graphs are nested more than %u deep",
                  w->limits->max_graph_depth);
  }
  return OQ_OK;
}

/* A message that is kept as it came: structure only. */
static oq_status check_message(walker *w, const place *at,
                               const ProtobufCMessageDescriptor *desc,
                               oq_span s) {
  uint32_t count[MAX_FIELDS] = {0};
  oq_cursor c = {s.p, s.p + s.n};
  oq_field f;

  while (c.p < c.end) {
    OQ_TRY(next_field(w, at, &c, &f));
    const int i = find_field(desc, f.number);
    if (i < 0) continue;
    const ProtobufCFieldDescriptor *d = &desc->fields[i];
    OQ_TRY(check_field(w, at, d, &f));
    if (is_packed(d, &f) && !is_packed_sound(d, f.value)) {
      return refuse(w, at, f.whole.p, OQ_E_FORMAT, "onnx.packed",
                    "the packed numbers of field '%s' are cut off", d->name);
    }
    if (d->type == PROTOBUF_C_TYPE_MESSAGE) {
      place down;
      OQ_TRY(go_down(w, &down, at, d, count[i]++, f.whole.p));
      OQ_TRY(check_message(w, &down,
                           (const ProtobufCMessageDescriptor *)d->descriptor,
                           f.value));
    }
  }
  return OQ_OK;
}

/* ---- one message: first look -------------------------------------------- */
/* A position in a message of several segments. */
typedef struct reader {
  const level *l;
  uint32_t seg;
  oq_cursor c;
  uint32_t n; /* fields read */
} reader;

static void reader_init(reader *r, const level *l) {
  *r = (reader){l, 0, {NULL, NULL}, 0};
  if (l->n_segs != 0) {
    r->c = (oq_cursor){l->segs[0].p, l->segs[0].p + l->segs[0].n};
  }
}

static bool reader_more(reader *r) {
  while (r->c.p == r->c.end) {
    if (r->seg + 1 >= r->l->n_segs) return false;
    const oq_span *s = &r->l->segs[++r->seg];
    r->c = (oq_cursor){s->p, s->p + s->n};
  }
  return true;
}

/* After the first look no field can be wrong. */
static void reader_next(reader *r, oq_field *f) {
  if (oq_wire_next(f, &r->c) != NULL) r->c.p = r->c.end;
  r->n++;
}

static bool in_oneof(const ProtobufCFieldDescriptor *d) {
  return (d->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
}

/* A field that the slim copy will not have stays whole, so it is checked here
 * and now to the bottom. */
static oq_status look_field(walker *w, level *l, int i, const oq_field *f,
                            uint32_t n) {
  const ProtobufCFieldDescriptor *d = &l->desc->fields[i];

  OQ_TRY(check_field(w, l->at, d, f));
  if (in_oneof(d) && l->one_field != i) {
    l->one_field = i;
    l->one_from = n;
  }
  l->count[i]++;
  l->last[i] = n;
  return OQ_OK;
}

static oq_status look(walker *w, level *l) {
  reader r;
  oq_field f;

  l->one_field = -1;
  reader_init(&r, l);
  while (reader_more(&r)) {
    OQ_TRY(next_field(w, l->at, &r.c, &f));
    if (r.n == UINT32_MAX) return no_memory(w);
    const int i = find_field(l->desc, f.number);
    if (i >= 0) OQ_TRY(look_field(w, l, i, &f, r.n));
    r.n++;
  }
  return OQ_OK;
}

/* The last value of a varint field; 0 if there is none. */
static uint64_t last_varint(const level *l, uint32_t number) {
  const int i = find_field(l->desc, number);
  reader r;
  oq_field f;

  if (i < 0 || l->count[i] == 0) return 0;
  reader_init(&r, l);
  while (reader_more(&r)) {
    const uint32_t n = r.n;
    reader_next(&r, &f);
    if (n == l->last[i]) return f.varint;
  }
  return 0;
}

/* ---- one message: copy -------------------------------------------------- */
static oq_status walk(walker *w, const place *at,
                      const ProtobufCMessageDescriptor *desc,
                      const oq_span *segs, uint32_t n_segs);

static oq_status keep_whole(walker *w, level *l, int i, const oq_field *f,
                            uint32_t index) {
  if (i >= 0 && l->desc->fields[i].type == PROTOBUF_C_TYPE_MESSAGE) {
    const ProtobufCFieldDescriptor *d = &l->desc->fields[i];
    place down;
    OQ_TRY(go_down(w, &down, l->at, d, index, f->whole.p));
    OQ_TRY(check_message(
        w, &down, (const ProtobufCMessageDescriptor *)d->descriptor, f->value));
  }
  if (l->rule->inner) return OQ_OK;
  gather *g = (i >= 0 && f->number < 64 && (l->raw_field >> f->number & 1) != 0)
                  ? &l->raw
                  : &l->extra;
  return gather_add(g, w->scratch, f->whole) ? OQ_OK : no_memory(w);
}

/* Present, but what an absent field means as well. */
static bool is_default(const level *l, const ProtobufCFieldDescriptor *d,
                       const oq_field *f) {
  if (l->rule->inner || d->label == PROTOBUF_C_LABEL_REPEATED) return false;
  if (d->type == PROTOBUF_C_TYPE_STRING) {
    return f->value.n == 0 || (d->id == l->rule->domain && f->value.n == 7 &&
                               memcmp(f->value.p, "ai.onnx", 7) == 0);
  }
  if (l->rule->special == ATTRIBUTE && d->id != 20) return false;
  return f->wire == 0 && f->varint == 0;
}

static bool is_plain_pair(oq_span s) {
  oq_cursor c = {s.p, s.p + s.n};
  oq_field f;

  for (uint32_t i = 1; i <= 2; i++) {
    if (c.p == c.end || oq_wire_next(&f, &c) != NULL) return false;
    if (f.number != i || f.wire != 2) return false;
  }
  return c.p == c.end;
}

static bool key_is(oq_span s, const char *key) {
  oq_cursor c = {s.p, s.p + s.n};
  oq_field f;

  return oq_wire_next(&f, &c) == NULL && f.value.n == strlen(key) &&
         memcmp(f.value.p, key, f.value.n) == 0;
}

/* Entries of metadata_props and external_data that the graph has no place for:
 * of another form, or with another key. */
static bool is_odd_pair(const level *l, const oq_field *f) {
  if (l->desc == &oqpb__model_proto__descriptor && f->number == 14) {
    return !is_plain_pair(f->value);
  }
  if (l->rule->special == TENSOR && f->number == 13) {
    return !is_plain_pair(f->value) ||
           !(key_is(f->value, "location") || key_is(f->value, "offset") ||
             key_is(f->value, "length"));
  }
  return false;
}

static oq_status put_text(walker *w, const oq_field *f) {
  uint8_t number[4];

  if (w->texts.n == UINT32_MAX) return no_memory(w);
  for (unsigned i = 0; i < 4; i++) number[i] = (uint8_t)(w->texts.n >> 8 * i);
  if (!put_tag(w, f->number, 2) || !put_varint(w, sizeof number) ||
      !bytes_put(&w->slim, w->scratch, number, sizeof number) ||
      !oq_vec_push(w->scratch, &w->texts, f->value)) {
    return no_memory(w);
  }
  return OQ_OK;
}

static oq_status put_scalar(walker *w, const level *l,
                            const ProtobufCFieldDescriptor *d,
                            const oq_field *f) {
  bool ok = put_tag(w, f->number, f->wire);

  if (d->type == PROTOBUF_C_TYPE_STRING && l->rule->names &&
      f->value.n > OQ_MAX_NAME) {
    return refuse(w, l->at, f->whole.p, OQ_E_LIMIT, "limit.name",
                  "the text of field '%s' has %zu bytes, more than %d", d->name,
                  f->value.n, OQ_MAX_NAME);
  }
  if (is_packed(d, f)) {
    if (!is_packed_sound(d, f->value)) {
      return refuse(w, l->at, f->whole.p, OQ_E_FORMAT, "onnx.packed",
                    "the packed numbers of field '%s' are cut off", d->name);
    }
    OQ_TRY(charge(w, l->at, 16 * (uint64_t)f->value.n));
  }
  if (f->wire == 2) ok = ok && put_varint(w, f->value.n);
  ok = ok && bytes_put(&w->slim, w->scratch, f->value.p, f->value.n);
  if (!ok) return no_memory(w);
  const bool value = d->type == PROTOBUF_C_TYPE_STRING &&
                     d->label == PROTOBUF_C_LABEL_REPEATED;
  return charge(w, l->at,
                (value ? COST_NAME : COST_FIELD) + 2 * (uint64_t)f->value.n);
}

/* All occurrences of a singular message: protobuf merges them, which is what
 * their bytes one after the other mean. */
static oq_status collect(walker *w, const level *l, int i, oq_span **out,
                         uint32_t *n) {
  const uint32_t number = l->desc->fields[i].id;
  const bool one = in_oneof(&l->desc->fields[i]);
  oq_span *s = OQ_NEW_N(w->scratch, oq_span, l->count[i]);
  reader r;
  oq_field f;

  if (s == NULL) return no_memory(w);
  *n = 0;
  reader_init(&r, l);
  while (reader_more(&r)) {
    const uint32_t at = r.n;
    reader_next(&r, &f);
    if (f.number == number && !(one && at < l->one_from)) s[(*n)++] = f.value;
  }
  *out = s;
  return OQ_OK;
}

static oq_status put_message(walker *w, const level *l, int i,
                             const oq_field *f, uint32_t index) {
  const ProtobufCFieldDescriptor *d = &l->desc->fields[i];
  oq_span *segs = NULL;
  uint32_t n_segs = 1;
  place down;
  size_t at;

  OQ_TRY(go_down(w, &down, l->at, d, index, f->whole.p));
  if (d->label != PROTOBUF_C_LABEL_REPEATED && l->count[i] > 1) {
    OQ_TRY(collect(w, l, i, &segs, &n_segs));
  }
  if (!open_message(w, f->number, &at)) return no_memory(w);
  OQ_TRY(walk(w, &down, (const ProtobufCMessageDescriptor *)d->descriptor,
              segs != NULL ? segs : &f->value, n_segs));
  return close_message(w, at) ? OQ_OK : no_memory(w);
}

/* Is this occurrence (number n, the `seen`-th of its kind) the one to copy? */
static bool is_current(const level *l, int i, uint32_t n, uint32_t seen) {
  const ProtobufCFieldDescriptor *d = &l->desc->fields[i];

  if (d->label == PROTOBUF_C_LABEL_REPEATED) return true;
  if (in_oneof(d)) {
    if (l->one_field != i || n < l->one_from) return false;
    if (d->type == PROTOBUF_C_TYPE_MESSAGE) return n == l->one_from;
    return n == l->last[i];
  }
  if (d->type == PROTOBUF_C_TYPE_MESSAGE) return seen == 0;
  return n == l->last[i];
}

static bool is_attr_text(const level *l, const oq_field *f) {
  return l->rule->special == ATTRIBUTE && (f->number == 4 || f->number == 9);
}

static bool is_payload(const level *l, uint32_t number) {
  return l->rule->special == TENSOR && number < 64 &&
         (TENSOR_PAYLOADS >> number & 1) != 0;
}

/* Payloads are looked up later, at once.  Empty ones say nothing, but stay. */
static oq_status copy_payload(walker *w, level *l, int i, const oq_field *f,
                              uint32_t n) {
  if (f->value.n != 0 || f->number == 6) return OQ_OK;
  if (f->number == 9 && n != l->last[i]) return OQ_OK;
  return keep_whole(w, l, i, f, 0);
}

static oq_status copy_field(walker *w, level *l, int i, const oq_field *f,
                            uint32_t n, uint32_t seen) {
  const bool wanted =
      i >= 0 && f->number < 64 && (l->fields >> f->number & 1) != 0;

  if (i >= 0 && is_payload(l, f->number)) {
    return copy_payload(w, l, i, f, n);
  }
  if (!wanted || is_odd_pair(l, f)) return keep_whole(w, l, i, f, seen);
  if (!is_current(l, i, n, seen)) return OQ_OK;
  const ProtobufCFieldDescriptor *d = &l->desc->fields[i];
  if (is_default(l, d, f)) return keep_whole(w, l, i, f, 0);
  if (is_attr_text(l, f)) {
    OQ_TRY(charge(w, l->at, COST_TEXT));
    return put_text(w, f);
  }
  if (d->type == PROTOBUF_C_TYPE_MESSAGE) return put_message(w, l, i, f, seen);
  return put_scalar(w, l, d, f);
}

static oq_status copy(walker *w, level *l) {
  uint32_t seen[MAX_FIELDS] = {0};
  reader r;
  oq_field f;

  reader_init(&r, l);
  while (reader_more(&r)) {
    const uint32_t n = r.n;
    reader_next(&r, &f);
    const int i = find_field(l->desc, f.number);
    OQ_TRY(copy_field(w, l, i, &f, n, i >= 0 ? seen[i]++ : 0));
  }
  return OQ_OK;
}

/* ---- attributes --------------------------------------------------------- */
/* By `type`, or, in files that do not say it, by the field that is there. */
static void choose_attr_value(level *l, bool *no_type, uint32_t *kind) {
  const uint64_t type = last_varint(l, 20);

  *no_type = type == 0;
  *kind = type < N_ATTR_KINDS ? (uint32_t)type : 0;
  for (uint32_t k = 1; type == 0 && k < N_ATTR_KINDS && *kind == 0; k++) {
    const int i = find_field(l->desc, attr_field[k]);
    if (i >= 0 && l->count[i] != 0) *kind = k;
  }
  if (*kind == 0) {
    l->fields &= ~BIT(20); /* nothing the graph knows: keep it as it came */
  } else if (*kind >= OQ_ATTR_SPARSE) {
    l->raw_field = BIT(attr_field[*kind]);
  } else {
    l->fields |= BIT(attr_field[*kind]);
  }
}

static bool add_mark(walker *w, level *l, uint8_t mark) {
  static const uint8_t marks[][2] = {{0, 0}, {0, 1}, {0, 2}};

  return gather_add(&l->extra, w->scratch, (oq_span){marks[mark], 2});
}

static oq_status walk_attribute(walker *w, level *l) {
  bool no_type;
  uint32_t kind;

  choose_attr_value(l, &no_type, &kind);
  OQ_TRY(copy(w, l));
  if (kind != 0 && no_type) {
    /* The type was found out here; tell the decoder, and that it was not
     * written. */
    if (!put_number(w, 20, kind)) return no_memory(w);
    if (!add_mark(w, l, OQ_MARK_NO_TYPE)) return no_memory(w);
  }
  const int i = kind != 0 ? find_field(l->desc, attr_field[kind]) : -1;
  if (i >= 0 && l->count[i] == 0 && kind <= OQ_ATTR_TEXT &&
      !add_mark(w, l, OQ_MARK_NO_VALUE)) {
    return no_memory(w);
  }
  return l->raw_field != 0 ? put_extra(w, OQ_SLIM_RAW, &l->raw) : OQ_OK;
}

/* ---- tensors ------------------------------------------------------------ */
/* Occurrences of one payload field. */
typedef struct found {
  uint32_t n_packed, n_single;
  gather wire;    /* with tags */
  oq_span packed; /* payload of the last packed chunk */
} found;

static oq_status find_payload(walker *w, const level *l, uint32_t number,
                              found *x) {
  const ProtobufCFieldDescriptor *d =
      &l->desc->fields[find_field(l->desc, number)];
  reader r;
  oq_field f;

  memset(x, 0, sizeof *x);
  reader_init(&r, l);
  while (reader_more(&r)) {
    reader_next(&r, &f);
    if (f.number != number) continue;
    if (number == 9) x->packed = f.value; /* the last one counts */
    /* Empty texts are elements; an empty packed chunk is none. */
    if (number == 9 || (f.value.n == 0 && number != 6)) continue;
    if (is_packed(d, &f)) {
      x->n_packed++;
      x->packed = f.value;
    } else {
      x->n_single++;
    }
    if (!gather_add(&x->wire, w->scratch, f.whole)) return no_memory(w);
  }
  return OQ_OK;
}

/* Several chunks, or chunks and single numbers, mean all numbers in one. */
static oq_status join_packed(walker *w, const level *l, uint32_t number,
                             oq_payload *p) {
  gather g = {0};
  reader r;
  oq_field f;

  reader_init(&r, l);
  while (reader_more(&r)) {
    reader_next(&r, &f);
    if (f.number != number) continue;
    if (!gather_add(&g, w->scratch, f.value)) return no_memory(w);
  }
  *p = (oq_payload){OQ_ENC_TYPED, number, gather_bytes(&g), g.is_joined};
  return OQ_OK;
}

static oq_status read_payload(walker *w, const level *l, uint32_t number,
                              oq_payload *p) {
  found x;

  OQ_TRY(find_payload(w, l, number, &x));
  if (number == 9) {
    *p = (oq_payload){OQ_ENC_RAW, 9, x.packed, false};
  } else if (number == 6) {
    *p = (oq_payload){OQ_ENC_STRINGS, 6, gather_bytes(&x.wire),
                      x.wire.is_joined};
  } else if (x.n_single == 0 && x.n_packed == 1) {
    *p = (oq_payload){OQ_ENC_TYPED, number, x.packed, false};
  } else if (x.n_packed == 0) {
    *p = (oq_payload){OQ_ENC_UNPACKED, number, gather_bytes(&x.wire),
                      x.wire.is_joined};
  } else {
    OQ_TRY(join_packed(w, l, number, p));
  }
  return OQ_OK;
}

static oq_status walk_payload(walker *w, const level *l) {
  oq_payload p = {OQ_ENC_RAW, 0, {NULL, 0}, false};

  for (unsigned i = 0; i < l->desc->n_fields; i++) {
    const uint32_t number = l->desc->fields[i].id;
    oq_payload q;
    if (!is_payload(l, number) || l->count[i] == 0) continue;
    OQ_TRY(read_payload(w, l, number, &q));
    if (q.bytes.n == 0) continue;
    if (p.field != 0) {
      return refuse(w, l->at, q.bytes.p, OQ_E_MODEL, "tensor.payload",
                    "the tensor has numbers in two fields (%u and %u)", p.field,
                    q.field);
    }
    p = q;
  }
  if (!put_number(w, OQ_SLIM_PAYLOAD, w->payloads.n) ||
      !oq_vec_push(w->scratch, &w->payloads, p)) {
    return no_memory(w);
  }
  return OQ_OK;
}

static oq_status walk_tensor(walker *w, level *l) {
  /* Without EXTERNAL the entries mean nothing and just stay. */
  if (last_varint(l, 14) != 1) l->fields &= ~BIT(13);
  OQ_TRY(copy(w, l));
  return walk_payload(w, l);
}

/* ---- any message -------------------------------------------------------- */
static oq_status check_counts(walker *w, const level *l) {
  if (l->desc == &oqpb__node_proto__descriptor) {
    if (++w->n_nodes > w->limits->max_nodes) {
      return refuse(w, l->at, NULL, OQ_E_LIMIT, "limit.nodes",
                    "the model has more than %u nodes", w->limits->max_nodes);
    }
  }
  const bool graph = l->desc == &oqpb__graph_proto__descriptor;
  if (!graph && l->desc != &oqpb__node_proto__descriptor) return OQ_OK;
  for (unsigned i = 0; i < l->desc->n_fields; i++) {
    const uint32_t id = l->desc->fields[i].id;
    const bool port = graph ? id == 11 || id == 12 : id == 1 || id == 2;
    if (port && l->count[i] > OQ_MAX_PORTS) {
      return refuse(w, l->at, NULL, OQ_E_LIMIT, "limit.ports",
                    "field '%s' has %u entries, more than %d",
                    l->desc->fields[i].name, l->count[i], OQ_MAX_PORTS);
    }
  }
  return OQ_OK;
}

static oq_status keep_type(walker *w, const level *l) {
  gather g = {0};

  for (uint32_t i = 0; i < l->n_segs; i++) {
    if (!gather_add(&g, w->scratch, l->segs[i])) return no_memory(w);
  }
  return put_extra(w, OQ_SLIM_EXTRA, &g);
}

static oq_status walk(walker *w, const place *at,
                      const ProtobufCMessageDescriptor *desc,
                      const oq_span *segs, uint32_t n_segs) {
  level l = {.at = at, .desc = desc, .segs = segs, .n_segs = n_segs};

  l.rule = rule_of(desc);
  if (l.rule == NULL || desc->n_fields > MAX_FIELDS) {
    return refuse(w, at, NULL, OQ_E_INTERNAL, "internal.schema",
                  "message %s has no rule", desc->name);
  }
  l.fields = l.rule->fields;
  OQ_TRY(charge(w, at, desc->sizeof_message + COST_MESSAGE + l.rule->cost));
  OQ_TRY(look(w, &l));
  OQ_TRY(check_counts(w, &l));
  switch (l.rule->special) {
    case ATTRIBUTE:
      OQ_TRY(walk_attribute(w, &l));
      break;
    case TENSOR:
      OQ_TRY(walk_tensor(w, &l));
      break;
    case TYPE:
      OQ_TRY(keep_type(w, &l));
      OQ_TRY(copy(w, &l));
      break;
    case PLAIN:
      OQ_TRY(copy(w, &l));
      break;
  }
  if (gather_bytes(&l.extra).n == 0) return OQ_OK;
  return put_extra(w, OQ_SLIM_EXTRA, &l.extra);
}

void oq_wire_limits_init(oq_wire_limits *out, size_t file_size,
                         const oq_limits *l) {
  const uint32_t nodes = l != NULL ? l->max_nodes : 0;
  const uint32_t graphs = l != NULL ? l->max_graph_depth : 0;

  out->max_cost =
      (uint64_t)file_size * OQ_MAX_DECODE_FACTOR + OQ_MAX_DECODE_FLOOR;
  out->max_nodes = nodes != 0 ? nodes : OQ_MAX_NODES;
  out->max_graph_depth = graphs != 0 ? graphs : OQ_MAX_GRAPH_DEPTH;
}

oq_status oq_wire_slim(oq_slim *out, const ProtobufCMessageDescriptor *root,
                       oq_span file, const oq_wire_limits *limits,
                       oq_arena *keep, oq_arena *scratch, oq_diags *d) {
  const place at = {NULL, NULL, 0, 0, 0};
  walker w = {.base = file.p,
              .limits = limits,
              .keep = keep,
              .scratch = scratch,
              .diags = d};

  if (file.n > OQ_MAX_MODEL_BYTES) {
    return oq_fail(d, OQ_E_LIMIT, "limit.model", NULL,
                   "the message has %zu bytes, more than protobuf allows (%d)",
                   file.n, OQ_MAX_MODEL_BYTES);
  }
  OQ_TRY(walk(&w, &at, root, &file, file.n != 0));
  *out = (oq_slim){{w.slim.p, w.slim.n}, w.payloads.p, w.extras.p, w.texts.p,
                   w.payloads.n,         w.extras.n,   w.texts.n,  w.cost};
  return OQ_OK;
}
