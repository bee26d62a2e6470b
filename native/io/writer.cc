// SPDX-License-Identifier: Apache-2.0
#include "writer.h"

#include "thread.h"

#include <cerrno>
#include <chrono>
#include <poll.h>
#include <unistd.h>

namespace collector {

namespace {

// One write(2) takes a piece. As much as a pipe holds: larger ones save nothing.
constexpr std::size_t PIECE_BYTES = 64 * 1024;

} // namespace

Writer::Writer(std::size_t capacity, bool stop_at_error, Notify notify) : shared_(std::make_shared<Shared>())
{
    shared_->capacity = capacity;
    shared_->stop_at_error = stop_at_error;
    shared_->notify = std::move(notify);
}

Writer::~Writer()
{
    std::lock_guard guard(shared_->lock);
    shared_->closing = true;
    shared_->more.notify_one();
}

int Writer::start(int fd, bool close_at_end)
{
    shared_->fd = fd;
    shared_->close_at_end = close_at_end;
    return run_detached("writer", [shared = shared_] { shared->run(); });
}

bool Writer::write(const std::uint8_t *bytes, std::size_t length)
{
    Shared &shared = *shared_;
    std::lock_guard guard(shared.lock);
    bool fits = shared.pending == 0 || shared.pending + length <= shared.capacity;
    if (shared.stopped || !fits)
        return false;
    auto &pieces = shared.pieces;
    if (pieces.empty() || pieces.back().size() + length > PIECE_BYTES)
        pieces.emplace_back();
    pieces.back().insert(pieces.back().end(), bytes, bytes + length);
    shared.pending += length;
    shared.more.notify_one();
    return true;
}

std::size_t Writer::pending() const
{
    std::lock_guard guard(shared_->lock);
    return shared_->pending;
}

int Writer::error() const
{
    std::lock_guard guard(shared_->lock);
    return shared_->error;
}

bool Writer::flush(std::uint32_t milliseconds)
{
    std::unique_lock guard(shared_->lock);
    return shared_->less.wait_for(guard, std::chrono::milliseconds(milliseconds),
                                  [this] { return shared_->pending == 0; });
}

void Writer::notify_below(std::size_t bytes)
{
    std::unique_lock guard(shared_->lock);
    shared_->notify_at = bytes;
    if (shared_->pending > bytes)
        return;
    shared_->notify_at = NEVER;
    guard.unlock();
    shared_->notify();
}

void Writer::Shared::run()
{
    for (;;) {
        std::unique_lock guard(lock);
        more.wait(guard, [this] { return !pieces.empty() || closing; });
        if (pieces.empty())
            break;
        std::vector<std::uint8_t> piece = std::move(pieces.front());
        pieces.pop_front();
        guard.unlock();
        put(piece);
    }
    if (close_at_end)
        ::close(fd);
}

// Writes a piece, however long it takes.
void Writer::Shared::put(const std::vector<std::uint8_t> &piece)
{
    std::size_t done = 0;
    while (done < piece.size()) {
        ssize_t count = ::write(fd, piece.data() + done, piece.size() - done);
        if (count >= 0) {
            done += static_cast<std::size_t>(count);
            wrote(static_cast<std::size_t>(count));
        } else if (errno == EAGAIN) { // made non-blocking by another user of the description
            pollfd wait{fd, POLLOUT, 0};
            ::poll(&wait, 1, -1);
        } else if (errno != EINTR) {
            failed(piece.size() - done, errno);
            return;
        }
    }
}

void Writer::Shared::wrote(std::size_t bytes)
{
    std::unique_lock guard(lock);
    pending -= bytes;
    if (pending == 0)
        less.notify_all();
    if (notify_at == NEVER || pending > notify_at)
        return;
    notify_at = NEVER;
    guard.unlock();
    notify();
}

void Writer::Shared::failed(std::size_t rest, int code)
{
    std::unique_lock guard(lock);
    error = code;
    pending -= rest;
    if (stop_at_error) {
        stopped = true;
        pieces.clear();
        pending = 0;
    }
    if (pending == 0)
        less.notify_all();
    guard.unlock();
    notify();
}

} // namespace collector
