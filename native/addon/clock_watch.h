// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

namespace collector {

// Watches the system's clock in a thread of its own, and notes each set within microseconds, however busy the event
// loop is: settimeofday, clock_settime, or a step of adjtimex. Slewing is no set.
class ClockWatch {
public:
    struct Set {
        std::uint64_t time;  // CLOCK_BOOTTIME, ns
        std::uint64_t epoch; // Unix time minus CLOCK_BOOTTIME from then on, ns
    };

    // Calls `on_set` in the watch's own thread at each set. Throws ProbeError of the operation `clock`.
    explicit ClockWatch(std::function<void()> on_set);

    // Stops the calls.
    ~ClockWatch();

    // The earliest set kept.
    std::optional<Set> first() const;

    // Forgets the earliest; there has to be one.
    void drop_first();

private:
    struct Shared;
    std::shared_ptr<Shared> shared_;
};

} // namespace collector
