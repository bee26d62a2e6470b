// SPDX-License-Identifier: GPL-2.0-only
// Paths of files and of cgroups.
#include <linux/cgroup.h>
#include <linux/dcache.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/kernfs.h>
#include <linux/string.h>

#include "collector.h"

// The end of a path, at most `capacity` bytes. Returns how many.
static u32 copy_end(char *to, const char *path, u32 length, u32 capacity, bool *is_cut)
{
    if (length > capacity) {
        *is_cut = true;
        path += length - capacity;
        length = capacity;
    }
    memcpy(to, path, length);
    return length;
}

static bool ends_in(const char *text, size_t length, const char *end)
{
    size_t tail = strlen(end);
    return length >= tail && !memcmp(text + length - tail, end, tail);
}

/*
 * Writes the path of a file, as the current process sees it: from its root, so a process in a chroot() hides all
 * above. The kernel exports no function going on to the root of the mount namespace. Returns the bytes.
 */
u32 write_path(struct file *file, char *to, u32 capacity, char *scratch, bool *is_cut)
{
    const char deleted[] = " (deleted)";
    const struct dentry *dentry = file->f_path.dentry;
    const char *path = d_path(&file->f_path, scratch, PATH_SCRATCH);
    size_t length;
    *is_cut = false;
    if (IS_ERR(path)) {
        // Longer than any path of a system call: the last four names.
        *is_cut = true;
        return copy_end(to, scratch, scnprintf(scratch, PATH_SCRATCH, "/%pD4", file), capacity, is_cut);
    }
    length = strlen(path);
    // The kernel's mark, not the name's own end.
    if ((d_unlinked(dentry) || (dentry->d_op && dentry->d_op->d_dname)) && ends_in(path, length, deleted))
        length -= strlen(deleted);
    return copy_end(to, path, length, capacity, is_cut);
}

/* Writes the end of a cgroup's path, at most CGROUP_CAPACITY bytes: "/" for the root. Returns the bytes. */
u32 write_cgroup_path(struct cgroup *cgroup, char *to, bool *is_cut)
{
    char name[NAME_MAX + 2]; // '/', a name and NUL
    u32 start = CGROUP_CAPACITY;
    struct cgroup *parent;
    *is_cut = cgroup != ancestor_to_judge(cgroup);
    for (cgroup = ancestor_to_judge(cgroup); (parent = cgroup_parent(cgroup)); cgroup = parent) {
        int length = read_component_name(cgroup, parent, name, sizeof(name));
        if (length <= 0 || length >= sizeof(name) || length > start) {
            *is_cut = true;
            break;
        }
        start -= length;
        memcpy(to + start, name, length);
    }
    if (start == CGROUP_CAPACITY)
        to[--start] = '/';
    memmove(to, to + start, CGROUP_CAPACITY - start);
    return CGROUP_CAPACITY - start;
}
