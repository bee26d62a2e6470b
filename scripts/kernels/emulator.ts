import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import {
  beginDownloads,
  Debian,
  isUnpacked,
  ownArchitecture,
  unpackAll,
  type Architecture,
} from './debian.js';

const programs: Readonly<Record<Architecture, { readonly name: string; readonly package: string }>> = {
  amd64: { name: 'qemu-system-x86_64', package: 'qemu-system-x86' },
  arm64: { name: 'qemu-system-aarch64', package: 'qemu-system-arm' },
};
/**
 * Older versions can translate code that another processor is writing, and keep the translation: a processor of the
 * guest then meets a breakpoint that is not there any more, for ever. Kernels write their own code when they switch a
 * tracepoint. Seen with 7.2.22, not with this one; docs/kernel-module.md has the trials.
 */
const LEAST = [10, 0] as const;
const SUITE = 'bookworm-backports';

/** How to start QEMU: its program, arguments for where its files are, and the place of its modules. */
export interface Emulator {
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * QEMU for an architecture: this machine's own if it is new enough, else one from Debian's backports, beside this
 * machine's package manager. The environment variable QEMU names another program.
 * @param cache folder to keep it in
 */
export function emulator(arch: Architecture, cache: string): Emulator {
  const { name, package: own } = programs[arch];
  const named = process.env['QEMU'] ?? '';
  if (named !== '' || isNewEnough(name)) return { command: [named || name], environment: {} };
  const folder = path.join(cache, 'qemu', arch);
  if (!isUnpacked(folder)) {
    console.error(`Downloading QEMU from ${SUITE}: this machine's is older than ${LEAST.join('.')}`);
    beginDownloads(folder);
    const debian = new Debian(SUITE, ownArchitecture(), folder);
    // Modules not found beside it QEMU takes from this machine, where they are of another version, and complains.
    const modules = ['qemu-system-common', 'qemu-system-modules-opengl', 'qemu-system-modules-spice'];
    debian.download(own, 'qemu-system-data', ...modules);
    unpackAll(folder);
  }
  const usr = path.join(folder, 'root/usr');
  const triplet = readdirSync(`${usr}/lib`).find((entry) => entry.endsWith('-linux-gnu'));
  return {
    command: [`${usr}/bin/${name}`, '-L', `${usr}/share/qemu`, '-L', '/usr/share/seabios'],
    environment: { QEMU_MODULE_DIR: `${usr}/lib/${triplet}/qemu` },
  };
}

function isNewEnough(program: string): boolean {
  const text = execFileSync(program, ['--version'], { encoding: 'utf8' });
  const [, major, minor] = /version (\d+)\.(\d+)/.exec(text) ?? [];
  return Number(major) > LEAST[0] || (Number(major) === LEAST[0] && Number(minor) >= LEAST[1]);
}
