import { isProbeError } from '../../native/index.js';
import { loadPrograms, openModule, refusal, type Addon, type Driver } from '../capture/driver.js';
import { checkHost, checkHostForModule, type HostFacts } from '../capture/host.js';
import type { LocalDriver } from '../drivers/actor.js';
import { moduleKernel } from '../drivers/inserted-modules.js';
import { insertModule, removeModule } from '../drivers/module.js';
import { ringPlan } from '../settings/ring-plan.js';
import { asFailure, Failure } from '../telemetry/failures.js';
import type { RunContext } from './context.js';
import { logLoaded, type InKernel } from './load.js';
import { visibility } from './visibility.js';

/** Bytes of the ring of a trial: one page on every kernel with pages up to this size. */
const TRIAL_RING_BYTES = 64 * 1024;

/**
 * Inserts the kernel module and opens it, without attaching it. It may have to wait for another Collector.
 * @param signal gives up the wait
 * @throws Failure; an AbortError
 */
export async function loadModule(
  addon: Addon,
  host: HostFacts,
  { path }: LocalDriver,
  context: RunContext,
  signal: AbortSignal,
): Promise<InKernel> {
  const { settings, log } = context;
  const missing = checkHostForModule(host);
  if (missing !== undefined) throw missing;
  compareWithCoreBpf(addon, host, context);
  const plan = ringPlan(addon.possibleCpus, settings);
  const kernel = moduleKernel(addon, settings.hostRoot);
  const open = () =>
    openModule(addon, {
      rings: plan.rings,
      ringBytes: plan.bytesPerRing,
      cpusPerRing: plan.cpusPerRing,
      ...visibility(settings),
    });
  let driver: Driver;
  try {
    driver = await insertModule(path, kernel, open, { log, signal, host });
  } catch (error) {
    throw explained(error, path, host);
  }
  logLoaded(plan, context);
  let isUnloaded = false;
  return {
    driver,
    probe: undefined,
    unload: async () => {
      driver.close();
      if (isUnloaded) return;
      isUnloaded = true;
      await removeModule(kernel, log);
    },
  };
}

/** The failure behind an error of the opened module; any other error as it is. */
function explained(error: unknown, path: string, host: HostFacts): unknown {
  if (isProbeError(error) && error.operation === 'module' && error.errno === 'ENOEXEC')
    return new Failure('MODULE_MISMATCH', { path, reason: error.log }, { cause: error });
  return refusal(error, host);
}

/** Says whether core_bpf would do on this node: then it is the better choice. */
function compareWithCoreBpf(addon: Addon, host: HostFacts, { log }: RunContext): void {
  const obstacle = obstacleToCoreBpf(addon, host);
  if (obstacle !== undefined) {
    log.info(`core_bpf would not do on this node: ${obstacle.message}`);
    return;
  }
  log.warning(
    'core_bpf would do on this node, and is the better choice: the verifier of the kernel has taken its programs, and nothing ' +
      'checks a kernel module, the last resort. Remedy: set COLLECTION_METHOD=core_bpf',
  );
}

/** Why the built-in programs can't be loaded; undefined if they can: they were, and are unloaded again. */
function obstacleToCoreBpf(addon: Addon, host: HostFacts): Failure | undefined {
  const missing = checkHost(host);
  if (missing !== undefined) return missing;
  try {
    const trial = {
      object: '',
      btf: '',
      rings: 1,
      ringBytes: TRIAL_RING_BYTES,
      cpusPerRing: addon.possibleCpus,
      allScopes: false,
      loopback: false,
      pending: false,
      arguments: true,
      udpListeners: false,
      cgroupRoot: '',
      udpWindow: 0,
      runTime: false,
    };
    loadPrograms(addon, trial, host).close();
    return undefined;
  } catch (error) {
    return asFailure(error);
  }
}
