// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace collector {

// Makes effective, for the calling thread, all its permitted capabilities. A file's capabilities are not effective
// by themselves: without some of them the program starts all the same, and can name the missing ones.
void raise_capabilities();

// Takes all capabilities for good from every thread of the process, but for the bits in `kept`. Returns the number of
// threads not reached within 200 ms, because they block all signals.
unsigned drop_capabilities(std::uint64_t kept);

} // namespace collector
