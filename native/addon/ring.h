// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace collector {

// The consumer's side of one BPF ring buffer (kernel/bpf/ringbuf.c).
//
// libbpf's own consumer maps all of the data, twice, and the kernel counts every page of it against the process: 16 MiB
// for a ring of 8. Records are copied out here, so only a window around the reader is mapped, and moved along.
class Ring {
public:
    // `bytes` is the size the map was made with. Throws ProbeError.
    Ring(int fd, std::size_t bytes);
    ~Ring();
    Ring(const Ring &) = delete;
    Ring &operator=(const Ring &) = delete;

    // Time of the first ready record, in CLOCK_BOOTTIME ns; NONE if there is none. Throws ProbeError if it is not of
    // the form of layout.h, as from a BPF object of another version.
    static constexpr std::uint64_t NONE = ~std::uint64_t{0};
    std::uint64_t first();

    // Copies the first record out. Only after first() found one.
    // The bytes written; 0 if `room` is too small, and then the record stays.
    std::size_t take(std::uint8_t *out, std::size_t room);

    // Bytes written and not taken yet; some of them may be of records still being written.
    std::uint64_t waiting() const;

    // The size of the ring.
    std::size_t bytes() const { return bytes_; }

    // Gives the room of taken records back to the kernel. Its producers look at the same cache line for each record
    // they write, so it is better written now and then than for each record read.
    void release();

private:
    const std::uint8_t *at(std::uint64_t position, std::size_t length);
    void move_window(std::uint64_t position);

    int fd_;
    std::size_t bytes_;
    std::uint64_t *consumer_;
    const std::uint64_t *producer_;
    std::uint8_t *window_ = nullptr;
    std::size_t window_bytes_;
    std::uint64_t window_start_ = 0; // position of the window's first byte
    std::uint64_t position_;
    std::uint64_t end_;        // where the producers were when they were last looked at
    std::uint32_t length_ = 0; // of the record at position_
};

} // namespace collector
