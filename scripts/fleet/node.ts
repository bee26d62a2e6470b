import { mock } from 'node:test';
import { merge, Subject, tap } from 'rxjs';
import type { Fact, StateSettings } from '../../actors/capture/facts.js';
import { allAtOnce, Slices } from '../../actors/capture/slices.js';
import { endsFreshScan, endsIn } from '../../actors/sensor/actor.js';
import { networkMessage, networkRegistration, signalRegistration } from '../../actors/sensor/messages.js';
import { NetworkSender } from '../../actors/sensor/network.js';
import { SignalSender } from '../../actors/sensor/signals.js';
import type { OpenStream, StreamUser } from '../../actors/sensor/stream.js';
import { createLog } from '../../actors/telemetry/log.js';
import { Pipeline } from '../../actors/wiring/pipeline.js';
import { playedFacts, type Play } from './play.js';
import { RunningProcesses } from './processes.js';
import { STREAMS, type StreamName, type TrafficCurve } from './traffic.js';

const NS_PER_SECOND = 1e9;
/** Of grpc-js and grpc-go. */
const WINDOW_BYTES = 65_535;
const QUEUE_BYTES = 16 * 1024 * 1024;
/** Unix time at the start of a simulation, ns. */
const UNIX_START = 1_795_000_000e9;

/** A node, and what becomes of its streams. */
export interface NodeOptions {
  readonly play: Play;
  readonly settings: StateSettings;
  /** Of the report ticks, s after the start, less than the scrape interval. */
  readonly phase: number;
  /** Networks known to Sensor, as in a control fact. */
  readonly networks: Uint32Array<ArrayBuffer>;
  /** Seconds after the start at which Sensor breaks the streams, and at which each is open again. */
  readonly outage?: { readonly broken: number } & Readonly<Record<StreamName, number>>;
  /** Gets each message. */
  readonly onMessage?: (stream: StreamName, message: Buffer, seconds: number) => void;
  readonly curve: TrafficCurve;
}

/** What a node had to report in `[from, to)` seconds. */
export interface NodeCounts {
  signals: number;
  /** Changes of connections and of endpoints. */
  connections: number;
  endpoints: number;
  /** Messages of connections and endpoints. */
  reports: number;
}

/** Plays a node's facts through the pipeline of a Collector, its encoder and its queues, to a Sensor that counts. */
export function runNode(options: NodeOptions, [from, to]: readonly [number, number]): NodeCounts {
  // The queues confirm by steps of a second.
  mock.timers.enable({ apis: ['setInterval'] });
  try {
    return new SimulatedNode(options, from, to).run();
  } finally {
    mock.timers.reset();
  }
}

const silent = createLog({ level: 'fatal', write: () => undefined });

class SimulatedNode {
  readonly #options: NodeOptions;
  readonly #from: number;
  readonly #to: number;
  readonly #slices = new Slices();
  readonly #pipeline: Pipeline;
  readonly #facts = new Subject<Fact>();
  readonly #running = new RunningProcesses();
  readonly #users: Readonly<Record<StreamName, StreamUser>>;
  readonly #signals: SignalSender;
  readonly #network: NetworkSender;
  readonly #counts: NodeCounts = { signals: 0, connections: 0, endpoints: 0, reports: 0 };
  /** Callbacks of messages that have left. */
  #flushed: (() => void)[] = [];
  #isScanWanted = false;
  #seconds = 0;

  constructor(options: NodeOptions, from: number, to: number) {
    const { settings, play } = options;
    this.#options = options;
    this.#from = from;
    this.#to = to;
    const registration = {
      hostname: `node-${play.node}.example`,
      instanceId: `00000000-0000-4000-8000-${play.node}`,
    };
    this.#signals = new SignalSender(
      QUEUE_BYTES,
      signalRegistration(registration),
      () => (this.#isScanWanted = true),
      () => undefined,
    );
    this.#network = new NetworkSender(QUEUE_BYTES / 2, networkRegistration(registration), () =>
      Promise.resolve(),
    );
    this.#users = { signals: this.#signals, network: this.#network };
    this.#pipeline = new Pipeline(settings, this.#slices, silent);
  }

  run(): NodeCounts {
    const delivery = this.#pipeline
      .run(this.#facts, ({ processes, network, originator }) =>
        merge(
          processes.pipe(
            tap(({ fact, signals }) => {
              for (const signal of signals) this.#signals.send(signal);
              if (this.#isMeasured) this.#counts.signals += signals.length;
              if (endsFreshScan(fact)) this.#signals.scanEnded();
            }),
          ),
          network.pipe(
            tap(({ time, delta }) => {
              this.#network.send(networkMessage(delta, time, originator), endsIn(delta));
              if (!this.#isMeasured) return;
              this.#counts.connections += delta.connections.length;
              this.#counts.endpoints += delta.endpoints.length;
              this.#counts.reports++;
            }),
          ),
        ),
      )
      .subscribe();
    this.#start();
    const { play } = this.#options;
    const steps = this.#steps();
    let step = steps.next();
    for (const fact of playedFacts(play)) {
      const seconds = (fact.time - play.boot) / NS_PER_SECOND;
      for (; step.done !== true && step.value.at <= seconds; step = steps.next()) this.#take(step.value);
      this.#seconds = seconds;
      this.#running.take(fact);
      this.#fold(fact);
    }
    for (; step.done !== true; step = steps.next()) this.#take(step.value);
    delivery.unsubscribe();
    for (const stream of STREAMS) this.#users[stream].closed();
    return this.#counts;
  }

  get #isMeasured(): boolean {
    return this.#seconds >= this.#from && this.#seconds < this.#to;
  }

  #start(): void {
    const { play, settings, networks } = this.#options;
    const { boot, node } = play;
    const seed = node.toString(16).padStart(15, 'f');
    this.#fold({ kind: 'start', time: boot, epoch: this.#epoch, seed, settings });
    this.#fold({ kind: 'control', time: boot, networks });
    const { processes, sockets } = play.residents;
    const scan = { kind: 'scan', of: 'processes', audience: 'same', time: boot, records: processes } as const;
    this.#running.take(scan);
    for (const stream of STREAMS) this.#open(stream);
    this.#fold({ kind: 'scan', of: 'sockets', audience: 'same', time: boot, records: sockets });
  }

  /** What happens at fixed times, in their order. */
  *#steps(): Generator<Step> {
    const { play, phase, settings, outage } = this.#options;
    const last = play.seconds - 1;
    const others: Step[] =
      outage === undefined
        ? []
        : [
            { at: outage.broken, action: () => this.#break() },
            ...STREAMS.map((stream) => ({ at: outage[stream], action: () => this.#open(stream) })),
          ];
    for (let at = phase; at <= last; at += settings.scrapeInterval)
      others.push({ at, action: () => this.#tick() });
    others.sort((a, b) => a.at - b.at);
    for (let second = 1; second <= last; second++) {
      while (others.length > 0 && others[0]!.at <= second) yield others.shift()!;
      yield { at: second, action: () => mock.timers.tick(1000) };
    }
  }

  #take({ at, action }: Step): void {
    this.#seconds = at;
    action();
    this.#settle();
  }

  #tick(): void {
    this.#fold({ kind: 'tick', time: this.#time, epoch: this.#epoch, audience: this.#network.audience() });
  }

  #open(name: StreamName): void {
    const user = this.#users[name];
    const write = (message: Buffer, flushed: () => void = () => undefined): boolean => {
      this.#options.curve.add(name, this.#seconds, message.length);
      this.#options.onMessage?.(name, message, this.#seconds);
      this.#flushed.push(flushed);
      return true;
    };
    const stream: OpenStream = { write, window: () => WINDOW_BYTES };
    write(user.registration);
    user.opened(stream);
    this.#settle();
  }

  #break(): void {
    this.#flushed = [];
    for (const stream of STREAMS) this.#users[stream].closed();
  }

  /** Confirms what has left, and gives a new reader of signals its scan. */
  #settle(): void {
    for (let flushed; (flushed = this.#flushed.shift()) !== undefined;) flushed();
    if (!this.#isScanWanted) return;
    this.#isScanWanted = false;
    const scan = { kind: 'scan', of: 'processes', audience: 'fresh', time: this.#time } as const;
    this.#fold({ ...scan, part: 'first', records: this.#running.listing(this.#time) });
    this.#fold({ ...scan, part: 'last', records: new RunningProcesses().listing(this.#time) });
  }

  #fold(fact: Fact): void {
    this.#facts.next(fact);
    allAtOnce(this.#slices.run());
    this.#settle();
  }

  get #time(): number {
    return this.#options.play.boot + this.#seconds * NS_PER_SECOND;
  }

  get #epoch(): number {
    return UNIX_START - this.#options.play.boot;
  }
}

interface Step {
  /** Seconds after the start. */
  readonly at: number;
  readonly action: () => void;
}
