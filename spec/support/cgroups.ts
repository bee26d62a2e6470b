import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { cgroupHierarchies } from './container.js';
import { eventually } from './eventually.js';

/** Removes a cgroup and all below it, from every hierarchy; a process that has just ended keeps one for a moment. */
export async function removeCgroups(name: string): Promise<void> {
  for (const hierarchy of new Set(cgroupHierarchies().values())) {
    const root = path.join(hierarchy, name);
    await eventually(() => isRemoved(root), `${root} can be removed`);
  }
}

function isRemoved(root: string): boolean {
  if (!existsSync(root)) return true;
  try {
    execFileSync('find', [root, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', '+'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
