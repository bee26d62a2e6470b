/**
 * Measures the state of connections by itself, and the encoder behind it: no kernel, no streams. Each connection is
 * reported as itself (the worst case), and no limit holds any back. Started by state.ts, bundled: prints the costs
 * for the counts in its arguments as JSON.
 */
import { RecordType } from '../../actors/capture/layout.js';
import { ConnectionState } from '../../actors/connections/state.js';
import { networkMessage } from '../../actors/sensor/messages.js';
import { batches, SECOND, SEED, settings, TICK } from '../bench/many.js';

/** Small tables are ticked more often, to lift their times above the clock's grain. */
const LEAST_WORK = 200_000;
const WARM_UPS = 5;
const WARM_UP_COUNT = 20_000;
const NS_PER_US = 1000;

/** Costs of one kind of work with so many connections. */
export interface StateCost {
  readonly count: number;
  readonly what: StateWork;
  /** Processor time, threads of garbage collection included. */
  readonly ms: number;
  /** Longest hold of the loop, ms: the lesser of processor time and time by the clock. */
  readonly longest: number;
  /** Of the tables, for each connection. */
  readonly bytes: number;
}

export type StateWork = 'open' | 'first tick' | 'steady tick' | 'open a tenth' | 'churn tick' | 'fresh tick';

class Stopwatch {
  ms = 0;
  longest = 0;

  time(work: () => void): void {
    const [start, before] = [performance.now(), process.cpuUsage()];
    work();
    const { user, system } = process.cpuUsage(before);
    const spent = (user + system) / 1000;
    this.ms += spent;
    this.longest = Math.max(this.longest, Math.min(spent, performance.now() - start));
  }
}

/** Folds events in batches made beforehand. */
function foldRecords(
  state: ConnectionState,
  type: number,
  first: number,
  count: number,
  time: number,
): Stopwatch {
  const watch = new Stopwatch();
  for (const records of batches(type, first, count, time)) {
    watch.time(() => {
      for (let at = 0; at < records.length; at += records.size(at)) state.record(records, at);
    });
  }
  return watch;
}

/** A tick in slices, and the message of each part as Sensor gets it. */
function tick(state: ConnectionState, time: number, audience: 'same' | 'fresh' = 'same'): Stopwatch {
  const watch = new Stopwatch();
  const slices = state.tick({ kind: 'tick', time, epoch: 0, audience });
  let next: ReturnType<typeof slices.next>;
  do {
    watch.time(() => {
      next = slices.next();
      if (next.value !== undefined) networkMessage(next.value, time / NS_PER_US, noOriginator);
    });
  } while (next!.done !== true);
  return watch;
}

function noOriginator(): never {
  throw new Error('These connections have no endpoints.');
}

/** Costs of one life of a state with so many connections. */
function life(count: number): StateCost[] {
  let now = 0;
  globalThis.gc?.();
  const state = new ConnectionState(settings, () => 0, SEED);
  const costs: StateCost[] = [];
  const note = (what: StateWork, { ms, longest }: Stopwatch) =>
    costs.push({ count, what, ms, longest, bytes: state.bytes / count });
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

/** Means of processor time over as many lives as lift it above the clock's grain, and the longest hold of all. */
function costsOf(count: number): StateCost[] {
  const lives = Array.from({ length: Math.max(1, Math.ceil(LEAST_WORK / count)) }, () => life(count));
  return lives[0]!.map((cost, at) => ({
    ...cost,
    ms: lives.reduce((sum, costs) => sum + costs[at]!.ms, 0) / lives.length,
    longest: Math.max(...lives.map((costs) => costs[at]!.longest)),
  }));
}

for (let warm = 0; warm < WARM_UPS; warm++) life(WARM_UP_COUNT);
console.log(JSON.stringify(process.argv.slice(2).map(Number).flatMap(costsOf)));
