/* runtime/ort_error.h - filling in oq_rt_error. */
#ifndef OQ_RUNTIME_ORT_ERROR_H
#define OQ_RUNTIME_ORT_ERROR_H

#include "runtime/runtime.h"

#if defined(__GNUC__)
#define OQ_RT_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define OQ_RT_PRINTF(f, a)
#endif

/* Records the error (`err` may be NULL) and returns `status`.  The text is made
 * one printable line; hint and output are emptied. */
OQ_RT_PRINTF(4, 5)
oq_status oq_rt_fail(oq_rt_error *err, oq_status status, const char *id,
                     const char *format, ...);
void oq_rt_set_hint(oq_rt_error *err, const char *hint);
oq_status oq_rt_no_memory(oq_rt_error *err);

/* Copies `n` foreign bytes as printable text into room[size], ending with NUL:
 * terminal sequences vanish, other control bytes become '?'.  `lines` keeps
 * line ends, else they become one blank. */
void oq_rt_printable(char *room, size_t size, const char *p, size_t n,
                     int lines);

#endif
