/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* How programs get to run where the kernel has types of its own (BTF). without-btf.h has the same for others. */
#ifndef COLLECTOR_WITH_BTF_H
#define COLLECTOR_WITH_BTF_H

#define TRACEPOINT(name) SEC("tp_btf/" name)
/*
 * An iterator with reads of one task, each ended by EAGAIN: a read runs the program once, in the reading process.
 * Programs can be run by themselves only since Linux 5.10 (BPF_PROG_TEST_RUN).
 */
#define RUN_ALONE(name)                                                                                      \
    SEC("iter/task")                                                                                         \
    int name(struct bpf_iter__task *ctx)
enum { HAS_ITERATORS = 1 };

#endif
