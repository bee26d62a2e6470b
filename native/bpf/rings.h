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

/* A row is of one CPU: only programs that can be preempted there need an atomic operation. */
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

enum {
    RING_PARTIES = 1024, /* rows of a CPU, a power of two */
    RING_PARTY_SHIFT = 64 - 10,
    RING_LOOKS = 16,          /* looks at the fill of a ring, for each time it is written once */
    LONGEST_LOOK = 32 * 1024, /* bytes between two of them */
};

/* State of the counts of containers' bytes in the ring of a CPU. */
struct ring_state {
    __u64 size; /* of the ring */
    __u64 mark; /* the producers' position when they began */
    __u64 seed; /* of them; 0: the ring is at most half full, and nothing is counted */
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct ring_state);
} ring_states SEC(".maps");

/* Bytes of the containers of a row since the ring's mark. */
struct ring_party {
    __u64 seed; /* of the count; another than the ring's: the count is over */
    __u64 bytes;
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, RING_PARTIES);
    __type(key, __u32);
    __type(value, struct ring_party);
} ring_parties SEC(".maps");

/*
 * The outermost container around each nested one. Shares go by it: a process that may make cgroups can make up as
 * many containers as there are names, and has one share for all of them.
 */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 16384);
    __type(key, __u64);
    __type(value, __u64);
} outermost_containers SEC(".maps");

/* The container whose share a container's records go by. */
static __always_inline __u64 sharer_of(__u64 container)
{
    __u64 *outermost = bpf_map_lookup_elem(&outermost_containers, &container);
    return outermost ? *outermost : container;
}

static __always_inline struct ring_state *state_of_ring(void)
{
    __u32 zero = 0;
    return bpf_map_lookup_elem(&ring_states, &zero);
}

/* Begins to count, anew once all counted bytes have been read, or ends to. */
static __always_inline void look_at_ring(void *ring, struct program_stats *row)
{
    __u64 size = bpf_ringbuf_query(ring, BPF_RB_RING_SIZE), used = bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA);
    struct ring_state *s = state_of_ring();
    row->unseen = 0;
    row->look = size / RING_LOOKS < LONGEST_LOOK ? size / RING_LOOKS : LONGEST_LOOK;
    row->is_tight = used * 2 > size;
    if (!s)
        return;
    s->size = size;
    if (!row->is_tight) {
        s->seed = 0;
    } else if (!s->seed || bpf_ringbuf_query(ring, BPF_RB_CONS_POS) >= s->mark) {
        s->seed = (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32() | 1;
        s->mark = bpf_ringbuf_query(ring, BPF_RB_PROD_POS);
    }
}

/*
 * Adds a record to the container's bytes in a ring. Returns true, and adds nothing, if the container has more there
 * than is free.
 */
static __always_inline bool refuse_over_free(void *ring, __u64 container, __u32 size)
{
    struct ring_state *s = state_of_ring();
    if (!s || !s->seed)
        return false;
    __u64 seed = s->seed;
    __u32 place = ((sharer_of(container) ^ seed) * 0x9e3779b97f4a7c15ULL) >> RING_PARTY_SHIFT;
    struct ring_party *p = bpf_map_lookup_elem(&ring_parties, &place);
    if (!p)
        return false;
    if (p->seed != seed) {
        p->seed = seed;
        p->bytes = 0;
    }
    __u64 used = bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA);
    if (used + p->bytes + size > s->size)
        return true;
    p->bytes += size;
    return false;
}

/*
 * Charges a record to its container's share of the ring. Returns true if the container has more in the ring than is
 * free: the record is left out for the others' sake (dynamic thresholds: A. K. Choudhury, E. L. Hahne, IEEE/ACM ToN
 * 6(2), 1998). Containers are counted once the ring is half full, in rows chosen by a hash of its own for each count
 * (stochastic fairness queueing: P. E. McKenney, INFOCOM 1990), which needs no list of the containers. One that
 * writes alone has three quarters of the ring.
 *
 * Until then a record costs an addition to the program's own row: each program looks by itself, after as many bytes.
 */
static __always_inline bool refuse_over_share(void *ring, struct program_stats *row, __u64 container,
                                              __u32 size)
{
    row->unseen += size;
    if (row->unseen >= row->look)
        look_at_ring(ring, row);
    return row->is_tight && refuse_over_free(ring, container, size);
}

/* Writes one record. Whether it found room is counted, always. */
static __always_inline void emit(void *record, __u32 size, __u32 program)
{
    __u64 container = ((struct record_header *)record)->container;
    struct program_stats *s = stats_of(program);
    __u32 index = bpf_get_smp_processor_id();
    if (knobs.cpus_per_ring > 1)
        index /= knobs.cpus_per_ring;
    void *ring = bpf_map_lookup_elem(&rings, &index);
    if (!s)
        return;
    if (!ring) {
        count(&s->failed, program);
        return;
    }
    if (refuse_over_share(ring, s, container, size)) {
        s->container = sharer_of(container);
        count(&s->over_share, program);
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
