import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Resource } from './resource.js';

/** A file system in memory, soon full. */
export class SmallDisk implements Resource {
  readonly path = mkdtempSync(path.join(tmpdir(), 'collector-disk-'));

  /** @param kibibytes of room */
  constructor(kibibytes: number) {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kibibytes}k,mode=700`, 'none', this.path]);
  }

  remove(): void {
    execFileSync('umount', ['-l', this.path]);
    rmdirSync(this.path);
  }
}
