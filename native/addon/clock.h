// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <ctime>

namespace collector {

inline std::uint64_t read_clock_ns(clockid_t clock)
{
    timespec now{};
    clock_gettime(clock, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

// The clock of the records.
inline std::uint64_t boot_time_ns()
{
    return read_clock_ns(CLOCK_BOOTTIME);
}

// Unix time minus CLOCK_BOOTTIME, ns.
inline std::uint64_t epoch_ns()
{
    std::uint64_t boot = boot_time_ns();
    return read_clock_ns(CLOCK_REALTIME) - boot;
}

} // namespace collector
