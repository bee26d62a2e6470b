// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

namespace collector {

struct BuiltInObject {
    const char *name;
    const char *start;
    const char *end;
};

// The BPF objects compiled with this add-on, never of another version. Each needs less of the kernel than the one
// before it.
extern const std::array<BuiltInObject, 2> built_in_objects;

} // namespace collector
