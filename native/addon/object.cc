// SPDX-License-Identifier: Apache-2.0
#include "object.h"

#define EMBED(name, file)                                                                                    \
    asm(".pushsection .rodata\n"                                                                             \
        ".balign 8\n" name "_start: .incbin \"" OBJECTS "/" file "\"\n" name "_end:\n"                       \
        ".popsection\n")

EMBED("collector_object", "collector.bpf.o");
EMBED("collector_older_object", "collector-5.8.bpf.o");

#define HIDDEN __attribute__((visibility("hidden")))
extern "C" const char collector_object_start[] HIDDEN, collector_object_end[] HIDDEN;
extern "C" const char collector_older_object_start[] HIDDEN, collector_older_object_end[] HIDDEN;

namespace collector {

const std::array<BuiltInObject, 2> built_in_objects = {{
    {"built-in object", collector_object_start, collector_object_end},
    {"built-in object for older kernels", collector_older_object_start, collector_older_object_end},
}};

} // namespace collector
