// SPDX-License-Identifier: GPL-2.0-only
// The container of a task, by the rule of native/bpf/cgroup-rule.h. The verdict on each cgroup is kept, so names are
// read once in a cgroup's life.
#include <linux/cgroup.h>
#include <linux/kernfs.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>

#include "collector.h"
#include "../bpf/cgroup-row.h"

enum {
    VERDICTS = 16384,
    BEARERS = 16384,
    OUTERMOST = 16384,
    // Nobody makes cgroups as deep but to have walks take long: a deeper one is judged as its ancestor here.
    DEEPEST = 512,
};

struct verdict {
    u64 verdict;
    u64 outermost;  // the container below no other one, on the path of this one; 0 for none
    int generation; // it holds as long as this is the current one
};

static struct table *verdicts; // by cgroup_key
static struct table *bearers; // of names below no container, by container and hierarchy: only the host makes them
static struct table *nested_bearers;       // apart: no container can use up the room of the others
static struct table *outermost_containers; // around each nested one

static atomic_t generation; // rises when an earlier verdict turns out to be wrong: hardly ever

// Of both tables of bearers. Each of them is a living cgroup: its end takes it out (on_cgroup_rmdir), and later nobody
// puts it in again, since it is marked as ended before.
static DEFINE_RAW_SPINLOCK(bearers_lock);

void free_containers(void)
{
    free_table(verdicts);
    free_table(bearers);
    free_table(nested_bearers);
    free_table(outermost_containers);
    verdicts = bearers = nested_bearers = outermost_containers = NULL;
}

int make_containers(void)
{
    verdicts = make_table(VERDICTS, sizeof(u64), sizeof(struct verdict), EVICTING);
    bearers = make_table(BEARERS, sizeof(u64), sizeof(struct bearer), BOUNDED);
    nested_bearers = make_table(BEARERS, sizeof(u64), sizeof(struct bearer), SHARED);
    outermost_containers = make_table(OUTERMOST, sizeof(u64), sizeof(u64), EVICTING);
    return verdicts && bearers && nested_bearers && outermost_containers ? 0 : -ENOMEM;
}

void clear_containers(void)
{
    clear_table(verdicts);
    clear_table(bearers);
    clear_table(nested_bearers);
    clear_table(outermost_containers);
}

// What cgroup-rule.h needs of its includer.

#undef __noinline
#define __noinline static noinline
typedef struct cgroup_scratch *row_t;
#define row_at(row) (row)

static u64 id_of(struct cgroup_scratch *s, struct cgroup *cgroup)
{
    return number_of(cgroup);
}

static struct cgroup *parent_of(struct cgroup_scratch *s, struct cgroup *cgroup)
{
    return cgroup_parent(cgroup);
}

// The ancestor to judge a cgroup by, most often itself.
struct cgroup *ancestor_to_judge(struct cgroup *cgroup)
{
    return cgroup->level > DEEPEST ? cgroup_ancestor(cgroup, DEEPEST) : cgroup;
}

/*
 * Writes '/', a cgroup's name and NUL, as far as there is room. Returns the length without NUL, 0 or less for none; no
 * less than `capacity` if it did not fit. Names change in cgroup v1 alone; there kernfs takes a lock against it, and
 * goes all the way up to the root for one name. Of its functions for it, one is exported.
 */
int read_component_name(struct cgroup *cgroup, const struct cgroup *parent, char *to, size_t capacity)
{
    if (cgroup->root == &cgrp_dfl_root)
        return snprintf(to, capacity, "/%s", cgroup->kn->name);
    return kernfs_path_from_node(cgroup->kn, parent->kn, to, capacity);
}

static u32 read_name(struct cgroup_scratch *s, struct cgroup *cgroup)
{
    const struct cgroup *parent = cgroup_parent(cgroup);
    int length;
    s->name[0] = 0;
    if (!parent)
        return 0;
    length = read_component_name(cgroup, parent, s->name, sizeof(s->name));
    if (length < 1 || length > NAME_CAPACITY) {
        s->name[0] = 0;
        return 0;
    }
    memmove(s->name, s->name + 1, length); // without the '/', with the NUL
    return length - 1;
}

static bool has_other(struct table *table, const u64 *key, u64 id)
{
    struct bearer known;
    return table_get(table, key, &known) && known.id != id;
}

static bool has_other_bearer(struct cgroup_scratch *s, u64 id)
{
    return has_other(bearers, &s->key, id);
}

static bool has_other_nested_bearer(struct cgroup_scratch *s, u64 id)
{
    return has_other(nested_bearers, &s->key, id);
}

static bool is_online(const struct bearer *bearer)
{
    return READ_ONCE(((const struct cgroup *)bearer->cgroup)->self.flags) & CSS_ONLINE;
}

static void keep_bearer(const u64 *key, const struct bearer *bearer)
{
    unsigned long flags;
    raw_spin_lock_irqsave(&bearers_lock, flags);
    if (is_online(bearer))
        table_set(bearers, key, bearer);
    raw_spin_unlock_irqrestore(&bearers_lock, flags);
}

static void keep_nested_bearer(const u64 *key, const struct bearer *bearer)
{
    u64 sharer = container_of(key, const struct cgroup_scratch, key)->outermost;
    unsigned long flags;
    raw_spin_lock_irqsave(&bearers_lock, flags);
    if (is_online(bearer))
        table_set_share(nested_bearers, key, bearer, sharer);
    raw_spin_unlock_irqrestore(&bearers_lock, flags);
}

static bool drop_nested_bearer(const u64 *key)
{
    return table_remove(nested_bearers, key);
}

static void begin_generation(const u64 *container)
{
    table_remove(outermost_containers, container);
    atomic_inc(&generation);
}

#include "../bpf/cgroup-rule.h"

// kernfs numbers its nodes anew in each hierarchy, so the number alone would not do with cgroup v1.
static u64 cgroup_key(u64 id, int hierarchy)
{
    return id ^ (u64)hierarchy << 56;
}

static u64 key_of(const struct cgroup *cgroup)
{
    return cgroup_key(number_of(cgroup), cgroup->root->hierarchy_id);
}

// Judges a cgroup for the first time.
static noinline u64 judge_once(struct cgroup *cgroup, u64 key)
{
    struct verdict kept = {.generation = atomic_read(&generation)};
    struct cgroup_scratch s;
    judge_cgroup((unsigned long)ancestor_to_judge(cgroup), cgroup->root->hierarchy_id, &s);
    if (s.container) {
        kept.verdict = verdict_in(&s, (unsigned long)cgroup);
        kept.outermost = s.outermost;
    }
    table_set(verdicts, &key, &kept);
    return kept.verdict;
}

static u64 verdict_of(struct cgroup *cgroup)
{
    struct verdict known;
    u64 key;
    if (!cgroup || cgroup->level == 0)
        return 0;
    key = key_of(cgroup);
    if (table_get(verdicts, &key, &known) && known.generation == atomic_read(&generation))
        return known.verdict;
    return judge_once(cgroup, key);
}

u64 container_of_cgroup(struct cgroup *cgroup)
{
    return verdict_of(cgroup) & CONTAINER_MASK;
}

/*
 * A task's cgroup in the hierarchy of a cgroup v1 controller; NULL if it is in none, or at the root: that one names no
 * container, and an unmounted hierarchy's is freed without regard to RCU readers. The root's state has no parent.
 */
struct cgroup *cgroup_of_controller(struct css_set *set, u32 controller)
{
    const struct cgroup_subsys_state *css = READ_ONCE(set->subsys[controller]);
    return css && css->parent ? css->cgroup : NULL;
}

/*
 * The verdict by the hierarchies of v1 controllers, where cgroup v2 names no container: by the first with one. None
 * outweighs another: a process in a container by one hierarchy may make up names in the next, where nobody put it into
 * a container.
 */
static u64 judge_by_v1(struct css_set *set, u32 *controller)
{
    u32 i;
    for (i = 0; i < CGROUP_SUBSYS_COUNT; i++) {
        struct cgroup *cgroup = cgroup_of_controller(set, i);
        u64 verdict = cgroup == set->dfl_cgrp ? 0 : verdict_of(cgroup);
        if (verdict) {
            *controller = i;
            return verdict;
        }
    }
    return 0;
}

/*
 * The container of a task, 0 for the host. *named is the cgroup with its name: of cgroup v2 if it has one, else of the
 * first v1 controller with one, else of v2.
 */
u64 container_of_task(struct task_struct *task, struct naming *named)
{
    struct css_set *set = rcu_dereference(task->cgroups);
    u64 verdict = verdict_of(set->dfl_cgrp);
    named->cgroup = set->dfl_cgrp;
    named->controller = UNIFIED;
    if (!verdict && knobs.cgroup_v1) {
        verdict = judge_by_v1(set, &named->controller);
        if (verdict)
            named->cgroup = cgroup_of_controller(set, named->controller);
    }
    named->is_nested = !!(verdict & CONTAINER_NESTED);
    return verdict & CONTAINER_MASK;
}

u64 container_at(struct task_struct *task)
{
    struct naming named;
    return container_of_task(task, &named);
}

/*
 * The outermost container around one, as its cgroup was judged, itself if there is none around it. Kept for the shares
 * of rings.
 */
u64 outermost_of(u64 container, const struct naming *named)
{
    struct verdict known;
    u64 key = key_of(named->cgroup);
    if (!named->is_nested || !table_get(verdicts, &key, &known) || !known.outermost)
        return container;
    table_set(outermost_containers, &container, &known.outermost);
    return known.outermost;
}

// The container whose share a container's records go by: one that makes containers has one share for all of them.
u64 sharer_of(u64 container)
{
    u64 outermost;
    return container && table_get(outermost_containers, &container, &outermost) ? outermost : container;
}

static void forget(struct table *table, u64 key, u64 id)
{
    struct bearer known;
    if (table_get(table, &key, &known) && known.id == id)
        table_remove(table, &key);
}

// Forgets an ending cgroup, and that it bears a container's name.
void on_cgroup_rmdir(void *data, struct cgroup *cgroup, const char *path)
{
    int hierarchy = cgroup->root->hierarchy_id;
    u64 id = number_of(cgroup), key = key_of(cgroup), verdict;
    unsigned long flags;
    rcu_read_lock();
    verdict = verdict_of(cgroup);
    rcu_read_unlock();
    table_remove(verdicts, &key);
    if (!(verdict & CONTAINER_OWN))
        return;
    verdict &= CONTAINER_MASK;
    raw_spin_lock_irqsave(&bearers_lock, flags);
    forget(bearers, cgroup_key(verdict, hierarchy), id);
    forget(nested_bearers, cgroup_key(verdict, hierarchy), id);
    forget(bearers, cgroup_key(verdict, ANY_HIERARCHY), id);
    raw_spin_unlock_irqrestore(&bearers_lock, flags);
}
