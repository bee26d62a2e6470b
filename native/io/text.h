// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstring>
#include <string>

namespace collector {

// The name of an errno, such as EPERM; the number for one without a name.
inline std::string errno_name(int code)
{
    const char *name = strerrorname_np(code);
    return name ? name : std::to_string(code);
}

// A string of JSON. The text is printable ASCII.
inline std::string quoted(const std::string &text)
{
    std::string result = "\"";
    for (char character : text) {
        if (character == '"' || character == '\\')
            result += '\\';
        result += character;
    }
    return result + '"';
}

} // namespace collector
