// SPDX-License-Identifier: Apache-2.0
// A container for loads: a cgroup given by its path, and a network namespace with one address.
#ifndef CONTAINER_H
#define CONTAINER_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

// Not of 127.0.0.0/8: Collector leaves its connections out.
#define ADDRESS "10.99.0.1"

__attribute__((noreturn)) static void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void check(int result, const char *what)
{
    if (result < 0)
        die(what);
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);
    check(fd, path);
    if (write(fd, text, strlen(text)) < 0)
        die(path);
    close(fd);
}

static void join(const char *cgroup)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
    write_file(path, "0");
}

// Moves this process into a network namespace of its own, gone with it. Returns its address, with port 0.
static struct sockaddr_in enter_network(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP}, alias = {.ifr_name = "lo:1"};
    check(unshare(CLONE_NEWNET), "unshare");
    // No TIME_WAIT: one tuple after the other would be taken, and each connect would search longer for a free port.
    write_file("/proc/sys/net/ipv4/tcp_max_tw_buckets", "0");

    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(fd, "socket");
    check(ioctl(fd, SIOCSIFFLAGS, &lo), "lo up");
    inet_pton(AF_INET, ADDRESS, &address.sin_addr);
    memcpy(&alias.ifr_addr, &address, sizeof(address));
    check(ioctl(fd, SIOCSIFADDR, &alias), "address");
    close(fd);
    return address;
}

// A socket that listens at this address.
static int listen_at(const struct sockaddr_in *address, int backlog)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(fd, "socket");
    check(bind(fd, (const struct sockaddr *)address, sizeof(*address)), "bind");
    check(listen(fd, backlog), "listen");
    return fd;
}

// A connection to the listener, accepted and closed.
static void connect_once(int listener, const struct sockaddr_in *address)
{
    int client = socket(AF_INET, SOCK_STREAM, 0);
    check(client, "socket");
    check(connect(client, (const struct sockaddr *)address, sizeof(*address)), "connect");
    int server = accept4(listener, NULL, NULL, 0);
    check(server, "accept");
    close(client);
    close(server);
}

#endif
