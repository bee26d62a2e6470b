/* SPDX-License-Identifier: GPL-2.0-only */
/* Tables of a fixed size, for probes: no operation allocates memory, waits, or gives a pointer into the table away. */
#ifndef COLLECTOR_TABLE_H
#define COLLECTOR_TABLE_H

#include <linux/types.h>

struct table;

/* A full table and a new key: */
enum table_kind {
    EVICTING, /* forgets its oldest entry */
    BOUNDED,  /* takes no more */
    SHARED,   /* takes no more; and before, none of a sharer who has more entries than are free */
};

/* Makes a table; NULL if there is no memory. Sizes in bytes, of keys a multiple of 4; at most 2,097,152 entries. */
struct table *make_table(u32 capacity, u32 key_size, u32 value_size, enum table_kind kind);
void free_table(struct table *table); /* also NULL */
void clear_table(struct table *table);
/* Copies the value of a key; false if it has none. */
bool table_get(struct table *table, const void *key, void *value);
/* Sets the value of a key; false if there is no room. In a table of kind SHARED, of a known key. */
bool table_set(struct table *table, const void *key, const void *value);
/* The same in a table of kind SHARED; a known key keeps its sharer. */
bool table_set_share(struct table *table, const void *key, const void *value, u64 sharer);
/* Forgets a key; false if it has no value. */
bool table_remove(struct table *table, const void *key);

#endif
