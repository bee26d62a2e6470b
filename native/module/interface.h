/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * What passes between the kernel module and the add-on, beside the records of layout.h.
 *
 * The module is named `collector`. The parameter /sys/module/collector/parameters/layout is its LAYOUT_VERSION; a
 * module without it is a foreign one of the same name. Insertion hooks nothing.
 *
 * /proc/collector (mode 0400: open it for reading alone) is open to one process at a time, EBUSY for others, with
 * CAP_SYS_ADMIN in the initial user namespace. All state belongs to the open file: its end, by close(), exit or kill,
 * takes every hook away. The memory of a ring and of the control page stays for as long as somebody has a descriptor or
 * a mapping of it.
 */
#ifndef COLLECTOR_INTERFACE_H
#define COLLECTOR_INTERFACE_H

#include <linux/ioctl.h>
#include <linux/types.h>

#include "../bpf/knobs.h"
#include "../bpf/layout.h"

#define COLLECTOR_NAME "collector"
#define COLLECTOR_FILE "/proc/collector"
#define COLLECTOR_LAYOUT_FILE "/sys/module/collector/parameters/layout"

enum { COLLECTOR_VERSION_CAPACITY = 64 };

/* Which module this is. Sizes are those of the structures of these names. */
struct module_info {
    __u32 layout; /* LAYOUT_VERSION */
    __u32 knobs_size;
    __u32 control_size;
    __u32 program_stats_size;
    char version[COLLECTOR_VERSION_CAPACITY]; /* text, ended by NUL */
};

struct module_start {
    struct knobs knobs;
    __u32 rings;      /* at most a ring for each possible CPU */
    __u32 ring_bytes; /* of each: a power of two, whole pages */
};

/* In the order of enum program: sums over all CPUs. `container` is the latest one of any CPU. */
struct module_stats {
    struct program_stats programs[PROGRAM_COUNT];
};

enum { COLLECTOR_LARGEST_RING = 1 << 30 };

/* Answered at any time. */
#define COLLECTOR_INFO _IOR('C', 1, struct module_info)
/*
 * Makes the rings and tables, once: EALREADY. EINVAL for values out of range, ENOMEM. Notes the caller as Collector
 * (control.own_pid) and draws control.secret. Everything below needs it: ENXIO before.
 */
#define COLLECTOR_START _IOW('C', 2, struct module_start)
/*
 * A new descriptor for the ring of this index (the argument itself), close-on-exec, for mmap() and poll(). It is mapped
 * as a BPF ring buffer: a page with the consumer's position, the only one to be written; a page with the producer's;
 * then the data, twice in a row. ERANGE for an index too high. The descriptor keeps the ring's memory, and the module
 * from being removed.
 */
#define COLLECTOR_RING _IO('C', 3)
#define COLLECTOR_STATS _IOR('C', 4, struct module_stats)
/* Hooks everything, or nothing. ENOENT: the kernel lacks a tracepoint. Nothing to do if it is hooked: 0. */
#define COLLECTOR_ATTACH _IO('C', 5)
/* Unhooks. No record is written after it returns; the rings can still be read. */
#define COLLECTOR_DETACH _IO('C', 6)
/* Returns 1 while everything is hooked, else 0. */
#define COLLECTOR_LIVE _IO('C', 7)

/*
 * A new descriptor, close-on-exec, to map one page at offset 0 by, for reading and writing: struct control. Every value
 * in it may change at any time, and the module trusts none.
 */
#define COLLECTOR_CONTROL _IO('C', 8)

#endif
