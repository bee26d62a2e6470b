/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * The kernel's types, cut down to the fields in use. Offsets written here mean nothing: preserve_access_index lets
 * libbpf put in those of the running kernel. Kept by hand, so the repository needs no generated vmlinux.h.
 */
#ifndef COLLECTOR_KERNEL_H
#define COLLECTOR_KERNEL_H

typedef signed char __s8;
typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef _Bool bool;
enum { false = 0, true = 1 };

#define NULL ((void *)0)

/* Constants of the BPF interface, from include/uapi/linux/bpf.h. */
enum {
    BPF_MAP_TYPE_HASH = 1,
    BPF_MAP_TYPE_ARRAY = 2,
    BPF_MAP_TYPE_PERCPU_ARRAY = 6,
    BPF_MAP_TYPE_LRU_HASH = 9,
    BPF_MAP_TYPE_ARRAY_OF_MAPS = 12,
    BPF_MAP_TYPE_SK_STORAGE = 24,
    BPF_MAP_TYPE_RINGBUF = 27,
};
enum {
    BPF_ANY = 0,
    BPF_NOEXIST = 1,
    BPF_F_NO_PREALLOC = 1 << 0,
    BPF_F_CLONE = 1 << 9,
};
enum { BPF_SK_STORAGE_GET_F_CREATE = 1 << 0 };
enum { BPF_RB_NO_WAKEUP = 1 << 0 };
/* Questions to bpf_ringbuf_query. */
enum { BPF_RB_AVAIL_DATA = 0, BPF_RB_RING_SIZE = 1, BPF_RB_CONS_POS = 2, BPF_RB_PROD_POS = 3 };

/* From include/net/tcp_states.h and include/linux/socket.h. */
enum {
    TCP_ESTABLISHED = 1,
    TCP_SYN_SENT = 2,
    TCP_SYN_RECV = 3,
    TCP_FIN_WAIT1 = 4,
    TCP_FIN_WAIT2 = 5,
    TCP_CLOSE = 7,
    TCP_CLOSE_WAIT = 8,
    TCP_LAST_ACK = 9,
    TCP_LISTEN = 10,
    TCP_CLOSING = 11,
};
/* From include/uapi/linux/capability.h. */
enum { CAP_SYS_ADMIN = 21 };
/* The largest errno in a pointer, from include/linux/err.h. */
enum { MAX_ERRNO = 4095 };
/* Flag of a cgroup_subsys_state, from include/linux/cgroup-defs.h: of a cgroup's own, until it is removed. */
enum { CSS_ONLINE = 1 << 1 };
enum { AF_INET = 2, AF_INET6 = 10 };
enum { IPPROTO_TCP = 6, IPPROTO_UDP = 17, IPPROTO_MPTCP = 262 };

/* The contexts of programs on cgroups, from include/uapi/linux/bpf.h: laid out the same on every kernel. */
struct bpf_sock {
    __u32 bound_dev_if;
    __u32 family;
    __u32 type;
    __u32 protocol;
    __u32 mark;
    __u32 priority;
    __u32 src_ip4; /* network byte order, as all but src_port */
    __u32 src_ip6[4];
    __u32 src_port;
    __be16 dst_port;
    __u16 : 16;
    __u32 dst_ip4;
    __u32 dst_ip6[4];
    __u32 state;
};

struct bpf_sock_addr {
    __u32 user_family;
    __u32 user_ip4;
    __u32 user_ip6[4];
    __u32 user_port;
    __u32 family;
    __u32 type;
    __u32 protocol;
    __u32 msg_src_ip4;
    __u32 msg_src_ip6[4];
    struct bpf_sock *sk __attribute__((aligned(8)));
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct list_head {
    struct list_head *next;
};

typedef struct {
    int counter;
} atomic_t;

typedef struct {
    unsigned int val;
} kuid_t;

typedef struct {
    unsigned int val;
} kgid_t;

struct qstr {
    __u32 len;
    const unsigned char *name;
};

struct dentry {
    struct dentry *d_parent;
    struct qstr d_name;
};

struct super_block;

struct vfsmount {
    struct dentry *mnt_root;
    struct super_block *mnt_sb;
};

struct mount {
    struct mount *mnt_parent;
    struct dentry *mnt_mountpoint;
    struct vfsmount mnt;
    struct mnt_namespace *mnt_ns;
};

struct mnt_namespace {
    struct mount *root;
};

struct path {
    struct vfsmount *mnt;
    struct dentry *dentry;
};

struct inode {
    unsigned short i_mode;
};

struct file {
    const struct cred *f_cred; /* of the opener */
    struct path f_path;
    struct inode *f_inode;
    void *private_data;
};

struct mm_struct {
    unsigned long arg_start;
    unsigned long arg_end;
    struct file *exe_file;
};

struct user_namespace {
    int level; /* 0: the initial one */
};

typedef struct {
    __u64 val; /* before 6.3 in two words */
} kernel_cap_t;

struct cred {
    kuid_t uid;
    kgid_t gid;
    kernel_cap_t cap_effective;
    struct user_namespace *user_ns;
};

struct signal_struct {
    atomic_t live;
    struct list_head thread_head;
    int group_exit_code;
};

struct kernfs_node {
    const char *name;
    __u64 id;
};

struct cgroup;

struct cgroup_subsys_state {
    struct cgroup *cgroup;
    struct cgroup_subsys_state *parent;
    unsigned int flags;
};

struct cgroup_root {
    int hierarchy_id;
};

struct cgroup {
    struct cgroup_subsys_state self;
    int level;
    struct kernfs_node *kn;
    struct cgroup_root *root;
};

struct css_set {
    struct cgroup_subsys_state *subsys[16];
    struct cgroup *dfl_cgrp;
};

struct upid {
    int nr;
};

/* A number for each pid namespace, from the initial one to the process's own, at its level. */
struct pid {
    unsigned int level;
    struct upid numbers[1];
};

struct task_struct {
    int pid;
    int tgid;
    unsigned int flags;
    int exit_code;
    __u64 start_boottime;
    struct task_struct *real_parent;
    struct task_struct *group_leader;
    struct list_head thread_node;
    struct pid *thread_pid;
    struct mm_struct *mm;
    const struct cred *real_cred;
    struct nsproxy *nsproxy;
    struct signal_struct *signal;
    struct css_set *cgroups;
    __u32 self_exec_id; /* of 64 bits since 5.7: the lower half; so the other */
    __u32 parent_exec_id;
    char comm[16];
};

/* Before 5.5, and in Red Hat's 4.18, the field has another name. */
struct task_struct___4_18 {
    __u64 real_start_time;
};

/* The place of later fields in Red Hat's 4.18. */
struct task_struct_rh {
    __u32 self_exec_id;
    __u32 parent_exec_id;
};

struct task_struct___rh {
    struct task_struct_rh *task_struct_rh;
};

struct net;

struct nsproxy {
    struct mnt_namespace *mnt_ns;
    struct net *net_ns;
};

struct linux_binprm {
    const char *filename;
};

struct in6_addr {
    union {
        __u8 u6_addr8[16];
        __be32 u6_addr32[4];
    } in6_u;
};

struct hlist_nulls_node {
    struct hlist_nulls_node *next;
};

struct hlist_nulls_head {
    struct hlist_nulls_node *first;
};

struct inet_ehash_bucket {
    struct hlist_nulls_head chain;
};

struct inet_listen_hashbucket {
    struct hlist_nulls_head nulls_head;
};

struct inet_hashinfo {
    struct inet_ehash_bucket *ehash;
    unsigned int ehash_mask;
    unsigned int lhash2_mask;
    struct inet_listen_hashbucket *lhash2;
};

struct inet_timewait_death_row {
    struct inet_hashinfo *hashinfo;
};

struct netns_ipv4 {
    struct inet_timewait_death_row tcp_death_row;
    struct udp_table *udp_table; /* Linux 6.2 */
};

/* 5.18 to 6.0. */
struct netns_ipv4___5_18 {
    struct inet_timewait_death_row *tcp_death_row;
};

struct udp_mib {
    unsigned long mibs[1];
};

struct netns_mib {
    struct udp_mib *udp_statistics; /* a copy for each CPU, as udp_stats_in6 */
    struct udp_mib *udp_stats_in6;
};

struct net {
    struct netns_mib mib;
    struct netns_ipv4 ipv4;
};

typedef struct {
    struct net *net;
} possible_net_t;

struct bpf_array {
    void *pptrs[1];
};

/* Its other values are in libbpf's headers, as numbers. */
enum bpf_func_id {
    BPF_FUNC_map_lookup_percpu_elem = 195,
};

struct sock_cgroup_data {
    struct cgroup *cgroup;
};

struct hlist_node {
    struct hlist_node *next;
};

struct hlist_head {
    struct hlist_node *first;
};

struct udp_hslot {
    struct hlist_head head;
};

struct udp_table {
    struct udp_hslot *hash;
    unsigned int mask;
};

struct proto {
    union {
        struct udp_table *udp_table;
    } h;
};

struct sock_common {
    __be32 skc_daddr;
    __be32 skc_rcv_saddr;
    __be16 skc_dport;
    __u16 skc_num;
    unsigned short skc_family;
    volatile unsigned char skc_state;
    struct proto *skc_prot;
    possible_net_t skc_net;
    struct hlist_nulls_node skc_nulls_node;
    struct in6_addr skc_v6_daddr;
    struct in6_addr skc_v6_rcv_saddr;
    struct {
        __s64 counter;
    } skc_cookie;
    int skc_incoming_cpu;
};

struct bpf_local_storage_map;

struct bpf_local_storage_data {
    struct bpf_local_storage_map *smap;
    __u8 data[0];
};

struct bpf_local_storage_elem {
    struct hlist_node snode;
    struct bpf_local_storage_data sdata;
};

struct bpf_local_storage {
    struct hlist_head list;
};

struct sock {
    struct sock_common __sk_common;
    struct {
        atomic_t rmem_alloc;
    } sk_backlog;
    __u32 sk_txhash;
    __u16 sk_protocol;
    __u16 sk_type;
    __u8 sk_userlocks; /* before 5.17 half a byte */
    struct sock_cgroup_data sk_cgrp_data;
    struct bpf_local_storage *sk_bpf_storage;
};

struct udp_sock {
    __u8 encap_type;
};

struct inet_sock {
    __be16 inet_sport;
};

struct inet_bind_bucket {
    signed char fastreuse;
};

struct inet_connection_sock {
    struct inet_bind_bucket *icsk_bind_hash;
};

struct mptcp_sock {
    struct sock *first;
};

struct socket {
    struct sock *sk;
};

struct seq_file;

struct bpf_iter_meta {
    struct seq_file *seq;
};

struct bpf_iter__task {
    struct bpf_iter_meta *meta;
    struct task_struct *task;
};

struct bpf_iter__task_file {
    struct bpf_iter_meta *meta;
    struct task_struct *task;
    __u32 fd;
    struct file *file;
};

#pragma clang attribute pop

#endif
