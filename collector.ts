/** The front door: settings → wiring → run until a signal. The only file that exits the process. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  catchError,
  concat,
  connect,
  finalize,
  from,
  lastValueFrom,
  Observable,
  of,
  share,
  Subject,
  tap,
} from 'rxjs';
import { createActor, fromPromise, toPromise, type PromiseActorLogic } from 'xstate';
import { captureFacts, type CaptureOptions } from './actors/capture/actor.js';
import { checkScans, giveUpCapabilities, neededAfterLoad } from './actors/capture/capabilities.js';
import { cgroupRoot } from './actors/capture/cgroup-root.js';
import {
  attachPrograms,
  loadPrograms,
  openDriver,
  refusal,
  type Driver,
  type Probe,
} from './actors/capture/driver.js';
import type { Fact, StateSettings } from './actors/capture/facts.js';
import { checkHost, readHostFacts, type HostFacts } from './actors/capture/host.js';
import { Losses, summary } from './actors/capture/losses.js';
import type { ProcfsOptions } from './actors/capture/procfs/scanner.js';
import { Recorder } from './actors/capture/recorder.js';
import { openRecording } from './actors/capture/replayer.js';
import { chooseScanner, type ScannerChoice } from './actors/capture/scanner-choice.js';
import { selfCheck } from './actors/capture/self-check.js';
import { Slices } from './actors/capture/slices.js';
import { containerNumberInPath } from './actors/containers/cgroup-path.js';
import { runtimeNews } from './actors/containers/cri/actor.js';
import { containerId } from './actors/containers/id.js';
import { MOST_NAMED } from './actors/containers/metadata.js';
import { ContainerState } from './actors/containers/state.js';
import { networkNews } from './actors/connections/actor.js';
import { downloadDriver, findDriver, type Found } from './actors/drivers/actor.js';
import { insertKernelModule } from './actors/drivers/insert.js';
import { Observer } from './actors/http/observer.js';
import { profileRoutes } from './actors/http/profile.js';
import { serve } from './actors/http/serve.js';
import { outputLines, type News } from './actors/output/actor.js';
import { processNews } from './actors/processes/actor.js';
import { ProcessState } from './actors/processes/state.js';
import { createProfiles } from './actors/profiles/actor.js';
import { Sensor } from './actors/sensor/actor.js';
import { tlsFiles } from './actors/sensor/tls.js';
import { helpText } from './actors/settings/help.js';
import { readSettings } from './actors/settings/read.js';
import { withoutFile } from './actors/settings/runtime-config.js';
import { RuntimeConfigFile } from './actors/settings/runtime-config-file.js';
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
const log = createLog({ level: settings.logLevel, format: settings.logFormat });

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
// Whatever still keeps the process alive is of no use any more: output that nobody reads, a handshake that nobody answers.
process.exit();

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
    const slices = new Slices();
    const all = concat(of(start), from(paced(facts, slices)));
    await lastValueFrom(fold(all, state, slices, printed(state)), { defaultValue: undefined });
    const failure = await outputFailure();
    return failure === undefined ? 0 : explain(failure);
  } catch (error) {
    return explain(asFailure(error));
  }
}

/** The facts, no faster than what they give is read. Ends when nobody reads it any more. */
async function* paced(facts: Iterable<Fact>, slices: Slices): AsyncGenerator<Fact> {
  for (const fact of facts) {
    yield fact;
    const work = slices.run();
    do {
      if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain').catch(() => undefined);
      if (outputError !== undefined) return;
    } while (work.next().done !== true);
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
  sayWhoStarts(host);
  for (const { level, message } of warnings) log[level](message);
  if (errors.length > 0) {
    const failure = new Failure('BAD_SETTINGS', { problems: errors });
    logDiagnostics({ connectedToSensor: false, driverAvailable: false, driverLoaded: false });
    fail(failure.message, failure);
    return 1;
  }
  log.info(`Hostname: '${host.hostname}'`);
  const observer = new Observer(settings, manifest.version, log);
  try {
    if (!settings.check) {
      const profiles = createProfiles(path.join(import.meta.dirname, 'profile-worker.js'), log);
      await serve(settings, observer, { node: host.hostname, log, more: profileRoutes(profiles) });
    }
  } catch (error) {
    const failure = asFailure(error);
    logDiagnostics({ connectedToSensor: false, driverAvailable: false, driverLoaded: false });
    fail(failure.message, failure);
    return 1;
  }

  let driver: Driver;
  let probe: Probe | undefined;
  let scanning: ScannerChoice;
  let sensor: Sensor | undefined;
  let found: Found | undefined;
  let collecting: Promise<unknown> = Promise.resolve();
  const machine = startup.provide({
    actors: {
      'connect-sensor': fromPromise(async ({ signal }) => {
        sensor = await connectSensor(host, observer, signal);
        return sensor !== undefined;
      }),
      'find-driver': fromPromise(async ({ signal }) => {
        found = await findDriver({ settings, log, signal });
      }),
      download: fromPromise(async ({ signal }) => {
        driver = openDriver(path.join(import.meta.dirname, 'collector.node'));
        if (found?.kind !== 'absent') return;
        const tls = () => sensor?.tls;
        found = { kind: 'local', path: await downloadDriver(found, { settings, tls, log, signal }) };
      }),
      load: phase(() => {
        collectGarbage();
        probe = load(driver, host, found?.kind === 'local' ? found.path : '');
        scanning = scannerFor(driver, probe, host, observer);
        checkScans(scanning.kind, host);
        if (settings.check) probe.close();
        else {
          attachPrograms(probe, host.release);
          tellUdp(probe);
          // Root could take them back, and may need them to read what belongs to somebody else.
          if (host.euid !== 0)
            log.info(giveUpCapabilities(driver, neededAfterLoad(scanning.kind, host.release)));
        }
      }),
      collect: fromPromise(async ({ signal }) => {
        if (settings.check) return;
        collecting = capture(driver, probe!, { sensor, host, scanning, observer }, signal);
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
    if (!settings.check) log.info('Shutting down collector.');
    await collecting; // a failure of the last facts, such as a full disk, is one of the run
    await sensor?.close();
    const unwritten = await outputFailure();
    if (unwritten !== undefined) throw unwritten;
    log.info(settings.check ? 'All checks passed.' : 'Collector exiting successfully!');
    return 0;
  }
  await sensor?.close();
  const lastWord = fatalText(failure.phase, { sensor: settings.grpcServer, release: host.release });
  fail(lastWord, asFailure(failure.error));
  return 1;
}

/**
 * Frees what was needed to start, 10 MB of it, before libbpf reads the kernel's types: that is when a Collector takes the
 * most memory.
 */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

/** A phase that is over when its effect returns, and fails with what that throws. */
function phase<T>(effect: () => T): PromiseActorLogic<T> {
  return fromPromise(() => new Promise<T>((resolve) => resolve(effect())));
}

/** Connects to Sensor, unless there is none. */
async function connectSensor(
  host: HostFacts,
  { timers }: Observer,
  signal: AbortSignal,
): Promise<Sensor | undefined> {
  const { grpcServer: address, sniHostname: serverName, signalQueueSize: queueSize } = settings;
  if (address === '') return undefined;
  log.info(`Sensor configured at address: ${address}`);
  const registration = { hostname: host.hostname, instanceId: randomUUID() };
  const sensor = new Sensor({
    address,
    serverName,
    tls: tlsFiles(settings),
    registration,
    queueSize,
    log,
    stopwatches: { create: timers.net_create_message, write: timers.net_write_message },
  });
  try {
    log.info('Attempting to connect to Sensor');
    await sensor.connect(signal);
    log.info('Successfully connected to Sensor.');
    return sensor;
  } catch (error) {
    await sensor.close();
    throw error;
  }
}

/** @param object path of the driver; empty: the one that is built in */
function load(driver: Driver, host: HostFacts, object: string): Probe {
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
      ...shown(),
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
function tellUdp(probe: Probe): void {
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

/** What both the programs and the scans show. */
function shown(): Pick<ProcfsOptions, 'allScopes' | 'loopback' | 'pending' | 'udpListeners' | 'arguments'> {
  return {
    allScopes: settings.scope === 'all',
    // Never in a report, but a person who watches wants to see them.
    loopback: settings.grpcServer === '' && outputFormat() === 'compact',
    pending: !settings.connectionStatus,
    udpListeners: settings.udpListeners,
    arguments: !settings.noProcessArguments,
  };
}

/** How to scan what runs on this host. */
function scannerFor(
  driver: Driver,
  probe: Probe,
  { hostPids }: HostFacts,
  { troubles }: Observer,
): ScannerChoice {
  const choice = chooseScanner({
    probe,
    hostPids,
    hostRoot: settings.hostRoot,
    procfs: {
      ...shown(),
      containerOf: containerNumberInPath,
      now: () => driver.clock().time,
      onUnreadable: (message) => log.warning(message),
      troubles,
    },
  });
  log[choice.kind === 'partial' ? 'warning' : 'info'](choice.why);
  return choice;
}

/**
 * One scan at the start is of use only to the iterators: they arrange that the end of what they find becomes an event.
 * What procfs shows would never be seen to end.
 */
function whenToScrape(scanner: ScannerChoice['kind']): CaptureOptions['scrape'] {
  if (scanner === 'partial') return 'never';
  if (!settings.scrapeDisabled) return 'every tick';
  return scanner === 'iterators' ? 'at start' : 'never';
}

/** A live run, to its end: facts, maybe recorded, to Sensor or to output. */
async function capture(
  driver: Driver,
  probe: Probe,
  surroundings: {
    sensor: Sensor | undefined;
    host: HostFacts;
    scanning: ScannerChoice;
    observer: Observer;
  },
  stop: AbortSignal,
): Promise<void> {
  const { sensor, host, scanning, observer } = surroundings;
  const losses = new Losses();
  const warn = log.throttled('warning');
  let counted = '';
  const without = withoutFile(settings);
  const runtimeConfig = settings.runtimeConfig
    ? new RuntimeConfigFile(settings.runtimeConfigPath, without, ({ level, message }) => log[level](message))
    : undefined;
  observer.probe = probe;
  observer.sensor = sensor;
  observer.runtimeConfig = runtimeConfig;
  stop.addEventListener('abort', () => (observer.readiness = { is: 'waiting' }));
  const format = sensor === undefined ? outputFormat() : 'json';
  const state = { ...stateSettings(settings, runtimeConfig?.current), format };
  const slices = new Slices();
  const sockets = settings.runtimeSockets.map((socket) => path.join(settings.hostRoot, socket));
  const strangers = new Subject<number>();
  const facts = captureFacts(
    driver,
    probe,
    {
      settings: state,
      scanner: observer.timed(scanning.scanner),
      scrape: whenToScrape(scanning.kind),
      slices,
      onStats: (stats) => {
        counted = summary(stats);
        const lost = losses.news(stats);
        if (lost !== undefined) warn(lost);
      },
      ...(sensor && { listener: sensor.listener }),
      ...(runtimeConfig && {
        config: new Observable((changed) => runtimeConfig.watch((config) => changed.next(config))),
      }),
      ...(settings.runtimeConfig && { containers: runtimeNews({ sockets, strangers, log }) }),
    },
    stop,
  ).pipe(share());
  sensor?.start();
  const tell = sensor ? (news: News) => sensor.deliver(news) : printed(state, observer);
  const run = fold(observer.watch(recorded(facts)), state, slices, tell, {
    observer,
    onStranger: (count) => strangers.next(count),
  }).pipe(
    catchError((error: unknown) => {
      throw refusal(error, host.release);
    }),
    finalize(() => {
      if (counted !== '') log.info(counted);
    }),
  );
  const running = lastValueFrom(run, { defaultValue: undefined });
  void checkSelf(facts, probe, observer, stop);
  await running;
}

/** Proves that events flow. It does not end a run: a node that is half blind is better than one that is not watched. */
async function checkSelf(
  facts: Observable<Fact>,
  probe: Probe,
  observer: Observer,
  stop: AbortSignal,
): Promise<void> {
  const result = await selfCheck(facts, probe, path.join(import.meta.dirname, 'self-check'));
  if (stop.aborted) return;
  if (result.ok) {
    observer.readiness = { is: 'ready' };
    log.info('Self-check passed: events flow from the kernel.');
  } else {
    const { missing, reason } = result;
    const failure = new Failure('SELF_CHECK', { missing, ...(reason !== undefined && { reason }) });
    observer.readiness = { is: 'blind', cause: failure.message };
    log.error(`Self-check failed: ${failure.message}`);
    log.error(`Remedy: ${failure.remedy}`);
  }
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

/**
 * Folds facts, and passes on what there is to tell.
 * @param onStranger a container was met that no runtime has told of
 */
function fold(
  facts: Observable<Fact>,
  { processTableSize, format }: StateSettings,
  slices: Slices,
  tell: (news: News) => Observable<unknown>,
  {
    observer,
    onStranger = () => undefined,
  }: { observer?: Observer; onStranger?: (count: number) => void } = {},
): Observable<unknown> {
  // A person who watches gets a line for each event.
  const state = new ProcessState(processTableSize, format !== 'compact');
  const warn = log.throttled('warning');
  let forgotten = 0;
  const containers = new ContainerState();
  const warnOfNames = log.throttled('warning');
  let strangers = 0;
  let unnamed = 0;
  if (observer !== undefined) {
    observer.processes = state;
    observer.containers = containers;
  }
  return facts.pipe(
    tap((fact) => {
      for (const { id, cgroup } of containers.fold(fact)) {
        log.warning(`Container ${id} was told by the kernel side, but its cgroup is '${cgroup}'`);
      }
      if (containers.strangers !== strangers) onStranger((strangers = containers.strangers));
      if (containers.namesEvicted === unnamed) return;
      unnamed = containers.namesEvicted;
      warnOfNames(`Forgot the names of ${unnamed} containers so far: there is room for ${MOST_NAMED}`);
    }),
    tap(({ kind }) => {
      if (kind !== 'tick') return;
      const { evicted, nameless, throttleForgotten } = state.statistics;
      const sum = evicted + nameless + throttleForgotten;
      if (sum === forgotten) return;
      forgotten = sum;
      warn(
        `Forgot ${evicted} processes, ${nameless} times who listens and ${throttleForgotten} times how often a ` +
          'process was told so far, for want of room: ROX_COLLECTOR_SINSP_THREAD_CACHE_SIZE bounds the first',
      );
    }),
    connect((shared) =>
      tell({
        processes: processNews(shared, state).pipe(tap(({ signals }) => observer?.signals(signals))),
        network: networkNews(
          shared,
          (container, pid) => {
            const id = state.originatorId(container, pid);
            return observer?.originator(id) ?? id;
          },
          slices,
          {
            ...observer?.network,
            onOriginators: (used) => state.keepOriginators(used),
            onLimited: ({ container, count, most }) =>
              log.warning(
                `Container ${containerId(container)} has too many new connections: a report has room for ${most} ` +
                  `(networking.maxConnectionsPerMinute), ${count} wait for later ones. This is said once.`,
              ),
          },
        ),
        originator: (id) => state.originator(id),
        metadata: (container) => containers.metadataOf(container),
      }),
    ),
  );
}

/** Prints it to standard output. */
function printed({ format }: StateSettings, observer?: Observer): (news: News) => Observable<unknown> {
  const warn = log.throttled('warning');
  const { isTTY, columns } = process.stdout;
  const color = isTTY && process.env['NO_COLOR'] === undefined;
  let unread = 0;
  let reported: number | undefined;
  return (news) => {
    const network = news.network.pipe(tap(() => (reported = performance.now())));
    return outputLines({ ...news, network }, format, isTTY ? { color, width: columns } : { color }).pipe(
      tap((lines) => {
        const start = performance.now();
        if (process.stdout.writableLength > MOST_UNREAD) {
          unread += lines.length;
          if (observer !== undefined) observer.unread = unread;
          warn(`Dropped ${unread} lines of output so far, since nobody reads standard output`);
        } else {
          process.stdout.write(`${lines.join('\n')}\n`);
        }
        if (reported === undefined || observer === undefined) return;
        observer.timers.net_create_message.add(start - reported);
        observer.timers.net_write_message.add(performance.now() - start);
        reported = undefined;
      }),
    );
  };
}

function outputFormat(): StateSettings['format'] {
  return settings.format ?? 'json';
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
  else process.stderr.write(`${lines.join('\n')}\n`);
}

function logDiagnostics(diagnostics: Diagnostics): void {
  const standalone = settings.grpcServer === '' && diagnostics.driverLoaded;
  for (const line of diagnosticsTable({ ...diagnostics, standalone })) log.info(line);
}

/** Says why Collector ends, in the log and where Kubernetes picks it up. */
function fail(lastWord: string, failure: Failure): void {
  log.flush(); // nothing stands below the last word
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
