#!/bin/sh
# The first process of a virtual machine for scripts/kernels.ts. `setup` is in the kernel's command line: v2, hybrid
# or v1 for the cgroup hierarchies, without-btf, module, module-stress, module-start or tracepoints. The output between
# two lines `== <name>` is the section of this name in the result.
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mount -t tmpfs none /tmp
setup=$(sed -n 's/.*setup=\([a-z0-9-]*\).*/\1/p' /proc/cmdline)
unified=/sys/fs/cgroup
parents=$unified
case $setup in
    hybrid | v1)
        mount -t tmpfs none /sys/fs/cgroup
        mkdir /sys/fs/cgroup/pids /sys/fs/cgroup/memory /sys/fs/cgroup/unified
        mount -t cgroup -o pids none /sys/fs/cgroup/pids
        mount -t cgroup -o memory none /sys/fs/cgroup/memory
        unified=/sys/fs/cgroup/unified
        parents=/sys/fs/cgroup/pids
        [ "$setup" = v1 ] || parents="$unified $parents"
        ;;
    without-btf)
        mount -t tmpfs none /sys/kernel/btf
        export COLLECTION_METHOD=ebpf
        ;;
    module) export COLLECTION_METHOD=kernel_module ;;
esac
[ "$setup" = v1 ] || mount -t cgroup2 none $unified
# As in a pod: in a cgroup of its own, which the kernel charges for memory.
charged=/sys/fs/cgroup/memory
if [ ! -d $charged ]; then
    charged=$unified
    echo +memory >$charged/cgroup.subtree_control
fi
mkdir $charged/collector
echo 0 >$charged/collector/cgroup.procs
ip link set lo up
ip addr add 10.9.9.9/32 dev lo
ip -6 addr add fd00::9/128 dev lo
export PATH="$PATH:/app"
echo # the line that the firmware left
echo "== booted"
[ "$setup" != module-stress ] || exec sh /app/stress.sh
[ "$setup" != tracepoints ] || exec sh /app/tracepoints.sh
[ "$setup" != module-start ] || exec sh /app/insertion.sh

# Runs a program in a container: by its id, or by the id of one in another.
inside() {
    path=docker/$1
    shift
    for parent in $parents; do mkdir -p "$parent/$path"; done
    (
        for parent in $parents; do echo 0 >"$parent/$path/cgroup.procs"; done
        exec "$@"
    )
}
# Waits for a text in a file, a minute or so at most: a boot that hangs tells nothing.
await() {
    tries=300
    until grep -q "$1" "$2"; do
        tries=$((tries - 1))
        if [ $tries -lt 0 ]; then
            echo "no '$1' in $2: $(cat "$2")"
            return
        fi
        sleep 0.2
    done
}
id=4f2a91bc03de5b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e
nested=$id/docker/0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9
blocked=b10cced0b10c5b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e

# The processes before Collector, one with unreadable memory among them if the kernel came with FUSE.
inside $id workload serve-all 10.9.9.9 7001 >/tmp/older 2>&1 &
await listening /tmp/older
inside $id workload connect 10.9.9.9 7001 >/dev/null &
[ ! -e /lib/fuse.ko ] || insmod /lib/fuse.ko
if grep -qw fuse /proc/filesystems; then
    mkdir /tmp/hung
    inside $blocked blocker /tmp/hung secret >/tmp/blocked 2>&1 &
    await maps /tmp/blocked
    echo "== blocked"
fi
sleep 1

# Rings of a page or so, filled by a short burst.
export ROX_COLLECTOR_SCRAPE_INTERVAL=1 ROX_ENABLE_AFTERGLOW=false ROX_COLLECTOR_SINSP_BUFFER_SIZE=65536
node /app/collector.js --format=json >/tmp/out 2>/tmp/log &
collector=$!
waited=0
until grep -q 'Self-check\|FATAL' /tmp/log || [ $waited -ge 90 ]; do
    sleep 1
    waited=$((waited + 1))
done
sleep 2
if grep -q 'Self-check' /tmp/log; then
    for name in one two three; do inside $id workload exit $name; done
    inside $nested workload exit nested
    inside $id workload serve-all fd00::9 7002 >/tmp/newer 2>&1 &
    await listening /tmp/newer
    inside $id workload connections 2 10.9.9.9 7001
    inside $id workload connections 3 fd00::9 7002
    inside $id workload udp-send 1 10.9.9.9 7003
    inside $id workload udp-send 1 fd00::9 7004
    sleep 4
    echo "== metrics"
    wget -qO- http://127.0.0.1:9090/metrics
    echo "== programs"
    verified
    echo "== ready"
    wget -qO- http://127.0.0.1:8080/ready
    echo

    # The clock is set forward, and back. The pause: a thread late to wake sees two sets in a row as one.
    for year in 2031 2029; do
        date -u -s "$year-03-04 05:06:07" >/dev/null
        inside $id workload exit "clock-$(date -u +%s)"
        sleep 1
    done

    # The rings are full when a connection opens: a scan has to find it.
    inside $id workload serve-all 10.9.9.9 7005 >/tmp/lossy 2>&1 &
    await listening /tmp/lossy
    sleep 2
    kill -STOP $collector
    inside $id workload connections 1500 10.9.9.9 7001
    inside $id workload connect 10.9.9.9 7005 >/tmp/connected &
    await connected /tmp/connected
    kill -CONT $collector
    sleep 5
fi
kill -TERM $collector 2>/dev/null
wait $collector
code=$?
echo "== exit"
echo $code
echo "== log"
cat /tmp/log
echo "== messages"
cat /tmp/out

# Prints the output of --check: on this kernel, and on the same one in lockdown, ended by a boot only.
check() {
    node /app/collector.js --check >/dev/null 2>/tmp/check
    echo "exit code $?"
    grep 'Cause\|Remedy' /tmp/check
}
echo "== check"
check
mount -t securityfs none /sys/kernel/security
if echo confidentiality >/sys/kernel/security/lockdown; then
    echo "== lockdown"
    check
fi 2>/dev/null
echo "== end"
poweroff -f
