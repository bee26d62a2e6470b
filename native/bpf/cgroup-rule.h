/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * The rule of container.h, shared by the BPF programs and the kernel module (native/module/container.c).
 *
 * Each declares before this header: row_t, and row_at() for the memory of a judgement; id_of(), read_name() and
 * parent_of(), which read a cgroup; has_other_bearer() and has_other_nested_bearer(), keep_bearer(),
 * keep_nested_bearer(), drop_nested_bearer() and begin_generation(), which keep bearers. Loops are functions of their
 * own for BPF's verifier, which sees each of them once.
 */
#ifndef COLLECTOR_CGROUP_RULE_H
#define COLLECTOR_CGROUP_RULE_H

enum {
    CGROUP_STRIDE =
        256, /* its square is how deep a cgroup may be: beyond, the kernel's own tables take 16 GiB */
    ANY_HIERARCHY = 0x7f, /* no hierarchy has this number: of the latest bearer below no container */
};

/*
 * The container of a cgroup in one number, since global functions return no more: the container, 0 for none; this bit
 * if the cgroup's own name says so, and not the name of one above it; above it, the hierarchy it was found by
 * (CONTROLLER_SHIFT).
 */
#define CONTAINER_OWN (1ULL << 49)
#define CONTAINER_NESTED (1ULL << 50)
#define CONTAINER_MASK (CONTAINER_OWN - 1)
enum { CONTROLLER_SHIFT = 56 };

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
    __u64 decimal = (word + EIGHTFOLD(0x80ULL - '0')) & ~(word + EIGHTFOLD(0x7fULL - '9'));
    __u64 letter = (lower + EIGHTFOLD(0x80ULL - 'a')) & ~(lower + EIGHTFOLD(0x7fULL - 'f'));
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
__noinline int find_scope(row_t row)
{
    struct cgroup_scratch *s = row_at(row);
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
__noinline int read_digits(row_t row)
{
    struct cgroup_scratch *s = row_at(row);
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

/*
 * A component of 64 digits alone has its '/' before it; before it stands the parent's name. Overwrites the name in
 * the row.
 */
static __always_inline bool is_below_conmon(struct cgroup_scratch *s)
{
    struct cgroup *parent = parent_of(s, (struct cgroup *)s->at);
    return parent && ends_in_conmon(s->name, read_name(s, parent));
}

/* Makes the component just read, s->at, the answer. */
static __always_inline void take_answer(struct cgroup_scratch *s)
{
    __u64 id = id_of(s, (struct cgroup *)s->at);
    s->key = s->digits ^ s->hierarchy << 56;
    s->container = s->digits;
    s->bearer = s->at;
    s->is_scope = s->scope != NO_SCOPE;
    s->is_nested = 0;
    s->is_claimed = has_other_bearer(s, id) || has_other_nested_bearer(s, id);
    if (s->is_claimed || !knobs.cgroup_v1)
        return;
    s->key = s->digits ^ (__u64)ANY_HIERARCHY << 56;
    s->is_claimed = has_other_bearer(s, id);
}

/* Reads the name of s->at: 1 above the root. */
__noinline int read_component(row_t row)
{
    struct cgroup_scratch *s = row_at(row);
    if (!s || !s->at)
        return 1;
    s->length = read_name(s, (struct cgroup *)s->at);
    return 0;
}

/* Judges the component just read, and goes up. */
__noinline int judge_component(row_t row)
{
    struct cgroup_scratch *s = row_at(row);
    if (!s)
        return 1;
    if (s->digits && s->length == ID_DIGITS && is_below_conmon(s))
        s->digits = 0;
    /* The last scope cuts off all below it. */
    if (s->scope != NO_SCOPE && !s->is_scope)
        s->container = 0;
    if (s->digits) {
        s->outermost = s->digits;
        /* With a container above it, a name that another cgroup bears is forged: the answer is the container above. */
        if (!s->container || s->is_claimed)
            take_answer(s);
        else
            s->is_nested = 1;
    }
    s->at = (__u64)parent_of(s, (struct cgroup *)s->at);
    return 0;
}

/*
 * Goes some levels up: 1 above the root. Global functions are verified once and by themselves, so loops with calls of
 * them are cheap on every kernel, two nested as well as one. No more than eight calls may be nested.
 */
__noinline int judge_stride(row_t row)
{
    for (int i = 0; i < CGROUP_STRIDE; i++) {
        if (read_component(row))
            return 1;
        find_scope(row);
        read_digits(row);
        judge_component(row);
    }
    return 0;
}

/* Notes the bearer of the answer's name, for later cgroups. */
static __always_inline void note_bearer(struct cgroup_scratch *s)
{
    s->key = s->container ^ s->hierarchy << 56;
    struct bearer bearer = {.cgroup = s->bearer, .id = id_of(s, (struct cgroup *)s->bearer)};
    if (s->is_nested) {
        keep_nested_bearer(&s->key, &bearer);
        return;
    }
    keep_bearer(&s->key, &bearer);
    /* Somebody below a container was taken for this one: all verdicts are given anew. */
    if (s->is_claimed && drop_nested_bearer(&s->key))
        begin_generation(&s->container);
    if (!knobs.cgroup_v1)
        return;
    s->key = s->container ^ (__u64)ANY_HIERARCHY << 56;
    keep_bearer(&s->key, &bearer);
}

/* Judges a cgroup, given by its address, in a hierarchy: puts the container of its path into the row. */
__noinline int judge_cgroup(__u64 cgroup, __u32 hierarchy, row_t row)
{
    struct cgroup_scratch *s = row_at(row);
    if (!s)
        return 1;
    s->at = cgroup;
    s->hierarchy = hierarchy;
    s->container = 0;
    s->bearer = 0;
    s->outermost = 0;
    s->is_scope = 0;
    s->is_claimed = 0;
    for (int i = 0; i < CGROUP_STRIDE; i++)
        if (judge_stride(row))
            break;
    if (s->container)
        note_bearer(s);
    return 0;
}

/* The verdict on the cgroup at which a walk began that has found a container. */
static __always_inline __u64 verdict_in(const struct cgroup_scratch *s, __u64 cgroup)
{
    return s->container | (s->bearer == cgroup ? CONTAINER_OWN : 0) | (s->is_nested ? CONTAINER_NESTED : 0);
}

#endif
