/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Reads the names of cgroups. */
#ifndef COLLECTOR_CGROUP_NAME_H
#define COLLECTOR_CGROUP_NAME_H

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

#endif
