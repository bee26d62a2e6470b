// SPDX-License-Identifier: Apache-2.0
// Load for scripts/soak.ts: containers that come and go, one after the other.
//
//   lifetimes <folder> <prefix> <containers> <execs> <program>
//
// Makes a cgroup in the folder, named like a container's whose id is the prefix of 6 digits and then n, starts the
// program so often in it, each time with another number as its argument, waits for it each time, and removes the
// cgroup. Ends with 1 at the first thing that goes wrong.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// A process that has just ended keeps its cgroup for a moment.
enum { REMOVAL_ATTEMPTS = 10000, REMOVAL_PAUSE_US = 100 };

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "lifetimes: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void enter(const char *cgroup)
{
    char procs[4096];
    snprintf(procs, sizeof(procs), "%s/cgroup.procs", cgroup);
    int fd = open(procs, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1)
        die(procs);
    close(fd);
}

static _Noreturn void live(const char *cgroup, unsigned long first, unsigned long execs, char *program)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    enter(cgroup);
    for (unsigned long i = first; i < first + execs; i++) {
        char number[24];
        char *arguments[] = {program, number, NULL}, *environment[] = {NULL};
        pid_t pid;
        int status;
        snprintf(number, sizeof(number), "%lu", i);
        errno = posix_spawn(&pid, program, NULL, NULL, arguments, environment);
        if (errno || waitpid(pid, &status, 0) != pid || status != 0)
            die(program);
    }
    exit(0);
}

static void remove_cgroup(const char *cgroup)
{
    for (int attempt = 0; rmdir(cgroup) < 0; attempt++) {
        if (errno != EBUSY || attempt == REMOVAL_ATTEMPTS)
            die(cgroup);
        usleep(REMOVAL_PAUSE_US);
    }
}

int main(int argc, char **argv)
{
    if (argc != 6 || strlen(argv[2]) != 6) {
        fputs("usage: lifetimes <folder> <prefix> <containers> <execs> <program>\n", stderr);
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    unsigned long containers = strtoul(argv[3], NULL, 10), execs = strtoul(argv[4], NULL, 10);
    for (unsigned long n = 0; n < containers; n++) {
        char cgroup[4096];
        int status;
        // An id of 64 digits, the first 12 of which count.
        snprintf(cgroup, sizeof(cgroup), "%s/%s%06lx%052x", argv[1], argv[2], n, 0);
        if (mkdir(cgroup, 0755) < 0)
            die(cgroup);
        pid_t child = fork();
        if (child < 0)
            die("fork");
        if (child == 0)
            live(cgroup, n * execs, execs, argv[5]);
        int lived = waitpid(child, &status, 0) == child && status == 0;
        remove_cgroup(cgroup);
        if (!lived)
            return 1;
    }
    return 0;
}
