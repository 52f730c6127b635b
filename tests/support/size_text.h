/* support/size_text.h - the value of a size that is written as an expression of
 * named ones ("2*seq+1", "floor((W+1)/2)", "min(seq,512)"). */
#ifndef TEST_SIZE_TEXT_H
#define TEST_SIZE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* false if it cannot be read, or holds a name that is not known.  `find` gives
 * the size of a name of n bytes. */
bool size_text_value(int64_t *out, const char *text,
                     bool (*find)(int64_t *out, void *user, const char *name,
                                  size_t n),
                     void *user);

#endif
