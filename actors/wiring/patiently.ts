import { setTimeout as delay } from 'node:timers/promises';
import type { Shortages } from '../telemetry/shortage.js';

const ATTEMPTS = 5;
const PAUSE_MS = 1000;

/**
 * Does work of the start, again after a passing shortage: up to five attempts, a second apart.
 * @param work undoes itself when it throws
 * @param subject the work's name, as a noun
 * @throws the error of the last attempt, or of one without a shortage; an AbortError
 */
export async function patiently<T>(
  work: () => Promise<T>,
  subject: string,
  shortages: Shortages,
  signal: AbortSignal,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt === ATTEMPTS || !shortages.note(error, subject)) throw error;
      await delay(PAUSE_MS, undefined, { signal });
    }
  }
}
