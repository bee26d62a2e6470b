// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace collector {

// Notices, in a thread of its own, when somebody sets the system's clock: by settimeofday, clock_settime or a step of
// adjtimex. Slewing is no set. The thread notes the time within microseconds, however busy the event loop is, so that
// records from before and after can be told apart.
class ClockWatch {
public:
    static constexpr std::uint64_t NONE = UINT64_MAX;

    // Calls `on_set` in the watch's own thread at each set. Throws ProbeError of the operation `clock`.
    explicit ClockWatch(std::function<void()> on_set);

    // Nothing is called any more.
    ~ClockWatch();

    // CLOCK_BOOTTIME of the earliest set since the last that was reported, ns; NONE.
    std::uint64_t unreported() const;

    // Marks as reported what `unreported` gave.
    void report(std::uint64_t time);

private:
    struct Shared;
    std::shared_ptr<Shared> shared_;
};

} // namespace collector
