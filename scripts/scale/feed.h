/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Between feeder.bpf.c and feeder.c: which records to write. */
#ifndef COLLECTOR_FEED_H
#define COLLECTOR_FEED_H

#ifndef __bpf__
#include <linux/types.h>
#endif

/* Operations, and the records of each, in its order. */
enum feed_kind {
    FEED_HOLD = 0,       /* the client end of a connection opens, with a peer of its own */
    FEED_CONNECTION = 1, /* both ends of a connection open and close */
    FEED_EXEC = 2,       /* a process starts and ends */
    FEED_KINDS = 3,
};

/* Most operations of one run. */
enum { FEED_MOST = 256 };

struct feed_job {
    __u64 kind;
    __u64 first; /* number of the first operation */
    __u64 count;
    __u64 rings;      /* one after the other, an operation each */
    __u64 containers; /* the same */
    __u64 base;       /* number of the first container */
};

#endif
