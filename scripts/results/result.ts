import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { codeHash } from './code.js';

export const root = path.resolve(import.meta.dirname, '../..');
export const RESULTS = 'docs/results';

/** A measured result, as a page of docs shows it: JSON in docs/results. */
export interface Result<Data = unknown> {
  /** As it was typed, to repeat it. */
  readonly command: string;
  /** Of the measured code. */
  readonly commit: string;
  /** Day of the measurement: 2026-11-29. */
  readonly date: string;
  readonly machine: MeasuredMachine;
  /** The measured code: path below the repository → hash, see codeHash. */
  readonly code: Readonly<Record<string, string>>;
  readonly data: Data;
}

export interface MeasuredMachine {
  readonly kernel: string;
  readonly cpus: number;
  readonly model: string;
  readonly node: string;
  /** In GiB. */
  readonly memory: number;
}

/**
 * Saves a result as docs/results/<name>.json.
 * @param describes paths of the measured code, below the repository: a change there makes the result old
 * @throws Error if this code has changes without a commit
 */
export function saveResult(name: string, data: object, describes: readonly string[]): void {
  const git = (...args: readonly string[]) =>
    execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
  const changed = git('status', '--porcelain', '--', ...describes);
  if (changed !== '') throw new Error(`Commit first, a saved result names its commit: ${changed.trim()}`);
  const result: Result = {
    command: ownCommand(),
    commit: git('rev-parse', '--short=9', 'HEAD'),
    date: new Date().toISOString().slice(0, 10),
    machine: ownMachine(),
    code: Object.fromEntries(describes.map((target) => [target, codeHash(root, target)])),
    data,
  };
  mkdirSync(path.join(root, RESULTS), { recursive: true });
  writeFileSync(path.join(root, RESULTS, `${name}.json`), `${JSON.stringify(result, null, 2)}\n`);
}

/** @returns a saved result; undefined if there is none */
export function savedResult(name: string): Result | undefined {
  try {
    return JSON.parse(readFileSync(path.join(root, RESULTS, `${name}.json`), 'utf8')) as Result;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** @returns the measured code with a change since: the result is older than the code */
export function changedSince({ code }: Result): string[] {
  return Object.keys(code).filter((target) => codeHash(root, target) !== code[target]);
}

/** @returns this machine, for comparison and for a page */
export function ownMachine(): MeasuredMachine {
  return {
    kernel: os.release(),
    cpus: os.cpus().length,
    model: os.cpus()[0]?.model ?? 'unknown',
    node: process.version,
    memory: Math.round(os.totalmem() / 2 ** 30),
  };
}

function ownCommand(): string {
  const script = process.env['npm_lifecycle_event'];
  const words = process.argv.slice(2);
  const start =
    script === undefined ? ['npx tsx', path.relative(root, process.argv[1] ?? '')] : ['npm run', script];
  return [...start, ...(script !== undefined && words.length > 0 ? ['--'] : []), ...words].join(' ');
}
