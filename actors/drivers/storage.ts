import { createReadStream, readFileSync, statSync } from 'node:fs';
import { kernelName } from '../settings/parser.js';
import { Failure } from '../telemetry/failures.js';
import { codeOf } from '../sensor/printable.js';
import { DriverProblem } from './problem.js';
import { unpack } from './unpack.js';

/** Has in its first line the version of the drivers for this Collector. */
export const VERSION_FILE = 'MODULE_VERSION.txt';

/** An existing file in local storage unfit for use. */
export interface UnusableFile {
  /** The object it is, or pretends to be, packed or not. */
  readonly object: string;
  readonly path: string;
  readonly problem: DriverProblem;
}

/**
 * The version of the drivers.
 * @param folder local storage
 * @throws DriverProblem `version` if the file is missing, or its first line cannot be part of an address
 */
export function moduleVersion(folder: string): string {
  const path = `${folder}/${VERSION_FILE}`;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new DriverProblem('version', `${path} cannot be read (${codeOf(error)})`, { cause: error });
  }
  const [line = ''] = text.split('\n');
  // A version is made of the same characters as the name of a kernel.
  const parsed = kernelName.parse(line.trim());
  if ('bad' in parsed) throw new DriverProblem('version', `the first line of ${path} is no version`);
  return parsed.value;
}

/**
 * Puts an object from local storage, packed or not, to its target, to be loaded from there.
 * @param onUnusable called with each unusable file; the search goes on
 * @returns the object's path in storage; undefined if there is none
 * @throws Failure DRIVER_UNWRITABLE; an AbortError
 */
export async function takeFromStorage(
  folder: string,
  object: string,
  target: string,
  { signal, onUnusable }: { readonly signal: AbortSignal; readonly onUnusable: (file: UnusableFile) => void },
): Promise<string | undefined> {
  for (const [path, gzip] of [
    [`${folder}/${object}.gz`, true],
    [`${folder}/${object}`, false],
  ] as const) {
    try {
      if (!isFileThere(path)) continue;
      await unpack(createReadStream(path), target, { gzip, signal });
      return path;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof Failure) throw error;
      onUnusable({
        object,
        path,
        problem: error instanceof DriverProblem ? error : unreadableProblem(error),
      });
    }
  }
  return undefined;
}

/** @throws DriverProblem for anything but a file: reading a pipe, say, would wait for a writer */
function isFileThere(path: string): boolean {
  const status = statSync(path, { throwIfNoEntry: false });
  if (status?.isFile() === false) throw new DriverProblem('corrupt', 'it is no file');
  return status !== undefined;
}

function unreadableProblem(error: unknown): DriverProblem {
  return new DriverProblem('corrupt', `it cannot be read (${codeOf(error)})`, { cause: error });
}
