/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * The differences between kernels, for the object for Linux 5.10 without the kernel's own types (BTF). Its programs
 * get plain numbers from tracepoints, there are no iterators, and a file has the offsets of fields.
 */
#ifndef COLLECTOR_WITHOUT_BTF_H
#define COLLECTOR_WITHOUT_BTF_H

#define TRACEPOINT(name) SEC("raw_tp/" name)
/* A program for user space to run (BPF_PROG_TEST_RUN, since Linux 5.10). */
#define RUN_ALONE(name)                                                                                      \
    SEC("raw_tp")                                                                                            \
    int name(void *ctx)
enum { HAS_ITERATORS = 0, OLDEST_MINOR = 10 };

#include "since-5.8.h"

#endif
