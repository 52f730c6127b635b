/* quant/save.h - what onnxruntime is to judge, as FOLDER/NAME.ENDING. */
#ifndef TEST_QUANT_SAVE_H
#define TEST_QUANT_SAVE_H

#include "onnxquant/onnxquant.h"

void save_bytes(const char *folder, const char *name, const char *ending,
                const void *p, size_t n);
void save_npy(const char *folder, const char *name, const char *ending,
              const oq_tensor_view *v);
/* Fates of the nodes, one per line: "int8 Conv c1 why" or "float Relu r1 why".
 */
void save_plan(const char *folder, const char *name,
               const oq_quantize_report *r);

/* Runs the model with the codes behind every QuantizeLinear as further outputs:
 * NAME.codes has the name of one output per line, NAME.code.I.npy are the
 * numbers of line I. */
void save_codes(const char *folder, const char *name, oq_model *m,
                const oq_tensor_view *in, size_t n_inputs);

#endif
