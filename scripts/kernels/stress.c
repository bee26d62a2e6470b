/*
 * Trials of the kernel module, in a virtual machine: `stress TRIAL MODULE [NUMBER]`. Each prints a line that starts
 * with its name, and exits with 0 if all was as it should be.
 *
 *   refusals   values and mappings that the module has to refuse
 *   arguments N a process has it that its arguments are N MiB of memory, and listens: the probe has to end soon
 *   shares N   N listening sockets of a container leave room for those of another one
 *   records N  reads for N seconds, and prints each record
 *   cycles N   inserts, hooks and removes the module N times
 *   storm N    reads rings of a page for N seconds, or until some is lost: read and lost records are those counted
 *   hostile N  for N seconds, writes nonsense to all that user space may write
 *   cost N     N rounds of events with hooks and without, what they take, and the module's memory
 *   switches N has the kernel's own tracing switch the module's tracepoints on and off N times (MODULE is not used)
 *   load N     for N seconds, what a node does, in containers below /sys/fs/cgroup (MODULE is not used)
 */
#define _GNU_SOURCE
#include "../../native/module/interface.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, MOST_RINGS = 64, PREFIX = 8 };
static const __u32 BUSY = 1U << 31;

struct ring {
    int fd;
    __u64 *consumer;
    const volatile __u64 *producer;
    const char *data;
    __u64 records;
};

static struct driver {
    int fd, control_fd, rings_open;
    __u32 ring_bytes;
    struct control *control;
    struct ring rings[MOST_RINGS];
    /* As read: connections with a server in a container, processes with arguments that could not be read. */
    __u64 accepted, speechless;
} driver;

static _Noreturn void fail(const char *what)
{
    printf("failed: %s: %s\n", what, strerror(errno));
    exit(1);
}

static long must(const char *what, long result)
{
    if (result < 0)
        fail(what);
    return result;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void insert(const char *module)
{
    int fd = must(module, open(module, O_RDONLY | O_CLOEXEC));
    must("finit_module", syscall(SYS_finit_module, fd, "", 0));
    close(fd);
}

static void remove_module(void)
{
    must("delete_module", syscall(SYS_delete_module, COLLECTOR_NAME, O_NONBLOCK));
}

static void *map(int fd, size_t bytes, int protection, off_t offset)
{
    void *pages = mmap(NULL, bytes, protection, MAP_SHARED, fd, offset);
    if (pages == MAP_FAILED)
        fail("mmap");
    return pages;
}

static struct module_start start_values(__u32 ring_bytes)
{
    struct module_start start = {.rings = sysconf(_SC_NPROCESSORS_CONF), .ring_bytes = ring_bytes};
    start.knobs.cpus_per_ring = 1;
    start.knobs.arguments = 1;
    start.knobs.loopback = 1;
    return start;
}

static void open_driver(void)
{
    driver.fd = must(COLLECTOR_FILE, open(COLLECTOR_FILE, O_RDONLY | O_CLOEXEC));
}

static void start_driver(__u32 ring_bytes)
{
    struct module_start start = start_values(ring_bytes);
    must("start", ioctl(driver.fd, COLLECTOR_START, &start));
    driver.ring_bytes = ring_bytes;
    driver.control_fd = must("control", ioctl(driver.fd, COLLECTOR_CONTROL));
    driver.control = map(driver.control_fd, PAGE, PROT_READ | PROT_WRITE, 0);
    driver.rings_open = start.rings;
    for (int i = 0; i < driver.rings_open; i++) {
        struct ring *r = &driver.rings[i];
        memset(r, 0, sizeof(*r));
        r->fd = must("ring", ioctl(driver.fd, COLLECTOR_RING, i));
        r->consumer = map(r->fd, PAGE, PROT_READ | PROT_WRITE, 0);
        r->producer = map(r->fd, PAGE, PROT_READ, PAGE);
        r->data = map(r->fd, 2 * ring_bytes, PROT_READ, 2 * PAGE);
    }
    must("attach", ioctl(driver.fd, COLLECTOR_ATTACH));
}

static void close_rings(void)
{
    for (int i = 0; i < driver.rings_open; i++) {
        struct ring *r = &driver.rings[i];
        munmap(r->consumer, PAGE);
        munmap((void *)r->producer, PAGE);
        munmap((void *)r->data, 2 * driver.ring_bytes);
        close(r->fd);
    }
    munmap(driver.control, PAGE);
    close(driver.control_fd);
}

static void close_driver(void)
{
    close(driver.fd);
    close_rings();
}

static void print_text(const char *text, int length)
{
    for (int i = 0; i < length; i++)
        putchar(text[i] ? text[i] : ' ');
}

static void print_process(const struct process_record *r)
{
    const char *text = (const char *)(r + 1), *path = text, *args = path + r->path_size;
    const char *cgroup = args + r->args_size;
    printf(" ppid=%u uid=%u exec=%u comm=%s path=%.*s args=[", r->ppid, r->uid, r->exec_id, r->comm,
           r->path_size, path);
    print_text(args, r->args_size > 60 ? 60 : r->args_size);
    printf("] cgroup=%.*s lineage=", r->cgroup_size, cgroup);
    size_t at = (cgroup + r->cgroup_size - (const char *)r + 7) & ~7UL;
    for (int i = 0; i < r->lineage_count; i++) {
        const struct ancestor_record *a = (const void *)((const char *)r + at);
        printf("%u:%.*s,", a->pid, a->path_size, (const char *)(a + 1));
        at = (at + sizeof(*a) + a->path_size + 7) & ~7UL;
    }
}

static void print_socket(const struct socket_record *r)
{
    char local[INET6_ADDRSTRLEN], remote[INET6_ADDRSTRLEN];
    inet_ntop(r->family, r->addresses, local, sizeof(local));
    inet_ntop(r->family, r->addresses + (r->family == AF_INET ? 4 : 16), remote, sizeof(remote));
    printf(" %s %s:%u %s:%u role=%u state=%u", r->comm, local, r->local_port, remote, r->remote_port, r->role,
           r->state);
}

static const char *const type_names[] = {"?",      "exec",     "process", "exit",       "open",     "close",
                                         "listen", "unlisten", "socket",  "self-check", "datagram", "served"};

static void print_record(const struct record_header *h)
{
    printf("record %s pid=%u container=%012llx flags=%x", type_names[h->type], h->pid,
           h->container & 0xffffffffffff, h->flags);
    if (h->type == RECORD_EXEC || h->type == RECORD_PROCESS)
        print_process((const void *)h);
    else if (h->type == RECORD_EXIT)
        printf(" comm=%s code=%d", ((const struct exit_record *)h)->comm,
               ((const struct exit_record *)h)->exit_code);
    else if (h->type != RECORD_SELF_CHECK)
        print_socket((const void *)h);
    printf("\n");
}

/* Takes all records that are ready. Their form is checked. */
static void read_ring(struct ring *r, int prints)
{
    __u64 position = *r->consumer;
    while (position != __atomic_load_n(r->producer, __ATOMIC_ACQUIRE)) {
        const char *at = r->data + (position & (driver.ring_bytes - 1));
        __u32 length = __atomic_load_n((const __u32 *)at, __ATOMIC_ACQUIRE);
        const struct record_header *h = (const void *)(at + PREFIX);
        if (length & BUSY)
            break;
        if (length < sizeof(*h) || h->size != length || length % 8 || length > RECORD_CAPACITY || !h->type ||
            h->type > RECORD_SERVED) {
            printf("failed: a record of %u bytes, type %u, size %u\n", length, h->type, h->size);
            exit(1);
        }
        if (prints)
            print_record(h);
        if (h->type == RECORD_OPEN && ((const struct socket_record *)h)->role == ROLE_SERVER)
            driver.accepted++;
        if (h->type == RECORD_PROCESS && h->flags & FLAG_ARGS_LOST)
            driver.speechless++;
        r->records++;
        position += (length + PREFIX + 7) & ~7U;
    }
    __atomic_store_n(r->consumer, position, __ATOMIC_RELEASE);
}

static void read_rings(int prints)
{
    for (int i = 0; i < driver.rings_open; i++)
        read_ring(&driver.rings[i], prints);
}

static void wait_for_rings(int ms)
{
    struct pollfd polled[MOST_RINGS];
    for (int i = 0; i < driver.rings_open; i++)
        polled[i] = (struct pollfd){.fd = driver.rings[i].fd, .events = POLLIN};
    poll(polled, driver.rings_open, ms);
}

static struct program_stats total(int prints)
{
    static const char *const names[] = {"exec", "exit", "socket", "udp"};
    struct module_stats stats;
    struct program_stats sum = {};
    must("stats", ioctl(driver.fd, COLLECTOR_STATS, &stats));
    for (int i = 0; i < PROGRAM_COUNT; i++) {
        const struct program_stats *row = &stats.programs[i];
        if (prints)
            printf("stats %s events=%llu lost=%llu skipped=%llu failed=%llu over_share=%llu\n", names[i],
                   row->events, row->lost, row->skipped, row->failed, row->over_share);
        sum.events += row->events;
        sum.lost += row->lost;
        sum.failed += row->failed;
        sum.over_share += row->over_share;
    }
    return sum;
}

static int records(const char *module, double seconds)
{
    insert(module);
    open_driver();
    start_driver(1 << 20);
    printf("records: hooked\n");
    fflush(stdout);
    for (double end = now() + seconds; now() < end;) {
        wait_for_rings(100);
        read_rings(1);
    }
    total(1);
    close_driver();
    remove_module();
    return 0;
}

static int is_anything_lost(void)
{
    struct program_stats sum = total(0);
    return sum.lost + sum.over_share > 0;
}

static int storm(const char *module, double seconds)
{
    enum { MOST_SECONDS = 60 }; /* until a load short of processor time has filled a page */
    insert(module);
    open_driver();
    start_driver(PAGE);
    double begin = now(), end = begin + seconds;
    while (now() < end || (!is_anything_lost() && now() < begin + MOST_SECONDS)) {
        usleep(random() % 50000); /* a page is full long before */
        wait_for_rings(100);
        read_rings(0);
    }
    must("detach", ioctl(driver.fd, COLLECTOR_DETACH));
    read_rings(0);
    struct program_stats sum = total(1);
    __u64 read = 0;
    for (int i = 0; i < driver.rings_open; i++)
        read += driver.rings[i].records;
    printf("storm: read %llu written %llu lost %llu over_share %llu failed %llu\n", read, sum.events,
           sum.lost, sum.over_share, sum.failed);
    int live = ioctl(driver.fd, COLLECTOR_LIVE);
    close_driver();
    remove_module();
    return read != sum.events || !read || !(sum.lost + sum.over_share) || sum.failed || live != 0;
}

/* Ends in the several ways there are. */
static void cycle(const char *module, int turn)
{
    insert(module);
    if (turn % 4 == 0) {
        pid_t child = must("fork", fork());
        if (child == 0) {
            open_driver();
            start_driver(1 << 16);
            for (;;) {
                wait_for_rings(20);
                read_rings(0);
            }
        }
        usleep(50000);
        kill(child, SIGKILL);
        must("waitpid", waitpid(child, NULL, 0));
    } else {
        open_driver();
        start_driver(1 << 16);
        for (double end = now() + 0.03; now() < end;) {
            wait_for_rings(10);
            read_rings(0);
        }
        if (syscall(SYS_delete_module, COLLECTOR_NAME, O_NONBLOCK) == 0 || errno != EWOULDBLOCK)
            fail("a module in use can be removed");
        if (turn % 4 == 1)
            must("detach", ioctl(driver.fd, COLLECTOR_DETACH));
        if (turn % 4 == 2) {
            close_rings();
            close(driver.fd);
        } else {
            close_driver();
        }
    }
    remove_module();
}

static int cycles(const char *module, int count)
{
    double begin = now();
    for (int i = 0; i < count; i++)
        cycle(module, i);
    printf("cycles: %d in %.1f s\n", count, now() - begin);
    return 0;
}

static void set_event(const char *event, const char *value)
{
    char path[256];
    snprintf(path, sizeof(path), "/sys/kernel/tracing/events/%s/enable", event);
    int fd = must(path, open(path, O_WRONLY | O_CLOEXEC));
    must(path, write(fd, value, 1));
    close(fd);
}

static int switches(int count)
{
    static const char *const events[] = {"cgroup/cgroup_rmdir",      "cgroup/cgroup_attach_task",
                                         "sched/sched_process_fork", "sched/sched_process_exec",
                                         "sched/sched_process_exit", "tcp/tcp_destroy_sock",
                                         "sock/inet_sock_set_state"};
    enum { EVENTS = sizeof(events) / sizeof(events[0]) };
    for (int i = 0; i < 2 * EVENTS * count; i++)
        set_event(events[i % EVENTS], i / EVENTS % 2 ? "0" : "1");
    printf("switches: %d\n", count);
    return 0;
}

static __u64 random_word(void)
{
    return (__u64)random() << 42 ^ (__u64)random() << 21 ^ random();
}

static int hostile(const char *module, double seconds)
{
    insert(module);
    open_driver();
    start_driver(PAGE);
    __u64 turns = 0;
    for (double end = now() + seconds; now() < end; turns++) {
        for (int i = 0; i < driver.rings_open; i++) {
            struct ring *r = &driver.rings[i];
            __u64 position = *r->producer;
            switch (random() % 4) {
            case 0:
                position = random_word();
                break;
            case 1:
                position += random() % 8192 - 4096;
                break;
            case 2:
                position -= random() % PAGE;
                break;
            }
            __atomic_store_n(r->consumer, position, __ATOMIC_RELEASE);
        }
        if (turns % 1024 == 0)
            for (size_t i = 0; i < sizeof(struct control); i++)
                ((volatile char *)driver.control)[i] = random();
    }
    struct program_stats sum = total(1);
    printf("hostile: %llu turns, %llu written, %llu lost\n", turns, sum.events, sum.lost + sum.over_share);
    close_driver();
    remove_module();
    return sum.events == 0;
}

static void expect(const char *what, long result, int code)
{
    if (code ? result < 0 && errno == code : result >= 0)
        return;
    printf("failed: %s: %s instead of %s\n", what, result < 0 ? strerror(errno) : "success", strerror(code));
    exit(1);
}

static void expect_start(const char *what, struct module_start start, int code)
{
    expect(what, ioctl(driver.fd, COLLECTOR_START, &start), code);
}

static long try_map(int fd, size_t bytes, int protection, off_t offset)
{
    void *pages = mmap(NULL, bytes, protection, MAP_SHARED, fd, offset);
    return pages == MAP_FAILED ? -1 : 0;
}

static int refusals(const char *module)
{
    char layout[16] = {};
    int fd = must(module, open(module, O_RDONLY | O_CLOEXEC));
    expect("the layout as a parameter", syscall(SYS_finit_module, fd, "layout=1", 0), EPERM);
    close(fd);
    insert(module);
    fd = must(COLLECTOR_LAYOUT_FILE, open(COLLECTOR_LAYOUT_FILE, O_RDONLY | O_CLOEXEC));
    must("layout", read(fd, layout, sizeof(layout) - 1));
    close(fd);
    if (atoi(layout) != LAYOUT_VERSION)
        fail("layout");
    if (fork() == 0) {
        must("setuid", setresuid(1000, 1000, 1000));
        expect("another user", open(COLLECTOR_FILE, O_RDONLY), EACCES);
        _exit(0);
    }
    int status;
    must("wait", wait(&status));
    expect("the trial of another user", status ? -1 : 0, 0);
    open_driver();
    expect("a second opener", open(COLLECTOR_FILE, O_RDONLY), EBUSY);
    struct module_info info;
    must("info", ioctl(driver.fd, COLLECTOR_INFO, &info));
    if (info.layout != LAYOUT_VERSION || info.knobs_size != sizeof(struct knobs) ||
        info.control_size != sizeof(struct control) || info.program_stats_size != sizeof(struct program_stats))
        fail("info");
    printf("refusals: version %s\n", info.version);
    expect("attach before start", ioctl(driver.fd, COLLECTOR_ATTACH), ENXIO);
    expect("a ring before start", ioctl(driver.fd, COLLECTOR_RING, 0), ENXIO);
    expect("an unknown command before start", ioctl(driver.fd, _IO('C', 99)), ENXIO);
    expect("no memory", ioctl(driver.fd, COLLECTOR_START, (void *)8), EFAULT);
    expect("no memory for info", ioctl(driver.fd, COLLECTOR_INFO, (void *)8), EFAULT);
    struct module_start start = start_values(PAGE);
    struct module_start bad = start;
    bad.rings = 0;
    expect_start("no rings", bad, EINVAL);
    bad.rings = 100000;
    expect_start("many rings", bad, EINVAL);
    bad = start;
    bad.ring_bytes = 3 * PAGE;
    expect_start("no power of two", bad, EINVAL);
    bad.ring_bytes = 2048;
    expect_start("half a page", bad, EINVAL);
    bad.ring_bytes = 1U << 31;
    expect_start("2 GiB", bad, EINVAL);
    bad.ring_bytes = 1U << 30;
    expect_start("more than there is", bad, ENOMEM);
    bad = start;
    bad.knobs.cpus_per_ring = 0;
    expect_start("no CPUs in a ring", bad, EINVAL);
    expect_start("a start after refusals", start, 0);
    expect_start("a second start", start, EALREADY);
    int ring = must("ring", ioctl(driver.fd, COLLECTOR_RING, 0));
    int control = must("control", ioctl(driver.fd, COLLECTOR_CONTROL));
    expect("a ring too high", ioctl(driver.fd, COLLECTOR_RING, -1L), ERANGE);
    expect("an unknown command", ioctl(driver.fd, _IO('C', 99)), ENOTTY);
    expect("close-on-exec", fcntl(ring, F_GETFD) & FD_CLOEXEC ? 0 : -1, 0);
    expect("writing the producer's page", try_map(ring, PAGE, PROT_READ | PROT_WRITE, PAGE), EPERM);
    expect("writing data", try_map(ring, PAGE, PROT_READ | PROT_WRITE, 2 * PAGE), EPERM);
    expect("writing beyond the consumer's page", try_map(ring, 2 * PAGE, PROT_READ | PROT_WRITE, 0), EPERM);
    expect("a map beyond the data", try_map(ring, 3 * PAGE, PROT_READ, 2 * PAGE), EINVAL);
    expect("all of the data, twice", try_map(ring, 2 * PAGE, PROT_READ, 2 * PAGE), 0);
    expect("two pages of control", try_map(control, 2 * PAGE, PROT_READ, 0), EINVAL);
    expect("the second page of control", try_map(control, PAGE, PROT_READ, PAGE), EINVAL);
    void *page = map(ring, PAGE, PROT_READ, PAGE);
    expect("mprotect of the producer's page", mprotect(page, PAGE, PROT_READ | PROT_WRITE), EACCES);
    page = map(ring, PAGE, PROT_READ, 2 * PAGE);
    expect("mprotect of data", mprotect(page, PAGE, PROT_READ | PROT_WRITE), EACCES);
    __u64 *consumer = map(ring, PAGE, PROT_READ | PROT_WRITE, 0);
    *consumer = 0;
    expect("mremap", mremap(consumer, PAGE, 2 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0, EFAULT);
    expect("read", read(driver.fd, layout, 1), EIO);
    must("attach", ioctl(driver.fd, COLLECTOR_ATTACH));
    must("attach twice", ioctl(driver.fd, COLLECTOR_ATTACH));
    if (ioctl(driver.fd, COLLECTOR_LIVE) != 1)
        fail("live");
    must("detach", ioctl(driver.fd, COLLECTOR_DETACH));
    must("attach anew", ioctl(driver.fd, COLLECTOR_ATTACH));
    close(driver.fd);
    expect("a removal with a ring open", syscall(SYS_delete_module, COLLECTOR_NAME, O_NONBLOCK), EWOULDBLOCK);
    *consumer = 1; /* the mapping outlives the file */
    open_driver();
    start_driver(PAGE);
    close_driver();
    close(control);
    close(ring);
    printf("refusals: all refused\n");
    /* Mappings are left: they end with this process. */
    return 0;
}

/* Puts the caller into a container, or below one of another name in it. */
static void enter(const char *group)
{
    char path[512], *slash;
    snprintf(path, sizeof(path), "/sys/fs/cgroup/%s", group);
    for (slash = path + strlen("/sys/fs/cgroup/"); (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = 0;
        mkdir(path, 0755);
    }
    mkdir(path, 0755);
    strcat(path, "/cgroup.procs");
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1)
        fail(path);
    close(fd);
}

static void leave(const char *group)
{
    char path[512];
    snprintf(path, sizeof(path), "/sys/fs/cgroup/%s", group);
    rmdir(path);
}

static void container_name(char *name, int number, int nested)
{
    int length = sprintf(name, "docker/%012x", number);
    for (int i = 12; i < 64; i++)
        length += sprintf(name + length, "%x", (number * 7 + i * number + i) & 15);
    if (nested)
        sprintf(name + length, "/docker/%064x", number);
}

static void execute(void)
{
    pid_t child = fork();
    if (child == 0) {
        execl("/bin/true", "true", "with", "arguments", (char *)NULL);
        _exit(1);
    }
    waitpid(child, NULL, 0);
}

static int listen_at(int family, struct sockaddr_storage *address, socklen_t *length)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memset(address, 0, sizeof(*address));
    address->ss_family = family;
    *length = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    if (bind(fd, (void *)address, *length) || listen(fd, 16) || getsockname(fd, (void *)address, length))
        fail("listen");
    return fd;
}

static void connect_once(int listener, const struct sockaddr_storage *address, socklen_t length)
{
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (const void *)address, length) == 0) {
        int accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (accepted >= 0 && random() % 2)
            shutdown(accepted, SHUT_WR);
        close(accepted);
    }
    struct linger at_once = {.l_onoff = random() % 2};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(fd);
}

/* Makes the memory of `size` bytes present, with a page at every place: little of it is charged. */
static char *crowded_memory(size_t size)
{
    enum { FILE_BYTES = 16 << 20 };
    int fd = must("memfd_create", syscall(SYS_memfd_create, "arguments", 0));
    must("ftruncate", ftruncate(fd, FILE_BYTES));
    char *part = map(fd, FILE_BYTES, PROT_READ | PROT_WRITE, 0);
    memset(part, 'a', FILE_BYTES);
    char *all = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    for (size_t at = 0; at < size; at += FILE_BYTES)
        if (mmap(all + at, FILE_BYTES, PROT_READ, MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, 0) == MAP_FAILED)
            fail("mmap");
    for (size_t at = 0; at < FILE_BYTES; at += PAGE)
        (void)*(volatile char *)(all + at);
    return all;
}

static int arguments(const char *module, double megabytes)
{
    enum { TRIES = 3 };
    static const double MOST_SECONDS = 1;
    struct sockaddr_storage address;
    socklen_t length;
    char name[256];
    size_t size = (size_t)megabytes << 20;
    insert(module);
    open_driver();
    start_driver(1 << 20);
    pid_t child = must("fork", fork());
    if (child == 0) {
        char *memory = crowded_memory(size);
        container_name(name, 1, 0);
        enter(name);
        must("PR_SET_MM_ARG_START", prctl(PR_SET_MM, PR_SET_MM_ARG_START, memory, 0, 0));
        must("PR_SET_MM_ARG_END", prctl(PR_SET_MM, PR_SET_MM_ARG_END, memory + size - 1, 0, 0));
        double least = MOST_SECONDS;
        for (int i = 0; i < TRIES; i++) {
            double begin = now();
            close(listen_at(AF_INET, &address, &length));
            least = now() - begin < least ? now() - begin : least;
        }
        printf("arguments: a listen() took %.1f ms\n", least * 1e3);
        _exit(least >= MOST_SECONDS);
    }
    int status;
    must("waitpid", waitpid(child, &status, 0));
    read_rings(0);
    close_driver();
    remove_module();
    return status != 0 || driver.speechless != TRIES;
}

/* Listens with `count` sockets, on loopback addresses with a port each of the kernel's choice. */
static void listen_often(int count)
{
    const struct rlimit most = {.rlim_cur = count + 64, .rlim_max = count + 64};
    must("setrlimit", setrlimit(RLIMIT_NOFILE, &most));
    for (int i = 0; i < count; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(0x7f000001 + i / 8192)}};
        int fd = must("socket", socket(AF_INET, SOCK_STREAM, 0));
        must("bind", bind(fd, (void *)&address, sizeof(address)));
        must("listen", listen(fd, 1));
    }
}

static int shares(const char *module, int count)
{
    struct sockaddr_storage address;
    socklen_t length;
    int ready[2];
    char greedy_name[256], name[256], byte = 0;
    container_name(greedy_name, 1, 0);
    container_name(name, 2, 0);
    must("pipe", pipe(ready));
    insert(module);
    open_driver();
    start_driver(1 << 20);
    pid_t greedy = must("fork", fork());
    if (greedy == 0) {
        enter(greedy_name);
        listen_often(count);
        must("write", write(ready[1], &byte, 1));
        pause();
    }
    close(ready[1]);
    for (struct pollfd polled = {.fd = ready[0], .events = POLLIN}; poll(&polled, 1, 10) == 0;)
        read_rings(0);
    if (read(ready[0], &byte, 1) != 1)
        fail("the greedy container");
    read_rings(0);
    __u64 failed = total(0).failed;
    pid_t other = must("fork", fork());
    if (other == 0) {
        enter(name);
        int listener = listen_at(AF_INET, &address, &length);
        connect_once(listener, &address, length);
        _exit(0);
    }
    must("waitpid", waitpid(other, NULL, 0));
    __u64 failed_of_other = total(0).failed - failed;
    driver.accepted = 0;
    read_rings(0);
    kill(greedy, SIGKILL);
    must("waitpid", waitpid(greedy, NULL, 0));
    printf("shares: %llu of %d sockets without room, %llu of the other's; it accepted %llu\n", failed, count,
           failed_of_other, driver.accepted);
    close_driver();
    remove_module();
    return !failed || failed_of_other || driver.accepted != 1;
}

static void load_one(int number, double seconds)
{
    char name[256], other[256];
    srandom(number);
    container_name(name, number, number % 2);
    container_name(other, number + 100, 0);
    enter(name);
    for (double end = now() + seconds; now() < end;) {
        struct sockaddr_storage address;
        socklen_t length;
        int listener = listen_at(random() % 2 ? AF_INET : AF_INET6, &address, &length);
        for (int i = random() % 8; i >= 0; i--)
            connect_once(listener, &address, length);
        close(listener);
        for (int i = random() % 4; i >= 0; i--)
            execute();
        if (random() % 4 == 0) {
            enter(other);
            execute();
            enter(name);
            leave(other);
        }
    }
}

static int load(double seconds)
{
    enum { PROCESSES = 6 };
    for (int i = 0; i < PROCESSES; i++)
        if (must("fork", fork()) == 0) {
            load_one(i + 1, seconds);
            _exit(0);
        }
    int bad = 0, status;
    while (wait(&status) > 0)
        bad |= status;
    printf("load: ended with %d\n", bad);
    return bad != 0;
}

/* ns for each of `count` events of a kind. */
static double time_of(void (*event)(void), int count)
{
    double begin = now();
    for (int i = 0; i < count; i++)
        event();
    return (now() - begin) / count * 1e9;
}

static struct {
    int listener;
    struct sockaddr_storage address;
    socklen_t length;
} server;

static void connect_to_server(void)
{
    connect_once(server.listener, &server.address, server.length);
}

/* The smallest of several rounds, in turns, so that a disturbance is in no difference. */
static void compare(const char *what, void (*event)(void), int rounds)
{
    enum { EVENTS = 50 };
    double without = 1e18, with = 1e18;
    for (int i = 0; i < rounds; i++) {
        must("detach", ioctl(driver.fd, COLLECTOR_DETACH));
        double ns = time_of(event, EVENTS);
        without = ns < without ? ns : without;
        must("attach", ioctl(driver.fd, COLLECTOR_ATTACH));
        driver.control->busy = 1;
        event(); /* cgroups are judged once */
        ns = time_of(event, EVENTS);
        with = ns < with ? ns : with;
        read_rings(0);
    }
    printf("cost: %s: %.1f us without hooks, %.1f with\n", what, without / 1e3, with / 1e3);
}

/* Of the tables and rings, bytes. */
static void print_memory(void)
{
    char line[512];
    unsigned long sum = 0, size;
    FILE *areas = fopen("/proc/vmallocinfo", "r");
    while (areas && fgets(line, sizeof(line), areas))
        if (strstr(line, "[collector]") && sscanf(line, "%*s %lu", &size) == 1)
            sum += size;
    if (areas)
        fclose(areas);
    printf("cost: %lu KiB, with %d rings of %u KiB, each mapped twice\n", sum / 1024, driver.rings_open,
           driver.ring_bytes / 1024);
}

static int cost(const char *module, int rounds)
{
    char name[256];
    insert(module);
    open_driver();
    start_driver(1 << 20);
    print_memory();
    server.listener = listen_at(AF_INET, &server.address, &server.length);
    compare("an exec on the host", execute, rounds);
    compare("a connection on the host, both ends", connect_to_server, rounds);
    container_name(name, 1, 0);
    enter(name);
    close(server.listener);
    compare("an exec in a container", execute, rounds);
    /* The port is listened on while the hooks are there. */
    server.listener = listen_at(AF_INET, &server.address, &server.length);
    compare("a connection in a container, its client's end", connect_to_server, rounds);
    total(1);
    close_driver();
    remove_module();
    return 0;
}

int main(int count, char **words)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (count < 3)
        return 2;
    const char *trial = words[1], *module = words[2];
    double number = count > 3 ? atof(words[3]) : 1;
    if (!strcmp(trial, "refusals"))
        return refusals(module);
    if (!strcmp(trial, "arguments"))
        return arguments(module, number);
    if (!strcmp(trial, "shares"))
        return shares(module, number);
    if (!strcmp(trial, "records"))
        return records(module, number);
    if (!strcmp(trial, "cycles"))
        return cycles(module, number);
    if (!strcmp(trial, "storm"))
        return storm(module, number);
    if (!strcmp(trial, "hostile"))
        return hostile(module, number);
    if (!strcmp(trial, "cost"))
        return cost(module, number);
    if (!strcmp(trial, "switches"))
        return switches(number);
    if (!strcmp(trial, "load"))
        return load(number);
    return 2;
}
