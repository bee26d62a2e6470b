// SPDX-License-Identifier: Apache-2.0
// io.node: the threads beside the event loop, in an add-on that needs nothing but the C library.
#include "io.h"

namespace collector {

namespace {

Napi::Object Init(Napi::Env env, Napi::Object exports)
{
    export_io(env, exports);
    return exports;
}

} // namespace

NODE_API_MODULE(io, Init)

} // namespace collector
