/** The front door: settings → phases of a run, until a signal. The only file that exits the process. */
import path from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { createActor, fromPromise, toPromise, type PromiseActorLogic } from 'xstate';
import { checkScans, giveUpCapabilities, neededAfterLoad } from './actors/capture/capabilities.js';
import { attachPrograms, openDriver, refusal, type Driver, type Probe } from './actors/capture/driver.js';
import { readHostFacts, type HostFacts } from './actors/capture/host.js';
import type { ScannerChoice } from './actors/capture/scanner-choice.js';
import { downloadDriver, findDriver, type DriverLocation } from './actors/drivers/actor.js';
import { Observer } from './actors/http/observer.js';
import { profileRoutes } from './actors/http/profile.js';
import { serve } from './actors/http/serve.js';
import { createProfiles } from './actors/profiles/actor.js';
import { connectSensor } from './actors/run/connect-sensor.js';
import type { Context } from './actors/run/context.js';
import { collect } from './actors/run/live.js';
import { allowCoreDump, load, tellUdp } from './actors/run/load.js';
import { patiently } from './actors/run/patiently.js';
import { replay } from './actors/run/replay.js';
import { scannerFor } from './actors/run/scans.js';
import { openIo, standardStreams } from './actors/run/standard-streams.js';
import { writeTerminationLog } from './actors/run/termination-log.js';
import { startWatchdog } from './actors/run/watchdog.js';
import type { Sensor } from './actors/sensor/actor.js';
import { helpText } from './actors/settings/help.js';
import { readSettings } from './actors/settings/read.js';
import {
  diagnosticsTable,
  failureLines,
  fatalText,
  type Diagnostics,
  type Phase,
} from './actors/telemetry/diagnostics.js';
import { Deadline } from './actors/telemetry/deadline.js';
import { asFailure, Failure } from './actors/telemetry/failures.js';
import { createLog } from './actors/telemetry/log.js';
import { startup } from './machines/startup.js';
import manifest from './package.json' with { type: 'json' };

/** Signals that end a run in good order: number and name, as strsignal(3) has it. */
const SIGNALS = { SIGINT: [2, 'Interrupt'], SIGTERM: [15, 'Terminated'] } as const;
/** How long the whole end of a run may take, from the signal on, ms. Its last part is for the log and for Node to exit. */
const END_MS = 2000;
const EXIT_SHARE = 0.1;
/** How long the last lines of the log may take at least, ms. */
const LEAST_FLUSH_MS = 100;
/** A terminal's Ctrl-C reaches npm and us, and npm passes it on: that is one wish, not two. */
const SAME_WISH_MS = 500;

// Memory of the node is dearer than garbage collection is: a storm of execs takes 30 MB less, and no more time. What a
// record of the kernel goes through is to become one piece of machine code: with V8's own limit of 920 bytes, calls
// between its pieces take a fifth of the time.
const V8_FLAGS = [
  '--semi-space-growth-factor=1',
  '--optimize-for-size',
  '--max-inlined-bytecode-size-cumulative=2500',
];
for (const flag of V8_FLAGS) setFlagsFromString(flag);

const { settings, warnings, errors } = readSettings(process.argv.slice(2), process.env);
const io = openIoOrExit();
const { output, standardError } = standardStreams(io);
const log = createLog({
  level: settings.logLevel,
  format: settings.logFormat,
  write: (line) => standardError.write(line),
});
standardError.onRoom = (dropped) =>
  log.warning(`${dropped} log lines were dropped, since nobody read standard error`);
const deadline = new Deadline(END_MS * (1 - EXIT_SHARE));
const context: Context = { settings, log, output, io, deadline };

// Every way out: a reader gets what is left of the time for the last lines, and no thread that hangs is waited for.
process.on('exit', (code) => {
  standardError.flush(Math.min(Math.max(deadline.left, LEAST_FLUSH_MS), END_MS));
  io.exit(code);
});
process.once('uncaughtException', (error) => {
  standardError.write(`${error.stack ?? error.message}\n`);
  void fail('collect', 'Collector can no longer collect.', asFailure(error)).finally(() => process.exit(1));
});

try {
  process.exitCode = await main();
} catch (error) {
  await fail('collect', 'Collector can no longer collect.', asFailure(error));
  process.exitCode = 1;
}
log.flush();
// Whatever still keeps the process alive is of no use any more, such as a handshake that nobody answers.
process.exit();

async function main(): Promise<number> {
  if (settings.help || settings.version) {
    output.write(settings.help ? `${helpText()}\n` : `${manifest.version}\n`);
  } else if (errors.length === 0 && settings.replay !== undefined) {
    try {
      await replay(settings.replay, context);
    } catch (error) {
      return explain(asFailure(error));
    }
  } else {
    return run();
  }
  const failure = await output.failure(log, deadline.start());
  return failure === undefined ? 0 : explain(failure);
}

/** @returns the exit code of a failure */
function explain(failure: Failure): number {
  log.error(`Cause: ${failure.message}`);
  log.error(`Remedy: ${failure.remedy}`);
  return 1;
}

/** Nothing of Collector writes before this. */
function openIoOrExit(): ReturnType<typeof openIo> {
  try {
    return openIo(path.join(import.meta.dirname, 'io.node'));
  } catch (error) {
    const { message, remedy } = asFailure(error);
    process.stderr.write(`Cause: ${message}\nRemedy: ${remedy}\n`);
    process.exit(1);
  }
}

/** The whole life of the daemon. */
async function run(): Promise<number> {
  const observer = new Observer(settings, manifest.version, log);
  observer.unreadLogLines = () => standardError.dropped;
  const stall = await startWatchdog(observer, standardError, context);
  const host = readHostFacts(settings.hostRoot, settings.nodeHostname);
  sayWhoStarts(host);
  if (stall !== undefined) explain(stall);
  for (const { level, message } of warnings) log[level](message);
  if (errors.length > 0) {
    await failAtStart(new Failure('BAD_SETTINGS', { problems: errors }));
    return 1;
  }
  log.info(`Hostname: '${host.hostname}'`);
  try {
    if (!settings.check) {
      const profiles = createProfiles(path.join(import.meta.dirname, 'profile-worker.js'), log);
      await serve(settings, observer, { node: host.hostname, log, more: profileRoutes(profiles) });
    }
  } catch (error) {
    await failAtStart(asFailure(error));
    return 1;
  }

  let driver: Driver;
  let probe: Probe | undefined;
  let scanning: ScannerChoice;
  let sensor: Sensor | undefined;
  let found: DriverLocation | undefined;
  let collecting: Promise<unknown> = Promise.resolve();
  /** A phase that is over when its effect is, and fails with what that throws. */
  const effect = <T>(name: Phase, run: (signal: AbortSignal) => T | Promise<T>): PromiseActorLogic<T> =>
    fromPromise(async ({ signal }) => {
      observer.activity.phase = name;
      return run(signal);
    });
  const machine = startup.provide({
    actors: {
      'connect-sensor': effect('connect-sensor', async (signal) => {
        sensor = await connectSensor(host, observer, context, signal);
        return sensor !== undefined;
      }),
      'find-driver': effect('find-driver', async (signal) => {
        found = await findDriver({ settings, log, signal, hasTypes: host.btf });
      }),
      download: effect('download', async (signal) => {
        driver = openDriver(path.join(import.meta.dirname, 'collector.node'));
        if (settings.coreDump) allowCoreDump(driver, context);
        if (found?.kind !== 'absent') return;
        const tls = () => sensor?.tls;
        found = { kind: 'local', driver: await downloadDriver(found, { settings, tls, log, signal }) };
      }),
      load: effect('load', (signal) =>
        patiently(
          () => {
            probe = load(driver, host, found?.kind === 'local' ? found.driver : undefined, context);
            try {
              scanning = scannerFor(driver, probe, host, observer, context);
              checkScans(scanning.kind, host);
              if (!settings.check) attachPrograms(probe, host);
            } catch (error) {
              probe.close();
              throw refusal(error, host);
            }
            if (settings.check) {
              probe.close();
              return;
            }
            tellUdp(probe, context);
            // Root could take them back, and may need them to read what belongs to somebody else.
            if (host.euid !== 0)
              log.info(giveUpCapabilities(driver, neededAfterLoad(scanning.kind, host.release)));
          },
          'loading the BPF programs',
          observer.shortages,
          signal,
        ),
      ),
      collect: effect('collect', async (signal) => {
        if (settings.check) return;
        collecting = collect(
          driver,
          probe!,
          {
            sensor,
            host,
            scanning,
            observer,
            selfCheckProgram: path.join(import.meta.dirname, 'self-check'),
            argumentProgram: path.join(import.meta.dirname, 'argument-reader'),
          },
          context,
          signal,
        );
        await collecting;
      }),
    },
  });
  const life = createActor(machine);
  life.on('startup-over', ({ diagnostics }) => {
    if (diagnostics.driverLoaded) logDiagnostics(diagnostics);
  });

  let firstSignal = -Infinity;
  for (const [name, [number, text]] of Object.entries(SIGNALS)) {
    process.on(name, () => {
      const now = performance.now();
      if (now - firstSignal < SAME_WISH_MS) return;
      if (firstSignal > -Infinity) io.exit(1);
      firstSignal = now;
      deadline.start();
      io.exitWithin(END_MS);
      log.info(`Caught signal ${number} (${name}): ${text}`);
      life.send({ type: 'stop' });
    });
  }
  output.onBroken = () => {
    if (output.isAbandoned) log.info('Nobody reads standard output any more.');
    life.send({ type: 'stop' });
  };

  life.start();
  const { failure, diagnostics } = await toPromise(life);
  observer.activity.phase = 'end';
  // Of a start that came to nothing, when nothing is left that could write a line between the table and what is below
  // it.
  const sayHowFar = (): void => {
    log.flush();
    if (!diagnostics.driverLoaded) logDiagnostics(diagnostics);
  };
  if (failure === undefined) {
    sayHowFar();
    if (!settings.check) log.info('Shutting down collector.');
    // A failure of the last facts, such as a full disk, is one of the run.
    if (!(await deadline.start().wait(collecting))) log.warning('The last facts were not over by the end.');
    await sensor?.close(deadline);
    const unwritten = await output.failure(log, deadline);
    if (unwritten !== undefined) throw unwritten;
    if (settings.check && !diagnostics.driverLoaded) {
      log.error('The checks were interrupted: not all of them have passed.');
      return 1;
    }
    log.info(settings.check ? 'All checks passed.' : 'Collector exiting successfully!');
    return 0;
  }
  await sensor?.close(deadline.start());
  sayHowFar();
  const lastWord = fatalText(failure.phase, { sensor: settings.grpcServer, release: host.release });
  await fail(failure.phase, lastWord, asFailure(failure.error));
  return 1;
}

/** The first lines, which people look for; as log lines where every line has to be one. */
function sayWhoStarts({ os, release }: HostFacts): void {
  const lines = [
    `Collector Version: ${manifest.version}`,
    `OS: ${os}`,
    `Kernel Version: ${release}`,
    'Starting StackRox Collector...',
  ];
  if (settings.logFormat === 'json') lines.forEach((line) => log.info(line));
  else standardError.write(`${lines.join('\n')}\n`);
}

function logDiagnostics(diagnostics: Diagnostics): void {
  const standalone = settings.grpcServer === '' && diagnostics.driverLoaded;
  for (const line of diagnosticsTable({ ...diagnostics, standalone })) log.info(line);
}

/** Says that it ended before anything was tried. */
async function failAtStart(failure: Failure): Promise<void> {
  logDiagnostics({ connectedToSensor: false, driverAvailable: false, driverLoaded: false });
  await fail('start', failure.message, failure);
}

/** Says why Collector ends, in the log and where Kubernetes picks it up. @param failed what had to be done */
async function fail(failed: Phase | 'start', lastWord: string, failure: Failure): Promise<void> {
  log.flush(); // nothing stands below the last word
  for (const { level, message } of failureLines(failure, lastWord, failed)) log[level](message);
  const text = `${lastWord}\nCause: ${failure.message}\nRemedy: ${failure.remedy}\n`;
  const problem = await writeTerminationLog(settings.terminationLog, text);
  if (problem !== undefined) log.warning(`Cannot write ${settings.terminationLog}: ${problem}`);
}
