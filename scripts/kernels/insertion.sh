#!/bin/sh
# Trials of Collector's start and end with the kernel module, in a virtual machine: the setup module-start of guest.sh.
# Each section `== <trial>` has exit codes, log lines and the state of the module.
mount -t securityfs none /sys/kernel/security
export COLLECTION_METHOD=kernel_module ROX_COLLECTOR_MODULE_DIR=/tmp/module ROX_COLLECTOR_SOCKET=''
export ROX_COLLECTOR_HTTP_ADDRESS=127.0.0.1:0 ROX_COLLECTOR_METRICS_ADDRESS=127.0.0.1:0
export ROX_COLLECTOR_SINSP_BUFFER_SIZE=65536 ROX_COLLECTOR_SCRAPE_INTERVAL=1
id=4f2a91bc03de5b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e
mkdir -p "/sys/fs/cgroup/docker/$id"

inside() {
    (
        echo 0 >"/sys/fs/cgroup/docker/$id/cgroup.procs"
        exec "$@"
    )
}
# Waits for a text in a file, a minute or so at most.
await() {
    tries=300
    until grep -q "$1" "$2" 2>/dev/null; do
        tries=$((tries - 1))
        if [ $tries -lt 0 ]; then
            echo "no '$1' in $2"
            return
        fi
        sleep 0.2
    done
}
# Starts a Collector, and gives its process as $collector: `start NAME [SETTING=VALUE…]`.
start() {
    name=$1
    shift
    rm -f "/tmp/$name"
    env "$@" node /app/collector.js >"/tmp/$name.out" 2>"/tmp/$name" &
    collector=$!
}
started() { await 'Self-check\|FATAL' "/tmp/$1"; }
# Ends a Collector: `end SIGNAL PROCESS`.
end() {
    kill "-$1" "$2" 2>/dev/null
    wait "$2"
    echo "exit code $?"
}
state() {
    if [ -d /sys/module/collector ]; then
        echo "module: $(cat /sys/module/collector/refcnt) users"
    else
        echo "module: none"
    fi
}
said() { grep -E 'core_bpf would|serting|Failed|Removed|in use|Self-check|Cause|Remedy|lost:|Somebody' "/tmp/$1"; }
# A Collector expected to refuse its driver: `refused TRIAL [SETTING=VALUE…]`.
refused() {
    echo "== $1"
    start "$@"
    wait $collector
    echo "exit code $?"
    said "$1"
    state
}

inside workload serve-all 10.9.9.9 7001 >/tmp/server 2>&1 &
await listening /tmp/server

echo "== kernel"
uname -r

echo "== run"
start run
started run
inside workload exit one
inside workload connections 2 10.9.9.9 7001
sleep 2
state
end TERM $collector
said run
cat /tmp/run.out
state

echo "== killed"
start killed
started killed
end KILL $collector 2>/dev/null
sleep 1
state

echo "== successor"
start successor
started successor
said successor
state

echo "== waiting"
first=$collector
start second
await 'in use' /tmp/second
second=$collector
start third
await 'in use' /tmp/third
end TERM $collector
state
end TERM $first
started second
said second
state
end TERM $second
state

echo "== load"
touch /tmp/loading
while [ -e /tmp/loading ]; do
    inside workload exit loading
    inside workload connections 20 10.9.9.9 7001
done >/dev/null 2>&1 &
for signal in TERM KILL TERM; do
    start load
    started load
    sleep 1
    end $signal $collector
    said load
done
rm /tmp/loading
state

echo "== check"
node /app/collector.js --check >/dev/null 2>/tmp/check
echo "exit code $?"
said check
state

refused otherlayout ROX_COLLECTOR_KERNEL_MODULES_DIR=/kernel-modules/other-layout
refused foreignfile ROX_COLLECTOR_KERNEL_MODULES_DIR=/kernel-modules/foreign
refused otherrelease ROX_COLLECTOR_KERNEL_MODULES_DIR=/kernel-modules/other-release
insmod "/kernel-modules/foreign/collector-$(uname -r).ko"
refused foreignmodule
rmmod collector
echo integrity >/sys/kernel/security/lockdown
refused lockdown
echo "== dmesg"
dmesg | sed '1,/Run \/init as init process/d'
echo "== end"
poweroff -f
