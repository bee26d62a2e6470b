import { setTimeout as sleep } from 'node:timers/promises';

/** A timer may fire so much too early, ms: the same moment would come twice. */
const EARLY = 5;

/** When ticks come. Made right after one. */
export class TickClock {
  readonly #start = performance.now();
  readonly #interval: number;
  readonly #stop: AbortSignal;

  /** @param interval seconds between two ticks */
  constructor(interval: number, stop: AbortSignal) {
    this.#interval = interval * 1000;
    this.#stop = stop;
  }

  /** Waits for the moment so many milliseconds after the latest tick; if it is over, after the next one. */
  async after(milliseconds: number): Promise<void> {
    const since = (performance.now() - this.#start) % this.#interval;
    const wait = milliseconds - since;
    await sleep(wait > EARLY ? wait : wait + this.#interval, undefined, { signal: this.#stop });
  }
}
