// SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0)
// All BPF programs of Collector. They keep what happens inside containers and let the rest pass, so that user space
// costs what containers do and not what the node does.
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

// Which of the two licences the kernel is told: its GPL-only helpers need this one.
char LICENSE[] SEC("license") = "GPL";
