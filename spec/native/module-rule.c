// SPDX-License-Identifier: Apache-2.0
/*
 * The kernel module's own container.c and table.c in a program, with cgroups made of names: the spec compiles it with
 * the kernel's headers left empty. Reads a line each: `+PATH` judges the cgroup of cgroup v2 at a path, made with those
 * above it, and answers with its container, its outermost container and the charged one; `-PATH` removes it; `.`
 * begins anew.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLLECTOR_INTERNAL_H      /* instead of collector.h */
#define COLLECTOR_MODULE_KERNEL_H /* and of kernel.h */
#include "../../native/module/interface.h"

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef _Bool bool;
enum { false, true };
#include "../../native/module/table.h"

#define noinline __attribute__((noinline))
#define ____cacheline_aligned
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
typedef struct {
    int value;
} atomic_t;
#define atomic_read(a) ((a)->value)
#define atomic_set(a, to) ((a)->value = (to))
#define atomic_inc(a) (++(a)->value)
#define atomic_dec(a) (--(a)->value)
#define atomic_inc_return(a) (++(a)->value)
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, member) ((type *)((const char *)(p)-offsetof(type, member)))
#define ALIGN(x, to) (((x) + (to)-1) & ~((__typeof__(x))(to)-1))
#define DIV_ROUND_UP(x, by) (((x) + (by)-1) / (by))
#define ENOMEM 12
#define GFP_KERNEL_ACCOUNT 0
#define __GFP_ZERO 1
#define __GFP_RETRY_MAYFAIL 0
#define __GFP_NOWARN 0
#define array3_size(a, b, c) ((size_t)(a) * (b) * (c))
#define kvzalloc(bytes, flags) calloc(1, bytes)
#define kvfree free
#define allocate_pages_for(bytes, flags) ((flags) ? calloc(1, bytes) : malloc(bytes))
#define vfree free
#define get_random_u32() 0x9e3779b9u
#define get_random_u64() 0x9e3779b97f4a7c15u
#define hash_64(x, bits) ((u32)(((x)*0x61c8864680b583ebull) >> (64 - (bits))))
#define rcu_read_lock()
#define rcu_read_unlock()
#define rcu_dereference(p) (p)
typedef int raw_spinlock_t;
#define DEFINE_RAW_SPINLOCK(name) raw_spinlock_t name
#define raw_spin_lock_init(lock) (*(lock) = 0)
/* Fails a lock taken twice. */
#define raw_spin_lock_irqsave(lock, flags)                                                                   \
    do {                                                                                                     \
        (flags) = 0;                                                                                         \
        if ((*(lock))++)                                                                                     \
            abort();                                                                                         \
    } while (0)
#define raw_spin_unlock_irqrestore(lock, flags) ((void)(flags), (*(lock))--)

static u32 roundup_pow_of_two(u32 x)
{
    u32 power = 1;
    while (power < x)
        power *= 2;
    return power;
}

/* Any good hash. */
static u32 jhash(const void *key, u32 length, u32 seed)
{
    const u8 *bytes = key;
    for (u32 i = 0; i < length; i++)
        seed = (seed ^ bytes[i]) * 0x01000193u;
    return seed ^ seed >> 15;
}

enum { CSS_ONLINE = 2, CGROUP_SUBSYS_COUNT = 2, UNIFIED = -1 };
struct kernfs_node {
    u64 id;
    char name[300];
};
struct cgroup;
struct cgroup_subsys_state {
    struct cgroup *cgroup;
    struct cgroup_subsys_state *parent;
    unsigned int flags;
};
struct cgroup_root {
    int hierarchy_id;
};
struct cgroup {
    struct cgroup_subsys_state self;
    int level;
    struct kernfs_node *kn;
    struct cgroup_root *root;
    struct cgroup *parent;
    struct cgroup *next;
};
struct css_set {
    struct cgroup_subsys_state *subsys[CGROUP_SUBSYS_COUNT];
    struct cgroup *dfl_cgrp;
};
struct task_struct {
    struct css_set *cgroups;
};
struct naming {
    struct cgroup *cgroup;
    u32 controller;
    bool is_nested;
};
static struct knobs knobs;

static u64 number_of(const struct cgroup *cgroup)
{
    return cgroup->kn->id;
}

static struct cgroup *cgroup_parent(const struct cgroup *cgroup)
{
    return cgroup->parent;
}

static struct cgroup *cgroup_ancestor(struct cgroup *cgroup, int level)
{
    while (cgroup->level > level)
        cgroup = cgroup->parent;
    return cgroup;
}

static struct cgroup_root cgrp_dfl_root;

static int kernfs_path_from_node(struct kernfs_node *to, struct kernfs_node *from, char *text, size_t capacity)
{
    (void)from;
    return snprintf(text, capacity, "/%s", to->name);
}

struct cgroup *cgroup_of_controller(struct css_set *set, u32 controller);
struct cgroup *ancestor_to_judge(struct cgroup *cgroup);
int read_component_name(struct cgroup *cgroup, const struct cgroup *parent, char *to, size_t capacity);

#include "../../native/module/container.c"
#include "../../native/module/table.c"

static struct kernfs_node root_node = {.id = 1};
static struct cgroup top = {.self = {.flags = CSS_ONLINE}, .kn = &root_node, .root = &cgrp_dfl_root};
static struct cgroup *cgroups; /* all others, newest first */
static u64 latest_id = 1;

static struct cgroup *child_of(struct cgroup *parent, const char *name, size_t length)
{
    for (struct cgroup *c = cgroups; c; c = c->next)
        if (c->parent == parent && !memcmp(c->kn->name, name, length) && !c->kn->name[length])
            return c;
    struct cgroup *made = calloc(1, sizeof(*made));
    made->self.flags = CSS_ONLINE;
    made->level = parent->level + 1;
    made->kn = calloc(1, sizeof(*made->kn));
    made->kn->id = ++latest_id;
    memcpy(made->kn->name, name, length);
    made->root = &cgrp_dfl_root;
    made->parent = parent;
    made->next = cgroups;
    return cgroups = made;
}

static struct cgroup *at(char *path)
{
    struct cgroup *cgroup = &top;
    for (char *name = strtok(path, "/"); name; name = strtok(NULL, "/"))
        cgroup = child_of(cgroup, name, strlen(name));
    return cgroup;
}

static void end(struct cgroup *cgroup)
{
    struct cgroup **link = &cgroups;
    cgroup->self.flags = 0;
    on_cgroup_rmdir(NULL, cgroup, "");
    while (*link != cgroup)
        link = &(*link)->next;
    *link = cgroup->next;
    free(cgroup->kn);
    free(cgroup);
}

int main(void)
{
    static char line[65536];
    if (make_containers())
        return 1;
    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = 0;
        if (line[0] == '.') {
            while (cgroups)
                end(cgroups);
            clear_containers();
        } else if (line[0] == '-') {
            end(at(line + 1));
        } else {
            struct css_set set = {.dfl_cgrp = at(line + 1)};
            struct task_struct task = {.cgroups = &set};
            struct naming named;
            u64 container = container_of_task(&task, &named), outermost = outermost_of(container, &named);
            printf("%012llx %012llx %012llx\n", container & ~CONTAINER_PRESENT,
                   outermost & ~CONTAINER_PRESENT, sharer_of(container) & ~CONTAINER_PRESENT);
        }
    }
    while (cgroups)
        end(cgroups);
    free_containers();
    return 0;
}
