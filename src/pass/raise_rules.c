/* pass/raise_rules.c - each change of meaning or form of an operator from opset
 * 7 to 27.  What is not here only takes more types, or got attributes and
 * inputs whose absence means what was meant before. */
#include "pass/raise_rules.h"

#include <float.h>
#include <math.h>
#include <string.h>

static const oq_value_id no_value = {OQ_NONE};

/* ---- small helpers --------------------------------------------------------
 */
static oq_node *node_of(const oq_raise *r) {
  return oq_graph_node(r->g, r->id);
}

static const oq_type *type_of(const oq_raise *r, oq_value_id v) {
  if (!oq_value_ok(v) || v.i >= r->uses.n) return NULL;
  const oq_type *const t = r->types[v.i];
  return t != NULL && t->kind == OQ_TYPE_TENSOR ? t : NULL;
}

/* For inputs that must be floats; NONE if it is not known of which type. */
static oq_dtype dtype_of(const oq_raise *r, uint32_t slot) {
  const oq_type *const t = type_of(r, oq_pass_in(node_of(r), slot));

  if (t == NULL || t->dtype == OQ_DT_NONE) return r->floats;
  return oq_dtype_is_float((int32_t)t->dtype) ? t->dtype : OQ_DT_NONE;
}

/* "<node>_<what>", for new values. */
static const char *hint(const oq_raise *r, const char *what) {
  const char *const text = oq_arena_format(r->env->scratch, "%s_%s",
                                           oq_node_text(r->g, r->id), what);

  return text != NULL ? text : what;
}

static oq_status put_text(const oq_raise *r, const char *name,
                          const char *value) {
  oq_attr a;

  OQ_TRY(oq_attr_text(r->g->model, &a, name, value));
  return oq_pass_put_attr(r->g, r->id, &a);
}

static oq_status put_i64(const oq_raise *r, const char *name, int64_t value) {
  oq_attr a;

  OQ_TRY(oq_attr_i64(r->g->model, &a, name, value));
  return oq_pass_put_attr(r->g, r->id, &a);
}

/* A list of integers leaves the attributes and becomes input `slot`; nothing
 * where it is absent. */
static oq_status list_to_input(const oq_raise *r, const char *name,
                               uint32_t slot) {
  const oq_attr *const a = oq_node_attr(r->g, node_of(r), name);
  oq_value_id v;

  if (a == NULL || a->kind != OQ_ATTR_I64S) return OQ_OK;
  OQ_TRY(oq_pass_add_i64s(&v, r->g, hint(r, name), a->u.i64s, a->count));
  OQ_TRY(oq_edit_set_input(r->g, r->id, slot, v));
  return oq_pass_drop_attr(r->g, r->id, name);
}

static oq_status new_value(oq_value_id *out, const oq_raise *r,
                           const char *what) {
  return oq_pass_add_value(out, r->g, hint(r, what));
}

static oq_status new_node(const oq_raise *r, const char *op,
                          const oq_value_id *in, uint32_t n_in, oq_value_id out,
                          const oq_attr *attr) {
  const oq_attr *kept = NULL;

  if (attr != NULL) {
    kept = OQ_COPY_N(r->g->model->arena, oq_attr, attr, 1);
    if (kept == NULL) return OQ_E_MEMORY;
  }
  return oq_pass_add_node(r->g, op, NULL, in, n_in, out, kept, attr != NULL);
}

/* ---- 9 --------------------------------------------------------------------
 */
/* spatial = 0 has one mean per element, which later opsets cannot say. */
static bool is_spatial(const oq_raise *r) {
  return oq_pass_i64(r->g, node_of(r), "spatial", 1) == 1;
}

static oq_status drop_spatial(const oq_raise *r) {
  return oq_pass_drop_attr(r->g, r->id, "spatial");
}

/* Scan lost its batch dimension and its lengths: another operator. */
static bool never(const oq_raise *r) {
  (void)r;
  return false;
}

static oq_status nothing(const oq_raise *r) {
  (void)r;
  return OQ_OK;
}

static oq_status upsample_scales(const oq_raise *r) {
  const oq_attr *const a = oq_node_attr(r->g, node_of(r), "scales");
  oq_ctensor t = {.dtype = OQ_DT_F32, .shape = {.rank = 1}};
  oq_value_id v;

  if (a == NULL || a->kind != OQ_ATTR_F32S) return OQ_OK;
  t.shape.dim[0] = a->count;
  t.size = a->count * sizeof *a->u.f32s;
  t.data = a->u.f32s;
  OQ_TRY(oq_edit_add_const(r->g, &v, hint(r, "scales"), &t));
  OQ_TRY(oq_edit_set_input(r->g, r->id, 1, v));
  return oq_pass_drop_attr(r->g, r->id, "scales");
}

/* ---- 10 -------------------------------------------------------------------
 */
static oq_status slice_inputs(const oq_raise *r) {
  OQ_TRY(list_to_input(r, "starts", 1));
  OQ_TRY(list_to_input(r, "ends", 2));
  return list_to_input(r, "axes", 3);
}

static oq_status topk_input(const oq_raise *r) {
  const int64_t k = oq_pass_i64(r->g, node_of(r), "k", 0);
  oq_value_id v;

  OQ_TRY(oq_pass_add_i64s(&v, r->g, hint(r, "k"), &k, 1));
  OQ_TRY(oq_edit_set_input(r->g, r->id, 1, v));
  return oq_pass_drop_attr(r->g, r->id, "k");
}

static oq_status upsample_resize(const oq_raise *r) {
  return oq_edit_set_op(r->g, r->id, "", "Resize");
}

/* The mask had the type of the data. */
static bool mask_known(const oq_raise *r) {
  return oq_pass_unused(&r->uses, oq_pass_out(node_of(r), 1)) ||
         dtype_of(r, 0) != OQ_DT_NONE;
}

static oq_status dropout_mask(const oq_raise *r) {
  const oq_value_id mask = oq_pass_out(node_of(r), 1);
  oq_value_id flags;
  oq_attr to;

  if (!oq_value_ok(mask)) return OQ_OK;
  OQ_TRY(oq_edit_set_output(r->g, r->id, 1, no_value));
  if (oq_pass_unused(&r->uses, mask)) return oq_edit_trim_ports(r->g, r->id);
  OQ_TRY(new_value(&flags, r, "mask"));
  OQ_TRY(oq_edit_set_output(r->g, r->id, 1, flags));
  OQ_TRY(oq_attr_i64(r->g->model, &to, "to", (int64_t)dtype_of(r, 0)));
  return new_node(r, "Cast", &flags, 1, mask, &to);
}

/* x * scale + bias by channel: an operator that opset 10 no longer had. */
static bool scaler_known(const oq_raise *r) {
  const oq_attr *const bias = oq_node_attr(r->g, node_of(r), "bias");

  return bias != NULL && bias->kind == OQ_ATTR_F32S &&
         dtype_of(r, 0) == OQ_DT_F32;
}

/* The node becomes Mul, and an Add behind it takes its result over. */
static oq_status scale_and_shift(const oq_raise *r, double scale,
                                 const oq_ctensor *shift) {
  const oq_value_id y = node_of(r)->out[0];
  oq_value_id scaled, by, factor;

  OQ_TRY(
      oq_pass_add_scalar(&factor, r->g, hint(r, "scale"), shift->dtype, scale));
  OQ_TRY(oq_edit_add_const(r->g, &by, hint(r, "bias"), shift));
  OQ_TRY(new_value(&scaled, r, "scaled"));
  OQ_TRY(oq_edit_set_op(r->g, r->id, "", "Mul"));
  OQ_TRY(oq_edit_set_attrs(r->g, r->id, NULL, 0));
  OQ_TRY(oq_edit_set_input(r->g, r->id, 1, factor));
  OQ_TRY(oq_edit_set_output(r->g, r->id, 0, scaled));
  return new_node(r, "Add", (const oq_value_id[]){scaled, by}, 2, y, NULL);
}

static oq_status scaler_parts(const oq_raise *r) {
  const oq_attr *const bias = oq_node_attr(r->g, node_of(r), "bias");
  const oq_ctensor shift = {.dtype = OQ_DT_F32,
                            .shape = {.rank = 3, .dim = {bias->count, 1, 1}},
                            .size = bias->count * sizeof *bias->u.f32s,
                            .data = bias->u.f32s};

  return scale_and_shift(r, (double)oq_pass_f32(r->g, node_of(r), "scale", 1),
                         &shift);
}

static bool affine_known(const oq_raise *r) {
  return dtype_of(r, 0) == OQ_DT_F32;
}

static oq_status affine_parts(const oq_raise *r) {
  const float beta = oq_pass_f32(r->g, node_of(r), "beta", 0);
  const oq_ctensor shift = {
      .dtype = OQ_DT_F32, .size = sizeof beta, .data = &beta};

  return scale_and_shift(r, (double)oq_pass_f32(r->g, node_of(r), "alpha", 1),
                         &shift);
}

/* Cuts off left, top, right, bottom; or what is left is `scale` high and wide.
 * Gone with opset 10, too. */
static bool crop_known(const oq_raise *r) {
  const oq_attr *const border = oq_node_attr(r->g, node_of(r), "border");
  const oq_attr *const scale = oq_node_attr(r->g, node_of(r), "scale");

  if (border == NULL || border->kind != OQ_ATTR_I64S || border->count != 4)
    return false;
  for (uint32_t i = 0; i < 4; i++)
    if (border->u.i64s[i] < 0 || border->u.i64s[i] > INT32_MAX) return false;
  if (scale == NULL) return true;
  return scale->kind == OQ_ATTR_I64S && scale->count == 2 &&
         scale->u.i64s[0] >= 0 && scale->u.i64s[0] <= INT32_MAX &&
         scale->u.i64s[1] >= 0 && scale->u.i64s[1] <= INT32_MAX;
}

static oq_status crop_slice(const oq_raise *r) {
  const int64_t *const by = oq_node_attr(r->g, node_of(r), "border")->u.i64s;
  const oq_attr *const scale = oq_node_attr(r->g, node_of(r), "scale");
  const int64_t starts[2] = {by[1], by[0]}, axes[2] = {2, 3};
  int64_t ends[2] = {-by[3], -by[2]};
  oq_value_id v;

  for (uint32_t i = 0; i < 2; i++) {
    if (scale != NULL) ends[i] = starts[i] + scale->u.i64s[i];
    if (scale == NULL && ends[i] == 0) ends[i] = INT64_MAX;
  }
  OQ_TRY(oq_edit_set_op(r->g, r->id, "", "Slice"));
  OQ_TRY(oq_pass_add_i64s(&v, r->g, hint(r, "starts"), starts, 2));
  OQ_TRY(oq_edit_set_input(r->g, r->id, 1, v));
  OQ_TRY(oq_pass_add_i64s(&v, r->g, hint(r, "ends"), ends, 2));
  OQ_TRY(oq_edit_set_input(r->g, r->id, 2, v));
  OQ_TRY(oq_pass_add_i64s(&v, r->g, hint(r, "axes"), axes, 2));
  OQ_TRY(oq_edit_set_input(r->g, r->id, 3, v));
  return oq_edit_set_attrs(r->g, r->id, NULL, 0);
}

/* ---- 11 -------------------------------------------------------------------
 */
/* Which way the sizes go: bit 0: some grow (or may), bit 1: some shrink. */
static unsigned directions(oq_ctensor *scales, const oq_raise *r,
                           oq_value_id v) {
  unsigned found = 0;

  if (!oq_pass_const(scales, r->g, v, r->env->scratch)) {
    const oq_where w = oq_node_where(r->g, r->id);
    oq_note(r->env->diags, "opset.resize", &w,
            "%s '%s' is taken to enlarge: its scales are not constant", w.op,
            w.node);
    return 1;
  }
  for (size_t i = 0, n = oq_tensor_count(scales); i < n; i++) {
    const double s = oq_element_f64(scales, i);
    found |= s > 1 ? 1u : s < 1 ? 2u : 0u;
  }
  return found;
}

static oq_status resize_inputs(const oq_raise *r, oq_value_id *in,
                               oq_value_id data, oq_value_id scales) {
  const oq_ctensor empty = {.dtype = OQ_DT_F32,
                            .shape = {.rank = 1, .dim = {0}}};

  in[0] = data;
  in[1] = no_value; /* roi; before 13 it was not optional */
  in[2] = scales;
  if (r->to >= 13) return OQ_OK;
  return oq_edit_add_const(r->g, &in[1], hint(r, "roi"), &empty);
}

/* Those of `from` that are on the side of 1; 1 for the others. */
static oq_status one_sided(oq_value_id *out, const oq_raise *r,
                           const oq_ctensor *from, bool above) {
  oq_tensor t;

  if (oq_tensor_make(&t, from->dtype, &from->shape, r->env->scratch) != OQ_OK)
    return OQ_E_MEMORY;
  for (size_t i = 0, n = oq_tensor_count(from); i < n; i++) {
    const double s = oq_element_f64(from, i);
    oq_element_set_f64(&t, i, (s > 1) == above ? s : 1);
  }
  const oq_ctensor c = oq_tensor_const(&t);
  return oq_edit_add_const(r->g, out, hint(r, "scales"), &c);
}

/* Another Resize behind the node, which takes its result over. */
static oq_status add_growing(const oq_raise *r, oq_value_id scales) {
  const oq_value_id y = node_of(r)->out[0];
  oq_value_id in[3], smaller;
  oq_node_id id;
  oq_attr attrs[3];
  oq_node_spec s = {.in = in,
                    .n_in = 3,
                    .out = &y,
                    .n_out = 1,
                    .op = node_of(r)->op,
                    .n_attrs = 3};

  OQ_TRY(new_value(&smaller, r, "smaller"));
  OQ_TRY(resize_inputs(r, in, smaller, scales));
  OQ_TRY(oq_attr_text(r->g->model, &attrs[0], "mode", "nearest"));
  OQ_TRY(oq_attr_text(r->g->model, &attrs[1], "coordinate_transformation_mode",
                      "asymmetric"));
  OQ_TRY(oq_attr_text(r->g->model, &attrs[2], "nearest_mode", "floor"));
  s.attrs = OQ_COPY_N(r->g->model->arena, oq_attr, attrs, 3);
  if (s.attrs == NULL) return OQ_E_MEMORY;
  OQ_TRY(oq_edit_set_output(r->g, r->id, 0, smaller));
  return oq_edit_add_node(r->g, &id, &s);
}

/* Resize-10 (and Upsample before) count pixels by their corners; "nearest"
 * rounds down where an axis grows and up where it shrinks.  Later it has one
 * rounding for all axes: where some grow and some shrink, two nodes are needed.
 * Scales that are not constant are taken to grow: they come from exporters of
 * upsampling. */
static oq_status resize_form(const oq_raise *r) {
  const oq_value_id data = node_of(r)->in[0],
                    scales = oq_pass_in(node_of(r), 1);
  const bool nearest =
      oq_pass_text_is(r->g, node_of(r), "mode", "nearest", true);
  oq_value_id in[3], down = scales, up = no_value;
  oq_ctensor numbers;
  const unsigned ways = nearest ? directions(&numbers, r, scales) : 0;

  if (ways == 3) {
    OQ_TRY(one_sided(&up, r, &numbers, true));
    OQ_TRY(one_sided(&down, r, &numbers, false));
    OQ_TRY(add_growing(r, up));
  }
  OQ_TRY(resize_inputs(r, in, data, down));
  for (uint32_t i = 0; i < 3; i++)
    OQ_TRY(oq_edit_set_input(r->g, r->id, i, in[i]));
  OQ_TRY(put_text(r, "coordinate_transformation_mode", "asymmetric"));
  return put_text(r, "nearest_mode", (ways & 2) != 0 ? "ceil" : "floor");
}

static bool bounded(const oq_raise *r, const char *name) {
  return oq_node_attr(r->g, node_of(r), name) != NULL;
}

static bool clip_known(const oq_raise *r) {
  return (!bounded(r, "min") && !bounded(r, "max")) ||
         dtype_of(r, 0) != OQ_DT_NONE;
}

/* A bound that no finite number of float32 is beyond is none. */
static oq_status clip_bound(const oq_raise *r, const char *name,
                            uint32_t slot) {
  const float v = oq_pass_f32(r->g, node_of(r), name, 0);
  oq_value_id c;

  if (!bounded(r, name)) return OQ_OK;
  if (!(fabsf(v) >= FLT_MAX)) {
    OQ_TRY(
        oq_pass_add_scalar(&c, r->g, hint(r, name), dtype_of(r, 0), (double)v));
    OQ_TRY(oq_edit_set_input(r->g, r->id, slot, c));
  }
  return oq_pass_drop_attr(r->g, r->id, name);
}

static oq_status clip_inputs(const oq_raise *r) {
  OQ_TRY(clip_bound(r, "min", 1));
  return clip_bound(r, "max", 2);
}

static bool fills(const oq_raise *r) {
  const oq_node *const n = node_of(r);

  return oq_pass_text_is(r->g, n, "mode", "constant", true) &&
         oq_pass_f32(r->g, n, "value", 0) != 0;
}

static bool pad_known(const oq_raise *r) {
  return !fills(r) || dtype_of(r, 0) != OQ_DT_NONE;
}

static oq_status pad_inputs(const oq_raise *r) {
  oq_value_id v;

  OQ_TRY(list_to_input(r, "pads", 1));
  if (fills(r)) {
    const double value = (double)oq_pass_f32(r->g, node_of(r), "value", 0);
    OQ_TRY(
        oq_pass_add_scalar(&v, r->g, hint(r, "value"), dtype_of(r, 0), value));
    OQ_TRY(oq_edit_set_input(r->g, r->id, 2, v));
  }
  return oq_pass_drop_attr(r->g, r->id, "value");
}

static oq_status scatter_elements(const oq_raise *r) {
  return oq_edit_set_op(r->g, r->id, "", "ScatterElements");
}

/* ---- 12 -------------------------------------------------------------------
 */
/* The mask of inference was not said to be anything, and is all zeros in
 * onnxruntime; from here on it is all ones. */
static oq_status dropout_zeros(const oq_raise *r) {
  const oq_value_id mask = oq_pass_out(node_of(r), 1);
  oq_value_id kept;

  if (!oq_value_ok(mask) || oq_pass_unused(&r->uses, mask)) return OQ_OK;
  OQ_TRY(oq_edit_set_output(r->g, r->id, 1, no_value));
  OQ_TRY(new_value(&kept, r, "kept"));
  OQ_TRY(oq_edit_set_output(r->g, r->id, 1, kept));
  return new_node(r, "Not", &kept, 1, mask, NULL);
}

static oq_status dropout_inputs(const oq_raise *r) {
  const oq_attr *const a = oq_node_attr(r->g, node_of(r), "ratio");
  oq_value_id v;

  OQ_TRY(dropout_zeros(r));
  if (a == NULL || a->kind != OQ_ATTR_F32) return OQ_OK;
  OQ_TRY(oq_pass_add_scalar(&v, r->g, hint(r, "ratio"), OQ_DT_F32,
                            (double)a->u.f32));
  OQ_TRY(oq_edit_set_input(r->g, r->id, 1, v));
  return oq_pass_drop_attr(r->g, r->id, "ratio");
}

/* ---- 13: Softmax, LogSoftmax, Hardmax -------------------------------------
 */
/* They took the axes from `axis` on as one.  That is what they do along one of
 * them if the others have size 1; *one is that one. */
static bool is_one_axis(int64_t *one, const oq_type *t, int64_t axis) {
  uint32_t found = 0;

  if (axis == -1) {
    *one = -1;
    return true;
  }
  if (t == NULL || !t->has_rank || t->rank == 0) return false;
  if (axis < 0) axis += t->rank;
  if (axis < 0 || axis >= t->rank) return false;
  *one = (int64_t)t->rank - 1 == axis ? -1 : axis;
  for (uint32_t i = (uint32_t)axis; i < t->rank; i++) {
    if (t->dim[i].size == 1) continue;
    *one = (int64_t)t->rank - 1 == (int64_t)i ? -1 : (int64_t)i;
    found++;
  }
  return found <= 1;
}

/* [rows, all the others] and back. */
static oq_status by_rows(const oq_raise *r, int64_t axis) {
  const oq_value_id x = node_of(r)->in[0], y = node_of(r)->out[0];
  const oq_type *const t = type_of(r, x);
  oq_value_id flat, rows, shape;
  oq_shape known;
  oq_attr a;

  OQ_TRY(new_value(&flat, r, "flat"));
  OQ_TRY(new_value(&rows, r, "rows"));
  OQ_TRY(oq_attr_i64(r->g->model, &a, "axis", axis));
  OQ_TRY(new_node(r, "Flatten", &x, 1, flat, &a));
  if (t != NULL && oq_type_shape(&known, t)) {
    OQ_TRY(oq_pass_add_i64s(&shape, r->g, hint(r, "shape"), known.dim,
                            known.rank));
  } else {
    OQ_TRY(new_value(&shape, r, "shape"));
    OQ_TRY(new_node(r, "Shape", &x, 1, shape, NULL));
  }
  OQ_TRY(oq_edit_set_input(r->g, r->id, 0, flat));
  OQ_TRY(oq_edit_set_output(r->g, r->id, 0, rows));
  return new_node(r, "Reshape", (const oq_value_id[]){rows, shape}, 2, y, NULL);
}

static oq_status softmax_axis(const oq_raise *r) {
  const oq_node *const n = node_of(r);
  const int64_t axis = oq_pass_i64(r->g, n, "axis", 1);
  int64_t one = -1;

  if (!is_one_axis(&one, type_of(r, n->in[0]), axis)) {
    OQ_TRY(by_rows(r, axis));
    one = -1;
  }
  return put_i64(r, "axis", one);
}

/* ---- 13: lists that became inputs, scales of one element ------------------
 */
static oq_status axes_input(const oq_raise *r) {
  return list_to_input(r, "axes", 1);
}

static oq_status split_input(const oq_raise *r) {
  return list_to_input(r, "split", 1);
}

/* [1] would mean "per axis" from here on. */
static oq_status make_scalar(const oq_raise *r, uint32_t slot,
                             const char *what) {
  const oq_value_id v = oq_pass_in(node_of(r), slot);
  const oq_type *const t = type_of(r, v);
  oq_value_id scalar;
  oq_ctensor c;

  if (t == NULL || !t->has_rank || t->rank != 1 || t->dim[0].size != 1)
    return OQ_OK;
  if (oq_pass_const(&c, r->g, v, r->env->scratch)) {
    c.shape.rank = 0;
    OQ_TRY(oq_edit_add_const(r->g, &scalar, oq_value_text(r->g, v), &c));
  } else {
    OQ_TRY(new_value(&scalar, r, what));
    OQ_TRY(new_node(r, "Squeeze", &v, 1, scalar, NULL));
  }
  return oq_edit_set_input(r->g, r->id, slot, scalar);
}

static oq_status scalar_scale(const oq_raise *r) {
  OQ_TRY(make_scalar(r, 1, "scale"));
  return make_scalar(r, 2, "zero_point");
}

/* ---- 14 .. 20 -------------------------------------------------------------
 */
/* Five outputs were those of training. */
static bool one_output(const oq_raise *r) {
  const oq_node *const n = node_of(r);

  for (uint32_t i = 1; i < n->n_out; i++)
    if (!oq_pass_unused(&r->uses, n->out[i])) return false;
  return true;
}

static oq_status trim_outputs(const oq_raise *r) {
  for (uint32_t i = 1; i < node_of(r)->n_out; i++)
    OQ_TRY(oq_edit_set_output(r->g, r->id, i, no_value));
  return oq_edit_trim_ports(r->g, r->id);
}

static oq_status roialign_mode(const oq_raise *r) {
  return put_text(r, "coordinate_transformation_mode", "output_half_pixel");
}

static oq_status split_count(const oq_raise *r) {
  const oq_node *const n = node_of(r);

  if (oq_value_ok(oq_pass_in(n, 1))) return OQ_OK;
  return put_i64(r, "num_outputs", n->n_out);
}

static oq_status gridsample_mode(const oq_raise *r) {
  const oq_node *const n = node_of(r);

  if (oq_pass_text_is(r->g, n, "mode", "bilinear", false))
    return put_text(r, "mode", "linear");
  if (oq_pass_text_is(r->g, n, "mode", "bicubic", false))
    return put_text(r, "mode", "cubic");
  return OQ_OK;
}

static oq_status dft_axis(const oq_raise *r) {
  const int64_t axis = oq_pass_i64(r->g, node_of(r), "axis", 1);
  oq_value_id v;

  OQ_TRY(
      oq_pass_add_scalar(&v, r->g, hint(r, "axis"), OQ_DT_I64, (double)axis));
  OQ_TRY(oq_edit_set_input(r->g, r->id, 2, v));
  return oq_pass_drop_attr(r->g, r->id, "axis");
}

/* ---- 21: GroupNormalization -----------------------------------------------
 */
/* A list of this length is made. */
#define MAX_CHANNELS (INT64_C(1) << 24)

/* Scale and bias by channel, not by group. */
static bool groups_known(const oq_raise *r) {
  const oq_node *const n = node_of(r);
  const int64_t groups = oq_pass_i64(r->g, n, "num_groups", 0);
  const oq_type *const x = type_of(r, oq_pass_in(n, 0));

  if (x == NULL || !x->has_rank || x->rank < 2 || x->dim[1].size <= 0 ||
      x->dim[1].size > MAX_CHANNELS || groups <= 0 ||
      x->dim[1].size % groups != 0)
    return false;
  for (uint32_t i = 1; i <= 2; i++) {
    const oq_type *const t = oq_pass_const_type(r->g, oq_pass_in(n, i));
    if (t == NULL || t->rank != 1 || t->dim[0].size != groups) return false;
  }
  return true;
}

static oq_status repeat(const oq_raise *r, uint32_t slot, int64_t channels,
                        int64_t groups) {
  const oq_value_id v = node_of(r)->in[slot];
  const oq_shape s = {.rank = 1, .dim = {channels}};
  oq_pass_numbers to;
  oq_ctensor from;

  if (!oq_pass_const(&from, r->g, v, r->env->scratch)) return OQ_E_MEMORY;
  OQ_TRY(oq_pass_numbers_new(&to, from.dtype, &s, r->env));
  for (size_t i = 0; i < (size_t)channels; i++)
    oq_element_set_f64(&to.t, i,
                       oq_element_f64(&from, i / (size_t)(channels / groups)));
  return oq_pass_numbers_put(r->g, r->id, slot,
                             oq_pass_is_alone(r->g, &r->uses, v), "scale", &to);
}

static oq_status groups_to_channels(const oq_raise *r) {
  const oq_type *const x = type_of(r, node_of(r)->in[0]);
  const int64_t channels = x->dim[1].size;
  const int64_t groups = oq_pass_i64(r->g, node_of(r), "num_groups", 0);

  OQ_TRY(repeat(r, 1, channels, groups));
  OQ_TRY(repeat(r, 2, channels, groups));
  if (x->dtype == OQ_DT_F32) return OQ_OK; /* the default */
  return put_i64(r, "stash_type", (int64_t)x->dtype);
}

/* ---- the table ------------------------------------------------------------
 */
static const oq_raise_rule rules[] = {
    {9, "BatchNormalization", is_spatial, drop_spatial},
    {9, "Scan", never, nothing},
    {9, "Upsample", NULL, upsample_scales},
    {10, "Slice", NULL, slice_inputs},
    {10, "TopK", NULL, topk_input},
    {10, "Upsample", NULL, upsample_resize},
    {10, "Dropout", mask_known, dropout_mask},
    {10, "ImageScaler", scaler_known, scaler_parts},
    {10, "Affine", affine_known, affine_parts},
    {10, "Crop", crop_known, crop_slice},
    {11, "Resize", NULL, resize_form},
    {11, "Clip", clip_known, clip_inputs},
    {11, "Pad", pad_known, pad_inputs},
    {11, "Scatter", NULL, scatter_elements},
    {12, "Dropout", NULL, dropout_inputs},
    {13, "Softmax", NULL, softmax_axis},
    {13, "LogSoftmax", NULL, softmax_axis},
    {13, "Hardmax", NULL, softmax_axis},
    {13, "Squeeze", NULL, axes_input},
    {13, "Unsqueeze", NULL, axes_input},
    {13, "ReduceSum", NULL, axes_input},
    {13, "Split", NULL, split_input},
    {13, "QuantizeLinear", NULL, scalar_scale},
    {13, "DequantizeLinear", NULL, scalar_scale},
    {14, "BatchNormalization", one_output, trim_outputs},
    {16, "RoiAlign", NULL, roialign_mode},
    {18, "ReduceL1", NULL, axes_input},
    {18, "ReduceL2", NULL, axes_input},
    {18, "ReduceLogSum", NULL, axes_input},
    {18, "ReduceLogSumExp", NULL, axes_input},
    {18, "ReduceMax", NULL, axes_input},
    {18, "ReduceMean", NULL, axes_input},
    {18, "ReduceMin", NULL, axes_input},
    {18, "ReduceProd", NULL, axes_input},
    {18, "ReduceSumSquare", NULL, axes_input},
    {18, "Split", NULL, split_count},
    {20, "GridSample", NULL, gridsample_mode},
    {20, "DFT", NULL, dft_axis},
    {21, "GroupNormalization", groups_known, groups_to_channels},
};

const oq_raise_rule *oq_raise_rules(uint32_t *n) {
  *n = (uint32_t)(sizeof rules / sizeof rules[0]);
  return rules;
}
