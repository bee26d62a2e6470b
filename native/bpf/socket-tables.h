/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * The listing of TCP and UDP sockets by the kernel's own tables, in all network namespaces, wherever a socket lives:
 * behind descriptors, in an accept queue, in a table of io_uring, in flight over a Unix socket, or in nobody's hands
 * while TCP still works on its end.
 *
 * No iterator does it: iterators over sockets see one network namespace, and iterators over descriptors nothing but
 * descriptors. So this walks the tables itself (include/net/inet_hashtables.h), by reads that can't fault, without
 * locks, as the kernel's lookups do: chains end in 0 or an odd number, and sockets stay sockets while the program
 * runs (RCU). A socket on its way to another chain may be passed over once. It ends nothing: owned connections end by
 * events.
 */
#ifndef COLLECTOR_SOCKET_TABLES_H
#define COLLECTOR_SOCKET_TABLES_H

enum {
    /* Sockets of a bucket. There are fewer of connections; shared ports (SO_REUSEPORT) make long chains. */
    CHAIN_LENGTH = 256,
    CHAIN_BYTES = CHAIN_LENGTH * sizeof(struct socket_record),
    BLOCKS = 512, /* of buckets, in one run */
};

_Static_assert(WALK_BYTES >= 2 * CHAIN_BYTES, "a chain must fit");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct walk);
} walks SEC(".maps");

static __always_inline struct walk *current_walk(void)
{
    __u32 key = 0;
    return bpf_map_lookup_elem(&walks, &key);
}

/* The tables of this process's network namespace: all namespaces share them, unless one has its own. */
static __always_inline struct inet_hashinfo *tcp_tables(void)
{
    struct net *net = BPF_CORE_READ(current_task(), nsproxy, net_ns);
    void *ipv4 = (void *)net + bpf_core_field_offset(struct net, ipv4);
    if (bpf_core_field_exists(struct netns_ipv4___5_18, tcp_death_row))
        return BPF_CORE_READ((struct netns_ipv4___5_18 *)ipv4, tcp_death_row, hashinfo);
    return BPF_CORE_READ((struct netns_ipv4 *)ipv4, tcp_death_row.hashinfo);
}

/*
 * Adopts a socket without owner or holder; false if it is no container's. In a pid namespace it adopts none, nor
 * without iterators: there scan_sockets does not see all holders, and procfs lists their sockets by another cookie.
 */
static __always_inline bool adopt_unheld(struct sock *sk, __u8 protocol, __u8 state, struct owner *o)
{
    if (!HAS_ITERATORS || current_level() > 0)
        return false;
    o->container = container_of_socket(sk);
    if (!o->container)
        return false;
    read_tuple_at(o, sk);
    judge_socket(o, sk, protocol, state);
    if (protocol == IPPROTO_UDP)
        has_udp_by_address = true;
    bool is_hidden = state == TCP_LISTEN ? is_private_listener(o) : is_left_out(o);
    return !is_hidden && adopt_address(sk, o) == ADOPTED;
}

static __always_inline bool find_tcp_owner(struct sock *sk, __u8 state, struct owner *o)
{
    if (!read_owner(sk, o) && !adopt_unheld(sk, IPPROTO_TCP, state, o))
        return false;
    if (o->phase != PHASE_NEW)
        return o->phase == PHASE_REPORTED && is_alive(state);
    /* Not established, as far as events say. */
    if (state == TCP_SYN_SENT && !knobs.pending)
        return false;
    read_tuple_at(o, sk);
    return state == TCP_LISTEN ? !is_private_listener(o) : !is_left_out(o);
}

/*
 * Reads or makes the owner of a UDP socket. Returns false if it is not to be listed: not connected, or without
 * datagrams.
 */
static __always_inline bool find_udp_owner(struct sock *sk, __u8 state, struct owner *o)
{
    if (state != TCP_ESTABLISHED)
        return false;
    if (!read_owner(sk, o) && !adopt_unheld(sk, IPPROTO_UDP, state, o))
        return false;
    read_tuple_at(o, sk);
    return o->remote_port && !is_left_out(o) && !is_unused(sk, o);
}

/* Appends the record of a socket, an address, if it has an owner. */
__noinline int list_socket(__u64 address)
{
    struct walk *walk = current_walk();
    struct sock *sk = (void *)address;
    if (!walk)
        return 1;
    __u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);
    __u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
    if (state != TCP_LISTEN && state != TCP_SYN_SENT && !is_alive(state))
        return 0;
    if (family != AF_INET && family != AF_INET6)
        return 0;
    struct owner o = {};
    bool is_udp = walk->stage == WALK_UDP;
    if (is_udp ? !find_udp_owner(sk, state, &o) : !find_tcp_owner(sk, state, &o))
        return 0;
    bool is_reported = o.phase == PHASE_REPORTED || state == TCP_LISTEN || state == TCP_SYN_SENT;
    struct socket_record r = {};
    __u32 size = fill_scanned(&r, &o, state, is_reported ? FLAG_OWNED : 0), used = walk->used;
    if (used > WALK_BYTES - sizeof(r))
        return 1;
    __builtin_memcpy(&walk->records[used], &r, sizeof(r));
    walk->used = used + size;
    return 0;
}

/* Lists the sockets of a chain by the address of its first node. 1: there are more than are looked at. */
__noinline int list_chain(__u64 node)
{
    for (int i = 0; i < CHAIN_LENGTH; i++) {
        if (!node || node & 1)
            return 0;
        list_socket(node - bpf_core_field_offset(struct sock_common, skc_nulls_node));
        if (bpf_probe_read_kernel(&node, sizeof(node), (void *)node))
            return 0;
    }
    count_skipped(PROGRAM_SOCKET);
    return 1;
}

/* The table of UDP sockets of this process's network namespace. NULL: not known, or their ends are no records. */
static __always_inline struct udp_table *udp_sockets(void)
{
    if (!control.udp_ends)
        return NULL;
    if (bpf_core_field_exists(struct netns_ipv4, udp_table))
        return BPF_CORE_READ(current_task(), nsproxy, net_ns, ipv4.udp_table);
    return (void *)udp_table;
}

static __always_inline void begin_listeners(struct walk *walk, struct inet_hashinfo *tables)
{
    if (!bpf_core_field_exists(struct inet_listen_hashbucket, nulls_head) ||
        !bpf_core_field_exists(struct inet_hashinfo, lhash2))
        return;
    walk->heads = (__u64)BPF_CORE_READ(tables, lhash2) +
                  bpf_core_field_offset(struct inet_listen_hashbucket, nulls_head);
    walk->buckets = BPF_CORE_READ(tables, lhash2_mask) + 1;
}

/* Begins the next table. False if there is none. */
static __always_inline bool begin_table(struct walk *walk)
{
    struct inet_hashinfo *tables = tcp_tables();
    struct udp_table *udp = udp_sockets();
    walk->bucket = walk->buckets = 0;
    walk->lists = tables != NULL;
    if (walk->stage >= WALK_UDP)
        return false;
    walk->stage++;
    if (walk->stage == WALK_UDP && udp) {
        walk->heads = (__u64)BPF_CORE_READ(udp, hash);
        walk->buckets = BPF_CORE_READ(udp, mask) + 1;
    } else if (walk->stage == WALK_CONNECTIONS && tables) {
        walk->heads = (__u64)BPF_CORE_READ(tables, ehash);
        walk->buckets = BPF_CORE_READ(tables, ehash_mask) + 1;
    } else if (walk->stage == WALK_LISTENERS && tables) {
        begin_listeners(walk, tables);
    }
    return true;
}

/* The size of a bucket. It begins with the address of a chain's first node. */
static __always_inline __u32 bucket_size(const struct walk *walk)
{
    if (walk->stage == WALK_LISTENERS)
        return bpf_core_type_size(struct inet_listen_hashbucket);
    return walk->stage == WALK_UDP ? bpf_core_type_size(struct udp_hslot) : sizeof(__u64);
}

/* Reads the next buckets, all their words. How many. */
static __always_inline __u32 read_buckets(struct walk *walk, __u32 size)
{
    __u32 left = walk->buckets - walk->bucket, most = sizeof(walk->block) / size;
    __u32 count = left < most ? left : most, bytes = count * size;
    if (bytes > sizeof(walk->block))
        return 0;
    return bpf_probe_read_kernel(walk->block, bytes, (void *)(walk->heads + (__u64)walk->bucket * size))
               ? 0
               : count;
}

/* Lists the sockets of the next buckets. 1: there is no room for more, or nothing left. */
__noinline int list_block(void)
{
    struct walk *walk = current_walk();
    if (!walk)
        return 1;
    if (walk->bucket >= walk->buckets && !begin_table(walk))
        return 1;
    if (walk->bucket >= walk->buckets)
        return 0;
    __u32 size = bucket_size(walk), count = read_buckets(walk, size);
    if (!count) {
        walk->bucket = walk->buckets;
        return 0;
    }
    for (__u32 i = 0; i < WALK_WORDS; i++) {
        if (i >= count)
            break;
        if (walk->used > WALK_BYTES - CHAIN_BYTES)
            return 1;
        __u64 node = walk->block[(i * size / sizeof(__u64)) & (WALK_WORDS - 1)];
        if (node && !(node & 1))
            list_chain(node);
        walk->bucket++;
    }
    return 0;
}

/*
 * Run by user space, again and again: each run goes on where the one before has stopped, and may find no socket. The
 * walk is over behind the last bucket of the last table.
 */
RUN_ALONE(list_sockets)
{
    struct walk *walk = current_walk();
    if (!walk)
        return END_READ;
    walk->used = 0;
    for (int i = 0; i < BLOCKS; i++)
        if (list_block())
            break;
    return END_READ;
}

#endif
