// SPDX-License-Identifier: Apache-2.0
// Load for scripts/bench.ts and scripts/scale.ts: does one thing over and over in a container's cgroup and prints its
// times.
//
//   load <cgroup> getpid|close|tcp|trickle|spawn <milliseconds> [program]
//   load <cgroup>[:<cgroup>…] getpid|close|tcp|trickle|spawn <milliseconds> <program> wait
//   load <cgroup>[:<cgroup>…] hold <connections>
//
// Prints a line for each slice of the time: operations, nanoseconds by the clock, nanoseconds of processor time (of
// this process and of the children it waited for). In C, and on one thread, for little noise of its own: a
// connection to oneself is made and ended in the soft interrupts of the very calls that ask for it.
//
// With wait, a process in each cgroup takes its turn for a batch, and their processor time is left out. They begin at a
// line of standard input, after a line "ready", and end with it: what they cost before and after can be told apart.
//
// hold opens connections to a peer each, outside of the cgroups, prints a line when all are open, and holds them until
// standard input ends.
#define _GNU_SOURCE
#include "container.h"
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
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

enum { HOLD_BATCH = 2, BACKLOG = 16 };

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

// Of a descriptor that is not there: it fails at once, so only the way into the kernel is measured.
static void close_once(void)
{
    syscall(SYS_close, -1);
}

static void listen_on(unsigned port)
{
    address.sin_port = htons((uint16_t)port);
    listener = listen_at(&address, BACKLOG);
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

static void hold_once(void)
{
    static uint32_t peers = 0x0a010001; // 10.1.0.1
    struct sockaddr_in peer = address;
    peer.sin_addr.s_addr = htonl(peers++);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(client, "socket");
    check(connect(client, (struct sockaddr *)&peer, sizeof(peer)), "connect");
}

static const struct work {
    const char *name;
    void (*once)(void);
    unsigned batch; // operations between two looks at the clock
    bool connects;
} works[] = {
    {"getpid", getpid_once, 1000, false}, {"close", close_once, 1000, false}, {"tcp", tcp_once, 10, true},
    {"trickle", trickle_once, 1, true},   {"spawn", spawn_once, 1, false},
};
static const struct work hold = {"hold", hold_once, HOLD_BATCH, false};

// A process in a cgroup, for its turns.
static struct turns {
    int order[2], done[2];
} * turns;
static unsigned workers, next;

static _Noreturn void take_turns(const struct turns *own, const char *cgroup, const struct work *work)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    join(cgroup);
    if (work->connects)
        listen_on(PORT + workers);
    // With the last copy of its end, `done` ends, if this process dies.
    close(own->done[0]);
    close(own->order[1]);
    char turn;
    while (read(own->order[0], &turn, 1) == 1) {
        for (unsigned i = 0; i < work->batch; i++)
            work->once();
        check((int)write(own->done[1], &turn, 1), "turn");
    }
    exit(0);
}

static void start_worker(const char *cgroup, const struct work *work)
{
    struct turns *own = &turns[workers];
    check(pipe2(own->order, O_CLOEXEC), "pipe");
    check(pipe2(own->done, O_CLOEXEC), "pipe");
    pid_t pid = fork();
    check(pid, "fork");
    if (pid == 0)
        take_turns(own, cgroup, work);
    close(own->order[0]);
    close(own->done[1]);
    workers++;
}

static void give_turn(void)
{
    char turn = 0;
    check((int)write(turns[next].order[1], &turn, 1), "turn");
    if (read(turns[next].done[0], &turn, 1) != 1)
        exit(1); // the worker has said why
    next = (next + 1) % workers;
}

static void raise_file_limit(void)
{
    struct rlimit files;
    check(getrlimit(RLIMIT_NOFILE, &files), "limit of open files");
    files.rlim_cur = files.rlim_max;
    check(setrlimit(RLIMIT_NOFILE, &files), "limit of open files");
}

static void start_workers(char *cgroups, const struct work *work)
{
    unsigned count = 1;
    for (const char *at = cgroups; *at; at++)
        count += *at == ':';
    turns = calloc(count, sizeof(*turns));
    if (!turns)
        die("workers");
    raise_file_limit();
    for (char *cgroup = strtok(cgroups, ":"); cgroup; cgroup = strtok(NULL, ":"))
        start_worker(cgroup, work);
}

static void wait_for_end(void)
{
    while (getchar() != EOF)
        ;
}

static void hold_connections(char *cgroups, unsigned long count)
{
    address = enter_network();
    struct sockaddr_in all = {.sin_family = AF_INET};
    all.sin_port = address.sin_port = htons(PORT);
    listener = listen_at(&all, BACKLOG);
    start_workers(cgroups, &hold);
    for (unsigned long held = 0; held < count; held += HOLD_BATCH) {
        give_turn();
        for (unsigned i = 0; i < HOLD_BATCH; i++)
            check(accept4(listener, NULL, NULL, SOCK_CLOEXEC), "accept");
    }
    puts("ready");
    fflush(stdout);
    wait_for_end();
}

// Between two looks at the clock, calls `once` so many times, for so many operations each.
static void run(void (*once)(void), unsigned calls, unsigned operations_each, uint64_t milliseconds)
{
    uint64_t start = now(), end = start + milliseconds * 1000000u;
    while (start < end) {
        uint64_t operations = 0, before = processor_time(), time;
        do {
            for (unsigned i = 0; i < calls; i++)
                once();
            operations += calls * operations_each;
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
        fputs(
            "usage: load <cgroup> getpid|close|tcp|trickle|spawn <milliseconds> [program]\n"
            "       load <cgroup>[:<cgroup>…] getpid|close|tcp|trickle|spawn <milliseconds> <program> wait\n"
            "       load <cgroup>[:<cgroup>…] hold <connections>\n",
            stderr);
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    program = argv[4];
    if (strcmp(argv[2], hold.name) == 0) {
        hold_connections(argv[1], strtoul(argv[3], NULL, 10));
        return 0;
    }
    bool is_alone = argc < 6;
    if (is_alone)
        join(argv[1]);
    for (size_t i = 0; i < sizeof(works) / sizeof(*works); i++) {
        const struct work *work = &works[i];
        if (strcmp(argv[2], work->name) != 0)
            continue;
        if (work->connects)
            address = enter_network();
        if (work->connects && is_alone)
            listen_on(PORT);
        uint64_t milliseconds = strtoull(argv[3], NULL, 10);
        if (is_alone) {
            run(work->once, work->batch, 1, milliseconds);
        } else {
            start_workers(argv[1], work);
            puts("ready");
            fflush(stdout);
            if (getchar() == EOF)
                return 0;
            run(give_turn, 1, work->batch, milliseconds);
            puts("done");
            fflush(stdout);
            wait_for_end();
        }
        return 0;
    }
    fprintf(stderr, "load: nothing is called %s\n", argv[2]);
    return 2;
}
