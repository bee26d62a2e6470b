// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <sys/types.h>
#include <vector>

namespace collector {

struct WatchdogOptions {
    // The loop stands still if it has not turned for so long.
    std::uint32_t seconds;
    // Where the report is left for the next start; made if it is missing.
    std::string folder;
    // Written to if it is there.
    std::string termination_log;
    // Names for the two numbers in the cell: the phase of the run, and the step in it.
    std::vector<std::string> phases;
    std::vector<std::string> steps;
    const volatile std::uint8_t *cell;
    // Steps whose waits in the kernel may be ended by a signal.
    std::vector<std::string> interruptible;
    // Asks the loop to call `turned`. Called in the watchdog's thread.
    std::function<void()> ping;
    // Logs a line. Called in the watchdog's thread.
    std::function<void(const std::string &line)> log;
};

// Notices, in a thread of its own, when the event loop stands still, and writes down the cause.
class Watchdog {
public:
    explicit Watchdog(WatchdogOptions options);
    ~Watchdog();

    Watchdog(const Watchdog &) = delete;
    Watchdog &operator=(const Watchdog &) = delete;

    // Starts the thread. To be called by the thread of the loop. Returns 0, or why there is none (errno).
    int start();

    // The loop has turned. Returns for how many seconds it had stood still; 0 if nobody noticed.
    std::uint32_t turned();

    // The cause, by the last look.
    std::string cause() const;

private:
    // Owned by the thread too. It may outlive the watchdog: a disk can hold up its report.
    struct Shared {
        WatchdogOptions options;
        pid_t thread = 0;
        std::mutex lock;
        std::condition_variable wake;
        bool closing = false;
        bool waiting = false; // for an answer to a ping
        std::uint64_t waited_ms = 0;
        bool reported = false;
        std::string last_cause;

        void run();
        bool is_interruptible() const;
        std::string look() const;
        void report(const std::string &cause, std::uint64_t seconds) const;
        void withdraw() const;
        std::string file() const { return options.folder + "/stall.json"; }
    };

    std::shared_ptr<Shared> shared_;
};

} // namespace collector
