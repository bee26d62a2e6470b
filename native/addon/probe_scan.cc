// SPDX-License-Identifier: Apache-2.0
// Scans: iterators, and the walk through the kernel's tables of sockets.
#include "libbpf_log.h"
#include "probe.h"
#include "programs.h"

#include <algorithm>
#include <bpf/bpf.h>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace collector {

// A descriptor to read the iterator from, or -1 with errno set.
int Probe::create_iterator(const char *name) const
{
    bpf_link *link = bpf_program__attach_iter(program(name), nullptr);
    if (!link)
        return -1;
    int fd = bpf_iter_create(bpf_link__fd(link)), code = errno;
    bpf_link__destroy(link); // the iterator stays without it
    errno = code;
    return fd;
}

// Whether the object's programs are iterators, as far as they are not run by events.
bool Probe::has_iterators() const
{
    return bpf_program__type(program(OWN_PID_PROGRAM)) == BPF_PROG_TYPE_TRACING;
}

// Runs a program once, in this process: by its iterator, with reads that end in EAGAIN, or, for -1, by itself.
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
    clear_libbpf_log();
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
    // Once more, to hand over listening sockets without their owners among the holders; its records are not
    // delivered.
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
