// SPDX-License-Identifier: Apache-2.0
// Load for scripts/bench.ts: does one thing over and over in a container's cgroup and prints its times.
//
//   load <cgroup> getpid|tcp|trickle|spawn <milliseconds> [program]
//
// Prints a line for each slice of the time: operations, nanoseconds by the clock, nanoseconds of processor time (of
// this process and of the children it waited for). In C, and on one thread, for little noise of its own: a
// connection to oneself is made and ended in the soft interrupts of the very calls that ask for it.
#define _GNU_SOURCE
#include "container.h"
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// Collector comes by every 20 ms: a slice has some of its visits in it, and a burst of other work spoils only a few
// slices.
#define SLICE_NS 50000000u

#define PORT 8080

static const char *program;
static int listener = -1;
static struct sockaddr_in address;

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

static void getpid_once(void)
{
    syscall(SYS_getpid);
}

static void prepare_tcp(void)
{
    address = enter_network();
    address.sin_port = htons(PORT);
    listener = listen_at(&address, 16);
}

static void tcp_once(void)
{
    connect_once(listener, &address);
}

// A container with work now and then.
static void trickle_once(void)
{
    tcp_once();
    usleep(10000);
}

static void spawn_once(void)
{
    // Different each time, since Collector reports equal ones only so often.
    static unsigned long count;
    char number[24];
    char *arguments[] = {(char *)program, "--with", "arguments", number, NULL}, *environment[] = {NULL};
    pid_t pid;
    int status;
    snprintf(number, sizeof(number), "%lu", count++);
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
    {"getpid", getpid_once, 1000},
    {"tcp", tcp_once, 10},
    {"trickle", trickle_once, 1},
    {"spawn", spawn_once, 1},
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
        fputs("usage: load <cgroup> getpid|tcp|trickle|spawn <milliseconds> [program]\n", stderr);
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
