// SPDX-License-Identifier: Apache-2.0
#include "clock_watch.h"

#include "../io/thread.h"
#include "clock.h"
#include "errors.h"

#include <cerrno>
#include <deque>
#include <limits>
#include <mutex>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace collector {

namespace {

// Sets kept for the reader. Beyond them, the last one takes over the newest epoch.
constexpr std::size_t MOST_SETS = 64;

} // namespace

struct ClockWatch::Shared {
    ~Shared()
    {
        for (int fd : {timer, stop})
            if (fd >= 0)
                ::close(fd);
    }

    // Arms a timer for never: a set of the clock cancels it and makes it readable, see timerfd_create(2).
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
            const auto moment = boot_time_ns();
            std::lock_guard guard(lock);
            if (closing)
                return;
            std::uint64_t expirations = 0;
            if (read(timer, &expirations, sizeof(expirations)) < 0 && errno != ECANCELED)
                continue; // interrupted
            arm();
            // Reads the clock after arming: one more set from here on wakes this thread again.
            const auto epoch = epoch_ns();
            if (sets.size() < MOST_SETS)
                sets.push_back(Set{moment, epoch});
            else
                sets.back().epoch = epoch;
            on_set();
        }
    }

    int timer = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    int stop = eventfd(0, EFD_CLOEXEC);
    std::mutex lock; // of what follows
    std::deque<Set> sets;
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

std::optional<ClockWatch::Set> ClockWatch::first() const
{
    std::lock_guard guard(shared_->lock);
    return shared_->sets.empty() ? std::nullopt : std::optional(shared_->sets.front());
}

void ClockWatch::drop_first()
{
    std::lock_guard guard(shared_->lock);
    shared_->sets.pop_front();
}

} // namespace collector
