// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../bpf/knobs.h"
#include "../bpf/layout.h"
#include "errors.h"
#include "ring.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace collector {

struct DriverOptions {
    std::uint32_t rings;
    std::uint32_t ring_bytes;
    struct knobs knobs;
};

// One row of the statistics.
struct ProgramStats {
    const char *name;
    program_stats counts;
    std::uint64_t runs;   // 0 unless ProbeOptions::run_time
    std::uint64_t run_ns; // likewise
    std::uint64_t missed; // runs the kernel left out because the program was already running on that CPU
};

// A program detached by somebody else, found by Driver::restore_links.
struct LostLink {
    const char *program;
    int code; // errno of attaching it again; 0: it is attached again
};

// The kernel side: writes records to rings while it is attached. Loaded by its constructor, detached and unloaded by
// its destructor.
class Driver {
public:
    Driver() = default;
    virtual ~Driver();
    Driver(const Driver &) = delete;
    Driver &operator=(const Driver &) = delete;

    virtual void attach() = 0; // throws ProbeError; attaches all or none
    virtual void detach() = 0; // no more events; the written ones can still be read

    // Attaches programs again if somebody else has detached or replaced them, and returns them: once after success,
    // each time while it fails. Throws ProbeError.
    virtual std::vector<LostLink> restore_links() = 0;

    // In the order of enum program. Throws ProbeError.
    virtual std::vector<ProgramStats> stats() const = 0;

    // While on, events of Collector's children are written as records of the self-check, and as nothing else.
    void self_check(bool on);

    // Read for each record, so these are no virtual functions.
    std::vector<std::unique_ptr<Ring>> &rings() { return rings_; }
    const std::vector<int> &ring_fds() const { return ring_fds_; }
    std::uint32_t ring_bytes_per_cpu() const { return ring_bytes_per_cpu_; }
    control *shared() { return control_; }

protected:
    // Adds the next ring, and takes its descriptor over. Throws ProbeError.
    void add_ring(int fd, const DriverOptions &options);
    // Maps the shared page behind a descriptor. Throws ProbeError.
    void map_control(int fd);
    // Gives rings and shared page back.
    void unmap();

    control *control_ = nullptr;

private:
    std::vector<int> ring_fds_;
    std::vector<std::unique_ptr<Ring>> rings_;
    std::uint32_t ring_bytes_per_cpu_ = 0;
};

} // namespace collector
