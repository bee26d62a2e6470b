/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Memory for the judgement of a cgroup by cgroup-rule.h, and what is kept of it. */
#ifndef COLLECTOR_CGROUP_ROW_H
#define COLLECTOR_CGROUP_ROW_H

enum { NAME_CAPACITY = 256 }; /* NAME_MAX and the terminating NUL */

struct cgroup_scratch {
    __u64 read[2];    /* the last reading: on the scarce stack each would have a place of its own */
    __u64 key;        /* of a lookup, for the same reason */
    __u64 at;         /* the cgroup looked at */
    __u64 digits;     /* container by the component just read */
    __u64 container;  /* the answer so far, 0 for none */
    __u64 bearer;     /* the cgroup with the answer's name */
    __u64 outermost;  /* the last container met on the way up */
    __u64 hierarchy;  /* of all these */
    __u32 is_scope;   /* 1: the bearer is a scope, so none above it matters */
    __u32 is_claimed; /* 1: another cgroup bears its name */
    __u32 is_nested;  /* 1: there is a container above it */
    __u32 length;     /* of name */
    __u32 scope;      /* where the last ".scope" of name starts, or NO_SCOPE */
    __u32 is_lent;    /* 1: somebody has borrowed this row */
    char name[NAME_CAPACITY + sizeof(__u64)]; /* words of it may be read from any place */
};

enum { NO_SCOPE = 0xffffffff };

/* A cgroup with a container's name. */
struct bearer {
    __u64 cgroup; /* its address */
    __u64 id;     /* of its kernfs node, never used twice */
};

#endif
