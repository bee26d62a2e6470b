/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Reads the fields of a socket, and writes its record. */
#ifndef COLLECTOR_SOCKET_RECORD_H
#define COLLECTOR_SOCKET_RECORD_H

/* TCP states of a connection between its start and its end, half closed ones too: include/net/tcp_states.h. */
enum {
    TCP_ALIVE = 1 << TCP_ESTABLISHED | 1 << TCP_FIN_WAIT1 | 1 << TCP_FIN_WAIT2 | 1 << TCP_CLOSE_WAIT |
                1 << TCP_LAST_ACK | 1 << TCP_CLOSING,
};

static __always_inline bool is_alive(__u32 state)
{
    return state < 32 && (1U << state & TCP_ALIVE);
}

/* IPPROTO_*. Before 5.6, and in Red Hat's 4.18, a bit field, readable by a helper alone. */
static __always_inline __u32 protocol_of(const struct sock *sk)
{
    if (bpf_core_field_size(sk->sk_protocol) == sizeof(sk->sk_protocol))
        return field(sk, sk_protocol);
    return BPF_CORE_READ_BITFIELD_PROBED(sk, sk_protocol);
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

/* The tuple of a socket known by its address alone. */
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

/* The tuple of an ending socket: by now only inet_sport keeps its port. */
static __always_inline void read_last_tuple(struct owner *o, const struct sock *sk)
{
    read_tuple(o, sk);
    o->local_port = __builtin_bswap16(BPF_CORE_READ((struct inet_sock *)sk, inet_sport));
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

/* Whether a listening socket is bound to the loopback alone, out of reach from outside. */
static __always_inline bool is_private_listener(const struct owner *o)
{
    return !knobs.loopback && is_loopback(o->local_address, o->family);
}

/* Returns the bytes of the record, which has to be all zero before. */
static __always_inline __u32 fill_socket(struct socket_record *r, __u8 type, const struct owner *o, __u8 state)
{
    bool is_v6 = o->family == AF_INET6;
    __u32 size = is_v6 ? sizeof(*r) : SOCKET_RECORD_IPV4;
    r->header.size = size;
    r->header.type = type;
    r->header.pid = o->pid;
    r->header.time = type == RECORD_OPEN ? o->opened : bpf_ktime_get_boot_ns();
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

/* Returns the bytes of the record, which has to be all zero before. */
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
 * Not inlined, like all functions with a record or an owner beside another one: the stacks of programs would be too
 * large for the judgement of cgroups below them. The verifier allows 512 bytes in all.
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

/* The record of a scanned socket. `flags` are FLAG_OWNED and FLAG_HELD. */
static __always_inline __u32 fill_scanned(struct socket_record *r, const struct owner *o, __u8 state,
                                          __u8 flags)
{
    __u32 size = fill_socket(r, RECORD_SOCKET, o, state);
    r->header.flags = flags;
    return size;
}

#endif
