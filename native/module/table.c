// SPDX-License-Identifier: GPL-2.0-only
// Hash tables in parts, each with a lock of its own: CPUs rarely meet at one.
#include <linux/atomic.h>
#include <linux/hash.h>
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
    END = 0xffff,     // of a chain, by place
    SHARES_BITS = 15, // so many that two sharers hardly ever meet
    NO_SHARE = 0xffff,
};

static const size_t SHARES_BYTES = sizeof(atomic_t) << SHARES_BITS;

struct entry {
    u16 next;  // of its chain, or of the free ones
    u16 share; // of its sharer, or NO_SHARE
    u32 hash;
    u8 bytes[]; // key and value, at multiples of 8
};

struct part {
    raw_spinlock_t lock;
    u16 unused; // first of the free entries
    u16 victim; // the next one to be forgotten: they go round
    u16 *chains;
    u8 *entries;
} ____cacheline_aligned;

struct table {
    u32 key_size, value_size, value_at, stride;
    u32 capacity; // of a part, a power of two, as many as chains
    u32 seed;     // nobody outside can choose keys that meet
    enum table_kind kind;
    u16 *chains;
    u8 *entries;
    atomic_t *shares; // of sharers, by a hash; of kind SHARED alone
    u64 share_key;
    atomic_t shared ____cacheline_aligned; // entries with a sharer; written often, apart from what all read
    struct part parts[PARTS];
};

static struct entry *entry_at(const struct table *table, const struct part *part, u16 place)
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
    atomic_set(&table->shared, 0);
    if (table->shares)
        memset(table->shares, 0, SHARES_BYTES);
}

// Too large a table fails, and the kernel kills nobody for it.
static void *allocate(size_t bytes)
{
    return allocate_pages_for(bytes, GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
}

struct table *make_table(u32 capacity, u32 key_size, u32 value_size, enum table_kind kind)
{
    struct table *table = kvzalloc(sizeof(*table), GFP_KERNEL_ACCOUNT);
    u32 i;
    if (!table)
        return NULL;
    table->key_size = key_size;
    table->value_size = value_size;
    table->value_at = ALIGN(key_size, 8);
    table->stride = sizeof(struct entry) + table->value_at + ALIGN(value_size, 8);
    table->capacity = roundup_pow_of_two(DIV_ROUND_UP(capacity, PARTS));
    table->seed = get_random_u32();
    table->share_key = get_random_u64();
    table->kind = kind;
    table->chains = allocate(array3_size(PARTS, table->capacity, sizeof(u16)));
    table->entries = allocate(array3_size(PARTS, table->capacity, table->stride));
    if (kind == SHARED)
        table->shares = allocate(SHARES_BYTES);
    if (!table->chains || !table->entries || (kind == SHARED && !table->shares) || table->capacity >= END) {
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
    vfree(table->shares);
    kvfree(table);
}

static u32 hash_of(const struct table *table, const void *key)
{
    return jhash(key, table->key_size, table->seed);
}

static struct part *part_of(struct table *table, u32 hash)
{
    return &table->parts[hash % PARTS];
}

static u16 *chain_of(const struct table *table, struct part *part, u32 hash)
{
    return &part->chains[hash / PARTS & (table->capacity - 1)];
}

// The link to the entry of a key, in its chain; to END if it has none.
static u16 *find_link(const struct table *table, struct part *part, u32 hash, const void *key)
{
    u16 *link = chain_of(table, part, hash);
    while (*link != END) {
        struct entry *entry = entry_at(table, part, *link);
        if (entry->hash == hash && !memcmp(entry->bytes, key, table->key_size))
            break;
        link = &entry->next;
    }
    return link;
}

static void give_share(struct table *table, u16 share)
{
    if (share == NO_SHARE)
        return;
    atomic_dec(&table->shares[share]);
    atomic_dec(&table->shared);
}

// Adds an entry to a share: false if it has more entries then than are free.
static bool take_share(struct table *table, u16 share)
{
    u32 own, all;
    if (share == NO_SHARE)
        return true;
    own = atomic_inc_return(&table->shares[share]);
    all = atomic_inc_return(&table->shared);
    if (own + all <= PARTS * table->capacity)
        return true;
    give_share(table, share);
    return false;
}

// Takes an entry out of its chain.
static void release_entry(struct table *table, struct part *part, u16 *link)
{
    u16 place = *link;
    struct entry *entry = entry_at(table, part, place);
    give_share(table, entry->share);
    *link = entry->next;
    entry->next = part->unused;
    part->unused = place;
}

// Makes room in a full part.
static void evict(struct table *table, struct part *part)
{
    struct entry *entry = entry_at(table, part, part->victim);
    u16 *link = chain_of(table, part, entry->hash);
    while (*link != part->victim)
        link = &entry_at(table, part, *link)->next;
    release_entry(table, part, link);
    part->victim = (part->victim + 1) & (table->capacity - 1);
}

bool table_get(struct table *table, const void *key, void *value)
{
    u32 hash = hash_of(table, key);
    struct part *part = part_of(table, hash);
    unsigned long flags;
    bool is_found;
    u16 *link;
    raw_spin_lock_irqsave(&part->lock, flags);
    link = find_link(table, part, hash, key);
    is_found = *link != END;
    if (is_found)
        memcpy(value, entry_at(table, part, *link)->bytes + table->value_at, table->value_size);
    raw_spin_unlock_irqrestore(&part->lock, flags);
    return is_found;
}

// The place of a new entry for a key: END if there is no room, or not for this share.
static u16 add_entry(struct table *table, struct part *part, u32 hash, const void *key, u16 share)
{
    u16 *chain = chain_of(table, part, hash), place;
    struct entry *entry;
    if (part->unused == END && table->kind == EVICTING)
        evict(table, part);
    if (part->unused == END || !take_share(table, share))
        return END;
    place = part->unused;
    entry = entry_at(table, part, place);
    part->unused = entry->next;
    entry->next = *chain;
    entry->share = share;
    entry->hash = hash;
    memcpy(entry->bytes, key, table->key_size);
    *chain = place;
    return place;
}

static bool set_value(struct table *table, const void *key, const void *value, u16 share)
{
    u32 hash = hash_of(table, key);
    struct part *part = part_of(table, hash);
    unsigned long flags;
    u16 place;
    raw_spin_lock_irqsave(&part->lock, flags);
    place = *find_link(table, part, hash, key);
    if (place == END)
        place = add_entry(table, part, hash, key, share);
    if (place != END)
        memcpy(entry_at(table, part, place)->bytes + table->value_at, value, table->value_size);
    raw_spin_unlock_irqrestore(&part->lock, flags);
    return place != END;
}

bool table_set(struct table *table, const void *key, const void *value)
{
    return set_value(table, key, value, NO_SHARE);
}

bool table_set_share(struct table *table, const void *key, const void *value, u64 sharer)
{
    return set_value(table, key, value, hash_64(sharer ^ table->share_key, SHARES_BITS));
}

bool table_remove(struct table *table, const void *key)
{
    u32 hash = hash_of(table, key);
    struct part *part = part_of(table, hash);
    unsigned long flags;
    bool is_found;
    u16 *link;
    raw_spin_lock_irqsave(&part->lock, flags);
    link = find_link(table, part, hash, key);
    is_found = *link != END;
    if (is_found)
        release_entry(table, part, link);
    raw_spin_unlock_irqrestore(&part->lock, flags);
    return is_found;
}
