/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * UDP, through programs on the root of the cgroup2 hierarchy, which see the sockets of all below it.
 *
 * A connected socket: scans list it once connect() went well, which its hook comes too early to know; the hook notes
 * whose it is, and one record tells its end. A socket that is connected anew is done with its earlier peer; should the
 * new connect() fail it is not, and the next scan lists it again. What a task does through connect() without an address, to be connected no
 * more, passes by no hook: scans show it. A socket that is not connected: each peer that it sends to or receives from is
 * told of at first sight, then once in a while. Either way a million datagrams cost a handful of records.
 *
 * These programs can be preempted by one another, so they share no memory of their CPU.
 */
#ifndef COLLECTOR_UDP_H
#define COLLECTOR_UDP_H

/* Somebody that a socket without a peer of its own exchanges datagrams with. */
struct udp_peer {
    __u64 cookie;
    __u64 container; /* the socket may be shared */
    __u8 address[16];
    __u16 port;
    __u16 reserved[3];
};

/* When a peer was told of last. One that is forgotten for want of room is only told of sooner. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 1);
    __type(key, struct udp_peer);
    __type(value, __u64);
} udp_peers SEC(".maps");

static __always_inline void emit_udp(__u8 type, const struct owner *o, __u8 state)
{
    if (is_left_out(o)) {
        count_skipped(PROGRAM_UDP);
        return;
    }
    struct socket_record r = {};
    emit(&r, fill_socket(&r, type, o, state), PROGRAM_UDP);
}

/* Whether what the task does with UDP is to be told of, and if so its container. The self-check uses TCP alone. */
static __always_inline bool is_udp_watched(struct task_struct *task, __u64 *container)
{
    struct naming named;
    *container = container_of_task(task, SLOT_TO_BORROW, &named);
    if (*container == CONTAINER_UNJUDGED) {
        count_failed(PROGRAM_UDP);
        return false;
    }
    return (*container || knobs.all_scopes) && !is_self(task) && !is_self_check(task);
}

/* The verifier wants each field read by an offset that is known, so no branch may choose which one is. */
static __always_inline void fill_address(__u8 *address, __u32 v4, const __u32 *v6, bool is_v4)
{
    __u32 *words = (void *)address;
    words[0] = is_v4 ? v4 : v6[0];
    words[1] = is_v4 ? 0 : v6[1];
    words[2] = is_v4 ? 0 : v6[2];
    words[3] = is_v4 ? 0 : v6[3];
}

/* The local side of a socket. */
static __always_inline void read_local(struct owner *o, volatile struct bpf_sock *sk)
{
    __u32 v6[] = {sk->src_ip6[0], sk->src_ip6[1], sk->src_ip6[2], sk->src_ip6[3]};
    o->family = sk->family;
    o->local_port = sk->src_port;
    fill_address(o->local_address, sk->src_ip4, v6, o->family == AF_INET);
}

/* The peer of a connected socket, whose local side was read. */
static __always_inline void read_remote(struct owner *o, volatile struct bpf_sock *sk)
{
    __u32 v6[] = {sk->dst_ip6[0], sk->dst_ip6[1], sk->dst_ip6[2], sk->dst_ip6[3]};
    o->remote_port = __builtin_bswap16(sk->dst_port);
    fill_address(o->remote_address, sk->dst_ip4, v6, o->family == AF_INET);
}

/* A socket may be connected anew, without being closed: then it is done with the peer before. */
static __always_inline int on_udp_connect(struct bpf_sock_addr *ctx)
{
    struct bpf_sock *sk = ctx->sk;
    if (ctx->protocol != IPPROTO_UDP || !sk)
        return 1;
    struct owner *before = sk->state == TCP_ESTABLISHED ? bpf_sk_storage_get(&owners, sk, NULL, 0) : NULL;
    if (before) {
        struct owner end = *before;
        read_local(&end, sk);
        read_remote(&end, sk);
        end.cookie = bpf_get_socket_cookie(ctx);
        emit_udp(RECORD_CLOSE, &end, TCP_CLOSE);
    }
    struct task_struct *task = bpf_get_current_task_btf();
    __u64 container;
    if (!is_udp_watched(task, &container)) {
        bpf_sk_storage_delete(&owners, sk); /* it may have come from a container */
        return 1;
    }
    struct owner *o = bpf_sk_storage_get(&owners, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
    if (!o) {
        count_failed(PROGRAM_UDP);
        return 1;
    }
    set_owner(o, task, container, IPPROTO_UDP);
    o->role = ROLE_UNKNOWN; /* always told from the ports */
    o->opened = bpf_ktime_get_boot_ns();
    return 1;
}

SEC("cgroup/connect4")
int udp_connect4(struct bpf_sock_addr *ctx)
{
    return on_udp_connect(ctx);
}

SEC("cgroup/connect6")
int udp_connect6(struct bpf_sock_addr *ctx)
{
    return on_udp_connect(ctx);
}

/* The last descriptor is closed, by whoever held it and also by its end. */
SEC("cgroup/sock_release")
int udp_release(struct bpf_sock *ctx)
{
    if (ctx->protocol != IPPROTO_UDP || ctx->state != TCP_ESTABLISHED)
        return 1;
    struct owner *o = bpf_sk_storage_get(&owners, ctx, NULL, 0);
    if (!o)
        return 1;
    /* The context is the socket itself; its own view of it would not have the local side here. */
    struct owner end = *o;
    __builtin_memset(end.local_address, 0, 16);
    __builtin_memset(end.remote_address, 0, 16);
    read_tuple_at(&end, (struct sock *)ctx);
    end.cookie = bpf_get_socket_cookie(ctx);
    emit_udp(RECORD_CLOSE, &end, TCP_CLOSE);
    return 1;
}

/* A datagram to or from the address in the context, which is one of IPv6 or not. */
static __always_inline int on_datagram(struct bpf_sock_addr *ctx, bool is_v6, bool is_received)
{
    struct bpf_sock *sk = ctx->sk;
    if (!sk)
        return 1;
    /* What a connected socket receives is from its peer; it may send to others too. */
    if (is_received && sk->state == TCP_ESTABLISHED)
        return 1;
    struct task_struct *task = bpf_get_current_task_btf();
    __u64 container;
    if (!is_udp_watched(task, &container))
        return 1;

    struct owner o = {};
    read_local(&o, sk);
    __u32 *remote = (void *)o.remote_address;
    if (is_v6) {
        remote[0] = ctx->user_ip6[0];
        remote[1] = ctx->user_ip6[1];
        remote[2] = ctx->user_ip6[2];
        remote[3] = ctx->user_ip6[3];
    } else if (o.family == AF_INET6) {
        remote[2] = __builtin_bswap32(0xffff);
        remote[3] = ctx->user_ip4;
    } else {
        remote[0] = ctx->user_ip4;
    }
    __u32 port = ctx->user_port;
    o.remote_port = __builtin_bswap16(port);
    o.cookie = bpf_get_socket_cookie(ctx);

    struct udp_peer peer = {.cookie = o.cookie, .container = container, .port = o.remote_port};
    __builtin_memcpy(peer.address, o.remote_address, 16);
    __u64 now = bpf_ktime_get_boot_ns();
    __u64 *told = bpf_map_lookup_elem(&udp_peers, &peer);
    if (told && now - *told < knobs.udp_window)
        return 1;
    bpf_map_update_elem(&udp_peers, &peer, &now, BPF_ANY);
    set_owner(&o, task, container, IPPROTO_UDP);
    o.role = ROLE_UNKNOWN;
    emit_udp(RECORD_DATAGRAM, &o, TCP_CLOSE);
    return 1;
}

SEC("cgroup/sendmsg4")
int udp_send4(struct bpf_sock_addr *ctx)
{
    return on_datagram(ctx, false, false);
}

SEC("cgroup/sendmsg6")
int udp_send6(struct bpf_sock_addr *ctx)
{
    return on_datagram(ctx, true, false);
}

SEC("cgroup/recvmsg4")
int udp_receive4(struct bpf_sock_addr *ctx)
{
    return on_datagram(ctx, false, true);
}

SEC("cgroup/recvmsg6")
int udp_receive6(struct bpf_sock_addr *ctx)
{
    return on_datagram(ctx, true, true);
}

#endif
