// SPDX-License-Identifier: Apache-2.0
// Feeds the rings of a running Collector with records of made-up sockets or processes, at a rate:
//
//   feeder <object> <map of rings> <rings> hold|connection|exec <first> <count> <a second> <containers> <base>
//
// The map is given by its id in the kernel. Prints the records written, the ones without room, and the nanoseconds
// taken.
#define _GNU_SOURCE
#include "feed.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { PAUSE_US = 2000 };

static const struct {
    const char *name;
    unsigned records;
} kinds[FEED_KINDS] = {{"hold", 1}, {"connection", 4}, {"exec", 2}};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "feeder: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct bpf_object *load(const char *file, uint32_t rings_id)
{
    struct bpf_object *object = bpf_object__open_file(file, NULL);
    if (!object)
        die(file);
    int rings = bpf_map_get_fd_by_id(rings_id);
    if (rings < 0)
        die("the map of rings");
    if (bpf_map__reuse_fd(bpf_object__find_map_by_name(object, "rings"), rings) || bpf_object__load(object))
        die("load");
    return object;
}

static uint64_t lost_records(struct bpf_object *object)
{
    uint64_t lost = 0;
    uint32_t zero = 0;
    struct bpf_map *map = bpf_object__find_map_by_name(object, ".bss");
    if (bpf_map__lookup_elem(map, &zero, sizeof(zero), &lost, sizeof(lost), 0))
        die("the count of lost records");
    return lost;
}

static void feed(int program, struct feed_job job, uint64_t count)
{
    LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = &job, .ctx_size_in = sizeof(job));
    for (uint64_t fed = 0; fed < count; fed += job.count, job.first += job.count) {
        job.count = count - fed < FEED_MOST ? count - fed : FEED_MOST;
        if (bpf_prog_test_run_opts(program, &run) || run.retval)
            die("run");
    }
}

int main(int argc, char **argv)
{
    if (argc != 10) {
        fputs("usage: feeder <object> <map> <rings> hold|connection|exec <first> <count> <a second> "
              "<containers> "
              "<base>\n",
              stderr);
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    unsigned kind = 0;
    while (kind < FEED_KINDS && strcmp(kinds[kind].name, argv[4]) != 0)
        kind++;
    if (kind == FEED_KINDS) {
        fprintf(stderr, "feeder: nothing is called %s\n", argv[4]);
        return 2;
    }
    uint64_t number[10] = {0};
    for (int i = 2; i < argc; i++)
        number[i] = strtoull(argv[i], NULL, 10);
    uint64_t first = number[5], count = number[6], rate = number[7];
    struct bpf_object *object = load(argv[1], (uint32_t)number[2]);
    int program = bpf_program__fd(bpf_object__find_program_by_name(object, "feed"));

    uint64_t start = now(), fed = 0;
    while (fed < count) {
        uint64_t due = (uint64_t)((double)(now() - start) * (double)rate / 1e9);
        due = due < count ? due : count;
        struct feed_job job = {
            .kind = kind, .first = first + fed, .rings = number[3], .containers = number[8], .base = number[9]};
        feed(program, job, due - fed);
        fed = due;
        if (fed < count)
            usleep(PAUSE_US);
    }
    uint64_t lost = lost_records(object);
    printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", count * kinds[kind].records - lost, lost, now() - start);
    return 0;
}
