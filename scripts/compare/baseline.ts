import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { MeasuredMachine } from '../results/result.js';
import type { Plan, Run } from './run.js';

/** A run of main, to compare others with. */
export interface BaselineRun {
  /** Followed by `, changed` if the tree had changes without a commit. */
  readonly commit: string;
  /** ISO 8601. */
  readonly date: string;
  readonly machine: MeasuredMachine;
  readonly plan: Plan;
  readonly run: Run;
}

interface BaselineFile {
  readonly format: typeof FORMAT;
  readonly runs: readonly BaselineRun[];
}

/** Runs kept, the latest ones. */
export const KEPT_RUNS = 10;
/** Of the file, and of the workloads: raised when either changes. */
const FORMAT = 1;

/** The runs of a baseline, oldest first; none if there is no file. @throws Error if it is no baseline */
export function readBaseline(file: string): readonly BaselineRun[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  const content = parsed(text);
  if (!isBaseline(content))
    throw new Error(
      `Bad baseline '${file}' (allowed: a file written by --update-baseline, format ${FORMAT}). Remove it to begin anew.`,
    );
  return content.runs;
}

/** Adds runs to a baseline and drops the oldest ones. */
export function updateBaseline(file: string, added: readonly BaselineRun[]): void {
  const content: BaselineFile = { format: FORMAT, runs: pruned([...readBaseline(file), ...added]) };
  mkdirSync(path.dirname(path.resolve(file)), { recursive: true });
  // In one step, so that an interrupted update leaves the earlier baseline.
  writeFileSync(`${file}.new`, `${JSON.stringify(content)}\n`);
  renameSync(`${file}.new`, file);
}

/** The latest runs. */
export function pruned(runs: readonly BaselineRun[]): readonly BaselineRun[] {
  return runs.slice(-KEPT_RUNS);
}

/** Says how a run differs from this machine and plan, in words; undefined if they can be compared. */
export function incomparable(
  { machine, plan }: BaselineRun,
  ownMachine: MeasuredMachine,
  ownPlan: Plan,
): string | undefined {
  const keys = ['kernel', 'cpus', 'model', 'node'] as const;
  const differences = keys
    .filter((key) => machine[key] !== ownMachine[key])
    .map((key) => `${key} ${machine[key]} instead of ${ownMachine[key]}`);
  if (plan.seconds !== ownPlan.seconds) differences.push(`${plan.seconds} s instead of ${ownPlan.seconds} s`);
  return differences.length === 0 ? undefined : differences.join(', ');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isBaseline(content: unknown): content is BaselineFile {
  const { format, runs } = (content ?? {}) as Partial<BaselineFile>;
  return (
    format === FORMAT &&
    Array.isArray(runs) &&
    (runs as Partial<BaselineRun>[]).every(
      ({ commit, machine, plan, run }) =>
        typeof commit === 'string' &&
        machine !== undefined &&
        plan !== undefined &&
        [run?.cpu, run?.memory].every(
          (samples) => Array.isArray(samples) && samples.length > 0 && samples.every(Number.isFinite),
        ),
    )
  );
}
