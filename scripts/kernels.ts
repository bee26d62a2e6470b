/**
 * Runs the built Collector on other kernels, in virtual machines without acceleration, and holds what it tells against
 * what was done there: `npm run kernels -- [5.10] [6.1] [6.12] [newest] [<kernel image>] [amd64] [arm64] [v2] [hybrid]
 * [v1]`. Without a kernel: 6.1, 6.12 and newest; without an architecture: this machine's; without hierarchies: v2.
 * Needs root, and some 40 s for each boot; downloads stay in .cache.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { command } from './command.js';
import { fetchKernel, suites, type Architecture, type KernelName } from './kernels/debian.js';
import { boot, hierarchies, pack, type Hierarchies } from './kernels/machine.js';
import { judge, type Verdict } from './kernels/verdict.js';

const root = path.dirname(import.meta.dirname);
const cache = path.join(root, '.cache/kernels');

await command(main);

/** Boots what was asked for, a line each. @returns whether all is as it should be */
async function main(words: readonly string[]): Promise<boolean> {
  const kernels = words.filter((word) => word in suites || existsSync(word));
  const architectures = words.filter((word): word is Architecture => word === 'amd64' || word === 'arm64');
  const mounts = hierarchies.filter((mounted) => words.includes(mounted));
  const known = new Set<string>([...kernels, ...architectures, ...mounts]);
  const strange = words.find((word) => !known.has(word));
  const allowed = [...Object.keys(suites), 'the path of a kernel image', 'amd64', 'arm64', ...hierarchies];
  if (strange !== undefined) throw new Error(`Bad argument '${strange}' (allowed: ${allowed.join(', ')})`);
  if (process.getuid?.() !== 0)
    throw new Error('It installs packages and makes device nodes: run it as root.');

  let isGood = true;
  console.log('| kernel | architecture | cgroups | exec | exit | TCP | UDP | verified | result |');
  console.log('| --- | --- | --- | --- | --- | --- | --- | --- | --- |');
  for (const arch of architectures.length > 0 ? architectures : [ownArchitecture()]) {
    const script = path.join(import.meta.dirname, 'kernels/root.sh');
    const folder = execFileSync(script, [arch], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
    const archive = pack(folder.trim());
    for (const kernel of kernels.length > 0 ? kernels : ['6.1', '6.12', 'newest']) {
      const image = kernel in suites ? fetchKernel(kernel as KernelName, arch, cache) : path.resolve(kernel);
      for (const mounted of mounts.length > 0 ? mounts : (['v2'] as const)) {
        const verdict = judge(await boot(arch, image, archive, mounted), mounted);
        console.log(line(verdict, arch, mounted));
        isGood &&= verdict.faults.length === 0;
      }
    }
  }
  return isGood;
}

function ownArchitecture(): Architecture {
  return process.arch === 'arm64' ? 'arm64' : 'amd64';
}

function line(
  { release, records, verified, faults }: Verdict,
  arch: Architecture,
  mounted: Hierarchies,
): string {
  const { process_exec, process_exit, socket_state, udp } = records;
  const result = faults.length === 0 ? 'as it should be' : faults.join('; ').replaceAll('|', '\\|');
  const counts = [process_exec, process_exit, socket_state, udp, verified || '–'];
  return `| ${[release, arch, mounted, ...counts, result].join(' | ')} |`;
}
