// SPDX-License-Identifier: Apache-2.0
#include "module.h"

#include "../io/text.h"
#include "../module/interface.h"
#include "programs.h"

#include <cerrno>
#include <fcntl.h>
#include <string>
#include <sys/ioctl.h>
#include <unistd.h>

namespace collector {

namespace {

// All its hooks, in messages.
constexpr const char *HOOKS = "the hooks of the kernel module";

unsigned long address(void *value)
{
    return reinterpret_cast<unsigned long>(value);
}

} // namespace

Module::Module(const DriverOptions &options)
{
    fd_ = open(COLLECTOR_FILE, O_RDONLY | O_CLOEXEC);
    if (fd_ < 0)
        throw ProbeError{"module", COLLECTOR_FILE, errno, ""};
    try {
        check_version();
        start(options);
    } catch (...) {
        release();
        throw;
    }
}

Module::~Module()
{
    release();
}

// The open file has to be the last to go: the module frees everything with it.
void Module::release()
{
    unmap();
    if (fd_ >= 0)
        close(fd_);
    fd_ = -1;
}

// Returns the answer. Throws ProbeError.
int Module::request(const char *name, unsigned long number, unsigned long argument) const
{
    int answer = ioctl(fd_, number, argument);
    if (answer < 0)
        throw ProbeError{"module", name, errno, ""};
    return answer;
}

void Module::check_version() const
{
    module_info info{};
    if (ioctl(fd_, COLLECTOR_INFO, &info) < 0)
        throw ProbeError{"module", "version", ENOEXEC,
                         "it does not say which layout its records have (" + errno_name(errno) + ")"};
    if (info.layout != LAYOUT_VERSION)
        throw ProbeError{"module", "version", ENOEXEC,
                         "it was built for another version of Collector: its records have layout " +
                             std::to_string(info.layout) + ", and this one reads layout " +
                             std::to_string(LAYOUT_VERSION)};
    if (info.knobs_size != sizeof(knobs) || info.control_size != sizeof(control) ||
        info.program_stats_size != sizeof(program_stats))
        throw ProbeError{"module", "version", ENOEXEC,
                         "it was built for another processor, or by a compiler with another layout"};
}

void Module::start(const DriverOptions &options)
{
    module_start given{};
    given.knobs = options.knobs;
    given.rings = options.rings;
    given.ring_bytes = options.ring_bytes;
    request("start", COLLECTOR_START, address(&given));
    for (std::uint32_t i = 0; i < options.rings; i++)
        add_ring(request("ring", COLLECTOR_RING, i), options);
    int shared = request("control", COLLECTOR_CONTROL, 0);
    try {
        map_control(shared);
    } catch (...) {
        close(shared);
        throw;
    }
    close(shared);
}

void Module::attach()
{
    request("attach", COLLECTOR_ATTACH, 0);
    is_attached_ = true;
}

void Module::detach()
{
    is_attached_ = false;
    ioctl(fd_, COLLECTOR_DETACH, 0);
}

std::vector<LostLink> Module::restore_links()
{
    if (!is_attached_ || request(HOOKS, COLLECTOR_LIVE, 0) != 0)
        return {};
    int code = ioctl(fd_, COLLECTOR_ATTACH, 0) < 0 ? errno : 0;
    return {{HOOKS, code}};
}

std::vector<ProgramStats> Module::stats() const
{
    module_stats counts{};
    request("stats", COLLECTOR_STATS, address(&counts));
    std::vector<ProgramStats> rows;
    for (std::uint32_t i = 0; i < PROGRAM_COUNT; i++)
        rows.push_back({STATS_ROWS[i], counts.programs[i], 0, 0, 0});
    return rows;
}

} // namespace collector
