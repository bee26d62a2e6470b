/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Memory for the judgement of a cgroup. */
#ifndef COLLECTOR_CGROUP_SCRATCH_H
#define COLLECTOR_CGROUP_SCRATCH_H

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

/* A row by its number: the verifier checks a global function alone, and lets no pointer in. */
typedef __u32 row_t;
#define row_at(row) bpf_map_lookup_elem(&cgroup_scratches, &(row))

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
