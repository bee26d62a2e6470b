import { readFileSync, statSync } from 'node:fs';

/** The number that kernfs gives to the first folder of a hierarchy: no other cgroup has it. */
const ROOT_INODE = 1;

/**
 * Where the root of the host's cgroup2 hierarchy is mounted, undefined if nowhere. A cgroup namespace shows its own
 * part of the hierarchy as if it were all, in the paths of mountinfo too; only the inode tells.
 * @param hostRoot where the host's root is mounted, empty on the host itself
 * @param mountinfo as in `/proc/self/mountinfo`, see proc(5)
 */
export function cgroupRoot(
  hostRoot: string,
  mountinfo = readFileSync('/proc/self/mountinfo', 'utf8'),
): string | undefined {
  const mounted = mountinfo
    .split('\n')
    .filter((line) => line.includes(' - cgroup2 '))
    .map((line) => line.split(' ')[4]!);
  const nearest = mounted.filter((folder) => folder.startsWith(`${hostRoot}/`));
  return [...nearest, ...mounted].find(isRoot);
}

function isRoot(folder: string): boolean {
  try {
    return statSync(folder).ino === ROOT_INODE;
  } catch {
    return false; // another mount hides it, or it may not be looked at
  }
}
