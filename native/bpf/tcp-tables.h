/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * The listing of TCP sockets by the kernel's own tables, in all network namespaces: wherever a socket lives. Behind
 * descriptors, in an accept queue, in a table of io_uring, in flight over a Unix socket, or in nobody's hands while
 * TCP still works on its end.
 *
 * No iterator does that: those over TCP sockets see one network namespace, and those over descriptors none of the
 * above. So this walks the tables itself (include/net/inet_hashtables.h), by reads that can't fault, without locks,
 * as the kernel's lookups do: chains end in an odd number, and sockets stay sockets while the program runs (RCU). A
 * socket that moves to another chain meanwhile may be passed over once, which ends nothing: owned connections end by
 * events.
 */
#ifndef COLLECTOR_TCP_TABLES_H
#define COLLECTOR_TCP_TABLES_H

enum {
    /* Sockets of a bucket. There are fewer of connections; ports that are shared (SO_REUSEPORT) make long chains. */
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

/* The tables that this process's network namespace uses: those of all namespaces, unless one has its own. */
static __always_inline struct inet_hashinfo *tcp_tables(void)
{
    struct net *net = BPF_CORE_READ(current_task(), nsproxy, net_ns);
    void *row = (void *)net + bpf_core_field_offset(struct net, ipv4) +
                bpf_core_field_offset(struct netns_ipv4, tcp_death_row);
    if (bpf_core_field_size(((struct netns_ipv4 *)0)->tcp_death_row) == sizeof(void *))
        bpf_probe_read_kernel(&row, sizeof(row), row);
    return BPF_CORE_READ((struct inet_timewait_death_row *)row, hashinfo);
}

/*
 * Adopts a socket that nobody owns nor holds; false if it is no container's. In a pid namespace it adopts none: there
 * scan_sockets does not see who holds what, and procfs tells of those sockets by another cookie.
 */
static __always_inline bool adopt_unheld(struct sock *sk, __u8 state, struct owner *o)
{
    if (current_level() > 0)
        return false;
    o->container = container_of_socket(sk);
    if (!o->container)
        return false;
    read_tuple_at(o, sk);
    judge_socket(o, sk, IPPROTO_TCP, state);
    bool is_hidden = state == TCP_LISTEN ? is_private_listener(o) : is_left_out(o);
    return !is_hidden && adopt_address(sk, o) == ADOPTED;
}

static __always_inline bool has_listed_owner(struct sock *sk, __u8 state, struct owner *o)
{
    if (!read_owner(sk, o) && !adopt_unheld(sk, state, o))
        return false;
    if (o->phase != PHASE_NEW)
        return o->phase == PHASE_REPORTED && is_alive(state);
    /* Not established, as far as events told. */
    if (state == TCP_SYN_SENT && !knobs.pending)
        return false;
    read_tuple_at(o, sk);
    return state == TCP_LISTEN ? !is_private_listener(o) : !is_left_out(o);
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
    if (!has_listed_owner(sk, state, &o))
        return 0;
    bool is_told = o.phase == PHASE_REPORTED || state == TCP_LISTEN || state == TCP_SYN_SENT;
    struct socket_record r = {};
    __u32 size = fill_scanned(&r, &o, state, is_told ? FLAG_OWNED : 0), used = walk->used;
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

/* Begins the next table: of listening sockets, then of the others. False if there is none. */
static __always_inline bool begin_table(struct walk *walk)
{
    struct inet_hashinfo *tables = tcp_tables();
    walk->bucket = walk->buckets = 0;
    walk->lists = tables != NULL;
    if (!tables || walk->stage >= WALK_STAGES)
        return false;
    walk->stage++;
    if (walk->stage == WALK_STAGES) {
        walk->heads = (__u64)BPF_CORE_READ(tables, ehash);
        walk->buckets = BPF_CORE_READ(tables, ehash_mask) + 1;
    } else if (bpf_core_field_exists(struct inet_listen_hashbucket, nulls_head) &&
               bpf_core_field_exists(struct inet_hashinfo, lhash2)) {
        walk->heads = (__u64)BPF_CORE_READ(tables, lhash2) +
                      bpf_core_field_offset(struct inet_listen_hashbucket, nulls_head);
        walk->buckets = BPF_CORE_READ(tables, lhash2_mask) + 1;
    }
    return true;
}

/* Reads the next buckets, the first address of each chain. How many. */
static __always_inline __u32 read_buckets(struct walk *walk)
{
    __u32 left = walk->buckets - walk->bucket;
    if (walk->stage == WALK_STAGES) {
        __u32 count = left < WALK_HEADS ? left : WALK_HEADS;
        __u64 from = walk->heads + (__u64)walk->bucket * sizeof(__u64);
        return bpf_probe_read_kernel(walk->block, count * sizeof(__u64), (void *)from) ? 0 : count;
    }
    __u64 from = walk->heads + (__u64)walk->bucket * bpf_core_type_size(struct inet_listen_hashbucket);
    return bpf_probe_read_kernel(walk->block, sizeof(__u64), (void *)from) ? 0 : 1;
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
    __u32 count = read_buckets(walk);
    if (!count) {
        walk->bucket = walk->buckets;
        return 0;
    }
    for (__u32 i = 0; i < WALK_HEADS; i++) {
        if (i >= count)
            break;
        if (walk->used > WALK_BYTES - CHAIN_BYTES)
            return 1;
        __u64 node = walk->block[i];
        if (!(node & 1))
            list_chain(node);
        walk->bucket++;
    }
    return 0;
}

/*
 * Run by user space, again and again: each run goes on where the one before has stopped, and may find no socket. The
 * walk is over behind the last bucket of the last table.
 */
SEC("iter/task")
int list_tcp(struct bpf_iter__task *ctx)
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
