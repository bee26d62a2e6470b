import { parseArgs } from 'node:util';
import { closest } from '../../actors/settings/closest.js';
import { BadUsage } from '../command.js';

/** Arguments of `npm run compare`. */
export interface Arguments {
  readonly help: boolean;
  /** Another build: a git reference, or a folder with a build. */
  readonly base: string | undefined;
  /** File of earlier runs, if there is no base. */
  readonly baseline: string;
  readonly updateBaseline: boolean;
  readonly label: string | undefined;
  /** Runs of each build. */
  readonly rounds: number;
  /** Measured in each run. */
  readonly seconds: number;
  readonly json: boolean;
  readonly failOnRed: boolean;
  /** Compares BPF programs and cost of an operation instead. */
  readonly programs: boolean;
  /** Measures how often the verdict is wrong instead. */
  readonly prove: boolean;
  /** Pairs of the proof, of each kind. */
  readonly simulated: number;
  readonly real: number;
  /** Earlier proofs (`--json`), with runs to count in. */
  readonly from: readonly string[];
  readonly save: boolean;
}

export const HELP = `Usage: npm run compare -- [arguments]

Runs Collector for a minute under a steady load and compares its processor time,
memory and deliveries with earlier runs, or with another build. Needs root.

  --base=<ref or folder>  compare with this build: a branch, tag or commit, or a
                          checkout that is built; runs of both alternate
  --baseline=<file>       compare with the runs in this file; default
                          .cache/compare/baseline.json
  --update-baseline       add this run to the file
  --label=<text>          heading of the result
  --rounds=<n>            runs of each build; default 3 with --base, else 1
  --seconds=<n>           measured in each run; default 60, and 15 with --prove
  --json                  print JSON, with the table in its field markdown
  --fail-on-red           exit with 1 if the result is red
  --programs              with --base: compare the BPF programs' run time and the
                          cost of an operation instead, both builds side by side
  --prove                 measure how often the verdict is wrong instead
    --simulated=<n>       pairs of each kind made from a model; default 50
    --real=<n>            pairs of each kind really run; default 6
    --from=<file>         a proof's JSON: count its real runs in; can be repeated
    --save                save the result for the documentation
  --help                  print this text
`;

const options = {
  help: { type: 'boolean' },
  base: { type: 'string' },
  baseline: { type: 'string' },
  'update-baseline': { type: 'boolean' },
  label: { type: 'string' },
  rounds: { type: 'string' },
  seconds: { type: 'string' },
  json: { type: 'boolean' },
  'fail-on-red': { type: 'boolean' },
  programs: { type: 'boolean' },
  prove: { type: 'boolean' },
  simulated: { type: 'string' },
  real: { type: 'string' },
  from: { type: 'string', multiple: true },
  save: { type: 'boolean' },
} as const;

type Name = keyof typeof options;

/** Arguments with a meaning only beside another one, and arguments without a meaning there. */
const needs: readonly (readonly [Name, Name])[] = [
  ['programs', 'base'],
  ['simulated', 'prove'],
  ['real', 'prove'],
  ['from', 'prove'],
  ['save', 'prove'],
];
const excludes: readonly (readonly [Name, Name])[] = [
  ['base', 'baseline'],
  ['base', 'update-baseline'],
  ['base', 'prove'],
  ['baseline', 'prove'],
  ['update-baseline', 'prove'],
  ['rounds', 'prove'],
  ['label', 'prove'],
  ['programs', 'rounds'],
  ['programs', 'seconds'],
  ['programs', 'json'],
  ['programs', 'label'],
  ['programs', 'fail-on-red'],
];

const DEFAULT_BASELINE = '.cache/compare/baseline.json';
const LEAST_SECONDS = 5;
const MOST_SECONDS = 3600;
const MOST_ROUNDS = 100;
const MOST_SIMULATED = 100_000;

/** @throws BadUsage with a line for each wrong argument: its value, its name and the allowed values */
export function readArguments(words: readonly string[]): Arguments {
  const { tokens, values } = parseArgs({ args: [...words], options, strict: false, tokens: true });
  const errors = tokens.flatMap((token) => {
    if (token.kind === 'option-terminator') return [];
    if (token.kind === 'positional' || !Object.hasOwn(options, token.name))
      return [unknownError(token.kind === 'option' ? token.rawName : token.value)];
    const wantsText = options[token.name as Name].type === 'string';
    if (wantsText && (token.value ?? '') === '')
      return [`Argument --${token.name} has no value (allowed: --${token.name}=…)`];
    if (!wantsText && token.value !== undefined)
      return [`Bad value '${token.value}' for argument --${token.name} (allowed: nothing behind it)`];
    return [];
  });
  const isGiven = (name: Name): boolean => values[name] !== undefined;
  for (const [name, needed] of needs)
    if (isGiven(name) && !isGiven(needed)) errors.push(`Argument --${name} needs --${needed}`);
  for (const [one, other] of excludes)
    if (isGiven(one) && isGiven(other)) errors.push(`Arguments --${one} and --${other} exclude each other`);
  const text = (name: Name): string | undefined =>
    typeof values[name] === 'string' ? values[name] : undefined;
  const number = (name: Name, least: number, most: number, otherwise: number): number => {
    const given = text(name);
    if (given === undefined) return otherwise;
    const value = Number(given);
    if (/^\d+$/.test(given) && value >= least && value <= most) return value;
    errors.push(
      `Bad value '${given}' for argument --${name} (allowed: a whole number from ${least} to ${most})`,
    );
    return otherwise;
  };
  const read: Arguments = {
    help: isGiven('help'),
    base: text('base'),
    baseline: text('baseline') ?? DEFAULT_BASELINE,
    updateBaseline: isGiven('update-baseline'),
    label: text('label'),
    rounds: number('rounds', 1, MOST_ROUNDS, isGiven('base') ? 3 : 1),
    seconds: number('seconds', LEAST_SECONDS, MOST_SECONDS, isGiven('prove') ? 15 : 60),
    json: isGiven('json'),
    failOnRed: isGiven('fail-on-red'),
    programs: isGiven('programs'),
    prove: isGiven('prove'),
    simulated: number('simulated', 0, MOST_SIMULATED, 50),
    real: number('real', 0, MOST_ROUNDS, 6),
    from: (values.from ?? []).filter((file) => typeof file === 'string'),
    save: isGiven('save'),
  };
  if (errors.length > 0) throw new BadUsage(errors.join('\n'));
  return read;
}

function unknownError(name: string): string {
  const names = Object.keys(options).map((one) => `--${one}`);
  const meant = closest(name, names);
  return `Unknown argument '${name}'${meant === undefined ? '' : `: did you mean ${meant}?`} (allowed: ${names.join(', ')})`;
}
