#include "golden/model_text.h"

#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "base/text.h"
#include "ops/op.h"

enum { MOST_WORDS = 4096, MOST_BODIES = 16 };

typedef struct reader {
  model_text *m;
  const oq_env *e;
  build *now; /* the graph that lines go to */
  build outer[MOST_BODIES];
  uint32_t depth, n_bodies;
  const char *body_name[MOST_BODIES];
  oq_graph *body[MOST_BODIES];
  int line;
  char *word[MOST_WORDS];
  uint32_t n;
} reader;

static bool complain(reader *r, const char *what, const char *which) {
  if (r->m->error[0] == '\0') {
    (void)snprintf(r->m->error, sizeof r->m->error, "line %d: %s '%.80s'",
                   r->line, what, which);
  }
  return false;
}

static bool split(reader *r, char *line) {
  r->n = 0;
  for (char *p = strtok(line, " \t"); p != NULL; p = strtok(NULL, " \t")) {
    if (p[0] == '#') break;
    if (r->n == MOST_WORDS) return complain(r, "too many words", "");
    r->word[r->n++] = p;
  }
  return true;
}

static bool number(reader *r, const char *w, double *v) {
  return oq_text_parse_f64(v, w, strlen(w)) || complain(r, "no number", w);
}

static bool integer(reader *r, const char *w, int64_t *v) {
  return oq_text_parse_i64(v, w, strlen(w)) || complain(r, "no integer", w);
}

static bool dtype(reader *r, const char *w, oq_dtype *t) {
  static const struct {
    const char *text;
    oq_dtype t;
  } names[] = {{"f32", OQ_DT_F32}, {"f64", OQ_DT_F64},  {"f16", OQ_DT_F16},
               {"i64", OQ_DT_I64}, {"i32", OQ_DT_I32},  {"i8", OQ_DT_I8},
               {"u8", OQ_DT_U8},   {"bool", OQ_DT_BOOL}};

  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (strcmp(names[i].text, w) != 0) continue;
    *t = names[i].t;
    return true;
  }
  return complain(r, "no element type", w);
}

static const char *shape(const char *w) { return strcmp(w, "-") == 0 ? "" : w; }

/* ---- values -------------------------------------------------------------- */
static bool read_input(reader *r) {
  oq_dtype t;
  const uint32_t i = r->now->n_inputs;

  if (r->n < 4 || i >= MODEL_TEXT_MAX) return complain(r, "input", "");
  if (!dtype(r, r->word[2], &t)) return false;
  build_input(r->now, r->word[1], t, shape(r->word[3]));
  if (r->depth > 0) return true;
  r->m->lo[i] = -2;
  r->m->hi[i] = 2;
  if (r->n < 6) return true;
  return number(r, r->word[4], &r->m->lo[i]) &&
         number(r, r->word[5], &r->m->hi[i]);
}

static bool dims(reader *r, const char *w, oq_shape *s) {
  memset(s, 0, sizeof *s);
  if (strcmp(w, "-") == 0) return true;
  for (const char *p = w; *p != '\0';) {
    const size_t n = strcspn(p, ",");
    if (s->rank == OQ_MAX_RANK || !oq_text_parse_i64(&s->dim[s->rank++], p, n))
      return complain(r, "no shape of a constant", w);
    p += n + (p[n] == ',');
  }
  return true;
}

static bool numbers(reader *r, oq_tensor *t) {
  const oq_ctensor c = oq_tensor_const(t);
  const size_t n = oq_tensor_count(&c);
  double a = 0, lo = -1, hi = 1;

  if (r->n >= 6 && strcmp(r->word[4], "random") == 0) {
    if (!number(r, r->word[5], &a)) return false;
    if (r->n >= 8 &&
        (!number(r, r->word[6], &lo) || !number(r, r->word[7], &hi)))
      return false;
    for (size_t i = 0; i < n; i++)
      oq_element_set_f64(t, i, lo + (hi - lo) * oq_rng_uniform((uint64_t)a, i));
    return true;
  }
  if (r->n == 6 && strcmp(r->word[4], "fill") == 0) {
    if (!number(r, r->word[5], &a)) return false;
    for (size_t i = 0; i < n; i++) oq_element_set_f64(t, i, a);
    return true;
  }
  if (r->n != 4 + n)
    return complain(r, "too few or too many numbers for", r->word[1]);
  for (size_t i = 0; i < n; i++) {
    if (!number(r, r->word[4 + i], &a)) return false;
    oq_element_set_f64(t, i, a);
  }
  return true;
}

static bool read_const(reader *r) {
  oq_dtype type;
  oq_shape s;
  oq_tensor t;

  if (r->n < 4) return complain(r, "const", "");
  if (!dtype(r, r->word[2], &type) || !dims(r, r->word[3], &s)) return false;
  if (oq_tensor_make(&t, type, &s, r->e->scratch) != OQ_OK)
    return complain(r, "too big", r->word[1]);
  if (!numbers(r, &t)) return false;
  build_const(r->now, r->word[1], type, shape(r->word[3]), t.data);
  return true;
}

/* ---- nodes --------------------------------------------------------------- */
/* A value of a graph around this one is brought in, level by level. */
static bool bring(reader *r, oq_graph *g, const char *name) {
  oq_value_id v;
  oq_name id;

  if (strcmp(name, "_") == 0 || r->now->status != OQ_OK) return true;
  if (!oq_names_find(r->m->b.ir->names, &id, name, strlen(name)))
    return complain(r, "no such value", name);
  if (oq_value_ok(oq_graph_find_value(g, id))) return true;
  if (g->outer == NULL) return complain(r, "no such value", name);
  if (!bring(r, g->outer, name)) return false;
  return oq_edit_add_outer(g, &v, oq_graph_find_value(g->outer, id)) == OQ_OK ||
         complain(r, "cannot bring", name);
}

static bool graph_attr(reader *r, oq_attr *a, const char *w) {
  const char *const at = strstr(w, "=@");

  memset(a, 0, sizeof *a);
  a->kind = OQ_ATTR_GRAPH;
  if (oq_names_add(r->m->b.ir->names, &a->name, w, (size_t)(at - w)) != OQ_OK)
    return complain(r, "memory", "");
  for (uint32_t i = 0; i < r->n_bodies; i++) {
    if (strcmp(r->body_name[i], at + 2) != 0) continue;
    a->u.graph = r->body[i];
    return true;
  }
  return complain(r, "no such body", at + 2);
}

static bool add_graphs(reader *r, oq_node_id id, const oq_attr *bodies,
                       uint32_t n) {
  oq_graph *const g = r->now->g;
  oq_attr all[64];
  uint32_t count = 0;

  if (n == 0 || r->now->status != OQ_OK) return true;
  const oq_node *const node = oq_graph_node(g, id);
  for (; count < node->n_attrs; count++) all[count] = node->attrs[count];
  for (uint32_t i = 0; i < n; i++) all[count++] = bodies[i];
  return oq_edit_set_attrs(g, id, all, count) == OQ_OK ||
         complain(r, "memory", "");
}

static void append(char *to, size_t cap, const char *word) {
  const size_t n = strlen(to);

  (void)snprintf(to + n, cap - n, "%s%s", n > 0 ? " " : "", word);
}

static bool read_node(reader *r) {
  char in[1024] = "", out[1024] = "", attrs[1024] = "";
  char *to = in;
  oq_attr bodies[8];
  uint32_t n_bodies = 0;

  if (r->n < 2) return complain(r, "node", "");
  char *const at = strchr(r->word[1], '@');
  if (at != NULL) *at = '\0';
  for (uint32_t i = 2; i < r->n; i++) {
    const char *const w = r->word[i];
    if (strcmp(w, "->") == 0) {
      to = out;
    } else if (strcmp(w, "|") == 0) {
      to = attrs;
    } else if (to == attrs && strstr(w, "=@") != NULL) {
      if (n_bodies == 8 || !graph_attr(r, &bodies[n_bodies++], w)) return false;
    } else {
      if (to == in && !bring(r, r->now->g, w)) return false;
      append(to, sizeof in, w);
    }
  }
  const oq_node_id id = build_node(r->now, r->word[1], in, out, attrs);
  if (r->now->status != OQ_OK) return complain(r, "node", r->word[1]);
  if (at != NULL &&
      oq_names_add_text(r->m->b.ir->names, &oq_graph_node(r->now->g, id)->name,
                        at + 1) != OQ_OK)
    return complain(r, "memory", "");
  return add_graphs(r, id, bodies, n_bodies);
}

/* ---- graphs -------------------------------------------------------------- */
static bool begin_body(reader *r) {
  oq_graph *g;
  oq_name name;

  if (r->n != 2 || r->depth == MOST_BODIES || r->n_bodies == MOST_BODIES)
    return complain(r, "body", "");
  if (oq_names_add_text(r->m->b.ir->names, &name, r->word[1]) != OQ_OK ||
      oq_ir_add_graph(&g, r->m->b.ir, r->now->g, name) != OQ_OK)
    return complain(r, "memory", "");
  r->body_name[r->n_bodies] = r->word[1];
  r->body[r->n_bodies++] = g;
  r->outer[r->depth++] = *r->now;
  r->now->g = g;
  r->now->n_inputs = 0;
  return true;
}

static bool end_body(reader *r) {
  const oq_status s = r->now->status;

  if (r->depth == 0) return complain(r, "end", "without a body");
  *r->now = r->outer[--r->depth];
  if (s != OQ_OK) r->now->status = s;
  return true;
}

static bool read_opset(reader *r) {
  int64_t v;

  if (r->n < 2 || !integer(r, r->word[1], &v)) return false;
  build_opset(r->now, r->n > 2 ? r->word[2] : "", v);
  return true;
}

static bool set_type(reader *r, oq_value_id v, oq_dtype t, const char *w) {
  oq_type *const y = OQ_NEW(r->m->b.ir->arena, oq_type);
  oq_shape s = {0};

  if (y == NULL || !oq_value_ok(v)) return false;
  y->kind = OQ_TYPE_TENSOR;
  y->dtype = t;
  y->has_rank = strcmp(w, "*") != 0;
  if (y->has_rank && !dims(r, w, &s)) return false;
  y->rank = s.rank;
  for (uint32_t i = 0; i < s.rank; i++) y->dim[i].size = s.dim[i];
  oq_edit_set_type(r->now->g, v, y);
  return true;
}

static bool read_output(reader *r) {
  oq_dtype t;

  if (r->n != 2 && r->n != 4) return complain(r, "output", "");
  if (!bring(r, r->now->g, r->word[1])) return false;
  build_output(r->now, r->word[1]);
  if (r->n == 2) return true;
  return dtype(r, r->word[2], &t) &&
         (set_type(r, build_find(r->now, r->word[1]), t, r->word[3]) ||
          complain(r, "no type", r->word[3]));
}

/* Outputs of the main graph must have a type in a file. */
static bool infer_outputs(reader *r) {
  oq_graph *const g = r->m->b.ir->main;
  const oq_type **types;

  if (oq_ops_bind(r->m->b.ir, r->e) != OQ_OK ||
      oq_infer_types(&types, g, r->m->b.ir->arena, r->e) != OQ_OK)
    return complain(r, "wrong model", "");
  for (uint32_t i = 0; i < g->n_outputs; i++) {
    const oq_value_id v = g->outputs[i];
    if (oq_graph_value(g, v)->type == NULL) oq_edit_set_type(g, v, types[v.i]);
  }
  return true;
}

static bool read_pass(reader *r) {
  for (uint32_t i = 1; i < r->n; i++) {
    if (r->m->n_pass == MODEL_TEXT_MAX) return complain(r, "passes", "");
    r->m->pass[r->m->n_pass++] = r->word[i];
  }
  return true;
}

static bool read_norun(reader *r) {
  for (uint32_t i = 1; i < r->n; i++) {
    if (strcmp(r->word[i], "engine") == 0) {
      r->m->no_engine = true;
    } else if (strcmp(r->word[i], "onnxruntime") != 0) {
      return complain(r, "nobody", r->word[i]);
    }
  }
  return true;
}

static bool read_line(reader *r) {
  const char *const w = r->word[0];

  if (strcmp(w, "input") == 0) return read_input(r);
  if (strcmp(w, "const") == 0) return read_const(r);
  if (strcmp(w, "node") == 0) return read_node(r);
  if (strcmp(w, "output") == 0) return read_output(r);
  if (strcmp(w, "body") == 0) return begin_body(r);
  if (strcmp(w, "end") == 0) return end_body(r);
  if (strcmp(w, "opset") == 0) return read_opset(r);
  if (strcmp(w, "pass") == 0) return read_pass(r);
  if (strcmp(w, "norun") == 0) return read_norun(r);
  if (strcmp(w, "ir") == 0 && r->n == 2)
    return integer(r, r->word[1], &r->m->b.ir->ir_version);
  if (strcmp(w, "to") == 0 && r->n == 2)
    return integer(r, r->word[1], &r->m->to);
  return complain(r, "unknown line", w);
}

void model_text_read(model_text *m, char *text, const oq_env *e) {
  reader r = {.m = m, .e = e, .now = &m->b};
  bool good = true;

  memset(m, 0, sizeof *m);
  build_open(&m->b, e, 13);
  for (char *p = text, *next; good && p != NULL; p = next) {
    next = strchr(p, '\n');
    if (next != NULL) *next++ = '\0';
    r.line++;
    good = split(&r, p);
    if (good && r.n > 0) good = read_line(&r);
    if (good && m->b.status != OQ_OK)
      good = complain(&r, "failed:", oq_status_name(m->b.status));
  }
  if (good && r.depth > 0) good = complain(&r, "a body has no end", "");
  if (good) (void)infer_outputs(&r);
}

void model_text_close(model_text *m) { build_close(&m->b); }
