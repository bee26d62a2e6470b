// SPDX-License-Identifier: Apache-2.0
#include "watchdog.h"

#include "blocked.h"
#include "text.h"
#include "thread.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <ctime>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace collector {

namespace {

// Looks in the time of the loop, and ms between two of them at most.
constexpr std::uint64_t LOOKS = 4;
constexpr std::uint64_t MOST_BETWEEN_LOOKS_MS = 1000;
// By default nobody notices it, and no part of Node uses it.
constexpr int INTERRUPTION = SIGURG;

void write_all(int fd, const std::string &text)
{
    // One call: a report is short, and a part of it means a full disk.
    ssize_t written = ::write(fd, text.data(), text.size());
    static_cast<void>(written);
    ::close(fd);
}

std::string name_of(const std::vector<std::string> &names, std::uint8_t number)
{
    return number < names.size() ? names[number] : "";
}

} // namespace

Watchdog::Watchdog(WatchdogOptions options) : shared_(std::make_shared<Shared>())
{
    shared_->options = std::move(options);
}

Watchdog::~Watchdog()
{
    std::lock_guard guard(shared_->lock);
    shared_->closing = true;
    shared_->wake.notify_one();
}

int Watchdog::start()
{
    shared_->thread = static_cast<pid_t>(syscall(SYS_gettid));
    struct sigaction nothing {};
    nothing.sa_handler = [](int) {}; // an ignored signal interrupts nothing
    sigaction(INTERRUPTION, &nothing, nullptr);
    return run_detached("watchdog", [shared = shared_] { shared->run(); });
}

std::uint32_t Watchdog::turned()
{
    std::lock_guard guard(shared_->lock);
    std::uint64_t seconds = shared_->reported ? shared_->waited_ms / 1000 : 0;
    shared_->waiting = false;
    shared_->waited_ms = 0;
    if (shared_->reported)
        shared_->wake.notify_one(); // the report is out of date
    return static_cast<std::uint32_t>(seconds);
}

std::string Watchdog::cause() const
{
    std::lock_guard guard(shared_->lock);
    return shared_->last_cause;
}

void Watchdog::Shared::run()
{
    const std::uint64_t limit_ms = options.seconds * 1000ULL;
    const std::uint64_t period_ms = std::min(limit_ms / LOOKS, MOST_BETWEEN_LOOKS_MS);
    std::uint64_t next_report_ms = limit_ms;
    auto before = std::chrono::steady_clock::now();
    std::unique_lock guard(lock);
    while (!closing) {
        if (!waiting) {
            waiting = true;
            waited_ms = 0;
            next_report_ms = limit_ms;
            bool over = reported;
            reported = false;
            guard.unlock();
            if (over)
                withdraw();
            options.ping();
            guard.lock();
        }
        before = std::chrono::steady_clock::now();
        wake.wait_for(guard, std::chrono::milliseconds(period_ms));
        auto passed =
            std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - before);
        auto passed_ms = static_cast<std::uint64_t>(passed.count());
        // A look this late means that all threads were stopped, this one too: the loop had no chance to turn.
        if (passed_ms <= 2 * period_ms)
            waited_ms += passed_ms;
        // A scan can be the last to hold a file of another process, and so has to close it: a lingering socket
        // (SO_LINGER) waits for its peer then.
        if (waiting && is_interruptible())
            syscall(SYS_tgkill, getpid(), thread, INTERRUPTION);
        if (!waiting || waited_ms < next_report_ms || closing)
            continue;
        next_report_ms += limit_ms;
        bool first = !reported;
        reported = true;
        std::uint64_t seconds = waited_ms / 1000;
        guard.unlock();
        std::string cause = look();
        guard.lock();
        last_cause = cause;
        guard.unlock();
        if (first)
            options.log("The event loop has stood still for " + std::to_string(seconds) + " s, in " + cause);
        report(cause, seconds);
        guard.lock();
    }
}

bool Watchdog::Shared::is_interruptible() const
{
    const auto &some = options.interruptible;
    return std::find(some.begin(), some.end(), name_of(options.steps, options.cell[1])) != some.end();
}

// The step of the loop, and the system call of its thread.
std::string Watchdog::Shared::look() const
{
    std::string phase = name_of(options.phases, options.cell[0]),
                step = name_of(options.steps, options.cell[1]);
    return phase + (step.empty() ? "" : ", " + step) + ": " + describe_wait(thread);
}

// Leaves word for the next start, and for Kubernetes. May hang as the loop does: then the next look comes later.
void Watchdog::Shared::report(const std::string &cause, std::uint64_t seconds) const
{
    std::time_t since = std::time(nullptr) - static_cast<std::time_t>(seconds);
    std::string text = "{\"pid\":" + std::to_string(getpid()) + ",\"since\":" + std::to_string(since) +
                       ",\"seconds\":" + std::to_string(seconds) + ",\"cause\":" + quoted(cause) + "}\n";
    mkdir(options.folder.c_str(), 0755);
    unlink(file().c_str());
    int fd = open(file().c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0)
        write_all(fd, text);
    // No file is made of it, and a pipe without a reader is passed over.
    fd = open(options.termination_log.c_str(), O_WRONLY | O_TRUNC | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0)
        write_all(fd, "Collector has stood still for " + std::to_string(seconds) + " s: " + cause + "\n");
}

// The loop turns again.
void Watchdog::Shared::withdraw() const
{
    unlink(file().c_str());
    int fd = open(options.termination_log.c_str(), O_WRONLY | O_TRUNC | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0)
        ::close(fd);
}

} // namespace collector
