/** Other commits of this repository, checked out and built in a folder for a while. */
import { execFile, execFileSync, type ExecFileException } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { BadUsage } from './command.js';

export const root = path.dirname(import.meta.dirname);
const run = promisify(execFile);

/** @throws BadUsage if git does not know the reference */
export function commitOf(ref: string): string {
  try {
    return git('rev-parse', '--verify', '--quiet', '--end-of-options', `${ref}^{commit}`);
  } catch {
    throw new BadUsage(`Bad base '${ref}' (allowed: a branch, tag or commit of this repository)`);
  }
}

/** Checks a commit out into a new folder. @returns its path, for removeCheckout */
export function checkOut(commit: string): string {
  const tree = mkdtempSync(path.join(tmpdir(), 'collector-base-'));
  try {
    git('worktree', 'add', '--quiet', '--detach', tree, commit);
    return tree;
  } catch (error) {
    removeCheckout(tree);
    throw error;
  }
}

/** Removes the worktree, or only its folder where git has not made it. */
export function removeCheckout(tree: string): void {
  try {
    git('worktree', 'remove', '--force', tree);
  } catch {
    rmSync(tree, { recursive: true });
  }
}

/** Builds a checkout; one without packages gets those installed here, or its own if it asks for others. */
export async function buildCheckout(checkout: string, stop: AbortSignal): Promise<void> {
  const packages = path.join(checkout, 'node_modules');
  if (!existsSync(packages)) {
    const lock = (folder: string) => readFileSync(path.join(folder, 'package-lock.json'), 'utf8');
    if (lock(checkout) === lock(root)) symlinkSync(path.join(root, 'node_modules'), packages);
    else await runProgram('npm', ['ci', '--include=dev', '--no-audit', '--no-fund'], checkout, stop);
  }
  console.error(`Building ${checkout}`);
  await runNode(checkout, stop, '--import', 'tsx', 'scripts/build.ts');
}

/** Runs Node in a checkout. @returns standard output */
export async function runNode(
  checkout: string,
  stop: AbortSignal,
  ...args: readonly string[]
): Promise<string> {
  return runProgram(process.execPath, args, checkout, stop);
}

async function runProgram(
  program: string,
  args: readonly string[],
  checkout: string,
  stop: AbortSignal,
): Promise<string> {
  try {
    return (await run(program, args, { cwd: checkout, maxBuffer: Infinity, signal: stop })).stdout;
  } catch (error) {
    stop.throwIfAborted();
    const { message, stderr = '' } = error as ExecFileException;
    throw new Error(
      `${[path.basename(program), ...args].join(' ')} failed in ${checkout}: ${stderr.trim() || message}`,
      { cause: error },
    );
  }
}

/** @returns the output of git in this repository */
export function git(...args: readonly string[]): string {
  return execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}
