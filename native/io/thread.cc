// SPDX-License-Identifier: Apache-2.0
#include "thread.h"

#include <memory>
#include <pthread.h>

namespace collector {

namespace {

// These threads need a few KiB; the default of 8 MiB would only show up in VSZ.
constexpr std::size_t STACK_BYTES = 256 * 1024;

void *run(void *argument)
{
    std::unique_ptr<std::function<void()>> function(static_cast<std::function<void()> *>(argument));
    (*function)();
    return nullptr;
}

} // namespace

int run_detached(const char *name, std::function<void()> function)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    auto argument = std::make_unique<std::function<void()>>(std::move(function));
    pthread_t thread;
    int error = pthread_create(&thread, &attributes, run, argument.get());
    pthread_attr_destroy(&attributes);
    if (error != 0)
        return error;
    argument.release();
    pthread_setname_np(thread, name);
    return 0;
}

} // namespace collector
