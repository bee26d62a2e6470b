/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Reads the names of cgroups, and the container in a name. */
#ifndef COLLECTOR_CGROUP_NAME_H
#define COLLECTOR_CGROUP_NAME_H

enum {
    ID_DIGITS = 64,
    SHORT_ID_DIGITS = 12,
};

/* Bounds an index to a name, for the verifier to see. */
#define IN_NAME(i) ((i) & (NAME_CAPACITY - 1))

/* A byte in all eight of a word. */
#define EIGHTFOLD(byte) ((byte)*0x0101010101010101ULL)

/*
 * Whether all bytes of a word are hexadecimal digits. Each comparison sets the highest bit of each byte; none carries
 * into the next, since the bytes have that bit clear (H. S. Warren, "Hacker's Delight", 2012, §6-1). Without
 * branches: the verifier would follow each of them.
 */
static __always_inline bool are_digits(__u64 word)
{
    __u64 high = EIGHTFOLD(0x80ULL), lower = word | EIGHTFOLD(0x20ULL);
    __u64 decimal = word + EIGHTFOLD(0x80ULL - '0') & ~(word + EIGHTFOLD(0x7fULL - '9'));
    __u64 letter = lower + EIGHTFOLD(0x80ULL - 'a') & ~(lower + EIGHTFOLD(0x7fULL - 'f'));
    return !(word & high) && ((decimal | letter) & high) == high;
}

/* The value of a hexadecimal digit. */
static __always_inline __u64 digit_value(__u8 digit)
{
    return (digit & 0xf) + (digit >> 6) * 9;
}

/* Eight bytes from any place, in one read: both architectures can, while memcpy() would become eight reads. */
static __always_inline __u64 word_at(const char *bytes)
{
    return *(const __u64 *)bytes;
}

static __always_inline bool ends_in_conmon(const char *name, __u32 end)
{
    const char suffix[] = "-conmon";
    const __u32 length = sizeof(suffix) - 1;
    if (end < length)
        return false;
    for (__u32 i = 0; i < length; i++)
        if (name[IN_NAME(end - length + i)] != suffix[i])
            return false;
    return true;
}

/* ".scope" in a word, whose bytes are little-endian on all machines that Collector runs on. */
#define SCOPE 0x65706f63732eULL
#define SCOPE_MASK 0xffffffffffffULL

/* Where the last ".scope" of the name starts, into s->scope. */
__noinline int find_scope(__u32 slot)
{
    struct cgroup_scratch *s = bpf_map_lookup_elem(&cgroup_scratches, &slot);
    if (!s)
        return 1;
    s->scope = NO_SCOPE;
    for (__u32 i = 0; i < NAME_CAPACITY - 6; i++) {
        __u64 word = word_at(&s->name[i]);
        if (!(word & 0xff))
            break;
        if ((word & SCOPE_MASK) == SCOPE)
            s->scope = i;
    }
    return 0;
}

/* Cuts the name at its scope. Its last 64 digits are a container then, into s->digits, 0 if there are none. */
__noinline int read_digits(__u32 slot)
{
    struct cgroup_scratch *s = bpf_map_lookup_elem(&cgroup_scratches, &slot);
    if (!s)
        return 1;
    s->digits = 0;
    if (s->scope != NO_SCOPE)
        s->length = s->scope;
    __u32 length = s->length;
    if (length < ID_DIGITS || length >= NAME_CAPACITY)
        return 0;
    __u32 start = length - ID_DIGITS;
#pragma clang loop unroll(disable) /* it would spill most of a hundred bytes onto the stack */
    for (__u32 i = 0; i < ID_DIGITS; i += sizeof(__u64))
        if (!are_digits(word_at(&s->name[IN_NAME(start + i)])))
            return 0;
    __u64 id = 0;
#pragma clang loop unroll(disable)
    for (__u32 i = 0; i < SHORT_ID_DIGITS; i++)
        id = id << 4 | digit_value(s->name[IN_NAME(start + i)]);
    if (start > 0) {
        char before = s->name[IN_NAME(start - 1)];
        if (before != '-' && before != ':')
            return 0;
        if (ends_in_conmon(s->name, start - 1))
            return 0;
    }
    s->digits = CONTAINER_PRESENT | id;
    return 0;
}

/* The cgroup around its own state (`self`), NULL for NULL. */
static __always_inline struct cgroup *cgroup_of_self(struct cgroup_subsys_state *css)
{
    return css ? (void *)css - bpf_core_field_offset(struct cgroup, self) : NULL;
}

static __always_inline struct cgroup *cgroup_parent(struct cgroup *cgroup)
{
    return cgroup_of_self(BPF_CORE_READ(cgroup, self.parent));
}

/* The same through the row. */
static __always_inline struct cgroup *parent_of(struct cgroup_scratch *s, struct cgroup *cgroup)
{
    bpf_core_read(&s->read[0], sizeof(s->read[0]), &cgroup->self.parent);
    return cgroup_of_self((void *)s->read[0]);
}

/* The kernfs node of a cgroup, an address. */
static __always_inline struct kernfs_node *node_of(struct cgroup_scratch *s, struct cgroup *cgroup)
{
    bpf_core_read(&s->read[0], sizeof(s->read[0]), &cgroup->kn);
    return (void *)s->read[0];
}

/* The number of the node. */
static __always_inline __u64 id_of(struct cgroup_scratch *s, struct cgroup *cgroup)
{
    bpf_core_read(&s->read[1], sizeof(s->read[1]), &node_of(s, cgroup)->id);
    return s->read[1];
}

/* Reads the name of a cgroup: its length, 0 if it can't be read. */
static __always_inline __u32 read_name(struct cgroup_scratch *s, struct cgroup *cgroup)
{
    bpf_core_read(&s->read[1], sizeof(s->read[1]), &node_of(s, cgroup)->name);
    long length = bpf_probe_read_kernel_str(s->name, NAME_CAPACITY, (const void *)s->read[1]);
    return length > 0 ? length - 1 : 0;
}

/*
 * A component of 64 digits alone has its '/' before it; before it stands the parent's name. Overwrites the name in
 * the row.
 */
static __always_inline bool is_below_conmon(struct cgroup_scratch *s)
{
    struct cgroup *parent = parent_of(s, (struct cgroup *)s->at);
    return parent && ends_in_conmon(s->name, read_name(s, parent));
}

#endif
