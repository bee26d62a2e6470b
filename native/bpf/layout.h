/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Every record that crosses from the kernel to user space, and nothing else.
 *
 * Three readers share it: the BPF programs (clang -target bpf), the add-on (C++) and actors/capture/layout.ts.
 * spec/native/layout.spec.ts proves that the three agree on every offset and every size, so change all of them
 * together.
 *
 * Rules: little endian, natural alignment with every hole named, a record's size is a multiple of 8.
 */
#ifndef COLLECTOR_LAYOUT_H
#define COLLECTOR_LAYOUT_H

#ifndef __bpf__
#include <linux/types.h>
#endif

enum record_type {
    RECORD_EXEC = 1,    /* struct process_record: a process replaced its image */
    RECORD_PROCESS = 2, /* struct process_record: a process scanned, about to listen, or moved */
    RECORD_EXIT = 3,    /* struct exit_record: the last thread of a process ended */
    RECORD_OPEN = 4,    /* struct socket_record: a TCP connection became established */
    RECORD_CLOSE = 5, /* struct socket_record: an established TCP connection or a connected UDP socket ended */
    RECORD_LISTEN = 6,     /* struct socket_record: a TCP socket started to listen */
    RECORD_UNLISTEN = 7,   /* struct socket_record: a listening TCP socket was closed */
    RECORD_SOCKET = 8,     /* struct socket_record: a scanned TCP or UDP socket, connected or listening */
    RECORD_SELF_CHECK = 9, /* struct self_check_record: a step of the self-check, instead of the above */
    RECORD_DATAGRAM = 10,  /* struct socket_record: an unconnected UDP socket sent or received */
    RECORD_SERVED =
        11, /* struct socket_record: another program than the listening one ended an accepted connection */
};

enum record_flag {
    FLAG_PATH_CUT = 1 << 0,    /* the executable's path is longer than PATH_CAPACITY: its end is kept */
    FLAG_ARGS_CUT = 1 << 1,    /* the arguments are longer than ARGS_CAPACITY: their start is kept */
    FLAG_ARGS_LOST = 1 << 2,   /* the arguments could not be read */
    FLAG_CGROUP_CUT = 1 << 3,  /* the cgroup's path is longer than CGROUP_CAPACITY: its end is kept */
    FLAG_LINEAGE_CUT = 1 << 4, /* there are more ancestors in the container than could be looked at */
    FLAG_OWNED = 1 << 5,       /* RECORD_SOCKET: the kernel side owns the socket, its end will be a record */
    FLAG_HELD = 1 << 6,        /* RECORD_SOCKET: pid and container are of a process with a descriptor of it */
    FLAG_LISTENER = 1 << 7,    /* of a listening socket: this process called listen() */
    FLAG_ARRIVED = 1 << 5, /* RECORD_PROCESS of an event: it came into the container with its present image */
    FLAG_HELPER = 1 << 6,  /* RECORD_PROCESS of a scan: it looks like a host helper on its way through */
};

enum socket_role {
    ROLE_UNKNOWN = 0,
    ROLE_SERVER = 1, /* accepted, or listening */
    ROLE_CLIENT = 2, /* connected */
};

/* Steps of the self-check; an open and a close for each of its two sockets. */
enum self_check {
    SELF_CHECK_EXEC = 1,
    SELF_CHECK_OPEN = 2,
    SELF_CHECK_CLOSE = 3,
    SELF_CHECK_EXIT = 4,
};

/*
 * The version of this file and of knobs.h. A BPF object has the one it was built with in section .rodata.layout, and
 * the add-on loads no other. spec/native/layout.spec.ts says when to raise it.
 */
enum { LAYOUT_VERSION = 5 };

/* The oldest release of Linux for a BPF object, in its section .rodata.kernel. */
struct kernel_version {
    __u32 major;
    __u32 minor;
};

enum {
    PATH_CAPACITY = 4096, /* the kernel's PATH_MAX: no system call takes a longer one */
    ARGS_CAPACITY = 4096, /* one page, the bound the existing product has */
    CGROUP_CAPACITY = 1024,
    ANCESTOR_PATH_CAPACITY = 1024,
    LINEAGE_CAPACITY = 10,
    COMM_SIZE = 16,
    RECORD_CAPACITY = 24576, /* no record is larger */
};

/*
 * A container is the first 12 hexadecimal digits of its id as a number, with bit 48 set; 0 is the host.
 * So it fits a JavaScript number exactly, and is a table key without a string.
 */
#define CONTAINER_PRESENT (1ULL << 48)

struct record_header {
    __u16 size; /* bytes, this header included */
    __u8 type;  /* enum record_type */
    __u8 flags; /* enum record_flag */
    __u32 pid;  /* thread group id in the initial pid namespace */
    __u64 time; /* CLOCK_BOOTTIME, ns */
    __u64 container;
};

/* Followed by path, args (NUL-separated, from argv[1] on), cgroup path, then lineage_count times an ancestor_record. */
struct process_record {
    struct record_header header;
    __u64 start_time; /* CLOCK_BOOTTIME, ns */
    __u64 cgroup;     /* kernfs id of the cgroup with the container's name, else of the process's cgroup v2 */
    __u32 tid; /* of an event: the exec's, in the initial pid namespace; of a scan: a living one's, in the scanner's */
    __u32 ppid;
    __u32 uid; /* real, in the initial user namespace */
    __u32 gid;
    __u16 path_size;
    __u16 args_size;
    __u16 cgroup_size;
    __u16 lineage_count;
    char comm[COMM_SIZE];
    __u32 exec_id; /* the kernel's count of execs, inherited by fork: another one is another image; 0: unknown */
    __u32 scanner_pid; /* of a scan: thread group id in the scanner's pid namespace, the number in its procfs; else 0 */
    __u64 image;     /* number of the executed program: see struct holder */
    __u64 outermost; /* the outermost container around the header's; the header's if it is in none */
};

/* Followed by the path; the next one starts at the next multiple of 8. Nearest ancestor first. */
struct ancestor_record {
    __u32 pid;
    __u32 uid;
    __u16 path_size;
    __u16 flags;
    __u32 reserved;
};

struct exit_record {
    struct record_header header;
    __u64 start_time;
    __s32 exit_code; /* as wait(2) reports it: status << 8 | signal */
    __u32 reserved;
    char comm[COMM_SIZE];
};

/*
 * Pid and container are the owner's: of the process that connected, or listened and so owns accepted sockets. With
 * FLAG_HELD they are a holder's instead.
 *
 * Each connection has several of these, so they are as short as can be: the addresses come last, and with AF_INET the
 * record ends behind two of 4 bytes.
 */
struct socket_record {
    struct record_header header;
    __u64 cookie; /* the kernel's number for the socket, never used twice */
    __u64 opened; /* when it was established or started to listen, CLOCK_BOOTTIME, ns; 0: before it was watched */
    __u16 local_port; /* host byte order, as all here */
    __u16 remote_port;
    __u8 family;   /* AF_INET 2, AF_INET6 10 */
    __u8 protocol; /* IPPROTO_TCP 6, IPPROTO_UDP 17 */
    __u8 role;     /* enum socket_role */
    __u8 state;    /* TCP_ESTABLISHED 1 … TCP_LISTEN 10, also of a bound UDP socket without a peer */
    char comm[COMM_SIZE];
    __u8 addresses[32]; /* the local one, then the remote one, each of 4 bytes, or of 16 with AF_INET6 */
};

/*
 * A process with a descriptor of a socket. It follows the addresses in records of listening sockets, RECORD_UNLISTEN
 * excepted, and in RECORD_SERVED; there pid and container of the header are the holder's.
 */
struct holder {
    __u64 start_time; /* CLOCK_BOOTTIME, ns */
    __u64 image; /* below 2^52; the same for a process and its forks, another one after each exec; 0: not known */
};

/* Bytes of the record of an AF_INET socket. */
enum { SOCKET_RECORD_IPV4 = 72 };

struct self_check_record {
    struct record_header header; /* the container is 0, wherever Collector runs */
    __u32 what;                  /* enum self_check */
    __u32 reserved;
};

/* Programs, in the order of their rows in the statistics map. */
enum program {
    PROGRAM_EXEC = 0,
    PROGRAM_EXIT = 1,
    PROGRAM_SOCKET = 2,
    PROGRAM_UDP = 3, /* all programs on the root of cgroup2 */
    PROGRAM_COUNT = 4,
};

/* One row a program and CPU: a line of the processor's cache. */
struct program_stats {
    __u64 events;  /* records written */
    __u64 lost;    /* records for a full ring */
    __u64 skipped; /* of containers, but not to be reported: host helpers, loopback peers and listeners */
    __u64 failed;  /* could not be built: no scratch memory, no socket storage */
    __u64 over_share; /* records of a container with more in a ring than was free: the rest was kept for others */
    __u64 container; /* the latest of these containers; 0: the host, or none */
    __u32 unseen;    /* bytes written since the program looked at how full the ring is */
    __u32 look;      /* bytes until it looks again */
    __u64 is_tight;  /* 1: it was more than half full */
};

#endif
