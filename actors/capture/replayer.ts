import { closeSync, openSync, readSync } from 'node:fs';
import { Failure } from '../telemetry/failures.js';
import type { Fact, StartFact } from './facts.js';
import { decodeFrame, decodeHeader, FRAME_HEADER, isEnd, MAGIC, padding } from './journal.js';
import { reasonOf } from './recording-file.js';

/** A recording: its start, and the facts after it. */
export interface Recording {
  readonly start: StartFact;
  readonly facts: Iterable<Fact>;
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
  const facts = replayFacts(path, () => (hasEnd = true));
  const { value: start } = facts.next();
  if (start?.kind === 'start') {
    return {
      start,
      facts,
      get hasEnd() {
        return hasEnd;
      },
    };
  }
  throw new Failure('REPLAY_UNREADABLE', { path, reason: 'it does not begin with the start of a run' });
}

function* replayFacts(path: string, onEnd: () => void): Generator<Fact, void, undefined> {
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
