// SPDX-License-Identifier: Apache-2.0
// TCP connections between two processes, one after the other: each in a cgroup and a network namespace of its own.
//
//   pair <server cgroup> <server network> <client cgroup> <client network> <address> <milliseconds>
//
// Prints the connections made and the nanoseconds they took. The server closes each one first, and the client waits
// for it: neither gets ahead, and no connection is dropped because too many wait.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PORT 8080
#define BACKLOG 16
#define BATCH 10 // connections between two looks at the clock

__attribute__((noreturn)) static void die(const char *what)
{
    fprintf(stderr, "pair: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int check(int result, const char *what)
{
    if (result < 0)
        die(what);
    return result;
}

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void enter(const char *cgroup, const char *network)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
    int fd = check(open(path, O_WRONLY | O_CLOEXEC), path);
    if (write(fd, "0", 1) < 0)
        die(path);
    close(fd);
    fd = check(open(network, O_RDONLY | O_CLOEXEC), network);
    check(setns(fd, CLONE_NEWNET), "setns");
    close(fd);
}

__attribute__((noreturn)) static void serve(const struct sockaddr_in *address, int ready)
{
    int on = 1, listener = check(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
    check(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), "setsockopt");
    check(bind(listener, (const struct sockaddr *)address, sizeof(*address)), "bind");
    check(listen(listener, BACKLOG), "listen");
    if (write(ready, "", 1) != 1)
        die("ready");
    for (;;)
        close(check(accept4(listener, NULL, NULL, SOCK_CLOEXEC), "accept"));
}

static void connect_once(const struct sockaddr_in *address)
{
    char nothing;
    int client = check(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
    check(connect(client, (const struct sockaddr *)address, sizeof(*address)), "connect");
    if (read(client, &nothing, 1) != 0)
        die("end of the connection");
    close(client);
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fputs("usage: pair <server cgroup> <server network> <client cgroup> <client network> <address> "
              "<milliseconds>\n",
              stderr);
        return 2;
    }
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    if (inet_pton(AF_INET, argv[5], &address.sin_addr) != 1)
        die(argv[5]);
    int ready[2];
    char byte;
    check(prctl(PR_SET_PDEATHSIG, SIGKILL), "prctl");
    check(pipe2(ready, O_CLOEXEC), "pipe");

    pid_t server = check(fork(), "fork");
    if (server == 0) {
        check(prctl(PR_SET_PDEATHSIG, SIGKILL), "prctl");
        enter(argv[1], argv[2]);
        serve(&address, ready[1]);
    }
    close(ready[1]);
    if (read(ready[0], &byte, 1) != 1) {
        fputs("pair: no server\n", stderr);
        return 1;
    }
    enter(argv[3], argv[4]);

    uint64_t connections = 0, start = now(), end = start + strtoull(argv[6], NULL, 10) * 1000000u, time;
    do {
        for (unsigned i = 0; i < BATCH; i++)
            connect_once(&address);
        connections += BATCH;
        time = now();
    } while (time < end);
    printf("%" PRIu64 " %" PRIu64 "\n", connections, time - start);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    return 0;
}
