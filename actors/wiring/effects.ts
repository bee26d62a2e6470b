import path from 'node:path';
import { fromPromise, type PromiseActorLogic } from 'xstate';
import type { Effects, Loadable, Phase } from '../../machines/lifecycle.js';
import { collecting } from '../../machines/collecting.js';
import { checkScans, giveUpCapabilities, neededAfterLoad } from '../capture/capabilities.js';
import { attachPrograms, openAddon, refusal, type Addon, type Probe } from '../capture/driver.js';
import type { HostFacts } from '../capture/host.js';
import { ProcfsProblems } from '../capture/procfs/problems.js';
import type { ScannerChoice } from '../capture/scanner-choice.js';
import { downloadDriver, findDriver } from '../drivers/actor.js';
import type { Failure } from '../telemetry/failures.js';
import { prepareParts, type Programs } from './collect.js';
import { connectSensor } from './connect-sensor.js';
import type { LiveContext } from './context.js';
import { loadFindings } from './findings.js';
import { allowCoreDump, load, warnOfUdp, type Loaded } from './load.js';
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
        () => loadAndAttach(opened, host, context),
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

/** Loads the programs, and attaches them unless this is a check. Undoes itself when it throws. @throws Failure */
function loadAndAttach({ addon, file }: Loadable, host: HostFacts, context: LiveContext): Loaded {
  const { settings, log } = context;
  const problems = new ProcfsProblems();
  const probe = load(addon, host, file, context);
  const scanning = attach(addon, probe, problems, host, context);
  const findings = (capabilities: string) =>
    loadFindings(probe, scanning, capabilities, addon.possibleCpus, settings);
  if (settings.check) {
    const found = findings('A check gives up none.');
    probe.close();
    return { probe, scanning, problems, findings: found };
  }
  warnOfUdp(probe, context);
  // Root could take them back, and may need them to read the files of other users.
  if (host.euid === 0) return { probe, scanning, problems, findings: findings('Root gives up none.') };
  const capabilities = giveUpCapabilities(addon, neededAfterLoad(scanning.kind, host.release));
  log.info(capabilities);
  return { probe, scanning, problems, findings: findings(capabilities) };
}

/** Chooses the way to scan, and attaches the programs. Closes the probe when it throws. @throws Failure */
function attach(
  addon: Addon,
  probe: Probe,
  problems: ProcfsProblems,
  host: HostFacts,
  context: LiveContext,
): ScannerChoice {
  try {
    const choice = scannerFor(addon, probe, host, problems, context);
    checkScans(choice.kind, host);
    if (!context.settings.check) attachPrograms(probe, host);
    return choice;
  } catch (error) {
    probe.close();
    throw refusal(error, host);
  }
}
