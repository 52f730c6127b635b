/* support/close.h - are two tensors equal as far as floats can be? */
#ifndef TEST_CLOSE_H
#define TEST_CLOSE_H

#include <stdbool.h>

#include "tensor/tensor.h"

typedef struct tolerance {
  double rtol, atol; /* |got - want| <= atol + rtol |want|; NaN equals NaN */
} tolerance;

typedef struct difference {
  double max_abs, max_rel;
  size_t worst;   /* element */
  char text[200]; /* why they are not close; "" if they are */
} difference;

/* Element type and shape must be equal; floats within `t`, all else exactly. */
bool values_close(difference *out, const oq_ctensor *got,
                  const oq_ctensor *want, tolerance t);
/* The same, but integers may differ by `steps`. */
bool values_within(difference *out, const oq_ctensor *got,
                   const oq_ctensor *want, tolerance t, double steps);
/* 1 for two zero vectors. */
double values_cosine(const oq_ctensor *a, const oq_ctensor *b);

#endif
