import { own } from '../bench/figures.js';
import type { PartResult } from './data.js';
import type { Plan } from './plan.js';
import { Site, type Bench } from './site.js';

/** Most of a core. */
const TARGET_PERCENT = 0.1;

/** The share of a core taken while no container does anything, a tick of the default interval included. */
export async function idle(bench: Bench, plan: Plan): Promise<PartResult> {
  return Site.during(bench, {}, async (site) => {
    // Until V8 has thrown away the memory of the start.
    await site.pause(plan.tidy);
    const share = await site.shareDuring(plan.idle);
    const { exec, socket } = await site.stop();
    const name = exec + socket === 0 ? 'idle' : `not idle, ${exec + socket} records of other containers`;
    return { curves: [], figures: [own(name, '% of a core', share * 100, TARGET_PERCENT)] };
  });
}
