/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Where the owners of sockets are kept: in storage of the socket, by its address, or by the place where it listens.
 */
#ifndef COLLECTOR_OWNERSHIP_H
#define COLLECTOR_OWNERSHIP_H

/*
 * Owners of connecting sockets, by their address. Nothing inherits from them, and an entry here costs a third of
 * storage, with its two allocations and two frees after a grace period. Sockets without room here have storage. Older
 * sockets below Multipath TCP are here too, since the kernel trusts no program with them. So are all, where sockets
 * have no storage.
 */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MOST_BY_ADDRESS);
    __type(key, __u64);
    __type(value, struct owner);
} address_owners SEC(".maps");

static __always_inline struct owner *owner_by_address(const struct sock *sk)
{
    __u64 key = (__u64)sk;
    return bpf_map_lookup_elem(&address_owners, &key);
}

/* False if there is no room. */
static __always_inline bool note_by_address(const struct sock *sk, const struct owner *o)
{
    __u64 key = (__u64)sk;
    return bpf_map_update_elem(&address_owners, &key, o, BPF_ANY) == 0;
}

static __always_inline void forget_by_address(const struct sock *sk)
{
    __u64 key = (__u64)sk;
    bpf_map_delete_elem(&address_owners, &key);
}

/* Whether address_owners ever had a UDP socket: only then is it searched for them. */
static volatile bool has_udp_by_address;

/* The owner of a TCP socket. */
static __always_inline struct owner *owner_of(const struct sock *sk)
{
    struct owner *o = stored_owner_of(sk);
    return o ? o : owner_by_address(sk);
}

/* The owner of a UDP socket: by the pointer of cgroup programs and scans, and by its address. */
static __always_inline struct owner *udp_owner(const void *sk, const struct sock *address)
{
    struct owner *o = stored_owner(sk);
    return o || !has_udp_by_address ? o : owner_by_address(address);
}

/* The owner of a listening or accepted socket: where there is storage, nearly all of them are in it. */
static __always_inline struct owner *server_owner(const struct sock *sk)
{
    return STORES_OWNERS ? stored_owner_of(sk) : owner_by_address(sk);
}

/* Fills in the owner of a socket not connected yet. */
static __always_inline void set_owner(struct owner *o, struct task_struct *task, __u64 container,
                                      __u8 protocol)
{
    o->container = container;
    o->pid = field(task, tgid);
    o->program = program_of(task);
    copy_name(o->comm, task);
    o->protocol = protocol;
    o->phase = PHASE_NEW;
    o->opened = 0;
    o->cookie = 0;
}

/* Forgets the owner: the socket may have come from a container. */
static __always_inline void release_socket(const struct sock *sk)
{
    delete_stored_owner(sk);
    forget_by_address(sk);
}

static __always_inline __u64 net_of(const struct sock *sk)
{
    return (__u64)BPF_CORE_READ(sk, __sk_common.skc_net.net);
}

/* The network namespace of the host: its first process's. */
static volatile __u64 host_net;

/*
 * The container of a socket without a holder: by its own cgroup, its maker's; where cgroup v2 names no containers, by
 * its network namespace. 0 for the host's, and for Collector's own.
 */
static __always_inline __u64 container_of_socket(const struct sock *sk)
{
    struct cgroup *cgroup = NULL;
    if (bpf_core_field_exists(struct sock_cgroup_data, cgroup))
        cgroup = BPF_CORE_READ(sk, sk_cgrp_data.cgroup);
    if (cgroup && BPF_CORE_READ(cgroup, level) > 0) {
        if (cgroup == field(current_task(), cgroups, dfl_cgrp))
            return 0;
        __u64 container = container_of_cgroup(cgroup, SLOT_TO_BORROW);
        return container == CONTAINER_UNJUDGED ? 0 : container;
    }
    __u64 net = net_of(sk);
    __u64 *container = net == host_net ? NULL : bpf_map_lookup_elem(&containers_of_nets, &net);
    return container ? *container : 0;
}

/* Of task->flags, from include/linux/sched.h. */
enum { PF_KTHREAD = 0x00200000 };

/* Fills in the current task, about to connect or to listen, as the owner. False if out of scope: disowns the socket. */
static __always_inline bool claim_socket(const struct sock *sk, struct owner *o, struct task_struct *task,
                                         struct naming *named)
{
    bool is_check = is_self_check(task);
    __u64 container = container_of_task(task, slot_of_socket(), named);
    /* The kernel opens further subflows of Multipath TCP by itself. */
    bool is_kernel = field(task, flags) & PF_KTHREAD;
    if (is_kernel)
        container = container_of_socket(sk);
    if (!is_check && !in_scope(container)) {
        release_socket(sk);
        return false;
    }
    set_owner(o, task, container, IPPROTO_TCP);
    if (is_check)
        o->phase = PHASE_CHECK;
    else if (is_self(task))
        o->phase = PHASE_LEFT_OUT;
    if (is_kernel) {
        o->pid = 0;
        __builtin_memset(o->comm, 0, COMM_SIZE);
    }
    return true;
}

/* Where a socket listens: an address, all zero for any, and a port, of a family and a network namespace. */
struct place {
    __u64 net;
    __u8 address[16];
    __u32 port;
    __u32 family;
};

/*
 * Owners of listening sockets without storage: sockets older than Collector without a descriptor, and sockets of a
 * process that has used up the memory of the socket's options; all, where sockets have no storage. Nothing inherits
 * from an entry of `clients`; an accepted socket finds its owner by the place, or by port 0 where the kernel chose
 * one after listen(). Sockets at one place (SO_REUSEPORT) share the entry of the latest of them.
 */
struct {
    __uint(type, PLACES_MAP);
    __uint(map_flags, PLACES_FLAGS);
    __uint(max_entries, MOST_PLACES);
    __type(key, struct place);
    __type(value, struct owner);
} places SEC(".maps");

/* Whether there was ever one. */
static volatile bool has_places;

/* The place of the local side of a tuple. Sockets accepted by [::] from IPv4 are of IPv6, too. */
static __always_inline void fill_place(struct place *p, const struct sock *sk, const struct owner *tuple)
{
    p->net = net_of(sk);
    __builtin_memcpy(p->address, tuple->local_address, sizeof(p->address));
    p->port = tuple->local_port;
    p->family = tuple->family;
}

/* Keeps the owner of a listening socket, with its tuple, for sockets accepted there. */
static __noinline void note_place(const struct sock *sk, struct owner *owner)
{
    struct place place;
    fill_place(&place, sk, owner);
    const struct owner *known = bpf_map_lookup_elem(&places, &place);
    owner->listening_sockets = known ? known->listening_sockets + 1 : 1;
    owner->socket = (__u64)sk;
    if (bpf_map_update_elem(&places, &place, owner, BPF_ANY))
        count_failed(PROGRAM_SOCKET);
    has_places = true;
}

/* The socket listens there no more. */
static __noinline void leave_place(const struct sock *sk, const struct owner *owner)
{
    struct place place;
    fill_place(&place, sk, owner);
    struct owner *known = bpf_map_lookup_elem(&places, &place);
    if (!known)
        return;
    if (known->listening_sockets > 1)
        known->listening_sockets--;
    else
        bpf_map_delete_elem(&places, &place);
}

/*
 * Keeps the owner for as long as there is the socket. Storage is charged to the socket (net.core.optmem_max), and a
 * process can use it up with a long filter: then the owner is kept by address, at Collector's expense.
 */
static __always_inline void store_owner(const struct sock *sk, struct owner *owner)
{
    struct owner *o = make_stored_owner(sk, NULL);
    if (o) {
        *o = *owner;
        return;
    }
    owner->is_by_address = 1;
    if (!note_by_address(sk, owner))
        count_failed(PROGRAM_SOCKET);
    if (owner->role == ROLE_SERVER)
        note_place(sk, owner);
}

#endif
