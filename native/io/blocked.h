// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <sys/types.h>

namespace collector {

// Says in one line of printable ASCII why a thread of this process does not go on: its system call, the file of the
// call, the function of the kernel. Reads memory of this process and /proc alone, also while the thread is stuck.
std::string describe_wait(pid_t thread);

} // namespace collector
