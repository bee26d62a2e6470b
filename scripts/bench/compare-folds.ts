/**
 * Compares the fold of connections of two checkouts: `npx tsx scripts/bench/compare-folds.ts <other checkout, with its
 * packages> [seconds]`, after `npm run build`. Needs root: it records a load first.
 *
 * Both fold the same facts in one process, in turn, so a busy machine slows both: a difference of 2 % shows within a
 * minute. The costs of two whole Collectors are compared by `npm run compare`.
 */
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { BadUsage, command } from '../command.js';
import { bundle } from './bundle.js';
import { Daemon } from './daemon.js';
import { compared, table } from './figures.js';
import { cpuTime } from './fold.js';
import { medianOf } from './statistics.js';
import { Workshop } from './workshop.js';

type Folds = Pick<typeof import('./fold.js'), 'connectionSteps'>;

const OWN = path.resolve(import.meta.dirname, '../..');
const LOAD_MS = 5000;
const SECONDS = '60';
/** Part of the rounds in which V8 still compiles. */
const WARM_UP = 1 / 4;
/** Rounds of a pair: its figures are their medians, so that the other work of a busy machine cancels out. */
const ROUNDS = 8;

await command(async ([other, seconds = SECONDS, ...rest]) => {
  if (other === undefined || rest.length > 0 || !(Number(seconds) > 0))
    throw new BadUsage('Allowed: <other checkout> [seconds, more than 0]');
  const workshop = new Workshop(new AbortController().signal);
  try {
    await workshop.prepare();
    const steps: ReturnType<Folds['connectionSteps']>[] = [];
    const recording = await record(workshop);
    for (const checkout of [path.resolve(other), OWN]) {
      const { connectionSteps } = await load(checkout, path.join(workshop.folder, `${steps.length}.mjs`));
      steps.push(connectionSteps(recording));
    }
    const end = performance.now() + Number(seconds) * 1000;
    const rounds: number[][][] = [];
    while (performance.now() < end || rounds.length < 2 * ROUNDS) {
      const times = steps.map(() => [] as number[]);
      // Each goes first as often as the other.
      const order = rounds.length % 2 === 0 ? [0, 1] : [1, 0];
      for (const at of order)
        times[at] = steps[at]!.prepare().map((step) => cpuTime(step) / steps[at]!.count);
      rounds.push(times);
    }
    const figures = ['fold: TCP record into the connections', 'fold: tick, its share for a record'].map(
      (name, step) => compared(name, 'ns', pairs(rounds.slice(rounds.length * WARM_UP), step)),
    );
    console.log(table(figures, ['other', 'this']));
    return true;
  } finally {
    await workshop.close();
  }
});

function pairs(rounds: readonly (readonly (readonly number[])[])[], step: number): [number, number][] {
  const all: [number, number][] = [];
  for (let at = 0; at + ROUNDS <= rounds.length; at += ROUNDS) {
    const some = rounds.slice(at, at + ROUNDS);
    all.push([
      medianOf(some.map((round) => round[0]![step]!)),
      medianOf(some.map((round) => round[1]![step]!)),
    ]);
  }
  return all;
}

/** The facts of a TCP load, as the built Collector records them. */
async function record(workshop: Workshop): Promise<string> {
  const file = path.join(workshop.folder, 'tcp');
  const daemon = await Daemon.start(path.join(OWN, 'dist/collector.js'), [`--record=${file}`]);
  try {
    await workshop.load('tcp', LOAD_MS);
    await daemon.stop();
  } finally {
    await daemon.kill();
  }
  return file;
}

/** The folds of a checkout, bundled like the product. */
async function load(checkout: string, outfile: string): Promise<Folds> {
  await bundle(path.join(checkout, 'scripts/bench/fold.ts'), outfile);
  return (await import(pathToFileURL(outfile).href)) as Folds;
}
