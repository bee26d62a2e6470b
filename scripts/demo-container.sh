#!/usr/bin/env bash
# Shows a container to Collector on a machine that has none: processes in a cgroup with a container's name and in
# namespaces of their own, which is what a container is to the kernel. A shell in it lists a file and talks to a
# server; then all of it is taken away. Needs root.
set -euo pipefail

if ((EUID != 0)); then
    echo "demo-container.sh makes a cgroup and namespaces: run it as root." >&2
    exit 1
fi
for tool in findmnt ip node unshare; do
    command -v "$tool" >/dev/null && continue
    echo "demo-container.sh needs $tool; on Debian: apt-get install -y iproute2 util-linux, and Node from nodejs.org." >&2
    exit 1
done

# Collector reads a container's name in the cgroup2 hierarchy or, with cgroup v1, in that of any controller.
hierarchy=$(findmnt --noheadings --first-only --types cgroup2 --output TARGET ||
    findmnt --noheadings --first-only --types cgroup --options pids --output TARGET ||
    findmnt --noheadings --first-only --types cgroup --options memory --output TARGET) || {
    echo "demo-container.sh finds no cgroup2, and no cgroup with the controller pids or memory, among the mounts." >&2
    exit 1
}
id=$(od --address-radix=n --format=x8 --read-bytes=32 --width=32 /dev/urandom | tr -d ' ')
parent=$hierarchy/collector-demo-${id:0:12}
cgroup=$parent/$id

remove() {
    # A process that has just ended keeps its cgroup for a moment.
    for _ in {1..50}; do
        if rmdir "$cgroup" "$parent" 2>/dev/null; then return; fi
        if [[ ! -e $cgroup && ! -e $parent ]]; then return; fi
        sleep 0.1
    done
    echo "Cannot remove $parent." >&2
}
trap remove EXIT
mkdir "$parent" "$cgroup"

echo "Container ${id:0:12} lists a file and talks to a server of its own."
# Its first process enters the cgroup by itself, so that nothing but what it runs is of the container.
# shellcheck disable=SC2016 # for the shell in the container to expand
unshare --fork --kill-child --pid --mount-proc --net bash -c '
    set -e
    ip link set lo up
    echo 0 >"$1"
    ls /etc/os-release
    coproc server { exec node --eval "net.createServer((client) => client.end(\"hello\\n\")).listen(8080, () => console.log())"; }
    read -r <&"${server[0]}"
    exec 3<>/dev/tcp/127.0.0.1/8080
    cat <&3
' demo "$cgroup/cgroup.procs"
