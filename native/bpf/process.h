/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Processes: exec, exit, and the scan of what runs. */
#ifndef COLLECTOR_PROCESS_H
#define COLLECTOR_PROCESS_H

enum {
    ANCESTRY_DEPTH = 64, /* ancestors looked at; those that run the same file as their child are not reported */
    THREADS_LOOKED_AT = 16, /* dead threads but the first are gone at once, so that one of the first lives */
};

/* The file that a task executes: the same open file for all its forks, another one after each exec. */
static __always_inline __u64 program_of(struct task_struct *task)
{
    struct mm_struct *mm = field(task, mm);
    __u64 program = 0;
    /* Read as a number, since the verifier lets nothing be done with a pointer of its own. */
    bpf_core_read(&program, sizeof(program), &mm->exe_file);
    return program;
}

/* A program as a number for records. */
static __always_inline __u64 image_of(__u64 program)
{
    return program ? number_for_records(program) : 0;
}

/* When a task was started, CLOCK_BOOTTIME in ns. */
static __always_inline __u64 start_of(struct task_struct *task)
{
    if (bpf_core_field_exists(task->start_boottime))
        return field(task, start_boottime);
    return BPF_CORE_READ((struct task_struct___4_18 *)task, real_start_time);
}

static __always_inline void fill_header(struct record_header *h, __u8 type, struct task_struct *task,
                                        __u64 container)
{
    h->type = type;
    h->flags = 0;
    h->pid = field(task, tgid);
    h->time = bpf_ktime_get_boot_ns();
    h->container = container;
}

/* Sets the walk to a task's executable; false if it has none (a kernel thread, or one that is ending). */
static __always_inline bool start_at_executable(struct process_scratch *s, struct task_struct *task)
{
    struct file *file = BPF_CORE_READ(task, mm, exe_file);
    if (!file)
        return false;
    s->program = (__u64)file;
    struct path executable = {};
    BPF_CORE_READ_INTO(&executable, file, f_path);
    s->dentry = (__u64)executable.dentry;
    s->mount = (__u64)((void *)executable.mnt - bpf_core_field_offset(struct mount, mnt));
    s->top = (__u64)BPF_CORE_READ(executable.mnt, mnt_root);
    s->namespace = (__u64)BPF_CORE_READ(task, nsproxy, mnt_ns);
    return true;
}

/*
 * A thread of a process that has its memory, 0 if none of the first THREADS_LOOKED_AT has. The first thread can end
 * before the others, and then has neither memory nor cgroup. Takes and gives addresses.
 */
__noinline __u64 living_thread(__u64 address)
{
    struct task_struct *leader = (void *)address;
    if (BPF_CORE_READ(leader, mm))
        return address;
    struct signal_struct *signal = BPF_CORE_READ(leader, signal);
    void *head = (void *)signal + bpf_core_field_offset(struct signal_struct, thread_head);
    void *node = BPF_CORE_READ(signal, thread_head.next);
    for (int i = 0; i < THREADS_LOOKED_AT; i++) {
        if (!node || node == head)
            return 0;
        struct task_struct *thread = node - bpf_core_field_offset(struct task_struct, thread_node);
        if (BPF_CORE_READ(thread, mm))
            return (__u64)thread;
        node = BPF_CORE_READ(thread, thread_node.next);
    }
    return 0;
}

/*
 * Whether an ancestor is in the process's container. Asked of the hierarchy that names that: whoever made a container
 * has put all of it into the same ones, and to ask all of them about an ancestor on the host took a quarter of an
 * exec's time.
 */
static __always_inline bool is_in_container(struct process_scratch *s, struct task_struct *task,
                                            struct css_set *cgroups)
{
    __u32 slot = s->slot_of_container, controller = s->controller;
    if (!s->container)
        return !container_at(task, slot);
    struct cgroup *cgroup = controller < SUBSYSTEMS ? cgroup_of_controller(cgroups, controller)
                                                    : BPF_CORE_READ(cgroups, dfl_cgrp);
    return container_of_cgroup(cgroup, slot) == s->container;
}

/* Goes to the next ancestor and appends it, unless it runs the same file as the one before: 1 at the end. */
__noinline int lineage_step(__u32 slot)
{
    struct process_scratch *s = bpf_map_lookup_elem(&process_scratches, &slot);
    if (!s)
        return 1;
    struct process_record *r = (void *)s->record;
    struct task_struct *child = (void *)s->ancestor, *leader = BPF_CORE_READ(child, real_parent, group_leader);
    if (!leader || !BPF_CORE_READ(leader, tgid))
        return 1;
    s->ancestor = (__u64)leader;
    struct task_struct *living = (void *)living_thread((__u64)leader), *task = living ? living : leader;
    /* Tasks whose cgroups are all the same share one set of them. */
    struct css_set *cgroups = BPF_CORE_READ(task, cgroups);
    if ((__u64)cgroups != s->cgroups && !is_in_container(s, task, cgroups))
        return 1;
    if (!start_at_executable(s, task))
        return 0;
    if (s->dentry == s->last_dentry && s->mount == s->last_mount)
        return 0;
    s->last_dentry = s->dentry;
    s->last_mount = s->mount;
    if (r->lineage_count == LINEAGE_CAPACITY) {
        r->header.flags |= FLAG_LINEAGE_CUT;
        return 1;
    }
    walk_path(slot);
    struct ancestor_record a = {
        .pid = BPF_CORE_READ(task, tgid),
        .uid = BPF_CORE_READ(task, real_cred, uid.val),
    };
    __u32 start = s->start;
    if (start > PATH_CAPACITY)
        return 1;
    a.path_size = PATH_CAPACITY - start;
    if (a.path_size > ANCESTOR_PATH_CAPACITY)
        a.path_size = ANCESTOR_PATH_CAPACITY;
    if (s->cut || PATH_CAPACITY - start > ANCESTOR_PATH_CAPACITY)
        a.flags = FLAG_PATH_CUT;
    append(s, &a, sizeof(a));
    append_path(s, ANCESTOR_PATH_CAPACITY);
    align_record(s);
    r->lineage_count++;
    return 0;
}

/*
 * Starts a process record in the scratch memory: all but the arguments, which each program reads in its own way.
 * False if there is nothing to report of the task.
 */
static __always_inline bool begin_process(struct process_scratch *s, __u32 slot, __u8 type,
                                          struct task_struct *task, __u64 container,
                                          const struct naming *named)
{
    struct process_record *r = (void *)s->record;
    struct task_struct *leader = field(task, group_leader);
    struct cgroup *cgroup = named->cgroup;
    __builtin_memset(r, 0, sizeof(*r));
    s->used = sizeof(*r);
    if (!start_at_executable(s, task))
        return false;
    s->last_dentry = s->last_mount = 0;
    s->ancestor = (__u64)leader;
    s->container = container;
    s->cgroups = (__u64)field(task, cgroups);
    s->cgroup = (__u64)cgroup;
    s->controller = named->controller;

    fill_header(&r->header, type, task, container);
    r->start_time = start_of(leader);
    r->cgroup = BPF_CORE_READ(cgroup, kn, id);
    r->tid = field(task, pid);
    r->ppid = field(leader, real_parent, tgid);
    r->exec_id = exec_id_of(task);
    r->outermost = outermost_of(container, named);
    /*
     * The other credentials, those in force, may be somebody else's for a moment: overlayfs works with those of a
     * mount.
     */
    r->uid = field(task, real_cred, uid.val);
    r->gid = field(task, real_cred, gid.val);
    copy_name(r->comm, task);
    r->image = image_of(s->program);

    walk_path(slot);
    r->path_size = append_path(s, PATH_CAPACITY);
    if (s->cut)
        r->header.flags |= FLAG_PATH_CUT;
    return true;
}

/* How many of the bytes of arguments are taken. */
static __always_inline __u32 cut_arguments(struct process_record *r, __u64 start, __u64 end)
{
    if (!start || end <= start)
        return 0;
    if (end - start > ARGS_CAPACITY) {
        r->header.flags |= FLAG_ARGS_CUT;
        return ARGS_CAPACITY;
    }
    return end - start;
}

/* The kernel takes no argument of more pages (MAX_ARG_STRLEN), and one page has room for all but a byte of a text's. */
enum { PAGES_OF_ARGUMENT = 34 };

/*
 * Where the current task's arguments start behind argv[0], which no message has: 0 if that can't be read. What is
 * read is thrown away.
 */
static __always_inline __u64 skip_name(struct process_scratch *s, __u64 start, __u64 end)
{
    for (int i = 0; i < PAGES_OF_ARGUMENT && start < end; i++) {
        long length = bpf_probe_read_user_str(s->path, PATH_CAPACITY, (const void *)start);
        if (length < 0)
            return 0;
        if (length < PATH_CAPACITY)
            return start + length;
        start += PATH_CAPACITY - 1;
    }
    return start;
}

static __always_inline void note_arguments(struct process_scratch *s, struct process_record *r, __u32 length,
                                           long error)
{
    if (error) {
        r->header.flags |= FLAG_ARGS_LOST;
        return;
    }
    r->args_size = length;
    s->used += length;
}

/* Cgroup path and lineage. The bytes of the record, 0 if it went wrong. */
static __always_inline __u32 finish_process(struct process_scratch *s, __u32 slot)
{
    struct process_record *r = (void *)s->record;
    walk_cgroup(slot);
    r->cgroup_size = append_path(s, CGROUP_CAPACITY);
    if (s->cut)
        r->header.flags |= FLAG_CGROUP_CUT;
    align_record(s);
    int ancestors;
    for (ancestors = 0; ancestors < ANCESTRY_DEPTH; ancestors++)
        if (lineage_step(slot))
            break;
    if (ancestors == ANCESTRY_DEPTH)
        r->header.flags |= FLAG_LINEAGE_CUT;
    __u32 size = s->used;
    if (size > RECORD_CAPACITY)
        return 0;
    r->header.size = size;
    return size;
}

/*
 * Host helpers: runc, crun and conmon pass through the container's cgroup. They start themselves anew, as
 * /proc/self/exe, …/fd/N, or by fexecve (which the kernel calls /dev/fd/N), and are moved into the cgroup before or
 * after that. Programs in containers do the same, busybox's shell for each of its commands, and may choose their name
 * and their parent. So a helper is told by where it has been: it came from outside, and has not run another image in
 * the container since.
 */
struct passage {
    __u64 start_time; /* of the process */
    __u64 container;  /* the one that it came into */
    __u32 exec_id;    /* its image then */
    __u32 is_host; /* 1: it came from the host, as a helper does; what comes from another container is none */
};

/* By thread group id. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 4096);
    __type(key, __u32);
    __type(value, struct passage);
} passages SEC(".maps");

/* What is known of a process's way, NULL if nothing. */
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
 * What started itself anew outside of containers, as program_of: all forks share that file, so that runc's last stage,
 * which is moved when it has been forked, is a helper too. The value is the file's dentry, in case that another file
 * is at the address later.
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

/* Whether a program is started by the name that helpers start themselves by. */
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

/* An exec in a container: that of a helper is its first there, by its name, and sees the same mounts as its parent. */
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
 * Whether a process that a scan found looks like a helper: one that was there before its passage could be seen, such as
 * `runc init` in a container that was created and not started. Its parent is outside; what it runs is a file that the
 * container does not have mounted, and that somebody opened who may make containers there (CAP_SYS_ADMIN). A
 * container that has this capability itself can look like that, so that user space takes it for a helper only if it
 * knows nothing of it.
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

/* bpf_probe_read_user() by a size of 64 bits: older verifiers lose the bounds of half a register when it is copied. */
static long (*read_user)(void *to, __u64 size, const void *from) = (void *)112;

/* Finishes and writes the record of a task; arguments are at hand if it is the current one. */
static __always_inline void emit_process(struct process_scratch *s, __u32 slot, struct task_struct *task,
                                         __u32 program)
{
    struct process_record *r = (void *)s->record;
    if (knobs.arguments && (__u32)field(task, tgid) != bpf_get_current_pid_tgid() >> 32) {
        note_arguments(s, r, 0, -1); /* of another process, whose memory is out of reach here */
    } else if (knobs.arguments) {
        __u64 end = field(task, mm, arg_end), start = skip_name(s, field(task, mm, arg_start), end);
        __u64 length = cut_arguments(r, start, end);
        __u32 used = s->used;
        keep_as_is(length); /* or the compiler goes back to half of it */
        if (!start)
            note_arguments(s, r, 0, -1);
        else if (length > 0 && length <= ARGS_CAPACITY && used <= RECORD_CAPACITY)
            note_arguments(s, r, length, read_user(&s->record[used], length, (const void *)start));
    }
    __u32 size = finish_process(s, slot);
    /* As late as can be: rings are merged by time, and a record is late while it is not written. */
    r->header.time = bpf_ktime_get_boot_ns();
    if (size && size <= RECORD_CAPACITY)
        emit(s->record, size, program);
    else
        count_failed(program);
}

TRACEPOINT("sched_process_exec")
int BPF_PROG(process_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
    if (is_self_check(task)) {
        emit_self_check(field(task, tgid), SELF_CHECK_EXEC, PROGRAM_EXEC);
        return 0;
    }
    __u32 slot = slot_of_process();
    struct naming named;
    __u64 container = container_of_task(task, slot, &named);
    if (!container && is_started_anew(bprm))
        note_helper(task);
    if ((!container && !knobs.all_scopes) || is_own(task))
        return 0;
    if (container && is_host_helper(task, bprm, container)) {
        count_skipped(PROGRAM_EXEC);
        return 0;
    }
    struct process_scratch *s = bpf_map_lookup_elem(&process_scratches, &slot);
    if (!s) {
        count_failed(PROGRAM_EXEC);
        return 0;
    }
    s->slot_of_container = slot;
    if (begin_process(s, slot, RECORD_EXEC, task, container, &named))
        emit_process(s, slot, task, PROGRAM_EXEC);
    else
        count_failed(PROGRAM_EXEC);
    return 0;
}

/*
 * A process was moved into a cgroup, by itself or by somebody else. It is told of when it comes into another container,
 * but only if it has run an image of its own: one that was only forked becomes what it is to be by an exec, which
 * tells. Moves within a container tell of what is known already, if anything.
 */
TRACEPOINT("cgroup_attach_task")
int BPF_PROG(process_move, struct cgroup *cgroup, const char *path, struct task_struct *task, bool is_process)
{
    __u32 slot = slot_of_process();
    struct naming named;
    __u64 container = container_of_task(task, slot, &named);
    if (!container || container == CONTAINER_UNJUDGED || is_own(task) || is_self_check(task))
        return 0;
    struct passage *before = passage_of(task);
    if (before && before->container == container)
        return 0;
    bool helps = is_helper(task), is_forked = exec_id_of(task) == parent_exec_id_of(task);
    note_passage(task, container, helps || (is_forked && !container_at(field(task, real_parent), slot)));
    if (helps)
        count_skipped(PROGRAM_EXEC);
    if (helps || is_forked)
        return 0;
    struct process_scratch *s = bpf_map_lookup_elem(&process_scratches, &slot);
    if (!s) {
        count_failed(PROGRAM_EXEC);
        return 0;
    }
    s->slot_of_container = slot;
    if (!begin_process(s, slot, RECORD_PROCESS, task, container, &named)) {
        count_failed(PROGRAM_EXEC);
        return 0;
    }
    struct process_record *r = (void *)s->record;
    r->header.flags |= FLAG_ARRIVED;
    emit_process(s, slot, task, PROGRAM_EXEC);
    return 0;
}

/*
 * A process may be put into another cgroup than its parent's when it is made (CLONE_INTO_CGROUP): no move tells of
 * that. Of all other forks this costs a comparison.
 */
TRACEPOINT("sched_process_fork")
int BPF_PROG(process_fork, struct task_struct *parent, struct task_struct *child)
{
    if (field(child, cgroups) == field(parent, cgroups) || field(child, pid) != field(child, tgid))
        return 0;
    __u32 slot = slot_of_process();
    struct naming named;
    __u64 container = container_of_task(child, slot, &named);
    if (!container || container == CONTAINER_UNJUDGED)
        return 0;
    __u64 from = container_at(field(child, real_parent), slot);
    if (from != container)
        note_passage(child, container, !from);
    return 0;
}

TRACEPOINT("sched_process_exit")
int BPF_PROG(process_exit, struct task_struct *task)
{
    /*
     * Two last threads that end at once may both read 0: an exit may come twice, and changes nothing the second time.
     */
    if (field(task, signal, live.counter) != 0)
        return 0;
    if (is_self_check(task)) {
        emit_self_check(field(task, tgid), SELF_CHECK_EXIT, PROGRAM_EXIT);
        return 0;
    }
    struct naming named;
    __u64 container = container_of_task(task, slot_of_process(), &named);
    if (!container && !knobs.all_scopes)
        return 0;
    if (is_own(task))
        return 0;
    struct exit_record r = {};
    fill_header(&r.header, RECORD_EXIT, task, container);
    r.header.size = sizeof(r);
    r.start_time = start_of(field(task, group_leader));
    /* Of the process: this is its last thread, which need not be the first one. */
    r.exit_code = field(task, signal, group_exit_code);
    if (!r.exit_code)
        r.exit_code = field(task, group_leader, exit_code);
    copy_name(r.comm, task);
    emit(&r, sizeof(r), PROGRAM_EXIT);
    return 0;
}

/* The number of a task in the pid namespace at a level, 0 if it has none there. */
static __always_inline __u32 number_at(struct task_struct *task, __u32 level)
{
    struct pid *pid = BPF_CORE_READ(task, thread_pid);
    if (level > BPF_CORE_READ(pid, level))
        return 0;
    struct upid *numbers = (void *)pid + bpf_core_field_offset(struct pid, numbers);
    struct upid *number = (void *)numbers + level * bpf_core_type_size(struct upid);
    return BPF_CORE_READ(number, nr);
}

/*
 * Lists running processes, those with arguments marked by FLAG_ARGS_LOST. It reads no memory of theirs: that can wait
 * for the process or its file system for ever, and Collector's loop waits for nobody.
 */
SEC("iter/task")
int scan_processes(struct bpf_iter__task *ctx)
{
    struct task_struct *task = ctx->task;
    __u32 slot = knobs.cpus, slot_of_container = slot_of_scan();
    if (!task || !task->mm || task->signal->live.counter == 0)
        return 0;
    if (task->pid != task->tgid) {
        /* By a helper, which gives an address and no pointer: those can't be passed on. */
        struct task_struct *leader = BPF_CORE_READ(task, group_leader);
        __u64 living = living_thread((__u64)leader);
        /*
         * If none of those looked at lives, dead ones that a tracer keeps are in the way: then each that lives will
         * do.
         */
        if (living && living != (__u64)task)
            return 0;
    }
    struct naming named;
    __u64 container = container_of_task(task, slot_of_container, &named);
    if ((!container && !knobs.all_scopes) || is_own(task) || is_self_check(task))
        return 0;
    if (container)
        note_net((__u64)BPF_CORE_READ(task, nsproxy, net_ns), container);
    struct process_scratch *s = bpf_map_lookup_elem(&process_scratches, &slot);
    if (!s)
        return 0;
    s->slot_of_container = slot_of_container;
    if (!begin_process(s, slot, RECORD_PROCESS, task, container, &named))
        return 0;
    struct process_record *r = (void *)s->record;
    __u32 level = current_level();
    r->scanner_pid = number_at(BPF_CORE_READ(task, group_leader), level);
    r->tid = number_at(task, level);
    if (container && looks_like_helper(task, container, slot_of_container)) {
        r->header.flags |= FLAG_HELPER;
        count_skipped(PROGRAM_EXEC);
    }
    if (knobs.arguments && task->mm->arg_end > task->mm->arg_start)
        r->header.flags |= FLAG_ARGS_LOST;
    __u32 size = finish_process(s, slot);
    if (size && size <= RECORD_CAPACITY)
        bpf_seq_write(ctx->meta->seq, s->record, size);
    return 0;
}

#endif
