import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { bundle } from '../bench/bundle.js';
import { own } from '../bench/figures.js';
import type { Curve, PartResult } from './data.js';
import type { Plan } from './plan.js';
import type { Bench } from './site.js';
import type { StateCost, StateWork } from './state-costs.js';

const LONGEST_HOLD = 20;
const run = promisify(execFile);
const ticks = [
  'first tick',
  'steady tick',
  'churn tick',
  'fresh tick',
] as const satisfies readonly StateWork[];

/** The state of connections and the encoder by themselves, where each connection is reported as itself. */
export async function state({ workshop, stop }: Bench, plan: Plan): Promise<PartResult> {
  const script = path.join(workshop.folder, 'state-costs.mjs');
  await bundle(path.join(import.meta.dirname, 'state-costs.ts'), script);
  const { stdout } = await run(process.execPath, ['--expose-gc', script, ...plan.facts.map(String)], {
    signal: stop,
    killSignal: 'SIGKILL',
  });
  const costs = JSON.parse(stdout) as readonly StateCost[];
  const most = Math.max(...plan.facts);
  const atMost = (what: StateWork) => costs.find((cost) => cost.count === most && cost.what === what)!;
  return {
    curves: (['steady tick', 'first tick'] as const).map((what) => curve(costs, what)),
    figures: [
      ...ticks.map((what) =>
        own(
          `longest slice of a ${what} with ${most} connections, each reported`,
          'ms',
          atMost(what).longest,
          LONGEST_HOLD,
        ),
      ),
      own(`tables of ${most} connections, each reported`, 'bytes each', atMost('steady tick').bytes),
    ],
  };
}

function curve(costs: readonly StateCost[], what: StateWork): Curve {
  const points = costs.filter((cost) => cost.what === what).map(({ count, ms }) => ({ x: count, y: ms }));
  return {
    name: `CPU for a ${what}`,
    unit: 'ms',
    along: 'live connections',
    origin: 'facts',
    most: 1,
    points,
  };
}
