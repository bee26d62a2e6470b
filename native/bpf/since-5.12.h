/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * The differences between kernels, for the object for Linux 5.12: atomic operations with a result, and for tracing
 * programs the storage and the cookie of sockets, the socket of a file and a current task with readable fields.
 * since-5.8.h has the same for older kernels.
 */
#ifndef COLLECTOR_SINCE_H
#define COLLECTOR_SINCE_H

/* Read by the add-on before it loads the object, and by no program. */
const volatile struct kernel_version oldest_kernel SEC(".rodata.kernel") = {5, 12};

#include "with-btf.h"

/* A field of a task, a socket or a cgroup, by way of pointers: read directly, ten times cheaper than by a helper. */
#define field(pointer, ...) ___arrow(pointer, __VA_ARGS__)

static __always_inline struct task_struct *current_task(void)
{
    return bpf_get_current_task_btf();
}

/* The name of a process; each thread may have another one. */
static __always_inline void copy_name(char *to, struct task_struct *task)
{
    __builtin_memcpy(to, task->group_leader->comm, COMM_SIZE);
}

/* How often a process has executed a program, including the processes it was forked from. */
static __always_inline __u32 exec_id_of(struct task_struct *task)
{
    return task->self_exec_id;
}

/* The same of its parent when it was forked. */
static __always_inline __u32 parent_exec_id_of(struct task_struct *task)
{
    return task->parent_exec_id;
}

/* Marks a row as lent; false if it was. */
static __always_inline bool mark_lent(__u32 slot, __u32 *is_lent)
{
    return __sync_val_compare_and_swap(is_lent, 0, 1) == 0;
}

static __always_inline void mark_returned(__u32 slot, __u32 *is_lent)
{
    __sync_val_compare_and_swap(is_lent, 1, 0);
}

static __always_inline struct socket *socket_of(struct file *file)
{
    return bpf_sock_from_file(file);
}

enum {
    STORES_OWNERS = 1, /* sockets keep their owners, as far as their options leave memory for it */
    MOST_BY_ADDRESS = 65536,
    MOST_PLACES = 4096,
    PLACES_MAP = BPF_MAP_TYPE_LRU_HASH, /* any process may fill it up */
    PLACES_FLAGS = 0,
};

/* Of listening sockets, and of their children; of UDP sockets; of older sockets with a descriptor. */
struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
    __type(key, int);
    __type(value, struct owner);
} owners SEC(".maps");

/* The owner kept by a socket, NULL if it has none. The socket may be one of a tracing or of a cgroup's program. */
static __always_inline struct owner *stored_owner(const void *sk)
{
    return bpf_sk_storage_get(&owners, (void *)sk, NULL, 0);
}

/* The same of a socket whose fields can be read: most have no storage at all, which a look at the field tells. */
static __always_inline struct owner *stored_owner_of(const struct sock *sk)
{
    return field(sk, sk_bpf_storage) ? stored_owner(sk) : NULL;
}

/* The same; if it has none it gets one: `first`, or for NULL zeros. NULL: there is no memory for it. */
static __always_inline struct owner *make_stored_owner(const void *sk, const struct owner *first)
{
    return bpf_sk_storage_get(&owners, (void *)sk, (void *)first, BPF_SK_STORAGE_GET_F_CREATE);
}

static __always_inline void delete_stored_owner(const void *sk)
{
    bpf_sk_storage_delete(&owners, (void *)sk);
}

enum { STORAGES = 16 }; /* of one socket, looked at */

/* The address of the owner in the storage of a socket known by its address alone; 0 if it has none there. */
static __always_inline __u64 address_of_stored_owner(struct sock *sk)
{
    struct hlist_node *node = BPF_CORE_READ(sk, sk_bpf_storage, list.first);
    for (int i = 0; i < STORAGES && node; i++) {
        struct bpf_local_storage_elem *element =
            (void *)node - bpf_core_field_offset(struct bpf_local_storage_elem, snode);
        if ((__u64)BPF_CORE_READ(element, sdata.smap) == (__u64)&owners)
            return (__u64)element + bpf_core_field_offset(struct bpf_local_storage_elem, sdata) +
                   bpf_core_field_offset(struct bpf_local_storage_data, data);
        node = BPF_CORE_READ(node, next);
    }
    return 0;
}

/* Gives the owner of a TCP socket its cookie. */
static __always_inline void set_cookie(struct owner *o, const struct sock *sk)
{
    o->cookie = bpf_get_socket_cookie((void *)sk);
}

/* The cookie of a socket with a descriptor, the same at each scan. */
static __always_inline __u64 cookie_of_held(struct sock *sk)
{
    return bpf_get_socket_cookie(sk);
}

#endif
