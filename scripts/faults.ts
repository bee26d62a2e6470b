/**
 * Tries every fault, and holds Collector to its law: everything made is delivered, or counted as lost by stage and
 * cause; memory stays within its bound; SIGTERM ends it within 2 s; the log names the fault and a remedy.
 *
 *     npm run faults -- [--only=<name,name…>] [--short] [--at-once=1] [--json] [--save] [--list]
 *
 * `--list` names the faults. `--short` tries their short forms, as CI does. Several `--at-once` are quicker, and count
 * less exactly: losses of one Collector may then hide the load of another. Needs root, gcc, bpftool and the
 * output of `npm run build`. Exits with 1 if the law is broken.
 */
import { rmSync } from 'node:fs';
import { BadUsage, command, parseWords } from './command.js';
import { faults } from './faults/catalogue.js';
import { dataOf, render } from './faults/report.js';
import { inForm, planOf, tryFaults } from './faults/try.js';
import type { Fault } from './faults/fault.js';
import type { Outcome } from './faults/outcome.js';
import { removeScenes } from './faults/scene.js';
import { scratchFolder } from './lab/workload.js';
import { Progress } from './progress.js';
import { saveResult } from './results/result.js';

/** Time for each fault beside its own: scene, start, settling, end; s. */
const AROUND_S = 15;
const MOST_AT_ONCE = 8;
/** Lines of the log shown of a broken fault. */
const SHOWN_LINES = 40;
/** The code measured by a saved result. */
const MEASURED = [
  'collector.ts',
  'machines',
  'actors/capture',
  'actors/sensor',
  'actors/wiring',
  'scripts/faults',
  'scripts/lab',
];

await command(async (words) => {
  const { only, short: isShort, atOnce, json, save, list } = readArguments(words);
  if (list) {
    for (const { name, title, seconds } of only)
      console.log(`${name.padEnd(24)} ${title} (${seconds.long} s, short: ${seconds.short ?? 'no'})`);
    return true;
  }
  if (process.getuid?.() !== 0)
    throw new Error('It loads BPF programs and makes containers: run it as root.');
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void endBy(signal));
  const chosen = inForm(only, isShort);
  const outcomes = await tryFaults(chosen, { isShort, atOnce, onStep: progress(chosen, isShort, atOnce) });
  const data = dataOf(outcomes, isShort);
  console.log(json ? JSON.stringify(data, null, 2) : render(data));
  if (save) saveResult('faults', data, MEASURED);
  return outcomes.every(({ breaches }) => breaches.length === 0);
});

function readArguments(words: readonly string[]) {
  const { values } = parse(words);
  const names = faults.map(({ name }) => name);
  const asked = values.only?.split(',') ?? names;
  const strange = asked.find((name) => !names.includes(name));
  if (strange !== undefined)
    throw new BadUsage(
      `Bad value '${strange}' for --only (allowed: ${names.join(', ')}; several with commas)`,
    );
  const atOnce = Number(values['at-once']);
  if (!Number.isInteger(atOnce) || atOnce < 1 || atOnce > MOST_AT_ONCE)
    throw new BadUsage(
      `Bad value '${values['at-once']}' for --at-once (allowed: a whole number, 1 to ${MOST_AT_ONCE})`,
    );
  const { short, json, save, list } = values;
  if (save && (values.only !== undefined || short))
    throw new BadUsage('--save is for all faults in their long forms (not allowed with it: --only, --short)');
  return { only: faults.filter(({ name }) => asked.includes(name)), short, atOnce, json, save, list };
}

function parse(words: readonly string[]) {
  return parseWords({
    args: [...words],
    options: {
      only: { type: 'string' },
      short: { type: 'boolean', default: false },
      'at-once': { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
      save: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
    },
  });
}

/** Takes everything away, and ends as the signal would have. */
async function endBy(signal: NodeJS.Signals): Promise<void> {
  await removeScenes();
  rmSync(scratchFolder(), { recursive: true, force: true });
  process.kill(process.pid, signal);
}

/** Says on standard error how far it is; standard output has the result alone. */
function progress(chosen: readonly Fault[], isShort: boolean, atOnce: number) {
  const planned = (fault: Fault) => (planOf(fault, isShort).seconds + AROUND_S) / atOnce;
  const all = new Progress(chosen.reduce((sum, fault) => sum + planned(fault), 0));
  return (fault: Fault, outcome?: Outcome): void => {
    if (outcome === undefined) {
      all.begin(fault.name);
      return;
    }
    all.done(planned(fault));
    const { breaches, findings } = outcome;
    process.stderr.write(
      breaches.length === 0
        ? `  ${fault.name} holds\n`
        : `  ${fault.name} is broken: ${breaches.join('; ')}\n${lastLines(findings.log)}`,
    );
  };
}

/** The end of a log, indented. */
function lastLines(log: string): string {
  return log
    .split('\n')
    .slice(-SHOWN_LINES)
    .map((line) => `    ${line}\n`)
    .join('');
}
