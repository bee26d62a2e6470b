/**
 * Tries inputs of an attacker's choice on every door of Collector:
 *
 *     npm run fuzz -- [target…] [--minutes=60] [--seed=<number>] [--executions=<number>] [--no-coverage] [--files]
 *
 * The minutes are shared by the targets. By V8's own coverage, an input with new code in its way is changed further.
 * Inputs with a broken property are kept in .cache/fuzz; once mended, they belong into spec/fuzz/corpus/<target>, for
 * the specs to try them for ever. Exits with 1 if something broke.
 */
import { randomInt } from 'node:crypto';
import { BadUsage, command, parseWords } from './command.js';
import { nameOf } from './fuzz/campaign.js';
import { keepFound } from './fuzz/corpus.js';
import { fuzz } from './fuzz/supervisor.js';
import { summaryLine, coverageLines } from './fuzz/report.js';
import { targetNames, targets, type TargetName } from './fuzz/targets.js';

const USUAL_MINUTES = 60;
const MOST_SEED = 2 ** 32 - 1;
const MINUTE_MS = 60_000;

await command(async (words) => {
  const { values, positionals } = parsed(words);
  const names = positionals.length === 0 ? targetNames : positionals.map(targetOf);
  const seed = wholeNumber('seed', values.seed, 0, MOST_SEED) ?? randomInt(MOST_SEED);
  const executions = wholeNumber('executions', values.executions, 1, Number.MAX_SAFE_INTEGER);
  const minutes = wholeNumber('minutes', values.minutes, 1, 7 * 24 * 60);
  const milliseconds = ((minutes ?? USUAL_MINUTES) * MINUTE_MS) / names.length;
  console.log(`seed ${seed}; the same seed tries the same inputs first`);
  let broken = 0;
  await fuzz({
    targets: names,
    seed,
    executions,
    milliseconds: executions === undefined || minutes !== undefined ? milliseconds : undefined,
    coverage: values['no-coverage'] !== true,
    onBroken: ({ target, key, message, input }) => {
      broken++;
      const file = keepFound(target, nameOf(key), input);
      console.log(`BROKEN ${target} by ${file} (${input.length} bytes): ${message}`);
    },
    onDone: (target, result) => {
      console.log(summaryLine(target, targets[target].holds, result));
      if (values.files === true) coverageLines(result).forEach((line) => console.log(line));
    },
  });
  return broken === 0;
});

function parsed(words: readonly string[]) {
  return parseWords({
    args: [...words],
    allowPositionals: true,
    options: {
      minutes: { type: 'string' },
      seed: { type: 'string' },
      executions: { type: 'string' },
      'no-coverage': { type: 'boolean' },
      files: { type: 'boolean' },
    },
  });
}

function targetOf(name: string): TargetName {
  const found = targetNames.find((one) => one === name);
  if (found === undefined)
    throw new BadUsage(`Bad argument '${name}' (allowed: ${targetNames.join(', ')}, any number of them)`);
  return found;
}

function wholeNumber(
  name: string,
  text: string | undefined,
  least: number,
  most: number,
): number | undefined {
  if (text === undefined) return undefined;
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (value >= least && value <= most) return value;
  throw new BadUsage(`Bad value '${text}' of --${name} (allowed: a whole number, ${least} to ${most})`);
}
