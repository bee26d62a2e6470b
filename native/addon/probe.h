// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "driver.h"
#include "object.h"

#include <array>
#include <bpf/libbpf.h>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace collector {

struct ProbeOptions : DriverOptions {
    std::string object; // path of the BPF object, empty for the one built in
    std::string btf; // path of the kernel's types as far as `object` needs them; empty: the kernel has its own
    bool run_time; // have the kernel measure every BPF program's run time; costs some ns per run, on the whole node
    // The folder of the root of the cgroup2 hierarchy, for the programs for UDP. Empty: they are not loaded.
    std::string cgroup_root;
};

// The BPF programs in the kernel.
class Probe : public Driver {
public:
    explicit Probe(const ProbeOptions &options); // throws ProbeError
    ~Probe() override;

    void attach() override; // programs for UDP may be left out
    void detach() override;
    std::vector<LostLink> restore_links() override;
    std::vector<ProgramStats> stats() const override;

    // The oldest kernel for the object in use.
    kernel_version oldest_kernel() const { return oldest_kernel_; }
    // Why it is not the first of the built-in ones; nothing if it is, or was asked for.
    const std::optional<ProbeError> &object_refusal() const { return object_refusal_; }

    // Why there are no programs for the connects and ends of UDP sockets; nothing if there are, or none were asked
    // for.
    const std::optional<ProbeError> &udp_refusal() const { return refusals_.udp; }
    // The same of the programs for the peers of send and receive.
    const std::optional<ProbeError> &datagram_refusal() const { return refusals_.datagrams; }

    // All records of the iterator program, in one pass. Throws ProbeError.
    std::vector<std::uint8_t> scan(const char *program);

    // The same in parts: begin_scan, then read_scan until it gives 0. Each program has one at a time: an unfinished
    // one is given up for the next.
    void begin_scan(const char *program);
    // Whole records; room for 32 KiB at least. NOTHING_YET after as much work as one call may do without finding any.
    std::ptrdiff_t read_scan(const char *program, std::uint8_t *bytes, std::size_t room);
    static constexpr std::ptrdiff_t NOTHING_YET = -1;

private:
    // An object to open: a built-in one, or null and the path of a file.
    struct Source {
        std::string name;
        const BuiltInObject *built_in;
    };
    struct Attached {
        const char *program;
        bpf_link *link; // null while it can't be attached again
    };

    void open(const Source &source);
    void load(const ProbeOptions &options);
    std::optional<ProbeError> try_whole(const Source &source, const ProbeOptions &options);
    void load_in_part(const Source &source, const ProbeOptions &options);
    void load_once();
    std::optional<ProbeError> *refusal_of(const std::string &program);
    void attach_udp();
    template <std::size_t N>
    bool attach_group(const char *const (&names)[N], std::optional<ProbeError> &refusal);
    bpf_link *attach_one(const char *name) const;
    bool is_attached(const bpf_link *link, const char *name) const;
    program_stats counts_of(std::uint32_t row) const;
    void add_runs(ProgramStats &report, const char *name) const;
    bpf_program *program(const char *name) const;
    bpf_map *map(const char *name) const;
    [[noreturn]] void refuse(const std::string &reason) const;
    void check_layout();
    void note_oldest_kernel();
    void make_rings(const ProbeOptions &options);
    void configure(const ProbeOptions &options);
    void connect_rings();
    int create_iterator(const char *name) const;
    void run_once(const char *name, int iterator, const char *operation);
    bool has_iterators() const;
    void note_own_pid();
    void end_scan(const char *program);
    void open_scan(const char *program);
    void reserve_descriptors();
    void give_up_descriptors();
    void begin_walk();
    std::ptrdiff_t read_walk(std::uint8_t *bytes, std::size_t room);
    void release();

    std::string source_;    // the object's path, or a name for it
    const std::string btf_; // ProbeOptions::btf
    bpf_object *object_ = nullptr;
    std::vector<Attached> links_;
    int run_time_fd_ = -1;
    std::map<std::string, int> scan_fds_; // by program
    // As many as a scan needs, its link and its iterator: given up for it, since others may have left none.
    std::array<int, 2> spare_fds_ = {-1, -1};
    bool is_walking_ = false;
    std::unique_ptr<walk> walk_;
    kernel_version oldest_kernel_{};
    std::optional<ProbeError> object_refusal_;
    // Why there are no iterators, or no programs for UDP of one or the other kind.
    struct Refusals {
        std::optional<ProbeError> scans, udp, datagrams;
    } refusals_;
    int cgroup_fd_ = -1; // ProbeOptions::cgroup_root
};

} // namespace collector
