/* SPDX-License-Identifier: GPL-2.0-only */
/* Tables of a fixed size, for probes: no operation allocates memory, waits, or gives a pointer into the table away. */
#ifndef COLLECTOR_TABLE_H
#define COLLECTOR_TABLE_H

#include <linux/types.h>

struct table;

/*
 * Makes a table; NULL if there is no memory. If it `evicts`, a full one forgets its oldest entries, else it takes no
 * more. Sizes in bytes, of keys a multiple of 4.
 */
struct table *make_table(u32 capacity, u32 key_size, u32 value_size, bool evicts);
void free_table(struct table *table); /* also NULL */
void clear_table(struct table *table);
/* Copies the value of a key; false if it has none. */
bool table_get(struct table *table, const void *key, void *value);
/* Sets the value of a key; false if there is no room. */
bool table_set(struct table *table, const void *key, const void *value);
/* Forgets a key; false if it has no value. */
bool table_remove(struct table *table, const void *key);

#endif
