import { randomBytes } from 'node:crypto';
import { open, readdir, rename, rm, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { Failure } from '../telemetry/failures.js';
import { codeOf } from '../sensor/printable.js';
import { makeFolder } from './make-folder.js';
import { DriverProblem } from './problem.js';

/** Bytes, packed or not. Real drivers have a few MiB. */
export const LARGEST_OBJECT = 64 * 1024 * 1024;

const MODE = 0o444;
/** End of a temporary file's name: it stands beside the target, so that renaming it is one step. */
const PART = '.part';

export interface UnpackOptions {
  /** Whether it is an archive of gzip, or the object itself. */
  readonly gzip: boolean;
  readonly signal: AbortSignal;
}

/**
 * Writes an object to `target` in one step: readers see either the old file or all of the new one. A missing folder is
 * made.
 * @param source read to its end or destroyed
 * @throws DriverProblem `corrupt`: it is no whole archive, empty or over 64 MiB; Failure DRIVER_UNWRITABLE; any error
 *   of `source`; an AbortError
 */
export async function unpack(
  source: Readable,
  target: string,
  { gzip, signal }: UnpackOptions,
): Promise<void> {
  const temporary = `${target}.${randomBytes(8).toString('hex')}${PART}`;
  const onDisk = async <T>(step: Promise<T>): Promise<T> =>
    step.catch((error: unknown) => {
      throw new Failure('DRIVER_UNWRITABLE', { path: target, reason: codeOf(error) }, { cause: error });
    });

  // It may break before anybody reads it; the pipeline finds out.
  source.on('error', () => undefined);
  let file: FileHandle | undefined;
  try {
    await onDisk(Promise.resolve(path.dirname(target)).then(makeFolder));
    const made = (file = await onDisk(open(temporary, 'wx', MODE)));
    const write = async (chunks: AsyncIterable<Buffer>): Promise<void> => {
      for await (const chunk of chunks) await onDisk(made.appendFile(chunk));
    };
    const whole = boundedChunks('unpacked');
    if (gzip) await pipeline(source, boundedChunks('packed'), createGunzip(), whole, write, { signal });
    else await pipeline(source, whole, write, { signal });
    // The umask has narrowed the permissions given to `open`.
    await onDisk(made.chmod(MODE));
    await onDisk(made.sync());
    signal.throwIfAborted();
    await onDisk(rename(temporary, target));
  } catch (error) {
    throw isZlib(error)
      ? new DriverProblem('corrupt', `it is no whole gzip archive (${error.message})`, { cause: error })
      : error;
  } finally {
    source.destroy();
    await file?.close().catch(() => undefined);
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}

/**
 * Removes the leftovers of a process killed while it unpacked to `target`. A process unpacking just now loses its file,
 * too, and fails: two never put one together.
 */
export async function removeLeftovers(target: string): Promise<void> {
  const folder = path.dirname(target);
  const names = await readdir(folder).catch(() => []);
  const leftovers = names.filter(
    (name) => name.startsWith(`${path.basename(target)}.`) && name.endsWith(PART),
  );
  for (const name of leftovers) await rm(path.join(folder, name), { force: true }).catch(() => undefined);
}

/** Passes chunks on, and fails for none at all or too many bytes. */
function boundedChunks(state: string) {
  return async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let seen = 0;
    for await (const chunk of chunks) {
      seen += chunk.length;
      if (seen > LARGEST_OBJECT) throw new DriverProblem('corrupt', `${state}, it has over 64 MiB`);
      yield chunk;
    }
    if (seen === 0) throw new DriverProblem('corrupt', `${state}, it has 0 bytes`);
  };
}

function isZlib(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('Z_');
}
