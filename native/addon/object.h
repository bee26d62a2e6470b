// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace collector {

// The BPF object that was compiled with this add-on, so that the two can't be of different versions.
const void *built_in_object();
std::size_t built_in_object_size();

} // namespace collector
