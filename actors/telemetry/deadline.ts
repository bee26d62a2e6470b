import { setTimeout as delay } from 'node:timers/promises';

/** A point in time for some work to be over. It stands still until it is started. */
export class Deadline {
  readonly #milliseconds: number;
  readonly #now: () => number;
  #end = Infinity;

  /** @param milliseconds from its start on */
  constructor(milliseconds: number, now: () => number = () => performance.now()) {
    this.#milliseconds = milliseconds;
    this.#now = now;
  }

  get isStarted(): boolean {
    return this.#end < Infinity;
  }

  /** Milliseconds left; Infinity before its start. */
  get left(): number {
    return Math.max(this.#end - this.#now(), 0);
  }

  get isOver(): boolean {
    return this.left === 0;
  }

  /** Starts it, once: another start changes nothing. */
  start(): this {
    if (!this.isStarted) this.#end = this.#now() + this.#milliseconds;
    return this;
  }

  /** A deadline after a part of the time left now, 0 to 1: the rest is for later work. */
  share(part: number): Deadline {
    return new Deadline(this.left * part, this.#now).start();
  }

  /** Waits for work until the deadline. Returns whether it was done in time. @throws the error of the work */
  async wait(work: Promise<unknown>): Promise<boolean> {
    const done = work.then(() => true);
    if (!this.isStarted) return done;
    return Promise.race([done, delay(this.left, false, { ref: false })]);
  }
}
