/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* The scan of sockets by the descriptors of processes. */
#ifndef COLLECTOR_SOCKET_SCAN_H
#define COLLECTOR_SOCKET_SCAN_H

enum { SOCK_RAW = 3 };

/* Finds the internet socket of a file; false if it has none. */
static __always_inline bool find_socket(struct file *file, struct scanned_socket *scanned)
{
    struct socket *socket = socket_of(file);
    struct sock *held = socket ? field(socket, sk) : NULL;
    if (!held)
        return false;
    scanned->held = held;
    __u32 protocol = protocol_of(held);
    scanned->is_multipath = protocol == IPPROTO_MPTCP;
    bool is_udp = protocol == IPPROTO_UDP;
    if (protocol != IPPROTO_TCP && !is_udp && !scanned->is_multipath)
        return false;
    /* A raw socket may have any protocol, and is of none. */
    if (BPF_CORE_READ_BITFIELD_PROBED(held, sk_type) == SOCK_RAW)
        return false;
    scanned->protocol = is_udp ? IPPROTO_UDP : IPPROTO_TCP;
    struct sock *sk = BPF_CORE_READ(socket, sk);
    if (scanned->is_multipath) {
        if (!bpf_core_field_exists(struct mptcp_sock, first))
            return false;
        sk = BPF_CORE_READ((struct mptcp_sock *)sk, first);
    }
    scanned->sk = sk;
    __u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
    return family == AF_INET || family == AF_INET6;
}

/* Reads the state of the socket. Returns true if it listens, has a peer, or is connecting. */
static __always_inline bool read_state(struct scanned_socket *scanned)
{
    struct sock *sk = scanned->sk;
    scanned->state = BPF_CORE_READ(sk, __sk_common.skc_state);
    if (scanned->protocol == IPPROTO_UDP) {
        if (scanned->state == TCP_CLOSE && knobs.udp_listeners && BPF_CORE_READ(sk, __sk_common.skc_num))
            scanned->state = TCP_LISTEN;
        return scanned->state == TCP_LISTEN || scanned->state == TCP_ESTABLISHED;
    }
    return scanned->state == TCP_LISTEN || scanned->state == TCP_SYN_SENT || is_alive(scanned->state);
}

/*
 * Notes that a UDP socket without a peer is older than the programs: the first datagram that they see need not be its
 * first.
 */
static __noinline void note_older(const struct scanned_socket *scanned)
{
    struct sock *sk = scanned->sk;
    if (!knobs.udp_window || control.scanned || scanned->protocol != IPPROTO_UDP ||
        BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_CLOSE)
        return;
    struct owner o = {.phase = PHASE_OLDER, .role = is_port_chosen(sk) ? ROLE_CLIENT : ROLE_UNKNOWN};
    make_older_owner(scanned->held, &o);
}

/* Reports the end of a UDP socket disconnected by a connect() without an address. */
static __noinline void end_disconnected(const struct scanned_socket *scanned)
{
    struct sock *sk = scanned->sk;
    if (!control.udp_ends || scanned->protocol != IPPROTO_UDP ||
        BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_CLOSE)
        return;
    struct owner *known = udp_owner(scanned->held, sk);
    if (!known || !was_connected(known, sk))
        return;
    end_udp(known, sk, known->cookie);
    known->phase = PHASE_ENDED;
}

/*
 * Adopts, as unreported, TCP sockets held by Collector or by a process of the host: held by the host in the network
 * namespace of a container, they must not be taken for the container's.
 */
static __always_inline void adopt_unreported(const struct scanned_socket *scanned, struct owner *o,
                                             struct task_struct *task, __u64 container)
{
    bool is_foreign = host_net && net_of(scanned->sk) != host_net;
    if (scanned->protocol != IPPROTO_TCP || (!is_self(task) && !is_foreign))
        return;
    read_tuple_at(o, scanned->sk);
    set_owner(o, task, container, IPPROTO_TCP);
    o->phase = PHASE_LEFT_OUT;
    adopt_socket(scanned, o);
}

/* Writes the record of a socket held by `task`, with the holder if it listens. */
static __noinline void write_socket(struct seq_file *seq, const struct owner *o, __u8 state, __u8 flags,
                                    struct task_struct *task)
{
    struct held_record r = {};
    __u32 size = state == TCP_LISTEN ? fill_held(&r, RECORD_SOCKET, o, state, task)
                                     : fill_socket(&r.socket, RECORD_SOCKET, o, state);
    r.socket.header.flags = flags;
    bpf_seq_write(seq, &r, size);
}

/* Notes the host's network namespace when a scan passes the first process. */
static __always_inline void note_host_net(struct task_struct *task)
{
    if (field(task, tgid) == 1)
        host_net = (__u64)BPF_CORE_READ(task, nsproxy, net_ns);
}

/*
 * Finds the socket of a file, and settles the past of a UDP socket without a peer. Returns false if there is none to
 * list.
 */
static __always_inline bool find_listed_socket(struct file *file, struct scanned_socket *scanned)
{
    if (!find_socket(file, scanned))
        return false;
    end_disconnected(scanned);
    note_older(scanned);
    return read_state(scanned);
}

/* Fills in the holder, the tuple and the role. Returns false if the settings hide the socket. */
static __always_inline bool fill_scanned_owner(const struct scanned_socket *scanned, struct owner *o,
                                               struct task_struct *task)
{
    struct naming named;
    __u64 container = container_of_task(task, slot_of_scan(), &named);
    if (is_self_check(task))
        return false;
    *o = (struct owner){};
    if (is_self(task) || !in_scope(container)) {
        adopt_unreported(scanned, o, task, container);
        return false;
    }
    if (container)
        note_net(net_of(scanned->sk), container);
    read_tuple_at(o, scanned->sk);
    if (scanned->state == TCP_LISTEN ? is_private_listener(o) : is_left_out(o))
        return false;
    set_owner(o, task, container, scanned->protocol);
    judge_socket(o, scanned->sk, scanned->protocol, scanned->state);
    return true;
}

/* Makes the holder the owner of a socket without one, and returns the flags of its record: 0 for no record. */
static __always_inline __u8 adopt_scanned(const struct scanned_socket *scanned, struct owner *o)
{
    bool is_listening = scanned->state == TCP_LISTEN, is_udp = scanned->protocol == IPPROTO_UDP;
    __u8 flags = FLAG_HELD;
    if (is_udp) {
        if (!adopt_udp(scanned, o, &flags))
            return 0;
    } else if (adopt_socket(scanned, o) != NOT_OWNED) {
        if (!is_listening && control.lists)
            return 0; /* list_sockets lists it */
        flags |= FLAG_OWNED;
    }
    if (scanned->state == TCP_SYN_SENT && !knobs.pending)
        return 0;
    if (is_listening && settle_listening_socket(scanned, o))
        flags |= FLAG_LISTENER;
    return flags;
}

/*
 * Lists every TCP socket and every connected UDP socket with a descriptor, in all network namespaces, a record for each
 * descriptor; with knobs.udp_listeners bound UDP sockets without a peer too. A socket older than Collector gets its
 * owner here, so that its end will be an event. TCP connections with an owner are left to list_sockets, if it works.
 *
 * A descriptor of Multipath TCP leads to a socket above TCP. Its record is of the first TCP socket below, like events.
 */
SEC("iter/task_file")
int scan_sockets(struct bpf_iter__task_file *ctx)
{
    struct task_struct *task = ctx->task;
    struct file *file = ctx->file;
    struct scanned_socket scanned = {};
    if (!task || !file)
        return 0;
    note_host_net(task);
    if (!find_listed_socket(file, &scanned))
        return 0;
    struct owner o;
    if (!fill_scanned_owner(&scanned, &o, task))
        return 0;
    __u8 flags = adopt_scanned(&scanned, &o);
    if (flags)
        write_socket(ctx->meta->seq, &o, scanned.state, flags, task);
    return 0;
}

#endif
