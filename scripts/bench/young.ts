/**
 * Measures what an exec costs a young Collector with a Sensor: `npm run build && npx tsx scripts/bench/young.ts
 * [--execs=20000] [--window=1000] [--runs=3] [--bundle=dist/collector.js]… [--node=<argument>]… [--plain] [--json]`.
 * Needs root and gcc.
 *
 * Distinct execs run in containers, a window after the other, from the first seconds of a Collector's life on. Each has
 * to reach the Sensor double, over mutual TLS or, with `--plain`, in plain text. Several bundles run in turn. Processor
 * time of all threads counts: V8's compiler and garbage collector have some of their own.
 */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { BadUsage, command } from '../command.js';
import { Nursery, type Life, type LifePlan } from './life.js';
import { medianOf } from './statistics.js';

const BUNDLE = path.resolve(import.meta.dirname, '../../dist/collector.js');

interface Plan extends LifePlan {
  readonly runs: number;
  readonly bundles: readonly string[];
  readonly isJson: boolean;
}

await command(async (words) => {
  const plan = planOf(words);
  if (process.getuid?.() !== 0) throw new Error('It loads BPF programs and makes cgroups: run it as root.');
  const nursery = new Nursery();
  const lives = plan.bundles.map((): Life[] => []);
  try {
    await nursery.prepare();
    for (let run = 0; run < plan.runs; run++)
      for (const [at, bundle] of plan.bundles.entries()) lives[at]!.push(await nursery.live(bundle, plan));
  } finally {
    nursery.close();
  }
  if (plan.isJson) console.log(JSON.stringify(lives, null, 2));
  else lives.forEach((of, at) => console.log(`${plan.bundles[at]}\n${table(of, plan.execs)}\n`));
  return true;
});

/** @throws BadUsage */
function planOf(words: readonly string[]): Plan {
  const { values } = parseArgs({
    args: [...words],
    options: {
      execs: { type: 'string', default: '20000' },
      window: { type: 'string', default: '1000' },
      runs: { type: 'string', default: '3' },
      bundle: { type: 'string', multiple: true, default: [BUNDLE] },
      node: { type: 'string', multiple: true, default: [] },
      plain: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const count = (name: 'execs' | 'window' | 'runs') => {
    const value = Number(values[name]);
    if (Number.isInteger(value) && value > 0) return value;
    throw new BadUsage(`--${name} is '${values[name]}', and has to be a whole number over 0`);
  };
  const { bundle: bundles, node, plain: isPlain, json: isJson } = values;
  const execs = count('window');
  return {
    windows: Math.ceil(count('execs') / execs),
    execs,
    runs: count('runs'),
    bundles,
    node,
    isPlain,
    isJson,
  };
}

/** Medians of the lives. */
function table(lives: readonly Life[], execs: number): string {
  const median = (of: (life: Life) => number) => medianOf(lives.map(of)).toFixed(1);
  return [
    `start ${median(({ start }) => start)} ms, peak ${median(({ memory }) => memory)} MB`,
    'execs from   loop  others  all, µs each',
    ...lives[0]!.windows.map((_, at) =>
      [
        String(at * execs).padStart(10),
        median(({ windows }) => windows[at]!.loop).padStart(7),
        median(({ windows }) => windows[at]!.others).padStart(8),
        median(({ windows }) => windows[at]!.loop + windows[at]!.others).padStart(6),
      ].join(''),
    ),
  ].join('\n');
}
