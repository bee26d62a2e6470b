import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 20;
const PATIENCE_MS = 10_000;

type Seen<T> = T | undefined | false;

/**
 * Waits until `look` sees what it looks for, and returns that.
 * @param look gives undefined or false for not yet
 * @param what stands in the error after ten seconds in vain; as a function it is asked only then
 */
export async function eventually<T>(
  look: () => Seen<T> | Promise<Seen<T>>,
  what: string | (() => string),
  patience = PATIENCE_MS,
): Promise<T> {
  const end = performance.now() + patience;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (performance.now() > end) {
      throw new Error(`Not within ${patience / 1000} s: ${typeof what === 'string' ? what : what()}`);
    }
    await sleep(POLL_MS);
  }
}
