// SPDX-License-Identifier: Apache-2.0
#include "ring.h"

#include "../bpf/layout.h"
#include "errors.h"

#include <cerrno>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

namespace collector {

namespace {

// A record's header in the ring: length and two flag bits, then the page it lies in (include/uapi/linux/bpf.h).
constexpr std::size_t PREFIX = 8;
constexpr std::uint32_t BUSY = 1U << 31;
constexpr std::uint32_t DISCARDED = 1U << 30;

// Moving the window costs some µs, so it should be rare; each ring's counts against the process's memory.
constexpr std::size_t WINDOW_BYTES = 128 * 1024;
static_assert(WINDOW_BYTES >= 2 * RECORD_CAPACITY, "a record has to fit wherever in a page it starts");

std::size_t page_size()
{
    return static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

std::uint64_t step(std::uint32_t length)
{
    return (length + PREFIX + 7) & ~std::uint64_t{7};
}

// Maps pages of the ring, in place of `window` if there is one.
void *map_pages(std::size_t bytes, int protection, int fd, std::size_t offset, void *window = nullptr)
{
    int flags = MAP_SHARED | (window ? MAP_FIXED : 0);
    void *pages = mmap(window, bytes, protection, flags, fd, static_cast<off_t>(offset));
    if (pages == MAP_FAILED)
        throw ProbeError{"ring", "rings", errno, ""};
    return pages;
}

} // namespace

Ring::Ring(int fd, std::size_t bytes) : fd_(fd), bytes_(bytes)
{
    // From the last page of the data's first copy on there is one more copy, and no more.
    window_bytes_ = bytes + page_size() < WINDOW_BYTES ? bytes + page_size() : WINDOW_BYTES;
    // One page with the consumer's position, one with the producer's, then the data, twice in a row.
    consumer_ = static_cast<std::uint64_t *>(map_pages(page_size(), PROT_READ | PROT_WRITE, fd, 0));
    try {
        producer_ = static_cast<const std::uint64_t *>(map_pages(page_size(), PROT_READ, fd, page_size()));
    } catch (...) {
        munmap(consumer_, page_size());
        throw;
    }
    position_ = end_ = __atomic_load_n(consumer_, __ATOMIC_RELAXED);
}

Ring::~Ring()
{
    munmap(consumer_, page_size());
    munmap(const_cast<std::uint64_t *>(producer_), page_size());
    if (window_)
        munmap(window_, window_bytes_);
}

// Since the kernel has the data twice in a row, the window never has to be split at the ring's end.
void Ring::move_window(std::uint64_t position)
{
    std::uint64_t start = position & ~static_cast<std::uint64_t>(page_size() - 1);
    std::size_t offset = 2 * page_size() + (start & (bytes_ - 1));
    std::uint8_t *before = window_;
    window_ = nullptr; // where mapping fails, for want of memory, the next call maps anew
    try {
        window_ = static_cast<std::uint8_t *>(map_pages(window_bytes_, PROT_READ, fd_, offset, before));
    } catch (...) {
        if (before)
            munmap(before, window_bytes_);
        throw;
    }
    window_start_ = start;
}

const std::uint8_t *Ring::at(std::uint64_t position, std::size_t length)
{
    if (!window_ || position < window_start_ || position + length > window_start_ + window_bytes_)
        move_window(position);
    return window_ + (position - window_start_);
}

void Ring::release()
{
    if (__atomic_load_n(consumer_, __ATOMIC_RELAXED) != position_)
        __atomic_store_n(consumer_, position_, __ATOMIC_RELEASE);
}

std::uint64_t Ring::waiting() const
{
    return __atomic_load_n(producer_, __ATOMIC_ACQUIRE) - position_;
}

std::uint64_t Ring::first()
{
    for (;;) {
        if (position_ == end_)
            end_ = __atomic_load_n(producer_, __ATOMIC_ACQUIRE);
        if (position_ == end_)
            return NONE;
        auto prefix = reinterpret_cast<const std::uint32_t *>(at(position_, PREFIX));
        std::uint32_t length = __atomic_load_n(prefix, __ATOMIC_ACQUIRE);
        if (length & BUSY)
            return NONE;
        if (!(length & DISCARDED)) {
            record_header header{};
            if (length >= sizeof(header))
                std::memcpy(&header, at(position_ + PREFIX, sizeof(header)), sizeof(header));
            if (header.size != length || length % 8 != 0 || length > RECORD_CAPACITY)
                throw ProbeError{"ring", "rings", EBADMSG, ""};
            length_ = length;
            return header.time;
        }
        position_ += step(length & ~DISCARDED);
    }
}

std::size_t Ring::take(std::uint8_t *out, std::size_t room)
{
    if (length_ > room)
        return 0;
    std::memcpy(out, at(position_ + PREFIX, length_), length_);
    position_ += step(length_);
    return length_;
}

} // namespace collector
