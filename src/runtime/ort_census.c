#include "runtime/ort_census.h"

#include <stdlib.h>
#include <string.h>

/* Graphs inside graphs.  Real models stay below five. */
#define MAX_DEPTH 32

/* ---- kinds -------------------------------------------------------------- */
#define MS "com.microsoft"
static const struct {
  const char *domain, *op;
  oq_rt_kind kind;
} kinds[] = {
    {"", "Conv", OQ_RT_FLOAT},
    {"", "ConvInteger", OQ_RT_INT8},
    {"", "ConvTranspose", OQ_RT_FLOAT},
    {"", "Gemm", OQ_RT_FLOAT},
    {"", "MatMul", OQ_RT_FLOAT},
    {"", "MatMulInteger", OQ_RT_INT8},
    {"", "QLinearConv", OQ_RT_INT8},
    {"", "QLinearMatMul", OQ_RT_INT8},
    {MS, "ConvTransposeWithDynamicPads", OQ_RT_FLOAT},
    {MS, "DynamicQuantizeLSTM", OQ_RT_INT8},
    {MS, "DynamicQuantizeMatMul", OQ_RT_INT8},
    {MS, "FusedConv", OQ_RT_FLOAT},
    {MS, "FusedGemm", OQ_RT_FLOAT},
    {MS, "FusedMatMul", OQ_RT_FLOAT},
    {MS, "FusedMatMulActivation", OQ_RT_FLOAT},
    {MS, "MatMulBnb4", OQ_RT_WEIGHT_ONLY},
    {MS, "MatMulFpQ4", OQ_RT_WEIGHT_ONLY},
    {MS, "MatMulInteger16", OQ_RT_INT8},
    {MS, "MatMulIntegerToFloat", OQ_RT_INT8},
    {MS, "MatMulNBits", OQ_RT_WEIGHT_ONLY},
    {MS, "NhwcConv", OQ_RT_FLOAT},
    {MS, "NhwcFusedConv", OQ_RT_FLOAT},
    {MS, "QAttention", OQ_RT_INT8},
    {MS, "QGemm", OQ_RT_INT8},
    {MS, "QLinearConv", OQ_RT_INT8},
    {MS, "TransposeMatMul", OQ_RT_FLOAT},
    {"com.microsoft.nchwc", "Conv", OQ_RT_FLOAT},
    {"com.ms.internal.nhwc", "Conv", OQ_RT_FLOAT},
    {"com.ms.internal.nhwc", "ConvTranspose", OQ_RT_FLOAT},
    {"com.ms.internal.nhwc", "QLinearConv", OQ_RT_INT8},
};

oq_rt_kind oq_census_kind(const char *domain, const char *op) {
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
    if (strcmp(kinds[i].domain, domain) == 0 && strcmp(kinds[i].op, op) == 0)
      return kinds[i].kind;
  return OQ_RT_OTHER;
}

/* ---- the wire ----------------------------------------------------------- */
typedef struct span {
  const uint8_t *p, *end;
} span;

typedef struct field {
  uint32_t number;
  span bytes; /* of a length-delimited field, else empty */
} field;

static bool take_varint(span *c, uint64_t *out) {
  uint64_t v = 0;

  for (unsigned shift = 0; shift < 64; shift += 7) {
    uint8_t byte;

    if (c->p == c->end) return false;
    byte = *c->p++;
    if (shift == 63 && byte > 1) return false;
    v |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) {
      *out = v;
      return true;
    }
  }
  return false;
}

static bool take_span(span *c, uint64_t n, span *out) {
  if (n > (uint64_t)(c->end - c->p)) return false;
  *out = (span){c->p, c->p + n};
  c->p += n;
  return true;
}

static bool take_field(span *c, field *f) {
  uint64_t key = 0, n = 0;
  span skipped;

  if (!take_varint(c, &key) || key >> 3 == 0 || key >> 3 > UINT32_MAX)
    return false;
  *f = (field){(uint32_t)(key >> 3), {c->p, c->p}};
  switch (key & 7) {
    case 0:
      return take_varint(c, &n);
    case 1:
      return take_span(c, 8, &skipped);
    case 2:
      return take_varint(c, &n) && take_span(c, n, &f->bytes);
    case 5:
      return take_span(c, 4, &skipped);
    default:
      return false; /* groups: not in ONNX */
  }
}

/* ---- counting ----------------------------------------------------------- */
typedef struct name {
  char text[128]; /* operators and domains; longer ones are cut */
} name;

typedef struct tally {
  name domain, op;
  uint64_t count;
} tally;

typedef struct counter {
  tally *ops; /* sorted */
  size_t n_ops, room;
  oq_msg kernels;
  uint32_t n_kernels;
} counter;

typedef struct scope {
  const struct scope *up;
  span name;
} scope;

static void set_name(name *to, span from) {
  size_t n = (size_t)(from.end - from.p);

  if (n >= sizeof to->text) n = sizeof to->text - 1;
  memset(to->text, 0, sizeof to->text);
  if (n > 0) memcpy(to->text, from.p, n);
}

static int compare(const tally *a, const tally *b) {
  const int d = strcmp(a->domain.text, b->domain.text);

  return d != 0 ? d : strcmp(a->op.text, b->op.text);
}

static bool insert(counter *c, size_t at, const tally *t) {
  if (c->n_ops == c->room) {
    const size_t room = c->room == 0 ? 32 : c->room * 2;
    tally *ops = realloc(c->ops, room * sizeof *ops);

    if (ops == NULL) return false;
    c->ops = ops;
    c->room = room;
  }
  memmove(c->ops + at + 1, c->ops + at, (c->n_ops - at) * sizeof *c->ops);
  c->ops[at] = *t;
  c->n_ops++;
  return true;
}

static bool count(counter *c, const tally *t) {
  size_t lo = 0, hi = c->n_ops;

  while (lo < hi) {
    const size_t mid = lo + (hi - lo) / 2;
    const int d = compare(&c->ops[mid], t);

    if (d == 0) {
      c->ops[mid].count++;
      return true;
    }
    if (d < 0) {
      lo = mid + 1;
    } else {
      hi = mid;
    }
  }
  return insert(c, lo, t);
}

static void put_span(oq_msg *m, span s) {
  oq_msg_text(m, (const char *)s.p, (size_t)(s.end - s.p));
}

/* At most MAX_DEPTH deep. */
static void put_scope(oq_msg *m, const scope *s) {
  const uint8_t *zero;
  size_t n;

  if (s == NULL) return;
  put_scope(m, s->up);
  if (s->up != NULL) oq_msg_put(m, "/", 1);
  n = (size_t)(s->name.end - s->name.p);
  zero = n == 0 ? NULL : memchr(s->name.p, 0, n);
  oq_msg_put(m, s->name.p, zero == NULL ? n : (size_t)(zero - s->name.p));
}

typedef struct node {
  span name, op, domain, output;
  bool has_output;
} node;

static bool read_node(span c, node *n) {
  field f;

  *n = (node){{c.p, c.p}, {c.p, c.p}, {c.p, c.p}, {c.p, c.p}, false};
  while (c.p != c.end) {
    if (!take_field(&c, &f)) return false;
    if (f.number == 2 && !n->has_output) {
      n->output = f.bytes;
      n->has_output = true;
    }
    if (f.number == 3) n->name = f.bytes;
    if (f.number == 4) n->op = f.bytes;
    if (f.number == 7) n->domain = f.bytes;
  }
  return true;
}

static void put_kernel(counter *c, const node *n, const tally *t,
                       const scope *around) {
  const oq_rt_kind kind = oq_census_kind(t->domain.text, t->op.text);

  if (kind == OQ_RT_OTHER) return;
  oq_msg_u32(&c->kernels, (uint32_t)kind);
  oq_msg_str(&c->kernels, t->domain.text);
  oq_msg_str(&c->kernels, t->op.text);
  put_span(&c->kernels, n->name);
  put_span(&c->kernels, n->output);
  put_scope(&c->kernels, around);
  oq_msg_put(&c->kernels, "", 1);
  c->n_kernels++;
}

static bool walk_graph(counter *c, span g, const scope *around, int depth);

/* AttributeProto: g = 6, graphs = 11. */
static bool walk_attribute(counter *c, span a, const scope *around, int depth) {
  field f;

  while (a.p != a.end) {
    if (!take_field(&a, &f)) return false;
    if ((f.number == 6 || f.number == 11) &&
        !walk_graph(c, f.bytes, around, depth))
      return false;
  }
  return true;
}

/* NodeProto: output = 2, name = 3, op_type = 4, attribute = 5, domain = 7. */
static bool walk_node(counter *c, span s, const scope *around, int depth) {
  scope here = {around, {NULL, NULL}};
  tally t = {.count = 1};
  node n;
  field f;

  if (!read_node(s, &n)) return false;
  set_name(&t.op, n.op);
  set_name(&t.domain, n.domain);
  if (strcmp(t.domain.text, "ai.onnx") == 0) t.domain.text[0] = '\0';
  if (!count(c, &t)) return false;
  put_kernel(c, &n, &t, around);
  here.name = n.name.p == n.name.end ? n.output : n.name;
  while (s.p != s.end) {
    if (!take_field(&s, &f)) return false;
    if (f.number == 5 && !walk_attribute(c, f.bytes, &here, depth))
      return false;
  }
  return true;
}

/* GraphProto: node = 1. */
static bool walk_graph(counter *c, span g, const scope *around, int depth) {
  field f;

  if (depth == MAX_DEPTH) return false;
  while (g.p != g.end) {
    if (!take_field(&g, &f)) return false;
    if (f.number == 1 && !walk_node(c, f.bytes, around, depth + 1))
      return false;
  }
  return true;
}

static void put_census(oq_msg *m, const counter *c) {
  oq_msg_u32(m, (uint32_t)c->n_ops);
  for (size_t i = 0; i < c->n_ops; i++) {
    oq_msg_str(m, c->ops[i].domain.text);
    oq_msg_str(m, c->ops[i].op.text);
    oq_msg_u64(m, c->ops[i].count);
  }
  oq_msg_u32(m, c->n_kernels);
  oq_msg_put(m, c->kernels.data, c->kernels.size);
}

/* ModelProto: graph = 7. */
bool oq_census_read(oq_msg *m, const uint8_t *p, size_t n) {
  counter c = {0};
  span s = {p, p + n};
  bool good = true;
  field f;

  while (good && s.p != s.end) {
    good = take_field(&s, &f);
    if (good && f.number == 7) good = walk_graph(&c, f.bytes, NULL, 0);
  }
  good = good && !c.kernels.failed && c.n_ops <= UINT32_MAX;
  if (good) put_census(m, &c);
  oq_msg_free(&c.kernels);
  free(c.ops);
  return good && !m->failed;
}
