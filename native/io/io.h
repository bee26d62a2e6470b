// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <napi.h>

namespace collector {

// Adds Io, as native/io.ts has it, to the exports of an add-on.
void export_io(Napi::Env env, Napi::Object exports);

} // namespace collector
