/* ops - what operators mean: attributes, types, shapes, kernels, and the facts
 * quantization needs.  One file per family; one table row per definition. */
#ifndef OQ_OPS_OP_H
#define OQ_OPS_OP_H

#include <stddef.h>

#include "ir/ir.h"
#include "onnxquant/context.h"
#include "ops/datum.h"

/* ---- attributes: data, parsed once by ops/bind into the params struct ---- */
typedef struct oq_i64s { /* field of an I64S attribute; n = 0 if absent */
  const int64_t *v;
  uint32_t n;
  bool set;
} oq_i64s;
typedef struct oq_f32s {
  const float *v;
  uint32_t n;
  bool set;
} oq_f32s;
typedef struct oq_tensor_attr { /* field of a TENSOR attribute */
  const oq_const *c;            /* NULL if absent */
} oq_tensor_attr;

typedef struct oq_attr_def {
  const char *name;
  oq_attr_kind kind;
  bool required;
  uint16_t offset;     /* of the field in the params struct */
  uint16_t set_offset; /* of a `bool` that says it was given; 0 = none (so it
                          cannot be the first field) */
  union {
    double f32;
    int64_t i64;
    const char *text;
  } dflt;
  double min, max;           /* inclusive; numbers only; min > max: no bounds */
  const char *const *choice; /* TEXT: NULL-ended list; stored as its index in an
                                int32_t field.  NULL: stored as oq_text */
} oq_attr_def;

/* Field types: F32 float, I64 int64_t, TEXT int32_t (choice) or oq_text,
 * I64S oq_i64s, F32S oq_f32s, TENSOR oq_tensor_attr, GRAPH oq_graph *,
 * TEXTS and others: const oq_attr * (NULL if absent). */
#define OQ_A_F32(P, field, key, def)                                  \
  {                                                                   \
    .name = (key), .kind = OQ_ATTR_F32, .offset = offsetof(P, field), \
    .dflt = {.f32 = (def)}, .min = 1, .max = 0                        \
  }
#define OQ_A_I64(P, field, key, def, lo, hi)                          \
  {                                                                   \
    .name = (key), .kind = OQ_ATTR_I64, .offset = offsetof(P, field), \
    .dflt = {.i64 = (def)}, .min = (double)(lo), .max = (double)(hi)  \
  }
#define OQ_A_AXIS(P, field, key, def) OQ_A_I64(P, field, key, def, 1, 0)
#define OQ_A_I64S(P, field, key)                                       \
  {                                                                    \
    .name = (key), .kind = OQ_ATTR_I64S, .offset = offsetof(P, field), \
    .min = 1, .max = 0                                                 \
  }
#define OQ_A_F32S(P, field, key)                                       \
  {                                                                    \
    .name = (key), .kind = OQ_ATTR_F32S, .offset = offsetof(P, field), \
    .min = 1, .max = 0                                                 \
  }
#define OQ_A_CHOICE(P, field, key, def, list)                          \
  {                                                                    \
    .name = (key), .kind = OQ_ATTR_TEXT, .offset = offsetof(P, field), \
    .dflt = {.text = (def)}, .choice = (list), .min = 1, .max = 0      \
  }
#define OQ_A_TENSOR(P, field, key)                                       \
  {                                                                      \
    .name = (key), .kind = OQ_ATTR_TENSOR, .offset = offsetof(P, field), \
    .min = 1, .max = 0                                                   \
  }

/* ---- quantization facts -------------------------------------------------- */
typedef enum oq_quant_class {
  OQ_Q_OPAQUE = 0, /* unknown: keep it and its neighbourhood in float */
  OQ_Q_NEVER,      /* shapes, indices, control: nothing to quantize */
  OQ_Q_LINEAR,     /* data x weight (+ bias), integer accumulation */
  OQ_Q_MAP,        /* new values: input and output have their own range */
  OQ_Q_MOVE,       /* only moves (or selects) values of input 0: the output
                      shares input 0's parameters */
  OQ_Q_JOIN,       /* several data inputs and an output, each with its own or a
                      common scale: Concat, Add, Mul, Where */
  OQ_Q_CLAMP       /* narrows the range; foldable into its producer */
} oq_quant_class;

typedef enum oq_role {
  OQ_ROLE_NONE = 0,
  OQ_ROLE_DATA,
  OQ_ROLE_WEIGHT, /* DATA where the input is not constant */
  OQ_ROLE_BIAS,
  OQ_ROLE_INDEX /* integers, shapes, scalars that stay as they are */
} oq_role;

#define OQ_AXIS_LAST 127
typedef struct oq_quant_facts {
  oq_quant_class cls;
  oq_role role[4];    /* of inputs 0..3; further inputs repeat the last */
  int8_t weight_axis; /* output channel of the weight, unless `axis` is set */
  int32_t (*axis)(const void *params, uint32_t weight_rank); /* Gemm: transB */
  /* LINEAR: axis of input 0 that the weight sums over; NULL = none. */
  int32_t (*data_axis)(const void *params, uint32_t data_rank);
  /* LINEAR: axis of the result that the output channels lie along, or
   * OQ_AXIS_LAST; 0 = not said. */
  int8_t result_axis;
  bool has_range; /* the output range is known beforehand ... */
  float lo, hi;   /* ... and it is this (Sigmoid: 0..1) */
  /* Relative errors of the input become absolute ones of the output. */
  bool relative;
  /* NULL, or the class where attributes decide it (Resize: nearest
   * neighbours only move values); `cls` is then right for all of them. */
  oq_quant_class (*refine)(const void *params);
} oq_quant_facts;

/* ---- shape rule ----------------------------------------------------------
 * One rule serves symbolic inference and execution: at run time all types are
 * concrete and all input values are known.  A rule fills x->out[i] (zeroed:
 * UNKNOWN) for all outputs the node has; it must cope with unknown rank,
 * unknown dims and unknown values by leaving as much unknown as it must, and
 * refuse (oq_op_fail) what cannot be right. */
typedef struct oq_infer {
  const oq_graph *graph;
  const oq_node *node;
  const void *params;
  int64_t opset; /* of the node's domain */
  uint32_t n_in, n_out;
  const oq_type *const *in;       /* NULL = absent */
  const oq_ctensor *const *konst; /* value of input i if known, else NULL */
  oq_type *out;                   /* n_out of them */
  oq_arena *scratch;
  oq_diags *diags;
  const struct oq_infer_walk *walk; /* for oq_infer_body; NULL at run time */
} oq_infer;

/* ---- kernels ------------------------------------------------------------- */
struct oq_kernels;
struct oq_session;

/* What a kernel is handed.  Outputs were allocated from the shape rule, except
 * those that it left unknown (LATE): the kernel asks for them by
 * oq_run_alloc.  Types and shapes have been through the rule: a kernel may rely
 * on everything that the rule checks. */
typedef struct oq_run {
  const oq_graph *graph;
  const oq_node *node;
  const void *params;
  int64_t opset;
  uint32_t n_in, n_out;
  const oq_ctensor *const *in; /* NULL = absent */
  oq_tensor *out;              /* out[i].data == NULL: absent, or LATE */
  const bool *wanted;          /* wanted[i]: somebody reads output i */
  const struct oq_kernels *k;
  oq_arena *scratch; /* rewound after the node; OQ_ALIGN-aligned on request */
  oq_diags *diags;
  struct oq_session *session; /* for oq_run_alloc and bodies */
  oq_arena *texts; /* for oq_run_text_room outside of a run; else NULL */
  /* The inputs once more, whatever they are (NULL = absent); NULL as a whole
   * outside of a session.  Where one is no tensor, its entry in `in` is NULL.
   */
  const oq_datum *const *data;
  const oq_image_decoder *images; /* NULL outside of a session */
  const void *packed; /* what `pack` of the row made with the plan; or NULL */
} oq_run;

/* Allocates a LATE output. */
oq_status oq_run_alloc(oq_run *r, uint32_t i, oq_dtype t, const oq_shape *s);

/* An element of a STRING output: a copy of n bytes, which live as long as the
 * outputs of the run.  Texts of inputs need no copy: assign them. */
oq_status oq_run_text(oq_text *out, oq_run *r, const void *bytes, size_t n);
/* The same to be written by the kernel, which may then take fewer of them. */
oq_status oq_run_text_room(char **out, oq_run *r, size_t n);

/* For rows with OQ_OP_GIVES, which make data themselves.  References that such
 * a kernel holds when it fails are let go with the run. */
/* Runs a graph among the attributes of the node; `in` in the order of its
 * inputs, `out` one per output, each with a reference. */
oq_status oq_run_body(oq_run *r, const oq_graph *body, const oq_datum *in,
                      uint32_t n_in, oq_datum *out);
/* Type of an output of a body as far as it is declared or follows before a run;
 * NULL if nothing is known. */
const oq_type *oq_run_body_type(oq_run *r, const oq_graph *body, uint32_t out);
/* To be asked before each turn of a loop: OQ_E_LIMIT when the loops of this run
 * have had limits.max_loop_trips together. */
oq_status oq_run_turn(oq_run *r);
/* A new tensor, its bytes to be written to *data. */
oq_status oq_run_take(oq_datum *out, void **data, oq_run *r, oq_dtype t,
                      const oq_shape *s);
/* A new sequence of these n tensors, the references to which stay the caller's.
 */
oq_status oq_run_sequence(oq_datum *out, oq_run *r, oq_dtype t,
                          const oq_datum *item, uint32_t n);
/* One more reference. */
oq_datum oq_run_share(const oq_datum *d);
void oq_run_drop(oq_run *r, oq_datum *d);
/* Makes `d` output i, with the reference. */
void oq_run_give(oq_run *r, uint32_t i, oq_datum *d);

enum {
  OQ_OP_INPLACE = 1 << 0,   /* out[0] may lie on in[0] (same type and shape) */
  OQ_OP_VIEW = 1 << 1,      /* out[0] is in[0] with another shape: bytes equal,
                               no kernel is called */
  OQ_OP_RANDOM = 1 << 2,    /* not a function of its inputs: never folded */
  OQ_OP_LATE = 1 << 3,      /* an output size is known only after the run */
  OQ_OP_QUANTIZED = 1 << 4, /* its presence means "already quantized" */
  OQ_OP_META = 1 << 5,      /* reads only the type of input 0, never its numbers
                               (Shape, Size); its data may be NULL */
  OQ_OP_DATA = 1 << 6,      /* inputs may be sequences and optionals */
  OQ_OP_GIVES = 1 << 7,     /* the kernel makes its outputs: oq_run_give.  Such
                               rows are run in a session only */
  OQ_OP_GAPS = 1 << 8       /* of the first min_in inputs, too, any may be
                               absent: the kernel looks */
};

/* ---- channels-last ---------------------------------------------------------
 * Where the kernels have it (oq_kernels.channels_last), the numbers of a tensor
 * of rank 3 or more may lie as [N, spatial axes ..., C].  A run decides for
 * each step; rows say what they can do. */
typedef enum oq_last_use {
  OQ_LAST_NO = 0, /* every input is brought back into its own order */
  /* Element by element over broadcast inputs, whatever their order: `run` is
   * right on shapes whose axis 1 was moved to the end.  Used where an input
   * already lies so. */
  OQ_LAST_FOLLOWS,
  OQ_LAST_OWN,  /* `run_last`, where one of its inputs already lies so */
  OQ_LAST_WANTS /* `run_last`: input 0 is brought into that order */
} oq_last_use;

/* Where axis i of [N, C, ...] is in [N, ..., C]. */
static inline uint32_t oq_axis_turned(uint32_t i, uint32_t rank) {
  return i == 0 ? 0 : i == 1 ? rank - 1 : i - 1;
}
/* The shape that ONNX knows from that of the memory. */
static inline oq_shape oq_shape_unturned(const oq_shape *last) {
  oq_shape s = {.rank = last->rank};

  for (uint32_t i = 0; i < s.rank; i++)
    s.dim[i] = last->dim[oq_axis_turned(i, s.rank)];
  return s;
}

typedef struct oq_last_ask { /* shapes as ONNX has them */
  const void *params;
  const oq_ctensor *const *in;
  uint32_t n_in, n_out;
  const bool *wanted;
} oq_last_ask;

/* For constant inputs, once with the plan: `konst[i]` is NULL if input i is
 * absent or no constant.  *packed may stay NULL. */
typedef struct oq_pack {
  const void *params;
  const oq_ctensor *const *konst;
  uint32_t n_in;
  oq_arena *arena; /* of the plan */
  oq_diags *diags;
} oq_pack;

#define OQ_OPS_MANY 65535
/* For oq_op_def.texts: input i, all inputs (those from 15 on share a bit), and
 * the outputs. */
#define OQ_TEXT(i) (UINT32_C(1) << (i))
#define OQ_TEXT_REST 15
#define OQ_TEXT_IN UINT32_C(0xffff)
#define OQ_TEXT_OUT (UINT32_C(1) << 31)
#define OQ_TEXT_MOVE (OQ_TEXT(0) | OQ_TEXT_OUT)
typedef struct oq_op_def {
  const char *domain, *name;
  uint16_t since, last; /* opsets this row is right for, both inclusive */
  uint16_t min_in, max_in, min_out, max_out; /* OQ_OPS_MANY: variadic */
  uint16_t flags;
  uint32_t dtypes; /* element types input 0 may have when run; 0 = any that is
                      not STRING */
  uint32_t texts;  /* OQ_TEXT(i), OQ_TEXT_OUT: where STRING may stand, which is
                      refused everywhere else, so that no kernel meets elements
                      that are no numbers unprepared */
  uint16_t texts_since; /* first opset at which it may; 0 = always */
  uint16_t params_size, n_attrs;
  const oq_attr_def *attrs;
  /* Further checks of the attributes after binding; may be NULL. May write
   * derived fields into params. */
  oq_status (*check)(const oq_graph *g, const oq_node *n, void *params,
                     oq_diags *d);
  oq_status (*infer)(oq_infer *x);
  oq_status (*run)(oq_run *r);
  /* Multiply-accumulates of one run; NULL = none worth counting. */
  uint64_t (*macs)(const void *params, const oq_shape *const *in,
                   const oq_shape *out);
  oq_quant_facts quant;
  /* Why an operator that is known is never run ("it ..."); then `run` is NULL,
   * and the rule says nothing. */
  const char *refusal;
  /* Channels-last: see oq_last_use.  `run_last` is handed the first
   * `layout_inputs` inputs (those of the rank of the first one) and all outputs
   * of that rank with axis 1 moved to the end, the others as they are. */
  oq_last_use layout;
  uint16_t layout_inputs;
  bool (*layout_fits)(const oq_last_ask *a); /* NULL: always */
  oq_status (*run_last)(oq_run *r);
  oq_status (*pack)(const void **packed, const oq_pack *p); /* may be NULL */
} oq_op_def;

typedef struct oq_op_family {
  const char *name;
  const oq_op_def *defs;
  uint32_t n_defs;
} oq_op_family;

#define OQ_ATTRS(table) \
  .n_attrs = sizeof(table) / sizeof((table)[0]), .attrs = (table)
#define OQ_FAMILY(id, table)                         \
  const oq_op_family oq_family_##id = {#id, (table), \
                                       sizeof(table) / sizeof((table)[0])}

/* Newest opset of the default domain known to this build. */
#define OQ_OPSET_NEWEST 27

/* ---- registry.c ---------------------------------------------------------- */
/* The row for (domain, op) at `opset`; NULL if the operator is unknown, or
 * known but not at this opset (then *gap is set). */
const oq_op_def *oq_op_find(const char *domain, const char *op, int64_t opset,
                            bool *gap);
const oq_op_family *const *oq_op_families(uint32_t *n);
const char *oq_quant_class_text(oq_quant_class c);

/* ---- bind.c -------------------------------------------------------------- */
/* Gives each node of the main graph and all bodies its row and params (in the
 * model's arena).  Unknown operators stay opaque (def NULL) without a finding;
 * a known operator whose attributes or arity are wrong is OQ_E_MODEL naming
 * node and attribute. Repeating it rebinds only nodes whose def is NULL. */
oq_status oq_ops_bind(oq_model_ir *m, const oq_env *e);
oq_status oq_ops_bind_node(oq_graph *g, oq_node_id n, const oq_env *e);

/* ---- infer.c ------------------------------------------------------------- */
/* Types of all values as far as they follow from inputs and constants; kept in
 * a side table indexed by value id (NULL = unknown).  Declared types are used
 * where a rule does not know; a contradiction is a finding, not an error.
 *
 * Sizes that follow from named ones are expressions of them, named like their
 * text ("2*seq+1", ops/expr.h): the model gets these names, so nobody else may
 * use it at the same time.  Named sizes are taken to be 1 or more. */
oq_status oq_infer_types(const oq_type ***out, const oq_graph *g, oq_arena *a,
                         const oq_env *e);
/* The same without expressions, for whoever runs beside others or wants element
 * types only: sizes keep their names where they are only copied. */
oq_status oq_infer_types_plain(const oq_type ***out, const oq_graph *g,
                               oq_arena *a, const oq_env *e);
/* For rules: types (UNKNOWN where nothing is known) and, unless `value` is
 * NULL, values of the outputs of a body, of which there are body->n_outputs.
 * `in` and `fed` belong to what has to be fed, or are NULL.  Fails with
 * OQ_E_MEMORY only, and records nothing. */
oq_status oq_infer_body(oq_type *out, const oq_ctensor **value,
                        const oq_infer *x, const oq_graph *body,
                        const oq_type *const *in, const oq_ctensor *const *fed);

/* The same for every graph of a model: (*out)[s][value id].  What a body reads
 * of the graphs around it has the types found there.  Findings about bodies are
 * dropped: which of them run is not known. */
oq_status oq_infer_scopes(const oq_type *const ***out, const oq_scope *scope,
                          uint32_t n, oq_arena *a, const oq_env *e);

/* One node on known inputs (n_in of them, NULL = absent), without a session:
 * no bodies, no LATE outputs (OQ_E_UNSUPPORTED).  Outputs and all scratch in
 * `a`; an absent output has data NULL. */
oq_status oq_op_eval(oq_tensor *out, const oq_graph *g, oq_node_id n,
                     const oq_ctensor *const *in, oq_arena *a, const oq_env *e);

/* ---- support.h: what families share -------------------------------------- */
#include "ops/support.h"

#endif
