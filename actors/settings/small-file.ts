import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

/** Why a file cannot be used; `code` is the system's, if it refused. */
export class UnreadableFile extends Error {
  readonly code: string | undefined;

  constructor(reason: string, code?: string, options?: ErrorOptions) {
    super(reason, options);
    this.code = code;
  }
}

/**
 * Reads a file beside the event loop: a disk without an answer holds up this promise alone. A pipe is
 * refused, since reading would wait, and so is a device, for it may have no end.
 * @param most most bytes of the file
 * @throws UnreadableFile
 */
export async function readSmallFile(path: string, most: number): Promise<Buffer> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stats = await file.stat();
      if (!stats.isFile()) throw new UnreadableFile('it is not a file');
      if (stats.size > most)
        throw new UnreadableFile(`it has ${stats.size} bytes, and at most ${most} are read`);
      return await file.readFile();
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof UnreadableFile) throw error;
    const { code = String(error) } = error as NodeJS.ErrnoException;
    throw new UnreadableFile(`it cannot be read (${code})`, code, { cause: error });
  }
}
