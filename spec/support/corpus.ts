import path from 'node:path';

const CORPUS = path.join(import.meta.dirname, '../corpus');

export const FORMATS = ['json', 'compact'] as const;

/** A run of the workload in two containers (first-run.ts), recorded by record-first-run.ts. */
export const RECORDING = path.join(CORPUS, 'first-run.collector');

/** What its replay prints, byte for byte. */
export function expectedOutput(format: (typeof FORMATS)[number]): string {
  return path.join(CORPUS, format === 'json' ? 'first-run.jsonl' : 'first-run.txt');
}
