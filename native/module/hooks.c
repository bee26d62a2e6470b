// SPDX-License-Identifier: GPL-2.0-only
// The probes on the kernel's tracepoints.
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/tracepoint.h>
#include <trace/events/cgroup.h>
#include <trace/events/sched.h>
#include <trace/events/sock.h>
#include <trace/events/tcp.h>

#include "collector.h"

static struct {
    const char *name;
    void *probe;
    struct tracepoint *at; // NULL: not hooked
} hooks[] = {
    // First, so no cgroup's end is missed once it is known.
    {"cgroup_rmdir", on_cgroup_rmdir},        {"cgroup_attach_task", on_move},
    {"sched_process_fork", on_fork},          {"sched_process_exec", on_exec},
    {"sched_process_exit", on_exit},          {"tcp_destroy_sock", on_socket_end},
    {"inet_sock_set_state", on_socket_state},
};

/*
 * Events told by the kernel with the lock of cgroup sets taken. While somebody traces them, they wait there for the
 * lock under which the probe of moves runs. A soft interrupt waits for the lock of cgroup sets on top of a task with
 * any other lock of the kernel's taken: so the probe must take none then.
 */
static const char *const locked_events[] = {"cgroup_notify_populated", "cgroup_notify_frozen"};
static struct tracepoint *locked[ARRAY_SIZE(locked_events)]; // NULL: the kernel has none

static bool is_hooked;

// Compiles only if the kernel calls the probes as they are declared.
static void __maybe_unused check_probes(void)
{
    check_trace_callback_type_cgroup_rmdir(on_cgroup_rmdir);
    check_trace_callback_type_cgroup_attach_task(on_move);
    check_trace_callback_type_sched_process_fork(on_fork);
    check_trace_callback_type_sched_process_exec(on_exec);
    check_trace_callback_type_sched_process_exit(on_exit);
    check_trace_callback_type_tcp_destroy_sock(on_socket_end);
    check_trace_callback_type_inet_sock_set_state(on_socket_state);
}

struct search {
    const char *name;
    struct tracepoint *found;
};

static void look_at(struct tracepoint *tracepoint, void *data)
{
    struct search *search = data;
    if (!strcmp(tracepoint->name, search->name))
        search->found = tracepoint;
}

// By their names: a module can't link to a tracepoint that is not exported.
static struct tracepoint *find_tracepoint(const char *name)
{
    struct search search = {.name = name};
    for_each_kernel_tracepoint(look_at, &search);
    return search.found;
}

bool has_hooks(void)
{
    return is_hooked;
}

bool are_locked_events_traced(void)
{
    u32 i;
    for (i = 0; i < ARRAY_SIZE(locked); i++)
        if (locked[i] && static_key_enabled(&locked[i]->key))
            return true;
    return false;
}

int attach_hooks(void)
{
    u32 i;
    for (i = 0; i < ARRAY_SIZE(locked); i++)
        locked[i] = find_tracepoint(locked_events[i]);
    for (i = 0; i < ARRAY_SIZE(hooks); i++) {
        struct tracepoint *tracepoint = find_tracepoint(hooks[i].name);
        int error = tracepoint ? tracepoint_probe_register(tracepoint, hooks[i].probe, NULL) : -ENOENT;
        if (error) {
            pr_err("collector: cannot hook the tracepoint %s: %d\n", hooks[i].name, error);
            detach_hooks();
            return error;
        }
        hooks[i].at = tracepoint;
    }
    is_hooked = true;
    return 0;
}

// No probe runs, or will, after it returns.
void detach_hooks(void)
{
    u32 i;
    for (i = 0; i < ARRAY_SIZE(hooks); i++) {
        if (!hooks[i].at)
            continue;
        // Some kernels need memory for it: what the probes use must not be freed before.
        while (tracepoint_probe_unregister(hooks[i].at, hooks[i].probe, NULL) == -ENOMEM)
            msleep(100);
        hooks[i].at = NULL;
    }
    is_hooked = false;
    tracepoint_synchronize_unregister();
}
