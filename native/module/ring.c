// SPDX-License-Identifier: GPL-2.0-only
// One page with the consumer's position, one with the producers', then the data, mapped twice in a row: here as in user
// space, so no record has to be split. A record has 8 bytes before it, with its length and flags.
//
// User space writes one word, the consumer's position, and any number may be in it: a wrong one makes the ring look
// full, or has unread records overwritten. Where to write follows from the producers' own position alone, kept here. No
// byte of the mapped pages is read back but that word.
#include <linux/anon_inodes.h>
#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/irq_work.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/random.h>
#include <linux/refcount.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>

#include "kernel.h"
#include "ring.h"

enum {
    PREFIX = 8,         // bytes before a record
    POSITION_PAGES = 2, // the consumer's, and the producers'
    SHARES_BITS = 10,   // rows of the shares
};
// include/uapi/linux/bpf.h has the same two.
#define BUSY (1U << 31)

// Bytes of the containers of a row since the ring's mark.
struct share {
    u64 seed; // of the count; another than the ring's: the count is over
    u64 bytes;
};

struct ring {
    refcount_t references;
    u64 bytes;
    struct page **pages; // each once
    u32 page_count;
    void *mapping; // with the data twice
    u64 *consumer;
    u64 *produced; // a copy of `position`, for user space
    char *data;
    wait_queue_head_t readers;
    struct irq_work wakeup;

    raw_spinlock_t lock; // of all below
    u64 position;        // the producers'
    u64 counts;          // begun so far
    u64 key;             // of the seeds
    u64 seed;            // of the count of shares; 0: the ring is at most half full, and nothing is counted
    u64 mark;            // the position when the count began
    struct share shares[1 << SHARES_BITS];
};

static void wake_readers(struct irq_work *work)
{
    wake_up_all(&container_of(work, struct ring, wakeup)->readers);
}

static void free_pages_of(struct ring *ring)
{
    u32 i;
    for (i = 0; i < ring->page_count; i++)
        __free_page(ring->pages[i]);
}

// Maps the pages, those of the data twice.
static void *map_twice(const struct ring *ring)
{
    u32 data = ring->page_count - POSITION_PAGES, count = ring->page_count + data;
    struct page **list = kvmalloc_array(count, sizeof(*list), GFP_KERNEL_ACCOUNT);
    void *mapping;
    if (!list)
        return NULL;
    memcpy(list, ring->pages, sizeof(*list) * ring->page_count);
    memcpy(list + ring->page_count, ring->pages + POSITION_PAGES, sizeof(*list) * data);
    mapping = vmap(list, count, VM_MAP | VM_USERMAP, PAGE_KERNEL);
    kvfree(list);
    return mapping;
}

static bool allocate_pages(struct ring *ring)
{
    u32 count = POSITION_PAGES + ring->bytes / PAGE_SIZE;
    ring->pages = kvmalloc_array(count, sizeof(*ring->pages), GFP_KERNEL_ACCOUNT);
    if (!ring->pages)
        return false;
    while (ring->page_count < count) {
        struct page *page = NULL;
        // Too large a ring fails, and the kernel kills nobody for it.
        if (!fatal_signal_pending(current))
            page = alloc_page(GFP_MAPPED | __GFP_ZERO | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
        if (!page)
            return false;
        ring->pages[ring->page_count++] = page;
        cond_resched();
    }
    ring->mapping = map_twice(ring);
    return ring->mapping;
}

struct ring *make_ring(u32 bytes)
{
    struct ring *ring = kvzalloc(sizeof(*ring), GFP_KERNEL_ACCOUNT);
    if (!ring)
        return NULL;
    refcount_set(&ring->references, 1);
    raw_spin_lock_init(&ring->lock);
    init_waitqueue_head(&ring->readers);
    init_irq_work(&ring->wakeup, wake_readers);
    ring->key = get_random_u64();
    ring->bytes = bytes;
    if (!allocate_pages(ring)) {
        put_ring(ring);
        return NULL;
    }
    ring->consumer = ring->mapping;
    ring->produced = ring->mapping + PAGE_SIZE;
    ring->data = ring->mapping + POSITION_PAGES * PAGE_SIZE;
    return ring;
}

void put_ring(struct ring *ring)
{
    if (!refcount_dec_and_test(&ring->references))
        return;
    irq_work_sync(&ring->wakeup);
    vunmap(ring->mapping);
    free_pages_of(ring);
    kvfree(ring->pages);
    kvfree(ring);
}

// Begins to count, anew once all counted bytes have been read, or ends to.
static void look_at_fill(struct ring *ring, u64 used, u64 consumed)
{
    if (used * 2 <= ring->bytes) {
        ring->seed = 0;
    } else if (!ring->seed || consumed >= ring->mark) {
        ring->seed = hash_64(++ring->counts ^ ring->key, 64) | 1;
        ring->mark = ring->position;
    }
}

// Charges a record to a share: true if it has more in the ring than is free. native/bpf/rings.h has the reasons.
static bool exceeds_share(struct ring *ring, u64 used, u64 sharer, u32 bytes)
{
    struct share *share;
    if (!ring->seed)
        return false;
    share = &ring->shares[hash_64(sharer ^ ring->seed, SHARES_BITS)];
    if (share->seed != ring->seed) {
        share->seed = ring->seed;
        share->bytes = 0;
    }
    if (used + share->bytes + bytes > ring->bytes)
        return true;
    share->bytes += bytes;
    return false;
}

// Reserves room for a record. Its place is marked as busy before anybody can read so far.
static enum ring_outcome reserve(struct ring *ring, u32 size, u64 sharer, u64 *position)
{
    u64 consumed = smp_load_acquire(ring->consumer), used;
    u32 bytes = ALIGN(size + PREFIX, 8);
    enum ring_outcome outcome = RING_WRITTEN;
    unsigned long flags;
    raw_spin_lock_irqsave(&ring->lock, flags);
    used = ring->position - consumed;
    look_at_fill(ring, used, consumed);
    // A position ahead of the producers makes `used` huge. The kernel's rings keep a byte free, and so does this one.
    if (used >= ring->bytes || bytes >= ring->bytes - used) {
        outcome = RING_FULL;
    } else if (exceeds_share(ring, used, sharer, bytes)) {
        outcome = RING_OVER_SHARE;
    } else {
        *position = ring->position;
        WRITE_ONCE(*(u32 *)(ring->data + (*position & (ring->bytes - 1))), size | BUSY);
        ring->position += bytes;
        smp_store_release(ring->produced, ring->position);
    }
    raw_spin_unlock_irqrestore(&ring->lock, flags);
    return outcome;
}

enum ring_outcome write_ring(struct ring *ring, const void *record, u32 size, u64 sharer, bool wakes)
{
    u64 position;
    char *place;
    enum ring_outcome outcome = reserve(ring, size, sharer, &position);
    if (outcome != RING_WRITTEN)
        return outcome;
    place = ring->data + (position & (ring->bytes - 1));
    memcpy(place + PREFIX, record, size);
    // An xchg() would do as well: the position of the consumer must not be read before the record is ready.
    smp_store_release((u32 *)place, size);
    smp_mb();
    // Whoever has not caught up is woken already, or comes by on a timer.
    if (wakes && READ_ONCE(*ring->consumer) == position)
        irq_work_queue(&ring->wakeup);
    return RING_WRITTEN;
}

static int map_ring(struct file *file, struct vm_area_struct *area)
{
    const struct ring *ring = file->private_data;
    bool is_consumers = area->vm_pgoff == 0 && area->vm_end - area->vm_start == PAGE_SIZE;
    u64 pages = 2 * ring->page_count - POSITION_PAGES;
    // Some kernels add the two up without a look at the sum.
    if (area->vm_pgoff > pages || vma_pages(area) > pages - area->vm_pgoff)
        return -EINVAL;
    if (area->vm_flags & VM_WRITE && !is_consumers)
        return -EPERM;
    if (!is_consumers)
        change_mapping(area, 0, VM_MAYWRITE); // against mprotect()
    return remap_vmalloc_range(area, ring->mapping, area->vm_pgoff);
}

static __poll_t poll_ring(struct file *file, struct poll_table_struct *wait)
{
    struct ring *ring = file->private_data;
    poll_wait(file, &ring->readers, wait);
    return smp_load_acquire(ring->produced) != READ_ONCE(*ring->consumer) ? EPOLLIN | EPOLLRDNORM : 0;
}

static int release_ring(struct inode *inode, struct file *file)
{
    put_ring(file->private_data);
    return 0;
}

static const struct file_operations ring_operations = {
    .owner = THIS_MODULE, // a descriptor keeps the module
    .mmap = map_ring,
    .poll = poll_ring,
    .release = release_ring,
    .llseek = noop_llseek,
};

int open_ring_file(struct ring *ring)
{
    int fd;
    refcount_inc(&ring->references);
    fd = anon_inode_getfd("collector-ring", &ring_operations, ring, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        put_ring(ring);
    return fd;
}
