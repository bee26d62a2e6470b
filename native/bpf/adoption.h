/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Owners for sockets older than Collector, at a scan. */
#ifndef COLLECTOR_ADOPTION_H
#define COLLECTOR_ADOPTION_H

/* A scanned socket: behind a descriptor of `held`, events are of `sk`. */
struct scanned_socket {
    struct sock *held; /* trusted by the verifier, where the kernel has storage for it */
    struct sock *sk;   /* an address: `held`, or the first TCP socket below a Multipath TCP socket */
    __u8 protocol;     /* IPPROTO_TCP or IPPROTO_UDP */
    __u8 state;        /* as in socket_record */
    bool is_multipath;
};

/*
 * The role of a TCP socket older than Collector, as far as the kernel knows it: of a port chosen by connect(), and
 * bound by nobody, it keeps -1 (__inet_hash_connect() in net/ipv4/inet_hashtables.c).
 */
static __always_inline __u8 role_of_older(struct sock *sk)
{
    struct inet_bind_bucket *bucket = BPF_CORE_READ((struct inet_connection_sock *)sk, icsk_bind_hash);
    signed char reuse = 0;
    if (bucket)
        reuse = BPF_CORE_READ(bucket, fastreuse);
    return reuse == -1 ? ROLE_CLIENT : ROLE_UNKNOWN;
}

/* Fills in the phase and the role of a socket older than Collector. */
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
        o->role = role_of_older(sk);
    else if (is_port_chosen(sk))
        o->role = ROLE_CLIENT;
}

/* Whether an entry of `clients` is of the socket now at its address. */
static __always_inline bool is_owner_of(const struct owner *o, struct sock *sk)
{
    if (o->cookie < COOKIE_MADE_UP)
        return o->cookie == (__u64)BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
    if (!o->local_port)
        return true; /* its tuple is not read yet */
    return o->local_port == BPF_CORE_READ(sk, __sk_common.skc_num) &&
           o->remote_port == __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_dport));
}

enum adoption { NOT_OWNED, OWNED_BEFORE, ADOPTED };

/* Copies the owner of a socket known by its address alone; false if it has none. */
static __always_inline bool read_owner(struct sock *sk, struct owner *o)
{
    struct owner *by_address = owner_by_address(sk);
    if (by_address && is_owner_of(by_address, sk)) {
        *o = *by_address;
        return true;
    }
    __u64 stored = address_of_stored_owner(sk);
    return stored && bpf_probe_read_kernel(o, sizeof(*o), (void *)stored) == 0;
}

/* Makes `o` the owner of a TCP socket known by its address alone, and without an owner. */
static __always_inline enum adoption adopt_address(struct sock *sk, struct owner *o)
{
    o->cookie = cookie_at(sk);
    o->is_by_address = 1;
    if (BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_LISTEN)
        note_place(sk, o);
    if (!note_by_address(sk, o))
        return NOT_OWNED;
    /* From here on its end is an event. It may have been before. */
    if (is_owner_of(o, sk) && BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_CLOSE)
        return ADOPTED;
    forget_by_address(sk);
    return NOT_OWNED;
}

/* Makes `holder` the process that is named for a socket. */
static __always_inline void set_holder(struct owner *known, const struct owner *holder)
{
    known->program = holder->program;
    known->pid = holder->pid;
    __builtin_memcpy(known->comm, holder->comm, COMM_SIZE);
}

/* Names the holder of a socket that had none when it was adopted. */
static __always_inline void name_holder(struct owner *known, const struct owner *holder)
{
    if (!known->pid)
        set_holder(known, holder);
}

/* The same for a socket with or without an owner. An earlier owner stays, and `o` gets the cookie. */
static __noinline enum adoption adopt_by_address(struct sock *sk, struct owner *o)
{
    struct owner known = {};
    if (!read_owner(sk, &known))
        return adopt_address(sk, o);
    o->cookie = known.cookie;
    struct owner *by_address = owner_by_address(sk);
    if (by_address)
        name_holder(by_address, o);
    return OWNED_BEFORE;
}

/* Makes `o` the owner of the socket, so its end is an event. An earlier owner stays, and `o` gets the cookie. */
static __always_inline enum adoption adopt_socket(const struct scanned_socket *scanned, struct owner *o)
{
    if (scanned->is_multipath || !STORES_OWNERS)
        return adopt_by_address(scanned->sk, o);
    o->cookie = cookie_of_held(scanned->held);
    struct owner *by_address = owner_by_address(scanned->held);
    if (by_address && is_owner_of(by_address, scanned->sk)) {
        name_holder(by_address, o);
        return OWNED_BEFORE;
    }
    if (stored_owner(scanned->held))
        return OWNED_BEFORE;
    if (make_stored_owner(scanned->held, o))
        return ADOPTED;
    count_failed(PROGRAM_SOCKET);
    return NOT_OWNED;
}

/* Makes a holder of a listening socket its owner, and so the owner of all connections accepted from now on. */
static __always_inline void hand_over(struct owner *known, const struct owner *holder)
{
    set_holder(known, holder);
    known->opened = 0; /* it did not call listen() */
    known->container = holder->container;
}

/* The same for sockets accepted by place. */
static __noinline void hand_over_place(const struct sock *sk, const struct owner *holder)
{
    struct place place;
    fill_place(&place, sk, holder);
    struct owner *known = bpf_map_lookup_elem(&places, &place);
    if (known)
        hand_over(known, holder);
}

/*
 * Looks whether the owning container of a listening socket still holds it. A scan counts the orphans. If it ends with
 * any, another scan follows and gives each to a holder.
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

/* Settles the owner of a listening socket held by `o`. Returns whether `o` is the originator. */
static __always_inline bool settle_listening_socket(const struct scanned_socket *scanned,
                                                    const struct owner *o)
{
    if (scanned->is_multipath || scanned->protocol != IPPROTO_TCP)
        return false;
    struct owner *known = server_owner(scanned->held);
    if (!known)
        return false;
    bool is_originator = known->opened && known->pid == o->pid;
    settle_owner(scanned->sk, known, o);
    return is_originator;
}

/* Keeps the tuple of a connected UDP socket: a disconnected one has none any more. */
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
 * The owner of a scanned UDP socket; if it has none, a copy of `first`. By address only while the end of each UDP
 * socket is seen: it forgets the entry.
 */
static __always_inline struct owner *make_older_owner(struct sock *held, struct owner *first)
{
    if (STORES_OWNERS)
        return make_stored_owner(held, first);
    if (!control.udp_ends)
        return NULL;
    struct owner *known = owner_by_address(held);
    if (known)
        return known;
    first->is_by_address = 1;
    has_udp_by_address = true;
    return note_by_address(held, first) ? owner_by_address(held) : NULL;
}

/*
 * Makes `o` the owner of a UDP socket, or takes over the one it has: events and scan go by one container and role.
 * Returns false if nothing passed the socket, or could pass it: it is not reported.
 */
static __always_inline bool adopt_udp(const struct scanned_socket *scanned, struct owner *o, __u8 *flags)
{
    o->cookie = cookie_of_held(scanned->held);
    if (scanned->state == TCP_LISTEN)
        return true; /* the connecting task will own it */
    note_udp_table(scanned->sk);
    struct owner *known = make_older_owner(scanned->held, o);
    if (!known)
        known = udp_owner(scanned->held, scanned->sk);
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
    return o->remote_port && !is_unused(scanned->sk, o);
}

#endif
