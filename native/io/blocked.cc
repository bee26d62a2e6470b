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
enum class FileArgument { nothing, descriptor, first_path, second_path };

struct SystemCall {
    long number;
    const char *name;
    FileArgument file;
};

// System calls with a reason to wait outside of this process. Not every architecture has all of them.
constexpr SystemCall calls[] = {
    {SYS_read, "read", FileArgument::descriptor},
    {SYS_readv, "readv", FileArgument::descriptor},
    {SYS_pread64, "pread64", FileArgument::descriptor},
    {SYS_preadv, "preadv", FileArgument::descriptor},
    {SYS_write, "write", FileArgument::descriptor},
    {SYS_writev, "writev", FileArgument::descriptor},
    {SYS_pwrite64, "pwrite64", FileArgument::descriptor},
    {SYS_pwritev, "pwritev", FileArgument::descriptor},
    {SYS_close, "close", FileArgument::descriptor},
    {SYS_fsync, "fsync", FileArgument::descriptor},
    {SYS_fdatasync, "fdatasync", FileArgument::descriptor},
    {SYS_ftruncate, "ftruncate", FileArgument::descriptor},
    {SYS_fstat, "fstat", FileArgument::descriptor},
    {SYS_getdents64, "getdents64", FileArgument::descriptor},
    {SYS_ioctl, "ioctl", FileArgument::descriptor},
    {SYS_connect, "connect", FileArgument::descriptor},
    {SYS_sendto, "sendto", FileArgument::descriptor},
    {SYS_sendmsg, "sendmsg", FileArgument::descriptor},
    {SYS_recvfrom, "recvfrom", FileArgument::descriptor},
    {SYS_recvmsg, "recvmsg", FileArgument::descriptor},
    {SYS_openat, "openat", FileArgument::second_path},
    {SYS_newfstatat, "newfstatat", FileArgument::second_path},
    {SYS_statx, "statx", FileArgument::second_path},
    {SYS_readlinkat, "readlinkat", FileArgument::second_path},
    {SYS_faccessat, "faccessat", FileArgument::second_path},
    {SYS_mkdirat, "mkdirat", FileArgument::second_path},
    {SYS_unlinkat, "unlinkat", FileArgument::second_path},
    {SYS_inotify_add_watch, "inotify_add_watch", FileArgument::second_path},
#ifdef SYS_open
    {SYS_open, "open", FileArgument::first_path},
    {SYS_stat, "stat", FileArgument::first_path},
    {SYS_lstat, "lstat", FileArgument::first_path},
    {SYS_readlink, "readlink", FileArgument::first_path},
    {SYS_access, "access", FileArgument::first_path},
    {SYS_mkdir, "mkdir", FileArgument::first_path},
    {SYS_unlink, "unlink", FileArgument::first_path},
    {SYS_rename, "rename", FileArgument::first_path},
#endif
#ifdef SYS_epoll_wait
    {SYS_epoll_wait, "epoll_wait", FileArgument::nothing},
    {SYS_poll, "poll", FileArgument::nothing},
#endif
    {SYS_epoll_pwait, "epoll_pwait", FileArgument::nothing},
    {SYS_ppoll, "ppoll", FileArgument::nothing},
    {SYS_futex, "futex", FileArgument::nothing},
    {SYS_wait4, "wait4", FileArgument::nothing},
    {SYS_waitid, "waitid", FileArgument::nothing},
    {SYS_nanosleep, "nanosleep", FileArgument::nothing},
    {SYS_clock_nanosleep, "clock_nanosleep", FileArgument::nothing},
    {SYS_flock, "flock", FileArgument::nothing},
    {SYS_fcntl, "fcntl", FileArgument::nothing},
    {SYS_mmap, "mmap", FileArgument::nothing},
    {SYS_munmap, "munmap", FileArgument::nothing},
    {SYS_madvise, "madvise", FileArgument::nothing},
    {SYS_process_vm_readv, "process_vm_readv", FileArgument::nothing},
    {SYS_finit_module, "finit_module", FileArgument::nothing},
    {SYS_bpf, "bpf", FileArgument::nothing},
};

std::string read_of_thread(pid_t thread, const char *file)
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
    std::string stat = read_of_thread(thread, "stat");
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
    for (const SystemCall &call : calls) {
        if (call.number != number)
            continue;
        std::string text = call.name;
        switch (call.file) {
        case FileArgument::nothing:
            return text;
        case FileArgument::descriptor:
            return text + " of descriptor " + std::to_string(static_cast<int>(arguments[0])) + " (" +
                   file_of(arguments[0]) + ")";
        case FileArgument::first_path:
            return text + " of " + string_at(arguments[0]);
        case FileArgument::second_path:
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

std::string describe_wait(pid_t thread)
{
    char state = state_of(thread);
    std::string syscall = read_of_thread(thread, "syscall");
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
    std::string function = read_of_thread(thread, "wchan");
    if (!function.empty() && function != "0")
        text += ", in the kernel's " + function;
    return printable(text);
}

} // namespace collector
