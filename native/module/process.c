// SPDX-License-Identifier: GPL-2.0-only
// Processes: exec, moves, forks and exit. native/bpf/process.h has the reasons.
#include <linux/binfmts.h>
#include <linux/rcupdate.h>

#include "collector.h"

static void report_exec(struct task_struct *task, const struct linux_binprm *bprm)
{
    struct naming named;
    u64 container;
    if (is_self_check(task)) {
        emit_self_check(task_tgid_nr(task), SELF_CHECK_EXEC, PROGRAM_EXEC);
        return;
    }
    container = container_of_task(task, &named);
    if (!container && is_started_anew(bprm))
        note_helper(task);
    if (!in_scope(container) || is_own_process(task))
        return;
    if (container && is_host_helper(task, bprm, container))
        count_skipped(PROGRAM_EXEC);
    else if (!emit_process(RECORD_EXEC, 0, task, container, &named, PROGRAM_EXEC))
        count_failed(PROGRAM_EXEC);
}

void on_exec(void *data, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm)
{
    rcu_read_lock();
    report_exec(task, bprm);
    rcu_read_unlock();
}

static void report_move(struct task_struct *task)
{
    struct naming named;
    u64 container = container_of_task(task, &named);
    bool helps, is_forked;
    if (!container || is_own_process(task) || is_self_check(task) || container_of_passage(task) == container)
        return;
    if (are_locked_events_traced()) {
        count_failed(PROGRAM_EXEC);
        return;
    }
    helps = is_helper(task);
    is_forked = (u32)task->self_exec_id == (u32)task->parent_exec_id;
    note_passage(task, container, helps || (is_forked && !container_at(parent_of_task(task))));
    if (helps)
        count_skipped(PROGRAM_EXEC);
    if (helps || is_forked)
        return;
    if (!emit_process(RECORD_PROCESS, FLAG_ARRIVED, task, container, &named, PROGRAM_EXEC))
        count_failed(PROGRAM_EXEC);
}

// A process was moved into a cgroup, by itself or by somebody else.
void on_move(void *data, struct cgroup *cgroup, const char *path, struct task_struct *task, bool is_process)
{
    rcu_read_lock();
    report_move(task);
    rcu_read_unlock();
}

// A process may be put into another cgroup than its parent's when it is made (CLONE_INTO_CGROUP), without a move.
void on_fork(void *data, struct task_struct *parent, struct task_struct *child)
{
    u64 container, from;
    rcu_read_lock();
    if (rcu_access_pointer(child->cgroups) != rcu_access_pointer(parent->cgroups) &&
        child->pid == child->tgid) {
        container = container_at(child);
        from = container ? container_at(parent_of_task(child)) : 0;
        if (container && from != container)
            note_passage(child, container, !from);
    }
    rcu_read_unlock();
}

static void report_exit(struct task_struct *task)
{
    struct exit_record r = {};
    u64 container;
    if (is_self_check(task)) {
        emit_self_check(task_tgid_nr(task), SELF_CHECK_EXIT, PROGRAM_EXIT);
        return;
    }
    container = container_at(task);
    if (!in_scope(container) || is_own_process(task))
        return;
    fill_header(&r.header, RECORD_EXIT, task, container);
    r.header.size = sizeof(r);
    r.start_time = start_of(task->group_leader);
    // Of the process: this is its last thread, not always the first one.
    r.exit_code = task->signal->group_exit_code;
    if (!r.exit_code)
        r.exit_code = task->group_leader->exit_code;
    copy_name(r.comm, task);
    emit(&r, sizeof(r), PROGRAM_EXIT);
}

void on_exit(void *data, struct task_struct *task)
{
    // Two last threads, ending at once, may both read 0: an exit may come twice, and changes nothing the second time.
    if (atomic_read(&task->signal->live) != 0)
        return;
    rcu_read_lock();
    report_exit(task);
    rcu_read_unlock();
}
