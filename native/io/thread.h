// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

namespace collector {

// Runs a function in a detached thread with a small stack. Returns 0, or why there is none (errno).
int run_detached(const char *name, std::function<void()> function);

} // namespace collector
