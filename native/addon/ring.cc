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

std::size_t page_size()
{
    return static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

std::uint64_t step(std::uint32_t length)
{
    return (length + PREFIX + 7) & ~std::uint64_t{7};
}

} // namespace

Ring::Ring(int fd, std::size_t bytes) : bytes_(bytes)
{
    // One page with the consumer's position, one with the producer's, then the data.
    void *consumer = mmap(nullptr, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (consumer == MAP_FAILED)
        throw ProbeError{"ring", "rings", errno, ""};
    void *producer =
        mmap(nullptr, page_size() + bytes, PROT_READ, MAP_SHARED, fd, static_cast<off_t>(page_size()));
    if (producer == MAP_FAILED) {
        int code = errno;
        munmap(consumer, page_size());
        throw ProbeError{"ring", "rings", code, ""};
    }
    consumer_ = static_cast<std::uint64_t *>(consumer);
    producer_ = static_cast<const std::uint64_t *>(producer);
    data_ = static_cast<const std::uint8_t *>(producer) + page_size();
    position_ = __atomic_load_n(consumer_, __ATOMIC_RELAXED);
}

Ring::~Ring()
{
    munmap(consumer_, page_size());
    munmap(const_cast<std::uint64_t *>(producer_), page_size() + bytes_);
}

void Ring::copy(void *out, std::uint64_t position, std::size_t length) const
{
    std::size_t offset = position & (bytes_ - 1);
    std::size_t before_end = bytes_ - offset < length ? bytes_ - offset : length;
    std::memcpy(out, data_ + offset, before_end);
    std::memcpy(static_cast<std::uint8_t *>(out) + before_end, data_, length - before_end);
}

void Ring::release(std::uint64_t position)
{
    position_ = position;
    __atomic_store_n(consumer_, position, __ATOMIC_RELEASE);
}

std::uint64_t Ring::first()
{
    std::uint64_t end = __atomic_load_n(producer_, __ATOMIC_ACQUIRE);
    while (position_ < end) {
        auto prefix = reinterpret_cast<const std::uint32_t *>(data_ + (position_ & (bytes_ - 1)));
        std::uint32_t length = __atomic_load_n(prefix, __ATOMIC_ACQUIRE);
        if (length & BUSY)
            return NONE;
        if (!(length & DISCARDED)) {
            record_header header{};
            if (length >= sizeof(header))
                copy(&header, position_ + PREFIX, sizeof(header));
            if (header.size == length && length % 8 == 0 && length <= RECORD_CAPACITY) {
                length_ = length;
                return header.time;
            }
            malformed_++;
        }
        release(position_ + step(length & ~DISCARDED));
    }
    return NONE;
}

std::size_t Ring::take(std::uint8_t *out, std::size_t room)
{
    if (length_ > room)
        return 0;
    copy(out, position_ + PREFIX, length_);
    release(position_ + step(length_));
    return length_;
}

} // namespace collector
