/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * UDP, through programs on the root of the cgroup2 hierarchy, for the sockets of all cgroups below.
 *
 * A connected socket: scans list it, wherever it is, once connect() went well. The hook of connect() comes too early
 * to know; it notes the owner, and one record reports the end. A socket connected anew is done with its earlier peer;
 * should the new connect() fail it is not, and the next scan lists it again. A connect() without an address
 * disconnects a socket and passes by no hook: the next scan, connect() or release reports its end. An unconnected
 * socket: each peer of its datagrams is reported at first sight, then once in a while. Either way a million datagrams
 * cost a handful of records. Nothing is reported of a connected socket without datagrams (datagrams.h), nor of port
 * 0.
 *
 * The client is the side that connected, else the sender of the first datagram.
 *
 * These programs can be preempted by one another, so they share no memory of their CPU.
 */
#ifndef COLLECTOR_UDP_H
#define COLLECTOR_UDP_H

/*
 * A local port and a peer it exchanges datagrams with, unconnected. Without the socket, as a server may answer by
 * another one bound to the same port.
 */
struct udp_peer {
    __u64 container; /* the socket may be shared */
    __u8 local_address[16];
    __u8 remote_address[16];
    __u16 local_port;
    __u16 remote_port;
    __u32 reserved;
};

struct udp_exchange {
    __u64 reported; /* when its latest record was written */
    __u64 role;     /* of the local port: a server if it received the first datagram */
};

/* The latest exchanges. One forgotten for want of room is only reported sooner, and its role judged anew. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 1);
    __type(key, struct udp_peer);
    __type(value, struct udp_exchange);
} udp_peers SEC(".maps");

/*
 * Finds the container of a task. Returns false if the task's UDP is not to be reported. The self-check uses TCP
 * alone.
 */
static __always_inline bool find_watched_container(struct task_struct *task, __u64 *container)
{
    struct naming named;
    *container = container_of_task(task, SLOT_TO_BORROW, &named);
    if (*container == CONTAINER_UNJUDGED) {
        count_failed(PROGRAM_UDP);
        return false;
    }
    return in_scope(*container) && !is_self(task) && !is_self_check(task);
}

/* The verifier wants each field read at a known offset, so no branch may choose the field. */
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

/* The remote side: the address in the context, of IPv6 or not. */
static __always_inline void read_remote(struct owner *o, struct bpf_sock_addr *ctx, bool is_v6)
{
    __u32 *words = (void *)o->remote_address;
    __builtin_memset(words, 0, 16);
    if (is_v6) {
        words[0] = ctx->user_ip6[0];
        words[1] = ctx->user_ip6[1];
        words[2] = ctx->user_ip6[2];
        words[3] = ctx->user_ip6[3];
    } else if (o->family == AF_INET6) {
        words[2] = __builtin_bswap32(0xffff);
        words[3] = ctx->user_ip4;
    } else {
        words[0] = ctx->user_ip4;
    }
    __u32 port = ctx->user_port;
    o->remote_port = __builtin_bswap16(port);
}

static __always_inline void fill_peer(struct udp_peer *peer, const struct owner *o, __u64 container)
{
    peer->container = container;
    peer->local_port = o->local_port;
    peer->remote_port = o->remote_port;
    __builtin_memcpy(peer->local_address, o->local_address, 16);
    __builtin_memcpy(peer->remote_address, o->remote_address, 16);
}

/* The role of a socket that starts to connect: a server's if the port received from the peer before it sent there. */
static __always_inline __u8 connecting_role(const struct owner *o)
{
    if (!knobs.udp_window || !o->local_port)
        return ROLE_CLIENT;
    struct udp_peer peer = {};
    fill_peer(&peer, o, o->container);
    struct udp_exchange *known = bpf_map_lookup_elem(&udp_peers, &peer);
    if (!known) { /* on all addresses */
        __builtin_memset(peer.local_address, 0, 16);
        known = bpf_map_lookup_elem(&udp_peers, &peer);
    }
    return known && known->role == ROLE_SERVER ? ROLE_SERVER : ROLE_CLIENT;
}

/* The start of an owner kept by address. It takes no room on the stack, scarce here. */
static const struct owner unknown_by_address = {.is_by_address = 1};

/* An owner to be filled in, new or not. By address, if the socket's options have used up the memory for storage. */
static __always_inline struct owner *make_udp_owner(struct bpf_sock *sk, const struct sock *address)
{
    note_udp_table(address);
    struct owner *o = make_stored_owner(sk, NULL);
    if (o)
        return o;
    has_udp_by_address = true;
    note_by_address(address, &unknown_by_address);
    return owner_by_address(address);
}

static __always_inline void release_udp_socket(struct bpf_sock *sk, const struct sock *address)
{
    delete_stored_owner(sk);
    if (has_udp_by_address)
        forget_by_address(address);
}

/* A socket may be connected anew, without being closed: then it is done with the peer before. */
static __always_inline int on_udp_connect(struct bpf_sock_addr *ctx, bool is_v6)
{
    struct bpf_sock *sk = ctx->sk;
    if (ctx->protocol != IPPROTO_UDP || !sk)
        return 1;
    struct sock *address = (void *)number_of(sk);
    __u64 cookie = bpf_get_socket_cookie(ctx);
    struct owner *o = udp_owner(sk, address);
    if (o) {
        end_udp(o, address, cookie);
        note_earlier_peer(o, address);
    }
    struct task_struct *task = current_task();
    __u64 container;
    if (!find_watched_container(task, &container)) {
        release_udp_socket(sk, address); /* it may have come from a container */
        return 1;
    }
    o = make_udp_owner(sk, address);
    if (!o) {
        count_failed(PROGRAM_UDP);
        return 1;
    }
    set_owner(o, task, container, IPPROTO_UDP);
    o->cookie = cookie;
    o->opened = bpf_ktime_get_boot_ns();
    read_local(o, sk);
    read_remote(o, ctx, is_v6);
    o->role = connecting_role(o);
    o->txhash = BPF_CORE_READ(address, sk_txhash);
    o->counts_v6 = o->family == AF_INET6;
    o->datagrams = count_datagrams((__u64)address, o->counts_v6);
    return 1;
}

SEC("cgroup/connect4")
int udp_connect4(struct bpf_sock_addr *ctx)
{
    return on_udp_connect(ctx, false);
}

SEC("cgroup/connect6")
int udp_connect6(struct bpf_sock_addr *ctx)
{
    return on_udp_connect(ctx, true);
}

/* The last descriptor is closed, by its holder or by its holder's end. */
SEC("cgroup/sock_release")
int udp_release(struct bpf_sock *ctx)
{
    if (ctx->protocol != IPPROTO_UDP)
        return 1;
    struct sock *address = (void *)number_of(ctx); /* the context is the socket itself */
    struct owner *o = udp_owner(ctx, address);
    if (!o)
        return 1;
    end_udp(o, address, bpf_get_socket_cookie(ctx));
    if (o->is_by_address)
        forget_by_address(address);
    return 1;
}

/*
 * The role of a port not seen with this peer before. An older socket may have exchanged datagrams with it: it serves
 * if its port was bound and it receives, and is a client if the kernel chose its port.
 */
static __always_inline __u8 first_role(struct bpf_sock *sk, bool is_received)
{
    struct owner *o = udp_owner(sk, (void *)number_of(sk));
    if (o && o->phase == PHASE_OLDER && (!is_received || o->role != ROLE_UNKNOWN))
        return o->role;
    return is_received ? ROLE_SERVER : ROLE_CLIENT;
}

/* A datagram to or from the address in the context, of IPv6 or not. */
static __always_inline int on_datagram(struct bpf_sock_addr *ctx, bool is_v6, bool is_received)
{
    struct bpf_sock *sk = ctx->sk;
    if (ctx->protocol != IPPROTO_UDP || !sk) /* UDP-Lite passes here too */
        return 1;
    /* A connected socket receives from its peer alone; it may send to others too. */
    if (is_received && sk->state == TCP_ESTABLISHED)
        return 1;
    struct task_struct *task = current_task();
    __u64 container;
    if (!find_watched_container(task, &container))
        return 1;

    struct owner o = {};
    read_local(&o, sk);
    read_remote(&o, ctx, is_v6);
    struct udp_peer peer = {};
    fill_peer(&peer, &o, container);
    __u64 now = bpf_ktime_get_boot_ns();
    struct udp_exchange *known = bpf_map_lookup_elem(&udp_peers, &peer);
    if (known && now - known->reported < knobs.udp_window)
        return 1;
    struct udp_exchange next = {.reported = now, .role = known ? known->role : first_role(sk, is_received)};
    bpf_map_update_elem(&udp_peers, &peer, &next, BPF_ANY);
    set_owner(&o, task, container, IPPROTO_UDP);
    o.cookie = bpf_get_socket_cookie(ctx);
    o.role = next.role;
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
