// SPDX-License-Identifier: GPL-2.0-only
// /proc/collector: see interface.h.
#include <linux/anon_inodes.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/random.h>
#include <linux/uaccess.h>

#include "collector.h"

_Static_assert(sizeof(COLLECTOR_VERSION) <= COLLECTOR_VERSION_CAPACITY, "the version has to fit");
_Static_assert(sizeof(struct control) <= 4096, "it has to fit a page");

struct knobs knobs;
struct control *control;

static DEFINE_MUTEX(mutex); // of all below, and of all that is made and freed
static bool is_open;
static bool is_started;

// User space changes values of it at any time.
static int map_control(struct file *file, struct vm_area_struct *area)
{
    if (area->vm_pgoff != 0 || area->vm_end - area->vm_start != PAGE_SIZE)
        return -EINVAL;
    change_mapping(area, VM_DONTEXPAND | VM_DONTDUMP, 0);
    return vm_insert_page(area, area->vm_start, file->private_data);
}

static int release_control(struct inode *inode, struct file *file)
{
    put_page(file->private_data);
    return 0;
}

static const struct file_operations control_operations = {
    .owner = THIS_MODULE,
    .mmap = map_control,
    .release = release_control,
    .llseek = noop_llseek,
};

static int open_control(void)
{
    struct page *page = virt_to_page(control);
    int fd;
    get_page(page);
    fd = anon_inode_getfd("collector-control", &control_operations, page, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        put_page(page);
    return fd;
}

// Takes all hooks away and frees everything, also a part of it.
static void stop(void)
{
    detach_hooks();
    free_sockets();
    free_helpers();
    free_records();
    free_containers();
    free_output();
    free_page((unsigned long)control);
    control = NULL;
    is_started = false;
}

static int make_all(const struct module_start *start)
{
    int error;
    control = (void *)get_zeroed_page(GFP_MAPPED);
    if (!control)
        return -ENOMEM;
    control->own_pid = task_tgid_nr(current);
    control->secret = get_random_u64();
    error = make_output(start);
    if (!error)
        error = make_containers();
    if (!error)
        error = make_records();
    if (!error)
        error = make_helpers();
    if (!error)
        error = make_sockets();
    return error;
}

static bool is_sound(const struct module_start *start)
{
    return start->rings >= 1 && start->rings <= nr_cpu_ids && start->knobs.cpus_per_ring >= 1 &&
           start->ring_bytes >= PAGE_SIZE && start->ring_bytes <= COLLECTOR_LARGEST_RING &&
           is_power_of_2(start->ring_bytes);
}

static int start(const void __user *from)
{
    struct module_start start;
    int error;
    if (is_started)
        return -EALREADY;
    if (copy_from_user(&start, from, sizeof(start)))
        return -EFAULT;
    if (!is_sound(&start))
        return -EINVAL;
    knobs = start.knobs;
    error = make_all(&start);
    if (error)
        stop();
    else
        is_started = true;
    return error;
}

static int tell_info(void __user *to)
{
    const struct module_info info = {
        .layout = LAYOUT_VERSION,
        .knobs_size = sizeof(struct knobs),
        .control_size = sizeof(struct control),
        .program_stats_size = sizeof(struct program_stats),
        .version = COLLECTOR_VERSION,
    };
    return copy_to_user(to, &info, sizeof(info)) ? -EFAULT : 0;
}

static int tell_stats(void __user *to)
{
    struct module_stats stats;
    read_stats(&stats);
    return copy_to_user(to, &stats, sizeof(stats)) ? -EFAULT : 0;
}

// Notes of an earlier attachment are of sockets and cgroups maybe gone since.
static int attach(void)
{
    if (has_hooks())
        return 0;
    clear_containers();
    clear_helpers();
    clear_sockets();
    return attach_hooks();
}

static int detach(void)
{
    detach_hooks();
    return 0;
}

static long answer(unsigned int command, unsigned long argument)
{
    void __user *pointer = (void __user *)argument;
    if (command == COLLECTOR_INFO)
        return tell_info(pointer);
    if (command == COLLECTOR_START)
        return start(pointer);
    if (!is_started)
        return -ENXIO;
    switch (command) {
    case COLLECTOR_RING:
        return open_ring(argument);
    case COLLECTOR_CONTROL:
        return open_control();
    case COLLECTOR_STATS:
        return tell_stats(pointer);
    case COLLECTOR_ATTACH:
        return attach();
    case COLLECTOR_DETACH:
        return detach();
    case COLLECTOR_LIVE:
        return has_hooks();
    }
    return -ENOTTY;
}

static long on_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
    long result = mutex_lock_killable(&mutex);
    if (result)
        return result;
    result = answer(command, argument);
    mutex_unlock(&mutex);
    return result;
}

/*
 * A removal of the module waits in proc_remove() for the calls under way, on_release() among them. procfs does not keep
 * the module while the file is open, so this does: a removal then fails (EWOULDBLOCK) and leaves the state to its
 * owner.
 */
static int on_open(struct inode *inode, struct file *file)
{
    int error = 0;
    if (!capable(CAP_SYS_ADMIN))
        return -EPERM;
    if (!try_module_get(THIS_MODULE))
        return -ENOENT;
    mutex_lock(&mutex);
    if (is_open)
        error = -EBUSY;
    else
        is_open = true;
    mutex_unlock(&mutex);
    if (error)
        module_put(THIS_MODULE);
    return error;
}

static int on_release(struct inode *inode, struct file *file)
{
    mutex_lock(&mutex);
    stop();
    is_open = false;
    mutex_unlock(&mutex);
    module_put(THIS_MODULE);
    return 0;
}

static const struct proc_ops operations = {
    .proc_open = on_open,
    .proc_release = on_release,
    .proc_ioctl = on_ioctl,
    .proc_lseek = noop_llseek,
};

static int set_layout(const char *value, const struct kernel_param *parameter)
{
    return -EPERM;
}

static int get_layout(char *buffer, const struct kernel_param *parameter)
{
    return scnprintf(buffer, PAGE_SIZE, "%d\n", LAYOUT_VERSION);
}

static const struct kernel_param_ops layout_operations = {.set = set_layout, .get = get_layout};
module_param_cb(layout, &layout_operations, NULL, 0444);
MODULE_PARM_DESC(layout, "version of the records (not to be set)");

static struct proc_dir_entry *entry;

static int __init insert(void)
{
    entry = proc_create(COLLECTOR_NAME, 0400, NULL, &operations);
    return entry ? 0 : -ENOMEM;
}

static void __exit remove(void)
{
    proc_remove(entry);
}

module_init(insert);
module_exit(remove);
MODULE_LICENSE("GPL");
MODULE_VERSION(COLLECTOR_VERSION);
MODULE_AUTHOR("Collector");
MODULE_DESCRIPTION("Collector: processes and TCP connections of containers");
