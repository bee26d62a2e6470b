#!/bin/sh
# The first process of a virtual machine for scripts/kernels.ts, which writes `hierarchies` into the kernel's command
# line: v2, hybrid or v1. What it prints between two lines `== <name>` is that section of the result.
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mount -t tmpfs none /tmp
hierarchies=$(sed -n 's/.*hierarchies=\([a-z0-9]*\).*/\1/p' /proc/cmdline)
unified=/sys/fs/cgroup
if [ "$hierarchies" != v2 ]; then
    mount -t tmpfs none /sys/fs/cgroup
    mkdir /sys/fs/cgroup/pids /sys/fs/cgroup/memory /sys/fs/cgroup/unified
    mount -t cgroup -o pids none /sys/fs/cgroup/pids
    mount -t cgroup -o memory none /sys/fs/cgroup/memory
    unified=/sys/fs/cgroup/unified
fi
[ "$hierarchies" = v1 ] || mount -t cgroup2 none $unified
case $hierarchies in
    v2) parents=$unified ;;
    hybrid) parents="$unified /sys/fs/cgroup/pids" ;;
    *) parents=/sys/fs/cgroup/pids ;;
esac
ip link set lo up
ip addr add 10.9.9.9/32 dev lo
ip -6 addr add fd00::9/128 dev lo

# Runs a job of the workload in a container: by its id, or that of one in another.
inside() {
    path=docker/$1
    shift
    for parent in $parents; do mkdir -p "$parent/$path"; done
    (
        for parent in $parents; do echo 0 >"$parent/$path/cgroup.procs"; done
        exec /app/workload "$@"
    )
}
id=4f2a91bc03de5b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e
nested=$id/docker/0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9

inside $id serve-all 10.9.9.9 7001 >/tmp/older 2>&1 &
until grep -q listening /tmp/older; do sleep 0.2; done
inside $id connect 10.9.9.9 7001 >/dev/null &
sleep 1

export ROX_COLLECTOR_SCRAPE_INTERVAL=1 ROX_ENABLE_AFTERGLOW=false
node /app/collector.js --format=json >/tmp/out 2>/tmp/log &
collector=$!
waited=0
until grep -q 'Self-check\|FATAL' /tmp/log || [ $waited -ge 90 ]; do
    sleep 1
    waited=$((waited + 1))
done
sleep 2
if grep -q 'Self-check' /tmp/log; then
    for name in one two three; do inside $id exit $name; done
    inside $nested exit nested
    inside $id serve-all fd00::9 7002 >/tmp/newer 2>&1 &
    until grep -q listening /tmp/newer; do sleep 0.2; done
    inside $id connections 2 10.9.9.9 7001
    inside $id connections 3 fd00::9 7002
    inside $id udp-send 1 10.9.9.9 7003
    inside $id udp-send 1 fd00::9 7004
    sleep 4
    echo "== metrics"
    wget -qO- http://127.0.0.1:9090/metrics
    echo "== programs"
    /app/verified
    echo "== ready"
    wget -qO- http://127.0.0.1:8080/ready
    echo
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
echo "== check"
node /app/collector.js --check >/dev/null 2>/tmp/check
echo "exit code $?"
grep 'Cause\|Remedy' /tmp/check
echo "== end"
poweroff -f
