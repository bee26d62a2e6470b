// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

namespace collector {

// Notices, in a thread of its own, when somebody sets the system's clock: by settimeofday, clock_settime or a step of
// adjtimex. Slewing is no set. The thread notes the time within microseconds, however busy the event loop is, so that
// records from before and after can be told apart.
class ClockWatch {
public:
    struct Set {
        std::uint64_t time;  // CLOCK_BOOTTIME, ns
        std::uint64_t epoch; // what to add to it for Unix time from then on
    };

    // Calls `on_set` in the watch's own thread at each set. Throws ProbeError of the operation `clock`.
    explicit ClockWatch(std::function<void()> on_set);

    // Nothing is called any more.
    ~ClockWatch();

    // The earliest set that was not taken.
    std::optional<Set> first() const;

    // The same, and takes it.
    std::optional<Set> take();

private:
    struct Shared;
    std::shared_ptr<Shared> shared_;
};

} // namespace collector
