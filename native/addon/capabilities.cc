// SPDX-License-Identifier: Apache-2.0
#include "capabilities.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <dirent.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

namespace collector {

namespace {

// Read and counted by the handler. Capabilities belong to a thread, and only the thread itself can change them: so
// each one is sent a signal, as glibc does for setuid().
std::atomic<std::uint64_t> kept_capabilities;
std::atomic<unsigned> obeyed;

int signal_number()
{
    return SIGRTMIN + 3;
}

void change(std::uint64_t kept, bool effective)
{
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3]{};
    if (syscall(SYS_capget, &header, data) != 0)
        return;
    for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
        data[i].permitted &= static_cast<std::uint32_t>(kept >> (32 * i));
        data[i].effective = effective ? data[i].permitted : data[i].effective & data[i].permitted;
        data[i].inheritable &= data[i].permitted;
    }
    syscall(SYS_capset, &header, data);
}

void on_signal(int)
{
    int saved = errno;
    change(kept_capabilities.load(), false);
    obeyed++;
    errno = saved;
}

std::vector<pid_t> other_threads()
{
    std::vector<pid_t> threads;
    DIR *folder = opendir("/proc/self/task");
    if (!folder)
        return threads;
    pid_t own = static_cast<pid_t>(syscall(SYS_gettid));
    while (dirent *entry = readdir(folder)) {
        pid_t thread = std::atoi(entry->d_name);
        if (thread > 0 && thread != own)
            threads.push_back(thread);
    }
    closedir(folder);
    return threads;
}

} // namespace

void raise_capabilities()
{
    change(~0ULL, true);
}

unsigned drop_capabilities(std::uint64_t kept)
{
    kept_capabilities = kept;
    // The handler stays: a thread with the signal blocked now may take it later.
    struct sigaction action {};
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigaction(signal_number(), &action, nullptr);

    change(kept, false);
    obeyed = 0;
    unsigned sent = 0;
    for (pid_t thread : other_threads())
        if (syscall(SYS_tgkill, getpid(), thread, signal_number()) == 0)
            sent++;
    for (int i = 0; i < 200 && obeyed < sent; i++) {
        timespec millisecond{0, 1'000'000};
        nanosleep(&millisecond, nullptr);
    }
    return sent - obeyed;
}

} // namespace collector
