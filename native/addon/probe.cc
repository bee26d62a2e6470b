// SPDX-License-Identifier: Apache-2.0
#include "probe.h"

#include "object.h"

#include <algorithm>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <iterator>
#include <sys/mman.h>
#include <unistd.h>

namespace collector {

namespace {

// Programs attached to events, first those with a row of statistics, in the order of enum program. The iterators run
// only when asked.
constexpr const char *EVENT_PROGRAMS[] = {"process_exec", "process_exit", "socket_state", "socket_end",
                                          "process_move", "process_fork", "cgroup_end"};
// Those attached to the root of cgroup2. They share a row of statistics, which follows the others'.
constexpr const char *UDP_PROGRAMS[] = {"udp_connect4", "udp_connect6", "udp_release"};
constexpr const char *DATAGRAM_PROGRAMS[] = {"udp_send4", "udp_send6", "udp_receive4", "udp_receive6"};
constexpr std::uint32_t UDP_PEERS = 16384;
constexpr const char *SOCKET_SCAN = "scan_sockets";
constexpr const char *ITERATORS[] = {"scan_processes", SOCKET_SCAN};
// Each read runs it once; its records are in a map.
constexpr const char *WALK_PROGRAM = "list_sockets";
constexpr const char *SCAN_PROGRAMS[] = {"scan_processes", SOCKET_SCAN, WALK_PROGRAM};
constexpr const char *OWN_PID_PROGRAM = "note_own_pid";
constexpr const char *KERNEL_BTF = "/sys/kernel/btf/vmlinux";

// libbpf's last lines, among them the verifier's: what explains a refusal.
constexpr std::size_t LINES_KEPT = 24;
std::deque<std::string> last_lines;

int keep_line(libbpf_print_level level, const char *format, va_list args)
{
    if (level == LIBBPF_DEBUG)
        return 0;
    va_list again;
    va_copy(again, args);
    int length = std::vsnprintf(nullptr, 0, format, args);
    std::string text(length > 0 ? length : 0, '\0');
    std::vsnprintf(text.data(), text.size() + 1, format, again);
    va_end(again);
    for (std::size_t start = 0, end; start < text.size(); start = end + 1) {
        end = text.find('\n', start);
        if (end == std::string::npos)
            end = text.size();
        last_lines.push_back(text.substr(start, end - start));
        if (last_lines.size() > LINES_KEPT)
            last_lines.pop_front();
    }
    return 0;
}

std::string take_lines()
{
    std::string text;
    for (const auto &line : last_lines)
        text += line + "\n";
    last_lines.clear();
    return text;
}

// libbpf tells which program or map failed only in its messages: prog 'x': …, map 'y': … The last one it names is the
// one that it gave up at; before that it may tell of others what does no harm.
std::string named_in(const std::string &log)
{
    std::size_t last = 0;
    for (const std::string kind : {"prog '", "map '"}) {
        std::size_t start = log.rfind("libbpf: " + kind);
        if (start != std::string::npos)
            last = std::max(last, start + std::strlen("libbpf: ") + kind.size());
    }
    return last == 0 ? "object" : log.substr(last, log.find('\'', last) - last);
}

// Errors that are no matter of what the kernel has: another object would be refused as well.
bool is_of_host(int code)
{
    return code == EPERM || code == ENOMEM || code == EMFILE || code == ENFILE;
}

template <std::size_t N> bool is_one_of(const char *const (&programs)[N], const std::string &name)
{
    return std::find(std::begin(programs), std::end(programs), name) != std::end(programs);
}

[[noreturn]] void fail(const char *operation, const std::string &subject, int code)
{
    throw ProbeError{operation, subject, code < 0 ? -code : code, take_lines()};
}

void check(int result, const char *operation, const char *subject)
{
    if (result < 0)
        fail(operation, subject, result);
}

} // namespace

Probe::Probe(const ProbeOptions &options) : btf_(options.btf)
{
    libbpf_set_print(keep_line);
    last_lines.clear();
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
        map_control();
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

void Probe::open(const Source &source)
{
    bpf_object_open_opts opts{};
    opts.sz = sizeof(opts);
    // Named, libbpf does not look for types that only other kernels have in every module, for which it would need
    // CAP_SYS_ADMIN. It reads the file twice then, so that the object for current kernels has no such types.
    if (!btf_.empty())
        opts.btf_custom_path = btf_.c_str();
    else if (source.built_in != built_in_objects.begin() && access(KERNEL_BTF, R_OK) == 0)
        opts.btf_custom_path = KERNEL_BTF;
    bpf_object__close(object_);
    source_ = source.name;
    if (source.built_in) {
        opts.object_name = "collector";
        const BuiltInObject &object = *source.built_in;
        object_ =
            bpf_object__open_mem(object.start, static_cast<std::size_t>(object.end - object.start), &opts);
    } else {
        object_ = bpf_object__open_file(source.name.c_str(), &opts);
    }
    if (!object_)
        fail("open", source_, errno);
    check_layout();
}

// Loads the object that was given; else the first built-in one that the kernel takes with all its programs, or, if it
// takes none so, the first of which it takes those that can't be done without.
void Probe::load(const ProbeOptions &options)
{
    if (!options.object.empty())
        return load_in_part({options.object, nullptr}, options);
    std::vector<Source> in_part;
    std::optional<ProbeError> first, latest;
    for (const BuiltInObject &object : built_in_objects) {
        Source source{object.name, &object};
        latest = try_whole(source, options);
        if (!first)
            first = latest;
        if (!latest) {
            object_refusal_ = first;
            return;
        }
        if (refusal_of(latest->subject))
            in_part.push_back(source);
        if (is_of_host(latest->code))
            break;
    }
    const Refusals given = refusals_;
    for (const Source &source : in_part) {
        if (source.built_in != built_in_objects.begin())
            object_refusal_ = first;
        refusals_ = given;
        try {
            return load_in_part(source, options);
        } catch (const ProbeError &error) {
            latest = error;
        }
    }
    throw *latest;
}

// Why the kernel does not take an object with all its programs; nothing if it does.
std::optional<ProbeError> Probe::try_whole(const Source &source, const ProbeOptions &options)
{
    open(source);
    configure(options);
    try {
        load_once();
        return std::nullopt;
    } catch (const ProbeError &error) {
        return error;
    }
}

// Loads all programs of an object, or as many as the kernel takes of those that can be done without.
void Probe::load_in_part(const Source &source, const ProbeOptions &options)
{
    while (std::optional<ProbeError> error = try_whole(source, options)) {
        std::optional<ProbeError> *refusal = refusal_of(error->subject);
        if (!refusal || *refusal)
            throw *error;
        *refusal = error;
    }
}

// Where it is kept why a program and all that go with it are left out; null if events can't be had without it. Events
// are worth more than scans, and there are other ways to scan.
std::optional<ProbeError> *Probe::refusal_of(const std::string &program)
{
    if (is_one_of(SCAN_PROGRAMS, program))
        return &refusals_.scans;
    if (is_one_of(UDP_PROGRAMS, program))
        return &refusals_.udp;
    return is_one_of(DATAGRAM_PROGRAMS, program) ? &refusals_.datagrams : nullptr;
}

void Probe::load_once()
{
    if (int result = bpf_object__load(object_); result < 0) {
        std::string log = take_lines();
        throw ProbeError{"load", named_in(log), -result, log};
    }
}

void Probe::release()
{
    detach();
    rings_.clear();
    for (int fd : ring_fds_)
        close(fd);
    ring_fds_.clear();
    if (control_)
        munmap(control_, static_cast<std::size_t>(sysconf(_SC_PAGESIZE)));
    control_ = nullptr;
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

// An object that libbpf can read, but that is not made for this add-on.
void Probe::refuse(const std::string &reason) const
{
    throw ProbeError{"open", source_, ENOEXEC, reason};
}

// Everything else that the add-on relies on, such as the sizes of values, goes with the layout's version.
void Probe::check_layout()
{
    bpf_map *section = bpf_object__find_map_by_name(object_, ".rodata.layout");
    std::size_t size = 0;
    const void *value = section ? bpf_map__initial_value(section, &size) : nullptr;
    __u32 version = 0;
    if (!value || size != sizeof(version))
        refuse("it is not one of Collector's: it does not say which layout its records have");
    std::memcpy(&version, value, size);
    if (version != LAYOUT_VERSION)
        refuse("it was built for another version of Collector: its records have layout " +
               std::to_string(version) + ", and this one reads layout " + std::to_string(LAYOUT_VERSION));
    check(bpf_map__set_autocreate(section, false), "load", ".rodata.layout"); // no program reads it
}

void Probe::note_oldest_kernel()
{
    bpf_map *section = map(".rodata.kernel");
    std::size_t size = 0;
    const void *value = bpf_map__initial_value(section, &size);
    if (!value || size != sizeof(kernel_version))
        refuse("it does not say which kernels it is for");
    std::memcpy(&oldest_kernel_, value, size);
    check(bpf_map__set_autocreate(section, false), "load", ".rodata.kernel"); // no program reads it
}

void Probe::configure(const ProbeOptions &options)
{
    for (const char *name : EVENT_PROGRAMS)
        program(name);
    program(OWN_PID_PROGRAM);
    note_oldest_kernel();
    for (const char *name : UDP_PROGRAMS)
        check(bpf_program__set_autoload(program(name), cgroup_fd_ >= 0 && !refusals_.udp), "load", name);
    bool are_datagrams_wanted = cgroup_fd_ >= 0 && !refusals_.datagrams && options.knobs.udp_window > 0;
    for (const char *name : DATAGRAM_PROGRAMS)
        check(bpf_program__set_autoload(program(name), are_datagrams_wanted), "load", name);
    if (are_datagrams_wanted)
        check(bpf_map__set_max_entries(map("udp_peers"), UDP_PEERS), "load", "udp_peers");
    if (!has_iterators())
        for (const char *name : ITERATORS)
            check(bpf_program__set_autoload(program(name), false), "load", name);
    else
        for (const char *name : SCAN_PROGRAMS)
            check(bpf_program__set_autoload(program(name), !refusals_.scans), "load", name);

    check(bpf_map__set_initial_value(map(".rodata.knobs"), &options.knobs, sizeof(options.knobs)), "load",
          ".rodata.knobs");
    check(bpf_map__set_max_entries(map("rings"), options.rings), "load", "rings");
    // The pattern that the kernel holds each entry against.
    check(bpf_map__set_inner_map_fd(map("rings"), ring_fds_.front()), "load", "rings");
    std::uint32_t cpus = options.knobs.cpus;
    check(bpf_map__set_max_entries(map("process_scratches"), cpus + 1), "load", "process_scratches");
    check(bpf_map__set_max_entries(map("cgroup_scratches"), 2 * cpus + 1 + SLOTS_TO_LEND), "load",
          "cgroup_scratches");
}

void Probe::make_rings(const ProbeOptions &options)
{
    ring_bytes_per_cpu_ = options.ring_bytes / options.knobs.cpus_per_ring;
    for (std::uint32_t i = 0; i < options.rings; i++) {
        int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "ring", 0, 0, options.ring_bytes, nullptr);
        if (fd < 0)
            fail("ring", "rings", errno);
        ring_fds_.push_back(fd);
        rings_.push_back(std::make_unique<Ring>(fd, options.ring_bytes));
    }
}

void Probe::connect_rings()
{
    int outer = bpf_map__fd(map("rings"));
    for (std::uint32_t i = 0; i < ring_fds_.size(); i++)
        check(bpf_map_update_elem(outer, &i, &ring_fds_[i], BPF_ANY), "ring", "rings");
}

// A descriptor to read the iterator from, or -1 with errno set.
int Probe::create_iterator(const char *name) const
{
    bpf_link *link = bpf_program__attach_iter(program(name), nullptr);
    if (!link)
        return -1;
    int fd = bpf_iter_create(bpf_link__fd(link)), code = errno;
    bpf_link__destroy(link); // the iterator holds what it needs
    errno = code;
    return fd;
}

// Whether the object's programs are iterators, as far as they are not run by events.
bool Probe::has_iterators() const
{
    return bpf_program__type(program(OWN_PID_PROGRAM)) == BPF_PROG_TYPE_TRACING;
}

// Runs a program once, in this process: by its iterator, whose reads it ends with EAGAIN, or, for -1, by itself.
void Probe::run_once(const char *name, int iterator, const char *operation)
{
    if (iterator < 0) {
        bpf_test_run_opts run{};
        run.sz = sizeof(run);
        check(bpf_prog_test_run_opts(bpf_program__fd(program(name)), &run), operation, name);
        return;
    }
    char none;
    if (read(iterator, &none, sizeof(none)) < 0 && errno != EAGAIN)
        fail(operation, name, errno);
}

void Probe::note_own_pid()
{
    if (!has_iterators())
        return run_once(OWN_PID_PROGRAM, -1, "load");
    int iterator = create_iterator(OWN_PID_PROGRAM);
    if (iterator < 0)
        fail("load", OWN_PID_PROGRAM, errno);
    try {
        run_once(OWN_PID_PROGRAM, iterator, "load");
    } catch (...) {
        close(iterator);
        throw;
    }
    close(iterator);
}

void Probe::map_control()
{
    void *page = mmap(nullptr, static_cast<std::size_t>(sysconf(_SC_PAGESIZE)), PROT_READ | PROT_WRITE,
                      MAP_SHARED, bpf_map__fd(map(".data.control")), 0);
    if (page == MAP_FAILED)
        fail("load", "control", errno);
    control_ = static_cast<control *>(page);
}

void Probe::attach()
{
    last_lines.clear();
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

// Attaches all of them that are loaded, or none; false if none is.
template <std::size_t N>
bool Probe::attach_group(const char *const (&names)[N], std::optional<ProbeError> &refusal)
{
    std::vector<Attached> links;
    for (const char *name : names) {
        if (!bpf_program__autoload(program(name)))
            continue;
        bpf_link *link = attach_one(name);
        if (!link) {
            refusal = ProbeError{"attach", name, errno, take_lines()};
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

void Probe::self_check(bool on)
{
    __atomic_store_n(&control_->self_check, on ? 1 : 0, __ATOMIC_SEQ_CST);
}

std::vector<ProgramReport> Probe::stats() const
{
    std::vector<ProgramReport> reports;
    for (std::uint32_t i = 0; i < PROGRAM_UDP; i++) {
        ProgramReport report{EVENT_PROGRAMS[i], counts_of(i), 0, 0, 0};
        add_runs(report, EVENT_PROGRAMS[i]);
        // What passes socket_state by is made up for: see native/bpf/tcp-states.h.
        if (i == PROGRAM_SOCKET)
            report.missed = 0;
        reports.push_back(report);
    }
    ProgramReport udp{"udp", counts_of(PROGRAM_UDP), 0, 0, 0};
    for (const char *name : UDP_PROGRAMS)
        add_runs(udp, name);
    for (const char *name : DATAGRAM_PROGRAMS)
        add_runs(udp, name);
    reports.push_back(udp);
    return reports;
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

// What the kernel counted of a program, if it is loaded.
void Probe::add_runs(ProgramReport &report, const char *name) const
{
    bpf_program *counted = program(name);
    if (!bpf_program__autoload(counted))
        return;
    bpf_prog_info info{};
    __u32 length = sizeof(info);
    check(bpf_obj_get_info_by_fd(bpf_program__fd(counted), &info, &length), "stats", name);
    report.runs += info.run_cnt;
    report.run_ns += info.run_time_ns;
    report.missed += info.recursion_misses;
}

std::vector<std::uint8_t> Probe::scan(const char *name)
{
    // The kernel hands out whole records, at most 32 KiB a read.
    constexpr std::size_t CHUNK = 64 * 1024;
    begin_scan(name);
    std::vector<std::uint8_t> bytes;
    for (;;) {
        std::size_t used = bytes.size();
        bytes.resize(used + CHUNK);
        std::ptrdiff_t count = read_scan(name, bytes.data() + used, CHUNK);
        bytes.resize(used + static_cast<std::size_t>(std::max<std::ptrdiff_t>(count, 0)));
        if (count == 0)
            return bytes;
    }
}

void Probe::begin_scan(const char *name)
{
    end_scan(name);
    last_lines.clear();
    if (refusals_.scans)
        fail("scan", name, refusals_.scans->code);
    bool is_walk = std::strcmp(name, WALK_PROGRAM) == 0;
    if (has_iterators())
        open_scan(name);
    else if (!is_walk)
        fail("scan", name, EOPNOTSUPP);
    if (is_walk) {
        begin_walk();
    } else if (std::strcmp(name, SOCKET_SCAN) == 0) {
        control_->socket_scan++;
        control_->orphans = 0;
    }
}

void Probe::open_scan(const char *name)
{
    give_up_descriptors();
    int fd = create_iterator(name), code = errno;
    if (fd < 0) {
        reserve_descriptors();
        fail("scan", name, code);
    }
    scan_fds_[name] = fd;
}

void Probe::begin_walk()
{
    if (!walk_)
        walk_ = std::make_unique<walk>();
    *walk_ = {};
    std::uint32_t key = 0;
    check(bpf_map_update_elem(bpf_map__fd(map("walks")), &key, walk_.get(), BPF_ANY), "scan", WALK_PROGRAM);
    is_walking_ = true;
}

// Whole records, as many as one run finds; 0 when the walk is over.
std::ptrdiff_t Probe::read_walk(std::uint8_t *bytes, std::size_t room)
{
    if (!is_walking_) {
        end_scan(WALK_PROGRAM);
        return 0;
    }
    std::uint32_t key = 0;
    do {
        run_once(WALK_PROGRAM, has_iterators() ? scan_fds_.at(WALK_PROGRAM) : -1, "scan");
        check(bpf_map_lookup_elem(bpf_map__fd(map("walks")), &key, walk_.get()), "scan", WALK_PROGRAM);
        is_walking_ = walk_->stage < WALK_UDP || walk_->bucket < walk_->buckets;
        control_->lists = walk_->lists;
        if (!walk_->lists)
            is_walking_ = false;
    } while (is_walking_ && walk_->used == 0);
    std::size_t count = std::min<std::size_t>(walk_->used, room);
    std::memcpy(bytes, walk_->records, count);
    return static_cast<std::ptrdiff_t>(count);
}

std::ptrdiff_t Probe::read_scan(const char *name, std::uint8_t *bytes, std::size_t room)
{
    if (std::strcmp(name, WALK_PROGRAM) == 0)
        return read_walk(bytes, room);
    auto scan = scan_fds_.find(name);
    if (scan == scan_fds_.end())
        return 0;
    bool settles = control_->settles && std::strcmp(name, SOCKET_SCAN) == 0;
    ssize_t count = read(scan->second, bytes, room);
    int code = errno;
    if (count > 0)
        return settles ? NOTHING_YET : count;
    // The kernel looks at a million descriptors in one call, and may find no socket among them.
    if (count < 0 && (code == EINTR || code == EAGAIN))
        return NOTHING_YET;
    end_scan(name);
    if (count < 0)
        fail("scan", name, code);
    if (std::strcmp(name, SOCKET_SCAN) != 0)
        return 0;
    control_->scanned = 1;
    if (settles || control_->orphans == 0)
        return 0;
    // Once more, for what that changes alone: listening sockets that were found with none of their owners.
    control_->settles = 1;
    open_scan(name);
    return NOTHING_YET;
}

void Probe::end_scan(const char *name)
{
    if (std::strcmp(name, WALK_PROGRAM) == 0)
        is_walking_ = false;
    if (std::strcmp(name, SOCKET_SCAN) == 0)
        control_->settles = 0;
    auto scan = scan_fds_.find(name);
    if (scan == scan_fds_.end())
        return;
    close(scan->second);
    scan_fds_.erase(scan);
    reserve_descriptors();
}

void Probe::reserve_descriptors()
{
    for (int &fd : spare_fds_)
        if (fd < 0)
            fd = ::open("/", O_PATH | O_CLOEXEC);
}

void Probe::give_up_descriptors()
{
    for (int &fd : spare_fds_) {
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
}

} // namespace collector
