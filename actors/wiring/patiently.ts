import { setTimeout as delay } from 'node:timers/promises';
import type { Shortages } from '../telemetry/shortage.js';

const ATTEMPTS = 5;
const PAUSE_MS = 1000;

/**
 * Does something at the start that a passing shortage may keep from succeeding: up to five attempts, a second apart.
 * @param work undoes itself when it throws
 * @param what it is, as a noun
 * @throws what the last attempt, or one that met no shortage, threw; an AbortError
 */
export async function patiently<T>(
  work: () => T,
  what: string,
  shortages: Shortages,
  signal: AbortSignal,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return work();
    } catch (error) {
      if (attempt === ATTEMPTS || !shortages.note(error, what)) throw error;
      await delay(PAUSE_MS, undefined, { signal });
    }
  }
}
