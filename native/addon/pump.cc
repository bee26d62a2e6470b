// SPDX-License-Identifier: Apache-2.0
#include "pump.h"

#include "clock.h"

#include <algorithm>
#include <cerrno>
#include <sys/epoll.h>
#include <unistd.h>

namespace collector {

namespace {

// A visit costs 0.1 to 0.3 ms of CPU however little it finds, most of it to bring code and tables back into caches
// taken by the node's own work: a fifth of a record's whole cost at 20 ms, little at 100 ms. People do not notice 100
// ms, and the rings have room for records up to the rate below, never reached by any load so far: the default ring of
// 8 MiB for each CPU allows for all of the time, smaller ones are visited as much more often.
constexpr std::uint64_t LONGEST_INTERVAL_MS = 100;
constexpr std::uint64_t FASTEST_BYTES_PER_MS = 80 * 1024; // written by one CPU
// Empty visits before the kernel is asked to signal again.
constexpr std::uint32_t EMPTY_VISITS = 3;
// A program may read `busy` just before it is cleared, and write, silently, just after the last visit. So one more
// visit comes at the busy interval, and then one from time to time, for a program held up in between.
constexpr std::uint64_t IDLE_INTERVAL_MS = 500;
// Bytes delivered, at least, before the event loop gets its turn again while there are more. A MiB of execs takes 0.1 s
// to fold in a young process; a turn takes a few microseconds.
constexpr std::size_t VISIT_BYTES = 1024 * 1024;

} // namespace

Pump::Pump(uv_loop_t *loop, Driver &driver, std::uint8_t *buffer, std::size_t capacity, Deliver deliver,
           Fail fail)
    : driver_(&driver), buffer_(buffer), capacity_(capacity), deliver_(std::move(deliver)),
      fail_(std::move(fail)), busy_interval_ms_(std::clamp<std::uint64_t>(
                                  driver.ring_bytes_per_cpu() / FASTEST_BYTES_PER_MS, 1, LONGEST_INTERVAL_MS))
{
    epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd_ < 0)
        throw ProbeError{"ring", "epoll", errno, ""};
    for (int fd : driver.ring_fds()) {
        epoll_event event{};
        event.events = EPOLLIN;
        if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) < 0) {
            int code = errno;
            ::close(epoll_fd_);
            throw ProbeError{"ring", "epoll", code, ""};
        }
    }
    uv_poll_init(loop, &poll_, epoll_fd_);
    uv_timer_init(loop, &timer_);
    uv_async_init(loop, &clock_wakeup_, on_clock_set);
    uv_unref(reinterpret_cast<uv_handle_t *>(&clock_wakeup_));
    poll_.data = timer_.data = clock_wakeup_.data = this;
    become_busy(); // records since the programs were attached woke nobody
}

Pump::~Pump()
{
    ::close(epoll_fd_);
}

void Pump::on_readable(uv_poll_t *handle, int, int)
{
    auto pump = static_cast<Pump *>(handle->data);
    pump->become_busy();
    pump->visit();
}

void Pump::become_busy()
{
    __atomic_store_n(&driver_->shared()->busy, 1, __ATOMIC_SEQ_CST);
    empty_visits_ = 0;
    uv_poll_stop(&poll_);
    uv_timer_start(&timer_, on_timer, busy_interval_ms_, busy_interval_ms_);
}

void Pump::become_idle()
{
    __atomic_store_n(&driver_->shared()->busy, 0, __ATOMIC_SEQ_CST);
    uv_poll_start(&poll_, UV_READABLE, on_readable);
    uv_timer_start(&timer_, on_timer, busy_interval_ms_, IDLE_INTERVAL_MS);
}

void Pump::on_timer(uv_timer_t *handle)
{
    static_cast<Pump *>(handle->data)->visit();
}

void Pump::on_clock_set(uv_async_t *handle)
{
    static_cast<Pump *>(handle->data)->visit();
}

void Pump::watch_clock(ClockSet on_clock_set)
{
    clock_set_ = std::move(on_clock_set);
    clock_watch_ = std::make_unique<ClockWatch>([this] { uv_async_send(&clock_wakeup_); });
}

void Pump::visit()
{
    if (held_)
        return;
    std::size_t found = 0;
    try {
        found = deliver_until(boot_time_ns(), VISIT_BYTES);
    } catch (const ProbeError &error) {
        fail_(error);
    }
    if (!driver_)
        return; // closed by a delivery
    bool busy = __atomic_load_n(&driver_->shared()->busy, __ATOMIC_RELAXED) != 0;
    if (found > 0 && !busy)
        become_busy();
    else if (found > 0)
        empty_visits_ = 0;
    else if (busy && ++empty_visits_ >= EMPTY_VISITS)
        become_idle();
    if (found >= VISIT_BYTES)
        uv_timer_start(&timer_, on_timer, 0, busy_interval_ms_); // more, after the loop's other work
}

std::size_t Pump::drain(std::uint64_t until, std::size_t budget)
{
    return deliver_until(std::min(until, boot_time_ns()), budget);
}

std::uint64_t Pump::discard()
{
    std::uint64_t count = 0;
    for (auto &ring : driver_->rings()) {
        for (; ring->first() != Ring::NONE; count++)
            ring->take(buffer_, capacity_);
        ring->release();
    }
    return count;
}

// Delivers records and sets of the clock older than `now`, about `budget` bytes of records. Returns the number of
// bytes; from `budget` on there may be more of either.
std::size_t Pump::deliver_until(std::uint64_t now, std::size_t budget)
{
    std::size_t total = 0;
    while (clock_watch_) {
        auto set = clock_watch_->first();
        if (!set || set->time > now)
            break;
        total += deliver_records(set->time, budget - total);
        if (!driver_ || total >= budget)
            return total;
        clock_watch_->drop_first();
        clock_set_(*set);
    }
    return driver_ ? total + deliver_records(now, budget - total) : total;
}

// Delivers the records older than `now`, oldest first, about `budget` bytes of them. The bound keeps the order across
// rings: a record is never delivered before its cause, since all older than `now` are in their rings by now. Returns
// the number of bytes.
std::size_t Pump::deliver_records(std::uint64_t now, std::size_t budget)
{
    auto &rings = driver_->rings();
    auto later = [](const Head &a, const Head &b) { return a.time > b.time; };
    heads_.clear();
    for (std::uint32_t i = 0; i < rings.size(); i++) {
        std::uint64_t time = rings[i]->first();
        if (time <= now)
            heads_.push_back({time, i});
    }
    std::make_heap(heads_.begin(), heads_.end(), later);
    std::size_t used = 0, total = 0;
    while (!heads_.empty() && total + used < budget) {
        std::size_t length = rings[heads_.front().ring]->take(buffer_ + used, capacity_ - used);
        if (length > 0) {
            used += length;
            advance_first_head(now);
            continue;
        }
        total += used;
        hand_over(used, now);
        if (!driver_)
            return total;
        used = 0;
    }
    total += used;
    if (used > 0)
        hand_over(used, now);
    return total;
}

// The first record of the first ring was taken: puts that ring where its next record belongs. Cheaper than to take a
// ring out of the heap and to put it in again, for each record.
void Pump::advance_first_head(std::uint64_t now)
{
    std::uint64_t time = driver_->rings()[heads_.front().ring]->first();
    Head head{time, heads_.front().ring};
    if (time > now) {
        head = heads_.back();
        heads_.pop_back();
    }
    std::size_t at = 0;
    for (std::size_t child; (child = 2 * at + 1) < heads_.size(); at = child) {
        if (child + 1 < heads_.size() && heads_[child + 1].time < heads_[child].time)
            child++;
        if (head.time <= heads_[child].time)
            break;
        heads_[at] = heads_[child];
    }
    if (at < heads_.size())
        heads_[at] = head;
}

// Delivers the buffer. The rings have their room back before, since a delivery takes its time.
void Pump::hand_over(std::size_t length, std::uint64_t now)
{
    for (auto &ring : driver_->rings())
        ring->release();
    deliver_(length, now);
}

void Pump::close()
{
    driver_ = nullptr;
    clock_watch_.reset();
    uv_close(reinterpret_cast<uv_handle_t *>(&poll_), on_closed);
    uv_close(reinterpret_cast<uv_handle_t *>(&timer_), on_closed);
    uv_close(reinterpret_cast<uv_handle_t *>(&clock_wakeup_), on_closed);
}

void Pump::on_closed(uv_handle_t *handle)
{
    auto pump = static_cast<Pump *>(handle->data);
    if (--pump->open_handles_ == 0)
        delete pump;
}

} // namespace collector
