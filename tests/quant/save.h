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

#endif
