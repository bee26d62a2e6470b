/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Settings of the BPF programs, written once before the load: the verifier removes all code they switch off. */
#ifndef COLLECTOR_KNOBS_H
#define COLLECTOR_KNOBS_H

#ifndef __bpf__
#include <linux/types.h>
#endif

/* Rows of scratch memory for programs preempted in the first judgement of a cgroup: rarely one. */
enum { SLOTS_TO_LEND = 32 };

struct knobs {
    __u64 udp_window;    /* ns: a UDP peer is reported once in it; 0: send and receive are not watched */
    __u32 cpus_per_ring; /* at least 1 */
    __u32 cpus;          /* possible CPUs: rows of the scratch maps for programs that can't be preempted */
    __u8 all_scopes;     /* 1: processes outside containers too */
    __u8 loopback;       /* 1: loopback peers too, and listening sockets bound to the loopback alone */
    __u8 pending;        /* 1: connections that are not established yet, or never were, too */
    __u8 arguments;      /* 0: arguments never leave the kernel */
    __u8 cgroup_v1; /* 1: some controller has a hierarchy of its own, and may be the one to name the container */
    __u8 udp_listeners; /* 1: scans list bound UDP sockets without a peer */
    __u8 reserved[2];
};

/* Written while the programs are there. */
struct control {
    __u32 own_pid;     /* Collector's thread group id in the initial pid namespace: its events are left out */
    __u8 busy;         /* 1: user space drains the rings on a timer, no event needs to wake it */
    __u8 self_check;   /* 1: Collector's children are the self-check (RECORD_SELF_CHECK) */
    __u8 lists;        /* 1: list_sockets lists the connections with an owner, and scan_sockets need not */
    __u8 scanned;      /* 1: a scan has listed all sockets older than the programs */
    __u32 socket_scan; /* number of the latest scan of sockets, from 1 on */
    __u32 orphans;     /* listening sockets scanned outside of the owning container alone */
    __u64 secret;      /* random: keeps kernel addresses out of records */
    __u8 settles;      /* 1: the scan of sockets gives orphans of the one before to their holders */
    __u8 udp_ends;     /* 1: the end of each UDP socket is seen */
    __u8 reserved[6];
};

/* Most bytes of records from one run of list_sockets, and words of buckets read at once. */
enum { WALK_BYTES = 64 * 1024, WALK_WORDS = 32 };

/* The tables, in the order of the walk. */
enum walk_stage { WALK_NONE = 0, WALK_LISTENERS = 1, WALK_CONNECTIONS = 2, WALK_UDP = 3 };

/* Where the walk through the kernel's tables of sockets is. Zeros begin a new one. */
struct walk {
    __u64 heads;   /* address of the first bucket of a table; 0: none has begun */
    __u32 buckets; /* of the table */
    __u32 bucket;  /* the next one */
    __u32 stage;   /* enum walk_stage: the table */
    __u32 used;    /* bytes of records; 0 at the end of a run: the walk is over */
    __u8 lists;    /* 1: the kernel's tables of TCP sockets were found */
    __u8 reserved[7];
    __u64 block[WALK_WORDS]; /* buckets read at once */
    __u8 records[WALK_BYTES];
};

#endif
