// SPDX-License-Identifier: Apache-2.0
#include "insertion.h"

#include "errors.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace collector {

void insert_module(const std::string &path)
{
    int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    long result = fd < 0 ? -1 : syscall(SYS_finit_module, fd, "", 0);
    int code = errno;
    if (fd >= 0)
        close(fd);
    if (result < 0)
        throw ProbeError{"insert", path, code, ""};
}

void remove_module(const std::string &name)
{
    if (syscall(SYS_delete_module, name.c_str(), O_NONBLOCK) < 0)
        throw ProbeError{"remove", name, errno, ""};
}

} // namespace collector
