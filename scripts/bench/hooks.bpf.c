// SPDX-License-Identifier: Apache-2.0
// Empty programs for scripts/hooks.ts, sixteen of each, since the price of one hook is below a machine's noise.
// -DTRACEPOINTS: on tracepoints, as Collector's are; -DFUNCTIONS: on functions beside them (fentry); -DPATHS: one call
// of bpf_d_path() at an exec, refused by kernels.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define ONE(hook, name)                                                                                      \
    SEC(hook) int name(void *ctx)                                                                            \
    {                                                                                                        \
        return 0;                                                                                            \
    }
#define FOUR(hook, name) ONE(hook, name##0) ONE(hook, name##1) ONE(hook, name##2) ONE(hook, name##3)
#define SIXTEEN(hook, name) FOUR(hook, name##0) FOUR(hook, name##1) FOUR(hook, name##2) FOUR(hook, name##3)

#ifdef TRACEPOINTS
SIXTEEN("tp_btf/inet_sock_set_state", state)
SIXTEEN("tp_btf/sched_process_exec", exec)
SIXTEEN("tp_btf/sched_process_exit", exit)
#endif

// The two functions that the tracepoint on TCP states lies in, and those called next to the ones on processes.
#ifdef FUNCTIONS
SIXTEEN("fentry/inet_sk_state_store", store)
SIXTEEN("fentry/inet_sk_set_state", set)
SIXTEEN("fentry/proc_exec_connector", exec)
SIXTEEN("fentry/proc_exit_connector", exit)
#endif

#ifdef PATHS
struct path {
    void *mnt;
} __attribute__((preserve_access_index));
struct file {
    struct path f_path;
} __attribute__((preserve_access_index));
struct linux_binprm {
    struct file *file;
} __attribute__((preserve_access_index));

SEC("tp_btf/sched_process_exec") int path(unsigned long long *ctx)
{
    struct linux_binprm *binprm = (void *)ctx[2];
    static char text[256];
    return bpf_d_path(&binprm->file->f_path, text, sizeof(text));
}
#endif

char terms[] SEC("license") = "GPL";
