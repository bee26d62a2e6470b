import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { cgroupRoot } from '../capture/cgroup-root.js';
import { isLacking, loadPrograms, type Addon, type Driver, type Probe } from '../capture/driver.js';
import { checkHost, type HostFacts } from '../capture/host.js';
import type { ProcfsProblems } from '../capture/procfs/problems.js';
import type { ScannerChoice } from '../capture/scanner-choice.js';
import type { LocalDriver } from '../drivers/actor.js';
import { ringPlan, type RingPlan } from '../settings/ring-plan.js';
import type { RunContext } from './context.js';
import type { LoadFindings } from './findings.js';
import { visibility } from './visibility.js';

/** The oldest kernel for the BPF object with everything, as the object itself has it. */
const NEWEST_OBJECT = '5.12';

/** A driver in the kernel. */
export interface InKernel {
  readonly driver: Driver;
  /** The same as BPF programs; undefined: it is a kernel module. */
  readonly probe: Probe | undefined;
  /** Takes it out of the kernel. May be called again. */
  readonly unload: () => Promise<void>;
}

/** A driver in the kernel, and the way to scan. */
export interface Loaded extends InKernel {
  readonly scanning: ScannerChoice;
  readonly problems: ProcfsProblems;
  readonly findings: LoadFindings;
}

/**
 * Loads BPF programs, without attaching them.
 * @param local the driver's files; undefined: the built-in driver
 * @throws Failure
 */
export function loadBpf(
  addon: Addon,
  host: HostFacts,
  local: LocalDriver | undefined,
  { settings, log }: RunContext,
): InKernel {
  const missing = checkHost(host, local !== undefined);
  if (missing !== undefined) throw missing;
  const plan = ringPlan(addon.possibleCpus, settings);
  collectGarbage();
  const probe = loadPrograms(
    addon,
    {
      object: local?.path ?? '',
      btf: local?.btf ?? '',
      rings: plan.rings,
      ringBytes: plan.bytesPerRing,
      cpusPerRing: plan.cpusPerRing,
      ...visibility(settings),
      cgroupRoot: cgroupRoot(settings.hostRoot) ?? '',
      udpWindow: settings.trackSendReceive ? udpWindow(settings.scrapeInterval) : 0,
      runTime: settings.bpfRunTime,
    },
    host,
  );
  logLoaded(plan, { settings, log });
  logObject(probe, log);
  // eslint-disable-next-line @typescript-eslint/require-await -- other drivers take their time
  return { driver: probe, probe, unload: async () => probe.close() };
}

/** Logs a loaded driver and its rings. */
export function logLoaded(
  { rings, bytesPerRing }: RingPlan,
  { settings, log }: Pick<RunContext, 'settings' | 'log'>,
): void {
  log.info(
    `Loaded ${settings.collectionMethod}: ${rings} ring buffer(s) of ${bytesPerRing / 1024} KiB, scope ${settings.scope}`,
  );
}

/** Logs the BPF object in use and, unless it is the one with everything, the reason and its gaps. */
function logObject(probe: Probe, log: RunContext['log']): void {
  const { oldestKernel, refusal } = probe.object();
  if (oldestKernel === NEWEST_OBJECT) {
    log.debug(`BPF object for Linux ${oldestKernel} or later.`);
    return;
  }
  const why =
    refusal === undefined
      ? ''
      : `, since the kernel refused ${refusal.subject} of the one for Linux ${NEWEST_OBJECT} (${refusal.errno})`;
  log.info(
    `BPF object for Linux ${oldestKernel} or later${why}. With it, connections to listening sockets that share an ` +
      'address and a port (SO_REUSEPORT) all count as accepted by the latest of them, and at most 262144 sockets are ' +
      'watched at a time.',
  );
}

/** Logs the programs attached to the kernel's events. */
export function logHooks({ driver, probe }: InKernel, { settings, log }: RunContext): void {
  if (!log.enables('debug')) return;
  const programs = driver.stats().flatMap(({ program }) => (program === 'udp' ? [] : [program]));
  const isUdpSeen =
    probe !== undefined && probe.udpRefusal() === undefined && cgroupRoot(settings.hostRoot) !== undefined;
  const seesDatagrams =
    probe !== undefined && settings.trackSendReceive && probe.datagramRefusal() === undefined;
  log.debug(
    `Hooks attached: ${programs.join(', ')}; UDP sockets ${isUdpSeen ? 'by programs of the cgroup root' : 'by scans alone'}, ` +
      `datagrams ${seesDatagrams ? 'by their programs' : 'left alone'}`,
  );
}

/**
 * Frees the memory of the start, 10 MB of it, before libbpf reads the kernel's types: then a Collector takes the most
 * memory.
 */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

/** Milliseconds in which a peer of a UDP socket is recorded once: twice between two reports. */
function udpWindow(scrapeInterval: number): number {
  return Math.min(Math.max(scrapeInterval * 500, 1000), 15_000);
}

/** Allows core dumps, and logs their greatest size. */
export function allowCoreDump(addon: Addon, { log }: RunContext): void {
  const bytes = addon.allowCoreDump();
  if (bytes > 0)
    log.info(`A crash leaves a core dump of ${bytes === Infinity ? 'any size' : `${bytes} bytes at most`}.`);
  else
    log.warning(
      'ENABLE_CORE_DUMP has no effect: the hard limit of RLIMIT_CORE is 0. Remedy: raise it, with LimitCORE of the container ' +
        "runtime's service or ulimit -H -c",
    );
}

type Refusal = NonNullable<ReturnType<Probe['udpRefusal']>>;

/** Remedy for a refusal of the programs for UDP; by then Collector has the capabilities it needs. */
function udpRemedy({ operation, errno, subject, log }: Refusal): string {
  if (operation === 'open') return `let Collector read ${subject}: mount the host's /sys/fs/cgroup there`;
  if (operation === 'attach' && errno === 'EPERM')
    return (
      'remove the program that holds the root of the hierarchy for itself (bpftool cgroup show /sys/fs/cgroup), or load ' +
      'it with BPF_F_ALLOW_MULTI'
    );
  if (errno === 'ENOMEM')
    return 'raise the memory limit of the collector container (resources.limits.memory)';
  if (isLacking(log))
    return 'boot the node with Linux 5.15 or later, where programs of cgroups know which task runs, to see all of UDP';
  if (subject === 'udp_release')
    return 'boot the node with Linux 5.9 or later, where programs of cgroups see sockets end';
  return 'boot the node with a kernel that was built with CONFIG_CGROUP_BPF=y, as the stock kernels of distributions are';
}

/** Gaps without the programs for UDP sockets (their connects and ends), the ones for datagrams, or both. */
function missedUdp(sockets: boolean, datagrams: boolean): string {
  if (!sockets) return 'Peers of send and receive of UDP are missed.';
  if (!datagrams) return 'UDP connections are seen by scans only: short ones and exact ends are missed.';
  return 'UDP is seen by scans only: short connections, exact ends and peers of send and receive are missed.';
}

/** Warns of gaps in the watch of UDP. */
export function warnOfUdp({ probe }: InKernel, { settings, log }: RunContext): void {
  if (probe === undefined) {
    log.info(`The kernel module leaves UDP to scans. ${missedUdp(true, settings.trackSendReceive)}`);
    return;
  }
  const sockets = probe.udpRefusal();
  const datagrams = probe.datagramRefusal();
  const refusal = sockets ?? datagrams;
  if (refusal !== undefined) {
    const missed = missedUdp(sockets !== undefined, datagrams !== undefined || !settings.trackSendReceive);
    log.warning(
      `The kernel refused ${refusal.subject} (${refusal.operation}: ${refusal.errno}). ${missed} ` +
        `Remedy: ${udpRemedy(refusal)}`,
    );
  } else if (cgroupRoot(settings.hostRoot) === undefined) {
    log.warning(
      `No mount shows the root of the host's cgroup2 hierarchy. ${missedUdp(true, true)} ` +
        "Remedy: mount the host's /sys/fs/cgroup below COLLECTOR_HOST_ROOT",
    );
  }
}
