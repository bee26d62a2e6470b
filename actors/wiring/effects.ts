import path from 'node:path';
import { fromPromise, type PromiseActorLogic } from 'xstate';
import type { Effects, Loadable, Phase } from '../../machines/lifecycle.js';
import { collecting } from '../../machines/collecting.js';
import { checkScans, giveUpCapabilities, neededAfterLoad } from '../capture/capabilities.js';
import { attachPrograms, openAddon, refusal, type Addon } from '../capture/driver.js';
import type { HostFacts } from '../capture/host.js';
import { ProcfsProblems } from '../capture/procfs/problems.js';
import type { ScannerChoice } from '../capture/scanner-choice.js';
import { downloadDriver, findDriver } from '../drivers/actor.js';
import type { Failure } from '../telemetry/failures.js';
import { prepareParts, type Programs } from './collect.js';
import { connectSensor } from './connect-sensor.js';
import type { LiveContext } from './context.js';
import { loadFindings } from './findings.js';
import { allowCoreDump, loadBpf, logHooks, warnOfUdp, type InKernel, type Loaded } from './load.js';
import { loadModule } from './load-module.js';
import { patiently } from './patiently.js';
import { scannerFor } from './scans.js';

/** Folder of the built Collector. */
const DIST = import.meta.dirname;
const PROGRAMS: Programs = {
  selfCheck: path.join(DIST, 'self-check'),
  argumentReader: path.join(DIST, 'argument-reader'),
};

/**
 * The effects of the phases on this host.
 * @param onObstacle called with the reason of an attempt in vain to reach Sensor
 */
export function effects(
  host: HostFacts,
  context: LiveContext,
  onObstacle: (failure: Failure) => void,
): Effects {
  const { settings, log, deadline, telemetry } = context;
  const { activity } = telemetry;
  /** The logic of a phase: it ends with its effect, and fails with its error. */
  const phase = <Output, Input>(
    name: Phase,
    run: (input: Input, signal: AbortSignal) => Output | Promise<Output>,
  ): PromiseActorLogic<Output, Input> =>
    fromPromise<Output, Input>(async ({ input, signal }) => {
      activity.phase = name;
      return run(input, signal);
    });
  return {
    'connect-sensor': phase('connect-sensor', async (_, signal) =>
      connectSensor(host, context, signal, onObstacle),
    ),
    'find-driver': phase('find-driver', async (_, signal) =>
      findDriver({ settings, log, signal, hasTypes: host.btf }),
    ),
    download: phase('download', async ({ location, sensor }, signal): Promise<Loadable> => {
      const addon = openAddon(path.join(DIST, 'collector.node'));
      if (settings.coreDump) allowCoreDump(addon, context);
      const tls = () => sensor?.tls;
      switch (location?.kind) {
        case 'absent':
          return {
            addon,
            file: await downloadDriver(location, { settings, tls, log, signal }),
            origin: 'downloaded',
          };
        case 'local':
          return { addon, file: location.driver, origin: 'on this node' };
        default:
          return { addon, file: undefined, origin: 'built in' };
      }
    }),
    load: phase('load', async (opened, signal) =>
      patiently(
        async () => loadAndAttach(opened, host, context, signal),
        'loading the BPF programs',
        telemetry.shortages,
        signal,
      ),
    ),
    collecting: collecting.provide({
      actors: {
        prepare: phase('collect', async (input) => prepareParts(input, host, PROGRAMS, context)),
        close: fromPromise(async ({ input: { sensor } }) => sensor?.close(deadline.start())),
      },
      actions: {
        warnUnfinished: () => log.warning('The last facts were not over by the end.'),
      },
      delays: { drain: () => deadline.start().left },
    }),
  };
}

/** Loads the driver, and attaches it unless this is a check. Undoes itself when it throws. @throws Failure */
async function loadAndAttach(
  { addon, file }: Loadable,
  host: HostFacts,
  context: LiveContext,
  signal: AbortSignal,
): Promise<Loaded> {
  const { settings, log } = context;
  const problems = new ProcfsProblems();
  const loaded =
    settings.collectionMethod === 'kernel_module' && file !== undefined
      ? await loadModule(addon, host, file, context, signal)
      : loadBpf(addon, host, file, context);
  let scanning: ScannerChoice;
  try {
    scanning = attach(addon, loaded, problems, host, context);
  } catch (error) {
    await loaded.unload();
    throw refusal(error, host);
  }
  const complete = (capabilities: string): Loaded => ({
    ...loaded,
    scanning,
    problems,
    findings: loadFindings(loaded.probe, scanning, capabilities, addon.possibleCpus, settings),
  });
  if (settings.check) {
    const found = complete('A check gives up none.');
    await loaded.unload();
    return found;
  }
  warnOfUdp(loaded, context);
  logHooks(loaded, context);
  // Root could take them back, and may need them to read the files of other users.
  if (host.euid === 0) return complete('Root gives up none.');
  const needed = neededAfterLoad(scanning.kind, host.release, loaded.probe === undefined);
  const capabilities = giveUpCapabilities(addon, needed);
  log.info(capabilities);
  return complete(capabilities);
}

/** Chooses the way to scan, and attaches the driver. */
function attach(
  addon: Addon,
  { driver, probe }: InKernel,
  problems: ProcfsProblems,
  host: HostFacts,
  context: LiveContext,
): ScannerChoice {
  const choice = scannerFor(addon, probe, host, problems, context);
  checkScans(choice.kind, host);
  if (!context.settings.check) attachPrograms(driver, host);
  return choice;
}
