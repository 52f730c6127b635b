#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memfd_create, F_ADD_SEALS */
#endif
#include "runtime/ort_tensor.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ORT_U2 = 24, ORT_I2 = 25, ORT_F8E8M0 = 26 };

int oq_ort_dtype_out(int32_t dtype) {
  if (dtype <= OQ_DT_NONE || dtype > OQ_DT_I2) return 0;
  if (dtype == OQ_DT_F8E8M0) return ORT_F8E8M0;
  if (dtype == OQ_DT_U2) return ORT_U2;
  if (dtype == OQ_DT_I2) return ORT_I2;
  return (int)dtype;
}

int32_t oq_ort_dtype_in(int dtype) {
  if (dtype == ORT_U2) return OQ_DT_U2;
  if (dtype == ORT_I2) return OQ_DT_I2;
  if (dtype == ORT_F8E8M0) return OQ_DT_F8E8M0;
  return dtype > 0 && dtype < ORT_U2 ? (int32_t)dtype : OQ_DT_NONE;
}

static uint32_t dtype_bits(int32_t dtype) {
  static const uint8_t bits[] = {
#define OQ_X(name, num, n) [num] = n,
      OQ_DTYPE_MAP(OQ_X)
#undef OQ_X
  };

  if (dtype <= 0 || (size_t)dtype >= sizeof bits) return 0;
  return bits[dtype];
}

bool oq_ort_bytes(size_t *out, int32_t dtype, const int64_t *dim,
                  uint32_t rank) {
  const size_t bits = dtype_bits(dtype);
  size_t n = 1;
  bool empty = false;

  if (bits == 0 || rank > OQ_MAX_RANK) return false;
  for (uint32_t i = 0; i < rank; i++) {
    if (dim[i] < 0) return false;
    if (dim[i] == 0) empty = true;
  }
  for (uint32_t i = 0; i < rank && !empty; i++) {
    if ((uint64_t)dim[i] > SIZE_MAX / n) return false;
    n *= (size_t)dim[i];
  }
  if (empty) n = 0;
  if (n / 8 >= SIZE_MAX / bits) return false; /* n / 8 * bits + rest fits */
  *out = n / 8 * bits + (n % 8 * bits + 7) / 8;
  return true;
}

bool oq_region_align(size_t *at) {
  if (*at > SIZE_MAX - (OQ_REGION_ALIGN - 1)) return false;
  *at = (*at + OQ_REGION_ALIGN - 1) / OQ_REGION_ALIGN * OQ_REGION_ALIGN;
  return true;
}

/* Without this a machine short of memory answers with SIGBUS at first touch.
 * A signal interrupts it and the work is lost, so it is not tried for ever. */
static int take_pages(int fd, off_t size) {
  int e = EINTR;

  for (int i = 0; i < 50 && e == EINTR; i++)
    e = fallocate(fd, 0, 0, size) == 0 ? 0 : errno;
  return e;
}

static int map(oq_region *r, int fd, size_t size) {
  void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

  if (p == MAP_FAILED) return errno;
  *r = (oq_region){fd, p, size};
  return 0;
}

int oq_region_make(oq_region *r, size_t size) {
  const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  int e = 0;
  int fd;

  if (size == 0 || size > PTRDIFF_MAX) return ENOMEM;
  fd = memfd_create("onnxquant", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return errno;
  e = take_pages(fd, (off_t)size);
  if (e == 0 && fcntl(fd, F_ADD_SEALS, seals) != 0) e = errno;
  if (e == 0) e = map(r, fd, size);
  if (e != 0) close(fd);
  return e;
}

int oq_region_adopt(oq_region *r, int fd, uint64_t size) {
  struct stat st;
  int e = 0;

  if (fstat(fd, &st) != 0) {
    e = errno;
  } else if (size == 0 || size > PTRDIFF_MAX || st.st_size < 0 ||
             (uint64_t)st.st_size != size) {
    e = EINVAL;
  } else {
    e = map(r, fd, (size_t)size);
  }
  if (e != 0) close(fd);
  return e;
}

void oq_region_drop(oq_region *r) {
  if (r->base != NULL) munmap(r->base, r->size);
  if (r->fd >= 0) close(r->fd);
  *r = (oq_region)OQ_REGION_INIT;
}
