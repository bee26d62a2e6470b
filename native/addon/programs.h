// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../bpf/layout.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string>

namespace collector {

// Programs attached to events, first those with a row of statistics, in the order of enum program. The iterators run
// only when asked.
constexpr const char *EVENT_PROGRAMS[] = {"process_exec", "process_exit", "socket_state", "socket_end",
                                          "process_move", "process_fork", "cgroup_end"};
// Programs attached to the root of cgroup2. They share a row of statistics, after the others'.
constexpr const char *UDP_PROGRAMS[] = {"udp_connect4", "udp_connect6", "udp_release"};
constexpr const char *DATAGRAM_PROGRAMS[] = {"udp_send4", "udp_send6", "udp_receive4", "udp_receive6"};
// Rows of statistics, in the order of enum program.
constexpr const char *STATS_ROWS[PROGRAM_COUNT] = {"process_exec", "process_exit", "socket_state", "udp"};
constexpr const char *SOCKET_SCAN = "scan_sockets";
constexpr const char *ITERATORS[] = {"scan_processes", SOCKET_SCAN};
// Each read runs it once; its records are in a map.
constexpr const char *WALK_PROGRAM = "list_sockets";
constexpr const char *SCAN_PROGRAMS[] = {"scan_processes", SOCKET_SCAN, WALK_PROGRAM};
constexpr const char *OWN_PID_PROGRAM = "note_own_pid";

template <std::size_t N> bool is_one_of(const char *const (&programs)[N], const std::string &name)
{
    return std::find(std::begin(programs), std::end(programs), name) != std::end(programs);
}

} // namespace collector
