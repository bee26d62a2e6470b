/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* The scan of sockets by the descriptors of processes. */
#ifndef COLLECTOR_SOCKET_SCAN_H
#define COLLECTOR_SOCKET_SCAN_H

enum { SOCK_RAW = 3 };

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
