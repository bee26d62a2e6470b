/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Judges cgroups, and keeps the verdicts and the bearers of names. */
#ifndef COLLECTOR_CGROUP_VERDICT_H
#define COLLECTOR_CGROUP_VERDICT_H

enum {
    CGROUP_STRIDE =
        256, /* its square is how deep a cgroup may be: beyond, the kernel's own tables take 16 GiB */
    ANY_HIERARCHY = 0x7f, /* no hierarchy has this number: of the latest bearer below no container */
    MOST_BEARERS = 16384,
};

/* Instead of a container: there was no slot to borrow, so it is not known, and not kept. */
#define CONTAINER_UNJUDGED (~0ULL)

/*
 * The container of a cgroup in one number, since global functions return no more: the container, 0 for none; this bit
 * if the cgroup's own name says so, and not the name of one above it; above it, the hierarchy it was found by
 * (CONTROLLER_SHIFT).
 */
#define CONTAINER_OWN (1ULL << 49)
#define CONTAINER_NESTED (1ULL << 50)
#define CONTAINER_MASK (CONTAINER_OWN - 1)
enum { CONTROLLER_SHIFT = 56 };

/* A verdict, as it is kept. */
struct verdict {
    __u64 verdict;
    __u64 outermost;  /* the container below no other one, on the path of this one; 0 for none */
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

/* Rises when an earlier verdict turns out to be wrong, and all are given anew: hardly ever. */
static volatile __u32 generation;

/* A cgroup with a container's name. */
struct bearer {
    __u64 cgroup; /* its address */
    __u64 id;     /* of its kernfs node, never used twice */
};

/*
 * Bearers below no container, by container and hierarchy: only the host makes them. Each stays until its cgroup ends,
 * so no number of later ones makes room for a forged one.
 */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MOST_BEARERS);
    __type(key, __u64);
    __type(value, struct bearer);
} bearers SEC(".maps");

/* Bearers below a container, apart: no container can use up the room of the others. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MOST_BEARERS);
    __type(key, __u64);
    __type(value, struct bearer);
} nested_bearers SEC(".maps");

/* Whether a bearer is a living cgroup, and another one than the node at `id`. */
static __always_inline bool is_another(struct cgroup_scratch *s, const struct bearer *known, __u64 id)
{
    if (!known || known->id == id)
        return false;
    struct cgroup *cgroup = (void *)known->cgroup;
    /* It may have been freed long ago: then this reads anything but its number. */
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

/* Judges the component just read, and goes up. */
__noinline int judge_component(__u32 slot)
{
    struct cgroup_scratch *s = bpf_map_lookup_elem(&cgroup_scratches, &slot);
    if (!s)
        return 1;
    if (s->digits && s->length == ID_DIGITS && is_below_conmon(s))
        s->digits = 0;
    /* The last scope cuts off all below it. */
    if (s->scope != NO_SCOPE && !s->is_scope)
        s->container = 0;
    if (s->digits) {
        s->outermost = s->digits;
        /* With a container above it, a name that another cgroup bears is forged: the answer is the container above. */
        if (!s->container || s->is_claimed)
            take_answer(s);
        else
            s->is_nested = 1;
    }
    s->at = (__u64)parent_of(s, (struct cgroup *)s->at);
    return 0;
}

/*
 * Goes some levels up: 1 above the root. Global functions are verified once and by themselves, so loops with calls of
 * them are cheap on every kernel, two nested as well as one. No more than eight calls may be nested.
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

/* Notes the bearer of the answer's name, for later cgroups. */
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

/* Judges a cgroup, given by its address, in a hierarchy: puts the container of its path into the row. */
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

/* kernfs numbers its nodes anew in each hierarchy, so the number alone would not do with cgroup v1. */
static __always_inline __u64 cgroup_key(__u64 id, int hierarchy)
{
    return id ^ (__u64)hierarchy << 56;
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

/* The verdict on a known cgroup, NULL if it has to be judged. */
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

/* The container of a verdict, or CONTAINER_UNJUDGED. */
static __always_inline __u64 container_of_verdict(__u64 verdict)
{
    return verdict == CONTAINER_UNJUDGED ? verdict : verdict & CONTAINER_MASK;
}

static __always_inline __u64 container_of_cgroup(struct cgroup *cgroup, __u32 slot)
{
    return container_of_verdict(verdict_of((__u64)cgroup, slot));
}

#endif
