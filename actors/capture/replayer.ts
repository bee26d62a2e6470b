import { closeSync, openSync, readSync } from 'node:fs';
import { Failure } from '../telemetry/failures.js';
import type { Fact, RecordedFact, StartFact } from './facts.js';
import {
  decodeFrame,
  decodeHeader,
  FRAME_HEADER,
  isEnd,
  MAGIC,
  padding,
  type FrameHeader,
} from './journal.js';
import { reasonOf } from './recording-file.js';

const CHUNK_BYTES = 64 * 1024;

/** A recording: its start, and the facts after it. */
export interface Recording {
  readonly start: StartFact;
  readonly facts: Iterable<Fact>;
  /** The facts with the lifecycle between them; either of the two can be iterated, once. */
  readonly all: Iterable<RecordedFact>;
  /** Whether the end has been read: still false after all facts if the run was killed, or the file is cut. */
  readonly hasEnd: boolean;
}

/**
 * Opens a recording. Its facts are read one at a time, in their order.
 * @throws Failure REPLAY_UNREADABLE if the file is no recording. Iterating throws it at the first damaged place, after
 * all facts before, or REPLAY_CUT where the file ends too early, as after a killed run.
 */
export function openRecording(path: string): Recording {
  let hasEnd = false;
  const all = replayFacts(path, () => (hasEnd = true));
  const { value: start } = all.next();
  if (start?.kind === 'start') {
    return {
      start,
      facts: withoutLifecycle(all),
      all,
      get hasEnd() {
        return hasEnd;
      },
    };
  }
  throw new Failure('REPLAY_UNREADABLE', { path, reason: 'it does not begin with the start of a run' });
}

/** Times in a recording, CLOCK_BOOTTIME in ns. */
export interface RecordedSpan {
  /** The earliest time; the start-up of a run is before its start fact. */
  readonly start: number;
  readonly end: number;
}

/** Finds the span of a recording by the headers of its frames, up to their end. @throws Failure REPLAY_UNREADABLE */
export function recordedSpan(path: string): RecordedSpan {
  let [start, end] = [Infinity, -Infinity];
  try {
    const fd = openSync(path, 'r');
    try {
      for (const header of frameHeaders(fd)) {
        if (isEnd(header)) break;
        start = Math.min(start, header.time);
        end = Math.max(end, header.time);
      }
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw new Failure('REPLAY_UNREADABLE', { path, reason: reasonOf(error) }, { cause: error });
  }
  return { start, end };
}

/** Headers of a file, read in chunks, since most frames are small. Ends at the first cut or damaged header. */
function* frameHeaders(fd: number): Generator<FrameHeader, void, undefined> {
  const chunk = Buffer.alloc(CHUNK_BYTES);
  let [chunkStart, length] = [0, 0];
  for (let position = MAGIC.length; ;) {
    if (position + FRAME_HEADER > chunkStart + length) {
      length = readSync(fd, chunk, 0, chunk.length, position);
      chunkStart = position;
      if (length < FRAME_HEADER) return;
    }
    let header;
    try {
      header = decodeHeader(chunk.subarray(position - chunkStart, position - chunkStart + FRAME_HEADER));
    } catch {
      return;
    }
    yield header;
    position += FRAME_HEADER + header.length + padding(header.length);
  }
}

function* withoutLifecycle(all: Iterable<RecordedFact>): Generator<Fact, void, undefined> {
  for (const fact of all) if (fact.kind !== 'lifecycle') yield fact;
}

function* replayFacts(path: string, onEnd: () => void): Generator<RecordedFact, void, undefined> {
  let position = 0;
  let fd: number | undefined;
  try {
    fd = openSync(path, 'r');
    const file = fd;
    const read = (length: number, atEnd: 'may end' | 'must go on'): Buffer<ArrayBuffer> | undefined => {
      // Memory of its own has an aligned start, as needed by the wider views on records.
      const bytes = Buffer.from(new ArrayBuffer(length));
      let used = 0;
      while (used < length) {
        const count = readSync(file, bytes, used, length - used, null);
        if (count === 0) break;
        used += count;
      }
      if (used === 0 && length > 0 && atEnd === 'may end') return undefined;
      if (used < length) throw new Failure('REPLAY_CUT', { path, position });
      position += length;
      return bytes;
    };

    checkMagic(read(MAGIC.length, 'may end'));
    for (let head; (head = read(FRAME_HEADER, 'may end')) !== undefined;) {
      const header = decodeHeader(head);
      if (isEnd(header)) {
        if (header.length > 0 || read(1, 'may end') !== undefined) throw new Error('more behind its end');
        onEnd();
        return;
      }
      const payload = read(header.length, 'must go on')!;
      read(padding(header.length), 'must go on');
      yield decodeFrame(header, payload);
    }
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure(
      'REPLAY_UNREADABLE',
      { path, reason: position > 0 ? `${reasonOf(error)}, ${position} bytes in` : reasonOf(error) },
      { cause: error },
    );
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** @param start the first bytes of a file, undefined if it is shorter */
function checkMagic(start: Buffer | undefined): void {
  if (start?.equals(MAGIC) === true) return;
  const name = MAGIC.subarray(0, -1);
  if (start?.subarray(0, -1).equals(name) !== true) throw new Error('it is not a recording');
  const form = (bytes: Buffer) => JSON.stringify(bytes.toString('latin1', name.length));
  throw new Error(`it is a recording of form ${form(start)}, and this Collector reads form ${form(MAGIC)}`);
}
