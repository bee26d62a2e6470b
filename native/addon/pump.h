// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "clock_watch.h"
#include "driver.h"

#include <functional>
#include <uv.h>

namespace collector {

// Carries records from the rings to a function, on the event loop's own thread.
//
// Idle, it sleeps until the kernel signals a ring. Busy, it tells the kernel to be silent and comes by every 100 ms,
// or sooner if the rings are small: a wakeup for every event costs many times the event itself.
class Pump {
public:
    // Records in order of their time, back to back in the caller's buffer; all are older than `time`.
    using Deliver = std::function<void(std::size_t length, std::uint64_t time)>;

    // Errors of a visit. There is no caller to throw them at.
    using Fail = std::function<void(const ProbeError &error)>;

    // A set of the system's clock, called between the records from before and after.
    using ClockSet = std::function<void(const ClockWatch::Set &set)>;

    // `buffer` has to hold the largest record at least. Throws ProbeError.
    Pump(uv_loop_t *loop, Driver &driver, std::uint8_t *buffer, std::size_t capacity, Deliver deliver,
         Fail fail);

    // Starts to report sets of the clock. Throws ProbeError.
    void watch_clock(ClockSet on_clock_set);

    // Delivers, now, records from before `until`, oldest first, until there are no more or their bytes are `budget`.
    // Returns the number of bytes. Throws ProbeError.
    std::size_t drain(std::uint64_t until, std::size_t budget);

    // Takes all records out of the rings without delivering them, and returns how many. Throws ProbeError.
    std::uint64_t discard();

    // While on, visits deliver nothing: records wait in the rings.
    void hold(bool on) { held_ = on; }

    // Stops and deletes the pump, once libuv has let go of its handles. The driver may go right after the call.
    void close();

private:
    struct Head {
        std::uint64_t time;
        std::uint32_t ring;
    };

    ~Pump();
    static void on_readable(uv_poll_t *handle, int status, int events);
    static void on_timer(uv_timer_t *handle);
    static void on_clock_set(uv_async_t *handle);
    static void on_closed(uv_handle_t *handle);
    void visit();
    void become_busy();
    void become_idle();
    std::size_t deliver_until(std::uint64_t now, std::size_t budget);
    std::size_t deliver_records(std::uint64_t now, std::size_t budget);
    void advance_first_head(std::uint64_t now);
    void hand_over(std::size_t length, std::uint64_t now);

    Driver *driver_;
    std::uint8_t *buffer_;
    std::size_t capacity_;
    Deliver deliver_;
    Fail fail_;
    ClockSet clock_set_;
    std::unique_ptr<ClockWatch> clock_watch_;
    std::uint64_t busy_interval_ms_;
    std::vector<Head> heads_; // a heap, the oldest first
    std::uint32_t empty_visits_ = 0;
    bool held_ = false;
    int epoll_fd_;
    uv_poll_t poll_;
    uv_timer_t timer_;
    uv_async_t clock_wakeup_;
    int open_handles_ = 3;
};

} // namespace collector
