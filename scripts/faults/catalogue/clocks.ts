/**
 * Faults of the node's clock and sleep. A run is recorded, and replayed as the kernel would have told it: stepping the
 * clock of this machine would be felt by everybody on it, and none of its namespaces have a wall clock of their own.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RecordedFact } from '../../../actors/capture/facts.js';
import { encodeFrame, endFrame, MAGIC, padding } from '../../../actors/capture/journal.js';
import { record_header } from '../../../actors/capture/layout.js';
import { TWO_32, type Records } from '../../../actors/capture/records.js';
import { openRecording } from '../../../actors/capture/replayer.js';
import { Daemon } from '../../lab/daemon.js';
import { conclude, paceOf, type Fault, type Findings, type Plan } from '../fault.js';
import { Inbox, type Message } from '../inbox.js';
import { imbalance } from '../ledger.js';
import { Scene } from '../scene.js';

const NS = 1e9;
const HOUR_S = 3600;
const NIGHT_S = 8 * HOUR_S;

/** Changes a fact, given how the run went on. @param isLate whether it is in the second half of the run */
type Change = (fact: RecordedFact, isLate: boolean) => readonly RecordedFact[];

export const clockFaults: readonly Fault[] = [
  replayed({
    name: 'clock-forward',
    title: 'the clock is stepped forward by an hour (replayed)',
    seconds: { long: 20 },
    change: () => stepClock(HOUR_S),
    shift: HOUR_S,
  }),
  replayed({
    name: 'clock-back',
    title: 'the clock is stepped back by an hour (replayed)',
    seconds: { long: 20, short: 3 },
    change: () => stepClock(-HOUR_S),
    shift: -HOUR_S,
  }),
  replayed({
    name: 'suspend',
    title: 'the node sleeps for 8 hours (replayed)',
    seconds: { long: 20, short: 3 },
    change: () => (fact, isLate) => [isLate ? later(fact, NIGHT_S * NS) : fact],
    shift: NIGHT_S,
  }),
];

interface Replayed extends Pick<Fault, 'name' | 'title' | 'seconds'> {
  readonly change: () => Change;
  /** By how much times of the second half have to differ, s. */
  readonly shift: number;
}

function replayed({ name, title, seconds, change, shift }: Replayed): Fault {
  return {
    name,
    title,
    seconds,
    run: async (plan) => {
      const scene = await Scene.set();
      try {
        return await recordAndReplay(scene, plan, change(), shift);
      } finally {
        await scene.remove();
      }
    },
  };
}

async function recordAndReplay(scene: Scene, plan: Plan, change: Change, shift: number): Promise<Findings> {
  const [plain, changed] = ['plain', 'changed'].map((name) => path.join(scene.folder, name)) as [
    string,
    string,
  ];
  await scene.collect({ args: [`--record=${plain}`] });
  await scene.load.start(paceOf(plan));
  await sleep(plan.seconds * 1000);
  const made = await scene.load.stop();
  const live = await conclude(scene, made, { expects: [] });
  rewrite(plain, changed, change);

  const before = await replay(plain);
  const after = await replay(changed);
  const inbox = new Inbox(scene.load.container.shortId, scene.load.containers);
  for (const message of after) inbox.takeMessage(message);
  const ledger = { ...live.ledger, delivered: inbox.counts };
  return { ...live, ledger, problems: [...live.problems, ...compared(live, before, after, shift)] };
}

/** Wrong differences of two replays. */
function compared(
  live: Findings,
  before: readonly Message[],
  after: readonly Message[],
  shift: number,
): string[] {
  const [times, shifted] = [signalTimes(before), signalTimes(after)];
  const steps = [...times].map(([id, time]) => Math.round((shifted.get(id) ?? NaN) - time));
  const [early, late] = [steps.filter((step) => step === 0), steps.filter((step) => step === shift)];
  return [
    ...(imbalance(live.ledger) !== 0 ? ['the recorded run breaks the law by itself'] : []),
    ...(early.length + late.length === steps.length
      ? []
      : ['times are neither by the old clock nor by the new one']),
    ...(early.length > 0 && late.length > 0 ? [] : ['times of one clock are missing']),
  ];
}

/** Times of process signals by their ids, s. */
function signalTimes(messages: readonly Message[]): ReadonlyMap<string, number> {
  return new Map(
    messages.flatMap(({ signal }) => {
      const { id, time } = (signal?.processSignal ?? {}) as { readonly id?: string; readonly time?: string };
      return id === undefined ? [] : [[id, Date.parse(time!) / 1000] as const];
    }),
  );
}

/** Rewrites a recording. */
function rewrite(from: string, to: string, change: Change): void {
  const half = halfOf(from);
  const parts: Uint8Array[] = [MAGIC];
  const { start, all } = openRecording(from);
  for (const fact of [start, ...all]) {
    for (const changed of change(fact, fact.time > half)) {
      const [header, payload] = encodeFrame(changed);
      parts.push(header, payload, new Uint8Array(padding(payload.length)));
    }
  }
  writeFileSync(to, Buffer.concat([...parts, endFrame()]));
}

/** A time in the middle of a recording. */
function halfOf(file: string): number {
  const times = Array.from(openRecording(file).facts, ({ time }) => time);
  return (times[0]! + times.at(-1)!) / 2;
}

/** Steps the wall clock in the middle of a run. */
function stepClock(seconds: number): Change {
  let epoch = 0;
  let isStepped = false;
  return (fact, isLate) => {
    if (fact.kind === 'start') epoch = fact.epoch;
    const step = isLate && !isStepped;
    isStepped ||= isLate;
    const set = { kind: 'clock', time: fact.time, epoch: epoch + seconds * NS } as const;
    const now =
      isLate && 'epoch' in fact && fact.kind !== 'start'
        ? { ...fact, epoch: fact.epoch + seconds * NS }
        : fact;
    return step ? [set, now] : [now];
  };
}

/** A fact, with its records, so many ns later. */
function later(fact: RecordedFact, ns: number): RecordedFact {
  if ('records' in fact) shiftRecords(fact.records, ns);
  return { ...fact, time: fact.time + ns };
}

function shiftRecords(records: Records, ns: number): void {
  for (let at = 0; at < records.length; at += records.size(at)) {
    const time = records.time(at) + ns;
    const word = (at + record_header.time) >> 2;
    records.u32[word] = time % TWO_32;
    records.u32[word + 1] = Math.floor(time / TWO_32);
  }
}

/** Replays a recording; its messages. @throws Error with the log if it can't */
async function replay(file: string): Promise<Message[]> {
  const daemon = new Daemon([`--replay=${file}`], {});
  if ((await daemon.ended) !== 0) throw new Error(`A replay failed:\n${daemon.stderr.slice(-1000)}`);
  return daemon.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Message);
}
