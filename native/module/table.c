// SPDX-License-Identifier: GPL-2.0-only
// Hash tables in parts, each with a lock of its own: CPUs rarely meet at one.
#include <linux/jhash.h>
#include <linux/log2.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "kernel.h"
#include "table.h"

enum {
    PARTS = 64,
    END = 0xffffffff, // of a chain, by place
};

struct entry {
    u32 next; // of its chain, or of the free ones
    u32 hash;
    u8 bytes[]; // key and value, at multiples of 8
};

struct part {
    raw_spinlock_t lock;
    u32 unused; // first of the free entries
    u32 victim; // the next one to be forgotten: they go round
    u32 *chains;
    u8 *entries;
} ____cacheline_aligned;

struct table {
    u32 key_size, value_size, value_at, stride;
    u32 capacity; // of a part, a power of two, as many as chains
    u32 seed;     // nobody outside can choose keys that meet
    bool evicts;
    u32 *chains;
    u8 *entries;
    struct part parts[PARTS];
};

static struct entry *entry_at(const struct table *table, const struct part *part, u32 place)
{
    return (void *)(part->entries + (size_t)place * table->stride);
}

static void clear_part(const struct table *table, struct part *part)
{
    unsigned long flags;
    u32 i;
    raw_spin_lock_irqsave(&part->lock, flags);
    for (i = 0; i < table->capacity; i++) {
        part->chains[i] = END;
        entry_at(table, part, i)->next = i + 1 < table->capacity ? i + 1 : END;
    }
    part->unused = 0;
    part->victim = 0;
    raw_spin_unlock_irqrestore(&part->lock, flags);
}

void clear_table(struct table *table)
{
    u32 i;
    for (i = 0; i < PARTS; i++)
        clear_part(table, &table->parts[i]);
}

// Too large a table fails, and the kernel kills nobody for it.
static void *allocate(size_t bytes)
{
    return allocate_pages_for(bytes, GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
}

struct table *make_table(u32 capacity, u32 key_size, u32 value_size, bool evicts)
{
    struct table *table = kzalloc(sizeof(*table), GFP_KERNEL_ACCOUNT);
    u32 i;
    if (!table)
        return NULL;
    table->key_size = key_size;
    table->value_size = value_size;
    table->value_at = ALIGN(key_size, 8);
    table->stride = sizeof(struct entry) + table->value_at + ALIGN(value_size, 8);
    table->capacity = roundup_pow_of_two(DIV_ROUND_UP(capacity, PARTS));
    table->seed = get_random_u32();
    table->evicts = evicts;
    table->chains = allocate(array3_size(PARTS, table->capacity, sizeof(u32)));
    table->entries = allocate(array3_size(PARTS, table->capacity, table->stride));
    if (!table->chains || !table->entries) {
        free_table(table);
        return NULL;
    }
    for (i = 0; i < PARTS; i++) {
        struct part *part = &table->parts[i];
        raw_spin_lock_init(&part->lock);
        part->chains = table->chains + (size_t)i * table->capacity;
        part->entries = table->entries + (size_t)i * table->capacity * table->stride;
    }
    clear_table(table);
    return table;
}

void free_table(struct table *table)
{
    if (!table)
        return;
    vfree(table->chains);
    vfree(table->entries);
    kfree(table);
}

static u32 hash_of(const struct table *table, const void *key)
{
    return jhash(key, table->key_size, table->seed);
}

static struct part *part_of(struct table *table, u32 hash)
{
    return &table->parts[hash % PARTS];
}

static u32 *chain_of(const struct table *table, struct part *part, u32 hash)
{
    return &part->chains[hash / PARTS & (table->capacity - 1)];
}

// The link to the entry of a key, in its chain; to END if it has none.
static u32 *find_link(const struct table *table, struct part *part, u32 hash, const void *key)
{
    u32 *link = chain_of(table, part, hash);
    while (*link != END) {
        struct entry *entry = entry_at(table, part, *link);
        if (entry->hash == hash && !memcmp(entry->bytes, key, table->key_size))
            break;
        link = &entry->next;
    }
    return link;
}

// Takes an entry out of its chain.
static void release_entry(const struct table *table, struct part *part, u32 *link)
{
    u32 place = *link;
    struct entry *entry = entry_at(table, part, place);
    *link = entry->next;
    entry->next = part->unused;
    part->unused = place;
}

// Makes room in a full part.
static void evict(const struct table *table, struct part *part)
{
    struct entry *entry = entry_at(table, part, part->victim);
    u32 *link = chain_of(table, part, entry->hash);
    while (*link != part->victim)
        link = &entry_at(table, part, *link)->next;
    release_entry(table, part, link);
    part->victim = (part->victim + 1) & (table->capacity - 1);
}

bool table_get(struct table *table, const void *key, void *value)
{
    u32 hash = hash_of(table, key), *link;
    struct part *part = part_of(table, hash);
    unsigned long flags;
    bool is_found;
    raw_spin_lock_irqsave(&part->lock, flags);
    link = find_link(table, part, hash, key);
    is_found = *link != END;
    if (is_found)
        memcpy(value, entry_at(table, part, *link)->bytes + table->value_at, table->value_size);
    raw_spin_unlock_irqrestore(&part->lock, flags);
    return is_found;
}

bool table_set(struct table *table, const void *key, const void *value)
{
    u32 hash = hash_of(table, key), *link, place;
    struct part *part = part_of(table, hash);
    unsigned long flags;
    raw_spin_lock_irqsave(&part->lock, flags);
    link = find_link(table, part, hash, key);
    place = *link;
    if (place == END && part->unused == END && table->evicts)
        evict(table, part);
    if (place == END && part->unused != END) {
        u32 *chain = chain_of(table, part, hash);
        struct entry *entry;
        place = part->unused;
        entry = entry_at(table, part, place);
        part->unused = entry->next;
        entry->next = *chain;
        entry->hash = hash;
        memcpy(entry->bytes, key, table->key_size);
        *chain = place;
    }
    if (place != END)
        memcpy(entry_at(table, part, place)->bytes + table->value_at, value, table->value_size);
    raw_spin_unlock_irqrestore(&part->lock, flags);
    return place != END;
}

bool table_remove(struct table *table, const void *key)
{
    u32 hash = hash_of(table, key), *link;
    struct part *part = part_of(table, hash);
    unsigned long flags;
    bool is_found;
    raw_spin_lock_irqsave(&part->lock, flags);
    link = find_link(table, part, hash, key);
    is_found = *link != END;
    if (is_found)
        release_entry(table, part, link);
    raw_spin_unlock_irqrestore(&part->lock, flags);
    return is_found;
}
