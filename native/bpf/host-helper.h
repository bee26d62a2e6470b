/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Host helpers: runc, crun and conmon pass through the container's cgroup. They start themselves anew, as
 * /proc/self/exe, …/fd/N, or by fexecve (/dev/fd/N for the kernel), and are moved into the cgroup before or after
 * that. Programs in containers do the same, busybox's shell for each of its commands, and may choose their name and
 * their parent. So a helper is told by its way: it came from outside, and has not run another image in the container
 * since.
 */
#ifndef COLLECTOR_HOST_HELPER_H
#define COLLECTOR_HOST_HELPER_H

struct passage {
    __u64 start_time; /* of the process */
    __u64 container;  /* the one it came into */
    __u32 exec_id;    /* its image then */
    __u32 is_host;    /* 1: it came from the host, like helpers; one from another container is no helper */
};

/* By thread group id. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 4096);
    __type(key, __u32);
    __type(value, struct passage);
} passages SEC(".maps");

/* The known passage of a process, NULL if there is none. */
static __always_inline struct passage *passage_of(struct task_struct *task)
{
    __u32 pid = field(task, tgid);
    struct passage *p = bpf_map_lookup_elem(&passages, &pid);
    return p && p->start_time == start_of(field(task, group_leader)) ? p : NULL;
}

static __always_inline void note_passage(struct task_struct *task, __u64 container, bool is_host)
{
    __u32 pid = field(task, tgid);
    struct passage p = {
        .start_time = start_of(field(task, group_leader)),
        .container = container,
        .exec_id = exec_id_of(task),
        .is_host = is_host,
    };
    bpf_map_update_elem(&passages, &pid, &p, BPF_ANY);
}

/*
 * Programs that started themselves anew outside of containers, as program_of. All forks share the file, so runc's
 * last stage, moved after its fork, is a helper too. The value is the file's dentry, in case another file is at the
 * address later.
 */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 1024);
    __type(key, __u64);
    __type(value, __u64);
} helpers SEC(".maps");

static __always_inline __u64 dentry_of(__u64 program)
{
    return (__u64)BPF_CORE_READ((struct file *)program, f_path.dentry);
}

static __always_inline void note_helper(struct task_struct *task)
{
    __u64 program = program_of(task), dentry = dentry_of(program);
    bpf_map_update_elem(&helpers, &program, &dentry, BPF_ANY);
}

static __always_inline bool is_helper(struct task_struct *task)
{
    __u64 program = program_of(task);
    __u64 *dentry = bpf_map_lookup_elem(&helpers, &program);
    return dentry && *dentry == dentry_of(program);
}

/* Whether a program is started by a name that helpers start themselves by. */
static __always_inline bool is_started_anew(struct linux_binprm *bprm)
{
    const char by_link[] = "/proc/self/", by_descriptor[] = "/dev/fd/";
    char name[sizeof(by_link)] = {};
    bpf_probe_read_kernel_str(name, sizeof(name), field(bprm, filename));
    bool is_link = true, is_descriptor = true;
    for (__u32 i = 0; i < sizeof(by_link) - 1; i++) {
        is_link &= name[i] == by_link[i];
        if (i < sizeof(by_descriptor) - 1)
            is_descriptor &= name[i] == by_descriptor[i];
    }
    return is_link || is_descriptor;
}

/* An exec in a container: a helper's is its first there, by its name, and sees the same mounts as its parent. */
static __always_inline bool is_host_helper(struct task_struct *task, struct linux_binprm *bprm,
                                           __u64 container)
{
    if (!is_started_anew(bprm))
        return false;
    struct passage *p = passage_of(task);
    return p && p->is_host && p->container == container && p->exec_id + 1 == exec_id_of(task) &&
           BPF_CORE_READ(task, real_parent, nsproxy, mnt_ns) == BPF_CORE_READ(task, nsproxy, mnt_ns);
}

/*
 * Whether a scanned process looks like a helper: one older than the programs, its passage unseen, like `runc init` in
 * a container that was created and not started. Its parent is outside. The container does not have its file mounted,
 * and its opener may make containers there (CAP_SYS_ADMIN). A container with this capability can imitate all this, so
 * user space takes the process for a helper only if it knows nothing of it.
 */
static __always_inline bool looks_like_helper(struct task_struct *task, __u64 container, __u32 slot)
{
    struct task_struct *parent = BPF_CORE_READ(task, real_parent);
    struct file *file = BPF_CORE_READ(task, mm, exe_file);
    struct vfsmount *mounted = BPF_CORE_READ(file, f_path.mnt);
    struct mount *mount = (void *)mounted - bpf_core_field_offset(struct mount, mnt);
    __u64 namespace = (__u64)BPF_CORE_READ(mount, mnt_ns);
    bool is_nowhere = !namespace || namespace >= (__u64)-MAX_ERRNO;
    if (!is_nowhere && (namespace == (__u64)BPF_CORE_READ(task, nsproxy, mnt_ns) ||
                        namespace != (__u64)BPF_CORE_READ(parent, nsproxy, mnt_ns)))
        return false;
    const struct cred *opener = BPF_CORE_READ(file, f_cred);
    __u64 capabilities = 0; /* two words before 6.3, with the same bits */
    bpf_probe_read_kernel(&capabilities, sizeof(capabilities),
                          (void *)opener + bpf_core_field_offset(struct cred, cap_effective));
    return capabilities & 1ULL << CAP_SYS_ADMIN && BPF_CORE_READ(opener, user_ns, level) == 0 &&
           BPF_CORE_READ(parent, real_cred, user_ns, level) == 0 && container_at(parent, slot) != container;
}

#endif
