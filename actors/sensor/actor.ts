import { connectivityState, Metadata, type Client } from '@grpc/grpc-js';
import { merge, Subject, tap, type Observable } from 'rxjs';
import type { BackOff, SpawnStream, StreamRef } from '../../machines/stream.js';
import type { FactAudience } from '../capture/actor.js';
import type { ContainerMetadata, Fact } from '../capture/facts.js';
import { refusalLine } from '../containers/refusal-line.js';
import type { NetworkUpdate } from '../connections/actor.js';
import type { Delta } from '../connections/report.js';
import type { ProcessUpdate } from '../processes/actor.js';
import type { Originator } from '../processes/state.js';
import { Deadline } from '../telemetry/deadline.js';
import type { Failure } from '../telemetry/failures.js';
import type { Log } from '../telemetry/log.js';
import type { Publication, StreamStatus } from '../telemetry/publication.js';
import { Stopwatch } from '../telemetry/stopwatch.js';
import { collectorsOwn } from './certificate.js';
import { openChannel, type SensorAddress } from './channel.js';
import { connectToSensor } from './connect.js';
import { readControl, type Control } from './control.js';
import { diagnose } from './diagnose.js';
import {
  decodeControlMessage,
  networkMessage,
  networkRegistration,
  signalRegistration,
  type Registration,
} from './messages.js';
import { NetworkSender } from './network.js';
import type { QueueCounts } from './queue.js';
import { SignalSender } from './signals.js';
import { methods, networkMetadata, openStream, type StreamUser } from './stream.js';
import { watchTls, type TlsFiles, type TlsMaterial } from './tls.js';
import { runSliced } from './run-sliced.js';

export interface SensorOptions extends SensorAddress {
  /** undefined: plain text. */
  readonly tls: { readonly files: TlsFiles; readonly material: TlsMaterial } | undefined;
  readonly registration: Registration;
  /** Bytes of the queue of started processes; the queues of scanned ones and of deltas have half as many each. */
  readonly queueSize: number;
  readonly log: Log;
  readonly backOff?: { readonly signals: BackOff; readonly network: BackOff };
}

/** The updates of a run, for Sensor. */
export interface SensorUpdates {
  readonly processes: Observable<ProcessUpdate>;
  readonly network: Observable<NetworkUpdate>;
  /** Describes an endpoint's process by its number. */
  readonly originator: (id: number) => Originator;
  /** Names of containers, for the log. */
  readonly metadata?: (container: number) => ContainerMetadata | undefined;
}

/** The streams, by their names in metrics. */
type StreamName = 'signals' | 'network';

/**
 * The streams of all nodes break together when Sensor restarts. The first wait is the one to spread them: by the
 * second, they have parted.
 */
export const BACK_OFF = {
  signals: { first: 10_000, most: 10_000 },
  network: { first: 10_000, most: 10_000 },
} as const;

/** Time for streams over an old channel to end, and for the channel to go, ms. */
const RENEW_MS = 3000;
const CHANNEL_LINGER_MS = 5000;
/** Part of the end's time for queued messages to leave; the rest is for Sensor to end the streams. */
const FLUSH_SHARE = 0.7;
/** Longest step in the diagnosis of a failed connection, ms. */
const DIAGNOSIS_MS = 2000;

/** Sensor, as Collector knows it: one channel, two streams. */
export class Sensor {
  readonly #options: SensorOptions;
  readonly #signals: SignalSender;
  readonly #network: NetworkSender;
  readonly #newcomers = new Subject<void>();
  readonly #room = new Subject<void>();
  readonly #control = new Subject<Control['lists']>();
  /** Fulfilled when all control messages so far are taken: one at a time, also over two streams. */
  #controlled = Promise.resolve();
  /** Empty before `start`. */
  readonly #streams = new Map<StreamName, StreamRef>();
  readonly #breaks = { signals: 0, network: 0 };
  readonly #createTimer = new Stopwatch();
  readonly #writeTimer = new Stopwatch();
  readonly #ending = new Set<Promise<void>>();
  readonly #stopWatching: () => void;
  #material: TlsMaterial | undefined;
  #channel: Client;
  readonly #warnOfDrops: (message: string) => void;
  readonly #warnOfCause: (message: string) => void;
  readonly #closing = new AbortController();
  #isExplaining = false;
  #lost = 0;
  /** Of the whole end, once it has come. */
  #end: Deadline | undefined;

  constructor(options: SensorOptions) {
    const { tls, registration, queueSize, log } = options;
    this.#options = options;
    this.#material = tls?.material;
    this.#channel = openChannel(options, this.#material);
    this.#stopWatching =
      tls === undefined
        ? () => undefined
        : watchTls(tls.files, tls.material, {
            onChange: (material) => this.#renew(material),
            onMended: () => log.info('The TLS files can be used again, and are what they were.'),
            onBad: ({ message, remedy }) =>
              log.error(`${message} Until it can, the files from before stay in use. ${remedy}`),
          });
    this.#warnOfDrops = log.throttled('warning');
    this.#warnOfCause = log.throttled('warning');
    this.#signals = new SignalSender(
      queueSize,
      signalRegistration(registration),
      () => this.#newcomers.next(),
      () => this.#room.next(),
    );
    const warn = log.throttled('warning');
    this.#network = new NetworkSender(queueSize / 2, networkRegistration(registration), (message) => {
      this.#controlled = this.#controlled.then(() => this.#takeControl(message, warn));
      return this.#controlled;
    });
  }

  /** TLS material of the channel now; undefined: plain text. */
  get tls(): TlsMaterial | undefined {
    return this.#material;
  }

  /** For an inspection: where Sensor is, and what secures the channel to it. */
  get description(): Readonly<Record<string, unknown>> {
    const { address, serverName, tls } = this.#options;
    return tls === undefined
      ? { address, security: 'plain text' }
      : { address, security: 'mutual TLS', serverName, certificate: tls.files.cert };
  }

  /** The part of Sensor in the facts of a run. */
  get factAudience(): FactAudience {
    return {
      audience: () => this.#network.audience(),
      processAudience: () => (this.#signals.isOpen ? 'same' : 'none'),
      newcomers: this.#newcomers,
      hasRoom: () => this.#signals.hasRoom,
      room: this.#room,
      control: this.#control,
    };
  }

  /** Process signals on their way to Sensor, and lost ones. */
  get counts(): QueueCounts {
    return this.#signals.counts;
  }

  /** Deltas on their way to Sensor; a lost one counts as the number of ends in it, of connections and endpoints. */
  get networkCounts(): QueueCounts {
    return this.#network.counts;
  }

  /** States of the streams; empty before `start`. */
  get streams(): readonly StreamStatus[] {
    return this.#streamStates();
  }

  /** Whether process signals of a container were dropped. @param sharer owner of its share of the queue */
  hasDropped(sharer: number): boolean {
    return this.#signals.hasDropped(sharer);
  }

  get publication(): Publication {
    return {
      streams: () => this.#streamStates(),
      queue: () => ({ ...this.counts, capacity: this.#options.queueSize }),
      reportQueue: () => ({ ...this.networkCounts, capacity: this.#options.queueSize / 2 }),
      signals: () => {
        const { dropped, uncertain } = this.counts;
        return { sent: this.#signals.sent, dropped: dropped + uncertain };
      },
      losses: () => {
        const { dropped, uncertain } = this.counts;
        const reports = this.networkCounts;
        return [
          { stage: 'sensor', cause: 'queue_full', count: dropped },
          { stage: 'sensor', cause: 'unconfirmed', count: uncertain },
          { stage: 'sensor', cause: 'reports_full', count: reports.dropped },
          { stage: 'sensor', cause: 'reports_unconfirmed', count: reports.uncertain },
        ];
      },
      timers: { net_create_message: this.#createTimer, net_write_message: this.#writeTimer },
    };
  }

  /**
   * Waits for Sensor.
   * @param onObstacle called with the reason of each attempt in vain
   * @throws Failure with the reason, when it cannot be reached
   */
  async connect(
    signal: AbortSignal,
    polls?: number,
    onObstacle: (failure: Failure) => void = () => undefined,
  ): Promise<void> {
    const { address, log } = this.#options;
    const warn = log.throttled('warning');
    await connectToSensor(() => this.#channel, {
      address,
      signal,
      diagnose: () => diagnose(this.#options, this.#material, DIAGNOSIS_MS),
      endBackOff: () => this.#endBackOff(),
      onFailure: (failure) => {
        warn(`Not connected to Sensor yet: ${failure.message} ${failure.remedy}`);
        onObstacle(failure);
      },
      ...(polls !== undefined && { polls }),
    });
  }

  /** Opens the streams. */
  start(spawn: SpawnStream): void {
    const { registration, log, backOff = BACK_OFF } = this.#options;
    const { hostname } = registration;
    const open = (name: StreamName, what: string, metadata: Metadata, user: StreamUser) => {
      const connection = openStream({
        channel: () => this.#channel,
        method: methods[name],
        metadata,
        user,
        ending: this.#ending,
        deadline: () => this.#end ?? new Deadline(RENEW_MS).start(),
        onStep: (step) => {
          if (log.enables('debug'))
            log.debug(`The stream of ${what} to Sensor ${step}; ${this.#queued(name)}`);
        },
      });
      const actor = spawn(name, { backOff: backOff[name], open: connection });
      this.#watch(actor, name, what);
      this.#streams.set(name, actor);
    };
    open('signals', 'process signals', new Metadata(), this.#signals);
    open('network', 'connections', networkMetadata(hostname), this.#network);
  }

  /** Sends the updates, host processes and their connections left out. */
  deliver({ processes, network, originator, metadata }: SensorUpdates): Observable<unknown> {
    return merge(
      processes.pipe(
        tap(({ fact, signals }) => {
          this.#signals.send(signals);
          if (endsFreshScan(fact)) this.#signals.scanEnded();
          if (signals.length > 0 && this.#options.log.enables('debug'))
            this.#options.log.debug(
              `For Sensor: process signals ${signals.length}; ${this.#queued('signals')}`,
            );
          this.#logLost();
          for (const refusal of this.#signals.takeRefusals())
            this.#options.log.warning(refusalLine(refusal, metadata?.(refusal.container)));
        }),
      ),
      network.pipe(
        tap(({ time, delta }) => {
          const message = this.#createTimer.time(() => networkMessage(delta, time, originator));
          this.#writeTimer.time(() => this.#network.send(message, endsIn(delta)));
          if (this.#options.log.enables('debug'))
            this.#options.log.debug(
              `For Sensor: a report of ${message.length} bytes; ${this.#queued('network')}`,
            );
          this.#logLost();
        }),
      ),
    );
  }

  /** Sends queued messages and ends the streams, as far as there is time, then logs the unconfirmed messages. */
  async close(deadline: Deadline): Promise<void> {
    const isOpen = this.#streamStates().some(({ state }) => state === 'open');
    if (isOpen)
      await deadline.share(FLUSH_SHARE).wait(Promise.all([this.#signals.idle(), this.#network.idle()]));
    this.#stopWatching();
    this.#closing.abort();
    this.#end = deadline;
    for (const actor of this.#streams.values()) actor.send({ type: 'stop' });
    await Promise.all(this.#ending);
    this.#logUnconfirmed();
    this.#channel.close();
  }

  /** Reads a long list in many slices; once read, it is in force as a whole. */
  async #takeControl(message: Buffer, warn: (message: string) => void): Promise<void> {
    try {
      const { log } = this.#options;
      if (log.enables('debug')) log.debug(`Sensor sent its network lists, ${message.length} bytes`);
      const { lists, warnings } = await runSliced(readControl(decodeControlMessage(message)));
      warnings.forEach(warn);
      this.#control.next(lists);
    } catch (error) {
      warn(`Ignored a message of Sensor that is none: ${(error as Error).message}`);
    }
  }

  #watch(actor: StreamRef, name: StreamName, what: string): void {
    const { log } = this.#options;
    const warn = log.throttled('warning');
    actor.on('opened', () => {
      log.info(`The stream of ${what} to Sensor is open`);
      if (log.enables('debug'))
        log.debug(`The stream of ${what} begins with its queue: ${this.#queued(name)}`);
    });
    actor.on('broken', ({ reason, wait }) => {
      this.#breaks[name]++;
      warn(`The stream of ${what} to Sensor broke (${reason}); it is opened again in ${wait / 1000} s`);
      void this.#explain();
    });
  }

  /** The queue of a stream in words, for the log. */
  #queued(name: StreamName): string {
    const { waiting, unconfirmed, bytes, repeated } = name === 'signals' ? this.counts : this.networkCounts;
    return `waiting ${waiting}, unconfirmed ${unconfirmed}, bytes ${bytes}, sent once more so far ${repeated}`;
  }

  #streamStates(): StreamStatus[] {
    return Array.from(this.#streams, ([name, actor]) => ({
      name,
      state: stateOf(actor),
      breaks: this.#breaks[name],
    }));
  }

  /**
   * Logs the obstacle between Collector and Sensor, if there is one, and its remedy. The streams do not wait for it;
   * they break together, so one attempt at a time is enough for both.
   */
  async #explain(): Promise<void> {
    if (this.#isExplaining) return;
    this.#isExplaining = true;
    const { signal } = this.#closing;
    try {
      const failure = await diagnose(this.#options, this.#material, DIAGNOSIS_MS, { signal });
      // The attempt met no obstacle: then the reason of the broken stream says enough.
      if (failure.code === 'SENSOR_UNREADY') return;
      this.#warnOfCause(`Sensor cannot be reached: ${failure.message} ${failure.remedy}`);
      for (const actor of this.#streams.values())
        if (!['open', 'stopped'].includes(stateOf(actor))) actor.send({ type: 'explained', failure });
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#isExplaining = false;
    }
  }

  /** A channel waits up to RECONNECT.most after failures, a third of a start; a new one connects at once. */
  #endBackOff(): boolean {
    if (this.#channel.getChannel().getConnectivityState(false) !== connectivityState.TRANSIENT_FAILURE)
      return false;
    this.#channel.close();
    this.#channel = openChannel(this.#options, this.#material);
    return true;
  }

  /** Opens new streams with new certificates, on their own channel; the old ones still send their messages. */
  #renew(material: TlsMaterial): void {
    const { log } = this.#options;
    log.info('The TLS files have changed: connecting to Sensor with the new ones');
    if (log.enables('debug')) log.debug(`${collectorsOwn(material.cert)} is in use`);
    const old = this.#channel;
    this.#material = material;
    this.#channel = openChannel(this.#options, material);
    for (const actor of this.#streams.values()) actor.send({ type: 'renew' });
    setTimeout(() => old.close(), CHANNEL_LINGER_MS).unref();
  }

  #logLost(): void {
    const { dropped, uncertain } = this.#signals.counts;
    const ends = lost(this.#network.counts);
    if (dropped + uncertain + ends === this.#lost) return;
    this.#lost = dropped + uncertain + ends;
    const uncertainly = uncertain === 0 ? '' : ` and ${uncertain} that were sent, but maybe never arrived`;
    const network = ends === 0 ? '' : `, and ${ends} ends of connections and endpoints in reports`;
    this.#warnOfDrops(
      `Dropped ${dropped} process signals so far${uncertainly}${network}, the oldest first: Sensor is slow or away, and no ` +
        `more than ${this.#options.queueSize} bytes of them wait (ROX_COLLECTOR_SIGNAL_QUEUE_SIZE)`,
    );
  }

  /** At the end of a run. */
  #logUnconfirmed(): void {
    const { waiting, unconfirmed } = this.#signals.counts;
    const network = this.#network.counts;
    const reports = network.waiting + network.unconfirmed;
    if (waiting + unconfirmed + reports === 0) return;
    this.#options.log.warning(
      `Sensor did not confirm ${waiting + unconfirmed} process signals by the end: ${waiting} were never sent, ` +
        `${unconfirmed} were sent and may have arrived. The same is so of ${reports} network reports.`,
    );
  }
}

function stateOf(actor: StreamRef): string {
  const { value } = actor.getSnapshot();
  return typeof value === 'string' ? value : value.live;
}

/** Whether a fresh reader of the signals has been shown all running processes by now. */
export function endsFreshScan(fact: Fact): boolean {
  if (fact.kind !== 'scan' || fact.of !== 'processes' || fact.audience !== 'fresh') return false;
  return fact.part === undefined || fact.part === 'last';
}

/** Connections and endpoints reported as ended in a delta. */
export function endsIn({ connections, endpoints }: Delta): number {
  const count = (reports: readonly { readonly closedAt: number | undefined }[]) =>
    reports.reduce((sum, { closedAt }) => sum + Number(closedAt !== undefined), 0);
  return count(connections) + count(endpoints);
}

function lost({ dropped, uncertain }: QueueCounts): number {
  return dropped + uncertain;
}
