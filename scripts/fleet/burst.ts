import { createActor } from 'xstate';
import { BACK_OFF } from '../../actors/sensor/actor.js';
import { CONNECT_MS } from '../../actors/sensor/stream.js';
import { stream, type BackOff, type OpenConnection } from '../../machines/stream.js';
import { ChannelModel } from './channel.js';
import { EventClock } from './clock.js';
import { randomFrom } from './random.js';

const STREAMS = ['signals', 'network'] as const;
/** Of the break, ms. */
const BREAK_MS = 1000;
/** Looked at after Sensor is back, ms: a stream that waited in vain for a connection waits once more. */
const RETURN_MS = 60_000;

/** How broken streams wait. */
export interface Waits {
  readonly backOff: Readonly<Record<(typeof STREAMS)[number], BackOff>>;
  /** Draws the part of the longest wait from a random number. */
  readonly part: (random: number) => number;
}

/** As it is. */
export const JITTERED: Waits = { backOff: BACK_OFF, part: (random) => random };
/** As it was: the bounds of the time before the jitter, and always the longest wait. */
export const UNJITTERED: Waits = {
  backOff: { signals: { first: 1000, most: 10_000 }, network: { first: 10_000, most: 10_000 } },
  part: () => 1,
};

/** Times at which a fleet came back, ms after its break. In `signals` and `network`, by node. */
export interface Returns {
  /** TCP connections, each with a TLS handshake: one for each node. */
  readonly connections: readonly number[];
  readonly signals: readonly number[];
  readonly network: readonly number[];
}

/**
 * Breaks the streams of all nodes at once, and lets the real machines of the streams open them again.
 * @param downMs time for which Sensor refuses connections
 */
export function returnsOf(nodes: number, downMs: number, waits: Waits, seed: number): Returns {
  const returns = { connections: [] as number[], signals: [] as number[], network: [] as number[] };
  for (let node = 0; node < nodes; node++) {
    const one = returnOf(downMs, waits, randomFrom(seed + node));
    returns.connections.push(...one.connections);
    returns.signals.push(one.signals);
    returns.network.push(one.network);
  }
  return returns;
}

function returnOf(downMs: number, { backOff, part }: Waits, random: () => number) {
  const clock = new EventClock();
  const connections: number[] = [];
  const opened = { signals: Infinity, network: Infinity };
  const channel = new ChannelModel({
    clock,
    random,
    isUp: (time) => time < BREAK_MS || time >= BREAK_MS + downMs,
    onConnected: (time) => connections.push(time - BREAK_MS),
  });
  const breaks: (() => void)[] = [];
  const open: OpenConnection = (update) => {
    let isOver = false;
    const broken = (reason: string): void => {
      if (isOver) return;
      isOver = true;
      update({ type: 'broken', reason });
    };
    channel.waitForReady(CONNECT_MS, (isReady) => {
      if (isOver) return;
      if (!isReady) {
        broken('no connection');
        return;
      }
      breaks.push(() => broken('Sensor restarts'));
      update({ type: 'opened' });
    });
    return () => (isOver = true);
  };
  const actors = STREAMS.map((name) => {
    const input = { backOff: backOff[name], open, random: () => part(random()) };
    const actor = createActor(stream, { input, clock });
    actor.on('opened', () => (opened[name] = clock.now - BREAK_MS));
    return actor.start();
  });
  clock.runUntil(BREAK_MS);
  connections.length = 0;
  channel.break();
  for (const end of breaks.splice(0)) end();
  clock.runUntil(BREAK_MS + downMs + RETURN_MS);
  for (const actor of actors) actor.stop();
  return { connections, ...opened };
}

/** Events in each second from 0 on. */
export function perSecond(times: readonly number[], seconds: number): number[] {
  const counts = Array.from({ length: seconds }, () => 0);
  for (const time of times) {
    const second = Math.floor(time / 1000);
    if (second < seconds) counts[second]!++;
  }
  return counts;
}

/** Most events in any second, wherever it starts. */
export function fullestSecond(times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b);
  let most = 0;
  let start = 0;
  for (const [at, time] of sorted.entries()) {
    while (sorted[start]! <= time - 1000) start++;
    most = Math.max(most, at - start + 1);
  }
  return most;
}
