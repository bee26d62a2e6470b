/* SPDX-License-Identifier: GPL-2.0-only */
/* The differences between kernels, and nothing else. The oldest one looked at is 5.4. */
#ifndef COLLECTOR_MODULE_KERNEL_H
#define COLLECTOR_MODULE_KERNEL_H

#include <linux/cgroup.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/vmalloc.h>

/* There, the locks in d_path() and kernfs sleep, and a probe must not. */
#ifdef CONFIG_PREEMPT_RT
#error "The module is not for kernels with PREEMPT_RT"
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 8, 0)
#define copy_from_user_nofault probe_user_read
#define copy_from_kernel_nofault probe_kernel_read
#endif

/* The operations of a file of procfs. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 6, 0)
#define proc_ops file_operations
#define proc_open open
#define proc_release release
#define proc_ioctl unlocked_ioctl
#define proc_lseek llseek
#endif

/* Of pages for user space to map. Before 5.11 the kernel maps none charged to a cgroup. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 11, 0)
#define GFP_MAPPED GFP_KERNEL_ACCOUNT
#else
#define GFP_MAPPED GFP_KERNEL
#endif

/* As __vmalloc(), for data. */
static inline void *allocate_pages_for(size_t bytes, gfp_t flags)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 8, 0)
    return __vmalloc(bytes, flags);
#else
    return __vmalloc(bytes, flags, PAGE_KERNEL);
#endif
}

/* When a task was started, CLOCK_BOOTTIME in ns. */
static inline u64 start_of(const struct task_struct *task)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 5, 0)
    return task->start_boottime;
#else
    return task->real_start_time;
#endif
}

/* The number of a cgroup, never used twice in its hierarchy. */
static inline u64 number_of(const struct cgroup *cgroup)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 5, 0)
    return cgroup->kn->id;
#else
    return cgroup->kn->id.id;
#endif
}

/* Sets and clears flags of a mapping being made. */
static inline void change_mapping(struct vm_area_struct *area, unsigned long set, unsigned long clear)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
    vm_flags_mod(area, set, clear);
#else
    area->vm_flags = (area->vm_flags | set) & ~clear;
#endif
}

/* A reference to the file behind an RCU pointer, NULL if there is none. */
static inline struct file *reference_file(struct file __rcu **place)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
    return get_file_rcu(place);
#else
    struct file *file;
    rcu_read_lock();
    /* get_file_rcu() fails for a file at its end: either there is another one in its place then, or soon none. */
    do
        file = rcu_dereference(*place);
    while (file && !get_file_rcu(file));
    rcu_read_unlock();
    return file;
#endif
}

/*
 * A reference to the file executed by a task, NULL if it has none: get_task_exe_file() is not exported by every
 * kernel. For fput(), a call without any wait.
 */
static inline struct file *executable_of(struct task_struct *task)
{
    struct file *file = NULL;
    task_lock(task);
    if (task->mm && !(task->flags & PF_KTHREAD))
        file = reference_file(&task->mm->exe_file);
    task_unlock(task);
    return file;
}

#endif
