/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of the module share. One process at a time has /proc/collector open, so there is one of everything;
 * it is made by COLLECTOR_START, before the first hook, and freed behind the last.
 *
 * Probes run with preemption off and wait for nothing. They take spin locks of this module alone, with interrupts off,
 * since a probe of a socket may run on top of another one.
 */
#ifndef COLLECTOR_INTERNAL_H
#define COLLECTOR_INTERNAL_H

#include <linux/cgroup.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/timekeeping.h>
#include <linux/types.h>

#include "interface.h"
#include "kernel.h"
#include "table.h"

struct linux_binprm;
struct sock;

extern struct knobs knobs;
/* Mapped by user space, for writing too: every read is a READ_ONCE, and no value is an index or a bound. */
extern struct control *control;

/* hooks.c */
int attach_hooks(void);
void detach_hooks(void);
bool has_hooks(void);
/* Whether the probe of moves must take no lock of the kernel's: it could wait for itself. */
bool are_locked_events_traced(void);

/* emit.c */
int make_output(const struct module_start *start);
void free_output(void);
int open_ring(unsigned long index);
void read_stats(struct module_stats *stats);
void emit(void *record, u32 size, enum program program);
void emit_self_check(u32 pid, enum self_check what, enum program program);
void count_failed(enum program program);
void count_skipped(enum program program);

/* container.c */

/* The cgroup with the name of a task's container, and its place. */
struct naming {
    struct cgroup *cgroup;
    u32 controller; /* place of a cgroup v1 controller's state in the task's set, or UNIFIED */
    bool is_nested; /* the container is in another one */
};

enum { UNIFIED = 0xffffffff }; /* the hierarchy of cgroup v2 */

int make_containers(void);
void clear_containers(void);
void free_containers(void);
/* The callers of all these are RCU readers. */
u64 container_of_task(struct task_struct *task, struct naming *named);
u64 container_at(struct task_struct *task);
u64 container_of_cgroup(struct cgroup *cgroup);
struct cgroup *cgroup_of_controller(struct css_set *set, u32 controller);
struct cgroup *ancestor_to_judge(struct cgroup *cgroup);
int read_component_name(struct cgroup *cgroup, const struct cgroup *parent, char *to, size_t capacity);
u64 outermost_of(u64 container, const struct naming *named);
u64 sharer_of(u64 container);
void on_cgroup_rmdir(void *data, struct cgroup *cgroup, const char *path);

/* Whether the settings include a task in `container`, or on the host for 0. */
static inline bool in_scope(u64 container)
{
    return container || knobs.all_scopes;
}

/* path.c */
u32 write_path(struct file *file, char *to, u32 capacity, char *scratch, bool *is_cut);
u32 write_cgroup_path(struct cgroup *cgroup, char *to, bool *is_cut);
enum { PATH_SCRATCH = PATH_CAPACITY + 16 }; /* for the kernel's mark of deleted files */

/* record.c */
int make_records(void);
void free_records(void);
bool emit_process(enum record_type type, u8 flags, struct task_struct *task, u64 container,
                  const struct naming *named, enum program program);
void fill_header(struct record_header *h, enum record_type type, struct task_struct *task, u64 container);

/* helper.c */
int make_helpers(void);
void clear_helpers(void);
void free_helpers(void);
bool is_started_anew(const struct linux_binprm *bprm);
void note_helper(struct task_struct *task);
bool is_helper(struct task_struct *task);
bool is_host_helper(struct task_struct *task, const struct linux_binprm *bprm, u64 container);
u64 container_of_passage(struct task_struct *task);
void note_passage(struct task_struct *task, u64 container, bool is_host);

/* process.c */
void on_exec(void *data, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm);
void on_exit(void *data, struct task_struct *task);
void on_fork(void *data, struct task_struct *parent, struct task_struct *child);
void on_move(void *data, struct cgroup *cgroup, const char *path, struct task_struct *task, bool is_process);

/* socket.c */
int make_sockets(void);
void clear_sockets(void);
void free_sockets(void);
void on_socket_state(void *data, const struct sock *sk, const int old_state, const int new_state);
void on_socket_end(void *data, struct sock *sk);

static inline bool is_self(const struct task_struct *task)
{
    return task->tgid == READ_ONCE(control->own_pid);
}

/* For RCU readers. */
static inline struct task_struct *parent_of_task(const struct task_struct *task)
{
    return rcu_dereference(task->real_parent);
}

/* Whether a task is the helper of native/argument-reader.c: a child of Collector with this name. For RCU readers. */
static inline bool is_argument_reader(const struct task_struct *task)
{
    return is_self(parent_of_task(task)) && !strncmp(task->group_leader->comm, "argument-reader", COMM_SIZE);
}

static inline bool is_own_process(const struct task_struct *task)
{
    return is_self(task) || is_argument_reader(task);
}

/* Whether a task is the self-check: a child of Collector's, while user space runs one. For RCU readers. */
static inline bool is_self_check(const struct task_struct *task)
{
    return READ_ONCE(control->self_check) && is_self(parent_of_task(task)) && !is_argument_reader(task);
}

/* The name of a process; each thread may have another one. The task may be writing it. */
static inline void copy_name(char *to, const struct task_struct *task)
{
    memcpy(to, task->group_leader->comm, COMM_SIZE);
    to[COMM_SIZE - 1] = 0;
}

/* An address as a number for records: 52 bits of the finaliser of MurmurHash3, keyed. */
static inline u64 number_for_records(const void *address)
{
    u64 h = (unsigned long)address ^ READ_ONCE(control->secret);
    h = (h ^ h >> 33) * 0xff51afd7ed558ccdULL;
    h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53ULL;
    return (h ^ h >> 33) >> 12;
}

/* A program as a number for records. */
static inline u64 image_of(const struct file *program)
{
    return program ? number_for_records(program) : 0;
}

/* The file executed by the current task, NULL if it has none. For comparisons, since it is not referenced. */
static inline const struct file *current_program(void)
{
    return current->mm ? rcu_access_pointer(current->mm->exe_file) : NULL;
}

#endif
