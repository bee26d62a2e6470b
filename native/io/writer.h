// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace collector {

// Writes to a descriptor in a thread of its own, so that no reader, pipe or disk holds up the caller.
//
// The descriptor keeps its flags: others may share its file description, so O_NONBLOCK is neither needed nor set. The
// thread is detached. A write without end leaves it behind with the bytes in hand.
class Writer {
public:
    // Called in the writer's thread: after an error, and once no more bytes wait than `notify_below` asked for.
    using Notify = std::function<void()>;

    // `capacity`: most bytes to wait. `stop_at_error`: the first error gives up all waiting bytes, and no more are
    // taken; else only the piece in hand is lost, and writing goes on.
    Writer(std::size_t capacity, bool stop_at_error, Notify notify);

    // Ends the thread once all is written.
    ~Writer();

    Writer(const Writer &) = delete;
    Writer &operator=(const Writer &) = delete;

    // Begins to write to a descriptor; until then, bytes wait. Returns 0, or why there is no thread (errno).
    int start(int fd, bool close_at_end);

    // Takes all of the bytes, or none: false if there is no room, or an error has stopped it. Where nothing waits
    // there is room for any number of bytes.
    bool write(const std::uint8_t *bytes, std::size_t length);

    // Waiting bytes, the piece in hand included.
    std::size_t pending() const;

    // The last error (errno); 0: none.
    int error() const;

    // Waits until nothing is pending, at most so long. Returns whether nothing is.
    bool flush(std::uint32_t milliseconds);

    void notify_below(std::size_t bytes);

private:
    // Owned by the thread too. It may outlive the writer.
    struct Shared {
        std::mutex lock;
        std::condition_variable more;
        std::condition_variable less;
        std::deque<std::vector<std::uint8_t>> pieces;
        std::size_t pending = 0;
        std::size_t capacity;
        std::size_t notify_at = NEVER;
        bool stop_at_error;
        bool stopped = false;
        bool closing = false;
        int error = 0;
        int fd = -1;
        bool close_at_end = false;
        Notify notify;

        void run();
        void put(const std::vector<std::uint8_t> &piece);
        void wrote(std::size_t bytes);
        void failed(std::size_t rest, int code);
    };
    static constexpr std::size_t NEVER = SIZE_MAX;

    std::shared_ptr<Shared> shared_;
};

} // namespace collector
