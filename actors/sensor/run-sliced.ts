import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Sliced } from '../capture/slices.js';

/** Does sliced work with a turn of the event loop after each slice, so that nothing else waits for more than one. */
export async function runSliced<T>(work: Sliced<T>): Promise<T> {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
    await nextTurn();
  }
}
