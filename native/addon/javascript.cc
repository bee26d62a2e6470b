// SPDX-License-Identifier: Apache-2.0
#include "javascript.h"

#include "../io/text.h"

#include <bpf/libbpf.h>
#include <cstring>

namespace collector {

std::string error_name(int code)
{
    // In the order of libbpf's header.
    static const char *const of_libbpf[] = {"LIBELF",   "FORMAT",  "KVERSION", "ENDIAN",   "INTERNAL",
                                            "RELOC",    "LOAD",    "VERIFY",   "PROG2BIG", "KVER",
                                            "PROGTYPE", "WRNGPID", "INVSEQ",   "NLPARSE"};
    std::size_t index = static_cast<std::size_t>(code - LIBBPF_ERRNO__LIBELF);
    if (!strerrorname_np(code) && index < sizeof(of_libbpf) / sizeof(*of_libbpf))
        return std::string("LIBBPF_ERRNO__") + of_libbpf[index];
    return errno_name(code);
}

Napi::Error to_javascript(Napi::Env env, const ProbeError &error)
{
    char text[128];
    libbpf_strerror(error.code, text, sizeof(text));
    Napi::Error result = Napi::Error::New(env, error.operation + " " + error.subject + ": " + text);
    result.Set("operation", error.operation);
    result.Set("subject", error.subject);
    result.Set("errno", error_name(error.code));
    result.Set("log", error.log);
    return result;
}

} // namespace collector
