/* ops/letters - characters of texts: UTF-8, upper and lower case. */
#ifndef OQ_OPS_LETTERS_H
#define OQ_OPS_LETTERS_H

#include "tensor/tensor.h"

/* The character that the n bytes begin with; how many it has, 0 if they begin
 * with none. */
size_t oq_letter_read(uint32_t *out, const char *text, size_t n);
size_t oq_letter_write(char out[4], uint32_t c);

/* Whatever has no other case is returned as it is. */
uint32_t oq_letter_upper(uint32_t c);
uint32_t oq_letter_lower(uint32_t c);
/* The same for two characters that differ in case only. */
uint32_t oq_letter_fold(uint32_t c);
/* The first character from c on that may be folded to another one; UINT32_MAX
 * if there is none. */
uint32_t oq_letter_next_folded(uint32_t c);
bool oq_letter_is_space(uint32_t c); /* Unicode's White_Space */

#endif
