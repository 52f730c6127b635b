/* base/errno_text.h - the system's words for an error, without shared state. */
#ifndef OQ_BASE_ERRNO_TEXT_H
#define OQ_BASE_ERRNO_TEXT_H

#define OQ_ERRNO_TEXT 128

/* Always ends with NUL; returns `out`. */
const char *oq_errno_text(char out[OQ_ERRNO_TEXT], int err);

#endif
