/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Proves that no datagram passed a connected UDP socket, such as the one by which getaddrinfo() asks for a source
 * address (RFC 6724, section 5).
 *
 * No field of a socket tells: a datagram of IPv6 leaves none changed, and the counter of IPv4's identifications
 * starts anew, at random, behind the hook of connect(). So this goes by the counters of the network namespace
 * (netstat -su): unchanged since before connect(), they prove that nobody in the namespace has sent or read a
 * datagram. If they moved, the socket counts as used. No process can take them back.
 */
#ifndef COLLECTOR_DATAGRAMS_H
#define COLLECTOR_DATAGRAMS_H

/*
 * Holds nothing. The distance from the kernel's pointer to an element to the element of a CPU is the same for every
 * per-CPU pointer: it leads to the copies of counters, without symbols of the kernel.
 */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} cpu_areas SEC(".maps");

enum {
    MOST_CPUS_SUMMED = 256,    /* some 20 ns each; with more of them every connected socket counts as used */
    UNKNOWN_DATAGRAMS = 0,     /* no sum: sums are one too high */
    SOCK_BINDPORT_LOCK = 8,    /* include/net/sock.h: bind() chose the port */
    SK_INCOMING_CPU_NONE = -1, /* nothing was received while connected */
};

/* The counters from UDP_MIB_INDATAGRAMS on, from include/uapi/linux/snmp.h. */
struct udp_counters {
    __u64 in, no_ports, in_errors, out;
};

/* @param address of one CPU's counters */
static __always_inline __u64 sum_counters(__u64 address)
{
    /*
     * A datagram without a place at its reader, or with a wrong checksum, counts as an error, and may have been read.
     */
    struct udp_counters counters = {};
    bpf_probe_read_kernel(&counters, sizeof(counters),
                          (void *)(address + sizeof(__u64))); /* behind UDP_MIB_NUM */
    return counters.in + counters.in_errors + counters.out;
}

/* Linux 5.19. Asked in each function, since the verifier sees each of them by itself. */
static __always_inline bool can_look_at_cpus(void)
{
    return bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_map_lookup_percpu_elem);
}

/* No sum: the CPU can't be there. */
#define NOT_A_CPU (~0ULL)

/*
 * Datagrams by the counters of one CPU. The addresses are those of the first CPU's, 0 for none. A function of its
 * own, like the bodies of other loops: the verifier sees it once and not in each turn.
 */
__noinline __u64 count_on_cpu(__u64 v4, __u64 v6, __u32 cpu)
{
    __u32 zero = 0;
    if (!can_look_at_cpus())
        return NOT_A_CPU;
    const void *first = bpf_map_lookup_percpu_elem(&cpu_areas, &zero, 0);
    const void *element = bpf_map_lookup_percpu_elem(&cpu_areas, &zero, cpu);
    if (!first || !element)
        return NOT_A_CPU;
    __s64 distance = element - first;
    return sum_counters(v4 + distance) + (v6 ? sum_counters(v6 + distance) : 0);
}

/* Datagrams sent or read in the socket's network namespace, plus one; UNKNOWN_DATAGRAMS if it is not known. */
__noinline __u64 count_datagrams(__u64 socket, bool is_v6)
{
    if (!can_look_at_cpus() || knobs.cpus > MOST_CPUS_SUMMED)
        return UNKNOWN_DATAGRAMS;
    __u32 zero = 0;
    const void *first = bpf_map_lookup_percpu_elem(&cpu_areas, &zero, 0);
    if (!first)
        return UNKNOWN_DATAGRAMS;
    __u64 pointer = 0;
    bpf_probe_read_kernel(&pointer, sizeof(pointer),
                          (void *)(number_of(&cpu_areas) + bpf_core_field_offset(struct bpf_array, pptrs)));
    struct net *net = BPF_CORE_READ((struct sock *)socket, __sk_common.skc_net.net);
    __u64 v4 = (__u64)BPF_CORE_READ(net, mib.udp_statistics), v6 = 0;
    if (is_v6 && bpf_core_field_exists(net->mib.udp_stats_in6))
        v6 = (__u64)BPF_CORE_READ(net, mib.udp_stats_in6);
    if (!pointer || !v4)
        return UNKNOWN_DATAGRAMS;
    __u64 area = number_of(first) - pointer, sum = 1;
    v4 += area;
    if (v6) /* its peer may be one of IPv4 */
        v6 += area;
    for (__u32 cpu = 0; cpu < MOST_CPUS_SUMMED; cpu++) {
        __u64 count = count_on_cpu(v4, v6, cpu);
        if (count == NOT_A_CPU)
            break;
        sum += count;
    }
    return sum;
}

/*
 * Whether the socket received nothing, sent nothing, and belongs to no tunnel in the kernel, since the sum was taken.
 */
static __always_inline bool is_unused(struct sock *sk, const struct owner *o)
{
    return o->datagrams != UNKNOWN_DATAGRAMS &&
           BPF_CORE_READ(sk, __sk_common.skc_incoming_cpu) == SK_INCOMING_CPU_NONE &&
           !BPF_CORE_READ(sk, sk_backlog.rmem_alloc.counter) &&
           !BPF_CORE_READ((struct udp_sock *)sk, encap_type) &&
           count_datagrams((__u64)sk, o->counts_v6) == o->datagrams;
}

/* Whether the kernel chose the local port, as it does for a client. */
static __always_inline bool is_port_chosen(struct sock *sk)
{
    return !(BPF_CORE_READ_BITFIELD_PROBED(sk, sk_userlocks) & SOCK_BINDPORT_LOCK);
}

#endif
