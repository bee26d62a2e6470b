import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { removeCgroups } from './cgroups.js';
import { removeFolder } from './folder.js';
import type { Resource } from './resources.js';
import { workload } from './workload.js';

/** Podman's own, which it would raise, and may not on every machine. */
const ULIMITS = ['--ulimit=nofile=1024:1024', '--ulimit=nproc=1024:1024'];

/** Podman with storage of its own, whose containers have the workload as their root. */
export class Podman implements Resource {
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'podman-'));
  readonly #cgroup = path.basename(this.#folder);
  readonly #containers: string[] = [];

  /** Starts a container. @returns its id, 64 digits */
  start(...command: readonly string[]): string {
    const root = path.join(this.#folder, 'rootfs');
    mkdirSync(root, { recursive: true });
    copyFileSync(workload(), path.join(root, 'workload'));
    const id = this.#podman(
      'run',
      '--detach',
      `--cgroup-parent=/${this.#cgroup}`,
      ...ULIMITS,
      '--network=none',
      '--rootfs',
      root,
      ...command,
    );
    this.#containers.push(id);
    return id;
  }

  /** Runs a program in a running container, to its end. */
  exec(id: string, ...command: readonly string[]): void {
    this.#podman('exec', id, ...command);
  }

  async remove(): Promise<void> {
    for (const id of this.#containers) this.#podman('rm', '--force', '--time=0', id);
    await removeCgroups(this.#cgroup);
    removeFolder(this.#folder);
  }

  #podman(...words: readonly string[]): string {
    return execFileSync(
      'podman',
      [
        `--root=${path.join(this.#folder, 'root')}`,
        `--runroot=${path.join(this.#folder, 'run')}`,
        // crun does not run where cgroup v1 and v2 are mixed, and systemd may not be there.
        '--runtime=runc',
        '--cgroup-manager=cgroupfs',
        '--events-backend=none',
        ...words,
      ],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] },
    ).trim();
  }
}
