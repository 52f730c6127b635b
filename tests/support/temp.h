/* support/temp.h - a folder of its own for a test, gone afterwards. */
#ifndef TEST_TEMP_H
#define TEST_TEMP_H

#include <stddef.h>

typedef struct temp {
  char folder[64];
  char path[400];
} temp;

void temp_open(temp *t);
/* Removes the folder and the files in it (no sub-folders). */
void temp_close(temp *t);
/* folder/name; good until the next call. */
const char *temp_path(temp *t, const char *name);
void temp_write(temp *t, const char *name, const void *p, size_t n);
/* The whole file, to be freed; NULL if there is none. */
void *temp_read(temp *t, const char *name, size_t *n);

#endif
