/* runtime/ort_client.h - starting the child with one given library. */
#ifndef OQ_RUNTIME_ORT_CLIENT_H
#define OQ_RUNTIME_ORT_CLIENT_H

#include "runtime/runtime.h"

/* `library` is a path, or a name for the loader. */
oq_status oq_ort_open_file(oq_rt **out, const char *library,
                           const oq_rt_options *opt, oq_rt_error *err);

#endif
