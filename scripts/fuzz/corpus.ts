import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../..');
/** Inputs that broke something once, by target: they are tried first, always. */
const CORPUS = path.join(root, 'spec/fuzz/corpus');
/** Inputs that break something now. */
const FOUND = path.join(root, '.cache/fuzz');

export interface CorpusFile {
  readonly name: string;
  readonly bytes: Buffer;
}

/** The past breaks of a target. */
export function readCorpus(target: string): readonly CorpusFile[] {
  const folder = path.join(CORPUS, target);
  return namesIn(folder).map((name) => ({ name, bytes: readFileSync(path.join(folder, name)) }));
}

/** Keeps an input that breaks a target. @returns its file, relative to the repository */
export function keepFound(target: string, name: string, bytes: Buffer): string {
  const folder = path.join(FOUND, target);
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, name);
  writeFileSync(file, bytes);
  return path.relative(root, file);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}
