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

/** Why a recording ended before its run. */
type EarlyEnd = 'disk_slow' | 'disk_refused';

/** The loss of so many facts by a recording, by the cause of its early end; 0 also without a recording. */
export function recordingLosses(count = 0, cause?: EarlyEnd): Loss[] {
  const causes: readonly EarlyEnd[] = ['disk_slow', 'disk_refused'];
  return causes.map((each) => ({ stage: 'recording', cause: each, count: each === cause ? count : 0 }));
}

/**
 * Writes the facts of a run to a file, and never waits for its disk. A disk too slow or full ends the recording, never
 * the run.
 */
export class Recorder {
  /** Facts since the recording ended early. */
  lost = 0;
  #cause: EarlyEnd | undefined;
  readonly #path: string;
  readonly #writer: Writer;
  readonly #onEarlyEnd: (failure: Failure) => void;

  /**
   * Starts a recording; an earlier recording is replaced, anything else is refused.
   * @param writer a new one, to stop at an error
   * @param onEarlyEnd called once, when the recording ends before its run
   * @throws Failure RECORD_UNWRITABLE
   */
  constructor(path: string, writer: Writer, onEarlyEnd: (failure: Failure) => void = () => undefined) {
    this.#path = path;
    this.#writer = writer;
    this.#onEarlyEnd = onEarlyEnd;
    try {
      writer.start(createRecordingFile(path), true);
    } catch (error) {
      throw new Failure('RECORD_UNWRITABLE', { path, reason: reasonOf(error) }, { cause: error });
    }
    this.#append([MAGIC]);
  }

  get publication(): Publication {
    return { losses: () => recordingLosses(this.lost, this.#cause) };
  }

  write(fact: RecordedFact): void {
    const [header, payload] = encodeFrame(fact);
    this.#append([header, payload, new Uint8Array(padding(payload.length))]);
  }

  /** Completes the recording: without this end it counts as cut. */
  end(): void {
    this.#append([endFrame()]);
  }

  /**
   * Waits until all is written, at most so long.
   * @returns bytes not taken by the disk in time
   */
  async written(milliseconds: number): Promise<number> {
    const end = performance.now() + milliseconds;
    while (this.#writer.pending > 0 && performance.now() < end) await delay(LOOK_MS);
    if (this.#writer.error !== undefined && this.lost === 0) this.#lose();
    return this.#writer.pending;
  }

  /** Waiting bytes are still written, if the disk takes them. */
  close(): void {
    this.#writer.close();
  }

  #append(parts: readonly Uint8Array[]): void {
    // Nothing follows a gap: a replay could not know of it.
    if (this.lost > 0 || !this.#writer.write(Buffer.concat(parts))) this.#lose();
  }

  #lose(): void {
    this.lost++;
    if (this.lost > 1) return;
    const { error: reason, pending: bytes } = this.#writer;
    const path = this.#path;
    this.#cause = reason === undefined ? 'disk_slow' : 'disk_refused';
    this.#onEarlyEnd(
      reason === undefined
        ? new Failure('RECORD_SLOW', { path, bytes })
        : new Failure('RECORD_REFUSED', { path, reason }),
    );
  }
}
