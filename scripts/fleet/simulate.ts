import type { StateSettings } from '../../actors/capture/facts.js';
import {
  INTERVAL,
  KINDS,
  kindOf,
  playOf,
  sensorNetworks,
  spread,
  type Kind,
  type Recordings,
} from './kinds.js';
import { runNode, type NodeCounts, type NodeOptions } from './node.js';
import { SizeMeter, type Weighed } from './sizes.js';
import {
  STREAMS,
  TrafficCurve,
  wireBytes,
  type CurveData,
  type StreamName,
  type Traffic,
} from './traffic.js';

/** The simulated time, in seconds: afterglow and tables settle, then traffic is measured, then Sensor restarts. */
export interface Span {
  readonly warmUp: number;
  readonly measured: number;
  /** From the restart on. */
  readonly after: number;
}

/** A node, and when its streams are open again, s after the restart; without it, nothing restarts. */
export interface FleetNode {
  readonly node: number;
  readonly opened?: Readonly<Record<StreamName, number>>;
}

/** What to simulate. */
export interface Simulation {
  readonly settings: StateSettings;
  readonly span: Span;
  /** Whether to weigh the parts of the measured messages. */
  readonly isWeighed?: boolean;
}

/** Traffic of the nodes of a kind, and what it was about, over the measured time. */
export interface KindTotals extends NodeCounts, Traffic {
  nodes: number;
}

/** What a node sent as soon as its streams were open again: unconfirmed messages, and running processes. */
export interface Opening extends Required<FleetNode> {
  readonly bytes: Readonly<Record<StreamName, number>>;
}

/** Sums over nodes. */
export interface Simulated {
  readonly kinds: Readonly<Record<Kind, KindTotals>>;
  readonly curve: CurveData;
  readonly openings: readonly Opening[];
  readonly weighed: Weighed;
}

/** Runs nodes one after the other, and adds up what they send. */
export function simulate(
  nodes: readonly FleetNode[],
  recordings: Recordings,
  { settings, span, isWeighed = false }: Simulation,
): Simulated {
  const broken = span.warmUp + span.measured;
  const seconds = broken + span.after;
  const networks = sensorNetworks();
  const kinds = noTotals();
  const sum = new TrafficCurve(seconds);
  const openings: Opening[] = [];
  const meter = new SizeMeter();
  for (const { node, opened } of nodes) {
    const curve = new TrafficCurve(seconds);
    const bytes = { signals: 0, network: 0 };
    const onMessage: NodeOptions['onMessage'] = (stream, message, at) => {
      if (opened !== undefined && isAt(at, broken + opened[stream]))
        bytes[stream] += wireBytes(message.length);
      if (isWeighed && at >= span.warmUp && at < broken) meter.take(stream, message);
    };
    const outage = opened && { broken, signals: broken + opened.signals, network: broken + opened.network };
    const play = playOf(node, recordings, seconds);
    const phase = spread(node, INTERVAL);
    const options = { play, settings, phase, networks, onMessage, curve, ...(outage && { outage }) };
    const counts = runNode(options, [span.warmUp, broken]);
    addTotals(kinds[kindOf(node)], { ...counts, ...curve.sum(span.warmUp, broken), nodes: 1 });
    sum.addAll(curve.data);
    if (opened !== undefined) openings.push({ node, opened, bytes });
  }
  return { kinds, curve: sum.data, openings, weighed: meter.weighed };
}

/** Sums of parts of a fleet. */
export function together(parts: readonly Simulated[], { warmUp, measured, after }: Span): Simulated {
  const kinds = noTotals();
  const curve = new TrafficCurve(warmUp + measured + after);
  const meter = new SizeMeter();
  for (const part of parts) {
    for (const kind of KINDS) addTotals(kinds[kind], part.kinds[kind]);
    curve.addAll(part.curve);
    meter.addAll(part.weighed);
  }
  const openings = parts.flatMap((part) => part.openings);
  return { kinds, curve: curve.data, openings, weighed: meter.weighed };
}

/**
 * Bytes by second from the restart on, if the streams of the nodes were open again at other times.
 * @param bytes by second from the restart on
 */
export function withOpeningsAt(
  bytes: readonly number[],
  openings: readonly Opening[],
  other: (node: number) => Readonly<Record<StreamName, number>>,
): number[] {
  const moved = [...bytes];
  const add = (second: number, change: number): void => {
    if (second < moved.length) moved[second]! += change;
  };
  for (const { node, opened, bytes: opening } of openings) {
    for (const stream of STREAMS) {
      add(Math.floor(opened[stream]), -opening[stream]);
      add(Math.floor(other(node)[stream]), opening[stream]);
    }
  }
  return moved;
}

/** Equal but for rounding, in seconds. */
function isAt(time: number, other: number): boolean {
  return Math.abs(time - other) < 1e-6;
}

function noTotals(): Record<Kind, KindTotals> {
  const none = { nodes: 0, signals: 0, connections: 0, endpoints: 0, reports: 0, messages: 0, bytes: 0 };
  return Object.fromEntries(KINDS.map((kind) => [kind, { ...none }])) as Record<Kind, KindTotals>;
}

function addTotals(sum: KindTotals, one: KindTotals): void {
  for (const key of Object.keys(sum) as (keyof KindTotals)[]) sum[key] += one[key];
}
