/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Memory for the judgement of a cgroup. */
#ifndef COLLECTOR_CGROUP_SCRATCH_H
#define COLLECTOR_CGROUP_SCRATCH_H

enum { NAME_CAPACITY = 256 }; /* NAME_MAX and the terminating NUL */

struct cgroup_scratch {
    __u64 read[2];    /* the last reading: on the scarce stack each would have a place of its own */
    __u64 key;        /* of a lookup, for the same reason */
    __u64 at;         /* the cgroup looked at */
    __u64 digits;     /* container by the component just read */
    __u64 container;  /* the answer so far, 0 for none */
    __u64 bearer;     /* the cgroup with the answer's name */
    __u64 outermost;  /* the last container met on the way up */
    __u64 hierarchy;  /* of all these */
    __u32 is_scope;   /* 1: the bearer is a scope, so none above it matters */
    __u32 is_claimed; /* 1: another cgroup bears its name */
    __u32 is_nested;  /* 1: there is a container above it */
    __u32 length;     /* of name */
    __u32 scope;      /* where the last ".scope" of name starts, or NO_SCOPE */
    __u32 is_lent;    /* 1: somebody has borrowed this row */
    char name[NAME_CAPACITY + sizeof(__u64)]; /* words of it may be read from any place */
};

enum { NO_SCOPE = 0xffffffff };

/*
 * Rows: one a CPU for exec and exit, one a CPU for sockets, since their programs may run on top of the others; one
 * for scans; last, rows of no CPU, to lend to programs that can be preempted.
 */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct cgroup_scratch);
} cgroup_scratches SEC(".maps");

/* Instead of a slot: one is borrowed, but only if names have to be read. */
enum { SLOT_TO_BORROW = 0xffffffff };

static __always_inline __u32 slot_of_process(void)
{
    return bpf_get_smp_processor_id();
}

static __always_inline __u32 slot_of_socket(void)
{
    return knobs.cpus + bpf_get_smp_processor_id();
}

static __always_inline __u32 slot_of_scan(void)
{
    return 2 * knobs.cpus;
}

/* Whether the row is lent from now on, and was not before. */
__noinline int lend(__u32 slot)
{
    struct cgroup_scratch *s = bpf_map_lookup_elem(&cgroup_scratches, &slot);
    return s && mark_lent(slot, &s->is_lent);
}

/* Takes one of the rows to lend, SLOT_TO_BORROW if all are taken. */
__noinline __u32 borrow_slot(void)
{
    for (__u32 i = 0; i < SLOTS_TO_LEND; i++) {
        __u32 slot = 2 * knobs.cpus + 1 + i;
        if (lend(slot))
            return slot;
    }
    return SLOT_TO_BORROW;
}

__noinline int give_back(__u32 slot)
{
    struct cgroup_scratch *s = bpf_map_lookup_elem(&cgroup_scratches, &slot);
    if (s)
        mark_returned(slot, &s->is_lent);
    return 0;
}

#endif
