/* ops/symbols - see symbols.h. */
#include "ops/symbols.h"

#include <string.h>

enum {
  MOST_SLOTS = 96,
  MOST_KNOWN = 32,
  MOST_DIMS = 64,   /* of all outputs together */
  MOST_LOOSE = 8,   /* elements of an integer input of which nothing is known */
  MOST_LISTED = 16, /* numbers of one input or attribute that are looked at */
  MOST_SUMMED = 5   /* the first numbers, also in pairs */
};

/* A place in the inputs that needs a number. */
typedef struct slot {
  uint32_t input, at; /* axis, or element */
  bool value;
  bool named;
  oq_expr e;    /* named: this */
  uint32_t var; /* else: that variable */
} slot;

typedef struct question {
  oq_symbols *s;
  oq_infer *x;
  const oq_part *const *part;
  const oq_env *e; /* with the diagnostics of x; NULL: ask the rule only */
  oq_fit fit;
  oq_expr known[MOST_KNOWN];
  slot slots[MOST_SLOTS];
  uint32_t n_slots;
  bool too_big, varies;
  bool floors; /* the expressions have some */
  /* Asking for types. */
  uint32_t *rank; /* by output; OQ_NONE: none is claimed */
  uint32_t n_dims;
  struct {
    uint32_t output, dim;
  } dims[MOST_DIMS];
} question;

/* ---- what is open -------------------------------------------------------- */
static uint32_t add_var(question *q, oq_name name, bool any) {
  oq_fit *const f = &q->fit;

  for (uint32_t i = 0; i < f->n_vars && name.i != 0; i++)
    if (oq_name_eq(f->var[i], name)) return i;
  if (f->n_vars == OQ_FIT_VARS) {
    q->too_big = true;
    return 0;
  }
  f->var[f->n_vars] = name;
  f->any[f->n_vars] = any;
  return f->n_vars++;
}

static void add_known(question *q, const oq_expr *e) {
  for (uint32_t i = 0; i < q->fit.n_known; i++)
    if (oq_expr_equal(&q->known[i], e)) return;
  if (q->fit.n_known < MOST_KNOWN) q->known[q->fit.n_known++] = *e;
}

static void take_factor(void *user, oq_name factor) {
  (void)add_var(user, factor, false);
}

static void add_slot(question *q, const slot *from) {
  slot s = *from;

  if (q->n_slots == MOST_SLOTS) {
    q->too_big = true;
    return;
  }
  if (s.named) {
    q->floors |=
        oq_expr_factors(q->s->exprs, &s.e, q->fit.deep, take_factor, q);
    add_known(q, &s.e);
  } else {
    s.var = add_var(q, (oq_name){0}, s.value);
  }
  q->slots[q->n_slots++] = s;
}

static void add_const(question *q, int64_t v) {
  oq_fit *const f = &q->fit;

  for (uint32_t i = 0; i < f->n_consts; i++)
    if (f->consts[i] == v) return;
  if (f->n_consts < OQ_FIT_CONSTS) f->consts[f->n_consts++] = v;
}

static void open_type(question *q, uint32_t input) {
  const oq_type *const t = oq_infer_in(q->x, input);

  for (uint32_t d = 0; t != NULL && t->has_rank && d < t->rank; d++) {
    slot s = {.input = input, .at = d};
    if (t->dim[d].size != OQ_DIM_UNKNOWN) continue;
    s.named = oq_expr_of_dim(q->s->exprs, &s.e, t->dim[d]);
    /* Rules cope with unknown sizes, kernels do not. */
    if (s.named || q->e != NULL) add_slot(q, &s);
  }
}

static void open_part(question *q, uint32_t input) {
  const oq_part *const p = q->part[input];

  for (uint32_t i = 0; p != NULL && i < p->n; i++) {
    slot s = {.input = input, .at = i, .value = true};
    if (p->elem[i].kind == OQ_ELEM_NUMBER) continue;
    s.named = p->elem[i].kind == OQ_ELEM_NAMED;
    if (s.named) s.e = oq_expr_named(q->s->exprs, p->elem[i].name);
    add_slot(q, &s);
  }
}

/* Numbers at which the node may change course: those it is given. */
static void list_input(question *q, uint32_t input) {
  const oq_ctensor *const t = q->x->konst[input];
  const oq_part *const p = q->part[input];

  if (t != NULL && t->data != NULL &&
      oq_dtype_in((int32_t)t->dtype, OQ_DTM(I64) | OQ_DTM(I32)) &&
      oq_tensor_count(t) <= MOST_LISTED)
    for (size_t i = 0; i < oq_tensor_count(t); i++)
      add_const(q, oq_element_i64(t, i));
  for (uint32_t i = 0; p != NULL && i < p->n; i++)
    if (p->elem[i].kind == OQ_ELEM_NUMBER) add_const(q, p->elem[i].v);
}

static void list_attrs(question *q) {
  const oq_node *const n = q->x->node;

  for (uint32_t i = 0; i < n->n_attrs; i++) {
    const oq_attr *const a = &n->attrs[i];
    if (a->kind == OQ_ATTR_I64) add_const(q, a->u.i64);
    for (uint32_t k = 0; a->kind == OQ_ATTR_I64S && k < a->count; k++)
      if (k < MOST_LISTED) add_const(q, a->u.i64s[k]);
  }
}

static void list_dims(question *q, uint32_t input) {
  const oq_type *const t = oq_infer_in(q->x, input);

  for (uint32_t d = 0; t != NULL && t->has_rank && d < t->rank; d++)
    if (t->dim[d].size != OQ_DIM_UNKNOWN) add_const(q, t->dim[d].size);
}

static void list_sums(question *q) {
  const uint32_t n =
      q->fit.n_consts < MOST_SUMMED ? q->fit.n_consts : (uint32_t)MOST_SUMMED;
  int64_t v;

  for (uint32_t i = 0; i < n; i++)
    for (uint32_t k = 0; k <= i; k++) {
      if (oq_add_i64(&v, q->fit.consts[i], q->fit.consts[k])) add_const(q, v);
      if (oq_sub_i64(&v, q->fit.consts[i], q->fit.consts[k])) add_const(q, v);
    }
}

/* false: nothing depends on a size that is not known, or it is too much. */
static bool open_question(question *q) {
  const uint32_t n = q->x->n_in;

  q->fit.exprs = q->s->exprs;
  q->fit.known = q->known;
  for (uint32_t i = 0; i < n && !q->too_big; i++) {
    open_type(q, i);
    open_part(q, i);
  }
  if (q->too_big || q->fit.n_vars == 0) return false;
  for (uint32_t i = 0; i < n; i++) list_input(q, i);
  list_attrs(q);
  for (uint32_t i = 0; i < n; i++) list_dims(q, i);
  list_sums(q);
  return true;
}

/* ---- the inputs at a point ----------------------------------------------- */
typedef struct at_point {
  const question *q;
  const int64_t *at;
} at_point;

static int64_t value_of(const void *user, oq_name factor) {
  const at_point *const p = user;

  for (uint32_t i = 0; i < p->q->fit.n_vars; i++)
    if (oq_name_eq(p->q->fit.var[i], factor)) return p->at[i];
  return 0;
}

static bool slot_value(int64_t *out, const question *q, const slot *s,
                       const int64_t *at) {
  const at_point p = {q, at};

  if (s->named)
    return oq_expr_value(out, q->s->exprs, &s->e, q->fit.deep, value_of, &p);
  *out = at[s->var];
  return true;
}

/* A tensor of the part, its open elements 0 for now. */
static bool make_tensor(oq_tensor *out, const oq_part *p, oq_arena *a) {
  if (oq_tensor_make(out, p->dtype, &p->shape, a) != OQ_OK) return false;
  for (uint32_t i = 0; i < p->n; i++)
    if (p->elem[i].kind == OQ_ELEM_NUMBER)
      oq_element_set_i64(out, i, p->elem[i].v);
  return true;
}

typedef struct inputs {
  oq_type *type;
  const oq_type **in;
  oq_tensor *tensor;
  oq_ctensor *view;
  const oq_ctensor **konst;
} inputs;

static bool take_inputs(inputs *y, const question *q) {
  const oq_infer *const x = q->x;
  oq_arena *const a = x->scratch;

  y->type = OQ_NEW_N(a, oq_type, x->n_in);
  y->in = OQ_NEW_N(a, const oq_type *, x->n_in);
  y->tensor = OQ_NEW_N(a, oq_tensor, x->n_in);
  y->view = OQ_NEW_N(a, oq_ctensor, x->n_in);
  y->konst = OQ_NEW_N(a, const oq_ctensor *, x->n_in);
  if (y->type == NULL || y->in == NULL || y->tensor == NULL ||
      y->view == NULL || y->konst == NULL)
    return false;
  for (uint32_t i = 0; i < x->n_in; i++) {
    y->konst[i] = x->konst[i];
    if (x->in[i] == NULL) continue;
    y->type[i] = *x->in[i];
    y->in[i] = &y->type[i];
    if (q->part[i] == NULL) continue;
    if (!make_tensor(&y->tensor[i], q->part[i], a)) return false;
  }
  return true;
}

static oq_answer fill_inputs(inputs *y, const question *q, const int64_t *at) {
  for (uint32_t i = 0; i < q->n_slots; i++) {
    const slot *const s = &q->slots[i];
    int64_t v;
    if (!slot_value(&v, q, s, at)) return OQ_ANSWER_REFUSED;
    if (s->value) {
      oq_element_set_i64(&y->tensor[s->input], s->at, v);
    } else if (v < 0) {
      return OQ_ANSWER_REFUSED;
    } else {
      y->type[s->input].dim[s->at] = (oq_dim){.size = v};
    }
  }
  for (uint32_t i = 0; i < q->x->n_in; i++) {
    if (q->part[i] == NULL) continue;
    y->view[i] = oq_tensor_const(&y->tensor[i]);
    y->konst[i] = &y->view[i];
  }
  return OQ_ANSWER_OK;
}

/* Asks `f` within a mark, and counts. */
static oq_answer ask_within(question *q, const int64_t *at, int64_t *out,
                            oq_answer (*f)(question *q, inputs *y,
                                           int64_t *out)) {
  oq_arena *const a = q->x->scratch;
  const oq_mark mark = oq_arena_mark(a);
  inputs y;
  oq_answer s;

  if (q->s->questions == 0) {
    q->varies = true;
    return OQ_ANSWER_VARIES;
  }
  q->s->questions--;
  if (!take_inputs(&y, q)) return OQ_ANSWER_MEMORY;
  s = fill_inputs(&y, q, at);
  if (s == OQ_ANSWER_OK) s = f(q, &y, out);
  oq_diags_clear(q->x->diags);
  oq_arena_rewind(a, mark);
  if (s == OQ_ANSWER_VARIES) q->varies = true;
  return s;
}

/* ---- types --------------------------------------------------------------- */
/* The rule at one point; outputs in scratch. */
static oq_answer run_rule(const oq_type **out, const question *q,
                          const inputs *y) {
  oq_infer x = *q->x;

  x.in = y->in;
  x.konst = y->konst;
  x.out = OQ_NEW_N(x.scratch, oq_type, x.n_out);
  if (x.out == NULL) return OQ_ANSWER_MEMORY;
  const oq_status s = x.node->def->infer(&x);
  *out = x.out;
  return s == OQ_E_MEMORY ? OQ_ANSWER_MEMORY
         : s == OQ_OK     ? OQ_ANSWER_OK
                          : OQ_ANSWER_REFUSED;
}

static uint32_t rank_of(const oq_type *t) {
  return t->kind == OQ_TYPE_TENSOR && t->has_rank ? t->rank : OQ_NONE;
}

static bool is_open(oq_dim d) {
  return d.size == OQ_DIM_UNKNOWN && d.symbol.i == 0;
}

/* The first answer says what there is to be found. */
static oq_answer first_types(question *q, inputs *y, int64_t *unused) {
  const oq_type *t;
  const oq_answer s = run_rule(&t, q, y);

  (void)unused;
  if (s != OQ_ANSWER_OK) return s;
  for (uint32_t i = 0; i < q->x->n_out; i++) {
    const oq_type *const base = &q->x->out[i];
    const uint32_t before = rank_of(base);
    q->rank[i] = rank_of(&t[i]);
    if (base->kind == OQ_TYPE_OTHER || q->rank[i] == OQ_NONE) continue;
    if (before == OQ_NONE) q->fit.all_points = true; /* a rank to be claimed */
    for (uint32_t d = 0; d < q->rank[i]; d++) {
      if (before != OQ_NONE && (before != q->rank[i] || !is_open(base->dim[d])))
        continue;
      if (q->n_dims == MOST_DIMS) return OQ_ANSWER_VARIES;
      q->dims[q->n_dims].output = i;
      q->dims[q->n_dims++].dim = d;
    }
  }
  return OQ_ANSWER_OK;
}

static oq_answer next_types(question *q, inputs *y, int64_t *out) {
  const oq_type *t;
  const oq_answer s = run_rule(&t, q, y);

  if (s != OQ_ANSWER_OK) return s;
  for (uint32_t i = 0; i < q->x->n_out; i++)
    if (rank_of(&t[i]) != q->rank[i]) return OQ_ANSWER_VARIES;
  for (uint32_t i = 0; i < q->n_dims; i++) {
    const int64_t v = t[q->dims[i].output].dim[q->dims[i].dim].size;
    out[i] = v == OQ_DIM_UNKNOWN ? OQ_FIT_NOT : v;
  }
  return OQ_ANSWER_OK;
}

static oq_answer ask_types(void *user, int64_t *out, const int64_t *at) {
  return ask_within(user, at, out, next_types);
}

/* Where the rule said nothing, a rank that is always the same is one. */
static void claim_ranks(question *q) {
  for (uint32_t i = 0; i < q->x->n_out; i++) {
    oq_type *const t = &q->x->out[i];
    if (t->kind == OQ_TYPE_OTHER || t->has_rank || q->rank[i] == OQ_NONE)
      continue;
    if (t->kind == OQ_TYPE_UNKNOWN) continue; /* an element type is needed */
    oq_infer_set_rank(q->x, i, t->dtype, q->rank[i]);
  }
}

static bool wants_types(const oq_infer *x) {
  for (uint32_t i = 0; i < x->n_out; i++) {
    const oq_type *const t = &x->out[i];
    if (t->kind != OQ_TYPE_TENSOR) continue;
    if (!t->has_rank) return true;
    for (uint32_t d = 0; d < t->rank; d++)
      if (is_open(t->dim[d])) return true;
  }
  return false;
}

static oq_status fit_types(question *q) {
  oq_arena *const a = q->x->scratch;
  int64_t at[OQ_FIT_VARS];
  oq_answer s;

  q->rank = OQ_NEW_N(a, uint32_t, q->x->n_out);
  if (q->rank == NULL) return OQ_E_MEMORY;
  s = OQ_ANSWER_REFUSED;
  for (int64_t unit = 5040; unit >= 4 && s == OQ_ANSWER_REFUSED; unit /= 1260) {
    for (int64_t i = 0; i < OQ_FIT_VARS; i++) at[i] = unit * (2 + i * (i + 3));
    s = ask_within(q, at, NULL, first_types);
  }
  if (s == OQ_ANSWER_MEMORY) return OQ_E_MEMORY;
  if (s != OQ_ANSWER_OK) return OQ_OK;
  q->fit.n_out = q->n_dims;
  oq_expr *const e = OQ_NEW_N(a, oq_expr, q->n_dims);
  bool *const found = OQ_NEW_N(a, bool, q->n_dims);
  if (e == NULL || found == NULL) return OQ_E_MEMORY;
  OQ_TRY(oq_fit_run(e, found, &q->fit, a));
  if (q->varies) return OQ_OK;
  claim_ranks(q);
  for (uint32_t i = 0; i < q->n_dims; i++) {
    oq_type *const t = &q->x->out[q->dims[i].output];
    if (found[i] && t->kind == OQ_TYPE_TENSOR)
      t->dim[q->dims[i].dim] = oq_expr_dim(q->s->exprs, &e[i]);
  }
  return OQ_OK;
}

/* `q` is too big for the stack of a recursion. */
static question *new_question(oq_symbols *s, oq_infer *x,
                              const oq_part *const *part) {
  question *const q = OQ_NEW(x->scratch, question);

  if (q != NULL) {
    q->s = s;
    q->x = x;
    q->part = part;
    q->fit.user = q;
  }
  return q;
}

static oq_status try_types(bool *again, oq_symbols *s, oq_infer *x,
                           const oq_part *const *part, bool deep) {
  question *const q = new_question(s, x, part);
  oq_status st = OQ_OK;

  if (q == NULL) return OQ_E_MEMORY;
  q->fit.ask = ask_types;
  q->fit.deep = deep;
  if (open_question(q)) st = fit_types(q);
  *again = q->floors;
  return st;
}

/* First each floor() is a size of its own; if that does not do, then what it is
 * made of matters. */
oq_status oq_symbols_types(oq_symbols *s, oq_infer *x,
                           const oq_part *const *part) {
  const oq_mark mark = oq_arena_mark(x->scratch);
  oq_status st = OQ_OK;
  bool again = true;

  for (int deep = 0; deep < 2 && again && st == OQ_OK; deep++) {
    if (!wants_types(x) || s->questions == 0) break;
    st = try_types(&again, s, x, part, deep != 0);
    oq_arena_rewind(x->scratch, mark);
  }
  return st;
}

/* ---- values -------------------------------------------------------------- */
#define FOLLOWED (OQ_DTM(I64) | OQ_DTM(I32) | OQ_DTM(BOOL) | OQ_DTM(F32))

static bool is_meta(const oq_infer *x, uint32_t i) {
  return i == 0 && (x->node->def->flags & OQ_OP_META) != 0;
}

/* Elements of all outputs together; 0: not to be followed. */
static uint32_t count_elements(const oq_infer *x) {
  size_t all = 0, n;
  oq_shape s;

  for (uint32_t i = 0; i < x->n_out; i++) {
    if (!oq_value_ok(x->node->out[i])) continue;
    if (x->out[i].kind != OQ_TYPE_TENSOR ||
        !oq_dtype_in((int32_t)x->out[i].dtype, FOLLOWED) ||
        !oq_type_shape(&s, &x->out[i]) || oq_shape_count(&n, &s) != OQ_OK ||
        n > OQ_PART_MOST)
      return 0;
    all += n;
  }
  return all > OQ_PART_MOST ? 0 : (uint32_t)all;
}

/* An integer input of a few elements, none of which is known. */
static bool loose_part(oq_part *out, const oq_infer *x, uint32_t i) {
  static const oq_elem unknown[MOST_LOOSE];
  const oq_type *const t = oq_infer_in(x, i);
  size_t n;

  if (t == NULL || !oq_dtype_in((int32_t)t->dtype, OQ_DTM(I64) | OQ_DTM(I32)) ||
      !oq_type_shape(&out->shape, t) || t->rank > 1 ||
      oq_shape_count(&n, &out->shape) != OQ_OK || n > MOST_LOOSE)
    return false;
  out->dtype = t->dtype;
  out->n = (uint32_t)n;
  out->elem = unknown;
  return true;
}

/* Are there values, or at least places, for all inputs, and is any known? */
static bool value_inputs(const oq_part **out, oq_part *loose, const oq_infer *x,
                         const oq_part *const *part) {
  bool any = false;

  for (uint32_t i = 0; i < x->n_in; i++) {
    const oq_type *const t = oq_infer_in(x, i);
    out[i] = is_meta(x, i) ? NULL : part[i];
    if (!oq_value_ok(x->node->in[i])) continue;
    if (is_meta(x, i)) {
      if (t == NULL || !t->has_rank) return false;
      any = true;
    } else if (part[i] != NULL) {
      any = true;
    } else if (x->konst[i] == NULL || x->konst[i]->data == NULL) {
      if (!loose_part(&loose[i], x, i)) return false;
      out[i] = &loose[i];
    }
  }
  return any;
}

static int64_t element(const oq_tensor *t, size_t i) {
  const oq_ctensor c = oq_tensor_const(t);

  if (t->dtype != OQ_DT_F32) return oq_element_i64(&c, i);
  const double v = oq_element_f64(&c, i);
  if (!(v > -16777216.0 && v < 16777216.0)) return OQ_FIT_NOT;
  return v == (double)(int64_t)v ? (int64_t)v : OQ_FIT_NOT;
}

static oq_answer next_values(question *q, inputs *y, int64_t *out) {
  const oq_infer *const x = q->x;
  const oq_node_id id = {(uint32_t)(x->node - x->graph->nodes)};
  oq_tensor *const made = OQ_NEW_N(x->scratch, oq_tensor, x->n_out);
  uint32_t at = 0;

  if (made == NULL) return OQ_ANSWER_MEMORY;
  if (x->n_in > 0 && is_meta(x, 0)) {
    y->view[0].dtype = y->type[0].dtype;
    if (!oq_type_shape(&y->view[0].shape, &y->type[0]))
      return OQ_ANSWER_REFUSED;
    y->konst[0] = &y->view[0];
  }
  const oq_status s =
      oq_op_eval(made, x->graph, id, y->konst, x->scratch, q->e);
  if (s != OQ_OK)
    return s == OQ_E_MEMORY ? OQ_ANSWER_MEMORY : OQ_ANSWER_REFUSED;
  for (uint32_t i = 0; i < x->n_out; i++) {
    oq_shape shape;
    if (!oq_value_ok(x->node->out[i])) continue;
    if (!oq_type_shape(&shape, &x->out[i]) ||
        !oq_shape_equal(&shape, &made[i].shape) ||
        made[i].dtype != x->out[i].dtype)
      return OQ_ANSWER_VARIES;
    const oq_ctensor c = oq_tensor_const(&made[i]);
    for (size_t k = 0; k < oq_tensor_count(&c); k++)
      out[at++] = element(&made[i], k);
  }
  return OQ_ANSWER_OK;
}

static oq_answer ask_values(void *user, int64_t *out, const int64_t *at) {
  return ask_within(user, at, out, next_values);
}

static oq_elem elem_of(oq_exprs *t, const oq_expr *e) {
  oq_elem y = {.kind = OQ_ELEM_UNKNOWN};

  if (oq_expr_is_number(e)) {
    y.kind = OQ_ELEM_NUMBER;
    y.v = e->plus;
  } else if (oq_expr_name(t, &y.name, e)) {
    y.kind = OQ_ELEM_NAMED;
  }
  return y;
}

static oq_status keep_values(oq_part *out, question *q, const oq_expr *e,
                             const bool *found, oq_arena *a) {
  const oq_infer *const x = q->x;
  uint32_t at = 0;

  for (uint32_t i = 0; i < x->n_out; i++) {
    oq_part *const p = &out[i];
    bool any = false;
    size_t n;
    if (!oq_value_ok(x->node->out[i])) continue;
    p->dtype = x->out[i].dtype;
    if (!oq_type_shape(&p->shape, &x->out[i]) ||
        oq_shape_count(&n, &p->shape) != OQ_OK)
      return OQ_OK;
    p->n = (uint32_t)n;
    oq_elem *const elem = OQ_NEW_N(a, oq_elem, n);
    if (elem == NULL) return OQ_E_MEMORY;
    for (size_t k = 0; k < n; k++, at++) {
      if (found[at]) elem[k] = elem_of(q->s->exprs, &e[at]);
      any |= elem[k].kind != OQ_ELEM_UNKNOWN;
    }
    p->elem = any ? elem : NULL;
  }
  return OQ_OK;
}

/* Results in their own arena, which may be that of the scratch. */
static oq_status fit_values(oq_part *out, question *q, oq_arena *a) {
  oq_arena *const scratch = q->x->scratch;
  oq_expr *const e = OQ_NEW_N(scratch, oq_expr, q->fit.n_out);
  bool *const found = OQ_NEW_N(scratch, bool, q->fit.n_out);

  if (e == NULL || found == NULL) return OQ_E_MEMORY;
  OQ_TRY(oq_fit_run(e, found, &q->fit, scratch));
  return q->varies ? OQ_OK : keep_values(out, q, e, found, a);
}

oq_status oq_symbols_values(oq_part *out, oq_symbols *s, oq_infer *x,
                            const oq_part *const *part, oq_arena *a,
                            const oq_env *e) {
  const oq_mark mark = oq_arena_mark(x->scratch);
  const uint32_t n = count_elements(x);
  const oq_part **const in = OQ_NEW_N(x->scratch, const oq_part *, x->n_in);
  oq_part *const loose = OQ_NEW_N(x->scratch, oq_part, x->n_in);
  oq_status st = OQ_OK;
  question *q;

  if (in == NULL || loose == NULL) return OQ_E_MEMORY;
  if (n == 0 || s->questions == 0 || !value_inputs(in, loose, x, part))
    return OQ_OK;
  q = new_question(s, x, in);
  if (q == NULL) return OQ_E_MEMORY;
  q->e = e;
  q->fit.ask = ask_values;
  q->fit.n_out = n;
  if (open_question(q)) st = fit_values(out, q, a);
  if (a != x->scratch) oq_arena_rewind(x->scratch, mark);
  return st;
}
