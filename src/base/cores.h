/* base/cores.h - how many threads can run at once. */
#ifndef OQ_BASE_CORES_H
#define OQ_BASE_CORES_H

#include <stdint.h>

/* Cores of the affinity mask, cut to the cgroup's CPU quota; at least 1. */
uint32_t oq_cores_usable(void);
/* The smaller of `cores` and the quota found under `root` ("" outside tests):
 * root/proc/self/cgroup and root/sys/fs/cgroup, versions 1 and 2. */
uint32_t oq_cores_within_quota(const char *root, uint32_t cores);

#endif
