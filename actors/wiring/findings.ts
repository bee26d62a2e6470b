import { cgroupRoot } from '../capture/cgroup-root.js';
import type { Probe } from '../capture/driver.js';
import type { ScannerChoice } from '../capture/scanner-choice.js';
import { ringPlan } from '../settings/ring-plan.js';
import type { Settings } from '../settings/table.js';

/** A group of hooks in the kernel, and the reason if it was left out. */
export interface HookChoice {
  readonly hooks: string;
  readonly purpose: string;
  readonly leftOut: string | undefined;
}

/** Findings of the phase `load`, for an inspection. */
export interface LoadFindings {
  readonly driver:
    | { readonly kind: 'BPF object'; readonly oldestKernel: string; readonly refused: string | undefined }
    | { readonly kind: 'kernel module' };
  readonly rings: { readonly count: number; readonly bytesPerRing: number };
  readonly hooks: readonly HookChoice[];
  /** Which were given up, in a sentence. */
  readonly capabilities: string;
}

type Refusal = NonNullable<ReturnType<Probe['udpRefusal']>>;

/** Gathers what the load of the programs has found. @param probe undefined: the driver is a kernel module */
export function loadFindings(
  probe: Probe | undefined,
  { kind }: ScannerChoice,
  capabilities: string,
  possibleCpus: number,
  settings: Settings,
): LoadFindings {
  const { rings, bytesPerRing } = ringPlan(possibleCpus, settings);
  return {
    driver: probe === undefined ? { kind: 'kernel module' } : objectOf(probe),
    rings: { count: rings, bytesPerRing },
    hooks: [...commonHooks, ...(probe === undefined ? moduleHooks : bpfHooks(probe, kind, settings))],
    capabilities,
  };
}

function objectOf(probe: Pick<Probe, 'object'>): LoadFindings['driver'] {
  const { oldestKernel, refusal } = probe.object();
  return { kind: 'BPF object', oldestKernel, refused: refusal && refusalText(refusal) };
}

/** The hooks of every driver. */
const commonHooks: readonly HookChoice[] = [
  {
    hooks: 'sched_process_exec, sched_process_exit, sched_process_fork, cgroup_attach_task, cgroup_rmdir',
    purpose: 'processes and their containers',
    leftOut: undefined,
  },
  {
    hooks: 'inet_sock_set_state, tcp_destroy_sock',
    purpose: 'TCP connections and ports',
    leftOut: undefined,
  },
];

const moduleHooks: readonly HookChoice[] = [
  { hooks: 'hooks of UDP sockets', purpose: 'UDP', leftOut: 'a kernel module leaves UDP to scans' },
];

function bpfHooks(
  probe: Pick<Probe, 'udpRefusal' | 'datagramRefusal'>,
  scans: ScannerChoice['kind'],
  settings: Settings,
): HookChoice[] {
  const noRoot =
    cgroupRoot(settings.hostRoot) === undefined ? "no mount shows the root of the host's cgroup2" : undefined;
  const udp = probe.udpRefusal();
  const datagrams = probe.datagramRefusal();
  const unwanted = settings.trackSendReceive ? undefined : 'ROX_COLLECTOR_TRACK_SEND_RECV is off';
  return [
    {
      hooks: 'cgroup/connect4, cgroup/connect6, cgroup/sock_release',
      purpose: 'UDP connections',
      leftOut: noRoot ?? (udp && refusalText(udp)),
    },
    {
      hooks: 'cgroup/sendmsg4, cgroup/sendmsg6, cgroup/recvmsg4, cgroup/recvmsg6',
      purpose: 'peers of unconnected UDP sockets',
      leftOut: unwanted ?? noRoot ?? (datagrams && refusalText(datagrams)),
    },
    {
      hooks: 'iter/task, iter/task_file',
      purpose: 'what ran before, and complete lists of sockets',
      leftOut: scans === 'iterators' ? undefined : 'see the way of scanning',
    },
  ];
}

function refusalText({ operation, errno, subject }: Refusal): string {
  return `the kernel refused ${subject} (${operation}: ${errno})`;
}
