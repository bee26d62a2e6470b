// SPDX-License-Identifier: Apache-2.0
/*
 * What the end-to-end specs watch: a container made of namespaces and a cgroup, and the things that happen in one,
 * each exactly as often as it says. `workload JOB ARGUMENTS…` does one job. `workload container CGROUP.PROCS…` is the
 * first process of a container and reads jobs from its standard input; it forks for each and execs for none, so that a
 * spec sees no exec but those it asked for.
 *
 * A line of input is `JOB<tab>ARGUMENT…`, or `stop<tab>ID` to end a job by SIGTERM. A line of output is `ID TEXT`: the
 * first of a job is `started`, the last `ended STATUS`; ID 0 is the container itself.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_WORDS = 64, LINE_CAPACITY = 16384, BACKLOG = 128 };

/* This program's path; /proc/self/exe would be a name that only host helpers use. */
static char self[4096];

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "workload: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* `result`, unless it is that of a call that failed. */
static long must(const char *what, long result)
{
    if (result < 0)
        fail(what);
    return result;
}

/* One line, in one write, for the job that this process belongs to. */
static void say(const char *format, ...)
{
    const char *job = getenv("JOB");
    char text[LINE_CAPACITY];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    dprintf(STDOUT_FILENO, "%s%s%s\n", job ? job : "", job ? " " : "", text);
}

static int run(char **words);

/* ---- processes ---- */

static int job_exit(char **unused)
{
    (void)unused;
    return 0;
}

/* Stays until this process is ended from outside. */
static _Noreturn int stay(void)
{
    for (;;)
        pause();
}

/* hold …: says its pid and stays until it is stopped */
static int job_hold(char **unused)
{
    (void)unused;
    say("pid %d", getpid());
    return stay();
}

/* exec PATH ARGUMENTS… */
static int job_exec(char **words)
{
    execv(words[0], words);
    fail(words[0]);
}

/* spawn PATH ARGUMENTS…: as a child, whose status is this job's */
static int job_spawn(char **words)
{
    int status;
    pid_t child = must("fork", fork());
    if (child == 0)
        job_exec(words);
    must("waitpid", waitpid(child, &status, 0));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* as UID GID JOB…: with these as real ids; the effective ones stay, so that the two can be told apart */
static int job_as(char **words)
{
    must("setresgid", setresgid(atoi(words[1]), -1, -1));
    must("setresuid", setresuid(atoi(words[0]), -1, -1));
    return run(words + 2);
}

static void *exec_in_thread(void *words)
{
    job_exec(words);
    return NULL;
}

/* thread-exec PATH ARGUMENTS…: from a thread that is not the first */
static int job_thread_exec(char **words)
{
    pthread_t thread;
    errno = pthread_create(&thread, NULL, exec_in_thread, words);
    if (errno)
        fail("pthread_create");
    return stay();
}

/* long-exec COUNT SIZE: itself, with COUNT arguments of SIZE letters each */
static int job_long_exec(char **words)
{
    int count = atoi(words[0]), size = atoi(words[1]);
    char **argv = calloc(count + 3, sizeof(*argv)), *argument = calloc(size + 1, 1);
    if (!argv || !argument)
        fail("calloc");
    memset(argument, 'x', size);
    argv[0] = self;
    argv[1] = "exit";
    for (int i = 0; i < count; i++)
        argv[i + 2] = argument;
    return job_exec(argv);
}

/* invalid-exec: itself, with arguments of which some bytes are no UTF-8 */
static int job_invalid_exec(char **unused)
{
    char *argv[] = {self, "exit", "caf\xc3\xa9", "bad\xff\xfe!", "cut\xe2\x82", NULL};
    (void)unused;
    return job_exec(argv);
}

/* exec-named LENGTH PATH ARGUMENTS…: with as many letters as argv[0] */
static int job_exec_named(char **words)
{
    int length = atoi(words[0]);
    char *path = words[1];
    words[1] = calloc(length + 1, 1);
    if (!words[1])
        fail("calloc");
    memset(words[1], 'A', length);
    execv(path, words + 1);
    fail(path);
}

/* jail FOLDER JOB…: in a root of its own choice */
static int job_jail(char **words)
{
    must(words[0], chroot(words[0]));
    must("chdir", chdir("/"));
    return run(words + 1);
}

/*
 * jail-detached FOLDER PATH ARGUMENTS…: the program at a path below a folder that is mounted and then unmounted
 * lazily
 */
static int job_jail_detached(char **words)
{
    must("unshare", unshare(CLONE_NEWNS));
    must("private", mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
    must(words[0], mount(words[0], words[0], NULL, MS_BIND, NULL));
    int folder = must(words[0], open(words[0], O_PATH | O_CLOEXEC));
    must("umount", umount2(words[0], MNT_DETACH));
    must("fchdir", fchdir(folder));
    return job_exec(words + 1);
}

/* chain COUNT JOB…: in a process with as many ancestors that run this program */
static int job_chain(char **words)
{
    int status = 0, count = atoi(words[0]);
    for (; count > 0; count--) {
        pid_t child = must("fork", fork());
        if (child == 0)
            continue;
        must("waitpid", waitpid(child, &status, 0));
        exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
    }
    return run(words + 1);
}

/* orphan JOB…: in a process whose parent has ended, so that somebody further up is its parent */
static int job_orphan(char **words)
{
    int status;
    pid_t child = must("fork", fork()), parent = getpid();
    if (child == 0) {
        if (must("fork", fork()) > 0)
            exit(0);
        while (getppid() != 1 && getppid() >= parent)
            usleep(1000);
        exit(run(words));
    }
    must("waitpid", waitpid(child, &status, 0));
    return 0;
}

static void *run_in_thread(void *words)
{
    exit(run(words));
    return NULL;
}

/* leaderless JOB…: in a thread, after the first one has ended */
static int job_leaderless(char **words)
{
    pthread_t thread;
    errno = pthread_create(&thread, NULL, run_in_thread, words);
    if (errno)
        fail("pthread_create");
    pthread_exit(NULL);
}

/* What main() was given, as it lies in memory. */
static char **arguments;

/* retitle TITLE JOB…: writes a title over all its arguments, as servers do; it has to be shorter than those */
static int job_retitle(char **words)
{
    char title[256], *copies[MOST_WORDS + 1] = {};
    char *start = arguments[0], *end = start;
    for (char **one = arguments; *one; one++)
        end = *one + strlen(*one) + 1;
    snprintf(title, sizeof(title), "%s", words[0]);
    for (int i = 1; words[i] && i < MOST_WORDS; i++)
        copies[i - 1] = strdup(words[i]);
    memset(start, 0, end - start);
    strcpy(start, title);
    must("prctl", prctl(PR_SET_NAME, title));
    return run(copies);
}

/* deep-exec FOLDER NAME DEPTH: itself, as NAME/NAME/… of DEPTH levels below FOLDER, by a relative path */
static int job_deep_exec(char **words)
{
    char *argv[] = {"./deep", "exit", "deep", NULL};
    must(words[0], chdir(words[0]));
    for (int i = atoi(words[2]); i > 0; i--) {
        must(words[1], mkdir(words[1], 0755));
        must(words[1], chdir(words[1]));
    }
    must("link", link(self, argv[0]));
    return job_exec(argv);
}

/* execs N: N children in a row that exec this program and end at once, each with its number as an argument */
static int job_execs(char **words)
{
    int count = atoi(words[0]), done = 0;
    for (int i = 0; i < count; i++) {
        char number[16];
        char *argv[] = {self, "exit", number, NULL};
        pid_t child;
        int status;
        snprintf(number, sizeof(number), "%d", i);
        if (posix_spawn(&child, self, NULL, NULL, argv, environ))
            continue;
        if (waitpid(child, &status, 0) == child && status == 0)
            done++;
    }
    say("execs %d", done);
    return 0;
}

/* ---- TCP ---- */

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
    socklen_t size;
};

static struct address address_of(const char *host, int port)
{
    struct address a = {.v4 = {.sin_family = AF_INET, .sin_port = htons(port)}, .size = sizeof(a.v4)};
    if (inet_pton(AF_INET, host, &a.v4.sin_addr) == 1)
        return a;
    a = (struct address){.v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)}, .size = sizeof(a.v6)};
    if (inet_pton(AF_INET6, host, &a.v6.sin6_addr) != 1)
        fail(host);
    return a;
}

/* Of the sockets of a job: TCP, or TCP under Multipath TCP. */
static int protocol = IPPROTO_TCP;
/* Whether several sockets of a job's user may listen on one port. */
static int reuses_port;

/* Reads to the end of what the peer sends, which is when it closes. */
static void drain(int fd)
{
    char bytes[256];
    while (read(fd, bytes, sizeof(bytes)) > 0)
        ;
}

/* A listening socket, once the job has said on which port; the kernel chooses one for NULL. */
/* Whether a filter takes all memory that sockets have for options. */
static int is_crammed;

/* Attaches a filter that takes all, of that many instructions; whether there is room for it. */
static int attach_filter(int fd, unsigned short count)
{
    static struct sock_filter code[BPF_MAXINSNS];
    for (int i = 0; i < count; i++)
        code[i] =
            (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0); /* the kernel makes several of each */
    code[count - 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, -1);
    struct sock_fprog filter = {.len = count, .filter = code};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) == 0;
}

/* The longest filter that the socket has room for leaves too little for anything else (net.core.optmem_max). */
static void cram(int fd)
{
    int fits = 1, exceeds = BPF_MAXINSNS + 1;
    while (exceeds - fits > 1) {
        int middle = (fits + exceeds) / 2;
        if (attach_filter(fd, middle))
            fits = middle;
        else
            exceeds = middle;
        setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &(int){0}, sizeof(int));
    }
    if (exceeds > BPF_MAXINSNS) {
        errno = E2BIG;
        fail("a filter as long as can be leaves room");
    }
    must("SO_ATTACH_FILTER", attach_filter(fd, fits) - 1);
}

static int listen_on(const char *host, const char *port)
{
    struct address address = address_of(host, port ? atoi(port) : 0);
    int fd = must("socket", socket(address.any.sa_family, SOCK_STREAM, protocol));
    if (reuses_port)
        must("SO_REUSEPORT", setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &reuses_port, sizeof(reuses_port)));
    if (is_crammed)
        cram(fd);
    /* Who starts anew finds connections of before in TIME_WAIT. */
    must("SO_REUSEADDR", setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)));
    must("bind", bind(fd, &address.any, address.size));
    must("listen", listen(fd, BACKLOG));
    must("getsockname", getsockname(fd, &address.any, &address.size));
    /* The port is at the same place in both families. */
    say("listening %d", ntohs(address.v4.sin_port));
    return fd;
}

static int accept_from(int listener)
{
    return must("accept", accept(listener, NULL, NULL));
}

/* serve ADDRESS COUNT [PORT]: COUNT connections, each until its peer closes, one after the other */
static int job_serve(char **words)
{
    int listener = listen_on(words[0], words[2]), count = atoi(words[1]), accepted = 0;
    while (accepted < count) {
        int fd = accept_from(listener);
        accepted++;
        drain(fd);
        close(fd);
    }
    say("accepted %d", accepted);
    return 0;
}

/* serve-multipath ADDRESS COUNT [PORT]: as serve, by Multipath TCP */
static int job_serve_multipath(char **words)
{
    protocol = IPPROTO_MPTCP;
    return job_serve(words);
}

/* serve-all ADDRESS [PORT]: all connections at once, each until its peer closes, until the job is stopped */
static _Noreturn int job_serve_all(char **words)
{
    static struct pollfd sources[256];
    nfds_t count = 1;
    sources[0] = (struct pollfd){.fd = listen_on(words[0], words[1]), .events = POLLIN};
    for (;;) {
        must("poll", poll(sources, count, -1));
        for (nfds_t i = count - 1; i > 0; i--) {
            char bytes[256];
            if (!sources[i].revents || read(sources[i].fd, bytes, sizeof(bytes)) > 0)
                continue;
            close(sources[i].fd);
            sources[i] = sources[--count];
        }
        if (sources[0].revents && count < sizeof(sources) / sizeof(*sources))
            sources[count++] = (struct pollfd){.fd = accept_from(sources[0].fd), .events = POLLIN};
    }
}

/* serve-forks ADDRESS COUNT [PORT]: COUNT connections, each in a child of its own, until its peer closes */
static int job_serve_forks(char **words)
{
    int listener = listen_on(words[0], words[2]), count = atoi(words[1]);
    for (int i = 0; i < count; i++) {
        int fd = accept_from(listener);
        if (must("fork", fork()) == 0) {
            close(listener);
            drain(fd);
            exit(0);
        }
        close(fd);
    }
    for (int i = 0; i < count; i++)
        must("wait", wait(NULL));
    return 0;
}

static void *drain_in_thread(void *fd)
{
    drain((long)fd);
    close((long)fd);
    return NULL;
}

/* serve-threads ADDRESS COUNT [PORT]: COUNT connections, each in a thread of its own, until its peer closes */
static int job_serve_threads(char **words)
{
    int listener = listen_on(words[0], words[2]), count = atoi(words[1]);
    pthread_t *threads = calloc(count, sizeof(*threads));
    if (!threads)
        fail("calloc");
    for (int i = 0; i < count; i++) {
        errno = pthread_create(&threads[i], NULL, drain_in_thread, (void *)(long)accept_from(listener));
        if (errno)
            fail("pthread_create");
    }
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    free(threads);
    return 0;
}

/* serve-shared ADDRESS COUNT [PORT]: as serve, on a port that others may listen on, too */
static int job_serve_shared(char **words)
{
    reuses_port = 1;
    return job_serve(words);
}

/* serve-passed ADDRESS: one connection, passed over a Unix socket to a process that reads it to its end */
static int job_serve_passed(char **words)
{
    int ends[2], listener = listen_on(words[0], NULL);
    must("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {
        .header = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    struct iovec data = {.iov_base = (char[1]){0}, .iov_len = 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control};
    message.msg_controllen = sizeof(control);
    pid_t reader = must("fork", fork());
    int fd;
    if (reader == 0) {
        must("close", close(listener));
        must("recvmsg", recvmsg(ends[1], &message, 0));
        memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
        drain(fd);
        exit(0);
    }
    fd = accept_from(listener);
    memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    must("sendmsg", sendmsg(ends[0], &message, 0));
    close(fd);
    say("passed on");
    must("waitpid", waitpid(reader, NULL, 0));
    return 0;
}

/* serve-forked ADDRESS: who listens forks, and the child accepts one connection */
static int job_serve_forked(char **words)
{
    int listener = listen_on(words[0], NULL);
    pid_t child = must("fork", fork());
    if (child == 0) {
        drain(accept_from(listener));
        exit(0);
    }
    must("waitpid", waitpid(child, NULL, 0));
    return 0;
}

/* serve-handed ADDRESS: one connection, handed to a child that execs and reads it to its end; this process closes it */
static int job_serve_handed(char **words)
{
    int fd = accept_from(listen_on(words[0], NULL));
    pid_t child = must("fork", fork());
    if (child == 0) {
        char number[16];
        char *argv[] = {self, "drain", number, NULL};
        snprintf(number, sizeof(number), "%d", fd);
        job_exec(argv);
    }
    close(fd);
    say("handed over");
    must("waitpid", waitpid(child, NULL, 0));
    say("handed back");
    return 0;
}

static struct sockaddr_un unix_address(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    return address;
}

union passed {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
};

/* hand-over ADDRESS PORT PATH: listens, passes the listening socket to take-over at PATH, and ends */
static int job_hand_over(char **words)
{
    int fd = listen_on(words[0], words[1]);
    sleep(1); /* a scan finds it here */
    union passed control = {
        .header = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    struct iovec data = {.iov_base = (char[1]){0}, .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    struct sockaddr_un address = unix_address(words[2]);
    int carrier = must("socket", socket(AF_UNIX, SOCK_DGRAM, 0));
    message.msg_name = &address;
    message.msg_namelen = sizeof(address);
    memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    must("sendmsg", sendmsg(carrier, &message, 0));
    return 0;
}

/* take-over PATH: is passed a listening socket, and takes its connections, each until its peer closes */
static _Noreturn int job_take_over(char **words)
{
    union passed control;
    struct iovec data = {.iov_base = (char[1]){0}, .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    struct sockaddr_un address = unix_address(words[0]);
    int carrier = must("socket", socket(AF_UNIX, SOCK_DGRAM, 0)), fd;
    must("bind", bind(carrier, (struct sockaddr *)&address, sizeof(address)));
    say("waiting");
    must("recvmsg", recvmsg(carrier, &message, 0));
    memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
    say("taken");
    for (;;) {
        int accepted = accept_from(fd);
        drain(accepted);
        close(accepted);
    }
}

/* serve-fd FD: connections of a listening socket that this process was given, each until its peer closes */
static _Noreturn int job_serve_fd(char **words)
{
    for (;;) {
        int fd = accept_from(atoi(words[0]));
        drain(fd);
        close(fd);
    }
}

/* launch ADDRESS PORT JOB: listens, and has a child that execs do JOB with the descriptor */
static int job_launch(char **words)
{
    char number[16];
    char *argv[] = {self, words[2], number, NULL};
    snprintf(number, sizeof(number), "%d", listen_on(words[0], words[1]));
    pid_t child = must("fork", fork());
    if (child == 0) {
        must("prctl", prctl(PR_SET_PDEATHSIG, SIGKILL));
        job_exec(argv);
    }
    return stay();
}

/*
 * daemon ADDRESS PORT: listens as a process that its parent, which has ended, forked, and that calls itself something
 * else
 */
static int job_daemon(char **words)
{
    if (must("fork", fork()) > 0)
        return 0;
    prctl(PR_SET_NAME, "renamed");
    sleep(1); /* its parent has gone */
    listen_on(words[0], words[1]);
    return stay();
}

/* serve-on ADDRESS [PORT]: one connection, which this side goes on to hold when its peer has closed its half */
static int job_serve_on(char **words)
{
    drain(accept_from(listen_on(words[0], words[1])));
    say("half closed");
    return stay();
}

/* drain FD */
static int job_drain(char **words)
{
    drain(atoi(words[0]));
    return 0;
}

static int connect_to(const struct address *address)
{
    int fd = must("socket", socket(address->any.sa_family, SOCK_STREAM, protocol));
    if (connect(fd, &address->any, address->size) == 0)
        return fd;
    close(fd);
    return -1;
}

/* connect ADDRESS PORT: one connection, open until the job is stopped */
static int job_connect(char **words)
{
    struct address address = address_of(words[0], atoi(words[1]));
    must("connect", connect_to(&address));
    say("connected");
    return stay();
}

/* connect-async ADDRESS PORT: one connection by a connect that does not wait, open until the job is stopped */
static int job_connect_async(char **words)
{
    struct address address = address_of(words[0], atoi(words[1]));
    int fd = must("socket", socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK, protocol));
    if (connect(fd, &address.any, address.size) < 0 && errno != EINPROGRESS)
        fail("connect");
    say("pending");
    struct pollfd source = {.fd = fd, .events = POLLOUT};
    must("poll", poll(&source, 1, -1));
    int error = 0;
    socklen_t size = sizeof(error);
    must("SO_ERROR", getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size));
    if (error) {
        say("failed %s", strerror(error));
        return 0;
    }
    say("connected");
    return stay();
}

/* connect-forked ADDRESS PORT: one connection that a child holds open, too, when this process has closed it */
static int job_connect_forked(char **words)
{
    struct address address = address_of(words[0], atoi(words[1]));
    int fd = must("connect", connect_to(&address));
    if (must("fork", fork()) == 0) {
        must("prctl", prctl(PR_SET_PDEATHSIG, SIGKILL));
        stay();
    }
    close(fd);
    say("closed here");
    return stay();
}

/* connect-multipath ADDRESS PORT: as connect, by Multipath TCP */
static int job_connect_multipath(char **words)
{
    protocol = IPPROTO_MPTCP;
    return job_connect(words);
}

/* connect-half ADDRESS PORT: one connection, of which this side closes its half and reads on */
static int job_connect_half(char **words)
{
    struct address address = address_of(words[0], atoi(words[1]));
    int fd = must("connect", connect_to(&address));
    shutdown(fd, SHUT_WR);
    say("connected");
    drain(fd);
    say("ended");
    return 0;
}

/* connect-from OWN-PORT ADDRESS PORT: one connection; says its state at the loss or refusal, and holds the socket */
static int job_connect_from(char **words)
{
    struct address own = address_of("0.0.0.0", atoi(words[0]));
    struct address address = address_of(words[1], atoi(words[2]));
    int fd = must("socket", socket(AF_INET, SOCK_STREAM, protocol));
    must("bind", bind(fd, &own.any, own.size));
    if (connect(fd, &address.any, address.size) == 0)
        drain(fd);
    struct tcp_info info;
    must("TCP_INFO", getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &(socklen_t){sizeof(info)}));
    say("lost %d", info.tcpi_state);
    return stay();
}

/* connections N ADDRESS PORT: N short ones in a row, each closed by both sides before the next */
static int job_connections(char **words)
{
    int count = atoi(words[0]), done = 0;
    struct address address = address_of(words[1], atoi(words[2]));
    for (int i = 0; i < count; i++) {
        int fd = connect_to(&address);
        if (fd < 0)
            continue;
        done++;
        shutdown(fd, SHUT_WR);
        drain(fd);
        close(fd);
    }
    say("connections %d", done);
    return 0;
}

/* ---- both ---- */

static volatile sig_atomic_t is_over;

static void note_end(int unused)
{
    (void)unused;
    is_over = 1;
}

/*
 * churn RATE EVERY ADDRESS PORT: until it is stopped, so many children a second that exec this program, each with its
 * number as an argument, and at every so-manieth of them a short connection, each to the next address after the last;
 * then says how many there were of each
 */
static int job_churn(char **words)
{
    int rate = atoi(words[0]), every = atoi(words[1]), execs = 0, connections = 0;
    struct address address = address_of(words[2], atoi(words[3]));
    in_addr_t first = ntohl(address.v4.sin_addr.s_addr);
    must("signal",
         sigaction(SIGTERM, &(struct sigaction){.sa_handler = note_end, .sa_flags = SA_RESTART}, NULL));
    struct timespec due;
    must("clock_gettime", clock_gettime(CLOCK_MONOTONIC, &due));
    while (!is_over) {
        char number[16];
        char *argv[] = {self, "exit", number, NULL};
        int status;
        snprintf(number, sizeof(number), "%d", execs);
        pid_t child;
        errno = posix_spawn(&child, self, NULL, NULL, argv, environ);
        if (errno)
            fail(self);
        must("waitpid", waitpid(child, &status, 0));
        if (status != 0)
            fail("a child of churn");
        if (execs++ % every == 0) {
            address.v4.sin_addr.s_addr = htonl(first + connections);
            int fd = must("connect", connect_to(&address));
            connections++;
            shutdown(fd, SHUT_WR);
            drain(fd);
            close(fd);
        }
        due.tv_nsec += 1000000000 / rate;
        due.tv_sec += due.tv_nsec / 1000000000;
        due.tv_nsec %= 1000000000;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
    }
    say("made %d %d", execs, connections);
    signal(SIGTERM, SIG_DFL);
    return raise(SIGTERM);
}

/* ---- UDP ---- */

/* A connected socket; its own port is chosen by the kernel for NULL. */
static int udp_to(const char *host, const char *port, const char *local)
{
    struct address address = address_of(host, atoi(port));
    int fd = must("socket", socket(address.any.sa_family, SOCK_DGRAM, 0));
    if (is_crammed)
        cram(fd);
    struct address own = {.size = address.size};
    own.any.sa_family = address.any.sa_family;
    own.v4.sin_port = htons(local ? atoi(local) : 0); /* at the same place in both families */
    must("bind", bind(fd, &own.any, own.size));
    must("connect", connect(fd, &address.any, address.size));
    return fd;
}

/* udp-connect ADDRESS PORT [OWN PORT]: a connected socket that sent a datagram, until the job is stopped */
static int job_udp_connect(char **words)
{
    int fd = udp_to(words[0], words[1], words[2]);
    send(fd, "", 1, 0);
    say("connected");
    return stay();
}

/* udp-look-up ADDRESS PORT: as getaddrinfo() asks for the source address, by two sockets; nothing is sent */
static int job_udp_look_up(char **words)
{
    int held = udp_to(words[0], words[1], NULL);
    int fd = udp_to(words[0], words[1], NULL);
    struct address own = {.size = sizeof(own.v6)};
    must("getsockname", getsockname(fd, &own.any, &own.size));
    must("connect", connect(fd, &(struct sockaddr){.sa_family = AF_UNSPEC}, sizeof(struct sockaddr)));
    struct address next = address_of(words[0], atoi(words[1]));
    must("connect", connect(fd, &next.any, next.size));
    close(fd);
    must("getsockname", getsockname(held, &own.any, &own.size));
    say("asked");
    return stay();
}

/*
 * udp-hide ADDRESS PORT: a datagram by a connected socket, which is taken apart and asked for its address before it
 * ends
 */
static int job_udp_hide(char **words)
{
    int fd = udp_to(words[0], words[1], NULL);
    struct address own = {.size = sizeof(own.v6)};
    send(fd, "", 1, 0);
    must("getsockname", getsockname(fd, &own.any, &own.size));
    must("connect", connect(fd, &(struct sockaddr){.sa_family = AF_UNSPEC}, sizeof(struct sockaddr)));
    return 0;
}

/*
 * udp-answer ADDRESS PORT: takes a datagram there, connects another socket at that port to its sender, and sends one
 * back
 */
static int job_udp_answer(char **words)
{
    struct address at = address_of(words[0], atoi(words[1])), from = {.size = sizeof(from.v6)};
    int shared = 1;
    int fd = must("socket", socket(at.any.sa_family, SOCK_DGRAM, 0));
    must("setsockopt", setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &shared, sizeof(shared)));
    must("bind", bind(fd, &at.any, at.size));
    say("bound");
    char byte;
    must("recvfrom", recvfrom(fd, &byte, 1, 0, &from.any, &from.size));
    int answer = must("socket", socket(at.any.sa_family, SOCK_DGRAM, 0));
    must("setsockopt", setsockopt(answer, SOL_SOCKET, SO_REUSEADDR, &shared, sizeof(shared)));
    must("bind", bind(answer, &at.any, at.size));
    must("connect", connect(answer, &from.any, from.size));
    must("send", send(answer, "", 1, 0));
    say("answered");
    return stay();
}

/* udp-send N ADDRESS PORT: N datagrams by one connected socket, which ends with the process */
static int job_udp_send(char **words)
{
    int fd = udp_to(words[1], words[2], NULL);
    /* Nobody may listen: what counts is that they are sent. */
    for (int i = atoi(words[0]); i > 0; i--)
        send(fd, "", 1, 0);
    return 0;
}

/* A socket that is not connected, bound to an address of its own. */
static int udp_at(struct address own)
{
    int fd = must("socket", socket(own.any.sa_family, SOCK_DGRAM, 0));
    must("bind", bind(fd, &own.any, own.size));
    return fd;
}

/* udp-send-to N ADDRESS PORT: N datagrams by one socket that is not connected */
static int job_udp_send_to(char **words)
{
    struct address address = address_of(words[1], atoi(words[2]));
    struct address own = {.size = address.size};
    own.any.sa_family = address.any.sa_family;
    int fd = udp_at(own);
    for (int i = atoi(words[0]); i > 0; i--)
        must("sendto", sendto(fd, "", 1, 0, &address.any, address.size));
    return 0;
}

/* udp-receive ADDRESS PORT: takes one datagram there and says so; bound until the job is stopped */
static int job_udp_receive(char **words)
{
    int fd = udp_at(address_of(words[0], atoi(words[1])));
    struct address from = {.size = sizeof(from.v6)};
    char byte;
    say("bound");
    must("recvfrom", recvfrom(fd, &byte, 1, 0, &from.any, &from.size));
    say("received");
    return stay();
}

/* udp-again ADDRESS PORT PORT: one socket, connected to the one port and then to the other */
static int job_udp_again(char **words)
{
    struct address next = address_of(words[0], atoi(words[2]));
    int fd = udp_to(words[0], words[1], NULL);
    send(fd, "", 1, 0);
    must("connect", connect(fd, &next.any, next.size));
    /* The first only tells that nobody took the datagram before. */
    for (int i = 0; i < 2; i++)
        send(fd, "", 1, 0);
    return 0;
}

/* udp-storm N ADDRESS: one socket connected to N peers after one another, in the network of 24 bits of the address;
 * says when half of them are done, and all */
static int job_udp_storm(char **words)
{
    int count = atoi(words[0]), fd = must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    struct address peer = address_of(words[1], 0);
    uint32_t network = ntohl(peer.v4.sin_addr.s_addr) & ~0xffU;
    for (int i = 0; i < count; i++) {
        peer.v4.sin_addr.s_addr = htonl(network | (10 + i % 200));
        peer.v4.sin_port = htons(10000 + i / 200);
        must("connect", connect(fd, &peer.any, peer.size));
        if (i == count / 2)
            say("half");
    }
    say("done");
    return 0;
}

/*
 * listen-many PROCESSES N ADDRESS PORT: so many processes with N sockets each that listen on that port and the next
 * ones
 */
static int job_listen_many(char **words)
{
    int processes = atoi(words[0]), count = atoi(words[1]), all[2];
    must("pipe", pipe(all));
    for (int i = 0; i < processes; i++) {
        if (must("fork", fork()) > 0)
            continue;
        must("prctl", prctl(PR_SET_PDEATHSIG, SIGKILL));
        struct rlimit files;
        must("getrlimit", getrlimit(RLIMIT_NOFILE, &files));
        files.rlim_cur = files.rlim_max;
        must("setrlimit", setrlimit(RLIMIT_NOFILE, &files));
        for (int n = 0; n < count; n++) {
            struct address own = address_of(words[2], atoi(words[3]) + n % 100);
            int fd = must("socket", socket(own.any.sa_family, SOCK_STREAM, 0));
            must("SO_REUSEPORT", setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &(int){1}, sizeof(int)));
            must("bind", bind(fd, &own.any, own.size));
            must("listen", listen(fd, 1));
        }
        must("write", write(all[1], "", 1));
        stay();
    }
    char done;
    for (int i = 0; i < processes; i++)
        must("read", read(all[0], &done, 1));
    say("listening");
    return stay();
}

/* ---- the host ---- */

static long long milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* noise MILLISECONDS: cheap system calls, as many as there is time for */
static int job_noise(char **words)
{
    long long end = milliseconds() + atoi(words[0]);
    long calls = 0;
    while (milliseconds() < end) {
        for (int i = 0; i < 1000; i++) {
            syscall(SYS_getppid);
            close(-1);
        }
        calls += 2000;
    }
    say("calls %ld", calls);
    return 0;
}

/* freeze THREAD MS: stops that thread alone, as a debugger does, while the others of its process go on */
static int job_freeze(char **words)
{
    pid_t thread = atoi(words[0]);
    int status;
    must("seize", ptrace(PTRACE_SEIZE, thread, NULL, NULL));
    must("interrupt", ptrace(PTRACE_INTERRUPT, thread, NULL, NULL));
    must("waitpid", waitpid(thread, &status, __WALL));
    say("frozen");
    usleep(atoi(words[1]) * 1000);
    ptrace(PTRACE_DETACH, thread, NULL, NULL); /* it may have been killed */
    return 0;
}

/* programs ID…: how many of these BPF programs the kernel has */
static int job_programs(char **words)
{
    int count = 0;
    for (; *words; words++) {
        union bpf_attr attributes = {.prog_id = strtoul(*words, NULL, 10)};
        int fd = syscall(SYS_bpf, BPF_PROG_GET_FD_BY_ID, &attributes, sizeof(attributes));
        if (fd < 0 && errno != ENOENT)
            fail("bpf");
        if (fd < 0)
            continue;
        count++;
        close(fd);
    }
    say("programs %d", count);
    return 0;
}

/* ---- the container ---- */

static void start_job(char **words, const sigset_t *signals)
{
    if (must("fork", fork()) > 0)
        return;
    char id[16];
    snprintf(id, sizeof(id), "%d", getpid());
    must("setenv", setenv("JOB", id, 1));
    must("sigprocmask", sigprocmask(SIG_UNBLOCK, signals, NULL));
    int null = must("/dev/null", open("/dev/null", O_RDONLY));
    must("dup2", dup2(null, STDIN_FILENO));
    close(null);
    say("started");
    exit(run(words));
}

static void obey(char *line, const sigset_t *signals)
{
    char *words[MOST_WORDS + 1] = {};
    for (int count = 0; line && count < MOST_WORDS; count++)
        words[count] = strsep(&line, "\t");
    if (words[1] && strcmp(words[0], "stop") == 0)
        kill(atoi(words[1]), SIGTERM);
    else
        start_job(words, signals);
}

/* Says which children ended; those that jobs left behind come here too, and are nobody's. */
static void reap(void)
{
    int status;
    for (pid_t child; (child = waitpid(-1, &status, WNOHANG)) > 0;)
        say("%d ended %d", child, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/* Whether the container has the host's pid namespace instead of one of its own. */
static int shares_pids;

/* Ends the container; what still runs in a pid namespace of its own goes with it, else it has to be told. */
static _Noreturn void end_container(void)
{
    if (shares_pids)
        kill(0, SIGKILL);
    exit(0);
}

/* Does what the lines of standard input say, until they end. */
static _Noreturn void be_container(void)
{
    static char input[LINE_CAPACITY];
    size_t used = 0;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    must("sigprocmask", sigprocmask(SIG_BLOCK, &signals, NULL));
    struct pollfd sources[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                               {.fd = must("signalfd", signalfd(-1, &signals, SFD_CLOEXEC)), .events = POLLIN}};
    say("0 ready");
    for (;;) {
        must("poll", poll(sources, 2, -1));
        if (sources[1].revents) {
            struct signalfd_siginfo unused;
            must("read", read(sources[1].fd, &unused, sizeof(unused)));
            reap();
        }
        if (!sources[0].revents)
            continue;
        ssize_t count = read(STDIN_FILENO, input + used, sizeof(input) - used);
        if (count <= 0)
            end_container();
        used += count;
        for (char *end; (end = memchr(input, '\n', used));) {
            *end = '\0';
            obey(input, &signals);
            used -= end + 1 - input;
            memmove(input, end + 1, used);
        }
    }
}

/* Moves this process into a cgroup. */
static void enter(const char *procs)
{
    int fd = must(procs, open(procs, O_WRONLY | O_CLOEXEC));
    must(procs, write(fd, "0", 1));
    close(fd);
}

/*
 * A child that is made in the cgroup of a file cgroup.procs, if that is one of cgroup2 (-1 with EBADF else): as
 * fork().
 */
static pid_t fork_into(const char *procs)
{
    char folder[4096];
    snprintf(folder, sizeof(folder), "%s", procs);
    *strrchr(folder, '/') = 0;
    int cgroup = must("open", open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct clone_args how = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = cgroup};
    pid_t child = syscall(SYS_clone3, &how, sizeof(how));
    int error = errno;
    close(cgroup);
    errno = error;
    return child;
}

/*
 * helper CGROUP.PROCS: children that start this program anew as runc does: by its name and by a descriptor after they
 * have entered the cgroup, and by its name in the cgroup in which they were made
 */
static int job_helper(char **words)
{
    char *argv[] = {"/proc/self/exe", "exit", "helper", NULL};
    pid_t made = fork_into(words[0]);
    if (made == 0)
        job_exec(argv);
    if (made < 0 && errno != EBADF)
        fail("clone3");
    if (made > 0)
        must("waitpid", waitpid(made, NULL, 0));
    for (int by_name = 0; by_name < 2; by_name++) {
        pid_t child = must("fork", fork());
        if (child == 0) {
            int program = must("open", open(argv[0], O_RDONLY | O_CLOEXEC));
            enter(words[0]);
            if (by_name)
                job_exec(argv);
            must("fexecve", fexecve(program, argv, environ));
        }
        must("waitpid", waitpid(child, NULL, 0));
    }
    return 0;
}

/*
 * enter CGROUP.PROCS PATH ARGUMENTS…: a child that enters the cgroup and execs, as what is started in a container
 * later
 */
static int job_enter(char **words)
{
    pid_t child = must("fork", fork());
    if (child == 0) {
        enter(words[0]);
        job_exec(words + 1);
    }
    must("waitpid", waitpid(child, NULL, 0));
    return 0;
}

/* container CGROUP.PROCS…: this process stays on the host, and ends when the container has */
static int job_container(char **words)
{
    int status;
    must("unshare", unshare(CLONE_NEWNET | (shares_pids ? 0 : CLONE_NEWPID)));
    pid_t child = must("fork", fork());
    if (child == 0) {
        must("prctl", prctl(PR_SET_PDEATHSIG, SIGKILL));
        must("setpgid", setpgid(0, 0));
        for (; *words; words++)
            enter(*words);
        be_container();
    }
    say("0 pid %d", child);
    must("waitpid", waitpid(child, &status, 0));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* container-host-pids CGROUP.PROCS…: the same with the host's pids, as of a pod with hostPID */
static int job_container_host_pids(char **words)
{
    shares_pids = 1;
    return job_container(words);
}

/* crammed JOB ARGUMENTS…: the job, with sockets that have no memory left for options */
static int job_crammed(char **words)
{
    is_crammed = 1;
    return run(words);
}

/*
 * linger PROGRAM ARGUMENTS…: executes it with a socket at descriptor 3 whose close() waits 60 s for a peer that never
 * reads
 */
static int job_linger(char **words)
{
    int listener = listen_on("127.0.0.1", NULL), status;
    struct address address = {.size = sizeof(address.v6)};
    must("getsockname", getsockname(listener, &address.any, &address.size));
    int fd = connect_to(&address), peer = accept_from(listener);
    pid_t child = must("fork", fork());
    if (child != 0) {
        must("close", close(fd));
        must("waitpid", waitpid(child, &status, 0));
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    }
    must("close", close(peer));
    must("SO_LINGER", setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 60}, sizeof(struct linger)));
    static char bytes[65536];
    while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        ;
    if (fd != 3) {
        must("dup2", dup2(fd, 3));
        close(fd);
    }
    execvp(words[0], words);
    fail(words[0]);
}

static const struct job {
    const char *name;
    int words; /* needed at least */
    int (*run)(char **words);
} jobs[] = {
    {"as", 3, job_as},
    {"chain", 2, job_chain},
    {"churn", 4, job_churn},
    {"connect", 2, job_connect},
    {"connect-async", 2, job_connect_async},
    {"connect-forked", 2, job_connect_forked},
    {"connect-from", 3, job_connect_from},
    {"connect-half", 2, job_connect_half},
    {"connect-multipath", 2, job_connect_multipath},
    {"connections", 3, job_connections},
    {"container", 1, job_container},
    {"container-host-pids", 1, job_container_host_pids},
    {"crammed", 1, job_crammed},
    {"daemon", 2, job_daemon},
    {"deep-exec", 3, job_deep_exec},
    {"drain", 1, job_drain},
    {"enter", 2, job_enter},
    {"exec", 1, job_exec},
    {"exec-named", 2, job_exec_named},
    {"execs", 1, job_execs},
    {"exit", 0, job_exit},
    {"freeze", 2, job_freeze},
    {"hand-over", 3, job_hand_over},
    {"helper", 1, job_helper},
    {"hold", 0, job_hold},
    {"invalid-exec", 0, job_invalid_exec},
    {"jail", 2, job_jail},
    {"jail-detached", 2, job_jail_detached},
    {"launch", 3, job_launch},
    {"leaderless", 1, job_leaderless},
    {"linger", 1, job_linger},
    {"listen-many", 4, job_listen_many},
    {"long-exec", 2, job_long_exec},
    {"noise", 1, job_noise},
    {"orphan", 1, job_orphan},
    {"programs", 1, job_programs},
    {"retitle", 2, job_retitle},
    {"serve", 2, job_serve},
    {"serve-all", 1, job_serve_all},
    {"serve-fd", 1, job_serve_fd},
    {"serve-forked", 1, job_serve_forked},
    {"serve-forks", 2, job_serve_forks},
    {"serve-handed", 1, job_serve_handed},
    {"serve-multipath", 2, job_serve_multipath},
    {"serve-on", 1, job_serve_on},
    {"serve-passed", 1, job_serve_passed},
    {"serve-shared", 2, job_serve_shared},
    {"serve-threads", 2, job_serve_threads},
    {"spawn", 1, job_spawn},
    {"take-over", 1, job_take_over},
    {"udp-again", 3, job_udp_again},
    {"udp-answer", 2, job_udp_answer},
    {"udp-connect", 2, job_udp_connect},
    {"udp-hide", 2, job_udp_hide},
    {"udp-look-up", 2, job_udp_look_up},
    {"udp-receive", 2, job_udp_receive},
    {"udp-send", 3, job_udp_send},
    {"udp-send-to", 3, job_udp_send_to},
    {"udp-storm", 2, job_udp_storm},
    {"thread-exec", 1, job_thread_exec},
};

static int run(char **words)
{
    int count = 0;
    while (words[count])
        count++;
    for (size_t i = 0; i < sizeof(jobs) / sizeof(*jobs); i++)
        if (count > jobs[i].words && strcmp(words[0], jobs[i].name) == 0)
            return jobs[i].run(words + 1);
    fprintf(stderr, "workload: no such job, or too few arguments: %s\n", count > 0 ? words[0] : "");
    return 2;
}

int main(int argc, char **argv)
{
    (void)argc;
    arguments = argv;
    /* Too long a path is none: only jobs that exec this program again need it. */
    if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
        self[0] = 0;
    return run(argv + 1);
}
