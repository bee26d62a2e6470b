import { cgroupRoot } from '../capture/cgroup-root.js';
import { loadPrograms, type Driver, type Probe } from '../capture/driver.js';
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
    insertKernelModule(object, (file) => driver.insertModule(file), log);
    throw new Failure('MODULE_UNREAD', { path: object });
  }
  const plan = ringPlan(driver.possibleCpus, settings);
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
    host.release,
  );
  log.info(
    `Loaded ${settings.collectionMethod}: ${plan.rings} ring buffer(s) of ${plan.bytesPerRing / 1024} KiB, scope ${settings.scope}`,
  );
  return probe;
}

/** Milliseconds in which a peer of a UDP socket is told of once: twice between two reports. */
function udpWindow(scrapeInterval: number): number {
  return Math.min(Math.max(scrapeInterval * 500, 1000), 15_000);
}

/** Warns when UDP is not watched as it should be. */
export function tellUdp(probe: Probe, { settings, log }: Context): void {
  const refusal = probe.udpRefusal();
  const missed =
    'UDP is seen by scans only: short connections, exact ends and peers of send and receive are missed.';
  if (refusal !== undefined) {
    log.warning(
      `The kernel refused ${refusal.subject} (${refusal.operation}: ${refusal.errno}). ${missed} ` +
        'Remedy: give Collector CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN, and a kernel with CONFIG_CGROUP_BPF',
    );
  } else if (cgroupRoot(settings.hostRoot) === undefined) {
    log.warning(
      `No mount shows the root of the host's cgroup2 hierarchy. ${missed} ` +
        "Remedy: mount the host's /sys/fs/cgroup below COLLECTOR_HOST_ROOT",
    );
  }
}
