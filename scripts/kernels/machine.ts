import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Architecture } from './debian.js';
import { emulator, type Emulator } from './emulator.js';
import type { KernelFiles } from './images.js';

/**
 * Setups of a machine: its mounted cgroup hierarchies (v2 alone, v1 alone, or both); v2 with the kernel's types (BTF)
 * hidden, to need a driver; v2 with the kernel module as the driver; trials of the kernel module without Collector;
 * trials of Collector's start and end with it; or the module's tracepoints, switched by the kernel's own tracing under
 * the load of the trials, with no module.
 */
export const setups = [
  'v2',
  'hybrid',
  'v1',
  'without-btf',
  'module',
  'module-stress',
  'module-start',
  'tracepoints',
] as const;
export type Setup = (typeof setups)[number];

/** Setups with the kernel module, which is built against the kernel's headers. */
export function needsModule(setup: Setup): boolean {
  return setup.startsWith('module');
}
/** Checks of the kernel's memory at each allocation and release, for what a module does wrong. */
const STRESS_PARAMETERS = 'slub_debug=FZPU';

const boards: Readonly<
  Record<Architecture, { readonly arguments: readonly string[]; readonly parameters: string }>
> = {
  // Without acceleration a busy host delivers the timer's interrupts late; the kernel's check finds them broken.
  amd64: { arguments: [], parameters: 'console=ttyS0 no_timer_check' },
  arm64: { arguments: ['-M', 'virt'], parameters: 'console=ttyAMA0' },
};
/** Most time from the start of a machine to its end, and to the first line of guest.sh in it, s. */
const SECONDS = 1200;
const BOOT_SECONDS = 120;
/** Attempts at a boot: an emulated machine can fail before anything of Collector runs. */
const BOOTS = 3;
/** First and last line of guest.sh. */
const BOOTED = '== booted';
const ENDED = '== end';

/** The files of a machine of an architecture, in a folder of their own until `close`. */
export class Machine {
  readonly arch: Architecture;
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'collector-machine-'));
  readonly #archive: string;
  readonly #emulator: Emulator;

  /** @param cache folder for what is downloaded */
  constructor(arch: Architecture, cache: string) {
    this.arch = arch;
    const root = path.join(this.#folder, 'root');
    const script = path.join(import.meta.dirname, 'root.sh');
    execFileSync(script, [arch, root], { stdio: ['ignore', 'inherit', 'inherit'] });
    copyFileSync(path.join(import.meta.dirname, 'guest.sh'), path.join(root, 'init'));
    chmodSync(path.join(root, 'init'), 0o755);
    this.#archive = pack(root);
    this.#emulator = emulator(arch, cache);
  }

  close(): void {
    rmSync(this.#folder, { recursive: true });
  }

  /**
   * Boots a kernel, without acceleration and without a network, until the machine goes off.
   * @param drivers the files of local storage; undefined for none
   * @returns its output
   */
  async boot(kernel: KernelFiles, setup: Setup, drivers?: string): Promise<string> {
    const own = mkdtempSync(path.join(this.#folder, 'of-kernel-'));
    mkdirSync(path.join(own, 'lib'), { recursive: true });
    if (kernel.fuse !== undefined) writeFileSync(path.join(own, 'lib/fuse.ko'), unpackedModule(kernel.fuse));
    if (drivers !== undefined) cpSync(drivers, path.join(own, 'kernel-modules'), { recursive: true });
    // A kernel unpacks one archive after the other.
    const archive = `${own}.initrd`;
    writeFileSync(archive, Buffer.concat([this.#archive, pack(own)].map((file) => readFileSync(file))));

    const board = boards[this.arch];
    const checks = setup === 'module-stress' ? ` ${STRESS_PARAMETERS}` : '';
    const append = `${board.parameters} quiet panic=-1${checks} setup=${setup}`;
    const options = ['-cpu', 'max', '-smp', '2', '-m', '2048', '-nographic', '-no-reboot', '-net', 'none'];
    const args = [
      ...this.#emulator.command,
      ...board.arguments,
      ...options,
      '-kernel',
      kernel.image,
      '-initrd',
      archive,
      '-append',
      append,
    ];
    for (let attempt = 1; ; attempt++) {
      const output = await runMachine(args, this.#emulator.environment);
      // On a busy host the emulated serial line can stop for good, within a line: no program stops there.
      const isCut = output.includes(BOOTED) && !output.includes(ENDED) && !output.endsWith('\n');
      if ((output.includes(BOOTED) && !isCut) || attempt === BOOTS) return output;
      const problem = isCut ? 'lost the console' : 'failed';
      console.error(
        `Attempt ${attempt} to boot ${kernel.image} ${problem}. The console:\n${output.slice(-2000)}`,
      );
    }
  }
}

/** @returns the machine's output by its end, or until its time was up */
async function runMachine(
  [program = '', ...args]: readonly string[],
  environment: Emulator['environment'],
): Promise<string> {
  const child = spawn('timeout', [String(SECONDS), program, ...args], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const bootTimer = setTimeout(() => {
    if (!output.includes(BOOTED)) child.kill();
  }, BOOT_SECONDS * 1000);
  await once(child, 'close');
  clearTimeout(bootTimer);
  return output.replaceAll('\r', '');
}

/** Puts a folder into an archive beside it, for a kernel to start with. @returns its path */
function pack(folder: string): string {
  const archive = `${folder}.gz`;
  rmSync(archive, { force: true });
  const script = 'cd "$1" && find . | cpio --quiet -o -H newc | gzip -1 >"$2"';
  execFileSync('sh', ['-c', script, 'sh', folder, archive], { stdio: ['ignore', 'ignore', 'inherit'] });
  return archive;
}

function unpackedModule(file: string): Uint8Array {
  if (!file.endsWith('.xz')) return readFileSync(file);
  return execFileSync('xz', ['--decompress', '--stdout', file], { maxBuffer: 64 * 1024 * 1024 });
}
