import { cpuSampler, heapSampler, type Sampler } from '../../actors/profiles/sampler.js';
import { compared, type Figure } from './figures.js';
import { connectionSteps, cpuTime } from './fold.js';

/** Most time added by a profile to the code it samples, as a share. */
const MOST = 0.05;

/**
 * The costs of a profile to folds under way: the same work without it and with it, in turn.
 * @param recording of a TCP load
 * @param plan how many pairs there are, and for how long each half of one goes on, ms
 */
export async function profileFigures(
  recording: string,
  { pairs, load }: { readonly pairs: number; readonly load: number },
): Promise<Figure[]> {
  const { prepare, count } = connectionSteps(recording);
  /** Processor time for a record, ns, with the time of sampling threads. */
  const cost = (): number => {
    const end = performance.now() + load;
    let time = 0;
    let records = 0;
    while (performance.now() < end) {
      time += cpuTime(() => prepare().forEach((step) => step()));
      records += count;
    }
    return time / records;
  };
  const pair = async (sampler: Sampler): Promise<readonly [number, number]> => {
    const bare = cost();
    await sampler.start();
    const profiled = cost();
    await sampler.stop();
    return [bare, profiled];
  };
  const figures: Figure[] = [];
  for (const [name, sampler] of [
    ['CPU', cpuSampler()],
    ['heap', heapSampler()],
  ] as const) {
    cost();
    const costs: (readonly [number, number])[] = [];
    while (costs.length < pairs) costs.push(await pair(sampler));
    figures.push(compared(`fold: TCP record while a ${name} profile is taken`, 'ns', costs, MOST));
  }
  return figures;
}
