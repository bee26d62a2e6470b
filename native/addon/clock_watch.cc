// SPDX-License-Identifier: Apache-2.0
#include "clock_watch.h"

#include "errors.h"

#include <cerrno>
#include <limits>
#include <sys/timerfd.h>
#include <unistd.h>

namespace collector {

ClockWatch::ClockWatch(uv_loop_t *loop, std::function<void()> on_set)
    : on_set_(std::move(on_set)), fd_(timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC))
{
    if (fd_ < 0)
        throw ProbeError{"clock", "timerfd", errno, ""};
    arm();
    uv_poll_init(loop, &poll_, fd_);
    poll_.data = this;
    uv_poll_start(&poll_, UV_READABLE, on_readable);
    uv_unref(reinterpret_cast<uv_handle_t *>(&poll_));
}

ClockWatch::~ClockWatch()
{
    ::close(fd_);
}

// A timer that never expires, but is cancelled, and so readable, when the clock is set: timerfd_create(2).
void ClockWatch::arm()
{
    itimerspec never{};
    never.it_value.tv_sec = std::numeric_limits<std::int32_t>::max();
    timerfd_settime(fd_, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, nullptr);
}

void ClockWatch::on_readable(uv_poll_t *handle, int, int)
{
    auto watch = static_cast<ClockWatch *>(handle->data);
    std::uint64_t expirations = 0;
    bool is_expired = read(watch->fd_, &expirations, sizeof(expirations)) > 0;
    if (!is_expired && errno != ECANCELED)
        return;
    watch->arm();
    watch->on_set_();
}

void ClockWatch::close()
{
    on_set_ = [] {};
    uv_close(reinterpret_cast<uv_handle_t *>(&poll_),
             [](uv_handle_t *handle) { delete static_cast<ClockWatch *>(handle->data); });
}

} // namespace collector
