// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace collector {

// The consumer's side of one BPF ring buffer (kernel/bpf/ringbuf.c).
//
// libbpf's own consumer maps the data twice, so that no record is ever split; the kernel counts both against the
// process. Records are copied out here anyway, so they are mapped once and a split one takes two copies.
class Ring {
public:
    // `bytes` is the size the map was made with. Throws ProbeError.
    Ring(int fd, std::size_t bytes);
    ~Ring();
    Ring(const Ring &) = delete;
    Ring &operator=(const Ring &) = delete;

    // Time of the first record that is ready, in CLOCK_BOOTTIME ns; NONE if there is none.
    static constexpr std::uint64_t NONE = ~std::uint64_t{0};
    std::uint64_t first();

    // Copies the first record out and gives its room back to the kernel. Only after first() found one.
    // The bytes written; 0 if `room` is too small, and then the record stays.
    std::size_t take(std::uint8_t *out, std::size_t room);

    // Records that were not of the form of layout.h and were left out.
    std::uint64_t malformed() const { return malformed_; }

private:
    void copy(void *out, std::uint64_t position, std::size_t length) const;
    void release(std::uint64_t position);

    std::size_t bytes_;
    std::uint64_t *consumer_;
    const std::uint64_t *producer_;
    const std::uint8_t *data_;
    std::uint64_t position_;
    std::uint32_t length_ = 0; // of the record at position_
    std::uint64_t malformed_ = 0;
};

} // namespace collector
