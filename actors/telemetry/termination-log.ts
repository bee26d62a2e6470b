import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

const { O_NONBLOCK, O_TRUNC, O_WRONLY } = constants;
/** How long the end of a run waits for the disk behind it, ms. */
const PATIENCE_MS = 500;

/**
 * Writes the reason of an end where Kubernetes picks it up, if there is such a file: it is never made.
 * @returns why it is not written, unless it is absent
 */
export async function writeTerminationLog(file: string, text: string): Promise<string | undefined> {
  const late = delay(PATIENCE_MS, `its disk did not answer within ${PATIENCE_MS} ms`);
  return Promise.race([write(file, text), late]);
}

async function write(file: string, text: string): Promise<string | undefined> {
  try {
    // A pipe without a reader is refused instead of waited for.
    const handle = await open(file, O_WRONLY | O_TRUNC | O_NONBLOCK);
    try {
      await handle.write(text);
      return undefined;
    } finally {
      await handle.close();
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? undefined : (code ?? message);
  }
}
