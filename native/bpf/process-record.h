/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* The record of a process: program, arguments, cgroup and ancestors. */
#ifndef COLLECTOR_PROCESS_RECORD_H
#define COLLECTOR_PROCESS_RECORD_H

enum {
    ANCESTRY_DEPTH = 64,    /* ancestors looked at; one with the same file as its child is not reported */
    THREADS_LOOKED_AT = 16, /* dead threads but the first are gone at once, so one of the first lives */
};

/* The file executed by a task: the same open file for all its forks, another one after each exec. */
static __always_inline __u64 program_of(struct task_struct *task)
{
    struct mm_struct *mm = field(task, mm);
    __u64 program = 0;
    /* Read as a number, since the verifier lets nothing be done with a pointer of its own. */
    bpf_core_read(&program, sizeof(program), &mm->exe_file);
    return program;
}

/* A program as a number for records. */
static __always_inline __u64 image_of(__u64 program)
{
    return program ? number_for_records(program) : 0;
}

/* When a task was started, CLOCK_BOOTTIME in ns. */
static __always_inline __u64 start_of(struct task_struct *task)
{
    if (bpf_core_field_exists(task->start_boottime))
        return field(task, start_boottime);
    return BPF_CORE_READ((struct task_struct___4_18 *)task, real_start_time);
}

static __always_inline void fill_header(struct record_header *h, __u8 type, struct task_struct *task,
                                        __u64 container)
{
    h->type = type;
    h->flags = 0;
    h->pid = field(task, tgid);
    h->time = bpf_ktime_get_boot_ns();
    h->container = container;
}

/* Sets the walk to a task's executable; false if it has none (a kernel thread, or an ending one). */
static __always_inline bool find_executable(struct process_scratch *s, struct task_struct *task)
{
    struct file *file = BPF_CORE_READ(task, mm, exe_file);
    if (!file)
        return false;
    s->program = (__u64)file;
    struct path executable = {};
    BPF_CORE_READ_INTO(&executable, file, f_path);
    s->dentry = (__u64)executable.dentry;
    s->mount = (__u64)((void *)executable.mnt - bpf_core_field_offset(struct mount, mnt));
    return true;
}

/* Sets the walk's ends: the root of the executable's mount, and the task's mount namespace. */
static __always_inline void bound_walk(struct process_scratch *s, struct task_struct *task)
{
    struct mount *mount = (void *)s->mount;
    s->top = (__u64)BPF_CORE_READ(mount, mnt.mnt_root);
    s->namespace = (__u64)BPF_CORE_READ(task, nsproxy, mnt_ns);
}

/*
 * A thread with the memory of its process, 0 if none of the first THREADS_LOOKED_AT has it. The first thread can end
 * before the others, and then has neither memory nor cgroup. Takes and gives addresses.
 */
__noinline __u64 living_thread(__u64 address)
{
    struct task_struct *leader = (void *)address;
    if (BPF_CORE_READ(leader, mm))
        return address;
    struct signal_struct *signal = BPF_CORE_READ(leader, signal);
    void *head = (void *)signal + bpf_core_field_offset(struct signal_struct, thread_head);
    void *node = BPF_CORE_READ(signal, thread_head.next);
    for (int i = 0; i < THREADS_LOOKED_AT; i++) {
        if (!node || node == head)
            return 0;
        struct task_struct *thread = node - bpf_core_field_offset(struct task_struct, thread_node);
        if (BPF_CORE_READ(thread, mm))
            return (__u64)thread;
        node = BPF_CORE_READ(thread, thread_node.next);
    }
    return 0;
}

/*
 * Whether an ancestor is in the process's container. Asks only the hierarchy with the container's name: the maker of
 * a container puts all of it into the same ones. To ask all of them about an ancestor on the host took a quarter of
 * an exec's time.
 */
static __always_inline bool is_in_container(struct process_scratch *s, struct task_struct *task,
                                            struct css_set *cgroups)
{
    __u32 slot = s->slot_of_container, controller = s->controller;
    if (!s->container)
        return !container_at(task, slot);
    struct cgroup *cgroup = controller < SUBSYSTEMS ? cgroup_of_controller(cgroups, controller)
                                                    : BPF_CORE_READ(cgroups, dfl_cgrp);
    return container_of_cgroup(cgroup, slot) == s->container;
}

/* Goes to the next ancestor and appends it, unless it runs the same file as the one before: 1 at the end. */
__noinline int lineage_step(__u32 slot)
{
    struct process_scratch *s = bpf_map_lookup_elem(&process_scratches, &slot);
    if (!s)
        return 1;
    struct process_record *r = (void *)s->record;
    struct task_struct *child = (void *)s->ancestor, *leader = BPF_CORE_READ(child, real_parent, group_leader);
    if (!leader || !BPF_CORE_READ(leader, tgid))
        return 1;
    s->ancestor = (__u64)leader;
    struct task_struct *living = (void *)living_thread((__u64)leader), *task = living ? living : leader;
    /* Tasks with all the same cgroups share one set of them. */
    struct css_set *cgroups = BPF_CORE_READ(task, cgroups);
    if ((__u64)cgroups != s->cgroups && !is_in_container(s, task, cgroups))
        return 1;
    if (!find_executable(s, task))
        return 0;
    if (s->dentry == s->last_dentry && s->mount == s->last_mount)
        return 0;
    s->last_dentry = s->dentry;
    s->last_mount = s->mount;
    if (r->lineage_count == LINEAGE_CAPACITY) {
        r->header.flags |= FLAG_LINEAGE_CUT;
        return 1;
    }
    bound_walk(s, task);
    walk_path(slot);
    struct ancestor_record a = {
        .pid = BPF_CORE_READ(task, tgid),
        .uid = BPF_CORE_READ(task, real_cred, uid.val),
    };
    __u32 start = s->start;
    if (start > PATH_CAPACITY)
        return 1;
    a.path_size = PATH_CAPACITY - start;
    if (a.path_size > ANCESTOR_PATH_CAPACITY)
        a.path_size = ANCESTOR_PATH_CAPACITY;
    if (s->cut || PATH_CAPACITY - start > ANCESTOR_PATH_CAPACITY)
        a.flags = FLAG_PATH_CUT;
    append(s, &a, sizeof(a));
    append_path(s, ANCESTOR_PATH_CAPACITY);
    align_record(s);
    r->lineage_count++;
    return 0;
}

/*
 * Starts a process record in the scratch memory: all but the arguments, since each program reads them in its own way.
 * Returns false for a task without anything to report.
 */
static __always_inline bool begin_process(struct process_scratch *s, __u32 slot, __u8 type,
                                          struct task_struct *task, __u64 container,
                                          const struct naming *named)
{
    struct process_record *r = (void *)s->record;
    struct task_struct *leader = field(task, group_leader);
    struct cgroup *cgroup = named->cgroup;
    __builtin_memset(r, 0, sizeof(*r));
    s->used = sizeof(*r);
    if (!find_executable(s, task))
        return false;
    bound_walk(s, task);
    s->last_dentry = s->last_mount = 0;
    s->ancestor = (__u64)leader;
    s->container = container;
    s->cgroups = (__u64)field(task, cgroups);
    s->cgroup = (__u64)cgroup;
    s->controller = named->controller;

    fill_header(&r->header, type, task, container);
    r->start_time = start_of(leader);
    r->cgroup = BPF_CORE_READ(cgroup, kn, id);
    r->tid = field(task, pid);
    r->ppid = field(leader, real_parent, tgid);
    r->exec_id = exec_id_of(task);
    r->outermost = outermost_of(container, named);
    /*
     * The other credentials, those in force, may be somebody else's for a moment: overlayfs works with those of a
     * mount.
     */
    r->uid = field(task, real_cred, uid.val);
    r->gid = field(task, real_cred, gid.val);
    copy_name(r->comm, task);
    r->image = image_of(s->program);

    walk_path(slot);
    r->path_size = append_path(s, PATH_CAPACITY);
    if (s->cut)
        r->header.flags |= FLAG_PATH_CUT;
    return true;
}

/* How many of the bytes of arguments are taken. */
static __always_inline __u32 cut_arguments(struct process_record *r, __u64 start, __u64 end)
{
    if (!start || end <= start)
        return 0;
    if (end - start > ARGS_CAPACITY) {
        r->header.flags |= FLAG_ARGS_CUT;
        return ARGS_CAPACITY;
    }
    return end - start;
}

/* The kernel takes no argument of more pages (MAX_ARG_STRLEN), and one page has room for all but a byte of a text's. */
enum { PAGES_OF_ARGUMENT = 34 };

/*
 * The start of the current task's arguments behind argv[0], which no message has: 0 if it can't be read. The bytes
 * read are thrown away.
 */
static __always_inline __u64 skip_name(struct process_scratch *s, __u64 start, __u64 end)
{
    for (int i = 0; i < PAGES_OF_ARGUMENT && start < end; i++) {
        long length = bpf_probe_read_user_str(s->path, PATH_CAPACITY, (const void *)start);
        if (length < 0)
            return 0;
        if (length < PATH_CAPACITY)
            return start + length;
        start += PATH_CAPACITY - 1;
    }
    return start;
}

static __always_inline void note_arguments(struct process_scratch *s, struct process_record *r, __u32 length,
                                           long error)
{
    if (error) {
        r->header.flags |= FLAG_ARGS_LOST;
        return;
    }
    r->args_size = length;
    s->used += length;
}

/* Cgroup path and lineage. The bytes of the record, 0 if it went wrong. */
static __always_inline __u32 finish_process(struct process_scratch *s, __u32 slot)
{
    struct process_record *r = (void *)s->record;
    walk_cgroup(slot);
    r->cgroup_size = append_path(s, CGROUP_CAPACITY);
    if (s->cut)
        r->header.flags |= FLAG_CGROUP_CUT;
    align_record(s);
    int ancestors;
    for (ancestors = 0; ancestors < ANCESTRY_DEPTH; ancestors++)
        if (lineage_step(slot))
            break;
    if (ancestors == ANCESTRY_DEPTH)
        r->header.flags |= FLAG_LINEAGE_CUT;
    __u32 size = s->used;
    if (size > RECORD_CAPACITY)
        return 0;
    r->header.size = size;
    return size;
}

/* bpf_probe_read_user() by a size of 64 bits: older verifiers lose the bounds of half a register when it is copied. */
static long (*read_user)(void *to, __u64 size, const void *from) = (void *)112;

/* Finishes and writes the record of a task; arguments are at hand if it is the current one. */
static __always_inline void emit_process(struct process_scratch *s, __u32 slot, struct task_struct *task,
                                         __u32 program)
{
    struct process_record *r = (void *)s->record;
    if (knobs.arguments && (__u32)field(task, tgid) != bpf_get_current_pid_tgid() >> 32) {
        note_arguments(s, r, 0, -1); /* of another process, with its memory out of reach here */
    } else if (knobs.arguments) {
        __u64 end = field(task, mm, arg_end), start = skip_name(s, field(task, mm, arg_start), end);
        __u64 length = cut_arguments(r, start, end);
        __u32 used = s->used;
        keep_as_is(length); /* or the compiler goes back to half of it */
        if (!start)
            note_arguments(s, r, 0, -1);
        else if (length > 0 && length <= ARGS_CAPACITY && used <= RECORD_CAPACITY)
            note_arguments(s, r, length, read_user(&s->record[used], length, (const void *)start));
    }
    __u32 size = finish_process(s, slot);
    /* As late as can be: rings are merged by time, and a record is late while it is not written. */
    r->header.time = bpf_ktime_get_boot_ns();
    if (size && size <= RECORD_CAPACITY)
        emit(s->record, size, program);
    else
        count_failed(program);
}

#endif
