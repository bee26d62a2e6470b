import type { ProgramStats } from '../../native/index.js';

/** What was lost in the kernel, by program and cause. */
const causes = [
  ['lost', 'the ring buffer was full'],
  ['failed', 'the record could not be built'],
  ['missed', 'the program was already running'],
] as const;

/** Tells of records that the kernel could not hand over, once for each loss. */
export class Losses {
  #told = 0;

  /**
   * One line about all losses so far if there are new ones, else undefined.
   * @param stats as counted since the programs were loaded
   */
  news(stats: readonly ProgramStats[]): string | undefined {
    const total = stats.reduce((sum, row) => causes.reduce((s, [key]) => s + row[key], sum), 0);
    if (total === this.#told) return undefined;
    const isNew = total - this.#told;
    this.#told = total;
    const parts = stats.flatMap((row) =>
      causes
        .filter(([key]) => row[key] > 0)
        .map(([key, cause]) => `${row.program} ${row[key]} because ${cause}`),
    );
    return `Lost ${isNew} kernel events since the last count; so far: ${parts.join(', ')}`;
  }
}

/** One line with everything that the programs counted. */
export function summary(stats: readonly ProgramStats[]): string {
  const sum = (key: 'events' | 'skipped' | (typeof causes)[number][0]) =>
    stats.reduce((total, row) => total + row[key], 0);
  const events = stats.map((row) => `${row.program} ${row.events}`).join(', ');
  const lost = sum('lost') + sum('failed') + sum('missed');
  return `Kernel events: ${events}; left out on purpose: ${sum('skipped')}; lost: ${lost}`;
}
