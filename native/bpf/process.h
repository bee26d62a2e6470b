/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Processes: exec, exit, and the scan of what runs. */
#ifndef COLLECTOR_PROCESS_H
#define COLLECTOR_PROCESS_H

enum {
    ANCESTRY_DEPTH = 64
}; /* ancestors looked at; those that run the same file as their child are not reported */

static __always_inline void fill_header(struct record_header *h, __u8 type, struct task_struct *task,
                                        __u64 container)
{
    h->type = type;
    h->flags = 0;
    h->pid = task->tgid;
    h->time = bpf_ktime_get_boot_ns();
    h->container = container;
}

/* Sets the walk to a task's executable; false if it has none (a kernel thread, or one that is ending). */
static __always_inline bool start_at_executable(struct process_scratch *s, struct task_struct *task)
{
    struct file *file = BPF_CORE_READ(task, mm, exe_file);
    if (!file)
        return false;
    struct path executable = {}, root = {};
    BPF_CORE_READ_INTO(&executable, file, f_path);
    BPF_CORE_READ_INTO(&root, task, fs, root);
    s->dentry = (__u64)executable.dentry;
    s->mount = (__u64)((void *)executable.mnt - bpf_core_field_offset(struct mount, mnt));
    s->top = (__u64)BPF_CORE_READ(executable.mnt, mnt_root);
    s->root_dentry = (__u64)root.dentry;
    s->root_mount = (__u64)((void *)root.mnt - bpf_core_field_offset(struct mount, mnt));
    return true;
}

/*
 * Whether an ancestor is in the process's container. Asked of the hierarchy that names that: whoever made a container has
 * put all of it into the same ones, and to ask all of them about an ancestor on the host took a quarter of an exec's time.
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
    struct task_struct *child = (void *)s->ancestor, *task = BPF_CORE_READ(child, real_parent, group_leader);
    if (!task || !BPF_CORE_READ(task, tgid))
        return 1;
    s->ancestor = (__u64)task;
    /* Tasks whose cgroups are all the same share one set of them. */
    struct css_set *cgroups = BPF_CORE_READ(task, cgroups);
    if ((__u64)cgroups != s->cgroups && !is_in_container(s, task, cgroups))
        return 1;
    if (!start_at_executable(s, task))
        return 1;
    if (s->dentry == s->last_dentry && s->mount == s->last_mount)
        return 0;
    s->last_dentry = s->dentry;
    s->last_mount = s->mount;
    if (r->lineage_count == LINEAGE_CAPACITY) {
        r->header.flags |= FLAG_LINEAGE_CUT;
        return 1;
    }
    walk_path(slot);
    struct ancestor_record a = {
        .pid = BPF_CORE_READ(task, tgid),
        .uid = BPF_CORE_READ(task, cred, uid.val),
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
 * Starts a process record in the scratch memory: all but the arguments, which each program reads in its own way.
 * False if there is nothing to report of the task.
 */
static __always_inline bool begin_process(struct process_scratch *s, __u32 slot, __u8 type,
                                          struct task_struct *task, __u64 container,
                                          const struct naming *named)
{
    struct process_record *r = (void *)s->record;
    struct task_struct *leader = task->group_leader;
    struct cgroup *cgroup = named->cgroup;
    __builtin_memset(r, 0, sizeof(*r));
    s->used = sizeof(*r);
    if (!start_at_executable(s, task))
        return false;
    s->last_dentry = s->last_mount = 0;
    s->ancestor = (__u64)leader;
    s->container = container;
    s->cgroups = (__u64)task->cgroups;
    s->cgroup = (__u64)cgroup;
    s->controller = named->controller;

    fill_header(&r->header, type, task, container);
    r->start_time = leader->start_boottime;
    r->cgroup = BPF_CORE_READ(cgroup, kn, id);
    r->tid = task->pid;
    r->ppid = leader->real_parent->tgid;
    r->uid = task->cred->uid.val;
    r->gid = task->cred->gid.val;
    __builtin_memcpy(r->comm, leader->comm, COMM_SIZE); /* each thread may have a name of its own */

    walk_path(slot);
    r->path_size = append_path(s, PATH_CAPACITY);
    if (s->cut)
        r->header.flags |= FLAG_PATH_CUT;
    return true;
}

/* Where a task's arguments lie, and how many bytes of them are taken. */
static __always_inline __u32 arguments_of(struct task_struct *task, struct process_record *r,
                                          const void **from)
{
    if (!knobs.arguments)
        return 0;
    unsigned long start = task->mm->arg_start, end = task->mm->arg_end;
    *from = (const void *)start;
    if (!start || end <= start)
        return 0;
    if (end - start > ARGS_CAPACITY) {
        r->header.flags |= FLAG_ARGS_CUT;
        return ARGS_CAPACITY;
    }
    return end - start;
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
    for (int i = 0; i < ANCESTRY_DEPTH; i++)
        if (lineage_step(slot))
            break;
    __u32 size = s->used;
    if (size > RECORD_CAPACITY)
        return 0;
    r->header.size = size;
    return size;
}

/*
 * runc, crun and conmon start themselves anew as /proc/self/exe (or …/fd/N, or by fexecve, which the kernel calls
 * /dev/fd/N) when they are already in the container's cgroup. The path alone would not do: programs in containers do the same, busybox's shell for each of its commands. But
 * a helper was started from outside of the container, and sees the same mounts as its parent there.
 */
static __always_inline bool is_host_helper(struct task_struct *task, struct linux_binprm *bprm,
                                           __u64 container, __u32 slot)
{
    const char by_link[] = "/proc/self/", by_descriptor[] = "/dev/fd/";
    char name[sizeof(by_link)] = {};
    bpf_probe_read_kernel_str(name, sizeof(name), BPF_CORE_READ(bprm, filename));
    bool is_link = true, is_descriptor = true;
    for (__u32 i = 0; i < sizeof(by_link) - 1; i++) {
        is_link &= name[i] == by_link[i];
        if (i < sizeof(by_descriptor) - 1)
            is_descriptor &= name[i] == by_descriptor[i];
    }
    if (!is_link && !is_descriptor)
        return false;
    struct task_struct *parent = task->real_parent;
    return container_at(parent, slot) != container &&
           BPF_CORE_READ(parent, nsproxy, mnt_ns) == BPF_CORE_READ(task, nsproxy, mnt_ns);
}

/* Finishes and writes the record of the current task, whose arguments are at hand. */
static __always_inline void emit_process(struct process_scratch *s, __u32 slot, struct task_struct *task,
                                         __u32 program)
{
    struct process_record *r = (void *)s->record;
    const void *from = NULL;
    __u32 length = arguments_of(task, r, &from), used = s->used;
    if (length > 0 && length <= ARGS_CAPACITY && used <= RECORD_CAPACITY)
        note_arguments(s, r, length, bpf_probe_read_user(&s->record[used], length, from));
    __u32 size = finish_process(s, slot);
    /* As late as can be: rings are merged by time, and a record is late while it is not written. */
    r->header.time = bpf_ktime_get_boot_ns();
    if (size && size <= RECORD_CAPACITY)
        emit(s->record, size, program);
    else
        count_failed(program);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(process_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
    if (is_self_check(task)) {
        emit_self_check(task->tgid, SELF_CHECK_EXEC, PROGRAM_EXEC);
        return 0;
    }
    __u32 slot = slot_of_process();
    struct naming named;
    __u64 container = container_of_task(task, slot, &named);
    if ((!container && !knobs.all_scopes) || is_own(task))
        return 0;
    if (container && is_host_helper(task, bprm, container, slot)) {
        count_skipped(PROGRAM_EXEC);
        return 0;
    }
    struct process_scratch *s = bpf_map_lookup_elem(&process_scratches, &slot);
    if (!s) {
        count_failed(PROGRAM_EXEC);
        return 0;
    }
    s->slot_of_container = slot;
    if (begin_process(s, slot, RECORD_EXEC, task, container, &named))
        emit_process(s, slot, task, PROGRAM_EXEC);
    else
        count_failed(PROGRAM_EXEC);
    return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(process_exit, struct task_struct *task)
{
    /* Two last threads that end at once may both read 0: an exit may come twice, and changes nothing the second time. */
    if (task->signal->live.counter != 0)
        return 0;
    if (is_self_check(task)) {
        emit_self_check(task->tgid, SELF_CHECK_EXIT, PROGRAM_EXIT);
        return 0;
    }
    struct naming named;
    __u64 container = container_of_task(task, slot_of_process(), &named);
    if (!container && !knobs.all_scopes)
        return 0;
    if (is_own(task))
        return 0;
    struct exit_record r = {};
    fill_header(&r.header, RECORD_EXIT, task, container);
    r.header.size = sizeof(r);
    r.start_time = task->group_leader->start_boottime;
    /* Of the process: this is its last thread, which need not be the first one. */
    r.exit_code = task->signal->group_exit_code;
    if (!r.exit_code)
        r.exit_code = task->group_leader->exit_code;
    __builtin_memcpy(r.comm, task->group_leader->comm, COMM_SIZE);
    emit(&r, sizeof(r), PROGRAM_EXIT);
    return 0;
}

/*
 * Lists running processes, those with arguments marked by FLAG_ARGS_LOST. It reads no memory of theirs: that can wait for
 * the process or its file system for ever, and Collector's loop waits for nobody.
 */
SEC("iter/task")
int scan_processes(struct bpf_iter__task *ctx)
{
    struct task_struct *task = ctx->task;
    __u32 slot = knobs.cpus, slot_of_container = slot_of_scan();
    if (!task || task->pid != task->tgid || task->signal->live.counter == 0)
        return 0;
    struct naming named;
    __u64 container = container_of_task(task, slot_of_container, &named);
    if ((!container && !knobs.all_scopes) || is_own(task) || is_self_check(task))
        return 0;
    struct process_scratch *s = bpf_map_lookup_elem(&process_scratches, &slot);
    if (!s)
        return 0;
    s->slot_of_container = slot_of_container;
    if (!begin_process(s, slot, RECORD_PROCESS, task, container, &named))
        return 0;
    struct process_record *r = (void *)s->record;
    const void *from = NULL;
    if (arguments_of(task, r, &from)) {
        r->header.flags &= ~FLAG_ARGS_CUT;
        r->header.flags |= FLAG_ARGS_LOST;
    }
    __u32 size = finish_process(s, slot);
    if (size && size <= RECORD_CAPACITY)
        bpf_seq_write(ctx->meta->seq, s->record, size);
    return 0;
}

#endif
