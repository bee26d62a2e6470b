import type { RecordsFact, ScanFact } from '../../actors/capture/facts.js';
import { RecordType } from '../../actors/capture/layout.js';
import { Records } from '../../actors/capture/records.js';
import { batches } from '../bench/many.js';
import type { Played } from './recordings.js';
import { RECORDED, type Residents } from './residents.js';
import { shifted } from './shift.js';

const NS_PER_SECOND = 1e9;
/** A recording is played in each of them, s. */
export const SLOT_SECONDS = 24;
/** Between two calls of a pod, s: out of step with reports. */
export const CALL_SECONDS = 11;
/** Of a short connection, ns. */
const CALL_NS = 1e8;

/** A node's facts. */
export interface Play {
  readonly node: number;
  /** Played in turn, each node beginning with another one. */
  readonly recordings: readonly Played[];
  readonly residents: Residents;
  /** CLOCK_BOOTTIME at the start, ns. */
  readonly boot: number;
  readonly seconds: number;
  /** When the first recording starts, s, so that nodes are not in step. */
  readonly offset: number;
  /** Whether the clients of web servers come from the internet. */
  readonly isIngress: boolean;
  /** Connections a minute of a container that scans the network; 0: there is none. */
  readonly probesPerMinute: number;
}

/** The facts of a node's kernel side, in the order of their times. */
export function* playedFacts(play: Play): Generator<RecordsFact | ScanFact> {
  yield* inOrder([recordedFacts(play), callFacts(play), probeFacts(play)]);
}

/** The facts of several sources, each in order, by their times. */
function* inOrder<T extends { readonly time: number }>(sources: readonly Iterator<T, void>[]): Generator<T> {
  const heads = sources.map((source) => ({ source, next: source.next() }));
  for (;;) {
    let earliest: T | undefined;
    let from: (typeof heads)[number] | undefined;
    for (const head of heads) {
      if (head.next.done === true || (earliest !== undefined && earliest.time <= head.next.value.time))
        continue;
      earliest = head.next.value;
      from = head;
    }
    if (earliest === undefined || from === undefined) return;
    yield earliest;
    from.next = from.source.next();
  }
}

function* recordedFacts(play: Play): Generator<RecordsFact | ScanFact, void> {
  const { boot, seconds, offset } = play;
  for (let start = offset, slot = 0; start < seconds; start += SLOT_SECONDS, slot++) {
    const end = boot + Math.min(start + SLOT_SECONDS, seconds) * NS_PER_SECOND;
    for (const fact of slotFacts(play, slot, boot + start * NS_PER_SECOND)) {
      if (fact.time >= end) break;
      yield fact;
    }
  }
}

function* slotFacts(play: Play, slot: number, time: number): Generator<RecordsFact | ScanFact> {
  const { recordings, node, isIngress, residents } = play;
  const { facts, start, serverPorts } = recordings[(node + slot) % recordings.length]!;
  const shift = {
    time: time - start,
    salt: saltOf(node, slot + 1),
    node,
    publicPorts: isIngress ? serverPorts : new Set<number>(),
  };
  let isFirst = true;
  for (const fact of facts) {
    const records = shifted(fact.records, shift);
    const at = { time: fact.time + shift.time };
    if (fact.kind === 'records') {
      yield { ...fact, ...at, records };
    } else if (fact.of === 'processes') {
      yield { ...fact, ...at, records, audience: 'same' };
    } else {
      const scan = { kind: 'scan', of: 'sockets', audience: 'same', ...at } as const;
      const all = joined(records, residents.sockets);
      // What the slot before left open has gone with its containers.
      const end = isFirst ? ({ afterLoss: true } as const) : {};
      yield { ...scan, ...end, records: all };
      isFirst = false;
    }
  }
}

/** Distinguishes the containers and sockets of a part of a node's facts from all others. */
export function saltOf(node: number, part: number): number {
  return Math.imul(node * 4096 + part, 0x9e37_79b1) >>> 0;
}

/** Each pod calls its service, again and again, and hangs up soon. */
function* callFacts({ node, boot, seconds, offset, residents }: Play): Generator<RecordsFact, void> {
  const shift = { salt: saltOf(node, 0), node, publicPorts: new Set<number>() };
  for (let second = offset; second < seconds - 1; second += CALL_SECONDS) {
    const opened = boot + second * NS_PER_SECOND;
    for (const [at, time] of [opened, opened + CALL_NS].entries())
      yield {
        kind: 'records',
        time,
        records: shifted(residents.calls[at]!, { ...shift, time: time - RECORDED }),
      };
  }
}

/** A second's connections of the scanning container at once, each to a peer of its own, and their ends. */
function* probeFacts({ boot, seconds, probesPerMinute }: Play): Generator<RecordsFact, void> {
  const count = Math.round(probesPerMinute / 60);
  if (count === 0) return;
  for (let second = 1; second < seconds - 1; second++) {
    const opened = boot + second * NS_PER_SECOND;
    for (const [type, time] of [
      [RecordType.open, opened],
      [RecordType.close, opened + CALL_NS],
    ] as const)
      for (const records of batches(type, second * count, count, time))
        yield { kind: 'records', time, records };
  }
}

function joined(one: Records, other: Records): Records {
  const bytes = new Uint8Array(one.length + other.length);
  bytes.set(one.u8.subarray(0, one.length));
  bytes.set(other.u8.subarray(0, other.length), one.length);
  return new Records(bytes);
}
