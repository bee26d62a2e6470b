/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * The differences between kernels, for the object for Linux 5.8, without anything of since-5.12.h. A helper reads all
 * fields, as the current task is only an address there. Each owner is kept by the address of its socket, and an
 * accepted socket finds its owner by the place of the listening one. Cookies are made up, unless the kernel has given
 * one.
 */
#ifndef COLLECTOR_SINCE_H
#define COLLECTOR_SINCE_H

#ifndef TRACEPOINT
#include "with-btf.h"
enum { OLDEST_MINOR = 8 };
#endif

/* Read by the add-on before it loads the object, and by no program. */
const volatile struct kernel_version oldest_kernel SEC(".rodata.kernel") = {5, OLDEST_MINOR};

/* A field of a task, a socket or a cgroup, by way of pointers. */
#define field(pointer, ...) BPF_CORE_READ(pointer, __VA_ARGS__)

static __always_inline struct task_struct *current_task(void)
{
    return (struct task_struct *)bpf_get_current_task();
}

/* The name of a process; each thread may have another one. */
static __always_inline void copy_name(char *to, struct task_struct *task)
{
    struct task_struct *leader = BPF_CORE_READ(task, group_leader);
    bpf_core_read(to, COMM_SIZE, &leader->comm);
}

/* How often a process has executed a program, including the processes it was forked from. */
static __always_inline __u32 exec_id_of(struct task_struct *task)
{
    if (bpf_core_field_exists(task->self_exec_id))
        return field(task, self_exec_id);
    return BPF_CORE_READ((struct task_struct___rh *)task, task_struct_rh, self_exec_id);
}

/* The same of its parent when it was forked. */
static __always_inline __u32 parent_exec_id_of(struct task_struct *task)
{
    if (bpf_core_field_exists(task->parent_exec_id))
        return field(task, parent_exec_id);
    return BPF_CORE_READ((struct task_struct___rh *)task, task_struct_rh, parent_exec_id);
}

/* The lent rows. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, SLOTS_TO_LEND);
    __type(key, __u32);
    __type(value, __u32);
} lent SEC(".maps");

/* Marks a row as lent; false if it was. */
static __always_inline bool mark_lent(__u32 slot, __u32 *is_lent)
{
    return bpf_map_update_elem(&lent, &slot, &slot, BPF_NOEXIST) == 0;
}

static __always_inline void mark_returned(__u32 slot, __u32 *is_lent)
{
    bpf_map_delete_elem(&lent, &slot);
}

/* Of inode->i_mode, from include/uapi/linux/stat.h. */
enum { S_IFMT = 0170000, S_IFSOCK = 0140000 };

static __always_inline struct socket *socket_of(struct file *file)
{
    if ((BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
        return NULL;
    return BPF_CORE_READ(file, private_data); /* none behind O_PATH */
}

enum {
    STORES_OWNERS = 0,        /* each owner is kept by address */
    MOST_BY_ADDRESS = 262144, /* it takes 4 MiB to have room for them, and more only as they come */
    MOST_PLACES = 65536,
    PLACES_MAP = BPF_MAP_TYPE_HASH, /* none may be forgotten */
    PLACES_FLAGS = BPF_F_NO_PREALLOC,
};

static __always_inline struct owner *stored_owner(const void *sk)
{
    return NULL;
}

static __always_inline struct owner *stored_owner_of(const struct sock *sk)
{
    return NULL;
}

static __always_inline struct owner *make_stored_owner(const void *sk, const struct owner *first)
{
    return NULL;
}

static __always_inline void delete_stored_owner(const void *sk) {}

static __always_inline __u64 address_of_stored_owner(struct sock *sk)
{
    return 0;
}

/* Gives the owner of a TCP socket its cookie, once: the kernel may give the socket another one later. */
static __always_inline void set_cookie(struct owner *o, const struct sock *sk)
{
    if (!o->cookie)
        o->cookie = cookie_at(sk);
}

/* The cookie of a socket with a descriptor, the same at each scan: made of its address. */
static __always_inline __u64 cookie_of_held(struct sock *sk)
{
    return COOKIE_MADE_UP | number_for_records((__u64)sk);
}

#endif
