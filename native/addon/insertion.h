// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace collector {

// Inserts a kernel module, without parameters; returns when it has started. Throws ProbeError.
void insert_module(const std::string &path);

// Removes a kernel module, by its name. Never waits for its users: throws ProbeError, EAGAIN while there are any.
void remove_module(const std::string &name);

} // namespace collector
