// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "errors.h"

#include <napi.h>
#include <string>

namespace collector {

// The name of an errno, also of libbpf's own from 4000 on.
std::string error_name(int code);

Napi::Error to_javascript(Napi::Env env, const ProbeError &error);

// Runs a function, and throws its ProbeError as a JavaScript error.
template <typename Function> auto guarded(Napi::Env env, Function function)
{
    try {
        return function();
    } catch (const ProbeError &error) {
        throw to_javascript(env, error);
    }
}

} // namespace collector
