import { setTimeout as delay } from 'node:timers/promises';
import type { Writer } from '../../native/io.js';
import { Failure } from '../telemetry/failures.js';
import type { Loss, Publication } from '../telemetry/publication.js';
import type { RecordedFact } from './facts.js';
import { encodeFrame, endFrame, MAGIC, padding } from './journal.js';
import { createRecordingFile, reasonOf } from './recording-file.js';

/** Most bytes to wait for a disk: some seconds of a storm. */
export const MOST_UNWRITTEN = 16 * 1024 * 1024;
/** How often the end looks whether all is written, ms. */
const LOOK_MS = 10;

/** The loss of so many facts by a recording; 0 also without one. */
export function recordingLoss(count: number): Loss {
  return { stage: 'recording', cause: 'disk_slow', count };
}

/** Writes the facts of a run to a file, and never waits for its disk. */
export class Recorder {
  /** Facts since the recording ended early. */
  lost = 0;
  readonly #path: string;
  readonly #writer: Writer;
  readonly #onSlow: (failure: Failure) => void;

  /**
   * Starts a recording; an earlier recording is replaced, anything else is refused.
   * @param writer a new one, to stop at an error
   * @param onSlow called once, when the recording ends early because of a slow disk
   * @throws Failure RECORD_UNWRITABLE
   */
  constructor(path: string, writer: Writer, onSlow: (failure: Failure) => void = () => undefined) {
    this.#path = path;
    this.#writer = writer;
    this.#onSlow = onSlow;
    try {
      writer.start(createRecordingFile(path), true);
    } catch (error) {
      throw this.#unwritable(reasonOf(error), error);
    }
    this.#append([MAGIC]);
  }

  get publication(): Publication {
    return { losses: () => [recordingLoss(this.lost)] };
  }

  /** @throws Failure RECORD_UNWRITABLE if an earlier fact could not be written, such as on a full disk */
  write(fact: RecordedFact): void {
    const [header, payload] = encodeFrame(fact);
    this.#append([header, payload, new Uint8Array(padding(payload.length))]);
  }

  /** Completes the recording: without this end it counts as cut. @throws Failure RECORD_UNWRITABLE */
  end(): void {
    this.#append([endFrame()]);
  }

  /**
   * Waits until all is written, at most so long.
   * @returns bytes not taken by the disk
   * @throws Failure RECORD_UNWRITABLE
   */
  async written(milliseconds: number): Promise<number> {
    const end = performance.now() + milliseconds;
    while (this.#writer.pending > 0 && performance.now() < end) await delay(LOOK_MS);
    this.#assertWritable();
    return this.#writer.pending;
  }

  /** Waiting bytes are still written, if the disk takes them. */
  close(): void {
    this.#writer.close();
  }

  #append(parts: readonly Uint8Array[]): void {
    this.#assertWritable();
    // Nothing follows a gap: a replay could not know of it.
    if (this.lost === 0 && this.#writer.write(Buffer.concat(parts))) return;
    this.lost++;
    if (this.lost === 1)
      this.#onSlow(new Failure('RECORD_SLOW', { path: this.#path, bytes: this.#writer.pending }));
  }

  #assertWritable(): void {
    const { error } = this.#writer;
    if (error !== undefined) throw this.#unwritable(error);
  }

  #unwritable(reason: string, cause?: unknown): Failure {
    return new Failure('RECORD_UNWRITABLE', { path: this.#path, reason }, { cause });
  }
}
