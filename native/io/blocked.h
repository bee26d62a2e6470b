// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <sys/types.h>

namespace collector {

// What a thread of this process waits for, in one line of printable ASCII: its system call, the file of that, the
// function of the kernel. Reads memory of this process and /proc alone, and works while the thread is stuck.
std::string what_blocks(pid_t thread);

} // namespace collector
