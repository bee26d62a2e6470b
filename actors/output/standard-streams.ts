import { fstatSync } from 'node:fs';
import { loadIo, type Io, type Writer } from '../../native/io.js';
import { Failure } from '../telemetry/failures.js';
import { MOST_UNREAD_LOG, StandardError } from './standard-error.js';
import { MOST_UNREAD, StandardOutput } from './standard-output.js';

const STDOUT = 1;
const STDERR = 2;

/**
 * Loads the add-on with the writers.
 * @param path `dist/io.node`
 * @throws Failure OBJECT_UNREADABLE
 */
export function openIo(path: string): Io {
  try {
    return loadIo(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Failure('OBJECT_UNREADABLE', { path, reason }, { cause: error });
  }
}

/**
 * Opens standard output and standard error. Where both are the same pipe, terminal or file they share a writer, so that
 * lines stay whole and in order.
 */
export function standardStreams({ Writer }: Io): {
  readonly output: StandardOutput;
  readonly standardError: StandardError;
} {
  const streams: { wake(): void }[] = [];
  const open = (fd: number, capacity: number): Writer => {
    const writer = new Writer(capacity, false, () => streams.forEach((stream) => stream.wake()));
    writer.start(fd, false);
    return writer;
  };
  const errorWriter = open(STDERR, MOST_UNREAD_LOG);
  const outputWriter = areOne(STDOUT, STDERR) ? errorWriter : open(STDOUT, MOST_UNREAD);
  const output = new StandardOutput(outputWriter);
  const standardError = new StandardError(errorWriter);
  streams.push(output, standardError);
  return { output, standardError };
}

function areOne(one: number, other: number): boolean {
  const [a, b] = [fstatSync(one), fstatSync(other)];
  return a.dev === b.dev && a.ino === b.ino && a.rdev === b.rdev;
}
