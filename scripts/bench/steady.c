// SPDX-License-Identifier: Apache-2.0
// Load for scripts/compare.ts: the same work each second in a container's cgroup, until SIGTERM.
//
//   steady <cgroup> processes <starts a second> <program>
//   steady <cgroup> ports <ports> <exponent> <draws> <seconds> <seed>
//
// `processes` starts the program at even distances and waits for its end. `ports` draws ports from a Zipf distribution,
// listens at each drawn one, connects once to each, and draws anew after so many seconds. At its end it prints what it
// made: "processes N", or "listeners N ports N connections N", where ports are different ones.
#define _GNU_SOURCE
#include "container.h"
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#define FIRST_PORT 10000
#define NS 1000000000u

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
    (void)signal;
    stopped = 1;
}

// Sleeps until a time of CLOCK_MONOTONIC, ns, or SIGTERM.
static void sleep_until(uint64_t time)
{
    struct timespec t = {.tv_sec = (time_t)(time / NS), .tv_nsec = (long)(time % NS)};
    while (!stopped && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        ;
}

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS + (uint64_t)t.tv_nsec;
}

static void run_processes(double rate, char *program)
{
    uint64_t count = 0;
    for (uint64_t start = now(); !stopped; sleep_until(start + (uint64_t)((double)count * NS / rate))) {
        // Different each time, since Collector reports equal ones only so often.
        char number[24];
        char *arguments[] = {program, number, NULL}, *environment[] = {NULL};
        pid_t pid;
        int status;
        snprintf(number, sizeof(number), "%" PRIu64, count++);
        errno = posix_spawn(&pid, program, NULL, NULL, arguments, environment);
        if (errno)
            die(program);
        while (waitpid(pid, &status, 0) < 0)
            if (errno != EINTR)
                die("wait");
    }
    printf("processes %" PRIu64 "\n", count);
}

// The same numbers for the same seed (xorshift64*), from 0 to 1.
static double random_number(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (double)((*state * 0x2545f4914f6cdd1du) >> 11) / (double)(1ull << 53);
}

// The first rank with a larger sum.
static unsigned rank_of(const double *sums, unsigned count, double value)
{
    unsigned low = 0, high = count - 1;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (sums[middle] > value)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void run_ports(unsigned ports, double exponent, unsigned draws, double seconds, uint64_t seed)
{
    struct sockaddr_in address = enter_network();
    struct rlimit files = {.rlim_cur = draws + 64, .rlim_max = draws + 64};
    check(setrlimit(RLIMIT_NOFILE, &files), "setrlimit");
    double *sums = calloc(ports, sizeof(*sums));
    bool *seen = calloc(ports, sizeof(*seen));
    int *listeners = calloc(ports, sizeof(*listeners));
    if (!sums || !seen || !listeners)
        die("calloc");
    for (unsigned rank = 0; rank < ports; rank++)
        sums[rank] = (rank ? sums[rank - 1] : 0) + pow(rank + 1, -exponent);

    uint64_t opened = 0, different = 0, next = now();
    while (!stopped) {
        for (unsigned i = 0; i < draws; i++) {
            unsigned rank = rank_of(sums, ports, random_number(&seed) * sums[ports - 1]);
            if (listeners[rank])
                continue;
            address.sin_port = htons((uint16_t)(FIRST_PORT + rank));
            listeners[rank] = listen_at(&address, 1);
            connect_once(listeners[rank], &address);
            opened++;
            different += !seen[rank];
            seen[rank] = true;
        }
        next += (uint64_t)(seconds * NS);
        sleep_until(next);
        for (unsigned rank = 0; rank < ports; rank++)
            if (listeners[rank])
                close(listeners[rank]);
        memset(listeners, 0, ports * sizeof(*listeners));
    }
    printf("listeners %" PRIu64 " ports %" PRIu64 " connections %" PRIu64 "\n", opened, different, opened);
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = stop};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigaction(SIGTERM, &action, NULL);
    if (argc == 5 && strcmp(argv[2], "processes") == 0 && atof(argv[3]) > 0) {
        join(argv[1]);
        run_processes(atof(argv[3]), argv[4]);
        return 0;
    }
    unsigned ports = argc == 8 ? (unsigned)atoi(argv[3]) : 0;
    uint64_t seed = argc == 8 ? strtoull(argv[7], NULL, 10) : 0;
    if (ports > 0 && ports <= 65536 - FIRST_PORT && seed > 0 && strcmp(argv[2], "ports") == 0) {
        join(argv[1]);
        run_ports(ports, atof(argv[4]), (unsigned)atoi(argv[5]), atof(argv[6]), seed);
        return 0;
    }
    fputs("usage: steady <cgroup> processes <starts a second> <program>\n"
          "       steady <cgroup> ports <ports> <exponent> <draws> <seconds> <seed>\n",
          stderr);
    return 2;
}
