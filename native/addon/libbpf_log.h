// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "errors.h"

#include <string>

namespace collector {

// Keeps libbpf's last lines from now on, among them the verifier's: the explanation of a refusal.
void keep_libbpf_log();

void clear_libbpf_log();

// Returns the lines and clears them.
std::string take_libbpf_log();

// Throws ProbeError with the lines. `code`: errno, of either sign.
[[noreturn]] void fail(const char *operation, const std::string &subject, int code);

// Throws ProbeError if the result is negative.
void check(int result, const char *operation, const char *subject);

} // namespace collector
