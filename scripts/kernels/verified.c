/* Prints how many instructions the verifier has looked at for each BPF program in the kernel: 0 before Linux 5.16. */
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int bpf(int command, union bpf_attr *attr)
{
    return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

int main(void)
{
    for (__u32 id = 0;;) {
        union bpf_attr next = {.start_id = id};
        if (bpf(BPF_PROG_GET_NEXT_ID, &next))
            return 0;
        id = next.next_id;
        union bpf_attr by_id = {.prog_id = id};
        int fd = bpf(BPF_PROG_GET_FD_BY_ID, &by_id);
        if (fd < 0)
            continue;
        struct bpf_prog_info info;
        memset(&info, 0, sizeof(info));
        union bpf_attr about = {
            .info = {.bpf_fd = fd, .info_len = sizeof(info), .info = (__u64)(unsigned long)&info}};
        if (!bpf(BPF_OBJ_GET_INFO_BY_FD, &about))
            printf("%s %u\n", info.name, info.verified_insns);
        close(fd);
    }
}
