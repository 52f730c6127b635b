/* kern/loop.h - what elementwise loops tell the compiler.  To be included
 * first. */
#ifndef OQ_KERN_LOOP_H
#define OQ_KERN_LOOP_H

/* errno and the exception flags are not looked at, which changes no number but
 * lets sqrt and selections vectorise. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-math-errno", "no-trapping-math")
#endif

/* Iterations are independent even where output and input are one buffer. */
#if defined(__clang__)
#define OQ_IVDEP _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define OQ_IVDEP _Pragma("GCC ivdep")
#else
#define OQ_IVDEP
#endif

#endif
