/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * TCP: the life of connections and of listening sockets.
 *
 * The current task at a change of a TCP state is often not the owner (soft interrupts do most of it). It is at two
 * moments: when a socket starts to connect and when it starts to listen. There the owner is noted: a connecting
 * socket's in address_owners, or in its storage where that is full; a listening one's in its storage. An accepted
 * socket inherits it, so every later change knows the owner, without any system call hook.
 */
#ifndef COLLECTOR_TCP_STATES_H
#define COLLECTOR_TCP_STATES_H

static __always_inline void on_connect(const struct sock *sk)
{
    struct owner o = {};
    struct naming named;
    if (!claim_socket(sk, &o, current_task(), &named))
        return;
    o.role = ROLE_CLIENT;
    set_cookie(&o, sk);
    o.is_by_address = 1;
    /* A socket with storage goes by it: an accepted one can be disconnected, and connect. */
    if (!stored_owner_of(sk) && note_by_address(sk, &o))
        return;
    o.is_by_address = 0;
    store_owner(sk, &o);
}

/*
 * Writes the originator's record ahead of the socket's: a process that has only forked since is known by nothing
 * else. The scratch memory is exec's. No exec runs here, since the task is calling listen().
 */
static __always_inline void emit_originator(struct task_struct *task, __u64 container,
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

/* Asks for the task twice, for a smaller frame: before Linux 6.2 socket_state's may have 224 bytes. */
static __always_inline void on_listen(const struct sock *sk)
{
    struct naming named;
    struct owner o = {};
    if (!claim_socket(sk, &o, current_task(), &named))
        return;
    read_tuple(&o, sk);
    o.role = ROLE_SERVER; /* of all accepted sockets, too */
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
    emit_originator(current_task(), o.container, &named);
    emit_held(RECORD_LISTEN, &o, TCP_LISTEN, FLAG_LISTENER, current_task());
}

/* Reports that a socket, its tuple read, is established, unless its peer is left out. */
static __always_inline void report_open(struct owner *o, const struct sock *sk)
{
    if (is_left_out(o)) {
        o->phase = PHASE_LEFT_OUT;
        count_skipped(PROGRAM_SOCKET);
        return;
    }
    o->phase = PHASE_REPORTED;
    o->opened = bpf_ktime_get_boot_ns();
    if (o->role == ROLE_SERVER || !o->cookie) /* an accepted socket has inherited the listening one's */
        set_cookie(o, sk);
    emit_socket(RECORD_OPEN, o, TCP_ESTABLISHED);
}

/*
 * The owner of the listening socket at the place of an accepted one: at its address, at any address there, or at a
 * port chosen by the kernel.
 */
static __noinline struct owner *find_listening_owner(const struct sock *sk)
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
    /* By now it has a port, but perhaps not this one. */
    struct sock *at = listener ? (void *)listener->socket : NULL;
    return at && BPF_CORE_READ(at, __sk_common.skc_num) == tuple.local_port ? listener : NULL;
}

/* Gives an accepted socket the owner of the place. */
static __always_inline struct owner *inherit_by_place(const struct sock *sk)
{
    struct owner *listener = find_listening_owner(sk);
    if (!listener)
        return NULL;
    struct owner *o = make_stored_owner(sk, listener);
    if (!o && note_by_address(sk, listener))
        o = owner_by_address(sk);
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

/* Reports an attempt at a connection: nobody answered, or somebody refused. */
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
        read_last_tuple(o, sk); /* it was established unseen */
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
    forget_by_address(sk);
}

/*
 * This side is done with a connection. If it was accepted, the current task held it: these changes of state are made
 * by shutdown() and by the last close(). If the task executes another program than the listening one, it serves the
 * port. An ending process has no program any more: to inherit a descriptor until the end is not to serve.
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
 * The kernel runs no program on top of itself. A soft interrupt on top of socket_state may change the state of
 * another socket: socket_state misses the change. A missed start is made up for at the close, or by a scan before; a
 * missed close here, where every TCP socket comes to its end, once. A second program on inet_sock_set_state would
 * catch either at once, but is run ten times for each connection.
 */
TRACEPOINT("tcp_destroy_sock")
int BPF_PROG(socket_end, const struct sock *sk)
{
    on_close(sk, TCP_CLOSE);
    return 0;
}

#endif
