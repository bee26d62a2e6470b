import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { catchError, finalize, lastValueFrom, Observable, share, tap } from 'rxjs';
import type { Counts } from '../../machines/part.js';
import type { CollectingInput, RunningParts, SelfCheck } from '../../machines/collecting.js';
import { captureFacts } from '../capture/actor.js';
import { refusal, type Addon } from '../capture/driver.js';
import type { Fact, StateSettings } from '../capture/facts.js';
import type { HostFacts } from '../capture/host.js';
import { Losses, summary } from '../capture/losses.js';
import { CaptureMeter } from '../capture/meter.js';
import { MOST_UNWRITTEN, Recorder, recordingLosses } from '../capture/recorder.js';
import { selfCheck } from '../capture/self-check.js';
import { Slices } from '../capture/slices.js';
import { peerSummaries } from '../connections/actor.js';
import { Runtimes } from '../containers/cri/actor.js';
import { refusalLine } from '../containers/refusal-line.js';
import type { SensorView } from '../inspection/why.js';
import { Printer } from '../output/actor.js';
import type { Sensor } from '../sensor/actor.js';
import { RuntimeConfigFile } from '../settings/runtime-config-file.js';
import { withoutFile } from '../settings/runtime-config.js';
import { stateSettings } from '../settings/state-settings.js';
import type { Settings } from '../settings/table.js';
import { Failure } from '../telemetry/failures.js';
import type { PeerSummaries, Publication } from '../telemetry/publication.js';
import { countsOf } from '../telemetry/telemetry.js';
import { WindowSummary } from '../telemetry/window-summary.js';
import type { LiveContext, RunContext } from './context.js';
import { PAST_EVENT_BYTES, Pipeline } from './pipeline.js';
import { argumentReaderFor, whenToScrape } from './scans.js';
import { outputFormat } from './visibility.js';
import { warmUp } from './warm-up.js';

/** How long the start waits for the disk of the runtime configuration, ms. */
const CONFIG_PATIENCE_MS = 2000;
/** How long the end of a run waits for the disk of a recording, ms. */
const RECORDING_GRACE_MS = 500;
/** Between two attempts of a self-check, ms. */
const SELF_CHECK_PAUSE_MS = 5000;
const SECONDS_PER_MINUTE = 60;
const LONG_SCAN =
  'A scan of sockets took more than 5 s and was given up: some container holds very many descriptors. Connections and ' +
  'ports are told by events meanwhile; those older than Collector may be missing';

/** Programs started by Collector: paths in its own folder. */
export interface Programs {
  /** Proves the flow of events. */
  readonly selfCheck: string;
  /** Reads arguments. */
  readonly argumentReader: string;
}

/**
 * Makes the parts of a live run: facts, maybe recorded, to Sensor or to output. Everything is published when it
 * returns; nothing collects before `RunningParts.collect`.
 * @throws Failure RECORD_UNWRITABLE
 */
export async function prepareParts(
  { sensor, addon, loaded: { driver, scanning, problems } }: CollectingInput,
  host: HostFacts,
  programs: Programs,
  context: LiveContext,
): Promise<RunningParts> {
  const {
    settings,
    log,
    output,
    deadline,
    telemetry,
    health,
    introspection,
    views,
    offerNode,
    peers,
    lifecycle,
  } = context;
  const runtimeConfig = await readRuntimeConfig(context);
  const state = {
    ...stateSettings(settings, runtimeConfig?.current),
    format: sensor === undefined ? outputFormat(settings) : 'json',
  } satisfies StateSettings;
  const slices = new Slices();
  const sockets = settings.runtimeSockets.map((socket) => path.join(settings.hostRoot, socket));
  const runtimes = settings.runtimeConfig
    ? new Runtimes({ sockets, hostRoot: settings.hostRoot, log })
    : undefined;
  const { durations } = telemetry.metrics;
  const pipeline = new Pipeline(state, slices, log, {
    onUnknownContainer: () => runtimes?.ask(),
    onReport: durations.tick,
    peers,
    pastEvents: settings.introspection === false && settings.socket === '' ? 0 : PAST_EVENT_BYTES,
  });
  const { containers, processes, connections } = pipeline;
  const meter = new CaptureMeter(driver, telemetry.activity, {
    ...durations,
    scan: (of, seconds) => {
      durations.scan(of, seconds);
      pipeline.factLog.scanned(of, seconds);
    },
  });
  const reader = argumentReaderFor(scanning, programs.argumentReader, context);
  const recorder = startRecording(context);
  const reporter = sensor ?? new Printer(output, state.format, log);

  const captured: readonly Publication[] = [
    meter.publication,
    health.publication,
    problems.publication,
    ...(reader ? [reader.publication] : []),
    // Without a recording too, so a scrape has the series at any time.
    recorder?.publication ?? { losses: () => recordingLosses() },
  ];
  const parts: Readonly<Record<string, readonly Publication[]>> = {
    capture: captured,
    containers: [containers.publication],
    processes: [processes.publication],
    connections: [connections.publication],
    [sensor === undefined ? 'output' : 'sensor']: [reporter.publication],
  };
  Object.values(parts)
    .flat()
    .forEach((publication) => telemetry.publish(publication));
  const originator = (id: number) => processes.state.originator(id);
  introspection.offer({
    container: (id) => containers.view(id),
    connections: (view) => connections.listConnections({ ...view, originator }),
    endpoints: (view) => connections.listEndpoints({ ...view, originator }),
    ...(runtimeConfig && { runtimeConfig: () => runtimeConfig.current }),
  });
  context.events.attach(pipeline.events);
  const viewed = pipeline.viewSources(sensor && sensorView(sensor));
  views.offer(viewed);
  offerNode({ events: pipeline.events, node: viewed });

  const collect: RunningParts['collect'] = async (stop, onSelfCheck) => {
    const losses = new Losses();
    const warn = log.throttled('warning');
    const warnOfLongScan = log.throttled('warning');
    let counted = '';
    stop.addEventListener('abort', () => (health.selfCheck = { is: 'waiting' }));
    const facts = captureFacts(
      addon,
      driver,
      {
        settings: state,
        scanner: meter.timed(scanning.scanner),
        ...(reader && {
          arguments: { reader, knows: (records, at) => processes.state.knowsArguments(records, at) },
        }),
        scrape: whenToScrape(scanning.kind, settings),
        slices,
        deadline,
        onCut: (unread) =>
          log.warning(
            `The end left no time for all that had happened: ${unread} kernel events were not read, and the last report ` +
              'is not complete',
          ),
        onStats: (stats) => {
          counted = summary(stats);
          pipeline.factLog.kernel(stats);
          const lost = losses.report(stats);
          if (lost !== undefined) warn(lost);
          for (const refused of losses.refusals(stats))
            log.warning(refusalLine(refused, containers.state.metadataOf(refused.container)));
        },
        onLongScan: () => warnOfLongScan(LONG_SCAN),
        onShortage: (error, what) => telemetry.shortages.note(error, what),
        onLinks: (lost) => health.links.look(lost).forEach(({ level, message }) => log[level](message)),
        ...(sensor && { factAudience: sensor.factAudience }),
        ...(runtimeConfig && {
          config: new Observable((changed) => runtimeConfig.watch((config) => changed.next(config))),
        }),
        ...(runtimes && { containers: runtimes.updates }),
      },
      stop,
    ).pipe(share());
    const run = pipeline
      .run(
        meter.watch(recorder === undefined ? facts : recorded(facts, recorder, context, addon)),
        (updates) => reporter.deliver(updates),
      )
      .pipe(
        catchError((error: unknown) => {
          throw refusal(error, host);
        }),
        finalize(() => {
          if (counted !== '') log.info(counted);
        }),
      );
    const running = lastValueFrom(run, { defaultValue: undefined });
    // Added after the subscription of the facts: an end without anything left to do is over before this line.
    stop.addEventListener('abort', () => {
      telemetry.activity.phase = 'end';
      log.info('Shutting down collector.');
    });
    void checkSelf(() => selfCheck(facts, driver, programs.selfCheck), context, stop, onSelfCheck).then(
      async () => {
        if (sensor === undefined) return;
        // Made-up events are not worth a run.
        await warmUp(state, stop).catch((error: unknown) => log.debug(`No warm-up: ${String(error)}`));
      },
    );
    try {
      await running;
      const unwritten = (await recorder?.written(Math.min(deadline.left / 4, RECORDING_GRACE_MS))) ?? 0;
      if (unwritten > 0)
        log.warning(`The recording lacks its last ${unwritten} bytes, which its disk did not take in time`);
    } finally {
      lifecycle.end();
      recorder?.close();
    }
  };
  return {
    parts: Object.fromEntries(
      Object.entries(parts).map(([name, publications]) => [name, () => sampleOf(publications)]),
    ),
    openStreams: (spawn) => {
      sensor?.start(spawn);
      runtimes?.start(spawn);
    },
    collect,
  };
}

/** The counts of a part for an inspection, whose trouble with them must not become one of the collection. */
function sampleOf(publications: readonly Publication[]): Counts {
  try {
    return countsOf(publications);
  } catch (error) {
    return { error };
  }
}

function sensorView(sensor: Sensor): SensorView {
  return {
    streams: () => sensor.streams,
    queues: () => ({ signals: sensor.counts, network: sensor.networkCounts }),
    hasDropped: (sharer) => sensor.hasDropped(sharer),
  };
}

/** @returns undefined if the settings have no runtime configuration */
async function readRuntimeConfig({ settings, log }: RunContext): Promise<RuntimeConfigFile | undefined> {
  if (!settings.runtimeConfig) return undefined;
  const file = new RuntimeConfigFile(
    settings.runtimeConfigPath,
    withoutFile(settings),
    ({ level, message }) => log[level](message),
  );
  const isRead = await Promise.race([
    file.read().then(() => true),
    delay(CONFIG_PATIENCE_MS, false, { ref: false }),
  ]);
  if (!isRead)
    log.error(
      `Runtime configuration ${settings.runtimeConfigPath} cannot be read yet: its disk does not answer. What holds ` +
        'without it is in force until it does. Remedy: look at what is mounted there',
    );
  return file;
}

/** Empty summaries of connection counts by kind of peer; none if the settings have them off. */
export function peersOf(settings: Settings): readonly PeerSummaries[] {
  return settings.connectionStats ? peerSummaries(() => connectionSummary(settings)) : [];
}

function connectionSummary({
  connectionStatsQuantiles: quantiles,
  connectionStatsError: error,
  connectionStatsWindow: minutes,
}: Settings): WindowSummary {
  const targets = quantiles.map((quantile) => ({ quantile, error }));
  return new WindowSummary(targets, minutes * SECONDS_PER_MINUTE);
}

/**
 * Proves the flow of events, again and again while a passing shortage prevents it. A failed proof does not end a run:
 * a node with some blind spots is better than an unwatched one.
 */
async function checkSelf(
  check: () => ReturnType<typeof selfCheck>,
  { log, telemetry, health }: LiveContext,
  stop: AbortSignal,
  onOutcome: (outcome: SelfCheck) => void,
): Promise<void> {
  let result = await check();
  while (!result.ok && !stop.aborted && telemetry.shortages.note(result.shortage, 'the self-check')) {
    await delay(SELF_CHECK_PAUSE_MS, undefined, { ref: false });
    result = await check();
  }
  if (stop.aborted) return;
  if (result.ok) {
    health.selfCheck = { is: 'ready' };
    onOutcome({ is: 'passed' });
    log.info('Self-check passed: events flow from the kernel.');
  } else {
    const { missing, reason, problem } = result;
    const failure = new Failure('SELF_CHECK', {
      missing,
      ...(reason !== undefined && { reason }),
      ...(problem !== undefined && { problem }),
    });
    health.selfCheck = { is: 'blind', cause: failure.message };
    onOutcome({ is: 'failed', failure });
    log.error(`Self-check failed: ${failure.message}`);
    log.error(`Remedy: ${failure.remedy}`);
  }
}

/** @returns undefined if the run is not to be recorded @throws Failure RECORD_UNWRITABLE */
function startRecording({ settings, log, io }: RunContext): Recorder | undefined {
  if (settings.record === undefined) return undefined;
  const writer = new io.Writer(MOST_UNWRITTEN, true, () => undefined);
  return new Recorder(settings.record, writer, ({ message, remedy }) => {
    log.error(message);
    log.error(`Remedy: ${remedy}`);
  });
}

/** The facts, each given to the recording before it is folded, with the lifecycle beside them. */
function recorded(
  facts: Observable<Fact>,
  recorder: Recorder,
  { lifecycle }: LiveContext,
  addon: Addon,
): Observable<Fact> {
  return facts.pipe(
    tap({
      next: (fact) => {
        recorder.write(fact);
        if (fact.kind === 'start') lifecycle.begin(recorder, fact, () => addon.clock().time);
      },
      complete: () => {
        lifecycle.end();
        recorder.end();
      },
    }),
  );
}
