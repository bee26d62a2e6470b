import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Removes a folder, and before that whatever is still mounted in it. */
export function removeFolder(folder: string): void {
  const mounted = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((target) => target.startsWith(`${folder}/`));
  // The latest first: it may lie in an earlier one.
  for (const target of mounted.reverse()) execFileSync('umount', ['-l', target]);
  execFileSync('rm', ['-rf', folder]);
}
