import type { ProgramStats } from '../../native/index.js';
import { Refusals, type Refusal } from '../shares/refusals.js';

/** Counters of losses in the kernel, and their causes in words. */
const causes = [
  ['lost', 'the ring buffer was full'],
  ['overShare', 'the ring buffer was full of what their container did'],
  ['failed', 'the record could not be built'],
  ['missed', 'the program was already running'],
] as const;

/** Records not handed over by the kernel since the programs were loaded. */
export function countLost(stats: readonly ProgramStats[]): number {
  return stats.reduce((sum, row) => causes.reduce((s, [key]) => s + row[key], sum), 0);
}

/** Reports records not handed over by the kernel, once for each loss. */
export class Losses {
  #reported = 0;
  #overShare = 0;
  readonly #refusals = new Refusals('kernel events');

  /**
   * Containers whose records were left out of full rings, each once in a run, with the number of all records left out
   * since the last count.
   */
  refusals(stats: readonly ProgramStats[]): Refusal[] {
    const overShare = stats.reduce((sum, row) => sum + row.overShare, 0);
    const isNew = overShare - this.#overShare;
    this.#overShare = overShare;
    if (isNew > 0)
      for (const container of new Set(stats.filter((row) => row.overShare > 0).map((row) => row.container)))
        this.#refusals.note(container, isNew);
    return this.#refusals.take();
  }

  /**
   * One line about all losses so far if there are new ones, else undefined.
   * @param stats as counted since the programs were loaded
   */
  report(stats: readonly ProgramStats[]): string | undefined {
    const total = countLost(stats);
    if (total === this.#reported) return undefined;
    const isNew = total - this.#reported;
    this.#reported = total;
    const parts = stats.flatMap((row) =>
      causes
        .filter(([key]) => row[key] > 0)
        .map(([key, cause]) => `${row.program} ${row[key]} because ${cause}`),
    );
    return `Lost ${isNew} kernel events since the last count; so far: ${parts.join(', ')}`;
  }
}

/** One line with all counts of the programs. */
export function summary(stats: readonly ProgramStats[]): string {
  const skipped = stats.reduce((total, row) => total + row.skipped, 0);
  const events = stats.map((row) => `${row.program} ${row.events}`).join(', ');
  return `Kernel events: ${events}; left out on purpose: ${skipped}; lost: ${countLost(stats)}`;
}
