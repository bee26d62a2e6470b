import { own } from '../bench/figures.js';
import { medianOf } from '../bench/statistics.js';
import type { ContainerRange, Work } from '../bench/workshop.js';
import type { Curve, PartResult, Point } from './data.js';
import type { Plan } from './plan.js';
import { Site, type Bench } from './site.js';
import { warmUp } from './warm-up.js';

const NAMES = { spawn: 'CPU for 1,000 execs', tcp: 'CPU for 1,000 connections' } as const;
type Kind = keyof typeof NAMES;

/** The cost of execs and connections in one container after the other, of many. */
export async function containers(bench: Bench, plan: Plan): Promise<PartResult> {
  return loads(bench, plan, 'containers', plan.containers, async (site, work, count) =>
    site.costOfLoad(work, plan.load, { count }),
  );
}

/** The same of one producer and of two at once, in containers of their own, as fast as they can. */
export async function producers(bench: Bench, plan: Plan): Promise<PartResult> {
  return loads(bench, plan, 'producers', [1, 2], async (site, work, count) => {
    const ranges: ContainerRange[] = Array.from({ length: count }, (_, first) => ({ first }));
    return site.costOfLoad(work, plan.load, ...ranges);
  });
}

async function loads(
  bench: Bench,
  plan: Plan,
  along: Curve['along'],
  counts: readonly number[],
  cost: (site: Site, work: Work, count: number) => Promise<number>,
): Promise<PartResult> {
  return Site.during(bench, {}, async (site) => {
    await warmUp(site, plan.warmUp);
    const curve = async (work: Kind): Promise<Curve> => {
      const points: Point[] = [];
      // The first time, V8 compiles once more: the warm-up was of records.
      await cost(site, work, counts[0]!);
      for (const x of counts) {
        const costs: number[] = [];
        while (costs.length <= plan.rounds) costs.push(await cost(site, work, x));
        points.push({ x, y: medianOf(costs) });
      }
      return { name: NAMES[work], unit: 'ms', along, origin: 'kernel', most: 0, points };
    };
    const curves = [await curve('spawn'), await curve('tcp')];
    const { lost } = await site.stop();
    return { curves, figures: [own(`lost to many ${along}`, 'records', lost, 0)] };
  });
}
