/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* The way out: rings of records, one for every few CPUs, and the statistics of each program. */
#ifndef COLLECTOR_RINGS_H
#define COLLECTOR_RINGS_H

const volatile struct knobs knobs SEC(".rodata.knobs") = {.cpus_per_ring = 1, .cpus = 1};
volatile struct control control SEC(".data.control") = {};

/* Read by the add-on before it loads the object, and by no program. */
const volatile __u32 layout_version SEC(".rodata.layout") = LAYOUT_VERSION;

/*
 * A ring of its own for each CPU: producers of one ring share a lock, and eleven million records a second become three.
 * The add-on makes them and sets how many there are.
 */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} rings SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, PROGRAM_COUNT);
    __type(key, __u32);
    __type(value, struct program_stats);
} stats SEC(".maps");

static __always_inline struct program_stats *stats_of(__u32 program)
{
    return bpf_map_lookup_elem(&stats, &program);
}

/* A row is of one CPU, so that only programs which can be preempted there need an atomic operation. */
static __always_inline void count(__u64 *counter, __u32 program)
{
    if (program == PROGRAM_UDP)
        __sync_fetch_and_add(counter, 1);
    else
        (*counter)++;
}

/* Why a record was not written, in the program's statistics. */
static __always_inline void count_failed(__u32 program)
{
    struct program_stats *s = stats_of(program);
    if (s)
        count(&s->failed, program);
}

static __always_inline void count_skipped(__u32 program)
{
    struct program_stats *s = stats_of(program);
    if (s)
        count(&s->skipped, program);
}

/* Writes one record. Whether it found room is counted, always. */
static __always_inline void emit(void *record, __u32 size, __u32 program)
{
    struct program_stats *s = stats_of(program);
    __u32 index = bpf_get_smp_processor_id() / knobs.cpus_per_ring;
    void *ring = bpf_map_lookup_elem(&rings, &index);
    if (!s)
        return;
    if (!ring) {
        count(&s->failed, program);
        return;
    }
    /* A wakeup costs more than all the rest of an event, so there is none while user space comes by on its own. */
    __u64 wakeup = control.busy ? BPF_RB_NO_WAKEUP : 0;
    if (bpf_ringbuf_output(ring, record, size, wakeup))
        count(&s->lost, program);
    else
        count(&s->events, program);
}

#endif
