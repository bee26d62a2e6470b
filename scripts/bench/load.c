// SPDX-License-Identifier: Apache-2.0
// Load for scripts/bench.ts: does one thing over and over in a container's cgroup and prints its times.
//
//   load <cgroup> getpid|close|tcp|trickle|spawn <milliseconds> [program]
//
// Prints a line for each slice of the time: operations, nanoseconds by the clock, nanoseconds of processor time (of
// this process and of the children it waited for). In C, and on one thread, for little noise of its own: a
// connection to oneself is made and ended in the soft interrupts of the very calls that ask for it.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// Collector comes by every 20 ms: a slice has some of its visits in it, and a burst of other work spoils only a few
// slices.
#define SLICE_NS 50000000u

// Not of 127.0.0.0/8: Collector leaves its connections out.
#define ADDRESS "10.99.0.1"
#define PORT 8080

static const char *program;
static int listener = -1;
static struct sockaddr_in address = {.sin_family = AF_INET};

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

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t processor_time(void)
{
    uint64_t us = 0;
    for (int i = 0; i < 2; i++) {
        struct rusage u;
        getrusage(i == 0 ? RUSAGE_SELF : RUSAGE_CHILDREN, &u);
        us += (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000u;
        us += (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
    }
    return us * 1000u;
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

// A network namespace of its own, gone with this process.
static void prepare_tcp(void)
{
    check(unshare(CLONE_NEWNET), "unshare");
    // No TIME_WAIT: one tuple after the other would be taken, and each connect would search longer for a free port.
    write_file("/proc/sys/net/ipv4/tcp_max_tw_buckets", "0");

    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(fd, "socket");
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    check(ioctl(fd, SIOCSIFFLAGS, &lo), "lo up");
    inet_pton(AF_INET, ADDRESS, &address.sin_addr);
    struct ifreq alias = {.ifr_name = "lo:1"};
    memcpy(&alias.ifr_addr, &address, sizeof(address));
    check(ioctl(fd, SIOCSIFADDR, &alias), "address");

    listener = fd;
    address.sin_port = htons(PORT);
    check(bind(listener, (struct sockaddr *)&address, sizeof(address)), "bind");
    check(listen(listener, 16), "listen");
}

static void getpid_once(void)
{
    syscall(SYS_getpid);
}

// Of a descriptor that is not there: it fails at once, so only the way into the kernel is measured.
static void close_once(void)
{
    syscall(SYS_close, -1);
}

static void tcp_once(void)
{
    int client = socket(AF_INET, SOCK_STREAM, 0);
    check(client, "socket");
    check(connect(client, (struct sockaddr *)&address, sizeof(address)), "connect");
    int server = accept4(listener, NULL, NULL, 0);
    check(server, "accept");
    close(client);
    close(server);
}

// A container with work now and then.
static void trickle_once(void)
{
    tcp_once();
    usleep(10000);
}

static void spawn_once(void)
{
    // Different each time, in the next run too, since Collector reports equal ones only so often.
    static uint64_t count;
    if (count == 0)
        count = now() / 1000;
    char number[24];
    char *arguments[] = {(char *)program, "--with", "arguments", number, NULL}, *environment[] = {NULL};
    pid_t pid;
    int status;
    snprintf(number, sizeof(number), "%" PRIu64, count++);
    errno = posix_spawn(&pid, program, NULL, NULL, arguments, environment);
    if (errno)
        die(program);
    check(waitpid(pid, &status, 0), "wait");
    if (status != 0) {
        fprintf(stderr, "load: %s ended with status %d\n", program, status);
        exit(1);
    }
}

static const struct work {
    const char *name;
    void (*once)(void);
    unsigned batch; // operations between two looks at the clock
} works[] = {
    {"getpid", getpid_once, 1000}, {"close", close_once, 1000}, {"tcp", tcp_once, 10},
    {"trickle", trickle_once, 1},  {"spawn", spawn_once, 1},
};

static void run(const struct work *work, uint64_t milliseconds)
{
    uint64_t start = now(), end = start + milliseconds * 1000000u;
    while (start < end) {
        uint64_t operations = 0, before = processor_time(), time;
        do {
            for (unsigned i = 0; i < work->batch; i++)
                work->once();
            operations += work->batch;
            time = now();
        } while (time < start + SLICE_NS);
        uint64_t after = processor_time();
        printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", operations, time - start, after - before);
        start = now();
    }
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fputs("usage: load <cgroup> getpid|close|tcp|trickle|spawn <milliseconds> [program]\n", stderr);
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    program = argv[4];
    join(argv[1]);
    for (size_t i = 0; i < sizeof(works) / sizeof(*works); i++) {
        if (strcmp(argv[2], works[i].name) != 0)
            continue;
        if (works[i].once == tcp_once || works[i].once == trickle_once)
            prepare_tcp();
        run(&works[i], strtoull(argv[3], NULL, 10));
        return 0;
    }
    fprintf(stderr, "load: nothing is called %s\n", argv[2]);
    return 2;
}
