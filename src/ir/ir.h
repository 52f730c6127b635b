/* ir - the graph in memory.  Plain data plus a small set of editing verbs.
 * Knows neither protobuf nor what any operator means. */
#ifndef OQ_IR_IR_H
#define OQ_IR_IR_H

#include "base/env.h"
#include "base/intern.h"
#include "base/store.h"
#include "tensor/tensor.h"

/* Ids index arrays of their graph; a struct each so that the compiler refuses
 * a node where a value is meant.  Ids are never reused within one graph. */
typedef struct oq_node_id {
  uint32_t i;
} oq_node_id;
typedef struct oq_value_id {
  uint32_t i;
} oq_value_id;
#define OQ_NONE UINT32_MAX
static inline bool oq_node_ok(oq_node_id n) { return n.i != OQ_NONE; }
static inline bool oq_value_ok(oq_value_id v) { return v.i != OQ_NONE; }

/* Fields of a message that the IR does not model (unknown ones, and known ones
 * such as doc_string), as wire bytes in the order they came; written back
 * merged by field number. */
typedef struct oq_extra {
  const uint8_t *bytes; /* whole fields: tag and payload */
  size_t size;
} oq_extra;

#define OQ_DIM_UNKNOWN INT64_C(-1)
typedef struct oq_dim {
  int64_t size;   /* or OQ_DIM_UNKNOWN ... */
  oq_name symbol; /* ... in which case this may name it ("batch") */
} oq_dim;

typedef enum oq_type_kind {
  OQ_TYPE_UNKNOWN, /* not said and not inferred */
  OQ_TYPE_TENSOR,
  OQ_TYPE_OTHER /* sequence, optional, map, sparse, opaque: see `raw` */
} oq_type_kind;

/* Immutable once made, shared freely. */
typedef struct oq_type {
  oq_type_kind kind;
  oq_dtype dtype;
  bool has_rank;
  uint32_t rank;
  oq_dim dim[OQ_MAX_RANK];
  const oq_extra *raw; /* TypeProto as it came; NULL if made by us */
} oq_type;

/* How the numbers of a constant stand in the file; kept so that an untouched
 * tensor is written back as it came. */
typedef enum oq_encoding {
  OQ_ENC_RAW,      /* raw_data, or external: little-endian, dense */
  OQ_ENC_TYPED,    /* a packed typed field; `bytes` is that field's payload */
  OQ_ENC_UNPACKED, /* typed fields one by one; `bytes` is their wire */
  OQ_ENC_STRINGS   /* string_data fields; `bytes` is their wire */
} oq_encoding;

/* The bytes of a constant: a span of a store.  Decoded to dense native numbers
 * by oq_blob_decode (onnx layer rules, implemented in ir/blob.c: needs only the
 * element type and the encoding). */
typedef struct oq_blob {
  oq_store *store; /* kept alive by the model; NULL if size == 0 */
  uint64_t offset; /* of any alignment: raw_data starts anywhere */
  size_t size;
  oq_encoding encoding;
  uint32_t field;   /* TYPED, UNPACKED: number in TensorProto (4 5 7 10 11) */
  bool external;    /* came from, and goes to, a file of its own ... */
  oq_name location; /* ... at this path relative to the model */
} oq_blob;

/* A constant tensor: initializer or attribute. */
typedef struct oq_const {
  const oq_type *type; /* TENSOR with a full shape */
  const oq_blob *blob;
  oq_name name;          /* of the TensorProto; 0 in most attributes */
  const oq_extra *extra; /* doc_string, metadata_props, ...; may be NULL */
} oq_const;

typedef enum oq_value_kind {
  OQ_VALUE_INPUT,  /* fed by the caller */
  OQ_VALUE_CONST,  /* initializer */
  OQ_VALUE_RESULT, /* made by `producer` */
  OQ_VALUE_OUTER,  /* belongs to an enclosing graph */
  OQ_VALUE_DEAD
} oq_value_kind;

typedef struct oq_value {
  oq_value_kind kind;
  oq_name name;
  const oq_type *type;    /* declared or inferred; NULL = unknown */
  const oq_const *konst;  /* CONST only */
  bool also_input;        /* CONST that is listed as a graph input too */
  bool has_info;          /* stands in value_info (input, output: their list) */
  oq_node_id producer;    /* RESULT only */
  uint32_t producer_slot; /* RESULT only */
  const oq_extra *info_extra; /* of its ValueInfoProto; may be NULL */
} oq_value;

typedef struct oq_graph oq_graph;

typedef enum oq_attr_kind { /* numbers of AttributeProto.AttributeType */
                            OQ_ATTR_NONE = 0,
                            OQ_ATTR_F32 = 1,
                            OQ_ATTR_I64 = 2,
                            OQ_ATTR_TEXT = 3,
                            OQ_ATTR_TENSOR = 4,
                            OQ_ATTR_GRAPH = 5,
                            OQ_ATTR_F32S = 6,
                            OQ_ATTR_I64S = 7,
                            OQ_ATTR_TEXTS = 8,
                            OQ_ATTR_TENSORS = 9,
                            OQ_ATTR_GRAPHS = 10,
                            OQ_ATTR_SPARSE = 11,
                            OQ_ATTR_SPARSES = 12,
                            OQ_ATTR_TYPE = 13,
                            OQ_ATTR_TYPES = 14
} oq_attr_kind;

typedef struct oq_attr {
  oq_name name;
  oq_attr_kind kind;
  uint32_t count; /* of the plural kinds */
  oq_name ref;    /* ref_attr_name inside functions; 0 = none */
  union {
    float f32;
    int64_t i64;
    oq_text text;
    const float *f32s;
    const int64_t *i64s;
    const oq_text *texts;
    const oq_const *tensor;
    const oq_const *const *tensors;
    oq_graph *graph;
    oq_graph *const *graphs;
    const oq_extra *raw; /* SPARSE*, TYPE*: their fields as they came */
  } u;
  const oq_extra *extra;
} oq_attr;

struct oq_op_def; /* defined in ops; ir only carries the pointer */

typedef struct oq_node {
  oq_name name, domain, op; /* domain "ai.onnx" is normalised to "" */
  oq_name overload;
  const struct oq_op_def *def; /* bound by ops/bind; NULL = opaque */
  const void *params;          /* attributes as the row wants them */
  const oq_attr *attrs;
  oq_value_id *in, *out; /* OQ_NONE = optional and absent */
  uint32_t n_attrs, n_in, n_out;
  bool dead;
  const oq_extra *extra;
} oq_node;

struct oq_graph {
  struct oq_model_ir *model;
  oq_graph *outer; /* NULL for the main graph */
  oq_name name;
  oq_node *nodes; /* in file order; may be unsorted */
  oq_value *values;
  uint32_t n_nodes, n_values;
  uint32_t cap_nodes, cap_values;
  oq_value_id *inputs, *outputs; /* inputs: CONST with also_input included */
  uint32_t n_inputs, n_outputs;
  /* OUTER values: outer_of[v] is the id in the enclosing graph (resolved one
   * level; that one may be OUTER again).  Indexed by value id; OQ_NONE else. */
  oq_value_id *outer_of;
  /* Initializers in file order, so that they are written in it. */
  oq_value_id *inits;
  uint32_t n_inits, cap_inits;
  /* value_info in file order. */
  oq_value_id *infos;
  uint32_t n_infos, cap_infos;
  struct oq_map *by_name; /* oq_name.i -> value id */
  const oq_extra *extra;
  /* Every graph made inside this one, those of removed nodes included. */
  oq_graph **bodies;
  uint32_t n_bodies, cap_bodies;
};

typedef struct oq_opset {
  oq_name domain; /* "ai.onnx" is normalised to "" */
  int64_t version;
  const oq_extra *extra;
} oq_opset;

typedef struct oq_prop { /* metadata_props of the model */
  oq_text key, value;
} oq_prop;

/* An operator that the model defines itself.  Its graph sees only its inputs,
 * has no types, and attributes may refer to those of the call (`ref`). */
typedef struct oq_function {
  oq_name domain, name, overload;
  oq_graph *graph;       /* NULL: of a form that is only kept, not used */
  const oq_name *params; /* attributes without a default value */
  const oq_attr *defaults;
  const oq_opset *opsets;
  uint32_t n_params, n_defaults, n_opsets;
} oq_function;

typedef struct oq_model_ir {
  oq_alloc *alloc;
  oq_arena *arena;   /* owns every object above */
  oq_names *names;   /* every name of the model, function bodies included */
  oq_store **stores; /* one reference each; let go last */
  uint32_t n_stores, cap_stores;
  int64_t ir_version;
  oq_opset *opsets;
  uint32_t n_opsets;
  oq_prop *props;
  uint32_t n_props;
  oq_text producer_name, producer_version;
  /* Model-local functions, kept in `extra` verbatim; once nobody calls them and
   * this is false, they are not written. */
  bool has_functions;
  /* (domain, name) of the local functions, as two entries each. */
  const oq_name *functions;
  uint32_t n_functions;
  oq_graph *main;
  uint32_t n_graphs; /* main and all bodies */
  const oq_extra *extra;
  /* The same n_functions once more, decoded; NULL if nobody did. */
  const oq_function *function_defs;
  struct oq_map *fresh; /* where oq_edit_fresh_name goes on counting */
} oq_model_ir;

/* ---- graph.c: construction, lookup ------------------------------------- */
/* Empty: no graph yet. */
oq_status oq_ir_create(oq_model_ir **out, oq_alloc *a);
void oq_ir_destroy(oq_model_ir *m); /* NULL is fine */
/* The first one without `outer` becomes m->main. */
oq_status oq_ir_add_graph(oq_graph **out, oq_model_ir *m, oq_graph *outer,
                          oq_name name);
/* The model takes over the reference, also on failure: then it is let go. */
oq_status oq_ir_keep_store(oq_model_ir *m, oq_store *s);
/* OQ_NONE if no living value of `g` itself has that name. */
oq_value_id oq_graph_find_value(const oq_graph *g, oq_name name);
/* The same in `g` and, if it is not there, in the graphs around it. */
oq_value_id oq_graph_find_visible(const oq_graph *g, oq_name name,
                                  const oq_graph **where);
/* Where a value comes from: follows outer_of to the graph that has it. */
oq_value_id oq_graph_resolve(const oq_graph *g, oq_value_id v,
                             const oq_graph **where);
/* Lists of the graph; for whoever builds one.  `ids` are copied. */
oq_status oq_graph_list_init(oq_graph *g, oq_value_id v);
oq_status oq_graph_list_info(oq_graph *g, oq_value_id v);
oq_status oq_graph_set_inputs(oq_graph *g, const oq_value_id *ids, uint32_t n);
oq_status oq_graph_set_outputs(oq_graph *g, const oq_value_id *ids, uint32_t n);
/* The initializer that `v` is, here or in a graph around; NULL if it is none.
 */
const oq_const *oq_graph_const(const oq_graph *g, oq_value_id v);
/* Graph number i among the attributes of a node (bodies of If, Loop, ...) in
 * order; NULL behind the last. */
oq_graph *oq_node_body(const oq_node *n, uint32_t i);
/* All of them: for (oq_body_iter it = {n}; (b = oq_body_next(&it)) != NULL;) */
typedef struct oq_body_iter {
  const oq_node *node;
  uint32_t attr, i;
} oq_body_iter;
oq_graph *oq_body_next(oq_body_iter *it);
static inline oq_node *oq_graph_node(const oq_graph *g, oq_node_id n) {
  return &g->nodes[n.i];
}
static inline oq_value *oq_graph_value(const oq_graph *g, oq_value_id v) {
  return &g->values[v.i];
}
const char *oq_value_text(const oq_graph *g, oq_value_id v); /* its name */
/* Name of a node, or of its first output where it has none. */
const char *oq_node_text(const oq_graph *g, oq_node_id n);
const char *oq_node_op(const oq_graph *g, oq_node_id n);
int64_t oq_ir_opset(const oq_model_ir *m,
                    oq_name domain); /* 0 = not imported */
const oq_attr *oq_node_attr(const oq_graph *g, const oq_node *n,
                            const char *name); /* NULL = absent */
oq_where oq_node_where(const oq_graph *g, oq_node_id n);
bool oq_value_is_output(const oq_graph *g, oq_value_id v);
/* Types. */
const oq_type *oq_type_make(oq_arena *a, oq_dtype t, const int64_t *dim,
                            uint32_t rank); /* dim NULL: rank unknown */
bool oq_type_shape(oq_shape *out,
                   const oq_type *t); /* false if not all known */

/* ---- edit.c: the only verbs that change a graph -------------------------
 * They record no findings: they fail with OQ_E_MEMORY (the model may be half
 * changed then and is only good to be destroyed), or with OQ_E_INTERNAL where
 * the caller broke a rule.  Adding a node or value moves g->nodes or
 * g->values: ids stay good, pointers into them do not.  `inits` and `infos` may
 * hold values that have become DEAD; who writes them skips those. */
typedef struct oq_node_spec {
  oq_name name, domain, op;
  const oq_attr *attrs;        /* borrowed: must live in the model's arena */
  const oq_value_id *in, *out; /* copied */
  uint32_t n_attrs, n_in, n_out;
} oq_node_spec;
/* A fresh name from `base`: unique among all names of the model; `base` itself
 * if it is free. */
oq_status oq_edit_fresh_name(oq_model_ir *m, oq_name *out, const char *base);
/* `name` must be unused in the graph and not empty.  RESULT without producer
 * until a node has it among its outputs.  Enters none of the lists of the graph
 * (inputs, outputs, inits, infos). */
oq_status oq_edit_add_value(oq_graph *g, oq_value_id *out, oq_value_kind kind,
                            oq_name name, const oq_type *t);
/* The value of `g` that stands for `of` of the graph around it; an existing one
 * if there is any. */
oq_status oq_edit_add_outer(oq_graph *g, oq_value_id *out, oq_value_id of);
oq_status oq_edit_add_node(oq_graph *g, oq_node_id *out, const oq_node_spec *s);
/* A new initializer of these numbers (dense, native order; copied into a new
 * store), named from `hint`. */
oq_status oq_edit_add_const(oq_graph *g, oq_value_id *out, const char *hint,
                            const oq_ctensor *t);
/* The same over a store that is already filled (big weights: no copy).  The
 * reference is taken over, also on failure. */
oq_status oq_edit_add_const_store(oq_graph *g, oq_value_id *out,
                                  const char *hint, oq_dtype t,
                                  const oq_shape *shape, oq_store *bytes);
/* New numbers for an initializer, whatever their type and shape; it keeps its
 * name and what else the file said of it.  The reference is taken over, also on
 * failure. */
oq_status oq_edit_set_const(oq_graph *g, oq_value_id v, oq_dtype t,
                            const oq_shape *shape, oq_store *bytes);
/* A RESULT becomes an initializer under its name: of these numbers (copied), or
 * of those of another constant (shared).  Its producer no longer lists it. */
oq_status oq_edit_make_const(oq_graph *g, oq_value_id v, const oq_ctensor *t);
oq_status oq_edit_share_const(oq_graph *g, oq_value_id v, const oq_const *of);
/* `v` may be OQ_NONE.  A slot behind the last input makes the node longer, with
 * absent inputs in between. */
oq_status oq_edit_set_input(oq_graph *g, oq_node_id n, uint32_t slot,
                            oq_value_id v);
/* All uses inside `g` and, as outer values, in its bodies; graph outputs
 * too if `outputs`.  Walks the whole graph: where many values change, use
 * oq_edit_redirect. */
oq_status oq_edit_replace_uses(oq_graph *g, oq_value_id from, oq_value_id to,
                               bool outputs);
/* The same for many values in one walk: each use of v becomes one of to[v.i]
 * unless that is OQ_NONE.  `to` has g->n_values entries, and is looked up once,
 * not again for what it gave. */
oq_status oq_edit_redirect(oq_graph *g, const oq_value_id *to, bool outputs);
/* A new name, unused in `g`; the bodies that read the value follow. */
oq_status oq_edit_rename_value(oq_graph *g, oq_value_id v, oq_name name);
void oq_edit_set_type(oq_graph *g, oq_value_id v, const oq_type *t);
/* Removes a node; its outputs become DEAD (must be unused). */
oq_status oq_edit_remove_node(oq_graph *g, oq_node_id n);
/* Gives output `slot` of `n` to value `v` (RESULT without producer); the old
 * output value keeps existing without producer until it is given elsewhere. */
oq_status oq_edit_set_output(oq_graph *g, oq_node_id n, uint32_t slot,
                             oq_value_id v);
/* Drops absent inputs and outputs at the end of the lists. */
oq_status oq_edit_trim_ports(oq_graph *g, oq_node_id n);
/* Both end the binding of the node (def, params). */
oq_status oq_edit_set_attrs(oq_graph *g, oq_node_id n, const oq_attr *attrs,
                            uint32_t n_attrs);
oq_status oq_edit_set_op(oq_graph *g, oq_node_id n, const char *domain,
                         const char *op);
oq_status oq_edit_set_opset(oq_model_ir *m, const char *domain, int64_t v);
oq_status oq_edit_set_prop(oq_model_ir *m, const char *key, const char *value);
oq_status oq_edit_add_output(oq_graph *g, oq_value_id v);
/* An initializer that is also listed as an input is taken off the inputs. */
oq_status oq_edit_unlist_input(oq_graph *g, oq_value_id v);
/* All of them; returns how many there were. */
uint32_t oq_edit_unlist_constants(oq_graph *g);
/* Drops unused constants and nodes whose results nobody needs, in `g` and all
 * graphs inside it; constants that are also inputs stay. */
oq_status oq_edit_remove_dead(oq_graph *g, const oq_env *e);

/* Attributes made by us; all memory from the model's arena. */
oq_status oq_attr_i64(oq_model_ir *m, oq_attr *out, const char *name,
                      int64_t v);
oq_status oq_attr_f32(oq_model_ir *m, oq_attr *out, const char *name, float v);
oq_status oq_attr_text(oq_model_ir *m, oq_attr *out, const char *name,
                       const char *v);
oq_status oq_attr_i64s(oq_model_ir *m, oq_attr *out, const char *name,
                       const int64_t *v, uint32_t n);

/* ---- walk.c: derived facts, in side tables, never stored in the graph --- */
typedef struct oq_use {
  oq_node_id node; /* OQ_NONE: the graph's output number `slot` */
  uint32_t slot;   /* input of the node; OQ_NONE: used in a body of the node */
} oq_use;
typedef struct oq_uses { /* uses of value v: use[first[v] .. first[v+1]) */
  const uint32_t *first;
  const oq_use *use;
} oq_uses;
oq_status oq_walk_uses(oq_uses *out, const oq_graph *g, oq_arena *a);
static inline uint32_t oq_uses_count(const oq_uses *u, oq_value_id v) {
  return u->first[v.i + 1] - u->first[v.i];
}
/* Topological, dead nodes left out; ties broken by node id, so the order is a
 * function of g (file order if that is sorted).  A cycle is OQ_E_MODEL
 * "model.cycle", naming a node on it. */
oq_status oq_walk_order(const oq_node_id **out, uint32_t *n, const oq_graph *g,
                        oq_arena *a, oq_diags *d);
/* Values of enclosing graphs that node `n` reads in its bodies. */
oq_status oq_walk_captures(const oq_value_id **out, uint32_t *n,
                           const oq_graph *g, oq_node_id node, oq_arena *a);

/* ---- scopes.c: the main graph and all bodies in use, each behind the one
 * around it; bodies of one graph in the order of its nodes ---------------- */
typedef struct oq_scope {
  oq_graph *graph;
  uint32_t up;      /* the scope around it; OQ_NONE: the main graph */
  oq_node_id node;  /* in that one: whose body it is */
  const char *path; /* "node/attribute/" of each level; "" of the main graph */
} oq_scope;
oq_status oq_walk_scopes(const oq_scope **out, uint32_t *n, oq_graph *main,
                         oq_arena *a);

/* ---- verify.c: every rule a graph must keep; after load, after every pass.
 * Goes on after the first breach; returns the status of the first. */
oq_status oq_ir_verify(const oq_model_ir *m, const oq_env *e);
/* ---- clone.c: deep copy sharing stores; same ids and names.  Nodes come out
 * unbound (def and params NULL). ------------------------------------------ */
oq_status oq_ir_clone(oq_model_ir **out, const oq_model_ir *m, const oq_env *e);
/* ---- dump.c: deterministic text form, for goldens ----------------------- */
struct oq_sink;
oq_status oq_ir_dump(const oq_model_ir *m, struct oq_sink *to);

/* ---- blob.c: the only way from bytes to numbers ------------------------- */
/* View of a constant: the store itself if it is raw and aligned for the type,
 * else a decoded copy in `a`.  Checks payload against shape: OQ_E_MODEL. */
oq_status oq_const_view(oq_ctensor *out, const oq_const *c, oq_arena *a,
                        oq_diags *d);
/* The checks alone. */
oq_status oq_const_check(const oq_const *c, oq_diags *d);
/* The same, with the place for findings; a constant does not know its graph. */
oq_status oq_const_view_at(oq_ctensor *out, const oq_const *c, oq_arena *a,
                           const oq_where *w, oq_diags *d);
oq_status oq_const_check_at(const oq_const *c, const oq_where *w, oq_diags *d);

#endif
