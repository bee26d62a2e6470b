/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * TCP: the life of connections and of listening sockets, and the scan of those that are there.
 *
 * The task that runs when a TCP state changes is often not the owner (soft interrupts do most of it). It is at two
 * moments: when a socket starts to connect and when it starts to listen. There the owner is noted in storage that
 * belongs to the socket and that an accepted socket inherits, so every later change knows it, without any system call
 * hook.
 */
#ifndef COLLECTOR_SOCKET_H
#define COLLECTOR_SOCKET_H

/* TCP states of a connection between its start and its end, half closed ones too: include/net/tcp_states.h. */
enum {
    TCP_ALIVE = 1 << TCP_ESTABLISHED | 1 << TCP_FIN_WAIT1 | 1 << TCP_FIN_WAIT2 | 1 << TCP_CLOSE_WAIT |
                1 << TCP_LAST_ACK | 1 << TCP_CLOSING,
};

static __always_inline bool is_alive(__u32 state)
{
    return state < 32 && (1U << state & TCP_ALIVE);
}

enum { SOCK_RAW = 3 };

/* IPPROTO_*. Before 5.6, and in Red Hat's 4.18, a bit field, which only a helper can read. */
static __always_inline __u32 protocol_of(const struct sock *sk)
{
    if (bpf_core_field_size(sk->sk_protocol) == sizeof(sk->sk_protocol))
        return field(sk, sk_protocol);
    return BPF_CORE_READ_BITFIELD_PROBED(sk, sk_protocol);
}

/*
 * Of sockets that connect, by their address. Nothing inherits from those, and an entry here costs a third of what
 * storage does, which is two allocations and two frees after a grace period. Those that find no room have storage.
 * Older sockets that the kernel trusts no program with are here too: those below Multipath TCP. So are all, where
 * sockets have no storage.
 */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MOST_CLIENTS);
    __type(key, __u64);
    __type(value, struct owner);
} clients SEC(".maps");

static __always_inline struct owner *client_owner(const struct sock *sk)
{
    __u64 key = (__u64)sk;
    return bpf_map_lookup_elem(&clients, &key);
}

/* False if there is no room. */
static __always_inline bool note_client(const struct sock *sk, const struct owner *o)
{
    __u64 key = (__u64)sk;
    return bpf_map_update_elem(&clients, &key, o, BPF_ANY) == 0;
}

static __always_inline void forget_client(const struct sock *sk)
{
    __u64 key = (__u64)sk;
    bpf_map_delete_elem(&clients, &key);
}

/* Whether there was ever one of a UDP socket: only then each of them is looked for. */
static volatile bool has_udp_by_address;

static __always_inline struct owner *owner_of(const struct sock *sk)
{
    struct owner *o = stored_owner(sk);
    return o ? o : client_owner(sk);
}

/* The same of a UDP socket: what cgroup programs and scans hold it by, and its address. */
static __always_inline struct owner *udp_owner(const void *sk, const struct sock *address)
{
    struct owner *o = stored_owner(sk);
    return o || !has_udp_by_address ? o : client_owner(address);
}

/* The same of a socket that listens or was accepted: hardly any of them is kept by address where there is storage. */
static __always_inline struct owner *server_owner(const struct sock *sk)
{
    return STORES_OWNERS ? stored_owner(sk) : client_owner(sk);
}

static __always_inline void read_tuple(struct owner *o, const struct sock *sk)
{
    o->family = field(sk, __sk_common.skc_family);
    __builtin_memset(o->local_address, 0, 16);
    __builtin_memset(o->remote_address, 0, 16);
    if (o->family == AF_INET) {
        __be32 local = field(sk, __sk_common.skc_rcv_saddr), remote = field(sk, __sk_common.skc_daddr);
        __builtin_memcpy(o->local_address, &local, 4);
        __builtin_memcpy(o->remote_address, &remote, 4);
    } else {
        BPF_CORE_READ_INTO(&o->local_address, sk, __sk_common.skc_v6_rcv_saddr);
        BPF_CORE_READ_INTO(&o->remote_address, sk, __sk_common.skc_v6_daddr);
    }
    o->local_port = field(sk, __sk_common.skc_num);
    o->remote_port = __builtin_bswap16(field(sk, __sk_common.skc_dport));
}

static __always_inline bool is_loopback(const __u8 *a, __u8 family)
{
    if (family == AF_INET)
        return a[0] == 127;
    const __u32 *w = (const void *)a;
    if (w[0] || w[1])
        return false;
    if (w[2] == 0 && a[12] == 0 && a[13] == 0 && a[14] == 0 && a[15] == 1)
        return true;
    return a[8] == 0 && a[9] == 0 && a[10] == 0xff && a[11] == 0xff && a[12] == 127;
}

/* Whether the peer is one never reported. */
static __always_inline bool is_left_out(const struct owner *o)
{
    return !knobs.loopback && is_loopback(o->remote_address, o->family);
}

/* Whether a listening socket is bound to the loopback alone, so that nobody reaches it from outside. */
static __always_inline bool is_private_listener(const struct owner *o)
{
    return !knobs.loopback && is_loopback(o->local_address, o->family);
}

/* The bytes of the record, which is all zero before. */
static __always_inline __u32 fill_socket(struct socket_record *r, __u8 type, const struct owner *o, __u8 state)
{
    bool is_v6 = o->family == AF_INET6;
    __u32 size = is_v6 ? sizeof(*r) : SOCKET_RECORD_IPV4;
    r->header.size = size;
    r->header.type = type;
    r->header.pid = o->pid;
    r->header.time = bpf_ktime_get_boot_ns();
    r->header.container = o->container;
    r->cookie = o->cookie;
    r->opened = o->opened;
    r->local_port = o->local_port;
    r->remote_port = o->remote_port;
    r->family = o->family;
    r->protocol = o->protocol;
    r->role = o->role;
    r->state = state;
    __builtin_memcpy(r->comm, o->comm, COMM_SIZE);
    if (is_v6) {
        __builtin_memcpy(r->addresses, o->local_address, 16);
        __builtin_memcpy(r->addresses + 16, o->remote_address, 16);
    } else {
        __builtin_memcpy(r->addresses, o->local_address, 4);
        __builtin_memcpy(r->addresses + 4, o->remote_address, 4);
    }
    return size;
}

/* A record with a holder behind the addresses. */
struct held_record {
    struct socket_record socket;
    struct holder holder;
};

/* The bytes of the record, which is all zero before. */
static __always_inline __u32 fill_held(struct held_record *r, __u8 type, const struct owner *o, __u8 state,
                                       struct task_struct *task)
{
    struct holder holder = {
        .start_time = start_of(field(task, group_leader)),
        .image = image_of(o->program),
    };
    __u32 size = fill_socket(&r->socket, type, o, state) + sizeof(holder);
    if (o->family == AF_INET6)
        r->holder = holder;
    else
        __builtin_memcpy((void *)r + SOCKET_RECORD_IPV4, &holder, sizeof(holder));
    r->socket.header.size = size;
    return size;
}

/*
 * Not inlined, like all that has a record or an owner of its own beside another one: the stacks of programs would be
 * too large for the judgement of cgroups below them, which the verifier holds against 512 bytes.
 */
static __noinline void emit_socket(__u8 type, const struct owner *o, __u8 state)
{
    struct socket_record r = {};
    emit(&r, fill_socket(&r, type, o, state), PROGRAM_SOCKET);
}

/* The same with the holder behind it. */
static __noinline void emit_held(__u8 type, const struct owner *o, __u8 state, __u8 flags,
                                 struct task_struct *task)
{
    struct held_record r = {};
    __u32 size = fill_held(&r, type, o, state, task);
    r.socket.header.flags = flags;
    emit(&r, size, PROGRAM_SOCKET);
}

/* Fills in who owns a socket that is not connected yet. */
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

/* Whether sockets of a task in `container` have an owner. */
static __always_inline bool is_in_scope(__u64 container)
{
    return container || knobs.all_scopes;
}

/* Forgets the owner: the socket may have come from a container. */
static __always_inline void disown_socket(const struct sock *sk)
{
    delete_stored_owner(sk);
    forget_client(sk);
}

static __always_inline __u64 net_of(const struct sock *sk)
{
    return (__u64)BPF_CORE_READ(sk, __sk_common.skc_net.net);
}

/* The network namespace of the host: that of its first process. */
static volatile __u64 host_net;

/*
 * The container of a socket that nobody holds: by its own cgroup, of whoever made it; where cgroup v2 names no
 * containers, by its network namespace. 0 for the host's, and for Collector's own.
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
    if (!is_check && !is_in_scope(container)) {
        disown_socket(sk);
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
 * Owners of listening sockets without storage: those older than Collector that no descriptor holds, and those whose
 * process has used up the memory of the socket's options; all, where sockets have no storage. Nothing inherits from an
 * entry of `clients`; an accepted socket finds its owner by the place, or by port 0 where the kernel chose one after
 * listen(). Sockets that share a place (SO_REUSEPORT) share the entry, which is of the latest of them.
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

/* The place of the local side of a tuple. What [::] accepts from IPv4 is of IPv6, too. */
static __always_inline void fill_place(struct place *p, const struct sock *sk, const struct owner *tuple)
{
    p->net = net_of(sk);
    __builtin_memcpy(p->address, tuple->local_address, sizeof(p->address));
    p->port = tuple->local_port;
    p->family = tuple->family;
}

/* Keeps the owner of a listening socket, with its tuple, for what is accepted there. */
static __noinline void note_place(const struct sock *sk, struct owner *owner)
{
    struct place place;
    fill_place(&place, sk, owner);
    const struct owner *known = bpf_map_lookup_elem(&places, &place);
    owner->listeners = known ? known->listeners + 1 : 1;
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
    if (known->listeners > 1)
        known->listeners--;
    else
        bpf_map_delete_elem(&places, &place);
}

/*
 * Keeps the owner for as long as there is the socket. Storage is charged to the socket (net.core.optmem_max), and a
 * process can use that up with a long filter: then the owner is kept by address, at Collector's expense.
 */
static __always_inline void store_owner(const struct sock *sk, struct owner *owner)
{
    struct owner *o = make_stored_owner(sk, NULL);
    if (o) {
        *o = *owner;
        return;
    }
    owner->is_by_address = 1;
    if (!note_client(sk, owner))
        count_failed(PROGRAM_SOCKET);
    if (owner->role == ROLE_SERVER)
        note_place(sk, owner);
}

static __always_inline void on_connect(const struct sock *sk)
{
    struct owner o = {};
    struct naming named;
    if (!claim_socket(sk, &o, current_task(), &named))
        return;
    o.role = ROLE_CLIENT;
    set_cookie(&o, sk);
    o.is_by_address = 1;
    /* What has storage goes by that: an accepted socket can be taken apart, and connect. */
    if (!stored_owner(sk) && note_client(sk, &o))
        return;
    o.is_by_address = 0;
    store_owner(sk, &o);
}

/*
 * Tells who listens, in a record of its own ahead of the socket's: a process that has only forked since is known by
 * nothing else. The scratch memory is that of exec, which is not running: a task is here that calls listen().
 */
static __always_inline void emit_listener(struct task_struct *task, __u64 container,
                                          const struct naming *named)
{
    __u32 slot = slot_of_process();
    struct process_scratch *s = bpf_map_lookup_elem(&process_scratches, &slot);
    if (!s)
        return;
    s->slot_of_container = slot;
    if (begin_process(s, slot, RECORD_PROCESS, task, container, named))
        emit_process(s, slot, task, PROGRAM_SOCKET);
}

/* Asks for the task twice, for a smaller frame: before Linux 6.2 that of socket_state may have 224 bytes. */
static __always_inline void on_listen(const struct sock *sk)
{
    struct naming named;
    struct owner o = {};
    if (!claim_socket(sk, &o, current_task(), &named))
        return;
    read_tuple(&o, sk);
    o.role = ROLE_SERVER; /* of all that is accepted, too */
    if (o.phase != PHASE_NEW) {
        store_owner(sk, &o);
        return;
    }
    o.opened = bpf_ktime_get_boot_ns();
    set_cookie(&o, sk);
    o.scan = control.socket_scan;
    store_owner(sk, &o);
    if (is_private_listener(&o)) {
        count_skipped(PROGRAM_SOCKET);
        return;
    }
    emit_listener(current_task(), o.container, &named);
    emit_held(RECORD_LISTEN, &o, TCP_LISTEN, FLAG_LISTENER, current_task());
}

/* A socket whose tuple was read is established: tells so, if it is to be told. */
static __always_inline void report_open(struct owner *o, const struct sock *sk)
{
    if (is_left_out(o)) {
        o->phase = PHASE_LEFT_OUT;
        count_skipped(PROGRAM_SOCKET);
        return;
    }
    o->phase = PHASE_REPORTED;
    o->opened = bpf_ktime_get_boot_ns();
    set_cookie(o, sk);
    emit_socket(RECORD_OPEN, o, TCP_ESTABLISHED);
}

/* Who listens at the place of an accepted socket, which may be any address there, or a port chosen by the kernel. */
static __noinline struct owner *find_listener(const struct sock *sk)
{
    struct owner tuple = {};
    struct place place;
    read_tuple(&tuple, sk);
    fill_place(&place, sk, &tuple);
    struct owner *listener = bpf_map_lookup_elem(&places, &place);
    if (listener)
        return listener;
    __builtin_memset(place.address, 0, sizeof(place.address));
    listener = bpf_map_lookup_elem(&places, &place);
    if (listener)
        return listener;
    place.port = 0;
    listener = bpf_map_lookup_elem(&places, &place);
    /* By now it has a port, which need not be this one. */
    struct sock *at = listener ? (void *)listener->socket : NULL;
    return at && BPF_CORE_READ(at, __sk_common.skc_num) == tuple.local_port ? listener : NULL;
}

/* Gives an accepted socket the owner of the place. */
static __always_inline struct owner *inherit_by_place(const struct sock *sk)
{
    struct owner *listener = find_listener(sk);
    if (!listener)
        return NULL;
    struct owner *o = make_stored_owner(sk, listener);
    if (!o && note_client(sk, listener))
        o = client_owner(sk);
    if (o) {
        o->cookie = 0;
        o->local_port = 0; /* its tuple is not read yet */
    }
    return o;
}

static __always_inline void on_established(const struct sock *sk, int old_state)
{
    struct owner *o = owner_of(sk);
    if (!o && has_places && old_state == TCP_SYN_RECV)
        o = inherit_by_place(sk);
    if (!o)
        return;
    if (o->phase == PHASE_CHECK) {
        o->phase = PHASE_CHECK_OPEN;
        emit_self_check(o->pid, SELF_CHECK_OPEN, PROGRAM_SOCKET);
    }
    if (o->phase != PHASE_NEW)
        return;
    read_tuple(o, sk);
    report_open(o, sk);
}

/* The tuple of a socket that ends: by now its port is only kept where it was sent from. */
static __always_inline void read_last_tuple(struct owner *o, const struct sock *sk)
{
    read_tuple(o, sk);
    o->local_port = __builtin_bswap16(BPF_CORE_READ((struct inet_sock *)sk, inet_sport));
}

/* Nobody answered, or somebody refused: tells of a connection that never was. */
static __always_inline void emit_failed(struct owner *o, const struct sock *sk)
{
    read_last_tuple(o, sk);
    if (is_left_out(o)) {
        count_skipped(PROGRAM_SOCKET);
        return;
    }
    set_cookie(o, sk);
    emit_socket(RECORD_CLOSE, o, TCP_CLOSE);
}

static __always_inline void on_close(const struct sock *sk, int old_state)
{
    struct owner *o = owner_of(sk);
    if (!o)
        return;
    if (o->phase == PHASE_NEW && is_alive(old_state)) {
        read_last_tuple(o, sk); /* that it was established passed us by */
        report_open(o, sk);
    }
    if (o->phase == PHASE_NEW && o->role == ROLE_CLIENT && knobs.pending)
        emit_failed(o, sk);
    else if (o->phase == PHASE_NEW && old_state == TCP_LISTEN && !is_private_listener(o))
        emit_socket(RECORD_UNLISTEN, o, TCP_CLOSE);
    else if (o->phase == PHASE_REPORTED)
        emit_socket(RECORD_CLOSE, o, TCP_CLOSE);
    else if (o->phase == PHASE_CHECK_OPEN)
        emit_self_check(o->pid, SELF_CHECK_CLOSE, PROGRAM_SOCKET);
    o->phase = PHASE_ENDED;
    if (!o->is_by_address)
        return;
    if (old_state == TCP_LISTEN)
        leave_place(sk, o);
    forget_client(sk);
}

/*
 * This side is done with a connection. If it was accepted, the current task held it: these changes of state are made by
 * shutdown() and by the last close(). When that executes another program than the one listening, it serves the port.
 * A process that is ending has no program any more, so that nobody serves by inheriting a descriptor until the end.
 */
static __always_inline void on_shutdown(const struct sock *sk)
{
    struct owner *o = server_owner(sk);
    if (!o || o->role != ROLE_SERVER || o->phase != PHASE_REPORTED)
        return;
    struct task_struct *task = current_task();
    __u64 program = program_of(task);
    if (!program || program == o->program)
        return;
    struct naming named;
    __u64 container = container_of_task(task, slot_of_socket(), &named);
    struct owner served = *o;
    served.container = container;
    served.pid = field(task, tgid);
    served.program = program;
    emit_held(RECORD_SERVED, &served, TCP_ESTABLISHED, 0, task);
}

TRACEPOINT("inet_sock_set_state")
int BPF_PROG(socket_state, const struct sock *sk, int old_state, int new_state)
{
    if (protocol_of(sk) != IPPROTO_TCP)
        return 0;
    if (new_state == TCP_SYN_SENT)
        on_connect(sk);
    else if (new_state == TCP_LISTEN)
        on_listen(sk);
    else if (new_state == TCP_ESTABLISHED)
        on_established(sk, old_state);
    else if (new_state == TCP_CLOSE)
        on_close(sk, old_state);
    else if (new_state == TCP_FIN_WAIT1 || new_state == TCP_LAST_ACK)
        on_shutdown(sk);
    return 0;
}

/*
 * The kernel runs no program on top of itself. When a soft interrupt comes while socket_state runs, and changes the
 * state of another socket, that change passes socket_state by. That a connection was established is made up for when
 * it closes, or by a scan before that; that it closed, here, where every TCP socket comes to its end, once. A second
 * program on inet_sock_set_state would catch either at once, but is run ten times for each connection.
 */
TRACEPOINT("tcp_destroy_sock")
int BPF_PROG(socket_end, const struct sock *sk)
{
    on_close(sk, TCP_CLOSE);
    return 0;
}

/* The tuple of a socket that is only an address. */
static __always_inline void read_tuple_at(struct owner *o, struct sock *sk)
{
    o->family = BPF_CORE_READ(sk, __sk_common.skc_family);
    if (o->family == AF_INET) {
        BPF_CORE_READ_INTO((__be32 *)o->local_address, sk, __sk_common.skc_rcv_saddr);
        BPF_CORE_READ_INTO((__be32 *)o->remote_address, sk, __sk_common.skc_daddr);
    } else {
        BPF_CORE_READ_INTO(&o->local_address, sk, __sk_common.skc_v6_rcv_saddr);
        BPF_CORE_READ_INTO(&o->remote_address, sk, __sk_common.skc_v6_daddr);
    }
    o->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
    o->remote_port = __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_dport));
}

/* The record of a socket that a scan lists. `flags` are FLAG_OWNED and FLAG_HELD. */
static __always_inline __u32 fill_scanned(struct socket_record *r, const struct owner *o, __u8 state,
                                          __u8 flags)
{
    __u32 size = fill_socket(r, RECORD_SOCKET, o, state);
    r->header.flags = flags;
    return size;
}

/* Writes the record of a socket that `task` holds, with the holder if it listens. */
static __noinline void write_socket(struct seq_file *seq, const struct owner *o, __u8 state, __u8 flags,
                                    struct task_struct *task)
{
    struct held_record r = {};
    __u32 size = state == TCP_LISTEN ? fill_held(&r, RECORD_SOCKET, o, state, task)
                                     : fill_socket(&r.socket, RECORD_SOCKET, o, state);
    r.socket.header.flags = flags;
    bpf_seq_write(seq, &r, size);
}

/* A socket found by a scan: behind a descriptor of `held`, events are of `sk`. */
struct found_socket {
    struct sock *held; /* trusted by the verifier, where the kernel has storage for it */
    struct sock *sk;   /* an address: `held`, or the first TCP socket below a Multipath TCP socket */
    __u8 protocol;     /* IPPROTO_TCP or IPPROTO_UDP */
    __u8 state;        /* as in socket_record */
    bool is_multipath;
};

/* Finds the internet socket of a file; false if it has none. */
static __always_inline bool find_socket(struct file *file, struct found_socket *found)
{
    struct socket *socket = socket_of(file);
    struct sock *held = socket ? field(socket, sk) : NULL;
    if (!held)
        return false;
    found->held = held;
    __u32 protocol = protocol_of(held);
    found->is_multipath = protocol == IPPROTO_MPTCP;
    bool is_udp = protocol == IPPROTO_UDP;
    if (protocol != IPPROTO_TCP && !is_udp && !found->is_multipath)
        return false;
    /* A raw socket may have any protocol, and is of none. */
    if (BPF_CORE_READ_BITFIELD_PROBED(held, sk_type) == SOCK_RAW)
        return false;
    found->protocol = is_udp ? IPPROTO_UDP : IPPROTO_TCP;
    struct sock *sk = BPF_CORE_READ(socket, sk);
    if (found->is_multipath) {
        if (!bpf_core_field_exists(struct mptcp_sock, first))
            return false;
        sk = BPF_CORE_READ((struct mptcp_sock *)sk, first);
    }
    found->sk = sk;
    __u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
    return family == AF_INET || family == AF_INET6;
}

/* Reads how far the socket is; false if it neither listens nor has a peer, or will have one. */
static __always_inline bool is_in_use(struct found_socket *found)
{
    struct sock *sk = found->sk;
    found->state = BPF_CORE_READ(sk, __sk_common.skc_state);
    if (found->protocol == IPPROTO_UDP) {
        if (found->state == TCP_CLOSE && knobs.udp_listeners && BPF_CORE_READ(sk, __sk_common.skc_num))
            found->state = TCP_LISTEN;
        return found->state == TCP_LISTEN || found->state == TCP_ESTABLISHED;
    }
    return found->state == TCP_LISTEN || found->state == TCP_SYN_SENT || is_alive(found->state);
}

/*
 * The role of a TCP socket older than Collector, as far as the kernel knows it: of a port that connect() has chosen,
 * and nobody has bound, it keeps -1 (__inet_hash_connect() in net/ipv4/inet_hashtables.c).
 */
static __always_inline __u8 role_of(struct sock *sk)
{
    struct inet_bind_bucket *bucket = BPF_CORE_READ((struct inet_connection_sock *)sk, icsk_bind_hash);
    signed char reuse = 0;
    if (bucket)
        reuse = BPF_CORE_READ(bucket, fastreuse);
    return reuse == -1 ? ROLE_CLIENT : ROLE_UNKNOWN;
}

/* Fills in how far a socket older than Collector is, and in which role. */
static __always_inline void judge_socket(struct owner *o, struct sock *sk, __u8 protocol, __u8 state)
{
    o->protocol = protocol;
    if (state == TCP_LISTEN)
        o->role = ROLE_SERVER;
    else if (state == TCP_SYN_SENT)
        o->role = ROLE_CLIENT;
    else
        o->phase = PHASE_REPORTED;
    if (o->phase != PHASE_REPORTED)
        return;
    if (protocol == IPPROTO_TCP)
        o->role = role_of(sk);
    else if (is_port_chosen(sk))
        o->role = ROLE_CLIENT;
}

/* Not inlined: with its record, the stack of on_datagram would be too large for the judgement of cgroups below it. */
static __noinline void emit_udp(__u8 type, const struct owner *o, __u8 state)
{
    /* A datagram may come from port 0, which asks for no answer (RFC 768); none goes there. */
    bool is_nowhere = !o->remote_port && o->role != ROLE_SERVER;
    if (is_nowhere || is_left_out(o)) {
        count_skipped(PROGRAM_UDP);
        return;
    }
    struct socket_record r = {};
    emit(&r, fill_socket(&r, type, o, state), PROGRAM_UDP);
}

/* Whether a socket that has no peer now had one since its owner was noted. */
static __always_inline bool was_connected(const struct owner *o, struct sock *sk)
{
    if (o->phase == PHASE_OLDER || o->phase == PHASE_ENDED)
        return false;
    return o->phase != PHASE_NEW || BPF_CORE_READ(sk, sk_txhash) != o->txhash;
}

/*
 * What UDP sockets that are being connected anew were connected to before, by their addresses: one whose connect()
 * fails still is.
 */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 1024);
    __type(key, __u64);
    __type(value, struct owner);
} earlier_peers SEC(".maps");

static __noinline void note_earlier_peer(const struct owner *o, struct sock *sk)
{
    if (BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_ESTABLISHED)
        return;
    struct owner earlier = *o;
    __u64 key = (__u64)sk;
    __builtin_memset(earlier.local_address, 0, 16);
    __builtin_memset(earlier.remote_address, 0, 16);
    read_tuple_at(&earlier, sk);
    bpf_map_update_elem(&earlier_peers, &key, &earlier, BPF_ANY);
}

/* Takes the tuple that a socket without a peer had, if its latest connect() failed: false if it had none. */
static __always_inline bool take_earlier_peer(struct owner *end, struct sock *sk)
{
    __u64 key = (__u64)sk;
    struct owner *earlier = end->phase == PHASE_NEW ? bpf_map_lookup_elem(&earlier_peers, &key) : NULL;
    if (!earlier || earlier->cookie != end->cookie)
        return false;
    *end = *earlier;
    bpf_map_delete_elem(&earlier_peers, &key);
    return true;
}

/* A socket whose owner is known is done with its peer: reports the end of its connection, if it has had one. */
static __always_inline void end_udp(const struct owner *o, struct sock *sk, __u64 cookie)
{
    struct owner end = *o;
    if (BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_ESTABLISHED) {
        __builtin_memset(end.local_address, 0, 16);
        __builtin_memset(end.remote_address, 0, 16);
        read_tuple_at(&end, sk);
    } else if (!was_connected(o, sk) && !take_earlier_peer(&end, sk)) {
        return;
    }
    if (!end.cookie)
        end.cookie = cookie;
    if (is_unused(sk, o))
        count_skipped(PROGRAM_UDP);
    else
        emit_udp(RECORD_CLOSE, &end, TCP_CLOSE);
}

/*
 * The kernel's table of UDP sockets, before Linux 6.2 known by a socket alone: 0 until one was seen. Later kernels have it
 * in the network namespace, and since 7.2 no more in `proto`.
 */
static volatile __u64 udp_table;

static __always_inline void note_udp_table(const struct sock *sk)
{
    if (!bpf_core_field_exists(struct netns_ipv4, udp_table) && !udp_table)
        udp_table = (__u64)BPF_CORE_READ(sk, __sk_common.skc_prot, h.udp_table);
}

/* Whether an entry of `clients` is of the socket that is at its address now. */
static __always_inline bool is_of(const struct owner *o, struct sock *sk)
{
    if (o->cookie < COOKIE_MADE_UP)
        return o->cookie == (__u64)BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
    if (!o->local_port)
        return true; /* its tuple is not read yet */
    return o->local_port == BPF_CORE_READ(sk, __sk_common.skc_num) &&
           o->remote_port == __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_dport));
}

enum adoption { NOT_OWNED, OWNED_BEFORE, ADOPTED };

/* Copies the owner of a socket that is only an address; false if it has none. */
static __always_inline bool read_owner(struct sock *sk, struct owner *o)
{
    struct owner *client = client_owner(sk);
    if (client && is_of(client, sk)) {
        *o = *client;
        return true;
    }
    __u64 stored = address_of_stored_owner(sk);
    return stored && bpf_probe_read_kernel(o, sizeof(*o), (void *)stored) == 0;
}

/* Makes `o` the owner of a TCP socket that is only an address and has none. */
static __always_inline enum adoption adopt_address(struct sock *sk, struct owner *o)
{
    o->cookie = cookie_at(sk);
    o->is_by_address = 1;
    if (BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_LISTEN)
        note_place(sk, o);
    if (!note_client(sk, o))
        return NOT_OWNED;
    /* From here on its end is an event. It may have been before. */
    if (is_of(o, sk) && BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_CLOSE)
        return ADOPTED;
    forget_client(sk);
    return NOT_OWNED;
}

/* Makes a process that holds a socket the one that is named for it. */
static __always_inline void set_holder(struct owner *known, const struct owner *holder)
{
    known->program = holder->program;
    known->pid = holder->pid;
    __builtin_memcpy(known->comm, holder->comm, COMM_SIZE);
}

/* Names the process that holds a socket which nobody held when it was found. */
static __always_inline void name_holder(struct owner *known, const struct owner *holder)
{
    if (!known->pid)
        set_holder(known, holder);
}

/* The same for one that may have an owner, who stays. `o` gets its cookie. */
static __noinline enum adoption adopt_by_address(struct sock *sk, struct owner *o)
{
    struct owner known = {};
    if (!read_owner(sk, &known))
        return adopt_address(sk, o);
    o->cookie = known.cookie;
    struct owner *client = client_owner(sk);
    if (client)
        name_holder(client, o);
    return OWNED_BEFORE;
}

/* Makes `o` the owner of the socket, so that its end is an event, unless it has one, who stays. `o` gets its cookie. */
static __always_inline enum adoption adopt_socket(const struct found_socket *found, struct owner *o)
{
    if (found->is_multipath || !STORES_OWNERS)
        return adopt_by_address(found->sk, o);
    o->cookie = cookie_of_held(found->held);
    struct owner *client = client_owner(found->held);
    if (client && is_of(client, found->sk)) {
        name_holder(client, o);
        return OWNED_BEFORE;
    }
    if (stored_owner(found->held))
        return OWNED_BEFORE;
    if (make_stored_owner(found->held, o))
        return ADOPTED;
    count_failed(PROGRAM_SOCKET);
    return NOT_OWNED;
}

/* Makes a process that holds a listening socket its owner, and so the owner of all connections accepted from now on. */
static __always_inline void hand_over(struct owner *known, const struct owner *holder)
{
    set_holder(known, holder);
    known->opened = 0; /* it did not call listen() */
    known->container = holder->container;
}

/* The same for what is accepted by place. */
static __noinline void hand_over_place(const struct sock *sk, const struct owner *holder)
{
    struct place place;
    fill_place(&place, sk, holder);
    struct owner *known = bpf_map_lookup_elem(&places, &place);
    if (known)
        hand_over(known, holder);
}

/*
 * Looks whether the container that owns a listening socket still holds it. A scan counts the orphans, and if there are
 * any when it is complete, it is followed by one that settles whose they are.
 */
static __always_inline void settle_owner(const struct sock *sk, struct owner *known,
                                         const struct owner *holder)
{
    __u32 scan = control.socket_scan;
    if (known->scan == scan)
        return;
    if (holder->container != known->container) {
        if (control.settles) {
            hand_over(known, holder);
            if (known->is_by_address)
                hand_over_place(sk, known);
            known->scan = scan;
        } else if (known->contested != scan) {
            known->contested = scan;
            control.orphans++;
        }
        return;
    }
    known->scan = scan;
    if (known->contested == scan)
        control.orphans--;
}

/* Settles whose a listening socket is that `o` holds. Whether that is the process that called listen(). */
static __always_inline bool settle_listener(const struct found_socket *found, const struct owner *o)
{
    if (found->is_multipath || found->protocol != IPPROTO_TCP)
        return false;
    struct owner *known = server_owner(found->held);
    if (!known)
        return false;
    bool is_listener = known->opened && known->pid == o->pid;
    settle_owner(found->sk, known, o);
    return is_listener;
}

/* Keeps that a UDP socket is connected, and its tuple: one that is taken apart has none any more. */
static __always_inline void keep_tuple(struct owner *known, const struct owner *o)
{
    known->phase = PHASE_REPORTED;
    known->family = o->family;
    known->local_port = o->local_port;
    known->remote_port = o->remote_port;
    __builtin_memcpy(known->local_address, o->local_address, 16);
    __builtin_memcpy(known->remote_address, o->remote_address, 16);
}

/*
 * The owner of a UDP socket that a scan has found; if it has none, a copy of `first`. By address only while the end of
 * each UDP socket is seen, where it is forgotten.
 */
static __always_inline struct owner *make_older_owner(struct sock *held, struct owner *first)
{
    if (STORES_OWNERS)
        return make_stored_owner(held, first);
    if (!control.udp_ends)
        return NULL;
    struct owner *known = client_owner(held);
    if (known)
        return known;
    first->is_by_address = 1;
    has_udp_by_address = true;
    return note_client(held, first) ? client_owner(held) : NULL;
}

/*
 * Makes `o` the owner of a UDP socket, or takes over the one it has: events go by that container and role, and so does
 * the scan. False if nothing passed the socket, or could pass it: it is not reported.
 */
static __always_inline bool adopt_udp(const struct found_socket *found, struct owner *o, __u8 *flags)
{
    o->cookie = cookie_of_held(found->held);
    if (found->state == TCP_LISTEN)
        return true; /* the task that connects it will own it */
    note_udp_table(found->sk);
    struct owner *known = make_older_owner(found->held, o);
    if (!known)
        known = udp_owner(found->held, found->sk);
    if (known)
        keep_tuple(known, o);
    if (known) {
        *flags |= control.udp_ends ? FLAG_OWNED : 0;
        o->container = known->container;
        o->opened = known->opened;
        o->role = known->role;
        o->datagrams = known->datagrams;
        o->counts_v6 = known->counts_v6;
    }
    return o->remote_port && !is_unused(found->sk, o);
}

/*
 * Notes that a UDP socket without a peer was there before the programs: the first datagram that they see of it need
 * not be its first.
 */
static __noinline void note_older(const struct found_socket *found)
{
    struct sock *sk = found->sk;
    if (!knobs.udp_window || control.scanned || found->protocol != IPPROTO_UDP ||
        BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_CLOSE)
        return;
    struct owner o = {.phase = PHASE_OLDER, .role = is_port_chosen(sk) ? ROLE_CLIENT : ROLE_UNKNOWN};
    make_older_owner(found->held, &o);
}

/* Tells the end of a UDP socket that was taken apart, by a connect() without an address. */
static __noinline void end_apart(const struct found_socket *found)
{
    struct sock *sk = found->sk;
    if (!control.udp_ends || found->protocol != IPPROTO_UDP ||
        BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_CLOSE)
        return;
    struct owner *known = udp_owner(found->held, sk);
    if (!known || !was_connected(known, sk))
        return;
    end_udp(known, sk, known->cookie);
    known->phase = PHASE_ENDED;
}

/*
 * A holder whose sockets are not reported: Collector itself, or a process of the host. What such a process of the host
 * holds in the network namespace of a container is not to be taken for the container's.
 */
static __always_inline void leave_out(const struct found_socket *found, struct owner *o,
                                      struct task_struct *task, __u64 container)
{
    bool is_foreign = host_net && net_of(found->sk) != host_net;
    if (found->protocol != IPPROTO_TCP || (!is_self(task) && !is_foreign))
        return;
    read_tuple_at(o, found->sk);
    set_owner(o, task, container, IPPROTO_TCP);
    o->phase = PHASE_LEFT_OUT;
    adopt_socket(found, o);
}

/*
 * Every TCP socket and every connected UDP socket that a process holds, in all network namespaces, one record for
 * each descriptor; if wanted, bound UDP sockets without a peer too. One older than Collector gets its owner here, so
 * that its end will be an event. TCP connections with an owner are left to list_sockets, if that works.
 *
 * The descriptor of a Multipath TCP socket is that of a socket above TCP; events are of its first TCP socket, so the
 * scan shows that one.
 */
SEC("iter/task_file")
int scan_sockets(struct bpf_iter__task_file *ctx)
{
    struct task_struct *task = ctx->task;
    struct file *file = ctx->file;
    struct found_socket found = {};
    if (!task || !file)
        return 0;
    if (field(task, tgid) == 1)
        host_net = (__u64)BPF_CORE_READ(task, nsproxy, net_ns);
    if (!find_socket(file, &found))
        return 0;
    end_apart(&found);
    note_older(&found);
    if (!is_in_use(&found))
        return 0;
    struct naming named;
    __u64 container = container_of_task(task, slot_of_scan(), &named);
    if (is_self_check(task))
        return 0;
    struct owner o = {};
    if (is_self(task) || !is_in_scope(container)) {
        leave_out(&found, &o, task, container);
        return 0;
    }
    if (container)
        note_net(net_of(found.sk), container);
    read_tuple_at(&o, found.sk);
    bool is_listening = found.state == TCP_LISTEN, is_udp = found.protocol == IPPROTO_UDP;
    if (is_listening ? is_private_listener(&o) : is_left_out(&o))
        return 0;
    set_owner(&o, task, container, found.protocol);
    judge_socket(&o, found.sk, found.protocol, found.state);
    __u8 flags = FLAG_HELD;
    if (is_udp) {
        if (!adopt_udp(&found, &o, &flags))
            return 0;
    } else if (adopt_socket(&found, &o) != NOT_OWNED) {
        if (!is_listening && control.lists)
            return 0;
        flags |= FLAG_OWNED;
    }
    if (found.state == TCP_SYN_SENT && !knobs.pending)
        return 0;
    if (is_listening && settle_listener(&found, &o))
        flags |= FLAG_LISTENER;
    write_socket(ctx->meta->seq, &o, found.state, flags, task);
    return 0;
}

#endif
