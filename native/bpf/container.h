/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Which container a task is in, by the names of its cgroups.
 *
 * The rule, on the cgroup's path: cut it at its last ".scope"; it then has to end in '/', '-' or ':' and 64 hexadecimal
 * digits, and what stands before those must not end in "-conmon". The path is never put together: only the deepest
 * component with ".scope" in it, else the last component, can hold the id.
 *
 * The verdict is kept for every cgroup, so the names are read once in a cgroup's life, and not at all for the root.
 */
#ifndef COLLECTOR_CONTAINER_H
#define COLLECTOR_CONTAINER_H

enum {
    NAME_CAPACITY = 256, /* NAME_MAX and the terminating NUL */
    CGROUP_DEPTH = 32,
    ID_DIGITS = 64,
    SHORT_ID_DIGITS = 12,
    SUBSYSTEMS = 16, /* more than any kernel has */
};

struct cgroup_scratch {
    __u64 at;      /* the cgroup looked at */
    __u64 leaf;    /* container by the last component alone */
    __u64 digits;  /* container by the component just read */
    __u32 length;  /* of name */
    __u32 scope;   /* where the last ".scope" of name starts, or NO_SCOPE */
    __u32 is_lent; /* 1: somebody has borrowed this row */
    __u32 reserved;
    char name[NAME_CAPACITY];
};

enum { NO_SCOPE = 0xffffffff };

/*
 * Rows: one a CPU for exec and exit, one a CPU for sockets, which may run on top of them; one for scans; last, those that
 * are lent to programs which can be preempted, so that no row belongs to a CPU.
 */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct cgroup_scratch);
} cgroup_scratches SEC(".maps");

/* Instead of a slot: one is borrowed, but only if names have to be read. */
enum { SLOT_TO_BORROW = 0xffffffff };

/* Instead of a container: there was no slot to borrow, so it is not known, and not kept. */
#define CONTAINER_UNJUDGED (~0ULL)

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 16384);
    __type(key, __u64);
    __type(value, __u64);
} containers SEC(".maps");

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

static __always_inline int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* An index that the verifier can see to be within a name. */
#define IN_NAME(i) ((i) & (NAME_CAPACITY - 1))

static __always_inline bool ends_in_conmon(const char *name, __u32 end)
{
    const char suffix[] = "-conmon";
    const __u32 length = sizeof(suffix) - 1;
    if (end < length)
        return false;
    for (__u32 i = 0; i < length; i++)
        if (name[IN_NAME(end - length + i)] != suffix[i])
            return false;
    return true;
}

/* Global functions are verified once and by themselves, which keeps loops that call them cheap on every kernel. */
__noinline int find_scope(__u32 slot)
{
    struct cgroup_scratch *s = bpf_map_lookup_elem(&cgroup_scratches, &slot);
    if (!s)
        return 1;
    s->scope = NO_SCOPE;
    for (__u32 i = 0; i < NAME_CAPACITY - 6; i++) {
        const char *n = &s->name[i];
        if (!n[0])
            break;
        if (n[0] == '.' && n[1] == 's' && n[2] == 'c' && n[3] == 'o' && n[4] == 'p' && n[5] == 'e')
            s->scope = i;
    }
    return 0;
}

/* The name's last 64 digits before s->length as a container into s->digits, 0 if there are none. */
__noinline int read_digits(__u32 slot)
{
    struct cgroup_scratch *s = bpf_map_lookup_elem(&cgroup_scratches, &slot);
    if (!s)
        return 1;
    s->digits = 0;
    __u32 length = s->length;
    if (length < ID_DIGITS || length >= NAME_CAPACITY)
        return 0;
    __u32 start = length - ID_DIGITS;
    __u64 id = 0;
    for (int i = 0; i < ID_DIGITS; i++) {
        int digit = hex_digit(s->name[IN_NAME(start + i)]);
        if (digit < 0)
            return 0;
        if (i < SHORT_ID_DIGITS)
            id = id << 4 | digit;
    }
    if (start > 0) {
        char before = s->name[IN_NAME(start - 1)];
        if (before != '-' && before != ':')
            return 0;
        if (ends_in_conmon(s->name, start - 1))
            return 0;
    }
    s->digits = CONTAINER_PRESENT | id;
    return 0;
}

static __always_inline struct cgroup *cgroup_parent(struct cgroup *cgroup)
{
    struct cgroup_subsys_state *css = BPF_CORE_READ(cgroup, self.parent);
    return css ? (void *)css - bpf_core_field_offset(struct cgroup, self) : NULL;
}

/* Reads the name of s->at. */
static __always_inline void read_name(struct cgroup_scratch *s)
{
    struct cgroup *cgroup = (void *)s->at;
    const char *name = BPF_CORE_READ(cgroup, kn, name);
    long length = bpf_probe_read_kernel_str(s->name, NAME_CAPACITY, name);
    s->length = length > 0 ? length - 1 : 0;
}

/* A component of 64 digits alone has its '/' before it; what stands before that is the parent's name. */
static __always_inline bool below_conmon(struct cgroup_scratch *s)
{
    struct cgroup *parent = cgroup_parent((struct cgroup *)s->at);
    if (!parent)
        return false;
    const char *name = BPF_CORE_READ(parent, kn, name);
    long length = bpf_probe_read_kernel_str(s->name, NAME_CAPACITY, name);
    return length > 0 && ends_in_conmon(s->name, length - 1);
}

/* Judges the component s->at by its name and goes up: 1 when the answer stands in s->digits. */
__noinline int judge_component(__u32 slot)
{
    struct cgroup_scratch *s = bpf_map_lookup_elem(&cgroup_scratches, &slot);
    if (!s || !s->at)
        return 1;
    read_name(s);
    find_scope(slot);
    if (s->scope != NO_SCOPE)
        s->length = s->scope;
    read_digits(slot);
    if (s->digits && s->length == ID_DIGITS && below_conmon(s))
        s->digits = 0;
    if (s->scope != NO_SCOPE)
        return 1;
    if (s->leaf == ~0ULL)
        s->leaf = s->digits;
    s->at = (__u64)cgroup_parent((struct cgroup *)s->at);
    return 0;
}

/* The container that a cgroup's path names, 0 for none; `cgroup` is a struct cgroup's address. */
__noinline __u64 judge_cgroup(__u64 cgroup, __u32 slot)
{
    struct cgroup_scratch *s = bpf_map_lookup_elem(&cgroup_scratches, &slot);
    if (!s)
        return 0;
    s->at = cgroup;
    s->leaf = ~0ULL;
    for (int i = 0; i < CGROUP_DEPTH; i++)
        if (judge_component(slot))
            break;
    /* A component with ".scope" decides alone; the walk has ended there. */
    return s->scope != NO_SCOPE ? s->digits : s->leaf;
}

/* kernfs numbers its nodes anew in each hierarchy, so that the number alone would not do with cgroup v1. */
static __always_inline __u64 cgroup_key(__u64 id, int hierarchy)
{
    return id ^ (__u64)hierarchy << 56;
}

/* Takes one of the rows to lend, SLOT_TO_BORROW if all are taken. */
__noinline __u32 borrow_slot(void)
{
    for (__u32 i = 0; i < SLOTS_TO_LEND; i++) {
        __u32 slot = 2 * knobs.cpus + 1 + i;
        struct cgroup_scratch *s = bpf_map_lookup_elem(&cgroup_scratches, &slot);
        if (s && __sync_val_compare_and_swap(&s->is_lent, 0, 1) == 0)
            return slot;
    }
    return SLOT_TO_BORROW;
}

__noinline int give_back(__u32 slot)
{
    struct cgroup_scratch *s = bpf_map_lookup_elem(&cgroup_scratches, &slot);
    if (s)
        __sync_val_compare_and_swap(&s->is_lent, 1, 0);
    return 0;
}

static __always_inline __u64 judge_once(__u64 cgroup, __u64 key, __u32 slot)
{
    bool is_borrowed = slot == SLOT_TO_BORROW;
    if (is_borrowed)
        slot = borrow_slot();
    if (slot == SLOT_TO_BORROW)
        return CONTAINER_UNJUDGED;
    __u64 container = judge_cgroup(cgroup, slot);
    if (is_borrowed)
        give_back(slot);
    bpf_map_update_elem(&containers, &key, &container, BPF_ANY);
    return container;
}

/* The container of a cgroup that is only an address. */
static __always_inline __u64 container_of_cgroup(struct cgroup *cgroup, __u32 slot)
{
    if (!cgroup || BPF_CORE_READ(cgroup, level) == 0)
        return 0;
    __u64 key = cgroup_key(BPF_CORE_READ(cgroup, kn, id), BPF_CORE_READ(cgroup, root, hierarchy_id));
    __u64 *known = bpf_map_lookup_elem(&containers, &key);
    return known ? *known : judge_once((__u64)cgroup, key, slot);
}

/* The cgroup that names a task's container, and where it was found. */
struct naming {
    struct cgroup *cgroup;
    __u32 controller; /* place of a cgroup v1 controller's state in the task's set, or UNIFIED */
};

enum { UNIFIED = 0xffffffff }; /* the hierarchy of cgroup v2 */

/* A task's cgroup in the hierarchy of a cgroup v1 controller. */
static __always_inline struct cgroup *cgroup_of_controller(struct css_set *set, __u32 controller)
{
    struct cgroup_subsys_state **states = (void *)set + bpf_core_field_offset(struct css_set, subsys);
    struct cgroup_subsys_state *css = NULL;
    bpf_probe_read_kernel(&css, sizeof(css), &states[controller]);
    return BPF_CORE_READ(css, cgroup);
}

/* The container that the hierarchies of cgroup v1 controllers name, and the cgroup that does; 0 if none does. */
static __always_inline __u64 container_by_v1(struct css_set *set, struct cgroup *unified, __u32 slot,
                                             struct naming *named)
{
    __u32 count = bpf_core_field_size(set->subsys) / sizeof(void *);
    for (__u32 i = 0; i < SUBSYSTEMS; i++) {
        if (i >= count)
            break;
        struct cgroup *cgroup = cgroup_of_controller(set, i);
        if (cgroup == unified)
            continue;
        __u64 container = container_of_cgroup(cgroup, slot);
        if (container) {
            named->cgroup = cgroup;
            named->controller = i;
            return container;
        }
    }
    return 0;
}

/*
 * The container that a task is in, 0 for the host. *named is the cgroup that says so: the one of cgroup v2 if it does,
 * else the first of the v1 controllers' that does, else the one of v2.
 *
 * The task is one that the verifier trusts, so that its fields are read directly: ten times cheaper than by a helper,
 * and this runs for every event of the host too.
 */
static __always_inline __u64 container_of_task(struct task_struct *task, __u32 slot, struct naming *named)
{
    struct cgroup *unified = task->cgroups->dfl_cgrp;
    named->cgroup = unified;
    named->controller = UNIFIED;
    __u64 container = 0;
    if (unified->level > 0) {
        __u64 key = cgroup_key(unified->kn->id, 0);
        __u64 *known = bpf_map_lookup_elem(&containers, &key);
        /* Read anew, with its key: the task may just be moved, and no verdict must stand under another cgroup's key. */
        container = known ? *known : container_of_cgroup(BPF_CORE_READ(task, cgroups, dfl_cgrp), slot);
    }
    if (container || !knobs.cgroup_v1)
        return container;
    return container_by_v1(task->cgroups, unified, slot, named);
}

/* The same for a task that is only an address. */
static __always_inline __u64 container_at(struct task_struct *task, __u32 slot)
{
    struct css_set *set = BPF_CORE_READ(task, cgroups);
    struct cgroup *unified = BPF_CORE_READ(set, dfl_cgrp);
    struct naming named;
    __u64 container = container_of_cgroup(unified, slot);
    if (container || !knobs.cgroup_v1)
        return container;
    return container_by_v1(set, unified, slot, &named);
}

#endif
