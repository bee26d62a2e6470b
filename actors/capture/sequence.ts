import type { Sliced } from './slices.js';

/** Something to do, with a pause wherever it yields. */
export type Job = () => Sliced<void>;

export interface SequenceEvents {
  /** true: a job pauses, and anything dependent on its end has to wait; false: all is done. */
  readonly onPause: (pauses: boolean) => void;
  /** A job has thrown; the waiting ones are done all the same. */
  readonly onError: (error: unknown) => void;
}

/**
 * Does one job after the other, in the order of their arrival: at once if none is under way. At each pause of a job the
 * event loop has a turn.
 */
export class Sequence {
  readonly #events: SequenceEvents;
  readonly #waiting: Job[] = [];
  #current: Sliced<void> | undefined;
  #isPaused = false;
  #isClosed = false;

  constructor(events: SequenceEvents) {
    this.#events = events;
  }

  add(job: Job): void {
    this.#waiting.push(job);
    if (this.#current === undefined) this.#advance();
  }

  /** Adds a job without pauses. */
  addStep(step: () => void): void {
    // eslint-disable-next-line require-yield -- one slice
    this.add(function* () {
      step();
    });
  }

  /** Does a last job once the current one is over; waiting ones are left out. */
  finish(job: Job): void {
    this.#waiting.length = 0;
    this.add(job);
  }

  /** Nothing is done any more. */
  close(): void {
    this.#isClosed = true;
    this.#waiting.length = 0;
  }

  #advance(): void {
    while (!this.#isClosed) {
      this.#current ??= this.#waiting.shift()?.();
      if (this.#current === undefined) break;
      if (!this.#isOver(this.#current)) {
        this.#pause(true);
        setImmediate(() => this.#advance());
        return;
      }
      this.#current = undefined;
    }
    this.#pause(false);
  }

  /** Takes a job to its next pause. Returns whether it ended instead. */
  #isOver(job: Sliced<void>): boolean {
    try {
      return job.next().done === true;
    } catch (error) {
      this.#events.onError(error);
      return true;
    }
  }

  #pause(pauses: boolean): void {
    if (pauses === this.#isPaused || this.#isClosed) return;
    this.#isPaused = pauses;
    this.#events.onPause(pauses);
  }
}
