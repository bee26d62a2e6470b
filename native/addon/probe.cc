// SPDX-License-Identifier: Apache-2.0
#include "probe.h"

#include "libbpf_log.h"
#include "programs.h"

#include <bpf/bpf.h>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace collector {

Probe::Probe(const ProbeOptions &options) : btf_(options.btf)
{
    keep_libbpf_log();
    try {
        if (!options.cgroup_root.empty()) {
            cgroup_fd_ = ::open(options.cgroup_root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            if (cgroup_fd_ < 0)
                refusals_.udp = refusals_.datagrams = ProbeError{"open", options.cgroup_root, errno, ""};
        }
        make_rings(options);
        load(options);
        connect_rings();
        note_own_pid();
        map_control(bpf_map__fd(map(".data.control")));
        // Needs CAP_SYS_ADMIN; without it there are simply no run times.
        if (options.run_time)
            run_time_fd_ = bpf_enable_stats(BPF_STATS_RUN_TIME);
    } catch (...) {
        release();
        throw;
    }
}

Probe::~Probe()
{
    release();
}

void Probe::release()
{
    detach();
    unmap();
    if (run_time_fd_ >= 0)
        close(run_time_fd_);
    run_time_fd_ = -1;
    if (cgroup_fd_ >= 0)
        close(cgroup_fd_);
    cgroup_fd_ = -1;
    for (const auto &[name, fd] : scan_fds_)
        close(fd);
    scan_fds_.clear();
    give_up_descriptors();
    bpf_object__close(object_);
    object_ = nullptr;
}

bpf_program *Probe::program(const char *name) const
{
    bpf_program *found = bpf_object__find_program_by_name(object_, name);
    if (!found)
        refuse(std::string("it has no program ") + name);
    return found;
}

bpf_map *Probe::map(const char *name) const
{
    bpf_map *found = bpf_object__find_map_by_name(object_, name);
    if (!found)
        refuse(std::string("it has no map ") + name);
    return found;
}

// Refuses an object fit for libbpf, but not made for this add-on.
void Probe::refuse(const std::string &reason) const
{
    throw ProbeError{"open", source_, ENOEXEC, reason};
}

void Probe::attach()
{
    clear_libbpf_log();
    for (const char *name : EVENT_PROGRAMS) {
        bpf_link *link = attach_one(name);
        if (!link) {
            int code = errno;
            detach();
            fail("attach", name, code);
        }
        links_.push_back({name, link});
    }
    attach_udp();
}

// Null, with errno set, if the kernel refuses.
bpf_link *Probe::attach_one(const char *name) const
{
    bool is_tracing = is_one_of(EVENT_PROGRAMS, name);
    return is_tracing ? bpf_program__attach(program(name))
                      : bpf_program__attach_cgroup(program(name), cgroup_fd_);
}

// A cgroup's link outlives being detached, and then names no cgroup; an update can put another program behind it.
bool Probe::is_attached(const bpf_link *link, const char *name) const
{
    if (!link)
        return false;
    bpf_link_info about_link{};
    bpf_prog_info about_program{};
    __u32 link_size = sizeof(about_link), program_size = sizeof(about_program);
    check(bpf_obj_get_info_by_fd(bpf_link__fd(link), &about_link, &link_size), "stats", name);
    check(bpf_obj_get_info_by_fd(bpf_program__fd(program(name)), &about_program, &program_size), "stats",
          name);
    bool is_detached = about_link.type == BPF_LINK_TYPE_CGROUP && about_link.cgroup.cgroup_id == 0;
    return !is_detached && about_link.prog_id == about_program.id;
}

std::vector<LostLink> Probe::restore_links()
{
    std::vector<LostLink> lost;
    for (Attached &attached : links_) {
        if (is_attached(attached.link, attached.program))
            continue;
        bpf_link__destroy(attached.link);
        attached.link = attach_one(attached.program);
        lost.push_back({attached.program, attached.link ? 0 : errno});
    }
    return lost;
}

// TCP and processes go on without, and each of the two without the other.
void Probe::attach_udp()
{
    control_->udp_ends = attach_group(UDP_PROGRAMS, refusals_.udp);
    attach_group(DATAGRAM_PROGRAMS, refusals_.datagrams);
}

// Attaches all loaded ones, or none. Returns false if none is loaded.
template <std::size_t N>
bool Probe::attach_group(const char *const (&names)[N], std::optional<ProbeError> &refusal)
{
    std::vector<Attached> links;
    for (const char *name : names) {
        if (!bpf_program__autoload(program(name)))
            continue;
        bpf_link *link = attach_one(name);
        if (!link) {
            refusal = ProbeError{"attach", name, errno, take_libbpf_log()};
            for (const Attached &attached : links)
                bpf_link__destroy(attached.link);
            return false;
        }
        links.push_back({name, link});
    }
    links_.insert(links_.end(), links.begin(), links.end());
    return !links.empty();
}

void Probe::detach()
{
    for (const Attached &attached : links_)
        bpf_link__destroy(attached.link);
    links_.clear();
}

std::vector<ProgramStats> Probe::stats() const
{
    std::vector<ProgramStats> rows;
    for (std::uint32_t i = 0; i < PROGRAM_UDP; i++) {
        ProgramStats row{STATS_ROWS[i], counts_of(i), 0, 0, 0};
        add_runs(row, EVENT_PROGRAMS[i]);
        // Changes missed by socket_state are made up for: see native/bpf/tcp-states.h.
        if (i == PROGRAM_SOCKET)
            row.missed = 0;
        rows.push_back(row);
    }
    ProgramStats udp{STATS_ROWS[PROGRAM_UDP], counts_of(PROGRAM_UDP), 0, 0, 0};
    for (const char *name : UDP_PROGRAMS)
        add_runs(udp, name);
    for (const char *name : DATAGRAM_PROGRAMS)
        add_runs(udp, name);
    rows.push_back(udp);
    return rows;
}

program_stats Probe::counts_of(std::uint32_t row) const
{
    int cpus = libbpf_num_possible_cpus();
    std::vector<program_stats> rows(cpus > 0 ? cpus : 0);
    check(bpf_map_lookup_elem(bpf_map__fd(map("stats")), &row, rows.data()), "stats", "stats");
    program_stats sum{};
    for (const auto &counts : rows) {
        sum.events += counts.events;
        sum.lost += counts.lost;
        sum.skipped += counts.skipped;
        sum.failed += counts.failed;
        sum.over_share += counts.over_share;
        sum.container = std::max(sum.container, counts.container);
    }
    return sum;
}

// Adds the kernel's counts of a program, if it is loaded.
void Probe::add_runs(ProgramStats &row, const char *name) const
{
    bpf_program *counted = program(name);
    if (!bpf_program__autoload(counted))
        return;
    bpf_prog_info info{};
    __u32 length = sizeof(info);
    check(bpf_obj_get_info_by_fd(bpf_program__fd(counted), &info, &length), "stats", name);
    row.runs += info.run_cnt;
    row.run_ns += info.run_time_ns;
    row.missed += info.recursion_misses;
}

} // namespace collector
