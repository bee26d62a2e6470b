import { merge, Subject, type Observable } from 'rxjs';
import type { Fact } from '../../actors/capture/facts.js';
import { openRecording } from '../../actors/capture/replayer.js';
import { Slices } from '../../actors/capture/slices.js';
import { createLog } from '../../actors/telemetry/log.js';
import { Pipeline } from '../../actors/wiring/pipeline.js';
import { compared, type Figure } from './figures.js';
import { cpuTime } from './fold.js';

/** Until the compiler of JavaScript has done its work, in halves of a pair. */
const FIRST = 6;

/**
 * The cost of the log of facts at info: the whole fold of a recording without it and with it, in turn.
 * @param plan how many pairs there are, and for how long each half of one goes on, ms
 */
export function factLogFigures(
  recording: string,
  { pairs, load }: { readonly pairs: number; readonly load: number },
): Figure[] {
  const { start, facts: recorded } = openRecording(recording);
  const all: readonly Fact[] = [...recorded];
  const count = all.reduce((sum, fact) => sum + recordsIn(fact), 0);
  const log = createLog({ write: () => undefined });
  /** Makes the fold of the whole recording, with the state of its start. */
  const prepare = (isLogged: boolean): (() => void) => {
    const slices = new Slices();
    const facts = new Subject<Fact>();
    const pipeline = new Pipeline(start.settings, slices, log);
    if (!isLogged) Object.assign(pipeline.factLog, { watch: (bare: Observable<Fact>) => bare });
    pipeline.run(facts, ({ processes, network }) => merge(processes, network)).subscribe();
    facts.next(start);
    return () => {
      for (const fact of all) {
        facts.next(fact);
        const work = slices.run();
        while (work.next().done !== true);
      }
    };
  };
  const end = performance.now() + load * FIRST;
  while (performance.now() < end) [false, true].forEach((isLogged) => prepare(isLogged)());
  const costs = Array.from({ length: pairs }, () => {
    const times: [number, number] = [0, 0];
    const stop = performance.now() + 2 * load;
    let folds = 0;
    // In turn, one by one, and the first comes second the next time: each has the same neighbours and the same caches.
    for (; performance.now() < stop; folds++) {
      const order = folds % 2 === 0 ? [0, 1] : [1, 0];
      for (const which of order) times[which]! += cpuTime(prepare(which === 1));
    }
    return [times[0] / folds / count, times[1] / folds / count] as const;
  });
  return [compared('fold: record with the log of facts at info', 'ns', costs, 0)];
}

function recordsIn(fact: Fact): number {
  if (!('records' in fact)) return 0;
  let count = 0;
  for (let at = 0; at < fact.records.length; at += fact.records.size(at)) count++;
  return count;
}
