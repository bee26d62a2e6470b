import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** Detaches the programs of a process from cgroups by bpftool, as root on the node can. @returns their number */
export function detachPrograms(pid: number): number {
  const ids = readdirSync(`/proc/${pid}/fdinfo`)
    .map((fd) => infoOf(pid, fd))
    .filter((text) => /^link_type:\s+cgroup$/m.test(text))
    .map((text) => /^link_id:\s+(\d+)$/m.exec(text)![1]!);
  for (const id of ids) execFileSync('bpftool', ['link', 'detach', 'id', id]);
  return ids.length;
}

/** Empty for a descriptor closed meanwhile. */
function infoOf(pid: number, fd: string): string {
  try {
    return readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8');
  } catch {
    return '';
  }
}
