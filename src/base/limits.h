/* base/limits.h - every limit in one place: default, hard maximum, reason.
 * A test hits each one exactly and one above. */
#ifndef OQ_BASE_LIMITS_H
#define OQ_BASE_LIMITS_H

#include <stdint.h>

/* Nested messages.  protobuf-c recurses without a limit of its own: 10,000
 * levels (a 74 KB file) overflow an 8 MiB stack.  Other runtimes stop at 100;
 * one level of If/Loop costs three. */
#define OQ_MAX_MESSAGE_DEPTH 100

/* Model file.  protobuf-c refuses lengths above INT_MAX. */
#define OQ_MAX_MODEL_BYTES INT32_MAX

/* Graphs inside graphs; 100 messages allow 33 of them. */
#define OQ_MAX_GRAPH_DEPTH 33

/* Nodes of one model.  The largest public models have 10^5; ids are 32 bits. */
#define OQ_MAX_NODES 4000000

/* Inputs or outputs of one node, graph or function. */
#define OQ_MAX_PORTS 65536

/* Bytes of a name.  Names become keys of maps and parts of new names. */
#define OQ_MAX_NAME 65536

/* Memory of the decoded protobuf messages and of the graph: this many times
 * the file plus a floor.  An empty submessage costs 2 bytes in the file and up
 * to 290 decoded. */
#define OQ_MAX_DECODE_FACTOR 64
#define OQ_MAX_DECODE_FLOOR (64u << 20)

/* One tensor, one run: defaults, raised by the user. */
#define OQ_MAX_TENSOR_BYTES (UINT64_C(1) << 36)
#define OQ_MAX_RUN_BYTES (UINT64_C(1) << 37)

/* Turns that the loops of one run (Loop, Scan, SequenceMap) may have together:
 * nested ones would multiply. */
#define OQ_MAX_LOOP_TRIPS 1000000

/* m, n, k of one GEMM: the cblas interface counts in int. */
#define OQ_MAX_GEMM_DIM INT32_MAX

/* Findings kept; further ones are counted.  A person reads ten. */
#define OQ_MAX_DIAGS 1000

/* Threads of one context. */
#define OQ_MAX_THREADS 1024

#endif
