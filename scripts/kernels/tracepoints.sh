#!/bin/sh
# The load of stress.sh while the kernel's own tracing switches the module's tracepoints on and off, with no module: the
# setup tracepoints of guest.sh. What goes wrong here is no fault of the module's.
mount -t tracefs none /sys/kernel/tracing
echo "== kernel"
uname -r
(stress load - 1000000 >/tmp/load &)
sleep 1
echo "== switches"
stress switches - 40
echo "exit code $?"
echo "== end"
poweroff -f
