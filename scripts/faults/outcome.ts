import type { Fault, Findings } from './fault.js';
import { EMPTY, imbalance } from './ledger.js';

const MIB = 1024 * 1024;

/** Most resident memory, bytes: the request of the chart for the pod. */
export const MEMORY_BOUND = 160 * MIB;
/** Most time from SIGTERM to the end, ms. */
export const ENDING_BOUND = 2000;
/** Until this process sees the end of another, ms. */
const SEEING_MS = 100;

/** A fault, its findings, and the verdict. */
export interface Outcome {
  readonly name: string;
  readonly title: string;
  /** How long the fault lasted, s. */
  readonly seconds: number;
  readonly findings: Findings;
  /** Breaches of the law, in words. */
  readonly breaches: readonly string[];
}

/** Judges findings. @param endingBound most ms from SIGTERM to the end */
export function judge(
  { name, title }: Pick<Fault, 'name' | 'title'>,
  seconds: number,
  findings: Findings,
  endingBound = ENDING_BOUND,
): Outcome {
  const { ledger, memory, ending, said, problems } = findings;
  const broken = imbalance(ledger);
  const breaches = [
    ...(broken > 0 ? [`${broken} were neither delivered nor counted`] : []),
    ...(broken < 0 ? [`${-broken} were counted as lost, and were not`] : []),
    ...(memory > MEMORY_BOUND ? [`${inMib(memory)} MiB of memory are over ${inMib(MEMORY_BOUND)}`] : []),
    ...(ending !== undefined && ending > endingBound + SEEING_MS
      ? [`SIGTERM took ${Math.round(ending)} ms, over ${endingBound}`]
      : []),
    ...said.flatMap(({ what, lines, most }) => {
      if (lines === 0) return [`the log says nothing of ${what}`];
      return lines > most ? [`the log says ${what} ${lines} times, over ${most}`] : [];
    }),
    ...problems,
  ];
  return { name, title, seconds, findings, breaches };
}

/** The outcome of a run that failed. */
export function failed(
  { name, title }: Pick<Fault, 'name' | 'title'>,
  seconds: number,
  error: unknown,
): Outcome {
  const findings: Findings = {
    ledger: EMPTY,
    memory: 0,
    ending: undefined,
    said: [],
    problems: [],
    log: '',
  };
  const reason = error instanceof Error ? error.message : String(error);
  return { name, title, seconds, findings, breaches: [`it could not be tried: ${reason}`] };
}

/** Whole MiB. */
export function inMib(bytes: number): number {
  return Math.round(bytes / MIB);
}
