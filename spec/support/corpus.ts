import { readdirSync } from 'node:fs';
import path from 'node:path';

const CORPUS = path.join(import.meta.dirname, '../corpus');
const EXTENSION = '.collector';

/** Formats of a replay's output, and the ends of the names of their files. */
const OUTPUT = { json: '.jsonl', compact: '.txt' } as const;
export type Format = keyof typeof OUTPUT;
export const FORMATS = Object.keys(OUTPUT) as readonly Format[];

/** Names of the recordings, each of a scenario in scenarios.ts. */
export const RECORDINGS = readdirSync(CORPUS)
  .filter((file) => file.endsWith(EXTENSION))
  .map((file) => file.slice(0, -EXTENSION.length))
  .sort();

/** The smallest one, with a little of everything. */
export const RECORDING = recording('first-run');

/** File of a recording. */
export function recording(name: string): string {
  return path.join(CORPUS, name + EXTENSION);
}

/** File of the output of a recording's replay, byte for byte. */
export function expectedOutput(format: Format, name = 'first-run'): string {
  return path.join(CORPUS, name + OUTPUT[format]);
}
