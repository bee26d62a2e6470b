import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Resource } from './resources.js';

/** An ext4 file system on a loop device, which can be frozen: from then on the kernel lets every write to it wait. */
export class FrozenDisk implements Resource {
  readonly path: string;
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'collector-disk-'));
  #isFrozen = false;

  constructor() {
    const image = path.join(this.#folder, 'image');
    this.path = path.join(this.#folder, 'mount');
    execFileSync('sh', [
      '-ec',
      'truncate -s 64M "$0"; mkfs.ext4 -q "$0"; mkdir "$1"; mount -o loop "$0" "$1"',
      image,
      this.path,
    ]);
  }

  freeze(): void {
    execFileSync('fsfreeze', ['--freeze', this.path]);
    this.#isFrozen = true;
  }

  thaw(): void {
    if (this.#isFrozen) execFileSync('fsfreeze', ['--unfreeze', this.path]);
    this.#isFrozen = false;
  }

  remove(): void {
    this.thaw();
    execFileSync('umount', ['-l', this.path]);
    rmSync(this.#folder, { recursive: true });
  }
}
