// SPDX-License-Identifier: Apache-2.0
// Loads a BPF object, attaches its programs and says so, until its standard input ends: `attach OBJECT`. After a
// failure the words of the kernel are on standard error.
#include <bpf/libbpf.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    struct bpf_object *object = argc == 2 ? bpf_object__open_file(argv[1], NULL) : NULL;
    if (!object || bpf_object__load(object))
        return 1;
    struct bpf_program *program;
    bpf_object__for_each_program(program, object)
    {
        if (!bpf_program__attach(program))
            return 1;
    }
    puts("attached");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    return 0;
}
