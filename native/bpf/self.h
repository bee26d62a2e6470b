/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Collector itself, whose events are left out, and its self-check, which proves that events really flow. */
#ifndef COLLECTOR_SELF_H
#define COLLECTOR_SELF_H

/* The result of a program run alone. */
enum { END_READ = 1 };

/*
 * Run once by user space, before anything is attached: only the kernel knows Collector's number in the initial pid
 * namespace.
 */
RUN_ALONE(note_own_pid)
{
    control.own_pid = bpf_get_current_pid_tgid() >> 32;
    control.secret = (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32();
    return END_READ;
}

/* The level of the current task's pid namespace: 0 is the initial one, with all processes in sight. */
static __always_inline __u32 current_level(void)
{
    return BPF_CORE_READ(current_task(), thread_pid, level);
}

static __always_inline bool is_self(struct task_struct *task)
{
    return (__u32)field(task, tgid) == control.own_pid;
}

/* A process's name, and the same in two words: two comparisons, and not one a letter for the verifier to follow. */
union name {
    char text[COMM_SIZE];
    __u64 words[COMM_SIZE / sizeof(__u64)];
};

/* Whether a task is the helper of native/argument-reader.c: a child of Collector with this name. */
static __always_inline bool is_argument_reader(struct task_struct *task)
{
    if (!is_self(field(task, real_parent)))
        return false;
    static const union name reader = {.text = "argument-reader"};
    union name own;
    copy_name(own.text, task);
    return own.words[0] == reader.words[0] && own.words[1] == reader.words[1];
}

/* Whether a task is Collector or its helper. */
static __always_inline bool is_own_process(struct task_struct *task)
{
    return is_self(task) || is_argument_reader(task);
}

/* Whether a task is the self-check: a child of Collector's, while user space runs one. */
static __always_inline bool is_self_check(struct task_struct *task)
{
    return control.self_check && is_self(field(task, real_parent)) && !is_argument_reader(task);
}

/* Writes a record of the self-check, in place of the record of the same event by anybody else. */
static __always_inline void emit_self_check(__u32 pid, __u32 what, __u32 program)
{
    struct self_check_record r = {
        .header =
            {
                .size = sizeof(r),
                .type = RECORD_SELF_CHECK,
                .pid = pid,
                .time = bpf_ktime_get_boot_ns(),
            },
        .what = what,
    };
    emit(&r, sizeof(r), program);
}

#endif
