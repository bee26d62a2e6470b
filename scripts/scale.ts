/**
 * Measures how Collector's costs grow, and whether it meets its targets at full size: `npm run scale -- [--quick]
 * [--only=<part>,…] [--json] [--save]`. Needs root, gcc, clang and the output of `npm run build`; takes some eleven
 * minutes, with `--quick` some three, and then its figures are rough.
 *
 * A Collector as it is built runs beside a double of Sensor. Its processor time counts, of all of its threads. Where
 * this machine has too few sockets, processes or CPUs, a program writes their records into the kernel's rings: what is
 * real and what is not stands beside each figure. With `--fleet` as the first word, see scripts/fleet/command.ts.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { format } from 'prettier';
import { Workshop } from './bench/workshop.js';
import { command } from './command.js';
import { changedSince, ownMachine, root, savedResult, saveResult } from './results/result.js';
import { runFleet } from './fleet/command.js';
import { readArguments } from './scale/arguments.js';
import { containers, producers } from './scale/containers.js';
import { curvesOf, figuresOf, type Part, type PartResult, type ScaleData } from './scale/data.js';
import { Feeder } from './scale/feeder.js';
import { growthOf } from './scale/growth.js';
import { idle } from './scale/idle.js';
import { fed, sockets } from './scale/live-connections.js';
import { plans, type Plan } from './scale/plan.js';
import { Progress } from './progress.js';
import { rates } from './scale/rates.js';
import { PICTURE, picture, render } from './scale/report.js';
import { rings } from './scale/rings.js';
import type { Bench } from './scale/site.js';
import { state } from './scale/state.js';

type MeasurePart = (bench: Bench, plan: Plan) => Promise<PartResult>;

const measures: Readonly<Record<Part, MeasurePart>> = {
  idle,
  sockets,
  fed,
  containers,
  producers,
  rings,
  rates,
  state,
};
/** What the figures are of. */
const MEASURED = [
  'collector.ts',
  'actors/capture',
  'actors/connections',
  'actors/processes',
  'actors/sensor',
  'native/addon',
  'native/bpf',
  'scripts/scale',
];
const dist = path.join(root, 'dist');

await command(async (words) => {
  if (words[0] === '--fleet') return runFleet(words.slice(1));
  const { quick, chosen, json, save } = readArguments(words);
  const data: Partial<Record<Part, PartResult>> = {};
  try {
    await measure(quick ? plans.quick : plans.full, chosen, (part, result) => (data[part] = result));
  } finally {
    // Of a run cut short, too: a part takes a minute or more.
    if (Object.keys(data).length > 0)
      console.log(json ? JSON.stringify(data, null, 2) : await format(render(data), { parser: 'markdown' }));
  }
  if (save) saveAll(data);
  return [...figuresOf(data).map(({ target }) => target), ...curvesOf(data).map(growthOf)].every(
    (verdict) => verdict?.met !== false,
  );
});

async function measure(
  plan: Plan,
  chosen: readonly Part[],
  take: (part: Part, result: PartResult) => void,
): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error('It loads BPF programs and makes cgroups: run it as root.');
  for (const file of ['collector.js', 'collector.node'])
    if (!existsSync(path.join(dist, file))) throw new Error(`dist/${file} is missing: npm run build.`);
  const stop = new AbortController();
  const interrupted = () => stop.abort(new Error('Interrupted.'));
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  const progress = new Progress(chosen.reduce((sum, part) => sum + plan.expected[part], 0));
  const workshop = new Workshop(stop.signal, Math.max(plan.holders, ...plan.containers));
  try {
    await workshop.prepare();
    const feeder = await Feeder.prepare(workshop, stop.signal);
    const bench: Bench = { workshop, feeder, dist, stop: stop.signal };
    for (const [index, part] of chosen.entries()) {
      progress.begin(`${part} (${index + 1} of ${chosen.length})`);
      take(part, await measures[part](bench, plan));
      progress.done(plan.expected[part]);
    }
  } catch (error) {
    stop.signal.throwIfAborted();
    throw error;
  } finally {
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
    await workshop.close();
  }
}

/** Saves the parts, beside those saved before of the same code on the same machine, and draws them. */
function saveAll(data: ScaleData): void {
  const saved = savedResult('scale');
  const isAlike =
    saved !== undefined &&
    changedSince(saved).length === 0 &&
    JSON.stringify(saved.machine) === JSON.stringify(ownMachine());
  const all: ScaleData = { ...(isAlike && (saved.data as ScaleData)), ...data };
  saveResult('scale', all, MEASURED);
  const file = path.join(root, 'docs', PICTURE);
  mkdirSync(path.dirname(file), { recursive: true });
  const drawn = picture(all);
  if (drawn !== undefined) writeFileSync(file, drawn);
}
