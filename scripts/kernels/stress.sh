#!/bin/sh
# Trials of the kernel module in a virtual machine, without Collector: the setup module-stress of guest.sh. A section
# `== <trial>` ends with the trial's exit code.
zcat "/kernel-modules/collector-$(uname -r).ko.gz" >/tmp/collector.ko

run() {
    echo "== $1"
    stress "$1" /tmp/collector.ko "$2"
    echo "exit code $?"
}
# Prints the kernel's use of memory, once it has given back what it can. Each processor has lists of free pages, not in
# MemFree, and as long as all that the module uses: Listed.
memory() {
    sleep 3
    echo 3 >/proc/sys/vm/drop_caches
    sleep 1
    pages=$(($(sed -n 's/^ *count: *//p' /proc/zoneinfo | tr '\n' '+')0))
    grep -E '^(MemFree|SUnreclaim|VmallocUsed|Percpu):' /proc/meminfo | tr -s ' \n' ' '
    echo "Listed: $((pages * 4)) kB"
}

echo "== kernel"
uname -r
run refusals
rmmod collector
run arguments 4096
run shares 20000
(stress load - 1000000 >/tmp/load &)
sleep 1
run storm 8
run hostile 8
run cycles 200
for process in /proc/[0-9]*; do
    if grep -qx stress "$process/comm" 2>/dev/null; then kill "${process#/proc/}"; fi
done
sleep 1
stress cycles /tmp/collector.ko 50 >/tmp/warm
echo "== memory"
memory
stress cycles /tmp/collector.ko 100 >/tmp/more
memory
echo "== modules"
cat /proc/modules
echo "== dmesg"
dmesg | sed '1,/Run \/init as init process/d'
echo "== end"
poweroff -f
