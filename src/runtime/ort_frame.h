/* runtime/ort_frame.h - the messages between the program and its onnxruntime
 * child: a fixed head, then a payload of numbers and NUL-terminated strings.
 * Both ends are the same executable on the same machine, so numbers travel in
 * native form; lengths are checked on both ends all the same. */
#ifndef OQ_RUNTIME_ORT_FRAME_H
#define OQ_RUNTIME_ORT_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OQ_FRAME_MAGIC UINT32_C(0x54524f51)
#define OQ_FRAME_VERSION 1u
/* Descriptor of the socket in the child. */
#define OQ_FRAME_FD 3
/* Payloads hold names, shapes and times, never tensors; a million timed runs
 * are 16 MB. */
#define OQ_FRAME_MAX ((uint64_t)64 << 20)

enum {
  OQ_REQ_HELLO = 1, /* version, library -> OK: version, path, providers */
  OQ_REQ_REGION,    /* which, size, + descriptor; no answer */
  OQ_REQ_REFUSE,    /* in place of the region asked for */
  OQ_REQ_LOAD,      /* -> OK: id, inputs, outputs */
  OQ_REQ_UNLOAD,    /* -> OK */
  OQ_REQ_RUN,       /* -> [NEED] OK: outputs */
  OQ_REQ_TIME,      /* -> TICK* OK: times */
  OQ_REQ_CENSUS,    /* -> OK: counts, kernels */
  OQ_RES_OK = 64,
  OQ_RES_ERROR, /* status, id, text */
  OQ_RES_TICK,  /* still alive */
  OQ_RES_NEED   /* bytes: send a region for outputs */
};
enum { OQ_REGION_IN, OQ_REGION_OUT };

typedef struct oq_frame_head {
  uint32_t magic, type, seq, zero;
  uint64_t size;
} oq_frame_head;

/* ---- a growable message; after a failed allocation it stays failed ------ */
typedef struct oq_msg {
  uint8_t *data;
  size_t size, room;
  bool failed;
} oq_msg;

void oq_msg_clear(oq_msg *m); /* empties, keeps the memory */
void oq_msg_free(oq_msg *m);
/* Makes it `size` bytes of undefined content (for receiving). */
bool oq_msg_resize(oq_msg *m, size_t size);
void oq_msg_put(oq_msg *m, const void *p, size_t n);
void oq_msg_u32(oq_msg *m, uint32_t v);
void oq_msg_u64(oq_msg *m, uint64_t v);
void oq_msg_i64(oq_msg *m, int64_t v);
void oq_msg_f64(oq_msg *m, double v);
void oq_msg_str(oq_msg *m, const char *s);            /* NULL = "" */
void oq_msg_strs(oq_msg *m, const char *const *s);    /* NULL-ended */
void oq_msg_text(oq_msg *m, const char *p, size_t n); /* up to a NUL */

/* ---- reading one; after a short read it stays bad and gives zeros ------- */
typedef struct oq_cut {
  const uint8_t *p, *end;
  bool bad;
} oq_cut;

oq_cut oq_cut_of(const oq_msg *m);
uint32_t oq_cut_u32(oq_cut *c);
uint64_t oq_cut_u64(oq_cut *c);
int64_t oq_cut_i64(oq_cut *c);
double oq_cut_f64(oq_cut *c);
const char *oq_cut_str(oq_cut *c); /* in place; "" when bad */
/* A count of things that take at least `least` bytes each, so that it can be
 * trusted for allocating. */
uint32_t oq_cut_count(oq_cut *c, size_t least);
bool oq_cut_done(const oq_cut *c); /* everything read, nothing bad */

#endif
