import { existsSync } from 'node:fs';
import path from 'node:path';
import { buildCheckout, checkOut, commitOf, git, removeCheckout, root } from '../checkout.js';
import { BadUsage } from '../command.js';
import type { Build } from './run.js';

/** @throws Error if this tree is not built */
export function ownBuild(): Build {
  const bundle = path.join(root, 'dist/collector.js');
  if (!existsSync(bundle)) throw new Error(`${bundle} is missing: npm run build.`);
  return { name: ownCommit(), bundle };
}

/** The commit of this tree in short form, and whether there are changes since. */
export function ownCommit(): string {
  const hasChanges = git('status', '--porcelain', '--untracked-files=no') !== '';
  return git('rev-parse', '--short=9', 'HEAD') + (hasChanges ? ', changed' : '');
}

/**
 * Uses another build: a folder with one, or a git reference, built in a temporary worktree.
 * @throws BadUsage if `base` is neither
 */
export async function withBase<T>(
  base: string,
  stop: AbortSignal,
  use: (build: Build) => Promise<T>,
): Promise<T> {
  const bundle = ['dist/collector.js', 'collector.js']
    .map((file) => path.resolve(base, file))
    .find((file) => existsSync(file));
  if (bundle !== undefined) return use({ name: base, bundle });
  const commit = referenceOf(base);
  const tree = checkOut(commit);
  try {
    await buildCheckout(tree, stop);
    return await use({ name: commit.slice(0, 9), bundle: path.join(tree, 'dist/collector.js') });
  } finally {
    removeCheckout(tree);
  }
}

function referenceOf(base: string): string {
  try {
    return commitOf(base);
  } catch {
    throw new BadUsage(
      `Bad value '${base}' for argument --base (allowed: a branch, tag or commit of this repository, or a folder ` +
        'with dist/collector.js)',
    );
  }
}
