import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { Architecture } from './debian.js';

/** Which cgroup hierarchies are mounted: those of v2 alone, of v1 alone, or both. */
export const hierarchies = ['v2', 'hybrid', 'v1'] as const;
export type Hierarchies = (typeof hierarchies)[number];

/** What a machine printed, by the name of the section. */
export type Sections = ReadonlyMap<string, string>;

const qemu: Readonly<
  Record<Architecture, { readonly command: readonly string[]; readonly console: string }>
> = {
  amd64: { command: ['qemu-system-x86_64'], console: 'ttyS0' },
  arm64: { command: ['qemu-system-aarch64', '-M', 'virt'], console: 'ttyAMA0' },
};
const SECONDS = 300;

/** Puts the files of a machine into the archive that a kernel starts with. @returns its path */
export function pack(root: string): string {
  copyFileSync(path.join(import.meta.dirname, 'guest.sh'), path.join(root, 'init'));
  chmodSync(path.join(root, 'init'), 0o755);
  const archive = `${root}.gz`;
  rmSync(archive, { force: true });
  const script = 'cd "$1" && find . | cpio --quiet -o -H newc | gzip -1 >"$2"';
  execFileSync('sh', ['-c', script, 'sh', root, archive], { stdio: ['ignore', 'ignore', 'inherit'] });
  return archive;
}

/** Boots a kernel, without acceleration and without a network, until the machine goes off. */
export async function boot(
  arch: Architecture,
  kernel: string,
  archive: string,
  mounted: Hierarchies,
): Promise<Sections> {
  const { command, console } = qemu[arch];
  const [program = '', ...machine] = command;
  const append = `console=${console} quiet panic=-1 hierarchies=${mounted}`;
  const options = ['-cpu', 'max', '-smp', '2', '-m', '2048', '-nographic', '-no-reboot', '-net', 'none'];
  const args = [...machine, ...options, '-kernel', kernel, '-initrd', archive, '-append', append];
  const child = spawn('timeout', [String(SECONDS), program, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  await once(child, 'close');
  return sectionsOf(output.replaceAll('\r', ''));
}

function sectionsOf(output: string): Sections {
  const [, ...parts] = output.split(/^== (?=[a-z]+$)/m);
  return new Map(
    parts.map((part) => [part.slice(0, part.indexOf('\n')), part.slice(part.indexOf('\n') + 1)]),
  );
}
