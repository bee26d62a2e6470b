// SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0)
// All BPF programs of Collector. They keep the events of containers and let the rest pass, so user space pays for
// containers alone and not for the node.
#include "kernel.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include "layout.h"
#include "knobs.h"
#include "rings.h"
#include "owner.h"
#include KERNEL_HEADER
#include "self.h"
#include "cgroup-row.h"
#include "cgroup-scratch.h"
#include "cgroup-name.h"
#include "cgroup-verdict.h"
#include "container.h"
#include "scratch.h"
#include "process-record.h"
#include "host-helper.h"
#include "process.h"
#include "datagrams.h"
#include "socket-record.h"
#include "ownership.h"
#include "tcp-states.h"
#include "udp-ends.h"
#include "adoption.h"
#include "socket-scan.h"
#include "socket-tables.h"
#include "udp.h"

// The licence for the kernel, one of the two: its GPL-only helpers need this one.
char LICENSE[] SEC("license") = "GPL";
