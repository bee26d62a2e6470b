// SPDX-License-Identifier: Apache-2.0
/*
 * Reads files of processes below a procfs, in a process Collector can give up. A read takes the lock of another
 * process's memory, or a reference to it, so the other can hold it up for ever: by a call under the lock, such as
 * mmap() on a hung file system, or by ending just then, with the end of its memory left to the reader.
 *
 *   argument-reader FOLDER     where the procfs is mounted
 *
 * Requests come on standard input, answers leave on standard output in the same order. It ends with its input, or
 * with its parent. It has no privileges.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/types.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { READ_ARGUMENTS = 1, READ_STATUS = 2 };

/* As actors/capture/argument-reader.ts writes it. */
struct request {
    __u32 pid;
    __u32 tid; /* of a living thread; the first one may have ended before the others */
    __u32 what;
    __u32 reserved;
    __u64 start; /* of the process, ticks of CLOCK_BOOTTIME; 0: any */
};

/* As actors/capture/argument-reader.ts reads it; the bytes follow. */
struct answer {
    __u32 pid;
    __u32 error;  /* errno; ESRCH: there is no such process any more */
    __u32 length; /* of the bytes behind it */
    __u32 cut;    /* 1: there is more */
    __u32 micros; /* spent on it */
};

enum {
    ARGUMENTS_CAPACITY = 4096,    /* ARGS_CAPACITY of bpf/layout.h */
    LONGEST_ARGUMENT = 32 * 4096, /* MAX_ARG_STRLEN of linux/binfmts.h, as of exec */
    TEXT_CAPACITY = 16 * 1024,    /* of stat and status together */
    PIECE = 8 * 1024,             /* read at once */
    START_TIME = 20,              /* fields of a stat line behind the name up to the start */
};

static char bytes[LONGEST_ARGUMENT + ARGUMENTS_CAPACITY + 2];

static bool read_fully(void *to, size_t length)
{
    for (size_t used = 0; used < length;) {
        ssize_t count = read(STDIN_FILENO, (char *)to + used, length - used);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return false;
        used += (size_t)count;
    }
    return true;
}

static bool write_fully(const void *from, size_t length)
{
    for (size_t used = 0; used < length;) {
        ssize_t count = write(STDOUT_FILENO, (const char *)from + used, length - used);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return false;
        used += (size_t)count;
    }
    return true;
}

/* Whether argv[0] has ended, and as much as one answer takes follows. */
static bool has_arguments(const char *text, size_t length)
{
    const char *end = memchr(text, 0, length);
    return end && length > (size_t)(end - text) + 1 + ARGUMENTS_CAPACITY;
}

static bool is_never_enough(const char *text, size_t length)
{
    (void)text;
    (void)length;
    return false;
}

/* Reads a file of a thread until it ends, there is no room, or it is enough: bytes read, or -1 with errno. */
static ssize_t read_file(__u32 pid, __u32 tid, const char *name, char *to, size_t room,
                         bool (*is_enough)(const char *, size_t))
{
    char path[64];
    if (tid == pid)
        snprintf(path, sizeof(path), "%u/%s", pid, name);
    else
        snprintf(path, sizeof(path), "%u/task/%u/%s", pid, tid, name);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        if (errno == ENOENT)
            errno = ESRCH;
        return -1;
    }
    size_t used = 0;
    while (used < room && !is_enough(to, used)) {
        size_t piece = room - used < PIECE ? room - used : PIECE;
        ssize_t count = read(file, to + used, piece);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0) {
            int error = errno;
            close(file);
            errno = error;
            return -1;
        }
        if (count == 0)
            break;
        used += (size_t)count;
    }
    close(file);
    return (ssize_t)used;
}

/*
 * The rest of a thread's line of stat behind the name, NULL if it is gone. The name may contain anything but its end.
 */
static char *read_stat(__u32 pid, __u32 tid, char *text, size_t room)
{
    ssize_t length = read_file(pid, tid, "stat", text, room - 1, is_never_enough);
    if (length <= 0)
        return NULL;
    text[length] = 0;
    return strrchr(text, ')');
}

/* Whether the thread has not ended, and its process has this start. */
static bool is_still_there(const struct request *request)
{
    char text[1024];
    char *at = read_stat(request->pid, request->tid, text, sizeof(text));
    if (!at || at[2] == 'Z' || at[2] == 'X')
        return false;
    if (request->tid != request->pid)
        at = read_stat(request->pid, request->pid, text, sizeof(text));
    for (int field = 0; at && field < START_TIME; field++)
        at = strchr(at + 1, ' ');
    return at && (!request->start || strtoull(at, NULL, 10) == request->start);
}

/* The arguments behind argv[0], each with its NUL. */
static struct answer read_arguments(const struct request *request, const char **from)
{
    struct answer answer = {.pid = request->pid};
    ssize_t length = read_file(request->pid, request->tid, "cmdline", bytes, sizeof(bytes), has_arguments);
    if (length <= 0) {
        /* Procfs shows no memory backed by a file (FOLL_ANON, Linux 4.17): arguments there are empty, or end early. */
        answer.error = length < 0 ? (__u32)errno : EFAULT;
        return answer;
    }
    char *end = memchr(bytes, 0, (size_t)length);
    /* One string without an end: a title of the process's own. */
    size_t first = end ? (size_t)(end - bytes) + 1 : (size_t)length;
    *from = bytes + first;
    answer.length = (__u32)((size_t)length - first);
    answer.cut = answer.length > 0 && (answer.length > ARGUMENTS_CAPACITY || bytes[length - 1] != 0);
    if (answer.length > ARGUMENTS_CAPACITY)
        answer.length = ARGUMENTS_CAPACITY;
    return answer;
}

/* The line of stat, then the lines of status. */
static struct answer read_status(const struct request *request, const char **from)
{
    struct answer answer = {.pid = request->pid};
    __u32 pid = request->pid, tid = request->tid;
    *from = bytes;
    ssize_t stat = read_file(pid, tid, "stat", bytes, TEXT_CAPACITY / 2, is_never_enough);
    ssize_t status =
        stat < 0 ? stat : read_file(pid, tid, "status", bytes + stat, TEXT_CAPACITY / 2, is_never_enough);
    if (status < 0)
        answer.error = (__u32)errno;
    else
        answer.length = (__u32)(stat + status);
    return answer;
}

/* Gives up descriptors, capabilities, and the gain of any by exec. */
static bool give_up_privileges(pid_t parent)
{
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    setrlimit(RLIMIT_FSIZE, &none);
    syscall(SYS_close_range, STDERR_FILENO, ~0U, 0); /* Linux 5.9; Collector's own are closed by exec */
    for (int capability = 0; prctl(PR_CAPBSET_DROP, capability) == 0;)
        capability++;
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct empty[2] = {0};
    if (syscall(SYS_capset, &header, empty) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return false;
    /* Last, since a change of credentials resets it; the parent may have gone before. */
    return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent;
}

static __u64 now_micros(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (__u64)now.tv_sec * 1000000 + (__u64)now.tv_nsec / 1000;
}

int main(int argc, char **argv)
{
    pid_t parent = getppid();
    if (argc != 2 || !give_up_privileges(parent) || chdir(argv[1]))
        return 1;
    for (struct request request; read_fully(&request, sizeof(request));) {
        const char *from = bytes;
        __u64 start = now_micros();
        struct answer answer =
            request.what == READ_ARGUMENTS ? read_arguments(&request, &from) : read_status(&request, &from);
        /* Afterwards: meanwhile another process may have got the pid. */
        if (answer.error != ESRCH && !is_still_there(&request))
            answer = (struct answer){.pid = request.pid, .error = ESRCH};
        answer.micros = (__u32)(now_micros() - start);
        if (!write_fully(&answer, sizeof(answer)) || !write_fully(from, answer.length))
            return 1;
    }
    return 0;
}
