/* kern/loop.h - what elementwise loops tell the compiler. */
#ifndef OQ_KERN_LOOP_H
#define OQ_KERN_LOOP_H

/* Iterations are independent even where output and input are one buffer. */
#if defined(__clang__)
#pragma clang diagnostic ignored "-Wpass-failed" /* it is a wish */
#define OQ_IVDEP _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define OQ_IVDEP _Pragma("GCC ivdep")
#else
#define OQ_IVDEP
#endif

#endif
