/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Memory for a growing process record, and the walks that write paths into it. */
#ifndef COLLECTOR_SCRATCH_H
#define COLLECTOR_SCRATCH_H

enum {
    LONGEST_NAME = 255,                 /* NAME_MAX */
    LONGEST_PART = 4096,                /* of a record: most bytes appended at once */
    CGROUP_DEPTH = CGROUP_CAPACITY / 2, /* components of at least a byte, with their '/' */
    /* Its square is how many steps a path has: components of at least two bytes in PATH_CAPACITY, and mount points. */
    PATH_STRIDE = 46,
};

_Static_assert(PATH_CAPACITY <= LONGEST_PART && ARGS_CAPACITY <= LONGEST_PART &&
                   CGROUP_CAPACITY <= LONGEST_PART,
               "a part must fit");

struct process_scratch {
    /* The walk. */
    __u64 dentry, mount;
    __u64 top;       /* of mount: its root */
    __u64 namespace; /* of mounts: the process's own */
    __u64 program;   /* the file, as program_of */
    __u64 cgroup;
    __u32 start; /* of the path in `path`, filled from its end */
    __u32 cut;   /* 1: components are missing at the start */
    /* The lineage. */
    __u64 ancestor;
    __u64 last_dentry, last_mount; /* executable of the ancestor before */
    __u64 container, cgroups;
    __u32 controller; /* as in struct naming */
    __u32 slot_of_container;
    /* The record. */
    __u32 used;
    char name[NAME_CAPACITY]; /* too much for the 512 bytes of stack shared by nested functions */
    char path[PATH_CAPACITY + NAME_CAPACITY + 8];
    char record[RECORD_CAPACITY + LONGEST_PART];
};

/* Rows: one a CPU for exec and exit, last one for scans. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct process_scratch);
} process_scratches SEC(".maps");

/* Stops the compiler from computing a checked value anew in a form whose bounds the verifier can't follow. */
#define keep_as_is(variable) asm volatile("" : "+r"(variable))

/* Puts '/' and a name of `length` bytes before the path so far. 1: no room. */
static __always_inline int prepend(struct process_scratch *s, const void *name, __u32 length)
{
    __u32 start = s->start;
    /* Most file systems have no longer names; one of FUSE's may. */
    if (length > LONGEST_NAME || start > PATH_CAPACITY || start < length + 1) {
        s->cut = 1;
        return 1;
    }
    length &= LONGEST_NAME;
    start = (start - length - 1) & (PATH_CAPACITY - 1);
    keep_as_is(start);
    s->path[start] = '/';
    bpf_probe_read_kernel(&s->path[start + 1], length, name);
    s->start = start;
    return 0;
}

/* The parent and the name (struct qstr) of a dentry, in the order in which they lie there. */
struct dentry_place {
    struct dentry *parent;
    __u32 hash;
    __u32 length;
    const unsigned char *text;
};

/* Reads both at once where they lie side by side: a read costs as much as the rest of a step. */
static __always_inline void read_place(struct dentry_place *place, struct dentry *dentry)
{
    __u32 parent = bpf_core_field_offset(struct dentry, d_parent);
    __u32 name = bpf_core_field_offset(struct dentry, d_name);
    if (parent + sizeof(place->parent) == name) {
        bpf_probe_read_kernel(place, sizeof(*place), (void *)dentry + parent);
        return;
    }
    bpf_probe_read_kernel(&place->parent, sizeof(place->parent), (void *)dentry + parent);
    bpf_probe_read_kernel(&place->hash, sizeof(*place) - sizeof(place->parent), (void *)dentry + name);
}

/*
 * Whether the topmost mount of a walk is a mount namespace's. All namespaces have copies of one and the same file
 * system at their top; a tree unmounted lazily, or never mounted (open_tree), has its own there.
 */
static __always_inline bool is_in_namespace(struct process_scratch *s, struct mount *top)
{
    struct mnt_namespace *own = (void *)s->namespace;
    if (!own || BPF_CORE_READ(top, mnt_ns) == own)
        return true;
    return BPF_CORE_READ(top, mnt.mnt_sb) == BPF_CORE_READ(own, root, mnt.mnt_sb);
}

/* Writes the kernel's mark of getcwd() before a path that leads to no root: such a path proves nothing. */
static __always_inline void mark_unreachable(struct process_scratch *s)
{
    const char mark[] = "(unreachable)";
    const __u32 length = sizeof(mark) - 1;
    __u32 start = s->start;
    if (start == PATH_CAPACITY)
        prepend(s, NULL, 0);
    start = s->start;
    if (start > PATH_CAPACITY || start < length) {
        s->cut = 1;
        return;
    }
    start = (start - length) & (PATH_CAPACITY - 1);
    keep_as_is(start);
    __builtin_memcpy(&s->path[start], mark, length);
    s->start = start;
}

/*
 * One step from a file towards the root of its mount namespace: 1 at the end. The root of the process is no stop: a
 * process chooses it by chroot().
 */
__noinline int path_step(__u32 slot)
{
    struct process_scratch *s = bpf_map_lookup_elem(&process_scratches, &slot);
    if (!s)
        return 1;
    if (s->dentry == s->top) {
        struct mount *mount = (void *)s->mount, *above = BPF_CORE_READ(mount, mnt_parent);
        if (!above || above == mount) {
            if (!is_in_namespace(s, mount))
                mark_unreachable(s);
            return 1;
        }
        s->dentry = (__u64)BPF_CORE_READ(mount, mnt_mountpoint);
        s->mount = (__u64)above;
        s->top = (__u64)BPF_CORE_READ(above, mnt.mnt_root);
        return 0;
    }
    struct dentry *dentry = (void *)s->dentry;
    struct dentry_place place = {};
    read_place(&place, dentry);
    if (place.parent == dentry) {
        char first = 0;
        bpf_probe_read_kernel(&first, 1, place.text);
        if (first == '/') {
            mark_unreachable(s); /* the file was moved out of the mounted part of its file system */
            return 1;
        }
    }
    if (prepend(s, place.text, place.length))
        return 1;
    s->dentry = (__u64)place.parent;
    return !place.parent || place.parent == dentry; /* a file without a folder, like a memfd */
}

/* Some steps: 1 at the end. The verifier sees two loops of a square root in less time than one loop. */
__noinline int path_stride(__u32 slot)
{
    for (int i = 0; i < PATH_STRIDE; i++)
        if (path_step(slot))
            return 1;
    return 0;
}

/* Writes the path from s->dentry, s->mount to the root of the mount namespace into s->path[s->start …]. */
__noinline int walk_path(__u32 slot)
{
    struct process_scratch *s = bpf_map_lookup_elem(&process_scratches, &slot);
    if (!s)
        return 1;
    s->start = PATH_CAPACITY;
    s->cut = 0;
    int i;
    for (i = 0; i < PATH_STRIDE; i++)
        if (path_stride(slot))
            break;
    if (i == PATH_STRIDE)
        s->cut = 1;
    if (s->start == PATH_CAPACITY)
        prepend(s, NULL, 0);
    return 0;
}

__noinline int cgroup_step(__u32 slot)
{
    struct process_scratch *s = bpf_map_lookup_elem(&process_scratches, &slot);
    if (!s || !s->cgroup)
        return 1;
    struct cgroup *cgroup = (void *)s->cgroup, *parent = cgroup_parent(cgroup);
    if (!parent)
        return 1;
    const char *name = BPF_CORE_READ(cgroup, kn, name);
    long length = bpf_probe_read_kernel_str(s->name, sizeof(s->name), name);
    if (length > 0 && prepend(s, s->name, length - 1))
        return 1;
    s->cgroup = (__u64)parent;
    return 0;
}

/* Writes the path of the cgroup at s->cgroup into s->path[s->start …]; the root's is "/". */
__noinline int walk_cgroup(__u32 slot)
{
    struct process_scratch *s = bpf_map_lookup_elem(&process_scratches, &slot);
    if (!s)
        return 1;
    s->start = PATH_CAPACITY;
    s->cut = 0;
    int i;
    for (i = 0; i < CGROUP_DEPTH; i++)
        if (cgroup_step(slot))
            break;
    if (i == CGROUP_DEPTH)
        s->cut = 1;
    if (s->start == PATH_CAPACITY)
        prepend(s, NULL, 0);
    return 0;
}

/* Appends bytes of the kernel's to the record: how many, 0 if they can't be read. */
static __always_inline __u32 append(struct process_scratch *s, const void *bytes, __u32 length)
{
    __u32 used = s->used;
    if (used > RECORD_CAPACITY || length > LONGEST_PART)
        return 0;
    if (bpf_probe_read_kernel(&s->record[used], length, bytes))
        return 0;
    s->used = used + length;
    return length;
}

/* Appends the end of the last walk's path, at most `capacity` bytes. */
static __always_inline __u32 append_path(struct process_scratch *s, __u32 capacity)
{
    __u32 start = s->start;
    if (start > PATH_CAPACITY)
        return 0;
    if (PATH_CAPACITY - start > capacity) {
        start = PATH_CAPACITY - capacity;
        s->cut = 1;
    }
    return append(s, &s->path[start], PATH_CAPACITY - start);
}

/* Fills with zeros up to the next multiple of 8. */
static __always_inline void align_record(struct process_scratch *s)
{
    static const __u64 zero = 0;
    __u32 padding = -s->used & 7;
    append(s, &zero, padding);
}

#endif
