// SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0)
// Writes records of made-up sockets and processes into the rings of a running Collector, as its own programs would:
// run by feeder.c, attached to nothing.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "../../native/bpf/layout.h"
#include "feed.h"

#define PATH "/usr/bin/job"
#define ARGUMENTS                                                                                            \
    "--number\0"                                                                                             \
    "00000000"
#define CGROUP "/kubepods/pod-of-scale/0000000000000000000000000000000000000000000000000000000000000000"
#define ANCESTOR "/usr/bin/supervisor"

enum {
    NUMBER_DIGITS = 8,
    NAME_DIGITS = 12,
    NUMBER_AT = sizeof(PATH) - 1 + sizeof("--number"),
    NAME_AT = sizeof(PATH) - 1 + sizeof(ARGUMENTS) + sizeof("/kubepods/pod-of-scale/") - 1,
    AF_INET = 2,
    IPPROTO_TCP = 6,
    TCP_ESTABLISHED = 1,
    TCP_CLOSE = 7,
    SERVER_PORT = 8080,
    FIRST_PORT = 32768,
    PORTS = 28000,
    FIRST_PID = 3000000,
    PIDS = 1000000,
};

/* Filled by feeder.c with the rings of a Collector. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} rings SEC(".maps");

/* Records without room in their ring. */
__u64 lost = 0;

struct exec {
    struct process_record process;
    char text[120];
    struct ancestor_record ancestor;
    char ancestor_path[24];
} exec = {
    .process = {.header = {.size = sizeof(struct exec), .type = RECORD_EXEC},
                .cgroup = 1,
                .ppid = FIRST_PID - 1,
                .path_size = sizeof(PATH) - 1,
                .args_size = sizeof(ARGUMENTS),
                .cgroup_size = sizeof(CGROUP) - 1,
                .lineage_count = 1,
                .comm = "job"},
    .text = PATH ARGUMENTS "\0" CGROUP,
    .ancestor = {.pid = FIRST_PID - 1, .path_size = sizeof(ANCESTOR) - 1},
    .ancestor_path = ANCESTOR,
};

static char digit(__u64 value)
{
    value &= 15;
    return value < 10 ? '0' + value : 'a' + value - 10;
}

static __u32 address(__u8 first, __u32 host)
{
    return first | (host >> 16 & 0xff) << 8 | (host >> 8 & 0xff) << 16 | (host & 0xff) << 24;
}

static void write_record(void *ring, struct record_header *header, __u32 size, __u64 container)
{
    header->size = size;
    header->time = bpf_ktime_get_boot_ns();
    header->container = container;
    if (bpf_ringbuf_output(ring, header, size, 0))
        lost++;
}

static void write_socket(void *ring, struct socket_record *s, __u8 type, __u64 container)
{
    s->header.type = type;
    s->state = type == RECORD_OPEN ? TCP_ESTABLISHED : TCP_CLOSE;
    if (type == RECORD_OPEN)
        s->opened = bpf_ktime_get_boot_ns();
    write_record(ring, &s->header, SOCKET_RECORD_IPV4, container);
}

static void set_end(struct socket_record *s, __u64 number, __u8 role, __u32 own, __u32 peer, __u16 client_port)
{
    __builtin_memset(s, 0, sizeof(*s));
    s->header.pid = FIRST_PID - 1;
    s->cookie = 1ULL << 41 | number << 1 | (role == ROLE_SERVER);
    s->family = AF_INET;
    s->protocol = IPPROTO_TCP;
    s->role = role;
    s->local_port = role == ROLE_CLIENT ? client_port : SERVER_PORT;
    s->remote_port = role == ROLE_CLIENT ? SERVER_PORT : client_port;
    __builtin_memcpy(s->comm, "job", sizeof("job"));
    __builtin_memcpy(s->addresses, &own, sizeof(own));
    __builtin_memcpy(s->addresses + sizeof(own), &peer, sizeof(peer));
}

static void hold(void *ring, __u64 number, __u64 container)
{
    struct socket_record s;
    set_end(&s, 1ULL << 32 | number, ROLE_CLIENT, address(172, 1 << 20 | 2), address(10, 0x10000 + number),
            FIRST_PORT + number % PORTS);
    write_socket(ring, &s, RECORD_OPEN, container);
}

static void connect_once(void *ring, __u64 number, __u64 container)
{
    struct socket_record client, server;
    __u32 from = address(172, 1 << 20 | 2), to = address(172, 1 << 20 | 3);
    __u16 port = FIRST_PORT + number % PORTS;
    set_end(&client, number, ROLE_CLIENT, from, to, port);
    set_end(&server, number, ROLE_SERVER, to, from, port);
    write_socket(ring, &client, RECORD_OPEN, container);
    write_socket(ring, &server, RECORD_OPEN, container);
    write_socket(ring, &client, RECORD_CLOSE, container);
    write_socket(ring, &server, RECORD_CLOSE, container);
}

static void run_once(void *ring, __u64 number, __u64 container)
{
    struct exit_record exit = {.header = {.type = RECORD_EXIT}, .comm = "job"};
    struct process_record *p = &exec.process;
    for (int i = 0; i < NUMBER_DIGITS; i++)
        exec.text[NUMBER_AT + i] = digit(number >> 4 * (NUMBER_DIGITS - 1 - i));
    for (int i = 0; i < NAME_DIGITS; i++)
        exec.text[NAME_AT + i] = digit(container >> 4 * (NAME_DIGITS - 1 - i));
    p->header.pid = exit.header.pid = p->tid = FIRST_PID + number % PIDS;
    p->start_time = exit.start_time = bpf_ktime_get_boot_ns();
    p->image = number + 1;
    p->exec_id = number + 1;
    p->outermost = container;
    write_record(ring, &p->header, sizeof(exec), container);
    write_record(ring, &exit.header, sizeof(exit), container);
}

SEC("raw_tp") int feed(struct feed_job *job)
{
    __u64 kind = job->kind, count = job->count, rings_used = job->rings, containers = job->containers;
    for (__u64 i = 0; i < FEED_MOST && i < count; i++) {
        __u64 number = job->first + i, container = job->base + number % containers;
        __u32 index = number % rings_used;
        void *ring = bpf_map_lookup_elem(&rings, &index);
        if (!ring)
            return 1;
        if (kind == FEED_HOLD)
            hold(ring, number, container);
        else if (kind == FEED_CONNECTION)
            connect_once(ring, number, container);
        else
            run_once(ring, number, container);
    }
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
