import { BACK_OFF } from '../../actors/sensor/actor.js';
import {
  fullestSecond,
  JITTERED,
  perSecond,
  returnsOf,
  UNJITTERED,
  type Returns,
  type Waits,
} from './burst.js';
import { DEFAULTS, KINDS, SAVINGS, type Kind } from './kinds.js';
import {
  errorOf,
  fullestSecondOfConnections,
  fullestSecondOfStreams,
  steadyBytes,
  steadyMessages,
  type Rates,
  type Sizes,
} from './model.js';
import {
  withOpeningsAt,
  type FleetNode,
  type KindTotals,
  type Simulated,
  type Simulation,
  type Span,
} from './simulate.js';
import { SizeMeter } from './sizes.js';
import { STREAMS, TrafficCurve, type Traffic } from './traffic.js';
import { wireReturns } from './wire.js';
import { Workers } from './workers.js';

export interface FleetOptions {
  readonly nodes: number;
  /** Measured simulated time, s. */
  readonly measured: number;
  /** Real clients to a real Sensor double. */
  readonly clients: number;
  /** Nodes of the larger fleet, of the formula. */
  readonly larger: number;
  readonly signal: AbortSignal;
  /** @param done part of all work, from 0 to 1 */
  readonly onProgress: (done: number) => void;
}

/** Per node and minute. */
export interface NodeMinute extends Rates, Traffic {
  /** Of this kind, in the fleet. */
  readonly nodes: number;
}

/** A fleet that comes back: counts in the fullest second, wherever it starts. */
export interface Comeback {
  readonly connections: number;
  readonly signals: number;
  readonly network: number;
  /** When the last stream is open, s after Sensor's return. */
  readonly last: number;
  /** Streams of connections, from Sensor's return on. */
  readonly networkBySecond: readonly number[];
}

export interface Restart {
  /** Time without a Sensor, s. */
  readonly down: number;
  readonly jittered: Comeback;
  readonly unjittered: Comeback;
}

/** A prediction, and the simulated truth. */
export interface Checked {
  readonly predicted: number;
  readonly simulated: number;
  /** As a part of the truth. */
  readonly error: number;
}

/** Of real clients: streams of signals in the fullest second, and when the last stream opened, s. */
export interface WireComeback {
  readonly signals: number;
  readonly network: number;
  readonly last: number;
}

export interface FleetData {
  readonly nodes: number;
  readonly span: Span;
  readonly kinds: Readonly<Record<Kind, NodeMinute>>;
  /** Of the whole fleet, per second. */
  readonly total: Traffic;
  /** Of fewer nodes: with everything as it is by default, and with each saving switched off. */
  readonly savings: {
    readonly nodes: number;
    readonly none: Readonly<Record<Kind, NodeMinute>>;
    readonly off: Readonly<Record<string, Readonly<Record<Kind, NodeMinute>>>>;
  };
  readonly restarts: readonly Restart[];
  /** Bytes in each second from a restart without a gap on. */
  readonly burst: { readonly jittered: readonly number[]; readonly unjittered: readonly number[] };
  readonly model: {
    /** Nodes that the formula knows. */
    readonly sample: number;
    readonly sizes: Sizes;
    readonly bytesPerSecond: Checked;
    readonly messagesPerSecond: Checked;
    readonly connections: Checked;
    readonly streams: Checked;
    /** Of the larger fleet. */
    readonly larger: {
      readonly nodes: number;
      readonly bytesPerSecond: number;
      readonly messagesPerSecond: number;
      readonly connections: Checked;
      readonly streams: Checked;
    };
  };
  readonly wire: {
    readonly clients: number;
    readonly jittered: WireComeback;
    readonly unjittered: WireComeback;
    /** The simulation's of as many. */
    readonly simulated: { readonly jittered: WireComeback; readonly unjittered: WireComeback };
  };
}

/** In which tables settle: an afterglow of 5 minutes, and a tick more. */
export const WARM_UP = 330;
/** Seen of a restart, s. */
const AFTER = 45;
/** Nodes whose messages are weighed, and for which savings are switched off: as many have all kinds. */
const SAMPLE = 100;
const DOWN_SECONDS = [30, 120] as const;
const SEED = 20_261_129;
const SHOWN_SECONDS = 30;

/** Simulates a fleet, in minutes of work for thousands of nodes. @throws the reason of `signal` */
export async function fleet(options: FleetOptions): Promise<FleetData> {
  const workers = new Workers();
  try {
    return await fleetOn(workers, options);
  } finally {
    await workers.close();
  }
}

async function fleetOn(workers: Workers, options: FleetOptions): Promise<FleetData> {
  const { nodes, measured, clients, larger, signal, onProgress } = options;
  const span = { warmUp: WARM_UP, measured, after: AFTER };
  const sample = Array.from({ length: Math.min(SAMPLE, nodes) }, (_, node) => ({ node }));
  const runs = nodes + sample.length * (1 + Object.keys(SAVINGS).length);
  let run = 0;
  const simulate = async (some: readonly FleetNode[], simulation: Omit<Simulation, 'span'>) =>
    workers.simulate(some, { ...simulation, span }, signal, (count) => onProgress((run += count) / runs));

  const first = await simulate(sample, { settings: DEFAULTS, isWeighed: true });
  const none = nodeMinutes(first, span);
  const off: Record<string, Record<Kind, NodeMinute>> = {};
  for (const [name, { settings }] of Object.entries(SAVINGS))
    off[name] = nodeMinutes(await simulate(sample, { settings }), span);

  const jittered = returnsOf(nodes, 0, JITTERED, SEED);
  const unjittered = returnsOf(nodes, 0, UNJITTERED, SEED);
  const all = Array.from({ length: nodes }, (_, node) => ({ node, opened: openedBy(jittered, node) }));
  const whole = await simulate(all, { settings: DEFAULTS });
  const curve = new TrafficCurve(span.warmUp + span.measured + span.after);
  curve.addAll(whole.curve);
  const broken = span.warmUp + span.measured;
  const sum = curve.sum(span.warmUp, broken);
  const total = { messages: sum.messages / measured, bytes: sum.bytes / measured };
  const burst = curve.perSecond(broken, broken + SHOWN_SECONDS).map(({ bytes }) => bytes);

  return {
    nodes,
    span,
    kinds: nodeMinutes(whole, span),
    total,
    savings: { nodes: sample.length, none, off },
    restarts: [
      restart(0, jittered, unjittered),
      ...DOWN_SECONDS.map((down) =>
        restart(
          down,
          returnsOf(nodes, down * 1000, JITTERED, SEED),
          returnsOf(nodes, down * 1000, UNJITTERED, SEED),
        ),
      ),
    ],
    burst: {
      jittered: burst,
      unjittered: withOpeningsAt(burst, whole.openings, (node) => openedBy(unjittered, node)),
    },
    model: modelOf(none, sizesOf(first), sample.length, nodes, larger, total, jittered),
    wire: await onTheWire(clients, signal),
  };
}

/** When the streams of a node are open again, s after the restart. */
function openedBy({ signals, network }: Returns, node: number) {
  return { signals: signals[node]! / 1000, network: network[node]! / 1000 };
}

function sizesOf({ weighed }: Simulated): Sizes {
  const meter = new SizeMeter();
  meter.addAll(weighed);
  return meter.sizes;
}

function modelOf(
  known: Readonly<Record<Kind, NodeMinute>>,
  sizes: Sizes,
  sample: number,
  nodes: number,
  larger: number,
  total: Traffic,
  returns: Returns,
): FleetData['model'] {
  const sumOf = (of: (rates: Rates) => number) =>
    KINDS.reduce((sum, kind) => sum + (known[kind].nodes / sample) * of(known[kind]), 0) / 60;
  const perNode = {
    bytes: sumOf((rates) => steadyBytes(rates, sizes)),
    messages: sumOf(steadyMessages),
  };
  const wait = BACK_OFF.signals.first / 1000;
  const many = returnsOf(larger, 0, JITTERED, SEED + nodes);
  const checked = (predicted: number, simulated: number): Checked => ({
    predicted,
    simulated,
    error: errorOf(predicted, simulated),
  });
  return {
    sample,
    sizes,
    bytesPerSecond: checked(nodes * perNode.bytes, total.bytes),
    messagesPerSecond: checked(nodes * perNode.messages, total.messages),
    connections: checked(fullestSecondOfConnections(nodes, wait), fullestSecond(returns.connections)),
    streams: checked(fullestSecondOfStreams(nodes, wait), fullestSecond(returns.signals)),
    larger: {
      nodes: larger,
      bytesPerSecond: larger * perNode.bytes,
      messagesPerSecond: larger * perNode.messages,
      connections: checked(fullestSecondOfConnections(larger, wait), fullestSecond(many.connections)),
      streams: checked(fullestSecondOfStreams(larger, wait), fullestSecond(many.signals)),
    },
  };
}

async function onTheWire(clients: number, signal: AbortSignal): Promise<FleetData['wire']> {
  const real = async (waits: Waits) => wireComeback(await wireReturns(clients, 0, waits, signal));
  const simulated = (waits: Waits) => wireComeback(returnsOf(clients, 0, waits, SEED));
  return {
    clients,
    jittered: await real(JITTERED),
    unjittered: await real(UNJITTERED),
    simulated: { jittered: simulated(JITTERED), unjittered: simulated(UNJITTERED) },
  };
}

function wireComeback(returns: Pick<Returns, 'signals' | 'network'>): WireComeback {
  return {
    signals: fullestSecond(returns.signals),
    network: fullestSecond(returns.network),
    last: lastOf(returns),
  };
}

function restart(down: number, jittered: Returns, unjittered: Returns): Restart {
  return { down, jittered: comeback(jittered, down), unjittered: comeback(unjittered, down) };
}

function comeback(returns: Returns, down: number): Comeback {
  return {
    connections: fullestSecond(returns.connections),
    signals: fullestSecond(returns.signals),
    network: fullestSecond(returns.network),
    last: lastOf(returns) - down,
    networkBySecond: perSecond(
      returns.network.map((time) => time - down * 1000),
      SHOWN_SECONDS,
    ),
  };
}

function lastOf(returns: Pick<Returns, 'signals' | 'network'>): number {
  return (
    Math.max(...STREAMS.map((name) => returns[name].reduce((last, time) => Math.max(last, time), 0))) / 1000
  );
}

function nodeMinutes({ kinds }: Simulated, { measured }: Span): Record<Kind, NodeMinute> {
  const entries = KINDS.map((kind) => [kind, nodeMinute(kinds[kind], measured)] as const);
  return Object.fromEntries(entries) as Record<Kind, NodeMinute>;
}

function nodeMinute({ nodes, ...totals }: KindTotals, seconds: number): NodeMinute {
  const per = (sum: number): number => (nodes === 0 ? 0 : (sum * 60) / (seconds * nodes));
  return {
    nodes,
    signals: per(totals.signals),
    connections: per(totals.connections),
    endpoints: per(totals.endpoints),
    reports: per(totals.reports),
    messages: per(totals.messages),
    bytes: per(totals.bytes),
  };
}
