/** The front door: settings → wiring → run until a signal. The only file that exits the process. */
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { catchError, concat, connect, finalize, from, lastValueFrom, of, tap, type Observable } from 'rxjs';
import { createActor, fromPromise, toPromise, type PromiseActorLogic } from 'xstate';
import { captureFacts } from './actors/capture/actor.js';
import { loadPrograms, openDriver, refusal, type Driver, type Probe } from './actors/capture/driver.js';
import type { Fact, StateSettings } from './actors/capture/facts.js';
import { checkHost, readHostFacts, type HostFacts } from './actors/capture/host.js';
import { Losses, summary } from './actors/capture/losses.js';
import { Recorder } from './actors/capture/recorder.js';
import { openRecording } from './actors/capture/replayer.js';
import { ContainerState } from './actors/containers/state.js';
import { networkNews } from './actors/connections/actor.js';
import { outputLines } from './actors/output/actor.js';
import { processNews } from './actors/processes/actor.js';
import { ProcessState } from './actors/processes/state.js';
import { helpText } from './actors/settings/help.js';
import { readSettings } from './actors/settings/read.js';
import { ringPlan } from './actors/settings/ring-plan.js';
import { stateSettings } from './actors/settings/state-settings.js';
import {
  diagnosticsTable,
  failureLines,
  fatalText,
  type Diagnostics,
} from './actors/telemetry/diagnostics.js';
import { asFailure, Failure } from './actors/telemetry/failures.js';
import { createLog } from './actors/telemetry/log.js';
import { startup } from './machines/startup.js';
import manifest from './package.json' with { type: 'json' };

/** Signals that end a run in good order: number and name, as strsignal(3) has it. */
const SIGNALS = { SIGINT: [2, 'Interrupt'], SIGTERM: [15, 'Terminated'] } as const;
/** A terminal's Ctrl-C reaches npm and us, and npm passes it on: that is one wish, not two. */
const SAME_WISH_MS = 500;
/** Bytes of output that wait for a reader at most, and how long the end of a run waits for it. */
const MOST_UNREAD = 16 * 1024 * 1024;
const UNREAD_GRACE_MS = 2000;

// Memory of the node is dearer than garbage collection is: a storm of execs takes 30 MB less, and no more time.
for (const flag of ['--semi-space-growth-factor=1', '--optimize-for-size']) setFlagsFromString(flag);

const { settings, warnings, errors } = readSettings(process.argv.slice(2), process.env);
const log = createLog({ level: settings.logLevel });

/** What writing to standard output failed with, if it did; and what is done about it at once. */
let outputError: NodeJS.ErrnoException | undefined;
let onOutputError = (): void => undefined;
process.stdout.on('error', (error) => {
  outputError ??= error;
  onOutputError();
});

try {
  process.exitCode = await main();
} catch (error) {
  fail('Collector can no longer collect.', asFailure(error));
  process.exitCode = 1;
}
log.flush();
// What is still to be read would keep the process alive for as long as nobody reads it.
if (process.stdout.writableLength > 0) process.exit();

async function main(): Promise<number> {
  if (settings.help || settings.version) {
    process.stdout.write(settings.help ? `${helpText()}\n` : `${manifest.version}\n`);
    const failure = await outputFailure();
    return failure === undefined ? 0 : explain(failure);
  }
  if (errors.length === 0 && settings.replay !== undefined) return replay(settings.replay);
  return collect();
}

/** Folds a recording to the output that its run had. */
async function replay(file: string): Promise<number> {
  try {
    const { start, facts } = openRecording(file);
    const state = { ...start.settings, format: settings.format ?? start.settings.format };
    const all = concat(of(start), from(paced(facts)));
    await lastValueFrom(output(all, state), { defaultValue: undefined });
    const failure = await outputFailure();
    return failure === undefined ? 0 : explain(failure);
  } catch (error) {
    return explain(asFailure(error));
  }
}

/** The facts, no faster than what they give is read. Ends when nobody reads it any more. */
async function* paced(facts: Iterable<Fact>): AsyncGenerator<Fact> {
  for (const fact of facts) {
    yield fact;
    if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain').catch(() => undefined);
    if (outputError !== undefined) return;
  }
}

/**
 * Waits until all that was printed has been taken, for a while.
 * @returns what went wrong with it; that the reader has gone, as in `… | head`, is no failure
 */
async function outputFailure(): Promise<Failure | undefined> {
  const written = new Promise((resolve) => process.stdout.write('', resolve));
  await Promise.race([written, delay(UNREAD_GRACE_MS, undefined, { ref: false })]);
  const { writableLength: unread } = process.stdout;
  if (outputError === undefined && unread > 0)
    log.warning(`Dropped ${unread} bytes of output, which nobody read`);
  if (outputError === undefined || outputError.code === 'EPIPE') return undefined;
  return new Failure('OUTPUT_UNWRITABLE', { reason: outputError.code ?? outputError.message });
}

/** @returns the exit code of a failure */
function explain(failure: Failure): number {
  log.error(`Cause: ${failure.message}`);
  log.error(`Remedy: ${failure.remedy}`);
  return 1;
}

/** The whole life of the daemon. */
async function collect(): Promise<number> {
  const host = readHostFacts(settings.hostRoot, settings.nodeHostname);
  process.stderr.write(
    `Collector Version: ${manifest.version}\nOS: ${host.os}\nKernel Version: ${host.release}\n` +
      'Starting StackRox Collector...\n',
  );
  for (const { level, message } of warnings) log[level](message);
  if (errors.length > 0) {
    const failure = new Failure('BAD_SETTINGS', { problems: errors });
    logDiagnostics({ connectedToSensor: false, driverAvailable: false, driverLoaded: false });
    fail(failure.message, failure);
    return 1;
  }
  log.info(`Hostname: '${host.hostname}'`);

  let driver: Driver;
  let probe: Probe | undefined;
  let collecting: Promise<unknown> = Promise.resolve();
  const machine = startup.provide({
    actors: {
      'connect-sensor': phase(connectSensor),
      'find-driver': phase(findDriver),
      download: phase(() => {
        driver = openDriver(path.join(import.meta.dirname, 'collector.node'));
      }),
      load: phase(() => {
        probe = load(driver, host);
      }),
      collect: fromPromise(async ({ signal }) => {
        collecting = lastValueFrom(capture(driver, probe!, host, signal), { defaultValue: undefined });
        await collecting;
      }),
    },
  });
  const run = createActor(machine);
  run.on('startup-over', ({ diagnostics }) => logDiagnostics(diagnostics));

  let firstSignal = -Infinity;
  for (const [name, [number, text]] of Object.entries(SIGNALS)) {
    process.on(name, () => {
      const now = performance.now();
      if (now - firstSignal < SAME_WISH_MS) return;
      if (firstSignal > -Infinity) process.exit(1);
      firstSignal = now;
      log.info(`Caught signal ${number} (${name}): ${text}`);
      run.send({ type: 'stop' });
    });
  }
  onOutputError = () => {
    if (outputError?.code === 'EPIPE') log.info('Nobody reads standard output any more.');
    run.send({ type: 'stop' });
  };

  run.start();
  const { failure } = await toPromise(run);
  if (failure === undefined) {
    log.info('Shutting down collector.');
    await collecting; // a failure of the last facts, such as a full disk, is one of the run
    const unwritten = await outputFailure();
    if (unwritten !== undefined) throw unwritten;
    log.info('Collector exiting successfully!');
    return 0;
  }
  const lastWord = fatalText(failure.phase, { sensor: settings.grpcServer, release: host.release });
  fail(lastWord, asFailure(failure.error));
  return 1;
}

/** A phase that is over when its effect returns, and fails with what that throws. */
function phase<T>(effect: () => T): PromiseActorLogic<T> {
  return fromPromise(() => new Promise<T>((resolve) => resolve(effect())));
}

/** Standalone is the only way to run so far. */
function connectSensor(): boolean {
  if (settings.grpcServer !== '') throw new Failure('SENSOR_NOT_SUPPORTED', { sensor: settings.grpcServer });
  return false;
}

/** The one driver there is so far is part of the build. */
function findDriver(): void {
  const { collectionMethod: method } = settings;
  if (method !== 'core_bpf') throw new Failure('METHOD_NOT_SUPPORTED', { method });
}

function load(driver: Driver, host: HostFacts): Probe {
  const missing = checkHost(host);
  if (missing !== undefined) throw missing;
  const plan = ringPlan(driver.possibleCpus, settings);
  const probe = loadPrograms(
    driver,
    {
      rings: plan.rings,
      ringBytes: plan.bytesPerRing,
      cpusPerRing: plan.cpusPerRing,
      allScopes: settings.scope === 'all',
      // Never in a report, but a person who watches wants to see them.
      loopback: outputFormat() === 'compact',
      arguments: !settings.noProcessArguments,
      runTime: false,
    },
    host.release,
  );
  log.info(
    `Loaded core_bpf: ${plan.rings} ring buffer(s) of ${plan.bytesPerRing / 1024} KiB, scope ${settings.scope}`,
  );
  return probe;
}

/** A live run: facts, maybe recorded, to output. */
function capture(driver: Driver, probe: Probe, host: HostFacts, stop: AbortSignal): Observable<unknown> {
  const losses = new Losses();
  const warn = log.throttled('warning');
  let counted = '';
  const state = { ...stateSettings(settings), format: outputFormat() };
  const facts = captureFacts(
    driver,
    probe,
    {
      settings: state,
      scrape: !settings.scrapeDisabled,
      onStats: (stats) => {
        counted = summary(stats);
        const lost = losses.news(stats);
        if (lost !== undefined) warn(lost);
      },
    },
    stop,
  );
  return output(recorded(facts), state).pipe(
    catchError((error: unknown) => {
      throw refusal(error, host.release);
    }),
    finalize(() => {
      if (counted !== '') log.info(counted);
    }),
  );
}

/** The facts, each written to the recording before anybody folds it. */
function recorded(facts: Observable<Fact>): Observable<Fact> {
  if (settings.record === undefined) return facts;
  const recorder = new Recorder(settings.record);
  return facts.pipe(
    tap((fact) => recorder.write(fact)),
    finalize(() => recorder.close()),
  );
}

/** Prints what facts give. */
function output(facts: Observable<Fact>, { format, processTableSize }: StateSettings): Observable<unknown> {
  const state = new ProcessState(processTableSize);
  const warn = log.throttled('warning');
  const warnOfTables = log.throttled('warning');
  let forgotten = 0;
  let unread = 0;
  const containers = new ContainerState();
  const { isTTY, columns } = process.stdout;
  const color = isTTY && process.env['NO_COLOR'] === undefined;
  return facts.pipe(
    tap((fact) => {
      for (const { id, cgroup } of containers.fold(fact)) {
        log.warning(`Container ${id} was told by the kernel side, but its cgroup is '${cgroup}'`);
      }
    }),
    tap(({ kind }) => {
      if (kind !== 'tick' || state.evicted + state.nameless === forgotten) return;
      forgotten = state.evicted + state.nameless;
      warnOfTables(
        `Forgot ${state.evicted} processes and ${state.nameless} times who listens so far, for want of room: ` +
          'ROX_COLLECTOR_SINSP_THREAD_CACHE_SIZE bounds the first',
      );
    }),
    connect((shared) =>
      outputLines(
        {
          processes: processNews(shared, state),
          network: networkNews(shared, (container, pid) => state.originatorId(container, pid)),
          originator: (id) => state.originator(id),
        },
        format,
        isTTY ? { color, width: columns } : { color },
      ),
    ),
    tap((lines) => {
      if (process.stdout.writableLength > MOST_UNREAD) {
        unread += lines.length;
        warn(`Dropped ${unread} lines of output so far, since nobody reads standard output`);
      } else {
        process.stdout.write(`${lines.join('\n')}\n`);
      }
    }),
  );
}

function outputFormat(): StateSettings['format'] {
  return settings.format ?? 'json';
}

function logDiagnostics(diagnostics: Diagnostics): void {
  const standalone = settings.grpcServer === '' && diagnostics.driverLoaded;
  for (const line of diagnosticsTable({ ...diagnostics, standalone })) log.info(line);
}

/** Says why Collector ends, in the log and where Kubernetes picks it up. */
function fail(lastWord: string, failure: Failure): void {
  for (const { level, message } of failureLines(failure, lastWord)) log[level](message);
  if (!existsSync(settings.terminationLog)) return;
  try {
    writeFileSync(
      settings.terminationLog,
      `${lastWord}\nCause: ${failure.message}\nRemedy: ${failure.remedy}\n`,
    );
  } catch (error) {
    log.warning(
      `Cannot write ${settings.terminationLog}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}
