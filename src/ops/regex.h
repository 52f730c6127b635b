/* ops/regex - regular expressions in the syntax of RE2, which ONNX asks for:
 * does a whole text match?  All ways through a pattern are followed at once, so
 * that the time is bounded by the product of the lengths of text and pattern,
 * whatever either says. */
#ifndef OQ_OPS_REGEX_H
#define OQ_OPS_REGEX_H

#include "tensor/tensor.h"

typedef struct oq_regex oq_regex;

/* In `a`, for as long as that.  What is no regular expression of RE2 is
 * OQ_E_MODEL, what is one but not supported (\p{...}, \C) OQ_E_UNSUPPORTED, and
 * what is too big OQ_E_LIMIT; *why then says so, as the end of a sentence on
 * the pattern. */
oq_status oq_regex_compile(oq_regex **out, const char **why, oq_text pattern,
                           oq_arena *a);
/* False, too, if the text is not UTF-8.  Changes the marks of `r`. */
bool oq_regex_matches(oq_regex *r, oq_text text);

#endif
