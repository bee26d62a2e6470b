/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * TCP: the life of connections and of listening sockets.
 *
 * The task that runs when a TCP state changes is often not the owner (soft interrupts do most of it). It is at two
 * moments: when a socket starts to connect and when it starts to listen. There the owner is noted in storage that
 * belongs to the socket and that an accepted socket inherits, so every later change knows it, without any system call
 * hook.
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
    emit_originator(current_task(), o.container, &named);
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
    /* By now it has a port, which need not be this one. */
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

#endif
