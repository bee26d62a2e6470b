/** The front door: settings → phases of a run, until a signal. The only file that exits the daemon. */
import { daemonArguments } from './actors/command/words.js';
import path from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { createActor, toPromise } from 'xstate';
import { Health } from './actors/capture/health.js';
import { readHostFacts, type HostFacts } from './actors/capture/host.js';
import { Introspection } from './actors/http/introspection.js';
import { profileRoutes } from './actors/http/profile.js';
import { serve } from './actors/http/serve.js';
import { EventRelay } from './actors/inspection/event-relay.js';
import { Inspection } from './actors/inspection/actor.js';
import type { NodeAccess } from './actors/inspection/ask.js';
import { askRoutes } from './actors/inspection/ask-routes.js';
import { guarded } from './actors/http/guard.js';
import { InspectorSender } from './actors/inspection/sender.js';
import { inspectionRoutes } from './actors/inspection/routes.js';
import { viewRoutes, Views } from './actors/inspection/view-routes.js';
import { createProfiles } from './actors/profiles/actor.js';
import { openIo, standardStreams } from './actors/output/standard-streams.js';
import { absentParts } from './actors/wiring/absent-parts.js';
import { peersOf } from './actors/wiring/collect.js';
import type { LiveContext, RunContext } from './actors/wiring/context.js';
import { effects } from './actors/wiring/effects.js';
import { inspectReplay } from './actors/wiring/inspected-replay.js';
import { LifecycleRecording } from './actors/wiring/lifecycle-recording.js';
import { replay } from './actors/wiring/replay.js';
import { startWatchdog } from './actors/wiring/watchdog.js';
import { helpText } from './actors/settings/help.js';
import { readSettings } from './actors/settings/read.js';
import { withoutFile } from './actors/settings/runtime-config.js';
import { diagnosticsTable, failureLines, fatalText } from './actors/telemetry/diagnostics.js';
import { Deadline } from './actors/telemetry/deadline.js';
import { asFailure, Failure } from './actors/telemetry/failures.js';
import { LastLines } from './actors/telemetry/last-lines.js';
import { createLog } from './actors/telemetry/log.js';
import { Telemetry } from './actors/telemetry/telemetry.js';
import { writeTerminationLog } from './actors/telemetry/termination-log.js';
import { lifecycle, type Diagnostics, type Phase } from './machines/lifecycle.js';
import manifest from './package.json' with { type: 'json' };

/** Signals for the end of a run in good order: number and name, as in strsignal(3). */
const SIGNALS = { SIGINT: [2, 'Interrupt'], SIGTERM: [15, 'Terminated'] } as const;
/** Time for the whole end of a run, from the signal on, ms. Its last part is for the log and for Node to exit. */
const END_MS = 2000;
const EXIT_SHARE = 0.1;
/** Least time for the last lines of the log, ms. */
const LEAST_FLUSH_MS = 100;
/** A terminal's Ctrl-C reaches npm and us, and npm passes it on: one wish, not two. */
const SAME_WISH_MS = 500;

// Memory that V8 takes in a storm stays: young objects have the same little room in it, and old ones are collected once
// there are half as many more. V8's other way, --optimize-for-size, saves 2 MB more, and an exec costs a fifth more; a
// larger bound for inlining (--max-inlined-bytecode-size-cumulative) takes V8's compiler longer than most nodes have
// execs (scripts/bench/young.ts).
for (const flag of ['--semi-space-growth-factor=1', '--heap-growing-percent=50']) setFlagsFromString(flag);

const { settings, warnings, errors } = readSettings(daemonArguments, process.env);
const io = openIoOrExit();
const { output, standardError } = standardStreams(io);
const logLines = new LastLines();
const log = createLog({
  level: settings.logLevel,
  format: settings.logFormat,
  write: (line) => {
    logLines.push(line);
    standardError.write(line);
  },
});
standardError.onRoom = (dropped) =>
  log.warning(`${dropped} log lines were dropped, since nobody read standard error`);
const deadline = new Deadline(END_MS * (1 - EXIT_SHARE));
const context: RunContext = { settings, log, output, io, deadline };

// Every way out: a reader gets the rest of the time for the last lines, and no hanging thread is waited for.
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
// Anything still keeping the process alive is of no use any more, an unanswered handshake for example.
process.exit();

async function main(): Promise<number> {
  if (settings.help || settings.version) {
    output.write(settings.help ? `${helpText()}\n` : `${manifest.version}\n`);
  } else if (errors.length === 0 && settings.replay !== undefined) {
    try {
      if (settings.inspect === undefined) await replay(settings.replay, context);
      else await inspectReplay(settings.replay, context, manifest.version, stopSignal());
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
  const telemetry = new Telemetry({
    version: manifest.version,
    detailed: settings.detailedMetrics,
    quantiles: settings.connectionStats ? settings.connectionStatsQuantiles : undefined,
    log,
    absent: absentParts(settings),
  });
  const peers = peersOf(settings);
  telemetry.publish({ peers: () => peers });
  telemetry.publish({ droppedLogLines: () => standardError.dropped });
  const introspection = new Introspection(withoutFile(settings));
  const recording = new LifecycleRecording();
  const views = new Views();
  let node: NodeAccess | undefined;
  const live: LiveContext = {
    ...context,
    telemetry,
    introspection,
    views,
    events: new EventRelay(),
    peers,
    lifecycle: recording,
    health: new Health(),
    offerNode: (access) => (node = access),
  };
  const stall = await startWatchdog(telemetry, standardError, context);
  const host = readHostFacts(settings.hostRoot, settings.nodeHostname);
  writeFirstLines(host);
  if (stall !== undefined) explain(stall);
  for (const { level, message } of warnings) log[level](message);
  if (errors.length > 0) {
    await failAtStart(new Failure('BAD_SETTINGS', { problems: errors }));
    return 1;
  }
  log.info(`Hostname: '${host.hostname}'`);
  const warnOfInspection = log.throttled('warning');
  const inspection = new Inspection(
    { version: manifest.version, node: host.hostname, release: host.release, mode: 'live' },
    (error) => warnOfInspection(`An inspection misses something: ${String(error)}`),
  );
  if (settings.record !== undefined) inspection.follow((message) => recording.take(message));
  let served: Opened | undefined;
  try {
    if (!settings.check) served = await openServers(host, live, inspection, () => node);
  } catch (error) {
    await failAtStart(asFailure(error));
    return 1;
  }

  // A person at a terminal finds it below everything else; Sensor may be long in coming, and the page says why.
  const isStandalone = settings.grpcServer === '';
  if (!isStandalone) logPage(served?.page);
  const actors = effects(host, live, (failure) => life.send({ type: 'obstacle', failure }));
  const life = createActor(lifecycle.provide({ actors }), {
    id: 'collector',
    input: { checkOnly: settings.check },
    inspect: inspection.inspect,
  });
  life.on('startup-over', ({ diagnostics }) => {
    if (diagnostics.driverLoaded) logDiagnostics(diagnostics);
    if (isStandalone) logPage(served?.page);
  });
  if (settings.inspectorUrl !== undefined)
    new InspectorSender(inspection, { url: settings.inspectorUrl, log });
  stopOnSignals(() => life.send({ type: 'stop' }));
  life.start();
  const { failure, diagnostics, sensor, loaded } = await toPromise(life);
  served?.closeSocket();
  telemetry.activity.phase = 'end';
  await loaded?.unload();
  // After a failed start, at a time when no other line can come between the table and the lines below it.
  const logHowFar = (): void => {
    log.flush();
    if (!diagnostics.driverLoaded) logDiagnostics(diagnostics);
  };
  if (failure !== undefined) {
    await sensor?.close(deadline.start());
    logHowFar();
    const lastWord = fatalText(failure.phase, { sensor: settings.grpcServer, release: host.release });
    await fail(failure.phase, lastWord, asFailure(failure.error));
    return 1;
  }
  logHowFar();
  // The runtime has logged its own end, and has closed the connection to Sensor.
  if (!settings.check && !diagnostics.driverLoaded) log.info('Shutting down collector.');
  await sensor?.close(deadline.start());
  const unwritten = await output.failure(log, deadline.start());
  if (unwritten !== undefined) throw unwritten;
  if (settings.check && !diagnostics.driverLoaded) {
    log.error('The checks were interrupted: not all of them have passed.');
    return 1;
  }
  log.info(settings.check ? 'All checks passed.' : 'Collector exiting successfully!');
  return 0;
}

interface Opened {
  /** The address of the page to watch Collector on; undefined if it is not served. */
  readonly page: string | undefined;
  /** Closes the socket of the command. */
  readonly closeSocket: () => void;
}

async function openServers(
  { hostname }: HostFacts,
  { telemetry, introspection, views, events, health }: LiveContext,
  inspection: Inspection,
  node: () => NodeAccess | undefined,
): Promise<Opened> {
  const profiles = createProfiles(path.join(import.meta.dirname, 'profile-worker.js'), log);
  const inspected = inspectionRoutes(inspection, {
    folder: path.join(import.meta.dirname, 'inspect'),
    hosts: settings.inspectHosts,
    log,
    events,
    views: viewRoutes(views),
  });
  const asked = askRoutes({
    settings,
    inspection,
    readiness: () => health.readiness,
    counts: telemetry.sources,
    node,
    logLines,
  });
  const { address, closeSocket } = await serve(settings, {
    telemetry,
    introspection,
    readiness: () => health.readiness,
    node: hostname,
    log,
    more: profileRoutes(profiles),
    inspected: [...inspected, ...guarded(asked, { hosts: settings.inspectHosts })],
    asked,
  });
  const page = address === undefined || settings.introspection === false ? undefined : pageOf(address);
  return { page, closeSocket };
}

/** The page at a server, as a person on this machine calls it. */
function pageOf(address: string): string {
  return `http://${address.replace(/^0\.0\.0\.0:/, '127.0.0.1:').replace(/^\[::\]:/, '[::1]:')}/inspect`;
}

/** Aborts when Collector is to end. */
function stopSignal(): AbortSignal {
  const stop = new AbortController();
  stopOnSignals(() => stop.abort());
  return stop.signal;
}

/** Stops at the first signal, and exits at the next; also stops when standard output can't be written any more. */
function stopOnSignals(stop: () => void): void {
  let firstSignal = -Infinity;
  for (const [name, [number, text]] of Object.entries(SIGNALS)) {
    process.on(name, () => {
      const now = performance.now();
      if (now - firstSignal < SAME_WISH_MS) return;
      if (firstSignal > -Infinity) io.exit(1);
      firstSignal = now;
      deadline.start();
      log.info(`Caught signal ${number} (${name}): ${text}`);
      stop();
    });
  }
  io.exitWithin(
    END_MS,
    Object.values(SIGNALS).map(([number]) => number),
  );
  output.onBroken = () => {
    if (output.isAbandoned) log.info('Nobody reads standard output any more.');
    stop();
  };
}

/** Writes the first lines, known to people; as log lines where every line has to be one. */
function writeFirstLines({ os, release }: HostFacts): void {
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

function logPage(page: string | undefined): void {
  if (page !== undefined) log.info(`Watch it at ${page}`);
}

/** Logs an end before the first phase. */
async function failAtStart(failure: Failure): Promise<void> {
  logDiagnostics({ connectedToSensor: false, driverAvailable: false, driverLoaded: false });
  await fail('start', failure.message, failure);
}

/** Writes the reason of the end to the log, and where Kubernetes picks it up. @param failed the failed phase */
async function fail(failed: Phase | 'start', lastWord: string, failure: Failure): Promise<void> {
  log.flush(); // nothing stands below the last word
  for (const { level, message } of failureLines(failure, lastWord, failed)) log[level](message);
  const text = `${lastWord}\nCause: ${failure.message}\nRemedy: ${failure.remedy}\n`;
  const problem = await writeTerminationLog(settings.terminationLog, text);
  if (problem !== undefined) log.warning(`Cannot write ${settings.terminationLog}: ${problem}`);
}
