// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace collector {

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
