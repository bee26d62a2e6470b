// SPDX-License-Identifier: Apache-2.0
#include "blocked.h"

#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

namespace collector {

namespace {

constexpr std::size_t MOST_READ = 4096;
constexpr std::size_t LONGEST_NAME = 256;

// The argument with the file.
enum class Names { nothing, descriptor, first_path, second_path };

struct Call {
    long number;
    const char *name;
    Names names;
};

// System calls with a reason to wait outside of this process. Not every architecture has all of them.
constexpr Call calls[] = {
    {SYS_read, "read", Names::descriptor},
    {SYS_readv, "readv", Names::descriptor},
    {SYS_pread64, "pread64", Names::descriptor},
    {SYS_preadv, "preadv", Names::descriptor},
    {SYS_write, "write", Names::descriptor},
    {SYS_writev, "writev", Names::descriptor},
    {SYS_pwrite64, "pwrite64", Names::descriptor},
    {SYS_pwritev, "pwritev", Names::descriptor},
    {SYS_close, "close", Names::descriptor},
    {SYS_fsync, "fsync", Names::descriptor},
    {SYS_fdatasync, "fdatasync", Names::descriptor},
    {SYS_ftruncate, "ftruncate", Names::descriptor},
    {SYS_fstat, "fstat", Names::descriptor},
    {SYS_getdents64, "getdents64", Names::descriptor},
    {SYS_ioctl, "ioctl", Names::descriptor},
    {SYS_connect, "connect", Names::descriptor},
    {SYS_sendto, "sendto", Names::descriptor},
    {SYS_sendmsg, "sendmsg", Names::descriptor},
    {SYS_recvfrom, "recvfrom", Names::descriptor},
    {SYS_recvmsg, "recvmsg", Names::descriptor},
    {SYS_openat, "openat", Names::second_path},
    {SYS_newfstatat, "newfstatat", Names::second_path},
    {SYS_statx, "statx", Names::second_path},
    {SYS_readlinkat, "readlinkat", Names::second_path},
    {SYS_faccessat, "faccessat", Names::second_path},
    {SYS_mkdirat, "mkdirat", Names::second_path},
    {SYS_unlinkat, "unlinkat", Names::second_path},
    {SYS_inotify_add_watch, "inotify_add_watch", Names::second_path},
#ifdef SYS_open
    {SYS_open, "open", Names::first_path},
    {SYS_stat, "stat", Names::first_path},
    {SYS_lstat, "lstat", Names::first_path},
    {SYS_readlink, "readlink", Names::first_path},
    {SYS_access, "access", Names::first_path},
    {SYS_mkdir, "mkdir", Names::first_path},
    {SYS_unlink, "unlink", Names::first_path},
    {SYS_rename, "rename", Names::first_path},
#endif
#ifdef SYS_epoll_wait
    {SYS_epoll_wait, "epoll_wait", Names::nothing},
    {SYS_poll, "poll", Names::nothing},
#endif
    {SYS_epoll_pwait, "epoll_pwait", Names::nothing},
    {SYS_ppoll, "ppoll", Names::nothing},
    {SYS_futex, "futex", Names::nothing},
    {SYS_wait4, "wait4", Names::nothing},
    {SYS_waitid, "waitid", Names::nothing},
    {SYS_nanosleep, "nanosleep", Names::nothing},
    {SYS_clock_nanosleep, "clock_nanosleep", Names::nothing},
    {SYS_flock, "flock", Names::nothing},
    {SYS_fcntl, "fcntl", Names::nothing},
    {SYS_mmap, "mmap", Names::nothing},
    {SYS_munmap, "munmap", Names::nothing},
    {SYS_madvise, "madvise", Names::nothing},
    {SYS_process_vm_readv, "process_vm_readv", Names::nothing},
    {SYS_finit_module, "finit_module", Names::nothing},
    {SYS_bpf, "bpf", Names::nothing},
};

std::string of_thread(pid_t thread, const char *file)
{
    std::string path = "/proc/self/task/" + std::to_string(thread) + "/" + file;
    int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return "";
    char text[MOST_READ];
    ssize_t length = ::read(fd, text, sizeof(text));
    ::close(fd);
    return length <= 0 ? "" : std::string(text, static_cast<std::size_t>(length));
}

// R, S, D, t…: behind the last bracket, since the name in brackets may have brackets of its own.
char state_of(pid_t thread)
{
    std::string stat = of_thread(thread, "stat");
    std::size_t end = stat.rfind(')');
    return end == std::string::npos || end + 2 >= stat.size() ? '?' : stat[end + 2];
}

// By system call, since the pointer may be a bad one.
std::string string_at(unsigned long address)
{
    char text[LONGEST_NAME];
    iovec local{text, sizeof(text)};
    iovec remote{reinterpret_cast<void *>(address), sizeof(text)};
    ssize_t length = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
    return length <= 0 ? "" : std::string(text, strnlen(text, static_cast<std::size_t>(length)));
}

std::string file_of(unsigned long descriptor)
{
    std::string link = "/proc/self/fd/" + std::to_string(static_cast<int>(descriptor));
    char text[LONGEST_NAME];
    ssize_t length = readlink(link.c_str(), text, sizeof(text));
    return length <= 0 ? "" : std::string(text, static_cast<std::size_t>(length));
}

std::string describe(long number, const unsigned long *arguments)
{
    for (const Call &call : calls) {
        if (call.number != number)
            continue;
        std::string text = call.name;
        switch (call.names) {
        case Names::nothing:
            return text;
        case Names::descriptor:
            return text + " of descriptor " + std::to_string(static_cast<int>(arguments[0])) + " (" +
                   file_of(arguments[0]) + ")";
        case Names::first_path:
            return text + " of " + string_at(arguments[0]);
        case Names::second_path:
            return text + " of " + string_at(arguments[1]);
        }
    }
    return "system call " + std::to_string(number);
}

std::string printable(std::string text)
{
    for (char &character : text)
        if (character < ' ' || character > '~')
            character = '?';
    return text;
}

} // namespace

std::string what_blocks(pid_t thread)
{
    char state = state_of(thread);
    std::string syscall = of_thread(thread, "syscall");
    long number;
    unsigned long arguments[2] = {};
    std::string text;
    if (syscall.rfind("running", 0) == 0)
        text = "code of its own";
    else if (std::sscanf(syscall.c_str(), "%ld %lx %lx", &number, &arguments[0], &arguments[1]) == 3 &&
             number >= 0)
        text = describe(number, arguments);
    else
        text = "something that the kernel does not show";
    text += std::string(", thread state ") + state;
    std::string function = of_thread(thread, "wchan");
    if (!function.empty() && function != "0")
        text += ", in the kernel's " + function;
    return printable(text);
}

} // namespace collector
