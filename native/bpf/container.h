/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * The container of a task, by the names of its cgroups.
 *
 * The rule, on the cgroup's path: cut it at its last ".scope"; it then has to end in '/', '-' or ':' and 64
 * hexadecimal digits, without "-conmon" before them. If it does not, the path of the cgroup above is asked, and so
 * on: a cgroup made below a container's own stays in the container. The path is never put together.
 *
 * The right to make cgroups includes the choice of their names. A name below a container is forged, and counts for
 * nothing, if another cgroup on the node bears it. The first bearer is right, and one below no container always is.
 *
 * cgroup-name.h reads the names, and cgroup-verdict.h judges. The verdict is kept for every cgroup, so the names are
 * read once in a cgroup's life, and not at all for the root.
 */
#ifndef COLLECTOR_CONTAINER_H
#define COLLECTOR_CONTAINER_H

enum { SUBSYSTEMS = 16 }; /* more than any kernel has */

/* The cgroup with the name of a task's container, and its place. */
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
 * The verdict by the hierarchy of one v1 controller, or the one given. Takes the addresses of the task's set and of
 * its cgroup of v2. A function of its own, like the bodies of other loops: the verifier sees it once and not in each
 * turn.
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
 * The verdict by the hierarchies of v1 controllers, where cgroup v2 names no container: by the first with one. None
 * outweighs another: a process in a container by one hierarchy may make up names in the next, where nobody put it
 * into a container. Takes the addresses of the task's set and of its cgroup of v2.
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
 * The container of a task, 0 for the host. *named is the cgroup with its name: of cgroup v2 if it has one, else of
 * the first v1 controller with one, else of v2.
 *
 * This runs for every event of the host too: since Linux 5.12 the verifier trusts the task, and its fields are read
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

/* The same for a task known by its address alone. */
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

/* A pointer as a number: the verifier allows anything with numbers. */
static __always_inline __u64 number_of(const void *pointer)
{
    __u64 number = 0;
    bpf_probe_read_kernel(&number, sizeof(number), &pointer);
    return number;
}

/* Forgets an ending cgroup as the bearer of a container's name. */
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

/* Whether the settings include a task in `container`, or on the host for 0. */
static __always_inline bool in_scope(__u64 container)
{
    return container || knobs.all_scopes;
}

/* Container of a network namespace, by the last of its processes in a scan. */
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
