import type { Fault, Plan } from './fault.js';
import { failed, judge, type Outcome } from './outcome.js';

/** How faults are tried. */
export interface TryOptions {
  readonly isShort: boolean;
  /** Tried at the same time. */
  readonly atOnce: number;
  /** Most ms from SIGTERM to an end. */
  readonly endingBound?: number;
  /** Called when one begins, and when it is over. */
  readonly onStep?: (fault: Fault, outcome?: Outcome) => void;
}

/** The faults with the wanted form. */
export function inForm(faults: readonly Fault[], isShort: boolean): readonly Fault[] {
  return faults.filter(({ seconds }) => !isShort || seconds.short !== undefined);
}

/** Plan of a fault in one of its forms. */
export function planOf({ seconds }: Fault, isShort: boolean): Plan {
  return { isShort, seconds: isShort ? (seconds.short ?? seconds.long) : seconds.long };
}

/** Tries faults, the longest first where several are tried at once. @returns outcomes in the order of the faults */
export async function tryFaults(
  faults: readonly Fault[],
  { isShort, atOnce, endingBound, onStep }: TryOptions,
): Promise<Outcome[]> {
  const outcomes = new Map<Fault, Outcome>();
  const waiting = [...faults];
  if (atOnce > 1) waiting.sort((a, b) => planOf(b, isShort).seconds - planOf(a, isShort).seconds);
  const work = async (): Promise<void> => {
    for (let fault; (fault = waiting.shift()) !== undefined;) {
      onStep?.(fault);
      const outcome = await tryFault(fault, planOf(fault, isShort), endingBound);
      outcomes.set(fault, outcome);
      onStep?.(fault, outcome);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return faults.map((fault) => outcomes.get(fault)!);
}

async function tryFault(fault: Fault, plan: Plan, endingBound?: number): Promise<Outcome> {
  try {
    return judge(fault, plan.seconds, await fault.run(plan), endingBound);
  } catch (error) {
    return failed(fault, plan.seconds, error);
  }
}
