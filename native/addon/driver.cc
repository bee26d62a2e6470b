// SPDX-License-Identifier: Apache-2.0
#include "driver.h"

#include <cerrno>
#include <sys/mman.h>
#include <unistd.h>

namespace collector {

namespace {

std::size_t page_size()
{
    return static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

} // namespace

Driver::~Driver()
{
    unmap();
}

void Driver::self_check(bool on)
{
    __atomic_store_n(&control_->self_check, on ? 1 : 0, __ATOMIC_SEQ_CST);
}

void Driver::add_ring(int fd, const DriverOptions &options)
{
    ring_bytes_per_cpu_ = options.ring_bytes / options.knobs.cpus_per_ring;
    ring_fds_.push_back(fd);
    rings_.push_back(std::make_unique<Ring>(fd, options.ring_bytes));
}

void Driver::map_control(int fd)
{
    void *page = mmap(nullptr, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED)
        throw ProbeError{"load", "control", errno, ""};
    control_ = static_cast<control *>(page);
}

void Driver::unmap()
{
    rings_.clear();
    for (int fd : ring_fds_)
        close(fd);
    ring_fds_.clear();
    if (control_)
        munmap(control_, page_size());
    control_ = nullptr;
}

} // namespace collector
