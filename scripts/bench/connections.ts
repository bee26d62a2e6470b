/**
 * Measures live connections, from 1,000 to 1,000,000 of them: bytes, processor time of a tick and of its longest slice,
 * garbage collection on other threads included.
 * Each is reported as itself (the worst case), and no limit holds any back: `npx tsx
 * scripts/bench/connections.ts`, or with counts as its arguments.
 */
import { RecordType } from '../../actors/capture/layout.js';
import { ConnectionState } from '../../actors/connections/state.js';
import { batches, SECOND, SEED, settings, TICK } from './many.js';

const COUNTS = [1000, 10_000, 100_000, 1_000_000];
/** Small tables are ticked more often, to lift their times above the clock's grain. */
const LEAST_WORK = 200_000;

interface StateCost {
  cpuMs: number;
  longestMs: number;
  reports: number;
}

/** Folds events in batches made beforehand. */
function foldRecords(
  state: ConnectionState,
  type: number,
  first: number,
  count: number,
  time: number,
): StateCost {
  const cost: StateCost = { cpuMs: 0, longestMs: 0, reports: 0 };
  for (const records of batches(type, first, count, time)) {
    add(cost, () => {
      for (let at = 0; at < records.length; at += records.size(at)) state.record(records, at);
    });
  }
  return cost;
}

function tick(state: ConnectionState, time: number, audience: 'same' | 'fresh' = 'same'): StateCost {
  const cost: StateCost = { cpuMs: 0, longestMs: 0, reports: 0 };
  const slices = state.tick({ kind: 'tick', time, epoch: 0, audience });
  let next: ReturnType<typeof slices.next>;
  do {
    add(cost, () => (next = slices.next()));
    cost.reports += next!.value?.connections.length ?? 0;
  } while (next!.done !== true);
  return cost;
}

function add(cost: StateCost, work: () => void): void {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  const cpuMs = (user + system) / 1000;
  cost.longestMs = Math.max(cost.longestMs, cpuMs);
  cost.cpuMs += cpuMs;
}

/** Costs of one life of a state with so many connections, by name. */
function measureTable(count: number): ReadonlyMap<string, StateCost & { bytes: number }> {
  let now = 0;
  globalThis.gc?.();
  const state = new ConnectionState(settings, () => 0, SEED);
  const costs = new Map<string, StateCost & { bytes: number }>();
  const note = (name: string, cost: StateCost) => costs.set(name, { ...cost, bytes: state.bytes / count });
  note('open', foldRecords(state, RecordType.open, 0, count, (now += SECOND)));
  note('first tick', tick(state, (now += TICK)));
  tick(state, (now += TICK));
  note('steady tick', tick(state, (now += TICK)));
  const tenth = Math.ceil(count / 10);
  foldRecords(state, RecordType.close, 0, tenth, (now += SECOND));
  note('open a tenth', foldRecords(state, RecordType.open, count, tenth, (now += SECOND)));
  note('churn tick', tick(state, (now += TICK)));
  note('fresh tick', tick(state, now + TICK, 'fresh'));
  return costs;
}

const counts = process.argv.length > 2 ? process.argv.slice(2).map(Number) : COUNTS;
for (let warm = 0; warm < 5; warm++) measureTable(20_000);
console.log(
  'connections  what            bytes each  CPU ms   ns each  longest ms  reports  ns each / a decade before',
);
const before = new Map<string, number>();
for (const count of counts) {
  const rounds = Math.max(1, Math.ceil(LEAST_WORK / count));
  const all = Array.from({ length: rounds }, () => measureTable(count));
  for (const [name, { bytes, reports }] of all[0]!) {
    const cpuMs = all.reduce((sum, costs) => sum + costs.get(name)!.cpuMs, 0) / rounds;
    const longest = Math.max(...all.map((costs) => costs.get(name)!.longestMs));
    const each = (cpuMs * 1e6) / count;
    const ratio = before.has(name) ? (each / before.get(name)!).toFixed(2) : '';
    before.set(name, each);
    console.log(
      `${String(count).padStart(11)}  ${name.padEnd(14)}  ${bytes.toFixed(1).padStart(10)}  ${cpuMs.toFixed(1).padStart(6)}  ` +
        `${each.toFixed(0).padStart(8)}  ${longest.toFixed(1).padStart(10)}  ${String(reports).padStart(7)}  ${ratio}`,
    );
  }
}
