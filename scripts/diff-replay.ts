/**
 * Compares the messages of recorded runs with those of another commit:
 *
 *     npx tsx scripts/diff-replay.ts <base> [recording…]
 *
 * Builds the base, a branch, tag or commit, and this working tree, both with the packages installed here. Replays
 * recordings through both, by their names in spec/corpus or their paths, all of spec/corpus without any. Prints a table
 * of the messages, and exits with 0 if all are equal, 1 if not, 2 for arguments that are not allowed.
 */
import { execFile, execFileSync, type ExecFileException } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { BadUsage, command } from './command.js';
import { compare, type Comparison, type Output } from './replay/difference.js';
import { isEqual, table } from './replay/table.js';

const root = path.dirname(import.meta.dirname);
const corpus = path.join(root, 'spec/corpus');
const EXTENSION = '.collector';
const run = promisify(execFile);
const stop = new AbortController();

await command(async ([ref, ...recordings]) => {
  const base = commitOf(ref);
  const files = filesOf(recordings);
  process.once('SIGINT', () => stop.abort(new Error('Interrupted.')));
  const tree = mkdtempSync(path.join(tmpdir(), 'collector-base-'));
  try {
    checkOut(base, tree);
    for (const checkout of [tree, root]) await build(checkout);
    const comparisons = new Map<string, Comparison>();
    for (const [name, file] of files)
      comparisons.set(name, compare(await replay(tree, file), await replay(root, file)));
    console.log(table(comparisons));
    return [...comparisons.values()].every(isEqual);
  } finally {
    removeCheckout(tree);
  }
});

function commitOf(ref: string | undefined): string {
  const allowed = '(allowed: a branch, tag or commit of this repository)';
  if (ref === undefined) throw new BadUsage(`A base is missing ${allowed}`);
  try {
    return git('rev-parse', '--verify', '--quiet', '--end-of-options', `${ref}^{commit}`);
  } catch {
    throw new BadUsage(`Bad base '${ref}' ${allowed}`);
  }
}

/** Files of recordings, by the words that name them. */
function filesOf(words: readonly string[]): Map<string, string> {
  const names = readdirSync(corpus)
    .filter((file) => file.endsWith(EXTENSION))
    .map((file) => path.basename(file, EXTENSION));
  const file = (word: string): string => {
    if (names.includes(word)) return path.join(corpus, word + EXTENSION);
    if (existsSync(word) && statSync(word).isFile()) return path.resolve(word);
    throw new BadUsage(`Bad recording '${word}' (allowed: ${names.join(', ')}, or the path of a recording)`);
  };
  return new Map((words.length > 0 ? words : names).map((word) => [word, file(word)]));
}

function checkOut(commit: string, tree: string): void {
  git('worktree', 'add', '--quiet', '--detach', tree, commit);
  symlinkSync(path.join(root, 'node_modules'), path.join(tree, 'node_modules'));
}

/** Removes the worktree, or only its folder where git has not made it. */
function removeCheckout(tree: string): void {
  try {
    git('worktree', 'remove', '--force', tree);
  } catch {
    rmSync(tree, { recursive: true });
  }
}

async function build(checkout: string): Promise<void> {
  console.error(`Building ${checkout}`);
  await node(checkout, '--import', 'tsx', 'scripts/build.ts');
}

async function replay(checkout: string, file: string): Promise<Output> {
  const print = (format: keyof Output) =>
    node(checkout, 'dist/collector.js', `--replay=${file}`, `--format=${format}`);
  return { json: await print('json'), compact: await print('compact') };
}

/** Runs Node in a checkout. @returns standard output */
async function node(checkout: string, ...args: readonly string[]): Promise<string> {
  try {
    const options = { cwd: checkout, maxBuffer: Infinity, signal: stop.signal };
    return (await run(process.execPath, args, options)).stdout;
  } catch (error) {
    stop.signal.throwIfAborted();
    const { message, stderr = '' } = error as ExecFileException;
    throw new Error(`${args.at(-1)} failed in ${checkout}: ${stderr.trim() || message}`, { cause: error });
  }
}

function git(...args: readonly string[]): string {
  return execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}
