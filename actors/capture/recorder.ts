import { closeSync, writeSync, writevSync } from 'node:fs';
import { Failure } from '../telemetry/failures.js';
import type { Fact } from './facts.js';
import { encodeFrame, endFrame, MAGIC, padding } from './journal.js';
import { createRecordingFile } from './recording-file.js';

/** Writes the facts of a run to a file. What `write` was given is in the kernel's hands when it returns. */
export class Recorder {
  readonly #path: string;
  readonly #fd: number;

  /** Starts a recording; an earlier recording is replaced, anything else is refused. @throws Failure RECORD_UNWRITABLE */
  constructor(path: string) {
    this.#path = path;
    this.#fd = this.#guard(() => createRecordingFile(path));
    this.#append([MAGIC]);
  }

  /** @throws Failure RECORD_UNWRITABLE, such as on a full disk; the recording then ends before this fact */
  write(fact: Fact): void {
    const [header, payload] = encodeFrame(fact);
    this.#append([header, payload, new Uint8Array(padding(payload.length))]);
  }

  /** Says that this was all: what has no such end is cut. @throws Failure RECORD_UNWRITABLE */
  end(): void {
    this.#append([endFrame()]);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #append(parts: readonly Uint8Array[]): void {
    this.#guard(() => {
      const length = parts.reduce((sum, part) => sum + part.length, 0);
      let written = writevSync(this.#fd, parts);
      if (written === length) return;
      // A short write is legal, if rare on files.
      const bytes = Buffer.concat(parts);
      while (written < length) written += writeSync(this.#fd, bytes, written);
    });
  }

  #guard<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      const reason = reasonOf(error);
      throw new Failure('RECORD_UNWRITABLE', { path: this.#path, reason }, { cause: error });
    }
  }
}

/** The code of a system error, else its message. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error ? String(error.code) : error.message;
}
