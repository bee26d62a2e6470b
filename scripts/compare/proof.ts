import { readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { measureRounds } from './rounds.js';
import type { Build, Plan, Run } from './run.js';
import { modelOf, randomNumbers, simulateRun, type Model } from './simulation.js';
import { wilson, type Interval } from './statistics.js';
import { compareRuns, type Comparison, type Resource } from './verdict.js';

/** Artificial builds: the same twice, more processor time (percent of a core), more memory (MiB). */
export const kinds = {
  same: {},
  cpu: { cpu: 5 },
  memory: { memory: 15 },
} as const satisfies Record<string, Partial<Record<Resource, number>>>;
export type Kind = keyof typeof kinds;
export const kindNames = Object.keys(kinds) as readonly Kind[];

/** The runs of a real round: one of the base, and one of each kind of build. */
export type RealRound = Readonly<Record<Kind | 'base', Run>>;

/** How often the verdict about builds of a kind is wrong. */
export interface ErrorRate {
  readonly kind: Kind;
  /** Real pairs, or simulated ones with so many times the noise. */
  readonly source: 'real' | number;
  readonly pairs: number;
  readonly errors: number;
  /** Of the error rate, 95 %. */
  readonly interval: Interval;
  /** Least and greatest difference in the kind's resource, of `same` in CPU: percent of a core, or MiB. */
  readonly range: Interval;
}

export interface ProofData {
  readonly plan: Plan;
  /** Of the simulated pairs, fitted to the real runs of the unchanged build. */
  readonly model: Model;
  readonly rates: readonly ErrorRate[];
}

/** Simulated pairs: with the noise of this machine, and with more. */
const SCALES = [1, 2, 4];
const SEED = 11;

/** Runs rounds of the artificial builds. */
export async function realRounds(
  build: Build,
  plan: Plan,
  count: number,
  stop: AbortSignal,
): Promise<readonly RealRound[]> {
  if (count === 0) return [];
  const builds = [{ ...build, name: 'base' }, ...kindNames.map((kind) => artificial(build, kind))];
  const [base, ...others] = await measureRounds(builds, plan, count, stop);
  return base!.map((run, round) => {
    const entries = kindNames.map((kind, at) => [kind, others[at]![round]!]);
    return { base: run, ...Object.fromEntries(entries) } as RealRound;
  });
}

/** Judges real rounds, and as many simulated pairs of each kind and noise as wanted. @param rounds at least one */
export function proof(plan: Plan, rounds: readonly RealRound[], simulated: number): ProofData {
  const model = modelOf(rounds.flatMap(({ base, same }) => [base, same]));
  const random = randomNumbers(SEED);
  const rates = kindNames.flatMap((kind) => [
    errorRate(
      kind,
      'real',
      rounds.map((round) => compareRuns([round.base], [round[kind]])),
    ),
    ...SCALES.map((scale) => {
      const run = (of: Kind) => simulateRun(model, plan.seconds, kinds[of], scale, random);
      const pairs = Array.from({ length: simulated }, () => compareRuns([run('same')], [run(kind)]));
      return errorRate(kind, scale, pairs);
    }),
  ]);
  return { plan, model, rates };
}

/** Reads the real rounds of an earlier proof (`--prove --json`). @throws Error if they do not fit the plan */
export function readRounds(file: string, plan: Plan): readonly RealRound[] {
  const earlier = JSON.parse(readFileSync(file, 'utf8')) as {
    readonly plan?: Plan;
    readonly rounds?: readonly RealRound[];
  };
  if (earlier.plan?.seconds !== plan.seconds || earlier.rounds === undefined)
    throw new Error(`Bad file '${file}' of --from (allowed: a proof's JSON with runs of ${plan.seconds} s)`);
  return earlier.rounds;
}

/** Whether a verdict is wrong about builds of a kind: red for equal ones, or not red for the resource made worse. */
export function isWrong(kind: Kind, { isRed, differences }: Comparison): boolean {
  if (kind === 'same') return isRed;
  return differences.find(({ resource }) => resource === kind)!.verdict !== 'red';
}

function errorRate(kind: Kind, source: ErrorRate['source'], comparisons: readonly Comparison[]): ErrorRate {
  const errors = comparisons.filter((comparison) => isWrong(kind, comparison)).length;
  const resource = kind === 'memory' ? 'memory' : 'cpu';
  const found = comparisons.map(
    ({ differences }) => differences.find((one) => one.resource === resource)!.difference,
  );
  return {
    kind,
    source,
    pairs: comparisons.length,
    errors,
    interval: wilson(errors, comparisons.length),
    range: [Math.min(...found), Math.max(...found)],
  };
}

/** The build with more to do: burnt and held by a preload, since the product has no switch for it. */
function artificial(build: Build, kind: Kind): Build {
  const preload = pathToFileURL(path.join(import.meta.dirname, 'artificial.js'));
  for (const [resource, amount] of Object.entries(kinds[kind]))
    preload.searchParams.set(resource, String(amount));
  return {
    ...build,
    name: `base, ${kind}`,
    ...(preload.search !== '' && { nodeOptions: `--import=${preload.href}` }),
  };
}
