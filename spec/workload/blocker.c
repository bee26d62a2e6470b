/*
 * A process with its memory locked: it waits in mmap() for a file system that does not answer, and holds the lock of
 * its memory meanwhile, so that nobody can read its arguments.
 *
 *   blocker FOLDER [ARGUMENTS…]     mounts the file system there, in a mount namespace of its own; says "maps"
 *
 * The file system is FUSE's, served by a child. It answers all but writes: a mapping that goes round the page cache
 * first writes the page that another mapping has changed, and waits for that.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PAGE = 4096, FILE_NODE = 2 };

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void answer(int device, const struct fuse_in_header *request, int error, void *data, size_t size)
{
    struct fuse_out_header header = {
        .len = (__u32)(sizeof(header) + size), .error = error, .unique = request->unique};
    struct iovec parts[] = {{&header, sizeof(header)}, {data, size}};
    if (writev(device, parts, size ? 2 : 1) < 0 && errno != ENOENT)
        fail("answer");
}

static struct fuse_attr attributes(__u64 node)
{
    bool is_file = node == FILE_NODE;
    return (struct fuse_attr){.ino = node,
                              .size = is_file ? PAGE : 0,
                              .mode = is_file ? S_IFREG | 0600 : S_IFDIR | 0700,
                              .nlink = 1,
                              .blksize = PAGE};
}

static void serve(int device)
{
    static char request_bytes[1 << 20];
    static char zeros[PAGE];
    int opens = 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (read(device, request_bytes, sizeof(request_bytes)) > 0) {
        struct fuse_in_header *request = (void *)request_bytes;
        struct fuse_init_out init = {.major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = PAGE};
        struct fuse_entry_out entry = {
            .nodeid = FILE_NODE, .entry_valid = 1000, .attr_valid = 1000, .attr = attributes(FILE_NODE)};
        struct fuse_attr_out shown = {.attr_valid = 1000, .attr = attributes(request->nodeid)};
        struct fuse_open_out opened = {.fh = 1};
        switch (request->opcode) {
        case FUSE_INIT:
            answer(device, request, 0, &init, sizeof(init));
            break;
        case FUSE_LOOKUP:
            answer(device, request, 0, &entry, sizeof(entry));
            break;
        case FUSE_GETATTR:
            answer(device, request, 0, &shown, sizeof(shown));
            break;
        case FUSE_OPEN:
            opened.open_flags = opens++ ? FOPEN_DIRECT_IO | FOPEN_KEEP_CACHE : 0;
            answer(device, request, 0, &opened, sizeof(opened));
            break;
        case FUSE_READ:
            answer(device, request, 0, zeros, sizeof(zeros));
            break;
        case FUSE_WRITE:
        case FUSE_FORGET:
        case FUSE_INTERRUPT:
            break;
        default:
            answer(device, request, -ENOSYS, NULL, 0);
        }
    }
    exit(0);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    char options[64], file[256];
    int device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", device);
    snprintf(file, sizeof(file), "%s/file", argv[1]);
    if (device < 0 || unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("blocker", argv[1], "fuse", 0, options))
        fail("mount");
    if (fork() == 0)
        serve(device);
    close(device);
    int cached = open(file, O_RDWR);
    char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, cached, 0);
    if (cached < 0 || page == MAP_FAILED)
        fail("map");
    *page = 1;
    int direct = open(file, O_RDWR);
    /* As workload.c says it: behind the number of its job. */
    const char *job = getenv("JOB");
    printf("%s%smaps\n", job ? job : "", job ? " " : "");
    fflush(stdout);
    mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, direct, 0);
    fprintf(stderr, "mmap() returned\n");
    return 1;
}
