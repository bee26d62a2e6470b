// SPDX-License-Identifier: Apache-2.0
#include "clock_watch.h"

#include "../io/thread.h"
#include "clock.h"
#include "errors.h"

#include <atomic>
#include <cerrno>
#include <limits>
#include <mutex>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace collector {

struct ClockWatch::Shared {
    ~Shared()
    {
        for (int fd : {timer, stop})
            if (fd >= 0)
                ::close(fd);
    }

    // A timer that never expires, but is cancelled, and so readable, when the clock is set: timerfd_create(2).
    void arm()
    {
        itimerspec never{};
        never.it_value.tv_sec = std::numeric_limits<std::int32_t>::max();
        timerfd_settime(timer, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, nullptr);
    }

    void run()
    {
        for (pollfd fds[] = {{timer, POLLIN, 0}, {stop, POLLIN, 0}};;) {
            poll(fds, 2, -1);
            std::uint64_t now = boot_time_ns();
            std::lock_guard guard(lock);
            if (closing)
                return;
            std::uint64_t expirations = 0;
            if (read(timer, &expirations, sizeof(expirations)) < 0 && errno != ECANCELED)
                continue; // interrupted
            arm();
            std::uint64_t none = NONE;
            unreported.compare_exchange_strong(none, now);
            on_set();
        }
    }

    int timer = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    int stop = eventfd(0, EFD_CLOEXEC);
    std::atomic<std::uint64_t> unreported{NONE};
    std::mutex lock; // of what follows
    bool closing = false;
    std::function<void()> on_set;
};

ClockWatch::ClockWatch(std::function<void()> on_set) : shared_(std::make_shared<Shared>())
{
    if (shared_->timer < 0 || shared_->stop < 0)
        throw ProbeError{"clock", "timerfd", errno, ""};
    shared_->on_set = std::move(on_set);
    shared_->arm();
    if (int code = run_detached("clock", [shared = shared_] { shared->run(); }))
        throw ProbeError{"clock", "thread", code, ""};
}

ClockWatch::~ClockWatch()
{
    std::lock_guard guard(shared_->lock);
    shared_->closing = true;
    eventfd_write(shared_->stop, 1);
}

std::uint64_t ClockWatch::unreported() const
{
    return shared_->unreported;
}

void ClockWatch::report(std::uint64_t time)
{
    shared_->unreported.compare_exchange_strong(time, NONE);
}

} // namespace collector
