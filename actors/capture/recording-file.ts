import { closeSync, constants, fchmodSync, fstatSync, openSync, readSync, unlinkSync } from 'node:fs';
import { MAGIC } from './journal.js';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

/** Readable and writable by the owner alone: arguments can hold secrets. */
const MODE = 0o600;
/** Letters of MAGIC before the version, the same in recordings of every version. */
const NAME = MAGIC.subarray(0, -1);

/**
 * Makes the file of a recording, with mode 0600, and never opens one made by somebody else: no link is followed,
 * nothing is truncated. An earlier recording of the same user is removed first; other names of that file keep it.
 * @returns a descriptor to write to
 * @throws Error, with the system's `code` if the system refused
 */
export function createRecordingFile(path: string): number {
  let file = openNew(path);
  if (file === undefined) {
    removeRecording(path);
    file = openNew(path);
    if (file === undefined) throw new Error('another program made a file of this name at the same moment');
  }
  fchmodSync(file, MODE); // the umask may have narrowed it further
  return file;
}

/** @returns undefined if something has the name already, a dangling link included */
function openNew(path: string): number | undefined {
  try {
    return openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, MODE);
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return undefined;
    throw error;
  }
}

/** @throws Error if it is anything but a recording that this user made */
function removeRecording(path: string): void {
  let file: number;
  try {
    file = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    throw errorCode(error) === 'ELOOP'
      ? new Error('it is a symbolic link, and links are not followed')
      : error;
  }
  try {
    const stat = fstatSync(file);
    if (!stat.isFile()) throw new Error('it is there already, and no file');
    if (stat.uid !== process.geteuid?.()) throw new Error(`it is there already, a file of user ${stat.uid}`);
    const start = Buffer.alloc(NAME.length);
    const isRecording = readSync(file, start, 0, start.length, 0) === start.length && start.equals(NAME);
    if (stat.size > 0 && !isRecording) throw new Error('it is there already, and no recording');
  } finally {
    closeSync(file);
  }
  unlinkSync(path);
}

/** The code of a system error, else its message. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error ? String(error.code) : error.message;
}

function errorCode(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
