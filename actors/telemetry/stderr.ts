import { writeSync } from 'node:fs';

const STDERR = 2;
const RETRY_MS = 1;
const sleeper = new Int32Array(new SharedArrayBuffer(4));

/**
 * Writes to standard error. The text is in the kernel's hands on return, so a process that exits next loses nothing;
 * a pipe that is full is waited for, also when whoever shares it has made it non-blocking.
 */
export function writeStderr(text: string): void {
  const bytes = Buffer.from(text);
  let written = 0;
  while (written < bytes.length) {
    try {
      written += writeSync(STDERR, bytes, written);
    } catch (error) {
      // Nobody reads any more, or the disk is full: a log that cannot be written is no reason to stop collecting.
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) return;
      Atomics.wait(sleeper, 0, 0, RETRY_MS);
    }
  }
}
