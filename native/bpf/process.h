/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Processes: exec, moves, exit, and the scan of running ones. */
#ifndef COLLECTOR_PROCESS_H
#define COLLECTOR_PROCESS_H

TRACEPOINT("sched_process_exec")
int BPF_PROG(process_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
    if (is_self_check(task)) {
        emit_self_check(field(task, tgid), SELF_CHECK_EXEC, PROGRAM_EXEC);
        return 0;
    }
    __u32 slot = slot_of_process();
    struct naming named;
    __u64 container = container_of_task(task, slot, &named);
    if (!container && is_started_anew(bprm))
        note_helper(task);
    if (!in_scope(container) || is_own_process(task))
        return 0;
    if (container && is_host_helper(task, bprm, container)) {
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

/*
 * A process was moved into a cgroup, by itself or by somebody else. It is reported when it comes into another
 * container, but only if it has run an image of its own: one only forked gets its image by an exec, and the exec is
 * reported. Moves within a container are not: the process is known already, if at all.
 */
TRACEPOINT("cgroup_attach_task")
int BPF_PROG(process_move, struct cgroup *cgroup, const char *path, struct task_struct *task, bool is_process)
{
    __u32 slot = slot_of_process();
    struct naming named;
    __u64 container = container_of_task(task, slot, &named);
    if (!container || container == CONTAINER_UNJUDGED || is_own_process(task) || is_self_check(task))
        return 0;
    struct passage *before = passage_of(task);
    if (before && before->container == container)
        return 0;
    bool helps = is_helper(task), is_forked = exec_id_of(task) == parent_exec_id_of(task);
    note_passage(task, container, helps || (is_forked && !container_at(field(task, real_parent), slot)));
    if (helps)
        count_skipped(PROGRAM_EXEC);
    if (helps || is_forked)
        return 0;
    struct process_scratch *s = bpf_map_lookup_elem(&process_scratches, &slot);
    if (!s) {
        count_failed(PROGRAM_EXEC);
        return 0;
    }
    s->slot_of_container = slot;
    if (!begin_process(s, slot, RECORD_PROCESS, task, container, &named)) {
        count_failed(PROGRAM_EXEC);
        return 0;
    }
    struct process_record *r = (void *)s->record;
    r->header.flags |= FLAG_ARRIVED;
    emit_process(s, slot, task, PROGRAM_EXEC);
    return 0;
}

/*
 * A process may be put into another cgroup than its parent's when it is made (CLONE_INTO_CGROUP), without a move. Of
 * all other forks this costs a comparison.
 */
TRACEPOINT("sched_process_fork")
int BPF_PROG(process_fork, struct task_struct *parent, struct task_struct *child)
{
    if (field(child, cgroups) == field(parent, cgroups) || field(child, pid) != field(child, tgid))
        return 0;
    __u32 slot = slot_of_process();
    struct naming named;
    __u64 container = container_of_task(child, slot, &named);
    if (!container || container == CONTAINER_UNJUDGED)
        return 0;
    __u64 from = container_at(field(child, real_parent), slot);
    if (from != container)
        note_passage(child, container, !from);
    return 0;
}

TRACEPOINT("sched_process_exit")
int BPF_PROG(process_exit, struct task_struct *task)
{
    /*
     * Two last threads, ending at once, may both read 0: an exit may come twice, and changes nothing the second time.
     */
    if (field(task, signal, live.counter) != 0)
        return 0;
    if (is_self_check(task)) {
        emit_self_check(field(task, tgid), SELF_CHECK_EXIT, PROGRAM_EXIT);
        return 0;
    }
    struct naming named;
    __u64 container = container_of_task(task, slot_of_process(), &named);
    if (!in_scope(container) || is_own_process(task))
        return 0;
    struct exit_record r = {};
    fill_header(&r.header, RECORD_EXIT, task, container);
    r.header.size = sizeof(r);
    r.start_time = start_of(field(task, group_leader));
    /* Of the process: this is its last thread, not always the first one. */
    r.exit_code = field(task, signal, group_exit_code);
    if (!r.exit_code)
        r.exit_code = field(task, group_leader, exit_code);
    copy_name(r.comm, task);
    emit(&r, sizeof(r), PROGRAM_EXIT);
    return 0;
}

/* The number of a task in the pid namespace at a level, 0 if it has none there. */
static __always_inline __u32 number_at(struct task_struct *task, __u32 level)
{
    struct pid *pid = BPF_CORE_READ(task, thread_pid);
    if (level > BPF_CORE_READ(pid, level))
        return 0;
    struct upid *numbers = (void *)pid + bpf_core_field_offset(struct pid, numbers);
    struct upid *number = (void *)numbers + level * bpf_core_type_size(struct upid);
    return BPF_CORE_READ(number, nr);
}

/*
 * Lists running processes, those with arguments marked by FLAG_ARGS_LOST. It reads no memory of theirs: a read can
 * wait for the process or its file system for ever, and Collector's loop waits for nobody.
 */
SEC("iter/task")
int scan_processes(struct bpf_iter__task *ctx)
{
    struct task_struct *task = ctx->task;
    __u32 slot = knobs.cpus, slot_of_container = slot_of_scan();
    if (!task || !task->mm || task->signal->live.counter == 0)
        return 0;
    if (task->pid != task->tgid) {
        /* By a helper, for an address: pointers can't be passed on. */
        struct task_struct *leader = BPF_CORE_READ(task, group_leader);
        __u64 living = living_thread((__u64)leader);
        /*
         * If none of the threads looked at lives, dead ones kept by a tracer are in the way: then any living one will
         * do.
         */
        if (living && living != (__u64)task)
            return 0;
    }
    struct naming named;
    __u64 container = container_of_task(task, slot_of_container, &named);
    if (!in_scope(container) || is_own_process(task) || is_self_check(task))
        return 0;
    if (container)
        note_net((__u64)BPF_CORE_READ(task, nsproxy, net_ns), container);
    struct process_scratch *s = bpf_map_lookup_elem(&process_scratches, &slot);
    if (!s)
        return 0;
    s->slot_of_container = slot_of_container;
    if (!begin_process(s, slot, RECORD_PROCESS, task, container, &named))
        return 0;
    struct process_record *r = (void *)s->record;
    __u32 level = current_level();
    r->scanner_pid = number_at(BPF_CORE_READ(task, group_leader), level);
    r->tid = number_at(task, level);
    if (container && looks_like_helper(task, container, slot_of_container)) {
        r->header.flags |= FLAG_HELPER;
        count_skipped(PROGRAM_EXEC);
    }
    if (knobs.arguments && task->mm->arg_end > task->mm->arg_start)
        r->header.flags |= FLAG_ARGS_LOST;
    __u32 size = finish_process(s, slot);
    if (size && size <= RECORD_CAPACITY)
        bpf_seq_write(ctx->meta->seq, s->record, size);
    return 0;
}

#endif
