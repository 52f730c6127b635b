/* ops/eltwise.c - elementwise operators over tensors. */
#include "ops/eltwise.h"

#include <string.h>

/* Elements widened at a time. */
enum { BLOCK = 512 };

typedef union block {
  float f32[BLOCK];
  double f64[BLOCK];
  int64_t i64[BLOCK];
  uint64_t u64[BLOCK];
} block;

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

static oq_status refuse(const oq_run *r, oq_dtype t) {
  return oq_run_fail(r, OQ_E_UNSUPPORTED, "op.dtype",
                     "this operator is not implemented for %s",
                     oq_dtype_text((int32_t)t));
}

/* ---- one input ----------------------------------------------------------- */
/* Integers without a loop of their own go through double. */
static bool by_function(const oq_unary *f, block *b, oq_num_class cls, size_t n,
                        const double *p) {
  if (cls == OQ_NUM_F64 && f->f64 != NULL) {
    for (size_t i = 0; i < n; i++) b->f64[i] = f->f64(b->f64[i], p);
  } else if (cls == OQ_NUM_I64 && f->i64 != NULL) {
    for (size_t i = 0; i < n; i++) b->i64[i] = f->i64(b->i64[i]);
  } else if (cls == OQ_NUM_U64 && f->u64 != NULL) {
    for (size_t i = 0; i < n; i++) b->u64[i] = f->u64(b->u64[i]);
  } else if (cls == OQ_NUM_I64 && f->f64 != NULL) {
    for (size_t i = 0; i < n; i++) {
      const double v = f->f64((double)b->i64[i], p);
      oq_k_convert(b->i64, i, OQ_DT_I64, &v, OQ_NUM_F64, 1);
    }
  } else if (cls == OQ_NUM_U64 && f->f64 != NULL) {
    for (size_t i = 0; i < n; i++) {
      const double v = f->f64((double)b->u64[i], p);
      oq_k_convert(b->u64, i, OQ_DT_U64, &v, OQ_NUM_F64, 1);
    }
  } else {
    return false;
  }
  return true;
}

static oq_status map_blocks(oq_run *r, const oq_unary *f, const float *pf,
                            const double *p, size_t n) {
  const oq_dtype t = r->in[0]->dtype;
  const oq_num_class cls = oq_k_class((int32_t)t);
  block b;

  for (size_t i = 0; i < n; i += BLOCK) {
    const size_t width = smaller(BLOCK, n - i);
    oq_k_load(&b, r->in[0]->data, i, width, (int32_t)t);
    if (cls == OQ_NUM_F32 && f->f32 != NULL)
      f->f32(b.f32, b.f32, width, pf);
    else if (!by_function(f, &b, cls, width, p))
      return refuse(r, t);
    oq_k_store(r->out[0].data, i, &b, width, (int32_t)t);
  }
  return OQ_OK;
}

oq_status oq_eltwise_map(oq_run *r, const oq_unary *f,
                         const double p[OQ_UNARY_PARAMS]) {
  const size_t n = oq_tensor_count(r->in[0]);
  float pf[OQ_UNARY_PARAMS];

  for (size_t i = 0; i < OQ_UNARY_PARAMS; i++) pf[i] = (float)p[i];
  if (oq_k_class((int32_t)r->in[0]->dtype) == OQ_NUM_NONE)
    return refuse(r, r->in[0]->dtype);
  if (r->in[0]->dtype != OQ_DT_F32 || f->f32 == NULL)
    return map_blocks(r, f, pf, p, n);
  f->f32(r->out[0].data, r->in[0]->data, n, pf);
  return OQ_OK;
}

/* ---- two inputs ---------------------------------------------------------- */
typedef struct pair { /* one run: y[0..n), a and b with a step of 0 or 1 */
  void *y;
  const void *a, *b;
  size_t at_y, at_a, at_b, step_a, step_b, n;
  oq_dtype dtype;
  oq_num_class cls;
} pair;

/* Calls the loop of a class; elements are of that class already. */
static bool call_binary(const oq_binary *f, oq_num_class cls, void *y,
                        const void *a, size_t sa, const void *b, size_t sb,
                        size_t n) {
  switch (cls) {
    case OQ_NUM_F32:
      if (f->f32 != NULL) f->f32(y, a, sa, b, sb, n);
      return f->f32 != NULL;
    case OQ_NUM_F64:
      if (f->f64 != NULL) f->f64(y, a, sa, b, sb, n);
      return f->f64 != NULL;
    case OQ_NUM_I64:
      if (f->i64 != NULL) f->i64(y, a, sa, b, sb, n);
      return f->i64 != NULL;
    case OQ_NUM_U64:
      if (f->u64 != NULL) f->u64(y, a, sa, b, sb, n);
      return f->u64 != NULL;
    case OQ_NUM_NONE:
      break;
  }
  return false;
}

static bool call_compare(const oq_compare *f, oq_num_class cls, uint8_t *y,
                         const void *a, size_t sa, const void *b, size_t sb,
                         size_t n) {
  switch (cls) {
    case OQ_NUM_F32:
      if (f->f32 != NULL) f->f32(y, a, sa, b, sb, n);
      return f->f32 != NULL;
    case OQ_NUM_F64:
      if (f->f64 != NULL) f->f64(y, a, sa, b, sb, n);
      return f->f64 != NULL;
    case OQ_NUM_I64:
      if (f->i64 != NULL) f->i64(y, a, sa, b, sb, n);
      return f->i64 != NULL;
    case OQ_NUM_U64:
      if (f->u64 != NULL) f->u64(y, a, sa, b, sb, n);
      return f->u64 != NULL;
    case OQ_NUM_NONE:
      break;
  }
  return false;
}

static const void *element(const void *p, size_t at, oq_num_class cls) {
  return (const uint8_t *)p + at * oq_k_class_size(cls);
}

/* Widens one operand of a run; `done` elements of it are behind us. */
static void widen(block *to, const void *from, size_t at, size_t step,
                  size_t done, size_t n, oq_dtype t) {
  oq_k_load(to, from, at + done * step, step != 0 ? n : 1, (int32_t)t);
}

static bool zip_run(const oq_binary *f, const pair *p) {
  block a, b, y;

  if (oq_k_native((int32_t)p->dtype))
    return call_binary(f, p->cls,
                       (uint8_t *)p->y + p->at_y * oq_k_class_size(p->cls),
                       element(p->a, p->at_a, p->cls), p->step_a,
                       element(p->b, p->at_b, p->cls), p->step_b, p->n);
  for (size_t i = 0; i < p->n; i += BLOCK) {
    const size_t width = smaller(BLOCK, p->n - i);
    widen(&a, p->a, p->at_a, p->step_a, i, width, p->dtype);
    widen(&b, p->b, p->at_b, p->step_b, i, width, p->dtype);
    if (!call_binary(f, p->cls, &y, &a, p->step_a, &b, p->step_b, width))
      return false;
    oq_k_store(p->y, p->at_y + i, &y, width, (int32_t)p->dtype);
  }
  return true;
}

static bool compare_run(const oq_compare *f, const pair *p) {
  uint8_t *const y = (uint8_t *)p->y + p->at_y;
  block a, b;

  if (oq_k_native((int32_t)p->dtype))
    return call_compare(f, p->cls, y, element(p->a, p->at_a, p->cls), p->step_a,
                        element(p->b, p->at_b, p->cls), p->step_b, p->n);
  for (size_t i = 0; i < p->n; i += BLOCK) {
    const size_t width = smaller(BLOCK, p->n - i);
    widen(&a, p->a, p->at_a, p->step_a, i, width, p->dtype);
    widen(&b, p->b, p->at_b, p->step_b, i, width, p->dtype);
    if (!call_compare(f, p->cls, y + i, &a, p->step_a, &b, p->step_b, width))
      return false;
  }
  return true;
}

/* Walks y = a f b; one of `f` and `c` is given. */
static oq_status walk_pair(oq_run *r, const oq_binary *f, const oq_compare *c,
                           const oq_tensor *y, const oq_ctensor *a,
                           const oq_ctensor *b) {
  const oq_shape *const shapes[3] = {&y->shape, &a->shape, &b->shape};
  pair p = {.y = y->data,
            .a = a->data,
            .b = b->data,
            .dtype = a->dtype,
            .cls = oq_k_class((int32_t)a->dtype)};
  oq_iter it;

  if (p.cls == OQ_NUM_NONE || a->dtype != b->dtype) return refuse(r, a->dtype);
  oq_iter_init(&it, &y->shape, shapes, 3);
  if (it.run == 0) return OQ_OK;
  p.n = it.run;
  p.step_a = (size_t)it.step[1];
  p.step_b = (size_t)it.step[2];
  do {
    p.at_y = (size_t)it.offset[0];
    p.at_a = (size_t)it.offset[1];
    p.at_b = (size_t)it.offset[2];
    if (!(f != NULL ? zip_run(f, &p) : compare_run(c, &p)))
      return refuse(r, a->dtype);
  } while (oq_iter_next(&it));
  return OQ_OK;
}

oq_status oq_eltwise_pair(oq_run *r, const oq_binary *f, const oq_tensor *y,
                          const oq_ctensor *a, const oq_ctensor *b) {
  return walk_pair(r, f, NULL, y, a, b);
}

oq_status oq_eltwise_zip(oq_run *r, const oq_binary *f) {
  return walk_pair(r, f, NULL, &r->out[0], r->in[0], r->in[1]);
}

oq_status oq_eltwise_compare(oq_run *r, const oq_compare *f, uint32_t a,
                             uint32_t b) {
  return walk_pair(r, NULL, f, &r->out[0], r->in[a], r->in[b]);
}

/* Halves are summed in float and rounded once, at the end. */
static oq_status widened(oq_ctensor *out, oq_run *r, const oq_ctensor *t) {
  oq_tensor wide;

  *out = *t;
  if (oq_k_native((int32_t)t->dtype) ||
      oq_k_class((int32_t)t->dtype) != OQ_NUM_F32)
    return OQ_OK;
  if (oq_tensor_make(&wide, OQ_DT_F32, &t->shape, r->scratch) != OQ_OK)
    return oq_fail_memory(r->diags);
  oq_k_load(wide.data, t->data, 0, oq_tensor_count(t), (int32_t)t->dtype);
  *out = oq_tensor_const(&wide);
  return OQ_OK;
}

static oq_status divide(oq_run *r, const oq_tensor *y, uint32_t by) {
  const oq_ctensor sum = oq_tensor_const(y);
  uint64_t room = 0;
  oq_tensor number = {.dtype = y->dtype, .size = sizeof room, .data = &room};

  oq_element_set_i64(&number, 0, (int64_t)by);
  const oq_ctensor divisor = oq_tensor_const(&number);
  return oq_eltwise_pair(r, &oq_k_div, y, &sum, &divisor);
}

static oq_status fold_into(oq_tensor *y, oq_run *r, const oq_binary *f) {
  oq_ctensor so_far, next;

  OQ_TRY(widened(&so_far, r, r->in[0]));
  if (so_far.dtype != y->dtype &&
      oq_tensor_make(y, so_far.dtype, &r->out[0].shape, r->scratch) != OQ_OK)
    return oq_fail_memory(r->diags);
  if (r->n_in == 1) {
    memcpy(y->data, so_far.data, so_far.size);
    return OQ_OK;
  }
  for (uint32_t i = 1; i < r->n_in; i++) {
    const oq_mark mark = oq_arena_mark(r->scratch);
    OQ_TRY(widened(&next, r, r->in[i]));
    OQ_TRY(oq_eltwise_pair(r, f, y, &so_far, &next));
    oq_arena_rewind(r->scratch, mark);
    so_far = oq_tensor_const(y);
  }
  return OQ_OK;
}

oq_status oq_eltwise_fold(oq_run *r, const oq_binary *f, bool mean) {
  oq_tensor y = r->out[0];

  OQ_TRY(fold_into(&y, r, f));
  if (mean) OQ_TRY(divide(r, &y, r->n_in));
  if (y.data != r->out[0].data) {
    const oq_ctensor wide = oq_tensor_const(&y);
    oq_k_store(r->out[0].data, 0, y.data, oq_tensor_count(&wide),
               (int32_t)r->out[0].dtype);
  }
  return OQ_OK;
}
