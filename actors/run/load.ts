import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { cgroupRoot } from '../capture/cgroup-root.js';
import { isLacking, loadPrograms, type Driver, type Probe } from '../capture/driver.js';
import { checkHost, type HostFacts } from '../capture/host.js';
import { insertKernelModule } from '../drivers/insert.js';
import { ringPlan } from '../settings/ring-plan.js';
import { Failure } from '../telemetry/failures.js';
import type { Context } from './context.js';
import { shown } from './shown.js';

/**
 * Loads the programs, without attaching them.
 * @param object path of the driver; empty: the one that is built in
 * @throws Failure
 */
export function load(driver: Driver, host: HostFacts, object: string, { settings, log }: Context): Probe {
  const missing = checkHost(host);
  if (missing !== undefined) throw missing;
  if (settings.collectionMethod === 'kernel_module') {
    insertKernelModule(object, (file) => driver.insertModule(file), log, host.lockdown);
    throw new Failure('MODULE_UNREAD', { path: object });
  }
  const plan = ringPlan(driver.possibleCpus, settings);
  collectGarbage();
  const probe = loadPrograms(
    driver,
    {
      object,
      rings: plan.rings,
      ringBytes: plan.bytesPerRing,
      cpusPerRing: plan.cpusPerRing,
      ...shown(settings),
      cgroupRoot: cgroupRoot(settings.hostRoot) ?? '',
      udpWindow: settings.trackSendReceive ? udpWindow(settings.scrapeInterval) : 0,
      runTime: settings.bpfRunTime,
    },
    host,
  );
  log.info(
    `Loaded ${settings.collectionMethod}: ${plan.rings} ring buffer(s) of ${plan.bytesPerRing / 1024} KiB, scope ${settings.scope}`,
  );
  return probe;
}

/**
 * Frees what was needed to start, 10 MB of it, before libbpf reads the kernel's types: that is when a Collector takes
 * the most memory.
 */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

/** Milliseconds in which a peer of a UDP socket is told of once: twice between two reports. */
function udpWindow(scrapeInterval: number): number {
  return Math.min(Math.max(scrapeInterval * 500, 1000), 15_000);
}

/** Says how large a core dump can be, if there can be one. */
export function allowCoreDump(driver: Driver, { log }: Context): void {
  const bytes = driver.allowCoreDump();
  if (bytes > 0)
    log.info(`A crash leaves a core dump of ${bytes === Infinity ? 'any size' : `${bytes} bytes at most`}.`);
  else
    log.warning(
      'ENABLE_CORE_DUMP has no effect: the hard limit of RLIMIT_CORE is 0. Remedy: raise it, with LimitCORE of the container ' +
        "runtime's service or ulimit -H -c",
    );
}

/** What to do about a refusal of the programs that watch UDP; by then Collector has the capabilities that it needs. */
function udpRemedy({ operation, errno, subject, log }: NonNullable<ReturnType<Probe['udpRefusal']>>): string {
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
  return 'boot the node with a kernel that was built with CONFIG_CGROUP_BPF=y, as the stock kernels of distributions are';
}

/** Warns when UDP is not watched as it should be. */
export function tellUdp(probe: Probe, { settings, log }: Context): void {
  const refusal = probe.udpRefusal();
  const missed =
    'UDP is seen by scans only: short connections, exact ends and peers of send and receive are missed.';
  if (refusal !== undefined) {
    log.warning(
      `The kernel refused ${refusal.subject} (${refusal.operation}: ${refusal.errno}). ${missed} ` +
        `Remedy: ${udpRemedy(refusal)}`,
    );
  } else if (cgroupRoot(settings.hostRoot) === undefined) {
    log.warning(
      `No mount shows the root of the host's cgroup2 hierarchy. ${missed} ` +
        "Remedy: mount the host's /sys/fs/cgroup below COLLECTOR_HOST_ROOT",
    );
  }
}
