/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Judges cgroups, and keeps the verdicts and the bearers of names. */
#ifndef COLLECTOR_CGROUP_VERDICT_H
#define COLLECTOR_CGROUP_VERDICT_H

enum { MOST_BEARERS = 16384 };

/* Instead of a container: there was no slot to borrow, so it is not known, and not kept. */
#define CONTAINER_UNJUDGED (~0ULL)

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

/* Whether the name at s->key is borne by another cgroup than the one of this number: one below no container. */
static __always_inline bool has_other_bearer(struct cgroup_scratch *s, __u64 id)
{
    return is_another(s, bpf_map_lookup_elem(&bearers, &s->key), id);
}

/* The same of those below a container. */
static __always_inline bool has_other_nested_bearer(struct cgroup_scratch *s, __u64 id)
{
    return is_another(s, bpf_map_lookup_elem(&nested_bearers, &s->key), id);
}

static __always_inline void keep_bearer(const __u64 *key, const struct bearer *bearer)
{
    bpf_map_update_elem(&bearers, key, bearer, BPF_ANY);
}

static __always_inline void keep_nested_bearer(const __u64 *key, const struct bearer *bearer)
{
    bpf_map_update_elem(&nested_bearers, key, bearer, BPF_ANY);
}

/* Returns whether there was one. */
static __always_inline bool drop_nested_bearer(const __u64 *key)
{
    return !bpf_map_delete_elem(&nested_bearers, key);
}

/* Has all verdicts given anew, and the share of a container found out anew. */
static __always_inline void begin_generation(const __u64 *container)
{
    bpf_map_delete_elem(&outermost_containers, container);
    generation++;
}

#include "cgroup-rule.h"

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
        kept.verdict = verdict_in(s, cgroup);
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
