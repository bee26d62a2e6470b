// SPDX-License-Identifier: GPL-2.0-only
// Host helpers, such as runc, on their way through a container's cgroup: native/bpf/host-helper.h has the reasons.
#include <linux/binfmts.h>
#include <linux/nsproxy.h>

#include "collector.h"

enum { PASSAGES = 4096, HELPERS = 1024 };

struct passage {
    u64 start_time; // of the process
    u64 container;  // the one it came into
    u32 exec_id;    // its image then
    u32 is_host;    // 1: it came from the host, like helpers; one from another container is no helper
};

static struct table *passages; // by thread group id
// Programs that started themselves anew outside of containers. All forks share the open file, and by its address they
// are known; the value is its dentry, in case another file is at the address later.
static struct table *helpers;

void free_helpers(void)
{
    free_table(passages);
    free_table(helpers);
    passages = helpers = NULL;
}

int make_helpers(void)
{
    passages = make_table(PASSAGES, sizeof(u32), sizeof(struct passage), EVICTING);
    helpers = make_table(HELPERS, sizeof(u64), sizeof(u64), EVICTING);
    return passages && helpers ? 0 : -ENOMEM;
}

void clear_helpers(void)
{
    clear_table(passages);
    clear_table(helpers);
}

static bool find_passage(struct task_struct *task, struct passage *found)
{
    u32 pid = task->tgid;
    return table_get(passages, &pid, found) && found->start_time == start_of(task->group_leader);
}

// The container entered by a process; 0 if nobody saw it enter.
u64 container_of_passage(struct task_struct *task)
{
    struct passage found;
    return find_passage(task, &found) ? found.container : 0;
}

void note_passage(struct task_struct *task, u64 container, bool is_host)
{
    u32 pid = task->tgid;
    const struct passage passage = {
        .start_time = start_of(task->group_leader),
        .container = container,
        .exec_id = task->self_exec_id,
        .is_host = is_host,
    };
    table_set(passages, &pid, &passage);
}

void note_helper(struct task_struct *task)
{
    struct file *file = executable_of(task);
    u64 program = (unsigned long)file, dentry;
    if (!file)
        return;
    dentry = (unsigned long)file->f_path.dentry;
    fput(file);
    table_set(helpers, &program, &dentry);
}

bool is_helper(struct task_struct *task)
{
    struct file *file = executable_of(task);
    u64 program = (unsigned long)file, dentry, known;
    if (!file)
        return false;
    dentry = (unsigned long)file->f_path.dentry;
    fput(file);
    return table_get(helpers, &program, &known) && known == dentry;
}

static bool starts_with(const char *text, const char *start)
{
    return !strncmp(text, start, strlen(start));
}

// Whether a program is started by a name of the kind used by helpers to start themselves anew.
bool is_started_anew(const struct linux_binprm *bprm)
{
    return starts_with(bprm->filename, "/proc/self/") || starts_with(bprm->filename, "/dev/fd/");
}

// The mount namespace of a task as a number, 0 if it has none any more.
static unsigned long mounts_of(struct task_struct *task)
{
    unsigned long mounts = 0;
    task_lock(task);
    if (task->nsproxy)
        mounts = (unsigned long)task->nsproxy->mnt_ns;
    task_unlock(task);
    return mounts;
}

// An exec in a container: a helper's is its first there, by its name, and sees the same mounts as its parent.
bool is_host_helper(struct task_struct *task, const struct linux_binprm *bprm, u64 container)
{
    struct passage p;
    return is_started_anew(bprm) && find_passage(task, &p) && p.is_host && p.container == container &&
           p.exec_id + 1 == (u32)task->self_exec_id && mounts_of(parent_of_task(task)) == mounts_of(task);
}
