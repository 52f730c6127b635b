/* tensor - element types, shapes, dense row-major buffers.  No graph. */
#ifndef OQ_TENSOR_TENSOR_H
#define OQ_TENSOR_TENSOR_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/check.h"
#include "onnxquant/tensor.h"

#define OQ_DTM(name) (UINT32_C(1) << OQ_DT_##name) /* sets of element types */
#define OQ_DTM_FLOAT (OQ_DTM(F32) | OQ_DTM(F64) | OQ_DTM(F16) | OQ_DTM(BF16))
#define OQ_DTM_INT                                                     \
  (OQ_DTM(U8) | OQ_DTM(I8) | OQ_DTM(U16) | OQ_DTM(I16) | OQ_DTM(U32) | \
   OQ_DTM(I32) | OQ_DTM(U64) | OQ_DTM(I64))
#define OQ_DTM_NUMERIC (OQ_DTM_FLOAT | OQ_DTM_INT)
#define OQ_DTM_F8                                           \
  (OQ_DTM(F8E4M3FN) | OQ_DTM(F8E4M3FNUZ) | OQ_DTM(F8E5M2) | \
   OQ_DTM(F8E5M2FNUZ) | OQ_DTM(F8E8M0))
#define OQ_DTM_SUBBYTE \
  (OQ_DTM(U4) | OQ_DTM(I4) | OQ_DTM(F4E2M1) | OQ_DTM(U2) | OQ_DTM(I2))
#define OQ_DTM_COMPLEX (OQ_DTM(C64) | OQ_DTM(C128))
#define OQ_DTM_ALL (UINT32_C(0x07fffffe))

/* Of an element in memory: an oq_text for STRING.  0 for numbers ONNX does not
 * define. */
uint32_t oq_dtype_bits(int32_t t);
bool oq_dtype_is_float(int32_t t); /* F16 BF16 F32 F64 */
static inline bool oq_dtype_in(int32_t t, uint32_t set) {
  return t > 0 && t < 32 && (set >> (unsigned)t & 1u) != 0;
}

typedef struct oq_shape { /* every size known, >= 0 */
  uint32_t rank;
  int64_t dim[OQ_MAX_RANK];
} oq_shape;

/* Product of all; OQ_E_LIMIT where it does not fit. No finding is recorded. */
oq_status oq_shape_count(size_t *out, const oq_shape *s);
oq_status oq_shape_bytes(size_t *out, const oq_shape *s, int32_t dtype);
/* Bytes of n elements, packed. */
bool oq_dtype_bytes(size_t *out, size_t n, int32_t dtype);
bool oq_shape_equal(const oq_shape *a, const oq_shape *b);
/* ONNX multidirectional broadcasting; false if they do not fit. */
bool oq_shape_broadcast(oq_shape *out, const oq_shape *a, const oq_shape *b);
/* -rank <= axis < rank -> 0 <= out < rank. */
bool oq_axis_normalize(uint32_t *out, int64_t axis, uint32_t rank);
/* "[1,3,224,224]"; -1 printed as "?". Always ends with NUL. */
void oq_shape_print(char *out, size_t cap, const int64_t *dim, uint32_t rank);

typedef struct oq_tensor { /* a writable view: owns nothing */
  oq_dtype dtype;
  oq_shape shape;
  size_t size; /* bytes */
  void *data;  /* aligned to OQ_ALIGN and padded to it */
} oq_tensor;

typedef struct oq_ctensor { /* a read-only view, aligned for its type */
  oq_dtype dtype;
  oq_shape shape;
  size_t size;
  const void *data;
} oq_ctensor;

static inline oq_ctensor oq_tensor_const(const oq_tensor *t) {
  return (oq_ctensor){t->dtype, t->shape, t->size, t->data};
}
/* Elements; the shape was checked when the tensor was made. */
size_t oq_tensor_count(const oq_ctensor *t);
/* A zeroed tensor in an arena. */
oq_status oq_tensor_make(oq_tensor *out, oq_dtype t, const oq_shape *s,
                         oq_arena *a);

/* Element i of any numeric type as double / int64 (sub-byte types unpacked,
 * halves widened); for slow paths and small tensors. */
double oq_element_f64(const oq_ctensor *t, size_t i);
int64_t oq_element_i64(const oq_ctensor *t, size_t i);
/* Rounds half to even and saturates into integer types. */
void oq_element_set_f64(oq_tensor *t, size_t i, double v);
void oq_element_set_i64(oq_tensor *t, size_t i, int64_t v);
/* n bits from bit `from_at` to bit `to_at`, low bits of a byte first; those
 * around them stay.  The two do not overlap. */
void oq_bits_copy(void *to, size_t to_at, const void *from, size_t from_at,
                  size_t n);

/* ---- text.c: elements of STRING tensors ----------------------------------
 * An element is an oq_text (onnxquant/tensor.h) among the tensor's data, so
 * whatever moves elements by their size moves texts, too: the bytes behind are
 * shared, never changed, and never freed one by one.  They belong to
 *   - the model (constants: oq_const_view points into its stores),
 *   - the run that made them (a kernel asks oq_run_text or oq_run_text_room of
 *     ops/op.h; inputs are copied there), until the next run of its session,
 *   - the arena that a node outside of a run writes its outputs to.
 * An element of zero bits is the empty text; memory for STRING outputs comes
 * zeroed, so that no element is ever a wild address.
 *   const oq_text *x = in->data;  oq_text *y = out->data;
 *   for (i = 0; i < n; i++) OQ_TRY(oq_run_text(&y[i], r, bytes, size));
 * No bytes from outside (a file's raw_data, a view of another type) may become
 * elements: a STRING constant has its texts as fields, and BitCast refuses. */
static inline const oq_text *oq_texts(const oq_ctensor *t) { return t->data; }
bool oq_text_equal(oq_text a, oq_text b);
int oq_text_compare(oq_text a, oq_text b); /* by bytes: <0, 0, >0 */
uint64_t oq_text_hash(oq_text a);          /* the same on every machine */
/* Bytes behind the elements; false where the sum does not fit. */
bool oq_texts_bytes(size_t *out, const oq_text *t, size_t n);
/* Are these bytes UTF-8 (no surrogates, nothing overlong)? */
bool oq_text_is_utf8(oq_text a);

/* ---- view.c ------------------------------------------------------------ */
/* A view as a tensor: checked, and copied into `a` where its bytes are not
 * aligned for the type.  OQ_E_DATA naming `name`. */
oq_status oq_view_take(oq_ctensor *out, const oq_tensor_view *v,
                       const char *name, oq_arena *a, oq_diags *d);
oq_tensor_view oq_view_of(const oq_ctensor *t);

/* ---- nditer.h: one iterator for all broadcast and strided loops --------- */
#define OQ_ITER_MAX 8 /* operands */
/* Walks an output shape with several operands, each with a stride per axis (0
 * where it is broadcast).  Axes that can be merged are; the innermost run is
 * handed out as a count with one stride per operand:
 *   oq_iter it; oq_iter_init(&it, &out, shapes, n);
 *   do { f(it.run, it.offset[0], it.step[0], ...); } while (oq_iter_next(&it));
 * All in elements.  An empty shape has run == 0. */
typedef struct oq_iter {
  uint32_t n, rank;
  int64_t dim[OQ_MAX_RANK], at[OQ_MAX_RANK];
  int64_t stride[OQ_ITER_MAX][OQ_MAX_RANK];
  size_t run;
  int64_t offset[OQ_ITER_MAX], step[OQ_ITER_MAX];
} oq_iter;
/* `shapes` must broadcast to `out`. */
void oq_iter_init(oq_iter *it, const oq_shape *out,
                  const oq_shape *const *shapes, uint32_t n);
/* The same with explicit strides (transposes, slices; negative allowed). */
void oq_iter_init_strided(oq_iter *it, const oq_shape *out,
                          const int64_t (*strides)[OQ_MAX_RANK], uint32_t n);
bool oq_iter_next(oq_iter *it);

#endif
