// SPDX-License-Identifier: Apache-2.0
// Opening and loading an object: which one, which of its programs, and with which maps.
#include "libbpf_log.h"
#include "object.h"
#include "probe.h"
#include "programs.h"

#include <algorithm>
#include <bpf/bpf.h>
#include <cerrno>
#include <cstring>
#include <unistd.h>

namespace collector {

namespace {

constexpr std::uint32_t UDP_PEERS = 16384;
constexpr const char *KERNEL_BTF = "/sys/kernel/btf/vmlinux";

// The name of the program or map that failed. libbpf has it only in its messages: prog 'x': …, map 'y': … It gave up
// at the last one; messages about earlier ones may be harmless.
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

// Whether an error is independent of the kernel's features: another object would be refused as well.
bool is_host_error(int code)
{
    return code == EPERM || code == ENOMEM || code == EMFILE || code == ENFILE;
}

} // namespace

void Probe::open(const Source &source)
{
    bpf_object_open_opts opts{};
    opts.sz = sizeof(opts);
    // With a named file, libbpf does not search every module for types of other kernels, and so does not need
    // CAP_SYS_ADMIN. The price is a second reading of the file, so the object for current kernels has no types of
    // other kernels.
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

// Loads the given object. Without one, loads the first built-in object taken by the kernel with all its programs; if
// there is none, the first one with all indispensable programs taken.
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
        if (is_host_error(latest->code))
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

// Loads all programs of an object, or as many dispensable ones as the kernel takes.
void Probe::load_in_part(const Source &source, const ProbeOptions &options)
{
    while (std::optional<ProbeError> error = try_whole(source, options)) {
        std::optional<ProbeError> *refusal = refusal_of(error->subject);
        if (!refusal || *refusal)
            throw *error;
        *refusal = error;
    }
}

// The place for the refusal of a program and of all that go with it; null if there are no events without it. Events
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
        std::string log = take_libbpf_log();
        throw ProbeError{"load", named_in(log), -result, log};
    }
}

// All else the add-on relies on, like the sizes of values, goes with the layout's version.
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
    // The kernel's pattern for each entry.
    check(bpf_map__set_inner_map_fd(map("rings"), ring_fds().front()), "load", "rings");
    std::uint32_t cpus = options.knobs.cpus;
    check(bpf_map__set_max_entries(map("process_scratches"), cpus + 1), "load", "process_scratches");
    check(bpf_map__set_max_entries(map("cgroup_scratches"), 2 * cpus + 1 + SLOTS_TO_LEND), "load",
          "cgroup_scratches");
}

void Probe::make_rings(const ProbeOptions &options)
{
    for (std::uint32_t i = 0; i < options.rings; i++) {
        int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "ring", 0, 0, options.ring_bytes, nullptr);
        if (fd < 0)
            fail("ring", "rings", errno);
        add_ring(fd, options);
    }
}

void Probe::connect_rings()
{
    int outer = bpf_map__fd(map("rings"));
    for (std::uint32_t i = 0; i < ring_fds().size(); i++)
        check(bpf_map_update_elem(outer, &i, &ring_fds()[i], BPF_ANY), "ring", "rings");
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

} // namespace collector
