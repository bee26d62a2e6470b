/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * What differs between kernels, for the object that needs Linux 5.10 and none of the kernel's own types (BTF): its
 * programs get plain numbers from tracepoints, there are no iterators, and where fields are is told by a file.
 */
#ifndef COLLECTOR_WITHOUT_BTF_H
#define COLLECTOR_WITHOUT_BTF_H

#define TRACEPOINT(name) SEC("raw_tp/" name)
/* A program that user space runs (BPF_PROG_TEST_RUN, since Linux 5.10). */
#define RUN_ALONE(name)                                                                                      \
    SEC("raw_tp")                                                                                            \
    int name(void *ctx)
enum { HAS_ITERATORS = 0, OLDEST_MINOR = 10 };

#include "since-5.8.h"

#endif
