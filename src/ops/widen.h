/* ops/widen - element types that have no loops of their own are worked on in
 * float32 or float64, in scratch. */
#ifndef OQ_OPS_WIDEN_H
#define OQ_OPS_WIDEN_H

#include "ops/op.h"

/* *out: the elements of `t` as float32: its own memory if it is F32, else a
 * copy in scratch.  NULL if t is NULL. */
oq_status oq_widen_in(const float **out, const oq_run *r, const oq_ctensor *t);
/* *out: where to write the elements of output i as float32; then
 * oq_widen_done rounds them into the output if they are not there already. */
oq_status oq_widen_out(float **out, const oq_run *r, uint32_t i);
void oq_widen_done(const oq_run *r, uint32_t i, const float *values);
/* The same in float64, for all other numeric types. */
oq_status oq_widen_in_f64(const double **out, const oq_run *r,
                          const oq_ctensor *t);
oq_status oq_widen_out_f64(double **out, const oq_run *r, uint32_t i);
void oq_widen_done_f64(const oq_run *r, uint32_t i, const double *values);
/* Runs a kernel that is linear in input 0 on the real and the imaginary parts
 * of a complex input 0, as two runs on real numbers. */
oq_status oq_widen_parts(oq_run *r, oq_status (*kernel)(oq_run *r));

#endif
