// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace collector {

// A refusal by the kernel or libbpf. Becomes a JavaScript Error with the same fields (see native/index.ts).
struct ProbeError {
    std::string operation; // "open", "load", "attach", "ring", "scan", "insert", "module", …
    std::string subject;   // the program, the map, the file or the request
    int code;              // errno, positive
    std::string log;       // libbpf's last lines; for a refused program, the verifier's; for ENOEXEC, why
};

} // namespace collector
