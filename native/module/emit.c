// SPDX-License-Identifier: GPL-2.0-only
// The way out: rings of records, one for every few CPUs, and the statistics of each program.
#include <linux/percpu.h>
#include <linux/slab.h>

#include "collector.h"
#include "ring.h"

struct counts {
    struct program_stats programs[PROGRAM_COUNT];
};

static struct ring **rings;
static u32 ring_count;
static struct counts __percpu *counts;

void free_output(void)
{
    while (ring_count > 0)
        put_ring(rings[--ring_count]);
    kfree(rings);
    rings = NULL;
    free_percpu(counts);
    counts = NULL;
}

int make_output(const struct module_start *start)
{
    counts = alloc_percpu(struct counts);
    rings = kcalloc(start->rings, sizeof(*rings), GFP_KERNEL_ACCOUNT);
    if (!counts || !rings)
        return -ENOMEM;
    for (; ring_count < start->rings; ring_count++) {
        rings[ring_count] = make_ring(start->ring_bytes);
        if (!rings[ring_count])
            return -ENOMEM;
    }
    return 0;
}

int open_ring(unsigned long index)
{
    return index < ring_count ? open_ring_file(rings[index]) : -ERANGE;
}

void read_stats(struct module_stats *stats)
{
    int cpu, program;
    memset(stats, 0, sizeof(*stats));
    for_each_possible_cpu(cpu) for (program = 0; program < PROGRAM_COUNT; program++)
    {
        const struct program_stats *row = &per_cpu_ptr(counts, cpu)->programs[program];
        struct program_stats *sum = &stats->programs[program];
        sum->events += READ_ONCE(row->events);
        sum->lost += READ_ONCE(row->lost);
        sum->skipped += READ_ONCE(row->skipped);
        sum->failed += READ_ONCE(row->failed);
        sum->over_share += READ_ONCE(row->over_share);
        sum->container = max(sum->container, READ_ONCE(row->container));
    }
}

// One operation, so an interrupt in between loses nothing.
#define COUNT(program, counter) this_cpu_inc(counts->programs[program].counter)

void count_failed(enum program program)
{
    COUNT(program, failed);
}

void count_skipped(enum program program)
{
    COUNT(program, skipped);
}

// Writes one record. Whether it found room is counted, always.
void emit(void *record, u32 size, enum program program)
{
    u64 sharer = sharer_of(((struct record_header *)record)->container);
    u32 index = raw_smp_processor_id() / knobs.cpus_per_ring;
    if (index >= ring_count) {
        COUNT(program, failed);
        return;
    }
    switch (write_ring(rings[index], record, size, sharer, !READ_ONCE(control->busy))) {
    case RING_WRITTEN:
        COUNT(program, events);
        break;
    case RING_FULL:
        COUNT(program, lost);
        break;
    case RING_OVER_SHARE:
        this_cpu_write(counts->programs[program].container, sharer);
        COUNT(program, over_share);
        break;
    }
}

// Writes a record of the self-check, in place of the record of the same event by anybody else.
void emit_self_check(u32 pid, enum self_check what, enum program program)
{
    struct self_check_record r = {
        .header =
            {
                .size = sizeof(r),
                .type = RECORD_SELF_CHECK,
                .pid = pid,
                .time = ktime_get_boottime_ns(),
            },
        .what = what,
    };
    emit(&r, sizeof(r), program);
}
