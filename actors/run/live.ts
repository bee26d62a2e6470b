import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { catchError, finalize, lastValueFrom, Observable, share, Subject, tap } from 'rxjs';
import { captureFacts } from '../capture/actor.js';
import { refusal, type Driver, type Probe } from '../capture/driver.js';
import type { Fact } from '../capture/facts.js';
import type { HostFacts } from '../capture/host.js';
import { Losses, summary } from '../capture/losses.js';
import { MOST_UNWRITTEN, Recorder } from '../capture/recorder.js';
import type { ScannerChoice } from '../capture/scanner-choice.js';
import { selfCheck } from '../capture/self-check.js';
import { Slices } from '../capture/slices.js';
import { refusalLine } from '../containers/refusal-line.js';
import { runtimeNews } from '../containers/cri/actor.js';
import type { Observer } from '../http/observer.js';
import type { News } from '../output/actor.js';
import type { Sensor } from '../sensor/actor.js';
import { RuntimeConfigFile } from '../settings/runtime-config-file.js';
import { withoutFile } from '../settings/runtime-config.js';
import { stateSettings } from '../settings/state-settings.js';
import { Failure } from '../telemetry/failures.js';
import type { Log } from '../telemetry/log.js';
import type { Context } from './context.js';
import { fold } from './fold.js';
import { argumentReaderFor, whenToScrape } from './scans.js';
import { outputFormat } from './shown.js';

/** How long the start waits for the disk of the runtime configuration, ms. */
const CONFIG_PATIENCE_MS = 2000;
/** How long the end of a run waits for the disk of a recording, ms. */
const RECORDING_GRACE_MS = 500;
/** Between two attempts of a self-check, ms. */
const SELF_CHECK_PAUSE_MS = 5000;
const LONG_SCAN =
  'A scan of sockets took more than 5 s and was given up: some container holds very many descriptors. Connections and ' +
  'ports are told by events meanwhile; those older than Collector may be missing';

interface Surroundings {
  /** undefined: messages are printed. */
  readonly sensor: Sensor | undefined;
  readonly host: HostFacts;
  readonly scanning: ScannerChoice;
  readonly observer: Observer;
  /** Path of the program that proves that events flow. */
  readonly selfCheckProgram: string;
  /** Path of the program that reads arguments. */
  readonly argumentProgram: string;
}

/** A live run, to its end: facts, maybe recorded, to Sensor or to output. */
export async function collect(
  driver: Driver,
  probe: Probe,
  surroundings: Surroundings,
  context: Context,
  stop: AbortSignal,
): Promise<void> {
  const { sensor, host, scanning, observer, selfCheckProgram, argumentProgram } = surroundings;
  const { settings, log, output, deadline } = context;
  const losses = new Losses();
  const warn = log.throttled('warning');
  const warnOfLongScan = log.throttled('warning');
  let counted = '';
  const without = withoutFile(settings);
  const runtimeConfig = settings.runtimeConfig
    ? new RuntimeConfigFile(settings.runtimeConfigPath, without, ({ level, message }) => log[level](message))
    : undefined;
  const isRead = await Promise.race([
    runtimeConfig?.read().then(() => true) ?? true,
    delay(CONFIG_PATIENCE_MS, false, { ref: false }),
  ]);
  if (!isRead)
    log.error(
      `Runtime configuration ${settings.runtimeConfigPath} cannot be read yet: its disk does not answer. What holds ` +
        'without it is in force until it does. Remedy: look at what is mounted there',
    );
  observer.probe = probe;
  observer.sensor = sensor;
  observer.runtimeConfig = runtimeConfig;
  stop.addEventListener('abort', () => (observer.readiness = { is: 'waiting' }));
  const format = sensor === undefined ? outputFormat(settings) : 'json';
  const state = { ...stateSettings(settings, runtimeConfig?.current), format };
  const slices = new Slices();
  const sockets = settings.runtimeSockets.map((socket) => path.join(settings.hostRoot, socket));
  const strangers = new Subject<number>();
  const reader = argumentReaderFor(scanning, argumentProgram, context);
  observer.reader = reader;
  const facts = captureFacts(
    driver,
    probe,
    {
      settings: state,
      scanner: observer.timed(scanning.scanner),
      ...(reader && {
        arguments: {
          reader,
          knows: (records, at) => observer.processes?.knowsArguments(records, at) === true,
        },
      }),
      scrape: whenToScrape(scanning.kind, settings),
      slices,
      deadline,
      onCut: (unread) =>
        log.warning(
          `The end left no time for all that had happened: ${unread} kernel events were not read, and the last report is not ` +
            'complete',
        ),
      onStats: (stats) => {
        counted = summary(stats);
        const lost = losses.report(stats);
        if (lost !== undefined) warn(lost);
        for (const refusal of losses.refusals(stats))
          log.warning(refusalLine(refusal, observer.containers?.metadataOf(refusal.container)));
      },
      onLongScan: () => warnOfLongScan(LONG_SCAN),
      onShortage: (error, what) => observer.shortages.note(error, what),
      onLinks: (lost) => observer.links.look(lost).forEach(({ level, message }) => log[level](message)),
      ...(sensor && { listener: sensor.listener }),
      ...(runtimeConfig && {
        config: new Observable((changed) => runtimeConfig.watch((config) => changed.next(config))),
      }),
      ...(settings.runtimeConfig && {
        containers: runtimeNews({ sockets, hostRoot: settings.hostRoot, strangers, log }),
      }),
    },
    stop,
  ).pipe(share());
  const recorder = startRecording(context, observer);
  sensor?.start();
  const tell = sensor ? (news: News) => sensor.deliver(news) : output.print(state, log, observer);
  const run = fold(
    observer.watch(recorder === undefined ? facts : recorded(facts, recorder)),
    state,
    slices,
    tell,
    {
      log,
      observer,
      onStranger: (count) => strangers.next(count),
    },
  ).pipe(
    catchError((error: unknown) => {
      throw refusal(error, host);
    }),
    finalize(() => {
      if (counted !== '') log.info(counted);
    }),
  );
  const running = lastValueFrom(run, { defaultValue: undefined });
  void checkSelf(() => selfCheck(facts, probe, selfCheckProgram), observer, log, stop);
  try {
    await running;
    const unwritten = (await recorder?.written(Math.min(deadline.left / 4, RECORDING_GRACE_MS))) ?? 0;
    if (unwritten > 0)
      log.warning(`The recording lacks its last ${unwritten} bytes, which its disk did not take in time`);
  } finally {
    recorder?.close();
  }
}

/**
 * Proves that events flow; where a passing shortage keeps the proof from running, it is tried again. It does not end a
 * run: a node that is half blind is better than one that is not watched.
 */
async function checkSelf(
  check: () => ReturnType<typeof selfCheck>,
  observer: Observer,
  log: Log,
  stop: AbortSignal,
): Promise<void> {
  let result = await check();
  while (!result.ok && !stop.aborted && observer.shortages.note(result.shortage, 'the self-check')) {
    await delay(SELF_CHECK_PAUSE_MS, undefined, { ref: false });
    result = await check();
  }
  if (stop.aborted) return;
  if (result.ok) {
    observer.readiness = { is: 'ready' };
    log.info('Self-check passed: events flow from the kernel.');
  } else {
    const { missing, reason, problem: trouble } = result;
    const failure = new Failure('SELF_CHECK', {
      missing,
      ...(reason !== undefined && { reason }),
      ...(trouble !== undefined && { trouble }),
    });
    observer.readiness = { is: 'blind', cause: failure.message };
    log.error(`Self-check failed: ${failure.message}`);
    log.error(`Remedy: ${failure.remedy}`);
  }
}

/** @returns undefined if the run is not to be recorded @throws Failure RECORD_UNWRITABLE */
function startRecording({ settings, log, io }: Context, observer: Observer): Recorder | undefined {
  if (settings.record === undefined) return undefined;
  const writer = new io.Writer(MOST_UNWRITTEN, true, () => undefined);
  const recorder = new Recorder(settings.record, writer, ({ message, remedy }) => {
    log.error(message);
    log.error(`Remedy: ${remedy}`);
  });
  observer.unrecorded = () => recorder.lost;
  return recorder;
}

/** The facts, each given to the recording before anybody folds it. */
function recorded(facts: Observable<Fact>, recorder: Recorder): Observable<Fact> {
  return facts.pipe(tap({ next: (fact) => recorder.write(fact), complete: () => recorder.end() }));
}
