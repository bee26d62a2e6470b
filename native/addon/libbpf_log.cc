// SPDX-License-Identifier: Apache-2.0
#include "libbpf_log.h"

#include <bpf/libbpf.h>
#include <cstdarg>
#include <cstdio>
#include <deque>

namespace collector {

namespace {

constexpr std::size_t LINES_KEPT = 24;
std::deque<std::string> last_lines;

int keep_line(libbpf_print_level level, const char *format, va_list args)
{
    if (level == LIBBPF_DEBUG)
        return 0;
    va_list again;
    va_copy(again, args);
    int length = std::vsnprintf(nullptr, 0, format, args);
    std::string text(length > 0 ? length : 0, '\0');
    std::vsnprintf(text.data(), text.size() + 1, format, again);
    va_end(again);
    for (std::size_t start = 0, end; start < text.size(); start = end + 1) {
        end = text.find('\n', start);
        if (end == std::string::npos)
            end = text.size();
        last_lines.push_back(text.substr(start, end - start));
        if (last_lines.size() > LINES_KEPT)
            last_lines.pop_front();
    }
    return 0;
}

} // namespace

void keep_libbpf_log()
{
    libbpf_set_print(keep_line);
    clear_libbpf_log();
}

void clear_libbpf_log()
{
    last_lines.clear();
}

std::string take_libbpf_log()
{
    std::string text;
    for (const auto &line : last_lines)
        text += line + "\n";
    last_lines.clear();
    return text;
}

[[noreturn]] void fail(const char *operation, const std::string &subject, int code)
{
    throw ProbeError{operation, subject, code < 0 ? -code : code, take_libbpf_log()};
}

void check(int result, const char *operation, const char *subject)
{
    if (result < 0)
        fail(operation, subject, result);
}

} // namespace collector
