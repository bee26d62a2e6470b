/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* The owner of a socket: the process that connected it, or that listens where it was accepted. */
#ifndef COLLECTOR_OWNER_H
#define COLLECTOR_OWNER_H

struct owner {
    __u64 cookie; /* of the socket, once it is known */
    __u64 container;
    char comm[COMM_SIZE];
    __u64 opened; /* as in socket_record */
    /* Kept from the moment of establishment: on close the kernel has cleared the source port. */
    __u8 local_address[16];
    __u8 remote_address[16];
    union {
        __u64 datagrams; /* of UDP: count_datagrams() when it connected, by counts_v6 */
        __u64 socket;    /* in an entry of `places`: the address of the listening socket */
    };
    __u64 program; /* as program_of: the executed file */
    __u32 txhash; /* of UDP: the socket's when it started to connect; connect() gives it another if it goes well */
    __u32 pid;
    __u32 scan;      /* of a listening socket: number of the latest scan to find it in the owning container */
    __u32 contested; /* the same of other containers, before it was found in the owning one */
    __u16 local_port;
    __u16 remote_port;
    __u8 family;
    __u8 protocol; /* IPPROTO_TCP or IPPROTO_UDP */
    __u8 role;
    __u8 phase;         /* enum phase */
    __u8 is_by_address; /* 1: an entry of `clients`, not storage of the socket */
    __u8 counts_v6;     /* 1: it was of IPv6 when it connected: it may become one of IPv4 (IPV6_ADDRFORM) */
    __u8 reserved[2];
    __u32 listening_sockets; /* in an entry of `places`: how many sockets listen there */
};

/* How far a connection got. Each step is taken once, however often the programs are asked to. */
enum phase {
    PHASE_NEW = 0,      /* not established; a listening socket stays here, and accepted ones start here */
    PHASE_REPORTED = 1, /* established, and its end will be reported */
    PHASE_LEFT_OUT = 2, /* not to be reported: established with a loopback peer, or Collector's own */
    PHASE_ENDED = 3,
    PHASE_CHECK = 4,      /* of the self-check: as PHASE_NEW */
    PHASE_CHECK_OPEN = 5, /* of the self-check: as PHASE_REPORTED */
    PHASE_OLDER = 6,      /* a UDP socket without a peer, older than the programs */
};

/* An address of the kernel's as a number for records: 52 bits of the finaliser of MurmurHash3, keyed. */
static __always_inline __u64 number_for_records(__u64 address)
{
    __u64 h = address ^ control.secret;
    h = (h ^ h >> 33) * 0xff51afd7ed558ccdULL;
    h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53ULL;
    return (h ^ h >> 33) >> 12;
}

/*
 * Cookies of sockets without one of the kernel's: random below these bits. No cookie of the kernel's, nor one of
 * procfs, is as high.
 */
#define COOKIE_MADE_UP (3ULL << 62)

/* The cookie of a socket known by its address alone, or one made up. */
static __always_inline __u64 cookie_at(const struct sock *sk)
{
    __u64 cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
    if (cookie)
        return cookie;
    return COOKIE_MADE_UP | (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32();
}

#endif
