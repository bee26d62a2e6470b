// SPDX-License-Identifier: GPL-2.0-only
// The record of a process: program, arguments, cgroup and ancestors.
#include <linux/binfmts.h>
#include <linux/cred.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "collector.h"

enum {
    ANCESTRY_DEPTH = 64,    // ancestors looked at; one with the same file as its child is not reported
    THREADS_LOOKED_AT = 16, // dead threads but the first are gone at once, so one of the first lives
    LARGEST_RECORD = sizeof(struct process_record) + PATH_CAPACITY + ARGS_CAPACITY + CGROUP_CAPACITY + 8 +
                     LINEAGE_CAPACITY * (sizeof(struct ancestor_record) + ANCESTOR_PATH_CAPACITY),
};

_Static_assert((int)LARGEST_RECORD <= (int)RECORD_CAPACITY, "the largest record has to fit");

// Memory for the record of one CPU: it is written by probes in a process's context alone, with preemption off.
struct scratch {
    u32 used;
    char path[PATH_SCRATCH];
    char record[RECORD_CAPACITY] __aligned(8);
};

static struct scratch **scratches; // by CPU

void free_records(void)
{
    u32 cpu;
    for (cpu = 0; scratches && cpu < nr_cpu_ids; cpu++)
        vfree(scratches[cpu]);
    kfree(scratches);
    scratches = NULL;
}

int make_records(void)
{
    int cpu;
    scratches = kcalloc(nr_cpu_ids, sizeof(*scratches), GFP_KERNEL_ACCOUNT);
    if (!scratches)
        return -ENOMEM;
    for_each_possible_cpu(cpu)
    {
        scratches[cpu] = allocate_pages_for(sizeof(struct scratch), GFP_KERNEL_ACCOUNT);
        if (!scratches[cpu])
            return -ENOMEM;
    }
    return 0;
}

void fill_header(struct record_header *h, enum record_type type, struct task_struct *task, u64 container)
{
    h->type = type;
    h->flags = 0;
    h->pid = task_tgid_nr(task);
    h->time = ktime_get_boottime_ns();
    h->container = container;
}

static void align_record(struct scratch *s)
{
    while (s->used % 8)
        s->record[s->used++] = 0;
}

/*
 * A thread with the memory of its process. The first can end before the others, and then has neither memory nor
 * cgroup.
 */
static struct task_struct *living_thread(struct task_struct *leader)
{
    struct task_struct *thread;
    u32 left = THREADS_LOOKED_AT;
    if (READ_ONCE(leader->mm))
        return leader;
    for_each_thread(leader, thread)
    {
        if (READ_ONCE(thread->mm))
            return thread;
        if (--left == 0)
            break;
    }
    return leader;
}

/*
 * Whether an ancestor is in the process's container. Asks only the hierarchy with the container's name: the maker of a
 * container puts all of it into the same ones.
 */
static bool is_in_container(struct task_struct *task, u64 container, u32 controller)
{
    struct css_set *set = rcu_dereference(task->cgroups);
    if (!container)
        return !container_at(task);
    if (controller == UNIFIED)
        return container_of_cgroup(set->dfl_cgrp) == container;
    return container_of_cgroup(cgroup_of_controller(set, controller)) == container;
}

static void append_ancestor(struct scratch *s, struct task_struct *task, struct file *file)
{
    struct process_record *r = (void *)s->record;
    struct ancestor_record *a = (void *)(s->record + s->used);
    bool is_cut;
    memset(a, 0, sizeof(*a));
    a->pid = task_tgid_nr(task);
    a->uid = from_kuid(&init_user_ns, __task_cred(task)->uid);
    s->used += sizeof(*a);
    a->path_size = write_path(file, s->record + s->used, ANCESTOR_PATH_CAPACITY, s->path, &is_cut);
    a->flags = is_cut ? FLAG_PATH_CUT : 0;
    s->used += a->path_size;
    align_record(s);
    r->lineage_count++;
}

static void append_lineage(struct scratch *s, struct task_struct *task, u64 container, u32 controller)
{
    struct process_record *r = (void *)s->record;
    const struct css_set *own = rcu_dereference(task->cgroups);
    struct task_struct *ancestor = task->group_leader;
    struct path last = {};
    u32 depth;
    for (depth = 0; depth < ANCESTRY_DEPTH; depth++) {
        struct task_struct *living;
        struct file *file;
        ancestor = parent_of_task(ancestor)->group_leader;
        if (!task_tgid_nr(ancestor))
            return;
        living = living_thread(ancestor);
        // Tasks with all the same cgroups share one set of them.
        if (rcu_dereference(living->cgroups) != own && !is_in_container(living, container, controller))
            return;
        file = executable_of(living);
        if (!file)
            continue;
        if (file->f_path.dentry != last.dentry || file->f_path.mnt != last.mnt) {
            last = file->f_path;
            if (r->lineage_count == LINEAGE_CAPACITY) {
                fput(file);
                break;
            }
            append_ancestor(s, living, file);
        }
        fput(file);
    }
    r->header.flags |= FLAG_LINEAGE_CUT;
}

// Of the current task's memory. False if it is not at hand: nothing here waits for it.
static bool read_memory(void *to, unsigned long from, u32 length)
{
    return copy_from_user_nofault(to, (const void __user *)from, length) == 0;
}

// The start of the current task's arguments behind argv[0], which no message has: 0 if it can't be read, or has no end.
static unsigned long skip_name(struct scratch *s, unsigned long start, unsigned long end)
{
    // The kernel takes no longer argument, but a process may have it that its arguments are anywhere (PR_SET_MM).
    const unsigned long limit = min(end, start + MAX_ARG_STRLEN);
    while (start < limit) {
        u32 length = min_t(unsigned long, limit - start, PAGE_SIZE - offset_in_page(start));
        const char *name_end;
        length = min_t(u32, length, PATH_SCRATCH);
        if (!read_memory(s->path, start, length))
            return 0;
        name_end = memchr(s->path, 0, length);
        if (name_end)
            return start + (name_end - s->path) + 1;
        start += length;
    }
    return start < end ? 0 : start;
}

static void append_arguments(struct scratch *s, struct task_struct *task)
{
    struct process_record *r = (void *)s->record;
    unsigned long start = 0, end = 0;
    u32 length = 0;
    if (!knobs.arguments)
        return;
    if (task->tgid == current->tgid && current->mm) {
        end = READ_ONCE(current->mm->arg_end);
        start = skip_name(s, READ_ONCE(current->mm->arg_start), end);
    }
    if (start && start < end)
        length = min_t(unsigned long, end - start, ARGS_CAPACITY);
    if (!start || (length > 0 && !read_memory(s->record + s->used, start, length))) {
        r->header.flags |= FLAG_ARGS_LOST;
        return;
    }
    if (end > start && end - start > ARGS_CAPACITY)
        r->header.flags |= FLAG_ARGS_CUT;
    r->args_size = length;
    s->used += length;
}

static void fill_process(struct process_record *r, struct task_struct *task, u64 container,
                         const struct naming *named, const struct file *program)
{
    // The credentials in force may be somebody else's for a moment: overlayfs works with those of a mount.
    const struct cred *cred = __task_cred(task);
    struct task_struct *leader = task->group_leader;
    r->start_time = start_of(leader);
    r->cgroup = number_of(named->cgroup);
    r->tid = task_pid_nr(task);
    r->ppid = task_tgid_nr(parent_of_task(leader));
    r->exec_id = task->self_exec_id;
    r->outermost = outermost_of(container, named);
    r->uid = from_kuid(&init_user_ns, cred->uid);
    r->gid = from_kgid(&init_user_ns, cred->gid);
    r->image = image_of(program);
    copy_name(r->comm, task);
}

/*
 * Writes the record of a task; arguments are at hand if it is the current process. False if it has nothing to report.
 * For RCU readers, in a process's context.
 */
bool emit_process(enum record_type type, u8 flags, struct task_struct *task, u64 container,
                  const struct naming *named, enum program program)
{
    struct scratch *s = scratches[raw_smp_processor_id()];
    struct process_record *r = (void *)s->record;
    // A path is one below the current task's root, which an ending task has given up.
    struct file *file = current->fs ? executable_of(task) : NULL;
    bool is_cut;
    if (!file)
        return false;
    memset(r, 0, sizeof(*r));
    s->used = sizeof(*r);
    fill_header(&r->header, type, task, container);
    fill_process(r, task, container, named, file);
    r->path_size = write_path(file, s->record + s->used, PATH_CAPACITY, s->path, &is_cut);
    r->header.flags = flags | (is_cut ? FLAG_PATH_CUT : 0);
    s->used += r->path_size;
    fput(file);
    append_arguments(s, task);
    r->cgroup_size = write_cgroup_path(named->cgroup, s->record + s->used, &is_cut);
    r->header.flags |= is_cut ? FLAG_CGROUP_CUT : 0;
    s->used += r->cgroup_size;
    align_record(s);
    append_lineage(s, task, container, named->controller);
    r->header.size = s->used;
    // As late as can be: rings are merged by time, and a record is late while it is not written.
    r->header.time = ktime_get_boottime_ns();
    emit(r, s->used, program);
    return true;
}
