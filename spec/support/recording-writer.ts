import path from 'node:path';
import { MOST_UNWRITTEN } from '../../actors/capture/recorder.js';
import { loadIo, type Writer } from '../../native/io.js';

/** A writer as a recorder needs one. */
export function recordingWriter(capacity = MOST_UNWRITTEN): Writer {
  const { Writer } = loadIo(path.resolve(import.meta.dirname, '../../dist/io.node'));
  return new Writer(capacity, true, () => undefined);
}
