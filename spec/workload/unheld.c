// SPDX-License-Identifier: Apache-2.0
/*
 * Sockets that no descriptor holds, for the end-to-end specs: `unheld JOB ADDRESS PORT`, run by a job `exec` of
 * workload.c, whose lines it writes. Each lasts until SIGTERM.
 *
 *   queue          listens and never accepts
 *   flight         accepts a connection, sends it to itself over a Unix socket and does not receive it
 *   uring-listen   listens and accepts in the table of an io_uring; says `unsupported` before Linux 6.11
 *   uring-connect  connects there
 *   mptcp-listen   accepts a connection of Multipath TCP; says `unsupported` if there is none
 *   mptcp-connect  connects with it, and says `joined` when there is a further subflow
 *   udp-flight     connects over UDP, sends a datagram, and sends the socket to itself over a Unix socket
 *   udp-failed     connects over UDP, connects anew in vain, sends a datagram, and takes the socket apart
 *   udp-turned     connects a UDP socket of IPv6 to an address of IPv4, turns it into one of IPv4, sends a datagram,
 *                  and closes it; as many datagrams of IPv6 were sent before
 *   udp-crowded    connects over UDP, sends a datagram, and binds 300 other sockets to the same port
 *   udp-apart      connects over UDP, sends a datagram, and some seconds later takes the socket apart, still holding it
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* From include/uapi/linux/io_uring.h of Linux 6.11, which the headers at hand may be older than. */
enum { OP_BIND = 56, OP_LISTEN = 57 };

/* From include/uapi/linux/in.h, tcp.h and mptcp.h of Linux 5.16. */
enum { IPPROTO_MPTCP_ = 262, SOL_MPTCP_ = 284, MPTCP_INFO_ = 1 };

static void say(const char *text)
{
    printf("%s %s\n", getenv("JOB"), text);
    fflush(stdout);
}

static int must(const char *what, int result)
{
    if (result >= 0)
        return result;
    fprintf(stderr, "unheld: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* A socket of Multipath TCP. */
static int multipath(void)
{
    int s = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP_);
    if (s < 0) {
        say("unsupported");
        exit(0);
    }
    return s;
}

static int listening(int s, const struct sockaddr_in *address)
{
    int one = 1;
    must("reuse", setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
    must("bind", bind(s, (const struct sockaddr *)address, sizeof(*address)));
    must("listen", listen(s, 8));
    say("listening");
    return s;
}

static void send_to_self(int fd)
{
    int pair[2];
    must("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    char byte = 0, room[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec data = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
    struct cmsghdr *control = CMSG_FIRSTHDR(&message);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(control), &fd, sizeof(int));
    must("sendmsg", sendmsg(pair[0], &message, 0));
    close(fd);
}

static struct {
    int fd;
    unsigned *tail, *mask, *array, *head, *done_mask;
    struct io_uring_sqe *entries;
    struct io_uring_cqe *results;
} ring;

static void open_ring(void)
{
    struct io_uring_params p = {0};
    ring.fd = syscall(SYS_io_uring_setup, 8, &p);
    if (ring.fd < 0) {
        say("unsupported");
        exit(0);
    }
    int access = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_POPULATE;
    char *asked =
        mmap(0, p.sq_off.array + p.sq_entries * sizeof(unsigned), access, flags, ring.fd, IORING_OFF_SQ_RING);
    char *done = mmap(0, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe), access, flags, ring.fd,
                      IORING_OFF_CQ_RING);
    ring.entries =
        mmap(0, p.sq_entries * sizeof(struct io_uring_sqe), access, flags, ring.fd, IORING_OFF_SQES);
    ring.tail = (void *)(asked + p.sq_off.tail);
    ring.mask = (void *)(asked + p.sq_off.ring_mask);
    ring.array = (void *)(asked + p.sq_off.array);
    ring.head = (void *)(done + p.cq_off.head);
    ring.done_mask = (void *)(done + p.cq_off.ring_mask);
    ring.results = (void *)(done + p.cq_off.cqes);
    int none[] = {-1, -1, -1, -1};
    must("register", syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_FILES, none, 4));
}

/* Does one operation, and waits for its result. */
static int in_ring(struct io_uring_sqe entry)
{
    unsigned tail = *ring.tail, index = tail & *ring.mask;
    ring.entries[index] = entry;
    ring.array[index] = index;
    __atomic_store_n(ring.tail, tail + 1, __ATOMIC_RELEASE);
    must("enter", syscall(SYS_io_uring_enter, ring.fd, 1, 1, IORING_ENTER_GETEVENTS, 0, 0));
    int result = ring.results[*ring.head & *ring.done_mask].res;
    __atomic_store_n(ring.head, *ring.head + 1, __ATOMIC_RELEASE);
    if (result < 0) {
        say(result == -EINVAL ? "unsupported" : strerror(-result));
        exit(0);
    }
    return result;
}

/* An operation on the socket in the first place of the ring's table. */
static struct io_uring_sqe on_socket(unsigned char operation)
{
    return (struct io_uring_sqe){.opcode = operation, .flags = IOSQE_FIXED_FILE};
}

static void make_socket(void)
{
    open_ring();
    struct io_uring_sqe e = {.opcode = IORING_OP_SOCKET, .fd = AF_INET, .off = SOCK_STREAM, .file_index = 1};
    in_ring(e);
}

static void listen_in_ring(const struct sockaddr_in *address)
{
    make_socket();
    struct io_uring_sqe bind_it = on_socket(OP_BIND), listen_it = on_socket(OP_LISTEN),
                        accept_one = on_socket(IORING_OP_ACCEPT);
    bind_it.addr = (unsigned long)address;
    bind_it.off = sizeof(*address);
    in_ring(bind_it);
    listen_it.len = 8;
    in_ring(listen_it);
    say("listening");
    accept_one.file_index = 2;
    in_ring(accept_one);
    say("accepted");
}

static void connect_in_ring(const struct sockaddr_in *address)
{
    make_socket();
    struct io_uring_sqe e = on_socket(IORING_OP_CONNECT);
    e.addr = (unsigned long)address;
    e.off = sizeof(*address);
    in_ring(e);
    say("connected");
}

/* A UDP socket that is connected and has sent. */
static int udp(const struct sockaddr_in *address)
{
    int s = must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    must("connect", connect(s, (const struct sockaddr *)address, sizeof(*address)));
    must("send", send(s, "x", 1, 0));
    return s;
}

static void take_apart(int s)
{
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    must("connect", connect(s, &nobody, sizeof(nobody)));
    say("apart");
}

/* Nobody may send to all without asking to (SO_BROADCAST). */
static void connect_in_vain(const struct sockaddr_in *address)
{
    int s = must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in all = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {INADDR_BROADCAST}};
    must("connect", connect(s, (const struct sockaddr *)address, sizeof(*address)));
    if (connect(s, (struct sockaddr *)&all, sizeof(all)) == 0)
        must("no error", -1);
    must("send", send(s, "x", 1, 0));
    take_apart(s);
    close(s);
}

static void turn(const struct sockaddr_in *address)
{
    int version = AF_INET, s = must("socket", socket(AF_INET6, SOCK_DGRAM, 0));
    struct sockaddr_in6 to = {
        .sin6_family = AF_INET6, .sin6_port = htons(9), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    must("send", sendto(s, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)));
    to.sin6_port = address->sin_port;
    memset(&to.sin6_addr, 0, sizeof(to.sin6_addr));
    to.sin6_addr.s6_addr[10] = to.sin6_addr.s6_addr[11] = 0xff;
    memcpy(&to.sin6_addr.s6_addr[12], &address->sin_addr, 4);
    must("connect", connect(s, (struct sockaddr *)&to, sizeof(to)));
    must("turn", setsockopt(s, IPPROTO_IPV6, IPV6_ADDRFORM, &version, sizeof(version)));
    must("send", send(s, "x", 1, 0));
    close(s);
    say("apart");
}

static int shared_port(int port)
{
    int one = 1, s = must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
    must("share", setsockopt(s, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)));
    must("bind", bind(s, (struct sockaddr *)&any, sizeof(any)));
    return s;
}

static void crowd(const struct sockaddr_in *address)
{
    int s = shared_port(7999);
    must("connect", connect(s, (const struct sockaddr *)address, sizeof(*address)));
    for (int i = 0; i < 300; i++)
        shared_port(7999);
    must("send", send(s, "x", 1, 0));
    say("connected");
}

/* Waits until there is a further subflow: the first byte of struct mptcp_info counts those. */
static void await_subflow(int s)
{
    for (int tries = 0; tries < 100; tries++) {
        unsigned char info[256] = {0};
        socklen_t size = sizeof(info);
        must("info", getsockopt(s, SOL_MPTCP_, MPTCP_INFO_, info, &size));
        if (info[0] > 0) {
            say("joined");
            return;
        }
        usleep(50000);
    }
    say("alone");
}

int main(int count, char **words)
{
    if (count != 4)
        return 2;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(words[3]))};
    inet_pton(AF_INET, words[2], &address.sin_addr);
    if (!strcmp(words[1], "queue")) {
        listening(must("socket", socket(AF_INET, SOCK_STREAM, 0)), &address);
    } else if (!strcmp(words[1], "flight")) {
        int s = listening(must("socket", socket(AF_INET, SOCK_STREAM, 0)), &address);
        send_to_self(must("accept", accept(s, 0, 0)));
        say("in flight");
    } else if (!strcmp(words[1], "uring-listen")) {
        listen_in_ring(&address);
    } else if (!strcmp(words[1], "uring-connect")) {
        connect_in_ring(&address);
    } else if (!strcmp(words[1], "mptcp-listen")) {
        int s = listening(multipath(), &address), peer = must("accept", accept(s, 0, 0));
        must("write", write(peer, "x", 1));
        say("accepted");
    } else if (!strcmp(words[1], "mptcp-connect")) {
        int s = multipath();
        char byte;
        must("connect", connect(s, (struct sockaddr *)&address, sizeof(address)));
        must("read", read(s, &byte, 1));
        say("connected");
        await_subflow(s);
    } else if (!strcmp(words[1], "udp-flight")) {
        send_to_self(udp(&address));
        say("connected");
    } else if (!strcmp(words[1], "udp-failed")) {
        connect_in_vain(&address);
    } else if (!strcmp(words[1], "udp-turned")) {
        turn(&address);
    } else if (!strcmp(words[1], "udp-crowded")) {
        crowd(&address);
    } else if (!strcmp(words[1], "udp-apart")) {
        int s = udp(&address);
        say("connected");
        sleep(3);
        take_apart(s);
    } else {
        return 2;
    }
    for (;;)
        pause();
}
