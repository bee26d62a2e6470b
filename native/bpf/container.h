/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Which container a task is in, by the names of its cgroups.
 *
 * The rule, on the cgroup's path: cut it at its last ".scope"; it then has to end in '/', '-' or ':' and 64 hexadecimal
 * digits, and what stands before those must not end in "-conmon". If it does not, the same is asked of the path of the
 * cgroup above, and so on: whoever makes a cgroup below that of a container stays in the container. The path is never
 * put together.
 *
 * Whoever may make cgroups may choose their names. A name below a container that another cgroup on the node bears is
 * forged, and counts for nothing; the first one to bear it is right, and one that is below no container always is.
 *
 * The verdict is kept for every cgroup, so the names are read once in a cgroup's life, and not at all for the root.
 */
#ifndef COLLECTOR_CONTAINER_H
#define COLLECTOR_CONTAINER_H

enum {
    NAME_CAPACITY = 256, /* NAME_MAX and the terminating NUL */
    CGROUP_STRIDE =
        256, /* its square is how deep a cgroup may be: beyond, the kernel's own tables take 16 GiB */
    ID_DIGITS = 64,
    SHORT_ID_DIGITS = 12,
    SUBSYSTEMS = 16,      /* more than any kernel has */
    ANY_HIERARCHY = 0x7f, /* no hierarchy has this number: of the latest bearer that is below no container */
    MOST_BEARERS = 16384,
};

struct cgroup_scratch {
    __u64 read[2];    /* what was read last: on the scarce stack each reading would have a place of its own */
    __u64 key;        /* of what is looked up, for the same reason */
    __u64 at;         /* the cgroup looked at */
    __u64 digits;     /* container by the component just read */
    __u64 container;  /* the answer so far, 0 for none */
    __u64 bearer;     /* the cgroup that gives it */
    __u64 outermost;  /* the last container met on the way up */
    __u64 hierarchy;  /* of all these */
    __u32 is_scope;   /* 1: that one is a scope, so that none above it matters */
    __u32 is_claimed; /* 1: another cgroup bears its name */
    __u32 is_nested;  /* 1: there is a container above it */
    __u32 length;     /* of name */
    __u32 scope;      /* where the last ".scope" of name starts, or NO_SCOPE */
    __u32 is_lent;    /* 1: somebody has borrowed this row */
    char name[NAME_CAPACITY + sizeof(__u64)]; /* words of it may be read from any place */
};

enum { NO_SCOPE = 0xffffffff };

/*
 * Rows: one a CPU for exec and exit, one a CPU for sockets, which may run on top of them; one for scans; last, those
 * that are lent to programs which can be preempted, so that no row belongs to a CPU.
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

/*
 * Which container a cgroup is in, in one number, since global functions give back no more: the container, 0 for none;
 * this bit if the cgroup's own name says so, and not that of one above it; above it, by which hierarchy
 * (CONTROLLER_SHIFT).
 */
#define CONTAINER_OWN (1ULL << 49)
#define CONTAINER_NESTED (1ULL << 50)
#define CONTAINER_MASK (CONTAINER_OWN - 1)
enum { CONTROLLER_SHIFT = 56 };

/* A verdict that is kept. */
struct verdict {
    __u64 verdict;
    __u64 outermost;  /* the container that is below no other one, on the path of this one; 0 for none */
    __u32 generation; /* it holds as long as this is the current one */
    __u32 reserved;
};

/* By cgroup_key. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 16384);
    __type(key, __u64);
    __type(value, struct verdict);
} containers SEC(".maps");

/* Rises when a verdict that was given turns out to be wrong, so that all are given anew: hardly ever. */
static volatile __u32 generation;

/* A cgroup that bears a container's name. */
struct bearer {
    __u64 cgroup; /* its address */
    __u64 id;     /* of its kernfs node, never used twice */
};

/*
 * Bearers that are below no container, by container and hierarchy: only the host makes such cgroups. Each stays until
 * its cgroup ends, so that no number of later ones makes room for a forged one.
 */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MOST_BEARERS);
    __type(key, __u64);
    __type(value, struct bearer);
} bearers SEC(".maps");

/* Those that are below a container, apart, so that no container can use up the room of the others. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MOST_BEARERS);
    __type(key, __u64);
    __type(value, struct bearer);
} nested_bearers SEC(".maps");

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

/* An index that the verifier can see to be within a name. */
#define IN_NAME(i) ((i) & (NAME_CAPACITY - 1))

/* A byte in all eight of a word. */
#define EIGHTFOLD(byte) ((byte)*0x0101010101010101ULL)

/*
 * Whether all bytes of a word are hexadecimal digits. Each comparison sets the highest bit of each byte; none carries
 * into the next, since the bytes have that bit clear (H. S. Warren, "Hacker's Delight", 2012, §6-1). Without
 * branches, which the verifier would follow one by one.
 */
static __always_inline bool are_digits(__u64 word)
{
    __u64 high = EIGHTFOLD(0x80ULL), lower = word | EIGHTFOLD(0x20ULL);
    __u64 decimal = word + EIGHTFOLD(0x80ULL - '0') & ~(word + EIGHTFOLD(0x7fULL - '9'));
    __u64 letter = lower + EIGHTFOLD(0x80ULL - 'a') & ~(lower + EIGHTFOLD(0x7fULL - 'f'));
    return !(word & high) && ((decimal | letter) & high) == high;
}

/* The value of a hexadecimal digit. */
static __always_inline __u64 digit_value(__u8 digit)
{
    return (digit & 0xf) + (digit >> 6) * 9;
}

/* Eight bytes from any place, in one read: both architectures can, while memcpy() would become eight reads. */
static __always_inline __u64 word_at(const char *bytes)
{
    return *(const __u64 *)bytes;
}

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

/* ".scope" in a word, whose bytes are little-endian on all machines that Collector runs on. */
#define SCOPE 0x65706f63732eULL
#define SCOPE_MASK 0xffffffffffffULL

/* Where the last ".scope" of the name starts, into s->scope. */
__noinline int find_scope(__u32 slot)
{
    struct cgroup_scratch *s = bpf_map_lookup_elem(&cgroup_scratches, &slot);
    if (!s)
        return 1;
    s->scope = NO_SCOPE;
    for (__u32 i = 0; i < NAME_CAPACITY - 6; i++) {
        __u64 word = word_at(&s->name[i]);
        if (!(word & 0xff))
            break;
        if ((word & SCOPE_MASK) == SCOPE)
            s->scope = i;
    }
    return 0;
}

/* Cuts the name at its scope. Its last 64 digits are a container then, into s->digits, 0 if there are none. */
__noinline int read_digits(__u32 slot)
{
    struct cgroup_scratch *s = bpf_map_lookup_elem(&cgroup_scratches, &slot);
    if (!s)
        return 1;
    s->digits = 0;
    if (s->scope != NO_SCOPE)
        s->length = s->scope;
    __u32 length = s->length;
    if (length < ID_DIGITS || length >= NAME_CAPACITY)
        return 0;
    __u32 start = length - ID_DIGITS;
#pragma clang loop unroll(disable) /* it would spill most of a hundred bytes onto the stack */
    for (__u32 i = 0; i < ID_DIGITS; i += sizeof(__u64))
        if (!are_digits(word_at(&s->name[IN_NAME(start + i)])))
            return 0;
    __u64 id = 0;
#pragma clang loop unroll(disable)
    for (__u32 i = 0; i < SHORT_ID_DIGITS; i++)
        id = id << 4 | digit_value(s->name[IN_NAME(start + i)]);
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

/* The cgroup whose own state that is, NULL for NULL. */
static __always_inline struct cgroup *cgroup_of_self(struct cgroup_subsys_state *css)
{
    return css ? (void *)css - bpf_core_field_offset(struct cgroup, self) : NULL;
}

static __always_inline struct cgroup *cgroup_parent(struct cgroup *cgroup)
{
    return cgroup_of_self(BPF_CORE_READ(cgroup, self.parent));
}

/* The same through the row. */
static __always_inline struct cgroup *parent_of(struct cgroup_scratch *s, struct cgroup *cgroup)
{
    bpf_core_read(&s->read[0], sizeof(s->read[0]), &cgroup->self.parent);
    return cgroup_of_self((void *)s->read[0]);
}

/* The kernfs node of a cgroup, an address. */
static __always_inline struct kernfs_node *node_of(struct cgroup_scratch *s, struct cgroup *cgroup)
{
    bpf_core_read(&s->read[0], sizeof(s->read[0]), &cgroup->kn);
    return (void *)s->read[0];
}

/* The number of that node. */
static __always_inline __u64 id_of(struct cgroup_scratch *s, struct cgroup *cgroup)
{
    bpf_core_read(&s->read[1], sizeof(s->read[1]), &node_of(s, cgroup)->id);
    return s->read[1];
}

/* Reads the name of a cgroup: its length, 0 if it can't be read. */
static __always_inline __u32 read_name(struct cgroup_scratch *s, struct cgroup *cgroup)
{
    bpf_core_read(&s->read[1], sizeof(s->read[1]), &node_of(s, cgroup)->name);
    long length = bpf_probe_read_kernel_str(s->name, NAME_CAPACITY, (const void *)s->read[1]);
    return length > 0 ? length - 1 : 0;
}

/* A component of 64 digits alone has its '/' before it; what stands before that is the parent's name. */
static __always_inline bool below_conmon(struct cgroup_scratch *s)
{
    struct cgroup *parent = parent_of(s, (struct cgroup *)s->at);
    return parent && ends_in_conmon(s->name, read_name(s, parent));
}

/* Whether a bearer is a cgroup that is still there, and another one than the node at `id`. */
static __always_inline bool is_another(struct cgroup_scratch *s, const struct bearer *known, __u64 id)
{
    if (!known || known->id == id)
        return false;
    struct cgroup *cgroup = (void *)known->cgroup;
    /* It may have been freed long ago; then what is read here is anything, but not its number. */
    if (id_of(s, cgroup) != known->id)
        return false;
    bpf_core_read(&s->read[0], sizeof(cgroup->self.flags), &cgroup->self.flags);
    return s->read[0] & CSS_ONLINE;
}

/* Makes the component just read, s->at, the answer. */
static __always_inline void take_answer(struct cgroup_scratch *s)
{
    __u64 id = id_of(s, (struct cgroup *)s->at);
    s->key = s->digits ^ s->hierarchy << 56;
    s->container = s->digits;
    s->bearer = s->at;
    s->is_scope = s->scope != NO_SCOPE;
    s->is_nested = 0;
    s->is_claimed = is_another(s, bpf_map_lookup_elem(&bearers, &s->key), id) ||
                    is_another(s, bpf_map_lookup_elem(&nested_bearers, &s->key), id);
    if (s->is_claimed || !knobs.cgroup_v1)
        return;
    s->key = s->digits ^ (__u64)ANY_HIERARCHY << 56;
    s->is_claimed = is_another(s, bpf_map_lookup_elem(&bearers, &s->key), id);
}

/* Reads the name of s->at: 1 above the root. */
__noinline int read_component(__u32 slot)
{
    struct cgroup_scratch *s = bpf_map_lookup_elem(&cgroup_scratches, &slot);
    if (!s || !s->at)
        return 1;
    s->length = read_name(s, (struct cgroup *)s->at);
    return 0;
}

/* Judges the component whose name was read, and goes up. */
__noinline int judge_component(__u32 slot)
{
    struct cgroup_scratch *s = bpf_map_lookup_elem(&cgroup_scratches, &slot);
    if (!s)
        return 1;
    if (s->digits && s->length == ID_DIGITS && below_conmon(s))
        s->digits = 0;
    /* What is below the last scope is cut off. */
    if (s->scope != NO_SCOPE && !s->is_scope)
        s->container = 0;
    if (s->digits) {
        s->outermost = s->digits;
        /* With a container above it, a name that another one bears is forged: the answer is that container. */
        if (!s->container || s->is_claimed)
            take_answer(s);
        else
            s->is_nested = 1;
    }
    s->at = (__u64)parent_of(s, (struct cgroup *)s->at);
    return 0;
}

/*
 * Goes some levels up: 1 above the root. Global functions are verified once and by themselves, which keeps loops that
 * call them cheap on every kernel, two of them as well as one; but no more than eight calls may be nested.
 */
__noinline int judge_stride(__u32 slot)
{
    for (int i = 0; i < CGROUP_STRIDE; i++) {
        if (read_component(slot))
            return 1;
        find_scope(slot);
        read_digits(slot);
        judge_component(slot);
    }
    return 0;
}

/* Notes who bears the name of the answer, for those who come later. */
static __always_inline void note_bearer(struct cgroup_scratch *s)
{
    s->key = s->container ^ s->hierarchy << 56;
    struct bearer bearer = {.cgroup = s->bearer, .id = id_of(s, (struct cgroup *)s->bearer)};
    if (s->is_nested) {
        bpf_map_update_elem(&nested_bearers, &s->key, &bearer, BPF_ANY);
        return;
    }
    bpf_map_update_elem(&bearers, &s->key, &bearer, BPF_ANY);
    /* Somebody below a container was taken for this one: all verdicts are given anew. */
    if (s->is_claimed && !bpf_map_delete_elem(&nested_bearers, &s->key)) {
        bpf_map_delete_elem(&outermost_containers, &s->container);
        generation++;
    }
    if (!knobs.cgroup_v1)
        return;
    s->key = s->container ^ (__u64)ANY_HIERARCHY << 56;
    bpf_map_update_elem(&bearers, &s->key, &bearer, BPF_ANY);
}

/* Judges a cgroup, given by its address, in a hierarchy: the container that its path names is in the row then. */
__noinline int judge_cgroup(__u64 cgroup, __u32 hierarchy, __u32 slot)
{
    struct cgroup_scratch *s = bpf_map_lookup_elem(&cgroup_scratches, &slot);
    if (!s)
        return 1;
    s->at = cgroup;
    s->hierarchy = hierarchy;
    s->container = 0;
    s->bearer = 0;
    s->outermost = 0;
    s->is_scope = 0;
    s->is_claimed = 0;
    for (int i = 0; i < CGROUP_STRIDE; i++)
        if (judge_stride(slot))
            break;
    if (s->container)
        note_bearer(s);
    return 0;
}

/* kernfs numbers its nodes anew in each hierarchy, so that the number alone would not do with cgroup v1. */
static __always_inline __u64 cgroup_key(__u64 id, int hierarchy)
{
    return id ^ (__u64)hierarchy << 56;
}

/* Whether the row is lent from now on, and was not before. */
__noinline int lend(__u32 slot)
{
    struct cgroup_scratch *s = bpf_map_lookup_elem(&cgroup_scratches, &slot);
    return s && mark_lent(slot, &s->is_lent);
}

/* Takes one of the rows to lend, SLOT_TO_BORROW if all are taken. */
__noinline __u32 borrow_slot(void)
{
    for (__u32 i = 0; i < SLOTS_TO_LEND; i++) {
        __u32 slot = 2 * knobs.cpus + 1 + i;
        if (lend(slot))
            return slot;
    }
    return SLOT_TO_BORROW;
}

__noinline int give_back(__u32 slot)
{
    struct cgroup_scratch *s = bpf_map_lookup_elem(&cgroup_scratches, &slot);
    if (s)
        mark_returned(slot, &s->is_lent);
    return 0;
}

/* Judges a cgroup for the first time. */
static __always_inline __u64 judge_once(__u64 cgroup, int hierarchy, __u64 key, __u32 slot)
{
    struct verdict kept = {.generation = generation};
    bool is_borrowed = slot == SLOT_TO_BORROW;
    if (is_borrowed)
        slot = borrow_slot();
    if (slot == SLOT_TO_BORROW)
        return CONTAINER_UNJUDGED;
    judge_cgroup(cgroup, hierarchy, slot);
    struct cgroup_scratch *s = bpf_map_lookup_elem(&cgroup_scratches, &slot);
    if (s && s->container) {
        kept.verdict =
            s->container | (s->bearer == cgroup ? CONTAINER_OWN : 0) | (s->is_nested ? CONTAINER_NESTED : 0);
        kept.outermost = s->outermost;
    }
    if (is_borrowed)
        give_back(slot);
    bpf_map_update_elem(&containers, &key, &kept, BPF_ANY);
    return kept.verdict;
}

/* What a cgroup that is known was judged to be, NULL if it has to be judged. */
static __always_inline const __u64 *known_verdict(__u64 key)
{
    struct verdict *known = bpf_map_lookup_elem(&containers, &key);
    return known && known->generation == generation ? &known->verdict : NULL;
}

/* The verdict on a cgroup, given by its address. */
__noinline __u64 verdict_of(__u64 address, __u32 slot)
{
    struct cgroup *cgroup = (void *)address;
    if (!cgroup || BPF_CORE_READ(cgroup, level) == 0)
        return 0;
    int hierarchy = BPF_CORE_READ(cgroup, root, hierarchy_id);
    __u64 key = cgroup_key(BPF_CORE_READ(cgroup, kn, id), hierarchy);
    const __u64 *known = known_verdict(key);
    return known ? *known : judge_once(address, hierarchy, key, slot);
}

/* The container of a verdict; one that was not given is no container. */
static __always_inline __u64 container_of_verdict(__u64 verdict)
{
    return verdict == CONTAINER_UNJUDGED ? verdict : verdict & CONTAINER_MASK;
}

static __always_inline __u64 container_of_cgroup(struct cgroup *cgroup, __u32 slot)
{
    return container_of_verdict(verdict_of((__u64)cgroup, slot));
}

/* The cgroup that names a task's container, and where it was found. */
struct naming {
    struct cgroup *cgroup;
    __u32 controller; /* place of a cgroup v1 controller's state in the task's set, or UNIFIED */
    __u32 is_nested;  /* 1: the container is in another one */
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

/*
 * The verdict by the hierarchy of one v1 controller, or the one given. Takes the addresses of the task's set and of its
 * cgroup of v2. A function of its own, as the bodies of other loops are, so that the verifier sees it once and not in
 * each turn.
 */
__noinline __u64 judge_by_controller(__u64 set, __u64 unified, __u64 verdict, __u32 slot, __u32 controller)
{
    __u64 cgroup = (__u64)cgroup_of_controller((void *)set, controller);
    if (cgroup == unified)
        return verdict;
    __u64 other = verdict_of(cgroup, slot);
    if (other && other != CONTAINER_UNJUDGED)
        return other | (__u64)(controller + 1) << CONTROLLER_SHIFT;
    return verdict;
}

/*
 * The verdict by the hierarchies of v1 controllers, for whom cgroup v2 names no container: by the first that does.
 * None outweighs another one: whoever is in a container by one hierarchy may make up names in the next, where nobody
 * put it into a container. Takes the addresses of the task's set and of its cgroup of v2.
 */
__noinline __u64 judge_by_v1(__u64 set, __u64 unified, __u64 verdict, __u32 slot)
{
    __u32 count = bpf_core_field_size(((struct css_set *)0)->subsys) / sizeof(void *);
    for (__u32 i = 0; i < SUBSYSTEMS; i++) {
        if (i >= count || verdict)
            break;
        verdict = judge_by_controller(set, unified, verdict, slot, i);
    }
    return verdict;
}

/*
 * The container that a task is in, 0 for the host. *named is the cgroup that says so: the one of cgroup v2 if it does,
 * else the first of the v1 controllers' that does, else the one of v2.
 *
 * This runs for every event of the host too: since Linux 5.12 the verifier trusts the task, so that its fields are read
 * directly.
 */
static __always_inline __u64 container_of_task(struct task_struct *task, __u32 slot, struct naming *named)
{
    struct cgroup *unified = field(task, cgroups, dfl_cgrp);
    named->cgroup = unified;
    named->controller = UNIFIED;
    __u64 verdict = 0;
    if (field(unified, level) > 0) {
        __u64 key = cgroup_key(field(unified, kn, id), 0);
        const __u64 *known = known_verdict(key);
        /* Read anew, with its key: the task may just be moved, and no verdict must stand under another cgroup's key. */
        verdict = known ? *known : verdict_of((__u64)BPF_CORE_READ(task, cgroups, dfl_cgrp), slot);
    }
    named->is_nested = !!(verdict & CONTAINER_NESTED);
    if (verdict || !knobs.cgroup_v1)
        return container_of_verdict(verdict);
    struct css_set *set = BPF_CORE_READ(task, cgroups);
    verdict = judge_by_v1((__u64)set, (__u64)BPF_CORE_READ(set, dfl_cgrp), verdict, slot);
    named->is_nested = !!(verdict & CONTAINER_NESTED);
    __u32 controller = verdict >> CONTROLLER_SHIFT;
    if (controller && verdict != CONTAINER_UNJUDGED) {
        named->controller = controller - 1;
        named->cgroup = cgroup_of_controller(set, controller - 1);
    }
    return container_of_verdict(verdict);
}

/* The same for a task that is only an address. */
static __always_inline __u64 container_at(struct task_struct *task, __u32 slot)
{
    struct css_set *set = BPF_CORE_READ(task, cgroups);
    __u64 unified = (__u64)BPF_CORE_READ(set, dfl_cgrp);
    __u64 verdict = verdict_of(unified, slot);
    if (!verdict && knobs.cgroup_v1)
        verdict = judge_by_v1((__u64)set, unified, verdict, slot);
    return container_of_verdict(verdict);
}

/*
 * The outermost container around one, as its cgroup was judged, itself if there is none around it. Kept for the shares
 * of rings.
 */
static __always_inline __u64 outermost_of(__u64 container, const struct naming *named)
{
    if (!named->is_nested)
        return container;
    struct cgroup *cgroup = named->cgroup;
    __u64 key = cgroup_key(BPF_CORE_READ(cgroup, kn, id), BPF_CORE_READ(cgroup, root, hierarchy_id));
    struct verdict *known = bpf_map_lookup_elem(&containers, &key);
    if (!known || !known->outermost)
        return container;
    bpf_map_update_elem(&outermost_containers, &container, &known->outermost, BPF_ANY);
    return known->outermost;
}

/* A pointer as a number, which the verifier lets anything be done with. */
static __always_inline __u64 number_of(const void *pointer)
{
    __u64 number = 0;
    bpf_probe_read_kernel(&number, sizeof(number), &pointer);
    return number;
}

/* Forgets that a cgroup which ends bears a container's name. */
static __always_inline void forget_bearer(void *map, __u64 key, __u64 id)
{
    struct bearer *known = bpf_map_lookup_elem(map, &key);
    if (known && known->id == id)
        bpf_map_delete_elem(map, &key);
}

TRACEPOINT("cgroup_rmdir")
int BPF_PROG(cgroup_end, struct cgroup *cgroup, const char *path)
{
    __u64 id = field(cgroup, kn, id);
    int hierarchy = field(cgroup, root, hierarchy_id);
    __u64 verdict = verdict_of(number_of(cgroup), SLOT_TO_BORROW), key = cgroup_key(id, hierarchy);
    bpf_map_delete_elem(&containers, &key);
    if (verdict == CONTAINER_UNJUDGED || !(verdict & CONTAINER_OWN))
        return 0;
    key = cgroup_key(verdict & CONTAINER_MASK, hierarchy);
    forget_bearer(&bearers, key, id);
    forget_bearer(&nested_bearers, key, id);
    forget_bearer(&bearers, cgroup_key(verdict & CONTAINER_MASK, ANY_HIERARCHY), id);
    return 0;
}

/* Container of a network namespace, by the last of its processes that a scan has met. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 16384);
    __type(key, __u64);
    __type(value, __u64);
} containers_of_nets SEC(".maps");

static __always_inline void note_net(__u64 net, __u64 container)
{
    bpf_map_update_elem(&containers_of_nets, &net, &container, BPF_ANY);
}

#endif
