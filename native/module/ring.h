/* SPDX-License-Identifier: GPL-2.0-only */
/* A ring of records in the form of a BPF ring buffer, as native/addon/ring.cc reads it. */
#ifndef COLLECTOR_RING_H
#define COLLECTOR_RING_H

#include <linux/types.h>

struct ring;

enum ring_outcome { RING_WRITTEN, RING_FULL, RING_OVER_SHARE };

/* Makes a ring of `bytes` of data, a power of two and whole pages; NULL if there is no memory. */
struct ring *make_ring(u32 bytes);
/* Gives one reference back. No writer may be left behind the last one. May sleep. */
void put_ring(struct ring *ring);
/* A new descriptor, with a reference of its own, or a negative errno. */
int open_ring_file(struct ring *ring);
/*
 * Writes a record, charged to the share of `sharer`. Wakes readers that have caught up, if asked to. In any context but
 * that of an NMI.
 */
enum ring_outcome write_ring(struct ring *ring, const void *record, u32 size, u64 sharer, bool wakes);

#endif
