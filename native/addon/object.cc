// SPDX-License-Identifier: Apache-2.0
#include "object.h"

asm(".pushsection .rodata\n"
    ".balign 8\n"
    "collector_object_start: .incbin \"" OBJECT_FILE "\"\n"
    "collector_object_end:\n"
    ".popsection\n");

extern "C" const char collector_object_start[] __attribute__((visibility("hidden")));
extern "C" const char collector_object_end[] __attribute__((visibility("hidden")));

namespace collector {

const void *built_in_object()
{
    return collector_object_start;
}

std::size_t built_in_object_size()
{
    return static_cast<std::size_t>(collector_object_end - collector_object_start);
}

} // namespace collector
