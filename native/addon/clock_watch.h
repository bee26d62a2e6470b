// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <uv.h>

namespace collector {

// Calls a function, on the event loop's thread, each time the system's clock was set: by settimeofday, clock_settime
// or a step of adjtimex. Slewing is no set.
class ClockWatch {
public:
    // Throws ProbeError of the operation `clock`.
    ClockWatch(uv_loop_t *loop, std::function<void()> on_set);

    // Stops and deletes the watch, once libuv has let go of its handle.
    void close();

private:
    ~ClockWatch();
    static void on_readable(uv_poll_t *handle, int status, int events);
    void arm();

    std::function<void()> on_set_;
    int fd_;
    uv_poll_t poll_;
};

} // namespace collector
