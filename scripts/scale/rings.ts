import { own } from '../bench/figures.js';
import { medianOf } from '../bench/statistics.js';
import type { Curve, PartResult } from './data.js';
import type { FeedKind } from './feeder.js';
import type { Plan } from './plan.js';
import { Site, type Bench } from './site.js';
import { warmUp } from './warm-up.js';

/** A second. */
const RATES = { exec: 2000, connection: 20_000 } as const;
const CONTAINERS = 10;
/** Until the loop rests after a load. */
const REST_MS = 2000;
const SHARE_MS = 5000;

interface Costs {
  readonly exec: number;
  readonly connection: number;
  readonly memory: number;
  /** Share of a core at rest. */
  readonly rest: number;
}

/**
 * The cost of many CPUs: Collector takes the kernel to have so many, makes a ring for each, and one record after the
 * other comes by the next ring, the worst case for merging them by time.
 */
export async function rings(bench: Bench, plan: Plan): Promise<PartResult> {
  const costs = new Map<number, Costs>();
  let lost = 0;
  for (const cpus of plan.rings) {
    const at = await Site.during(bench, { cpus }, async (site) => {
      await warmUp(site, plan.warmUp);
      const cost = async (kind: FeedKind & keyof typeof RATES) => {
        const all: number[] = [];
        const count = (RATES[kind] * plan.load) / 1000;
        while (all.length <= plan.rounds)
          all.push(
            await site.costOf(async () => {
              const fed = await site.feed({ kind, count, rate: RATES[kind], containers: CONTAINERS });
              lost += fed.lost;
              return count;
            }),
          );
        return medianOf(all);
      };
      const [exec, connection] = [await cost('exec'), await cost('connection')];
      await site.pause(REST_MS);
      const rest = await site.shareDuring(SHARE_MS);
      return { exec, connection, rest, memory: site.daemon.memory().now };
    });
    costs.set(cpus, at);
  }
  const [most, { rest }] = [...costs].at(-1)!;
  return {
    curves: curves(costs),
    figures: [
      own(`lost by ${[...costs.keys()].join(', ')} rings`, 'records', lost, 0),
      own(`at rest with ${most} rings`, '% of a core', rest * 100),
    ],
  };
}

function curves(costs: ReadonlyMap<number, Costs>): Curve[] {
  const common = { along: 'rings', origin: 'rings' } as const;
  const points = (key: keyof Costs) => [...costs].map(([x, { [key]: y }]) => ({ x, y }));
  return [
    { ...common, name: 'CPU for 1,000 execs', unit: 'ms', most: 0, points: points('exec') },
    { ...common, name: 'CPU for 1,000 connections', unit: 'ms', most: 0, points: points('connection') },
    { ...common, name: 'resident memory', unit: 'MB', most: 1, points: points('memory') },
  ];
}
