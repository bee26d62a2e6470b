/** Something to do, with a pause wherever it yields. */
export type Task = () => Iterator<unknown>;

export interface SequenceEvents {
  /** true: a task pauses, and nothing may happen that has to wait for it; false: all is done. */
  readonly onPause: (pauses: boolean) => void;
  /** A task has thrown; those that wait are done all the same. */
  readonly onError: (error: unknown) => void;
}

/**
 * Does one task after the other, in the order in which they come: at once if none is under way. Whenever a task pauses,
 * the event loop has a turn before it goes on.
 */
export class Sequence {
  readonly #events: SequenceEvents;
  readonly #waiting: Task[] = [];
  #current: Iterator<unknown> | undefined;
  #isPaused = false;
  #isClosed = false;

  constructor(events: SequenceEvents) {
    this.#events = events;
  }

  add(task: Task): void {
    this.#waiting.push(task);
    if (this.#current === undefined) this.#advance();
  }

  /** Adds a task without pauses. */
  addStep(step: () => void): void {
    const next = () => {
      step();
      return { done: true, value: undefined } as const;
    };
    this.add(() => ({ next }));
  }

  /** Does a last task when the current one is over; those that wait are left out. */
  finish(task: Task): void {
    this.#waiting.length = 0;
    this.add(task);
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

  /** Takes a task to its next pause; whether there was none. */
  #isOver(task: Iterator<unknown>): boolean {
    try {
      return task.next().done === true;
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
