/* quant/case.h - a model as text (golden/model_text.h) with what is done to it
 * and what must come of it, in lines that begin with "#!":
 *
 *   #! samples 6             calibration samples (4)
 *   #! open 5                size of open dimensions (3)
 *   #! nan 2                 sample 2 holds a NaN
 *   #! option exclude c2*    an option of oq_quantize_options and its words:
 *                            exclude exclude_op only only_op keep_first
 *                            keep_last per_tensor allow_partial keep_biases
 *                            method activation skip
 *   #! listed                all constants are graph inputs, too
 *   #! no_opset              the import of the default domain is left out
 *   #! unnamed               nodes lose their names before all else
 *   #! int8 c1 c3            nodes that must run on integers
 *   #! float c2 excluded     a node that must not, and how the reason begins
 *   #! gone r1               a node that must not be in the result
 *   #! refused model.nothing the quantization fails with this finding
 *   #! may_refuse            it may find nothing to quantize
 *   #! steps 1 2             how far onnxruntime may be from the built-in
 *                            engine, without and with optimisations
 *   #! pieces                ... only between one quantization and the next
 *   #! sqnr 30               decibels at least, of every output
 *   #! census uint8:Split 1  what onnxruntime makes of it (see ort_cases.py)
 */
#ifndef TEST_CASE_H
#define TEST_CASE_H

#include "golden/model_text.h"
#include "onnxquant/onnxquant.h"
#include "support/env.h"

enum { CASE_WORDS = 32, CASE_LINES = 64, CASE_INPUTS = 8 };

typedef struct case_line {
  char *word[CASE_WORDS + 1]; /* NULL-ended */
  uint32_t n;
} case_line;

typedef struct case_input {
  double lo, hi;
  int32_t dtype;
  uint32_t rank;
  int64_t dim[OQ_MAX_RANK];
} case_input;

typedef struct test_case {
  const char *name;
  char *text, *hints; /* two copies of the file */
  case_line line[CASE_LINES];
  uint32_t n_lines;
  uint64_t samples;
  int64_t open_size, nan_sample;
  oq_quantize_options options;
  const char *const *skip; /* passes */
  case_input input[CASE_INPUTS];
  uint32_t n_inputs;
  test_env env;
  model_text model;
} test_case;

/* Reads and builds; a mistake in the file fails the test. */
void case_open(test_case *c, const char *folder, const char *name);
void case_close(test_case *c);
/* The next line after `from` (NULL: the first) whose first word is `key`. */
const case_line *case_next(const test_case *c, const char *key,
                           const case_line *from);
/* The model as a file holds it, to be freed. */
void *case_bytes(test_case *c, size_t *size);

/* Samples 0..count of the case, in an order of one's own. */
typedef struct case_source {
  const test_case *c;
  uint64_t stride; /* sample i is number i * stride mod count; 1 = in order */
  uint64_t first;  /* of the numbers: later ones are other samples */
} case_source;
oq_source case_samples(case_source *s, uint64_t count);

#endif
