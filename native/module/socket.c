// SPDX-License-Identifier: GPL-2.0-only
// TCP: the life of connections and of listening sockets. The current task is the owner at two moments: when a socket
// starts to connect, and when it starts to listen. There the owner is noted, by the address of the socket; an accepted
// socket finds its owner by the place of the listening one. native/bpf/tcp-states.h has more of the reasons.
#include <linux/in.h>
#include <linux/random.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <net/inet_sock.h>
#include <net/ipv6.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include "collector.h"

// A container alone can have half of each.
enum { MOST_OWNERS = 131072, MOST_PLACES = 32768 };

// How far a connection got. Each step is taken once, however often a probe is asked to.
enum phase {
    PHASE_NEW,      // not established; a listening socket stays here, and accepted ones start here
    PHASE_REPORTED, // established, and its end will be reported
    PHASE_LEFT_OUT, // not to be reported: established with a loopback peer, or Collector's own
    PHASE_ENDED,
    PHASE_CHECK,      // of the self-check: as PHASE_NEW
    PHASE_CHECK_OPEN, // of the self-check: as PHASE_REPORTED
};

struct owner {
    u64 cookie; // of the socket, once it is known
    u64 container;
    u64 opened;  // as in socket_record
    u64 program; // address of the executed file
    // Kept from the moment of establishment: on close the kernel has cleared the source port.
    u8 local_address[16];
    u8 remote_address[16];
    char comm[COMM_SIZE];
    u32 pid;
    u16 local_port;
    u16 remote_port;
    u8 family;
    u8 role;
    u8 phase;
    u8 has_place; // of a listening socket: it is counted at its place
};

// Where a socket listens: an address, all zero for any, and a port, of a family and a network namespace.
struct place {
    u64 net;
    u8 address[16];
    u32 port;
    u32 family;
};

struct listener {
    struct owner owner;
    u64 socket;  // the latest one there, 0 once it has left
    u32 sockets; // how many listen there (SO_REUSEPORT): they share the owner of the latest
    u32 others;  // of them, at most so many are not of the owner's container: if any, scans find who accepts
};

static struct table *owners; // by address of the socket
static struct table *places;
static DEFINE_RAW_SPINLOCK(places_lock); // of the counts of sockets

void free_sockets(void)
{
    free_table(owners);
    free_table(places);
    owners = places = NULL;
}

int make_sockets(void)
{
    owners = make_table(MOST_OWNERS, sizeof(u64), sizeof(struct owner), SHARED);
    places = make_table(MOST_PLACES, sizeof(struct place), sizeof(struct listener), SHARED);
    return owners && places ? 0 : -ENOMEM;
}

void clear_sockets(void)
{
    clear_table(owners);
    clear_table(places);
}

static bool find_owner(const struct sock *sk, struct owner *o)
{
    u64 key = (unsigned long)sk;
    return table_get(owners, &key, o);
}

// False if there is no room, which is counted: scans find the connection.
static bool keep_owner(const struct sock *sk, const struct owner *o)
{
    u64 key = (unsigned long)sk;
    if (table_set_share(owners, &key, o, sharer_of(o->container)))
        return true;
    count_failed(PROGRAM_SOCKET);
    return false;
}

static void forget_owner(const struct sock *sk)
{
    u64 key = (unsigned long)sk;
    table_remove(owners, &key);
}

static bool is_alive(int state)
{
    return (1 << state) & (TCPF_ESTABLISHED | TCPF_FIN_WAIT1 | TCPF_FIN_WAIT2 | TCPF_CLOSE_WAIT |
                           TCPF_LAST_ACK | TCPF_CLOSING);
}

static void read_tuple(struct owner *o, const struct sock *sk)
{
    o->family = sk->sk_family;
    memset(o->local_address, 0, sizeof(o->local_address));
    memset(o->remote_address, 0, sizeof(o->remote_address));
    if (o->family == AF_INET) {
        memcpy(o->local_address, &sk->sk_rcv_saddr, 4);
        memcpy(o->remote_address, &sk->sk_daddr, 4);
    } else {
#if IS_ENABLED(CONFIG_IPV6)
        memcpy(o->local_address, &sk->sk_v6_rcv_saddr, 16);
        memcpy(o->remote_address, &sk->sk_v6_daddr, 16);
#endif
    }
    o->local_port = sk->sk_num;
    o->remote_port = ntohs(sk->sk_dport);
}

// The tuple of an ending socket: by now only inet_sport keeps its port.
static void read_last_tuple(struct owner *o, const struct sock *sk)
{
    read_tuple(o, sk);
    o->local_port = ntohs(inet_sk(sk)->inet_sport);
}

static bool is_loopback(const u8 *a, u8 family)
{
    struct in6_addr v6;
    if (family == AF_INET)
        return a[0] == 127;
    memcpy(&v6, a, sizeof(v6));
    return ipv6_addr_loopback(&v6) || (ipv6_addr_v4mapped(&v6) && a[12] == 127);
}

// Whether the peer is one never reported.
static bool is_left_out(const struct owner *o)
{
    return !knobs.loopback && is_loopback(o->remote_address, o->family);
}

// Whether a listening socket is bound to the loopback alone, out of reach from outside.
static bool is_private_listener(const struct owner *o)
{
    return !knobs.loopback && is_loopback(o->local_address, o->family);
}

// The number of a socket: the kernel's if it has given one, else one as high as no number of the kernel's.
static void set_cookie(struct owner *o, const struct sock *sk)
{
    if (!o->cookie)
        o->cookie = atomic64_read(&sk->sk_cookie);
    if (!o->cookie)
        o->cookie = 3ULL << 62 | get_random_u64() >> 2;
}

// A record with a holder behind the addresses.
struct held_record {
    struct socket_record socket;
    struct holder holder;
};

static u32 fill_socket(struct socket_record *r, enum record_type type, const struct owner *o, u8 state)
{
    u32 length = o->family == AF_INET6 ? 16 : 4;
    u32 size = o->family == AF_INET6 ? sizeof(*r) : SOCKET_RECORD_IPV4;
    r->header.size = size;
    r->header.type = type;
    r->header.pid = o->pid;
    r->header.time = ktime_get_boottime_ns();
    r->header.container = o->container;
    r->cookie = o->cookie;
    r->opened = o->opened;
    r->local_port = o->local_port;
    r->remote_port = o->remote_port;
    r->family = o->family;
    r->protocol = IPPROTO_TCP;
    r->role = o->role;
    r->state = state;
    memcpy(r->comm, o->comm, COMM_SIZE);
    memcpy(r->addresses, o->local_address, length);
    memcpy(r->addresses + length, o->remote_address, length);
    return size;
}

static void emit_socket(enum record_type type, const struct owner *o, u8 state)
{
    struct socket_record r = {};
    emit(&r, fill_socket(&r, type, o, state), PROGRAM_SOCKET);
}

// The same with the holder behind it.
static void emit_held(enum record_type type, const struct owner *o, const struct task_struct *task, u8 state,
                      u8 flags)
{
    struct held_record r = {};
    const struct holder holder = {
        .start_time = start_of(task->group_leader),
        .image = o->program ? number_for_records((void *)(unsigned long)o->program) : 0,
    };
    u32 size = fill_socket(&r.socket, type, o, state);
    memcpy((void *)&r + size, &holder, sizeof(holder));
    size += sizeof(holder);
    r.socket.header.size = size;
    r.socket.header.flags = flags;
    emit(&r, size, PROGRAM_SOCKET);
}

static void fill_place(struct place *p, const struct sock *sk, const struct owner *tuple)
{
    p->net = (unsigned long)sock_net(sk);
    memcpy(p->address, tuple->local_address, sizeof(p->address));
    p->port = tuple->local_port;
    p->family = tuple->family;
}

// Keeps the owner of a listening socket, with its tuple, for sockets accepted there. False if there is no room.
static bool note_place(const struct sock *sk, const struct owner *o)
{
    struct listener listener = {.owner = *o, .socket = (unsigned long)sk, .sockets = 1}, known;
    struct place place;
    unsigned long flags;
    bool is_kept;
    fill_place(&place, sk, o);
    raw_spin_lock_irqsave(&places_lock, flags);
    if (table_get(places, &place, &known)) {
        listener.sockets += known.sockets;
        listener.others = known.others;
        // Sockets without an address share the place of port 0, each with another port: has_port() tells them apart.
        if (place.port && known.sockets > known.others && known.owner.container != o->container) {
            listener.owner = known.owner;
            listener.others++;
        }
    }
    is_kept = table_set_share(places, &place, &listener, sharer_of(o->container));
    raw_spin_unlock_irqrestore(&places_lock, flags);
    return is_kept;
}

// Makes the owner of the last socket at a place the owner of the place, if that socket is the latest.
static void take_last(struct listener *known)
{
    if (known->sockets == 1 && known->others && known->socket &&
        table_get(owners, &known->socket, &known->owner))
        known->others = 0;
}

// The socket listens there no more.
static void leave_place(const struct sock *sk, const struct owner *o)
{
    struct listener known;
    struct place place;
    unsigned long flags;
    fill_place(&place, sk, o);
    raw_spin_lock_irqsave(&places_lock, flags);
    if (table_get(places, &place, &known)) {
        if (known.socket == (unsigned long)sk)
            known.socket = 0;
        if (known.others && known.owner.container != o->container)
            known.others--;
        known.sockets--;
        take_last(&known);
        if (known.sockets == 0)
            table_remove(places, &place);
        else
            table_set(places, &place, &known);
    }
    raw_spin_unlock_irqrestore(&places_lock, flags);
}

// Whether a socket, which may have ended long ago, has this port by now.
static bool has_port(u64 socket, u16 port)
{
    const struct sock *sk = (void *)(unsigned long)socket;
    u16 its;
    return sk && copy_from_kernel_nofault(&its, &sk->sk_num, sizeof(its)) == 0 && its == port;
}

/*
 * The owner of the listening socket at the place of an accepted one: at its address, at any address there, or at a port
 * chosen by the kernel after listen().
 */
static bool find_listener(const struct sock *sk, struct listener *found)
{
    struct owner tuple = {};
    struct place place;
    read_tuple(&tuple, sk);
    fill_place(&place, sk, &tuple);
    if (table_get(places, &place, found))
        return true;
    memset(place.address, 0, sizeof(place.address));
    if (table_get(places, &place, found))
        return true;
    place.port = 0;
    return table_get(places, &place, found) && has_port(found->socket, tuple.local_port);
}

// Gives an accepted socket the owner of the place. Without room for it, its end would be no record: nor is its start.
static bool inherit_by_place(const struct sock *sk, struct owner *o)
{
    struct listener listener;
    if (!find_listener(sk, &listener) || listener.others)
        return false;
    *o = listener.owner;
    o->cookie = 0;
    o->has_place = 0;
    return keep_owner(sk, o);
}

// The container of a socket that the kernel opens by itself, further subflows of Multipath TCP: its maker's.
static u64 container_of_socket(const struct sock *sk)
{
#ifdef CONFIG_SOCK_CGROUP_DATA
    return container_of_cgroup(sock_cgroup_ptr((struct sock_cgroup_data *)&sk->sk_cgrp_data));
#else
    return 0;
#endif
}

// Whoever works on a socket: before Linux 5.12 io_uring has a thread of the kernel do it, in the memory of its process.
static struct task_struct *acting_task(void)
{
#ifdef CONFIG_MEMCG
    if (current->flags & PF_KTHREAD && current->mm) {
        struct task_struct *user = rcu_dereference(current->mm->owner);
        if (user)
            return user;
    }
#endif
    return current;
}

// Fills in a task, about to connect or to listen, as the owner. False if out of scope: disowns the socket.
static bool claim_socket(const struct sock *sk, struct owner *o, struct task_struct *task,
                         struct naming *named)
{
    bool is_check = is_self_check(task), is_kernel = task->flags & PF_KTHREAD;
    memset(o, 0, sizeof(*o));
    o->container = container_of_task(task, named);
    if (is_kernel)
        o->container = container_of_socket(sk);
    else // for its share: who has only forked since its move has no record yet
        outermost_of(o->container, named);
    if (!is_check && !in_scope(o->container)) {
        forget_owner(sk);
        return false;
    }
    if (is_check)
        o->phase = PHASE_CHECK;
    else if (is_self(task))
        o->phase = PHASE_LEFT_OUT;
    o->program = (unsigned long)current_program();
    if (!is_kernel) {
        o->pid = task_tgid_nr(task);
        copy_name(o->comm, task);
    }
    return true;
}

static void on_connect(const struct sock *sk)
{
    struct naming named;
    struct owner o;
    if (!claim_socket(sk, &o, acting_task(), &named))
        return;
    o.role = ROLE_CLIENT;
    set_cookie(&o, sk);
    keep_owner(sk, &o);
}

static void on_listen(const struct sock *sk)
{
    struct naming named;
    struct owner o;
    if (!claim_socket(sk, &o, current, &named))
        return;
    read_tuple(&o, sk);
    o.role = ROLE_SERVER; // of all accepted sockets, too
    if (o.phase == PHASE_NEW) {
        o.opened = ktime_get_boottime_ns();
        set_cookie(&o, sk);
    }
    o.has_place = note_place(sk, &o);
    if (!o.has_place)
        count_failed(PROGRAM_SOCKET);
    // Without room for it, its end would be no record, and nobody would take it from its place.
    if (!keep_owner(sk, &o)) {
        if (o.has_place)
            leave_place(sk, &o);
        return;
    }
    if (o.phase != PHASE_NEW)
        return;
    if (is_private_listener(&o)) {
        count_skipped(PROGRAM_SOCKET);
        return;
    }
    // Ahead of the socket's: a process that has only forked since is known by nothing else.
    emit_process(RECORD_PROCESS, 0, current, o.container, &named, PROGRAM_SOCKET);
    emit_held(RECORD_LISTEN, &o, current, TCP_LISTEN, FLAG_LISTENER);
}

// Reports that a socket, its tuple read, is established, unless its peer is left out.
static void report_open(struct owner *o, const struct sock *sk)
{
    if (is_left_out(o)) {
        o->phase = PHASE_LEFT_OUT;
        count_skipped(PROGRAM_SOCKET);
        return;
    }
    o->phase = PHASE_REPORTED;
    o->opened = ktime_get_boottime_ns();
    set_cookie(o, sk);
    emit_socket(RECORD_OPEN, o, TCP_ESTABLISHED);
}

static void on_established(const struct sock *sk, int old_state)
{
    struct owner o;
    if (!find_owner(sk, &o) && !(old_state == TCP_SYN_RECV && inherit_by_place(sk, &o)))
        return;
    if (o.phase == PHASE_CHECK) {
        o.phase = PHASE_CHECK_OPEN;
        emit_self_check(o.pid, SELF_CHECK_OPEN, PROGRAM_SOCKET);
    } else if (o.phase == PHASE_NEW) {
        read_tuple(&o, sk);
        report_open(&o, sk);
    }
    keep_owner(sk, &o);
}

// Reports an attempt at a connection: nobody answered, or somebody refused.
static void emit_failed(struct owner *o, const struct sock *sk)
{
    read_last_tuple(o, sk);
    if (is_left_out(o)) {
        count_skipped(PROGRAM_SOCKET);
        return;
    }
    set_cookie(o, sk);
    emit_socket(RECORD_CLOSE, o, TCP_CLOSE);
}

static void on_close(const struct sock *sk, int old_state)
{
    struct owner o;
    if (!find_owner(sk, &o))
        return;
    if (old_state == TCP_LISTEN && o.has_place)
        leave_place(sk, &o);
    if (o.phase == PHASE_NEW && is_alive(old_state)) {
        read_last_tuple(&o, sk); // it was established unseen
        report_open(&o, sk);
    }
    if (o.phase == PHASE_NEW && o.role == ROLE_CLIENT && knobs.pending)
        emit_failed(&o, sk);
    else if (o.phase == PHASE_NEW && old_state == TCP_LISTEN && !is_private_listener(&o))
        emit_socket(RECORD_UNLISTEN, &o, TCP_CLOSE);
    else if (o.phase == PHASE_REPORTED)
        emit_socket(RECORD_CLOSE, &o, TCP_CLOSE);
    else if (o.phase == PHASE_CHECK_OPEN)
        emit_self_check(o.pid, SELF_CHECK_CLOSE, PROGRAM_SOCKET);
    forget_owner(sk);
}

/*
 * This side is done with a connection. If it was accepted, the current task held it. If the task executes another
 * program than the listening one, it serves the port. An ending process has no program any more.
 */
static void on_shutdown(const struct sock *sk)
{
    struct naming named;
    struct owner o;
    struct task_struct *task = acting_task();
    u64 program = (unsigned long)current_program();
    if (!in_task() || !find_owner(sk, &o) || o.role != ROLE_SERVER || o.phase != PHASE_REPORTED)
        return;
    if (!program || program == o.program)
        return;
    o.container = container_of_task(task, &named);
    o.pid = task_tgid_nr(task);
    o.program = program;
    emit_held(RECORD_SERVED, &o, task, TCP_ESTABLISHED, 0);
}

void on_socket_state(void *data, const struct sock *sk, const int old_state, const int new_state)
{
    if (sk->sk_protocol != IPPROTO_TCP)
        return;
    rcu_read_lock();
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
    rcu_read_unlock();
}

// Every TCP socket comes to its end here, once: no entry outlives its socket.
void on_socket_end(void *data, struct sock *sk)
{
    rcu_read_lock();
    on_close(sk, TCP_CLOSE);
    rcu_read_unlock();
}
