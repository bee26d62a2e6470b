import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Resource } from './resources.js';

const READ_BYTES = 64 * 1024;

/** A named pipe read by the spec: on request only, and else not at all. */
export class Pipe implements Resource {
  /** What a daemon can be given as its standard output or error. */
  readonly fd: number;
  readonly path: string;
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'collector-pipe-'));
  readonly #own: number;

  constructor() {
    this.path = path.join(this.#folder, 'pipe');
    execFileSync('mkfifo', [this.path]);
    // Of its own description: the one that is given away stays blocking.
    this.#own = openSync(this.path, constants.O_RDWR | constants.O_NONBLOCK);
    this.fd = openSync(this.path, constants.O_WRONLY);
  }

  /** Writes dots until nothing more fits in. */
  fill(): void {
    for (const size of [4096, 1]) while (this.#tries(() => writeSync(this.#own, '.'.repeat(size))));
  }

  /** Reads what is there now. */
  read(): string {
    const bytes = Buffer.alloc(READ_BYTES);
    let text = '';
    let length = 0;
    while (this.#tries(() => (length = readSync(this.#own, bytes))))
      text += bytes.toString('utf8', 0, length);
    return text;
  }

  remove(): void {
    closeSync(this.#own);
    closeSync(this.fd);
    rmSync(this.#folder, { recursive: true });
  }

  #tries(action: () => unknown): boolean {
    try {
      action();
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return false;
      throw error;
    }
  }
}
