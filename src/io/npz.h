/* io/npz.h - archives of .npy files (numpy.savez, savez_compressed). */
#ifndef IO_NPZ_H
#define IO_NPZ_H

#include "io/npy.h"

#ifndef OQ_IO_NPZ /* set to 0 to build without libzip */
#define OQ_IO_NPZ 1
#endif

typedef struct oq_npz oq_npz;

/* One thread at a time per object. */
oq_status oq_npz_open_file(oq_npz **out, const char *path, oq_io_error *err);
/* `data` must outlive the object. */
oq_status oq_npz_open_memory(oq_npz **out, const void *data, size_t size,
                             oq_io_error *err);
void oq_npz_close(oq_npz *z);

/* Members that are arrays, in the order of the archive. */
size_t oq_npz_count(const oq_npz *z);
/* Without ".npy". */
const char *oq_npz_name(const oq_npz *z, size_t i);
/* Index of a name, or SIZE_MAX. */
size_t oq_npz_find(const oq_npz *z, const char *name);

/* Reads the beginning of member i.  An archive cannot make it allocate more
 * than the header. */
oq_status oq_npz_header(oq_npy *out, oq_npz *z, size_t i, uint64_t max_bytes,
                        oq_io_error *err);
/* The whole array in native row-major order, checksum verified; free()
 * releases it. */
oq_status oq_npz_load(oq_npy *h, void **out, oq_npz *z, size_t i,
                      uint64_t max_bytes, oq_io_error *err);

#endif
