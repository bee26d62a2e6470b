/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* The end of a UDP socket with a peer, for scans and for the programs of udp.h. */
#ifndef COLLECTOR_UDP_ENDS_H
#define COLLECTOR_UDP_ENDS_H

/* Not inlined: with its record, the stack of on_datagram would be too large for the judgement of cgroups below it. */
static __noinline void emit_udp(__u8 type, const struct owner *o, __u8 state)
{
    /* A datagram may come from port 0 to ask for no answer (RFC 768); none goes there. */
    bool is_nowhere = !o->remote_port && o->role != ROLE_SERVER;
    if (is_nowhere || is_left_out(o)) {
        count_skipped(PROGRAM_UDP);
        return;
    }
    struct socket_record r = {};
    emit(&r, fill_socket(&r, type, o, state), PROGRAM_UDP);
}

/* Whether a socket without a peer had one since its owner was noted. */
static __always_inline bool was_connected(const struct owner *o, struct sock *sk)
{
    if (o->phase == PHASE_OLDER || o->phase == PHASE_ENDED)
        return false;
    return o->phase != PHASE_NEW || BPF_CORE_READ(sk, sk_txhash) != o->txhash;
}

/*
 * Earlier peers of UDP sockets in a new connect(), by the sockets' addresses: if the connect() fails, the earlier
 * peer stays.
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

/*
 * Takes the earlier tuple of a socket without a peer, if its latest connect() failed. Returns false if there is none.
 */
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

/* Reports the end of a connection when a socket with a known owner is done with its peer, if it has had one. */
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
 * The kernel's table of UDP sockets, before Linux 6.2 known by a socket alone: 0 until one was seen. Later kernels
 * have it in the network namespace, and since 7.2 no more in `proto`.
 */
static volatile __u64 udp_table;

static __always_inline void note_udp_table(const struct sock *sk)
{
    if (!bpf_core_field_exists(struct netns_ipv4, udp_table) && !udp_table)
        udp_table = (__u64)BPF_CORE_READ(sk, __sk_common.skc_prot, h.udp_table);
}

#endif
