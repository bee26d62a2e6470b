/**
 * Runs the built Collector on other kernels, in virtual machines without acceleration, and holds its output against the
 * work done there: `npm run kernels -- [5.10] [6.1] [6.12] [newest] [<kernel image>] [amd64] [arm64] [v2] [hybrid] [v1]
 * [without-btf] [module] [module-stress] [module-start] [tracepoints]`; 5.4, 5.11, 5.13, 5.15 and 5.19 are Ubuntu's,
 * for amd64 alone. Without a kernel: 5.10, 6.1, 6.12 and newest; without an architecture: this machine's; without a
 * setup: v2. The kernel module is tried on 5.4 (where nothing else runs), 5.10 and 6.1. Needs root, and some 90 s for
 * each boot, some ten minutes for module-stress, one for each processor at a time; downloads stay in .cache.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { command } from './command.js';
import { ownArchitecture, type Architecture } from './kernels/debian.js';
import {
  fetchHeaders,
  fetchKernel,
  kernelNames,
  type KernelFiles,
  type KernelName,
} from './kernels/images.js';
import { Machine, needsModule, setups, type Setup } from './kernels/machine.js';
import { judgeInsertion } from './kernels/insertion-verdict.js';
import { makeOddModules } from './kernels/odd-modules.js';
import { judgeStress, judgeTracepoints } from './kernels/stress-verdict.js';
import { judge, type Verdict } from './kernels/verdict.js';

const root = path.dirname(import.meta.dirname);
const cache = path.join(root, '.cache/kernels');

/** Setups with judgements of their own. */
const judgements: Partial<Readonly<Record<Setup, (output: string) => Verdict>>> = {
  'module-stress': judgeStress,
  'module-start': judgeInsertion,
  tracepoints: judgeTracepoints,
};

await command(main);

/** Boots the requested machines, a line each. @returns whether all is as it should be */
async function main(words: readonly string[]): Promise<boolean> {
  const kernels = words.filter((word) => kernelNames.includes(word) || existsSync(word));
  const architectures = words.filter((word): word is Architecture => word === 'amd64' || word === 'arm64');
  const chosen = setups.filter((setup) => words.includes(setup));
  const known = new Set<string>([...kernels, ...architectures, ...chosen]);
  const strange = words.find((word) => !known.has(word));
  const allowed = [...kernelNames, 'the path of a kernel image', 'amd64', 'arm64', ...setups];
  if (strange !== undefined) throw new Error(`Bad argument '${strange}' (allowed: ${allowed.join(', ')})`);
  if (process.getuid?.() !== 0)
    throw new Error('It installs packages and makes device nodes: run it as root.');

  let isGood = true;
  console.log(
    '| kernel | architecture | setup | object | exec | exit | TCP | UDP | verified | result | not tried |',
  );
  console.log('| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |');
  for (const arch of architectures.length > 0 ? architectures : [ownArchitecture()]) {
    const waiting: Boot[] = [];
    for (const kernel of kernels.length > 0 ? kernels : ['5.10', '6.1', '6.12', 'newest']) {
      const files = kernelNames.includes(kernel)
        ? await fetchKernel(kernel as KernelName, arch, cache)
        : { image: path.resolve(kernel) };
      for (const setup of chosen.length > 0 ? chosen : (['v2'] as const))
        waiting.push({ kernel, files, arch, setup });
    }
    const machine = new Machine(arch, cache);
    const work = async (): Promise<void> => {
      for (let next; (next = waiting.shift()) !== undefined;)
        isGood = (await tryKernel(machine, next)) && isGood;
    };
    try {
      await Promise.all(Array.from({ length: availableParallelism() }, work));
    } finally {
      machine.close();
    }
  }
  return isGood;
}

/** A boot to come. */
interface Boot {
  /** Its name, or the path of its image. */
  readonly kernel: string;
  readonly files: KernelFiles;
  readonly arch: Architecture;
  readonly setup: Setup;
}

/** Prints a line. @returns whether all is as it should be; if not, the machine's output is kept */
async function tryKernel(machine: Machine, next: Boot): Promise<boolean> {
  const { setup } = next;
  const output = await boot(machine, next);
  const verdict = judgements[setup]?.(output) ?? judge(output, setup);
  console.log(line(verdict, machine.arch, setup));
  if (verdict.faults.length === 0) return true;
  const kept = path.join(cache, `${verdict.release}-${machine.arch}-${setup}.txt`);
  writeFileSync(kept, output);
  console.error(`What this machine printed is in ${path.relative('', kept)}`);
  return false;
}

async function boot(machine: Machine, { kernel, files, arch, setup }: Boot): Promise<string> {
  if (setup !== 'without-btf' && !needsModule(setup)) return machine.boot(files, setup);
  const folder = mkdtempSync(path.join(tmpdir(), 'collector-drivers-'));
  try {
    const build = needsModule(setup) ? await fetchHeaders(kernel, files, arch, cache) : undefined;
    const drivers = makeDrivers(build?.headers ?? files.image, folder, build?.compiler);
    if (setup === 'module-start') makeOddModules(drivers, build!.headers, build!.compiler);
    return await machine.boot(files, setup, drivers);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * @param source the kernel's image, or its headers
 * @param compiler the program to build a module by; undefined for the kernel's own
 * @returns a folder with the driver for this kernel, as local storage has it
 */
function makeDrivers(source: string, folder: string, compiler?: string): string {
  const script = path.join(import.meta.dirname, 'drivers.ts');
  const args = ['--import', 'tsx', script, `--out=${folder}`, source];
  const env = { ...process.env, ...(compiler !== undefined && { CC: compiler }) };
  execFileSync(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'ignore', 'inherit'] });
  const version = 'MODULE_VERSION.txt';
  const drivers = path.join(folder, readFileSync(path.join(folder, version), 'utf8').trim());
  copyFileSync(path.join(folder, version), path.join(drivers, version));
  return drivers;
}

function line(
  { release, object, records, verified, faults, untried }: Verdict,
  arch: Architecture,
  setup: Setup,
): string {
  const { process_exec, process_exit, socket_state, udp } = records;
  const result = faults.length === 0 ? 'as it should be' : faults.join('; ').replaceAll('|', '\\|');
  const counts = [process_exec, process_exit, socket_state, udp, verified || '–'];
  return `| ${[release, arch, setup, object ?? '–', ...counts, result, untried.join(', ') || '–'].join(' | ')} |`;
}
